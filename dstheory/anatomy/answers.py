r"""What a log says: does resampling help, how accurate are the answers, what would better or no decisions give.

- **Youden index** a + b - 1 and **odds multiplier** a/(1-b): resampling helps exactly where the first exceeds 0 and the second 1
  (A3, A5), if a and b are the same for all problems. Where they differ, decisions that know nothing but the problem may have
  both, and gain nothing: given a problem they do not depend on its answers, all orders of which are equally likely.
  Their intervals are recovered from those of a and b (MOVER): for a sum,
  :math:`\hat r_1 + \hat r_2 - \sqrt{(\hat r_1 - l_1)^2 + (\hat r_2 - l_2)^2 + 2\rho(\hat r_1 - l_1)(\hat r_2 - l_2)}` and
  correspondingly above, with :math:`\rho` the correlation of the two; for a ratio the same with logarithms. It keeps the
  asymmetry of the parts close to 0 and 1, where the delta method has none and a bootstrap does not move at all.
- **Realised**: accuracy of the answer submitted last; the same counting episodes that did not stop as wrong; attempts per
  episode; share of episodes that stopped before their cap; what was gained over submitting the first answer, with an interval
  recovered from those of the shares of episodes that got better and that got worse: where few answers were revised, one from
  both accuracies covers too seldom.
- **Predicted** by the pooled chain at the log's own caps, and without a cap. This is *accounting*, on the episodes it was fitted
  to: if every episode stops, its accuracy without a cap is the realised one identically (claim G4). Predictions that can fail are
  those of :mod:`dstheory.anatomy.holdout`. Intervals are recovered from those of p, a and b: with :math:`\Delta_i` the change of
  the prediction when one of them moves to an end of its interval, the half width is
  :math:`\sqrt{\sum_{ij} \rho_{ij} \Delta_i \Delta_j}`. Caps are taken as they are.
- **No decisions**: the first answer submitted.
- **Perfect decisions** stop at the first correct answer: with at most T attempts their accuracy is :math:`1 - E_x[(1 - p_x)^T]`,
  which is less than :math:`1 - (1 - E p_x)^T` where problems differ (Jensen). No assumption about how they differ is needed: an
  episode whose first correct attempt is attempt k is an *event* at k; one that stops on a wrong answer before is *censored*
  there, by a decision that does not know p_x as long as b is the same for all problems. So with :math:`r_k` episodes that reach
  attempt k with no correct answer before, :math:`d_k` of which are correct there,

  .. math:: \hat h_k = d_k/r_k, \qquad \hat S_T = \prod_{k \le T} (1 - \hat h_k), \qquad \widehat{Acc}_T = 1 - \hat S_T

  (the Kaplan-Meier estimate). Its interval is recovered from Wilson's over problems of the :math:`\hat h_k`, on the scale of
  :math:`\log \hat S_T = \sum_k \log(1 - \hat h_k)`, with their correlations over problems. Where few resample, few reach the last
  attempt, and often none of them is right there: its variance, 0, does not say how little that shows, Wilson's interval does.
  Of 300 logs of each of 24 simulated kinds, 95 % intervals hold the truth in 92 to 99 %, 96.7 % in the mean; an interval that
  knows the variance alone in 88 to 100 %. Its caution is that of the attempt that widens it most. Where b is larger at easier
  problems, the estimate is off: with b from 0.1 to 0.75, the intervals of simulated logs hold the truth in 27 %. So two tests ask
  whether b differs between problems, and whether b or the cap goes with p; if one rejects, that is the caution.

Source: derived here from claims A3, A5, G1; Newcombe (1998), Zou and Donner (2008) for MOVER; Kaplan and Meier (1958), and
Williams (1995) for its variance over clusters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from dstheory.anatomy import chain_formulas
from dstheory.anatomy.episodes import NOT_GIVEN, Episodes, HoldsEpisodes, episodes_of
from dstheory.anatomy.rates import (
    RATES,
    Estimate,
    ProblemCounts,
    Row,
    mean_attempts,
    normal_quantile,
    over_problems,
    rate,
    row,
)
from dstheory.anatomy.rollout_chain import fit_rate
from dstheory.checks import Bools, Ints
from dstheory.readers.records import DECIDED_BY, NOBODY
from dstheory.texts import counted

_FEWEST_THERE = 5  # problems at an attempt, before an accuracy is taken from it
_DIFFERS = 0.05  # a p-value of the test that b is the same for all problems, from which on perfect decisions have a caution
_FEWEST_FIXED = 5  # episodes with one number of attempts, before it looks as if that was fixed
MODEL, ASSUMED = "model", "model (assumed)"  # who decides, where it is the model
GAIN = "gain over the first answer"  # of what is realised
B_DIFFERS = "b differs between problems"  # how the caution of perfect decisions begins where a test says so
_UNKNOWN = "unknown"
ITS_OWN = "if these are its own"
"""Added to an answer about decisions of which nobody knows whether they are the model's."""
_NOBODY = "nobody decided whether to go on"
_OF_STOPS = ("accuracy, unstopped wrong", "stopped")  # of what is realised


