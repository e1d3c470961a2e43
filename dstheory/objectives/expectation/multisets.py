r"""Responses up to the order of their attempts: exact expectations of anything that does not depend on it.

Under policies that are the same at every turn, resampled answers are exchangeable. A rule that looks at sums over a response
(its length, its log-ratio) and at its last answer is therefore averaged over *multisets* of resampled answers: one
representative each, weighted by the probability of all its orders. A prompt of Y answers has C(k + Y - 1, k) of them with k
resamples, instead of :math:`Y^k`. Chains are cut where what is left is less likely than 1e-14 times a resample of the prompt: a
decision that is rare has its digits, too. Since a rare response may be all that matters to a rarer action, nothing is cut within
the cap, or within six turns without one, as long as that is few steps.

Source: derived here.
"""

from __future__ import annotations

import numpy as np

from dstheory.chain.exact import Solution
from dstheory.chain.trajectories import Trajectories, enumerate_trajectories
from dstheory.checks import Floats
from dstheory.errors import ChainError
from dstheory.objectives.rounding import directed

_LEFT_OUT = 1e-14
_FEW_TURNS, _FEW_STEPS = 6, 20_000
_MOST_STEPS = 1_000_000


def representatives(under: Solution, *, ordered: bool = False) -> Trajectories:
    """Return one trajectory per multiset of resampled answers and last answer, weighted by the probability of all its orders.

    Args:
        under: the chain under the policy that generates the responses.
        ordered: return every trajectory instead, as for turn-indexed policies, where order matters.

    Raises:
        ChainError: there are too many, or the chain or the policy has run axes.

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> t = representatives(solve(TwoStageMDP.minimal(), Policy.minimal(p=0.5, a=0.5, b=0.5)))
    >>> len(t), float(t.weight.sum().round(12)), int(t.turns.max())
    (2352, 1.0, 48)
    """
    mdp, policy = under.mdp, under.policy
    if mdp.runs or policy.runs:
        raise ChainError(f"responses are those of one run, but the chain has runs {mdp.runs}, the policy {policy.runs}: pick one")
    if ordered or policy.shape[0] > 1:
        return enumerate_trajectories(mdp, policy)
    under.finite_visits  # raises for a chain that never ends: it cannot be cut  # noqa: B018
    go, end = (policy.sample_prob * policy.resample_prob)[0], (policy.sample_prob * policy.stop_prob)[0]
    prompt = np.flatnonzero(mdp.prompt_weight > 0)
    weight, answers = mdp.prompt_weight[prompt], np.zeros((len(prompt), 0), dtype=np.int64)
    run = np.zeros(len(prompt), dtype=np.int64)  # how often the last resampled answer has come up
    finished, steps, k = [], 0, 0
    again = np.zeros(len(mdp.prompt_weight))  # of each prompt, the probability of a first resample
    while len(prompt):
        left = np.asarray(np.bincount(prompt, weights=weight, minlength=len(again)), dtype=np.float64)
        again = left if k == 1 else again
        # What is cut off counts as rounding does: where that is asked for, less is.
        left_out, turns = (1e-6 * _LEFT_OUT, 2 * _FEW_TURNS) if directed() else (_LEFT_OUT, _FEW_TURNS)
        all_ = k < (mdp.max_turns or turns) and steps <= _FEW_STEPS
        keep = (left > left_out * again)[prompt] | all_
        prompt, weight, answers, run = prompt[keep], weight[keep], answers[keep], run[keep]
        forced = mdp.max_turns is not None and k == mdp.max_turns - 1
        last = policy.sample_prob[0, prompt] if forced else end[prompt]
        parent, y = np.nonzero(last > 0)
        finished.append((prompt[parent], np.column_stack([answers[parent], y]), weight[parent] * last[parent, y], forced))
        steps += len(parent) * (k + 1)
        if forced:
            break
        # Multisets are written in ascending order: the next answer is no smaller than the last one.
        floor = answers[:, -1] if k else np.zeros(len(prompt), dtype=np.int64)
        parent, y = np.nonzero((go[prompt] > 0) & (np.arange(go.shape[1]) >= floor[:, None]))
        if steps + len(parent) * (k + 1) > _MOST_STEPS:
            raise ChainError(
                f"more than {_MOST_STEPS:,} steps of distinct responses within {k + 1} turns: "
                "use a smaller chain, or sampled_gradient"
            )
        run = np.where((k > 0) & (y == floor[parent]), run[parent] + 1, 1)
        k += 1
        weight = weight[parent] * go[prompt[parent], y] * k / run
        prompt, answers = prompt[parent], np.column_stack([answers[parent], y])
    return _ragged(finished)


def _ragged(finished: list[tuple[np.ndarray, np.ndarray, Floats, bool]]) -> Trajectories:
    turns = np.concatenate([np.full(len(x), y.shape[1]) for x, y, _, _ in finished])
    offsets = np.concatenate([[0], np.cumsum(turns)])
    stop, decided = np.zeros(int(offsets[-1]), dtype=bool), np.ones(int(offsets[-1]), dtype=bool)
    stop[offsets[1:] - 1] = True
    decided[offsets[1:] - 1] = np.concatenate([np.full(len(x), not forced) for x, _, _, forced in finished])
    return Trajectories(
        prompt=np.concatenate([x for x, *_ in finished]),
        offsets=offsets,
        answer=np.concatenate([y.ravel() for _, y, _, _ in finished]),
        stop=stop,
        decided=decided,
        weight=np.concatenate([w for _, _, w, _ in finished]),
    )
