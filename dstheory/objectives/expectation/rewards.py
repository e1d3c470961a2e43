r"""What a response is paid: the reward R that credits are made of.

* ``"correct"``: 1 if the submitted answer is correct, else 0; not discounted, whatever the chain pays. This is the verifiable
  reward of training libraries.
* ``"return"``: the chain's own discounted return.

Where R can take two values only, it is turned into an indicator times their distance: groups of such rewards are counted. Where
it takes a few, and is paid at the end without discount or noise, they are named: groups of such rewards are summed as well.

Source: derived here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from dstheory.chain.bellman import Values
from dstheory.chain.contrast import Contrast
from dstheory.chain.exact import Solution
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Floats
from dstheory.errors import ChainError
from dstheory.objectives.mass import one_number

OutcomeKind = Literal["correct", "return"]

_MOST_LEVELS = 16


@dataclass(frozen=True, eq=False)
class RewardTable:
    """Reward tables, broadcastable to (*runs, T', X, Y), and discounts, broadcastable over runs."""

    stop: Floats
    resample: Floats
    gamma_within: Floats
    gamma_between: Floats

    def values(self, solution: Solution) -> Values:
        """Return the values of the chain that pays this reward."""
        return solution.values_of(self.stop, self.resample, gamma_within=self.gamma_within, gamma_between=self.gamma_between)

    def contrast(self, solution: Solution) -> Contrast:
        """Return the differences between the actions of every state, for this reward."""
        return solution.contrast_of(self.stop, self.resample, gamma_within=self.gamma_within, gamma_between=self.gamma_between)

    def to_go(self, solution: Solution, trajectories: Trajectories) -> Floats:
        """Return the (discounted) sum of rewards from the sampling of each step on, (m,).

        Raises:
            ChainError: the tables have runs.
        """
        if self.stop.ndim > 3 or self.resample.ndim > 3:
            raise ChainError("the rewards have runs, but those of trajectories are those of one run: pick one")
        t = trajectories
        shape = (solution.mdp.max_turns or 1, *solution.mdp.shape)
        at = t.index(by_turn=solution.capped)
        paid = np.where(t.stop, np.broadcast_to(self.stop, shape)[at], np.broadcast_to(self.resample, shape)[at])
        gw, gb = one_number(self.gamma_within, "gamma"), one_number(self.gamma_between, "gamma")
        return t.to_go(gw * paid, gw * gb)

    def total(self, solution: Solution, trajectories: Trajectories) -> Floats:
        """Return the (discounted) sum of rewards of each trajectory, (n,)."""
        return self.to_go(solution, trajectories)[trajectories.offsets[:-1]]


@dataclass(frozen=True, eq=False)
class ResponseReward:
    """The reward of a response.

    Attributes:
        reward: what is paid on the way; of an indicator if ``values`` is given.
        values: the two values of R, if it has but two: R = low + (high - low) x indicator.
        levels: the values of R, ascending, if they are three or more, at most 16, paid at the end without discount or noise.
        uncounted: whether the tokens of truncated responses are left out of what a group or a batch is divided by.
    """

    reward: RewardTable
    values: tuple[float, float] | None
    levels: tuple[float, ...] | None = None
    uncounted: bool = False

    def is_level(self, level: float) -> RewardTable:
        """Return the reward that is 1 where R has this value, else 0."""
        one = np.ones(())
        return RewardTable((self.reward.stop == level).astype(np.float64), np.zeros((1, 1, 1)), one, one)


def reward_of(solution: Solution, kind: OutcomeKind, weights: tuple[float, float] | None = None) -> ResponseReward:
    """Return the outcome of a chain's responses.

    Args:
        solution: the chain under the policy that generates.
        kind: which outcome.
        weights: instead of one outcome, weights of correctness and of the chain's return, which are added.

    Raises:
        ChainError: no such kind, or a weighted sum with a return that is discounted.
    """
    mdp = solution.mdp
    one = np.ones(())
    if kind == "correct" and weights is None:
        return ResponseReward(RewardTable(mdp.correct[None], np.zeros((1, 1, 1)), one, one), (0.0, 1.0))
    if kind not in ("correct", "return"):
        raise ChainError(f"outcome is {kind!r}: must be 'correct' (1 if the submitted answer is) or 'return' (of the chain)")
    stop, resample = mdp.reward_stop, mdp.reward_resample
    if weights is not None:
        if not (bool((mdp.gamma == 1.0).all()) or mdp.max_turns == 1):
            raise ChainError(f"reward_weights is {weights}: correctness is not discounted, the chain's return is; use gamma=1")
        stop, resample = weights[0] * mdp.correct + weights[1] * stop, weights[1] * resample
    reward = RewardTable(stop[..., None, :, :], resample[..., None, :, :], mdp.gamma_within, mdp.gamma_between)
    found = _paid_at_the_end(solution, stop, resample)
    if found is None or len(found) > _MOST_LEVELS:
        return ResponseReward(reward, None)
    if len(found) > 2:
        return ResponseReward(reward, None, tuple(float(v) for v in found))
    low, high = float(found[0]), float(found[-1])
    table = (stop == high) & (high > low)
    return ResponseReward(RewardTable(table[None].astype(np.float64), np.zeros((1, 1, 1)), one, one), (low, high))


def counted_turns(solution: Solution) -> Floats:
    """Return 1 for turns after which a response is whole, 0 for the last one under a cap, where it is truncated, (T', 1, 1).

    Raises:
        ChainError: the chain has no cap, so that nothing is ever truncated.
    """
    if not solution.capped:
        raise ChainError("mask_truncated: the chain has no cap on turns, so that no response is ever truncated; set max_turns")
    return solution.unrolled.decided


def only(reward: RewardTable, turns: Floats, *, otherwise: bool = False) -> RewardTable:
    """Return the indicator of R = 1 (or R = 0), R being 0 or 1 and paid at the end, and of responses that end at some turns."""
    stop = 1.0 - reward.stop if otherwise else reward.stop
    return RewardTable(stop * turns, np.zeros((1, 1, 1)), np.ones(()), np.ones(()))


def _paid_at_the_end(solution: Solution, stop: Floats, resample: Floats) -> Floats | None:
    """Return the values that a return can take, ascending, if it is paid at the end only, without discount or noise."""
    mdp = solution.mdp
    occurs = mdp.inside & (mdp.prompt_weight > 0)[:, None]
    undiscounted = bool((mdp.gamma_within == 1.0).all()) and (bool((mdp.gamma == 1.0).all()) or mdp.max_turns == 1)
    noise = (mdp.reward_stop_variance * occurs).any() or (mdp.reward_resample_variance * occurs).any()
    if mdp.runs or noise or not undiscounted or (mdp.max_turns != 1 and (resample * occurs).any()):
        return None
    return np.unique(stop[occurs])
