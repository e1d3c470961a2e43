"""A number that an option does not take ends every command with 2, as the table of exit codes says, and nothing is run."""

from __future__ import annotations

import pytest
from cli.test_hostile_options import BASE
from cli.tree import commands

from dstheory.cli.options import Numbers
from dstheory.dynamics.parameters import PARAMETERS

# Options for which every finite number means something.
_ANY = {"--reward", "--reward-weights", "--demonstration-weights", "--shift"}
# Texts that are numbers as well.
_TEXTS = {"derive": {"--length-weight", "--answer-length", "--decision-length", "--group-size", "--beta", "--alpha"}}
_MORE = {"attribute --longer": ["--all"], "explain --lr": ["--update", "2"]}
_NUMBERS = ("float", "integer", "float range", "integer range", "INTEGER|inf")


def _numeric() -> list[tuple[str, str, str]]:
    """Return command, option and how a wrong value begins, for every option that takes numbers."""
    found = []
    for path, command in commands():
        for option in command.params:
            flag = option.opts[-1]
            if isinstance(option.type, Numbers):
                found.append((path, flag, ",-7" * (len(option.type.names) - 1)))
            elif option.type.name in _NUMBERS or flag in _TEXTS.get(path, ()):
                found.append((path, flag, ""))
    return [(path, flag, rest) for path, flag, rest in found if flag.startswith("--")]


def _ran(dstheory, path: str, flag: str, value: str):
    base = [word for word in BASE.get(path, []) if word != flag]
    return dstheory(*path.split(), *base, *_MORE.get(f"{path} {flag}", []), f"{flag}={value}")


def test_numbers_out_of_range_are_usage_errors_everywhere(dstheory) -> None:
    options = _numeric()
    assert len(options) > 150
    wrong = []
    for path, flag, rest in options:
        for value in ("x", "nan") if flag in _ANY else ("x", "nan", f"-7{rest}"):
            ran = _ran(dstheory, path, flag, value)
            if ran.code != 2 or not ran.err.count("rror: "):
                wrong.append(f"{path} {flag}={value}: {ran.code} {ran.err[-200:]}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", [name for name, row in PARAMETERS.items() if row.high < 1e6 and row.help.strip()])
def test_numbers_above_their_range_are_too(dstheory, name: str) -> None:
    ran = dstheory("simulate", f"--{name.replace('_', '-')}={PARAMETERS[name].high + 1:g}")
    assert ran.code == 2
    assert "must be" in ran.err


def test_the_same_value_in_a_file_is_an_error_of_the_file(dstheory, tmp_path) -> None:
    (tmp_path / "own.toml").write_text("p = 2\n")
    ran = dstheory("simulate", "--config", "own.toml")
    assert ran.code == 1
    assert "own.toml sets 'p' to 2" in ran.err
