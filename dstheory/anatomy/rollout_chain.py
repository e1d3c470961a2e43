r"""A chain fitted to a log: p, a, b, each one number for all problems or Beta-distributed over problems.

The *pooled* chain has one p, a, b. The *heterogeneous* chain has a problem-specific p, and the third kind problem-specific a and
b as well (independent of p and of each other: a log with one episode per problem holds little about more). Since a sequence of
attempts and decisions is a sequence of independent trials given the problem, the likelihood is a product of three factors of
:mod:`dstheory.anatomy.beta`, one per rate, and each is maximised alone.

Predictions are means over problems of the formulas of :mod:`dstheory.anatomy.chain_formulas`,

.. math:: E_x[Acc_T(p_x, a_x, b_x)], \qquad E_x[q_x^k], \qquad \ldots

and differ from the formulas at the means: q^k is convex for k > 1, so more episodes go on than q(mean)^k where q differs between
problems (claim G4).

Without a cap, a few problems may hardly ever stop, and no Gauss rule of moderate size sees them. With
c = 1 - b and the transforms :math:`M_a(x) = E\,e^{-x a}`, :math:`M_c(x) = E\,e^{-x c}` of independent rates,

.. math:: E\Big[\frac{1}{1 - q}\Big] = \int_0^\infty E_p[M_a(t p)\, M_c(t (1 - p))]\, dt, \qquad
    E\Big[\frac{p a}{1 - q}\Big] = -\int_0^\infty E_p[p\, M_a'(t p)\, M_c(t (1 - p))]\, dt,

by the trapezoidal rule in the logarithms of tp and of t(1 - p). The first is infinite unless more than 1 is what the powers of
e add up to with which P(p < e) and P(c < e) vanish, and P(1 - p < e) and P(a < e), and P(a < e) and P(c < e).

**How many attempts to allow.** An attempt costs as much as ``cost`` of accuracy is worth (0.01: one percentage point). The
recommended cap is the smallest T at which

.. math:: Acc_T - cost \cdot E[K_T],

with the last answer submitted at the cap, is within ``tolerance`` of its largest value (0.001: a tenth of a percentage point; 0:
the largest itself). Of a log only caps up to its longest episode are looked at: beyond, the chain would be trusted where nothing
can contradict it. Attempt T + 1 takes place in a share :math:`E[q^T]` of episodes and raises accuracy by
:math:`E[q^{T-1} p (1-p)(a + b - 1)]`. If all problems are alike the ratio of the two is the same for every T: either one attempt
is right or no cap is needed, whatever the cost. If problems differ, those that are left change with T, and so does the ratio,
down or up (claim G1-cap-loose): a cap in between can be best. A recommendation from the pooled chain is therefore one of the two
extremes, or, with a tolerance, where later attempts add too little; the heterogeneous chain is the one to use.

Source: derived here from arXiv 2601.01580, section 3 (the chain), and claims A3-cap, G1-cap.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, lgamma, sqrt

import numpy as np

from dstheory.anatomy import chain_formulas
from dstheory.anatomy.beta import NODES, BetaFit, BetaRate, Tails, fit_beta_rate
from dstheory.anatomy.chain_formulas import Unstopped
from dstheory.anatomy.episodes import Episodes, HoldsEpisodes, episodes_of
from dstheory.anatomy.rates import RATES, ProblemCounts
from dstheory.checks import Floats, whole_number
from dstheory.errors import RecordError

KINDS = {"pooled": "", "heterogeneous": "p", "heterogeneous decisions": "pab"}
"""Kinds of chains, and which of their rates differ between problems."""

MOST_CAPS = 50
"""Largest cap to look at."""

_DECISION_NODES = 16  # of a and b, where they differ between problems: exact for caps up to 31
_NODES_PER_ROOT = 2.75  # of a larger cap T: q^T is seen by so many times the root of T; NODES are, up to caps of 1,200
_MOST_NODES = 1000  # of a rate that alone differs: up to caps of 130,000
_SMOOTH, _FEW_NODES = 12.0, 24  # parameters of a Beta distribution from which on a Gauss rule, of so few nodes, serves: to 2e-9
_STEP = 0.25  # in logarithms: errors of the trapezoidal rule are below 1e-10
_LEAST = 21.0  # minus the logarithm of what is left out
_LEAST_LOG = 740.0  # minus the logarithm of the smallest rate that is told from 0
_FARTHEST = 700.0  # logarithm of the longest time, where numbers end: a mean of longer episodes counts as infinite


@dataclass(frozen=True)
class RolloutChain:
    """A chain whose rates may differ between problems.

    >>> hard_and_easy = RolloutChain(BetaRate(0.4, 0.5), BetaRate(0.9), BetaRate(0.9))
    >>> alike = RolloutChain(BetaRate(0.4), BetaRate(0.9), BetaRate(0.9))
    >>> [round(chain.stopped(10), 3) for chain in (alike, hard_and_easy)]
    [0.993, 0.888]
    """

    p: BetaRate
    a: BetaRate
    b: BetaRate

    @classmethod
    def of(cls, p: float, a: float, b: float) -> RolloutChain:
        """Return the pooled chain with these rates."""
        return cls(BetaRate(float(p)), BetaRate(float(a)), BetaRate(float(b)))

    @property
    def homogeneous(self) -> bool:
        """Whether all problems are alike."""
        return self.p.homogeneous and self.a.homogeneous and self.b.homogeneous

    def expect(self, function: Callable[[Floats, Floats, Floats], Floats], degree: int = 0) -> Floats:
        """Return the mean over problems of a function of p, a, b, which the last axis of its result runs over.

        Args:
            function: of arrays of one shape.
            degree: in each of p, a, b, of a function that is a polynomial; 0 of one that is none.
        """
        exact = max(2, degree // 2 + 1) if degree else NODES  # n nodes are exact up to degree 2n - 1
        seen = ceil(_NODES_PER_ROOT * sqrt(degree))
        few, most = min(exact, NODES, max(_DECISION_NODES, seen)), min(exact, NODES)
        if [self.p.homogeneous, self.a.homogeneous, self.b.homogeneous].count(False) == 1:
            few = most = min(exact, max(NODES, min(seen, _MOST_NODES)))
        (p, w), (a, v), (b, u) = self.p.nodes(most), self.a.nodes(few), self.b.nodes(few)
        grid = np.meshgrid(p, a, b, indexing="ij")
        weights = w[:, None, None] * v[:, None] * u
        return np.asarray(np.asarray(function(*(x.ravel() for x in grid))) @ weights.ravel())

    def accuracy(self, cap: int = 0, *, unstopped: Unstopped = "submit") -> float:
        """Return the expected accuracy with at most ``cap`` attempts (0: no cap)."""
        if not cap and not self.homogeneous:
            return _without_cap(self)[0]
        return float(self.expect(lambda p, a, b: chain_formulas.accuracy(p, a, b, cap, unstopped=unstopped), cap))

    def stopped(self, cap: int = 0, *, unstopped: Unstopped = "submit") -> float:
        """Return the expected share of episodes that end by a stop of the model's own."""
        return float(self.expect(lambda p, a, b: chain_formulas.stopping(p, a, b, cap, unstopped=unstopped), cap))

    def attempts(self, cap: int = 0) -> float:
        """Return the expected number of attempts; infinite without a cap if some problems never stop, or too many hardly ever."""
        if not cap and not self.homogeneous:
            return _without_cap(self)[1]
        return float(self.expect(lambda p, a, b: chain_formulas.attempts(p, a, b, cap), cap))

    def log_likelihood(self, table: ProblemCounts) -> Floats:
        """Return (G,) the log-probability of the attempts and decisions of the problems of each row of a table."""
        total: Floats = np.zeros(len(table.times))
        for name, (successes, trials) in RATES.items():
            which: BetaRate = getattr(self, name)
            total = total + which.sequences(table.column(successes), table.column(trials))
        return total


