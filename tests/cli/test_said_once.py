"""What an option says of a name it says once: two values of one name are refused, by every option that takes names and values."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from cli.conftest import Outcome
from cli.tree import commands

# For each such option the ways to contradict oneself; they are added to what makes the command run.
TWICE = {
    "--field": [["--field", "cap=a", "--field", "cap=b"]],
    "--correct": [["--correct", "C=true,C=false"], ["--correct", "C=true", "--correct", "C=0"]],
    "--decision": [
        ["--decision", "go=resample,go=stop"], ["--decision", "go=resample", "--decision", "go=stop"],
        ["--decision", "true=resample,True=stop"],
    ],
    "--where": [["--where", "split=a", "--where", "split=b"]],
    "--grid": [["--grid", "beta=0.1", "--grid", "beta=0.2"]],
    "--with": [["--with", "beta=0.1", "--with", "beta=0.2"]],
    "--numeric": [["--numeric", "p=0.1,p=0.2"]],
    "settings": [["beta=0.1", "beta=0.2"], ["beta=0.1", "+beta=0.2"]],
}  # fmt: skip
BASE = {
    "derive": ["grpo"], "explain": ["trl:grpo"], "signal": ["trl:grpo"], "sweep": ["--of", "simulate", "--out", "out"],
    "anatomy export-chain": ["log.jsonl", "--out", "chain.csv"], "anatomy inspect": ["log.jsonl"],
    "anatomy report": ["log.jsonl", "--out", "report"],
}  # fmt: skip


def _named(param: click.Parameter) -> bool:
    """Return whether a parameter takes names and values, as its form or its help shows."""
    shown = f"{param.metavar or param.type.name} {getattr(param, 'help', '')}"
    return re.search(r"[\w\]]=[\w\[]", shown) is not None


FOUND = [(path, param.opts[-1]) for path, command in commands() for param in command.params if _named(param)]


@pytest.mark.parametrize(("path", "option"), FOUND)
def test_two_values_of_one_name_are_refused(dstheory: Callable[..., Outcome], tmp_path: Path, path: str, option: str) -> None:
    (tmp_path / "log.jsonl").write_text('{"id": 1, "attempts": [{"correct": true, "decision": "stop"}]}\n')
    for more in TWICE[option]:
        ran = dstheory(*path.split(), *BASE[path], *more)
        assert ran.code in (1, 2), more
        assert re.search(r"[Ee]rror: .*(twice|two things)", ran.err), ran.err
        assert [file.name for file in tmp_path.iterdir()] == ["log.jsonl"]


def test_the_same_value_twice_is_no_contradiction(dstheory: Callable[..., Outcome]) -> None:
    assert dstheory("explain", "trl:grpo", "beta=0.1", "beta=0.1", "--brief").code == 0
    assert dstheory("explain", "trl:grpo", "beta=0.1", "--with", "beta=0.2").code == 0  # one file beside the other
