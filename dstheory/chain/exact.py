r"""The exact solution of a chain under a policy: values, occupancies, accuracy, turns. Closed form, never simulated.

Values come from the Bellman equations (:mod:`dstheory.chain.bellman`); the rest are sums over the visits that they imply.

Source: arXiv 2601.01580, section 3; closed forms derived here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.bellman import (
    MOST_TURNS,
    UnrolledPolicy,
    Values,
    end_or_discount,
    evaluate,
    reach,
    refuse_endless,
    unroll,
)
from dstheory.chain.contrast import Contrast, contrast
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.checks import Bools, Floats, whole_number
from dstheory.errors import ChainError
from dstheory.tables import RATES, Table, Tabulated, short

# Below this, stop probabilities are sums of numbers that have lost digits to underflow.
_FEW_DIGITS = 1e-290
# The longest distribution of turns that is tabulated unasked.
_LONGEST_TABLE = 1_000_000


@dataclass(frozen=True, eq=False, repr=False)
class Solution(Tabulated):
    """Everything exact about a chain under a policy. Arrays carry run axes first, then (turn,) prompt (, answer).

    A quantity that does not depend on some of the runs (the accuracy, on runs of discounts) leaves them out or has length 1
    there: it broadcasts. Made by :func:`solve`; every attribute is computed on first use and kept.

    >>> solve(TwoStageMDP.minimal(), Policy.minimal(p=0.55, a=0.8, b=0.3))
    Solution(accuracy=0.583, turns=1.32, p=0.55, a=0.8, b=0.3)
    """

    mdp: TwoStageMDP
    policy: Policy

    def rates(self) -> dict[str, Floats]:
        """Return p, a, b, of all answers and decisions, mean accuracy and turns: what every chain has, endless ones too."""
        with np.errstate(all="ignore"):
            return {"p": self.p, "a": self.a, "b": self.b, "accuracy": self.mean_accuracy, "turns": self.mean_turns}

    def _said(self) -> dict[str, Floats]:
        found = self.rates()
        return {name: found[name] for name in ("accuracy", "turns", "p", "a", "b")}

    def __repr__(self) -> str:
        return f"Solution({', '.join(f'{name}={short(value)}' for name, value in self._said().items())})"

    def table(self) -> Table:
        """Return accuracy, turns, p, a and b."""
        one_prompt = self.mdp.shape == (1, 2) and self.mdp.max_turns is None
        formula = r"\mathrm{Acc} = \frac{a\,p}{1-q},\quad q = p(1-a) + (1-p)\,b"
        rows = [(name, short(value)) for name, value in self._said().items()]
        return Table("Exact solution", ("quantity", "value"), rows, (*RATES, *([formula] if one_prompt else [])))

    def columns(self) -> dict[str, Any]:
        """Return a row per run."""
        said = np.broadcast_arrays(*self._said().values())
        return {name: np.ravel(value) for name, value in zip(self._said(), said, strict=True)}

    # ------------------------------------------------------------------ values

    @cached_property
    def unrolled(self) -> UnrolledPolicy:
        """The policy over turns."""
        return unroll(self.policy, self.mdp.max_turns)

    @cached_property
    def values(self) -> Values:
        """Values of all states and actions under the chain's rewards and discount."""
        return self.values_of(*self._pays, **self._discount)

    @property
    def _pays(self) -> tuple[Floats, Floats]:
        """What stopping and resampling pay, (*runs, 1, X, Y)."""
        return self.mdp.reward_stop[..., None, :, :], self.mdp.reward_resample[..., None, :, :]

    @property
    def _discount(self) -> dict[str, Floats]:
        """The chain's discount, as the functions here take it."""
        return {"gamma_within": self.mdp.gamma_within, "gamma_between": self.mdp.gamma_between}

    def values_of(
        self, stop: Floats, resample: Floats, *, gamma_within: ArrayLike = 1.0, gamma_between: ArrayLike = 1.0
    ) -> Values:
        """Return the values under other rewards and discounts, as :func:`dstheory.chain.bellman.evaluate` takes them."""
        return evaluate(self.unrolled, stop, resample, gamma_within=gamma_within, gamma_between=gamma_between,
                        name_prompt=self.mdp.prompt_name)  # fmt: skip

    @cached_property
    def contrast(self) -> Contrast:
        """Differences between the actions of every state under the chain's rewards and discount."""
        return self.contrast_of(*self._pays, **self._discount)

    def contrast_of(
        self,
        stop: Floats,
        resample: Floats,
        *,
        answer: Floats | float = 0.0,
        gamma_within: ArrayLike = 1.0,
        gamma_between: ArrayLike = 1.0,
    ) -> Contrast:
        """Return the differences under other rewards and discounts; ``answer`` is paid with either decision.

        Raises:
            ImproperChainError: uncapped, undiscounted, and resampling for ever.
        """
        gw, gb = (np.asarray(g, dtype=np.float64)[..., None, None, None] for g in (gamma_within, gamma_between))
        if not self.capped:
            refuse_endless(end_or_discount(self.unrolled, gw[..., 0], gb[..., 0]), self.mdp.prompt_name)
        return contrast(self.unrolled, stop, resample, 1.0 - gb, gw, answer)

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

    @property
    def advantage_sample(self) -> Floats:
        """(*runs, T', X, Y) A_s = Q_s - V."""
        return self._advantages[0]

    @property
    def advantage_stop(self) -> Floats:
        """(*runs, T', X, Y) A_d(stop) = Q_d(stop) - V_d; zero where no decision is drawn."""
        return self._advantages[1]

    @property
    def advantage_resample(self) -> Floats:
        """(*runs, T', X, Y) A_d(resample) = Q_d(resample) - V_d."""
        return self._advantages[2]

    @cached_property
    def _advantages(self) -> tuple[Floats, Floats, Floats]:
        return self.contrast.advantages(self.unrolled)

    @cached_property
    def return_variance(self) -> Floats:
        r"""(*runs, X) Var(G | x) of the discounted return, reward noise included.

        :math:`Var_k = E[(Q_{now} - V_k)^2] + \gamma_w^2 (E[noise] + \gamma_b^2 P(res) Var_{k+1})`, a sum of non-negative terms.
        """
        noise = self.mdp.reward_stop_variance[..., None, :, :], self.mdp.reward_resample_variance[..., None, :, :]
        return self.variance_of(*self._pays, *noise, **self._discount)

    def variance_of(
        self, stop: Floats, resample: Floats, stop_noise: Floats, resample_noise: Floats, *, gamma_within: Floats,
        gamma_between: Floats,
    ) -> Floats:  # fmt: skip
        """Return the variances, (*runs, X), of discounted sums of other rewards, with noise of these variances."""
        pol, v = self.unrolled, self.values_of(stop, resample, gamma_within=gamma_within, gamma_between=gamma_between)
        gw, gb = gamma_within[..., None, None], gamma_between[..., None, None]
        centre = v.value[..., None]
        spread = pol.stop * (gw[..., None] * v.q_stop - centre) ** 2 + pol.resample * (gw[..., None] * v.q_resample - centre) ** 2
        noise = pol.stop * stop_noise + pol.resample * resample_noise
        turn = (pol.sample * (spread + gw[..., None] ** 2 * noise)).sum(axis=-1)
        if not self.capped:
            once = end_or_discount(pol, gw, gb)  # 1 - g^2 q = (1 - g q) + g q (1 - g), again without cancellation
            again = gw * gb * (pol.sample * pol.resample).sum(axis=-1)
            return np.asarray((turn / (once + again * ((1.0 - gw) + gw * (1.0 - gb))))[..., 0, :])
        again = (gw * gb) ** 2 * (pol.sample * pol.resample).sum(axis=-1)
        total: Floats = turn[..., -1, :]
        for k in reversed(range(turn.shape[-2] - 1)):
            total = turn[..., k, :] + again[..., k, :] * total
        return total

    # ------------------------------------------------------------------ occupancies

    @cached_property
    def visits(self) -> Floats:
        """(*runs, T', X) undiscounted probability of reaching the turn; uncapped, the expected number of turns (inf: endless)."""
        return reach(self.unrolled)

    @cached_property
    def discounted_visits(self) -> Floats:
        """(*runs, T', X) the same, each turn k weighted by (gamma_within gamma_between)^k."""
        return reach(self.unrolled, **self._discount)

    @cached_property
    def occupancy(self) -> Floats:
        """(*runs, T', X) rho(x) times the undiscounted visits; 0 for a prompt of weight 0, even if its episodes never end."""
        rho = self.mdp.prompt_weight
        return np.where(rho > 0, self.visits, 0.0) * rho

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
        if not self.visits.max() <= MOST_TURNS:
            refuse_endless(1.0 / self.visits, self.mdp.prompt_name)
        return self.visits

    # ------------------------------------------------------------------ what one observes

    @property
    def may_end(self) -> Bools:
        """(*runs, K, X, Y) whether a response may end with an answer, be it ever so rarely: of no prompt of weight 0."""
        given = (self.policy.log_sample > -np.inf) & (self.mdp.prompt_weight > 0)[:, None]
        return given if self.capped else given & (self.policy.log_stop > -np.inf)

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
        if (stopping < _FEW_DIGITS).any():
            # The stop probabilities underflowed, yet which stop comes first is still decided by their ratios: use logarithms.
            log_ends = self.policy.log_sample + self.policy.log_stop
            relative = np.exp(log_ends - np.maximum(log_ends.max(axis=-1, keepdims=True), np.finfo(np.float64).min))
            with np.errstate(invalid="ignore"):
                ratio = ((relative * right).sum(axis=-1) / relative.sum(axis=-1))[..., 0, :]
            # A chain that certainly never stops never submits a correct answer.
            acc = np.where(stopping[..., 0, :] < _FEW_DIGITS, np.nan_to_num(ratio, nan=0.0), acc)
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

        Raises:
            ChainError: ``up_to`` is no whole number >= 1, or its default would be beyond a million turns.

        >>> from dstheory.chain.mdp import TwoStageMDP
        >>> solve(TwoStageMDP.minimal(), Policy.minimal(p=0.5, a=0.5, b=0.5)).turn_distribution(3).tolist()
        [[0.5, 0.25, 0.125]]
        """
        again = (self.unrolled.sample * self.unrolled.resample).sum(axis=-1)  # (*runs, T', X)
        ends = (self.unrolled.sample * self.unrolled.stop).sum(axis=-1)
        if up_to is None:
            least = float(ends.min())
            quantile = np.log(1e-3) / np.log1p(-least) if 0.0 < least < 1.0 else 1.0
            if self.mdp.max_turns is None and quantile > _LONGEST_TABLE:
                raise ChainError(f"0.999 of the episodes take up to {quantile:.3g} turns: give up_to to say how many to tabulate")
            up_to = self.mdp.max_turns or max(1, int(np.ceil(quantile)))
        up_to = whole_number(up_to, "up_to", low=1)
        if not self.capped:
            return np.asarray(again[..., 0, :, None] ** np.arange(up_to) * ends[..., 0, :, None])
        full = np.moveaxis(self.visits * ends, -2, -1)
        return np.pad(full, [(0, 0)] * (full.ndim - 1) + [(0, up_to)])[..., :up_to]

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
        occurs = self.mdp.prompt_weight > 0  # a prompt that never occurs may be endless: inf x 0 is not wanted
        return np.asarray((per_prompt[..., occurs] * self.mdp.prompt_weight[occurs]).sum(axis=-1))

    def _relative_visits(self) -> Floats:
        """Visits scaled so that the largest is 1: averages over answers exist even when visits overflow."""
        visits = np.where(self.mdp.prompt_weight > 0, self.visits, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            top = visits.max(axis=(-2, -1), keepdims=True)
            return np.where(np.isinf(top), np.isinf(visits).astype(float), visits / top)

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

    >>> from dstheory.chain.mdp import TwoStageMDP
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.5, b=0.75))
    >>> s.accuracy.round(12).tolist(), s.expected_turns.round(12).tolist()  # odds = 1 x 0.5/0.25
    ([0.666666666667], [2.666666666667])
    """
    if not (isinstance(mdp, TwoStageMDP) and isinstance(policy, Policy)):
        raise ChainError(f"got {type(mdp).__name__} and {type(policy).__name__}: give a TwoStageMDP first, then its Policy")
    policy.check_fits(mdp)
    return Solution(mdp, policy)


