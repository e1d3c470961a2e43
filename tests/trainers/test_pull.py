"""Where a KL pulls p, a and b towards the reference's, and where it need not: the rule, its limits and the page's examples."""

from __future__ import annotations

import json
import math
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from dstheory import Policy, TwoStageMDP, solve
from dstheory.chain.policy import Features
from dstheory.objectives import K2Loss
from dstheory.trainers.configuration import configuration_of
from dstheory.trainers.moves import moves
from dstheory.trainers.translation import parts

LOSSES = {
    "k2": ("trl:grpo", "beta=0.4", "use_bias_correction_kl=true"),
    "k3": ("trl:grpo", "beta=0.4", "use_bias_correction_kl=false"),
    "k3 by response": ("trl:grpo", "beta=0.4", "use_bias_correction_kl=false", "loss_type=grpo"),
}


def said(dstheory, *arguments) -> str:
    ran = dstheory("explain", *arguments)
    assert ran.code == 0, ran.err
    return " ".join(ran.out.split())


@pytest.mark.parametrize("loss", LOSSES)
def test_the_decision_at_each_answer_is_pulled_whatever_the_number_of_answers(loss: str) -> None:
    """With one prompt, the share of decisions at right answers that rise is that of the answers below their reference."""
    training = configuration_of(LOSSES[loss][0], settings=LOSSES[loss][1:]).training
    rng = np.random.default_rng(5)
    correct, opposed = np.array([[1, 1, 0, 0, 1]]), 0
    mdp = TwoStageMDP(correct=correct, sample_length=[[5.0, 90.0, 30.0, 2.0, 300.0]], decision_length=3.0, gamma=1.0, max_turns=4)
    for _ in range(40):
        (pi, ref), (stop, other) = rng.dirichlet([0.4] * 5, 2), rng.uniform(0.02, 0.98, (2, 5))
        policy, reference = (Policy.from_probabilities([x], [y]) for x, y in ((pi, stop), (ref, other)))
        terms = parts(training, solve(mdp, policy), reference=reference, expert=policy)
        (kl,) = [part for part in terms if part.name == "KL in the loss"]
        (row,) = moves(mdp, policy, {"KL": lambda m, kl=kl: kl.objective})
        for side, move, rises in ((1, row.a, stop < other), (0, row.b, stop > other)):
            often = pi * (correct[0] == side)
            assert move.rises == pytest.approx(often[rises].sum() / often.sum(), abs=1e-12)
            assert move.falls == pytest.approx(1 - often[rises].sum() / often.sum(), abs=1e-12)
        right = correct[0] == 1
        opposed += (row.p.change > 0) != (ref[right].sum() > pi[right].sum())
    assert opposed > 3  # of p the same is not true


def test_with_three_answers_p_can_leave_the_references(dstheory, tmp_path: Path) -> None:
    """The page's example: p is that of the reference, the wrong answers are not, and p rises by 0.12."""
    pi, ref = [0.5, 0.4, 0.1], [0.5, 0.1, 0.4]
    charged = [math.log(x / r) for x, r in zip(pi, ref, strict=True)]
    kl = sum(x * c for x, c in zip(pi, charged, strict=True))
    logits = [-x * (c - kl) for x, c in zip(pi, charged, strict=True)]
    change = pi[0] * (logits[0] - sum(x * z for x, z in zip(pi, logits, strict=True)))
    assert change == pytest.approx(0.12, abs=0.005)
    mdp = TwoStageMDP(correct=[[1, 0, 0]], gamma=1.0, max_turns=1)
    policy, reference = (Policy.from_probabilities([x], [[0.5] * 3]) for x in (pi, ref))
    (row,) = moves(mdp, policy, {"KL": lambda m: K2Loss(reference, beta=1.0)})
    assert row.p.change == pytest.approx(change, rel=1e-12)
    prompt = {"prompt": "x", "answer": ["right", "wrong", "worse"], "correct": [1, 0, 0],
              "sample_probability": pi, "stop_probability": [0.5] * 3,
              "reference_sample_probability": ref, "reference_stop_probability": [0.5] * 3}  # fmt: skip
    (tmp_path / "three.json").write_text(json.dumps({"format": "dstheory-chain/1", "gamma": 1.0, "prompts": [prompt]}))
    text = said(dstheory, "trl:grpo", "beta=0.04", "--mdp", "three.json", "--brief")
    assert "So the KL in the loss makes the model sample more right answers: like any k2 or k3, it pulls each decision" in text
    assert "The means p, a and b follow if a prompt has one right and one wrong answer; with more answers they may" in text


