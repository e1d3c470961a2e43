"""docs/questions.md: 26 questions, each with its command; it prints what is shown, and claims that are named exist."""

from __future__ import annotations

import re
import shlex
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "questions.md").read_text(encoding="utf-8")


def test_what_is_shown_is_what_the_commands_print(dstheory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_from_file_location("fill_tables", ROOT / "docs" / "fill_tables.py")
    assert spec
    assert spec.loader
    fill = module_from_spec(spec)
    spec.loader.exec_module(fill)
    monkeypatch.setenv("COLUMNS", fill.WIDTH)
    (tmp_path / "examples").symlink_to(ROOT / "examples")

    def run(command: str) -> str:
        ran = dstheory(*shlex.split(command))
        assert ran.code == 0, f"{command}: {ran.err}"
        return ran.out

    assert fill.page(PAGE, run) == PAGE, "`python docs/fill_tables.py` renews what commands print"


def test_all_questions_are_there_once() -> None:
    assert list(map(int, re.findall(r"^## (\d+)\. ", PAGE, flags=re.MULTILINE))) == list(range(1, 27))
    assert PAGE.count("<!-- console -->") == PAGE.count("\nAsked ") == 26


def test_claims_that_are_named_exist() -> None:
    proofs = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "proofs").glob("*.py"))
    named = set(re.findall(r"\b([A-H]\d+(?:-[a-z]+)?|O\d+(?:-[a-z]+)?)\b", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)))
    assert named
    assert all(f'id="{claim}"' in proofs for claim in named), named
