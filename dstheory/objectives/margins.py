r"""Losses of a pair of responses: functions of the log-ratios of the chosen and of the rejected one.

With u = log(pi/ref) of each response and :math:`h = \beta (u_{chosen} - u_{rejected})`, every loss here is a sum

.. math:: \ell = M(h) + C(\beta u_{chosen}) + R(\beta u_{rejected})

of functions of one variable, most of them M alone. The coefficient of the tokens of the chosen response is
:math:`-\beta (M' + C')`, that of the rejected one's :math:`\beta (M' - R')`. So a mean over partners is a mean of one function.
``ipo`` and ``sigmoid_norm`` take each response's u over its number of tokens L, and divide its coefficient by L as well.

============  ==================================================================  ==============
loss          M, C, R                                                             source, arXiv
============  ==================================================================  ==============
sigmoid       M = (1 - e) log(1 + e^-h) + e log(1 + e^h)                          2305.18290
sigmoid_norm  the same with e = 0, u over L                                       2405.14734
hinge         M = max(0, 1 - h)                                                   2305.10425
ipo_sum       M = (h - 1/2)^2/beta^2                                              2310.12036
ipo           the same, u over L                                                  TRL
robust        M = ((1 - e) log(1 + e^-h) - e log(1 + e^h))/(1 - 2e)               2403.00409
exo_pair      M = KL of (sigma(h), sigma(-h)) to (1 - e, e)                       2402.00856
discopop      M = (1 - m) log(1 + e^-h) + m e^-h, m = sigma(h/tau)                2406.08414
nca_pair      C = log(1 + e^-a) + log(1 + e^a)/2, R = log(1 + e^a)/2              2402.05369
bco_pair      C = log(1 + e^-a), R = log(1 + e^a)                                 2404.04656
sppo_hard     C = (a - 1/2)^2/beta^2, R = (a + 1/2)^2/beta^2                      2405.00675
apo_zero      C = sigma(-a), R = sigma(a)                                         2408.06266
apo_down      M = sigma(-h), C = sigma(a)                                         2408.06266
============  ==================================================================  ==============

Not here: ``aot`` and ``aot_unpaired``, which sort the log-ratios of a batch, and ``sft``, which has no log-ratio.

Source: the papers; names and forms as in TRL's DPOTrainer, with whose losses they are compared, and ``ipo_sum`` as in OpenRLHF.
The smoothed sigmoid (e > 0) is E. Mitchell, "A note on DPO with noisy preferences" (2023). The split is derived here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import pi

import numpy as np

from dstheory.chain.policy import log_sigmoid, sigmoid
from dstheory.checks import Floats
from dstheory.errors import ChainError, OneRunError

__all__ = ["LOSSES", "Curve", "PairLoss", "pair_loss"]

_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Curve:
    """A function of one variable.

    Attributes:
        value: the function.
        fall: minus its derivative.
        reach: how far its nearest pole is from the real line, which bounds what interpolating it costs (:func:`mean_over`).
    """

    value: Callable[[Floats], Floats]
    fall: Callable[[Floats], Floats]
    reach: float = pi

    def mean_fall(self, own: Floats, other: Floats, weight: Floats) -> Floats:
        """Return the sum of weight x fall(own - other) at each own variable, (n,)."""
        return mean_over(lambda one, two: self.fall(one - two), own, other, weight, self.reach)


def mean_over(of: Callable[[Floats, Floats], Floats], own: Floats, other: Floats, weight: Floats, reach: float = pi) -> Floats:
    """Return the sum of weight x of(own, other) at each own variable, (n,).

    For many responses it is computed at N Chebyshev points of their range and interpolated, with an error of
    exp(-N asinh(2 reach/range)), below 1e-15 of the largest; rounding leaves up to 1e-16 N^2 of it.

    Args:
        of: the function.
        own, other, weight: the variables, (n,) and (m,), and the weights of the others, (m,).
        reach: how far its nearest pole in its own variable is from the real line; 0 for no interpolation.
    """

    def direct(at: Floats) -> Floats:
        parts = np.array_split(at, max(1, len(at) * len(other) // _AT_ONCE))
        return np.concatenate([of(part[:, None], other) @ weight for part in parts])

    if not len(own) or not len(other):
        return np.zeros(len(own))
    low, high = float(own.min()), float(own.max())
    degree = int(np.ceil(36.0 / np.arcsinh(2.0 * reach / (high - low)))) if high > low and reach else 0
    if degree == 0 or len(own) <= 2 * degree:
        return direct(own)
    middle, half = 0.5 * (high + low), 0.5 * (high - low)
    points = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
    orders = np.cos(np.outer(np.arange(degree + 1), np.arccos(points)))
    series = 2.0 / (degree + 1) * (orders @ direct(middle + half * points))
    series[0] /= 2.0
    return np.asarray(np.polynomial.chebyshev.chebval((own - middle) / half, series), dtype=np.float64)


@dataclass(frozen=True)
class PairLoss:
    """One loss as M(h) + C(beta u of the chosen) + R(beta u of the rejected); None for 0.

    Attributes:
        margin, chosen, rejected: M, C and R.
        per_token: whether u is divided by the response's number of tokens.
        words: what beta times is the coefficient of the chosen response, and minus that of the rejected one.
        rejected_words: the same of the rejected one, where it differs.
        together: minus M' + C' in beta u of both responses, where the two cancel; None for the sum of both.
    """

    margin: Curve | None = None
    chosen: Curve | None = None
    rejected: Curve | None = None
    per_token: bool = False
    words: str = ""
    rejected_words: str = ""
    together: Callable[[Floats, Floats], Floats] | None = None

    def falls(self, chosen: Floats, rejected: Floats) -> tuple[Floats, Floats]:
        """Return minus the derivatives of the losses of pairs, given beta u of both responses, (n,) each."""
        none = np.zeros(chosen.shape)
        margin, own, other = (
            none if curve is None else curve.fall(at)
            for curve, at in ((self.margin, chosen - rejected), (self.chosen, chosen), (self.rejected, rejected))
        )
        return margin + own if self.together is None else self.together(chosen, rejected), other - margin


def _softplus(h: Floats) -> Floats:
    return np.asarray(np.logaddexp(0.0, h))


_WON = Curve(lambda h: _softplus(-h), lambda h: sigmoid(-h))
_LOST = Curve(_softplus, lambda h: -sigmoid(h))
_DOWN = Curve(lambda h: sigmoid(-h), lambda h: sigmoid(h) * sigmoid(-h))
_UP = Curve(sigmoid, lambda h: -sigmoid(h) * sigmoid(-h))
_HINGE = Curve(lambda h: np.maximum(0.0, 1.0 - h), lambda h: np.asarray(h < 1.0, dtype=np.float64), 0.0)


def _down_and_up(chosen: Floats, rejected: Floats) -> Floats:
    """Return sigma(h) sigma(-h) - sigma(a) sigma(-a), h = a - a', as (sigma(h) - sigma(a)) (sigma(-h) - sigma(a))."""

    def less(x: Floats, y: Floats, gap: Floats) -> Floats:
        """Return sigma(x) - sigma(y), given x - y."""
        return np.asarray(-np.sign(gap) * np.expm1(-np.abs(gap)) * sigmoid(np.maximum(x, y)) * sigmoid(-np.minimum(x, y)))

    h = chosen - rejected
    return less(h, chosen, -rejected) * less(-h, chosen, rejected - 2.0 * chosen)