def test_with_two_right_answers_a_can_leave_the_references() -> None:
    """The page's example: 0.745 is above the reference's 0.725, and rises all the same."""
    stop, other = [0.99, 0.5], [0.9, 0.55]
    logit = [math.log(s / (1 - s)) - math.log(r / (1 - r)) for s, r in zip(stop, other, strict=True)]
    change = sum(-x * (s * (1 - s)) ** 2 for x, s in zip(logit, stop, strict=True)) / 2
    assert sum(stop) / 2 > sum(other) / 2
    assert change > 0
    mdp = TwoStageMDP(correct=[[1, 1]], gamma=1.0, max_turns=2)
    policy, reference = (Policy.from_probabilities([[0.5, 0.5]], [x]) for x in (stop, other))
    (row,) = moves(mdp, policy, {"KL": lambda m: K2Loss(reference, beta=1.0)})
    assert row.a.change == pytest.approx(change / 2, rel=1e-9)  # of either answer, half of the visits go to the logit
    assert (row.a.rises, row.a.falls) == pytest.approx((0.5, 0.5))


def test_a_shared_parameter_can_take_a_decision_away() -> None:
    """One parameter for the stop at both answers: a is far above its reference, and takes 1 - b along."""
    decide = np.zeros((1, 1, 2, 2))
    decide[..., 1] = 1.0
    sample = np.zeros((1, 1, 2, 2))
    sample[0, 0, 0, 0] = 1.0
    policy = Policy.linear(Features(sample, decide), [0.0, 1.0])
    reference = Policy.from_probabilities([[0.5, 0.5]], [[0.3, 0.75]])
    assert policy.stop_prob[0, 0, 1] < 0.75  # the stop at the wrong answer is below the reference's
    (row,) = moves(TwoStageMDP.minimal(gamma=1.0), policy, {"KL": lambda m: K2Loss(reference, beta=1.0)})
    assert row.a.change < 0
    assert row.b.change > 0  # and falls further


def test_a_kl_in_the_reward_takes_decisions_away_from_a_reference_that_has_the_same(dstheory) -> None:
    """By hand: at a and b of the reference and p above its, each attempt costs a KL of sampling, so that stopping saves it."""
    p, ref, q = 0.55, 0.5, 0.55 * 0.2 + 0.45 * 0.3
    cost = p * math.log(p / ref) + (1 - p) * math.log((1 - p) / (1 - ref))
    assert cost / (1 - q) > 0
    text = said(dstheory, "trl:rloo", "--reference", "0.5,0.8,0.3", "--brief")
    kl = text.split("So the KL in the reward makes the model ")[1]
    assert ", stop at more right answers and resample fewer wrong answers." in kl
    assert "The KL in the reward need not pull p, a or b towards the reference's" in kl


def test_without_a_reference_it_is_said_what_the_start_does_and_what_to_type(dstheory, log_of_two) -> None:
    """The command that is printed runs as it stands."""
    ran = dstheory("explain", "trl:grpo", "beta=0.04", "--brief")
    (command,) = re.findall(r"^  dstheory (explain .*)$", ran.out.replace("\\\n", " "), flags=re.MULTILINE)
    again = dstheory(*shlex.split(command))
    assert again.code == 0, again.err
    assert "The reference is base of rollouts.jsonl, task by task" in " ".join(again.out.split())
    assert "both measured on a log, here that of the README (base is the start's name in it):" in " ".join(ran.out.split())
    mine = said(dstheory, "trl:grpo", "beta=0.04", "--brief", "--log", "rollouts.jsonl", "--model", "tuned")
    assert "both measured on the same log (base is the start's name in it): dstheory explain trl:grpo" in mine
    assert "There a KL changes nothing. Later it takes back what training has changed" in " ".join(ran.out.split())
    away = said(dstheory, "trl:grpo", "beta=0.04", "--reference", "0.5,0.7,0.4")
    assert "No reference is given" not in away
    assert "No reference is given" not in said(dstheory, "trl:grpo")


@pytest.fixture
def log_of_two(dstheory) -> None:
    ran = dstheory("anatomy", "generate", "rollouts.jsonl", "--problems", 20)
    assert ran.code == 0, ran.err
