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
from dstheory.user_files import shipped

_ENTRY = re.compile(r"@\w+\{([^,\s]+),\n(.*?)\n\}", re.DOTALL)
_FIELD = re.compile(r"^\s*(\w+) = \{(.*)\},?$", re.MULTILINE)
_PLACED = ("journal", "booktitle", "howpublished", "volume", "pages")


@dataclass(frozen=True)
class Reference:
    """One work; ``authors`` are full names as in the file, empty where they are not known for certain.

    ``place`` says where a work appeared that has no arXiv number, its ``eprint``.
    """

    key: str
    authors: tuple[str, ...]
    title: str
    year: str
    eprint: str
    note: str = ""
    bibtex: str = ""
    place: str = ""

    @property
    def called(self) -> str:
        """What texts call it, such as Williams and Peng 1991; nothing for unknown authors."""
        names = [name.split(", ")[0] for name in self.authors]
        who = f"{names[0]} et al." if len(names) > 2 or names[1:] == ["others"] else " and ".join(names)
        return f"{who} {self.year}" if who else ""

    def latex(self) -> str:
        """Return the entry of a reference list."""
        names = [name.split(", ")[0] for name in self.authors]
        if names[-1:] == ["others"]:
            who = f"{', '.join(names[:-1])} et al. "
        else:
            who = f"{', '.join(names[:-1])} and {names[-1]}. " if len(names) > 1 else "".join(f"{name}. " for name in names)
        more = f" {self.note}." if self.note else ""
        mark = "" if self.title[-1] in "?!" else "."
        place = f"arXiv:{self.eprint}" if self.eprint else self.place
        return rf"\bibitem{{{self.key}}} {who}\emph{{{self.title}}}{mark}{more} {place}, {self.year}."


@cache
def load_references() -> Mapping[str, Reference]:
    """Return all references by key.

    Raises:
        FileFormatError: the file is missing, which means that the installation is damaged, or an entry lacks a field.

    >>> load_references()["zhao2026twostage"].eprint
    '2601.01580'
    """
    path = shipped("REFERENCES.bib")
    if not path.is_file():
        raise FileFormatError(f"the references are missing from {Path(__file__).with_name(path.name)}; reinstall dstheory")
    found = {}
    for entry in _ENTRY.finditer(path.read_text(encoding="utf-8")):
        key, body = entry.groups()
        fields = dict(_FIELD.findall(body))
        place = ", ".join(fields[name] for name in _PLACED if fields.get(name))
        missing = [name for name in ("title", "year", "eprint") if not fields.get(name) and not (name == "eprint" and place)]
        if missing:
            raise FileFormatError(f"{path.name}: {key} lacks {', '.join(missing)}")
        authors = tuple(fields["author"].split(" and ")) if "author" in fields else ()
        rest = (fields["title"], fields["year"], fields.get("eprint", ""), fields.get("note", ""), entry[0], place)
        found[key] = Reference(key, authors, *rest)
    return found


def cited(text: str) -> list[str]:
    """Return the keys of the works that a text names, by arXiv number or as Williams 1992, in their order; others are left out.

    >>> cited("arXiv 2508.11800; the form is that of 2601.01580, as in 2508.11800")
    ['bereket2025uncalibrated', 'zhao2026twostage']
    >>> cited("Williams 1992; Mnih et al. 2016")
    ['williams1992reinforce', 'mnih2016asynchronous']
    """
    named, pattern = _names()
    return list(dict.fromkeys(named[found] for found in pattern.findall(text)))


@cache
def _names() -> tuple[dict[str, str], re.Pattern[str]]:
    """Return the key of every name of a work, and what finds these names."""
    named: dict[str, str] = {}
    for key, reference in load_references().items():
        for name in filter(None, (reference.eprint, reference.called)):
            named.setdefault(name, key)
    return named, re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, named))})(?!\w)")


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
