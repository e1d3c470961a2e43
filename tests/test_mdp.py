"""The chain: what it accepts, what it refuses and in which words, and that nothing can change it."""

from __future__ import annotations

import copy
import pickle
import re
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import Case, cases

from dstheory import Policy, TwoStageMDP, solve
from dstheory.chain.mdp import pad_rows
from dstheory.checks import compact, float_array, frozen, reject
from dstheory.errors import ChainError, DSTheoryError

RAGGED = [[1, 0], [0, 1, 1]]
TABLES = (
    "reward_stop", "reward_resample", "reward_stop_variance", "reward_resample_variance", "sample_length", "decision_length",
)  # fmt: skip


def refused(words: str, **settings) -> None:
    """Making the chain fails with exactly this sentence."""
    with pytest.raises(ChainError) as caught:
        TwoStageMDP(**({"correct": RAGGED} | settings))
    assert str(caught.value) == words


# ---------------------------------------------------------------------- what it accepts


def test_defaults_are_terminal_accuracy_without_cost() -> None:
    mdp = TwoStageMDP(correct=RAGGED)
    assert mdp.reward_stop.tolist() == [[1, 0, 0], [0, 1, 1]]
    assert not mdp.reward_resample.any()
    assert mdp.sample_length.tolist() == [[1] * 3] * 2
    assert mdp.prompt_weight.tolist() == [0.5, 0.5]
    assert (float(mdp.gamma), mdp.discount_per, mdp.max_turns, mdp.runs) == (0.95, "turn", None, ())
    assert mdp.n_pairs == 5
    assert mdp.inside.tolist() == [[True, True, False], [True] * 3]


def test_the_price_of_a_resample() -> None:
    mdp = TwoStageMDP(correct=RAGGED, resample_cost=0.25)
    assert mdp.reward_resample.tolist() == [[-0.25, -0.25, 0], [-0.25] * 3]  # 0 in the padding
    assert mdp.reward_stop.tolist() == [[1, 0, 0], [0, 1, 1]]
    assert TwoStageMDP.minimal(resample_cost=[0.1, 0.2]).reward_resample.tolist() == [[[-0.1, -0.1]], [[-0.2, -0.2]]]


def test_four_numbers_make_both_tables() -> None:
    four = {"stop_correct": 1, "resample_correct": 2, "stop_wrong": 3, "resample_wrong": 4}
    mdp = TwoStageMDP(correct=RAGGED, reward=four)
    assert mdp.reward_stop.tolist() == [[1, 3, 0], [3, 1, 1]]
    assert mdp.reward_resample.tolist() == [[2, 4, 0], [4, 2, 2]]
    runs = TwoStageMDP.minimal(reward=four | {"stop_wrong": [3.0, 30.0]})
    assert runs.reward_stop.tolist() == [[[1, 3]], [[1, 30]]]
    assert runs.runs == (2,)


def test_ragged_rows_and_padded_arrays_make_the_same_chain() -> None:
    lengths = [[1, 2], [3, 4, 5]]
    padded = [[1, 2, np.nan], [3, 4, 5]]  # whatever stands in the padding never counts
    one = TwoStageMDP(correct=RAGGED, sample_length=lengths, reward_stop=lengths)
    two = TwoStageMDP(correct=[[1, 0, 9], [0, 1, 1]], n_answers=[2, 3], sample_length=padded, reward_stop=padded)
    for name in ("correct", "inside", "n_answers", *TABLES):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)
    assert one.sample_length[0, 2] == 1.0  # a neutral length, so that powers of it are defined
    assert one.reward_stop[0, 2] == 0.0


@pytest.mark.parametrize(
    "convert",
    [
        lambda t: t.astype(np.float32),
        lambda t: t.astype(np.int64),
        lambda t: np.asfortranarray(t),
        lambda t: np.repeat(t, 2, axis=1)[:, ::2],
        lambda t: t.tolist(),
        lambda t: tuple(map(tuple, t.tolist())),
        lambda t: frozen(t),
        lambda t: np.broadcast_to(t, (2, 3)),
    ],
)
def test_any_layout_and_type_of_numbers_will_do(convert) -> None:
    table = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    mdp = TwoStageMDP(correct=convert(table), reward_stop=convert(3 * table), sample_length=convert(table + 2))
    plain = TwoStageMDP(correct=table, reward_stop=3 * table, sample_length=table + 2)
    for name in ("correct", *TABLES):
        assert getattr(mdp, name).dtype == np.float64
        np.testing.assert_array_equal(getattr(mdp, name), getattr(plain, name))
    policy = Policy.uniform(plain)
    np.testing.assert_array_equal(solve(mdp, policy).value, solve(plain, policy).value)


