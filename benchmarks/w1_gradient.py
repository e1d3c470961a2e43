"""W1: exact value and gradient of reward + direct KL on a table of 100,000 prompts x 64 answers."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.measure import Elsewhere, interleaved, median_ratio, parallel_copy, peak_extra_bytes, relative_difference, rows
from benchmarks.peers import HOW_TO_INSTALL, Worker
from benchmarks.reference import reward_kl_gradient as reference_gradient
from benchmarks.report import AGREES, Report, Target
from benchmarks.w1_peers import BETA, DECISION_WEIGHT, GAMMA, Outcome, Problem, c_loop, make_problem, triad
from dstheory import Policy, TwoStageMDP, solve
from dstheory.kernels import reward_kl_gradient
from dstheory.kernels.parallel import available_threads
from dstheory.objectives import Reinforce, ReverseKLDirect

__all__ = ["ours", "run"]

_TWO = "--xla_force_host_platform_device_count={threads}"
_FREE = (
    "--xla_cpu_enable_fast_math=true --xla_cpu_fast_math_honor_nans=false --xla_cpu_fast_math_honor_infs=false "
    "--xla_cpu_fast_math_honor_division=false --xla_cpu_fast_math_honor_functions=false"
)
_JAX = {"": "", "a device per core": _TWO, "a device per core, 512-bit vectors": f"{_TWO} --xla_cpu_prefer_vector_width=512",
        "a device per core, 512-bit vectors, fast math": f"{_TWO} --xla_cpu_prefer_vector_width=512 {_FREE}"}  # fmt: skip
_SINGLE = "C loop, OpenMP and libmvec, float32"


def ours(problem: Problem, *, fresh: bool = False) -> Callable[[], Outcome]:
    """Return this package's computation; if `fresh`, its results go to memory that the process has not touched before."""

    def call() -> Outcome:
        out = (np.empty_like(problem.z), np.empty_like(problem.l)) if fresh else None
        result = reward_kl_gradient(
            problem.z,
            problem.l,
            problem.r_stop,
            problem.r_resample,
            ref_sample_logits=problem.z_ref,
            ref_stop_logits=problem.l_ref,
            beta=BETA,
            sample_weight=problem.w_s,
            decision_weight=DECISION_WEIGHT,
            prompt_weight=problem.rho,
            gamma_between=GAMMA,
            out=out,
        )
        # No @ here: the threads of NumPy's library wait busily after it, and take the time of what is measured.
        objective = float((problem.rho * (result.value - BETA * result.divergence)).sum())
        return objective, result.sample, result.decide

    return call


def through_the_library(problem: Problem) -> Callable[[], Outcome]:
    """Return the same computation as a user writes it: chain, policy and objective, built once."""
    mdp = TwoStageMDP(
        correct=problem.r_stop,
        reward_stop=problem.r_stop,
        reward_resample=problem.r_resample,
        sample_length=problem.w_s**2,
        prompt_weight=problem.rho,
        gamma=GAMMA,
    )
    policy, reference = Policy.tabular(problem.z, problem.l), Policy.tabular(problem.z_ref, problem.l_ref)
    objective = Reinforce() + ReverseKLDirect(reference, beta=BETA, length_weight=0.5)

    def call() -> Outcome:
        _, gradient = objective.value_and_gradient(solve(mdp, policy))  # the value is the reward's alone
        return math.nan, gradient.sample[0], gradient.decide[0]

    return call


def plain_numpy(problem: Problem, block: int = 512) -> Callable[[], Outcome]:
    """Return the NumPy reference, in blocks that stay in the second-level cache."""

    def call() -> Outcome:
        objective, grad_z, grad_l = 0.0, np.empty_like(problem.z), np.empty_like(problem.l)
        for start in range(0, problem.rho.size, block):
            part = Problem(*(array[start : start + block] for array in problem.arrays()))
            result = reference_gradient(
                part.z,
                part.l,
                part.r_stop,
                part.r_resample,
                ref_sample_logits=part.z_ref,
                ref_stop_logits=part.l_ref,
                beta=BETA,
                sample_weight=part.w_s,
                decision_weight=DECISION_WEIGHT,
                prompt_weight=part.rho,
                gamma_between=GAMMA,
            )
            objective += float(part.rho @ (result.value - BETA * result.divergence))
            grad_z[start : start + block], grad_l[start : start + block] = result.sample, result.decide
        return objective, grad_z, grad_l

    return call


def _workers(problem: Problem, folder: Path, opened: ExitStack, report: Report) -> dict[str, tuple[Worker, str]]:
    """Return the contenders of other libraries by name: the process and what it calls them. What is lacking is noted."""
    problem.save(folder)
    svml = os.environ.get("SVML_PYTHON", sys.executable)  # Numba's own wheels cannot call SVML any more
    asked: dict[str, tuple[str, str, dict[str, str]]] = {
        " ".join(filter(None, ["JAX", f"({how})" if how else ""])): ("jax", sys.executable, {"XLA_FLAGS": flags})
        for how, flags in _JAX.items()
    }
    asked["PyTorch"] = "torch", sys.executable, {"TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor")}
    asked["Numba with SVML"] = "numba", svml, {"LD_LIBRARY_PATH": str(Path(svml).parents[1] / "lib")}
    found: dict[str, tuple[Worker, str]] = {}
    for label, (library, python, env) in asked.items():
        env = {key: value.format(threads=available_threads()) for key, value in env.items()}
        try:
            worker = Worker("benchmarks.w1_peers", folder, library, python=python, env=env)
        except ImportError as error:
            report.notes.append(f"Not measured: {label} ({error}); {HOW_TO_INSTALL}.")
            continue
        opened.callback(worker.close)
        found |= {f"{label}, {name}": (worker, name) for name in worker.names}
    return found


