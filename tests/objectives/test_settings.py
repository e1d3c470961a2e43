"""Settings of trainers, one by one and together, against a trainer in plain Python that is given every possible batch."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from objectives.test_groups import HERE, MDP, OLD, WRONG, Response, batches_of, responses

from dstheory import Policy, TwoStageMDP, enumerate_trajectories, solve, train
from dstheory.errors import ChainError
from dstheory.noise import signal
from dstheory.objectives import (
    CISPO,
    DAPO,
    DFT,
    GRPO,
    GSPO,
    NFT,
    RLOO,
    SFT,
    DAPOBatch,
    DrGRPO,
    EntropyBonus,
    ExpertChain,
    GroupObjective,
    GRPONoStd,
    K1Reward,
    K2Loss,
    K3Loss,
    PPOClip,
    Recorded,
    ReinforceBaseline,
    SFTSequenceMean,
    SFTSequenceSum,
    SFTTokenMean,
    WeightedSum,
    sampled_gradient,
)
from dstheory.objectives.estimate import estimate_gradient
from dstheory.objectives.fused import applies
from dstheory.objectives.parts import BatchTokens, GroupTokens, Normaliser, PerResponse, PerToken

PAYS = [[1.0, -0.5, 0.2], [0.2, 1.0]]
PAID = TwoStageMDP(correct=[[1, 0, 0], [0, 1]], sample_length=[[3, 40, 7], [11, 2]], decision_length=2, prompt_weight=[3, 1],
                   gamma=1.0, max_turns=2, reward_stop=PAYS, reward_resample=0.0)  # fmt: skip


def at(policy: Policy, r: Response) -> list[tuple[float, float]]:
    """Return the log-probability of the answer and of the decision of every step."""
    out = []
    for y, d in r.steps:
        stop = float(policy.stop_prob[0, r.prompt, y])
        out.append((math.log(float(policy.sample_prob[0, r.prompt, y])),
                    0.0 if d is None else math.log(stop if d else 1.0 - stop)))  # fmt: skip
    return out


def tempered(policy: Policy, temperature: float) -> Policy:
    sample = [[float(p) ** (1 / temperature) for p in row] for row in policy.sample_prob[0]]
    stop = [[float(s) ** (1 / temperature) / (float(s) ** (1 / temperature) + float(1 - s) ** (1 / temperature)) for s in row]
            for row in policy.stop_prob[0]]  # fmt: skip
    return Policy.from_probabilities(
        [[p / sum(row) for p in row[: int(n)]] for row, n in zip(sample, MDP.n_answers, strict=True)],
        [row[: int(n)] for row, n in zip(stop, MDP.n_answers, strict=True)],
    )


def whole(r: Response) -> bool:
    return r.steps[-1][1] is not None


def credits(group: Sequence[float], o) -> list[float]:
    """Return the credits of one group, as the setting says in words."""
    if o.name == "rloo":
        return [r - sum(group[:i] + group[i + 1 :]) / (len(group) - 1) for i, r in enumerate(group)]

    def spread(values: Sequence[float]) -> float:
        mean = sum(values) / len(values)
        if len(set(values)) == 1:
            return 0.0
        return math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - o.ddof))

    out = []
    for i, r in enumerate(group):
        others = list(group[:i]) + list(group[i + 1 :])
        beside = others if o.std == "leave-one-out" else list(group)
        mean = sum(beside) / len(beside)
        gap = 0.0 if len({*beside, r}) == 1 else r - mean
        if o.std in (False, "none"):
            out.append(gap)
        else:
            below = spread(beside) + o.epsilon
            out.append(gap / below if below else 0.0)
    return out


def ratio_weights(r: Response, a: float, o, who: Policy) -> tuple[list[float], list[float]]:
    """Return what weighs the answer and the decision of every step: ratio, clipping, importance."""
    old = o.sampler or HERE
    here, denominator, generated = at(HERE, r), at(old, r), at(who, r)
    lengths = [(float(MDP.sample_length[r.prompt, y]), 2.0) for y, _ in r.steps]
    even = [[math.exp((one - other) / n) for one, other, n in zip(p, q, length, strict=True)]
            for p, q, length in zip(here, denominator, lengths, strict=True)]  # fmt: skip
    total = sum(sum(p) - sum(q) for p, q in zip(here, denominator, strict=True))

    def kept(rho: float) -> float:
        if o.sampler is None:
            return 1.0
        if o.name == "cispo":
            return min(max(rho, 1 - o.clip_low), 1 + o.clip_high)
        gone = (a > 0 and rho > 1 + o.clip_high) or (a < 0 and (rho < 1 - o.clip_low or rho > o.dual_clip))
        return 0.0 if gone else rho

    def important(w: float) -> float:
        if o.importance_rule == "mask":
            return 0.0 if w > o.importance_cap else w
        return min(w, o.importance_cap)

    of_response = math.exp(total if o.ratio_level == "sequence-product" else total / r.length)
    steps = [[kept(rho if o.ratio_level == "token" else of_response) for rho in step] for step in even]
    if o.importance == "token":
        weights = [[important(math.exp((q - g) / n)) for q, g, n in zip(qs, gs, length, strict=True)]
                   for qs, gs, length in zip(denominator, generated, lengths, strict=True)]  # fmt: skip
        steps = [[s * w for s, w in zip(step, weight, strict=True)] for step, weight in zip(steps, weights, strict=True)]
    if o.importance.startswith("sequence"):
        log = sum(sum(q) - sum(g) for q, g in zip(denominator, generated, strict=True))
        w = important(math.exp(log if o.importance == "sequence" else log / r.length))
        steps = [[s * w for s in step] for step in steps]
    return [s for s, _ in steps], [d for _, d in steps]


def score(r: Response, w_s: Sequence[float], w_d: Sequence[float]) -> np.ndarray:
    out = np.zeros((2, 2, 3))
    for (y, d), s, w in zip(r.steps, w_s, w_d, strict=True):
        out[0, r.prompt] -= s * HERE.sample_prob[0, r.prompt]
        out[0, r.prompt, y] += s
        if d is not None:
            stop = float(HERE.stop_prob[0, r.prompt, y])
            out[1, r.prompt, y] += w * ((1.0 - stop) if d else -stop)
    return out


def normaliser_of(o) -> str:
    if o.normalise_by is not None:
        return str(o.normalise_by)
    return {"grpo": "response-tokens", "grpo-no-std": "response-tokens", "gspo": "response-tokens", "rloo": "responses",
            "dapo": "group-tokens", "cispo": "group-tokens", "dapo-batch": "batch-tokens",
            "dr-grpo": f"constant:{getattr(o, 'max_tokens', 1)}"}[o.name]  # fmt: skip


def trainer(batch: list[list[Response]], o, who: Policy, penalty: Callable | None, own: str | None = None) -> np.ndarray:
    """Return the update of one batch; ``own`` is the penalty's normaliser, where it is not that of the reward."""
    total, size = np.zeros((2, 2, 3)), len(batch) // o.micro_batches
    for i in range(o.micro_batches):
        part = batch[i * size : (i + 1) * size]
        if getattr(o, "drop_dead", False):
            part = [g for g in part if len({r.reward for r in g}) > 1]
        counts = [[r.length * (whole(r) or o.mask_truncated != "both") for r in g] for g in part]
        for g, lengths in zip(part, counts, strict=True):

            def share(r: Response, normaliser: str, part=part, counts=counts, of_group=lengths) -> float:
                (kind, _, constant), responses_here = normaliser.partition(":"), sum(map(len, part))
                below = {"responses": responses_here, "response-tokens": responses_here * r.length,
                         "group-tokens": len(part) * sum(of_group), "batch-tokens": sum(map(sum, counts)),
                         "constant": responses_here * float(constant or 1)}[kind]  # fmt: skip
                return 1.0 / below / (o.micro_batches if o.accumulate == "mean" else 1.0)

            by_reward = [credits([rewards_of(r)[k] for r in g], o) for k in range(len(rewards_of(g[0])))]
            for j, r in enumerate(g):
                if o.mask_truncated != "none" and not whole(r):
                    continue
                turn = sum(factor * a[j] for a, factor in zip(by_reward, FACTORS(o), strict=True))
                if getattr(o, "baseline_per", "response") == "turn":
                    alive = [[m for m in g if len(m.steps) > k] for k in range(len(r.steps))]
                    each = [r.reward - sum(m.reward for m in one) / len(one) for one in alive]
                    total += share(r, normaliser_of(o)) * score(r, each, each)
                else:
                    total += share(r, normaliser_of(o)) * turn * score(r, *ratio_weights(r, turn, o, who))
                if penalty is not None:
                    total += share(r, own or normaliser_of(o)) * penalty(r, g[:j] + g[j + 1 :])
    return total


