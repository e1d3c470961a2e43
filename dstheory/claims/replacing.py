"""Expressions in the place of symbols, unless SymPy would form a number that fills the memory on the way.

``10**V`` with ``V = 10**10`` is a number of ten thousand million digits, and SymPy forms it as soon as it sees it. So the digits
are bounded first: those of a power are those of its base times its exponent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy

from dstheory.errors import ClaimError

_MOST_BITS = 100_000


def replaced(expression: Any, meanings: Mapping[Any, Any]) -> Any:
    """The expression with others in the place of its symbols.

    Raises:
        ClaimError: If that makes a number of more than 30,000 digits.

    Example:
        >>> x, V = sympy.symbols("x V")
        >>> replaced(x**V, {V: sympy.Integer(2)})
        x**2
        >>> replaced(10**V, {V: sympy.Integer(10) ** 10})
        Traceback (most recent call last):
        dstheory.errors.ClaimError: 10**V is too large: it is a number of more than 30,000 digits; use smaller powers
    """
    _Digits(meanings).of(expression)
    return expression.xreplace(meanings)


class _Digits:
    """Bounds for the binary digits of the numbers that SymPy takes out of an expression; 0 where there is none."""

    def __init__(self, meanings: Mapping[Any, Any]) -> None:
        self._meanings = meanings
        self._known: dict[Any, int] = {}

    def of(self, node: Any) -> int:
        if node not in self._known:
            self._known[node] = found = self._of(node)
            if found > _MOST_BITS:
                raise ClaimError(f"{node!s:.80} is too large: it is a number of more than 30,000 digits; use smaller powers")
        return self._known[node]

    def _of(self, node: Any) -> int:
        if node.is_Rational:
            return max(int(node.p).bit_length(), int(node.q).bit_length())
        if node in self._meanings:
            return _Digits({}).of(self._meanings[node])  # where nothing is replaced once more
        parts = [self.of(arg) for arg in node.args if isinstance(arg, sympy.Expr)]  # that of a root is not only of these
        if node.is_Pow:
            return parts[0] * self._greatest(node.exp) if parts[0] else 0
        if node.is_Mul:
            return sum(parts)
        return 0 if self._varies(node) else max(parts, default=0) + len(parts)

    def _greatest(self, exponent: Any) -> int:
        """A bound for the exponent, as far as it matters; 1 where it is no number."""
        exponent = self._meanings.get(exponent, exponent)
        if exponent.is_Rational:
            return abs(int(exponent.p)) // int(exponent.q) + 1
        return 1 if self._varies(exponent) else 2 ** min(self.of(exponent), 64)

    def _varies(self, node: Any) -> bool:
        return any(self._meanings.get(symbol, symbol).free_symbols for symbol in node.free_symbols)
