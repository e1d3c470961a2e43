"""A configuration's questions, answered by `dstheory explain` and by writing out every episode and every group.

With `loss_type: dapo, beta: 0.04, num_generations: 8, scale_rewards: batch`: which stage is fed, what dr_grpo would change,
what the KL does, and what SFT would do.
"""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from trainers import brute

from dstheory import Policy, TwoStageMDP, solve
from dstheory.trainers import Training, configuration_of
from dstheory.trainers.logged import logged_loss, why_not
from dstheory.trainers.translation import parts

POLICY, REFERENCE, EXPERT = (0.4, 0.85, 0.35), (0.3, 0.7, 0.5), (0.9, 0.95, 0.9)
TURNS, LENGTHS, DECISION, SIZE, BETA = 3, (30.0, 70.0), 2.0, 8, 0.04
CHAIN = ["--p", 0.4, "--a", 0.85, "--b", 0.35, "--max-turns", 3, "--answer-length", "30,70", "--decision-length", 2]
KL = ["--reference", "0.3,0.7,0.5"]
CONFIGURATION = "loss_type: dapo\nbeta: 0.04\nnum_generations: 8\nscale_rewards: batch\n"


@pytest.fixture
def explained(dstheory, tmp_path):
    """Run `dstheory explain` on the configuration and return what it prints as JSON."""
    (tmp_path / "mine.yaml").write_text(CONFIGURATION)

    def run(*more):
        found = dstheory("explain", "mine.yaml", *CHAIN, "--json", *more)
        assert found.code == 0, found.err
        return found.result

    return run


LISTED = brute.episodes(POLICY, TURNS, LENGTHS, DECISION, REFERENCE)
ACCURACY, TOKENS = brute.mean(LISTED, lambda e: e.reward), brute.mean(LISTED, lambda e: e.tokens)
SPREAD = math.sqrt(ACCURACY * (1 - ACCURACY)) + 1e-4


def credit(group):
    return (group[0] - sum(group) / len(group)) / SPREAD


CREDITS = {r: brute.credit_among(r, ACCURACY, SIZE, credit) for r in (0.0, 1.0)}
REWARD = brute.update(LISTED, lambda e: CREDITS[e.reward] / TOKENS)
PENALTY = brute.kl_update(LISTED, lambda e: BETA / TOKENS, lambda ratio: -ratio)
WHOLE = [r + k for r, k in zip(REWARD, PENALTY, strict=True)]


def test_the_episodes_are_all_episodes() -> None:
    assert sum(e.probability for e in LISTED) == pytest.approx(1.0, abs=1e-14)
    assert len(LISTED) == 2 + 2 * 2 + 2 * 2 * 2  # after each of two turns half of them end


def test_which_stage_is_fed(explained) -> None:
    rows = {row["name"]: row for row in explained(*KL)["attribution"]}
    assert list(rows) == ["whole", "reward", "KL in the loss"]
    for name, gradient in (("whole", WHOLE), ("reward", REWARD), ("KL in the loss", PENALTY)):
        s, d = brute.energies(gradient, LISTED, POLICY)
        assert rows[name]["energy_share"] == pytest.approx(d / (s + d), rel=1e-9), name
        g_s, g_d = abs(gradient[0]), math.hypot(*gradient[1:])  # by the chain's three logits
        assert rows[name]["norm_share"] == pytest.approx(g_d / (g_s + g_d), rel=1e-9), name


def moves(gradient):
    """What a step along the gradient does to p, a and b: its entry of the logit times x(1 - x)."""
    return {name: x * (1 - x) * g for name, x, g in zip("pab", POLICY, gradient, strict=True)}


def assert_moves(row, gradient) -> None:
    for name, change in moves(gradient).items():
        assert row[name]["change"] == pytest.approx(change, rel=1e-9), name


def test_what_the_kl_does(explained, dstheory) -> None:
    found = explained(*KL)
    for row, gradient in zip(found["moves"], (WHOLE, REWARD, PENALTY), strict=True):
        assert_moves(row, gradient)
    # The reference has a smaller p and a smaller a, and a larger b: the KL pulls each of them towards it.
    assert [change > 0 for change in moves(PENALTY).values()] == [False, False, True]
    shown = " ".join(dstheory("explain", "mine.yaml", *CHAIN, *KL).out.split())
    assert "So the KL in the loss makes the model sample fewer right answers, stop at fewer right answers and " in shown
    (row,) = [row for row in found["attribution"] if row["name"] == "KL in the loss"]
    accuracy = brute.update(LISTED, lambda e: e.reward)
    for stage, here, there in zip(("sample", "decide"), brute.stages(PENALTY), brute.stages(accuracy), strict=True):
        assert row["tilt"][stage] == pytest.approx(brute.degrees(here, there), abs=1e-6)
    assert "-beta rho log(pi/ref)" in found["objective"]["parts"]["KL in the loss"]
    assert {"O11-weighted", "O11"} <= {note["claim"] for note in found["notes"]}
    # Without --reference it refers to the start: it pushes nothing there.
    (row,) = [row for row in explained()["attribution"] if row["name"] == "KL in the loss"]
    assert row["note"] == "the expected gradient is zero"


