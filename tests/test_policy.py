"""Policies: logits and probabilities, extremes, what is refused and in which words, and that nothing can change one."""

from __future__ import annotations

import copy
import pickle
import re

import gmpy2
import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import logistic, softmax
from strategies import Case, cases

from dstheory import Features, Policy, TwoStageMDP, solve
from dstheory.chain.policy import log_sigmoid, sigmoid
from dstheory.errors import ChainError

NAN, INF = float("nan"), float("inf")


def refused(words: str, make) -> None:
    with pytest.raises(ChainError) as caught:
        make()
    assert str(caught.value) == words


# ---------------------------------------------------------------------- log-ratios


def true_log_ratios(own: np.ndarray, others: np.ndarray) -> list[float]:
    with gmpy2.context(precision=1200):  # 360 digits: more than the smallest float that is looked at
        log_p, log_q = ([gmpy2.mpfr(v) - gmpy2.log(sum(gmpy2.exp(w) for w in row)) for v in row] for row in (own, others))
        return [float(p - q) for p, q in zip(log_p, log_q, strict=True)]


@pytest.mark.parametrize("scale", [1.0, 30.0, 800.0])
@pytest.mark.parametrize("shift", [0.0, 1e-3, -3e3, 5e5])
@pytest.mark.parametrize("away", [1e-13, 1e-8, 1e-3, 0.4, 5.0])
def test_log_ratios_have_their_digits_however_near_and_whatever_is_added(scale: float, shift: float, away: float) -> None:
    """Half of the rows have an answer of which the other policy thinks quite otherwise."""
    rng = np.random.default_rng(7)
    own = rng.uniform(-scale, scale, size=(40, 3))
    others = own + away * rng.normal(size=(40, 3)) + shift
    for i in range(40):
        others[i, i % 3] += (-100.0, 0.0, 1.0, 0.0)[i % 4]
    for rows in (slice(0, None, 2), slice(1, None, 2)):  # of the second half all answers are near
        tables = [Policy.tabular(z[rows], np.zeros((20, 3))) for z in (own, others)]
        true = [true_log_ratios(*row) for row in zip(own[rows], others[rows], strict=True)]
        np.testing.assert_allclose(tables[0].log_ratios(tables[1])[0][0], true, rtol=1e-11, atol=1e-290)


def test_log_ratios_where_one_policy_rules_an_answer_out() -> None:
    some, every = (Policy.from_probabilities([row], [[0.5] * 3]) for row in ([0.5, 0.5, 0.0], [0.3, 0.3, 0.4]))
    up, down = np.log(0.5 / 0.3), np.log(0.3 / 0.5)
    np.testing.assert_allclose(some.log_ratios(every)[0], [[[up, up, -INF]]], rtol=1e-14)
    np.testing.assert_allclose(every.log_ratios(some)[0], [[[down, down, INF]]], rtol=1e-14)
    np.testing.assert_array_equal(some.log_ratios(some)[0], [[[0.0, 0.0, NAN]]])
    np.testing.assert_allclose(some.gaps(every)[0], [[[-0.2, -0.2, 0.4]]], rtol=1e-14)


# ---------------------------------------------------------------------- logits and probabilities


