"""Noise of finite batches, against the sum over every batch in plain Python, against simulation, and where it is known."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from objectives.instances import ALL
from objectives.test_groups import (
    BY_HAND,
    HERE,
    MDP,
    OLD,
    WRONG,
    Response,
    advantages,
    batches_of,
    corrected,
    excess,
    responses,
    rule_of,
    weight_of,
)
from objectives.test_settings import CASES as SETTINGS
from objectives.test_settings import KL, PAID, batches, trainer
from objectives.test_settings import excess as excess_of
from strategies import make_case

from dstheory import Policy, Trajectories, TwoStageMDP, enumerate_trajectories, sample_trajectories, solve
from dstheory.attribution import fisher_information, stage_energy
from dstheory.errors import ChainError
from dstheory.noise import Signal, _search, signal
from dstheory.objectives import (
    CISPO,
    DAPO,
    DPO,
    GRPO,
    GSPO,
    NFT,
    RFT,
    RLOO,
    SFT,
    ActorCritic,
    DAPOBatch,
    Distillation,
    DrGRPO,
    EntropyBonus,
    ExpertChain,
    GroupObjective,
    GRPONoStd,
    K1Loss,
    K2Loss,
    K3Loss,
    PPOClip,
    Recorded,
    Reinforce,
    ReinforceBaseline,
    ReinforcePlusPlus,
    ReverseKLDirect,
    RewardToGo,
    SFTSequenceMean,
    SFTTokenMean,
    WeightedSum,
    estimate_gradient,
    sampled_gradient,
)


def by_hand(objective: GroupObjective, policy: Policy, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and covariance of the update of a batch, from all batches: (12,) and (12, 12) of (stage, prompt, answer)."""
    per_prompt, size = responses(policy), int(objective.group_size)
    mean, square, kept = np.zeros(12), np.zeros((12, 12)), 0.0
    for batch, chance in batches_of(per_prompt, size, groups):
        if objective.grouping.mixed and any(len({r.reward for r in g}) == 1 for g in batch):
            continue  # drawn again
        u, tokens = np.zeros(12), sum(r.length for g in batch for r in g)
        for group in batch:
            for r, a in zip(group, advantages(group, *BY_HAND[rule_of(objective)][0]), strict=True):
                share = BY_HAND[rule_of(objective)][1](r, group, tokens, groups)
                u += share * a * r.scores(weight_of(objective, r, a)).ravel()
                if np.any(objective.beta):
                    slope = corrected(objective.sampler is not None) if objective.corrected_kl else excess
                    u += share * float(objective.beta) * r.scores(slope).ravel()
        mean, square, kept = mean + chance * u, square + chance * np.outer(u, u), kept + chance
    mean, square = mean / kept, square / kept
    return mean, square - np.outer(mean, mean)


def check(found: Signal, mean: np.ndarray, covariance: np.ndarray, rel: float = 1e-11) -> None:
    of = [np.concatenate([g.sample.ravel(), g.decide.ravel()]) for g in (found.expected, found.variance)]
    np.testing.assert_allclose(of[0], mean, rtol=0, atol=rel * np.abs(mean).max())
    np.testing.assert_allclose(of[1], np.diag(covariance), rtol=0, atol=rel * np.abs(covariance).max())
    np.testing.assert_allclose(found.covariance, covariance, rtol=0, atol=rel * np.abs(covariance).max())
    for one, block in ((found.sample, slice(0, 6)), (found.decide, slice(6, 12))):
        assert one.size == pytest.approx(np.linalg.norm(mean[block]), rel=1e-9)
        assert one.noise == pytest.approx(math.sqrt(np.trace(covariance[block, block])), rel=1e-9)
        assert one.ratio == pytest.approx(one.size / one.noise, rel=1e-12)


_LONG = pytest.mark.slow  # two groups: 10,000 batches
CASES = [
    (RLOO(group_size=3), 1), (GRPO(group_size=3), 1), (GRPONoStd(group_size=2), 1), (DrGRPO(group_size=3, max_tokens=50), 1),
    (DAPO(group_size=3), 1), pytest.param(DAPO(group_size=2, dynamic_sampling=False), 2, marks=_LONG),
    pytest.param(DAPO(group_size=2), 2, marks=_LONG), (DAPO(group_size=2, dynamic_sampling=False), 1),
    (DAPOBatch(group_size=2, prompts=1), 1), pytest.param(DAPOBatch(group_size=2, prompts=2), 2, marks=_LONG),
    pytest.param(DAPOBatch(group_size=2, prompts=2, dynamic_sampling=True, reference=OLD, beta=0.3), 2, marks=_LONG),
    (DAPOBatch(group_size=2, prompts=1, dynamic_sampling=True, reference=OLD, beta=0.3), 1),
    (GRPO(group_size=3, sampler=OLD), 1), (DAPO(group_size=3, sampler=OLD, clip_low=0.01, clip_high=0.02), 1),
    (CISPO(group_size=3, sampler=OLD, clip_low=0.02, clip_high=0.05), 1),
    (GRPO(group_size=2, reference=WRONG, beta=0.3, corrected_kl=True, sampler=OLD, clip_low=0.01, clip_high=0.02), 1),
    (GRPO(group_size=3, dynamic_sampling=True, reference=OLD, beta=0.3), 1), (NFT(group_size=3, prompts=1), 1),
    (GSPO(group_size=3), 1),
]  # fmt: skip


