"""The commands beside the report: `dstheory anatomy formats`, `inspect`, `generate`, `schema` and `export-chain`."""

from __future__ import annotations

import shlex
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import dstheory
from dstheory import anatomy, readers
from dstheory.anatomy.generate import BUNDLED, FORMS, generate_log, parse_cell, write_made_log
from dstheory.cli.anatomy.options import (
    log_options,
    longest_episode,
    read_with,
    reading_options,
    request_of,
    texts_of,
    too_many_unusable,
)
from dstheory.cli.ending import as_usage
from dstheory.cli.options import Number, NumberRange, Whole, model_option, of_one_model, seed_option
from dstheory.cli.show import echo, json_option, number, print_json, print_table, progress_bar, say
from dstheory.errors import DSTheoryError
from dstheory.readers.records import DECIDED_BY, NOBODY
from dstheory.texts import counted

if TYPE_CHECKING:
    from dstheory.readers.batches import RecordBatch
    from dstheory.readers.layouts import Layout

_SHOWN = 3
_WIDEST = 60

_INSPECT = """\b
Examples:
  dstheory anatomy inspect samples.jsonl
  dstheory anatomy inspect rollouts.parquet --field correct=my_reward
"""


@click.command(name="formats")
@json_option
def formats(as_json: bool) -> None:
    """List the formats of logs that are recognised, and by which keys; one of your own is a TOML file (docs/log_formats.md)."""
    from dstheory.readers.formats import formats as known

    rows = [(format.name, format.title, list(format.keys)) for format in sorted(known(), key=lambda one: one.name)]
    if as_json:
        print_json({"formats": [dict(zip(("name", "title", "keys"), row, strict=True)) for row in rows]})
    else:
        table = [[name, title, ", ".join(keys)] for name, title, keys in rows]
        print_table("formats of logs", ["--format", "what", "recognised by"], table, words=3)


@click.command(name="inspect", epilog=_INSPECT)
@log_options
@json_option
def inspect(as_json: bool, **options: Any) -> None:
    """Say how logs are read, show three records of each as they were understood, and propose the command that measures them."""
    from dstheory.readers.log_files import Opened, expand
    from dstheory.readers.reading import Reading

    given = [word for word in sys.argv[1:] if word not in ("anatomy", "inspect", "--json")]
    found: list[dict[str, Any]] = []
    for file in expand(options["logs"]):
        reading = Reading([file], options["strict"])
        opened = Opened.of(file, request_of(options), reading)
        records: list[str] = []
        for batch in opened.batches(reading, texts_of(options)):
            records += [_record(batch, i) for i in range(min(len(batch.lengths), _SHOWN - len(records)))]
            if len(records) >= _SHOWN:
                break
        unusable = [reason[0] for reason in islice(reading.examples.values(), _SHOWN)]
        found.append({"file": str(file), "read_as": opened.layout.sentence, "parts": _parts(opened.layout), "records": records,
                      "unusable": unusable})  # fmt: skip
    following = f"dstheory anatomy {shlex.join(given)}"
    if as_json:
        print_json({"files": found, "next": following})
        return
    for one in found:
        say(f"{one['file']}: read as {one['read_as']}")
        for line in (*one["parts"], *one["records"], *(f"unusable: {reason}" for reason in one["unusable"])):
            say(f"  {line}")
    say(f"next: {following}")


def _parts(layout: Layout) -> list[str]:
    """Return where the parts of a record stand."""
    names = layout.names
    parts = {
        "rollouts": ("problem", "correct", *names.extra),
        "records": ("id", "problem", "attempts", "correct", "decision"),
        "table": ("id", "problem", "round", "correct", "decision"),
        "conversation": ("id", "problem", "messages"),
        "transcript": ("id", "problem", "transcript"),
    }[layout.reader]
    out = [", ".join(f"{part}: {getattr(names, part, part)}" for part in parts)]
    if layout.verdicts.words:
        out.append("right and wrong: " + ", ".join(f"{w}={str(v).lower()}" for w, v in layout.verdicts.words.items()))
    if layout.decisions:
        out.append("decisions: " + ", ".join(f"{word}={meaning}" for word, meaning in layout.decisions.items()))
    if layout.decided_by:
        out.append(f"decided by: {layout.decided_by}")
    if layout.format is not None and layout.format.note:
        out.append(f"note: {layout.format.note}")
    return out


