r"""How far a split of a gain rests on what it assumes: the same logs split again without one assumption.

The split (:mod:`dstheory.anatomy.difference`) allows problems of any p. It assumes that the attempts at a problem are
independent, with one p, and that a and b are the same for all problems, in all rounds, and whatever the answer before. Where a
test rejects one of these, other than that problems are alike, the split is made again without it, and the two are compared.

**Reweighting** assumes nothing about answers: they may depend on each other, on the round and on the problem. With y_k = 1 for
a right k-th answer and :math:`\rho_s` the chance that log s goes on (1 - a after a right answer, b after a wrong one), the
accuracy of what log s samples under the decisions of log t is

.. math:: Acc(s, t) = E\Big[y_1 + \sum_{k \ge 2} w_k (y_k - y_{k-1})\Big], \qquad w_k = \prod_{j < k} \rho_t(j) / \rho_s(j),

over the episodes of log s as they are: the last answer is the first one plus all changes, and w_k is how much more often
attempt k takes place. From the round on in which episodes count for fewer than five (by their weights,
:math:`(\sum w)^2 / \sum w^2`), any answers are allowed for. Chances :math:`\rho` are counted over all decisions; where a or b
changes with the round, apart for rounds 1, 2, 3 and later; where it depends on the answer before, apart for first answers,
answers after a wrong and after a right one.

**Unlike problems.** Which problems have the larger a and b cannot be told from an episode or two of each: logs look alike in
which they go with p, and the split is off by hundredths, and in which they do not. So nothing is said of how much that matters.
Where a split is the mean of those within labels, it is enough that problems of one label are alike, which :func:`alike_within`
tests.

Source: Precup, Sutton and Singh (2000), importance sampling per decision; the rest is derived here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from dstheory.anatomy.difference import Compared, Mean, Side, Spread
from dstheory.anatomy.episodes import Episodes
from dstheory.anatomy.model_checks import MOST_SIMULATED, Dispersion, Test, beyond, dispersion, simulated_scores, trials_of
from dstheory.anatomy.rates import Estimate
from dstheory.checks import Floats, Ints
from dstheory.texts import counted

LEFT_OUT = {
    "trend within episodes": "",
    "dependence within episodes": "",
    "p over rounds": "",
    "a and the answer before": "answer before",
    "b and the answer before": "answer before",
    "a over rounds": "rounds",
    "b over rounds": "rounds",
    "a over problems": "problems",
    "b over problems": "problems",
}
"""Tests of what the split assumes, and what the chances to go on are counted apart for without it. That p is the same for all
problems (the test "p over problems") is not assumed."""

_FEWEST_EPISODES = 5  # that an accuracy in a round is taken from, counted by their weights
_FEWEST = 5  # of the decisions to go on from which a chance is counted that others are divided by
_GROUPS = {"": (1,), "rounds": (4, 3, 2), "answer before": (3,)}  # numbers of groups of decisions, to be tried in turn


@dataclass(frozen=True)
class Moved:
    """By how much the part of decisions would be larger without an assumption.

    Attributes:
        mean: that, in units of accuracy; None where it cannot be seen.
        units: number of problems behind its error.
        reason: why it cannot be seen, "" if it can.
    """

    mean: Mean | None
    units: int
    reason: str = ""

    def estimate(self, level: float, over: float = 1.0) -> Estimate:
        """Return it with its interval, divided by ``over``; missing where that is 0."""
        if self.mean is None or not over:
            return Estimate.missing(self.reason or "the gain may be zero", level=level, low=-np.inf, high=np.inf)
        spread = self.mean.spread(self.units)
        return Spread(spread.error / abs(over), spread.bias / abs(over), self.units).around(self.mean.value / over, level)


def moved(compared: Compared, test: str) -> Moved:
    """Return by how much the part of decisions would be larger without the assumption of a test.

    Args:
        compared: the two logs.
        test: a key of `LEFT_OUT`.

    >>> from dstheory.anatomy import simulate_log
    >>> logs = [simulate_log(900, p=0.4, a=0.8, b=b, cap=5, concentration=1.0, rng=i) for i, b in enumerate((0.4, 0.8))]
    >>> [moved(Compared.of(*logs), test).estimate(0.95).text(2) for test in ("trend within episodes", "b over rounds")]
    ['0.01 [-0.00, 0.03]', '0.01 [-0.01, 0.02]']
    """
    units, what = compared.units, LEFT_OUT[test]
    if what == "problems":
        return Moved(None, units, f"no log tells which problems have the larger {test[0]}")
    if not all(mean.shown for mean in compared.own):
        return Moved(None, units, "the logs do not show their accuracies at this cap")
    reason = ""
    for groups in _GROUPS[what]:
        cells = [_cells(side.log, what, test[0] == "a", groups) for side in compared.sides]
        reason = _too_few(compared, cells, 2 * groups)
        if not reason:
            return Moved(compared.settled(_reweighted(compared, cells, 2 * groups) - compared.decide), units)
    return Moved(None, units, reason)


# ---------------------------------------------------------------------- reweighting


def _cells(log: Episodes, what: str, right: bool, groups: int) -> Ints:
    """(M,) the kind of decision that follows each attempt: twice its group, and one more after a right answer.

    Groups are those of decisions after right answers, or of those after wrong ones; the others are one group.
    """
    if what == "answer before":
        before = np.concatenate([[False], log.correct[:-1]])
        group = np.where(log.round > 0, 1 + before, 0)
    else:
        group = np.minimum(log.round, groups - 1)
    return np.asarray(2 * np.where(log.correct == right, group, 0) + log.correct)


def _too_few(compared: Compared, cells: Sequence[Ints], kinds: int) -> str:
    """Say why chances to go on cannot be divided by each other; "" if they can: both are counted well, or both are 0."""
    seen = [np.bincount(cell[side.log.decided & ~side.log.stopped], minlength=kinds)
            for side, cell in zip(compared.sides, cells, strict=True)]  # fmt: skip
    for kind, (first, second) in enumerate(zip(*seen, strict=True)):
        if min(first, second) < _FEWEST and max(first, second) > 0:
            name, least = min(zip(compared.names, (first, second), strict=True), key=lambda pair: int(pair[1]))
            after = ("wrong", "right")[kind % 2]
            return (
                f"for that each model must go on after {after} answers at least {_FEWEST} times in each case that is told apart, "
                f"and {name} did so {least} time{'' if least == 1 else 's'} in one; a longer log would show it"
            )
    return ""


def _reweighted(compared: Compared, cells: Sequence[Ints], kinds: int) -> Mean:
    """Estimate what decisions contribute to the gain, whatever the answers of an episode do."""
    chances, moves = zip(*(_going_on(side, cell, kinds) for side, cell in zip(compared.sides, cells, strict=True)), strict=True)
    other: list[Mean] = []
    slopes = np.zeros(kinds)  # of the part, with respect to the logarithms of the second log's chances over the first's
    for s, (side, cell) in enumerate(zip(compared.sides, cells, strict=True)):
        values, slope, bias = _under(side, cell, chances[s], chances[1 - s], compared.cap)
        value, influence = side.over_problems(values)
        other.append(Mean(value, influence, np.zeros(4), bias))
        slopes += 0.5 * slope
    part = 0.5 * ((other[0] - compared.own[0]) + (compared.own[1] - other[1]))
    return Mean(part.value, part.influence + slopes @ (moves[1] - moves[0]), part.slopes, part.bias)


def _going_on(side: Side, cell: Ints, kinds: int) -> tuple[Floats, Floats]:
    """Return (kinds,) chances to go on, and (kinds, P) what each problem moves their logarithms by."""
    log = side.log
    at = np.flatnonzero(log.decided)
    on, kind, problem = ~log.stopped[at], cell[at], log.problem[log.episode[at]]
    trials, times = np.bincount(kind, minlength=kinds), np.bincount(kind, weights=on, minlength=kinds)
    chance = np.divide(times, trials, out=np.zeros(kinds), where=trials > 0)
    size = len(side.episodes)
    rest = np.bincount(kind * size + problem, weights=on - chance[kind], minlength=kinds * size).reshape(kinds, size)
    return chance, np.divide(rest, times[:, None], out=np.zeros(rest.shape), where=times[:, None] > 0) * side.small()


def _under(side: Side, cell: Ints, own: Floats, other: Floats, cap: int) -> tuple[Floats, Floats, float]:
    """Return what a log's accuracy is under the other log's chances to go on.

    Returns:
        (N,) per episode; (kinds,) how their mean moves with the logarithms of the ratios of chances; how far it may be off, since
        from the round on which too few episodes show any answers may follow.
    """
    log, start = side.log, side.log.offsets[:-1]
    ratio = np.divide(other, own, out=np.zeros(len(own)), where=own > 0)
    share = 1 / side.episodes[log.problem] / side.problems
    values, weight = log.correct[start].astype(float), np.ones(len(log))
    passed, slopes = np.zeros((len(ratio), len(log))), np.zeros(len(ratio))
    here = np.arange(len(log))
    for k in range(1, cap or int(log.attempts.max()) + 1):
        going = here[log.attempts[here] > k]
        at = start[going] + k
        weighted = weight[going] * ratio[cell[at - 1]]
        if weighted.sum() ** 2 <= _FEWEST_EPISODES * (weighted @ weighted):
            before = start[here] + k - 1
            on = weight[here] * other[cell[before]]
            values[here] += on * (0.5 - log.correct[before])  # right answers may all become wrong, and wrong ones right
            return values, slopes, 0.5 * float(share[here] @ on)
        weight[going], here = weighted, going
        passed[cell[at - 1], going] += 1
        change = weighted * (log.correct[at].astype(float) - log.correct[at - 1])
        values[going] += change
        slopes += passed[:, going] @ (share[going] * change)
    return values, slopes, 0.0


# ---------------------------------------------------------------------- problems with a and b of their own


def alike_within(
    parts: Sequence[Episodes], names: str = "ab", *, resamples: int = 499, rng: np.random.Generator | int = 0
) -> list[Test]:
    r"""Test whether a or b is the same for all problems of each label: Stouffer's sum of the scores of overdispersion.

    Args:
        parts: the episodes of each label.
        names: which rates; their p-values come from the same simulated logs.
        resamples: simulated logs of each label behind the p-values, where all have 5,000 episodes at most; 0 for none.
        rng: generator or seed.

    >>> from dstheory.anatomy import simulate_log
    >>> from dstheory.anatomy.model_checks import check_problems
    >>> parts = [simulate_log(300, p=0.4, a=a, b=0.8, cap=8, rng=i, name=str(i)) for i, a in enumerate((0.5, 0.9))]
    >>> alike_within(parts, "a")[0].rejected(), check_problems(Episodes.concatenate(parts), "a", resamples=0)[0].rejected()
    (False, True)
    """
    seen = {name: [one for part in parts if (one := dispersion(*trials_of(part, name))).tells] for name in names}
    drawn: list[dict[str, Floats]] = [{}]
    if resamples and any(seen.values()) and sum(map(len, parts)) <= MOST_SIMULATED:
        generator = np.random.default_rng(rng)
        drawn = [simulated_scores(part, names, resamples, generator) for part in parts]
    return [_of_labels(name, seen[name], [of[name] for of in drawn] if all(drawn) else []) for name in names]


def _of_labels(name: str, found: Sequence[Dispersion], drawn: Sequence[Floats]) -> Test:
    what, null = f"{name} over problems", f"problems of one label have the same {name}"
    if not found:
        return Test.missing(what, null, "no label shows differences between its problems")
    scores, simulated = [one.z.item() for one in found], None
    if drawn:
        of_logs = np.array(drawn)
        telling = np.count_nonzero(~np.isnan(of_logs), axis=0)
        simulated = np.nansum(of_logs, axis=0)[telling > 0] / np.sqrt(telling[telling > 0])
    z = sum(scores) / sqrt(len(scores))
    p_value, method = beyond(z, simulated)
    effect = f"scores within labels: {', '.join(f'{score:.2f}' for score in scores[:12])}"
    method = f"sum of {counted(len(scores), 'score')} of overdispersion (Tarone), {method}"
    return Test(what, null, z, None, p_value, effect, sum(one.df.item() for one in found), method)
