r"""DPO on pairs of one's responses: the correct one is preferred to the wrong one.

Two responses are drawn per prompt; if exactly one is correct it is the chosen one. With :math:`\Delta` the difference of their
log-ratios to the reference, chosen minus rejected, every token of the chosen response gets :math:`+\beta \sigma(-\beta \Delta)`,
every token of the rejected one the same with a minus. Averaged over the partner, a response of log-ratio u is worth

.. math:: f(R = 1, u) = 2 \beta\, E[1\{R' = 0\} \sigma(\beta (u' - u))], \qquad
    f(R = 0, u) = - 2 \beta\, E[1\{R' = 1\} \sigma(\beta (u - u'))].

Where the policy is the reference, :math:`f = \beta (R - E[R])`: the first step of DPO on one's own samples is REINFORCE.
Other losses of the pair put another function in the place of sigma.

The log-ratio is a sum over the response, so the expectation runs over pairs of multisets of resampled answers.

**Losses of a pair** are functions of the log-ratios of the chosen and of the rejected one.
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

Source: arXiv 2305.18290; pairs by correctness as in iterative DPO, arXiv 2404.19733; the expectation is derived here.
Losses: the papers; names and forms as in TRL's DPOTrainer, with whose losses they are compared, and ``ipo_sum`` as in OpenRLHF.
The smoothed sigmoid (e > 0) is E. Mitchell, "A note on DPO with noisy preferences" (2023). The split is derived here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import pi

import numpy as np

from dstheory.chain.exact import Solution, solve
from dstheory.chain.policy import Policy, log_sigmoid, sigmoid
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Floats, Ints, numbers_only
from dstheory.errors import ChainError, InfiniteDivergenceError, OneRunError
from dstheory.objectives.base import Measure, Objective
from dstheory.objectives.expectation.compositions import representatives
from dstheory.objectives.expectation.rewards import reward_of
from dstheory.objectives.mass import CoefficientMass, mass_of_steps
from dstheory.objectives.registry import register
from dstheory.objectives.responses import response_lengths
from dstheory.objectives.rounding import directed
from dstheory.objectives.settings import log_ratio_of_responses
from dstheory.objectives.weights import log_ratios

_MOST_COUNTS = 10_000_000
_AT_ONCE = 1 << 22
_STRETCH = 4.0


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

    For many responses it is interpolated at N Chebyshev points of each stretch of at most 4, with an error of
    exp(-N asinh(2 reach/4)), below 1e-15 of the largest there. In one the logistic function falls by e^4; sums that are below a
    thousandth of the largest, since they cancel, are computed one by one. So all keep twelve digits, however small.

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
    if high == low or not reach or high - low > len(own):
        return direct(own)
    size = (high - low) / np.ceil((high - low) / _STRETCH)
    present, stretch = np.unique(np.minimum(np.floor((own - low) / size), np.ceil((high - low) / size) - 1), return_inverse=True)
    degree = int(np.ceil(36.0 / np.arcsinh(2.0 * reach / size)))
    if len(own) <= 2 * len(present) * degree:
        return direct(own)
    middle = low + (present + 0.5) * size
    points = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
    values = direct((middle[:, None] + 0.5 * size * points).ravel()).reshape(len(present), -1)
    series = values @ np.cos(np.outer(np.arccos(points), np.arange(degree + 1))) * (2.0 / (degree + 1))
    series[:, 0] /= 2.0
    found = np.empty(len(own))
    for some in np.array_split(np.arange(len(own)), max(1, len(own) * degree // _AT_ONCE)):
        there = stretch[some]
        within = (own[some] - middle[there]) / (0.5 * size)
        found[some] = np.polynomial.chebyshev.chebval(within, series[there].T, tensor=False)
    cancel = np.abs(found) < 1e-3 * np.abs(values).max(axis=1)[stretch]
    if cancel.any():
        found[cancel] = direct(own[cancel])
    return found


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


@register
@dataclass(frozen=True, eq=False)
class DPO(Objective):
    """DPO on pairs of responses of a sampler.

    Args:
        reference: of the log-ratios.
        beta: > 0.
        sampler: whose responses are paired; None for the reference.
        loss: of the pair, by a name of :data:`LOSSES`; what ascends is minus its mean.
        smoothing: share of preferences that are taken to be wrong, in [0, 0.5), of the losses ``sigmoid``, ``robust`` and
            ``exo_pair``.
        tau: temperature > 0 of the loss ``discopop``.

    Raises:
        ChainError: beta, smoothing or tau out of range, or no such loss.

    >>> from dstheory import TwoStageMDP, solve
    >>> from dstheory.objectives import Reinforce
    >>> here = Policy.minimal(p=0.5, a=0.75, b=0.5)
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0), here)
    >>> (DPO(here, beta=0.1).gradient(s).decide / Reinforce().gradient(s).decide).round(9).tolist()
    [[[0.1, 0.1]]]
    """

    reference: Policy
    beta: float = 0.1
    sampler: Policy | None = None
    loss: str = field(default="sigmoid", kw_only=True)
    smoothing: float = field(default=0.0, kw_only=True)
    tau: float = field(default=0.05, kw_only=True)

    name = "dpo"

    def __post_init__(self) -> None:
        numbers_only(self)
        self.of_pairs  # checks the settings  # noqa: B018

    @property
    def of_pairs(self) -> PairLoss:
        """The loss of a pair."""
        return pair_loss(self.loss, beta=self.beta, smoothing=self.smoothing, tau=self.tau)

    @property
    def measure(self) -> Measure:
        """The reference, or the sampler."""
        return "reference" if self.sampler is None else "sampler"

    def behaviour(self, solution: Solution) -> Policy | Trajectories:
        """Return the policy whose responses are paired."""
        return self.reference if self.sampler is None else self.sampler

    def coefficients(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats]:
        """Return what a response is worth on average over its partners.

        Raises:
            InfiniteDivergenceError: a response has probability 0 under the policy or the reference.
        """
        t, partners, loss = trajectories, self._partners(solution), self.of_pairs
        right, up = self.marks(solution, t)
        right_2, up_2 = self.marks(solution, partners)
        f, of_prompt = np.zeros(len(t)), _by_prompt(partners.prompt)
        for x, mine in _by_prompt(t.prompt).items():
            theirs = of_prompt.get(x, np.arange(0))
            for label in (0.0, 1.0):
                own, other = mine[right[mine] == label], theirs[right_2[theirs] != label]
                weight = partners.weight[other] / solution.mdp.prompt_weight[x]
                if label and loss.together is not None:
                    f[own] = 2.0 * self.beta * mean_over(loss.together, self.beta * up[own], self.beta * up_2[other], weight)
                    continue
                sign, alone = (1.0, loss.chosen) if label else (-1.0, loss.rejected)
                if loss.margin is not None:
                    fall = loss.margin.mean_fall(sign * self.beta * up[own], sign * self.beta * up_2[other], weight)
                    f[own] = sign * 2.0 * self.beta * fall
                if alone is not None:
                    f[own] += 2.0 * self.beta * weight.sum() * alone.fall(self.beta * up[own])
        c_s = (f / response_lengths(solution, t) if loss.per_token else f)[t.episode]
        return c_s, np.where(t.decided, c_s, 0.0)

    def mass(self, solution: Solution) -> CoefficientMass:
        """Return the sum over pairs of multisets.

        Raises:
            InfiniteDivergenceError: the reference, or the sampler, rules out what the policy does.
            ChainError: too many multisets.
        """
        self.reference.check_fits(solution.mdp, "reference")
        log_ratios(solution.policy, self.reference, solution)  # names what the reference rules out
        drawn = self._partners(solution)
        c_s, c_d = DPO.coefficients(self, solution, drawn)  # not what a child makes of them: its mass has its factor
        if self.of_pairs.chosen is None and self.of_pairs.rejected is None:
            found = self._of_pairs(solution, drawn, c_s[drawn.offsets[:-1]])
            if found is not None:
                return found
        return mass_of_steps(solution.mdp, drawn, c_s, c_d)

    def _of_pairs(self, solution: Solution, t: Trajectories, f: Floats) -> CoefficientMass | None:
        """Return the mass, of how often an action comes up beyond what is usual in a prompt's responses; None for large tables.

        What the two responses of a pair share drops out of their difference. Coefficients of a prompt add up to 0, so that any
        number may be taken from how often an action comes up: beyond the median, weighted by size, terms are smallest. A policy
        that is the same at every turn has all of the mass at the first: an action that both responses of a pair have, at
        different turns, drops out as well.
        """
        mdp = solution.mdp
        shape = (mdp.max_turns or 1, mdp.shape[1])
        turn, _, answer = t.index(by_turn=solution.policy.shape[0] > 1)
        kind = np.where(t.decided, np.where(t.stop, 1, 2), 0)
        steps, length = _by_prompt(t.step_prompt), response_lengths(solution, t)
        found, sizes = np.zeros((2, 3, shape[0], *mdp.shape))
        for x, mine in _by_prompt(t.prompt).items():
            if 3 * len(mine) * shape[0] * shape[1] > _MOST_COUNTS:
                return None
            at, number = steps[x], np.zeros(len(t), dtype=np.int64)
            number[mine] = np.arange(len(mine))
            counts = np.zeros((3, len(mine), *shape))
            np.add.at(counts, (kind[at], number[t.episode[at]], turn[at], answer[at]), 1.0)
            counts[0] += counts[1] + counts[2]
            per = length[mine] if self.of_pairs.per_token else np.ones(len(mine))
            counts /= per[:, None, None]
            weight = t.weight[mine] * f[mine] * per
            order = np.argsort(counts, axis=1)
            size = np.cumsum(np.abs(weight)[order], axis=1)
            middle = (size < 0.5 * size[:, -1:]).sum(axis=1, keepdims=True).clip(max=len(mine) - 1)
            usual = np.take_along_axis(counts, np.take_along_axis(order, middle, axis=1), axis=1)
            terms = (counts - usual) * weight[:, None, None]
            found[:, :, x] = terms.sum(axis=1)
            if directed():
                sizes[:, :, x] = np.abs(terms).sum(axis=1)
        return CoefficientMass(*found).rounded(CoefficientMass(*sizes))

    def value(self, solution: Solution) -> Floats:
        """Return minus the mean loss, E[log sigma(beta Delta)], over two responses per prompt; pairs of equal outcome count 0."""
        drawn, loss = self._partners(solution), self.of_pairs
        right, up = self.marks(solution, drawn)
        total = 0.0
        for x, here in _by_prompt(drawn.prompt).items():
            won, lost = (here[right[here] == label] for label in (1.0, 0.0))
            each = np.zeros((len(won), len(lost)))
            if loss.margin is not None:
                each = -loss.margin.value(self.beta * (up[won][:, None] - up[lost]))
            if loss.chosen is not None:
                each = each - loss.chosen.value(self.beta * up[won])[:, None]
            if loss.rejected is not None:
                each = each - loss.rejected.value(self.beta * up[lost])
            total += 2.0 * float(drawn.weight[won] @ each @ drawn.weight[lost]) / float(solution.mdp.prompt_weight[x])
        return np.asarray(total)

    def _partners(self, solution: Solution) -> Trajectories:
        sampler = self.behaviour(solution)
        assert isinstance(sampler, Policy)
        ordered = max(solution.policy.shape[0], self.reference.shape[0]) > 1
        return representatives(solve(solution.mdp, sampler), ordered=ordered)

    def marks(self, solution: Solution, t: Trajectories) -> tuple[Floats, Floats]:
        """Return correctness and the log-ratio of each response, per token where the loss takes it so, (n,) each."""
        ratio = log_ratio_of_responses(t, solution.policy, self.reference, called="reference")
        bad = np.flatnonzero(ratio == -np.inf)
        if len(bad):
            i = int(bad[0])
            raise InfiniteDivergenceError(
                f"a response of {solution.mdp.prompt_name(int(t.prompt[i]))} with answers "
                f"{t.answer[t.offsets[i] : t.offsets[i + 1]].tolist()} has probability 0 under the policy: "
                "its log-ratio is infinite; give the policy some mass there"
            )
        up = ratio / response_lengths(solution, t) if self.of_pairs.per_token else ratio
        return reward_of(solution, "correct").reward.total(solution, t), up


def _by_prompt(prompt: Ints) -> dict[int, Ints]:
    """Return which responses belong to each prompt: sorted once, where a search per prompt would grow with their square."""
    order = np.argsort(prompt, kind="stable")
    names, first = np.unique(prompt[order], return_index=True)
    return {int(x): order[a:b] for x, a, b in zip(names, first, [*first[1:], len(order)], strict=True)}
