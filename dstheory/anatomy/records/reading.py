"""What came of reading: how many records were used, which not and why, what was segmented by what, and what that can bias."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dstheory.anatomy.episodes import Episodes
from dstheory.anatomy.records.rules import REASONS, Fault
from dstheory.errors import RecordError

__all__ = ["Log", "Place", "Reading"]

_EXAMPLES = 3  # of each reason, the first few are named


class Place(NamedTuple):
    """Where a record is: the file as the user wrote it, and its line (or row); number 0 is the file as a whole."""

    file: str
    number: int
    kind: str = "line"

    def __str__(self) -> str:
        return f"{self.file}: {self.kind} {self.number}" if self.number or self.kind != "file" else self.file


@dataclass(eq=False)
class Reading:
    """An account of what was read.

    Attributes:
        files: the logs, as the user wrote them.
        strict: stop at the first unusable record.
        records: how many records there were, usable or not.
        faults: reason -> how many records are unusable for it.
        examples: reason -> the first few, each with file, line and field.
        segmented: way of finding the attempts -> how many records; "marked" where the log marks them.
        unfinished: usable records that end before their cap without a stop; their last decision is left out.
        notes: what the way of reading can bias.
    """

    files: list[str] = field(default_factory=list)
    strict: bool = False
    records: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)
    segmented: dict[str, int] = field(default_factory=dict)
    unfinished: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def unusable(self) -> int:
        """Number of records left out."""
        return sum(self.faults.values())

    @property
    def usable(self) -> int:
        """Number of records used."""
        return self.records - self.unusable

    @property
    def share_unusable(self) -> float:
        """Share of the records that were left out; 0 if there are none."""
        return self.unusable / self.records if self.records else 0.0

    def fault(self, place: Place, fault: Fault) -> None:
        """Count an unusable record.

        Raises:
            RecordError: in strict mode, always.
        """
        if self.strict:
            raise RecordError(f"{place}: {fault}")
        self.records += 1
        self.faults[fault.reason] = self.faults.get(fault.reason, 0) + 1
        examples = self.examples.setdefault(fault.reason, [])
        if len(examples) < _EXAMPLES:
            examples.append(f"{place}: {fault}")

    def note(self, text: str) -> None:
        """Add a note, once."""
        if text not in self.notes:
            self.notes.append(text)

    def lines(self) -> list[str]:
        """Return the account in sentences, for a terminal.

        >>> account = Reading(records=200)
        >>> account.fault(Place("log.jsonl", 7), Fault("no-attempts", "attempts", "is empty: must be a list"))
        >>> print("\\n".join(account.lines()))
        201 records read, 200 used
        1 unusable (0.5 %):
          1 no attempts; first: log.jsonl: line 7: attempts is empty: must be a list
        """
        out = [f"{self.records:,} records read, {self.usable:,} used"]
        ways = {way: n for way, n in self.segmented.items() if way != "marked"}
        if ways:
            out.append("attempts found by " + ", ".join(f"{way} in {n:,} records" for way, n in ways.items()))
        if self.unfinished:
            out.append(f"{self.unfinished:,} end before their cap without a stop: their last decision is left out")
        if self.unusable:
            out.append(f"{self.unusable:,} unusable ({100 * self.share_unusable:.2g} %):")
            for reason, n in sorted(self.faults.items(), key=lambda item: -item[1]):
                out.append(f"  {n:,} {REASONS[reason]}; first: {self.examples[reason][0]}")
        return out + [f"note: {note}" for note in self.notes]

    def to_dict(self) -> dict[str, Any]:
        """Return the account as plain data."""
        return {
            "files": self.files,
            "records": self.records,
            "used": self.usable,
            "unusable": self.unusable,
            "share_unusable": self.share_unusable,
            "reasons": {
                reason: {"records": n, "meaning": REASONS[reason], "examples": self.examples[reason]}
                for reason, n in self.faults.items()
            },
            "segmented_by": self.segmented,
            "unfinished": self.unfinished,
            "notes": self.notes,
        }


class Log(NamedTuple):
    """Episodes, and an account of how they were read."""

    episodes: Episodes
    reading: Reading
