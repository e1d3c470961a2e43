"""`dstheory objectives`: what exists, as a coefficient rule, and whether it is balanced."""

from __future__ import annotations

from typing import Any

import click

from dstheory.cli import completion
from dstheory.cli.notes import BALANCED
from dstheory.cli.options import module_option
from dstheory.cli.show import echo, json_option, print_json, print_table, say

EPILOG = """\b
Examples:
  dstheory objectives
  dstheory objectives kl-direct
  dstheory objectives trl:grpo verl:grpo
  dstheory objectives --json
"""


_SAID = {"measure": "responses of", "balance": "coefficients are"}


@click.command(name="objectives", epilog=EPILOG)
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=completion.objectives)
@module_option
@json_option
def command(names: tuple[str, ...], as_json: bool) -> None:
    """List the objectives by family: coefficients c_s (sampling) and c_d (decision) at turn k, normaliser, whether c_s = c_d.

    Every objective is maximised. With NAME, ours or a library's, the whole entry is shown.
    """
    import dstheory.objectives as room

    def entry(name: str) -> dict[str, Any]:
        cls = room.lookup(name)
        alias = room.ALIASES.get(name.strip().lower().replace("_", "-"))
        out: dict[str, Any] = {
            "name": cls.name,
            "family": cls.family,
            "title": cls.title,
            "coefficients": cls.formula,
            "normaliser": cls.normalised_by,
            "measure": cls.measured_on,
            "balance": cls.balance,
            "balanced_when": cls.balanced_when,
            "token_model": cls.token_model,
            "expectation": cls.expectation,
            "ascends": cls.ascends,
            "claims": list(cls.claims),
            "aliases": sorted(key for key, value in room.ALIASES.items() if value.objective == cls.name),
        }
        if alias is not None:
            out |= {"asked_for": name, "source": alias.source, "computes": alias.computed, "settings": dict(alias.settings)}
            if alias.refused:
                out["refused"] = dict(alias.refused)
        return out

    listed = room.listed()
    entries = [entry(name) for name in names or [cls.name for cls in listed]]
    aliases: list[dict[str, Any]] = [
        {"alias": key, "objective": a.objective, "settings": dict(a.settings), "source": a.source, "computes": a.computed}
        for key, a in room.ALIASES.items()
    ]
    if as_json:
        print_json({"objectives": entries} | ({} if names else {"aliases": aliases}))
    elif names:
        for shown in entries:
            for key, value in shown.items():
                if value in ([], {}):
                    continue
                if isinstance(value, dict):
                    value = [f"{name} = {x}" for name, x in value.items()]
                text = ", ".join(map(str, value)) if isinstance(value, list) else value
                say(f"{_SAID.get(key, key.replace('_', ' '))}: {text}")
            echo()
    else:
        for family in room.FAMILIES:
            print_table(
                f"{family}: ascent; c_s, c_d multiply grad log pi_s and grad log pi_d at turn k",
                ["name", "coefficients", "normaliser", "balanced"],
                [
                    [e["name"], e["coefficients"], e["normaliser"], BALANCED.get(e["balance"], e["balance"])]
                    for e in entries
                    if e["family"] == family
                ],
                words=4,
            )
        say(
            "c_s, c_d: coefficients of the log-probabilities of answer and decision; normaliser: what sums over tokens are "
            "divided by; balanced: c_s = c_d on the same trajectory and turn. Symbols: docs/notation.md; "
            "`dstheory derive NAME` derives one.\n"
        )
        print_table(
            "Names of libraries and papers, and what they compute",
            ["alias", "objective", "settings", "source", "computes"],
            [[", ".join(f"{k} {v}" for k, v in x.items()) if isinstance(x, dict) else x for x in a.values()] for a in aliases],
            words=5,
            caption="`dstheory objectives NAME` tells when the coefficients are balanced, which scalar is maximised, how the "
            "expectation is computed, and which claims are about it.",
        )
