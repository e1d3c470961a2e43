"""Free text on the countdown game: how much p, a, b depend on the way attempts are found in it.

Reads ``countdown_transcripts.jsonl`` from the folder of ``--data``: completions whose attempts are not marked. Answers are
checked exactly by the rules of the game (each number once); where attempts begin is a matter of definition, and three are tried:
arithmetic expressions with at least three numbers, ``<answer>`` tags, and the last expression before each "wait"-like word.

What it shows, and why. The three give very different p and b, since what counts as an attempt is what differs, and they cannot
use the same transcripts. Conclusions about resampling from unmarked text are conclusions about the segmentation too. For the
first definition the chains are compared on puzzles that were not used in the fit, as for marked logs. Since every transcript
ends with a stop, the pooled chain's accuracy agrees by accounting (G4-fit), which proves nothing; whether resampling helps (A3:
whether a + b > 1) is asked under each definition, and need not be told by all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from dstheory.experiments import Findings

NAME = "countdown-transcripts"
CLAIMS = ("A3", "G4-fit")
NEEDS = "a folder with countdown_transcripts.jsonl"

FILE, SEED = "countdown_transcripts.jsonl", 0
WAYS = ("expressions", "tags", "markers")


def run(*, quick: bool, progress: Callable[[int, int], None] | None = None, data: Path | None = None) -> Findings:
    """Measure p, a, b by three segmentations, and predict puzzles that were not used in the fit by the first."""
    from dstheory.anatomy import answer, read_log, survey
    from dstheory.plots.anatomy import anatomy_figure, rounds_figure

    from . import _rollouts as shared

    path = shared.file_in(data, FILE)
    settings: dict[str, Any] = {"fields": {"problem": "numbers"}, "checker": "countdown", "no_answer": "omit"}
    logs = {way: read_log(path, segment=way, **settings) for way in WAYS}
    rows: list[dict[str, Any]] = []
    for i, (way, log) in enumerate(logs.items()):
        found = answer(log.episodes)
        counts = log.episodes.counts()
        row: dict[str, Any] = {"segmentation": way, "records": len(log.episodes), "unusable": log.reading.unusable,
                               "attempts": int(counts.attempts), "longest": int(log.episodes.attempts.max())}  # fmt: skip
        for name, estimate in (("p", found.rates.p), ("a", found.rates.a), ("b", found.rates.b), ("a + b - 1", found.youden),
                               ("accuracy", found.realised["accuracy"]), ("first answer", found.none)):  # fmt: skip
            row |= {name: estimate.value, f"{name} low": estimate.low, f"{name} high": estimate.high}
        rows.append(row | {"reflection helps": found.helps})
        if progress is not None:
            progress(i + 1, len(WAYS) + 1)
    first = logs[WAYS[0]]
    found_first = survey(first.episodes, seed=SEED, reading=first.reading)
    if progress is not None:
        progress(len(WAYS) + 1, len(WAYS) + 1)
    (group,) = found_first.groups
    held = group.held_out
    assert held is not None
    rejected = [f"{test.name} ({test.p_value:.2g})" for test in group.checks if test.rejected()]
    caption = "\n".join(
        [
            *(f"{row['segmentation']}: {row['records']:,} records used, {row['unusable']:,} unusable, "
              f"{row['attempts']:,} attempts; p {_text(row['p'])}, a {_text(row['a'])}, b {_text(row['b'])}; "
              f"resampling helps: {row['reflection helps']}."
              for row in rows),
            "By expressions, for puzzles that were not used in the fit:",
            *(shared.sentence(group, what) + "." for what in ("accuracy", "stopped", "attempts")),
            f"Rejected at 5 %: {', '.join(rejected) or 'nothing'}.",
            f"Held-out log-likelihood per puzzle, heterogeneous less pooled: {held.difference['heterogeneous'].text()}.",
            *(f"Note: {note}." for note in first.reading.notes),
        ]
    )  # fmt: skip
    figures = {"countdown-transcripts": anatomy_figure(found_first), "rounds": rounds_figure(found_first)}
    return Findings(shared.dataset(found_first), figures, {"segmentations": rows, **shared.tables(group)}, caption)


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