@dataclass(frozen=True)
class Answers:
    """What a log says.

    Attributes:
        rates: p, a, b.
        youden, multiplier: a + b - 1 and a/(1-b).
        decided_by: who decided, as the log says it ("verifier (200 of 400 episodes)" where not in all of them, "nobody" where the
            number of attempts was fixed, "nobody (one answer each)" where it was one); else "model (assumed)", or "unknown: ..."
            where all decisions were right, or all episodes have one number of attempts.
        helps: "yes", "no" (the interval of the Youden index, the test within problems and the estimated gain over the first
            answer are on one side of 0), "undecided", "cannot be estimated"; with ", oracle decides" and the like where it is not
            the model, ", if these are its own" where that is unknown; "nobody decides".
        realised: "accuracy", "accuracy, unstopped wrong", "attempts", "stopped", "gain over the first answer".
        predicted: by the pooled chain: the same without the last, and "accuracy, no cap", "attempts, no cap".
        perfect, none: accuracy under a perfect decision at the log's largest cap, and under none.
        notes: what a reader must know about these numbers.
    """

    rates: Row
    youden: Estimate
    multiplier: Estimate
    decided_by: str
    helps: str
    realised: Mapping[str, Estimate]
    predicted: Mapping[str, Estimate]
    perfect: Estimate
    none: Estimate
    notes: tuple[str, ...]


