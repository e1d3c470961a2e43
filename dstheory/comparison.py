r"""All objectives on one chain: how each splits its gradient between the stages, and how far it points away from the reward's.

Per objective: the three levels of :mod:`dstheory.attribution`; the decision's share of the energy when answers are ``longer``
times as long (length dependence); and the **tilt**, the angle between its gradient and that of the accuracy, grad E[R], stage by
stage and over both stages together. An angle of 0 for each stage with one of more over both means that the stages are moved the
right way at the wrong proportion; 90 degrees and more means that the accuracy gains nothing. Gradients are those of the logits
of all answers and decisions: in fewer parameters, such as M0's three, the stages have other proportions.

Source: derived here.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from dstheory.attribution import InfiniteEnergyWarning, attribute, gradient_level, norm, stage_energy
from dstheory.chain.exact import Solution, solve
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.checks import Floats
from dstheory.errors import ChainError
from dstheory.objectives import Objective, ReinforceBaseline, sampled_gradient
from dstheory.objectives.mass import StageGradient

Make = Callable[[TwoStageMDP], Objective]


@dataclass(frozen=True)
class Tilt:
    """Angles to the gradient of the accuracy, between gradients of logits, in degrees; NaN where a gradient is zero."""

    sample: float = float("nan")
    decide: float = float("nan")
    both: float = float("nan")


@dataclass(frozen=True)
class ObjectiveRow:
    """One row: an objective on a chain.

    Attributes:
        name, family: of the objective.
        balanced: level (i) on the trajectories that were looked at; None where there are none in common.
        norm_share, energy_share: the decision's share of the gradient's norms (ii) and of the Fisher energies (iii).
        energy_share_longer: the latter with answers ``longer`` times as long.
        tilt: angles to the gradient of the accuracy.
        claims: ids of the claims that speak about it.
        note: what keeps the row from being complete, or "".
        norm: of the whole gradient of the logits, over both stages.
    """

    name: str
    family: str
    balanced: bool | None = None
    norm_share: float = float("nan")
    energy_share: float = float("nan")
    energy_share_longer: float = float("nan")
    tilt: Tilt = Tilt()
    claims: tuple[str, ...] = ()
    note: str = ""
    norm: float = float("nan")


def angle(one: Floats, other: Floats) -> float:
    """Return the angle between two blocks in degrees, NaN if one of them is zero.

    >>> angle(np.array([1.0, 0.0]), np.array([1e-200, 1e-200]))
    45.0
    """
    lengths = [float(norm(block.ravel(), 1)) for block in (one, other)]
    if not all(lengths):
        return float("nan")
    u, v = one.ravel() / lengths[0], other.ravel() / lengths[1]
    # Exact for nearly parallel vectors, where the arc cosine is not (Kahan).
    return float(np.degrees(2.0 * np.arctan2(np.linalg.norm(u - v), np.linalg.norm(u + v))).round(9))


def tilt(gradient: StageGradient, reward: StageGradient) -> Tilt:
    """Return the angles between two gradients: of their sampling blocks, of their decision blocks, and of both together."""

    def both(g: StageGradient) -> Floats:
        return np.concatenate([g.sample.ravel(), g.decide.ravel()])

    return Tilt(angle(gradient.sample, reward.sample), angle(gradient.decide, reward.decide), angle(both(gradient), both(reward)))


def compare_objectives(
    mdp: TwoStageMDP,
    policy: Policy,
    objectives: Mapping[str, Make],
    *,
    longer: float = 8.0,
    rng: int = 0,
    progress: Callable[[int], None] | None = None,
) -> list[ObjectiveRow]:
    """Return one row per objective.

    Args:
        mdp: one chain, without run axes.
        policy: one policy, without run axes.
        objectives: how to make each objective for a chain, by name; made again for the chain with longer answers.
        longer: factor on the length of answers for the column on length.
        rng: seed, where level (i) has to sample trajectories.
        progress: called with the number of objectives that are done.

    >>> from dstheory.objectives import GRPO, Reinforce
    >>> mdp, policy = TwoStageMDP.minimal(gamma=1.0, sample_length=[[16, 48]]), Policy.minimal(p=0.55, a=0.8, b=0.3)
    >>> one, two = compare_objectives(mdp, policy, {"reinforce": lambda m: Reinforce(), "grpo": lambda m: GRPO()})
    >>> one.tilt.both, two.tilt.both > 1, two.balanced
    (0.0, True, True)
    """
    solution, stretched = solve(mdp, policy), solve(mdp.replace(sample_length=mdp.sample_length * longer), policy)
    reward = ReinforceBaseline().gradient(solution)
    rows: list[ObjectiveRow] = []
    for name, make in objectives.items():
        rows.append(_row(name, make, solution, stretched, reward, rng))
        if progress is not None:
            progress(len(rows))
    return rows


def _row(name: str, make: Make, solution: Solution, stretched: Solution, reward: StageGradient, rng: int) -> ObjectiveRow:
    objective = make(solution.mdp)
    nothing = ObjectiveRow(name, objective.family, claims=objective.claims)
    try:
        with warnings.catch_warnings():
            # A gradient that pushes what is never done has infinite energy: its share says so (NaN), once per row is enough.
            warnings.simplefilter("ignore", InfiniteEnergyWarning)
            split = attribute(objective, solution, rng=rng)
            later = attribute(make(stretched.mdp), stretched, coefficients=False)
    except ChainError as error:
        return _estimated(nothing, objective, solution, reward, rng, str(error))
    level, gradient = split.coefficient, split.by_logit
    balanced = None if level is None or level.zero else level.balanced
    if not (gradient.sample.any() or gradient.decide.any()):
        return replace(nothing, balanced=balanced, note="the expected gradient is zero", norm=0.0)
    return replace(
        nothing,
        balanced=balanced,
        norm_share=float(split.gradient.decision_share),
        energy_share=float(split.energy.decision_share),
        energy_share_longer=float(later.energy.decision_share),
        tilt=tilt(gradient, reward),
        norm=lengths(gradient)[2],
    )


def lengths(gradient: StageGradient) -> tuple[float, float, float]:
    """Return the norms of the sampling block, of the decision block, and of both together."""
    sample, decide = (float(norm(block.ravel(), 1)) for block in (gradient.sample, gradient.decide))
    return sample, decide, float(np.hypot(sample, decide))


def _estimated(
    row: ObjectiveRow, objective: Objective, solution: Solution, reward: StageGradient, rng: int, why: str
) -> ObjectiveRow:
    """Return the row from sampled batches, with its standard errors in the note; without one where that is impossible as well."""
    try:
        found = sampled_gradient(objective, solution, rng=rng)
    except ChainError:
        return replace(row, note=why)
    g = found.gradient
    sample, decide, both = lengths(g)
    error_sample, error_decide, _ = lengths(found.standard_error)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InfiniteEnergyWarning)
        energy = stage_energy(g, solution)
    return replace(
        row,
        norm_share=float(gradient_level(g, solution.policy)[0].decision_share),
        energy_share=float(energy.decision_share),
        tilt=tilt(g, reward),
        norm=both,
        note=f"sampled: |g_s| = {sample:.3g} +- {error_sample:.1g}, |g_d| = {decide:.3g} +- {error_decide:.1g} "
        f"in logits ({why.split(':')[0]})",
    )