def test_what_dr_grpo_would_change(explained) -> None:
    against = explained(*KL, "--with", "loss_type=dr_grpo")["against"]
    changed = {row["field"]: (row["here"], row["there"]) for row in against["fields"]}
    assert changed == {"normaliser": ("batch-tokens", "constant"), "max_tokens": (1.0, 512)}
    assert against["factor"] == pytest.approx(dict.fromkeys(("sample", "decide", "both"), TOKENS / 512), rel=1e-9)
    assert against["degrees"] == {"sample": 0.0, "decide": 0.0, "both": 0.0}
    assert_moves(against["moves"][1], [g * TOKENS / 512 for g in WHOLE])


def test_what_sft_would_do(explained) -> None:
    demonstrations = brute.episodes(EXPERT, TURNS, LENGTHS, DECISION)
    pi = POLICY

    def scores(episode):
        found = [0.0, 0.0, 0.0]
        for which, derivative, _ in episode.steps:  # the expert's derivative is 1[taken] minus the expert's probability
            found[which] += derivative + EXPERT[which] - pi[which]
        return found

    tokens = brute.mean(demonstrations, lambda e: e.tokens)
    sft = [brute.mean(demonstrations, lambda e, i=i: scores(e)[i] / tokens) for i in range(3)]
    against = explained(*KL, "--against", "trl:sft")["against"]
    here, there = brute.stages(WHOLE), brute.stages(sft)
    for i, stage in enumerate(("sample", "decide")):
        assert against["factor"][stage] == pytest.approx(brute.length(there[i]) / brute.length(here[i]), rel=1e-9)
        assert against["degrees"][stage] == pytest.approx(brute.degrees(here[i], there[i]), abs=1e-6)
    assert_moves(against["moves"][0], WHOLE)
    assert_moves(against["moves"][1], sft)


@pytest.mark.parametrize(
    ("change", "weight"),
    [
        ("loss_type=dapo", lambda e: e.tokens / TOKENS),
        ("loss_type=dr_grpo", lambda e: e.tokens / 512),
        ("loss_type=grpo", lambda e: 1.0),
    ],
)
def test_what_is_logged_as_the_loss(explained, change: str, weight) -> None:
    expected = -brute.mean(LISTED, lambda e: CREDITS[e.reward] * weight(e))
    found = explained(change)["logged"]["loss"]
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-15)


def over_others(group):
    """The reward less the others' mean, over their sample deviation where they differ."""
    others = group[1:]
    middle = sum(others) / 7
    spread = math.sqrt(sum((r - middle) ** 2 for r in others) / 6)
    return (group[0] - middle) / (spread + 1e-6 if spread else 1.0)


@pytest.mark.parametrize(
    ("training", "credit", "below"),
    [
        (Training(std="group", ddof=0, epsilon=1e-8, normaliser="constant", max_tokens=512.0),
         lambda g: (g[0] - sum(g) / 8) / (math.sqrt(sum((r - sum(g) / 8) ** 2 for r in g) / 8) + 1e-8), 512.0),
        (Training(credit="leave-one-out", std="others", epsilon=1e-6, normaliser="batch-tokens"), over_others, TOKENS),
        (Training(factor=10.0), lambda g: 10.0 * (g[0] - sum(g) / 8), 1.0),
    ],
)  # fmt: skip
def test_what_is_logged_under_other_credits(training, credit, below) -> None:
    """The population's deviation (open-instruct), that of the others (NeMo-RL), rewards of 10."""
    chain = TwoStageMDP.minimal(gamma=1.0, max_turns=TURNS, sample_length=[LENGTHS], decision_length=DECISION)
    p, a, b = POLICY
    s = solve(chain, Policy.minimal(p=p, a=a, b=b))
    credits = {r: brute.credit_among(r, ACCURACY, SIZE, credit) for r in (0.0, 1.0)}
    expected = -brute.mean(LISTED, lambda e: credits[e.reward] * e.tokens) / below
    assert logged_loss(training, s) == pytest.approx(expected, rel=1e-9)


