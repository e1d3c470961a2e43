r"""Conversations and plain transcripts: where one attempt ends and the next begins, in a text that does not say so.

A segmentation is a function from a text to candidate answers, in order. All of them are proxies: an answer that the model only
thought of is not seen, one that it restates counts once if nothing came in between, and that a candidate was given up is
concluded from the next one, never read. Every reader therefore says how many records were segmented by what.

A pattern of the user's is matched by RE2, which takes time proportional to the text whatever the pattern: no pattern and no text
can make it hang. (It has no look-around and no back-references for the same reason.)

Source: the markers follow common practice for "aha moments" in reasoning traces; everything else is this package's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

from dstheory.errors import RecordError, UnknownReadingError
from dstheory.readers.answers import Checker, Game, as_arithmetic, checked, find_expressions, load_checker
from dstheory.readers.batches import Record, RecordBatch, batches, parse_cap, parse_head
from dstheory.readers.final_answers import compare_final, final_answers
from dstheory.readers.reading import Reading
from dstheory.readers.records import Fault, FieldNames, Records
from dstheory.texts import is_unicode, shown

CHECKERS = ("countdown", "24", "final-answer")
MARKERS = ("wait", "hmm", "actually", "alternatively", "let me try again", "let's try again", "try another", "on second thought",
           "let me reconsider", "let me re-check", "no, that")  # fmt: skip
_GOING_ON = re.compile(r"\b(?:" + "|".join(map(re.escape, MARKERS)) + r")\b", re.IGNORECASE)
NoAnswer = Literal["wrong", "omit"] | None
_LONGEST_PATTERN = 2000
_OPEN, _CLOSE = "\ue000", "\ue001"  # private-use characters that frame a match; removed from texts first

_LONGEST_TEXT = 4_000_000  # characters of one record's texts
_MOST_ATTEMPTS = 10_000
_LOOP = 3  # a record whose last attempts are one sequence this many times over is said to loop
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_REASONS = ("finish_reason", "stop_reason")
_TRUNCATED = ("truncated", "is_truncated")
# Reasons that are no decision of the model.
_CUT = (
    "length", "max_tokens", "max_length", "max_new_tokens", "model_length", "content_filter", "error", "abort", "aborted",
    "timeout", "cancelled",
)  # fmt: skip
_NOT_SAID = ("", "unknown", "null", "none")
_CLOSING = " \t\r\n.`*$\"'\\)]}"  # what may follow an answer at the end of a text, as in $\boxed{4}$.
_END_TOKEN = re.compile(
    r"(?:</s>|<eos>|\[EOS\]|<end_of_turn>|<pad>|\[PAD\]|<\|[^<>|\n]{0,30}(?:end|eot|eos|eom|return|pad)[^<>|\n]{0,30}\|>"
    r"|<｜end▁of▁sentence｜>)\Z",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!\u2713\u2705][\s`*$\"')\]}]*\Z")

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
    joins_repeats: bool = True

    def __call__(self, text: str, record: Mapping[str, Any]) -> list[str]:
        """Return the candidates of a text."""
        out: list[str] = []
        for candidate in self.find(text, record):
            stripped = candidate.strip()
            if stripped and not (self.joins_repeats and out and _squeezed(out[-1]) == _squeezed(stripped)):
                out.append(stripped)
        return out


def by_expressions(game: Game | None = None) -> Segmenter:
    """Arithmetic expressions with at least three numbers, or two in a game of two, as :func:`find_expressions` counts."""

    def find(text: str, record: Mapping[str, Any]) -> list[str]:
        text = as_arithmetic(text)
        if game is None:
            return [e.text for e in find_expressions(text)]
        target, numbers = game.target(record), game.numbers(record)
        least = max(2, min(3, numbers.total()))
        return [e.text for e in find_expressions(text, least_numbers=least, target=target, numbers=numbers)]

    return Segmenter("expressions", find)


def by_tags() -> Segmenter:
    """What stands between ``<answer>`` and ``</answer>``; the last one need not be closed."""
    return Segmenter("tags", lambda text, record: [piece.split("</answer>", 1)[0] for piece in text.split("<answer>")[1:]])


def by_markers(markers: Sequence[str] = MARKERS, game: Game | None = None) -> Segmenter:
    """The last answer before each "wait"-like word, and the last of all; the words are matched whole, in any case.

    Answers are expressions in a game, boxed texts or numbers otherwise.
    """
    if not markers or not all(word.strip() for word in markers):
        raise RecordError("markers must be words, each with at least one letter: e.g. wait, hmm")
    expressions = None if game is None else by_expressions(game)
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

    Example:
        >>> by_pattern(r"ANSWER: (\\S+)")("ANSWER: 4. No. ANSWER: 5", {})
        ['4.', '5']
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if len(pattern) > _LONGEST_PATTERN:
        raise RecordError(f"the pattern has {len(pattern)} characters: must have at most {_LONGEST_PATTERN}")
    if not is_unicode(pattern):
        raise RecordError(f"the pattern {pattern[:60]!r} is not valid Unicode: write it as UTF-8")

    def matches(text: str, part: str) -> list[str]:
        clean = text.encode("utf-8", "replace").decode().replace(_OPEN, "").replace(_CLOSE, "")  # no half surrogate pairs
        framed = f"{_OPEN}{part}{_CLOSE}"
        marked = pc.replace_substring_regex(pa.scalar(clean, pa.large_string()), pattern=pattern, replacement=framed).as_py()
        return [piece.split(_CLOSE, 1)[0] for piece in marked.split(_OPEN)[1:]]

    part = r"\1"
    try:
        matches("", part)  # RE2 refuses it where the pattern has no group
    except pa.ArrowInvalid:
        part = r"\0"
    try:
        matches("", part)
    except pa.ArrowException as error:
        what = str(error).splitlines()[0].removeprefix("Invalid regular expression: ").split(":")[0]
        rule = "use RE2's syntax, which has no look-around and no back-references"
        raise RecordError(f"the pattern {pattern[:60]!r} cannot be used as a regular expression ({what}): {rule}") from error
    return Segmenter("pattern", lambda text, record: matches(text, part))


SEGMENTERS = ("expressions", "tags", "markers", "pattern")


def segmenter(name: str, *, pattern: str | None = None, game: Game | None = None, markers: Sequence[str] = MARKERS) -> Segmenter:
    """Return a segmentation by its name.

    Args:
        name: one of ``SEGMENTERS``.
        pattern: the regular expression of the segmentation by a pattern.
        game: whose expressions are the answers, if the records are of a game.
        markers: the words of the segmentation by markers.

    Raises:
        RecordError: there is none of that name, or its settings are wrong.
    """
    if name == "expressions":
        return by_expressions(game)
    if name == "tags":
        return by_tags()
    if name == "markers":
        return by_markers(markers, game)
    if name == "pattern":
        if pattern is None:
            raise RecordError("segmentation by a pattern needs the pattern: give --pattern")
        return by_pattern(pattern)
    raise UnknownReadingError(f"there is no segmentation {name!r}: there are {', '.join(SEGMENTERS)}")


# ---------------------------------------------------------------------- records of texts


@dataclass(frozen=True)
class TextReader:
    """How texts become attempts.

    Attributes:
        kind: what a record holds, a "transcript" or a "conversation".
        checker: says whether a candidate is correct; None for one that is not an attempt.
        segmenter: finds the candidates of a text; None takes every assistant message of a conversation as one.
        names: the log's field names.
        no_answer: what a record is in which no answer was found: "wrong"; None, the same unless none has any; "omit", none.
    """

    kind: Literal["transcript", "conversation"]
    checker: Checker
    segmenter: Segmenter | None
    names: FieldNames
    no_answer: NoAnswer = None

    @property
    def way(self) -> str:
        """How the report calls this way of finding attempts."""
        return "messages" if self.segmenter is None else self.segmenter.name

    def parse(self, record: Any, reading: Reading) -> Record:
        """Return a record's attempts; what the checker says of them, and whether they loop, is counted.

        Raises:
            Fault: the first rule that it breaks.
        """
        name, problem, labels = parse_head(record, self.names)
        cap = parse_cap(record, self.names)
        texts, own_end, marked = self._texts(record)
        if sum(map(len, texts)) > _LONGEST_TEXT:
            raise Fault("transcript", self.kind, f"is longer than {_LONGEST_TEXT:,} characters: no single episode is")
        candidates = [c for text in texts for c in (self.segmenter(text, record) if self.segmenter else [text])]
        candidates += self._submitted(record, candidates)
        if len(candidates) > _MOST_ATTEMPTS:
            raise Fault("transcript", self.kind, f"has {len(candidates):,} candidate answers: must be at most {_MOST_ATTEMPTS:,}")
        correct, kept = [], []
        for candidate in candidates:
            try:
                verdict = checked(self.checker, candidate, record, self.kind)
            except Fault as fault:
                fault.attempts = len(candidates)
                raise
            if verdict is not None:
                correct.append(verdict)
                kept.append(candidate)
                reading.checked.add(candidate, verdict)
        if not kept and self.no_answer != "omit":  # there is no answer about which anything could have been decided
            reading.unanswered += 1
            return Record(name, problem, cap, [False], False, labels)
        if not kept:
            raise Fault("no-candidate", self.kind, f"has no candidate answer by {self.way}: nothing in it can be checked")
        if cap and len(kept) > cap:
            detail = f"has {len(kept)} candidate answers: must be at most the cap, {cap}"
            raise Fault("over-cap", self.kind, detail, attempts=len(kept))
        reading.looping += loops(kept)
        cut = _says_cut(record)
        stopped = own_end and ((marked or self._finished(record, texts, kept[-1])) if cut is None else not cut)
        return Record(name, problem, cap, correct, stopped, labels, unseen=own_end and not stopped)

    def _texts(self, record: Mapping[str, Any]) -> tuple[list[str], bool, bool]:
        """Return the model's texts, whether the last word was the model's, and whether a mark ends it."""
        if self.kind == "transcript":
            text = record.get(self.names.transcript)
            if not isinstance(text, str):
                raise Fault("transcript", self.names.transcript, "is missing or not text: must hold the model's completion")
            text, marked = _without_end_tokens(text)
            return [text], True, marked
        messages = record.get(self.names.messages)
        if not isinstance(messages, list) or not messages:
            raise Fault("messages", self.names.messages, "is missing or empty: must be a list of objects with role and content")
        texts: list[str] = []
        role: Any = None
        for k, message in enumerate(messages):
            role = message.get("role") if isinstance(message, dict) else None
            if role not in _ROLES:
                what = f"is {shown(role)}: must be one of {', '.join(_ROLES)}"
                raise Fault("messages", f"{self.names.messages}[{k}].role", what)
            content = _content(message.get("content"))
            if content is None:
                raise Fault("messages", f"{self.names.messages}[{k}].content", "is neither text nor a list of text parts")
            if role == "assistant" and content.strip():
                texts.append(_without_end_tokens(content)[0])
        return texts, role == "assistant", False

    def _submitted(self, record: Mapping[str, Any], candidates: list[str]) -> list[str]:
        """Return the submitted answer, where the record says it and the segmentation did not find it last."""
        final = record.get(self.names.final)
        if self.segmenter is None or not isinstance(final, str) or not final.strip():
            return []
        same = bool(candidates) and _squeezed(final).endswith(_squeezed(candidates[-1]))
        return [] if same else [final.strip()]

    def _finished(self, record: Mapping[str, Any], texts: list[str], last: str) -> bool:
        """Return whether the model ended the episode itself, as far as the texts show."""
        if self.kind == "conversation" or record.get(self.names.final) is not None:
            return True
        text = texts[-1] if last in texts[-1] else as_arithmetic(texts[-1])
        if text.endswith("</answer>"):
            return True
        rest = text[text.rfind(last) + len(last) :].lstrip(_CLOSING) if last in text else "?"
        if rest.startswith("=") and not re.search(r"[A-Za-z]", rest):
            return True  # what the answer comes to
        return not rest or (_SENTENCE_END.search(text) is not None and _GOING_ON.search(rest) is None)


def text_batches(
    parts: Iterable[Records], file: str, reader: TextReader, reading: Reading, *, unit: str = "line"
) -> Iterator[RecordBatch]:
    """Yield records that hold text, in columns.

    Args:
        parts: the records.
        file: how messages call their file.
        reader: how texts become attempts.
        reading: counts the unusable ones, and is told what this way of reading can bias.
        unit: what the numbers count.

    Raises:
        RecordError: in strict mode the first unusable record; or many records, all of them unusable.
    """
    checked, unanswered = reading.checked.answers, reading.unanswered
    parse = partial(reader.parse, reading=reading)
    yield from batches(parts, file, reader.names, reading, parse=parse, way=reader.way, unit=unit)
    unanswered = reading.unanswered - unanswered
    if reader.no_answer is None and unanswered and reading.checked.answers == checked:
        raise RecordError(
            f"{file}: in none of its {unanswered:,} texts an answer was found by {reader.way}: choose another --segment, or say "
            "--no-answer wrong if they have none"
        )
    reading.note(BIAS[reader.way], file)
    reading.note(
        "decisions are concluded: a candidate that another one follows counts as resampled; the last one counts as a stop if the "
        "text ends with it, with a whole sentence or with a mark of its end, or is said to be complete",
        file,
    )


def _says_cut(record: Mapping[str, Any]) -> bool | None:
    """Return whether a record says that its text was cut off; None if it says nothing."""
    flags = [record[key] for key in _TRUNCATED if isinstance(record.get(key), (bool, int))]
    reasons = [reason.lower() for key in _REASONS if isinstance(reason := record.get(key), str)]
    said = [bool(flag) for flag in flags] + [reason in _CUT for reason in reasons if reason not in _NOT_SAID]
    return any(said) if said else None


def _without_end_tokens(text: str) -> tuple[str, bool]:
    """Return a text without the marks by which models end theirs, and whether there was one.

    Example:
        >>> _without_end_tokens("So 4</answer><|im_end|>\\n")
        ('So 4</answer>', True)
    """
    end, marked = text.rstrip(), False
    while found := _END_TOKEN.search(end, max(0, len(end) - 80)):
        end, marked = end[: found.start()].rstrip(), True
    return end, marked


def loops(candidates: list[str]) -> bool:
    """Return whether the last candidates are one sequence of at most eight, repeated at least three times.

    Example:
        >>> loops(["a", "b", "c", "b", "c", "b", "c"]), loops(["a", "b", "a", "b"])
        (True, False)
    """
    squeezed = [_squeezed(c) for c in candidates[-8 * _LOOP :]]
    for period in range(1, len(squeezed) // _LOOP + 1):
        tail = squeezed[-period * _LOOP :]
        if all(tail[i] == tail[i % period] for i in range(len(tail))):
            return True
    return False


def _content(content: Any) -> str | None:
    """Return the text of a message; None if it has a form that no message has."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        texts = [part.get("text", "") for part in content if part.get("type", "text") == "text"]
        return "\n".join(texts) if all(isinstance(text, str) for text in texts) else None
    return None


