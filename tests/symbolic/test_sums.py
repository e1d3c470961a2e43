"""Sums and settings: derived gradients against the numeric engine, which knows nothing of formulas, on lopsided chains."""

from __future__ import annotations

from fractions import Fraction

import pytest

from dstheory import Policy, TwoStageMDP, solve
from dstheory.errors import ChainError, DSTheoryError
from dstheory.objectives import ExpertChain, build
from dstheory.rational import is_zero
from dstheory.symbolic import derive, render, symbol
from dstheory.symbolic.sums import rule_of

AT = {
    "p": Fraction(3, 11), "a": Fraction(5, 7), "b": Fraction(2, 9), "gamma": Fraction(9, 10), "beta": Fraction(7, 10),
    "alpha": Fraction(3, 10), "lambda": Fraction(1, 2), "l_s": 5, "l_C": 5, "l_W": 13, "l_d": 2, "L_max": 1024, "G": 6,
    "p_ref": Fraction(4, 9), "a_ref": Fraction(3, 8), "b_ref": Fraction(5, 6),
    "p_E": Fraction(8, 11), "a_E": Fraction(9, 10), "b_E": Fraction(6, 7),
}  # fmt: skip
SUMS = [
    ("grpo-no-std + 0.04*k3-loss", {}),
    ("grpo-no-std + k1-reward", {"turns": 2, "per_answer_lengths": True}),
    ("dapo-batch + 0.5*k1-reward + entropy", {"per_answer_lengths": True}),
    ("dr-grpo + k3-loss", {"per_answer_lengths": True}),
    ("rloo + kl + 0.125*kl-direct", {"per_answer_lengths": True}),
    ("sft + 0.5*reinforce + k3-loss", {"rewards": "priced", "turns": 2}),
    ("2*reinforce", {}),
    ("reinforce-pp + k2-loss", {"per_answer_lengths": True}),
    ("grpo", {"per_answer_lengths": True}),
    ("sft-sequence-mean", {"per_answer_lengths": True}),
]  # fmt: skip
LONG = [
    ("grpo-no-std + 0.04*k3-loss", {"per_answer_lengths": True}),
    ("grpo + 0.5*k2-loss + -0.25*k1-loss", {"per_answer_lengths": True}),
    ("grpo + k1-loss", {"turns": 3, "per_answer_lengths": True}),
    ("gspo + entropy", {"per_answer_lengths": True, "turns": 2}),
    ("rloo + kl + 0.125*kl-direct", {"per_answer_lengths": True, "turns": 3}),
]


def numeric(expression: str, options: dict) -> dict[str, float]:
    f = {name: float(value) for name, value in AT.items()}
    policies = {of: Policy.minimal(**{x: f[x + of] for x in "pab"}) for of in ("", "_ref", "_E")}
    mdp = TwoStageMDP.minimal(
        gamma=f["gamma"], max_turns=options.get("turns"), decision_length=f["l_d"],
        sample_length=[f["l_C"], f["l_W"]] if options.get("per_answer_lengths") else f["l_s"],
        **({"resample_cost": 0.25} if options.get("rewards") else {}),
    )  # fmt: skip
    choices: dict = {
        "demonstrations": ExpertChain(policies["_E"]), "alpha": f["alpha"], "length_weight": f["lambda"],
        "max_tokens": f["L_max"], "group_size": f["G"],
    }  # fmt: skip
    if "k" in expression.replace("k_", ""):
        choices |= {"beta": f["beta"], "reference": policies["_ref"]}
    if "grpo" in expression and not any(x in expression for x in ("k1", "k2", "k3", "kl")):
        del choices["demonstrations"]
    g = build(expression, choices).gradient(solve(mdp, policies[""]))
    return {
        "theta_s": float(g.sample[0, 0, 0]),
        "theta_C": float(g.decide[0, 0, 0]),
        "theta_W": -float(g.decide[0, 0, 1]),
    }


@pytest.mark.parametrize(("expression", "options"), [*SUMS, *(pytest.param(*x, marks=pytest.mark.slow) for x in LONG)], ids=str)
def test_derived_gradients_are_those_of_the_numeric_engine(expression: str, options: dict) -> None:
    derivation = derive(expression, **options)
    at = {**AT, "kappa": Fraction(1, 4)}
    found = derivation.evaluate({x: at[x] for x in derivation.symbols}).floats()
    expected = numeric(expression, options)
    scale = max(map(abs, expected.values()))
    assert scale > 1e-6
    for logit, value in expected.items():
        assert found[logit] == pytest.approx(value, rel=1e-10, abs=1e-12 * scale), logit


