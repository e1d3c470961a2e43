"""verl's and OpenRLHF's own functions give this package's coefficients, expected gradients and logged values.

Needs the libraries and what they import, which the other tests do not: `make peers-check` installs them.
"""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from peers.functions import FUNCTIONS, Call, small
from peers.trainings import TRAININGS

NEEDED = ("verl", "openrlhf", "ray", "torch")
needs_them = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in NEEDED),
    reason="verl and OpenRLHF are not installed, so there is nothing to compare with; `make peers-check` installs them",
)


@needs_them
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("call", [*FUNCTIONS, *TRAININGS], ids=lambda call: f"{call.library}: {call.name}")
def test_functions_give_what_is_computed_here(call: Call) -> None:
    gap, numbers, logged = call.largest_difference()
    assert gap < call.tolerance
    assert numbers >= 3
    assert logged == len(call.run()) - 1


@needs_them
def test_the_batch_is_off_the_policy_on_both_sides() -> None:
    b = small()
    ratio, negative = np.exp(b.new - b.old)[b.mask > 0], b.credit[b.mask > 0] < 0
    for chosen in (negative, ~negative):
        assert (ratio[chosen] < 0.8).any()
        assert (ratio[chosen] > 1.28).any()
    assert (ratio[negative] > 1.5).any()
    assert len({int(n) for n in b.lengths.ravel()}) >= 5


@needs_them
@pytest.mark.filterwarnings("ignore")
def test_settings_that_differ_are_told_apart() -> None:
    """No two functions of one kind give the same numbers, but for those that are said to be the same."""
    kinds = ["PolicyLoss", "SFTLoss"]
    for kind in kinds:
        ours = [call.run()[0][1] for call in FUNCTIONS if call.name.startswith(kind)]
        assert all(np.abs(one - other).max() > 1e-4 for i, one in enumerate(ours) for other in ours[:i])


def test_every_comparison_has_its_own_name() -> None:
    for kind in (FUNCTIONS, TRAININGS):
        assert len({(call.library, call.name) for call in kind}) == len(kind)
