"""The source's own simulation, twice: with a reward for the final answer, and with a reward for each decision.

The source (arXiv 2601.01580) starts at theta_s, theta_C, theta_W = 0.2, 1.5, 1.0 and trains 10,000 steps with a KL penalty to a
reference that moves along. In its figure P(correct) falls from 0.55 to about 0.50 while both decision probabilities rise to
about 0.98.

What each row shows, and why (claim B6). A reward for the final answer cannot do that: its gradient on theta_s is positive at
every policy, so P(correct) rises. A reward for right decisions can: here +1 for stopping at a correct answer and +1 for
resampling a wrong one. Once wrong answers are noticed reliably, being wrong and noticing it pays more than being right at once:
the policy is in the sabotage region, and the gradient on theta_s is negative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from dstheory import Policy, TwoStageMDP, solve
from dstheory.dynamics import SGD, train
from dstheory.objectives import Reinforce, ReverseKLDirect

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

NAME = "source-figure"
CLAIMS = ("B6", "B6-loose", "B6-region")

START = (0.2, 1.5, 1.0)
REWARDS = {
    "final answer rewarded": {"stop_correct": 1.0, "resample_correct": 0.0, "stop_wrong": 0.0, "resample_wrong": 0.0},
    "right decisions rewarded": {"stop_correct": 1.0, "resample_correct": 0.0, "stop_wrong": 0.0, "resample_wrong": 1.0},
}
# The source does not print its remaining settings; these are such that the second row ends where its figure does.
GAMMA, BETA, ANSWER_LENGTH, LENGTH_WEIGHT, LR, RENEW_EVERY = 0.1, 0.5, 16.0, 0.5, 0.01, 1000


def run(*, quick: bool, progress: Callable[[int, int], None] | None = None) -> tuple[xr.Dataset, dict[str, Figure]]:
    """Train with both rewards and draw them one above the other."""
    import xarray as xr

    from dstheory.plots.source import source_figure

    steps = 400 if quick else 10_000
    histories = []
    for i, reward in enumerate(REWARDS.values()):
        mdp = TwoStageMDP.minimal(gamma=GAMMA, reward=reward, sample_length=ANSWER_LENGTH)
        start = Policy.minimal(theta=START)
        objective = Reinforce() + ReverseKLDirect(start, beta=BETA, length_weight=LENGTH_WEIGHT)
        result = train(
            mdp,
            start,
            objective,
            steps=steps,
            optimizer=SGD(lr=LR),
            reference_every=RENEW_EVERY,
            log_every=max(1, steps // 200),
            progress=None if progress is None else lambda done, i=i: progress(i * steps + done, 2 * steps),
        )
        history = result.history
        # The reward's own gradient at the logged policies: its sign on theta_s is what claim B6 is about.
        p, a, b = (history[k].values for k in "pab")
        at = Policy.minimal(p=p, a=a, b=b)
        (gradient,) = Reinforce().gradient(solve(mdp, at)).parameters(at)
        history["reward_gradient"] = (("step", "logit"), gradient)
        histories.append(history.assign_coords(logit=["theta_s", "theta_C", "theta_W"]))
    kinds = xr.DataArray(list(REWARDS), dims="reward", name="reward")
    data = xr.concat(histories, dim=kinds, coords="minimal", compat="override")
    data.attrs["lowest_p"] = [float(np.min(h.p)) for h in histories]
    return data, {NAME: source_figure(data)}
