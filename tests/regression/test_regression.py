"""Files that once gave a wrong answer, a traceback or no end: each with the command, its exit code and what it says.

The files are in ``files/``; those that would be large or binary are made here. Whatever a case says, no traceback and no control
character may reach the terminal, and every SVG and HTML file written must be well-formed XML.
"""

from __future__ import annotations

import gzip
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

FILES = Path(__file__).parent / "files"
ATTEMPTS = '"attempts": [{"correct": false, "decision": "resample"}, {"correct": true, "decision": "stop"}]'
DRAWN = "anatomy FILE --out out.dir --report report.html"
EXPORT = "anatomy export-chain FILE --out exported.csv --max-turns 0"
SIMULATE = "simulate --mdp FILE --steps 2 --out out.dir"
LIKE_A_COMMAND = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]")


DEVICE = next(path for path in map(Path, ("/dev/zero", "/dev/full", "/dev/null")) if path.is_char_device())
DEEP = "[" * 100_000 + "]" * 100_000


def lines(*texts: str) -> Callable[[Path], object]:
    return lambda path: path.write_text("\n".join(texts) + "\n")


def zeros(path: Path) -> None:
    """As large as a disk, with nothing on it."""
    with path.open("wb") as file:
        file.truncate(1 << 40)


def bomb(path: Path) -> None:
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"prompt,answer,correct\na,1,1\n")
        for _ in range(80):
            file.write(b"\n" * 2**20)


def nested(column: str, cell: Any) -> Callable[[Path], object]:
    plain = {"id": ["a"], "correct": [True], "decision": ["stop"], "task": ["t"], "cap": [2]}
    return lambda path: pq.write_table(pa.table(plain | {column: [cell]}), path)


def changed_name(path: Path) -> None:
    """A bit of the name of a column, where the file lists its columns."""
    pq.write_table(pa.table({"prompt": ["a"], "answer": ["1"], "correct": [1]}), path)
    data = bytearray(path.read_bytes())
    data[data.index(b"correct")] ^= 0x80
    path.write_bytes(data)


@dataclass(frozen=True)
class Case:
    """One fault.

    Attributes:
        file: its name in ``files/``; with ``make``, the name under which it is made.
        code: the exit code.
        says: what standard output or standard error must hold.
        command: the command line; FILE stands for the file.
        make: writes the file.
        under: the name under which the file is given to the command.
    """

    file: str
    code: int
    says: tuple[str, ...]
    command: str = EXPORT
    make: Callable[[Path], object] | None = None
    under: str = ""

    def __str__(self) -> str:
        return (self.under or self.file).encode("ascii", "backslashreplace").decode()


