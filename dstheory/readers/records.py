"""One record of a rollout log, checked: the rules of ``schema.json`` and the three that a JSON Schema cannot say.

The three are: every decision but the last is "resample" (nothing comes after a stop), there are no more attempts than the cap,
and no two records of one model in one file share an id. What a log calls the parts of a record is data (:class:`FieldNames`).

Source: the record of the two-stage process of arXiv 2601.01580, section 3; the format is this package's own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from types import NoneType
from typing import Any, NamedTuple

from dstheory.errors import UnknownReadingError
from dstheory.readers.messages import is_unicode, nearest, shown
from dstheory.readers.words import which_decision

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
    "problem-data": "nothing to check the answers against",
    "no-gold": "no right answer in the file of answers",
    "checker": "the checker failed",
}
OUTCOMES = frozenset(("correct", "decision", "after-stop", "over-cap", "no-candidate", "round"))  # depend on how an episode went
VERDICTS = frozenset((True, False))  # also 1, 0, 1.0 and 0.0
ENDS = frozenset(("stop", "resample", "submit", None))  # decisions after the last attempt


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


class Record(NamedTuple):
    """A usable record.

    Attributes:
        id, problem: as text.
        cap: 0 for none.
        correct: of each attempt.
        stopped: whether the last attempt was followed by a stop.
        labels: text of each categorical field, None where the record does not have it.
        unseen: whether there may have been a decision after the last attempt that the log does not show.
    """

    id: str
    problem: str
    cap: int
    correct: list[bool]
    stopped: bool
    labels: tuple[str | None, ...]
    unseen: bool = False


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
        return str(int(value)) if value.is_integer() else repr(value)
    raise ValueError("must be a text that is not empty, or a finite number")


def parse_record(record: Any, names: FieldNames) -> Record:
    """Check a record with marked attempts.

    Raises:
        Fault: the first rule that it breaks.

    Example:
        >>> attempts = [{"correct": False, "decision": "resample"}, {"correct": True, "decision": "stop"}]
        >>> parse_record({"id": 7, "cap": 4, "attempts": attempts}, FieldNames())
        Record(id='7', problem='7', cap=4, correct=[False, True], stopped=True, labels=(None, None, None), unseen=False)
    """
    name, problem, labels = parse_head(record, names)
    cap = parse_cap(record, names)
    correct, stopped = _attempts(record, names)
    if cap and len(correct) > cap:
        raise Fault("over-cap", names.attempts, f"has {len(correct)} entries: must be at most the cap, {cap}")
    return Record(name, problem, cap, correct, stopped, labels)


def parse_head(record: Any, names: FieldNames) -> tuple[str, str, tuple[str | None, ...]]:
    """Return id, problem and labels of a record of any kind.

    Raises:
        Fault: it is not an object, or one of them is unusable.
    """
    if not isinstance(record, dict):
        raise Fault("not-a-record", "", f"holds {_brief(record)}: must be an object with an id and attempts")
    name = _label(record, names.id, "id")
    if name is None:
        raise Fault("id", names.id, "is missing: must name the record; give every record its own")
    problem = record.get(names.problem)
    if isinstance(problem, list):  # for example the numbers of a game
        problem = json.dumps(problem, separators=(",", ":"))
    else:
        problem = _label(record, names.problem, "label")
    labels = tuple([_label(record, key, "label") for key in names.labels.values()])
    return name, name if problem is None else problem, labels


def parse_cap(record: Mapping[str, Any], names: FieldNames) -> int:
    """Return the cap of a record, 0 for none.

    Raises:
        Fault: it is not a whole number >= 1.
    """
    cap = record.get(names.cap)
    if cap is None:
        return 0
    whole = isinstance(cap, int) or (isinstance(cap, float) and cap.is_integer())
    if isinstance(cap, bool) or not whole or not 1 <= cap < 2**62:
        raise Fault("cap", names.cap, f"is {_brief(cap)}: must be a whole number >= 1, or null for none")
    return int(cap)


def _attempts(record: Mapping[str, Any], names: FieldNames) -> tuple[list[bool], bool]:
    """Return the correctness of each attempt, and whether the last was followed by a stop."""
    attempts = record.get(names.attempts)
    if not isinstance(attempts, list) or not attempts:
        what = "is missing" if attempts is None else "is empty" if attempts == [] else f"is {_brief(attempts)}"
        raise Fault("no-attempts", names.attempts, f"{what}: must be a list with at least one attempt")
    try:
        correct = [attempt[names.correct] for attempt in attempts]
        decisions = [attempt.get(names.decision) for attempt in attempts]
        last = decisions.pop()
        if VERDICTS.issuperset(correct) and decisions.count("resample") == len(decisions) and last in ENDS:
            return list(map(bool, correct)), last == "stop"
    except (KeyError, TypeError, AttributeError):
        pass
    raise _attempt_fault(attempts, names)


def _attempt_fault(attempts: list[Any], names: FieldNames) -> Fault:
    """Return the first rule that one of these attempts breaks."""
    last = len(attempts) - 1
    for k, attempt in enumerate(attempts):
        place = f"{names.attempts}[{k}]"
        if not isinstance(attempt, dict):
            return Fault("attempt", place, f"is {_brief(attempt)}: must be an object with correct and decision")
        verdict, decision = attempt.get(names.correct), attempt.get(names.decision)
        if verdict not in (True, False):
            return Fault("correct", f"{place}.{names.correct}", f"is {_brief(verdict)}: must be true or false (or 1 or 0)")
        if not isinstance(decision, (str, NoneType)) or decision not in ENDS:
            rule = "must be stop or resample (or submit at the cap)" + which_decision(decision)
            return Fault("decision", f"{place}.{names.decision}", f"is {_brief(decision)}: {rule}")
        if k < last and decision is None:
            return Fault("decision", f"{place}.{names.decision}", "is missing: only the last attempt may have none")
        if k < last and decision != "resample":
            rule = "only the last attempt may end the record"
            return Fault("after-stop", f"{place}.{names.decision}", f"is {shown(decision)} but {last - k} more follow: {rule}")
    raise AssertionError("every rule is kept")


def _label(record: Mapping[str, Any], key: str, reason: str) -> str | None:
    value = record.get(key)
    try:
        return None if value is None else label_text(value)
    except ValueError as error:
        raise Fault(reason, key, f"is {_brief(value)}: {error}") from error


def _brief(value: Any) -> str:
    """Return a value as a message shows it: short, and of a nested one only its kind."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return shown(value)
    return {"dict": "an object", "list": "a list"}.get(type(value).__name__, f"a {type(value).__name__}")
