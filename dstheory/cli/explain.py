"""`dstheory explain FILE`: what a trainer's configuration optimises, in which stage, and which claims say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from dstheory import trainers
from dstheory.cli.configured import PLACE, Where, heading, place_from, trainer_option
from dstheory.cli.explained import WAYS, Against, AnswerPart, folded, page, steps
from dstheory.cli.options import NumberRange, Whole, mdp_option, model_option, parameter_options, said_once, seed_option
from dstheory.cli.show import echo, json_option, print_json, print_table, say
from dstheory.texts import latex_text, markdown_table

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
@parameter_options(*PLACE)
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
    help='Factor on answer lengths, for the column "longer answers".',
)
@click.option(
    "--brief",
    is_flag=True,
    help="Print only which way p, a and b go, how another configuration differs, and what is left out.",
)
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
    """Say what a trainer optimises with the configuration FILE, or with the defaults of TRAINER.

    FILE is YAML or JSON, a Python file that calls the configuration class, or a shell script; KEY=VALUE overrides it. Rewards are
    1 for a correct answer (or those of --reward-functions), without discount. The responses are the policy's own, as in the first
    update on a batch, unless --sampler or --update says otherwise.
    """
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
    if options["brief"] and (options["as_json"] or options["style"] != "text"):
        raise click.UsageError("--brief shortens what a terminal shows: leave it, or --json and --format, out", ctx)
    trainer, prompts = options["trainer"], options["prompts"]
    found = trainers.configuration_of(options["file"], settings=options["settings"], trainer=trainer, prompts=prompts)
    other: trainers.Configuration | None = None
    if options["against"] is not None or options["changes"]:
        same = options["against"] is None
        changed = {text.partition("=")[0] for text in options["changes"]}
        kept = [text for text in options["settings"] if text.partition("=")[0] not in changed]
        changes = (*kept, *options["changes"]) if same else options["changes"]
        what, of = (options["file"], trainer) if same else (options["against"], None)
        other = trainers.configuration_of(what, settings=changes, trainer=of, prompts=prompts)
    if options["reward_functions"] is not None:
        found = trainers.with_rewards(found, options["reward_functions"])
        other = None if other is None else trainers.with_rewards(other, options["reward_functions"])
    where = _later(ctx, found, place_from(ctx, options), options)
    explained = trainers.explain(found, where.place, longer=options["longer"], rng=options["seed"])
    against = None if other is None else Against(other, trainers.difference(found.training, other.training, where.place))
    if options["as_json"]:
        print_json(_record(explained, against, where, options))
        return
    echo_page = {"text": _as_text, "markdown": _as_markdown, "latex": _as_latex}[options["style"]]
    echo_page(heading(found), [part for part in page(explained, against, where, options) if part.brief or not options["brief"]])


def _later(ctx: click.Context, found: trainers.Configuration, where: Where, options: dict[str, Any]) -> Where:
    """Return where the update of a number is made: the policy moved, its start as the sampler."""
    if options["update"] is None:
        if options["lr"] is not None:
            raise click.UsageError("--lr is the size of the steps before --update: give that, too", ctx)
        return where
    if options["lr"] is None:
        raise click.UsageError("--update needs --lr, the size of the steps before it", ctx)
    if options["sampler"] is not None:
        raise click.UsageError("--update has the start as its sampler: leave --sampler out", ctx)
    place = trainers.later_update(found.training, where.place, options["update"], options["lr"])
    if place.sampler is not None:
        options["sampler"] = where.rates
    return replace(where, place=place, measured=None, whose=f"after {steps(options)}, from {where.whose or where.name}")


# ---------------------------------------------------------------------- in four forms


def _record(found: trainers.Explanation, against: Against | None, where: Where, options: dict[str, Any]) -> dict[str, Any]:
    chain = {"name": where.name, "reference": where.reference, "longer": options["longer"]}
    more = None if against is None else {"file": against.other.name, "trainer": against.other.trainer.id,
                                         **against.difference.to_dict()}  # fmt: skip
    update = None
    if options["update"] is not None:
        update = {"number": options["update"], "lr": options["lr"], **dict(zip("pab", where.rates, strict=True))}
    return {"chain": chain, **found.to_dict(), "update": update, "against": more}


def _as_text(title: str, blocks: Sequence[AnswerPart]) -> None:
    say(title)
    tables = False
    for block in blocks:
        if block.title or not tables:
            say(f"\n{block.title}" if block.title else "")
        for line in block.lines:
            if line.startswith("dstheory "):
                echo(folded(line))
            else:
                say(f"  {line}")
        table = block.table
        if table is not None and table.listed:
            width = max(len(key) for key, _ in table.rows)
            say()
            for key, words in table.rows:
                say(f"  {key:<{width}}  {words}", hang=width + 2)
        elif table is not None:
            print_table(table.title, table.columns, table.rows, words=table.words, caption=table.caption)
        for line in block.after:
            say(f"  {line}")
        tables = table is not None and not block.title
        if block.title == WAYS and not all(other.brief for other in blocks):
            say("\nNext: the reasons and the tables; --brief leaves them out.")


def _as_markdown(title: str, blocks: Sequence[AnswerPart]) -> None:
    echo(f"## {title}\n")
    for block in blocks:
        said = [f"`{block.lines[0]}`" if block.latex else f"- {line}" for line in block.lines]
        parts = [f"### {block.heading}", "\n".join(said)]
        if block.table is not None:
            parts += [markdown_table(block.table.columns, block.table.rows), block.table.caption]
        parts.append("\n".join(f"- {line}" for line in block.after))
        echo("\n\n".join(filter(None, parts)) + "\n")


def _as_latex(title: str, blocks: Sequence[AnswerPart]) -> None:
    def listed(lines: Sequence[str]) -> str:
        items = "\n".join(f"\\item {latex_text(line)}" for line in lines)
        return f"\\begin{{itemize}}\n{items}\n\\end{{itemize}}" if lines else ""

    echo(f"% {title}")
    for block in blocks:
        said = f"\\[ {block.latex} \\]" if block.latex else listed(block.lines)
        parts = [f"\\paragraph{{{latex_text(block.heading)}}}", said]
        if (table := block.table) is not None:
            rows = (" & ".join(map(latex_text, row)) + r" \\" for row in (table.columns, *table.rows))
            body = "\n".join(rows)
            made = f"\\begin{{tabular}}{{{'l' * len(table.columns)}}}\\hline\n{body}\n\\hline\\end{{tabular}}\n"
            parts += [made, latex_text(table.caption)]
        parts.append(listed(block.after))
        echo("\n".join(filter(None, parts)) + "\n")
