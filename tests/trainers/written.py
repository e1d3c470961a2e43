"""Losses of trainers written out on tokens, and their expected gradients by every batch and finite differences.

Nothing of the package is used here. Prompts, lengths and rates are lopsided. Arrays are (batches, prompts, responses, tokens), or
without the last axis; an answer of several tokens is decided by its first one, or, where ``even`` is asked for, each of them has
an equal share of its log-probability. Each loss says in its arguments what its library's settings are; what is detached is taken
from ``now``, which does not move.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

WEIGHTS, TURNS, DECISION = (0.35, 0.65), 2, 2
LENGTHS = ((2, 5), (4, 1))  # of a right and of a wrong answer
SAMPLER, LATER, REFERENCE = (
    np.log(x) - np.log1p(-x)
    for x in (
        np.array([(0.4, 0.85, 0.35), (0.75, 0.6, 0.7)]),  # p, a, b of each prompt
        np.array([(0.5, 0.8, 0.45), (0.72, 0.72, 0.62)]),
        np.array([(0.3, 0.7, 0.5), (0.6, 0.8, 0.4)]),
    )
)


@dataclass(frozen=True)
class Batches:
    """What a loss sees: log-probabilities that move, that do not, of the sampler and of the reference; and the responses."""

    new: np.ndarray
    now: np.ndarray
    old: np.ndarray
    ref: np.ndarray
    mask: np.ndarray
    reward: np.ndarray
    cut: np.ndarray
    entropy: np.ndarray

    @cached_property
    def length(self) -> np.ndarray:
        return self.mask.sum(axis=-1)

    @cached_property
    def whole(self) -> np.ndarray:
        """1 for responses that the cap has not cut off."""
        return np.where(self.cut, 0.0, 1.0)


Loss = Callable[[Batches], np.ndarray]


class World:
    def __init__(self, policy=SAMPLER, *, even: bool = False) -> None:
        self.policy, self.even = policy, even
        self.listed = [self._episodes(*lengths) for lengths in LENGTHS]
        self.longest = max(len(tokens) for listed in self.listed for tokens, _, _ in listed)

    def _episodes(self, right: int, wrong: int):
        found = []

        def action(which: int, taken: bool, length: int):
            if self.even:
                return [(which, taken, length)] * length
            return [(which, taken, 1)] + [(-1, True, 1)] * (length - 1)

        def go(turn: int, tokens) -> None:
            for correct in (True, False):
                mine = tokens + action(0, correct, right if correct else wrong)
                if turn == TURNS:
                    found.append((mine, float(correct), True))
                    continue
                for taken in (True, False):  # of a right answer: stop; of a wrong one: resample
                    more = mine + action(1 if correct else 2, taken, DECISION)
                    if taken == correct:
                        found.append((more, float(correct), False))
                    else:
                        go(turn + 1, more)

        go(1, [])
        return found

    def _tables(self, x: int):
        shape = len(self.listed[x]), self.longest
        which, taken, parts, mask = np.full(shape, -1), np.ones(shape, bool), np.ones(shape), np.zeros(shape)
        for i, (tokens, _, _) in enumerate(self.listed[x]):
            for t, (w, yes, part) in enumerate(tokens):
                which[i, t], taken[i, t], parts[i, t], mask[i, t] = w, yes, part, 1.0
        reward, cut = (np.array([episode[k] for episode in self.listed[x]]) for k in (1, 2))
        return which, taken, parts, mask, reward, cut

    def _log(self, logits, x: int):
        which, taken, parts, *_ = self._tables(x)
        u = logits[x][np.maximum(which, 0)]
        return np.where(which < 0, 0.0, -np.logaddexp(0.0, np.where(taken, -u, u))) / parts

    def _entropy(self, logits, x: int):
        which, *_ = self._tables(x)
        u = logits[x][np.maximum(which, 0)]
        p = 1.0 / (1.0 + np.exp(-u))
        return np.where(which < 0, 0.0, np.logaddexp(0.0, -u) + (1.0 - p) * u)

    def gradient(self, loss: Loss, prompts: int, size: int, step: float = 1e-5) -> np.ndarray:
        """Minus the derivative of the expected loss by the logits of p, a and b of each prompt, (X, 3)."""
        total = np.zeros_like(self.policy)
        for drawn in itertools.product(range(len(WEIGHTS)), repeat=prompts):
            chosen = itertools.product(*[range(len(self.listed[x])) for x in drawn for _ in range(size)])
            index = np.array(list(chosen)).reshape(-1, prompts, size)

            def batch(table, index=index, drawn=drawn):
                return np.stack([table(x)[index[:, i]] for i, x in enumerate(drawn)], axis=1)

            fixed = [batch(lambda x, of=of: self._log(of, x)) for of in (self.policy, SAMPLER, REFERENCE)]
            rest = [batch(lambda x, k=k: self._tables(x)[k]) for k in (3, 4, 5)]
            chance = math.prod(WEIGHTS[x] for x in drawn) * np.exp(fixed[1].sum(axis=(1, 2, 3)))
            for x, which in itertools.product(set(drawn), range(3)):
                for sign in (1.0, -1.0):
                    moved = self.policy.copy()
                    moved[x, which] += sign * step
                    new, entropy = (batch(lambda y, f=f, m=moved: f(m, y)) for f in (self._log, self._entropy))
                    total[x, which] -= sign * float((chance * loss(Batches(new, *fixed, *rest, entropy))).sum()) / (2.0 * step)
        return total


# ---------------------------------------------------------------------- parts that several libraries have


def centred(b: Batches, std: str = "none", *, epsilon: float = 0.0, ddof: int = 1) -> np.ndarray:
    found = b.reward - b.reward.mean(axis=-1, keepdims=True)
    if std == "group":
        found = found / (b.reward.std(axis=-1, ddof=ddof, keepdims=True) + epsilon)
    if std == "batch":
        found = found / (b.reward.std(axis=(1, 2), ddof=ddof, keepdims=True) + epsilon)
    return found


def surrogate(b: Batches, credit, *, low=0.2, high=0.2, dual=None, of_response=False, mask=None) -> np.ndarray:
    """PPO's clipped loss of each token."""
    mask, a, log = b.mask if mask is None else mask, credit[..., None], b.new - b.old
    if of_response:
        log = (log * mask).sum(axis=-1, keepdims=True) / np.maximum(mask.sum(axis=-1, keepdims=True), 1.0) + 0.0 * mask
    ratio = np.exp(log)
    found = np.maximum(-a * ratio, -a * np.clip(ratio, 1.0 - low, 1.0 + high))
    return found if dual is None else np.where(a < 0, np.minimum(found, -a * dual), found)