# A gain below this is the rounding of two accuracies, and has no parts.
_NO_GAIN = 1e-12


@dataclass(frozen=True, eq=False)
class GainSplit:
    """An accuracy gain and its two parts, (*runs,) each; ``sample + decide == gain`` up to rounding.

    >>> start, end = Policy.minimal(p=0.55, a=0.8, b=0.3), Policy.minimal(p=0.6, a=0.9, b=0.6)
    >>> split = split_gain(TwoStageMDP.minimal(), start, end)
    >>> [round(float(part), 4) for part in (split.gain, split.sample, split.decide, split.decision_share)]
    [0.1886, 0.0434, 0.1452, 0.7697]
    """

    before: Floats
    after: Floats
    sample: Floats
    decide: Floats

    @classmethod
    def of_corners(cls, *, s0d0: Floats, s0d1: Floats, s1d0: Floats, s1d1: Floats) -> GainSplit:
        """Return the split from the four accuracies Acc(sampling of 0 or 1, decisions of 0 or 1).

        >>> split = GainSplit.of_corners(s0d0=np.array(0.5), s0d1=np.array(0.7), s1d0=np.array(0.6), s1d1=np.array(0.9))
        >>> float(split.sample.round(3)), float(split.decide.round(3))
        (0.15, 0.25)
        """
        decide = 0.5 * ((s0d1 - s0d0) + (s1d1 - s1d0))
        sample = 0.5 * ((s1d0 - s0d0) + (s1d1 - s0d1))
        return cls(s0d0, s1d1, sample, decide)

    @property
    def gain(self) -> Floats:
        """Accuracy after minus accuracy before."""
        return self.after - self.before

    @property
    def decision_share(self) -> Floats:
        """Share of the gain due to decisions; may leave [0, 1] when the parts have opposite signs; NaN where there is no gain."""
        real = np.abs(self.gain) > _NO_GAIN
        return np.asarray(np.divide(self.decide, self.gain, out=np.full(np.shape(self.gain), np.nan), where=real))


