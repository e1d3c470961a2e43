"""`dstheory signal`: how much of the update of a finite batch is signal, stage by stage."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import dstheory
from dstheory import plots, trainers
from dstheory.cli.configured import PLACE, heading, lacking, place_from, said_of, trainer_option
from dstheory.cli.figures import figure_options, write_figure
from dstheory.cli.notes import chain_words, left_out_rows, notes, say_left_out, tried
from dstheory.cli.options import (
    Problem,
    config_option,
    given_options,
    model_options,
    module_option,
    objective_from,
    objective_options,
    objectives_option,
    problem_from,
    said_once,
)
from dstheory.cli.show import json_option, number, print_json, print_table, progress_bar, say
from dstheory.dynamics.parameters import TABLE
from dstheory.errors import ChainError, DSTheoryError, RewardNotReadError

if TYPE_CHECKING:
    from dstheory.chain.exact import Solution
    from dstheory.noise import Signal, StageSignal
    from dstheory.objectives import Objective

EPILOG = """\b
Examples:
  dstheory signal
  dstheory signal --objective grpo --objective rloo --group-size 2 --no-figure
  dstheory signal --objective trl:grpo --group-size 8 --prompts 64 --p 0.1 --json --no-figure
  dstheory signal --mdp examples/three_prompts.json --sizes 2,4,8,16
  dstheory signal examples/trainers/trl_grpo.yaml --p 0.1 --no-figure
  dstheory signal trl:rloo beta=0 num_generations=4 --prompts 16 --no-figure
"""
_MOST_SIZE = 4096


def _sizes(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, ...]:
    try:
        sizes = tuple(sorted({int(part) for part in value.split(",")}))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a list of whole numbers: write e.g. 2,4,8", ctx, param) from None
    if not 2 <= sizes[0] <= sizes[-1] <= _MOST_SIZE:
        raise click.BadParameter(f"{value!r}: group sizes must lie between 2 and {_MOST_SIZE}", ctx, param)
    return sizes


@click.command(name="signal", epilog=EPILOG)
@click.argument("file", required=False, metavar="[FILE|TRAINER]")
@click.argument("settings", nargs=-1, metavar="[KEY=VALUE]...", callback=said_once)
@trainer_option
@config_option
@model_options
@objective_options
@objectives_option("Which (repeatable); default every one whose second moments are exact.")
@click.option(
    "--sizes", callback=_sizes, default="2,4,8,16,32,64", show_default=True, metavar="G,G,...", help="Group sizes of the figure."
)
@click.option("--covariance", is_flag=True, help="With --json: expectation, variances and covariance of all logits, too.")
@figure_options("Directory for the figure; default a new one under results/.")
@module_option
@json_option
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Compute the signal and noise of one batch's update exactly, for each stage: P groups of G responses.

    The ratio is the norm of the expected update over the square root of the trace of its covariance. It grows like the square
    root of the number of groups (nearly so where the batch's tokens or deviation divide). Groups whose rewards are all equal
    are dead: where the group's mean is the baseline, their rewards add nothing.

    With FILE, or TRAINER for its defaults, objective, group size and batch are those of a trainer's configuration, read as
    `dstheory explain` reads it: rewards are 1 for a correct answer, or --reward-functions, without discount.
    """
    if ctx.get_parameter_source("gamma") is click.core.ParameterSource.DEFAULT:
        options["gamma"] = 1.0  # verifiable rewards are not discounted
    began = time.monotonic()
    prompts = 32 if options["prompts"] is None else options["prompts"]
    if prompts == float("inf"):
        raise DSTheoryError("--prompts is inf: a batch without end has no noise; give the number of prompts per batch")
    asked = _configured(ctx, options, prompts) if options["file"] is not None else _named(ctx, options)
    found, left_out = _found(asked, options, prompts)
    chain = replace(asked.problem, given=asked.problem.given - {"prompts"})  # which every batch has here
    said = [*asked.said, *notes([(name, objective) for name, objective, _ in found], chain, options)]
    out = None if options["no_figure"] or not (asked.by_name or found) else _draw(found, asked, options, prompts, began)
    if options["as_json"]:
        _print_json(asked, options, found, left_out, said, out)
    else:
        if asked.configuration is not None:
            say(heading(asked.configuration))
        _print(asked.problem, found, left_out, said)
        if out is not None:
            say(f"figure in {out}")


