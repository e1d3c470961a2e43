r"""Is an answer correct? Arithmetic games are checked exactly; final answers are compared as numbers where both are numbers.

A checker is a function ``(answer, record) -> bool``; None says "this is no attempt at all". A user's own comes from a Python file
that the user names; nothing in a log is ever evaluated.

Source: rules of the 24 game and of countdown; comparison of numbers after the usual typography is removed.
"""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from dstheory.anatomy.records.fields import FieldNames
from dstheory.anatomy.records.rules import Fault
from dstheory.anatomy.transcripts.expressions import ExpressionError, evaluate
from dstheory.errors import RecordError

__all__ = ["Checker", "Game", "compare_final", "final_answers", "load_checker", "same_answer"]

Checker = Callable[[str, Mapping[str, Any]], bool | None]

_LONGEST_ANSWER = 4000


@dataclass(frozen=True)
class Game:
    """An arithmetic game: reach the target from given numbers with + - * / and brackets.

    Attributes:
        names: where a record holds ``numbers`` and ``target``.
        use: ``"all"`` (each number exactly once, the 24 game) or ``"some"`` (each at most once).
        default_target: of records that do not say theirs.

    >>> game = Game(default_target=24)
    >>> game("8/(3 - 8/3)", {"numbers": [3, 3, 8, 8]}), game("(8 - 5) * 8 = 24", {"numbers": [3, 3, 8, 8]})
    (True, False)
    """

    names: FieldNames = field(default_factory=FieldNames)
    use: Literal["all", "some"] = "all"
    default_target: int | None = None

    def target(self, record: Mapping[str, Any]) -> Fraction:
        """Return the target of a record.

        Raises:
            Fault: it has none.
        """
        return _fraction(record.get(self.names.target, self.default_target), self.names.target)

    def numbers(self, record: Mapping[str, Any]) -> Counter[Fraction]:
        """Return the numbers of a record.

        Raises:
            Fault: it has none.
        """
        given = record.get(self.names.numbers)
        if not isinstance(given, list) or not given or len(given) > 100:
            raise Fault("problem-data", self.names.numbers, "is not a list of numbers: must hold the numbers of the game")
        return Counter(_fraction(number, self.names.numbers) for number in given)

    def __call__(self, answer: str, record: Mapping[str, Any]) -> bool:
        """Return whether an answer reaches the target by the rules; "= 24" may follow it; what is no expression is wrong."""
        numbers, target = self.numbers(record), self.target(record)
        first_line = answer.strip().splitlines()[0] if answer.strip() else ""
        text = re.sub(r"^\s*(?:the\s+)?(?:final\s+)?answer\s*(?:is)?\s*:?\s*", "", first_line, flags=re.IGNORECASE)
        text = re.sub(r"\[[A-Z ]{1,20}\]\s*$", "", text).split("=")[0]
        try:
            found = evaluate(text.strip().strip("`$").rstrip("."))
        except ExpressionError:
            return False
        used = Counter(found.numbers)
        allowed = used == numbers if self.use == "all" else used <= numbers
        return bool(allowed and found.value == target)


def compare_final(names: FieldNames | None = None) -> Checker:
    """Return a checker that compares an answer with the record's right one, by :func:`same_answer`."""
    key = (names or FieldNames()).gold

    def check(answer: str, record: Mapping[str, Any]) -> bool:
        gold = record.get(key)
        if isinstance(gold, bool) or not isinstance(gold, (str, int, float)) or not str(gold).strip():
            raise Fault("problem-data", key, "is missing or no text: must hold the right answer")
        return same_answer(answer, str(gold))

    return check


def same_answer(answer: str, gold: str) -> bool:
    r"""Return whether two final answers are the same: as exact numbers if both are, else as texts without case and spaces.

    >>> same_answer("\\boxed{1,024.50}", "2049/2"), same_answer("The answer is 7.", "7"), same_answer("7.0001", "7")
    (True, True, False)
    """
    if _simple(answer) == _simple(gold):
        return True
    found = final_answers(answer)
    if not found:
        return False
    left, right = _number(found[-1]), _number(gold)
    if left is not None and right is not None:
        return left == right
    return _simple(found[-1]) == _simple(gold)


_BOXED = re.compile(r"\\boxed\{([^{}]{0,200})\}")
_FRACTION = re.compile(r"\\[dt]?frac\{(-?\d{1,12})\}\{(\d{1,12})\}")
_NUMBER = re.compile(r"-?\d[\d,]{0,30}(?:\.\d{1,30})?(?:\s?/\s?\d{1,12})?")


def final_answers(text: str) -> list[str]:
    r"""Return what could be a final answer, in order: boxed ones if there are any, else all numbers.

    >>> final_answers("so 3 or \\boxed{4}"), final_answers("3 apples, then 1,200/7")
    (['4'], ['3', '1,200/7'])
    """
    text = _FRACTION.sub(r"\1/\2", text)
    boxed = _BOXED.findall(text)
    return boxed or [match.rstrip(",") for match in _NUMBER.findall(text)]


def _number(text: str) -> Fraction | None:
    plain = _FRACTION.sub(r"\1/\2", text[:_LONGEST_ANSWER])
    plain = re.sub(r"[\s$%°]|\\[,;!%$ ]|(?<=\d),(?=\d{3})", "", plain).rstrip(".")
    if not re.fullmatch(r"[-+]?\d{1,30}(?:\.\d{1,30})?(?:/\d{1,12})?", plain):
        return None
    top, _, bottom = plain.partition("/")
    if bottom and int(bottom) == 0:
        return None
    return Fraction(top) / int(bottom or 1)


def _simple(text: str) -> str:
    boxed = _BOXED.findall(text)
    return "".join((boxed[-1] if boxed else text[:_LONGEST_ANSWER]).split()).strip("$.").casefold()


def _fraction(value: Any, key: str) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise Fault("problem-data", key, "is missing or no number: must be given for a game")
    try:
        text = repr(value) if isinstance(value, float) else str(value)
        return Fraction(text) if len(text) <= 20 else _too_long()
    except (ValueError, ZeroDivisionError) as error:
        raise Fault("problem-data", key, f"is {str(value)[:20]!r}: must be a number") from error


def _too_long() -> Fraction:
    raise ValueError("longer than 20 characters")


def load_checker(spec: str) -> Checker:
    """Return the function that ``FILE.py:NAME`` names; the file is a module of the user's own and is imported.

    Raises:
        RecordError: there is no such file or function, or importing it fails.
    """
    file, _, name = spec.rpartition(":")
    path = Path(file)
    if not file or not name.isidentifier() or path.suffix != ".py":
        raise RecordError(
            f"the checker is {spec!r}: must be a Python file and a function in it, for example my_checks.py:correct"
        )
    if not path.is_file():
        raise RecordError(f"the checker's file {file} does not exist: check the name")
    made = importlib.util.spec_from_file_location(f"dstheory_checker_{path.stem}", path)
    assert made is not None
    assert made.loader is not None
    module = importlib.util.module_from_spec(made)
    try:
        made.loader.exec_module(module)
    except Exception as error:
        raise RecordError(
            f"the checker's file {file} cannot be imported ({type(error).__name__}: {error}): correct it"
        ) from error
    function = getattr(module, name, None)
    if not callable(function):
        functions = ", ".join(k for k, v in vars(module).items() if callable(v) and not k.startswith("_")) or "none"
        raise RecordError(f"the checker's file {file} has no function {name!r}: it has {functions}")
    return function  # type: ignore[no-any-return]
