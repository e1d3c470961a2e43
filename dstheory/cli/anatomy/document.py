"""A survey in tables and sentences, on the terminal and as one HTML file with nothing in it that is loaded from elsewhere."""

from __future__ import annotations

import io
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import click

from dstheory._version import __version__
from dstheory.anatomy.rates import Estimate
from dstheory.anatomy.surveys import TOTAL

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dstheory.anatomy.answers import Answers
    from dstheory.anatomy.difference import Difference
    from dstheory.anatomy.holdout import HeldOut
    from dstheory.anatomy.model_checks import Test
    from dstheory.anatomy.rollout_chain import CapAdvice
    from dstheory.anatomy.surveys import Group, MeanSplit, Survey

_RATES = ("p = P(correct)", "a = P(stop | correct)", "b = P(resample | wrong)")
_VERDICTS = {None: "not testable", True: "rejected", False: "not rejected"}
_ROUNDS = 10
_CAPS = 12
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 78rem; margin: 2rem auto }
body { padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin: 2rem 0 .4rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .86rem; display: block; overflow-x: auto }
th, td { padding: .25rem .55rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap }
th { border-bottom: 2px solid #555 } .w { text-align: left } td.w { white-space: normal; min-width: 5rem }
p { margin: .35rem 0; color: #333; max-width: 60rem } figure { margin: 1.2rem 0 }
figure svg { width: 100%; max-width: 60rem; height: auto }
figcaption { color: #555; font-size: .86rem } code { background: #f3f3f3; padding: .1rem .3rem }
"""



@dataclass(frozen=True)
class Section:
    """A part of a document.

    Attributes:
        title: above it.
        columns, rows: a table, if there are any; texts.
        words: how many of the first columns are words, the others numbers.
        lines: sentences below the table.
        detail: whether a short account leaves the table out and shows ``brief`` instead.
        brief: sentences for a short account.
    """

    title: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    words: int = 1
    lines: Sequence[str] = ()
    detail: bool = False
    brief: Sequence[str] = ()


def document(found: Survey) -> list[Section]:
    """Return the sections of a survey, the most important first.

    >>> from dstheory.anatomy.surveys import survey
    >>> from dstheory.anatomy.generate import Cell, generate_log
    >>> sections = document(survey(generate_log(40, cells=[Cell("m", "t", 0.4, 0.9, 0.8)]), resamples=99))
    >>> [section.title for section in sections]
    ['sampling and decisions', 'does reflection help', 'final accuracy', 'answers per round', 'checks of the model',
    'predicting other problems', 'recommended cap']
    """
    out = []
    if found.reading is not None:
        out.append(Section("what was read", lines=found.reading.lines()))
    for group in found.groups:
        out += _group(group, found)
    if found.comparison is not None and found.compared is not None:
        out.append(_comparison(found, found.comparison, found.compared))
    return out


def _group(group: Group, found: Survey) -> list[Section]:
    of = f"{group.name}: " if group.name else ""
    percent = f"{100 * found.level:g} %"
    everything = {**group.parts, **({TOTAL: group.total} if len(group.parts) > 1 else {})}
    return [
        Section(
            f"{of}sampling and decisions",
            [found.by, "problems", "episodes", "attempts", *_RATES],
            [_rates(label, answers) for label, answers in everything.items()],
            lines=[
                f"{percent} intervals; attempts of one problem count as correlated. p is that of all attempts; where reflection "
                "helps, hard problems get more of them, so decisions move it too."
            ],
        ),
        Section(
            f"{of}does reflection help",
            [found.by, "helps", "a + b - 1", "odds x a/(1-b)", "first answer only", "all answers"],
            [_helps(label, answers) for label, answers in everything.items()],
            words=2,
            lines=[
                "accuracies of the first answer and of the one submitted; it helps where a + b > 1, that is where the odds grow"
            ],
        ),
        Section(
            f"{of}final accuracy",
            [found.by, "realised", "pooled", "heterogeneous", "perfect decisions"],
            [_accuracies(label, answers, group) for label, answers in everything.items()],
            lines=[
                "pooled, heterogeneous: predicted by these chains for problems not used in the fit (- with fewer than 20)",
                *group.total.notes,
            ],
        ),
        Section(
            f"{of}answers per round",
            ["round", "problems", "attempts", "p", "a", "b"],
            [
                [*row.labels, f"{row.problems:,}", f"{row.attempts:,}", *(_text(e) for e in (row.p, row.a, row.b))]
                for row in group.rounds[:_ROUNDS]
            ],
            lines=[f"{len(group.rounds) - _ROUNDS} more rounds in anatomy.json"] if len(group.rounds) > _ROUNDS else [],
            detail=True,
        ),
        _checks(f"{of}checks of the model", group.checks),
        _held_out(f"{of}predicting other problems", group.held_out),
        _cap(f"{of}recommended cap", group.cap),
    ]


def _rates(label: str, answers: Answers) -> list[str]:
    row = answers.rates
    return [label, f"{row.problems:,}", f"{row.episodes:,}", f"{row.attempts:,}", *(e.text() for e in (row.p, row.a, row.b))]


def _helps(label: str, answers: Answers) -> list[str]:
    accuracies = (_text(answers.none), _text(answers.realised["accuracy"]))
    return [label, answers.helps, _text(answers.youden), _text(answers.multiplier, digits=2), *accuracies]


def _accuracies(label: str, answers: Answers, group: Group) -> list[str]:
    held = group.held_out_parts.get(label) or (group.held_out if label == TOTAL or len(group.parts) == 1 else None)
    predicted = {} if held is None else held.calibration[0].predicted
    return [
        label,
        _text(answers.realised["accuracy"]),
        *(_number(predicted.get(kind)) for kind in ("pooled", "heterogeneous")),
        _text(answers.perfect),
    ]


def _checks(title: str, checks: Sequence[Test]) -> Section:
    bad = [f"{test.name} ({_p_value(test)})" for test in checks if test.rejected()]
    missing = [test.name for test in checks if test.p_value is None]
    brief = [f"rejected at 5 %: {', '.join(bad)}" if bad else "nothing rejected at 5 %"]
    if missing:
        brief.append(f"not testable: {', '.join(missing)}")
    tested = sum(test.p_value is not None for test in checks)
    bound = 0.05 / max(1, tested)
    return Section(
        title,
        ["what", "verdict", "assumption", "effect", "p-value"],
        [
            [test.name, _VERDICTS[test.rejected()], test.null, test.effect or test.reason, _p_value(test)] for test in checks
        ],
        words=4,
        lines=[f"with {tested} tests, Bonferroni asks for a p-value below {bound:.2g}; a large log shows small effects too"],
        detail=True,
        brief=brief,
    )  # fmt: skip


def _p_value(test: Test) -> str:
    if test.p_value == 0:
        return "< 1e-300"
    return "-" if test.p_value is None else f"{test.p_value:.3f}" if test.p_value >= 1e-3 else f"{test.p_value:.1e}"


def _held_out(title: str, held: HeldOut | None) -> Section:
    if held is None:
        return Section(title, lines=["fewer than 20 problems: too few to keep some out of the fit"])
    kinds = list(held.log_likelihood)
    rows = [
        [row.what, _text(row.realised), *(f"{_number(row.predicted[k])} ({_signed(row.z[k])})" for k in kinds)]
        for row in held.calibration
    ]
    likelihood = [
        f"held-out log-likelihood per problem, {kind} less pooled: {estimate.text()}{_better(estimate)}"
        for kind, estimate in held.difference.items()
    ]
    chain = held.chains.get("heterogeneous")
    spread = [] if chain is None else [f"spread of p over problems: rho = {chain.p.rho:.3f} (0: alike, 1: always or never right)"]
    lines = [f"{held.folds} folds of {held.problems:,} problems; z: realised less predicted over its standard error"]
    return Section(
        title,
        ["quantity", "realised", *(f"{kind} (z)" for kind in kinds)],
        rows,
        lines=[*lines, *likelihood, *spread],
        detail=True,
        brief=[*likelihood[:1], *spread],
    )


def _better(estimate: Estimate) -> str:
    if estimate.value is None or estimate.low <= 0 <= estimate.high:
        return ""
    return " (better)" if estimate.low > 0 else " (worse)"


def _cap(title: str, advice: CapAdvice) -> Section:
    best = "no cap up to the largest looked at" if advice.cap is None else f"at most {advice.cap} attempts"
    rows = [
        [str(row.cap), _number(row.accuracy), f"{row.attempts:.2f}", _number(row.net), _number(row.marginal)]
        for row in advice.table
        if row.cap <= _CAPS or row.cap == advice.cap
    ]
    return Section(
        title,
        ["cap", "accuracy", "attempts", "net", "gain per attempt added"],
        rows,
        lines=[f"{best}: {advice.rule}; heterogeneous chain"],
        detail=True,
        brief=[f"{best}: {advice.rule}"],
    )


def _comparison(found: Survey, total: Difference, names: tuple[str, str]) -> Section:
    a, b = names
    rows = [_split(label, part, part) for label, part in found.comparison_parts.items()]
    if found.comparison_mean is not None and len(found.comparison_parts) > 1:
        rows.append(_split(f"mean over {found.by}", found.comparison_mean, None))
    if len(found.comparison_parts) != 1:
        rows.append(_split(TOTAL, total, total))
    where = "without a cap" if total.cap == 0 else f"at most {total.cap} attempts"
    lines = [
        f"accuracies are means over problems, {where}; parts are Shapley values and add up to the gain",
        "by decisions: what exchanging a and b changes, under either model's answers to each problem; by sampling: the rest",
        *total.notes,
    ]
    if len(found.comparison_parts) > 1:
        lines.append(f"a and b may differ from one {found.by} to another: read the mean of the splits within them")
    return Section(
        f"from {a} to {b}",
        [found.by, f"accuracy: {a}", b, "gain", "by sampling", "by decisions", "decision share"],
        rows,
        lines=lines,
    )


def _split(label: str, split: Difference | MeanSplit, whole: Difference | None) -> list[str]:
    accuracies = ["", ""] if whole is None else [_number(whole.before.value), _number(whole.after.value)]
    share = "" if whole is None else _text(whole.decision_share, digits=2)
    return [label, *accuracies, *(_text(e) for e in (split.gain, split.sample, split.decide)), share]


def _text(estimate: Estimate, digits: int = 3) -> str:
    return "-" if estimate.value is None else estimate.text(digits)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _signed(z: float | None) -> str:
    return "-" if z is None else f"{z:+.1f}"

# ---------------------------------------------------------------------- on the terminal


def print_survey(found: Survey, *, details: bool) -> None:
    """Print a survey on standard output; without ``details`` the tables of checks, predictions, rounds and caps are left out."""
    from dstheory.cli.show import print_table

    for section in document(found):
        brief = section.detail and not details
        if section.rows and not brief:
            print_table(section.title, section.columns, section.rows, words=section.words)
        lines = section.brief if brief else section.lines
        if brief and lines:
            click.echo(section.title)
        for line in lines:
            click.echo(f"  {line}" if brief else line)
        if lines or not brief:
            click.echo()


# ---------------------------------------------------------------------- as HTML


def html_report(found: Survey, figures: Mapping[str, Figure], *, title: str = "", command: Sequence[str] = ()) -> str:
    """Return the report.

    Args:
        found: the survey.
        figures: caption -> figure; drawn as SVG inside the file.
        title: of the page; usually the names of the logs.
        command: arguments of the command line, to be shown.

    >>> from dstheory.anatomy.surveys import survey
    >>> from dstheory.anatomy.generate import Cell, generate_log
    >>> found = survey(generate_log(30, cells=[Cell("m", "<b>", 0.4, 0.9, 0.8)]), resamples=9)
    >>> page = html_report(found, {}, title="log & more")
    >>> "<title>log &amp; more" in page, "<b>" in page, "<td class=w>&lt;b&gt;" in page
    (True, False, True)
    """
    name = escape(title or "rollouts")
    made = f"<p>made by <code>dstheory {escape(shlex.join(command))}</code>, version {__version__}, seed {found.seed}</p>"
    drawn = "".join(f"<figure>{_svg(figure, f'f{i}-')}<figcaption>{escape(text)}</figcaption></figure>"
                    for i, (text, figure) in enumerate(figures.items()))  # fmt: skip
    sections = [_section(section) for section in document(found)]
    # The account of what was read comes first, then the figures, then the tables.
    first = 1 if found.reading is not None else 0
    body = "\n".join([*sections[:first], drawn, *sections[first:]])
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{name} - anatomy of reflection</title>\n'
        f"<style>{_STYLE}</style></head>\n<body><h1>Anatomy of reflection: {name}</h1>\n{made}\n{body}\n</body></html>\n"
    )


def _section(section: Section) -> str:
    out = [f"<h2>{escape(section.title)}</h2>"]
    if section.rows:
        words = [i < section.words for i in range(len(section.columns))]
        out.append("<table><tr>" + "".join(map(_cell, ["th"] * len(words), section.columns, words)) + "</tr>")
        for row in section.rows:
            out.append("<tr>" + "".join(map(_cell, ["td"] * len(words), row, words)) + "</tr>")
        out.append("</table>")
    out += [f"<p>{escape(line)}</p>" for line in section.lines]
    return "\n".join(out)


def _cell(tag: str, text: str, word: bool) -> str:
    return f"<{tag}{' class=w' if word else ''}>{escape(text)}</{tag}>"


def _svg(figure: Figure, prefix: str) -> str:
    """Return a figure as SVG; its ids get a prefix, since two figures of one page must not share any."""
    import matplotlib

    from dstheory.plots.style import RC

    with matplotlib.rc_context({**RC, "svg.hashsalt": f"dstheory-{prefix}"}):
        held = io.StringIO()
        figure.savefig(held, format="svg", metadata={"Date": None})
    text = held.getvalue()
    return text[text.index("<svg") :]
