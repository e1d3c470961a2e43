r"""What a perfect decision would make of a model's sampling: the chance that at least one of T attempts is correct.

A perfect decision stops at the first correct answer, so its accuracy with at most T attempts is
:math:`1 - E_x[(1 - p_x)^T]`, which is less than :math:`1 - (1 - E p_x)^T` where problems differ (Jensen). The log answers the
question without any assumption about how they differ: an episode whose first correct attempt is attempt k is an *event* at k; one
that stops on a wrong answer before is *censored* there, by a decision that does not know p_x as long as b is the same for all
problems.
So with :math:`r_k` episodes that reach attempt k with no correct answer before, :math:`d_k` of which are correct there,

.. math:: \hat h_k = d_k/r_k, \qquad \hat S_T = \prod_{k \le T} (1 - \hat h_k), \qquad \widehat{Acc}_T = 1 - \hat S_T

(the Kaplan-Meier estimate). Problems are the units of its variance: problem x moves :math:`\log \hat S_T` by
:math:`-\sum (d - \hat h_k r)/(r_k (1 - \hat h_k))`, summed over the attempts of its episodes. The interval is on the scale of
:math:`\log(-\log S)`, where it stays inside (0, 1).

Source: Kaplan and Meier (1958); its variance over clusters, Williams (1995); the use for decisions is derived here.
"""

from __future__ import annotations

import numpy as np

from dstheory.anatomy.episodes import Episodes
from dstheory.anatomy.estimate import Estimate
from dstheory.anatomy.intervals import normal_quantile, wilson
from dstheory.checks import Bools, Ints

__all__ = ["any_correct"]


def any_correct(episodes: Episodes, attempts: int, *, level: float = 0.95) -> Estimate:
    """Estimate the chance that at least one of the first ``attempts`` attempts is correct: accuracy under a perfect decision.

    >>> from dstheory.anatomy.simulate import simulate_log
    >>> log = simulate_log(2000, p=0.4, a=0.9, b=0.7, cap=8, concentration=1.0)
    >>> any_correct(log, 5).text(2)  # 1 - E[(1 - p_x)^5] for Beta(0.4, 0.6), 0.656; pooled p would say 0.81
    '0.66 [0.63, 0.69]'
    """
    tried, event = _up_to_first_correct(episodes, attempts)
    risk = len(tried) - np.cumsum(np.bincount(tried, minlength=attempts + 1))[:attempts]
    events = np.bincount(tried[event] - 1, minlength=attempts)
    seen = int(np.count_nonzero(risk[:attempts]))
    if not seen:
        return Estimate.missing("there are no episodes", level=level)
    certain = np.flatnonzero((events == risk) & (risk > 0))
    if len(certain):  # whoever got there was right: nothing is left, and problems that got there count once each
        reached = np.unique(episodes.problem[tried > certain[0]])
        left = np.prod(1 - events[: certain[0]] / risk[: certain[0]])
        low, _ = wilson(len(reached), len(reached), level=level)
        return Estimate(1.0, float(1 - left * (1 - low)), 1.0, level, f"Kaplan-Meier, {len(reached)} problems at the last step")
    if seen < attempts:
        why = f"no episode reached attempt {seen + 1} with only wrong answers before: at most {seen} attempts can be judged"
        return Estimate.missing(why, level=level)
    hazard = events / risk
    survival = float(np.prod(1 - hazard))
    weight = 1 / (risk * (1 - hazard))
    influence = np.concatenate([[0.0], np.cumsum(hazard * weight)])[tried]
    influence[event] -= weight[tried[event] - 1]
    by_problem = np.bincount(np.unique(episodes.problem, return_inverse=True)[1], weights=influence)
    n, method = len(by_problem), f"Kaplan-Meier, {len(by_problem)} problems, log(-log)"
    if survival == 1.0:
        low, high = wilson(0, n, level=level)
        return Estimate(0.0, float(low), float(high), level, f"Wilson, {n} problems")
    error = float(np.sqrt(by_problem @ by_problem * n / max(n - 1, 1))) / abs(np.log(survival))
    factor = np.exp(normal_quantile(level) * error)
    return Estimate(1 - survival, 1 - survival ** (1 / factor), 1 - survival**factor, level, method)


def _up_to_first_correct(episodes: Episodes, attempts: int) -> tuple[Ints, Bools]:
    """Return, per episode, the attempts up to the first correct one, at most ``attempts``, and whether it is correct."""
    right = np.flatnonzero(episodes.correct)
    owner = np.searchsorted(episodes.offsets, right, side="right") - 1
    first = np.flatnonzero(np.diff(owner, prepend=-1))
    tried = episodes.attempts.copy()
    tried[owner[first]] = right[first] - episodes.offsets[owner[first]] + 1
    event = np.zeros(len(episodes), dtype=bool)
    event[owner[first]] = True
    return np.minimum(tried, attempts), event & (tried <= attempts)
