"""What a sweep reports about any start and any end: policies, accuracies, and whose the gain is.

Source: derived here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dstheory.chain.exact import Solution, solve
from dstheory.chain.gain import GainSplit
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.checks import Floats
from dstheory.dynamics.sweeps.parameters import PARAMETERS

__all__ = ["alone", "outcome", "value_at"]


def value_at(settings: Mapping[str, Any], name: str) -> Any:
    """Return a parameter's value, or its default."""
    return settings.get(name, PARAMETERS[name].default)


def alone(settings: Mapping[str, Any], index: int) -> dict[str, Any]:
    """Return one setting of a batch, as numbers."""
    return {name: value[index].item() if isinstance(value, np.ndarray) else value for name, value in settings.items()}


def outcome(mdp: TwoStageMDP, start: Policy, before: Solution, end: Policy, runs: tuple[int, ...]) -> dict[str, Floats]:
    """Return what both kinds of sweep report about a start and an end, one number per run."""
    after = solve(mdp, end)

    def corner(sampling: Policy, decision: Policy) -> Floats:
        z, u = np.broadcast_arrays(sampling.sample_logits, decision.stop_logits)
        return solve(mdp, Policy(z, u)).mean_accuracy

    gain = GainSplit.of_corners(
        s0d0=before.mean_accuracy, s0d1=corner(start, end), s1d0=corner(end, start), s1d1=after.mean_accuracy
    )
    found = {
        "p_after": after.p,
        "a_after": after.a,
        "b_after": after.b,
        "accuracy": after.mean_accuracy,
        "turns": after.mean_turns,
        "value": after.mean_value,
        "accuracy_before": before.mean_accuracy,
        "gain": gain.gain,
        "gain_sample": gain.sample,
        "gain_decide": gain.decide,
        "decision_share": gain.decision_share,
    }
    return {name: np.broadcast_to(value, runs) for name, value in found.items()}
