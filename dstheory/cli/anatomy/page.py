"""A survey as one HTML file: answers, figures, tables; nothing is loaded from elsewhere, nothing runs."""

from __future__ import annotations

import csv
import io
import re
import shlex
from collections.abc import Sequence
from urllib.parse import quote

import matplotlib
import pyarrow as pa
from matplotlib.figure import Figure

from dstheory._version import __version__
from dstheory.anatomy.surveys import Survey
from dstheory.cli.anatomy.conclusions import REJECTED, Conclusion, conclusions
from dstheory.cli.anatomy.document import Section, document
from dstheory.plots.anatomy import error_bars
from dstheory.plots.style import RC, Panel, one_warning_of_glyphs, panel_figure
from dstheory.texts import csv_text, html_text

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 72rem; margin: 1.5rem auto }
body { padding: 0 1rem; overflow-wrap: anywhere }
h1 { font-size: 1.45rem; line-height: 1.25 } h2 { font-size: 1.15rem; margin: 2.2rem 0 .5rem }
h3 { font-size: 1rem; margin: 1.1rem 0 .2rem } h3 strong { color: #00508a }
p { margin: .3rem 0; max-width: 46rem }
ul { padding-left: 1.2rem; margin: .3rem 0 } code { background: #f3f3f3; padding: .1rem .3rem }
.small, figcaption { color: #444; font-size: .88rem }
#answers { border: 2px solid #00508a; border-radius: 6px; padding: .3rem 1rem .9rem; margin: 1rem 0 }
#answers h2 { margin-top: .5rem }
.scroll { overflow-x: auto; margin: .4rem 0 }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .88rem; overflow-wrap: normal }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; vertical-align: top }
th { border-bottom: 2px solid #555; vertical-align: bottom } th.w, td.w { text-align: left }
td.w, th.w { white-space: normal; min-width: 6rem; max-width: 22rem }
tbody th { font-weight: normal; border-bottom: 1px solid #ddd; vertical-align: top }
.rejected { color: #a01010; font-weight: 600 }
.figures { display: flex; flex-wrap: wrap; gap: 1rem 2rem } figure { margin: 0; width: 346px; max-width: 100% }
figure.wide { width: 692px; overflow-x: auto } figure.wide svg { width: 692px }
figure svg { width: 100%; height: auto; display: block } figcaption { font-weight: 600; color: #1a1a1a; text-align: center }
nav ul { columns: 20rem; list-style: none; padding: 0 } a { color: #00508a }
@media print { nav, .csv { display: none } .scroll { overflow: visible } figure, tr { break-inside: avoid } }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # a browser that knows it loads nothing, whatever the page holds
_REAL = r"-?(?:inf|[\d,]+(?:\.\d+)?(?:e[-+]?\d+)?)"
_INTERVAL = re.compile(rf"({_REAL}) \[({_REAL}), ({_REAL})\](\*?)")
_WITH_Z = re.compile(rf"({_REAL}|-) \(([-+]?[\d.]+|-)\)")
_ID = re.compile(r' id="([^"]*)"')
_PATH, _DIGITS = re.compile(r' d="[^"]*"'), re.compile(r"(\.\d\d)\d+")
_REFERENCE = re.compile(r'(?:href="|url\()#([^")]*)')
_LONGEST_NUMBER = 40  # letters, with its interval
_COUNT = re.compile(r"\d{1,3}(,\d{3})+")


def html_report(found: Survey, panels: Sequence[Panel], *, title: str = "", command: Sequence[str] = ()) -> str:
    """Return the report.

    >>> from dstheory.anatomy.surveys import survey
    >>> from dstheory.anatomy.generate import Cell, generate_log
    >>> found = survey(generate_log(30, cells=[Cell("m", "<b>", 0.4, 0.9, 0.8)]))
    >>> page = html_report(found, [], title="log & more")
    >>> "<title>log &amp; more" in page, "<b>" in page, "&lt;b&gt;</th>" in page
    (True, False, True)
    """
    name = html_text(title or "rollouts")
    made = html_text(shlex.join(["dstheory", *command]))
    answers = _answers(conclusions(found), found.level)
    drawn = "".join(map(_figure, panels, (f"f{i}-" for i in range(len(panels)))))
    sections = document(found)
    links = [("answers", "In short"), *([("figures", "Figures")] if panels else [])]
    links += [(f"s{i}", section.title) for i, section in enumerate(sections)]
    contents = "".join(f'<li><a href="#{key}">{html_text(text)}</a></li>' for key, text in links)
    shown = f'<p class="small">{error_bars(found).capitalize()}.</p><div class="figures">{drawn}</div>'
    figures = f'<section id="figures"><h2>Figures</h2>{shown}</section>' if panels else ""
    body = "\n".join(_section(f"s{i}", section) for i, section in enumerate(sections))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"/>\n'
        f"<title>{name} - anatomy of logs</title>\n<style>{_STYLE}</style></head>\n<body>\n"
        f"<header><h1>Anatomy of logs: {name}</h1></header>\n<main>\n{answers}\n"
        f'<nav aria-label="contents"><h2>Contents</h2><ul>{contents}</ul></nav>\n{figures}\n{body}\n</main>\n'
        f'<footer><p class="small">Made by <code>{made}</code>, version {__version__}, seed {found.seed}. '
        "All digits of the numbers are in anatomy.json.</p></footer>\n</body></html>\n"
    )


def _answers(found: Sequence[Conclusion], level: float) -> str:
    out = ['<section id="answers"><h2>In short</h2>']
    for one in found:
        short = f" <strong>{html_text(one.short)}</strong>" if one.short else ""
        out.append(f"<h3>{html_text(one.question)}{short}</h3>")
        for sentence in one.sentences:
            mark = ' class="rejected"' if sentence.startswith(REJECTED) else ""
            out.append(f"<p{mark}>{html_text(sentence)}</p>")
    out.append(
        f'<p class="small">Brackets are {100 * level:g} % confidence intervals; attempts at one problem count as correlated.</p>'
    )
    return "\n".join([*out, "</section>"])


def _section(key: str, section: Section) -> str:
    title = html_text(section.title)
    out = [f'<section id="{key}"><h2>{title}</h2>']
    if section.rows:
        words = [i < section.words for i in range(len(section.columns))]
        head = "".join(
            f'<th scope="col"{_of(word)}>{html_text(text)}</th>' for text, word in zip(section.columns, words, strict=True)
        )
        rows = (
            "".join(_cell(*cell, first=i == 0) for i, cell in enumerate(zip(row, words, strict=True))) for row in section.rows
        )
        body = "".join(f"<tr>{row}</tr>\n" for row in rows)
        out.append(
            f'<div class="scroll" tabindex="0" role="region" aria-label="table: {title}"><table><thead><tr>{head}</tr></thead>'
        )
        out.append(f"<tbody>\n{body}</tbody></table></div>")
        name = re.sub(r"[^a-z0-9]+", "-", section.title.lower()).strip("-")[:60] or "table"
        data = quote(section_csv(section), safe="")
        out.append(
            f'<p class="small csv"><a download="{name}.csv" href="data:text/csv;charset=utf-8,{data}">this table as CSV</a></p>'
        )
    out += [f"<p>{html_text(line)}</p>" for line in section.below]
    return "\n".join([*out, "</section>"])


def _of(word: bool) -> str:
    return ' class="w"' if word else ""


def _cell(text: str, word: bool, *, first: bool) -> str:
    """Return a cell: the first one is the heading of its row, and a sentence among numbers is broken as words are."""
    if first and word:
        return f'<th scope="row" class="w">{html_text(text)}</th>'
    word = word or len(text) > _LONGEST_NUMBER
    if word and (text == "rejected" or text.startswith("rejected (")):
        return f'<td class="w rejected">{REJECTED} {html_text(text)}</td>'
    return f"<td{_of(word)}>{html_text(text)}</td>"


def section_csv(section: Section) -> str:
    """Return a table as CSV: an interval stands in columns of its own, and no text acts as a formula.

    >>> print(section_csv(Section("t", ["task", "n", "p"], [["=1+1", "1,200", "0.5 [0.4, 0.6]"], ["b", "3", "-"]])), end="")
    task,n,p,p low,p high
    '=1+1,1200,0.5,0.4,0.6
    b,3,,,
    >>> print(section_csv(Section("t", ["pooled (z)"], [["0.5 (-1.2)"]])), end="")
    pooled,pooled z
    0.5,-1.2
    """
    columns = zip(section.columns, zip(*section.rows, strict=True), strict=True)
    out = [column for name, cells in columns for column in _columns(name, cells)]
    held = io.StringIO()
    texts = [csv_text(pa.array(column, pa.string())).to_pylist() for column in out]
    csv.writer(held, lineterminator="\n").writerows(zip(*texts, strict=True))
    return held.getvalue()


def _columns(name: str, cells: Sequence[str]) -> list[list[str]]:
    """Return the columns that a column of a table becomes, each with its heading."""
    for pattern, names in (
        (_INTERVAL, (name, f"{name} low", f"{name} high", f"{name} caution")),
        (_WITH_Z, (kind := name.removesuffix(" (z)"), f"{kind} z")),
    ):
        found = [pattern.fullmatch(cell) for cell in cells]
        if any(found):
            rows = [one.groups() if one else (cell, *[""] * (len(names) - 1)) for one, cell in zip(found, cells, strict=True)]
            columns = [[heading, *map(_plain, column)] for heading, column in zip(names, zip(*rows, strict=True), strict=True)]
            return [column for column in columns if not column[0].endswith(" caution") or any(column[1:])]
    return [[name, *map(_plain, cells)]]


def _plain(cell: str) -> str:
    return "" if cell == "-" else cell.replace(",", "") if _COUNT.fullmatch(cell) else cell


def _figure(panel: Panel, prefix: str) -> str:
    drawn = _svg(panel_figure(panel), prefix)
    drawn = drawn.replace("<svg ", f'<svg role="img" aria-label="{html_text(panel.says)}" ', 1)
    kind = ' class="wide" tabindex="0"' if panel.wide else ""
    return f"<figure{kind}><figcaption>{html_text(panel.title)}</figcaption>{drawn}</figure>\n"


def _svg(figure: Figure, prefix: str) -> str:
    """Return a figure as SVG; what it refers to gets a prefix, since two figures of one page must not share any id."""
    with matplotlib.rc_context(RC), one_warning_of_glyphs():
        held = io.StringIO()
        figure.savefig(held, format="svg", metadata={"Date": None})
    text = held.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = _PATH.sub(lambda path: _DIGITS.sub(r"\1", path[0]), text)  # a page of fewer bytes
    used = {found[1] for found in _REFERENCE.finditer(text)}
    text = _ID.sub(lambda found: f' id="{prefix}{found[1]}"' if found[1] in used else "", text)
    return _REFERENCE.sub(lambda found: found[0].replace("#", f"#{prefix}"), text)