def _square(at: float, beta: float) -> Curve:
    return Curve(lambda h: ((h - at) / beta) ** 2, lambda h: -2.0 * (h - at) / beta**2)


def _plus(one: float, other: float) -> Curve:
    """Return one x log(1 + e^-h) + other x log(1 + e^h)."""
    return Curve(lambda h: one * _softplus(-h) + other * _softplus(h), lambda h: one * sigmoid(-h) - other * sigmoid(h))


def _exo(smoothing: float) -> Curve:
    won, lost = np.log1p(-smoothing), np.log(smoothing)

    def value(h: Floats) -> Floats:
        return np.asarray(sigmoid(h) * (log_sigmoid(h) - won) + sigmoid(-h) * (log_sigmoid(-h) - lost))

    return Curve(value, lambda h: sigmoid(h) * sigmoid(-h) * (won - lost - h))


def _discopop(tau: float) -> Curve:
    def decay(h: Floats) -> Floats:
        """Return m exp(-h) in one exponential: neither factor need be a number where the product is one."""
        return np.asarray(np.exp(log_sigmoid(h / tau) - h))

    def value(h: Floats) -> Floats:
        return np.asarray(_softplus(-h) * sigmoid(-h / tau) + decay(h))

    def fall(h: Floats) -> Floats:
        less = sigmoid(-h / tau)
        return np.asarray(sigmoid(-h) * less + decay(h) * (1.0 - less / tau) + _softplus(-h) * sigmoid(h / tau) * less / tau)

    return Curve(value, fall, 0.0)  # poles at a distance of tau


