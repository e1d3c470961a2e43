r"""Chains with other answers and rewards: stated confidences, evidence before the answer, the worst case of a linear reward.

*Confidence.* A question comes out "yes" with chance q; answer j states the confidence :math:`c_j` and is paid :math:`\log c_j` if
yes, :math:`\log(1 - c_j)` if no. All members of a group see one outcome, so the two outcomes are two *runs*, yes and no, of one
chain of one turn:

* unscaled, the expected gradient is :math:`q g_{yes} + (1-q) g_{no}`;
* divided by the group's standard deviation, in large groups, :math:`q g_{yes}/s_{yes} + (1-q) g_{no}/s_{no}`, s the standard
  deviation of what the group is paid under that outcome. It has no interior point of rest for q other than 1/2 (claim H3).

*Evidence.* Four answers: right and wrong with evidence, right and wrong by guessing, sampled with :math:`e p_e, e(1-p_e), (1-e)
p_g, (1-e)(1-p_g)`; decisions do not see whether there was evidence. An outcome reward moves the logit of e by
:math:`\frac{e(1-e) a(1-b)(p_e - p_g)}{(pa + (1-p)(1-b))^2}`: not at all where a guess is as accurate (claim H8).

*Features.* The reward of an answer is :math:`w^\top \phi`, with w known up to :math:`(w - \hat w)^\top \Sigma^{-1} (w - \hat w)
\le \varepsilon^2`. Its least value is :math:`\hat w^\top \phi - \varepsilon \sqrt{\phi^\top \Sigma \phi}` (claim H7): the chain
is paid less where features lie far out.

Source: arXiv 2508.11800 (GRPO's overconfidence on stochastic outcomes), 2601.10306 (evidence rewards), 2510.13694 (information
bottleneck, Mahalanobis penalty); the forms as chains, and what they do to each stage, are derived here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.exact import solve
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.checks import Floats, float_array, probability, reject
from dstheory.errors import ChainError
from dstheory.objectives.reward import Reinforce


def confidence_chain(confidences: ArrayLike) -> TwoStageMDP:
    """Return the chain of one prompt and one turn whose answers state these confidences; its runs are yes and no.

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


def pessimistic(mdp: TwoStageMDP, features: ArrayLike, covariance: ArrayLike, eps: float) -> TwoStageMDP:
    """Return the chain that pays an answer its reward less eps times the Mahalanobis norm of its features.

    Args:
        mdp: a chain, its rewards at a stop the estimated ones.
        features: (X, Y, F); of padding, any.
        covariance: (F, F), symmetric and positive semidefinite.
        eps: radius of the ellipsoid, >= 0.

    Raises:
        ChainError: shapes that do not fit, a covariance that is not symmetric or has a negative eigenvalue, or eps < 0.

    Example:
        >>> pessimistic(TwoStageMDP.minimal(), [[[3.0, 4.0], [0.0, 1.0]]], np.eye(2), 0.1).reward_stop.round(6).tolist()
        [[0.5, -0.1]]
    """
    phi, sigma = float_array(features, "features"), float_array(covariance, "covariance")
    if phi.ndim != 3 or phi.shape[:2] != mdp.shape:
        raise ChainError(f"features have shape {phi.shape}: need (prompts, answers, features) = {(*mdp.shape, 'any')}")
    if sigma.shape != (phi.shape[2], phi.shape[2]) or not np.allclose(sigma, sigma.T):
        raise ChainError(f"covariance of shape {sigma.shape} must be a symmetric matrix of {phi.shape[2]} features")
    low = float(np.linalg.eigvalsh(sigma).min())
    if low < -1e-12 * max(1.0, float(np.abs(sigma).max())):
        raise ChainError(f"covariance has the eigenvalue {low:.6g}: must be positive semidefinite, as covariances are")
    if not (np.isfinite(eps) and eps >= 0):
        raise ChainError(f"eps is {eps}: must be finite and >= 0, the radius of the ellipsoid")
    norm = np.sqrt(np.maximum(np.einsum("xyf,fg,xyg->xy", phi, sigma, phi), 0.0))
    return mdp.replace(reward_stop=np.where(mdp.inside, mdp.reward_stop - eps * norm, 0.0))
