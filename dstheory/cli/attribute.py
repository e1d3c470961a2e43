"""`dstheory attribute`: the three levels of attribution, side by side; with ``--all`` every objective on one chain in one map."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import dstheory
from dstheory import plots
from dstheory.cli.figures import figure_options, write_figure
from dstheory.cli.notes import BALANCED, chain_words, left_out_rows, notes, reference_words, referred, say_left_out, tried
from dstheory.cli.options import (
    NumberRange,
    Problem,
    config_option,
    model_options,
    module_option,
    objective_from,
    objective_options,
    objectives_option,
    problem_from,
    seed_option,
)
from dstheory.cli.show import LEVELS, echo, json_option, level_cells, number, print_json, print_table, progress_bar, say
from dstheory.errors import ChainError, RewardNotReadError
from dstheory.texts import markdown_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dstheory.attribution import StageSplit
    from dstheory.objectives import Objective

EPILOG = """\b
Examples:
  dstheory attribute
  dstheory attribute --objective reinforce --objective sft --length-weight 1 --answer-length 64
  dstheory attribute --objective "reinforce + kl-direct" --beta 0.05 --reference 0.5,0.7,0.4
  dstheory attribute --mdp examples/several_hundred_prompts.csv --json
  dstheory attribute --all --answer-length 32,96 --max-turns 4
"""


@click.command(name="attribute", epilog=EPILOG)
@config_option
@model_options
@objective_options
@objectives_option("Which (repeatable); default every registered one.")
@seed_option("Seed, where trajectories are sampled to see whether an update is balanced.")
@click.option("--all", "compare_all", is_flag=True,
              help="Compare all objectives at their own defaults: shares, length, angles, claims; gamma is 1 unless given.")
@click.option("--longer", type=NumberRange(min=0, min_open=True), default=8.0, show_default=True,
              help="Factor on answer lengths, for the column \"longer answers\" (--all).")
@click.option("--format", type=click.Choice(["table", "markdown"]), default="table", show_default=True,
              help="How --all prints its table.")  # fmt: skip
@figure_options("Directory for a figure; with --all default a new one under results/.")
@module_option
@json_option
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Attribute objectives at three levels: coefficients, gradient, Fisher energy.

    Coefficients of an answer and of the decision on it, c_s and c_d, depend on how the gradient is written; norms of the gradient
    depend on the parametrisation; Fisher energies, its squared length measured by
    how much the policy changes, depend on neither.
    """
    for name in ("longer", "format", "no_figure", *(["overwrite"] if options["out"] is None else [])):
        if not options["compare_all"] and ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name.replace('_', '-')} is for the comparison of --all: add --all, or leave it out", ctx)
    if options["compare_all"] and ctx.get_parameter_source("gamma") is click.core.ParameterSource.DEFAULT:
        options["gamma"] = 1.0  # verifiable rewards are not discounted
    problem = problem_from(ctx, options)
    (_compare if options["compare_all"] else _attribute)(problem, options)


def _attribute(problem: Problem, options: dict[str, Any]) -> None:
    solution = dstheory.solve(problem.mdp, problem.start)
    built: list[tuple[str, Objective]] = []

    def split_of(expression: str) -> Any:
        objective = objective_from(expression, problem, options)
        built.append((expression, objective))
        return dstheory.attribute(objective, solution, rng=options["seed"])

    # What cannot be computed here is no reason to show nothing.
    found, left_out = _each(options, split_of, but=(ChainError, RewardNotReadError))
    said = notes(built, problem, options)
    splits = [_as_dict(expression, split) for expression, split in found]
    out = None
    if options["out"] is not None and found:
        out = write_figure(options, "attribution", lambda: plots.attribution_figure(dict(found), title=problem.name), splits)
    if options["as_json"]:
        _print_json(problem, options, splits, left_out, said, out)
        return
    rows = []
    for expression, split in found:
        level = split.coefficient
        ends = ["-"] if level is None else list(dict.fromkeys([number(level.ratio_low), number(level.ratio_high)]))
        shares = [number(float(v)) for part in (split.gradient, split.energy) for v in _shares(part).values()]
        verdict = "mixed measures" if level is None else BALANCED.get(level.verdict, level.verdict)
        rows.append([expression, verdict, " to ".join(ends), *shares])
    print_table(
        f"{problem.name}: attribution of the gradient to sampling (s) and decision (d)",
        ["objective", "balanced", "c_s/c_d", "|g_s|", "|g_d|", "share d: |g|", "e_s", "e_d", "share d: e"],
        rows,
        words=2,
        caption=chain_words(problem.name)
        + "balanced: the coefficients of log-probabilities are equal, c_s = c_d, on the same trajectory and turn, perhaps up to "
        "one discount factor (up to gamma); that depends on how the gradient is written. |g|: norms of the gradient; depend on "
        "the parametrisation. e: Fisher energies, squared lengths, measured by how much the policy changes; depend on "
        "neither. share d: the "
        f"decision's part of both stages.{referred(built, problem, options)}",
    )
    for line in said:
        say(line)
    levels = [(expression, split.coefficient) for expression, split in found if split.coefficient is not None]
    for expression, level in levels:
        if level.witness:
            say(f"{expression}: not balanced, e.g. {level.witness}")
    say_left_out(left_out)
    looked = sorted({level.evidence for _, level in levels})
    say(f"balance was checked on {'; '.join(looked)}" if looked else "balance: the terms share no trajectories")
    if out is not None:
        say(f"figure in {out}")


