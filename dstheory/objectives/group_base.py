r"""What group objectives share: who generates, how tokens are weighted, what is divided by what.

Rows are in :mod:`dstheory.objectives.group`.
Every setting is a field with a default that changes nothing; each is one factor, and they compose: a coefficient is

.. math:: c = A_i \times \text{weight of the ratio} \times \text{importance} \times \text{mask} / \text{normaliser}.

Source: at each setting, else derived here; expectations in :mod:`dstheory.objectives.expectation`.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from math import inf
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.exact import Solution, solve
from dstheory.chain.policy import Policy
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Floats, numbers_only
from dstheory.errors import ChainError, OneRunError
from dstheory.objectives.base import Measure
from dstheory.objectives.expectation.compositions import log_chances, representatives
from dstheory.objectives.expectation.denominators import on_lengths
from dstheory.objectives.expectation.exponential import response_mass
from dstheory.objectives.expectation.grouping import Grouping
from dstheory.objectives.expectation.groups import Part, credits_of_levels, effective_credit, everything, negative, positive
from dstheory.objectives.expectation.rare import credits_of_rare, shown
from dstheory.objectives.expectation.rewards import (
    DEFAULT_REWARDS,
    OutcomeKind,
    ResponseReward,
    RewardFunction,
    joint_reward,
    reward_of,
)
from dstheory.objectives.fused import applies
from dstheory.objectives.large_groups import gradient_of_accuracy, in_one_pass
from dstheory.objectives.mass import CoefficientMass, StageGradient, check_penalty, check_runs, mass_of_steps, over_runs
from dstheory.objectives.parts import (
    Combined,
    Credit,
    GroupMean,
    LeaveOneOut,
    Normaliser,
    PerResponse,
    PerToken,
    normaliser_named,
)
from dstheory.objectives.per_turn import check_per_turn, per_turn_coefficients, per_turn_mass
from dstheory.objectives.responses import ResponseObjective, Term, response_lengths
from dstheory.objectives.settings import (
    batch_scale,
    check_settings,
    log_ratio_of_responses,
    over_batch,
    own_settings,
    second_scale,
    tempered,
    whole_responses,
)
from dstheory.objectives.token_parts import clip_weight, importance_weight
from dstheory.objectives.weights import (
    TokenWeight,
    chance_times,
    log_ratios,
    log_token_ratios,
    of_large,
    reference_excess,
    token_ratios,
)


@dataclass(frozen=True, eq=False)
class GroupObjective(ResponseObjective):
    """What the group objectives share. A subclass sets ``credit`` and ``normaliser``.

    Args:
        group_size: G responses per prompt; inf for the limit.
        prompts: prompts per batch, for normalisers that span the batch; inf for the limit.
        outcome: ``"correct"`` (R = 1 if the submitted answer is) or ``"return"`` (of the chain).
        sampler: the policy of the importance ratio's denominator, which generated the responses; None for the policy itself.
        clip_low, clip_high: how far the ratio of a token may go below and above 1 (off policy only).
        reference, beta: k3 penalty in the loss; beta > 0 needs a reference.
        corrected_kl: multiply k3 by the ratio to the sampler (not to an engine), and differentiate the product (TRL since 1.16):
            the coefficient is -beta rho log(pi/ref), that of k2 on the policy, instead of -beta (1 - ref/pi).
        normalise_by: a normaliser, or its name, instead of the row's own: ``"responses"``, ``"response-tokens"``,
            ``"group-tokens"``, ``"batch-tokens"``, ``"constant:1024"``.
        dual_clip: > 1; tokens of negative credit whose ratio is above it have no gradient, c = 0 (arXiv 1912.09729).
        ratio_level: ``"token"``; ``"sequence"`` for the ratio of the whole response to the power 1/L, the same at each of its
            tokens (arXiv 2507.18071); or ``"sequence-product"`` for that ratio itself (arXiv 2402.14740), under any normaliser:
            c = s_i A_i / normaliser where it is not clipped.
        engine: the policy that really generated the responses, if it is not the ratio's denominator (another engine, a stale
            copy); None for that.
        temperature: > 0; responses come from the logits divided by it, log-probabilities are those at 1.
        importance: multiply credits by w = old/generating, ``"none"``, per ``"token"``, per ``"sequence"`` (the product over the
            response), or ``"sequence-mean"`` (that to the power 1/L), not differentiated; the penalty is not weighted.
        importance_rule, importance_cap: min(w, cap) (``"truncate"``), or 0 above the cap (``"mask"``); at least 1 where w is 1.
        mask_truncated: responses that the cap on turns cut off have coefficient 0 (``"numerator"``), and their tokens are left
            out of the normaliser, too (``"both"``, which differs where tokens of the group or of the batch are counted); their
            rewards stay in the group's statistics.
        micro_batches: parts of whole groups that a batch is divided into; each is normalised by itself.
        accumulate: gradients of the parts are averaged (``"mean"``) or added (``"sum"``).
        reward_functions: what responses are paid for, by several functions: ``"correct"``, ``"return"``, ``"turns"`` (answers),
            ``"tokens"``, or four numbers, which stopping at and resampling of a right answer, then of a wrong one, pay.
        reward_weights: one number per function, instead of ``outcome``: R = a R_1 + b R_2 + ...; None for 1 each where
            ``reward_functions`` differ from their default.
        combine: weights apply to rewards, before the credit is formed (``"before"``), or to the credits of each reward
            (``"after"``): a A(R_1) + b A(R_2) + ...; with ``"after-batch"`` these are divided once more, by their standard
            deviation over the batch plus epsilon (arXiv 2601.05242), in large batches one number.

    >>> from dstheory.objectives import GRPO
    >>> GRPO(group_size=8, normalise_by="batch-tokens").group_size, issubclass(GRPO, GroupObjective)
    (8, True)
    """

    group_size: float = 8
    prompts: float = inf
    outcome: OutcomeKind = "correct"
    sampler: Policy | None = None
    clip_low: float = 0.2
    clip_high: float = 0.2
    reference: Policy | None = None
    beta: ArrayLike = 0.0
    corrected_kl: bool = False
    normalise_by: str | Normaliser | None = field(default=None, kw_only=True)
    dual_clip: float = field(default=inf, kw_only=True)
    ratio_level: Literal["token", "sequence", "sequence-product"] = field(default="token", kw_only=True)
    engine: Policy | None = field(default=None, kw_only=True)
    temperature: float = field(default=1.0, kw_only=True)
    importance: Literal["none", "token", "sequence", "sequence-mean"] = field(default="none", kw_only=True)
    importance_rule: Literal["truncate", "mask"] = field(default="truncate", kw_only=True)
    importance_cap: float = field(default=2.0, kw_only=True)
    mask_truncated: Literal["none", "numerator", "both"] = field(default="none", kw_only=True)
    micro_batches: int = field(default=1, kw_only=True)
    accumulate: Literal["mean", "sum"] = field(default="mean", kw_only=True)
    reward_functions: tuple[RewardFunction, ...] = field(default=DEFAULT_REWARDS, kw_only=True)
    reward_weights: tuple[float, ...] | None = field(default=None, kw_only=True)
    combine: Literal["before", "after", "after-batch"] = field(default="before", kw_only=True)

    @property
    @abstractmethod
    def credit(self) -> Credit:
        """What scalar."""

    @property
    @abstractmethod
    def normaliser(self) -> Normaliser:
        """Divided by what."""

    plain_on_policy: ClassVar[bool] = False
    """For subclasses with terms of their own: whether on policy they have the expectation of the base's (baselines drop out)."""

    honoured: ClassVar[frozenset[str]] = frozenset({"credit", "normaliser"})

    signed: ClassVar[bool] = True
    """Whether the weight of a ratio depends on the sign of the credit."""

    def __post_init__(self) -> None:
        numbers_only(self)
        if self.normalise_by is not None and not isinstance(getattr(type(self), "normaliser"), property):  # noqa: B009
            object.__setattr__(self, "normaliser", normaliser_named(self.normalise_by))
        self.credit.check_group(self.group_size)
        clip_weight(1.0, 0.0, low=self.clip_low, high=self.clip_high, dual=self.dual_clip)
        importance_weight(1.0, rule=self.importance_rule, cap=self.importance_cap)
        check_penalty(self.name, self.beta, self.reference)
        check_settings(self, own_rule=type(self).reward_terms is not GroupObjective.reward_terms)
        self.grouping  # checks the sizes  # noqa: B018

    @property
    def grouping(self) -> Grouping:
        """Sizes of groups and of what one normaliser spans."""
        parts, uncounted = self.micro_batches, self.mask_truncated == "both"
        if parts == 1:
            return Grouping(self.group_size, self.prompts, uncounted=uncounted)
        scale = float(parts) if self.accumulate == "sum" else 1.0
        return Grouping(self.group_size, self.prompts / parts, scale=scale, uncounted=uncounted, parts=parts)

    @property
    def measure(self) -> Measure:
        """The policy."""
        return "policy" if self.on_policy else "sampler"

    @property
    def on_policy(self) -> bool:
        """Whether the policy itself generates the responses."""
        return self.sampler is None and self.engine is None and self.temperature == 1.0

    @property
    def by_response(self) -> bool:
        """Whether tokens are weighted by something of the whole response: its ratio, or its importance."""
        corrected = self.importance.startswith("sequence") and (self.engine is not None or self.temperature != 1.0)
        return corrected or (self.ratio_level != "token" and self.sampler is not None)

    def shared_normaliser(self) -> tuple[Normaliser, Grouping] | None:
        """Return the normaliser and its sizes."""
        return self.normaliser, self.grouping

    def with_sampler(self, sampler: Policy) -> Self:
        """Return the same objective with another denominator of its ratio."""
        return replace(self, sampler=sampler)

    def generating(self, policy: Policy) -> Policy:
        """Return the policy that generates the responses."""
        old = policy if self.sampler is None else self.sampler
        return self.engine or (old if self.temperature == 1.0 else tempered(old, self.temperature))

    def generated(self, solution: Solution) -> Solution:
        """Return the chain under the policy that generates the responses."""
        policy = self.generating(solution.policy)
        return solution if policy is solution.policy else solve(solution.mdp, policy)

    @property
    def rewards(self) -> tuple[tuple[float, RewardFunction], ...] | None:
        """Weights and reward functions; None where the outcome is the only reward."""
        weights = self.reward_weights
        if weights is None and self.reward_functions == DEFAULT_REWARDS:
            return None
        return tuple(zip(weights or (1.0,) * len(self.reward_functions), self.reward_functions, strict=True))

    def outcome_of(self, under: Solution) -> ResponseReward:
        """Return correctness, the chain's return, or the weighted sum of the reward functions."""
        found = reward_of(under, self.outcome, self.rewards if self.combine == "before" else None)
        return replace(found, uncounted=True) if self.mask_truncated == "both" else found

    def outcomes(self, under: Solution, outcome: ResponseReward) -> tuple[tuple[float, ResponseReward, Credit], ...]:
        """Return the rewards whose credits are added, each with its weight and its credit."""
        if self.rewards is None or self.combine == "before":
            return ((1.0, outcome, self.credit),)
        if self.combine == "after" and (self.sampler is None or not self.signed):
            each = [(a, reward_of(under, self.outcome, [(1.0, kind)])) for a, kind in self.rewards if a]
            return tuple((a, replace(reward, uncounted=outcome.uncounted), self.credit) for a, reward in each)
        return ((1.0, *self.jointly(under, outcome)),)  # the sign of the sum of credits, or its square, counts

    def jointly(self, under: Solution, outcome: ResponseReward) -> tuple[ResponseReward, Credit]:
        """Return several rewards as one, the number of their joint value, and the sum of their credits as its credit.

        Raises:
            ChainError: rewards of many values.
        """
        weights, rewards = self._counted(under)
        joint, values = joint_reward(under, rewards)
        return replace(joint, uncounted=outcome.uncounted), Combined(self.credit, weights, values)

    def _counted(self, under: Solution) -> tuple[tuple[float, ...], list[ResponseReward]]:
        """Return the weights of several rewards that are not 0, and these rewards."""
        counted = [(a, kind) for a, kind in self.rewards or () if a]
        return tuple(a for a, _ in counted), [reward_of(under, self.outcome, [(1.0, kind)]) for _, kind in counted]

    def _each_over_batch(self, combined: Combined, under: Solution) -> Combined:
        """Return a sum of credits, each over the deviation of its reward in a large batch, as one of credits without deviation.

        Raises:
            ChainError: a batch of few prompts, whose deviations are no functions of one group, or several runs.
        """
        if under.policy.runs or under.mdp.runs:
            raise OneRunError("credits of several rewards over the deviations of a batch are those of one run: pick one")
        if self.grouping.prompts != inf:
            raise ChainError(
                f"{self.name}: std='batch' with combine={self.combine!r} has a closed form in large batches only: "
                "use prompts=inf, or sampled_gradient"
            )
        assert isinstance(combined.credit, GroupMean)
        of_one, (weights, rewards) = combined.credit, self._counted(under)
        scales = [float(batch_scale(of_one, self.grouping, under, reward)[0]) for reward in rewards]
        return replace(combined, credit=replace(of_one, std="none"), weights=tuple(np.multiply(weights, scales).tolist()))

    def terms(self, solution: Solution, under: Solution, outcome: ResponseReward) -> tuple[Term, ...]:
        """Return the credit (twice, once per sign, where ratios are clipped) and the penalty."""
        return (*self.reward_terms(solution, under, outcome), *self.penalty_terms(solution, under, outcome))

    def credit_parts(self, solution: Solution) -> tuple[tuple[Part, TokenWeight | None], ...]:
        """Return the parts of a credit whose tokens are weighted alike (positive, negative), each with the weight; None for 1."""
        generates = self.generating(solution.policy)
        old = solution.policy if self.sampler is None else self.sampler
        weight = None
        if self.importance == "token" and generates is not old:
            weight = token_ratios(old, generates, solve(solution.mdp, old)).map(
                lambda w: importance_weight(w, rule=self.importance_rule, cap=self.importance_cap)
            )
        if self.sampler is None:
            return ((everything, weight),)
        signs: tuple[tuple[Part, float], ...] = ((positive, 1.0), (negative, -1.0)) if self.signed else ((everything, 1.0),)
        if self.ratio_level != "token":
            return tuple((part, weight) for part, _ in signs)
        ratio = token_ratios(solution.policy, self.sampler, solution)
        found = []
        for part, sign in signs:
            clipped = ratio.map(lambda rho, sign=sign: self.weight_of_ratio(rho, sign * np.ones(())))  # type: ignore[misc]
            found.append((part, clipped if weight is None else clipped.times(weight)))
        return tuple(found)

    def response_weight(self, solution: Solution, t: Trajectories, sign: float) -> tuple[Floats, Floats]:
        """Return what all tokens of each response are weighted by, given the sign of its credit, times exp of the second, (n,).

        Raises:
            InfiniteDivergenceError: the policy in a ratio's denominator gives a response probability 0.
        """
        weight, beyond = np.ones(len(t)), np.zeros(len(t))
        generates = self.generating(solution.policy)
        old = solution.policy if self.sampler is None else self.sampler
        if self.ratio_level != "token" and self.sampler is not None:
            log = log_ratio_of_responses(t, solution.policy, old)
            log = log if self.ratio_level == "sequence-product" else log / response_lengths(solution, t)
            weight, beyond = of_large(lambda ratio: self.weight_of_ratio(ratio, np.full(len(t), sign)), log)
        if self.importance.startswith("sequence") and generates is not old:
            log = log_ratio_of_responses(t, old, generates)
            log = log if self.importance == "sequence" else log / response_lengths(solution, t)
            each, left = of_large(lambda w: importance_weight(w, rule=self.importance_rule, cap=self.importance_cap), log)
            weight, beyond = weight * each, beyond + left
        return weight, beyond

    def reward_terms(self, solution: Solution, under: Solution, outcome: ResponseReward) -> tuple[Term, ...]:
        """Return the terms of the reward."""
        parts = self.credit_parts(solution)
        few = outcome.values is not None or outcome.levels is not None
        if len(parts) == 2 and few and not applies(under) and self.as_compiled:  # weighted by ratios
            parts = self._in_common(solution, parts)
        return tuple(term for part, weight in parts for term in self.credited(under, outcome, weight, part))

    def _in_common(
        self, solution: Solution, parts: tuple[tuple[Part, TokenWeight | None], ...]
    ) -> tuple[tuple[Part, TokenWeight | None], ...]:
        """Return two parts of a credit as the whole of it, times what both are weighted by, and what is left of each.

        Credits of both signs balance: of the whole, what is left of them is known, as a sum of its parts it would be rounding.
        """
        (one, up), (other, down) = parts
        if up is None or down is None or self.sampler is None:
            return parts
        same = [a == b for a, b in zip(up.each, down.each, strict=True)]
        shared = up.where(same)
        if self.generating(solution.policy) is self.sampler:
            shared = shared.compared(log_token_ratios(solution.policy, self.sampler, solution), solution.mdp)
        differ = [~s for s in same]
        rest = ((part, weight.where(differ)) for part, weight in ((one, up), (other, down)))
        return (everything, shared), *((part, weight) for part, weight in rest if any(w.any() for w in weight.each))

    def credited(
        self,
        under: Solution,
        outcome: ResponseReward,
        weight: TokenWeight | None = None,
        part: Part = everything,
        normaliser: Normaliser | None = None,
    ) -> tuple[Term, ...]:
        """Return a part of the credit times a weight of tokens: one term, or one per reward, and per value of it."""
        found = []
        for factor, reward, credit in self.outcomes(under, outcome):
            terms = self._credited_of(under, reward, credit, weight, part, normaliser or self.normaliser)
            table = None if reward is outcome else reward.reward
            found += [replace(t.scaled(factor), reward=t.reward or table) for t in terms] if table is not None else terms
        return tuple(found)

    def _credited_of(
        self,
        under: Solution,
        outcome: ResponseReward,
        credit: Credit,
        weight: TokenWeight | None,
        part: Part,
        normaliser: Normaliser,
    ) -> list[Term]:
        grouping, scale = self.grouping, None
        if isinstance(credit, Combined) and isinstance(credit.credit, GroupMean) and credit.credit.spread == "batch":
            credit = self._each_over_batch(credit, under)
        if isinstance(credit, GroupMean) and credit.spread == "batch" and grouping.prompts == inf:
            scale, credit = batch_scale(credit, grouping, under, outcome), replace(credit, std="none")
        elif self.combine == "after-batch" and isinstance(credit, Combined):
            scale = second_scale(credit, grouping, under, outcome, getattr(self, "epsilon", 0.0))
        several = outcome.levels is not None and grouping.group_size != inf and not (credit.linear and part is everything)
        if isinstance(credit, GroupMean) and credit.spread == "batch":  # of few prompts
            terms = [Term(over_batch(credit, normaliser, grouping, under, outcome, part), weight)]
        elif several:
            found = credits_of_levels(credit, normaliser, grouping, under, outcome, part)
            terms = [Term(each, weight, table) for table, each in found]
        else:
            paid, from_mean = outcome.reward, outcome.values is None and type(credit) in (GroupMean, LeaveOneOut)
            if from_mean and self.mask_truncated == "none":
                paid, _ = outcome.reward.beyond_usual(under)
            plain = weight is None and self.mask_truncated == "none"
            rare = credits_of_rare(credit, normaliser, grouping, under, outcome) if plain else None
            if rare is None:
                each = effective_credit(credit, normaliser, grouping, under, outcome, part, paid=paid)
                terms = [Term(each, weight, None if paid is outcome.reward else paid)]
            else:
                terms = [Term(rare[0], raised=rare[1])]
        if scale is not None:
            terms = [term.scaled(scale) for term in terms]
        if weight is not None:
            terms = [replace(term, credit=shown(term.credit, under, outcome, weight)) for term in terms]
        return terms if self.mask_truncated == "none" else whole_responses(terms, under, outcome)

    def coefficients(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats]:
        """Return the coefficients; where whole responses are weighted, credit, weight and penalty response by response."""
        if not self.by_response:
            return super().coefficients(solution, trajectories)
        t, under = trajectories, self.generated(solution)
        outcome = self.outcome_of(under)
        penalty = self.penalty_terms(solution, under, outcome)
        return self._added(*self._of_responses(solution, under, outcome, t), penalty, solution, t, under, outcome)

    def _of_responses(
        self, solution: Solution, under: Solution, outcome: ResponseReward, t: Trajectories, log_chance: Floats | None = None
    ) -> tuple[Floats, Floats]:
        """Return the credit over the normaliser, times what weighs the response and its tokens, and times its chance if given."""
        reward, length = outcome.reward.total(under, t), response_lengths(solution, t)
        own = isinstance(self.normaliser, PerToken)  # its own length is known: no sum of exponentials is needed
        chance, log = (np.ones(len(t)), np.zeros(len(t))) if log_chance is None else (t.weight, log_chance)
        chance, log, one, none = chance[t.episode], log[t.episode], np.ones(()), np.zeros(())
        c_s, c_d = np.zeros(len(t.answer)), np.zeros(len(t.answer))
        for part, weight in self.credit_parts(solution):
            whole, left = self.response_weight(solution, t, -1.0 if part is negative else 1.0)
            of_steps, beyond = ((one, one), (none, none)) if weight is None else weight.split_of_steps(solution, t)
            for term in self.credited(under, outcome, None, part, PerResponse() if own else None):
                paid = reward if term.reward is None else term.reward.total(under, t)
                f = term.credit.at(t.prompt, paid, length) / (length if own else 1.0)
                s, d = (
                    chance_times(chance, log, left[t.episode] + b, f[t.episode], whole[t.episode], w)
                    for w, b in zip(of_steps, beyond, strict=True)
                )
                c_s, c_d = c_s + s, c_d + d
        return c_s, np.where(t.decided, c_d, 0.0)

    def _known_mass(self, solution: Solution) -> CoefficientMass | None:
        """Return the sum over multisets where whole responses are weighted.

        Raises:
            InfiniteDivergenceError: the sampler rules out what the policy does.
            ChainError: too many multisets.
        """
        if not self.by_response:
            return None
        under = self.generated(solution)
        token_ratios(solution.policy, under.policy, solution)  # names what is ruled out
        outcome = self.outcome_of(under)
        old = solution.policy if self.sampler is None else self.sampler
        ordered = max(solution.policy.shape[0], old.shape[0]) > 1  # a ratio may depend on the turn where no chance does
        if not ordered and outcome.reward.depends_on_order(under):
            if not under.mdp.max_turns:
                raise ChainError(
                    f"{self.name}: whole responses are weighted, and what resampling pays is discounted, so that the order of "
                    "answers counts: without a cap there are too many; give max_turns, or use gamma=1"
                )
            ordered = True
        drawn = representatives(under, ordered=ordered)
        c_s, c_d = self._of_responses(solution, under, outcome, drawn, log_chances(under, drawn, ordered=ordered))
        mass = mass_of_steps(solution.mdp, replace(drawn, weight=np.ones(len(drawn))), c_s, c_d)
        for term in self.penalty_terms(solution, under, outcome):  # no sums over responses
            mass = mass + response_mass(under, term.reward or outcome.reward, term.credit, term.weight)
        return mass

    def _in_one_pass(self, solution: Solution) -> StageGradient | None:
        """Return the gradient on the policy's own responses, rewarded by 0 and 1.

        Where no length and no penalty enters, it is w(x) grad E[R given x].
        """
        by_length = on_lengths(self.normaliser, self.grouping)
        plain = self.on_policy and self.outcome == "correct" and not own_settings(self)
        plain = plain and not (isinstance(self.credit, GroupMean) and self.credit.spread == "batch")
        known_terms = type(self).reward_terms is GroupObjective.reward_terms or (self.plain_on_policy and not by_length)
        reference = self.reference if np.any(self.beta) else None
        if not plain or not known_terms or (reference is not None and self.corrected_kl):
            return None
        if by_length or reference is not None:
            rest = self.credit, self.normaliser, self.grouping, reference, self.beta
            return in_one_pass(solution, self.outcome_of(solution), *rest)
        found = gradient_of_accuracy(solution)
        if found is None:
            return None
        known, gradient = found
        nodes = effective_credit(self.credit, self.normaliser, self.grouping, solution, self.outcome_of(solution), known=known)
        assert nodes.otherwise is not None
        weight = (nodes.slope[0] - nodes.otherwise[0])[:, None]
        gradient.sample[0] *= weight
        gradient.decide[0] *= weight
        return gradient

    def penalty_weight(self, solution: Solution, under: Solution) -> TokenWeight | None:
        """Return the coefficient, times the normaliser, of every action by the k3 penalty; None if there is none."""
        if self.reference is None or not np.any(self.beta):
            return None
        self.reference.check_fits(solution.mdp, "reference")
        check_runs(solution, reference=self.reference.runs, beta=np.shape(self.beta))
        excess = self._corrected if self.corrected_kl else reference_excess
        return excess(solution.policy, self.reference, under).scaled(over_runs(self.beta, 3))

    def penalty_terms(self, solution: Solution, under: Solution, outcome: ResponseReward) -> tuple[Term, ...]:
        """Return the terms of the k3 penalty, if there is one: one, or one per value of the reward that tells what is counted."""
        weight = self.penalty_weight(solution, under)
        if weight is None:
            return ()
        if outcome.levels is not None and self.grouping.mixed and self.group_size != inf:  # how likely depends on its own reward
            found = credits_of_levels(None, self.normaliser, self.grouping, under, outcome)
            terms = [Term(each, weight, table) for table, each in found]
        else:
            terms = [Term(effective_credit(None, self.normaliser, self.grouping, under, outcome), weight)]
        return tuple(terms if self.mask_truncated == "none" else whole_responses(terms, under, outcome))

    def _corrected(self, policy: Policy, reference: Policy, under: Solution) -> TokenWeight:
        """Return minus the derivative of rho k3 by log pi, -rho log(pi/ref), of every answer, of stop and of resample."""
        minus = TokenWeight(*log_ratios(policy, reference, under)).scaled(np.asarray(-1.0))
        if self.sampler is None:
            return minus
        ratios = TokenWeight.exponential(log_ratios(policy, self.sampler, under, called="behaviour policy"), self.sampler)
        return ratios.times(minus)

    def step_weights(self, solution: Solution, t: Trajectories, credit: Floats) -> tuple[Floats, Floats]:
        """Return the weight of the answer and of the decision of every step of sampled responses, (m,) each.

        Args:
            solution: the chain under the policy.
            t: responses of the sampler.
            credit: (n,) of each response.
        """
        w_s, w_d = np.zeros(len(t.answer)), np.zeros(len(t.answer))
        for part, weight in self.credit_parts(solution):
            s, d = (np.ones(()), np.ones(())) if weight is None else weight.of_steps(solution, t)
            whole, left = (each[t.episode] for each in self.response_weight(solution, t, -1.0 if part is negative else 1.0))
            here = (part(credit) != 0)[t.episode]
            s, d = (chance_times(np.ones(()), np.zeros(()), left, w, whole) for w in (s, d))
            w_s, w_d = np.where(here, s, w_s), np.where(here, d, w_d)
        return w_s, w_d

    def weight_of_ratio(self, ratio: Floats, sign: Floats) -> Floats:
        """Return the weight of tokens with these ratios, given the sign of their credit."""
        return clip_weight(ratio, sign, low=self.clip_low, high=self.clip_high, dual=self.dual_clip)


