"""`dstheory sweep`: the optimum, or training, at every point of a grid of parameters."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dstheory import plots
from dstheory.cli.ending import as_usage
from dstheory.cli.figures import drawing_options, figures_as_asked, formats_asked, fresh_directory
from dstheory.cli.notes import chain_words, notes
from dstheory.cli.options import (
    Problem,
    Whole,
    chain_from,
    config_option,
    given_options,
    model_options,
    module_option,
    objective_options,
    refuse_settings,
    settings_from,
    training_options,
    workers_options,
)
from dstheory.cli.show import announce_compilation, json_option, number, print_json, print_table, progress_bar, say
from dstheory.dynamics.parameters import PARAMETERS, TOGETHER
from dstheory.texts import counted

if TYPE_CHECKING:
    from dstheory.dynamics.sweeps.plan import SweepPlan
    from dstheory.readers.arrays import LabelledArrays

EPILOG = """\b
Examples:
  dstheory sweep --grid length_weight=0:1:21 --grid beta=log:1e-3:1:13 --answer-length 1024
  dstheory sweep --of simulate --grid optimizer=sgd,adam --grid length_weight=0,0.5,1 --steps 5000
  dstheory sweep --of simulate --objective reinforce --grid a=0.1:0.9:9 --grid b=0.1:0.9:9 --workers 2
  dstheory sweep --mdp examples/three_prompts.json --grid beta=log:0.01:10:25 --out results/beta --figure-format png

\b
A grid is START:STOP:COUNT (equally spaced, ends included), log:START:STOP:COUNT, or values separated by commas.
A sweep that was interrupted or killed goes on where it was when the same command is given again.
"""

_OF_TRAINING = {"objectives", "runs", "log_every", "expert", "reference"}


_LISTED = 40  # settings that are printed one by one; more are summed up
_COLUMNS = (
    ("p_after", "p"), ("a_after", "a"), ("b_after", "b"), ("accuracy_before", "accuracy before"), ("accuracy", "after"),
    ("turns", "turns"), ("decision_share", "decision share"),
)  # fmt: skip
_LINE_SECONDS = 30.0  # between lines of progress where no bar can be drawn


class _Size(click.ParamType[Any]):
    """A number of bytes, with an optional unit."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse ``500MB``, ``2 GB``, ``1e9``."""
        text = str(value).strip().upper()
        units = {"TB": 1e12, "GB": 1e9, "MB": 1e6, "KB": 1e3, "B": 1.0, "": 1.0}
        unit = next(unit for unit in units if text.endswith(unit))
        try:
            size = float(text.removesuffix(unit)) * units[unit]
        except ValueError:
            size = 0.0
        if not 0.0 < size < float("inf"):
            self.fail(f"{value!r} is not a size: write for example 500MB or 8GB", param, ctx)
        return size


@click.command(name="sweep", epilog=EPILOG)
@config_option
@click.option("--grid", "grids", multiple=True, metavar="NAME=VALUES", help="Sweep a parameter (repeatable; forms below).")
@click.option("--of", type=click.Choice(["optimum", "simulate"]), default="optimum", show_default=True,
              help="What to compute: the results of `dstheory optimum` or of `dstheory simulate`.")  # fmt: skip
@click.option("--log-every", type=Whole(0, 1_000_000_000, "no training has so many steps; give fewer"), default=0, metavar="N",
              help="Keep p, a, b and accuracy of every Nth training step too (dimension step).")  # fmt: skip
@workers_options("Processes; with 1, threads of this process use all processors.")
@click.option("--out", type=click.Path(path_type=Path), default=None, metavar="DIR",
              help="Directory for data and manifest; default a new one under results/.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace an earlier result in DIR, and another sweep's unfinished one.")
@drawing_options("Also draw p, a, b, accuracy and decision share over the grid, in this format (repeatable); else no figure.")
@click.option("--chunk", type=Whole(1, 1_000_000_000, "no sweep has so many settings; give fewer"), default=None, metavar="N",
              help="Settings saved together, about; no influence on the numbers.")  # fmt: skip
@click.option("--max-size", type=_Size(), default=None,
              help="Largest result, e.g. 8GB; default half of the memory that is free.")  # fmt: skip
