"""`dstheory anatomy formats` and `inspect`: which formats of logs there are, and how a given log is read."""

from __future__ import annotations

import shlex
import sys
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from dstheory.cli.anatomy.options import log_options, request_of, texts_of
from dstheory.cli.echo import json_option, say
from dstheory.cli.show import print_json, print_table
from dstheory.readers.records import DECIDED_BY, NOBODY

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
    """Return a record as it was understood."""
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
