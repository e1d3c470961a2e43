"""What `dstheory attribute` must say beside its numbers, and agree on with `dstheory objectives` and with `--all`."""

from __future__ import annotations

import pytest

from dstheory.objectives import REGISTRY


def shown(dstheory, *args: object) -> dict:
    ran = dstheory("attribute", *args, "--json")
    assert ran.code == 0, ran.err
    return ran.result


@pytest.mark.parametrize("name", ["trl:grpo", "grpo", "dapo-batch", "rloo", "reinforce-baseline", "ppo-clip", "reinforce-pp"])
def test_rewards_have_no_kl_unless_asked(dstheory, name: str) -> None:
    """Against a reference that differs the KL would show: the row is the one of --all, and of beta 0."""
    where = ("--objective", name, "--gamma", 1, "--reference", "0.2,0.5,0.9")
    (alone,), (table,) = shown(dstheory, *where)["objectives"], shown(dstheory, *where, "--all", "--no-figure")["objectives"]
    (none,) = shown(dstheory, *where, "--beta", 0)["objectives"]
    assert alone["gradient"] == none["gradient"]
    assert alone["coefficient"]["balanced"] is table["balanced"] is (name != "ppo-clip")
    assert alone["gradient"]["decision_share"] == pytest.approx(table["norm_share"], rel=1e-12)
    (with_kl,) = shown(dstheory, *where, "--beta", 0.5)["objectives"]
    assert with_kl["gradient"] != alone["gradient"]


@pytest.mark.parametrize("name", ["score-summed", "score-per-attempt", "distill", "k3-loss"])
def test_each_objective_has_its_own_defaults(dstheory, name: str) -> None:
    """--alpha's default was the entropy bonus's for SCoRe too, and the teacher of distillation was the KL's reference."""
    where = ("--objective", name, "--gamma", 1, "--reference", "0.4,0.6,0.5")
    (alone,), (table,) = shown(dstheory, *where)["objectives"], shown(dstheory, *where, "--all", "--no-figure")["objectives"]
    assert alone["gradient"]["decision_share"] == pytest.approx(table["norm_share"], rel=1e-12)


def test_the_reference_is_the_start_and_the_footnote_says_which_it_was(dstheory) -> None:
    for option in ((), ("--all", "--no-figure")):
        data = shown(dstheory, "--objective", "kl-direct", *option)
        assert data["reference"] == "the start, p, a, b = 0.55, 0.8, 0.3"
        assert any("kl-direct refer to the policy that is shown, which is the start: 0 here" in line for line in data["notes"])
        moved = shown(dstheory, "--objective", "kl-direct", "--reference", "0.5,0.6,0.7", *option)
        assert moved["reference"] == "p, a, b = 0.5, 0.6, 0.7"
        assert moved["notes"] == []
    (row,) = shown(dstheory, "--objective", "kl-direct")["objectives"]
    assert row["coefficient"]["balanced"] is None  # all coefficients are 0: balance says nothing
    assert row["gradient"] == {"sample": 0.0, "decide": 0.0, "decision_share": None, "cosine": None}
    out = " ".join(dstheory("attribute", "--objective", "kl-direct", "--reference", "0.5,0.6,0.7").out.split())
    assert "KL terms refer to p, a, b = 0.5, 0.6, 0.7." in out
    assert "all 0" in dstheory("attribute", "--objective", "kl-direct").out


@pytest.mark.parametrize(("lengths", "weight"), [("32,96", 0.5), ("32,96", 0), ("64", 0.5)])
def test_a_kl_is_said_to_be_0_at_its_reference_only_where_it_is(dstheory, lengths: str, weight: float) -> None:
    """In full, of answers that weigh differently, it makes the longer one rarer there, too."""
    at = ("--answer-length", lengths, "--length-weight", weight)
    data = shown(dstheory, "--objective", "kl", "--objective", "kl-direct", *at)
    full, direct = (row["gradient"]["sample"] for row in data["objectives"])
    (note,) = [line for line in data["notes"] if "0 here" in line]
    assert direct == 0
    assert note.startswith("KL terms of kl, kl-direct refer" if full == 0 else "KL terms of kl-direct refer")
    assert (full > 0.1) is (lengths == "32,96" and weight > 0)