def test_numbers_and_rows_broadcast_but_prompts_and_answers_do_not_multiply() -> None:
    mdp = TwoStageMDP(correct=[[1, 0, 0], [0, 1, 0]], sample_length=[1, 2, 3], decision_length=[[4], [5]], reward_stop=7)
    assert mdp.sample_length.tolist() == [[1, 2, 3]] * 2
    assert mdp.decision_length.tolist() == [[4] * 3, [5] * 3]
    assert mdp.reward_stop.tolist() == [[7] * 3] * 2
    for name in TABLES:
        for shape in ((3, 2), (4, 3, 2), (2, 2, 1)):
            with pytest.raises(ChainError, match=rf"^{name} has shape .*: its last two axes must broadcast to .* = \(1, 2\)$"):
                TwoStageMDP.minimal(**{name: np.ones(shape)})
    with pytest.raises(ChainError, match=r"sample_length has shape \(5,\)"):
        TwoStageMDP(correct=[[1]], sample_length=np.ones(5))


def test_weights_are_normalised_without_overflow() -> None:
    assert TwoStageMDP(correct=RAGGED, prompt_weight=[1e308, 1e308]).prompt_weight.tolist() == [0.5, 0.5]
    assert TwoStageMDP(correct=RAGGED, prompt_weight=[0, 3]).prompt_weight.tolist() == [0, 1]
    assert TwoStageMDP(correct=RAGGED, prompt_weight=[5e-324, 0]).prompt_weight.tolist() == [1, 0]


def test_discounts_within_and_between() -> None:
    per_turn, per_stage = (TwoStageMDP.minimal(gamma=[0.0, 0.5], discount_per=per) for per in ("turn", "stage"))
    assert per_turn.gamma_within.tolist() == [1, 1]
    assert per_stage.gamma_within.tolist() == [0, 0.5]
    assert per_turn.gamma_between.tolist() == per_stage.gamma_between.tolist() == [0, 0.5]


def test_pad_rows() -> None:
    table, counts = pad_rows([[1.5], [], [2, 3]], fill=-1)
    assert table.tolist() == [[1.5, -1], [-1, -1], [2, 3]]
    assert counts.tolist() == [1, 0, 2]


def test_reprs_say_what_matters() -> None:
    assert repr(TwoStageMDP(correct=RAGGED)) == "TwoStageMDP(2 prompts x up to 3 answers, gamma 0.95 per turn, no cap)"
    capped = TwoStageMDP(correct=RAGGED, gamma=[0.1, 0.2], max_turns=4, discount_per="stage")
    assert repr(capped) == "TwoStageMDP(2 prompts x up to 3 answers, gamma (2,) values per stage, at most 4 turns)"


# ---------------------------------------------------------------------- what it refuses


