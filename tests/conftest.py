"""Profiles: quick and reproducible by default, many random examples on request."""

import gc
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

# SymPy takes the integers of the fastest library that is installed; tests take Python's, as users have them.
# It keeps a thousand results of each of its functions, which one derivation has used up; workers of claims keep as many as here.
# Both must be said before SymPy loads.
os.environ.setdefault("SYMPY_GROUND_TYPES", "python")
os.environ.setdefault("SYMPY_CACHE_SIZE", "20000")
# Where each processor has a worker, threads of linear algebra wait for one another, and keep processors busy meanwhile.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest
from claims.forked import Forked
from hypothesis import HealthCheck, settings

# A shell without job control starts background jobs with Ctrl-C ignored, nohup with a hangup ignored, and everything started from
# here would inherit that; the tests of interrupted commands are about commands that a person started.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

_common = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
settings.register_profile("quick", max_examples=40, derandomize=True, **_common)
settings.register_profile("mutation", max_examples=8, derandomize=True, **_common)
settings.register_profile("exhaustive", max_examples=2000, **_common)
settings.load_profile(os.environ.get("DSTHEORY_PROFILE", "quick"))

# Collection makes millions of objects that all stay: a third of its time went into looking for cycles among them.
gc.disable()


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """What tests share has no tests of its own and is loaded where it is used, not by every process that looks for doctests."""
    return True if collection_path.suffix == ".py" and not collection_path.name.startswith("test_") else None


def pytest_collection_finish() -> None:
    """What is loaded by now stays: the collector of cycles need not look through it, nor as often as by default."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _workers_are_forked() -> Iterator[None]:
    """Workers of claims that the tests of this process start are forked (see ``claims/forked.py``)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dstheory.claims.workers.subprocess", SimpleNamespace(Popen=Forked, PIPE=subprocess.PIPE))
        yield
