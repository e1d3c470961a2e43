"""Level (i): the recorded verdict of every objective, the ratio, and the witness re-checked by hand-written rules."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import pytest
import sympy as sp
from symbolic import oracle
from symbolic.families import TRAINING

from dstheory.rational import is_zero
from dstheory.rational.symbols import symbol
from dstheory.symbolic.attribution import BALANCED, NO_DECISION, UNBALANCED, UP_TO_DISCOUNT, coefficient_verdict
from dstheory.symbolic.objectives import REGISTRY, lookup
from dstheory.symbolic.setting import setting
from dstheory.symbolic.sums import rule_of, with_numbers

l_s, l_d, l_C, l_W, lam = (symbol(x) for x in ("l_s", "l_d", "l_C", "l_W", "lambda"))

VERDICTS = {
    "reinforce": BALANCED,
    "reward-to-go": BALANCED,
    "advantage": UNBALANCED,
    "sft": UNBALANCED,
    "kl-direct": UNBALANCED,
    "kl": BALANCED,
    "forward-kl": UNBALANCED,
    "entropy": UNBALANCED,
    **dict.fromkeys(TRAINING, BALANCED),
    **dict.fromkeys(("ppo-clip", "dft", "k2-loss", "k3-loss", "distill", "score-per-attempt"), UNBALANCED),
}


def test_every_objective_has_a_verdict_here() -> None:
    assert VERDICTS.keys() == REGISTRY.keys()


@pytest.mark.parametrize("options", [{}, {"turns": 2}, {"rewards": "general", "discount_per": "stage"}, {"answers": 3}], ids=str)
@pytest.mark.parametrize("name", VERDICTS)
def test_verdicts(name: str, options: dict) -> None:
    verdict = coefficient_verdict(setting(**options), lookup(name))
    assert verdict.verdict == VERDICTS[name]
    assert (verdict.witness is None) == (VERDICTS[name] == BALANCED)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_sft_is_unbalanced_by_the_length_ratio(reduction: str) -> None:
    verdict = coefficient_verdict(setting(reduction=reduction), lookup("sft"))
    assert set(verdict.ratios) == {(l_s / l_d) ** lam}
    # the ratio is 1 exactly where its logarithm, lambda (log l_s - log l_d), vanishes
    assert is_zero(sp.log(l_s**lam / l_d**lam) - lam * (sp.log(l_s) - sp.log(l_d)))


def test_sft_with_a_length_per_answer() -> None:
    verdict = coefficient_verdict(setting(per_answer_lengths=True, reduction="mean"), lookup("sft"))
    assert verdict.ratios == ((l_C / l_d) ** lam, (l_W / l_d) ** lam)


@pytest.mark.parametrize(
    ("numbers", "verdict"),
    [
        ({"lambda": 0}, BALANCED),
        ({"lambda": 1}, UNBALANCED),
        ({"lambda": sp.Rational(1, 2), "l_s": 50, "l_d": 50}, BALANCED),
        ({"lambda": sp.Rational(1, 2), "l_s": 50, "l_d": 49}, UNBALANCED),
        ({"l_s": 7, "l_d": 7}, BALANCED),
    ],
)
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_sft_is_balanced_iff_lambda_is_zero_or_the_lengths_are_equal(numbers: dict, verdict: str, reduction: str) -> None:
    s = setting(reduction=reduction, numbers={k: sp.sympify(v) for k, v in numbers.items()})
    assert coefficient_verdict(s, lookup("sft")).verdict == verdict


@pytest.mark.parametrize("name", ["kl-direct", "forward-kl", "entropy"])
def test_direct_terms_are_never_balanced_whatever_the_weights(name: str) -> None:
    for numbers in ({}, {"lambda": sp.Integer(0)}, {"l_s": sp.Integer(1), "l_d": sp.Integer(1)}):
        verdict = coefficient_verdict(setting(numbers=numbers), lookup(name))
        assert verdict.verdict == UNBALANCED
        assert verdict.ratios == ()
        assert verdict.witness is not None
    assert set(coefficient_verdict(setting(), lookup(name)).weight_ratios) == {(l_s / l_d) ** lam}


def test_full_kl_is_balanced_only_if_all_answers_weigh_the_same() -> None:
    assert coefficient_verdict(setting(), lookup("kl")).verdict == BALANCED
    assert coefficient_verdict(setting(per_answer_lengths=True), lookup("kl")).verdict == UNBALANCED
    equal = {"l_C": sp.Integer(9), "l_W": sp.Integer(9)}
    assert coefficient_verdict(setting(per_answer_lengths=True, numbers=equal), lookup("kl")).verdict == BALANCED


def test_dropping_the_outer_discount_leaves_exactly_gamma() -> None:
    dropped = lookup("reward-to-go", outer_discount=False)
    verdict = coefficient_verdict(setting(discount_per="stage"), dropped)
    assert verdict.verdict == UP_TO_DISCOUNT
    assert set(verdict.ratios) == {symbol("gamma")}
    assert coefficient_verdict(setting(), dropped).verdict == BALANCED
    assert coefficient_verdict(setting(discount_per="stage"), lookup("reward-to-go")).verdict == BALANCED


def test_forward_kl_on_the_references_samples_is_sft_in_all_but_name() -> None:
    on_reference = coefficient_verdict(setting(), lookup("forward-kl", states="reference"))
    assert on_reference.ratios == coefficient_verdict(setting(), lookup("sft")).ratios


def test_without_a_decision_there_is_nothing_to_compare() -> None:
    assert coefficient_verdict(setting(turns=1), lookup("sft")).verdict == NO_DECISION


@pytest.mark.parametrize("options", [{}, {"per_answer_lengths": True}, {"reduction": "mean"}, {"turns": 3}], ids=str)
@pytest.mark.parametrize("name", ["advantage", "sft", "kl-direct", "kl", "forward-kl", "entropy"])
def test_witnesses_stand_up_to_hand_written_rules(name: str, options: dict) -> None:
    witness = coefficient_verdict(setting(**options), lookup(name)).witness
    if witness is None:
        assert name == "kl"
        assert "per_answer_lengths" not in options
        return
    at = {x.name: float(v) for x, v in witness.numbers}
    own = {"p": 0.5, "a": 0.5, "b": 0.5, "gamma": 0.5, "beta": 1.0, "alpha": 1.0, "l_d": 1.0, "l_s": 4.0, "lambda": 1.0} | at
    m = oracle.M0(
        own["p"], own["a"], own["b"],
        ref=(own.get("p_ref", 0.3), own.get("a_ref", 0.3), own.get("b_ref", 0.3)),
        gamma=own["gamma"], lengths=(own.get("l_C", own["l_s"]), own.get("l_W", own["l_s"])), l_d=own["l_d"],
        lam=own["lambda"], mean=options.get("reduction") == "mean", beta=own["beta"], alpha=own["alpha"],
    )  # fmt: skip
    code = {"stop": 0, "resample": 1, "submit": None}
    steps = tuple(("CW".index(answer), code[decision]) for answer, decision in witness.steps)
    table = settled if options.get("turns") is None else None
    c_s, c_d = oracle.coefficients(m, name, steps, options.get("turns"), table)[witness.turn]
    found = [float(v) for v in witness.at_numbers()]
    assert found == pytest.approx([c_s, c_d], rel=1e-12)
    assert not math.isclose(c_s, c_d, rel_tol=1e-6)


@pytest.mark.parametrize("size", [None, 8])
def test_numbers_of_a_witness_belong_together(size: int | None) -> None:
    """The mean reward, the group's weight and the tokens follow from p, a, b, G and the lengths; none is chosen by itself."""
    rule = with_numbers(rule_of("grpo-no-std + 0.04*k3-loss"), {"G": sp.Integer(size)} if size else {})
    witness = coefficient_verdict(setting(), rule).witness
    at = {x.name: Fraction(str(v)) for x, v in witness.numbers}
    p, a, b = at["p"], at["a"], at["b"]
    accuracy = p * a / (p * a + (1 - p) * (1 - b))
    group = Fraction(size or at["G"])
    assert witness.steps == (("C", "stop"),)
    assert (at["Rbar"], at["L"], at["w_G"]) == (accuracy, at["l_s"] + at["l_d"], (group - 1) / group)
    reward, strength = (group - 1) / group * (1 - accuracy), Fraction(1, 25) * at["beta"]
    by_hand = [(reward - strength * (1 - at[f"{x}_ref"] / at[x])) / at["L"] for x in "pa"]
    assert [Fraction(str(v)) for v in witness.at_numbers()] == by_hand


