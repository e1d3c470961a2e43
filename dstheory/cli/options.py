"""Options that several commands share: where they come from, and which of them were given."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dstheory.cli import completion
from dstheory.cli.numbers import Numbers, Ruled, Whole
from dstheory.dynamics.parameters import PARAMETERS, TABLE, TOGETHER, Of, Parameter, Together
from dstheory.texts import printable

if TYPE_CHECKING:
    from dstheory.anatomy.episodes import Episodes

_F = TypeVar("_F", bound=Callable[..., Any])


def applied(options: list[Callable[[_F], _F]]) -> Callable[[_F], _F]:
    """Return a decorator that adds several options, shown in this order."""

    def decorate(function: _F) -> _F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


processes = Whole(1, 1024, "more processes than a machine has processors only wait; give fewer")


def workers_options(text: str) -> Callable[[_F], _F]:
    """Return the options that say who computes: ``--workers``, of which ``text`` says what they are, and ``--scheduler``."""
    return applied(
        [
            click.option("--workers", type=processes, default=1, show_default=True, help=text),
            click.option("--scheduler", metavar="ADDRESS", default=None,
                         help="Instead, the workers of this Dask cluster (tcp://host:8786)."),
        ]
    )  # fmt: skip


def seed_option(text: str) -> Callable[[_F], _F]:
    """Return the option ``--seed``: the same name, default and range in every command; ``text`` says of what."""
    return click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help=text)


def _import_module(ctx: click.Context, param: click.Parameter, value: tuple[Path, ...]) -> None:
    if value:
        from dstheory.objectives.registry import load_module

        for path in value:
            load_module(path)


module_option = click.option(
    "--module", type=click.Path(path_type=Path), multiple=True, metavar="FILE", is_eager=True, expose_value=False,
    callback=_import_module, help="A Python file that registers objectives of your own (repeatable).",
)  # fmt: skip


def parameter_options(*wanted: str, of: Of = "simulate", **changes: dict[str, Any]) -> Callable[[_F], _F]:
    """Return the options of parameters, as the table of parameters has them.

    Args:
        wanted: groups of the table, or single parameters.
        of: whose range their numbers must lie in.
        changes: by parameter, what a command says otherwise (arguments of ``click.option``).
    """
    rows = [row for want in wanted for row in TABLE if want in (row.group, row.name) and row.help]
    return applied([_option(row, of, changes.get(row.name, {})) for row in rows])


def _option(row: Parameter | Together, of: Of, changes: dict[str, Any]) -> Callable[[_F], _F]:
    flag, default = f"--{row.name.replace('_', '-')}", row.default
    if isinstance(row, Together):
        kind: Any = Numbers(*row.words, parts=row.parts, one_for_all=row.one_for_all)
    else:
        kinds: dict[str, Any] = {"choice": click.Choice(row.choices), "flag": bool}
        kind = kinds.get(row.kind) or Ruled(row, of)
        default = None if row.own else default
        flag = f"{flag}/--no-{flag[2:]}" if row.kind == "flag" else flag
    more = {"type": kind, "default": default, "help": row.help.strip() or None, **changes}
    return click.option(flag, show_default=more["default"] is not None, **more)


mdp_option = click.option(
    "--mdp", "mdp_file", type=click.Path(path_type=Path), metavar="FILE",
    help="A chain from a file (.json .toml .csv .parquet .jsonl); default M0: one prompt, a right and a wrong answer.",
)  # fmt: skip
model_options = applied([mdp_option, parameter_options("model")])
objective_options = parameter_options("objective", "settings")


def objectives_option(text: str) -> Callable[[_F], _F]:
    """Return the option ``--objective``, which may be repeated; ``text`` says what for."""
    return click.option("--objective", "objectives", type=completion.ObjectiveSum(), multiple=True, metavar="EXPR", help=text)


training_options = applied(
    [
        objectives_option("Compare these instead, e.g. 'reinforce + 0.01*entropy' (repeatable; see `dstheory objectives`)."),
        parameter_options("training"),
        click.option("--runs", type=Whole(1, 10_000_000, "every start is trained and kept; give fewer"), default=1,
                     show_default=True, help="Starts: the given one and random ones around it."),
        parameter_options("starts"),
        seed_option("Seed of the random starts."),
    ]
)  # fmt: skip


def said_once(ctx: click.Context, param: click.Parameter, value: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what an option says of names, as pairs or as texts ``NAME=VALUE``; of one name it must not say two things.

    Raises:
        click.BadParameter: it does.
    """
    said: dict[str, str] = {}
    for entry in value:
        name, text = (entry.lstrip("-+").partition("=")[::2]) if isinstance(entry, str) else entry
        if said.setdefault(name, text) != text:
            from dstheory.readers.messages import shown

            both = f"as {shown(said[name])} and as {shown(text)}"
            raise click.BadParameter(f"{printable(name)} is given twice, {both}: leave one of them out", ctx, param)
    return value


def given_options(ctx: click.Context) -> frozenset[str]:
    """Return the options that the command line or its configuration file gave."""
    return frozenset(name for name in ctx.params if was_given(ctx, name))


def was_given(ctx: click.Context, name: str) -> bool:
    """Return whether the command line or its configuration file gave an option."""
    return ctx.get_parameter_source(name) not in (click.core.ParameterSource.DEFAULT, None)


def refuse_settings(ctx: click.Context, options: Mapping[str, Any]) -> None:
    """Raise UsageError for settings of objectives where none is named: the four conditions have settings of their own."""
    names = [row.name for row in TABLE if row.group == "settings" and row.name in ctx.params]
    given = [name for name in names if was_given(ctx, name)]
    if given and not options["objectives"]:
        flag = f"--{given[0].replace('_', '-')}"
        raise click.UsageError(f"{flag} is a setting of objectives that are named by --objective: name one, or leave it out", ctx)


def settings_from(options: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return the values of parameters by name: those of some options, as far as they have one; none is one of some."""
    settings: dict[str, Any] = {}
    for name, value in options.items():
        if name not in names or (value is None and not (name in PARAMETERS and PARAMETERS[name].optional)):
            continue
        if name in TOGETHER and not (name in PARAMETERS and len(set(value)) == 1):
            settings |= dict(zip(TOGETHER[name].parts, value, strict=True))
        elif name in PARAMETERS:
            settings[name] = value[0] if name in TOGETHER else value
    return settings


model_option = click.option("--model", default=None, metavar="NAME", help="Use the records of this model of the log only.")


def of_one_model(episodes: Episodes, model: str | None) -> Episodes:
    """Return the episodes of one model of a log.

    Raises:
        click.UsageError: there are several, and none is named.
        RecordError: there is no such model.
    """
    if model is not None:
        column = episodes.column("model")
        return episodes.select(column.codes == column.code(model, "model"))
    names = list(episodes.by("model"))
    if len(names) > 1:
        raise click.UsageError(f"the log has several models ({', '.join(names)}): choose one with --model; a mixture is no chain")
    return episodes