@pytest.mark.parametrize(("objective", "groups"), CASES)
def test_mean_and_covariance_are_sums_over_every_batch(objective: GroupObjective, groups: int) -> None:
    mean, covariance = by_hand(objective, OLD if objective.sampler is not None else HERE, groups)
    check(signal(objective, solve(MDP, HERE), prompts=groups, covariance=True), mean, covariance)


@pytest.mark.parametrize("prompts", [1_000, 10**15])
def test_large_batches_keep_their_digits(prompts: int) -> None:
    """Groups are independent: P of them have 1/P of the covariance of one."""
    for objective in (RLOO(group_size=2), GRPO(group_size=2, reference=OLD, beta=0.3)):
        mean, covariance = by_hand(objective, HERE, 1)
        check(signal(objective, solve(MDP, HERE), prompts=prompts, covariance=True), mean, covariance / prompts)


def single(coefficient, policy: Policy) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and covariance of the update of one response, a function of it."""
    mean, square = np.zeros(12), np.zeros((12, 12))
    for x, of_prompt in enumerate(responses(policy)):
        for r in of_prompt:
            u = coefficient(r)
            chance = float(MDP.prompt_weight[x]) * r.weight
            mean, square = mean + chance * u, square + chance * np.outer(u, u)
    return mean, square - np.outer(mean, mean)


def _advantage(r: Response) -> np.ndarray:
    s = solve(MDP, HERE)
    out = np.zeros(12)
    for k, (y, d) in enumerate(r.steps):
        one = Response.__new__(Response)
        one.prompt, one.steps = r.prompt, [(y, d)]
        chosen = s.advantage_stop if d else s.advantage_resample
        weights = float(s.advantage_sample[k, r.prompt, y]), float(chosen[k, r.prompt, y])
        out += one.scores(lambda x, y, d, w=weights: w).ravel()
    return out


ACCURACY = [sum(r.weight * r.reward for r in of_prompt) for of_prompt in responses(HERE)]
TOKENS = sum(float(w) * r.weight * r.length for w, rs in zip(MDP.prompt_weight, responses(HERE), strict=True) for r in rs)

SINGLE = [
    (Reinforce(), lambda r: r.reward * r.scores().ravel(), HERE),
    (RewardToGo(), lambda r: r.reward * r.scores().ravel(), HERE),
    (ActorCritic(), lambda r: _advantage(r), HERE),
    (ReinforceBaseline(), lambda r: (r.reward - ACCURACY[r.prompt]) * r.scores().ravel(), HERE),
    (ReinforceBaseline(baseline=0.3), lambda r: (r.reward - 0.3) * r.scores().ravel(), HERE),
    (PPOClip(prompts=1), lambda r: _advantage(r) / r.length, HERE),
    (SFTSequenceMean(ExpertChain(OLD)), lambda r: r.scores().ravel() / r.length, OLD),
    (SFTTokenMean(ExpertChain(OLD), responses=1), lambda r: r.scores().ravel() / r.length, OLD),
    (SFT(ExpertChain(OLD), length_weight=1.0), lambda r: r.scores(lambda x, y, d: (MDP.sample_length[x, y], 2.0)).ravel(), OLD),
    (K3Loss(OLD, beta=0.3, normaliser="response-tokens"), lambda r: 0.3 * r.scores(excess).ravel() / r.length, HERE),
    (WeightedSum((Reinforce(), K3Loss(OLD, beta=0.3)), (2.0, 0.5)),
     lambda r: 2.0 * r.reward * r.scores().ravel() + 0.15 * r.scores(excess).ravel(), HERE),
]  # fmt: skip


@pytest.mark.parametrize(
    ("objective", "coefficient", "policy"), SINGLE, ids=[f"{o.name}-{i}" for i, (o, *_) in enumerate(SINGLE)]
)
def test_single_responses_are_sums_over_every_response(objective, coefficient, policy) -> None:
    mean, covariance = single(coefficient, policy)
    check(signal(objective, solve(MDP, HERE), prompts=1, covariance=True), mean, covariance)


@pytest.mark.parametrize("group_size", [1, 2])
def test_a_penalty_over_the_tokens_of_a_batch_is_summed_over_every_batch(group_size: int) -> None:
    """Responses to one prompt have like lengths: a pair of them is not two single ones."""
    mean, square = np.zeros(12), np.zeros((12, 12))
    for (group,), chance in batches_of(responses(HERE), group_size, 1):
        u = sum(r.scores(excess).ravel() for r in group) / sum(r.length for r in group)
        mean, square = mean + chance * u, square + chance * np.outer(u, u)
    objective = K3Loss(OLD, beta=1.0, normaliser="batch-tokens", group_size=group_size, prompts=1)
    found = signal(objective, solve(MDP, HERE), prompts=1, covariance=True)
    check(found, mean, square - np.outer(mean, mean))
    assert found.group_size == group_size
    assert math.isnan(found.dead)  # no rewards that could be alike


def test_the_expectation_of_a_large_batch_is_the_gradient() -> None:
    """Of every objective; what a batch of a million prompts leaves of the limit is of order 1e-6."""
    case, compared = make_case(6, cap=2, kind="tabular", per="turn", gamma=0.9), 0
    for label, make in ALL:
        objective = make(case)
        try:
            found = signal(objective, case.solution, prompts=10**6).expected
        except ChainError:
            continue
        exact = objective.gradient(case.solution)
        size = max(np.abs(exact.sample).max(), np.abs(exact.decide).max())
        np.testing.assert_allclose(found.sample, exact.sample, rtol=0, atol=1e-5 * size + 1e-16, err_msg=label)
        np.testing.assert_allclose(found.decide, exact.decide, rtol=0, atol=1e-5 * size + 1e-16, err_msg=label)
        compared += 1
    assert compared >= 40


def test_rewards_of_three_values_are_summed_over_every_group() -> None:
    mdp = TwoStageMDP(correct=[[1, 0, 0], [0, 1]], sample_length=[[3, 40, 7], [11, 2]], decision_length=2, prompt_weight=[3, 1],
                      gamma=1.0, max_turns=2, reward_stop=[[1.0, -0.5, 0.2], [0.2, 1.0]], reward_resample=0.0)  # fmt: skip
    t = enumerate_trajectories(mdp, HERE)
    paid = t.returns(mdp)
    found: list[list[Response]] = [[], []]
    for i in range(len(t)):
        r = Response(t, i)
        r.weight /= float(mdp.prompt_weight[r.prompt])
        r.reward = float(paid[i])
        found[r.prompt].append(r)
    mean, square = np.zeros(12), np.zeros((12, 12))
    for x in range(2):
        for group in itertools.product(found[x], repeat=3):
            chance = float(mdp.prompt_weight[x]) * math.prod(r.weight for r in group)
            u = sum(a * r.scores().ravel() / sum(o.length for o in group)
                    for r, a in zip(group, advantages(list(group), True), strict=True))  # fmt: skip
            mean, square = mean + chance * u, square + chance * np.outer(u, u)
    objective = DAPO(group_size=3, dynamic_sampling=False, outcome="return")
    check(signal(objective, solve(mdp, HERE), prompts=1, covariance=True), mean, square - np.outer(mean, mean))


@pytest.mark.parametrize("objective", [GRPO(group_size=8), DAPOBatch(group_size=4, prompts=6), DAPO(group_size=4, sampler=OLD)])
def test_simulated_batches_have_this_noise(objective: GroupObjective) -> None:
    s, prompts, batches = solve(MDP.replace(max_turns=None), HERE), 3, 2_500
    exact = signal(objective, s, prompts=prompts)
    drawn = sampled_gradient(objective, s, batches=batches, prompts=prompts, rng=3)
    for stage in ("sample", "decide"):
        simulated = float((getattr(drawn.standard_error, stage) ** 2).sum()) * batches
        # A variance of 2,500 draws has a standard error of some 3 %.
        assert simulated == pytest.approx(float(getattr(exact.variance, stage).sum()), rel=0.12)


def test_without_a_cap_it_is_the_limit_of_late_caps() -> None:
    for objective in (GRPO(group_size=3), DAPO(group_size=3), ReinforceBaseline()):
        endless, late = (
            signal(objective, solve(MDP.replace(max_turns=cap), HERE), prompts=4, covariance=True) for cap in (None, 60)
        )
        np.testing.assert_allclose(endless.covariance, late.covariance, rtol=1e-9, atol=1e-15)


def test_a_turn_indexed_policy_has_noise_turn_by_turn() -> None:
    """The same policy written out turn by turn: logits of the turns add up to those of all turns."""
    turns = Policy.tabular(*(np.repeat(logits, 2, axis=0) for logits in (HERE.sample_logits, HERE.stop_logits)))
    one, two = (signal(GRPO(group_size=3), solve(MDP, policy), prompts=1, covariance=True) for policy in (HERE, turns))
    both = two.covariance.reshape(2, 2, 6, 2, 2, 6).sum(axis=(1, 4)).reshape(12, 12)
    np.testing.assert_allclose(both, one.covariance, rtol=0, atol=1e-13 * np.abs(both).max())


def test_the_squared_score_in_the_metric_of_the_inverse_information_is_its_rank() -> None:
    """So centred REINFORCE needs about Acc (1 - Acc) rank / e responses per stage, e the Fisher energy."""
    s = solve(MDP, HERE)
    found, information = signal(K1Loss(HERE, beta=1.0), s, prompts=1), fisher_information(s)
    drawn = information.decide > 0
    assert float((found.variance.decide[drawn] / information.decide[drawn]).sum()) == pytest.approx(5.0, rel=1e-12)
    inside = information.sample > 0
    assert float((found.variance.sample[inside] / information.sample[inside]).sum()) == pytest.approx(3.0, rel=1e-12)  # 2 + 1
    m0 = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.5, b=0.5))
    centred, accuracy = signal(ReinforceBaseline(), m0), float(m0.mean_accuracy)
    energy = stage_energy(ReinforceBaseline().gradient(m0), m0)
    for stage, rank in (("sample", 1), ("decide", 2)):
        about = accuracy * (1 - accuracy) * rank / float(getattr(energy, stage))
        assert getattr(centred, stage).groups_natural + 1 == pytest.approx(about, rel=1e-9)  # credits are +-1/2: exact


def test_the_batch_for_a_ratio_of_one_has_a_ratio_of_one() -> None:
    s = solve(TwoStageMDP.minimal(gamma=1.0, sample_length=[[3, 40]]), Policy.minimal(p=0.05, a=0.6, b=0.5))
    found = signal(GRPO(group_size=4), s, prompts=7)
    assert found.sample.groups == pytest.approx(7 / found.sample.ratio**2, rel=1e-12)
    by_tokens = signal(DAPOBatch(group_size=4), s, prompts=7)
    need = int(by_tokens.decide.groups)
    ratios = [signal(DAPOBatch(group_size=4), s, prompts=n).decide.ratio for n in (need - 1, need)]
    assert ratios[0] < 1.0 <= ratios[1]
    assert math.isinf(signal(K1Loss(HERE), solve(MDP, HERE)).sample.groups)  # no signal at all


def test_a_batch_larger_than_whole_numbers_are_told_apart_is_found() -> None:
    s = solve(TwoStageMDP.minimal(gamma=1.0, sample_length=[[3, 40]]), Policy.tabular([[[42.0, 0.0]]], [[[0.3, -0.2]]]))
    found = signal(DAPOBatch(group_size=4), s, prompts=2)
    assert 2**53 < found.sample.groups < math.inf
    assert 2**53 < found.decide.groups < math.inf


@pytest.mark.parametrize("noise", [1e-3, 1.0, 7.5, 1234.5, 3e7, 1e15, 1e21, 1e40])
@pytest.mark.parametrize("power", [0.25, 1.0, 3.0])
@pytest.mark.parametrize("deviation", ["of the batch", None])
def test_the_fewest_groups_are_found_however_variances_fall(noise: float, power: float, deviation: str | None) -> None:
    """The next batch to be tried is guessed from the last; a guess that is far off costs batches that are tried, and no more."""
    batch = SimpleNamespace(groups=SimpleNamespace(group_size=3), deviation=deviation)
    tried: list[float] = []

    def sizes_of(groups: float) -> list:
        tried.append(groups)
        return [None, [None, (1.0 - 1.0 / (groups + 1.0), noise / groups**power)]]

    def enough(groups: float) -> bool:
        size, spread = sizes_of(groups)[1][1]
        return size >= spread

    for guess in (1.0, 0.3 * noise, 1e6, math.inf):
        tried.clear()
        found = _search(batch, sizes_of, 1, 1, guess)
        assert len(tried) < 3 * 80, guess  # batches go up to 2^79
        if deviation and not enough(8192.0):  # the largest power of two of groups of three among 32,768 responses
            assert math.isnan(found)
        elif not enough(2.0**79):
            assert found == math.inf
        else:
            assert enough(found)
            assert found == 1.0 or found > 2**53 or not enough(found - 1.0)


def test_dead_groups_are_all_right_or_all_wrong() -> None:
    s = solve(MDP, HERE)
    for size in (2, 8, 64):
        expected = sum(float(w) * (p**size + (1 - p) ** size) for w, p in zip(MDP.prompt_weight, ACCURACY, strict=True))
        assert signal(GRPO(group_size=size), s).dead == pytest.approx(expected, rel=1e-12)
    assert math.isnan(signal(Reinforce(), s).dead)


def test_every_group_is_dead_where_all_rewards_are_one_number() -> None:
    s = solve(MDP.replace(reward_stop=np.full(MDP.shape, 0.7), reward_resample=0.0), HERE)
    for objective in (RLOO(group_size=3, outcome="return"), RLOO(group_size=3, outcome="return") + K3Loss(OLD)):
        assert signal(objective, s, prompts=2).dead == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize(
    "objective",
    [
        SFTTokenMean(ExpertChain(OLD), responses=4, micro_batches=2, accumulate="sum"),
        K2Loss(OLD, beta=0.3, normaliser="batch-tokens", group_size=2, prompts=3),
        Distillation(OLD, interpolation=0.4, group_size=3, prompts=2),
        RLOO(group_size=2, micro_batches=2, accumulate="sum") + ReverseKLDirect(OLD, beta=0.3),
        0.5 * RLOO(group_size=2, micro_batches=2, accumulate="sum") + 0.3 * K2Loss(OLD, normaliser="responses"),
    ],
    ids=lambda objective: objective.name,
)
def test_the_mean_of_a_batch_is_the_gradient(objective) -> None:
    """Parts that are added, and the batch whose tokens divide a penalty, are those of the expectation."""
    s = solve(MDP, HERE)
    batch = {"sft-token-mean": 4, "k2-loss": 3}.get(objective.name, 2)
    found, exact = signal(objective, s, prompts=batch), objective.gradient(s)
    np.testing.assert_allclose(found.expected.sample, exact.sample, rtol=0, atol=1e-14)
    np.testing.assert_allclose(found.expected.decide, exact.decide, rtol=0, atol=1e-14)
    assert math.isnan(found.dead) == ("rloo" not in objective.name)


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (GRPO(group_size=math.inf), "grpo has group_size=inf: a batch without end has no noise"),
        (GSPO(sampler=OLD), "gspo: no exact second moments"),
        (RFT(), "rft: no exact second moments"),
        (ReinforcePlusPlus(), "reinforce-pp: no exact second moments"),
        (SFT(Recorded(Trajectories.record([(0, [(0, "stop")])]))), "sft: demonstrations that were recorded come from no policy"),
        (DPO(OLD), "dpo: no exact second moments"),
        (GRPO() + RLOO(), "one reward beside penalties has exact second moments"),
        (GRPO() + K3Loss(OLD, normaliser="responses"), "k3-loss is measured or divided otherwise than grpo"),
        (GRPO(normalise_by="responses", dynamic_sampling=True) + ReverseKLDirect(OLD),
         "grpo is taken on groups that are drawn again until rewards differ, kl-direct on all responses"),
        (GRPO() * np.array([1.0, 2.0]), "the factors have runs"),
    ],
)
def test_what_is_not_exact_is_refused_by_name(objective, message: str) -> None:
    with pytest.raises(ChainError, match=message):
        signal(objective, solve(MDP, HERE))


@pytest.mark.parametrize("objective", [GSPO(sampler=OLD), DPO(OLD), NFT(sampler=OLD), RFT(), ReinforcePlusPlus()])
def test_the_estimate_that_is_named_instead_takes_the_objective(objective) -> None:
    s = solve(MDP, HERE)
    with pytest.raises(ChainError, match=r"(sampled|estimate)_gradient has standard errors") as refused:
        signal(objective, s)
    if "sampled_gradient" in str(refused.value):
        sampled_gradient(objective, s, batches=2, rng=0)
    else:
        estimate_gradient(objective, s, sample_trajectories(s.mdp, objective.behaviour(s), 10, rng=0))


@pytest.mark.parametrize("base", [GRPO, RLOO, Reinforce])
@pytest.mark.parametrize("hooks", [("mass",), ("coefficients", "mass"), ("reward_terms",)])
def test_what_a_subclass_says_of_the_expectation_is_not_passed_over(base, hooks) -> None:
    """The variance is that of the class before it: a rule times two had the expectation of the rule."""
    if base is Reinforce and hooks == ("reward_terms",):
        pytest.skip("no such method")
    said = {hook: lambda self, *args, hook=hook: getattr(base, hook)(self, *args) for hook in hooks}
    own = type("Own", (base,), {"__module__": "somebody", **said})()
    for objective in (own, own + EntropyBonus()):
        with pytest.raises(ChainError, match=rf"^Own overrides {hooks[0]}, which the variance of a batch does not ask for"):
            signal(objective, solve(MDP, HERE))


def test_discounted_returns_and_large_tables_are_refused() -> None:
    discounted = MDP.replace(gamma=0.9, reward_stop=np.linspace(0.1, 1.0, MDP.correct.size).reshape(MDP.shape))
    for objective in (Reinforce(), ReinforceBaseline(outcome="return"), RLOO(outcome="return")):
        with pytest.raises(ChainError, match="rewards take many values"):
            signal(objective, solve(discounted, HERE))
    with pytest.raises(ChainError, match="no group is ever mixed"):
        signal(DAPO(), solve(TwoStageMDP.minimal(gamma=1.0), Policy.from_probabilities([[1.0, 0.0]], [[0.5, 0.5]])))
    many = solve(MDP, HERE.with_parameters(tuple(np.stack([b, b]) for b in HERE.parameters)))
    with pytest.raises(ChainError, match="the policy or the chain has runs"):
        signal(GRPO(), many)


def test_an_entropy_bonus_joins_its_reward() -> None:
    s, objective = solve(MDP, HERE), GRPO(group_size=3) + EntropyBonus(alpha=0.2)
    found = signal(objective, s)
    np.testing.assert_allclose(found.expected.sample, objective.gradient(s).sample, rtol=1e-11, atol=1e-15)
    assert "grpo+entropy: 32 groups of 3, dead 0.266" in repr(found)


@pytest.mark.parametrize("name", [
    "grpo by tokens of the group", "std of the others, population, two members", "temperature, truncated weights of tokens",
    "another engine, weights of tokens masked", "stale policy in another engine", "two rewards combined, std",
    "three values, std of the others", "dual clip", "two rewards, credits combined", "two rewards, credits combined, clipped",
    "three rewards combined, std", "three rewards, credits combined", "many values, std, clipped",
])  # fmt: skip
def test_settings_of_trainers_have_their_noise(name: str) -> None:
    o, penalty = replace(SETTINGS[name], group_size=2), excess_of(0.3)
    mean, square = np.zeros(12), np.zeros((12, 12))
    for chance, batch, who in batches(o):
        u = trainer(batch, o, who, penalty if np.any(o.beta) else None).ravel()
        mean, square = mean + chance * u, square + chance * np.outer(u, u)
    check(signal(o, solve(PAID, HERE), prompts=1, covariance=True), mean, square - np.outer(mean, mean))


MASKS_AND_PARTS = {
    "masked": GRPO(group_size=2, mask_truncated="numerator"),
    "masked, sums, k3": DrGRPO(group_size=2, mask_truncated="both", **KL),
    "masked, by tokens of the batch, groups drawn again": DAPOBatch(
        group_size=2, mask_truncated="numerator", dynamic_sampling=True
    ),
    "masked, against the others": RLOO(group_size=3, mask_truncated="numerator"),
    "masked, three values": GRPO(group_size=2, outcome="return", mask_truncated="numerator"),
    "mean of micro-batches": DAPOBatch(group_size=2, prompts=2, micro_batches=2),
    "sum of micro-batches": DAPOBatch(group_size=2, prompts=2, micro_batches=2, accumulate="sum"),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if "micro-batches" in name else ()) for name in MASKS_AND_PARTS]
)
def test_masks_and_micro_batches_have_their_noise(name: str) -> None:
    o = MASKS_AND_PARTS[name]
    prompts, penalty = 1 if o.prompts == math.inf else int(o.prompts), excess_of(0.3)
    mean, square, total = np.zeros(12), np.zeros((12, 12)), 0.0
    dynamic = bool(getattr(o, "dynamic_sampling", False))
    for chance, batch, who in batches(o):
        if dynamic and any(len({r.reward for r in group}) == 1 for group in batch):
            continue
        u = trainer(batch, o, who, penalty if np.any(o.beta) else None).ravel()
        mean, square, total = mean + chance * u, square + chance * np.outer(u, u), total + chance
    found = signal(o, solve(PAID, HERE), prompts=prompts, covariance=True)
    check(found, mean / total, square / total - np.outer(mean, mean) / total**2)
    assert found.prompts == prompts


def test_micro_batches_that_a_batch_leaves_open_are_whole_groups_each() -> None:
    s, o = solve(MDP, HERE), DAPOBatch(group_size=2, micro_batches=4)
    parts, alone = signal(o, s, prompts=8), signal(DAPOBatch(group_size=2), s, prompts=2)
    assert parts.sample.size == pytest.approx(alone.sample.size, rel=1e-12)
    assert parts.sample.noise == pytest.approx(alone.sample.noise / 2, rel=1e-12)
    added = signal(replace(o, accumulate="sum"), s, prompts=8)
    assert (added.sample.size, added.sample.noise) == pytest.approx((4 * parts.sample.size, 4 * parts.sample.noise), rel=1e-12)
    assert parts.sample.groups == pytest.approx(2 * (alone.sample.noise / alone.sample.size) ** 2, rel=1e-12)
    with pytest.raises(ChainError, match="prompts is 6: must be a multiple of micro_batches, 4, whole groups in each"):
        signal(o, s, prompts=6)


@pytest.mark.parametrize(
    ("objective", "why"),
    [
        (SETTINGS["dead groups left out"], "the number of groups that are left, which divides the batch, is random and may be 0"),
        (
            replace(SETTINGS["two rewards, credits combined"], combine="after-batch"),
            "credits are divided by their standard deviation over the batch",
        ),
        (SETTINGS["another engine, weights of responses"], "a weight of the whole response is a function of all of its actions"),
        (SETTINGS["a baseline per turn"], "the baseline of a turn depends on which of the group's responses reach it"),
        (
            replace(SETTINGS["two rewards, credits combined"], std="batch"),
            "several credits are each divided by a standard deviation of the batch",
        ),
        (DAPO(mask_truncated="both"), "the tokens that are counted depend on which responses were cut off, which may be none"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_settings_that_compositions_do_not_determine_are_refused_with_the_reason(objective, why: str) -> None:
    with pytest.raises(ChainError, match=f"no exact second moments of its update here: {why}"):
        signal(objective, solve(PAID, HERE))


SMALL = TwoStageMDP(correct=[[1, 0], [0, 1]], sample_length=[[3, 40], [11, 2]], decision_length=2, prompt_weight=[3, 1],
                    gamma=1.0, max_turns=2)  # fmt: skip
LOPSIDED, BESIDE = (
    Policy.from_probabilities(answers, stops)
    for answers, stops in (
        ([[0.3, 0.7], [0.2, 0.8]], [[0.9, 0.35], [0.4, 0.75]]),
        ([[0.5, 0.5], [0.4, 0.6]], [[0.7, 0.55], [0.5, 0.6]]),
    )
)


def over_the_batch(objective: GroupObjective, groups: int, by: str, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and covariance, (8,) and (8, 8), from all batches: every tuple of groups of two, as tables."""
    under = objective.sampler or LOPSIDED
    t, pi = enumerate_trajectories(SMALL, under), LOPSIDED
    found = []  # by response: prompt, chance, reward, length, update per unit of a positive and of a negative credit, KL
    for i in range(len(t)):
        x, right, wrong, kl, length = int(t.prompt[i]), np.zeros((2, 2, 2)), np.zeros((2, 2, 2)), np.zeros((2, 2, 2)), 0.0
        for k in range(int(t.offsets[i]), int(t.offsets[i + 1])):
            y, stops = int(t.answer[k]), bool(t.stop[k])
            of = [(0, np.eye(2)[y] - pi.sample_prob[0, x], [p.sample_prob[0, x, y] for p in (pi, under, BESIDE)])]
            if t.decided[k]:
                chance = [p.stop_prob[0, x, y] if stops else 1.0 - p.stop_prob[0, x, y] for p in (pi, under, BESIDE)]
                of.append((1, np.eye(2)[y] * (stops - pi.stop_prob[0, x, y]), chance))
            for stage, score, (here, old, other) in of:
                rho = (here / old) ** (1.0 / (2.0 if stage else float(SMALL.sample_length[x, y])))  # of each token
                right[stage, x] += score * rho * (objective.sampler is None or rho <= 1.0 + objective.clip_high)
                wrong[stage, x] += score * rho * (objective.sampler is None or rho >= 1.0 - objective.clip_low)
                kl[stage, x] += score * math.log(here / other)
            length += float(SMALL.sample_length[x, y]) + 2.0 * bool(t.decided[k])
        last = int(t.offsets[i + 1]) - 1
        kept = objective.mask_truncated == "none" or bool(t.decided[last])
        chance = float(t.weight[i] / SMALL.prompt_weight[x])
        found.append((x, chance, float(SMALL.correct[x, int(t.answer[last])]), length,
                      kept * right.ravel(), kept * wrong.ravel(), kept * beta * kl.ravel()))  # fmt: skip
    rows = []
    for one, other in itertools.combinations_with_replacement(found, 2):
        if one[0] != other[0]:
            continue
        orders = 1 if one is other else 2  # what both members add does not depend on which of them is the first
        credit, penalty, total = np.zeros(8), np.zeros(8), one[3] + other[3]
        for r, beside in ((one, other), (other, one)):
            a = (r[2] - beside[2]) / 2.0
            below = {"responses": 2 * groups, "constant": 100 * groups, "response-tokens": 2 * groups * r[3],
                     "group-tokens": groups * total, "batch-tokens": 1.0}[by]  # fmt: skip
            credit += (max(a, 0.0) * r[4] + min(a, 0.0) * r[5]) / below
            penalty -= r[6] / below
        rows.append((orders * SMALL.prompt_weight[one[0]] * one[1] * other[1], one[2] + other[2], total, credit, penalty))
    chance, successes, tokens, credits, penalties = (np.array([row[i] for row in rows]) for i in range(5))
    index = np.meshgrid(*[np.arange(len(rows))] * groups, indexing="ij")
    weight, k = np.prod([chance[i] for i in index], axis=0), sum(successes[i] for i in index)
    n = 2 * groups
    deviation = np.sqrt(k * (n - k) / (n * (n - objective.ddof)))
    scale = np.where(deviation > 0, 1.0 / np.where(deviation > 0, deviation + objective.epsilon, 1.0), 0.0)
    u = sum(scale[..., None] * credits[i] + penalties[i] for i in index)
    if by == "batch-tokens":
        u = u / sum(tokens[i] for i in index)[..., None]
    weight, u = weight.ravel(), u.reshape(-1, 8)
    mean = weight @ u
    return mean, (weight[:, None] * u).T @ u - np.outer(mean, mean)


