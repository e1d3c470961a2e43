"""Whose p, a, b and whose reference `dstheory explain` looks at, and what it says of other places."""

from __future__ import annotations

import itertools
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from trainers import brute

GRPO = ("trl:grpo", "beta=0.04", "loss_type=dr_grpo")
LENGTHS = ("--answer-length", "30,70", "--decision-length", 2)
# (model, task): episodes that stop at a right answer, stop at a wrong one, resample a right one, resample a wrong one;
# what follows a resample is right, and the model stops there.
COUNTS = {("base", "easy"): (5, 3, 1, 1), ("base", "hard"): (1, 3, 1, 15), ("tuned", "easy"): (7, 1, 1, 1),
          ("tuned", "hard"): (3, 1, 0, 8), ("tuned", "odd"): (3, 2, 1, 2)}  # fmt: skip


@pytest.fixture
def log(tmp_path: Path) -> str:
    lines = []
    for (model, task), counts in COUNTS.items():
        for kind, often in enumerate(counts):
            stops, right = kind < 2, kind % 2 == 0
            attempts = [{"correct": right, "decision": "stop" if stops else "resample"}]
            attempts += [] if stops else [{"correct": True, "decision": "stop"}]
            lines += [
                {"id": f"{model} {task} {kind} {i}", "model": model, "task": task, "attempts": attempts} for i in range(often)
            ]
    text = "\n".join(map(json.dumps, lines))
    (tmp_path / "log.jsonl").write_text(text)
    return text


def counted(text: str, model: str, task: str | None = None) -> tuple[list[float], list[float]]:
    """p of first answers, a and b of a model as they are, and smoothed by half an observation."""
    p, a, b = [0, 0], [0, 0], [0, 0]
    for line in map(json.loads, text.splitlines()):
        if line["model"] != model or task not in (None, line["task"]):
            continue
        for i, attempt in enumerate(line["attempts"]):
            right, stop = attempt["correct"], attempt["decision"] == "stop"
            for rate, counts, success in ((p, i == 0, right), (a, right, stop), (b, not right, not stop)):
                rate[0] += counts and success
                rate[1] += counts
    return [s / n for s, n in (p, a, b)], [(s + 0.5) / (n + 1) for s, n in (p, a, b)]


def said(dstheory, *arguments) -> str:
    ran = dstheory("explain", *arguments)
    assert ran.code == 0, ran.err
    return " ".join(ran.out.split())


def test_whose_numbers_they_are_is_said_first(dstheory, log: str) -> None:
    assert "b At p, a, b = 0.55, 0.8, 0.3, the example M0 (yours: --p, --a, --b, --log)." in said(dstheory, *GRPO)
    assert "At p, a, b = 0.2, 0.9, 0.5, as given." in said(dstheory, *GRPO, "--p", 0.2, "--a", 0.9, "--b", 0.5)
    one = said(dstheory, *GRPO, "--p", 0.2)
    assert "At p, a, b = 0.2, 0.8, 0.3, as given, where none is the example M0 (yours: --p, --a, --b, --log)." in one
    measured, _ = counted(log, "tuned")
    shown = ", ".join(f"{x:.3f}".rstrip("0") for x in measured)
    text = said(dstheory, *GRPO, *LENGTHS, "--log", "log.jsonl", "--model", "tuned")
    assert f"At p (of first answers), a, b = {shown}, measured on tuned of log.jsonl, with a chain for each of 3 tasks." in text


def chain_file(log: str, tmp_path: Path, reference: dict[str, list[float]]) -> str:
    """The chain that the log of the tuned model shows, written by hand."""
    prompts, often = [], {}
    for line in map(json.loads, log.splitlines()):
        if line["model"] == "tuned":
            often[line["task"]] = often.get(line["task"], 0) + 1
    for task, weight in often.items():
        (p, a, b), (rp, ra, rb) = counted(log, "tuned", task)[1], reference[task]
        prompts.append({"prompt": task, "prompt_weight": weight, "answer": ["right", "wrong"], "correct": [1, 0],
                        "sample_length": [30, 70], "decision_length": 2, "sample_probability": [p, 1 - p],
                        "stop_probability": [a, 1 - b], "reference_sample_probability": [rp, 1 - rp],
                        "reference_stop_probability": [ra, 1 - rb]})  # fmt: skip
    (tmp_path / "chain.json").write_text(json.dumps({"format": "dstheory-chain/1", "gamma": 1.0, "prompts": prompts}))
    return "chain.json"


