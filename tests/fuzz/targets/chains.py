"""Chain files in every format: read twice, in another order, packed, written again and read back."""

from __future__ import annotations

import csv
import gzip
import io
import random
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from fuzz.engine import Input, Target, Wrong, outcome, said
from fuzz.mutations import json_mutated, lines_mutated, mutated

from dstheory.errors import DSTheoryError
from dstheory.readers import ChainFile, read_chain, write_chain
from dstheory.readers.chain_table import COLUMNS

NAMES = [column.name for column in COLUMNS]
WORDS = (
    *NAMES, "turn", "stage", "format", "prompts", "reward", "stop_correct", "resample_wrong", "dstheory-chain/1", "-inf", "a",
    "b",
)  # fmt: skip
FORMATS = (".json", ".toml", ".csv", ".jsonl", ".parquet", ".csv.gz", ".jsonl.gz")
_EXACT = (
    "correct",
    "reward_stop",
    "reward_resample",
    "reward_stop_variance",
    "reward_resample_variance",
    "sample_length",
    "decision_length",
)
_PARQUET_TYPES = (
    pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.decimal128(20, 6), pa.bool_(), pa.string(),
    pa.large_string(), pa.dictionary(pa.int8(), pa.string()), pa.timestamp("us"), pa.date32(), pa.binary(),
    pa.list_(pa.float64()), pa.null(),
)  # fmt: skip


def content(chain: ChainFile) -> dict[Any, Any]:
    """Return what a chain file says, row by row, whatever the order of its rows."""
    mdp = chain.mdp
    assert mdp.prompts is not None
    rows: dict[Any, Any] = {}
    policies = [policy for policy in (chain.policy, chain.reference) if policy is not None]
    for x, prompt in enumerate(mdp.prompts):
        for y, answer in enumerate(chain.answers[x]):
            exact = tuple(float(getattr(mdp, name)[x, y]) for name in _EXACT)
            tables = [
                t[:, x, y].tolist() for policy in policies for t in (policy.sample_prob, policy.log_stop, policy.log_resample)
            ]
            rows[prompt, answer] = exact, float(mdp.prompt_weight[x]), tables
    rows["settings"] = float(mdp.gamma), mdp.discount_per, mdp.max_turns, chain.policy is None, chain.reference is None
    return rows


def require_same(one: dict[Any, Any], other: dict[Any, Any], rule: str, rtol: float = 1e-12) -> None:
    """Require the same rows, settings and policies; probabilities and weights up to rounding."""
    if one.keys() != other.keys() or one["settings"] != other["settings"]:
        raise Wrong(rule, f"{list(one)[:5]}, {one['settings']} against {list(other)[:5]}, {other['settings']}")
    for key, (exact, weight, tables) in ((k, v) for k, v in one.items() if k != "settings"):
        theirs = other[key]
        same = exact == theirs[0] and np.allclose(weight, theirs[1], rtol=1e-12, atol=0)
        if not same or len(tables) != len(theirs[2]) or not all(map(lambda a, b: _close(a, b, rtol), tables, theirs[2])):
            raise Wrong(rule, f"{key}: {one[key]} against {other[key]}")


def _close(one: list[float], other: list[float], rtol: float) -> bool:
    turns = max(len(one), len(other))  # a policy for all turns at once is one with equal turns
    a, b = (np.array(values * turns if len(values) == 1 else values) for values in (one, other))
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=rtol, atol=1e-12, equal_nan=True))


def check(path: Path) -> str:
    rng = random.Random(zlib.crc32(path.read_bytes()))
    first = outcome(lambda: read_chain(path))
    second = outcome(lambda: read_chain(path)) if rng.random() < 0.2 else first
    if isinstance(first, DSTheoryError):
        if str(first) != str(second):
            raise Wrong("read twice, a file gets two answers", f"{first}\n{second}")
        return said(first, path.name)
    if isinstance(second, DSTheoryError):
        raise Wrong("read twice, a file gets two answers", str(second))
    found = content(first)
    if second is not first and found != content(second):
        raise Wrong("read twice, a file gets two answers")
    _check_values(first)
    _check_written(first, found, path, rng)
    _check_changed(found, path, rng)
    return f"read {path.suffix} {found['settings'][1:]} {first.mdp.shape} {[c for c in _EXACT if getattr(first.mdp, c).any()]}"


def _check_values(chain: ChainFile) -> None:
    mdp = chain.mdp
    for name in (*_EXACT, "prompt_weight", "gamma"):
        if not np.isfinite(getattr(mdp, name)).all():
            raise Wrong(f"{name} is not finite")
    for policy in (chain.policy, chain.reference):
        if policy is None:
            continue
        policy.check_fits(mdp)
        for name in ("sample_prob", "stop_prob", "resample_prob"):
            if not ((getattr(policy, name) >= 0) & (getattr(policy, name) <= 1)).all():
                raise Wrong(f"{name} is not a probability")
        if not np.allclose(policy.sample_prob.sum(axis=-1), 1):
            raise Wrong("sampling probabilities do not sum to 1")


