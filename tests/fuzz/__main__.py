"""Search for inputs that crash, hang, or are read wrongly.

    make fuzz SECONDS=600                                  every target, ten minutes in all
    PYTHONPATH=tests python -m fuzz chain log --seconds 60 two targets
    PYTHONPATH=tests python -m fuzz replay FILE            one finding once more

Inputs are tried in a process of their own, which writes each of them to a file before it tries it: one that crashes the process
or does not end stays there, and the search goes on. Exit code 0: nothing was found; 1: something was.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from fuzz.engine import CORPUS, FINDINGS, HERE, Input, Target, name_suffix
from fuzz.exploring import Account, explore, replay, save, smaller
from fuzz.targets import TARGETS

_MEMORY_DISK = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # what is written is also synchronised with the disk
_CRASH_TRIES = 40  # attempts to make smaller what kills the process: each needs a new one
_MOST_DEATHS = 20  # of one target: then the rest of its time would go into starting processes


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"{', '.join(TARGETS)}; default all. Or: replay FILE...")
    parser.add_argument("--seconds", type=float, default=600.0, help="in all [600]")
    parser.add_argument("--count", type=int, default=None, help="changed inputs per target instead of a time")
    parser.add_argument("--seed", type=int, default=None, help="of the changes; default a new one, which is printed")
    parser.add_argument("--findings", type=Path, default=FINDINGS)
    parser.add_argument("--worker", default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.targets[:1] == ["replay"]:
        return _replay([Path(name) for name in options.targets[1:]])
    unknown = [name for name in options.targets if name not in TARGETS]
    if unknown:
        parser.error(f"there is no target {unknown[0]!r}: there are {', '.join(TARGETS)}")
    if options.worker is not None:
        return _work(TARGETS[options.targets[0]], Path(options.worker), options)
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    chosen = [TARGETS[name] for name in options.targets or TARGETS]
    whole = sum(target.weight for target in chosen)
    found = tried = 0
    for target in chosen:
        account = _search(target, seed, options, options.seconds * target.weight / whole)
        tried += account.tried
        found += len(account.faults)
        kinds = f"{len(account.answers):5} kinds of answers"
        print(f"{target.name:12} {account.tried:8,} inputs, {kinds}, {len(account.faults)} findings", flush=True)
        for rule, n in account.faults.items():
            file = account.files[rule]
            keep = f"cp {_short(file)} {_short(CORPUS / target.name)}/"
            print(f"  {rule} ({n} times)\n    {file}\n    keep it as a test: {keep}", flush=True)
    print(f"{tried:,} inputs, {found} findings (seed {seed})")
    return 1 if found else 0


def _short(path: Path) -> str:
    return os.path.relpath(path)


def _search(target: Target, seed: int, options: argparse.Namespace, seconds: float) -> Account:
    """Try inputs of one target in processes of their own until the time is over; one that dies is followed by another."""
    account, began, deaths = Account(), time.monotonic(), 0
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=_MEMORY_DISK) as name:
        folder = Path(name, "current")
        folder.mkdir()
        while deaths < _MOST_DEATHS:
            left = seconds - (time.monotonic() - began)
            part = Account()
            code = _child(target, folder, f"{seed}{deaths:03}" if deaths else str(seed), options, max(left, 0.1), part)
            account.tried += part.tried
            for rule, n in part.faults.items():
                account.faults[rule] = account.faults.get(rule, 0) + n
            account.files, account.details = part.files | account.files, part.details | account.details
            account.answers |= part.answers
            if code >= 0:
                if code:
                    raise SystemExit(f"the process of {target.name} ended with {code}: that is a fault of tests/fuzz")
                break
            deaths += 1
            _death(target, folder, -code, options, account)
            if options.count is not None or seconds - (time.monotonic() - began) < 2:
                break
    return account


def _death(target: Target, folder: Path, number: int, options: argparse.Namespace, account: Account) -> None:
    """Write down the input that ended its process, as small as it becomes in a few tries."""
    words = {signal.SIGPROF: "does not end (processor time)", signal.SIGALRM: "does not end (waiting)"}
    rule = words.get(signal.Signals(number), f"crash ({signal.Signals(number).name})")
    account.faults[rule] = account.faults.get(rule, 0) + 1
    current = next(folder.glob("input*"), None)
    if current is None or rule in account.files:
        return
    one = Input(name_suffix(current.name), current.read_bytes())
    if number not in words:

        def dies(candidate: Input) -> bool:
            with tempfile.TemporaryDirectory(prefix="fuzz-", dir=_MEMORY_DISK) as name:
                path = Path(name, f"input{candidate.suffix}")
                path.write_bytes(candidate.data)
                command = [sys.executable, "-m", "fuzz", "replay", str(path), "--worker", target.name]
                done = subprocess.run(
                    command, env=_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
                )
                return done.returncode == -number

        one = smaller(one, dies, _CRASH_TRIES)
    account.files[rule] = save(target, options.findings, one, rule, f"the process ended by signal {number}")


def _environment() -> dict[str, str]:
    """One thread for everything: the machine has other things to do, and what is found must not depend on it."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "ARROW_IO_THREADS"), "1")
    paths = os.pathsep.join([str(HERE.parent), str(HERE.parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, **threads, "PYTHONPATH": paths, "SYMPY_GROUND_TYPES": "python"}


def _child(target: Target, folder: Path, seed: str, options: argparse.Namespace, seconds: float, account: Account) -> int:
    command = [
        sys.executable,
        "-m",
        "fuzz",
        target.name,
        "--worker",
        str(folder),
        "--seed",
        seed,
        "--findings",
        str(options.findings),
    ]
    command += ["--count", str(options.count)] if options.count is not None else ["--seconds", str(seconds)]
    with subprocess.Popen(command, env=_environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            told: dict[str, Any] = json.loads(line)
            account.tried, account.faults, account.details = told["tried"], told["faults"], told["details"]
            account.files = {rule: Path(file) for rule, file in told["files"].items()}
            account.answers = dict.fromkeys(told["answers"], 1)
    return process.returncode


def _work(target: Target, folder: Path, options: argparse.Namespace) -> int:
    """In the child: explore, and tell the parent on a pipe of our own, since what is tried may print."""
    events = os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)

    def tell(account: Account) -> None:
        files = {rule: str(path) for rule, path in account.files.items()}
        told = {"tried": account.tried, "faults": account.faults, "files": files, "details": account.details}
        events.write(json.dumps({**told, "answers": list(account.answers)}) + "\n")
        events.flush()

    seconds = None if options.count is not None else options.seconds
    explore(target, folder, options.findings, seed=options.seed, count=options.count, seconds=seconds, limited=True, tell=tell)
    return 0


def _replay(paths: list[Path]) -> int:
    worst = 0
    for path in paths:
        name = sys.argv[sys.argv.index("--worker") + 1] if "--worker" in sys.argv else path.resolve().parent.name
        with tempfile.TemporaryDirectory(prefix="fuzz-", dir=_MEMORY_DISK) as folder:
            answer, rule, detail = replay(TARGETS[name], path, Path(folder))
        print(f"{path}: {answer if rule is None else f'{rule}{chr(10)}{detail}'}")
        worst = max(worst, int(rule is not None))
    return worst


if __name__ == "__main__":
    sys.exit(main())
