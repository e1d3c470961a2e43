"""`dstheory explain FILE`: what a trainer's configuration optimises, in which stage, and which claims say so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dstheory.cli.configured import Where, heading, place_from, shown_value, trainer_option
from dstheory.cli.echo import echo, json_option, say
from dstheory.cli.explained import (
    PUSHES,
    Against,
    answer,
    command_on_a_log,
    folded,
    follows,
    sections,
    signed,
    steps,
    term,
    ways,
    ways_caption,
)  # fmt: skip
from dstheory.cli.numbers import NumberRange, Whole
from dstheory.cli.options import mdp_option, model_option, parameter_options, said_once, seed_option
from dstheory.texts import latex_text, markdown_table

if TYPE_CHECKING:
    from dstheory.trainers.configuration import Configuration
    from dstheory.trainers.explanation import Explanation

EPILOG = """\b
Examples:
  dstheory explain examples/trainers/trl_grpo.yaml
  dstheory explain examples/trainers/trl_grpo.yaml --with loss_type=dr_grpo
  dstheory explain examples/trainers/trl_grpo.yaml --against trl:sft
  dstheory explain trl:grpo beta=0.04 --reference 0.5,0.7,0.4
  dstheory explain trl:grpo --sampler 0.5,0.75,0.35 --answer-length 1
  dstheory explain trl:grpo --update 4 --lr 1 --answer-length 1
  dstheory explain trl:rloo --log rollouts.jsonl --model base --answer-length 300 --decision-length 5
  dstheory explain trl:grpo beta=0.04 --log rollouts.jsonl --model tuned --reference-model base
\b
Exit codes:
  0  fine
  1  the file cannot be read, or the trainer would refuse it
  2  usage
