r"""Arithmetic found in texts and checked exactly; checkers. Final answers are those of :mod:`dstheory.readers.final_answers`.

Expressions have the grammar of Python's arithmetic: numbers, brackets, the four operations, and a minus sign in front. Python's
own parser reads them, and what is not of these few kinds is refused: there are no powers, no names and no calls, and nothing is
ever run as code. Values are fractions, so that 8/(3 - 8/3) is 24 and not nearly 24. Length, digits and number of numbers are
limited, so that no text can make this slow or large.

A checker is a function ``(answer, record) -> bool``; None says "this is no attempt at all". A user's own comes from a Python file
that the user names.

Source: rules of the 24 game and of countdown.
"""

from __future__ import annotations

import ast
import operator
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from dstheory.errors import RecordError
from dstheory.readers.records import Fault, FieldNames, text_or_none
from dstheory.user_files import import_file

Checker = Callable[[str, Mapping[str, Any]], bool | None]

_LONGEST = 400  # characters of an expression
_DIGITS = 12  # of a number
_NUMBERS = 60  # in an expression: exact fractions stay below 60 * 12 digits

_OTHER_SIGNS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "∗": "*", "⋅": "*"})
_NO_PART = re.compile(r"[^-+*/()0-9.\s]|(?<![0-9])\.|\.(?![0-9])")
_LEADING_ZEROS = re.compile(r"(?<![0-9.])0+(?=[0-9])")
_OPERATIONS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


