"""A subclass that overrides one thing gets it on large tables as on small ones: no compiled loop stands for what it changed.

Every method and property of every registered objective is overridden in turn by one that says something else. Tables count as
large from their first entry on, or never; both must come to the same, or both be refused.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from objectives.instances import INSTANCES
from objectives.test_large_rows import as_if, worst
from profiles import EXHAUSTIVE
from strategies import Case, make_case

from dstheory import Policy, Trajectories, TwoStageMDP, enumerate_trajectories, solve, train
from dstheory.attribution import coefficient_level, coefficient_levels
from dstheory.dynamics.minimal import SMALLEST
from dstheory.errors import ChainError
from dstheory.objectives import DPO, GRPO, SFT, ExpertChain, Objective, Reinforce, ReverseKLDirect, fused, sampled_gradient
from dstheory.objectives.estimate import estimate_gradient
from dstheory.objectives.expectation.exponential import EffectiveCredit
from dstheory.objectives.expectation.grouping import Grouping
from dstheory.objectives.expectation.rewards import ResponseReward
from dstheory.objectives.mass import CoefficientMass, StageGradient, mass_of_steps
from dstheory.objectives.parts import ConstantLength, Credit, GroupMean, LeaveOneOut, Normaliser, Raw
from dstheory.objectives.responses import Term
from dstheory.objectives.weights import TokenWeight

# What asks for all the rest, and what says itself what the compiled loop is given.
ABOVE = {"gradient", "ascent", "value_and_gradient", "ascent_and_magnitude",
         "_fused", "as_compiled", "known_terms", "fused_terms", "_in_one_pass"}  # fmt: skip


def hooks(kind: type[Objective]) -> Iterator[str]:
    """Yield the methods and properties of a class that a subclass may override."""
    for name in sorted({name for each in kind.__mro__[:-1] for name in vars(each)}):
        found = getattr(kind, name)
        if not name.startswith("__") and name not in ABOVE and (callable(found) or isinstance(found, property)):
            yield name


def other(value: Any) -> Any:
    """Return something else of the same kind: half as much again, the opposite, another normaliser."""
    match value:
        case bool():
            return not value
        case float() | int() | np.ndarray():
            return 1.5 * value
        case CoefficientMass() | StageGradient() | EffectiveCredit():
            return value.scaled(1.5)
        case TokenWeight():
            return value.scaled(np.asarray(1.5))
        case Term():
            return replace(value, credit=value.credit.scaled(1.5))
        case ResponseReward():
            return replace(value, reward=replace(value.reward, stop=1.0 - value.reward.stop))
        case Normaliser():
            return ConstantLength(3.0)
        case Credit():
            return Raw() if isinstance(value, LeaveOneOut) else LeaveOneOut()
        case Grouping():
            return replace(value, scale=1.5)
        case tuple():
            return tuple(other(part) for part in value)
    return value


def overriding(objective: Objective, name: str) -> Objective:
    """Return the objective as an instance of a subclass that overrides one thing."""
    kind = type(objective)
    before = getattr(kind, name)
    if isinstance(before, property):
        body: Any = property(lambda self: other(before.__get__(self)))
    elif isinstance(kind.__mro__ and next(vars(k)[name] for k in kind.__mro__ if name in vars(k)), staticmethod):
        body = staticmethod(lambda *args, **rest: other(before(*args, **rest)))
    else:
        body = lambda self, *args, **rest: other(before(self, *args, **rest))  # noqa: E731
    sub = type("Own", (kind,), {name: body, "__module__": "somebody"})
    found = object.__new__(sub)
    found.__dict__.update(vars(objective))
    return found


def asked(objective: Objective, run: Callable[[Objective], object]) -> set[str]:
    """Return the hooks that ``run`` calls: what it never asks for changes nothing. In the exhaustive profile all of them.

    Called by the objective itself, or by one that overrides what is not asked for, and has no compiled path for that reason.
    """
    kind, codes = type(objective), set[object]()
    if EXHAUSTIVE:
        return set(hooks(kind))
    sys.setprofile(lambda frame, event, argument: codes.add(frame.f_code))
    try:
        run(objective)
        run(overriding(objective, "magnitude"))
    finally:
        sys.setprofile(None)
    found = {name: getattr(kind, name) for name in hooks(kind)}
    bodies = {name: inspect.unwrap(each.fget if isinstance(each, property) else each) for name, each in found.items()}
    return {name for name, body in bodies.items() if getattr(body, "__code__", None) in {None, *codes}}


def result(large: bool, monkeypatch: pytest.MonkeyPatch, objective: Objective, case: Case) -> StageGradient | str:
    try:
        return as_if(large, monkeypatch, objective, case)
    except (ChainError, ValueError, TypeError, AttributeError, AssertionError) as error:  # nonsense is refused either way
        return type(error).__name__


def case_of(seed: int) -> Case:
    """Return an ordinary chain, all prompts of which have both outcomes, whose responses end soon: few sum to one."""
    case = make_case(seed, cap=None, kind="tabular", per="turn", gamma=1.0)
    correct = np.where(np.arange(case.mdp.shape[1]) % 2, 1.0, 0.0) * np.ones(case.mdp.shape)
    soon = {
        name: Policy.tabular(of.sample_logits, of.stop_logits + 3.0)
        for name, of in (("policy", case.policy), ("reference", case.reference), ("expert", case.expert))
    }
    return replace(case, mdp=case.mdp.replace(correct=correct, resample_cost=0.1), **soon)


PASSES = [f"{name}-{i}" for name, makes in INSTANCES.items() for i in range(len(makes))]


@pytest.mark.parametrize("label", PASSES)
def test_a_large_table_gets_what_a_subclass_says(label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, _, i = label.rpartition("-")
    case = case_of(7)
    objective = INSTANCES[name][int(i)](case)
    monkeypatch.setattr(fused, "SMALLEST", 1)
    solution = solve(case.mdp, case.policy)
    if objective._in_one_pass(solution) is None:
        pytest.skip("no pass")
    assert objective.as_compiled
    for hook in hooks(type(objective)):
        own = overriding(objective, hook)
        small, large = (result(of, monkeypatch, own, case) for of in (False, True))
        assert (hook in type(objective).honoured) == own.as_compiled, hook
        if isinstance(small, str) or isinstance(large, str):
            assert small == large, hook
        else:
            assert worst(large, small) < 1e-9, hook


# What a rule on trajectories and its mass both ask for; other hooks belong to one of the two.
SHARED = ("terms", "per_token", "outcome_of", "weighted", "strength", "token_weight", "credit_parts", "weight_of_ratio",
          "reward_terms", "penalty_terms", "credited", "credit")  # fmt: skip


@pytest.mark.parametrize("label", PASSES)
def test_a_mass_is_that_of_the_rule_when_both_are_changed_at_once(label: str) -> None:
    """The sum over all trajectories of what the rule says of them."""
    name, _, i = label.rpartition("-")
    case = make_case(7, cap=2, kind="tabular", per="turn", gamma=1.0)
    objective, solution, compared = INSTANCES[name][int(i)](case), solve(case.mdp, case.policy), 0
    for hook in set(SHARED) & set(hooks(type(objective))):
        own = overriding(objective, hook)
        try:
            found, behaviour = own.ascent(solution), own.behaviour(solution)
        except (ChainError, TypeError, AssertionError):
            continue
        if isinstance(behaviour, Policy):
            every = enumerate_trajectories(case.mdp, behaviour)
            try:
                mass = mass_of_steps(case.mdp, every, *own.coefficients(solution, every))
            except ChainError:
                continue
            expected, size = mass.gradient(case.policy), float(np.abs(mass.sample).max())
            for one, two in ((found.sample, expected.sample), (found.decide, expected.decide)):
                np.testing.assert_allclose(one, two, rtol=0, atol=1e-10 * size, err_msg=hook)
            compared += 1
    if not compared:
        pytest.skip("nothing that a rule and its mass share")


# Overridden alone, a mass is taken at its word by what is exact; ``centred`` is to have the gradient of the mass; marks are given
# outcomes that are neither right nor wrong here.
EXACT_ALONE = {"mass", "centred"}
NO_SENSE = {"marks"}


@pytest.mark.parametrize("label", PASSES)
def test_what_is_overridden_alone_counts_in_the_rule_and_in_the_gradient_or_is_refused(label: str) -> None:
    """The gradient is that of the sum over all trajectories of what the rule says of them, whatever a subclass changes."""
    name, _, i = label.rpartition("-")
    case = make_case(7, cap=2, kind="tabular", per="turn", gamma=1.0)
    objective, solution = INSTANCES[name][int(i)](case), solve(case.mdp, case.policy)

    def exact_and_summed(own: Objective) -> tuple[StageGradient, CoefficientMass]:
        found, behaviour = own.ascent(solution), own.behaviour(solution)
        every = behaviour if isinstance(behaviour, Trajectories) else enumerate_trajectories(case.mdp, behaviour)
        return found, mass_of_steps(case.mdp, every, *own.coefficients(solution, every))

    for hook in sorted({"magnitude", *asked(objective, exact_and_summed)} - EXACT_ALONE - NO_SENSE):
        if hook.startswith("_"):
            continue
        own = overriding(objective, hook)
        try:
            found, mass = exact_and_summed(own)
        except (ChainError, ValueError, TypeError, AttributeError, AssertionError):  # nonsense is refused as well
            continue
        assert hook not in ("coefficients", "of_term"), hook
        expected, size = mass.gradient(case.policy), float(np.abs(mass.sample).max())
        for one, two in ((found.sample, expected.sample), (found.decide, expected.decide)):
            np.testing.assert_allclose(one, two, rtol=0, atol=1e-9 * size, err_msg=hook)


@pytest.mark.parametrize("name", sorted(INSTANCES))
def test_a_rule_that_is_overridden_alone_is_refused_by_what_is_exact_and_a_mass_counts_there(name: str) -> None:
    case = make_case(7, cap=2, kind="tabular", per="turn", gamma=1.0)
    objective, solution = INSTANCES[name][0](case), solve(case.mdp, case.policy)
    ruled, massed = overriding(objective, "coefficients"), overriding(objective, "mass")
    for ask in (Objective.gradient, Objective.ascent, Objective.magnitude, Objective.value_and_gradient):
        with pytest.raises(ChainError, match=r"^Own overrides coefficients, .* but not mass, [^.]*: give it its own mass"):
            ask(ruled, solution)
    expected = 1.5 * objective.mass(solution).gradient(case.policy).decide
    np.testing.assert_allclose(massed.ascent(solution).decide, expected, rtol=1e-9, atol=1e-12 * np.abs(expected).max())


def test_a_rule_and_a_mass_that_are_overridden_together_count() -> None:
    class Twice(Reinforce):
        def coefficients(self, solution, trajectories):
            return tuple(2.0 * c for c in super().coefficients(solution, trajectories))

        def mass(self, solution):
            return super().mass(solution).scaled(2.0)

    class Thrice(Twice):
        def coefficients(self, solution, trajectories):
            return tuple(1.5 * c for c in super().coefficients(solution, trajectories))

    s = solve(TwoStageMDP.minimal(), Policy.minimal(p=0.4, a=0.6, b=0.7))
    np.testing.assert_allclose(Twice().gradient(s).sample, 2.0 * Reinforce().gradient(s).sample, rtol=1e-12)
    with pytest.raises(ChainError, match="Thrice overrides coefficients"):
        Thrice().gradient(s)
    with pytest.raises(ChainError, match="Thrice overrides coefficients"):
        (Reinforce() + Thrice()).gradient(s)


def scaled(base: type, factor: float, *hooks: str) -> type:
    """Return a child that multiplies what its parent says, by super()."""

    def twice(of: Any) -> Any:
        match of:
            case None:
                return None
            case tuple():
                return tuple(factor * each for each in of)
        return of.scaled(factor)

    def body(hook: str) -> Any:
        return lambda self, *args: twice(getattr(super(kind, self), hook)(*args))

    kind = type("Own", (base,), {"__module__": "somebody", **{hook: body(hook) for hook in hooks}})
    return kind


RULES, MASSES = ("coefficients", "coefficients_of_runs"), ("mass", "centred")


@pytest.mark.parametrize("label", PASSES)
def test_a_factor_counts_once_however_many_methods_have_it(label: str) -> None:
    """Of a class that scales a rule, its mass, and what stands beside both; also where its parent left that out."""
    name, _, i = label.rpartition("-")
    case = make_case(7, cap=2, kind="tabular", per="turn", gamma=1.0)
    objective, solution = INSTANCES[name][int(i)](case), solve(case.mdp, case.policy)
    behaviour, before = objective.behaviour(solution), objective.ascent(solution)
    every = behaviour if isinstance(behaviour, Trajectories) else enumerate_trajectories(case.mdp, behaviour)
    once = objective.coefficients(solution, every)
    both = scaled(type(objective), 2.0, *RULES, *MASSES)
    mid = scaled(type(objective), 3.0, "coefficients", "mass")
    for kind, factor in ((both, 2.0), (scaled(both, 5.0, *RULES, *MASSES), 10.0), (mid, 3.0),
                         (scaled(mid, 5.0, *RULES, *MASSES), 15.0)):  # fmt: skip
        own = object.__new__(kind)
        own.__dict__.update(vars(objective))
        found = own.ascent(solution)
        for stage in ("sample", "decide"):
            one = getattr(before, stage)
            np.testing.assert_allclose(getattr(found, stage), factor * one, rtol=1e-9, atol=1e-9 * np.abs(one).max() + 1e-15)
        for said in (own.coefficients(solution, every), own.coefficients_of_runs(solution, every)):
            for c, one in zip(said or (), once, strict=said is not None):
                np.testing.assert_allclose(c, factor * one, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", sorted(INSTANCES))
def test_a_mass_that_is_overridden_alone_is_refused_by_what_looks_at_trajectories(name: str) -> None:
    case = make_case(7, cap=2, kind="tabular", per="turn", gamma=1.0)
    objective, solution = INSTANCES[name][0](case), solve(case.mdp, case.policy)
    massed, words = overriding(objective, "mass"), r"^Own overrides mass, .* but not coefficients, [^.]*: give it its own coeffi"
    behaviour = objective.behaviour(solution)
    drawn = behaviour if isinstance(behaviour, Trajectories) else enumerate_trajectories(case.mdp, behaviour)
    with pytest.raises(ChainError, match=words):
        coefficient_level(massed, solution)
    assert np.isnan(coefficient_levels(massed, case.mdp, [case.policy] * 2)).all()
    with pytest.raises(ChainError, match=words):
        estimate_gradient(2.0 * massed, solution, drawn)


def test_mixins_count_as_the_class_that_joins_them_in_any_order() -> None:
    def rule(self, solution, trajectories):
        return tuple(2.0 * c for c in Reinforce.coefficients(self, solution, trajectories))

    def mass(self, solution):
        return Reinforce.mass(self, solution).scaled(2.0)

    def mixin(**said):
        return type("Mixin", (), said)

    def joined(*bases):
        return type("Own", bases, {"__module__": "somebody"})

    s = solve(TwoStageMDP.minimal(max_turns=4), Policy.minimal(p=0.4, a=0.6, b=0.7))
    every, twice = enumerate_trajectories(s.mdp, s.policy), 2.0 * Reinforce().gradient(s).decide
    for said in ({"coefficients": rule}, {"mass": mass}), ({"mass": mass}, {"coefficients": rule}):
        both = joined(*(mixin(**each) for each in said), Reinforce)
        np.testing.assert_allclose(both().gradient(s).decide, twice, rtol=1e-12)
        np.testing.assert_allclose(estimate_gradient(both(), s, every).gradient.decide, twice, rtol=1e-12)
        with pytest.raises(ChainError, match=r"^Own overrides coefficients"):  # the mass of both is that of their own rule
            joined(mixin(coefficients=rule), both)().gradient(s)
        with pytest.raises(ChainError, match=r"^Own overrides mass"):
            coefficient_level(joined(mixin(mass=mass), both)(), s)


@pytest.mark.parametrize("size", [4, 5, np.inf])
@pytest.mark.parametrize("hooks", [("of_groups",), ("of_groups", "of_shares"), ("of_groups", "of_shares", "limit"), ("limit",)])
def test_a_factor_of_a_credit_counts_once_however_many_methods_have_it(hooks: tuple[str, ...], size: float) -> None:
    """What shares of a group come to was asked of the child's own groups: a child that changed both had its factor twice."""

    class Best(Credit):
        words = "the reward less the best one"

        def of_groups(self, rewards):
            return rewards - rewards.max(axis=-1, keepdims=True)

        def limit(self, rewards, mean, deviation):
            return rewards - np.where(deviation > 0, 1.0, mean)

    def twice(name: str):
        def method(self, *args):
            found = getattr(Best, name)(self, *args)
            return tuple(2.0 * each for each in found) if name == "of_shares" else 2.0 * found

        return method

    said = {name: twice(name) for name in hooks}
    mixin = type("Mixin", (), said)
    for own in (type("Own", (Best,), said)(), type("Own", (mixin, Best), {})()):
        shares = np.array([0.0, 0.2, 0.4, 1.0]) if size == 5 else np.array([0.0, 0.25, 0.5, 1.0])
        if size == np.inf and "limit" not in hooks and "of_shares" not in hooks:
            with pytest.raises(ChainError, match="overrides of_groups; give it a method limit as well"):
                own.of_shares((0.0, 1.0), shares, 1.0 - shares, size)
            continue
        once = size != np.inf and hooks == ("limit",)
        for found, plain in zip(*(c.of_shares((0.0, 1.0), shares, 1.0 - shares, size) for c in (own, Best())), strict=True):
            np.testing.assert_allclose(found, plain if once else 2.0 * plain, rtol=0, atol=1e-15)


