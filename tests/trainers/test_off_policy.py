"""`dstheory explain --sampler`: the update on another policy's responses, by writing out every pair of responses."""

from __future__ import annotations

import itertools
import math

import pytest
from cli.conftest import dstheory  # noqa: F401  # the command line, in this process
from trainers import brute

POLICY, STALE = (0.7, 0.5, 0.8), (0.5, 0.75, 0.5)
TURNS, LENGTHS, DECISION, LOW, HIGH, DUAL = 2, (3.0, 1.0), 1.0, 0.2, 0.28, 1.5
CHAIN = ["--p", 0.7, "--a", 0.5, "--b", 0.8, "--max-turns", 2, "--answer-length", "3,1", "--sampler", "0.5,0.75,0.5"]
TRL = ["trl:grpo", "num_generations=2", "loss_type=dr_grpo", "max_completion_length=10", "scale_rewards=none",
       "epsilon_high=0.28", "delta=1.5"]  # fmt: skip


def tokens(episode: brute.Episode) -> list[tuple[int, float, float, float]]:
    """Logit, tokens, ratio of each of these tokens, and the derivative of their log-probability by the logit."""
    found = []
    for which, derivative, _ in episode.steps:
        taken = derivative > 0
        now, then = (x[which] if taken else 1 - x[which] for x in (POLICY, STALE))
        length = DECISION if which else LENGTHS[0 if taken else 1]
        found.append((which, length, (now / then) ** (1 / length), (1.0 if taken else 0.0) - POLICY[which]))
    return found


def written_out() -> tuple[list[float], list[float], list[float]]:
    """The expected update by logit, and expected tokens that are clipped and all of them, of answers and of decisions."""
    listed = brute.episodes(STALE, TURNS, LENGTHS, DECISION)
    update, lost, count = [0.0] * 3, [0.0] * 2, [0.0] * 2
    for one, other in itertools.product(listed, repeat=2):
        chance, credit = one.probability * other.probability, one.reward - (one.reward + other.reward) / 2
        for which, length, ratio, derivative in tokens(one):
            too_far = ratio > 1 + HIGH if credit > 0 else credit < 0 and (ratio < 1 - LOW or ratio > DUAL)
            count[which > 0] += chance * length
            lost[which > 0] += chance * length * too_far
            update[which] += chance * (0.0 if too_far else ratio * credit * derivative)
    return update, lost, count


def test_update_and_clipped_shares_are_those_of_all_pairs(dstheory) -> None:  # noqa: F811
    found = dstheory("explain", *TRL, *CHAIN, "--json").result
    update, lost, count = written_out()
    assert lost[0] > 0
    assert lost[1] > 0
    assert found["stale"]["clipped"] == pytest.approx(
        {"sample": lost[0] / count[0], "decide": lost[1] / count[1], "both": sum(lost) / sum(count)}, rel=1e-12
    )
    plain = brute.update(brute.episodes(POLICY, TURNS, LENGTHS, DECISION), lambda e: e.reward / 2)  # (G - 1)/G of the gradient
    for stage, here, there in zip(("sample", "decide"), brute.stages(plain), brute.stages(update), strict=True):
        assert found["stale"]["factor"][stage] == pytest.approx(brute.length(there) / brute.length(here), rel=1e-9)
        assert found["stale"]["turned"][stage] == pytest.approx(brute.degrees(here, there), abs=1e-5)


@pytest.mark.parametrize("mode", ["token-mean", "seq-mean-token-mean", "seq-mean-token-sum"])
def test_a_truncated_ratio_under_any_normaliser(dstheory, mode: str) -> None:  # noqa: F811
    """verl's CISPO: each token's ratio, cut at 1.28, whatever the sign of the credit; nothing is dropped."""
    settings = ("algorithm.adv_estimator=grpo", "algorithm.norm_adv_by_std_in_grpo=false", "actor_rollout_ref.rollout.n=2",
                f"actor_rollout_ref.actor.loss_agg_mode={mode}", "actor_rollout_ref.actor.policy_loss.loss_mode=cispo",
                "actor_rollout_ref.actor.clip_ratio_low=1", "actor_rollout_ref.actor.clip_ratio_high=0.28")  # fmt: skip
    found = dstheory("explain", "verl:ppo", *settings, *CHAIN, "--prompts", 1, "--json").result
    listed = brute.episodes(STALE, TURNS, LENGTHS, DECISION)
    total = [0.0] * 3
    for one, other in itertools.product(listed, repeat=2):
        chance, credit = one.probability * other.probability, one.reward - (one.reward + other.reward) / 2
        group = (one.tokens + other.tokens) / 2
        below = {"token-mean": group, "seq-mean-token-mean": one.tokens, "seq-mean-token-sum": 1.0}[mode]
        for which, _, ratio, derivative in tokens(one):
            total[which] += chance * min(ratio, 1 + HIGH) * credit / below * derivative
    (row,) = found["moves"]
    for name, x, g in zip("pab", POLICY, total, strict=True):
        assert row[name]["change"] == pytest.approx(x * (1 - x) * g, rel=1e-9), name


def test_off_the_policy_no_claim_about_the_policys_own_responses_is_named(dstheory) -> None:  # noqa: F811
    here = {note["claim"] for note in dstheory("explain", *TRL, "--json").result["notes"]}
    there = {note["claim"] for note in dstheory("explain", *TRL, *CHAIN, "--json").result["notes"]}
    assert {"O1", "O4", "B8", "O9"} <= here
    assert there == {"O9"}


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (("trl:sft",), "sft trains on responses that are given, or on the policy's own: it has no sampler"),
        (("trl:rloo",), "a KL in the reward off the policy is not modelled"),
        (("trl:grpo", "loss_type=cispo"), "a ratio that is truncated at 0.2, below 1, is not modelled off the policy"),
        (("trl:grpo", "loss_type=sapo"), "off the policy PPO's clip and truncated ratios are modelled, on credits of a group"),
    ],
    ids=" ".join,
)
def test_what_is_not_modelled_off_the_policy_is_said(dstheory, settings: tuple[str, ...], why: str) -> None:  # noqa: F811
    found = dstheory("explain", *settings, *CHAIN, "--json").result
    assert found["not_attributed"].startswith(why)
    assert found["stale"] is None


def test_the_policy_as_its_own_sampler_changes_nothing(dstheory) -> None:  # noqa: F811
    same = [*CHAIN[:-1], "0.7,0.5,0.8"]
    stale = dstheory("explain", *TRL, *same, "--json").result["stale"]
    assert stale["clipped"] == {"sample": 0.0, "decide": 0.0, "both": 0.0}
    assert all(math.isclose(value, 1.0, rel_tol=1e-12) for value in stale["factor"].values())
    assert stale["turned"] == pytest.approx(dict.fromkeys(("sample", "decide", "both"), 0.0), abs=1e-6)
