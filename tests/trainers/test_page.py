"""docs/explain.md: what it shows is what the command prints."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explain.md"
BLOCK = re.compile(r"<!-- dstheory (.+?) -->\n(.*?)<!-- end -->", flags=re.DOTALL)


@pytest.mark.parametrize(("command", "shown"), BLOCK.findall(PAGE.read_text(encoding="utf-8")))
def test_the_page_shows_what_the_command_prints(dstheory, tmp_path: Path, command: str, shown: str) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    ran = dstheory(*shlex.split(command))
    assert ran.code == 0, ran.err
    assert shown.strip() == ran.out.strip(), f"`python docs/fill_tables.py` renews what `dstheory {command}` prints"


def test_there_are_blocks_and_every_link_exists() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.count("<!-- dstheory ") == len(BLOCK.findall(text)) > 0
    for target in re.findall(r"\]\(((?!https?:)[^)]+)\)", text):
        assert (PAGE.parent / target).exists(), target
