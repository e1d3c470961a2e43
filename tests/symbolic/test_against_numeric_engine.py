"""Symbolic against numeric: two engines that share no code, at random rational points, for every registered objective."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import in_turn
from symbolic.families import TRAINING, accepted, derived

from dstheory import Policy, TwoStageMDP, solve
from dstheory.objectives import REGISTRY as NUMERIC
from dstheory.objectives import ExpertChain, build
from dstheory.symbolic.objectives import REGISTRY as SYMBOLIC
from dstheory.symbolic.objectives import WITHOUT_DERIVATION, lookup

VARIANTS = {
    **SYMBOLIC,
    "reward-to-go, outer discount dropped": lookup("reward-to-go", outer_discount=False),
    "forward-kl, reference's states": lookup("forward-kl", states="reference"),
}
SETTINGS: list[dict] = [
    {},
    {"rewards": "general", "discount_per": "stage", "per_answer_lengths": True, "reduction": "mean"},
    {"rewards": "general", "per_answer_lengths": True, "turns": 3},
    {"rewards": "priced", "discount_per": "stage", "turns": 1, "reduction": "mean"},
]


def test_every_objective_has_a_symbolic_counterpart_or_a_reason_for_none() -> None:
    assert NUMERIC.keys() - SYMBOLIC.keys() == WITHOUT_DERIVATION.keys()
    assert SYMBOLIC.keys() <= NUMERIC.keys()


def fractions(low: int, high: int, parts: int) -> st.SearchStrategy[Fraction]:
    """Fractions of equal parts of one; those of hypothesis are drawn in two stages, which takes longer than all the rest."""
    return st.integers(low * parts, high * parts).map(lambda n: Fraction(n, parts))


unit = st.integers(2, 118).map(lambda n: Fraction(n, 120))
real = fractions(-2, 2, 20)
points = st.fixed_dictionaries({
    **{f"{x}{of}": unit for x in "pab" for of in ("", "_ref", "_E")},
    **dict.fromkeys(("gamma", "lambda"), unit),
    **{name: st.integers(1, 200) for name in ("l_s", "l_C", "l_W", "l_d", "L_max")},
    **{name: fractions(0, 3, 20) for name in ("alpha", "beta", "kappa")},
    **{f"R_{x}": real for x in ("SC", "RC", "SW", "RW")},
    "G": st.just(8),
})  # fmt: skip


def numeric_gradient(name: str, options: dict, at: dict) -> dict[str, float]:
    f = {k: float(v) for k, v in at.items()}
    general = {"stop_correct": f["R_SC"], "resample_correct": f["R_RC"], "stop_wrong": f["R_SW"], "resample_wrong": f["R_RW"]}
    extra: dict = {"reward": general} if options.get("rewards") == "general" else {}
    if options.get("rewards") == "priced":
        extra["resample_cost"] = f["kappa"]
    lengths = [f["l_C"], f["l_W"]] if options.get("per_answer_lengths") else f["l_s"]
    mdp = TwoStageMDP.minimal(
        gamma=f["gamma"], discount_per=options.get("discount_per", "turn"), max_turns=options.get("turns"),
        sample_length=lengths, decision_length=f["l_d"], **extra,
    )  # fmt: skip
    policies = {of: Policy.minimal(**{x: f[f"{x}{of}"] for x in "pab"}) for of in ("", "_ref", "_E")}
    choices = {
        "reference": policies["_ref"], "demonstrations": ExpertChain(policies["_E"]), "beta": f["beta"], "alpha": f["alpha"],
        "length_weight": f["lambda"], "reduction": options.get("reduction", "sum"),
        "states": "reference" if "reference's" in name else "policy", "outer_discount": "dropped" not in name,
        "max_tokens": f["L_max"],
    }  # fmt: skip
    if name in TRAINING and not name.startswith("k"):  # derived without a penalty; a teacher has no strength
        del choices["beta"]
        if name != "distill":
            del choices["reference"]
    if name in ("dapo", "cispo"):  # derived in the limit of large groups
        choices["group_size"] = math.inf
    g = build(name.split(",")[0], choices).gradient(solve(mdp, policies[""]))
    return {
        "theta_s": float(g.sample[0, 0, 0]),
        "theta_C": float(g.decide[0, 0, 0]),
        "theta_W": -float(g.decide[0, 0, 1]),  # theta_W is the logit of resampling
    }


@pytest.mark.parametrize(("name", "index"), in_turn([name for name in VARIANTS if name not in TRAINING], range(len(SETTINGS)), 2))
@settings(max_examples=max(4, settings.default.max_examples // 10))
@given(at=points)
def test_gradients_agree(name: str, index: int, at: dict) -> None:
    agree(name, index, at)


@pytest.mark.parametrize(("name", "index"), in_turn(TRAINING, range(len(SETTINGS)), 2))
@settings(max_examples=max(3, settings.default.max_examples // 20))
@given(at=points)
def test_gradients_of_training_objectives_agree(name: str, index: int, at: dict) -> None:
    agree(name, index, at)


def agree(name: str, index: int, at: dict) -> None:
    derivation = derived(VARIANTS[name], **accepted(name, SETTINGS[index]))
    symbolic = derivation.evaluate({k: v for k, v in at.items() if k in derivation.symbols}).floats()
    numeric = numeric_gradient(name, accepted(name, SETTINGS[index]), at)
    scale = max(1.0, *(abs(v) for v in symbolic.values()))
    for logit, value in symbolic.items():
        assert numeric[logit] == pytest.approx(value, rel=1e-12, abs=1e-12 * scale), logit
