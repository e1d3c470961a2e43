"""A page for every claim: statement, domain, proof with its formulas, verdict, witness, relatives, sources."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from sympy import Symbol, latex

from dstheory.about import ABOUT
from dstheory.claims.claim import LEVELS, Claim
from dstheory.claims.reports import few, how, verdict_text
from dstheory.claims.runner import Entry
from dstheory.claims.sources import load_claims
from dstheory.claims.verdicts import BY_DEFINITION, StepReport
from dstheory.coq.general import General, numbers_only, own_theorems, theorems
from dstheory.coq.record import confirmed, recorded
from dstheory.typeset import between, words_latex
from sitepages.text import ORPHAN, SHORT, plain, source, table

GROUPS = {
    "A": "The chain, and resampling",
    "B": "Surrogate rewards",
    "C": "Imitation",
    "D": "KL penalties",
    "E": "The optimum of reward + KL",
    "F": "Optimisers",
    "G": "Logs of real models",
    "neighbours": "Related works",
    "O": "Objectives that people train with",
}
_LONG = 1500
_ANCHORS = {
    "holds": "holds", "holds under condition": "holds-under-condition", "fails": "fails", "not refuted": "not-refuted",
    "holds at an example": "holds-at-an-example", "true by definition": "true-by-definition", "undecided": "undecided",
}  # fmt: skip


def pages(entries: Iterable[Entry]) -> dict[str, str]:
    """Return ``{path: text}``: a page per claim, and the list of all."""
    entries = list(entries)
    known = {entry.info["id"]: entry.info for entry in entries}
    return {"claims/index.md": _index(entries), **{f"claims/{entry.info['id']}.md": page(entry, known) for entry in entries}}


def page(entry: Entry, known: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the page of one claim; ``known`` has what every claim says of itself, by id."""
    info, verdict = entry.info, entry.verdict
    out = [*ORPHAN, f"# {info['id']}: {plain(info['title'])}", "", between(info["statement_latex"], plain), ""]
    out += _display(info["latex"])
    said = f"**Verdict: {_explained(info['recorded'])}**" if entry.as_recorded else f"**Verdict: {verdict_text(entry)}**"
    if verdict.method == BY_DEFINITION:  # of one step: the others have to be named
        each = dict.fromkeys(how(step.status, step.method) for step in verdict.steps)
        out += [f"{said}; its steps are {', '.join(each)}.", ""]
    else:
        out += [f"{said}, {how(verdict.status, verdict.method)}.", ""]
    if verdict.witness:
        values = ", ".join(f"${_number(name, value)}$" for name, value in verdict.witness.items())
        out += [f"**Witness**, a point at which it is false: {values}.", ""]
    if verdict.message and not entry.as_recorded:
        out += [plain(verdict.message), ""]
    out += table(["", ""], _facts(entry, known))
    out += ["## Proof" if info["recorded"] != "fails" else "## Refutation", ""]
    for step in verdict.steps:
        out += _step(step, info["id"])
    if info["notes"]:
        out += ["## Remarks", "", between(info["notes_latex"], plain), ""]
    out += ["## Check it", "", f"The steps stand in `proofs/{Path(info['path']).name}`. To decide them again:", ""]
    return "\n".join([*out, "```console", f"$ dstheory verify --show {info['id']}", "```", ""])


