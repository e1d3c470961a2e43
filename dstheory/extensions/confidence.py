r"""A stated confidence, paid by its log score: a chain of one turn whose answers are confidences.

A question comes out "yes" with chance q. Answer j states the confidence :math:`c_j` and is paid :math:`\log c_j` if yes,
:math:`\log(1 - c_j)` if no. All members of a group see one outcome, so the two outcomes are two *runs* of one chain:

* unscaled, the expected gradient is :math:`q g_{yes} + (1-q) g_{no}`;
* divided by the group's standard deviation, in large groups, :math:`q g_{yes}/s_{yes} + (1-q) g_{no}/s_{no}`, s the standard
  deviation of what the group is paid under that outcome. It has no interior point of rest for q other than 1/2 (claim H3).

Source: arXiv 2508.11800 (GRPO's overconfidence on stochastic outcomes); the form as two runs is derived here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.exact import solve
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.checks import Floats, float_array, reject
from dstheory.errors import ChainError
from dstheory.extensions.binomial import probability
from dstheory.objectives.reward import Reinforce

__all__ = ["CONFIDENCE_RUNS", "confidence_chain", "confidence_gradient"]

CONFIDENCE_RUNS = ("yes", "no")
"""The two runs of the chain."""


def confidence_chain(confidences: ArrayLike) -> TwoStageMDP:
    """Return the chain of one prompt and one turn whose answers state these confidences; its runs are `CONFIDENCE_RUNS`.

    Raises:
        ChainError: fewer than two confidences, or one outside (0, 1): its log score would be infinite.

    Example:
        >>> confidence_chain([0.5, 0.75]).reward_stop.round(3).tolist()
        [[[-0.693, -0.288]], [[-0.693, -1.386]]]
    """
    c = float_array(confidences, "confidences")
    if c.ndim != 1 or len(c) < 2:
        raise ChainError(f"confidences has shape {c.shape}: needs a list of at least two")
    reject(~((c > 0) & (c < 1)), c, "confidences", "must lie strictly between 0 and 1", "a certain statement scores -infinity",
           axes=("answer",))  # fmt: skip
    paid = np.stack([np.log(c), np.log1p(-c)])[:, None, :]
    return TwoStageMDP(correct=np.ones((1, len(c))), reward_stop=paid, gamma=1.0, max_turns=1)


def confidence_gradient(policy: Policy, confidences: ArrayLike, chance: float, *, scaled: bool) -> Floats:
    """Return the expected update of the sampling logits of the stated confidences, (Y,).

    Args:
        policy: a policy of :func:`confidence_chain`.
        confidences: what the answers state.
        chance: q, the probability of "yes".
        scaled: divide by the standard deviation of the group, in the limit of large groups.

    Raises:
        ChainError: a chance outside [0, 1]; or, scaled, a policy that states one confidence alone.

    Example:
        >>> both = Policy.from_probabilities([[0.5, 0.5]], [[1.0, 1.0]])
        >>> [confidence_gradient(both, [0.7, 0.9], 0.7, scaled=s).round(3).tolist() for s in (False, True)]
        [[0.038, -0.038], [-0.2, 0.2]]
    """
    q = probability(chance, "chance", "it is the probability of yes")
    solution = solve(confidence_chain(confidences), policy)
    each = Reinforce().gradient(solution).sample[:, 0, 0, :]  # (2, Y), one row per outcome
    if scaled:
        spread = np.sqrt(solution.return_variance)  # (2, 1)
        if not (spread > 0).all():
            raise ChainError("the group states one confidence alone: its rewards have no standard deviation to divide by")
        each = each / spread
    return np.asarray(q * each[0] + (1.0 - q) * each[1])
