r"""How an objective's gradient splits between sampling and decision: three levels, always side by side.

(i) **Coefficients** (the source's notion): c_s against c_d on the same trajectory and turn. *Balanced* means equal on every
one, up to one discount factor between the stages. It depends on the gauge: baselines change it and leave the gradient alone.

(ii) **Gradient** (which SGD follows): norms of the two blocks, and with a shared trunk the cosine between their contributions.

(iii) **Fisher** (does not depend on the parametrisation): the stage energy
:math:`e = g^\top F^{+} g`, F the Fisher information of that stage under the policy's undiscounted occupancy d. For a tabular
policy

.. math::
    e_s = \sum_{k, x, y} \frac{g_s(k, x, y)^2}{\rho(x)\, d(k, x)\, \pi_s(y)}, \qquad
    e_d = \sum_{k, x, y} \frac{g_d(k, x, y)^2}{\rho(x)\, d(k, x)\, \pi_s(y)\, \pi_d(stop)\, \pi_d(res)}.

The two blocks of F are orthogonal (scores are martingale differences), so energies add up.

Source: level (i) arXiv 2601.01580, section 4; levels (ii) and (iii) derived here.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from dstheory.chain.exact import Solution, solve
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Features, Policy
from dstheory.chain.trajectories import Trajectories, enumerate_trajectories, sample_trajectories
from dstheory.checks import Bools, Floats
from dstheory.errors import ChainError, ImproperChainError, InfiniteDivergenceError, OneRunError
from dstheory.objectives.base import Objective
from dstheory.objectives.digits import STAGES, refuse_lost_digits, refuse_not_finite
from dstheory.objectives.mass import StageGradient
from dstheory.tables import Drawn, Table, short
from dstheory.texts import counted

T = TypeVar("T")

_MOST_STEPS = 1e6
_EQUAL = 1e-9  # relative to the trajectory's largest: coefficients are sums of a few of its rounded terms
_ALIKE = 1e-9  # of the largest singular value: what features have beyond is counted as nothing
_LARGEST = np.finfo(np.float64).max
_ROUNDING = 64 * np.finfo(np.float64).eps  # relative to the terms that are summed up: a few roundings of each


class InfiniteEnergyWarning(UserWarning):
    """A gradient pushes an action that the policy never takes, or all but never: its Fisher energy has no finite number."""


@dataclass(frozen=True, eq=False)
class StageSplit:
    """One non-negative quantity per stage, (*runs,) each."""

    sample: Floats
    decide: Floats

    @property
    def decision_share(self) -> Floats:
        """The share decide / (sample + decide), (*runs,); NaN where both are zero or infinite (there is nothing to share)."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.decide / (self.sample + self.decide))


@dataclass(frozen=True)
class CoefficientLevel:
    """Level (i): are the coefficients of the two stages equal on the same trajectory and turn?

    Attributes:
        balanced: equal on every trajectory and turn that was looked at, up to one discount factor and to 1e-9 of the trajectory's
            largest coefficient.
        zero: every coefficient that was looked at is 0, so that balance says nothing.
        undecided: no decision is drawn on any of these trajectories, so that there is nothing to compare an answer's with.
        factor: the discount factor c_s/c_d where balanced: 1, or gamma.
        ratio_low, ratio_high: the range of c_s/c_d (NaN if every c_d is 0, inf beyond the largest floating-point number).
        witness: the first trajectory and turn where they differ, in words, or "".
        evidence: which trajectories were looked at.
    """

    balanced: bool
    factor: float
    ratio_low: float
    ratio_high: float
    witness: str
    evidence: str
    zero: bool = False
    undecided: bool = False

    @property
    def verdict(self) -> str:
        """What was found, in words."""
        if self.undecided:
            return "no decision"
        if self.zero:
            return "all 0"
        if not self.balanced:
            return "unbalanced"
        return "balanced" if self.factor == 1.0 else f"balanced up to gamma = {self.factor:g}"


