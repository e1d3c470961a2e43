"""Trajectories of a two-stage chain, drawn at the speed of its random numbers.

An episode draws its prompt, then per turn an answer and a decision, each by inversion: the answer is the first whose
cumulative probability exceeds a uniform number (a binary search), the decision is stop if a uniform number is below the stop
probability. At the last turn of a capped chain no decision is drawn: the answer is submitted.

Episodes are drawn in chunks of fixed size, each with its own generator whose seed is drawn from the caller's. So the result
depends on the caller's generator and on the number of episodes, and not on the number of threads.

The generator is xoshiro256++ (Blackman and Vigna 2021, ACM TOMS 47:36), written out here and inlined into the loop, where a draw
takes 4.9 ns; a call of NumPy's generator from a compiled loop takes 17.6 ns, more than all else that a turn of a small chain
needs. Each stream is started from 256 bits that the caller's generator draws; among that many states, streams do not overlap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dstheory.errors import ChainError
from dstheory.kernels.jit import inlined, kernel
from dstheory.kernels.parallel import FloatArray, as_input, available_threads, run_blocks

_CHUNK = 65_536
_TURNS_PER_EPISODE = 2  # first guess of the room that a chunk needs
_17, _19, _23, _41, _45 = (np.uint64(n) for n in (17, 19, 23, 41, 45))
_11 = np.uint64(11)
_UNIT = 2.0**-53


@dataclass(frozen=True, slots=True)
class SampledTrajectories:
    """Ragged trajectories: turns offsets[i] to offsets[i + 1] of `answers` and `stops` belong to episode i.

    Attributes:
        prompt: (episodes,) index of the prompt.
        offsets: (episodes + 1,) where each episode begins.
        answers: (turns,) index of the answer drawn at each turn.
        stops: (turns,) whether the decision stop was drawn. It is False at the last turn of an episode only if the answer was
            submitted at the cap.
    """

    prompt: NDArray[np.int32]
    offsets: NDArray[np.int64]
    answers: NDArray[np.int32]
    stops: NDArray[np.bool_]


@inlined()
def next_word(state):  # type: ignore[no-untyped-def]
    """Advance the state, four 64-bit words in an array, and return the next 64 random bits."""
    s0, s1, s2, s3 = state[0], state[1], state[2], state[3]
    mixed = s0 + s3
    word = ((mixed << _23) | (mixed >> _41)) + s0
    s2 ^= s0
    s3 ^= s1
    state[0] = s0 ^ s3
    state[1] = s1 ^ s2
    state[2] = s2 ^ (s1 << _17)
    state[3] = (s3 << _45) | (s3 >> _19)
    return word


@inlined()
def next_uniform(state):  # type: ignore[no-untyped-def]
    """Return a uniform number in [0, 1), a multiple of 2^-53."""
    return np.float64(next_word(state) >> _11) * _UNIT


def stream_states(rng: np.random.Generator, streams: int) -> NDArray[np.uint64]:
    """Return the states of `streams` independent streams, shape (streams, 4), drawn from `rng`; none is all zero."""
    states = rng.integers(0, 2**64, size=(streams, 4), dtype=np.uint64)
    states[:, 3] |= np.uint64(~states.any(axis=1))
    return states


@inlined()
def _draw(cumulative, first, n, u):  # type: ignore[no-untyped-def]
    """Return the least i < n with cumulative[first + i] > u; the last of these entries is 1 and u is below 1."""
    i = first
    while n > 1:
        half = n // 2
        i = i + half if cumulative[i + half - 1] <= u else i
        n -= half
    return i - first


@kernel
def _draw_episodes(  # type: ignore[no-untyped-def]
    state, episode, last, prompt_cumulative, answer_cumulative, stop_probability, n_answers, horizon, limit,
    prompt, turns, answers, stops,
):  # fmt: skip
    """Draw episodes until `last`; return the first one not drawn, the turns used, and whether it ran into the limit.

    Tables have shape (tables, prompts x answers). An episode that does not fit into what is left of `answers` is left for the
    next call, which draws it from the same random numbers.
    """
    prompts, capacity, tables = n_answers.size, answers.size, answer_cumulative.shape[0]
    width = answer_cumulative.shape[1] // prompts
    used = 0
    while episode < last:
        start, s0, s1, s2, s3 = used, state[0], state[1], state[2], state[3]
        x = _draw(prompt_cumulative, 0, prompts, next_uniform(state)) if prompts > 1 else 0
        prompt[episode] = x
        n, row, table, turn, stopped = n_answers[x], x * width, 0, 0, False
        while not stopped and turn < limit and used < capacity:
            y = _draw(answer_cumulative[table], row, n, next_uniform(state))
            turn += 1
            if turn != horizon:
                stopped = next_uniform(state) < stop_probability[table, row + y]
            answers[used], stops[used] = y, stopped
            used += 1
            table += turn < tables
        if not stopped and turn != horizon:
            state[0], state[1], state[2], state[3] = s0, s1, s2, s3
            return episode, start, turn >= limit
        turns[episode] = turn
        episode += 1
    return episode, used, False


def sample_trajectories(
    episodes: int,
    rng: np.random.Generator,
    *,
    answer_probability: ArrayLike,
    stop_probability: ArrayLike,
    prompt_probability: ArrayLike | None = None,
    n_answers: ArrayLike | None = None,
    horizon: int | None = None,
    max_turns: int = 1_000_000,
    threads: int | None = None,
) -> SampledTrajectories:
    """Draw episodes of a stationary or turn-indexed, capped or uncapped chain.

    Args:
        episodes: how many.
        rng: source of all randomness; it is advanced by the seeds of the chunks.
        answer_probability, stop_probability: (X, Y) for a stationary chain, (K, X, Y) for a turn-indexed one, whose last table
            serves all turns from K on. Columns from n_answers[x] on are never read. Rows of answer_probability are normalised.
        prompt_probability: (X,) distribution of the prompts; uniform by default. Normalised.
        n_answers: (X,) number of answers of each prompt; Y by default.
        horizon: number of turns after which the answer is submitted; None for no cap.
        max_turns: an uncapped episode of this length is taken for one that never stops.
        threads: number of threads; all available processors by default. The result does not depend on it.

    Raises:
        ValueError: shapes do not fit together, or a row of probabilities sums to nothing.
        ChainError: an uncapped episode has not stopped after `max_turns` turns.

    Example:
        >>> import numpy as np
        >>> sampled = sample_trajectories(
        ...     100_000, np.random.default_rng(7), answer_probability=[[0.55, 0.45]], stop_probability=[[0.8, 0.7]]
        ... )
        >>> last = sampled.answers[sampled.offsets[1:] - 1]
        >>> bool(abs((last == 0).mean() - 0.55 * 0.8 / (0.55 * 0.8 + 0.45 * 0.7)) < 0.01)
        True
    """
    probability, stop = np.asarray(answer_probability, dtype=np.float64), np.asarray(stop_probability, dtype=np.float64)
    if probability.ndim == 2:
        probability = probability[None]
    if stop.ndim == 2:
        stop = stop[None]
    if probability.ndim != 3 or stop.shape != probability.shape:
        raise ValueError(f"answer_probability {probability.shape} and stop_probability {stop.shape} must be alike, (K, X, Y)")
    if episodes < 0 or max_turns < 1 or (horizon is not None and horizon < 1):
        raise ValueError(f"episodes={episodes} must be >= 0, max_turns={max_turns} and horizon={horizon} >= 1")
    tables, count, width = probability.shape
    answers_per_prompt = as_input(np.full(count, width) if n_answers is None else n_answers, np.int64)
    if answers_per_prompt.shape != (count,) or not (answers_per_prompt.min() >= 1 and answers_per_prompt.max() <= width):
        raise ValueError(f"n_answers must have {count} entries between 1 and {width}")
    real = np.arange(width) < answers_per_prompt[:, None]
    answer_cumulative = as_input(_cumulative(np.where(real, probability, 0.0), "answer_probability").reshape(tables, -1))
    weights = np.ones(count) if prompt_probability is None else np.asarray(prompt_probability, dtype=np.float64)
    if weights.shape != (count,):
        raise ValueError(f"prompt_probability must have {count} entries")
    prompt_cumulative = as_input(_cumulative(weights, "prompt_probability"))
    stop_table = as_input(stop.reshape(tables, -1))

    prompt, turns = np.empty(episodes, np.int32), np.empty(episodes, np.int32)
    starts = range(0, episodes, _CHUNK)
    states = stream_states(rng, len(starts))

    def work(first: int, last: int) -> list[tuple[NDArray[np.int32], NDArray[np.bool_]]]:
        state, room, drawn = states[first // _CHUNK], _TURNS_PER_EPISODE * (last - first) + 64, []
        while first < last:
            answers, stops = np.empty(room, np.int32), np.empty(room, np.bool_)
            first, used, endless = _draw_episodes(
                state, first, last, prompt_cumulative, answer_cumulative, stop_table, answers_per_prompt,
                -1 if horizon is None else horizon, horizon or max_turns, prompt, turns, answers, stops,
            )  # fmt: skip
            if endless:
                raise ChainError(
                    f"an episode of prompt {prompt[first]} had not stopped after {max_turns} turns: an uncapped chain must "
                    "stop; set a horizon, or raise max_turns"
                )
            drawn.append((answers[:used], stops[:used]))
            room *= 2
        return drawn

    chunks = [(start, min(start + _CHUNK, episodes)) for start in starts]
    drawn = [piece for part in run_blocks(work, chunks, available_threads() if threads is None else threads) for piece in part]
    offsets = np.zeros(episodes + 1, np.int64)
    np.cumsum(turns, out=offsets[1:])
    if not drawn:
        return SampledTrajectories(prompt, offsets, np.empty(0, np.int32), np.empty(0, np.bool_))
    answers, stops = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
    return SampledTrajectories(prompt, offsets, answers, stops)


def _cumulative(probability: FloatArray, name: str) -> FloatArray:
    """Return cumulative sums along the last axis, divided by their total: entries from the last possible one on are exactly 1."""
    sums = np.cumsum(probability, axis=-1)
    total = sums[..., -1:]
    if not (total > 0.0).all():
        raise ValueError(f"{name}: a row of it sums to {float(total[~(total > 0.0)][0])}; it must have positive mass")
    return np.asarray(sums / total)
