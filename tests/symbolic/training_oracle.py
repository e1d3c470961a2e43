"""Coefficients of training objectives on whole trajectories, in plain floats, group by group: nothing of the package is used.

A group's credit is averaged over the successes of the other responses, one binomial term at a time, from the definition of the
credit; lengths, outcomes and attempts are read off the trajectory.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from symbolic import oracle
from symbolic.oracle import M0

GROUP, LONGEST = 8, 1024.0
Steps = tuple[tuple[int, int | None], ...]


def right(steps: Steps) -> int:
    """1 if the submitted answer is C."""
    return int(steps[-1][0] == 0)


def length(m: M0, steps: Steps) -> float:
    """Tokens of answers and decisions."""
    return sum(m.lengths[y] + (m.l_d if d is not None else 0.0) for y, d in steps)


def average(m: M0, who: tuple, turns: int, value: Callable[[Steps], float]) -> float:
    """E[value] over the trajectories."""
    return sum(chance * value(steps) for steps, chance in oracle.trajectories(who, turns))


def grouped(success: float, own: int, credit: Callable[[list[int], int], float]) -> float:
    """E[credit of the first response] given its reward, over the others' successes."""
    total = 0.0
    for k in range(GROUP):
        chance = math.comb(GROUP - 1, k) * success**k * (1 - success) ** (GROUP - 1 - k)
        rewards = [own, *[1] * k, *[0] * (GROUP - 1 - k)]
        total += chance * credit(rewards, 0)
    return total


def scaled(ddof: int) -> Callable[[list[int], int], float]:
    """The centred reward over the group's standard deviation; 0 where all agree."""

    def credit(rewards: list[int], i: int) -> float:
        mean = sum(rewards) / GROUP
        spread = sum((r - mean) ** 2 for r in rewards) / (GROUP - ddof)
        return (rewards[i] - mean) / math.sqrt(spread) if spread else 0.0

    return credit


def centred(rewards: list[int], i: int) -> float:
    return rewards[i] - sum(rewards) / GROUP


def of_others(rewards: list[int], i: int) -> float:
    return rewards[i] - (sum(rewards) - rewards[i]) / (GROUP - 1)


def hits_and_misses(rewards: list[int], i: int) -> float:
    """NFT: omega on a hit, -omega r/(1-r) on a miss, r the share of hits; mixed groups only."""
    r = sum(rewards) / GROUP
    if r in (0.0, 1.0):
        return 0.0
    omega = math.sqrt((1 - r) / r)
    return omega if rewards[i] else -omega * r / (1 - r)


def coefficients(m: M0, name: str, turns: int) -> Callable[[Steps], list[tuple[float, float]]]:
    """The rule of an objective: trajectory -> pairs (c_s, c_d), turn by turn."""
    me = oracle.learner(m)
    success = average(m, me, turns, right)
    tokens = average(m, me, turns, lambda t: length(m, t))
    kept = average(m, me, turns, lambda t: right(t) * length(m, t))
    shown = average(m, m.expert, turns, lambda t: length(m, t))
    share = kept / tokens

    def whole(value: Callable[[Steps], float]) -> Callable[[Steps], list[tuple[float, float]]]:
        return lambda steps: [(value(steps),) * 2] * len(steps)

    def by_group(credit: Callable[[list[int], int], float]) -> Callable[[Steps], float]:
        table = [grouped(success, own, credit) for own in (0, 1)]
        return lambda steps: table[right(steps)]

    def per_action(f: Callable[[float, float], float]) -> Callable[[Steps], list[tuple[float, float]]]:
        """f(log-ratio, tokens' probability) of each answer and decision."""

        def rule(steps: Steps) -> list[tuple[float, float]]:
            out = []
            for y, d in steps:
                up_s, up_d = oracle.log_ratios(m, y, d)
                p_s = oracle.answers(me)[y] ** (1 / m.lengths[y])
                p_d = 0.0 if d is None else oracle.decisions(me, y)[d] ** (1 / m.l_d)
                out.append((f(up_s, p_s), 0.0 if d is None else f(up_d, p_d)))
            return out

        return rule

    def attempts(steps: Steps) -> list[tuple[float, float]]:
        """SCoRe: the first answer, and what is submitted; a response of one turn keeps its first answer."""
        first, last = int(steps[0][0] == 0), int(steps[-1][0] == 0)
        second = last + m.alpha * (last - first)
        if name == "score-summed":
            return [(first + second,) * 2] * len(steps)
        return [(float(first) if k == 0 else second, second) for k in range(len(steps))]

    rules = {
        "reinforce-baseline": whole(lambda t: right(t) - success),
        "rloo": whole(by_group(of_others)),
        "reinforce-pp": whole(lambda t: (right(t) - share) / math.sqrt(share * (1 - share)) / tokens),
        "grpo": whole(lambda t: by_group(scaled(1))(t) / length(m, t)),
        "grpo-no-std": whole(lambda t: by_group(centred)(t) / length(m, t)),
        "dr-grpo": whole(lambda t: by_group(centred)(t) / LONGEST),
        "dapo": whole(lambda t: (right(t) - success) / math.sqrt(success * (1 - success)) / tokens),
        "dapo-batch": whole(lambda t: by_group(scaled(1))(t) / tokens),
        "nft": whole(lambda t: by_group(hits_and_misses)(t) / tokens),
        "rft": whole(lambda t: right(t) / kept),
        "sft-token-mean": whole(lambda t: 1 / shown),
        "sft-sequence-sum": whole(lambda t: 1.0),
        "sft-sequence-mean": whole(lambda t: 1 / length(m, t)),
        "dft": per_action(lambda _, prob: prob / shown),
        "k1-loss": whole(lambda t: -m.beta),
        "k1-reward": whole(lambda t: -m.beta * sum(sum(oracle.log_ratios(m, y, d)) for y, d in t)),
        "k2-loss": per_action(lambda up, _: -m.beta * up),
        "k3-loss": per_action(lambda up, _: -m.beta * (1 - math.exp(-up))),
        "distill": per_action(lambda up, _: -up / tokens),
        "score-summed": attempts,
        "score-per-attempt": attempts,
        # advantages have the expectation of the reward itself
        "ppo-clip": whole(lambda t: right(t) / tokens),
    }
    rules |= {"gspo": rules["grpo"], "cispo": rules["dapo"]}
    return rules[name]


def update(m: M0, name: str, turns: int) -> dict[str, float]:
    """E[sum of coefficient x score] by enumeration, one set of parameters for all turns."""
    rule = coefficients(m, name, turns)
    acting = m.expert if name.startswith("sft") or name == "dft" else oracle.learner(m)
    g = dict.fromkeys(oracle.LOGITS, 0.0)
    for steps, chance in oracle.trajectories(acting, turns):
        for (y, d), (c_s, c_d) in zip(steps, rule(steps), strict=True):
            on_s, on_d = oracle.scores(m, y, d)
            for logit in oracle.LOGITS:
                g[logit] += chance * (c_s * on_s[logit] + c_d * on_d[logit])
    return g