def answer(episodes: Episodes | HoldsEpisodes, *, level: float = 0.95) -> Answers:
    """Say what a log says.

    Args:
        episodes: the log, or the part of it that one model did on one task.
        level: coverage of each interval.

    Raises:
        RecordError: a level outside (0, 1).

    >>> from dstheory.anatomy import simulate_log
    >>> found = answer(simulate_log(500, p=0.4, a=0.9, b=0.7, cap=8))
    >>> found.helps, found.multiplier.text(1), found.realised["accuracy"].text(2), found.predicted["accuracy"].text(2)
    ('yes', '2.8 [2.5, 3.2]', '0.65 [0.60, 0.69]', '0.64 [0.60, 0.69]')
    """
    normal_quantile(level)
    episodes = episodes_of(episodes, some=True)
    table = ProblemCounts.of(episodes)
    rates = row(table, level=level)
    index = youden(table, rates)
    caps, shares = np.unique(episodes.cap, return_counts=True)
    own_caps = {int(cap): float(count) / len(episodes) for cap, count in zip(caps, shares, strict=True)}
    # Whether the log shows stops at the cap, that is, whether the model was asked there.
    at_cap = bool((episodes.ended_by_stop & (episodes.cap > 0) & (episodes.attempts == episodes.cap)).any())
    who, nothing = decided_by(episodes, rates), Estimate.missing(_NOBODY, level=level)

    def predict(what: str, caps: Mapping[int, float]) -> Estimate:
        least, most = (1.0, np.inf) if what == "attempts" else (0.0, 1.0)
        if who == NOBODY:
            return Estimate.missing(_NOBODY, level=level, low=least, high=most)

        def over_caps(p: float, a: float, b: float) -> float:
            return sum(weight * _by_chain(what, p, a, b, cap, at_cap) for cap, weight in caps.items())

        return _recovered(over_caps, table, rates, least, most)

    longest = int(episodes.attempts.max())
    best = perfect(episodes, longest if 0 in own_caps else max(*own_caps, longest), table, level=level)
    realised = _realised(table, level, at_cap)
    return Answers(
        rates=rates,
        youden=index,
        multiplier=multiplier(table, rates),
        decided_by=who,
        helps=_helps(index, within_problems(table), realised[GAIN], who),
        realised=realised | (dict.fromkeys(_OF_STOPS, nothing) if who == NOBODY else {}),
        predicted={what: predict(what, own_caps) for what in ("accuracy", "accuracy, unstopped wrong", "attempts", "stopped")}
        | {f"{what}, no cap": predict(what, {0: 1.0}) for what in ("accuracy", "attempts")},
        perfect=best,
        none=rate(table, "first_correct", "episodes", level=level),
        notes=_notes(episodes, rates, at_cap, who),
    )


def decided_by(episodes: Episodes, rates: Row) -> str:
    """Return who decided whether to go on, as in :class:`Answers`.

    >>> log = Episodes.record([(str(i), [(False, "resample"), (True, "stop")]) for i in range(9)])
    >>> decided_by(log, row(ProblemCounts.of(log)))
    'unknown: every decision was right, as those of an oracle are'
    """
    if episodes.one_shot:
        return f"{NOBODY} (one answer each)"
    if said := _said(episodes):
        return said
    if rates.a.value == 1 and rates.b.value == 1:
        return f"{_UNKNOWN}: every decision was right, as those of an oracle are"
    lengths = episodes.attempts
    if len(lengths) >= _FEWEST_FIXED and lengths.min() == lengths.max() > 1:
        return f"{_UNKNOWN}: every episode has {lengths[0]} attempts, as where their number is fixed"
    return ASSUMED


def _said(episodes: Episodes) -> str:
    """Return who the log says decided: who else than the model did, and in how many episodes where not in all; "" if nothing."""
    column = episodes.fields.get(DECIDED_BY)
    if column is None:
        return ""
    times = dict(zip(column.names, np.bincount(column.codes, minlength=len(column.names)).tolist(), strict=True))
    times = {name: n for name, n in times.items() if n}
    total = sum(times.values())
    others = {name: n for name, n in sorted(times.items()) if name not in (MODEL, NOT_GIVEN)}
    if others.get(NOBODY, 0) < total:
        others.pop(NOBODY, None)  # whose episodes count for neither a nor b
    if others:
        return ", ".join(name if n == total else f"{name} ({n:,} of {total:,} episodes)" for name, n in others.items())
    return MODEL if MODEL in times else ""


# ---------------------------------------------------------------------- the decision as a test


def youden(table: ProblemCounts, rates: Row) -> Estimate:
    """Estimate a + b - 1."""
    a, b = rates.a, rates.b
    if a.value is None or b.value is None:
        return Estimate.missing(a.reason or b.reason, level=a.level, low=-1.0, high=1.0)
    low, high = sum_interval((a.value, b.value), (a.low, a.high), (b.low, b.high), table.correlation(RATES["a"], RATES["b"]))
    method, caution = "MOVER of the intervals of a and b", a.caution or b.caution
    return Estimate(a.value + b.value - 1, low - 1, high - 1, a.level, method, caution=caution)