def test_credits_over_the_others_deviation_do_not_sum_to_zero() -> None:
    training = Training(credit="leave-one-out", std="others", normaliser="response-tokens")
    assert sum(over_others((r, *[0.0] * 7)) if r else over_others((0.0, 1.0, *[0.0] * 6)) for r in (1.0, *[0.0] * 7)) < -0.1
    assert logged_loss(training, solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.4, a=0.8, b=0.3))) is None
    assert "sum to 0" not in why_not(training)


@pytest.mark.parametrize(
    ("change", "credit"),
    [
        ("scale_rewards=none", lambda group: group[0] - sum(group) / 8),
        ("scale_rewards=group", lambda g: (g[0] - sum(g) / 8) / (math.sqrt(sum((r - sum(g) / 8) ** 2 for r in g) / 7) + 1e-4)),
    ],
)
@pytest.mark.parametrize("loss", ["dapo", "grpo", "luspo"])
def test_other_credits_and_normalisers(explained, change: str, credit, loss: str) -> None:
    credits = {r: brute.credit_among(r, ACCURACY, SIZE, credit) for r in (0.0, 1.0)}
    below = {"dapo": lambda e: TOKENS, "grpo": lambda e: e.tokens, "luspo": lambda e: 1.0}[loss]
    gradient = brute.update(LISTED, lambda e: credits[e.reward] / below(e))
    (whole, *_) = explained(change, f"loss_type={loss}", "beta=0", "importance_sampling_level=sequence")["attribution"]
    s, d = brute.energies(gradient, LISTED, POLICY)
    assert whole["energy_share"] == pytest.approx(d / (s + d), rel=1e-9)


# ---------------------------------------------------------------------- a standard deviation over few prompts


NUMBERS = ("probability", "reward", "tokens", "scores")


def drawn(lists):
    """Every choice of one episode of each list: an episode for each list, whose numbers are arrays over the choices."""
    chosen = np.indices([len(listed) for listed in lists]).reshape(len(lists), -1)
    return [
        brute.Episode(*(np.array([getattr(e, name) for e in listed])[k].T for name in NUMBERS), ())
        for listed, k in zip(lists, chosen, strict=True)
    ]


def credits_of(every):
    """The credit of each response of each batch: its reward less the mean of its group of two, over the batch's deviation."""
    mean = sum(e.reward for e in every) / len(every)
    spread = np.sqrt(sum((e.reward - mean) ** 2 for e in every) / (len(every) - 1))
    groups = [every[i - i % 2 : i - i % 2 + 2] for i in range(len(every))]
    return [(e.reward - (one.reward + two.reward) / 2) / (spread + 1e-4) for e, (one, two) in zip(every, groups, strict=True)]


def of_batches(prompts, size, below):
    """The expected update by every batch of as many groups, each of one of the prompts' lists of episodes.

    Args:
        prompts: (chance of the prompt, its episodes).
        size: how many groups of two a batch holds.
        below: what the sum over tokens of a response is divided by, given the batch and the response.
    """
    total = np.zeros((len(prompts), 3))
    for asked in itertools.product(range(len(prompts)), repeat=size):
        whose = [x for x in asked for _ in range(2)]
        every = drawn([prompts[x][1] for x in whose])
        chance = math.prod(prompts[x][0] for x in asked) * math.prod(e.probability for e in every)
        for x, e, credit in zip(whose, every, credits_of(every), strict=True):
            total[x] += e.scores @ (chance * credit / below(every, e))
    return total


BELOW = {
    "dapo": lambda every, e: sum(one.tokens for one in every),
    "grpo": lambda every, e: len(every) * e.tokens,
    "dr_grpo": lambda every, e: len(every) * 512.0,
    "luspo": lambda every, e: len(every),
}


@pytest.mark.parametrize("loss", BELOW)
def test_the_deviation_of_a_batch_of_two_prompts(explained, loss: str) -> None:
    more = () if loss != "luspo" else ("importance_sampling_level=sequence",)
    found = explained("num_generations=2", "beta=0", f"loss_type={loss}", *more, "--prompts", 2)
    assert found["not_modelled"] == []
    (gradient,) = of_batches([(1.0, LISTED)], 2, BELOW[loss])
    (row,) = found["moves"]
    for name, x, g in zip("pab", POLICY, gradient, strict=True):  # the logits are p's, a's and b's
        assert row[name]["change"] == pytest.approx(x * (1 - x) * g, rel=1e-9), name


