"""Reports of a run: a table for terminals, JSON and JUnit for machines, Markdown and LaTeX for documents."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any
from xml.etree import ElementTree

from rich.table import Table
from rich.text import Text

from dstheory.claims.runner import Entry, Report
from dstheory.claims.verdicts import BY_DEFINITION, Outcome, Status, StepReport, with_assumptions
from dstheory.rational.symbols import latex_name
from dstheory.references import bibliography, cite
from dstheory.texts import latex_text, markdown_cell, markdown_table, printable
from dstheory.typeset import between

_FEW = 4
_OUTCOMES = {
    Outcome.HOLDS: ("green", "holds", "hold"),
    Outcome.CONDITIONAL: ("green", "holds under a condition", "hold under a condition"),
    Outcome.EXAMPLE: ("green", "holds at an example", "hold at an example"),
    Outcome.DEFINITION: ("magenta", "is true by definition", "are true by definition"),
    Outcome.FAILS: ("yellow", "is refuted", "are refuted"),
    Outcome.NOT_REFUTED: ("cyan", "is not refuted", "are not refuted"),
    Outcome.UNDECIDED: ("magenta", "is undecided", "are undecided"),
    Outcome.ERROR: ("red", "could not be checked", "could not be checked"),
}
"""The colour of an outcome in a table, and what is said of one claim and of several."""
_LONG_FORMULA = 600
_LONG_DEFINITION = 240  # a definition is read to recognise it, a formula to follow it
_PRIVATE = ("path", "own")


def few(formulas: Sequence[str]) -> tuple[list[str], str]:
    """The first formulas of a step, and a phrase that says how many more there are; trivial ones (0 = 0) are left out.

    >>> few(["0 = 0", "x = y"])
    (['x = y'], '')
    """
    telling = [formula for formula in formulas if formula != "0 = 0"]
    more = len(telling) - _FEW
    return telling[:_FEW], f"and {more} more of the kind" if more > 0 else ""


def verdict_text(entry: Entry) -> str:
    """The outcome, and the recorded one where it differs; "cached" where an earlier check found it."""
    outcome = str(entry.verdict.outcome) + (", cached" if entry.cached else "")
    return outcome if entry.as_recorded else f"{outcome} (recorded: {entry.info['recorded']})"


def how(status: Status, method: str) -> str:
    """``proved by identity``, or ``true by definition``."""
    return "true by definition" if method == BY_DEFINITION else f"{status} by {method}"


def point_text(entry: Entry) -> str:
    """The witness as ``p = 1/2, a = 1/3``; empty if there is none."""
    witness = entry.verdict.witness
    return ", ".join(f"{name} = {value}" for name, value in witness.items()) if witness else ""


def _point_latex(entry: Entry) -> str:
    return ", ".join(f"${latex_name(name)}={value}$" for name, value in (entry.verdict.witness or {}).items())


def summary(report: Report) -> str:
    """One line: how many claims came out how, and whether that is what is recorded."""
    counts = Counter(entry.verdict.outcome for entry in report.entries)
    parts = [f"{counts[o]} {many if counts[o] > 1 else one}" for o, (_, one, many) in _OUTCOMES.items() if counts[o]]
    different, total = sum(not entry.as_recorded for entry in report.entries), len(report.entries)
    which = f"{different} of {total}" if different else f"all {total}" if total > 1 else "1"
    agreement = f"{which} verdict{'' if total == 1 else 's'} {'NOT ' if different else ''}as recorded"
    return f"{agreement}: {', '.join(parts)}. {report.time:.1f} s, seed {report.seed}."


def verdict_table(report: Report) -> Table:
    """Id, statement, verdict, method, scope and time of every claim."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("id", "statement", "verdict", "method", "scope"):
        table.add_column(heading, overflow="fold")
    table.add_column("time", justify="right", no_wrap=True)
    for entry in report.entries:
        verdict = entry.verdict
        style = _OUTCOMES[verdict.outcome][0] if entry.as_recorded else "bold red"
        statement = Text(printable(entry.info["title"]))
        explanation = _explanation(entry)
        if explanation:
            statement.append(f"\n{printable(explanation, lines=True)}", style="dim")
        table.add_row(
            Text(printable(entry.info["id"])),
            statement,
            Text(printable(verdict_text(entry)), style=style),
            Text(printable(verdict.method)),
            Text(printable(_row_scope(entry))),
            f"{verdict.time:.2f} s",
        )
    return table


