"""`dstheory anatomy LOG...`: measure p, a, b; say whether resampling helps, what to expect, and who is better at what."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dstheory import anatomy, plots, readers
from dstheory.cli.anatomy.options import biased, log_options, read_with, reading_options, too_many_unusable
from dstheory.cli.figures import drawing_options, figures_as_asked, fresh_directory
from dstheory.cli.options import NumberRange, Whole, seed_option
from dstheory.cli.show import echo, json_option, live_console, print_json, say
from dstheory.errors import DSTheoryError
from dstheory.texts import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dstheory.anatomy.surveys import Survey

EPILOG = """\b
Examples:
  dstheory anatomy generate rollouts.jsonl
  dstheory anatomy rollouts.jsonl
  dstheory anatomy rollouts.jsonl --compare base tuned --report report.html
  dstheory anatomy before.jsonl after.jsonl --compare before.jsonl after.jsonl
  dstheory anatomy rollouts/ --correct 'reward>=1'
  dstheory anatomy samples.jsonl --where filter=strict-match
  dstheory anatomy samples.jsonl --decision-score verifier.score
  dstheory anatomy samples.jsonl --field answer=pred[] --votes 8
  dstheory anatomy rollouts.jsonl --follow
  dstheory anatomy game.jsonl --field cap=max_attempts --decision continue=resample,stop=stop
  dstheory anatomy transcripts.jsonl --checker countdown --segment expressions

\b
Other anatomy commands (each with --help):
  dstheory anatomy formats        list the formats of logs that are recognised
  dstheory anatomy inspect        say how a log is read, and show three of its records
  dstheory anatomy generate       write a synthetic log with known p, a, b
  dstheory anatomy schema         print the JSON Schema of a record
  dstheory anatomy export-chain   turn a log into a chain for `dstheory simulate --mdp`

\b
Exit codes:
  0  fine
  1  unusable input, or a larger share of records unusable than --max-unusable
  2  usage
