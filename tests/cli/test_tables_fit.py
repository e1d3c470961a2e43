"""Tables of all commands fit the terminal, or COLUMNS where there is none; nothing is lost, and no line ends in blanks."""

from __future__ import annotations

import os
import pty
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

from dstheory.cli import show
from dstheory.tables import fitted

ROOT = Path(__file__).resolve().parents[2]
QUICK = (
    "objectives",
    "attribute --objective reinforce --objective k3-loss --mdp EXAMPLES/three_prompts.json",
    "optimum --policy --max-turns 3",
    "anatomy generate log.jsonl --problems 25",
    "anatomy log.jsonl --compare base tuned --resamples 9 --details --out a",
    "anatomy formats",
)
SLOW = (
    "attribute --all --no-figure",
    "simulate --steps 4 --out s",
    "sweep --grid beta=log:1e-3:1:2 --grid length_weight=0:1:2 --out w",
    "signal --objective grpo",
    "reproduce --list",
)


def tables(out: str) -> list[list[str]]:
    """The blocks of lines that have a line below their headings."""
    blocks = [block.splitlines() for block in re.split(r"\n\n+", out)]
    return [block for block in blocks if any(line.startswith(" \u2500\u2500") for line in block)]


@pytest.mark.parametrize("commands", [QUICK, pytest.param(SLOW, marks=pytest.mark.slow)], ids=["quick", "slow"])
def test_every_table_fits_and_keeps_its_cells(
    dstheory, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests, commands: tuple[str, ...]
) -> None:
    shown: list[tuple[tuple, dict]] = []
    monkeypatch.setattr(show, "fitted", lambda *args, **named: (shown.append((args, named)), fitted(*args, **named))[1])
    monkeypatch.setenv("COLUMNS", "80")
    for command in commands:
        with subtests.test(command):
            shown.clear()
            found = dstheory(*command.replace("EXAMPLES", str(ROOT / "examples")).split())
            assert found.code == 0, found.err
            assert shown
            assert all(line == line.rstrip() for line in found.out.splitlines())
            blocks = tables(found.out)
            assert len(blocks) >= len(shown)
            assert max(len(line) for block in blocks for line in block) <= 80
            for (head, rows), named in shown:
                for width in (80, 100, 120):
                    blocks = fitted(head, rows, **{**named, "width": width})
                    assert max(cell_len(line) for block in blocks for line in block) <= width
                    text = "".join("".join(block) for block in blocks)
                    for row in rows:
                        for number in row[named["words"] :]:
                            assert number in text or len(number) > 26  # whole, where it is a number


@pytest.mark.parametrize("width", [20, 33, 80, 200])
def test_words_and_numbers_survive_any_width(width: int) -> None:
    head = ["name", "what it is", "p = P(correct)", "a = P(stop | correct)", "n"]
    rows = [
        ["算术", "two words", "0.738 [0.700, 0.775]", "-", "1,200"],
        ["x" * 60, "a sentence of a number of words", "no correct attempt was followed by a decision", "0.5 [0.4, 0.6]", "7"],
    ]
    blocks = fitted(head, rows, words=2, width=width)
    lines = [line for block in blocks for line in block]
    assert max(map(cell_len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)
    together = "".join("".join(lines).split())
    assert together.count("x") >= 60
    for cell in ("算术", "two", "sentence", "1,200", "0.4,", "0.6]", "decision"):
        assert cell in together, cell
    if width >= 40:
        assert any("0.738 [0.700, 0.775]" in line for line in lines)


def test_a_table_that_fits_is_as_wide_as_its_cells() -> None:
    (block,) = fitted(["task", "p"], [["easy", "0.5"], ["hard", "0.25"]], width=80)
    assert block == ["  task      p", " -------------", "  easy    0.5", "  hard   0.25"]


def test_a_terminal_is_fitted_as_a_pipe_is(dstheory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pseudo-terminal of 80 columns gets the lines that a pipe gets."""
    import fcntl
    import termios

    command = [sys.executable, "-m", "dstheory.cli.main", "optimum", "--policy", "--max-turns", "3"]
    env = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | {"PYTHONPATH": str(ROOT), "TERM": "xterm"}
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with subprocess.Popen(command, stdout=slave, stderr=slave, stdin=slave, env=env) as process:
        os.close(slave)
        said = b""
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            said += piece
    os.close(master)
    assert process.returncode == 0
    blocks = tables(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.decode()).replace("\r\n", "\n"))
    monkeypatch.setenv("COLUMNS", "80")
    assert blocks == tables(dstheory(*command[3:]).out)
    assert len(blocks) >= 2
    assert max(len(line) for block in blocks for line in block) <= 80
