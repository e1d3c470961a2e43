"""The chain: closed forms of the minimal chain come out of the Bellman equations; enumeration agrees; wrong forms do not pass."""

from __future__ import annotations

import cmath
from itertools import pairwise

import pytest
import sympy as sp

from dstheory.errors import ChainError
from dstheory.rational import factored, is_zero
from dstheory.rational.symbols import domain_of, latex_name, symbol
from dstheory.symbolic.chain import UNDISCOUNTED, Payoff, SymbolicChain, discount, reward
from dstheory.symbolic.policy import SymbolicPolicy, _derivative, differentiate, general_policy, minimal_policy, softmax_rates
from dstheory.symbolic.setting import setting
from dstheory.symbolic.updates import trajectories

p, a, b, g = (symbol(x) for x in ("p", "a", "b", "gamma"))
R_SC, R_RC, R_SW, R_RW = (symbol(f"R_{x}") for x in ("SC", "RC", "SW", "RW"))
q = p * (1 - a) + (1 - p) * b
ACCURACY = reward((1, 0), (0, 0))
GENERAL = reward((R_SC, R_SW), (R_RC, R_RW))


@pytest.fixture
def m0() -> SymbolicChain:
    return SymbolicChain(minimal_policy())


def test_closed_forms_with_the_accuracy_reward(m0: SymbolicChain) -> None:
    values = m0.solve(ACCURACY, discount())
    v = values.value[0]
    assert is_zero(v - p * a / (1 - g * q))
    assert is_zero(m0.accuracy((True, False)) - p * a / (1 - q))
    assert is_zero(m0.visits(g) - 1 / (1 - g * q))
    assert is_zero(values.answer[0][0] - (a + (1 - a) * g * v))
    assert is_zero(values.answer[0][1] - b * g * v)
    n = m0.visits(g)
    slopes = {logit.symbol.name: differentiate(v, logit) for logit in m0.policy.logits}
    assert is_zero(slopes["theta_s"] - n * p * (1 - p) * (values.answer[0][0] - values.answer[0][1]))
    assert is_zero(slopes["theta_C"] - n * p * a * (1 - a) * (1 - g * v))
    assert is_zero(slopes["theta_W"] - n * (1 - p) * b * (1 - b) * g * v)


@pytest.mark.parametrize(
    "wrong",
    [
        p * a / (1 - q),  # without the discount
        a / (1 - g * q),  # without P(correct)
        p * a / (1 - g * (p * (1 - a) + (1 - p) * (1 - b))),  # b the other way round
        p * b / (1 - g * q),  # a and b swapped
        p * a / (1 + g * q),  # a sign
    ],
)
def test_wrong_closed_forms_do_not_pass(m0: SymbolicChain, wrong: sp.Expr) -> None:
    assert not is_zero(m0.value(ACCURACY, discount()) - wrong)


@pytest.mark.parametrize(("name", "wrong"), [("theta_s", p * (1 - p) * (a + (1 - a) * g - b * g)), ("theta_C", p * a * (1 - a))])
def test_wrong_gradients_do_not_pass(m0: SymbolicChain, name: str, wrong: sp.Expr) -> None:
    assert not is_zero(differentiate(m0.value(ACCURACY, discount()), m0.policy.logit(name)) - wrong)


def test_general_rewards(m0: SymbolicChain) -> None:
    mean = p * (a * R_SC + (1 - a) * R_RC) + (1 - p) * ((1 - b) * R_SW + b * R_RW)
    assert is_zero(m0.value(GENERAL, discount()) - mean / (1 - g * q))


def test_discount_per_stage(m0: SymbolicChain) -> None:
    mean = p * (a * R_SC + (1 - a) * R_RC) + (1 - p) * ((1 - b) * R_SW + b * R_RW)
    assert is_zero(m0.value(GENERAL, discount("stage")) - g * mean / (1 - g**2 * q))


def test_reflection_helps_exactly_when_a_plus_b_exceeds_one(m0: SymbolicChain) -> None:
    accuracy = m0.accuracy((True, False))
    assert is_zero(accuracy - p - p * (1 - p) * (a + b - 1) / (1 - q))
    assert factored(accuracy / (1 - accuracy) * (1 - p) / p) == a / (1 - b)


def test_derivatives_agree_with_those_in_logits(m0: SymbolicChain) -> None:
    v = m0.value(GENERAL, discount())
    meaning = {x: value for logit in m0.policy.logits for x, value in logit.value}
    in_logits = v.subs(meaning)
    for logit in m0.policy.logits:
        direct = sp.diff(in_logits, logit.symbol)
        assert is_zero(direct - differentiate(v, logit).subs(meaning))


@pytest.mark.parametrize("turn_indexed", [False, True])
@pytest.mark.parametrize(("answers", "turns"), [(2, 1), (2, 3), (3, 2)])
def test_enumeration_agrees_with_the_recursion(answers: int, turns: int, turn_indexed: bool) -> None:
    s = setting(answers=answers, turns=turns, turn_indexed=turn_indexed, rewards="general")
    earned = [
        t.probability * sp.Add(*[s.reward.sample[i] + s.reward.decision(i, d) for i, d in t.steps]) for t in trajectories(s.chain)
    ]
    assert is_zero(sp.Add(*earned) - s.chain.value(s.reward))
    everything = list(trajectories(s.chain))
    assert is_zero(sum(t.probability for t in everything) - 1)
    assert is_zero(sum(len(t.steps) * t.probability for t in everything) - s.chain.visits())
    assert is_zero(sum((len(t.steps) - (len(t.steps) == turns)) * t.probability for t in everything) - s.chain.decisions())