@pytest.mark.parametrize("loss", ["dapo", "grpo", "dr_grpo"])
def test_the_deviation_of_a_batch_of_two_different_prompts(dstheory, tmp_path: Path, loss: str) -> None:
    policies, weights, lengths = ((0.4, 0.85, 0.35), (0.8, 0.6, 0.7)), (0.3, 0.7), ((30.0, 70.0), (9.0, 20.0))
    prompts = [
        {"prompt": str(i), "prompt_weight": w, "answer": ["right", "wrong"], "correct": [1, 0], "sample_length": list(length),
         "decision_length": 2, "sample_probability": [p, 1 - p], "stop_probability": [a, 1 - b]}
        for i, ((p, a, b), w, length) in enumerate(zip(policies, weights, lengths, strict=True))
    ]  # fmt: skip
    chain = {"format": "dstheory-chain/1", "gamma": 1.0, "max_turns": 2, "prompts": prompts}
    (tmp_path / "two.json").write_text(json.dumps(chain))
    settings = ("scale_rewards=batch", "num_generations=2", "beta=0", f"loss_type={loss}", "--prompts", 2, "--mdp", "two.json")
    found = dstheory("explain", "trl:grpo", *settings, "--json").result
    listed = [brute.episodes(policy, 2, length, 2.0) for policy, length in zip(policies, lengths, strict=True)]
    gradients = of_batches(list(zip(weights, listed, strict=True)), 2, BELOW[loss])
    # Tables of logits: two for the answers of a prompt, one of stop for each; a wrong answer's is minus that of resample.
    (row,) = found["moves"]
    right = [w * p for w, (p, _, _) in zip(weights, policies, strict=True)]
    wrong = [w * (1 - p) for w, (p, _, _) in zip(weights, policies, strict=True)]
    again = [1 + p * (1 - a) + (1 - p) * b for p, a, b in policies]  # attempts of a prompt
    attempts = [w * n for w, n in zip(weights, again, strict=True)]
    for name, i, weight, twice in (("p", 0, attempts, 2), ("a", 1, right, 1), ("b", 2, wrong, 1)):
        changes = [twice * x[i] * (1 - x[i]) * g[i] for x, g in zip(policies, gradients, strict=True)]
        mean = sum(w * change for w, change in zip(weight, changes, strict=True)) / sum(weight)
        assert row[name]["change"] == pytest.approx(mean, rel=1e-9), name


def test_what_is_logged_under_the_deviation_of_a_batch_of_two_prompts(explained) -> None:
    found = explained("num_generations=2", "beta=0", "loss_type=dr_grpo", "--prompts", 2)["logged"]["loss"]
    every = drawn([LISTED] * 4)
    logged = sum(credit * e.tokens for credit, e in zip(credits_of(every), every, strict=True)) / 4 / 512
    total = -math.prod(e.probability for e in every) @ logged
    assert found == pytest.approx(total, rel=1e-9)


def test_a_batch_of_one_prompt_divides_by_the_groups_standard_deviation(explained) -> None:
    (one, *_), (group, *_) = (
        explained(*change)["attribution"] for change in (["--prompts", 1], ["--prompts", 1, "scale_rewards=group"])
    )
    assert one["energy_share"] == group["energy_share"]


def test_the_example_is_that_configuration(dstheory) -> None:
    example = Path(__file__).parents[2] / "examples" / "trainers" / "trl_grpo.yaml"
    found = dstheory("explain", example, "--json").result
    assert found["unknown"] == []
    assert found["not_modelled"] == []
    assert (found["training"]["std"], found["training"]["beta"], found["training"]["max_tokens"]) == ("batch", 0.04, 1.0)


# ---------------------------------------------------------------------- KL in the reward, before and after the baseline

STRENGTH = 0.3
PLACED = {
    "trl:rloo": (("num_generations=2", f"beta={STRENGTH}"), "others", "responses"),
    "verl:ppo algorithm.adv_estimator=rloo": (
        ("algorithm.use_kl_in_reward=true", f"algorithm.kl_ctrl.kl_coef={STRENGTH}", "actor_rollout_ref.rollout.n=2"),
        "others", "batch",
    ),
    "verl:ppo algorithm.adv_estimator=grpo": (
        ("algorithm.use_kl_in_reward=true", f"algorithm.kl_ctrl.kl_coef={STRENGTH}", "actor_rollout_ref.rollout.n=2",
         "algorithm.norm_adv_by_std_in_grpo=false", "actor_rollout_ref.actor.loss_agg_mode=seq-mean-token-sum"),
        "group", "responses",
    ),
    "openrlhf:ppo algo.advantage.estimator=rloo": (
        ("rollout.n_samples_per_prompt=2", f"algo.kl.init_coef={STRENGTH}"), "after", "batch",
    ),
    "verl:ppo algorithm.adv_estimator=gae": (
        ("algorithm.use_kl_in_reward=true", f"algorithm.kl_ctrl.kl_coef={STRENGTH}"), "nothing", "batch",
    ),
    "slime:grpo advantage_estimator=reinforce_plus_plus_baseline": (
        (f"kl_coef={STRENGTH}", "n_samples_per_prompt=2", "calculate_per_token_loss=true", "normalize_advantages=true"), "own",
        "batch",
    ),
    "nemo-rl:grpo grpo.adv_estimator.name=reinforce_plus_plus": (
        ("loss_fn.use_kl_in_reward=true", f"loss_fn.reference_policy_kl_penalty={STRENGTH}",
         "loss_fn.reference_policy_kl_type=k1", "grpo.num_generations_per_prompt=2"), "own", "batch",
    ),
}  # fmt: skip


