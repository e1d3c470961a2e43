r"""How many attempts to allow: accuracy against the cost of attempts.

**Rule.** An attempt costs as much as ``cost`` of accuracy is worth (0.01: one percentage point). The recommended cap is the
smallest T that maximises

.. math:: Acc_T - cost \cdot E[K_T],

with the last answer submitted at the cap. Attempt T + 1 takes place in a share :math:`E[q^T]` of episodes and raises accuracy by
:math:`E[q^{T-1} p (1-p)(a + b - 1)]`. If all problems are alike the ratio of the two is the same for every T: either one attempt
is right or no cap is needed, whatever the cost. If problems differ, those that are left change with T, and so does the ratio,
down or up (claim G1-cap-loose): a cap in between can be best. A recommendation from the pooled chain is therefore one of the two
extremes, and the heterogeneous chain is the one to use.

Source: derived here (claims A3-cap, G1-cap).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dstheory.anatomy import chain_formulas
from dstheory.anatomy.rollout_chain import RolloutChain
from dstheory.checks import Floats, whole_number
from dstheory.errors import RecordError

__all__ = ["CapAdvice", "CapRow", "advise_cap"]


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
        cap: smallest best T; None if the largest one looked at is still the best, so that no cap up to there is recommended.
        rule: how it was chosen, in words.
        table: caps 1, 2, ...
    """

    cap: int | None
    rule: str
    table: tuple[CapRow, ...]


def advise_cap(chain: RolloutChain, *, cost: float = 0.01, largest: int = 50) -> CapAdvice:
    """Recommend a cap.

    Args:
        chain: fitted to a log; heterogeneous, unless problems are known to be alike.
        cost: accuracy that one attempt is worth, >= 0.
        largest: largest cap to look at.

    Raises:
        RecordError: the cost is negative or not finite.

    >>> from dstheory.anatomy.beta_rate import BetaRate
    >>> advise_cap(RolloutChain.of(0.4, 0.9, 0.9)).cap is None  # alike: the tenth attempt is worth as much as the second
    True
    >>> advise_cap(RolloutChain(BetaRate(0.4, 0.5), BetaRate(0.9), BetaRate(0.9)), cost=0.05).cap
    7
    """
    if not 0 <= cost < np.inf:
        raise RecordError(f"cost is {cost!r}: must be finite and >= 0, in units of accuracy per attempt")
    longest = whole_number(largest, "largest", low=1)
    caps = np.arange(1, longest + 1)
    accuracies, attempts, steps, gains = (np.empty(longest) for _ in range(4))

    def step(p: Floats, a: Floats, b: Floats, k: int) -> Floats:
        q = chain_formulas.resampling(p, a, b)
        return np.asarray([q**k, q ** (k - 1) * p * (1 - p) * (a + b - 1)])

    for i, cap in enumerate(caps.tolist()):
        accuracies[i], attempts[i] = chain.accuracy(cap), chain.attempts(cap)
        steps[i], gains[i] = chain.expect(lambda p, a, b, k=cap: step(p, a, b, k))  # type: ignore[misc]
    net = accuracies - cost * attempts
    # Ties within rounding go to the smaller cap; for problems that are alike the sign of one number says it all.
    best = int(np.argmax(net >= net.max() - 1e-12))
    if chain.homogeneous and longest > 1:
        best = longest - 1 if gains[0] > cost * steps[0] else 0
    rule = f"smallest cap with the largest accuracy - {cost:g} x attempts, caps 1 to {longest}, last answer submitted"
    rows = tuple(
        CapRow(int(t), float(acc), float(n), float(v), float(g / s) if s > 0 else None)
        for t, acc, n, v, s, g in zip(caps, accuracies, attempts, net, steps, gains, strict=True)
    )
    return CapAdvice(None if best == longest - 1 and longest > 1 else best + 1, rule, rows)
