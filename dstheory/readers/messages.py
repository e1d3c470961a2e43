"""How values and names appear in messages: short, escaped, the first few of many."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np

NAMED = 3  # the first few offenders are named, the rest counted


def first_of(found: Sequence[str], total: int | None = None) -> str:
    """Return the first few of what was found, and how many more there are.

    Example:
        >>> first_of(["a", "b", "c", "d", "e"])
        'a, b, c (and 2 more)'
    """
    more = (len(found) if total is None else total) - min(len(found), NAMED)
    return ", ".join(found[:NAMED]) + (f" (and {more} more)" if more else "")


_LONGEST_NAME = 43  # letters of a name or a value in a message


def cut(text: str) -> str:
    """Return the beginning of a long text, and a short one as it is."""
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 3] + "..."


def shown(value: Any) -> str:
    """Return a value as a message shows it: long ones are cut, and a number that is whole has no decimals.

    Example:
        >>> shown(-0.2), shown(1.0), shown("x" * 100)
        ('-0.2', '1', "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...'")
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return repr(cut(value))
    if isinstance(value, int) and abs(value) >= 10**40:  # Python writes no number of thousands of digits
        return "a whole number of more than 40 digits"
    if isinstance(value, (list, tuple, dict)):  # perhaps nested more deeply than Python can write
        return reprlib.repr(value)
    text = f"{value:.12g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= 63 else text[:60] + "..."


def brief(value: Any) -> str:
    """Return a value of a record as a message shows it, in the words of JSON; of a nested one only its kind.

    Example:
        >>> brief("a"), brief(True), brief(None), brief([1, 2]), brief({})
        ("'a'", 'true', 'null', 'a list', 'an object')
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return shown(value)
    return {"dict": "an object", "list": "a list"}.get(type(value).__name__, f"a {type(value).__name__}")


def is_unicode(text: str) -> bool:
    """Return whether a text can be written at all: JSON escapes may hold half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the part of a message that helps with an unknown name: the nearest known ones, or all of them.

    Example:
        >>> nearest("Sample_Prob", ["sample_probability", "answer"])
        'did you mean sample_probability?'
        >>> nearest("lenght", ["sample_length", "decision_length", "answer"])
        'did you mean sample_length or decision_length?'
        >>> nearest("notes", ["prompt", "answer"])
        'known are prompt, answer; rename or remove it'
    """
    known = list(map(cut, known))
    wanted = name.strip().lower()
    close = get_close_matches(wanted, known, n=2, cutoff=0.6)
    if not close:
        words = get_close_matches(wanted, {word for one in known for word in one.split("_")}, n=1, cutoff=0.75)
        close = [one for one in known if words and words[0] in one.split("_")][:3]
    return f"did you mean {' or '.join(close)}?" if close else f"known are {', '.join(known)}; rename or remove it"
