r"""Why is one model better than another: the difference in accuracy split into sampling and decisions.

With Acc(s, d) the accuracy, averaged over problems, of the sampling of one log (the p_x of its problems) under the decisions of
another (a, b),

.. math::
    \phi_{decide} = \tfrac12 [Acc(0,1) - Acc(0,0)] + \tfrac12 [Acc(1,1) - Acc(1,0)], \qquad
    \phi_{sample} = Acc(1,1) - Acc(0,0) - \phi_{decide}:

the Shapley value of a game with two players. Acc(0,0) and Acc(1,1) are what the logs show, or, at a cap at which they do not show
it, estimated like the rest. What decisions change, :math:`Acc(s,1) - Acc(s,0)`, is the mean over problems of a known function of
p_x; it is estimated without assuming how p_x is distributed (:mod:`dstheory.anatomy.counterfactual`), and every problem counts
once. So if both models sample alike on the same problems, sampling's part is 0 up to error. With one p for all attempts it is
not: decisions tell how many of the attempts are at hard problems, and the pooled p moves with them (claim G2-pooled).

What is assumed: a problem's attempts are independent, with one p_x; a and b are the same for all problems of a log.

**Intervals** are normal over problems, paired where both logs are about the same problem. They include the error of a and b, and
allow for the largest bias that any distribution of p_x can cause. Those of the two accuracies are Wilson's with the same errors,
since a normal interval near 0 or 1 does not cover, and that of the gain is recovered from them (MOVER).

**First answers** can be compared of any two logs, also where there are no decisions to split off. With :math:`\hat r` the share
of episodes whose first answer is right (p, where nobody could resample), the difference has an interval recovered from those of
both rates (MOVER), Wilson's over problems. What a problem moves both rates by, :math:`e_x = (s_x - \hat r n_x)/\sum n`, gives
their correlation, so problems in common cancel. The interval stays within [-1, 1], and does not vanish where all answers are
right, all are wrong, or those of both logs are alike.

Source: Shapley (1953); claim G2; Fieller (1954) for shares; for first answers, Newcombe (1998), method 10 (paired) and its
unpaired form; the estimates are derived here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from dstheory.anatomy import chain_formulas
from dstheory.anatomy.answers import ASSUMED, MODEL, decided_by, rate_difference
from dstheory.anatomy.counterfactual import GRID, MOST_ANSWERS, Design, allowing_for_bias, outcome_chances
from dstheory.anatomy.episodes import Episodes, HoldsEpisodes, episodes_of
from dstheory.anatomy.rates import (
    RATES,
    Estimate,
    ProblemCounts,
    Row,
    correlation_of,
    left_out,
    normal_quantile,
    rate,
    row,
    student_quantile,
    wilson,
)
from dstheory.anatomy.rollout_chain import fit_rate
from dstheory.checks import Floats, Ints, whole_number
from dstheory.errors import RecordError
from dstheory.texts import counted

_DIFFERS = 0.01  # a p-value of the test that a or b is the same for all problems that is worth a note
_UNSEEN = 0.005  # a bias worth a note
TOO_SHORT = "episodes are too short to show how problems differ"
_FEW_DECISIONS = 20  # of one kind; of fewer, intervals of decisions' part held the truth in 50 to 90 % of simulated logs
_FEW_SHOW = "few decisions, or those of few problems, show"
_ROUNDING = 1e-12  # of an error that is none
_ALIKE = "no problem came out differently in the two logs, so that they do not show how far other problems may"
_HALVINGS = 40  # of a step, to the end of an interval
_STEP = 1e-5  # of a and b, in derivatives: truncation and rounding are both far below the error that they are for


class NoSplit(RecordError):
    """A difference that cannot be split, since p, a or b of one of the logs cannot be estimated.

    Attributes:
        name: how the log is called.
        reason: why not.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} cannot be split: {reason}")
        self.name, self.reason = name, reason