def _facts(entry: Entry, known: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    info = entry.info
    rows = [
        ("level", f"{info['level']}: {_cell(words_latex(LEVELS[info['level']]))}"),
        ("domain", _formulas(info["domain_latex"])),
        ("where", _formulas(info["definitions_latex"])),
        ("assuming", _formulas(info["assumptions_latex"])),
        ("scope", plain(_scope(entry))),
        ("proved in general", "<br>".join(_general(info["id"]))),
        ("kernel", _kernel(info)),
        ("source", source(info["source"])),
        ("related", "<br>".join(f"[{x}]({x}.md), {_cell(known[x]['title_latex'])}" for x in info["related"] if x in known)),
        ("objectives", ", ".join(f"[`{x.name}`](../objectives/{x.name}.md)" for x in ABOUT.values() if info["id"] in x.claims)),
    ]
    return [(label, text) for label, text in rows if text]


def _scope(entry: Entry) -> str:
    """How far the statement reaches, where more is to be said than its domain; conditions of steps stand with these."""
    said = re.sub(r"; step (\d+) where [^;]*", r"; step \1 under conditions that stand with it", entry.scope)
    return "" if said == "all " + "; ".join(entry.info["domain"]) else said


def _general(claim: str) -> list[str]:
    """The theorems of Coq, written by hand, that the claim is an instance of or that say a part of it in general."""
    place = "../../trust.md#any-number-of-answers-turns-and-prompts"
    own = [item for item in theorems() if claim in item.claims]
    if claim in numbers_only():
        return [f"nothing, as the claim is about given numbers ({plain(numbers_only()[claim])})"]
    if claim in own_theorems():
        return ["its own theorem is general: it is for all " + ", ".join(f"${latex(Symbol(x))}$" for x in own_theorems()[claim])]
    return [f"[`{x.name}`]({place}) in `{x.file}.v`: {plain(x.general)}; assumes {plain(x.assumes)}{_met(x)}" for x in own]


def _met(theorem: General) -> str:
    """Where the library shows that the theorem's hypotheses can be met."""
    return f" (met in `{theorem.example_name}`: {plain(theorem.met_by)})" if theorem.example else ""


def _kernel(info: Mapping[str, Any]) -> str:
    """How Coq confirmed the claim, if it did."""
    method = confirmed(_claims(info["path"])[info["id"]])
    return f"Coq {recorded()['coq']} accepts it as a theorem ([{method}](../../trust.md))" if method else ""


@cache
def _claims(path: str) -> Mapping[str, Claim]:
    return load_claims(Path(path))


def _step(step: StepReport, claim: str) -> list[str]:
    out = [f"**{step.number}.** " + ("*Lemma.* " if step.lemma else "") + between(step.words_latex, plain), ""]
    formulas, more = few(step.latex)
    for formula in formulas:
        long = f"(a formula of {len(formula):,} characters: `dstheory verify --show {claim} --format json`)"
        out += _display(formula) if len(formula) <= _LONG else [long, ""]
    out += [f"… {more}.", ""] if more else []
    if step.holding:
        out += [f"where {_formulas(step.holding)}", ""]
    result = f"*{how(step.status, step.method)}*" + (f": {plain(step.detail)}" if step.detail else "")
    if step.witness:
        result += " at " + ", ".join(f"${_number(name, value)}$" for name, value in step.witness.items())
    return [*out, f"→ {result}", ""]


def _index(entries: list[Entry]) -> str:
    counts = Counter(entry.info["recorded"] for entry in entries)
    said = ", ".join(f"{number} {_explained(outcome)}" for outcome, number in counts.most_common())
    out = [
        "# Every claim", "",
        f"{len(entries)} statements, each decided by `dstheory verify`: {said}. Many of those that fail are loose readings, kept "
        "because the witness shows which condition is needed. Their ids end in `-loose`; their pages lead to the true statement.",
        "",
    ]  # fmt: skip
    for group in dict.fromkeys(entry.info["group"] for entry in entries):
        own = [entry.info for entry in entries if entry.info["group"] == group]
        rows = [
            (f"[{x['id']}]({x['id']}.md)", _cell(x["title_latex"]), _explained(x["recorded"]), x["level"], source(x["source"]))
            for x in own
        ]
        out += [f"## {GROUPS.get(group, group)}", "", *table(["id", "statement", "verdict", "level", "source"], rows)]
    return "\n".join(out)


def _explained(outcome: str) -> str:
    return f"[{outcome}](../../explanation/verdicts.md#{_ANCHORS[outcome]})" if outcome in _ANCHORS else outcome


def _display(latex: str) -> list[str]:
    return ["$$", latex, "$$", ""] if latex else []


def _formulas(parts: Iterable[str]) -> str:
    """Formulas side by side, or one below the other where one of them fills a line."""
    parts = list(parts)
    return ("<br>" if any(len(part) > SHORT for part in parts) else ", ").join(map(_inline, parts))


def _inline(latex: str) -> str:
    if len(latex) <= _LONG:
        return f"${_without_bars(latex)}$"
    name, equals, _ = latex.partition(" = ")
    return (f"${name} =$ " if equals and len(name) < SHORT else "") + f"(a formula of {len(latex):,} characters)"


def _cell(words: str) -> str:
    """Words with formulas, in a cell of a table."""
    return re.sub(r"\$[^$]*\$", lambda formula: _without_bars(formula[0]), between(words, plain))


def _without_bars(latex: str) -> str:
    """A bar would end a cell of a table."""
    return latex.replace(r"\|", r"\Vert ").replace("|", r"\vert ")


def _number(name: str, value: str) -> str:
    from dstheory.rational.symbols import latex_name

    return f"{latex_name(name)} = {value}"
