"""Files of logs: which are meant, how each is read, and its records in columns, whatever its format.

Ids such as 1, 2, 3 begin anew in every file of some harnesses: two files mean the same problem by a name unless both show what it
asks, and that differs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from glob import glob
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from dstheory.errors import FileFormatError, RecordError, UnknownReadingError
from dstheory.readers.answers import Checker, Game, load_checker
from dstheory.readers.attempt_rows import batch_of, read_attempts, table_of_rows
from dstheory.readers.batches import RecordBatch, batches
from dstheory.readers.documents import Documents, open_documents
from dstheory.readers.final_answers import compare_final
from dstheory.readers.formats import formats
from dstheory.readers.gold import Joined, what_is_checked
from dstheory.readers.grading import GRADER
from dstheory.readers.layouts import MATHEMATICS, Layout, Request, find_layout
from dstheory.readers.paths import Place, keys_of
from dstheory.readers.reading import Progress, Reading
from dstheory.readers.records import NOBODY, Fault, FieldNames, Records, label_text
from dstheory.readers.rollouts import problem_name, rollout_batches
from dstheory.readers.transcripts import MARKERS, NoAnswer, Segmenter, TextReader, segmenter, text_batches
from dstheory.readers.turns import FIXED_NOTE, decided

CHECKERS = ("countdown", "24", "final-answer")
_LOGS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".eval")
_PACKED = (".gz", ".zst", ".bz2")


class TextSettings(NamedTuple):
    """How texts become attempts, as the user says it.

    Attributes:
        checker: by name, as ``FILE.py:NAME``, or a function.
        segment: way of finding attempts, by name or made already.
        pattern, markers: its settings.
        no_answer: what a text without an answer is, as of :class:`~dstheory.readers.transcripts.TextReader`.
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
                f"{file}: a {kind} does not say which answers are correct: choose a checker, {known} or FILE.py:FUNCTION"
            )
        game = check if isinstance(check, Game) else None
        finder = self._finder(self.segment, game) or (self._finder(segment, game) if segment else None)
        if kind == "conversation":
            return TextReader("conversation", check, finder, names, self.no_answer)
        finder = finder or segmenter("tags" if game is None else "expressions", game=game)
        return TextReader("transcript", check, finder, names, self.no_answer)


