"""A statement that is changed has another hash, and, unless it is still true, Coq refuses the proof (slow profile, with Coq).

Steps of claims are changed one at a time, as a slip of the pen would: a sign, the direction or strictness of an inequality, a
range, a quantifier, an exponent.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from dstheory.claims.sources import bundled_files, load_claims
from dstheory.coq.export import HEAD, export
from dstheory.coq.theorems import Theorem, fingerprint

COUNT = 100
SECONDS = 40.0  # of one mutant: a search that goes on longer has found nothing


def in_goal(pattern: str, new: str | Callable[[re.Match[str]], str]) -> Callable[[str], str]:
    """Change the first place in what stands behind the last hypothesis; the same text if there is none."""

    def change(statement: str) -> str:
        *before, goal = statement.split(" ->\n")
        return " ->\n".join([*before, re.sub(pattern, new, goal, count=1)])

    return change


def widened(statement: str) -> str:
    """A range is twice as long, or a lower bound falls."""
    longer = re.sub(r"^  (\S+ <=? \w+ <=?) 1 ->$", r"  \1 2 ->", statement, count=1, flags=re.MULTILINE)
    return (
        longer
        if longer != statement
        else re.sub(r"^  [01] (<=? \w+) ->$", r"  (- 1) \1 ->", statement, count=1, flags=re.MULTILINE)
    )


def quantified(statement: str) -> str:
    """ "For all" becomes "there are", and the other way round."""
    pairs = {"forall": "exists", "exists": "forall"}
    return re.sub(r"^  (forall|exists) ", lambda found: f"  {pairs[found[1]]} ", statement, count=1)


KINDS: dict[str, Callable[[str], str]] = {
    "sign": in_goal(r"(?<=[\w)]) - (?=[\w(])", " + "),
    "direction": in_goal(r" ([<>])(?=[ =])", lambda found: " <" if found[1] == ">" else " >"),
    "strictness": in_goal(r" ([<>])= ", r" \1 "),
    "domain": widened,
    "quantifier": quantified,
    "exponent": in_goal(r"\^ 2\b", "^ 3"),
}


def mutants(theorems: list[Theorem]) -> list[tuple[str, Theorem, str]]:
    """Changed statements, of each kind as many as of the others, each of another step."""
    chance = random.Random(20260101)
    left = chance.sample(theorems, len(theorems))
    made: list[tuple[str, Theorem, str]] = []
    kinds = list(KINDS)
    while len(made) < COUNT:
        kind = kinds[len(made) % len(kinds)]
        found = next(item for item in left if KINDS[kind](item.statement) != item.statement)
        left.remove(found)
        made.append((kind, found, KINDS[kind](found.statement)))
    return made


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("coqc") is None, reason="no coqc: install the Debian packages coq libcoq-interval")
def test_a_hundred_broken_steps_are_refused_or_have_another_hash(tmp_path: Path) -> None:
    parts = export([claim for path in bundled_files() for claim in load_claims(path).values()], tmp_path)
    theorems = [item for part in parts for item in part.theorems if "_step" in item.name or part.claim.recorded == "fails"]
    for name in ("prelude", "interval"):
        subprocess.run(["coqc", "-q", "-R", ".", "Claims", f"{name}.v"], cwd=tmp_path, check=True)
    told: Counter[tuple[str, str]] = Counter()
    accepted = []
    for number, (kind, item, statement) in enumerate(mutants(theorems)):
        assert fingerprint(statement) != fingerprint(item.statement)
        (tmp_path / f"mutant{number}.v").write_text(HEAD + Theorem(item.name, "", statement, item.proof).text())
        command = ["timeout", str(SECONDS), "coqc", "-q", "-R", ".", "Claims", f"mutant{number}.v"]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        said = "accepted" if ran.returncode == 0 else "refused"
        told[kind, said] += 1
        if said == "accepted":
            accepted.append(f"{item.name} ({kind}): {statement}")
    (tmp_path / "mutants.txt").write_text("\n".join([str(dict(told)), *accepted]) + "\n")
    assert sum(told.values()) == COUNT
    assert not told["quantifier", "accepted"]
    assert not told["direction", "accepted"]
    assert sum(number for (_, said), number in told.items() if said == "refused") >= COUNT * 3 // 4
