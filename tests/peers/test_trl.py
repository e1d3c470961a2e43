"""This package's coefficients against those of TRL's own trainers, token by token, on and off the policy.

Needs TRL and PyTorch, which the other tests do not: `make peers-check` installs them into an environment of their own.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from peers.cases import CASES, Case, largest_difference

needs_trl = pytest.mark.skipif(
    importlib.util.find_spec("trl") is None,
    reason="TRL is not installed, so there is nothing to compare with; `make peers-check` installs it and runs this",
)
TOLERANCE = 5e-6
"""TRL computes in single precision: relative rounding 6e-8 for each of the few dozen operations behind a coefficient."""


@needs_trl
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_coefficients_are_those_of_trl(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    gap, tokens, steps = largest_difference(case, tmp_path)
    assert gap < TOLERANCE
    assert tokens >= 8
    assert len({int(n) for step in steps for n in step.lengths}) > 1  # lengths differ, or normalisers could not be told apart
    if len(steps) > 1 and steps[1].given("old_per_token_logps") is not None:
        ratio = np.exp(steps[1].log_pi - steps[1].given("old_per_token_logps"))[steps[1].mask > 0]
        assert ratio.max() > 1.3  # clipped above
        assert ratio.min() < 0.8  # and below