def rewards_of(r: Response) -> list[float]:
    return getattr(r, "rewards", [r.reward])


def FACTORS(o) -> list[float]:
    return [weight for weight, _ in o.rewards] if o.rewards is not None and o.combine == "after" else [1.0]


def paid_by(function, r: Response, correct: float, paid: float) -> float:
    """What one reward function pays a response, attempt by attempt."""
    if function in ("correct", "return", "turns", "tokens"):
        return {"correct": correct, "return": paid, "turns": float(len(r.steps)), "tokens": r.length}[function]
    total = 0.0
    for k, (y, _) in enumerate(r.steps):
        which = 0 if MDP.correct[r.prompt, y] else 2
        total += function[which if k == len(r.steps) - 1 else which + 1]
    return total


def batches(o) -> Iterator[tuple[float, list[list[Response]], Policy]]:
    """Yield every batch, with its chance and who generated it."""
    groups = 1 if o.prompts == math.inf else int(o.prompts)
    who = o.engine or (o.sampler or HERE)
    who = tempered(who, o.temperature) if o.temperature != 1 else who
    per_prompt = responses(who)
    for r in itertools.chain(*per_prompt):
        correct, paid = float(MDP.correct[r.prompt, r.steps[-1][0]]), PAYS[r.prompt][r.steps[-1][0]]
        r.reward = paid if o.outcome == "return" else correct
        if o.rewards is not None:
            each = [paid_by(function, r, correct, paid) for _, function in o.rewards]
            # rounded: sums of the same numbers in another order are one reward
            total = round(sum(w * x for (w, _), x in zip(o.rewards, each, strict=True)), 12)
            r.rewards = each if o.combine == "after" else [total]
            r.reward = total
    for batch, chance in batches_of(per_prompt, int(o.group_size), groups):
        yield chance, batch, who


def expected(o, penalty: Callable | None = None, own: str | None = None) -> np.ndarray:
    """Return the sum over every batch of probability x update."""
    return sum((chance * trainer(batch, o, who, penalty, own) for chance, batch, who in batches(o)), np.zeros((2, 2, 3)))


def excess(beta: float):
    def of(r: Response, _: list[Response]) -> np.ndarray:
        gaps = [[math.exp(q - p) - 1.0 for p, q in zip(ps, qs, strict=True)]
                for ps, qs in zip(at(HERE, r), at(WRONG, r), strict=True)]  # fmt: skip
        return beta * score(r, [s for s, _ in gaps], [d for _, d in gaps])

    return of


def in_reward(beta: float, baseline: str):
    def paid(r: Response) -> float:
        return -beta * sum(sum(p) - sum(q) for p, q in zip(at(HERE, r), at(WRONG, r), strict=True))

    def of(r: Response, others: list[Response]) -> np.ndarray:
        beside = others if baseline == "others" else [*others, r]
        mean = 0.0 if baseline == "none" else sum(map(paid, beside)) / len(beside)
        one = [1.0] * len(r.steps)
        return (paid(r) - mean) * score(r, one, one)

    return of