@given(case=cases())
def test_probabilities_are_softmax_and_logistic_of_the_logits(case: Case) -> None:
    for policy in (case.policy, case.reference):
        pi, stop = softmax(policy.sample_logits), logistic(policy.stop_logits)
        np.testing.assert_allclose(policy.sample_prob, pi, rtol=1e-14)
        np.testing.assert_allclose(policy.stop_prob, stop, rtol=1e-14)
        np.testing.assert_allclose(policy.resample_prob, 1 - stop, rtol=1e-12)
        inside = case.mdp.inside
        np.testing.assert_allclose(policy.log_sample[:, inside], np.log(pi[:, inside]), rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(policy.log_stop, np.log(stop), rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(policy.log_resample, np.log1p(-stop), rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(policy.sample_prob.sum(axis=-1), 1.0, rtol=1e-15)
        assert (policy.log_sample[:, ~inside] == -INF).all()


@given(u=st.floats(-1e4, 1e4))
def test_logistic_functions_to_the_last_digits(u: float) -> None:
    with mpmath.workdps(40):
        exact = 1 / (1 + mpmath.e ** -mpmath.mpf(u))
        assert float(sigmoid(np.array(u))) == pytest.approx(float(exact), rel=4e-16, abs=1e-323)
        assert float(log_sigmoid(np.array(u))) == pytest.approx(float(mpmath.log(exact)), rel=4e-16)


def test_logistic_functions_at_the_ends() -> None:
    with np.errstate(all="raise"):
        assert sigmoid(np.array([-INF, INF])).tolist() == [0, 1]
        assert log_sigmoid(np.array([-INF, INF])).tolist() == [-INF, 0]


def test_a_common_shift_of_the_logits_loses_no_digits() -> None:
    """Logits near 1000 that differ by 1e-3: the normaliser must not round the difference away."""
    near, far = (Policy.tabular(np.array([[0.0, 1e-3, -2.0]]) + shift, np.zeros((1, 3))) for shift in (0.0, 1024.0))
    np.testing.assert_allclose(far.log_sample, near.log_sample, atol=3e-13)  # the shifted logits themselves have 2e-13
    exact = Policy.tabular([[1000.0, 1000.0]], [[0.0, 0.0]])
    assert exact.log_sample.tolist() == [[[-np.log(2.0)] * 2]]


def test_logits_as_far_apart_as_floats_go() -> None:
    with np.errstate(all="raise", under="ignore"):
        policy = Policy.tabular([[1e308, -1e308, -INF]], [[1e308, -1e308, INF]])
        assert policy.sample_prob.tolist() == [[[1, 0, 0]]]
        assert policy.log_sample[0, 0, 2] == -INF
        assert policy.stop_prob.tolist() == [[[1, 0, 1]]]
        assert policy.log_resample.tolist() == [[[-1e308, 0, -INF]]]


@given(p=st.floats(1e-9, 1 - 1e-9), a=st.floats(1e-9, 1 - 1e-9), b=st.floats(1e-9, 1 - 1e-9))
def test_minimal_gives_back_its_probabilities(p: float, a: float, b: float) -> None:
    policy = Policy.minimal(p=p, a=a, b=b)
    np.testing.assert_allclose(policy.sample_prob, [[[p, 1 - p]]], rtol=1e-12)
    np.testing.assert_allclose(policy.stop_prob[0, 0, 0], a, rtol=1e-12)
    np.testing.assert_allclose(policy.resample_prob[0, 0, 1], b, rtol=1e-12)
    again = Policy.minimal(theta=policy.parameters[0])
    np.testing.assert_array_equal(again.sample_logits, policy.sample_logits)
    assert again.features.names == ("theta_s", "theta_C", "theta_W")


def test_minimal_over_runs() -> None:
    policy = Policy.minimal(p=[0.2, 0.4], a=0.5, b=[[0.1], [0.3], [0.6]])
    assert policy.runs == (3, 2)
    np.testing.assert_allclose(policy.sample_prob[..., 0, 0, 0], [[0.2, 0.4]] * 3)
    np.testing.assert_allclose(policy.resample_prob[..., 0, 0, 1], [[0.1] * 2, [0.3] * 2, [0.6] * 2])


@given(case=cases())
def test_from_probabilities_inverts(case: Case) -> None:
    again = Policy.from_probabilities(case.policy.sample_prob, case.policy.stop_prob)
    np.testing.assert_allclose(again.sample_prob, case.policy.sample_prob, rtol=1e-12)
    np.testing.assert_allclose(again.stop_prob, case.policy.stop_prob, rtol=1e-12)


def test_certain_choices_are_certain() -> None:
    policy = Policy.from_probabilities([[0.0, 1.0]], [[0.0, 1.0]])
    assert policy.sample_prob.tolist() == [[[0, 1]]]
    assert policy.stop_prob.tolist() == [[[0, 1]]]
    assert policy.resample_prob.tolist() == [[[1, 0]]]


def test_rows_may_be_ragged_and_off_by_rounding() -> None:
    policy = Policy.from_probabilities([[0.333333333, 0.333333333, 0.333333334], [1.0]], [[0.5, 0.5, 0.5], [0.25]])
    assert policy.shape == (1, 2, 3)
    assert policy.sample_prob[0, 1].tolist() == [1, 0, 0]
    np.testing.assert_allclose(policy.sample_prob.sum(axis=-1), 1.0, rtol=1e-15)
    solve(TwoStageMDP(correct=[[1, 0, 0], [1]]), policy)


def test_probabilities_of_single_precision_are_normalised() -> None:
    rng = np.random.default_rng(0)
    table = rng.dirichlet(np.ones(50), size=20).astype(np.float32)
    policy = Policy.from_probabilities(table, np.full((20, 50), 0.5, dtype=np.float32))
    np.testing.assert_allclose(policy.sample_prob[0], table, rtol=1e-5)
    np.testing.assert_allclose(policy.sample_prob.sum(axis=-1), 1.0, rtol=1e-15)
    with pytest.raises(ChainError, match="sum of sampling probabilities"):
        Policy.from_probabilities(table * np.float32(0.999), np.full((20, 50), 0.5))
    with pytest.raises(ChainError, match="sum of sampling probabilities"):
        Policy.from_probabilities(table.astype(np.float64), np.full((20, 50), 0.5))  # a float64 row has no such excuse


def test_uniform() -> None:
    mdp = TwoStageMDP(correct=[[1, 0, 0], [1]], max_turns=3)
    policy = Policy.uniform(mdp, stop=0.25)
    np.testing.assert_allclose(policy.sample_prob, [[[1 / 3] * 3, [1, 0, 0]]])
    np.testing.assert_allclose(policy.stop_prob, 0.25)
    assert Policy.uniform(mdp, turn_indexed=True).shape == (3, 2, 3)
    assert Policy.uniform(mdp, stop=1.0).resample_prob.max() == 0
    assert Policy.uniform(mdp, stop=0.0).stop_prob.max() == 0
    refused("stop is 1.5: must lie in [0, 1]; it is a probability", lambda: Policy.uniform(mdp, stop=1.5))
    refused("stop is nan: must lie in [0, 1]; it is a probability", lambda: Policy.uniform(mdp, stop=NAN))
    refused("a turn-indexed policy needs a chain with a cap: give it max_turns",
            lambda: Policy.uniform(mdp.replace(max_turns=None), turn_indexed=True))  # fmt: skip


def test_tables_of_two_axes_are_stationary_and_more_are_turns_and_runs() -> None:
    assert Policy.tabular(np.zeros((2, 3)), np.zeros((2, 3))).shape == (1, 2, 3)
    assert Policy.tabular(np.zeros((4, 2, 3)), np.zeros((4, 2, 3))).shape == (4, 2, 3)
    many = Policy.tabular(np.zeros((5, 4, 2, 3)), np.zeros((5, 4, 2, 3)))
    assert (many.runs, many.shape) == ((5,), (4, 2, 3))


# ---------------------------------------------------------------------- linear policies


def test_linear_policies_are_affine_in_their_parameters() -> None:
    rng = np.random.default_rng(1)
    sample, decide = rng.normal(size=(2, 1, 2, 3, 4))
    features = Features(sample, decide, sample_offset=rng.normal(size=(1, 2, 3)), decide_offset=np.array([0.5]))
    phi = rng.normal(size=(6, 4))
    policy = Policy.linear(features, phi)
    for r in range(6):
        for x in range(2):
            for y in range(3):
                z = features.sample_offset[0, x, y] + sum(sample[0, x, y, j] * phi[r, j] for j in range(4))
                u = 0.5 + sum(decide[0, x, y, j] * phi[r, j] for j in range(4))
                assert policy.sample_logits[r, 0, x, y] == pytest.approx(z)
                assert policy.stop_logits[r, 0, x, y] == pytest.approx(u)
    one = rng.normal(size=(1, 2, 3))
    by_sample, by_decide = features.pull_back(one, 2 * one)
    np.testing.assert_allclose(by_sample, one.ravel() @ sample.reshape(-1, 4))
    np.testing.assert_allclose(by_decide, 2 * one.ravel() @ decide.reshape(-1, 4))
    assert features.names == ("phi[0]", "phi[1]", "phi[2]", "phi[3]")


@given(case=cases())
def test_with_parameters_keeps_the_form(case: Case) -> None:
    moved = case.policy.with_parameters(tuple(b + 0.5 for b in case.policy.parameters))
    assert moved.features is case.policy.features
    for old, new in zip(case.policy.parameters, moved.parameters, strict=True):
        np.testing.assert_array_equal(new, old + 0.5)
    same = case.policy.with_parameters(case.policy.parameters)
    np.testing.assert_array_equal(same.sample_logits, case.policy.sample_logits)


def test_features_take_any_numbers_and_name_what_does_not_fit() -> None:
    features = Features([[[[1]], [[0]]]], np.ones((1, 2, 1, 1), dtype=np.float32))
    assert features.sample.dtype == features.decide.dtype == np.float64
    ones = np.ones((1, 2, 3, 4))
    refused("features have shapes (1, 1) (sample) and (1, 1) (decide): both must be (turns, prompts, answers, parameters)",
            lambda: Features([[1]], [[1]]))  # fmt: skip
    with pytest.raises(ChainError, match=re.escape("(1, 2, 3, 4) (sample) and (1, 2, 3, 5) (decide): both must be")):
        Features(ones, np.ones((1, 2, 3, 5)))
    bad = ones.copy()
    bad[0, 1, 2, 3] = NAN
    place = "sample features at turn 0, prompt 1, answer 2, parameter 3"
    refused(f"{place} is nan: must be finite; rule answers out by an offset of -inf", lambda: Features(bad, ones))
    refused("sample_offset has shape (1, 3, 3): must broadcast to (turns, prompts, answers) = (1, 2, 3)",
            lambda: Features(ones, ones, sample_offset=np.zeros((1, 3, 3))))  # fmt: skip
    refused("decide_offset has shape (1, 1, 1, 1): must broadcast to (turns, prompts, answers) = (1, 2, 3)",
            lambda: Features(ones, ones, decide_offset=np.zeros((1, 1, 1, 1))))  # fmt: skip
    refused("2 names for 4 parameters: give one per parameter", lambda: Features(ones, ones, names=("a", "b")))
    refused("parameters have shape (3,): the features have 4 parameters", lambda: Policy.linear(Features(ones, ones), [0] * 3))
    refused("parameters have shape (): the features have 4 parameters", lambda: Policy.linear(Features(ones, ones), 1.0))
    refused("parameter at index 2 is inf: must be finite; give a finite number",
            lambda: Policy.linear(Features(ones, ones), [0, 0, INF, 0]))  # fmt: skip


# ---------------------------------------------------------------------- what is refused


def test_probabilities_that_are_none_are_named() -> None:
    half = [[0.5, 0.5], [0.5, 0.5]]
    refused("sampling probability at prompt 1, answer 0 is -0.5: must lie in [0, 1]; correct that entry",
            lambda: Policy.from_probabilities([[0.5, 0.5], [-0.5, 1.0]], half))  # fmt: skip
    refused("sampling probability at prompt 0, answer 1 is nan: must lie in [0, 1]; correct that entry",
            lambda: Policy.from_probabilities([[0.5, NAN], [0.5, 0.5]], half))  # fmt: skip
    refused("stop probability at prompt 1, answer 1 is 1.5: must lie in [0, 1]; correct that entry",
            lambda: Policy.from_probabilities(half, [[0.5, 0.5], [0.5, 1.5]]))  # fmt: skip
    refused("sum of sampling probabilities at prompt 1 is 0.75: must be 1; normalise the row",
            lambda: Policy.from_probabilities([[0.5, 0.5], [0.5, 0.25]], half))  # fmt: skip
    refused("sum of sampling probabilities at run (1,), turn 0, prompt 0 is 0.0: must be 1; normalise the row",
            lambda: Policy.from_probabilities([[[[1.0]]], [[[0.0]]]], [[[[1.0]]], [[[1.0]]]]))  # fmt: skip
    refused("sample and stop have rows of different lengths: give one stop probability per answer",
            lambda: Policy.from_probabilities([[0.5, 0.5], [1.0]], [[0.5, 0.5], [0.5, 0.5]]))  # fmt: skip
    refused("sum of sampling probabilities is 0.5: must be 1; normalise the row", lambda: Policy.from_probabilities(0.5, 0.5))
    many = np.full((500, 3), 1 / 3)
    many[7:] = 0.5
    with pytest.raises(ChainError, match=r"at prompt 7 is 1\.5; prompt 8 is 1\.5; prompt 9 is 1\.5 \(and 490 more\): must be 1"):
        Policy.from_probabilities(many, many)
    refused("sample: [[0.5, 'x']] is not an array of numbers; give a number or a rectangular array",
            lambda: Policy.from_probabilities([[0.5, "x"]], [[0.5, 0.5]]))  # fmt: skip


def test_minimal_wants_probabilities_inside_the_unit_interval() -> None:
    refused("a is 1.0: must lie strictly between 0 and 1; use Policy.from_probabilities for a certain choice",
            lambda: Policy.minimal(p=0.5, a=1.0, b=0.5))  # fmt: skip
    refused("p at run (1,) is 0.0: must lie strictly between 0 and 1; use Policy.from_probabilities for a certain choice",
            lambda: Policy.minimal(p=[0.5, 0.0], a=0.5, b=0.5))  # fmt: skip
    with pytest.raises(ChainError, match=r"^b is nan"):
        Policy.minimal(p=0.5, a=0.5, b=NAN)
    refused("Policy.minimal needs p, a and b, or theta", Policy.minimal)
    refused("Policy.minimal needs all of p, a and b: give b too", lambda: Policy.minimal(p=0.5, a=0.5))
    refused("Policy.minimal needs p, a and b, or theta", lambda: Policy.minimal(theta=[0, 0, 0], p=0.5))
    refused("parameters have shape (2,): the features have 3 parameters", lambda: Policy.minimal(theta=[0, 0]))
    refused("parameter at index 1 is nan: must be finite; give a finite number", lambda: Policy.minimal(theta=[0, NAN, 0]))


def test_logits_that_are_none_are_named() -> None:
    zeros = np.zeros((2, 2))
    both = "both must be (prompts, answers), or (*runs, turns, prompts, answers)"
    refused(f"sampling and stops have the shapes (1, 2, 2) and (1, 2, 3): {both}",
            lambda: Policy.tabular(zeros, np.zeros((2, 3))))  # fmt: skip
    refused(f"sampling and stops have the shapes (2,) and (2,): {both}",
            lambda: Policy.tabular([0.0, 0.0], [0.0, 0.0]))  # fmt: skip
    for value in (NAN, INF):
        rule = "must be below +inf; give a number, or -inf to rule it out"
        refused(f"sampling logit at turn 0, prompt 1, answer 0 is {value}: {rule}",
                lambda value=value: Policy.tabular([[0, 0], [value, 0]], zeros))  # fmt: skip
    refused("largest sampling logit at turn 0, prompt 1 is -inf: must be finite; leave at least one answer possible",
            lambda: Policy.tabular([[0, 0], [-INF, -INF]], zeros))  # fmt: skip
    refused("stop logit at turn 0, prompt 0, answer 1 is nan: must not be NaN; give a number",
            lambda: Policy.tabular(zeros, [[0, NAN], [0, 0]]))  # fmt: skip


def test_a_policy_is_checked_against_its_chain() -> None:
    mdp = TwoStageMDP(correct=[[1, 0], [1]], prompts=["first", "second"])
    fits = Policy.uniform(mdp)
    fits.check_fits(mdp)
    refused("the policy has 1 prompt x 2 answers but the chain has 2 x 2",
            lambda: Policy.minimal(p=0.5, a=0.5, b=0.5).check_fits(mdp))  # fmt: skip
    refused("the expert is indexed by 3 turns but the chain has no cap: needs 1 (stationary) or exactly the cap",
            lambda: Policy.uniform(mdp.replace(max_turns=3), turn_indexed=True).check_fits(mdp, "expert"))  # fmt: skip
    refused("the policy is indexed by 3 turns but the chain has 4 turns: needs 1 (stationary) or exactly the cap",
            lambda: Policy.uniform(mdp.replace(max_turns=3), turn_indexed=True).check_fits(mdp.replace(max_turns=4)))  # fmt: skip
    stray = Policy.tabular(np.zeros((2, 2)), np.zeros((2, 2)))
    refused(
        "sampling logit of the policy at turn 0, prompt 'second', answer 1 is 0.0: must be -inf in the padding; "
        "that prompt has fewer answers", lambda: stray.check_fits(mdp),
    )  # fmt: skip
    runs = Policy.tabular(np.zeros((3, 1, 1, 2)), np.zeros((3, 1, 1, 2)))
    refused("the policy has runs (3,), the chain (2,): they do not fit together",
            lambda: runs.check_fits(TwoStageMDP.minimal(gamma=[0.5, 0.9])))  # fmt: skip
    runs.check_fits(TwoStageMDP.minimal(gamma=[[0.5], [0.9]]))


# ---------------------------------------------------------------------- nothing changes it


def test_attributes_cannot_be_set_or_deleted() -> None:
    policy = Policy.minimal(p=0.5, a=0.5, b=0.5)
    with pytest.raises(AttributeError, match=re.escape("sample_logits cannot be set; use policy.with_parameters(...)")):
        policy.sample_logits = np.zeros((1, 1, 2))
    with pytest.raises(AttributeError, match="immutable: features cannot be deleted"):
        del policy.features


@given(case=cases())
def test_arrays_refuse_writes(case: Case) -> None:
    for policy in (case.policy, case.reference):
        tables = (policy.sample_logits, policy.stop_logits, policy.sample_prob, policy.stop_prob, policy.resample_prob)
        for array in (*tables, policy.log_sample, policy.log_stop, policy.log_resample, *policy.parameters):
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0


def test_the_callers_arrays_stay_the_callers() -> None:
    z, u = np.zeros((1, 2)), np.zeros((1, 2))
    tabular, direct = Policy.tabular(z, u), Policy(z[None], u[None])
    pi, stop = np.full((1, 2), 0.5), np.full((1, 2), 0.5)
    from_table = Policy.from_probabilities(pi, stop)
    phi, offset, sample = np.zeros(3), np.zeros((1, 1, 2)), np.ones((1, 1, 2, 3))
    features = Features(sample, sample.copy(), sample_offset=offset)
    linear, moved = Policy.linear(features, phi), tabular.with_parameters((z[None], u[None]))
    for array in (z, u, pi, stop, phi, offset, sample):
        array[...] += 7.0
    for policy in (tabular, direct, from_table, linear, moved):
        assert not policy.sample_logits.max() > 0
        assert policy.stop_logits.tolist() == [[[0, 0]]]
        assert not any(block.max() > 0 for block in policy.parameters)
    assert features.sample.max() == 1.0
    assert features.sample_offset.max() == 0.0


def test_a_table_that_nobody_can_write_is_not_copied() -> None:
    policy = Policy.tabular(np.zeros((4, 5)), np.zeros((4, 5)))
    again = policy.with_parameters(policy.parameters)
    assert again.sample_logits is policy.sample_logits


@given(case=cases(), how=st.sampled_from([copy.copy, copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))]))
def test_copies_and_pickles_are_the_same_policy_and_as_immutable(case: Case, how) -> None:
    case.policy.sample_prob  # noqa: B018  (what was computed and kept must not get in the way)
    other = how(case.policy)
    for name in ("sample_logits", "stop_logits", "sample_prob"):
        np.testing.assert_array_equal(getattr(other, name), getattr(case.policy, name))
    assert len(other.parameters) == len(case.policy.parameters)
    assert (other.features is None) == (case.policy.features is None)
    with pytest.raises(AttributeError, match="immutable"):
        other.stop_logits = None
    with pytest.raises(ValueError, match="read-only"):
        other.parameters[0][...] = 0
    assert float(solve(case.mdp, other).mean_value) == float(solve(case.mdp, case.policy).mean_value)


def test_reprs_say_what_kind_it_is() -> None:
    many, turns = Policy.minimal(p=[0.5] * 2, a=0.5, b=0.5), Policy.tabular(np.zeros((3, 2, 2)), np.zeros((3, 2, 2)))
    assert repr(many) == "Policy(linear in 3 parameters, stationary, 1 prompt x 2 answers, runs (2,))"
    assert repr(turns) == "Policy(tabular, indexed by 3 turns, 2 prompts x 2 answers)"


def test_log_ratios_of_a_run_do_not_depend_on_the_runs_beside_it() -> None:
    """Of the first, gaps that differ by little are corrected; those of the second need nothing."""
    logits = np.array([[[[0.3, -30.1, -2.0]]], [[[0.1, 5.3, -0.7]]]])
    others = np.array([[[[0.2, -30.2000001, -2.1]]], [[[0.1, 5.5, -0.4]]]])
    stops = np.zeros_like(logits)
    both = Policy.tabular(logits, stops).log_ratios(Policy.tabular(others, stops))
    for i in range(2):
        alone = Policy.tabular(logits[i], stops[i]).log_ratios(Policy.tabular(others[i], stops[i]))
        for table, one in zip(both, alone, strict=True):
            np.testing.assert_array_equal(table[i], one)