def _difference(one: Outcome, other: Outcome) -> float:
    """Return the largest relative difference of objectives (unless NaN: not computed) and gradients."""
    gradients = [relative_difference(np.asarray(a), np.asarray(b)) for a, b in zip(one[1:], other[1:], strict=True)]
    return max(gradients) if np.isnan(other[0]) else max(abs(one[0] - float(other[0])) / abs(float(other[0])), *gradients)


def run(repeats: int = 7, prompts: int = 100_000, answers: int = 64) -> Report:
    """Time all contenders, compare their numbers, measure extra memory."""
    threads = available_threads()
    problem = make_problem(prompts, answers)
    report = Report("W1", f"value and gradient of reward + direct KL, {prompts:,} prompts x {answers} answers, {threads} threads")
    package, copy, stream = "this package", f"copy of inputs and outputs, {threads} threads", "STREAM triad"
    library, loop, blocks = "this package, through chain, policy and objective", "C loop, OpenMP and libmvec", "NumPy, in blocks"
    here: dict[str, Callable[[], Any]] = {
        package: ours(problem),
        "this package, results in fresh memory": ours(problem, fresh=True),
        copy: parallel_copy([*problem.arrays(), np.zeros_like(problem.z), np.zeros_like(problem.l)], threads),
        library: through_the_library(problem),
        blocks: plain_numpy(problem),
    }
    compared = [library, blocks]
    try:
        here |= {loop: c_loop(problem, np.float64), _SINGLE: c_loop(problem, np.float32), stream: triad(problem.z.size)}
        compared += [loop, _SINGLE]
    except ImportError as error:
        report.notes.append(f"Not measured: the C loop and STREAM's triad ({error}).")

    with TemporaryDirectory() as folder, ExitStack() as opened:
        workers = _workers(problem, Path(folder), opened, report)
        result = ours(problem)()
        for name in compared:
            report.agreement[name] = _difference(result, here[name]())
        for name, (worker, called) in list(workers.items()):
            try:
                report.agreement[name] = _difference(result, worker.results(called))
            except ImportError as error:
                report.notes.append(f"Not measured: {name} ({error}).")
                del workers[name]
        del result  # its memory serves the timed calls
        contenders: dict[str, Callable[[], Any] | Elsewhere] = dict(here)
        contenders |= {name: Elsewhere(partial(worker.timed, called)) for name, (worker, called) in workers.items()}
        times = interleaved(contenders, repeats)

    bytes_moved = sum(array.nbytes for array in problem.arrays()) + 2 * problem.z.nbytes
    moved = {copy: 2 * bytes_moved, stream: 3 * problem.z.nbytes, _SINGLE: bytes_moved // 2}
    report.rows = rows(times, package, dict.fromkeys(times, bytes_moved) | moved)
    report.precision = {_SINGLE: 1e-4}
    peak = peak_extra_bytes(ours(problem, fresh=True))
    extra = None if peak is None else max(0.0, (peak - 2 * problem.z.nbytes) / 1e6)

    def over(*parts: str) -> float | None:
        """Return by how much the fastest of some contenders is slower than this package."""
        ratios = [median_ratio(times[name], times[package]) for name in times if all(part in name for part in parts)]
        return min(ratios, default=None)

    against_loop = median_ratio(times[package], times[loop]) if loop in times else None
    report.targets = [
        Target("speed over the best of JAX, value_and_grad", over("JAX", "value_and_grad"), 8.0, at_least=True, unit="x"),
        Target("speed over the best of JAX, gradient derived by hand", over("JAX", "by hand"), 8.0, at_least=True, unit="x"),
        Target("speed over PyTorch autograd, eager", over("PyTorch, autograd"), 25.0, at_least=True, unit="x"),
        Target("time over the C loop", against_loop, 1.2, at_least=False, unit="x"),
        Target("time over one copy of inputs and outputs", median_ratio(times[package], times[copy]), 3.0, False, "x"),
        Target("extra memory beyond inputs and outputs", extra, 200.0, False, "MB"),
        *(Target(f"difference from {name}", value, report.precision.get(name, AGREES), at_least=False)
          for name, value in report.agreement.items()),
    ]  # fmt: skip
    report.notes.append(
        f"{bytes_moved / 1e6:.0f} MB go in and out; a rate is these over the time (a copy reads and writes each, the triad moves "
        "three tables, as STREAM counts). The package's results lie in memory that it keeps from earlier results which nobody "
        "holds any more (at most 128 MB); the second row is without that. The destinations of the copy, the triad and the C loop "
        "are in memory already. JAX with a gradient derived by hand is what a user gets who does on paper what this package "
        "does. JAX, PyTorch and Numba run in processes of their own."
    )
    return report