def test_a_long_cap_approaches_no_cap(m0: SymbolicChain) -> None:
    at = {p: sp.Rational(3, 11), a: sp.Rational(5, 7), b: sp.Rational(2, 9), g: sp.Rational(9, 10)}
    limit = m0.value(ACCURACY, discount()).subs(at)
    gaps = [abs(SymbolicChain(minimal_policy(), turns).value(ACCURACY, discount()).subs(at) - limit) for turns in (2, 4, 8, 16)]
    assert all(later < earlier / 2 for earlier, later in pairwise(gaps))


def test_accuracy_of_a_capped_chain_is_a_probability_of_the_submitted_answer() -> None:
    # two turns, by hand: stop on C, or resample and then draw C
    chain = SymbolicChain(minimal_policy(), turns=2)
    assert is_zero(chain.accuracy((True, False)) - (p * a + q * p))


def test_softmax_rates_against_the_complex_step() -> None:
    z, h = [0.3, -1.1, 0.7], 1e-30
    row = [cmath.exp(v) for v in z]
    row = [e / sum(row) for e in row]
    at = {sp.Symbol(f"x_{i + 1}", positive=True): row[i].real for i in range(3)}
    for i in range(3):
        moved = [cmath.exp(v + (1j * h if j == i else 0)) for j, v in enumerate(z)]
        for j in range(3):
            slope = (moved[j] / sum(moved)).imag / h
            assert float(softmax_rates(3)[i][j].subs(at)) == pytest.approx(slope, rel=1e-13)


def test_general_policy_derivatives_sum_to_zero() -> None:
    # adding a constant to all softmax logits changes nothing
    s = setting(answers=4)
    v = s.chain.value(s.reward, s.rate)
    slopes = [differentiate(v, logit) for logit in s.policy.logits if logit.stage == "sample"]
    assert len(slopes) == 4
    assert is_zero(sp.Add(*slopes))
    assert not is_zero(slopes[0])


def test_two_answers_of_the_general_policy_are_the_minimal_chain() -> None:
    policy = general_policy(2)
    chain = SymbolicChain(policy)
    rename = {symbol("pi_1"): p, symbol("sigma_1"): a, symbol("sigma_2"): 1 - b}
    assert is_zero(chain.value(ACCURACY, discount()).subs(rename) - SymbolicChain(minimal_policy()).value(ACCURACY, discount()))


def test_an_answer_that_pays_at_sampling() -> None:
    one, zero = (sp.S.One, sp.S.One), (sp.S.Zero, sp.S.Zero)
    chain = SymbolicChain(minimal_policy())
    assert is_zero(chain.value(Payoff(one, zero, zero), UNDISCOUNTED) - chain.visits())


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: SymbolicChain(minimal_policy(), turns=0), "at least 1, got 0"),
        (lambda: SymbolicChain(minimal_policy(turns=2)), "needs a cap of as many turns"),
        (lambda: SymbolicPolicy(("C", "W"), ((p, p),), ((a, b),)), "sum to 2\\*p; they must sum to 1"),
        (lambda: SymbolicPolicy(("C", "W"), ((p, 1 - p, 0),), ((a, b),)), "3 answer and 2 stop"),
        (lambda: SymbolicPolicy(("C",), (), ()), "as many rows"),
        (lambda: general_policy(1), "at least 2 answers"),
        (lambda: minimal_policy().logit("theta_x"), "it has: theta_s, theta_C, theta_W"),
        (lambda: minimal_policy(learns=False).logit("theta_s"), "it has: none"),
        (lambda: discount("token"), "'turn' or per 'stage'"),
        (lambda: Payoff((p,), (p, p), (p,)), "one entry per answer"),
        (lambda: list(trajectories(SymbolicChain(minimal_policy()))), "infinitely many"),
        (lambda: setting(turn_indexed=True), "needs a cap"),
        (lambda: setting(rewards="none"), "'accuracy', 'priced' or 'general'"),
        (lambda: setting(reduction="max"), "'sum' or 'mean'"),
    ],
)
def test_rules_of_the_model_are_enforced(make, match: str) -> None:
    with pytest.raises(ChainError, match=match):
        make()


def test_a_nonlinear_payoff_equation_is_refused() -> None:
    from dstheory.symbolic.chain import _solve_linear

    x = sp.Symbol("x")
    with pytest.raises(ChainError, match="not linear"):
        _solve_linear(x**2 + 1, x)


def test_domains_and_names() -> None:
    assert domain_of("p_t0").text == "strictly between 0 and 1"
    assert domain_of("p_E").text == "between 0 and 1"
    assert domain_of("l_C").text == "at least 1"
    assert latex_name("p_ref_t2") == r"p^{(2)}_{\mathrm{ref}}"
    assert latex_name("w_d_C") == "w_{d,C}"


@pytest.mark.parametrize(
    "text",
    ["x*(1 - x)*(1 - x*y)**3", "(1 - x)**2/(1 - x*y)", "log(x/(1 - x))*exp(-x*y)/x", "sqrt(x*y)", "x**y + y**x",
     "exp(log(1 - x)**2)",
     "Max(x, y) + Abs(x)", "y", "(x + y)*(x - y)/(x + 1)**(1/3)", "f(x*y)*x"],
)  # fmt: skip
def test_derivatives_are_those_of_sympy(text):
    expression, x, y = sp.sympify(text), *sp.symbols("x y")
    for variable in (x, y):
        assert _derivative(expression, variable) == sp.diff(expression, variable)
