"""Values, gradients and energies against complete enumeration, complex steps and explicit Fisher matrices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from tokens.cases import Case, make_case

from dstheory.tokens import solve_tokens, token_kl, token_reward, token_sft

# Complex steps are exact to rounding; pinv of matrices with condition numbers up to 1e4 leaves eleven digits.
TIGHT = {"rtol": 1e-10, "atol": 1e-12}
ENERGY = {"rtol": 1e-8, "atol": 1e-12}

SETTINGS = [
    ("tree", "conjunction", {"cap": None, "seed": 1}),
    ("tree", "table", {"cap": 3, "seed": 2, "per": "stage", "gamma": 0.7}),
    ("tree", "pattern", {"cap": None, "seed": 3, "gamma": 1.0}),
    ("tree", "conjunction", {"cap": 1, "seed": 4, "symbols": 3, "lengths": (2, 3)}),
    ("markov", "conjunction", {"cap": None, "seed": 5, "per": "stage", "gamma": 0.8}),
    ("markov", "table", {"cap": 2, "seed": 6}),
    ("markov", "pattern", {"cap": None, "seed": 7, "symbols": 3, "lengths": (2, 3)}),
    ("markov", "conjunction", {"cap": 1, "seed": 8}),
    ("factored", "conjunction", {"cap": None, "seed": 9}),
    ("factored", "table", {"cap": 3, "seed": 10, "symbols": 3, "lengths": (4, 2)}),
    ("factored", "pattern", {"cap": None, "seed": 11, "per": "stage", "gamma": 0.6}),
    ("factored", "conjunction", {"cap": 1, "seed": 12, "symbols": 3, "lengths": (3, 2)}),
]




@pytest.fixture(params=["numpy", "compiled"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Small tables go through NumPy, as one block; here they are also sent through what is meant for large ones."""
    if request.param == "compiled":
        monkeypatch.setattr("dstheory.tokens.rows.COMPILED_FROM", 0)
        monkeypatch.setattr("dstheory.tokens.factored._BLOCK", 1)
    return request.param


@dataclass
class Truth:
    """What enumeration says of one objective."""

    value: float
    gradient: np.ndarray
    energies: tuple[float, float]


@cache
def case_at(index: int) -> Case:
    kind, verdict, settings = SETTINGS[index]
    return make_case(kind, verdict, **settings)


@cache
def information(index: int) -> tuple[np.ndarray, np.ndarray]:
    return case_at(index).listed.information(case_at(index).theta)


@cache
def truth(index: int, objective: str) -> Truth:
    case = case_at(index)
    listed = case.listed
    value: Callable[..., complex] = {
        "reward": listed.reward,
        "sft": lambda theta, **at: listed.sft(theta, case.expert, **at),
        "kl": lambda theta, **at: listed.kl(theta, case.reference, 0.3, **at),
        "kl-direct": lambda theta, **at: np.nan,
    }[objective]
    if objective == "kl-direct":
        gradient = listed.kl_direct(case.theta, case.reference, 0.3)
    else:
        gradient = listed.derivative(value, case.theta)
    return Truth(float(value(case.theta)), gradient, listed.energies(gradient, information(index)))


@pytest.fixture(params=range(len(SETTINGS)), ids=lambda i: f"{SETTINGS[i][0]}-{SETTINGS[i][1]}-{SETTINGS[i][2]['cap']}")
def index(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture
def case(index: int) -> Case:
    return case_at(index)


@pytest.mark.parametrize("objective", ["reward", "sft", "kl", "kl-direct"])
def test_value_gradient_and_energies(index: int, objective: str, engine: str) -> None:
    case, expected = case_at(index), truth(index, objective)
    policy, reference = case.policy(case.theta), case.policy(case.reference)
    result = {
        "reward": lambda: token_reward(case.chain, policy),
        "sft": lambda: token_sft(case.chain, policy, case.policy(case.expert), **case.settings),
        "kl": lambda: token_kl(case.chain, policy, reference, beta=0.3, **case.settings),
        "kl-direct": lambda: token_kl(case.chain, policy, reference, beta=0.3, term="direct", **case.settings),
    }[objective]()
    if objective == "kl-direct":
        assert result.value is None
    else:
        np.testing.assert_allclose(result.value, expected.value, **TIGHT)
    np.testing.assert_allclose(case.flat(result), expected.gradient, **TIGHT)
    np.testing.assert_allclose((result.energy.sample, result.energy.decide), expected.energies, **ENERGY)


def test_class_probabilities_and_turns(case: Case) -> None:
    solution = solve_tokens(case.chain, case.policy(case.theta))
    for x in range(case.chain.n_prompts):
        prob, group, _ = case.listed.of_class(case.theta, x)
        mass = np.bincount(group, weights=prob, minlength=case.listed.classes)
        np.testing.assert_allclose(solution.class_probability[x], mass, **TIGHT)
        np.testing.assert_allclose((solution.visits[x], solution.decisions[x]), case.listed.visits(case.theta, x), **TIGHT)


def test_energies_without_the_gradient(case: Case) -> None:
    policy, reference = case.policy(case.theta), case.policy(case.reference)
    for run in (
        lambda **how: token_reward(case.chain, policy, **how),
        lambda **how: token_sft(case.chain, policy, reference, **how),
        lambda **how: token_kl(case.chain, policy, reference, **how),
        lambda **how: token_kl(case.chain, policy, reference, term="direct", **how),
    ):
        whole, slim = run(), run(gradient=False)
        assert slim.tokens is None
        np.testing.assert_array_equal(slim.energy.by_position, whole.energy.by_position)
        np.testing.assert_array_equal(slim.decide, whole.decide)
