r"""Breaking a long formula into lines that fit a page.

LaTeX does not break displayed formulas. A sum is broken between its terms; a product with a long factor is broken inside that
factor, between ``\Bigl(`` and ``\Bigr)``, which unlike ``\left`` and ``\right`` may stand on different lines; a fraction with a
long numerator is written as (1/denominator) x (numerator).
"""

from __future__ import annotations

import re

import sympy as sp

from dstheory.symbolic.render.printers import latex, ordered_terms

__all__ = ["broken", "visual_width"]

_NARROW = {
    "left",
    "right",
    "Bigl",
    "Bigr",
    "bigl",
    "bigr",
    "mathrm",
    "operatorname",
    "text",
    ",",
    "quad",
    "displaystyle",
    ";",
    "!",
}


def visual_width(source: str) -> float:
    r"""Estimate the printed width of LaTeX, in digits: a fraction is as wide as its wider part, subscripts are small.

    >>> visual_width(r"\frac{1 - q}{1 - q}") < visual_width("1 - q 1 - q")
    True
    >>> visual_width("p_{ref}") < visual_width("p ref")
    True
    """
    return _width(_tokens(source))


def _tokens(source: str) -> list[str]:
    return re.findall(r"\\[a-zA-Z]+|\\.|[{}_^]|[^\s\\{}_^]", source)


def _width(tokens: list[str]) -> float:
    total, i = 0.0, 0
    while i < len(tokens):
        token = tokens[i]
        if token == "\\frac":
            top, i = _group(tokens, i + 1)
            bottom, i = _group(tokens, i)
            total += max(_width(top), _width(bottom)) + 0.5
            continue
        if token in "_^":
            script, i = _group(tokens, i + 1)
            total += 0.7 * _width(script)
            continue
        if token.startswith("\\"):
            total += 0.0 if token[1:] in _NARROW else 1.5 if token == "\\log" else 1.0
        elif token not in "{}":
            total += 1.9 if token in "+-=" else 0.8 if token in "()[]|" else 1.1
        i += 1
    return total


def _group(tokens: list[str], i: int) -> tuple[list[str], int]:
    """Return the braced group, or the single token, that starts at i, and the position after it."""
    if i >= len(tokens) or tokens[i] != "{":
        return tokens[i : i + 1], i + 1
    depth, j = 0, i
    while j < len(tokens):
        depth += {"{": 1, "}": -1}.get(tokens[j], 0)
        if depth == 0:
            break
        j += 1
    return tokens[i + 1 : j], j + 1


def broken(expr: sp.Expr, width: float) -> list[str]:
    """Return the formula as lines of LaTeX, each about as wide as allowed or indivisible.

    >>> a, b = sp.symbols("a b")
    >>> broken(a + b, 80)
    ['a + b']
    >>> broken(a + b, 2)
    ['a', '+ b']
    """
    whole = latex(expr)
    if visual_width(whole) <= width:
        return [whole]
    if expr.is_Add:
        return _broken_sum(expr, width)
    if expr.is_Mul or expr.is_Pow:
        return _broken_product(expr, width) or [whole]
    return [whole]


def _broken_sum(expr: sp.Expr, width: float, first: float | None = None) -> list[str]:
    """Break between the terms; the first line may be given another width, for what stands before it."""
    lines: list[str] = []
    room = width if first is None else first
    for position, term in enumerate(ordered_terms(list(expr.as_ordered_terms()))):
        negative = bool(term.could_extract_minus_sign())
        sign = "- " if negative else "+ " if position else ""
        pieces = broken(-term if negative else term, width - 2)
        if lines and len(pieces) == 1 and visual_width(f"{lines[-1]} {sign}{pieces[0]}") <= (room if len(lines) == 1 else width):
            lines[-1] = f"{lines[-1]} {sign}{pieces[0]}"
        else:
            lines += [sign + pieces[0], *pieces[1:]]
    return lines


def _broken_product(expr: sp.Expr, width: float) -> list[str]:
    top, bottom = sp.fraction(expr)
    sums = [f for f in sp.Mul.make_args(top) if f.is_Add]
    if not sums:
        return []  # nothing to break
    longest = max(sums, key=lambda f: visual_width(latex(f)))
    rest = sp.Mul(*[f for f in sp.Mul.make_args(top) if f is not longest])
    front = "" if rest == 1 and bottom == 1 else latex(rest / bottom)
    if rest == -1 and bottom == 1:
        front = "-"
    elif (rest / bottom).is_Add:
        front = rf"\left({front}\right)"
    above = visual_width(front) > 0.6 * width  # then the long factor starts on a line of its own
    inner = _broken_sum(longest, width - 4, width - 4 if above else width - 3 - visual_width(front))
    opening = [front, rf"\times \Bigl( {inner[0]}"] if above else [rf"{front} \Bigl( {inner[0]}"]
    lines = [*opening, *[rf"\qquad {line}" for line in inner[1:]]]
    lines[-1] += r" \Bigr)"
    return [line.strip() for line in lines]