def multiplier(table: ProblemCounts, rates: Row) -> Estimate:
    """Estimate a/(1-b), infinite where no wrong answer was ever accepted."""
    a, b = rates.a, rates.b
    if a.value is None or b.value is None or (a.value == 0 and b.value == 1):
        why = a.reason or b.reason or "no correct and no wrong answer was ever accepted: a/(1-b) is 0/0"
        return Estimate.missing(why, level=a.level, high=np.inf)
    both = table.correlation(RATES["a"], RATES["b"])
    ends = ratio_interval((a.value, 1 - b.value), (a.low, a.high), (1 - b.high, 1 - b.low), -both)
    value = a.value / (1 - b.value) if b.value < 1 else np.inf
    return Estimate(value, *ends, a.level, "MOVER of the logarithms of a and 1 - b", caution=a.caution or b.caution)


def within_problems(table: ProblemCounts) -> float:
    """Return how many standard deviations more often decisions stop at right answers than chance does, given the problem.

    Decisions that do not depend on the answer, given the problem, stop at any of its answers that were decided about equally
    likely: of N, S of them stops and C right, the number of right stops is hypergeometric. Its excess is added up over problems,
    however these differ, and divided by the root of the added variances; 0 where no problem has answers and decisions of both
    kinds. Source: Mantel and Haenszel (1959).

    >>> log = Episodes.record([(x, [(False, "resample"), (True, "stop")]) for x in "abcd"])
    >>> within_problems(ProblemCounts.of(log))
    2.0
    """
    names = ("decided_correct", "decided_wrong", "stop_correct", "resample_wrong")
    right, wrong, right_stops, wrong_resamples = (1.0 * table.column(name) for name in names)
    n, stops = right + wrong, right_stops + wrong - wrong_resamples
    excess = table.times @ (right_stops - stops * right / np.maximum(n, 1.0))
    variance = table.times @ (stops * (n - stops) * right * wrong / np.maximum(n * n * (n - 1.0), 1.0))
    return float(excess / np.sqrt(variance)) if variance > 0 else 0.0


def _helps(index: Estimate, within: float, gain: Estimate, who: str) -> str:
    """Say whether resampling helps: decisions within problems must show it too, and the estimated gain must agree.

    Where a or b differs between problems, a + b > 1 over all of them says nothing of any one: whoever stops more often at easy
    problems, whatever the answer, has it too, and gains nothing.
    """
    if who == NOBODY:
        return "nobody decides"
    if index.value is None:
        return "cannot be estimated"
    sure, gained = normal_quantile(index.level), gain.value or 0.0
    helps, harms = index.low > 0 and within > sure and gained > 0, index.high < 0 and within < -sure and gained < 0
    found = "yes" if helps else "no" if harms else "undecided"
    if who.startswith(_UNKNOWN):
        return found if found == "undecided" else f"{found}, {ITS_OWN}"
    return found if who in (MODEL, ASSUMED) else f"{found}, {who} decides"


def sum_interval(rates: tuple[float, float], first: tuple[float, float], second: tuple[float, float], correlation: float = 0.0
                 ) -> tuple[float, float]:  # fmt: skip
    """Return the interval of the sum of two rates, recovered from the intervals of both.

    >>> [round(x, 3) for x in sum_interval((0.8, 0.3), (0.7, 0.9), (0.2, 0.4))]
    [0.959, 1.241]
    """
    below = _hypot(rates[0] - first[0], rates[1] - second[0], correlation)
    above = _hypot(first[1] - rates[0], second[1] - rates[1], correlation)
    total = rates[0] + rates[1]
    return max(first[0] + second[0], total - below), min(first[1] + second[1], total + above)