@lru_cache(maxsize=8)  # whoever asks for the accuracy asks for the attempts, too
def _without_cap(chain: RolloutChain) -> tuple[float, float]:
    """Return the expected accuracy and number of attempts without a cap."""
    p, a, c = chain.p, chain.a, BetaRate(1 - chain.b.mean, chain.b.rho)
    at_0, at_1 = _vanishing(p), _vanishing(BetaRate(1 - p.mean, p.rho))
    stop_right, stop_wrong = _vanishing(a), _vanishing(c)
    ways = [at_0 + stop_wrong, at_1 + stop_right]  # wrong answers nearly always that are hardly ever accepted; so of right ones
    ways += [stop_right + stop_wrong] if p.rho < 1 and 0 < p.mean < 1 else []
    excess = min(*ways, 2.0) - 1
    ends = excess * _FARTHEST > _LEAST / 2
    slowest = min([1.0, *(x for x in (*ways, excess) if x > 0)])
    rare = max((-np.log(rate.mean) for rate in (a, c) if rate.homogeneous and rate.mean > 0), default=0.0)
    latest = min(_LEAST / slowest + rare + 10.0, _FARTHEST)
    log_x = np.arange(-40.0, latest + _STEP, _STEP)
    if 0 < p.rho < 1 and 0 < p.mean < 1 and min(p.shape) < _SMOOTH:
        accuracy, attempts = _over_both(p, a, c, log_x)
    else:
        x, accuracy, attempts = np.exp(log_x), 0.0, 0.0
        for chance, weight in zip(*p.nodes(_FEW_NODES), strict=True):
            (right, paid), (wrong, _) = _transform(a, x * chance), _transform(c, x * (1 - chance))
            accuracy += _STEP * float(weight * (x * chance * paid) @ wrong)
            attempts += _STEP * float(weight * (x * right) @ wrong)
    return accuracy, attempts if ends else np.inf


