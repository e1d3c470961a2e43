r"""Answers found in texts and checked: arithmetic exactly, final answers as numbers where both are numbers.

Expressions have the grammar of Python's arithmetic: numbers, brackets, the four operations, and a minus sign in front. Python's
own parser reads them, and what is not of these few kinds is refused: there are no powers, no names and no calls, and nothing is
ever run as code. Values are fractions, so that 8/(3 - 8/3) is 24 and not nearly 24. Length, digits and number of numbers are
limited, so that no text can make this slow or large.

A checker is a function ``(answer, record) -> bool``; None says "this is no attempt at all". A user's own comes from a Python file
that the user names.

Source: rules of the 24 game and of countdown; comparison of numbers after the usual typography is removed.
"""

from __future__ import annotations

import ast
import importlib.util
import operator
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from dstheory.errors import RecordError
from dstheory.readers.records import Fault, FieldNames

Checker = Callable[[str, Mapping[str, Any]], bool | None]

_LONGEST_ANSWER = 4000
_LONGEST = 400  # characters of an expression
_DIGITS = 12  # of a number
_NUMBERS = 60  # in an expression: exact fractions stay below 60 * 12 digits

_OTHER_SIGNS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "∗": "*", "⋅": "*"})
_NO_PART = re.compile(r"[^-+*/()0-9.\s]|(?<![0-9])\.|\.(?![0-9])")
_LEADING_ZEROS = re.compile(r"(?<![0-9.])0+(?=[0-9])")
_OPERATIONS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


class ExpressionError(ValueError):
    """A text is no arithmetic expression, or breaks a limit."""


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

    Example:
        >>> evaluate("8/(3 - 8/3)").value
        Fraction(24, 1)
        >>> evaluate("(6 / (1 - (8 / 8)))").value is None
        True
        >>> evaluate("__import__('os')")
        Traceback (most recent call last):
            ...
        dstheory.readers.answers.ExpressionError: '_' at character 1 is no part of an expression
    """
    if len(text) > _LONGEST:
        raise ExpressionError(f"longer than {_LONGEST} characters")
    plain = text.translate(_OTHER_SIGNS)
    odd = _NO_PART.search(plain)
    if odd:
        raise ExpressionError(f"{odd[0]!r} at character {odd.start() + 1} is no part of an expression")
    plain = _LEADING_ZEROS.sub("", " ".join(plain.split()))
    numbers: list[Fraction] = []
    try:
        value = _value(ast.parse(plain, mode="eval").body, plain, numbers)
    except (SyntaxError, MemoryError, RecursionError) as error:
        raise ExpressionError("not an arithmetic expression") from error
    return Expression(text.strip(), tuple(numbers), value)


def _value(node: ast.expr, plain: str, numbers: list[Fraction]) -> Fraction | None:
    """Return the value of a node, None where it divides by zero; its numbers are appended in order."""
    if isinstance(node, ast.Constant):
        token = plain[node.col_offset : node.end_col_offset]
        if len(token) > _DIGITS:
            raise ExpressionError(f"a number of more than {_DIGITS} digits")
        if len(numbers) == _NUMBERS:
            raise ExpressionError(f"more than {_NUMBERS} numbers")
        numbers.append(Fraction(token))
        return numbers[-1]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        operand = _value(node.operand, plain, numbers)
        return None if operand is None else -operand
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        left, right = _value(node.left, plain, numbers), _value(node.right, plain, numbers)
        if left is None or right is None or (isinstance(node.op, ast.Div) and right == 0):
            return None
        result: Fraction = _OPERATIONS[type(node.op)](left, right)
        return result
    raise ExpressionError("not an arithmetic expression")


# A run of what expressions are made of, on one line; every piece is possessive or bounded, so the scan is linear.
_RUN = re.compile(r"[-(\d][-+*/×·÷−–∗⋅()\d. \t]*")
_LIST_NUMBER = re.compile(r"^\d{1,2}[.)]\s+")  # "1. 8 - 2 + 3*4"
_PROSE_DASH = re.compile(r"\s+[-−–]$")  # "8 - 2 + 3*4 - which is 18"
_CLAIM = re.compile(r"[ \t]*=[ \t]*(-?\d+(?:\.\d+)?)?")


def find_expressions(text: str, *, least_numbers: int = 3, target: Fraction | None = None) -> Iterator[Expression]:
    """Yield the candidate answers in a text, in order.

    A candidate is an expression with at least ``least_numbers`` numbers. One that is followed by "= v" is a working step and no
    candidate, unless v is the target: "65*41 + 36 = 2701" computes, "(8 - 2) * 4 = 24" answers.

    Example:
        >>> text = "Try 8 - 2 + 3*4, or (8 - 2) * 4 * 1 = 24. Check: 8 - 2 - 1 = 5, 3/4/5/ is broken."
        >>> [e.text for e in find_expressions(text, target=Fraction(24))]
        ['8 - 2 + 3*4', '(8 - 2) * 4 * 1']
    """
    for match in _RUN.finditer(text):
        run = match.group().rstrip(" \t.")
        if len(run) > 2 * _LONGEST:
            continue  # whatever is cut from it below, too long
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


# ---------------------------------------------------------------------- checkers


@dataclass(frozen=True)
class Game:
    """An arithmetic game: reach the target from given numbers with + - * / and brackets.

    Attributes:
        names: where a record holds ``numbers`` and ``target``.
        use: ``"all"`` (each number exactly once, the 24 game) or ``"some"`` (each at most once).
        default_target: of records that do not say theirs.

    Example:
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

    Example:
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


_LARGE_EXPONENT = re.compile(r"[eE][-+]?[0-9_]{4}")  # Fraction("1e99999999") does not end
_BOXED = re.compile(r"\\boxed\{([^{}]{0,200})\}")
_FRACTION = re.compile(r"\\[dt]?frac\{(-?\d{1,12})\}\{(\d{1,12})\}")
_NUMBER = re.compile(r"-?\d[\d,]{0,30}(?:\.\d{1,30})?(?:\s?/\s?\d{1,12})?")


def final_answers(text: str) -> list[str]:
    r"""Return what could be a final answer, in order: boxed ones if there are any, else all numbers.

    Example:
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
    text = repr(value) if isinstance(value, float) else str(value)
    try:
        if len(text) <= 20 and not _LARGE_EXPONENT.search(text):
            return Fraction(text)
    except (ValueError, ZeroDivisionError):
        pass
    raise Fault("problem-data", key, f"is {text[:20]!r}: must be a number")


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
