r"""KL penalties and the entropy bonus: what is added to the coefficients, under which normaliser, and what that differentiates.

With :math:`\ell = \log(\pi/ref)` of an action that the policy drew, the coefficients per unit of the normaliser are

=====================  =========================  ======================================================
placement              coefficient                expected gradient (sum over tokens)
=====================  =========================  ======================================================
k1 in the loss         -beta                      zero
k2 in the loss         -beta l                    reverse KL of every visited state, states frozen
k3 in the loss         -beta (1 - exp(-l))        forward KL of every visited state, states frozen
k1 in the reward       -beta sum of l             reverse KL of whole trajectories, states credited
entropy bonus          -alpha (log pi + H)        entropy of every visited state, states frozen
=====================  =========================  ======================================================

If the tokens of the response, of its group or of a small batch divide, k1 in the loss has -beta grad E[1/L], L those tokens. Nor
is it zero beside a reward whose groups are drawn again or left out.

Each divergence has two forms, which agree where no length enters: ``kl-direct`` (k2), ``forward-kl`` (k3) and ``kl`` (k1 in the
reward) weigh *stages* by :math:`l^\lambda`, as the source does; ``k2-loss``, ``k3-loss`` and ``k1-reward`` divide by a
*normaliser*, as training code does, and inherit that of the reward in the same sum. A stage counts as one action; where the
tokens of an answer are independent, under both policies, that is exact. ``kl`` adds the derivative of the penalty itself.

All are taken on the policy's own responses, but for ``states="reference"``; also in a sum with a reward whose responses another
policy generates, or which masks some of them; groups that it draws again or leaves out do not count. The ``reference`` and
``beta`` of a group objective are a penalty on its own.

All are written for ascent. Source: arXiv 2601.01580, section 4.3 (KL penalties); estimators after Schulman (2020),
http://joschu.net/blog/kl-approx.html; placement arXiv 2510.01555 and the code of TRL and verl; entropy since Williams and Peng
(1991); the expectations under each normaliser are derived here.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from math import inf
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.contrast import Contrast
from dstheory.chain.exact import Solution, solve
from dstheory.chain.policy import Policy
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Floats, float_array, numbers_only
from dstheory.errors import ChainError, InfiniteDivergenceError
from dstheory.objectives.base import Measure
from dstheory.objectives.expectation.denominators import on_lengths
from dstheory.objectives.expectation.exponential import moments
from dstheory.objectives.expectation.grouping import Grouping
from dstheory.objectives.expectation.groups import effective_credit
from dstheory.objectives.expectation.rewards import ResponseReward, RewardTable
from dstheory.objectives.fused import MOST_TURNS, FusedTerms, one_pass
from dstheory.objectives.imitation import ExpertChain
from dstheory.objectives.large_groups import gradient_of_penalty
from dstheory.objectives.mass import (
    CoefficientMass,
    StageGradient,
    check_runs,
    check_strength,
    contrast_mass,
    log_likelihood,
    over_runs,
)
from dstheory.objectives.parts import (
    BatchTokens,
    Credit,
    GroupMean,
    GroupTokens,
    LeaveOneOut,
    Normaliser,
    PerResponse,
    PerToken,
    Raw,
    normaliser_named,
)
from dstheory.objectives.registry import register
from dstheory.objectives.responses import ResponseObjective, Term
from dstheory.objectives.token_parts import Estimator
from dstheory.objectives.weights import (
    Reduction,
    StageWeight,
    TokenWeight,
    log_pairs,
    log_ratios,
    reference_excess,
    refuse_infinite,
)

_ONE = np.ones((1, 1, 1))
_NEAR = 1e-3  # a log-ratio, below which its mean has few digits
_LEFT = 2e-3  # of the terms that a gradient is a difference of: rounding is then less than 1e-12 of it


class _Penalty(ResponseObjective):
    """A strength times a coefficient per token, times the weight of its stage, over a normaliser."""

    @property
    @abstractmethod
    def strength(self) -> ArrayLike:
        """The factor of the whole, a number or an array over runs."""

    @abstractmethod
    def per_token(self, solution: Solution) -> TokenWeight:
        """Return the coefficient of each action per unit of strength, weight and normaliser."""

    @property
    def divided_by(self) -> tuple[Normaliser, Grouping]:
        """The normaliser and its sizes: responses."""
        return PerResponse(), Grouping()

    @property
    def stage_weight(self) -> StageWeight | None:
        """The weights of the stages; None for 1."""
        return None

    @property
    def weighs_stages(self) -> bool:
        """Whether stages of unequal lengths weigh differently."""
        weight = self.stage_weight
        return weight is not None and (bool(np.any(weight.length_weight)) or weight.reduction != "sum")

    @property
    def plain(self) -> bool:
        """Whether coefficients are summed over tokens and averaged over all responses, so that no length enters."""
        normaliser, grouping = self.divided_by
        return isinstance(normaliser, PerResponse) and not grouping.mixed

    @abstractmethod
    def check(self, solution: Solution) -> None:
        """Raise ChainError unless reference and run axes fit the chain."""

    def generated(self, solution: Solution) -> Solution:
        return solution

    def weighted(self, weight: TokenWeight, solution: Solution) -> TokenWeight:
        """Return a weight of tokens times strength and stage weight."""
        weight = weight.scaled(over_runs(self.strength, 3))
        return weight if self.stage_weight is None else weight.times(self.stage_weight.of(solution.mdp))

    def terms(self, solution: Solution, under: Solution, outcome: ResponseReward) -> tuple[Term, ...]:
        self.check(solution)
        credit = effective_credit(None, *self.divided_by, under, outcome)
        return (Term(credit, self.weighted(self.per_token(solution), solution)),)


@dataclass(frozen=True, eq=False)
class _KL(_Penalty):
    """What the KL penalties share.

    Args:
        reference: the policy that is stayed close to.
        beta: strength >= 0, a number or an array over runs.
    """

    reference: Policy
    beta: ArrayLike = 0.1

    def __post_init__(self) -> None:
        numbers_only(self)
        check_strength(self.beta, "beta", "a penalty has no negative strength")

    @property
    def strength(self) -> ArrayLike:
        return self.beta

    @property
    def estimator(self) -> Estimator | None:
        """Whose coefficient an action gets, at the states of the policy; None for another one."""
        return None

    def _in_one_pass(self, solution: Solution) -> StageGradient | None:
        """Return the gradient where all tokens of a prompt weigh the same, by k2 or by k3."""
        normaliser, grouping = self.divided_by
        if self.estimator is None or self.weighs_stages or grouping.mixed or on_lengths(normaliser, grouping):
            return None
        self.check(solution)
        credit = effective_credit(None, normaliser, grouping, solution, self.outcome_of(solution))
        by_log = self.estimator == "k2"
        return gradient_of_penalty(solution, self.reference, self.beta, credit.constant[0], by_log=by_log)

    def check(self, solution: Solution) -> None:
        self.reference.check_fits(solution.mdp, "reference")
        stages = {} if self.stage_weight is None else {"length_weight": np.shape(self.stage_weight.length_weight)}
        check_runs(solution, reference=self.reference.runs, beta=np.shape(self.beta), **stages)


class _AtStates(_KL):
    """A KL penalty at the states that the policy visits, or the reference."""

    states: Literal["policy", "reference"]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.states not in ("reference", "policy"):
            raise ChainError(f"states is {self.states!r}: must be 'reference' or 'policy'")

    @property
    def measure(self) -> Measure:
        return self.states

    def generated(self, solution: Solution) -> Solution:
        return solve(solution.mdp, self.reference) if self.states == "reference" else solution


@dataclass(frozen=True, eq=False)
class OfStages(_KL):
    """A KL penalty with stage weights.

    Args:
        length_weight: lambda in [0, 1].
        reduction: ``"sum"`` or ``"mean"``.
    """

    length_weight: ArrayLike = 0.0
    reduction: Reduction = "sum"

    @property
    def stage_weight(self) -> StageWeight:
        """The weights l^lambda."""
        return StageWeight(self.length_weight, self.reduction)


def _shared(name: str, found: tuple[Normaliser, Grouping] | None) -> tuple[Normaliser, Grouping] | None:
    """Return the normaliser of the reward in a sum, and its sizes.

    Raises:
        ChainError: groups that are drawn again, or left out, by another reward than correctness, or a reward that counts the
            tokens of whole responses alone.
    """
    if found is None:
        return None
    normaliser, grouping = found
    other = grouping.mixed and not grouping.correctness
    if other or (grouping.uncounted and isinstance(normaliser, GroupTokens | BatchTokens)):
        what = "groups that are drawn again, or left out, by another reward than correctness"
        what = what if other else "a reward that counts the tokens of whole responses alone (mask_truncated='both')"
        raise ChainError(
            f"{name} beside {what} is not computed: give the reward objective its own reference and beta, or "
            f"{'keep all groups' if other else 'count all tokens'}"
        )
    return found


@dataclass(frozen=True, eq=False)
class OfTokens(_KL):
    """A KL penalty with a normaliser.

    Args:
        normaliser: by name or as a part: ``"responses"``, ``"response-tokens"``, ``"group-tokens"``, ``"batch-tokens"``; None to
            inherit that of the reward in the same sum, and responses where there is none.
        group_size, prompts: of the normaliser, where it is given; inf for the limit. In a sum with a reward whose groups are
            drawn again or left out, or whose batch is divided into micro-batches, they are that reward's.
        inherited: the normaliser and the sizes in such sums, which set it.
    """

    normaliser: str | Normaliser | None = None
    group_size: float = 8
    prompts: float = inf
    inherited: tuple[Normaliser, Grouping] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.divided_by  # checks the normaliser and its sizes  # noqa: B018

    @property
    def divided_by(self) -> tuple[Normaliser, Grouping]:
        """The normaliser in force and its sizes: the given one, else the inherited one, else responses."""
        inherited, grouping = self.inherited or (PerResponse(), Grouping(self.group_size, self.prompts))
        return inherited if self.normaliser is None else normaliser_named(self.normaliser), grouping

    def inheriting(self, normaliser: tuple[Normaliser, Grouping] | None) -> Self:
        """Return the penalty divided as the reward in its sum is, or by its own normaliser where one is given.

        Raises:
            ChainError: groups that are drawn again, or left out, by another reward than correctness, or tokens that are not all
                counted.
        """
        if self.normaliser is not None:
            if normaliser is None or not (normaliser[1].mixed or normaliser[1].parts > 1):
                return self
            grouping = replace(normaliser[1], uncounted=False)  # the same groups, all of their tokens
            normaliser = normaliser_named(self.normaliser), grouping
        return replace(self, inherited=_shared(self.name, normaliser))


@register
@dataclass(frozen=True, eq=False)
class K1Loss(OfTokens):
    """k1 = log(pi/ref) added to the loss: its expected gradient is zero, if no tokens divide it and all groups are kept.

    >>> from dstheory import TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(), Policy.minimal(p=0.5, a=0.5, b=0.5))
    >>> zero = K1Loss(Policy.minimal(p=0.25, a=0.5, b=0.5), beta=1.0).gradient(s)
    >>> shorter = K1Loss(Policy.minimal(p=0.25, a=0.5, b=0.5), beta=1.0, normaliser="response-tokens").gradient(s)
    >>> zero.decide.round(12).tolist(), bool((shorter.decide < 0).all())  # stopping is pushed down: length is rewarded
    ([[[0.0, 0.0]]], True)
    """

    name = "k1-loss"

    def per_token(self, solution: Solution) -> TokenWeight:
        """Return -1."""
        return TokenWeight(-_ONE, -_ONE, -_ONE)

    def value(self, solution: Solution) -> Floats | None:
        """Return -beta E[1/L], (*runs,), for averages over each response's own tokens; zero for plain sums; else None."""
        normaliser, grouping = self.divided_by
        if self.plain:
            return np.asarray(0.0 * float_array(self.beta, "beta"))
        if grouping.mixed or not isinstance(normaliser, PerToken):
            return None
        (term,) = self.terms(solution, solution, self.outcome_of(solution))
        each, _ = moments(solution, self.outcome_of(solution).reward, term.credit.t)
        expected = (term.credit.constant * each).sum(axis=0)
        return np.asarray(-np.asarray(self.beta) * (expected * solution.mdp.prompt_weight).sum(axis=-1))


