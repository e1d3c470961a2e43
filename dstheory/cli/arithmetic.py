"""`dstheory arithmetic`: train a policy on multiplication, evaluate it on held-out problems, read one of its episodes."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from dstheory import anatomy, arithmetic, plots, readers
from dstheory.cli.ending import as_usage
from dstheory.cli.figures import drawing_options, figures_as_asked, formats_asked
from dstheory.cli.options import Number, Whole, config_option, seed_option
from dstheory.cli.show import echo, json_option, number, print_json, print_table, progress_bar, say
from dstheory.errors import DamagedCheckpointError
from dstheory.texts import counted, cut

EPILOG = """\b
Examples:
  dstheory arithmetic train --method reward --checkpoint reward.npz
  dstheory arithmetic train --method sft --coverage 0.5 --checkpoint sft.npz
  dstheory arithmetic evaluate reward.npz sft.npz --out rollouts.jsonl
  dstheory anatomy rollouts.jsonl
  dstheory arithmetic show reward.npz --size 4x4 --seed 3
"""
TRAIN_EPILOG = """\b
Examples:
  dstheory arithmetic train --method reward --credit group-std --normaliser own-tokens --beta 0.04
  dstheory arithmetic train --method sft --coverage 0 --length-weight 0 --checkpoint first.npz
  dstheory arithmetic train --sizes 4x4,4x5 --updates 400 --trunk 0.5