def _squeezed(text: str) -> str:
    return "".join(text.split())


# ---------------------------------------------------------------------- what the user says


class TextSettings(NamedTuple):
    """How texts become attempts, as the user says it.

    Attributes:
        checker: by name, as ``FILE.py:NAME``, or a function.
        segment: way of finding attempts, by name or made already.
        pattern, markers: its settings.
        no_answer: what a text without an answer is, as of :class:`TextReader`.
    """

    checker: str | Checker | None = None
    segment: str | Segmenter | None = None
    pattern: str | None = None
    markers: Sequence[str] | None = None
    no_answer: NoAnswer = None

    def check_all(self, names: FieldNames) -> None:
        """Refuse settings that are wrong before anything is read.

        Raises:
            RecordError: one of them is.
        """
        if self.no_answer not in (None, "wrong", "omit"):
            raise RecordError(f"no_answer is {self.no_answer!r}: must be 'wrong' or 'omit'")
        game = self.check(names)
        self._finder(self.segment, game if isinstance(game, Game) else None)

    def check(self, names: FieldNames, otherwise: str = "") -> Checker | None:
        """Return the checker; ``otherwise`` is the name of the one that is taken if the user chose none.

        Raises:
            RecordError: there is none of that name.
        """
        checker = self.checker if self.checker is not None else otherwise or None
        if checker is None or callable(checker):
            return checker
        if checker == "countdown":
            return Game(names)
        if checker == "24":
            return Game(names, default_target=24)
        if checker == "final-answer":
            return compare_final(names)
        if checker.endswith(".py") or ":" in checker:
            return load_checker(checker)
        raise UnknownReadingError(f"there is no checker {checker!r}: there are {', '.join(CHECKERS)}, or FILE.py:FUNCTION")

    def _finder(self, segment: str | Segmenter | None, game: Game | None) -> Segmenter | None:
        if segment is None and (self.pattern is not None or self.markers is not None):
            segment = "pattern" if self.pattern is not None else "markers"
        if isinstance(segment, str):
            return segmenter(segment, pattern=self.pattern, game=game, markers=MARKERS if self.markers is None else self.markers)
        return segment

    def reader(self, kind: str, names: FieldNames, file: str, *, checker: str = "", segment: str = "") -> TextReader:
        """Return the reader of a kind of text.

        Args:
            kind: "conversation" or "transcript".
            names: where the parts of its records stand.
            file: how messages call the file.
            checker: what the format says, if the user says nothing.
            segment: likewise.

        Raises:
            RecordError: there is no checker.
        """
        check = self.check(names, checker)
        if check is None:
            known = ", ".join(CHECKERS)
            raise RecordError(
                f"{file}: a {kind} does not say which answers are correct: choose a checker, {known} or FILE.py:FUNCTION; if a "
                "key of the record says it, name it: --reader rollouts --field correct=KEY"
            )
        game = check if isinstance(check, Game) else None
        finder = self._finder(self.segment, game) or (self._finder(segment, game) if segment else None)
        if kind == "conversation":
            return TextReader("conversation", check, finder, names, self.no_answer)
        finder = finder or segmenter("tags" if game is None else "expressions", game=game)
        return TextReader("transcript", check, finder, names, self.no_answer)
