r"""The first answers of two logs compared: what can be said of any two logs, where there are no decisions to split off.

With :math:`\hat r` the share of episodes whose first answer is right (p, where nobody could try again), the difference has an
interval recovered from those of both rates (MOVER), Wilson's over problems. What a problem moves both rates by,
:math:`e_x = (s_x - \hat r n_x)/\sum n`, gives their correlation, so problems in common cancel. The interval stays within
[-1, 1], and does not vanish where all answers are right or all are wrong.

Source: Newcombe (1998), methods 10 (paired) and its unpaired form; Zou and Donner (2008).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dstheory.anatomy.answers import rate_difference
from dstheory.anatomy.episodes import Episodes, HoldsEpisodes, episodes_of
from dstheory.anatomy.rates import Estimate, ProblemCounts, rate


@dataclass(frozen=True)
class FirstAnswers:
    """First answers of two logs.

    Attributes:
        before, after: P(first answer right).
        gain: after - before.
        shared: number of problems that both logs are about.
        notes: what a reader must know.
    """

    before: Estimate
    after: Estimate
    gain: Estimate
    shared: int
    notes: tuple[str, ...]


def compare_first_answers(
    before: Episodes | HoldsEpisodes, after: Episodes | HoldsEpisodes, *, level: float = 0.95, why: str = ""
) -> FirstAnswers:
    """Compare the first answers of two logs.

    Args:
        before, after: the logs.
        level: of the intervals.
        why: a note: the reason why nothing else is compared.

    >>> from dstheory.anatomy import Episodes
    >>> one, two = (Episodes.record([(str(i), [(i % n == 0, None)]) for i in range(60)], cap=1) for n in (3, 2))
    >>> compare_first_answers(one, two).gain.text(2)
    '0.17 [-0.01, 0.33]'
    """
    logs = [episodes_of(before), episodes_of(after)]
    together = Episodes.concatenate(logs)
    places = together.problem[: len(logs[0])], together.problem[len(logs[0]) :]
    rates = [rate(ProblemCounts.of(log), "first_correct", "episodes", level=level) for log in logs]
    moved, present = [], []
    for log, place, estimate in zip(logs, places, rates, strict=True):
        assert estimate.value is not None  # a log has episodes
        rest = log.correct[log.offsets[:-1]] - estimate.value
        moved.append(np.bincount(place, weights=rest, minlength=len(together.problem_ids)))
        present.append(np.bincount(place, minlength=len(together.problem_ids)) > 0)
    old, new = rates
    gain = rate_difference(new, old, (moved[1], moved[0]))
    shared = int(np.count_nonzero(present[0] & present[1]))
    counts = [int(np.count_nonzero(one)) for one in present]
    how = f"{shared} problems are in both logs" if shared else "the logs share no problem"
    note = f"{how} ({counts[0]} and {counts[1]} problems)"
    if max(counts) > shared:
        note += ": those of one log may be harder"
    return FirstAnswers(old, new, gain, shared, (note, *([why] if why else [])))
