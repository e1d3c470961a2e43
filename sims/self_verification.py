"""A model that checks its own answers to the 24 game: what one p, a, b gets wrong, and what a p per problem repairs.

Reads ``game24_selfverify.jsonl`` from the folder of ``--data``: one record per episode of at most ten attempts. The numbers of
the game say which episodes are about the same puzzle, so that no puzzle is both in the fit and among those predicted.

What it shows, and why. A model that accepts a third of its correct answers and rejects nearly all wrong ones has a + b > 1:
resampling helps (claim A3) and multiplies the odds of being correct by a/(1 - b) (A5). Where p is small and attempts are capped,
little of that is reached. Puzzles differ, so those still open after some rounds are the hard ones. A chain with one p does not
know that: it describes puzzles that it has not seen worse, and its accuracy errs upwards, the direction of claim G4-sign for
a + b > 1, though here by less than the data can show. Each puzzle was played twice by the same model, so the split of the gain
(G2) between first and second trials has two parts of which both are zero: intervals should contain it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from dstheory.experiments import Findings

NAME = "self-verification"
CLAIMS = ("A3", "A5", "G2", "G4-sign")
NEEDS = "a folder with game24_selfverify.jsonl"

FILE, SEED = "game24_selfverify.jsonl", 0


def run(*, quick: bool, progress: Callable[[int, int], None] | None = None, data: Path | None = None) -> Findings:
    """Measure p, a, b, test the chain, and predict puzzles that were not used in the fit."""
    from dstheory.anatomy import compare, read_log, survey
    from dstheory.plots.anatomy import anatomy_figure, rounds_figure

    from . import _rollouts as shared

    log = read_log(shared.file_in(data, FILE), fields={"cap": "max_attempts", "problem": "numbers"})
    if progress is not None:
        progress(1, 3)
    found = survey(log.episodes, seed=SEED, reading=log.reading)
    (group,) = found.groups
    if progress is not None:
        progress(3, 3)
    first = np.zeros(len(log.episodes), dtype=bool)
    first[np.unique(log.episodes.problem, return_index=True)[1]] = True
    again = compare(log.episodes.select(first), log.episodes.select(~first))
    total, held = group.total, group.held_out
    assert held is not None
    better = held.difference["heterogeneous"]
    rejected = [f"{test.name} ({test.p_value:.2g})" for test in group.checks if test.rejected()]
    untestable = [test.name for test in group.checks if test.p_value is None]
    caption = "\n".join(
        [
            f"{len(log.episodes):,} episodes on {log.episodes.n_problems:,} puzzles, {len(log.episodes.correct):,} attempts, "
            f"{int(log.episodes.capped.sum())} episodes at the cap of ten.",
            f"p {total.rates.p.text()}, a {total.rates.a.text()}, b {total.rates.b.text()}; a + b - 1 {total.youden.text()}; "
            f"odds multiplier {total.multiplier.text(1)}: resampling helps: {total.helps}.",
            f"First answers alone {total.none.text()}; perfect decisions on the same answers {total.perfect.text()}"
            f"{' (* b differs between puzzles)' if total.perfect.caution else ''}.",
            *(shared.sentence(group, what) + "." for what in ("accuracy", "stopped", "attempts")),
            f"Rejected at 5 %: {', '.join(rejected) or 'nothing'}. Not testable: {', '.join(untestable) or 'nothing'}.",
            f"Held-out log-likelihood per puzzle, heterogeneous less pooled: {better.text()}; rho of p "
            f"{held.chains['heterogeneous'].p.rho:.3f}.",
            f"From first to second trials of the same puzzles: gain {again.gain.text()}, by sampling {again.sample.text()}, by "
            f"decisions {again.decide.text()}.",
        ]
    )
    figures = {"self-verification": anatomy_figure(found), "rounds": rounds_figure(found)}
    return Findings(shared.dataset(found), figures, shared.tables(group), caption)
