r"""The checks that every objective of this package passes, for one of your own.

On lopsided chains (several prompts, unequal numbers of answers, unequal lengths, skewed rewards; tabular, turn-indexed and linear
policies) the closed form is compared with

* the sum over every trajectory of coefficient x score, on capped chains;
* the closed form of ever later caps, on a chain without one;
* central differences of the scalar J, if the objective states one;
* the average over sampled trajectories, within five standard errors.

The credit of an objective of groups is also asked whether it is one of the group alone, whatever the order of responses, and
whether its limit is what ever larger groups come to.

A check that finds nothing to check is a failure, and so is a gradient that is missing.

Source: the four-way agreement of this package's own tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dstheory.chain.exact import Solution, solve
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Features, Policy
from dstheory.chain.trajectories import Trajectories, enumerate_trajectories, sample_trajectories
from dstheory.checks import Floats
from dstheory.errors import ChainError, DSTheoryError
from dstheory.objectives.base import Objective
from dstheory.objectives.estimate import estimate_gradient
from dstheory.objectives.group_base import GroupObjective
from dstheory.objectives.mass import CoefficientMass, StageGradient
from dstheory.objectives.parts import Credit, GroupMean

Make = Callable[[TwoStageMDP, Policy], Objective]


@dataclass(frozen=True)
class Checked:
    """How many cases each check ran; ``differences`` is 0 for an objective that states no scalar.

    >>> from dstheory.objectives import Reinforce
    >>> found = check(Reinforce(), chains=1)
    >>> found.enumeration > 0, found.sampling > 0
    (True, True)
    """

    enumeration: int
    limit: int
    differences: int
    sampling: int


class DisagreementError(DSTheoryError):
    """Two ways of computing the same gradient differ."""


def check(objective: Objective | Make, *, chains: int = 6, rng: int = 0) -> Checked:
    """Check an objective against everything that shares no code with its closed form.

    Args:
        objective: an objective that fits any chain, or ``make(mdp, other_policy)`` for one that needs a reference or
            demonstrations.
        chains: how many chains of each kind, >= 1.
        rng: seed of the chains and of the samples.

    Returns:
        The number of cases of each check, all positive but for objectives without a scalar.

    Raises:
        DSTheoryError: a disagreement, a missing gradient, or a check without a case; the message says where.

    >>> from dstheory.objectives import RLOO, Reinforce
    >>> check(Reinforce()).enumeration, check(RLOO(group_size=3)).differences
    (18, 24)
    """
    if chains < 1:
        raise ChainError(f"chains is {chains}: must be >= 1, checks without a case prove nothing")
    make: Make = (lambda mdp, other: objective) if isinstance(objective, Objective) else objective
    counts = dict.fromkeys(("enumeration", "limit", "differences", "sampling"), 0)
    mdp, _, other = _lopsided(rng, "tabular", cap=3)
    _credit_of_a_group(make(mdp, other))
    for seed in range(rng, rng + chains):
        for kind in ("tabular", "turn-indexed", "linear"):
            mdp, policy, other = _lopsided(seed, kind, cap=3)
            made, solution = make(mdp, other), solve(mdp, policy)
            where = f"chain {seed}, {kind} policy, 3 turns"
            exact = _gradient(made, solution, where)
            counts["enumeration"] += _enumeration(made, solution, exact, where)
            counts["differences"] += _differences(made, solution, exact, seed, where)
        mdp, policy, other = _lopsided(seed, "tabular", cap=None)
        made, solution = make(mdp, other), solve(mdp, policy)
        where = f"chain {seed}, no cap"
        exact = _gradient(made, solution, where)
        capped = _gradient(made, solve(mdp.replace(max_turns=60), policy), f"chain {seed}, 60 turns")
        _compare(exact, capped, 1e-9, f"{where}: the closed form and its limit of late caps")
        counts["limit"] += 1
        counts["differences"] += _differences(made, solution, exact, seed, where)
        counts["sampling"] += _sampling(made, solution, exact, seed, where)
    missing = [name for name in ("enumeration", "limit", "sampling") if not counts[name]]
    if missing:
        raise DisagreementError(
            f"no case for the check by {', '.join(missing)}: it proves nothing; give an objective that follows a policy"
        )
    return Checked(**counts)


def _credit_of_a_group(objective: Objective) -> None:
    """Raise where a group's credits depend on other groups or on the order of responses: closed forms count on neither.

    A deviation of the batch is one of all its groups, and has a closed form of its own.
    """
    if not isinstance(objective, GroupObjective):
        return
    credit, order = objective.credit, [1, 2, 3, 0]
    if isinstance(credit, GroupMean) and credit.spread == "batch":
        return
    rewards = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 1.0], [1.0, 0.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    together, right = credit.of_groups(rewards), rewards.mean(axis=-1, keepdims=True)
    failure, success = credit.of_shares((0.0, 1.0), right, 1.0 - right, 4)
    for rule, one, other in (
        ("depend on the other groups that of_groups is given", together, [credit.of_groups(row[None])[0] for row in rewards]),
        ("depend on their order", together[:, order], credit.of_groups(rewards[:, order])),
        ("are others by of_shares than by of_groups", together, np.where(rewards == 1.0, success, failure)),
    ):
        if not np.allclose(one, other, rtol=1e-9, atol=1e-12):
            raise DisagreementError(f"{objective.name}: the credits of a group's responses {rule}")
    plain = objective.outcome == "correct" and objective.rewards is None
    for values in ((0.0, 1.0),) if plain else ((0.0, 1.0), (-0.5, 2.0)):
        for right in (0.0, 1 / 15, 1 / 6, 5 / 12, 1 / 2, 2 / 3, 14 / 15, 1.0):
            _limit_of(credit, values, right, objective.name)


_SIZES = (60, 240, 960, 3840)
"""Groups whose tenths, thirds and quarters are whole, as are the shares that are looked at."""


def _limit_of(credit: Credit, values: tuple[float, float], right: float, name: str) -> None:
    """Raise where the credits in groups without end, if the credit states them, are not what ever larger groups come to.

    Two extrapolations (Aitken's) to groups without end are allowed to be off by what they differ by.
    """
    share, here = np.asarray(right), (right < 1.0, right > 0.0)
    try:
        said = credit.of_shares(values, share, 1.0 - share, np.inf)
    except ChainError:
        return
    deviation = (values[1] - values[0]) * np.sqrt(right * (1.0 - right))
    mean = values[0] + (values[1] - values[0]) * right
    limits = [credit.limit(np.asarray(value), np.asarray(mean), np.asarray(deviation)) for value in values]
    found = np.array([credit.of_shares(values, share, 1.0 - share, size) for size in _SIZES])
    step = np.diff(found, axis=0)
    for i in np.flatnonzero(here):
        before, last = (
            three + (b * b / (a - b) if abs(b) > 1e-12 * abs(three) else 0.0)
            for a, b, three in zip(step[:-1, i], step[1:, i], found[2:, i], strict=True)
        )
        settles = abs(step[2, i]) <= max(abs(step[1, i]), 1e-12 * abs(found[3, i]))
        for rule, one in (("limit", limits[i]), ("of_shares in groups without end", said[i])):
            if not (settles and abs(one - last) <= abs(last - before) + 1e-9 * max(1.0, np.abs(found[1:, i]).max())):
                come_to = f"{last:.9g}" if settles else "no number"
                raise DisagreementError(
                    f"{name}: {rule} gives a reward of {values[i]:g} the credit {float(one):.9g} where a share of {right:.3g} "
                    f"are {values[1]:g}; groups of {_SIZES[-1]} give it {found[-1, i]:.9g}, ever larger ones come to {come_to}"
                )


def _gradient(objective: Objective, solution: Solution, where: str) -> StageGradient:
    mass = objective.mass(solution)
    if not isinstance(mass, CoefficientMass):
        raise DisagreementError(f"{objective.name}, {where}: mass() returned {type(mass).__name__}: the gradient is missing")
    gradient = objective.gradient(solution)
    if not (np.isfinite(gradient.sample).all() and np.isfinite(gradient.decide).all()):
        raise DisagreementError(f"{objective.name}, {where}: the gradient is not finite")
    return gradient


def _enumeration(objective: Objective, solution: Solution, exact: StageGradient, where: str) -> int:
    source = objective.behaviour(solution)
    every = source if isinstance(source, Trajectories) else enumerate_trajectories(solution.mdp, source)
    by_hand = estimate_gradient(objective, solution, every).gradient
    _compare(exact, by_hand, 1e-11, f"{objective.name}, {where}: mass() and the sum over every trajectory of coefficients()")
    return 1


# Central differences with h = 1e-5: truncation h^2 J'''/6 and rounding eps |J|/h are both near 1e-10 of the scale.
_H = 1e-5


def _differences(objective: Objective, solution: Solution, exact: StageGradient, seed: int, where: str) -> int:
    if objective.value(solution) is None:
        return 0
    mdp, policy = solution.mdp, solution.policy
    rng = np.random.default_rng(seed)
    step = tuple(np.where(np.isfinite(block), rng.normal(size=block.shape), 0.0) for block in policy.parameters)

    def at(h: float) -> float:
        moved = policy.with_parameters(tuple(b + h * s for b, s in zip(policy.parameters, step, strict=True)))
        return float(np.asarray(objective.value(solve(mdp, moved))))

    slope = (at(_H) - at(-_H)) / (2.0 * _H)
    expected = sum(float((g * s).sum()) for g, s in zip(exact.parameters(policy), step, strict=True))
    if not abs(slope - expected) <= 1e-6 * max(1.0, abs(at(0.0)), abs(expected)):
        raise DisagreementError(
            f"{objective.name}, {where}: the gradient along a random direction is {expected:.9g}, "
            f"the slope of value() is {slope:.9g}"
        )
    return 1


_DRAWN = 5_000


def _sampling(objective: Objective, solution: Solution, exact: StageGradient, seed: int, where: str) -> int:
    source = objective.behaviour(solution)
    if isinstance(source, Trajectories):
        return 0
    drawn = sample_trajectories(solution.mdp, source, _DRAWN, rng=seed)
    found = estimate_gradient(objective, solution, drawn)
    c_s, c_d = objective.coefficients(solution, drawn)
    most = float(drawn.sum(np.abs(c_s) + np.abs(c_d)).max())
    for stage in ("sample", "decide"):
        error = np.abs(getattr(found.gradient, stage) - getattr(exact, stage))
        # Bernstein's inequality: five standard errors, and a term for events so rare that the sample's own spread misses them.
        allowed = 5.0 * getattr(found.standard_error, stage) + 25.0 * most / _DRAWN + 1e-12
        if not (error <= allowed).all():
            raise DisagreementError(f"{objective.name}, {where}: sampled trajectories disagree with the closed form ({stage})")
    return 1


def _compare(exact: StageGradient, other: StageGradient, tolerance: float, what: str) -> None:
    scale = max(1e-300, float(np.abs(other.sample).max()), float(np.abs(other.decide).max()))
    for stage in ("sample", "decide"):
        one, two = getattr(exact, stage), getattr(other, stage)
        bad = np.argwhere(~(np.abs(one - two) <= tolerance * max(1.0, scale)))
        if len(bad):
            at = tuple(int(i) for i in bad[0])
            raise DisagreementError(
                f"{what} disagree at {stage}, (turn, prompt, answer) = {at}: {one[at]:.9g} against {two[at]:.9g}"
            )


def _lopsided(seed: int, kind: str, cap: int | None) -> tuple[TwoStageMDP, Policy, Policy]:
    """Return a chain, a policy of that kind, and another policy (a reference, an expert)."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(2, 4, size=int(rng.integers(1, 4)))
    shape = (len(counts), int(counts.max()))
    mdp = TwoStageMDP(
        correct=rng.integers(0, 2, size=shape),
        n_answers=counts,
        reward_stop=rng.normal(size=shape),
        reward_resample=rng.normal(scale=0.5, size=shape),
        sample_length=rng.choice([1.0, 3.0, 40.0], size=shape),
        decision_length=2.0,
        prompt_weight=rng.dirichlet(np.ones(len(counts))) + 0.05,
        gamma=0.9,
        discount_per="stage",
        max_turns=cap,
    )

    def logits(turns: int) -> tuple[Floats, Floats]:
        size = (turns, *shape)
        return np.where(mdp.inside, rng.normal(size=size), -np.inf), 1.0 + rng.normal(scale=0.5, size=size)

    other = Policy.tabular(*logits(1))
    if kind == "linear":
        inside = np.where(mdp.inside, 0.0, -np.inf)[None]
        features = Features(rng.normal(size=(1, *shape, 3)), rng.normal(size=(1, *shape, 3)), sample_offset=inside,
                            decide_offset=np.ones((1, 1, 1)))  # fmt: skip
        return mdp, Policy.linear(features, rng.normal(scale=0.5, size=3)), other
    return mdp, Policy.tabular(*logits(cap if kind == "turn-indexed" and cap else 1)), other
