r"""Written multiplication, step by step: what the tokens of an answer are.

The product of :math:`x = \sum_i x_i 10^i` and :math:`y = \sum_j y_j 10^j` is worked out column by column, from the right. In
column k all pairs with :math:`i + j = k` are multiplied and added to a running total, which starts as the carry of the column
before; at the
end of the column the last digit of the total is a digit of the answer, the rest is the next carry. Each pair takes three tokens:

    tens digit of x_i y_j      units digit of x_i y_j      the new running total

so an answer has :math:`l_s = 3nm` tokens, 48 for 4x4 and 243 for 9x9. The new total is written given what was written before:
it is the old total plus the product *as written*, right or off by a slip of +1, -1, +10 or -10 (miscounted, carry counted
twice, carry forgotten). A slip may leave a negative total; it stays one.

**Errors add up.** Writing v, u for a product :math:`10 v^* + u^*` and slipping by e changes the value of all that is written by
:math:`10^k (10 (v - v^*) + (u - u^*) + e)`, and the bookkeeping at the end of a column changes it by nothing. The answer is
therefore :math:`xy + \sum 10^k \varepsilon` over the steps, and errors can cancel: the exact probability of a correct answer
includes this.

Source: schoolbook multiplication by columns (Fibonacci, Liber Abaci, 1202); as a token process derived here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from dstheory.arithmetic.problems import LARGEST, Problems, Size
from dstheory.checks import Ints, frozen

__all__ = [
    "ADDENDS",
    "COLUMNS",
    "FACTS",
    "KINDS",
    "RIGHT",
    "ROWS",
    "SLIPS",
    "TOKENS_PER_STEP",
    "WIDTH",
    "Schedule",
    "schedule",
    "token_errors",
    "token_rows",
]

KINDS = ("tens", "units", "total")
TOKENS_PER_STEP = len(KINDS)
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

    >>> token_errors()[:, 0].min(), token_errors()[9 * 10 + 9].tolist()[:2]  # 9 x 9 = 81: writing 0 for 8 loses eighty
    (np.int64(-80), [-80, -70])
    """
    digit = np.arange(WIDTH)
    errors = np.zeros((ROWS, WIDTH), dtype=np.int64)
    errors[:_UNITS] = np.tile(10 * (digit - RIGHT["tens"][:, None]), (COLUMNS, 1))
    errors[_UNITS:_TOTALS] = np.tile(digit - RIGHT["units"][:, None], (COLUMNS, 1))
    errors[_TOTALS:, : len(SLIPS)] = SLIPS
    return frozen(errors)
