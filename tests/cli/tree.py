"""The commands of the command line, one by one."""

from __future__ import annotations

from collections.abc import Iterator

import click

from dstheory.cli.main import cli


def commands(group: click.Command = cli, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield every command that is no group, with its names."""
    if not isinstance(group, click.Group):
        yield path, group
        return
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        yield from commands(command, f"{path} {name}".strip())
