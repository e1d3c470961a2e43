r"""Parts of a log, split by problem, and chains that know which problems they have seen.

Fitting p, a, b to episodes and "predicting" the accuracy of the same episodes is accounting (claim G4), and episodes of one
problem say something about each other. So *problems* are split, a :class:`Fit` remembers the problems it has seen, and
:func:`score` refuses to predict any of them: a prediction is always about problems that were not used in the fit.

All fits have the pseudo-observation of :mod:`dstheory.anatomy.beta_fit`, so that no held-out problem is impossible.

Source: derived here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dstheory.anatomy import ledger as ledgers
from dstheory.anatomy.episodes import Episodes, Labels
from dstheory.anatomy.ledger import Ledger
from dstheory.anatomy.rollout_chain import RolloutChain, fit_chain
from dstheory.checks import Bools, Floats, whole_number
from dstheory.errors import RecordError

__all__ = ["Fit", "Part", "fit", "score", "split_problems"]


@dataclass(frozen=True, eq=False)
class Part:
    """Some problems of a log, with all of their episodes, as sums.

    Attributes:
        problems: (number of ids,) which problems.
        problem_ids: their names.
        table: sums per problem.
        caps: share of episodes with each cap.
        rounds: attempts of the longest episode.
    """

    problems: Bools
    problem_ids: Sequence[str]
    table: Ledger
    caps: Mapping[int, float]
    rounds: int

    @classmethod
    def of(cls, episodes: Episodes) -> Part:
        """Return all problems of a log as one part."""
        return split_problems(episodes, 1)[0]

    def __add__(self, other: Part) -> Part:
        """Return both parts together."""
        mine, theirs = self.table.total("episodes"), other.table.total("episodes")
        shares = {
            cap: (mine * self.caps.get(cap, 0.0) + theirs * other.caps.get(cap, 0.0)) / (mine + theirs)
            for cap in sorted({*self.caps, *other.caps})
        }
        table = Ledger(np.concatenate([self.table.rows, other.table.rows]), np.concatenate([self.table.times, other.table.times]))
        return Part(self.problems | other.problems, self.problem_ids, table, shares, max(self.rounds, other.rounds))


@dataclass(frozen=True, eq=False)
class Fit:
    """A chain together with the problems it was fitted to.

    Attributes:
        kind: of chain.
        chain: the fitted chain.
        part: what it was fitted to.
    """

    kind: str
    chain: RolloutChain
    part: Part


def split_problems(episodes: Episodes, folds: int, *, rng: np.random.Generator | int = 0) -> tuple[Part, ...]:
    """Split the problems of a log at random into parts of nearly equal size.

    Raises:
        RecordError: there are fewer problems than folds.

    >>> from dstheory.anatomy.simulate import simulate_log
    >>> [int(part.problems.sum()) for part in split_problems(simulate_log(11, p=0.5, a=0.5, b=0.5, cap=3), 3)]
    [4, 4, 3]
    """
    n = whole_number(folds, "folds", low=1)
    present = np.flatnonzero(np.bincount(episodes.problem, minlength=len(episodes.problem_ids)))
    if len(present) < n:
        raise RecordError(f"{len(present)} problems cannot be split into {n} folds: use fewer folds or more problems")
    fold = np.zeros(len(episodes.problem_ids), dtype=np.int32)
    fold[np.random.default_rng(rng).permutation(present)] = np.arange(len(present)) % n
    which = Labels(fold[episodes.problem], tuple(map(str, range(n))))
    tables = dict(ledgers.cells(episodes.with_field("(fold)", which), ("(fold)",)))
    parts = []
    for k in range(n):
        chosen = np.zeros(len(fold), dtype=bool)
        chosen[present] = fold[present] == k
        caps, counts = np.unique(episodes.cap[which.codes == k], return_counts=True)
        shares = {int(cap): float(count) / int(counts.sum()) for cap, count in zip(caps, counts, strict=True)}
        longest = int(episodes.attempts[which.codes == k].max())
        parts.append(Part(chosen, episodes.problem_ids, tables[(str(k),)], shares, longest))
    return tuple(parts)


def fit(part: Part, kind: str = "heterogeneous") -> Fit:
    """Fit a chain to a part, and remember to which."""
    return Fit(kind, fit_chain(part.table, kind), part)


def score(fitted: Fit, test: Part, *, rounds: int | None = None) -> tuple[Floats, dict[str, float], Floats, Floats]:
    """Predict a part that the chain has not seen.

    Args:
        fitted: the chain and what it has seen.
        test: what to predict.
        rounds: R, by default as many as the part has.

    Returns:
        (G,) log-likelihood of each row of the part's table; predicted means per episode of "accuracy", "stopped" and "attempts";
        (R,) predicted share of episodes that reach round k; (R,) predicted share of episodes that are correct in round k.

    Raises:
        RecordError: some problem of the part was used in the fit.

    >>> from dstheory.anatomy.simulate import simulate_log
    >>> whole = Part.of(simulate_log(10, p=0.5, a=0.5, b=0.5, cap=3))
    >>> score(fit(whole), whole)
    Traceback (most recent call last):
        ...
    dstheory.errors.RecordError: 10 problems to be predicted were used in the fit, such as 'problem-0': split by problem first
    """
    seen = _shared(fitted.part, test)
    if seen:
        raise RecordError(
            f"{len(seen)} problems to be predicted were used in the fit, such as {seen[0]!r}: split by problem first"
        )
    chain, shown = fitted.chain, test.rounds if rounds is None else rounds
    means = {
        "accuracy": sum(share * chain.accuracy(cap) for cap, share in test.caps.items()),
        "stopped": sum(share * chain.stopped(cap) for cap, share in test.caps.items()),
        "attempts": sum(share * chain.attempts(cap) for cap, share in test.caps.items()),
    }
    open_share = np.array([sum(s for cap, s in test.caps.items() if cap == 0 or cap > k) for k in range(shown)])
    reach = chain.reaching(shown) * open_share
    right = np.nan_to_num(chain.correct_at(shown)) * reach
    return chain.log_likelihood(test.table), means, reach, right


def _shared(one: Part, other: Part) -> list[str]:
    if one.problem_ids is other.problem_ids:
        return [one.problem_ids[i] for i in np.flatnonzero(one.problems & other.problems).tolist()]
    names = {one.problem_ids[i] for i in np.flatnonzero(one.problems).tolist()}
    return [other.problem_ids[i] for i in np.flatnonzero(other.problems).tolist() if other.problem_ids[i] in names]
