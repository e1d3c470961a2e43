"""`dstheory reproduce`: run the experiments of sims/, from a checkout or from an installed wheel."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dstheory.cli import completion
from dstheory.cli.figures import drawing_options, formats_asked, width_asked
from dstheory.cli.options import processes
from dstheory.cli.show import json_option, print_json, print_table, progress_bars, say
from dstheory.texts import printable

if TYPE_CHECKING:
    from rich.progress import TaskID

    from dstheory.experiments import Experiment, ExperimentResult

EPILOG = """\b
Exit codes:
  0  all ran (with --all, some may have said that they need --data)
  1  one failed, or one that was named could not run; the others ran
  2  usage

\b
Examples:
  dstheory reproduce --list
  dstheory reproduce source-figure
  dstheory reproduce --all --out results/figures
  dstheory reproduce my_experiment.py
"""


@click.command(name="reproduce", epilog=EPILOG)
@click.argument("names", nargs=-1, metavar="[NAME|FILE.py]...", shell_complete=completion.experiments)
@click.option("--all", "everything", is_flag=True, help="Run every experiment.")
@click.option("--list", "listing", is_flag=True, help="List the experiments and run nothing.")
@click.option("--quick", is_flag=True, help="Small versions, to see that everything runs.")
@click.option("--data", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="DIR",
              help="Folder with what some experiments read; --list says which.")  # fmt: skip
@click.option("--jobs", type=processes, default=None, help="Processes; by default one per core.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("results/reproduce"), show_default=True, metavar="DIR",
    help="Each experiment gets its own directory below this one.",
)  # fmt: skip
@drawing_options("Format of the figures (repeatable); default png and svg.")
@click.option("--overwrite", is_flag=True, help="Replace earlier results.")
@json_option
def command(
    names: tuple[str, ...],
    everything: bool,
    listing: bool,
    jobs: int | None,
    out: Path,
    as_json: bool,
    **settings: Any,
) -> int:
    """Run experiments; write figures, data (netCDF), tables (CSV, Markdown), caption and manifest of each.

    One that fails is reported and the others still run.
    """
    from dstheory.experiments import experiment_names, find_experiments, run_experiments

    if listing:
        _print_list(list(experiment_names().values()), as_json)
        return 0
    if everything and names:
        raise click.UsageError("give names or --all, not both")
    if not everything and not names:
        raise click.UsageError("name an experiment, or give --all; `dstheory reproduce --list` lists them")
    chosen = list(experiment_names().values()) if everything else find_experiments(names)
    with _progress([experiment.name for experiment in chosen], quiet=as_json) as update:
        results = run_experiments(
            chosen,
            out,
            jobs=min(jobs or os.cpu_count() or 1, len(chosen)),
            progress=update,
            finished=None if as_json else _print_result,
            width=width_asked(),
            formats=formats_asked(),
            command=["dstheory", *sys.argv[1:]],
            **settings,
        )
    if as_json:
        print_json({"experiments": [asdict(result) for result in results]})
    bad = [o.name for o in results if o.status == "failed" or (o.status == "skipped" and not everything)]
    if len(results) > 1 and not as_json:
        counts = {status: sum(o.status == status for o in results) for status in ("done", "skipped", "failed")}
        print_table(
            "Summary",
            ["experiment", "what became of it", "seconds"],
            [[o.name, o.out or f"{o.status}: {o.reason}", f"{o.seconds:.1f}"] for o in results],
            words=2,
        )
        say(", ".join(f"{n} {status}" for status, n in counts.items() if n))
    if bad:
        say(f"error: {len(bad)} of {len(results)} experiments gave no result: {', '.join(bad)}", err=True)
    return 1 if bad else 0


def _print_list(experiments: Sequence[Experiment], as_json: bool) -> None:
    if as_json:
        rows = [{"name": e.name, "claims": ", ".join(e.claims), "shows": e.shows, "needs": e.needs} for e in experiments]
        print_json({"experiments": rows})
        return
    table = [[e.name, ", ".join(e.claims), e.shows or e.fault, e.needs] for e in experiments]
    print_table("Experiments", ["name", "claims", "what it shows", "needs --data"], table, words=4)


def _print_result(result: ExperimentResult) -> None:
    from dstheory.experiments import cells, columns

    if result.status == "skipped":
        say(f"{result.name}: skipped: {result.reason}")
        return
    if result.status == "failed":
        say(f"{result.name}: failed: {result.reason}", err=True)
        return
    say(f"{result.name}: {result.out} ({result.seconds:.1f} s)")
    paragraphs = (" ".join(part.split()) for part in result.caption.split("\n\n"))
    say("\n\n".join(f"    {part}" for part in paragraphs), hang=0)
    for stem, table in result.tables.items():
        if isinstance(table, str):
            say(table)
            continue
        words = next((i for i, value in enumerate(table[0].values()) if not isinstance(value, str)), len(table[0]))
        print_table(stem, columns(table), cells(table), words=words)


@contextmanager
def _progress(names: Sequence[str], *, quiet: bool) -> Iterator[Callable[[str, float], None] | None]:
    """Show a bar per experiment that runs, in per cent, and one for all of them."""
    parts = dict.fromkeys(names, 0.0)
    with progress_bars(quiet=quiet) as bars:
        if bars is None:
            yield None
            return
        whole = bars.add_task("all", total=len(names), visible=len(names) > 1)
        tasks: dict[str, TaskID] = {}

        def update(name: str, part: float) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(printable(name), total=100)
            parts[name] = part
            bars.update(tasks[name], completed=100 * part, visible=part < 1.0)
            bars.update(whole, completed=sum(parts.values()))

        yield update
