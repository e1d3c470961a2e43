"""Formats of logs: one small TOML file each, here, in a package that declares the entry point, or wherever a user keeps it.

A format says by which keys a record of it is recognised, what kind of record it is, and where its parts stand
(:mod:`dstheory.readers.paths`). ``docs/log_formats.md`` describes the file. Recognising one is looking at keys alone: what is
there decides, not what a file is called.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any

from dstheory.errors import FileFormatError, RecordError, UnknownReadingError
from dstheory.readers.json_values import NotTOML, decode_toml
from dstheory.readers.paths import Place, candidates
from dstheory.readers.records import DECIDERS, DECISIONS, NOBODY, Verdicts, word_of
from dstheory.readers.streams import read_whole
from dstheory.texts import nearest

ENTRY_POINT = "dstheory.log_formats"
READERS = ("rollouts", "records", "table", "conversation", "transcript")
_TEXTS = ("name", "title", "reader", "documents", "checker", "segment", "note", "decided_by", "final")
_LISTS = ("keys", "without", "ignore", "one_value", "turns")
_TABLES = ("fields", "correct", "decision")
_SOME = re.compile(r"\[\]|\*")  # of keys that one record may have, and the others not


@dataclass(frozen=True)
class Format:
    """A format of logs.

    Attributes:
        name: for ``--format``.
        title: for people.
        reader: what a record is: ``"rollouts"`` (one attempt, or lists of attempts that are rollouts of one problem),
            ``"records"`` (an episode with a list of attempts), ``"table"`` (one attempt of an episode), ``"conversation"``,
            ``"transcript"``.
        keys: places that records have, ``one|other`` for one of several; they are what the format is recognised by. Most records
            have them; a pattern, or a place in every entry of a list such as ``turns[].signal``, some record.
        without: places that no record has.
        fields: part of a record -> where it may stand; the first place that is there is taken.
        ignore: patterns of keys that never say what is correct.
        documents: where the records stand in a document, such as ``samples[]``; "" if the document is the record.
        one_value: fields of which a file holds one value only, or else the user chooses.
        verdicts: what the values of ``correct`` mean.
        decisions: what decisions are called.
        checker, segment: for texts, as of ``--checker`` and ``--segment``.
        decided_by: who decided whether to go on, where it is known not to be the model.
        turns: places of answers given in turn, or of what says whether they are right; a record is then their list.
        final: what says whether the last one is right, where a checker says it of the others.
        note: what a reader of the results must know.
    """

    name: str
    title: str
    reader: str = "rollouts"
    keys: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    documents: str = ""
    one_value: tuple[str, ...] = ()
    verdicts: Verdicts = field(default_factory=Verdicts)
    decisions: Mapping[str, str] = field(default_factory=dict)
    checker: str = ""
    segment: str = ""
    note: str = ""
    decided_by: str = ""
    turns: tuple[str, ...] = ()
    final: str = ""

    @classmethod
    def parse(cls, text: str, source: str) -> Format:
        """Return the format that a TOML text describes.

        Args:
            text: the file's content.
            source: how messages call it.

        Raises:
            FileFormatError: it is not TOML, or says what no format says.
        """
        try:
            table = decode_toml(text)
        except NotTOML as error:
            raise FileFormatError(f"{source} is not TOML ({error}): correct it") from error
        known = (*_TEXTS, *_LISTS, *_TABLES)
        kinds: dict[str, Any] = {**dict.fromkeys(_TEXTS, str), **dict.fromkeys(_LISTS, list), **dict.fromkeys(_TABLES, dict)}
        for key, value in table.items():
            if key not in known:
                raise FileFormatError(f"{source}: a format has no {key!r}: {nearest(key, known)}")
            if not isinstance(value, kinds[key]) or (key in _LISTS and not all(isinstance(one, str) for one in value)):
                rule = {str: "a text", list: "a list of texts", dict: "a table"}[kinds[key]]
                raise FileFormatError(f"{source}: {key} is {value!r}: must be {rule}")
        for key in ("name", "title", "keys"):
            if not table.get(key):
                raise FileFormatError(f"{source}: {key} is missing: a format needs name, title and the keys it is known by")
        made = {key: table[key] for key in _TEXTS if key in table} | {key: tuple(table[key]) for key in _LISTS if key in table}
        made["fields"] = {part: tuple(at) if isinstance(at, list) else (at,) for part, at in table.get("fields", {}).items()}
        if not all(isinstance(at, str) for places in made["fields"].values() for at in places):
            raise FileFormatError(f"{source}: [fields] must give a place, or a list of places, for every part")
        correct, decision = table.get("correct", {}), table.get("decision", {})
        if table.get("reader", "rollouts") not in READERS:
            raise FileFormatError(f"{source}: reader is {table['reader']!r}: must be one of {', '.join(READERS)}")
        if table.get("decided_by", NOBODY) not in DECIDERS:
            raise FileFormatError(f"{source}: decided_by is {table['decided_by']!r}: must be one of {', '.join(DECIDERS)}")
        if not all(isinstance(value, bool) for value in correct.values()):
            raise FileFormatError(f"{source}: [correct] must say true or false for every word")
        if not set(decision.values()) <= set(DECISIONS):
            raise FileFormatError(f"{source}: [decision] must say {', '.join(DECISIONS)} for every word")
        try:
            each = (one for key in made["keys"] for one in key.split("|"))
            for place in (*each, *made.get("turns", ()), *(made[key] for key in ("documents", "final") if made.get(key))):
                Place.of(place)
        except RecordError as error:
            raise FileFormatError(f"{source}: {error}") from error
        words, decisions = ({word_of(word) or word: meaning for word, meaning in one.items()} for one in (correct, decision))
        return cls(**made, verdicts=Verdicts(words), decisions=decisions)

    def matches(self, record: Any) -> bool:
        """Return whether a record is of this format, as far as it alone can show it."""
        there = all(_holds(key, record) for key in self.keys if not _SOME.search(key))
        return there and not any(_holds(key, record) for key in self.without)

    def fits(self, records: Sequence[Any]) -> bool:
        """Return whether records are of this format: most of them, while none has what none of the format has."""
        if 2 * sum(map(self.matches, records)) <= len(records):
            return False
        shown = all(any(_holds(key, record) for record in records) for key in self.keys)
        return shown and not any(_holds(key, record) for record in records for key in self.without)


def _holds(key: str, record: Any) -> bool:
    return any(candidates(one, record) for one in key.split("|"))


@cache
def formats() -> tuple[Format, ...]:
    """Return all formats, users' before the package's, of each of these the ones with more keys first.

    Raises:
        FileFormatError: a file that an installed package declares is no format.

    Example:
        >>> [format.name for format in formats() if format.name.startswith("lm")]
        ['lm-eval']
    """
    found: list[Format] = []
    for packages in ([point.module for point in entry_points(group=ENTRY_POINT)], [__name__]):
        here = [
            Format.parse(file.read_text(encoding="utf-8"), f"{package}: {file.name}")
            for package in packages
            for file in sorted(files(package).iterdir(), key=lambda file: file.name)
            if file.name.endswith(".toml")
        ]
        found += sorted(here, key=lambda format: (-len(format.keys), -len(format.without)))
    return tuple(found)


def named(name: str) -> Format:
    """Return the format of that name, or the one in that file.

    Raises:
        RecordError: there is none.
        FileFormatError: the file cannot be read, or is no format.
    """
    if name.endswith(".toml"):
        try:
            return Format.parse(read_whole(Path(name)).decode("utf-8"), name)
        except (OSError, UnicodeError) as error:
            raise FileFormatError(f"{name} cannot be read ({error}): give the TOML file of a format") from error
    for format in formats():
        if format.name == name:
            return format
    raise UnknownReadingError(f"there is no format {name!r}: {nearest(name, [format.name for format in formats()])}")


def recognise(records: Sequence[Any]) -> Format | None:
    """Return the first format that these records are of; None if there is none.

    Args:
        records: the first few of a file; those that are not objects are passed over.
    """
    objects = [record for record in records if isinstance(record, dict)]
    for format in formats():
        if format.fits(objects):
            return format
    return None
