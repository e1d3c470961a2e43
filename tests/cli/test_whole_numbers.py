"""Whole numbers that nobody can pay for are refused before anything is computed, with the remedy."""

from __future__ import annotations

import click
import pytest
from cli.tree import commands

from dstheory.cli.options import Whole
from dstheory.dynamics.parameters import PARAMETERS
from dstheory.errors import DSTheoryError

# Options whose size costs nothing, or of which the command itself says what it can do.
_FREE = {"--seed", "--micro-batches", "--ddof", "--answers", "--turns", "--prompts", "--cap"}


def test_every_option_for_whole_numbers_has_a_bound_and_says_why() -> None:
    whole = [(path, option) for path, command in commands() for option in command.params
             if isinstance(option.type, click.types.IntParamType)]  # fmt: skip
    assert len(whole) == 40  # so that none is passed over
    unbounded = {option.opts[0] for _, option in whole if not isinstance(option.type, Whole)}
    assert unbounded <= _FREE
    for path, option in whole:
        if isinstance(option.type, Whole):
            with pytest.raises(click.BadParameter, match=r"is more than [0-9,]+: .*(give|leave|write several)"):
                option.type.convert(option.type.most + 1, option, click.Context(click.Command(path)))
            assert option.type.convert(option.type.most, option, None) == option.type.most


@pytest.mark.parametrize("name", [name for name, row in PARAMETERS.items() if row.most is not None])
def test_parameters_are_bounded_in_sweeps_and_configurations_too(name: str) -> None:
    row = PARAMETERS[name]
    of = row.of[-1]
    assert row.most is not None
    assert row.value(row.most, of) == row.most
    with pytest.raises(DSTheoryError, match=f"^{name} is {row.most + 1:,}, more than {row.most:,}: .*(give|leave)"):
        row.value(row.most + 1, of)


def test_a_synthetic_log_of_too_many_episodes_is_refused(dstheory) -> None:
    found = dstheory("anatomy", "generate", "never.jsonl", "--problems", 100_000, "--trials", 1000)
    assert found.code == 2
    assert "600,000,000 episodes, more than 50,000,000" in found.err
