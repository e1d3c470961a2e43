"""What is said of a record of a rollout log: what its parts are called, in which words, and why it cannot be used.

Source: the record of the two-stage process of arXiv 2601.01580, section 3; the format is this package's own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

from dstheory.errors import UnknownReadingError
from dstheory.readers.messages import is_unicode, nearest

DECIDED_BY = "decided_by"  # the label that says who decides whether to go on
NOBODY = "nobody"  # where nobody does: the number of attempts was fixed
DECIDERS = ("model", "verifier", "oracle", "environment", NOBODY)

LABELS = ("task", "difficulty", "model")  # categorical fields that the schema knows; more on request

# Why a record cannot be used: a word for machines -> a phrase for people.
REASONS = {
    "not-json": "not JSON",
    "not-utf8": "not UTF-8",
    "not-a-record": "not an object",
    "cut-off": "file cut off",
    "id": "no usable id",
    "label": "a field that is neither text nor number",
    "no-attempts": "no attempts",
    "attempt": "an attempt that is no object",
    "correct": "correctness neither true nor false",
    "decision": "unknown decision",
    "after-stop": "attempts after a stop",
    "cap": "cap that is no whole number >= 1",
    "over-cap": "more attempts than the cap",
    "duplicate": "id of an earlier record",
    "round": "two attempts of one round",
    "varies": "rows that disagree about their record",
    "messages": "messages not of the role/content form",
    "transcript": "no transcript text",
    "no-candidate": "no candidate answer found by the segmentation",
    "unclear": "a text whose last answer is not certain",
    "problem-data": "nothing to check the answers against",
    "no-gold": "no right answer in the file of answers",
    "checker": "the checker failed",
}
OUTCOMES = frozenset(  # depend on how an episode went
    ("correct", "decision", "after-stop", "over-cap", "no-candidate", "unclear", "round")
)
VERDICTS = frozenset((True, False))  # also 1, 0, 1.0 and 0.0
ENDS = frozenset(("stop", "resample", "submit", None))  # decisions after the last attempt

Records = tuple[Sequence[int], Sequence[Any]]  # numbers of records, and the records; one that is a Fault is unusable


@dataclass(frozen=True)
class FieldNames:
    """Which key (or column) holds what.

    Attributes:
        id: the record's name, unique within one model of one file.
        problem: which problem it is about; records that share one are trials of it. Default: the id.
        task, difficulty, model: labels.
        cap: the largest number of attempts allowed.
        attempts: the list of attempts.
        correct, decision: of one attempt.
        round: order of an attempt within its record, in tables with one row per attempt.
        messages, transcript: of conversations and plain transcripts.
        numbers, target, gold, final: of problems whose answers are checked here: a game's numbers and target, the right answer,
            and the answer that was submitted.
        answer, step: of rollouts: the answer that was given, and the step of training at which it was given.
        decided_by: who decided whether to go on: a label, one of ``DECIDERS``.
        decision_score: of rollouts: what a verifier or reward model says of the answer.
        extra: further labels, kept under their own names.

    Example:
        >>> FieldNames.renamed({"cap": "max_attempts"}).cap
        'max_attempts'
    """

    id: str = "id"
    problem: str = "problem"
    task: str = "task"
    difficulty: str = "difficulty"
    model: str = "model"
    cap: str = "cap"
    attempts: str = "attempts"
    correct: str = "correct"
    decision: str = "decision"
    round: str = "round"
    messages: str = "messages"
    transcript: str = "transcript"
    numbers: str = "numbers"
    target: str = "target"
    gold: str = "gold"
    final: str = "final_answer"
    answer: str = "answer"
    step: str = "step"
    decided_by: str = DECIDED_BY
    decision_score: str = "decision_score"
    extra: tuple[str, ...] = ()

    @classmethod
    def renamed(cls, names: Mapping[str, str], extra: tuple[str, ...] = ()) -> FieldNames:
        """Return the default names, changed as given.

        Args:
            names: what -> key in the log.
            extra: further labels.

        Raises:
            RecordError: a record has no such part.
        """
        known = [f.name for f in fields(cls) if f.name != "extra"]
        for part in names:
            if part not in known:
                raise UnknownReadingError(f"a record has no part {part!r}: {nearest(part, known)}")
        labels = tuple(dict.fromkeys(name for name in extra if name not in LABELS and name != "log"))
        return cls(**{**{part: str(key) for part, key in names.items()}, "extra": labels})  # type: ignore[arg-type]

    def with_labels(self, *more: str) -> FieldNames:
        """Return the names with further labels, kept even if the first records lack them."""
        return replace(self, extra=tuple(dict.fromkeys((*self.extra, *more))))

    @cached_property
    def labels(self) -> dict[str, str]:
        """Categorical fields: name in the result -> key in the log."""
        return {**{name: getattr(self, name) for name in LABELS}, **{name: getattr(self, name, name) for name in self.extra}}


class Fault(Exception):
    """What makes a record unusable.

    Attributes:
        reason: a key of ``REASONS``.
        field: where in the record; "" for the record as a whole.
        attempts: how many attempts the record holds, for bounds of what is left out with it.
    """

    def __init__(self, reason: str, field: str, detail: str, *, attempts: int = 1) -> None:
        super().__init__(f"{field}{' ' if field else ''}{detail}")
        self.reason = reason
        self.field = field
        self.attempts = attempts


def label_text(value: Any) -> str:
    """Return a label as text; equal numbers give equal texts.

    Raises:
        ValueError: the value is neither text nor a finite number (nor true or false).

    Example:
        >>> label_text(3.0), label_text(0.25), label_text(True), label_text("hard")
        ('3', '0.25', 'true', 'hard')
    """
    if isinstance(value, str):
        if value and is_unicode(value):
            return value
    elif isinstance(value, bool):
        return "true" if value else "false"
    elif isinstance(value, int):
        return str(value)
    elif isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() else str(value)
    raise ValueError("must be a text that is not empty, or a finite number")


def text_or_none(value: Any) -> str | None:
    """Return a label as text; None where there is none, or what is no label.

    Example:
        >>> text_or_none(3.0), text_or_none(None), text_or_none([3])
        ('3', None, None)
    """
    try:
        return None if value is None else label_text(value)
    except ValueError:
        return None


def compact(value: Any) -> str:
    """Return a list or object as a short text, by which it is named.

    Example:
        >>> compact([1, {"a": None}])
        '[1,{"a":null}]'
    """
    return json.dumps(value, separators=(",", ":"), default=str)