def rate_difference(first: Estimate, second: Estimate, correlation: float) -> Estimate:
    """Return the difference of two rates, recovered from the intervals of both; within [-1, 1].

    >>> rates = (Estimate(0.8, 0.7, 0.9, 0.95, "Wilson"), Estimate(0.3, 0.2, 0.4, 0.95, "Wilson"))
    >>> rate_difference(*rates, 0.0).text(2)
    '0.50 [0.36, 0.64]'
    """
    if first.value is None or second.value is None:
        return Estimate.missing(first.reason or second.reason, level=first.level, low=-1.0)
    # first - second = first + (1 - second) - 1
    rates, other = (first.value, 1 - second.value), (1 - second.high, 1 - second.low)
    low, high = sum_interval(rates, (first.low, first.high), other, -correlation)
    value = first.value - second.value
    method, caution = "MOVER of Wilson's intervals over problems", first.caution or second.caution
    return Estimate(value, low - 1, high - 1, first.level, method, caution=caution)


def better_less_worse(better: Estimate, worse: Estimate, correlation: float) -> Estimate:
    r"""Return the difference of the shares of episodes that got better and that got worse.

    No episode is both, so that the shares move against one another. Where their correlation cannot be seen (0), as in few
    problems, it is that of two outcomes of one draw, :math:`-\sqrt{xy/((1-x)(1-y))}`, at the middles x, y of the two intervals.

    >>> both = Estimate(0.5, 0.1, 0.9, 0.95, "Wilson"), Estimate(0.5, 0.1, 0.9, 0.95, "Wilson")
    >>> better_less_worse(*both, 0.0).text(2), rate_difference(*both, 0.0).text(2)
    ('0.00 [-0.80, 0.80]', '0.00 [-0.57, 0.57]')
    """
    if not correlation:
        x, y = ((one.low + one.high) / 2 for one in (better, worse))
        correlation = -math.sqrt(min(x * y / ((1 - x) * (1 - y)), 1.0))
    return rate_difference(better, worse, correlation)


def ratio_interval(rates: tuple[float, float], first: tuple[float, float], second: tuple[float, float], correlation: float = 0.0
                   ) -> tuple[float, float]:  # fmt: skip
    """Return the interval of the first rate over the second, recovered on the scale of logarithms.

    Where a rate is 0 its logarithm has no finite point estimate, and the interval reaches to 0 or to infinity; its other end
    then pairs the two intervals at their ends, which is conservative.

    >>> [round(x, 2) for x in ratio_interval((0.8, 0.2), (0.7, 0.9), (0.1, 0.3))]
    [2.61, 8.08]
    >>> ratio_interval((0.8, 0.0), (0.7, 0.9), (0.0, 0.1))[1]
    inf
    """
    (top, bottom), (l1, u1), (l2, u2) = rates, first, second
    if top <= 0.0 or bottom <= 0.0:
        return (l1 / u2 if bottom <= 0.0 < top else 0.0), (u1 / l2 if l2 > 0 else np.inf)
    logs = np.log([top, bottom, u1, u2])
    low1, low2 = (float(np.log(x)) if x > 0 else -np.inf for x in (l1, l2))
    below = _hypot(logs[0] - low1, logs[3] - logs[1], -correlation)
    above = _hypot(logs[2] - logs[0], logs[1] - low2, -correlation)
    return float(np.exp(logs[0] - logs[1] - below)), float(np.exp(logs[0] - logs[1] + above))


def _hypot(x: float, y: float, correlation: float) -> float:
    if np.isinf(x) or np.isinf(y):
        return np.inf
    return float(np.sqrt(max(x * x + y * y + 2 * correlation * x * y, 0.0)))


# ---------------------------------------------------------------------- predictions of the pooled chain