class _ReverseAtStates(_KL):
    """k2: minus the log-ratio of each action, states frozen."""

    @property
    def estimator(self) -> Estimator | None:
        return "k2"

    def per_token(self, solution: Solution) -> TokenWeight:
        """Return minus the log-ratio of every action."""
        return TokenWeight(*log_ratios(solution.policy, self.reference, solution)).map(np.negative)

    def coefficients(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats]:
        """Return minus the log-ratio of every step, or the sum of them, times strength and weight.

        Raises:
            InfiniteDivergenceError: a trajectory has probability 0 under the policy or the reference.
        """
        _refuse_impossible(solution, trajectories, {"policy": solution.policy, "reference": self.reference})
        return super().coefficients(solution, trajectories)

    def coefficients_of_runs(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats] | None:
        """Return the same; None where an action of the chain has probability 0, which each run has to be asked about."""
        for policy in (solution.policy, self.reference):
            for table in (policy.log_sample, policy.log_stop, policy.log_resample):
                if not np.isfinite(table[..., solution.mdp.inside]).all():
                    return None
        return super().coefficients_of_runs(solution, trajectories)


def _refuse_impossible(solution: Solution, t: Trajectories, policies: dict[str, Policy]) -> None:
    """Raise InfiniteDivergenceError for a trajectory with a step whose logarithm is infinite under one of the policies."""
    possible = {who: np.logical_and(*map(np.isfinite, t.log_prob(policy))) for who, policy in policies.items()}
    bad = np.flatnonzero(~np.logical_and.reduce(list(possible.values())))
    if len(bad):
        episode, turn, x, y = (int(v[bad[0]]) for v in (t.episode, t.turn, t.step_prompt, t.answer))
        who = next(who for who, each in possible.items() if not each[bad[0]])
        raise InfiniteDivergenceError(
            f"trajectory {episode}, turn {turn} ({solution.mdp.prompt_name(x)}, answer {y}) has probability 0 under the {who}: "
            f"its logarithm is infinite; give the {who} some mass there"
        )