def test_a_reference_is_measured_task_by_task(dstheory, log: str, tmp_path: Path) -> None:
    """Where the reference's log lacks a task, it has the mean of its tasks, as often as each is there."""
    smoothed = {task: counted(log, "base", task)[1] for task in ("easy", "hard")}
    theirs = {task: sum(COUNTS["base", task]) for task in smoothed}
    smoothed["odd"] = [sum(theirs[task] * smoothed[task][i] for task in theirs) / sum(theirs.values()) for i in range(3)]
    episodes = {task: sum(COUNTS["tuned", task]) for task in smoothed}
    by_hand = dstheory("explain", *GRPO, "--mdp", chain_file(log, tmp_path, smoothed), "--json")
    assert by_hand.code == 0, by_hand.err
    (tmp_path / "base.jsonl").write_text("\n".join(line for line in log.splitlines() if '"base"' in line))
    ways = (("--reference-model", "base"), ("--reference-log", "base.jsonl"))
    for way in ways:
        ran = dstheory("explain", *GRPO, *LENGTHS, "--log", "log.jsonl", "--model", "tuned", *way, "--json")
        assert ran.code == 0, ran.err
        for mine, other in zip(ran.result["moves"], by_hand.result["moves"], strict=True):
            for name in ("a", "b", "accuracy"):  # p is a mean over first answers here, over all attempts there
                assert mine[name]["change"] == pytest.approx(other[name]["change"], rel=1e-9), (way, mine["name"], name)
        above = sum(episodes[task] for task in ("easy", "hard", "odd") if counted(log, "tuned", task)[1][0] > smoothed[task][0])
        (kl,) = [row for row in ran.result["moves"] if row["name"] == "KL in the loss"]
        assert kl["p"]["falls"] == pytest.approx(above / sum(episodes.values()), rel=1e-9)
    text = said(dstheory, *GRPO, *LENGTHS, "--log", "log.jsonl", "--model", "tuned", *ways[0])
    together = ", ".join(f"{x:.3f}" for x in counted(log, "base")[0])
    assert f"base of log.jsonl, task by task (together p, a, b = {together}); 1 of 3 is not in it and has its mean" in text
    for task in ("easy", "hard", "odd"):
        mine, theirs = (", ".join(f"{x:.3f}" for x in counted(log, model, task)[0]) if (model, task) != ("base", "odd")
                        else "not in its log" for model in ("tuned", "base"))  # fmt: skip
        assert f" {task}: p, a, b = {mine}; the reference's {theirs} " in text


def test_p_over_all_attempts_is_named_where_it_goes_the_other_way(dstheory, tmp_path: Path) -> None:
    """First answers: 5 of 10 right against 4 of 10. All attempts: 5 of 30, since each wrong first answer is followed by four."""
    right, wrong = {"correct": True, "decision": "stop"}, {"correct": False, "decision": "stop"}
    again = [{"correct": False, "decision": "resample"}] * 4
    kinds = {"base": ([right], [wrong], 4), "tuned": ([right], [*again, wrong], 5)}
    records = [{"model": model, "cap": 8, "attempts": one if i < often else other}
               for model, (one, other, often) in kinds.items() for i in range(10)]  # fmt: skip
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, records)))
    measured = (*GRPO, "--log", "log.jsonl", "--model", "tuned", "--reference-model", "base")
    text = said(dstheory, *measured)
    assert "At p (of first answers), a, b = 0.5, 1, 0.8, measured on tuned of log.jsonl." in text
    assert "(together p, a, b = 0.400, 1.000, 0.000)" in text
    assert "So the KL in the loss makes the model sample fewer right answers" in text
    assert "With p over all attempts, of which hard problems may have more, KL in the loss would move p the other way." in text
    once = [record for record in records if len(record["attempts"]) == 1]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, once)).replace('"cap": 8, ', ""))
    text = said(dstheory, *measured)
    assert "With p over all attempts" not in text
    assert "(together p, a, b = 0.400, unknown, unknown)" in text