class ExpressionError(ValueError):
    """A text is not an arithmetic expression, or breaks a limit."""


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
        dstheory.readers.answers.ExpressionError: '_' at character 1 is not part of an expression
    """
    if len(text) > _LONGEST:
        raise ExpressionError(f"longer than {_LONGEST} characters")
    plain = text.translate(_OTHER_SIGNS)
    odd = _NO_PART.search(plain)
    if odd:
        raise ExpressionError(f"{odd[0]!r} at character {odd.start() + 1} is not part of an expression")
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
_RUN = re.compile(r"[-(\d][-+*/×·÷−–∗⋅()\d. \t]*+")
_LIST_NUMBER = re.compile(r"^\d{1,2}[.)]\s+")  # "1. 8 - 2 + 3*4"
_PROSE_DASH = re.compile(r"\s+[-−–]$")  # "8 - 2 + 3*4 - which is 18"
_EQUALS = re.compile(r"[ \t*]*=[ \t*]*")
_LEADING = re.compile(r"-?\d+(?:\.\d+)?")
_LATEX_SIGN = re.compile(r"\\(?:(?:(times|cdot)|(div)|quad)(?![A-Za-z])|[,;! ]|([\\()\[\]]))")
_BRACKETS = re.compile(r"\\(?:left|right)(?![A-Za-z])|&(?==)")
_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_BOX = re.compile(r"\\boxed\s*\{([^{}]*)\}")
_DEEPEST = 6  # fractions within fractions
_BOLD = re.compile(r"(?<=[\d).])\*\*+$")  # the end of what Markdown makes bold; there are no powers


def find_expressions(
    text: str, *, least_numbers: int = 3, target: Fraction | None = None, numbers: Counter[Fraction] | None = None
) -> Iterator[Expression]:
    """Yield the candidate answers in a text, in order.

    A candidate is an expression with at least ``least_numbers`` numbers. One that is followed by "= v" is a working step and no
    candidate, unless v is the target or the expression uses all numbers of the game: "65*41 + 36 = 2701" computes,
    "(8 - 2) * 4 = 24" answers, and "8 + 2 + 4 = 14" is a wrong try at 24 with 8, 2, 4. Of a chain "e = f = v" the last member is
    v, and one member at most is a candidate.

    Args:
        text: what is searched.
        least_numbers: of an expression.
        target: of the game, if there is one.
        numbers: of the game; each must be used once.

    Example:
        >>> text = "Try 8 - 2 + 3*4, or (8 - 2) * 4 * 1 = 24. Check: 8 - 2 - 1 = 5, 3/4/5/ is broken."
        >>> [e.text for e in find_expressions(text, target=Fraction(24))]
        ['8 - 2 + 3*4', '(8 - 2) * 4 * 1']
        >>> [e.text for e in find_expressions("8 + 2 + 4 = 14. 8 + 2 + 2 = 12.", numbers=Counter(map(Fraction, (8, 2, 4))))]
        ['8 + 2 + 4']
    """
    chain_end, right, answered = 0, False, False  # of the chain of equations last looked at; its members share what it claims
    for match in _RUN.finditer(text):
        run = _trimmed(match.group(), text[max(0, match.start() - 1) : match.start()])
        if len(run) > 2 * _LONGEST:
            continue  # whatever is cut from it below, too long
        if match.start() < chain_end and answered:
            continue  # the chain's first member was the candidate
        end = match.start() + len(run)
        if _EQUALS.match(text, end):
            if match.start() >= chain_end:
                chain_end, claim = _claimed(text, end)
                right, answered = target is not None and _same(claim, target), False
            step = not right  # unless it uses all numbers
        else:
            step = False
        for piece in (run, _LIST_NUMBER.sub("", run), _PROSE_DASH.sub("", run), _balanced(run)):
            try:
                found = evaluate(piece)
            except ExpressionError:
                continue
            whole = numbers is not None and Counter(found.numbers) == numbers
            if whole or (len(found.numbers) >= least_numbers and not step):
                answered = match.start() < chain_end
                yield found
            break


def as_arithmetic(text: str) -> str:
    r"""Return a text in which LaTeX's signs, fractions and boxes are written in plain characters.

    Example:
        >>> as_arithmetic(r"\boxed{8 \div \left(3 - \frac{8}{3}\right)} = 24")
        '8 / (3 - ((8)/(3))) = 24'
    """
    if "\\" not in text:
        return text
    text = _BRACKETS.sub("", text)
    text = _LATEX_SIGN.sub(lambda sign: "*" if sign[1] else "/" if sign[2] else "$" if sign[3] else " ", text)
    for _ in range(_DEEPEST):  # from within
        plain = _BOX.sub(r"\1", _FRACTION.sub(r"((\1)/(\2))", text))
        if plain == text:
            break
        text = plain
    return text


def _trimmed(run: str, before: str = "") -> str:
    """Return a run without the end of its sentence or of what Markdown emphasises; ``before`` is the character before it."""
    run = run.rstrip(" \t.")
    if before == "*" and run.endswith("*"):
        run = run.rstrip("*")
    return _BOLD.sub("", run).rstrip(" \t.")


def _claimed(text: str, end: int) -> tuple[int, str]:
    """Return where a chain of equations ends whose first member ends at ``end``, and its last member; "" where that is none."""
    last = ""
    while equals := _EQUALS.match(text, end):
        found = _RUN.match(text, equals.end())
        last = _trimmed(found.group()) if found else ""
        end = equals.end() + len(last)
    return end, last


def _same(claim: str, target: Fraction) -> bool:
    """Return whether the last member of a chain is the target; prose may follow a number, as in "24 - right"."""
    try:
        return evaluate(claim).value == target
    except ExpressionError:
        leading = _LEADING.match(claim)
        return leading is not None and len(leading[0]) <= _DIGITS and Fraction(leading[0]) == target


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
            found = evaluate(as_arithmetic(text).strip().strip("`$*").rstrip("."))
        except ExpressionError:
            return False
        used = Counter(found.numbers)
        allowed = used == numbers if self.use == "all" else used <= numbers
        return bool(allowed and found.value == target)


_LARGE_EXPONENT = re.compile(r"[eE][-+]?[0-9_]{4}")  # Fraction("1e99999999") does not end


def _fraction(value: Any, key: str) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise Fault("problem-data", key, "is missing or not a number: must be given for a game")
    text = str(value)
    try:
        if len(text) <= 20 and not _LARGE_EXPONENT.search(text):
            return Fraction(text)
    except (ValueError, ZeroDivisionError):
        pass
    raise Fault("problem-data", key, f"is {text[:20]!r}: must be a number")


def answer_text(value: Any) -> str:
    """Return an answer as text: numbers with all of their digits, true and false by their names; "" where there is none.

    Example:
        >>> answer_text("x = 2 "), answer_text(1234567.0), answer_text(1e20), answer_text(True), answer_text(None)
        ('x = 2 ', '1234567', '100000000000000000000', 'true', '')
    """
    return value if isinstance(value, str) else text_or_none(value) or ""


def checked(checker: Checker, answer: str, record: Mapping[str, Any], place: str) -> bool | None:
    """Return what a checker says of an answer.

    Args:
        checker: mostly a function of the user's.
        answer: what it is given.
        record: where the answer stands.
        place: of the answer, for messages.

    Raises:
        Fault: the record has nothing to check against, or the checker fails or says something else.
    """
    try:
        verdict = checker(answer, record)
        if verdict is None or verdict in (True, False):
            return None if verdict is None else bool(verdict)
        raise Fault("checker", place, f"gets {str(verdict)[:40]!r} from the checker: must be True, False, or None for no attempt")
    except Fault:
        raise
    except Exception as error:
        raise Fault("checker", place, f"makes the checker fail ({type(error).__name__}: {str(error)[:80]})") from error


def load_checker(spec: str) -> Checker:
    """Return the function that ``FILE.py:NAME`` names; the file is a module of the user's own, imported as a script is run.

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
    try:
        module = import_file("checkers", path)
    except Exception as error:
        raise RecordError(
            f"the checker's file {file} cannot be imported ({type(error).__name__}: {error}): correct it"
        ) from error
    function = getattr(module, name, None)
    if not callable(function):
        functions = ", ".join(k for k, v in vars(module).items() if callable(v) and not k.startswith("_")) or "none"
        raise RecordError(f"the checker's file {file} has no function {name!r}: it has {functions}")
    return function  # type: ignore[no-any-return]