"""
_CHAIN = parameter_options(
    "p", "a", "b", "max_turns", "answer_length", "decision_length", "expert", "reference", "sampler", "reward_functions"
)


@click.command(name="explain", epilog=EPILOG)
@click.argument("file", metavar="FILE|TRAINER")
@click.argument("settings", nargs=-1, metavar="[KEY=VALUE]...", callback=said_once)
@trainer_option
@click.option("--against", default=None, metavar="FILE|TRAINER", help="Compare with another configuration.")
@click.option(
    "--with",
    "changes",
    multiple=True,
    callback=said_once,
    metavar="KEY=VALUE",
    help="Change a setting of the other one (repeatable); without --against it is the same file.",
)
@mdp_option
@click.option(
    "--log",
    "log_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A log of rollouts: p, a and b are measured on it (see `dstheory anatomy`).",
)
@model_option
@click.option("--by", default="task", show_default=True, metavar="FIELD",
              help="With --log: p, a and b are measured for each label of this field, or for each \"problem\".")  # fmt: skip
@click.option("--reference-log", type=click.Path(path_type=Path), metavar="FILE",
              help="With --log: measure the reference's p, a and b on this log, label by label.")  # fmt: skip
@click.option("--reference-model", metavar="NAME",
              help="With --log: measure them on this model's records, of --reference-log or else of --log.")  # fmt: skip
@_CHAIN
@click.option(
    "--update",
    type=Whole(1, 10_000, "each step solves the chain; leave it out, or give fewer"),
    default=None,
    metavar="K",
    help="Look at the K-th update on one batch of the start's responses, after K - 1 exact steps of size --lr.",
)
@click.option(
    "--lr", type=NumberRange(min=0, min_open=True), default=None, help="Size of the steps before --update; needed with it."
)
@click.option(
    "--prompts",
    type=click.IntRange(min=1),
    default=None,
    help="Prompts per batch, for normalisers of the batch; default what the file says, else many.",
)
@click.option(
    "--longer",
    type=NumberRange(min=0, min_open=True),
    default=8.0,
    show_default=True,
    help="Factor on answer lengths, for the column \"longer answers\".",
)
@click.option("--brief", is_flag=True, help="Print only which way p, a and b go, and what is left out.")
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "markdown", "latex"]),
    default="text",
    show_default=True,
    help="How the explanation is printed.",
)
@seed_option("Seed, where trajectories are sampled to see whether an update is balanced.")
@json_option
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:  # fmt: skip
    """Say what the configuration FILE makes its trainer optimise, or what the defaults of TRAINER do.

    FILE is YAML or JSON, a Python file that calls the configuration class, or a shell script; KEY=VALUE overrides it. Rewards are
    1 for a correct answer, or --reward-functions, without discount; the responses are the policy's own, as in the first update on
    a batch, those of --sampler, or with --update those of the start.
    """
    from dstheory.trainers.configuration import configuration_of, with_rewards
    from dstheory.trainers.explanation import difference, explain

    if options["model"] is not None and options["log_file"] is None:
        raise click.UsageError("--model chooses records of a log: give it with --log FILE", ctx)
    measured = [f"--{name.replace('_', '-')}" for name in ("reference_log", "reference_model") if options[name] is not None]
    if measured and options["log_file"] is None:
        raise click.UsageError(f"{measured[0]} measures the reference as --log measures the model: give --log FILE, too", ctx)
    if measured and options["reference"] is not None:
        raise click.UsageError(f"--reference and {measured[0]} both give the reference: leave one of them out", ctx)
    if options["mdp_file"] is not None and options["log_file"] is not None:
        raise click.UsageError("--mdp and --log both give a chain: leave one of them out", ctx)
    if options["as_json"] and options["style"] != "text":
        raise click.UsageError(f"--json and --format {options['style']} contradict each other: give one of them", ctx)
    if options["brief"] and (options["against"] is not None or options["changes"]):
        raise click.UsageError("--brief leaves the comparison with another configuration out: leave --brief out", ctx)
    if options["brief"] and (options["as_json"] or options["style"] != "text"):
        raise click.UsageError("--brief shortens what a terminal shows: leave it, or --json and --format, out", ctx)
    trainer, prompts = options["trainer"], options["prompts"]
    found = configuration_of(options["file"], settings=options["settings"], trainer=trainer, prompts=prompts)
    other: Configuration | None = None
    if options["against"] is not None or options["changes"]:
        same = options["against"] is None
        changed = {text.partition("=")[0] for text in options["changes"]}
        kept = [text for text in options["settings"] if text.partition("=")[0] not in changed]
        changes = (*kept, *options["changes"]) if same else options["changes"]
        what, of = (options["file"], trainer) if same else (options["against"], None)
        other = configuration_of(what, settings=changes, trainer=of, prompts=prompts)
    if options["reward_functions"] is not None:
        found = with_rewards(found, options["reward_functions"])
        other = None if other is None else with_rewards(other, options["reward_functions"])
    where = _later(ctx, found, place_from(ctx, options), options)
    explained = explain(found, where.place, longer=options["longer"], rng=options["seed"])
    against = None if other is None else Against(other, difference(found.training, other.training, where.place))
    show = {"text": _print_text, "markdown": _print_markdown, "latex": _print_latex}[options["style"]]
    if options["as_json"]:
        _print_json(explained, against, where, options)
    else:
        show(explained, against, where, options)


def _later(ctx: click.Context, found: Configuration, where: Where, options: dict[str, Any]) -> Where:
    """Return where the update of a number is made: the policy moved, its start as the sampler."""
    from dstheory.trainers.explanation import later_update

    if options["update"] is None:
        if options["lr"] is not None:
            raise click.UsageError("--lr is the size of the steps before --update: give that, too", ctx)
        return where
    if options["lr"] is None:
        raise click.UsageError("--update needs --lr, the size of the steps before it", ctx)
    if options["sampler"] is not None:
        raise click.UsageError("--update has the start as its sampler: leave --sampler out", ctx)
    place = later_update(found.training, where.place, options["update"], options["lr"])
    if place.sampler is not None:
        options["sampler"] = where.rates
    return replace(where, place=place, measured=None, whose=f"after {steps(options)}, from {where.whose or where.name}")


# ---------------------------------------------------------------------- as text


def _print_text(found: Explanation, against: Against | None, where: Where, options: dict[str, Any]) -> None:
    """Print the answer, then why, then the tables."""
    from dstheory.cli.show import print_table

    say(heading(found.configuration))
    if found.moves:
        say(f"\n{_WAYS}")
        for line in answer(found, where, options):
            if line == command_on_a_log(options):
                echo(folded(line))
            else:
                say(f"  {line}")
        columns, rows = ways(found)
        print_table("", columns, rows, caption=ways_caption(rows))
        for line in follows(found, where, options):
            say(f"  {line}")
    why = sections(found, against, where, options)
    if options["brief"]:
        _print_sections([(title, lines) for title, lines in why if title in _ALWAYS])
        return
    if found.moves:
        say("\nThat is the answer. Why, and the tables, follow; --brief leaves them out.")
    say(f"\ncoefficient of one token, ascent:\n  {found.formula}\n")
    width = max(len(part) for part, _ in found.parts)
    for part, words in found.parts:
        say(f"  {part:<{width}}  {words}", hang=width + 2)
    _print_sections([(title, lines) for title, lines in why if title != _NOTES])
    _print_tables(found, where, options)
    _print_sections([(title, lines) for title, lines in why if title == _NOTES])


def _print_sections(shown: list[tuple[str, list[str]]]) -> None:
    for title, lines in shown:
        say(f"\n{title}")
        for line in lines:
            say(f"  {line}")


def _print_tables(found: Explanation, where: Where, options: dict[str, Any]) -> None:
    """Print the settings, which way each term moves p, a and b, and what it pushes."""
    from dstheory.cli.show import print_table

    configuration = found.configuration
    say()
    library = f"{configuration.trainer.library} {configuration.trainer.version}"
    title = f"Settings that enter the objective; defaults are those of {library}"
    print_table(title, ["key", "value", "from"], _settings_rows(configuration), words=3)
    if found.attribution:
        columns, rows = _moves(found)
        print_table(f"{where.name}: {_MOVES}", columns, rows)
        columns, rows = _attribution(found)
        title = f"{where.name}: what each term pushes, sampling (s) and decisions (d), and its angle to the gradient of accuracy"
        print_table(title, columns, rows, words=2, caption=_caption(options))


_NOTES = "About the table"
_ALWAYS = (
    "Why nothing is said of p, a and b",
    "Warnings",
    "Not modelled, and left out of the numbers above",
    "Not read, since only the shell or Python knows the value",
    "Unknown keys, not interpreted",
)
"""Sections that say what the answer leaves out."""


def _settings_rows(configuration: Configuration) -> list[list[str]]:
    """Return key, value and origin of the keys that set something, those of the file first."""
    trainer = configuration.trainer
    rules = [rule.when for rule in trainer.rules if not rule.version]
    asked = {name for when in rules for name, how in when.items() if not (isinstance(how, dict) and "given" in how)}
    rows = []
    for setting in sorted(configuration.settings, key=lambda setting: not setting.given):
        key = trainer.keys[setting.key]
        if not (setting.given or key.sets or key.words or setting.key in asked):
            continue
        rows.append(
            [
                setting.key,
                shown_value(setting.value),
                setting.place if setting.given else "default",
            ]
        )
    return rows


def _attribution(found: Explanation) -> tuple[list[str], list[list[str]]]:
    from dstheory.cli.show import LEVELS, level_cells

    return ["term", *LEVELS], [[term(row.name), *level_cells(row)] for row in found.attribution]


def _caption(options: dict[str, Any]) -> str:
    return (
        "balanced: an answer and its decision have one coefficient. share d: decisions' part of the gradient's length; of its "
        "Fisher energy, its squared length measured by how much it changes the policy, whatever its parameters are; "
        f"and of that with answers {options['longer']:g} times as long. angle: to the gradient of accuracy, in degrees, of "
        "sampling (s), of decisions (d), and of both; 0 is the same way, 180 the opposite."
    )


_MOVES = "which way each term moves p, a and b: change of the probability in one small step, per unit of the learning rate"
_WAYS = "Which way one small step moves p, a and b"


def _moves(found: Explanation) -> tuple[list[str], list[list[str]]]:
    rows = [[term(row.name), *(signed(getattr(row, name).change) for name in PUSHES)] for row in found.moves]
    return ["term", *PUSHES], rows


# ---------------------------------------------------------------------- in other forms


def _print_json(found: Explanation, against: Against | None, where: Where, options: dict[str, Any]) -> None:
    from dstheory.cli.show import print_json

    chain = {"name": where.name, "reference": where.reference, "longer": options["longer"]}
    more = None if against is None else {"file": against.other.name, "trainer": against.other.trainer.id,
                                         **against.difference.to_dict()}  # fmt: skip
    update = None
    if options["update"] is not None:
        update = {"number": options["update"], "lr": options["lr"], **dict(zip("pab", where.rates, strict=True))}
    print_json({"chain": chain, **found.to_dict(), "update": update, "against": more})


def _print_markdown(found: Explanation, against: Against | None, where: Where, options: dict[str, Any]) -> None:
    echo(f"## {heading(found.configuration)}\n")
    if found.moves:
        echo(f"### {_WAYS}\n")
        for line in answer(found, where, options):
            echo(f"- {line}")
        columns, rows = ways(found)
        echo("\n" + markdown_table(columns, rows) + "\n")
        echo(f"{ways_caption(rows)}\n")
        for line in follows(found, where, options):
            echo(f"- {line}")
        echo()
    echo(f"`{found.formula}`\n")
    echo(markdown_table(["part", "what"], found.parts) + "\n")
    echo(markdown_table(["key", "value", "from"], _settings_rows(found.configuration)) + "\n")
    if found.attribution:
        echo(markdown_table(*_moves(found)) + "\n")
        echo(f"{_MOVES.capitalize()}.\n")
        echo(markdown_table(*_attribution(found)) + "\n")
        echo(f"{_caption(options)}\n")
    for title, lines in sections(found, against, where, options):
        echo(f"### {title}\n")
        for line in lines:
            echo(f"- {line}")
        echo()


def _print_latex(found: Explanation, against: Against | None, where: Where, options: dict[str, Any]) -> None:
    echo(f"% {heading(found.configuration)}")
    echo(f"\\[ {found.latex} \\]")
    _latex_table(["part", "what"], [list(part) for part in found.parts])
    if found.attribution:
        columns, rows = ways(found)
        _latex_table(columns, rows)
        echo(f"{latex_text(ways_caption(rows))}\n")
        _latex_table(*_moves(found))
        echo(f"{latex_text(f'{_MOVES.capitalize()}.')}\n")
        _latex_table(*_attribution(found))
        echo(f"{latex_text(_caption(options))}\n")
    said = [(_WAYS, [*answer(found, where, options), *follows(found, where, options)])] if found.moves else []
    for title, lines in [*said, *sections(found, against, where, options)]:
        echo(f"\\paragraph{{{latex_text(title)}}}\n\\begin{{itemize}}")
        for line in lines:
            echo(f"\\item {latex_text(line)}")
        echo("\\end{itemize}")


def _latex_table(columns: list[str], rows: list[list[str]]) -> None:
    echo(f"\\begin{{tabular}}{{{'l' * len(columns)}}}\\hline")
    for row in [columns, *rows]:
        echo(" & ".join(map(latex_text, row)) + r" \\")
    echo("\\hline\\end{tabular}\n")