@register
@dataclass(frozen=True, eq=False)
class ReverseKLDirect(_ReverseAtStates, OfStages):
    """Reverse KL at every visited state, visits frozen: with length weight 0 the gradient of k2 in the loss.

    With answers of unequal weight the coefficient -beta w log(pi/ref) is not the gradient of -beta w KL at that state: the term
    -beta w_s(y) grad log pi is missing, which averages to zero only when all answers of a prompt weigh the same.

    >>> from dstheory import TwoStageMDP, solve
    >>> here, there = Policy.minimal(p=0.5, a=0.5, b=0.5), Policy.minimal(p=0.25, a=0.5, b=0.5)
    >>> g = ReverseKLDirect(there, beta=1.0).gradient(solve(TwoStageMDP.minimal(), here))
    >>> bool(g.sample[0, 0, 0] < 0), g.decide.tolist()  # pulled back towards the reference
    (True, [[[0.0, 0.0]]])
    """

    name = "kl-direct"

    def fused_terms(self, solution: Solution) -> FusedTerms | None:
        """Return the penalty alone, for one strength and one length weight."""
        if np.ndim(self.beta) or np.ndim(self.length_weight):
            return None
        self.check(solution)
        w = self.stage_weight.of(solution.mdp)
        return FusedTerms(0.0, float(np.asarray(self.beta)), self.reference, w.sample, w.stop)