def test_what_is_put_into_a_credit_later_counts_and_so_does_a_limit_alone() -> None:
    """Shares of a child without methods of its own were those of its parent's; a formula in shares hid a child's limit."""

    class Best(Credit):
        words = "the reward less the best one"
        limit = GroupMean.limit

        def of_groups(self, rewards):
            return rewards - rewards.max(axis=-1, keepdims=True)

    class Later(Best):
        pass

    class Limit(GroupMean):
        def limit(self, rewards, mean, deviation):
            return 2.0 * super().limit(rewards, mean, deviation)

    Later.of_groups = lambda self, rewards: 2.0 * Best.of_groups(self, rewards)
    shares = np.array([0.25, 0.75])
    limit, mean = Limit(), GroupMean()
    for own, plain, size, factor in ((Later(), Best(), 4, 2.0), (limit, mean, np.inf, 2.0), (limit, mean, 4, 1.0)):
        for found, exact in zip(*(c.of_shares((0.0, 1.0), shares, 1.0 - shares, size) for c in (own, plain)), strict=True):
            np.testing.assert_allclose(found, factor * exact, rtol=1e-14, atol=0)


@pytest.mark.parametrize("base", [GRPO, DPO])
@pytest.mark.parametrize("hook", ["coefficients", "mass"])
def test_batches_do_not_ask_for_the_expectation(base: type, hook: str) -> None:
    here = Policy.minimal(p=0.4, a=0.6, b=0.7)
    own = overriding(base(here) if base is DPO else base(group_size=2), hook)
    with pytest.raises(ChainError, match=f"^Own overrides {hook}, which a sampled batch does not ask for: use gradient"):
        sampled_gradient(own, solve(TwoStageMDP.minimal(), here), batches=2, rng=0)


