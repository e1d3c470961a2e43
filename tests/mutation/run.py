"""Break every formula on purpose, one at a time, and see that a test notices.

    python tests/mutation/run.py                 a sample of 150 mutants
    python tests/mutation/run.py --count 0       all of them
    python tests/mutation/run.py --count 300 --shard 1/4    every fourth of 300: four runs make up the sample
    python tests/mutation/run.py --file chain/exact.py --list

A mutant is *caught* if the tests of its file fail or do not end in time. Survivors are printed with their line; those that are
equivalent to the original (the change cannot be seen in any result) are listed in EQUIVALENT with the reason.
Exit code 0: every mutant was caught or is listed; 1: a survivor is not, or a listed one does not exist.
"""

from __future__ import annotations

import argparse
import gc
import inspect
import multiprocessing
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from itertools import zip_longest
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
from equivalent import EQUIVALENT  # noqa: E402
from operators import Mutant, mutants_of  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
_CORE = [
    *(f"tests/objectives/test_{name}.py" for name in ("base", "scalars", "agreement")),
    *(f"tests/test_{name}.py" for name in ("exact", "attribution", "coefficient_level", "gain")),
    "tests/objectives/test_fused.py",
    "tests/objectives/test_sums.py",
    "tests/objectives/test_by_hand.py",
]
# File -> the tests that must notice when one of its formulas is broken.
SUITES = dict.fromkeys(
    [
        "chain/bellman.py", "chain/exact.py", "attribution.py",
        *(f"objectives/{name}.py" for name in ("base", "mass", "reward", "penalties")),
    ],
    _CORE,
)  # fmt: skip
_ROWS = [
    f"tests/objectives/test_{name}.py"
    for name in ("parts", "groups", "baselines", "token_weights", "rows_runs", "agreement", "rows_input", "equal_objectives",
                 "by_hand", "sums")
]  # fmt: skip
SUITES |= dict.fromkeys(
    [
        *(f"objectives/{name}.py" for name in ("group", "preference", "imitation", "reinforce_pp", "responses", "weights",
                                               "parts", "token_parts")),
        *(f"objectives/expectation/{name}.py" for name in ("groups", "grouping", "denominators", "exponential",
                                                           "rewards", "compositions")),
    ],
    _ROWS,
)  # fmt: skip
_SETTINGS = "tests/objectives/test_settings.py"
SUITES |= {
    "objectives/base.py": [*_CORE, *(f"tests/objectives/test_{name}.py" for name in ("overridden", "large_rows"))],
    "objectives/reward.py": [*_CORE, "tests/objectives/test_score.py"],
    "objectives/preference.py": [*_ROWS, "tests/objectives/test_pair_losses.py"],
    "objectives/distillation.py": ["tests/objectives/test_distillation.py"],
    "objectives/penalties.py": [*_CORE, *(f"tests/objectives/test_{name}.py" for name in ("distillation", "digits"))],
    **{
        f"objectives/{name}.py": [*_ROWS, _SETTINGS]
        for name in (
            "parts",
            "token_parts",
            "expectation/groups",
            "expectation/grouping",
            "expectation/denominators",
            "expectation/rewards",
        )
    },
}
_TOKENS = [
    f"tests/tokens/test_{name}.py"
    for name in ("against_enumeration", "length", "token_chain", "token_errors", "large_tables", "ruled_out", "token_digits")
]
SUITES |= dict.fromkeys(
    [f"tokens/{name}.py" for name in ("model", "rows", "samplers", "markov", "factored", "objectives")],
    _TOKENS,
)  # fmt: skip
_OPTIMUM = [f"tests/dynamics/test_optimum{part}.py" for part in ("", "_digits", "_extremes")]
SUITES |= dict.fromkeys([f"dynamics/{name}.py" for name in ("soft_optimum", "soft_bellman")], _OPTIMUM)
SUITES["anatomy/chain_formulas.py"] = ["tests/anatomy/test_chain_formulas.py"]
_TRAINING = [f"tests/symbolic/test_{name}.py" for name in ("training_objectives", "against_numeric_engine", "shown_formulas")]
SUITES |= dict.fromkeys(
    [f"symbolic/{name}.py" for name in ("responses", "objectives/reward", "objectives/group", "objectives/imitation",
                                        "objectives/penalties")],
    _TRAINING,
)  # fmt: skip
SUITES["symbolic/losses.py"] = ["tests/symbolic/test_losses.py"]
TIME_LIMIT = 120  # seconds of processor time: how busy the machine is decides nothing
_ABANDONED = 20 * TIME_LIMIT  # seconds, for tests that wait for something that never comes
PACKAGE = ROOT / "dstheory"
PYTEST = ["-o", "addopts=--import-mode=importlib", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:terminal"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=150, help="how many mutants, 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--shard", default="1/1", metavar="K/N", help="every N-th of them from the K-th on")
    parser.add_argument("--file", action="append", choices=sorted(SUITES))
    parser.add_argument("--list", action="store_true", help="print the mutants and run nothing")
    parser.add_argument("--broken", nargs=2, metavar=("FILE", "CHANGE"), help="run the tests of one mutant in this process")
    options = parser.parse_args()

    os.chdir(ROOT)
    os.environ |= {"DSTHEORY_PROFILE": "mutation", "PYTHONPATH": str(ROOT)}
    if options.broken:
        return _loaded(*options.broken)
    mutants = all_mutants()
    if stale := missing(mutants):
        print("listed as equivalent, but there is no such mutant:", *stale, sep="\n  ")
        return 1
    every = [(name, mutant) for name in options.file or SUITES for mutant in mutants[name]]
    chosen = every if options.count == 0 else random.Random(options.seed).sample(every, min(options.count, len(every)))
    shard, shards = map(int, options.shard.split("/"))
    chosen = chosen[shard - 1 :: shards]
    if options.list:
        for name, mutant in chosen:
            print(f"{name}:{mutant.line}  {mutant.change}")
        print(f"{len(chosen)} of {len(every)} mutants")
        return 0
    run = Run(chosen, options.workers)
    tests = sorted({test for name, _ in chosen for test in SUITES[name]})
    pytest.main([*PYTEST, *tests], plugins=[run])
    if len(run.caught) < len(chosen):
        print("the tests fail on the unbroken code: nothing can be said about mutants", *run.problems, sep="\n  ")
        return 1
    survivors = [chosen[i] for i, caught in run.caught.items() if not caught]
    unexplained = [(name, mutant) for name, mutant in survivors if (name, mutant.change) not in EQUIVALENT]
    done, explained = len(chosen), len(survivors) - len(unexplained)
    print(
        f"{done} mutants of {len(every)}: {done - len(survivors)} caught, {explained} equivalent, {len(unexplained)} unexplained"
    )
    print(f"score {(done - len(survivors)) / max(1, done - explained):.1%}")
    return 1 if unexplained else 0


def all_mutants() -> dict[str, list[Mutant]]:
    """Return the mutants of each file."""
    return {name: list(mutants_of((PACKAGE / name).read_text())) for name in SUITES}


def missing(mutants: dict[str, list[Mutant]]) -> list[str]:
    """Return what is listed as equivalent and is no mutant."""
    return [f"{name}: {change}" for name, change in EQUIVALENT if change not in {m.change for m in mutants[name]}]


class Run:
    """Collects the tests once; each mutant is tried in a fork, where the code of its functions is replaced.

    There it meets the tests that run the broken line, the cheapest first. If it survives them, its whole suite runs with the
    mutant in place of the module: it may act when the module is loaded, or in what an earlier test has computed and kept.
    """

    def __init__(self, chosen: list[tuple[str, Mutant]], workers: int) -> None:
        self.chosen, self.workers = chosen, workers
        self.caught: dict[int, bool] = {}
        self.problems: list[str] = []
        self.failed = False

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.problems.append(str(report.longrepr))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed = True
            self.problems.append(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if self.problems:
            return True
        seen = self.look(session.items)
        if self.problems:
            return True
        print("unbroken, the tests pass", flush=True)
        began, running, waiting = time.monotonic(), dict[int, int](), list(range(len(self.chosen)))
        while waiting or running:
            if waiting and len(running) < self.workers:
                index = waiting.pop(0)
                running[self.start(index, session.items, seen)] = index
                continue
            process, status = os.wait()
            index = running.pop(process)
            name, mutant = self.chosen[index]
            self.caught[index] = status != 0
            if not status:
                print(f"survived  {name}:{mutant.line}  {mutant.change}", flush=True)
            if len(self.caught) % 10 == 0:
                survived = list(self.caught.values()).count(False)
                seconds = time.monotonic() - began
                print(f"{len(self.caught)}/{len(self.chosen)} after {seconds:.0f} s, {survived} survived", flush=True)
        return True

    def look(self, items: list[pytest.Item]) -> dict[str, tuple[float, set[tuple[str, int]]]]:
        """Run the tests on the unbroken code; return the processor time of each, and what lines of the files it runs."""
        watched = {str(PACKAGE / name): name for name, _ in self.chosen}
        reader, writer = multiprocessing.Pipe(duplex=False)
        if not (process := os.fork()):
            lines: set[tuple[str, int]] = set()

            def line(frame: FrameType, event: str, _: object) -> Any:
                lines.add((watched[frame.f_code.co_filename], frame.f_lineno))
                return line

            def call(frame: FrameType, event: str, _: object) -> Any:
                return line if frame.f_code.co_filename in watched else None

            found = {}
            for item, following in zip(items, [*items[1:], None], strict=True):
                lines.clear()
                before = time.process_time()
                sys.settrace(call)
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                sys.settrace(None)
                found[item.nodeid] = (time.process_time() - before, set(lines))
            writer.send((found, self.problems))
            os._exit(0)
        writer.close()
        result, self.problems = reader.recv()
        os.waitpid(process, 0)
        return dict(result)

    def start(self, index: int, items: list[pytest.Item], seen: dict[str, tuple[float, set[tuple[str, int]]]]) -> int:  # noqa: RET503
        """Start the tests of a mutant; return the process, which ends with 0 if none noticed."""
        if process := os.fork():
            return process
        resource.setrlimit(resource.RLIMIT_CPU, (TIME_LIMIT, TIME_LIMIT))
        signal.alarm(_ABANDONED)
        name, mutant = self.chosen[index]
        broken = {(name, number) for number in range(mutant.line, mutant.last_line + 1)}
        tests = [
            item for item in items if item.nodeid.split("::")[0] in SUITES[name] and not broken.isdisjoint(seen[item.nodeid][1])
        ]
        tests.sort(key=lambda item: seen[item.nodeid][0])
        _replace(PACKAGE / name, mutant)
        for item, following in zip_longest(tests, tests[1:]):  # none where only loading the module runs the line
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.failed:
                os._exit(1)
        os.execv(sys.executable, [sys.executable, __file__, "--broken", name, mutant.change])


def _replace(path: Path, mutant: Mutant) -> None:
    """Give all functions of a module the code of its mutant."""
    old, new = (list(_codes(compile(source, str(path), "exec", dont_inherit=True))) for source in (mutant.source, mutant.tree()))
    changed = {a: b for a, b in zip(old, new, strict=True) if a != b}
    gc.unfreeze()  # tests/conftest.py freezes what is loaded, and the collector does not list what is frozen
    for function in [f for f in gc.get_objects() if isinstance(f, FunctionType) and f.__code__ in changed]:
        function.__code__ = changed[function.__code__]


def _loaded(name: str, change: str) -> int:
    """Run the suite of a file with the mutant in place of the module; return 0 if no test notices."""
    mutant = next(m for m in mutants_of((PACKAGE / name).read_text()) if m.change == change)
    whole = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, fullname: str) -> CodeType | None:
        if Path(self.path) != PACKAGE / name:
            return whole(self, fullname)
        return compile(mutant.tree(), self.path, "exec", dont_inherit=True)

    SourceFileLoader.get_code = get_code  # type: ignore[method-assign]
    return int(pytest.main([*PYTEST, "-x", *SUITES[name]]))


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield the code of everything that is called, from the outside in; of a class only what stands in its functions."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            if inner.co_flags & inspect.CO_OPTIMIZED:
                yield inner
            yield from _codes(inner)


if __name__ == "__main__":
    sys.exit(main())
