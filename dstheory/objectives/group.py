r"""Objectives that compare the responses of a prompt with each other. One base; a row is a credit, a normaliser and defaults.

On policy (no sampler, or the policy itself) every token of a response gets one coefficient. With a sampler the responses are the
sampler's, and each token carries the gradient of PPO's clipped surrogate: its ratio, or 0 where it is clipped. Advantages of both
signs are clipped on different sides, so they are two terms. A KL penalty is the k3 estimator in the loss, on the same tokens, and
inherits the normaliser; where a library multiplies it by the ratio and differentiates both, ``corrected_kl`` does.

Source: GRPO arXiv 2402.03300, Dr. GRPO arXiv 2503.20783, DAPO arXiv 2503.14476, RLOO arXiv 2402.14740; exact expectations over
groups are derived here.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from math import inf
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.exact import Solution, solve
from dstheory.chain.policy import Policy
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Floats, float_array, reject
from dstheory.errors import ChainError
from dstheory.objectives.base import Measure, StageGradient, check_runs, over_runs
from dstheory.objectives.fused import applies, outcome_gradient
from dstheory.objectives.kl import log_ratios, reference_excess
from dstheory.objectives.parts.batch import clip_weight
from dstheory.objectives.parts.credit import Credit, GroupMean
from dstheory.objectives.parts.groups import Grouping, effective_credit, negative, positive
from dstheory.objectives.parts.normaliser import BatchTokens, GroupTokens, Normaliser, PerToken
from dstheory.objectives.parts.outcome import Outcome, OutcomeKind, reward_of
from dstheory.objectives.responses import ResponseObjective, Term
from dstheory.objectives.weights import TokenWeight, token_ratios

__all__ = ["GroupMeanObjective", "GroupObjective"]

ALWAYS_ON_POLICY = "on policy and with beta = 0: all tokens of a response get one coefficient"


@dataclass(frozen=True, eq=False)
class GroupObjective(ResponseObjective):
    """What the group objectives share. A subclass sets ``credit`` and ``normaliser``.

    Args:
        group_size: G responses per prompt; inf for the limit.
        prompts: prompts per batch, for normalisers that span the batch; inf for the limit.
        outcome: ``"correct"`` (R = 1 if the submitted answer is) or ``"return"`` (of the chain).
        sampler: the policy that generated the responses; None for the policy itself.
        clip_low, clip_high: how far the ratio of a token may go below and above 1 (off policy only).
        reference, beta: k3 penalty in the loss; beta > 0 needs a reference.
        corrected_kl: multiply k3 by the ratio to the policy that generated, and differentiate the product (TRL since 1.16): the
            coefficient is -beta rho log(pi/ref), that of k2 on the policy, instead of -beta (1 - ref/pi).
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

    def __post_init__(self) -> None:
        self.credit.check_group(self.group_size)
        clip_weight(1.0, 0.0, low=self.clip_low, high=self.clip_high)
        beta = float_array(self.beta, "beta")
        reject(~((beta >= 0) & np.isfinite(beta)), beta, "beta", "must be finite and >= 0",
               "a penalty has no negative strength", axes=())  # fmt: skip
        if beta.any() and self.reference is None:
            raise ChainError(f"{self.name}: beta is {self.beta} but there is no reference: give reference=, or beta=0")
        self.grouping  # checks the sizes  # noqa: B018

    @property
    def grouping(self) -> Grouping:
        """Sizes of groups and batches."""
        return Grouping(self.group_size, self.prompts)

    @property
    def measure(self) -> Measure:
        """The policy."""
        return "policy" if self.sampler is None else "sampler"

    def shared_normaliser(self) -> tuple[Normaliser, Grouping] | None:
        """Return the normaliser and its sizes."""
        return self.normaliser, self.grouping

    def with_reference(self, reference: Policy) -> Self:
        """Return the same objective with its penalty to another reference."""
        return self if self.reference is None else replace(self, reference=reference)

    def generated(self, solution: Solution) -> Solution:
        """Return the chain under the sampler, or under the policy."""
        return solution if self.sampler is None else solve(solution.mdp, self.sampler)

    def outcome_of(self, under: Solution) -> Outcome:
        """Return correctness, or the chain's return."""
        return reward_of(under, self.outcome)

    def terms(self, solution: Solution, under: Solution, outcome: Outcome) -> tuple[Term, ...]:
        """Return the credit (twice, once per sign, where ratios are clipped) and the penalty."""
        return (*self.reward_terms(solution, under, outcome), *self.penalty_terms(solution, under, outcome))

    def reward_terms(self, solution: Solution, under: Solution, outcome: Outcome) -> tuple[Term, ...]:
        """Return the terms of the reward."""
        parts = self.credit, self.normaliser, self.grouping, under, outcome
        if self.sampler is None:
            return (Term(effective_credit(*parts)),)
        ratio = token_ratios(solution.policy, self.sampler, solution)
        return (
            Term(effective_credit(*parts, positive), ratio.map(lambda rho: self.weight_of_ratio(rho, np.ones(())))),
            Term(effective_credit(*parts, negative), ratio.map(lambda rho: self.weight_of_ratio(rho, -np.ones(())))),
        )

    def gradient(self, solution: Solution) -> StageGradient:
        """Return the exact expected gradient; on large tables, where it is grad E[R] prompt by prompt, from the compiled loop."""
        fast = self._large(solution)
        return super().gradient(solution) if fast is None else fast

    def _large(self, solution: Solution) -> StageGradient | None:
        """Return w(x) grad E[R given x] where no length and no ratio enters, for tables that are worth loading compiled code."""
        on_lengths = isinstance(self.normaliser, PerToken | GroupTokens) or (
            isinstance(self.normaliser, BatchTokens) and inf not in (self.group_size, self.prompts)
        )
        plain = self.sampler is None and not np.any(self.beta) and self.outcome == "correct"
        known_terms = self.plain_on_policy or type(self).reward_terms is GroupObjective.reward_terms
        if on_lengths or not plain or not known_terms or not applies(solution):
            return None
        found = outcome_gradient(solution)
        if found is None:
            return None
        accuracy, gradient = found
        known = np.ones((1, len(accuracy))), accuracy[None]
        nodes = effective_credit(self.credit, self.normaliser, self.grouping, solution, self.outcome_of(solution), known=known)
        weight = np.broadcast_to(nodes.slope[0], accuracy.shape)[:, None]
        gradient.sample[0] *= weight
        gradient.decide[0] *= weight
        return gradient

    def penalty_terms(self, solution: Solution, under: Solution, outcome: Outcome) -> tuple[Term, ...]:
        """Return the term of the k3 penalty, if there is one."""
        if self.reference is None or not np.any(self.beta):
            return ()
        self.reference.check_fits(solution.mdp, "reference")
        check_runs(solution, reference=self.reference.runs, beta=np.shape(self.beta))
        excess = self._corrected if self.corrected_kl else reference_excess
        weight = TokenWeight(*excess(solution.policy, self.reference, under))
        strength = over_runs(self.beta, 3)
        once = effective_credit(None, self.normaliser, self.grouping, under, outcome)
        return (Term(once, weight.map(lambda excess: strength * excess)),)

    def _corrected(self, policy: Policy, reference: Policy, under: Solution) -> tuple[Floats, Floats, Floats]:
        """Return minus the derivative of rho k3 by log pi, -rho log(pi/ref), of every answer, of stop and of resample."""
        ups = log_ratios(policy, reference, under)
        if self.sampler is None:
            return -ups[0], -ups[1], -ups[2]
        ratios = [np.exp(up) for up in log_ratios(policy, self.sampler, under, called="behaviour policy")]
        return -ratios[0] * ups[0], -ratios[1] * ups[1], -ratios[2] * ups[2]

    def step_weights(self, solution: Solution, t: Trajectories, credit: Floats) -> tuple[Floats, Floats]:
        """Return the weight of the answer and of the decision of every step of sampled responses, (m,) each.

        Args:
            solution: the chain under the policy.
            t: responses of the sampler.
            credit: (n,) of each response.
        """
        if self.sampler is None:
            return np.ones(len(t.answer)), np.ones(len(t.answer))
        rho_s, rho_d = token_ratios(solution.policy, self.sampler, solution).of_steps(solution, t)
        signs = credit[t.episode]
        return self.weight_of_ratio(rho_s, signs), self.weight_of_ratio(rho_d, signs)

    def weight_of_ratio(self, ratio: Floats, sign: Floats) -> Floats:
        """Return the weight of tokens with these ratios, given the sign of their credit."""
        return clip_weight(ratio, sign, low=self.clip_low, high=self.clip_high)


@dataclass(frozen=True, eq=False)
class GroupMeanObjective(GroupObjective):
    """Group objectives whose credit is the reward minus the group's mean.

    Args:
        std: divide by the group's standard deviation.
        ddof: 1 for the sample's, 0 for the population's.
        epsilon: added to the standard deviation, >= 0; with 0 a group without variance gets credit 0.
        dynamic_sampling: draw groups whose rewards are all equal again, so that all groups of a batch are mixed (DAPO).
    """

    std: bool = True
    ddof: Literal[0, 1] = 1
    epsilon: float = 0.0
    dynamic_sampling: bool = False

    @property
    def grouping(self) -> Grouping:
        """Sizes of groups and batches, and whether all groups are mixed."""
        return Grouping(self.group_size, self.prompts, self.dynamic_sampling)

    @property
    def credit(self) -> Credit:
        """(R - mean), divided by the standard deviation if asked."""
        return GroupMean(self.std, self.ddof, self.epsilon)
