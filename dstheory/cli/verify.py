"""`dstheory verify`: check the claims and compare each verdict with the recorded one."""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dstheory import readers
from dstheory.claims.verdicts import EXAMPLES, LONGEST_TIME_LIMIT, SEED, TIME_LIMIT
from dstheory.cli import completion
from dstheory.cli.options import NumberRange, Whole, processes
from dstheory.cli.show import echo, is_plain, json_option, print_json, print_table, progress_bar, say
from dstheory.errors import UnknownClaimError
from dstheory.interrupts import deferred_interrupts, owe, settle
from dstheory.texts import columns_of_terminal, counted, printable

if TYPE_CHECKING:
    from rich.table import Table

    from dstheory.claims.claim import Claim
    from dstheory.claims.runner import Report

_LEFT_OUT = {"time": 120, "method": 120, "source": 110, "scope": 100}
"""Columns that are left out of tables where a line has fewer characters; method and scope then stand below the statement."""
_BALANCED = (
    "balanced: an answer and the decision on it have one coefficient, the number that multiplies the gradients of their "
    "log-probabilities. That is a property of how an update is written, not of its mean: every update on the policy's own "
    "responses has a balanced form of the same mean (B3-every). By hand: a reward of 1 is the coefficient of both; a KL in "
    "the loss charges a right answer log(0.55/0.5) = 0.095 and the stop at it log(0.8/0.7) = 0.134, where p and a are 0.55 "
    "and 0.8 and the reference's 0.5 and 0.7. So a KL in the loss is not balanced (O1-tokens). In SFT with length weight "
    "lambda an answer of l_s tokens and its decision of l_d have coefficients in the ratio (l_s/l_d)^lambda: balanced if "
    "lambda = 0 (O1-sft), not if lambda > 0 and l_s differs from l_d (C1). The full gradient of a KL is balanced if "
    "l_s^lambda is the same for all answers of a prompt (D2)."
)
"""What claims on coefficients are about."""
_FORMATS = ["table", "json", "junit", "markdown", "latex"]

EPILOG = """\b
Exit codes:
  0  every claim got its recorded verdict
  1  a claim or a claim file crashed or is not well posed
  2  usage: there is no such claim
  3  a claim got another verdict than recorded
  4  a claim could not be decided
  (the first of 1, 3, 4 that applies)

\b
Examples:
  dstheory verify
  dstheory verify --show B2
  dstheory verify 2601.01580 --format markdown
  dstheory verify examples/my_claim.py
  dstheory verify --kernel A3 A3-loose
  dstheory verify --export coq theorems
"""


_EXAMPLES = Whole(1, 10_000_000, "each is evaluated exactly in every search; give fewer")