@dataclass(frozen=True, eq=False, repr=False)
class Attribution(Drawn):
    """How an objective's gradient splits between sampling and decision, at three levels, as :func:`attribute` returns it.

    Attributes:
        objective: name.
        coefficient: level (i), or None where the terms of a sum have no common trajectories, or with run axes.
        gradient: level (ii), norms of the two contributions to the parameter gradient.
        cosine: (*runs,) cosine between the two contributions in parameter space, NaN where one of them is zero; None for a
            tabular policy (disjoint blocks).
        energy: level (iii).
        by_logit: the gradient that all this is said of, see :func:`without_rounding`.

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> from dstheory.objectives import ReverseKLDirect
    >>> start, reference = Policy.minimal(p=0.55, a=0.8, b=0.3), Policy.minimal(p=0.5, a=0.5, b=0.5)
    >>> split = attribute(ReverseKLDirect(reference), solve(TwoStageMDP.minimal(), start))
    >>> split.coefficient.balanced, round(float(split.energy.decision_share), 3), float(split.cosine)
    (False, 0.96, 0.0)
    """

    objective: str
    coefficient: CoefficientLevel | None
    gradient: StageSplit
    cosine: Floats | None
    energy: StageSplit
    by_logit: StageGradient

    def table(self) -> Table:
        """Return the three levels, one per row."""
        rows = [
            (level, *map(short, (split.sample, split.decide, split.decision_share)))
            for level, split in (("gradient norm", self.gradient), ("Fisher energy", self.energy))
        ]
        first = self.coefficient
        verdict = "not compared" if first is None or first.undecided else first.verdict
        head = ("level", "sample", "decide", "decision share")
        update = r"g = \mathrm{E}\Bigl[\sum_k c_s\,\nabla\log\pi_s(y_k) + c_d\,\nabla\log\pi_d(d_k\mid y_k)\Bigr]"
        return Table(f"{self.objective}: coefficients {verdict}", head, rows, (update,))

    def columns(self) -> dict[str, Any]:
        """Return each level and run in a row: the two parts, and the decision's share."""
        found: dict[str, Any] = {"level": [], "run": [], "sample": [], "decide": [], "decision_share": []}
        for level, split in (("gradient norm", self.gradient), ("Fisher energy", self.energy)):
            parts = np.broadcast_arrays(split.sample, split.decide, split.decision_share)
            flat = [np.ravel(part) for part in parts]
            found["level"] += [level] * flat[0].size
            found["run"] += range(flat[0].size)
            for name, values in zip(("sample", "decide", "decision_share"), flat, strict=True):
                found[name] += values.tolist()
        return found


def attribute(
    objective: Objective,
    solution: Solution,
    *,
    rng: np.random.Generator | int = 0,
    limit: int = 20_000,
    coefficients: bool = True,
    digits: bool = True,
) -> Attribution:
    """Return the attribution of an objective at the three levels.

    Args:
        objective: any objective.
        solution: the chain under a policy.
        rng: for level (i) on chains with too many trajectories to enumerate.
        limit: the most trajectories to enumerate or sample for level (i).
        coefficients: leave level (i) out where only the gradient matters (training logs).
        digits: whether a gradient that is not finite, or has a row of fewer than nine digits, is refused.

    Raises:
        ChainError: other arguments than these; the gradient is not finite, or has too few digits.

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> from dstheory.objectives import Reinforce
    >>> split = attribute(Reinforce(), solve(TwoStageMDP.minimal(), Policy.minimal(p=0.55, a=0.8, b=0.3)))
    >>> split.coefficient.balanced, float(split.energy.decision_share.round(4))
    (True, 0.2518)
    >>> split
    reinforce: coefficients balanced
    level          sample  decide  decision share
    gradient norm  0.24    0.085   0.261
    Fisher energy  0.176   0.0594  0.252
    """
    if not (isinstance(objective, Objective) and isinstance(solution, Solution)):
        raise ChainError(
            f"got {type(objective).__name__} and {type(solution).__name__}: give an Objective, such as Reinforce(), "
            "then the Solution that solve(mdp, policy) returns"
        )
    g = _by_run(objective, solution, digits)
    level_i = None
    single = not solution.policy.runs and not solution.mdp.runs and g.sample.ndim == 3
    if coefficients and single and objective.measure != "mixed":
        level_i = coefficient_level(objective, solution, rng=rng, limit=limit)
    norms, cosine = gradient_level(g, solution.policy)
    return Attribution(objective.name, level_i, norms, cosine, stage_energy(g, solution), g)