def test_numbers_out_of_range_are_named_with_place_value_rule_and_remedy() -> None:
    nan, inf = float("nan"), float("inf")
    refused("correct at prompt 1, answer 1 is 0.5: must be 0 or 1; mark each answer right or wrong", correct=[[1], [0, 0.5]])
    refused("correct at prompt 0, answer 1 is nan: must be 0 or 1; mark each answer right or wrong", correct=[[1, nan], [0]])
    refused(
        "sample_length at prompt 'b', answer 0 is 0.5: must be finite and >= 1; correct that entry",
        sample_length=[[1, 1], [0.5, 1, 1]], prompts=["a", "b"],
    )  # fmt: skip
    refused("decision_length at prompt 0, answer 1 is inf: must be finite and >= 1; correct that entry",
            decision_length=[[1, inf], [1, 1, 1]])  # fmt: skip
    refused("reward_stop at prompt 1, answer 1 is nan: must be finite; correct that entry", reward_stop=[[1, 1], [1, nan, 1]])
    refused("reward_resample at prompt 0, answer 0 is -inf: must be finite; correct that entry",
            reward_resample=[[-inf, 1], [1, 1, 1]])  # fmt: skip
    refused("reward_stop_variance at prompt 0, answer 1 is -1.0: must be finite and >= 0; correct that entry",
            reward_stop_variance=[[0, -1], [0, 0, 0]])  # fmt: skip
    refused("reward_resample_variance at prompt 0, answer 0 is nan: must be finite and >= 0; correct that entry",
            reward_resample_variance=[[nan, 1], [0, 0, 0]])  # fmt: skip
    refused("prompt_weight at prompt 1 is -2.0: must be finite and >= 0; give prompts that never occur the weight 0",
            prompt_weight=[1, -2])  # fmt: skip
    refused("prompt_weight at prompt 0 is nan: must be finite and >= 0; give prompts that never occur the weight 0",
            prompt_weight=[nan, 1])  # fmt: skip
    refused("prompt_weight is zero for every prompt: at least one must be positive", prompt_weight=[0, 0])
    refused("gamma is 1.5: must lie in [0, 1]; 1 means no discount", gamma=1.5)
    refused("gamma is nan: must lie in [0, 1]; 1 means no discount", gamma=nan)
    refused("gamma at run (1,) is -0.1: must lie in [0, 1]; 1 means no discount", gamma=[0.5, -0.1])
    refused("resample_cost is -1.0: must be finite and >= 0; a bonus for resampling is set with reward=", resample_cost=-1)
    refused("resample_cost is inf: must be finite and >= 0; a bonus for resampling is set with reward=", resample_cost=inf)


def test_runs_are_named_before_prompts() -> None:
    rewards = np.zeros((2, 2, 3))
    rewards[1, 0, 1] = np.inf
    refused("reward_stop at run (1,), prompt 0, answer 1 is inf: must be finite; correct that entry", reward_stop=rewards)


def test_a_thousand_bad_entries_are_counted_and_the_first_named() -> None:
    refused(
        "sample_length at prompt 0, answer 0 is 0.0; prompt 0, answer 1 is 0.0; prompt 0, answer 2 is 0.0 (and 4997 more): "
        "must be finite and >= 1; correct that entry",
        correct=np.zeros((1000, 5)), sample_length=np.zeros((1000, 5)),
    )  # fmt: skip


def test_padding_is_not_checked_and_not_counted() -> None:
    table = np.full((2, 3), -5.0)
    table[0, 2] = np.nan
    with pytest.raises(ChainError, match=r"\(and 2 more\)"):
        TwoStageMDP(correct=RAGGED, sample_length=table)


