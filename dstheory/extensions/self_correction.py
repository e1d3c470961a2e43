r"""The self-correction chain of the literature, next to the chain of decisions and samples.

After round t an answer is correct with probability :math:`Acc_t`. A correct one stays so with probability CL, a wrong one becomes
correct with CS:

.. math:: Acc_t = U - \alpha^t (U - Acc_0), \qquad U = \frac{CS}{1 - CL + CS}, \quad \alpha = CL - CS .

A round of the chain with decisions has CL = a + (1-a) p and CS = b p. Both agree after one round; from the second on the
self-correction chain looks again at answers on which the other has stopped, and they differ (claim A6).

Source: arXiv 2412.19513, 2508.16456 (the chain and its formula); the induced rates are derived here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dstheory.checks import Bools, Floats, probability


@dataclass(frozen=True)
class SelfCorrection:
    """Rates of the self-correction chain.

    Args:
        start: Acc_0, accuracy of the first answer.
        keep: CL, probability that a correct answer stays correct in a round.
        repair: CS, probability that a wrong answer becomes correct in a round.

    Raises:
        ChainError: a rate outside [0, 1].

    Example:
        >>> chain = SelfCorrection.induced(p=0.5, a=0.8, b=0.5)
        >>> round(chain.limit, 6), chain.accuracy([0, 1, 2]).round(6).tolist()  # 5/7; the chain with decisions ends at 8/13
        (0.714286, [0.5, 0.575, 0.62375])
    """

    start: float
    keep: float
    repair: float

    def __post_init__(self) -> None:
        for name in ("start", "keep", "repair"):
            probability(getattr(self, name), name, "it is a probability of the self-correction chain")

    @classmethod
    def induced(cls, *, p: float, a: float, b: float) -> SelfCorrection:
        """Return the rates that one round of a chain with decisions has: CL = a + (1-a) p, CS = b p."""
        return cls(p, a + (1 - a) * p, b * p)

    @classmethod
    def counted(cls, held: Bools, decided: Bools) -> SelfCorrection:
        """Return the rates counted on episodes.

        Args:
            held: (n, R) whether the answer held after each round is correct; after a stop the answer stays.
            decided: (n, R - 1) whether the episode was still going before that transition.

        A rate without a single trial is taken to keep what is there: CL = 1, CS = 0.

        Example:
            >>> SelfCorrection.counted(np.array([[0, 1, 1], [1, 1, 1]], bool), np.array([[1, 1], [1, 0]], bool))
            SelfCorrection(start=0.5, keep=1.0, repair=1.0)
        """
        now, then = held[:, :-1], held[:, 1:]
        right, wrong = decided & now, decided & ~now
        keep = (right & then).sum() / right.sum() if right.any() else 1.0
        repair = (wrong & then).sum() / wrong.sum() if wrong.any() else 0.0
        return cls(float(held[:, 0].mean()), float(keep), float(repair))

    @property
    def limit(self) -> float:
        """U, the accuracy after many rounds; the first one's if no answer ever changes."""
        moving = 1.0 - self.keep + self.repair
        return self.repair / moving if moving > 0 else self.start

    def accuracy(self, rounds: ArrayLike) -> Floats:
        """Return Acc_t after t rounds of correction, elementwise."""
        t = np.asarray(rounds, dtype=np.float64)
        return np.asarray(self.limit - (self.keep - self.repair) ** t * (self.limit - self.start))
