"""The registry and the package's front door: what is registered is exported, documented, tested; strings are never evaluated."""

from __future__ import annotations

import ast
import dataclasses
import doctest
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from objectives.instances import INSTANCES
from strategies import make_case

import dstheory
import dstheory.objectives as room
from dstheory import Policy, TwoStageMDP, solve
from dstheory.about import ABOUT
from dstheory.errors import ChainError, DSTheoryError, InfiniteDivergenceError
from dstheory.objectives import FAMILIES, REGISTRY, Objective, Reinforce, StageGradient, WeightedSum, build, lookup, register
from dstheory.objectives.registry import unused

REFERENCE = Policy.minimal(p=0.4, a=0.5, b=0.6)


# ---------------------------------------------------------------------- what is registered


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_everything_registered_is_exported_documented_and_tested(name: str) -> None:
    cls = REGISTRY[name]
    assert name == cls.name == name.strip().lower().replace("_", "-")
    assert cls.__name__ in room.__all__
    assert getattr(room, cls.__name__) is cls
    assert cls.family in FAMILIES
    assert cls.__doc__
    assert doctest.DocTestFinder(recurse=False).find(cls)[0].examples, "a class needs an example that runs"
    module = inspect.getmodule(cls)
    assert "Source:" in module.__doc__
    for field in ("title", "formula", "balance", "balanced_when", "measured_on", "ascends"):
        assert getattr(cls, field).strip()
    for method in ("coefficients", "mass"):
        assert inspect.getdoc(getattr(cls, method))
    assert INSTANCES[name], "an instance in tests/objectives/instances.py drives the gradient checks"
    assert type(INSTANCES[name][0](make_case(0, cap=2, kind="tabular", per="turn", gamma=0.9))) is cls


def test_every_objective_says_which_reward_it_reads() -> None:
    for name, cls in REGISTRY.items():
        fields = {field.name for field in dataclasses.fields(cls)}
        assert cls.credits in ("chain", "outcome", "correct", "nothing"), name
        if cls.credits == "outcome":
            assert "outcome" in fields, name
        if cls.family == "group":
            assert cls.credits == "outcome", name
        case = make_case(1, cap=2, kind="tabular", per="turn", gamma=0.9)
        four = {"stop_correct": 3.0, "resample_correct": -0.5, "stop_wrong": 0.7, "resample_wrong": 0.2}
        objective = INSTANCES[name][0](case)
        one, two = (objective.gradient(solve(mdp, case.policy)).decide for mdp in (case.mdp, case.mdp.replace(reward=four)))
        if cls.credits in ("correct", "nothing"):
            np.testing.assert_array_equal(one, two)
        if cls.credits == "chain":
            assert np.abs(one - two).max() > 1e-3


def test_every_concrete_objective_is_registered() -> None:
    def concrete(cls: type) -> list[type]:
        below = [c for sub in cls.__subclasses__() for c in concrete(sub)]
        return below + ([cls] if not inspect.isabstract(cls) and not cls.__name__.startswith("_") else [])

    ours = {cls for cls in concrete(Objective) if cls.__module__.startswith("dstheory.objectives")}
    assert ours - {WeightedSum} == {cls for cls in REGISTRY.values() if cls.__module__.startswith("dstheory.objectives")}


def test_everything_exported_exists_and_is_documented() -> None:
    for name in room.__all__:
        thing = getattr(room, name)
        if callable(thing):
            assert inspect.getdoc(thing), name


def test_claims_named_for_an_objective_exist() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in (Path(__file__).parents[1] / "proofs").glob("*.py"))
    assert ABOUT.keys() == {name for name, cls in REGISTRY.items() if cls.__module__.startswith("dstheory.objectives.")}
    for name, ids in ((name, about.claims) for name, about in ABOUT.items()):
        assert ids, name
        assert [i for i in ids if f'"{i}"' not in text] == []


def test_objectives_are_immutable() -> None:
    for name, makes in INSTANCES.items():
        for make in makes:
            objective = make(make_case(0, cap=2, kind="tabular", per="turn", gamma=0.9))
            assert dataclasses.is_dataclass(objective), name
            with pytest.raises(dataclasses.FrozenInstanceError):
                objective.beta = 3.0


