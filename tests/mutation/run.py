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
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from equivalent import EQUIVALENT
from operators import Mutant, mutants_of

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
        *(f"objectives/{name}.py" for name in ("base", "mass", "reward", "penalties", "demonstrations")),
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
        *(f"objectives/{name}.py" for name in ("group", "ratios", "preference", "imitation", "reinforce_pp", "responses",
                                               "weights", "parts")),
        *(f"objectives/expectation/{name}.py" for name in ("groups", "exponential", "rewards", "compositions")),
    ],
    _ROWS,
)  # fmt: skip
_SETTINGS = "tests/objectives/test_settings.py"
SUITES |= {
    "objectives/margins.py": ["tests/objectives/test_pair_losses.py"],
    "objectives/preference.py": [*_ROWS, "tests/objectives/test_pair_losses.py"],
    "objectives/penalties.py": [*_CORE, "tests/objectives/test_distillation.py"],
    **{f"objectives/{name}.py": [*_ROWS, _SETTINGS] for name in ("parts", "expectation/groups", "expectation/rewards")},
}
_TOKENS = [
    f"tests/tokens/test_{name}.py"
    for name in ("against_enumeration", "length", "token_chain", "token_errors", "large_tables", "ruled_out")
]
SUITES |= dict.fromkeys(
    [f"tokens/{name}.py" for name in ("model", "rows", "samplers", "markov", "factored", "objectives")],
    _TOKENS,
)  # fmt: skip
_OPTIMUM = ["tests/dynamics/test_optimum.py", "tests/dynamics/test_optimum_digits.py"]
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=150, help="how many mutants, 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--shard", default="1/1", metavar="K/N", help="every N-th of them from the K-th on")
    parser.add_argument("--file", action="append", choices=sorted(SUITES))
    parser.add_argument("--list", action="store_true", help="print the mutants and run nothing")
    options = parser.parse_args()

    stale = _stale()
    if stale:
        print("listed as equivalent, but there is no such mutant:", *stale, sep="\n  ")
        return 1
    every = [(name, m) for name in options.file or SUITES for m in mutants_of((ROOT / "dstheory" / name).read_text())]
    chosen = every if options.count == 0 else random.Random(options.seed).sample(every, min(options.count, len(every)))
    shard, shards = map(int, options.shard.split("/"))
    chosen = chosen[shard - 1 :: shards]
    if options.list:
        for name, mutant in chosen:
            print(f"{name}:{mutant.line}  {mutant.change}")
        print(f"{len(chosen)} of {len(every)} mutants")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        copies = [_copy(Path(folder) / str(i)) for i in range(options.workers)]
        if any(_fails(copies[0], tests) for tests in {tuple(SUITES[name]) for name, _ in chosen}):
            print("the tests fail on the unbroken code: nothing can be said about mutants")
            return 1
        print("unbroken, the tests pass", flush=True)
        began = time.monotonic()
        survivors, done = [], 0

        def examine(item: tuple[int, tuple[str, Mutant]]) -> tuple[str, Mutant, bool]:
            _, (name, mutant) = item
            copy = copies.pop()
            try:
                return name, mutant, _fails(copy, SUITES[name], (name, mutant))
            finally:
                copies.append(copy)

        with ThreadPoolExecutor(options.workers) as pool:
            for name, mutant, caught in pool.map(examine, enumerate(chosen)):
                done += 1
                if not caught:
                    survivors.append((name, mutant))
                    print(f"survived  {name}:{mutant.line}  {mutant.change}", flush=True)
                if done % 10 == 0:
                    print(f"{done}/{len(chosen)} after {time.monotonic() - began:.0f} s, {len(survivors)} survived", flush=True)
    unexplained = [(n, m) for n, m in survivors if (n, m.change) not in EQUIVALENT]
    explained = len(survivors) - len(unexplained)
    score = (done - len(survivors)) / max(1, done - explained)
    print(
        f"{done} mutants of {len(every)}: {done - len(survivors)} caught, {explained} equivalent, {len(unexplained)} unexplained"
    )
    print(f"score {score:.1%}")
    return 1 if unexplained else 0


def _copy(folder: Path) -> Path:
    for part in ("dstheory", "proofs", "sims", "tests", "examples"):
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "REFERENCES.bib"):
        shutil.copy(ROOT / file, folder / file)
    return folder


def _stale() -> list[str]:
    return [
        f"{name}: {change}"
        for name, change in EQUIVALENT
        if change not in {m.change for m in mutants_of((ROOT / "dstheory" / name).read_text())}
    ]


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (TIME_LIMIT, TIME_LIMIT))


def _fails(copy: Path, tests: Sequence[str], broken: tuple[str, Mutant] | None = None) -> bool:
    target = copy / "dstheory" / broken[0] if broken else None
    original = target.read_text() if target else ""
    if target and broken:
        target.write_text(broken[1].source)
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "DSTHEORY_PROFILE": "mutation"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests]
    try:
        return (
            subprocess.run(
                command, cwd=copy, env=environment, capture_output=True, timeout=_ABANDONED, check=False, preexec_fn=_limited
            ).returncode
            != 0
        )
    except subprocess.TimeoutExpired:
        return True
    finally:
        if target:
            target.write_text(original)


if __name__ == "__main__":
    sys.exit(main())
