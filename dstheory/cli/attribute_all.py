"""`dstheory attribute --all`: every objective on one chain, side by side: the map that a practitioner wants."""

from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path
from typing import Any

import click

from dstheory.cli.notes import notes, reference_words
from dstheory.cli.options import Problem, fresh_directory, objective_from
from dstheory.errors import RewardNotReadError

_COLUMNS = ["objective", "family", "(i)", "(ii) share d", "(iii) share d", "longer", "tilt s", "tilt d", "tilt both", "claims"]


def run(ctx: click.Context, problem: Problem, options: dict[str, Any]) -> None:
    """Print the comparison as a table, as Markdown or as JSON, and write its figure.

    Raises:
        DSTheoryError: a value is out of range, or the directory cannot be written.
    """
    from dstheory.cli.show import number, print_json, print_table
    from dstheory.comparison import ObjectiveRow, compare_objectives

    began = time.monotonic()
    makes, built, left_out = _objectives(ctx, problem, options)
    rows = compare_objectives(problem.mdp, problem.start, makes, longer=options["longer"], rng=options["seed"])
    said = notes(built, problem, options)
    out = None if options["no_figure"] else _draw(rows, problem, options, began)
    heading = f"{problem.name}: every objective; decision share of norms and energies, angles to the gradient of the accuracy"
    note = (
        f"(i) coefficients c_s = c_d; (ii) norms; (iii) Fisher energies; longer: (iii) with answers {options['longer']:g} times "
        "as long; tilt in degrees, per stage and over both. Each objective at its own defaults, on policy; penalties refer to "
        f"{reference_words(problem, options)}, demonstrations and the teacher are the expert's."
    )

    def texts(row: ObjectiveRow) -> list[str]:
        verdict = {True: "balanced", False: "unbalanced", None: "-"}[row.balanced]
        shares = [number(v) for v in (row.norm_share, row.energy_share, row.energy_share_longer)]
        angles = ["-" if v != v else f"{v:.1f}" for v in (row.tilt.sample, row.tilt.decide, row.tilt.both)]
        return [row.name, row.family, verdict, *shares, *angles, " ".join(row.claims)]

    if options["as_json"]:
        print_json({"chain": problem.name, "seed": options["seed"], "longer": options["longer"], "figure": out and str(out),
                    "reference": reference_words(problem, options), "objectives": [dataclasses.asdict(row) for row in rows],
                    "left_out": [{"objective": name, "why": why} for name, why in left_out.items()],
                    "notes": said})  # fmt: skip
        return
    if options["format"] == "markdown":
        click.echo("| " + " | ".join(_COLUMNS) + " |")
        click.echo("|" + "---|" * len(_COLUMNS))
        for row in rows:
            click.echo("| " + " | ".join([f"`{row.name}`", *texts(row)[1:]]) + " |")
        click.echo(f"\n{note}")
    else:
        print_table(heading, _COLUMNS[:-1], [texts(row)[:-1] for row in rows], words=3, caption=note)
        for row in rows:
            click.echo(f"{row.name}: {' '.join(row.claims)}")
    for line in said:
        click.echo(line, err=options["format"] == "markdown")
    for name, why in left_out.items():
        click.echo(f"left out: {name} ({why})", err=True)
    for row in rows:
        if row.note:
            click.echo(f"{row.name}: {row.note}", err=True)
    if out is not None:
        click.echo(f"figure in {out}", err=options["format"] == "markdown")


def _objectives(
    ctx: click.Context, problem: Problem, options: dict[str, Any]
) -> tuple[dict[str, Any], list[tuple[str, Any]], dict[str, str]]:
    """Return how to make each objective for a chain, at its own defaults but for options given; each made; those left out."""
    from dstheory.objectives import listed

    names = [cls.name for cls in listed()]
    fields = ("beta", "alpha", "length_weight", "reduction", "outer_discount", "states")
    given = problem.given & set(fields)

    def make(name: str) -> Any:
        return lambda mdp: objective_from(name, dataclasses.replace(problem, mdp=mdp), options, only=given)

    makes, built, left_out = {}, [], {}
    for name in options["objectives"] or names:
        try:
            built.append((name, make(name)(problem.mdp)))
        except RewardNotReadError as error:
            if options["objectives"]:
                raise
            left_out[name] = str(error).split(":")[0]
        else:
            makes[name] = make(name)
    return makes, built, left_out


def _draw(rows: list[Any], problem: Problem, options: dict[str, Any], began: float) -> Path:
    from dstheory.plots import save_figure
    from dstheory.plots.comparison import comparison_figure
    from dstheory.readers import results_directory, write_manifest

    out: Path = options["out"] or fresh_directory(Path("results/attribute"))
    with results_directory(out, overwrite=options["overwrite"]) as directory:
        save_figure(comparison_figure(rows, longer=options["longer"], title=problem.name), Path(directory) / "comparison")
        parameters = {k: str(v) if isinstance(v, Path) else v for k, v in options.items() if k not in ("as_json", "overwrite")}
        manifest = {
            "command": ["dstheory", *sys.argv[1:]],
            "parameters": parameters,
            "seed": options["seed"],
            "wall_seconds": round(time.monotonic() - began, 3),
            "results": [dataclasses.asdict(row) for row in rows],
        }
        write_manifest(directory, manifest)
    return out