def test_one_more_objective_is_a_small_class() -> None:
    """A user's own: registered under its name, found, built, differentiated, attributed like the others."""

    @dataclasses.dataclass(frozen=True, eq=False)
    class Twice(Reinforce):
        """The return, twice."""

        name = "twice"

        def coefficients(self, solution, trajectories):
            """Return 2 G."""
            return tuple(2 * c for c in super().coefficients(solution, trajectories))

        def mass(self, solution):
            """Return the mass, doubled."""
            return super().mass(solution).scaled(2.0)

        def fused_terms(self, solution):
            """Return nothing: this sum has no compiled path."""

    try:
        register(Twice)
        assert lookup("Twice") is Twice
        s = solve(TwoStageMDP.minimal(), REFERENCE)
        np.testing.assert_allclose(build("twice", {}).gradient(s).sample, 2 * Reinforce().gradient(s).sample)
        assert dstheory.attribute(build("twice", {}), s).coefficient.balanced
        with pytest.raises(TypeError, match="'twice' is registered twice, by Twice and Twice"):
            register(Twice)
    finally:
        REGISTRY.pop("twice", None)


def test_incomplete_declarations_are_refused() -> None:
    class Nameless(Objective):
        family = "reward"

    with pytest.raises(TypeError, match="objective Nameless does not declare name, title, formula"):
        register(Nameless)

    class Stray(Reinforce):
        name, family = "stray", "other"

    with pytest.raises(TypeError, match=f"declares the family 'other': must be one of {', '.join(FAMILIES)}"):
        register(Stray)
    assert "stray" not in REGISTRY


# ---------------------------------------------------------------------- names


@pytest.mark.parametrize("name", ["REINFORCE", " reinforce ", "Reward_To_Go", "KL-DIRECT", "kl_direct", "Forward_kl"])
def test_case_and_hyphens_do_not_matter(name: str) -> None:
    assert lookup(name).name == name.strip().lower().replace("_", "-")


@pytest.mark.parametrize(
    ("wrong", "near"), [("reinforse", "reinforce"), ("kl-dirct", "kl-direct"), ("entropi", "entropy"), ("forwardk", "forward-kl")]
)
def test_unknown_names_get_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(DSTheoryError, match=rf"^there is no objective '{wrong}': did you mean .*{near}"):
        lookup(wrong)


def test_a_name_like_no_other_gets_the_list() -> None:
    with pytest.raises(DSTheoryError, match=f"known: {', '.join(sorted(REGISTRY))}"):
        lookup("zzzz")


# ---------------------------------------------------------------------- expressions


@pytest.mark.parametrize(
    ("text", "terms", "factors"),
    [
        ("reinforce", None, None),
        ("1*reinforce", None, None),
        ("REINFORCE + 0.1*entropy", ["reinforce", "entropy"], [1.0, 0.1]),
        ("-1 * reinforce", ["reinforce"], [-1.0]),
        ("1e+3*reinforce+1E-2*KL_direct", ["reinforce", "kl-direct"], [1000.0, 0.01]),
        ("0*entropy + reinforce", ["entropy", "reinforce"], [0.0, 1.0]),
    ],
)
def test_sums_are_parsed(text: str, terms, factors) -> None:
    made = build(text, {"reference": REFERENCE, "alpha": 0.5})
    if terms is None:
        assert type(made) is Reinforce
    else:
        assert [term.name for term in made.terms] == terms
        assert list(made.factors) == factors


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("__import__('os').system('true')", "there is no objective"),
        ("(lambda: 1)()*reinforce", r"the factor '\(lambda: 1\)\(\)' of 'reinforce' is not a number"),
        ("2**3*reinforce", r"the factor '2\*\*3' of 'reinforce' is not a number: write e.g. 0.1\*entropy"),
        ("1e400*reinforce", "factor of reinforce is inf: must be finite"),
        ("nan*reinforce", "factor of reinforce is nan: must be finite"),
        ("-inf * reinforce", "factor of reinforce is -inf: must be finite"),
        ("", "there is no objective ''"),
        ("   ", "there is no objective"),
        ("+", "there is no objective ''"),
        ("reinforce+", "there is no objective ''"),
        ("reinforce++entropy", "there is no objective ''"),
        ("*reinforce*", "there is no objective ''|is not a number"),
        ("reinforce*2", "there is no objective '2'|is not a number"),
        ("reinforce - 0.1*entropy", "the factor 'reinforce - 0.1' of 'entropy' is not a number"),
        ("reinforce\n+\x00entropy", "there is no objective"),
        ("kl", "objective 'kl' needs the setting 'reference'"),
        ("sft", "objective 'sft' needs the setting 'demonstrations'"),
    ],
)
def test_strings_are_never_evaluated(text: str, words: str) -> None:
    with pytest.raises(DSTheoryError, match=words):
        build(text, {})