def _vanishing(rate: BetaRate) -> float:
    """Return the power of e with which P(rate < e) vanishes: 0 where the rate may be 0, infinite where it is never near."""
    if rate.mean == 0 or (rate.rho == 1 and rate.mean < 1):
        return 0.0
    return np.inf if rate.homogeneous or rate.rho == 1 else rate.shape[0]


def _log_density(rate: BetaRate, log: Floats, rest: Floats) -> Floats:
    """Return the logarithm of the density of log(r/(1 - r)), given log r and log(1 - r)."""
    first, second = rate.shape
    return first * log + second * rest + (lgamma(first + second) - lgamma(first) - lgamma(second))


def _transform(rate: BetaRate, x: Floats) -> tuple[Floats, Floats]:
    """Return E[exp(-x r)] and E[r exp(-x r)] of a rate, at ascending x."""
    if rate.homogeneous or rate.rho == 1 or min(rate.shape) >= _SMOOTH:
        nodes, weights = rate.nodes()
    else:
        first, second = rate.shape
        low, high = np.log(max(x[-1], 1.0)) + _LEAST / first + 5.0, _LEAST / second + 5.0
        z = np.arange(-min(low, _LEAST_LOG), min(high, _LEAST_LOG), _STEP)
        log, rest = -np.logaddexp(0.0, -z), -np.logaddexp(0.0, z)
        nodes, weights = np.exp(log), np.exp(_log_density(rate, log, rest)) * _STEP
        weights[[0, -1]] /= -np.expm1(np.array([first, second]) * -_STEP)  # with all beyond
    decay = np.exp(-np.multiply.outer(x, nodes))
    return decay @ weights, decay @ (weights * nodes)


