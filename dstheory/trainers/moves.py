r"""Which way a step of training moves p, a and b: how fast each probability changes along the gradient.

A step of gradient ascent with learning rate :math:`\eta` adds :math:`\eta g` to the policy's parameters. That moves its logits
by :math:`\eta \dot z` and :math:`\eta \dot u` (tabular: by :math:`\eta g` itself), and per unit of the learning rate

.. math::
    \dot\pi_s(y) = \pi_s(y) \Big( \dot z_y - \sum_{y'} \pi_s(y')\, \dot z_{y'} \Big), \qquad
    \dot\pi_d(stop) = \pi_d(stop)\, \pi_d(res)\, \dot u.

p (a right answer is sampled), a (a right answer is accepted) and b (a wrong answer is resampled) are means over the attempts and
decisions that the policy makes now: what changes is what it does in each state, not how often it comes there. Over all attempts
the prompts that are tried again most count most in p; over first answers each counts by its own weight.

Source: derived here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dstheory.attribution import without_rounding
from dstheory.chain.exact import Solution, solve
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.checks import Floats
from dstheory.comparison import Make
from dstheory.errors import ChainError
from dstheory.objectives import ReinforceBaseline
from dstheory.objectives.mass import StageGradient

_ROUNDING = 64 * np.finfo(np.float64).eps  # of what terms that cancel leave, relative to their sizes
_NONE = float("nan")


@dataclass(frozen=True)
class Move:
    """How one probability changes.

    Attributes:
        change: per unit of the learning rate; 0 where terms cancel up to rounding, NaN where it has no meaning or is not known.
        rises, falls: the share of the policy's attempts or decisions at which it rises, and at which it falls.

    >>> Move(change=0.02, rises=1.0, falls=0.0).change
    0.02
    """

    change: float
    rises: float
    falls: float


@dataclass(frozen=True)
class Moves:
    """What one term of an objective does to the policy in one step.

    Attributes:
        name: of the term.
        p, a, b: sampling a right answer, accepting a right one, resampling a wrong one.
        accuracy: of the final answer; it rises and falls prompt by prompt.
    """

    name: str
    p: Move
    a: Move
    b: Move
    accuracy: Move


def moves(mdp: TwoStageMDP, policy: Policy, makes: Mapping[str, Make], *, first: bool = False) -> list[Moves]:
    """Return what each objective does to p, a, b and the accuracy.

    Args:
        mdp: one chain, without run axes.
        policy: one policy, without run axes.
        makes: how to make each objective for a chain, by name. Where there are several, the first is the sum of the others.
        first: whether p is a mean over first answers instead of all attempts.

    >>> from dstheory.objectives import K2Loss
    >>> mdp, policy = TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.75, b=0.5)
    >>> reference = Policy.minimal(p=0.5, a=0.5, b=0.75)
    >>> (kl,) = moves(mdp, policy, {"KL": lambda m: K2Loss(reference)})
    >>> kl.p.change, kl.a.change < 0, kl.b.change > 0  # accepts fewer right answers, resamples more wrong ones
    (0.0, True, True)
    """
    solution = solve(mdp, policy)
    gradients: dict[str, StageGradient | None] = {}
    for name, make in makes.items():
        try:
            gradients[name] = without_rounding(make(solution.mdp), solution)
        except ChainError:  # no exact gradient: which way it points is not known
            gradients[name] = None
    whole, *terms = gradients.values()
    if whole is not None and terms and None not in terms:
        sizes = [sum(np.abs(getattr(term, stage)) for term in terms) for stage in ("sample", "decide")]
        blocks = zip((whole.sample, whole.decide), sizes, strict=True)
        gradients[next(iter(makes))] = StageGradient(*(np.where(np.abs(g) <= _ROUNDING * size, 0.0, g) for g, size in blocks))
    reward = ReinforceBaseline().gradient(solution)
    unknown = [Move(_NONE, _NONE, _NONE)] * 4
    return [Moves(name, *(unknown if g is None else _of(g, reward, solution, first))) for name, g in gradients.items()]


def _of(gradient: StageGradient, reward: StageGradient, solution: Solution, first: bool) -> list[Move]:
    """Return what a step along a gradient does to p, a, b and the accuracy, whose own gradient is ``reward``."""
    policy, mdp, chain = solution.policy, solution.mdp, solution.unrolled
    z, u = gradient.sample, gradient.decide
    if policy.features is not None:
        (by,) = gradient.parameters(policy)
        z, u = (np.einsum("kxyp,p->kxy", table, by) for table in (policy.features.sample, policy.features.decide))
    right = np.broadcast_to(mdp.correct, mdp.shape)
    sampled = policy.sample_prob * (z - (policy.sample_prob * z).sum(axis=-1, keepdims=True))
    stops = policy.stop_prob * policy.resample_prob * u
    attempts = solution.finite_visits * mdp.prompt_weight
    decisions = attempts[..., None] * chain.sample * chain.decided
    sampling = np.where(np.arange(len(attempts))[:, None] == 0, mdp.prompt_weight, 0.0) if first else attempts
    each = np.concatenate([reward.sample * z, reward.decide * u])  # of the accuracy of each prompt, times the prompt's weight
    of_prompt, size = each.sum(axis=(0, 2)), np.abs(each).sum(axis=(0, 2))
    occurs = mdp.prompt_weight > 0
    of_prompt = np.where(np.abs(of_prompt) <= _ROUNDING * size, 0.0, of_prompt)[occurs] / mdp.prompt_weight[occurs]
    return [
        _mean((sampled * right).sum(axis=-1), sampling),
        _mean(stops, decisions * right),
        _mean(-stops, decisions * (1.0 - right)),
        _mean(of_prompt, mdp.prompt_weight[occurs]),
    ]


def _mean(change: Floats, weight: Floats) -> Move:
    """Return the mean of a change, and the shares of the weight where it is positive and where it is negative."""
    change, total = np.broadcast_to(change, weight.shape), float(weight.sum())
    if not total > 0:
        return Move(_NONE, _NONE, _NONE)
    each = weight / total * change
    mean = float(each.sum())
    rises, falls = (float(weight[sign * change > 0].sum() / total) for sign in (1.0, -1.0))
    return Move(0.0 if abs(mean) <= _ROUNDING * float(np.abs(each).sum()) else mean, rises, falls)