@register
@dataclass(frozen=True, eq=False)
class K2Loss(_ReverseAtStates, OfTokens):
    """k2 = log(pi/ref)^2 / 2 added to the loss: where tokens are summed, the reverse KL of every visited state, visits frozen.

    >>> from dstheory import TwoStageMDP, solve
    >>> from dstheory.objectives import ReverseKLDirect
    >>> s = solve(TwoStageMDP.minimal(), Policy.minimal(p=0.5, a=0.5, b=0.5))
    >>> reference = Policy.minimal(p=0.25, a=0.5, b=0.75)
    >>> bool((abs(K2Loss(reference).gradient(s).decide - ReverseKLDirect(reference).gradient(s).decide) < 1e-15).all())
    True
    """

    name = "k2-loss"


class _ForwardAtStates(_KL):
    """k3: ref/pi - 1 of each action, states frozen."""

    @property
    def estimator(self) -> Estimator | None:
        return "k3" if self.measure == "policy" else None

    def per_token(self, solution: Solution) -> TokenWeight:
        return reference_excess(solution.policy, self.reference, solution)

    def _known_mass(self, solution: Solution) -> CoefficientMass | None:
        """Return visits x beta w (ref - pi) of plain sums, which needs no division by pi.

        Raises:
            InfiniteDivergenceError: at a state that it visits the policy rules out what the reference does.
        """
        if not (self.plain and self.measure == "policy" and self.as_compiled):  # a subclass may change the terms
            return None
        self.check(solution)
        pol, policy, ref = solution.unrolled, solution.policy, self.reference
        w = self.weighted(TokenWeight(_ONE, _ONE, _ONE), solution)
        for what, log_p, log_q in log_pairs(policy, ref):
            refuse_infinite((log_p == -np.inf) & (log_q > -np.inf), what, "policy", "reference", solution)
        visits = (solution.finite_visits * solution.mdp.prompt_weight)[..., None]
        answers = visits * pol.sample * pol.decided
        sample, stop, resample = policy.gaps(ref)
        found = CoefficientMass(visits * sample, answers * stop, answers * resample)
        return found.weighted(w.sample, w.stop, w.resample).scaled(self.divided_by[1].scale)


