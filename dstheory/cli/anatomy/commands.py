"""The commands beside the report: `dstheory anatomy generate`, `schema` and `export-chain`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dstheory.anatomy.generate import FORMS, write_made_log
from dstheory.cli.anatomy.options import log_options, longest_episode, read_with, reading_options, too_many_unusable
from dstheory.cli.echo import echo, json_option, say
from dstheory.cli.ending import as_usage
from dstheory.cli.numbers import Number, NumberRange, Whole
from dstheory.cli.options import model_option, of_one_model, seed_option
from dstheory.cli.show import number, print_json, print_table, progress_bar
from dstheory.errors import DSTheoryError

_MOST_EPISODES = 50_000_000
_LARGE = "all episodes are held in memory, some 100 bytes each; write several logs with other seeds"

_GENERATE = """\b
Examples:
  dstheory anatomy generate rollouts.jsonl
  dstheory anatomy generate rollouts.jsonl.gz --problems 1000 --concentration 2 --seed 3
  dstheory anatomy generate run.jsonl --form trainer --problems 320
  dstheory anatomy generate mine.jsonl --cell m,easy,0.8,0.9,0.7 --cell m,hard,0.3,0.9,0.5 --cap 4
"""

_EXPORT = """\b
Examples:
  dstheory anatomy export-chain rollouts.jsonl --model tuned --out chain.json
  dstheory simulate --mdp chain.json --length-weight 0.5
  dstheory anatomy export-chain rollouts.jsonl --by problem --out problems.json
"""


@click.command(name="generate", epilog=_GENERATE)
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--problems", type=Whole(1, 10_000_000, _LARGE), default=400, show_default=True, help="Problems of each task.")
@click.option("--cell", "cells", multiple=True, metavar="MODEL,TASK,P,A,B",
              help="A model on a task with its true p, a, b; repeatable. Default: two models on three tasks.")  # fmt: skip
@click.option("--cap", type=longest_episode(0), default=8, show_default=True, help="Largest number of attempts; 0 for none.")
@click.option("--concentration", type=NumberRange(min=0), default=4.0, show_default=True,
              help="c of Beta(p c, (1 - p) c) over problems; 0 for problems that are all alike.")  # fmt: skip
@click.option("--trials", type=Whole(1, 10_000_000, _LARGE), default=1, show_default=True,
              help="Episodes of each model per problem.")  # fmt: skip
@click.option("--form", type=click.Choice(["episodes", *FORMS]), default="episodes", show_default=True,
              help="What the log looks like: episodes, or what a trainer, a harness, a study of two turns writes.")  # fmt: skip
@click.option("--samples", type=Whole(1, 1_000_000, _LARGE), default=8, show_default=True,
              help="Of each problem, in the other forms (lm-eval: one).")  # fmt: skip
@click.option("--shift", type=Number(), default=0.0, show_default=True,
              help="In the other forms: added to the log-odds of a right answer, as a better model has.")  # fmt: skip
@seed_option("The same seed gives the same log.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@json_option
@click.pass_context
def generate(
    ctx: click.Context,
    out: Path,
    problems: int,
    cells: tuple[str, ...],
    cap: int,
    concentration: float,
    trials: int,
    form: str,
    samples: int,
    shift: float,
    seed: int,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write a synthetic log whose p, a and b are known, as JSON lines (packed if OUT ends in .gz, .zst or .bz2)."""
    from dstheory.anatomy.export import write_log
    from dstheory.anatomy.generate import BUNDLED, generate_log, parse_cell

    made: dict[str, Any] = {"out": str(out), "form": form, "problems": problems, "seed": seed}
    others = ("samples", "shift") if form == "episodes" else ("cells", "cap", "concentration", "trials")
    for name in others:
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            flag = "--cell" if name == "cells" else f"--{name}"
            raise click.UsageError(f"{flag} is not for the form {form}: leave it out, or choose another --form", ctx)
    if form != "episodes":
        written = write_made_log(out, form, problems, samples=samples, shift=shift, seed=seed, overwrite=overwrite)
        if as_json:
            print_json({**made, "records": written, "cells": []})
            return
        say(f"{out}: {written:,} records of {problems:,} problems, as {form} writes them; shift {shift:g}, seed {seed}")
        return
    with as_usage():
        chosen = [parse_cell(text) for text in cells] or list(BUNDLED)
    episodes = problems * trials * len(chosen)
    if episodes > _MOST_EPISODES:
        raise click.UsageError(f"--problems and --trials make {episodes:,} episodes, more than {_MOST_EPISODES:,}: {_LARGE}")
    log = generate_log(
        problems,
        cells=chosen,
        cap=cap,
        concentration=concentration or None,
        episodes_per_problem=trials,
        seed=seed,
    )
    with progress_bar("writing records", len(log), quiet=as_json) as update:
        write_log(out, log, overwrite=overwrite, progress=update)
    if as_json:
        print_json({**made, "records": len(log), "cells": chosen})
        return
    rows = [[cell.model, cell.task, *map(number, (cell.p, cell.a, cell.b))] for cell in chosen]
    spread = f"p ~ Beta with concentration {concentration:g} over problems" if concentration else "problems are all alike"
    print_table(
        f"{out}: {len(log):,} episodes, {len(log.correct):,} attempts",
        ["model", "task", "p", "a", "b"],
        rows,
        words=2,
        caption=f"the truth: mean p = P(correct) over problems, a = P(stop | correct), b = P(resample | wrong); {spread}; "
        f"cap {cap or 'none'}, seed {seed}. `dstheory anatomy` estimates this p by first answers; its p over all attempts is "
        "another number, since problems that are tried again more often have more attempts",
    )


