"""Writing episodes as JSON lines, in the form that the readers read; packed if the name says so."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, cast

from dstheory.anatomy.episodes import NOT_GIVEN, Episodes
from dstheory.readers.atomic import atomic_path

__all__ = ["write_log"]

_AT_A_TIME = 10_000
_PACKING = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
# Every attempt is one of these four, or the last one of an episode that did not stop.
_STEP = {
    (correct, stopped): f'{{"correct": {str(correct).lower()}, "decision": "{"stop" if stopped else "resample"}"}}'
    for correct in (False, True)
    for stopped in (False, True)
}
_SUBMITTED = {correct: f'{{"correct": {str(correct).lower()}, "decision": "submit"}}' for correct in (False, True)}


def write_log(
    path: str | os.PathLike[str], episodes: Episodes, *, overwrite: bool = False, progress: Callable[[int], None] | None = None
) -> None:
    """Write episodes as JSON lines; :func:`~dstheory.anatomy.logs.read_log` gives the same episodes back.

    Records get the ids "0", "1", ...; an episode that ended without a stop ends with "submit".

    Args:
        path: the file; ``.gz``, ``.zst`` and ``.bz2`` are packed. It appears when all of it is written.
        episodes: what to write.
        overwrite: whether a file of that name may be replaced.
        progress: called with the number of records written so far.

    Raises:
        DSTheoryError: the file exists, or cannot be written.

    >>> import tempfile
    >>> from dstheory.anatomy import read_log
    >>> log = Episodes.record([("x", [(False, "resample"), (True, "stop")]), ("y", [(False, None)])], cap=3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "log.jsonl.gz")
    ...     write_log(file, log)
    ...     read_log(file).episodes
    Episodes(2 episodes, 3 attempts, 2 problems, 1 capped)
    """
    with atomic_path(path, overwrite=overwrite) as temporary, _opened(temporary, Path(path).suffix.lower()) as out:
        for start in range(0, len(episodes), _AT_A_TIME):
            lines = _lines(episodes, start, min(start + _AT_A_TIME, len(episodes)))
            out.write("".join(lines).encode("utf-8"))
            if progress is not None:
                progress(min(start + _AT_A_TIME, len(episodes)))


def _opened(path: Path, suffix: str) -> IO[bytes]:
    if suffix not in _PACKING:
        return path.open("wb")
    import pyarrow as pa

    return cast("IO[bytes]", pa.CompressedOutputStream(str(path), _PACKING[suffix]))


def _lines(episodes: Episodes, start: int, end: int) -> Iterator[str]:
    offsets = episodes.offsets[start : end + 1].tolist()
    base = offsets[0]
    correct = episodes.correct[base : offsets[-1]].tolist()
    stopped = episodes.stopped[base : offsets[-1]].tolist()
    steps = list(map(_STEP.__getitem__, zip(correct, stopped, strict=True)))
    problems, caps = episodes.problem[start:end].tolist(), episodes.cap[start:end].tolist()
    columns = [
        (json.dumps(name), [json.dumps(label) for label in column.names], column.codes[start:end].tolist(), column.names)
        for name, column in episodes.fields.items()
        if name != "log"
    ]
    quoted: dict[int, str] = {}
    for i in range(end - start):
        first, last = offsets[i] - base, offsets[i + 1] - base
        if not stopped[last - 1]:
            steps[last - 1] = _SUBMITTED[correct[last - 1]]
        problem = quoted.get(problems[i]) or quoted.setdefault(problems[i], json.dumps(episodes.problem_ids[problems[i]]))
        head = "".join(f"{key}: {texts[codes[i]]}, " for key, texts, codes, names in columns if names[codes[i]] != NOT_GIVEN)
        cap = f'"cap": {caps[i]}, ' if caps[i] else ""
        yield f'{{"id": "{start + i}", "problem": {problem}, {head}{cap}"attempts": [{", ".join(steps[first:last])}]}}\n'