def _check_written(chain: ChainFile, found: dict[Any, Any], path: Path, rng: random.Random) -> None:
    """What is written in any format is read back the same, or refused with a reason."""
    target = path.with_name(f"written{rng.choice(FORMATS)}")
    target.unlink(missing_ok=True)
    error = outcome(lambda: write_chain(target, chain.mdp, chain.policy, chain.reference, answers=chain.answers))
    if isinstance(error, DSTheoryError):
        reason = said(error, target.name)
        if target.exists():
            raise Wrong("a refused file was written")
        if "turns" not in reason and "infinite" not in reason:
            raise Wrong("what was read cannot be written", str(error))
        return
    back = outcome(lambda: read_chain(target))
    if isinstance(back, DSTheoryError):
        raise Wrong("what was written cannot be read", f"{target.name}: {back}\n{target.read_bytes()[:500]!r}")
    require_same(found, content(back), f"written as {''.join(target.suffixes)}, a chain is another one")
    target.unlink()


def _check_changed(found: dict[Any, Any], path: Path, rng: random.Random) -> None:
    """Changes of a file that change nothing: other line ends, packed, rows in another order."""
    data, suffix = path.read_bytes(), "".join(path.suffixes)
    what = rng.choice(("mark", "packed", "shuffled"))
    if suffix == ".parquet" or suffix.endswith(".gz"):
        return
    if what == "mark" and not data.startswith(b"\xef\xbb\xbf"):
        data = b"\xef\xbb\xbf" + data
    elif what == "packed" and suffix in (".csv", ".jsonl"):
        data, suffix = gzip.compress(data), suffix + ".gz"
    elif what == "shuffled" and suffix in (".csv", ".jsonl"):
        shuffled = _shuffled(data, suffix, rng)
        if shuffled is None:
            return
        data = shuffled
    else:
        return
    other = path.with_name(f"changed{suffix}")
    other.write_bytes(data)
    back = outcome(lambda: read_chain(other))
    if isinstance(back, DSTheoryError):
        raise Wrong(f"a file is refused when it is {what}", f"{back}\n{data[:500]!r}")
    require_same(found, content(back), f"a file is read otherwise when it is {what}", 1e-9)
    other.unlink()


def _shuffled(data: bytes, suffix: str, rng: random.Random) -> bytes | None:
    if suffix == ".jsonl":
        lines = [line for line in data.split(b"\n") if line.strip()]
        rng.shuffle(lines)
        return b"\n".join(lines) + b"\n"
    text = data.decode("utf-8-sig")
    if '"' in text or "\r" in text:  # the csv module and Arrow are not asked to agree on odd quotes here
        return None
    head, *rows = [row for row in csv.reader(io.StringIO(text)) if row]
    rng.shuffle(rows)
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([head, *rows])
    return out.getvalue().encode()


# ---------------------------------------------------------------------- inputs


def made(corpus: Sequence[Input]) -> list[Input]:
    """Return the packed and the Parquet forms of the chains that are kept as text."""
    found = [Input(f"{one.suffix}.gz", gzip.compress(one.data, mtime=0)) for one in corpus if one.suffix in (".csv", ".jsonl")]
    for one in corpus:
        if one.suffix == ".csv":
            found.append(Input(".parquet", _parquet(pa.csv.read_csv(io.BytesIO(one.data)))))
    return found


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def mutate(rng: random.Random, one: Input, pool: Sequence[Input]) -> Input:
    """Damage a file anywhere, or change what it says and leave it whole."""
    others = [other.data for other in pool if other.suffix == one.suffix]
    if one.suffix.endswith(".gz"):
        if rng.random() < 0.5:
            return Input(one.suffix, mutated(rng, one.data, others))
        inner = mutate(rng, Input(one.suffix[:-3], gzip.decompress(one.data)), []) if _unpacks(one.data) else one
        return Input(one.suffix, gzip.compress(inner.data, 1, mtime=0))
    if one.suffix == ".parquet" and rng.random() < 0.6:
        return Input(one.suffix, retyped(rng, one.data))
    if one.suffix == ".json" and rng.random() < 0.5:
        return Input(one.suffix, json_mutated(rng, one.data, WORDS))
    if one.suffix == ".jsonl" and rng.random() < 0.5:
        return Input(one.suffix, lines_mutated(rng, one.data, WORDS))
    return Input(one.suffix, mutated(rng, one.data, others, WORDS))


def _unpacks(data: bytes) -> bool:
    try:
        gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        return False
    return True


def retyped(rng: random.Random, data: bytes, words: Sequence[str] = WORDS) -> bytes:
    """Return a Parquet table with a column of another type, name or content."""
    try:
        table = pq.read_table(io.BytesIO(data))
        at = rng.randrange(max(1, table.num_columns))
        what, name = rng.randrange(5), table.column_names[at]
        if what == 0:
            table = table.set_column(at, name, table.column(at).cast(rng.choice(_PARQUET_TYPES), safe=False))
        elif what == 1:
            table = table.rename_columns([rng.choice(words) if i == at else n for i, n in enumerate(table.column_names)])
        elif what == 2:
            rows = [rng.randrange(max(1, table.num_rows)) for _ in range(rng.randrange(5))]
            table = table.take(rows)
        elif what == 3:
            cells = table.column(at).to_pylist()
            cells[rng.randrange(len(cells))] = rng.choice(
                (None, 0, 1, -1, 2**62, 1e300, float("nan"), float("inf"), "x", "\x1b", True)
            )
            table = table.set_column(at, name, pa.array(cells))
        else:
            table = table.append_column(rng.choice(words), table.column(at))
        return _parquet(table)
    except (pa.ArrowException, OSError, IndexError, ValueError, TypeError, OverflowError, NotImplementedError):
        return mutated(rng, data, [])


CHAIN = Target("chain", check, mutate, made, weight=2.0)
