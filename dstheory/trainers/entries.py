"""What a configuration file sets, in one form whatever its syntax: keys, values and lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

ANY_KEY = "**"  # of what may set any key, as what a Python file hands over without names
MOST_SETTINGS = 20_000  # keys that one file sets, aliases written out


@dataclass(frozen=True)
class KeyValue:
    """One key that a file sets.

    Attributes:
        key: with dots between the parts of a nested one.
        value: a number, a text, true, false, None, or a list of these.
        line: where it stands, from 1; None where it came from the command line.
        unless: a line of a branch that sets it otherwise where it is taken, or that alone sets it; None where there is none.
        file: the name of the file, where it is one that the configuration begins with; "" for the configuration itself.
    """

    key: str
    value: Any
    line: int | None = None
    unless: int | None = None
    file: str = ""

    @property
    def place(self) -> str:
        """Where it stands, in words."""
        return at_line(self.line, self.file)


def at_line(line: int | None, file: str = "") -> str:
    """Return the words for a place.

    >>> at_line(3), at_line(3, "base.yaml"), at_line(None)
    ('line 3', 'line 3 of base.yaml', 'command line')
    """
    return "command line" if line is None else f"line {line}" + (f" of {file}" if file else "")


@dataclass(frozen=True)
class Source:
    """What was read.

    Attributes:
        name: of the file, as messages call it.
        entries: in the order of the file.
        text: words by which a program may be recognised: of a script those before its arguments, of Python the class called.
        unread: what looks like a setting but has a value that nobody but the shell or Python knows, with its line.
        whole: the text of the file, in which the versions of libraries are looked for.
    """

    name: str
    entries: tuple[KeyValue, ...]
    text: str = ""
    unread: tuple[KeyValue, ...] = ()
    whole: str = ""


def assignment(text: str) -> KeyValue | None:
    """Return ``key=value`` as an entry, with Hydra's leading ``+`` left out; None if it is none.

    >>> assignment("actor.kl_loss_coef=1e-3")
    KeyValue(key='actor.kl_loss_coef', value=0.001, line=None, unless=None, file='')
    """
    found = re.fullmatch(r"\+{0,2}([A-Za-z_][\w.\-]*)=(.*)", text, flags=re.DOTALL)
    return None if found is None else KeyValue(found[1], scalar(found[2]))


def scalar(text: str) -> Any:
    """Return the number, boolean, null, list or text that a word of a command line stands for.

    >>> scalar("1e-3"), scalar("True"), scalar("none"), scalar("dapo"), scalar("[1, 2.5]")
    (0.001, True, None, 'dapo', [1, 2.5])
    """
    plain = text.strip().strip("'\"")
    word = plain.lower()
    if word in ("true", "false"):
        return word == "true"
    if word in ("null", "none", "~"):
        return None
    if len(plain) <= 64:
        if re.fullmatch(r"[-+]?\d+", plain):
            return int(plain)
        if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", plain):
            return float(plain)
        if re.fullmatch(r"[-+]?\.?inf(inity)?", word):
            return float(word.replace(".", ""))
    if plain.startswith("[") and plain.endswith("]") and len(plain) <= 4096:
        inside = plain[1:-1].strip()
        return [scalar(part) for part in inside.split(",")] if inside else []
    return plain


def together(said: Sequence[tuple[KeyValue, bool, bool]]) -> tuple[tuple[KeyValue, ...], tuple[KeyValue, ...]]:
    """Return what is known of keys and what is not, in the order of the file, of what was said of them one after the other.

    What is said last holds. What a branch says only may hold: the value before it is then kept and has the branch's line.

    Args:
        said: entries, each with whether its value is known and whether it is sure to be reached.
    """
    known: dict[str, list[tuple[int, KeyValue]]] = {}
    unknown: dict[str, list[tuple[int, KeyValue]]] = {}
    for place, (entry, is_known, sure) in enumerate(said):
        earlier = known.get(entry.key, [])
        if not sure and earlier:
            earlier[-1] = (earlier[-1][0], replace(earlier[-1][1], unless=entry.line))
            continue
        if not sure:
            entry = replace(entry, value=f"{entry.value} in a branch", unless=entry.line)
        elif not is_known:
            entry = replace(entry, unless=None)
        holds, others = (known, unknown) if is_known and sure else (unknown, known)
        if entry.key != ANY_KEY:
            others.pop(entry.key, None)
        holds.setdefault(entry.key, []).append((place, entry))
    first, second = (sorted(chain(*each.values()), key=lambda one: one[0]) for each in (known, unknown))
    return tuple(entry for _, entry in first), tuple(entry for _, entry in second)