CASES = [
    # labels and names of files are texts
    Case("labels.jsonl", 0, ("[/b]", "[red]x", "$x^{$", "$\\undefined$", "\\x1b[31mred\\x07", "<b>&\\x00\\ufffe", "\\u202eabc",
                             "_b\\r\\n9 records read: "), DRAWN),
    Case("label_formula.jsonl", 0, ("out\\xff; report: a$_{$\\xff.html",), under="a$_{$\udcff.jsonl",
         command=DRAWN.replace("out.dir", "out\udcff").replace("report.h", "a$_{$\udcff.h")),
    Case("label_surrogate.jsonl", 1, ("line 2: task is '\\ud800': must be a text",)),
    Case("chain.json", 0, ("a$_{$[red]\\x1b[31m\\xff.json: 2 steps", "out\\xff"), SIMULATE.replace("out.dir", "out\udcff"),
         under="a$_{$[red]\x1b[31m\udcff.json"),
    Case("chain.json", 0, ("data and manifest: out\\xff",), "sweep --mdp FILE --grid beta=0.1,0.2 --out out\udcff",
         under="a\udcff.json"),
    Case("chain.json", 1, ("error: \\x1b[31mno\\n.json does not exist",), "simulate --mdp '\x1b[31mno\n.json'"),
    Case("chain.json", 2, ("\\x1b[31m",), "simulate '--\x1b[31m'"),
    Case("label_formula.jsonl", 0, ("6 prompts",)),
    # bytes that are no text
    Case("log_latin1.csv", 1, ("line 2 is not UTF-8 (byte 0xe9 in column 13): save the file as UTF-8",)),
    Case("chain_not_utf8.jsonl", 1, ("line 1 is not UTF-8",), SIMULATE),
    Case("header_with_cr.csv", 1, ("cannot be read as a table",)),
    Case("transcript_surrogate.jsonl", 1, ("line 1: what the answer says last is not certain, and not judged",),
         EXPORT + r" --checker final-answer --segment pattern --pattern 'ANSWER: (.*)'"),
    # JSON
    Case("null.jsonl", 1, ("line 1: holds null: must be an object",)),
    Case("null.jsonl", 1, ("line 1 holds null: must be an object",), SIMULATE),
    Case("null_first.jsonl", 1, ("1 of 2 records was unusable",)),
    Case("blank_lines.jsonl", 0, ("line 4: attempts is missing", "3 prompts"), EXPORT + " --by difficulty --max-unusable 0.2"),
    Case("blank_lines.jsonl", 1, ("line 4: attempts is missing", "nothing was written"), EXPORT + " --by difficulty"),
    Case("fields_late.jsonl", 0, ("9 records read, 9 used", "3 prompts"), EXPORT + " --by problem --model m"),
    Case("brackets.jsonl", 1, ("line 2: is not JSON: brackets are nested too deeply", "3 records read, 2 used"),
         make=lines(f'{{"id": 1, {ATTEMPTS}}}', f'{{"id": 2, "note": {DEEP}}}', f'{{"id": 3, {ATTEMPTS}}}')),
    Case("brackets.json", 1, ("brackets nested by the thousand",), SIMULATE, make=lines(DEEP)),
    Case("brackets.toml", 1, ("not valid TOML: brackets are nested by the thousand",), SIMULATE, make=lines("format = " + DEEP)),
    Case("dots.toml", 1, ("not valid TOML: a key has more than 100 parts",), SIMULATE, make=lines("a" + ".a" * 100_000 + " = 1")),
    Case("dots.toml", 1, ("is nested too deeply",), "simulate --config FILE", make=lines("a" + ".a" * 100_000 + " = 1")),
    Case("brackets.toml", 1, ("is nested too deeply",), "simulate --config FILE", make=lines("steps = " + DEEP)),
    Case("digits.toml", 1, ("a number of more than 4300 digits",), "simulate --config FILE", make=lines("steps = " + "9" * 5000)),
    Case("digits.json", 1, ("thousands of digits",), SIMULATE, make=lines('{"format": %s}' % ("9" * 5000))),
    Case("digits.jsonl", 1, ("line 2: is not JSON: ", "1 of 2 records was unusable"),
         make=lines(f'{{"id": 1, {ATTEMPTS}}}', f'{{"id": {"9" * 5000}, {ATTEMPTS}}}')),
    Case("round.jsonl", 0, ("1 record read, 1 used",), make=lines('{"id": 1, "correct": true, "round": %s}' % ("9" * 4000))),
    # length and size
    Case("blanks.jsonl", 0, ("1 record read, 1 used",), EXPORT + " --checker countdown",
         make=lines('{"id": 1, "transcript": "1+2+3 = 6 1' + " " * 40_000 + '1", "numbers": [1, 2, 3], "target": 6}')),
    Case("attempts.jsonl", 0, ("2 records read, 2 used",),
         make=lines('{"id": 1, ' + ATTEMPTS.replace("[", "[" + '{"correct": false, "decision": "resample"}, ' * 99_998) + "}",
                    f'{{"id": 2, {ATTEMPTS}}}')),
    Case("bomb.csv.gz", 1, ("is more than 200 times as large unpacked: no table packs so well",), SIMULATE, make=bomb),
    Case("zeros.json", 1, ("is larger than 64 MB: write so large a chain as a table",), SIMULATE, make=zeros),
    Case("zeros.toml", 1, ("is larger than 64 MB: give another file",), "simulate --config FILE", make=zeros),
    Case("pipe.jsonl", 1, ("is a pipe: write what comes out of it to a file",), make=os.mkfifo),
    Case("pipe.toml", 1, ("is a pipe",), "simulate --config FILE", make=os.mkfifo),
    Case("zero.toml", 1, ("is a device: give a file",), "simulate --config FILE", make=lambda path: path.symlink_to(DEVICE)),
    Case("memory.jsonl", 1, ("error: memory.jsonl c",), make=lambda path: path.symlink_to("/proc/self/mem")),
    Case("memory.json", 1, ("error: memory.json cannot be read",), SIMULATE, make=lambda path: path.symlink_to("/proc/self/mem")),
    # Parquet
    *(Case(f"{column}.parquet", 1, (f"column '{column}' has the type {kind}",), make=nested(column, cell))
      for column, cell, kind in (("id", [1], "list"), ("correct", {"a": 1}, "struct"), ("decision", [1], "list"),
                                 ("cap", [1], "list"), ("task", {"a": 1}, "struct"))),
    Case("column.parquet", 1, ("error: column.parquet ",), SIMULATE, make=changed_name),
    Case("exponent.jsonl", 1, ("numbers is '1e99999999': must be a number",), EXPORT + " --checker countdown"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from dstheory.cli.main import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    file = case.under or case.file
    if case.make is None:
        shutil.copy(FILES / case.file, file)
    else:
        case.make(Path(file))
    monkeypatch.setattr(sys, "argv", ["dstheory", *(file if word == "FILE" else word for word in shlex.split(case.command))])
    with pytest.raises(SystemExit) as stop:
        main()
    said = "\n".join(capsys.readouterr())
    assert stop.value.code == case.code, said
    for text in case.says:
        assert text in said
    assert "Traceback" not in said
    assert not LIKE_A_COMMAND.search(said)
    for folder, _, names in os.walk(tmp_path):
        for name in names:
            if name.endswith((".svg", ".html")):
                ElementTree.parse(Path(folder, name))


def test_every_file_has_a_case() -> None:
    assert {case.file for case in CASES if case.make is None} == {path.name for path in FILES.iterdir()}