@register
@dataclass(frozen=True, eq=False)
class ForwardKL(_AtStates, _ForwardAtStates, OfStages):
    """Forward KL(ref || pi): on the reference's own trajectories, or frozen at the states that the policy visits.

    Args:
        states: ``"policy"``: c = -beta w (1 - ref/pi) on the policy's trajectories, the expected gradient of the k3 estimator
            as a loss; ``"reference"``: c = beta w on trajectories of the reference (distillation on its samples, an SFT in all
            but name).

    >>> from dstheory import TwoStageMDP, solve
    >>> pi, ref = Policy.minimal(p=0.5, a=0.5, b=0.5), Policy.minimal(p=0.25, a=0.5, b=0.5)
    >>> g = ForwardKL(ref, beta=1.0).gradient(solve(TwoStageMDP.minimal(gamma=1.0), pi))
    >>> g.sample.round(12).tolist()  # two turns x (ref - pi)
    [[[-0.5, 0.5]]]
    """

    states: Literal["policy", "reference"] = "policy"

    name = "forward-kl"

    def per_token(self, solution: Solution) -> TokenWeight:
        """Return ref/pi - 1, or 1 on the reference's states."""
        return TokenWeight(_ONE, _ONE, _ONE) if self.states == "reference" else super().per_token(solution)

    def value(self, solution: Solution) -> Floats | None:
        """Return -beta times the weighted log-ratio expected under the reference, (*runs,); None with frozen policy states.

        Raises:
            InfiniteDivergenceError: the policy rules out what the reference does.
        """
        if self.states == "policy":
            return None
        self.check(solution)
        visits, w = ExpertChain(self.reference).visits(solution.mdp), self.stage_weight.of(solution.mdp)
        masses = (visits.sample, visits.stop, visits.resample)
        for mass, (what, log_p, _) in zip(masses, log_pairs(solution.policy, self.reference), strict=True):
            refuse_infinite((mass > 0) & (log_p == -np.inf), what, "policy", "reference")
        weighted = visits.weighted(w.sample, w.stop, w.resample)
        gap = log_likelihood(weighted, solution.policy) - log_likelihood(weighted, self.reference)
        return np.asarray(self.beta, dtype=np.float64) * gap


