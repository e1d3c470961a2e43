"""Where an expression has a value: the conditions that its denominators, logarithms and roots put on the domain.

They are read off the expression as its author wrote it, before definitions are substituted: SymPy cancels V (1 - x) to 1 once V
is replaced by 1/(1 - x), and with the factor goes the point at which V has no value. What SymPy was told about the sign of a
defined symbol is a condition too, since it simplifies by it: with V positive, sqrt(V^2) is V.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

import sympy

from dstheory.claims.domains import excess_assumptions
from dstheory.claims.formulas import derivative, short, written_out
from dstheory.errors import ClaimError, UndefinedError


class Need(Enum):
    """What an expression must be: its relation to 0, the opposite, and that in words."""

    NONZERO = (sympy.Ne, sympy.Eq, "zero")
    POSITIVE = (sympy.Gt, sympy.Le, "not positive")
    NONNEGATIVE = (sympy.Ge, sympy.Lt, "negative")


_SIGNS = {"positive": Need.POSITIVE, "nonnegative": Need.NONNEGATIVE, "nonzero": Need.NONZERO}
_Part = tuple[Any, Any, Need, str]
"""What has no value, the expression that must meet a need, the need, and the word if SymPy was told so."""


@dataclass(frozen=True)
class Condition:
    """``expression`` must meet a need for ``written`` to have a value, or to be what SymPy was ``told`` that it is."""

    expression: Any
    need: Need
    written: Any
    told: str = ""

    @property
    def formula(self) -> Any:
        """The condition as a relation."""
        return self.need.value[0](self.expression, 0, evaluate=False)

    @property
    def negation(self) -> Any:
        """The relation that must hold nowhere."""
        return self.need.value[1](self.expression, 0, evaluate=False)

    @property
    def broken(self) -> str:
        """What is wrong where the condition does not hold."""
        told = f"SymPy was told that {self.written} is {self.told}, which is wrong"
        return f"{told if self.told else f'{short(self.written)} has no value'} where {self.expression} is {self.need.value[2]}"


def conditions(item: Any, plain: Callable[[Any], Any], defined: Collection[str] = ()) -> list[Condition]:
    """The conditions under which an expression, or every side of a formula's relations, has a value.

    Args:
        item: An expression or a formula, as written: definitions by name.
        plain: Substitutes definitions into an expression.
        defined: Names that have a definition.

    Raises:
        UndefinedError: If a denominator is identically zero, or a logarithm's argument a constant that is not positive.

    Example:
        >>> x, V = sympy.symbols("x V")
        >>> [str(c.formula) for c in conditions(sympy.log(x) / V, lambda item: item.xreplace({V: 1 - x}), {"V"})]
        ['Ne(1 - x, 0)', 'x > 0']
    """
    found: dict[tuple[Any, Need], Condition] = {}
    seen: set[tuple[Any, Need]] = set()
    for expression in _expressions(item):
        for written, base, need, told in (*_partial(expression, plain), *_assumed(expression, defined)):
            if (base, need) in seen:
                continue
            seen.add((base, need))
            value = plain(base)
            condition = Condition(value, need, written, told)
            if not value.is_Rational:
                found.setdefault((value, need), condition)
            elif need.value[1](value, 0):
                raise UndefinedError(f"{condition.broken}: it is {value}")
    return list(found.values())


def _expressions(item: Any) -> Iterator[Any]:
    if isinstance(item, sympy.Expr):
        yield item
    elif getattr(item, "is_Relational", False):
        yield from (item.lhs, item.rhs)
    else:
        for arg in getattr(item, "args", ()):
            yield from _expressions(arg)


def _partial(node: Any, plain: Callable[[Any], Any], *, smooth: bool = False) -> Iterator[_Part]:
    """What has no value unless an expression meets a need, inner operations first.

    ``smooth``: a derivative must exist as well, which a root has not where its base is zero.
    """
    if isinstance(node, sympy.Sum | sympy.Product):
        inner = [node.function]
        within = {index for part in node.function.atoms(sympy.Sum, sympy.Product) for index in part.bound_symbols}
        if twice := sorted(map(str, within.intersection(node.bound_symbols))):
            raise ClaimError(f"{short(node)} has {twice[0]} as an index twice, one within the other; rename one of them")
        for limit in node.limits:
            inner = [term for part in inner for term in written_out(part, limit, node)]
        for part in inner:
            yield from _partial(part, plain, smooth=smooth)
        return
    if isinstance(node, derivative | sympy.Derivative):
        yield from _partial(node.args[0], plain, smooth=True)
        yield from _partial(plain(node.args[0]), plain, smooth=True)  # roots behind definitions
        return
    for arg in node.args:
        if isinstance(arg, sympy.Expr):
            yield from _partial(arg, plain, smooth=smooth)
    if isinstance(node, sympy.log):
        yield node, node.args[0], Need.POSITIVE, ""
    elif node.is_Pow and node.args[0] is not sympy.E:
        base, exponent = node.args
        power = exponent if exponent.is_Integer else plain(exponent)
        if power.is_Integer:
            need = Need.NONZERO if power < 0 else None
        else:
            need = Need.NONNEGATIVE if power.is_Rational and power > 0 and not smooth else Need.POSITIVE
        if need is not None:
            yield node, base, need, ""


def _assumed(expression: Any, defined: Collection[str]) -> Iterator[_Part]:
    """What SymPy was told about defined symbols, the strongest word on each sign."""
    for symbol in sorted(expression.free_symbols, key=lambda item: item.name):
        if symbol.name not in defined:
            continue
        word = next((word for word in _SIGNS if symbol.assumptions0.get(word)), None)
        if words := excess_assumptions(symbol, {word: True} if word else {}):
            raise ClaimError(f"SymPy was told that the defined symbol {symbol.name} is {words[0]}; use a plain symbol")
        if word is not None:
            yield symbol, symbol, _SIGNS[word], word