def test_settings_that_are_pinned_or_ignored_are_said(dstheory) -> None:
    args = ("--objective", "paper:grpo", "--objective", "rloo", "--objective", "sft", "--objective", "reinforce + kl-direct")
    notes = shown(dstheory, *args, "--beta", 0.3, "--alpha", 2, "--reference", "0.5,0.5,0.5")["notes"]
    assert "--beta 0.3 is not used by paper:grpo, which fixes beta 0.04" in notes
    assert "--beta 0.3 is not used by sft, which has no beta" in notes
    assert "--alpha 2 is not used by paper:grpo, rloo, sft, reinforce, kl-direct, which have no alpha" in notes
    assert "--reference 0.5,0.5,0.5 is not used by sft, which has no reference" in notes
    unasked = shown(dstheory, "--objective", "rloo", "--reference", "0.5,0.5,0.5")["notes"]
    assert "--reference 0.5,0.5,0.5 is not used by rloo, which has a KL of beta 0" in unasked
    text = dstheory("attribute", *args, "--beta", 0.3).out
    assert "--beta 0.3 is not used by paper:grpo, which fixes beta 0.04" in text
    expert = shown(dstheory, "--objective", "rloo", "--objective", "sft", "--expert", "0.9,0.9,0.9")["notes"]
    assert "--expert 0.9,0.9,0.9 is not used by rloo, which has no expert" in expert


def test_a_librarys_name_says_what_it_computes(dstheory) -> None:
    (line,) = [n for n in shown(dstheory, "--objective", "trl:grpo", "--gamma", 1)["notes"] if n.startswith("trl:grpo is")]
    assert "dapo-batch" in line
    assert "TRL 1.16.0" in line


def test_a_penalty_in_a_sum_weighs_once_and_is_divided_as_the_reward(dstheory) -> None:
    """The command of a public question: 0.266, where sums over responses gave 0.862."""
    args = ("--gamma", 1, "--beta", 0.04, "--answer-length", 300, "--decision-length", 5, "--reference", "0.5,0.5,0.5")
    data = shown(dstheory, "--objective", "dapo-batch", "--objective", "dapo-batch + k3-loss", *args)
    assert data["objectives"][1]["gradient"]["decision_share"] == pytest.approx(0.2655, abs=1e-4)
    assert "dapo-batch + k3-loss: k3-loss divided as dapo-batch is, by tokens of the batch" in data["notes"]
    other = shown(dstheory, "--objective", "grpo + kl-direct", "--gamma", 1)["notes"]
    taught = shown(dstheory, "--objective", "sft-token-mean + k3-loss", "--reference", "0.5,0.5,0.5")["notes"]
    assert "sft-token-mean + k3-loss: k3-loss divided by responses, sft-token-mean by tokens of the batch" in taught
    assert "grpo + kl-direct: kl-direct divided by responses, grpo by 1/L_i, then responses" in other


def test_whose_responses_a_penalty_in_a_sum_is_taken_on_is_said_where_the_rewards_are_others(dstheory) -> None:
    args = ("--objective", "grpo + k3-loss", "--objective", "rloo + entropy", "--reference", "0.5,0.5,0.5")
    of_sampler = shown(dstheory, *args, "--sampler", "0.5,0.7,0.4")["notes"]
    said = "grpo + k3-loss: k3-loss on all of the policy's own responses, grpo on those of another policy; grpo alone with --beta"
    assert any(note.startswith(said) for note in of_sampler)
    assert "rloo + entropy: entropy on all of the policy's own responses, rloo on those of another policy" in of_sampler
    masked = shown(dstheory, *args, "--mask-truncated", "numerator", "--max-turns", 3)["notes"]
    assert any("grpo on those that are not cut off" in note for note in masked)
    assert not any("own responses" in note for note in shown(dstheory, *args)["notes"])
    stale = dstheory("simulate", *args[:2], "--updates-per-batch", 2, "--steps", 2, "--out", "stale").err
    assert "grpo on those of another policy" in " ".join(stale.split())


def test_rewards_are_read_or_refused_by_name(dstheory) -> None:
    args = ("--reward", "2,0,0,0", "--gamma", 1)
    for name in ("reinforce", "rloo", "reinforce-baseline", "grpo-no-std", "dr-grpo", "ppo-clip"):
        one, two = (
            shown(dstheory, "--objective", name, "--gamma", 1, *more)["objectives"][0]["gradient"] for more in ((), args[:2])
        )
        assert two["sample"] == pytest.approx(2 * one["sample"], rel=1e-9), name
    both = shown(dstheory, "--objective", "rloo", "--objective", "reinforce", *args, "--beta", 0)["objectives"]
    assert both[0]["gradient"]["sample"] == pytest.approx(both[1]["gradient"]["sample"], rel=1e-12)
    refused = [name for name, cls in REGISTRY.items() if cls.credits == "correct"]
    assert set(refused) == {"reinforce-pp", "score-summed", "score-per-attempt", "rft", "nft", "dpo"}
    for name in refused:
        ran = dstheory("attribute", "--objective", name, *args)
        assert ran.code == 1
        assert ran.err == f"error: {name} pays 1 for a correct answer and cannot read --reward: leave one of them out\n"
    data = shown(dstheory, *args)
    assert {entry["objective"] for entry in data["left_out"]} == set(refused)
    assert any(line.startswith("--reward is not read by ") and "sft" in line for line in data["notes"])
    assert {e["objective"] for e in shown(dstheory, *args, "--all", "--no-figure")["left_out"]} == set(refused)


