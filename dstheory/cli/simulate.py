"""`dstheory simulate`: one start, several objectives, what each does to sampling and to decisions."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dstheory import plots, readers
from dstheory.cli.figures import drawing_options, figures_as_asked, formats_asked, fresh_directory, manifest_of
from dstheory.cli.notes import chain_words, notes
from dstheory.cli.options import (
    config_option,
    model_options,
    module_option,
    objective_from,
    objective_options,
    problem_from,
    refuse_settings,
    training_options,
)
from dstheory.cli.show import announce_compilation, json_option, number, print_json, print_table, progress_bar, say
from dstheory.dynamics.parameters import PARAMETERS
from dstheory.texts import counted

if TYPE_CHECKING:
    from dstheory.dynamics import Comparison

EPILOG = """\b
Examples:
  dstheory simulate --length-weight 0.5
  dstheory simulate --length-weight 1 --answer-length 256 --beta 0.05 --steps 5000
  dstheory simulate --objective reinforce --objective "reinforce+kl" --objective sft --runs 32 --seed 7
  dstheory simulate --mdp examples/several_hundred_prompts.csv --steps 500 --out results/table
  dstheory simulate --config settings.toml --json
"""


@click.command(name="simulate", epilog=EPILOG)
@config_option
@model_options
@objective_options
@training_options
@click.option("--out", type=click.Path(path_type=Path), default=None, metavar="DIR",
              help="Directory for figure, data and manifest; default a new one under results/.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace an earlier result in DIR.")
@drawing_options()
@module_option
@json_option
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Train one start by reward, reward + KL and SFT; compare what happens to sampling and to decisions.

    Without further options: reward alone, reward + length-weighted KL to the start, SFT on demonstrations that cover wrong
    answers, and SFT on demonstrations that are right first time. All gradients are exact.
    """
    from dstheory.dynamics import compare, scattered
    from dstheory.dynamics.conditions import CONDITIONS
    from dstheory.dynamics.problem import training_at

    began = time.monotonic()
    refuse_settings(ctx, options)
    problem = problem_from(ctx, options)
    runs, steps = options["runs"], options["steps"]
    names = options["objectives"] or CONDITIONS
    conditions = {name: objective_from(name, problem, options) for name in names}
    said = notes(list(conditions.items()), problem, options, at_start=False, named=bool(options["objectives"]))
    for line in said:
        say(line, err=True)
    if not options["objectives"] and options["beta"] is None:
        options["beta"] = PARAMETERS["beta"].default
    start = scattered(problem.start, runs, spread=options["spread"], rng=options["seed"])
    announce_compilation(steps * runs, problem.mdp.correct.size)
    out = options["out"] or fresh_directory(Path("results/simulate"))
    with readers.results_directory(out, overwrite=options["overwrite"]) as directory:
        with progress_bar("training", steps * len(conditions), quiet=options["as_json"]) as update:
            comparison = compare(
                problem.mdp,
                start,
                conditions,
                progress=update,
                **training_at(options),
            )
        rows = _rows(comparison)
        _write(directory, comparison, options, problem.name, manifest_of(options, rows, began))
    if options["as_json"]:
        print_json({"chain": problem.name, "conditions": rows, "seed": options["seed"], "runs": runs, "out": out,
                    "notes": said})  # fmt: skip
        return
    _print(rows, problem.name, options, out)


def _rows(comparison: Comparison) -> list[dict[str, Any]]:
    import numpy as np

    def middle(value: Any) -> float:
        return float(np.median(np.asarray(value)))

    rows = []
    for name, result in comparison.results.items():
        log, gain, start = result.log, comparison.gains[name], comparison.at_start[name]
        energy = log["energy"][-1, ..., -1, :]  # at the end, of the total
        rows.append(
            {
                "condition": name,
                "before": {k: middle(log[k][0]) for k in ("p", "a", "b", "accuracy", "turns")},
                "after": {k: middle(log[k][-1]) for k in ("p", "a", "b", "accuracy", "turns")},
                "gain": middle(gain.gain),
                "gain_sample": middle(gain.sample),
                "gain_decide": middle(gain.decide),
                "decision_share_of_gain": middle(gain.decision_share),
                "energy_at_start": {"sample": middle(start.energy.sample), "decide": middle(start.energy.decide)},
                "energy_at_end": {"sample": middle(energy[..., 0]), "decide": middle(energy[..., 1])},
            }
        )
    return rows


def _write(directory: Path, comparison: Comparison, options: dict[str, Any], chain: str, manifest: dict[str, Any]) -> None:
    beta = "" if options["beta"] is None else f", β = {options['beta']:g}"
    title = f"{chain}: length weight λ = {options['length_weight']:g}{beta}"
    with figures_as_asked():
        plots.save_figure(plots.simulation_figure(comparison, title=title), directory / "simulate")
    readers.write_run(directory, comparison.log, manifest)


def _print(rows: list[dict[str, Any]], chain: str, options: dict[str, Any], out: Path) -> None:
    def rates(of: dict[str, float]) -> list[str]:
        return [number(of[k]) for k in ("p", "a", "b", "accuracy")]

    table = [["(start)", *rates(rows[0]["before"]), "", "", ""]]
    for row in rows:
        energies = map(number, row["energy_at_start"].values())
        table.append([row["condition"], *rates(row["after"]), number(row["decision_share_of_gain"]), *energies])
    many = f", medians over {options['runs']:,} starts" if options["runs"] > 1 else ""
    print_table(
        f"{chain}: {counted(options['steps'], 'step')} of {options['optimizer']}, "
        f"length weight {options['length_weight']:g}{many}",
        ["objective", "p", "a", "b", "accuracy", "decision share", "energy s", "energy d"],
        table,
        caption=chain_words(chain)
        + "p = P(correct), a = P(stop | correct), b = P(resample | wrong), before and after training. Decision share: the part "
        "of the gain in accuracy that decisions have (Shapley value; - where there is no gain); it changes with the number of "
        "steps. Energies: Fisher energy of sampling (s) and decision (d) at the start, the squared length of a stage's "
        "gradient, measured by how much the policy changes.",
    )
    first, *more = formats_asked() or ("png", "svg")
    figure = " and ".join([f"{out}/simulate.{first}", *(f".{kind}" for kind in more)])
    say(f"written: {figure} (figure), history.nc (p, a, b along the way), run.json (command and results)")
    say("next: `dstheory attribute --all` for every objective; `dstheory anatomy LOG` for a model's own p, a, b")
