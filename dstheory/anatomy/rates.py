r"""p, a and b of a log, overall, per task, per round, with intervals that keep their promise.

In a cell, :math:`\hat p = n_C/n`, :math:`\hat a = s_C/m_C`, :math:`\hat b = r_W/m_W` (:mod:`dstheory.anatomy.counts`; censored
decisions count for neither a nor b). Two intervals:

- ``"binomial"``: Wilson. Right if attempts are independent given p, a, b, that is, if all problems of a cell are alike.
- ``"problem"`` (the default): Wilson with an *effective* number of trials. Problems differ, so attempts of one problem are
  correlated; with the linearised variance :math:`V = \frac{G}{G-1}\sum_x (s_x - \hat r n_x)^2/(\sum n)^2` over G problems,

  .. math:: n_{\text{eff}} = \min\{\hat r (1 - \hat r)/V, \textstyle\sum n\},

  and Student's quantile with G - 1 degrees of freedom for the normal one.
  Where :math:`\hat r` is 0 or 1 the correlation cannot be seen, and each problem counts once: :math:`n_{\text{eff}} = G`.

**What p means.** The pooled :math:`\hat p` is an average over *attempts*. Where reflection helps, hard problems get more of them,
and it lies below the average over problems; where it hurts, above. So it differs between models that sample alike, if their
decisions differ (claim G2-pooled). The accuracy of first answers (`first_attempt`) is the average over problems.

Source: linearised variance of a ratio, Cochran (1977), section 6; effective sample size in Wilson's interval, Kott and Carr
(1997), Franco et al. (2019). The rule at 0 and 1 is derived here. Coverage is measured in ``tests/anatomy/test_coverage.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dstheory.anatomy import ledger as ledgers
from dstheory.anatomy.episodes import Episodes
from dstheory.anatomy.estimate import Estimate
from dstheory.anatomy.intervals import check_level, wilson
from dstheory.anatomy.ledger import Ledger
from dstheory.checks import Bools
from dstheory.errors import RecordError

__all__ = ["INTERVALS", "RATES", "Row", "first_attempt", "measure", "rate", "row"]

INTERVALS = ("problem", "binomial")

RATES = {
    "p": ("correct", "attempts"),
    "a": ("stop_correct", "decided_correct"),
    "b": ("resample_wrong", "decided_wrong"),
}
"""What each parameter is counted from: successes and trials, as columns of a ledger."""

_WHY_NOT = {
    "correct": "there is no attempt",
    "stop_correct": "no correct attempt was followed by a decision, so P(stop | correct) cannot be estimated",
    "resample_wrong": "no wrong attempt was followed by a decision, so P(resample | wrong) cannot be estimated",
}


@dataclass(frozen=True)
class Row:
    """p, a and b of one cell.

    Attributes:
        labels: of the cell, one per axis.
        p, a, b: the estimates.
        problems, episodes, attempts: what the cell holds.
    """

    labels: tuple[str, ...]
    p: Estimate
    a: Estimate
    b: Estimate
    problems: int
    episodes: int
    attempts: int


def measure(episodes: Episodes, *axes: str, level: float = 0.95, interval: str = "problem") -> list[Row]:
    """Estimate p, a and b in every cell.

    Args:
        episodes: the log.
        axes: names of fields to cross, such as "task"; "round" alone for rounds (labels "1", "2", ...); nothing for one total.
        level: coverage of each interval.
        interval: "problem" or "binomial", as above.

    Raises:
        RecordError: no such field, a level outside (0, 1), an unknown interval, "round" crossed with something.

    >>> from dstheory.anatomy.simulate import simulate_log
    >>> (total,) = measure(simulate_log(300, p=0.4, a=0.9, b=0.7, cap=8))
    >>> total.p.text(), total.a.text(), total.b.text()
    ('0.366 [0.327, 0.407]', '0.946 [0.905, 0.970]', '0.693 [0.643, 0.739]')
    """
    check_level(level)
    if "round" in axes:
        if len(axes) > 1:
            raise RecordError(f"'round' cannot be crossed with {axes[0]!r}: select the episodes first, then measure per round")
        return [row(table, (str(k + 1),), level=level, interval=interval) for k, table in ledgers.rounds(episodes)]
    return [row(table, labels, level=level, interval=interval) for labels, table in ledgers.cells(episodes, axes)]


def row(table: Ledger, labels: Sequence[str] = (), *, level: float = 0.95, interval: str = "problem") -> Row:
    """Estimate p, a and b of one ledger."""
    p, a, b = (rate(table, *RATES[name], level=level, interval=interval) for name in "pab")
    return Row(tuple(labels), p, a, b, table.problems, table.total("episodes"), table.total("attempts"))


def rate(table: Ledger, successes: str, trials: str, *, level: float = 0.95, interval: str = "problem") -> Estimate:
    """Estimate one rate, given by its columns, with its interval.

    >>> log = Episodes.record([("x", [(False, "resample"), (False, None)])], cap=2)
    >>> rate(Ledger.of(log), *RATES["a"]).reason
    'no correct attempt was followed by a decision, so P(stop | correct) cannot be estimated'
    """
    if interval not in INTERVALS:
        raise RecordError(f"interval is {interval!r}: must be 'problem' or 'binomial'")
    s, n = table.total(successes), table.total(trials)
    if n == 0:
        return Estimate.missing(_WHY_NOT.get(successes, "there are no episodes"), level=level)
    effective, quantile, method = float(n), None, "Wilson"
    if interval == "problem":
        informative: Bools = table.column(trials) > 0
        units = int(table.times[informative].sum())
        effective, quantile = effective_trials(table, successes, trials, units), _student(level, units)
        method = f"Wilson, {effective:.4g} effective trials in {units} problems"
    low, high = wilson(s / n * effective, effective, level=level, quantile=quantile)
    return Estimate(s / n, float(low), float(high), level, method, s, n)


def effective_trials(table: Ledger, successes: str, trials: str, units: int) -> float:
    """Return how many independent trials would be as informative; `units` problems have trials."""
    s, n = table.total(successes), table.total(trials)
    variance = table.covariance((successes, trials), (successes, trials))
    if s in (0, n) or variance <= 0 or units < 2:
        return float(units)
    return min(s / n * (1 - s / n) / variance, float(n))


def _student(level: float, units: int) -> float | None:
    """Return Student's quantile with units - 1 degrees of freedom; None (normal) where it makes no difference."""
    if units < 2 or units > 5000:
        return None
    from scipy.special import stdtrit

    return float(stdtrit(units - 1, 0.5 + level / 2))


def first_attempt(episodes: Episodes, *, level: float = 0.95, interval: str = "problem") -> Estimate:
    """Estimate the accuracy of first answers: the mean of p over problems (or episodes), which the pooled p is not.

    >>> from dstheory.anatomy.simulate import simulate_log
    >>> log = simulate_log(2000, p=0.4, a=0.9, b=0.9, cap=10, concentration=1.0)
    >>> first_attempt(log).text(2), measure(log)[0].p.text(2)
    ('0.41 [0.39, 0.43]', '0.21 [0.20, 0.22]')
    """
    return rate(Ledger.of(episodes), "first_correct", "episodes", level=level, interval=interval)