class Opened(NamedTuple):
    """A file, and how it is read.

    Attributes:
        file: how messages call it.
        documents: its records.
        layout: where their parts stand.
        path: where it is, if it is not where it is called.
        gold: how records find their right answers, where these stand in another file.
        question: the key under which records show what they ask, where the problem's name may not be enough.
    """

    file: str
    documents: Documents
    layout: Layout
    path: Path | None = None
    gold: Joined | None = None
    question: str = ""

    @classmethod
    def of(
        cls, file: str, request: Request, reading: Reading, progress: Progress | None = None, path: Path | None = None
    ) -> Opened:
        """Look into a file, and find how it is to be read.

        Raises:
            FileFormatError: it cannot be read.
            RecordError: it is not clear how.
        """
        path = path or Path(file)
        documents = open_documents(path, file, reading, progress)
        for place in dict.fromkeys(one.documents for one in formats() if one.documents):
            documents = documents.within(place)
        if request.gold is None:
            return cls.found(file, request, documents, path)
        gold = request.gold.join(documents.head, file)
        head = [found for record in documents.head if not isinstance(found := gold.with_answer(record), Fault)]
        layout = find_layout(head, _checked(request, head, file, gold.key.text), file)
        question = "" if "problem" in request.fields else question_key(documents.head, layout.names)
        layout = replace(layout, checker=request.checker or MATHEMATICS, gold=gold.sentence)
        return cls(file, documents, layout, path, gold, question)

    @classmethod
    def found(cls, file: str, request: Request, documents: Documents, path: Path | None = None) -> Opened:
        """Find how documents are to be read that say themselves what is right.

        Raises:
            RecordError: it is not clear how.
        """
        layout = find_layout(documents.head, request, file, table=documents.table)
        question = "" if "problem" in request.fields else question_key(documents.head, layout.names)
        return cls(file, documents, layout, path, question=question)

    @property
    def how(self) -> str:
        """As what it was recognised."""
        format = self.layout.format
        return f"{self.layout.reader} of no named format" if format is None else format.title

    def tell(self, request: Request, reading: Reading) -> None:
        """Tell the account how the file is read."""
        format = self.layout.format
        if self.layout.told:
            sentence = self.layout.sentence
            reading.read_as[sentence] = reading.read_as.get(sentence, 0) + 1
        if format is not None and format.note:
            reading.note(format.note, self.file)
        if self.layout.decided_by == NOBODY and not request.decided_by:
            reading.note(FIXED_NOTE, self.file)

    def batches(self, reading: Reading, texts: TextSettings) -> Iterator[RecordBatch]:
        """Yield the usable records in columns.

        Args:
            reading: counts the others.
            texts: how texts become attempts.

        Raises:
            RecordError: in strict mode, the first unusable record; or the settings do not fit the file.
        """
        ended = GRADER.ended
        yield from decided(self._batches(reading, texts), self.layout.decided_by)
        if GRADER.ended > ended:
            reading.note(
                f"{GRADER.ended - ended} comparisons of an answer with the right one took too much time or memory: these "
                "count as wrong",
                self.file,
            )

    def _batches(self, reading: Reading, texts: TextSettings) -> Iterator[RecordBatch]:
        file, layout, unit = self.file, self.layout, self.documents.unit
        who = layout.decided_by
        names, checker = layout.names, layout.grader
        if layout.reader == "table" and self.documents.table and layout.as_it_is:
            table = read_attempts(self.path or Path(file), names)
            yield from filter(None, [batch_of(table, file, names, reading, decided_by=who)])
            return
        check = texts.check(names, checker) if layout.turns is not None and checker else None
        also = [str(self.gold.key.steps[0])] if self.gold is not None else []
        ask = self.question if reading.questions is not None else ""
        parts = self.documents.parts([*layout.columns, *also, *([ask] if ask else [])])
        if reading.questions is not None and ask:
            parts = noting_questions(parts, names, ask, reading.questions.setdefault(file, {}))
        parts = layout.fitted(parts if self.gold is None else self.gold.parts(parts, reading), file, check)
        if layout.reader == "table":
            table = table_of_rows(parts, names, unit, file, reading)
            yield from filter(None, [batch_of(table, file, names, reading, decided_by=who)])
        elif layout.reader == "rollouts":
            check = texts.check(names, checker) if checker else None
            omit = texts.no_answer == "omit"
            yield from rollout_batches(parts, file, layout, reading, checker=check, omit=omit, unit=unit)
        elif layout.reader == "records":
            yield from batches(parts, file, names, reading, unit=unit)
            if layout.turns is not None:
                layout.turns.note(reading, file)
        else:
            segment = layout.format.segment if layout.format is not None else "markers" if layout.gold else ""
            reader = texts.reader(layout.reader, names, file, checker=checker, segment=segment)
            yield from text_batches(parts, file, reader, reading, unit=unit)


def _checked(request: Request, head: Sequence[Any], file: str, key: str) -> Request:
    """Return the request for a log of which only the answers are read, since another file says which are right."""
    fields = {"problem": key, **{part: at for part, at in request.fields.items() if part != "gold"}}
    reader, part = request.reader, {"transcript": "transcript", "conversation": "messages"}.get(request.reader, "answer")
    if reader == "auto":
        reader, part = next(
            ((kind, part) for kind, part in (("transcript", "transcript"), ("conversation", "messages"), ("rollouts", "answer"))
             if part in fields), ("", ""))  # fmt: skip
    if not reader or part not in fields:
        found, key = what_is_checked(head)
        if not found:
            raise RecordError(
                f"{file}: the right answers are given, but no text or answer is found that they would be compared with: name it, "
                f"--field transcript=KEY or --field answer=KEY; its records have {keys_of(head[0]) if head else 'no keys'}"
            )
        if not reader or reader == found:
            reader = found
            fields[{"transcript": "transcript", "conversation": "messages"}.get(found, "answer")] = key
    return replace(request, reader=reader, fields=fields)


def opened_log(
    path: Path, file: str, named: bool, request: Request, reading: Reading, progress: Progress | None = None
) -> Opened:
    """Look into a file and find how it is to be read, which the account is told.

    Args:
        path: where it is.
        file: how messages call it.
        named: whether the user named it; else it came from a directory or a pattern.
        request: what the user says about it.
        reading: the account.
        progress: called after each block of lines.

    Raises:
        FileFormatError: it cannot be read.
        RecordError: it is not clear how.
    """
    try:
        opened = Opened.of(file, request, reading, progress, path)
    except RecordError as error:
        if named:
            raise
        raise RecordError(f"{error} (found in a directory or by a pattern: name the logs, or a narrower pattern)") from error
    opened.tell(request, reading)
    return opened


