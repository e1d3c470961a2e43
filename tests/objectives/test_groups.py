"""Expectations over groups and batches, against the sum over every possible batch: plain Python, nothing of the closed forms."""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
from strategies import make_case

from dstheory import Policy, TwoStageMDP, enumerate_trajectories, solve
from dstheory.errors import ChainError, DSTheoryError
from dstheory.objectives import (
    CISPO,
    DAPO,
    GRPO,
    GSPO,
    NFT,
    RLOO,
    DAPOBatch,
    DrGRPO,
    GroupObjective,
    GRPONoStd,
    K2Loss,
    K3Loss,
    PPOClip,
    SFTTokenMean,
    build,
)
from dstheory.objectives.expectation.exponential import EffectiveCredit, reciprocal, response_mass
from dstheory.objectives.expectation.rewards import reward_of
from dstheory.objectives.imitation import ExpertChain
from dstheory.objectives.mass import mass_of_steps
from dstheory.objectives.responses import response_lengths

# Lopsided: two prompts of unequal weight, three answers and two, lengths far apart, at most two turns.
MDP = TwoStageMDP(
    correct=[[1, 0, 0], [0, 1]],
    sample_length=[[3, 40, 7], [11, 2]],
    decision_length=2,
    prompt_weight=[3, 1],
    gamma=1.0,
    max_turns=2,
)
HERE = Policy.from_probabilities([[0.5, 0.3, 0.2], [0.6, 0.4]], [[0.8, 0.4, 0.6], [0.3, 0.9]])
OLD = Policy.from_probabilities([[0.35, 0.4, 0.25], [0.5, 0.5]], [[0.6, 0.5, 0.7], [0.5, 0.7]])
WRONG = Policy.from_probabilities([[0.2, 0.3, 0.5], [0.3, 0.7]], [[0.4, 0.7, 0.5], [0.6, 0.2]])


class Response:
    """One trajectory as plain numbers: reward, length, steps (prompt, answer, decision or None), score under HERE."""

    def __init__(self, t, i: int) -> None:
        self.prompt = int(t.prompt[i])
        rows = range(int(t.offsets[i]), int(t.offsets[i + 1]))
        self.steps = [(int(t.answer[j]), (bool(t.stop[j]) if t.decided[j] else None)) for j in rows]
        self.weight = float(t.weight[i])
        self.reward = float(MDP.correct[self.prompt, self.steps[-1][0]])
        self.length = sum(MDP.sample_length[self.prompt, y] + (2.0 if d is not None else 0.0) for y, d in self.steps)

    def scores(self, weigh=lambda x, y, d: (1.0, 1.0)) -> np.ndarray:
        """Return the sum of weighted scores, flattened: (2, 2, 3) for (stage, prompt, answer)."""
        out = np.zeros((2, 2, 3))
        for y, d in self.steps:
            w_s, w_d = weigh(self.prompt, y, d)
            out[0, self.prompt] -= w_s * HERE.sample_prob[0, self.prompt]
            out[0, self.prompt, y] += w_s
            if d is not None:
                stop = HERE.stop_prob[0, self.prompt, y]
                out[1, self.prompt, y] += w_d * ((1.0 - stop) if d else -stop)
        return out


def responses(policy: Policy) -> list[list[Response]]:
    """Return the responses of each prompt; weights are probabilities given the prompt."""
    t = enumerate_trajectories(MDP, policy)
    out: list[list[Response]] = [[], []]
    for i in range(len(t)):
        r = Response(t, i)
        r.weight /= float(MDP.prompt_weight[r.prompt])
        out[r.prompt].append(r)
    return out


def groups_of(of_prompt: list[Response], size: int) -> Iterator[tuple[list[Response], float]]:
    """Yield every group of responses to one prompt, once for all its orders, on which no update depends, and their chance."""
    for group in itertools.combinations_with_replacement(of_prompt, size):
        orders = math.factorial(size) // math.prod(map(math.factorial, Counter(group).values()))
        yield list(group), orders * math.prod(r.weight for r in group)