def settled(m: oracle.M0, turns: None, k: int) -> tuple:
    """Values of the uncapped chain: a cap so far away that it does not matter."""
    return oracle.values(m, 3000, k)


# credits decisions with half the return: it must be called unbalanced with ratio 2
HALVED = replace(lookup("reinforce"), name="halved", coefficients=lambda s, turn: (turn.total, turn.total / 2))

# equal on every stop and different on resampling: a check of the shortest trajectory alone would miss it
ONLY_ON_RESAMPLING = replace(
    lookup("reinforce"),
    name="only-on-resampling",
    coefficients=lambda s, turn: (turn.total, turn.total + (1 if turn.decision == "resample" else 0)),
)


def test_a_new_rule_is_judged_like_the_registered_ones() -> None:
    assert set(coefficient_verdict(setting(), HALVED).ratios) == {sp.Integer(2)}


def test_an_imbalance_that_needs_two_turns_is_found() -> None:
    witness = coefficient_verdict(setting(), ONLY_ON_RESAMPLING).witness
    assert witness is not None
    assert witness.steps == (("C", "resample"), ("C", "stop"))
    assert witness.turn == 0
    assert witness.at_numbers()[1] - witness.at_numbers()[0] == 1


def test_mean_weights_dilute_the_decision() -> None:
    s = setting(reduction="mean")
    share = s.weights.decide[0].subs(dict(s.weights.meaning))
    at = {l_s: 16, l_d: 1}
    values = [Fraction(str(share.subs({**at, lam: k}))) for k in (0, sp.Rational(1, 2), 1)]
    assert values == [Fraction(1, 2), Fraction(1, 5), Fraction(1, 17)]
