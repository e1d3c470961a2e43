"""Every target reads its corpus, past findings among it, and a few changed inputs, always the same ones, without a fault."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz.engine import CORPUS, Input, Target, Wrong, plain
from fuzz.exploring import explore, smaller
from fuzz.targets import TARGETS

# Changed inputs beside the corpus: a thousand take some seconds, of commands and sweeps a hundred. Of numerics there are none:
# chains at the ends of the floats are searched by `make fuzz`.
COUNTS = {"chain": 250, "log": 150, "text": 100, "results": 30, "state": 4, "command": 0, "config": 20, "claim": 40,
          "numerics": 60, "trainer": 60}  # fmt: skip
SLOW = {"command"}  # whose corpus is a run of every command


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in TARGETS])
def test_nothing_is_found(name: str, tmp_path: Path) -> None:
    folder, findings = tmp_path / "current", tmp_path / "findings"
    folder.mkdir()
    account = explore(TARGETS[name], folder, findings, seed=0, count=COUNTS[name])
    assert account.details == {}
    assert account.tried == len(TARGETS[name].corpus()) + COUNTS[name]
    assert len(account.answers) > 1


def test_every_target_has_a_corpus_and_a_count() -> None:
    assert set(TARGETS) == set(COUNTS)
    assert all(TARGETS[name].corpus() for name in TARGETS)
    assert {folder.name for folder in CORPUS.iterdir()} <= set(TARGETS)


def test_a_fault_is_found_made_small_and_written_down(tmp_path: Path) -> None:
    def check(path: Path) -> str:
        if b"7" in path.read_bytes():
            raise Wrong("a seven")
        return "fine"

    target = Target("results", check, lambda rng, one, pool: Input(".json", one.data + str(rng.randrange(10)).encode()))
    folder = tmp_path / "current"
    folder.mkdir()
    account = explore(target, folder, tmp_path / "findings", seed=1, count=60)
    assert set(account.faults) == {"a seven"}
    assert account.files["a seven"].read_bytes() == b"7"


def test_smaller_keeps_what_is_needed() -> None:
    one = Input(".txt", b"a\nb,c\nd\n" * 5)
    assert smaller(one, lambda candidate: candidate.data.count(b"d") >= 2).data == b"dd"


def test_messages_about_one_rule_are_equal_without_their_values() -> None:
    assert plain("a.csv: gamma is 1.5 at line 2: must lie in [0, 1]") == "#: gamma is # at line #: must lie in [#, #]"
