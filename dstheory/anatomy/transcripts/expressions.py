r"""Arithmetic in texts: found by a scanner, evaluated exactly by a parser, never run as code.

Grammar, with the usual precedence and left associativity::

    sum     = product (("+" | "-") product)*
    product = factor (("*" | "/") factor)*
    factor  = ["-"] (number | "(" sum ")")

Values are fractions, so that 8/(3 - 8/3) is 24 and not nearly 24. There are no powers, no names and no calls; lengths, digits and
depth are limited, so that no text can make the parser slow or large.

Source: shunting-yard algorithm (Dijkstra 1961), written for this grammar.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

__all__ = ["Expression", "ExpressionError", "evaluate", "find_expressions"]

_LONGEST = 400  # characters of an expression
_DIGITS = 12  # of a number
_NUMBERS = 60  # in an expression: exact fractions stay below 60 * 12 digits

_TOKEN = re.compile(r"\d+(?:\.\d+)?|[-+*/()]")
_OTHER_SIGNS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "∗": "*", "⋅": "*"})
_STRENGTH = {"+": 1, "-": 1, "*": 2, "/": 2, "neg": 3}


class ExpressionError(ValueError):
    """A text is not an expression of this grammar, or breaks a limit."""


@dataclass(frozen=True)
class Expression:
    """An expression with its value.

    Attributes:
        text: as written.
        numbers: the numbers in it, in order.
        value: exact; None where it divides by zero.
    """

    text: str
    numbers: tuple[Fraction, ...]
    value: Fraction | None


def evaluate(text: str) -> Expression:
    """Evaluate an expression exactly.

    Raises:
        ExpressionError: the text is none, or is longer than the limits allow.

    >>> evaluate("8/(3 - 8/3)").value
    Fraction(24, 1)
    >>> evaluate("(6 / (1 - (8 / 8)))").value is None
    True
    >>> evaluate("__import__('os')")
    Traceback (most recent call last):
        ...
    dstheory.anatomy.transcripts.expressions.ExpressionError: '_' at character 1 is no part of an expression
    """
    if len(text) > _LONGEST:
        raise ExpressionError(f"longer than {_LONGEST} characters")
    plain = text.translate(_OTHER_SIGNS)
    values: list[Fraction | None] = []
    numbers: list[Fraction] = []
    waiting: list[str] = []
    operand_next, at = True, 0
    while at < len(plain):
        if plain[at].isspace():
            at += 1
            continue
        match = _TOKEN.match(plain, at)
        if match is None:
            raise ExpressionError(f"{plain[at]!r} at character {at + 1} is no part of an expression")
        token, at = match.group(), match.end()
        if operand_next:
            if token[0].isdigit():
                numbers.append(_number(token))
                if len(numbers) > _NUMBERS:
                    raise ExpressionError(f"more than {_NUMBERS} numbers")
                values.append(numbers[-1])
                operand_next = False
            elif token == "(":
                waiting.append(token)
            elif token == "-":
                waiting.append("neg")
            else:
                raise ExpressionError(f"{token!r} stands where a number should")
        elif token == ")":
            while waiting and waiting[-1] != "(":
                _apply(waiting.pop(), values)
            if not waiting:
                raise ExpressionError("a bracket is closed that was not opened")
            waiting.pop()
        elif token in _STRENGTH:
            while waiting and waiting[-1] != "(" and _STRENGTH[waiting[-1]] >= _STRENGTH[token]:
                _apply(waiting.pop(), values)
            waiting.append(token)
            operand_next = True
        else:
            raise ExpressionError(f"{token!r} stands where an operator should")
    if operand_next:
        raise ExpressionError("it ends where a number should stand")
    while waiting:
        operator = waiting.pop()
        if operator == "(":
            raise ExpressionError("a bracket is not closed")
        _apply(operator, values)
    (value,) = values
    return Expression(text.strip(), tuple(numbers), value)


def _number(token: str) -> Fraction:
    if len(token) > _DIGITS:
        raise ExpressionError(f"a number of more than {_DIGITS} digits")
    return Fraction(token)


def _apply(operator: str, values: list[Fraction | None]) -> None:
    right = values.pop()
    if operator == "neg":
        values.append(None if right is None else -right)
        return
    left = values.pop()
    if left is None or right is None or (operator == "/" and right == 0):
        values.append(None)  # a division by zero anywhere leaves no value
    elif operator == "+":
        values.append(left + right)
    elif operator == "-":
        values.append(left - right)
    elif operator == "*":
        values.append(left * right)
    else:
        values.append(left / right)


# A run of what expressions are made of, on one line; every piece is possessive or bounded, so the scan is linear.
_RUN = re.compile(r"[-(\d][-+*/×·÷−–∗⋅()\d. \t]*")
_LIST_NUMBER = re.compile(r"^\d{1,2}[.)]\s+")  # "1. 8 - 2 + 3*4"
_PROSE_DASH = re.compile(r"\s+[-−–]$")  # "8 - 2 + 3*4 - which is 18"
_CLAIM = re.compile(r"[ \t]*=[ \t]*(-?\d+(?:\.\d+)?)?")


def find_expressions(text: str, *, least_numbers: int = 3, target: Fraction | None = None) -> Iterator[Expression]:
    """Yield the candidate answers in a text, in order.

    A candidate is an expression with at least ``least_numbers`` numbers. One that is followed by "= v" is a working step and no
    candidate, unless v is the target: "65*41 + 36 = 2701" computes, "(8 - 2) * 4 = 24" answers.

    >>> text = "Try 8 - 2 + 3*4, or (8 - 2) * 4 * 1 = 24. Check: 8 - 2 - 1 = 5, 3/4/5/ is broken."
    >>> [e.text for e in find_expressions(text, target=Fraction(24))]
    ['8 - 2 + 3*4', '(8 - 2) * 4 * 1']
    """
    for match in _RUN.finditer(text):
        run = match.group().rstrip(" \t.")
        claim = _CLAIM.match(text, match.start() + len(run))
        if claim is not None and not (target is not None and claim.group(1) and _same(claim.group(1), target)):
            continue
        for piece in (run, _LIST_NUMBER.sub("", run), _PROSE_DASH.sub("", run), _balanced(run)):
            try:
                found = evaluate(piece)
            except ExpressionError:
                continue
            if len(found.numbers) >= least_numbers:
                yield found
            break


def _same(written: str, target: Fraction) -> bool:
    return len(written) <= _DIGITS and Fraction(written) == target


def _balanced(run: str) -> str:
    """Return a run without brackets that enclose prose, as in "(3 + 4 * 5" or "3 + 4 * 5)"."""
    missing = run.count("(") - run.count(")")
    if missing > 0 and run.startswith("(" * missing):
        return run[missing:]
    if missing < 0 and run.endswith(")" * -missing):
        return run[:missing]
    return run
