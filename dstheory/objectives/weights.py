r"""Token weights: factors that depend on the action alone, on top of what a response's credit gives to all of its tokens.

Ratios of whole answers are turned into ratios of their tokens by the *even* model: each of the l tokens of an answer has the
geometric mean of its probabilities, so that :math:`\rho_{token} = (\pi/\mu)^{1/l}`, and an equal share of the answer's score. An
answer's l tokens, each weighted by w, then weigh as much as the answer weighted by w.

Source: derived here; clipping arXiv 1707.06347, asymmetric arXiv 2503.14476, truncation arXiv 2506.13585.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.exact import Solution
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Bools, Floats, compact, probability, readonly, reject
from dstheory.errors import ChainError, InfiniteDivergenceError, OneRunError
from dstheory.objectives.mass import over_runs
from dstheory.objectives.rounding import directed

Reduction = Literal["sum", "mean"]

_SPLIT = 40.0  # an exponent up to which exp(it) times any probability is a number with all its digits
_HALF = 300.0  # two exponents whose sum is one of a number
_RARE = -690.0  # below, the logarithm of a probability that loses digits to underflow


def stage_weights(mdp: TwoStageMDP, length_weight: ArrayLike, reduction: Reduction) -> tuple[Floats, Floats]:
    r"""Return the stage weights w_s, w_d, each broadcastable to (*runs, 1, X, Y).

    :math:`w_s = l_s^\lambda, w_d = l_d^\lambda`: lambda = 0 counts each stage once per turn, 1 as often as it has tokens. With
    reduction ``"mean"``, the stage mean, both are divided by :math:`w_s + w_d`, which keeps the weight of an answer and its
    decision together at 1.

    Args:
        mdp: has the lengths.
        length_weight: lambda in [0, 1], a number or an array over runs.
        reduction: ``"sum"`` or ``"mean"``.

    Raises:
        ChainError: lambda outside [0, 1], or an unknown reduction.

    Source: arXiv 2601.01580 (length-weighting); the exponent form is derived here.

    >>> w_s, w_d = stage_weights(TwoStageMDP.minimal(sample_length=16), 0.5, "mean")
    >>> float(w_s[0, 0, 0]), float(w_d[0, 0, 0])
    (0.8, 0.2)
    """
    lam = probability(length_weight, "length_weight", "0 counts stages, 1 counts tokens")
    if reduction not in ("sum", "mean"):
        raise ChainError(f"reduction is {reduction!r}: must be 'sum' or 'mean'")
    if lam.ndim or directed():
        return _weights(mdp, lam, reduction)
    # A chain is immutable and training asks for the same weights at every step: powers of a large table are computed once.
    known = mdp.__dict__.setdefault("_stage_weights", {})
    key = float(lam), reduction
    if key not in known:
        known.clear()
        known[key] = _weights(mdp, lam, reduction)
    weights: tuple[Floats, Floats] = known[key]
    return weights


def _weights(mdp: TwoStageMDP, lam: Floats, reduction: Reduction) -> tuple[Floats, Floats]:
    w_s, w_d = (compact(length)[..., None, :, :] ** over_runs(lam, 3) for length in (mdp.sample_length, mdp.decision_length))
    if reduction == "mean":
        total = w_s + w_d
        w_s, w_d = w_s / total, w_d / total
    return readonly(w_s), readonly(w_d)


@dataclass(frozen=True, eq=False)
class TokenWeight:
    """A weight of every answer, of stop and of resample, broadcastable to (*runs, T', X, Y).

    A ratio may be larger than the largest floating-point number, at an action so rare that their product is not: a weight is what
    is given here, times exp(beyond).

    Attributes:
        sample, stop, resample: the weights, or as much of them as is a number.
        beyond: exponents of what is left, one table for each of the three; None for 0.
        own: where known, the weights times the probability under the policy that acts, over that under the policy whose
            gradient is asked for: of each of the three, and less a number that the actions of a state share.
        apart: where known to all its digits, returns the weight of an answer less that of the likeliest one, and that of stop
            less that of resample: computed when asked, since policies that are far apart do not need it.
    """

    sample: Floats
    stop: Floats
    resample: Floats
    beyond: tuple[Floats, ...] | None = None
    own: tuple[tuple[Floats, ...], tuple[Floats, ...]] | None = None
    apart: Callable[[], tuple[Floats, Floats]] | None = None

    @classmethod
    def exponential(cls, logs: Sequence[Floats], taken: Policy, function: Callable[[Floats], Floats] = np.exp) -> TokenWeight:
        """Return exp(logs), or another function that grows like it, of answers, of stop and of resample.

        Args:
            logs: one table per kind of action.
            taken: the policy that takes the actions.
            function: np.exp or np.expm1.
        """
        if all(log.max() <= _SPLIT for log in logs):  # nearly always; the tables below are not needed then
            answer, stop, resample = map(function, logs)
            return cls(answer, stop, resample)
        # Of an action whose probability loses digits to underflow, the exponent is split so early that their product has them.
        limits = [np.where(log_p > _RARE, 600.0, _SPLIT) for log_p in (taken.log_sample, taken.log_stop, taken.log_resample)]
        beyond = tuple(np.maximum(log - limit, 0.0) for log, limit in zip(logs, limits, strict=True))
        capped = [np.minimum(log, limit) for log, limit in zip(logs, limits, strict=True)]
        answer, stop, resample = map(function, capped)
        if not any(b.any() for b in beyond):
            return cls(answer, stop, resample)
        halves = [function(log - np.log(2.0)) for log in capped]
        pairs = zip((answer, stop, resample), halves, beyond, strict=True)
        return cls(answer, stop, resample, tuple(_what_is_left(weight, half, b) for weight, half, b in pairs))

    @property
    def each(self) -> tuple[Floats, Floats, Floats]:
        """The weights of the three kinds of action."""
        return self.sample, self.stop, self.resample

    @property
    def common(self) -> Floats | None:
        """The weight that all actions share, (*runs, 1, 1, 1), or None where they differ."""
        one = self.beyond is None and all(w.shape[-3:] == (1, 1, 1) for w in self.each)
        return self.sample if one and all(np.array_equal(self.sample, w) for w in self.each) else None

    def map(self, function: Callable[[Floats], Floats]) -> TokenWeight:
        """Return the weights with a function applied to each.

        Raises:
            ChainError: where they are very large, it is neither proportional nor constant.
        """
        answer, stop, resample = map(function, self.each)
        if self.beyond is None:
            return TokenWeight(answer, stop, resample)
        pairs = zip(self.each, (answer, stop, resample), self.beyond, strict=True)
        return TokenWeight(answer, stop, resample, tuple(_what_is_left(f, function(0.5 * w), b) for w, f, b in pairs))

    def where(self, kept: Sequence[Bools]) -> TokenWeight:
        """Return the weights of some of the answers, stops and resamples, 0 elsewhere."""
        answer, stop, resample = (np.where(k, w, 0.0) for k, w in zip(kept, self.each, strict=True))
        beyond = None if self.beyond is None else tuple(np.where(k, b, 0.0) for k, b in zip(kept, self.beyond, strict=True))
        return TokenWeight(answer, stop, resample, beyond)

    def compared(self, logs: Sequence[Floats], mdp: TwoStageMDP) -> TokenWeight:
        r"""Return ratios of tokens to the policy that acts, with what they come to on the policy whose gradient is asked for.

        The ratio of a token is :math:`(\pi/\mu)^{1/l}`, so that times :math:`\mu/\pi` it is :math:`(\mu/\pi)^{1 - 1/l}`, 1 where
        an action is one token.

        Args:
            logs: logarithms of the ratios, of answers, of stop and of resample; those of weight 0 do not count.
            mdp: has the lengths.
        """
        lengths = (n[..., None, :, :] for n in (mdp.sample_length, mdp.decision_length, mdp.decision_length))
        with np.errstate(over="ignore", invalid="ignore"):  # then the weights themselves are taken
            turned = [np.where(log > -np.inf, (1.0 - n) * log, 0.0) for log, n in zip(logs, lengths, strict=True)]
            own = tuple(np.where(w == 0.0, 0.0, np.exp(t)) for w, t in zip(self.each, turned, strict=True))
            apart = tuple(np.where(w == 0.0, -1.0, np.expm1(t)) for w, t in zip(self.each, turned, strict=True))
        return replace(self, own=(own, apart))

    def scaled(self, factor: Floats) -> TokenWeight:
        """Return the weights times an array that broadcasts."""
        answer, stop, resample = (factor * weight for weight in self.each)
        own = None
        if self.own is not None:
            weights, apart = (tuple(factor * table for table in tables) for tables in self.own)
            own = weights, apart
        return TokenWeight(answer, stop, resample, self.beyond, own)

    def times(self, other: TokenWeight) -> TokenWeight:
        """Return the products with other weights.

        Raises:
            ChainError: a product is no number, but for the exponents that are left of both.
        """
        with np.errstate(over="ignore"):
            answer, stop, resample = (w * o for w, o in zip(self.each, other.each, strict=True))
        for what, weight in (("an answer", answer), ("stop", stop), ("resample", resample)):
            reject(~np.isfinite(weight), weight, f"weight of {what} times its coefficient", "must be finite",
                   "lengths and logits are too large together", axes=("turn", "prompt", "answer"))  # fmt: skip
        if self.beyond is None or other.beyond is None:
            return TokenWeight(answer, stop, resample, self.beyond or other.beyond)
        return TokenWeight(answer, stop, resample, tuple(a + b for a, b in zip(self.beyond, other.beyond, strict=True)))

    def of_steps(self, solution: Solution, t: Trajectories) -> tuple[Floats, Floats]:
        """Return the weight of the answer and of the decision of every step, (m,) each; infinite where it is too large a number.

        Raises:
            ChainError: the weights differ between runs.
        """
        if any(w.ndim > 3 for w in (self.sample, self.stop, self.resample)):
            raise OneRunError("the weights have runs, but coefficients on trajectories are those of one run: pick one")
        return self.of_runs(solution, t)

    def of_runs(self, solution: Solution, t: Trajectories) -> tuple[Floats, Floats]:
        """Return the same for every run, (*runs, m) each."""
        (answer, decision), (b_s, b_d) = self.split_of_steps(solution, t)
        with np.errstate(over="ignore", invalid="ignore"):
            whole = (np.where((b > 0) & (w != 0.0), w * np.exp(b), w) for w, b in ((answer, b_s), (decision, b_d)))
            answer, decision = whole
        return answer, decision

    def split_of_steps(self, solution: Solution, t: Trajectories) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
        """Return them as they are given, and the exponents of what is left, (*runs, m) each."""
        shape = (solution.mdp.max_turns or 1, *solution.mdp.shape)
        at = t.index(by_turn=solution.capped)

        def of(tables: Sequence[Floats]) -> tuple[Floats, Floats]:
            answer, stop, resample = (np.broadcast_to(w, (*w.shape[:-3], *shape))[..., *at] for w in tables)
            return answer, np.where(t.stop, stop, resample)

        return of(self.each), of(self.beyond or (np.zeros((1, 1, 1)),) * 3)

    def shares(self, taken: Policy, decided: Floats, credits_: Sequence[Floats]) -> tuple[Floats, Floats, Floats]:
        """Return the probability of every answer, of answering and stopping, and of answering and resampling, weighted.

        Args:
            taken: the policy that acts.
            decided: (T', 1, 1) 0 at turns without a decision.
            credits_: what each is multiplied by, beside its weight: it may make a number again of what is none.

        Raises:
            ChainError: a product is larger than the largest floating-point number.
        """
        beyond = self.beyond or (np.zeros(()),) * 3
        logs = taken.log_sample, taken.log_sample + taken.log_stop, taken.log_sample + taken.log_resample
        drawn = (np.ones(()), decided, decided)
        found = []
        each = zip(("the answer", "stop", "resample"), logs, beyond, self.each, credits_, drawn, strict=True)
        for what, log, b, w, credit, there in each:
            with np.errstate(over="ignore", invalid="ignore"):
                share = np.where((there > 0) & (w != 0.0) & (credit != 0.0), probability_times(log + b, w, credit), 0.0)
            reject(~np.isfinite(share), share, f"probability of {what} times its ratio", "must be finite",
                   "the two policies are too far apart there", axes=("turn", "prompt", "answer"))  # fmt: skip
            found.append(share)
        return found[0], found[1], found[2]


def probability_times(log: Floats, *weights: Floats) -> Floats:
    """Return exp(log) times weights, which may make a number again of what is none."""
    product = functools.reduce(operator.mul, weights, np.exp(log))
    far = ~(np.abs(log) <= -_RARE)
    if not far.any():
        return np.asarray(product)
    with np.errstate(divide="ignore", invalid="ignore"):
        signs = functools.reduce(operator.mul, map(np.sign, weights))
        return np.where(far, signs * np.exp(log + sum(np.log(np.abs(weight)) for weight in weights)), product)


def chance_times(chance: Floats, log: Floats, beyond: Floats, *weights: Floats) -> Floats:
    """Return a chance, whose logarithm is given, times exp(beyond) and weights: either of the two may be no number."""
    product = functools.reduce(operator.mul, weights, chance)
    plain = (beyond == 0.0) & (log > _RARE)
    if plain.all():
        return np.asarray(product)
    with np.errstate(over="ignore", invalid="ignore"):  # infinite where it is too large a number
        return np.where(plain, product, probability_times(log + beyond, *weights))


def of_large(function: Callable[[Floats], Floats], log: Floats) -> tuple[Floats, Floats]:
    """Return a function of exp(log), as much of it as is a number, and the exponents of what is left.

    Raises:
        ChainError: where exp(log) is very large or very small, the function is neither proportional to it nor constant.

    >>> weight, beyond = of_large(lambda ratio: np.minimum(ratio, 2.0), np.array([-1000.0, 0.0, 1000.0]))
    >>> (np.log(weight) + beyond).round(6).tolist()
    [-1000.0, 0.0, 0.693147]
    """
    near = log.clip(-_HALF, _HALF)
    ratio, beyond = np.exp(near), log - near
    weight = function(ratio)
    return weight, beyond if not beyond.any() else _what_is_left(weight, function(0.5 * ratio), beyond, ("trajectory",))


def _what_is_left(
    weight: Floats, half: Floats, beyond: Floats, axes: Sequence[str] = ("turn", "prompt", "answer")
) -> Floats:
    """Return the exponents that are left of a function of weights, given its value and that of half as large ones."""
    constant = weight == half
    odd = (beyond != 0) & ~constant & ~(np.abs(weight - 2.0 * half) <= 1e-12 * np.abs(weight))
    reject(odd, beyond, "logarithm of a ratio, beyond what is a number,", "must be 0", "the two policies are too far apart there",
           axes=axes)  # fmt: skip
    return np.where(constant, 0.0, beyond)


@dataclass(frozen=True, eq=False)
class StageWeight:
    """The weight of an action by the length of its stage, l^lambda (see :func:`stage_weights`)."""

    length_weight: ArrayLike = 0.0
    reduction: Reduction = "sum"

    def of(self, mdp: TwoStageMDP) -> TokenWeight:
        """Return the weights of a chain's answers and decisions."""
        w_s, w_d = stage_weights(mdp, self.length_weight, self.reduction)
        return TokenWeight(w_s, w_d, w_d)


def token_ratios(policy: Policy, sampler: Policy, solution: Solution) -> TokenWeight:
    """Return the ratio of each token, policy over sampler, under the even model: (pi/mu)^(1/l); 0 where the policy never goes.

    Args:
        policy, sampler: the two policies.
        solution: the chain under the policy.

    Raises:
        InfiniteDivergenceError: the sampler rules out what the policy does, at a state that the policy meets.

    >>> from dstheory import TwoStageMDP, solve
    >>> here, there = Policy.minimal(p=0.5, a=0.5, b=0.5), Policy.minimal(p=0.125, a=0.5, b=0.5)
    >>> s = solve(TwoStageMDP.minimal(sample_length=2), here)
    >>> token_ratios(here, there, s).sample.round(6).tolist()  # 4^(1/2) for the correct answer
    [[[2.0, 0.755929]]]
    """
    return TokenWeight.exponential(log_token_ratios(policy, sampler, solution), sampler)


def log_token_ratios(policy: Policy, sampler: Policy, solution: Solution) -> tuple[Floats, Floats, Floats]:
    """Return the logarithms of :func:`token_ratios`, of answers, of stop and of resample; minus infinity for 0."""
    sampler.check_fits(solution.mdp, "behaviour policy")
    return _even(solution, policy, log_ratios(policy, sampler, solution, called="behaviour policy"))


def token_probabilities(solution: Solution) -> TokenWeight:
    """Return the probability of each token under the even model, pi^(1/l).

    >>> from dstheory import TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(sample_length=2), Policy.minimal(p=0.25, a=0.5, b=0.5))
    >>> token_probabilities(s).sample.round(6).tolist()
    [[[0.5, 0.866025]]]
    """
    policy, mdp, of_likeliest = solution.policy, solution.mdp, solution.policy.at_likeliest
    weight = TokenWeight.exponential(_even(solution, policy, (policy.log_sample, policy.log_stop, policy.log_resample)), policy)

    def apart() -> tuple[Floats, Floats]:
        lengths, decisions = (length[..., None, :, :] for length in (mdp.sample_length, mdp.decision_length))
        z, log, each = policy.sample_logits, of_likeliest(policy.log_sample), 1.0 / lengths
        away = (z - of_likeliest(z)) / lengths + log * (each - of_likeliest(each))
        # The larger one of both decisions counts: what the other lacks of it is at most as large.
        larger, smaller = np.maximum(weight.stop, weight.resample), np.expm1(-np.abs(policy.stop_logits) / decisions)
        return of_likeliest(weight.sample) * np.expm1(away), -np.sign(policy.stop_logits) * larger * smaller

    return replace(weight, apart=apart)


def _even(solution: Solution, policy: Policy, logs: Sequence[Floats]) -> tuple[Floats, Floats, Floats]:
    """Return log/length of every action, minus infinity for those that the policy rules out."""
    mdp = solution.mdp
    lengths = (length[..., None, :, :] for length in (mdp.sample_length, mdp.decision_length, mdp.decision_length))
    own = (policy.log_sample, policy.log_stop, policy.log_resample)
    sample, stop, resample = (np.where(p == -np.inf, -np.inf, log / n) for log, p, n in zip(logs, own, lengths, strict=True))
    return sample, stop, resample


def log_ratios(
    policy: Policy, reference: Policy, solution: Solution | None = None, *, called: str = "reference"
) -> tuple[Floats, Floats, Floats]:
    """Return log(pi/ref) of every answer, of stop and of resample; 0 for actions that the policy never takes.

    Args:
        policy, reference: the two policies.
        solution: the chain under the policy, if states that are never met, and decisions that are never drawn, are to be let
            pass.
        called: how an error calls the second policy.

    Raises:
        InfiniteDivergenceError: the reference rules out an action that the policy can take.

    >>> up, _, _ = log_ratios(Policy.minimal(p=0.5, a=0.5, b=0.5), Policy.minimal(p=0.25, a=0.5, b=0.5))
    >>> up.round(6).tolist()
    [[[0.693147, -0.405465]]]
    """
    possible = policy.log_sample > -np.inf
    out = []
    for (what, log_p, log_q), ratio in zip(log_pairs(policy, reference), policy.log_ratios(reference), strict=True):
        taken = possible & (log_p > -np.inf)
        ruled_out = log_q == -np.inf
        refuse_infinite(taken & ruled_out, what, called, "policy", solution)
        out.append(np.where(taken & ~ruled_out, ratio, 0.0))
    return out[0], out[1], out[2]


def reference_excess(policy: Policy, reference: Policy, solution: Solution) -> TokenWeight:
    """Return ref/pi - 1 of every answer, of stop and of resample: the coefficient of the k3 estimator, ascent, per unit of beta.

    Args:
        policy, reference: the two policies.
        solution: the chain under the policy that generates the actions; what it never meets may be anything (0 is returned).

    Raises:
        InfiniteDivergenceError: the policy rules out what the reference does, at a state that is met.

    >>> from dstheory import TwoStageMDP, solve
    >>> here = Policy.minimal(p=0.5, a=0.5, b=0.5)
    >>> reference_excess(here, Policy.minimal(p=0.25, a=0.5, b=0.5), solve(TwoStageMDP.minimal(), here)).sample.round(12).tolist()
    [[[-0.5, 0.5]]]
    """
    out = []
    for (what, log_p, log_q), ratio in zip(log_pairs(policy, reference), policy.log_ratios(reference), strict=True):
        ruled_out = log_p == -np.inf
        refuse_infinite(ruled_out & (log_q > -np.inf), what, "policy", "reference", solution)
        out.append(np.where(ruled_out, 0.0, -ratio))
    return TokenWeight.exponential(out, solution.policy, np.expm1)


def log_pairs(policy: Policy, reference: Policy) -> tuple[tuple[str, Floats, Floats], ...]:
    """Return the log-probabilities of every kind of action under both policies, and what messages call it."""
    return (
        ("answer", policy.log_sample, reference.log_sample),
        ("stop decision at the answer", policy.log_stop, reference.log_stop),
        ("resample decision at the answer", policy.log_resample, reference.log_resample),
    )


def refuse_infinite(bad: Bools, what: str, without: str, with_: str, solution: Solution | None = None) -> None:
    """Raise InfiniteDivergenceError where ``bad`` marks an action that one policy rules out and the other takes.

    Args:
        bad: (*runs, K, X, Y) marks.
        what: the kind of action.
        without, with_: how messages call the policy that rules it out, and the one that takes it.
        solution: if given, only what is met under its policy counts.
    """
    if bad.any() and solution is not None:  # of these, only what is met under the solution's policy counts
        bad = bad & (solution.occupancy > 0)[..., None]
        if "decision" in what:
            bad = bad & (solution.unrolled.decided > 0) & (solution.policy.log_sample > -np.inf)
    if bad.any():
        *_, k, x, y = (int(i) for i in np.argwhere(bad)[0])
        prompt = f"prompt {x}" if solution is None else solution.mdp.prompt_name(x)
        raise InfiniteDivergenceError(
            f"the {without} gives probability 0 to the {what} (turn {k}, {prompt}, answer {y}) where the {with_} does not: "
            "the divergence is infinite; give the " + without + " some mass there"
        )