def batches_of(per_prompt: list[list[Response]], size: int, groups: int) -> Iterator[tuple[list[list[Response]], float]]:
    """Yield every batch of so many groups, and its chance."""
    of_one = [(g, float(MDP.prompt_weight[x]) * p) for x in range(2) for g, p in groups_of(per_prompt[x], size)]
    for batch in itertools.product(of_one, repeat=groups):
        yield [g for g, _ in batch], math.prod(p for _, p in batch)


def ratio(x: int, y: int, d: bool | None) -> tuple[float, float]:
    """Return the ratio of the answer's tokens (geometric mean) and of the decision's two."""
    l_s = MDP.sample_length[x, y]
    s = (HERE.sample_prob[0, x, y] / OLD.sample_prob[0, x, y]) ** (1.0 / l_s)
    new, old = HERE.stop_prob[0, x, y], OLD.stop_prob[0, x, y]
    if d is False:
        new, old = 1.0 - new, 1.0 - old
    return s, 1.0 if d is None else (new / old) ** 0.5


def clipped(a: float, low: float, high: float):
    def weigh(x, y, d):
        return tuple(0.0 if (a > 0 and r > 1 + high) or (a < 0 and r < 1 - low) else r for r in ratio(x, y, d))

    return weigh


def advantages(group: list[Response], std: bool, ddof: int = 1) -> list[float]:
    rewards = [r.reward for r in group]
    mean = sum(rewards) / len(rewards)
    if not std:
        return [r - mean for r in rewards]
    variance = sum((r - mean) ** 2 for r in rewards) / (len(rewards) - ddof)
    return [0.0 if len(set(rewards)) == 1 else (r - mean) / math.sqrt(variance) for r in rewards]


def expected_update(objective: GroupObjective, policy: Policy, groups: int = 1) -> np.ndarray:
    """Sum over every batch of ``groups`` groups: probability x (update of the batch, by hand).

    What is summed over batches is the weight of each response's scores; the scores are worked out once.
    """
    per_prompt, size = responses(policy), int(objective.group_size)
    credit, share_of = BY_HAND[rule_of(objective)]
    drawn_again = objective.grouping.mixed
    rewarded: defaultdict[tuple[Response, float], float] = defaultdict(float)
    penalised: defaultdict[Response, float] = defaultdict(float)
    kept, tokens_kept = 0.0, 0.0
    for batch, chance in batches_of(per_prompt, size, groups):
        tokens = sum(r.length for g in batch for r in g)
        if drawn_again and any(len({r.reward for r in g}) == 1 for g in batch):
            continue
        kept, tokens_kept = kept + chance, tokens_kept + chance * tokens
        for group in batch:
            for r, a in zip(group, advantages(group, *credit), strict=True):
                share = chance * share_of(r, group, tokens, groups)
                rewarded[r, a] += share * a
                penalised[r] += share
    total = np.sum([w * r.scores(weight_of(objective, r, a)) for (r, a), w in rewarded.items()], axis=0)
    if np.any(objective.beta):
        slope = corrected(objective.sampler is not None) if objective.corrected_kl else excess
        total += float(objective.beta) * np.sum([w * r.scores(slope) for r, w in penalised.items()], axis=0)
    if objective.prompts == math.inf and objective.name == "dapo-batch":  # large batches: over the mean tokens of what is kept
        return total / (tokens_kept / (groups * size))
    return total / kept


def excess(x: int, y: int, d: bool | None) -> tuple[float, float]:
    """Return ref/pi - 1 of the answer and of the decision: minus the slope of k3; the reference is OLD."""
    stop, ref = HERE.stop_prob[0, x, y], OLD.stop_prob[0, x, y]
    if d is False:
        stop, ref = 1.0 - stop, 1.0 - ref
    return float(OLD.sample_prob[0, x, y] / HERE.sample_prob[0, x, y]) - 1.0, 0.0 if d is None else float(ref / stop) - 1.0


