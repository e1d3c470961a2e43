"""Derivations: the forms a reader expects, numbers in and out, and that a rule that does not fit its scalar is refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from fractions import Fraction

import pytest
import sympy as sp
from profiles import in_turn
from symbolic import oracle
from symbolic.families import LENGTH_WEIGHTED, SHOWN, accepted, derived

from dstheory import Policy, TwoStageMDP, solve
from dstheory.errors import ChainError, DSTheoryError
from dstheory.objectives import ExpertChain, SFTSequenceMean
from dstheory.rational import is_zero
from dstheory.rational.symbols import InvalidNumberError, check_numbers, parse_assignments, parse_number, symbol
from dstheory.symbolic import derive, lookup, render
from dstheory.symbolic.chain import UNDISCOUNTED
from dstheory.symbolic.derivation import _integral
from dstheory.symbolic.objectives import REGISTRY, UnknownObjectiveError
from dstheory.symbolic.rule import Coefficients, Rule, Turn
from dstheory.symbolic.setting import SymbolicSetting, X
from dstheory.symbolic.updates import enumerated_update

p, a, b, g = (symbol(x) for x in ("p", "a", "b", "gamma"))
N, V, Q_C, Q_W, n_E, w_s, w_d = (symbol(x) for x in ("N", "V", "Q_C", "Q_W", "n_E", "w_s", "w_d"))


@pytest.mark.parametrize("name", ["reinforce", "reward-to-go", "advantage"])
def test_reward_in_its_simplest_form(name: str) -> None:
    gradient = {x.name: e for x, e in derived(name).gradient.items()}
    assert gradient["theta_s"] == N * p * (1 - p) * (Q_C - Q_W)
    assert gradient["theta_C"] == N * p * a * (1 - a) * (1 - g * V)
    assert gradient["theta_W"] == N * (1 - p) * b * (1 - b) * g * V


def test_imitation_in_its_simplest_form() -> None:
    p_E, a_E, b_E = (symbol(f"{x}_E") for x in "pab")
    gradient = {x.name: e for x, e in derived("sft").gradient.items()}
    assert gradient["theta_s"] == w_s * n_E * (p_E - p)
    assert gradient["theta_C"] == w_d * n_E * p_E * (a_E - a)
    assert gradient["theta_W"] == w_d * n_E * (1 - p_E) * (b_E - b)


def test_demonstrations_that_are_right_first_time_say_nothing_about_wrong_answers() -> None:
    derivation = derived("sft")
    at = {"p": "1/2", "a": "1/2", "b": "1/2", "p_E": 1, "a_E": 1, "b_E": "1/2", "l_s": 4, "l_d": 1}
    for lam in ("0", "1/2", "1"):
        found = derivation.evaluate(at | {"lambda": lam}).fractions()
        assert found["theta_W"] == 0
        assert found["theta_s"] > 0


def test_direct_kl_in_its_simplest_form() -> None:
    p_ref, beta, n = symbol("p_ref"), symbol("beta"), symbol("n")
    formula = derived("kl-direct").gradient[symbol("theta_s")]
    assert formula == -beta * w_s * n * p * (1 - p) * sp.log(p * (1 - p_ref) / (p_ref * (1 - p)))


@pytest.mark.parametrize(
    ("name", "options"),
    in_turn(LENGTH_WEIGHTED, [{}, {"rewards": "general", "discount_per": "stage"}, {"turns": 2}, {"answers": 3}], 2),
    ids=str,
)
def test_the_expanded_form_is_the_simplest_form(name: str, options: dict) -> None:
    derivation = derived(name, **options)
    assert derivation.gradient.keys() == derivation.expanded.keys()
    full = {}
    for x, definition in derivation.definitions.items():
        full[x] = definition.subs(full)
    shown = 0
    for logit, formula in derivation.gradient.items():
        expanded = derivation.expanded[logit]
        if expanded is not None:
            shown += 1
            assert is_zero(formula.subs(full) - expanded.subs(full))
            assert all(x.name.startswith("q") for x in expanded.free_symbols & set(derivation.definitions))
    assert shown > 0 or name == "kl"


REINFORCE, SFT, KL_DIRECT, GRPO_NO_STD = (lookup(name) for name in ("reinforce", "sft", "kl-direct", "grpo-no-std"))

# REINFORCE that claims to ascend twice the value
WRONG_SCALAR = replace(REINFORCE, name="wrong-scalar", scalar=lambda s, frozen: 2 * s.chain.value(s.reward, s.rate))

# imitation whose rule forgets the decision's weight
MISSING_WEIGHT = replace(SFT, name="missing-weight", coefficients=lambda s, turn: (s.weights.sample[turn.answer], sp.S.One))


def _turned(s: SymbolicSetting, turn: Turn) -> Coefficients:
    c_s, c_d = KL_DIRECT.coefficients(s, turn)
    return -c_s, c_d


# a penalty that pulls away from the reference
WRONG_SIGN = replace(KL_DIRECT, name="wrong-sign", coefficients=_turned)

# not affine in the past: outside what the recursions can average
PAST_SQUARED = replace(REINFORCE, name="past-squared", coefficients=lambda s, turn: (turn.past**2, turn.past**2))


@pytest.mark.parametrize("rule", [WRONG_SCALAR, MISSING_WEIGHT, WRONG_SIGN], ids=lambda rule: rule.name)
def test_a_rule_that_does_not_fit_its_scalar_is_refused(rule: Rule) -> None:
    with pytest.raises(ArithmeticError, match="the derivative of J differs"):
        derive(rule)


def test_a_rule_beyond_the_recursions_is_refused() -> None:
    with pytest.raises(ChainError, match="affine in the past"):
        derive(PAST_SQUARED)


# a new objective in a few lines: the undiscounted return
NO_DISCOUNT = replace(
    REINFORCE,
    name="undiscounted",
    title="REINFORCE without a discount",
    rate=lambda s: UNDISCOUNTED,
    scalar=lambda s, frozen: s.chain.value(s.reward),
)

# demonstrations weighted by the reward that they earned: off policy, and with a memory of the past
WEIGHTED_DEMONSTRATIONS = replace(
    SFT,
    name="reward-weighted",
    title="Reward-weighted imitation",
    coefficients=lambda s, turn: (turn.total, turn.scale * turn.total),
    payoff=lambda s: s.reward,
    rate=lambda s: s.rate,
    scalar=lambda s, frozen: None,
)


@pytest.mark.parametrize("per", ["turn", "stage"])
@pytest.mark.parametrize("turns", [3, None])
def test_off_policy_rules_keep_their_past(turns: int | None, per: str) -> None:
    """Here the past does not drop out, so its moments, with and without a cap, are seen by the result."""
    rule = WEIGHTED_DEMONSTRATIONS
    derivation = derived(rule, turns=turns, rewards="general", discount_per=per)
    assert derivation.scalar == "no"
    at = {"p": "3/11", "a": "5/7", "b": "2/9", "p_E": "8/11", "a_E": "9/10", "b_E": "1/2", "gamma": "9/10",
          "R_SC": "13/10", "R_RC": "-2/5", "R_SW": "-7/10", "R_RW": "1/4"}  # fmt: skip
    found = derivation.evaluate(at).floats()
    m = oracle.M0(3 / 11, 5 / 7, 2 / 9, gamma=0.9, per_stage=per == "stage", rewards=(1.3, -0.4, -0.7, 0.25),
                  expert=(8 / 11, 9 / 10, 1 / 2))  # fmt: skip
    expected = dict.fromkeys(oracle.LOGITS, 0.0)
    for steps, chance in oracle.trajectories(m.expert, turns or 10):  # the expert resamples with probability 0.21; 0.21^10 < 1e-6
        total = oracle.returns(m, steps)[0][0]
        for k, (y, d) in enumerate(steps):
            on_s, on_d = oracle.scores(m, y, d)
            for logit in expected:
                expected[logit] += chance * total * (on_s[logit] + (m.within * m.gamma) ** k * on_d[logit])
    assert found == pytest.approx(expected, rel=1e-11 if turns else 3e-5)
    if turns:
        s = derivation.setting
        by_hand = enumerated_update(s, rule)
        assert all(is_zero(by_hand[x] - derivation.gradient[x]) for x in by_hand)


def _times_value(s: SymbolicSetting, turn: Turn) -> Coefficients:
    c_s, c_d = KL_DIRECT.coefficients(s, turn)
    return c_s * s.values().answer[0][turn.answer], c_d


# a penalty scaled by the value of the state: its own payoff is not the reward, but it mentions the reward's values
PENALTY_TIMES_VALUE = replace(KL_DIRECT, name="penalty-times-value", coefficients=_times_value, scalar=lambda s, frozen: None)


def test_rules_may_mention_the_values_of_the_reward() -> None:
    plain, scaled = derived(KL_DIRECT), derived(PENALTY_TIMES_VALUE)
    at = dict.fromkeys(scaled.symbols, "1/3") | {"l_s": 4, "l_d": 1, "p": "2/3"}
    one, other = plain.evaluate(at).floats(), scaled.evaluate(at).floats()
    assert one["theta_C"] == other["theta_C"]
    assert one["theta_s"] != other["theta_s"]


def test_a_new_objective_is_derived_like_the_registered_ones() -> None:
    derivation = derived(NO_DISCOUNT)
    found = derivation.evaluate({"p": "3/11", "a": "5/7", "b": "2/9"}).floats()
    m = oracle.M0(3 / 11, 5 / 7, 2 / 9, gamma=1.0)
    assert found == pytest.approx(oracle.complex_step(oracle.settled_value, m, "reinforce"), rel=1e-11)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in REGISTRY and name not in SHOWN else ())
        for name in (*REGISTRY, "forward-kl on the reference")
    ],
)
def test_python_output_computes_the_same_numbers(name: str) -> None:
    rule = REGISTRY.get(name) or lookup("forward-kl", states="reference")
    for options in ({}, {"turns": 3, "rewards": "general", "per_answer_lengths": True}):
        derivation = derived(rule, **accepted(name, options))
        source = render(derivation, "python")
        namespace: dict = {"__builtins__": __builtins__}
        exec(compile(source, "derived.py", "exec"), namespace)
        values = {x: Fraction(2 + i, 13 + 7 * i) for i, x in enumerate(derivation.symbols)}
        values |= {x: Fraction(2 + i, 1) for i, x in enumerate(derivation.symbols) if x.startswith("l_") or x in ("L_max", "G")}
        arguments = {"lambda_" if x == "lambda" else x: int(v) if x == "G" else float(v) for x, v in values.items()}
        computed = namespace["gradient"](**arguments)
        assert computed == pytest.approx(derivation.evaluate(values).floats(), rel=1e-11)
        if arguments:
            with pytest.raises(TypeError):
                namespace["gradient"]()


def test_what_is_assumed_names_the_special_case_and_stands_in_python_too() -> None:
    """A derivation of PPO on the policy, or of REINFORCE++ without its KL, must not pass for one of the whole objective."""
    for name, case in (
        ("ppo-clip", "Derived on the policy."),
        ("reinforce-pp", "Derived without KL in the reward."),
        ("sft", ""),
    ):
        derivation = derived(name)
        said = [
            sentence for (sentence, *_) in derivation.assumptions if isinstance(sentence, str) and sentence.startswith("Derived")
        ]
        assert said == [case] * bool(case)
        assert (f"\n- {case}\n" in render(derivation, "python")) == bool(case)


def test_what_is_not_discounted_is_said_of_what_it_is() -> None:
    """GRPO has no terms of log-probabilities: nothing of it is discounted."""
    ends = {
        name: render(derive(name), "text").split("Assumptions")[1] for name in ("grpo", "reinforce", "reinforce + 0.1*kl-direct")
    }
    assert "- Nothing is discounted." in ends["grpo"]
    assert "discounted" not in ends["reinforce"].replace("at 1 nothing is discounted", "")
    assert "- Terms without gamma are not discounted." in ends["reinforce + 0.1*kl-direct"]


def test_python_output_is_exact_on_fractions() -> None:
    derivation = derived("reinforce")
    namespace: dict = {}
    exec(render(derivation, "python"), namespace)
    at = {"p": Fraction(3, 11), "a": Fraction(5, 7), "b": Fraction(2, 9), "gamma": Fraction(9, 10)}
    assert namespace["gradient"](**at) == derivation.evaluate(at).fractions()


def test_json_says_what_the_object_says() -> None:
    derivation = derived("sft")
    data = json.loads(render(derivation, "json"))
    assert data["objective"] == "sft"
    assert data["gradient"]["theta_s"]["text"] == "n_E*w_s*(p_E - p)"
    assert data["attribution"]["verdict"] == "unbalanced"
    assert data["attribution"]["ratios"][0]["text"] == "(l_s/l_d)**lambda"
    assert data["attribution"]["witness"]["values"] == ["4", "1"]
    assert [step["title"] for step in data["steps"]] == [step.title for step in derivation.steps]
    assert "evaluation" not in data


def test_evaluation_is_exact_where_it_can_be() -> None:
    found = derived("reinforce").evaluate({"p": "0.55", "a": 0.5, "b": Fraction(1, 4), "gamma": 1})
    value = found.fractions()["theta_s"]
    P, A, B = Fraction(11, 20), Fraction(1, 2), Fraction(1, 4)
    q = P * (1 - A) + (1 - P) * B
    v = P * A / (1 - q)
    assert value == P * (1 - P) * (A + (1 - A) * v - B * v) / (1 - q)
    assert found.floats()["theta_s"] == float(value)
    assert derived("kl-direct").evaluate(dict.fromkeys(["p", "p_ref", "a_ref", "b_ref"], "1/3")
                                        | {"a": "1/2", "b": "1/2", "beta": 1, "lambda": 1, "l_s": 2, "l_d": 1}
                                        ).fractions()["theta_C"] is None  # fmt: skip


def test_at_adds_a_step_with_the_numbers() -> None:
    derivation = derived("reinforce").at({"p": "11/20", "a": "4/5", "b": "3/10", "gamma": "19/20"})
    assert derivation.steps[-1].title == "At these numbers"
    text = render(derivation, "text")
    assert "dJ/dtheta_s = 2080/8649" in text
    assert "= 0.240490230084403" in text
    assert json.loads(render(derivation, "json"))["evaluation"]["gradient"]["theta_s"]["exact"] == "2080/8649"
    assert "2080" in render(derivation, "latex")


def test_numbers_that_change_nothing_are_named() -> None:
    numbers = dict.fromkeys(("p", "a", "b", "p_E", "a_E", "b_E"), "1/2") | {"lambda": 1, "l_s": 1, "l_d": 1}
    idle = render(derived("sft").at({**numbers, "gamma": "1/2", "kappa": 2}), "text")
    assert "The gradient does not depend on gamma or kappa." in idle
    assert "does not depend" not in render(derived("sft").at(numbers), "text")


def test_logits_stand_for_their_probabilities() -> None:
    derivation = derived("reinforce")
    by_logit = derivation.evaluate({"theta_s": "0.2", "theta_C": 1.5, "theta_W": 1, "gamma": "0.95"}).floats()
    sigma = {x: 1 / (1 + math.exp(-t)) for x, t in (("p", 0.2), ("a", 1.5), ("b", 1.0))}
    by_probability = derivation.evaluate({**sigma, "gamma": "0.95"}).floats()
    assert by_logit == pytest.approx(by_probability, rel=1e-14)


def test_extreme_logits_give_gradients_that_vanish() -> None:
    found = derived("reinforce").evaluate({"theta_s": 40, "theta_C": 1000, "theta_W": -1000, "gamma": "0.9"})
    floats = found.floats()
    assert floats["theta_s"] == pytest.approx(math.exp(-40), rel=1e-12)
    assert floats["theta_C"] == 0.0
    log_of_it = sp.log(dict(found.exact)["theta_C"].evalf(30, maxn=3000))
    assert float(log_of_it) == pytest.approx(-1000, rel=1e-2)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"p": 0}, "p = 0: must be strictly between 0 and 1"),
        ({"p": "1"}, "p = 1: must be strictly between 0 and 1"),
        ({"gamma": "1.01"}, "gamma = 1.01: must be between 0 and 1"),
        ({"gamma": -0.5}, "gamma = -0.5: must be between 0 and 1"),
        ({"p": float("nan")}, "p = nan: must be a finite number"),
        ({"p": "inf"}, "p = 'inf': is not a number"),
        ({"p": "__import__('os')"}, "is not a number"),
        ({"p": "1/0"}, "is not a number"),
        ({"P": "0.5"}, "no symbol 'P' in this derivation: did you mean p"),
        ({"gama": "0.5"}, "did you mean gamma"),
        ({"lambda": 2}, "lambda = 2: must be between 0 and 1"),
        ({"l_s": "0.5"}, "l_s = 0.5: must be at least 1"),
        ({"beta": -1}, "beta = -1: must be at least 0"),
        ({"p": "0.5", "theta_s": 0}, "both given"),
        ({"theta_s": 5000}, "between -1000 and 1000"),
        ({"p": 0.5}, "no value for a, b, gamma"),
        ({}, "no value for a, b, gamma, p"),
    ],
)
def test_bad_numbers(values: dict, match: str) -> None:
    with pytest.raises(InvalidNumberError, match=match.replace("(", "\\(").replace(")", "\\)")):
        derived("reinforce").evaluate(values)


def test_numbers_that_leave_nothing_for_the_last_answer() -> None:
    derivation = derived("reinforce", answers=3)
    at = dict.fromkeys(derivation.symbols, "1/2")
    with pytest.raises(InvalidNumberError, match="leave 0 for the last answer"):
        derivation.evaluate(at)


@pytest.mark.parametrize("a_E", ["4/5", "1"])
def test_lengths_that_are_no_whole_numbers(a_E: str) -> None:
    """Powers of X in the integrals are those of lengths: one half more, and one half less than a whole number."""
    numbers = {"p": "2/5", "a": "3/4", "b": "3/5", "p_E": "1/4", "a_E": a_E, "b_E": "1/2", "l_C": "3/2", "l_W": "2", "l_d": "1"}
    found = derived("sft-sequence-mean", per_answer_lengths=True).evaluate(numbers).floats()
    chain = TwoStageMDP.minimal(sample_length=[[1.5, 2.0]], decision_length=1.0)
    expert = Policy.from_probabilities([[0.25, 0.75]], [[float(Fraction(a_E)), 0.5]])
    exact = SFTSequenceMean(ExpertChain(expert)).gradient(solve(chain, Policy.minimal(p=0.4, a=0.75, b=0.6)))
    stop_correct, stop_wrong = exact.decide.ravel()
    assert found == pytest.approx({"theta_s": exact.sample[0, 0, 0], "theta_C": stop_correct, "theta_W": -stop_wrong}, rel=1e-12)


@pytest.mark.parametrize(("name", "options"), [("sft", {}), ("sft-sequence-mean", {"per_answer_lengths": True})])
def test_demonstrations_that_never_stop(name: str, options: dict[str, bool]) -> None:
    derivation = derived(name, **options)
    lengths = {key: 1 for key in derivation.symbols if key.startswith("l_")}
    at = dict.fromkeys(derivation.symbols, "1/2") | {"p_E": 1, "a_E": 0} | lengths
    with pytest.raises(InvalidNumberError, match="never stops"):
        derivation.evaluate(at)


def test_an_integral_diverges_where_nothing_cancels_its_pole() -> None:
    assert _integral(X / (1 - X / 2 - X**3 / 2)) is sp.zoo
    assert float(_integral((1 - X**2) / (1 - X))) == pytest.approx(1.5, rel=1e-12)
    assert float(_integral(X / (2 - X))) == pytest.approx(2 * math.log(2) - 1, rel=1e-12)


def test_a_number_fixed_from_the_start_is_not_given_again() -> None:
    derivation = derived("sft", numbers={"lambda": 1})
    assert "lambda" not in derivation.symbols
    with pytest.raises(InvalidNumberError, match="already has lambda = 1"):
        derivation.evaluate({"lambda": "0.5"})


@pytest.mark.parametrize("numbers", [{"lambda": 2}, {"l_s": 0}, {"lamda": 1}, {"p": 0.5}, {"lambda": "x"}])
def test_bad_fixed_numbers(numbers: dict) -> None:
    with pytest.raises(InvalidNumberError):
        derive("sft", numbers=numbers)


def test_parsing() -> None:
    assert parse_number("p", " 3/11 ") == sp.Rational(3, 11)
    assert parse_number("p", 0.1) == sp.Rational(3602879701896397, 36028797018963968)
    assert parse_assignments("p=.5,,a = 1e-3 ") == {"p": ".5", "a": "1e-3"}
    assert check_numbers({}, ["p"]) == {}
    for text in ("p", "p=1,p=2", "=3"):
        with pytest.raises(InvalidNumberError):
            parse_assignments(text)


def test_unknown_objectives() -> None:
    with pytest.raises(UnknownObjectiveError, match="did you mean kl-direct"):
        derive("kl_dirct")
    with pytest.raises(UnknownObjectiveError, match="known: reinforce"):
        derive("qqqq")


@pytest.mark.parametrize(
    "options", [{"answers": 9}, {"turns": 9}, {"answers": 6, "turns": 3}, {"turns": 5, "turn_indexed": True}], ids=str
)
def test_chains_too_large_for_symbols_are_refused_at_once(options: dict) -> None:
    with pytest.raises(DSTheoryError, match="at most"):
        derive("reinforce", **options)


# GRPO's update under coefficients that are all zero
NOTHING_AT_ALL = replace(GRPO_NO_STD, name="nothing-at-all", coefficients=lambda s, turn: (sp.S.Zero, sp.S.Zero))


def _doubled_with_a_cap(s: SymbolicSetting) -> dict[sp.Symbol, sp.Expr]:
    found = GRPO_NO_STD.update(s)
    return found if s.chain.turns is None else {name: 2 * expr for name, expr in found.items()}


# a stated update that is right without a cap only
WRONG_WITH_A_CAP = replace(GRPO_NO_STD, name="wrong-with-a-cap", update=_doubled_with_a_cap)


@pytest.mark.parametrize("rule", [NOTHING_AT_ALL, WRONG_WITH_A_CAP], ids=lambda rule: rule.name)
@pytest.mark.parametrize("turns", [None, 2])
def test_an_update_that_is_not_that_of_the_coefficients_is_not_derived(rule, turns):
    with pytest.raises(ArithmeticError, match="the update that the rule states, with a cap of 1 differs"):
        derive(rule, turns=turns)


def test_a_derivation_says_what_was_computed_from_the_rule_and_what_was_stated():
    computed, stated, whole = derived("rloo"), derived("grpo"), derived("grpo", turns=2)
    assert any("expectation of coefficient x score, the past included" in check for check in computed.checks)
    assert stated.checks[0] == "the simplest form equals the update that the rule states"
    assert stated.checks[-1].endswith("over all trajectories of the chains capped at 1 and 2 turns, not of this one")
    assert whole.checks[-1].endswith("over all trajectories")
    for derivation, word in ((computed, True), (stated, False)):
        assert ("computed from the rule" in " ".join(render(derivation, "text", explain=True).split())) is word


@pytest.mark.parametrize("name", ["grpo-no-std + 0.04*k3-loss", "kl-direct", "entropy", "reinforce"])
def test_a_derivation_says_what_every_symbol_is(name):
    found = derive(name)
    (step,) = (step for step in found.steps if step.title == "Quantities")
    given = step.items[0].parts
    defined = {*found.definitions, *(x for logit in found.setting.policy.logits for x, _ in logit.value)}
    shown = {x for formula in (*found.gradient.values(), *found.definitions.values()) for x in formula.free_symbols}
    shown = {x for x in shown if x.name[0].isalpha()}  # a factor such as 0.04 is written as a symbol
    weights = {x for x, _ in found.setting.weights.meaning}
    assert shown - defined - weights <= set(given)
    if "grpo" in name:
        assert {symbol("Rbar"), symbol("beta"), symbol("p_ref")} <= set(given)
