"""Four-way agreement for every objective: closed form = enumeration = finite differences = sampling, on lopsided chains."""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from objectives.instances import ALL, CLASSIC, INSTANCES, ROWS
from profiles import EXHAUSTIVE
from strategies import Case, cases, drawn_case, make_case

from dstheory import Policy, Solution, Trajectories, TwoStageMDP, enumerate_trajectories, sample_trajectories, solve
from dstheory.errors import ChainError
from dstheory.objectives import REGISTRY, EntropyBonus, Objective, StageGradient, estimate_gradient


def test_every_registered_objective_is_checked() -> None:
    assert set(INSTANCES) == set(REGISTRY)


def trajectories_of(objective: Objective, case: Case) -> Trajectories:
    behaviour = objective.behaviour(case.solution)
    if behaviour is case.policy:
        return case.trajectories
    return enumerate_trajectories(case.mdp, behaviour) if isinstance(behaviour, Policy) else behaviour


def close(a: StageGradient, b: StageGradient, rel: float) -> None:
    scale = max(1.0, np.abs(b.sample).max(), np.abs(b.decide).max())
    np.testing.assert_allclose(a.sample, b.sample, rtol=0, atol=rel * scale)
    np.testing.assert_allclose(a.decide, b.decide, rtol=0, atol=rel * scale)


def pairs(case: Case) -> set[tuple[object, ...]]:
    """Return a case's settings, two at a time."""
    kind = (case.policy.features is None, case.policy.shape[0] > 1)
    return set(combinations(enumerate((case.mdp.max_turns, kind, case.mdp.discount_per, float(case.mdp.gamma))), 2))


@cache
def telling(capped: bool | None) -> list[int]:
    """Return the numbers of as few of many cases as have every two settings together that any of them has; all if exhaustive."""
    if EXHAUSTIVE:
        return list(range(MANY))
    of = {number: pairs(drawn_case(number, capped=capped)) for number in range(MANY)}
    chosen, left = [], set().union(*of.values())
    while left:
        chosen.append(max(of, key=lambda number: len(of[number] & left)))
        left -= of[chosen[-1]]
    return chosen