KL = {"reference": WRONG, "beta": 0.3}
CASES: dict[str, GroupObjective] = {
    "grpo by tokens of the group": GRPO(group_size=3, normalise_by="group-tokens"),
    "rloo by its own tokens": RLOO(group_size=3, normalise_by="response-tokens"),
    "rloo by tokens of the batch": RLOO(group_size=3, prompts=1, normalise_by="batch-tokens", **KL),
    "dr-grpo by responses": DrGRPO(group_size=2, normalise_by="responses"),
    "dapo by a constant": DAPO(group_size=2, dynamic_sampling=False, normalise_by="constant:50"),
    "cispo by its own tokens": CISPO(group_size=2, sampler=OLD, clip_low=0.02, clip_high=0.05, normalise_by="response-tokens"),
    "std of the others": GRPO(group_size=3, std="leave-one-out", epsilon=0.1),
    "std of the others, population, two members": DAPO(group_size=2, std="leave-one-out", ddof=0, epsilon=0.3,
                                                       dynamic_sampling=False),
    "std of the others, no epsilon": DrGRPO(group_size=3, max_tokens=1, std="leave-one-out"),
    "std of the others, clipped": GRPO(group_size=3, std="leave-one-out", epsilon=0.1, sampler=OLD, clip_low=0.01,
                                       clip_high=0.02),
    "dead groups left out": GRPO(group_size=2, prompts=2, drop_dead=True, **KL),
    "dead groups left out, tokens of the group": DAPO(group_size=3, prompts=1, dynamic_sampling=False, drop_dead=True),
    "dead groups left out, tokens of the batch": DAPOBatch(group_size=2, prompts=2, drop_dead=True, **KL),
    "dual clip": GRPO(group_size=3, sampler=OLD, clip_low=0.5, clip_high=0.02, dual_clip=1.01),
    "ratios of responses, tokens of the group": DAPO(group_size=3, dynamic_sampling=False, ratio_level="sequence", sampler=OLD,
                                                     clip_low=0.01, clip_high=0.02),
    "ratios of responses, plain sums": RLOO(group_size=3, ratio_level="sequence", sampler=OLD, clip_low=0.01, clip_high=0.02),
    "ratios of responses themselves": RLOO(group_size=3, ratio_level="sequence-product", sampler=OLD, clip_low=0.13,
                                           clip_high=0.17),
    "ratios of responses themselves, penalty": DAPO(group_size=2, dynamic_sampling=False, ratio_level="sequence-product",
                                                    sampler=OLD, clip_low=0.13, clip_high=0.17, **KL),
    "ratios of responses, truncated": CISPO(group_size=2, ratio_level="sequence", sampler=OLD, clip_low=0.01, clip_high=0.01),
    "ratios of responses, dual clip, penalty": GSPO(group_size=2, sampler=OLD, clip_low=0.5, clip_high=0.02, dual_clip=1.005,
                                                    **KL),
    "ratios of tokens in gspo": GSPO(group_size=3, ratio_level="token", sampler=OLD, clip_low=0.01, clip_high=0.02),
    "temperature": GRPO(group_size=3, temperature=1.7),
    "temperature, truncated weights of tokens": GRPO(group_size=2, temperature=1.7, importance="token", importance_cap=1.05,
                                                     **KL),
    "another engine": DAPO(group_size=2, dynamic_sampling=False, engine=OLD),
    "another engine, weights of tokens masked": GRPO(group_size=3, engine=OLD, importance="token", importance_rule="mask",
                                                     importance_cap=1.1),
    "another engine, weights of responses": GRPO(group_size=3, engine=OLD, importance="sequence", importance_cap=1.4),
    "another engine, mean weights of responses": DAPO(group_size=2, dynamic_sampling=False, engine=OLD,
                                                      importance="sequence-mean", importance_cap=1.01),
    "another engine, weights of responses masked": RLOO(group_size=3, engine=OLD, importance="sequence", importance_rule="mask",
                                                        importance_cap=1.3, **KL),
    "stale policy in another engine": GRPO(group_size=2, sampler=OLD, engine=WRONG, importance="token", importance_cap=1.2,
                                           clip_low=0.01, clip_high=0.02),
    "stale policy in another engine, by response": DAPO(group_size=2, dynamic_sampling=False, sampler=OLD, engine=WRONG,
                                                        importance="sequence", importance_cap=1.2, clip_low=0.01, clip_high=0.02),
    "truncated responses masked": GRPO(group_size=3, mask_truncated="numerator", **KL),
    "truncated responses masked, tokens of the group": DAPO(group_size=3, dynamic_sampling=False, mask_truncated="numerator"),
    "truncated responses left out": DAPO(group_size=3, dynamic_sampling=False, mask_truncated="both"),
    "truncated responses left out of the batch": DAPOBatch(group_size=2, prompts=2, mask_truncated="both", **KL),
    "truncated responses masked, clipped": DAPO(group_size=2, dynamic_sampling=False, mask_truncated="numerator", sampler=OLD,
                                                clip_low=0.01, clip_high=0.02),
    "truncated responses masked, ratios of responses": GRPO(group_size=2, mask_truncated="numerator", ratio_level="sequence",
                                                            sampler=OLD, clip_low=0.01, clip_high=0.02),
    "truncated responses left out of a group": DAPOBatch(group_size=2, prompts=1, mask_truncated="both", **KL),
    "mean of two micro-batches": DAPOBatch(group_size=2, prompts=2, micro_batches=2, **KL),
    "sum of two micro-batches": DAPOBatch(group_size=2, prompts=2, micro_batches=2, accumulate="sum"),
    "sum of two micro-batches, own tokens": GRPO(group_size=2, prompts=2, micro_batches=2, accumulate="sum", **KL),
    "two rewards combined": GRPONoStd(group_size=3, reward_weights=(1.0, 0.5)),
    "two rewards combined, std": DAPO(group_size=3, dynamic_sampling=False, reward_weights=(1.0, 0.5), epsilon=0.1),
    "two rewards, credits combined": GRPO(group_size=3, reward_weights=(1.0, 0.5), combine="after", epsilon=0.1),
    "two rewards, credits combined, clipped": GRPO(group_size=3, reward_weights=(1.0, -0.7), combine="after", epsilon=0.1,
                                                   sampler=OLD, clip_low=0.01, clip_high=0.02),
    "three rewards combined": GRPONoStd(group_size=3, reward_functions=("correct", "return", "turns"),
                                        reward_weights=(1.0, 0.5, -0.1)),
    "three rewards combined, std": GRPO(group_size=3, reward_functions=("correct", (0.0, -0.2, 0.3, -0.2), "turns"),
                                        reward_weights=(1.0, 0.5, 0.25), epsilon=0.1),
    "three rewards combined, std, tokens of the group": DAPO(group_size=2, dynamic_sampling=False, epsilon=0.1,
                                                             reward_functions=("correct", "return", "turns")),
    "correctness and tokens": DrGRPO(group_size=3, max_tokens=1, reward_functions=("correct", "tokens", (0.5, 0.0, 0.0, -1.0)),
                                     reward_weights=(1.0, -0.02, 0.3)),
    "three rewards, credits combined": GRPO(group_size=3, reward_functions=("correct", "return", "turns"),
                                            reward_weights=(1.0, 0.5, -0.3), combine="after", epsilon=0.1),
    "three rewards, credits combined, ratios of responses": DAPO(
        group_size=2, dynamic_sampling=False, reward_functions=("correct", "turns", (0.0, 1.0, 0.0, 1.0)),
        reward_weights=(1.0, 0.5, -0.3), combine="after", epsilon=0.1, ratio_level="sequence", sampler=OLD, clip_low=0.01,
        clip_high=0.02),
    "many values, std, clipped": GRPO(group_size=3, outcome="return", epsilon=0.1, sampler=OLD, clip_low=0.01, clip_high=0.02),
    "three values, dead groups left out": DAPO(group_size=3, prompts=1, dynamic_sampling=False, drop_dead=True, outcome="return",
                                               epsilon=0.1, **KL),
    "three rewards, dead groups left out": GRPONoStd(group_size=2, prompts=2, drop_dead=True, **KL,
                                                     reward_functions=("correct", "return", "turns")),
    "three values, dead groups left out of the batch": DAPOBatch(group_size=2, prompts=2, drop_dead=True, outcome="return", **KL),
    "three values, dead groups left out, clipped": GRPO(group_size=3, prompts=1, drop_dead=True, outcome="return", sampler=OLD,
                                                        clip_low=0.01, clip_high=0.02, mask_truncated="numerator"),
    "many values, clipped": RLOO(group_size=3, outcome="return", sampler=OLD, clip_low=0.01, clip_high=0.02),
    "three values, std of the others": DAPO(group_size=3, dynamic_sampling=False, outcome="return", std="leave-one-out", ddof=0,
                                            epsilon=0.2),
    "three values, truncated responses left out": DAPO(group_size=3, dynamic_sampling=False, outcome="return",
                                                       mask_truncated="both", epsilon=0.2),
    "a baseline per turn": DrGRPO(group_size=3, max_tokens=5, baseline_per="turn"),
    "a baseline per turn, two members": DrGRPO(group_size=2, max_tokens=1, baseline_per="turn", outcome="return"),
}  # fmt: skip
_LARGE = {name for name, o in CASES.items() if o.group_size == 3 and getattr(o, "std", "") != "leave-one-out"}
_LONG = {name for name, o in CASES.items() if o.prompts == 2}  # 10,000 batches


@pytest.mark.parametrize(
    ("name", "size"),
    [pytest.param(n, 3, marks=pytest.mark.slow) for n in sorted(_LARGE)]
    + [pytest.param(n, max(2, o.credit.least_group), marks=[pytest.mark.slow] if n in _LONG else []) for n, o in CASES.items()],
)  # fmt: skip
def test_expectations_are_sums_over_every_batch(name: str, size: int) -> None:
    o, s = replace(CASES[name], group_size=size), solve(PAID, HERE)
    by_hand = expected(o, excess(0.3) if np.any(o.beta) else None)
    g, scale = o.gradient(s), np.abs(by_hand).max()
    np.testing.assert_allclose(g.sample[0], by_hand[0], rtol=0, atol=1e-11 * scale)
    np.testing.assert_allclose(g.decide[0], by_hand[1], rtol=0, atol=1e-11 * scale)


@pytest.mark.parametrize("objective", [
    DAPO(group_size=3, outcome="return", epsilon=0.1, **KL), DAPOBatch(group_size=2, prompts=1, dynamic_sampling=True,
    reward_functions=("correct", "return", "turns"), **KL), RLOO(group_size=2, outcome="return", normalise_by="group-tokens"),
    CISPO(group_size=3, dynamic_sampling=True, outcome="return", sampler=OLD, clip_low=0.02, clip_high=0.05),
], ids=lambda o: o.name)  # fmt: skip
def test_groups_of_many_values_are_drawn_again(objective) -> None:
    o, total, by_hand = objective, 0.0, np.zeros((2, 2, 3))
    for chance, batch, who in batches(o):
        if getattr(o, "dynamic_sampling", False) and any(len({r.reward for r in group}) == 1 for group in batch):
            continue
        total, by_hand = total + chance, by_hand + chance * trainer(batch, o, who, excess(0.3) if np.any(o.beta) else None)
    s = solve(PAID, HERE)
    for found, expected in zip((o.gradient(s).sample, o.gradient(s).decide), by_hand / total, strict=True):
        np.testing.assert_allclose(found[0], expected, rtol=0, atol=1e-11 * np.abs(by_hand).max())
    large = [replace(o, group_size=g, prompts=math.inf).ascent(s).sample for g in (64, 128, 256)]
    if o.name != "rloo":  # the limit, up to a multiple of 1/G
        limit = replace(o, group_size=math.inf, prompts=math.inf) if o.sampler is None else None
        expected = 2 * large[2] - large[1] if limit is None else limit.gradient(s).sample
        np.testing.assert_allclose(2 * large[1] - large[0], expected, rtol=0, atol=2e-3 * np.abs(expected).max())