@model_options
@objective_options
@training_options
@module_option
@json_option
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Compute the optimum of reward + KL, or train, at every point of a grid, and write one labelled dataset.

    The other options fix what is not swept, as in `dstheory optimum` and `dstheory simulate`.
    """
    from dstheory.dynamics.sweeps.run import run_plan, size_text, try_settings

    began = time.monotonic()
    plan = _plan(ctx, options)
    out = options["out"] or _unused(Path("results/sweep"), plan)
    with as_usage():
        try_settings(plan, out, overwrite=options["overwrite"])
    settings = counted(plan.grid.size, "setting")
    said = _notes(ctx, plan, options) if plan.of == "simulate" else []
    for line in said:
        say(line, err=True)
    say(f"{settings}, a result of {size_text(plan.bytes)}, into {out}", err=True)
    if plan.of == "simulate":
        announce_compilation(plan.grid.size * plan.most_steps, plan.chain.pairs)
    with _progress_of(plan.grid.size, quiet=options["as_json"]) as update, _warnings_into(said):
        data, counts = run_plan(
            plan,
            workers=options["workers"],
            scheduler=options["scheduler"],
            out=out,
            overwrite=options["overwrite"],
            chunk=options["chunk"],
            progress=update,
            command=["dstheory", *sys.argv[1:]],
        )
    if formats_asked():
        _draw(plan, data, out)
    found = {**_found(plan, data, counts, out, time.monotonic() - began), "notes": said}
    if options["as_json"]:
        print_json(found)
    else:
        _print_result(plan, data, found)


def _draw(plan: SweepPlan, data: LabelledArrays, out: Path) -> None:
    """Draw the sweep beside the data, in the formats asked for."""
    from dstheory.readers.atomic import added_files

    with figures_as_asked(), added_files(out) as directory:
        plots.save_figure(plots.sweep_figure(data, title=f"{plan.chain.name}: {plan.of}"), directory / "sweep")


def _plan(ctx: click.Context, options: dict[str, Any]) -> SweepPlan:
    """Return the sweep that the options describe; what was not given has its default."""
    from dstheory.dynamics.sweeps.run import plan_sweep

    of, given = options["of"], given_options(ctx)
    here = {name for name in given if name not in PARAMETERS or of in PARAMETERS[name].of}
    if of == "optimum" and (misplaced := sorted(given & _OF_TRAINING | (given - here))):
        flags = {p.name: p.opts[-1] for p in ctx.command.params}
        raise click.UsageError(f"{flags[misplaced[0]]} has no effect on an optimum: leave it out, or give --of simulate", ctx)
    if of == "simulate":
        refuse_settings(ctx, options)
    chain = chain_from(ctx, options)
    with as_usage():
        return plan_sweep(
            options["grids"],
            of=of,
            fixed=settings_from(options, given),
            chain=chain,
            objectives=options["objectives"],
            runs=options["runs"],
            log_every=options["log_every"],
            max_size=options["max_size"],
        )


def _notes(ctx: click.Context, plan: SweepPlan, options: dict[str, Any]) -> list[str]:
    """Return what `simulate` says of these objectives and of the options given, the swept parameters among them."""
    from dstheory.dynamics.conditions import CONDITIONS
    from dstheory.dynamics.problem import objective_at, problem_at

    swept: dict[str, list[str]] = {}
    for axis in plan.grid.axes:
        option = next((name for name, row in TOGETHER.items() if axis.name in row.parts), axis.name)
        swept.setdefault(option, []).append(axis.name)
    # One setting, in which what is swept has an effect: strengths are not 0, and the discount is not 1.
    one = {axis.name: axis.values[0] for axis in plan.grid.axes}
    one |= {axis.name: (min if axis.name == "gamma" else max)(axis.values) for axis in plan.grid.batched}
    settings = {**plan.fixed, **one}
    parts = problem_at(plan.chain, settings)
    names = next(axis.values for axis in plan.grid.axes if axis.name == "objective")
    built = [(name, objective_at(name, parts, settings, rewards=plan.own_rewards)) for name in names]
    problem = Problem(*parts, plan.chain.name, given_options(ctx) | swept.keys())
    return notes(built, problem, options, at_start=False, named=tuple(names) != CONDITIONS, swept=swept)


def _unused(base: Path, plan: SweepPlan) -> Path:
    """Return the first of base, base-2, base-3, ... that is free, or holds this very sweep, finished or not."""
    from dstheory.dynamics.sweeps.result import holds
    from dstheory.dynamics.sweeps.state import configuration

    ours = configuration(plan)
    return fresh_directory(base, lambda path: holds(path) not in (None, ours))


@contextmanager
def _warnings_into(said: list[str]) -> Iterator[None]:
    """Make notes of warnings: sentences on standard error and in the list."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        said.append(str(message))
        say(f"note: {message}", err=True)

    with warnings.catch_warnings():
        warnings.simplefilter("always", RuntimeWarning)
        warnings.showwarning = show
        yield


