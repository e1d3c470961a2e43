r"""The Bellman equations of a two-stage chain, solved for any rewards and discounts.

With :math:`\gamma_w` between an answer and its decision, :math:`\gamma_b` between a decision and the next answer,
:math:`\Gamma = \gamma_w \gamma_b`, and all quantities per prompt x,

.. math::
    Q_d(y, stop) = R_{stop}(y), \quad Q_d(y, res) = R_{res}(y) + \gamma_b V, \quad
    V_d(y) = \sum_d \pi_d(d \mid y) Q_d(y, d), \quad Q_s(y) = \gamma_w V_d(y), \quad V = \sum_y \pi_s(y) Q_s(y).

* Stationary policy, no cap: one scalar linear equation,
  :math:`V = \gamma_w \bar r / (1 - \Gamma q)`, :math:`q` the resample probability of a turn; the discounted number of turns is
  :math:`1/(1 - \Gamma q)`.
* Capped at T turns: backward recursion; at the last turn the answer is submitted, :math:`V_d = R_{stop}`.

Source: arXiv 2601.01580, section 3; closed forms derived here. The conditioning is derived here too: 1 - Gamma q is computed as
(1 - Gamma) + Gamma P(stop), and 1 - Gamma as (1 - gamma_w) + gamma_w (1 - gamma_b): sums of positive terms, which keep full
relative accuracy when resampling is nearly certain and the discount is nearly none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.policy import Policy
from dstheory.checks import Floats, float_array
from dstheory.errors import ImproperChainError

# Beyond this many expected turns products of two visit counts overflow; such a chain is improper for every purpose.
MOST_TURNS = 1e150


@dataclass(frozen=True, eq=False)
class UnrolledPolicy:
    """A policy laid out over the turns of a chain, arrays (*runs, T', X, Y): T' = T if capped, 1 if not.

    At the last turn of a capped chain stop is certain: no decision is drawn there, and ``decided`` (T', 1, 1) is 0 instead of 1.
    ``stop_logits`` are those of the policy at all turns.
    """

    sample: Floats
    stop: Floats
    resample: Floats
    stop_logits: Floats
    decided: Floats
    capped: bool


def unroll(policy: Policy, max_turns: int | None) -> UnrolledPolicy:
    """Lay a policy out over turns; a stationary policy of an uncapped chain keeps its one slice."""
    if max_turns is None:
        return UnrolledPolicy(
            policy.sample_prob, policy.stop_prob, policy.resample_prob, policy.stop_logits, np.ones((1, 1, 1)), capped=False
        )
    shape = (*policy.runs, max_turns, *policy.shape[1:])
    stop = np.broadcast_to(policy.stop_prob, shape).copy()
    resample = np.broadcast_to(policy.resample_prob, shape).copy()
    stop[..., -1, :, :], resample[..., -1, :, :] = 1.0, 0.0
    decided = np.ones((max_turns, 1, 1))
    decided[-1] = 0.0
    sample, logits = (np.broadcast_to(table, shape) for table in (policy.sample_prob, policy.stop_logits))
    return UnrolledPolicy(sample, stop, resample, logits, decided, capped=True)


@dataclass(frozen=True, eq=False)
class Values:
    """Values of every state and action: ``value`` (*runs, T', X), the others (*runs, T', X, Y)."""

    value: Floats
    q_sample: Floats
    q_stop: Floats
    q_resample: Floats
    v_decide: Floats


def evaluate(
    policy: UnrolledPolicy,
    reward_stop: Floats,
    reward_resample: Floats,
    *,
    gamma_within: ArrayLike,
    gamma_between: ArrayLike,
    name_prompt: Callable[[int], str] = "prompt {}".format,
) -> Values:
    r"""Solve the Bellman equations for any reward tables: backward over the turns if capped, else the stationary equation.

    Args:
        policy: the unrolled policy.
        reward_stop: broadcasts to (*runs, T', X, Y); may depend on the turn. At the last turn of a capped chain it is what
            submitting pays.
        reward_resample: likewise, without that exception.
        gamma_within: (*runs,) discount between an answer and its decision.
        gamma_between: (*runs,) discount between a decision and the next answer.
        name_prompt: how an error calls a prompt.

    Raises:
        ImproperChainError: uncapped, undiscounted, and resampling for ever.
    """
    gw = float_array(gamma_within, "gamma_within")[..., None]  # a prompt axis to broadcast along
    gb = float_array(gamma_between, "gamma_between")[..., None]
    pi, stop, res = policy.sample, policy.stop, policy.resample
    shape = np.broadcast_shapes(pi.shape, reward_stop.shape, reward_resample.shape, (*gw.shape[:-1], 1, 1, 1))
    r_stop, r_res = np.broadcast_to(reward_stop, shape), np.broadcast_to(reward_resample, shape)
    expected = (pi * (stop * r_stop + res * r_res)).sum(axis=-1)  # (*runs, T', X) mean reward of a turn
    if not policy.capped:
        remaining = end_or_discount(policy, gw[..., None, :], gb[..., None, :])
        refuse_endless(remaining, name_prompt)
        value = gw[..., None, :] * expected / remaining
        after = value
    else:
        turns = shape[-3]
        again = (pi * res).sum(axis=-1)  # (*runs, T', X) probability of resampling
        value = np.empty(expected.shape)
        for k in reversed(range(turns)):
            future = again[..., k, :] * gb * value[..., k + 1, :] if k + 1 < turns else 0.0
            value[..., k, :] = gw * (expected[..., k, :] + future)
        after = np.concatenate([value[..., 1:, :], np.zeros_like(value[..., :1, :])], axis=-2)
    q_res = r_res + (gb[..., None, :] * after)[..., None]
    v_decide = stop * r_stop + res * q_res
    return Values(value, gw[..., None, :, None] * v_decide, r_stop, q_res, v_decide)


def end_or_discount(policy: UnrolledPolicy, gw: Floats, gb: Floats) -> Floats:
    """Return 1 - gw gb q of an uncapped chain, (*runs, 1, X), from discounts (*runs, 1, 1), without cancellation."""
    return np.asarray((1.0 - gw) + gw * (1.0 - gb) + gw * gb * (policy.sample * policy.stop).sum(axis=-1))


def reach(policy: UnrolledPolicy, *, gamma_within: ArrayLike = 1.0, gamma_between: ArrayLike = 1.0) -> Floats:
    r"""Return visits (*runs, T', X): the probability of reaching each turn times its discount; uncapped, the sum over all turns.

    An uncapped chain without end or discount has infinitely many visits; ``inf`` is returned and the caller decides.
    """
    gw, gb = (float_array(g, "gamma")[..., None, None] for g in (gamma_within, gamma_between))
    if not policy.capped:
        with np.errstate(divide="ignore", over="ignore"):
            return np.asarray(1.0 / end_or_discount(policy, gw, gb))
    again = gw * gb * (policy.sample * policy.resample).sum(axis=-1)
    first = np.ones_like(again[..., :1, :])
    return np.concatenate([first, np.cumprod(again[..., :-1, :], axis=-2)], axis=-2)


def refuse_endless(remaining: Floats, name_prompt: Callable[[int], str]) -> None:
    """Raise ImproperChainError where 1 - Gamma q, (*runs, 1, X), leaves no end to an episode."""
    bad = ~(remaining > 1.0 / MOST_TURNS)
    if not bad.any():
        return
    prompt = int(np.argwhere(bad)[0][-1])
    others = int(np.count_nonzero(bad)) - 1
    more = f" (and {others} more)" if others else ""
    raise ImproperChainError(
        f"{name_prompt(prompt)}{more}: the resample probability of a turn is 1, so an undiscounted episode never ends; "
        "the sum over turns needs P(stop) > 0: cap the number of turns, discount, or give stop some probability"
    )
