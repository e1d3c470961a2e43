"""What `dstheory sweep` shows: progress with the time that is left, and the result as a table."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import xarray as xr

    from dstheory.dynamics.sweeps.plan import Plan

__all__ = ["duration", "print_result", "progress_of"]

_LISTED = 40  # settings that are printed one by one; more are summed up
_COLUMNS = (
    ("p_after", "p"), ("a_after", "a"), ("b_after", "b"), ("accuracy_before", "accuracy before"), ("accuracy", "after"),
    ("turns", "turns"), ("decision_share", "gain by decisions"),
)  # fmt: skip
_LINE_SECONDS = 30.0  # between lines of progress where no bar can be drawn


@contextmanager
def progress_of(total: int, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Show a bar with the remaining time, or, where standard error is no terminal, a line now and then."""
    from dstheory.cli.show import progress_bar

    if quiet:
        yield lambda done, of: None
    elif sys.stderr.isatty():
        with progress_bar("sweeping", total, quiet=False) as update:
            yield lambda done, of: update(done)
    else:
        yield _Lines()


class _Lines:
    """Progress as lines: how many settings are done, and how long the others will take at the speed of this process."""

    def __init__(self) -> None:
        self.began = self.last = time.monotonic()
        self.first: int | None = None

    def __call__(self, done: int, total: int) -> None:
        """Report; prints at most twice a minute."""
        now = time.monotonic()
        if self.first is None:
            self.first = done  # may be what an earlier process has finished
        if now - self.last < _LINE_SECONDS or done in (self.first, total):
            return
        self.last = now
        left = (now - self.began) * (total - done) / (done - self.first)
        click.echo(f"{done:,} of {total:,} settings, {duration(left)} left", err=True)


def duration(seconds: float) -> str:
    """Return a time for people.

    >>> duration(42.4), duration(5400)
    ('42 s', '1 h 30 min')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def print_result(plan: Plan, data: xr.Dataset, found: dict[str, Any]) -> None:
    """Print what a sweep found, what has no result, and where everything is."""
    dims = " x ".join(f"{len(values):,} {name}" for name, values in found["dimensions"].items())
    title = f"{found['chain']}: {plan.of} over {dims}"
    if plan.grid.size <= _LISTED:
        _print_settings(title, data)
    else:
        _print_summary(title, plan, found["summary"])
    for status, count in found["without_result"].items():
        what = status.replace("_", " ")
        click.echo(f"{count:,} of {plan.grid.size:,} settings have no result ({what}): NaN, marked in `status`")
    for name, count in found["not_finite"].items():
        why = plan.variables[name].missing or "it left the finite numbers"
        click.echo(f"{name} is NaN or infinite in {count:,} settings that have a result: {why}")
    if not found["chunks"]:
        click.echo(f"this sweep was complete already, nothing was computed: {found['out']}")
    else:
        earlier = found["chunks"] - found["computed"]
        resumed = f", {earlier} of {found['chunks']} parts were there already" if earlier else ""
        click.echo(f"data and manifest: {found['out']} ({found['seconds']:.1f} s{resumed})")


def _print_settings(title: str, data: xr.Dataset) -> None:
    """Print a small sweep setting by setting."""
    import numpy as np

    from dstheory.cli.show import number, print_table

    def cell(value: Any) -> str:
        return f"{value:g}" if isinstance(value, (int, float, np.number)) else str(value)

    rows = []
    dims = data.status.dims
    for place in np.ndindex(data.status.shape):
        at = data.isel(dict(zip(dims, place, strict=True)))
        rows.append([*(cell(at[name].item()) for name in dims), *(number(float(at[name])) for name, _ in _COLUMNS)])
    print_table(
        title,
        [*(str(name) for name in dims), *(column for _, column in _COLUMNS)],
        rows,
        words=len(dims),
        caption="p = P(correct), a = P(stop | correct), b = P(resample | wrong), afterwards. Gain by decisions: Shapley share of "
        "the accuracy gain (- where there is none).",
    )


def _print_summary(title: str, plan: Plan, summary: dict[str, Any]) -> None:
    """Print what the variables of a large sweep range over."""
    from dstheory.cli.show import number, print_table

    rows = []
    for name, variable in plan.variables.items():
        if name in summary:
            three = (number(float(summary[name][key])) for key in ("lowest", "median", "highest"))
            rows.append([name, variable.long_name, *three])
    print_table(title, ["variable", "meaning", "lowest", "median", "highest"], rows, words=2)
