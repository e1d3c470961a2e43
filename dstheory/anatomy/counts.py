r"""Counts of attempts and decisions in cells: what p, a and b are estimated from.

In a cell with :math:`n` attempts, :math:`n_C` of them correct, and :math:`m_C`, :math:`m_W` decisions of the model's own after
correct and wrong answers (censored ones left out), of which :math:`s_C` stop and :math:`r_W` resample,

.. math:: \hat p = n_C / n, \qquad \hat a = s_C / m_C, \qquad \hat b = r_W / m_W .

These six numbers are sufficient for the minimal chain M0: its likelihood is a product of three binomial likelihoods.

Source: derived here, from arXiv 2601.01580, section 3 (the chain) and the factorisation of its likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dstheory.checks import Bools, Ints

__all__ = ["Counts", "kinds"]


_PIECE = 1 << 17


def kinds(*, correct: Bools, stopped: Bools, decided: Bools) -> NDArray[np.int8]:
    """Return the kind of each attempt: (wrong 0, correct 3) + (censored 0, resample 1, stop 2).

    >>> both = np.array([True, False])
    >>> kinds(correct=both, stopped=both, decided=np.array([True, True])).tolist()
    [5, 1]
    """
    own = (stopped.view(np.int8) + np.int8(1)) * decided.view(np.int8)
    return np.asarray(3 * correct.view(np.int8) + own)


@dataclass(frozen=True, eq=False)
class Counts:
    """Whole numbers per cell, arrays of one shape.

    Attributes:
        attempts: answers given, n.
        correct: of these, correct ones, n_C.
        decided_correct: decisions of the model's own after a correct answer, m_C.
        stop_correct: of these, stops, s_C.
        decided_wrong: decisions of the model's own after a wrong answer, m_W.
        resample_wrong: of these, resamples, r_W.
    """

    attempts: Ints
    correct: Ints
    decided_correct: Ints
    stop_correct: Ints
    decided_wrong: Ints
    resample_wrong: Ints

    @classmethod
    def tally(cls, cell: Ints | None, shape: tuple[int, ...], kind: NDArray[np.int8]) -> Counts:
        """Count attempts per cell.

        Args:
            cell: (M,) flat index of each attempt's cell in an array of ``shape``; None if there is one cell only.
            shape: of the result.
            kind: (M,) of :func:`kinds`.

        >>> yes, no = np.array([True]), np.array([False])
        >>> Counts.tally(np.array([1]), (2,), kinds(correct=yes, stopped=no, decided=yes)).decided_correct.tolist()
        [0, 1]
        """
        size = int(np.prod(shape))
        table = np.zeros(size * 6, dtype=np.int64)
        # In pieces that stay in the cache: a long log costs one pass over its bytes and hardly any memory.
        step = _PIECE if size * 6 < _PIECE else len(kind)
        for start in range(0, len(kind), max(1, step)):
            piece = kind[start : start + step]
            index = piece if cell is None else cell[start : start + step] * 6 + piece
            table += np.bincount(index, minlength=len(table))
        wrong_censored, wrong_resample, wrong_stop, right_censored, right_resample, right_stop = table.reshape(size, 6).T

        def shaped(column: Ints) -> Ints:
            return np.ascontiguousarray(column).reshape(shape)

        right = right_censored + right_resample + right_stop
        return cls(
            attempts=shaped(right + wrong_censored + wrong_resample + wrong_stop),
            correct=shaped(right),
            decided_correct=shaped(right_resample + right_stop),
            stop_correct=shaped(right_stop),
            decided_wrong=shaped(wrong_resample + wrong_stop),
            resample_wrong=shaped(wrong_resample),
        )

    @property
    def wrong(self) -> Ints:
        """Wrong answers, n - n_C."""
        return self.attempts - self.correct

    def __add__(self, other: Counts) -> Counts:
        """Return the sums, cell by cell."""
        return Counts(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))
