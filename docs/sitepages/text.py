"""Markdown of the pages that are written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

ORPHAN = ("---", "orphan: true", "---", "")
"""Before pages that a list leads to, not the navigation: hundreds of entries beside every page would be most of it."""

SHORT = 40
"""Characters of LaTeX; what is longer may be wider than a telephone, and scrolls by itself."""

_MARKUP = re.compile(r"([\\`*_$<>\[\]{}~|#^&])")
_SEVERAL = re.compile(r"^\s+(?:\w+, )+\w+(?=: )")
_STAR = re.compile(r"((?<=[\[(])\*(?=\w)|\|)")
_ARXIV = re.compile(r"(?<![\d.])(\d{4}\.\d{4,5})(?!\d)")


def plain(text: str) -> str:
    r"""Return a text as Markdown that shows it as it is.

    >>> print(plain("p_E * <b>"))
    p\_E \* \<b\>
    >>> print(f"It is {plain(' so, ')} at the ends")  # beside a formula blanks count
    It is  so,  at the ends
    """
    return _MARKUP.sub(r"\\\1", re.sub(r"\s+", " ", text))


def docstring(lines: Sequence[str]) -> list[str]:
    r"""Return a docstring as Sphinx shows what it says: ``[*runs, turn]`` and ``|n|`` start no emphasis and no substitution.

    Several arguments in one line, ``p, a, b: ...``, would be read as a type and a name: so no space is left between them.
    An example and what it prints, up to the next empty line, is shown as it is.

    >>> docstring(["|n|", ">>> print('a | b')", "a | b"])
    ['\\|n\\|', ">>> print('a | b')", 'a | b']
    """
    out, example = [], False
    for line in lines:
        example = line.lstrip().startswith(">>>") or (example and bool(line.strip()))
        together = _SEVERAL.sub(lambda found: found[0].replace(", ", ",\N{ZERO WIDTH SPACE}"), line)
        parts = together.split("``")
        escaped = "``".join(_STAR.sub(r"\\\1", part) if k % 2 == 0 else part for k, part in enumerate(parts))
        out.append(line if example else escaped)
    return out


def source(text: str) -> str:
    """Return where something comes from, with arXiv numbers as links.

    >>> source("arXiv 2601.01580; derived here")
    'arXiv [2601.01580](https://arxiv.org/abs/2601.01580); derived here'
    """
    return _ARXIV.sub(r"[\1](https://arxiv.org/abs/\1)", plain(text))


def fill(page: str, filled: Mapping[str, str]) -> str:
    """Return a page with everything between the markers ``<!-- NAME -->`` and ``<!-- end of NAME -->`` replaced."""
    for name, text in filled.items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)"
        page, times = re.subn(pattern, lambda m, text=text: f"{m[1]}{text}\n{m[2]}", page, flags=re.DOTALL)
        if times != 1:
            raise SystemExit(f"the page needs the marker <!-- {name} --> once, found {times}")
    return page


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table of Markdown, cells as they are."""
    rule = "|" + "---|" * len(head)
    return ["| " + " | ".join(head) + " |", rule, *("| " + " | ".join(row) + " |" for row in rows), ""]
