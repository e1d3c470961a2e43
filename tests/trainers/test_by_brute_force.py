"""A configuration's questions, answered by `dstheory explain` and by writing out every episode and every group.

With `loss_type: dapo, beta: 0.04, num_generations: 8, scale_rewards: batch`: which stage is fed, what dr_grpo would change,
what the KL does, and what SFT would do.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from trainers import brute

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
        return json.loads(found.out)

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


def test_what_the_kl_does(explained) -> None:
    found = explained(*KL)
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


def test_a_batch_of_one_prompt_divides_by_the_groups_standard_deviation(explained) -> None:
    (one, *_), (group, *_) = (
        explained(*change)["attribution"] for change in (["--prompts", 1], ["--prompts", 1, "scale_rewards=group"])
    )
    assert one["energy_share"] == group["energy_share"]


def test_the_example_is_that_configuration(dstheory) -> None:
    example = Path(__file__).parents[2] / "examples" / "trainers" / "trl_grpo.yaml"
    found = json.loads(dstheory("explain", example, "--json").out)
    assert found["unknown"] == []
    assert found["not_modelled"] == []
    assert (found["training"]["std"], found["training"]["beta"], found["training"]["max_tokens"]) == ("batch", 0.04, 1.0)
