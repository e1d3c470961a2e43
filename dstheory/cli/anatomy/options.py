"""Options that the anatomy commands share: which logs, read how."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dstheory.cli.options import NumberRange, Whole, applied, said_once, workers_options
from dstheory.cli.show import live_console
from dstheory.errors import DSTheoryError
from dstheory.readers.records import DECIDERS
from dstheory.texts import counted

if TYPE_CHECKING:
    from dstheory.anatomy.logs import Log
    from dstheory.readers.layouts import Request
    from dstheory.readers.transcripts import TextSettings


class Renamed(click.ParamType[tuple[str, str]]):
    """``part=key``: where something stands in a log; or, as a ``value``, what must stand there, which may be nothing."""

    def __init__(self, example: str, *, value: bool = False) -> None:
        self.example, self.value = example, value
        self.name = "KEY=VALUE" if value else "PART=KEY"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Split at the first equals sign."""
        if isinstance(value, tuple):
            return value[0], value[1]
        part, sign, key = str(value).partition("=")
        if not sign or not part or not (key or self.value):
            self.fail(f"{value!r} is not {self.name}: for example {self.example}", param, ctx)
        return part.strip(), key if self.value else key.strip()


def longest_episode(low: int) -> Whole:
    """Return the type of options that say how many attempts there may be, from ``low`` on."""
    return Whole(low, 1_000_000_000, "no episode has so many attempts; give fewer")


log_options = applied([
    click.argument("logs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="LOG..."),
    click.option("--format", "format", metavar="NAME|FILE.toml", default=None,
                 help="Format of the logs, see `dstheory anatomy formats`; default: recognised by their keys."),
    click.option("--reader", type=click.Choice(["auto", "rollouts", "records", "table", "conversation", "transcript"]),
                 default="auto", show_default=True,
                 help="What a record is, where no format says it: one attempt (rollouts, or attempts of an episode in a table), "
                 "an episode, a conversation, a text."),
    click.option("--field", "fields", type=Renamed("cap=max_attempts"), multiple=True, callback=said_once,
                 help="Where a part of a record is found, e.g. cap=max_attempts, gold=extra.gold, correct=score[]; repeatable."),
    click.option("--correct", metavar="RULE", multiple=True,
                 help="Which values are right: C=true,I=false, or 'score>=1'."),
    click.option("--decision", metavar="WORD=DECISION", multiple=True,
                 help="What decisions are called: continue=resample,stop=stop."),
    click.option("--where", type=Renamed("filter=none", value=True), multiple=True, callback=said_once,
                 help="Read only records that hold this, e.g. filter=strict-match, or nothing: filter=; repeatable."),
    click.option("--turns", metavar="PLACE,PLACE", default="",
                 help="Keys that say whether successive answers are right, where nobody decided between them: "
                 "baseline_score,comparison_score, or steps[].correct."),
    click.option("--decided-by", type=click.Choice(DECIDERS), default=None,
                 help="Who decided whether to go on; default what the log shows."),
    click.option("--cap", type=longest_episode(1), default=None,
                 help="Largest number of attempts, for records without one."),
    click.option("--checker", metavar="NAME|FILE.py:FUNCTION", default=None,
                 help="What decides which answers in texts are correct: countdown, 24, final-answer, or a function (answer, "
                      "record) of yours."),
    click.option("--gold", type=click.Path(), metavar="FILE", default=None,
                 help="Right answers, where the logs do not hold them: JSON, CSV or Parquet, joined by an id or by the prompt."),
    click.option("--segment", type=click.Choice(["expressions", "tags", "markers", "pattern"]), default=None,
                 help="How attempts are found in texts."),
    click.option("--pattern", metavar="REGEX", default=None, help="RE2 expression whose matches are attempts."),
    click.option("--markers", metavar="WORD,WORD", default=None, help="Words that begin a new attempt; default wait, hmm, ..."),
    click.option("--no-answer", type=click.Choice(["wrong", "omit"]), default=None,
                 help="What a text without an answer is: a wrong answer (default), or no record."),
    click.option("--strict", is_flag=True, help="Stop at the first unusable record."),
    click.option("--max-unusable", type=NumberRange(0, 1), default=0.05, show_default=True,
                 help="Exit 1 if a larger share of the records was unusable."),
])  # fmt: skip
"""Which logs are read, and how."""

reading_options = workers_options("Processes that read files in parallel; the numbers stay the same.")


def read_with(options: dict[str, Any], *, labels: Sequence[str] = (), quiet: bool) -> Log:
    """Read the logs that the options name, with a bar that counts records."""
    from dstheory.anatomy.logs import read

    request, how = request_of(options, labels), {name: options[name] for name in ("cap", "strict", "workers", "scheduler")}
    with _records_bar(options["logs"], quiet=quiet) as progress:
        return read(options["logs"], request, texts_of(options), **how, progress=progress)


def request_of(options: dict[str, Any], labels: Sequence[str] = ()) -> Request:
    """Return what the options say about the logs."""
    from dstheory.readers.layouts import Request
    from dstheory.readers.log_files import with_answers

    known = ("task", "difficulty", "model", "log", "problem", "round")
    request = Request.of(
        options["reader"],
        options["format"],
        dict(options["fields"]),
        options["correct"],
        options["decision"],
        dict(options["where"]),
        [label for label in labels if label not in known],
        options["turns"] or (),
        options["decided_by"],
    )
    return with_answers(request, options["gold"])


def texts_of(options: dict[str, Any]) -> TextSettings:
    """Return what the options say about texts."""
    from dstheory.readers.transcripts import TextSettings

    markers = options["markers"]
    words = None if markers is None else [word.strip() for word in markers.split(",")]
    return TextSettings(options["checker"], options["segment"], options["pattern"], words, options["no_answer"])


def biased(log: Log, allowed: float) -> str:
    """Return why there are no numbers, where what happened in too many records made them unusable; "" where there are."""
    reading = log.reading
    if reading.unexpected <= allowed * reading.records:
        return ""
    return (
        f"{_unusable(reading.unexpected, reading.records)} because of what happened there, more than "
        f"--max-unusable {allowed:g}, and the others alone say nothing about p, a and b: correct the log, or allow more"
    )


def too_many_unusable(log: Log, allowed: float) -> str:
    """Return what to say where a larger share of the records than allowed was unusable; "" where it was not."""
    reading = log.reading
    unusable = reading.unusable - (reading.depends_on_outcome - reading.unexpected)
    if unusable <= allowed * reading.records:
        return ""
    return (
        f"{_unusable(unusable, reading.records)} ({100 * unusable / reading.records:.2g} %), "
        f"more than --max-unusable {allowed:g}: correct the log, or allow more"
    )


def _unusable(some: int, records: int) -> str:
    return f"{some:,} of {counted(records, 'record')} {'was' if some == 1 else 'were'} unusable"


@contextmanager
def _records_bar(logs: Sequence[Path], *, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Show on a terminal how many records and bytes were read."""
    from dstheory.readers.log_files import expand

    console = live_console(quiet=quiet)
    if console is None:
        yield None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn  # not where none is shown

    try:
        total = sum(map(os.path.getsize, expand(logs)))
    except (OSError, DSTheoryError):
        total = 0  # the reader will say what is wrong
    records = TextColumn("{task.fields[records]:,} records")
    with Progress(
        TextColumn("reading"), BarColumn(), records, DownloadColumn(), TimeRemainingColumn(), console=console, transient=True
    ) as bar:
        task = bar.add_task("reading", total=total or None, records=0)
        yield lambda records, done: bar.update(task, completed=done, records=records)