@dataclass(frozen=True, eq=False)
class GroupMeanObjective(GroupObjective):
    r"""Group objectives whose credit is the reward minus the group's mean.

    Args:
        std: divide by the standard deviation of the ``"group"`` (True), of the other members (``"leave-one-out"``), of the
            ``"batch"``, or of nothing (``"none"``, False).
        ddof: 1 for the sample's, 0 for the population's.
        epsilon: added to the standard deviation, >= 0; with 0 a group without variance gets credit 0.
        dynamic_sampling: draw groups whose rewards are all equal again, so that all groups of a batch are mixed (DAPO).
        drop_dead: leave such groups out of the batch, and of what divides it; a batch without mixed groups gives no update.
        baseline_per: ``"response"``, or ``"turn"`` for the mean of the rewards of those members that reach the turn:
            :math:`c_{ik} = (R_i - \frac{1}{n_k} \sum_{j: T_j > k} R_j)` over the normaliser, without std.

    >>> from dstheory import TwoStageMDP, solve
    >>> from dstheory.objectives import DrGRPO, GRPO
    >>> issubclass(GRPO, GroupMeanObjective), GRPO(std=False).std, DrGRPO().std
    (True, False, False)
    """

    std: bool | str = True
    ddof: Literal[0, 1] = 1
    epsilon: float = 0.0
    dynamic_sampling: bool = False
    drop_dead: bool = field(default=False, kw_only=True)
    baseline_per: Literal["response", "turn"] = field(default="response", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.baseline_per not in ("response", "turn"):
            raise ChainError(f"baseline_per is {self.baseline_per!r}: must be 'response' or 'turn'")
        if self.baseline_per == "turn":
            check_per_turn(self, own_settings(self))

    @property
    def grouping(self) -> Grouping:
        """Sizes of groups and batches, and whether all groups are mixed."""
        if self.dynamic_sampling and self.drop_dead:
            raise ChainError("dynamic_sampling and drop_dead: groups are drawn again or left out, not both")
        plain = super().grouping
        if not (self.dynamic_sampling or self.drop_dead):
            return plain
        return replace(plain, mixed=True, dropped=self.drop_dead, correctness=self.outcome == "correct" and self.rewards is None)

    @property
    def credit(self) -> Credit:
        """(R - mean), divided by the standard deviation if asked."""
        return GroupMean(self.std, self.ddof, self.epsilon)

    def coefficients(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats]:
        """Return the coefficients; with a baseline per turn, R less the mean of those that reach it, weighted by the turn."""
        if self.baseline_per == "response":
            return super().coefficients(solution, trajectories)
        return per_turn_coefficients(self, solution, trajectories)

    def _known_mass(self, solution: Solution) -> CoefficientMass | None:
        """Return that of a baseline per turn, up to a number that actions share."""
        return super()._known_mass(solution) if self.baseline_per == "response" else per_turn_mass(self, solution)
