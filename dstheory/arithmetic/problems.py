r"""Multiplication problems, n x m digits: seeded, and never in the training and the evaluation part at once.

Which part a problem :math:`x \cdot y` belongs to is a function of the problem alone, a hash of its two factors: one in ten is
kept for evaluation. Two parts drawn with whatever seeds therefore have no problem in common, and nobody has to compare lists.

Sizes have :math:`4 \le n \le m \le 9`: 21 of them. Six (both factors of at most six digits) are trained on; the other fifteen are
out of distribution. Factors have no leading zeros.

Source: sizes from 4x4 to 9x9 as in arXiv 2601.01580, section 6; the split is derived here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dstheory.checks import Ints, frozen, whole_number
from dstheory.errors import ArithmeticTaskError

__all__ = ["ALL_SIZES", "LARGER_SIZES", "LARGEST", "PARTS", "SMALLEST", "TRAINED_SIZES", "Problems", "Size", "draw_problems",
"parse_size"]

SMALLEST, LARGEST = 4, 9
Size = tuple[int, int]
ALL_SIZES: tuple[Size, ...] = tuple((n, m) for n in range(SMALLEST, LARGEST + 1) for m in range(n, LARGEST + 1))
TRAINED_SIZES: tuple[Size, ...] = tuple(size for size in ALL_SIZES if size[1] <= 6)
LARGER_SIZES: tuple[Size, ...] = tuple(size for size in ALL_SIZES if size[1] > 6)
PARTS = ("train", "evaluation")
_EVALUATION_SHARE = 10  # one problem in so many is kept for evaluation


@dataclass(frozen=True, eq=False)
class Problems:
    """N problems, in columns.

    Attributes:
        x, y: (N,) the factors; x has n digits, y has m >= n.
        size: (N, 2) n and m.
        x_digits, y_digits: (N, 9) digits, least significant first, 0 beyond the factor.

    >>> problems = Problems.of([(1234, 98765)])
    >>> problems.names, problems.x_digits[0, :4].tolist(), int(problems.product[0])
    (('4x5:1234x98765',), [4, 3, 2, 1], 121876010)
    """

    x: Ints
    y: Ints
    size: Ints
    x_digits: Ints
    y_digits: Ints

    @classmethod
    def of(cls, factors: Sequence[tuple[int, int]]) -> Problems:
        """Return problems written down as pairs of factors.

        Raises:
            ArithmeticTaskError: no pairs, or a pair whose numbers of digits are no size of the task.
        """
        if not len(factors):
            raise ArithmeticTaskError("no problems were given: give at least one pair of factors")
        pairs = np.asarray(factors, dtype=np.int64)
        powers = 10 ** np.arange(LARGEST + 1)
        digits = np.searchsorted(powers, pairs, side="right")
        for (x, y), (n, m) in zip(pairs, digits, strict=True):
            if not SMALLEST <= n <= m <= LARGEST:
                raise ArithmeticTaskError(
                    f"{x} x {y} has {n} and {m} digits: must be {SMALLEST} to {LARGEST}, the shorter factor first"
                )
        expanded = pairs[..., None] // powers[:LARGEST] % 10
        columns = (pairs[:, 0], pairs[:, 1], digits, expanded[:, 0], expanded[:, 1])
        return cls(*(frozen(np.ascontiguousarray(column)) for column in columns))

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, which: slice | Ints) -> Problems:
        """Return some of the problems."""
        return Problems(self.x[which], self.y[which], self.size[which], self.x_digits[which], self.y_digits[which])

    @property
    def product(self) -> Ints:
        """(N,) the right answers; the largest has 18 digits and fits."""
        return self.x * self.y

    @property
    def names(self) -> tuple[str, ...]:
        """One name per problem, such as ``4x5:1234x98765``."""
        return tuple(
            f"{n}x{m}:{x}x{y}" for (n, m), x, y in zip(self.size.tolist(), self.x.tolist(), self.y.tolist(), strict=True)
        )

    def by_size(self) -> list[tuple[Size, Ints]]:
        """Return the sizes that occur, in order, and the indices of their problems."""
        code = self.size[:, 0] * 10 + self.size[:, 1]
        return [((int(c) // 10, int(c) % 10), np.flatnonzero(code == c)) for c in np.unique(code)]


def parse_size(text: str) -> Size:
    """Return the size that a text such as ``4x6`` names.

    Raises:
        ArithmeticTaskError: another form, or digits out of range.

    >>> parse_size("4x6")
    (4, 6)
    >>> parse_size("3x12")
    Traceback (most recent call last):
        ...
    dstheory.errors.ArithmeticTaskError: size 3x12: must be n x m with 4 <= n <= m <= 9, for example 4x6
    """
    parts = text.lower().split("x")
    if len(parts) == 2 and all(part.strip().isdecimal() for part in parts):
        size = (int(parts[0]), int(parts[1]))
        if size in ALL_SIZES:
            return size
    raise ArithmeticTaskError(f"size {text}: must be n x m with {SMALLEST} <= n <= m <= {LARGEST}, for example 4x6")


def draw_problems(
    sizes: Sequence[Size], count: int, *, part: str, rng: np.random.Generator | int, per_size: bool = False
) -> Problems:
    """Draw different problems of one part.

    Args:
        sizes: each of which is drawn equally often in expectation, or exactly with ``per_size``.
        count: how many problems, in all or of each size.
        part: ``train`` or ``evaluation``.
        rng: a numpy Generator, or a seed for one.
        per_size: draw ``count`` problems of each size, sizes in order.

    Raises:
        ArithmeticTaskError: no sizes, a size out of range, a count below 1, or an unknown part.

    >>> draw_problems([(4, 5)], 2, part="train", rng=0).names
    ('4x5:8655x67326', '4x5:5600x34280')
    """
    if part not in PARTS:
        raise ArithmeticTaskError(f"part is {part!r}: must be 'train' or 'evaluation'")
    if not sizes:
        raise ArithmeticTaskError(f"the set of sizes for {part} is empty: name at least one, for example 4x4")
    for n, m in sizes:
        parse_size(f"{n}x{m}")
    count = whole_number(count, f"number of problems for {part}", low=1, otherwise=": nothing can be learned from an empty set")
    rng = np.random.default_rng(rng)
    which = np.repeat(np.arange(len(sizes)), count) if per_size else rng.integers(len(sizes), size=count)
    digits = np.asarray(sizes, dtype=np.int64)[which]
    low, high = 10 ** (digits - 1), 10**digits
    pairs = np.zeros_like(digits)
    todo = np.arange(len(digits))
    seen: set[tuple[int, int]] = set()
    while len(todo):
        pairs[todo] = rng.integers(low[todo], high[todo])
        fits = (_hash(pairs[todo]) % np.uint64(_EVALUATION_SHARE) == 0) == (part == "evaluation")
        again = []
        for index, fit, pair in zip(todo.tolist(), fits.tolist(), map(tuple, pairs[todo].tolist()), strict=True):
            if not fit or pair in seen:
                again.append(index)
            else:
                seen.add(pair)
        todo = np.array(again, dtype=np.int64)
    return Problems.of([(x, y) for x, y in pairs.tolist()])


def _hash(pairs: Ints) -> np.ndarray[tuple[int, ...], np.dtype[np.uint64]]:
    """Return 64 mixed bits per pair of factors (the finaliser of splitmix64, Steele et al. 2014)."""
    z = pairs[:, 0].astype(np.uint64) * np.uint64(10**9) + pairs[:, 1].astype(np.uint64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))