@click.command(name="verify", epilog=EPILOG)
@click.argument("names", nargs=-1, metavar="[ID|GROUP|ARXIV|PATH]...", shell_complete=completion.claims)
@click.option(
    "--show", "shown", multiple=True, is_flag=False, flag_value="", metavar="ID", shell_complete=completion.claims,
    help="Check this claim and print it whole, with its proof.",
)  # fmt: skip
@click.option("--list", "listing", is_flag=True, help="List the claims without checking them.")
@click.option("--group", "groups", multiple=True, metavar="GROUP", help="Only claims of this group (repeatable).")
@click.option("--format", "style", type=click.Choice(_FORMATS), default="table", show_default=True, help="Output format.")
@click.option("--standalone", is_flag=True, help="With --format latex: a complete document.")
@click.option("--examples", type=_EXAMPLES, default=EXAMPLES, show_default=True, help="Examples of each search.")
@click.option("--seed", type=click.IntRange(min=0), default=SEED, show_default=True, help="Seed of solver and searches.")
@click.option(
    "--time-limit",
    type=NumberRange(min=0.1, max=LONGEST_TIME_LIMIT),
    default=TIME_LIMIT,
    show_default=True,
    help="Seconds of processor time per claim; what takes longer is undecided.",
)
@click.option(
    "--cache",
    type=click.Path(file_okay=False),
    default=None,
    metavar="DIR",
    help="Keep verdicts there, and reuse them as long as nothing they depend on has changed.",
)
@click.option("--workers", type=processes, default=None, help="Processes; by default one per core.")
@click.option(
    "--export",
    "exported",
    type=(click.Choice(["coq"]), click.Path(file_okay=False)),
    metavar="coq DIR",
    help="Write the claims as theorems of Coq to a new directory, and check nothing.",
)
@click.option("--kernel", is_flag=True, help="Let Coq check the claims, too; if it refuses a proof, report that and end with 3.")
@click.option("--coqc", default="coqc", show_default=True, metavar="PATH", help="Coq's compiler, for --kernel.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier export in DIR.")
@json_option
def command(
    names: tuple[str, ...],
    shown: tuple[str, ...],
    listing: bool,
    groups: tuple[str, ...],
    style: str,
    standalone: bool,
    as_json: bool,
    exported: tuple[str, str] | None,
    kernel: bool,
    coqc: str,
    overwrite: bool,
    **options: Any,
) -> int:
    """Check claims and compare each verdict with the recorded one.

    Without arguments all claims of the package are checked. A claim is named by its id, by its group, by the arXiv number of its
    source, or by the path of a Python file that defines it, or of a directory of such files.
    """
    from dstheory.claims.runner import list_claims, verify

    style = "json" if as_json else style
    if "" in shown:
        raise click.UsageError("--show needs the id of a claim, such as --show A3; dstheory verify --list shows all of them")
    if standalone and style != "latex":
        raise click.UsageError(f"--standalone is for --format latex, not for --format {style}")
    if listing and style not in ("table", "json"):
        raise click.UsageError(f"--list prints a table or JSON, not {style}")
    if exported and (listing or kernel):
        raise click.UsageError("--export goes with neither --list nor --kernel: give one of them")
    if kernel:
        from dstheory.coq.check import find_coqc

        coqc = find_coqc(coqc)
    try:
        if exported:
            return _export(list_claims(*names, *shown, groups=groups), exported[1], overwrite, as_json)
        if listing:
            _print_list(list_claims(*names, *shown, groups=groups), style)
            return 0
        with progress_bar("loading the claims") as update:

            def progress(done: int, total: int, name: str) -> None:
                update(done, total=total, description=f"checking: {printable(name)} done")

            report = verify(*names, *shown, groups=groups, progress=progress, **options)
    except UnknownClaimError as error:
        raise click.UsageError(str(error)) from error
    if not report.entries:
        raise click.UsageError("no claim is left to check: the names and the groups have none in common")
    said, refused = "", False
    if kernel:
        report, said, refused = _confirmed(report, coqc, options["workers"])
    _print_report(report, style, said, whole=bool(shown), standalone=standalone)
    if report.damaged:
        echo(f"{options['cache']}: {counted(report.damaged, 'file')} not used: damaged, or not a kept verdict", err=True)
    if said and style != "json":
        echo(said, err=style != "table")
    return report.exit_code or (3 if refused else 0)


def _claims(infos: Sequence[Mapping[str, Any]]) -> list[Claim]:
    from dstheory.claims.sources import load_claims

    files = {info["path"]: load_claims(Path(info["path"])) for info in infos}
    return [files[info["path"]][info["id"]] for info in infos]


def _export(infos: Sequence[Mapping[str, Any]], out: str, overwrite: bool, as_json: bool) -> int:
    """Write the theorems; say how much of the claims they are."""
    from dstheory.coq.export import export

    if not infos:
        raise click.UsageError("no claim is left to export: the names and the groups have none in common")
    start = time.monotonic()
    with readers.results_directory(out, overwrite=overwrite) as directory:
        parts = export(_claims(infos), directory)
        parameters = {"claims": [info["id"] for info in infos]}
        seconds = time.monotonic() - start
        command = {"command": "verify --export coq", "parameters": parameters, "seed": 0, "wall_seconds": seconds}
        readers.write_manifest(directory, command)
    whole = sum(part.whole for part in parts)
    steps = sum(len(part.missing) for part in parts)
    if as_json:
        print_json({"claims": len(parts), "whole": whole, "steps_left": steps, "out": out})
        return 0
    left = f"; {steps} of the steps of the others not: manifest.json says why" if steps else ""
    echo(f"{whole} of {counted(len(parts), 'claim')} exported whole{left}")
    for part in parts:
        for step, why in part.missing.items():
            echo(printable(f"{part.claim.id}: {step} is not exported: {why}"))
    echo(f"check them with Coq alone: make -C {out}")
    return 0