@dataclass(frozen=True)
class Spread:
    """How far an estimate may be off.

    Attributes:
        error: standard error.
        bias: largest absolute bias.
        units: problems behind the standard error.
    """

    error: float
    bias: float
    units: int

    def around(self, value: float, level: float) -> Estimate:
        """Return the estimate with its interval."""
        return allowing_for_bias(value, self.error, self.bias, level=level, units=self.units)

    def around_share(self, value: float, level: float) -> Estimate:
        """Return the estimate of an accuracy, with an interval that stays in [0, 1] and covers near its ends.

        Wilson's, with as many trials as the standard error is worth; where that is 0 each problem counts once. The bias may be on
        either side, so its lower end is that around value - bias, its upper end that around value + bias.

        >>> Spread(0.1, 0.0, 20).around_share(0.95, 0.95).text(2), Spread(0.0, 0.0, 20).around_share(1.0, 0.95).text(2)
        ('0.95 [0.47, 1.00]', '1.00 [0.82, 1.00]')
        """
        quantile = student_quantile(max(self.units - 1, 1), level)
        ends = []
        for side, centre in enumerate(np.clip([value - self.bias, value + self.bias], 0.0, 1.0).tolist()):
            spread = centre * (1 - centre)
            trials = spread / self.error**2 if spread > 0 and self.error > 0 else float(self.units)
            ends.append(float(wilson(centre * trials, trials, level=level, quantile=quantile)[side]))
        allowed = f", bias of at most {self.bias:.2g} allowed for" if self.bias > 0 else ""
        text = f"Wilson, {counted(self.units, 'problem')}{allowed}"
        return Estimate(float(np.clip(value, 0.0, 1.0)), ends[0], ends[1], level, text)


@dataclass(frozen=True)
class Difference:
    """A difference in accuracy and its parts.

    Attributes:
        rates_before, rates_after: p, a, b of both logs; p is that of all attempts and does not enter the split.
        before, after: accuracies, means over problems.
        gain, sample, decide: after - before and its parts; ``sample.value + decide.value == gain.value`` up to rounding.
        decision_share: decide / gain; missing where the gain may be zero.
        spreads: of gain, sample, decide.
        cap: the cap at which accuracies are compared; 0 for none.
        shared: number of problems that both logs are about.
        notes: what a reader must know.
    """

    rates_before: Row
    rates_after: Row
    before: Estimate
    after: Estimate
    gain: Estimate
    sample: Estimate
    decide: Estimate
    decision_share: Estimate
    spreads: Mapping[str, Spread]
    cap: int
    shared: int
    notes: tuple[str, ...]


def compare(
    before: Episodes | HoldsEpisodes,
    after: Episodes | HoldsEpisodes,
    *,
    cap: int | None = None,
    level: float = 0.95,
    names: tuple[str, str] = ("the log before", "the log after"),
) -> Difference:
    """Split the difference in accuracy between two logs.

    Args:
        before, after: the logs of two models or settings.
        cap: number of attempts at which to compare, the last answer being submitted, 0 for none; by default the cap of both logs
            if they have one in common.
        level: of the intervals.
        names: how messages and notes call the logs.

    Raises:
        RecordError: the logs have no cap in common and none is given.
        NoSplit: p, a or b of one of them cannot be estimated.

    >>> from dstheory.anatomy import simulate_log
    >>> base = simulate_log(600, p=0.4, a=0.8, b=0.4, cap=6, concentration=1.0, rng=1, name="x")
    >>> tuned = simulate_log(600, p=0.4, a=0.9, b=0.8, cap=6, concentration=1.0, rng=2, name="y")
    >>> found = compare(base, tuned)
    >>> found.gain.text(2), found.sample.text(2), found.decide.text(2), found.shared
    ('0.12 [0.06, 0.17]', '0.00 [-0.05, 0.06]', '0.11 [0.09, 0.14]', 0)
    """
    return Compared.of(before, after, cap=cap, level=level, names=names).difference()


# ---------------------------------------------------------------------- means over problems