def corrected(off_policy: bool):
    """Minus the derivative by log pi of rho (e^-l - 1 + l), l = log(pi/ref), rho = pi over what generated: by a complex step."""

    def slope(log_pi: float, log_ref: float, log_old: float) -> float:
        x = log_pi + 1e-30j
        return -float((np.exp(x - log_old) * (np.exp(log_ref - x) - (log_ref - x) - 1.0)).imag / 1e-30)

    def weigh(x: int, y: int, d: bool | None) -> tuple[float, float]:
        third = WRONG  # a reference that differs from what generates
        pi, ref, old = (math.log(float(who.sample_prob[0, x, y])) for who in (HERE, third, OLD))
        s = slope(pi, ref, old if off_policy else pi)
        if d is None:
            return s, 0.0
        stops = [float(who.stop_prob[0, x, y]) for who in (HERE, third, OLD)]
        pi, ref, old = (math.log(v if d else 1.0 - v) for v in stops)
        return s, slope(pi, ref, old if off_policy else pi)

    return weigh


BY_HAND = {
    "rloo": ((False,), lambda r, g, n, p: len(g) / (len(g) - 1) / len(g) / p),
    "grpo": ((True,), lambda r, g, n, p: 1 / len(g) / p / r.length),
    "grpo-no-std": ((False,), lambda r, g, n, p: 1 / len(g) / p / r.length),
    "dr-grpo": ((False,), lambda r, g, n, p: 1 / len(g) / p / 50.0),
    "dapo": ((True,), lambda r, g, n, p: 1 / p / sum(o.length for o in g)),
    "dapo-batch": ((True,), lambda r, g, n, p: 1 / n),
    "dapo-batch, large": ((True,), lambda r, g, n, p: 1 / len(g) / p),
    "gspo": ((True,), lambda r, g, n, p: 1 / len(g) / p / r.length),
    "cispo": ((True,), lambda r, g, n, p: 1 / p / sum(o.length for o in g)),
    "cispo, batch": ((True,), lambda r, g, n, p: 1 / n),
    "nft": ((True, 0), lambda r, g, n, p: 1 / n),
}


def rule_of(objective: GroupObjective) -> str:
    if objective.name == "cispo" and objective.over == "batch":
        return "cispo, batch"
    return "dapo-batch, large" if objective.name == "dapo-batch" and objective.prompts == math.inf else objective.name


def weight_of(objective: GroupObjective, r: Response, a: float):
    if objective.sampler is None:
        return lambda x, y, d: (1.0, 1.0)
    if objective.name == "cispo":
        return lambda x, y, d: tuple(min(max(v, 1 - objective.clip_low), 1 + objective.clip_high) for v in ratio(x, y, d))
    if objective.name == "gspo":
        log = 0.0
        for y, d in r.steps:
            s, w = ratio(r.prompt, y, d)
            log += MDP.sample_length[r.prompt, y] * math.log(s) + 2.0 * math.log(w)
        s = math.exp(log / r.length)
        kept = not ((a > 0 and s > 1 + objective.clip_high) or (a < 0 and s < 1 - objective.clip_low))
        return lambda x, y, d: (s * kept, s * kept)
    return clipped(a, objective.clip_low, objective.clip_high)