def _record(batch: RecordBatch, i: int) -> str:
    start = int(batch.lengths[:i].sum())
    right = batch.correct[start : start + int(batch.lengths[i])].tolist()
    words = ["right" if one else "wrong" for one in right]
    end = " stop" if batch.stopped[i] else " (last decision not seen)" if len(right) > 1 or batch.caps[i] != 1 else ""
    codes_of, who = batch.labels.get(DECIDED_BY, (None, ()))
    if codes_of is not None and codes_of[i] >= 0 and who[codes_of[i]] == NOBODY:
        words, end = [", then ".join(words)], ""
    labels = {name: names[codes[i]] for name, (codes, names) in batch.labels.items() if name != DECIDED_BY and codes[i] >= 0}
    codes, problems = batch.problems
    said = "; ".join(f"{name} {_short(text)}" for name, text in {"problem": problems[codes[i]], **labels}.items())
    return f"{said}: {' resample, '.join(words)}{end}"


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= _WIDEST else plain[: _WIDEST - 3] + "..."


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
              help="Samples of each problem, in forms other than episodes (lm-eval: one).")  # fmt: skip
@click.option("--shift", type=Number(), default=0.0, show_default=True,
              help="In these forms: added to the log-odds of a right answer; above 0 for a better model.")  # fmt: skip
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
    made: dict[str, Any] = {"out": out, "form": form, "problems": problems, "seed": seed}
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
        wrote = f"{counted(written, 'record')} of {counted(problems, 'problem')}"
        say(f"{out}: {wrote}, as {form} writes them; shift {shift:g}, seed {seed}")
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
        anatomy.write_log(out, log, overwrite=overwrite, progress=update)
    if as_json:
        print_json({**made, "records": len(log), "cells": chosen})
        return
    rows = [[cell.model, cell.task, *map(number, (cell.p, cell.a, cell.b))] for cell in chosen]
    spread = f"p ~ Beta with concentration {concentration:g} over problems" if concentration else "problems are all alike"
    moves = concentration and cap != 1 and any(cell.a + cell.b != 1 for cell in chosen)  # else decisions say nothing of p
    other = "; its p over all attempts is another number, since problems that are tried again more often have more attempts"
    print_table(
        f"{out}: {counted(len(log), 'episode')}, {counted(len(log.correct), 'attempt')}",
        ["model", "task", "p", "a", "b"],
        rows,
        words=2,
        caption=f"the truth: mean p = P(correct) over problems, a = P(stop | correct), b = P(resample | wrong); {spread}; "
        f"cap {cap or 'none'}, seed {seed}. `dstheory anatomy` estimates this p by first answers" + other * bool(moves),
    )


@click.command(name="schema")
@json_option
def schema(as_json: bool) -> None:
    """Print the JSON Schema of a rollout record, one of which stands on each line of a log."""
    if as_json:
        print_json(anatomy.record_schema())
    else:
        echo(readers.json_text(anatomy.record_schema()))


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

    readers.refuse_overwrite(out, overwrite, inputs=options["logs"])
    log = read_with(options, labels=[by], quiet=as_json)
    episodes = of_one_model(log.episodes, model)
    made = anatomy.measured_chain(episodes, by=by, cap=max_turns, gamma=gamma)
    solution = dstheory.solve(made.mdp, made.policy)
    who = decided_by(episodes, anatomy.measure(episodes)[0])
    unusable = too_many_unusable(log, options["max_unusable"])
    if not unusable:
        readers.write_chain(out, made.mdp, made.policy, answers=made.answers, overwrite=overwrite)
    rates = {"p": solution.p, "a": solution.a, "b": solution.b, "accuracy": solution.mean_accuracy}
    if as_json:
        chain = {"prompts": made.mdp.correct.shape[0], "max_turns": made.mdp.max_turns}
        written = None if unusable else out
        print_json({"out": written, "reading": log.reading.to_dict(), "decided_by": who, **chain, **rates})
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