def test_objectives_that_pay_for_correctness_alone_are_named_on_a_chain_that_discounts(dstheory) -> None:
    (line,) = shown(dstheory, "--objective", "grpo", "--objective", "reinforce", "--objective", "rft")["notes"]
    assert line == "R = 1 for a correct answer, without discount, whatever the chain pays: grpo, rft"
    assert shown(dstheory, "--objective", "grpo", "--gamma", 1)["notes"] == []


def test_who_is_paid_by_reward_functions_is_not_said_to_be_paid_for_correct_answers_alone(dstheory) -> None:
    notes = shown(dstheory, "--objective", "rloo", "--objective", "rft", "--reward-functions", "correct + -0.1*turns")["notes"]
    (line,) = (note for note in notes if note.startswith("R = 1"))
    assert line == "R = 1 for a correct answer, without discount, whatever the chain pays: rft"


def test_two_kinds_of_sft_in_one_table_say_why_they_differ(dstheory) -> None:
    both = ("--objective", "sft", "--objective", "sft-token-mean")
    (line,) = shown(dstheory, *both)["notes"]
    assert line.startswith("sft weighs a whole stage by length^0.5")
    assert "sft-token-mean give all tokens of a demonstration one coefficient" in line
    unweighted = shown(dstheory, *both, "--length-weight", 0)["notes"]
    assert unweighted == ["--length-weight 0 is not used by sft-token-mean, which has no length-weight"]


def test_rounding_is_no_share(dstheory) -> None:
    (row,) = shown(dstheory, "--objective", "k1-loss", "--reference", "0.5,0.5,0.5")["objectives"]
    assert row["gradient"] == {"sample": 0.0, "decide": 0.0, "decision_share": None, "cosine": None}
    assert row["fisher"] == {"sample": 0.0, "decide": 0.0, "decision_share": None}


def test_training_has_no_kl_unless_asked_either(dstheory) -> None:
    plain, named = (
        dstheory("simulate", "--objective", name, "--steps", 5, "--gamma", 1, "--json", *more).result["conditions"][0]
        for name, more in (("dapo-batch", ("--beta", 0)), ("dapo-batch", ()))
    )
    assert plain["after"] == named["after"]
    ran = dstheory("simulate", "--objective", "paper:grpo", "--steps", 2, "--beta", 0.3)
    assert "--beta 0.3 is not used by paper:grpo, which fixes beta 0.04" in ran.err


def test_sweeps_have_no_kl_unless_asked_either() -> None:
    from dstheory.dynamics import sweep

    def accuracy(**options) -> list[float]:
        found = sweep({"p": [0.3, 0.6]}, of="simulate", objectives=("dapo-batch",), steps=20, lr=5.0, reference_p=0.1, **options)
        return found.accuracy.values.ravel().tolist()

    assert accuracy() == accuracy(beta=0.0)
    assert accuracy() != accuracy(beta=0.5)


def test_only_policies_that_some_objective_has_are_named(dstheory) -> None:
    """A table of REINFORCE alone named a teacher, demonstrations and what KL terms refer to."""
    said = {
        "kl-direct": "KL terms refer to the start",
        "sft": "Demonstrations are the expert's.",
        "distill": "The teacher is the",
    }
    for more in ((), ("--all", "--no-figure")):
        for objective in ("reinforce", "grpo", *said):
            out = " ".join(dstheory("attribute", "--objective", objective, *more).out.split())
            assert [name for name, words in said.items() if words in out] == [objective] * (objective in said)


def test_the_score_of_an_entropy_is_told_from_the_entropy_itself(dstheory):
    """Where own lengths divide, or dead groups are drawn again, they are two numbers."""
    for reward, told in (("grpo", True), ("dapo", True), ("rloo", False), ("dapo-batch", False), ("dr-grpo", False)):
        notes = dstheory("attribute", "--objective", f"{reward} + 0.01*entropy", "--json").result["notes"]
        assert any("libraries differentiate the entropy itself" in note for note in notes) == told, reward
