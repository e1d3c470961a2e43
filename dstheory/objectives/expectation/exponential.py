r"""A chain seen through exponentials of its length: E[ (a + b R) e^{-tL} ] and where its mass lies, in closed form.

L is the number of tokens of a response and R its reward. An exponential of L factors over turns, so for each t the chain is
solved like a discounted one, with discount :math:`e^{-t l}` for every l tokens. Per prompt, with
:math:`m(y) = e^{-t (l_s(y) + l_d)}` and the sums over answers
:math:`\tilde q = \sum \pi \pi_{res} m`, :math:`e = \sum \pi \pi_{stop} m`,

.. math::
    U = E[e^{-tL}] = \frac{e}{1 - \tilde q}, \qquad
    Z = E[R\, e^{-tL}] = \gamma_w \frac{\sum \pi m (\pi_{stop} R_{stop} + \pi_{res} R_{res} U)}{1 - \Gamma \tilde q},

and three sums over what came before a turn: of :math:`e^{-tL_{<k}}`, of the same times :math:`\Gamma^k`, and times the reward so
far. At t = 0 this is the undiscounted chain. With a cap the same recursions run over turns.

Where R is 0 or 1, :math:`E[(1 - R) e^{-tL}]` and :math:`1 - U = E[1 - e^{-tL}]` are found in the same way, as sums of positive
terms: a failure, and a short response, may be as rare as 1e-300. A power such as :math:`U^{G - 1}` is the exponential of
:math:`(G - 1) \log(1 - (1 - U))`.

**One over a length** is a sum of exponentials:

.. math:: \frac1L = \int_0^\infty e^{-tL} \, dt = \int_{-\infty}^\infty e^{u - L e^u} \, du
    \approx \sum_j w_j e^{-t_j L}, \qquad L_{min} \le L \le L_{max},

so that averages over tokens, and sums of lengths in a denominator, become short sums of such expectations. The trapezoidal rule
in u with step h has relative error :math:`2 |\Gamma(1 + 2 \pi i / h)| \approx 4 \pi h^{-1/2} e^{-\pi^2/h}`, for every L alike:
1e-17 for h = (log 2)/3. What lies to the left of :math:`1/L_{max}` is gathered into a Gauss rule of six nodes, what lies right
of :math:`40/L_{min}` is below 1e-16. All in all the error is that of rounding, so that terms which cancel lose no more digits
here than rounding takes, and shows.

Source: exponential sums for 1/x after Braess and Hackbusch (2005); the rest is derived here.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from dstheory.chain.contrast import Contrast, contrast, likelier_stop
from dstheory.chain.exact import Solution
from dstheory.chain.policy import Policy
from dstheory.checks import Bools, Floats, Ints, compact, readonly
from dstheory.errors import OneRunError
from dstheory.objectives.expectation.rewards import RewardTable
from dstheory.objectives.fused import applies, few_prompts
from dstheory.objectives.mass import CoefficientMass, contrast_mass, over_runs
from dstheory.objectives.rounding import kept
from dstheory.objectives.weights import TokenWeight, probability_times

_STEP = np.log(2.0) / 3.0  # every third exponential is the square of one that is known
_TAIL_NODES = 6


@kept
def reciprocal(shortest: float, longest: float) -> tuple[Floats, Floats]:
    """Return nodes t and weights w, (J,) each, with sum of w exp(-t L) = 1/L to 1e-15 relative for all L in between.

    Args:
        shortest, longest: the range of L, 0 < shortest <= longest.

    >>> t, w = reciprocal(2.0, 1000.0)
    >>> len(t), [round(float((w * np.exp(-t * L)).sum() * L), 14) for L in (2.0, 33.3, 1000.0)]
    (50, [1.0, 1.0, 1.0])
    """
    first = int(np.floor(np.log(1.0 / longest) / _STEP))
    last = int(np.ceil(np.log(40.0 / shortest) / _STEP))
    turn, third = np.divmod(np.arange(first, last + 1), 3)
    t = np.ldexp(np.exp2(third / 3.0), turn)  # every third one is exactly twice as large
    tail_t, tail_w = _gauss_tail()
    scale = t[0]
    return readonly(np.concatenate([scale * tail_t, t])), readonly(np.concatenate([scale * tail_w, _STEP * t]))


@kept
def _gauss_tail() -> tuple[Floats, Floats]:
    """Return the Gauss rule of the left tail, the points exp(-h), exp(-2h), ... with weights h times themselves.

    Lanczos on the diagonal matrix of the points; its tridiagonal matrix has the nodes as eigenvalues (Golub and Welsch 1969).
    """
    points = np.exp(-_STEP * np.arange(1, 180))  # beyond, the weights sum to less than 1e-18
    weights = _STEP * points
    total = weights.sum()
    basis = [np.sqrt(weights / total)]
    diagonal, off = [], []
    for _ in range(_TAIL_NODES):
        here = basis[-1]
        diagonal.append(float(here @ (points * here)))
        rest = points * here
        for vector in (*basis, *basis):  # twice is enough to stay orthogonal
            rest = rest - vector * (vector @ rest)
        off.append(float(np.linalg.norm(rest)))
        basis.append(rest / off[-1])
    nodes, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(off[:-1], 1) + np.diag(off[:-1], -1))
    return readonly(nodes), readonly(total * vectors[0] ** 2)


# Tables of all nodes at once are made only up to this many numbers; beyond, node by node.
_AT_ONCE = 1 << 20
_MANY_NODES = 8  # looking for responses that are alike takes about as long as so many nodes
_FAR = 1e-3  # probabilities that differ by more do not cancel to less than twelve digits
RARE = 1e-4
_MOST_ROUNDED_POWERS = 4096
_LEFT = 1e-3  # of terms that cancel: the compiled loop's rounding is then less than 1e-11 of it
LEAST_CHANCE = 1e-290  # smaller ones have lost digits, or are 0 where they should not be


@dataclass(frozen=True, eq=False)
class EffectiveCredit:
    """A response's effective credit, f(R, L) = sum over nodes of (constant + slope R + otherwise (1 - R)) exp(-t L), per prompt.

    Attributes:
        t: (J,) exponents.
        constant, slope: (J, *runs, X).
        otherwise: (J, *runs, X), where R is 0 or 1 and failures have a credit of their own; None for 0. A success then has no
            credit that is a difference.
        balanced: whether, at each node and prompt, it averages to 0 over the responses, as the credits of a group do.
        centred: whether it does so but for exp(-t L), as where a response's own length alone divides its credit.
    """

    t: Floats
    constant: Floats
    slope: Floats
    otherwise: Floats | None = None
    balanced: bool = False
    centred: bool = False

    @classmethod
    def of_two(
        cls, t: Floats, failure: Floats, success: Floats, *, balanced: bool = False, centred: bool = False
    ) -> EffectiveCredit:
        """Return the credit of rewards 0 and 1, from that of a failure and that of a success, (J, *runs, X) each."""
        return cls(t, np.zeros_like(failure), success, failure, balanced, centred)

    @property
    def same(self) -> bool:
        """Whether it does not depend on the reward."""
        return self.otherwise is None and not self.slope.any()

    def scaled(self, factor: float | Floats) -> EffectiveCredit:
        """Return the credit times a number, or times one per run and prompt."""
        return self.map(lambda table: factor * table)

    def rows(self, rows: slice) -> EffectiveCredit:
        """Return some of the nodes."""
        return replace(self.map(lambda table: table[rows]), t=self.t[rows])

    def map(self, function: Callable[[Floats], Floats]) -> EffectiveCredit:
        """Return the credit with a function applied to each of its tables."""
        otherwise = None if self.otherwise is None else function(self.otherwise)
        return replace(self, constant=function(self.constant), slope=function(self.slope), otherwise=otherwise)

    def at(self, prompt: np.ndarray[tuple[int, ...], np.dtype[np.integer]], reward: Floats, length: Floats) -> Floats:
        """Return f of responses, (n,).

        Raises:
            ChainError: the credit has runs.
        """
        if (runs := self.constant.shape[1:-1]) or self.slope.ndim > 2:
            has = f"the chain has runs {runs or self.slope.shape[1:-1]}"
            raise OneRunError(f"responses are those of one run, but {has}: pick one")
        each = max(1, _AT_ONCE // max(1, len(length)))
        if len(self.t) > _MANY_NODES:
            first, kind = _kinds(prompt, reward, length)
            prompt, reward, length = prompt[first], reward[first], length[first]
        else:
            kind = np.arange(len(length))
        total = np.zeros(len(length))
        for start in range(0, len(self.t), each):
            part = self.rows(slice(start, start + each))
            decay = np.exp(-np.multiply.outer(part.t, length))
            with np.errstate(over="ignore", invalid="ignore"):  # of a reward that is all but impossible, a credit may be infinite
                credit = part.constant[:, prompt] + np.where(reward == 0.0, 0.0, part.slope[:, prompt] * reward)
                if part.otherwise is not None:
                    credit = credit + np.where(reward == 1.0, 0.0, part.otherwise[:, prompt] * (1.0 - reward))
                total += np.where(decay == 0.0, 0.0, credit * decay).sum(axis=0)
        return total[kind]


def _kinds(prompt: Ints, reward: Floats, length: Floats) -> tuple[Ints, Ints]:
    """Return the first of each kind of responses, which are alike in all three, and the kind of each."""
    kind = np.asarray(prompt, dtype=np.int64)
    for values in (reward, length):
        distinct, place = np.unique(values, return_inverse=True)
        _, first, kind = np.unique(kind * len(distinct) + place, return_index=True, return_inverse=True)
    return first, kind


@dataclass(frozen=True, eq=False)
class _Sweep:
    """Everything about some nodes: leading axis of nodes, then (*runs, T', X) or (*runs, T', X, Y)."""

    decay: Floats  # of answer and decision
    both: Floats  # pi times that
    plain: Floats  # U of the next turn
    paid: Floats  # Z of the next turn
    missed: Floats  # E[(1 - R) exp(-tL)] of the next turn, where R is 0 or 1
    first: tuple[Floats, Floats, Floats, Floats]  # these three of the first turn, and 1 - U
    before: Floats
    before_discounted: Floats
    before_paid: Floats


def moments(solution: Solution, reward: RewardTable, t: Floats) -> tuple[Floats, Floats]:
    """Return E[exp(-tL) | x] and E[R exp(-tL) | x], (J, *runs, X) each."""
    if _compiled(solution, reward):
        from dstheory.kernels import tilted_moments

        return tilted_moments(*_tables(solution, reward), t=t, n_answers=solution.mdp.n_answers)[:2]
    plain, paid, _, _ = _of_first(solution, reward, t)
    return plain, paid


def _of_first(solution: Solution, reward: RewardTable, t: Floats) -> list[Floats]:
    """Return U, Z, E[(1 - R) exp(-tL)] and 1 - U of the first turn, (J, *runs, X) each."""
    chunks = [_sweep(solution, reward, t[rows]).first for rows in _few_nodes(solution, len(t))]
    return [np.concatenate(each) for each in zip(*chunks, strict=True)]


@dataclass(frozen=True, eq=False)
class Tilted:
    """What a group knows of one of its members, per node and prompt, (J, *runs, X) each.

    Attributes:
        log_plain: log E[exp(-tL)].
        right, wrong: the shares of successes and of failures in E[exp(-tL)], for R = 0 or 1; where R takes other values, the mean
            of R under the same weights, and NaN.
    """

    log_plain: Floats
    right: Floats
    wrong: Floats

    def others(self, n: float) -> Floats:
        """Return E[exp(-tL)]^n, what n others contribute; n may be 0."""
        return np.exp(n * self.log_plain) if n else np.ones_like(self.log_plain)


def tilted(solution: Solution, reward: RewardTable, t: Floats, *, binary: bool, powers: float = 1) -> Tilted:
    """Return the moments of the chain as a group of ``powers`` members needs them.

    Args:
        solution: the chain under the policy that generates the responses.
        reward: the reward, 0 or 1 where ``binary``.
        t: (J,) exponents.
        binary: whether R is 0 or 1.
        powers: the highest power that is taken; the compiled loop rounds 1 - U.
    """
    if powers <= _MOST_ROUNDED_POWERS and _compiled(solution, reward):
        from dstheory.kernels import tilted_moments

        plain, paid, missed = tilted_moments(*_tables(solution, reward), t=t, n_answers=solution.mdp.n_answers)
        with np.errstate(divide="ignore"):
            log_plain = np.log(plain)
    else:
        plain, paid, missed, lost = _of_first(solution, reward, t)
        with np.errstate(divide="ignore"):
            log_plain = np.where(lost < 0.5, np.log1p(-np.minimum(lost, 0.5)), np.log(plain))
    plain, log_plain, paid, missed = np.broadcast_arrays(plain, log_plain, paid, missed)  # where rewards alone have runs
    share = np.divide(paid, plain, out=np.zeros(plain.shape), where=plain > 0)
    if not binary:
        return Tilted(log_plain, share, np.full(plain.shape, np.nan))
    return Tilted(log_plain, share, np.divide(missed, plain, out=np.zeros(plain.shape), where=plain > 0))


def response_mass(
    solution: Solution, reward: RewardTable, nodes: EffectiveCredit, weight: TokenWeight | None = None
) -> CoefficientMass:
    """Return the expected coefficient of every action, (*runs, T', X, Y), when every token of a response gets f(R, L).

    Args:
        solution: the chain under the policy that generates the responses.
        reward: R.
        nodes: f.
        weight: of every action, on top.
    """
    if weight is not None and weight.beyond is None:
        return response_mass(solution, reward, nodes).weighted(weight.sample, weight.stop, weight.resample)
    if weight is None and not nodes.t.any() and nodes.same:  # neither length nor reward enters: visits are enough
        visits = solution.finite_visits * nodes.constant.sum(axis=0)[..., None, :] * solution.mdp.prompt_weight
        answers, pol = visits[..., None] * solution.unrolled.sample, solution.unrolled
        decisions = answers * pol.decided
        return CoefficientMass(answers, decisions * pol.stop, decisions * pol.resample)
    if weight is None and _compiled(solution, reward):
        from dstheory.kernels import tilted_mass

        mdp, shape = solution.mdp, (len(nodes.t), solution.mdp.shape[0])
        slope, otherwise = (
            None if nodes.same or table is None else np.broadcast_to(table, shape) for table in (nodes.slope, nodes.otherwise)
        )
        pi, ends, *tables = _tables(solution, reward)
        stop, resample = tilted_mass(
            pi, ends, solution.policy.resample_prob[0], *tables, t=nodes.t, constant=np.broadcast_to(nodes.constant, shape),
            slope=slope, otherwise=otherwise, prompt_weight=mdp.prompt_weight, n_answers=mdp.n_answers,
        )  # fmt: skip
        if nodes.balanced:  # a next turn is like the first: what is to come averages to 0, not to rounding
            resample = np.zeros_like(resample)
        return CoefficientMass((stop + resample)[None], stop[None], resample[None])
    masses = (_mass(solution, reward, _sweep(solution, reward, part.t), part, weight) for part in _parts(solution, nodes))
    return functools.reduce(operator.add, masses)


def response_contrast(solution: Solution, reward: RewardTable, nodes: EffectiveCredit) -> CoefficientMass:
    """Return the mass under the policy that generates the responses, up to a number that all actions of a state share.

    It has the gradient of :func:`response_mass`, and keeps its digits where the actions of a state are worth nearly the same.
    """
    if not nodes.t.any() and nodes.same:  # all responses get the same, which is such a number
        none = 0.0 * (solution.finite_visits * nodes.constant.sum(axis=0)[..., None, :])[..., None]
        return CoefficientMass(*(np.broadcast_to(none, np.broadcast_shapes(none.shape, solution.unrolled.sample.shape)),) * 3)
    if _compiled(solution, reward):
        return _with_digits(solution, reward, nodes, response_mass(solution, reward, nodes))
    return _by_differences(solution, reward, nodes)


def _by_differences(solution: Solution, reward: RewardTable, nodes: EffectiveCredit) -> CoefficientMass:
    pieces = [_contrast(solution, reward, part, _sweep(solution, reward, part.t)) for part in _parts(solution, nodes)]
    return contrast_mass(solution, np.ones(solution.unrolled.sample.shape[-3:-1]), functools.reduce(operator.add, pieces))


def _with_digits(solution: Solution, reward: RewardTable, nodes: EffectiveCredit, mass: CoefficientMass) -> CoefficientMass:
    """Return a mass that the compiled loop found, but those prompts by differences at which little is left of its terms."""
    policy, rows = solution.policy, np.flatnonzero(_cancels(solution.policy, mass))
    if not rows.size:
        return mass
    prompts = solution.mdp.shape[0]
    under, weight = few_prompts(solution, rows)
    paid = replace(reward, stop=reward.stop if reward.stop.shape[-2] == 1 else reward.stop[..., rows, :])
    again = _by_differences(under, paid, nodes.map(lambda table: np.broadcast_to(table, (len(nodes.t), prompts))[:, rows]))
    found = [np.array(np.broadcast_to(table, policy.shape)) for table in (mass.sample, mass.stop, mass.resample)]
    for table, part in zip(found, (again.sample, again.stop, again.resample), strict=True):
        table[:, rows] = part * weight
    return CoefficientMass(*found)


def _cancels(policy: Policy, mass: CoefficientMass) -> Bools:
    """Return at which prompts a row of the gradient is less than a thousandth of the terms that it is what is left of, (X,)."""
    found = mass.gradient(policy)
    beside = policy.sample_prob * np.abs(mass.sample).sum(axis=-1, keepdims=True)
    sample = np.where(policy.likeliest, 0.0, np.abs(mass.sample) + beside)
    decide = np.abs(mass.stop) * policy.resample_prob + np.abs(mass.resample) * policy.stop_prob
    pairs = (found.sample, sample), (found.decide, decide)
    by_stage = [np.abs(row).max(axis=-1) < _LEFT * terms.max(axis=-1) for row, terms in pairs]
    return np.asarray(np.logical_or(*by_stage).any(axis=0))


def response_beside(
    policy: Policy, under: Solution, reward: RewardTable, nodes: EffectiveCredit, weight: TokenWeight
) -> CoefficientMass:
    r"""Return the mass less one of the policy's own actions at the same states, which has no gradient.

    With p the generating chain's probability of an action, C its coefficient, C(*) that of the likeliest answer and R that of
    resampling, it is :math:`w p C - w(*) \pi C(*) = w (p - \pi) C(*) + \pi (w - w(*)) C(*) + w p (C - C(*))` of answers, and
    likewise of decisions with R and the weight of resampling: digits are kept where the policy is near the one that generates.
    Elsewhere w p C itself has the smaller terms, and is taken.

    Args:
        policy: whose gradient is asked for.
        under: the chain under the policy that generates the responses.
        reward, nodes: as in :func:`response_mass`.
        weight: of every action; the same for both decisions, unless ``apart`` says how they differ.
    """
    if weight.beyond is None and _compiled(under, reward) and _apart(policy, under.policy):
        return response_mass(under, reward, nodes, weight)
    pol, shared = under.unrolled, policy.at_likeliest
    ends, resample, found = _compared(under, reward, nodes)
    answer = pol.stop * ends + pol.resample * resample
    sample, stop, again = policy.gaps(under.policy)
    rho, common = under.mdp.prompt_weight[:, None], shared(answer - found.sample)
    plain = weight.sample - shared(weight.sample), np.zeros(())
    apart, decided_apart = plain if weight.apart is None else weight.apart()
    beside = weight.sample * sample + policy.sample_prob * apart
    alone = weight.sample * pol.sample
    far = alone * answer
    # What is common is itself a difference: its terms count, too.
    size = np.abs(beside) * shared(np.abs(answer) + np.abs(found.sample)) + np.abs(alone * found.sample)
    alike = size.sum(axis=-1, keepdims=True) < np.abs(far).sum(axis=-1, keepdims=True)
    of_answer = np.where(alike, beside * common + alone * found.sample, far)

    met = pol.sample * pol.decided
    u, s = policy.resample_prob, policy.stop_prob
    gain = weight.stop * pol.stop * (found.stop - found.resample)
    near_stop = (weight.stop * stop + decided_apart * s) * resample + gain
    near_again = weight.resample * again * resample
    far_stop, far_again = weight.stop * pol.stop * ends, weight.resample * pol.resample * resample
    alike = np.abs(near_stop) * u + np.abs(near_again) * s < np.abs(far_stop) * u + np.abs(far_again) * s
    of_stop, of_resample = np.where(alike, near_stop, far_stop), np.where(alike, near_again, far_again)
    return CoefficientMass(rho * of_answer, rho * met * of_stop, rho * met * of_resample)


def response_reweighted(
    policy: Policy, under: Solution, reward: RewardTable, nodes: EffectiveCredit, weight: TokenWeight
) -> CoefficientMass:
    r"""Return the mass less one of the policy's own actions at the same states, for weights that know what they come to on it.

    With :math:`v = w p / \pi` and coefficients C as at :func:`response_beside`, the mass less :math:`\pi v(*) C(*)` is
    :math:`\pi [v (C - C(*)) + C(*) (v - v(*))]`. Where w p C itself has the smaller terms, it is taken.

    Args:
        policy: whose gradient is asked for.
        under: the chain under the policy that generates the responses.
        reward, nodes: as in :func:`response_mass`.
        weight: of every action, with ``own``.
    """
    assert weight.own is not None
    ends, resample, found = _compared(under, reward, nodes)
    acts, pol, rho, shared = under.policy, under.unrolled, under.mdp.prompt_weight[:, None], policy.at_likeliest
    (v, v_stop, _), (apart, apart_stop, apart_resample) = weight.own

    # Chances that are no numbers by themselves meet what they are multiplied by first.
    answer = pol.stop * ends + pol.resample * resample
    logs = acts.log_sample, acts.log_sample + acts.log_stop, acts.log_sample + acts.log_resample
    beyond = weight.beyond or (np.zeros(()),) * 3
    drawn, met = np.ones(()), pol.decided
    pairs = zip(logs, beyond, weight.each, (answer, ends, resample), (drawn, met, met), strict=True)
    with np.errstate(over="ignore", invalid="ignore"):  # the other one is then taken
        far = CoefficientMass(*(rho * probability_times(log + b, there * w, of) for log, b, w, of, there in pairs))
        apart = apart - shared(apart)
        own = probability_times(policy.log_sample, v * found.sample)
        moved = probability_times(policy.log_sample, shared(answer - found.sample) * apart)
        most = probability_times(policy.log_sample, shared(np.abs(answer) + np.abs(found.sample)) * np.abs(apart))
        near, size = rho * (own + moved), rho * (np.abs(own) + most)
        # Of the likeliest answer's mass, the gradient takes as much as the others are likely.
        rest = np.where(policy.likeliest, 0.0, policy.sample_prob).sum(axis=-1, keepdims=True)
        counts = np.where(policy.likeliest, rest, 1.0)
        alike = (counts * size).sum(axis=-1, keepdims=True) < (counts * np.abs(far.sample)).sum(axis=-1, keepdims=True)
        each, apart_decided = v_stop * (found.stop - found.resample), (apart_stop - apart_resample) * resample

        def near_of(log: Floats) -> tuple[Floats, Floats]:
            gain, moved = (rho * met * probability_times(acts.log_sample + log, of) for of in (each, apart_decided))
            return gain + moved, np.abs(gain) + np.abs(moved)

        stop, terms = near_of(policy.log_stop)
        u, s = policy.resample_prob, policy.stop_prob
        decided = terms * u < np.abs(far.stop) * u + np.abs(far.resample) * s
        stop, again = np.where(decided, stop, far.stop), np.where(decided, 0.0, far.resample)
        # Where one of the policy's decisions is no number by itself, the row is found whole: it is what the other one's mass is.
        if (np.minimum(u, s) < LEAST_CHANCE).any():
            ended = rho * met * probability_times(logs[1] + beyond[1] + policy.log_resample, weight.stop, ends)
            went_on = rho * met * probability_times(logs[2] + beyond[2] + policy.log_stop, weight.resample, resample)
            row, terms = near_of(policy.log_stop + policy.log_resample)
            row = np.where(terms < np.abs(ended) + np.abs(went_on), row, ended - went_on)
            stop, again = _whole(policy, row, stop, again)
    return CoefficientMass(np.where(alike, near, far.sample), stop, again)


def with_rare_decisions(policy: Policy, mass: CoefficientMass) -> CoefficientMass:
    """Return a mass of the same gradient, which keeps its digits where one of the policy's decisions is no number by itself.

    Args:
        policy: whose gradient is asked for.
        mass: of weights that are no numbers either: so large that they make one of the product.
    """
    if not (np.minimum(policy.resample_prob, policy.stop_prob) < LEAST_CHANCE).any():
        return mass
    row = probability_times(policy.log_resample, mass.stop) - probability_times(policy.log_stop, mass.resample)
    stop, resample = _whole(policy, row, mass.stop, mass.resample)
    return replace(mass, stop=stop, resample=resample)


def _whole(policy: Policy, row: Floats, stop: Floats, resample: Floats) -> tuple[Floats, Floats]:
    """Return the masses of both decisions; where one is no number by itself, the row of the gradient as the other one's mass."""
    s, u = policy.stop_prob, policy.resample_prob
    at_stop, at_resample = (
        np.where(rare < LEAST_CHANCE, whole, np.where(other < LEAST_CHANCE, 0.0, table))
        for rare, other, whole, table in ((s, u, row, stop), (u, s, -row, resample))
    )
    return at_stop, at_resample


def _compared(under: Solution, reward: RewardTable, nodes: EffectiveCredit) -> tuple[Floats, Floats, Contrast]:
    """Return the coefficients of both decisions at every answer, times the weight of the turn, and how actions differ in them."""
    found, ends, resample = None, np.zeros(()), np.zeros(())
    for part in () if not nodes.t.any() and nodes.same else _parts(under, nodes):
        sweep = _sweep(under, reward, part.t)
        each = _coefficients(under, reward, sweep, part)
        at_stop, at_resample = (np.einsum("j...,j...->...", sweep.decay, at) for at in each)
        ends, resample = ends + at_stop, resample + at_resample
        piece = _contrast(under, reward, part, sweep)
        found = piece if found is None else found + piece
    if found is None:  # every response gets the same
        ends = resample = (under.finite_visits * nodes.constant.sum(axis=0)[..., None, :])[..., None]
        found = Contrast(*(np.zeros((1, 1, 1)),) * 4)
    return ends, resample, found


def _few_nodes(solution: Solution, nodes: int) -> list[slice]:
    """Return as many nodes at a time as make tables of moderate size."""
    each = max(1, _AT_ONCE // max(1, solution.unrolled.sample.size))
    return [slice(i, i + each) for i in range(0, nodes, each)]


def _parts(solution: Solution, nodes: EffectiveCredit) -> list[EffectiveCredit]:
    return [nodes.rows(rows) for rows in _few_nodes(solution, len(nodes.t))]


def _contrast(solution: Solution, reward: RewardTable, nodes: EffectiveCredit, s: _Sweep) -> Contrast:
    """Return the differences between the coefficients of a state's actions, times the weight of the turn, summed over nodes."""
    pol, mdp = solution.unrolled, solution.mdp
    a, b = nodes.constant[..., None, :, None], nodes.slope[..., None, :, None]
    gw, gb = reward.gamma_within[..., None, None, None], reward.gamma_between[..., None, None, None]
    tokens = mdp.sample_length[..., None, :, :] + np.where(pol.decided > 0, mdp.decision_length[..., None, :, :], 0.0)
    lost = -np.expm1(-over_runs(nodes.t, max(len(solution.policy.runs), len(mdp.runs)) + 3) * tokens)
    if bool((gw == 1.0).all() and (gb == 1.0).all()) and not reward.resample.any():
        of_last = a + b * reward.stop  # the credit of a response is that of its last answer
        if nodes.otherwise is not None:
            of_last = of_last + nodes.otherwise[..., None, :, None] * (1.0 - reward.stop)
        return contrast(pol, s.decay * of_last, np.zeros(()), lost).summed(s.before[..., None])
    # What is settled by what was paid before, and what is still open.
    settled = contrast(pol, s.decay, np.zeros(()), lost).summed(s.before[..., None] * a + s.before_paid[..., None] * b)
    pays = gw * s.decay * reward.stop, gw * s.decay * reward.resample * s.plain[..., None]
    return settled + contrast(pol, *pays, (1.0 - gw) + gw * ((1.0 - gb) + gb * lost)).summed(s.before_discounted[..., None] * b)


def _compiled(solution: Solution, reward: RewardTable) -> bool:
    """Return whether the compiled loop knows this chain and reward (paid at the end, undiscounted), and is worth loading."""
    undiscounted = bool((reward.gamma_within == 1.0).all() and (reward.gamma_between == 1.0).all())
    if not applies(solution) or not undiscounted or reward.resample.any() or reward.stop.ndim > 3:
        return False
    # The loop sums 1 - P(resample) from differences; where stopping is very rare NumPy's careful form is taken.
    return bool(solution.finite_visits.max() < 1.0 / RARE)  # raises for a chain that never ends: it has no length


def _apart(policy: Policy, other: Policy) -> bool:
    """Return whether two policies differ so much at every prompt, in both stages, that nothing cancels between them."""
    pairs = (policy.sample_prob, other.sample_prob), (policy.stop_prob, other.stop_prob)
    return all(_far(p, q) for p, q in pairs)


def _far(p: Floats, q: Floats) -> bool:
    """Return whether two tables differ at every prompt; a few answers settle most prompts, and save passes over large tables."""
    p, q = np.broadcast_arrays(p, q)
    few = slice(0, 8)
    alike = ~(np.abs(p[..., few] - q[..., few]) > _FAR).any(axis=-1)
    return bool((np.abs(p[alike] - q[alike]) > _FAR).any(axis=-1).all())


def _or_zero(table: Floats | None) -> Floats:
    return np.zeros(()) if table is None else table


def _tables(solution: Solution, reward: RewardTable) -> tuple[Floats, Floats, Floats, Floats]:
    mdp, policy = solution.mdp, solution.policy
    tokens = compact(mdp.sample_length) + compact(mdp.decision_length)
    return policy.sample_prob[0], policy.stop_prob[0], tokens, reward.stop[0]


def _sweep(solution: Solution, reward: RewardTable, t: Floats) -> _Sweep:
    solution.finite_visits  # raises for a chain that never ends: it has no length  # noqa: B018
    mdp, pol = solution.mdp, solution.unrolled
    tt = over_runs(t, max(len(solution.policy.runs), len(mdp.runs)) + 3)
    if t.any():
        tokens = mdp.sample_length[..., None, :, :] + np.where(pol.decided > 0, mdp.decision_length[..., None, :, :], 0.0)
        decay = np.exp(-tt * tokens)
        both = pol.sample * decay
        # 1 - q~ below is a sum of positive terms, so that it keeps its digits when t and P(stop) are small.
        short = (pol.sample * -np.expm1(-tt * tokens)).sum(axis=-1)
    else:  # lengths do not enter: no table of exponentials is made
        decay, both, short = np.ones_like(tt), pol.sample + 0.0 * tt, np.zeros(())
    gw, gb = reward.gamma_within[..., None, None], reward.gamma_between[..., None, None]  # (*runs, T', X) to come
    again, ends = (both * pol.resample).sum(axis=-1), (both * pol.stop).sum(axis=-1)
    paid_stop = (both * pol.stop * reward.stop).sum(axis=-1)
    paid_res = (both * pol.resample * reward.resample).sum(axis=-1)
    missed_stop = (both * pol.stop * (1.0 - reward.stop)).sum(axis=-1)
    if not solution.capped:
        rest = short + ends
        rest_discounted = (1.0 - gw) + gw * ((1.0 - gb) + gb * rest)
        plain = ends / rest
        paid = gw * (paid_stop + paid_res * plain) / rest_discounted
        before, before_discounted = 1.0 / rest, 1.0 / rest_discounted
        before_paid = before_discounted * gw * paid_res / rest
        missed, lost = missed_stop / rest, short / rest
        first = plain[..., 0, :], paid[..., 0, :], missed[..., 0, :], lost[..., 0, :]
        return _Sweep(decay, both, plain, paid, missed, first, before, before_discounted, before_paid)
    shape = np.broadcast_shapes(again.shape, paid_stop.shape, paid_res.shape, (*gw.shape[:-2], 1, 1))
    again, ends, paid_stop, paid_res, missed_stop, short = (
        np.broadcast_to(a, shape) for a in (again, ends, paid_stop, paid_res, missed_stop, short)
    )
    g_w, g_b = gw[..., 0, :], gb[..., 0, :]
    turns = shape[-2]
    plain, paid, missed = (np.zeros(shape) for _ in range(3))
    here_plain, here_paid, here_missed, lost = (np.zeros(shape[:-2] + shape[-1:]) for _ in range(4))
    for k in reversed(range(turns)):
        plain[..., k, :], paid[..., k, :], missed[..., k, :] = here_plain, here_paid, here_missed
        here_missed = missed_stop[..., k, :] + again[..., k, :] * here_missed
        lost = short[..., k, :] + again[..., k, :] * lost
        here_paid = g_w * (paid_stop[..., k, :] + paid_res[..., k, :] * here_plain + g_b * again[..., k, :] * here_paid)
        here_plain = ends[..., k, :] + again[..., k, :] * here_plain
    before, before_discounted, before_paid = np.ones(shape), np.ones(shape), np.zeros(shape)
    for k in range(1, turns):
        q = again[..., k - 1, :]
        before[..., k, :] = before[..., k - 1, :] * q
        before_discounted[..., k, :] = before_discounted[..., k - 1, :] * g_w * g_b * q
        before_paid[..., k, :] = before_paid[..., k - 1, :] * q + before_discounted[..., k - 1, :] * g_w * paid_res[..., k - 1, :]
    first = here_plain, here_paid, here_missed, lost
    return _Sweep(decay, both, plain, paid, missed, first, before, before_discounted, before_paid)


def _mass(
    solution: Solution, reward: RewardTable, s: _Sweep, nodes: EffectiveCredit, weight: TokenWeight | None
) -> CoefficientMass:
    mdp, pol = solution.mdp, solution.unrolled
    at_stop, at_resample = _coefficients(solution, reward, s, nodes)
    rho = mdp.prompt_weight[:, None]
    stop, resample = pol.stop * at_stop, pol.resample * at_resample
    if weight is None:
        each = rho * s.both
        stop, resample = each * stop, each * resample
        return CoefficientMass((stop + resample).sum(axis=0), (stop * pol.decided).sum(axis=0), resample.sum(axis=0))
    # Weights, and probabilities, that are no numbers by themselves meet what they are multiplied by first.
    credits_ = [(s.decay * at).sum(axis=0) for at in (stop + resample, at_stop, at_resample)]
    return CoefficientMass(*(rho * share for share in weight.shares(solution.policy, pol.decided, credits_)))


def _coefficients(solution: Solution, reward: RewardTable, s: _Sweep, nodes: EffectiveCredit) -> tuple[Floats, Floats]:
    """Return the coefficients of both decisions at every answer, times the weight of the turn but not the answer's decay."""
    if nodes.balanced or (nodes.centred and not solution.capped):
        failure, success = (table[..., None, :, None] for table in (_or_zero(nodes.otherwise), nodes.slope))
        alike = solution.policy.shape[0] == 1 and reward.stop.shape[-3] == 1
        to_come = _to_come(solution, reward, s, nodes) if alike else _to_come_of_turns(solution, reward, s, nodes)
        before = s.before[..., None]
        return before * (success * reward.stop + failure * (1.0 - reward.stop)), before * to_come
    gw, gb = reward.gamma_within[..., None, None], reward.gamma_between[..., None, None]
    a, b = nodes.constant[..., None, :], nodes.slope[..., None, :]
    # The coefficient is settled (before), still growing (plain), or about to be paid (paid).
    settled, open_ = (s.before * a + s.before_paid * b)[..., None], (s.before_discounted * b * gw)[..., None]
    after, gain = s.plain[..., None], gb[..., None] * s.paid[..., None]
    at_stop = settled + open_ * reward.stop
    at_resample = settled * after + open_ * (reward.resample * after + gain)
    if nodes.otherwise is not None:  # R is 0 or 1, paid at the end and without discount
        failed = (s.before * nodes.otherwise[..., None, :])[..., None]
        at_stop = at_stop + failed * (1.0 - reward.stop)
        at_resample = at_resample + failed * s.missed[..., None]
    return at_stop, at_resample


def _to_come(solution: Solution, reward: RewardTable, s: _Sweep, nodes: EffectiveCredit) -> Floats:
    r"""Return the mean balanced credit from each next turn on, (J, *runs, T', X, 1), of a policy that is the same at every turn.

    Without a cap a next turn is like the first, and it is 0. With one, turns differ from the last in that their answers may be
    resampled. With :math:`m = \pi e^{-t l_s}` and :math:`v = e^{-t l_d} P(stop)` of an answer, and a the tilted chance of a
    resample, it is, before turn k,

    .. math:: \frac{f_1 - f_0}{U} a^{T - 1 - k} (1 + a + \dots + a^{k - 1})
        \Big[ \sum_{right} m \sum_{wrong} m (v - c) - \sum_{wrong} m \sum_{right} m (v - c) \Big]

    for any c: 0, or v of the likeliest answer. No credit of successes is added to one of failures.

    Where the credit alone averages to 0, one number may be taken from all :math:`e^{-tl}` without a cap: 0 remains of lengths
    that are alike.
    """
    shape = np.broadcast_shapes(s.before.shape, nodes.slope[..., None, :].shape)
    found, turns = np.zeros((*shape, 1)), shape[-2]
    if (not solution.capped and nodes.balanced) or (solution.capped and turns == 1):
        return found
    pol, mdp, likeliest = solution.unrolled, solution.mdp, solution.policy.at_likeliest

    def longer_than_likeliest(length: Floats) -> Floats:
        """Return exp(-t length), less that of the likeliest answer."""
        apart = length - likeliest(length)
        return np.asarray(np.sign(apart) * np.exp(-t * (length - np.maximum(apart, 0.0))) * np.expm1(-t * np.abs(apart)))

    t = over_runs(nodes.t, max(len(solution.policy.runs), len(mdp.runs)) + 3)
    length, stop = mdp.decision_length[..., None, :, :], pol.stop[..., :1, :, :]
    if not solution.capped:
        ends = pol.sample * stop * longer_than_likeliest(mdp.sample_length[..., None, :, :] + length)
        of_right, of_wrong = (ends * reward.stop).sum(axis=-1), (ends * (1.0 - reward.stop)).sum(axis=-1)
        success, failure = (table[..., None, :] for table in (nodes.slope, _or_zero(nodes.otherwise)))
        return np.asarray((s.before * (success * of_right + failure * of_wrong))[..., None])
    decay, longer = np.exp(-t * length), longer_than_likeliest(length)
    beyond = decay * likelier_stop(pol, solution.policy.likeliest)[..., :1, :, :] + likeliest(stop) * longer
    last = s.both[..., -1:, :, :]
    right, wrong = last * reward.stop, last * (1.0 - reward.stop)
    of_right, of_wrong = right.sum(axis=-1), wrong.sum(axis=-1)
    terms = [(of_right * (wrong * v).sum(axis=-1), of_wrong * (right * v).sum(axis=-1)) for v in (decay * stop, beyond)]
    sizes = [np.abs(one) + np.abs(other) for one, other in terms]
    gap = np.where(sizes[1] < sizes[0], terms[1][0] - terms[1][1], terms[0][0] - terms[0][1])[..., 0, :]
    scale = _apart_by_reward(s, nodes) * gap
    again, total = (s.both * pol.resample)[..., 0, :, :].sum(axis=-1), np.zeros(())
    to_come = []
    for k in range(turns - 1):
        total = total + again**k
        to_come.append(scale * total * again ** (turns - 2 - k))
    return np.stack([*to_come, np.zeros_like(to_come[0])], axis=-2)[..., None]


def _to_come_of_turns(solution: Solution, reward: RewardTable, s: _Sweep, nodes: EffectiveCredit) -> Floats:
    r"""Return the same under a cap, of turns that are not alike.

    With the tilted chances of successes P and of failures M, of responses that end with turn k or before, and of those that go on
    after it from there on, it is :math:`(f_1 - f_0) / U` times :math:`M_{\le k} P_{> k} - P_{\le k} M_{> k}`: what is to come
    is compared with what was before, since :math:`f_1 P + f_0 M` is nearly 0 where hardly any response ends before.
    """
    ended = s.before[..., None] * s.both * solution.unrolled.stop
    right, wrong = (np.cumsum((ended * share).sum(axis=-1), axis=-2) for share in (reward.stop, 1.0 - reward.stop))
    return np.asarray((_apart_by_reward(s, nodes)[..., None, :] * (wrong * s.paid - right * s.missed))[..., None])


def _apart_by_reward(s: _Sweep, nodes: EffectiveCredit) -> Floats:
    """Return the credit of a success less that of a failure, over U, (J, *runs, X); 0 where U underflows."""
    apart, plain = np.broadcast_arrays(nodes.slope - _or_zero(nodes.otherwise), s.first[0])
    return np.asarray(np.divide(apart, plain, out=np.zeros(plain.shape), where=plain > 0))
