r"""Answers revised in turn where no decision of the model's shows: a draft and a final answer, or a fixed number of turns.

A record is a chain of answers :math:`y_1, y_2, \ldots`, right or wrong. With no decisions there is neither a nor b; there are

.. math:: P(y_1), \qquad P(y_{k+1} \mid y_k \text{ right}), \qquad P(y_{k+1} \mid y_k \text{ wrong}).

**Two readings.** The chain of this package draws each answer afresh: given the problem, right with chance :math:`p_x` whatever
came before (*afresh*). The self-correction chain of the literature lets the next answer depend on the former (*Markov*):
:math:`Acc_{k+1} = w + (r - w) Acc_k` with r and w the two rates above, which tends to :math:`w/(1 - r + w)` unless r = 1 and
w = 0, where it stays, or r = 0 and w = 1, where it alternates (claim A6). Problems
that differ make right follow right in either reading: pooled over problems whose :math:`p_x` varies, fresh answers have

.. math:: P(\text{right} \mid \text{right}) = E[p_x^2]/E[p_x] > E[p_x] .

So pooled rates decide nothing. What is compared stays within a problem:

- **records of one problem**: next answers are compared among the records of one problem at one turn. If they do not depend on the
  former answers, any pairing of former with next answers is equally likely, given how many of either are right, whatever
  :math:`p_x` is and however it changes from turn to turn. The number of records that are right twice is hypergeometric. The
  difference of the rates is that of Mantel and Haenszel, :math:`\sum (x_1 n_0 - x_0 n_1)/n \big/ \sum n_1 n_0/n`, with
  :math:`x_1` of :math:`n_1` records right after a right and :math:`x_0` of :math:`n_0` after a wrong answer. Needs two records of
  a problem;
- **order within a record**: given how many of its answers are right, fresh ones have every order alike. Right ones that come late
  say that p changes (with two answers this is McNemar's test); few changes between right and wrong say that answers repeat the
  former one. Needs three answers, and a number of answers that does not depend on them;
- **fewer right after right than after wrong**: no mixture of problems with one :math:`p_x` each does that, so that direction
  alone is tested where each problem has one record of two answers. The other direction cannot be told from problems that differ:
  undecided;
- the Markov reading itself: given the former answer, does the next depend on the one before that? As above, among the records of
  one problem that have the same former answer.

What no test here can tell apart: records of one problem that are themselves unlike (other prompts, other contexts, a checkpoint
that the log does not name) make right follow right too.

Intervals have problems as units (:mod:`dstheory.anatomy.rates`).

Source: arXiv 2412.19513, 2508.16456 for the Markov reading; McNemar (1947), Mantel and Haenszel (1959); the rest is derived here.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from dstheory.anatomy.answers import better_less_worse, rate_difference
from dstheory.anatomy.episodes import Episodes, HoldsEpisodes, episodes_of
from dstheory.anatomy.model_checks import Test
from dstheory.anatomy.orders import LONGEST, Sum, changes, overlap, rank_sum, sum_of
from dstheory.anatomy.rates import Estimate, correlation_of, left_out, over_problems
from dstheory.anatomy.votes import groups_of
from dstheory.checks import Bools, Floats, Ints
from dstheory.texts import counted

_TURNS = 30  # listed one by one
_FRESH = ("later answers", "repeated answers", "records of one problem", "right after right is rarer")
_SIZE = 0.05


@dataclass(frozen=True)
class TurnRates:
    """The answers of one turn.

    Attributes:
        turn: from 1.
        records: that have it.
        right: share of right answers.
        afresh, markov: what either reading says, with rates of all turns together; None where a rate is missing.
    """

    turn: int
    records: int
    right: Estimate
    afresh: float | None
    markov: float | None


@dataclass(frozen=True)
class Revisions:
    """What chains of answers say.

    Attributes:
        shortest, longest: numbers of answers of a record.
        records, problems, revised: how many; records with at least two answers.
        first, last: P(first answer right), P(last answer right).
        gain: last less first, over all records.
        right_to_right, wrong_to_right: P(next right | right), P(next right | wrong), over all problems.
        difference: the first less the second: what pooling over problems shows.
        others_right, others_wrong: the same two rates with next answers of *other* records of the problem: what fresh answers
            give where problems are as unlike as these.
        within: the difference within problems; 0 if answers are drawn afresh.
        limit: where the Markov reading ends, w/(1 - r + w); None if it has no limit or a rate is missing.
        turns: the first 30.
        tests: of the reading afresh, and last of the Markov reading.
        afresh, markov: "rejected", "not rejected" or "undecided".
        why: what was decided, in a sentence.
        notes: what a reader must know.
    """

    shortest: int
    longest: int
    records: int
    problems: int
    revised: int
    first: Estimate
    last: Estimate
    gain: Estimate
    right_to_right: Estimate
    wrong_to_right: Estimate
    difference: Estimate
    others_right: Estimate
    others_wrong: Estimate
    within: Estimate
    limit: float | None
    turns: tuple[TurnRates, ...]
    tests: tuple[Test, ...]
    afresh: str
    markov: str
    why: str
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Steps:
    """All pairs of neighbouring answers: (n,) each.

    Attributes:
        before, after: whether right.
        problem: index of the problem.
        cell: group of alike records, and turn; numbered without gaps.
        at: where the former answer stands among all answers.
        turn: of the former answer, from 0.
    """

    before: Bools
    after: Bools
    problem: Ints
    cell: Ints
    at: Ints
    turn: Ints

    @classmethod
    def of(cls, episodes: Episodes) -> _Steps:
        inner = np.ones(len(episodes.correct), dtype=bool)
        inner[episodes.last] = False
        at = np.flatnonzero(inner)
        record, turn = episodes.episode[at], episodes.round[at]
        longest = int(episodes.attempts.max(initial=1))
        cell = np.unique(groups_of(episodes)[record] * longest + turn, return_inverse=True)[1]
        return cls(episodes.correct[at], episodes.correct[at + 1], episodes.problem[record], cell, at, turn)

    def sums(self, values: Bools | None = None) -> Floats:
        """(cells,) sums over each cell; counts without ``values``."""
        return np.bincount(self.cell, weights=values, minlength=int(self.cell.max(initial=-1)) + 1).astype(float)


def measure_revisions(episodes: Episodes | HoldsEpisodes, *, level: float = 0.95) -> Revisions:
    """Say what chains of answers say.

    Args:
        episodes: records of at least one answer each; their decisions are not looked at.
        level: coverage of intervals.

    >>> right, wrong = (True, "resample"), (False, "resample")
    >>> log = Episodes.record([("x", [right, right]), ("x", [wrong, wrong]), ("y", [wrong, right]), ("y", [right, wrong])], cap=2)
    >>> found = measure_revisions(log)
    >>> found.first.value, found.right_to_right.value, found.wrong_to_right.value, found.afresh
    (0.5, 0.5, 0.5, 'not rejected')
    """
    episodes = episodes_of(episodes, some=True)
    steps = _Steps.of(episodes)
    firsts = episodes.correct[episodes.offsets[:-1]]
    lasts = episodes.final_correct
    first, last = (_share(values, episodes.problem, level) for values in (firsts, lasts))
    kept, mended = (_after(steps, which, level) for which in (True, False))
    difference = _pooled_difference(steps, kept, mended)
    lengths = episodes.attempts
    fixed = bool(lengths.min() == lengths.max())
    order, pairs = _orders(episodes, fixed), _pairs(steps, fixed)
    tests = (*order, pairs, _rarer(episodes, steps, fixed), _second_order(episodes, steps, fixed))
    within = _within(steps, level)
    afresh, markov, why = _verdicts(tests, difference, within)
    return Revisions(
        shortest=int(lengths.min()),
        longest=int(lengths.max()),
        records=len(episodes),
        problems=episodes.n_problems,
        revised=int(np.count_nonzero(lengths > 1)),
        first=first,
        last=last,
        gain=_gain(episodes, firsts, lasts, level),
        right_to_right=kept,
        wrong_to_right=mended,
        difference=difference,
        others_right=_others(steps, True, level),
        others_wrong=_others(steps, False, level),
        within=within,
        limit=_limit(kept, mended),
        turns=tuple(_turns(episodes, first, kept, mended, level)),
        tests=tests,
        afresh=afresh,
        markov=markov,
        why=why,
        notes=_notes(episodes, steps),
    )


# ---------------------------------------------------------------------- rates


def _after(steps: _Steps, right: bool, level: float) -> Estimate:
    """P(next answer right) after a right or a wrong one."""
    those = steps.before == right
    if not those.any():
        return Estimate.missing(f"no {_word(right)} answer was followed by another", level=level)
    return _share(steps.after[those], steps.problem[those], level)


def _others(steps: _Steps, right: bool, level: float) -> Estimate:
    """The same with the next answers of the other records of the problem."""
    n, d = steps.sums()[steps.cell], steps.sums(steps.after)[steps.cell]
    those = (steps.before == right) & (n > 1)
    if not those.any():
        return Estimate.missing(f"no problem has another record beside one with a {_word(right)} answer", level=level)
    values = (d - steps.after)[those] / (n - 1)[those]
    return over_problems(values, steps.problem[those], int(np.count_nonzero(those)), level)


def _within(steps: _Steps, level: float) -> Estimate:
    """Difference within problems, after Mantel and Haenszel; half of it plus one half is a mean of values in [0, 1]."""
    n, n1 = steps.sums(), steps.sums(steps.before)
    x1, d = steps.sums(steps.before & steps.after), steps.sums(steps.after)
    both = np.flatnonzero((n1 > 0) & (n1 < n))
    if not len(both):
        why = "no problem has records with a right and with a wrong former answer at one turn"
        return Estimate.missing(why, level=level, low=-1.0)
    n, n1, x1, d = n[both], n1[both], x1[both], d[both]
    problem = np.zeros(int(steps.cell.max()) + 1, dtype=np.int64)
    problem[steps.cell] = steps.problem
    values = (x1 / n1 - (d - x1) / (n - n1) + 1) / 2
    half = over_problems(np.clip(values, 0.0, 1.0), problem[both], int(n.sum()), level, weights=n1 * (n - n1) / n)
    assert half.value is not None
    return replace(half, value=2 * half.value - 1, low=2 * half.low - 1, high=2 * half.high - 1)


def _pooled_difference(steps: _Steps, kept: Estimate, mended: Estimate) -> Estimate:
    moved = (_moved(steps.after, steps.problem, steps.before == right) for right in (True, False))
    return rate_difference(kept, mended, correlation_of(*moved))


def _gain(episodes: Episodes, firsts: Bools, lasts: Bools, level: float) -> Estimate:
    """How much more often last answers are right, from the shares of records that got better and that got worse."""
    moves = (lasts & ~firsts, firsts & ~lasts)
    better, worse = (_share(values, episodes.problem, level) for values in moves)
    moved = (_moved(values, episodes.problem, np.ones(len(values), dtype=bool)) for values in moves)
    return better_less_worse(better, worse, correlation_of(*moved))


def _moved(values: Bools, problem: Ints, among: Bools) -> Floats:
    """Return what each problem moves the share of true values by, among some, as in the jackknife of rates."""
    size = int(problem.max(initial=-1)) + 1
    trials, right = (np.bincount(problem[those], minlength=size) for those in (among, among & values))
    return left_out(right - right.sum() / max(trials.sum(), 1) * trials, trials, float(trials.sum()))


def _limit(kept: Estimate, mended: Estimate) -> float | None:
    if kept.value is None or mended.value is None or (kept.value, mended.value) in ((1.0, 0.0), (0.0, 1.0)):
        return None
    return mended.value / (1 - kept.value + mended.value)


def _turns(episodes: Episodes, first: Estimate, kept: Estimate, mended: Estimate, level: float) -> list[TurnRates]:
    lengths = episodes.attempts
    fixed = lengths.min() == lengths.max()  # else those that reach a turn are a selection
    mean = float(episodes.correct.mean()) if fixed else None
    known = fixed and kept.value is not None and mended.value is not None
    markov = first.value if known else None
    out = []
    for k in range(min(int(lengths.max()), _TURNS)):
        there = np.flatnonzero(lengths > k)
        right = _share(episodes.correct[episodes.offsets[:-1][there] + k], episodes.problem[there], level)
        out.append(TurnRates(k + 1, len(there), right, mean, markov))
        if markov is not None:
            assert kept.value is not None
            assert mended.value is not None
            markov = mended.value + (kept.value - mended.value) * markov
    return out


def _share(values: Bools, problem: Ints, level: float) -> Estimate:
    """The share of those that are right, and what it was counted from."""
    found = over_problems(values.astype(float), problem, len(values), level)
    return replace(found, successes=int(np.count_nonzero(values)), trials=len(values))


def _word(right: bool) -> str:
    return "right" if right else "wrong"


# ---------------------------------------------------------------------- tests


def _orders(episodes: Episodes, fixed: bool) -> tuple[Test, Test]:
    """Test the order of right and wrong answers within records."""
    later = (_FRESH[0], "answers of one record are right equally often at every turn")
    repeat = (_FRESH[1], "given how many answers of a record are right, every order of them is equally likely")
    m = min(int(episodes.attempts.max()), LONGEST)
    if not fixed or m < 2:
        why = "no record has two answers" if m < 2 else "numbers of answers differ, and may depend on the answers"
        return Test.missing(*later, why), Test.missing(*repeat, why)
    right = episodes.correct.reshape(len(episodes), -1)[:, :m]
    c = right.sum(axis=1)
    right, c = right[(c > 0) & (c < m)], c[(c > 0) & (c < m)]
    if not len(c):
        why = "no record has both right and wrong answers"
        return Test.missing(*later, why), Test.missing(*repeat, why)
    kinds: Counter[tuple[int, ...]] = Counter((m, k) for k in c.tolist())
    ranks = right @ np.arange(1, m + 1) - c * (c + 1) // 2
    if m == 2:
        better, worse = int((~right[:, 0]).sum()), int(right[:, 0].sum())
        effect = f"{counted(better, 'record')} went from wrong to right, {worse:,} from right to wrong"
    else:
        middle = (ranks + c * (c + 1) / 2 - c * (m + 1) / 2) * m / (c * (m - c))
        effect = f"right answers come {float(middle.mean()):+.2f} turns later than wrong ones on average"
    trend = Test.of_sum(*later, sum_of(float(ranks.sum()), kinds, rank_sum), effect, "rank sum within records")
    if m == 2:
        return trend, Test.missing(*repeat, "two answers of a record leave no order but better or worse", n=len(c))
    changed = (right[:, 1:] != right[:, :-1]).sum(axis=1)
    expected = sum(times * 2 * k * (m - k) / m for (_, k), times in kinds.items())
    often = f"outcomes change {float(changed.sum()) / expected:.2f} times as often as those of fresh answers"
    return trend, Test.of_sum(*repeat, sum_of(float(changed.sum()), kinds, changes), often, "changes within records")


def _pairs(steps: _Steps, fixed: bool) -> Test:
    """Test whether next answers depend on former ones, among the records of one problem."""
    name, null = _FRESH[2], "among the records of one problem, the next answer does not depend on the former"
    n = steps.sums().astype(np.int64)
    if not len(n) or n.max() < 2:
        return Test.missing(name, null, "no problem has two records", n=len(n))
    found = _overlaps(steps.cell, steps.before, steps.after, exact=fixed)
    why = "no problem has records that differ in the former and in the next answer"
    return Test.of_sum(name, null, found, _telling(found), "right twice, hypergeometric", why, n=len(n))


def _rarer(episodes: Episodes, steps: _Steps, fixed: bool) -> Test:
    """Test, of one record of two answers for each problem, what no mixture of problems explains."""
    name, null = _FRESH[3], "right answers are right again at least as often as wrong ones become right"
    if not fixed or episodes.attempts.max() != 2 or len(episodes) > episodes.n_problems:
        return Test.missing(name, null, "only asked of one record of two answers for each problem", n=len(steps.before))
    found = _overlaps(np.zeros(len(steps.before), dtype=np.int64), steps.before, steps.after, exact=True)
    if not found.informative:
        return Test.missing(name, null, "all former or all next answers are alike", n=len(steps.before))
    return replace(Test.of_sum(name, null, found, "", "right twice, hypergeometric, one-sided"), p_value=found.lower)


def _second_order(episodes: Episodes, steps: _Steps, fixed: bool) -> Test:
    """Test whether the next answer depends on the one before the former, given the former."""
    name, null = "the answer before the former", "given the former answer, the next does not depend on the one before"
    later = np.flatnonzero(steps.turn > 0)
    if not len(later):
        return Test.missing(name, null, "no record has three answers")
    before = episodes.correct[steps.at[later] - 1]
    cell = np.unique(2 * steps.cell[later] + steps.before[later], return_inverse=True)[1]
    found = _overlaps(cell, before, steps.after[later], exact=fixed and int(episodes.attempts.max()) == 3)
    why = "no problem has records that agree in the former answer and differ in those around it"
    return Test.of_sum(name, null, found, _telling(found), "right twice, hypergeometric", why, n=len(later))


def _telling(found: Sum) -> str:
    return f"told by {counted(found.informative, 'group')} of records"


def _overlaps(cell: Ints, before: Bools, after: Bools, *, exact: bool) -> Sum:
    """Compare how many are right before and after with what is expected of each cell by itself."""
    n, c, d, both = (np.bincount(cell, weights=x).astype(np.int64) for x in (None, before, after, before & after))
    kinds: Counter[tuple[int, ...]] = Counter(zip(n.tolist(), c.tolist(), d.tolist(), strict=True))
    return sum_of(float((both - np.maximum(0, c + d - n)).sum()), kinds, overlap, exact=exact)


def _verdicts(tests: tuple[Test, ...], difference: Estimate, within: Estimate) -> tuple[str, str, str]:
    """Return what is decided about either reading, and why."""
    by_name = {test.name: test for test in tests}
    last = tests[-1].p_value
    markov = "undecided" if last is None else "rejected" if last < _SIZE else "not rejected"
    asked = [name for name in _FRESH if by_name[name].p_value is not None]

    def fails(name: str) -> bool:
        p_value = by_name[name].p_value
        return p_value is not None and p_value * len(asked) < _SIZE  # Bonferroni's rule

    able = [name for name in _FRESH[1:3] if name in asked]
    trend = by_name[_FRESH[0]].statistic
    moves = f"later answers are right {'more' if trend is not None and trend > 0 else 'less'} often than earlier ones"
    if fails(_FRESH[2]):
        return "rejected", markov, "within problems, the next answer depends on the former"
    if fails(_FRESH[1]):
        or_that = f"; {moves}, which may be why" if fails(_FRESH[0]) else ""
        return "rejected", markov, f"the order of right and wrong answers within records is not that of fresh ones{or_that}"
    if fails(_FRESH[3]):
        return "rejected", markov, "right after right is rarer than right after wrong, which no mixture of problems explains"
    rest = "" if able else "; whether the next answer depends on the former these records cannot say"
    if fails(_FRESH[0]):
        return "rejected", markov, f"{moves}, so they are not drawn afresh with one chance{rest}"
    if able:
        seen = f"; the difference within problems is {within.text(2)}" if within.value is not None else ""
        return "not rejected", markov, f"the tests find no sign that answers are not drawn afresh{seen}"
    if difference.value is not None and difference.low > 0:
        why = "right follows right more often than wrong: answers that depend on the former do that, and so do unlike problems"
    else:
        why = "there is nothing within a problem to compare"
    return "undecided", markov, f"{why}: several records of each problem would tell"


def _notes(episodes: Episodes, steps: _Steps) -> tuple[str, ...]:
    notes, lengths = [], episodes.attempts
    if not len(steps.before):
        return ("every record has one answer: nothing was revised",)
    if lengths.min() < lengths.max():
        notes.append("numbers of answers differ between records: rates are those of answers that were followed by another")
    elif lengths.max() == 2:
        notes.append(
            "with two answers the Markov reading always reproduces the last accuracy, so that a good fit is not evidence"
        )
    if not steps.before.any():
        notes.append("no right answer was followed by another, as where whoever knows the right answer ends the record")
    return tuple(notes)
