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


UNCLIPPED = ["trl:grpo", "num_generations=2", "loss_type=dr_grpo", "max_completion_length=1", "scale_rewards=none", "epsilon=1",
             "epsilon_high=1000"]  # fmt: skip
START = ["--p", 0.5, "--a", 0.75, "--b", 0.5, "--max-turns", 2, "--answer-length", "3,1"]


def moved(logits: list[float]) -> tuple[float, ...]:
    return tuple(1 / (1 + math.exp(-u)) for u in logits)


def surrogate(policy: tuple[float, ...], pair: tuple[brute.Episode, brute.Episode]) -> list[float]:
    """The gradient of one pair's surrogate at a policy, the responses being STALE's; nothing is clipped."""
    out = [0.0] * 3
    for one in pair:
        credit = (one.reward - sum(e.reward for e in pair) / 2) / 2
        for which, derivative, _ in one.steps:
            taken = derivative > 0
            now, then = (x[which] if taken else 1 - x[which] for x in (policy, STALE))
            length = DECISION if which else LENGTHS[0 if taken else 1]
            out[which] += credit * (now / then) ** (1 / length) * ((1.0 if taken else 0.0) - policy[which])
    return out


def second_updates(lr: float) -> dict[str, list[float]]:
    """The mean second update: after the mean first one, after that of another pair, and after that of the same."""
    listed, zero = brute.episodes(STALE, TURNS, LENGTHS, DECISION), [math.log(x / (1 - x)) for x in STALE]
    pairs = [(one.probability * other.probability, (one, other)) for one, other in itertools.product(listed, repeat=2)]

    def after(step: list[float], pair: tuple[brute.Episode, brute.Episode]) -> list[float]:
        return surrogate(moved([u + lr * g for u, g in zip(zero, step, strict=True)]), pair)

    first = [(chance, surrogate(STALE, pair)) for chance, pair in pairs]
    mean = [sum(chance * g[i] for chance, g in first) for i in range(3)]
    found = {"exact": [0.0] * 3, "other": [0.0] * 3, "same": [0.0] * 3}
    for chance, pair in pairs:
        each = {"exact": [(1.0, mean)], "other": first, "same": [(1.0, surrogate(STALE, pair))]}
        for name, steps in each.items():
            for share, step in steps:
                for i, g in enumerate(after(step, pair)):
                    found[name][i] += chance * share * g
    return found


def test_the_second_update_is_that_after_an_exact_step(dstheory) -> None:  # noqa: F811
    """On another pair's responses what is left out is of second order in the step, on the same ones of first."""
    gaps = {}
    for lr in (0.02, 0.01):
        by_hand = second_updates(lr)
        found = dstheory("explain", *UNCLIPPED, *START, "--update", 2, "--lr", lr, "--json").result
        p = [found["update"][name] for name in "pab"]
        first = brute.update(brute.episodes(STALE, TURNS, LENGTHS, DECISION), lambda e: e.reward / 2)
        logits = [math.log(x / (1 - x)) + lr * g for x, g in zip(STALE, first, strict=True)]
        assert p == pytest.approx(list(moved(logits)), rel=1e-12)
        (row,) = found["moves"]
        for name, x, g in zip("pab", p, by_hand["exact"], strict=True):
            assert row[name]["change"] == pytest.approx(x * (1 - x) * g, rel=1e-9), name
        gaps[lr] = {name: brute.length([x - y for x, y in zip(by_hand[name], by_hand["exact"], strict=True)])
                    for name in ("other", "same")}  # fmt: skip
    assert gaps[0.02]["other"] / gaps[0.01]["other"] == pytest.approx(4.0, abs=0.1)
    assert gaps[0.02]["same"] / gaps[0.01]["same"] == pytest.approx(2.0, abs=0.1)


def test_a_later_update_is_that_of_its_policy_and_sampler(dstheory) -> None:  # noqa: F811
    found = dstheory("explain", *TRL, *START, "--update", 4, "--lr", 30, "--json").result
    rates = [arg for name in "pab" for arg in (f"--{name}", repr(found["update"][name]))]
    same = dstheory("explain", *TRL, *START[6:], *rates, "--sampler", "0.5,0.75,0.5", "--json").result
    assert found["stale"]["clipped"]["both"] > 0
    for key in ("stale", "attribution"):
        for one, other in zip(leaves(found[key]), leaves(same[key]), strict=True):
            assert one == (pytest.approx(other, rel=1e-6, abs=1e-9, nan_ok=True) if isinstance(other, float) else other)
    text = dstheory("explain", *TRL, *START, "--update", 4, "--lr", 30).out
    assert "update 4 on these responses, after 3 exact steps of size 30: p, a, b = " in text
    assert "up to first order on the same ones" in text
    plain = [dstheory("explain", *TRL, *START, *more, "--json").result for more in ((), ("--update", 1, "--lr", 30))]
    assert plain[0]["attribution"] == plain[1]["attribution"]


def leaves(value: object) -> list[object]:
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in leaves(each)]
    return [leaf for each in value for leaf in leaves(each)] if isinstance(value, list) else [value]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("trl:grpo", "--update", 2), "--update needs --lr"),
        (("trl:grpo", "--lr", 2), "--lr is the size of the steps before --update"),
        (("trl:grpo", "--update", 2, "--lr", 1, "--sampler", "0.5,0.5,0.5"), "leave --sampler out"),
        (("trl:sft", "--update", 2, "--lr", 1), "sft has no batch of the policy's own responses"),
        (("trl:rloo", "--update", 3, "--lr", 1), "a KL in the reward off the policy is not modelled"),
    ],
)
def test_updates_that_make_no_sense_are_refused(dstheory, args: tuple, says: str) -> None:  # noqa: F811
    ran = dstheory("explain", *args)
    assert ran.code != 0
    assert says in ran.err
