r"""The threshold of a score that separates right from wrong samples best, and what it is worth on other problems.

The best threshold has the largest a + b - 1, the greatest of those that do. Chosen and judged on the same samples that figure
is too good. So the problems are split at random into halves, the threshold is chosen on each half and judged on the other, and
every sample is judged once by a threshold chosen without its problem; the mean over many splits is the figure for new problems.

Source: derived here; a + b - 1 is the index of Youden (1950); sample splitting by clusters as in
:mod:`dstheory.anatomy.holdout`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dstheory.checks import Bools, Floats, Ints


@dataclass(frozen=True)
class Best:
    """The threshold with the largest a + b - 1, and what it is worth.

    Attributes:
        threshold: chosen on all problems; None where all samples are right or all are wrong.
        same: a + b - 1 and accuracy on the samples that it was chosen on.
        held_out: likewise on problems that it was not chosen on, means over the splits; None where there was no split.
        held_out_range: a + b - 1 in the middle 90 % of the splits.
        thresholds: chosen on halves: 5 %, 50 % and 95 % of them lie below.
        splits: number of splits, each of two halves.
        reason: why there is no threshold, or no split; empty if there is.
    """

    threshold: float | None
    same: tuple[float, float] | None
    held_out: tuple[float, float | None] | None
    held_out_range: tuple[float, float] | None
    thresholds: tuple[float, float, float] | None
    splits: int
    reason: str = ""


def best_threshold(right: Bools, code: Ints, values: Floats, problem: Ints, splits: int, rng: np.random.Generator) -> Best:
    """Choose the threshold and judge it on problems that it was not chosen on.

    Args:
        right: (N,) which samples are right.
        code: (N,) index of the score of each among the values.
        values: (K,) the scores, ascending.
        problem: (N,) from 0 without gaps.
        splits: number of splits into halves.
        rng: draws them.

    >>> right, code, problem = np.array([True, False] * 4), np.array([1, 0] * 3 + [0, 1]), np.repeat(np.arange(4), 2)
    >>> found = best_threshold(right, code, np.array([0.1, 0.9]), problem, 20, np.random.default_rng(0))
    >>> found.threshold, found.same, found.held_out
    (0.9, (0.5, 0.75), (0.5, 0.75))
    """
    if right.all() or not right.any():
        reason = f"all samples are {'right' if right.any() else 'wrong'}: no threshold is better than another"
        return Best(None, None, None, None, None, 0, reason)
    size = len(values)
    good, bad = (np.bincount(code[those], minlength=size) for those in (right, ~right))
    chosen = _largest(good, bad)
    same = _judged(int(good[chosen:].sum()), int(bad[chosen:].sum()), int(good.sum()), int(bad.sum()))
    assert same[1] is not None
    found: list[tuple[float, float | None]] = []
    thresholds: list[float] = []
    problems = int(problem.max()) + 1
    for _ in range(splits if problems > 1 else 0):
        half = np.zeros(problems, dtype=bool)
        half[rng.permutation(problems)[: problems // 2]] = True
        inside = half[problem]
        good_in, bad_in = (np.bincount(code[those & inside], minlength=size) for those in (right, ~right))
        sides = ((good_in, bad_in), (good - good_in, bad - bad_in))
        if not all(x.any() for side in sides for x in side):
            continue
        picks = [_largest(*side) for side in sides]
        taken = [sum(int(sides[1 - i][j][k:].sum()) for i, k in enumerate(picks)) for j in (0, 1)]
        found.append(_judged(taken[0], taken[1], int(good.sum()), int(bad.sum())))
        thresholds += [float(values[k]) for k in picks]
    best = Best(float(values[chosen]), (same[0], same[1]), None, None, None, len(found))
    if not found:
        few = "1 problem has" if problems == 1 else f"{problems:,} problems have"
        return replace(best, reason=f"{few} no two halves with right and wrong samples: nothing is held out")
    gains, accuracies = np.array([one[0] for one in found]), [one[1] for one in found if one[1] is not None]
    low, middle, high = (float(x) for x in np.quantile(thresholds, (0.05, 0.5, 0.95), method="inverted_cdf"))
    return replace(
        best,
        held_out=(float(gains.mean()), float(np.mean(accuracies)) if accuracies else None),
        held_out_range=(float(np.quantile(gains, 0.05)), float(np.quantile(gains, 0.95))),
        thresholds=(low, middle, high),
    )


def _largest(good: Ints, bad: Ints) -> int:
    """Return the index of the threshold with the largest a + b - 1; of equal ones the greatest, which some sample has.

    The differences are compared as whole numbers, so that equal ones are equal.
    """
    m, n = int(good.sum()), int(bad.sum())
    gain = np.cumsum(good[::-1]).astype(np.int64) * n - np.cumsum(bad[::-1]).astype(np.int64) * m
    return len(gain) - 1 - int(np.argmax(gain))


def _judged(good: int, bad: int, m: int, n: int) -> tuple[float, float | None]:
    """Return a + b - 1, and the share of right ones among those accepted."""
    return good / m - bad / n, good / (good + bad) if good + bad else None
