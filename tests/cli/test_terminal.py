"""What every command shows on a terminal of 80, 100 and 120 columns fits it, and no line ends in blanks."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from rich.cells import cell_len

ROOT = Path(__file__).resolve().parents[2]
QUICK = (
    "attribute --objective reinforce --objective k3-loss --objective trl:grpo",
    "attribute --all --no-figure --objective grpo --objective sft --objective reinforce-baseline",
    "derive kl-direct",
    "examples",
    "explain trl:grpo beta=0.04 --reference 0.5,0.7,0.4",
    "objectives",
    "objectives trl:grpo",
    "optimum --policy --max-turns 3",
    "reproduce --list",
    "schema",
    "signal --objective grpo --no-figure",
    "simulate --steps 4 --out s --overwrite",
    "sweep --grid beta=log:1e-3:1:2 --grid length_weight=0:1:2 --out w --overwrite",
    "verify --list --group A",
)
SLOW = (
    "anatomy generate log.jsonl --problems 25 --overwrite",
    "anatomy log.jsonl --compare base tuned --resamples 9 --details --out a --overwrite",
    "anatomy formats",
    "anatomy inspect log.jsonl",
    "anatomy export-chain log.jsonl --model base --out c.json --overwrite",
    "arithmetic train --updates 1 --problems 2 --group 2 --sizes 4x4 --checkpoint c.npz --overwrite",
    "arithmetic evaluate c.npz --sizes 4x4 --per-size 2 --episodes 2",
    "arithmetic show c.npz",
    "reproduce reflection-gain --quick --out r --overwrite",
    "verify A3 A3-loose",
)
# One process for all commands: what they import is loaded once.
DRIVER = """
import os, shlex, sys
from dstheory.cli.main import main
for line in sys.argv[1:]:
    print("\\x1e" + line, flush=True)
    sys.argv = ["dstheory", *shlex.split(line)]
    try:
        main()
    except SystemExit as end:
        sys.stdout.flush(); sys.stderr.flush()
        print("\\x1f", end.code, sep="", flush=True)
"""
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def shown(lines: tuple[str, ...], width: int, folder: Path) -> dict[str, tuple[list[str], str]]:
    """Return what a terminal of this width shows of each command, without progress that was drawn over, and its exit code."""
    env = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | {"PYTHONPATH": str(ROOT), "TERM": "xterm"}
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    said = b""
    with subprocess.Popen([sys.executable, "-c", DRIVER, *lines], stdout=slave, stderr=slave, stdin=slave, env=env, cwd=folder):
        os.close(slave)
        try:
            while piece := os.read(master, 65536):
                said += piece
        except OSError:  # the other end is closed
            pass
    os.close(master)
    found = {}
    for part in said.decode().replace("\r\n", "\n").split("\x1e")[1:]:
        text, code = part.split("\x1f")
        command, *rest = text.split("\n")
        drawn = [re.split(r"\r|\x1b\[2K|\x1b\[1A", line)[-1] for line in rest]  # only the last of what was drawn on a line stays
        found[command] = [ESCAPE.sub("", line) for line in drawn], code.strip()
    return found


@pytest.mark.parametrize("width", [80, pytest.param(100, marks=pytest.mark.slow), pytest.param(120, marks=pytest.mark.slow)])
@pytest.mark.parametrize("commands", [QUICK, pytest.param(SLOW, marks=pytest.mark.slow)], ids=["quick", "slow"])
def test_everything_fits_the_terminal(width: int, commands: tuple[str, ...], tmp_path: Path, subtests: pytest.Subtests) -> None:
    found = shown(commands, width, tmp_path)
    assert list(found) == list(commands)
    for command, (lines, code) in found.items():
        with subtests.test(command):
            assert code in ("0", "None"), lines
            assert [line for line in lines if cell_len(line) > width and " " in line.strip()] == []
            assert [line for line in lines if line != line.rstrip()] == []