def test_one_reference_for_tasks_that_differ_is_said_to_pull_both_ways(dstheory, log: str) -> None:
    p = [counted(log, "tuned", task)[1][0] for task in ("easy", "hard", "odd")]
    text = said(dstheory, *GRPO, *LENGTHS, "--log", "log.jsonl", "--model", "tuned", "--reference", "0.6,0.7,0.4")
    below = sum(x < 0.6 for x in p)
    assert 0 < below < 3
    assert (
        f"One reference is used for all 3 tasks, whose p differ from {min(p):.3g} to {max(p):.3g}: its p is above theirs "
        f"at {below} and below at {3 - below}" in text
    )
    measured = said(dstheory, *GRPO, *LENGTHS, "--log", "log.jsonl", "--model", "tuned", "--reference-model", "base")
    assert "One reference is used" not in measured


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--reference-model", "base"),
         "--reference-model measures the reference as --log measures the model: give --log FILE, too"),
        (("--log", "log.jsonl", "--model", "tuned", "--reference-model", "base", "--reference", "0.5,0.5,0.5"),
         "--reference and --reference-model both give the reference: leave one of them out"),
    ],
)  # fmt: skip
def test_a_reference_that_is_given_twice_or_beside_nothing_is_refused(dstheory, log: str, arguments, says: str) -> None:
    ran = dstheory("explain", *GRPO, *arguments)
    assert ran.code == 2
    assert says in " ".join(ran.err.split())


def test_logs_without_a_task_in_common_are_refused(dstheory, log: str, tmp_path: Path) -> None:
    (tmp_path / "other.jsonl").write_text(log.replace('"task": "', '"task": "other '))
    ran = dstheory("explain", *GRPO, "--log", "log.jsonl", "--model", "tuned", "--reference-log", "other.jsonl",
                   "--reference-model", "base")  # fmt: skip
    assert ran.code == 1
    assert "base of other.jsonl has no task that tuned of log.jsonl has: choose another --by" in " ".join(ran.err.split())


WEIGHTS = {"token mean": lambda e: 1.0, "response mean": lambda e: 1.0 / e.tokens}
COEFFICIENTS = {"k2": lambda r: -r, "k3": lambda r: -(1.0 - math.exp(-r))}


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("estimator", COEFFICIENTS)
def test_a_kl_in_the_loss_pulls_towards_the_reference_wherever_p_a_and_b_are(estimator: str, weight: str) -> None:
    """Every episode written out, at 60 policies and references, with answers of unlike lengths."""
    rng = np.random.default_rng(1)
    for _ in range(60):
        policy, reference = rng.uniform(0.02, 0.98, (2, 3)).tolist()
        listed = brute.episodes(policy, 3, (5.0, 90.0), 2.0, reference)
        found = brute.kl_update(listed, WEIGHTS[weight], COEFFICIENTS[estimator])
        assert [g > 0 for g in found] == [r > x for x, r in zip(policy, reference, strict=True)]


# Four of the eight places hold every two of low and high p, a and b together once; the others are for the exhaustive run.
@pytest.mark.parametrize(
    ("p", "a", "b"),
    [
        pytest.param(*place, marks=pytest.mark.slow if place.count(0.9) % 2 else ())
        for place in itertools.product((0.1, 0.9), repeat=3)
    ],
)
@pytest.mark.parametrize(
    "configuration",
    [("trl:grpo", "beta=0.04"), ("trl:grpo", "beta=0.04", "loss_type=grpo"),
     ("verl:ppo", "algorithm.adv_estimator=grpo", "actor_rollout_ref.rollout.n=8", "actor_rollout_ref.actor.use_kl_loss=true",
      "actor_rollout_ref.actor.kl_loss_type=low_var_kl")],
    ids=["trl", "trl by response", "verl"],
)  # fmt: skip
def test_what_is_said_of_other_places_is_what_explain_finds_there(dstheory, configuration, p: float, a: float, b: float) -> None:
    reference = (0.5, 0.7, 0.4)
    place = ("--p", p, "--a", a, "--b", b, "--max-turns", 3, *LENGTHS, "--reference", "0.5,0.7,0.4")
    rows = dstheory("explain", *configuration, *place, "--json").result["moves"]
    (kl,) = [row for row in rows if row["name"] == "KL in the loss"]
    for name, x, r in zip("pab", (p, a, b), reference, strict=True):
        assert (kl[name]["change"] > 0) == (r > x)
    text = said(dstheory, *configuration, *place)
    assert "like any k2 or k3, it pulls each decision towards the reference's, unless parameters are shared." in text
    assert "The means p, a and b follow if a prompt has one right and one wrong answer, as in this chain;" in text


