"""Reading a log of rollouts, whatever form it has: one call for files, one for data frames, one for records in memory."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dstheory.anatomy.records.fields import FieldNames
from dstheory.anatomy.records.gather import Gatherer, collect
from dstheory.anatomy.records.jsonl import Progress, json_lines, read_jsonl, strict_value
from dstheory.anatomy.records.reading import Log, Reading
from dstheory.anatomy.records.rules import Fault, parse_record
from dstheory.anatomy.records.streams import starts_with
from dstheory.anatomy.records.tables import read_frame, read_table_file
from dstheory.anatomy.transcripts.checkers import Checker, Game, compare_final, load_checker
from dstheory.anatomy.transcripts.segment import MARKERS, Segmenter, segmenter
from dstheory.anatomy.transcripts.texts import TextReader, read_texts
from dstheory.checks import whole_number
from dstheory.errors import FileFormatError, RecordError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CHECKERS", "READERS", "from_frame", "from_records", "read_log", "record_schema"]

READERS = ("auto", "records", "table", "conversation", "transcript")
CHECKERS = ("countdown", "24", "final-answer")
_TABLES = (".csv", ".tsv", ".parquet")
_PACKED = (".gz", ".zst", ".bz2")


def record_schema() -> dict[str, Any]:
    """Return the JSON Schema of a record: what validates, and keeps the three rules that its description names, is read.

    >>> record_schema()["required"]
    ['id', 'attempts']
    """
    loaded: dict[str, Any] = json.loads(Path(__file__).with_name("schema.json").read_text(encoding="utf-8"))
    return loaded


def read_log(
    *paths: str | os.PathLike[str],
    reader: str = "auto",
    fields: Mapping[str, str] | None = None,
    labels: Sequence[str] = (),
    cap: int | None = None,
    strict: bool = False,
    checker: str | Checker | None = None,
    segment: str | Segmenter | None = None,
    pattern: str | None = None,
    markers: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Log:
    """Read rollout logs.

    Args: paths: files of JSON lines, CSV, TSV or Parquet, plain or packed (gzip, zstd, bzip2); read one after the other. reader:
    ``"records"`` (marked attempts), ``"table"`` (one row per attempt), ``"conversation"``, ``"transcript"``, or ``"auto"``: what
    the file's name and its first record show. fields: what -> key in the log, where they differ (``{"cap": "max_attempts",
    "problem": "numbers"}``). labels: further keys to keep as categorical fields. cap: the largest number of attempts, for records
    that do not say theirs. strict: stop at the first unusable record; otherwise they are left out, counted and listed. checker:
    for texts: ``"countdown"`` or ``"24"`` (games, exactly; each number once), ``"final-answer"`` (against the record's ``gold``),
    ``"FILE.py:NAME"``, or a function ``(answer, record) -> bool | None``. segment: for texts: ``"expressions"``, ``"tags"``,
    ``"markers"``, ``"pattern"``, or a :class:`Segmenter`; default expressions for games and tags otherwise; for conversations,
    every message of the assistant is one attempt. pattern, markers: of those segmentations. progress: called with (records so
    far, bytes of the current file so far).

    Returns:
        the episodes, and an account of what was read.

    Raises:
        RecordError: strict, and a record is unusable; no record is usable; or the settings do not fit together.
        FileFormatError: a file cannot be read.

    Source: derived here.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "log.jsonl")
    ...     _ = file.write_text('{"id": 1, "attempts": [{"correct": true, "decision": "stop"}]}\\n{"id": 2}\\n')
    ...     log = read_log(file)
    >>> log.episodes, log.reading.faults
    (Episodes(1 episodes, 1 attempts, 1 problems, 0 capped), {'no-attempts': 1})
    """
    if not paths:
        raise RecordError("no log was given: name at least one file")
    names = FieldNames.renamed(fields or {}, tuple(labels))
    settings = _Settings(names, checker, segment, pattern, markers)
    if reader not in READERS:
        raise RecordError(f"there is no reader {reader!r}: there are {', '.join(READERS)}")
    shown = [os.fspath(path) for path in paths]
    real = [os.path.realpath(path) for path in paths]
    for i, path in enumerate(real):
        if path in real[:i]:
            raise RecordError(f"{shown[i]} is given twice: every record would count twice")
    gatherer = Gatherer(names, Reading(list(shown), strict), cap=_cap(cap))
    for file in shown:
        kind = _kind(Path(file), names) if reader == "auto" else reader
        if kind == "records":
            read_jsonl(Path(file), file, names, gatherer, progress)
        elif kind == "table":
            read_table_file(Path(file), file, names, gatherer)
        else:
            records = json_lines(Path(file), file, gatherer.reading, progress)
            read_texts(records, file, settings.text_reader(kind), gatherer)
    return gatherer.log()


def from_frame(
    frame: pd.DataFrame,
    *,
    fields: Mapping[str, str] | None = None,
    labels: Sequence[str] = (),
    cap: int | None = None,
    strict: bool = False,
    name: str = "data frame",
) -> Log:
    """Read a data frame with one row per attempt; its columns are those of :mod:`dstheory.anatomy.records.tables`.

    Args:
        frame: the rows.
        fields, labels, cap, strict: as of :func:`read_log`.
        name: how messages call it, and its label in the field ``log``.

    Raises:
        RecordError: a column is missing, no record is usable, or (strict) one is not.

    >>> import pandas as pd
    >>> rows = {"id": ["a", "a", "b"], "correct": [False, True, True], "decision": ["resample", "stop", "stop"]}
    >>> from_frame(pd.DataFrame(rows)).episodes
    Episodes(2 episodes, 3 attempts, 2 problems, 0 capped)
    """
    names = FieldNames.renamed(fields or {}, tuple(labels))
    gatherer = Gatherer(names, Reading([name], strict), cap=_cap(cap))
    read_frame(frame, name, names, gatherer)
    return gatherer.log()


def from_records(
    records: Iterable[Mapping[str, Any]],
    *,
    reader: str = "records",
    fields: Mapping[str, str] | None = None,
    labels: Sequence[str] = (),
    cap: int | None = None,
    strict: bool = False,
    checker: str | Checker | None = None,
    segment: str | Segmenter | None = None,
    pattern: str | None = None,
    markers: Sequence[str] | None = None,
    name: str = "records",
) -> Log:
    """Read records that are in memory already: with marked attempts, conversations or transcripts.

    Args:
        records: dictionaries as they would stand in a file of JSON lines.
        reader: ``"records"``, ``"conversation"`` or ``"transcript"``.
        fields, labels, cap, strict, checker, segment, pattern, markers: as of :func:`read_log`.
        name: how messages call them, and their label in the field ``log``.

    Raises:
        RecordError: no record is usable, or (strict) one is not.

    >>> chat = [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}]
    >>> from_records([{"id": 1, "messages": chat, "gold": 4}], reader="conversation", checker="final-answer").episodes
    Episodes(1 episodes, 1 attempts, 1 problems, 0 capped)
    """
    names = FieldNames.renamed(fields or {}, tuple(labels))
    gatherer = Gatherer(names, Reading([name], strict), cap=_cap(cap))
    if reader in ("conversation", "transcript"):
        settings = _Settings(names, checker, segment, pattern, markers)
        read_texts(enumerate(records), name, settings.text_reader(reader), gatherer, kind="record")
        return gatherer.log()
    if reader != "records":
        raise RecordError(f"records in memory have no reader {reader!r}: there are records, conversation, transcript")
    collect(enumerate(records), lambda record: parse_record(record, names), name, gatherer, kind="record")
    return gatherer.log()


# ---------------------------------------------------------------------- what the settings mean


class _Settings:
    """The settings of reading texts, turned into a checker and a segmentation when a file needs them."""

    def __init__(
        self,
        names: FieldNames,
        checker: str | Checker | None,
        segment: str | Segmenter | None,
        pattern: str | None,
        markers: Sequence[str] | None,
    ) -> None:
        self.names = names
        self.checker = _checker(checker, names)
        self.game = self.checker if isinstance(self.checker, Game) else None
        words = MARKERS if markers is None else markers
        if pattern is not None and segment is None:
            segment = "pattern"
        if markers is not None and segment is None:
            segment = "markers"
        self.segment = segmenter(segment, pattern=pattern, game=self.game, markers=words) if isinstance(segment, str) else segment

    def text_reader(self, kind: str) -> TextReader:
        """Return the reader of conversations or transcripts.

        Raises:
            RecordError: nothing says which answers are correct.
        """
        if self.checker is None:
            known = ", ".join(CHECKERS)
            raise RecordError(f"a {kind} does not say which answers are correct: choose a checker, {known} or FILE.py:FUNCTION")
        segment = self.segment
        if segment is None and kind == "transcript":
            segment = segmenter("tags" if self.game is None else "expressions", game=self.game)
        return TextReader("conversation" if kind == "conversation" else "transcript", self.checker, segment, self.names)


def _checker(checker: str | Checker | None, names: FieldNames) -> Checker | None:
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
    raise RecordError(f"there is no checker {checker!r}: there are {', '.join(CHECKERS)}, or FILE.py:FUNCTION")


def _cap(cap: int | None) -> int | None:
    return None if cap is None else whole_number(cap, "cap", low=1, otherwise=", or None for none")


def _kind(path: Path, names: FieldNames) -> str:
    """Return the reader that a file needs."""
    head = starts_with(path)
    name = path.name.lower()
    for packing in _PACKED:
        name = name.removesuffix(packing)
    if head[:4] == b"PAR1" or name.endswith(_TABLES):
        return "table"
    if not head.strip():
        raise FileFormatError(f"{path} is empty: needs at least one record")
    for line in head.split(b"\n")[:20]:
        try:
            record = strict_value(line)
        except Fault:
            continue
        if isinstance(record, dict):
            found = {"records": names.attempts, "conversation": names.messages, "transcript": names.transcript}
            for kind, key in found.items():
                if key in record:
                    return kind
    return "records"