class Alike:
    """Refuses files of one directory or pattern that are of several formats."""

    def __init__(self) -> None:
        self._first: tuple[str, str] | None = None

    def check(self, file: str, how: str) -> None:
        """Compare a file with those before it.

        Raises:
            RecordError: it was recognised as something else.
        """
        self._first = self._first or (file, how)
        if how != self._first[1]:
            raise RecordError(
                f"{self._first[0]} was recognised as {self._first[1]}, and {file} as {how}: name the files that belong together, "
                "or the format of all, --format NAME"
            )


def expand(paths: Sequence[str | os.PathLike[str]]) -> list[str]:
    """Return the files that are meant: those in directories and of patterns too, in the order of their names.

    Args:
        paths: files, directories, and patterns such as ``logs/*.jsonl``.

    Raises:
        RecordError: there are none, or one is given twice.
        FileFormatError: a directory or pattern holds no log.
    """
    if not paths:
        raise RecordError("no log was given: name at least one file")
    files: list[str] = []
    for path in [os.fspath(path) for path in paths]:
        if os.path.isdir(path):
            found = sorted(str(file) for file in Path(path).rglob("*") if _may_be_log(file))
            if not found:
                raise FileFormatError(f"{path} is a directory in which no file ends in {', '.join(_LOGS)}: name the logs")
        elif glob_like(path):
            found = sorted(glob(path, recursive=True))
            if not found:
                raise FileFormatError(f"{path} matches no file: check the pattern")
        else:
            found = [path]
        files += found
    seen: set[str] = set()
    for file in files:
        real = os.path.realpath(file)
        if real in seen:
            raise RecordError(f"{file} is given twice: every record would count twice")
        seen.add(real)
    return files


def glob_like(path: str) -> bool:
    """Return whether a path is a pattern, and no file that is called so."""
    return any(sign in path for sign in "*?[") and not os.path.exists(path)


def _may_be_log(file: Path) -> bool:
    name = file.name.lower()
    for packing in _PACKED:
        name = name.removesuffix(packing)
    return name.endswith(_LOGS) and not name.startswith(".") and file.is_file()


# Where a record may show what it asks, or at least that it asks something else.
_KEYS = ("question", "input", "prompt", "problem_statement", "query", "instruction", "messages", "problem", "doc", "numbers",
         "target", "gold", "gt", "ground_truth", "task", "data_source")  # fmt: skip


def question_key(head: Sequence[Any], names: FieldNames) -> str:
    """Return the key under which records show what they ask; "" where there is none, or where it names the problem.

    Example:
        >>> question_key([{"id": 1, "input": "2 + 2?"}], FieldNames()), question_key([{"problem": "a"}], FieldNames())
        ('input', '')
    """
    objects = [record for record in head if isinstance(record, dict)]
    found = next((key for key in _KEYS if any(record.get(key) not in (None, "") for record in objects)), "")
    return "" if found in (names.problem, names.id) else found


def noting_questions(parts: Iterable[Records], names: FieldNames, key: str, questions: dict[str, str]) -> Iterator[Records]:
    """Yield records as they are, and write down what the first of each name asks.

    Args:
        parts: the records.
        names: which key holds what.
        key: under which they show what they ask.
        questions: name of the problem -> what it asks, in short.
    """
    problem, name_of = Place.of(names.problem), Place.of(names.id)
    for numbers, rows in parts:
        for row in rows:
            if isinstance(row, dict):
                value = problem.get(row)
                name = _name(name_of.get(row) if value is None else value)
                if name is not None and name not in questions and row.get(key) not in (None, ""):
                    questions[name] = _digest(row[key])
        yield numbers, rows


def _name(value: Any) -> str | None:
    try:
        return problem_name(value) if isinstance(value, (str, list, dict)) else None if value is None else label_text(value)
    except ValueError:
        return None


def _digest(value: Any) -> str:
    """Return a short text that differs where questions do; of a conversation it is the last word of the user that counts."""
    if isinstance(value, list):
        said = [one.get("content") for one in value if isinstance(one, dict) and one.get("role") == "user"]
        value = said[-1] if said else value
    text = " ".join(value.split()) if isinstance(value, str) else json.dumps(value, separators=(",", ":"), default=str)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
