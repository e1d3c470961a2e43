"""Whose gain is it: the decisions' share at the optimum of reward + KL, over length of answers and strength of the penalty.

Every point is a closed-form optimum (claim E1) of the minimal chain with terminal accuracy reward: its accuracy gain over the
reference, split between sampling and decisions by Shapley's rule. Only sampling is penalised by length.

What it shows, and why. (a) From the reference p, a, b = 0.55, 0.8, 0.3 the share tends to 1 as answers get longer (E3); below
beta = 0.1 the later the weaker the penalty, since what pins sampling is its temperature beta w_s. Along beta = 0.1 the share
has the values of E3-numbers. (b) It is not monotone (E3-monotone). Where correct answers are rare and wrong ones are hardly
ever resampled, another turn is worth something only as long as sampling is free: from some length on its value collapses, and
decisions lose faster than sampling. At lengths far beyond, the share tends to 1 all the same. Dashed: an accuracy gain of
0.1; above that line there is little left to share.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from dstheory import Policy, TwoStageMDP, split_gain
from dstheory.dynamics.soft_optimum import optimum

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

NAME = "decision-share"
CLAIMS = ("E1", "E3", "E3-numbers", "E3-monotone")

LONGEST = 2.0**14
REFERENCES = {
    r"$p,a,b=0.55,\,0.8,\,0.3$; $\gamma=0.95$": (0.55, 0.8, 0.3, 0.95),
    r"$p,a,b=0.01,\,0.99,\,0.02$; $\gamma=0.99$": (0.01, 0.99, 0.02, 0.99),
}


def run(*, quick: bool, progress: Callable[[int, int], None] | None = None) -> tuple[xr.Dataset, dict[str, Figure]]:
    """Solve the whole plane at once, for both references, and draw it."""
    import xarray as xr

    from ._phases import decision_share_figure

    fine = 1 if quick else 8
    weight = 2.0 ** np.linspace(0, 14, 14 * fine + 1)
    beta = 10.0 ** np.linspace(-3, 1, 20 * fine + 1)
    parts = []
    for done, (p, a, b, gamma) in enumerate(REFERENCES.values(), start=1):
        mdp = TwoStageMDP.minimal(sample_length=LONGEST, gamma=gamma)
        reference = Policy.minimal(p=p, a=a, b=b)
        best = optimum(mdp, reference, beta=beta[:, None], length_weight=np.log(weight) / np.log(LONGEST))
        parts.append(split_gain(mdp, reference, best.policy))
        if progress is not None:
            progress(done, len(REFERENCES))
    dims = ("reference", "beta", "weighted_length")
    data = xr.Dataset(
        {"share": (dims, np.array([part.decision_share for part in parts])), "gain": (dims, np.array([p.gain for p in parts]))},
        coords={"reference": list(REFERENCES), "beta": beta, "weighted_length": weight},
        attrs={"decision_length": 1},
    )
    return data, {NAME: decision_share_figure(data)}
