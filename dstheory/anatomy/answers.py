r"""What a log says: does reflection help, how accurate are the answers, what would better or no decisions give.

- **Youden index** a + b - 1 and **odds multiplier** a/(1-b): reflection helps exactly where the first exceeds 0 and the second 1
  (A3, A5). Their intervals are recovered from those of a and b (MOVER), which also works where a or b is 0 or 1.
- **Realised**: accuracy of the answer submitted last; the same counting episodes that did not stop as wrong; attempts per
  episode; share of episodes that stopped before their cap; what was gained over submitting the first answer.
- **Predicted** by the pooled chain at the log's own caps, and without a cap. This is *accounting*, on the episodes it was fitted
  to: if every episode stops, its accuracy is the realised one identically (claim G4). Predictions that can fail are those of
  :mod:`dstheory.anatomy.holdout`.
- **Counterfactual**: a perfect decision (:mod:`dstheory.anatomy.perfect`), and none, that is, the first answer submitted.

Intervals of predicted numbers are percentiles of a bootstrap over problems; caps are taken as they are.

Source: derived here from claims A3, A5, G1; Efron and Tibshirani (1993) for the bootstrap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dstheory.anatomy import chain_formulas
from dstheory.anatomy.chain_formulas import Unstopped
from dstheory.anatomy.episodes import Episodes
from dstheory.anatomy.estimate import Estimate
from dstheory.anatomy.intervals import check_level, normal_quantile, ratio_interval, sum_interval
from dstheory.anatomy.ledger import COLUMNS, Ledger
from dstheory.anatomy.perfect import any_correct
from dstheory.anatomy.rates import RATES, Row, rate, row
from dstheory.checks import Floats, whole_number

__all__ = ["Answers", "Rates3", "answer", "cap_shares", "draw_rates", "multiplier", "percentiles", "youden"]

Rates3 = tuple[ArrayLike, ArrayLike, ArrayLike]
"""p, a and b: numbers or arrays that broadcast."""


@dataclass(frozen=True)
class Answers:
    """What a log says.

    Attributes:
        rates: p, a, b.
        youden, multiplier: a + b - 1 and a/(1-b).
        helps: "yes", "no", "undecided" (the interval of the Youden index contains 0), or "cannot be estimated".
        realised: "accuracy", "accuracy, unstopped wrong", "attempts", "stopped", "gain over the first answer".
        predicted: by the pooled chain: the same without the last, and "accuracy, no cap", "attempts, no cap".
        perfect, none: accuracy under a perfect decision at the log's largest cap, and under none.
        notes: what a reader must know about these numbers.
    """

    rates: Row
    youden: Estimate
    multiplier: Estimate
    helps: str
    realised: Mapping[str, Estimate]
    predicted: Mapping[str, Estimate]
    perfect: Estimate
    none: Estimate
    notes: tuple[str, ...]


def answer(episodes: Episodes, *, level: float = 0.95, resamples: int = 999, rng: np.random.Generator | int = 0) -> Answers:
    """Say what a log says.

    Args:
        episodes: the log, or the part of it that one model did on one task.
        level: coverage of each interval.
        resamples: of the bootstrap over problems.
        rng: generator or seed.

    >>> from dstheory.anatomy.simulate import simulate_log
    >>> found = answer(simulate_log(500, p=0.4, a=0.9, b=0.7, cap=8))
    >>> found.helps, found.multiplier.text(1), found.realised["accuracy"].text(2), found.predicted["accuracy"].text(2)
    ('yes', '2.8 [2.5, 3.2]', '0.65 [0.60, 0.69]', '0.64 [0.60, 0.69]')
    """
    check_level(level)
    n = whole_number(resamples, "resamples", low=2)
    table = Ledger.of(episodes)
    rates = row(table, level=level)
    index = youden(table, rates)
    draws = draw_rates(table, np.concatenate(list(table.resample(n, np.random.default_rng(rng)))))
    caps, at_cap = cap_shares(episodes), _decides_at_cap(episodes)
    notes = _notes(episodes, rates, at_cap)
    point = _point(rates)

    def predict(what: str, cap: bool) -> Estimate:
        if rates.p.value is None or (rates.a.value is None and rates.p.value > 0):
            return Estimate.missing(rates.p.reason or rates.a.reason, level=level, high=np.inf if what == "attempts" else 1.0)
        where = caps if cap else {0: 1.0}
        return percentiles(_predicted(what, point, where, at_cap), _predicted(what, draws, where, at_cap), level)

    predicted = {what: predict(what, True) for what in ("accuracy", "accuracy, unstopped wrong", "attempts", "stopped")}
    predicted |= {f"{what}, no cap": predict(what, False) for what in ("accuracy", "attempts")}
    limit = max(max(caps), int(episodes.attempts.max())) if 0 not in caps else int(episodes.attempts.max())
    return Answers(
        rates=rates,
        youden=index,
        multiplier=multiplier(table, rates),
        helps=_helps(index),
        realised=_realised(table, level, at_cap),
        predicted=predicted,
        perfect=any_correct(episodes, limit, level=level),
        none=rate(table, "first_correct", "episodes", level=level),
        notes=notes,
    )


# ---------------------------------------------------------------------- the decision as a test


def youden(table: Ledger, rates: Row) -> Estimate:
    """Estimate a + b - 1."""
    a, b = rates.a, rates.b
    if a.value is None or b.value is None:
        return Estimate.missing(a.reason or b.reason, level=a.level, low=-1.0, high=1.0)
    low, high = sum_interval((a.value, b.value), (a.low, a.high), (b.low, b.high), _correlation(table))
    return Estimate(a.value + b.value - 1, low - 1, high - 1, a.level, "MOVER of the intervals of a and b")


def multiplier(table: Ledger, rates: Row) -> Estimate:
    """Estimate a/(1-b), infinite where no wrong answer was ever accepted."""
    a, b = rates.a, rates.b
    if a.value is None or b.value is None or (a.value == 0 and b.value == 1):
        why = a.reason or b.reason or "no correct and no wrong answer was ever accepted: a/(1-b) is 0/0"
        return Estimate.missing(why, level=a.level, high=np.inf)
    ends = ratio_interval((a.value, 1 - b.value), (a.low, a.high), (1 - b.high, 1 - b.low), -_correlation(table))
    value = a.value / (1 - b.value) if b.value < 1 else np.inf
    return Estimate(value, *ends, a.level, "MOVER of the logarithms of a and 1 - b")


def _correlation(table: Ledger) -> float:
    """Correlation of the estimates of a and b over problems."""
    both, one, other = (table.covariance(RATES[i], RATES[j]) for i, j in ("ab", "aa", "bb"))
    return float(np.clip(both / np.sqrt(one * other), -1, 1)) if one * other > 0 else 0.0


def _helps(index: Estimate) -> str:
    if index.value is None:
        return "cannot be estimated"
    return "yes" if index.low > 0 else "no" if index.high < 0 else "undecided"


# ---------------------------------------------------------------------- predictions of the pooled chain


def draw_rates(table: Ledger, draws: Floats) -> Rates3:
    """Return p, a, b of bootstrap totals (B, 11); a draw without decisions of one kind keeps the estimate of the whole log."""
    totals = dict(zip(COLUMNS, draws.T, strict=True))
    out = []
    for successes, trials in RATES.values():
        whole = table.total(successes) / max(table.total(trials), 1)
        n = totals[trials]
        out.append(np.divide(totals[successes], n, out=np.full(len(n), whole), where=n > 0))
    return out[0], out[1], out[2]


def _point(rates: Row) -> Rates3:
    p, a, b = (np.asarray(0.0 if e.value is None else e.value) for e in (rates.p, rates.a, rates.b))
    return p, a, b


def cap_shares(episodes: Episodes) -> dict[int, float]:
    """Return the caps that occur and the share of episodes with each."""
    caps, counts = np.unique(episodes.cap, return_counts=True)
    return {int(cap): float(count) / len(episodes) for cap, count in zip(caps, counts, strict=True)}


def _predicted(what: str, rates: Rates3, caps: Mapping[int, float], at_cap: bool) -> Floats:
    total: Floats = np.zeros(np.shape(rates[0]))
    for cap, share in caps.items():
        total = total + share * _one_cap(what, rates, cap, at_cap)
    return total


def _one_cap(what: str, rates: Rates3, cap: int, at_cap: bool) -> Floats:
    if what == "attempts":
        return chain_formulas.attempts(*rates, cap)
    if what == "stopped":
        return chain_formulas.stopping(*rates, cap)
    unstopped: Unstopped = "wrong" if what == "accuracy, unstopped wrong" else "submit"
    if unstopped == "wrong" and cap and not at_cap:  # decisions end one attempt before the cap
        return chain_formulas.accuracy(*rates, cap - 1, unstopped=unstopped) if cap > 1 else np.zeros(np.shape(rates[0]))
    return chain_formulas.accuracy(*rates, cap, unstopped=unstopped)


def percentiles(value: Floats, draws: Floats, level: float) -> Estimate:
    """Return the estimate with percentiles of its bootstrap draws as interval."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], method="median_unbiased")
    return Estimate(float(value), float(low), float(high), level, f"bootstrap over problems, {len(draws)} resamples")


