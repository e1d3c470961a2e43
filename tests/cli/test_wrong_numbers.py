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


@pytest.mark.parametrize(
    "call",
    [
        "attribute --expert 0.9,2,0.1",
        "optimum --beta 0",
        "explain trl:grpo --a 1.5",
        "signal trl:grpo --b=-1",
        "sweep --lr=-1 --of simulate --grid p=0.1:0.2:2",
        "sweep --grid p=5:6:2",
        "sweep --grid p=x",
        "derive grpo --group-size 0",
        "derive grpo --beta x",
        "arithmetic train --beta=-1",
        "arithmetic train --cap 0",
        "arithmetic train --credit other",
        "arithmetic train --checks other",
        "arithmetic train --sizes 9x99",
        "arithmetic evaluate none.npz --sizes 1x1",
        "arithmetic show --size 99x1",
        "arithmetic show --problem 3",
        "anatomy generate log.jsonl --concentration=-1",
        "anatomy generate log.jsonl --cell base,easy,2,0.5,0.5",
    ],
)
def test_other_values_that_a_command_cannot_take_are_usage_errors(dstheory, call: str, tmp_path) -> None:
    found = dstheory(*call.split())
    assert (found.code, found.out) == (2, "")
    assert "Error: " in found.err
    assert list(tmp_path.iterdir()) == []


_NAMED = ("attribute --objective", "simulate --objective", "signal --objective", "derive",
          "sweep --of simulate --grid a=0.1,0.2 --objective")  # fmt: skip


@pytest.mark.parametrize("command", _NAMED)
@pytest.mark.parametrize(
    ("expression", "said"),
    [("grpo + x*kl", "the factor 'x' of 'kl' is not a number"), ("grpo + inf*kl", "factor of kl is inf: must be finite")],
)
def test_a_factor_that_is_no_number_is_one_too(dstheory, command: str, expression: str, said: str) -> None:
    ran = dstheory(*command.split(), expression)
    assert ran.code == 2
    assert said in ran.err
