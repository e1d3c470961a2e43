"""The files of dstheory/trainers/libraries are whole: every value and rule makes a training; every statement has its claim."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dstheory import Policy, TwoStageMDP, solve
from dstheory.errors import ChainError, FileFormatError
from dstheory.trainers import Training, all_trainers, configuration_of, objective_of
from dstheory.trainers.libraries import _parsed, text_of
from dstheory.trainers.words import all_statements, formula, latex, rows, statements

PROOFS = Path(__file__).parents[2] / "proofs"
TRAINERS = all_trainers()
# Settings with which each trainer has somebody to compare a response with.
GROUPS = {
    "verl:ppo": "actor_rollout_ref.rollout.n=8", "openrlhf:ppo": "rollout.n_samples_per_prompt=8",
    "slime:grpo": "n_samples_per_prompt=8", "trl:grpo": "num_generations=8",
    "nemo-rl:grpo": "grpo.num_generations_per_prompt=8", "open-instruct:grpo": "num_samples_per_prompt_rollout=8",
}  # fmt: skip
CASES = [
    (trainer, f"{name}={word}") for trainer in TRAINERS for name, key in TRAINERS[trainer].keys.items() for word in key.words
]


def test_the_libraries_are_those_that_the_page_names() -> None:
    page = (PROOFS.parent / "docs" / "explain.md").read_text(encoding="utf-8")
    for trainer in TRAINERS.values():
        assert f"{trainer.library} {trainer.version}" in page


@pytest.mark.parametrize("trainer", TRAINERS)
def test_rules_speak_of_keys_and_refer_to_keys_or_fields(trainer: str) -> None:
    here = TRAINERS[trainer]
    for rule in here.rules:
        assert rule.when
        assert rule.when.keys() <= here.keys.keys()
    thens = [rule.then for rule in here.rules] + [then for key in here.keys.values() for then in key.words.values()]
    for value in (value for then in thens for value in then.values() if isinstance(value, str) and value.startswith("@")):
        for part in value.split():
            assert part in "*/" or part[1:] in here.keys or hasattr(Training(), part[1:]), value
    for key in here.keys.values():
        assert not key.otherwise or key.otherwise in here.keys
        assert not key.words or text_of(key.default) in key.words or key.otherwise


@pytest.mark.parametrize(("trainer", "setting"), CASES, ids=lambda x: x)
def test_every_value_makes_a_training_and_an_objective_or_says_what_is_missing(trainer: str, setting: str) -> None:
    groups = [GROUPS[trainer]] if trainer in GROUPS else []
    if setting == "loss_fn.sequence_level_importance_ratios=true":
        groups.append("loss_fn.token_level_loss=false")  # NeMo-RL takes no other
    if setting.startswith("advantage_estimator=reinforce_plus_plus"):
        groups.append("normalize_advantages=true")  # slime takes them with it only
    if setting == "active_sampling=true":
        groups.append("filter_zero_std_samples=true")
    if setting == "loss_type=exo_pair":
        groups.append("label_smoothing=0.001")  # TRL takes no 0 there
    t = configuration_of(trainer, settings=(*groups, setting)).training
    assert formula(t).startswith("c = ")
    assert latex(t).count("{") == latex(t).count("}")
    assert all(words for _, words in rows(t))
    assert re.fullmatch("|.* is not modelled|its objective is one that this package does not have", why_there_is_no_objective(t))


def why_there_is_no_objective(training: Training) -> str:
    start = Policy.minimal(p=0.55, a=0.8, b=0.3)
    s = solve(TwoStageMDP.minimal(gamma=1.0, sample_length=[[30.0, 70.0]]), start)
    try:
        objective_of(training, s, reference=start, expert=start)
    except ChainError as missing:
        return str(missing)
    return ""


def test_a_statement_is_a_sentence_of_a_claim_that_holds() -> None:
    claims = "".join(path.read_text(encoding="utf-8") for path in PROOFS.glob("*.py"))
    for one in all_statements():
        assert re.search(rf'id="{one.claim}"', claims), one.claim
        assert not one.claim.endswith("-loose")


def test_every_statement_is_made_by_some_training() -> None:
    made = {sentence for t in _trainings() for sentence in statements(t)}
    said = {claim for claim, _ in made}
    assert {one.claim for one in all_statements()} == said
    assert all(text.endswith(".") for _, text in made)


def _trainings() -> list[Training]:
    found = [Training(method=m, beta=0.1) for m in ("sft", "dft", "dpo", "distill")]
    for normaliser in ("responses", "response-tokens", "group-tokens", "batch-tokens", "constant"):
        for estimator in ("k1", "k2", "k3", "k3-ratio", "k3-self"):
            found.append(Training(normaliser=normaliser, beta=0.1, estimator=estimator))
        for std, size in (("group", 8), ("group", 2), ("none", 8)):
            found.append(Training(normaliser=normaliser, std=std, group_size=size, epsilon=1e-4))
    found.append(Training(normaliser="batch-tokens", masked="both"))
    others = {"credit": "whitened"}, {"credit": "critic"}, {"ratio": "response-mean"}, {"clip": "truncate"}, {"entropy": 0.1}
    found += [Training(**other) for other in others]
    return [*found, Training(std="group", dead_groups="drawn again"), Training(credit="leave-one-out", reward_beta=0.1)]


LIBRARY = """
library = "mine"
version = 1
prefix = "my"
source = "here"
[trainers.one]
name = "One"
start = { credit = "reward" }
rules = [{ when = { n = 1 }, then = { beta = 0.1 } }]
patches = [{ imports = "other", version = "1", defaults = { n = 2 } }]
[trainers.one.keys]
n = { default = 1, sets = "updates" }
w = { default = "a", words = { a = { std = "group" } } }
"""


@pytest.mark.parametrize(("right", "wrong", "says"), [
    ('name = "One"', 'name = "One"\nprogram = 1', "my.toml: one has no 'program': did you mean programs"),
    ("default = 1,", "default = 1, set = 1,", "my.toml: one: key n has no 'set': did you mean sets"),
    ("when = {", "wen = 1, when = {", "my.toml: one: a rule has no 'wen': did you mean when"),
    ("imports =", "import = 1, imports =", "my.toml: one: a patch has no 'import': did you mean imports"),
    ("beta = 0.1", "bet = 0.1", "my.toml: one: a training has no 'bet': did you mean beta"),
    ('credit = "reward"', "credits = 1", "my.toml: one: a training has no 'credits': did you mean credit"),
    ('sets = "updates"', 'sets = "updates,update"', "my.toml: one: n: a training has no 'update': did you mean updates"),
    ("std =", "stds =", "my.toml: one: w: a training has no 'stds': did you mean std"),
    ("[trainers.one]", "[trainers.one", "my.toml is not TOML"),
])  # fmt: skip
def test_what_a_file_says_that_nothing_reads_is_refused(right: str, wrong: str, says: str) -> None:
    (made,) = _parsed(LIBRARY, "my.toml")
    assert (made.id, made.keys["n"].sets, made.rules[0].then, made.patches[0].defaults) == (
        "my:one", "updates", {"beta": 0.1}, {"n": 2},
    )  # fmt: skip
    with pytest.raises(FileFormatError, match=re.escape(says)):
        _parsed(LIBRARY.replace(right, wrong), "my.toml")
