"""Every objective, every route: SymPy's three among themselves, and against a plain-Python oracle that shares no code."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import pytest
from profiles import in_turn
from symbolic import oracle
from symbolic.families import LENGTH_WEIGHTED, derived

from dstheory.rational import is_zero
from dstheory.symbolic.deriving import Derivation
from dstheory.symbolic.objectives import REGISTRY, Rule, lookup
from dstheory.symbolic.setting import setting
from dstheory.symbolic.updates import differentiated, enumerated_update, expected_update

RULES: dict[str, Rule] = {
    **{name: REGISTRY[name] for name in LENGTH_WEIGHTED},
    "reward-to-go, outer discount dropped": lookup("reward-to-go", outer_discount=False),
    "forward-kl, reference's states": lookup("forward-kl", states="reference"),
}
FROZEN = ("kl-direct", "forward-kl", "entropy")

# lopsided on purpose: no two numbers alike, lengths unequal
P, A, B, GAMMA = Fraction(3, 11), Fraction(5, 7), Fraction(2, 9), Fraction(9, 10)
NUMBERS = {
    "p": P, "a": A, "b": B, "gamma": GAMMA, "beta": Fraction(7, 10), "alpha": Fraction(3, 10), "lambda": Fraction(1, 2),
    "l_s": 5, "l_C": 5, "l_W": 13, "l_d": 2, "p_ref": Fraction(4, 9), "a_ref": Fraction(3, 8), "b_ref": Fraction(5, 6),
    "p_E": Fraction(8, 11), "a_E": Fraction(9, 10), "b_E": Fraction(6, 7),
    "R_SC": Fraction(13, 10), "R_RC": Fraction(-2, 5), "R_SW": Fraction(-7, 10), "R_RW": Fraction(1, 4), "kappa": Fraction(1, 6),
}  # fmt: skip
REWARDS = {"accuracy": (1.0, 0.0, 0.0, 0.0), "priced": (1.0, -1 / 6, 0.0, -1 / 6), "general": (1.3, -0.4, -0.7, 0.25)}

SETTINGS = {
    "plain": {},
    "general rewards, discount per stage": {"rewards": "general", "discount_per": "stage"},
    "price, mean": {"rewards": "priced", "reduction": "mean"},
    "a length per answer": {"per_answer_lengths": True},
    "a length per answer, mean": {"per_answer_lengths": True, "reduction": "mean", "rewards": "general"},
}


def chain_of(options: dict) -> oracle.M0:
    return oracle.M0(
        float(P), float(A), float(B),
        per_stage=options.get("discount_per") == "stage",
        rewards=REWARDS[options.get("rewards", "accuracy")],
        lengths=(5.0, 13.0) if options.get("per_answer_lengths") else (5.0, 5.0),
        mean=options.get("reduction") == "mean",
    )  # fmt: skip


def numbers_for(derivation: Derivation) -> dict:
    return {name: value for name, value in NUMBERS.items() if name in derivation.symbols}


def close(found: dict[str, float], expected: dict[str, float]) -> bool:
    scale = max(abs(v) for v in expected.values())
    return scale > 1e-6 and all(math.isclose(found[k], v, rel_tol=1e-11, abs_tol=1e-13 * scale) for k, v in expected.items())


@pytest.mark.parametrize(("name", "options"), in_turn([*RULES], [*SETTINGS.values()], 2), ids=str)
def test_capped_chain_against_enumeration(name: str, options: dict) -> None:
    turns = 2 if options else 3
    derivation = derived(RULES[name], turns=turns, **options)
    found = derivation.evaluate(numbers_for(derivation)).floats()
    assert close(found, oracle.update(chain_of(options), name, turns))


@pytest.mark.parametrize(
    ("name", "options"), in_turn([n for n in RULES if n not in FROZEN and "dropped" not in n], [*SETTINGS.values()], 2), ids=str
)
def test_uncapped_chain_against_the_complex_step(name: str, options: dict) -> None:
    derivation = derived(RULES[name], **options)
    found = derivation.evaluate(numbers_for(derivation)).floats()
    assert close(found, oracle.complex_step(oracle.settled_value, chain_of(options), name))


@pytest.mark.parametrize("name", FROZEN)
def test_frozen_penalties_against_the_complex_step(name: str) -> None:
    m = chain_of({})
    derivation = derived(RULES[name], turns=3)
    found = derivation.evaluate(numbers_for(derivation)).floats()
    slope = oracle.complex_step(lambda moved, which: oracle.frozen_total(moved, oracle.learner(m), which, 3), m, name)
    assert close(found, slope)


@pytest.mark.parametrize("name", [*FROZEN, "reward-to-go, outer discount dropped"])
def test_uncapped_updates_are_limits_of_capped_ones(name: str) -> None:
    # the oracle's enumeration is exponential in the cap, so a chain that stops soon: q = 0.22, q^9 ~ 1e-6
    numbers = {**NUMBERS, "p": Fraction(9, 10), "a": Fraction(4, 5), "b": Fraction(2, 5)}
    derivation = derived(RULES[name])
    found = derivation.evaluate({k: v for k, v in numbers.items() if k in derivation.symbols}).floats()
    m = oracle.M0(0.9, 0.8, 0.4)
    distances = []
    for turns in (5, 9):
        capped = oracle.update(m, name, turns)
        distances.append(max(abs(found[k] - v) for k, v in capped.items()))
    assert distances[1] < 3e-5
    assert distances[1] < distances[0] * 0.22**4 * 8


@pytest.mark.parametrize("corrupt", ["sign", "factor gamma", "missing N", "swapped"])
def test_the_oracle_notices_a_broken_gradient(corrupt: str) -> None:
    derivation = derived("reinforce")
    right = derivation.evaluate(numbers_for(derivation)).floats()
    expected = oracle.complex_step(oracle.settled_value, chain_of({}), "reinforce")
    assert close(right, expected)
    wrong = {
        "sign": {**right, "theta_W": -right["theta_W"]},
        "factor gamma": {**right, "theta_C": right["theta_C"] * 0.9},
        "missing N": {k: v * (1 - 0.9 * float(P * (1 - A) + (1 - P) * B)) for k, v in right.items()},
        "swapped": {**right, "theta_C": right["theta_W"], "theta_W": right["theta_C"]},
    }[corrupt]
    assert not close(wrong, expected)


GENERAL = [
    {"answers": 3},
    {"answers": 3, "turns": 2, "rewards": "general", "discount_per": "stage"},
    {"answers": 4, "turns": 1},
    {"turns": 2, "turn_indexed": True, "rewards": "general", "discount_per": "stage"},
    {"answers": 3, "turns": 2, "turn_indexed": True, "per_answer_lengths": True, "reduction": "mean"},
]


@pytest.mark.parametrize(("name", "options"), in_turn([*RULES], GENERAL, 2), ids=str)
def test_symbolic_routes_agree(name: str, options: dict) -> None:
    rule, s = RULES[name], setting(**options)
    update = expected_update(s, rule)
    slope = differentiated(s, rule)
    routes: list[tuple[str, Callable[[], dict]]] = []
    if slope is not None:
        routes.append(("derivative", lambda: slope))
    if s.chain.turns is not None:
        routes.append(("enumeration", lambda: enumerated_update(s, rule)))
    assert routes or not s.chain.turns
    for route, compute in routes:
        other = compute()
        assert other.keys() == update.keys()
        for logit in update:
            assert is_zero(other[logit] - update[logit]), (route, logit)
    assert any(not is_zero(component) for component in update.values())


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("options", [{}, {"per_answer_lengths": True}])
def test_there_is_a_scalar_where_one_is_claimed(name: str, options: dict) -> None:
    derivation = derived(RULES[name], **options)
    unequal = bool(options) and name in FROZEN
    expected = "no" if "dropped" in name or unequal else "frozen" if name in FROZEN else "yes"
    assert derivation.scalar == expected


@pytest.mark.parametrize("name", FROZEN)
def test_frozen_rules_with_unequal_lengths_are_not_the_gradient_of_the_weighted_divergence(name: str) -> None:
    """What is said of them is checked: the rule and the derivative of the weighted penalty at frozen states differ."""
    m = chain_of({"per_answer_lengths": True})
    derivation = derived(RULES[name], turns=2, per_answer_lengths=True)
    found = derivation.evaluate(numbers_for(derivation)).floats()
    slope = oracle.complex_step(lambda moved, which: oracle.frozen_total(moved, oracle.learner(m), which, 2), m, name)
    assert not math.isclose(found["theta_s"], slope["theta_s"], rel_tol=1e-3)
    assert close({k: found[k] for k in ("theta_C", "theta_W")}, {k: slope[k] for k in ("theta_C", "theta_W")})
