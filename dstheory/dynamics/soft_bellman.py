r"""The soft Bellman equation of one turn, solved for many prompts at once.

Everything is told relative to the unknown value V of a prompt. With :math:`\Gamma = \gamma_w \gamma_b` and temperatures
:math:`\tau_s(y) = \beta w_s(y), \tau_d(y) = \beta w_d(y)`, an answer has the soft advantage

.. math::
    A(y) = \gamma_w \tau_d \log\Big(ref(stop)\, e^{R_{stop}/\tau_d} + ref(res)\, e^{(R_{res} + \gamma_b V)/\tau_d}\Big) - V,

and V is a fixed point exactly when the best penalised mean of A is zero:

.. math::
    f(V) = \max_\pi \sum_y \pi(y) \Big[A(y) - \tau_s(y) \log \frac{\pi(y)}{ref(y)}\Big] = 0.

**f** is a maximum of functions of V that are affine with slopes :math:`-(1 - \Gamma q)`, q the resample probability of a policy:
convex, decreasing, with derivative :math:`-(1 - \Gamma q)` at the maximiser's q.

**The maximiser** is :math:`\log(\pi/ref) = (A - (\tau_s - \tau_0) - n)/\tau_s` with one multiplier n for :math:`\sum \pi = 1`
(:math:`\tau_0 = E_{ref} \tau_s` only shifts n to the size of A). With one temperature for all answers that is the softmax,
:math:`n = f = \tau_s \log \sum ref\, e^{A/\tau_s}`. With several, n is the root of the convex, decreasing
:math:`G(n) = \log \sum_y \pi(y; n)`.

**Iteration.** Newton's method from a V that some policy attains: each tangent's zero is the value of the current maximiser, hence
a lower bound, and the bounds rise to the root. Along them f \|f'\| falls to a quarter or less in every step (for a convex
decreasing f the ratios of f and of \|f'\| add up to at most 1), so that a few dozen steps suffice in the worst case. Where
temperatures differ, V and n move together, one evaluation per step. A small step is not taken for convergence: f must also be
negative a little above V, which with the lower bound encloses the root.

**Rounding.** Where exponents are small, sums over actions are taken as 1 + sum ref expm1(..), so that temperatures of 1e10 leave
rewards of size 1 their digits; elsewhere as a shifted log-sum-exp, so that exponents of 1e8 do not overflow. Where f falls so
slowly that rounding might hide its sign, or n has too few digits (beside an answer of temperature 1e12 it is about 1e12, and an
answer of temperature 1 feels every unit of it), a bound on the rounding of f says how far V may be off: `_rounding`.

Arrays are (answers, columns), one column per prompt and run. Source: derived here; policy iteration as Newton's method is
Puterman and Brumelle (1979), the soft Bellman equation Todorov (2006) and Ziebart (2010).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dstheory.checks import Bools, Floats, Ints

ACCURACY = 1e-12
"""Width of the final bracket of V, in units of the column's scale."""
STEEP = 0.01
"""Where f falls faster than this, rounding hides less of V than ACCURACY."""
SETTLED = 0.1  # steps below this part of the bracket are as good as none
ROUNDED = 4.0 * float(np.finfo(np.float64).eps)  # a sum or product of numbers that are themselves rounded, relative to its terms
LEAST = float(np.finfo(np.float64).tiny)  # stands for slopes below it
SMALL = 1.0 / 16.0  # below this exponent the expm1 form is used; above it the other form loses at most four bits
NEVER = -1e290
"""Stands for log 0 where a product with a temperature of 0 must stay 0."""


