"""What the commands say is frozen: words exactly, numbers to nine digits.

After a change that is meant: DSTHEORY_GOLDEN=write pytest -n 0 tests/golden, and read the difference of said.json.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"
SAID = HERE / "said.json"
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
TIMES = re.compile(r'"(time|seconds|elapsed)": [\d.e-]+|\b[\d.]+ ?m?s\b')


def read_commands() -> list[str]:
    lines = (HERE / "commands.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def run(command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    from dstheory.cli.main import main

    monkeypatch.setattr(sys, "argv", ["dstheory", *shlex.split(command.replace("EXAMPLES", str(EXAMPLES)))])
    with pytest.raises(SystemExit) as stop:
        main()
    said = capsys.readouterr()

    def plain(text: str) -> str:
        text = re.sub(r"(?m)^(Usage: |Try ').*\n", "", text)  # click names the program after whatever runs the tests
        return TIMES.sub("TIME", text.replace(str(EXAMPLES), "EXAMPLES").replace(str(Path.cwd()), "HERE"))

    return {"code": stop.value.code, "out": plain(said.out), "err": plain(said.err)}


def assert_same(now: str, then: str) -> None:
    assert NUMBER.sub("#", now) == NUMBER.sub("#", then)
    for one, other in zip(NUMBER.findall(now), NUMBER.findall(then), strict=True):
        assert float(one) == pytest.approx(float(other), rel=1e-9, abs=1e-12)


def test_every_command_says_what_it_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    said = {command: run(command, capsys, monkeypatch) for command in read_commands()}
    if os.environ.get("DSTHEORY_GOLDEN") == "write":
        SAID.write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    recorded = json.loads(SAID.read_text(encoding="utf-8"))
    assert list(recorded) == list(said)
    for command, now in said.items():
        with subtests.test(command):
            assert now["code"] == recorded[command]["code"]
            assert_same(now["out"], recorded[command]["out"])
            assert_same(now["err"], recorded[command]["err"])
