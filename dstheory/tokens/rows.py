r"""Rows of distributions over the alphabet: what token policies are made of, and what objectives need to know of two of them.

A row is given by logits or by probabilities, and the other form is computed on first use. Logits of minus infinity rule a
symbol out. The gradient with respect to the logits of a row with probabilities :math:`\pi` is always of the form
:math:`\pi_v A_v` with :math:`\sum_v \pi_v A_v = 0`.

Small tables are worked on in NumPy, which a reader reads; large ones through the compiled loops of
:mod:`dstheory.tokens.kernels`, which read each byte once. The two agree to rounding of the probabilities; the size alone decides
which one is taken. Of two rows that nearly agree NumPy keeps more digits of the divergence, and of the gap between an expert and
a policy.

Source: derived here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.policy import log_softmax
from dstheory.checks import Bools, Floats, float_array, frozen, readonly, reject
from dstheory.errors import ChainError, InfiniteDivergenceError

COMPILED_FROM = 1 << 18  # entries; below, NumPy takes milliseconds and no compiler is waited for
_BLOCK = 1 << 17  # entries of a block of rows for a compiled loop: 1 MiB of each table
_NEAR = 0.5  # logits that differ by less: probabilities that share a digit
_ROW_TOLERANCE = 1e-9  # rows of probabilities read from decimal files sum to 1 only up to rounding

PerRow = tuple[Floats, Floats, Floats | None]


class Categorical:
    """Distributions over the last axis of a table, validated once, immutable.

    Make one with :meth:`from_logits` or :meth:`from_probabilities`.

    Example:
        >>> Categorical.from_logits([[0.0, 0.0], [1000.0, -1000.0]], axes=("position",)).prob.tolist()
        [[0.5, 0.5], [1.0, 0.0]]
    """

    def __init__(self, *, logits: Floats | None = None, prob: Floats | None = None) -> None:
        for name, table in (("logits", logits), ("prob", prob)):
            if table is not None:
                self.__dict__[name] = _own(table)
                self.shape: tuple[int, ...] = table.shape

    @classmethod
    def from_logits(cls, logits: ArrayLike, *, axes: Sequence[str]) -> Categorical:
        """Return the rows softmax(logits).

        Args:
            logits: (..., S) numbers, or -inf to rule a symbol out.
            axes: names of the axes before the last, for messages.

        Raises:
            ChainError: a logit is NaN or +inf, or a row rules out every symbol.
        """
        rows = cls(logits=_table(logits, axes))
        # The largest entry shows a NaN, a +inf and an impossible row in one pass, without a mask of the table's size.
        table, top = rows.logits, rows.top
        if not np.isfinite(top).all():
            bad = np.isnan(table) | (table == np.inf)
            reject(bad, table, "token logit", "must be below +inf", "give a number, or -inf to rule the symbol out",
                   axes=(*axes, "symbol"))  # fmt: skip
            reject(top == -np.inf, top, "largest token logit", "must be finite", "leave at least one symbol possible", axes=axes)
        return rows

    @classmethod
    def from_probabilities(cls, prob: ArrayLike, *, axes: Sequence[str]) -> Categorical:
        """Return the rows with these probabilities; zeros and ones are allowed.

        Args:
            prob: (..., S) probabilities; each row sums to 1.
            axes: names of the axes before the last, for messages.

        Raises:
            ChainError: a probability is negative, above 1 or NaN, or a row does not sum to 1 (to 1e-9).
        """
        table = _table(prob, axes)
        if not (table.min(initial=0.0) >= 0.0 and table.max(initial=0.0) <= 1.0):
            reject(~((table >= 0) & (table <= 1)), table, "token probability", "must lie in [0, 1]", "correct that entry",
                   axes=(*axes, "symbol"))  # fmt: skip
        total = table.sum(axis=-1)
        reject(np.abs(total - 1.0) > _ROW_TOLERANCE, total, "sum of token probabilities", "must be 1", "normalise the row",
               axes=axes)  # fmt: skip
        return cls(prob=readonly(table / total[..., None]))

    @property
    def large(self) -> bool:
        """Whether the table is worth a compiled loop."""
        return bool(np.prod(self.shape) >= COMPILED_FROM)

    @cached_property
    def top(self) -> Floats:
        """(...) largest logit of each row."""
        if not self.large:
            return np.asarray(self.logits.max(axis=-1))
        from dstheory.tokens.kernels import top_rows

        return _per_row(top_rows, _flat(self.logits)).reshape(self.shape[:-1])

    @cached_property
    def total(self) -> Floats:
        """(...) sum of exp(logit - top) of each row."""
        if not self.large:
            return np.asarray(np.exp(self.logits - self.top[..., None]).sum(axis=-1))
        from dstheory.tokens.kernels import total_rows

        return _per_row(total_rows, *self.flat_logits()).reshape(self.shape[:-1])

    def flat_logits(self) -> tuple[Floats, Floats]:
        """Return logits (rows, S) and the largest logit of each row, (rows,)."""
        return _flat(self.logits), self.top.ravel()

    def normalised(self) -> tuple[Floats, Floats, Floats]:
        """Return the same and the sum of exp(logit - top) of each row, (rows,)."""
        return *self.flat_logits(), self.total.ravel()

    @cached_property
    def prob(self) -> Floats:
        """(..., S) probabilities."""
        # Dividing by the sum keeps rows summing to 1 to rounding; exponentiating log-probabilities would not.
        return readonly(np.exp(self.logits - self.top[..., None]) / self.total[..., None])

    @cached_property
    def logits(self) -> Floats:
        """(..., S) logits: those given, or the logarithms of the probabilities given."""
        with np.errstate(divide="ignore"):
            return readonly(np.log(self.prob))

    @cached_property
    def log_prob(self) -> Floats:
        """(..., S) logarithms of the probabilities, exact to rounding also where a probability underflows."""
        below = self.logits - self.top[..., None]
        return readonly(below - np.log(self.total)[..., None] if self.large else log_softmax(below))

    def take(self, *index: Any) -> Categorical:
        """Return a part of the table: rows are indexed, the last axis stays whole, and what is known of them stays known."""
        known = self.__dict__
        part = Categorical(**{name: readonly(known[name][index]) for name in ("logits", "prob") if name in known})
        part.__dict__.update({name: known[name][index] for name in ("top", "total") if name in known})
        return part


def over_blocks(loop: Callable[..., Any], shared: Sequence[Any], tables: Sequence[Any], width: int) -> None:
    """Call a compiled loop on blocks of rows: once for small tables, else on all processors.

    Args:
        loop: takes the shared arguments and a block of every table.
        shared: arguments that every call gets whole.
        tables: arrays with equally many rows, or None, which is passed on.
        width: entries of a row.
    """
    from dstheory.kernels.parallel import over_rows

    def work(start: int, stop: int) -> None:
        loop(*shared, *(None if table is None else table[start:stop] for table in tables))

    count = len(tables[0])
    if count * width < COMPILED_FROM:
        work(0, count)
    else:
        over_rows(work, count, 1, max(1, _BLOCK // width))


def _per_row(loop: Callable[..., Any], table: Floats, *tables: Floats) -> Floats:
    """Return the number that a compiled loop fills in for each row of a table."""
    out = np.empty(len(table))
    over_blocks(loop, (), (table, *tables, out), table.shape[1])
    return out


def log_ratio(rows: Categorical, reference: Categorical) -> tuple[Floats, Floats]:
    r"""Return the centred log-ratio and the divergence of each row.

    :math:`KL = \sum_v \pi_v \log(\pi_v/ref_v)` and :math:`\log(\pi_v/ref_v) - KL`, 0 for symbols that are never drawn.

    Returns:
        (..., S) and (...). Infinite divergences are returned, for the caller to refuse where the row is visited; the centred
        ratios of such a row are 0.

    Example:
        >>> log_ratio(Categorical(prob=np.array([0.5, 0.5])), Categorical(prob=np.array([0.5, 0.5])))[1].tolist()
        0.0
    """
    p, (apart, near) = rows.prob, _apart(rows, reference)
    ratio = np.subtract(rows.log_prob, reference.log_prob, out=np.zeros(p.shape), where=p > 0.0)
    divergence = np.einsum("...v,...v->...", p, ratio)
    if near.any():
        small = np.where(near[..., None], apart, 0.0)
        small = small + np.log1p(np.einsum("...v,...v->...", p, np.expm1(-small)))[..., None]
        divergence = np.where(near, np.einsum("...v,...v->...", p, _beyond_linear(small)), divergence)
    return _centred(rows, apart), divergence


def centred_ratio(rows: Categorical, reference: Categorical) -> Floats:
    """Return the centred log-ratio alone."""
    return _centred(rows, _apart(rows, reference)[0])


def _centred(rows: Categorical, apart: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        mean = np.einsum("...v,...v->...", rows.prob, apart)[..., None]
        return np.where((rows.prob > 0.0) & np.isfinite(mean), apart - mean, 0.0)


def _apart(rows: Categorical, reference: Categorical) -> tuple[Floats, Bools]:
    """Return the difference of the logits of each row, less that of its likeliest symbol, and whether it is small everywhere.

    Logits that nearly agree have an exact difference, which logarithms of probabilities have not. It is 0 for symbols that both
    rule out, and for those that are never drawn, small or not.
    """
    with np.errstate(invalid="ignore"):
        apart = rows.logits - reference.logits
        apart = apart - np.take_along_axis(apart, np.argmax(rows.logits, axis=-1)[..., None], axis=-1)
    apart = np.where((rows.logits == -np.inf) & (reference.logits == -np.inf), 0.0, apart)
    return np.where(rows.prob > 0.0, apart, 0.0), np.asarray((np.abs(apart) < _NEAR).all(axis=-1))


def _beyond_linear(x: Floats) -> Floats:
    """Return exp(-x) - 1 + x: of the log-ratios of a row, all of its divergence, a sum of terms that are not negative."""
    series = np.zeros_like(x)
    for n in range(12, 1, -1):
        series = (1.0 - x * series) / n
    return np.where(np.abs(x) < 0.1, x * x * series, np.expm1(-x) + x)


def row_divergence(rows: Categorical, reference: Categorical) -> tuple[Floats, Floats | None]:
    """Return the KL of each row, as :func:`log_ratio` does, and for compiled loops the mean difference of its logits.

    Example:
        >>> row_divergence(Categorical(prob=np.array([1.0, 0.0])), Categorical(prob=np.array([0.5, 0.5])))[0].round(6).tolist()
        0.693147
    """
    if not rows.large:
        return log_ratio(rows, reference)[1], None
    from dstheory.tokens.kernels import mean_rows

    mean = _per_row(mean_rows, *map(_flat, (rows.prob, rows.logits, reference.logits))).reshape(rows.shape[:-1])
    return mean - ((rows.top - reference.top) + np.log(rows.total / reference.total)), mean


def chi_square(rows: Categorical, expert: Categorical) -> Floats:
    r"""Return :math:`\chi^2(E \| \pi) = \sum_v (E_v - \pi_v)^2/\pi_v` of each row; inf where the policy rules out what E does.

    Example:
        >>> chi_square(Categorical(prob=np.array([0.5, 0.5])), Categorical(prob=np.array([0.75, 0.25]))).tolist()
        0.25
    """
    gap = _gap(rows, expert)
    with np.errstate(divide="ignore"):
        return np.asarray(np.einsum("...v,...v->...", gap, gap / np.where(gap == 0.0, 1.0, rows.prob)))


def _gap(rows: Categorical, expert: Categorical) -> Floats:
    """Return E - p of every symbol, however near the rows are."""
    apart, near = _apart(rows, expert)
    small = np.where(near[..., None], apart, 0.0)
    less = np.expm1(-small)  # of E/p, up to the normaliser
    total = np.einsum("...v,...v->...", rows.prob, less)[..., None]
    gap = np.where(near[..., None], rows.prob * (less - total) / (1.0 + total), expert.prob - rows.prob)
    first = np.arange(rows.shape[-1]) == np.argmax(rows.logits, axis=-1)[..., None]
    others = np.where(first, 0.0, gap).sum(axis=-1, keepdims=True)  # two probabilities near 1 differ by what the others do
    return np.where(first, -others, gap)


def penalty(rows: Categorical, reference: Categorical, coefficient: Floats, rho: Floats, *, keep: bool) -> PerRow:
    """Return KL and variance of the log-ratio of every row, and rho x coefficient x p x (log-ratio - KL) or None.

    Args:
        rows, reference: (X, ..., S).
        coefficient: (X, ...); rows with coefficient 0 are skipped, and all their results are 0.
        rho: (X,) weight of each prompt in the gradient.
        keep: whether to return the gradient.
    """
    if rows.large:
        from dstheory.tokens.kernels import penalty_rows

        return _compiled(penalty_rows, rows, reference, coefficient, rho, keep)
    used = coefficient != 0.0
    excess, divergence = log_ratio(rows, reference)
    excess = np.where(used[..., None], excess, 0.0)
    pushed = rows.prob * excess
    variance = (pushed * excess).sum(axis=-1)
    return np.where(used, divergence, 0.0), variance, _factor(coefficient, rho)[..., None] * pushed if keep else None


def imitation(rows: Categorical, expert: Categorical, coefficient: Floats, rho: Floats, *, keep: bool) -> PerRow:
    """Return sum E log p and chi2(E || p) of every row, and rho x coefficient x (E - p) or None.

    Args:
        rows, expert: (X, ..., S).
        coefficient, rho, keep: as in :func:`penalty`.
    """
    if rows.large:
        from dstheory.tokens.kernels import imitation_rows

        return _compiled(imitation_rows, rows, expert, coefficient, rho, keep)
    used = coefficient != 0.0
    shown = expert.prob > 0.0  # what the expert never does counts nothing
    cross = np.multiply(expert.prob, rows.log_prob, out=np.zeros(shown.shape), where=shown).sum(axis=-1)
    gradient = _factor(coefficient, rho)[..., None] * _gap(rows, expert) if keep else None
    return np.where(used, cross, 0.0), np.where(used, chi_square(rows, expert), 0.0), gradient


def _factor(coefficient: Floats, rho: Floats) -> Floats:
    return coefficient * rho.reshape(-1, *(1,) * (coefficient.ndim - 1))


def _compiled(
    loop: Callable[..., Any], rows: Categorical, other: Categorical, coefficient: Floats, rho: Floats, keep: bool
) -> PerRow:
    shape, width = rows.shape[:-1], rows.shape[-1]
    factor = _factor(coefficient, rho)
    # The loops skip rows with factor 0. Prompts of weight zero have no gradient, but numbers of their own all the same.
    factor = np.where((factor == 0.0) & (coefficient != 0.0), 1.0, factor).ravel()
    first, second = np.empty(factor.size), np.empty(factor.size)
    gradient = np.empty((factor.size, width)) if keep else None
    over_blocks(loop, (), (*rows.flat_logits(), *other.normalised(), factor, gradient, first, second), width)
    if gradient is not None:
        gradient = gradient.reshape(rows.shape)
        if not rho.all():
            gradient[rho == 0.0] = 0.0
    return first.reshape(shape), second.reshape(shape), gradient


def refuse_infinite(divergence: Floats, place: int | slice) -> None:
    """Raise InfiniteDivergenceError if a row has an infinite divergence; that of rows that are never met is 0.

    Rows are (prompts, ...) of one position, and (prompts, positions, ...) of a slice of them.
    """
    bad = ~np.isfinite(divergence)
    if bad.any():
        prompt, *rest = (int(i) for i in np.argwhere(bad)[0])
        position = place if isinstance(place, int) else rest[0] + (place.start or 0)
        raise InfiniteDivergenceError(
            f"the reference gives probability 0 to a token (prompt {prompt}, position {position}) that the policy draws: the "
            "divergence is infinite; give the reference some mass there"
        )


def _own(table: Floats) -> Floats:
    """Return the table as contiguous memory that nobody can change; a copy if somebody may write to it."""
    kept = frozen(table)
    return kept if kept.flags.c_contiguous else readonly(np.ascontiguousarray(kept))


def _flat(table: Floats) -> Floats:
    return table.reshape(-1, table.shape[-1])


def _table(value: ArrayLike, axes: Sequence[str]) -> Floats:
    table = float_array(value, "token policy", empty=True)
    if table.ndim != len(axes) + 1 or table.shape[-1] == 0 or table.shape[0] == 0:
        raise ChainError(
            f"a token table has shape {table.shape}: needs the axes ({', '.join((*axes, 'symbol'))}), at least one of each"
        )
    return table
