"""Files read side by side, by processes and by a Dask cluster: the same bits, the same account, the same errors."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dstheory.anatomy import Episodes, measure, read_log
from dstheory.anatomy.building import Log
from dstheory.errors import DSTheoryError, FileFormatError

distributed = pytest.importorskip("distributed", reason="the extra dask is not installed: pip install 'dstheory[dask]'")


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    with distributed.LocalCluster(n_workers=2, threads_per_worker=2, processes=False, dashboard_address=":0") as cluster:
        yield cluster.scheduler_address


def _episode(i: int, file: int, **more: Any) -> dict[str, Any]:
    """A record that depends on its number: of every kind some."""
    rng = np.random.default_rng((i, file))
    attempts = [{"correct": bool(rng.random() < 0.4), "decision": "resample"} for _ in range(int(rng.integers(1, 5)))]
    attempts[-1]["decision"] = ["stop", "resample", None][i % 3]
    task = {"task": ["easy", "hard", f"new in {file}"][i % 3]} if i % 5 else {}
    return {"id": i, "problem": f"x{(7 * i + file) % 30}", "cap": [4, None, 9][i % 3], "attempts": attempts, **task, **more}


def _lines(records: list[Any]) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def mixed(folder: Path) -> Path:
    """Records of several models, packed and not, with repeated ids, broken lines and labels that only some files have."""
    for file in range(5):
        records: list[Any] = [_episode(i, file, model=["a", "b"][i % 2]) for i in range(40)]
        records[3]["seed"] = file
        records[7] = dict(records[5])
        records[11] = {"id": "none"}
        data = _lines(records) + b"{broken\n" * file
        (folder / f"{4 - file}.jsonl").write_bytes(data) if file % 2 else (folder / f"{4 - file}.jsonl.gz").write_bytes(
            gzip.compress(data)
        )
    return folder


def one_shot(folder: Path) -> Path:
    """Rollouts of prompts, longer than what is kept of their names, in lines and in Parquet."""
    for file in range(3):
        rows = [
            {"prompt": f"{'long ' * 30}{i // 4}", "completion": "y", "correct": (i * file) % 3 == 0, "step": i // 8 + 3 * file}
            for i in range(64)
        ]
        (folder / f"{file}.jsonl").write_bytes(_lines(rows))
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{file}.parquet")
    return folder


def same(one: Log, other: Log) -> None:
    assert one.reading.to_dict() == other.reading.to_dict()
    assert list(one.reading.faults) == list(other.reading.faults)
    assert one.reading.lines() == other.reading.lines()
    ours, theirs = one.episodes, other.episodes
    for name in Episodes.__dataclass_fields__:
        a, b = getattr(ours, name), getattr(theirs, name)
        if isinstance(a, np.ndarray):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
        elif name == "fields":
            assert list(a) == list(b)
            for key in a:
                assert a[key].names == b[key].names
                assert a[key].codes.tolist() == b[key].codes.tolist()
        else:
            assert a == b


@pytest.mark.parametrize("make", [mixed, one_shot])
@pytest.mark.parametrize("more", [{}, {"labels": ["seed"], "cap": 3}])
def test_a_cluster_gives_the_same_bits(
    make: Callable[[Path], Path], more: dict[str, Any], tmp_path: Path, scheduler: str
) -> None:
    folder = make(tmp_path)
    here, there = read_log(folder, **more), read_log(folder, scheduler=scheduler, **more)
    same(here, there)
    assert measure(here, "task") == measure(there, "task")


def test_processes_give_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with paths relative to where the command is given."""
    mixed(tmp_path)
    monkeypatch.chdir(tmp_path)
    same(read_log("*.jsonl*"), read_log("*.jsonl*", workers=2))


def _said(call: Callable[[], Any]) -> str:
    with pytest.raises(DSTheoryError) as caught:
        call()
    return f"{type(caught.value).__name__}: {caught.value}"