def paid(episode: brute.Episode) -> float:
    return episode.reward - STRENGTH * sum(ratio for _, _, ratio in episode.steps)


def of_pairs(placed: str) -> list[float]:
    """The expected update by every pair of episodes, the normaliser left out."""
    total = [0.0, 0.0, 0.0]
    for one in LISTED:
        for other in LISTED if placed != "nothing" else [one]:
            chance = one.probability * (other.probability if placed != "nothing" else 1.0)
            to_go = 0.0
            for which, derivative, ratio in reversed(one.steps):
                to_go += ratio
                credit = {
                    "others": paid(one) - paid(other),
                    "group": paid(one) - (paid(one) + paid(other)) / 2,
                    "after": one.reward - other.reward - STRENGTH * to_go,
                    "own": (one.reward - other.reward) / 2 - STRENGTH * ratio,
                    "nothing": paid(one),
                }[placed]
                total[which] += chance * credit * derivative
    return total


@pytest.mark.parametrize("name", PLACED)
def test_a_kl_in_the_reward_before_and_after_the_baseline(dstheory, name: str) -> None:
    settings, placed, below = PLACED[name]
    gradient = [g / (TOKENS if below == "batch" else 1.0) for g in of_pairs(placed)]
    ran = dstheory("explain", *name.split(), *settings, *CHAIN, *KL, "--prompts", 10**6, "--json")
    found = ran.result
    whole = found["attribution"][0]
    s, d = brute.energies(gradient, LISTED, POLICY)
    assert whole["energy_share"] == pytest.approx(d / (s + d), rel=1e-5)  # a million prompts are not yet without end
    accuracy = brute.stages(brute.update(LISTED, lambda e: e.reward))
    assert whole["tilt"]["decide"] == pytest.approx(brute.degrees(brute.stages(gradient)[1], accuracy[1]), abs=1e-3)


@pytest.mark.parametrize(
    ("name", "settings", "key"),
    [
        ("openrlhf:ppo", ("algo.advantage.estimator=rloo", "rollout.n_samples_per_prompt=2"), "the KL in the reward"),
    ],
)  # fmt: skip
def test_what_differs_over_the_length_of_the_response_alone_is_left_out(dstheory, name, settings, key) -> None:
    """A log-ratio that was paid before does not vanish over 1/L."""
    mean = ("actor.loss_agg_mode=seq-mean-token-mean",) if name == "openrlhf:ppo" else ()
    found = dstheory("explain", name, *settings, *mean, *CHAIN, *KL, "--prompts", 10**6, "--json").result
    assert [row["name"] for row in found["attribution"]] == ["whole"]
    assert key in [row["key"] for row in found["not_modelled"]]
    # What was shown: every token paid for all log-ratios of its response, past ones too.
    past = brute.kl_update(LISTED, lambda e: 1 / e.tokens, lambda _: 1.0)
    assert max(map(abs, past)) > 1e-4  # a constant's score does not vanish over 1/L


