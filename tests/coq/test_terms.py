"""Terms of Coq say what SymPy says: read back by a reader of their own, they have the same values."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from dstheory.coq.terms import NotExportedError, identifier, proposition, require_distinct, term

x, y = sympy.symbols("x y")
LEAVES = st.sampled_from([x, y, *map(sympy.Integer, range(-3, 4)), sympy.Rational(2, 3), sympy.Rational(-5, 7)])


def combine(inner: st.SearchStrategy[sympy.Expr]) -> st.SearchStrategy[sympy.Expr]:
    two = st.tuples(inner, inner)
    return st.one_of(
        two.map(lambda pair: pair[0] + pair[1]),
        two.map(lambda pair: pair[0] - pair[1]),
        two.map(lambda pair: pair[0] * pair[1]),
        two.map(lambda pair: pair[0] / (pair[1] ** 2 + 1)),
        st.tuples(inner, st.integers(0, 3)).map(lambda pair: pair[0] ** pair[1]),
    )


class Reader:
    """Evaluate a term as Coq parses it: ^ binds tighter than * and /, and these tighter than + and -."""

    def __init__(self, text: str, values: dict[str, Fraction]) -> None:
        self.tokens = re.findall(r"\d+|\w+|[-+*/^()]", text)
        self.values = values

    def sum(self) -> Fraction:
        if self.next("-"):
            value = -self.product()
        else:
            value = self.product()
        while self.tokens and self.tokens[0] in "+-":
            sign = 1 if self.tokens.pop(0) == "+" else -1
            value += sign * self.product()
        return value

    def product(self) -> Fraction:
        value = self.power()
        while self.tokens and self.tokens[0] in "*/":
            divide = self.tokens.pop(0) == "/"
            other = self.power()
            value = value / other if divide else value * other
        return value

    def power(self) -> Fraction:
        if self.next("/"):
            return 1 / self.power()
        base = self.atom()
        return base ** int(self.tokens.pop(0)) if self.next("^") else base

    def atom(self) -> Fraction:
        token = self.tokens.pop(0)
        if token == "(":
            value = self.sum()
            assert self.tokens.pop(0) == ")"
            return value
        return Fraction(token) if token.isdigit() else self.values[token]

    def next(self, token: str) -> bool:
        if self.tokens and self.tokens[0] == token:
            self.tokens.pop(0)
            return True
        return False


NUMBERS = st.fractions(-2, 2, max_denominator=9)


@given(st.recursive(LEAVES, combine, max_leaves=12), NUMBERS, NUMBERS)
def test_a_term_has_the_value_of_the_expression(expression: sympy.Expr, one: Fraction, other: Fraction) -> None:
    value = expression.subs({x: sympy.Rational(one), y: sympy.Rational(other)})
    reader = Reader(term(expression), {"x": one, "y": other})
    assert sympy.Rational(reader.sum()) == value
    assert not reader.tokens


def test_functions_and_formulas() -> None:
    assert term(sympy.exp(-x) * sympy.log(y) + sympy.sqrt(y) + y**x) in {
        term(sympy.sqrt(y) + y**x + sympy.exp(-x) * sympy.log(y))
    }
    assert term(sympy.Max(x, y, 1)).count("Rmax") == 2
    assert term(y**x) == "Rpower y x"
    formula = sympy.Implies(sympy.And(x > 0, sympy.Ne(y, 0)), sympy.Or(x >= y, sympy.Not(sympy.Eq(x, 1), evaluate=False)))
    assert proposition(formula).count("->") == 1
    assert proposition(sympy.Equivalent(x > 0, y > 0)) in {"(x > 0 <-> y > 0)", "(y > 0 <-> x > 0)"}
    with pytest.raises(NotExportedError, match="the function sin"):
        term(sympy.sin(x))


def test_names_stay_names() -> None:
    names = ["p", "theta_s", "dV/dtheta_s", "R", "in", "2x", "p'", "", "_", "exp"]
    shown = [identifier(name) for name in names]
    assert len(set(shown)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z_]\w*", name, flags=re.ASCII) for name in shown)
    assert not {"R", "in", "exp"} & set(shown)
    require_distinct(names)
    with pytest.raises(NotExportedError, match="p' and p_prime would have the same name"):
        require_distinct(["p'", "p_prime"])
