"""A million problems, ten million attempts: time and memory of the estimates, intervals included."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SCRIPT = """
import json, resource, time
from dstheory.anatomy.answers import answer
from dstheory.anatomy.holdout import hold_out
from dstheory.anatomy.model_checks import check_model
from dstheory.anatomy.rates import measure
from dstheory.anatomy.generate import simulate_log
log = simulate_log(1_000_000, p=0.08, a=0.4, b=0.96, cap=16, concentration=1.0)
start = time.process_time()
measure(log); measure(log, "task"); measure(log, "round")
found = answer(log)
estimates = time.process_time() - start
check_model(log); hold_out(log)
everything = time.process_time() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
width = found.predicted["accuracy"].high - found.predicted["accuracy"].low
print(json.dumps([len(log.correct), estimates, everything, peak, width]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured in kilobytes on Linux only")
def test_a_million_problems() -> None:
    """In seconds of processor time, which does not depend on what else runs: 15 for the estimates, 30 with all checks; 1.5 GB."""
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    attempts, estimates, everything, peak, width = json.loads(run.stdout)
    assert attempts > 9_000_000
    assert estimates < 15
    assert everything < 30
    assert peak < 1.5
    assert 0 < width < 0.005
