"""Where a value stands in a record: dotted keys, places in lists, and every entry of a list.

``extra.gold`` is a key within an object, ``resps[0][0]`` (or ``resps.0.0``) an entry of a list, ``infos[].r`` the same key of
every entry of a list. A key may be a pattern (``*_reward``, ``scores.*.value``) until :func:`candidates` has looked at a record.
A key that holds dots is found first as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from dstheory.errors import RecordError
from dstheory.texts import shown

Step = str | int | None  # a key, a place in a list, or None for every entry of a list
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(-?\d*)\]")
_INDEX = re.compile(r"[0-9]{1,9}")
_LONGEST_KEY = 60
_MOST_KEYS = 12


@dataclass(frozen=True)
class Place:
    """A place in a record.

    Attributes:
        text: as it was written.
        steps: from the record to the value.

    Example:
        >>> Place.of("infos[].r").get({"infos": [{"r": 0}, {"r": 1}]})
        [0, 1]
        >>> Place.of("extra.gold").get({"extra": {}}) is None
        True
        >>> Place.of("scores[].1").get({"scores": [[0.1, 0.9], [0.1, 0.2]]})
        [0.9, 0.2]
    """

    text: str
    steps: tuple[Step, ...]

    @classmethod
    @lru_cache
    def of(cls, text: str) -> Place:
        """Read a place.

        Raises:
            RecordError: it is none.
        """
        steps: list[Step] = []
        end = 0
        for found in _STEP.finditer(text):
            if found.start() != end or (found[0].startswith(".") and not end):
                break
            end = found.end()
            steps.append(found[1] if found[1] is not None else int(found[2]) if found[2] else None)
        if end != len(text) or not steps or not isinstance(steps[0], str):
            raise RecordError(
                f"{shown(text)} is not a place in a record: write keys and entries, as in extra.gold, resps[0] or score[]"
            )
        return cls(text, tuple(steps))

    @property
    def plain(self) -> bool:
        """Whether it is one key."""
        return len(self.steps) == 1

    @property
    def spreads(self) -> bool:
        """Whether it has a value for every entry of a list."""
        return None in self.steps

    def get(self, record: Any) -> Any:
        """Return what stands there; None where there is nothing."""
        if isinstance(record, Mapping) and self.text in record:
            return record[self.text]
        return _get(record, self.steps)

    def holds(self, record: Any) -> bool:
        """Return whether anything stands there; of a list's entries, in one of them more than an empty text.

        >>> Place.of("turns[].signal").holds({"turns": [{"signal": None}, {"signal": ""}, {}]})
        False
        """
        value = self.get(record)
        return value is not None and not (self.spreads and isinstance(value, list) and all(one in (None, "") for one in value))


def getter(place: str) -> Callable[[Any], Any]:
    """Return what gets the value at a place: as :meth:`Place.get`, and fast where the place is one key.

    >>> getter("gold")({"gold": 4}), getter("extra.gold")({"extra": {"gold": 4}}), getter("gold")([4])
    (4, 4, None)
    """
    at = Place.of(place)
    return (lambda record: record.get(place) if type(record) is dict else at.get(record)) if at.plain else at.get


def _get(value: Any, steps: tuple[Step, ...]) -> Any:
    for i, step in enumerate(steps):
        if step is None:
            rest = steps[i + 1 :]
            if not isinstance(value, list):
                return None
            if len(rest) == 1 and isinstance(key := rest[0], str):  # most often
                return [entry.get(key) if type(entry) is dict else _get(entry, rest) for entry in value]
            return [_get(entry, rest) for entry in value]
        if isinstance(step, str) and isinstance(value, list) and _INDEX.fullmatch(step):
            step = int(step)
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, Mapping) else None
        else:
            value = value[step] if isinstance(value, list) and -len(value) <= step < len(value) else None
        if value is None:
            return None
    return value


def candidates(pattern: str, record: Any) -> list[str]:
    """Return the places of a record that a pattern means and that hold something.

    Example:
        >>> candidates("scores.*.value", {"scores": {"match": {"value": "C"}, "f1": {"value": 0.5}}})
        ['scores.match.value', 'scores.f1.value']
    """
    before, star, after = pattern.partition("*")
    if not star:
        return [pattern] if Place.of(pattern).holds(record) else []
    *outer, start = before.split(".")
    end, *inner = after.split(".")
    within = Place.of(".".join(outer)).get(record) if outer else record
    keys = [key for key in within if fnmatchcase(key, f"{start}*{end}")] if isinstance(within, Mapping) else []
    return [place for key in keys if "*" not in key for place in candidates(".".join([*outer, key, *inner]), record)]


def keys_of(record: Any) -> str:
    """Return the keys of a record for a message, those of objects within it with dots.

    Example:
        >>> keys_of({"id": 1, "extra": {"gold": 4}, "score": [True]})
        'id, extra.gold, score[]'
    """
    names: list[str] = []
    for key, value in record.items() if isinstance(record, Mapping) else ():
        if isinstance(value, Mapping) and value:
            names += [f"{key}.{inner}" for inner in value]
        elif isinstance(value, Sequence) and not isinstance(value, str) and value:
            first = value[0]
            names += [f"{key}[].{inner}" for inner in first] if isinstance(first, Mapping) else [f"{key}[]"]
        else:
            names.append(str(key))
    more = len(names) - _MOST_KEYS
    cut = [name if len(name) <= _LONGEST_KEY else f"{name[: _LONGEST_KEY - 3]}..." for name in names[:_MOST_KEYS]]
    return (", ".join(cut) or "no keys") + (f" and {more} more" if more > 0 else "")