@register
@dataclass(frozen=True, eq=False)
class K3Loss(_ForwardAtStates, OfTokens):
    """k3 = ref/pi - 1 - log(ref/pi) added to the loss: where tokens are summed, the forward KL of every visited state.

    Args:
        corrected_kl: multiply k3 by the importance ratio and differentiate both, c = -beta log(pi/ref), that of k2 (TRL 1.16).

    >>> from dstheory import TwoStageMDP, solve
    >>> pi, ref = Policy.minimal(p=0.5, a=0.5, b=0.5), Policy.minimal(p=0.25, a=0.5, b=0.5)
    >>> g = K3Loss(ref, beta=1.0).gradient(solve(TwoStageMDP.minimal(gamma=1.0), pi))
    >>> g.sample.round(12).tolist()  # two turns x (ref - pi)
    [[[-0.5, 0.5]]]
    """

    corrected_kl: bool = field(default=False, kw_only=True)

    name = "k3-loss"

    @property
    def estimator(self) -> Estimator:
        """That of k3, or of k2 where it is corrected."""
        return "k2" if self.corrected_kl else "k3"

    def per_token(self, solution: Solution) -> TokenWeight:
        """Return ref/pi - 1, or minus the log-ratio."""
        if not self.corrected_kl:
            return super().per_token(solution)
        return TokenWeight(*log_ratios(solution.policy, self.reference, solution)).map(np.negative)

    @property
    def plain(self) -> bool:
        """Whether it is a plain sum of k3 itself."""
        return super().plain and not self.corrected_kl


@register
@dataclass(frozen=True, eq=False)
class EntropyBonus(_Penalty):
    r"""Entropy bonus with stage weights: what training code adds to its loss, states frozen.

    :math:`c_s = -\alpha w_s (\log \pi_s + H_s)`, :math:`c_d = -\alpha w_d (\log \pi_d + H_d)`, with H the entropy of that state's
    distribution, a baseline that makes the coefficient average to zero when all answers of a prompt weigh the same.

    Training code differentiates the entropy itself. Its mean is the same where responses divide it and all groups are kept. Where
    lengths divide it, or groups are drawn again or left out, what divides it, or whether it counts, goes with the action taken
    there, and the means differ: the fewer responses share one divisor, the more. `dstheory explain` takes the entropy itself.

    Args:
        alpha: strength >= 0, a number or an array over runs.
        length_weight: lambda in [0, 1].
        reduction: ``"sum"`` or ``"mean"``.
        inherited: the normaliser and the sizes of the reward in the same sum; sums set it.

    >>> from dstheory import TwoStageMDP, solve
    >>> g = EntropyBonus(alpha=1.0).gradient(solve(TwoStageMDP.minimal(), Policy.minimal(p=0.5, a=0.9, b=0.5)))
    >>> g.sample.tolist(), bool(g.decide[0, 0, 0] < 0)  # the even choice stays, the confident one is softened
    ([[[0.0, 0.0]]], True)
    """

    alpha: ArrayLike = 0.01
    length_weight: ArrayLike = 0.0
    reduction: Reduction = "sum"
    inherited: tuple[Normaliser, Grouping] | None = None

    name = "entropy"

    def __post_init__(self) -> None:
        numbers_only(self)
        check_strength(self.alpha, "alpha", "use 0 for none")

    @property
    def strength(self) -> ArrayLike:
        """Alpha."""
        return self.alpha

    stage_weight = OfStages.stage_weight

    @property
    def divided_by(self) -> tuple[Normaliser, Grouping]:
        """The inherited normaliser and its sizes, else responses."""
        return self.inherited or super().divided_by

    def check(self, solution: Solution) -> None:
        """Raise ChainError unless run axes fit the chain."""
        check_runs(solution, alpha=np.shape(self.alpha), length_weight=np.shape(self.length_weight))

    def inheriting(self, normaliser: tuple[Normaliser, Grouping] | None) -> Self:
        """Return the bonus divided as the reward in its sum is.

        Raises:
            ChainError: as of other penalties.
        """
        return replace(self, inherited=_shared(self.name, normaliser))

    def coefficients(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats]:
        """Return minus the centred log-probability of every step, times strength and weight.

        Raises:
            InfiniteDivergenceError: a trajectory has probability 0 under the policy.
        """
        _refuse_impossible(solution, trajectories, {"policy": solution.policy})
        return super().coefficients(solution, trajectories)

    def per_token(self, solution: Solution) -> TokenWeight:
        """Return minus the centred log-probability of each action; what is impossible may be anything finite.

        Each is a logit less its mean: logits below that of the likeliest answer, so that answers which tie for it are exactly 0.
        """
        policy = solution.policy
        below, u = (np.where(np.isfinite(z), z, 0.0) for z in (policy.below_top, policy.stop_logits))
        mean = (policy.sample_prob * below).sum(axis=-1, keepdims=True)
        return TokenWeight(mean - below, -policy.resample_prob * u, policy.stop_prob * u)