@pytest.mark.parametrize("responses", [2, 8, 32])
@pytest.mark.parametrize(("p", "a", "b"), [(0.3, 0.6, 0.7), (0.2, 0.7, 0.9), (0.55, 0.95, 0.3)])
def test_an_entropy_over_the_tokens_of_few_responses_is_differentiated_itself(dstheory, p, a, b, responses) -> None:
    """Libraries differentiate the entropy of each token, not the score times its log-probability. Over endless episodes."""
    settings = (f"n_samples_per_prompt={responses}", "entropy_coef=1.0", "calculate_per_token_loss=true")
    found = dstheory("explain", "slime:grpo", *settings, "--prompts", 1, "--json").result
    assert "the entropy bonus" not in [row["key"] for row in found["not_modelled"]]
    training = configuration_of("slime:grpo", settings=settings, prompts=1).training
    s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=p, a=a, b=b))
    *_, entropy = parts(training, s, reference=s.policy, expert=s.policy)
    shown = entropy.objective.gradient(s)
    last, most = p * a + (1 - p) * (1 - b), 400
    attempts = np.array([0.0, *(last * (1 - last) ** k for k in range(most))])
    others = np.ones(1)
    for _ in range(responses - 1):
        others = np.convolve(others, attempts)[: 8 * most]
    # Right answers that are decided on, given a response of k attempts, times the mean of one over all tokens.
    right = [(k - 1) * p * (1 - a) / (1 - last) + p * a / last for k in range(1, most + 1)]
    share = [(others / (np.arange(len(others)) + k)).sum() / 2.0 for k in range(1, most + 1)]
    true = -math.log(a / (1 - a)) * a * (1 - a) * responses * float(attempts[1:] @ np.multiply(right, share))
    assert shown.decide[0, 0, 0] == pytest.approx(true, rel=1e-9)


@pytest.mark.parametrize("type_", ["k1", "k3"])
def test_a_kl_in_the_reward_that_the_estimator_does_not_take_is_in_no_term(dstheory, type_: str) -> None:
    """NeMo-RL's GRPO has no KL in its credits, and its loss none where use_kl_in_reward is true."""
    own = (*CHAIN, *KL, "--json", "loss_fn.use_kl_in_reward=true", f"loss_fn.reference_policy_kl_type={type_}")
    with_it = dstheory("explain", "nemo-rl:grpo", "grpo.normalize_rewards=false", *own).result
    assert [row["name"] for row in with_it["attribution"]] == ["whole"]
    assert any("no KL enters anywhere" in text for text in with_it["warnings"])
    assert with_it["not_modelled"] == []


def test_leave_one_out_over_the_tokens_of_the_batch_is_longer_by_its_factor(dstheory) -> None:
    """By every list of rewards: R minus the mean of the others, over E[L], against R minus the group's mean."""
    base = ("algorithm.adv_estimator=grpo", "algorithm.norm_adv_by_std_in_grpo=false", "actor_rollout_ref.rollout.n=8")
    ran = dstheory("explain", "verl:ppo", *base, *CHAIN, "--json", "--with", "algorithm.adv_estimator=rloo")
    credits = [
        [brute.credit_among(r, ACCURACY, 8, credit) for r in (0.0, 1.0)]
        for credit in (lambda g: g[0] - sum(g) / 8, lambda g: g[0] - sum(g[1:]) / 7)
    ]
    mine, other = (brute.update(LISTED, lambda e, c=c: c[int(e.reward)]) for c in credits)
    factor = ran.result["against"]["factor"]
    assert factor["both"] == pytest.approx(math.hypot(*other) / math.hypot(*mine), rel=1e-9)
    assert factor["both"] == pytest.approx(8 / 7, rel=1e-9)


def test_p_a_and_b_are_those_of_one_model_of_a_log(dstheory, tmp_path: Path) -> None:
    right, wrong = {"correct": True, "decision": "stop"}, {"correct": False, "decision": "resample"}
    attempts = {"base": [[right], [wrong, right]], "tuned": [[wrong, wrong, right]] * 5 + [[right]]}
    records = [
        {"id": f"{name}{i}", "model": name, "cap": 4, "attempts": steps}
        for name, episodes in attempts.items()
        for i, steps in enumerate(episodes)
    ]
    (tmp_path / "both.jsonl").write_text("\n".join(map(json.dumps, records)))
    (tmp_path / "one.jsonl").write_text("\n".join(json.dumps(record) for record in records if record["model"] == "tuned"))
    refused = dstheory("explain", "trl:grpo", "--log", "both.jsonl")
    assert refused.code == 2
    assert "several models (base, tuned): choose one with --model" in refused.err
    chosen = dstheory("explain", "trl:grpo", "--log", "both.jsonl", "--model", "tuned", "--json").result
    alone = dstheory("explain", "trl:grpo", "--log", "one.jsonl", "--json").result
    assert json.dumps(chosen).replace("tuned of both.jsonl", "one.jsonl") == json.dumps(alone)
    assert dstheory("explain", "trl:grpo", "--model", "tuned").code == 2


