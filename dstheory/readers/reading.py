"""An account of what was read: how many records, how they were read, which could not be used, and what that can bias."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dstheory.errors import RecordError
from dstheory.readers.records import OUTCOMES, REASONS, Fault
from dstheory.texts import counted, printable, shown

Progress = Callable[[int, int], None]  # records so far, bytes read so far

IN_LISTS = "a list of attempts per record"  # how a file was read that has several samples in a record
_EXAMPLES = 3  # of each reason, the first few are named
_FEW_UNUSABLE = 0.05  # share of records whose absence need not be said to bias the rest
_FEWEST_CHECKED = 10  # answers, for a checker that accepts all of them or none to be worth a warning
_NEARLY_NONE = 0.01  # share of answers
_GIVE_UP_AFTER = 10_000  # records, all of them unusable: somebody gave the wrong file


@dataclass
class CheckerCounts:
    """How many answers a checker was given and accepted.

    Attributes:
        answers: that it was given and called right or wrong.
        right: that it accepted.
        first: the first one, for messages.

    Example:
        >>> CheckerCounts(20, 0, "Wait, 4").notes[0].partition(";")[0]
        'the checker refused all 20 answers that it was given'
    """

    answers: int = 0
    right: int = 0
    first: str = ""

    def add(self, answer: str, right: bool) -> None:
        """Count an answer."""
        if not self.answers:
            self.first = answer
        self.answers, self.right = self.answers + 1, self.right + right

    @property
    def notes(self) -> list[str]:
        """A warning where nearly all answers or none were accepted: mostly it is given something else than it expects."""
        few = min(self.right, self.answers - self.right)
        if self.answers < _FEWEST_CHECKED or few > _NEARLY_NONE * self.answers:
            return []
        more = max(self.right, self.answers - self.right)
        said = "accepted" if 2 * self.right > self.answers else "refused"
        how_many = f"{more:,} of {self.answers:,} answers" if few else f"all {self.answers:,} answers"
        return [
            f"the checker {said} {how_many} that it was given; the first was {shown(self.first)}: check whether it expects "
            "such an answer, and how attempts are found (--segment, --pattern)"
        ]


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
        read_as: how files were read -> how many of them; nothing for the package's own records and tables.
        noted: what the way of reading can bias, by file and by what it is about.
        verdicts: file -> answers that its own values call right or wrong, and how many of them right.
        looping: records of text that end in a loop.
        checked: what a checker, which is not the log's own word, said of answers.
        unseen: usable records after whose last attempt there may have been a decision that the log does not show.
        unanswered: records without any answer, each counted as one wrong answer and no decision.
        attempts_left_out: attempts of the records that were left out because of what happened in them.
        answers_asked: by key of a file of right answers, the values that records have.
        questions: of several files, what their problems ask: file -> name of a problem -> a digest; None for one file.
        bounds: between what p, a and b lie whatever was left out, where that depended on what happened; "" where nothing did.

    >>> Reading(files=["log.jsonl"], records=50, faults={"no field 'correct'": 2}).unusable
    2
    """

    files: list[str] = field(default_factory=list)
    strict: bool = False
    records: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)
    segmented: dict[str, int] = field(default_factory=dict)
    unfinished: int = 0
    read_as: dict[str, int] = field(default_factory=dict)
    noted: dict[tuple[str, str], str] = field(default_factory=dict)
    verdicts: dict[str, tuple[int, int]] = field(default_factory=dict)
    looping: int = 0
    checked: CheckerCounts = field(default_factory=CheckerCounts)
    unseen: int = 0
    unanswered: int = 0
    attempts_left_out: int = 0
    answers_asked: dict[str, set[str]] = field(default_factory=dict)
    bounds: str = ""
    questions: dict[str, dict[str, str]] | None = None

    @property
    def notes(self) -> list[str]:
        """What the way of reading can bias, each once."""
        notes = [f"{note}{_of_files(n)}" for note, n in Counter(filter(None, self.noted.values())).items()]
        if self.depends_on_outcome > _FEW_UNUSABLE * self.records:
            words = "; --decision says what its words mean" if "decision" in self.faults else ""
            notes.append(
                f"{counted(self.depends_on_outcome, 'record is', 'records are')} left out because of what happened there, "
                f"so the others are not a fair sample of episodes: p, a and b counted on them are biased{words}"
            )
        notes += [self.bounds] if self.bounds else []
        notes += self.checked.notes
        if self.looping:
            notes.append(
                f"{counted(self.looping, 'record ends', 'records end')} in a loop, the same candidates over and over: each "
                "repetition counts as an attempt, so that it weighs heavily in p and b"
            )
        return notes

    @property
    def unusable(self) -> int:
        """Number of records left out."""
        return sum(self.faults.values())

    @property
    def usable(self) -> int:
        """Number of records used."""
        return self.records - self.unusable

    @property
    def depends_on_outcome(self) -> int:
        """Number of records left out because of what happened in them: the others are not a fair sample of episodes."""
        return sum(n for reason, n in self.faults.items() if reason in OUTCOMES)

    @property
    def unexpected(self) -> int:
        """Number of records left out because of what happened in them, but for those without an answer, which the user omits."""
        return self.depends_on_outcome - self.faults.get("no-candidate", 0)

    @property
    def share_unusable(self) -> float:
        """Share of the records that were left out; 0 if there are none."""
        return self.unusable / self.records if self.records else 0.0

    def fault(self, place: str, fault: Fault) -> None:
        """Count an unusable record.

        Args:
            place: where it is: the file as the user wrote it, and the line or row.
            fault: what is wrong with it.

        Raises:
            RecordError: in strict mode, always.
        """
        if self.strict:
            raise RecordError(f"{place}: {fault}")
        self.records += 1
        self.faults[fault.reason] = self.faults.get(fault.reason, 0) + 1
        self.attempts_left_out += fault.attempts if fault.reason in OUTCOMES else 0
        examples = self.examples.setdefault(fault.reason, [])
        if len(examples) < _EXAMPLES:
            examples.append(f"{place}: {fault}")

    @property
    def reasons(self) -> str:
        """The first example of every reason, in one line."""
        return "; ".join(examples[0] for examples in self.examples.values())

    def add(self, other: Reading) -> None:
        """Count what was read elsewhere, of files that come after those of this account."""
        for name in ("records", "looping", "unanswered", "attempts_left_out"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.noted |= other.noted
        counts = ("faults", "segmented", "read_as")
        for mine, theirs in ((getattr(self, name), getattr(other, name)) for name in counts):
            for key, n in theirs.items():
                mine[key] = mine.get(key, 0) + n
        for reason, found in other.examples.items():
            examples = self.examples.setdefault(reason, [])
            examples += found[: _EXAMPLES - len(examples)]
        self.questions = None if self.questions is None else self.questions | (other.questions or {})
        for key, asked in other.answers_asked.items():
            self.answers_asked.setdefault(key, set()).update(asked)
        first = self.checked.first if self.checked.answers else other.checked.first
        self.checked = CheckerCounts(
            self.checked.answers + other.checked.answers, self.checked.right + other.checked.right, first
        )

    def is_hopeless(self, other: Reading | None = None) -> bool:
        """Return whether many records were read and not one was usable; with ``other``, together, or there alone."""
        if other is None:
            return self.records >= _GIVE_UP_AFTER and not self.usable
        together = self.records + other.records >= _GIVE_UP_AFTER and not self.usable + other.usable
        return together or other.is_hopeless()

    def give_up_if_hopeless(self, file: str) -> None:
        """Stop where many records were read and not one was usable.

        Raises:
            RecordError: it is so.
        """
        if self.is_hopeless():
            raise RecordError(
                f"{file}: none of the first {self.records:,} records is usable ({self.reasons}): give a log of rollouts, "
                "name its fields with --field, or choose another --reader"
            )

    def note(self, text: str, file: str, about: str = "") -> None:
        """Add a note; of several files it is said once, with their number.

        Args:
            text: the note.
            file: of which it is true; "" of all together.
            about: a file's last note about this stands, "" withdraws it; default the note itself.
        """
        self.noted[file, about or text] = text

    def lines(self) -> list[str]:
        """Return the account in sentences, for a terminal.

        Example:
            >>> account = Reading(records=200)
            >>> account.fault("log.jsonl: line 7", Fault("no-attempts", "attempts", "is empty: must be a list"))
            >>> print("\\n".join(account.lines()))
            201 records read, 200 used
            1 unusable (0.5 %):
              1 no attempts; first: log.jsonl: line 7: attempts is empty: must be a list
        """
        out = [f"read as {how}{_of_files(n)}" for how, n in self.read_as.items()]
        lists = self.read_as and all(IN_LISTS in how for how in self.read_as)  # of which each entry counts
        out.append(f"{counted(self.records, 'sample' if lists else 'record')} read, {self.usable:,} used")
        ways = {way: n for way, n in self.segmented.items() if way != "marked"}
        if ways:
            out.append("attempts found by " + ", ".join(f"{way} in {counted(n, 'record')}" for way, n in ways.items()))
        if self.unfinished:
            its, their = "ends before its cap without a stop: its", "end before their cap without a stop: their"
            out.append(f"{counted(self.unfinished, its, their)} last decision is left out")
        if self.unseen:
            out.append(
                f"{counted(self.unseen, 'shows', 'show')} no end: whether the model stopped there is not seen, and the intervals "
                "of a and b hold whatever it did"
            )
        if self.unanswered:
            wrong, them = ("a wrong one", "it") if self.unanswered == 1 else ("wrong ones", "them")
            out.append(
                f"{counted(self.unanswered, 'has no answer and counts', 'have no answer and count')} as {wrong}, without a "
                f"decision (--no-answer omit leaves {them} out)"
            )
        if self.unusable:
            out.append(f"{self.unusable:,} unusable ({100 * self.share_unusable:.2g} %):")
            for reason, n in sorted(self.faults.items(), key=lambda item: -item[1]):
                out.append(f"  {n:,} {REASONS[reason]}; first: {self.examples[reason][0]}")
        return [printable(line) for line in (*out, *(f"note: {note}" for note in self.notes))]

    def to_dict(self) -> dict[str, Any]:
        """Return the account as plain data."""
        return {
            "files": self.files,
            "read_as": self.read_as,
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
            "unseen": self.unseen,
            "unanswered": self.unanswered,
            "notes": self.notes,
        }


def _of_files(n: int) -> str:
    return f" ({n:,} files)" if n > 1 else ""
