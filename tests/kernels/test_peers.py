"""The contenders of the benchmarks: the loop in C, by hand, gives what the kernel gives; one that is lacking says why."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers import Worker
from benchmarks.w1_gradient import ours
from benchmarks.w1_peers import c_loop, make_problem


@pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no gcc")
@pytest.mark.parametrize(("real", "precision"), [(np.float64, 1e-13), (np.float32, 1e-4)])
def test_a_loop_written_by_hand_in_c_agrees(real: type[np.floating], precision: float) -> None:
    problem = make_problem(50, 37)
    try:
        call = c_loop(problem, real)
    except ImportError as error:
        pytest.skip(str(error))  # a compiler without OpenMP
    for found, expected in zip(call(), ours(problem)(), strict=True):
        assert np.max(np.abs(found - expected)) <= precision * np.max(np.abs(expected))
    assert (np.array([1e-310]) * 0.5 > 0.0).all()  # loading it has not turned subnormal numbers to 0 in this process


def test_a_peer_that_does_not_come_up_says_why(tmp_path: Path) -> None:
    with pytest.raises(ImportError, match=r"FileNotFoundError: .*z\.npy"):
        Worker("benchmarks.w1_peers", tmp_path, "jax")