def test_a_penalty_beside_groups_that_another_reward_leaves_out_is_refused() -> None:
    message = "beside groups that are drawn again, or left out, by another reward than correctness is not computed"
    for o in (DAPO(outcome="return"), DAPO(reward_weights=(1.0, 0.5)), GRPO(outcome="return", drop_dead=True)):
        for penalty in (K3Loss(WRONG), K1Reward(WRONG), EntropyBonus()):
            with pytest.raises(ChainError, match=f"^{penalty.name} {message}"):
                o + penalty
    assert (DAPO() + K3Loss(WRONG)).name
    assert (2.0 * DAPO(outcome="return")).name


def test_a_penalty_beside_tokens_that_are_not_all_counted_is_refused() -> None:
    """It was divided by all of them, not as the reward is."""
    for o in (DAPOBatch(mask_truncated="both"), DAPO(mask_truncated="both", dynamic_sampling=False, micro_batches=2)):
        for penalty in (K2Loss(WRONG), K3Loss(WRONG), EntropyBonus()):
            with pytest.raises(ChainError, match=f"^{penalty.name} beside a reward that counts the tokens of whole responses"):
                o + penalty
        assert (o + K3Loss(WRONG, normaliser="batch-tokens")).name
    for o in (DAPOBatch(mask_truncated="numerator"), GRPO(mask_truncated="both")):  # divided by all, and by its own
        assert (o + K3Loss(WRONG)).name
        assert (o + EntropyBonus()).name


SEVERAL = {"reward_functions": ("correct", "return", "turns"), "reward_weights": (1.0, 0.5, -0.3)}


@pytest.mark.parametrize("sampler", [None, OLD], ids=["on policy", "clipped"])
def test_a_second_division_is_by_the_deviation_of_all_credits(sampler: Policy | None) -> None:
    """In large batches it is one number: the root of the mean square of a response's summed credits."""
    once = GRPO(group_size=2, **SEVERAL, combine="after", epsilon=0.1, sampler=sampler, clip_low=0.01, clip_high=0.02)
    square = 0.0
    for chance, (group,), _ in batches(once):
        each = [credits([r.rewards[k] for r in group], once) for k in range(3)]
        sums = [sum(w * a[j] for w, a in zip(once.reward_weights, each, strict=True)) for j in range(2)]
        square += chance * sum(x**2 for x in sums) / 2
    s, twice = solve(PAID, HERE), replace(once, combine="after-batch")
    g, undivided = twice.gradient(s), once.gradient(s)
    for found, expected in ((g.sample, undivided.sample), (g.decide, undivided.decide)):
        np.testing.assert_allclose(found, expected / (math.sqrt(square) + 0.1), rtol=1e-11, atol=1e-15)
    sampled = sampled_gradient(twice, s, batches=300, prompts=200, rng=5)
    gap = np.abs(sampled.gradient.sample - g.sample)  # of a batch of 200 groups: 1/200 beside the limit
    assert (gap <= 4.5 * sampled.standard_error.sample + 0.02 * np.abs(sampled.gradient.sample).max()).all()


@pytest.mark.parametrize("combine", ["after", "after-batch"])
@pytest.mark.parametrize(
    "sampler",
    [None, OLD, Policy.tabular(HERE.sample_logits, HERE.stop_logits)],
    ids=["on policy", "clipped", "ratios of 1"],
)
def test_several_credits_over_the_deviations_of_a_large_batch_are_credits_without_one(sampler, combine: str) -> None:
    """Each reward's deviation is one number, its own: the ways to fill a group are no batch."""
    o = GRPO(group_size=2, **SEVERAL, std="batch", combine=combine, epsilon=0.1, sampler=sampler, clip_low=0.01, clip_high=0.02)
    means, squares = np.zeros(3), np.zeros(3)
    for chance, (group,), _ in batches(replace(o, combine="after")):
        for r in group:
            means += chance * np.array(r.rewards) / 2
            squares += chance * np.array(r.rewards) ** 2 / 2
    weights = tuple(np.array(o.reward_weights) / (np.sqrt(squares - means**2) + 0.1))
    s, plain = solve(PAID, HERE), replace(o, std="none", reward_weights=weights)
    g, alone = o.gradient(s), plain.gradient(s)
    for found, expected in ((g.sample, alone.sample), (g.decide, alone.decide)):
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-15)
    after = train(PAID, HERE, o, steps=1).policy.parameters[1]  # as one run of many
    np.testing.assert_allclose(after, HERE.stop_logits + 0.1 * g.decide, rtol=1e-14)
    few = replace(o, prompts=2)
    if sampler is not None or combine == "after-batch":
        with pytest.raises(ChainError, match=rf"^grpo: std='batch' with combine='{combine}' has a closed form in large batches"):
            few.gradient(s)
    assert sampled_gradient(few, s, batches=2, rng=0).gradient.sample.any()


def test_several_rewards_of_which_none_counts_leave_nothing_to_combine() -> None:
    for combine in ("after", "after-batch"):
        with pytest.raises(ChainError, match=r"^reward_weights is \(0.0, 0.0\): at least one must not be 0"):
            GRPO(reward_functions=("correct", "turns"), reward_weights=(0.0, 0.0), combine=combine)


@pytest.mark.parametrize(
    "settings",
    [
        {"outcome": "return", "dynamic_sampling": True},
        {"outcome": "return", "drop_dead": True, "prompts": 2},
        {"dynamic_sampling": True, "mask_truncated": "numerator"},
        {"outcome": "return", "dynamic_sampling": True, "mask_truncated": "numerator"},
    ],
)
def test_a_penalty_beside_several_rewards_that_tell_which_groups_count_is_paid_once(settings) -> None:
    """The exact gradient asks how likely a group counts, reward by reward; a batch knows, and paid once for each of them."""
    s, o = solve(PAID, HERE), GRPO(group_size=2, reference=WRONG, beta=1.0, **settings)
    exact, sampled = o.gradient(s), sampled_gradient(o, s, batches=400, prompts=10, rng=3)
    for stage in ("sample", "decide"):
        gap = np.abs(getattr(sampled.gradient, stage) - getattr(exact, stage))
        assert (gap <= 4.5 * getattr(sampled.standard_error, stage)).all()
    if "drop_dead" not in settings:
        np.testing.assert_allclose(signal(o, s, prompts=3).expected.sample, exact.sample, rtol=1e-9, atol=1e-14)


def test_credits_that_are_not_centred_are_not_divided_once_more() -> None:
    """Those against the deviation of the others: a batch's samples are centred as well, which the closed form does not do."""
    o = GRPO(group_size=3, std="leave-one-out", **SEVERAL, combine="after-batch", epsilon=0.1)
    with pytest.raises(ChainError, match=r"^combine='after-batch' centres the credits of a batch, and these average to"):
        o.gradient(solve(PAID, HERE))


def test_rewards_of_one_joint_value_teach_nothing() -> None:
    """At the only turn a response has one answer, and here as many tokens as any other."""
    mdp = TwoStageMDP(correct=[[1, 0]], max_turns=1)
    o = GRPO(reward_functions=("turns", "tokens"), reward_weights=(1.0, -0.3), combine="after")
    assert not o.gradient(solve(mdp, Policy.tabular([[0.3, 0.0]], [[0.0, 0.0]]))).sample.any()


def test_a_sum_with_a_return_that_is_discounted_within_the_only_turn_is_refused() -> None:
    """What is paid for a right answer is not discounted."""
    mdp = TwoStageMDP(correct=[[1, 0]], max_turns=1, gamma=0.5, discount_per="stage")
    policy = Policy.tabular([[0.3, 0.0]], [[0.0, 0.0]])
    with pytest.raises(ChainError, match="with the chain's return, which is discounted"):
        GRPO(reward_weights=(1.0, 0.5)).gradient(solve(mdp, policy))
    per_turn = solve(TwoStageMDP(correct=[[1, 0]], max_turns=1, gamma=0.5), policy)
    twice = GRPO(std=False, reward_weights=(1.0, 1.0)).gradient(per_turn)
    np.testing.assert_allclose(twice.sample, 2.0 * GRPO(std=False).gradient(per_turn).sample, rtol=1e-13)


