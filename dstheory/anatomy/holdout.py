r"""Predicting problems that were not used in the fit: the comparison of the pooled with the heterogeneous chain.

Fitting p, a, b to episodes and "predicting" the accuracy of the same episodes is accounting (claim G4), and episodes of one
problem say something about each other. So *problems* are split at random into folds, and each fold is predicted by chains fitted
to all others. All fits have the pseudo-observation of :mod:`dstheory.anatomy.beta`, so that no held-out problem is impossible.

- **Held-out log-likelihood** per problem, of its sequences of attempts and decisions. Differences between chains are paired by
  problem; a positive one means that the chain describes problems it has not seen better. The chains of k folds are fitted to
  mostly the same problems, so how much problems differ shows too little of how far their mean may be off: its variance is taken
  as that of independent problems times 1 + k/(k - 1).
- **Calibration**: predicted against realised accuracy, share stopped, number of attempts; and per round the share of correct
  answers among episodes that reach it. z says how far apart they are, in units in which the interval of what was realised ends
  at the normal quantile of its level: at 95 %, :math:`|z| > 1.96` where it does not hold the predicted value (before it is moved
  out at small counts). That the predicted value is estimated, too, is not in it.

Source: derived here; cross-validation by clusters, Hastie, Tibshirani, Friedman (2009), section 7.10; the variance of means over
folds, Nadeau and Bengio (2003).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dstheory.anatomy import chain_formulas
from dstheory.anatomy.episodes import Episodes, HoldsEpisodes, Labels, episodes_of
from dstheory.anatomy.rates import (
    Estimate,
    ProblemCounts,
    attempts_deviate,
    cells,
    mean_attempts,
    normal_quantile,
    rate,
    rate_deviate,
    rounds,
    student_quantile,
)
from dstheory.anatomy.rollout_chain import KINDS, RolloutChain, fit_chains
from dstheory.checks import Floats, Ints, whole_number
from dstheory.errors import RecordError

_ROUNDS = 12  # rounds shown in the calibration


@dataclass(frozen=True)
class Calibration:
    """One quantity, as each chain predicts it and as it came out.

    Attributes:
        what: the quantity.
        predicted: per kind of chain.
        realised: with its interval.
        z: per kind, how far the realised one lies above the predicted: beyond 1.96 where a 95 % interval leaves that out; None
            where 0 or 1 is predicted, or infinitely many attempts.
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
    episodes: Episodes | HoldsEpisodes,
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
        RecordError: fewer problems than folds, an unknown kind, or no "pooled" one.
        ChainError: fewer than two folds.

    >>> from dstheory.anatomy import simulate_log
    >>> found = hold_out(simulate_log(400, p=0.4, a=0.9, b=0.8, cap=8, concentration=1.0), kinds=["pooled", "heterogeneous"])
    >>> found.difference["heterogeneous"].low > 0
    True
    >>> stopped = found.calibration[1]
    >>> stopped.what, round(stopped.realised.value, 2), {k: round(v, 2) for k, v in stopped.predicted.items()}
    ('stopped', 0.95, {'pooled': 0.98, 'heterogeneous': 0.95})
    """
    normal_quantile(level)
    episodes = episodes_of(episodes)
    if "pooled" not in kinds:
        raise RecordError(f"kinds are {', '.join(kinds) or 'none'}: 'pooled' must be among them, the others are compared with it")
    folds = whole_number(folds, "folds", low=2)
    fold = fold_of_episodes(episodes, folds, rng=rng)
    label = Labels(fold, tuple(map(str, range(folds))))
    tables = [table for _, table in cells(episodes.with_field("(fold)", label), ("(fold)",))]
    shown = min(int(episodes.attempts.max()), _ROUNDS)
    rows: dict[str, list[Floats]] = {kind: [] for kind in kinds}
    means = {kind: np.zeros(3 + 2 * shown) for kind in kinds}
    for k, test in enumerate(tables):
        chains = fit_chains(_together([table for j, table in enumerate(tables) if j != k]), kinds)
        caps, counts = np.unique(episodes.cap[fold == k], return_counts=True)
        shares = dict(zip(caps.tolist(), (counts / len(episodes)).tolist(), strict=True))
        for kind, chain in chains.items():
            rows[kind].append(chain.log_likelihood(test))
            means[kind] += _predicted(chain, shares, shown)
    times = np.concatenate([table.times for table in tables])
    likelihood = {kind: np.concatenate(found) for kind, found in rows.items()}
    return HeldOut(
        folds=folds,
        problems=int(times.sum()),
        log_likelihood={kind: float(times @ found / times.sum()) for kind, found in likelihood.items()},
        difference={
            kind: _paired(found - likelihood["pooled"], times, folds, level)
            for kind, found in likelihood.items()
            if kind != "pooled"
        },
        calibration=_calibration(episodes, _together(tables), means, level),
        chains=fit_chains(_together(tables), kinds),
    )


def fold_of_episodes(episodes: Episodes, folds: int, *, rng: np.random.Generator | int = 0) -> Ints:
    """Return (N,) the fold of each episode: the same for all episodes of a problem, folds of nearly equal numbers of problems.

    Raises:
        RecordError: there are fewer problems than folds.

    >>> from dstheory.anatomy import simulate_log
    >>> np.bincount(fold_of_episodes(simulate_log(11, p=0.5, a=0.5, b=0.5, cap=3), 3)).tolist()
    [4, 4, 3]
    """
    present = np.flatnonzero(np.bincount(episodes.problem, minlength=len(episodes.problem_ids)))
    if len(present) < folds:
        raise RecordError(f"{len(present):,} problems cannot be split into {folds} folds: use fewer folds or more problems")
    fold = np.zeros(len(episodes.problem_ids), dtype=np.int32)
    fold[np.random.default_rng(rng).permutation(present)] = np.arange(len(present)) % folds
    return fold[episodes.problem]


def _together(tables: Sequence[ProblemCounts]) -> ProblemCounts:
    return ProblemCounts(np.concatenate([table.rows for table in tables]), np.concatenate([table.times for table in tables]))


def _predicted(chain: RolloutChain, caps: Mapping[int, float], shown: int) -> Floats:
    """Return (3 + 2 R,) accuracy, share stopped, attempts; shares that reach each round, and that are correct in it.

    They are sums over the caps, weighted by the share of all episodes that have this cap.
    """
    whole = [sum(share * what(cap) for cap, share in caps.items()) for what in (chain.accuracy, chain.stopped, chain.attempts)]
    still_allowed = np.array([sum(share for cap, share in caps.items() if cap == 0 or cap > k) for k in range(shown)])

    def rounds_reached(p: Floats, a: Floats, b: Floats) -> Floats:
        reach = chain_formulas.reaching(p, a, b, shown)
        return np.stack([reach, reach * p])

    return np.concatenate([whole, (chain.expect(rounds_reached, shown) * still_allowed).ravel()])


def _paired(differences: Floats, times: Ints, folds: int, level: float) -> Estimate:
    n = int(times.sum())
    mean = float(times @ differences / n)
    alone = float(times @ (differences - mean) ** 2 / (n * max(n - 1, 1)))
    half = student_quantile(n - 1, level) * float(np.sqrt(alone * (1 + folds / (folds - 1))))
    return Estimate(mean, mean - half, mean + half, level, f"Student, {n:,} problems, paired, {folds} folds")


def _calibration(episodes: Episodes, table: ProblemCounts, means: Mapping[str, Floats], level: float) -> tuple[Calibration, ...]:
    def share(what: str, counts: ProblemCounts, successes: str, trials: str, predicted: Mapping[str, float]) -> Calibration:
        z = {kind: rate_deviate(counts, successes, trials, value, level) for kind, value in predicted.items()}
        return Calibration(what, predicted, rate(counts, successes, trials, level=level), z)

    accuracy, stopped, attempts = ({kind: float(mean[i]) for kind, mean in means.items()} for i in range(3))
    out = [
        share("accuracy", table, "final_correct", "episodes", accuracy),
        share("stopped", table, "stopped", "episodes", stopped),
    ]
    z = {kind: attempts_deviate(table, value, level) for kind, value in attempts.items()}
    out.append(Calibration("attempts", attempts, mean_attempts(table, level), z))
    by_round = {kind: mean[3:].reshape(2, -1) for kind, mean in means.items()}
    for k, here in enumerate(rounds(episodes, most=_ROUNDS)):
        right = {kind: float(right[k] / reach[k]) if reach[k] > 0 else 0.0 for kind, (reach, right) in by_round.items()}
        out.append(share(f"correct in round {k + 1}, of those that reach it", here, "correct", "attempts", right))
    return tuple(out)