@dataclass(frozen=True, eq=False)
class Mean:
    """A mean over problems that also depends on estimated a, b.

    Attributes:
        value: the estimate.
        influence: (P,) what each problem moves it by.
        slopes: (4,) derivatives with respect to a, b of the first log and a, b of the second.
        bias: largest absolute bias.
        shown: whether it is what the log shows, not an estimate of what it does not.
    """

    value: float
    influence: Floats
    slopes: Floats
    bias: float
    shown: bool = False

    def __add__(self, other: Mean) -> Mean:
        return Mean(
            self.value + other.value, self.influence + other.influence, self.slopes + other.slopes, self.bias + other.bias
        )

    def __rmul__(self, factor: float) -> Mean:
        return Mean(factor * self.value, factor * self.influence, factor * self.slopes, abs(factor) * self.bias, self.shown)

    def __sub__(self, other: Mean) -> Mean:
        return self + (-1.0) * other

    def spread(self, units: int) -> Spread:
        """Return how far it may be off, a and b being taken as they are."""
        return Spread(float(np.sqrt(self.influence @ self.influence)), self.bias, units)


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two logs.

    Attributes:
        log: the episodes, their problems numbered as in both logs together.
        table: the counts per problem.
        episodes: (P,) number of episodes of each problem.
    """

    log: Episodes
    table: ProblemCounts
    episodes: Ints

    @classmethod
    def both(cls, before: Episodes, after: Episodes) -> tuple[Side, Side]:
        """Return both logs."""
        together = Episodes.concatenate([before, after])
        problems, ids = np.split(together.problem, [len(before)]), together.problem_ids
        logs = (replace(log, problem=own, problem_ids=ids) for log, own in zip((before, after), problems, strict=True))
        first, second = (cls(log, ProblemCounts.of(log), np.bincount(log.problem, minlength=len(ids))) for log in logs)
        return first, second

    @property
    def problems(self) -> int:
        """Number of problems of this log."""
        return int(np.count_nonzero(self.episodes))

    def moved(self) -> list[Floats]:
        """Return what each problem moves a, and b, by: how much it falls without it, as in the jackknife of rates."""
        counts, found = self.log.counts("problem"), []
        for name in "ab":
            s, n = (getattr(counts, column) for column in RATES[name])
            found.append(left_out(s - s.sum() / n.sum() * n, n, n.sum()) / self.small())
        return found

    def realised(self, cap: int) -> Mean | None:
        """Return the accuracy at a cap, if the log shows it: no episode was cut off before."""
        if (not cap and self.log.capped.any()) or bool((self.log.capped & (self.log.attempts < cap)).any()):
            return None
        last = self.log.attempts if not cap else np.minimum(self.log.attempts, cap)
        value, influence = self.over_problems(self.log.correct[self.log.offsets[:-1] + last - 1].astype(float))
        return Mean(value, influence, np.zeros(4), 0.0, shown=True)

    def mean_of(self, function: Callable[[Floats], Floats], theta: Floats, which: int, level: float) -> Mean:
        """Estimate the mean over problems of a function of p, on the grid, that depends on a, b of both logs."""
        h, moves = function(theta), _STEP * np.eye(4).reshape(4, 2, 2)  # each of a, b up and down, while it is a probability
        steps = list(zip(np.minimum(theta + moves, 1.0), np.maximum(theta - moves, 0.0), strict=True))
        widths = [(up - down).sum() for up, down in steps]
        changes = [(function(up) - function(down)) / width for (up, down), width in zip(steps, widths, strict=True)]
        values, slopes, bias = np.zeros(len(self.log)), np.zeros(4), 0.0
        length = self._lengths()
        weight = 1 / self.episodes[self.log.problem] / self.problems
        right = np.concatenate([[0], np.cumsum(self.log.correct)])
        for longest in np.unique(length).tolist():
            there = np.flatnonzero(length == longest)
            n, start = np.minimum(self.log.attempts[there], longest), self.log.offsets[:-1][there]
            outcome = n * (n + 1) // 2 - 1 + right[start + n] - right[start]
            share: Floats = np.bincount(outcome, weights=weight[there], minlength=longest * (longest + 3) // 2).astype(float)
            design = Design(longest, *theta[which].tolist())
            score = design.fit(h, episodes=len(there), level=level)
            values[there] = score.values[outcome]
            bias += float(share.sum()) * score.bias
            for i, (up, down) in enumerate(steps):
                chances = np.zeros_like(design.chances)  # of these episodes, which the other model's a and b have no part in
                if i // 2 == which:
                    chances = (outcome_chances(longest, *up[which]) - outcome_chances(longest, *down[which])) / widths[i]
                slopes[i] += design.change(score, share, changes[i], chances)
        value, influence = self.over_problems(values)
        return Mean(value, influence, slopes, bias)

    def _lengths(self) -> Ints:
        """(N,) the number of answers after which an episode is over, whatever its model decides."""
        open_ended = np.where(self.log.cap > 0, self.log.cap, MOST_ANSWERS)
        return np.minimum(np.where(self.log.capped, self.log.attempts, open_ended), MOST_ANSWERS)

    def over_problems(self, values: Floats) -> tuple[float, Floats]:
        """Return the mean over problems of the mean over episodes, and what each problem moves it by."""
        sums = np.bincount(self.log.problem, weights=values, minlength=len(self.episodes))
        means = np.divide(sums, self.episodes, out=np.zeros(len(sums)), where=self.episodes > 0)
        value = float(means.sum() / self.problems)
        return value, np.where(self.episodes > 0, means - value, 0.0) / self.problems * self.small()

    def small(self) -> float:
        """Correction of a standard error for the mean that is taken off."""
        return float(np.sqrt(self.problems / max(self.problems - 1, 1)))


# ---------------------------------------------------------------------- the split


@dataclass(frozen=True, eq=False)
class Compared:
    """Two logs with the means over problems that their difference is made of.

    Attributes:
        sides: the two logs.
        names: how messages and notes call them.
        rates: p, a, b of both.
        cap, level: as in :func:`compare`.
        own: their accuracies.
        decide: what decisions contribute to the gain.
    """

    sides: tuple[Side, Side]
    names: tuple[str, str]
    rates: tuple[Row, Row]
    cap: int
    level: float
    own: tuple[Mean, Mean]
    decide: Mean

    @classmethod
    def of(
        cls,
        before: Episodes | HoldsEpisodes,
        after: Episodes | HoldsEpisodes,
        *,
        cap: int | None = None,
        level: float = 0.95,
        names: tuple[str, str] = ("the log before", "the log after"),
    ) -> Compared:
        """Estimate the means; arguments and errors are those of :func:`compare`."""
        normal_quantile(level)
        before, after = episodes_of(before), episodes_of(after)
        first, second = Side.both(before, after)
        rates = row(first.table, level=level), row(second.table, level=level)
        if missing := {name: why for name, found in zip(names, rates, strict=True) if (why := _missing(found))}:
            why = next(iter(missing.values()))
            raise NoSplit(" and ".join(name for name in missing if missing[name] == why), why)
        at = _common_cap(before, after) if cap is None else whole_number(cap, "cap", low=0, otherwise="; 0 is none")
        theta = np.array([[found.a.value, found.b.value] for found in rates], dtype=float)

        def accuracy(which: int) -> Callable[[Floats], Floats]:
            return lambda theta: chain_formulas.accuracy(GRID, theta[which, 0], theta[which, 1], at)

        def changed(theta: Floats) -> Floats:
            """What the decisions of the second log change, as a function of p."""
            return accuracy(1)(theta) - accuracy(0)(theta)

        own = tuple(side.realised(at) or side.mean_of(accuracy(s), theta, s, level) for s, side in enumerate((first, second)))
        change = [side.mean_of(changed, theta, s, level) for s, side in enumerate((first, second))]
        return cls((first, second), names, rates, at, level, (own[0], own[1]), 0.5 * (change[0] + change[1]))

    @property
    def gain(self) -> Mean:
        """By how much the second log is better."""
        return self.own[1] - self.own[0]

    @property
    def units(self) -> int:
        """Number of problems behind standard errors."""
        return min(side.problems for side in self.sides)

    @cached_property
    def _decided(self) -> Floats:
        """(4, problems) what each problem moves a and b of both logs by."""
        return np.array([each for side in self.sides for each in side.moved()])

    def settled(self, mean: Mean) -> Mean:
        """Return a mean whose influence has what each problem moves it by through a and b, too.

        An a or b of 0 or 1 is moved by no problem, and may be another all the same: what its interval allows is added.
        """
        found = [one for rates in self.rates for one in (rates.a, rates.b)]
        unseen = np.array([one.high - one.low if one.value in (0.0, 1.0) else 0.0 for one in found]) / normal_quantile(self.level)
        influence = np.concatenate([mean.influence + mean.slopes @ self._decided, mean.slopes * unseen])
        return Mean(mean.value, influence, np.zeros(4), mean.bias)

    def parts(self) -> dict[str, Mean]:
        """Return both accuracies, the gain, and what sampling and decisions contribute to it."""
        (before, after), gain, decide = self.own, self.gain, self.decide
        means = {"before": before, "after": after, "gain": gain, "sample": gain - decide, "decide": decide}
        return {name: self.settled(mean) for name, mean in means.items()}

    def cautions(self) -> dict[str, str]:
        """Return why intervals may be too narrow: of accuracies, and of the parts where few decisions show an a or b."""
        last = [rate(side.table, "final_correct", "episodes", level=self.level).caution for side in self.sides]
        few = [
            f"{name} of {which}"
            for which, side, found in zip(self.names, self.sides, self.rates, strict=True)
            for name, one in (("a", found.a), ("b", found.b))
            if one.caution or side.table.total(RATES[name][1]) < _FEW_DECISIONS
        ]
        parts = f"{_FEW_SHOW} {' and '.join(few)}" if few else ""
        return {"before": last[0], "after": last[1], "sample": parts, "decide": parts}

    def difference(self) -> Difference:
        """Return the split."""
        means = {name: (mean, self.units) for name, mean in self.parts().items()}
        parts, spreads = estimates(means, self.level, self.cautions())
        return Difference(
            rates_before=self.rates[0],
            rates_after=self.rates[1],
            **parts,
            decision_share=share_of(parts, spreads, self.level),
            spreads=spreads,
            cap=self.cap,
            shared=_shared(self.sides),
            notes=_notes(self.sides, self.names, [mean.shown for mean in self.own], spreads["decide"], self.cap),
        )


def estimates(
    means: Mapping[str, tuple[Mean, int]], level: float, cautions: Mapping[str, str]
) -> tuple[dict[str, Estimate], dict[str, Spread]]:
    """Return what :meth:`Compared.parts` names with intervals, and how far the gain and its parts may be off.

    Args:
        means: each with the number of problems behind its error.
        level: of the intervals.
        cautions: as of :meth:`Compared.cautions`.
    """
    spreads = {name: mean.spread(units) for name, (mean, units) in means.items()}
    found = {name: spreads[name].around(mean.value, level) for name, (mean, _) in means.items()}
    for name in ("sample", "decide"):  # differences of accuracies, whatever their errors are
        one, value = found[name], means[name][0].value
        found[name] = replace(one, low=max(one.low, min(-1.0, value)), high=min(one.high, max(1.0, value)))
    alike = all(spreads[name].error <= _ROUNDING for name in ("gain", "sample", "decide"))
    for name in ("before", "after"):
        found[name] = spreads.pop(name).around_share(means[name][0].value, level)
    for name, caution in cautions.items():
        found[name] = replace(found[name], caution=_ALIKE if alike and name in ("sample", "decide") else caution)
    moved = means["before"][0].influence, means["after"][0].influence
    gain = _paired(found["before"], found["after"], moved, means["gain"][1])
    return found | {"gain": replace(gain, value=means["gain"][0].value)}, spreads


def _paired(before: Estimate, after: Estimate, moved: tuple[Floats | Ints, Floats | Ints], problems: int) -> Estimate:
    """Return the difference of two rates, given what each problem moves them by.

    That problems came out alike in both logs does not show that none ever differs: their correlation is at most what it would be
    if half a problem did, which is Newcombe's correction for continuity.
    """
    assert before.value is not None
    assert after.value is not None
    r = np.clip([before.value, after.value], 0.0, 1.0)
    spread = float(np.sqrt((r * (1 - r)).prod()))
    most = max(1 - 1 / (2 * problems * spread), 0.0) if spread else 0.0
    return rate_difference(after, before, min(correlation_of(*moved), most))


def mean_over(parts: Sequence[Compared], means: Sequence[Mean]) -> tuple[Mean, int]:
    """Return the mean over parts of two logs, weighted by their numbers of problems, and the number of problems behind its error.

    A problem may be in several parts, as where these are prompts or steps: what it moves each of them by adds up.

    Args:
        parts: pairs of parts, each of the same two logs.
        means: one of each, settled.
    """
    counts = np.array([sum(row.problems for row in part.rates) for part in parts], dtype=np.float64)
    mean = sum((weight * one for weight, one in zip((counts / counts.sum()).tolist(), means, strict=True)), start=0.0 * means[0])
    distinct = (np.count_nonzero(np.sum([part.sides[side].episodes for part in parts], axis=0)) for side in (0, 1))
    return mean, min(*map(int, distinct), sum(part.units for part in parts))


def share_of(parts: Mapping[str, Estimate], spreads: Mapping[str, Spread], level: float) -> Estimate:
    r"""Return which share of a gain is the decisions'; missing where the gain may be zero.

    Its interval is Fieller's: all :math:`\theta` for which :math:`decide - \theta\, gain` may have the mean 0; its variance comes
    from those of gain, sample and decide, since gain = sample + decide:
    :math:`Cov(gain, decide) = \tfrac12 [Var(gain) + Var(decide) - Var(sample)]`. It is bounded where the normal interval of the
    gain does not hold 0; there is a share where neither that nor the interval of the gain does. So at 95 % about one comparison
    in twenty, at most, gets a wrong interval. Most of these are comparisons whose gain is hardly larger than its error: there
    chance made the gain larger, and the share smaller.

    Args:
        parts: "gain" and "decide", among others.
        spreads: of "gain", "sample" and "decide".
        level: of the interval.
    """
    gain, decide = parts["gain"], parts["decide"].value
    assert gain.value is not None
    assert decide is not None
    if any(one.low <= 0 <= one.high for one in (gain, spreads["gain"].around(gain.value, level))):
        why = "the gain may be zero, and a share of nothing has no meaning"
        return Estimate.missing(why, level=level, low=-np.inf, high=np.inf)
    whole, sample, part = (spreads[name].error ** 2 for name in ("gain", "sample", "decide"))
    share, size, units = decide / gain.value, abs(gain.value), spreads["gain"].units

    def around(theta: float) -> Estimate:
        """Return 0 with the interval that decide - theta gain has around its mean."""
        error = np.sqrt(max(part + theta * theta * whole - theta * (whole + part - sample), 0.0))
        return Spread(float(error), spreads["decide"].bias + abs(theta) * spreads["gain"].bias, units).around(0.0, level)

    def end(side: int) -> float:
        """Return where the interval ends: beyond, the half width grows more slowly than the distance to the share."""
        inside, step = 0.0, around(share).high / size
        while step and around(share + side * (inside + step)).high >= size * (inside + step):
            inside, step = inside + step, 2 * step
        for _ in range(_HALVINGS):
            step /= 2
            if around(share + side * (inside + step)).high >= size * (inside + step):
                inside += step
        return share + side * inside

    return Estimate(share, end(-1), end(1), level, f"Fieller; {around(share).method}", caution=parts["decide"].caution)


# ---------------------------------------------------------------------- first answers


@dataclass(frozen=True)
class FirstAnswers:
    """First answers of two logs.

    Attributes:
        before, after: P(first answer right).
        gain: after - before.
        shared: number of problems that both logs are about.
        notes: what a reader must know.
    """

    before: Estimate
    after: Estimate
    gain: Estimate
    shared: int
    notes: tuple[str, ...]


def compare_first_answers(
    before: Episodes | HoldsEpisodes, after: Episodes | HoldsEpisodes, *, level: float = 0.95, why: str = ""
) -> FirstAnswers:
    """Compare the first answers of two logs.

    Args:
        before, after: the logs.
        level: of the intervals.
        why: a note: the reason why nothing else is compared.

    >>> from dstheory.anatomy import Episodes
    >>> one, two = (Episodes.record([(str(i), [(i % n == 0, None)]) for i in range(60)], cap=1) for n in (3, 2))
    >>> compare_first_answers(one, two).gain.text(2)
    '0.17 [-0.01, 0.33]'
    """
    sides = Side.both(episodes_of(before, some=True), episodes_of(after, some=True))
    rates = [rate(side.table, "first_correct", "episodes", level=level) for side in sides]
    moved = []
    for side, estimate in zip(sides, rates, strict=True):
        assert estimate.value is not None  # a log has episodes
        rest = side.log.correct[side.log.offsets[:-1]] - estimate.value
        moved.append(np.bincount(side.log.problem, weights=rest, minlength=len(side.episodes)))
    gain = _paired(rates[0], rates[1], (moved[0], moved[1]), min(side.problems for side in sides))
    note = _overlap(sides, "those of one log may be harder")
    return FirstAnswers(rates[0], rates[1], gain, _shared(sides), (note, *([why] if why else [])))


# ---------------------------------------------------------------------- what is said about it


def _missing(found: Row) -> str:
    """Return why a log cannot be split, "" if it can."""
    if found.a.value is None and found.b.value is None and found.p.value is not None:
        return "no attempt was followed by a decision, so neither P(stop | correct) nor P(resample | wrong) can be estimated"
    return next((one.reason for one in (found.p, found.a, found.b) if one.value is None), "")


def _common_cap(before: Episodes, after: Episodes) -> int:
    caps = np.unique(np.concatenate([before.cap, after.cap]))
    if len(caps) == 1:
        return int(caps[0])
    shown = ", ".join("none" if c == 0 else str(c) for c in caps[:6])
    raise RecordError(f"the logs have no cap in common (there are {shown}): say at which cap to compare, 0 for none")


def _shared(sides: tuple[Side, Side]) -> int:
    return int(np.count_nonzero((sides[0].episodes > 0) & (sides[1].episodes > 0)))


def _overlap(sides: tuple[Side, Side], otherwise: str) -> str:
    """Say how many problems both logs are about, and what it means where those of one are not in the other."""
    shared, (one, other) = _shared(sides), (side.problems for side in sides)
    if shared == one == other:
        return f"both logs are about the same {counted(shared, 'problem') if shared > 1 else 'problem'}"
    if not shared:
        return f"the logs share no problem ({one:,} and {counted(other, 'problem')}): {otherwise}"
    return f"{counted(shared, 'problem is', 'problems are')} in both logs, of {one:,} and {other:,}: {otherwise}"


def _notes(sides: tuple[Side, Side], names: tuple[str, str], shown: list[bool], decide: Spread, cap: int) -> tuple[str, ...]:
    notes = [_overlap(sides, "that those of one log may be harder counts as sampling")]
    where = "without a cap" if cap == 0 else f"at a cap of {cap}"
    for side, is_shown, which in zip(sides, shown, names, strict=True):
        if not is_shown:
            notes.append(f"{which} does not show its accuracy {where}: it is estimated, with one a, b for all problems")
        for name in "ab":
            if fit_rate(side.table, name).p_value < _DIFFERS:
                notes.append(f"{name} differs between problems of {which}, and the parts take it as the same for all")
        who = decided_by(side.log, row(side.table))
        if who not in (MODEL, ASSUMED):
            notes.append(f"in {which}, decided by: {who}; what decisions give there is not the model's")
        if (side.log.capped & (side.log.attempts != side.log.cap)).any():
            notes.append(f"episodes of {which} ended without a stop before their cap: each counts as capped there")
    if off := unseen(decide):
        notes.append(f"{TOO_SHORT}: the parts may be off by {off:.2g} beside chance, which their intervals allow for")
    return tuple(notes)


def unseen(decide: Spread) -> float:
    """Return by how much parts may be off since no episodes show how problems differ; 0 where that is not worth a note."""
    return decide.bias if decide.bias > max(_UNSEEN, decide.error / 2) else 0.0
