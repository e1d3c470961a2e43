"""Accuracy by round on real logs: the chain with decisions against the self-correction chain, on problems not used in the fit.

Reads ``game24_selfverify.jsonl`` and ``countdown_transcripts.jsonl`` from the folder of ``--data``. For every round the held
answer is the one that would be submitted then. Both theories are fitted to four fifths of the problems and predict the rest.

What it shows, and why. After one round the theories agree (claim A6): they count the same transitions. Later the self-correction
chain looks again at answers on which the model has stopped, and its limit has other odds. Which of them is nearer says whether a
stop of this model is final; a p per problem, where problems differ, is a correction of another kind (G4).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dstheory.experiments import Findings

NAME = "self-correction"
CLAIMS = ("A6", "G4")
NEEDS = "a folder with game24_selfverify.jsonl and countdown_transcripts.jsonl"

SEED = 0


def run(*, quick: bool, progress: Callable[[int, int], None] | None = None, data: Path | None = None) -> Findings:
    """Predict accuracy by round on both logs."""
    from dstheory.anatomy import read_log

    from . import _neighbours as shared
    from . import _rollouts as rollouts
    from ._curves import predict_curves

    game = rollouts.file_in(data, "game24_selfverify.jsonl")
    countdown = rollouts.file_in(data, "countdown_transcripts.jsonl")
    logs = {
        "24 game": read_log(game, fields={"cap": "max_attempts", "problem": "numbers"}).episodes,
        "countdown": read_log(countdown, fields={"problem": "numbers"}, checker="countdown", segment="expressions").episodes,
    }
    curves, lines = {}, []
    for i, (name, log) in enumerate(logs.items()):
        # An episode that ended without a stop says nothing about what it would have held later.
        known = int(log.attempts[log.capped].min()) if log.capped.any() else 10
        rounds = min(10, known)
        if rounds < 2:
            lines.append(f"{name}: left out, some of its episodes ended without a stop after their first attempt.")
            continue
        curves[name] = predict_curves(log, rounds=rounds, folds=5, rng=SEED)
        lines.append(
            f"{name}, {len(log):,} episodes on {log.n_problems:,} problems, {rounds} rounds: {shared.sentence(curves[name])}"
        )
        if progress is not None:
            progress(i + 1, len(logs))
    found = shared.dataset(curves).assign_attrs(seed=SEED)
    return Findings(found, {"curves": shared.curves_figure(found)}, {"curves": shared.errors(curves)}, "\n".join(lines))