def _recovered(
    function: Callable[[float, float, float], float], table: ProblemCounts, rates: Row, least: float, most: float
) -> Estimate:
    """Return a function of p, a and b, from ``least`` to ``most``, with an interval recovered from theirs."""
    found = (rates.p, rates.a, rates.b)
    # A rate without a value must have no say at the estimate, but may be anything where another one moves.
    free = [[0.0, 1.0] if one.value is None else [one.value] for one in found]
    values = {function(*at) for at in product(*free)}
    value = values.pop()
    if values:
        return Estimate.missing(next(one.reason for one in found if one.reason), level=rates.p.level, low=least, high=most)
    down, up, sign, lowest = np.zeros(3), np.zeros(3), np.ones(3), value
    for i, one in enumerate(found):
        ends = [[function(*at) for at in product(*free[:i], [end], *free[i + 1 :])] for end in (one.low, one.high)]
        lowest = min(lowest, *ends[0], *ends[1])
        if np.isfinite(value):
            down[i], up[i] = min(value, *ends[0], *ends[1]) - value, max(value, *ends[0], *ends[1]) - value
        sign[i] = 1.0 if max(ends[1]) >= max(ends[0]) else -1.0
    together = table.correlations * np.outer(sign, sign)
    with np.errstate(over="ignore"):  # beyond floating point is infinite
        below, above = (math.sqrt(max(float(x @ together @ x), 0.0)) if np.isfinite(x).all() else np.inf for x in (down, up))
    low = max(value - below, least) if np.isfinite(value) else lowest
    caution = next((one.caution for one in found if one.caution), "")
    return Estimate(value, low, min(value + above, most), rates.p.level, "MOVER of the intervals of p, a and b", caution=caution)


def _by_chain(what: str, p: float, a: float, b: float, cap: int, at_cap: bool) -> float:
    if what == "attempts":
        return float(chain_formulas.attempts(p, a, b, cap))
    if what == "stopped":
        return float(chain_formulas.stopping(p, a, b, cap))
    if what == "accuracy":
        return float(chain_formulas.accuracy(p, a, b, cap))
    if cap and not at_cap:  # decisions end one attempt before the cap
        return float(chain_formulas.accuracy(p, a, b, cap - 1, unstopped="wrong")) if cap > 1 else 0.0
    return float(chain_formulas.accuracy(p, a, b, cap, unstopped="wrong"))


# ---------------------------------------------------------------------- what the log shows


def _realised(table: ProblemCounts, level: float, at_cap: bool) -> dict[str, Estimate]:
    return {
        "accuracy": rate(table, "final_correct", "episodes", level=level),
        "accuracy, unstopped wrong": rate(table, "stopped_correct" if at_cap else "stop_correct", "episodes", level=level),
        "attempts": mean_attempts(table, level),
        "stopped": rate(table, "stopped", "episodes", level=level),
        GAIN: _gained(table, level),
    }


def _gained(table: ProblemCounts, level: float) -> Estimate:
    """Return how much more often last answers are right than first ones."""
    if table.total("attempts") == table.total("episodes") and not table.total("stopped"):
        return Estimate(0.0, 0.0, 0.0, level, "no episode could have a second answer")
    better, worse = (("improved", "episodes"), ("worsened", "episodes"))
    gained, lost = (rate(table, *one, level=level) for one in (better, worse))
    return better_less_worse(gained, lost, table.correlation(better, worse))