def test_nothing_in_the_registry_could_evaluate_a_string() -> None:
    tree = ast.parse(inspect.getsource(importlib.import_module("dstheory.objectives.registry")))
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert not called & {"eval", "exec", "compile", "__import__", "literal_eval"}


def test_settings_reach_the_objectives_that_have_them() -> None:
    made = build("reinforce + kl-direct + entropy", {"reference": REFERENCE, "beta": 0.7, "alpha": None, "length_weight": 1.0})
    _, penalty, entropy = made.terms
    assert (penalty.reference, penalty.beta, penalty.length_weight) == (REFERENCE, 0.7, 1.0)
    assert (entropy.alpha, entropy.length_weight) == (0.01, 1.0)
    asked = []
    build("kl", {}, require=lambda objective, field: asked.append((objective, field)) or REFERENCE)
    assert asked == [("kl", "reference")]
    with pytest.raises(ChainError, match=r"beta is -1\.0: must be finite and >= 0"):
        build("kl", {"reference": REFERENCE, "beta": -1.0})


# ---------------------------------------------------------------------- bad parameters of objectives


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_strengths_out_of_range_are_refused(value: float) -> None:
    for make in (
        lambda: room.ReverseKL(REFERENCE, beta=value),
        lambda: room.ReverseKLDirect(REFERENCE, beta=[0.1, value]),
        lambda: room.ForwardKL(REFERENCE, beta=value),
        lambda: room.EntropyBonus(alpha=value),
    ):
        with pytest.raises(ChainError, match=r"(beta|alpha) (at run \(1,\) )?is .*: must be finite and >= 0"):
            make()


@pytest.mark.parametrize("value", [-0.01, 1.01, float("nan")])
def test_length_weights_out_of_range_are_refused(value: float) -> None:
    s = solve(TwoStageMDP.minimal(), REFERENCE)
    for objective in (room.ReverseKLDirect(REFERENCE, length_weight=value), room.EntropyBonus(length_weight=[0.5, value])):
        with pytest.raises(ChainError, match=r"length_weight .*must lie in \[0, 1\]; 0 counts stages, 1 counts tokens"):
            objective.gradient(s)


def test_other_choices_that_do_not_exist_are_refused() -> None:
    s = solve(TwoStageMDP.minimal(), REFERENCE)
    with pytest.raises(ChainError, match="reduction is 'average': must be 'sum' or 'mean'"):
        room.EntropyBonus(reduction="average").gradient(s)
    with pytest.raises(ChainError, match="states is 'theirs': must be 'reference' or 'policy'"):
        room.ForwardKL(REFERENCE, states="theirs")
    with pytest.raises(ChainError, match="a weighted sum needs one factor per term: got 0 terms, 0 factors"):
        WeightedSum((), ())
    with pytest.raises(ChainError, match="the reference has 1 prompt x 3 answers"):
        room.ReverseKL(Policy.tabular(np.zeros((1, 3)), np.zeros((1, 3)))).gradient(s)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("lam", [0.0, 0.5, 1.0])
def test_stage_weights_of_huge_lengths(reduction: str, lam: float) -> None:
    mdp = TwoStageMDP.minimal(sample_length=[[1e6, 1.0]], decision_length=4.0)
    w_s, w_d = (w[0, 0] for w in room.stage_weights(mdp, lam, reduction))
    raw_s, raw_d = np.array([1e6, 1.0]) ** lam, 4.0**lam
    scale = raw_s + raw_d if reduction == "mean" else 1.0
    np.testing.assert_allclose(w_s, raw_s / scale, rtol=1e-15)
    np.testing.assert_allclose(np.broadcast_to(w_d, 2), raw_d / scale, rtol=1e-15)


def test_length_weights_over_runs_are_a_loop_over_runs() -> None:
    case = make_case(5, cap=None, kind="tabular", per="turn", gamma=0.9)
    s, lams = solve(case.mdp, case.policy), np.array([0.0, 0.3, 1.0])
    for make in (
        lambda lam: room.SFT(room.ExpertChain(case.expert), length_weight=lam, reduction="mean"),
        lambda lam: room.ReverseKL(case.reference, length_weight=lam),
        lambda lam: room.EntropyBonus(length_weight=lam),
        lambda lam: room.ForwardKL(case.reference, length_weight=lam),
    ):
        together = make(lams).gradient(s)
        for i, lam in enumerate(lams):
            alone = make(lam).gradient(s)
            np.testing.assert_allclose(together.sample[i], alone.sample, rtol=1e-12, atol=1e-15)
            np.testing.assert_allclose(together.decide[i], alone.decide, rtol=1e-12, atol=1e-15)


