r"""A choice before the answer: look for evidence, or guess; and a reward for evidence itself.

Four answers: right and wrong with evidence, right and wrong by guessing, sampled with :math:`e p_e, e(1-p_e), (1-e) p_g,
(1-e)(1-p_g)`; decisions do not see whether there was evidence. An outcome reward moves the logit of e by
:math:`\frac{e(1-e) a(1-b)(p_e - p_g)}{(pa + (1-p)(1-b))^2}`: not at all where a guess is as accurate (claim H8).

Source: arXiv 2601.10306 (evidence rewards); the form with decisions is derived here.
"""

from __future__ import annotations

import numpy as np

from dstheory.chain.exact import solve
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.checks import Floats
from dstheory.errors import ChainError
from dstheory.extensions.binomial import probability
from dstheory.objectives.reward import Reinforce

__all__ = ["evidence_chain", "evidence_gradient", "evidence_policy"]


def evidence_chain(eta: float = 0.0, *, max_turns: int | None = None) -> TwoStageMDP:
    """Return the chain of four answers that pays 1 for a right one and eta more for evidence, without discount.

    Raises:
        ChainError: eta is not finite.

    Example:
        >>> evidence_chain(0.25).reward_stop.tolist()
        [[1.25, 0.25, 1.0, 0.0]]
    """
    return TwoStageMDP(correct=[[1, 0, 1, 0]], reward_stop=[[1 + eta, eta, 1, 0]], gamma=1.0, max_turns=max_turns)


def evidence_policy(*, e: float, p_e: float, p_g: float, a: float, b: float) -> Policy:
    """Return the policy that looks for evidence with probability e.

    Raises:
        ChainError: a probability outside [0, 1].

    Example:
        >>> evidence_policy(e=0.5, p_e=0.75, p_g=0.25, a=0.9, b=0.8).sample_prob.round(12).tolist()
        [[[0.375, 0.125, 0.125, 0.375]]]
    """
    for name, x in (("e", e), ("p_e", p_e), ("p_g", p_g), ("a", a), ("b", b)):
        probability(x, name, "it is a probability")
    return Policy.from_probabilities([[e * p_e, e * (1 - p_e), (1 - e) * p_g, (1 - e) * (1 - p_g)]], [[a, 1 - b, a, 1 - b]])


def evidence_gradient(mdp: TwoStageMDP, policy: Policy) -> Floats:
    """Return the slope of the value in the logit of e, (*runs,): both logits of answers with evidence move together.

    Raises:
        ChainError: the chain is not one of four answers.

    Example:
        >>> even = evidence_policy(e=0.5, p_e=0.5, p_g=0.5, a=0.9, b=0.8)
        >>> float(evidence_gradient(evidence_chain(), even).round(12)) + 0.0
        0.0
    """
    if mdp.shape != (1, 4):
        raise ChainError(f"the chain has shape {mdp.shape}: evidence needs the one of evidence_chain, (1, 4)")
    return np.asarray(Reinforce().gradient(solve(mdp, policy)).sample[..., 0, 0, :2].sum(axis=-1))