CASES = [
    (RLOO(group_size=3), 1), (GRPO(group_size=3), 1), (GRPONoStd(group_size=2), 1), (DrGRPO(group_size=3, max_tokens=50), 1),
    (DAPO(group_size=3), 1), (DAPOBatch(group_size=2, prompts=1), 1), (DAPOBatch(group_size=2, prompts=2), 2),
    (NFT(group_size=3, prompts=1), 1),
    (GRPO(group_size=3, sampler=OLD), 1), (DAPO(group_size=3, sampler=OLD, clip_low=0.01, clip_high=0.02), 1),
    (CISPO(group_size=2, sampler=OLD, clip_low=0.02, clip_high=0.05), 1), (CISPO(group_size=2), 2),
    (CISPO(group_size=2, prompts=1, sampler=OLD, clip_low=0.02, clip_high=0.05, over="batch"), 1),
    (GRPO(group_size=2, reference=WRONG, beta=0.3, corrected_kl=True), 1),
    (GRPO(group_size=2, reference=WRONG, beta=0.3, corrected_kl=True, sampler=OLD, clip_low=0.01, clip_high=0.02), 1),
    (DAPOBatch(group_size=2, prompts=2, reference=WRONG, beta=0.3, corrected_kl=True), 2),
    (DAPO(group_size=3, dynamic_sampling=False), 1), (DAPO(group_size=2), 2),
    (DAPO(group_size=3, reference=OLD, beta=0.3), 1),
    (DAPOBatch(group_size=2, prompts=2, dynamic_sampling=True, reference=OLD, beta=0.3), 2),
    (DAPOBatch(group_size=3, dynamic_sampling=True, reference=OLD, beta=0.3), 1),
    (GRPO(group_size=3, dynamic_sampling=True, reference=OLD, beta=0.3), 1),
    (GRPO(group_size=2, dynamic_sampling=True, sampler=OLD, clip_low=0.01, clip_high=0.02), 1),
    (DrGRPO(group_size=3, max_tokens=50, dynamic_sampling=True), 1),
    (CISPO(group_size=2, dynamic_sampling=True, sampler=OLD, clip_low=0.02, clip_high=0.05), 1),
    (GSPO(group_size=3, sampler=OLD, clip_low=0.01, clip_high=0.02), 1),
]  # fmt: skip


@pytest.mark.parametrize(("objective", "groups"), CASES, ids=[f"{o.name}-{i}" for i, (o, _) in enumerate(CASES)])
def test_exact_expectations_are_sums_over_every_batch(objective: GroupObjective, groups: int) -> None:
    g = objective.gradient(solve(MDP, HERE))
    by_hand = expected_update(objective, OLD if objective.sampler is not None else HERE, groups)
    scale = np.abs(by_hand).max()
    # One over a length is a sum of exponentials to 2e-13; the rest is rounding over some 10^4 batches.
    np.testing.assert_allclose(g.sample[0], by_hand[0], rtol=0, atol=3e-12 * scale)
    np.testing.assert_allclose(g.decide[0], by_hand[1], rtol=0, atol=3e-12 * scale)


@pytest.mark.parametrize("size", [2, 3, 8])
def test_dynamic_sampling_divides_by_the_chance_of_a_mixed_group(size: int) -> None:
    """Not prompt by prompt: the batch is filled from all prompts, so one chance divides everything."""
    s = solve(MDP, HERE)
    success = [sum(r.weight * r.reward for r in of_prompt) for of_prompt in responses(HERE)]
    chance = sum(float(w) * (1 - p**size - (1 - p) ** size) for w, p in zip(MDP.prompt_weight, success, strict=True))
    kept, redrawn = (DAPO(group_size=size, dynamic_sampling=d).gradient(s) for d in (False, True))
    np.testing.assert_allclose(redrawn.sample * chance, kept.sample, rtol=1e-13)
    np.testing.assert_allclose(redrawn.decide * chance, kept.decide, rtol=1e-13, atol=1e-300)


def test_dynamic_sampling_in_large_groups_and_where_it_never_ends() -> None:
    """In groups without end all prompts with two outcomes give mixed groups; without such a prompt no batch is ever full."""
    s = solve(MDP, HERE)
    kept, redrawn = (DAPO(group_size=math.inf, dynamic_sampling=d).gradient(s) for d in (False, True))
    np.testing.assert_allclose(redrawn.sample, kept.sample, rtol=1e-15)
    sure = solve(TwoStageMDP.minimal(gamma=1.0), Policy.from_probabilities([[1.0, 0.0]], [[0.5, 0.5]]))
    with pytest.raises(ChainError, match=r"probability of a mixed group is 0\.0: must be > 0; dynamic sampling would draw"):
        DAPO().gradient(sure)
    with pytest.raises(ChainError, match="the probability that a group is mixed has no closed form"):
        DAPO(outcome="return", std=False).gradient(solve(MDP.replace(gamma=0.5), HERE))