def test_run_axes_that_do_not_fit_are_named() -> None:
    two, three = (Policy.minimal(p=np.linspace(0.2, 0.4, n), a=0.5, b=0.5) for n in (2, 3))
    s, strengths = solve(TwoStageMDP.minimal(), two), [0.1, 0.2, 0.3]
    for objective, part in (
        (room.ReverseKLDirect(three), "reference"),
        (room.ReverseKL(REFERENCE, beta=strengths), "beta"),
        (room.ForwardKL(REFERENCE, length_weight=strengths), "length_weight"),
        (room.EntropyBonus(alpha=strengths), "alpha"),
        (room.SFT(room.ExpertChain(three)), "demonstrations"),
        (room.SFT(room.ExpertChain(REFERENCE), length_weight=strengths), "length_weight"),
        (Reinforce().rescaled(strengths), "factor of reinforce"),
    ):
        with pytest.raises(ChainError, match=rf"^run axes do not fit together: policy \(2,\), {part} \(3,\)$"):
            objective.gradient(s)
    alone = solve(TwoStageMDP.minimal(), REFERENCE)
    with pytest.raises(ChainError, match=r"run axes do not fit together: entropy \(3,\), kl-direct \(2,\)"):
        (room.EntropyBonus(alpha=strengths) + room.ReverseKLDirect(two)).gradient(alone)


# ---------------------------------------------------------------------- zeros


CERTAIN = Policy.from_probabilities([[1.0, 0.0]], [[1.0, 0.5]])  # never wrong, and stops when right


@pytest.mark.parametrize("cls", [room.ReverseKL, room.ReverseKLDirect])
def test_a_reference_that_rules_out_what_the_policy_does_is_named(cls) -> None:
    mdp = TwoStageMDP(correct=[[1, 0], [1, 0]], prompts=["one", "two"])
    here = Policy.from_probabilities([[0.5, 0.5]] * 2, [[0.5, 0.5]] * 2)
    no_answer = Policy.from_probabilities([[0.5, 0.5], [1.0, 0.0]], [[0.5, 0.5]] * 2)
    no_resample = Policy.from_probabilities([[0.5, 0.5]] * 2, [[0.5, 0.5], [1.0, 0.5]])
    no_stop = Policy.from_probabilities([[0.5, 0.5]] * 2, [[0.5, 0.5], [0.5, 0.0]])
    for reference, place in (
        (no_answer, r"to the answer \(turn 0, prompt 'two', answer 1\)"),
        (no_resample, r"to the resample decision at the answer \(turn 0, prompt 'two', answer 0\)"),
        (no_stop, r"to the stop decision at the answer \(turn 0, prompt 'two', answer 1\)"),
    ):
        with pytest.raises(InfiniteDivergenceError, match=f"the reference gives probability 0 {place} where the policy"):
            cls(reference).gradient(solve(mdp, here))
        # Where the policy never comes the divergence is finite.
        gradient = cls(reference).gradient(solve(mdp.replace(prompt_weight=[1, 0]), here))
        assert np.isfinite(gradient.sample).all()
        assert np.isfinite(gradient.decide).all()
    # At the cap no decision is drawn: a reference that rules one out there rules out nothing.
    assert np.isfinite(cls(no_resample).gradient(solve(mdp.replace(max_turns=1), here)).sample).all()
    # A policy that does less than its reference is fine.
    assert np.isfinite(cls(here).gradient(solve(mdp, no_answer)).sample).all()


def test_a_policy_that_rules_out_what_the_reference_does_is_named() -> None:
    never_wrong = solve(TwoStageMDP.minimal(), CERTAIN)
    always_stops = solve(TwoStageMDP.minimal(), Policy.from_probabilities([[0.5, 0.5]], [[1.0, 0.5]]))
    for compute in (room.ForwardKL(REFERENCE).gradient, room.ForwardKL(REFERENCE, states="reference").value):
        with pytest.raises(InfiniteDivergenceError, match="the policy gives probability 0 to the answer"):
            compute(never_wrong)
        with pytest.raises(InfiniteDivergenceError, match=r"to the resample decision at the answer .*answer 0"):
            compute(always_stops)


