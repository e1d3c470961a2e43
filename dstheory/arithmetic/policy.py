r"""The two policies: log-linear in parameters that are shared across sizes, and in some that belong to a position.

Sampling. The logit of outcome v of a token is

.. math::
    z_{tens}(v) = s_1 1\{v = v^*\} + F_1[x_i, y_j, v] + C_1[k, v], \qquad
    z_{units}(v) = s_2 1\{v = u^*\} + F_2[x_i, y_j, v] + C_2[k, v], \qquad
    z_{total}(e) = s_3 1\{e = 0\} + A[a, e] + C_3[k, e],

with *skills* s, a learned times table F (one row of ten logits per fact), addend parameters A and column parameters C. Skills
and times table serve all sizes. Columns 11 to 16 and addends 6 to 8 do not occur in the sizes that are trained on, so their
parameters stay as random as they were drawn, and longer answers have more tokens to get wrong: errors grow out of distribution
without being told to.

Decision. The logit of stop given the pattern o of failed checks (:mod:`dstheory.arithmetic.checks`) is

.. math:: z_{stop}(o) = w_0 + \sum_f w_f o_f + B[n + m] + g \sum_r (s_r - s_r^{start}),

B again a parameter per length, untrained beyond 12 digits. With g = 0 the stages share nothing. With g > 0 the skills are a
*shared trunk*: one vector that enters both stages, so that whatever raises the skills also raises the tendency to stop.

All of it is linear in one parameter vector, logits = offset + A phi.

Source: derived here; the two-stage form is that of arXiv 2601.01580, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dstheory.arithmetic.checks import LENGTHS, check_names
from dstheory.arithmetic.task import ADDENDS, COLUMNS, FACTS, RIGHT, ROWS, SLIPS, SMALLEST, WIDTH
from dstheory.checks import Floats, Ints, frozen
from dstheory.errors import ArithmeticTaskError

_DIGITS = 2  # tens and units are digits; totals are slips
BLOCKS = ("skill", "facts", "digit_columns", "addends", "total_columns", "checks", "lengths")


@dataclass(frozen=True)
class Start:
    """How the initial policy is drawn: what somebody knows who has learned to multiply, not well.

    Attributes:
        skill: the three skills, margins of the right outcome.
        spread: standard deviation of the times table's and the position parameters' random part.
        stop: logit of stop when all checks pass.
        caution: what every failed check takes off it.

    Example:
        >>> start_policy(start=Start(stop=3.0), rng=0).stop_prob[:2, 0].round(2).tolist()  # 0.79 and 0.74 by default
        [0.95, 0.94]
    """

    skill: tuple[float, float, float] = (9.5, 9.5, 8.7)
    spread: tuple[float, float] = (1.5, 1.2)
    stop: float = 1.4
    caution: float = 0.25


@dataclass(frozen=True, eq=False)
class ArithmeticPolicy:
    """Parameters of both stages, and the tables that follow from them.

    Attributes:
        blocks: one array per name in :data:`BLOCKS`: skill (3,), facts (2, 100, 10), digit_columns (2, 17, 10), addends (9, 5),
            total_columns (17, 5), checks (1 + F,), lengths (11,).
        checks: names of the F checks that the decision sees.
        trunk: g >= 0, how strongly skills enter the decision.
        origin: (3,) skills at the start, where a trunk adds nothing.

    Example:
        >>> policy = start_policy(rng=0)
        >>> policy.checks, [len(block) for block in policy.blocks]
        (('nines', 'elevens', 'last-digit'), [3, 2, 2, 9, 17, 4, 11])
    """

    blocks: tuple[Floats, ...]
    checks: tuple[str, ...]
    trunk: float
    origin: Floats

    def __post_init__(self) -> None:
        shapes = _shapes(len(self.checks))
        object.__setattr__(self, "blocks", tuple(frozen(np.asarray(block, dtype=np.float64)) for block in self.blocks))
        for name, block, shape in zip(BLOCKS, self.blocks, shapes, strict=True):
            if block.shape != shape:
                raise ArithmeticTaskError(f"parameters {name!r} have shape {block.shape}: must be {shape}")
            if not np.isfinite(block).all():
                raise ArithmeticTaskError(
                    f"parameters {name!r} are not finite: training left the numbers; use a smaller learning rate"
                )

    def block(self, name: str) -> Floats:
        """Return one block of parameters."""
        return self.blocks[BLOCKS.index(name)]

    def with_blocks(self, blocks: Sequence[Floats]) -> ArithmeticPolicy:
        """Return the same policy with other parameters."""
        return ArithmeticPolicy(tuple(blocks), self.checks, self.trunk, self.origin)

    # ------------------------------------------------------------------ sampling

    @cached_property
    def token_logits(self) -> Floats:
        """(ROWS, 10) logit of every outcome of every row of the token table; -inf where there is no such outcome."""
        skill, facts, columns = self.block("skill"), self.block("facts"), self.block("digit_columns")
        logits = np.full((ROWS, WIDTH), -np.inf)
        digits = logits[: _DIGITS * COLUMNS * FACTS].reshape(_DIGITS, COLUMNS, FACTS, WIDTH)
        digits[:] = facts[:, None] + columns[:, :, None]
        for kind, right in enumerate(RIGHT.values()):
            digits[kind, :, np.arange(FACTS), right] += skill[kind]
        totals = logits[_DIGITS * COLUMNS * FACTS :].reshape(COLUMNS, ADDENDS, WIDTH)[..., : len(SLIPS)]
        totals[:] = self.block("addends")[None] + self.block("total_columns")[:, None]
        totals[..., 0] += skill[2]
        return logits

    @cached_property
    def token_log_prob(self) -> Floats:
        """(ROWS, 10) log-probability of every outcome."""
        top = self.token_logits - self.token_logits.max(axis=1, keepdims=True)
        return np.asarray(top - np.log(np.exp(top).sum(axis=1, keepdims=True)))

    @cached_property
    def token_prob(self) -> Floats:
        """(ROWS, 10) probability of every outcome."""
        return np.asarray(np.exp(self.token_log_prob))

    @cached_property
    def token_cumulative(self) -> Floats:
        """(ROWS, 9) probability of an outcome up to each one but the last; what drawing compares uniform numbers with."""
        return np.ascontiguousarray(np.cumsum(self.token_prob, axis=1)[:, :-1])

    # ------------------------------------------------------------------ decision

    @cached_property
    def _failed(self) -> Ints:
        return np.arange(2 ** len(self.checks))[:, None] >> np.arange(len(self.checks)) & 1  # (2^F, F)

    @cached_property
    def stop_logits(self) -> Floats:
        """(2^F, 11) logit of stop by pattern of failed checks and by length n + m - 8."""
        weights = self.block("checks")
        shared = self.trunk * float((self.block("skill") - self.origin).sum())
        return np.asarray((weights[0] + self._failed @ weights[1:])[:, None] + self.block("lengths") + shared)

    @cached_property
    def log_stop(self) -> Floats:
        """(2^F, 11) log-probability of stop."""
        return np.asarray(-np.logaddexp(0.0, -self.stop_logits))

    @cached_property
    def log_resample(self) -> Floats:
        """(2^F, 11) log-probability of resample."""
        return np.asarray(-np.logaddexp(0.0, self.stop_logits))

    @cached_property
    def stop_prob(self) -> Floats:
        """(2^F, 11) probability of stop."""
        return np.asarray(np.exp(self.log_stop))

    # ------------------------------------------------------------------ gradients

    def pull_back(self, tokens: Floats, stop: Floats, resample: Floats) -> tuple[Floats, ...]:
        """Return the gradient with respect to the blocks, from the coefficient mass of every action.

        For softmax and logistic policies the gradient with respect to logits is the mass minus probability times total mass, see
        :mod:`dstheory.objectives.base`; the blocks get the sum over where they enter.

        Args:
            tokens: (ROWS, 10) coefficient mass of every outcome of every row.
            stop: (2^F, 11) coefficient mass of stopping.
            resample: (2^F, 11) of resampling.
        """
        g = tokens - self.token_prob * tokens.sum(axis=1, keepdims=True)
        digits = g[: _DIGITS * COLUMNS * FACTS].reshape(_DIGITS, COLUMNS, FACTS, WIDTH)
        totals = g[_DIGITS * COLUMNS * FACTS :].reshape(COLUMNS, ADDENDS, WIDTH)[..., : len(SLIPS)]
        d = stop * np.exp(self.log_resample) - resample * self.stop_prob
        facts = digits.sum(axis=1)
        skill = [facts[kind, np.arange(FACTS), right].sum() for kind, right in enumerate(RIGHT.values())]
        by_pattern = d.sum(axis=1)
        raw = {
            "skill": np.array([*skill, totals[..., 0].sum()]) + self.trunk * d.sum(),
            "facts": facts,
            "digit_columns": digits.sum(axis=2),
            "addends": totals.sum(axis=0),
            "total_columns": totals.sum(axis=1),
            "checks": np.array([by_pattern.sum(), *(by_pattern @ self._failed)]),
            "lengths": d.sum(axis=0),
        }
        return tuple(raw[name] for name in BLOCKS)


def start_policy(
    *,
    rng: np.random.Generator | int,
    checks: Sequence[str] = ("nines", "elevens", "last-digit"),
    trunk: float = 0.0,
    start: Start | None = None,
) -> ArithmeticPolicy:
    """Draw the initial policy. It does not depend on ``trunk``: with and without, the same probabilities are the start.

    Args:
        rng: a numpy Generator, or a seed for one.
        checks: what the decision sees.
        trunk: g, finite and >= 0.
        start: the law of the parameters.

    Raises:
        ArithmeticTaskError: an unknown check, or a trunk out of range.

    Example:
        >>> policy = start_policy(rng=0)
        >>> policy.token_prob.shape, policy.stop_prob[:, 0].round(2).tolist()[:2]
        ((3553, 10), [0.79, 0.74])
    """
    if not (trunk >= 0 and np.isfinite(trunk)):
        raise ArithmeticTaskError(f"trunk is {trunk}: must be finite and >= 0; 0 shares nothing between the stages")
    law, rng, names = start or Start(), np.random.default_rng(rng), check_names(checks)
    tables, positions = law.spread
    shapes = dict(zip(BLOCKS, _shapes(len(names)), strict=True))
    drawn = {
        "skill": np.array(law.skill),
        "facts": tables * rng.standard_normal(shapes["facts"]),
        "digit_columns": positions * rng.standard_normal(shapes["digit_columns"]),
        "addends": positions * rng.standard_normal(shapes["addends"]),
        "total_columns": positions * rng.standard_normal(shapes["total_columns"]),
        "checks": np.array([law.stop, *(-law.caution for _ in names)]),
        "lengths": 0.2 * rng.standard_normal(shapes["lengths"]),
    }
    blocks = tuple(drawn[name] for name in BLOCKS)
    return ArithmeticPolicy(blocks, names, float(trunk), frozen(np.array(law.skill)))


def length_index(digits: Ints) -> Ints:
    """Return the column of the decision's tables for n + m digits."""
    return np.asarray(digits - 2 * SMALLEST)


def _shapes(checks: int) -> tuple[tuple[int, ...], ...]:
    return (
        (3,), (_DIGITS, FACTS, WIDTH), (_DIGITS, COLUMNS, WIDTH), (ADDENDS, len(SLIPS)), (COLUMNS, len(SLIPS)),
        (1 + checks,), (LENGTHS,),
    )  # fmt: skip
