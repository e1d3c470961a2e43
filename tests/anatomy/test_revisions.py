"""Answers revised in turn: rates against plain loops, distributions against enumeration, coverage and size by simulation.

The simulated chains keep the former answer with chance `keep` and else draw a fresh one, right with the problem's p. So every
turn has P(right) = p, and by hand: P(right | right) = keep + (1 - keep) E[p^2]/E[p], P(right | wrong) = (1 - keep)
E[p(1-p)]/E[1-p], and within a problem the two differ by `keep`.
"""

from __future__ import annotations

from collections import Counter
from itertools import combinations, pairwise, permutations, product

import numpy as np
import pytest

from dstheory.anatomy import Episodes, answer
from dstheory.anatomy.answers import GAIN
from dstheory.anatomy.orders import changes, overlap, rank_sum
from dstheory.anatomy.revisions import Revisions, measure_revisions


def records(chains: list[tuple[str, list[bool]]]) -> Episodes:
    """Chains of answers, as (problem, answers)."""
    cap = [len(answers) for _, answers in chains]
    return Episodes.record([(name, [(y, "resample") for y in answers]) for name, answers in chains], cap=cap)


def kept_or_fresh(
    rng: np.random.Generator,
    problems: int,
    each: int,
    turns: int,
    keep: float,
    *,
    alpha: float = 1.2,
    beta: float = 0.7,
    drift: float = 0.0,
) -> Episodes:
    p = np.repeat(rng.beta(alpha, beta, problems), each)
    y = rng.random(len(p)) < p
    columns = [y]
    for k in range(1, turns):
        fresh = rng.random(len(p)) < np.clip(p + drift * k, 0, 1)
        y = np.where(rng.random(len(p)) < keep, y, fresh)
        columns.append(y)
    answers = np.stack(columns, axis=1)
    return Episodes(
        offsets=np.arange(len(p) + 1) * turns,
        correct=answers.ravel(),
        stopped=np.zeros(answers.size, dtype=bool),
        capped=np.ones(len(p), dtype=bool),
        problem=np.repeat(np.arange(problems), each),
        problem_ids=[str(i) for i in range(problems)],
        cap=np.full(len(p), turns),
    )


def p_values(found: Revisions) -> dict[str, float | None]:
    return {test.name: test.p_value for test in found.tests}


# ---------------------------------------------------------------------- by hand


def test_rates_are_those_of_plain_loops() -> None:
    rng = np.random.default_rng(5)
    log = kept_or_fresh(rng, 7, 4, 3, 0.4)
    chains = [(int(log.problem[i]), [bool(x) for x in log.correct[3 * i : 3 * i + 3]]) for i in range(28)]
    after: dict[bool, list[bool]] = {True: [], False: []}
    borrowed: dict[bool, list[bool]] = {True: [], False: []}
    top = bottom = 0.0
    for i, (x, chain) in enumerate(chains):
        for k in range(2):
            after[chain[k]].append(chain[k + 1])
            borrowed[chain[k]] += [other[k + 1] for j, (z, other) in enumerate(chains) if z == x and j != i]
    for x in range(7):
        for k in range(2):
            mine = [(chain[k], chain[k + 1]) for z, chain in chains if z == x]
            right, wrong = [b for a, b in mine if a], [b for a, b in mine if not a]
            if right and wrong:
                weight = len(right) * len(wrong) / len(mine)
                top += weight * (sum(right) / len(right) - sum(wrong) / len(wrong))
                bottom += weight
    found = measure_revisions(log)
    share = {which: sum(values) / len(values) for which, values in after.items()}
    others = {which: sum(values) / len(values) for which, values in borrowed.items()}
    assert found.first.value == pytest.approx(sum(chain[0] for _, chain in chains) / 28)
    assert found.gain.value == pytest.approx(sum(chain[2] - chain[0] for _, chain in chains) / 28)
    assert (found.right_to_right.value, found.wrong_to_right.value) == pytest.approx((share[True], share[False]))
    assert (found.others_right.value, found.others_wrong.value) == pytest.approx((others[True], others[False]))
    assert found.within.value == pytest.approx(top / bottom)
    assert found.limit == pytest.approx(share[False] / (1 - share[True] + share[False]))
    assert found.turns[2].markov == pytest.approx(
        share[False] + (share[True] - share[False]) * (share[False] + (share[True] - share[False]) * found.turns[0].right.value)
    )


