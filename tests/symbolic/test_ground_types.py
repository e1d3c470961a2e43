"""Integers may be Python's, GMP's or FLINT's, factors SymPy's or FLINT's: derivations and verdicts do not depend on which."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import pytest
from profiles import EXHAUSTIVE

CLAIMS = {"A1": "a1_chain", "A3": "a2_reflection", "C1": "c_imitation", "D2": "d_kl", "F3": "f_optimisers",
          "H9": "neighbours_h9_verifier", "O10-extreme": "o_clipping"}  # fmt: skip
"""A few of different kinds -> the file that each is in."""
OBJECTIVES = ("reinforce", "sft", "kl", "grpo", "reinforce-pp")
NAMES = (*CLAIMS, *OBJECTIVES)
EVERY = 1 if EXHAUSTIVE else 2
ASKED = {"gmpy": NAMES[::EVERY], "flint": NAMES[EVERY - 1 :: EVERY]}
"""Integers -> what is computed with them: every other one with each, all with both if exhaustive."""


def results(names: Collection[str]) -> dict:
    """Verdicts of claims and gradients of objectives, computed with what is installed where this is called."""
    from dstheory.claims.checking import check
    from dstheory.claims.sources import bundled_files, load_claims
    from dstheory.symbolic import derive

    found: dict = {name: str(derive(name).gradient) for name in OBJECTIVES if name in names}
    files = {CLAIMS[name] for name in names if name in CLAIMS}
    for path in bundled_files():
        if path.stem in files:
            for name, claim in load_claims(path).items():
                if name in names:
                    verdict = check(claim)
                    steps = [[step.method, str(step.status), step.residual] for step in verdict.steps]
                    found[name] = [str(verdict.outcome), steps]
    return found


@pytest.fixture(scope="module")
def found():
    """What this process finds with Python's integers and SymPy's factors, and what others find with libraries."""
    code = """import json, sys
from sympy.external.gmpy import GROUND_TYPES
from symbolic.test_ground_types import results
print(json.dumps([GROUND_TYPES, results(sys.argv[1:])]))"""
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    others = {
        kind: subprocess.Popen(
            [sys.executable, "-c", code, *names],
            env={**os.environ, "SYMPY_GROUND_TYPES": kind, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            text=True,
        )
        for kind, names in ASKED.items()
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dstheory.rational.polynomials.flint", None)
        here = json.loads(json.dumps(results(NAMES)))
    return here, {kind: json.loads(run.communicate(timeout=300)[0]) for kind, run in others.items()}


@pytest.mark.parametrize("kind", ASKED)
def test_verdicts_and_formulas_are_those_of_python_integers(found, kind):
    here, others = found
    assert others[kind] == [kind, {name: here[name] for name in ASKED[kind]}]
