"""Logs in every format: read twice, in another order, packed, record by record, written again and read back."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import random
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
from fuzz.engine import Input, Target, Wrong, check_message, outcome, said
from fuzz.mutations import json_mutated, lines_mutated, mutated
from fuzz.targets.chains import _parquet, retyped

from dstheory.anatomy import Episodes, read_log
from dstheory.anatomy.export import measured_chain, write_log
from dstheory.anatomy.logs import Log, from_records
from dstheory.errors import DSTheoryError
from dstheory.readers.json_values import NotJSON, decode

WORDS = ("id", "problem", "task", "difficulty", "model", "cap", "round", "correct", "decision", "attempts", "messages",
         "transcript", "numbers", "target", "gold", "final_answer", "role", "content", "assistant", "user", "finish_reason",
         "length", "text", "stop", "resample", "submit", "true", "false", "yes", "no")  # fmt: skip
_PLACE = re.compile(r"^/\S+: ((line|row|record) )?\d+$")  # a record that names no problem is called after its place
# Every way of reading texts is tried on every file of texts.
WAYS: tuple[dict[str, Any], ...] = (
    {"checker": "24"},
    {"checker": "countdown", "segment": "markers"},
    {"checker": "final-answer", "segment": "pattern", "pattern": r"(\d+)"},
    {"checker": "final-answer", "segment": "markers", "markers": ["wait", "b+"]},
    {"checker": "final-answer"},
)


def rows(episodes: Episodes) -> Counter[Any]:
    """Return the episodes, each with everything that is known of it, in no order."""
    ends = episodes.offsets
    names = {name: column for name, column in episodes.fields.items() if name != "log"}
    problems = [_PLACE.sub("#", problem) for problem in episodes.problem_ids]
    return Counter(
        (
            problems[episodes.problem[i]],
            tuple(episodes.correct[ends[i] : ends[i + 1]].tolist()),
            bool(episodes.stopped[ends[i + 1] - 1]),
            bool(episodes.capped[i]),
            int(episodes.cap[i]),
            tuple((name, column.names[column.codes[i]]) for name, column in names.items()),
        )
        for i in range(len(episodes))
    )


def check(path: Path) -> str:
    data = path.read_bytes()
    rng = random.Random(zlib.crc32(data))
    texts = path.suffix == ".jsonl" and (b'"transcript"' in data or b'"messages"' in data)
    options = rng.choice(WAYS) if texts else {"cap": rng.choice((None, None, 2))}
    first = outcome(lambda: read_log(path, **options))
    second = outcome(lambda: read_log(path, **options)) if rng.random() < 0.2 else first
    strict = outcome(lambda: read_log(path, strict=True, **options))
    if isinstance(first, DSTheoryError) or isinstance(second, DSTheoryError):
        if str(first) != str(second):
            raise Wrong("read twice, a file gets two answers", f"{first}\n{second}")
        if not isinstance(strict, DSTheoryError):
            raise Wrong("a strict reader accepts what another one refuses", str(first))
        said(strict, path.name)
        return said(first, path.name)
    if first.reading.to_dict() != second.reading.to_dict() or rows(first.episodes) != rows(second.episodes):
        raise Wrong("read twice, a file gets two answers")
    reading = first.reading
    if isinstance(strict, DSTheoryError) != bool(reading.unusable):
        raise Wrong("a strict reader refuses a file without faults, or the other way round", f"{strict}\n{reading.to_dict()}")
    if isinstance(strict, DSTheoryError):
        said(strict, path.name)
    for line in reading.lines():
        check_message(line)
    if len(first.episodes) != reading.usable:
        raise Wrong("the account does not add up", str(reading.to_dict()))
    if "duplicate" not in reading.faults and "varies" not in reading.faults:
        _check_changed(first, path, rng, options)
    if path.suffix == ".jsonl":
        _check_records(first, data, options)
    if rng.random() < 0.3:
        _check_written(first, path, rng)
    what = sorted(reading.faults), sorted(reading.segmented), sorted(first.episodes.fields), bool(reading.unfinished)
    return f"read {path.suffix} {what}"


def _check_changed(log: Log, path: Path, rng: random.Random, options: dict[str, Any]) -> None:
    """Changes of a file that change nothing: packed, or records in another order."""
    data, suffix = path.read_bytes(), "".join(path.suffixes)
    what = rng.choice(("gzip", "bz2", "zstd", "mark", "shuffled"))
    if suffix in (".parquet", ".eval"):
        return
    if what == "gzip":
        data = gzip.compress(data)
    elif what == "bz2":
        data = bz2.compress(data)
    elif what == "zstd":
        data = pa.compress(data, "zstd", asbytes=True)
    elif what == "mark" and not data.startswith((b"\xef\xbb\xbf", b"\x1f\x8b")):
        data = b"\xef\xbb\xbf" + data
    elif what == "shuffled" and suffix == ".jsonl" and "cut-off" not in log.reading.faults and data.count(b"\n") < 20:
        lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        rng.shuffle(lines)
        data = b"\n".join(lines)
    else:
        return
    other = path.with_name(f"changed{suffix}")
    other.write_bytes(data)
    back = outcome(lambda: read_log(other, **options))
    if isinstance(back, DSTheoryError):
        if "is empty" in str(back):
            return
        raise Wrong(f"a log is refused when it is {what}", f"{back}\n{path.read_bytes()[:500]!r}")
    if rows(back.episodes) != rows(log.episodes) or back.reading.faults != log.reading.faults:
        detail = f"{rows(log.episodes)}\n{rows(back.episodes)}\n{log.reading.faults} {back.reading.faults}"
        raise Wrong(f"a log is read otherwise when it is {what}", detail)
    other.unlink()


def _check_records(log: Log, data: bytes, options: dict[str, Any]) -> None:
    """Records in memory, one by one, are read as the lines of the file are."""
    records = []
    for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        if line.strip():
            with contextlib.suppress(NotJSON):
                records.append(decode(line))
    if log.reading.read_as or set(log.reading.segmented) - {"marked", "messages"}:
        return
    reader = "conversation" if "messages" in log.reading.segmented else "records"
    one = outcome(lambda: from_records(records, reader=reader, **options))
    if isinstance(one, DSTheoryError):
        if "id is missing" in str(one):  # in a file, records without names go by their lines
            return
        raise Wrong("records in memory are refused, but not in a file", str(one))
    not_json = log.reading.faults.get("not-json", 0) + log.reading.faults.get("not-utf8", 0)
    if rows(one.episodes) != rows(log.episodes) or one.reading.unusable + not_json != log.reading.unusable:
        raise Wrong("records in memory are read otherwise than in a file", f"{one.reading.to_dict()}\n{log.reading.to_dict()}")


def _check_written(log: Log, path: Path, rng: random.Random) -> None:
    """What is written is read back the same, and a chain can be made of it."""
    target = path.with_name(rng.choice(("written.jsonl", "written.jsonl.gz")))
    write_log(target, log.episodes, overwrite=True)
    labels = [name for name in log.episodes.fields if name not in ("task", "difficulty", "model", "log")]
    back = read_log(target, labels=labels)
    alone = any("nobody could resample" in note for note in back.reading.notes)  # then a log without caps gets the cap 1
    if not alone and _known(rows(back.episodes)) != _known(rows(log.episodes)):
        raise Wrong("a log that was written is read otherwise", f"{rows(log.episodes)}\n{rows(back.episodes)}")
    chain = outcome(lambda: measured_chain(log.episodes, by=rng.choice(("task", "problem"))))
    if isinstance(chain, DSTheoryError):
        said(chain)
    target.unlink()


def _known(counted: Counter[Any]) -> Counter[Any]:
    """Without the fields that no record has."""
    out: Counter[Any] = Counter()
    for (*rest, labels), n in counted.items():
        out[(*rest, tuple(sorted(pair for pair in labels if pair[1] != "(not given)")))] += n
    return out


# ---------------------------------------------------------------------- inputs


def made(corpus: Sequence[Input]) -> list[Input]:
    """Return packed, zipped and Parquet forms of logs that are kept as text."""
    by_lines = [one for one in corpus if one.suffix == ".jsonl"]
    found = [Input(".jsonl.gz", gzip.compress(one.data, mtime=0)) for one in by_lines[:1]]
    found += [Input(".parquet", _parquet(pa.csv.read_csv(io.BytesIO(one.data)))) for one in corpus if one.suffix == ".csv"]
    for one in by_lines:
        with contextlib.suppress(pa.ArrowInvalid):  # texts beside lists: no table
            found.append(Input(".parquet", _parquet(pa.json.read_json(io.BytesIO(one.data)))))
    samples = [json.loads(one.data)["samples"] for one in corpus if one.suffix == ".json" and b'"samples"' in one.data]
    return found + [Input(".eval", _zip(each)) for each in samples]


def _zip(samples: Sequence[Any]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for i, sample in enumerate(samples):
            scored = {**sample, "scores": {"match": {"value": "CI"[i % 2]}}}
            archive.writestr(zipfile.ZipInfo(f"samples/{i}_epoch_1.json"), json.dumps(scored))
    return held.getvalue()


def mutate(rng: random.Random, one: Input, pool: Sequence[Input]) -> Input:
    others = [other.data for other in pool if other.suffix == one.suffix]
    if one.suffix == ".parquet" and rng.random() < 0.7:
        return Input(one.suffix, retyped(rng, one.data, WORDS))
    if one.suffix == ".json" and rng.random() < 0.6:
        return Input(one.suffix, json_mutated(rng, one.data, WORDS))
    if one.suffix == ".eval" and rng.random() < 0.5:
        return Input(one.suffix, _changed_inside(rng, one.data))
    if one.suffix.startswith(".jsonl") and rng.random() < 0.6 and not one.suffix.endswith(".gz"):
        return Input(one.suffix, lines_mutated(rng, one.data, WORDS))
    return Input(one.suffix, mutated(rng, one.data, others, WORDS))


def _changed_inside(rng: random.Random, data: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _zip([json.loads(json_mutated(rng, archive.read(name), WORDS)) for name in archive.namelist()])
    except (zipfile.BadZipFile, OSError, ValueError, KeyError, TypeError, RuntimeError, EOFError, zlib.error):
        return mutated(rng, data, [])


LOG = Target("log", check, mutate, made, weight=2.0)
