r"""Differences between the actions of one state, with all their digits where the actions' values nearly agree.

A gradient does not see a number that is added to the values of all actions of a state. On a chain whose answers hardly ever stop,
that number is nearly all there is to a value: with P(stop) = 1e-12 two answers differ in the twelfth digit, and the gradient, the
difference times 1e12 visits, would keep four digits of sixteen. So the differences are formed before values are.

A decision to stop at answer y pays F(y); one to go on pays r(y) and leads to the next turn, of value Z, discounted by
:math:`1 - \kappa(y)`. With s, u the probabilities of the two, g the discount between an answer and its decision, C(y) the value
of answering y, and * the likeliest answer,

.. math::
    C(y) - C(*) = g \Big[ s(y)\,(F(y) - F(*)) + u(y)\,\big(r(y) - r(*) - (\kappa(y) - \kappa(*))\,Z\big)
        + (s(y) - s(*))\,\big(F(*) - r(*) - (1 - \kappa(*))\,Z\big) \Big],

    C(y) - g Z = g \big[ s(y)\,(F(y) - Z) + u(y)\,(r(y) - \kappa(y) Z) \big].

The first has small terms where answers are alike, the second where those that stop are worth what the others come to in the
end. Either shifts all answers by one number; that with the smaller terms is taken. s(y) - s(*) is computed from the logits. What
is left is F - Z, for with most episodes ending in one payment c, Z is nearly c. It is therefore also computed as

.. math:: F - Z = (F - c) - (Z - c), \qquad
    Z - c = \frac{g \sum \pi \,\big(s (F - c) + u (r - \kappa c)\big) - (1 - g)\,c}{1 - g + g \sum \pi\,(s + u \kappa)},

c the payment of the answer that episodes end with most often from there on: the form that is taken where Z - c is smaller than Z.

Source: derived here.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from dstheory.chain.bellman import UnrolledPolicy
from dstheory.checks import Bools, Floats, Ints

_RARE = 1e-3


@dataclass(frozen=True, eq=False)
class Contrast:
    """Values of the actions of every state, each up to a number that all actions of the state share; (*runs, T', X, Y) each.

    Attributes:
        sample: of an answer.
        sample_size: the size of the terms that ``sample`` is a sum of: below a few roundings of these nothing is known.
        stop, resample: of the two decisions at an answer, less one baseline of that answer, as seen from the decision.
    """

    sample: Floats
    sample_size: Floats
    stop: Floats
    resample: Floats

    def __add__(self, other: Contrast) -> Contrast:
        return Contrast(
            self.sample + other.sample,
            self.sample_size + other.sample_size,
            self.stop + other.stop,
            self.resample + other.resample,
        )

    def summed(self, weight: Floats) -> Contrast:
        """Return the sum over the first axis, each entry times its weight, (J, *runs, T', X, 1)."""

        def total(table: Floats, by: Floats) -> Floats:
            return np.asarray(np.einsum("j...,j...->...", by, table))

        size = total(self.sample_size, np.abs(weight))
        return Contrast(total(self.sample, weight), size, total(self.stop, weight), total(self.resample, weight))

    def advantages(self, policy: UnrolledPolicy) -> tuple[Floats, Floats, Floats]:
        """Return Q_s - V of answers, and Q_d - V_d of stop and of resample, (*runs, T', X, Y) each."""
        gain = self.stop - self.resample
        answers = self.sample - (policy.sample * self.sample).sum(axis=-1, keepdims=True)
        return answers, policy.resample * gain, -policy.stop * gain


def contrast(
    policy: UnrolledPolicy,
    stop: Floats,
    resample: Floats,
    lost: Floats,
    within: Floats | float = 1.0,
    answer: Floats | float = 0.0,
) -> Contrast:
    """Return the differences between the actions of every state.

    Args:
        policy: the unrolled policy.
        stop: F, what ending with an answer pays; broadcasts to (*runs, T', X, Y).
        resample: r, what going on pays at once, likewise.
        lost: kappa, 1 minus the discount of what comes after, in [0, 1], likewise. Given as such, since 1 - kappa hides it.
        within: g in [0, 1], broadcasts to (*runs, 1, 1, 1).
        answer: what either decision pays, as F and r do: what they pay besides is not lost beside it.

    >>> import numpy as np
    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> rare = Policy.from_probabilities([[0.5, 0.5]], [[1e-13, 1e-14]])
    >>> c = contrast(solve(TwoStageMDP.minimal(gamma=1.0), rare).unrolled, np.array([[1.0, 0.0]]), np.zeros(1), np.zeros(1))
    >>> (1e14 * (c.sample - c.sample[..., :1])).round(9).tolist(), (c.stop - c.resample).round(9).tolist()  # Z = 10/11
    ([[[0.0, -1.818181818]]], [[[0.090909091, -0.909090909]]])
    """
    pi, s, u = policy.sample, policy.stop, policy.resample
    first = _marked(np.argmax(pi, axis=-1), pi.shape[-1])
    usual = _entry(stop, _usual_end(policy))  # c, (*runs, T', X, 1)
    each = np.asarray(answer) if np.any(answer) else None
    value, excess, usual = _next_turn(policy, stop, resample, lost, within, usual, each)
    near = np.abs(excess) < np.abs(value)
    base, ahead = np.where(near, usual, 0.0), np.where(near, excess, value)
    by_stop, by_resample = stop - base, resample + ((1.0 - lost) * ahead - lost * base)

    # Answers, measured from the likeliest one ...
    likelier = likelier_stop(policy, first)
    terms = [s * (stop - _entry(stop, first)), likelier * _entry(by_stop - by_resample, first)]
    if lost.shape[-1:] not in ((), (1,)):  # else all answers are discounted alike
        terms.append(u * ((_entry(lost, first) - lost) * value))
    if resample.any():
        terms.append(u * (resample - _entry(resample, first)))
    if each is not None:
        terms.append(each - _entry(each, first))
    sample, size = functools.reduce(np.add, terms), functools.reduce(np.add, map(np.abs, terms))
    # ... or from Z.
    ends, goes_on = s * (by_stop - ahead), u * (resample - lost * value)
    if each is not None:
        goes_on = goes_on + each
    other = np.abs(ends) + np.abs(goes_on)
    by_other, by_size = (pi * other).sum(axis=-1, keepdims=True), (pi * size).sum(axis=-1, keepdims=True)
    better = by_other < by_size
    if pi.min() * pi.shape[-1] < _RARE:  # terms of answers so rare are nothing beside the others', but not beside what they get
        rest = pi * ~_mask(first, pi.shape[-1])
        much = rest.sum(axis=-1, keepdims=True)
        by_other = by_other * much + (rest * other).sum(axis=-1, keepdims=True)
        by_size = by_size * much + (rest * size).sum(axis=-1, keepdims=True)
        better = np.where(better, ~(_RARE * by_other > by_size), by_other < _RARE * by_size)
    sample, size = np.where(better, ends + goes_on, sample), np.where(better, other, size)
    return Contrast(within * sample, within * size, by_stop, by_resample)


def likelier_stop(policy: UnrolledPolicy, first: Bools | int) -> Floats:
    """Return s(y) - s(*), with all its digits however near the two are to 0, to 1, or to each other."""
    s, u = policy.stop, policy.resample
    with np.errstate(invalid="ignore"):
        apart = policy.stop_logits - _entry(policy.stop_logits, first)
    apart = np.where(np.isnan(apart), 0.0, apart)  # both certain of the same
    larger, smaller = np.where(apart >= 0, s * _entry(u, first), 0.0), np.where(apart < 0, _entry(s, first) * u, 0.0)
    return np.asarray((smaller - larger) * np.expm1(-np.abs(apart)))


def _marked(index: Ints, width: int) -> Bools | int:
    """Return a mark at one answer of every state, (*runs, T', X, Y), or its number where there is one state."""
    return index.item() if index.size == 1 else np.asarray(np.arange(width) == index[..., None])


def _mask(which: Bools | int, width: int) -> Bools:
    return np.arange(width) == which if isinstance(which, int) else which


def _entry(table: Floats, which: Bools | int) -> Floats:
    """Return the entry of one answer of every state, (*runs, T', X, 1)."""
    if not table.ndim:
        return table
    if isinstance(which, int):
        return np.asarray((table if table.shape[-1] == 1 else table[..., which : which + 1]) + 0.0)
    return np.asarray(np.where(which, table, 0.0).sum(axis=-1, keepdims=True))


def _usual_end(policy: UnrolledPolicy) -> Bools | int:
    """Return with which answer episodes that get to a turn end most often, (*runs, T', X, Y)."""
    ends, again = np.array(policy.sample * policy.stop), (policy.sample * policy.resample).sum(axis=-1, keepdims=True)
    for k in reversed(range(ends.shape[-3] - 1)):
        ends[..., k, :, :] += again[..., k, :, :] * ends[..., k + 1, :, :]
    return _marked(np.argmax(ends, axis=-1), ends.shape[-1])


def _next_turn(
    policy: UnrolledPolicy, pays: Floats, costs: Floats, kappa: Floats, g: Floats | float, usual: Floats, answer: Floats | None
) -> tuple[Floats, Floats, Floats]:
    """Return the value Z of the turn that follows, Z - c, and c there, (*runs, T', X, 1) each; 0 after the last turn."""
    ends, again = policy.sample * policy.stop, policy.sample * policy.resample

    def mean(weight: Floats, table: Floats) -> Floats:
        return np.asarray((weight * table).sum(axis=-1, keepdims=True))

    paid, dropped, over = mean(ends, pays), mean(again, kappa), mean(ends, pays - usual)
    if costs.any():
        cost = mean(again, costs)
        paid, over = paid + cost, over + cost
    if answer is not None:
        of_answers = mean(policy.sample, answer)
        paid, over = paid + of_answers, over + of_answers
    if not policy.capped:
        rest = (1.0 - g) + g * (ends.sum(axis=-1, keepdims=True) + dropped)
        return g * paid / rest, (g * (over - dropped * usual) - (1.0 - g) * usual) / rest, usual
    shape = np.broadcast_shapes(paid.shape, dropped.shape, np.shape(g), usual.shape)
    on = again.sum(axis=-1, keepdims=True)
    paid, over, dropped, on, usual = (np.broadcast_to(table, shape) for table in (paid, over, dropped, on, usual))
    value, excess = np.zeros(shape), np.zeros(shape)
    base = np.concatenate([usual[..., 1:, :, :], np.zeros_like(usual[..., :1, :, :])], axis=-3)
    g = g[..., 0, :, :] if isinstance(g, np.ndarray) and g.ndim else g
    for k in reversed(range(shape[-3] - 1)):
        now = (..., k + 1, slice(None), slice(None))  # the turn that follows
        kept, step = on[now] - dropped[now], excess[now] + (base[now] - usual[now])
        value[..., k, :, :] = g * (paid[now] + kept * value[now])
        excess[..., k, :, :] = g * (over[now] + kept * step - dropped[now] * usual[now]) - (1.0 - g) * usual[now]
    return value, excess, base
