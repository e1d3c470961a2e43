"""The coefficients that a derivation prints first are those that it computes: on every turn of every trajectory.

What the printed names mean is written down here, from the model alone: logarithms, entropies, returns and values.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import sympy as sp

from dstheory.symbolic.objectives import REGISTRY, lookup
from dstheory.symbolic.rule import Rule
from dstheory.symbolic.setting import SymbolicSetting, setting
from dstheory.symbolic.updates import trajectories, turns_of

Steps = tuple[tuple[int, str | None], ...]
IN_WORDS = {"score-summed", "score-per-attempt"}
"""Printed in words, not as a formula; their coefficients are compared with the numerical engine."""


def decision(policy: object, i: int, d: str) -> sp.Expr:
    stop = policy.stop_at(0)[i]
    return stop if d == "stop" else 1 - stop


def meaning(s: SymbolicSetting, name: str, steps: Steps, k: int) -> Callable[[str], sp.Expr | None]:
    """What a printed name stands for at turn k of a trajectory; None for a name that coefficients use as well."""
    i, d = steps[k]
    gw, gb = s.rate.within, s.rate.between
    outcome = name in ("ppo-clip", "rft", "nft") or "Rbar" in str(lookup(name).shown(s))
    right = sp.Integer(steps[-1][0] == 0)

    def paid(j: int) -> sp.Expr:
        answer, taken = steps[j]
        return s.reward.resample[answer] if taken == "resample" else s.reward.stop[answer]

    def to_go_decision(j: int) -> sp.Expr:
        return paid(j) + (gb * gw * to_go_decision(j + 1) if j + 1 < len(steps) else 0)

    def entropy(*row: sp.Expr) -> sp.Expr:
        return -sum(x * sp.log(x) for x in row)

    def log_ratio(j: int, weighted: bool) -> sp.Expr:
        answer, taken = steps[j]
        w_s, w_d = (s.weights.sample[answer], s.weights.decide[answer]) if weighted else (1, 1)
        total = w_s * sp.log(s.policy.sample_at(0)[answer] / s.reference.sample_at(0)[answer])
        if taken is not None:
            total += w_d * sp.log(decision(s.policy, answer, taken) / decision(s.reference, answer, taken))
        return total

    def value(what: str) -> sp.Expr:
        """The chain solved backwards from its cap, for its own rewards or for correctness without discount."""
        g_w, g_b = (1, 1) if outcome else (gw, gb)
        v = sp.S.Zero
        for turn in reversed(range(s.chain.turns)):
            last = turn == s.chain.turns - 1
            row, q_s, q_d = s.policy.sample_at(0), [], []
            for y in range(len(row)):
                stop = sp.Integer(y == 0) if outcome else s.reward.stop[y]
                again = g_b * v if outcome else s.reward.resample[y] + g_b * v
                a = decision(s.policy, y, "stop")
                q_d.append((stop, stop if last else again, stop if last else a * stop + (1 - a) * again))
                q_s.append(g_w * q_d[-1][2])
            v = sum(x * q for x, q in zip(row, q_s, strict=True))
            if turn == k:
                return {"V": v, "Q_s": q_s[i], "Q_d": q_d[i][d == "resample"], "V_d": q_d[i][2]}[what]
        raise AssertionError(what)

    tokens = sum(s.lengths[0][y] + (s.lengths[1] if taken else 0) for y, taken in steps)
    table: dict[str, Callable[[], sp.Expr]] = {
        "pi_s": lambda: s.policy.sample_at(0)[i],
        "ref_s": lambda: s.reference.sample_at(0)[i],
        "pi_d": lambda: decision(s.policy, i, d or "stop"),
        "ref_d": lambda: decision(s.reference, i, d or "stop"),
        "H_s": lambda: entropy(*s.policy.sample_at(0)),
        "H_d": lambda: entropy(decision(s.policy, i, "stop"), decision(s.policy, i, "resample")),
        "G": lambda: gw * sum((gw * gb) ** j * paid(j) for j in range(len(steps))),
        "G_s": lambda: gw * to_go_decision(k),
        "G_d": lambda: to_go_decision(k),
        "R": lambda: right,
        "L_of_tau": lambda: sum(log_ratio(j, name == "kl") for j in range(len(steps))),
        "L": lambda: tokens,
        "k": lambda: sp.Integer(k),
        "w_s": lambda: s.weights.sample[i],
        "w_d": lambda: s.weights.decide[i],
        "wbar": lambda: sum(x * w for x, w in zip(s.policy.sample_at(0), s.weights.sample, strict=True)),
        "l_s": lambda: s.lengths[0][i],
        **{what: lambda what=what: value(what) for what in ("V", "Q_s", "Q_d", "V_d")},
    }
    return lambda printed: table[printed]() if printed in table else None


def spelled_out(formula: sp.Expr, look_up: Callable[[str], sp.Expr | None]) -> sp.Expr:
    names: dict[sp.Basic, sp.Expr] = {}
    for part in formula.atoms(sp.core.function.AppliedUndef):
        printed = type(part).__name__
        names[part] = look_up("L_of_tau" if printed == "L" else printed)
        assert names[part] is not None, f"nobody says what {printed} means"
    for part in formula.free_symbols:
        found = look_up(part.name) if part.name != "G" else None  # the size of a group; the return is G of a trajectory
        if found is not None:
            names[part] = found
    return formula.xreplace(names)


def check(rule: Rule, s: SymbolicSetting) -> int:
    rng, cases = random.Random(7), 0
    for trajectory in trajectories(s.chain):
        for turn in turns_of(s, rule, trajectory.steps):
            shown = [sp.sympify(c) for c in rule.shown(s)]
            parts = rule.of_trajectory(s, trajectory.steps, turn.index)
            computed = [sp.sympify(c).xreplace(parts) for c in rule.coefficients(s, turn)]
            look_up = meaning(s, rule.name, trajectory.steps, turn.index)
            for stage in range(1 if turn.decision is None else 2):
                difference = spelled_out(shown[stage], look_up) - computed[stage]
                for _ in range(2):
                    at = {x: sp.Rational(rng.randint(11, 89), 97) for x in sorted(difference.free_symbols, key=str)}
                    number = sp.N(difference.xreplace(at), 30)
                    assert abs(number) < sp.Float("1e-20"), (rule.name, stage, trajectory.steps, turn.index, shown[stage])
                cases += 1
    return cases


@pytest.mark.parametrize(
    "options", [{"rewards": "general", "discount_per": "stage"}, {"reduction": "mean", "per_answer_lengths": True}], ids=str
)
@pytest.mark.parametrize("name", [name for name in REGISTRY if name not in IN_WORDS])
def test_what_is_shown_is_what_is_computed(name: str, options: dict[str, object]) -> None:
    assert check(lookup(name), setting(turns=2, **options)) == 16


@pytest.mark.parametrize("settings", [{"outer_discount": False}, {"states": "reference"}], ids=str)
def test_with_the_options_of_a_rule(settings: dict[str, object]) -> None:
    name = "reward-to-go" if "outer_discount" in settings else "forward-kl"
    assert check(lookup(name, **settings), setting(turns=2, discount_per="stage")) == 16


def test_the_return_from_an_answer_is_the_printed_multiple_of_its_decisions() -> None:
    s = setting(turns=2, rewards="general", discount_per="stage")
    (answers, multiple), _ = lookup("reward-to-go").where(s)
    for trajectory in trajectories(s.chain):
        for k in range(len(trajectory.steps)):
            look_up = meaning(s, "reward-to-go", trajectory.steps, k)
            assert sp.expand(spelled_out(answers, look_up) - spelled_out(multiple, look_up)) == 0


def test_the_log_ratio_of_a_trajectory_is_the_sum_that_is_printed() -> None:
    s = setting(turns=2, reduction="mean", per_answer_lengths=True)
    (_, printed), _ = lookup("kl").where(s)
    (term,) = printed.args
    cases = [trajectory.steps for trajectory in trajectories(s.chain)]
    assert {steps[-1][1] for steps in cases} == {"stop", None}
    for steps in cases:
        total = sp.S.Zero
        for k, (_, decision_taken) in enumerate(steps):
            names = meaning(s, "kl", steps, k)
            submitted_by_the_cap = {"pi_d": sp.S.One, "ref_d": sp.S.One} if decision_taken is None else {}
            total += spelled_out(term, lambda name, names=names, known=submitted_by_the_cap: known.get(name, names(name)))
        difference = total - meaning(s, "kl", steps, 0)("L_of_tau")
        at = {x: sp.Rational(11 + 7 * i, 97) for i, x in enumerate(sorted(difference.free_symbols, key=str))}
        assert abs(sp.N(difference.xreplace(at), 30)) < sp.Float("1e-20"), steps
