r"""Trajectories of a chain: all of them (the reference for everything), or a sample of them (at speed).

A trajectory is x, then (y_0, d_0), (y_1, d_1), ... until stop or the cap. Many are held as one ragged table: the steps of all
trajectories one after the other, and the offsets at which each begins.

Source: arXiv 2601.01580, section 3; the enumeration is the brute-force definition of every expectation in this package.
"""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.checks import Bools, Floats, Ints, whole_number
from dstheory.errors import ChainError, OneRunError
from dstheory.texts import counted


@dataclass(frozen=True, eq=False)
class Trajectories:
    """Many trajectories as one ragged table: n of them with m steps (turns) in total.

    Attributes:
        prompt: (n,) prompt of each trajectory.
        offsets: (n + 1,) where its steps begin and end.
        answer: (m,) answer given at each step.
        stop: (m,) whether the step ended with stop; a forced submission counts as stop.
        decided: (m,) whether a decision was drawn; False only for a forced submission.
        weight: (n,) probability of each trajectory, or 1/n for a sample.

    >>> two = Trajectories.record([(0, [(1, "resample"), (0, "stop")]), (0, [(0, "stop")])])
    >>> two.answer.tolist(), two.stop.tolist(), two.offsets.tolist(), two.weight.tolist()
    ([1, 0, 0], [False, True, True], [0, 2, 3], [0.5, 0.5])
    """

    prompt: Ints
    offsets: Ints
    answer: Ints
    stop: Bools
    decided: Bools
    weight: Floats

    def __len__(self) -> int:
        return len(self.prompt)

    @cached_property
    def turns(self) -> Ints:
        """(n,) number of turns of each trajectory."""
        return np.diff(self.offsets)

    @cached_property
    def episode(self) -> Ints:
        """(m,) trajectory that each step belongs to."""
        return np.repeat(np.arange(len(self.prompt)), self.turns)

    @cached_property
    def turn(self) -> Ints:
        """(m,) turn index k of each step within its trajectory."""
        return np.arange(self.offsets[-1]) - self.offsets[self.episode]

    @cached_property
    def step_prompt(self) -> Ints:
        """(m,) prompt of each step."""
        return self.prompt[self.episode]

    def only(self, kept: Bools) -> Trajectories:
        """Return some of the trajectories, (n,) true for those, with the weights that they have."""
        steps, turns = kept[self.episode], self.turns[kept]
        offsets = np.concatenate([[0], np.cumsum(turns)])
        return Trajectories(
            self.prompt[kept], offsets, self.answer[steps], self.stop[steps], self.decided[steps], self.weight[kept]
        )

    def sum(self, per_step: Floats) -> Floats:
        """(n,) sum of a quantity over the steps of each trajectory."""
        return np.add.reduceat(per_step, self.offsets[:-1])

    def to_go(self, per_step: Floats, factor: float = 1.0) -> Floats:
        """(m,) sum over this step and later ones, each later step discounted once more by ``factor``."""
        total = per_step.copy()
        for inner in self._followed:  # a step adds what its successor has gathered
            total[inner] += factor * total[inner + 1]
        return total

    @cached_property
    def _followed(self) -> list[Ints]:
        """The steps that another one follows, by turn, the last turn first."""
        followed = np.flatnonzero(self.turn < self.turns[self.episode] - 1)
        followed = followed[np.argsort(-self.turn[followed], kind="stable")]
        return np.split(followed, np.flatnonzero(np.diff(self.turn[followed])) + 1)

    def rewards(self, mdp: TwoStageMDP) -> Floats:
        """(m,) reward of each step (the mean, where rewards are stochastic).

        Raises:
            ChainError: the chain has run axes.
        """
        _refuse_runs(mdp, "chain")
        at = self.step_prompt, self.answer
        return np.asarray(np.where(self.stop, mdp.reward_stop[at], mdp.reward_resample[at]))

    def returns_to_go(self, mdp: TwoStageMDP) -> Floats:
        """(m,) discounted return from the sampling of each step on: G_k = gamma_w (r_k + gamma_b G_{k+1})."""
        rewards = self.rewards(mdp)
        gw, gb = float(mdp.gamma_within), float(mdp.gamma_between)
        return self.to_go(gw * rewards, gw * gb)

    def returns(self, mdp: TwoStageMDP) -> Floats:
        """(n,) discounted return of each trajectory."""
        return self.returns_to_go(mdp)[self.offsets[:-1]]

    def log_prob(self, policy: Policy) -> tuple[Floats, Floats]:
        """Return (m,) log-probabilities of each answer and of each decision (0 where none was drawn)."""
        at = self.policy_index(policy)
        decision = np.where(self.stop, policy.log_stop[at], policy.log_resample[at])
        return policy.log_sample[at], np.where(self.decided, decision, 0.0)

    def policy_index(self, policy: Policy) -> tuple[Ints, Ints, Ints]:
        """Return the index (turn, prompt, answer) of each step in a policy's tables.

        Raises:
            ChainError: a trajectory is longer than a turn-indexed policy.
        """
        _refuse_runs(policy)
        turns = policy.shape[0]
        if turns > 1 and len(self.turn) and int(self.turn.max()) >= turns:
            raise ChainError(
                f"a trajectory has {counted(int(self.turn.max()) + 1, 'turn')} but the policy is indexed by {turns}: "
                "shorten it, or use a stationary policy"
            )
        return self.index(by_turn=turns > 1)

    def index(self, *, by_turn: bool) -> tuple[Ints, Ints, Ints]:
        """Return the index (turn, prompt, answer) of each step in tables of all turns, or of one that stands for all."""
        return self.turn if by_turn else np.zeros_like(self.turn), self.step_prompt, self.answer

    def check_fits(self, mdp: TwoStageMDP) -> None:
        """Raise ChainError unless every prompt, answer and length exists in the chain, and submissions happen at its cap only."""
        bad = (self.prompt < 0) | (self.prompt >= mdp.shape[0])
        if bad.any():
            i = int(np.flatnonzero(bad)[0])
            raise ChainError(f"trajectory {i} has prompt {int(self.prompt[i])}: the chain has prompts 0 to {mdp.shape[0] - 1}")
        bad = (self.answer < 0) | (self.answer >= mdp.n_answers[self.step_prompt])
        if bad.any():
            i = int(np.flatnonzero(bad)[0])
            x = int(self.step_prompt[i])
            raise ChainError(
                f"trajectory {int(self.episode[i])}, turn {int(self.turn[i])} has answer {int(self.answer[i])}: "
                f"{mdp.prompt_name(x)} has answers 0 to {int(mdp.n_answers[x]) - 1}"
            )
        if mdp.max_turns is not None and len(self.turns) and int(self.turns.max()) > mdp.max_turns:
            i = int(np.argmax(self.turns))
            raise ChainError(f"trajectory {i} has {counted(int(self.turns[i]), 'turn')}: the chain is capped at {mdp.max_turns}")
        forced = np.zeros(len(self.turn), dtype=bool) if mdp.max_turns is None else self.turn == mdp.max_turns - 1
        bad = self.decided == forced
        if bad.any():
            i = int(np.flatnonzero(bad)[0])
            cap = "has no cap" if mdp.max_turns is None else f"is capped at {counted(mdp.max_turns, 'turn')}"
            rule = "no decision is drawn there, record 'submit'" if forced[i] else "only the last turn before a cap submits"
            word = "decides" if forced[i] else "submits"
            raise ChainError(f"trajectory {int(self.episode[i])} {word} at turn {int(self.turn[i])}, but the chain {cap}: {rule}")

    @classmethod
    def record(cls, episodes: list[tuple[int, list[tuple[int, str]]]], *, max_turns: int | None = None) -> Trajectories:
        """Return trajectories written down by hand or read from a log, equally weighted.

        Args:
            episodes: ``(prompt, [(answer, decision), ...])`` with decisions ``"stop"`` or ``"resample"``, and ``"submit"`` for a
                forced submission at the cap.
            max_turns: the cap, to check that a submission happens only there.

        Raises:
            ChainError: an empty episode, a step after stop, an unfinished episode, an unknown decision, or a prompt or answer
                that is no index.

        >>> Trajectories.record([(0, [(1, "resample"), (0, "stop")])]).turns.tolist()
        [2]
        """
        if not episodes:
            raise ChainError("no episodes were given: demonstrations need at least one")
        for i, episode in enumerate(episodes):
            try:
                x, steps = episode
                answers = [y for y, _ in steps]
            except (TypeError, ValueError):
                raise ChainError(
                    f"episode {i} is {reprlib.repr(episode)}: must be (prompt, [(answer, decision), ...])"
                ) from None
            for what, index in (("prompt", x), *(("answer", y) for y in answers)):
                whole_number(index, f"{what} of episode {i}", low=0)
            words = [d for _, d in steps]
            unknown = [d for d in words if d not in ("stop", "resample", "submit")]
            if unknown:
                raise ChainError(f"episode {i} has the decision {unknown[0]!r}: must be 'stop', 'resample' or 'submit'")
            if not words or words[-1] == "resample" or any(d != "resample" for d in words[:-1]):
                raise ChainError(
                    f"episode {i} has the decisions {words}: must be resample, ..., then one stop or submit at the end"
                )
            if words[-1] == "submit" and len(words) != max_turns:
                raise ChainError(f"episode {i} submits at turn {len(words)}: only the last of max_turns={max_turns} turns may")
        flat = [step for _, steps in episodes for step in steps]
        return cls(
            prompt=np.array([x for x, _ in episodes], dtype=np.int64),
            offsets=np.concatenate([[0], np.cumsum([len(s) for _, s in episodes])]).astype(np.int64),
            answer=np.array([y for y, _ in flat], dtype=np.int64),
            stop=np.array([d != "resample" for _, d in flat]),
            decided=np.array([d != "submit" for _, d in flat]),
            weight=np.full(len(episodes), 1.0 / len(episodes)),
        )

    @classmethod
    def joined(cls, parts: Sequence[tuple[Ints, Ints, Floats, bool]]) -> Trajectories:
        """Return trajectories that end, of equal length in each part.

        Args:
            parts: prompts (n,), answers (n, turns) and weights (n,) of trajectories, and whether all of these are submitted.
        """
        lengths = np.concatenate([np.full(len(x), y.shape[1]) for x, y, _, _ in parts])
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        stop, decided = np.zeros(int(offsets[-1]), dtype=bool), np.ones(int(offsets[-1]), dtype=bool)
        stop[offsets[1:] - 1] = True
        decided[offsets[1:] - 1] = np.concatenate([np.full(len(x), not forced) for x, _, _, forced in parts])
        return cls(
            prompt=np.concatenate([x for x, *_ in parts]),
            offsets=offsets,
            answer=np.concatenate([y.ravel() for _, y, _, _ in parts]),
            stop=stop,
            decided=decided,
            weight=np.concatenate([weight for _, _, weight, _ in parts]),
        )


