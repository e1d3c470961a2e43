"""`dstheory examples`: the files that --help names, also where only the package is installed."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from dstheory import readers
from dstheory.cli.show import echo, json_option, print_json, say
from dstheory.errors import UnknownNameError
from dstheory.texts import counted
from dstheory.user_files import shipped

EPILOG = """\b
Examples:
  dstheory examples
  dstheory examples my_claim.py
  dstheory examples my_claim.py --out my_claim.py
  dstheory examples --out examples
"""


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in example_names() if name.startswith(incomplete)]


@click.command(name="examples", epilog=EPILOG)
@click.argument("name", required=False, metavar="[NAME]", shell_complete=_complete)
@click.option("--out", type=click.Path(), help="Where to copy the file, or with no NAME all of them into a new directory.")
@json_option
def command(name: str | None, out: str | None, as_json: bool) -> None:
    """List the example files: chains, configurations of trainers, and a claim, an objective and a sweep to start from.

    With NAME, print that file, or copy it with --out. Copied into `examples`, they have the names that --help uses.
    """
    folder = shipped("examples")
    names = example_names()
    if name is not None and name not in names:
        near = get_close_matches(name, names, n=2)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names)}"
        raise UnknownNameError(f"there is no example {name!r}: {hint}")
    chosen = names if name is None else [name]
    written: list[str] = []
    if out is not None:
        target = Path(out)
        places = {item: target / item if name is None else target for item in chosen}
        for place in filter(os.path.lexists, places.values()):
            readers.refuse_overwrite(place, overwrite=False)  # before one of them is written
        for item, place in places.items():
            if name is None:
                place.parent.mkdir(parents=True, exist_ok=True)
            with readers.atomic_path(place) as path:
                path.write_bytes((folder / item).read_bytes())
            written.append(str(place))
    if as_json:
        shown: dict[str, Any] = {"examples": chosen, "written": written}
        if name is not None and out is None:
            shown["text"] = (folder / name).read_text(encoding="utf-8")
        print_json(shown)
    elif written:
        echo(f"{counted(len(written), 'file')} written: {out}")
    elif name is not None:
        echo((folder / name).read_text(encoding="utf-8"), nl=False)
    else:
        for item in names:
            echo(item)
        say(
            "\n`dstheory examples NAME` prints one, `dstheory examples --out examples` copies all of them. "
            "For a log of rollouts: `dstheory anatomy generate rollouts.jsonl`."
        )


def example_names() -> list[str]:
    """Return the names of the examples: paths below their folder."""
    folder = shipped("examples")
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
