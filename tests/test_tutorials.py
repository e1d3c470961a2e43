"""The tutorial pages show what their commands print, and lead to pages that exist."""

from __future__ import annotations

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from dstheory.cli.anatomy import command

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = sorted(path.name for path in DOCS.glob("tutorial_*.md"))


@pytest.mark.parametrize("name", PAGES)
def test_pages_and_options_named_exist(name: str) -> None:
    text = (DOCS / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(((?!https?:)[^)]+)\)", text):
        assert (DOCS / target).exists(), target
    options = {
        flag for one in ("report", "generate", "inspect") for p in command.get_command(None, one).params for flag in p.opts
    }
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) <= options


def test_there_are_three() -> None:
    assert len(PAGES) == 3


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_what_is_shown_is_what_the_commands_print(name: str, tmp_path: Path) -> None:
    spec = spec_from_file_location("fill_tables", DOCS / "fill_tables.py")
    assert spec
    assert spec.loader
    fill = module_from_spec(spec)
    spec.loader.exec_module(fill)
    text = (DOCS / name).read_text(encoding="utf-8")
    assert fill.CONSOLE.search(text)
    assert fill.page(text, lambda line: fill.run(line, tmp_path)) == text, (
        "`python docs/fill_tables.py` renews what commands print"
    )
