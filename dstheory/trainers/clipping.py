r"""How much PPO's clip leaves out where another policy generated the responses.

A token loses its gradient where its ratio has gone too far in the direction that its credit asks for. With 0/1 rewards a credit
against the group's mean is positive for a success and negative for a failure, and 0 where all rewards of the group are equal:
among G - 1 others with accuracy x a success meets a failure with probability :math:`1 - x^{G-1}`, a failure a success with
:math:`1 - (1 - x)^{G-1}`. The share is that of the expected tokens, as libraries log it for a large batch.

Source: derived here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dstheory.chain.exact import solve
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.objectives.parts import clip_weight
from dstheory.objectives.weights import token_ratios
from dstheory.trainers.training import Training

__all__ = ["Clipped", "clipped"]


@dataclass(frozen=True)
class Clipped:
    """Shares of tokens without gradient: of all tokens of answers, of all tokens of decisions, of all tokens."""

    sample: float
    decide: float
    both: float


def clipped(training: Training, mdp: TwoStageMDP, policy: Policy, sampler: Policy) -> Clipped | None:
    """Return the shares of the sampler's tokens that are clipped; None where no tokens are, or credits are of another kind.

    >>> mdp, here = TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.7, a=0.8, b=0.3)
    >>> stale = Policy.minimal(p=0.5, a=0.8, b=0.3)
    >>> found = clipped(Training(group_size=2), mdp, here, stale)  # 1.4 for right answers, 0.6 for wrong ones
    >>> round(found.sample, 3), found.decide
    (0.436, 0.0)
    """
    t = training
    known = t.credit in ("group-mean", "leave-one-out") and t.masked == "none" and t.dead_groups == "kept"
    known = known and not t.rewards and t.combine == "before"
    if t.method != "policy-gradient" or t.clip != "ppo" or t.ratio != "token" or not known:
        return None
    under, rho = solve(mdp, sampler), token_ratios(policy, sampler, solve(mdp, policy))
    right, x = np.asarray(mdp.correct, dtype=np.float64), np.asarray(under.accuracy, dtype=np.float64)
    value = under.values_of(right, np.zeros_like(right))
    mixed = (1.0 - x ** (t.group_size - 1.0))[:, None], (1.0 - (1.0 - x) ** (t.group_size - 1.0))[:, None]
    chain = under.unrolled
    met = (under.finite_visits * mdp.prompt_weight)[..., None] * chain.sample
    lengths = mdp.sample_length, mdp.decision_length

    def count(times: np.ndarray, length: np.ndarray, ratio: np.ndarray, success: np.ndarray) -> tuple[float, float]:
        tokens, lost = times * length, np.zeros_like(times)
        for sign, chance in ((1.0, success * mixed[0]), (-1.0, (1.0 - success) * mixed[1])):
            weight = clip_weight(ratio, sign, low=t.clip_low, high=t.clip_high, dual=t.dual_clip)
            lost = lost + chance * ((weight == 0.0) & (ratio > 0.0))
        return float((tokens * lost).sum()), float(tokens.sum())

    answers = count(met, lengths[0], rho.sample, value.q_sample)
    decided = met * chain.decided
    stops = count(decided * chain.stop, lengths[1], rho.stop, np.broadcast_to(value.q_stop, met.shape))
    resamples = count(decided * chain.resample, lengths[1], rho.resample, np.broadcast_to(value.q_resample, met.shape))
    lost, total = answers[0] + stops[0] + resamples[0], answers[1] + stops[1] + resamples[1]
    decisions = stops[1] + resamples[1]
    return Clipped(answers[0] / answers[1], (stops[0] + resamples[0]) / decisions if decisions else 0.0, lost / total)