def _found(plan: SweepPlan, data: LabelledArrays, counts: dict[str, int], out: Path, seconds: float) -> dict[str, Any]:
    import numpy as np

    from dstheory.dynamics.sweeps.result import gaps

    summary = {}
    for name in data.variables:
        numbers = data[name][np.isfinite(data[name])]
        if name != "status" and numbers.size:
            summary[name] = {"lowest": numbers.min(), "median": np.median(numbers), "highest": numbers.max()}
    return {
        "of": plan.of,
        "chain": plan.chain.name,
        "dimensions": {axis.name: data[axis.name] for axis in plan.grid.axes},
        "settings": plan.grid.size,
        **counts,
        **gaps(data),
        "summary": summary,
        "seed": plan.fixed.get("seed"),
        "seconds": round(seconds, 3),
        "out": out,
    }


@contextmanager
def _progress_of(total: int, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Show a bar with the remaining time, or, where standard error is not a terminal, a line now and then."""
    if not quiet and not sys.stderr.isatty():
        yield _Lines()
        return
    with progress_bar("sweeping", total, quiet=quiet) as update:
        yield lambda done, of: update(done)


class _Lines:
    """Progress as lines: how many settings are done, and how long the others will take at the speed of this process."""

    def __init__(self) -> None:
        self.began = self.last = time.monotonic()
        self.first: int | None = None

    def __call__(self, done: int, total: int) -> None:
        """Report; prints at most twice a minute."""
        now = time.monotonic()
        if self.first is None:
            self.first = done  # may be what an earlier process has finished
        if now - self.last < _LINE_SECONDS or done in (self.first, total):
            return
        self.last = now
        left = (now - self.began) * (total - done) / (done - self.first)
        say(f"{done:,} of {counted(total, 'setting')}, {_duration(left)} left", err=True)


def _duration(seconds: float) -> str:
    """Return a time for people.

    >>> _duration(42.4), _duration(5400)
    ('42 s', '1 h 30 min')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _print_result(plan: SweepPlan, data: LabelledArrays, found: dict[str, Any]) -> None:
    dims = " x ".join(f"{len(values):,} {name}" for name, values in found["dimensions"].items())
    title = f"{found['chain']}: {plan.of} over {dims}"
    if plan.grid.size <= _LISTED:
        _print_settings(title, data)
    else:
        _print_summary(title, plan, found["summary"])
    for status, count in found["without_result"].items():
        what = status.replace("_", " ").replace("no optimum ", "no optimum: ")
        say(f"{count:,} of {counted(plan.grid.size, 'setting has', 'settings have')} no result ({what}): NaN, marked in `status`")
    for name, count in found["not_finite"].items():
        why = plan.variables[name].missing or "it left the finite numbers"
        where = counted(count, "setting that has a result", "settings that have a result")
        say(f"{name} is NaN or infinite in {where}: {why}")
    if not found["chunks"]:
        say(f"this sweep was complete already, nothing was computed: {found['out']}")
    else:
        earlier = found["chunks"] - found["computed"]
        resumed = f", {earlier} of {counted(found['chunks'], 'part was', 'parts were')} there already" if earlier else ""
        say(f"data and manifest: {found['out']} ({found['seconds']:.1f} s{resumed})")


def _print_settings(title: str, data: LabelledArrays) -> None:
    import numpy as np

    def cell(value: Any) -> str:
        return f"{value:g}" if isinstance(value, (int, float, np.number)) else str(value)

    dims = list(data.variables["status"][0])
    rows = []
    for place in np.ndindex(data["status"].shape):
        labels = (cell(data[name][i].item()) for name, i in zip(dims, place, strict=True))
        rows.append([*labels, *(number(float(data[name][place])) for name, _ in _COLUMNS)])
    print_table(
        title,
        [*dims, *(column for _, column in _COLUMNS)],
        rows,
        words=len(dims),
        caption=chain_words(title.split(":")[0]) + "p = P(correct), a = P(stop | correct), b = P(resample | wrong), afterwards. "
        "Decision share: the part of the gain in accuracy that decisions have (Shapley value; - where there is no gain).",
    )


def _print_summary(title: str, plan: SweepPlan, summary: dict[str, Any]) -> None:
    rows = []
    for name, variable in plan.variables.items():
        if name in summary:
            three = (number(float(summary[name][key])) for key in ("lowest", "median", "highest"))
            rows.append([name, variable.long_name, *three])
    print_table(title, ["variable", "meaning", "lowest", "median", "highest"], rows, words=2)