def _notes(episodes: Episodes, rates: Row, at_cap: bool, who: str) -> tuple[str, ...]:
    if who == NOBODY:
        return (f"{_NOBODY}: the number of attempts was fixed, and there is neither a nor b",)
    notes = []
    capped = int(episodes.capped.sum())
    if not capped:
        notes.append("every episode stopped: the accuracy of the pooled chain without a cap equals the realised one whatever the "
                     "data (G4); only a prediction on held-out problems says anything")  # fmt: skip
    else:
        notes.append(f"the last decision of {capped:,} of {counted(len(episodes), 'episode')} is censored (cap, or no stop) and "
                     "counts for neither a nor b")  # fmt: skip
    if (episodes.capped & (episodes.cap == 0)).any():
        notes.append(
            "some episodes without a cap ended without a stop: predictions take them as uncapped, what was realised is cut"
        )
    if at_cap:
        notes.append("the log shows stops at the cap; they count where episodes without a stop are wrong, not for a or b")
    if who.startswith(_UNKNOWN) and rates.a.value == 1 and rates.b.value == 1:
        notes.append(
            "every decision was right (a = b = 1), as it is where an oracle, a grader or an environment that knows the answer "
            "decides: if one did, decisions are not the model's, and say nothing about it"
        )
    elif who.startswith(_UNKNOWN):
        notes.append(
            f"every episode has {episodes.attempts[0]} attempts, as where a script fixes their number: if one did, decisions are "
            "not the model's, and a and b say nothing about it"
        )
    elif who not in (MODEL, ASSUMED) and not who.startswith(NOBODY):
        notes.append(f"decided by: {who}; so a, b and whether they help say nothing about decisions of the model's own")
    for estimate in (rates.a, rates.b):
        if estimate.value is None:
            notes.append(estimate.reason)
    return tuple(notes)


# ---------------------------------------------------------------------- perfect decisions


def any_correct(episodes: Episodes | HoldsEpisodes, attempts: int, *, level: float = 0.95) -> Estimate:
    """Estimate the chance that at least one of the first ``attempts`` attempts is correct: accuracy under a perfect decision.

    >>> from dstheory.anatomy import simulate_log
    >>> log = simulate_log(2000, p=0.4, a=0.9, b=0.7, cap=8, concentration=1.0)
    >>> any_correct(log, 5).text(2)  # 1 - E[(1 - p_x)^5] for Beta(0.4, 0.6), 0.656; pooled p would say 0.81
    '0.66 [0.64, 0.70]'
    """
    episodes = episodes_of(episodes)
    tried, event = _up_to_first_correct(episodes, attempts)
    _, problem = np.unique(episodes.problem, return_inverse=True)
    problems, at = len(np.unique(problem)), np.arange(len(tried))
    survival, widest, caution = 1.0, -1.0, ""
    together, alone = np.zeros((problems, 2)), np.zeros(2)  # what problems move the ends by, and what steps do that show nothing
    for step in range(1, attempts + 1):
        at = at[tried[at] >= step]
        if not len(at):
            why = f"no episode reached attempt {step} with only wrong answers before: "
            why += f"at most {counted(step - 1, 'attempt')} can be judged"
            return Estimate.missing(why if step > 1 else "there are no episodes", level=level)
        right = event[at] & (tried[at] == step)
        hazard = over_problems(1.0 * right, problem[at], len(at), level)
        chance, low, high = float(right.mean()), hazard.low, hazard.high
        if chance == 1:  # whoever got there was right: nothing is left
            most = min(survival * math.exp(math.sqrt((together[:, 0] ** 2).sum() + alone[0])), 1.0)  # both at an end
            method = f"Kaplan-Meier with one b, {counted(len(np.unique(problem[at])), 'problem')} at the last step"
            return Estimate(1.0, 1 - most * (1 - low), 1.0, level, method, caution=hazard.caution)
        ends = np.array([math.log((1 - low) / (1 - chance)), math.log((1 - chance) / (1 - high)) if high < 1 else np.inf])
        residual = np.bincount(problem[at], weights=right - chance, minlength=problems)
        size = math.sqrt(residual @ residual)
        if size > 1e-9 and np.count_nonzero(residual) >= _FEWEST_THERE and high < 1:
            together += np.outer(residual / size, ends)
        else:
            alone += ends**2
        survival *= 1 - chance
        if ends.sum() > widest:
            widest, caution = ends.sum(), hazard.caution
    below, above = np.sqrt((together**2).sum(axis=0) + alone).tolist()
    low, high = 1 - min(survival * math.exp(below), 1.0), 1 - survival * math.exp(-above)
    method = f"Kaplan-Meier with one b, MOVER of Wilson's intervals over {counted(problems, 'problem')}"
    return Estimate(1 - survival, low, high, level, method, caution=caution)


