r"""The exact solution of a chain under a policy: values, occupancies, accuracy, turns. Closed form, never simulated.

With :math:`\gamma_w` between an answer and its decision, :math:`\gamma_b` between a decision and the next answer,
:math:`\Gamma = \gamma_w \gamma_b`, and all quantities per prompt x, the Bellman equations are

.. math::
    Q_d(y, stop) = R_{stop}(y), \quad Q_d(y, res) = R_{res}(y) + \gamma_b V, \quad
    V_d(y) = \sum_d \pi_d(d \mid y) Q_d(y, d), \quad Q_s(y) = \gamma_w V_d(y), \quad V = \sum_y \pi_s(y) Q_s(y).

* Stationary policy, no cap: one scalar linear equation,
  :math:`V = \gamma_w \bar r / (1 - \Gamma q)`, :math:`q` the resample probability of a turn; the discounted number of turns is
  :math:`1/(1 - \Gamma q)`.
* Capped at T turns: backward recursion; at the last turn the answer is submitted, :math:`V_d = R_{stop}`.

Source: arXiv 2601.01580, section 3; closed forms derived here. The conditioning is derived here too: 1 - Gamma q is computed as
(1 - Gamma) + Gamma P(stop), which keeps full relative accuracy when resampling is nearly certain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from dstheory.checks import Floats, float_array
from dstheory.errors import ImproperChainError
from dstheory.mdp import TwoStageMDP
from dstheory.policy import Policy

__all__ = ["Solution", "UnrolledPolicy", "Values", "evaluate", "reach", "solve", "unroll"]

# Beyond this many expected turns products of two visit counts overflow; such a chain is improper for every purpose.
_MOST_TURNS = 1e150


@dataclass(frozen=True, eq=False)
class UnrolledPolicy:
    """A policy laid out over the turns of a chain, arrays (*runs, T', X, Y): T' = T if capped, 1 if not.

    At the last turn of a capped chain stop is certain: no decision is drawn there, and ``decided`` (T', 1, 1) is 0 instead of 1.
    """

    sample: Floats
    stop: Floats
    resample: Floats
    decided: Floats


def unroll(policy: Policy, max_turns: int | None) -> UnrolledPolicy:
    """Lay a policy out over turns; a stationary policy of an uncapped chain keeps its one slice."""
    if max_turns is None:
        return UnrolledPolicy(policy.sample_prob, policy.stop_prob, policy.resample_prob, np.ones((1, 1, 1)))
    shape = (*policy.runs, max_turns, *policy.shape[1:])
    stop = np.broadcast_to(policy.stop_prob, shape).copy()
    resample = np.broadcast_to(policy.resample_prob, shape).copy()
    stop[..., -1, :, :], resample[..., -1, :, :] = 1.0, 0.0
    decided = np.ones((max_turns, 1, 1))
    decided[-1] = 0.0
    return UnrolledPolicy(np.broadcast_to(policy.sample_prob, shape), stop, resample, decided)


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
    capped: bool,
    name_prompt: Callable[[int], str] = "prompt {}".format,
) -> Values:
    r"""Solve the Bellman equations for any reward tables.

    Args:
        policy: the unrolled policy.
        reward_stop, reward_resample: broadcast to (*runs, T', X, Y); they may depend on the turn. ``reward_stop`` of the last
        turn
            of a capped chain is what submitting pays.
        gamma_within, gamma_between: (*runs,) discounts.
        capped: backward recursion over the turn axis instead of the stationary equation.
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
    if not capped:
        factor = (gw * gb)[..., None, :]
        remaining = (1.0 - factor) + factor * (pi * stop).sum(axis=-1)
        _refuse_endless(remaining, name_prompt)
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


def reach(policy: UnrolledPolicy, gamma: ArrayLike, *, capped: bool) -> Floats:
    r"""Return visits (*runs, T', X): the probability of reaching each turn times gamma^turn; uncapped, the sum over all turns.

    An uncapped chain without end and gamma = 1 has infinitely many visits; ``inf`` is returned and the caller decides.
    """
    factor = float_array(gamma, "gamma")[..., None]
    if not capped:
        factor = factor[..., None, :]
        remaining = (1.0 - factor) + factor * (policy.sample * policy.stop).sum(axis=-1)
        with np.errstate(divide="ignore"):
            return np.asarray(1.0 / remaining)
    again = factor[..., None, :] * (policy.sample * policy.resample).sum(axis=-1)
    first = np.ones_like(again[..., :1, :])
    return np.concatenate([first, np.cumprod(again[..., :-1, :], axis=-2)], axis=-2)


@dataclass(frozen=True, eq=False)
class Solution:
    """Everything exact about a chain under a policy. Arrays carry run axes first, then (turn,) prompt (, answer).

    Made by :func:`solve`; every attribute is computed on first use and kept.
    """

    mdp: TwoStageMDP
    policy: Policy

    # ------------------------------------------------------------------ values

    @cached_property
    def unrolled(self) -> UnrolledPolicy:
        """The policy over turns."""
        return unroll(self.policy, self.mdp.max_turns)

    @cached_property
    def values(self) -> Values:
        """Values of all states and actions under the chain's rewards and discount."""
        mdp = self.mdp
        return evaluate(
            self.unrolled,
            mdp.reward_stop[..., None, :, :],
            mdp.reward_resample[..., None, :, :],
            gamma_within=mdp.gamma_within,
            gamma_between=mdp.gamma_between,
            capped=self.capped,
            name_prompt=mdp.prompt_name,
        )

    @property
    def capped(self) -> bool:
        """Whether the chain ends after a fixed number of turns."""
        return self.mdp.max_turns is not None

    @property
    def value(self) -> Floats:
        """(*runs, X) V(x) at the first turn."""
        return self.values.value[..., 0, :]

    @property
    def mean_value(self) -> Floats:
        """(*runs,) the objective E_x[V(x)]."""
        return self._mean(self.value)

    @cached_property
    def advantage_sample(self) -> Floats:
        """(*runs, T', X, Y) A_s = Q_s - V."""
        return self.values.q_sample - self.values.value[..., None]

    @cached_property
    def advantage_stop(self) -> Floats:
        """(*runs, T', X, Y) A_d(stop) = Q_d(stop) - V_d; zero where no decision is drawn."""
        return self.unrolled.resample * (self.values.q_stop - self.values.q_resample)

    @cached_property
    def advantage_resample(self) -> Floats:
        """(*runs, T', X, Y) A_d(resample) = Q_d(resample) - V_d."""
        return self.unrolled.stop * (self.values.q_resample - self.values.q_stop)

    @cached_property
    def return_variance(self) -> Floats:
        r"""(*runs, X) Var(G | x) of the discounted return, reward noise included.

        :math:`Var_k = E[(Q_{now} - V_k)^2] + \gamma_w^2 (E[noise] + \gamma_b^2 P(res) Var_{k+1})`, a sum of non-negative terms.
        """
        mdp, pol, v = self.mdp, self.unrolled, self.values
        gw, gb = mdp.gamma_within[..., None, None], mdp.gamma_between[..., None, None]
        centre = v.value[..., None]
        spread = pol.stop * (gw[..., None] * v.q_stop - centre) ** 2 + pol.resample * (gw[..., None] * v.q_resample - centre) ** 2
        noise = (
            pol.stop * mdp.reward_stop_variance[..., None, :, :] + pol.resample * mdp.reward_resample_variance[..., None, :, :]
        )
        turn = (pol.sample * (spread + gw[..., None] ** 2 * noise)).sum(axis=-1)
        again = (gw * gb) ** 2 * (pol.sample * pol.resample).sum(axis=-1)
        if not self.capped:
            factor = (gw * gb) ** 2
            return np.asarray((turn / ((1.0 - factor) + factor * (pol.sample * pol.stop).sum(axis=-1)))[..., 0, :])
        total: Floats = turn[..., -1, :]
        for k in reversed(range(turn.shape[-2] - 1)):
            total = turn[..., k, :] + again[..., k, :] * total
        return total

    # ------------------------------------------------------------------ occupancies

    @cached_property
    def visits(self) -> Floats:
        """(*runs, T', X) undiscounted probability of reaching the turn; uncapped, the expected number of turns (inf: endless)."""
        return reach(self.unrolled, 1.0, capped=self.capped)

    @cached_property
    def discounted_visits(self) -> Floats:
        """(*runs, T', X) the same, each turn k weighted by (gamma_within gamma_between)^k."""
        return reach(self.unrolled, self.mdp.gamma_within * self.mdp.gamma_between, capped=self.capped)

    @cached_property
    def answer_visits(self) -> Floats:
        """(*runs, T', X, Y) expected number of times each answer is given, undiscounted."""
        return self.finite_visits[..., None] * self.unrolled.sample

    @cached_property
    def stop_visits(self) -> Floats:
        """(*runs, T', X, Y) expected number of stop decisions at each answer (forced submissions are no decisions)."""
        return self.answer_visits * self.unrolled.stop * self.unrolled.decided

    @cached_property
    def resample_visits(self) -> Floats:
        """(*runs, T', X, Y) expected number of resample decisions at each answer."""
        return self.answer_visits * self.unrolled.resample

    @property
    def finite_visits(self) -> Floats:
        """The undiscounted visits, or ImproperChainError if an episode never ends."""
        if not np.isfinite(self.visits).all() or self.visits.max() > _MOST_TURNS:
            _refuse_endless(1.0 / self.visits, self.mdp.prompt_name)
        return self.visits

    # ------------------------------------------------------------------ what one observes

    @cached_property
    def accuracy(self) -> Floats:
        """(*runs, X) probability that the submitted answer is correct, undiscounted."""
        pol, right = self.unrolled, self.mdp.correct
        ends = pol.sample * pol.stop
        if self.capped:
            return np.asarray((self.visits * (ends * right).sum(axis=-1)).sum(axis=-2))
        stopping = ends.sum(axis=-1)
        acc: Floats
        with np.errstate(invalid="ignore", divide="ignore"):
            acc = ((ends * right).sum(axis=-1) / stopping)[..., 0, :]
        if (stopping == 0.0).any():
            # Every stop probability underflowed, yet which stop comes first is still decided by their ratios: use logarithms.
            with np.errstate(invalid="ignore"):
                log_ends = self.policy.log_sample + self.policy.log_stop
                top = log_ends.max(axis=-1, keepdims=True)
                relative = np.where(np.isneginf(log_ends), 0.0, np.exp(log_ends - np.where(np.isfinite(top), top, 0.0)))
                ratio = ((relative * right).sum(axis=-1) / relative.sum(axis=-1))[..., 0, :]
            # A chain that certainly never stops never submits a correct answer.
            acc = np.where(stopping[..., 0, :] == 0.0, np.nan_to_num(ratio, nan=0.0), acc)
        return acc

    @property
    def mean_accuracy(self) -> Floats:
        """(*runs,) accuracy averaged over prompts."""
        return self._mean(self.accuracy)

    @property
    def expected_turns(self) -> Floats:
        """(*runs, X) expected number of turns (inf if endless)."""
        return np.asarray(self.visits.sum(axis=-2))

    @property
    def mean_turns(self) -> Floats:
        """(*runs,) expected number of turns averaged over prompts."""
        return self._mean(self.expected_turns)

    @cached_property
    def expected_tokens(self) -> Floats:
        """(*runs, X) expected number of tokens of an episode: answers and decisions."""
        mdp, pol = self.mdp, self.unrolled
        answer = (pol.sample * mdp.sample_length[..., None, :, :]).sum(axis=-1)
        decision = (pol.sample * pol.decided * mdp.decision_length[..., None, :, :]).sum(axis=-1)
        return np.asarray((self.finite_visits * (answer + decision)).sum(axis=-2))

    def turn_distribution(self, up_to: int | None = None) -> Floats:
        """Return P(number of turns = 1, 2, ..., up_to), (*runs, X, up_to); default up to the cap, or the 0.999 quantile.

        >>> from dstheory.mdp import TwoStageMDP
        >>> solve(TwoStageMDP.minimal(), Policy.minimal(p=0.5, a=0.5, b=0.5)).turn_distribution(3).tolist()
        [[0.5, 0.25, 0.125]]
        """
        again = (self.unrolled.sample * self.unrolled.resample).sum(axis=-1)  # (*runs, T', X)
        if up_to is None:
            worst = float(again.max())
            up_to = self.mdp.max_turns or (max(1, int(np.ceil(np.log(1e-3) / np.log(worst)))) if 0 < worst < 1 else 1)
        ends = (self.unrolled.sample * self.unrolled.stop).sum(axis=-1)
        if not self.capped:
            return np.asarray(again[..., 0, :, None] ** np.arange(up_to) * ends[..., 0, :, None])
        full = np.moveaxis(self.visits * ends, -2, -1)
        pad = [(0, 0)] * (full.ndim - 1) + [(0, max(0, up_to - full.shape[-1]))]
        return np.pad(full, pad)[..., :up_to]

    @cached_property
    def p(self) -> Floats:
        """(*runs,) share of given answers that are correct, over all turns and prompts."""
        return np.asarray(self._answers(self.mdp.correct) / self._answers(np.ones_like(self.mdp.correct)))

    @cached_property
    def a(self) -> Floats:
        """(*runs,) share of stop among the decisions at correct answers; NaN when there are none."""
        return self._decision_share(self.mdp.correct, self.unrolled.stop)

    @cached_property
    def b(self) -> Floats:
        """(*runs,) share of resample among the decisions at wrong answers; NaN when there are none."""
        return self._decision_share(1.0 - self.mdp.correct, self.unrolled.resample)

    # ------------------------------------------------------------------ helpers

    def _mean(self, per_prompt: Floats) -> Floats:
        return np.asarray((per_prompt * self.mdp.prompt_weight).sum(axis=-1))

    def _relative_visits(self) -> Floats:
        """Visits scaled so that the largest is 1: averages over answers exist even when visits overflow."""
        with np.errstate(divide="ignore", invalid="ignore"):
            top = self.visits.max(axis=(-2, -1), keepdims=True)
            return np.where(np.isinf(top), np.isinf(self.visits).astype(float), self.visits / top)

    def _answers(self, which: Floats) -> Floats:
        per_turn = (self.unrolled.sample * which).sum(axis=-1) * self._relative_visits()
        return np.asarray((per_turn * self.mdp.prompt_weight).sum(axis=(-2, -1)))

    def _decision_share(self, which: Floats, decision: Floats) -> Floats:
        weight = (self._relative_visits() * self.mdp.prompt_weight)[..., None] * self.unrolled.sample * which
        weight = weight * self.unrolled.decided
        total = weight.sum(axis=(-3, -2, -1))
        with np.errstate(invalid="ignore"):
            return np.asarray((weight * decision).sum(axis=(-3, -2, -1)) / total)


def solve(mdp: TwoStageMDP, policy: Policy) -> Solution:
    """Return the exact solution of a chain under a policy.

    Args:
        mdp: the chain.
        policy: a policy of that chain; its run axes broadcast against the chain's.

    Raises:
        ChainError: the policy does not fit the chain.
        ImproperChainError: on reading a quantity that an endless chain does not have.

    >>> from dstheory.mdp import TwoStageMDP
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.5, b=0.75))
    >>> s.accuracy.round(12).tolist(), s.expected_turns.round(12).tolist()  # odds = 1 x 0.5/0.25
    ([0.666666666667], [2.666666666667])
    """
    policy.check_fits(mdp)
    return Solution(mdp, policy)


def _refuse_endless(remaining: Floats, name_prompt: Callable[[int], str]) -> None:
    bad = ~(remaining > 1.0 / _MOST_TURNS)
    if not bad.any():
        return
    prompt = int(np.argwhere(bad)[0][-1])
    others = int(np.count_nonzero(bad)) - 1
    more = f" (and {others} more)" if others else ""
    raise ImproperChainError(
        f"{name_prompt(prompt)}{more}: the resample probability of a turn is 1, so an undiscounted episode never ends; "
        "the sum over turns needs P(stop) > 0: cap the number of turns, discount, or give stop some probability"
    )
