"""`--config`: a TOML file whose entries are the defaults of a command's options."""

from __future__ import annotations

import reprlib
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from dstheory.cli.numbers import Numbers
from dstheory.errors import DSTheoryError


def _read_config(ctx: click.Context, param: click.Parameter, value: Path | None) -> None:
    """Make a TOML file's entries the defaults of this command's options; what the command line says wins."""
    if value is None:
        return
    from dstheory.readers.json_values import NotTOML, decode_toml
    from dstheory.readers.streams import read_whole

    try:
        entries = decode_toml(read_whole(value).decode("utf-8"))
    except OSError as error:
        raise DSTheoryError(f"cannot read the configuration {value}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DSTheoryError(f"{value} is not a TOML file: {error}") from error
    except NotTOML as error:
        said = {
            "depth": "is nested too deeply: every entry is one value, like an option",
            "digits": f"holds a number of more than {sys.get_int_max_str_digits()} digits: no option takes it",
            "syntax": f"is not a TOML file: {error}",
        }
        raise DSTheoryError(f"{value} {said[error.reason]}") from error
    known = {p.name: p for p in ctx.command.params if p.name and p.name != "config"}
    names = {flag.lstrip("-").replace("-", "_"): name for name, p in known.items() for flag in p.opts}
    defaults: dict[str, Any] = {}
    for key, entry in entries.items():
        plain = key.replace("-", "_")
        if plain not in names:
            near = get_close_matches(plain, names, n=2)
            hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(sorted(names))}"
            raise DSTheoryError(f"{value} sets {key!r}, which is no option of `{ctx.command.name}`: {hint}")
        name = names[plain]
        defaults[name] = _config_value(ctx, known[name], entry, f"{value} sets {key!r} to {reprlib.repr(entry)}")
    ctx.default_map = {**(ctx.default_map or {}), **defaults}


def _config_value(ctx: click.Context, param: click.Parameter, entry: Any, place: str) -> Any:
    """Return an entry of a configuration as the command line would give it.

    Raises:
        DSTheoryError: it is of another type than the option's values, or not one of them.
    """
    flag = isinstance(param, click.Option) and param.is_flag
    several = param.multiple if isinstance(param, click.Option) else param.nargs != 1
    texts = isinstance(param.type, (click.Path, click.types.StringParamType))
    rule = "true or false" if flag else "a text" if texts else "a number or a text"
    if several or isinstance(param.type, Numbers):
        rule += ", or a list of them"
    items = entry if isinstance(entry, list) and rule.endswith("them") else [entry]
    if not all(isinstance(item, bool if flag else str if texts else (str, int, float)) for item in items) or (
        not flag and any(isinstance(item, bool) for item in items)
    ):
        raise DSTheoryError(f"{place}: must be {rule}, like the option {param.opts[-1]}")
    # As texts: a whole number stays one, and one too large for a float is refused as the option refuses it.
    plain = [item if flag else str(item) for item in items]
    given: Any = plain if several else ",".join(plain) if isinstance(param.type, Numbers) else plain[0]
    try:
        param.type_cast_value(ctx, given)
    except click.BadParameter as error:
        said = error.message
        rule = f"it{said.removeprefix(repr(given))}" if said.startswith(repr(given)) else said
        raise DSTheoryError(f"{place}: {rule}") from error
    return given


config_option = click.option(
    "--config", type=click.Path(path_type=Path), metavar="FILE", is_eager=True, expose_value=False, callback=_read_config,
    help="A TOML file with values for any of these options (e.g. length-weight = 0.5); the command line wins.",
)  # fmt: skip
