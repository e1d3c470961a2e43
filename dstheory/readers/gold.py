"""Right answers in another file than the log, joined by an id or by the text of the prompt.

Keys of both files are looked at, and the pair is taken by which most of the first records find their answers. Nothing is dropped
in silence: a record without an answer is unusable and counted, answers that no record has are counted, and two different answers
of one id are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from dstheory.errors import RecordError
from dstheory.readers.documents import Documents
from dstheory.readers.paths import Place, keys_of
from dstheory.readers.reading import Reading
from dstheory.readers.records import Fault, Records, compact, text_or_none
from dstheory.texts import counted, shown

GOLD = "gold"  # where the answer stands in a record that was joined
_ANSWERS = (
    "gold", "target", "gt", "ground_truth", "gold_answer", "correct_answer", "reference_answer", "expected_answer", "answer",
    "final_answer", "solution", "label",
)  # fmt: skip
_IDS = ("id", "problem_id", "example_id", "task_id", "question_id", "unique_id", "doc_id", "idx", "index", "uid")
_TEXTS = ("prompt", "question", "problem", "input", "problem_statement", "query")
_SAID = ("transcript", "text", "completion", "response", "output", "generation", "raw_generation", "model_output")
_GIVEN = ("pred", "prediction", "model_answer", "extracted_answer", "answer")


class Joined(NamedTuple):
    """How the records of a log find their right answers.

    Attributes:
        key: of the log, by which they are joined.
        answers: value of that key -> right answer.
        source: the file of the answers, for messages.
        theirs: the key of that file.
    """

    key: Place
    answers: dict[str, Any]
    source: str
    theirs: str

    @property
    def sentence(self) -> str:
        """How people are told."""
        return f"right answers from {self.source} by {self.key.text}"

    def with_answer(self, record: Any) -> Any:
        """Return a record with its right answer, or why it has none."""
        if not isinstance(record, dict):
            return record
        name = _name(self.key.get(record))
        if name is None or name not in self.answers:
            value = self.key.get(record)
            what = "is missing" if value is None else f"is {shown(value)}"
            return Fault("no-gold", self.key.text, f"{what}: {self.source} has no answer for it")
        return {**record, GOLD: self.answers[name]}

    def parts(self, parts: Iterator[Records], reading: Reading) -> Iterator[Records]:
        """Yield the records with their answers; the account is told which answers were asked for."""
        asked = reading.answers_asked.setdefault(self.theirs, set())
        for numbers, rows in parts:
            names = [_name(self.key.get(row)) for row in rows if isinstance(row, dict)]
            asked.update(name for name in names if name is not None)
            yield numbers, [self.with_answer(row) for row in rows]


@dataclass(frozen=True)
class GoldAnswers:
    """The right answers of a file.

    Attributes:
        source: the file, as the user wrote it.
        rows: its records.
        answer: the key of the answer in them.
    """

    source: str
    rows: Sequence[dict[str, Any]]
    answer: str

    @classmethod
    def of(cls, documents: Documents, path: str, answer: str = "") -> GoldAnswers:
        """Take the answers from a file: a record for each, or one object of ids and answers.

        Args:
            documents: the records of the file.
            path: how messages call it.
            answer: the key of the answer; default: what it is mostly called, or the only key beside the id.

        Raises:
            RecordError: nothing in it is an answer.
        """
        columns = list(dict.fromkeys(key for record in documents.head if isinstance(record, dict) for key in record))
        rows = [row for _, part in documents.parts(columns, columns) for row in part]
        if len(rows) == 1 and isinstance(rows[0], dict) and not {*_IDS, *_TEXTS} & set(rows[0]):
            rows = [{"id": name, "answer": value} for name, value in rows[0].items()]
        if not rows or not all(isinstance(row, dict) for row in rows):
            raise RecordError(f"{path} must hold one object (or row) for each answer, with an id or a prompt and the answer")
        known = [answer] if answer else [key for key in _ANSWERS if key in rows[0]]
        others = [key for key in rows[0] if key not in (*_IDS, *_TEXTS)]
        key = known[0] if known else others[0] if len(others) == 1 else ""
        lacking = sum(Place.of(key).get(row) is None for row in rows) if key else len(rows)
        if lacking:
            rule = f"name the key of the answer with --field gold=KEY; there are {keys_of(rows[0])}"
            raise RecordError(f"{path}: no {key or 'answer'} in {lacking:,} of {counted(len(rows), 'record')}: {rule}")
        return cls(path, rows, key)

    def join(self, head: Sequence[Any], file: str) -> Joined:
        """Return how the records of a log find their answers.

        Args:
            head: the first records of the log.
            file: how messages call it.

        Raises:
            RecordError: none of them finds one, or an id has two answers.
        """
        objects = [record for record in head if isinstance(record, dict)]
        best: tuple[int, str, str] = (0, "", "")
        for ours in (*_IDS, *_TEXTS):
            wanted = {_name(record.get(ours)) for record in objects} - {None}
            for theirs in (ours, *(_IDS if ours in _IDS else _TEXTS)) if wanted else ():
                found = len(wanted & {_name(row.get(theirs)) for row in self.rows})
                if found > best[0]:
                    best = (found, ours, theirs)
        count, ours, theirs = best
        if not count:
            had = keys_of(objects[0]) if objects else "no keys"
            raise RecordError(
                f"no record of {file} finds its answer in {self.source}: they are joined by an id ({', '.join(_IDS[:3])}, ...) "
                f"or by the text of the prompt, which must be the same in both; {file} has {had}, and {self.source} "
                f"{keys_of(self.rows[0])}"
            )
        return Joined(Place.of(ours), self._by(theirs), self.source, theirs)

    def _by(self, key: str) -> dict[str, Any]:
        """Return the answers by the values of a key."""
        out: dict[str, Any] = {}
        at, twice = Place.of(self.answer), dict[str, None]()
        for row in self.rows:
            name = _name(row.get(key))
            if name is not None:
                answer = at.get(row)
                if out.setdefault(name, answer) != answer:
                    twice[name] = None
        if twice:
            raise RecordError(
                f"{self.source}: several different answers to {len(twice):,} of {counted(len(out), 'value')} of {key}, first "
                f"{shown(next(iter(twice)))}: each must have one"
            )
        return out

    def tell(self, reading: Reading) -> None:
        """Say how many answers no record asked for."""
        for key, asked in reading.answers_asked.items():
            there = {_name(row.get(key)) for row in self.rows} - {None}
            if spare := len(there - asked):
                reading.note(f"answers in {self.source} to no record of the log: {spare:,} of {len(there):,}", "")


def what_is_checked(head: Sequence[Any]) -> tuple[str, str]:
    """Return the reader for records whose right answers stand elsewhere, and the key of what is checked; "" for none.

    Example:
        >>> what_is_checked([{"id": 1, "text": "It is 4."}]), what_is_checked([{"id": 1, "pred": 4}])
        (('transcript', 'text'), ('rollouts', 'pred'))
    """
    for record in (record for record in head if isinstance(record, dict)):
        for key in ("messages", *_SAID):
            value = record.get(key)
            if isinstance(value, list) and value and isinstance(value[0], dict) and "role" in value[0]:
                return "conversation", key
            if isinstance(value, str) and key != "messages":
                return "transcript", key
        for key in _GIVEN:
            if isinstance(record.get(key), (str, int, float)):
                return "rollouts", key
    return "", ""


def _name(value: Any) -> str | None:
    """Return what values are compared by: text without its spacing, numbers as texts."""
    if isinstance(value, (list, dict)):
        return compact(value)
    text = text_or_none(value)
    return None if text is None else " ".join(text.split())
