"""Texts: expressions against a parser of our own, answers compared both ways, every segmentation in time and twice the same."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from fuzz.engine import Input, Target, Wrong, outcome, said
from fuzz.mutations import mutated

from dstheory.errors import DSTheoryError
from dstheory.readers.answers import ExpressionError, Game, evaluate, find_expressions
from dstheory.readers.final_answers import final_answers, same_answer
from dstheory.readers.transcripts import by_expressions, by_markers, by_pattern, by_tags, loops

WORDS = ("+", "-", "*", "/", "(", ")", "=", "= 24", ".", "1.5", "\\frac{1}{2}", "\\boxed{", "}", "<answer>", "</answer>",
         "wait", "hmm", "The answer is ", "1,000", "24", "\N{MULTIPLICATION SIGN}", "\N{DIVISION SIGN}", "\t", "( ",
         "-(")  # fmt: skip
SEGMENTERS = (
    by_expressions(),
    by_expressions(Game(default_target=24)),
    by_tags(),
    by_markers(),
    by_markers(["a b", "+"], Game()),
    by_pattern(r"(\d+)|[a-z]+"),
    by_pattern("."),
)
_RECORD = {"numbers": [8, 2, 4, 1], "target": 24}
_TOKEN = re.compile(r"\s*(?:(?P<number>[0-9]+(?:\.[0-9]+)?)|(?P<sign>[-+*/()]))")


def check(path: Path) -> str:
    text = path.read_bytes().decode("utf-8", "replace")
    answer, _, gold = text.rpartition("\n")
    _check_value(answer)
    _check_value(gold)
    _check_same(answer, gold)
    kinds = []
    twice = len(text) % 5 == 0
    for way in SEGMENTERS:
        found = way(text, _RECORD)
        if twice and found != way(text, _RECORD):
            raise Wrong(f"{way.name}: a text is segmented in two ways")
        if not all(piece.strip() for piece in found):
            raise Wrong(f"{way.name}: an empty attempt")
        kinds.append(min(len(found), 4) + 10 * loops(found))
    for expression in find_expressions(text, least_numbers=1):
        again = evaluate(expression.text)
        if (again.value, again.numbers) != (expression.value, expression.numbers):
            raise Wrong("a text found is not what was evaluated", repr(expression))
    if len(text) < 3000:
        pattern = outcome(lambda: by_pattern(gold)("a 1 b 22", _RECORD))
        if isinstance(pattern, DSTheoryError):
            return f"{kinds} {said(pattern)}"
    return f"{kinds} {len(final_answers(text)) > 0}"


def _check_value(text: str) -> None:
    """Python's parser and one of our own read the same expressions, with the same values."""
    try:
        found = evaluate(text)
    except ExpressionError:
        found = None
    own = _Own(text).read()
    if own == "too deep":
        return
    if (found is None) != (own is None) or (found is not None and own is not None and (found.value, found.numbers) != own):
        raise Wrong("an expression has another value", f"{text!r}: {found} against {own}")


def _check_same(answer: str, gold: str) -> None:
    if not same_answer(answer, answer):
        raise Wrong("an answer is not the same as itself", repr(answer))
    if same_answer(answer, gold) != same_answer(f" {answer}\n", gold):
        raise Wrong("blanks around an answer count", repr((answer, gold)))


class _Own:
    """The grammar of evaluate, written down once more: sums of products of signed numbers and brackets."""

    def __init__(self, text: str) -> None:
        self.text, self.numbers, self.depth = text, [], 0
        self.tokens: list[str] = []

    def read(self) -> tuple[Fraction | None, tuple[Fraction, ...]] | str | None:
        if len(self.text) > 400:
            return None
        plain = self.text
        for signs, plain_sign in (("×·∗⋅", "*"), ("÷", "/"), ("−–", "-")):
            for sign in signs:
                plain = plain.replace(sign, plain_sign)
        plain, at = plain.rstrip(), 0
        while at < len(plain):
            found = _TOKEN.match(plain, at)
            if found is None:
                return None
            self.tokens.append(found[0].strip())
            at = found.end()
        if any(
            a[-1].isdigit() and b[0].isdigit() and not re.search(rf"{re.escape(a)}\s+{re.escape(b)}", plain)
            for a, b in zip(self.tokens, self.tokens[1:], strict=False)
        ):
            return None
        if self._nesting() > 60:
            return "too deep"  # where Python's parser gives up is its own affair
        try:
            value = self._sum()
        except SyntaxError:
            return None
        return None if self.tokens else (value, tuple(self.numbers))

    def _nesting(self) -> int:
        depth = most = run = 0
        for token in self.tokens:
            depth += (token == "(") - (token == ")")
            run = run + 1 if token == "-" else 0
            most = max(most, depth, run)
        return most

    def _next(self) -> str:
        if not self.tokens:
            raise SyntaxError
        return self.tokens.pop(0)

    def _sum(self) -> Fraction | None:
        value = self._product()
        while self.tokens and self.tokens[0] in "+-":
            sign = -1 if self._next() == "-" else 1
            other = self._product()
            value = None if value is None or other is None else value + sign * other
        return value

    def _product(self) -> Fraction | None:
        value = self._signed()
        while self.tokens and self.tokens[0] in "*/":
            if self._next() == "*":
                other = self._signed()
                value = None if value is None or other is None else value * other
            else:
                other = self._signed()
                value = None if value is None or not other else value / other
        return value

    def _signed(self) -> Fraction | None:
        token = self._next()
        if token == "-":
            value = self._signed()
            return None if value is None else -value
        if token == "(":
            value = self._sum()
            if self._next() != ")":
                raise SyntaxError
            return value
        if not token[0].isdigit() or len(self.numbers) == 60:
            raise SyntaxError
        token = re.sub(r"^0+(?=\d)", "", token)
        if len(token) > 12:
            raise SyntaxError
        self.numbers.append(Fraction(token))
        return self.numbers[-1]


def mutate(rng: random.Random, one: Input, pool: Sequence[Input]) -> Input:
    return Input(one.suffix, mutated(rng, one.data, [other.data for other in pool], WORDS))


TEXT = Target("text", check, mutate, seconds=1.5, per_megabyte=40.0)
