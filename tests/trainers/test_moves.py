"""Which way a step moves p, a and b, by differences of values that are written out here in fifty digits.

A step of gradient ascent is taken at a rate of 1e-25 along the derivative of what the trainer ascends: the sum over every
episode of its chance times credit times log-probability, less beta times the divergence of every state that is visited.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from mpmath import mp, mpf
from trainers import brute

from dstheory import Policy, TwoStageMDP, solve
from dstheory.objectives import K2Loss
from dstheory.trainers.moves import moves

POLICY, REFERENCE = ("0.4", "0.85", "0.35"), ("0.3", "0.9", "0.5")
TURNS, LENGTHS, BETA = 3, (30, 70), mpf("0.4")
CHAIN = ["--p", 0.4, "--a", 0.85, "--b", 0.35, "--max-turns", 3, "--answer-length", "30,70", "--decision-length", 2]
KL = ["--reference", "0.3,0.9,0.5"]
RATE = mpf(10) ** -25


@pytest.fixture(autouse=True)
def _digits():
    with mp.workdps(50):
        yield


def logits(policy):
    return [mp.log(mpf(x) / (1 - mpf(x))) for x in policy]


def rates(theta):
    return [1 / (1 + mp.exp(-t)) for t in theta]


def written_out(theta):
    """Every episode: (probability, reward, tokens)."""
    p, a, b = rates(theta)
    found = []

    def go(turn, chance, tokens):
        for right, likely, length in ((1, p, LENGTHS[0]), (0, 1 - p, LENGTHS[1])):
            reached, now = chance * likely, tokens + length
            if turn == TURNS:
                found.append((reached, right, now))
                continue
            again = 1 - a if right else b
            found.append((reached * (1 - again), right, now + 2))
            go(turn + 1, reached * again, now + 2)

    go(1, mpf(1), 0)
    return found


def accuracy(theta):
    return sum(chance * reward for chance, reward, _ in written_out(theta))


def tokens_of(theta):
    return sum(chance * length for chance, _, length in written_out(theta))


def credit_of_large_batches(theta, reward):
    """G = 8 of one prompt in a batch of many: the reward less the group's mean, over the deviation of the whole batch."""
    x = accuracy(theta)
    return mpf(7) / 8 * (reward - x) / (mp.sqrt(x * (1 - x)) + mpf("1e-4"))


def reward_term(start):
    """What the reward term ascends, as a function of the parameters; the credit and the normaliser are constants."""
    old, length = written_out(start), tokens_of(start)

    def value(*theta):
        new = written_out(theta)
        pairs = zip(old, new, strict=True)
        return sum(was[0] * credit_of_large_batches(start, was[1]) * mp.log(now[0]) for was, now in pairs) / length

    return value


def visits_of(theta):
    """Expected attempts, and expected decisions at right and at wrong answers."""
    p, a, b = rates(theta)
    again = p * (1 - a) + (1 - p) * b
    attempts = sum(again**k for k in range(TURNS))
    decisions = sum(again**k for k in range(TURNS - 1))
    return attempts, decisions * p, decisions * (1 - p)


def kl_term(start, forward):
    """Minus beta times the divergence at the states that are visited, the visits constant."""
    visits, ref, length = visits_of(start), [mpf(r) for r in REFERENCE], tokens_of(start)

    def value(*theta):
        total = mpf(0)
        for often, x, r in zip(visits, rates(theta), ref, strict=True):
            (one, other) = (r, x) if forward else (x, r)
            total += often * (one * mp.log(one / other) + (1 - one) * mp.log((1 - one) / (1 - other)))
        return -BETA * total / length

    return value


def entropy_term(start):
    visits, length = visits_of(start), tokens_of(start)

    def value(*theta):
        entropies = [-x * mp.log(x) - (1 - x) * mp.log(1 - x) for x in rates(theta)]
        return BETA * sum(often * h for often, h in zip(visits, entropies, strict=True)) / length

    return value


def step(value, start):
    """The change of p, a, b and the accuracy over the rate, in a step along the derivative of a value."""
    gradient = [mp.diff(value, start, n) for n in ((1, 0, 0), (0, 1, 0), (0, 0, 1))]
    after = [t + RATE * g for t, g in zip(start, gradient, strict=True)]
    changes = [(new - old) / RATE for new, old in zip(rates(after), rates(start), strict=True)]
    return dict(zip(("p", "a", "b", "accuracy"), [*changes, (accuracy(after) - accuracy(start)) / RATE], strict=True))


TERMS = {
    "reward": reward_term,
    "KL in the loss": lambda start: kl_term(start, forward=False),
    "forward": lambda start: kl_term(start, forward=True),
    "entropy": entropy_term,
}
SETTINGS = ("trl:grpo", "loss_type=dapo", "num_generations=8", "scale_rewards=batch", "beta=0.4")


