"""Integers may be Python's, GMP's or FLINT's, factors SymPy's or FLINT's: derivations and verdicts do not depend on which."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

CLAIMS = ["A1", "A3", "C1", "D2", "F3", "H9", "O10-extreme"]
CODE = """
import json, os, sys
if os.environ["SYMPY_GROUND_TYPES"] == "python":
    sys.modules["flint"] = None  # as if it were not installed
from sympy.external.gmpy import GROUND_TYPES
from dstheory.claims.checking import check
from dstheory.claims.loading import load_claims
from dstheory.claims.sources import bundled_files
from dstheory.symbolic import derive
wanted = set(sys.argv[1:])
verdicts = {}
for path in bundled_files():
    for name, claim in load_claims(path).items():
        if name in wanted:
            verdict = check(claim)
            verdicts[name] = [str(verdict.outcome), [[step.method, str(step.status), step.residual] for step in verdict.steps]]
formulas = {name: str(derive(name).gradient) for name in ("reinforce", "sft", "kl", "grpo", "reinforce-pp")}
print(json.dumps([GROUND_TYPES, verdicts, formulas]))
"""


@pytest.fixture(scope="module")
def found():
    out = {}
    for kind in ("python", "gmpy", "flint"):
        run = subprocess.run(
            [sys.executable, "-c", CODE, *CLAIMS],
            env={**os.environ, "SYMPY_GROUND_TYPES": kind},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr[-2000:]
        used, *out[kind] = json.loads(run.stdout)
        assert used == kind
    return out


@pytest.mark.parametrize("kind", ["gmpy", "flint"])
def test_verdicts_and_formulas_are_those_of_python_integers(found, kind):
    assert found[kind] == found["python"]
    assert set(found[kind][0]) == set(CLAIMS)