OVER_THE_BATCH = [
    (DrGRPO(group_size=2, max_tokens=1.0, std="batch", epsilon=1e-4), "responses", 0.0),
    (DrGRPO(group_size=2, max_tokens=50, std="batch", ddof=0), "constant", 0.0),
    (DrGRPO(group_size=2, max_tokens=1.0, std="batch", mask_truncated="numerator"), "responses", 0.0),
    (GRPO(group_size=2, std="batch", epsilon=0.1), "response-tokens", 0.0),
    (GRPO(group_size=2, std="batch", sampler=BESIDE, clip_low=0.01, clip_high=0.02), "response-tokens", 0.0),
    (DAPO(group_size=2, std="batch", dynamic_sampling=False), "group-tokens", 0.0),
    (DAPOBatch(group_size=2, std="batch", epsilon=1e-4), "batch-tokens", 0.3),
]


@pytest.mark.parametrize(
    ("groups", "row"),
    [
        # Of three groups there are many batches: one way of dividing each; the others in the slow profile.
        pytest.param(groups, i, id=f"{by}-{i}-{groups}", marks=pytest.mark.slow if groups == 3 and i not in (0, 3, 6) else ())
        for groups in (1, 2, 3)
        for i, (_, by, _) in enumerate(OVER_THE_BATCH)
    ],
)
def test_over_the_deviation_of_the_batch_it_is_the_sum_over_every_batch(groups: int, row: int) -> None:
    objective, by, beta = OVER_THE_BATCH[row]
    mean, covariance = over_the_batch(objective, groups, by, beta)
    reward = replace(objective, prompts=groups)
    o = reward + K3Loss(BESIDE, beta=beta, corrected_kl=True) if beta else reward
    found = signal(o, solve(SMALL, LOPSIDED), covariance=True)
    of = [np.concatenate([g.sample.ravel(), g.decide.ravel()]) for g in (found.expected, found.variance)]
    np.testing.assert_allclose(of[0], mean, rtol=0, atol=1e-11 * np.abs(mean).max())
    np.testing.assert_allclose(of[1], np.diag(covariance), rtol=0, atol=1e-11 * np.abs(covariance).max())
    np.testing.assert_allclose(found.covariance, covariance, rtol=0, atol=1e-11 * np.abs(covariance).max())