def test_p_a_and_b_of_a_log_with_lengths_that_are_given(dstheory, tmp_path: Path) -> None:
    episodes = [[(True, "stop")], [(False, "resample"), (True, "stop")], [(False, "stop")], [(True, "resample"), (True, "stop")]]
    attempts = [[{"correct": correct, "decision": decision} for correct, decision in steps] for steps in episodes]
    records = [{"id": i, "cap": 3, "attempts": steps} for i, steps in enumerate(attempts)]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, records)))
    lengths = ("--answer-length", "30,70", "--decision-length", 2)
    measured = dstheory("explain", "trl:grpo", "loss_type=grpo", "--log", "log.jsonl", *lengths, "--json").result
    # Smoothed by half an observation: p of first answers (2 + 1/2)/(4 + 1), a = (3 + 1/2)/(4 + 1), b = (1 + 1/2)/(2 + 1).
    policy = ("--p", 2.5 / 5, "--a", 3.5 / 5, "--b", 1.5 / 3, "--max-turns", 3)
    typed = dstheory("explain", "trl:grpo", "loss_type=grpo", *policy, *lengths, "--json").result
    assert measured["chain"]["name"] == "log.jsonl"
    for name in ("energy_share", "energy_share_longer"):
        assert measured["attribution"][0][name] == pytest.approx(typed["attribution"][0][name], rel=1e-9)


def test_a_kl_with_a_normaliser_of_its_own(dstheory) -> None:
    """OpenRLHF averages the reward over each response's tokens, and the KL over those of the batch."""
    settings = ("algo.advantage.estimator=dr_grpo", "rollout.n_samples_per_prompt=8", "actor.loss_agg_mode=seq-mean-token-mean",
                "algo.kl.use_loss=true", "algo.kl.estimator=k3", "algo.kl.init_coef=0.3")  # fmt: skip
    ran = dstheory("explain", "openrlhf:ppo", *settings, *CHAIN, *KL, "--prompts", 10**6, "--json")
    credits = [brute.credit_among(r, ACCURACY, 8, lambda g: g[0] - sum(g) / 8) for r in (0.0, 1.0)]
    reward = brute.update(LISTED, lambda e: credits[int(e.reward)] / e.tokens)
    penalty = brute.kl_update(LISTED, lambda e: 0.3 / TOKENS, lambda ratio: -(1.0 - math.exp(-ratio)))
    s, d = brute.energies([r + k for r, k in zip(reward, penalty, strict=True)], LISTED, POLICY)
    assert ran.result["attribution"][0]["energy_share"] == pytest.approx(d / (s + d), rel=1e-5)


def test_cispo_at_trls_default_is_cut_at_a_fifth_on_the_policy(explained) -> None:
    """The ratio is truncated at epsilon_high itself, 0.2: the reward's coefficients are a fifth, the KL's are not."""
    whole = [r / 5 + k for r, k in zip(REWARD, PENALTY, strict=True)]
    s, d = brute.energies(whole, LISTED, POLICY)
    found = explained("loss_type=cispo", *KL, "--with", "loss_type=dapo", "--with", "beta=0")
    assert found["attribution"][0]["energy_share"] == pytest.approx(d / (s + d), rel=1e-9)
    assert explained("loss_type=cispo", "beta=0", "--with", "loss_type=dapo")["against"]["factor"]["both"] == pytest.approx(5.0)


def test_the_batch_of_a_standard_deviation_is_not_the_local_batch(explained) -> None:
    """bnpo divides by the tokens of one group here, scale_rewards=batch by the standard deviation of many."""
    local = ("loss_type=bnpo", "beta=0", "num_generations=2", "per_device_train_batch_size=2")
    found = explained(*local, "--with", "scale_rewards=none")
    total = [0.0, 0.0, 0.0]
    for one in LISTED:
        for other in LISTED:
            weight = one.probability * other.probability * (one.reward - other.reward) / (one.tokens + other.tokens)
            total = [t + weight * score for t, score in zip(total, one.scores, strict=True)]
    s, d = brute.energies(total, LISTED, POLICY)
    assert found["attribution"][0]["energy_share"] == pytest.approx(d / (s + d), rel=1e-9)
    assert found["against"]["factor"]["both"] == pytest.approx(SPREAD, rel=1e-9)


# ---------------------------------------------------------------------- truncated responses, groups without variance


def whole(episode: brute.Episode) -> float:
    """1 for a response that the cap did not cut off: its last answer has a decision."""
    return float(len(episode.steps) % 2 == 0)


