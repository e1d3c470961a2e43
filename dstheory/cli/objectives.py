"""`dstheory objectives`: what exists, as a coefficient rule, under which measure, with its level (i) verdict."""

from __future__ import annotations

import click

from dstheory.cli.options import json_option

__all__ = ["command"]

EPILOG = """\b
Examples:
  dstheory objectives
  dstheory objectives kl-direct
  dstheory objectives --json
"""


@click.command(
    name="objectives", epilog=EPILOG, short_help="List the objectives.", context_settings={"help_option_names": ["-h", "--help"]}
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@json_option
def command(names: tuple[str, ...], as_json: bool) -> None:
    """List the objectives: coefficients c_s (sampling) and c_d (decision) at turn k, measure, level (i) verdict.

    Every objective is written for ascent; with NAME the whole entry is shown.
    """
    import dstheory.objectives as room
    from dstheory.cli.show import print_json, print_table

    listed = sorted(room.REGISTRY.values(), key=lambda cls: room.FAMILIES.index(cls.family))
    classes = [room.lookup(name) for name in names] or listed
    entries = [
        {
            "name": cls.name,
            "family": cls.family,
            "title": cls.title,
            "coefficients": cls.formula,
            "measure": cls.measured_on,
            "balance": cls.balance,
            "balanced_when": cls.balanced_when,
            "ascends": cls.ascends,
        }
        for cls in classes
    ]
    if as_json:
        print_json({"objectives": entries})
    elif names:
        for entry in entries:
            for key, value in entry.items():
                click.echo(f"{key.replace('_', ' '):>14}  {value}")
            click.echo()
    else:
        print_table(
            "Objectives (ascent): c_s, c_d multiply grad log pi_s and grad log pi_d at turn k",
            ["name", "family", "coefficients", "measure", "level (i)"],
            [[e["name"], e["family"], e["coefficients"], e["measure"], e["balance"]] for e in entries],
            words=5,
            caption="`dstheory objectives NAME` tells when the coefficients are balanced, and which scalar is ascended.",
        )