def enumerate_trajectories(
    mdp: TwoStageMDP, policy: Policy, *, max_turns: int | None = None, limit: int = 2_000_000
) -> Trajectories:
    """Return every trajectory of positive probability, with that probability: 0 where it is below the smallest float.

    Args:
        mdp: a chain; if it has no cap, ``max_turns`` must be given and only trajectories that stop by then are returned (their
            weights sum to less than 1).
        policy: one policy (no run axes).
        max_turns: >= 1, see above; a chain's own cap comes first.
        limit: refuse to make more than this many.

    Raises:
        ChainError: too many trajectories, or an uncapped chain without ``max_turns``.

    >>> t = enumerate_trajectories(TwoStageMDP.minimal(max_turns=2), Policy.minimal(p=0.5, a=0.5, b=0.5))
    >>> len(t), float(t.weight.sum())
    (6, 1.0)
    """
    _refuse_runs(policy)
    policy.check_fits(mdp)
    horizon, capped = mdp.max_turns or max_turns, mdp.max_turns is not None
    if horizon is None:
        raise ChainError("an uncapped chain has infinitely many trajectories: give max_turns to see those that stop by then")
    horizon = whole_number(horizon, "max_turns", low=1)
    prompt = np.flatnonzero(mdp.prompt_weight > 0)
    prob, answers = mdp.prompt_weight[prompt], np.zeros((len(prompt), 0), dtype=np.int64)
    finished, total = list[tuple[Ints, Ints, Floats, bool]](), 0
    for k in range(horizon):
        # Every open prefix is continued by every answer of its prompt. Logarithms say what may happen: probabilities round to 0.
        turn, forced = min(k, policy.shape[0] - 1), capped and k == horizon - 1
        given = policy.log_sample[turn] > -np.inf
        if total + int(given.sum(axis=-1)[prompt].sum()) > limit:  # each of them ends or goes on, or both
            raise ChainError(
                f"more than {limit:,} trajectories within {counted(k + 1, 'turn')}: use a smaller chain, or sample_trajectories"
            )
        parent, y = np.nonzero(given[prompt])
        prompt, answers = prompt[parent], np.column_stack([answers[parent], y])
        at = turn, prompt, y
        prob = prob[parent] * policy.sample_prob[at]
        ends, goes_on = forced | (policy.log_stop[at] > -np.inf), (policy.log_resample[at] > -np.inf) & (not forced)
        finished.append((prompt[ends], answers[ends], (prob if forced else prob * policy.stop_prob[at])[ends], forced))
        prompt, answers, prob = prompt[goes_on], answers[goes_on], (prob * policy.resample_prob[at])[goes_on]
        total += len(finished[-1][0])
    return Trajectories.joined(finished)


