"""`dstheory anatomy schema`: the JSON Schema of a rollout record."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command(name="schema", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Print the JSON Schema of a rollout record, one of which stands on each line of a log."""
    from dstheory.anatomy.logs import record_schema
    from dstheory.cli.show import print_json

    print_json(record_schema())
