r"""A feature penalty: the worst case of a linear reward over an ellipsoid of weights.

The reward of an answer is :math:`w^\top \phi`, with w known up to :math:`(w - \hat w)^\top \Sigma^{-1} (w - \hat w) \le
\varepsilon^2`. Its least value is :math:`\hat w^\top \phi - \varepsilon \sqrt{\phi^\top \Sigma \phi}` (claim H7): the chain is
paid less where features lie far out.

Source: arXiv 2510.13694 (information bottleneck, Mahalanobis penalty); what it does to each stage is derived here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.mdp import TwoStageMDP
from dstheory.checks import float_array
from dstheory.errors import ChainError

__all__ = ["pessimistic"]


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
