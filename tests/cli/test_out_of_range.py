"""A number that an option cannot take is a wrong call, in every command: exit code 2, with the rule, before anything runs."""

from __future__ import annotations

import click
import pytest
from cli.tree import commands

from dstheory.cli.options import Numbers, Ruled

# No number is out of their range: any finite one is a reward, a shift, a weight; the rest says itself what it can take.
_ANY = {"--shift", "--reward", "--resample-cost", "--reward-weights", "--demonstration-weights"}
_LATER = {"--cap", "--trunk", "--beta", "--coverage", "--length-weight", "--lr", "--clip-norm"}


def _numeric(option: click.Parameter) -> bool:
    return isinstance(option.type, (Ruled, Numbers, click.types.IntParamType, click.types.FloatParamType))


def test_numbers_out_of_range_are_usage_errors_of_every_option() -> None:
    checked = 0
    for path, command in commands():
        for option in command.params:
            if (
                not _numeric(option)
                or option.opts[0] in _ANY
                or (option.opts[0] in _LATER and not isinstance(option.type, Ruled))
            ):
                continue
            size = len(option.type.names) if isinstance(option.type, Numbers) else 1
            for bad in (-(10.0**9), -(10**9)):
                text = ",".join([f"{bad}"] * size)
                with pytest.raises(click.BadParameter):
                    option.type.convert(text, option, click.Context(click.Command(path)))
            checked += 1
    assert checked > 150


@pytest.mark.parametrize("bad", ["nan", "inf", "-inf", "1e400", "abc", ""])
def test_what_is_no_finite_number_is_a_usage_error(bad: str) -> None:
    for path, command in commands():
        for option in command.params:
            if _numeric(option) and not (bad in ("inf", "1e400") and isinstance(option.type, Ruled) and option.type.row.endless):
                with pytest.raises(click.BadParameter):
                    option.type.convert(bad, option, click.Context(click.Command(path)))


@pytest.mark.parametrize(
    "call",
    [
        "simulate --length-weight 3",
        "simulate --p 2",
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
def test_commands_end_with_2(dstheory, call: str, tmp_path) -> None:
    found = dstheory(*call.split())
    assert (found.code, found.out) == (2, "")
    assert "Error: " in found.err
    assert list(tmp_path.iterdir()) == []
