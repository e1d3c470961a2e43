"""The one way in which commands print sentences: what would act on a terminal is shown instead."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any, TypeVar

import click

from dstheory.texts import columns_of_terminal, printable

_F = TypeVar("_F", bound=Callable[..., Any])
_PLAIN = "dstheory.plain"


def _be_plain(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    ctx.meta[_PLAIN] = value


def json_option(function: _F) -> _F:
    """Add the options by which output is for other programs: ``--json`` and ``--plain``."""
    plain = click.option("--plain", is_flag=True, expose_value=False, callback=_be_plain,
                         help="Print rows on a line each with tabs between cells, wrap nothing, show no progress.")  # fmt: skip
    as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, which `dstheory schema` describes.")
    return as_json(plain(function))


def is_plain() -> bool:
    """Return whether ``--plain`` was given: rows on one line with tabs between their cells, no wrapping and no progress."""
    ctx = click.get_current_context(silent=True)
    return ctx is not None and bool(ctx.meta.get(_PLAIN))


def echo(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print a text on standard output, or with ``err`` on standard error.

    Args:
        text: perhaps of several lines.
        err: whether it goes to standard error.
        nl: whether a line end follows.
    """
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
