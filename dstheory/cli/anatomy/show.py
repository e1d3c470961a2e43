"""A survey on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from dstheory.anatomy.surveys import Survey

__all__ = ["print_survey"]


def print_survey(found: Survey, *, details: bool) -> None:
    """Print a survey on standard output; without ``details`` the tables of checks, predictions, rounds and caps are left out."""
    from dstheory.anatomy.document import document
    from dstheory.cli.show import print_table

    for section in document(found):
        brief = section.detail and not details
        if section.rows and not brief:
            print_table(section.title, section.columns, section.rows, words=section.words)
        lines = section.brief if brief else section.lines
        if brief and lines:
            click.echo(section.title)
        for line in lines:
            click.echo(f"  {line}" if brief else line)
        if lines or not brief:
            click.echo()
