"""A survey as one HTML file: tables, figures and the command that made it, and nothing that is loaded from elsewhere."""

from __future__ import annotations

import io
import shlex
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from dstheory._version import __version__
from dstheory.anatomy.document import Section, document
from dstheory.anatomy.surveys import Survey

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["html_report"]

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


def html_report(found: Survey, figures: Mapping[str, Figure], *, title: str = "", command: Sequence[str] = ()) -> str:
    """Return the report.

    Args:
        found: the survey.
        figures: caption -> figure; drawn as SVG inside the file.
        title: of the page; usually the names of the logs.
        command: arguments of the command line, to be shown.

    >>> from dstheory.anatomy.surveys import survey
    >>> from dstheory.anatomy.synthetic import Cell, generate_log
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
