"""Chains in JSON, TOML, CSV, Parquet and JSON lines; results that are complete or absent."""

from __future__ import annotations

from dstheory.readers.atomic import atomic_path, refuse_overwrite, results_directory
from dstheory.readers.chains import ChainFile, read_chain, write_chain
from dstheory.readers.results import SavedRun, json_text, read_run, to_jsonable, write_manifest, write_run

__all__ = [
    "ChainFile",
    "SavedRun",
    "atomic_path",
    "json_text",
    "read_chain",
    "read_run",
    "refuse_overwrite",
    "results_directory",
    "to_jsonable",
    "write_chain",
    "write_manifest",
    "write_run",
]
