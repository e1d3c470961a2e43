"""What is tried, and what counts as a fault: targets, the rules that every message keeps, and one attempt in this process.

Why a small loop of our own. Atheris (coverage-guided, libFuzzer) has wheels for Python 3.11 to 3.13, but it instruments Python
code only, and a crash or an endless loop in compiled code (Arrow, HDF5, our own loops) ends its process and with it the run; it
would also be one more dependency. Hypothesis generates from a description of the input, which a damaged file has none of, and
keeps its examples in the process that may die. What is needed here is little: change a known input, write it down, try it in a
process that may die, look at what came back. Guidance comes from the sentences of the package: every rule has its own, so an
input that is answered with a sentence not heard before is kept and changed further.
"""

from __future__ import annotations

import random
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from dstheory.errors import DSTheoryError

T = TypeVar("T")
HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
FINDINGS = HERE / "findings"
_LONGEST_MESSAGE = 1500
# Control characters, half surrogate pairs, separators of lines, and what turns the direction of the text around.
_RAW = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\u202a-\\u202e\\ud800-\\udfff]")


@dataclass(frozen=True)
class Input:
    """A file to be read: the end of its name says what it is."""

    suffix: str
    data: bytes


class Wrong(AssertionError):
    """Something that must hold does not.

    Attributes:
        rule: which, in a few words that stay the same from one input to the next.
    """

    def __init__(self, rule: str, detail: str = "") -> None:
        super().__init__(f"{rule}: {detail}" if detail else rule)
        self.rule = rule


@dataclass(frozen=True)
class Target:
    """Something that reads inputs.

    Attributes:
        name: of the folder with its corpus, too.
        check: reads the file, asks everything that must hold, and returns in words what came of it; raises what goes wrong.
        mutate: makes a new input of one that is known, and perhaps of pieces of others.
        made: inputs to begin with that are made rather than kept (packed files, binary formats), from those of the corpus.
        simpler: of an input that shows a fault, forms to try instead, the simplest first; default pieces are left out.
        seconds: processor time for an input; more is a fault.
        per_megabyte: processor time more for every megabyte of the input.
        weight: its share of the time.
    """

    name: str
    check: Callable[[Path], str]
    mutate: Callable[[random.Random, Input, Sequence[Input]], Input]
    made: Callable[[Sequence[Input]], list[Input]] = field(default=lambda corpus: [])
    simpler: Callable[[Input], Iterable[Input]] | None = None
    seconds: float = 2.0
    per_megabyte: float = 20.0
    weight: float = 1.0

    def corpus(self) -> list[Input]:
        """Return the inputs to begin with."""
        kept = [Input(name_suffix(path.name), path.read_bytes()) for path in sorted((CORPUS / self.name).glob("*"))]
        return kept + self.made(kept)

    def allowed(self, size: int) -> float:
        """Return the processor time that an input of so many bytes may take."""
        return self.seconds + self.per_megabyte * size / 1e6


def name_suffix(name: str) -> str:
    """Return the end of a name from its first point on: ``.csv.gz``."""
    return name[name.index(".") :] if "." in name else ""


def rule_of(error: BaseException) -> str:
    """Return which fault it is, in words that are the same for all inputs with the same fault."""
    if isinstance(error, Wrong):
        return error.rule
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "/dstheory/" in f.filename.replace("\\", "/")]
    place = f" in {frames[-1].filename.rsplit('/dstheory/', 1)[-1]}:{frames[-1].name}" if frames else ""
    return f"{type(error).__name__}{place}"


def attempt(target: Target, path: Path) -> tuple[str, str | None, str]:
    """Try one input in this process.

    Returns:
        What came of it, in words; the rule that was broken, or None; and the details of that.
    """
    swallowed: list[BaseException | None] = []
    hook, sys.unraisablehook = sys.unraisablehook, lambda found: swallowed.append(found.exc_value)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            answer = target.check(path)
        except Exception as error:
            return "fault", rule_of(error), "".join(traceback.format_exception(error))
        finally:
            sys.unraisablehook = hook
    if swallowed and swallowed[0] is not None:
        error = swallowed[0]
        return "fault", f"{rule_of(error)}, printed and otherwise ignored", "".join(traceback.format_exception(error))
    return answer, None, ""


def said(error: BaseException, *names: str) -> str:
    """Check that an error is one sentence of the package, and return it without its particulars.

    Args:
        error: what was raised.
        names: texts that must stand in it, such as the name of the file.

    Raises:
        Wrong: it is no error of the package, or breaks a rule of messages.
    """
    if not isinstance(error, DSTheoryError):
        raise error
    text = str(error)
    check_message(text)
    for name in names:
        if name not in text:
            raise Wrong("a message does not name its file", text)
    return plain(text)


def check_message(text: str, longest: int = _LONGEST_MESSAGE) -> None:
    """Check the rules that every message keeps.

    Raises:
        Wrong: it breaks one.
    """
    if not text.strip():
        raise Wrong("a message is empty")
    if _RAW.search(text):
        raise Wrong("a message holds a raw control character", ascii(text))
    if len(text) > longest:
        raise Wrong("a message is longer than a paragraph", f"{len(text)} characters: {text[:200]}...")


def plain(text: str) -> str:
    """Return a message without its values, so that messages about the same rule are equal."""
    text = re.sub(r"\S*input\S*?(?=[: ,]|$)|\S+\.csv", "#", text)
    text = re.sub(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", "#", text)
    return re.sub(r"[-+]?\d[\d.,e+-]*\d|\d", "#", text)[:160]


def outcome(call: Callable[[], T]) -> T | DSTheoryError:
    """Return what a call returns, or the error of the package that it raises."""
    try:
        return call()
    except DSTheoryError as error:
        return error
