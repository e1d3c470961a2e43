"""Reports for documents: Markdown for a README, LaTeX for a paper."""

from __future__ import annotations

from collections.abc import Sequence

from dstheory.claims.reports.words import few, how, point_text, summary, verdict_text
from dstheory.claims.runner import Entry, Report
from dstheory.references import bibliography, cite

__all__ = ["latex_claims", "latex_report", "markdown_claims", "markdown_report"]


def markdown_report(report: Report) -> str:
    """A table of all claims."""
    lines = ["| id | statement | verdict | method | scope |", "|---|---|---|---|---|"]
    for entry in report.entries:
        point = point_text(entry)
        statement = entry.info["title"] + (f" (witness: {point})" if point else "")
        cells = [entry.info["id"], statement, verdict_text(entry), entry.verdict.method, entry.scope]
        lines.append("| " + " | ".join(_markdown(cell) for cell in cells) + " |")
    return "\n".join([*lines, "", summary(report), ""])


def markdown_claims(entries: Sequence[Entry]) -> str:
    """Claims in full, with their proofs."""
    out: list[str] = []
    for entry in entries:
        info, verdict = entry.info, entry.verdict
        out += [f"## {info['id']} {_markdown(info['title'])}", "", info["statement"], ""]
        if info["latex"]:
            out += ["$$", info["latex"], "$$", ""]
        out += [f"- level: {info['level']}; source: {info['source']}; scope: {entry.scope}"]
        for label, key in (("domain", "domain_latex"), ("where", "definitions_latex"), ("assuming", "assumptions_latex")):
            if info.get(key):
                out.append(f"- {label}: " + ", ".join(f"${item}$" for item in info[key]))
        out += [f"- recorded: {info['recorded']}", "", "Proof.", ""]
        for step in verdict.steps:
            out.append(f"{step.number}. {'Lemma. ' if step.lemma else ''}{step.words}")
            formulas, more = few(step.latex)
            out += ["", *(f"   $$ {line} $$" for line in formulas), f"   {more}", ""]
            if step.context_latex:
                out += [f"   where {step.context_latex}.", ""]
            out.append(f"   *{how(step.status, step.method)}*" + (f": {step.detail}" if step.detail else "") + ".")
        out += ["", f"Verdict: **{verdict_text(entry)}** ({how(verdict.status, verdict.method)})."]
        if verdict.witness:
            out.append(f"Witness: {point_text(entry)}.")
        if info.get("notes"):
            out += ["", info["notes"]]
        out.append("")
    return "\n".join(out)


def latex_report(report: Report) -> str:
    """A ``longtable`` of all claims with the works that they come from (packages: longtable, amsmath)."""
    lines = [
        r"\begin{longtable}{lp{0.42\linewidth}p{0.14\linewidth}p{0.16\linewidth}p{0.16\linewidth}}",
        r"id & statement & verdict & method & scope \\ \hline",
    ]
    for entry in report.entries:
        point = point_text(entry)
        statement = entry.info["title"] + (f" (witness: {point})" if point else "")
        cells = [entry.info["id"], statement, verdict_text(entry), entry.verdict.method, entry.scope]
        printed = [_tex(cell) for cell in cells]
        printed[1] += cite(_references(entry))
        lines.append(" & ".join(printed) + r" \\")
    return "\n".join([*lines, r"\end{longtable}", "", _reference_list(report.entries)])


def latex_claims(entries: Sequence[Entry]) -> str:
    """Claims in full as ``theorem``-like paragraphs with their proofs (package: amsmath)."""
    out: list[str] = []
    for entry in entries:
        info, verdict = entry.info, entry.verdict
        out += [rf"\paragraph{{{_tex(info['id'])}. {_tex(info['title'])}}}", _tex(info["statement"])]
        if info["latex"]:
            out += [r"\begin{equation*}", info["latex"], r"\end{equation*}"]
        setting = [item for key in ("domain_latex", "definitions_latex", "assumptions_latex") for item in info.get(key, [])]
        if setting:
            out.append("Here " + ", ".join(f"${item}$" for item in setting) + ".")
        out.append(r"\begin{enumerate}")
        for step in verdict.steps:
            out.append(r"\item " + ("Lemma. " if step.lemma else "") + _tex(step.words))
            formulas, more = few(step.latex)
            out += [*(rf"\begin{{equation*}}{line}\end{{equation*}}" for line in formulas), more]
            if step.context_latex:
                out.append(f"where {step.context_latex}.")
            out.append(rf"\emph{{{_tex(str(step.status))} by {_tex(step.method)}.}}")
        out.append(r"\end{enumerate}")
        out.append(f"Source: {_tex(info['source'])}{cite(_references(entry))}.")
        witness = f" Witness: {_tex(point_text(entry))}." if verdict.witness else ""
        out += [rf"\textbf{{{_tex(verdict_text(entry)).capitalize()}}} ({_tex(verdict.method)}).{witness}", ""]
    return "\n".join([*out, _reference_list(entries)])


def _references(entry: Entry) -> list[str]:
    """Keys of the works that a claim comes from; a claim that could not be described has none."""
    return list(entry.info.get("references", ()))


def _reference_list(entries: Sequence[Entry]) -> str:
    return bibliography(key for entry in entries for key in _references(entry))


def _markdown(cell: str) -> str:
    return str(cell).replace("|", r"\|").replace("\n", " ")


_TEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}


def _tex(cell: str) -> str:
    return "".join(_TEX.get(character, character) for character in str(cell))
