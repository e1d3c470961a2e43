"""Soft Bellman equations cut out of a chain: tables by prompt become blocks of columns that stay in the processor's cache."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy, log_sigmoid
from dstheory.checks import Floats, Ints, compact
from dstheory.dynamics.soft_bellman import NEVER, SoftTurn
from dstheory.kernels.arrays import as_input
from dstheory.objectives.mass import over_runs
from dstheory.objectives.weights import Reduction, stage_weights

__all__ = ["ChainColumns"]


class _Table:
    """A table (*rows, Y) that is read as columns (Y, N) of consecutive rows; axes of length 1 repeat and cost no memory."""

    def __init__(self, table: Floats, rows: tuple[int, ...]) -> None:
        small = compact(table)
        self.lead = (1,) * (len(rows) + 1 - small.ndim) + small.shape[:-1]
        self.rows = rows
        self.flat = small.reshape(-1, small.shape[-1])

    def block(self, start: int, stop: int) -> Floats:
        """Return rows start to stop, or the one row that they all are."""
        if len(self.flat) == 1:
            return self.flat
        if self.lead == self.rows:
            return self.flat[start:stop]
        place: Ints = np.zeros(stop - start, dtype=np.int64)
        for index, length in zip(np.unravel_index(np.arange(start, stop), self.rows), self.lead, strict=True):
            if length > 1:
                place = place * length + index
        return self.flat[place]

    def columns(self, start: int, stop: int) -> Floats:
        """Return rows start to stop, as columns."""
        return np.ascontiguousarray(self.block(start, stop).T)


class ChainColumns:
    """The soft Bellman equations of a chain, one per prompt and run, by blocks.

    Args:
        mdp, reference: the chain and a reference policy that fits it.
        beta: strength, a number or an array over runs.
        length_weight, reduction: as in :func:`dstheory.objectives.base.stage_weights`.

    Attributes:
        runs: all run axes together.
        tau_sample, tau_decide: temperatures beta w, broadcastable to (*runs, 1, X, Y).
    """

    def __init__(
        self, mdp: TwoStageMDP, reference: Policy, beta: ArrayLike, length_weight: ArrayLike, reduction: Reduction
    ) -> None:
        w_s, w_d = stage_weights(mdp, length_weight, reduction)
        self.tau_sample, self.tau_decide = over_runs(beta, 3) * w_s, over_runs(beta, 3) * w_d
        self.runs = np.broadcast_shapes(
            mdp.runs, reference.runs, np.shape(beta), self.tau_sample.shape[:-3], self.tau_decide.shape[:-3]
        )
        rows = (*self.runs, mdp.shape[0])
        self._reference = [
            (_Table(reference.sample_logits[..., k, :, :], rows), _Table(reference.stop_logits[..., k, :, :], rows))
            for k in range(reference.shape[0])
        ]
        self._rewards = _Table(mdp.reward_stop, rows), _Table(mdp.reward_resample, rows)
        self._tau = _Table(self.tau_sample[..., 0, :, :], rows), _Table(self.tau_decide[..., 0, :, :], rows)
        gw, gb = mdp.gamma_within, mdp.gamma_between
        # 1 - Gamma as a sum of positive terms, which keeps its digits when the discount is nearly none.
        self._gammas = _Table(np.stack([gw, gb, (1.0 - gw) + gw * (1.0 - gb)], axis=-1)[..., None, :], rows)
        self._capped = mdp.max_turns is not None

    @property
    def has_kernel(self) -> bool:
        """Whether the compiled loop covers this chain: not answers of different weights without any discount."""
        return self._capped or bool((self._gammas.flat[:, 2] > 0.0).all()) or self._tau[0].flat.shape[1] == 1

    def rows(self, k: int, start: int, stop: int, after: Floats | None) -> tuple[Any, ...]:
        """Return the inputs of `soft_kernel.solve_rows`: the same equations as those of `turn`."""
        tables = [*self._reference[min(k, len(self._reference) - 1)], *self._rewards, *self._tau]
        width = self._rewards[0].flat.shape[1]
        gammas, afters = self._gammas.block(start, stop), np.zeros(1)
        if self._capped:
            afters = afters if after is None else gammas[:, 1] * after
            gammas = np.stack([gammas[:, 0], np.zeros(len(gammas)), np.ones(len(gammas))], axis=-1)
        full = (np.broadcast_to(part, (len(part), width)) for part in (table.block(start, stop) for table in tables))
        return (*(as_input(part) for part in (*full, gammas, afters)), after is not None or not self._capped)

    def turn(self, k: int, start: int, stop: int, after: Floats | None) -> SoftTurn:
        """Return the equations of turn k for rows start to stop; ``after`` is the next turn's V, None at the last turn.

        An uncapped chain has one turn, whose future is its own V.
        """
        z, u = (table.columns(start, stop) for table in self._reference[min(k, len(self._reference) - 1)])
        shifted = z - z.max(axis=0)
        log_ref = shifted - np.log(np.exp(shifted).sum(axis=0))
        tau_sample, mean_tau = _temperatures(self._tau[0].columns(start, stop), log_ref)
        log_stop, log_resample = (np.maximum(log_sigmoid(logit), NEVER) for logit in (u, -u))
        reward_stop, reward_resample = (table.columns(start, stop) for table in self._rewards)
        gamma_within, gamma_between, rest = self._gammas.columns(start, stop)[:, None, :]
        decided = True
        if self._capped:
            decided = after is not None
            if after is not None:
                reward_resample = reward_resample + gamma_between * after
            gamma_between, rest = np.zeros((1, 1)), np.ones((1, 1))
        return SoftTurn(
            np.broadcast_to(log_ref, (len(log_ref), stop - start)), u, log_stop, log_resample, reward_stop, reward_resample,
            tau_sample, self._tau[1].columns(start, stop), mean_tau, gamma_within, gamma_between, rest, decided,
        )  # fmt: skip


def _temperatures(tau: Floats, log_ref: Floats) -> tuple[Floats, Floats | None]:
    """Return sampling temperatures and their means; one row and None where no column has two temperatures among its answers."""
    if tau.shape[0] == 1:
        return tau, None
    possible = np.broadcast_to(log_ref > -np.inf, np.broadcast_shapes(tau.shape, log_ref.shape))
    low = np.where(possible, tau, np.inf).min(axis=0, keepdims=True)
    high = np.where(possible, tau, -np.inf).max(axis=0, keepdims=True)
    if (low == high).all():
        return high, None
    mean = np.clip((np.exp(log_ref) * tau).sum(axis=0, keepdims=True), low, high)  # exactly tau where there is only one
    return np.where(possible, tau, mean), mean
