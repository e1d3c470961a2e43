"""`dstheory signal`: how much of the update of a finite batch is signal, stage by stage."""

from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dstheory.cli import completion
from dstheory.cli.echo import json_option, say
from dstheory.cli.notes import chain_words, notes
from dstheory.cli.options import (
    Problem,
    config_option,
    figure_options,
    figures_as_asked,
    fresh_directory,
    model_options,
    module_option,
    objective_from,
    objective_options,
    problem_from,
)
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


@click.command(
    name="signal", epilog=EPILOG, short_help="Signal and noise of a finite batch, stage by stage.",
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip
@config_option
@model_options
@objective_options
@click.option(
    "--objective",
    "objectives",
    multiple=True,
    metavar="EXPR",
    shell_complete=completion.objectives,
    help="Which (repeatable); default every one whose second moments are exact.",
)
@click.option(
    "--sizes", callback=_sizes, default="2,4,8,16,32,64", show_default=True, metavar="G,G,...", help="Group sizes of the figure."
)
@click.option("--covariance", is_flag=True, help="With --json: expectation, variances and covariance of all logits, too.")
@figure_options("Directory for the figure; default a new one under results/.")
@module_option
@json_option
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Compute signal and noise of one batch's update, exactly: of P groups of G responses, for each stage.

    The ratio is the norm of the expected update over the root of the trace of its covariance; it grows like the root of the
    number of groups. Groups whose rewards are all equal are dead: with a mean of the group for a baseline they teach nothing.
    """
    from dstheory.chain.exact import solve

    if ctx.get_parameter_source("gamma") is click.core.ParameterSource.DEFAULT:
        options["gamma"] = 1.0  # verifiable rewards are not discounted
    began = time.monotonic()
    prompts = 32 if options["prompts"] is None else options["prompts"]
    if prompts == float("inf"):
        raise DSTheoryError("--prompts is inf: a batch without end has no noise; give the number of prompts per batch")
    problem = problem_from(ctx, options)
    solution = solve(problem.mdp, problem.start)
    found, left_out = _found(problem, options, solution, prompts)
    built = [(name, objective) for name, objective, _ in found]
    said = notes(built, problem, options)
    out = (
        None
        if options["no_figure"] or not (options["objectives"] or found)
        else _draw(found, problem, options, solution, prompts, began)
    )
    if options["as_json"]:
        _print_json(problem, options, found, left_out, said, out)
    else:
        _print(problem, found, left_out, said)
        if out is not None:
            say(f"figure in {out}")


_Found = list[tuple[str, "Objective", "Signal"]]


def _found(problem: Problem, options: dict[str, Any], solution: Solution, prompts: int) -> tuple[_Found, dict[str, str]]:
    """Return each objective with its signal, and why some are left out: none that was asked for by name."""
    from dstheory.cli.show import progress_bar
    from dstheory.noise import signal
    from dstheory.objectives import listed

    found, left_out = [], {}
    expressions = options["objectives"] or [cls.name for cls in listed()]
    with progress_bar("signal and noise", len(expressions), quiet=options["as_json"]) as update:
        for expression in expressions:
            try:
                objective = objective_from(expression, problem, options)
                one = signal(objective, solution, prompts=prompts, covariance=options["covariance"])
                found.append((expression, objective, one))
            except (ChainError, RewardNotReadError) as error:
                if options["objectives"]:
                    raise
                left_out[expression] = str(error).split(";")[0].removeprefix(f"{expression}: ")
            update(len(found) + len(left_out))
    return found, left_out


def _print(problem: Problem, found: _Found, left_out: dict[str, str], said: list[str]) -> None:
    from dstheory.cli.show import number, print_table

    def needed(value: float) -> str:
        return "never" if value == float("inf") else f"{value:.3g}"

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
    for why in dict.fromkeys(left_out.values()):
        names = ", ".join(expression for expression, reason in left_out.items() if reason == why)
        say(f"left out: {names} ({why})", err=True)


def _print_json(
    problem: Problem, options: dict[str, Any], found: _Found, left_out: dict[str, str], said: list[str], out: Path | None
) -> None:
    from dstheory.cli.show import print_json

    entries = []
    for expression, _, one in found:
        entry = {
            "objective": expression,
            "group_size": one.group_size,
            "prompts": one.prompts,
            "dead": one.dead,
            **{name: dataclasses.asdict(getattr(one, name)) for name in ("sample", "decide")},
        }
        if options["covariance"]:
            tables = {key: getattr(one, key) for key in ("expected", "variance")}
            entry |= {key: {"sample": table.sample, "decide": table.decide} for key, table in tables.items()}
            entry["covariance"] = one.covariance
        entries.append(entry)
    without = [{"objective": name, "why": why} for name, why in left_out.items()]
    print_json({"chain": problem.name, "objectives": entries, "left_out": without, "notes": said,
                "figure": None if out is None else str(out)})  # fmt: skip


def _draw(found: _Found, problem: Problem, options: dict[str, Any], solution: Solution, prompts: int, began: float) -> Path:
    """Draw the responses that a batch needs, for several group sizes, and return where the figure is."""
    from dstheory.cli.show import progress_bar
    from dstheory.noise import signal
    from dstheory.plots import save_figure
    from dstheory.plots.signal import signal_figure
    from dstheory.readers import results_directory, write_manifest

    curves = {}
    # Single responses have no group size: drawn where they are asked for by name.
    drawn = [row for row in found if row[2].group_size > 1 or options["objectives"]]
    with progress_bar("other group sizes", len(drawn), quiet=options["as_json"]) as update:
        for expression, _, one in drawn:
            sizes = options["sizes"] if one.group_size > 1 else ()
            several = [objective_from(expression, problem, options | {"group_size": size}) for size in sizes]
            curves[expression] = [signal(objective, solution, prompts=prompts) for objective in several] or [one]
            update(len(curves))
    out: Path = options["out"] or fresh_directory(Path("results/signal"))
    with results_directory(out, overwrite=options["overwrite"]) as directory:
        with figures_as_asked():
            save_figure(signal_figure(curves, title=problem.name), Path(directory) / "signal")
        parameters = {k: str(v) if isinstance(v, Path) else v for k, v in options.items() if k not in ("as_json", "overwrite")}
        keys = ("group_size", "prompts", "dead", "sample", "decide")
        results = {
            name: [
                {k: v for k, v in dataclasses.asdict(dataclasses.replace(one, covariance=None)).items() if k in keys}
                for one in several
            ]
            for name, several in curves.items()
        }
        write_manifest(directory, {
            "command": ["dstheory", *sys.argv[1:]], "parameters": parameters, "seed": None,
            "wall_seconds": round(time.monotonic() - began, 3),
            "results": results,
        })  # fmt: skip
    return out