def truncated(b: Batches, credit, low: float, high: float) -> np.ndarray:
    """CISPO: the ratio is detached."""
    return -credit[..., None] * np.clip(np.exp(b.now - b.old), low, high) * b.new


def gated(b: Batches, credit) -> np.ndarray:
    """SAPO, with the temperatures 1 and 1.05."""
    a = credit[..., None]
    tau = np.where(a > 0, 1.0, 1.05)
    return -4.0 / tau / (1.0 + np.exp(-tau * (np.exp(b.new - b.old) - 1.0))) * a


def estimate(b: Batches, kind: str) -> np.ndarray:
    d = b.ref - b.new
    return {"k1": -d, "k2": d * d / 2.0, "k3": np.expm1(d) - d}[kind]


def reduced(each, mask, how: str, constant: float = 512.0) -> np.ndarray:
    total, axes = each * mask, (1, 2, 3)
    responses, length = mask[0, ..., 0].size, np.maximum(mask.sum(axis=-1), 1.0)
    match how:
        case "token-mean":
            return total.sum(axis=axes) / np.maximum(mask.sum(axis=axes), 1.0)
        case "seq-mean-token-mean":
            return (total.sum(axis=-1) / length).mean(axis=(1, 2))
        case "seq-mean-token-sum":
            return total.sum(axis=axes) / responses
        case "constant":
            return total.sum(axis=axes) / responses / constant
    raise ValueError(how)


# ---------------------------------------------------------------------- the libraries


def trl(b: Batches, *, loss="dapo", std="group", beta=0.0, bias=True, masked=False, of_response=False, high=0.2, delta=None):
    credit, mask = centred(b, std, epsilon=1e-4), b.mask * b.whole[..., None] if masked else b.mask
    match loss:
        case "cispo":
            each = truncated(b, credit, 0.0, high)
        case "sapo":
            each = gated(b, credit)
        case _:
            each = surrogate(b, credit, high=high, dual=delta, of_response=of_response, mask=mask)
    if beta:
        each = each + beta * estimate(b, "k3") * (np.exp(b.new - b.old) if bias else 1.0)
    how = {"grpo": "seq-mean-token-mean", "sapo": "seq-mean-token-mean", "dr_grpo": "constant", "luspo": "seq-mean-token-sum"}
    return reduced(each, mask, how.get(loss, "token-mean"))