def _by_run(objective: Objective, solution: Solution, digits: bool) -> StageGradient:
    """Return the gradient of every run: side by side, or run by run where the objective's rule is that of one."""
    found = of_runs(lambda solution: without_rounding(objective, solution, digits=digits), solution)
    if isinstance(found, StageGradient):
        return found
    tables = (np.stack(table) for table in ([g.sample for g in found], [g.decide for g in found]))
    return StageGradient(*(table.reshape(*solution.policy.runs, *table.shape[1:]) for table in tables))


def of_runs(function: Callable[[Solution], T], solution: Solution) -> T | list[T]:
    """Return a function of all runs of a policy side by side; where it says that its rule is that of one, a list, run by run.

    Raises:
        ChainError: what the function refuses, and of which run.
    """
    policy = solution.policy
    try:
        return function(solution)
    except (ImproperChainError, InfiniteDivergenceError):
        raise  # of some runs, which the message names
    except ValueError as error:
        if not policy.runs:
            raise
        found = []
        for i, one in enumerate(policy.each_run()):
            try:
                found.append(function(solve(solution.mdp, one)))
            except (ImproperChainError, InfiniteDivergenceError, OneRunError):
                raise
            except ValueError as refused:
                raise ChainError(f"run {tuple(map(int, np.unravel_index(i, policy.runs)))}: {refused}") from refused
        if not isinstance(error, OneRunError):
            raise
        return found


def without_rounding(objective: Objective, solution: Solution, *, digits: bool = True) -> StageGradient:
    """Return the gradient, with 0 for a stage's block that is what rounding leaves of terms that cancel: it has no direction.

    The terms are the objective's own (:meth:`Objective.magnitude`): a small gradient made of small terms stays as it is.

    Raises:
        ChainError: where ``digits`` are asked for, the gradient is not finite, or another block has rows of fewer than nine.

    >>> from dstheory import TwoStageMDP
    >>> from dstheory.objectives import K1Loss
    >>> s = solve(TwoStageMDP.minimal(), Policy.minimal(p=0.55, a=0.8, b=0.3))
    >>> without_rounding(K1Loss(Policy.minimal(p=0.5, a=0.5, b=0.5)), s).decide.tolist()
    [[[0.0, 0.0]]]
    """
    g, sizes = objective.ascent_and_magnitude(solution)
    if digits:
        refuse_not_finite(objective, solution, g)
    left = StageGradient(*(_rounded(block, size, 3) for block, size in zip((g.sample, g.decide), sizes, strict=True)))
    if digits:
        refuse_lost_digits(objective, solution, g, [stage for stage in STAGES if getattr(left, stage).any()])
    return left


def _rounded(block: Floats, size: Floats, axes: int) -> Floats:
    """Return a block, or 0 for the runs in which all of it is rounding of terms of that size."""
    noise = np.abs(block).max(axis=tuple(range(-axes, 0))) <= _ROUNDING * size
    return np.where(noise.reshape(noise.shape + (1,) * axes), 0.0, block) if noise.any() else block


def _pulled_back(g: StageGradient, features: Features) -> tuple[Floats, Floats]:
    """Return the contributions of both stages to the gradient of shared parameters, 0 where logits' gradients cancel."""
    by_sample, by_decide = features.pull_back(g.sample, g.decide)
    sizes = [
        np.einsum("kxyp,...kxy->...p", np.abs(a), np.abs(block)).max(axis=-1)
        for a, block in ((features.sample, g.sample), (features.decide, g.decide))
    ]
    return _rounded(by_sample, sizes[0], 1), _rounded(by_decide, sizes[1], 1)


# ---------------------------------------------------------------------- level (i)


