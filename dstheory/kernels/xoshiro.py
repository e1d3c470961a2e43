"""xoshiro256++ (Blackman and Vigna 2021, ACM TOMS 47:36), inlined into compiled loops.

A call into NumPy's generator costs more than everything else that a turn of a small chain needs. Each stream is started
from 256 bits that the caller's generator draws; among that many states, streams do not overlap.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dstheory.kernels.jit import inlined

__all__ = ["next_uniform", "next_word", "stream_states"]

_17, _19, _23, _41, _45 = (np.uint64(n) for n in (17, 19, 23, 41, 45))
_11 = np.uint64(11)
_UNIT = 2.0**-53


@inlined()
def next_word(state):  # type: ignore[no-untyped-def]
    """Advance the state, four 64-bit words in an array, and return the next 64 random bits."""
    s0, s1, s2, s3 = state[0], state[1], state[2], state[3]
    mixed = s0 + s3
    word = ((mixed << _23) | (mixed >> _41)) + s0
    s2 ^= s0
    s3 ^= s1
    state[0] = s0 ^ s3
    state[1] = s1 ^ s2
    state[2] = s2 ^ (s1 << _17)
    state[3] = (s3 << _45) | (s3 >> _19)
    return word


@inlined()
def next_uniform(state):  # type: ignore[no-untyped-def]
    """Return a uniform number in [0, 1), a multiple of 2^-53."""
    return np.float64(next_word(state) >> _11) * _UNIT


def stream_states(rng: np.random.Generator, streams: int) -> NDArray[np.uint64]:
    """Return the states of `streams` independent streams, shape (streams, 4), drawn from `rng`; none is all zero."""
    states = rng.integers(0, 2**64, size=(streams, 4), dtype=np.uint64)
    states[:, 3] |= np.uint64(~states.any(axis=1))
    return states