\b
A run that was interrupted or killed goes on where it was when the same command is given again.
"""
_CHECKPOINT_SECONDS = 10.0


class _Sizes(click.ParamType[Any]):
    """Comma-separated sizes such as 4x4,4x5; ``trained``, ``larger``, ``all``."""

    name = "SIZES"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[arithmetic.Size, ...]:
        """Parse; a size out of range is a usage error."""
        if isinstance(value, tuple):
            return value
        named = {"all": arithmetic.ALL_SIZES, "larger": arithmetic.LARGER_SIZES, "trained": arithmetic.TRAINED_SIZES}
        text = str(value).strip()
        with as_usage():
            return named[text] if text in named else tuple(map(arithmetic.parse_size, filter(str.strip, text.split(","))))


_UPDATES = Whole(0, 10_000_000, "an update takes milliseconds or more; give fewer")
_MANY = Whole(1, 100_000, "all of them are held at once; give fewer")


class _Names(click.ParamType[Any]):
    """Comma-separated names; ``none`` for none of them."""

    name = "NAMES"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        return tuple(part.strip() for part in str(value).split(",") if part.strip() and value != "none")


@click.group(name="arithmetic", epilog=EPILOG)
def command() -> None:
    """Multiplication with a sampling and a decision policy that really learn; p, a and b are exact for checks of residues."""


@command.command(epilog=TRAIN_EPILOG, short_help="Train one policy.")
@click.option("--method", type=click.Choice(["reward", "sft", "sft-then-reward"]), default="reward", show_default=True)
@seed_option("Fixes the start, the problems and all draws.")
@click.option("--sizes", type=_Sizes(), default="trained", show_default=True, help="Sizes trained on, such as 4x4,4x5.")
@click.option("--updates", type=_UPDATES, default=100, show_default=True)
@click.option("--problems", type=_MANY, default=32, show_default=True, help="Problems of an update.")
@click.option("--group", type=_MANY, default=8, show_default=True, help="Episodes, or demonstrations, on each problem.")
@click.option("--cap", type=int, default=4, show_default=True, help="T, the largest number of attempts.")
@click.option(
    "--checks",
    type=_Names(),
    default="nines,elevens,last-digit",
    show_default=True,
    help="What the decision sees; also magnitude and disagreement, which leave p, a, b unknown but by rollouts.",
)
@click.option("--trunk", type=Number(), default=0.0, show_default=True, help="How strongly the skills enter the decision, >= 0.")
@click.option(
    "--credit", default="leave-one-out", show_default=True, help="leave-one-out, group-mean, group-std, raw or filtered."
)
@click.option(
    "--normaliser", default="responses", show_default=True, help="responses, own-tokens, constant, group-tokens or batch-tokens."
)
@click.option("--penalty", default="k3", show_default=True, help="KL to the start: k1, k2, k3 in the loss, or k1-reward.")
@click.option("--beta", type=Number(), default=0.0, show_default=True, help="Strength of that penalty, >= 0.")
@click.option(
    "--coverage", type=Number(), default=0.5, show_default=True, help="Share of demonstrations with a wrong attempt first."
)
@click.option("--mask/--no-mask", default=False, show_default=True, help="Leave the tokens of wrong attempts out of SFT.")
@click.option("--length-weight", type=Number(), default=1.0, show_default=True, help="lambda of SFT and of a loss's penalty.")
@click.option(
    "--reduction", type=click.Choice(["sum", "mean"]), default="mean", show_default=True, help="Reduction of SFT's weights."
)
@click.option("--optimizer", type=click.Choice(["adam", "sgd"]), default="adam", show_default=True)
@click.option("--lr", type=Number(), default=0.01, show_default=True)
@click.option("--clip-norm", type=Number(), default=0.0, show_default=True, help="Bound on the gradient's norm; 0 for none.")
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help="Where the run is kept; default results/arithmetic-METHOD-SEED.npz.",
)
@click.option("--overwrite", is_flag=True, help="Begin again, whatever FILE holds.")
@drawing_options("Also draw p, a, b and accuracy at the start and at the end, in this format (repeatable); else no figure.")
@config_option
@json_option  # fmt: skip
def train(checkpoint: Path | None, overwrite: bool, as_json: bool, **options: Any) -> None:
    """Train one policy, from the initial policy of its seed or from where an interrupted run was."""
    from dstheory.readers.atomic import shared_directory

    began = time.monotonic()
    with as_usage():
        settings = arithmetic.Settings(**options)
    path = checkpoint or Path("results") / f"arithmetic-{settings.method}-{settings.seed}.npz"
    figures = _figure_files(path, path.stem)
    with shared_directory(path.parent) if checkpoint is None else nullcontext():
        readers.refuse_overwrite(path, overwrite=True)  # before the training, not after it
        for each in figures:  # one beside a checkpoint is of the same run, which goes on
            readers.refuse_overwrite(each, overwrite or path.exists(), inputs=[path])
        run, resumed = _trained(path, settings, overwrite, as_json)
    seconds = time.monotonic() - began
    summary = _figures(run.policy, settings)
    figures = figures if summary else []
    if figures:
        keys = ("p", "a", "b", "accuracy")
        _draw(figures, {part: {k: row[k] for k in keys} for part, row in summary.items()},
              settings.method + (": with T = 1 nothing is decided" if settings.cap == 1 else ""))  # fmt: skip
    if as_json:
        print_json(
            {"checkpoint": path, "settings": settings.as_dict(), "updates": run.done, "resumed_after": resumed,
             "problems": run.done * settings.problems, "episodes": run.episodes, "tokens": run.tokens, "seconds": seconds,
             "results": summary, "figures": figures}
        )  # fmt: skip
        return
    rows = [[part, *(number(row[k]) for k in ("p", "a", "b", "accuracy", "attempts"))] for part, row in summary.items()]
    print_table(
        f"{settings.method}: {counted(run.done, 'update')}, {counted(run.done * settings.problems, 'problem')}, "
        f"{counted(run.episodes, 'episode')}, {counted(run.tokens, 'token')}",
        ["held-out problems", "p", "a", "b", "accuracy", f"attempts (T = {settings.cap})"],
        rows,
        caption=f"exact, not sampled{_undecided(settings)}"
        if summary
        else f"checks {', '.join(settings.checks)}: measure with evaluate",
    )
    say(f"checkpoint: {path} ({seconds:.1f} s)")
    _say_figures(figures)


def _undecided(settings: arithmetic.Settings) -> str:
    """Return what a caption says of exact a and b where an answer is submitted at once."""
    return "; with T = 1 nothing is decided, a and b are of decisions that would be taken" if settings.cap == 1 else ""


def _figure_files(beside: Path, name: str) -> list[Path]:
    return [beside.parent / f"{name}.{kind}" for kind in formats_asked()]


def _draw(files: Sequence[Path], found: dict[str, dict[str, float]], title: str) -> None:
    """Draw numbers side by side, in the formats asked for; each file is complete or absent."""
    with figures_as_asked(), tempfile.TemporaryDirectory() as folder:
        drawn = plots.save_figure(plots.rates_figure(found, title=title), Path(folder, "figure"))
        for source, target in zip(drawn, files, strict=True):
            with readers.atomic_path(target, overwrite=True) as temporary:
                shutil.copyfile(source, temporary)


def _say_figures(files: Sequence[Path]) -> None:
    for path in files:
        say(f"figure in {path}")


def _trained(path: Path, settings: arithmetic.Settings, overwrite: bool, as_json: bool) -> tuple[arithmetic.TrainingRun, int]:
    """Train, or go on with the run in a checkpoint; return the run, and after how many updates it went on."""
    try:
        run = arithmetic.read_checkpoint(path, settings) if path.exists() and not overwrite else None
    except DamagedCheckpointError as error:
        aside = path.with_name(path.name + ".damaged")
        os.replace(path, aside)
        say(f"warning: {error}; it is trained from the start, and what is left of it is kept as {aside}", err=True)
        run = None
    resumed = 0 if run is None else run.done
    if resumed and not as_json:
        say(f"{path}: goes on after update {resumed} of {settings.updates}", err=True)
    kept = time.monotonic()

    def keep(run: arithmetic.TrainingRun) -> None:
        nonlocal kept
        update(run.done)
        if run.done == settings.updates or time.monotonic() - kept > _CHECKPOINT_SECONDS:
            arithmetic.write_checkpoint(path, run)
            kept = time.monotonic()

    with progress_bar("training", settings.updates, quiet=as_json) as update:
        try:
            run = arithmetic.train(settings, run=run, updated=keep)
        except KeyboardInterrupt:
            say(f"{path}: give the same command again to go on", err=True)
            raise
    if resumed == settings.updates or settings.updates == 0:
        arithmetic.write_checkpoint(path, run)
    return run, resumed


def _figures(policy: arithmetic.ArithmeticPolicy, settings: arithmetic.Settings) -> dict[str, dict[str, float]]:
    """Return exact figures on a few held-out problems of the trained and the larger sizes; none if they are not known."""
    import numpy as np

    if not set(settings.checks) <= set(arithmetic.RESIDUE_CHECKS):
        return {}
    sizes = {"sizes trained on": settings.sizes, "other sizes": tuple(s for s in arithmetic.ALL_SIZES if s not in settings.sizes)}
    problems = arithmetic.held_out_problems(arithmetic.ALL_SIZES, 10)
    found = arithmetic.achieved(arithmetic.answer_law(policy, problems), policy, cap=settings.cap)
    of_size = dict(problems.by_size())
    return {name: asdict(found.pooled(np.concatenate([of_size[size] for size in some]))) for name, some in sizes.items() if some}


@command.command(short_help="Measure policies on held-out problems.")
@click.argument("checkpoints", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CHECKPOINT...")
@click.option("--sizes", type=_Sizes(), default="all", show_default=True, help="all, trained, larger, or such as 4x4,9x9.")
@click.option("--per-size", type=_MANY, default=40, show_default=True, help="Held-out problems of each size.")
@click.option("--episodes", type=_MANY, default=10, show_default=True, help="Episodes on each problem.")
@seed_option("Seed of the rollouts; the problems are always the same.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE.jsonl",
    help="Write the rollouts there, as `dstheory anatomy` reads them.",
)
@click.option("--overwrite", is_flag=True, help="Replace FILE.jsonl and an earlier figure.")
@drawing_options("Also draw the final accuracy over the sizes, in this format (repeatable); else no figure.")
@json_option  # fmt: skip
def evaluate(checkpoints: tuple[Path, ...], seed: int, out: Path | None, overwrite: bool, as_json: bool, **settings: Any) -> None:
    """Evaluate policies on held-out problems: exact p, a, b and accuracy per size, beside those of rollouts."""
    figures = _figure_files(out or checkpoints[0], "evaluation")
    for each in [*([] if out is None else [out]), *figures]:
        readers.refuse_overwrite(each, overwrite, inputs=checkpoints)
    names: list[str] = []
    for path in checkpoints:
        names.append(path.stem if path.stem not in names else str(path))
        if names[-1] in names[:-1]:  # its episodes would count as others of the same model
            raise click.UsageError(f"{path} has the name of another checkpoint: give each once, under a name of its own")
    models: dict[str, list[dict[str, Any]]] = {}
    undecided: dict[str, str] = {}
    logs: list[anatomy.Episodes] = []
    with progress_bar("evaluating", len(checkpoints), quiet=as_json) as update:
        for done, (model, path) in enumerate(zip(names, checkpoints, strict=True)):
            run = arithmetic.read_checkpoint(path)
            known = set(run.policy.checks) <= set(arithmetic.RESIDUE_CHECKS)
            reports, rollouts = arithmetic.evaluate(run.policy, cap=run.settings.cap, rng=seed, exact=known, **settings)
            models[model] = [arithmetic.report_row(report) for report in reports]
            undecided[model] = _undecided(run.settings)
            logs.append(arithmetic.as_episodes(rollouts, model=model))
            update(done + 1)
    if out is not None:
        anatomy.write_log(out, anatomy.Episodes.concatenate(logs), overwrite=overwrite)
    if figures:
        accuracies = {model: {row["size"]: _known(row["accuracy"]) for row in rows} for model, rows in models.items()}
        _draw(figures, accuracies, "final accuracy by size of the problem")
    if as_json:
        print_json({"models": models, "seed": seed, "out": out, "figures": figures})
        return
    for model, rows in models.items():
        columns = list(rows[0])
        table = [[_cell(row[name]) for name in columns] for row in rows]
        caption = "exact | rollouts with 95 % intervals; accuracy is that of submitted answers; predicted: by the minimal chain "
        caption += "with the exact p, a, b of all problems of a size, as if these were alike; attempts: the rollouts' mean"
        caption += undecided[model]
        if any(cell.endswith("*") for row in table for cell in row):
            caption += "; * the interval may be too narrow, since it rests on what few problems were like"
        print_table(model, columns, table, caption=caption)
    if out is not None:
        say(f"rollouts: {out} ({counted(sum(map(len, logs)), 'episode')}); dstheory anatomy {out}")
    _say_figures(figures)


def _known(value: dict[str, Any]) -> float:
    """Return the exact number, or where it is not known that of the rollouts."""
    return float(value["exact"] if value["exact"] is not None else str(value["rollouts"]).split()[0])


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        exact = "-" if value["exact"] is None else number(value["exact"])
        return f"{exact} | {value['rollouts']}"
    return str(value)


@command.command(short_help="Show one episode, token by token.")
@click.argument("checkpoint", required=False, type=click.Path(path_type=Path))
@click.option("--problem", default=None, metavar="XxY", help="Such as 1234x5678; default a held-out problem of --size.")
@click.option("--size", default="4x4", show_default=True, help="Size of the problem.")
@seed_option("Seed of the episode and of the problem.")
@json_option
def show(checkpoint: Path | None, problem: str | None, size: str, seed: int, as_json: bool) -> None:
    """Show one episode: every token as it was written, with its probability. Without CHECKPOINT: of the initial policy."""
    settings = arithmetic.Settings(seed=seed)
    start = arithmetic.TrainingRun(settings, arithmetic.initial_policy(settings))
    run = start if checkpoint is None else arithmetic.read_checkpoint(checkpoint)
    with as_usage():
        if problem is None:
            problems = arithmetic.draw_problems([arithmetic.parse_size(size)], 1, part="evaluation", rng=seed)
        else:
            parts = problem.lower().split("x")
            if len(parts) != 2 or not all(part.isdecimal() and len(part) < 100 for part in parts):
                raise click.UsageError(f"--problem is {cut(problem)!r}: must be two factors such as 1234x5678")
            problems = arithmetic.Problems.of([(int(parts[0]), int(parts[1]))])
    rollouts = arithmetic.roll_out(run.policy, problems, cap=run.settings.cap, rng=seed)
    lines = list(arithmetic.read_episode(run.policy, rollouts, 0))
    if as_json:
        print_json({"problem": problems.names[0], "seed": seed, "lines": lines})
        return
    echo("\n".join(lines))