def perfect(episodes: Episodes, attempts: int, table: ProblemCounts, *, level: float = 0.95) -> Estimate:
    """Estimate the accuracy under a perfect decision (:func:`any_correct`) where the last attempt is that of enough problems.

    Whether anybody gets so far is chance, and where few do, they decide: with one to four problems there, the intervals of ten
    kinds of simulated logs held the truth in 92 to 100 %, and were 0.3 to 0.8 wide in the mean. Of more attempts than one there
    is a caution where b differs between problems, or b or the cap goes with p: who is seen to the end is then no fair sample.

    Args:
        episodes, attempts, level: as of :func:`any_correct`.
        table: the counts of these episodes.
    """
    found = any_correct(episodes, attempts, level=level)
    tried, _ = _up_to_first_correct(episodes, attempts)
    last = int(tried.max())
    if found.value is None or last == 1:
        return found
    if len(np.unique(episodes.problem[tried == last])) < _FEWEST_THERE:
        why = f"episodes with only wrong answers before reached attempt {last} at fewer than {_FEWEST_THERE} problems"
        return Estimate.missing(f"{why}: too few to judge it", level=level)
    alike = "is taken as the same for all"
    if (chance := fit_rate(table, "b").p_value) < _DIFFERS:
        return replace(found, caution=f"{B_DIFFERS} (likelihood ratio, p = {chance:.2g}), and {alike}")
    z = _more_at_easy(episodes, attempts)
    if (chance := math.erfc(abs(z) / math.sqrt(2))) < _DIFFERS:
        which = "easy" if z > 0 else "hard"
        why = f"after wrong answers episodes go on more often at {which} problems (score test, p = {chance:.2g})"
        return replace(found, caution=f"{why}, and this {alike}")
    return found


def _more_at_easy(episodes: Episodes, attempts: int) -> float:
    """Return how many standard deviations more often episodes go on from wrong answers at easy problems than at others.

    First answers depend on neither decisions nor caps. So where all problems have one b and the same caps, whether the k-th
    attempt, with only wrong answers so far, is followed by another does not depend on how many first answers of its problem are
    right; scores times that share add up to a martingale. (A likelihood ratio of the spread of b sees less of it, and also what
    does no harm: b that has nothing to do with p.)
    """
    first = episodes.correct[episodes.offsets[:-1]]
    _, problem = np.unique(episodes.problem, return_inverse=True)
    ease = ((np.bincount(problem, weights=first) + first.mean()) / (np.bincount(problem) + 1))[problem]
    tried, right = _up_to_first_correct(episodes, attempts)
    score, variance, wrong = 0.0, 0.0, np.flatnonzero(~right | (tried > 1))
    for step in range(1, attempts):
        if len(wrong) < 2:
            break
        on = tried[wrong] > step
        apart = ease[wrong] - ease[wrong].mean()
        score += float(on @ apart)
        variance += float(on.mean() * (1 - on.mean()) * (apart @ apart)) * len(wrong) / (len(wrong) - 1)
        wrong = wrong[on & (~right[wrong] | (tried[wrong] > step + 1))]
    return score / math.sqrt(variance) if variance > 1e-12 else 0.0


def _up_to_first_correct(episodes: Episodes, attempts: int) -> tuple[Ints, Bools]:
    """Return, per episode, the attempts up to the first correct one, at most ``attempts``, and whether it is correct."""
    right = np.flatnonzero(episodes.correct)
    owner, first = np.unique(np.searchsorted(episodes.offsets, right, side="right") - 1, return_index=True)
    tried, event = episodes.attempts.copy(), np.zeros(len(episodes), dtype=bool)
    tried[owner], event[owner] = right[first] - episodes.offsets[owner] + 1, True
    return np.minimum(tried, attempts), event & (tried <= attempts)
