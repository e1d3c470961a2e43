"""What the README shows of a terminal is what its commands print there, command by command, in one directory."""

from __future__ import annotations

import re
import shlex
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def timeless(text: str) -> list[str]:
    """Return the lines without seconds, which differ from run to run, and without the blanks that depend on them."""
    return [re.sub(r" +", " ", re.sub(r"\d+\.\d+ s\b", "some s", line)) for line in text.splitlines()]


def test_console_blocks_are_what_the_commands_print(dstheory, own_objectives, monkeypatch, tmp_path: Path) -> None:
    spec = spec_from_file_location("fill_tables", ROOT / "docs" / "fill_tables.py")
    assert spec
    assert spec.loader
    fill = module_from_spec(spec)
    spec.loader.exec_module(fill)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    assert len(fill.CONSOLE.findall(README)) >= 4
    monkeypatch.setenv("COLUMNS", fill.README_WIDTH)
    renewed = fill.page(README, lambda command: dstheory(*shlex.split(command)).out)
    assert timeless(README) == timeless(renewed), "`python docs/fill_tables.py` renews what commands print"