def split_gain(mdp: TwoStageMDP, before: Policy, after: Policy) -> GainSplit:
    """Split the accuracy gain between two policies of one chain (undiscounted accuracies, averaged over prompts).

    Raises:
        ChainError: a policy does not fit the chain, or the run axes of the two do not fit together.

    >>> from dstheory import Policy, TwoStageMDP
    >>> start, end = Policy.minimal(p=0.55, a=0.8, b=0.3), Policy.minimal(p=0.5613, a=0.9645, b=0.9993)
    >>> float(split_gain(TwoStageMDP.minimal(), start, end).decision_share.round(3))
    0.987
    """
    for policy, what in ((before, "policy before"), (after, "policy after")):
        policy.check_fits(mdp, what)
    try:
        np.broadcast_shapes(before.runs, after.runs)
    except ValueError as error:
        raise ChainError(f"the policy before has runs {before.runs}, the one after {after.runs}: they do not fit") from error

    return split_solutions(solve(mdp, before), solve(mdp, after))


def split_solutions(before: Solution, after: Solution) -> GainSplit:
    """Return the same split from the solutions of one chain under both policies."""

    def mixed(sampling: Policy, decision: Policy) -> Floats:
        z, u = np.broadcast_arrays(sampling.sample_logits, decision.stop_logits)
        return solve(before.mdp, Policy(z, u)).mean_accuracy

    old, new = before.policy, after.policy
    return GainSplit.of_corners(s0d0=before.mean_accuracy, s0d1=mixed(old, new), s1d0=mixed(new, old), s1d1=after.mean_accuracy)
