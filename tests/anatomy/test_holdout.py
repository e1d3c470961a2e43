"""Chains with problem-specific rates, and predictions of problems that were not used in the fit."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import integrate, stats

from dstheory.anatomy import Episodes, chain_formulas
from dstheory.anatomy.beta_rate import BetaRate
from dstheory.anatomy.cap import advise_cap
from dstheory.anatomy.holdout import hold_out
from dstheory.anatomy.ledger import Ledger
from dstheory.anatomy.parts import Part, fit, score, split_problems
from dstheory.anatomy.rates import measure
from dstheory.anatomy.rollout_chain import KINDS, RolloutChain, fit_chain, fit_rate
from dstheory.anatomy.simulate import simulate_log
from dstheory.errors import RecordError

UNLIKE = {"p": 0.4, "a": 0.9, "b": 0.9, "cap": 8, "concentration": 1.0}
KIND = ["pooled", "heterogeneous"]


@pytest.mark.parametrize(("cap", "unstopped"), [(1, "submit"), (4, "submit"), (4, "wrong"), (0, "submit")])
def test_expectations_over_problems_against_quadrature(cap, unstopped) -> None:
    """p ~ Beta(1.2, 1.8) by adaptive quadrature; a and b as well on their own, with 16 nodes to 1e-8."""
    chain = RolloutChain(BetaRate(0.4, 0.25), BetaRate(0.9), BetaRate(0.7))
    density = stats.beta(1.2, 1.8)

    def mean(formula) -> float:
        return float(integrate.quad(lambda x: float(formula(x, 0.9, 0.7)) * density.pdf(x), 0, 1, epsabs=1e-12)[0])

    assert chain.accuracy(cap, unstopped=unstopped) == pytest.approx(
        mean(lambda *c: chain_formulas.accuracy(*c, cap, unstopped=unstopped)), abs=1e-8
    )
    assert chain.attempts(cap) == pytest.approx(mean(lambda *c: chain_formulas.attempts(*c, cap)), abs=1e-7)
    if cap:
        assert chain.stopped(cap) == pytest.approx(mean(lambda *c: chain_formulas.stopping(*c, cap)), abs=1e-8)
    decisions = RolloutChain(BetaRate(0.4), BetaRate(0.75, 0.2), BetaRate(0.7, 0.1))
    da, db = stats.beta(3, 1), stats.beta(6.3, 2.7)
    double = integrate.dblquad(
        lambda b, a: float(chain_formulas.accuracy(0.4, a, b, 4)) * da.pdf(a) * db.pdf(b), 0, 1, 0, 1, epsabs=1e-9
    )[0]
    assert decisions.accuracy(4) == pytest.approx(double, abs=1e-7)


def test_likelihood_of_all_episodes_of_a_problem_adds_up_to_one() -> None:
    """By enumeration: the probabilities of everything that two episodes of one problem can do, capped at three attempts.

    They share p_x, a_x and b_x, so this also checks that trials of a problem are taken together.
    """
    episodes = []
    for length in (1, 2, 3):
        for answers in itertools.product([True, False], repeat=length):
            inner = [(c, "resample") for c in answers[:-1]]
            episodes += [[*inner, (answers[-1], "stop")]] if length < 3 else [[*inner, (answers[-1], None)]]
    chain = RolloutChain(BetaRate(0.4, 0.3), BetaRate(0.8, 0.2), BetaRate(0.6, 0.1))
    total = 0.0
    for pair in itertools.product(episodes, repeat=2):
        table = Ledger.of(Episodes.record([("x", steps) for steps in pair], cap=3))
        total += float(np.exp(chain.log_likelihood(table))[0])
    assert total == pytest.approx(1.0, abs=1e-12)


def test_without_pseudo_observation_the_pooled_fit_is_the_estimate() -> None:
    log = simulate_log(300, **UNLIKE)
    (row,) = measure(log)
    chain = fit_chain(log, "pooled", pseudo=0)
    assert [chain.p.mean, chain.a.mean, chain.b.mean] == pytest.approx([row.p.value, row.a.value, row.b.value])
    assert chain.homogeneous
    with pytest.raises(
        RecordError, match=r"^a cannot be estimated: the log holds no trial of it; use pseudo > 0 or more episodes$"
    ):
        fit_chain(simulate_log(10, p=0.0, a=1.0, b=0.5, cap=3), pseudo=0)
    with pytest.raises(
        RecordError, match=r"^there is no kind of chain 'hetero': there are pooled, heterogeneous, heterogeneous dec"
    ):
        fit_chain(log, "hetero")


def test_known_heterogeneity_is_recovered() -> None:
    """20,000 problems: the fit's own standard errors are 0.002 to 0.004, four of them are allowed."""
    log = simulate_log(20_000, **UNLIKE, rng=2)
    for name, mean, rho in (("p", 0.4, 0.5), ("b", 0.9, 0.0)):
        found = fit_rate(log, name)
        assert abs(found.rate.mean - mean) < 4 * found.mean_error
        assert abs(found.rate.rho - rho) < 0.02
    assert fit_rate(log, "p").p_value < 1e-10


