"""Which experiments there are. Their files are read, not run: listing costs no numerics, and a broken file hides no other.

What an experiment returns, and its tables: CSV with every digit for machines, Markdown with few digits for people.
"""

from __future__ import annotations

import ast
import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dstheory.errors import DSTheoryError, UnknownNameError
from dstheory.texts import markdown_cell
from dstheory.user_files import shipped

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

Table = str | Sequence[Mapping[str, Any]]
"""Rows that all have the same keys, or a text."""


class Findings(NamedTuple):
    """What ``run`` of an experiment returns; a plain tuple (data, figures) with the rest left out will do.

    Attributes:
        data: everything measured; ``data.attrs["seed"]`` where chance was involved.
        figures: matplotlib figures by file stem; written as PNG and SVG.
        tables: by file stem, rows (mappings with the same keys; written as CSV and Markdown) or a text (written as it is).
        caption: the text under the figures, with the numbers measured; default the docstring of the experiment's file.
    """

    data: xr.Dataset
    figures: Mapping[str, Figure]
    tables: Mapping[str, Table] = {}
    caption: str = ""


def columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the columns of a table.

    Raises:
        ValueError: no rows, or a row whose keys are not those of the first.

    Example:
        >>> columns([{"p": 1, "b": 2}, {"p": 3, "b": 4}])
        ['p', 'b']
    """
    if not rows:
        raise ValueError("a table has no rows: give at least one")
    names = list(rows[0])
    for i, row in enumerate(rows):
        if set(row) != set(names):
            raise ValueError(f"row {i} of a table has the columns {list(row)}: must be those of row 0, {names}")
    return names


def cells(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return the rows as people read them: few digits, a dash for what does not exist.

    Example:
        >>> cells([{"effect": "none", "b": 0.123456, "steps": 12345}, {"effect": "clipped", "b": 8.1e-7, "steps": None}])
        [['none', '0.1235', '12345'], ['clipped', '8.1e-07', '-']]
    """
    return [[_shown(row[name]) for name in columns(rows)] for row in rows]


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the table as CSV; numbers with every digit, an empty field for what does not exist.

    Example:
        >>> print(csv_text([{"effect": "clipped, at 1", "b": 0.1, "steps": None}]), end="")
        effect,b,steps
        "clipped, at 1",0.1,
    """
    names = columns(rows)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow(["" if _missing(row[name]) else _plain(row[name]) for name in names])
    return stream.getvalue()


def markdown_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the table as Markdown, its numbers rounded.

    Example:
        >>> print(markdown_text([{"effect": "none", "b": 0.9}]), end="")
        | effect | b |
        | --- | ---: |
        | none | 0.9 |
    """
    names = columns(rows)
    right = [all(_missing(row[name]) or not isinstance(row[name], str) for row in rows) for name in names]
    lines = [names, ["---:" if r else "---" for r in right], *cells(rows)]
    return "".join("| " + " | ".join(map(markdown_cell, line)) + " |\n" for line in lines)


def write_table(table: Table, stem: Path) -> list[Path]:
    """Write ``stem.csv`` and ``stem.md``, or ``stem.txt`` for a text; return the paths."""
    texts = {".txt": table} if isinstance(table, str) else {".csv": csv_text(table), ".md": markdown_text(table)}
    paths = []
    for ending, text in texts.items():
        path = stem.with_name(stem.name + ending)
        path.write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8")
        paths.append(path)
    return paths


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, (float, np.floating)) and math.isnan(value))


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, (np.generic, np.ndarray)) else value


def _shown(value: Any) -> str:
    if _missing(value):
        return "-"
    value = _plain(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Experiment:
    """One experiment, as its file describes it.

    Attributes:
        name: ``NAME``; the file's stem where there is none.
        claims: ``CLAIMS``, ids of claims that it bears on.
        text: the docstring of the file.
        needs: ``NEEDS``, what has to be given with ``--data``; empty for most.
        path: the file.
        fault: why it cannot run; empty for all that are as they should be.
    """

    name: str
    claims: tuple[str, ...]
    text: str
    needs: str
    path: Path
    fault: str = ""

    @property
    def shows(self) -> str:
        """The first line of the docstring."""
        return self.text.splitlines()[0] if self.text else ""


def read_experiment(path: Path) -> Experiment:
    """Read what a file says about itself, without running it.

    Raises:
        DSTheoryError: there is no such file.
    """
    from dstheory.readers.streams import read_whole

    try:
        source = read_whole(path).decode("utf-8")
        tree = ast.parse(source, path.name)
    except OSError as error:
        raise DSTheoryError(f"cannot read {path}: {error.strerror}; give the path of an experiment's file") from error
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        return Experiment(path.stem, (), "", "", path, f"is not Python: {getattr(error, 'msg', error)} ({path.name}{line})")
    known: dict[str, object] = {}
    defined = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            defined.add(node.name)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in _CONSTANTS:
            try:
                known[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                known[node.targets[0].id] = None
    text = ast.get_docstring(tree) or ""
    name, claims, needs = known.get("NAME"), known.get("CLAIMS"), known.get("NEEDS", "")
    rules = {
        "a docstring that says what it shows": text,
        'NAME = "..."': isinstance(name, str),
        'CLAIMS = ("...", ) with ids of claims': isinstance(claims, tuple) and claims,
        "NEEDS as a text in quotes": isinstance(needs, str),
        "a function run(*, quick, progress)": "run" in defined,
    }
    faults = [rule for rule, kept in rules.items() if not kept]
    return Experiment(
        name if isinstance(name, str) else path.stem,
        tuple(map(str, claims)) if isinstance(claims, tuple) else (),
        text,
        needs if isinstance(needs, str) else "",
        path,
        f"{path.name} lacks {', '.join(faults)}" if faults else "",
    )


_CONSTANTS = ("NAME", "CLAIMS", "NEEDS")


def experiment_names() -> dict[str, Experiment]:
    """Return all experiments of this package by name; files whose names start with ``_`` are parts of others."""
    found = [read_experiment(path) for path in sorted(shipped("sims").glob("[!_]*.py"))]
    return {experiment.name: experiment for experiment in found}


def find_experiments(names: tuple[str, ...]) -> list[Experiment]:
    """Return the experiments with these names; a name that ends in ``.py`` is the path of a file.

    Raises:
        DSTheoryError: an unknown name; the nearest known ones are given.
    """
    known = experiment_names()
    found: dict[str, Experiment] = {}
    for name in names:
        if name not in known and not name.endswith(".py"):
            near = get_close_matches(name, known, n=2, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else "nothing is called like that."
            raise UnknownNameError(f"there is no experiment {name!r}: {hint} Known are {', '.join(known)}")
        experiment = known[name] if name in known else read_experiment(Path(name))
        found[experiment.name] = experiment
    return list(found.values())