@pytest.mark.parametrize(
    ("settings", "below"),
    [
        ({}, None),
        ({"micro_batches": 4, "accumulate": "sum"}, lambda mean, length: mean / 4),
        ({"normalise_by": "responses"}, lambda mean, length: 1.0),
        ({"normalise_by": "response-tokens"}, lambda mean, length: length),
        ({"normalise_by": "constant:7"}, lambda mean, length: 7.0),
    ],
)
def test_nft_off_policy_is_the_sum_over_every_group(settings, below) -> None:
    """Large batches: one over E[L] of the sampler, or what else divides; hits are not weighted by their ratio, misses are."""
    per_prompt, size, floor = responses(OLD), 3, 0.98
    tokens = sum(float(MDP.prompt_weight[x]) * r.weight * r.length for x in range(2) for r in per_prompt[x])
    below = below or (lambda mean, length: mean)
    total = np.zeros((2, 2, 3))
    for x in range(2):
        for group, of_group in groups_of(per_prompt[x], size):
            chance = float(MDP.prompt_weight[x]) * of_group
            share = sum(r.reward for r in group) / size
            if share in (0.0, 1.0):
                continue
            omega = math.sqrt((1 - share) / share)

            def weigh(x, y, d, share=share, omega=omega) -> tuple[float, float]:
                floored = (max((1 - share * rho) / (1 - share), floor) / rho for rho in ratio(x, y, d))
                return tuple(-omega * share / (1 - share) / v for v in floored)

            for r in group:
                total += chance / size / below(tokens, r.length) * (omega * r.scores() if r.reward else r.scores(weigh))
    g = NFT(group_size=size, sampler=OLD, floor=floor, **settings).gradient(solve(MDP, HERE))
    np.testing.assert_allclose(g.sample[0], total[0], rtol=0, atol=1e-14)
    np.testing.assert_allclose(g.decide[0], total[1], rtol=0, atol=1e-14)


@pytest.mark.parametrize("settings", [{"ratio_level": "sequence"}, {"importance": "sequence", "importance_cap": 1.1}])
def test_ratios_to_a_policy_indexed_by_turn_are_those_of_each_order(settings) -> None:
    """Neither the policy nor who generates knows the turn, the ratio's denominator does: orders of answers have unlike ratios.

    The policy written down for each turn has the same gradient, turn by turn, and there every order is looked at.
    """
    mdp = MDP.replace(max_turns=3)
    answers, stops = (
        np.concatenate([getattr(policy, of) for policy in (OLD, WRONG, HERE)]) for of in ("sample_logits", "stop_logits")
    )
    old = Policy.tabular(answers, stops)
    by_turn = Policy.tabular(np.tile(HERE.sample_logits, (3, 1, 1)), np.tile(HERE.stop_logits, (3, 1, 1)))
    objective = GRPO(group_size=2, sampler=old, engine=WRONG, clip_low=0.01, clip_high=0.02, **settings)
    found, each = (objective.gradient(solve(mdp, policy)) for policy in (HERE, by_turn))
    np.testing.assert_allclose(found.sample[0], each.sample.sum(axis=0), rtol=0, atol=1e-13)
    np.testing.assert_allclose(found.decide[0], each.decide.sum(axis=0), rtol=0, atol=1e-13)


def test_limits_are_approached_by_large_groups_and_batches() -> None:
    """The distance to the limit falls like 1/G, like 1/P: by about eight from one size to eight times as many."""
    s = solve(MDP, HERE)

    def distance(make, small: float, large: float) -> float:
        limit = make(math.inf).gradient(s)
        far, near = (np.abs(make(n).gradient(s).sample - limit.sample).max() for n in (small, large))
        return far / near

    assert 6 < distance(lambda n: GRPO(group_size=n), 16, 128) < 11
    assert 6 < distance(lambda n: DAPO(group_size=n), 16, 128) < 11
    assert 6 < distance(lambda n: DAPOBatch(group_size=4, prompts=n), 16, 128) < 11
    assert 6 < distance(lambda n: SFTTokenMean(ExpertChain(OLD), responses=n), 32, 256) < 11
    assert 6 < distance(lambda n: PPOClip(sampler=OLD, prompts=n), 32, 256) < 11
    assert 6 < distance(lambda n: K3Loss(OLD, normaliser="group-tokens", group_size=n), 32, 256) < 11