def sample_trajectories(
    mdp: TwoStageMDP, policy: Policy, n: int, *, rng: np.random.Generator | int, max_turns: int = 1_000_000
) -> Trajectories:
    """Draw n independent trajectories.

    Args:
        mdp: one chain, without run axes.
        policy: one policy, without run axes.
        n: how many, >= 1.
        rng: a numpy Generator, or a seed for one.
        max_turns: give up on a chain whose episodes do not end by then.

    Raises:
        ChainError: n < 1, or an episode did not stop within ``max_turns``.

    >>> t = sample_trajectories(TwoStageMDP.minimal(), Policy.minimal(p=0.5, a=0.5, b=0.5), 1000, rng=0)
    >>> len(t), float(t.turns.mean())
    (1000, 2.015)
    """
    _refuse_runs(policy)
    policy.check_fits(mdp)
    n = whole_number(n, "n", low=1, otherwise=", draw at least one trajectory")
    max_turns = whole_number(max_turns, "max_turns", low=1)
    from dstheory.kernels import sample_trajectories as draw

    drawn = draw(
        n,
        np.random.default_rng(rng),
        answer_probability=policy.sample_prob,
        stop_probability=policy.stop_prob,
        prompt_probability=mdp.prompt_weight,
        n_answers=mdp.n_answers,
        horizon=mdp.max_turns,
        max_turns=max_turns,
    )
    last = drawn.offsets[1:] - 1
    decided = np.ones(len(drawn.answers), dtype=bool)
    decided[last] = drawn.stops[last]  # an episode that ends without stop was submitted at the cap
    drawn.stops[last] = True
    return Trajectories(drawn.prompt, drawn.offsets, drawn.answers, drawn.stops, decided, np.broadcast_to(1.0 / n, n))


def _refuse_runs(of: Policy | TwoStageMDP, what: str = "policy") -> None:
    if of.runs:
        raise OneRunError(f"trajectories are those of one {what}, but this one has runs {of.runs}: pick one run")