LOSSES: dict[str, Callable[[float, float, float], PairLoss]] = {
    "sigmoid": lambda beta, e, tau: (
        PairLoss(_plus(1.0 - e, e), words=f"({1 - e:g} sigma(-h) - {e:g} sigma(h))") if e else PairLoss(_WON, words="sigma(-h)")
    ),
    "sigmoid_norm": lambda beta, e, tau: PairLoss(_WON, per_token=True, words="sigma(-h)"),
    "hinge": lambda beta, e, tau: PairLoss(_HINGE, words="1[h < 1]"),
    "ipo_sum": lambda beta, e, tau: PairLoss(_square(0.5, beta), words="(1 - 2 h)/beta^2"),
    "ipo": lambda beta, e, tau: PairLoss(_square(0.5, beta), per_token=True, words="(1 - 2 h)/beta^2"),
    "robust": lambda beta, e, tau: PairLoss(
        _plus((1.0 - e) / (1.0 - 2.0 * e), -e / (1.0 - 2.0 * e)), words=f"({1 - e:g} sigma(-h) + {e:g} sigma(h))/{1 - 2 * e:g}"
    ),
    "exo_pair": lambda beta, e, tau: PairLoss(_exo(e), words=f"sigma(h) sigma(-h) (log({1 - e:g}/{e:g}) - h)"),
    "discopop": lambda beta, e, tau: PairLoss(_discopop(tau), words=f"minus the slope of DiscoPOP's loss at h, tau {tau:g}"),
    "nca_pair": lambda beta, e, tau: PairLoss(
        chosen=_plus(1.0, 0.5), rejected=_plus(0.0, 0.5), words="sigma(-a) - sigma(a)/2", rejected_words="sigma(a)/2"
    ),
    "bco_pair": lambda beta, e, tau: PairLoss(chosen=_WON, rejected=_LOST, words="sigma(-a)", rejected_words="sigma(a)"),
    "sppo_hard": lambda beta, e, tau: PairLoss(
        chosen=_square(0.5, beta), rejected=_square(-0.5, beta), words="(1 - 2 a)/beta^2", rejected_words="(1 + 2 a)/beta^2"
    ),
    "apo_zero": lambda beta, e, tau: PairLoss(chosen=_DOWN, rejected=_UP, words="sigma(a) sigma(-a)"),
    "apo_down": lambda beta, e, tau: PairLoss(
        _DOWN,
        chosen=_UP,
        words="sigma(h) sigma(-h) - sigma(a) sigma(-a)",
        rejected_words="sigma(h) sigma(-h)",
        together=_down_and_up,
    ),
}
"""Name -> the loss, given beta, label smoothing e and tau."""


def pair_loss(name: str, *, beta: float, smoothing: float = 0.0, tau: float = 0.05) -> PairLoss:
    """Return a loss by its name.

    Args:
        name: as in the table above.
        beta: > 0.
        smoothing: e, the share of preferences that are taken to be wrong, of ``sigmoid``, ``robust`` and ``exo_pair`` alone.
        tau: temperature of ``discopop``, > 0.

    Raises:
        ChainError: no such loss, or a number out of its range.

    >>> loss = pair_loss("hinge", beta=0.1)
    >>> loss.margin.fall(np.array([0.5, 2.0])).tolist()
    [1.0, 0.0]
    """
    if name not in LOSSES:
        raise ChainError(f"loss is {name!r}: must be one of {', '.join(LOSSES)}")
    if np.ndim(beta):
        raise OneRunError("beta has runs, but the slope of the preference model is one number: pick one run")
    if not (np.isfinite(beta) and beta > 0):
        raise ChainError(f"beta is {beta}: must be finite and > 0, the slope of the preference model")
    if smoothing and name not in ("sigmoid", "robust", "exo_pair"):
        raise ChainError(f"smoothing is {smoothing}: only sigmoid, robust and exo_pair have it; leave it at 0 for {name}")
    if not 0.0 <= smoothing < 0.5 or (name == "exo_pair" and not smoothing > 0):
        low = ">" if name == "exo_pair" else ">="
        raise ChainError(f"smoothing is {smoothing}: must be {low} 0 and < 0.5 for {name}, a share of wrong preferences")
    if not (np.isfinite(tau) and tau > 0):
        raise ChainError(f"tau is {tau}: must be finite and > 0, the temperature of discopop")
    return LOSSES[name](beta, smoothing, tau)
