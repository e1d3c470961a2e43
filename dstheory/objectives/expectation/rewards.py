r"""What a response is paid: the reward R that credits are made of.

* ``"correct"``: 1 if the submitted answer is correct, else 0; not discounted, whatever the chain pays. This is the verifiable
  reward of training libraries.
* ``"return"``: the chain's own discounted return.
* ``"turns"``: the number of answers of the response; ``"tokens"``: the number of its tokens.
* four numbers: what stopping at and resampling of a right answer, then of a wrong one, pay, added up over the response.

A weighted sum of any number of these is a reward as well.

Where R can take two values only, it is turned into an indicator times their distance: groups of such rewards are counted. Where
it takes a few, they are named: groups of such rewards are summed as well. That needs rewards without discount or noise that the
last answer and, under a cap, the number of turns determine: resampling pays nothing, or the same for all answers.

Source: derived here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from dstheory.about import parse
from dstheory.chain.bellman import Values
from dstheory.chain.contrast import Contrast
from dstheory.chain.exact import Solution
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Bools, Floats, readonly
from dstheory.errors import ChainError, OneRunError
from dstheory.objectives.mass import one_number

OutcomeKind = Literal["correct", "return"]
RewardFunction = str | tuple[float, float, float, float]
"""A name, or four numbers: what stopping at and resampling of a right answer pay, then of a wrong one."""

DEFAULT_REWARDS: tuple[RewardFunction, ...] = ("correct", "return")
_NAMES = ("correct", "return", "turns", "tokens")
_MOST_LEVELS = 16
_NEARLY = 0.1
_SAME = 1e-12  # of a prompt's largest: values that are nearer to each other differ by rounding
_NONE, _ONE = readonly(np.zeros((1, 1, 1))), readonly(np.ones(()))


@dataclass(frozen=True, eq=False)
class RewardTable:
    """Reward tables, broadcastable to (*runs, T', X, Y), discounts, broadcastable over runs, and variances of noise."""

    stop: Floats
    resample: Floats = field(default_factory=lambda: _NONE)
    gamma_within: Floats = field(default_factory=lambda: _ONE)
    gamma_between: Floats = field(default_factory=lambda: _ONE)
    stop_noise: Floats = field(default_factory=lambda: _NONE)
    resample_noise: Floats = field(default_factory=lambda: _NONE)

    def variance(self, solution: Solution) -> Floats:
        """Return the variance of the sum of a response's rewards, (*runs, X)."""
        pays, noise = (self.stop, self.resample), (self.stop_noise, self.resample_noise)
        return solution.variance_of(*pays, *noise, gamma_within=self.gamma_within, gamma_between=self.gamma_between)

    def beyond_usual(self, solution: Solution) -> tuple[RewardTable, Floats]:
        r"""Return the reward less what nearly every response of a prompt gets, if its deviation is less than a tenth of that.

        A credit that is measured from a mean is the same, and keeps the digits of what little differs. With c that number,
        which is returned as well, (*runs, X), or 0, stopping pays :math:`c / \gamma_w` less, and resampling
        :math:`c / \gamma_w - \gamma_b c`: c in all, whatever the turns.
        """
        gw, gb = (np.asarray(g)[..., None, None, None] for g in (self.gamma_within, self.gamma_between))
        if not (gw > 0).all():
            return self, np.zeros(())
        usual = self.values(solution).value[..., 0, :]
        usual = np.where(self.variance(solution) < (_NEARLY * usual) ** 2, usual, 0.0)
        if not usual.any():
            return self, np.zeros(())
        # A payment that is the mean but for rounding leaves exactly 0.
        usual = usual[..., None, :, None]
        pays = np.broadcast_to(gw * self.stop, np.broadcast_shapes(self.stop.shape, gw.shape, usual.shape))
        near = np.where(np.abs(pays - usual) <= _SAME * np.abs(usual), pays, -np.inf).max(axis=(-3, -1), keepdims=True)
        usual = np.where(np.isfinite(near), near, usual)
        less = usual / gw
        paid = replace(self, stop=self.stop - less, resample=self.resample - less * ((1.0 - gw) + gw * (1.0 - gb)))
        return paid, usual[..., 0, :, 0]

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
            raise OneRunError("the rewards have runs, but those of trajectories are those of one run: pick one")
        t = trajectories
        shape = (solution.mdp.max_turns or 1, *solution.mdp.shape)
        at = t.index(by_turn=solution.capped)
        paid = np.where(t.stop, np.broadcast_to(self.stop, shape)[at], np.broadcast_to(self.resample, shape)[at])
        gw, gb = one_number(self.gamma_within, "gamma"), one_number(self.gamma_between, "gamma")
        return t.to_go(gw * paid, gw * gb)

    def depends_on_order(self, solution: Solution) -> bool:
        """Return whether responses that resample the same answers in another order are paid otherwise."""
        goes = solution.policy.sample_prob * solution.policy.resample_prob > 0
        paid = np.broadcast_to(self.resample, np.broadcast_shapes(self.resample.shape, goes.shape))
        unlike = np.where(goes, paid, -np.inf).max(axis=-1) > np.where(goes, paid, np.inf).min(axis=-1)
        by_turn = self.resample.ndim > 2 and self.resample.shape[-3] > 1
        return bool(unlike.any()) and (by_turn or bool(np.any(self.gamma_within * self.gamma_between != 1)))

    def total(self, solution: Solution, trajectories: Trajectories) -> Floats:
        """Return the (discounted) sum of rewards of each trajectory, (n,)."""
        return self.to_go(solution, trajectories)[trajectories.offsets[:-1]]


@dataclass(frozen=True, eq=False)
class ResponseReward:
    """The reward of a response.

    Attributes:
        reward: what is paid on the way; of an indicator if ``values`` is given.
        values: the two values of R, if it has but two: R = low + (high - low) x indicator.
        levels: the values of R, ascending, if they are three or more, at most 16, and known at the end, where ``reward`` pays.
        uncounted: whether the tokens of truncated responses are left out of what a group or a batch is divided by.
    """

    reward: RewardTable
    values: tuple[float, float] | None
    levels: tuple[float, ...] | None = None
    uncounted: bool = False

    def is_level(self, level: float) -> RewardTable:
        """Return the reward that is 1 where R has this value, else 0."""
        return RewardTable((self.reward.stop == level).astype(np.float64))

    @property
    def indicators(self) -> list[RewardTable]:
        """For each value of R, ascending, of two or a few, the reward that is 1 where R has it, else 0."""
        if self.levels is None:
            return [only(self.reward, np.ones((1, 1, 1)), otherwise=True), self.reward]
        return [self.is_level(level) for level in self.levels]


def reward_of(
    solution: Solution, kind: OutcomeKind, weighted: Sequence[tuple[float, RewardFunction]] | None = None
) -> ResponseReward:
    """Return the outcome of a chain's responses.

    Args:
        solution: the chain under the policy that generates.
        kind: which outcome.
        weighted: instead of one outcome, weights and outcomes, which are added.

    Raises:
        ChainError: no such outcome, or a sum with a return that is discounted.
    """
    mdp = solution.mdp
    if kind == "correct" and weighted is None:
        return ResponseReward(RewardTable(mdp.correct[None]), (0.0, 1.0))
    if weighted is None and kind != "return":
        raise ChainError(f"outcome is {kind!r}: must be 'correct' (1 if the submitted answer is) or 'return' (of the chain)")
    terms: list[tuple[float, RewardFunction]] = [(1.0, kind)] if weighted is None else list(weighted)
    own = sum(weight for weight, name in terms if name == "return")
    undiscounted = bool((mdp.gamma == 1.0).all()) or (mdp.max_turns == 1 and bool((mdp.gamma_within == 1.0).all()))
    if len(terms) > 1 and own and not undiscounted:
        raise ChainError("a sum of rewards with the chain's return, which is discounted, where the others are not: use gamma=1")
    each = [(weight, _tables(solution, name)) for weight, name in terms]
    reward = RewardTable(*(sum((weight * tables[i] for weight, tables in each), _NONE) for i in (0, 1)))
    if own:
        noise = own**2 * mdp.reward_stop_variance[..., None, :, :], own**2 * mdp.reward_resample_variance[..., None, :, :]
        reward = RewardTable(reward.stop, reward.resample, mdp.gamma_within, mdp.gamma_between, *noise)
    final = _known_at_the_end(solution, reward) if not own or undiscounted else None
    if final is None:
        return ResponseReward(reward, None)
    table, found = final
    if len(found) > _MOST_LEVELS:
        return ResponseReward(reward, None)
    if len(found) > 2:
        return ResponseReward(RewardTable(table), None, tuple(float(v) for v in found))
    low, high = float(found[0]), float(found[-1])
    return ResponseReward(RewardTable(((table == high) & (high > low)).astype(np.float64)), (low, high))


def joint_reward(solution: Solution, rewards: Sequence[ResponseReward]) -> tuple[ResponseReward, tuple[tuple[float, ...], ...]]:
    """Return a reward that numbers the joint values of several, 0, 1, ..., and these values, one tuple for each number.

    Raises:
        ChainError: one of them takes many values, or together they take more than 16.
    """
    tables = []
    for reward in rewards:
        if reward.values is None and reward.levels is None:
            raise (OneRunError if solution.mdp.runs else ChainError)(
                "rewards whose credits are combined here need at most 16 values each, known at the end without discount or "
                "noise: use combine='before'"
            )
        low, high = reward.values or (0.0, 1.0)
        tables.append(low + (high - low) * reward.reward.stop)
    occurs = solution.mdp.inside & (solution.mdp.prompt_weight > 0)[:, None]
    stacked = np.stack(np.broadcast_arrays(*tables, np.zeros((1, *occurs.shape)))[:-1], axis=-1)
    values, number = np.unique(stacked[:, occurs].reshape(-1, len(tables)), axis=0, return_inverse=True)
    values = values[[0, 0]] if len(values) == 1 else values  # a credit is asked for both of two
    if len(values) > _MOST_LEVELS:
        raise (OneRunError if solution.mdp.runs else ChainError)(
            f"the rewards take {len(values)} values together: at most {_MOST_LEVELS} are combined after normalising"
        )
    table = np.zeros(stacked.shape[:-1])
    table[:, occurs] = number.reshape(-1, int(occurs.sum()))
    two, several = ((0.0, 1.0), None) if len(values) <= 2 else (None, tuple(float(i) for i in range(len(values))))
    return ResponseReward(RewardTable(table), two, several), tuple(tuple(float(v) for v in row) for row in values)


def reward_terms(text: str) -> tuple[tuple[RewardFunction, ...], tuple[float, ...]]:
    """Return reward functions and their weights of a text.

    Raises:
        DSTheoryError: a name is missing, a factor is no number, or one of them is no reward function.

    >>> reward_terms("correct + -0.1*turns + 0.5*0,0,1,0")
    (('correct', 'turns', (0.0, 0.0, 1.0, 0.0)), (1.0, -0.1, 0.5))
    """
    functions: list[RewardFunction] = []
    terms = parse(text)
    for _, name in terms:
        try:
            function: Any = tuple(map(float, name.strip("()[]").split(","))) if "," in name else name
        except ValueError:
            function = name
        check_reward_function(function)
        functions.append(function)
    return tuple(functions), tuple(weight for weight, _ in terms)


def check_reward_function(function: object) -> None:
    """Raise ChainError for what is no reward function."""
    if function in _NAMES:
        return
    four = isinstance(function, tuple) and len(function) == 4
    if not four or not np.isfinite(np.asarray(function, dtype=np.float64)).all():
        raise ChainError(
            f"reward function is {function!r}: must be one of {', '.join(_NAMES)}, or four finite numbers, which stopping at and "
            "resampling of a right answer, then of a wrong one, pay"
        )


def _tables(solution: Solution, function: RewardFunction) -> tuple[Floats, Floats]:
    """Return what stopping and resampling pay, broadcastable to (*runs, T', X, Y)."""
    mdp = solution.mdp
    check_reward_function(function)
    match function:
        case "correct":
            return mdp.correct[None], _NONE
        case "return":
            return mdp.reward_stop[..., None, :, :], mdp.reward_resample[..., None, :, :]
        case "turns":
            return np.ones((1, 1, 1)), np.ones((1, 1, 1))
        case "tokens":
            tokens = mdp.sample_length[..., None, :, :] + mdp.decision_length[..., None, :, :] * solution.unrolled.decided
            return tokens, tokens
    assert not isinstance(function, str)
    right, wrong = mdp.correct[None], 1.0 - mdp.correct[None]
    return function[0] * right + function[2] * wrong, function[1] * right + function[3] * wrong


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
    return RewardTable((1.0 - reward.stop if otherwise else reward.stop) * turns)


def _known_at_the_end(solution: Solution, reward: RewardTable) -> tuple[Floats, Floats] | None:
    """Return R by last turn, prompt and last answer, (T' or 1, X, Y), and its values, ascending, where these determine it."""
    mdp = solution.mdp
    occurs = mdp.inside & (mdp.prompt_weight > 0)[:, None]
    noisy = any((noise * occurs).any() for noise in (reward.stop_noise, reward.resample_noise))
    if mdp.runs or noisy:
        return None
    final = np.broadcast_to(reward.stop, (reward.stop.shape[0], *occurs.shape))
    if mdp.max_turns != 1 and (reward.resample * occurs).any():
        if mdp.max_turns is None:
            return None
        paid = np.broadcast_to(reward.resample, (mdp.max_turns, *occurs.shape))
        least, most = np.where(occurs, paid, np.inf).min(axis=-1), np.where(occurs, paid, -np.inf).max(axis=-1)
        if (least < most).any():
            return None
        turn = np.where(occurs.any(axis=-1), least, 0.0)
        final = final + np.concatenate([np.zeros((1, len(occurs))), np.cumsum(turn, axis=0)[:-1]])[..., None]
    values = np.unique(final[:, occurs])
    if (np.diff(values) <= _SAME * np.abs(values).max()).any():
        final = _alike(final, occurs)
        values = np.unique(final[:, occurs])
        new = np.concatenate([[True], np.diff(values) > _SAME * np.maximum(np.abs(values[1:]), np.abs(values[:-1]))])
        final = values[new][(np.cumsum(new) - 1)[np.searchsorted(values, final).clip(max=len(values) - 1)]]
        values = values[new]
    return final, values


def _alike(final: Floats, occurs: Bools) -> Floats:
    """Return rewards, (T' or 1, X, Y), those of a prompt alike that differ by rounding of its largest."""
    of_prompt = np.where(occurs, final, np.inf).swapaxes(0, 1)
    flat = of_prompt.reshape(len(of_prompt), -1)
    order = np.argsort(flat, axis=1)
    ordered = np.take_along_axis(flat, order, axis=1)
    largest = np.abs(ordered, out=np.zeros_like(ordered), where=np.isfinite(ordered)).max(axis=1, keepdims=True)
    new = np.ones(ordered.shape, dtype=bool)
    with np.errstate(invalid="ignore"):  # what does not occur is infinite
        new[:, 1:] = np.diff(ordered, axis=1) > _SAME * largest
    first = np.maximum.accumulate(np.where(new, np.arange(ordered.shape[1]), 0), axis=1)
    np.put_along_axis(flat, order, np.take_along_axis(ordered, first, axis=1), axis=1)
    return np.where(occurs, flat.reshape(of_prompt.shape).swapaxes(0, 1), final)
