r"""Accuracy round by round, predicted for problems that were not used in the fit: decisions and samples, or self-correction.

The *held* answer after round t is the one that would be submitted if the episode ended there: that of round t, or the one at
which the model stopped. Both theories predict how often it is correct:

* the chain with decisions, :math:`Acc_{submit}` with t + 1 attempts (claim G1), pooled or with a p per problem;
* the self-correction chain, :math:`U - \alpha^t (U - Acc_0)`, with CL and CS counted on the first transition alone, as that
  literature does, or on all transitions of episodes that still go on (claim A6).

Each problem is predicted by fits to the other folds. The score of a prediction is its mean squared error against the held
answers, round by round (a Brier score); differences are paired by problem.

Source: arXiv 2412.19513, 2508.16456 (the self-correction chain); the comparison is derived here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dstheory.anatomy.episodes import Episodes
from dstheory.anatomy.rates import over_problems
from dstheory.anatomy.rollout_chain import fit_chain
from dstheory.checks import Bools, Floats, whole_number
from dstheory.errors import RecordError
from dstheory.extensions.success import SelfCorrection

PREDICTORS = ("decisions, pooled", "decisions, p per problem", "self-correction, first round", "self-correction, all rounds")
"""What is compared; the first is what the others are compared with."""


@dataclass(frozen=True, eq=False)
class Curves:
    """Held-out predictions, by round t = 0, 1, ..., R - 1.

    Attributes:
        realised: (R,) share of episodes whose held answer is correct.
        low, high: (R,) ends of its 95 % interval, Wilson's over problems.
        predicted: per predictor, (R,) mean over episodes of the prediction for their fold.
        error: per predictor, root mean square over rounds 1, 2, ... of predicted less realised.
        worse: per predictor but the first, (difference of the score to the first, its standard error), paired by problem.
    """

    realised: Floats
    low: Floats
    high: Floats
    predicted: Mapping[str, Floats]
    error: Mapping[str, float]
    worse: Mapping[str, tuple[float, float]]


def held_answers(episodes: Episodes, rounds: int) -> tuple[Bools, Bools]:
    """Return whether the held answer is correct, (N, R), and whether the episode goes on after round t, (N, R - 1).

    Raises:
        RecordError: an episode ended without a stop before the last of these rounds: what it would have held is not known.

    Example:
        >>> log = Episodes.record([("x", [(False, "resample"), (True, "stop")]), ("y", [(False, "stop")])])
        >>> held, going = held_answers(log, 3)
        >>> held.tolist(), going.tolist()
        ([[False, True, True], [False, False, False]], [[True, False], [False, False]])
    """
    rounds = whole_number(rounds, "rounds", low=1)
    short = episodes.capped & (episodes.attempts < rounds)
    if short.any():
        longest = int(episodes.attempts[episodes.capped].min())
        raise RecordError(
            f"{int(short.sum())} episodes ended without a stop before {rounds} attempts: at most {longest} rounds are known"
        )
    t = np.minimum(np.arange(rounds), episodes.attempts[:, None] - 1)
    held = episodes.correct[episodes.offsets[:-1, None] + t]
    return held, np.arange(rounds - 1) < episodes.attempts[:, None] - 1


def predict_curves(
    episodes: Episodes,
    *,
    rounds: int,
    held: Bools | None = None,
    folds: int = 5,
    rng: np.random.Generator | int = 0,
) -> Curves:
    """Compare the predictors on problems that they were not fitted to.

    Args:
        episodes: the log.
        rounds: R >= 2, how many rounds are predicted, the first answer included.
        held: (N, R) whether the held answers are correct, where rounds go on after the stop that the log records; default those
            of :func:`held_answers`.
        folds: number of parts that the problems are split into.
        rng: generator or seed of the split.

    Raises:
        RecordError: fewer than two rounds or folds, fewer problems than folds, or rounds that are not known.

    Example:
        >>> from dstheory.anatomy import simulate_log
        >>> curves = predict_curves(simulate_log(4000, p=0.4, a=0.9, b=0.5, cap=6), rounds=6)
        >>> curves.error["decisions, pooled"] < 0.01 < curves.error["self-correction, first round"]
        True
    """
    if rounds < 2 or folds < 2:
        raise RecordError(f"rounds is {rounds} and folds is {folds}: both must be at least 2")
    if held is None:
        held, going = held_answers(episodes, rounds)
        # Counted are transitions at which a decision was drawn; the first one always, so that an answer kept there counts.
        decided = np.concatenate([np.ones((len(held), 1), dtype=bool), going[:, :-1]], axis=1)
    elif held.shape == (len(episodes), rounds):
        decided = np.ones((len(held), rounds - 1), dtype=bool)
    else:
        needed = (len(episodes), rounds)
        raise RecordError(f"held has shape {held.shape}: needs one row per episode and one column per round, {needed}")
    used, problem = np.unique(episodes.problem, return_inverse=True)
    if len(used) < folds:
        raise RecordError(f"the log is about {len(used)} problems: too few for {folds} folds")
    fold = np.random.default_rng(rng).permutation(len(used))[problem] % folds
    predicted = {name: np.empty((len(held), rounds)) for name in PREDICTORS}
    for k in range(folds):
        fitted = _fit(episodes.select(fold != k), held[fold != k], decided[fold != k])
        for name, curve in fitted.items():
            predicted[name][fold == k] = curve
    share = held.mean(axis=0)
    mean = {name: table.mean(axis=0) for name, table in predicted.items()}
    shares = [over_problems(held[:, t].astype(float), problem, len(held), 0.95) for t in range(rounds)]
    score = {name: ((held - table) ** 2).mean(axis=1) for name, table in predicted.items()}
    base = score[PREDICTORS[0]]
    return Curves(
        realised=share,
        low=np.array([one.low for one in shares]),
        high=np.array([one.high for one in shares]),
        predicted=mean,
        error={name: float(np.sqrt(((curve - share)[1:] ** 2).mean())) for name, curve in mean.items()},
        worse={
            name: (float((score[name] - base).mean()), _clustered(score[name] - base - (score[name] - base).mean(), problem))
            for name in PREDICTORS[1:]
        },
    )


def _fit(train: Episodes, held: Bools, decided: Bools) -> dict[str, Floats]:
    t = np.arange(held.shape[1])
    pooled, varied = fit_chain(train, "pooled"), fit_chain(train, "heterogeneous")
    first, every = SelfCorrection.counted(held[:, :2], decided[:, :1]), SelfCorrection.counted(held, decided)
    curves = (
        np.array([pooled.accuracy(int(k) + 1) for k in t]),
        np.array([varied.accuracy(int(k) + 1) for k in t]),
        first.accuracy(t),
        every.accuracy(t),
    )
    return dict(zip(PREDICTORS, curves, strict=True))


def _clustered(centred: Floats, problem: np.ndarray[tuple[int], np.dtype[np.integer]]) -> float:
    """Return the standard error of a mean whose terms of one problem may depend on each other."""
    sums = np.bincount(problem, centred)
    return float(np.sqrt((sums**2).sum()) / len(centred))
