"""Run claims in parallel processes, each under a time limit, and compare their verdicts with the recorded ones."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dstheory.claims.cache import Cache
from dstheory.claims.sources import bundled_files, claim_files, looks_like_path, select
from dstheory.claims.verdicts import EXAMPLES, LONGEST_TIME_LIMIT, SEED, TIME_LIMIT, Outcome, Status, Verdict
from dstheory.claims.workers import Pool
from dstheory.errors import ClaimError, ClaimFileError, UnknownClaimError
from dstheory.tables import Table, Tabulated
from dstheory.texts import counted

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Entry:
    """One claim of a report: what it says, and what the check found, or an earlier check whose verdict was kept."""

    info: Mapping[str, Any]
    verdict: Verdict
    cached: bool = False

    @property
    def scope(self) -> str:
        """How far the verdict reaches; what the claim says of itself where it was not checked to the end."""
        return self.verdict.scope or str(self.info["scope"])

    @property
    def as_recorded(self) -> bool:
        """Whether the check reproduced the recorded verdict."""
        recorded: str = self.info["recorded"]
        return str(self.verdict.outcome) == recorded


@dataclass(frozen=True, repr=False)
class Report(Tabulated):
    """The verdicts of a run, in the order of the claim files; how many kept verdicts were damaged and not used.

    Example:
        >>> Report(()).exit_code  # no verdict differs from the recorded one
        0
    """

    entries: tuple[Entry, ...]
    seed: int = 0
    time: float = 0.0
    damaged: int = 0

    def table(self) -> Table:
        """Return each claim with its verdict, and the recorded one where that is another."""
        others = sum(not entry.as_recorded for entry in self.entries)
        found = {
            "id": [entry.info["id"] for entry in self.entries],
            "claim": [entry.info["title"] for entry in self.entries],
            "verdict": [
                f"{entry.verdict.outcome}" + ("" if entry.as_recorded else f", recorded {entry.info['recorded']}")
                for entry in self.entries
            ],
        }
        said = f"{others} not as recorded" if others else "all as recorded"
        return Table.of(f"Report: {counted(len(self.entries), 'verdict')}, {said}", found)

    @property
    def exit_code(self) -> int:
        """0: all verdicts as recorded; 1: something crashed or was ill-posed; 3: another verdict; 4: undecided.

        The first of 1, 3, 4 that applies to any claim wins.
        """
        outcomes = [entry.verdict.outcome for entry in self.entries if not entry.as_recorded]
        if Outcome.ERROR in outcomes:
            return 1
        if any(outcome is not Outcome.UNDECIDED for outcome in outcomes):
            return 3
        return 4 if outcomes else 0


def available_cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def verify(
    *names: str,
    groups: Sequence[str] = (),
    seed: int = SEED,
    examples: int = EXAMPLES,
    time_limit: float = TIME_LIMIT,
    workers: int | None = None,
    progress: Progress | None = None,
    cache: str | os.PathLike[str] | None = None,
) -> Report:
    """Check claims and compare them with their recorded verdicts.

    Args:
        names: Ids, groups, arXiv numbers, or paths of claim files and directories; all bundled claims if empty.
        groups: Only claims of these groups.
        seed: Of the solver and of searches.
        examples: Number of examples of each search.
        time_limit: Seconds of processor time per claim; a claim that takes longer is stopped and undecided. How busy the
            machine is does not matter.
        workers: Number of processes; by default one per core.
        progress: Called as ``progress(done, total, id)`` when a claim is done.
        cache: Directory of kept verdicts: those that rest on nothing that has changed are used again, new ones are added.

    Raises:
        UnknownClaimError: If a name selects nothing.
        ClaimFileError: If a path does not exist.
        ClaimError: If the time limit is no number of seconds up to a day.

    Example:
        >>> verify("mine/claims.py")
        Traceback (most recent call last):
            ...
        dstheory.errors.ClaimFileError: there is no file mine/claims.py: check the name
    """
    if not 0 < time_limit <= LONGEST_TIME_LIMIT:
        raise ClaimError(f"time_limit is {time_limit}: must be > 0 and <= {LONGEST_TIME_LIMIT:g} seconds, which is a day")
    start, since = time.monotonic(), time.time()
    kept = None if cache is None else Cache(cache)
    with Pool(workers or available_cores(), watched=kept is not None) as pool:
        chosen, broken = _choose(pool, names, groups)
        options = {"op": "check", "seed": seed, "examples": examples, "time_limit": time_limit}
        requests = [{**options, "path": info["path"], "id": info["id"]} for info in chosen]
        known = {} if kept is None else {info["id"]: kept.find(request) for info, request in zip(chosen, requests, strict=True)}
        requests = [request for request in requests if known.get(request["id"]) is None]
        count = itertools.count(1)

        def done(request: Mapping[str, Any]) -> None:
            if progress is not None:
                progress(next(count), len(requests), request["id"])

        new = {}
        for request, answer in zip(requests, pool.map(requests, done=done) if requests else [], strict=True):
            new[request["id"]] = verdict = _verdict(request, answer)
            if kept is not None:
                kept.keep(request, verdict, answer.get("rests"), since)
        old = {name: verdict for name, verdict in known.items() if verdict is not None}
        entries = [Entry(info, (old | new)[info["id"]], info["id"] in old) for info in chosen]
    damaged = 0 if kept is None else kept.damaged
    return Report((*entries, *broken), seed=seed, time=time.monotonic() - start, damaged=damaged)


def list_claims(*names: str, groups: Sequence[str] = ()) -> list[Mapping[str, Any]]:
    """Describe the claims that `verify` would check, without checking them.

    Raises:
        ClaimFileError: If a file of claims does not load.
    """
    with Pool(min(2, available_cores())) as pool:
        chosen, broken = _choose(pool, names, groups)
    if broken:
        raise ClaimFileError(broken[0].verdict.message)
    return chosen


def _choose(pool: Pool, names: Sequence[str], groups: Sequence[str]) -> tuple[list[Mapping[str, Any]], list[Entry]]:
    """Load the files, and pick the claims the names select; files that do not load become entries of their own."""
    paths = [name for name in names if looks_like_path(name)]
    labels = [name for name in names if not looks_like_path(name)]
    own = [file for name in paths for file in claim_files(name)]
    bundled = bundled_files() if labels or not paths else []
    files = list(dict.fromkeys([*bundled, *own]))
    answers = pool.map([{"op": "list", "path": str(file)} for file in files], at_once=1 + len(own))
    claims: list[Mapping[str, Any]] = []
    broken: list[Entry] = []
    origin: dict[str, Path] = {}
    for file, answer in zip(files, answers, strict=True):
        found, problem = answer.get("claims", []), answer.get("error", "")
        if "stopped" in answer:
            problem = f"{file.name} did not finish loading: {answer['stopped']}"
        if "died" in answer:
            problem = f"{file.name} ended its process {answer['died']} while loading"
        twice = next((info["id"] for info in found if info["id"] in origin), None)
        if twice is not None:
            problem = f"{file.name} defines the claim {twice}, which {origin[twice].name} defines as well; ids must differ"
        if problem:
            broken.append(_broken_file(file, problem))
            continue
        origin.update({info["id"]: file for info in found})
        claims += [{**info, "path": str(file), "own": file in own} for info in found]
    if labels or not names:
        try:
            chosen = select(claims, labels)
        except UnknownClaimError:
            if not broken:
                raise
            return [], broken  # the name may be that of a claim in a file that does not load: say that it does not load
        claims = [info for info in claims if info in chosen or info["own"]]
    return select(claims, [], groups), broken


def _broken_file(file: Path, problem: str) -> Entry:
    info: dict[str, Any] = dict.fromkeys(("statement", "statement_latex", "group", "level", "scope", "source"), "")
    info |= dict.fromkeys(("title", "title_latex"), "a file of claims")
    info |= {"id": file.name, "related": [], "path": str(file), "recorded": str(Outcome.HOLDS)}
    return Entry(info, Verdict(file.name, Status.ERROR, "loading", message=problem))


def _verdict(request: Mapping[str, Any], answer: Mapping[str, Any]) -> Verdict:
    name, limit, seed = request["id"], request["time_limit"], request["seed"]
    if "stopped" in answer:
        why = f"time limit of {limit:g} s: {answer['stopped']}"
        return Verdict(name, Status.UNDECIDED, "stopped", seed=seed, time=limit, message=why)
    if "died" in answer:
        return Verdict(name, Status.ERROR, "crash", seed=seed, message=f"its process ended {answer['died']}")
    if "error" in answer:
        return Verdict(name, Status.ERROR, "loading", seed=seed, message=answer["error"])
    return Verdict.from_dict(answer["verdict"])