def _over_both(p: BetaRate, a: BetaRate, c: BetaRate, log_x: Floats) -> tuple[float, float]:
    """Return both means for a p that may be near 0 or 1: sums over the logarithms of tp and of t(1 - p), by their difference.

    The larger of the two takes the values x; of the other, below them, a transform is what it is at 0.
    """
    x, n, (first, second) = np.exp(log_x), len(log_x), p.shape
    (right, paid), (wrong, _) = _transform(a, x), _transform(c, x)
    large, large_paid, large_wrong = x * right, x * paid, x * wrong
    pairs = (1.0, right), (a.mean, paid), (1.0, wrong)
    small, small_paid, small_wrong = (np.append(np.full(n, at_0), table) for at_0, table in pairs)
    gap = np.arange(n + 1) * _STEP
    near, far = -np.logaddexp(0.0, -gap), -np.logaddexp(0.0, gap)  # logarithms of the larger share of t and of the smaller one
    easy, hard = (np.exp(_log_density(p, *logs)) * _STEP for logs in ((near, far), (far, near)))
    hard[0] = 0.0  # the same p as of easy
    accuracy = attempts = 0.0
    for i, (of_easy, of_hard, apart, share) in enumerate(zip(easy[:n], hard[:n], np.exp(-gap), np.exp(near), strict=False)):
        below = slice(n - i, 2 * n - i)
        accuracy += of_easy * (large_paid @ small_wrong[below]) + of_hard * apart * (large_wrong @ small_paid[below])
        attempts += (of_easy * (large @ small_wrong[below]) + of_hard * (large_wrong @ small[below])) / share
    always, never = (chance[n] / -np.expm1(-power * _STEP) for chance, power in ((easy, second), (hard, first)))  # all beyond
    accuracy += always * large_paid.sum()
    attempts += always * large.sum() + never * large_wrong.sum()
    return float(accuracy) * _STEP, float(attempts) * _STEP


def fit_chain(log: Episodes | HoldsEpisodes | ProblemCounts, kind: str = "pooled", *, pseudo: float = 0.5) -> RolloutChain:
    """Fit a chain by maximum likelihood.

    Args:
        log: episodes, or their counts.
        kind: one of `KINDS`.
        pseudo: weight of the pseudo-observation (:meth:`~dstheory.anatomy.beta.Tails.with_pseudo`) of each rate; with 0 the
            pooled chain is exactly the one of :func:`~dstheory.anatomy.rates.measure`.

    Raises:
        RecordError: an unknown kind; or, with ``pseudo=0``, a rate that cannot be estimated.

    >>> from dstheory.anatomy import simulate_log
    >>> chain = fit_chain(simulate_log(4000, p=0.4, a=0.9, b=0.8, cap=8, concentration=2.0), "heterogeneous")
    >>> [round(x, 2) for x in (chain.p.mean, chain.p.rho, chain.a.mean, chain.b.mean)]
    [0.39, 0.32, 0.91, 0.79]
    """
    return fit_chains(log, [kind], pseudo=pseudo)[kind]


def fit_chains(
    log: Episodes | HoldsEpisodes | ProblemCounts, kinds: Sequence[str], *, pseudo: float = 0.5
) -> dict[str, RolloutChain]:
    """Fit chains of several kinds, each of their rates once; see :func:`fit_chain`."""
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise RecordError(f"there is no kind of chain {unknown[0]!r}: there are {', '.join(KINDS)}")
    table = log if isinstance(log, ProblemCounts) else ProblemCounts.of(episodes_of(log))
    alike: dict[str, BetaRate] = {}
    unlike: dict[str, BetaRate] = {}
    for name in "pab":
        tails = _tails(table, name)
        if pseudo:
            tails = tails.with_pseudo(pseudo)
        if not tails.counts.any():
            raise RecordError(f"{name} cannot be estimated: the log holds no trial of it; use pseudo > 0 or more episodes")
        alike[name] = BetaRate(tails.mean)
        if any(name in KINDS[kind] for kind in kinds):
            fitted = fit_beta_rate(tails).rate
            assert fitted is not None  # there are trials
            unlike[name] = fitted
    return {kind: RolloutChain(**{name: (unlike if name in KINDS[kind] else alike)[name] for name in "pab"}) for kind in kinds}


