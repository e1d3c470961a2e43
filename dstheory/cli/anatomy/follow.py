"""`dstheory anatomy FILE --follow`: p, a, b and pass@k, renewed as the log grows."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import click
from rich.console import Console

from dstheory.anatomy.answers import decided_by, perfect
from dstheory.anatomy.episodes import Episodes
from dstheory.anatomy.follow import Follower
from dstheory.anatomy.logs import Log
from dstheory.anatomy.one_shot import one_shot
from dstheory.anatomy.rates import Estimate, ProblemCounts, measure
from dstheory.anatomy.revisions import measure_revisions
from dstheory.anatomy.surveys import TOTAL
from dstheory.cli.anatomy.document import RATES, Section, print_sections, text_of
from dstheory.cli.anatomy.options import biased, request_of, texts_of
from dstheory.cli.show import echo, print_json

_STEPS = 8  # of training, the last ones
_NOT_NOW = {
    "compared": "--compare",
    "decision_score": "--decision-score",
    "out": "--out",
    "report": "--report",
    "scheduler": "--scheduler",
    "votes": "--votes",
    "gold": "--gold",
}


def follow(options: dict[str, Any], *, as_json: bool) -> None:
    """Show what a log says as it grows, until the command is interrupted."""
    given = [flag for name, flag in _NOT_NOW.items() if options[name]] + ["--workers"] * (options["workers"] > 1)
    if given:
        raise click.UsageError(f"--follow shows p, a, b and pass@k as the log grows: leave out {' and '.join(given)}")
    across = options["across"]
    request = request_of(options, [options["by"], *([across] if across else [])])
    log = Follower(options["logs"], request, texts_of(options), options["cap"], options["strict"])
    renewals(log, lambda found: _show(found, options, as_json=as_json), lambda: _pause(options["interval"]))


def renewals(log: Follower, show: Callable[[Log], None], wait: Callable[[], bool]) -> int:
    """Show a log whenever it has changed, until ``wait``, called between two looks, is false; return how often that was."""
    shown, waiting = 0, False
    while True:
        found = log.renew()
        if found is not None:
            show(found)
            shown, waiting = shown + 1, False
        elif not log.reading.usable and not waiting:
            why = f" ({log.reading.reasons})" if log.reading.records else ""
            echo(f"waiting for a usable record in {', '.join(map(str, log.paths))}{why}", err=True)
            waiting = True
        if not wait():
            return shown


def _pause(seconds: float) -> bool:
    time.sleep(seconds)
    return True


def _show(found: Log, options: dict[str, Any], *, as_json: bool) -> None:
    why = biased(found, options["max_unusable"])
    if as_json:
        plain: dict[str, Any] = {"records": found.reading.records, "used": found.reading.usable}
        plain |= {"reason": why} if why else numbers(found.episodes, options)
        print_json(plain, indent=None)
    else:
        console = Console()
        if console.is_terminal:
            console.clear()
        for line in found.reading.lines():
            echo(line)
        if why:
            echo(why)
        else:
            print_sections(sections(found.episodes, options))
    sys.stdout.flush()


def _tables(episodes: Episodes, options: dict[str, Any]) -> dict[str, Any]:
    """Return what both forms show: rates by label, chances of a right answer in k tries, revisions, steps."""
    level, across = options["level"], options["across"] or "model"
    # Logs need not say which model; any other field that is not there is refused.
    axes = [name for name in dict.fromkeys((across, options["by"]))
            if (name != "model" or name in episodes.fields) and len(episodes.by(name)) > 1]  # fmt: skip
    (total,) = measure(episodes, level=level)
    rows = [*(measure(episodes, *axes, level=level) if axes else []), total]
    found: dict[str, Any] = {"axes": axes, "rates": rows, "decided_by": decided_by(episodes, total), "steps": ()}
    if episodes.one_shot:
        shot = one_shot(episodes, level=level)
        return found | {"pass": [(size.k, size.passed) for size in shot.sizes], "steps": shot.steps, "revisions": None}
    longest = int(episodes.attempts.max())
    sizes = sorted({longest, *(2**i for i in range(longest.bit_length()))})
    revised = measure_revisions(episodes, level=level) if episodes.undecided.all() else None
    table = ProblemCounts.of(episodes)
    return found | {"pass": [(k, perfect(episodes, k, table, level=level)) for k in sizes], "revisions": revised}


def numbers(episodes: Episodes, options: dict[str, Any]) -> dict[str, Any]:
    """Return one renewal as plain data."""
    found = _tables(episodes, options)

    def plain(estimate: Estimate) -> dict[str, Any]:
        return {name: getattr(estimate, name) for name in ("value", "low", "high", "caution")}

    revised = found["revisions"]
    after = ("first", "right_to_right", "wrong_to_right")
    return {
        "decided_by": found["decided_by"],
        "rates": [
            {"labels": dict(zip(found["axes"], row.labels, strict=False)), "problems": row.problems, "episodes": row.episodes}
            | {"attempts": row.attempts, "p": plain(row.p), "a": plain(row.a), "b": plain(row.b)}
            for row in found["rates"]
        ],
        "pass": [{"k": k, **plain(estimate)} for k, estimate in found["pass"]],
        "revisions": None if revised is None else {name: plain(getattr(revised, name)) for name in after},
        "steps": [{"step": step.step, "p": plain(step.p), "dead": plain(step.dead)} for step in found["steps"]],
    }


def sections(episodes: Episodes, options: dict[str, Any]) -> Sequence[Section]:
    """Return one renewal as tables."""
    found = _tables(episodes, options)
    axes, who = found["axes"], found["decided_by"]
    rows = [
        [*(row.labels or ([TOTAL] * max(1, len(axes)))), f"{row.problems:,}", f"{row.episodes:,}", f"{row.attempts:,}"]
        + [text_of(estimate) for estimate in (row.p, row.a, row.b)]
        for row in found["rates"]
    ]
    own = [] if who in ("model", "model (assumed)") else [f"decided by: {who}; so a and b say nothing about the model"]
    columns = [*(axes or [""]), "problems", "episodes", "attempts", *RATES]
    made = [
        Section("so far", columns, rows, words=max(1, len(axes)), lines=own),
        Section(
            "at least one right of k",
            ["k", "pass@k"],
            [[str(k), estimate.text()] for k, estimate in found["pass"]],
            lines=[] if found["rates"][-1].b.value is None else ["beyond k = 1 if b is the same for all problems"],
        ),
    ]
    revised = found["revisions"]
    if revised is not None:
        names = ["first right", "right after right", "right after wrong"]
        made.append(Section("answers in turn", names, [
            [text_of(one) for one in (revised.first, revised.right_to_right, revised.wrong_to_right)]
        ], words=0))  # fmt: skip
    if len(found["steps"]) > 1:
        last = found["steps"][-_STEPS:]
        made.append(Section("last steps", ["step", "groups", "p", "dead groups"], [
            [step.step, f"{step.groups:,}", text_of(step.p), text_of(step.dead)] for step in last
        ]))  # fmt: skip
    return made