# The rows made of parts share their engine, which has tests of its own: a few lopsided cases each find what is theirs.
MANY = settings().max_examples
FEW = max(3, MANY // 12)
every = pytest.mark.parametrize(
    ("make", "numbers"),
    [pytest.param(make, telling, id=label) for label, make in CLASSIC]
    + [
        pytest.param(make, lambda _, i=i: [(FEW * i + j) % MANY for j in range(FEW)], id=label)
        for i, (label, make) in enumerate(ROWS)
    ],
)


@every
def test_closed_form_equals_enumeration(make, numbers) -> None:
    for case in (drawn_case(number, capped=True) for number in numbers(True)):
        objective = make(case)
        if (exact := closed_form(objective, case.solution)) is not None:
            close(exact, estimate_gradient(objective, case.solution, trajectories_of(objective, case)).gradient, 1e-12)


def log_softmax_complex(z: np.ndarray) -> np.ndarray:
    top = z.real.max(axis=-1, keepdims=True)
    return z - top - np.log(np.exp(z - top).sum(axis=-1, keepdims=True))


@every
def test_closed_form_equals_complex_step_of_the_surrogate(make, numbers) -> None:
    for number in numbers(True):
        check_complex_step(make, drawn_case(number, capped=True))


def check_complex_step(make, case: Case) -> None:
    """Coefficients frozen (stop-gradient), log-probabilities differentiated by a complex step of 1e-30: exact to rounding."""
    objective, solution = make(case), case.solution
    found = closed_form(objective, solution)
    if found is None:
        return
    t = trajectories_of(objective, case)
    c_s, c_d = objective.coefficients(solution, t)
    k, x, y = t.policy_index(case.policy)
    w = t.weight[t.episode]

    def surrogate(z: np.ndarray, u: np.ndarray) -> complex:
        log_s = log_softmax_complex(z)[k, x, y]
        log_d = -np.log1p(np.exp(np.where(t.stop, -1.0, 1.0) * u[k, x, y]))
        return complex((w * (c_s * log_s + c_d * log_d)).sum())

    exact = found.parameters(case.policy)
    scale = max(1.0, *(np.abs(block).max() for block in exact))
    for i, block in enumerate(case.policy.parameters):
        for index in np.ndindex(block.shape):
            if not np.isfinite(block[index]):
                assert exact[i][index] == 0.0
                continue
            moved = [np.array(b, dtype=complex) for b in case.policy.parameters]
            moved[i][index] += 1e-30j
            if case.policy.features is None:
                z, u = moved
            else:
                f = case.policy.features
                z, u = f.sample @ moved[0] + f.sample_offset, f.decide @ moved[0] + f.decide_offset
            assert surrogate(z, u).imag / 1e-30 == pytest.approx(exact[i][index], rel=1e-11, abs=1e-12 * scale)


# Central differences: error h^2 f'''/6 + eps |J|/h. With h = 1e-5 both are below 1e-9 times the scale of J; lengths of up to 40
# tokens multiply J, hence the relative scale.
_H = 1e-5


@every
def test_closed_form_equals_differences_of_the_scalar(make, numbers) -> None:
    for number in numbers(None):
        check_differences(make, drawn_case(number))


def check_differences(make, case: Case) -> None:
    """Nothing frozen: where an objective states a scalar J, its gradient is the derivative of J, capped or not."""
    objective, solution = make(case), case.solution
    found = closed_form(objective, solution)
    value = None if found is None else objective.value(solution)
    if found is None or value is None:
        return
    exact = found.parameters(case.policy)
    scale = max(1.0, float(np.abs(value)), *(np.abs(block).max() for block in exact))
    rng = np.random.default_rng(case.seed)
    for _ in range(4):  # four random directions through all parameters
        step = [np.where(np.isfinite(b), rng.normal(size=b.shape), 0.0) for b in case.policy.parameters]

        def at(h: float, step=step) -> float:
            moved = tuple(b + h * s for b, s in zip(case.policy.parameters, step, strict=True))
            return float(objective.value(solve(case.mdp, case.policy.with_parameters(moved))))

        slope = (at(_H) - at(-_H)) / (2 * _H)
        expected = sum(float((g * s).sum()) for g, s in zip(exact, step, strict=True))
        assert slope == pytest.approx(expected, rel=1e-6, abs=2e-8 * scale)


def test_objectives_that_state_a_scalar_are_checked_against_it() -> None:
    case = make_case(3, cap=2, kind="tabular", per="turn", gamma=0.9)
    with_scalar = {name for name, makes in INSTANCES.items() if makes[0](case).value(solve(case.mdp, case.policy)) is not None}
    assert with_scalar == {
        "reinforce", "reward-to-go", "advantage", "sft", "kl", "forward-kl", "rloo", "reinforce-baseline", "dr-grpo", "dpo",
        "sft-token-mean", "sft-sequence-sum", "sft-sequence-mean", "k1-loss", "k1-reward", "score-summed",
    }  # fmt: skip


def closed_form(objective: Objective, solution: Solution) -> StageGradient | None:
    """None where the chain has too many multisets of answers, or no group that is ever mixed: no case for these tests."""
    try:
        return objective.gradient(solution)
    except ChainError as error:
        if "steps of distinct responses" in str(error) or "probability of a mixed group is 0.0" in str(error):
            return None
        raise


@lru_cache(maxsize=256)
def capped_late(number: int) -> Solution | None:
    """Case of this number at a cap so late that what is left weighs less than 1e-13; None if that takes too many turns."""
    case = drawn_case(number, capped=False)
    worst = max(float((p.sample_prob * p.resample_prob).sum(axis=-1).max()) for p in (case.policy, case.reference, case.expert))
    turns = int(np.ceil(np.log(1e-13) / np.log(worst)))
    return solve(case.mdp.replace(max_turns=turns), case.policy) if turns <= 2000 else None


@every
def test_uncapped_closed_form_is_the_limit_of_capped_ones(make, numbers) -> None:
    """The scalar equation against the backward recursion."""
    for number in numbers(False):
        case, late = drawn_case(number, capped=False), capped_late(number)
        objective = make(case)
        if late is not None and (exact := closed_form(objective, case.solution)) is not None:
            close(exact, objective.gradient(late), 1e-10)


@cache
def large_case(cap: int | None) -> Case:
    return make_case(5, cap=cap, kind="turn-indexed" if cap else "tabular", per="stage", gamma=0.9)


@cache
def drawn(mdp: TwoStageMDP, behaviour: Policy) -> Trajectories:
    return sample_trajectories(mdp, behaviour, 40_000, rng=5)


# The chain without a cap for every instance; the one with a cap, where enumeration says the same exactly, for every fourth one:
# the exhaustive profile takes them all.
@pytest.mark.parametrize(
    ("cap", "label", "make"),
    [
        pytest.param(cap, label, make, id=f"{cap}-{label}", marks=pytest.mark.slow if cap and i % 4 else ())
        for cap in (None, 3)
        for i, (label, make) in enumerate(ALL)
    ],
)
def test_sampled_estimate_lies_within_its_confidence_interval(cap: int | None, label: str, make) -> None:
    case = large_case(cap)
    objective = make(case)
    behaviour, exact = objective.behaviour(case.solution), closed_form(objective, case.solution)
    if not isinstance(behaviour, Policy) or exact is None:
        pytest.skip("recorded demonstrations, or too many multisets of answers: nothing is drawn")
    estimate = estimate_gradient(objective, case.solution, drawn(case.mdp, behaviour))
    for stage in ("sample", "decide"):
        error = getattr(estimate.gradient, stage) - getattr(exact, stage)
        bound = getattr(estimate.standard_error, stage)
        # About forty entries per objective: 4.5 standard errors hold for all of them but once in 3,000 seeds.
        assert (np.abs(error) <= 4.5 * bound + 1e-12).all()
        assert bound.max() > 0


@given(case=cases(), seed=st.integers(0, 99))
def test_runs_are_computed_side_by_side(case: Case, seed: int) -> None:
    """A leading axis of runs gives what a loop over the runs gives."""
    rng = np.random.default_rng(seed)
    many = tuple(np.stack([b + 0.1 * rng.normal(size=b.shape) for _ in range(3)]) for b in case.policy.parameters)
    gammas = np.array([0.3, 0.8, 1.0])
    betas = np.array([0.1, 0.5, 2.0])
    lambdas = np.array([0.0, 0.5, 1.0])
    from dstheory.objectives import Reinforce, ReverseKL, ReverseKLDirect

    def objective(i):
        return (
            Reinforce()
            + ReverseKLDirect(case.reference, beta=betas[i], length_weight=lambdas[i])
            + ReverseKL(case.reference, beta=betas[i], length_weight=lambdas[i])
        )

    together = objective(slice(None)).gradient(solve(case.mdp.replace(gamma=gammas), case.policy.with_parameters(many)))
    for i in range(3):
        one = case.policy.with_parameters(tuple(b[i] for b in many))
        alone = objective(i).gradient(solve(case.mdp.replace(gamma=gammas[i]), one))
        close(StageGradient(together.sample[i], together.decide[i]), alone, 1e-13)


@given(case=cases(capped=True, equal_lengths=True))
def test_entropy_coefficients_average_to_zero(case: Case) -> None:
    """With equal weights the centred surprise is an admissible baseline's complement: mean zero at every state."""
    solution = solve(case.mdp, case.policy)
    t = enumerate_trajectories(case.mdp, case.policy)
    c_s, c_d = EntropyBonus(alpha=0.7, length_weight=0.5).coefficients(solution, t)
    weight = t.weight[t.episode]
    for x in range(case.mdp.shape[0]):
        for y in range(int(case.mdp.n_answers[x])):
            here = (t.step_prompt == x) & (t.answer == y) & t.decided & (t.turn == 0)
            assert abs((weight * c_d)[here].sum()) < 1e-12
        assert abs((weight * c_s)[(t.step_prompt == x) & (t.turn == 0)].sum()) < 1e-12