@dataclass(frozen=True, eq=False)
class _Asked:
    """What the signal is asked of: objectives by name, each made for a group size (None for its own), on a chain."""

    problem: Problem
    makes: dict[str, Callable[[int | None], Objective]]
    by_name: bool
    configuration: trainers.Configuration | None = None
    said: tuple[str, ...] = ()

    @cached_property
    def solution(self) -> Solution:
        return dstheory.solve(self.problem.mdp, self.problem.start)


def _named(ctx: click.Context, options: dict[str, Any]) -> _Asked:
    """Return the objectives of --objective, or all."""
    from dstheory.objectives import listed

    if options["trainer"] is not None:
        raise click.UsageError("--trainer says whose configuration FILE is: give the file, too", ctx)
    problem = problem_from(ctx, options)

    def make(expression: str, size: int | None) -> Objective:
        return objective_from(expression, problem, options if size is None else options | {"group_size": size})

    expressions = options["objectives"] or [cls.name for cls in listed()]
    return _Asked(problem, {each: partial(make, each) for each in expressions}, bool(options["objectives"]))


def _configured(ctx: click.Context, options: dict[str, Any], prompts: int) -> _Asked:
    """Return the objective of a trainer's configuration, at the place that the options say."""
    own = next((row.name for row in TABLE if row.name in ctx.params and row.name not in (*PLACE, "prompts")
                and row.name in given_options(ctx)), None)  # fmt: skip
    if options["objectives"]:
        raise click.UsageError(f"{options['file']} and --objective both give an objective: leave one of them out", ctx)
    if own is not None:
        flag = f"--{own.replace('_', '-')}"
        raise click.UsageError(f"{flag} goes with --objective: a configuration has its own, changed by KEY=VALUE after it", ctx)
    found = trainers.configuration_of(
        options["file"], settings=options["settings"], trainer=options["trainer"], prompts=options["prompts"]
    )
    if options["reward_functions"] is not None:
        found = trainers.with_rewards(found, options["reward_functions"])
    t = found.training
    if t.prompts == float("inf"):
        t = replace(t, prompts=prompts, std_prompts=prompts if t.std_prompts == float("inf") else t.std_prompts)
    if t.credit == "other":
        raise ChainError(f"{found.name}: its objective is one that this package does not have")
    parts = next((lack.what.split(";")[0] for lack in found.lacks if lack.key == "batch size"), "")
    if why := parts or _expected_only(t):
        raise ChainError(
            f"{found.name}: no exact second moments of its update here: {why}; `dstheory explain` has its expectation"
        )
    where = place_from(ctx, {**options, "log_file": None})
    place = where.place
    problem = Problem(place.mdp, place.policy, place.reference, where.name)

    def make(size: int | None) -> Objective:
        training = t if size is None else replace(t, group_size=size)
        return trainers.objective_of(
            training, asked.solution, reference=place.reference, expert=place.expert, sampler=place.sampler
        )

    said = [*found.warnings, *(f"not modelled: {line}" for line in lacking(found))]
    said += [f"unknown key, not interpreted: {said_of(entry)}" for entry in found.unknown]
    if t.std == "batch" and t.std_prompts > 1 and not trainers.few_prompts(t):
        said.append("the standard deviation of the batch is taken to be that of many prompts, one number")
    asked = _Asked(problem, {found.name: make}, True, replace(found, training=t), tuple(said))  # `make` is called after this
    return asked


def _expected_only(t: trainers.Training) -> str:
    """Return why a training's noise is not that of the objective that has its expected update, "" if it is."""
    if t.method == "distill":
        return (
            "divergences to a teacher are summed over all tokens of a state, the objective here has the sampled one's coefficient"
        )
    if t.method != "policy-gradient":
        return ""
    if t.entropy:
        return "the entropy of a state is differentiated as a whole, the objective here has the sampled token's coefficient"
    if t.whitening == "again":
        return "credits are whitened once more over the tokens of the batch"
    if t.masked == "left out" and t.normaliser not in ("group-tokens", "batch-tokens"):
        return "the number of responses that are left divides them, which is modelled in large batches only"
    if t.dead_groups == "left out" and t.normaliser == "constant":
        return "a constant divides however many groups are left, which is modelled in expectation only"
    if t.credit in ("batch-mean", "length-baseline") or (t.credit == "reward" and t.normaliser == "batch-tokens"):
        return f"the credit {t.credit} is modelled in large batches only"
    return ""


_Found = list[tuple[str, "Objective", "Signal"]]


