"""verl's, OpenRLHF's and TRL's own functions give this package's coefficients, expected gradients and logged values.

Needs the libraries and what they import, which the other tests do not: `make peers-check` installs them.
"""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from peers.functions import FUNCTIONS, Call, small
from peers.trainings import TRAININGS

NEEDED = ("verl", "openrlhf", "ray", "torch", "trl")
needs_them = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in NEEDED),
    reason="verl, OpenRLHF and TRL are not installed, so there is nothing to compare with; `make peers-check` installs them",
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
    kinds = ["PolicyLoss", "SFTLoss", "DPOTrainer", "GKDTrainer"]
    for kind in kinds:
        ours = [call.run()[0][1] for call in FUNCTIONS if call.name.startswith(kind)]
        assert all(np.abs(one - other).max() > 1e-4 for i, one in enumerate(ours) for other in ours[:i])


def test_every_comparison_has_its_own_name() -> None:
    for kind in (FUNCTIONS, TRAININGS):
        assert len({(call.library, call.name) for call in kind}) == len(kind)


@needs_them
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kl", [0.05, 0.1, 0.11, 0.4])
def test_an_adaptive_kl_follows_the_rule_that_is_stated(kl: float) -> None:
    """Times 1 + clip(KL/target - 1, -0.2, 0.2) n/horizon: at rest where the KL is the target."""
    from peers import loading

    target, horizon, n = 0.1, 10_000, 512
    theirs = [loading.verl().AdaptiveKLController(0.01, target, horizon), loading.openrlhf_controller()(0.01, target, horizon)]
    for controller in theirs:
        controller.update(kl, n)
        assert controller.value == pytest.approx(0.01 * (1 + float(np.clip(kl / target - 1, -0.2, 0.2)) * n / horizon), rel=1e-12)
        assert (controller.value == 0.01) == (kl == target)
