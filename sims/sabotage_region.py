"""When it pays to be wrong: where a reward for right decisions pushes P(correct) down.

The reward is +1 for stopping at a correct answer and +1 for resampling a wrong one, panels (a) and (b); a reward for the
final answer with a bonus eta for resampling a wrong one, panel (c).

What it shows, and why (claim B6-region). (a) The exact gradient on theta_s at p = 0.55, by the general engine; it is negative
where a chain that is always wrong and notices it is worth more than one that is always right. The black line is the boundary
in closed form, b(1 - gamma) + 2 gamma a b = a. It does not depend on p: the sign agrees with it at every point of the grid
and every p tried. (b) Without a future, being wrong pays wherever b > a; without discount it does as soon as b > 1/2, however
good a is. (c) A bonus of eta suffices above its line; without any bonus nothing does (B6; B6-loose says that no good reward
can).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from dstheory import Policy, TwoStageMDP, solve
from dstheory.experiments import Findings
from dstheory.objectives import Reinforce

if TYPE_CHECKING:
    from dstheory.checks import Floats

NAME = "sabotage-region"
CLAIMS = ("B6", "B6-loose", "B6-region")

GAMMA, GAMMAS = 0.9, (0.0, 0.5, 0.9, 1.0)
SHOWN, TRIED = 0.55, (0.02, 0.2, 0.55, 0.8, 0.98)
DECISIONS = {"stop_correct": 1.0, "resample_correct": 0.0, "stop_wrong": 0.0, "resample_wrong": 1.0}


def slope(p: float, a: Floats, b: Floats) -> Floats:
    """Return dV/dtheta_s of the minimal chain with a reward for right decisions."""
    mdp = TwoStageMDP.minimal(gamma=GAMMA, reward=DECISIONS)
    policy = Policy.minimal(p=p, a=a, b=b)
    return np.asarray(Reinforce().gradient(solve(mdp, policy)).parameters(policy)[0][..., 0])


def run(*, quick: bool, progress: Callable[[int, int], None] | None = None) -> Findings:
    """Compute gradients over the square of decision probabilities, compare their signs with the boundary, and draw both."""
    import xarray as xr

    from ._phases import sabotage_figure

    cells = 40 if quick else 200
    inside = (np.arange(cells) + 0.5) / cells
    b, a = np.meshgrid(inside, inside, indexing="ij")
    expected = b * (1 - GAMMA) + 2 * GAMMA * a * b > a
    agreeing, total, shown = 0, 0, np.zeros(a.shape)
    for done, p in enumerate(TRIED, start=1):
        found = slope(p, a, b)
        agreeing, total = agreeing + int(((found < 0) == expected).sum()), total + found.size
        if p == SHOWN:
            shown = found
        if progress is not None:
            progress(done, len(TRIED))
    edge = np.linspace(0, 1, 401)
    with np.errstate(divide="ignore", invalid="ignore"):
        lines = np.array([edge / ((1 - g) + 2 * g * edge) for g in GAMMAS])  # b at which the gradient vanishes; 0/0 at gamma = 1
    lines[GAMMAS.index(1.0)] = 0.5
    threshold = a * (1 - GAMMA * b) / (b * (1 - GAMMA * (1 - a)))
    data = xr.Dataset(
        {
            "slope": (("b", "a"), shown),
            "threshold": (("b", "a"), threshold),
            "boundary": (("gamma", "edge"), lines),
        },
        coords={"a": inside, "b": inside, "gamma": list(GAMMAS), "edge": edge},
        attrs={"p": SHOWN, "shown_gamma": GAMMA, "signs_compared": total, "signs_agreeing": agreeing},
    )
    caption = (__doc__ or "") + f"\nSigns that agree with the boundary: {agreeing:,} of {total:,}, at p = "
    caption += ", ".join(f"{p:g}" for p in TRIED) + "."
    return Findings(data, {NAME: sabotage_figure(data, gamma=GAMMA)}, caption=caption)