def test_large_groups_divide_by_the_deviation_of_what_is_paid() -> None:
    """Their limit is that of finite ones, whatever the rewards are made of."""
    s = solve(PAID, HERE)
    for settings in (SEVERAL, {"reward_functions": ("return", "turns")}, {"reward_weights": (1.0, 0.5)}):
        one, other, limit = (GRPO(group_size=g, **settings).gradient(s).sample for g in (200, 400, math.inf))
        np.testing.assert_allclose(2 * other - one, limit, rtol=0, atol=2e-4 * np.abs(limit).max())
        whole = DAPO(group_size=math.inf, dynamic_sampling=False, std="batch", **settings).gradient(s)
        paid = DAPO(group_size=math.inf, dynamic_sampling=False, std="none", **settings).gradient(s)
        rewards, chances = [], []
        for r in itertools.chain(*responses(HERE)):
            o = GRPO(**settings)
            correct, own = float(MDP.correct[r.prompt, r.steps[-1][0]]), PAYS[r.prompt][r.steps[-1][0]]
            rewards.append(sum(w * paid_by(f, r, correct, own) for w, f in o.rewards))
            chances.append(r.weight * float(MDP.prompt_weight[r.prompt]))
        mean = float(np.dot(chances, rewards))
        deviation = math.sqrt(float(np.dot(chances, (np.array(rewards) - mean) ** 2)))
        np.testing.assert_allclose(whole.sample, paid.sample / deviation, rtol=1e-11, atol=1e-15)


def test_large_groups_divide_rewards_of_many_values_by_their_own_deviation() -> None:
    """Without a cap: a chain that pays the same sum has the same gradient."""
    mdp, cost = MDP.replace(max_turns=None, gamma=1.0), -0.02 * (MDP.sample_length + 2.0)
    paying = mdp.replace(reward_stop=MDP.correct + cost, reward_resample=np.broadcast_to(cost, MDP.shape))
    for std in ("group", "batch"):
        tokens = GRPO(group_size=math.inf, std=std, reward_functions=("correct", "tokens"), reward_weights=(1.0, -0.02))
        found = tokens.gradient(solve(mdp, HERE))
        exact = GRPO(group_size=math.inf, std=std, outcome="return").gradient(solve(paying, HERE))
        np.testing.assert_allclose(found.sample, exact.sample, rtol=1e-10)
        np.testing.assert_allclose(found.decide, exact.decide, rtol=1e-10)


@pytest.mark.parametrize("name", [n for n in CASES if "micro" not in n])
def test_rules_on_trajectories_average_to_the_closed_form(name: str) -> None:
    """The coefficients of all responses of whoever generates, each times its score."""
    o, s = CASES[name], solve(PAID, HERE)
    t = enumerate_trajectories(PAID, o.behaviour(s))
    c_s, c_d = o.coefficients(s, t)
    total = np.zeros((2, 2, 3))
    for i in range(len(t)):
        rows = slice(int(t.offsets[i]), int(t.offsets[i + 1]))
        total += t.weight[i] * score(Response(t, i), c_s[rows], c_d[rows])
    g, scale = o.gradient(s), np.abs(total).max()
    np.testing.assert_allclose(g.sample[0], total[0], rtol=0, atol=1e-12 * scale)
    np.testing.assert_allclose(g.decide[0], total[1], rtol=0, atol=1e-12 * scale)


def test_the_deviation_of_a_large_batch() -> None:
    """All rewards of all prompts: one number, known in large batches; finite ones tend to it."""
    s = solve(PAID, HERE)
    accuracy = sum(float(w) * r.weight * r.reward for w, rs in zip(MDP.prompt_weight, responses(HERE), strict=True) for r in rs)
    plain, divided = (GRPO(group_size=4, std=std, epsilon=e).gradient(s) for std, e in (("none", 0.0), ("batch", 0.01)))
    deviation = math.sqrt(accuracy * (1 - accuracy)) + 0.01
    np.testing.assert_allclose(divided.sample * deviation, plain.sample, rtol=1e-12, atol=1e-18)
    shares: dict[float, float] = {}
    for x, rs in enumerate(responses(HERE)):
        for r in rs:
            paid = PAYS[x][r.steps[-1][0]]
            shares[paid] = shares.get(paid, 0.0) + float(MDP.prompt_weight[x]) * r.weight
    mean = sum(v * p for v, p in shares.items())
    spread = math.sqrt(sum(p * (v - mean) ** 2 for v, p in shares.items()))
    plain, divided = (RLOO_like(std).gradient(s) for std in ("none", "batch"))
    np.testing.assert_allclose(divided.sample * spread, plain.sample, rtol=1e-12, atol=1e-18)
    drawn = sampled_gradient(GRPO(group_size=4, prompts=64, std="batch", epsilon=0.01), s, batches=60, rng=1)
    exact = GRPO(group_size=4, std="batch", epsilon=0.01).gradient(s)
    near = 4.5 * drawn.standard_error.sample + 1e-3 * np.abs(exact.sample).max()  # 64 prompts are nearly a large batch
    assert (np.abs(drawn.gradient.sample - exact.sample) <= near).all()
    few = GRPO(group_size=4, prompts=64, std="batch", epsilon=0.01).gradient(s)
    assert (np.abs(drawn.gradient.sample - few.sample) <= 4.5 * drawn.standard_error.sample).all()
    assert 0 < np.abs(few.sample - exact.sample).max() < 1e-3 * np.abs(exact.sample).max()
    for refused in ({"outcome": "return"}, {"dynamic_sampling": True}, {"prompts": 20_000}):
        with pytest.raises(ChainError, match="std='batch' has a closed form in large batches"):
            GRPO(**{"prompts": 4, "std": "batch", **refused}).gradient(s)