@pytest.mark.parametrize(
    ("term", "settings"),
    [
        ("reward", ()),
        ("KL in the loss", ()),
        ("forward", ("use_bias_correction_kl=false",)),
        ("entropy", ("beta=0", "entropy_coef=0.4")),
    ],
)
def test_a_step_moves_each_probability_as_differences_say(dstheory, term: str, settings: tuple[str, ...]) -> None:
    others = [one for one in SETTINGS if one.partition("=")[0] not in {own.partition("=")[0] for own in settings}]
    found = dstheory("explain", *others, *settings, *CHAIN, *KL, "--json").result
    (row,) = [row for row in found["moves"] if row["name"] == term.replace("forward", "KL in the loss")]
    for name, change in step(TERMS[term](logits(POLICY)), logits(POLICY)).items():
        assert row[name]["change"] == pytest.approx(float(change), rel=1e-9), name
        assert (row[name]["rises"], row[name]["falls"]) == ((1.0, 0.0) if change > 0 else (0.0, 1.0)), name
    rows = {row["name"]: row for row in found["moves"]}
    whole, *terms = rows.values()
    for name in ("p", "a", "b", "accuracy"):
        assert whole[name]["change"] == pytest.approx(sum(t[name]["change"] for t in terms), rel=1e-9)


def cells(out: str, term: str) -> list[str]:
    """The cells of a row of the first table; no cell has two blanks side by side."""
    rows = [line.split("  ") for line in out.split("Next: the reasons")[0].splitlines() if line.startswith(f"  {term}   ")]
    (row,) = rows
    return [cell.strip() for cell in row if cell.strip()][1:]


def test_what_kl_in_the_loss_does_to_decisions_is_one_row(dstheory) -> None:
    start = logits(POLICY)
    reward, kl = (step(TERMS[name](start), start) for name in ("reward", "KL in the loss"))
    percent = [f"{float(100 * kl[name] / reward[name]):+.2g} %" for name in kl]
    out = dstheory("explain", *SETTINGS, *CHAIN, *KL).out
    ways = ["up" if change > 0 else "down" for change in kl.values()]
    assert ways == ["down", "up", "up", "down"]
    assert cells(out, "KL in the loss") == [f"{way}, {part}" for way, part in zip(ways, percent, strict=True)]
    assert cells(out, "reward") == cells(out, "all terms") == ["up"] * 4
    said = "So the KL in the loss makes the model sample fewer right answers, stop at more right answers and resample more wrong"
    assert said in " ".join(out.split())


@pytest.mark.parametrize(
    ("reference", "ways", "says"),
    [
        ("0.4,0.85,0.35", ["0", "0", "0"], None),
        ("0.4,0.9,0.35", ["0", "up", "0"], "stop at more right answers"),
        ("0.4,0.85,0.2", ["0", "0", "down"], "resample fewer wrong answers"),
    ],
)
def test_zero_is_said_to_be_zero(dstheory, reference: str, ways: list[str], says: str | None) -> None:
    out = dstheory("explain", *SETTINGS, *CHAIN, "--reference", reference).out
    assert [cell.split(",")[0] for cell in cells(out, "KL in the loss")[:3]] == ways
    said = re.findall(r"So the KL in the loss makes the model (.+?):", " ".join(out.split()))
    assert said == ([] if says is None else [says])


def test_a_chain_without_decisions_has_no_a_and_no_b(dstheory) -> None:
    out = dstheory("explain", "trl:grpo", "--max-turns", 1).out
    assert cells(out, "all terms") == ["up", "-", "-", "up"]
    assert "-: there are no such decisions." in out
    (row,) = dstheory("explain", "trl:grpo", "--max-turns", 1, "--json").result["moves"]
    assert row["a"] == row["b"] == {"change": None, "rises": None, "falls": None}