@pytest.mark.parametrize("hook", ["gradient", "ascent", "value_and_gradient", "ascent_and_magnitude"])
def test_what_is_computed_from_the_mass_is_not_overridden(hook: str) -> None:
    """A sum would not ask for it, and of two of them one asks for the other."""
    said = {hook: lambda self, solution: getattr(super(Reinforce, self), hook)(solution)}
    for bases, own in (((Reinforce,), said), ((type("Mixin", (), said), Reinforce), {})):
        with pytest.raises(ChainError, match=rf"^Own overrides {hook}, which is computed from .*: override mass instead"):
            type("Own", bases, own)


@pytest.mark.parametrize("base", [Reinforce, GRPO])
@pytest.mark.parametrize("large", [False, True])
def test_what_is_put_into_a_class_later_counts_as_what_it_was_made_with(
    base: type, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a notebook, or a patch, puts it there: the gradient, the level of several runs, and both in a sum.

    A class that had been asked before was taken for what it was then.
    """
    if large:
        monkeypatch.setattr(fused, "SMALLEST", 1)
    case = make_case(3, cap=2, kind="tabular", per="turn", gamma=1.0)
    solution, own = solve(case.mdp, case.policy), type("Own", (base,), {"__module__": "somebody"})
    other = ReverseKLDirect(case.reference)
    own().gradient(solution)
    own.coefficients = lambda self, s, t: other.coefficients(s, t)
    with pytest.raises(ChainError, match=r"^Own overrides coefficients"):
        own().magnitude(solution)
    own.mass = lambda self, s: other.mass(s)
    for there, here in ((own(), other), (own() + Reinforce(), other + Reinforce())):
        np.testing.assert_allclose(there.gradient(solution).decide, here.gradient(solution).decide, rtol=1e-9, atol=1e-12)
        levels, said = (coefficient_levels(o, case.mdp, [case.policy, case.reference]) for o in (there, here))
        np.testing.assert_allclose(levels, said, rtol=1e-9)


def test_what_says_its_own_terms_is_believed() -> None:
    class Known(Reinforce):
        def mass(self, solution):
            return super().mass(solution).scaled(2.0)

        def fused_terms(self, solution):
            return super().fused_terms(solution).scaled(2.0)

    class Changed(Known):
        def mass(self, solution):
            return super().mass(solution).scaled(2.0)

    class Named(Reinforce):
        name, title = "named", "another name"

    assert Known().as_compiled
    assert Named().as_compiled
    assert not Changed().as_compiled
    case = make_case(1, cap=None, kind="tabular", per="turn", gamma=0.9)
    assert (Reinforce() + Changed()).known_terms(solve(case.mdp, case.policy)) is None


@pytest.mark.parametrize("base", [Reinforce, ReverseKLDirect, SFT])
def test_training_follows_what_a_subclass_says(base: type) -> None:
    """Three logits are trained in a loop of their own."""
    kind = type("Own", (base,), {"mass": lambda self, s: base.mass(self, s).scaled(3.0), "__module__": "somebody"})
    mdp, start = TwoStageMDP.minimal(gamma=0.9), Policy.minimal(p=0.4, a=0.6, b=0.7)
    expert = Policy.minimal(p=0.7, a=0.8, b=0.4)
    argument = {Reinforce: (), ReverseKLDirect: (expert,), SFT: (ExpertChain(expert),)}[base]
    own, thrice = (train(mdp, start, o, steps=SMALLEST) for o in (kind(*argument), 3.0 * base(*argument)))
    one, two = (np.asarray(r.policy.parameters[0]) for r in (own, thrice))
    np.testing.assert_allclose(one, two, rtol=1e-9)
