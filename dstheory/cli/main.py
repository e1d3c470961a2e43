"""Entry point: finds the command and imports only what that command needs."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click
from click.shell_completion import CompletionItem

from dstheory._version import __version__
from dstheory.cli.ending import EXIT_CODES, run_to_exit

# name of command and module -> the line that --help shows; the module is imported only when the command runs.
COMMANDS = {
    "anatomy": "Measure p, a, b in logs of a real model, and say what they explain.",
    "arithmetic": "Train policies that learn multiplication; evaluate and show them.",
    "attribute": "How an objective's gradient splits between sampling and decision.",
    "derive": "Derive an objective's gradient symbolically, step by step.",
    "examples": "The example files that --help names: list, print or copy them.",
    "explain": "What a trainer's configuration optimises: TRL, verl, OpenRLHF and others.",
    "objectives": "List the objectives: formula, normaliser, whether they are balanced.",
    "optimum": "The optimum of reward + length-weighted KL, in closed form.",
    "reproduce": "Run the experiments and write their figures and data.",
    "schema": "The JSON Schema of what each command prints with --json.",
    "signal": "Signal and noise of a finite batch's update, stage by stage.",
    "simulate": "Train one start by reward, reward + KL and SFT, and compare.",
    "sweep": "The optimum, or training, over a grid of parameters.",
    "verify": "Check the claims and compare each verdict with the recorded one.",
}

EPILOG = f"""\b
Exit codes:
{chr(10).join(f"  {code:<4} {text}" for code, text in EXIT_CODES.items())}

\b
Examples:
  dstheory simulate --length-weight 0.5
  dstheory attribute --objective reinforce --objective sft --length-weight 1
  dstheory derive kl-direct --format latex
  dstheory verify

\b
Completion of commands, options, objectives, claims and experiments with Tab (bash; zsh and fish likewise):
  eval "$(_DSTHEORY_COMPLETE=bash_source dstheory)"
"""


class _LazyGroup(click.Group):
    """A group whose commands live in modules that are imported on use, so that `--help` costs no numerics."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"dstheory.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Propose commands, importing none of them."""
        names = [CompletionItem(name, help=text) for name, text in sorted(COMMANDS.items()) if name.startswith(incomplete)]
        return names or click.Command.shell_complete(self, ctx, incomplete)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; an unknown name is answered with the nearest known ones."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=2)
            hint = f" Did you mean {' or '.join(near)}?" if near else f" Commands: {', '.join(sorted(COMMANDS))}."
            raise click.UsageError(f"there is no command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(cls=_LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="dstheory")
def cli() -> None:
    """Check the theory of RL versus SFT: the two-stage decision-sampling hypothesis, exactly."""


def main() -> None:
    """Run the command line and exit with its code."""
    if "_DSTHEORY_COMPLETE" in os.environ:
        cli.main(prog_name="dstheory")
    run_to_exit(_invoke)


def _invoke() -> Any:
    # Not by `main` also here: that answers a closed pipe, an interrupt and the end of a file in its own ways.
    with cli.make_context("dstheory", sys.argv[1:]) as ctx:
        return cli.invoke(ctx)


if __name__ == "__main__":
    main()