def test_p_of_first_answers_counts_prompts_by_their_weight() -> None:
    """A small step either way; over all attempts the prompt that is tried again has more weight, and the sign is another."""
    mdp = TwoStageMDP(correct=[[1, 0], [1, 0]], prompt_weight=[0.6, 0.4], gamma=1.0, max_turns=6)
    policy = Policy.from_probabilities([[0.6, 0.4], [0.2, 0.8]], [[0.9, 0.9], [0.5, 0.1]])
    reference = Policy.from_probabilities([[0.5, 0.5], [0.26, 0.74]], [[0.9, 0.9], [0.5, 0.1]])
    objective = K2Loss(reference, beta=1.0)
    gradient = objective.gradient(solve(mdp, policy)).parameters(policy)

    def first(size: float) -> float:
        moved = policy.with_parameters([old + size * g for old, g in zip(policy.parameters, gradient, strict=True)])
        return float(moved.sample_prob[0, 0, 0] * 0.6 + moved.sample_prob[0, 1, 0] * 0.4)

    (by_first,), (by_all,) = (moves(mdp, policy, {"KL": lambda m: objective}, first=way) for way in (True, False))
    assert by_first.p.change == pytest.approx((first(1e-5) - first(-1e-5)) / 2e-5, rel=1e-6)
    assert (by_first.p.falls, by_first.p.rises) == pytest.approx((0.6, 0.4))
    assert by_all.p.rises > 0.6
    assert (by_first.a, by_first.b, by_first.accuracy) == (by_all.a, by_all.b, by_all.accuracy)


def test_a_mean_over_states_that_go_both_ways_says_so(dstheory, tmp_path: Path) -> None:
    """Two prompts of equal weight whose reference is above the policy at one, below it at the other."""
    prompts = [
        {"prompt": name, "answer": ["right", "wrong"], "correct": [1, 0], "sample_length": [30, 70], "decision_length": 2,
         "sample_probability": [0.4, 0.6], "stop_probability": [0.85, 0.65],
         "reference_sample_probability": [0.4, 0.6], "reference_stop_probability": [a, 0.65]}
        for name, a in (("one", 0.9), ("two", 0.7))
    ]  # fmt: skip
    chain = {"format": "dstheory-chain/1", "gamma": 1.0, "max_turns": 3, "prompts": prompts}
    (tmp_path / "two.json").write_text(json.dumps(chain))
    ran = ("explain", *SETTINGS, "--mdp", "two.json")
    (row,) = [row for row in dstheory(*ran, "--json").result["moves"] if row["name"] == "KL in the loss"]
    assert row["p"] == row["b"] == {"change": 0.0, "rises": 0.0, "falls": 0.0}
    assert (row["a"]["rises"], row["a"]["falls"]) == pytest.approx((0.5, 0.5), abs=1e-12)
    # By hand: -beta (log-odds less the reference's) a (1 - a) per state, times a (1 - a) again for the probability.
    a, often, tokens = 0.85, float(visits_of(logits(POLICY))[1]), float(tokens_of(logits(POLICY)))
    apart = [float(mp.log(mpf(a) / (1 - a) * (1 - mpf(r)) / r)) for r in (0.9, 0.7)]
    changes = [-float(BETA) * often / 2 / tokens * x * (a * (1 - a)) ** 2 for x in apart]
    assert row["a"]["change"] == pytest.approx(sum(changes) / 2, rel=1e-9)
    out = dstheory(*ran).out
    assert cells(out, "KL in the loss")[1].startswith("down")
    said = " ".join(out.split())
    assert "a is a mean: KL in the loss moves it the other way at 50 % of decisions on right answers." in said


def test_both_sides_of_a_comparison_are_shown(dstheory) -> None:
    ran = ("explain", *SETTINGS, *CHAIN, *KL, "--with", "loss_type=dr_grpo")
    here, there = dstheory(*ran, "--json").result["against"]["moves"]
    tokens = float(tokens_of(logits(POLICY)))
    assert (here["name"], there["name"]) == ("here", "there")
    for name in ("p", "a", "b", "accuracy"):
        assert there[name]["change"] == pytest.approx(here[name]["change"] * tokens / 512, rel=1e-9)
    assert f"a {here['a']['change']:+.3g} and {there['a']['change']:+.3g}" in " ".join(dstheory(*ran).out.split())


@pytest.mark.parametrize("style", ["markdown", "latex"])
def test_markdown_and_latex_have_the_table(dstheory, style: str) -> None:
    text = dstheory("explain", *SETTINGS, *CHAIN, *KL, "--format", style).out
    (row,) = [r for r in dstheory("explain", *SETTINGS, *CHAIN, *KL, "--json").result["moves"] if r["name"] == "KL in the loss"]
    cells = [f"{row[name]['change']:+.3g}" for name in ("p", "a", "b", "accuracy")]
    assert (" | ".join(cells) if style == "markdown" else " & ".join(cells)) in text
    assert "Which way one small step moves p, a and b" in text


def test_the_episodes_are_those_of_the_other_enumeration() -> None:
    other = brute.episodes(tuple(map(float, POLICY)), TURNS, LENGTHS, 2.0)
    assert float(accuracy(logits(POLICY))) == pytest.approx(brute.mean(other, lambda e: e.reward), rel=1e-12)
    assert float(tokens_of(logits(POLICY))) == pytest.approx(brute.mean(other, lambda e: e.tokens), rel=1e-12)
