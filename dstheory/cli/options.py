"""Options that several commands share: their types, the file of ``--config``, which were given, and what they describe."""

from __future__ import annotations

import math
import reprlib
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dstheory import readers
from dstheory.cli import completion
from dstheory.dynamics.parameters import PARAMETERS, TABLE, TOGETHER, Of, Parameter, Together
from dstheory.errors import DSTheoryError
from dstheory.texts import counted, printable, shown

if TYPE_CHECKING:
    from dstheory.anatomy.episodes import Episodes
    from dstheory.chain.mdp import TwoStageMDP
    from dstheory.chain.policy import Policy
    from dstheory.dynamics.problem import Chain
    from dstheory.objectives import Objective


class _Finite(click.ParamType[Any]):
    """NaN and infinity are numbers to ``float``, and to every comparison with NaN; to an option they are not."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse; what is not finite is a usage error."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


class Number(_Finite, click.types.FloatParamType):
    """A finite number."""


class NumberRange(_Finite, click.FloatRange):
    """A finite number in a range; the arguments are those of ``click.FloatRange``."""


class Whole(click.IntRange):
    """A whole number that is not larger than can be paid for.

    Attributes:
        most: the largest.
        cost: what more would cost, and what to do instead.
    """

    def __init__(self, low: int, most: int, cost: str) -> None:
        super().__init__(min=low)
        self.most, self.cost = most, cost

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse; a number that is too large is a usage error that says why."""
        number = super().convert(value, param, ctx)
        if number > self.most:
            self.fail(f"{number:,} is more than {self.most:,}: {self.cost}", param, ctx)
        return number


class Ruled(click.ParamType[Any]):
    """A number or an expression that the table of parameters has a rule for."""

    def __init__(self, row: Parameter, of: Of) -> None:
        self.row, self.of = row, of
        names = {"number": "float", "whole": "integer", "expression": "text"}
        self.name = names[row.kind] + ("|inf" if row.endless else "")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse; what cannot be read, or is out of range, is a usage error that says the rule."""
        try:
            return self.row.value(value, self.of)
        except DSTheoryError as error:
            self.fail(str(error), param, ctx)


class Numbers(click.ParamType[Any]):
    """Comma-separated numbers, a fixed count of them (or one that stands for all)."""

    def __init__(self, *names: str, parts: Sequence[str] = (), one_for_all: bool = False) -> None:
        self.names = names
        self.parts = parts  # parameters, whose ranges the numbers must lie in
        self.one_for_all = one_for_all
        self.name = ",".join(names).upper()

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """Parse; a wrong count or a word is a usage error that shows the expected form."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(map(float, str(value).split(",")))
        except ValueError:
            self.fail(f"{value!r} is not {self.name}: write numbers separated by commas", param, ctx)
        if not all(map(math.isfinite, numbers)):
            self.fail(f"{value!r} holds what is not a finite number", param, ctx)
        if len(numbers) == 1 and self.one_for_all:
            numbers *= len(self.names)
        if len(numbers) != len(self.names):
            self.fail(f"{value!r} has {counted(len(numbers), 'number')}: needs {len(self.names)}, {self.name}", param, ctx)
        for place, (name, part) in enumerate(zip(self.names, self.parts, strict=False)):
            try:
                PARAMETERS[part].value(numbers[place], "simulate")
            except DSTheoryError as error:
                rule = str(error).removeprefix(f"{part} ")
                self.fail(f"number {place + 1} of {self.name}, {name}, {rule}", param, ctx)
        return numbers


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
                         help="Use the workers of this Dask cluster instead (tcp://host:8786)."),
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
    callback=_import_module, help="A Python file that registers your own objectives (repeatable).",
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
                     show_default=True, help="Number of starts: the given one and random ones around it."),
        parameter_options("starts"),
        seed_option("Seed of the random starts."),
    ]
)  # fmt: skip