def test_shapes_that_do_not_fit_are_named() -> None:
    refused("correct has shape (3,): needs at least one prompt and one answer as an array (prompts, answers)", correct=[1, 0, 1])
    refused("correct has shape (0,): needs at least one prompt and one answer as an array (prompts, answers)", correct=[])
    refused("correct has shape (1, 0): needs at least one prompt and one answer as an array (prompts, answers)", correct=[[]])
    refused("correct has shape (1, 1, 2): needs at least one prompt and one answer as an array (prompts, answers)",
            correct=[[[1, 0]]])  # fmt: skip
    refused("n_answers at prompt 1 is 0: must be a whole number between 1 and 2; give every prompt at least one answer",
            correct=[[1, 0], []])  # fmt: skip
    refused("n_answers has shape (3,): needs one count per prompt, (2,)", correct=[[1, 0], [0, 1]], n_answers=[1, 1, 1])
    refused("n_answers at prompt 0 is 3: must be a whole number between 1 and 2; give every prompt at least one answer",
            correct=[[1, 0], [0, 1]], n_answers=[3, 1])  # fmt: skip
    refused("n_answers at prompt 1 is 1.5: must be a whole number between 1 and 2; give every prompt at least one answer",
            correct=[[1, 0], [0, 1]], n_answers=[1, 1.5])  # fmt: skip
    refused("n_answers at prompt 0 is nan: must be a whole number between 1 and 2; give every prompt at least one answer",
            correct=[[1, 0], [0, 1]], n_answers=[float("nan"), 1])  # fmt: skip
    refused("n_answers at prompt 0 is nan: must be a whole number between 1 and 2; give every prompt at least one answer",
            correct=[[1, 0], [0, 1]], n_answers=np.frombuffer(struct.pack("<2Q", 0x7FF0000000000001, 0x3FF0000000000000), "<f8"))
    refused("n_answers at prompt 0 is 3: must be the length of the prompt's row of correct; leave n_answers out",
            n_answers=[3, 3])  # fmt: skip
    refused("prompt_weight has shape (3,): needs one weight per prompt, (2,)", prompt_weight=[1, 1, 1])
    refused("prompts names 1 prompt but the chain has 2", prompts=["a"])
    refused("reward_stop has 1 entry at prompt 0: needs one per answer, 2", reward_stop=[[1], [1, 2, 3]])
    refused("reward_stop has 2 entries at prompt 'b': needs one per answer, 3", correct=[[1], [0, 1, 1]],
            reward_stop=[[1], [1, 2]], prompts=["a", "b"])  # fmt: skip
    refused("reward_stop has 3 rows: needs one per prompt, 2", reward_stop=[[1], [1, 2, 3], [1]])
    refused("the run axes of the chain's arrays do not fit together: sample_length (3,), gamma (2,)", gamma=[0.5, 0.6],
            sample_length=np.ones((3, 2, 3)))  # fmt: skip


def test_what_is_no_number_is_named() -> None:
    for bad in ([["yes", "no"]], [[1, "x"], [0]], [[1, [0]]], [[None, {}]], [[1 + 2j, 0]], [["1", "0"]]):
        with pytest.raises(ChainError, match=r"correct.*number"):
            TwoStageMDP(correct=bad)
    with pytest.raises(ChainError, match=r"^gamma: 'high' is not an array of numbers; give a number or a rectangular array$"):
        TwoStageMDP.minimal(gamma="high")
    with pytest.raises(ChainError, match=r"^gamma: 10+\.{3}0+ is not an array of numbers"):  # beyond floating point
        TwoStageMDP.minimal(gamma=10**400)
    # The offending table is not printed whole.
    with pytest.raises(ChainError) as caught:
        TwoStageMDP(correct=[[0, 1]] * 5000 + [["?", 1]])
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("cap", [0, -1, 2.5, "abc", "3", float("nan"), float("inf"), True, [3], np.array([1, 2])])
def test_a_cap_is_a_whole_number(cap) -> None:
    with pytest.raises(ChainError, match=r"^max_turns is .*: must be a whole number >= 1, or None for no cap$"):
        TwoStageMDP.minimal(max_turns=cap)


def test_whole_caps_of_any_type_are_fine() -> None:
    for cap in (3, 3.0, np.int64(3), np.array(3)):
        made = TwoStageMDP.minimal(max_turns=cap).max_turns
        assert made == 3
        assert type(made) is int


def test_contradictory_rewards_are_refused() -> None:
    four = dict.fromkeys(("stop_correct", "resample_correct", "stop_wrong", "resample_wrong"), 1.0)
    refused("reward= and reward_stop=/reward_resample= were both given: use one of them", reward=four, reward_stop=1.0)
    refused("reward= and reward_stop=/reward_resample= were both given: use one of them", reward=four, reward_resample=1.0)
    refused("reward= and resample_cost= were both given: put the cost into reward", reward=four, resample_cost=1.0)
    refused("reward_resample= and resample_cost= were both given: put the cost into the table", reward_resample=1.0,
            resample_cost=1.0)  # fmt: skip
    refused(
        "reward is {'resample_correct': 1.0, 'resample_wrong': 1.0, 'stop': 1, 'stop_correct': 1.0}: must be a mapping with the "
        "keys stop_correct, resample_correct, stop_wrong, resample_wrong",
        reward={"stop": 1} | {k: v for k, v in four.items() if k != "stop_wrong"},
    )
    refused(
        "reward is (1, 0, 0, 0): must be a mapping with the keys stop_correct, resample_correct, stop_wrong, resample_wrong",
        reward=(1, 0, 0, 0),
    )
    refused("reward_stop at prompt 0, answer 1 is nan: must be finite; correct that entry", correct=[[1, 0]],
            reward=four | {"stop_wrong": float("nan")})  # fmt: skip
    refused("discount_per is 'step': must be 'turn' or 'stage'", discount_per="step")