def _excess(up: Floats) -> Floats:
    """Return x + exp(-x) - 1 of a small x, with all its digits."""
    x = np.where(np.abs(up) <= _NEAR, up, 0.0)
    return np.asarray(x * x / 2.0 * (1.0 - x / 3.0 * (1.0 - x / 4.0 * (1.0 - x / 5.0))))


class _ReverseOfTrajectories(_ReverseAtStates):
    r"""k1 in the reward: minus the weighted log-ratio of the whole response, credited to all of its tokens.

    Beside its reference a policy's divergence is of second order, and the log-ratios :math:`\ell` that it is the mean of are of
    first. There a turn is paid :math:`\ell + e^{-\ell} - 1 \ge 0`, which has the same mean, since that of :math:`e^{-\ell}` is 1,
    and each action gets the rest for itself.
    """

    @property
    def credit(self) -> Credit:
        return Raw()

    def outcome_of(self, under: Solution) -> ResponseReward:
        """Return minus beta times the weighted log-ratio of the whole response, as a reward."""
        self.check(under)
        c = self.weighted(self.per_token(under), under)
        decided = under.unrolled.decided
        return ResponseReward(RewardTable(c.sample + c.stop * decided, c.sample + c.resample * decided), None)

    def _second_order(self, solution: Solution) -> tuple[TokenWeight, TokenWeight]:
        """Return what is paid per token, and what each action gets for itself alone; nothing where the policy is not near."""
        ups = log_ratios(solution.policy, self.reference, solution)
        pairs, inside = log_pairs(solution.policy, self.reference), solution.mdp.inside
        alike = [(np.abs(up) <= _NEAR) & ((p == -np.inf) == (q == -np.inf)) for up, (_, p, q) in zip(ups, pairs, strict=True)]
        weight = np.atleast_1d(self.weighted(TokenWeight(_ONE, _ONE, _ONE), solution).sample)
        of_answers = ((alike[0] & (weight == weight[..., :1])) | ~inside).all(axis=-1, keepdims=True)
        near = of_answers, alike[1] & alike[2], alike[1] & alike[2]
        sample, stop, resample = (np.where(n, -_excess(up), -up) for up, n in zip(ups, near, strict=True))
        own = [np.where(n, np.expm1(-np.where(n, up, 0.0)), 0.0) for up, n in zip(ups, near, strict=True)]
        return TokenWeight(sample, stop, resample), TokenWeight(own[0], own[1], own[2])

    def terms(self, solution: Solution, under: Solution, outcome: ResponseReward) -> tuple[Term, ...]:
        return (Term(effective_credit(self.credit, *self.divided_by, under, outcome)),)

    def _known_mass(self, solution: Solution) -> CoefficientMass | None:
        """Return that of plain sums, with action values as coefficients, which leave out what came before the action."""
        if not (self.plain and self.as_compiled):  # a subclass may change the terms
            return None
        solution.finite_visits  # raises for a chain that never ends: its penalty is infinite  # noqa: B018
        self.check(solution)
        paid, alone = (self.weighted(each, solution) for each in self._second_order(solution))
        decided = solution.unrolled.decided
        found = solution.contrast_of(paid.stop * decided, paid.resample * decided, answer=paid.sample)
        own = self._own(solution) + alone.sample
        found = Contrast(
            found.sample + own, found.sample_size + np.abs(own), found.stop + alone.stop, found.resample + alone.resample
        )
        return contrast_mass(solution, solution.finite_visits, found).scaled(self.divided_by[1].scale)

    def _in_one_pass(self, solution: Solution) -> StageGradient | None:
        """Return the gradient of plain sums, unless stages are weighted, or terms cancel."""
        if not self.plain or self.weighs_stages:
            return None
        self.check(solution)
        none, one, beta = np.zeros((1, 1)), np.ones((1, 1)), self.divided_by[1].scale * np.asarray(self.beta)
        from dstheory.kernels.whitened import whitened_gradient

        found = one_pass(whitened_gradient, solution, self.reference, beta, none, (one, one), shift=0.0)
        if found is None or not (found.turns.max() <= MOST_TURNS and found.left.min() >= _LEFT):
            return None
        return StageGradient(found.sample[None], found.decide[None])

    def _own(self, solution: Solution) -> Floats:
        """Return the derivative of the penalty itself at each answer, centred: 0 where all answers weigh the same."""
        return 0.0 * _ONE

    def value(self, solution: Solution) -> Floats | None:
        """Return -beta E[weighted sum of log-ratios], (*runs,), for plain sums; else None."""
        if not self.plain:
            return None
        v = self.outcome_of(solution).reward.values(solution)
        return np.asarray(self.divided_by[1].scale * (v.value[..., 0, :] * solution.mdp.prompt_weight).sum(axis=-1))