@pytest.mark.parametrize("m", range(2, 7))
def test_orders_against_all_of_them(m: int) -> None:
    for c in range(1, m):
        orders = [[i in chosen for i in range(m)] for chosen in combinations(range(m), c)]
        ranks = Counter(sum(i + 1 for i, y in enumerate(order) if y) - c * (c + 1) // 2 for order in orders)
        turns = Counter(sum(a != b for a, b in pairwise(order)) for order in orders)
        assert [ranks[k] / len(orders) for k in range(len(rank_sum(m, c)))] == pytest.approx(list(rank_sum(m, c)))
        assert [turns[k] / len(orders) for k in range(len(changes(m, c)))] == pytest.approx(list(changes(m, c)))
        assert sum(rank_sum(m, c)) == pytest.approx(1)
        assert sum(changes(m, c)) == pytest.approx(1)
        pairs = Counter(sum(a and b for a, b in zip(one, two, strict=True)) for one, two in product(orders, orders))
        low = max(0, 2 * c - m)
        assert [pairs[low + k] / len(orders) ** 2 for k in range(len(overlap(m, c, c)))] == pytest.approx(list(overlap(m, c, c)))


def test_pairings_within_problems_against_all_of_them() -> None:
    """Every pairing of former with next answers within the problems, 4! times 3! of them."""
    pairs = {"x": [(1, 1), (1, 1), (0, 0), (0, 1)], "y": [(1, 1), (0, 0), (0, 0)]}
    found = measure_revisions(records([(x, [bool(a), bool(b)]) for x, some in pairs.items() for a, b in some]))
    before = {x: [a for a, _ in some] for x, some in pairs.items()}
    shuffles = product(*(permutations([b for _, b in some]) for some in pairs.values()))
    counts = [
        sum(a * b for x, after in zip(pairs, one, strict=True) for a, b in zip(before[x], after, strict=True)) for one in shuffles
    ]
    tails = np.mean(np.array(counts) >= 3), np.mean(np.array(counts) <= 3)
    assert p_values(found)["records of one problem"] == pytest.approx(min(1.0, 2 * min(tails)))


def test_two_answers_in_order_are_a_sign_test() -> None:
    """McNemar's exact test: 8 got better, 1 got worse; 2 (1 + 9)/2^9."""
    chains = [[False, True]] * 8 + [[True, False]] + [[True, True]] * 5
    found = measure_revisions(records([(str(i), chain) for i, chain in enumerate(chains)]))
    assert p_values(found)["later answers"] == pytest.approx(2 * 10 / 512)
    assert found.tests[0].effect == "8 records went from wrong to right, 1 from right to wrong"


# ---------------------------------------------------------------------- by simulation


def test_intervals_hold_the_truth_as_often_as_they_promise() -> None:
    """200 logs; of a coverage of 95 % fewer than 180 have probability below 0.001."""
    rng, keep, logs = np.random.default_rng(11), 0.35, 200
    alpha, beta = 1.2, 0.7
    mean = alpha / (alpha + beta)
    square = mean * (alpha + 1) / (alpha + beta + 1)
    truth = {
        "first": mean,
        "gain": 0.0,
        "right_to_right": keep + (1 - keep) * square / mean,
        "wrong_to_right": (1 - keep) * (mean - square) / (1 - mean),
        "others_right": keep * square / mean + (1 - keep) * square / mean,
        "within": keep,
    }
    inside: Counter[str] = Counter()
    for _ in range(logs):
        found = measure_revisions(kept_or_fresh(rng, 60, 4, 2, keep, alpha=alpha, beta=beta))
        for name, value in truth.items():
            estimate = getattr(found, name)
            inside[name] += estimate.low <= value <= estimate.high
    assert {name: count for name, count in inside.items() if count < 180} == {}


def test_fresh_answers_are_rejected_no_more_often_than_the_level_says() -> None:
    """Problems as unlike as can be, and a p that moves from turn to turn, which the comparison within problems allows.

    200 logs; of a size of 5 % more than 21 rejections have probability below 0.001.
    """
    rng, logs = np.random.default_rng(3), 200
    rejected: Counter[str] = Counter()
    for _ in range(logs):
        still = measure_revisions(kept_or_fresh(rng, 25, 3, 3, 0.0, alpha=0.4, beta=0.6))
        moving = measure_revisions(kept_or_fresh(rng, 25, 3, 3, 0.0, alpha=0.4, beta=0.6, drift=0.25))
        rejected["any, afresh"] += still.afresh == "rejected"
        for name, p_value in p_values(still).items():
            rejected[name] += p_value is not None and p_value < 0.05
        rejected["within, moving p"] += p_values(moving)["records of one problem"] < 0.05
    assert max(rejected.values()) <= 21, rejected


@pytest.mark.slow
@pytest.mark.parametrize(("problems", "each", "turns", "keep", "alpha", "beta"), [
    (40, 4, 2, 0.35, 1.2, 0.7), (25, 8, 3, 0.0, 0.4, 0.6), (100, 2, 2, 0.7, 0.5, 0.5), (60, 4, 3, 0.2, 3.0, 1.0),
])  # fmt: skip
def test_figures_of_the_documentation(problems: int, each: int, turns: int, keep: float, alpha: float, beta: float) -> None:
    """1,000 logs of each kind: of a coverage of 95 % fewer than 927, of a size of 5 % more than 73, have probability 0.001."""
    rng = np.random.default_rng(77)
    mean = alpha / (alpha + beta)
    square = mean * (alpha + 1) / (alpha + beta + 1)
    truth = {
        "first": mean,
        "gain": 0.0,
        "right_to_right": keep + (1 - keep) * square / mean,
        "wrong_to_right": (1 - keep) * (mean - square) / (1 - mean),
        "within": keep,
    }
    inside: Counter[str] = Counter()
    rejected = 0
    for _ in range(1000):
        found = measure_revisions(kept_or_fresh(rng, problems, each, turns, keep, alpha=alpha, beta=beta))
        rejected += found.afresh == "rejected"
        for name, value in truth.items():
            inside[name] += getattr(found, name).low <= value <= getattr(found, name).high
    assert min(inside.values()) >= 927, inside
    assert keep or rejected <= 73


def test_one_record_of_two_answers_for_each_problem_is_never_said_to_be_drawn_afresh() -> None:
    rng = np.random.default_rng(2)
    said: Counter[str] = Counter(measure_revisions(kept_or_fresh(rng, 300, 1, 2, 0.0)).afresh for _ in range(50))
    assert said["not rejected"] == 0
    assert said["rejected"] <= 8
    found = measure_revisions(kept_or_fresh(rng, 300, 1, 2, 0.6))
    assert found.afresh == "undecided"
    assert found.why == (
        "right follows right more often than wrong: answers that depend on the former do that, and so do unlike problems: "
        "several records of each problem would tell"
    )


def test_dependence_is_found_where_it_can_be() -> None:
    rng = np.random.default_rng(4)
    pairs = [measure_revisions(kept_or_fresh(rng, 200, 4, 2, 0.35)) for _ in range(10)]
    assert all(found.afresh == "rejected" and found.why.startswith("within problems") for found in pairs)
    alone = [measure_revisions(kept_or_fresh(rng, 200, 1, 5, 0.35)) for _ in range(10)]
    assert all(found.afresh == "rejected" and found.why.startswith("the order") for found in alone)
    better = measure_revisions(kept_or_fresh(rng, 300, 1, 2, 0.0, drift=0.3))
    assert better.why.startswith("later answers are right more often than earlier ones")


def test_what_no_mixture_of_problems_explains() -> None:
    """Who answers the other way round: right after right is rarer than right after wrong."""
    rng = np.random.default_rng(6)
    first = rng.random(200) < 0.5
    second = np.where(rng.random(200) < 0.7, ~first, first)
    found = measure_revisions(records([(str(i), [bool(a), bool(b)]) for i, (a, b) in enumerate(zip(first, second, strict=True))]))
    assert found.afresh == "rejected"
    assert found.why == "right after right is rarer than right after wrong, which no mixture of problems explains"


def test_the_markov_reading_is_tested_too() -> None:
    """Answers that repeat the one before the former: independent of the former, and not Markov."""
    rng = np.random.default_rng(8)
    chains = []
    for i in range(300):
        a, b = rng.random(2) < 0.5
        chains.append((str(i // 6), [bool(a), bool(b), bool(a if rng.random() < 0.8 else ~a)]))
    found = measure_revisions(records(chains))
    assert (found.markov, p_values(found)["records of one problem"] > 0.01) == ("rejected", True)
    assert measure_revisions(kept_or_fresh(rng, 60, 5, 3, 0.5)).markov == "not rejected"


def test_extremes() -> None:
    always = measure_revisions(records([("x", [True, True]), ("y", [True, True])]))
    assert always.right_to_right.text(2) == "1.00 [0.22, 1.00]"
    assert always.wrong_to_right.reason == "no wrong answer was followed by another"
    assert (always.afresh, always.limit) == ("undecided", None)
    stuck = measure_revisions(records([("x", [True] * 2), ("x", [False] * 2)] * 30))
    assert (stuck.within.value, stuck.within.high, stuck.limit) == (1.0, 1.0, None)
    single = measure_revisions(records([("x", [True])]))
    assert single.notes == ("every record has one answer: nothing was revised",)
    uneven = measure_revisions(records([("x", [True, False]), ("x", [False, True, True])]))
    assert uneven.tests[0].reason == "numbers of answers differ, and may depend on the answers"
    assert uneven.turns[1].afresh is None
    long = measure_revisions(records([("x", [bool(i % 2) for i in range(500)])]))
    assert long.afresh == "rejected"


def test_the_gain_is_that_over_first_answers_also_of_unequal_problems() -> None:
    """The same shares of records that got better and worse, counted per problem elsewhere, with the correlation over problems."""
    rng = np.random.default_rng(5)
    each = [40, 1, 2, 9, 3, 1, 17]
    log = Episodes.record([
        (f"q{x}", [(bool(rng.random() < 0.5), "resample"), (bool(rng.random() < 0.2 + 0.1 * x), "stop")])
        for x, n in enumerate(each) for _ in range(n)
    ])  # fmt: skip
    one, other = measure_revisions(log).gain, answer(log).realised[GAIN]
    assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), rel=1e-9)