@pytest.mark.parametrize("size", [2, 8, 64, 1024, math.inf])
@pytest.mark.parametrize("prompts", [1, 3, math.inf])
def test_dead_groups_that_are_left_out_leave_each_response_its_own_tokens(size: float, prompts: float) -> None:
    """Of 1/L short responses lost all but the part of a group's tokens: groups of 64 got 16 % too little, and no word of it."""
    p, lengths = 0.3, (3.0, 90.0)
    mdp = TwoStageMDP(correct=[[1, 0]], sample_length=[lengths], max_turns=1, gamma=1.0)
    s = solve(mdp, Policy.from_probabilities([[p, 1.0 - p]], [[0.5, 0.5]]))
    found = GRPO(group_size=size, prompts=prompts, epsilon=0.0, drop_dead=True).gradient(s).sample[0, 0, 0]
    up = p * (1.0 - p)  # the score of either answer times its chance, but for the sign

    def share(hits: float, size: float) -> float:
        """What a group with so many hits moves the first logit by, its standard deviation that of a sample."""
        r = hits / size
        deviation = math.sqrt(r * (1.0 - r) * (size / (size - 1.0) if size < math.inf else 1.0))
        return (r * (1.0 - r) * (1.0 - p) / lengths[0] + (1.0 - r) * r * p / lengths[1]) / deviation

    if size == math.inf:
        expected = up * ((1.0 - p) / lengths[0] + p / lengths[1]) / math.sqrt(up)
    else:
        n = int(size)
        log = [math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in range(n + 1)]
        chance = [math.exp(c + k * math.log(p) + (n - k) * math.log1p(-p)) for k, c in enumerate(log)]
        mixed = sum(chance[1:-1])
        left = -math.expm1(prompts * math.log1p(-mixed)) if prompts < math.inf and mixed < 1.0 else 1.0
        expected = left / mixed * sum(chance[k] * share(k, n) for k in range(1, n))
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("per", "size", "prompts"), [("group", 4, 1), ("batch", 2, 2)])
def test_over_the_deviation_of_a_batch_one_response_may_be_all_that_counts(per: str, size: int, prompts: int) -> None:
    """Of 1/tokens batches with few whole responses lost a part: 7 % where hardly any response stops, and no word of it."""
    p, stop, lengths, decision, epsilon = 0.4, (0.3, 0.2), (4.1, 9.0), 1.0, 0.1
    mdp = TwoStageMDP(correct=[[1, 0]], sample_length=[lengths], decision_length=decision, max_turns=2, gamma=1.0)
    s = solve(mdp, Policy.from_probabilities([[p, 1.0 - p]], [stop]))
    kinds = []  # chance, reward, tokens that count, and the sum of the scores of the first logit, 0 of a truncated response
    for y, q in enumerate((p, 1.0 - p)):
        kinds.append((q * stop[y], float(y == 0), lengths[y] + decision, (y == 0) - p))
        for last, other in enumerate((p, 1.0 - p)):
            kinds.append((q * (1.0 - stop[y]) * other, float(last == 0), 0.0, 0.0))
    expected = 0.0
    for batch in itertools.product(kinds, repeat=size * prompts):
        chance, rewards = math.prod(kind[0] for kind in batch), np.array([kind[1] for kind in batch])
        if np.ptp(rewards) == 0.0:
            continue
        groups = [range(i, i + size) for i in range(0, size * prompts, size)]
        for of in groups:
            tokens = sum(batch[i][2] for i in (of if per == "group" else range(size * prompts)))
            moved = sum((rewards[i] - rewards[list(of)].mean()) * batch[i][3] for i in of)
            if tokens:
                share = 1.0 / prompts if per == "group" else 1.0
                expected += chance * share * moved / ((rewards.std(ddof=1) + epsilon) * tokens)
    settings = {"group_size": size, "prompts": prompts, "epsilon": epsilon, "normalise_by": f"{per}-tokens"}
    found = GRPO(**settings, std="batch", mask_truncated="both").gradient(s).sample[0, 0, 0]
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("kind", [PerToken, GroupTokens, BatchTokens, PerResponse])
def test_a_normaliser_by_another_name_divides_as_the_one_that_it_derives_from(kind: type[Normaliser]) -> None:
    """Over the deviation of a few prompts' batch one that divides by tokens divided by responses, and signal broke off."""

    class Renamed(kind):  # type: ignore[misc, valid-type]
        words = "by another name"

    s = solve(TwoStageMDP.minimal(gamma=1.0, sample_length=[[3, 9]]), Policy.minimal(p=0.4, a=0.7, b=0.6))
    few = {"group_size": 2, "prompts": 3}
    for settings in ({"std": "batch"}, {"std": False}):
        own, other = (GRPO(**few, **settings, normalise_by=normaliser) for normaliser in (kind(), Renamed()))
        assert np.array_equal(own.gradient(s).sample, other.gradient(s).sample)
        assert signal(own, s).decide.noise == signal(other, s).decide.noise
    if kind is BatchTokens:
        beside = K2Loss(Policy.minimal(p=0.5, a=0.5, b=0.5), normaliser=Renamed(), group_size=2, prompts=5)
        with pytest.raises(ChainError, match="divided otherwise"):
            signal(GRPO(**few, std=False, normalise_by=Renamed()) + beside, s)


