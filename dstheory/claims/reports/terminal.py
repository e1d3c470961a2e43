"""The report for a terminal: one row per claim, and the whole of one claim."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from dstheory.claims.reports.words import few, how, point_text, verdict_text
from dstheory.claims.runner import Entry, Report
from dstheory.claims.verdicts import Outcome, StepReport

__all__ = ["claim_text", "list_table", "verdict_table"]

_STYLE = {
    Outcome.HOLDS: "green",
    Outcome.CONDITIONAL: "green",
    Outcome.EXAMPLE: "green",
    Outcome.DEFINITION: "magenta",
    Outcome.FAILS: "yellow",
    Outcome.NOT_REFUTED: "cyan",
    Outcome.UNDECIDED: "magenta",
    Outcome.ERROR: "red",
}
_LONG_FORMULA = 600
_LONG_DEFINITION = 240  # a definition is read to recognise it, a formula to follow it


def verdict_table(report: Report) -> Table:
    """Id, statement, verdict, method, scope and time of every claim."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("id", "statement", "verdict", "method", "scope"):
        table.add_column(heading, overflow="fold")
    table.add_column("time", justify="right", no_wrap=True)
    for entry in report.entries:
        verdict = entry.verdict
        style = _STYLE[verdict.outcome] if entry.as_recorded else "bold red"
        statement = Text(str(entry.info["title"]))
        explanation = _explanation(entry)
        if explanation:
            statement.append(f"\n{explanation}", style="dim")
        table.add_row(
            Text(str(entry.info["id"])),
            statement,
            Text(verdict_text(entry), style=style),
            Text(verdict.method),
            Text(entry.scope),
            f"{verdict.time:.2f} s",
        )
    return table


def list_table(claims: Sequence[Mapping[str, Any]]) -> Table:
    """Id, level, recorded verdict and statement of every claim, without checking anything."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("id", "level", "recorded", "statement", "source"):
        table.add_column(heading, overflow="fold")
    for info in claims:
        table.add_row(*[Text(str(info[key])) for key in ("id", "level", "recorded", "title", "source")])
    return table


def claim_text(entry: Entry, *, width: int = 100) -> str:
    """A claim in full: statement, domain, assumptions, every step of its proof with its result, witness, relatives."""
    info, verdict = entry.info, entry.verdict
    lines = [f"{info['id']}  {info['title']}", ""]
    lines += _wrapped(info["statement"], width)
    rows = [
        ("level", info["level"]),
        ("source", info["source"]),
        ("scope", entry.scope),
        ("domain", "; ".join(info.get("domain", []))),
        *(("where" if first else "", definition) for first, definition in _marked(info.get("definitions", []))),
        ("assuming", "; ".join(info.get("assumptions", []))),
        ("related", ", ".join(info["related"])),
        ("recorded", info["recorded"]),
    ]
    lines.append("")
    for label, value in rows:
        if value:
            first, *more = _wrapped(value, width - 10)
            lines += [f"{label:<10}{first}", *(" " * 10 + line for line in more)]
    lines += ["", "Proof"]
    for step in verdict.steps:
        lines += _step_lines(step, width)
    found = f"{how(verdict.status, verdict.method)} ({verdict.time:.2f} s, seed {verdict.seed})"
    lines += ["", f"Verdict   {verdict_text(entry)}: {found}"]
    if verdict.message:
        lines += _wrapped(f"          {verdict.message}", width, indent=10)
    if verdict.witness:
        lines += _wrapped(f"Witness   {point_text(entry)}", width, indent=10)
    if verdict.residual:
        lines += _wrapped(f"Residual  {verdict.residual}", width, indent=10)
    if info.get("notes"):
        lines += ["", *_wrapped(f"Note      {info['notes']}", width, indent=10)]
    return "\n".join(lines) + "\n"


def _step_lines(step: StepReport, width: int) -> list[str]:
    label = f"{step.number}. " + ("Lemma. " if step.lemma else "")
    lines = _wrapped(label + step.words, width, indent=3)
    formulas, more = few(step.formula)
    for formula in [*formulas, more] if more else formulas:
        lines += [f"     {line}" for line in _wrapped(_short(formula, _LONG_FORMULA), width - 5, indent=2)]
    if step.context:
        context = "; ".join(_short(part, _LONG_DEFINITION) for part in step.context.split("; "))
        lines += [f"     {line}" for line in _wrapped(f"where {context}", width - 5, indent=2)]
    outcome = f"   -> {how(step.status, step.method)}" + (f": {step.detail}" if step.detail else "")
    if step.witness:
        outcome += " at " + ", ".join(f"{name} = {value}" for name, value in step.witness.items())
    return [*lines, *_wrapped(outcome, width, indent=6)]


def _short(formula: str, most: int) -> str:
    return formula if len(formula) <= most else f"{formula[:most]}… ({len(formula)} characters; --format json shows all)"


def _marked(items: Sequence[str]) -> list[tuple[bool, str]]:
    return [(number == 0, item) for number, item in enumerate(items)]


def _explanation(entry: Entry) -> str:
    """What a row must say beyond its verdict: the witness of a failure, the reason of a verdict nobody wanted."""
    if entry.verdict.outcome is Outcome.FAILS and entry.as_recorded:
        return f"witness: {point_text(entry)}"
    if not entry.as_recorded:
        where = f" Witness: {point_text(entry)}." if entry.verdict.witness else ""
        return entry.verdict.message + where
    return ""


def _wrapped(text: str, width: int, *, indent: int = 0) -> list[str]:
    return textwrap.wrap(
        text, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    )
