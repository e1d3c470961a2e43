"""Imported by the process that workers are forked from: what each of them would do first."""

import z3  # noqa: F401

from dstheory.claims import cache, checking, sources, workers  # noqa: F401

_loaded = {file: sources.load_claims(file) for file in sources.bundled_files()}
_load = sources.load_claims


def lend() -> None:
    """In a worker that does not note which files it reads: the package's own are there."""
    sources.load_claims = lambda path: _loaded[path] if path in _loaded else _load(path)
