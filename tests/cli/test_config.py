"""What a configuration may set, and how numbers are read: by the options' own rules, NaN and infinity never."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from cli.conftest import Outcome
from cli.tree import commands

from dstheory.cli.options import Ruled

DIGITS = "9" * 5000


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("steps = [1, 2]", "sets 'steps' to [1, 2]: must be a number or a text, like the option --steps"),
        ("lr = 1979-05-27", "sets 'lr' to datetime.date(1979, 5, 27): must be a number or a text, like the option --lr"),
        ("out = 3", "sets 'out' to 3: must be a text, like the option --out"),
        ("json = 3", "sets 'json' to 3: must be true or false, like the option --json"),
        ("lr = true", "sets 'lr' to True: must be a number or a text, like the option --lr"),
        ("lr = {a = 1}", "sets 'lr' to {'a': 1}: must be a number or a text, like the option --lr"),
        ("objective = ['sft', 3]", "sets 'objective' to ['sft', 3]: must be a text, or a list of them, like"),
        ("expert = [0.9, [1], 1]", "sets 'expert' to [0.9, [1], 1]: must be a number or a text, or a list of them"),
        ("steps = 2.5", "sets 'steps' to 2.5: steps is 2.5: must be a whole number"),
        ("lr = nan", "sets 'lr' to nan: lr is nan: must be finite"),
        (f"lr = 1{'0' * 400}", "0000: lr is inf: must be finite"),
        (f"steps = {DIGITS}", "c.toml holds a number of more than 4300 digits: no option takes it"),
        ("optimizer = 'sgdd'", "sets 'optimizer' to 'sgdd': it is not one of 'sgd', 'momentum', 'adam', 'natural'"),
        ("steps = " + "[" * 100_000, "c.toml is nested too deeply: every entry is one value, like an option"),
        ("steps = ", "c.toml is not a TOML file: "),
    ],
    ids=lambda text: text[:24],
)
def test_an_entry_of_another_type_is_named(dstheory: Callable[..., Outcome], tmp_path: Path, entry: str, says: str) -> None:
    (tmp_path / "c.toml").write_text(entry)
    ran = dstheory("simulate", "--config", "c.toml")
    assert ran.code == 1
    assert says in ran.err
    assert ran.err.count("\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c.toml"]


def test_entries_are_what_the_command_line_would_say(dstheory: Callable[..., Outcome], tmp_path: Path) -> None:
    entries = ("beta = 1", "p = '0.5'", "max-turns = 3", "answer_length = [64, 32]", "reward = '2,0,0,0'", "json = true")
    (tmp_path / "c.toml").write_text("\n".join(entries))
    one = dstheory("optimum", "--config", "c.toml", "--p", 0.6)
    assert one.code == 0
    same = ("--beta", 1, "--p", 0.6, "--max-turns", 3, "--answer-length", "64,32", "--reward", "2,0,0,0", "--json")
    assert one.out == dstheory("optimum", *same).out


def _is_real(kind: click.ParamType[Any]) -> bool:
    if isinstance(kind, Ruled):
        return kind.row.kind == "number"
    return isinstance(kind, (click.types.FloatParamType, click.FloatRange))


def options() -> Iterator[tuple[str, str]]:
    """Return all options that take numbers, with their commands."""
    for path, command in commands():
        for option in command.params:
            if isinstance(option, click.Option) and _is_real(option.type):
                yield path, option.opts[-1]


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e400"])
def test_no_option_takes_what_is_not_a_finite_number(dstheory: Callable[..., Outcome], value: str) -> None:
    assert math.isinf(float("1e400"))
    seen = list(options())
    assert len(seen) > 40
    for path, flag in seen:
        ran = dstheory(*path.split(), f"{flag}={value}")
        assert ran.code == 2, (path, flag)
        assert f"Invalid value for '{flag}" in ran.err
        assert f"'{value}' is not a finite number" in ran.err or "is not in the range" in ran.err or "must be finite" in ran.err


@pytest.mark.parametrize("value", ["inf", "nan", "1e12", "0", "-1", DIGITS])
def test_a_time_limit_is_at_most_a_day(dstheory: Callable[..., Outcome], value: str) -> None:
    ran = dstheory("verify", "--list", f"--time-limit={value}")
    assert ran.code == 2
    assert "is not a finite number" in ran.err or "is not in the range 0.1<=x<=86400" in ran.err
    assert len(ran.err) < 4000


def test_the_library_has_the_same_limit() -> None:
    from dstheory.claims.runner import verify
    from dstheory.errors import ClaimError

    for limit in (math.inf, math.nan, 1e12, 0.0):
        with pytest.raises(ClaimError, match=r"time_limit is .*: must be > 0 and <= 86400 seconds, which is a day"):
            verify("A1", time_limit=limit)