def test_over_the_deviation_of_many_rewards_it_is_that_over_one_number() -> None:
    s, prompts = solve(SMALL, LOPSIDED), 2_048
    accuracy = float(s.mean_accuracy)
    spread = math.sqrt(accuracy * (1.0 - accuracy))
    one = signal(DrGRPO(group_size=16, max_tokens=1.0, std="batch", prompts=prompts), s)
    plain = signal(DrGRPO(group_size=16, max_tokens=1.0, prompts=prompts), s)
    assert one.sample.size * spread == pytest.approx(plain.sample.size, rel=1e-4)
    # The deviation of the batch varies with its successes, so that the noise differs even in the limit, by a little.
    assert one.sample.noise * spread == pytest.approx(plain.sample.noise, rel=0.2)
    need = int(signal(DrGRPO(group_size=2, max_tokens=1.0, std="batch"), s, prompts=8).decide.groups)
    ratios = [signal(DrGRPO(group_size=2, max_tokens=1.0, std="batch"), s, prompts=n).decide.ratio for n in (need - 1, need)]
    assert ratios[0] < 1.0 <= ratios[1]


@pytest.mark.parametrize(
    ("objective", "prompts", "message"),
    [
        (DrGRPO(std="batch", micro_batches=2), 4, "over the standard deviation of the batch micro-batches have no exact"),
        (DAPO(std="batch"), 4, "over the standard deviation of the batch groups that are drawn again have no exact"),
        (GRPO(std="batch", outcome="return"), 4, "over the standard deviation of the batch rewards other than 0 and 1"),
        (GRPO(std="batch", group_size=8), 5_000, "a batch of 5,000 groups of 8: .* for at most 32,768 responses; use fewer"),
    ],
)  # fmt: skip
def test_what_counting_successes_does_not_tell_is_refused(objective, prompts: int, message: str) -> None:
    with pytest.raises(ChainError, match=message):
        signal(objective, solve(PAID, HERE), prompts=prompts)
