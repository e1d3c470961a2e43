"""`dstheory schema`: the JSON Schema of what each command prints with ``--json``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from dstheory.cli.show import FORMAT, echo, echo_json, json_option, print_json
from dstheory.errors import UnknownNameError

EPILOG = """\b
Examples:
  dstheory schema
  dstheory schema attribute
  dstheory schema anatomy inspect
"""


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from dstheory.cli.results import RESULTS

    before = " ".join(ctx.params["words"] or ())
    words = (name.removeprefix(before).split()[0] for name in RESULTS if name.startswith(before) and name != before)
    return [word for word in dict.fromkeys(words) if word.startswith(incomplete)]


@click.command(name="schema", epilog=EPILOG)
@click.argument("words", nargs=-1, metavar="[COMMAND]...", shell_complete=_complete)
@json_option
def command(words: tuple[str, ...], as_json: bool) -> None:
    """Print the JSON Schema (draft 2020-12) of what COMMAND prints with --json; without COMMAND list the commands.

    Whatever a command prints with --json is one object: "format" ("dstheory/1"; the number grows when a key is renamed, gets
    another meaning or goes away), "command" and "result".
    """
    from dstheory.cli.results import RESULTS

    name = " ".join(words)
    if name and name not in RESULTS:
        raise UnknownNameError(f"there is no schema {name!r}: there are {', '.join(RESULTS)}")
    if as_json:
        print_json(schema_of(name) if name else {"commands": list(RESULTS)})
    elif name:
        echo_json(json.dumps(schema_of(name), indent=2))
    else:
        echo("\n".join(RESULTS))


def schema_of(name: str) -> dict[str, Any]:
    """Return the JSON Schema of what a command prints.

    >>> schema_of("arithmetic show")["properties"]["command"]
    {'const': 'arithmetic show'}
    """
    import msgspec

    from dstheory.cli.results import RESULTS

    forms, parts = msgspec.json.schema_components(RESULTS[name], schema_hook=lambda kind: {"type": "array"})
    result = _strict(forms[0] if len(forms) == 1 else {"anyOf": list(forms)})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"dstheory {name} --json",
        "type": "object",
        "properties": {"format": {"const": FORMAT}, "command": {"const": name}, "result": result},
        "required": ["format", "command", "result"],
        "additionalProperties": False,
        "$defs": _strict(parts),
    }


def _strict(part: Any) -> Any:
    """Return a schema in which every key is needed and no other may stand, and numbers may be null: NaN never leaves."""
    if isinstance(part, Sequence) and not isinstance(part, str):
        return [_strict(each) for each in part]
    if not isinstance(part, dict):
        return part
    of = {key: _strict(each) for key, each in part.items() if key not in ("title", "default")}
    if part.get("type") == "number":
        return {"type": ["number", "null"]}
    if "properties" in part:
        of["properties"] = {key: _strict(each) for key, each in part["properties"].items()}
        # dataclasses are printed whole, with the fields that have defaults
        have = [key for key, each in part["properties"].items() if "default" in each]
        of |= {"required": [*part.get("required", []), *have], "additionalProperties": False}
    if "description" in part:
        of["description"] = part["description"].splitlines()[0]
    return of
