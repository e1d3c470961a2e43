r"""Demonstrations: episodes of somebody who multiplies without errors and always decides rightly.

With probability *coverage* a demonstration begins with a wrong attempt, which the demonstrator resamples; its tokens are drawn
from the initial policy given that the answer is wrong, so that the mistakes shown are those that the learner makes. The attempt
after it, or the only one, is right in every token and stopped at. What the learner sees of each attempt are the outcomes of its
own, imperfect checks: demonstrations say what was decided, not how one can tell.

Source: arXiv 2601.01580, section 4.2 (SFT on traces with and without revisions); the mistakes are drawn as derived here.
"""

from __future__ import annotations

import numpy as np

from dstheory.arithmetic.checks import observe
from dstheory.arithmetic.policy import ArithmeticPolicy
from dstheory.arithmetic.problems import Problems
from dstheory.arithmetic.process import token_errors, token_rows
from dstheory.arithmetic.rollouts import Attempts, Rollouts, answer_errors, draw_tokens
from dstheory.errors import ArithmeticTaskError

__all__ = ["demonstrate"]

_PATIENCE = 10_000


def demonstrate(
    mistakes_of: ArithmeticPolicy, problems: Problems, *, coverage: float, cap: int, rng: np.random.Generator | int
) -> Rollouts:
    """Return one demonstration per problem.

    Args:
        mistakes_of: whose wrong attempts are shown; its checks are what the decision sees.
        problems: repeat one for several demonstrations of it.
        coverage: share of demonstrations with a wrong first attempt.
        cap: T of the learner; a demonstration that reaches it submits without a decision.
        rng: a numpy Generator, or a seed for one.

    Raises:
        ArithmeticTaskError: the policy is so good that no wrong attempt could be drawn.

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
