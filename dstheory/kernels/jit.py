"""Compilation, once per machine and loaded from a cache afterwards; exponential and logarithms that the compiler can vectorise.

The cache directory carries a fingerprint of all kernel sources, of numba, Python and the processor in its name. numba
itself would notice a change in the file of a kernel, but not in helpers and constants that the kernel takes from another file.
If no directory can be written, the kernels still work: they are then compiled once per process.

The C library's exp and log are calls, one number at a time, and they are nearly all the cost of the gradient kernel. The
exponential and the logarithms here are branch-free and right to within 2 units in the last place: a range reduction and one
polynomial, so that a loop over answers runs four lanes wide (AVX2) or more. The polynomials interpolate at Chebyshev nodes, in
exact arithmetic, rounded to double; their own error is below 2e-17 relative, the rest is rounding. Even and odd coefficients run
in two chains, which halves the time that each step waits for the one before it. The tests compare with mpmath. They are written
out because the library that numba can call for the purpose, Intel's SVML, exists for x86 only.
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
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

_HERE = Path(__file__).parent
_LOG2_E = 1.4426950408889634
_ROUND = 6755399441055744.0  # 1.5 * 2^52: adding it rounds to an integer and leaves that integer in the low bits
_LN2_HIGH = 6.93147180369123816490e-01  # 32 trailing zero bits, so n * _LN2_HIGH is exact for |n| < 2^11
_LN2_LOW = 1.90821492927058770002e-10
_EXP_UNDERFLOW = -708.0  # exp(-708) = 3.3e-308 is still a normal number


def sources() -> list[Path]:
    """Return the files that compiled loops stand in, or take helpers and constants from."""
    patterns = ("kernels/*.py", "dynamics/soft_*.py", "tokens/kernels.py")
    return sorted(file for pattern in patterns for file in _HERE.parent.glob(pattern))


def _fingerprint() -> str:
    """Return a short hash of everything that the machine code depends on."""
    digest = hashlib.sha256()
    for source in sources():
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
    their meaning, sums keep their order unless they go through `accumulate`.
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


@intrinsic
def _to_bits(typing_context: Any, x: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), generate


@intrinsic
def _from_bits(typing_context: Any, n: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), generate


@inlined("reassoc", "nsz")
def accumulate(total: float, term: float) -> float:
    """Return total + term, for sums whose order does not matter: a loop of these may be split over lanes."""
    return total + term


@intrinsic
def larger(typing_context: Any, a: Any, b: Any) -> Any:
    """Return the larger of two numbers, NaN if one is NaN; a loop of these may be split over lanes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        double = ir.DoubleType()
        maximum = builder.module.declare_intrinsic("llvm.maximum", [double], ir.FunctionType(double, [double, double]))
        return builder.call(maximum, arguments)

    return types.float64(types.float64, types.float64), generate


@inlined()
def _power(x: float) -> tuple[float, float]:
    r"""Return e^r - 1 and, in the low bits of a number, n, of x = n ln 2 + r with \|r\| <= (ln 2)/2.

    e^r = 1 + (r + r^2 q(r)), q of degree 9.
    """
    shifted = x * _LOG2_E + _ROUND
    n = shifted - _ROUND
    r = (x - n * _LN2_HIGH) - n * _LN2_LOW
    square = r * r
    even, odd = 2.7620088445409746e-07, 2.510038549551032e-08
    even, odd = even * square + 2.4801521295954376e-05, odd * square + 2.7557268459997064e-06
    even, odd = even * square + 1.3888888917213717e-03, odd * square + 1.9841269863053618e-04
    even, odd = even * square + 4.166666666662413e-02, odd * square + 8.333333333330062e-03
    even, odd = even * square + 5.000000000000001e-01, odd * square + 1.6666666666666669e-01
    return r + square * (odd * r + even), shifted


@inlined()
def exp_nonpositive(x: float) -> float:
    """Return e^x for x <= 0, and exactly 0 for x < -708 (-inf included): the factor 2^n is added to the exponent of e^r."""
    beyond, shifted = _power(x)
    scaled = _from_bits(_to_bits(1.0 + beyond) + (_to_bits(shifted) << 52))
    return 0.0 if x < _EXP_UNDERFLOW else scaled


@inlined()
def highest(z, x, n):  # type: ignore[no-untyped-def]
    """Return the largest logit of a prompt's n answers, NaN if one is NaN."""
    top = -np.inf
    for y in range(n):
        top = larger(z[x, y], top)
    return top


@inlined()
def decision(l: float) -> tuple[float, float, float, float]:
    r"""Return of a logit l of stop P(stop), P(resample), the smaller of the two and e^-\|l\|: no digit is lost, however rare."""
    t = exp_nonpositive(-abs(l))
    likely = 1.0 / (1.0 + t)
    rare = t * likely
    return (rare if l < 0.0 else likely), (likely if l < 0.0 else rare), rare, t


@inlined()
def exp_and_expm1(x: float) -> tuple[float, float]:
    """Return e^x and e^x - 1 for |x| <= 700, which keeps its digits: 2^n (e^r - 1) + (2^n - 1) cancels nothing."""
    beyond, shifted = _power(x)
    scale = _from_bits(_to_bits(1.0) + (_to_bits(shifted) << 52))
    return scale * (1.0 + beyond), scale * beyond + (scale - 1.0)


@inlined()
def _two_atanh(f: float) -> float:
    """Return 2 artanh(f) = log((1 + f)/(1 - f)) for |f| <= 1/3, as 2f + f z c(z) with z = f^2, c of degree 9."""
    z = f * f
    y = z * z
    even, odd = 8.800738486144674e-02, 1.616404561194353e-01
    even, odd = even * y + 1.3314144209654935e-01, odd * y + 1.2001072809590713e-01
    even, odd = even * y + 1.8181789436132859e-01, odd * y + 1.5385570064958623e-01
    even, odd = even * y + 2.857142856710876e-01, odd * y + 2.2222222717427864e-01
    even, odd = even * y + 6.666666666666666e-01, odd * y + 4.0000000000014585e-01
    return 2.0 * f + (f * z) * (odd * z + even)


@inlined()
def log1p_ratio(a: float, b: float) -> float:
    """Return log((1 + a)/(1 + b)) for a and b in [0, 1]; exactly 0 when a = b, and no digits lost when they are close."""
    return _two_atanh((a - b) / (2.0 + (a + b)))


@inlined()
def log1p_unit(a: float) -> float:
    """Return log(1 + a) for a in [0, 1]."""
    return _two_atanh(a / (2.0 + a))
