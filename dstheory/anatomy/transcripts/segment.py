r"""Where one attempt ends and the next begins, in a text that does not say so.

A segmentation is a function from a text to candidate answers, in order. All of them are proxies: an answer that the model only
thought of is not seen, one that it restates counts once if nothing came in between, and that a candidate was given up is
concluded from the next one, never read. Every reader therefore says how many records were segmented by what.

A pattern of the user's is matched by RE2, which takes time proportional to the text whatever the pattern: no pattern and no text
can make it hang. (It has no look-around and no back-references for the same reason.)

Source: the markers follow common practice for "aha moments" in reasoning traces; everything else is this package's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dstheory.anatomy.transcripts.checkers import Game, final_answers
from dstheory.anatomy.transcripts.expressions import find_expressions
from dstheory.errors import RecordError

__all__ = ["BIAS", "MARKERS", "SEGMENTERS", "Segmenter", "by_expressions", "by_markers", "by_pattern", "by_tags", "segmenter"]

MARKERS = ("wait", "hmm", "actually", "alternatively", "let me try again", "let's try again", "try another", "on second thought",
           "let me reconsider", "let me re-check", "no, that")  # fmt: skip
_LONGEST_PATTERN = 2000
_OPEN, _CLOSE = "\ue000", "\ue001"  # private-use characters that frame a match; removed from texts first

# What each way of finding attempts can bias, in the words of the report.
BIAS = {
    "expressions": "expressions as attempts: candidates that were only thought about are missed (p too high or too low), and "
    "every written variant counts as one, also where the model never meant to submit it (p too low, b too high)",
    "markers": "words as attempts: a hesitation that changes nothing counts as a resample (a too low, b too high), a silent "
    "change of mind does not count (b too low)",
    "tags": "tags as attempts: only what the model tagged as an answer counts, so drafts are missed (b too low, p too high)",
    "pattern": "a pattern as attempts: what it does not match is missed, and what it matches by chance counts",
    "messages": "messages as attempts: an answer inside a message that also changes it counts once (b too low)",
}


@dataclass(frozen=True)
class Segmenter:
    """A way of finding the candidate answers of a text.

    Attributes:
        name: as the report calls it.
        find: text and record -> candidate answers in order.
        joins_repeats: whether a candidate that repeats the one before it is the same attempt.
    """

    name: str
    find: Callable[[str, Mapping[str, Any]], Sequence[str]]
    joins_repeats: bool = field(default=True)

    def __call__(self, text: str, record: Mapping[str, Any]) -> list[str]:
        """Return the candidates of a text."""
        out: list[str] = []
        for candidate in self.find(text, record):
            stripped = candidate.strip()
            if stripped and not (self.joins_repeats and out and _squeezed(out[-1]) == _squeezed(stripped)):
                out.append(stripped)
        return out


def by_expressions(game: Game | None = None, *, least_numbers: int = 3) -> Segmenter:
    """Arithmetic expressions with at least ``least_numbers`` numbers; see :func:`find_expressions` for what counts."""

    def find(text: str, record: Mapping[str, Any]) -> list[str]:
        target = None if game is None else game.target(record)
        return [e.text for e in find_expressions(text, least_numbers=least_numbers, target=target)]

    return Segmenter("expressions", find)


def by_tags(tag: str = "answer") -> Segmenter:
    """What stands between ``<answer>`` and ``</answer>``; the last one need not be closed."""
    if not re.fullmatch(r"[A-Za-z][\w-]{0,40}", tag):
        raise RecordError(f"the tag is {tag!r}: must be a name such as answer")
    start, end = f"<{tag}>", f"</{tag}>"

    def find(text: str, record: Mapping[str, Any]) -> list[str]:
        pieces = text.split(start)[1:]
        return [piece.split(end, 1)[0] for piece in pieces]

    return Segmenter("tags", find)


def by_markers(markers: Sequence[str] = MARKERS, game: Game | None = None, *, least_numbers: int = 3) -> Segmenter:
    """The last answer before each "wait"-like word, and the last of all; the words are matched whole, in any case.

    Answers are expressions in a game, boxed texts or numbers otherwise.
    """
    if not markers or not all(word.strip() for word in markers):
        raise RecordError("markers must be words, each with at least one letter: e.g. wait, hmm")
    expressions = None if game is None else by_expressions(game, least_numbers=least_numbers)
    words = re.compile(r"\b(?:" + "|".join(re.escape(word) for word in markers) + r")\b", re.IGNORECASE)

    def find(text: str, record: Mapping[str, Any]) -> list[str]:
        out = []
        for part in words.split(text):
            answers = final_answers(part) if expressions is None else expressions(part, record)
            if answers:
                out.append(answers[-1])
        return out

    # A model that says "wait" and comes back to its answer has tried again.
    return Segmenter("markers", find, joins_repeats=False)


def by_pattern(pattern: str) -> Segmenter:
    """Every match of the user's regular expression (RE2 syntax); its first group if it has one.

    Raises:
        RecordError: the pattern is too long, or is none.

    >>> by_pattern(r"ANSWER: (\\S+)")("ANSWER: 4. No. ANSWER: 5", {})
    ['4.', '5']
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if len(pattern) > _LONGEST_PATTERN:
        raise RecordError(f"the pattern has {len(pattern)} characters: must have at most {_LONGEST_PATTERN}")
    grouped = _has_group(pattern)
    framed = _OPEN + (r"\1" if grouped else r"\0") + _CLOSE

    def find(text: str, record: Mapping[str, Any]) -> list[str]:
        clean = text.replace(_OPEN, "").replace(_CLOSE, "")
        marked = pc.replace_substring_regex(pa.scalar(clean, pa.large_string()), pattern=pattern, replacement=framed).as_py()
        return [piece.split(_CLOSE, 1)[0] for piece in marked.split(_OPEN)[1:]]

    try:
        find("", {})
    except pa.ArrowException as error:
        what = str(error).splitlines()[0].removeprefix("Invalid regular expression: ").split(":")[0]
        rule = "use RE2's syntax, which has no look-around and no back-references"
        raise RecordError(f"the pattern {pattern[:60]!r} cannot be used as a regular expression ({what}): {rule}") from error
    return Segmenter("pattern", find)


def _has_group(pattern: str) -> bool:
    """Return whether a pattern captures something: an open bracket that is neither escaped, in a class, nor "(?:"-like."""
    plain = re.sub(r"\\.", "", pattern)
    plain = re.sub(r"\[\^?\]?[^\]]*\]", "", plain)
    return re.search(r"\((?!\?)|\(\?P?<[A-Za-z]", plain) is not None


SEGMENTERS = ("expressions", "tags", "markers", "pattern")


def segmenter(name: str, *, pattern: str | None = None, game: Game | None = None, tag: str = "answer",
              markers: Sequence[str] = MARKERS, least_numbers: int = 3) -> Segmenter:  # fmt: skip
    """Return a segmentation by its name.

    Raises:
        RecordError: there is none of that name, or its settings are wrong.
    """
    if name == "expressions":
        return by_expressions(game, least_numbers=least_numbers)
    if name == "tags":
        return by_tags(tag)
    if name == "markers":
        return by_markers(markers, game, least_numbers=least_numbers)
    if name == "pattern":
        if pattern is None:
            raise RecordError("segmentation by a pattern needs the pattern: give --pattern")
        return by_pattern(pattern)
    raise RecordError(f"there is no segmentation {name!r}: there are {', '.join(SEGMENTERS)}")


def _squeezed(text: str) -> str:
    return "".join(text.split())
