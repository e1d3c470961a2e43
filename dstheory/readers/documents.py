"""The records of a file, whatever holds them; here those of zip files."""

from __future__ import annotations

import operator
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dstheory.errors import FileFormatError
from dstheory.readers.json_values import NotJSON, decode, sentence
from dstheory.readers.paths import Place
from dstheory.readers.records import Records, text_or_none
from dstheory.readers.streams import (
    LARGEST_BROKEN,
    MOST_PACKED,
    PACKED_WELL,
    RAISE,
    limit,
    size_text,
)

HEAD = 20  # records by which a file is recognised
_MEMBERS = ("samples/", "")  # folders of a zip file in which records are looked for


@dataclass(frozen=True)
class Documents:
    """The records of a file.

    Attributes:
        head: the first few; of a table with texts for cells.
        parts: yields all of them; of a table only the columns asked for, with the cells of those that name something as they are
            written: 007 is another name than 7.
        unit: what their numbers count.
        table: whether it is a table.
    """

    head: Sequence[Any]
    parts: Callable[[Sequence[str], Collection[str]], Iterator[Records]]
    unit: str = "line"
    table: bool = False

    def within(self, place: str) -> Documents:
        """Return the records that stand in a list or an object of each document; a document without one is a record itself.

        Args:
            place: a list, ``samples[]``, or an object of records by their names, ``eval{}``; ``{}`` is the document itself.
        """
        key, kind = place[:-2], list if place.endswith("[]") else dict
        at = Place.of(key).get if key else lambda document: document

        def inner(documents: Sequence[Any]) -> list[Any]:
            found = [(at(document) if isinstance(document, dict) else None, document) for document in documents]
            return [record for one, document in found for record in (_entries(one) if isinstance(one, kind) else [document])]

        def parts(columns: Sequence[str], names: Collection[str]) -> Iterator[Records]:
            yield from numbered(inner(documents) for _, documents in self.parts(columns, names))

        head = inner(self.head)[:HEAD]
        same = len(head) == len(self.head) and all(map(operator.is_, head, self.head))
        return self if same else Documents(head, parts, "record")


def _entries(value: Any) -> list[Any]:
    """Return the records of a list, or of an object that holds each, or a list of them, under its name.

    The name is the id of those without one; of all if an id stands under two names, so that it numbers samples.

    >>> _entries({"a": {"ok": 1}, "b": [{"ok": 0, "id": 7}, {"ok": 1}]})
    [{'id': 'a', 'ok': 1}, {'id': 7, 'ok': 0}, {'id': 'b', 'ok': 1}]
    >>> _entries({"a": [{"ok": 1, "id": 1}], "b": [{"ok": 0, "id": 1}]})
    [{'id': 'a', 'ok': 1}, {'id': 'b', 'ok': 0}]
    """
    if isinstance(value, list):
        return value
    lists = [(name, held if isinstance(held, list) else [held]) for name, held in value.items()]
    ids = [{text_or_none(one["id"]) for one in held if isinstance(one, dict) and "id" in one} for _, held in lists]
    named = sum(map(len, ids)) > len(set().union(*ids))
    return [
        {"id": name, **one} | ({"id": name} if named else {}) if isinstance(one, dict) else one
        for name, held in lists for one in held
    ]  # fmt: skip


def numbered(pieces: Iterable[list[Any]]) -> Iterator[Records]:
    """Yield records with their numbers, counted from 0."""
    start = 0
    for records in pieces:
        yield range(start, start + len(records)), records
        start += len(records)


# ---------------------------------------------------------------------- zip files


def zipped(path: Path) -> Documents:
    """Look into a zip file, whose members are records.

    Raises:
        FileFormatError: it cannot be unpacked, or is not a log.
    """
    try:
        with zipfile.ZipFile(path) as archive:  # of members of one name the last is the one that holds
            members = [info for info in archive.NameToInfo.values() if info.filename.endswith(".json")]
            size, most = sum(info.file_size for info in members), limit(MOST_PACKED) * path.stat().st_size
            if size > max(limit(PACKED_WELL), most):
                raise FileFormatError(f"{path} is {size_text(size)} unpacked: no log compresses so well; unpack it, {RAISE}")
            folder = next(f for f in _MEMBERS if not f or any(info.filename.startswith(f) for info in members))
            members = sorted((i for i in members if i.filename.startswith(folder)), key=lambda i: (len(i.filename), i.filename))
            large = next((info for info in members if info.file_size > limit(LARGEST_BROKEN)), None)
            if not members or large is not None:
                why = f"its member {large.filename} is too large" if large is not None else "there is no JSON file in it"
                raise FileFormatError(f"{path} is a zip file that is not a log ({why}): unpack it, and give what is in it")
            head = [_member(archive, info, path) for info in members[:HEAD]]
    except (zipfile.BadZipFile, NotImplementedError, OSError) as error:
        raise _not_unpacked(path, error) from error

    def parts(columns: Sequence[str], names: Collection[str]) -> Iterator[Records]:
        try:
            archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:  # it was changed since
            raise _not_unpacked(path, error) from error
        with archive:
            some = (members[start : start + 100] for start in range(0, len(members), 100))
            yield from numbered([_member(archive, info, path) for info in infos] for infos in some)

    return Documents(head, parts, "record")


def _not_unpacked(path: Path, error: Exception) -> FileFormatError:
    return FileFormatError(f"{path} cannot be unpacked ({error}): write or copy it again")


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> Any:
    try:
        return decode(archive.read(info))
    except NotJSON as error:
        raise FileFormatError(sentence(error, f"{path}: {info.filename}")) from error
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        raise FileFormatError(f"{path}: {info.filename} cannot be unpacked ({error}): write or copy it again") from error