def coefficient_level(
    objective: Objective, solution: Solution, *, rng: np.random.Generator | int = 0, limit: int = 20_000
) -> CoefficientLevel:
    """Compare c_s with c_d on every trajectory and turn: enumerated where possible, else sampled (the evidence says which).

    Raises:
        ChainError: the objective is a sum whose terms have no common trajectories, a class of its own changes its mass and not
            its coefficients, or the chain has run axes.
    """
    if solution.policy.runs or solution.mdp.runs:
        raise OneRunError(
            f"coefficients are those of one run, but the policy has runs {solution.policy.runs}, the chain {solution.mdp.runs}: "
            "pick one"
        )
    look, behaviour = _look_at_again if isinstance(rng, int) else _look_at, objective.behaviour(solution)
    t, evidence = look(behaviour, solution.mdp, rng, limit)
    try:
        c_s, c_d = objective.known_coefficients(solution, t)
    except ChainError:  # of trajectories whose probability rounds to 0, terms may be infinite, with unlike signs
        if t.weight.all():
            raise
        rare = len(t) - np.count_nonzero(t.weight)
        t = t.only(t.weight > 0)
        c_s, c_d = objective.known_coefficients(solution, t)
        evidence += f", but for {rare:,} whose probability rounds to 0: no number holds all of their coefficients"
    met = _met(behaviour, t)
    if not met.any():
        evidence += ", on which no decision is drawn"
    beyond = met & np.isinf(c_s) & np.isinf(c_d)  # ratios of probabilities at actions that are all but ruled out
    if beyond.any():
        turns = counted(int(beyond.sum()), "turn")
        evidence += f", but for {turns} where both coefficients are beyond the largest floating-point number"
    found = _compared(t, c_s, c_d, met & ~beyond, float(solution.mdp.gamma_within))
    return CoefficientLevel(
        balanced=bool(found.balanced),
        factor=float(found.factor),
        ratio_low=float(found.low),
        ratio_high=float(found.high),
        witness=_describe(t, found.differs, *found.coefficients),
        evidence=evidence,
        zero=bool(found.zero),
        undecided=not met.any(),
    )


def coefficient_levels(objective: Objective, mdp: TwoStageMDP, policies: Sequence[Policy], *, limit: int = 20_000) -> Floats:
    """Return what :func:`coefficient_level` finds for each of several policies: whether balanced, and the range of c_s/c_d.

    Args:
        objective: any objective whose terms have common trajectories.
        mdp: one chain, without run axes.
        policies: with parameters of the same shapes, each without run axes.
        limit: the most trajectories to enumerate or sample.

    Returns:
        (3, number of policies): 1 or 0 where balanced or not, the lowest and the highest ratio; NaN where there is nothing to
        compare (no decision, or coefficients that are all 0), and for an objective whose class changes its mass and not its
        coefficients.
    """
    if objective.without_rule:
        return np.full((3, len(policies)), np.nan)
    blocks = zip(*(policy.parameters for policy in policies), strict=True)
    together = solve(mdp, policies[0].with_parameters(tuple(np.stack(block) for block in blocks)))
    found = _compared_together(objective, together, policies[0], limit)
    if found is None:
        levels = [coefficient_level(objective, solve(mdp, policy), limit=limit) for policy in policies]
        rows = [(np.nan if level.zero else level.balanced, level.ratio_low, level.ratio_high) for level in levels]
        return np.array(rows, dtype=np.float64).T
    balanced = np.where(found.zero, np.nan, found.balanced)
    return np.array([np.broadcast_to(part, len(policies)) for part in (balanced, found.low, found.high)])


def _compared_together(objective: Objective, solution: Solution, first: Policy, limit: int) -> _Compared | None:
    """Compare the coefficients of all runs on the same trajectories; None where these differ, or each run has to be asked."""
    behaviour = objective.behaviour(solution)
    if isinstance(behaviour, Policy) and behaviour.runs:
        actions, inside = (behaviour.log_sample, behaviour.log_stop, behaviour.log_resample), solution.mdp.inside
        ruled_out = any((log[..., inside] == -np.inf).any() for log in actions)
        if behaviour is not solution.policy or ruled_out or not _enumerated(solution.mdp, limit):
            return None
        behaviour = first
    t, _ = _look_at_again(behaviour, solution.mdp, 0, limit)
    both = objective.together(solution, t)
    if both is None or not all(np.isfinite(c).all() for c in both):
        return None
    return _compared(t, *both, _met(behaviour, t), float(solution.mdp.gamma_within))


