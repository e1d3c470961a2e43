"""What an estimate and a test say: a number with its interval, or the reason why there is none. Never a silent NaN.

Source: the result types are of this package; what fills them is in the files that name their formulas.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

__all__ = ["Estimate", "Test", "smallest_p"]


@dataclass(frozen=True)
class Estimate:
    """One estimated number.

    Attributes:
        value: the point estimate; None if and only if ``reason`` says why there is none.
        low, high: ends of the confidence interval; where nothing can be said, the ends of the range of the quantity.
        level: the coverage that the interval promises.
        method: how the interval was made.
        successes, trials: what a rate was counted from.
        reason: why the value cannot be estimated; empty if it can.

    >>> Estimate(0.75, 0.61, 0.86, 0.95, "Wilson", 30, 40).text()
    '0.750 [0.610, 0.860]'
    >>> Estimate.missing("no attempt was correct", level=0.95).text()
    'no attempt was correct'
    """

    value: float | None
    low: float
    high: float
    level: float
    method: str
    successes: int | None = None
    trials: int | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        if (self.value is None) != bool(self.reason):
            raise ValueError(f"an estimate needs a value or a reason, and not both: got {self.value!r}, {self.reason!r}")
        if self.value is not None and math.isnan(self.value):
            raise ValueError("an estimate must not be NaN: give the reason why there is none")

    @classmethod
    def missing(cls, reason: str, *, level: float, low: float = 0.0, high: float = 1.0) -> Estimate:
        """Return the estimate of what cannot be estimated: the whole range, and why."""
        return cls(None, low, high, level, "none", reason=reason)

    def map(self, function: Callable[[float], float]) -> Estimate:
        """Return the estimate of an increasing function of the quantity; intervals move along."""
        if self.value is None:
            return Estimate.missing(self.reason, level=self.level, low=function(self.low), high=function(self.high))
        return Estimate(
            function(self.value), function(self.low), function(self.high), self.level, self.method, self.successes, self.trials
        )

    def text(self, digits: int = 3) -> str:
        """Return the value with its interval, or the reason."""
        if self.value is None:
            return self.reason
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


@dataclass(frozen=True)
class Test:
    """The result of testing one assumption of the chain.

    Attributes:
        name: what is tested, such as "p over problems".
        null: the assumption, in words.
        statistic: the test statistic, by the name that ``method`` gives it; None if ``reason`` says why there is none.
        df: degrees of freedom of the statistic; None where the null distribution has none (a z score, a bootstrap).
        p_value: probability, under the assumption, of a statistic at least as extreme; None if there is none.
        effect: how large the deviation is, in words with numbers: small p-values on large logs may be small deviations.
        n: number of problems, attempts or decisions that carry information.
        method: the test.
        reason: why it could not be tested; empty if it could.

    >>> Test("p over rounds", "p does not change", 9.2, 3.0, 0.027, "0.5 to 0.3", 80, "chi2").rejected()
    True
    """

    __test__ = False  # a result, not a test case: pytest collects classes of this name

    name: str
    null: str
    statistic: float | None
    df: float | None
    p_value: float | None
    effect: str
    n: int
    method: str
    reason: str = ""

    def __post_init__(self) -> None:
        if (self.p_value is None) != bool(self.reason):
            raise ValueError(f"a test needs a p-value or a reason, and not both: got {self.p_value!r}, {self.reason!r}")

    @classmethod
    def missing(cls, name: str, null: str, reason: str, *, n: int = 0, method: str = "none") -> Test:
        """Return the test of what cannot be tested, and why."""
        return cls(name, null, None, None, None, "", n, method, reason)

    def rejected(self, level: float = 0.05) -> bool | None:
        """Return whether the assumption is rejected; None if it could not be tested."""
        return None if self.p_value is None else self.p_value < level


def smallest_p(tests: Iterable[Test]) -> float | None:
    """Return the smallest p-value times the number of tests that were possible (Bonferroni), at most 1; None if none was."""
    values = [test.p_value for test in tests if test.p_value is not None]
    return min(1.0, min(values) * len(values)) if values else None