def test_errors_are_value_errors_of_the_package() -> None:
    assert issubclass(ChainError, DSTheoryError)
    assert issubclass(DSTheoryError, ValueError)


def test_reject_names_axes_from_the_right() -> None:
    with pytest.raises(ChainError, match=r"^x at run \(1,\), answer 2 is 5: rule; remedy$"):
        values = np.zeros((2, 3), dtype=int)
        values[1, 2] = 5
        reject(values > 0, values, "x", "rule", "remedy", axes=("answer",))
    with pytest.raises(ChainError, match=r"^x at answer 1 is 2: rule; remedy$"):
        reject(np.array([False, True]), [1, 2], "x", "rule", "remedy")
    reject(np.zeros(3, dtype=bool), [1, 2, 3], "x", "rule", "remedy")


# ---------------------------------------------------------------------- nothing changes it


def test_attributes_cannot_be_set_or_deleted() -> None:
    mdp = TwoStageMDP.minimal()
    with pytest.raises(AttributeError, match=re.escape("immutable: use mdp.replace(gamma=...)")):
        mdp.gamma = 0.5
    with pytest.raises(AttributeError, match="immutable"):
        mdp.anything = 1
    with pytest.raises(AttributeError, match="immutable: gamma cannot be deleted"):
        del mdp.gamma


@given(case=cases())
def test_arrays_refuse_writes(case: Case) -> None:
    for name, value in vars(case.mdp).items():
        if isinstance(value, np.ndarray):
            assert not value.flags.writeable, name
            with pytest.raises(ValueError, match="read-only"):
                value[...] = 0


def test_the_callers_arrays_stay_the_callers() -> None:
    """Neither does making a chain change them, nor do later changes of theirs change the chain."""
    given_arrays = {
        "correct": np.array([[1.0, 0.0], [0.0, 1.0]]), "n_answers": np.array([2, 2]), "reward_stop": np.full((2, 2), 3.0),
        "reward_resample": np.full((2, 2), -1.0), "reward_stop_variance": np.full((2, 2), 0.5),
        "reward_resample_variance": np.full((2, 2), 0.25), "sample_length": np.full((2, 2), 4.0),
        "decision_length": np.full((2, 2), 2.0), "prompt_weight": np.array([0.25, 0.75]), "gamma": np.array([0.5, 0.75]),
    }  # fmt: skip
    kept = {name: array.copy() for name, array in given_arrays.items()}
    mdp = TwoStageMDP(**given_arrays)
    for name, array in given_arrays.items():
        np.testing.assert_array_equal(array, kept[name])
        array[...] = 1.0 - array if name == "correct" else array / 2 if array.dtype == float else array - 1
        np.testing.assert_array_equal(getattr(mdp, name), kept[name], err_msg=name)


def test_views_that_refuse_writes_are_copied_if_their_owner_does_not() -> None:
    owner = np.full((1, 2), 3.0)
    for view in (owner.view(), np.broadcast_to(owner, (1, 2)), owner[:, ::-1]):
        view.flags.writeable = False
        mdp = TwoStageMDP.minimal(reward_stop=view)
        owner[...] = 9.0
        assert mdp.reward_stop.tolist() == [[3.0, 3.0]]
        owner[...] = 3.0


def test_what_nobody_can_write_is_not_copied() -> None:
    mdp = TwoStageMDP(correct=np.ones((50, 40)), reward_stop=np.ones((50, 40)))
    again = mdp.replace(gamma=0.5)
    for name in TABLES:
        assert np.shares_memory(getattr(mdp, name), getattr(again, name)), name
    assert compact(mdp.sample_length).size == 1  # one number, not 2,000
    assert compact(again.reward_resample).size == 1
    wide = np.broadcast_to(np.full((50, 1), 2.0), (50, 40))
    assert compact(TwoStageMDP(correct=np.ones((50, 40)), sample_length=wide).sample_length).size == 50