def test_held_out_comparison_finds_heterogeneity_and_does_not_invent_it() -> None:
    unlike = hold_out(simulate_log(1500, **UNLIKE, rng=3), kinds=KIND)
    assert unlike.difference["heterogeneous"].low > 0.1
    by_name = {c.what: c for c in unlike.calibration}
    stopped = by_name["stopped"]
    assert stopped.predicted["pooled"] > stopped.realised.high  # over-predicts, claim G4
    assert stopped.z["pooled"] < -5
    assert all(abs(c.z["heterogeneous"]) < 4 for c in unlike.calibration)
    assert by_name["accuracy"].predicted["pooled"] > by_name["accuracy"].realised.high  # a + b > 1: too high, claim G4
    alike = hold_out(simulate_log(1500, p=0.4, a=0.9, b=0.7, cap=8, rng=3), kinds=KIND)
    assert alike.difference["heterogeneous"].low < 0.001
    assert all(abs(c.z[kind]) < 4 for c in alike.calibration for kind in KIND)


def test_predictions_are_refused_for_problems_that_were_seen() -> None:
    log = simulate_log(30, **UNLIKE)
    first, second, third = split_problems(log, 3, rng=1)
    fitted = fit(first + second)
    assert len(score(fitted, third)[0]) > 0
    with pytest.raises(
        RecordError, match=r"^10 problems to be predicted were used in the fit, such as 'problem-\d+': split by prob"
    ):
        score(fitted, second)
    # Another table of the same problems is recognised by their names; other problems are fine.
    again, other = simulate_log(30, **UNLIKE, rng=9), simulate_log(30, **UNLIKE, rng=9, name="new")
    with pytest.raises(RecordError, match=r"^20 problems to be predicted were used in the fit"):
        score(fitted, Part.of(again))
    assert score(fitted, Part.of(other))[1]["accuracy"] > 0


def test_splits_are_by_problem_and_by_seed() -> None:
    log = simulate_log(50, **UNLIKE, episodes_per_problem=4)
    parts = split_problems(log, 4, rng=7)
    assert sum(part.problems.astype(int) for part in parts).tolist() == [1] * 50
    assert [part.table.total("episodes") for part in parts] == [52, 52, 48, 48]
    again, other = split_problems(log, 4, rng=7), split_problems(log, 4, rng=8)
    assert all((a.problems == b.problems).all() for a, b in zip(parts, again, strict=True))
    assert any((a.problems != b.problems).any() for a, b in zip(parts, other, strict=True))
    whole = Part.of(log)
    together = parts[0] + parts[1] + parts[2] + parts[3]
    assert together.table.total("attempts") == whole.table.total("attempts")
    assert together.rounds == whole.rounds
    assert together.caps == {8: pytest.approx(1.0)}


def test_mixed_caps_are_predicted_at_each_of_them() -> None:
    short, long = (
        simulate_log(3000, p=0.4, a=0.9, b=0.7, cap=2, name="s"),
        simulate_log(1000, p=0.4, a=0.9, b=0.7, cap=7, name="l"),
    )
    found = hold_out(Episodes.concatenate([short, long]), kinds=KIND)
    for c in found.calibration:
        assert abs(c.z["pooled"]) < 4, c
    want = 0.75 * float(chain_formulas.attempts(0.4, 0.9, 0.7, 2)) + 0.25 * float(chain_formulas.attempts(0.4, 0.9, 0.7, 7))
    assert {c.what: c for c in found.calibration}["attempts"].predicted["pooled"] == pytest.approx(want, abs=0.05)


def test_bad_input_is_named() -> None:
    log = simulate_log(3, **UNLIKE)
    with pytest.raises(RecordError, match=r"^3 problems cannot be split into 5 folds: use fewer folds or more problems$"):
        hold_out(log)
    with pytest.raises(
        RecordError, match=r"^kinds are heterogeneous: 'pooled' must be among them, the others are compared with it$"
    ):
        hold_out(log, kinds=["heterogeneous"])
    assert list(KINDS) == ["pooled", "heterogeneous", "heterogeneous decisions"]


# ---------------------------------------------------------------------- the recommended cap


def test_alike_problems_make_every_attempt_worth_the_same() -> None:
    """The ratio p(1-p)(a+b-1)/q at every T, so one attempt or no cap: 0.24 * 0.6 / 0.46 = 0.313 here."""
    chain = RolloutChain.of(0.4, 0.9, 0.7)
    advice = advise_cap(chain, cost=0.3, largest=12)
    assert [row.marginal for row in advice.table] == pytest.approx([0.4 * 0.6 * 0.6 / 0.46] * 12)
    assert advice.cap is None
    assert advise_cap(chain, cost=0.32, largest=12).cap == 1
    assert advise_cap(RolloutChain.of(0.4, 0.3, 0.5), cost=0.0).cap == 1  # reflection hurts


def test_unlike_problems_have_a_best_cap_and_it_is_the_best_of_the_table() -> None:
    chain = RolloutChain(BetaRate(0.4, 0.5), BetaRate(0.9), BetaRate(0.9))
    advice = advise_cap(chain, cost=0.03)
    assert advice.cap == max(advice.table, key=lambda row: row.net).cap == 13
    rows = advice.table
    for one, more in itertools.pairwise(rows[:20]):
        slope = (more.accuracy - one.accuracy) / (more.attempts - one.attempts)
        assert one.marginal == pytest.approx(slope, rel=1e-6)
        assert more.marginal < one.marginal
    assert "smallest cap" in advice.rule
    with pytest.raises(RecordError, match=r"^cost is -1: must be finite and >= 0, in units of accuracy per attempt$"):
        advise_cap(chain, cost=-1)
