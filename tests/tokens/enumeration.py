"""Token chains by brute force: every sequence of tokens is listed, gradients come from complex steps, energies from pinv.

Nothing of the package is imported here. A case is a plain record; its parameters are one flat vector, so that a derivative is a
step of 1e-30 i in one coordinate (no subtraction, hence exact to rounding).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

STEP = 1e-30


@dataclass
class Listed:
    """A chain and the shape of its policy.

    kind: "tree", "markov" or "factored"; lengths: one per prompt; group: answer of a prompt -> class; right: class -> 0/1.
    """

    kind: str
    lengths: list[int]
    symbols: int
    classes: int
    group: Callable[[int, tuple[int, ...]], int]
    stop_reward: np.ndarray
    resample_reward: np.ndarray
    rho: np.ndarray
    gamma_within: float
    gamma_between: float
    cap: int | None
    token_weight: np.ndarray
    decision_weight: float

    @property
    def width(self) -> int:
        return max(self.lengths)

    @cached_property
    def shapes(self) -> list[tuple[int, ...]]:
        x, length, s = len(self.lengths), self.width, self.symbols
        if self.kind == "tree":
            return [(x, s**i, s) for i in range(length)]
        return [(x, s), (x, length - 1, s, s)] if self.kind == "markov" else [(x, length, s)]

    @cached_property
    def n_tokens(self) -> int:
        return sum(int(np.prod(shape)) for shape in self.shapes)

    @cached_property
    def owner(self) -> np.ndarray:
        """The prompt that each parameter belongs to: derivatives with respect to it leave all other prompts alone."""
        shapes = [*self.shapes, (len(self.lengths), self.classes)]
        return np.concatenate([np.repeat(np.arange(shape[0]), int(np.prod(shape[1:]))) for shape in shapes])

    @property
    def n_parameters(self) -> int:
        return self.n_tokens + len(self.lengths) * self.classes

    def split(self, theta: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        out, at = [], 0
        for shape in self.shapes:
            out.append(theta[at : at + int(np.prod(shape))].reshape(shape))
            at += out[-1].size
        return out, theta[at:].reshape(len(self.lengths), self.classes)

    def sequences(self, x: int) -> list[tuple[int, ...]]:
        return list(itertools.product(range(self.symbols), repeat=self.lengths[x]))

    def row(self, blocks: list[np.ndarray], x: int, prefix: tuple[int, ...]) -> np.ndarray:
        i = len(prefix)
        if self.kind == "tree":
            number = 0
            for v in prefix:
                number = number * self.symbols + v
            z = blocks[i][x, number]
        elif self.kind == "markov":
            z = blocks[0][x] if i == 0 else blocks[1][x, i - 1, prefix[-1]]
        else:
            z = blocks[0][x, i]
        e = np.exp(z)
        return e / e.sum()

    def log_tokens(self, theta: np.ndarray, x: int) -> np.ndarray:
        """(sequences, L(x)) log-probability of every token of every answer."""
        blocks, _ = self.split(theta)
        prefixes = (p for i in range(self.lengths[x]) for p in itertools.product(range(self.symbols), repeat=i))
        log = {prefix: np.log(self.row(blocks, x, prefix)) for prefix in prefixes}
        return np.array([[log[y[:i]][v] for i, v in enumerate(y)] for y in self.sequences(x)])

    def of_class(self, theta: np.ndarray, x: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Probability, class and stop probability of every answer."""
        prob = np.exp(self.log_tokens(theta, x).sum(axis=1))
        group = np.array([self.group(x, y) for y in self.sequences(x)])
        stop = 1 / (1 + np.exp(-self.split(theta)[1][x]))
        return prob, group, stop[group]

    def return_of(self, theta: np.ndarray, x: int, paid_stop, paid_resample, paid_last, gw: float, gb: float):
        """Expected return of a prompt when every answer pays these; the recursion is over turns, backwards."""
        prob, _, stop = self.of_class(theta, x)
        if self.cap is None:
            mean = (prob * (stop * paid_stop + (1 - stop) * paid_resample)).sum()
            return gw * mean / (1 - gw * gb * (prob * (1 - stop)).sum())
        value = gw * (prob * paid_last).sum()
        for _ in range(self.cap - 1):
            value = gw * (prob * (stop * paid_stop + (1 - stop) * (paid_resample + gb * value))).sum()
        return value

    def visits(self, theta: np.ndarray, x: int) -> tuple[float, float]:
        """Undiscounted expected number of answers and of decisions."""
        prob, _, stop = self.of_class(theta, x)
        again = float((prob * (1 - stop)).sum())
        if self.cap is None:
            return 1 / (1 - again), 1 / (1 - again)
        return sum(again**k for k in range(self.cap)), sum(again**k for k in range(self.cap - 1))

    # ------------------------------------------------------------------ objectives

    def reward(self, theta: np.ndarray, prompts=None):
        total = 0.0
        for x, rho in self._chosen(prompts):
            _, group, _ = self.of_class(theta, x)
            at = self.stop_reward[x][group], self.resample_reward[x][group]
            total = total + rho * self.return_of(theta, x, *at, at[0], self.gamma_within, self.gamma_between)
        return total

    def _chosen(self, prompts) -> list[tuple[int, float]]:
        return [(x, rho) for x, rho in enumerate(self.rho) if prompts is None or x in prompts]

    def _log_decisions(self, theta: np.ndarray, x: int) -> tuple[np.ndarray, np.ndarray]:
        _, _, stop = self.of_class(theta, x)
        return np.log(stop), np.log(1 - stop)

    def sft(self, theta: np.ndarray, expert: np.ndarray, prompts=None):
        total = 0.0
        for x, rho in self._chosen(prompts):
            prob, _, stop = self.of_class(expert, x)
            n, n_d = self.visits(expert, x)
            tokens = (self.log_tokens(theta, x) * self.token_weight[x, : self.lengths[x]]).sum(axis=1)
            log_stop, log_resample = self._log_decisions(theta, x)
            decisions = self.decision_weight * (stop * log_stop + (1 - stop) * log_resample)
            total = total + rho * (prob * (n * tokens + n_d * decisions)).sum()
        return total

    def kl(self, theta: np.ndarray, reference: np.ndarray, beta: float, prompts=None):
        total = 0.0
        for x, rho in self._chosen(prompts):
            ratio = self.log_tokens(theta, x) - self.log_tokens(reference, x)
            tokens = -beta * (ratio * self.token_weight[x, : self.lengths[x]]).sum(axis=1)
            own, other = self._log_decisions(theta, x), self._log_decisions(reference, x)
            paid = [tokens - beta * self.decision_weight * (mine - ref) for mine, ref in zip(own, other, strict=True)]
            total = total + rho * self.return_of(theta, x, paid[0], paid[1], tokens, 1.0, 1.0)
        return total

    def kl_direct(self, theta: np.ndarray, reference: np.ndarray, beta: float) -> np.ndarray:
        """Sum over visited actions of -beta w log(pi/ref) times the score of that action alone."""
        out = np.zeros(self.n_parameters)
        for x, rho in enumerate(self.rho):
            prob, _, stop = self.of_class(theta, x)
            n, n_d = self.visits(theta, x)
            ratio = (self.log_tokens(theta, x) - self.log_tokens(reference, x)) * self.token_weight[x, : self.lengths[x]]
            own, other = self._log_decisions(theta, x), self._log_decisions(reference, x)
            for j in np.flatnonzero(self.owner == x):
                moved = theta.astype(complex)
                moved[j] += STEP * 1j
                score = self.log_tokens(moved, x).imag / STEP
                out[j] += -beta * rho * n * (prob[:, None] * ratio * score).sum()
                for share, mine, ref, after in zip((stop, 1 - stop), own, other, self._log_decisions(moved, x), strict=True):
                    change = self.decision_weight * (mine - ref) * after.imag / STEP
                    out[j] += -beta * rho * n_d * (prob * share * change).sum()
        return out

    # ------------------------------------------------------------------ derivatives and energies

    def derivative(self, value: Callable[..., complex], theta: np.ndarray) -> np.ndarray:
        out = np.empty(self.n_parameters)
        for j in range(self.n_parameters):
            moved = theta.astype(complex)
            moved[j] += STEP * 1j
            out[j] = value(moved, prompts=[self.owner[j]]).imag / STEP
        return out

    def information(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """F = E[score score^T] of both stages, summed over all visited answers and decisions."""
        tokens = np.zeros((self.n_tokens, self.n_tokens))
        decisions = np.zeros((self.n_parameters - self.n_tokens,) * 2)
        for x, rho in enumerate(self.rho):
            prob, _, stop = self.of_class(theta, x)
            n, n_d = self.visits(theta, x)
            by_token, by_stop, by_resample = [], [], []
            own = np.flatnonzero(self.owner == x)
            for j in own:
                moved = theta.astype(complex)
                moved[j] += STEP * 1j
                if j < self.n_tokens:
                    by_token.append(self.log_tokens(moved, x).sum(axis=1).imag / STEP)
                else:
                    on, off = self._log_decisions(moved, x)
                    by_stop.append(on.imag / STEP)
                    by_resample.append(off.imag / STEP)
            score, at = np.array(by_token), own[own < self.n_tokens]
            tokens[np.ix_(at, at)] += rho * n * (score * prob) @ score.T
            at = own[own >= self.n_tokens] - self.n_tokens
            for share, scores in ((stop, np.array(by_stop)), (1 - stop, np.array(by_resample))):
                decisions[np.ix_(at, at)] += rho * n_d * (scores * (prob * share)) @ scores.T
        return tokens, decisions

    def energies(self, gradient: np.ndarray, information: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
        """g^T F^+ g of both stages."""
        out = []
        for g, fisher in zip((gradient[: self.n_tokens], gradient[self.n_tokens :]), information, strict=True):
            out.append(float(g @ np.linalg.pinv(fisher, rcond=1e-11, hermitian=True) @ g))
        return out[0], out[1]
