r"""From a log to a chain that training starts from: what was measured becomes the initial policy of a two-stage chain.

Every label of a field (a task, say) becomes a prompt with two answers, one right and one wrong, whose policy is the measured p, a
and b. With ``by="problem"`` every problem becomes a prompt of its own: its p is the posterior mean

.. math:: p_x = \frac{n_{C,x} + c \bar p}{n_x + c}

under the Beta distribution with mean :math:`\bar p` and concentration c = (1 - rho)/rho fitted to all problems, and a, b are
those of the whole log. Rates are smoothed by half an observation, so that no probability is 0 or 1 and every logit can be
trained.

Source: derived here; the posterior mean of a binomial rate under a Beta prior is textbook.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dstheory.anatomy.episodes import Episodes
from dstheory.anatomy.rollout_chain import RolloutChain, fit_chain
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.checks import Floats
from dstheory.errors import RecordError

__all__ = ["MeasuredChain", "measured_chain"]

_MOST_PROMPTS = 200_000


@dataclass(frozen=True, eq=False)
class MeasuredChain:
    """A chain whose policy is what a log shows.

    Attributes:
        mdp: one prompt per label, answers "right" and "wrong".
        policy: the measured p, a, b of each.
        answers: names of the answers, for files.
    """

    mdp: TwoStageMDP
    policy: Policy
    answers: list[list[str]]


def measured_chain(episodes: Episodes, *, by: str = "task", cap: int | None = None, gamma: float = 1.0) -> MeasuredChain:
    """Return the chain that a log shows.

    Args:
        episodes: the log.
        by: the field whose labels become prompts, or "problem".
        cap: largest number of turns, 0 for none; default the log's, if all its episodes have the same one.
        gamma: discount of the chain.

    Raises:
        RecordError: the field does not exist, caps differ and none was chosen, or there are too many prompts.

    >>> from dstheory import solve
    >>> from dstheory.anatomy.simulate import simulate_log
    >>> made = measured_chain(simulate_log(1000, p=0.4, a=0.9, b=0.8, cap=6))
    >>> solution = solve(made.mdp, made.policy)
    >>> round(float(solution.p), 2), round(float(solution.mean_accuracy), 2)
    (0.39, 0.72)
    """
    turns = _cap(episodes, cap)
    names, weight, rates = _by_problem(episodes) if by == "problem" else _by_field(episodes, by)
    if len(names) > _MOST_PROMPTS:
        raise RecordError(f"{len(names):,} prompts are too many for a chain file: at most {_MOST_PROMPTS:,}; choose another --by")
    p, a, b = rates
    mdp = TwoStageMDP(
        correct=np.tile([1.0, 0.0], (len(names), 1)),
        prompt_weight=weight,
        gamma=gamma,
        max_turns=turns or None,
        prompts=names,
    )
    policy = Policy.from_probabilities(np.stack([p, 1 - p], axis=1), np.stack([a, 1 - b], axis=1))
    return MeasuredChain(mdp, policy, [["right", "wrong"]] * len(names))


def _by_field(episodes: Episodes, by: str) -> tuple[list[str], Floats, Floats]:
    parts = episodes.by(by)
    chains = [fit_chain(part, "pooled") for part in parts.values()]
    weight = np.array([len(part) for part in parts.values()], dtype=np.float64)
    return list(parts), weight, np.array([[chain.p.mean, chain.a.mean, chain.b.mean] for chain in chains]).T


def _by_problem(episodes: Episodes) -> tuple[list[str], Floats, Floats]:
    chain: RolloutChain = fit_chain(episodes, "heterogeneous")
    counts = episodes.counts("problem")
    occurs = counts.attempts > 0
    attempts, correct = counts.attempts[occurs].astype(np.float64), counts.correct[occurs].astype(np.float64)
    rho = chain.p.rho
    if rho > 0:
        prior = (1 - rho) / rho
        p = (correct + prior * chain.p.mean) / (attempts + prior)
    else:
        p = np.full(len(attempts), chain.p.mean)
    weight = np.bincount(episodes.problem, minlength=len(occurs))[occurs].astype(np.float64)
    names = [name for name, there in zip(episodes.problem_ids, occurs.tolist(), strict=True) if there]
    return names, weight, np.stack([p, np.full(len(p), chain.a.mean), np.full(len(p), chain.b.mean)])


def _cap(episodes: Episodes, cap: int | None) -> int:
    if cap is not None:
        return cap
    caps = np.unique(episodes.cap)
    if len(caps) > 1:
        shown = ", ".join("none" if c == 0 else str(c) for c in caps[:6])
        raise RecordError(f"the episodes have different caps ({shown}): choose the chain's with --cap, 0 for none")
    return int(caps[0])