def _compare(problem: Problem, options: dict[str, Any]) -> None:
    from dstheory.comparison import compare_objectives
    from dstheory.dynamics.parameters import FIELDS, PAIRS, POLICIES

    began = time.monotonic()
    given = problem.given & {*FIELDS, *PAIRS, *POLICIES}

    def make(name: str) -> Callable[[Any], Objective]:
        return lambda mdp: objective_from(name, dataclasses.replace(problem, mdp=mdp), options, only=given)

    built, left_out = _each(options, lambda name: make(name)(problem.mdp), but=(RewardNotReadError,))
    makes = {name: make(name) for name, _ in built}
    with progress_bar("comparing objectives", len(makes), quiet=options["as_json"]) as update:
        rows = compare_objectives(
            problem.mdp, problem.start, makes, longer=options["longer"], rng=options["seed"], progress=update
        )
    said = notes(built, problem, options)

    def figure() -> Figure:
        return plots.comparison_figure(rows, longer=options["longer"], title=problem.name)

    found = [dataclasses.asdict(row) for row in rows]
    out = None if options["no_figure"] else write_figure(options, "comparison", figure, found, began)
    note = (
        chain_words(problem.name)
        + "balanced: coefficients c_s = c_d. share d: the decision's share of the gradient's norms, of its Fisher energies "
        f"(squared lengths, measured by how much the policy changes), and of these with answers {options['longer']:g} times "
        "as long. angle: to the gradient of accuracy, in degrees, of gradients with respect to the logits, per stage and over "
        "both (a stage with one parameter has 0 or 180). "
        f"Each objective at its own defaults, on policy.{referred(built, problem, options)}"
    )
    if options["as_json"]:
        _print_json(problem, options, found, left_out, said, out, longer=options["longer"])
        return
    columns = ["objective", "family", *LEVELS, "claims"]
    texts = [[row.name, row.family, *level_cells(row), " ".join(row.claims)] for row in rows]
    markdown = options["format"] == "markdown"
    if markdown:
        echo(f"{markdown_table(columns, [[f'`{name}`', *others] for name, *others in texts])}\n\n{note}")
    else:
        heading = "every objective; decision share of norms and energies, angles to the gradient of the accuracy"
        print_table(f"{problem.name}: {heading}", columns[:-1], [cells[:-1] for cells in texts], words=3, caption=note)
        say("Claims about each (`dstheory verify --show ID` says what one states):")
        for row in rows:
            say(f"  {row.name}: {' '.join(row.claims)}")
    for line in said:
        say(line, err=markdown)
    say_left_out(left_out)
    for row in rows:
        if row.note:
            say(f"{row.name}: {row.note}", err=True)
    if out is not None:
        say(f"figure in {out}", err=markdown)


def _each(
    options: dict[str, Any], work: Callable[[str], Any], *, but: tuple[type[Exception], ...]
) -> tuple[list[tuple[str, Any]], dict[str, str]]:
    """Return what each objective gives, and why some are left out: none that was asked for by name."""
    from dstheory.objectives import listed

    expressions = options["objectives"] or [cls.name for cls in listed()]
    with progress_bar("attributing", len(expressions), quiet=options["as_json"]) as update:
        found, left_out = tried(expressions, work, update, but=() if options["objectives"] else but)
    return found, {expression: why.split(":")[0] for expression, why in left_out.items()}


def _print_json(
    problem: Problem, options: dict[str, Any], objectives: list[Any], left_out: dict[str, str], said: list[str], out: Path | None,
    **more: Any,
) -> None:
    print_json({"chain": problem.name, "seed": options["seed"], **more, "figure": out,
                "reference": reference_words(problem, options), "objectives": objectives,
                "left_out": left_out_rows(left_out), "notes": said})  # fmt: skip


def _as_dict(expression: str, split: Any) -> dict[str, Any]:
    level = split.coefficient
    coefficient = None if level is None else {
        "balanced": None if level.zero else level.balanced,
        "factor": level.factor,
        "ratio": [level.ratio_low, level.ratio_high],
        "witness": level.witness,
        "evidence": level.evidence,
    }  # fmt: skip
    return {
        "objective": expression,
        "coefficient": coefficient,
        "gradient": _shares(split.gradient) | {"cosine": split.cosine},
        "fisher": _shares(split.energy),
    }


def _shares(split: StageSplit) -> dict[str, Any]:
    return {"sample": split.sample, "decide": split.decide, "decision_share": split.decision_share}
