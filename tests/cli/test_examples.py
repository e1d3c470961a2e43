"""The example files are there for whoever has the package, and every one that --help names exists."""

from __future__ import annotations

import re
from pathlib import Path

from cli.tree import commands

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FILES = sorted(str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*") if path.is_file() and path.suffix != ".pyc")


def test_they_are_listed_printed_and_copied(dstheory, tmp_path) -> None:
    assert dstheory("examples").out.split("\n\n")[0].splitlines() == FILES
    assert dstheory("examples", "--json").result["examples"] == FILES
    text = (EXAMPLES / "my_claim.py").read_text(encoding="utf-8")
    assert dstheory("examples", "my_claim.py").out == text
    assert dstheory("examples", "my_claim.py", "--json").result["text"] == text
    assert dstheory("examples", "my_claim.py", "--out", "mine.py").code == 0
    assert Path("mine.py").read_text(encoding="utf-8") == text
    assert dstheory("examples", "--out", "examples").out == f"{len(FILES)} files written: examples\n"
    assert all((tmp_path / "examples" / name).read_bytes() == (EXAMPLES / name).read_bytes() for name in FILES)


def test_nothing_is_replaced_and_names_are_checked(dstheory) -> None:
    Path("mine.py").write_text("mine", encoding="utf-8")
    refused = dstheory("examples", "my_claim.py", "--out", "mine.py")
    assert (refused.code, Path("mine.py").read_text(encoding="utf-8")) == (1, "mine")
    last = Path("all", FILES[-1])
    last.parent.mkdir(parents=True)
    last.write_text("mine", encoding="utf-8")
    refused = dstheory("examples", "--out", "all")
    assert (refused.code, "nothing was written" in refused.err) == (1, True)
    assert [path for path in Path("all").rglob("*") if path.is_file()] == [last]
    wrong = dstheory("examples", "my_clam.py")
    assert (wrong.code, wrong.err) == (2, "error: there is no example 'my_clam.py': did you mean my_claim.py?\n")


def test_what_help_names_exists() -> None:
    named = {name for _, command in commands() for name in re.findall(r"examples/([\w./]+\w)", command.epilog or "")}
    assert len(named) > 3
    assert named <= set(FILES)