def _found(asked: _Asked, options: dict[str, Any], prompts: int) -> tuple[_Found, dict[str, str]]:
    """Return each objective with its signal, and why some are left out: none that was asked for by name."""
    from dstheory.noise import signal

    def work(name: str) -> tuple[str, Objective, Signal]:
        objective = asked.makes[name](None)
        one = signal(objective, asked.solution, prompts=prompts, covariance=options["covariance"])
        return objective.name if asked.configuration is not None else name, objective, one

    with progress_bar("signal and noise", len(asked.makes), quiet=options["as_json"]) as update:
        found, left_out = tried(asked.makes, work, update, but=() if asked.by_name else (ChainError, RewardNotReadError))
    return [one for _, one in found], {name: why.split(";")[0].removeprefix(f"{name}: ") for name, why in left_out.items()}


def _print(problem: Problem, found: _Found, left_out: dict[str, str], said: list[str]) -> None:
    def needed(value: float) -> str:
        return "never" if value == float("inf") else "-" if value != value else f"{value:.3g}"

    def cells(stage: StageSignal) -> list[str]:
        return [number(stage.size), number(stage.noise), number(stage.ratio), needed(stage.groups), needed(stage.groups_natural)]

    rows = [
        [name, str(one.group_size), str(one.prompts), number(one.dead), *cells(one.sample), *cells(one.decide)]
        for name, _, one in found
    ]
    stage = ["|E|", "noise", "ratio", "for 1", "natural"]
    print_table(
        f"{problem.name}: signal and noise of the update of one batch, sampling (s) and decision (d)",
        ["objective", "G", "groups", "dead", *(f"{column} {s}" for s in "sd" for column in stage)],
        rows,
        caption=chain_words(problem.name)
        + "G: responses in a group. |E|: norm of the expected update. dead: share of groups whose rewards are all equal. noise: "
        "root of the trace of the covariance. ratio: |E| over noise. for 1: groups in a batch whose ratio is 1 (natural: in the "
        "metric of the inverse Fisher information).",
    )
    for line in said:
        say(line)
    say_left_out(left_out)


def _print_json(
    asked: _Asked, options: dict[str, Any], found: _Found, left_out: dict[str, str], said: list[str], out: Path | None
) -> None:
    entries = []
    for expression, _, one in found:
        entry = {"objective": expression, **_numbers(one)}
        if options["covariance"]:
            tables = {key: getattr(one, key) for key in ("expected", "variance")}
            entry |= {key: {"sample": table.sample, "decide": table.decide} for key, table in tables.items()}
            entry["covariance"] = one.covariance
        entries.append(entry)
    read, configuration = asked.configuration, None
    if read is not None:
        configuration = {"file": read.name, "trainer": read.trainer.id, "found": read.recognised_by,
                         "training": dataclasses.asdict(read.training)}  # fmt: skip
    print_json({"chain": asked.problem.name, "configuration": configuration, "objectives": entries,
                "left_out": left_out_rows(left_out), "notes": said, "figure": out})  # fmt: skip


def _draw(found: _Found, asked: _Asked, options: dict[str, Any], prompts: int, began: float) -> Path:
    """Draw the responses that a batch needs, for several group sizes, and return where the figure is."""
    from dstheory.noise import signal

    curves = {}
    # Single responses have no group size: drawn where they are asked for by name.
    drawn = [row for row in found if row[2].group_size > 1 or asked.by_name]
    with progress_bar("other group sizes", len(drawn), quiet=options["as_json"]) as update:
        for expression, _, one in drawn:
            make = asked.makes.get(expression) or next(iter(asked.makes.values()))  # a configuration has one, of another name
            sizes = options["sizes"] if one.group_size > 1 else ()
            try:
                several = [signal(make(size), asked.solution, prompts=prompts) for size in sizes]
            except ChainError as error:
                raise ChainError(
                    f"the figure of group sizes {', '.join(map(str, sizes))}: {error}; or give --no-figure"
                ) from error
            curves[expression] = several or [one]
            update(len(curves))
    results = {name: list(map(_numbers, several)) for name, several in curves.items()}
    return write_figure(options, "signal", lambda: plots.signal_figure(curves, title=asked.problem.name), results, began)


def _numbers(one: Signal) -> dict[str, Any]:
    """Return the numbers of a signal, without its tables."""
    stages = {name: dataclasses.asdict(getattr(one, name)) for name in ("sample", "decide")}
    return {"group_size": one.group_size, "prompts": one.prompts, "dead": one.dead, **stages}