def rloo(b: Batches, *, beta=0.05, masked=False):
    mask = b.mask * b.whole[..., None] if masked else b.mask
    paid = b.reward - beta * ((b.old - b.ref) * mask).sum(axis=-1)
    credit = (paid - paid.mean(axis=-1, keepdims=True)) * paid.shape[-1] / (paid.shape[-1] - 1)
    ratio = np.exp(((b.new - b.old) * mask).sum(axis=-1))
    return -np.minimum(ratio * credit, np.clip(ratio, 0.8, 1.2) * credit).mean(axis=(1, 2))


def verl(b: Batches, *, credit="grpo", std=True, how="token-mean", loss="vanilla", kl=0.0, kind="k3", paid=0.0):
    own = Batches(b.new, b.now, b.old, b.ref, b.mask, b.reward - paid * ((b.old - b.ref) * b.mask).sum(-1), b.cut, b.entropy)
    size = b.reward.shape[-1]
    a = {
        "grpo": lambda: centred(own, "group" if std else "none", epsilon=1e-6),
        "rloo": lambda: centred(own) * size / (size - 1),
        "reward": lambda: own.reward,
    }[credit]()
    if loss == "sapo":
        found = reduced(gated(b, a), b.mask, "seq-mean-token-mean")
    else:
        each = truncated(b, a, 0.8, 1.2) if loss == "cispo" else surrogate(b, a, dual=3.0 if loss == "vanilla" else None,
                                                                           of_response=loss == "gspo")  # fmt: skip
        found = reduced(each, b.mask, how)
    return found + kl * reduced(estimate(b, kind), b.mask, how) if kl else found


def openrlhf(b: Batches, *, std=False, how="token-mean", kl=0.0, kind="k3", gspo=False):
    each = surrogate(b, centred(b, "group" if std else "none", epsilon=1e-9), of_response=gspo)
    found = reduced(each, b.mask, "seq-mean-token-mean" if gspo else how)
    return found + kl * reduced(estimate(b, kind), b.mask, "token-mean")


def nemo(b: Batches, *, others=True, scaled=True, tokens=True, masked=False, beta=0.01, of_response=False, cispo=False):
    """The KL's ratio is the policy's to itself; where responses are left out, they are in no denominator."""
    size = b.reward.shape[-1]
    count = size - 1 if others else size
    drop = np.eye(size) if others else np.zeros((size, size))
    mean, square = ((r @ (1.0 - drop)) / count for r in (b.reward, b.reward**2))
    spread = np.sqrt(np.maximum((square - mean**2) * count / max(count - 1, 1), 0.0)) if count > 1 else 0.0 * mean
    credit = b.reward - mean
    if scaled:
        credit = np.where(spread > 1e-9, credit / (spread + 1e-6), credit)
    each = truncated(b, credit, 0.8, 1.2) if cispo else surrogate(b, credit, of_response=of_response)
    each = each + beta * np.exp(b.new - b.now) * estimate(b, "k3")
    keep = b.whole if masked else np.ones_like(b.whole)
    if tokens:
        return reduced(each, b.mask * keep[..., None], "token-mean")
    kept = np.maximum(keep.sum(axis=(1, 2)), 1.0)
    return ((each * b.mask).sum(axis=-1) / b.length * keep).sum(axis=(1, 2)) / kept


def slime(b: Batches, *, std=True, tokens=False, kl=0.0, kind="k1", unbiased=False, loss="grpo"):
    credit, how = centred(b, "group" if std else "none", epsilon=1e-6), "token-mean" if tokens else "seq-mean-token-mean"
    each = truncated(b, credit, 0.8, 1.2) if loss == "cispo" else surrogate(b, credit, of_response=loss == "gspo")
    penalty = estimate(b, kind) * (np.exp(b.new - b.old) if unbiased else 1.0)
    return reduced(each + kl * penalty, b.mask, how)


def open_instruct(b: Batches, *, std=False, dropped=True, beta=0.05, kind="k3", constant=None, cispo=False):
    """Rewards are 10; groups that all agree are dropped, tokens and all, and a constant denominator does not ask how many."""
    ten = Batches(b.new, b.now, b.old, b.ref, b.mask, 10.0 * b.reward, b.cut, b.entropy)
    credit = centred(ten, "group" if std else "none", epsilon=1e-8, ddof=0)
    live = (b.reward.std(axis=-1, keepdims=True) > 0) if dropped else np.ones_like(b.reward[..., :1])
    mask = b.mask * live[..., None]
    each = truncated(b, credit, 0.0, 1.272) if cispo else surrogate(b, credit, high=0.272)
    each = each + beta * estimate(b, kind)
    return reduced(each, mask, "token-mean") if constant is None else (each * mask).sum(axis=(1, 2, 3)) / constant
