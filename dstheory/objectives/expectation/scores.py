r"""Moments of a response's score, jointly with its reward and its length: what the noise of an update is made of.

S is the sum over a response's actions of weight x score, a vector over the logits of its prompt. With
:math:`m = e^{-t(l_s + l_d)}` of a turn and z its weighted scores, a turn that resamples contributes
:math:`A_0 = E[m; res], A_1 = E[z m; res], A_2 = E[z z^\top m; res]`, one that ends with reward v
:math:`B_0, B_1, B_2`, and

.. math::
    F_0 &= E[1\{R = v\} e^{-tL}] = B_0 + A_0 F_0', \\
    F_1 &= E[S\, 1\{R = v\} e^{-tL}] = B_1 + A_1 F_0' + A_0 F_1', \\
    F_2 &= E[S S^\top 1\{R = v\} e^{-tL}] = B_2 + A_2 F_0' + A_1 F_1'^\top + F_1' A_1^\top + A_0 F_2',

F' that of the next turn: with a cap a recursion over turns; without one F' = F, and each is solved for.

Actions may have several weights (a ratio clipped above for positive credits, below for negative ones, a penalty's coefficient);
there is one S for each, and F_2 for each pair.

Source: derived here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dstheory.chain.exact import Solution
from dstheory.checks import Floats
from dstheory.errors import ChainError, OneRunError
from dstheory.objectives.weights import TokenWeight

_MOST = 40_000_000  # numbers in one table


@dataclass(frozen=True, eq=False)
class ScoreMoments:
    """Moments for C weights, V values of the reward, J exponents, X prompts, D = 2KY logits of a prompt (answers, then stop).

    Attributes:
        plain: (V, J, X) F_0.
        first: (C, V, J, X, D) F_1.
        second: (C, C, V, J, X, D) the diagonals of F_2, or all of it, (C, C, V, J, X, D, D).
    """

    plain: Floats
    first: Floats
    second: Floats


def score_moments(
    solution: Solution, under: Solution, ends: Floats, weights: Sequence[TokenWeight | None], t: Floats, *, full: bool
) -> ScoreMoments:
    """Return the moments.

    Args:
        solution: the chain under the policy whose scores these are.
        under: the chain under the policy that generates the responses.
        ends: (V, T', X, Y) 1 where submitting the answer pays the value, else 0.
        weights: of every action; None for 1.
        t: (J,) exponents.
        full: whether second moments are whole matrices.

    Raises:
        ChainError: run axes, or tables that do not fit into memory.
    """
    mdp, pol, policy = under.mdp, under.unrolled, solution.policy
    if policy.runs or mdp.runs or under.policy.runs:
        raise OneRunError("the noise of an update is that of one run, but the policy or the chain has runs: pick one")
    turns, (layers, prompts, answers) = pol.sample.shape[-3], policy.shape
    logits = 2 * layers * answers
    size = len(weights) ** 2 * len(ends) * len(t) * prompts * logits * (logits if full else 1)
    if max(size, prompts * answers * 2 * logits) > _MOST:
        raise ChainError(
            f"second moments of {prompts:,} prompts x {logits:,} logits need tables of more than {_MOST:,} numbers: use fewer "
            "answers or prompts, or sampled_gradient"
        )
    lengths = mdp.sample_length + pol.decided * mdp.decision_length  # (T', X, Y)
    decay = np.exp(-np.multiply.outer(t, lengths))
    gone = -np.expm1(-np.multiply.outer(t, lengths))

    def product(one: Floats, other: Floats) -> Floats:
        return one[..., :, None] * other[..., None, :] if full else one * other

    plain = first = second = np.zeros(())
    for k in reversed(range(turns)):
        z = np.stack([_scores(solution, k, weight) for weight in weights])  # (C, 2, X, Y, D)
        again = pol.sample[k] * pol.resample[k] * decay[:, k]  # (J, X, Y)
        over = ends[:, None, k] * (pol.sample[k] * pol.stop[k] * decay[:, k])  # (V, J, X, Y)
        pairs = product(z[:, None], z[None, :])  # (C, C, 2, X, Y, D...)
        flat = pairs.reshape(*pairs.shape[:5], -1)
        a_0 = again.sum(axis=-1)
        a_1 = np.einsum("jxy,cxyd->cjxd", again, z[:, 1])
        a_2 = np.einsum("jxy,cexyd->cejxd", again, flat[:, :, 1]).reshape(*pairs.shape[:2], *a_0.shape, *pairs.shape[5:])
        b_0 = over.sum(axis=-1)
        b_1 = np.einsum("vjxy,cxyd->cvjxd", over, z[:, 0])
        b_2 = np.einsum("vjxy,cexyd->cevjxd", over, flat[:, :, 0]).reshape(*pairs.shape[:2], *b_0.shape, *pairs.shape[5:])
        more = (1,) * (2 if full else 1)
        if not pol.capped:
            left = (pol.sample[k] * (gone[:, k] + pol.stop[k] * decay[:, k])).sum(axis=-1)  # 1 - a_0, of positive terms
            plain = b_0 / left
            first = (b_1 + a_1[:, None] * plain[..., None]) / left[..., None]
            crossed = product(a_1[:, None, None], first[None]) + product(first[:, None], a_1[None, :, None])
            second = (b_2 + a_2[:, :, None] * plain.reshape(*plain.shape, *more) + crossed) / left.reshape(*left.shape, *more)
        elif k == turns - 1:
            plain, first, second = b_0, b_1, b_2
        else:
            crossed = product(a_1[:, None, None], first[None]) + product(first[:, None], a_1[None, :, None])
            kept = a_2[:, :, None] * plain.reshape(*plain.shape, *more) + a_0.reshape(*a_0.shape, *more) * second
            second = b_2 + kept + crossed
            first = b_1 + a_1[:, None] * plain[..., None] + a_0[..., None] * first
            plain = b_0 + a_0 * plain
    return ScoreMoments(plain, first, second)


def _scores(solution: Solution, k: int, weight: TokenWeight | None) -> Floats:
    """Return the weighted scores of a turn that stops and of one that resamples, (2, X, Y, D)."""
    policy = solution.policy
    layers, prompts, answers = policy.shape
    layer = k if layers > 1 else 0
    tables = [np.ones((prompts, answers))] * 3
    if weight is not None:
        if weight.beyond is not None:
            raise ChainError(
                "a ratio of the two policies is larger than the largest floating-point number: they are too far apart"
            )
        tables = [_of_turn(table, k, (prompts, answers)) for table in weight.each]
    answer, stop, resample = tables
    pi = policy.sample_prob[layer]
    out = np.zeros((2, prompts, answers, 2, layers, answers))
    out[:, :, :, 0, layer] = answer[..., None] * (np.eye(answers) - pi[:, None, :])
    every = np.arange(answers)
    decided = float(_of_turn(solution.unrolled.decided, k, (1, 1))[0, 0])
    out[0, :, every, 1, layer, every] = (decided * stop * policy.resample_prob[layer]).T
    out[1, :, every, 1, layer, every] = (-decided * resample * policy.stop_prob[layer]).T
    return out.reshape(2, prompts, answers, -1)


def _of_turn(table: Floats, k: int, shape: tuple[int, int]) -> Floats:
    """Return the rows of one turn of a table that broadcasts to (T', X, Y)."""
    whole = table.reshape((1,) * (3 - table.ndim) + table.shape)
    return np.broadcast_to(whole[k if len(whole) > 1 else 0], shape)
