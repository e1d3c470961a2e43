r"""Why is one model better than another: the difference in accuracy split into sampling and decision, exactly.

With Acc(s, d) the accuracy of the chain with the sampling (p) of one log and the decisions (a, b) of the other, by the
formulas of :mod:`dstheory.anatomy.chain_formulas` at one cap for both,

.. math::
    \phi_{sample} = \tfrac12 [Acc(1,0) - Acc(0,0)] + \tfrac12 [Acc(1,1) - Acc(0,1)], \qquad
    \phi_{decide} = \tfrac12 [Acc(0,1) - Acc(0,0)] + \tfrac12 [Acc(1,1) - Acc(1,0)],

whose sum is Acc(1,1) - Acc(0,0): the Shapley value of a game with two players. The split is one of the pooled chain's accuracies;
beside it stands the difference of the realised ones, which includes what that chain does not describe.

**Intervals** are percentiles of a bootstrap over problems. Logs about the same problems are resampled together, so that what is
hard for both cancels; logs about different problems are resampled alone.

Source: Shapley (1953); claim G2; the paired bootstrap over problems is derived here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dstheory.anatomy import chain_formulas
from dstheory.anatomy.answers import Rates3, draw_rates, percentiles
from dstheory.anatomy.chain_formulas import Unstopped
from dstheory.anatomy.episodes import Episodes, Labels
from dstheory.anatomy.estimate import Estimate
from dstheory.anatomy.intervals import check_level
from dstheory.anatomy.ledger import COLUMNS, Ledger, joint
from dstheory.anatomy.rates import RATES, Row, row
from dstheory.checks import Floats, whole_number
from dstheory.errors import RecordError
from dstheory.gain import GainSplit

__all__ = ["Difference", "compare", "split"]

_UNDESCRIBED = 0.01  # a difference between the chains' gain and the realised one that is worth a note


@dataclass(frozen=True)
class Difference:
    """A difference in accuracy and its parts.

    Attributes:
        rates_before, rates_after: p, a, b of both logs.
        before, after: accuracies of the two pooled chains.
        gain, sample, decide: after - before and its parts; ``sample.value + decide.value == gain.value`` up to rounding.
        decision_share: decide / gain; missing where the gain may be zero.
        realised_gain: the difference of the accuracies that the logs show.
        cap: the cap at which accuracies are compared; 0 for none.
        unstopped: what becomes of episodes that reach it.
        shared: number of problems that both logs are about.
        notes: what a reader must know.
    """

    rates_before: Row
    rates_after: Row
    before: Estimate
    after: Estimate
    gain: Estimate
    sample: Estimate
    decide: Estimate
    decision_share: Estimate
    realised_gain: Estimate
    cap: int
    unstopped: Unstopped
    shared: int
    notes: tuple[str, ...]


def split(before: Rates3, after: Rates3, cap: int = 0, *, unstopped: Unstopped = "submit") -> GainSplit:
    """Split the difference in accuracy between two chains, elementwise.

    >>> parts = split((0.5, 0.8, 0.3), (0.6, 0.9, 0.8))
    >>> [round(float(x), 4) for x in (parts.before, parts.after, parts.sample, parts.decide)]
    [0.5333, 0.871, 0.0755, 0.2621]
    """

    def accuracy(sampling: Rates3, decision: Rates3) -> Floats:
        return chain_formulas.accuracy(sampling[0], decision[1], decision[2], cap, unstopped=unstopped)

    return GainSplit.of_corners(
        s0d0=accuracy(before, before), s0d1=accuracy(before, after), s1d0=accuracy(after, before), s1d1=accuracy(after, after)
    )


def compare(
    before: Episodes,
    after: Episodes,
    *,
    cap: int | None = None,
    unstopped: Unstopped = "submit",
    level: float = 0.95,
    resamples: int = 999,
    rng: np.random.Generator | int = 0,
) -> Difference:
    """Split the difference in accuracy between two logs.

    Args:
        before, after: the logs of two models or settings.
        cap: number of attempts at which to compare, 0 for none; by default the cap of both logs if they have one in common.
        unstopped: "submit" or "wrong".
        level, resamples, rng: of the intervals.

    Raises:
        RecordError: the logs have no cap in common and none is given; or p, a or b of one of them cannot be estimated.

    >>> from dstheory.anatomy.simulate import simulate_log
    >>> base = simulate_log(600, p=0.4, a=0.8, b=0.4, cap=6, rng=1)
    >>> tuned = simulate_log(600, p=0.45, a=0.9, b=0.8, cap=6, rng=2)
    >>> found = compare(base, tuned)
    >>> found.gain.text(2), found.sample.text(2), found.decide.text(2), found.shared
    ('0.29 [0.24, 0.35]', '0.04 [-0.00, 0.08]', '0.26 [0.22, 0.29]', 600)
    """
    check_level(level)
    n = whole_number(resamples, "resamples", low=2)
    at = _common_cap(before, after) if cap is None else whole_number(cap, "cap", low=0, otherwise="; 0 is none")
    generator = np.random.default_rng(rng)
    tables, shared = (Ledger.of(before), Ledger.of(after)), _shared(before, after)
    rates = [row(table, level=level) for table in tables]
    for which, rows in zip(("before", "after"), rates, strict=True):
        for estimate in (rows.p, rows.a, rows.b):
            if estimate.value is None:
                raise RecordError(f"the log {which} cannot be split: {estimate.reason}")
    if shared:
        totals, k = np.concatenate(list(_side_by_side(before, after).resample(n, generator))), len(COLUMNS)
        parts = [totals[:, :k], totals[:, k:]]
    else:
        parts = [np.concatenate(list(table.resample(n, generator))) for table in tables]
    found = split(_point(tables[0]), _point(tables[1]), at, unstopped=unstopped)
    draws = [draw_rates(table, part) for table, part in zip(tables, parts, strict=True)]
    spread = split(draws[0], draws[1], at, unstopped=unstopped)
    gain = percentiles(found.gain, spread.gain, level)
    final = COLUMNS.index("final_correct")
    shown = [np.asarray(table.total("final_correct") / table.total("episodes")) for table in tables]
    realised = [part[:, final] / np.maximum(part[:, 0], 1) for part in parts]
    realised_gain = percentiles(shown[1] - shown[0], realised[1] - realised[0], level)
    return Difference(
        rates_before=rates[0],
        rates_after=rates[1],
        before=percentiles(found.before, spread.before, level),
        after=percentiles(found.after, spread.after, level),
        gain=gain,
        sample=percentiles(found.sample, spread.sample, level),
        decide=percentiles(found.decide, spread.decide, level),
        decision_share=_share(found, spread, gain, level),
        realised_gain=realised_gain,
        cap=at,
        unstopped=unstopped,
        shared=shared,
        notes=_notes(tables, at, shared, gain, realised_gain),
    )


def _common_cap(before: Episodes, after: Episodes) -> int:
    caps = np.unique(np.concatenate([before.cap, after.cap]))
    if len(caps) == 1:
        return int(caps[0])
    shown = ", ".join("none" if c == 0 else str(c) for c in caps[:6])
    raise RecordError(f"the logs have no cap in common (there are {shown}): say at which cap to compare, 0 for none")


def _shared(before: Episodes, after: Episodes) -> int:
    """Number of problems, by name, that both logs are about."""
    one, other = ({log.problem_ids[i] for i in np.unique(log.problem).tolist()} for log in (before, after))
    return len(one & other)


def _side_by_side(before: Episodes, after: Episodes) -> Ledger:
    together = Episodes.concatenate([before, after])
    which = Labels((np.arange(len(together)) >= len(before)).astype(np.int32), ("before", "after"))
    return joint(together.with_field("(which)", which), "(which)")


def _point(table: Ledger) -> Rates3:
    p, a, b = (np.asarray(table.total(s) / table.total(t)) for s, t in RATES.values())
    return p, a, b


def _share(found: GainSplit, spread: GainSplit, gain: Estimate, level: float) -> Estimate:
    if gain.low <= 0 <= gain.high:
        return Estimate.missing(
            "the gain may be zero, and a share of nothing has no meaning", level=level, low=-np.inf, high=np.inf
        )
    return percentiles(found.decision_share, spread.decide / spread.gain, level)


def _notes(tables: tuple[Ledger, Ledger], cap: int, shared: int, gain: Estimate, realised: Estimate) -> tuple[str, ...]:
    counts = [table.problems for table in tables]
    how = f"{shared} problems are in both logs and were resampled together" if shared else "the logs share no problem"
    notes = [f"{how} ({counts[0]} and {counts[1]} problems)"]
    assert gain.value is not None
    assert realised.value is not None
    if abs(realised.value - gain.value) > _UNDESCRIBED:
        where = "without a cap" if cap == 0 else f"at a cap of {cap}"
        notes.append(
            f"the pooled chains {where} differ by {gain.value:.3f}, the logs by {realised.value:.3f}: one p, a, b per log do not "
            "describe the rest"
        )
    return tuple(notes)