def fit_rate(table: ProblemCounts, name: str) -> BetaFit:
    """Fit one rate, "p", "a" or "b", as differing between problems, for its test of homogeneity."""
    return fit_beta_rate(_tails(table, name))


def _tails(table: ProblemCounts, name: str) -> Tails:
    successes, trials = RATES[name]
    return Tails.of(table.column(successes), table.column(trials), table.times)


# ---------------------------------------------------------------------- the recommended cap


@dataclass(frozen=True)
class CapRow:
    """One cap.

    Attributes:
        cap: T.
        accuracy, attempts: expected, with the last answer submitted at the cap.
        net: accuracy less the cost of the attempts.
        marginal: accuracy gained per attempt added by allowing one more; None where no episode would use it.
    """

    cap: int
    accuracy: float
    attempts: float
    net: float
    marginal: float | None


@dataclass(frozen=True)
class CapAdvice:
    """The recommended cap and what it was chosen from.

    Attributes:
        cap: smallest T within the tolerance of the best; None if that is the largest one looked at, so that more may be better.
        cost: the price of an attempt, in units of accuracy.
        rule: how it was chosen, in words.
        table: caps 1, 2, ...
    """

    cap: int | None
    cost: float
    rule: str
    table: tuple[CapRow, ...]


def advise_cap(chain: RolloutChain, *, cost: float = 0.01, largest: int = MOST_CAPS, tolerance: float = 0.001) -> CapAdvice:
    """Recommend a cap.

    Args:
        chain: fitted to a log; heterogeneous, unless problems are known to be alike.
        cost: accuracy that one attempt is worth, >= 0.
        largest: largest cap to look at; of a log, the number of attempts of its longest episode.
        tolerance: how far below the best a smaller cap may be, >= 0, in units of accuracy.

    Raises:
        RecordError: cost or tolerance is negative or not finite.

    >>> alike = RolloutChain.of(0.4, 0.9, 0.9)  # the tenth attempt is worth as much as the second, but few get there
    >>> advise_cap(alike, tolerance=0).cap is None, advise_cap(alike).cap
    (True, 13)
    >>> advise_cap(RolloutChain(BetaRate(0.4, 0.5), BetaRate(0.9), BetaRate(0.9)), cost=0.05).cap
    7
    """
    if not 0 <= cost < np.inf:
        raise RecordError(f"cost is {cost!r}: must be finite and >= 0, in units of accuracy per attempt")
    if not 0 <= tolerance < np.inf:
        raise RecordError(f"tolerance is {tolerance!r}: must be finite and >= 0, in units of accuracy")
    longest = whole_number(largest, "largest", low=1)
    caps = np.arange(1, longest + 1)

    def steps(p: Floats, a: Floats, b: Floats) -> Floats:
        q, k = chain_formulas.resampling(p, a, b), caps[:, None]
        return np.stack([q**k, q ** (k - 1) * p * (1 - p) * (a + b - 1)])

    accuracies, attempts = (np.array([what(cap) for cap in caps.tolist()]) for what in (chain.accuracy, chain.attempts))
    reached, gained = chain.expect(steps, longest + 1)
    net = accuracies - cost * attempts
    # Ties within rounding go to the smaller cap; for problems that are alike the sign of one number says it all.
    best = int(np.argmax(net >= net.max() - 1e-12))
    if chain.homogeneous and longest > 1:
        best = longest - 1 if gained[0] > cost * reached[0] else 0
    if tolerance:
        best = int(np.argmax(net >= net[best] - tolerance))
    near = f"within {tolerance:g} of the largest" if tolerance else "largest"
    rule = f"smallest cap at which accuracy - {cost:g} x attempts is {near}, caps 1 to {longest}, last answer submitted"
    columns = (column.tolist() for column in (caps, accuracies, attempts, net, gained, reached))
    rows = tuple(CapRow(t, acc, n, v, g / s if s > 0 else None) for t, acc, n, v, g, s in zip(*columns, strict=True))
    return CapAdvice(None if best == longest - 1 and longest > 1 else best + 1, cost, rule, rows)
