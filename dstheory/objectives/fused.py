"""The fast path for large tables: reward + direct reverse KL in one compiled pass over the bytes.

Taken by itself where it applies (stationary, uncapped, tabular, one run, large); everything else takes the readable path, the
coefficient mass. Both are tested against each other on the same chains. Of a difference of terms that nearly cancel the loop
keeps few digits: it says at which prompts, and those are computed on the readable path, as is everything beyond ten thousand
expected turns. That is asked of the reward alone: the penalty's log-ratios keep their digits, as differences of logits do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.exact import Solution, solve
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.checks import Floats, Ints, compact

if TYPE_CHECKING:
    from dstheory.kernels.gradient import RewardKLGradient

T = TypeVar("T")

# Below this many (prompt, answer) pairs NumPy's few microseconds per operation cost less than loading compiled code.
SMALLEST = 1 << 15
MOST_TURNS = 1e4
LEFT = 1e-5  # of the terms of a row that cancel: units of rounding over this are 1e-10


@dataclass(frozen=True, eq=False)
class FusedTerms:
    """What the compiled loop can add up: reward x E[V] - beta x direct reverse KL to one reference.

    Attributes:
        reward: factor of the chain's own reward.
        beta: strength of the penalty; with 0 there is none and the other fields do not count.
        reference: the penalty's reference.
        sample_weight, decision_weight: stage weights, broadcastable to (1, X, Y).
    """

    reward: float = 0.0
    beta: float = 0.0
    reference: Policy | None = None
    sample_weight: Floats = field(default_factory=lambda: np.ones((1, 1, 1)))
    decision_weight: Floats = field(default_factory=lambda: np.ones((1, 1, 1)))

    def scaled(self, factor: float) -> FusedTerms:
        """Return the terms times a number."""
        return replace(self, reward=self.reward * factor, beta=self.beta * factor)

    def plus(self, other: FusedTerms) -> FusedTerms | None:
        """Return the sum, or None if both carry a penalty, and they differ in more than strength: the loop knows one."""
        one, two = (self, other) if self.reference is not None else (other, self)
        weights = [(each.sample_weight, each.decision_weight) for each in (one, two)]
        if two.reference is not None and not (one.reference is two.reference and all(map(np.array_equal, *weights))):
            return None
        return replace(one, reward=one.reward + two.reward, beta=one.beta + two.beta)


def applies(solution: Solution) -> bool:
    """Return whether the compiled loop knows this kind of chain and policy, and is worth loading for its size."""
    mdp, policy = solution.mdp, solution.policy
    single = not policy.runs and not mdp.runs and policy.shape[0] == 1
    return single and not solution.capped and policy.features is None and mdp.correct.size >= SMALLEST


def alike(policy: Policy, reference: Policy | None) -> bool:
    """Return whether a compiled loop can read a reference beside the policy, if there is one."""
    return reference is None or (not reference.runs and reference.shape == policy.shape)


def logits_of(policy: Policy) -> tuple[Floats, Floats]:
    """Return the logits of the answers and of stop, (X, Y) each, of one run of a policy that is the same at every turn."""
    return policy.sample_logits[0], policy.stop_logits[0]


def fused_gradient(terms: FusedTerms, solution: Solution, *, sums: bool = False) -> RewardKLGradient | None:
    """Return the gradient, (1, X, Y) of each stage, and what the chain's own rewards come to; None where the loop knows nothing.

    That is: without a reward (it reports the value of one), with a reference of another form, where stopping is very rare, and
    where a prompt is improper or its divergence infinite; the readable path then names what is wrong.
    """
    mdp, policy, reference = solution.mdp, solution.policy, terms.reference
    if terms.reward == 0.0 or not alike(policy, reference):
        return None
    penalty: dict[str, Any] = {}
    if reference is not None:
        reference.check_fits(mdp, "reference")
        penalty = dict(zip(("ref_sample_logits", "ref_stop_logits"), logits_of(reference), strict=True), beta=terms.beta)
    # A factor on the reward is a factor on its tables, unless it is 1 and they are read as they are.
    stop, resample = compact(mdp.reward_stop), compact(mdp.reward_resample)
    if terms.reward != 1.0:
        stop, resample = terms.reward * stop, terms.reward * resample
    from dstheory.kernels import PROPER, reward_kl_gradient

    found = reward_kl_gradient(
        *logits_of(policy),
        stop,
        resample,
        prompt_weight=mdp.prompt_weight,
        n_answers=mdp.n_answers,
        gamma_within=float(mdp.gamma_within),
        gamma_between=float(mdp.gamma_between),
        sample_weight=terms.sample_weight[0],
        decision_weight=terms.decision_weight[0],
        sums=sums,
        **penalty,
    )
    if (found.status != PROPER).any() or found.turns.max() > MOST_TURNS:
        return None
    value, stop_reward = found.value / terms.reward, found.stop_reward / terms.reward
    return replace(found, sample=found.sample[None], decide=found.decide[None], value=value, stop_reward=stop_reward)


def few_prompts(solution: Solution, rows: Ints) -> tuple[Solution, Floats]:
    """Return some prompts of a large table as a chain of their own, and the factor of their weights, (rows, 1)."""
    mdp, policy = solution.mdp, solution.policy
    few = TwoStageMDP(
        correct=mdp.correct[rows], n_answers=mdp.n_answers[rows], reward_stop=mdp.reward_stop[rows],
        reward_resample=mdp.reward_resample[rows], sample_length=mdp.sample_length[rows],
        decision_length=mdp.decision_length[rows], gamma=mdp.gamma, discount_per=mdp.discount_per,
    )  # fmt: skip
    return solve(few, few_rows(policy, rows)), (mdp.prompt_weight[rows] / few.prompt_weight)[:, None]


def few_rows(policy: Policy, rows: Ints) -> Policy:
    """Return a policy of some prompts of a large table."""
    return Policy.tabular(policy.sample_logits[:, rows], policy.stop_logits[:, rows])


def one_pass(
    kernel: Callable[..., T], solution: Solution, reference: Policy | None, beta: ArrayLike, *tables: Any,
    constant: float | Floats = 1.0, **settings: Any,
) -> T | None:  # fmt: skip
    """Return what a compiled loop finds of a large table; None for several strengths, or a reference of another form.

    Args:
        kernel: takes logits, those of the reference or None, the tables, and the rest by name.
        solution: of a large table.
        reference, beta: of a penalty; None for no penalty.
        tables, settings: what else the loop takes.
        constant: what the weight of each prompt is multiplied by.
    """
    mdp, policy = solution.mdp, solution.policy
    if np.ndim(beta) or not alike(policy, reference):
        return None
    if reference is not None:
        reference.check_fits(mdp, "reference")
    logits = [None if one is None else logits_of(one) for one in (policy, reference)]
    weight = mdp.prompt_weight * constant
    return kernel(*logits, *tables, beta=float(np.asarray(beta)), prompt_weight=weight, n_answers=mdp.n_answers, **settings)