def test_of_a_kl_in_the_reward_nothing_is_said_of_other_places(dstheory) -> None:
    text = said(dstheory, "trl:rloo", "--reference", "0.5,0.7,0.4")
    assert "pulls each decision" not in text
    assert "At other p, a, b or lengths, all terms and KL in the reward may go another way." in text


@pytest.mark.parametrize("k3", [False, True])
def test_why_a_kl_in_the_loss_is_not_balanced_stands_beside_it(dstheory, k3: bool) -> None:
    """At p, a, b = 0.55, 0.8, 0.3 a right answer is charged log(0.55/0.5), its stop log(0.8/0.7): not one number."""
    text = said(dstheory, *GRPO, f"use_bias_correction_kl={str(not k3).lower()}", "--reference", "0.5,0.7,0.4")
    reason = text.split("What is not balanced, and why ")[1].split(" Which stage is pushed")[0]
    by_hand = [1 - r / x if k3 else math.log(x / r) for x, r in ((0.55, 0.5), (0.8, 0.7))]
    shown = ["(1 - 0.5/0.55)", "(1 - 0.7/0.8)"] if k3 else ["log(0.55/0.5)", "log(0.8/0.7)"]
    assert by_hand[0] != pytest.approx(by_hand[1], rel=0.1)
    assert reason.startswith("An update is balanced if it multiplies the gradients of the log-probabilities of an answer and of ")
    one, other = (f"-0.04 {words} = {-0.04 * x:.3g}" for words, x in zip(shown, by_hand, strict=True))
    assert f"by hand, {one} for a right answer and {other} for the stop at it" in reason
    assert "at length weight 0" in reason
    assert "What is not balanced" not in said(dstheory, "trl:grpo")


def test_the_coefficients_by_hand_are_those_of_a_task_of_the_log(dstheory, log: str) -> None:
    (mine, theirs) = (counted(log, model, "easy")[1] for model in ("tuned", "base"))
    text = said(dstheory, *GRPO, *LENGTHS, "--log", "log.jsonl", "--model", "tuned", "--reference-model", "base")
    of_answer, of_stop = (-0.04 * math.log(mine[i] / theirs[i]) for i in (0, 1))
    assert f" = {of_answer:.3g} for a right answer and -0.04 log(" in text.split("by hand for easy, -0.04 log(")[1]
    assert f" = {of_stop:.3g} for the stop at it" in text
    by_hand = re.findall(r"-0\.04 log\(([0-9.]+)/([0-9.]+)\) = (-?[0-9.]+)", text)
    assert len(by_hand) == 2
    for mine_shown, theirs_shown, result in by_hand:  # who types the line into a calculator gets what it says
        assert f"{-0.04 * math.log(float(mine_shown) / float(theirs_shown)):.3g}" == result
    assert "with half an observation more on each side of the log's rates" in text


def test_the_logged_loss_leaves_the_kl_out_where_the_policy_is_not_the_reference(dstheory) -> None:
    away = said(dstheory, *GRPO, "--reference", "0.5,0.7,0.4")
    assert "at the first update (many prompts, without its KL term, which is 0 where the policy is the reference)." in away
    assert "at the first update (many prompts, where the policy is the reference)." in said(dstheory, *GRPO)
    assert "at the first update (many prompts)." in said(dstheory, "trl:grpo")


def test_a_kl_to_the_policy_itself_is_said_to_be_that(dstheory) -> None:
    text = said(dstheory, *GRPO, "--brief")
    assert "There a KL changes nothing." in text
    assert " KL in the loss 0 0 0 0 " in text
    assert "changes nothing" not in said(dstheory, *GRPO, "--brief", "--reference", "0.5,0.7,0.4")


