"""`dstheory attribute`: the three levels of attribution, side by side, for any objective on any chain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dstheory.cli.notes import notes, reference_words
from dstheory.cli.options import (
    config_option,
    json_option,
    model_options,
    module_option,
    objective_from,
    objective_options,
    problem_from,
    seed_option,
)
from dstheory.errors import RewardNotReadError

if TYPE_CHECKING:
    from dstheory.objectives import Objective

EPILOG = """\b
Examples:
  dstheory attribute
  dstheory attribute --objective reinforce --objective sft --length-weight 1 --answer-length 64
  dstheory attribute --objective "reinforce + kl-direct" --beta 0.05 --reference 0.5,0.7,0.4
  dstheory attribute --mdp examples/several_hundred_prompts.csv --json
  dstheory attribute --all --answer-length 32,96 --max-turns 4
"""


@click.command(
    name="attribute",
    epilog=EPILOG,
    short_help="How an objective's gradient splits between the stages.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@config_option
@model_options
@objective_options
@click.option(
    "--objective", "objectives", multiple=True, metavar="EXPR", help="Which (repeatable); default every registered one."
)
@seed_option("Seed, where level (i) has to sample trajectories.")
@click.option("--all", "compare_all", is_flag=True,
              help="Compare all objectives at their own defaults: shares, length, tilt, claims; gamma is 1 unless given.")
@click.option("--longer", type=float, default=8.0, show_default=True,
              help="Factor on answer lengths, for the column on length (--all).")
@click.option("--format", type=click.Choice(["table", "markdown"]), default="table", show_default=True,
              help="How --all prints its table.")
@click.option("--out", type=click.Path(path_type=Path), default=None, metavar="DIR",
              help="Directory for the figure of --all; default a new one under results/.")
@click.option("--no-figure", is_flag=True, help="Draw nothing.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier result in DIR.")  # fmt: skip
@module_option
@json_option
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Attribute objectives at three levels: coefficients, gradient, Fisher energy.

    Level (i) compares c_s with c_d on the same trajectory and turn and depends on the gauge; level (ii) is what SGD feels and
    depends on the parametrisation; level (iii) depends on neither.
    """
    from dstheory.attribution import attribute
    from dstheory.chain.exact import solve
    from dstheory.cli.show import number, print_json, print_table
    from dstheory.errors import ChainError
    from dstheory.objectives import listed

    for name in ("longer", "format", "out", "no_figure", "overwrite"):
        if not options["compare_all"] and ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name.replace('_', '-')} is for the comparison of --all: add --all, or leave it out", ctx)
    if options["compare_all"] and ctx.get_parameter_source("gamma") is click.core.ParameterSource.DEFAULT:
        options["gamma"] = 1.0  # verifiable rewards are not discounted
    problem = problem_from(ctx, options)
    if options["compare_all"]:
        from dstheory.cli.attribute_all import run

        run(ctx, problem, options)
        return
    solution = solve(problem.mdp, problem.start)
    built: list[tuple[str, Objective]] = []
    found, left_out = [], []
    for expression in options["objectives"] or [cls.name for cls in listed()]:
        try:
            objective = objective_from(expression, problem, options)
            built.append((expression, objective))
            found.append((expression, attribute(objective, solution, rng=options["seed"])))
        except (ChainError, RewardNotReadError) as error:  # what cannot be computed here is no reason to show nothing
            if options["objectives"]:
                raise
            left_out.append((expression, str(error).split(":")[0]))
    said = notes(built, problem, options)
    if options["as_json"]:
        without = [{"objective": expression, "why": why} for expression, why in left_out]
        complete = [_as_dict(e, s) for e, s in found]
        print_json({"chain": problem.name, "seed": options["seed"], "reference": reference_words(problem, options),
                    "objectives": complete, "left_out": without, "notes": said})  # fmt: skip
        return
    rows = []
    for expression, split in found:
        level = split.coefficient
        rows.append(
            [
                expression,
                _verdict(level),
                *(["-", "-"] if level is None else [number(level.ratio_low), number(level.ratio_high)]),
                *(number(float(v)) for v in (split.gradient.sample, split.gradient.decide, split.gradient.decision_share)),
                *(number(float(v)) for v in (split.energy.sample, split.energy.decide, split.energy.decision_share)),
            ]
        )
    print_table(
        f"{problem.name}: attribution of the gradient to sampling (s) and decision (d)",
        ["objective", "(i) coefficients", "c_s/c_d from", "to", "(ii) |g_s|", "|g_d|", "share d", "(iii) e_s", "e_d", "share d"],
        rows,
        words=2,
        caption="(i) on the same trajectory and turn, up to one discount factor; depends on baselines. (ii) depends on the "
        f"parametrisation. (iii) depends on neither. KL terms refer to {reference_words(problem, options)}.",
    )
    for line in said:
        click.echo(line)
    for expression, split in found:
        if split.coefficient is not None and split.coefficient.witness:
            click.echo(f"{expression}: unbalanced, e.g. {split.coefficient.witness}")
    for why in dict.fromkeys(why for _, why in left_out):
        names = ", ".join(expression for expression, reason in left_out if reason == why)
        click.echo(f"left out: {names} ({why})", err=True)
    looked = sorted({s.coefficient.evidence for _, s in found if s.coefficient is not None})
    click.echo(f"level (i) looked at {'; '.join(looked)}" if looked else "level (i): the terms share no trajectories")


def _verdict(level: Any) -> str:
    if level is None:
        return "mixed measures"
    if level.zero:
        return "all 0"
    if not level.balanced:
        return "unbalanced"
    return "balanced" if level.factor == 1.0 else f"balanced up to gamma = {level.factor:g}"


def _as_dict(expression: str, split: Any) -> dict[str, Any]:
    level = split.coefficient
    return {
        "objective": expression,
        "coefficient": None
        if level is None
        else {
            "balanced": None if level.zero else level.balanced,
            "factor": level.factor,
            "ratio": [level.ratio_low, level.ratio_high],
            "witness": level.witness,
            "evidence": level.evidence,
        },
        "gradient": {
            "sample": split.gradient.sample,
            "decide": split.gradient.decide,
            "decision_share": split.gradient.decision_share,
            "cosine": split.cosine,
        },
        "fisher": {
            "sample": split.energy.sample,
            "decide": split.energy.decide,
            "decision_share": split.energy.decision_share,
        },
    }
