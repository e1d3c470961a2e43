"""One statement of each related work in the two-stage chain: verdicts, effect on each stage, and what pictures say better.

Tables: every claim with its verdict, method and what was derived here; and, for each work, how its update splits between sampling
and decision at the three levels, computed on one lopsided minimal chain, p = 0.35, a = 0.8, b = 0.6, answers of 16 tokens (H3 and
H8: on chains of their own).

Figures. *confidence*: a policy over stated confidences, its location learned and its width fixed, under the log score; divided
by the group's standard deviation it runs to an extreme for every chance q other than 1/2, unscaled it stops at q (claims H3,
H3-unscaled). *rejection*: the chance that tau tokens mislead, exactly, against the exponential bounds (H4). *majority*: a
majority of verifiers keeps the sign of the gradient, which is reversed where the error rates of one add up to more than 1; it
surely makes the gradient larger where both rates are below 1/2, and elsewhere may shrink it (H9, H9-majority). *curves*: accuracy
by round, predicted by the chain with decisions and by the self-correction chain for problems that were not used in the fit (A6),
on simulated logs: of a homogeneous chain, of one with a p per problem, and of a model that looks at every answer again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from dstheory.experiments import Findings

if TYPE_CHECKING:
    import xarray as xr

NAME = "neighbours"
CLAIMS = ("H1", "H2", "H3", "H3-unscaled", "H4", "H5", "H6", "H7-stages", "H8", "H9", "H9-majority", "A6")

SEED = 0
BETTER = (0.55, 0.7)
VERIFIERS = {"0.2, 0.3": (0.2, 0.3), "0.45, 0.4": (0.45, 0.4), "0.75, 0.125": (0.75, 0.125), "0.6, 0.7": (0.6, 0.7)}


def confidence_drift(*, quick: bool) -> xr.DataArray:
    """Follow a policy whose stated confidence has a logit of mean m and fixed width: the natural gradient of m, step by step.

    A linear policy: the logit of stating x = logit c is (m x - x^2/2)/w^2, the Fisher information of m is 1/w^2 up to the ends.
    """
    import xarray as xr

    from dstheory import Features, Policy
    from dstheory.extensions import confidence_gradient

    x = np.linspace(-8.0, 8.0, 161)
    stated, width, step = 1 / (1 + np.exp(-x)), 0.4, 0.5
    chances, times = [0.3, 0.5, 0.7], np.arange(0.0, 20.0 if quick else 120.0, step)
    slope = (x / width**2)[None, None, :, None]
    features = Features(slope, np.zeros_like(slope), sample_offset=(-(x**2) / (2 * width**2))[None, None, :])
    found = np.empty((len(chances), 2, len(times)))
    for i, q in enumerate(chances):
        for scaled in (False, True):
            m = 0.0
            for k in range(len(times)):
                policy = Policy.linear(features, [m])
                found[i, int(scaled), k] = policy.sample_prob[0, 0] @ stated
                m += step * float(x @ confidence_gradient(policy, stated, q, scaled=scaled))
                m = min(max(m, -7.0), 7.0)  # confidences end here: beyond, the width would shrink
    coords = {"chance": chances, "scaled": [False, True], "step": times}
    return xr.DataArray(found, coords=coords, dims=("chance", "scaled", "step"))


def rejections(*, quick: bool) -> xr.Dataset:
    """Tabulate early rejection by tokens seen."""
    import xarray as xr

    from dstheory.extensions import early_rejection

    taus = np.arange(1, 21 if quick else 101)
    rows = [[early_rejection(int(t), better=p, worse=1 - p, length=int(taus[-1])) for t in taus] for p in BETTER]
    names = ("not_ahead", "behind", "bound", "plain_bound")
    variables = {f"log_{name}": (("better", "tau"), [[getattr(r, name) for r in row] for row in rows]) for name in names}
    return xr.Dataset(variables, coords={"better": list(BETTER), "tau": taus})


def majorities(*, quick: bool) -> xr.DataArray:
    """Tabulate the gradient factor of a majority of n verifiers."""
    import xarray as xr

    from dstheory.extensions import verifier_effect

    n = [1, 3, 5, 9, 15] if quick else sorted({int(2 * round((10**e - 1) / 2) + 1) for e in np.linspace(0, 3, 60)})
    rates = np.array(list(VERIFIERS.values())).T
    factor = np.stack([verifier_effect(false_reject=rates[0], false_accept=rates[1], n=m).factor for m in n], axis=-1)
    return xr.DataArray(factor, coords={"verifier": list(VERIFIERS), "n": n}, dims=("verifier", "n"))


def simulated_curves(*, quick: bool) -> dict[str, Any]:
    """Compare the two theories on logs of three worlds."""
    from dstheory.anatomy import simulate_log

    from ._curves import predict_curves

    problems = 400 if quick else 8000
    log, held = looked_at_again(problems, p=0.4, a=0.95, b=0.6, rounds=8, rng=SEED + 2)
    setting: dict[str, Any] = {"p": 0.4, "a": 0.95, "b": 0.6, "cap": 8}
    return {
        "stops final, one p": predict_curves(simulate_log(problems, **setting, rng=SEED), rounds=8, rng=SEED),
        "stops final, p varies": predict_curves(
            simulate_log(problems, **setting, concentration=1.5, rng=SEED + 1), rounds=8, rng=SEED
        ),
        "all looked at again": predict_curves(log, rounds=8, held=held, rng=SEED),
    }


def looked_at_again(problems: int, *, p: float, a: float, b: float, rounds: int, rng: int) -> tuple[Any, Any]:
    """Simulate a model that decides about every answer in every round, also about one that it kept before.

    Returns:
        The log up to the first kept answer, which is all that a chain with final stops knows of, and (N, R) whether the answer
        held after each round is correct.
    """
    from dstheory.anatomy import Episodes

    generator = np.random.default_rng(rng)
    held, kept = np.empty((problems, rounds), dtype=bool), np.zeros((problems, rounds), dtype=bool)
    held[:, 0] = generator.random(problems) < p
    for t in range(1, rounds):
        kept[:, t - 1] = generator.random(problems) < np.where(held[:, t - 1], a, 1 - b)
        held[:, t] = np.where(kept[:, t - 1], held[:, t - 1], generator.random(problems) < p)
    length = np.where(kept.any(axis=1), kept.argmax(axis=1) + 1, rounds)
    shown = np.arange(rounds) < length[:, None]
    log = Episodes(
        offsets=np.concatenate([[0], np.cumsum(length)]), correct=held[shown], stopped=kept[shown],
        capped=np.asarray(~kept.any(axis=1)), problem=np.arange(problems),
        problem_ids=[f"problem-{i}" for i in range(problems)], cap=np.full(problems, rounds),
    )  # fmt: skip
    return log, held


def run(*, quick: bool, progress: Callable[[int, int], None] | None = None) -> Findings:
    """Compute the tables and the four figures."""
    import xarray as xr

    from . import _neighbours as shared

    def said(done: int) -> None:
        if progress is not None:
            progress(done, 4)

    data = xr.Dataset({"confidence": confidence_drift(quick=quick), "factor": majorities(quick=quick)}).merge(
        rejections(quick=quick)
    )
    said(1)
    curves = simulated_curves(quick=quick)
    by_round = shared.dataset(curves)
    said(2)
    claims = shared.claims()
    tables = {"works": shared.works(claims), "claims": claims, "curves": shared.errors(curves)}
    said(4)
    figures = {
        "confidence": shared.confidence_figure(data),
        "rejection": shared.rejection_figure(data),
        "majority": shared.majority_figure(data),
        "curves": shared.curves_figure(by_round),
    }
    ends = data.confidence.isel(step=-1)
    drift = "; ".join(
        f"q = {q:g}: unscaled {float(ends.sel(chance=q, scaled=False)):.3f}, scaled {float(ends.sel(chance=q, scaled=True)):.3f}"
        for q in data.chance.values
    )
    caption = "\n".join(
        [
            f"Mean stated confidence at the end, {float(data.step[-1]):g} units of time: {drift}.",
            *(f"{name}: {shared.sentence(found)}" for name, found in curves.items()),
        ]
    )
    return Findings(data.merge(by_round).assign_attrs(seed=SEED), figures, tables, caption)
