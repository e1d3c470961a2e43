"""The exact law of an attempt against methods that share nothing with it: the written process itself, convolution, rollouts."""

from __future__ import annotations

import numpy as np
import pytest

from dstheory.arithmetic import ALL_SIZES, ArithmeticPolicy, Problems, draw_problems, roll_out, schedule, start_policy
from dstheory.arithmetic.checks import miscount, observe, pattern_law
from dstheory.arithmetic.exact import achieved, answer_law, seen_law, shapley_split
from dstheory.arithmetic.policy import BLOCKS, Start
from dstheory.arithmetic.task import SLIPS, token_errors, token_rows
from dstheory.errors import ArithmeticTaskError

# Sloppy: one token in five goes wrong, so that errors that cancel are no rarity.
SLOPPY = Start(skill=(5.0, 5.2, 4.0), spread=(1.0, 0.7))


def p_by_running_totals(policy: ArithmeticPolicy, problems: Problems) -> float:
    """P(every digit of the answer is right), by the law of the running total itself: no errors, no transforms."""
    (x,), (y,), (size,) = problems.x.tolist(), problems.y.tolist(), map(tuple, problems.size.tolist())
    steps, rows, prob = schedule(size), token_rows(problems, size)[0].reshape(-1, 3), policy.token_prob
    low, span = -300, 2000  # running totals stay far inside
    law = np.zeros(span)
    law[-low] = 1.0
    for k in range(int(steps.column[-1]) + 1):
        for s in np.flatnonzero(steps.column == k):
            step = np.zeros(span)
            tens, units, total = rows[s]
            for v in range(10):
                for u in range(10):
                    for e, slip in enumerate(SLIPS):
                        step += prob[tens, v] * prob[units, u] * prob[total, e] * np.roll(law, 10 * v + u + slip)
            law = step
        wanted = x * y // 10**k
        last = k == int(steps.column[-1])
        after = np.zeros(span)
        for total in range(low, low + span):
            if last and total == wanted:
                return float(law[total - low])
            if not last and total % 10 == wanted % 10:
                after[total // 10 - low] += law[total - low]
        law = after
    raise AssertionError


@pytest.mark.parametrize(("pair", "start"), [((4096, 8051), None), ((7089, 90467), SLOPPY)])
def test_p_is_that_of_the_written_process(pair, start) -> None:
    policy, problems = start_policy(rng=2, start=start), Problems.of([pair])
    exact = answer_law(policy, problems).right[0]
    # Transforms of length 2,304 round to about 1e-15 per column.
    assert exact == pytest.approx(p_by_running_totals(policy, problems), rel=1e-11, abs=1e-13)
    rows = token_rows(problems, tuple(problems.size[0].tolist()))[0]
    every_token_right = np.where(token_errors()[rows] == 0, policy.token_prob[rows], 0.0)[:, :10].max(axis=1).prod()
    assert exact > every_token_right * (1.001 if start else 1.0)  # cancelling errors count


def test_large_carried_errors_are_not_lost() -> None:
    """Nine products of a column written as large as can be carry an error beyond 60, which the next two columns take back."""
    policy = start_policy(rng=2)
    blocks = [np.array(block) for block in policy.blocks]
    skill, columns = blocks[BLOCKS.index("skill")], blocks[BLOCKS.index("digit_columns")]
    for k, favoured in ((8, 9), (9, 0), (10, 0)):  # 5 x 5 = 25 without skill, tens of the first column high, then low
        columns[:, k] = 0.0
        columns[0, k, 2], columns[1, k, 5] = -skill[0], -skill[1]
        columns[0, k, favoured] += 3.0
    policy, problems = policy.with_blocks(blocks), Problems.of([(555555555, 555555555)])
    assert answer_law(policy, problems).right[0] == pytest.approx(p_by_running_totals(policy, problems), rel=1e-8)


@pytest.mark.parametrize("size", [(4, 4), (5, 8)])
def test_patterns_are_those_of_the_error_modulo_990(size) -> None:
    policy = start_policy(rng=3, start=SLOPPY)
    problems = draw_problems([size], 3, part="evaluation", rng=1)
    law = answer_law(policy, problems)
    prob, errors, columns = policy.token_prob, token_errors(), np.repeat(schedule(size).column, 3)
    for i, rows in enumerate(token_rows(problems, size)):
        residue = np.zeros(990)
        residue[0] = 1.0
        for row, k in zip(rows.tolist(), columns.tolist(), strict=True):
            step = np.zeros(990)
            for outcome in range(10):
                step += prob[row, outcome] * np.roll(residue, int(errors[row, outcome]) * 10**k % 990)
            residue = step
        r = np.arange(990)
        pattern = (r % 9 != 0) + 2 * (r % 11 != 0) + 4 * (r % 10 != 0)
        expected = np.bincount(pattern, residue, minlength=8)
        found = law.wrong[i].copy()
        found[0] += law.right[i]
        np.testing.assert_allclose(found, expected, atol=1e-13)
    assert (law.wrong >= 0).all()
    np.testing.assert_allclose(law.right + law.wrong.sum(axis=1), 1.0, atol=1e-12)


def test_pattern_law_is_that_of_the_checker_that_is_drawn() -> None:
    names, n, rng = ("nines", "elevens", "last-digit"), 200_000, np.random.default_rng(5)
    for error, true in ((0, 0), (9 * 10, 2), (7, 7), (990, 0), (11, 5)):
        seen = observe(
            names, error=np.full(n, error), product=np.full(n, 10**9), digits=np.full(n, 11), before=None, rng=rng
        )
        law = pattern_law(names, 11)[true]
        counts = np.bincount(seen, minlength=8)
        # 4.5 standard errors of each of 40 binomial counts, and one count of room where the expectation is tiny.
        assert (np.abs(counts - n * law) < 4.5 * np.sqrt(n * law * (1 - law)) + 1).all()
    assert pattern_law([], 8).tolist() == [[1.0]]
    np.testing.assert_allclose(pattern_law(names, 14).sum(axis=1), 1.0, atol=1e-15)


def test_checks_get_worse_on_longer_numbers() -> None:
    assert (np.diff(miscount("nines", np.arange(8, 19))) > 0).all()
    assert float(miscount("disagreement", 18)) == 0.0


@pytest.mark.parametrize("checks", [("nines", "elevens", "last-digit"), ("elevens",), ()])
def test_exact_p_a_b_and_accuracy_agree_with_rollouts(checks) -> None:
    policy = start_policy(rng=11, checks=checks)
    sizes = [(4, 4), (6, 6), (5, 9)]
    problems = draw_problems(sizes, 20, part="evaluation", rng=4, per_size=True)
    exact = achieved(answer_law(policy, problems), policy, cap=4)
    repeats = 500
    rollouts = roll_out(policy, problems[np.repeat(np.arange(len(problems)), repeats)], cap=4, rng=8)
    offsets, correct, stopped = rollouts.columns
    episode = np.repeat(np.arange(len(rollouts)), np.diff(offsets))
    decided = np.arange(len(correct)) - offsets[episode] < 3
    of_size = episode // repeats // 20
    for s in range(len(sizes)):
        pooled, here = exact.pooled(np.arange(20 * s, 20 * (s + 1))), of_size == s
        for truth, hits in (
            (pooled.p, correct[here]),
            (pooled.a, stopped[here & decided & correct]),
            (pooled.b, ~stopped[here & decided & ~correct]),
            (pooled.accuracy, rollouts.correct[20 * repeats * s : 20 * repeats * (s + 1)]),
        ):
            # 4.5 standard errors; 1.5 allows for attempts of one problem and of one episode not being independent.
            assert hits.mean() == pytest.approx(truth, abs=1.5 * 4.5 * np.sqrt(truth * (1 - truth) / len(hits)))
        turns = rollouts.turns[20 * repeats * s : 20 * repeats * (s + 1)]
        assert turns.mean() == pytest.approx(pooled.attempts, abs=4.5 * turns.std() / np.sqrt(len(turns)))


def test_with_one_attempt_accuracy_is_p() -> None:
    policy = start_policy(rng=0)
    single = achieved(answer_law(policy, Problems.of([(1234, 5678)])), policy, cap=1).pooled()
    assert single.accuracy == pytest.approx(single.p)
    assert single.attempts == 1.0


def test_prediction_from_pooled_figures_is_exact_for_one_problem_only() -> None:
    policy = start_policy(rng=0, start=Start(stop=2.0, caution=3.0))  # resamples wrong answers, so hard problems count more
    alike = achieved(answer_law(policy, Problems.of([(1234, 5678)])), policy, cap=6).pooled()
    assert alike.predicted == pytest.approx(alike.accuracy, rel=1e-13)
    mixed = draw_problems([(4, 4), (9, 9)], 10, part="evaluation", rng=0, per_size=True)
    pooled = achieved(answer_law(policy, mixed), policy, cap=6).pooled()
    assert abs(pooled.predicted - pooled.accuracy) > 1e-4


def test_the_split_of_a_gain_adds_up_and_swaps() -> None:
    problems = draw_problems(ALL_SIZES[:3], 5, part="evaluation", rng=0, per_size=True)
    one, two = start_policy(rng=0), start_policy(rng=1, start=Start(skill=(11.0, 11.0, 10.0), stop=2.0, caution=2.0))
    laws = [(answer_law(policy, problems), policy) for policy in (one, two)]
    split, back = shapley_split(laws[0], laws[1], cap=6), shapley_split(laws[1], laws[0], cap=6)
    assert split.sample + split.decide == pytest.approx(split.gain, abs=1e-15)
    assert (back.sample, back.decide) == pytest.approx((-split.sample, -split.decide), abs=1e-15)
    assert split.sample > 0
    assert split.decide > 0
    assert np.isnan(shapley_split(laws[0], laws[0], cap=6).decision_share)
    only = shapley_split(laws[0], (laws[0][0], two), cap=6)
    assert only.sample == pytest.approx(0.0, abs=1e-15)


def test_what_is_not_known_exactly_is_refused() -> None:
    policy = start_policy(rng=0, checks=("nines", "magnitude"))
    law = answer_law(policy, Problems.of([(1234, 5678)]))
    with pytest.raises(ArithmeticTaskError, match=r"^p, a and b are not known exactly with the check 'magnitude': its"):
        achieved(law, policy, cap=3)
    with pytest.raises(ArithmeticTaskError, match="'disagreement'"):
        seen_law(law, ("disagreement",))
    with pytest.raises(ArithmeticTaskError, match=r"^cap T on the number of attempts is 0: must be a whole number >= 1; an"):
        achieved(law, start_policy(rng=0), cap=0)
