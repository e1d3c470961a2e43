r"""Predicting problems that were not used in the fit: the comparison of the pooled with the heterogeneous chain.

Problems are split at random into folds; each fold is predicted by chains fitted to all others (:mod:`dstheory.anatomy.parts`).

- **Held-out log-likelihood** per problem, of its sequences of attempts and decisions. Differences between chains are paired by
  problem; a positive one means that the chain describes problems it has not seen better.
- **Calibration**: predicted against realised accuracy, share stopped, number of attempts; and per round the share of correct
  answers among episodes that reach it. z is the difference over the standard error of what was realised.

Source: derived here; cross-validation by clusters, Hastie, Tibshirani, Friedman (2009), section 7.10.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dstheory.anatomy import ledger as ledgers
from dstheory.anatomy.episodes import Episodes
from dstheory.anatomy.estimate import Estimate
from dstheory.anatomy.intervals import check_level, normal_quantile
from dstheory.anatomy.parts import Part, fit, score, split_problems
from dstheory.anatomy.rates import rate
from dstheory.anatomy.rollout_chain import KINDS, RolloutChain
from dstheory.checks import Floats, Ints, whole_number
from dstheory.errors import RecordError

__all__ = ["Calibration", "HeldOut", "hold_out"]

_ROUNDS = 12  # rounds shown in the calibration


@dataclass(frozen=True)
class Calibration:
    """One quantity, as each chain predicts it and as it came out.

    Attributes:
        what: the quantity.
        predicted: per kind of chain.
        realised: with its interval.
        z: per kind, (realised - predicted) over the standard error of the realised one; None where that is zero.
    """

    what: str
    predicted: Mapping[str, float]
    realised: Estimate
    z: Mapping[str, float | None]


@dataclass(frozen=True)
class HeldOut:
    """The comparison.

    Attributes:
        folds, problems: number of folds and of problems.
        log_likelihood: per kind, the mean per held-out problem.
        difference: per kind other than "pooled", mean difference to the pooled chain per problem, paired.
        calibration: quantities, predicted and realised.
        chains: per kind, the chain fitted to all problems: for predictions about other logs.
    """

    folds: int
    problems: int
    log_likelihood: Mapping[str, float]
    difference: Mapping[str, Estimate]
    calibration: tuple[Calibration, ...]
    chains: Mapping[str, RolloutChain]


def hold_out(
    episodes: Episodes,
    *,
    folds: int = 5,
    kinds: Sequence[str] = tuple(KINDS),
    level: float = 0.95,
    rng: np.random.Generator | int = 0,
) -> HeldOut:
    """Compare chains on problems that they were not fitted to.

    Args:
        episodes: the log.
        folds: number of parts that the problems are split into.
        kinds: chains to compare; "pooled" must be among them.
        level: of the intervals.
        rng: generator or seed of the split.

    Raises:
        RecordError: fewer problems than folds, fewer than two folds, an unknown kind, or no "pooled" one.

    >>> from dstheory.anatomy.simulate import simulate_log
    >>> found = hold_out(simulate_log(400, p=0.4, a=0.9, b=0.8, cap=8, concentration=1.0), kinds=["pooled", "heterogeneous"])
    >>> found.difference["heterogeneous"].low > 0
    True
    >>> stopped = found.calibration[1]
    >>> stopped.what, round(stopped.realised.value, 2), {k: round(v, 2) for k, v in stopped.predicted.items()}
    ('stopped', 0.95, {'pooled': 0.98, 'heterogeneous': 0.95})
    """
    check_level(level)
    if "pooled" not in kinds:
        raise RecordError(f"kinds are {', '.join(kinds) or 'none'}: 'pooled' must be among them, the others are compared with it")
    parts = split_problems(episodes, whole_number(folds, "folds", low=2), rng=rng)
    whole = parts[0]
    for part in parts[1:]:
        whole = whole + part
    rounds = min(whole.rounds, _ROUNDS)
    n_episodes = len(episodes)
    rows: dict[str, list[Floats]] = {kind: [] for kind in kinds}
    means = {kind: dict.fromkeys(("accuracy", "stopped", "attempts"), 0.0) for kind in kinds}
    reach = {kind: np.zeros(rounds) for kind in kinds}
    right = {kind: np.zeros(rounds) for kind in kinds}
    for k, test in enumerate(parts):
        others = [part for j, part in enumerate(parts) if j != k]
        train = others[0]
        for part in others[1:]:
            train = train + part
        size = test.table.total("episodes") / n_episodes
        for kind in kinds:
            likelihood, predicted, reached, correct = score(fit(train, kind), test, rounds=rounds)
            rows[kind].append(likelihood)
            for what, value in predicted.items():
                means[kind][what] += size * value
            reach[kind] += size * reached
            right[kind] += size * correct
    times = np.concatenate([part.table.times for part in parts])
    pooled = np.concatenate(rows["pooled"])
    problems = int(times.sum())
    return HeldOut(
        folds=folds,
        problems=problems,
        log_likelihood={kind: float(times @ np.concatenate(rows[kind]) / problems) for kind in kinds},
        difference={kind: _paired(np.concatenate(rows[kind]) - pooled, times, level) for kind in kinds if kind != "pooled"},
        calibration=_calibration(episodes, whole, means, reach, right, level),
        chains={kind: fit(whole, kind).chain for kind in kinds},
    )


def _paired(differences: Floats, times: Ints, level: float) -> Estimate:
    n = times.sum()
    mean = float(times @ differences / n)
    error = normal_quantile(level) * float(np.sqrt(times @ (differences - mean) ** 2 / (n * max(n - 1, 1))))
    return Estimate(mean, mean - error, mean + error, level, f"normal, {int(n)} problems, paired")


def _calibration(
    episodes: Episodes,
    whole: Part,
    means: Mapping[str, Mapping[str, float]],
    reach: Mapping[str, Floats],
    right: Mapping[str, Floats],
    level: float,
) -> tuple[Calibration, ...]:
    table = whole.table
    attempts = normal_quantile(level) * float(np.sqrt(table.covariance(("attempts", "episodes"), ("attempts", "episodes"))))
    mean = table.total("attempts") / table.total("episodes")
    realised = {
        "accuracy": rate(table, "final_correct", "episodes", level=level),
        "stopped": rate(table, "stopped", "episodes", level=level),
        "attempts": Estimate(mean, mean - attempts, mean + attempts, level, f"normal, {table.problems} problems"),
    }
    out = [_one(what, {k: v[what] for k, v in means.items()}, came_out, level) for what, came_out in realised.items()]
    for k, here in ledgers.rounds(episodes, most=_ROUNDS):
        correct = rate(here, "correct", "attempts", level=level)
        predicted = {kind: float(right[kind][k] / reach[kind][k]) if reach[kind][k] > 0 else 0.0 for kind in means}
        out.append(_one(f"correct in round {k + 1}, of those that reach it", predicted, correct, level))
    return tuple(out)


def _one(what: str, predicted: Mapping[str, float], realised: Estimate, level: float) -> Calibration:
    assert realised.value is not None
    # The half width of the interval over its quantile is the standard error, also for Wilson's in the middle of the range.
    error = (realised.high - realised.low) / (2 * normal_quantile(level))
    z = {kind: (realised.value - value) / error if error > 0 else None for kind, value in predicted.items()}
    return Calibration(what, dict(predicted), realised, z)
