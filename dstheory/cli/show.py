"""Printing: tables for people, JSON for machines, progress on standard error."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from dstheory.cli.echo import echo, echo_json
from dstheory.texts import printable


def number(value: float, digits: int = 3) -> str:
    """Return a number for a table: a dash for what does not exist, few digits otherwise.

    >>> number(0.98765), number(float("nan")), number(12345.678), number(1.2e-7)
    ('0.988', '-', '1.23e+04', '1.2e-07')
    """
    if math.isnan(value):
        return "-"
    if value != 0 and not 1e-3 <= abs(value) < 1e4:
        return f"{value:.{digits - 1}e}" if abs(value) >= 1e4 else f"{value:.1e}"
    return f"{value:.{digits}f}" if abs(value) < 100 else f"{value:.1f}"


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str = "", words: int = 1) -> None:
    """Print a table on standard output; the first ``words`` columns are text, the others numbers."""
    rows = [[printable(cell) for cell in row] for row in rows]
    table = Table(box=SIMPLE_HEAD, title_justify="left", caption_justify="left")
    table.title, table.caption = Text(printable(title)), Text(printable(caption)) if caption else None
    for i, column in enumerate(map(printable, columns)):
        cells = [column, *(row[i] for row in rows)]
        # Numbers whole; words at least as wide as the longest of them, within reason.
        least = max(map(len, cells)) if i >= words else min(24, max((len(w) for cell in cells for w in cell.split()), default=1))
        side = "left" if i < words else "right"
        table.add_column(Text(column), justify=side, overflow="fold", no_wrap=i >= words, min_width=least)  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console()
    # Written to a file or a pipe there is no screen to fit: keep every column.
    if not console.is_terminal:
        console = Console(width=160)
    # A number is never cut: on a narrow terminal a wide table's lines wrap.
    needed = Measurement.get(console, console.options.update(width=1000), table).minimum
    if needed > console.width:
        console = Console(width=needed)
    console.print(table)


def print_json(data: Any) -> None:
    """Print strict JSON on standard output."""
    from dstheory.readers import to_jsonable

    echo_json(json.dumps(to_jsonable(data), indent=2, allow_nan=False))


@contextmanager
def progress_bar(label: str, total: int, *, quiet: bool) -> Iterator[Any]:
    """Show a bar with remaining time on standard error, if that is a terminal; yields ``update(done)``."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda done: None
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.update(task, completed=done)


def announce_compilation(work: int, pairs: int) -> None:
    """Say what the first run on a machine waits for; small problems need no compiled loops."""
    from dstheory.dynamics.minimal import COMPILED
    from dstheory.objectives import fused

    if work < COMPILED and pairs < fused.SMALLEST:
        return
    from dstheory.kernels import is_compiled, warm_up

    if not is_compiled():
        echo("compiling the fast loops, once on this machine (about half a minute) ...", err=True)
        warm_up()
