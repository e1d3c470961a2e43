"""Files that once gave a wrong answer, a traceback or no end: each with the command, its exit code and what it says.

The files are in ``files/``; those that would be large or binary are made here. Whatever a case says, no traceback and no control
character may reach the terminal, and every SVG and HTML file written must be well-formed XML.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

FILES = Path(__file__).parent / "files"
ATTEMPTS = '"attempts": [{"correct": false, "decision": "resample"}, {"correct": true, "decision": "stop"}]'
DRAWN = "anatomy FILE --resamples 9 --out out.dir --report report.html"
EXPORT = "anatomy export-chain FILE --out exported.csv --max-turns 0"
SIMULATE = "simulate --mdp FILE --steps 2 --out out.dir"
LIKE_A_COMMAND = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]")


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
    Case("labels.jsonl", 0, ("out\\xff; report: a$_{$\\xff.html",), under="a$_{$\udcff.jsonl",
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
    Case("transcript_surrogate.jsonl", 0, ("attempts found by pattern in 1 records",),
         EXPORT + r" --checker final-answer --segment pattern --pattern 'ANSWER: (.*)'"),
    # JSON
    Case("null.jsonl", 1, ("line 1: holds null: must be an object",)),
    Case("null.jsonl", 1, ("line 1 holds None: must be an object",), SIMULATE),
    Case("null_first.jsonl", 1, ("1 of 2 records were unusable",)),
    Case("blank_lines.jsonl", 1, ("line 4: attempts is missing", "3 prompts"), EXPORT + " --by difficulty"),
    Case("fields_late.jsonl", 0, ("9 records read, 9 used", "3 prompts"), EXPORT + " --by problem --model m"),
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
