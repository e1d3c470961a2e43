"""Conditions as the TOML files here write them: a value, a list of values, or ``{above, below, is_not, given}``."""

from __future__ import annotations

from math import isclose
from typing import Any

__all__ = ["close", "holds", "text_of"]


def text_of(value: Any) -> str:
    """Return a value as the words of a library's file are written."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list) and len(value) == 1:
        return text_of(value[0])
    return str(value).strip()


def holds(condition: Any, value: Any, given: bool = False) -> bool:
    """Return whether a value meets a condition.

    >>> holds({"above": 3}, 8.0), holds(["none", "group"], "batch"), holds({"is_not": 1}, 1.0)
    (True, False, False)
    """
    if isinstance(condition, dict):
        return all(given is bound if how == "given" else _compares(how, bound, value) for how, bound in condition.items())
    choices = condition if isinstance(condition, list) else [condition]
    return any(text_of(value) == text_of(choice) or close(value, choice) for choice in choices)


def close(value: Any, other: Any) -> bool:
    """Return whether two values are one number."""
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in (value, other))
    return numbers and isclose(value, other)


def _compares(how: str, bound: Any, value: Any) -> bool:
    if how == "is_not":
        return not holds(bound, value)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and (value > bound if how == "above" else value < bound)