@pytest.mark.parametrize("loss", ["dapo", "grpo", "dr_grpo"])
def test_truncated_responses_are_masked(explained, loss: str) -> None:
    settings = ("mask_truncated_completions=true", "scale_rewards=group", f"loss_type={loss}")

    def credit(g):
        return (g[0] - sum(g) / 8) / (math.sqrt(sum((r - sum(g) / 8) ** 2 for r in g) / 7) + 1e-4)

    credits = [brute.credit_among(r, ACCURACY, SIZE, credit) for r in (0.0, 1.0)]
    counted = brute.mean(LISTED, lambda e: whole(e) * e.tokens)
    below = {"dapo": lambda e: counted, "grpo": lambda e: e.tokens, "dr_grpo": lambda e: 512}[loss]
    reward = brute.update(LISTED, lambda e: whole(e) * credits[int(e.reward)] / below(e))
    penalty = brute.kl_update(LISTED, lambda e: whole(e) * BETA / below(e), lambda ratio: -ratio)
    rows = {row["name"]: row for row in explained(*settings, *KL)["attribution"]}
    both = [r + k for r, k in zip(reward, penalty, strict=True)]
    for name, gradient in (("whole", both), ("reward", reward), ("KL in the loss", penalty)):
        s, d = brute.energies(gradient, LISTED, POLICY)
        assert rows[name]["energy_share"] == pytest.approx(d / (s + d), rel=1e-9), name
    plain = explained("scale_rewards=group", f"loss_type={loss}", "beta=0", "--with", "mask_truncated_completions=true")
    kept = brute.update(LISTED, lambda e: credits[int(e.reward)] / (TOKENS if loss == "dapo" else below(e)))
    of_stages = [[brute.length(block) for block in brute.stages(g)] for g in (kept, reward)]
    for i, stage in enumerate(("sample", "decide")):
        assert plain["against"]["factor"][stage] == pytest.approx(of_stages[1][i] / of_stages[0][i], rel=1e-9)


def test_groups_without_variance_are_left_out_of_what_divides(dstheory) -> None:
    """open-instruct drops them, tokens and all: in large batches its update is longer by the tokens that are left out."""
    base = ("open-instruct:grpo", "num_samples_per_prompt_rollout=2", "beta=0", *CHAIN, "--prompts", 10**5, "--json")
    ran = dstheory("explain", *base, "--with", "filter_zero_std_samples=false")
    mixed = 0.0
    for one in LISTED:
        for other in LISTED:
            if one.reward != other.reward:
                mixed += one.probability * other.probability * (one.tokens + other.tokens) / 2
    assert ran.result["against"]["factor"]["both"] == pytest.approx(mixed / TOKENS, rel=1e-4)


def test_what_has_no_objective_here_is_explained_and_not_compared(dstheory) -> None:
    found = dstheory("explain", "trl:grpo", *CHAIN, "--against", "slime:grpo", "--json").result
    assert found["attribution"][0]["name"] == "whole"
    assert found["against"]["not_compared"].startswith("group_size is 1")
    assert found["against"]["factor"]["both"] is None
    shown = dstheory("explain", "slime:grpo", *CHAIN, "--with", "n_samples_per_prompt=8")
    assert shown.code == 0
    assert "not attributed: group_size is 1" in shown.out
    assert "not compared: group_size is 1" in shown.out


@pytest.mark.parametrize("size", [2, 3, 8])
def test_nemo_rls_default_divides_by_the_deviation_of_the_others_where_they_differ(dstheory, size: int) -> None:
    def credit(group):
        others = group[1:]
        mean = sum(others) / len(others)
        apart = sum((r - mean) ** 2 for r in others)
        return (group[0] - mean) / (math.sqrt(apart / (len(others) - 1)) + 1e-6 if apart else 1.0)

    credits = [brute.credit_among(r, ACCURACY, size, credit) for r in (0.0, 1.0)]
    settings = ("loss_fn.reference_policy_kl_penalty=0", "loss_fn.token_level_loss=false")
    base = ("nemo-rl:grpo", f"grpo.num_generations_per_prompt={size}", *settings, *CHAIN, "--json")
    found = dstheory("explain", *base, "--with", "grpo.normalize_rewards=false").result
    gradient = brute.update(LISTED, lambda e: credits[int(e.reward)] / e.tokens)
    s, d = brute.energies(gradient, LISTED, POLICY)
    assert found["attribution"][0]["energy_share"] == pytest.approx(d / (s + d), rel=1e-9)
    plain = [brute.credit_among(r, ACCURACY, size, lambda g: g[0] - sum(g[1:]) / (len(g) - 1)) for r in (0.0, 1.0)]
    other = brute.update(LISTED, lambda e: plain[int(e.reward)] / e.tokens)
    lengths = [math.hypot(*map(brute.length, brute.stages(g))) for g in (gradient, other)]
    assert found["against"]["factor"]["both"] == pytest.approx(lengths[1] / lengths[0], rel=1e-9)