def _broken(folder: Path, name: str, data: bytes) -> Path:
    mixed(folder)
    (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize(
    ("name", "data", "strict"),
    [
        ("3a.jsonl", b"", False),  # empty
        ("3a.parquet", b"PAR1 and no more", False),
        ("3a.jsonl", b"\xff\xfe{}", False),  # UTF-16
        ("3a.json", b'[{"a": 1}, {"a": 2', False),
        ("3a.jsonl", b'{"prompt": "x", "completion": "y", "correct": 0.5}\n', False),  # no verdict
        ("3a.jsonl", b'{"prompt": "x", "completion": "y", "correct": true}\n', False),  # of another format
        ("3a.jsonl", b"{broken\n", True),
    ],
)
def test_errors_are_those_of_one_machine(name: str, data: bytes, strict: bool, tmp_path: Path, scheduler: str) -> None:
    """One sentence that names the file, though a later file is wrong too and may be read first."""
    folder = _broken(tmp_path, name, data)
    if not strict:
        (folder / "9.parquet").write_bytes(b"PAR1")
    here = _said(lambda: read_log(folder, strict=strict))
    assert here == _said(lambda: read_log(folder, strict=strict, scheduler=scheduler))
    assert name in here or strict


def test_a_file_of_unusable_records_only_is_given_up_where_one_machine_would(tmp_path: Path, scheduler: str) -> None:
    """Many unusable records end the command, unless a file before has good ones."""
    bad = _lines([{"id": i, "attempts": []} for i in range(12_000)])
    (tmp_path / "b.jsonl").write_bytes(bad)
    here = _said(lambda: read_log(tmp_path))
    assert "none of the first 1" in here
    assert here == _said(lambda: read_log(tmp_path, scheduler=scheduler))
    (tmp_path / "a.jsonl").write_bytes(_lines([_episode(i, 0) for i in range(5)]))
    same(read_log(tmp_path), read_log(tmp_path, scheduler=scheduler))


def test_a_note_of_many_files_is_made_once(tmp_path: Path, scheduler: str) -> None:
    record = {"transcript": "<answer>4</answer> wait <answer>5</answer>", "gold": 5}
    for i in range(30):
        (tmp_path / f"{i}.jsonl").write_bytes(_lines([record]))
    notes = read_log(tmp_path, scheduler=scheduler).reading.notes
    assert len(notes) == len(set(notes))
    assert any("(30 files)" in note for note in notes)


def test_a_file_that_workers_do_not_see(tmp_path: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mixed(tmp_path)
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: path.name != "2.jsonl.gz" and exists(path))
    with pytest.raises(FileFormatError, match=r"2\.jsonl\.gz is not there for a worker on .*put it where all of them see it"):
        read_log(tmp_path, scheduler=scheduler)


def test_what_cannot_be_asked_for(tmp_path: Path) -> None:
    mixed(tmp_path)
    with pytest.raises(DSTheoryError, match="workers and a scheduler were both given"):
        read_log(tmp_path, workers=2, scheduler="tcp://127.0.0.1:1")
    with pytest.raises(DSTheoryError, match=r"^the scheduler 'here' is not an address"):
        read_log(tmp_path, scheduler="here")
    with pytest.raises(DSTheoryError, match=r"^workers is 0"):
        read_log(tmp_path, workers=0)


_DIES = """
import os, pathlib, signal

def check(answer, record):
    marker = pathlib.Path(__file__).with_name("died")
    if answer == "13" and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return answer == record["gold"]
"""


@pytest.mark.slow
def test_a_worker_that_is_killed_midway_changes_nothing(tmp_path: Path) -> None:
    (checker := tmp_path / "checker.py").write_text(_DIES)
    (folder := tmp_path / "logs").mkdir()
    for i in range(20):
        record = {"transcript": f"<answer>{i}</answer> wait <answer>{i + 1}</answer>", "gold": str(i)}
        (folder / f"{i:02}.jsonl").write_bytes(_lines([record]))
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        there = read_log(folder, checker=f"{checker}:check", scheduler=cluster.scheduler_address)
    assert (tmp_path / "died").exists()
    same(read_log(folder, checker=f"{checker}:check"), there)
