"""Gradients whose digits cancel are refused by name; where there is nothing to refuse, asking changes nothing."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from objectives.extreme_chains import extreme_case
from objectives.instances import ALL, INSTANCES
from strategies import make_case

from dstheory import Policy, TwoStageMDP, attribute, optimum, solve, train
from dstheory.dynamics import SGD
from dstheory.errors import ChainError
from dstheory.objectives import GRPO, RLOO, K1Loss, Reinforce, ReverseKLDirect
from dstheory.objectives.digits import _log_chance, refuse_lost_digits
from dstheory.objectives.expectation.exponential import reciprocal
from dstheory.objectives.mass import CoefficientMass
from dstheory.objectives.rounding import directed, directions, kept, rounded, unlike

needs_directions = pytest.mark.skipif(not directions(), reason="the C library sets no directions of rounding")
M0 = TwoStageMDP.minimal(gamma=1.0)


def thirds() -> float:
    return float((np.array([1.0]) / np.array([3.0]))[0])


@needs_directions
def test_both_directions_and_back() -> None:
    nearest, (down, up) = thirds(), directions()
    with rounded(down):
        assert directed()
        below = thirds()
    with pytest.raises(ZeroDivisionError), rounded(up):
        above = thirds()
        raise ZeroDivisionError
    assert below < above
    assert nearest in (below, above)
    assert thirds() == nearest
    assert not directed()


@needs_directions
def test_nothing_is_kept_of_other_directions() -> None:
    calls = []
    twice = kept(lambda x: calls.append(x) or 2.0 * x)
    with rounded(directions()[1]):
        assert (twice(1.0), twice(1.0)) == (2.0, 2.0)
    assert len(calls) == 2
    assert (twice(1.0), twice(1.0)) == (2.0, 2.0)
    assert len(calls) == 3
    assert reciprocal(2.0, 64.0)[0] is reciprocal(2.0, 64.0)[0]


@needs_directions
@pytest.mark.parametrize("size", [2, 3, 9, 40])
@pytest.mark.parametrize("entry", [1.0, 1.9999999, 0.3, -7e-250])
def test_no_two_terms_that_cancel_change_alike_in_both_directions(size: int, entry: float) -> None:
    """Of one table, and of one place in tables that are added up: a change alike would hide what was lost of their difference."""
    changed = []
    for direction in directions():
        with rounded(direction):
            changed.append([unlike(np.full(size, entry), number) for number in range(4)])
    down, up = np.array(changed)
    assert np.abs(down / entry - 1.0).max() < 2e-15 > np.abs(up / entry - 1.0).max()
    for i, j in itertools.combinations(range(size), 2):
        assert ((down[:, i] != down[:, j]) | (up[:, i] != up[:, j])).all()
    for i, j in itertools.combinations(range(4), 2):
        assert ((down[i] != down[j]) | (up[i] != up[j])).all()
    table = np.full(size, entry)
    assert unlike(table) is table


@needs_directions
@pytest.mark.parametrize("seed", range(20))
def test_what_rounding_takes_of_a_row_moves_it_in_one_direction_at_least(seed: int) -> None:
    """By a tenth or more of the largest change that terms of these sizes can make, of any policy."""
    draw = np.random.default_rng(seed)
    answers = int(draw.integers(2, 6))
    policy = Policy.tabular(4.0 * draw.normal(size=(1, 1, answers)), 4.0 * draw.normal(size=(1, 1, answers)))
    sizes = CoefficientMass(*10.0 ** draw.uniform(-9.0, 0.0, (3, 1, 1, answers)))
    none, moved = CoefficientMass(*np.zeros((3, 1, 1, answers))), []
    assert none.rounded(sizes) is none
    for direction in directions():
        with rounded(direction):
            mass = none.rounded(sizes)
        moved.append(mass.gradient(policy))
    most: dict[str, float] = {"sample": 0.0, "decide": 0.0}
    for signs in itertools.product((-1.0, 1.0), repeat=answers):
        up, by = CoefficientMass(signs * sizes.sample, sizes.stop, -sizes.resample), 4.0 * np.finfo(float).eps
        for stage in most:
            most[stage] = max(most[stage], by * float(np.abs(getattr(up.gradient(policy), stage)).max()))
    for stage, top in most.items():
        assert top > 0.0
        assert max(np.abs(getattr(each, stage)).max() for each in moved) >= 0.1 * top, stage


@needs_directions
def test_neither_decisions_nor_answers_whose_terms_are_alike_in_size_stay_where_they_are() -> None:
    """Moved all up, stops and resamples of one size would stay, and so would answers whose sizes are as their chances."""
    policy, last = Policy.minimal(p=0.75, a=0.5, b=0.5), 4.0 * np.finfo(float).eps
    sizes = CoefficientMass(policy.sample_prob, *np.ones((2, 1, 1, 2)))
    moved = []
    for direction in directions():
        with rounded(direction):
            mass = CoefficientMass(*np.zeros((3, 1, 1, 2))).rounded(sizes)
        moved.append(mass.gradient(policy))
    for gradient in moved:
        np.testing.assert_allclose(np.abs(gradient.decide), last)
    np.testing.assert_allclose(max(np.abs(gradient.sample).max() for gradient in moved), 2.0 * 0.75 * 0.25 * last)


@needs_directions
@pytest.mark.parametrize(("name", "number", "seed"), [("dpo", 1, 473), ("dpo", 0, 1060), ("gspo", 1, 1000)])
def test_sums_over_responses_move_by_the_sizes_of_their_terms(
    name: str, number: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = extreme_case(seed, small=True)
    objective, solution = INSTANCES[name][number](case), solve(case.mdp, case.policy)
    ordinary = objective.mass(solution)
    monkeypatch.setattr("dstheory.objectives.rounding._MOST_CHANGED", 2**30)
    for direction in directions():
        with rounded(direction):
            moved = objective.mass(solution)
        for kind, sign in (("stop", 1.0), ("resample", -1.0)):
            table, off = getattr(ordinary, kind), sign * (getattr(moved, kind) - getattr(ordinary, kind))
            assert (off >= 0.9 * 2.0**30 * np.finfo(float).eps * np.abs(table)).all()
            assert (off > 0.0).any()


@needs_directions
def test_a_row_of_rounding_is_refused_by_name() -> None:
    case = extreme_case(106)
    objective, solution = RLOO(group_size=3, sampler=case.expert), solve(case.mdp, case.policy)
    with pytest.raises(
        ChainError, match=r"^rounding of rloo at the s\w+ logits \(turn 0, prompt \d\) moves it by"
    ):
        objective.gradient(solution)
    with pytest.raises(ChainError, match=r"^rounding of rloo"):
        attribute(objective, solution, coefficients=False)
    assert np.isfinite(objective.ascent(solution).sample).all()


@pytest.mark.parametrize("seed", [3, 4])
@pytest.mark.parametrize("name", ["grpo", "dapo-batch", "kl", "sft", "dpo", "nft"])
def test_asking_leaves_the_numbers_alone(name: str, seed: int) -> None:
    case = make_case(seed, cap=3, kind="tabular", per="turn", gamma=0.9)
    far = case.policy.with_parameters(tuple(30.0 * block for block in case.policy.parameters))
    for make in INSTANCES[name]:
        objective, solution = make(case), solve(case.mdp, far)
        before = objective.ascent(solution)
        try:
            asked = objective.gradient(solution)
        except ChainError:
            asked = before
        after = objective.ascent(solve(case.mdp, Policy.tabular(far.sample_logits, far.stop_logits)))
        for stage in ("sample", "decide"):
            assert np.array_equal(getattr(asked, stage), getattr(before, stage))
            assert np.array_equal(getattr(after, stage), getattr(before, stage))


def test_a_sum_may_vanish() -> None:
    """At the optimum of reward and penalty nothing is left of the sum, and each of its terms has its digits."""
    reference = Policy.minimal(p=0.3, a=0.5, b=0.5)
    best = optimum(TwoStageMDP.minimal(), reference, beta=0.002).policy
    whole = Reinforce() + ReverseKLDirect(reference, beta=0.002)
    assert float(best.sample_prob.min()) < 1e-3
    whole.gradient(solve(TwoStageMDP.minimal(), best))


def test_training_goes_on_where_a_gradient_is_refused() -> None:
    case = extreme_case(106)
    objective = RLOO(group_size=3, sampler=case.expert)
    train(case.mdp, case.policy, objective, steps=2, optimizer=SGD(lr=1e-3))


def test_ordinary_chains_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("dstheory.objectives.digits.directions", lambda: asked.append(1) or ())
    near, far = Policy.minimal(p=0.4, a=0.6, b=0.7), Policy.minimal(theta=[0.0, 8.0, 0.0])
    for objective in (Reinforce(), GRPO(), GRPO(sampler=near), Reinforce() + K1Loss(near)):
        objective.gradient(solve(M0, near))
    assert not asked
    GRPO(sampler=far).gradient(solve(M0, near))
    GRPO(sampler=near).gradient(solve(M0, far))
    assert len(asked) == 2


def test_what_is_not_finite_is_refused_without_a_warning() -> None:
    solution = solve(M0.replace(reward_stop=[[1e150, -1e150]]), Policy.minimal(p=0.5, a=0.5, b=0.5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ChainError, match=r"^gradient of \S+ at the \w+ logits \(turn 0, prompt 0\) is \S+: must be finite"):
            (Reinforce() * 1e200).gradient(solution)


def test_stages_that_are_not_asked_are_let_pass() -> None:
    case = extreme_case(106)
    objective, solution = RLOO(group_size=3, sampler=case.expert), solve(case.mdp, case.policy)
    refuse_lost_digits(objective, solution, objective.ascent(solution), ())


@pytest.mark.parametrize("turns", [1, 3])
@pytest.mark.parametrize("of_reference", [1, 3])
def test_a_bound_on_chances_has_the_rows_of_the_policy(turns: int, of_reference: int) -> None:
    """By hand: the second likeliest answer under whichever policy, of all turns where the policy has one set of rows."""
    logits = np.log([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.25, 0.25, 0.5]])[:, None]
    own, reference = (Policy.tabular(logits[:n], np.zeros((n, 1, 3))) for n in (turns, of_reference))
    mdp = TwoStageMDP(correct=[[1, 0, 0]], max_turns=3)
    found = _log_chance(K1Loss(reference), solve(mdp, own), "sample")
    likeliest = {(1, 1): [0.2], (3, 3): [0.2, 0.3, 0.25], (3, 1): [0.2, 0.6, 0.5], (1, 3): [0.2 + 0.6 + 0.5]}
    np.testing.assert_allclose(np.exp(found), np.reshape(likeliest[turns, of_reference], (turns, 1)), rtol=1e-14)
    decide = _log_chance(K1Loss(reference), solve(mdp, own), "decide")
    quarter = {(1, 1): [0.7], (3, 3): [0.7, 0.6, 0.5], (3, 1): [0.7, 0.7, 0.7], (1, 3): [0.7 + 0.7 + 0.7]}
    np.testing.assert_allclose(4.0 * np.exp(decide), np.reshape(quarter[turns, of_reference], (turns, 1)), rtol=1e-14)


def test_no_sum_is_larger_than_the_terms_that_it_is_said_to_have() -> None:
    """Rounding is bounded by the size of terms: what were said to be smaller than their sum would hide digits that are lost."""
    for seed in (5, 6):
        case = make_case(seed, cap=2, kind="tabular", per="turn", gamma=1.0)
        for label, make in ALL:
            try:
                mass = make(case).centred(case.solution)
            except (ChainError, NotImplementedError):
                continue
            assert (mass.terms >= np.abs(mass.sample) * (1.0 - 1e-12)).all(), label
