"""`dstheory anatomy`: measure p, a, b on rollouts of a real model; and the commands that go with it."""

from __future__ import annotations

import importlib

import click
from click.shell_completion import CompletionItem

# name -> module and function; "report" is what runs when no other name is given
_COMMANDS = {
    "export-chain": ("commands", "export_chain"),
    "formats": ("commands", "formats"),
    "generate": ("commands", "generate"),
    "inspect": ("commands", "inspect"),
    "report": ("report", "command"),
    "schema": ("commands", "schema"),
}


class _Anatomy(click.Group):
    """`anatomy LOG...` is `anatomy report LOG...`: a first word that is no command is a log."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Send everything that does not begin with a command to the report; also `--help`, which describes it."""
        if (args or not ctx.resilient_parsing) and (not args or args[0] not in _COMMANDS):
            args = ["report", *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Propose commands; where none begins so, files, since a first word may be a log."""
        return [CompletionItem(incomplete, type="file"), *super().shell_complete(ctx, incomplete)]

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, function = _COMMANDS[cmd_name]
        found = getattr(importlib.import_module(f"dstheory.cli.anatomy.{module}"), function)
        assert isinstance(found, click.Command)
        return found


@click.group(cls=_Anatomy, name="anatomy", short_help="Measure p, a, b on rollouts.")
def command() -> None:
    """Measure sampling and decisions on rollouts of a real model."""
