"""One record, checked: the rules of ``schema.json`` and the three that a JSON Schema cannot say.

The three are: every decision but the last is "resample" (nothing comes after a stop), there are no more attempts than the cap,
and no two records of one model in one file share an id. The fast readers decide in bulk *whether* records are good; *what* is
wrong with one is found here, so that every reader gives the same reasons in the same words.

Source: the record of the two-stage process of arXiv 2601.01580, section 3; the format is this package's own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dstheory.anatomy.records.fields import FieldNames
from dstheory.readers.messages import is_unicode, shown

__all__ = ["REASONS", "Fault", "Parsed", "label_text", "parse_attempts", "parse_cap", "parse_head", "parse_record"]

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
    "varies": "rows that disagree about their record",
    "messages": "messages not of the role/content form",
    "transcript": "no transcript text",
    "no-candidate": "no candidate answer found by the segmentation",
    "problem-data": "nothing to check the answers against",
    "checker": "the checker failed",
}

_DECISIONS = ("stop", "resample", "submit", None)


class Fault(Exception):
    """What makes a record unusable: the reason (a key of ``REASONS``), the field, and the rest of a sentence."""

    def __init__(self, reason: str, field: str, detail: str) -> None:
        super().__init__(f"{field}{' ' if field else ''}{detail}")
        self.reason = reason
        self.field = field


@dataclass(frozen=True, slots=True)
class Parsed:
    """A usable record.

    Attributes:
        id, problem: as text.
        cap: 0 for none.
        correct: of each attempt.
        stopped: whether the last attempt was followed by a stop.
        labels: text of each categorical field, None where the record does not have it.
    """

    id: str
    problem: str
    cap: int
    correct: list[bool]
    stopped: bool
    labels: tuple[str | None, ...]


def label_text(value: Any) -> str:
    """Return a label as text; equal numbers give equal texts.

    Raises:
        ValueError: the value is neither text nor a finite number (nor true or false).

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


def parse_record(record: Any, names: FieldNames) -> Parsed:
    """Check a record with marked attempts.

    Raises:
        Fault: the first rule that it breaks.

    >>> attempts = [{"correct": False, "decision": "resample"}, {"correct": True, "decision": "stop"}]
    >>> parse_record({"id": 7, "cap": 4, "attempts": attempts}, FieldNames())
    Parsed(id='7', problem='7', cap=4, correct=[False, True], stopped=True, labels=(None, None, None))
    """
    name, problem, labels = parse_head(record, names)
    cap = parse_cap(record, names)
    correct, stopped = parse_attempts(record, names)
    if cap and len(correct) > cap:
        raise Fault("over-cap", names.attempts, f"has {len(correct)} entries: must be at most the cap, {cap}")
    return Parsed(name, problem, cap, correct, stopped, labels)


def parse_head(record: Any, names: FieldNames) -> tuple[str, str, tuple[str | None, ...]]:
    """Return id, problem and labels of a record of any kind.

    Raises:
        Fault: it is not an object, or one of them is unusable.
    """
    if not isinstance(record, dict):
        raise Fault("not-a-record", "", f"holds {_brief(record)}: must be an object with an id and attempts")
    name = _text(record, names.id, "id")
    if name is None:
        raise Fault("id", names.id, "is missing: must name the record; give every record its own")
    problem = record.get(names.problem)
    if isinstance(problem, list):  # for example the numbers of a game
        problem = json.dumps(problem, separators=(",", ":"))
    labels = tuple(_text(record, key, "label") for key in names.labels.values())
    return name, name if problem is None else _label(problem, names.problem, "label"), labels


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


def parse_attempts(record: Mapping[str, Any], names: FieldNames) -> tuple[list[bool], bool]:
    """Return the correctness of each attempt, and whether the last was followed by a stop.

    Raises:
        Fault: there are none, or one of them breaks a rule.
    """
    attempts = record.get(names.attempts)
    if not isinstance(attempts, list) or not attempts:
        what = "is missing" if attempts is None else "is empty" if attempts == [] else f"is {_brief(attempts)}"
        raise Fault("no-attempts", names.attempts, f"{what}: must be a list with at least one attempt")
    correct, last = [], len(attempts) - 1
    for k, attempt in enumerate(attempts):
        if not isinstance(attempt, dict):
            raise Fault("attempt", f"{names.attempts}[{k}]", f"is {_brief(attempt)}: must be an object with correct and decision")
        verdict = attempt.get(names.correct)
        if verdict not in (True, False):  # also 1, 0, 1.0 and 0.0
            raise Fault(
                "correct", f"{names.attempts}[{k}].{names.correct}", f"is {_brief(verdict)}: must be true or false (or 1 or 0)"
            )
        decision = attempt.get(names.decision)
        if decision not in _DECISIONS:
            rule = "must be stop or resample (or submit at the cap)"
            raise Fault("decision", f"{names.attempts}[{k}].{names.decision}", f"is {_brief(decision)}: {rule}")
        if k < last and decision != "resample":
            field = f"{names.attempts}[{k}].{names.decision}"
            if decision is None:
                raise Fault("decision", field, "is missing: only the last attempt may have none")
            raise Fault(
                "after-stop", field, f"is {decision!r} but {last - k} more follow: only the last attempt may end the record"
            )
        correct.append(bool(verdict))
    return correct, decision == "stop"


def _text(record: Mapping[str, Any], key: str, reason: str) -> str | None:
    value = record.get(key)
    return None if value is None else _label(value, key, reason)


def _label(value: Any, key: str, reason: str) -> str:
    try:
        return label_text(value)
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
