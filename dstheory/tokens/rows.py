r"""Rows: a table of distributions over the alphabet, one per row; what token policies are made of.

A row is given by logits or by probabilities, and the other form is computed on first use. Logits of minus infinity rule a
symbol out. The gradient with respect to the logits of a row with probabilities :math:`\pi` is always of the form
:math:`\pi_v A_v` with :math:`\sum_v \pi_v A_v = 0`.

Source: derived here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dstheory.checks import Bools, Floats, float_array, frozen, readonly, reject
from dstheory.errors import ChainError, InfiniteDivergenceError

__all__ = ["COMPILED_FROM", "Rows", "chi_square", "expected_log", "log_ratio", "over_rows", "refuse_infinite", "row_divergence"]

COMPILED_FROM = 1 << 18  # entries; below, NumPy takes milliseconds and no compiler is waited for
_BLOCK = 1 << 17  # entries of a block of rows for a compiled loop: 1 MiB of each table
_NUMPY_BLOCK = 1 << 15  # the same for NumPy, which keeps several tables of that size in the cache
_ROW_TOLERANCE = 1e-9  # rows of probabilities read from decimal files sum to 1 only up to rounding


class Rows:
    """Distributions over the last axis of a table, validated once, immutable.

    Make one with :meth:`from_logits` or :meth:`from_probabilities`.

    >>> Rows.from_logits([[0.0, 0.0], [1000.0, -1000.0]], axes=("position",)).prob.tolist()
    [[0.5, 0.5], [1.0, 0.0]]
    """

    def __init__(self, *, logits: Floats | None = None, prob: Floats | None = None) -> None:
        for name, table in (("logits", logits), ("prob", prob)):
            if table is not None:
                self.__dict__[name] = _own(table)
                self.shape: tuple[int, ...] = table.shape

    @classmethod
    def from_logits(cls, logits: ArrayLike, *, axes: Sequence[str]) -> Rows:
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
    def from_probabilities(cls, prob: ArrayLike, *, axes: Sequence[str]) -> Rows:
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
    def size(self) -> int:
        """Number of entries."""
        return int(np.prod(self.shape))

    @cached_property
    def _normaliser(self) -> tuple[Floats, Floats]:
        z = self.logits
        if z.size < COMPILED_FROM:
            top = z.max(axis=-1)
            with np.errstate(invalid="ignore"):  # of a row that is about to be refused
                return top, np.exp(z - top[..., None]).sum(axis=-1)
        from dstheory.tokens.kernels import normaliser_rows

        flat = z.reshape(-1, z.shape[-1])
        top, total = np.empty(len(flat)), np.empty(len(flat))

        def work(start: int, stop: int) -> None:
            normaliser_rows(flat[start:stop], top[start:stop], total[start:stop])

        over_rows(work, *flat.shape)
        return top.reshape(z.shape[:-1]), total.reshape(z.shape[:-1])

    @property
    def top(self) -> Floats:
        """(...) largest logit of each row."""
        return self._normaliser[0]

    @property
    def total(self) -> Floats:
        """(...) sum of exp(logit - top) of each row."""
        return self._normaliser[1]

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
        return readonly((self.logits - self.top[..., None]) - np.log(self.total)[..., None])

    def take(self, *index: Any) -> Rows:
        """Return a part of the table: rows are indexed, the last axis stays whole, and what is known of them stays known."""
        known = self.__dict__
        part = Rows(**{name: readonly(known[name][index]) for name in ("logits", "prob") if name in known})
        if "_normaliser" in known:
            part.__dict__["_normaliser"] = (self.top[index], self.total[index])
        return part


def over_rows(work: Callable[[int, int], None], count: int, width: int, *, entries: int = _BLOCK) -> None:
    """Call work(start, stop) on blocks of rows: once for a small table, else on blocks of ``entries``, on all processors."""
    if count * width < COMPILED_FROM:
        work(0, count)
        return
    from dstheory.kernels.parallel import available_threads, blocks, run_blocks

    threads = available_threads()
    run_blocks(work, blocks(count, 1, max(1, entries // width), threads), threads)


def log_ratio(rows: Rows, reference: Rows) -> tuple[Floats, Floats]:
    r"""Return the centred log-ratio and the divergence of each row.

    :math:`KL = \sum_v \pi_v \log(\pi_v/ref_v)` and :math:`\log(\pi_v/ref_v) - KL`, 0 for symbols that are never drawn.

    Returns:
        (..., S) and (...). Infinite divergences are returned, for the caller to refuse where the row is visited; the centred
        ratios of such a row are 0.

    >>> log_ratio(Rows(prob=np.array([0.5, 0.5])), Rows(prob=np.array([0.5, 0.5])))[1].tolist()
    0.0
    """
    p, log_p, log_q = (_flat(t) for t in (rows.prob, rows.log_prob, reference.log_prob))
    excess, divergence = np.empty(p.shape), np.empty(len(p))

    def work(start: int, stop: int) -> None:
        part = slice(start, stop)
        drawn = p[part] > 0.0
        with np.errstate(invalid="ignore"):
            ratio = np.subtract(log_p[part], log_q[part], out=np.zeros(drawn.shape), where=drawn)
            mean = np.einsum("rv,rv->r", p[part], ratio, out=divergence[part])
            np.subtract(ratio, mean[:, None], out=excess[part])
        excess[part][~drawn] = 0.0
        if not np.isfinite(mean).all():
            excess[part][~np.isfinite(mean)] = 0.0

    over_rows(work, *p.shape, entries=_NUMPY_BLOCK)
    return excess.reshape(rows.shape), divergence.reshape(rows.shape[:-1])


def row_divergence(rows: Rows, reference: Rows) -> Floats:
    """Return the KL of each row, as :func:`log_ratio` does.

    >>> row_divergence(Rows(prob=np.array([1.0, 0.0])), Rows(prob=np.array([0.5, 0.5]))).round(6).tolist()
    0.693147
    """
    if rows.size < COMPILED_FROM:
        return log_ratio(rows, reference)[1]
    from dstheory.tokens.markov_kernels import table_rows

    p, log_p, log_q = (_flat(t) for t in (rows.prob, rows.log_prob, reference.log_prob))
    out = np.empty(len(p))
    over_rows(lambda start, stop: table_rows(p[start:stop], log_p[start:stop], log_q[start:stop], out[start:stop]), *p.shape)
    return out.reshape(rows.shape[:-1])


def chi_square(rows: Rows, expert: Rows) -> Floats:
    r"""Return :math:`\chi^2(E \| \pi) = \sum_v (E_v - \pi_v)^2/\pi_v` of each row; inf where the policy rules out what E does.

    >>> chi_square(Rows(prob=np.array([0.5, 0.5])), Rows(prob=np.array([0.75, 0.25]))).tolist()
    0.25
    """
    p, shown = _flat(rows.prob), _flat(expert.prob)
    out = np.empty(len(p))

    def work(start: int, stop: int) -> None:
        gap = shown[start:stop] - p[start:stop]
        with np.errstate(divide="ignore"):
            np.einsum("rv,rv->r", gap, gap / np.where(gap == 0.0, 1.0, p[start:stop]), out=out[start:stop])

    over_rows(work, *p.shape, entries=_NUMPY_BLOCK)
    return out.reshape(rows.shape[:-1])


def expected_log(expert: Rows, rows: Rows) -> Floats:
    """Return sum_v E_v log pi_v of every row; what the expert never does counts nothing.

    >>> expected_log(Rows(prob=np.array([1.0, 0.0])), Rows(prob=np.array([1.0, 0.0]))).tolist()
    0.0
    """
    shown, log_p = _flat(expert.prob), _flat(rows.log_prob)
    out = np.empty(len(shown))

    def work(start: int, stop: int) -> None:
        part = shown[start:stop]
        np.multiply(part, log_p[start:stop], out=(terms := np.zeros(part.shape)), where=part > 0.0)
        np.sum(terms, axis=-1, out=out[start:stop])

    over_rows(work, *shown.shape, entries=_NUMPY_BLOCK)
    return out.reshape(rows.shape[:-1])


def refuse_infinite(divergence: Floats, met: Bools, what: str) -> None:
    """Raise InfiniteDivergenceError if a row that is met, (prompts, ...), has an infinite divergence."""
    bad = met & ~np.isfinite(divergence)
    if bad.any():
        prompt = int(np.argwhere(bad)[0][0])
        raise InfiniteDivergenceError(
            f"the reference gives probability 0 to a token (prompt {prompt}, {what}) that the policy draws: the divergence is "
            "infinite; give the reference some mass there"
        )


def _own(table: Floats) -> Floats:
    """Return the table as contiguous memory that nobody can change; a copy if somebody may write to it."""
    kept = frozen(table)
    return kept if kept.flags.c_contiguous else readonly(np.ascontiguousarray(kept))


def _flat(table: Floats) -> Floats:
    return table.reshape(-1, table.shape[-1])


def _table(value: ArrayLike, axes: Sequence[str]) -> Floats:
    table = float_array(value, "token policy")
    if table.ndim != len(axes) + 1 or table.shape[-1] == 0 or table.shape[0] == 0:
        raise ChainError(
            f"a token table has shape {table.shape}: needs the axes ({', '.join((*axes, 'symbol'))}), at least one of each"
        )
    return table
