"""Printing: sentences and tables for people, JSON for machines, progress on standard error.

What others wrote is printed in one way: what would act on a terminal is shown instead.
"""

from __future__ import annotations

import math
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dstheory.texts import columns_of_terminal, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from dstheory.comparison import ObjectiveRow

_F = TypeVar("_F", bound=Callable[..., Any])
_PLAIN = "dstheory.plain"


def json_option(function: _F) -> _F:
    """Add the options by which output is for other programs: ``--json`` and ``--plain``."""
    plain = click.option("--plain", is_flag=True, expose_value=False,
                         callback=lambda ctx, param, value: ctx.meta.update({_PLAIN: value}),
                         help="Print one row a line with tabs between cells; wrap nothing, show no progress.")  # fmt: skip
    as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, which `dstheory schema` describes.")
    return as_json(plain(function))


def is_plain() -> bool:
    """Return whether ``--plain`` was given: rows on one line with tabs between their cells, no wrapping and no progress."""
    ctx = click.get_current_context(silent=True)
    return ctx is not None and bool(ctx.meta.get(_PLAIN))


def echo(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print a text on standard output, or with ``err`` on standard error."""
    click.echo(printable(text, lines=True), err=err, nl=nl)  # noqa: TID251


def say(text: object = "", *, err: bool = False, hang: int = 2) -> None:
    """Print sentences, as wide as tables are: lines are broken between words, and go on ``hang`` characters further in."""
    if not is_plain():
        width = columns_of_terminal()
        text = "\n".join(_wrapped(line, width, hang) for line in str(text).split("\n"))
    echo(text, err=err)


def _wrapped(line: str, width: int, hang: int) -> str:
    plain = printable(line.strip())
    lead = line[: len(line) - len(line.lstrip())]
    return textwrap.fill(
        plain, width, initial_indent=lead, subsequent_indent=lead + " " * hang, break_on_hyphens=False, break_long_words=False
    )


def echo_json(text: str) -> None:
    """Print JSON on standard output; it must be ASCII, in which JSON has its own escapes."""
    click.echo(text.encode("ascii").decode())  # noqa: TID251


FORMAT = "dstheory/1"
"""Format of what ``--json`` prints; the number grows when a key is renamed, gets another meaning or goes away."""
_CAPTION = 60  # characters to which the lines below a narrow table may reach


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
    """Print a table on standard output, no wider than the terminal; the first ``words`` columns are text, the others numbers.

    A title or caption of "" is left out.
    """
    if is_plain():
        for row in (columns, *rows):
            echo("\t".join(" ".join(str(cell).split()) for cell in row))
        return
    from rich.cells import cell_len

    from dstheory.tables import fitted  # commands that print no table do without

    width = columns_of_terminal()
    blocks = fitted(columns, rows, words=words, width=width, rule="\u2500" if _can_print("\u2500") else "-")
    longest = max(cell_len(line) for block in blocks for line in block)
    if title:
        echo("\n".join(textwrap.wrap(printable(title), width, break_on_hyphens=False)))
    for block in blocks:
        echo("\n" + "\n".join(block))
    echo()
    if caption:
        below = min(width, max(longest, _CAPTION))
        echo("\n".join(textwrap.wrap(printable(caption), below, break_on_hyphens=False)))


def _can_print(char: str) -> bool:
    try:
        char.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def answer(result: Any, *, indent: int | None = 2) -> str:
    """Return what the running command prints with ``--json``: format, command and result, as strict JSON in ASCII."""
    import json

    from dstheory.readers import to_jsonable

    ctx = click.get_current_context()
    command = ctx.command_path.removeprefix(ctx.find_root().command_path).strip()
    said = {"format": FORMAT, "command": command, "result": to_jsonable(result)}
    return json.dumps(said, indent=indent, allow_nan=False)


def print_json(result: Any, *, indent: int | None = 2) -> None:
    """Print :func:`answer` on standard output."""
    echo_json(answer(result, indent=indent))


def live_console(*, quiet: bool = False) -> Console | None:
    """Return standard error for progress that moves; None where it is not a terminal, or where nobody wants to see any."""
    from rich.console import Console

    console = Console(stderr=True)
    return console if console.is_terminal and not quiet and not is_plain() else None


@contextmanager
def progress_bars(*, quiet: bool = False) -> Iterator[Progress | None]:
    """Show bars on standard error; yields None if that is not a terminal.

    What is printed meanwhile goes above them on a terminal, and untouched into a file.
    """
    console = live_console(quiet=quiet)
    if console is None:
        yield None
        return
    from rich import progress  # what shows no bars does without
    from rich.text import Text

    class HowFar(progress.ProgressColumn):
        """How much of how much is done and how long the rest will take; where nobody knows, how long it has taken."""

        def render(self, task: progress.Task) -> Text:
            if task.total is None:
                return progress.TimeElapsedColumn().render(task)
            return Text(" ").join([progress.MofNCompleteColumn().render(task), progress.TimeRemainingColumn().render(task)])

    columns = (progress.TextColumn("{task.description}", markup=False), progress.BarColumn(), HowFar())
    with progress.Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty()) as bars:
        yield bars


@contextmanager
def progress_bar(label: str, total: int | None = None, *, quiet: bool = False) -> Iterator[Callable[..., None]]:
    """Show one bar, without ``total`` where nobody knows the length; yields ``update(done, total=..., description=...)``."""
    with progress_bars(quiet=quiet) as bars:
        if bars is None:
            yield lambda *_, **__: None
        else:
            task = bars.add_task(label, total=total)
            yield lambda done, **more: bars.update(task, completed=done, **more)


def announce_compilation(work: int, pairs: int) -> None:
    """Say what the first run on a machine waits for; small problems need no compiled loops."""
    from dstheory.dynamics.minimal import COMPILED
    from dstheory.objectives import fused

    if work < COMPILED and pairs < fused.SMALLEST:
        return
    from dstheory.interrupts import deferred_interrupts
    from dstheory.kernels import is_compiled, warm_up

    if not is_compiled():
        echo("compiling the fast loops, once on this machine (about half a minute) ...", err=True)
        with deferred_interrupts(patient=False):  # an exception that is raised inside the compiler may crash it
            warm_up()


LEVELS = ["balanced", "share d: gradient", "share d: Fisher", "longer answers", "angle s", "angle d", "angle both"]
"""Columns of a row of :func:`dstheory.comparison.compare_objectives`."""


def level_cells(row: ObjectiveRow) -> list[str]:
    """Return the cells of one row under ``LEVELS``."""
    verdict = {True: "yes", False: "no", None: "-"}[row.balanced]
    shares = [number(v) for v in (row.norm_share, row.energy_share, row.energy_share_longer)]
    return [verdict, *shares, *("-" if v != v else f"{v:.1f}" for v in (row.tilt.sample, row.tilt.decide, row.tilt.both))]
