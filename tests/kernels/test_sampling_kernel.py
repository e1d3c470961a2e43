"""sample_trajectories: distribution, reproducibility, caps, ragged storage."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest

from dstheory.errors import ChainError
from dstheory.kernels import SampledTrajectories, sample_trajectories
from dstheory.kernels.sampling import next_uniform, next_word, stream_states

M0 = {"answer_probability": [[0.55, 0.45]], "stop_probability": [[0.8, 0.7]]}


@numba.njit
def words(state, n):
    out = np.empty(n, np.uint64)
    for i in range(n):
        out[i] = next_word(state)
    return out


@numba.njit
def uniforms(state, n):
    out = np.empty(n)
    for i in range(n):
        out[i] = next_uniform(state)
    return out


def draw(episodes: int, seed: int = 0, **arguments: Any) -> SampledTrajectories:
    return sample_trajectories(episodes, np.random.default_rng(seed), **arguments)


def same(a: SampledTrajectories, b: SampledTrajectories) -> bool:
    return all(getattr(a, f).tobytes() == getattr(b, f).tobytes() for f in ("prompt", "offsets", "answers", "stops"))


def assert_near(observed: float, expected: float, n: int, sigmas: float = 5.0) -> None:
    """Fail if a frequency among n draws is more than `sigmas` standard errors from its probability."""
    assert abs(observed - expected) <= sigmas * np.sqrt(max(expected * (1.0 - expected), 1e-12) / n)


def test_generator_is_xoshiro256_plus_plus() -> None:
    # First outputs from the state (1, 2, 3, 4), as published with the authors' implementation.
    published = [
        41943041,
        58720359,
        3588806011781223,
        3591011842654386,
        9228616714210784205,
        9973669472204895162,
        14011001112246962877,
        12406186145184390807,
        15849039046786891736,
        10450023813501588000,
    ]
    assert words(np.array([1, 2, 3, 4], np.uint64), 10).tolist() == published


def test_uniforms_are_in_the_half_open_unit_interval() -> None:
    state = stream_states(np.random.default_rng(0), 1)[0]
    u = uniforms(state, 200_000)
    assert u.min() >= 0.0
    assert u.max() < 1.0
    counts = np.histogram(u, bins=64, range=(0.0, 1.0))[0]
    expected = u.size / 64
    chi2 = ((counts - expected) ** 2 / expected).sum()  # 63 degrees of freedom: mean 63, standard deviation 11.2
    assert abs(chi2 - 63.0) < 5.0 * 11.2
    largest = np.array([0, 0, 0, 0], np.uint64)
    largest[0] = np.uint64(
        2**64 - 1
    )  # rotl(2^64 - 1) + 2^64 - 1: the next word is 2^64 - 2, the next uniform the largest but one
    assert uniforms(largest, 1)[0] < 1.0


def test_streams_differ_and_are_never_all_zero() -> None:
    states = stream_states(np.random.default_rng(0), 500)
    assert np.unique(states, axis=0).shape == (500, 4)
    assert states.any(axis=1).all()


def test_minimal_chain_frequencies() -> None:
    n, p, a, b = 400_000, 0.55, 0.8, 0.3
    sampled = draw(n, **M0)
    q = p * (1 - a) + (1 - p) * b
    turns = np.diff(sampled.offsets)
    assert_near((sampled.answers[sampled.offsets[1:] - 1] == 0).mean(), p * a / (1 - q), n)
    assert_near((sampled.answers == 0).mean(), p, sampled.answers.size)
    for k in range(1, 6):
        assert_near((turns == k).mean(), q ** (k - 1) * (1 - q), n)
    again = sampled.answers[np.flatnonzero(~sampled.stops) + 1]  # the answer after a resample is a fresh draw
    assert_near((again == 0).mean(), p, again.size)


def test_storage_is_ragged_and_consistent() -> None:
    sampled = draw(1000, **M0)
    assert sampled.offsets[0] == 0
    assert sampled.offsets[-1] == sampled.answers.size == sampled.stops.size
    assert (np.diff(sampled.offsets) >= 1).all()
    last = np.zeros(sampled.answers.size, bool)
    last[sampled.offsets[1:] - 1] = True
    assert (sampled.stops == last).all()
    assert (sampled.prompt.dtype, sampled.offsets.dtype, sampled.answers.dtype) == (np.int32, np.int64, np.int32)


def test_reproducible_and_independent_of_threads() -> None:
    # 200,000 episodes are four chunks.
    first = draw(200_000, seed=3, threads=1, **M0)
    assert same(first, draw(200_000, seed=3, threads=2, **M0))
    assert not same(first, draw(200_000, seed=4, **M0))
    rng = np.random.default_rng(3)
    assert same(first, sample_trajectories(200_000, rng, **M0))
    assert not same(first, sample_trajectories(200_000, rng, **M0))  # the generator has moved on


def test_long_episodes_do_not_depend_on_the_room_they_get(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = {"answer_probability": [[0.5, 0.3, 0.2]], "stop_probability": [[0.004, 0.01, 0.002]]}
    sampled = draw(300, **chain)
    assert np.diff(sampled.offsets).max() > 1000  # far beyond the first guess of two turns per episode
    monkeypatch.setattr("dstheory.kernels.sampling._TURNS_PER_EPISODE", 10_000)
    assert same(sampled, draw(300, **chain))


def test_several_prompts_with_ragged_answers() -> None:
    rng = np.random.default_rng(9)
    n_answers = np.array([1, 3, 5, 2, 4])
    probability, stop = rng.random((5, 5)), 0.3 + 0.7 * rng.random((5, 5))
    padding = np.arange(5) >= n_answers[:, None]
    probability[padding], stop[padding] = np.nan, np.nan  # must never be read
    weight, n = np.array([0.1, 0.4, 0.2, 0.25, 0.05]), 300_000
    sampled = draw(n, answer_probability=probability, stop_probability=stop, prompt_probability=weight, n_answers=n_answers)
    of_turn = np.repeat(sampled.prompt, np.diff(sampled.offsets))
    for x, k in enumerate(n_answers):
        assert_near((sampled.prompt == x).mean(), weight[x], n)
        here = of_turn == x
        pi = probability[x, :k] / probability[x, :k].sum()
        for y in range(k):
            assert_near((sampled.answers[here] == y).mean(), pi[y], here.sum())
            chosen = here & (sampled.answers == y)
            assert_near(sampled.stops[chosen].mean(), stop[x, y], chosen.sum())
        assert sampled.answers[here].max() < k


def test_impossible_answers_are_never_drawn() -> None:
    sampled = draw(100_000, answer_probability=[[0.0, 0.3, 0.0, 0.7, 0.0]], stop_probability=[[0.5] * 5])
    assert set(sampled.answers.tolist()) == {1, 3}


def test_certain_decisions_are_certain() -> None:
    sampled = draw(20_000, answer_probability=[[0.5, 0.5]], stop_probability=[[1.0, 0.0]])
    last = sampled.offsets[1:] - 1
    assert (sampled.answers[last] == 0).all()
    assert (np.delete(sampled.answers, last) == 1).all()


def test_capped_chain_submits_without_a_decision() -> None:
    sampled = draw(100_000, **M0, horizon=3)
    turns, last = np.diff(sampled.offsets), sampled.offsets[1:] - 1
    q = 0.55 * 0.2 + 0.45 * 0.3
    assert turns.max() == 3
    assert_near((turns == 3).mean(), q**2, turns.size)
    assert not sampled.stops[last[turns == 3]].any()
    assert sampled.stops[last[turns < 3]].all()
    once = draw(1000, answer_probability=[[0.5, 0.5]], stop_probability=[[0.0, 0.0]], horizon=1)
    assert (np.diff(once.offsets) == 1).all()
    assert not once.stops.any()


def test_turn_indexed_chain_uses_the_table_of_its_turn() -> None:
    probability = np.array([[[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0]]])
    stop = np.array([[[0.0] * 3], [[0.25] * 3], [[0.5] * 3]])
    sampled = draw(50_000, answer_probability=probability, stop_probability=stop)  # the third table serves all later turns
    turn = np.arange(sampled.answers.size) - np.repeat(sampled.offsets[:-1], np.diff(sampled.offsets))
    assert (sampled.answers == np.minimum(turn, 2)).all()
    assert not sampled.stops[turn == 0].any()
    assert_near(sampled.stops[turn == 1].mean(), 0.25, (turn == 1).sum())
    assert_near(sampled.stops[turn >= 2].mean(), 0.5, (turn >= 2).sum())
    capped = draw(50_000, answer_probability=probability, stop_probability=stop, horizon=3)
    assert np.diff(capped.offsets).max() == 3


def test_each_prompt_has_its_own_chances_beyond_one_chunk() -> None:
    chain = {"answer_probability": np.full((3, 2), 0.5), "stop_probability": np.array([[1.0, 1.0], [0.5, 0.5], [0.2, 0.2]])}
    sampled = draw(70_000, **chain)
    prompts, turns = sampled.prompt, np.diff(sampled.offsets)
    assert (turns[prompts == 0] == 1).all()
    assert_near((turns[prompts == 2] == 1).mean(), 0.2, (prompts == 2).sum())


def test_an_endless_episode_is_an_error() -> None:
    with pytest.raises(ChainError, match="prompt 1 had not stopped after 50 turns"):
        draw(
            1000,
            answer_probability=np.ones((2, 1)),
            stop_probability=[[1.0], [0.0]],
            max_turns=50,
        )


def test_no_episodes() -> None:
    sampled = draw(0, **M0)
    assert (sampled.prompt.size, sampled.offsets.tolist(), sampled.answers.size) == (0, [0], 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"answer_probability": [[0.0, 0.0]]}, "sums to 0.0"),
        ({"answer_probability": [[np.nan, 0.5]]}, "sums to nan"),
        ({"stop_probability": [[0.5, 0.5, 0.5]]}, "must be alike"),
        ({"n_answers": [3]}, "between 1 and 2"),
        ({"n_answers": [0]}, "between 1 and 2"),
        ({"prompt_probability": [0.5, 0.5]}, "must have 1 entries"),
        ({"prompt_probability": [0.0]}, "prompt_probability"),
        ({"horizon": 0}, "horizon=0"),
        ({"max_turns": 0}, "max_turns=0"),
    ],
)
def test_input_that_does_not_fit(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw(10, **(M0 | changes))
