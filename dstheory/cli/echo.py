"""The one way in which commands print sentences: what would act on a terminal is shown instead."""

from __future__ import annotations

import click

from dstheory.texts import printable


def echo(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print a text on standard output, or with ``err`` on standard error.

    Args:
        text: perhaps of several lines.
        err: whether it goes to standard error.
        nl: whether a line end follows.
    """
    click.echo(printable(text, lines=True), err=err, nl=nl)  # noqa: TID251


def echo_json(text: str) -> None:
    """Print JSON on standard output; it must be ASCII, in which JSON has its own escapes."""
    click.echo(text.encode("ascii").decode())  # noqa: TID251
