"""Formulas of claims as terms of Coq, over its real numbers; and sentences of its language of proofs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import reduce
from types import MappingProxyType
from typing import Any

import sympy
from sympy.logic.boolalg import And, BooleanAtom, Equivalent, Implies, Not, Or

# Words of Coq, and names of its libraries that would be hidden from the statement itself.
_WORDS = """
R as at by cofix else end exists exists2 fix for forall fun if in let match mod Prop return Set SProp then Type using where with
exp ln sqrt Rmax Rmin Rabs Rpower PI INR IZR
"""
_TAKEN = frozenset(_WORDS.split())
_RELATIONS = {"==": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


class NotExportedError(Exception):
    """Something that has no counterpart in what is exported; the message is the reason that the manifest gives."""


def identifier(name: str) -> str:
    """Return a name that Coq takes, as near to the claim's as possible.

    >>> identifier("p"), identifier("dV/dtheta_s"), identifier("R"), identifier("2x")
    ('p', 'dV_dtheta_s', 'R_', 'x2x')
    """
    plain = re.sub(r"\W", "_", name.replace("'", "_prime"), flags=re.ASCII)
    if not plain or not (plain[0].isalpha() or plain[0] == "_") or plain == "_":
        plain = f"x{plain}"
    return f"{plain}_" if plain in _TAKEN else plain


Known = Mapping[Any, str]


def require_distinct(names: Iterable[str]) -> None:
    """Refuse names of which two would become one in Coq: the theorem would be about something else.

    Raises:
        NotExportedError: Two do.
    """
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(identifier(name), name)
        if other != name:
            raise NotExportedError(f"{other} and {name} would have the same name in Coq")


def term(expression: Any, known: Known = MappingProxyType({})) -> str:
    """Return an expression as a term of Coq.

    Args:
        expression: It, from SymPy.
        known: What is written in place of some of its parts, as terms that need no parentheses.

    Raises:
        NotExportedError: It holds a function that is not exported.

    >>> x, y = sympy.symbols("x y")
    >>> term(x / (1 - y) - sympy.Rational(1, 2) * x**2)
    'x / (1 - y) - (1 / 2) * x ^ 2'
    """
    if expression in known:
        return known[expression]
    if not expression.is_Add:
        return _product(expression, known)
    text = ""
    for part in sorted(expression.args, key=lambda item: (item.could_extract_minus_sign(), sympy.default_sort_key(item))):
        if part.could_extract_minus_sign() and text:
            text += f" - {_product(-part, known) if not (-part).is_Add else f'({term(-part, known)})'}"
        else:
            shown = f"({term(part, known)})" if part.is_Add else _product(part, known)
            text += f" + {shown}" if text else shown
    return text


def proposition(formula: Any) -> str:
    """Return a formula as a proposition of Coq.

    >>> x = sympy.Symbol("x")
    >>> proposition(sympy.Implies(x > 0, sympy.Ne(x, 0)))
    '(x > 0 -> x <> 0)'
    """
    if isinstance(formula, BooleanAtom):
        return str(formula)
    if formula.is_Relational:
        return f"{term(formula.lhs)} {_RELATIONS[formula.rel_op]} {term(formula.rhs)}"
    if isinstance(formula, Not):
        return f"~ ({proposition(formula.args[0])})"
    if isinstance(formula, Implies):
        left, right = formula.args
        return f"({proposition(left)} -> {proposition(right)})"
    for kind, sign in ((And, "/\\"), (Or, "\\/"), (Equivalent, "<->")):
        if isinstance(formula, kind):
            if kind is Equivalent and len(formula.args) != 2:
                raise NotExportedError("an equivalence of more than two formulas")
            return "(" + f" {sign} ".join(map(proposition, formula.args)) + ")"
    raise NotExportedError(f"the connective {type(formula).__name__}")


def number(value: Any) -> str:
    """Return a rational number as a term; a negative one in parentheses."""
    text = str(abs(value.p)) if value.q == 1 else f"{abs(value.p)} / {value.q}"
    return text if value >= 0 else f"(- ({text}))" if value.q != 1 else f"(- {text})"


def _product(expression: Any, known: Known) -> str:
    if expression in known:
        return known[expression]
    if not (expression.is_Mul or (expression.is_Pow and expression.exp.is_Integer and expression.exp < 0)):
        return _power(expression, known)
    above, below = [], []
    sign = ""
    for part in sympy.Mul.make_args(expression):
        if part == -1:
            sign = "- " if not sign else ""
        elif part.is_Pow and part.exp.is_Integer and part.exp < 0:
            below.append(_power(part.base, known) if part.exp == -1 else f"{_atom(part.base, known)} ^ {-part.exp}")
        else:
            above.append(_power(part, known))
    text = " * ".join(above) or "1"
    if below:
        text += f" / {below[0]}" if len(below) == 1 and "^" not in below[0] else f" / ({' * '.join(below)})"
    return f"(- ({text}))" if sign else text


def _power(expression: Any, known: Known) -> str:
    if expression in known:
        return known[expression]
    if expression.is_Pow:
        base, exponent = expression.args
        if exponent.is_Integer and exponent >= 0:
            return f"{_atom(base, known)} ^ {exponent}"
        if exponent == sympy.Rational(1, 2):
            return f"sqrt {_atom(base, known)}"
        if exponent.is_Integer:
            return f"(/ {_atom(base, known)} ^ {-exponent})" if exponent != -1 else f"(/ {_atom(base, known)})"
        if base is sympy.E:
            return f"exp {_atom(exponent, known)}"
        return f"Rpower {_atom(base, known)} {_atom(exponent, known)}"
    return _atom(expression, known)


def _atom(expression: Any, known: Known) -> str:
    if expression in known:
        return known[expression]
    if expression.is_Symbol:
        return identifier(expression.name)
    if expression.is_Integer and expression >= 0:
        return str(expression)
    if expression.is_Rational:
        return f"({number(expression)})" if expression >= 0 else number(expression)
    if expression is sympy.E:
        return "(exp 1)"
    if isinstance(expression, sympy.exp):
        return f"(exp {_atom(expression.args[0], known)})"
    if isinstance(expression, sympy.log):
        return f"(ln {_atom(expression.args[0], known)})"
    if isinstance(expression, sympy.Abs):
        return f"(Rabs {_atom(expression.args[0], known)})"
    if isinstance(expression, sympy.Max | sympy.Min):
        name = "Rmax" if isinstance(expression, sympy.Max) else "Rmin"
        *others, last = (_atom(arg, known) for arg in sorted(expression.args, key=sympy.default_sort_key))
        return reduce(lambda inner, arg: f"({name} {arg} {inner})", reversed(others), last)
    if expression.is_Add or expression.is_Mul or expression.is_Pow:
        return f"({term(expression, known)})"
    raise NotExportedError(f"the function {type(expression).__name__}")


def asserted(statement: str, by: str, name: str = "") -> str:
    """Return the sentence that says and proves something in between.

    >>> asserted("0 < p", "lra")
    'assert (0 < p) by (lra).'
    """
    return f"assert ({name} : {statement}) by ({by})." if name else f"assert ({statement}) by ({by})."


def posed(lemma: str, *args: str, name: str = "") -> str:
    """Return the sentence that adds an instance of a lemma to what is known."""
    return f"pose proof ({' '.join([lemma, *args])}){f' as {name}' if name else ''}."


def replaced(old: str, new: str, by: str = "equal") -> str:
    """Return the tactic that writes a term differently."""
    return f"replace ({old}) with ({new}) by {by}"


def first_of(*scripts: str) -> str:
    """Return the tactic that tries others in turn."""
    return f"first [ {' | '.join(scripts)} ]"
