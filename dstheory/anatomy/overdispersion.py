r"""Do problems differ? A test of one rate for all problems that is valid when stopping depends on the data.

Trials :math:`y_1, y_2, \ldots` of a problem in order (its attempts, or its decisions of one kind), residuals
:math:`e_j = y_j - r` and what has been gathered before, :math:`Z_{j} = \sum_{i<j} e_i`. The statistic

.. math:: U = \sum_x \sum_j e_j Z_j = \sum_x \sum_{i<j} e_i e_j

is half of :math:`\sum_x (c_x - n_x r)^2 - c_x (1-r)^2 - (n_x - c_x) r^2`, the score of overdispersion in Tarone's test. Books
give it a variance for fixed numbers of trials. Here an episode ends *because of* its trials; but :math:`Z_j` is known before
trial j, so U is a martingale, with variance :math:`r(1-r) \sum Z_j^2` whatever the stopping rule; estimating r takes
:math:`[\sum Z_j]^2 r(1-r) / M` off it, with M trials. With fixed numbers of trials the mean of this variance is Tarone's.

:math:`U / (r(1-r) \cdot \text{pairs})` estimates the correlation between two trials of one problem. Pearson's statistic
:math:`\sum_x (c_x - n_x r)^2/(n_x r (1-r))`, with degrees of freedom G - 1, is reported beside it as an effect; its chi-square
distribution does not hold under stopping, so no p-value is taken from it.

For few problems the p-value comes from a parametric bootstrap: the same problems, trials per problem and caps, simulated from the
homogeneous chain.

Source: Tarone (1979) for fixed numbers of trials; the martingale variance is derived here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dstheory.anatomy.episodes import Episodes
from dstheory.anatomy.estimate import Test
from dstheory.anatomy.rates import measure
from dstheory.anatomy.simulate import resimulate
from dstheory.checks import Bools, Floats, Ints
from dstheory.errors import RecordError

__all__ = ["Dispersion", "check_problems", "dispersion", "trials_of"]

_NULL = {
    "p": "every problem has the same chance of a correct answer",
    "a": "every problem has the same chance that a correct answer is accepted",
    "b": "every problem has the same chance that a wrong answer is rejected",
}
_MOST_SIMULATED = 5000  # episodes up to which the p-value is simulated
_AT_ONCE = 400_000  # episodes simulated at once
_PIECE = 1 << 20  # trials looked at at once


@dataclass(frozen=True, eq=False)
class Dispersion:
    """The statistic, for one log or for several at once (arrays).

    Attributes:
        z: U over its standard deviation; NaN where no problem has two trials or all trials have one outcome.
        correlation: of two trials of one problem.
        pearson, df: Pearson's statistic, and the number of problems with trials less 1.
        pairs: pairs of trials of one problem.
    """

    z: Floats
    correlation: Floats
    pearson: Floats
    df: Ints
    pairs: Floats


def trials_of(episodes: Episodes, name: str) -> tuple[Bools, Ints]:
    """Return (outcomes, problem of each) of the trials of "p", "a" or "b", problem by problem, in the order they took place."""
    problem = np.repeat(episodes.problem, episodes.attempts)
    if name == "p":
        outcome, here = episodes.correct, None
    elif name == "a":
        outcome, here = episodes.stopped, episodes.correct & episodes.decided
    elif name == "b":
        outcome, here = ~episodes.stopped, ~episodes.correct & episodes.decided
    else:
        raise RecordError(f"there is no rate {name!r}: there are p, a and b")
    if here is not None:
        outcome, problem = outcome[here], problem[here]
    if (np.diff(episodes.problem) < 0).any():
        order = np.argsort(problem, kind="stable")
        outcome, problem = outcome[order], problem[order]
    return outcome, problem


def dispersion(outcome: Bools, unit: Ints, log: Ints | None = None, logs: int = 1) -> Dispersion:
    """Return the statistic of trials in order.

    Args:
        outcome: (M,) 0 or 1.
        unit: (M,) problem of each trial, problems one after the other.
        log: (M,) which of ``logs`` logs a trial belongs to, logs one after the other; None for one log.

    >>> found = dispersion(np.array([1, 1, 0, 0, 1, 0]), np.array([0, 0, 1, 1, 2, 2]))
    >>> round(found.z.item(), 3), round(found.correlation.item(), 3), found.df.item(), found.pairs.item()
    (0.594, 0.333, 2, 3.0)
    """
    which = np.zeros(len(outcome), dtype=np.int8) if log is None else log
    n, successes = _total(which, None, logs), _total(which, outcome, logs)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = successes / n
        spread = rate * (1 - rate)
        sums = np.zeros((6, logs))
        for begin, end in _pieces(unit, log is None):
            sums += _sums(outcome[begin:end], unit[begin:end], which[begin:end], rate, logs)
        u, squares, gathered, pairs, pearson, units = sums
        variance = spread * (squares - gathered**2 / n)
        # Variances of rounding size, as where each problem has one trial, are none.
        z = np.where(variance > 1e-9 * n * spread, u / np.sqrt(np.maximum(variance, 1e-300)), np.nan)
        return Dispersion(z, u / (spread * pairs), pearson / spread, units.astype(np.int64) - 1, pairs)


def _total(which: Ints, values: Floats | Bools | Ints | None, logs: int) -> Floats:
    return np.bincount(which, weights=values, minlength=logs).astype(float)


def _pieces(unit: Ints, one_log: bool) -> list[tuple[int, int]]:
    """Cut the trials of one log into pieces of whole problems, so that ten million of them need little memory."""
    if not one_log or len(unit) <= _PIECE:
        return [(0, len(unit))]
    cuts = np.unique(np.searchsorted(unit, unit[_PIECE::_PIECE]))
    ends = [*(int(cut) for cut in cuts if cut), len(unit)]
    return list(zip([0, *ends[:-1]], ends, strict=True))


def _sums(outcome: Bools, unit: Ints, which: Ints, rate: Floats, logs: int) -> Floats:
    """(6, logs) sums of e Z, Z^2, Z, pairs, (sum of e of a problem)^2 / trials, and problems."""
    e = outcome - rate[which]
    first = np.flatnonzero(np.diff(unit, prepend=-1) | np.diff(which, prepend=-1))
    sizes = np.diff(first, append=len(e))
    running = np.cumsum(e) - e
    before = running - np.repeat(running[first], sizes)
    position = np.arange(len(e)) - np.repeat(first, sizes)
    sums = np.add.reduceat(e, first) if len(first) else np.zeros(0)
    rows = [_total(which, values, logs) for values in (e * before, before * before, before, position)]
    return np.array([*rows, _total(which[first], sums**2 / sizes, logs), _total(which[first], None, logs)])


def check_problems(episodes: Episodes, name: str, *, resamples: int = 499, rng: np.random.Generator | int = 0) -> Test:
    """Test whether p, a or b is the same for all problems, against the alternative that it varies.

    >>> from dstheory.anatomy.simulate import simulate_log
    >>> unlike = simulate_log(300, p=0.4, a=0.9, b=0.8, cap=8, concentration=1.0)
    >>> check_problems(unlike, "p").rejected(), check_problems(unlike, "b").rejected()
    (True, False)
    """
    outcome, unit = trials_of(episodes, name)
    title = f"{name} over problems"
    found = dispersion(outcome, unit)
    z, df = found.z.item(), int(found.df.item())
    if np.isnan(z) or df < 1:
        varied = bool(outcome.any() and not outcome.all())
        why = "all trials had one outcome" if not varied else "no problem has two trials" if df else "there is one problem"
        return Test.missing(title, _NULL[name], f"{why}: differences between problems cannot be seen", n=len(outcome))
    effect = (
        f"correlation within a problem {found.correlation.item():.3f}; "
        f"Pearson {found.pearson.item():.4g} on {df} df, ratio {found.pearson.item() / df:.2f}"
    )
    if resamples and len(episodes) <= _MOST_SIMULATED and (null := _simulated(episodes, name, resamples, rng)) is not None:
        p_value = np.float64((1 + np.count_nonzero(null >= z)) / (1 + len(null)))
        method = f"score of overdispersion (Tarone), p-value from {len(null)} logs simulated from the homogeneous chain"
    else:
        from math import erfc, sqrt

        p_value = np.float64(0.5 * erfc(z / sqrt(2)))
        method = "score of overdispersion (Tarone), martingale variance, normal"
    return Test(title, _NULL[name], z, None, float(p_value), effect, df + 1, method)


def _simulated(episodes: Episodes, name: str, resamples: int, rng: np.random.Generator | int) -> Floats | None:
    """Return the statistic of logs from the fitted homogeneous chain; None if it practically never stops."""
    (row,) = measure(episodes, interval="binomial")
    p, a, b = (0.5 if e.value is None else e.value for e in (row.p, row.a, row.b))
    unlimited = (episodes.cap == 0).any()
    if unlimited and p * (1 - a) + (1 - p) * b > 0.99:
        return None
    generator = np.random.default_rng(rng)
    values = []
    for start in range(0, resamples, max(1, _AT_ONCE // len(episodes))):
        size = min(resamples - start, max(1, _AT_ONCE // len(episodes)))
        again = resimulate(episodes, size, p=p, a=a, b=b, rng=generator)
        outcome, unit = trials_of(again, name)
        values.append(dispersion(outcome, unit, unit // len(episodes.problem_ids), size).z)
    z = np.concatenate(values)
    return np.asarray(z[~np.isnan(z)])
