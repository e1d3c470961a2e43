"""Run the command line in this process, as the shell would: arguments in, exit code and both streams out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from answers import result_of


@dataclass
class Outcome:
    code: int
    out: str
    err: str

    @property
    def result(self) -> Any:
        """What was printed with --json, which must be what the command's schema says."""
        return result_of(self.out)


@pytest.fixture
def dstheory(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path) -> Callable[..., Outcome]:
    from dstheory.cli.main import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "1000")  # so that sentences stand on one line, whatever paths are in them

    def run(*args: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["dstheory", *map(str, args)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Outcome(int(stop.value.code or 0), out, err)

    return run


@pytest.fixture
def drawn() -> None:
    """Ask for pictures in the figures that are written."""


@pytest.fixture(autouse=True)
def _drawn_where_asked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Build figures, but write files without a picture: drawing takes longer than most commands."""
    if "drawn" in request.fixturenames:
        return

    def blank(figure: object, target: Any, **how: object) -> None:
        if isinstance(target, Path):
            target.touch()
        else:
            target.write('<svg xmlns="http://www.w3.org/2000/svg"/>')

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", blank)
    monkeypatch.setattr("matplotlib.layout_engine.ConstrainedLayoutEngine.execute", lambda engine, figure: None)


@pytest.fixture
def own_objectives() -> Iterator[None]:
    """Forget afterwards which objectives were loaded from files."""
    from dstheory.objectives import REGISTRY

    known = set(REGISTRY)
    yield
    for name in set(REGISTRY) - known:
        del REGISTRY[name]
    for name in [name for name in sys.modules if name.startswith("_dstheory_objectives_")]:
        del sys.modules[name]
