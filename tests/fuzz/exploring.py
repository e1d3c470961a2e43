"""The loop: known inputs first, then changed ones; what is new is kept, what is wrong is made small and written down."""

from __future__ import annotations

import hashlib
import math
import random
import re
import resource
import shutil
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fuzz.engine import Input, Target, attempt, name_suffix

_MOST_KEPT = 400  # inputs that were answered in a new way
_LONGEST_KEPT = 3000
_MEMORY = 400 * 2**20  # bytes that one input may add to the largest size of the process, and as much again for each of its bytes
_MEMORY_PER_BYTE = 1000
_SPACE = 4 * 2**30  # bytes of addresses that one input may ask for
_SIZE = Path("/proc/self/statm")
_WALL = 300.0  # seconds that an input may wait for something, however busy the machine is
_TRIES = 400  # attempts to make a finding smaller
_PATIENCE = 20.0  # seconds that they may take, where time counts


@dataclass
class Account:
    """What was tried.

    Attributes:
        tried: number of inputs.
        faults: rule -> how many inputs broke it.
        files: rule -> where the smallest of them was written.
        details: rule -> what was said about it.
        answers: how many inputs were answered in each way.
    """

    tried: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)
    answers: dict[str, int] = field(default_factory=dict)


def explore(
    target: Target,
    folder: Path,
    findings: Path,
    *,
    seed: int,
    count: int | None = None,
    seconds: float | None = None,
    limited: bool = False,
    tell: Callable[[Account], None] = lambda account: None,
) -> Account:
    """Try inputs one after the other; each is in ``folder`` before it is tried, and there alone.

    Args:
        target: what reads them.
        folder: where the current input lies.
        findings: where those that show a fault are written.
        seed: of the changes.
        count: how many changed inputs; default as many as there is time for.
        seconds: how long.
        limited: whether an input that takes too much time or memory counts as a fault, and one that does not end is killed.
        tell: called now and then.
    """
    rng = random.Random(f"{target.name} {seed}")
    account = Account()
    limits = _Limits(target, limited)
    began = time.monotonic()
    pool = target.corpus()
    known = len(pool)
    for one in _inputs(target, rng, pool):
        over = count is not None and account.tried >= known + count
        if over or (seconds is not None and account.tried >= known and time.monotonic() - began > seconds):
            break
        answer, rule, detail = limits.attempt(_written(folder, one))
        account.tried += 1
        if rule is not None:
            first = rule not in account.faults
            account.faults[rule] = account.faults.get(rule, 0) + 1
            if first:
                until = time.monotonic() + _PATIENCE if limited else math.inf

                def still(candidate: Input, rule: str = rule, until: float = until) -> bool:
                    return time.monotonic() < until and limits.attempt(_written(folder, candidate))[1] == rule

                small = simplest(one, target.simpler, still) if target.simpler is not None else smaller(one, still)
                account.files[rule], account.details[rule] = save(target, findings, small, rule, detail), detail
                tell(account)
        else:
            if answer not in account.answers and account.tried > known and len(one.data) <= _LONGEST_KEPT:
                if len(pool) >= known + _MOST_KEPT:
                    pool[rng.randrange(known, len(pool))] = one
                else:
                    pool.append(one)
            account.answers[answer] = account.answers.get(answer, 0) + 1
        if account.tried % 100 == 0:
            tell(account)
    limits.lift()
    tell(account)
    return account


def _inputs(target: Target, rng: random.Random, pool: list[Input]) -> Iterator[Input]:
    yield from list(pool)
    while True:
        yield target.mutate(rng, rng.choice(pool), pool)


def _written(folder: Path, one: Input) -> Path:
    for old in folder.iterdir():
        if old.is_dir():
            shutil.rmtree(old)
        else:
            old.unlink()
    path = folder / f"input{one.suffix}"
    path.write_bytes(one.data)
    return path


class _Limits:
    """Time and memory of one input. Without ``active`` nothing is measured, so that nothing depends on the machine."""

    def __init__(self, target: Target, active: bool) -> None:
        self.target, self.active = target, active
        self.warm = False

    def attempt(self, path: Path) -> tuple[str, str | None, str]:
        if not self.active:
            return attempt(self.target, path)
        size = path.stat().st_size
        allowed = self.target.allowed(size)
        # Above what the process has by now: libraries keep some addresses for ever.
        space = int(_SIZE.read_text().split()[0]) * resource.getpagesize() + _SPACE
        resource.setrlimit(resource.RLIMIT_AS, (space, resource.RLIM_INFINITY))
        signal.setitimer(signal.ITIMER_PROF, 10 * allowed + 10)  # not caught: the process ends, even inside compiled code
        signal.setitimer(signal.ITIMER_REAL, _WALL)
        memory, spent = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        answer, rule, detail = attempt(self.target, path)
        spent = time.process_time() - spent
        more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) * 1024
        self.lift()
        if rule is None and self.warm and spent > allowed:
            return "fault", "takes too long", f"{spent:.1f} s of processor time for {size} bytes; at most {allowed:.1f} s"
        if rule is None and self.warm and more > _MEMORY + _MEMORY_PER_BYTE * size:
            return "fault", "takes too much memory", f"{more >> 20} MB for {size} bytes"
        self.warm = True  # the first input pays for imports
        return answer, rule, detail

    def lift(self) -> None:
        if self.active:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)


# ---------------------------------------------------------------------- findings


def smaller(one: Input, still: Callable[[Input], bool], tries: int = _TRIES) -> Input:
    """Return a smaller input that shows the same fault: pieces are left out, large ones first, as long as it does.

    Args:
        one: an input that shows it.
        still: whether an input shows it.
        tries: how often that may be asked.
    """
    data = one.data
    for split in (re.compile(rb"(?<=\n)"), re.compile(rb"(?<=[,{}\[\] \n])"), None):
        pieces = split.split(data) if split else [data[i : i + 1] for i in range(len(data))] if len(data) < 5000 else [data]
        width = max(1, len(pieces) // 2)
        while width and tries > 0:
            at = 0
            while at < len(pieces) and tries > 0:
                shorter = pieces[:at] + pieces[at + width :]
                tries -= 1
                if shorter != pieces and still(Input(one.suffix, b"".join(shorter))):
                    pieces = shorter
                else:
                    at += width
            width //= 2
        data = b"".join(pieces)
    return Input(one.suffix, data)


def simplest(
    one: Input, simpler: Callable[[Input], Iterable[Input]], still: Callable[[Input], bool], tries: int = _TRIES
) -> Input:
    """Return an input that shows the same fault and of which no simpler form does, as far as that many attempts go."""
    found: Input | None = one
    while found is not None:
        one, found = found, None
        for candidate in simpler(one):
            tries -= 1
            if tries < 0:
                return one
            if still(candidate):
                found = candidate
                break
    return one


def save(target: Target, findings: Path, one: Input, rule: str, detail: str) -> Path:
    """Write a finding and what was said about it; return the file."""
    folder = findings / target.name
    folder.mkdir(parents=True, exist_ok=True)
    slug = re.sub(r"[^a-z0-9]+", "-", rule.lower()).strip("-")[:60]
    path = folder / f"{slug}-{hashlib.sha256(one.data).hexdigest()[:8]}{one.suffix}"
    path.write_bytes(one.data)
    path.with_name(path.name + ".why").write_text(f"{rule}\n\n{detail}\n", encoding="utf-8", errors="backslashreplace")
    return path


def replay(target: Target, path: Path, folder: Path) -> tuple[str, str | None, str]:
    """Try a file once more."""
    return attempt(target, _written(folder, Input(name_suffix(path.name), path.read_bytes())))
