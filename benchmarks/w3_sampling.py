"""W3: trajectories per second per core, of the minimal chain and of 1,000 prompts x 64 answers."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import interleaved
from benchmarks.report import Report, Row, Target
from dstheory.kernels import sample_trajectories
from dstheory.kernels.parallel import available_threads

__all__ = ["general_chain", "minimal_chain", "ours", "run"]

FloatArray = NDArray[np.float64]
Chain = tuple[FloatArray, FloatArray]  # (X, Y) answer probabilities and stop probabilities


def minimal_chain() -> Chain:
    """Return the minimal chain at p = 0.55, a = 0.8, b = 0.3."""
    return np.array([[0.55, 0.45]]), np.array([[0.8, 0.7]])


def general_chain(prompts: int = 1_000, answers: int = 64, seed: int = 0) -> Chain:
    """Draw a chain with skewed answers and every degree of willingness to stop."""
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(answers, 0.5), size=prompts), rng.random((prompts, answers))


def ours(chain: Chain, episodes: int, threads: int, seed: int = 0) -> Callable[[], Any]:
    """Return this package's computation."""
    return lambda: sample_trajectories(
        episodes,
        np.random.default_rng(seed),
        answer_probability=chain[0],
        stop_probability=chain[1],
        threads=threads,
    )


def plain_numpy(chain: Chain, episodes: int, seed: int = 0) -> Callable[[], Any]:
    """Return turns per episode by vectorised NumPy: all episodes that go on advance one turn together."""
    probability, stop = chain
    cumulative = np.cumsum(probability, axis=1)
    cumulative /= cumulative[:, -1:]

    def call() -> NDArray[np.int32]:
        rng = np.random.default_rng(seed)
        prompt = rng.integers(0, probability.shape[0], size=episodes, dtype=np.int32)
        turns = np.zeros(episodes, np.int32)
        alive = np.arange(episodes)
        while alive.size:
            x = prompt[alive]
            if probability.shape[1] == 2:
                y = (rng.random(alive.size) >= cumulative[x, 0]).astype(np.int32)
            else:
                # one sorted table for all prompts: the row of prompt x lies in [x, x + 1)
                shifted = (cumulative + np.arange(cumulative.shape[0])[:, None]).ravel()
                y = np.searchsorted(shifted, x + rng.random(alive.size), side="right") - x * probability.shape[1]
            turns[alive] += 1
            alive = alive[rng.random(alive.size) >= stop[x, y]]
        return turns

    return call


def deviations(chain: Chain, episodes: int, threads: int) -> dict[str, float]:
    """Return by how many standard errors sampled mean turns and the frequency of answer 0 at the end miss the exact values."""
    probability, stop = chain
    p_stop = (probability * stop).sum(axis=1)
    turns, squares = (1.0 / p_stop).mean(), ((2.0 - p_stop) / p_stop**2).mean()
    final = (probability[:, 0] * stop[:, 0] / p_stop).mean()
    sampled = ours(chain, episodes, threads)()
    counts = np.diff(sampled.offsets)
    last = sampled.answers[sampled.offsets[1:] - 1]
    return {
        "mean turns": abs(counts.mean() - turns) / sqrt((squares - turns**2) / episodes),
        "last answer": abs((last == 0).mean() - final) / sqrt(final * (1.0 - final) / episodes),
    }


def run(repeats: int = 7) -> Report:
    """Time the sampler on one thread and on all, and check what it draws against the exact chain."""
    threads = available_threads()
    report = Report("W3", "trajectories per second")
    for name, chain, episodes, asked in (
        ("minimal chain", minimal_chain(), 10_000_000, 10e6),
        ("1,000 prompts x 64 answers", general_chain(), 2_000_000, 1e6),
    ):
        contenders = {
            f"{name}, one thread": ours(chain, episodes, 1),
            f"{name}, {threads} threads": ours(chain, episodes, threads),
            f"{name}, plain NumPy (turns only, one thread)": plain_numpy(chain, episodes),
        }
        times = interleaved(contenders, repeats)
        for contender, seconds in times.items():
            rates = [episodes / second / 1e6 for second in seconds]
            report.rows.append(Row(contender, median(rates), max(rates), unit="M/s"))
        report.targets.append(Target(f"{name}, per core", report.rows[-3].median, asked / 1e6, at_least=True, unit="M/s"))
        for what, sigmas in deviations(chain, episodes, threads).items():
            report.targets.append(Target(f"{name}, {what}: standard errors off", sigmas, 4.5, at_least=False))
    return report
