"""Anatomy of reflection: from logs of a real model to p, a, b, predictions, and whose gain it is."""

from __future__ import annotations

from dstheory.anatomy.counts import Counts
from dstheory.anatomy.episodes import NOT_GIVEN, Episodes, Labels
from dstheory.anatomy.logs import from_frame, from_records, read_log, record_schema
from dstheory.anatomy.records.reading import Log, Reading

__all__ = [
    "NOT_GIVEN",
    "Counts",
    "Episodes",
    "Labels",
    "Log",
    "Reading",
    "from_frame",
    "from_records",
    "read_log",
    "record_schema",
]