def said_once(ctx: click.Context, param: click.Parameter, value: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what an option says of names, as pairs or as texts ``NAME=VALUE``; of one name it must not say two things."""
    said: dict[str, str] = {}
    for entry in value:
        name, text = (entry.lstrip("-+").partition("=")[::2]) if isinstance(entry, str) else entry
        if said.setdefault(name, text) != text:
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
    """Return the episodes of one model of a log, which must be named where there are several."""
    if model is not None:
        column = episodes.column("model")
        return episodes.select(column.codes == column.code(model, "model"))
    names = list(episodes.by("model"))
    if len(names) > 1:
        raise click.UsageError(f"the log has several models ({', '.join(names)}): choose one with --model")
    return episodes


def _read_config(ctx: click.Context, param: click.Parameter, value: Path | None) -> None:
    """Make a TOML file's entries the defaults of this command's options; what the command line says wins."""
    if value is None:
        return
    from dstheory.readers.json_values import NotTOML, decode_toml
    from dstheory.readers.streams import read_whole

    try:
        entries = decode_toml(read_whole(value).decode("utf-8"))
    except OSError as error:
        raise DSTheoryError(f"cannot read the configuration {value}: {error.strerror or error}; check the name") from error
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
            raise DSTheoryError(f"{value} sets {key!r}, which is not an option of `{ctx.command.name}`: {hint}")
        name = names[plain]
        defaults[name] = _config_value(ctx, known[name], entry, f"{value} sets {key!r} to {reprlib.repr(entry)}")
    ctx.default_map = {**(ctx.default_map or {}), **defaults}


def _config_value(ctx: click.Context, param: click.Parameter, entry: Any, place: str) -> Any:
    """Return an entry of a configuration as the command line would give it."""
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


@dataclass(frozen=True)
class Problem:
    """A chain, where training starts, and what KL penalties refer to."""

    mdp: TwoStageMDP
    start: Policy
    reference: Policy
    name: str
    given: frozenset[str] = frozenset()
    """Options that the command line or its configuration file gave."""

    @property
    def own_rewards(self) -> list[str]:
        """The options given that say what the chain pays."""
        return [name for name in ("reward", "resample_cost") if name in self.given]


def chain_from(ctx: click.Context, options: Mapping[str, Any]) -> Chain:
    """Return the chain in the file of ``--mdp``, or M0."""
    from dstheory.dynamics.problem import Chain

    if options["mdp_file"] is None:
        return Chain()
    for name in ("p", "a", "b", "reference", "sampler", "engine"):
        if name in options and was_given(ctx, name):
            raise click.UsageError(f"--{name} describes the minimal chain; a chain from --mdp has its policy in the file", ctx)
    if was_given(ctx, "answer_length") and len(set(options["answer_length"])) > 1:
        raise click.UsageError("--answer-length CORRECT,WRONG describes the minimal chain; with --mdp give one number", ctx)
    chain = readers.read_chain(options["mdp_file"])
    return Chain.of(chain.mdp, chain.policy, chain.reference, Path(options["mdp_file"]).name)


def problem_from(ctx: click.Context, options: Mapping[str, Any]) -> Problem:
    """Return the problem that the options describe; a chain from a file is changed by options that were given only."""
    from dstheory.dynamics.problem import problem_at

    chain, given = chain_from(ctx, options), given_options(ctx)
    parts = problem_at(chain, settings_from(options, given if chain.mdp is not None else options))
    return Problem(*parts, chain.name, given)


def objective_from(
    expression: str, problem: Problem, options: Mapping[str, Any], *, only: Collection[str] | None = None
) -> Objective:
    """Build an objective from an expression and the objective options; with ``only``, from those and its own defaults.

    Rewards that were given are read by every objective that can: group objectives then compare the chain's returns.
    """
    from dstheory.dynamics.problem import objective_at

    rewards = problem.own_rewards[0] if problem.own_rewards else ""
    three = problem.mdp, problem.start, problem.reference
    return objective_at(expression, three, settings_from(options, options), rewards=rewards, only=only)
