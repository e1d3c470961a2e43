r"""Long formulas are broken into lines that fit, and the lines together say what the formula says."""

from __future__ import annotations

import math
import re

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from dstheory.symbolic.render.lines import broken, visual_width
from dstheory.symbolic.render.printers import formula_latex

VALUES = {"p": 0.3, "a": 0.7, "x": 1.9, "w_{s}": 2.3, r"\gamma": 0.45, r"p_{\mathrm{ref}}": 0.8}
TOKEN = re.compile(r"p_\{\\mathrm\{ref\}\}|w_\{s\}|\\[a-zA-Z]+|\d+|[^\s]")


def value(source: str) -> float:
    """Read LaTeX back, independently of what wrote it: sums, products by juxtaposition, fractions, powers, log, delimiters."""
    tokens = TOKEN.findall(re.sub(r"\\(left|right|[bB]igg?[lr]|quad|,)", " ", source).replace(r"\Big/", "/"))
    at = 0

    def peek() -> str:
        return tokens[at] if at < len(tokens) else ""

    def take() -> str:
        nonlocal at
        at += 1
        return tokens[at - 1]

    def total() -> float:
        found = 0.0
        while peek() not in ("", ")", "}"):
            sign = 1.0
            while peek() in ("+", "-"):
                sign *= -1.0 if take() == "-" else 1.0
            found += sign * product()
        return found

    def product() -> float:
        found = factor()
        while peek() not in ("", ")", "}", "+", "-"):
            if peek() == "/":
                take()
                found /= factor()
            else:
                if peek() == r"\times":
                    take()
                found *= factor()
        return found

    def factor() -> float:
        token = take()
        if token in "({":
            found = total()
            assert take() == {"(": ")", "{": "}"}[token]
        elif token == r"\frac":
            found = factor()
            found /= factor()
        elif token == r"\log":
            opening, found = take(), math.log(total())
            assert take() == {"(": ")", "{": "}"}[opening]
        else:
            found = float(token) if token.isdecimal() else VALUES[token]
        if peek() == "^":
            take()
            found **= factor()
        return found

    return total()


numbers = st.sampled_from([sp.Integer(1), sp.Integer(2), *map(sp.Symbol, ("p", "a", "x", "w_s", "gamma", "p_ref"))])
formulas = st.recursive(
    numbers,
    lambda parts: st.one_of(
        st.lists(parts, min_size=2, max_size=5).map(lambda some: sp.Add(*some)),
        st.lists(parts, min_size=2, max_size=4).map(lambda some: sp.Mul(*some)),
        st.tuples(parts, parts).map(lambda two: two[0] / (two[1] ** 2 + 1)),
        st.tuples(parts, parts).map(lambda two: two[0] - two[1]),
        parts.map(lambda one: sp.log(1 + one**2)),
    ),
    max_leaves=40,
)


@given(formula=formulas, width=st.sampled_from([24, 40, 80]))
def test_the_lines_say_what_the_formula_says(formula: sp.Expr, width: int) -> None:
    at = {sp.Symbol(name): VALUES[formula_latex(sp.Symbol(name))] for name in ("p", "a", "x", "w_s", "gamma", "p_ref")}
    source = formula_latex(formula)
    lines = broken(source, width)
    expected = float(formula.subs(at))
    assert value(" ".join(lines)) == pytest.approx(expected, rel=1e-9, abs=1e-9), lines
    if visual_width(source) <= width:
        assert lines == [source]


@pytest.mark.parametrize("width", [40, 80])
def test_lines_are_as_wide_as_allowed(width: int) -> None:
    p, a, x = sp.symbols("p a x")
    inner = sp.Add(*[sp.Symbol(f"R_{i}") * (1 - p) / (1 - a) for i in "bcdefgh"], evaluate=False)
    formula = x * (1 - sp.Mul(p, inner, evaluate=False) / (1 + inner**2)) ** 2 * sp.log(1 + inner) / (1 - p * inner)
    lines = broken(f"V = {formula_latex(formula)} = W", width)
    assert len(lines) > 5
    assert max(map(visual_width, lines)) <= width + 4
    assert lines[-1] == "= W"


@pytest.mark.parametrize(
    ("width", "source", "lines"),
    [
        (14, r"V=a,\qquad W=b+c", ["V=a,", "W=b+c"]),
        (12, r"\sum_{i=1}^{L} w_i \chi(E_i\,\|\,\pi_i)", [r"\sum_{i=1}^{L} w_i", r"\quad \times \chi(E_i\,\|\,\pi_i)"]),
        (15, r"x \in [0, 1) \wedge y \in (0, 1]", [r"x \in [0, 1)", r"\wedge y \in (0, 1]"]),
        (8, r"\operatorname{d}{\left(f,z \right)} e^{z} + 1", [r"\operatorname{d} \left(f,z \right) e^{z}", "+ 1"]),
        (6, "0.04 x - 2", ["0.04 x", "- 2"]),
    ],
)
def test_what_stays_together(width: float, source: str, lines: list[str]) -> None:
    """Functions and arguments, sums and summands, numbers; statements come apart at their comma."""
    assert [re.sub(r"\s", "", line) for line in broken(source, width)] == [re.sub(r"\s", "", line) for line in lines]