def test_an_expert_with_zeros_is_fine() -> None:
    s = solve(TwoStageMDP.minimal(), REFERENCE)
    sft = room.SFT(room.ExpertChain(CERTAIN))
    g = sft.gradient(s)
    np.testing.assert_allclose(g.sample, [[[0.6, -0.6]]])
    np.testing.assert_allclose(g.decide, [[[0.5, 0.0]]])  # the wrong answer is never visited
    assert float(sft.value(s)) == pytest.approx(np.log(0.4) + np.log(0.5))
    assert sft.value(solve(TwoStageMDP.minimal(), Policy.from_probabilities([[0.0, 1.0]], [[0.5, 0.5]]))) == -np.inf


def test_an_infinite_scalar_that_is_left_out_counts_nothing() -> None:
    s = solve(TwoStageMDP.minimal(), Policy.from_probabilities([[0.0, 1.0]], [[0.5, 0.5]]))
    total = Reinforce() + 0.0 * room.SFT(room.ExpertChain(CERTAIN))
    assert float(total.value(s)) == 0.0
    assert (Reinforce() + room.SFT(room.ExpertChain(CERTAIN))).value(s) == -np.inf
    assert (Reinforce() + room.EntropyBonus()).value(s) is None


# ---------------------------------------------------------------------- sums


def test_sums_open_up_and_scale() -> None:
    total = 2.0 * (Reinforce() + 0.5 * room.EntropyBonus()) + Reinforce()
    assert [t.name for t in total.terms] == ["reinforce", "entropy", "reinforce"]
    assert [float(f) for f in total.factors] == [2.0, 1.0, 1.0]
    assert total.name == "reinforce+entropy+reinforce"
    assert total.title == "2 x REINFORCE, return form + entropy bonus + REINFORCE, return form"
    assert (Reinforce() * [1.0, 2.0]).title == "(per run) x REINFORCE, return form"
    assert total.balance == "unbalanced"
    assert (Reinforce() + Reinforce()).balance == "balanced"
    moved = (Reinforce() + room.ReverseKL(CERTAIN)).with_reference(REFERENCE)
    assert moved.terms[1].reference is REFERENCE
    assert Reinforce().with_reference(REFERENCE).name == "reinforce"


def test_gradients_add_and_scale() -> None:
    one, two = (StageGradient(np.full((1, 1, 2), v), np.full((1, 1, 2), -v)) for v in (1.0, 2.0))
    assert (one + two).sample.tolist() == [[[3.0, 3.0]]]
    assert two.scaled([1.0, 10.0]).decide.tolist() == [[[[-2.0, -2.0]]], [[[-20.0, -20.0]]]]


# ---------------------------------------------------------------------- the front door


def test_public_names_are_those_that_are_shown() -> None:
    assert set(dir(dstheory)) == set(dstheory.__all__)
    with pytest.raises(AttributeError, match="attribute nonsense"):
        _ = dstheory.nonsense


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, dstheory; "
        "print([m for m in ('numpy', 'sympy', 'matplotlib', 'xarray', 'numba', 'scipy', 'z3', 'hypothesis', 'pyarrow', 'click') "
        "if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_the_numeric_core_imports_nothing_that_it_does_not_need() -> None:
    code = (
        "import sys; from dstheory import TwoStageMDP, Policy, solve, attribute, split_gain, train; "
        "from dstheory.objectives import build; "
        "attribute(build('reinforce', {}), solve(TwoStageMDP.minimal(), Policy.minimal(p=.5, a=.5, b=.5))); "
        "heavy = ('sympy', 'matplotlib', 'xarray', 'numba', 'z3', 'hypothesis', 'pyarrow', 'click'); "
        "print([m for m in heavy if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_a_penalty_alone_takes_the_normaliser_and_one_beside_a_reward_its_own() -> None:
    reference = Policy.minimal(p=0.4, a=0.7, b=0.2)
    alone = build("k1-loss", {"reference": reference, "normalise_by": "response-tokens"})
    assert alone.normaliser == "response-tokens"
    assert unused("k1-loss", "normalise_by") == {}
    beside = build("grpo + k3-loss", {"reference": reference, "normalise_by": "batch-tokens", "kl_normaliser": "responses"})
    reward, penalty = beside.terms
    assert (reward.normalise_by, penalty.normaliser) == ("batch-tokens", "responses")
    assert unused("grpo + k3-loss", "normalise_by") == {"k3-loss": "is divided as the reward beside it is, or by --kl-normaliser"}
    assert unused("kl", "normalise_by") == {"kl": "has no normaliser"}
