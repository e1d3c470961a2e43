"""What every command says with ``--help``."""

from __future__ import annotations

from collections.abc import Iterator

import click

from dstheory.cli.main import cli


def pages() -> dict[str, str]:
    """Return ``{path: text}``: one page with the help of every command."""
    out = ["# Every command", "", "What each says with `--help`. How they end: [exit codes](../exit_codes.md).", ""]
    for name, text in _helps(cli, ()):
        depth = "#" * len(name.split())
        out += [f"{depth} {name}", "", "```text", text.rstrip(), "```", ""]
    return {"commands.md": "\n".join(out)}


def _helps(command: click.Command, names: tuple[str, ...], parent: click.Context | None = None) -> Iterator[tuple[str, str]]:
    context = click.Context(command, info_name=names[-1] if names else "dstheory", parent=parent, max_content_width=90)
    if names:
        yield f"dstheory {' '.join(names)}", command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            own = command.get_command(context, name)
            assert own is not None
            yield from _helps(own, (*names, name), context)