def _met(behaviour: Policy | Trajectories, t: Trajectories) -> Bools:
    """Return the steps at which coefficients are compared: all decisions, but for recorded trajectories of weight 0."""
    return t.decided & (t.weight[t.episode] > 0) if behaviour is t else t.decided


@dataclass(frozen=True, eq=False)
class _Compared:
    """What a comparison of c_s with c_d finds, (*runs,) each; where they differ, (*runs, m), and both, 0 where not looked at."""

    balanced: Bools
    factor: Floats
    low: Floats
    high: Floats
    zero: Bools
    differs: Bools
    coefficients: tuple[Floats, Floats]


def _compared(t: Trajectories, c_s: Floats, c_d: Floats, met: Bools, gamma: float) -> _Compared:
    """Compare coefficients, (*runs, m) each, at the steps that are met."""
    c_s, c_d = (np.where(met, np.clip(c, -_LARGEST, _LARGEST), 0.0) for c in np.broadcast_arrays(c_s, c_d))
    larger = np.maximum(np.abs(c_s), np.abs(c_d))
    # Each trajectory by its own scale: where one is paid 1e12, others still differ.
    allowed = _EQUAL * (0.5 * np.maximum.reduceat(larger, t.offsets[:-1], axis=-1)[..., t.episode])
    differs, of_gamma = (np.abs(0.5 * c_s - factor * (0.5 * c_d)) > allowed for factor in (1.0, gamma))
    equal, discounted, zero = (np.asarray(~found.any(axis=-1)) for found in (differs, of_gamma, larger))
    there = met & (c_d != 0.0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = c_s / c_d
    some = there.any(axis=-1)
    low, high = (
        np.where(some, over(ratio, axis=-1, where=there, initial=start), np.nan)
        for over, start in ((np.min, np.inf), (np.max, -np.inf))
    )
    return _Compared(
        balanced=equal | discounted,
        factor=np.where(equal | ~discounted, 1.0, gamma),
        low=low,
        high=high,
        zero=zero,
        differs=np.where(discounted[..., None], False, differs),
        coefficients=(c_s, c_d),
    )


def _look_at(
    behaviour: Policy | Trajectories, mdp: TwoStageMDP, rng: np.random.Generator | int, limit: int
) -> tuple[Trajectories, str]:
    if isinstance(behaviour, Trajectories):
        return behaviour, f"all {len(behaviour):,} recorded trajectories"
    if deepest := _enumerated(mdp, limit):
        looked = enumerate_trajectories(mdp, behaviour, max_turns=deepest, limit=2 * limit)
        return looked, "all trajectories" if mdp.max_turns else f"all trajectories of at most {counted(deepest, 'turn')}"
    # Long episodes are sampled fewer times: a million steps say as much.
    turns = float(solve(mdp, behaviour).mean_turns)
    n = int(max(1.0, min(limit, _MOST_STEPS / turns)))
    return sample_trajectories(mdp, behaviour, n, rng=rng), f"{n:,} sampled trajectories"


_DEEPEST = 8
"""Turns of the longest trajectories that are enumerated where a chain has no cap."""


def _enumerated(mdp: TwoStageMDP, limit: int) -> int:
    """Return how many turns the trajectories have that are enumerated; 0 where there are too many of them."""
    # Trajectories that end at turn k number at most sum_x n_x^k: go as deep as the limit allows.
    counts = mdp.n_answers[mdp.prompt_weight > 0].astype(float)
    deepest, total = 0, 0.0
    while deepest < (mdp.max_turns or _DEEPEST) and total + float((counts ** (deepest + 1)).sum()) <= limit:
        deepest += 1
        total += float((counts**deepest).sum())
    return deepest if deepest == mdp.max_turns or (mdp.max_turns is None and deepest >= 2) else 0


_look_at_again = lru_cache(maxsize=4)(_look_at)  # terms of a sum, and steps of training on demonstrations, have one behaviour


def _describe(t: Trajectories, differs: Bools, c_s: Floats, c_d: Floats) -> str:
    if not differs.any():
        return ""
    # The shortest trajectory is the easiest to check by hand.
    bad = np.flatnonzero(differs)
    step = int(bad[np.argmin(t.turns[t.episode[bad]])])
    episode = int(t.episode[step])
    begin, end = int(t.offsets[episode]), int(t.offsets[episode + 1])
    path = ", ".join(
        f"answer {int(t.answer[i])} {'stop' if t.stop[i] and t.decided[i] else 'submit' if t.stop[i] else 'resample'}"
        for i in range(begin, end)
    )
    return f"prompt {int(t.prompt[episode])}: {path}; at turn {step - begin} c_s = {c_s[step]:.6g}, c_d = {c_d[step]:.6g}"


# ---------------------------------------------------------------------- level (ii)


def norm(block: Floats, axes: int) -> Floats:
    """Return the Euclidean norm over the last axes; scaled first, so that squares neither overflow nor underflow.

    >>> norm(np.array([3e-200, 4e-200]), 1).tolist()
    5e-200
    """
    over = tuple(range(-axes, 0))
    top = np.abs(block).max(axis=over, keepdims=True)
    scaled = np.divide(block, top, out=np.zeros_like(block), where=top > 0)
    return np.asarray(np.squeeze(top, over) * np.sqrt(np.square(scaled).sum(axis=over)))


def gradient_level(g: StageGradient, policy: Policy) -> tuple[StageSplit, Floats | None]:
    """Return the norms of both stages' contributions to the gradient of a policy's parameters, and the cosine between these."""
    if policy.features is None:
        return StageSplit(norm(g.sample, 3), norm(g.decide, 3)), None
    by_sample, by_decide = _pulled_back(g, policy.features)
    split = StageSplit(norm(by_sample, 1), norm(by_decide, 1))
    with np.errstate(invalid="ignore"):
        unit_s, unit_d = by_sample / split.sample[..., None], by_decide / split.decide[..., None]
    return split, np.asarray((unit_s * unit_d).sum(axis=-1))


# ---------------------------------------------------------------------- level (iii)


def stage_energy(g: StageGradient, solution: Solution) -> StageSplit:
    r"""Return the Fisher energies :math:`g^\top F^+ g` of both stages, (*runs,) each.

    For a policy that is linear in its parameters F is that stage's block in parameter space, so restricting a policy can only
    lower its energy. Features that agree to nine digits count as one. Warns :class:`InfiniteEnergyWarning` where a gradient
    pushes an action of probability zero.
    """
    policy = solution.policy
    if policy.features is None:
        answers, choices = _weights(solution)
        energies = _diagonal_energy(g.sample, answers), _diagonal_energy(g.decide, choices)
    else:
        by_sample, by_decide = _pulled_back(g, policy.features)
        of_sample, of_decide = natural_coordinates(solution)
        energies = _form_energy(by_sample, *of_sample), _form_energy(by_decide, *of_decide)
    if not (np.isfinite(energies[0]).all() and np.isfinite(energies[1]).all()):
        warnings.warn(
            "the gradient pushes an action that the policy takes with probability 0, or all but 0: its Fisher energy is infinite "
            "there, or beyond the largest number",
            InfiniteEnergyWarning,
            stacklevel=2,
        )
    return StageSplit(*energies)


@dataclass(frozen=True, eq=False)
class FisherInformation:
    """Fisher information of both stages.

    For a tabular policy the weights d pi_s and d pi_s pi_d(stop) pi_d(res) of each logit, (*runs, K, X, Y) (the sampling block of
    a state is diag(d pi) - d pi pi^T); for a linear one matrices (*runs, P, P).
    """

    sample: Floats
    decide: Floats


def fisher_information(solution: Solution) -> FisherInformation:
    """Return the Fisher information of both stages under the policy's undiscounted occupancy, prompt distribution included."""
    if solution.policy.features is not None:
        return FisherInformation(*(np.swapaxes(root, -1, -2) @ root for root in _roots(solution)))
    return FisherInformation(*_weights(solution))


def _weights(solution: Solution) -> tuple[Floats, Floats]:
    """Return d pi_s and d pi_s pi_d(stop) pi_d(res) of each logit."""
    policy, pol = solution.policy, solution.unrolled
    visits = solution.occupancy[..., None]  # (*runs, T', X, 1)
    decisions = visits * pol.decided
    if policy.shape[0] == 1:
        visits, decisions = visits.sum(axis=-3, keepdims=True), decisions.sum(axis=-3, keepdims=True)
    pi, variance = policy.sample_prob, policy.stop_prob * policy.resample_prob
    with np.errstate(invalid="ignore"):  # endless visits to an action that is never taken: never taken
        answers = np.where(pi == 0.0, 0.0, visits * pi)
        choices = np.where((pi == 0.0) | (variance == 0.0), 0.0, decisions * pi * variance)
    return answers, choices


def _roots(solution: Solution) -> list[Floats]:
    """Return the scores of a linear policy times the roots of their weights, (*runs, K X Y, P), of both stages."""
    features = solution.policy.features
    assert features is not None
    mean = np.einsum("...kxy,kxyp->...kxp", solution.policy.sample_prob, features.sample)
    roots = []
    for weight, scores in zip(_weights(solution), (features.sample - mean[..., None, :], features.decide), strict=True):
        # Endless visits (an undiscounted occupancy without end) count as a very large number: their energy is zero either way.
        root = np.sqrt(np.minimum(weight, 1e150))[..., None] * scores
        roots.append(root.reshape(*root.shape[:-4], -1, root.shape[-1]))
    return roots


def _diagonal_energy(g: Floats, information: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # divided first: a square may underflow
        terms = np.where(g == 0.0, 0.0, np.square(g / np.sqrt(information)))
        return np.asarray(terms.sum(axis=(-3, -2, -1)))


def natural_coordinates(solution: Solution) -> tuple[_Natural, _Natural]:
    r"""Return, of each stage of a linear policy, D, V and C: :math:`g^\top F^+ g` is the square of C D g.

    D, (*runs, P), makes the diagonal of F one, so that tiny and large curvatures count alike. V and C, (*runs, R, P), are the
    right singular vectors of the root of D F D, and these over their singular values: 0 where those are nothing beside the
    largest. Of features that are nearly alike F loses twice as many digits as its root.
    """
    found = _known.get(solution)
    if found is None:
        of_sample, of_decide = _roots(solution)
        found = _known[solution] = _natural(of_sample), _natural(of_decide)
    return found


_Natural = tuple[Floats, Floats, Floats]
_known: WeakKeyDictionary[Solution, tuple[_Natural, _Natural]] = WeakKeyDictionary()
"""Computed once for all objectives on a chain under a policy."""


def _natural(root: Floats) -> _Natural:
    length = norm(np.swapaxes(root, -1, -2), 1)
    scale = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)
    _, values, vectors = np.linalg.svd(np.linalg.qr(root * scale[..., None, :], mode="r"), full_matrices=False)
    seen = values > _ALIKE * values[..., :1]
    inverse = np.divide(1.0, values, out=np.zeros_like(values), where=seen)
    return scale, vectors * seen[..., None], vectors * inverse[..., None]


def _form_energy(g: Floats, scale: Floats, vectors: Floats, coordinates: Floats) -> Floats:
    """Return g^T F^+ g, from :func:`natural_coordinates`."""
    scaled_g = g * scale
    with np.errstate(over="ignore"):  # what leaves the floats is infinite, as outside the range
        energy = np.square(np.einsum("...rp,...p->...r", coordinates, scaled_g)).sum(axis=-1)
    # Outside the range of F no energy is finite: a direction that changes no probability the policy ever uses.
    within = np.einsum("...rp,...r->...p", vectors, np.einsum("...rp,...p->...r", vectors, scaled_g))
    outside = np.abs(within - scaled_g).max(axis=-1) > 1e-6 * (1e-300 + np.abs(scaled_g).max(axis=-1))
    outside |= ((scale == 0.0) & (g != 0)).any(axis=-1)
    return np.asarray(np.where(outside, np.inf, energy))
