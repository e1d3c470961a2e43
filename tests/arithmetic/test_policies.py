"""The policies and their rollouts: gradients against differences, masses by hand, the checks that look at two attempts."""

from __future__ import annotations

import numpy as np
import pytest

from dstheory.arithmetic import TRAINED_SIZES, ArithmeticPolicy, draw_problems, roll_out, start_policy
from dstheory.arithmetic.checks import observe
from dstheory.arithmetic.policy import BLOCKS, length_index
from dstheory.arithmetic.rollouts import table_mass
from dstheory.arithmetic.task import ROWS, SLIPS
from dstheory.errors import ArithmeticTaskError


def test_probabilities_are_probabilities() -> None:
    policy = start_policy(rng=0, trunk=0.4)
    np.testing.assert_allclose(policy.token_prob.sum(axis=1), 1.0, rtol=1e-14)
    assert (policy.token_prob[-1, len(SLIPS) :] == 0).all()
    np.testing.assert_allclose(policy.stop_prob + np.exp(policy.log_resample), 1.0, rtol=1e-15)
    assert policy.stop_prob.shape == (8, 11)


def test_the_start_does_not_depend_on_the_trunk() -> None:
    apart, shared = start_policy(rng=4), start_policy(rng=4, trunk=0.7)
    assert (apart.token_prob == shared.token_prob).all()
    np.testing.assert_allclose(apart.stop_prob, shared.stop_prob, rtol=1e-14)


@pytest.mark.parametrize("trunk", [0.0, 0.7])
def test_pull_back_is_the_gradient_of_weighted_log_likelihood(trunk) -> None:
    rng = np.random.default_rng(1)
    policy = start_policy(rng=rng, trunk=trunk)
    problems = draw_problems(TRAINED_SIZES, 30, part="train", rng=rng)
    rollouts = roll_out(policy, problems, cap=3, rng=rng)
    weight = rng.normal(size=len(rollouts))  # one coefficient per episode, tokens and decisions weighted apart
    mass = table_mass(policy, rollouts, lambda at: (weight[at.episode, None], 3.0 * weight[at.episode]))
    gradient = policy.pull_back(*mass)

    def likelihood(at: ArithmeticPolicy) -> float:
        total, digits = 0.0, length_index(problems.size.sum(axis=1))
        for part in rollouts.parts:
            total += float(weight[part.episode] @ at.token_log_prob[part.rows, part.outcomes].sum(axis=1))
            if part.decided:
                where = part.pattern, digits[part.episode]
                chosen = np.where(part.stopped, at.log_stop[where], at.log_resample[where])
                total += 3.0 * float(weight[part.episode] @ chosen)
        return total

    for index, name in enumerate(BLOCKS):
        direction = rng.normal(size=policy.blocks[index].shape)
        # Central differences: error about h^2 (third derivative) + 1e-12 / h, least near h = 1e-4: about 1e-8 relative.
        h = 1e-4
        plus, minus = (
            policy.with_blocks([b + s * h * direction if i == index else b for i, b in enumerate(policy.blocks)]) for s in (1, -1)
        )
        difference = (likelihood(plus) - likelihood(minus)) / (2 * h)
        assert float((gradient[index] * direction).sum()) == pytest.approx(difference, rel=1e-5, abs=1e-6), name


def test_masses_count_actions() -> None:
    policy = start_policy(rng=0)
    problems = draw_problems(TRAINED_SIZES, 200, part="train", rng=0)
    rollouts = roll_out(policy, problems, cap=3, rng=0)
    tokens, stop, resample = table_mass(policy, rollouts, lambda at: (np.ones(1), np.ones(1)))
    assert tokens.sum() + stop.sum() + resample.sum() == rollouts.tokens.sum()
    assert stop.sum() + resample.sum() == sum(part.decided * len(part.episode) for part in rollouts.parts)
    assert tokens.shape == (ROWS, 10)
    # An episode that was stopped has one stop; one that was not was submitted at the cap.
    assert stop.sum() == sum(part.stopped.sum() for part in rollouts.parts)
    assert len(rollouts) - stop.sum() == sum(len(part.episode) for part in rollouts.parts if not part.decided)


def test_rollouts_are_reproducible_and_attempts_are_in_order() -> None:
    policy, problems = start_policy(rng=0), draw_problems(TRAINED_SIZES, 300, part="train", rng=0)
    one, two = (roll_out(policy, problems, cap=4, rng=9) for _ in range(2))
    assert all((a == b).all() for a, b in zip(one.columns, two.columns, strict=True))
    offsets, correct, stopped = one.columns
    assert (np.diff(offsets) == one.turns).all()
    last = offsets[1:] - 1
    assert (correct[last] == one.correct).all()
    assert not np.delete(stopped, last).any()  # only the last attempt of an episode is stopped at
    assert (stopped[last] | (one.turns == 4)).all()
    single = roll_out(policy, problems, cap=1, rng=9)
    assert (single.turns == 1).all()
    assert not single.columns[2].any()


def test_magnitude_and_disagreement() -> None:
    rng = np.random.default_rng(0)
    n = 20_000
    given = {"product": np.full(n, 10**8), "digits": np.full(n, 9), "rng": rng}
    far = observe(("magnitude",), error=np.full(n, 2 * 10**7), before=None, **given)
    near = observe(("magnitude",), error=np.full(n, 10**6), before=None, **given)
    misjudged = 1 - 0.99**4
    assert far.mean() == pytest.approx(1 - misjudged, abs=4.5 * np.sqrt(misjudged / n))
    assert near.mean() == pytest.approx(misjudged, abs=4.5 * np.sqrt(misjudged / n))
    error = np.array([0, 5, 5])
    three = {"product": np.full(3, 10**8), "digits": np.full(3, 9), "rng": rng}
    assert observe(("disagreement",), error=error, before=None, **three).tolist() == [0, 0, 0]
    assert observe(("disagreement",), error=error, before=np.array([0, 5, 6]), **three).tolist() == [0, 0, 1]
    policy = start_policy(rng=0, checks=("nines", "magnitude", "disagreement"))
    rollouts = roll_out(policy, draw_problems([(5, 5)], 500, part="train", rng=0), cap=3, rng=0)
    assert max(int(part.pattern.max()) for part in rollouts.parts) == 7
    assert max(int(part.pattern.max()) for part in rollouts.parts if part.turn == 0) == 3


def test_bad_policies_are_refused() -> None:
    with pytest.raises(ArithmeticTaskError, match=r"^trunk is -1: must be finite and >= 0; 0 shares nothing"):
        start_policy(rng=0, trunk=-1)
    with pytest.raises(ArithmeticTaskError, match=r"^there is no check 'sevens': known are nines, elevens, last-digit"):
        start_policy(rng=0, checks=["sevens"])
    with pytest.raises(ArithmeticTaskError, match=r"^checks nines, nines: each may be named once$"):
        start_policy(rng=0, checks=["nines", "nines"])
    policy = start_policy(rng=0)
    with pytest.raises(ArithmeticTaskError, match=r"^parameters 'skill' have shape \(2,\): must be \(3,\)$"):
        policy.with_blocks([np.zeros(2), *policy.blocks[1:]])
    with pytest.raises(ArithmeticTaskError, match=r"^parameters 'skill' are not finite: training left the numbers"):
        policy.with_blocks([np.full(3, np.nan), *policy.blocks[1:]])
    with pytest.raises(ArithmeticTaskError, match=r"^cap T on the number of attempts is 0: must be a whole number >= 1"):
        roll_out(policy, draw_problems([(4, 4)], 1, part="train", rng=0), cap=0, rng=0)
