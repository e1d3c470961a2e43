"""What a derivation is written in: sentences with formulas between the words, displayed formulas, tables, steps."""

from __future__ import annotations

from dataclasses import dataclass
from string import Formatter

from dstheory.symbolic.rule import Inline, Verbatim


@dataclass(frozen=True)
class Words:
    """A sentence: strings, with formulas between them."""

    parts: tuple[Inline, ...]


def words(template: str, *extra: Inline, **formulas: Inline) -> Words:
    """Return a sentence from a template with formulas in braces, and further parts after it.

    >>> import sympy as sp
    >>> words("{k} turns", ", at most", k=sp.Symbol("k")).parts
    (k, ' turns', ', at most')
    """
    parts: list[Inline] = []
    for text, name, _, _ in Formatter().parse(template):
        parts += [text] if text else []
        parts += [formulas[name]] if name else []
    return Words((*parts, *extra))


def listed(parts: list[Inline]) -> list[Inline]:
    """Return formulas with commas between them."""
    return [x for i, part in enumerate(parts) for x in ((", ", part) if i else (part,))]


@dataclass(frozen=True)
class Display:
    """A displayed formula: left side = each of the right sides in turn.

    Attributes:
        left: what is defined or computed.
        right: one expression, or several that are equal.
        note: a remark beside the formula.
    """

    left: Inline
    right: tuple[Inline, ...]
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of formulas under column headings."""

    head: tuple[Inline, ...]
    rows: tuple[tuple[Inline, ...], ...]


Item = Words | Display | Table


@dataclass(frozen=True)
class DerivationStep:
    """One step of a derivation: a heading and what it says."""

    title: str
    items: tuple[Item, ...]


C_S, C_D = Verbatim("c_s", "c_s"), Verbatim("c_d", "c_d")
