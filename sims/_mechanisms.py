r"""What length weight can cost a decision that is learned by imitation, one mechanism at a time.

With coverage and answers of one length, length weight does not move the optimum of tabular SFT (claim C5): it costs by one of

- **finite training**: under the stage mean the decision's gradient carries :math:`w_d/(w_s + w_d)`, and its clock slows by
  that factor (C2, C5-time);
- **clipping** of the global norm: every step of the decision is divided by the norm of both stages together (F1); with exact
  gradients that ends once sampling has arrived, with sampled ones it does not (F1-delay);
- a **shared trunk** without room for both stages: the optimum itself moves towards sampling's (F4, C5-moves);
- **missing coverage**: demonstrations that are right first time never say what to do when wrong, at any length weight (C3).

Adam removes the weights (F2), natural gradients keep their ratio (F3); both are shown on the first mechanism. Each entry below
changes one thing, and every one starts from the same policy.

Source: claim 4 of arXiv 2601.01580, taken apart; the isolation of the mechanisms is derived here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.exact import solve
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Features, Policy
from dstheory.chain.trajectories import sample_trajectories
from dstheory.checks import Floats
from dstheory.dynamics.optimizers import SGD, Adam, NaturalGradient, Optimizer
from dstheory.dynamics.training import TrainResult, train
from dstheory.errors import ChainError
from dstheory.objectives.base import Objective
from dstheory.objectives.imitation import SFT, ExpertChain, Recorded


@dataclass(frozen=True, eq=False)
class Mechanism:
    """One way of training the same start on demonstrations; run axes of the objective are the length weights.

    Attributes:
        start: the start in the parametrisation that is trained.
        objective, optimizer, clip_norm, objective_at: as in :func:`dstheory.dynamics.train`.
    """

    start: Policy
    objective: Objective
    optimizer: Optimizer
    clip_norm: float | None = None
    objective_at: Callable[[int], Objective] | None = None

    def run(self, mdp: TwoStageMDP, *, steps: int, **settings: Any) -> TrainResult:
        """Train; ``settings`` are further arguments of :func:`dstheory.dynamics.train`."""
        return train(
            mdp,
            self.start,
            self.objective,
            steps=steps,
            optimizer=self.optimizer,
            clip_norm=self.clip_norm,
            objective_at=self.objective_at,
            **settings,
        )


def confidence_trunk(start: Policy, *, share: float = 0.5) -> Policy:
    r"""Return a policy of M0 with one parameter less than it has logits, at which it equals ``start``.

    *confidence* raises the logit of the correct answer by ``share`` and lowers the logit of "resample when wrong" by 1: what
    looks right is both given more often and accepted more often, wrong answers included. *care* is the logit of "stop when
    correct". On *confidence* the stages' gradients point in opposite directions whenever demonstrations ask for more correct
    answers and for more resampling of wrong ones: X < 0 in claim F4.

    Example:
        >>> trunk = confidence_trunk(Policy.minimal(p=0.55, a=0.8, b=0.3))
        >>> trunk.sample_prob.round(3).tolist(), trunk.resample_prob.round(3).tolist()
        ([[[0.55, 0.45]]], [[[0.2, 0.3]]])
    """
    sample, decide = np.zeros((1, 1, 2, 2)), np.zeros((1, 1, 2, 2))
    sample[0, 0, 0, 0] = share
    decide[0, 0, 1, 0] = 1.0
    decide[0, 0, 0, 1] = 1.0
    features = Features(sample, decide, start.sample_logits, start.stop_logits, names=("confidence", "care"))
    return Policy.linear(features, np.zeros(2))


RATE = 0.1
"""Learning rate of the control."""
CLIPPED_AT = 1.0
"""Norm of the gradient from which on the clipped runs clip it."""


def length_weight_mechanisms(
    mdp: TwoStageMDP,
    start: Policy,
    *,
    expert: tuple[float, float, float] = (0.75, 0.9, 0.95),
    length_weight: ArrayLike,
    batch: int = 8,
    seed: int = 0,
) -> dict[str, Mechanism]:
    """Return the mechanisms by name, the control first.

    Learning rates are such that at length weight 0 all tabular ones take about the same number of steps. There the stage mean
    halves the weights, hence twice the rate.

    Args:
        mdp: a minimal chain.
        start: a policy of M0.
        expert: (p, a, b) of the demonstrator, strictly between 0 and 1: it covers wrong answers.
        length_weight: one per run.
        batch: demonstrations per step where gradients are sampled; all runs see the same ones.
        seed: of those demonstrations.

    Raises:
        ChainError: not a minimal chain or not a policy of one, or an expert without coverage.

    Example:
        >>> mdp, start = TwoStageMDP.minimal(sample_length=32), Policy.minimal(p=0.55, a=0.8, b=0.3)
        >>> runs = length_weight_mechanisms(mdp, start, length_weight=[0.0, 1.0])
        >>> for name in ("control", "finite training"):
        ...     print(name, runs[name].run(mdp, steps=250).history.b.values[-1].round(3).tolist())
        control [0.842, 0.842]
        finite training [0.842, 0.375]
    """
    if mdp.shape != (1, 2) or start.shape != (1, 1, 2):
        raise ChainError(
            f"the chain has (prompts, answers) = {mdp.shape} and the policy {start.shape[1:]}: these experiments are about the "
            "minimal chain; use TwoStageMDP.minimal and Policy.minimal"
        )
    if not all(0.0 < chance < 1.0 for chance in expert):
        raise ChainError(f"the expert is {expert}: p, a and b must lie strictly between 0 and 1, so that it covers both answers")
    p, a, b = expert
    covering = _expert(p, a, b)
    weighted: dict[str, Any] = {"length_weight": length_weight}
    summed = SFT(ExpertChain(covering), **weighted)
    mean = SFT(ExpertChain(covering), **weighted, reduction="mean")
    rng = np.random.default_rng(seed)

    def minibatch(step: int) -> Objective:
        return SFT(Recorded(sample_trajectories(mdp, covering, batch, rng=rng)), **weighted)

    flawless = SFT(ExpertChain(_expert(1.0, a, b)), **weighted)
    return {
        "control": Mechanism(start, summed, SGD(lr=RATE)),
        "finite training": Mechanism(start, mean, SGD(lr=2 * RATE)),
        "clipping": Mechanism(start, summed, SGD(lr=RATE), CLIPPED_AT),
        "clipping, sampled": Mechanism(start, summed, SGD(lr=RATE), CLIPPED_AT, minibatch),
        "shared trunk": Mechanism(confidence_trunk(start), summed, SGD(lr=RATE)),
        "missing coverage": Mechanism(start, flawless, SGD(lr=RATE)),
        "finite training, Adam": Mechanism(start, mean, Adam(lr=0.13 * RATE)),
        "finite training, natural": Mechanism(start, mean, NaturalGradient(lr=0.14 * RATE)),
    }


def settle(mdp: TwoStageMDP, mechanism: Mechanism, policy: Policy, *, steps: int = 100_000) -> Policy:
    """Return where the objective of a mechanism leads in the end: exact gradient ascent, unclipped, from where training stopped.

    Args:
        mdp: the chain.
        mechanism: whose objective is ascended.
        policy: where its training stopped.
        steps: how many, at half the rate that the curvature allows.

    Example:
        >>> mdp, start = TwoStageMDP.minimal(sample_length=32), Policy.minimal(p=0.55, a=0.8, b=0.3)
        >>> control = length_weight_mechanisms(mdp, start, length_weight=[0.0, 1.0])["control"]
        >>> solve(mdp, settle(mdp, control, start)).b.round(9).tolist()  # the expert's, at both length weights
        [0.95, 0.95]
    """
    mass = mechanism.objective.mass(solve(mdp, policy))
    # Along any logit the log-likelihood curves by at most a quarter of the mass there, along a trunk by at most their sum.
    curvature: Floats = (mass.sample + mass.stop + mass.resample).sum(axis=(-3, -2, -1)) / 4.0
    return train(mdp, policy, mechanism.objective, steps=steps, optimizer=SGD(lr=0.5 / curvature), log_every=steps).policy


def arrival(steps: Floats, chance: Floats, target: float) -> Floats:
    """Return where each run's chance, (steps, runs), first reaches the target, between the logged steps; NaN if never."""
    out = np.full(chance.shape[1], np.nan)
    for run, curve in enumerate(chance.T):
        there = np.flatnonzero(curve >= target)
        if there.size:
            i = int(there[0])
            out[run] = np.interp(target, curve[i - 1 : i + 1], steps[i - 1 : i + 1]) if i else steps[0]
    return out


def _expert(p: float, a: float, b: float) -> Policy:
    return Policy.from_probabilities([[p, 1.0 - p]], [[a, 1.0 - b]])