@dataclass(frozen=True, eq=False)
class SoftTurn:
    """One soft Bellman equation per column. Tables are (Y or 1, N or 1), numbers per column (1, N or 1).

    Attributes:
        log_ref: (Y, N) log-probabilities of the reference's answers; -inf in the padding.
        stop_logit: (Y, N) the reference's logit of stop.
        log_stop, log_resample: (Y, N) its log-probabilities of the decisions; finite, ``NEVER`` for log 0.
        reward_stop, reward_resample: rewards of the decisions.
        tau_sample, tau_decide: temperatures beta w > 0; the padding repeats temperatures of its column.
        mean_tau: E_ref tau_sample; None if every column has one sampling temperature.
        gamma_within, gamma_between: discounts.
        rest: 1 - gamma_within gamma_between, computed without cancellation.
        decided: False where no decision is drawn and every answer is submitted.
    """

    log_ref: Floats
    stop_logit: Floats
    log_stop: Floats
    log_resample: Floats
    reward_stop: Floats
    reward_resample: Floats
    tau_sample: Floats
    tau_decide: Floats
    mean_tau: Floats | None
    gamma_within: Floats
    gamma_between: Floats
    rest: Floats
    decided: bool = True

    @property
    def columns(self) -> int:
        """The number of equations."""
        return int(self.log_ref.shape[1])

    def take(self, columns: Ints) -> SoftTurn:
        """Return the equations of some columns."""
        tables = {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        parts: dict[str, Any] = {name: t[:, columns] if t.shape[1] > 1 else t for name, t in tables.items()}
        return replace(self, **parts)

    def without_choice(self, *, stop: bool) -> SoftTurn:
        """Return the turn of the policies that always stop (or always resample), its future left out."""
        reward, log = (self.reward_stop, self.log_stop) if stop else (self.reward_resample, self.log_resample)
        one, zero = np.ones((1, 1)), np.zeros((1, 1))
        return replace(self, reward_stop=reward + self.tau_decide * log, gamma_between=zero, rest=one, decided=False)

    def scale(self) -> Floats:
        """Return the size of a column's rewards and penalties, (N,): what accuracy is measured by."""
        size = np.maximum(np.abs(self.reward_stop), np.abs(self.reward_resample)).max(axis=0)
        size = size * np.where(self.gamma_within[0] > 0.0, self.gamma_within[0], 1.0)
        if self.mean_tau is not None:
            size = size + (np.exp(self.log_ref) * np.abs(self.tau_sample - self.mean_tau)).sum(axis=0)
        return np.broadcast_to(size, (self.columns,))


@dataclass(frozen=True, eq=False)
class Point:
    """f and what belongs to it at one V and n per column: numbers (N,), tables (Y, N).

    ``payoff`` is the penalised mean advantage of the normalised policy, at most f, and ``upper`` is at least f; they differ only
    where n has not settled. ``slope`` is -f', ``step`` Newton's step of V, 0 where the sign of f is open, ``move`` that of n, and
    ``drift`` how n follows V. The policy is ``weight``, ref e^ratio over its total.
    """

    payoff: Floats
    upper: Floats
    slope: Floats
    step: Floats
    move: Floats
    drift: Floats
    weight: Floats
    ratio: Floats
    log_total: Floats
    stop_logit: Floats


@dataclass(frozen=True, eq=False)
class Root:
    """Solved columns: V, the maximising policy's (Y, N) logits, the bracket V +- error, steps taken, whether V is enclosed."""

    value: Floats
    log_sample: Floats
    stop_logit: Floats
    error: Floats
    iterations: Ints
    converged: Bools


def evaluate(turn: SoftTurn, v: Floats, n: Floats) -> Point:
    """Return f, its slope and its maximiser at V = v; n matters only where a column has several sampling temperatures."""
    advantage, stop, stop_logit = _decide(turn, v)
    tau, mean = turn.tau_sample, turn.mean_tau
    if mean is None:
        ratio = advantage / tau
        weight, log_total = _normalise(turn.log_ref, ratio)
        payoff = upper = tau[0] * log_total
        slope = np.maximum(turn.rest[0] + (1.0 - turn.rest[0]) * (weight * stop).sum(axis=0), LEAST)
        zero = np.zeros_like(payoff)
        return Point(payoff, upper, slope, payoff / slope, zero, zero, weight, ratio, log_total, stop_logit)
    excess = tau - mean
    ratio = (advantage - excess - n) / tau
    weight, log_total = _normalise(turn.log_ref, ratio)
    fall = turn.rest + (1.0 - turn.rest) * stop  # of the advantage, per unit of V
    slope, mean_excess = np.maximum((weight * fall).sum(axis=0), LEAST), (weight * excess).sum(axis=0)
    payoff = n + mean_excess + log_total * (mean_excess + mean[0])
    upper = payoff + (mean_excess + mean[0]) * (np.expm1(log_total) - log_total)
    # V is a lower bound: only rounding of the first one, or of f where it hardly falls, asks for a step back.
    step = np.maximum(payoff, np.where(slope >= STEEP, np.minimum(upper, 0.0), 0.0)) / slope
    # Newton for log sum pi = 0, given that the advantages are about to fall.
    cold = weight / tau
    coldness = cold.sum(axis=0)
    drift = -(cold * fall).sum(axis=0) / coldness
    return Point(payoff, upper, slope, step, log_total / coldness + step * drift, drift, weight, ratio, log_total, stop_logit)


def _decide(turn: SoftTurn, v: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the soft advantages A, (Y, N), the optimal P(stop), and its logit."""
    to_stop = turn.gamma_within * turn.reward_stop - v
    if not turn.decided:
        return np.broadcast_to(to_stop, turn.log_ref.shape), np.ones((1, 1)), turn.stop_logit
    to_resample = turn.gamma_within * turn.reward_resample - turn.rest * v
    shift = (turn.reward_stop - turn.reward_resample - turn.gamma_between * v) / turn.tau_decide
    logit = turn.stop_logit + shift
    tau = turn.gamma_within * turn.tau_decide
    rarer = np.exp(-np.abs(logit))
    advantage = np.maximum(to_stop + tau * turn.log_stop, to_resample + tau * turn.log_resample) + tau * np.log1p(rarer)
    near = np.abs(shift) < SMALL
    if near.any():
        at: Any = slice(None) if near.all() else near
        tables = (to_stop, to_resample, shift, tau, turn.log_stop, turn.log_resample, turn.stop_logit >= 0.0)
        a, b, x, t, log_s, log_u, stops = (np.broadcast_to(table, logit.shape)[at] for table in tables)
        rare = np.exp(np.minimum(log_s, log_u))  # what the reference rarely decides adds little
        advantage[at] = np.where(stops, a, b) + t * np.log1p(rare * np.expm1(np.where(stops, -x, x)))
    return advantage, np.maximum(rarer, logit >= 0.0) / (1.0 + rarer), logit


def _normalise(log_ref: Floats, ratio: Floats) -> tuple[Floats, Floats]:
    """Return the normalised weights ref e^ratio, (Y, N), and the logarithm of their total, (N,)."""
    small = np.abs(ratio) < SMALL
    if small.all():
        ref = np.exp(log_ref)
        gain = ref * np.expm1(ratio)
        surplus = gain.sum(axis=0)
        return (ref + gain) / (1.0 + surplus), np.log1p(surplus)
    exponent = log_ref + ratio
    top = exponent.max(axis=0)
    weight = np.exp(exponent - top)
    total = weight.sum(axis=0)
    weight /= total
    log_total = top + np.log(total)
    if small.any() and (at := np.flatnonzero(np.abs(log_total) < SMALL)).size:
        # Close to a total of 1 what counts is its difference from 1: the reference's own probabilities must drop out exactly.
        ref, inner = np.exp(log_ref[:, at]), small[:, at]
        gain = weight[:, at] * np.exp(log_total[at]) - ref
        gain[inner] = ref[inner] * np.expm1(ratio[:, at][inner])
        log_total[at] = np.log1p(gain.sum(axis=0))
    return weight, log_total


def solve_columns(turn: SoftTurn, *, max_iterations: int) -> Root:
    """Solve every column; a column without a finite fixed point gets V = inf or -inf and has not converged.

    A fixed point is missing only without discount: V is +inf where never stopping costs nothing per turn, or gains something, and
    -inf where the reference never stops and every turn costs something.
    """
    v, n = _start(turn, max_iterations)
    scale = turn.scale()
    finite = np.isfinite(v)
    settled = ~finite
    iterations, gap = np.zeros(turn.columns, dtype=np.int64), np.full(turn.columns, np.inf)
    part, columns = turn, np.arange(turn.columns)
    for _ in range(max_iterations):
        open_ = np.flatnonzero(~settled[columns])
        if open_.size == 0:
            break
        if 2 * open_.size <= columns.size:  # gathering costs about one evaluation: only when it saves one
            part, columns = part.take(open_), columns[open_]
        point = evaluate(part, np.where(finite[columns], v[columns], 0.0), n[columns])
        step, move = point.step, point.move
        enough = SETTLED * ACCURACY * (np.abs(v[columns]) + scale[columns])
        still = ~settled[columns]
        iterations[columns] += still
        apart = point.upper - point.payoff
        close = (apart <= enough * point.slope) | (apart >= gap[columns])  # or rounding lets it shrink no more
        settled[columns] |= (step <= enough) & (np.abs(move) <= enough) & close
        gap[columns] = apart
        v[columns] += np.where(still, step, 0.0)
        n[columns] += np.where(still, move, 0.0)
    at_v = np.where(finite, v, 0.0)
    here = evaluate(turn, at_v, n)
    error = ACCURACY * (np.abs(at_v) + scale)
    above = evaluate(turn, at_v + error, n)
    # f is convex with slope -here.slope at V, so payoff + slope x error >= 0 puts the root above V - error.
    enclosed = (here.slope >= STEEP) & (above.upper <= 0.0) & (here.payoff + here.slope * error >= 0.0)
    hard = np.flatnonzero(finite & settled & ~enclosed)
    if hard.size:
        error[hard], enclosed[hard] = _enclose(turn.take(hard), v[hard], n[hard], error[hard])
    log_sample = np.where(finite, turn.log_ref + here.ratio - here.log_total, turn.log_ref)  # without an optimum the reference
    stop_logit = np.where(finite, here.stop_logit, turn.stop_logit)
    return Root(v, log_sample, stop_logit, np.where(finite, error, np.inf), iterations, finite & settled & enclosed)


def _enclose(turn: SoftTurn, v: Floats, n: Floats, least: Floats) -> tuple[Floats, Bools]:
    """Return a half-width about V in which rounding cannot hide the root, at least ``least``, and whether the root is in it."""
    here = evaluate(turn, v, n)
    noise = _rounding(turn, v, n, here)
    hidden = 4.0 * noise + 2.0 * (here.upper - here.payoff) + np.abs(here.payoff)
    error = np.maximum(least, hidden / here.slope)
    v_above, n_above = v + error, n + error * here.drift
    above = evaluate(turn, v_above, n_above)
    at_most = above.upper + _rounding(turn, v_above, n_above, above)
    return error, (at_most <= 0.0) & (here.payoff + here.slope * error >= noise) & (here.slope > LEAST)


def _rounding(turn: SoftTurn, v: Floats, n: Floats, point: Point) -> Floats:
    """Return a bound on the rounding of f at V = v, (N,): that of the advantages, and that of the sum over answers."""
    gw, tau_d = turn.gamma_within, turn.tau_decide
    rewards = gw * np.abs(turn.reward_stop), gw * np.abs(turn.reward_resample)
    size = rewards[0] + np.abs(v)
    if turn.decided:
        logit, future = point.stop_logit, np.abs(turn.gamma_between * v)
        shift = (turn.reward_stop - turn.reward_resample - turn.gamma_between * v) / tau_d
        near = np.abs(shift) < SMALL
        stops = np.where(near, turn.stop_logit, logit) >= 0.0
        # The other decision adds tau log(1 + e^-|logit|), or, near the reference, tau log(1 + ref (e^+-shift - 1)).
        rare = np.exp(np.where(near, np.minimum(turn.log_stop, turn.log_resample), -np.abs(logit)))
        log_first = np.where(near, 0.0, np.where(stops, turn.log_stop, turn.log_resample))
        size = np.where(stops, size, rewards[1] + turn.rest * np.abs(v)) - gw * tau_d * log_first
        size = size + rare * (rewards[0] + rewards[1] + gw * future)
        size = size + rare * gw * tau_d * np.where(near, np.abs(shift), 1.0) * (1.0 + np.abs(turn.stop_logit))
    tau, log_total = turn.tau_sample, point.log_total
    size = size + np.abs(tau * point.ratio)
    if turn.mean_tau is not None:
        size = size + np.abs(tau - turn.mean_tau) + np.abs(n)
    possible = turn.log_ref > -np.inf
    log_ref, ratio = (np.where(possible, table, 0.0) for table in (turn.log_ref, point.ratio))
    ref = np.exp(log_ref)  # 1 for what is impossible, whose ratio is 0
    # Of a total close to 1 only its difference from 1 counts, and of that only what an answer adds.
    added = np.where(np.abs(ratio) < SMALL, ref * np.abs(ratio), point.weight + ref)
    share = np.where(np.abs(log_total) < SMALL, added, point.weight) * (1.0 + np.abs(log_ref) + np.abs(ratio))
    warmth = (point.weight * tau).sum(axis=0)
    return np.asarray(ROUNDED * ((point.weight * size).sum(axis=0) + warmth * (share.sum(axis=0) + np.abs(log_total))))


def _start(turn: SoftTurn, max_iterations: int) -> tuple[Floats, Floats]:
    """Return a lower bound of V that a policy attains (or inf, -inf: see `solve_columns`), and a multiplier to begin with.

    The better of two policies: one always stops, one always resamples. Without discount the second has no value, but tells
    whether there is an optimum: a fixed point exists iff what it earns per turn is negative.
    """
    if not turn.decided:
        value, n = _choiceless(turn)
        return value, n - value
    stop, n_stop = _choiceless(turn.without_choice(stop=True))
    again_turn = turn.without_choice(stop=False)
    again, n_again = _choiceless(again_turn)
    rest = np.broadcast_to(turn.rest[0], stop.shape)
    undiscounted = np.flatnonzero(rest == 0.0)
    forever = np.divide(again, rest, out=np.full(stop.shape, -np.inf), where=rest > 0.0)
    if undiscounted.size:
        if turn.mean_tau is not None:
            again[undiscounted] = solve_columns(again_turn.take(undiscounted), max_iterations=max_iterations).value
        forever[undiscounted] = np.where(again[undiscounted] >= 0.0, np.inf, -np.inf)
    return np.maximum(stop, forever), np.where(stop >= forever, n_stop - stop, n_again - rest * forever)


def _choiceless(turn: SoftTurn) -> tuple[Floats, Floats]:
    """Return what a good sampling policy earns in a turn without a decision, and the multiplier that it has at V = 0."""
    zero = np.zeros(turn.columns)
    n = zero
    if turn.mean_tau is not None:
        advantage, _, _ = _decide(turn, zero)
        n = (advantage - (turn.tau_sample - turn.mean_tau) + turn.tau_sample * turn.log_ref).max(axis=0)
    value = evaluate(turn, zero, n).payoff
    # NEVER times a temperature: no policy of this kind exists.
    return np.where(value > 1e-8 * NEVER, value, -np.inf), n
