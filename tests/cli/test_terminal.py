"""What commands show fits 80, 100 and 120 columns, on terminals and in pipes; nothing is lost, and no line ends in blanks."""

from __future__ import annotations

import fcntl
import io
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
from rich.console import Console

from dstheory.cli import show
from dstheory.tables import fitted

ROOT = Path(__file__).resolve().parents[2]
# Those that take no time are run at every width, the others at 80, and their tables are fitted again into the other widths.
CHEAP = (
    "attribute --objective reinforce --objective k3-loss --objective trl:grpo",
    "attribute --objective reinforce --objective k3-loss --mdp EXAMPLES/three_prompts.json",
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
    "anatomy generate log.jsonl --problems 25 --overwrite",
    "anatomy formats",
    "anatomy inspect log.jsonl",
    "anatomy export-chain log.jsonl --model base --out c.json --overwrite",
)
QUICK = (
    "anatomy log.jsonl --compare base tuned --details --out a --figure-format svg",
    "sweep --grid beta=log:1e-3:1:2 --grid length_weight=0:1:2 --out w",
    "arithmetic train --updates 1 --problems 2 --group 2 --sizes 4x4 --checkpoint c.npz",
    "arithmetic evaluate c.npz --sizes 4x4 --per-size 2 --episodes 2",
    "arithmetic show c.npz",
)
SLOW = (
    "attribute --all --no-figure",
    "signal --objective grpo --figure-format svg",
    "simulate --steps 4 --out s --overwrite",
    "reproduce reflection-gain --quick --out r --overwrite",
)
# Where a terminal matters beside its width: progress that is drawn over, colours, and text that is wrapped only there.
TERMINAL = ("derive kl-direct", "optimum --policy --max-turns 3", "verify --list --group A")
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


def assert_fits(lines: list[str], width: int) -> None:
    assert [line for line in lines if cell_len(line) > width and " " in line.strip()] == []
    assert [line for line in lines if line != line.rstrip()] == []


def tables(out: str) -> list[list[str]]:
    """The blocks of lines that have a line below their headings."""
    blocks = [block.splitlines() for block in re.split(r"\n\n+", out)]
    return [block for block in blocks if any(line.startswith(" \u2500\u2500") for line in block)]


@pytest.mark.parametrize("commands", [(*CHEAP, *QUICK), pytest.param(SLOW, marks=pytest.mark.slow)], ids=["quick", "slow"])
def test_everything_fits_and_tables_keep_their_cells(
    dstheory, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests, commands: tuple[str, ...]
) -> None:
    shown: list[tuple[tuple, dict]] = []
    monkeypatch.setattr("dstheory.tables.fitted", lambda *args, **named: (shown.append((args, named)), fitted(*args, **named))[1])
    for command in commands:
        with subtests.test(command):
            for columns in (120, 100, 80) if command in CHEAP else (80,):
                shown.clear()
                monkeypatch.setenv("COLUMNS", str(columns))
                found = dstheory(*command.replace("EXAMPLES", str(ROOT / "examples")).split())
                assert found.code == 0, found.err
                assert_fits(found.out.splitlines(), columns)
            assert len(tables(found.out)) >= len(shown)
            for (head, rows), named in shown:
                for width in (80, 100, 120):
                    blocks = fitted(head, rows, **{**named, "width": width})
                    assert max(cell_len(line) for block in blocks for line in block) <= width
                    text = "".join("".join(block) for block in blocks)
                    for row in rows:
                        for number in row[named["words"] :]:
                            assert number in text or len(number) > 26  # whole, where it is a number


@pytest.mark.parametrize("command", ["explain trl:grpo beta=0.04 --reference 0.5,0.7,0.4", "derive sft --explain", "examples",
                                     "verify --list --group A", "objectives kl-direct"])  # fmt: skip
def test_in_a_pipe_sentences_are_as_wide_as_tables(dstheory, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.delenv("COLUMNS")
    out = dstheory(*command.split()).out
    assert_fits(out.splitlines(), 80)
    assert max(map(cell_len, out.splitlines())) > 70


def on_a_terminal(lines: tuple[str, ...], width: int, folder: Path) -> dict[str, tuple[list[str], str]]:
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


ALL = (*(line for line in (*CHEAP, *QUICK, *SLOW) if "EXAMPLES" not in line), "verify --list --group A", "verify A3 A3-loose")


@pytest.mark.parametrize(
    ("commands", "width"),
    [(TERMINAL, 80), *(pytest.param(ALL, width, marks=pytest.mark.slow, id=f"all-{width}") for width in (80, 100, 120))],
)
def test_everything_fits_a_terminal(
    dstheory, monkeypatch: pytest.MonkeyPatch, width: int, commands: tuple[str, ...], tmp_path: Path, subtests: pytest.Subtests
) -> None:
    """A pseudo-terminal gets lines that fit, and the tables that a pipe gets."""
    found = on_a_terminal(commands, width, tmp_path)
    assert list(found) == list(commands)
    for command, (lines, code) in found.items():
        with subtests.test(command):
            assert code in ("0", "None"), lines
            assert_fits(lines, width)
    table = "optimum --policy --max-turns 3"
    monkeypatch.setenv("COLUMNS", str(width))
    assert len(tables(dstheory(*table.split()).out)) >= 2
    assert tables("\n".join(found[table][0])) == tables(dstheory(*table.split()).out)


@pytest.mark.parametrize(
    ("command", "label"),
    [
        ("derive reinforce", "deriving"),
        ("attribute --objective reinforce --objective sft", "attributing"),
        ("attribute --all --no-figure --objective reinforce", "comparing objectives"),
        ("signal --objective grpo --no-figure", "signal and noise"),
    ],
)
def test_progress_moves_on_a_terminal_and_nowhere_else(
    dstheory, monkeypatch: pytest.MonkeyPatch, command: str, label: str
) -> None:
    assert label not in dstheory(*command.split()).err
    drawn = io.StringIO()
    monkeypatch.setattr(show, "live_console", lambda *, quiet=False: Console(file=drawn, force_terminal=True))
    assert dstheory(*command.split()).code == 0
    assert label in drawn.getvalue()
    assert "\x1b[?25h" in drawn.getvalue()  # the cursor is shown again


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


def test_long_words_stay_whole_where_other_columns_break_between_words() -> None:
    row = ["v" * 35, "sum_then_normalize", "the default of some library"]
    assert any("v" * 35 in line for block in fitted(["key", "value", "from"], [row], words=3, width=76) for line in block)


def test_a_table_that_fits_is_as_wide_as_its_cells() -> None:
    (block,) = fitted(["task", "p"], [["easy", "0.5"], ["hard", "0.25"]], width=80)
    assert block == ["  task      p", " -------------", "  easy    0.5", "  hard   0.25"]
