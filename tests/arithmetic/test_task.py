"""The task: sizes, the split of problems, and what written multiplication makes of its tokens, carried out literally."""

from __future__ import annotations

import numpy as np
import pytest

from dstheory.arithmetic import (
    ALL_SIZES,
    LARGER_SIZES,
    TRAINED_SIZES,
    Problems,
    draw_problems,
    evaluate,
    parse_size,
    schedule,
    start_policy,
)
from dstheory.arithmetic.rollouts import answer_errors
from dstheory.arithmetic.task import ADDENDS, COLUMNS, ROWS, SLIPS, WIDTH, token_errors, token_rows
from dstheory.errors import ArithmeticTaskError, ChainError


def test_there_are_21_sizes_six_of_them_trained_on() -> None:
    assert len(ALL_SIZES) == 21
    assert len(LARGER_SIZES) == 15
    assert TRAINED_SIZES == ((4, 4), (4, 5), (4, 6), (5, 5), (5, 6), (6, 6))
    assert set(TRAINED_SIZES) | set(LARGER_SIZES) == set(ALL_SIZES)


def test_training_and_evaluation_share_no_problem_whatever_the_seeds() -> None:
    # 4x4 has 81 million problems; with 4,000 + 4,000 draws from a space this small an accidental overlap would be seen as
    # soon as the split depended on the seed: the same seeds are used for both parts.
    train = draw_problems([(4, 4)], 4000, part="train", rng=5)
    held_out = draw_problems([(4, 4)], 4000, part="evaluation", rng=5)
    assert not set(train.names) & set(held_out.names)
    assert len(set(train.names)) == len(set(held_out.names)) == 4000
    again = draw_problems([(4, 4)], 4000, part="evaluation", rng=6)
    assert not set(train.names) & set(again.names)


def test_one_problem_in_ten_is_held_out() -> None:
    pairs = np.random.default_rng(0).integers(10**5, 10**6, size=(20_000, 2))
    from dstheory.arithmetic.task import _hash

    share = float((_hash(pairs) % np.uint64(10) == 0).mean())
    assert share == pytest.approx(0.1, abs=4.5 * np.sqrt(0.1 * 0.9 / 20_000))  # 4.5 standard errors


def test_drawing_is_reproducible_and_sizes_are_as_asked() -> None:
    one, two = (draw_problems(ALL_SIZES, 3, part="evaluation", rng=7, per_size=True) for _ in range(2))
    assert one.names == two.names
    assert [tuple(size) for size in one.size[::3].tolist()] == list(ALL_SIZES)
    for (n, m), x, y in zip(one.size.tolist(), one.x.tolist(), one.y.tolist(), strict=True):
        assert (len(str(x)), len(str(y))) == (n, m)
    assert int(one.product[-1]) == int(one.x[-1]) * int(one.y[-1])
    assert [size for size, _ in one.by_size()] == list(ALL_SIZES)


def written_out(x: int, y: int, tokens: list[int]) -> int:
    """Return the answer that somebody writes who follows the tokens: columns, running totals, digits. Knows no errors."""
    n, m = len(str(x)), len(str(y))
    total, answer, token = 0, 0, iter(tokens)
    for k in range(n + m - 1):
        for i in range(n):
            if 0 <= k - i < m:
                tens, units, slip = next(token), next(token), SLIPS[next(token)]
                total = total + 10 * tens + units + slip
        digit, total = total % 10, total // 10
        answer += digit * 10**k
    assert next(token, None) is None
    return answer + total * 10 ** (n + m - 1)


@pytest.mark.parametrize("size", [(4, 4), (4, 7), (6, 9), (9, 9)])
def test_the_error_of_an_answer_is_the_sum_of_the_errors_of_its_tokens(size) -> None:
    rng = np.random.default_rng(3)
    problems = draw_problems([size], 40, part="train", rng=rng)
    rows = token_rows(problems, size)
    totals = np.arange(rows.shape[1]) % 3 == 2
    outcomes = np.where(totals, rng.integers(len(SLIPS), size=rows.shape), rng.integers(WIDTH, size=rows.shape))
    errors = answer_errors(size, rows, outcomes)
    for x, y, tokens, error in zip(problems.x.tolist(), problems.y.tolist(), outcomes.tolist(), errors.tolist(), strict=True):
        assert written_out(x, y, tokens) == x * y + error


def test_right_tokens_give_the_right_answer() -> None:
    problems = Problems.of([(9876, 98765)])
    rows = token_rows(problems, (4, 5))
    right = np.argmax(token_errors()[rows] == 0, axis=-1)
    assert written_out(9876, 98765, right[0].tolist()) == 9876 * 98765
    assert answer_errors((4, 5), rows, right).tolist() == [0]


def test_every_row_of_the_token_table_has_exactly_one_right_outcome() -> None:
    errors = token_errors()
    assert errors.shape == (ROWS, WIDTH)
    digits = ROWS - COLUMNS * ADDENDS
    assert ((errors[:digits] == 0).sum(axis=1) == 1).all()
    assert (errors[digits:, : len(SLIPS)] == SLIPS).all()


def test_columns_and_addends_beyond_training_are_those_the_page_names() -> None:
    trained = [schedule(size) for size in TRAINED_SIZES]
    assert max(int(steps.column.max()) for steps in trained) == 10
    assert max(int(steps.addend.max()) for steps in trained) == 5
    largest = schedule((9, 9))
    assert int(largest.column.max()) == COLUMNS - 1 == 16
    assert int(largest.addend.max()) == ADDENDS - 1 == 8
    assert (schedule((4, 4)).tokens, largest.tokens) == (48, 243)


@pytest.mark.parametrize("text", ["3x4", "4x10", "5x4", "4", "4xx5", "axb", "4x5x6", ""])
def test_sizes_out_of_range_are_refused(text) -> None:
    with pytest.raises(ArithmeticTaskError, match=rf"^size {text}: must be n x m with 4 <= n <= m <= 9, for example 4x6$"):
        parse_size(text)


def test_no_episodes_of_a_problem_are_refused() -> None:
    with pytest.raises(ChainError, match=r"^episodes is 0: must be a whole number >= 1$"):
        evaluate(start_policy(rng=0), sizes=[(4, 4)], per_size=1, episodes=0)


def test_a_size_of_thousands_of_digits_is_refused() -> None:
    with pytest.raises(ArithmeticTaskError, match=r"^size 4+\.\.\.: must be n x m with 4 <= n <= m <= 9, for example 4x6$"):
        parse_size("4" * 5000 + "x4")


def test_bad_input_is_named() -> None:
    with pytest.raises(ChainError, match=r"^number of problems for train is 0: must be a whole number >= 1: nothing"):
        draw_problems([(4, 4)], 0, part="train", rng=0)
    with pytest.raises(ArithmeticTaskError, match=r"^the set of sizes for evaluation is empty: name at least one"):
        draw_problems([], 5, part="evaluation", rng=0)
    with pytest.raises(ArithmeticTaskError, match=r"^size 6x5: must be n x m"):
        draw_problems([(6, 5)], 5, part="train", rng=0)
    with pytest.raises(ArithmeticTaskError, match=r"^part is 'test': must be 'train' or 'evaluation'$"):
        draw_problems([(4, 4)], 5, part="test", rng=0)
    with pytest.raises(ArithmeticTaskError, match=r"^123 x 4567 has 3 and 4 digits: must be 4 to 9, the shorter factor first$"):
        Problems.of([(123, 4567)])
    with pytest.raises(ArithmeticTaskError, match="no problems were given: give"):
        Problems.of([])
