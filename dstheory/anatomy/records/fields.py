"""What a record's parts are called in a log; the names of the schema unless the user says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from dstheory.errors import RecordError
from dstheory.readers.messages import nearest

__all__ = ["LABELS", "FieldNames"]

LABELS = ("task", "difficulty", "model")  # categorical fields that the schema knows; more on request


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
        extra: further labels, kept under their own names.

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
    extra: tuple[str, ...] = ()

    @classmethod
    def renamed(cls, names: Mapping[str, str], extra: tuple[str, ...] = ()) -> FieldNames:
        """Return the default names, changed as given (what -> key in the log).

        Raises:
            RecordError: there is no such part.
        """
        known = [f.name for f in fields(cls) if f.name != "extra"]
        for part in names:
            if part not in known:
                raise RecordError(f"a record has no part {part!r}: {nearest(part, known)}")
        labels = tuple(dict.fromkeys(name for name in extra if name not in LABELS and name != "log"))
        return cls(**{**{part: str(key) for part, key in names.items()}, "extra": labels})  # type: ignore[arg-type]

    @property
    def labels(self) -> dict[str, str]:
        """Categorical fields: name in the result -> key in the log."""
        return {**{name: getattr(self, name) for name in LABELS}, **{name: name for name in self.extra}}
