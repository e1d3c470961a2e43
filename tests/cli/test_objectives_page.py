"""docs/objectives.md: its tables are what the command prints, not what somebody typed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dstheory.objectives import REGISTRY

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "objectives.md"
BLOCK = re.compile(r"<!-- dstheory (.+?) -->\n(.*?)<!-- end -->", flags=re.DOTALL)


def blocks() -> list[tuple[str, str]]:
    return BLOCK.findall(PAGE.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("command", "shown"), blocks(), ids=[command for command, _ in blocks()])
def test_tables_are_what_the_command_prints(dstheory, command: str, shown: str) -> None:
    printed = dstheory(*command.split())
    assert printed.code == 0
    assert shown.strip() == printed.out.strip(), f"`python docs/fill_tables.py` renews what `dstheory {command}` prints"
    for name in () if "--objective" in command else REGISTRY:
        assert f"| `{name}` |" in shown


def test_there_are_tables_and_every_link_exists() -> None:
    assert len(blocks()) == 3
    for target in re.findall(r"\]\(((?!https?:)[^)]+)\)", PAGE.read_text(encoding="utf-8")):
        assert (PAGE.parent / target).exists(), target
