"""Integers may be Python's, GMP's or FLINT's, factors SymPy's or FLINT's: derivations and verdicts do not depend on which."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CLAIMS = {"A1": "a1_chain", "A3": "a2_reflection", "C1": "c_imitation", "D2": "d_kl", "F3": "f_optimisers",
          "H9": "neighbours_h9_verifier", "O10-extreme": "o_clipping"}  # fmt: skip
"""A few of different kinds -> the file that each is in."""
OBJECTIVES = ("reinforce", "sft", "kl", "grpo", "reinforce-pp")


def results() -> dict:
    """Verdicts of claims and gradients of objectives, computed with what is installed where this is called."""
    from dstheory.claims.checking import check
    from dstheory.claims.sources import bundled_files, load_claims
    from dstheory.symbolic import derive

    found: dict = {name: str(derive(name).gradient) for name in OBJECTIVES}
    for path in bundled_files():
        if path.stem in CLAIMS.values():
            for name, claim in load_claims(path).items():
                if name in CLAIMS:
                    verdict = check(claim)
                    steps = [[step.method, str(step.status), step.residual] for step in verdict.steps]
                    found[name] = [str(verdict.outcome), steps]
    return found


@pytest.fixture(scope="module")
def found():
    """What this process finds with Python's integers and SymPy's factors, and what others find with libraries."""
    code = """import json
from sympy.external.gmpy import GROUND_TYPES
from symbolic.test_ground_types import results
print(json.dumps([GROUND_TYPES, results()]))"""
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    others = {
        kind: subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, "SYMPY_GROUND_TYPES": kind, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            text=True,
        )
        for kind in ("gmpy", "flint")
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dstheory.rational.polynomials.flint", None)
        here = json.loads(json.dumps(results()))
    return here, {kind: json.loads(run.communicate(timeout=300)[0]) for kind, run in others.items()}


@pytest.mark.parametrize("kind", ["gmpy", "flint"])
def test_verdicts_and_formulas_are_those_of_python_integers(found, kind):
    here, others = found
    assert others[kind] == [kind, here]
    assert set(here) == {*CLAIMS, *OBJECTIVES}
