"""`dstheory anatomy generate`: the bundled synthetic log, or one with p, a, b of one's own."""

from __future__ import annotations

from pathlib import Path

import click

from dstheory.cli.options import seed_option

__all__ = ["command"]

EPILOG = """\b
Examples:
  dstheory anatomy generate rollouts.jsonl
  dstheory anatomy generate rollouts.jsonl.gz --problems 1000 --concentration 2 --seed 3
  dstheory anatomy generate mine.jsonl --cell m,easy,0.8,0.9,0.7 --cell m,hard,0.3,0.9,0.5 --cap 4
"""


@click.command(name="generate", epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--problems", type=click.IntRange(min=1), default=400, show_default=True, help="Problems of each task.")
@click.option("--cell", "cells", multiple=True, metavar="MODEL,TASK,P,A,B",
              help="A model on a task with its true p, a, b; repeatable. Default: two models on three tasks.")  # fmt: skip
@click.option("--cap", type=click.IntRange(min=0), default=8, show_default=True, help="Largest number of attempts; 0 for none.")
@click.option("--concentration", type=float, default=4.0, show_default=True,
              help="c of Beta(p c, (1 - p) c) over problems; 0 for problems that are all alike.")  # fmt: skip
@click.option("--trials", type=click.IntRange(min=1), default=1, show_default=True, help="Episodes of each model per problem.")
@seed_option("The same seed gives the same log.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
def command(
    out: Path, problems: int, cells: tuple[str, ...], cap: int, concentration: float, trials: int, seed: int, overwrite: bool
) -> None:
    """Write a synthetic log whose p, a and b are known, as JSON lines (packed if OUT ends in .gz, .zst or .bz2)."""
    from dstheory.anatomy.synthetic import BUNDLED, generate_log, parse_cell
    from dstheory.anatomy.writing import write_log
    from dstheory.cli.show import number, print_table, progress_bar

    chosen = [parse_cell(text) for text in cells] or list(BUNDLED)
    log = generate_log(
        problems,
        cells=chosen,
        cap=cap,
        concentration=concentration or None,
        episodes_per_problem=trials,
        seed=seed,
    )
    with progress_bar("writing records", len(log), quiet=False) as update:
        write_log(out, log, overwrite=overwrite, progress=update)
    rows = [[cell.model, cell.task, *map(number, (cell.p, cell.a, cell.b))] for cell in chosen]
    spread = f"p ~ Beta with concentration {concentration:g} over problems" if concentration else "problems are all alike"
    print_table(
        f"{out}: {len(log):,} episodes, {len(log.correct):,} attempts",
        ["model", "task", "p", "a", "b"],
        rows,
        words=2,
        caption=f"the truth: mean p = P(correct), a = P(stop | correct), b = P(resample | wrong); {spread}; "
        f"cap {cap or 'none'}, seed {seed}",
    )
