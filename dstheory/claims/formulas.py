"""What a claim's author writes, turned into what the engines read: named definitions substituted, symbols checked, plain.

SymPy treats two symbols of one name but different assumptions as different, and simplifies silently by the assumptions it is
given. Here a symbol is its name; its range is the one the claim declares; and any SymPy assumption it carries must follow
from that range.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy
from sympy.logic.boolalg import BooleanAtom
from sympy.logic.boolalg import BooleanFunction as Connective

from dstheory.claims.domains import Domain
from dstheory.claims.errors import ClaimError, DomainError

__all__ = ["conjuncts", "plain", "plain_definitions", "plain_formula"]

_TRUE_MATTERS = (
    "positive",
    "negative",
    "nonnegative",
    "nonpositive",
    "zero",
    "nonzero",
    "integer",
    "rational",
    "even",
    "odd",
    "prime",
    "composite",
    "irrational",
    "noninteger",
    "imaginary",
    "infinite",
)
_FALSE_MATTERS = ("positive", "negative", "nonnegative", "nonpositive", "zero", "nonzero")


def plain_definitions(
    definitions: Mapping[Any, Any], domain: Mapping[str, Domain], known: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Resolve definitions, which may use earlier ones and those ``known``, to expressions in the symbols of the domain.

    >>> from dstheory.claims.domains import UNIT
    >>> p, q, r = sympy.symbols("p q r")
    >>> plain_definitions({q: 1 - p, r: p / q}, {"p": UNIT})
    {'q': 1 - p, 'r': p/(1 - p)}
    """
    resolved: dict[str, Any] = {}
    for key, value in definitions.items():
        name = key.name if isinstance(key, sympy.Symbol) else str(key)
        if name in domain:
            raise DomainError(f"{name} has both a domain and a definition; a symbol is either free or defined")
        if name in resolved:
            raise DomainError(f"{name} is defined twice")
        resolved[name] = plain(value, domain, {**(known or {}), **resolved})
    return resolved


def plain(expression: Any, domain: Mapping[str, Domain], definitions: Mapping[str, Any]) -> Any:
    """Substitute definitions and replace every symbol by the plain one of its name, checking that its domain is known.

    Raises
    ------
    DomainError
        For a symbol that is neither declared nor defined, or whose SymPy assumptions say more than its domain.
    """
    expression = sympy.sympify(expression)
    if floats := sorted(expression.atoms(sympy.Float)):
        raise ClaimError(f"{_short(expression)} contains the float {floats[0]}, which is not exact; write Rational(1, 2) for 0.5")
    replace: dict[Any, Any] = {}
    for symbol in sorted(expression.free_symbols, key=lambda item: item.name):
        name = symbol.name
        if name in definitions:
            replace[symbol] = definitions[name]
        elif name in domain:
            _check_assumptions(symbol, domain[name])
            replace[symbol] = sympy.Symbol(name)
        else:
            known = ", ".join(domain) or "none"
            raise DomainError(
                f"the symbol {name} in {_short(expression)} has no domain; declare it, for instance "
                f'domain={{"{name}": UNIT}} (declared: {known})'
            )
    return expression.xreplace(replace)


def plain_formula(formula: Any, domain: Mapping[str, Domain], definitions: Mapping[str, Any]) -> Any:
    """As `plain`, for formulas: relations joined by And, Or, Not, Implies, Equivalent.

    Raises ``ClaimError`` for what was already decided when Python read it: ``p == q`` is a Python truth value, not a
    statement, and nothing would be checked.
    """
    if isinstance(formula, bool | BooleanAtom):
        raise ClaimError(
            f"the formula had already become {bool(formula)} before the engine saw it, so nothing would be checked; "
            "write equalities as Eq(left, right), or use identity(left, right)"
        )
    if not (getattr(formula, "is_Relational", False) or isinstance(formula, Connective)):
        raise ClaimError(f"{formula!r} is not a formula; write Eq(left, right), a < b, And(...), Implies(...) and so on")
    return _rebuilt(sympy.sympify(formula), domain, definitions)


def _rebuilt(formula: Any, domain: Mapping[str, Domain], definitions: Mapping[str, Any]) -> Any:
    """The formula in plain symbols, relations unevaluated: SymPy would settle some of them by floating point."""
    if isinstance(formula, BooleanAtom):
        return formula
    if formula.is_Relational:
        sides = (plain(side, domain, definitions) for side in (formula.lhs, formula.rhs))
        return formula.func(*sides, evaluate=False)
    if not isinstance(formula, Connective):
        raise ClaimError(f"{formula!r} is not a formula; write Eq(left, right), a < b, And(...), Implies(...) and so on")
    return formula.func(*[_rebuilt(arg, domain, definitions) for arg in formula.args], evaluate=False)


def conjuncts(formula: Any) -> list[Any]:
    """The parts of a conjunction; a list with the formula itself if it is none."""
    if isinstance(formula, sympy.And):
        return [part for arg in formula.args for part in conjuncts(arg)]
    return [formula]


def _check_assumptions(symbol: Any, domain: Domain) -> None:
    assumed = symbol.assumptions0
    excess = [word for word in _TRUE_MATTERS if assumed.get(word) is True and not domain.implies(word)]
    excess += [f"not {word}" for word in _FALSE_MATTERS if assumed.get(word) is False and not domain.implies(word, False)]
    if excess:
        raise DomainError(
            f"SymPy was told that {symbol.name} is {' and '.join(excess)}, which its domain {domain} does not promise; "
            f"use a plain symbol, or a narrower domain"
        )


def _short(expression: Any, limit: int = 80) -> str:
    text = str(expression)
    return text if len(text) <= limit else text[: limit - 1] + "…"
