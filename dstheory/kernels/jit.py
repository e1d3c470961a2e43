"""Compilation: every kernel is compiled once per machine and loaded from a cache afterwards.

The cache directory carries a fingerprint of all kernel sources, of numba, Python and the processor in its name. numba
itself would notice a change in the file of a kernel, but not in the helpers that the kernel inlines from another file.
If no directory can be written, the kernels still work: they are then compiled once per process.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding  # type: ignore[import-untyped]
import numba

_HERE = Path(__file__).parent


def _fingerprint() -> str:
    """Return a short hash of everything that the machine code depends on."""
    digest = hashlib.sha256()
    for source in sorted(_HERE.glob("*.py")):
        digest.update(source.read_bytes())
    facts = (numba.__version__, sys.version_info[:2], sys.platform, llvmlite.binding.get_host_cpu_name())
    digest.update(repr(facts).encode())
    return digest.hexdigest()[:16]


@cache
def cache_directory() -> Path | None:
    """Return the directory that holds the compiled kernels, or None if none can be written.

    Candidates, in order: ``NUMBA_CACHE_DIR`` if set, ``__pycache__`` beside the sources, the user's cache directory.
    """
    user_cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    candidates = [_HERE / "__pycache__", Path(user_cache) / "dstheory"]
    if numba.config.CACHE_DIR:
        candidates.insert(0, Path(numba.config.CACHE_DIR))
    for candidate in candidates:
        directory = candidate / f"kernels-{_fingerprint()}"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=directory):
                return directory
        except OSError:
            continue
    return None


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a loop on first use, with the cache above; it runs without the interpreter's lock.

    Division by zero follows IEEE 754 (``error_model="numpy"``), and a product may be fused with the sum that follows it
    (``contract``), which only removes a rounding. No other freedom is given to the compiler: infinities and NaN keep
    their meaning, sums keep their order unless they go through `fastmath.accumulate`.
    """
    options = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
    directory = cache_directory()
    if directory is None:
        return numba.njit(**options)(function)
    previous = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(directory)  # read by numba when the decorator below runs, and only then
    try:
        return numba.njit(cache=True, **options)(function)
    finally:
        numba.config.CACHE_DIR = previous


def inlined(*fastmath: str) -> Callable[[Callable[..., Any]], Any]:
    """Compile a helper into its callers; `fastmath` names the freedoms that its own instructions get."""
    decorator: Callable[[Callable[..., Any]], Any] = numba.njit(
        forceinline=True, error_model="numpy", fastmath={"contract", *fastmath}
    )
    return decorator
