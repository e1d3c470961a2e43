"""Expected updates by writing out every episode of a small chain and every group of rewards: nothing of the package is used.

The chain: answers are correct with probability p; a correct one is stopped at with probability a, a wrong one resampled with
probability b; at the last turn the answer is submitted without a decision. Parameters are the logits of p, a and b.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Episode:
    probability: float
    reward: float
    tokens: float
    scores: tuple[float, float, float]
    """Sums of the derivatives of log-probabilities by the logits of p, a and b."""
    steps: tuple[tuple[int, float, float], ...]
    """(logit, derivative of the action's log-probability by it, log-ratio of the action to the reference)."""


def episodes(policy, turns, lengths, decision, reference=None):
    """Every episode of at most so many turns."""
    p, a, b = policy
    ref = reference or policy

    def log_ratio(x, r, taken):
        return math.log(x / r) if taken else math.log((1 - x) / (1 - r))

    found = []

    def go(turn, probability, tokens, scores, steps):
        for right in (True, False):
            pr = probability * (p if right else 1 - p)
            s, n = list(scores), tokens + lengths[0 if right else 1]
            ds = (1.0 if right else 0.0) - p
            s[0] += ds
            taken = [*steps, (0, ds, log_ratio(p, ref[0], right))]
            if turn == turns:
                found.append(Episode(pr, float(right), n, tuple(s), tuple(taken)))
                continue
            which, x, r = (1, a, ref[1]) if right else (2, b, ref[2])
            for chosen in (True, False):  # of a correct answer: stop; of a wrong one: resample
                d = (1.0 if chosen else 0.0) - x
                s2 = list(s)
                s2[which] += d
                after = [*taken, (which, d, log_ratio(x, r, chosen))]
                pr2, n2 = pr * (x if chosen else 1 - x), n + decision
                if chosen == right:  # stop at a correct answer, or no resample of a wrong one
                    found.append(Episode(pr2, float(right), n2, tuple(s2), tuple(after)))
                else:
                    go(turn + 1, pr2, n2, s2, after)

    go(1, 1.0, 0.0, [0.0, 0.0, 0.0], [])
    return found


def mean(listed, value):
    return sum(e.probability * value(e) for e in listed)


def credit_among(reward, accuracy, size, credit):
    """The mean credit of a response with that reward over every list of rewards that its others may have."""
    total = 0.0
    for others in itertools.product((0.0, 1.0), repeat=size - 1):
        chance = math.prod(accuracy if r else 1 - accuracy for r in others)
        total += chance * credit((reward, *others))
    return total


def update(listed, weight):
    """The expected sum of weight x score, by logit."""
    return [mean(listed, lambda e, i=i: weight(e) * e.scores[i]) for i in range(3)]


def kl_update(listed, weight, coefficient):
    """The expected sum over actions of weight x coefficient(log-ratio) x derivative, by logit."""
    return [
        mean(listed, lambda e, i=i: weight(e) * sum(coefficient(r) * d for which, d, r in e.steps if which == i))
        for i in range(3)
    ]


def energies(gradient, listed, policy):
    """Fisher energies of sampling and of the decision, from the visits that the episodes make."""
    visits = [mean(listed, lambda e, i=i: float(sum(which == i for which, _, _ in e.steps))) for i in range(3)]
    each = [g * g / (n * x * (1 - x)) for g, n, x in zip(gradient, visits, policy, strict=True)]
    return each[0], each[1] + each[2]


def stages(gradient):
    """The gradient by logits as the two stages see it: two logits of the answers, one of stop for each answer."""
    s, right, wrong = gradient
    return [s, -s], [right, -wrong]


def length(block):
    return math.sqrt(sum(x * x for x in block))


def degrees(u, v):
    u, v = [x / length(u) for x in u], [x / length(v) for x in v]
    apart, together = ([x + sign * y for x, y in zip(u, v, strict=True)] for sign in (-1, 1))
    return math.degrees(2 * math.atan2(length(apart), length(together)))
