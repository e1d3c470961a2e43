"""Files of logs: which are meant, the records that each holds, how these are read, and what they are in columns."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from glob import glob
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from dstheory.errors import FileFormatError, RecordError
from dstheory.readers.batches import RecordBatch, batches
from dstheory.readers.documents import HEAD, Documents, zipped
from dstheory.readers.formats import formats
from dstheory.readers.gold import GoldAnswers, Joined, what_is_checked
from dstheory.readers.grading import GRADER
from dstheory.readers.json_values import LineDecoder, NotJSON, decode, records, sentence
from dstheory.readers.layouts import MATHEMATICS, Layout, Request, find_layout, list_of_records
from dstheory.readers.paths import keys_of
from dstheory.readers.reading import Progress, Reading
from dstheory.readers.records import NOBODY, Fault, Records, noting_questions, noting_repeated, question_key, text_or_none
from dstheory.readers.rollouts import rollout_batches
from dstheory.readers.streams import (
    LARGEST_BROKEN,
    LARGEST_DOCUMENT,
    RAISE,
    Block,
    CutOff,
    check_name,
    first_bytes,
    last_line_ends,
    limit,
    line_blocks,
    open_unpacked,
    opened,
    size_text,
)
from dstheory.readers.transcripts import TextSettings, text_batches
from dstheory.readers.turns import FIXED_NOTE, decided, telling

TABLES = (".csv", ".tsv", ".parquet")
_LOGS = (".jsonl", ".ndjson", ".json", *TABLES, ".eval")
_PACKED = (".gz", ".zst", ".bz2")
_MARK = b"\xef\xbb\xbf"  # a byte order mark
_GROWS = ("messages", "prompt", "input")  # may hold what was said so far: of a conversation, or of a row's earlier turns
_COUNTERS = ("attempt", "attempt_number", "attempt_index", "iteration", "turn", "round", "retry")  # of what a model did in turn


# ---------------------------------------------------------------------- which files


def expand(paths: Sequence[str | os.PathLike[str]]) -> list[str]:
    """Return the files that are meant: those in directories and of patterns too, in the order of their names.

    Args:
        paths: files, directories, and patterns such as ``logs/*.jsonl``.

    Raises:
        RecordError: there are none, or one is given twice.
        FileFormatError: a directory or pattern holds no log, or a path cannot be one.
    """
    if not paths:
        raise RecordError("no log was given: name at least one file")
    files: list[str] = []
    for path in map(os.fsdecode, paths):
        check_name(path)
        if os.path.isdir(path):
            logs = (file for file in Path(path).rglob("[!.]*") if _unpacked(file.name).endswith(_LOGS))
            found = sorted(str(file) for file in logs if file.is_file())
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
            raise RecordError(f"{file} is given twice: every record would count twice; name it once")
        seen.add(real)
    return files


def glob_like(path: str) -> bool:
    """Return whether a path is a pattern, and no file that is called so."""
    return any(sign in path for sign in "*?[") and not os.path.exists(path)


def _unpacked(name: str) -> str:
    """Return the name of a file without what says how it is packed."""
    name = name.lower()
    for packing in _PACKED:
        name = name.removesuffix(packing)
    return name


# ---------------------------------------------------------------------- the records of a file


def open_documents(path: Path, file: str, reading: Reading, progress: Progress | None = None) -> Documents:
    """Look into a file.

    Args:
        path: the file, plain or packed.
        file: how messages call it.
        reading: told if the file is cut off.
        progress: called after each block of lines.

    Raises:
        FileFormatError: it cannot be read, or holds nothing.
    """
    if _is_zip(path):
        return zipped(path)
    head = first_bytes(path)
    if is_table(path, head):
        from dstheory.readers.tables import csv_rows, parquet_rows  # others do without Arrow

        return parquet_rows(path) if head[:4] == b"PAR1" else csv_rows(path)
    if not head.strip():
        raise FileFormatError(f"{path} is empty: needs at least one record")
    whole = _document(path, head)
    if whole is not None:
        values = whole if isinstance(whole, list) else [whole]
        return Documents(values[:HEAD], lambda columns, names: iter([(range(len(values)), values)]), "record")
    return Documents(_first_lines(path, head), lambda columns, names: json_lines(path, file, reading, progress))


def _documents(path: Path, file: str, reading: Reading, progress: Progress | None = None) -> Documents:
    """Look into a file, and into the lists in which a format has its records."""
    documents = open_documents(path, file, reading, progress)
    for place in dict.fromkeys(one.documents for one in formats() if one.documents):
        documents = documents.within(place)
    return documents


def is_table(path: Path, head: bytes) -> bool:
    """Return whether a file is a table, by its first bytes or its name."""
    return head[:4] == b"PAR1" or _unpacked(path.name).endswith(TABLES)


def json_lines(path: Path, file: str, reading: Reading, progress: Progress | None = None) -> Iterator[Records]:
    """Yield the line numbers and values of the lines that are not blank; of one that is not JSON, the Fault.

    Args:
        path: the file, plain or packed.
        file: how messages call it.
        reading: told if the file is cut off.
        progress: called after each block.

    Raises:
        FileFormatError: the file cannot be read.
    """
    decoder = LineDecoder()
    try:
        for block in line_blocks(path):
            yield part_of(block, decoder)
            if progress is not None:
                progress(reading.records, block.done)
    except CutOff as error:
        reading.fault(file, Fault("cut-off", "", f"{error}: write it again"))


def part_of(block: Block, decoder: LineDecoder) -> Records:
    """Return the line numbers and values of the lines that are not blank; of one that is not JSON, the Fault."""
    numbers, values = records(block, decoder)
    if NotJSON in set(map(type, values)):
        values = [_fault(value) if isinstance(value, NotJSON) else value for value in values]
    return numbers, values


def _fault(error: NotJSON) -> Fault:
    if error.reason == "utf8":
        return Fault("not-utf8", "", error.what)
    if error.reason == "syntax":
        return Fault("not-json", "", f"is not JSON ({error.what}, column {error.column}): write one object per line")
    return Fault("not-json", "", f"is not JSON: {error.what}")


def _first_lines(path: Path, head: bytes) -> list[Any]:
    """Return the values of the first lines that are JSON."""
    lines = head.removeprefix(_MARK).split(b"\n")
    whole = lines if len(head) < 65536 else lines[:-1]
    return list(islice(_values((whole or [_first_line(path)])[: 5 * HEAD]), HEAD))  # none: it is longer than what was looked at


def first_values(data: bytes) -> list[Any]:
    """Return the values of the first lines that are JSON."""
    return list(islice(_values(data.split(b"\n")), HEAD))


def _values(lines: Iterable[bytes]) -> Iterator[Any]:
    for line in lines:
        with suppress(NotJSON):
            yield decode(line)


def _first_line(path: Path) -> bytes:
    """Return the first line; nothing where it is longer than any may be, or does not end."""
    with suppress(FileFormatError, CutOff):
        return next(line_blocks(path)).data.split(b"\n", 1)[0]
    return b""


def _document(path: Path, head: bytes) -> Any:
    """Return the one value that a file holds, an array or an object over several lines; None if it has a value on each line."""
    start = head.removeprefix(_MARK).lstrip()
    if start[:1] not in (b"[", b"{"):
        return None
    array = start[:1] == b"["
    if not array:
        line = start.split(b"\n", 1)[0] if b"\n" in start else _first_line(path)
        with suppress(NotJSON):
            decode(line)
            return None
    largest = limit(LARGEST_DOCUMENT if array else LARGEST_BROKEN)
    stream, _ = open_unpacked(path, table=True)
    pieces, size = [], 0
    with stream:
        try:
            while (data := stream.read(1 << 20)) and size <= largest:
                pieces.append(data)
                size += len(data)
        except FileFormatError:
            if array:
                raise
            return None
        except (OSError, EOFError, ValueError):
            return None  # the reader of lines says where it is cut off
    if size > largest:
        if array:
            raise FileFormatError(
                f"{path} is one JSON array of more than {size_text(largest)}: write it as JSON lines, a record on each, {RAISE}"
            )
        return None
    data = b"".join(pieces)
    try:
        value = decode(data.removeprefix(_MARK))
    except NotJSON as error:
        if array and not any(isinstance(value, dict) for value in _values(data.split(b"\n", 50)[:50])):
            raise FileFormatError(sentence(error, str(path))) from error
        return None
    return value if isinstance(value, (dict, list)) else None


def _is_zip(path: Path) -> bool:
    try:
        with opened(path) as raw:
            return raw.read(4) == b"PK\x03\x04"
    except OSError:
        return False


# ---------------------------------------------------------------------- how they are read


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
        documents = _documents(path, file, reading, progress)
        within, request = list_of_records(documents.head, request)
        if within:
            documents = documents.within(within)
            found = cls.found(file, request, documents, path)
            return found._replace(layout=replace(found.layout, within=within))
        found = cls.found(file, request, documents, path)
        if found.layout.reader != "records" or found.layout.turns is not None:
            return found

        def everything() -> Iterator[Records]:
            yield (), documents.head
            yield from _documents(path, file, Reading([file])).parts(found.layout.columns, ())

        # What the first records do not show is looked for in all of them, since their order must not matter.
        more = telling(everything(), found.layout.names)
        return cls.found(file, request, replace(documents, head=[*documents.head, *more]), path)

    @classmethod
    def found(cls, file: str, request: Request, documents: Documents, path: Path | None = None) -> Opened:
        """Find how documents are to be read.

        Raises:
            RecordError: it is not clear how.
        """
        gold = None
        if request.gold is None:
            layout = find_layout(documents.head, request, file, table=documents.table)
        else:
            gold = request.gold.join(documents.head, file)
            head = [found for record in documents.head if not isinstance(found := gold.with_answer(record), Fault)]
            layout = find_layout(head, _checked(request, head, file, gold.key.text), file)
            layout = replace(layout, checker=request.checker or MATHEMATICS, gold=gold.sentence)
        question = "" if "problem" in request.fields else question_key(documents.head, layout.names)
        return cls(file, documents, layout, path, gold, question)

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
        if self.documents.table and self.documents.unit == "line" and not last_line_ends(self.path or Path(self.file)):
            reading.note("the last line has no line end: if the table was cut off there, its last cell is not whole", self.file)
        if self.layout.decided_by == NOBODY and not request.decided_by:
            reading.note(FIXED_NOTE, self.file)
        if self.layout.reader == "rollouts" and (counter := self._counter()):
            reading.note(
                f"{counter} may count what the model did in turn, and every row is read as a separate answer: if an answer "
                f"follows from the one before it, say --reader table --field id={self.layout.names.problem} "
                f"--field round={counter}",
                self.file,
            )

        cap, head = self.layout.names.cap, (record for record in self.documents.head if isinstance(record, dict))
        if self.layout.reader == "rollouts" and any(text_or_none(record.get(cap)) not in (None, "", "1") for record in head):
            reading.note(
                f"{cap} is not used, since every row is read as a separate answer: if rows of one id are attempts of one "
                "episode, say --reader table",
                self.file,
            )

    def _counter(self) -> str:
        """Return the key that counts rows, if there is one: 0 or 1 in the first records, and what comes after it."""
        for key in _COUNTERS:
            held = [record.get(key) for record in self.documents.head if isinstance(record, dict)]
            values = {value for value in held if isinstance(value, (int, float)) and not isinstance(value, bool)}
            if len(values) > 1 and min(values) in (0, 1):
                return key
        return ""

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

        def noted(note: str) -> None:
            reading.note(note, file)

        def differ(note: str) -> None:
            if self.question not in (_GROWS if layout.reader == "table" else _GROWS[:1]):
                reading.note(note, file)

        questions = None if reading.questions is None else reading.questions.setdefault(file, {})
        if layout.reader == "table":
            from dstheory.readers.attempt_rows import asked_in, batch_of, read_attempts, table_of_rows  # others do without Arrow
        if layout.reader == "table" and self.documents.table and layout.as_it_is:
            table = read_attempts(self.path or Path(file), names, self.question)
            if self.question and (questions is not None or names.problem in table.columns):
                asked = asked_in(table, names, self.question, alone=questions is None)
                deque(noting_questions([asked], names, self.question, questions, differ), 0)
            yield from filter(None, [batch_of(table, file, names, reading, decided_by=who)])
            return
        check = texts.check(names, checker) if layout.turns is not None and checker else None
        also = [str(self.gold.key.steps[0])] if self.gold is not None else []
        by_id = layout.reader not in ("rollouts", "table")  # which name problems by what is asked, or have a row per attempt
        ask = self.question
        naming = {*also, *layout.as_written} - {names.correct}
        parts = self.documents.parts([*layout.columns, *also, *([ask] if ask else [])], naming)
        parts = layout.alike(parts, file, unit) if layout.without else parts
        if by_id:
            parts = noting_repeated(parts, names, ask, noted)
        if ask:
            parts = noting_questions(parts, names, ask, questions, differ)
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


_CHECKED = {"transcript": "transcript", "conversation": "messages", "rollouts": "answer"}  # reader -> what is compared


def _checked(request: Request, head: Sequence[Any], file: str, key: str) -> Request:
    """Return the request for a log of which only the answers are read, since another file says which are right."""
    fields = {"problem": key, **{part: at for part, at in request.fields.items() if part != "gold"}}
    reader = request.reader
    if reader == "auto":
        reader = next((kind for kind, part in _CHECKED.items() if part in fields), "")
    if _CHECKED.get(reader, "answer") not in fields:
        found, key = what_is_checked(head)
        if not found:
            raise RecordError(
                f"{file}: the right answers are given, but no text or answer is found that they would be compared with: name it, "
                f"--field transcript=KEY or --field answer=KEY; its records have {keys_of(head[0]) if head else 'no keys'}"
            )
        if not reader or reader == found:
            reader = found
            fields[_CHECKED[found]] = key
    return replace(request, reader=reader, fields=fields)


def with_answers(request: Request, path: str | os.PathLike[str] | None) -> Request:
    """Return the request with right answers of another file.

    Args:
        request: what the user says about the log.
        path: JSON lines, JSON (a list, or one object of ids and answers), CSV, TSV or Parquet; None for no such file.

    Raises:
        FileFormatError: it cannot be read.
        RecordError: nothing in it is an answer.
    """
    if path is None:
        return request
    file = os.fspath(path)
    documents = open_documents(Path(file), file, Reading([file], strict=True))
    return replace(request, gold=GoldAnswers.of(documents, file, request.fields.get("gold", "")))


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
