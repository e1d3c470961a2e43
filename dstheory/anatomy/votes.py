r"""Self-consistency as a decision: the most frequent answer of k samples is accepted if enough of them agree.

Of each problem k samples vote. The answer is the most frequent one, a tie going to the answer that came first, and a sample
without an answer does not vote. Its score is the agreement, the share of the k samples that gave it; accepting from a threshold t
on is a decision like any other, with

.. math:: p = P(\text{vote right}), \qquad a = P(\text{agreement} \ge t \mid \text{right}),
          \qquad b = P(\text{agreement} < t \mid \text{wrong}),

so the formulas, intervals and held-out choice of a threshold are those of :mod:`dstheory.anatomy.score_rule`, with a vote in the
place of a sample. Whoever rejects draws k more samples. Votes are of whole blocks of k samples in the order of the log; those of
one problem count as correlated.

Source: majority votes of Wang et al. (2022), arXiv 2203.11171; as a decision, derived here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dstheory.anatomy.episodes import NOT_GIVEN, Episodes, HoldsEpisodes, Labels, episodes_of
from dstheory.anatomy.score_rule import FIELD, ScoreRule, judge_score
from dstheory.checks import Bools, Floats, Ints, whole_number
from dstheory.errors import RecordError

_WITHIN = ("step", "log", "model")  # fields that divide the samples of a problem into groups


@dataclass(frozen=True, eq=False)
class Ballots:
    """The answers that got votes, those of one block after the other.

    Attributes:
        owner: (blocks,) the group of each block.
        block: (m,) which block an answer is of.
        times: (m,) how many samples gave it.
        right: (m,) the share of these that are right.
        first: (m,) where the first of them stands among all samples.
    """

    owner: Ints
    block: Ints
    times: Ints
    right: Floats
    first: Ints

    @classmethod
    def of(cls, episodes: Episodes, group: Ints, k: int) -> Ballots:
        """Count the votes of whole blocks of k samples of one group, in the order of the log."""
        column = episodes.fields["answer"]
        order = np.argsort(group, kind="stable")
        sizes = np.bincount(group)
        rank = np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        kept = order[rank < np.repeat(sizes // k * k, sizes)]
        blocks = np.arange(len(kept)) // k  # whole ones, group by group
        none = column.names.index(NOT_GIVEN) if NOT_GIVEN in column.names else -1
        given = column.codes[kept] != none
        voted = kept[given]
        key, first, place, times = np.unique(
            blocks[given] * len(column.names) + column.codes[voted], return_index=True, return_inverse=True, return_counts=True
        )
        right = np.bincount(place, weights=episodes.correct[voted], minlength=len(key)) / times
        return cls(group[kept[::k]], key // len(column.names), times, right, voted[first])

    @property
    def most(self) -> Ints:
        """(blocks,) votes of the most frequent answer, 0 where nobody voted."""
        most = np.zeros(len(self.owner), dtype=np.int64)
        np.maximum.at(most, self.block, self.times)
        return most

    @property
    def tied(self) -> Bools:
        """(m,) which answers have the most votes of their block."""
        return np.asarray(self.times == self.most[self.block])


def groups_of(episodes: Episodes) -> Ints:
    """Return (N,) the group of each episode, numbered without gaps: alike are those of one problem, step, file and model."""
    code = np.unique(episodes.problem, return_inverse=True)[1]
    for name in _WITHIN:
        if name in episodes.fields and len(episodes.fields[name].names) > 1:
            column = episodes.fields[name]
            code = np.unique(code * len(column.names) + column.codes, return_inverse=True)[1]
    return code


@dataclass(frozen=True)
class Votes:
    """What the agreement of k samples is worth as a decision.

    Attributes:
        k: samples of a vote.
        left_out: samples that make no whole vote.
        rule: p, a, b and the rest, of votes; thresholds are shares of the k samples.
    """

    k: int
    left_out: int
    rule: ScoreRule


def judge_votes(
    log: Episodes | HoldsEpisodes, k: int, *, level: float = 0.95, splits: int = 100, rng: np.random.Generator | int = 0
) -> Votes:
    """Judge the agreement of k samples as a decision.

    Args:
        log: samples after which nobody could resample, with a field ``answer``.
        k: samples of a vote, at least 2.
        level: coverage of intervals.
        splits: number of random splits of the problems into halves, for the best threshold.
        rng: generator or seed of the splits.

    Raises:
        RecordError: somebody could resample, there are no answers, or no problem has k samples.

    >>> said = "4434" "5567" "4455"  # four samples of each of three problems
    >>> rows = [("xyz"[i // 4], [(answer == "4", None)]) for i, answer in enumerate(said)]
    >>> found = judge_votes(Episodes.record(rows, cap=1, fields={"answer": list(said)}), 4)
    >>> found.rule.p.value, [(row.threshold, row.a.value, row.b.value) for row in found.rule.thresholds]
    (0.6666666666666666, [(0.75, 0.5, 1.0)])
    """
    episodes, k = episodes_of(log), whole_number(k, "votes", low=2)
    if not episodes.one_shot:
        raise RecordError("votes are of samples after which nobody could resample, and this log has attempts after the first")
    column = episodes.fields.get("answer")
    if column is None or set(column.names) == {NOT_GIVEN}:
        raise RecordError("votes need the answers, and no record has one: name its key with --field answer=KEY")
    group = groups_of(episodes)
    ballots = Ballots.of(episodes, group, k)
    votes = len(ballots.owner)
    if not votes:
        raise RecordError(f"no problem has {k} samples: at most {int(np.bincount(group).max())} vote together")
    tied = np.flatnonzero(ballots.tied)
    tied = tied[np.lexsort((ballots.first[tied], ballots.block[tied]))]  # of tied answers the one that came first
    chosen, place = np.unique(ballots.block[tied], return_index=True)
    right = np.zeros(votes, dtype=bool)
    right[chosen] = ballots.right[tied[place]] > 0.5
    problem = np.zeros(int(group.max()) + 1, dtype=np.int64)
    problem[group] = episodes.problem
    agreement = Labels(ballots.most.astype(np.int32), tuple(repr(times / k) for times in range(k + 1)))
    voted = Episodes(
        offsets=np.arange(votes + 1),
        correct=right,
        stopped=np.zeros(votes, dtype=bool),
        capped=np.ones(votes, dtype=bool),
        problem=problem[ballots.owner],
        problem_ids=episodes.problem_ids,
        cap=np.ones(votes, dtype=np.int64),
        fields={FIELD: agreement},
    )
    return Votes(k, len(episodes) - k * votes, judge_score(voted, level=level, splits=splits, rng=rng))
