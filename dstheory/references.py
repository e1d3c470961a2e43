r"""The works that claims and derivations cite: ``REFERENCES.bib``, read, matched with arXiv numbers, and printed for LaTeX.

The file lies beside the package in a source checkout and inside it when installed from a wheel. Of BibTeX it uses entries of
fields in braces, one field a line; a reference list is printed as ``thebibliography``, so that ``pdflatex`` alone compiles it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dstheory._version import __version__
from dstheory.errors import FileFormatError

_HERE = Path(__file__).resolve().parent
_PLACES = (_HERE / "REFERENCES.bib", _HERE.parent / "REFERENCES.bib")
_ENTRY = re.compile(r"@\w+\{([^,\s]+),\n(.*?)\n\}", re.DOTALL)
_FIELD = re.compile(r"^\s*(\w+) = \{(.*)\},?$", re.MULTILINE)
_ARXIV = re.compile(r"(?<!\d)\d{4}\.\d{4,5}(?!\d)")


@dataclass(frozen=True)
class Reference:
    """One work; ``authors`` are full names as in the file, empty where they are not known for certain."""

    key: str
    authors: tuple[str, ...]
    title: str
    year: str
    eprint: str
    note: str = ""
    bibtex: str = ""

    def latex(self) -> str:
        """Return the entry of a reference list."""
        names = [name.split(", ")[0] for name in self.authors]
        if names[-1:] == ["others"]:
            who = f"{', '.join(names[:-1])} et al. "
        else:
            who = f"{', '.join(names[:-1])} and {names[-1]}. " if len(names) > 1 else "".join(f"{name}. " for name in names)
        more = f" {self.note}." if self.note else ""
        mark = "" if self.title[-1] in "?!" else "."
        return rf"\bibitem{{{self.key}}} {who}\emph{{{self.title}}}{mark}{more} arXiv:{self.eprint}, {self.year}."


@cache
def load_references() -> Mapping[str, Reference]:
    """Return all references by key.

    Raises:
        FileFormatError: the file is missing, which means that the installation is damaged, or an entry lacks a field.

    >>> load_references()["zhao2026twostage"].eprint
    '2601.01580'
    """
    path = next((path for path in _PLACES if path.is_file()), None)
    if path is None:
        raise FileFormatError(f"the references are missing from {_PLACES[0]}; reinstall dstheory")
    found = {}
    for entry in _ENTRY.finditer(path.read_text(encoding="utf-8")):
        key, body = entry.groups()
        fields = dict(_FIELD.findall(body))
        missing = [name for name in ("title", "year", "eprint") if not fields.get(name)]
        if missing:
            raise FileFormatError(f"{path.name}: {key} lacks {', '.join(missing)}")
        authors = tuple(fields["author"].split(" and ")) if "author" in fields else ()
        rest = (fields["title"], fields["year"], fields["eprint"], fields.get("note", ""), entry[0])
        found[key] = Reference(key, authors, *rest)
    return found


def cited(text: str) -> list[str]:
    """Return the keys of the works whose arXiv numbers a text mentions, in their order; numbers not in the file are left out.

    >>> cited("arXiv 2508.11800; the form is that of 2601.01580, as in 2508.11800")
    ['bereket2025uncalibrated', 'zhao2026twostage']
    """
    keys = {reference.eprint: key for key, reference in load_references().items()}
    return [keys[number] for number in dict.fromkeys(_ARXIV.findall(text)) if number in keys]


def cite(keys: Iterable[str]) -> str:
    r"""Return ``~\cite{...}``, or nothing for no keys.

    >>> cite(["lee2025em"]), cite([])
    ('~\\cite{lee2025em}', '')
    """
    joined = ",".join(keys)
    return rf"~\cite{{{joined}}}" if joined else ""


def bibliography(keys: Iterable[str]) -> str:
    """Return the reference list of these keys, each once, in the order of the file; nothing for no keys."""
    wanted = set(keys)
    entries = [reference.latex() for key, reference in load_references().items() if key in wanted]
    if not entries:
        return ""
    return "\n".join([r"\begin{thebibliography}{99}", *entries, r"\end{thebibliography}", ""])


RELEASED = "2026-11-28"
"""The day of the release, as CITATION.cff has it."""


def bibtex(keys: Iterable[str]) -> str:
    """Return the BibTeX entries of these keys, each once, and of this package, which has no public repository to name yet.

    >>> print(bibtex([]).splitlines()[0])
    @software{dstheory,
    """
    wanted = set(keys)
    own = "\n".join((
        "@software{dstheory,",
        "  author = {{The dstheory maintainers}},",
        "  title = {dstheory: checking the two-stage decision-sampling hypothesis},",
        f"  version = {{{__version__}}},",
        f"  date = {{{RELEASED}}},",
        f"  year = {{{RELEASED[:4]}}},",
        "}",
    ))  # fmt: skip
    entries = [reference.bibtex for key, reference in load_references().items() if key in wanted]
    return "\n\n".join([*entries, own]) + "\n"
