r"""Imitation with the normalisers of training code: token mean (the default everywhere), sequence sum, sequence mean; and DFT.

All tokens of a demonstration get one coefficient: 1 over the tokens of the batch, over the number N of demonstrations, or over
:math:`N L_i`. DFT multiplies each token by its own detached probability; with the even model an answer's tokens have
:math:`\pi^{1/l}`, which tends to 1 as answers grow, while the one token of a decision keeps its probability.

Coefficients are given per demonstration (N times those of the batch).

Source: TRL 1.10 and verl for the normalisers; DFT arXiv 2508.05629; the exact expectations are derived here.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import ClassVar

import numpy as np

from dstheory.chain.exact import Solution, solve
from dstheory.chain.policy import Policy
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Floats
from dstheory.errors import ChainError
from dstheory.objectives.base import CoefficientMass, Measure
from dstheory.objectives.demonstrations import Demonstrations
from dstheory.objectives.parts.groups import Grouping, effective_credit
from dstheory.objectives.parts.normaliser import BatchTokens, Normaliser, PerResponse, PerToken
from dstheory.objectives.parts.outcome import Outcome, reward_of
from dstheory.objectives.parts.representatives import mass_of_steps
from dstheory.objectives.parts.tilted import Nodes
from dstheory.objectives.registry import register
from dstheory.objectives.responses import ResponseObjective, Term, response_lengths
from dstheory.objectives.sft import log_likelihood
from dstheory.objectives.weights import TokenWeight, token_probabilities

__all__ = ["DFT", "SFTSequenceMean", "SFTSequenceSum", "SFTTokenMean"]


@dataclass(frozen=True, eq=False)
class _Imitation(ResponseObjective):
    """What the rows share.

    Args:
        demonstrations: an expert chain, or recorded trajectories (which are one batch).
        responses: demonstrations per batch, where the tokens of the batch are divided by; inf for the limit.
    """

    demonstrations: Demonstrations
    responses: float = inf

    normaliser: ClassVar[Normaliser]


    def __post_init__(self) -> None:
        Grouping(1, self.responses)

    @property
    def measure(self) -> Measure:
        """Demonstrations."""
        return "demonstrations"

    def behaviour(self, solution: Solution) -> Policy | Trajectories:
        """Return where the demonstrations come from."""
        return self.demonstrations.trajectories(solution)

    def generated(self, solution: Solution) -> Solution:
        """Return the chain under the expert; recorded demonstrations have none, and stand beside the chain under the policy."""
        source = self.behaviour(solution)
        if not isinstance(source, Policy):
            return solution
        source.check_fits(solution.mdp, "expert")
        return solve(solution.mdp, source)

    def outcome_of(self, under: Solution) -> Outcome:
        """Return correctness, which no coefficient looks at."""
        return reward_of(under, "correct")

    def token_weight(self, solution: Solution) -> TokenWeight | None:
        """Return the weight of each token; None for 1."""
        return None

    def terms(self, solution: Solution, under: Solution, outcome: Outcome) -> tuple[Term, ...]:
        """Return 1 over the normaliser, times the weight of each token."""
        source = self.behaviour(solution)
        if isinstance(source, Policy):
            credit = effective_credit(None, self.normaliser, Grouping(1, self.responses), under, outcome)
        else:
            credit = self._of_recorded(solution, source)
        return (Term(credit, self.token_weight(solution)),)

    def mass(self, solution: Solution) -> CoefficientMass:
        """Return the closed form, or the weighted count of recorded demonstrations."""
        source = self.behaviour(solution)
        if isinstance(source, Policy):
            return super().mass(solution)
        source.check_fits(solution.mdp)
        return mass_of_steps(solution, source, *self.coefficients(solution, source))

    def _of_recorded(self, solution: Solution, source: Trajectories) -> Nodes:
        """Return the credit of one batch, all that was recorded: nothing is left to average over."""
        if self.responses != inf:
            raise ChainError(f"responses is {self.responses:g}, but recorded demonstrations are one batch: leave it out")
        length = response_lengths(solution, source)
        one = np.ones((1, solution.mdp.shape[0]))
        if isinstance(self.normaliser, BatchTokens):
            return Nodes(np.zeros(1), one / float((source.weight * length).sum()), 0.0 * one)
        if isinstance(self.normaliser, PerResponse):
            return Nodes(np.zeros(1), one, 0.0 * one)
        return effective_credit(None, self.normaliser, Grouping(1), solution, reward_of(solution, "correct"))


class _LogLikelihood(_Imitation):
    """Rows without a token weight: the mass does not depend on the policy, so the weighted log-likelihood is their scalar."""


    def value(self, solution: Solution) -> Floats:
        """Return the log-likelihood weighted by the coefficients, (*runs,); -inf where a demonstrated action is ruled out."""
        return log_likelihood(self.mass(solution), (np.ones(1), np.ones(1)), solution.policy)


@register
@dataclass(frozen=True, eq=False)
class SFTTokenMean(_LogLikelihood):
    """Supervised fine-tuning, token mean: the loss of a batch is its mean over tokens.

    >>> from dstheory import TwoStageMDP, solve
    >>> from dstheory.objectives import ExpertChain
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.5, b=0.5))
    >>> sft = SFTTokenMean(ExpertChain(Policy.minimal(p=0.75, a=0.75, b=0.75)))
    >>> round(float(sft.gradient(s).sample[0, 0, 0]), 12)  # n_E (p_E - p) over E_D[L] = 2 n_E tokens
    0.125
    """

    normaliser = BatchTokens()
    name = "sft-token-mean"


@register
@dataclass(frozen=True, eq=False)
class SFTSequenceSum(_LogLikelihood):
    """Supervised fine-tuning, sequence sum: the log-likelihood of whole demonstrations, averaged over them.

    >>> from dstheory import TwoStageMDP, solve
    >>> from dstheory.objectives import ExpertChain
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.5, b=0.5))
    >>> sft = SFTSequenceSum(ExpertChain(Policy.minimal(p=0.75, a=0.75, b=0.75)))
    >>> round(float(sft.gradient(s).sample[0, 0, 0]), 12)  # n_E (p_E - p), n_E = 1.6 expected turns
    0.4
    """

    normaliser = PerResponse()
    name = "sft-sequence-sum"


@register
@dataclass(frozen=True, eq=False)
class SFTSequenceMean(_LogLikelihood):
    """Supervised fine-tuning, sequence mean: each demonstration's mean over its tokens, averaged over demonstrations.

    >>> from dstheory import TwoStageMDP, solve
    >>> from dstheory.objectives import ExpertChain
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.5, b=0.5))
    >>> sft = SFTSequenceMean(ExpertChain(Policy.minimal(p=0.75, a=0.75, b=0.75)))
    >>> round(float(sft.gradient(s).sample[0, 0, 0]), 6)  # above (p_E - p)/2: last answers, the better ones, count more
    0.156668
    """

    normaliser = PerToken()
    name = "sft-sequence-mean"


@register
@dataclass(frozen=True, eq=False)
class DFT(_Imitation):
    """Dynamic fine-tuning: SFT's token mean with every token times its own detached probability.

    >>> from dstheory import TwoStageMDP, solve
    >>> from dstheory.objectives import ExpertChain
    >>> s = solve(TwoStageMDP.minimal(sample_length=[[2, 100]]), Policy.minimal(p=0.25, a=0.25, b=0.5))
    >>> dft = DFT(ExpertChain(Policy.minimal(p=0.5, a=0.5, b=0.5)))
    >>> c_s, c_d = dft.coefficients(s, Trajectories.record([(0, [(0, "stop")])]))
    >>> round(float(c_s[0] / c_d[0]), 12)  # two tokens of probability 1/2 against one of 1/4
    2.0
    """

    normaliser = BatchTokens()
    name = "dft"

    def token_weight(self, solution: Solution) -> TokenWeight:
        """Return the probability of each token."""
        return token_probabilities(solution)