@pytest.mark.parametrize("smallest", [1, 1 << 15])
@pytest.mark.parametrize(
    "settings", [{"std": "batch", "prompts": 3}, {"std": "batch"}, {"std": False}, {"dynamic_sampling": True}]
)
def test_a_normaliser_that_nobody_knows_is_refused(
    settings: dict[str, Any], smallest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over the deviation of a few prompts' batch it was taken to divide by responses."""

    class Rooted(Normaliser):
        words = "roots of tokens"

        def of_groups(self, lengths: np.ndarray) -> np.ndarray:
            return np.asarray(1.0 / (lengths.size * np.sqrt(lengths)))

    monkeypatch.setattr("dstheory.objectives.fused.SMALLEST", smallest)
    s = solve(TwoStageMDP.minimal(gamma=1.0, sample_length=[[3, 9]]), Policy.minimal(p=0.4, a=0.7, b=0.6))
    objective = GRPO(group_size=2, normalise_by=Rooted(), **settings)
    for exact in (objective.gradient, lambda s: signal(objective, s)):
        with pytest.raises(ChainError, match="'roots of tokens' has no exact expectation here: estimate it from sampled groups"):
            exact(s)


@pytest.mark.parametrize("smallest", [1, 1 << 15])
def test_a_deviation_of_a_large_batch_that_is_no_number_is_refused_and_none_is_0(
    smallest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A success is as rare as exp(-1000), its root is not: the row is 7e-218. Where no answer is right, it is 0."""
    monkeypatch.setattr("dstheory.objectives.fused.SMALLEST", smallest)
    policy = Policy.tabular([[-1000.0, 0.0]], [[0.3, -0.2]])
    for rewards in (("correct",), ("correct", (1.5, 0.0, 0.0, 0.0))):
        with pytest.raises(ChainError, match=r"variance of the rewards of a batch is 0\.0|rounding of grpo .* moves it from 0"):
            GRPO(std="batch", reward_functions=rewards).gradient(solve(TwoStageMDP(correct=[[1, 0]], gamma=1.0), policy))
    none = GRPO(std="batch").gradient(solve(TwoStageMDP(correct=[[0, 0]], gamma=1.0), policy))
    assert not none.sample.any()
    assert not none.decide.any()


def test_the_deviation_of_a_batch_on_tables_of_the_compiled_loop() -> None:
    """Tables for which compiled code is loaded: the same number divides the same gradient there."""
    rng = np.random.default_rng(0)
    correct = (rng.random((2000, 40)) < 0.3).astype(float)
    correct[:, 0], correct[:, 1] = 1.0, 0.0
    policy = Policy.tabular(rng.normal(size=correct.shape), rng.normal(size=correct.shape))
    s = solve(TwoStageMDP(correct=correct, gamma=1.0), policy)
    assert applies(s)
    plain, divided = (DrGRPO(max_tokens=1.0, std=std).gradient(s) for std in ("none", "batch"))
    x = float(s.mean_accuracy)
    np.testing.assert_allclose(divided.decide * math.sqrt(x * (1 - x)), plain.decide, rtol=1e-9, atol=1e-18)


def RLOO_like(std: str) -> GroupObjective:
    return DrGRPO(group_size=4, max_tokens=1, std=std, outcome="return")


@pytest.mark.parametrize("baseline", ["none", "others", "group"])
@pytest.mark.parametrize(
    "reward", [GRPO(group_size=2), RLOO(group_size=2), DAPOBatch(group_size=2, prompts=1)], ids=lambda o: o.name
)
def test_a_penalty_in_the_reward_before_and_after_the_baseline(baseline: str, reward: GroupObjective) -> None:
    s = solve(PAID, HERE)
    total = expected(reward, in_reward(0.3, baseline))
    g = (reward + K1Reward(WRONG, beta=0.3, kl_baseline=baseline)).gradient(s)
    np.testing.assert_allclose(g.sample[0], total[0], rtol=0, atol=1e-11 * np.abs(total).max())
    np.testing.assert_allclose(g.decide[0], total[1], rtol=0, atol=1e-11 * np.abs(total).max())


def test_where_responses_divide_the_baseline_of_a_penalty_drops_out() -> None:
    s = solve(PAID, HERE)
    of = {b: K1Reward(WRONG, beta=0.3, kl_baseline=b, group_size=4).gradient(s).decide for b in ("none", "others", "group")}
    none, others, group = of.values()
    np.testing.assert_allclose(others, none, rtol=1e-12, atol=1e-16)
    np.testing.assert_allclose(group, 0.75 * none, rtol=1e-12, atol=1e-16)


def test_k3_times_the_ratio_is_k2_on_the_policy() -> None:
    s = solve(PAID, HERE)
    for normaliser in (None, "group-tokens"):
        one, two = (kind.gradient(s).sample for kind in (K3Loss(WRONG, normaliser=normaliser, corrected_kl=True),
                                                         K2Loss(WRONG, normaliser=normaliser)))  # fmt: skip
        np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-17)


def demonstrated(weights: tuple[float, float], share: Callable[[list[Response], Response], float], size: int) -> np.ndarray:
    """Return the sum over every batch of demonstrations of OLD."""
    everybody = [(float(w) * r.weight, r) for w, rs in zip(MDP.prompt_weight, responses(OLD), strict=True) for r in rs]
    total = np.zeros((2, 2, 3))
    for batch in itertools.product(everybody, repeat=size):
        chance, members = math.prod(p for p, _ in batch), [r for _, r in batch]
        for r in members:
            one = [1.0] * len(r.steps)
            total += chance * share(members, r) * weights[0 if r.reward else 1] * score(r, one, one)
    return total


@pytest.mark.parametrize("weights", [(1.0, -0.5), (0.0, 2.0)])
def test_weighted_demonstrations(weights: tuple[float, float]) -> None:
    s, expert = solve(MDP, HERE), ExpertChain(OLD)
    for objective, share, size in (
        (SFTTokenMean(expert, responses=2, weights=weights), lambda m, r: 1.0 / sum(o.length for o in m), 2),
        (SFTSequenceSum(expert, weights=weights), lambda m, r: 1.0, 1),
        (SFTSequenceMean(expert, weights=weights), lambda m, r: 1.0 / r.length, 1),
    ):
        by_hand = demonstrated(weights, share, size)
        g = objective.gradient(s)
        np.testing.assert_allclose(g.sample[0], by_hand[0], rtol=0, atol=1e-11 * np.abs(by_hand).max())
        np.testing.assert_allclose(g.decide[0], by_hand[1], rtol=0, atol=1e-11 * np.abs(by_hand).max())
    t = enumerate_trajectories(MDP, OLD)
    recorded, chain = (SFTSequenceSum(source, weights=weights).gradient(s) for source in (Recorded(t), expert))
    np.testing.assert_allclose(recorded.decide, chain.decide, rtol=0, atol=1e-13)


def test_accumulated_demonstrations() -> None:
    s, expert = solve(MDP, HERE), ExpertChain(OLD)
    by_hand = demonstrated((1.0, 1.0), lambda m, r: 0.5 / sum(o.length for o in (m[:1] if r is m[0] else m[1:])), 2)
    mean, added = (SFTTokenMean(expert, responses=2, micro_batches=2, accumulate=how).gradient(s) for how in ("mean", "sum"))
    np.testing.assert_allclose(mean.sample[0], by_hand[0], rtol=0, atol=1e-11 * np.abs(by_hand).max())
    np.testing.assert_allclose(added.sample, 2.0 * mean.sample, rtol=1e-13)
    whole_batch = SFTTokenMean(expert, responses=2).gradient(s)
    assert np.abs(whole_batch.sample - mean.sample).max() > 0.01 * np.abs(mean.sample).max()  # mean of means is another loss


def test_a_baseline_per_turn_tilts_small_groups_only_and_needs_no_cap() -> None:
    """In groups without end it drops out; in small ones turns that few reach count less; a late cap is no cap."""
    s = solve(MDP.replace(max_turns=None), HERE)
    plain, endless = RLOO(group_size=2).gradient(s), DrGRPO(group_size=math.inf, max_tokens=1, baseline_per="turn").gradient(s)
    np.testing.assert_allclose(endless.decide, plain.decide, rtol=1e-12, atol=1e-16)
    small = DrGRPO(group_size=4, max_tokens=1, baseline_per="turn")
    late = small.gradient(solve(MDP.replace(max_turns=80), HERE))
    np.testing.assert_allclose(small.gradient(s).sample, late.sample, rtol=1e-10, atol=1e-16)
    met = np.abs(plain.sample) > 0
    assert (small.gradient(s).sample[met] / plain.sample[met]).max() < 0.75  # (G - 1)/G is what a whole response's baseline has


def test_weights_of_a_sum_reach_inherited_penalties() -> None:
    s = solve(PAID, HERE)
    summed = GRPO(group_size=2, prompts=2, micro_batches=2, accumulate="sum")
    total, alone = (summed + K3Loss(WRONG, beta=0.3)).gradient(s), summed.gradient(s)
    penalty = K3Loss(WRONG, beta=0.3, normaliser="response-tokens").gradient(s)
    np.testing.assert_allclose(total.sample - alone.sample, 2.0 * penalty.sample, rtol=1e-9, atol=1e-16)


@pytest.mark.parametrize("name", [
    "std of the others", "dead groups left out, tokens of the batch", "ratios of responses, tokens of the group",
    "another engine, weights of responses", "temperature, truncated weights of tokens",
    "truncated responses left out of the batch", "two rewards, credits combined",
])  # fmt: skip
def test_sampled_batches_agree(name: str) -> None:
    o, s = CASES[name], solve(PAID, HERE)
    exact, found = o.gradient(s), sampled_gradient(o, s, batches=700, prompts=2, rng=7)
    for stage in ("sample", "decide"):
        error = np.abs(getattr(found.gradient, stage) - getattr(exact, stage))
        assert (error <= 4.5 * getattr(found.standard_error, stage) + 1e-14).all()


@pytest.mark.parametrize("kind", [GRPO, DAPO, RLOO, CISPO, GSPO, PPOClip, ReinforceBaseline, NFT])
def test_defaults_change_nothing_bit_for_bit(kind: type[GroupObjective]) -> None:
    s = solve(MDP, HERE)
    plain, said = kind(), kind(normalise_by=None, dual_clip=math.inf, temperature=1.0, importance="none", mask_truncated="none",
                               micro_batches=1, accumulate="mean", reward_weights=None, combine="before")  # fmt: skip
    assert plain.gradient(s).sample.tobytes() == said.gradient(s).sample.tobytes()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GRPO(std="median"), "std is 'median': must be 'none', 'group', 'leave-one-out' or 'batch'"),
        (lambda: GRPO(epsilon=1e-320), "epsilon is 9.99989e-321: must be 0 or at least 1e-100"),
        (lambda: GRPO(group_size=2, std="leave-one-out"), "needs groups of at least 3"),
        (lambda: GRPO(normalise_by="token"), "normaliser is 'token': must be one of responses"),
        (lambda: DAPO(drop_dead=True), "groups are drawn again or left out, not both"),
        (lambda: GRPO(micro_batches=3, prompts=4), "micro_batches is 3: must divide prompts, 4, into whole groups"),
        (lambda: GRPO(micro_batches=2, prompts=4, std="batch"), "deviation of the whole batch, micro_batches=2 divides it"),
        (lambda: GRPO(dual_clip=0.5), "dual_clip is 0.5: must be > 1"),
        (lambda: GRPO(temperature=0.0), "temperature is 0.0: must lie in [1e-06, 1e+06], what"),
        (lambda: GRPO(temperature=2.0, engine=OLD), "engine and temperature both say who generates"),
        (lambda: GRPO(importance_rule="clip"), "importance_rule is 'clip': must be 'truncate'"),
        (lambda: GRPO(importance_cap=0.0), "importance_cap is 0.0: must be > 0"),
        (lambda: GRPO(importance="token", importance_cap=0.5), "importance_cap is 0.5: without an engine or a temperature"),
        (lambda: GRPO(importance="word"), "importance is 'word': must be one of none, token, sequence, sequence-mean"),
        (lambda: GRPO(reward_weights=(1.0, math.nan)), "must be 2 finite numbers, one for each of correct, return"),
        (lambda: DAPO(reward_weights=(1.0, 1.0), combine="after"), "no one reward by which groups are dead"),
        (lambda: GRPO(reward_functions=("correct", "length")), "reward function is 'length': must be one of correct, return"),
        (lambda: GRPO(reward_functions=((1.0, 0.0, math.inf, 0.0),)), "or four finite numbers, which stopping at and resampling"),
        (lambda: GRPO(reward_functions=("correct", "turns", "tokens"), reward_weights=(1.0, 1.0)), "must be 3 finite numbers"),
        (lambda: GRPO(combine="after"), "combine='after' needs several rewards: give reward_weights, or reward_functions"),
        (lambda: GRPO(**SEVERAL).gradient(solve(PAID.replace(gamma=0.5), HERE)), "which is discounted, where the others are not"),
        (lambda: GRPO(**SEVERAL, combine="after-batch", prompts=4).gradient(solve(PAID, HERE)), "large batches of finite groups"),
        (lambda: GRPO(reward_functions=("correct", "tokens"), combine="after-batch").gradient(
            solve(PAID.replace(max_turns=9), HERE)), "need at most 16 values each, known at the end"),
        (lambda: PPOClip(mask_truncated="both"), "ppo-clip has a rule of its own: mask_truncated is not computed for it"),
        (lambda: NFT(temperature=2.0), "nft has a rule of its own: temperature"),
        (lambda: GRPO(baseline_per="turn"), "baseline_per='turn' is computed without std"),
        (lambda: GRPONoStd(baseline_per="turn"), "not with the normaliser '1/L_i, then responses'"),
        (lambda: DrGRPO(baseline_per="word"), "baseline_per is 'word': must be 'response' or 'turn'"),
        (lambda: K1Reward(OLD, kl_baseline="mean"), "kl_baseline is 'mean': must be 'none', 'others' or 'group'"),
        (lambda: SFTTokenMean(ExpertChain(OLD), weights=(1.0, math.inf)), "weights are 1.0, inf: must be finite"),
        (lambda: SFTTokenMean(ExpertChain(OLD), responses=3, micro_batches=2), "micro_batches is 2: must divide responses, 3"),
        (lambda: SFT(OLD).gradient(solve(MDP, HERE)), "sft: demonstrations is a Policy: give ExpertChain(policy), or Recorded("),
        (lambda: GRPO(mask_truncated="numerator").gradient(solve(MDP.replace(max_turns=None), HERE)), "ever truncated; set max"),
        (lambda: DAPO(mask_truncated="both").gradient(solve(MDP, HERE)), "mask_truncated='both' with groups that are drawn"),
        (lambda: DrGRPO(baseline_per="turn", outcome="return").gradient(solve(PAID.replace(gamma=0.5), HERE)), "paid at the end"),
    ],
)  # fmt: skip
def test_contradictions_and_what_is_not_computed_are_said(make: Callable, message: str) -> None:
    with pytest.raises(ChainError, match=re.escape(message)):
        make()


def test_sums_and_stage_weights_are_as_they_were() -> None:
    assert WeightedSum((GRPO(), K3Loss(OLD)), (1.0, 1.0)).terms[1].inherited == GRPO().shared_normaliser()
    assert DFT(ExpertChain(OLD)).credit is None


@pytest.mark.parametrize("size", [2, 8])
def test_one_whole_response_may_be_all_that_a_group_of_truncated_ones_counts(size: int) -> None:
    mdp, policy = TwoStageMDP.minimal(gamma=1.0, sample_length=3, max_turns=2), Policy.minimal(p=0.5, a=0.3, b=0.7)
    objective = DAPO(group_size=size, dynamic_sampling=False, mask_truncated="both", std=False)
    chances = np.array([0.15, 0.15, 0.35, 0.35])  # whole and right, whole and wrong, truncated and right, truncated and wrong
    total = 0.0
    for others in itertools.product(range(size), repeat=4):
        if sum(others) == size - 1:
            ways = math.factorial(size - 1) / math.prod(map(math.factorial, others)) * np.prod(chances**others)
            for kind, reward, score in ((0, 1.0, 0.5), (1, 0.0, -0.5)):
                mean = (others[0] + others[2] + reward) / size
                total += size * chances[kind] * ways * (reward - mean) * score / (4.0 * (others[0] + others[1] + 1))
    found = objective.gradient(solve(mdp, policy)).sample[0, 0]
    np.testing.assert_allclose(found, [total, -total], rtol=1e-12)


@pytest.mark.parametrize("normaliser", ["responses", "response-tokens", "batch-tokens"])
def test_a_penalty_with_its_own_normaliser_is_taken_on_the_groups_that_count(normaliser: str) -> None:
    """One turn, groups of two: a mixed group is one right and one wrong response, whatever the policy. By hand."""
    p, at, length = 0.3, 0.6, (30.0, 70.0)
    s = solve(
        TwoStageMDP(correct=[[1, 0]], sample_length=[list(length)], max_turns=1, gamma=1.0), Policy.minimal(p=p, a=0.5, b=0.5)
    )
    penalty = K2Loss(Policy.minimal(p=at, a=0.5, b=0.5), beta=0.2, normaliser=normaliser, group_size=2, prompts=1)
    log, score = (np.log(p / at), np.log((1 - p) / (1 - at))), (1 - p, -p)
    share = {"responses": (0.5, 0.5), "response-tokens": (0.5 / 30, 0.5 / 70), "batch-tokens": (0.01, 0.01)}[normaliser]
    expected = -0.2 * sum(x * of * c for x, of, c in zip(log, score, share, strict=True))
    chance = {"dynamic_sampling": 1.0, "drop_dead": 2 * p * (1 - p)}  # of a batch that is not empty
    for how, times in chance.items():
        reward = GRPO(group_size=2, prompts=1, std=False, **{how: True})
        found = (reward + penalty).gradient(s).sample - reward.gradient(s).sample
        assert found[0, 0, 0] == pytest.approx(times * expected, rel=1e-10)


def test_a_penalty_with_its_own_normaliser_is_added_up_over_micro_batches() -> None:
    s, penalty = solve(MDP, HERE), K3Loss(WRONG, normaliser="batch-tokens", group_size=2, prompts=4)
    half = replace(penalty, prompts=2).gradient(s)  # a micro-batch has two of the four groups
    for accumulate, times in (("mean", 1.0), ("sum", 2.0)):
        reward = GRPO(group_size=2, prompts=4, micro_batches=2, accumulate=accumulate)
        found = (reward + penalty).gradient(s)
        for stage in ("sample", "decide"):
            alone = getattr(found, stage) - getattr(reward.gradient(s), stage)
            assert alone == pytest.approx(times * getattr(half, stage), rel=1e-9, abs=1e-14)


@pytest.mark.parametrize("level", ["sequence", "sequence-mean"])
def test_discounted_returns_of_weighted_responses_depend_on_the_order_of_answers(level: Any) -> None:
    """Summed over every trajectory: the multisets that other weights of whole responses are summed over have one order."""
    unlike = {"stop_correct": 1.0, "resample_correct": -0.4, "stop_wrong": 0.1, "resample_wrong": 0.3}
    o = GRPO(group_size=math.inf, std=False, outcome="return", temperature=2.0, importance=level, importance_cap=1.5)
    for gamma in (0.6, 1.0):
        s = solve(
            TwoStageMDP(correct=[[1, 0, 1]], reward=unlike, gamma=gamma, max_turns=4),
            Policy.tabular([[0.4, -0.3, 0.9]], [[0.5, -0.7, 0.2]]),
        )
        drawn = enumerate_trajectories(s.mdp, o.generating(s.policy))
        found, expected = o.gradient(s), estimate_gradient(o, s, drawn).gradient
        for stage in ("sample", "decide"):
            assert getattr(found, stage) == pytest.approx(getattr(expected, stage), rel=1e-11, abs=1e-14)
    endless = solve(s.mdp.replace(max_turns=None, gamma=0.6), s.policy)
    with pytest.raises(ChainError, match=r"the order of answers counts.*give max_turns, or use gamma=1"):
        o.gradient(endless)