# ---------------------------------------------------------------------- what the log shows


def _decides_at_cap(episodes: Episodes) -> bool:
    """Whether the log shows stops at the cap, that is, whether the model was asked there."""
    return bool((episodes.ended_by_stop & (episodes.cap > 0) & (episodes.attempts == episodes.cap)).any())


def _realised(table: Ledger, level: float, at_cap: bool) -> dict[str, Estimate]:
    episodes = table.total("episodes")
    wrong = "stopped_correct" if at_cap else "stop_correct"
    error = normal_quantile(level) * np.sqrt(table.covariance(("attempts", "episodes"), ("attempts", "episodes")))
    mean = table.total("attempts") / episodes
    return {
        "accuracy": rate(table, "final_correct", "episodes", level=level),
        "accuracy, unstopped wrong": rate(table, wrong, "episodes", level=level),
        "attempts": Estimate(mean, max(1.0, mean - error), mean + error, level, f"normal, {table.problems} problems"),
        "stopped": rate(table, "stopped", "episodes", level=level),
        "gain over the first answer": _gained(table, level),
    }


def _gained(table: Ledger, level: float) -> Estimate:
    last, first = ("final_correct", "episodes"), ("first_correct", "episodes")
    value = (table.total("final_correct") - table.total("first_correct")) / table.total("episodes")
    variance = table.covariance(last, last) + table.covariance(first, first) - 2 * table.covariance(last, first)
    error = normal_quantile(level) * float(np.sqrt(max(variance, 0.0)))
    return Estimate(value, max(-1.0, value - error), min(1.0, value + error), level, f"normal, {table.problems} problems, paired")


def _notes(episodes: Episodes, rates: Row, at_cap: bool) -> tuple[str, ...]:
    notes = []
    capped = int(episodes.capped.sum())
    if not capped:
        notes.append("every episode stopped: the pooled chain's accuracy equals the realised one whatever the data (G4); "
                     "only a prediction on held-out problems says anything")  # fmt: skip
    else:
        notes.append(f"the last decision of {capped} of {len(episodes)} episodes is censored (cap, or no stop) and counts for "
                     "neither a nor b")  # fmt: skip
    if (episodes.capped & (episodes.cap == 0)).any():
        notes.append(
            "some episodes without a cap ended without a stop: predictions take them as uncapped, what was realised is cut"
        )
    if at_cap:
        notes.append("the log shows stops at the cap; they count where episodes without a stop are wrong, not for a or b")
    for estimate in (rates.a, rates.b):
        if estimate.value is None:
            notes.append(estimate.reason)
    return tuple(notes)