def list_table(claims: Sequence[Mapping[str, Any]]) -> Table:
    """Id, level, recorded verdict and statement of every claim, without checking anything."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("id", "level", "recorded", "statement", "source"):
        table.add_column(heading, overflow="fold")
    for info in claims:
        table.add_row(*[Text(printable(info[key])) for key in ("id", "level", "recorded", "title", "source")])
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
        *zip_longest(("where",), info.get("definitions", []), fillvalue=""),
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


def _explanation(entry: Entry) -> str:
    """What a row must say beyond its verdict: the witness of a failure, the reason of a verdict nobody wanted."""
    if entry.verdict.outcome is Outcome.FAILS and entry.as_recorded:
        sides = entry.verdict.message.partition("; ")[0].partition("at the witness: ")[2]
        return f"witness: {point_text(entry)}" + (f", where {sides}" if sides else "")
    if not entry.as_recorded:
        where = f" ({point_text(entry)})" if entry.verdict.witness else ""
        return entry.verdict.message + where
    return ""


def _row_scope(entry: Entry, said_by: str = "--show prints") -> str:
    """The scope as a row of a table has it, with what is assumed; of steps under conditions which ones, not which conditions."""
    steps, scope = re.findall(r"; step (\d+) where ", entry.scope), entry.scope
    if steps:
        said = f"steps {', '.join(steps[:-1])} and {steps[-1]}" if len(steps) > 1 else f"step {steps[0]}"
        scope = re.sub(r"; step \d+ where [^;]*", "", scope) + f"; {said} under conditions that {said_by}"
    return with_assumptions(scope, entry.info.get("assumptions", ()))


def _wrapped(text: str, width: int, *, indent: int = 0) -> list[str]:
    return textwrap.wrap(
        text, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    )


def report_data(report: Report) -> dict[str, Any]:
    """Everything: each claim with its verdict and its steps, the seed, the time and the exit code."""
    claims = [
        {
            **public(entry.info),
            "as_recorded": entry.as_recorded,
            **({"cached": True} if entry.cached else {}),
            "verdict": entry.verdict.as_dict(),
        }
        for entry in report.entries
    ]
    return {"exit_code": report.exit_code, "seed": report.seed, "time": report.time, "claims": claims}


def junit_report(report: Report) -> str:
    """One test case per claim: a failure is another verdict than recorded (or none), an error is a crash."""
    different = [entry for entry in report.entries if not entry.as_recorded]
    errors = sum(entry.verdict.outcome is Outcome.ERROR for entry in different)
    suite = ElementTree.Element(
        "testsuite",
        name="dstheory verify",
        tests=str(len(report.entries)),
        failures=str(len(different) - errors),
        errors=str(errors),
        time=f"{report.time:.3f}",
    )
    for entry in report.entries:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=f"claims.{entry.info['group'] or 'user'}",
            name=f"{entry.info['id']} {entry.info['title']}",
            time=f"{entry.verdict.time:.3f}",
        )
        if not entry.as_recorded:
            error = entry.verdict.outcome is Outcome.ERROR
            problem = ElementTree.SubElement(
                case, "error" if error else "failure", type=str(entry.verdict.outcome), message=verdict_text(entry)
            )
            problem.text = "\n".join(filter(None, [entry.verdict.message, point_text(entry)]))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)


def public(info: Mapping[str, Any]) -> dict[str, Any]:
    """The description of a claim, without what only this run needs."""
    return {key: value for key, value in info.items() if key not in _PRIVATE}


def markdown_report(report: Report) -> str:
    """A table of all claims."""
    return "\n".join([markdown_table(_HEAD, map(_cells, report.entries)), "", summary(report), ""])


_HEAD = ("id", "statement", "verdict", "method", "scope")


def _cells(entry: Entry) -> list[str]:
    """A claim in a row, its witness with its statement."""
    point = point_text(entry)
    statement = entry.info["title"] + (f" (witness: {point})" if point else "")
    return [entry.info["id"], statement, verdict_text(entry), entry.verdict.method, _row_scope(entry, "the proof states")]


def markdown_claims(entries: Sequence[Entry]) -> str:
    """Claims in full, with their proofs."""
    out: list[str] = []
    for entry in entries:
        info, verdict = entry.info, entry.verdict
        out += [f"## {info['id']} {markdown_cell(info['title'])}", "", info["statement_latex"], ""]
        if info["latex"]:
            out += ["$$", info["latex"], "$$", ""]
        out += [f"- level: {info['level']}; source: {info['source']}; scope: {entry.scope}"]
        for label, key in (("domain", "domain_latex"), ("where", "definitions_latex"), ("assuming", "assumptions_latex")):
            if info.get(key):
                out.append(f"- {label}: " + ", ".join(f"${item}$" for item in info[key]))
        out += [f"- recorded: {info['recorded']}", "", "Proof.", ""]
        for step in verdict.steps:
            out.append(f"{step.number}. {'Lemma. ' if step.lemma else ''}{step.words_latex}")
            formulas, more = few(step.latex)
            out += ["", *(f"   $$ {line} $$" for line in formulas), f"   {more}", ""]
            if step.context_latex:
                out += [f"   where {step.context_latex}.", ""]
            out.append(f"   *{how(step.status, step.method)}*" + (f": {step.detail}" if step.detail else "") + ".")
        out += ["", f"Verdict: **{verdict_text(entry)}** ({how(verdict.status, verdict.method)})."]
        if verdict.witness:
            out.append(f"Witness: {_point_latex(entry)}.")
        if info.get("notes"):
            out += ["", info["notes_latex"]]
        out.append("")
    return "\n".join(out)


LATEX_PREAMBLE = r"""\documentclass[10pt]{article}
\usepackage[a4paper,margin=20mm]{geometry}
\usepackage{amsmath,amssymb,array,longtable}
\setlength{\emergencystretch}{3em}
\allowdisplaybreaks
\begin{document}
"""
_LINE = 78.0  # digits of a displayed line, as symbolic.render estimates them
_LONG_INLINE = 40.0  # of a formula within a sentence
_LONG_FRACTION = 14.0  # of one with a fraction, which is small print there
_CELL, _MOST_ROWS = 38.0, 4  # digits and lines of a formula that a cell of a table holds


def latex_document(body: str) -> str:
    """Return a document that compiles by itself."""
    return f"{LATEX_PREAMBLE}{body}\n\\end{{document}}\n"


def latex_report(report: Report) -> str:
    """A ``longtable`` of all claims, short formulas typeset, with the works that they come from."""
    from dstheory.symbolic.render.lines import broken

    columns = "".join(rf">{{\raggedright\arraybackslash}}p{{{part}\linewidth}}" for part in (0.12, 0.36, 0.1, 0.13, 0.17))
    lines = [
        r"% Needs \usepackage{longtable,array,amsmath,amssymb}; --standalone brings them.",
        r"\begingroup\footnotesize",
        rf"\begin{{longtable}}{{@{{}}{columns}@{{}}}}",
        rf"{' & '.join(_HEAD)} \\ \hline \endhead",
    ]
    for entry in report.entries:
        printed = [latex_text(cell) for cell in _cells(entry)]
        witness = f" (witness: {_point_latex(entry)})" if entry.verdict.witness else ""
        printed[1] = between(entry.info["title_latex"], latex_text) + witness
        printed[1] += cite(_references(entry))
        if entry.scope == "all " + "; ".join(entry.info["domain"]):  # it is the domain
            domain, assumed = ([f"${item}$" for item in entry.info[f"{part}_latex"]] for part in ("domain", "assumptions"))
            printed[4] = with_assumptions(f"all {'; '.join(domain)}", assumed)
        rows = broken(entry.info["latex"], _CELL) if entry.info["latex"] else []
        if len(rows) <= _MOST_ROWS:
            printed[1] += "".join(rf"\par\smallskip $\displaystyle {row}$" for row in rows)
        lines.append(" & ".join(printed) + r" \\[0.8ex]")
    return "\n".join([*lines, r"\end{longtable}", r"\endgroup", "", _reference_list(report.entries)])


def latex_claims(entries: Sequence[Entry]) -> str:
    """Claims in full as ``theorem``-like paragraphs with their proofs (package: amsmath)."""
    out: list[str] = []
    for entry in entries:
        info, verdict = entry.info, entry.verdict
        title, statement = (between(info[key], latex_text) for key in ("title_latex", "statement_latex"))
        out += [rf"\paragraph{{{latex_text(info['id'])}. {title}}}", statement]
        if info["latex"]:
            out += _display([info["latex"]])
        setting = [item for key in ("domain_latex", "definitions_latex", "assumptions_latex") for item in info.get(key, [])]
        out += _where("Here", setting)
        out.append(r"\begin{enumerate}")
        for step in verdict.steps:
            out.append(r"\item " + ("Lemma. " if step.lemma else "") + between(step.words_latex, latex_text))
            formulas, more = few(step.latex)
            out += [*_display(formulas), more, *_where("where", step.holding)]
            out.append(rf"\emph{{{latex_text(str(step.status))} by {latex_text(step.method.removeprefix('by '))}.}}")
        out.append(r"\end{enumerate}")
        out.append(f"Source: {latex_text(info['source'])}{cite(_references(entry))}.")
        witness = f" Witness: {_point_latex(entry)}." if verdict.witness else ""
        out += [rf"\textbf{{{latex_text(verdict_text(entry)).capitalize()}}} ({latex_text(verdict.method)}).{witness}", ""]
    return "\n".join([*out, _reference_list(entries)])


def _display(formulas: Sequence[str]) -> list[str]:
    """Formulas between lines of text, broken where they are too long."""
    from dstheory.symbolic.render.lines import broken

    rows: list[str] = []
    for first, *rest in (broken(formula, _LINE) for formula in formulas):
        rows += [rf"&{first}", *(rf"&\quad {line}" for line in rest)]
    body = "\\\\[0.6ex]\n".join(rows)
    shown = rf"\begin{{equation*}}{body[1:]}\end{{equation*}}" if len(rows) == 1 else rf"\begin{{align*}}{body}\end{{align*}}"
    return [shown] if rows else []


def _where(word: str, items: Sequence[str]) -> list[str]:
    """What symbols mean: short formulas as a sentence, long ones and fractions on lines of their own."""
    from dstheory.symbolic.render.lines import visual_width

    long = [item for item in items if visual_width(item) > (_LONG_FRACTION if r"\frac" in item else _LONG_INLINE)]
    short = ", ".join(f"${item}$" for item in items if item and item not in long)
    said = rf"{{\raggedright {word} {short}{' and' if long else '.'}\par}}" if short else word * bool(long)
    return [said, *_display(long)]


def _references(entry: Entry) -> list[str]:
    """Keys of the works that a claim comes from; a claim that could not be described has none."""
    return list(entry.info.get("references", ()))


def _reference_list(entries: Sequence[Entry]) -> str:
    return bibliography(key for entry in entries for key in _references(entry))