@register
@dataclass(frozen=True, eq=False)
class ReverseKL(_ReverseOfTrajectories, OfStages):
    r"""The full gradient of the weighted reverse KL of whole trajectories, :math:`J = -\beta E_\pi[L(\tau)]`.

    :math:`L(\tau) = \sum_k w_s(y_k) \log \frac{\pi_s}{ref_s} + w_d \log \frac{\pi_d}{ref_d}`. Its gradient is that of a reward
    -beta L, plus the derivative of L itself, :math:`-\beta E[w_s(y) \nabla \log \pi_s(y)]`, which vanishes when all answers of a
    prompt have one weight (the decision's own term always does: w_d is known before the decision). Balanced at level (i) exactly
    then.

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(), Policy.minimal(p=0.5, a=0.5, b=0.5))
    >>> kl = ReverseKL(Policy.minimal(p=0.25, a=0.5, b=0.5), beta=1.0)
    >>> float(kl.value(s).round(6))  # minus two expected turns x KL(1/2 || 1/4)
    -0.287682
    """

    name = "kl"

    def _own(self, solution: Solution) -> Floats:
        """Return -beta (w_s - E_pi w_s) at each answer."""
        w_s = self.stage_weight.of(solution.mdp).sample
        # Beyond the first answer's: equal weights then leave 0, and not what rounding leaves of 1 - sum of pi.
        beyond = w_s - w_s[..., :1]
        centred = beyond - (solution.policy.sample_prob * beyond).sum(axis=-1, keepdims=True)
        return np.asarray(-over_runs(self.beta, 3) * centred)

    def terms(self, solution: Solution, under: Solution, outcome: ResponseReward) -> tuple[Term, ...]:
        """Return the penalty as the credit, and the derivative of L itself."""
        once = effective_credit(None, *self.divided_by, under, outcome)
        own = TokenWeight(self._own(solution), 0.0 * _ONE, 0.0 * _ONE)
        return (*super().terms(solution, under, outcome), Term(once, own))


@register
@dataclass(frozen=True, eq=False)
class K1Reward(_ReverseOfTrajectories, OfTokens):
    """k1 = log(pi/ref) subtracted from the reward: the whole response's log-ratio is credited to all of its tokens.

    Args:
        kl_baseline: the penalty is added after the baseline of the reward (``"none"``), or before it, so that the mean of the
            penalties of the ``"others"`` (RLOO) or of the whole ``"group"`` is subtracted as well: c = K_i - mean K, divided as
            usual. Both have the gradient of ``"none"`` where responses divide, times (G - 1)/G for the group's mean.

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> from dstheory.objectives import ReverseKL
    >>> s = solve(TwoStageMDP.minimal(), Policy.minimal(p=0.5, a=0.5, b=0.5))
    >>> reference = Policy.minimal(p=0.25, a=0.5, b=0.75)
    >>> bool((abs(K1Reward(reference).gradient(s).decide - ReverseKL(reference).gradient(s).decide) < 1e-15).all())
    True
    """

    kl_baseline: Literal["none", "others", "group"] = field(default="none", kw_only=True)

    name = "k1-reward"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kl_baseline not in ("none", "others", "group"):
            raise ChainError(f"kl_baseline is {self.kl_baseline!r}: must be 'none', 'others' or 'group'")

    @property
    def credit(self) -> Credit:
        """The penalty, less the mean of those of the group if asked."""
        return {"none": Raw(), "others": LeaveOneOut(), "group": GroupMean(std=False)}[self.kl_baseline]

    @property
    def plain(self) -> bool:
        """Whether it is a plain sum without a baseline."""
        return super().plain and self.kl_baseline == "none"