@pytest.mark.parametrize(("shortest", "longest"), [(1.0, 1.0), (2.0, 4096.0), (0.25, 1e9)])
def test_one_over_a_length_is_a_sum_of_exponentials(shortest: float, longest: float) -> None:
    t, w = reciprocal(shortest, longest)
    for length in np.geomspace(shortest, longest, 700):
        assert abs(math.fsum(w * np.exp(-t * length)) * length - 1.0) < 2e-15
    assert (w > 0).all()
    assert len(t) <= 24 + 4.4 * math.log(longest / shortest)


@pytest.mark.parametrize(("p", "expected"), [(0.5, 1.74), (0.05, 2.31)])
def test_weight_of_the_standard_deviation(p: float, expected: float) -> None:
    """E[update] = w_G grad p: at G = 8, 1.74 at p = 1/2 and 2.31 at p = 0.05."""
    mdp = TwoStageMDP.minimal(gamma=1.0, max_turns=1)
    s = solve(mdp, Policy.minimal(p=p, a=0.5, b=0.5))
    weight = DrGRPO(std=True, max_tokens=1, group_size=8).gradient(s).sample[0, 0, 0] / (p * (1 - p))
    assert round(float(weight), 2) == expected
    k = np.arange(9)
    chance = np.array([math.comb(8, int(i)) * p**i * (1 - p) ** (8 - i) for i in k])
    direct = math.sqrt(7 / 8) * (chance * np.sqrt(k * (8 - k))).sum() / (8 * p * (1 - p))
    assert weight == pytest.approx(direct, rel=1e-13)


@pytest.mark.parametrize("name", ["trl:grpo", "trl:dapo", "trl:bnpo", "trl:grpo-loss", "trl:dr-grpo", "trl:cispo"])
def test_trl_with_beta_has_the_coefficient_of_k2(name: str) -> None:
    """TRL 1.16 differentiates the ratio times k3: on the policy -beta log(pi/ref), what the row plus k2-loss is."""
    s, settings = solve(MDP, HERE), {"reference": OLD, "group_size": 4}
    with_kl, k2, k3 = (
        build(name, {**settings, "beta": 0.3}),
        build(name, settings) + K2Loss(OLD, beta=0.3),
        build(name, settings) + K3Loss(OLD, beta=0.3),
    )
    np.testing.assert_allclose(with_kl.gradient(s).decide, k2.gradient(s).decide, rtol=1e-11, atol=1e-17)
    assert np.abs(with_kl.gradient(s).decide - k3.gradient(s).decide).max() > 0.05 * np.abs(k2.gradient(s).decide).max()


def test_kl_that_a_library_computes_otherwise_is_refused() -> None:
    with pytest.raises(DSTheoryError, match="trl:rloo takes no beta: RLOOTrainer's KL is in the reward: write 'trl:rloo "):
        build("trl:rloo", {"reference": OLD, "beta": 0.05})
    added = build("trl:rloo + k1-reward", {"reference": OLD, "beta": 0.05})
    assert [float(term.beta) for term in added.terms] == [0.0, 0.05]
    with pytest.raises(ChainError, match="gspo: with corrected_kl TRL multiplies every token's k3 by the ratio of the whole"):
        build("trl:gspo", {"reference": OLD, "beta": 0.05})
    assert build("trl:gspo", {}).corrected_kl


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "make",
    [partial(DAPO, group_size=3, dynamic_sampling=False), partial(GRPO, group_size=4, clip_low=0.01, clip_high=0.01),
     partial(RLOO, group_size=2, dual_clip=1.1), partial(DrGRPO, group_size=math.inf, std=True),
     partial(DAPOBatch, group_size=3, prompts=2, clip_high=math.inf)],
)  # fmt: skip
def test_whole_credits_and_their_parts_are_the_same_off_policy(make, seed: int) -> None:
    """Where neither sign is clipped the whole credit is weighted; the sum over signs, each by itself, is the definition."""
    case = make_case(seed, cap=(None, 3)[seed % 2], kind="tabular", per="turn", gamma=1.0)
    objective, solution = make(sampler=case.expert), solve(case.mdp, case.policy)
    under = objective.generated(solution)
    outcome = objective.outcome_of(under)
    signs = objective.credit_parts(solution)
    parts = [term for part, weight in signs for term in objective.credited(under, outcome, weight, part)]
    masses = [response_mass(under, outcome.reward, term.credit, term.weight) for term in parts]
    expected, found = functools.reduce(operator.add, masses).gradient(case.policy), objective.gradient(solution)
    for one, two in ((found.sample, expected.sample), (found.decide, expected.decide)):
        np.testing.assert_allclose(
            one, two, rtol=0, atol=1e-13 * max(np.abs(expected.sample).max(), np.abs(expected.decide).max())
        )
    terms = objective.reward_terms(solution, under, outcome)
    assert terms[0].weight.own is not None
    (_, up), (_, down) = signs
    alone = [any(((one != other) & (one != 0)).any() for one, other in zip(a.each, b.each, strict=True)) for a, b in
             ((up, down), (down, up))]  # fmt: skip
    assert len(terms) == 1 + sum(alone)


