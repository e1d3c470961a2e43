r"""Multiplication, n x m digits: seeded problems for training and for evaluation, and the tokens of a written answer.

Which part a problem :math:`x \cdot y` belongs to is a function of the problem alone, a hash of its two factors: one in ten is
kept for evaluation. Two parts drawn with whatever seeds therefore have no problem in common, and nobody has to compare lists.

Sizes have :math:`4 \le n \le m \le 9`: 21 of them. Six (both factors of at most six digits) are trained on; the other fifteen
are out of distribution. Factors have no leading zeros.

**Written multiplication.** The product of :math:`x = \sum_i x_i 10^i` and :math:`y = \sum_j y_j 10^j` is worked out column by
column, from the right. In column k all pairs with :math:`i + j = k` are multiplied and added to a running total, which starts
as the carry of the column before; at the end of the column the last digit of the total is a digit of the answer, the rest is
the next carry. Each pair takes three tokens:

    tens digit of x_i y_j      units digit of x_i y_j      the new running total

so an answer has :math:`l_s = 3nm` tokens, 48 for 4x4 and 243 for 9x9. The new total is written given what was written before:
it is the old total plus the product *as written*, right or off by a slip of +1, -1, +10 or -10 (miscounted, carry counted
twice, carry forgotten). A slip may leave a negative total; it stays one.

**Errors add up.** Writing v, u for a product :math:`10 v^* + u^*` and slipping by e changes the value of all that is written by
:math:`10^k (10 (v - v^*) + (u - u^*) + e)`, and the bookkeeping at the end of a column changes it by nothing. The answer is
therefore :math:`xy + \sum 10^k \varepsilon` over the steps, and errors can cancel: the exact probability of a correct answer
includes this.

Source: sizes from 4x4 to 9x9 as in arXiv 2601.01580, section 6; schoolbook multiplication by columns (Fibonacci, Liber Abaci,
1202); the split and the token process are derived here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from dstheory.checks import Ints, frozen, whole_number
from dstheory.errors import ArithmeticTaskError
from dstheory.texts import cut

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

    Example:
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
            ArithmeticTaskError: no pairs, or a pair whose numbers of digits are not size of the task.
        """
        if not len(factors):
            raise ArithmeticTaskError("no problems were given: give at least one pair of factors")
        try:
            pairs = np.asarray(factors, dtype=np.int64)
        except OverflowError as error:
            rule = f"must have {SMALLEST} to {LARGEST} digits, the shorter factor first"
            raise ArithmeticTaskError(f"a factor has more than 18 digits: {rule}") from error
        powers = 10 ** np.arange(19)  # all that there are: also too many digits are counted
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

    Example:
        >>> parse_size("4x6")
        (4, 6)
        >>> parse_size("3x12")
        Traceback (most recent call last):
            ...
        dstheory.errors.ArithmeticTaskError: size 3x12: must be n x m with 4 <= n <= m <= 9, for example 4x6
    """
    parts = text.lower().split("x")
    if len(parts) == 2 and all(part.strip().isdecimal() and len(part) < 100 for part in parts):
        size = (int(parts[0]), int(parts[1]))
        if size in ALL_SIZES:
            return size
    raise ArithmeticTaskError(f"size {cut(text)}: must be n x m with {SMALLEST} <= n <= m <= {LARGEST}, for example 4x6")


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
        ArithmeticTaskError: no sizes, a size out of range, or an unknown part.
        ChainError: a count below 1.

    Example:
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


TOKENS_PER_STEP = 3  # tens, units, new total
SLIPS = (0, 1, -1, 10, -10)
COLUMNS = 2 * LARGEST - 1  # columns 0 to 16
FACTS = 100  # the times table, indexed 10 x_i + y_j
ADDENDS = LARGEST  # a column has at most nine pairs
WIDTH = 10  # outcomes of a token: digits; totals use the first len(SLIPS)

# Rows of the token table: tens by (column, fact), units by (column, fact), totals by (column, addend).
_UNITS = COLUMNS * FACTS
_TOTALS = 2 * COLUMNS * FACTS
ROWS = _TOTALS + COLUMNS * ADDENDS

_PRODUCT = np.outer(np.arange(10), np.arange(10)).ravel()
RIGHT: dict[str, Ints] = {"tens": frozen(_PRODUCT // 10), "units": frozen(_PRODUCT % 10)}
"""The right digit of each fact; the right slip is always the first."""


@dataclass(frozen=True, eq=False)
class Schedule:
    """The steps of one size, in order; nm of them.

    Attributes:
        i, j: (S,) which digits are multiplied.
        column: (S,) their column i + j.
        addend: (S,) how many pairs of this column came before.
    """

    i: Ints
    j: Ints
    column: Ints
    addend: Ints

    def __len__(self) -> int:
        return len(self.i)

    @property
    def tokens(self) -> int:
        """Number of tokens of an answer, l_s."""
        return TOKENS_PER_STEP * len(self)


@cache
def schedule(size: Size) -> Schedule:
    """Return the steps of a size.

    Example:
        >>> steps = schedule((4, 4))
        >>> steps.tokens, steps.column[:4].tolist(), steps.addend[:4].tolist()
        (48, [0, 1, 1, 2], [0, 0, 1, 0])
    """
    n, m = size
    pairs = [(i, k - i, k, a) for k in range(n + m - 1) for a, i in enumerate(range(max(0, k - m + 1), min(n, k + 1)))]
    return Schedule(*(frozen(np.array(column, dtype=np.int64)) for column in zip(*pairs, strict=True)))


def token_rows(problems: Problems, size: Size) -> Ints:
    """Return the row of the token table for each token of an answer to problems of one size, (N, 3nm)."""
    steps = schedule(size)
    fact = 10 * problems.x_digits[:, steps.i] + problems.y_digits[:, steps.j]
    rows = np.empty((len(problems), len(steps), TOKENS_PER_STEP), dtype=np.int64)
    rows[..., 0] = steps.column * FACTS + fact
    rows[..., 1] = rows[..., 0] + _UNITS
    rows[..., 2] = _TOTALS + steps.column * ADDENDS + steps.addend
    return rows.reshape(len(problems), -1)


@cache
def token_errors() -> Ints:
    """Return the error that each outcome of each row makes, in units of its column, (ROWS, WIDTH).

    Example:
        >>> token_errors()[:, 0].min(), token_errors()[9 * 10 + 9].tolist()[:2]  # 9 x 9 = 81: writing 0 for 8 loses eighty
        (np.int64(-80), [-80, -70])
    """
    digit = np.arange(WIDTH)
    errors = np.zeros((ROWS, WIDTH), dtype=np.int64)
    errors[:_UNITS] = np.tile(10 * (digit - RIGHT["tens"][:, None]), (COLUMNS, 1))
    errors[_UNITS:_TOTALS] = np.tile(digit - RIGHT["units"][:, None], (COLUMNS, 1))
    errors[_TOTALS:, : len(SLIPS)] = SLIPS
    return frozen(errors)
