"""The objectives that people train with: derivations against whole groups and whole trajectories in plain floats."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import pytest
import sympy as sp
from profiles import in_turn
from symbolic import oracle, training_oracle
from symbolic.families import OVER_LENGTH, derived
from symbolic.families import TRAINING as NAMES

from dstheory.errors import ChainError
from dstheory.rational import is_zero
from dstheory.rational.symbols import symbol
from dstheory.symbolic import derive, render
from dstheory.symbolic.chain import RESAMPLE, STOP
from dstheory.symbolic.objectives import REGISTRY, WITHOUT_DERIVATION, UnknownObjectiveError, lookup
from dstheory.symbolic.responses import MAX_TRAJECTORIES, mean_over_length
from dstheory.symbolic.setting import setting
from dstheory.symbolic.updates import (
    FUTURE,
    differentiated,
    enumerated_update,
    expected_update,
    generic_turns,
    trajectories,
    turns_of,
)

WHOLE = (*OVER_LENGTH, "score-summed", "score-per-attempt")
"""Rules that look at more of the trajectory than past and future payoffs: their expectation is their own."""

NUMBERS = {
    "p": Fraction(3, 11), "a": Fraction(5, 7), "b": Fraction(2, 9), "gamma": Fraction(9, 10), "beta": Fraction(7, 10),
    "alpha": Fraction(3, 10), "lambda": Fraction(1, 2), "l_s": 5, "l_C": 5, "l_W": 13, "l_d": 2, "L_max": 1024, "G": 8,
    "p_ref": Fraction(4, 9), "a_ref": Fraction(3, 8), "b_ref": Fraction(5, 6),
    "p_E": Fraction(8, 11), "a_E": Fraction(9, 10), "b_E": Fraction(6, 7),
}  # fmt: skip
CHAIN = oracle.M0(3 / 11, 5 / 7, 2 / 9)


def evaluated(name: str, **options) -> dict[str, float]:
    derivation = derived(name, **options)
    return derivation.evaluate({x: value for x, value in NUMBERS.items() if x in derivation.symbols}).floats()


def close(found: dict[str, float], expected: dict[str, float], rel: float = 1e-11) -> bool:
    scale = max(abs(v) for v in expected.values()) + 1e-3
    return all(math.isclose(found[k], v, rel_tol=rel, abs_tol=1e-13 * scale) for k, v in expected.items())


@pytest.mark.parametrize(
    ("name", "options"), in_turn(NAMES, [{}, {"per_answer_lengths": True, "rewards": "general"}], 1), ids=str
)
def test_capped_chain_against_groups_and_trajectories(name: str, options: dict) -> None:
    m = replace(CHAIN, lengths=(5.0, 13.0) if options else (5.0, 5.0))
    assert close(evaluated(name, turns=2, **options), training_oracle.update(m, name, 2))


@pytest.mark.parametrize(
    ("name", "options"),
    [(name, {}) for name in NAMES]
    # Where the mean over a response's own length is an integral; gspo is grpo there.
    + [(name, {"per_answer_lengths": True, "rewards": "general"}) for name in OVER_LENGTH if name != "gspo"],
    ids=str,
)
def test_uncapped_chain_is_the_limit_of_capped_ones(name: str, options: dict) -> None:
    """q = 0.22: what a cap of nine turns cuts off has probability 0.22^9 ~ 1e-6, times a few turns."""
    numbers = {**NUMBERS, "p": Fraction(9, 10), "a": Fraction(4, 5), "b": Fraction(2, 5), "b_E": Fraction(1, 5)}
    derivation = derived(name, **options)
    found = derivation.evaluate({x: value for x, value in numbers.items() if x in derivation.symbols}).floats()
    m = oracle.M0(0.9, 0.8, 0.4, expert=(8 / 11, 9 / 10, 1 / 5))
    if options:
        m = replace(m, lengths=(5.0, 13.0))
    gaps = []
    for turns in (5, 9):
        capped = training_oracle.update(m, name, turns)
        gaps.append(max(abs(found[k] - v) for k, v in capped.items()))
    assert gaps[1] < 3e-5
    assert gaps[1] < gaps[0] * 0.22**4 * 10 + 1e-13  # rounding, over a thousand trajectories


@pytest.mark.parametrize(
    ("name", "options"), in_turn(NAMES, [{"answers": 3, "turns": 2}, {"turns": 2, "turn_indexed": True}], 1), ids=str
)
def test_symbolic_routes_agree(name: str, options: dict) -> None:
    rule, s = REGISTRY[name], setting(**options)
    update, slope = expected_update(s, rule), differentiated(s, rule)
    others = [slope] if slope is not None else []
    if name not in WHOLE:
        others.append(enumerated_update(s, rule))
    assert others or name == "score-per-attempt"
    for other in others:
        assert other.keys() == update.keys()
        assert all(is_zero(other[logit] - update[logit]) for logit in update)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("ppo-clip", "dft", "score-per-attempt")])
def test_one_coefficient_for_a_whole_response_is_balance(name: str) -> None:
    """Claim O1 on the chain: these rules are balanced, whatever lengths and length weight are."""
    per_action = name in ("k2-loss", "k3-loss", "distill")
    verdict = derived(name, turns=2, per_answer_lengths=True, rewards="general").verdict.verdict
    assert verdict == ("unbalanced" if per_action else "balanced")


def test_rules_with_one_expectation_have_one_gradient() -> None:
    assert derived("rloo").gradient == derived("reinforce-baseline").gradient
    assert derived("grpo").gradient == derived("gspo").gradient
    assert derived("dapo").gradient == derived("cispo").gradient
    assert [expr.is_zero for expr in derived("k1-loss").gradient.values()] == [True] * 3


def test_what_is_taken_from_a_batch_is_the_mean_of_whole_trajectories() -> None:
    """A baseline drops out of the gradient, but not out of the numbers of a case that is shown."""
    p, a, b = (NUMBERS[name] for name in "pab")
    rows = []  # chance, reward, tokens

    def follow(chance: Fraction, tokens: int, turns: int) -> None:
        for right, x, stop, length in ((1, p, a, 5), (0, 1 - p, 1 - b, 13)):
            if turns == 1:  # the cap submits the answer, and no decision is drawn
                rows.append((chance * x, right, tokens + length))
            else:
                rows.append((chance * x * stop, right, tokens + length + 2))
                follow(chance * x * (1 - stop), tokens + length + 2, turns - 1)

    follow(Fraction(1), 0, 3)
    assert sum(chance for chance, _, _ in rows) == 1
    tokens, of_right = sum(c * n for c, _, n in rows), sum(c * r * n for c, r, n in rows)
    values = {symbol(name): sp.Rational(value) for name, value in NUMBERS.items()}
    for statistic in lookup("reinforce-pp").statistics(setting(turns=3, per_answer_lengths=True)):
        values[statistic.symbol] = statistic.value.xreplace(values)
    found = {name: values[symbol(name)] for name in ("Lbar", "RLbar", "m_tok", "s_tok")}
    mean = of_right / tokens
    variance = sum(c * n * (r - mean) ** 2 for c, r, n in rows) / tokens
    assert found | {"s_tok": found["s_tok"] ** 2} == {"Lbar": tokens, "RLbar": of_right, "m_tok": mean, "s_tok": variance}


def test_chains_of_too_many_trajectories_are_refused() -> None:
    with pytest.raises(ChainError, match=r"enumerated: answers = 2 and turns = 7 make more than 130 trajectories"):
        derive("grpo", turns=7)


def test_as_many_trajectories_are_enumerated_as_are_allowed() -> None:
    s = setting(turns=6)
    assert len(list(trajectories(s.chain))) == 126 <= MAX_TRAJECTORIES
    assert mean_over_length(s, s.policy, lambda _: sp.S.One).free_symbols
    with pytest.raises(ChainError, match="answers = 5 and turns = 3"):
        derive("grpo", answers=5, turns=3)  # 5 + 25 + 125


def test_rules_are_shown_as_they_are_computed() -> None:
    s, alpha = setting(), symbol("alpha")
    rule = lookup("score-per-attempt")
    r1, is_first = (sp.Symbol(name, real=True) for name in ("r_first", "i_first"))
    (kept_s, kept_d), *_, (_, wrong_d) = (rule.coefficients(s, turn) for turn in generic_turns(s, rule))
    assert is_zero(kept_d - (1 + alpha * (1 - r1)))
    assert is_zero(kept_s - is_first * r1 - (1 - is_first) * kept_d)
    assert is_zero(wrong_d - (FUTURE + alpha * (FUTURE - r1)))
    right_then_kept, wrong_then_right = (turns_of(s, rule, steps) for steps in (((0, STOP),), ((1, RESAMPLE), (0, STOP))))
    assert [rule.coefficients(s, turn) for turn in right_then_kept] == [(1, 1)]
    assert rule.coefficients(s, wrong_then_right[0]) == (0, 1 + alpha)
    assert is_zero(rule.coefficients(s, wrong_then_right[1])[0] - (1 + alpha * (1 - r1)))
    text = render(derived("dft"), "text")
    assert "c_s(k) = pi_s(y_k)**(1/l_s)/Lbar_E" in text
    assert "c_d(k) = pi_d(d_k | y_k)**(1/l_d)/Lbar_E" in text
    assert "c_s(k) = w_G*(R(tau) - Rbar)/Lbar" in render(derived("dapo-batch"), "text")
    assert "c_s(k) = R(tau)/RLbar" in render(derived("rft"), "text")
    text = render(derived("distill"), "text")
    assert "c_s(k) = log(ref_s(y_k)/pi_s(y_k))/Lbar" in text
    assert "c_d(k) = log(ref_d(d_k | y_k)/pi_d(d_k | y_k))/Lbar" in text


def test_what_has_no_derivation_says_why() -> None:
    for name, reason in WITHOUT_DERIVATION.items():
        assert name not in REGISTRY
        with pytest.raises(UnknownObjectiveError, match=f"'{name}' has no symbolic derivation: {reason[:40]}"):
            lookup(name)


def test_python_of_a_derivation_with_group_weights_runs() -> None:
    derivation = derived("grpo")
    names = {name: NUMBERS[name] if name == "G" else float(NUMBERS[name]) for name in derivation.symbols}
    namespace: dict = {}
    exec(render(derivation, "python"), namespace)
    assert close(namespace["gradient"](**names), evaluated("grpo"))