def test_the_brief_form_ends_with_what_is_left_out(dstheory, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("loss_type: grpo\nbeta: 0.04\nmy_own_key: 3\n")
    whole, brief = (said(dstheory, "own.yaml", "--trainer", "trl:grpo", *more) for more in ((), ("--brief",)))
    assert "Next: the reasons and the tables; --brief leaves them out. Coefficient of one token" in whole
    assert "coefficient of one token" not in brief
    assert brief.endswith("Unknown keys, not interpreted my_own_key = 3 (line 3)")
    for more in (["--json"], ["--format", "latex"]):
        refused = dstheory("explain", *GRPO, "--brief", *more)
        assert refused.code == 2
        assert "--brief" in refused.err


VERL, OPENRLHF = "actor_rollout_ref.actor", "algo.kl"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("trl:grpo", "beta=0.04", "use_bias_correction_kl=false"),
         "k3 = ref/pi - 1 + log(pi/ref); a token's coefficient is -0.04 (1 - ref/pi) (beta = 0.04 on the command line; "
         "use_bias_correction_kl = false on the command line)."),
        (("verl:ppo", f"{VERL}.use_kl_loss=true", f"{VERL}.kl_loss_type=mse"),
         f"k2 = log(pi/ref)^2/2; a token's coefficient is -0.001 log(pi/ref) ({VERL}.use_kl_loss = true on the command line; "
         f"{VERL}.kl_loss_coef = 0.001, the default of verl 0.9.1; {VERL}.kl_loss_type = mse on the command line)."),
        (("openrlhf:ppo", f"{OPENRLHF}.use_loss=true", f"{OPENRLHF}.unbiased_gradient=true"),
         f"k2 = log(pi/ref)^2/2; a token's coefficient is -0.01 log(pi/ref) ({OPENRLHF}.use_loss = true on the command line; "
         f"{OPENRLHF}.init_coef = 0.01, the default of OpenRLHF 0.11.2; {OPENRLHF}.estimator = k1, the default of OpenRLHF "
         f"0.11.2; {OPENRLHF}.unbiased_gradient = true on the command line)."),
        (("slime:grpo", "use_kl_loss=true", "kl_loss_coef=0.1", "kl_loss_type=k3", "use_unbiased_kl=true",
          "n_samples_per_prompt=8", "ref_load=x"),
         "k3 = ref/pi - 1 + log(pi/ref) times the importance ratio rho, both differentiated; a token's coefficient is -0.1 rho "
         "log(pi/ref) (use_kl_loss = true on the command line; kl_loss_coef = 0.1 on the command line; kl_loss_type = k3 on the "
         "command line; use_unbiased_kl = true on the command line)."),
    ],
    ids=["trl", "verl", "openrlhf", "slime"],
)  # fmt: skip
def test_the_kl_in_the_loss_is_named_by_the_settings_it_follows_from(dstheory, arguments: tuple[str, ...], says: str) -> None:
    """Which keys say it stands in each library's documentation, and is written here once more."""
    assert f" KL in the loss: {says}" in said(dstheory, *arguments, "--brief")


def test_where_nothing_is_attributed_the_brief_form_says_why(dstheory) -> None:
    text = said(dstheory, "slime:grpo", "--brief")
    assert "Why p, a and b are not shown not attributed: group_size is 1" in text


def test_without_a_kl_none_is_named(dstheory) -> None:
    assert "KL in the loss" not in said(dstheory, "trl:grpo", "--brief")
    assert "a token's coefficient" not in said(dstheory, "trl:rloo", "--brief")
    assert "In %" not in said(dstheory, "trl:grpo", "--brief")


@pytest.mark.parametrize(("p", "a", "b"), [(0.02, 0.1, 0.95), (0.97, 0.3, 0.05), (0.5, 0.99, 0.01)])
def test_a_reward_over_sums_or_a_batchs_tokens_is_not_said_to_go_another_way_elsewhere(dstheory, p, a, b) -> None:
    place = ("--p", p, "--a", a, "--b", b, "--answer-length", "3,200", "--decision-length", 5)
    (whole,) = dstheory("explain", "trl:grpo", *place, "--json").result["moves"]
    # the accuracy p a/(p a + (1 - p)(1 - b)) rises in each of p, a, b: rates of its logits' gradient, up to one factor
    wrong, total = (1 - p) * (1 - b), p * a + (1 - p) * (1 - b)
    slopes = {"p": a * wrong * p * (1 - p) / (1 - p), "a": p * wrong * a * (1 - a), "b": p * a * (1 - p) * b * (1 - b)}
    rates = {"p": slopes["p"] * p * (1 - p), "a": slopes["a"] * a * (1 - a), "b": slopes["b"] * b * (1 - b)}
    factors = [whole[name]["change"] * total**2 / rates[name] for name in "pab"]
    assert min(factors) > 0
    assert factors == pytest.approx([factors[0]] * 3, rel=1e-9)
    assert "may go another way" not in said(dstheory, "trl:grpo", *place)
    assert "all terms may go another way" in said(dstheory, "trl:grpo", "loss_type=grpo", *place)
