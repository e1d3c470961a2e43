"""Short phrases that all reports share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dstheory.claims.runner import Entry, Report
from dstheory.claims.verdicts import BY_DEFINITION, Outcome, Status

__all__ = ["FEW", "few", "how", "point_text", "summary", "verdict_text"]

FEW = 4


def few(formulas: Sequence[str]) -> tuple[list[str], str]:
    """The first formulas of a step, and a phrase that says how many more there are; trivial ones (0 = 0) are left out.

    >>> few(["0 = 0", "x = y"])
    (['x = y'], '')
    """
    telling = [formula for formula in formulas if formula != "0 = 0"]
    more = len(telling) - FEW
    return telling[:FEW], f"and {more} more of the kind" if more > 0 else ""


def verdict_text(entry: Entry) -> str:
    """The outcome, and the recorded one where it differs."""
    outcome = str(entry.verdict.outcome)
    return outcome if entry.as_recorded else f"{outcome} (recorded: {entry.info['recorded']})"


def how(status: Status, method: str) -> str:
    """``proved by identity``, or ``true by definition``."""
    return "true by definition" if method == BY_DEFINITION else f"{status} by {method}"


def point_text(entry: Entry) -> str:
    """The witness as ``p = 1/2, a = 1/3``; empty if there is none."""
    witness = entry.verdict.witness
    return ", ".join(f"{name} = {value}" for name, value in witness.items()) if witness else ""


def summary(report: Report) -> str:
    """One line: how many claims came out how, and whether that is what is recorded."""
    counts = Counter(entry.verdict.outcome for entry in report.entries)
    phrases = {
        Outcome.HOLDS: "hold",
        Outcome.CONDITIONAL: "hold under a condition",
        Outcome.EXAMPLE: "hold at an example",
        Outcome.DEFINITION: "are true by definition",
        Outcome.FAILS: "fail",
        Outcome.NOT_REFUTED: "are not refuted",
        Outcome.UNDECIDED: "are undecided",
        Outcome.ERROR: "could not be checked",
    }
    parts = [f"{counts[outcome]} {phrase}" for outcome, phrase in phrases.items() if counts[outcome]]
    different = sum(not entry.as_recorded for entry in report.entries)
    agreement = "all as recorded" if not different else f"{different} NOT as recorded"
    counted = f"{len(report.entries)} claim{'' if len(report.entries) == 1 else 's'}"
    return f"{counted}: {', '.join(parts)}; {agreement}. {report.time:.1f} s, seed {report.seed}."
