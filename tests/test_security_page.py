"""The page on security is true: its limits are the constants of the code, and what it says is never executed is not."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

from dstheory.claims import verdicts, workers
from dstheory.dynamics.sweeps import plan
from dstheory.objectives.expectation import counts
from dstheory.readers import final_answers, grading, streams, transcripts
from dstheory.trainers import entries, files, scripts

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| (`[A-Z_]+`|digits) \| ([^|]+?) \|", PAGE, flags=re.MULTILINE))
VALUES = {
    **{name: getattr(streams, name) for name in ("LONGEST_LINE", "LARGEST_WHOLE", "LARGEST_DOCUMENT", "LARGEST_BROKEN")},
    **{name: getattr(streams, name) for name in ("LARGEST_TABLE", "MOST_CELLS", "MOST_PACKED")},
    "LONGEST_TEXT": transcripts._LONGEST_TEXT,
    "MOST_ATTEMPTS": transcripts._MOST_ATTEMPTS,
    "LONGEST_PATTERN": transcripts._LONGEST_PATTERN,
    "LONGEST_ANSWER": final_answers._LONGEST_ANSWER,
    "GRADING_SECONDS": grading._SECONDS,
    "GRADING_MEMORY": grading._MEMORY,
    **{name: getattr(files, name) for name in ("LARGEST_CONFIGURATION", "DEEPEST_CONFIGURATION", "MOST_BEGINNINGS")},
    "DEEPEST_SCRIPT": scripts.DEEPEST_SCRIPT,
    "MOST_WORDS": scripts.MOST_WORDS,
    "MOST_PUT": scripts.MOST_PUT,
    "MOST_SETTINGS": entries.MOST_SETTINGS,
    "LARGEST_GROUP": counts.LARGEST_GROUP,
    "MOST_VALUES": plan._MOST,
    "TIME_LIMIT": verdicts.TIME_LIMIT,
    "LONGEST_TIME_LIMIT": verdicts.LONGEST_TIME_LIMIT,
    "LOAD_LIMIT": workers._LOAD_LIMIT,
    "digits": sys.int_info.default_max_str_digits,
}


def test_every_limit_is_the_constant() -> None:
    assert {name.strip("`") for name in ROWS} == set(VALUES)
    for name, said in ROWS.items():
        number = float(said.split()[0].replace(",", ""))
        unit = {"MB": 2**20}.get(said.split()[-1], 1)
        assert number * unit == VALUES[name.strip("`")], name


def test_every_limit_of_reading_is_on_the_page() -> None:
    bounds = {name for name in vars(streams) if name.isupper() and isinstance(getattr(streams, name), int) and name[0] != "_"}
    assert bounds - {"PACKED_WELL", "BLOCK"} <= set(VALUES)
    assert f"may grow beyond {streams.PACKED_WELL // 2**20} MB" in PAGE
    assert streams.VARIABLE in PAGE


def test_nothing_evaluates_text() -> None:
    """No eval, exec, pickle or shell; `compile`, `eval` and the like as methods of other objects are theirs."""
    nodes = [(path, node) for path in (ROOT / "dstheory").rglob("*.py") for node in ast.walk(ast.parse(path.read_bytes()))]
    for path, node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec", "compile", "__import__"), f"{path}:{node.lineno}"
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
            assert not names & {"pickle", "marshal", "shelve", "dill", "cloudpickle"}, f"{path}:{node.lineno}"
        if isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "shell"):
            assert isinstance(node.value, ast.Constant), f"{path}:{node.value.lineno}"
            assert node.value.value is False, f"{path}:{node.value.lineno}"


def test_user_files_are_run_only_where_the_page_says() -> None:
    runs = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "dstheory").rglob("*.py")
        if "exec_module(" in (text := path.read_text(encoding="utf-8")) or "submodule_search" in text or "__path__ = " in text
    }
    assert runs == {"dstheory/experiments.py", "dstheory/user_files.py"}
    users = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "dstheory").rglob("*.py")
        if "import_file(" in path.read_text(encoding="utf-8")
    }
    assert users - runs == {"dstheory/claims/sources.py", "dstheory/objectives/registry.py", "dstheory/readers/answers.py"}