def test_balanced_credits_on_turns_that_are_unlike_are_those_of_every_response() -> None:
    rng = np.random.default_rng(2)
    mdp = TwoStageMDP(correct=[[1, 0, 0], [1, 1, 0]], max_turns=4, sample_length=[[3, 11, 5], [2, 7, 20]], prompt_weight=[3, 7])
    policy = Policy.tabular(rng.normal(size=(4, 2, 3)), rng.normal(size=(4, 2, 3)))
    solution, every = solve(mdp, policy), enumerate_trajectories(mdp, policy)
    reward, length = reward_of(solution, "correct").reward, response_lengths(solution, every)
    right, t = reward.total(solution, every), np.array([0.0, 0.01, 0.3])
    tilt = np.exp(-np.multiply.outer(t, length))

    def share(of: np.ndarray) -> np.ndarray:
        return np.stack([(tilt * every.weight * of * (every.prompt == x)).sum(axis=1) for x in range(2)], axis=1)

    failure, success = -share(right), share(1.0 - right)
    each = (tilt * np.where(right > 0, success[:, every.prompt], failure[:, every.prompt])).sum(axis=0)
    found = response_mass(solution, reward, EffectiveCredit.of_two(t, failure, success, balanced=True))
    true = mass_of_steps(mdp, every, each[every.episode], each[every.episode])
    for table in ("sample", "stop", "resample"):
        np.testing.assert_allclose(getattr(found, table), getattr(true, table), rtol=1e-11, atol=1e-16)


@pytest.mark.parametrize("outcome", ["correct", "return"])
def test_a_penalty_beside_mixed_groups_without_end_counts_no_prompt_whose_groups_are_never_mixed(outcome: str) -> None:
    """As beside groups of 200, all mixed but those of the prompt that is always right; of two values and of three."""
    correct = np.array([[1, 0, 0], [1, 1, 1]])
    paid = np.array([[1.0, 0.0, 0.5], [1.0, 1.0, 1.0]])
    mdp = TwoStageMDP(correct=correct, reward_stop=paid, gamma=1.0, prompt_weight=[1, 2])
    policy = Policy.tabular([[0.3, -0.2, 0.1], [0.5, 0.0, -0.4]], [[0.4, -0.3, 0.2], [0.1, 0.6, -0.2]])
    reference, s = Policy.uniform(mdp), solve(mdp, policy)

    def penalty(size: float) -> np.ndarray:
        with_it, without = (
            DAPO(group_size=size, normalise_by="responses", outcome=outcome, beta=beta, reference=reference).gradient(s).decide
            for beta in (0.5, 0.0)
        )
        return with_it - without

    assert (penalty(np.inf)[0, 1] == 0).all()
    np.testing.assert_allclose(penalty(np.inf), penalty(200), rtol=1e-9, atol=1e-15)
