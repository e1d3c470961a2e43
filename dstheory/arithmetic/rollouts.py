r"""Episodes, rollouts and demonstrations: attempts in columns, tokens beside them, drawn for all episodes at once.

The tokens of one attempt are drawn together: what a token says (the new total) depends on those before it, but its law, written
as a digit of a product or as a slip of a total, depends on the problem and the position only
(:mod:`dstheory.arithmetic.task`). One turn of all episodes of one size is therefore a handful of array operations, whatever
the number of tokens.

Demonstrations are episodes of somebody who multiplies without errors and always decides rightly. With probability *coverage*
one begins with a wrong attempt, which the demonstrator resamples; its tokens are drawn from the initial policy given that the
answer is wrong, so that the mistakes shown are those that the learner makes. The attempt after it, or the only one, is right in
every token and stopped at, or submitted at the cap. What the learner sees of each attempt are the outcomes of its own,
imperfect checks: demonstrations say what was decided, not how one can tell.

Source: arXiv 2601.01580, sections 3 (the two-stage process) and 4.2 (SFT on traces with and without revisions); the mistakes
are drawn as derived here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dstheory.arithmetic.checks import observe
from dstheory.arithmetic.policy import ArithmeticPolicy, length_index
from dstheory.arithmetic.task import TOKENS_PER_STEP, Problems, Size, schedule, token_errors, token_rows
from dstheory.checks import Bools, Floats, Ints, whole_number
from dstheory.errors import ArithmeticTaskError


@dataclass(frozen=True, eq=False)
class Attempts:
    """All attempts at one turn of the episodes of one size.

    Attributes:
        turn: index of the turn.
        episode: (A,) whose attempts these are.
        rows, outcomes: (A, 3nm) row of the token table and outcome drawn, for each token.
        error: (A,) answer minus right answer.
        pattern: (A,) failed checks that the decision saw.
        stopped: (A,) whether stop was drawn; at the cap nothing is, and the answer is submitted.
        decided: whether a decision was drawn, False at the cap.
    """

    turn: int
    episode: Ints
    rows: NDArray[np.int32]
    outcomes: NDArray[np.int8]
    error: Ints
    pattern: Ints
    stopped: Bools
    decided: bool


@dataclass(frozen=True, eq=False)
class Rollouts:
    """N episodes.

    Attributes:
        problems: one per episode.
        cap: T, the largest number of attempts.
        checks: what the decision saw.
        parts: the attempts, by turn and size.

    Example:
        >>> from dstheory.arithmetic import draw_problems, start_policy
        >>> rollouts = roll_out(start_policy(rng=0), draw_problems([(4, 4)], 3, part="train", rng=0), cap=4, rng=0)
        >>> rollouts.turns.tolist(), rollouts.correct.tolist()
        ([1, 3, 4], [False, False, True])
    """

    problems: Problems
    cap: int
    checks: tuple[str, ...]
    parts: tuple[Attempts, ...]

    def __len__(self) -> int:
        return len(self.problems)

    @cached_property
    def turns(self) -> Ints:
        """(N,) number of attempts."""
        counts = np.zeros(len(self), dtype=np.int64)
        for part in self.parts:
            counts[part.episode] += 1
        return counts

    @cached_property
    def tokens(self) -> Ints:
        """(N,) tokens drawn: those of the answers, and one per decision."""
        counts = np.zeros(len(self), dtype=np.int64)
        for part in self.parts:
            counts[part.episode] += part.rows.shape[1] + part.decided
        return counts

    @cached_property
    def correct(self) -> Bools:
        """(N,) whether the answer submitted is right."""
        right = np.zeros(len(self), dtype=bool)
        for part in self.parts:  # turns ascend, so the last one written is the one submitted
            right[part.episode] = part.error == 0
        return right

    @cached_property
    def columns(self) -> tuple[Ints, Bools, Bools]:
        """Return attempts in order of episode and turn: offsets (N + 1,), correct (M,), stopped (M,)."""
        episode = np.concatenate([part.episode for part in self.parts])
        turn = np.concatenate([np.full(len(part.episode), part.turn) for part in self.parts])
        order = np.lexsort((turn, episode))
        correct = np.concatenate([part.error == 0 for part in self.parts])[order]
        stopped = np.concatenate([part.stopped for part in self.parts])[order]
        return np.concatenate([[0], np.cumsum(self.turns)]), correct, stopped


def draw_tokens(policy: ArithmeticPolicy, rows: Ints, rng: np.random.Generator) -> NDArray[np.int8]:
    """Draw one outcome for each row of the token table."""
    cumulative = policy.token_cumulative
    uniform = rng.random(rows.shape)
    outcomes = np.zeros(rows.shape, dtype=np.int8)
    # Most rows put most mass on one outcome, but not the same one: count how many cumulative sums lie below the number.
    for column in range(cumulative.shape[1]):
        outcomes += cumulative[rows, column] <= uniform
    return outcomes


def answer_errors(size: Size, rows: Ints, outcomes: Ints) -> Ints:
    """Return answer minus right answer, (A,), for tokens (A, 3nm) of problems of one size."""
    powers = np.repeat(10 ** schedule(size).column, TOKENS_PER_STEP)
    return np.asarray(token_errors()[rows, outcomes] @ powers)


def roll_out(
    policy: ArithmeticPolicy,
    problems: Problems,
    *,
    cap: int,
    rng: np.random.Generator | int,
) -> Rollouts:
    """Draw one episode per problem: write an answer, look at it, stop or start afresh, at most ``cap`` times.

    Args:
        policy: who answers.
        problems: what; repeat a problem for several episodes on it.
        cap: T >= 1; at the last attempt no decision is drawn.
        rng: a numpy Generator, or a seed for one.

    Raises:
        ArithmeticTaskError: a cap below 1.

    Example:
        >>> from dstheory.arithmetic import draw_problems, start_policy
        >>> problems = draw_problems([(4, 4)], 1000, part="train", rng=0)
        >>> rollouts = roll_out(start_policy(rng=0), problems, cap=4, rng=0)
        >>> len(rollouts), int(rollouts.turns.max()), bool(0.3 < rollouts.correct.mean() < 0.9)
        (1000, 4, True)
    """
    cap = checked_cap(cap)
    rng = np.random.default_rng(rng)
    sizes = [(size, token_rows(problems[index], size).astype(np.int32), index) for size, index in problems.by_size()]
    product, digits = problems.product, problems.size.sum(axis=1)
    before: list[Ints | None] = [None] * len(sizes)
    parts = []
    for turn in range(cap):
        if not any(len(index) for _, _, index in sizes):
            break  # every episode has stopped, however large the cap
        decided = turn < cap - 1
        for which, (size, all_rows, index) in enumerate(sizes):
            if not len(index):
                continue
            outcomes = draw_tokens(policy, all_rows, rng)
            error = answer_errors(size, all_rows, outcomes)
            pattern = observe(
                policy.checks, error=error, product=product[index], digits=digits[index], before=before[which], rng=rng
            )
            stopped = np.zeros(len(index), dtype=bool)
            if decided:
                stopped = rng.random(len(index)) < policy.stop_prob[pattern, length_index(digits[index])]
            parts.append(Attempts(turn, index, all_rows, outcomes, error, pattern, stopped, decided))
            sizes[which] = size, all_rows[~stopped], index[~stopped]
            before[which] = error[~stopped]
    return Rollouts(problems, cap, policy.checks, tuple(parts))


def table_mass(
    policy: ArithmeticPolicy, rollouts: Rollouts, coefficients: Callable[[Attempts], tuple[Floats, Floats]]
) -> tuple[Floats, Floats, Floats]:
    """Collect coefficients of single actions into the mass of each: of tokens (ROWS, 10), of stop and of resample (2^F, 11).

    Args:
        policy: for the shapes of its tables.
        rollouts: the actions.
        coefficients: those of the tokens of some attempts, broadcastable to (A, 3nm), and of their decisions, to (A,).
    """
    rows, width = policy.token_logits.shape
    tokens = np.zeros(rows * width)
    stop, resample = (np.zeros(policy.stop_logits.shape) for _ in range(2))
    digits = length_index(rollouts.problems.size.sum(axis=1))
    for part in rollouts.parts:
        if not len(part.episode):
            continue
        of_tokens, of_decisions = coefficients(part)
        weight = np.broadcast_to(of_tokens, part.rows.shape)
        tokens += np.bincount((part.rows * width + part.outcomes).ravel(), weight.ravel(), minlength=rows * width)
        if part.decided:
            weight = np.broadcast_to(of_decisions, part.error.shape)
            at = part.pattern, digits[part.episode]
            np.add.at(stop, at, weight * part.stopped)
            np.add.at(resample, at, weight * ~part.stopped)
    return tokens.reshape(rows, width), stop, resample


def checked_cap(cap: int) -> int:
    """Return the cap; raise ArithmeticTaskError unless it is a whole number >= 1."""
    try:
        return whole_number(cap, "cap T on the number of attempts", low=1)
    except ValueError as error:
        raise ArithmeticTaskError(f"{error}; an episode has at least one attempt") from error


_PATIENCE = 10_000


def demonstrate(
    mistakes_of: ArithmeticPolicy, problems: Problems, *, coverage: float, cap: int, rng: np.random.Generator | int
) -> Rollouts:
    """Return one demonstration per problem.

    Args:
        mistakes_of: whose wrong attempts are shown; its checks are what the decision sees.
        problems: repeat one for several demonstrations of it.
        coverage: share of demonstrations with a wrong first attempt; above 0 with a cap of at least 2.
        cap: T of the learner; a demonstration that reaches it submits without a decision.
        rng: a numpy Generator, or a seed for one.

    Raises:
        ArithmeticTaskError: the policy is so good that no wrong attempt could be drawn.

    Example:
        >>> from dstheory.arithmetic import draw_problems, start_policy
        >>> shown = demonstrate(start_policy(rng=0), draw_problems([(4, 4)], 8, part="train", rng=0), coverage=0.5, cap=6, rng=0)
        >>> bool(shown.correct.all()), sorted(set(shown.turns.tolist()))
        (True, [1, 2])
    """
    rng = np.random.default_rng(rng)
    erring = rng.random(len(problems)) < coverage
    product, digits = problems.product, problems.size.sum(axis=1)
    right = np.argmax(token_errors() == 0, axis=1).astype(np.int8)
    first: list[Attempts] = []
    second: list[Attempts] = []
    for size, index in problems.by_size():
        rows = token_rows(problems[index], size).astype(np.int32)
        outcomes = right[rows]
        wrong = np.flatnonzero(erring[index])
        todo = wrong
        for _ in range(_PATIENCE):
            if not len(todo):
                break
            outcomes[todo] = draw_tokens(mistakes_of, rows[todo], rng)
            todo = todo[answer_errors(size, rows[todo], outcomes[todo]) == 0]
        if len(todo):
            raise ArithmeticTaskError(
                f"no wrong attempt at {problems[index[todo[:1]]].names[0]} in {_PATIENCE} draws: the policy makes no mistakes "
                "to show; set coverage to 0"
            )
        for turn, which, tokens, parts in ((0, np.arange(len(index)), outcomes, first), (1, wrong, right[rows[wrong]], second)):
            if not len(which):
                continue
            error = answer_errors(size, rows[which], tokens)
            at = index[which]
            before = answer_errors(size, rows[which], outcomes[which]) if turn else None
            pattern = observe(mistakes_of.checks, error=error, product=product[at], digits=digits[at], before=before, rng=rng)
            decided = turn < cap - 1
            parts.append(Attempts(turn, at, rows[which], tokens, error, pattern, (error == 0) & decided, decided))
    return Rollouts(problems, cap, mistakes_of.checks, (*first, *second))