@click.command(name="schema")
@json_option
def schema(as_json: bool) -> None:
    """Print the JSON Schema of a rollout record, one of which stands on each line of a log."""
    from dstheory.anatomy.logs import record_schema
    from dstheory.readers import json_text

    if as_json:
        print_json(record_schema())
    else:
        echo(json_text(record_schema()))


@click.command(name="export-chain", epilog=_EXPORT)
@log_options
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE",
              help="The chain file: .json or .toml (also .csv, .parquet, .jsonl where there is no cap).")  # fmt: skip
@click.option("--by", default="task", show_default=True, metavar="FIELD",
              help="Its labels become prompts; `problem` gives every problem its own p.")  # fmt: skip
@model_option
@click.option("--max-turns", type=Whole(0, 1_000_000, "every turn is held and solved; give 0 for no cap"), default=None,
              help="Cap of the chain, 0 for none; default the log's, if it has one.")  # fmt: skip
@click.option("--gamma", type=NumberRange(0, 1), default=1.0, show_default=True, help="Discount of the chain.")
@reading_options
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@json_option
def export_chain(
    out: Path, by: str, model: str | None, max_turns: int | None, gamma: float, overwrite: bool, as_json: bool, **options: Any
) -> None:
    """Turn the p, a, b that a log shows into the initial policy of a chain."""
    from dstheory.anatomy.answers import decided_by
    from dstheory.anatomy.export import measured_chain
    from dstheory.anatomy.rates import measure
    from dstheory.chain.exact import solve
    from dstheory.readers import refuse_overwrite, write_chain

    refuse_overwrite(out, overwrite, inputs=options["logs"])
    log = read_with(options, labels=[by], quiet=as_json)
    episodes = of_one_model(log.episodes, model)
    made = measured_chain(episodes, by=by, cap=max_turns, gamma=gamma)
    solution = solve(made.mdp, made.policy)
    who = decided_by(episodes, measure(episodes)[0])
    unusable = too_many_unusable(log, options["max_unusable"])
    if not unusable:
        write_chain(out, made.mdp, made.policy, answers=made.answers, overwrite=overwrite)
    rates = {"p": solution.p, "a": solution.a, "b": solution.b, "accuracy": solution.mean_accuracy}
    if as_json:
        chain = {"prompts": made.mdp.correct.shape[0], "max_turns": made.mdp.max_turns}
        written = {"out": None if unusable else str(out)}
        print_json({**written, "reading": log.reading.to_dict(), "decided_by": who, **chain, **rates})
    else:
        for line in log.reading.lines():
            say(line)
        if who not in ("model", "model (assumed)"):
            say(f"note: decided by: {who}; so a and b of this chain are not the model's")
        if not unusable:
            shown = (f"{name} {value:.3f}" if value == value else f"{name} - (no decisions)" for name, value in rates.items())
            say(f"{out}: {made.mdp!r}; {', '.join(shown)}")
            say(f"next: dstheory simulate --mdp {out}")
    if unusable:
        raise DSTheoryError(f"{unusable}; nothing was written")
