"""Every option of every command with values that nobody means: a documented exit code and one sentence, and nothing is run."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from cli.conftest import Outcome
from cli.tree import commands

PAYLOAD = "__import__('os').system('touch executed')"
VALUES = {
    "empty": "", "blank": " ", "nan": "nan", "infinite": "-inf", "huge": "1e400", "tiny": "1e-320", "zero": "0",
    "negative": "-1",
    "digits": "9" * 5000, "negative digits": "-" + "9" * 5000, "escape": "\x1b[31m\x07", "line": "a\nb", "nul": "a\0b",
    "surrogate": "\ud800", "bytes": "caf\udce9", "list": "[1,2]", "commas": ",,", "equation": "p=1=2", "brackets": "(" * 20_000,
    "code": PAYLOAD, "long name": "x" * 5000, "path": "/dev/null/x", "device": "/dev/full",
}  # fmt: skip
# What makes each command short.
BASE = {
    "anatomy export-chain": ["log.jsonl", "--out", "chain.csv", "--overwrite"],
    "anatomy generate": ["made.jsonl", "--problems", "3", "--overwrite"],
    "anatomy inspect": ["log.jsonl"],
    "anatomy report": ["log.jsonl", "--out", "report", "--overwrite"],
    "arithmetic evaluate": ["run.npz", "--per-size", "1", "--episodes", "1", "--sizes", "4x4"],
    "arithmetic show": [],
    "arithmetic train": ["--updates", "0", "--problems", "2", "--group", "2", "--checkpoint", "run.npz", "--overwrite"],
    "attribute": ["--objective", "sft"],
    "derive": ["grpo"],
    "examples": [],
    "explain": ["trl:grpo"],
    "objectives": [],
    "optimum": [],
    "reproduce": ["--list"],
    "signal": ["--objective", "grpo", "--out", "out", "--overwrite", "--sizes", "2"],
    "simulate": ["--steps", "2", "--out", "out", "--overwrite"],
    "sweep": ["--of", "simulate", "--grid", "beta=0.1", "--steps", "2", "--out", "out", "--overwrite"],
    "verify": ["gone.py"],  # said to be missing once the options are fine; loading claims takes seconds
}
ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def options(command: click.Command) -> list[str]:
    """Return the options of a command that take a value."""
    return [p.opts[-1] for p in command.params if isinstance(p, click.Option) and not p.is_flag and not p.count]


TREE = {path: command for path, command in commands() if options(command)}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    from dstheory.arithmetic.training import Settings, train, write_checkpoint

    path = tmp_path_factory.mktemp("checkpoint") / "run.npz"
    write_checkpoint(path, train(Settings(updates=0, problems=2, group=2)))
    return path.read_bytes()


@pytest.fixture
def folder(dstheory: Callable[..., Outcome], tmp_path: Path, checkpoint: bytes) -> Path:
    """Return the current directory, with a log and a checkpoint."""
    attempts = [{"correct": False, "decision": "resample"}, {"correct": True, "decision": "stop"}]
    records: list[dict[str, Any]] = [{"id": i, "problem": f"q{i % 3}", "attempts": attempts} for i in range(9)]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, records)))
    (tmp_path / "run.npz").write_bytes(checkpoint)
    return tmp_path


def _contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


QUICK = {"simulate": ["--steps", "0"]}  # which is refused once the chain is made


def attempt(
    dstheory: Callable[..., Outcome], folder: Path, path: str, flag: str, value: str, base: dict[str, list[str]] = BASE
) -> None:
    before = _contents(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # they become sentences
        warnings.filterwarnings("error", ".* encountered in ")  # but for NumPy's
        ran = dstheory(*path.split(), *base[path], *([f"{flag}={value}"] if flag.startswith("--") else [flag, value]))
    what = f"{path} {flag} {value[:40]!a}: {ran.code} {ran.err[-300:]!a}"
    assert ran.code in (0, 1, 2), what
    assert "Traceback" not in ran.err, what
    assert not ACTS.search(ran.out + ran.err), what
    assert max(map(len, ran.err.splitlines()), default=0) < 6000 or path == "sweep", what  # which says where it writes
    if ran.code:
        assert len(re.findall("^[Ee]rror: .", ran.err, flags=re.MULTILINE)) == 1, what
        assert ran.err.count("\n", ran.err.lower().index("error: ")) == 1, what
        assert _contents(folder) == before, f"{what}: refused, but something was written"
    assert not (folder / "executed").exists(), what
    assert not list(folder.glob("**/.partial-*")), what


def test_every_command_is_tried() -> None:
    assert set(TREE) == set(BASE)


@pytest.mark.parametrize("path", sorted(BASE.keys() - {"anatomy report"}))  # its figures take seconds
def test_one_hostile_value_for_every_option(dstheory: Callable[..., Outcome], folder: Path, path: str) -> None:
    values = list(VALUES.values())
    for number, flag in enumerate(options(TREE[path]), start=sorted(BASE).index(path)):
        attempt(dstheory, folder, path, flag, values[number % len(values)], {**BASE, **QUICK})


@pytest.mark.slow
@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("path", BASE)
def test_every_hostile_value_for_every_option(dstheory: Callable[..., Outcome], folder: Path, path: str, name: str) -> None:
    for flag in options(TREE[path]):
        attempt(dstheory, folder, path, flag, VALUES[name])


@pytest.mark.parametrize("name", VALUES)
def test_hostile_arguments(dstheory: Callable[..., Outcome], folder: Path, name: str) -> None:
    for path in ("derive", "explain", "objectives", "anatomy inspect", "arithmetic evaluate", "arithmetic show", "reproduce"):
        ran = dstheory(*path.split(), VALUES[name])
        what = f"{path} {VALUES[name][:40]!a}: {ran.code} {ran.err[-300:]!a}"
        assert ran.code in (0, 1, 2), what
        assert not ACTS.search(ran.out + ran.err), what
        assert not (folder / "executed").exists(), what
        assert not ran.code or re.search("^[Ee]rror: .", ran.err, flags=re.MULTILINE), what
