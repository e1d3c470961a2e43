"""Bars that show on a terminal how far a command is."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class _HowFar(ProgressColumn):
    """How much of how much is done and how long the rest will take; where nobody knows, how long it has taken."""

    def render(self, task: Task) -> Text:
        """Return it."""
        if task.total is None:
            return TimeElapsedColumn().render(task)
        return Text(" ").join([MofNCompleteColumn().render(task), TimeRemainingColumn().render(task)])


def bars_on(console: Console) -> Progress:
    """Return bars, without any yet: what is printed meanwhile goes above them on a terminal, and untouched into a file."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), _HowFar())
    return Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty())
