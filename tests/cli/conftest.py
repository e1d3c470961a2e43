"""Run the command line in this process, as the shell would: arguments in, exit code and both streams out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
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
