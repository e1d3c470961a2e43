"""Chains computed the slow way, from raw tables alone: a dense absorbing Markov chain, and all trajectories by recursion.

Nothing here calls the package; it reads the tables of a chain and the logits of a policy, both of one run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np


def softmax(z: np.ndarray) -> np.ndarray:
    weights = [[[math.exp(v - max(row)) for v in row] for row in table] for table in z.tolist()]
    return np.array([[[w / sum(row) for w in row] for row in table] for table in weights])


def logistic(u: np.ndarray) -> np.ndarray:
    return np.vectorize(lambda v: 1.0 / (1.0 + math.exp(-v)) if v >= 0 else math.exp(v) / (1.0 + math.exp(v)))(u)


@dataclass
class Tables:
    """One chain under one policy as plain numbers; ``pi`` and ``stop`` are looked up by turn."""

    mdp: Any
    pi: np.ndarray
    stop: np.ndarray

    @classmethod
    def of(cls, mdp: Any, policy: Any) -> Tables:
        return cls(mdp, softmax(policy.sample_logits), logistic(policy.stop_logits))

    def at(self, k: int) -> int:
        return min(k, len(self.pi) - 1)

    @property
    def gammas(self) -> tuple[float, float]:
        g = float(self.mdp.gamma)
        return (g, g) if self.mdp.discount_per == "stage" else (1.0, g)


@dataclass
class Path:
    """One trajectory: prompt, steps (answer, decision), probability, discounted return, variance that reward noise adds."""

    prompt: int
    steps: list[tuple[int, str]]
    weight: float
    value: float
    noise: float


def paths(t: Tables) -> Iterator[Path]:
    """Yield every trajectory of a capped chain, by recursion."""
    mdp, (gw, gb) = t.mdp, t.gammas

    def extend(x: int, k: int, steps: list, weight: float, value: float, noise: float, discount: float) -> Iterator[Path]:
        for y in range(int(mdp.n_answers[x])):
            here = weight * t.pi[t.at(k), x, y]
            paid = discount * gw
            if k == mdp.max_turns - 1:
                yield Path(x, [*steps, (y, "submit")], here, value + paid * mdp.reward_stop[x, y],
                           noise + paid**2 * mdp.reward_stop_variance[x, y])  # fmt: skip
                continue
            s = t.stop[t.at(k), x, y]
            yield Path(x, [*steps, (y, "stop")], here * s, value + paid * mdp.reward_stop[x, y],
                       noise + paid**2 * mdp.reward_stop_variance[x, y])  # fmt: skip
            yield from extend(
                x, k + 1, [*steps, (y, "resample")], here * (1.0 - s), value + paid * mdp.reward_resample[x, y],
                noise + paid**2 * mdp.reward_resample_variance[x, y], paid * gb,
            )  # fmt: skip

    for x in range(mdp.shape[0]):
        yield from extend(x, 0, [], float(mdp.prompt_weight[x]), 0.0, 0.0, 1.0)


class AbsorbingChain:
    """The state graph of one prompt: (turn, sample) and (turn, answer, decide) states, and one end per answer, solved densely.

    Uncapped chains have one turn whose resample edge leads back to itself.
    """

    def __init__(self, t: Tables, x: int) -> None:
        mdp, (gw, gb) = t.mdp, t.gammas
        n, turns = int(mdp.n_answers[x]), mdp.max_turns or 1
        self.n, self.turns = n, turns
        self.index = {("sample", k): k * (n + 1) for k in range(turns)}
        self.index |= {("decide", k, y): k * (n + 1) + 1 + y for k in range(turns) for y in range(n)}
        size = turns * (n + 1)
        self.move, self.discounted = np.zeros((size, size)), np.zeros((size, size))
        self.end = np.zeros((size, n))
        self.reward = np.zeros(size)
        for k in range(turns):
            start = self.index["sample", k]
            for y in range(n):
                here, pi, s = self.index["decide", k, y], t.pi[t.at(k), x, y], t.stop[t.at(k), x, y]
                self.move[start, here] = pi
                self.discounted[start, here] = gw * pi
                if mdp.max_turns is not None and k == turns - 1:
                    s = 1.0
                self.end[here, y] = s
                self.reward[here] = s * mdp.reward_stop[x, y] + (1.0 - s) * mdp.reward_resample[x, y]
                if s < 1.0:
                    after = self.index["sample", k + 1 if mdp.max_turns is not None else 0]
                    self.move[here, after] = 1.0 - s
                    self.discounted[here, after] = gb * (1.0 - s)
        eye = np.eye(size)
        self.value = np.linalg.solve(eye - self.discounted, self.reward)
        self.visits = np.linalg.solve(eye - self.move.T, eye[0])
        self.discounted_visits = np.linalg.solve(eye - self.discounted.T, eye[0])
        self.ends = self.visits @ self.end

    def sample_states(self, what: np.ndarray) -> np.ndarray:
        """(T',) a quantity at the sampling states."""
        return np.array([what[self.index["sample", k]] for k in range(self.turns)])

    def decide_states(self, what: np.ndarray) -> np.ndarray:
        """(T', n) a quantity at the decision states."""
        return np.array([[what[self.index["decide", k, y]] for y in range(self.n)] for k in range(self.turns)])

    def turn_distribution(self, up_to: int) -> np.ndarray:
        """(up_to,) P(the episode ends at turn 1, 2, ...), by pushing the distribution over states forward."""
        mass, out = np.eye(len(self.move))[0], []
        for _ in range(up_to):
            decide = mass @ self.move
            out.append(float((decide @ self.end).sum()))
            mass = decide @ self.move
        return np.array(out)