def test_frozen_handles_every_kind_of_array() -> None:
    for array in (np.float64(3.0) * np.ones(()), np.zeros((0, 2)), np.frombuffer(bytearray(16)), np.zeros((3, 2)).T):
        kept = frozen(array)
        assert not kept.flags.writeable
        np.testing.assert_array_equal(kept, array)
        assert frozen(kept) is kept
    assert float_array([1, 2], "x").dtype == np.float64


WAYS = [copy.copy, copy.deepcopy, lambda mdp: pickle.loads(pickle.dumps(mdp)), lambda mdp: mdp.replace()]


@given(case=cases(), how=st.sampled_from(WAYS))
def test_copies_and_pickles_are_the_same_chain_and_as_immutable(case: Case, how) -> None:
    other = how(case.mdp)
    for name, value in vars(case.mdp).items():
        if name.startswith("_"):
            continue
        np.testing.assert_array_equal(getattr(other, name), value, err_msg=name)
        if isinstance(value, np.ndarray):
            assert not getattr(other, name).flags.writeable, name
    np.testing.assert_array_equal(solve(other, case.policy).value, solve(case.mdp, case.policy).value)
    with pytest.raises(AttributeError, match="immutable"):
        other.gamma = 1.0


def test_a_pickle_of_constant_tables_is_small() -> None:
    mdp = TwoStageMDP(correct=np.ones((500, 64)))
    assert len(pickle.dumps(mdp)) < 2.1 * mdp.correct.nbytes  # correctness and the reward for it
    assert compact(pickle.loads(pickle.dumps(mdp)).sample_length).size == 1


# ---------------------------------------------------------------------- replace


def test_replace_changes_what_is_named_and_nothing_else() -> None:
    mdp = TwoStageMDP(correct=RAGGED, gamma=0.5, sample_length=3, prompts=["a", "b"], max_turns=4, prompt_weight=[1, 3])
    other = mdp.replace(max_turns=None, gamma=1.0)
    assert (other.max_turns, float(other.gamma), other.prompts) == (None, 1.0, ("a", "b"))
    for name in ("correct", "prompt_weight", *TABLES):
        np.testing.assert_array_equal(getattr(other, name), getattr(mdp, name))
    assert (mdp.max_turns, float(mdp.gamma)) == (4, 0.5)


def test_replacing_rewards() -> None:
    four = {"stop_correct": 1, "resample_correct": 2, "stop_wrong": 3, "resample_wrong": 4}
    mdp = TwoStageMDP.minimal(reward=four)
    assert mdp.replace(gamma=0.1).reward_resample.tolist() == [[2, 4]]
    assert mdp.replace(resample_cost=0.5).reward_stop.tolist() == [[1, 0]]
    assert mdp.replace(resample_cost=0.5).reward_resample.tolist() == [[-0.5, -0.5]]
    assert mdp.replace(reward_stop=[[7, 8]]).reward_resample.tolist() == [[2, 4]]
    assert mdp.replace(reward={**four, "stop_wrong": -1}).reward_stop.tolist() == [[1, -1]]


def test_replacing_the_answers_asks_for_their_rewards() -> None:
    mdp = TwoStageMDP.minimal()
    with pytest.raises(ChainError, match=re.escape("give reward=, resample_cost= or both tables too")):
        mdp.replace(correct=[[0, 1]])
    with pytest.raises(ChainError, match="leaves the rewards of the old answers"):
        mdp.replace(correct=[[0, 1]], reward_stop=1.0)
    assert mdp.replace(correct=[[0, 1, 1]], resample_cost=0.0).reward_stop.tolist() == [[0, 1, 1]]
    assert mdp.replace(correct=RAGGED, reward_stop=1.0, reward_resample=0.0, prompt_weight=[1, 1]).n_answers.tolist() == [2, 3]


def test_replace_validates_like_the_constructor() -> None:
    with pytest.raises(ChainError, match="gamma is 2"):
        TwoStageMDP.minimal().replace(gamma=2)
    with pytest.raises(TypeError, match="colour"):
        TwoStageMDP.minimal().replace(colour="red")
