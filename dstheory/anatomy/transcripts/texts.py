"""Records that hold text: a transcript or a conversation becomes attempts by a segmentation and a checker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dstheory.anatomy.records.fields import FieldNames
from dstheory.anatomy.records.gather import Gatherer, collect
from dstheory.anatomy.records.rules import Fault, Parsed, parse_cap, parse_head
from dstheory.anatomy.transcripts.checkers import Checker
from dstheory.anatomy.transcripts.segment import BIAS, Segmenter

__all__ = ["TextReader", "read_texts"]

_LONGEST_TEXT = 4_000_000  # characters of one record's texts
_MOST_ATTEMPTS = 10_000
_LOOP = 3  # a record whose last attempts are one sequence this many times over is said to loop
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_CUT = ("length", "max_tokens", "content_filter", "error")  # finish reasons that are no decision of the model
_DECORATION = " \t\r\n.`*$\"'"


@dataclass(frozen=True)
class TextReader:
    """How texts become attempts.

    Attributes:
        kind: what a record holds, a "transcript" or a "conversation".
        checker: says whether a candidate is correct; None for one that is no attempt.
        segmenter: finds the candidates of a text; None takes every assistant message of a conversation as one.
        names: the log's field names.
    """

    kind: Literal["transcript", "conversation"]
    checker: Checker
    segmenter: Segmenter | None
    names: FieldNames

    @property
    def way(self) -> str:
        """How the report calls this way of finding attempts."""
        return "messages" if self.segmenter is None else self.segmenter.name

    def parse(self, record: Any) -> tuple[Parsed, bool]:
        """Return a record's attempts, and whether it loops.

        Raises:
            Fault: the first rule that it breaks.
        """
        name, problem, labels = parse_head(record, self.names)
        cap = parse_cap(record, self.names)
        texts, own_end = self._texts(record)
        if sum(map(len, texts)) > _LONGEST_TEXT:
            raise Fault("transcript", self.kind, f"is longer than {_LONGEST_TEXT:,} characters: no single episode is")
        candidates = [c for text in texts for c in (self.segmenter(text, record) if self.segmenter else [text])]
        candidates += self._submitted(record, candidates)
        if len(candidates) > _MOST_ATTEMPTS:
            raise Fault("transcript", self.kind, f"has {len(candidates):,} candidate answers: must be at most {_MOST_ATTEMPTS:,}")
        correct, kept = [], []
        for candidate in candidates:
            verdict = self._checked(candidate, record)
            if verdict is not None:
                correct.append(verdict)
                kept.append(candidate)
        if not kept:
            raise Fault("no-candidate", self.kind, f"has no candidate answer by {self.way}: nothing in it can be checked")
        if cap and len(kept) > cap:
            raise Fault("over-cap", self.kind, f"has {len(kept)} candidate answers: must be at most the cap, {cap}")
        stopped = own_end and self._finished(record, texts, kept[-1])
        return Parsed(name, problem, cap, correct, stopped, labels), loops(kept)

    def _texts(self, record: Mapping[str, Any]) -> tuple[list[str], bool]:
        """Return the model's texts, and whether the last word was the model's."""
        if self.kind == "transcript":
            text = record.get(self.names.transcript)
            if not isinstance(text, str) or not text.strip():
                raise Fault("transcript", self.names.transcript, "is missing or no text: must hold the model's completion")
            return [text], True
        messages = record.get(self.names.messages)
        if not isinstance(messages, list) or not messages:
            raise Fault("messages", self.names.messages, "is missing or empty: must be a list of objects with role and content")
        texts: list[str] = []
        role: Any = None
        for k, message in enumerate(messages):
            role = message.get("role") if isinstance(message, dict) else None
            if role not in _ROLES:
                raise Fault("messages", f"{self.names.messages}[{k}].role", f"is {role!r}: must be one of {', '.join(_ROLES)}")
            content = _content(message.get("content"))
            if content is None:
                raise Fault("messages", f"{self.names.messages}[{k}].content", "is neither text nor a list of text parts")
            if role == "assistant" and content.strip():
                texts.append(content)
        return texts, role == "assistant"

    def _submitted(self, record: Mapping[str, Any], candidates: list[str]) -> list[str]:
        """Return the submitted answer, where the record says it and the segmentation did not find it last."""
        final = record.get(self.names.final)
        if self.segmenter is None or not isinstance(final, str) or not final.strip():
            return []
        same = bool(candidates) and _squeezed(final).endswith(_squeezed(candidates[-1]))
        return [] if same else [final.strip()]

    def _checked(self, candidate: str, record: Mapping[str, Any]) -> bool | None:
        try:
            verdict = self.checker(candidate, record)
        except Fault:
            raise
        except Exception as error:
            raise Fault("checker", self.kind, f"makes the checker fail ({type(error).__name__}: {str(error)[:80]})") from error
        if verdict is None or verdict in (True, False):
            return None if verdict is None else bool(verdict)
        raise Fault(
            "checker", self.kind, f"gets {str(verdict)[:40]!r} from the checker: must be True, False, or None for no attempt"
        )

    def _finished(self, record: Mapping[str, Any], texts: list[str], last: str) -> bool:
        """Return whether the model ended the episode itself, as far as the record shows."""
        reason = record.get("finish_reason")
        if isinstance(reason, str):
            return reason not in _CUT
        if self.kind == "conversation" or record.get(self.names.final) is not None:
            return True
        return texts[-1].rstrip().endswith("</answer>") or texts[-1].rstrip(_DECORATION).endswith(last.rstrip(_DECORATION))


def read_texts(
    records: Iterable[tuple[int, Any]], file: str, reader: TextReader, gatherer: Gatherer, *, kind: str = "line"
) -> None:
    """Read records that hold text into a gatherer.

    Args:
        records: (number, record).
        file: how messages call their file.
        reader: how texts become attempts.
        gatherer: where they go.
        kind: what the numbers count.

    Raises:
        RecordError: in strict mode the first unusable record; or many records, all of them unusable.
    """
    reading, looping = gatherer.reading, 0

    def parse(record: Any) -> Parsed:
        nonlocal looping
        found, loop = reader.parse(record)
        looping += loop
        return found

    collect(records, parse, file, gatherer, way=reader.way, kind=kind)
    reading.note(BIAS[reader.way])
    reading.note(
        "decisions are concluded: a candidate that another one follows counts as resampled; the last one counts as a stop if the "
        "text ends with it or with a submitted answer, and is left out of a and b otherwise"
    )
    if looping:
        reading.note(
            f"{looping:,} records of {file} end in a loop, the same candidates over and over: each repetition counts as an "
            "attempt, so they weigh heavily in p and b"
        )


def loops(candidates: list[str]) -> bool:
    """Return whether the last candidates are one sequence of at most eight, repeated at least three times.

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
