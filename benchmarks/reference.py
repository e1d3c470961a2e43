"""The kernels' functions in plain NumPy: what a reader reads, and what the kernels are tested against.

Each works on whole arrays and makes many temporaries; nothing here is shared with the compiled code.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dstheory.kernels import IMPROPER, INFINITE_DIVERGENCE, RewardKLGradient
from dstheory.kernels.parallel import FloatArray

__all__ = ["reward_kl_gradient", "train_minimal"]


def _log_softmax(logits: FloatArray) -> FloatArray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def _log_sigmoid(logits: ArrayLike) -> FloatArray:
    return np.asarray(-np.logaddexp(0.0, -np.asarray(logits)))


def _floats(values: ArrayLike) -> FloatArray:
    return np.asarray(values, dtype=np.float64)


def _expectation(probability: FloatArray, values: FloatArray) -> FloatArray:
    """Return sum_y pi_y f_y as a column; 0 x inf counts as 0, for answers that are never drawn."""
    with np.errstate(invalid="ignore"):
        terms = np.where(probability > 0.0, probability * values, 0.0)
    return np.asarray(terms.sum(axis=1, keepdims=True))


def reward_kl_gradient(
    sample_logits: ArrayLike,
    stop_logits: ArrayLike,
    reward_stop: ArrayLike,
    reward_resample: ArrayLike,
    *,
    ref_sample_logits: ArrayLike | None = None,
    ref_stop_logits: ArrayLike | None = None,
    beta: ArrayLike = 0.0,
    sample_weight: ArrayLike = 1.0,
    decision_weight: ArrayLike = 1.0,
    prompt_weight: ArrayLike | None = None,
    n_answers: ArrayLike | None = None,
    gamma_within: ArrayLike = 1.0,
    gamma_between: ArrayLike = 1.0,
) -> RewardKLGradient:
    """Return what `gradient.reward_kl_gradient` returns; the formulas are derived in that module's docstring.

    Here beta and the discounts may be columns (X, 1) as well as numbers.

    >>> result = reward_kl_gradient([[0.0, 0.0]], [[0.0, 0.0]], [[1.0, 0.0]], 0.0)
    >>> result.value, result.turns, result.sample, result.decide
    (array([0.5]), array([2.]), array([[ 0.25, -0.25]]), array([[ 0.125, -0.125]]))
    """
    z, l, r_stop, r_resample = (_floats(a) for a in (sample_logits, stop_logits, reward_stop, reward_resample))
    w_s, w_d, beta_ = _floats(sample_weight), _floats(decision_weight), _floats(beta)
    within, between = _floats(gamma_within), _floats(gamma_between)
    prompts, width = z.shape
    real = np.arange(width) < (np.full(prompts, width) if n_answers is None else np.asarray(n_answers))[:, None]
    rho = np.full((prompts, 1), 1.0 / prompts) if prompt_weight is None else np.asarray(prompt_weight)[:, None]
    z, l = np.where(real, z, -np.inf), np.where(real, l, 0.0)

    log_pi, log_s, log_u = _log_softmax(z), _log_sigmoid(l), _log_sigmoid(-l)  # u = 1 - s: resample
    pi, s, u = np.exp(log_pi), np.exp(log_s), np.exp(log_u)
    discount = within * between
    p_stop = _expectation(pi, s)
    with np.errstate(divide="ignore", over="ignore"):
        turns = 1.0 / p_stop
        discounted_turns = 1.0 / ((1.0 - discount) + discount * p_stop)
    paid = np.where(real, s * r_stop + u * r_resample, 0.0)
    status = np.where(np.isfinite(discounted_turns), 0, IMPROPER)
    with np.errstate(invalid="ignore", over="ignore"):
        value = within * _expectation(pi, paid) * discounted_turns
        q_resample = r_resample + between * value
        q = within * (s * r_stop + u * q_resample)
        by_z = rho * discounted_turns * pi * (q - value)
        by_l = rho * discounted_turns * within * pi * s * u * (r_stop - q_resample)
        stop_reward = np.where(p_stop > 0.0, _expectation(pi, s * r_stop) / p_stop, 0.0)

    divergence = np.zeros_like(turns)
    if ref_sample_logits is not None and ref_stop_logits is not None and beta_.any():
        l_ref = np.where(real, ref_stop_logits, 0.0)
        log_ref = _log_softmax(np.where(real, ref_sample_logits, -np.inf))
        with np.errstate(invalid="ignore", over="ignore"):
            ratio = np.where(pi > 0.0, w_s * (log_pi - log_ref), 0.0)
            kl_stop = np.where(s > 0.0, s * (log_s - _log_sigmoid(l_ref)), 0.0)
            kl_resample = np.where(u > 0.0, u * (log_u - _log_sigmoid(-l_ref)), 0.0)
            drift = np.where(s * u > 0.0, l - l_ref, 0.0)
            mean_ratio = _expectation(pi, ratio)
            divergence = turns * (mean_ratio + _expectation(pi, w_d * (kl_stop + kl_resample)))
            by_z = by_z - rho * beta_ * turns * pi * (ratio - mean_ratio)
            by_l = by_l - rho * beta_ * turns * pi * s * u * w_d * drift
        status = np.where(np.isfinite(turns), np.where(np.isfinite(divergence), status, INFINITE_DIVERGENCE), IMPROPER)

    return RewardKLGradient(
        sample=np.where(real, by_z, 0.0),
        decide=np.where(real, by_l, 0.0),
        value=value[:, 0],
        turns=turns[:, 0],
        discounted_turns=discounted_turns[:, 0],
        stop_reward=stop_reward[:, 0],
        divergence=divergence[:, 0],
        status=status[:, 0].astype(np.int8),
    )


def train_minimal(
    theta: ArrayLike,
    steps: int,
    *,
    learning_rate: ArrayLike,
    schedule: ArrayLike | None = None,
    rewards: ArrayLike = (1.0, 0.0, 0.0, 0.0),
    gamma_within: ArrayLike = 1.0,
    gamma_between: ArrayLike = 1.0,
    beta: ArrayLike = 0.0,
    reference: ArrayLike = (0.0, 0.0, 0.0),
    sample_weight: ArrayLike = 1.0,
    decision_weight: ArrayLike = 1.0,
    demonstrations: ArrayLike = 0.0,
) -> FloatArray:
    """Return what `training.train_minimal` returns, with reward + KL written as a two-answer `reward_kl_gradient`.

    >>> train_minimal([[0.0, 0.0, 0.0]], 1, learning_rate=1.0)
    array([[0.25 , 0.125, 0.125]])
    """
    current = np.array(theta, dtype=np.float64, ndmin=2)
    runs = current.shape[0]
    columns = (learning_rate, gamma_within, gamma_between, beta)
    rate, within, between, penalty = (np.broadcast_to(_floats(column), runs)[:, None] for column in columns)
    stop_c, resample_c, stop_w, resample_w = np.broadcast_to(_floats(rewards), (runs, 4)).T
    ref = np.broadcast_to(_floats(reference), (runs, 3))
    counts = np.broadcast_to(_floats(demonstrations), (runs, 6))
    for factor in np.broadcast_to(1.0 if schedule is None else _floats(schedule), (steps,)):
        # An answer's logit of stop is theta_C for the correct one and -theta_W for the wrong one.
        result = reward_kl_gradient(
            np.stack([current[:, 0], np.zeros(runs)], axis=1),
            np.stack([current[:, 1], -current[:, 2]], axis=1),
            np.stack([stop_c, stop_w], axis=1),
            np.stack([resample_c, resample_w], axis=1),
            ref_sample_logits=np.stack([ref[:, 0], np.zeros(runs)], axis=1),
            ref_stop_logits=np.stack([ref[:, 1], -ref[:, 2]], axis=1),
            beta=penalty,
            sample_weight=np.broadcast_to(_floats(sample_weight), (runs, 2)),
            decision_weight=np.broadcast_to(_floats(decision_weight), (runs, 2)),
            prompt_weight=np.ones(runs),
            gamma_within=within,
            gamma_between=between,
        )
        gradient = np.stack([result.sample[:, 0], result.decide[:, 0], -result.decide[:, 1]], axis=1)
        right, wrong = np.exp(_log_sigmoid(current)), np.exp(_log_sigmoid(-current))
        imitation = counts[:, [0, 2, 5]] * wrong - counts[:, [1, 3, 4]] * right
        current = current + factor * rate * (gradient + imitation)
    return current
