"""`import dstheory` offers the library flat: every name exists, is documented, listed once, and typed."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

import pytest
from mypy import api

import dstheory

STUB = Path(dstheory.__file__).with_suffix(".pyi")


def names() -> list[str]:
    tree = ast.parse(STUB.read_text(encoding="utf-8"))
    return [alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]


def test_every_name_is_listed_once_and_exists() -> None:
    listed = names()
    assert len(listed) == len(set(listed)) > 40
    assert set(listed) == set(dstheory.__all__)
    for name in listed:
        thing = getattr(dstheory, name)
        assert name == "__version__" or inspect.getdoc(thing), f"{name} has no docstring"
        if inspect.isfunction(thing) or inspect.isclass(thing):
            assert thing.__name__ == name


@pytest.mark.parametrize("room", ["", "objectives", "claims", "symbolic", "tokens", "anatomy", "arithmetic", "trainers", "plots"])
def test_every_public_function_and_class_has_an_example(room: str) -> None:
    """They run as doctests."""
    module = importlib.import_module(f"dstheory.{room}" if room else "dstheory")
    things = [getattr(module, name) for name in module.__all__]
    classes = [thing for thing in things if inspect.isclass(thing) and not issubclass(thing, Exception)]
    theirs = [thing for thing in [*classes, *filter(inspect.isfunction, things)] if thing.__module__.startswith("dstheory")]
    assert theirs
    assert not [thing.__name__ for thing in theirs if ">>>" not in str(thing.__doc__)]


def test_no_function_is_hidden_by_a_module_of_its_name() -> None:
    root = Path(dstheory.__file__).parent
    modules = {path.stem for path in root.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    rooms = {name for name in names() if inspect.ismodule(getattr(dstheory, name))}
    assert not (set(names()) - rooms) & modules


def test_a_type_checker_sees_the_functions(tmp_path: Path) -> None:
    file = tmp_path / "uses.py"
    file.write_text(
        "import dstheory\n"
        "reveal_type(dstheory.solve)\n"
        "reveal_type(dstheory.GRPO)\n"
        "reveal_type(dstheory.objectives.GRPO)\n"
        "dstheory.no_such_name\n"
    )
    root = Path(dstheory.__file__).parents[1]
    out, err, code = api.run([str(file), "--config-file", str(root / "pyproject.toml"), "--cache-dir", str(root / ".mypy_cache")])
    assert (code, err) == (1, "")
    assert "(mdp: dstheory.chain.mdp.TwoStageMDP, policy: dstheory.chain.policy.Policy) -> dstheory.chain.exact.Solution" in out
    assert out.count("-> dstheory.objectives.group.GRPO") == 2
    assert 'Module has no attribute "no_such_name"' in out
    assert "Found 1 error" in out