def test_what_a_sum_says() -> None:
    derivation = derive("grpo-no-std + 0.04*k3-loss", numbers={"beta": 1, "G": 8})
    assert "beta" not in derivation.symbols
    assert "G" not in derivation.symbols
    shown = render(derivation, "text")
    assert "c_s(k) = w_G*(R(tau) - Rbar)/L - 0.04*(1 - ref_s(y_k)/pi_s(y_k))/L" in shown
    assert "w_G = 7/8" in shown
    assert derivation.verdict.verdict == "unbalanced"
    for words in ("Checked", "Claims", "Verdict"):
        assert words not in shown
    explained = render(derivation, "text", explain=True)
    assert "Checked, by exact arithmetic" in explained
    assert "Claims about it: O1" in explained
    latex = render(derivation, "latex")
    assert r"\cite{" in latex
    keys = latex.split(r"\cite{")[1].split("}")[0].split(",")
    entries = render(derivation, "bibtex")
    assert [f"{{{key}," in entries for key in keys] == [True] * len(keys)
    assert entries.count("\n@") + 1 == len(keys) + 1
    assert "@software{dstheory," in entries


def test_factors_that_cancel_are_seen_to_cancel() -> None:
    derivation = derive("reinforce + -1*reinforce + 0.5*sft + -0.5*sft")
    assert all(is_zero(g) for g in derivation.gradient.values())
    assert derivation.verdict.verdict == "balanced"


def test_the_chance_to_go_on_is_folded_into_q() -> None:
    derivation = derive("grpo-no-std")
    assert derivation.definitions[symbol("V")] == symbol("a") * symbol("p") / (1 - symbol("q"))
    for formula in derivation.expanded.values():
        assert formula is not None
        assert symbol("q") in formula.free_symbols
        assert not any(atom.is_Add and len(atom.args) > 2 for atom in formula.atoms(type(symbol("a") + symbol("b"))))


@pytest.mark.parametrize(
    ("expression", "options", "message"),
    [
        ("grpo + dapo-batch + k3-loss", {}, "divide their tokens differently"),
        ("grpo + grpo-no-std", {}, "both are written w_G"),
        ("grpo-no-std + k1-reward", {}, "depend on each other through every turn"),
        ("grpo + dpo", {}, "sigmoid"),
        ("grpo + two*kl", {}, "the factor 'two' of 'kl' is not a number"),
        ("grpo + inf*kl", {}, "factor of kl is inf: must be finite"),
        ("nan*kl", {}, "factor of kl is nan: must be finite"),
        ("1e400*kl", {}, "factor of kl is inf: must be finite"),
    ],
)
def test_what_has_no_derivation_is_refused_with_the_reason(expression: str, options: dict, message: str) -> None:
    with pytest.raises(DSTheoryError, match=message.replace("(", r"\(")):
        derive(expression, **options)


def test_integrals_are_no_python() -> None:
    with pytest.raises(ChainError, match="holds integrals"):
        render(derive("grpo-no-std", per_answer_lengths=True), "python")


def test_the_sum_over_successes_is_python() -> None:
    namespace: dict = {}
    derivation = derive("grpo")
    exec(render(derivation, "python"), namespace)
    numbers = {x: AT[x] for x in derivation.symbols}
    found = namespace["gradient"](**{x: float(v) if x != "G" else v for x, v in numbers.items()})
    assert found["theta_s"] == pytest.approx(derivation.evaluate(numbers).floats()["theta_s"], rel=1e-12)


def test_a_penalty_that_is_multiplied_has_an_article_and_a_name_has_none() -> None:
    assert rule_of("0.04*k3-loss").title == "0.04 times the k3 estimator in the loss"
    assert rule_of("0.01*entropy").title == "0.01 times the entropy bonus"
    assert rule_of("2*reinforce").title == "2 times REINFORCE, return form"


def test_a_sum_says_what_is_held_in_which_term_and_each_thing_once() -> None:
    text = " ".join(render(derive("dapo + k2-loss"), "text").split())
    assert (
        "with the statistics of the batch held fixed in (1), and the visited states and the statistics of the batch held fixed "
        "in (2), it is that of" in text
    )
    # the return's gradient counts how visits change: REINFORCE's is that of V and no state of it is held
    assert "with the visited states held fixed in (2), it is that of" in " ".join(
        render(derive("advantage + k2-loss"), "text").split()
    )


def test_a_ratio_that_holds_on_demonstrations_is_not_said_of_the_learners_trajectories() -> None:
    derivation = derive("sft + rloo")  # RLOO's coefficients are equal on its trajectories: there c_s/c_d = 1
    assert derivation.verdict.of == "sft"
    assert "The coefficients of sft are unbalanced" in render(derivation, "text")
    assert "The coefficients are unbalanced" in render(derive("kl-direct + rloo"), "text")


@pytest.mark.parametrize(
    ("expression", "large"), [("dapo-batch", True), ("sft-token-mean", True), ("rft", True), ("grpo", False)]
)
def test_a_mean_over_a_batchs_tokens_is_derived_for_large_batches(expression: str, large: bool) -> None:
    # a batch of one response divides by its own L: E[R/L] != E[R]/E[L]; GRPO's 1/L_i holds at any size
    assert ("Batches are large" in render(derive(expression), "text")) is large