"""


class _Context(click.Context):
    """`anatomy report LOG` is called `anatomy` wherever its name is shown: nobody has to type the rest."""

    @property
    def command_path(self) -> str:
        """The words that begin the command."""
        return super().command_path if self.parent is None else self.parent.command_path


class _Report(click.Command):
    context_class = _Context


@click.command(name="anatomy", cls=_Report, epilog=EPILOG)
@log_options
@click.option("--by", default="task", show_default=True, metavar="FIELD",
              help="Measure each label of this field separately: task, difficulty, or any key of the records.")  # fmt: skip
@click.option("--across", default=None, metavar="FIELD",
              help="Analyse each label of this field separately; default model, or log where two logs are compared.")  # fmt: skip
@click.option("--compare", "compared", nargs=2, default=None, metavar="A B",
              help="Split the difference in accuracy from A to B, two models (or labels of --across, or logs).")  # fmt: skip
@click.option("--compare-at", type=Whole(0, 1_000_000, "every attempt is summed; give 0 for no cap"), default=None,
              help="Cap at which they are compared, 0 for none; default the one both have.")  # fmt: skip
@click.option("--cost", type=NumberRange(min=0), default=0.01, show_default=True,
              help="Price of one attempt in units of accuracy, for the recommended cap.")  # fmt: skip
@click.option("--decision-score", default=None, metavar="PLACE",
              help="Where a verifier's score is found, to be judged as the decision to accept or resample.")  # fmt: skip
@click.option("--votes", type=Whole(2, 1_000_000, "no problem has so many samples; give fewer"), default=None, metavar="K",
              help="Judge self-consistency as the decision: do K samples agree?")  # fmt: skip
@click.option("--level", type=NumberRange(0, 1, min_open=True, max_open=True), default=0.95, show_default=True,
              help="Coverage of the intervals.")  # fmt: skip
@seed_option("Seed of folds, random halves and simulated logs.")
@click.option("--out", type=click.Path(path_type=Path), default=None, metavar="DIR",
              help="Directory for figures, anatomy.json and manifest; default results/anatomy, numbered if taken.")  # fmt: skip
@drawing_options()
@click.option("--report", type=click.Path(path_type=Path), default=None, metavar="FILE.html",
              help="Also write one HTML file: the answers in plain words, figures, tables.")  # fmt: skip
@click.option("--brief", is_flag=True, help="Print the answers and what was read, no tables.")
@click.option("--details", is_flag=True, help="Also print checks, predictions, rounds and caps as tables.")
@click.option("--overwrite", is_flag=True, help="Replace earlier results.")
@click.option("--follow", is_flag=True, help="Show p, a, b, pass@k as the log grows, until Ctrl-C; with --json a line each time.")
@click.option("--interval", type=NumberRange(min=0, min_open=True), default=2.0, show_default=True,
              help="With --follow: seconds between two looks at the log.")  # fmt: skip
@reading_options
@json_option
def command(
    as_json: bool,
    out: Path | None,
    report: Path | None,
    overwrite: bool,
    brief: bool,
    details: bool,
    follow: bool,
    interval: float,
    **options: Any,
) -> None:
    """Measure sampling (p) and decisions (a, b) on rollouts of a model that answers, checks, and stops or resamples.

    p = P(correct), a = P(stop | correct), b = P(resample | wrong), with intervals; tests of the model; accuracy predicted for
    problems that were not used in the fit; what perfect decisions and none would give; a recommended cap.
    """
    from dstheory.anatomy.score_rule import FIELD
    from dstheory.cli.anatomy.document import document, print_sections, what_was_read

    if follow:
        from dstheory.cli.anatomy.follow import follow as keep_showing

        keep_showing({**options, "out": out, "report": report, "interval": interval}, as_json=as_json)
        return
    if brief and details:
        raise click.UsageError("--brief leaves out all tables and --details asks for more of them: give one of them")
    began = time.monotonic()
    if report is not None:
        readers.refuse_overwrite(report, overwrite, inputs=options["logs"])
    by, across = options["by"], options["across"]
    score = options["decision_score"]
    fields = options["fields"] if score is None else (*options["fields"], (FIELD, score))
    labels = [by, *([across] if across else []), *([] if score is None else [FIELD])]
    log = read_with({**options, "fields": fields}, labels=labels, quiet=as_json)
    if why := biased(log, options["max_unusable"]):
        for line in () if as_json else log.reading.lines():
            say(line)
        raise DSTheoryError(why)
    unusable = too_many_unusable(log, options["max_unusable"])
    with _status(quiet=as_json) as progress:
        own = ("by", "across", "compared", "compare_at", "votes", "cost", "level", "seed")
        chosen = {name: options[name] for name in own} | {"decision_score": None if score is None else FIELD}
        found = anatomy.survey(log.episodes, **chosen, reading=log.reading, progress=progress)
        target = None if unusable else out or fresh_directory(Path("results/anatomy"))
        report = None if unusable else report
        if target is not None:
            progress("drawing")
            with readers.results_directory(target, overwrite=overwrite) as directory:
                _write(directory, found, options, time.monotonic() - began)
        if report is not None:
            _write_report(report, found, overwrite)
    if as_json:
        print_json({**found.to_dict(), "out": target, "report": report})
    else:
        _print_conclusions(found)
        if not brief:
            say("Next: what was read, and the tables behind these answers; --brief leaves the tables out.\n")
        print_sections(what_was_read(found) if brief else document(found), details=details)
        if target is not None:
            echo(f"figures, numbers and manifest: {target}" + (f"; report: {report}" if report else ""))
    if unusable:
        raise DSTheoryError(f"{unusable}; nothing was written")


def _print_conclusions(found: Survey) -> None:
    """Print the answers: of all but the first the short form."""
    from dstheory.cli.anatomy.conclusions import conclusions

    for place, one in enumerate(conclusions(found)):
        say(f"{one.question} {one.short[:1].upper()}{one.short[1:]}.")
        for sentence in one.sentences if place == 0 else ():
            say(f"  {sentence}")
    echo()


def _title(found: Survey) -> str:
    files = found.reading.files if found.reading is not None else []
    return ", ".join(Path(file).name for file in files[:3]) + (", ..." if len(files) > 3 else "")


def _write(directory: Path, found: Survey, options: dict[str, Any], seconds: float) -> None:
    with figures_as_asked():
        plots.save_figure(plots.anatomy_figure(found, title=_title(found)), directory / "anatomy")
        if any(group.held_out is not None for group in found.groups):
            plots.save_figure(plots.rounds_figure(found, title=_title(found)), directory / "rounds")
        if any(group.one_shot is not None and group.one_shot.scores is not None for group in found.groups):
            plots.save_figure(plots.grid_figure([[plots.roc_panel(found)]], title=_title(found)), directory / "roc")
    (directory / "anatomy.json").write_text(readers.json_text(found.to_dict()), encoding="utf-8")
    plain = {k: [str(x) for x in v] if k == "logs" else str(v) if isinstance(v, Path) else v for k, v in options.items()}
    command = ["dstheory", *sys.argv[1:]]
    manifest = {"command": command, "parameters": plain, "seed": options["seed"], "wall_seconds": round(seconds, 3)}
    readers.write_manifest(directory, manifest)


def _write_report(path: Path, found: Survey, overwrite: bool) -> None:
    from dstheory.cli.anatomy.page import html_report

    panels = plots.anatomy_panels(found)
    if any(group.one_shot is not None and group.one_shot.scores is not None for group in found.groups):
        panels.append(plots.roc_panel(found))
    with readers.atomic_path(path, overwrite=overwrite) as temporary:
        temporary.write_text(html_report(found, panels, title=_title(found), command=sys.argv[1:]), encoding="utf-8")


@contextmanager
def _status(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    from rich.text import Text

    console = live_console(quiet=quiet)
    if console is None:
        yield lambda text: None
        return
    with console.status("measuring") as status:
        yield lambda text: status.update(Text(printable(text)))