def _confirmed(report: Report, coqc: str, workers: int | None) -> tuple[Report, str, bool]:
    """Let Coq check the claims of a report whose verdicts are as recorded; say which it confirms."""
    from dstheory.claims.runner import available_cores
    from dstheory.coq.check import check
    from dstheory.coq.export import export

    infos = [entry.info for entry in report.entries if entry.as_recorded and entry.info["id"] and "own" in entry.info]
    key = object()
    try:
        with deferred_interrupts():
            folder = tempfile.TemporaryDirectory(prefix="dstheory-coq-")
            owe(key, folder.cleanup)
        parts = export(_claims(infos), Path(folder.name))
        found = {answer.claim: answer for answer in check(parts, Path(folder.name), coqc, workers=workers or available_cores())}
    finally:
        settle(key)
    entries, confirmed, refused, left = [], 0, list[str](), list[str]()
    for entry in report.entries:
        answer, verdict = found.get(entry.info["id"]), entry.verdict
        if answer is not None and answer.confirmed:
            confirmed += 1
            verdict = replace(verdict, method=", ".join(filter(None, [verdict.method, "kernel", answer.message])))
        elif answer is not None and answer.refused:
            refused.append(f"{answer.claim}: not confirmed by the kernel: {answer.message}")
            verdict = replace(verdict, method=f"{verdict.method}, not confirmed by the kernel")
        elif answer is not None:
            left.append(f"{answer.claim}: not checked by the kernel: {answer.message}")
        entries.append(replace(entry, verdict=verdict))
    unasked = len(report.entries) - len(infos)
    rest = f"; not exported whole, or not confirmed over real numbers: {len(left)}" if left else ""
    rest += f"; not asked: {unasked}, with verdicts that are not as recorded" if unasked else ""
    said = f"Coq confirms {confirmed} of {counted(len(report.entries), 'claim')}, refuses {len(refused)}{rest}."
    return replace(report, entries=tuple(entries)), "\n".join([said, *map(printable, [*refused, *left])]), bool(refused)


def _print_list(claims: Sequence[Mapping[str, Any]], style: str) -> None:
    from dstheory.claims import reports

    if style == "json":
        print_json({"claims": [reports.public(info) for info in claims]})
    else:
        _print_table(reports.list_table(claims))


def _print_report(report: Report, style: str, kernel: str, *, whole: bool, standalone: bool) -> None:
    from dstheory.claims import reports

    if style == "json":
        print_json(reports.report_data(report) | ({"kernel": kernel} if kernel else {}))
    elif style == "junit":
        echo(reports.junit_report(report))
    elif style == "markdown":
        echo(reports.markdown_claims(report.entries) if whole else reports.markdown_report(report))
    elif style == "latex":
        body = reports.latex_claims(report.entries) if whole else reports.latex_report(report)
        echo(reports.latex_document(body) if standalone else body)
    elif whole:
        width = 100 if is_plain() else min(100, columns_of_terminal())
        echo("\n".join(reports.claim_text(entry, width=width) for entry in report.entries))
    else:
        _print_table(reports.verdict_table(report))
        echo()
        if any(entry.info["level"] == "coefficient" for entry in report.entries):
            say(f"{_BALANCED}\n")
        say(reports.summary(report))


def _print_table(table: Table) -> None:
    """Print a table as wide as the terminal, or as COLUMNS says; where that is narrow, statements get other columns' room."""
    from rich.console import Console

    if is_plain():
        head = [str(column.header) for column in table.columns]
        rows = zip(*([str(cell) for cell in column.cells] for column in table.columns), strict=True)
        print_table("", head, list(rows))
        return
    width = columns_of_terminal()
    left = {name for name, least in _LEFT_OUT.items() if width < least} & {column.header for column in table.columns}
    cells = {str(column.header): list(column.cells) for column in table.columns}
    for row, statement in enumerate(cells["statement"]):
        below = []
        if "method" in left:
            below.append("by " + re.sub(", (smallest )?witness$", "", str(cells["method"][row])).removeprefix("by "))
        if "scope" in left:
            below.append(f"scope: {cells['scope'][row]}")
        if below:
            statement.append(f"\n{'; '.join(below)}", style="dim")  # type: ignore[union-attr]
    table.columns = [column for column in table.columns if column.header not in left]
    console = Console(width=width, highlight=False, force_terminal=sys.stdout.isatty() or None)
    with console.capture() as captured:
        console.print(table)
    # Cells are printable already; what is left are the escapes of colours, and blanks between them.
    ends = re.compile(r"(?: |\x1b\[[0-9;]*m)+$", re.MULTILINE)
    click.echo(ends.sub(lambda end: end[0].replace(" ", ""), captured.get()), nl=False)  # noqa: TID251
    if "source" in left:
        say("Left out to fit the width: source; a wider terminal, --show ID and --json show it.")
