"""Training: expected updates against exact gradients, demonstrations, options, equal conditions, checkpoints."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from dstheory.arithmetic import ArithmeticPolicy, Problems, draw_problems, start_policy
from dstheory.arithmetic.exact import achieved, answer_law
from dstheory.arithmetic.policy import BLOCKS
from dstheory.arithmetic.rollouts import demonstrate, roll_out, table_mass
from dstheory.arithmetic.training import (
    Settings,
    initial_policy,
    log_ratio,
    read_checkpoint,
    reward_mass,
    sft_mass,
    train,
    write_checkpoint,
)
from dstheory.errors import ArithmeticTaskError, ChainError, DamagedCheckpointError, DSTheoryError

SMALL = Settings(updates=4, problems=4, group=4)


def directional(policy: ArithmeticPolicy, direction: list[np.ndarray], value) -> float:
    h = 1e-4  # see test_policies: about 1e-8 relative
    plus, minus = (
        policy.with_blocks([b + s * h * d for b, d in zip(policy.blocks, direction, strict=True)]) for s in (1, -1)
    )
    return (value(plus) - value(minus)) / (2 * h)


def test_rewards_update_is_the_gradient_of_exact_accuracy() -> None:
    """RLOO's expected update is grad E[accuracy]: the estimator knows nothing of the exact law it is held against."""
    policy = start_policy(rng=3)
    problems = draw_problems([(4, 4), (5, 6)], 3, part="train", rng=1, per_size=True)
    settings = dataclasses.replace(SMALL, group=8)
    rng = np.random.default_rng(0)
    named = list(zip(BLOCKS, policy.blocks, strict=True))
    directions = {
        "decision": [rng.normal(size=b.shape) * (name in ("checks", "lengths")) for name, b in named],
        "skill": [np.ones(b.shape) * (name == "skill") for name, b in named],
    }
    exact = {
        name: directional(policy, d, lambda at: float(achieved(answer_law(at, problems), at, cap=4).accuracy.mean()))
        for name, d in directions.items()
    }
    found: dict[str, list[float]] = {name: [] for name in directions}
    for _ in range(100):
        rollouts = roll_out(policy, problems[np.repeat(np.arange(len(problems)), 8 * 8)], cap=4, rng=rng)
        gradient = policy.pull_back(*reward_mass(policy, rollouts, policy, settings))
        for name, direction in directions.items():
            found[name].append(sum(float((g * d).sum()) for g, d in zip(gradient, direction, strict=True)))
    for name, estimates in found.items():
        error = np.std(estimates, ddof=1) / np.sqrt(len(estimates))
        assert abs(exact[name]) > 10 * error, "the test would not see a wrong factor"
        assert np.mean(estimates) == pytest.approx(exact[name], abs=4.5 * error), name


@pytest.mark.parametrize("penalty", ["k2", "k3"])
def test_penalties_in_the_loss_are_those_of_the_parts(penalty) -> None:
    """With equal rewards only the penalty is left: compare with coefficients written out token by token."""
    reference, policy = start_policy(rng=3), start_policy(rng=4)
    settings = dataclasses.replace(SMALL, beta=0.3, penalty=penalty, length_weight=0.5, group=2)
    problems = Problems.of([(1234, 5678), (1234, 5678), (4321, 98765), (4321, 98765)])
    rollouts = roll_out(policy, problems, cap=3, rng=0)
    wrong = tuple(dataclasses.replace(part, error=np.ones_like(part.error)) for part in rollouts.parts)
    hopeless = dataclasses.replace(rollouts, parts=wrong)
    found = reward_mass(policy, hopeless, reference, settings)

    def by_hand(part):
        ell = log_ratio(policy, reference)[part.rows, part.outcomes]
        d = 0 if (problems.size[part.episode[0]] == (4, 4)).all() else 1
        stop = policy.log_stop[part.pattern, d] - reference.log_stop[part.pattern, d]
        other = policy.log_resample[part.pattern, d] - reference.log_resample[part.pattern, d]
        ell_d = np.where(part.stopped, stop, other)
        f = (lambda t: -t) if penalty == "k2" else (lambda t: np.exp(-t) - 1)
        return 0.3 * f(ell) * part.rows.shape[1] ** -0.5 / 4, 0.3 * f(ell_d) / 4

    for one, two in zip(found, table_mass(policy, rollouts, by_hand), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-12)


def test_k1_in_the_reward_lowers_the_reward_by_the_log_ratio() -> None:
    reference, policy = start_policy(rng=3), start_policy(rng=4)
    settings = dataclasses.replace(SMALL, beta=0.3, penalty="k1-reward", group=2, credit="raw")
    problems = Problems.of([(1234, 5678)] * 2)
    rollouts = roll_out(policy, problems, cap=1, rng=0)
    tokens, _, _ = reward_mass(policy, rollouts, reference, settings)
    (part,) = rollouts.parts
    ratio = log_ratio(policy, reference)[part.rows, part.outcomes].sum(axis=1)
    assert tokens.sum() == pytest.approx(float((((part.error == 0) - 0.3 * ratio) * 48 / 2).sum()))


def test_demonstrations_are_right_in_the_end_and_decide_rightly() -> None:
    policy = start_policy(rng=0)
    problems = draw_problems([(4, 4), (6, 6)], 400, part="train", rng=0)
    shown = demonstrate(policy, problems, coverage=0.3, cap=4, rng=1)
    assert shown.correct.all()
    assert (shown.turns == 2).mean() == pytest.approx(0.3, abs=4.5 * np.sqrt(0.3 * 0.7 / 400))
    for part in shown.parts:
        assert (part.stopped == (part.error == 0)).all()
    assert (demonstrate(policy, problems, coverage=0.0, cap=4, rng=1).turns == 1).all()
    assert (demonstrate(policy, problems, coverage=1.0, cap=4, rng=1).turns == 2).all()
    capped = demonstrate(policy, problems, coverage=1.0, cap=2, rng=1)
    assert not any(part.decided or part.stopped.any() for part in capped.parts if part.turn == 1)
    # Mistakes are those of the policy: P(last digit right | wrong), as its exact law says.
    law = answer_law(policy, problems)
    expected = float((law.wrong[:, :4].sum(axis=1) / law.wrong.sum(axis=1)).mean())
    mistaken = demonstrate(policy, problems, coverage=1.0, cap=4, rng=2)
    wrong = np.concatenate([part.error for part in mistaken.parts if part.turn == 0])
    assert (wrong % 10 == 0).mean() == pytest.approx(expected, abs=4.5 * np.sqrt(expected * (1 - expected) / 400))


def test_masked_tokens_teach_nothing_but_their_decisions_do() -> None:
    policy = start_policy(rng=0)
    problems = draw_problems([(4, 4)], 8, part="train", rng=0)
    shown = demonstrate(policy, problems, coverage=1.0, cap=4, rng=1)
    settings = dataclasses.replace(SMALL, method="sft", group=8)
    all_, masked = (sft_mass(policy, shown, dataclasses.replace(settings, mask=mask)) for mask in (False, True))
    assert masked[0].sum() == pytest.approx(all_[0].sum() / 2)
    assert (masked[2] == all_[2]).all()
    assert masked[2].sum() > 0
    # reduction "mean": the weight of a turn, answer and decision together, is 1; 16 turns over 8 responses.
    assert sum(m.sum() for m in all_) == pytest.approx(2.0)
    balanced = sft_mass(policy, shown, dataclasses.replace(settings, length_weight=0.0))
    assert balanced[0].sum() == pytest.approx(balanced[1].sum() + balanced[2].sum())


def test_all_methods_start_alike_and_see_the_same_problems(monkeypatch) -> None:
    seen: dict[str, list[tuple[str, ...]]] = {}
    from dstheory.arithmetic import training

    for method in ("reward", "sft", "sft-then-reward"):
        names: list[tuple[str, ...]] = []

        def spy(*args, names=names, **kwargs):
            drawn = draw_problems(*args, **kwargs)
            names.append(drawn.names)
            return drawn

        monkeypatch.setattr(training, "draw_problems", spy)
        run = train(dataclasses.replace(SMALL, method=method))
        assert run.episodes == 4 * 4 * 4
        assert len(run.log["tokens"]) == 4
        assert sum(run.log["tokens"]) == run.tokens
        seen[method] = names
    assert seen["reward"] == seen["sft"] == seen["sft-then-reward"]
    one, two = (initial_policy(dataclasses.replace(SMALL, method=m)) for m in ("reward", "sft"))
    assert all((a == b).all() for a, b in zip(one.blocks, two.blocks, strict=True))


@pytest.mark.parametrize("method", ["reward", "sft"])
def test_training_helps_and_leaves_untrained_positions_alone(method) -> None:
    settings = Settings(method=method, updates=12, problems=16, lr=0.05, coverage=0.0)
    start, end = initial_policy(settings), train(settings).policy
    problems = draw_problems(settings.sizes, 30, part="evaluation", rng=0)
    before, after = (achieved(answer_law(policy, problems), policy, cap=4).accuracy.mean() for policy in (start, end))
    assert after > before + 0.05
    for name, unseen in (("digit_columns", np.s_[:, 11:]), ("addends", np.s_[6:]), ("total_columns", np.s_[11:])):
        assert (end.block(name)[unseen] == start.block(name)[unseen]).all()
        assert (end.block(name) != start.block(name)).any()
    assert (end.block("lengths")[5:] == start.block("lengths")[5:]).all()  # more than 12 digits


@pytest.mark.parametrize(
    "changes",
    [
        {"credit": "group-std", "normaliser": "own-tokens", "beta": 0.04},
        {"credit": "group-mean", "normaliser": "constant", "optimizer": "sgd"},
        {"credit": "group-std", "normaliser": "batch-tokens", "clip_norm": 0.1},
        {"credit": "filtered", "normaliser": "group-tokens", "penalty": "k1", "beta": 0.1},
        {"credit": "raw", "penalty": "k1-reward", "beta": 0.1, "trunk": 0.5},
        {"method": "sft", "reduction": "sum", "optimizer": "sgd", "checks": ("nines", "disagreement"), "cap": 2},
    ],
)
def test_every_option_trains(changes) -> None:
    run = train(dataclasses.replace(SMALL, **changes))
    assert run.done == 4
    assert any((a != b).any() for a, b in zip(run.policy.blocks, initial_policy(run.settings).blocks, strict=True))


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_an_interrupted_run_continues_to_the_same_result(tmp_path, optimizer) -> None:
    settings = dataclasses.replace(SMALL, optimizer=optimizer, method="sft-then-reward", updates=6)
    whole = train(settings)

    class Interrupted(Exception):
        pass

    def interrupt(run) -> None:
        write_checkpoint(tmp_path / "run.npz", run)
        if run.done == 4:
            raise Interrupted

    with pytest.raises(Interrupted):
        train(settings, updated=interrupt)
    half = read_checkpoint(tmp_path / "run.npz", settings)
    assert half.done == 4
    continued = train(settings, run=half)
    assert all((a == b).all() for a, b in zip(whole.policy.blocks, continued.policy.blocks, strict=True))
    assert continued.log == whole.log
    assert (continued.tokens, continued.episodes) == (whole.tokens, whole.episodes)


def test_a_checkpoint_of_another_run_is_refused(tmp_path) -> None:
    path = tmp_path / "run.npz"
    write_checkpoint(path, train(dataclasses.replace(SMALL, updates=1)))
    difference = r"updates is 1 there, 4 here; lr is 0\.01 there, 0\.5 here; give its settings, or another file name$"
    with pytest.raises(ArithmeticTaskError, match=rf"run\.npz is of another run: {difference}"):
        read_checkpoint(path, dataclasses.replace(SMALL, lr=0.5))
    content = path.read_bytes()
    for damage in (content[:1000], content[:-1], content[:-200] + b"x" * 200):
        path.write_bytes(damage)
        with pytest.raises(DamagedCheckpointError, match="it was cut off or changed; train again"):
            read_checkpoint(path)
    rng = np.random.default_rng(0)
    for place in [*range(60), *rng.integers(0, len(content), 200).tolist(), *range(len(content) - 60, len(content))]:
        changed = bytearray(content)
        changed[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        with pytest.raises(DamagedCheckpointError, match="it was cut off or changed; train again"):
            read_checkpoint(path)
    path.write_bytes(content[:-32])  # without its checksum
    with pytest.raises(DamagedCheckpointError, match="it was cut off or changed; train again"):
        read_checkpoint(path)
    for damage in (b"", b"not a checkpoint"):
        path.write_bytes(damage)
        with pytest.raises(ArithmeticTaskError, match=r"run\.npz is not a complete checkpoint: it was cut off or changed"):
            read_checkpoint(path)
    with pytest.raises(ArithmeticTaskError, match=r"cannot read the checkpoint .*gone\.npz: No such file or directory; train"):
        read_checkpoint(tmp_path / "gone.npz")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "dpo"}, "method is 'dpo': must be one of reward, sft, sft-then-reward"),
        ({"credit": "best"}, "credit is 'best': must be one of leave-one-out, group-mean"),
        ({"sizes": ()}, "the set of sizes to train on is empty: name at least one"),
        ({"sizes": ((4, 12),)}, "size 4x12: must be n x m with 4 <= n <= m <= 9"),
        ({"cap": 0}, "cap T on the number of attempts is 0: must be a whole number >= 1"),
        ({"cap": 0.5}, "cap T on the number of attempts is 0.5: must be a whole number >= 1"),
        ({"problems": 0}, "problems is 0: must be a whole number >= 1: an empty training set teaches nothing"),
        ({"updates": -1}, "updates is -1: must be a whole number >= 0"),
        ({"group": 1}, "group_size is 1: R - mean of the others needs groups of at least 2"),
        ({"lr": 0.0}, "lr is 0.0: must be finite and > 0; a step of 0 learns nothing"),
        ({"beta": -0.1}, "beta is -0.1: must be finite and >= 0; 0 is none"),
        ({"trunk": float("inf")}, "trunk is inf: must be finite and >= 0"),
        ({"coverage": 1.5}, r"coverage is 1.5: must lie in \[0, 1\]"),
        ({"length_weight": -1.0}, r"length_weight is -1.0: must lie in \[0, 1\]"),
        ({"method": "sft", "cap": 1}, "cap T is 1, so no demonstration can revise a mistake: set coverage to 0"),
    ],
)
def test_bad_settings_are_named(changes, message) -> None:
    with pytest.raises((ArithmeticTaskError, ChainError), match=f"^{message}"):
        Settings(**changes)


def test_settings_survive_json_and_unknown_ones_are_refused() -> None:
    settings = Settings(sizes=((4, 5), (5, 5)), checks=("elevens",), seed=3)
    assert Settings.from_dict(settings.as_dict()) == settings
    with pytest.raises(ArithmeticTaskError, match=r"^settings beta, gamma: missing or unknown; they are from another version$"):
        Settings.from_dict({**{k: v for k, v in settings.as_dict().items() if k != "beta"}, "gamma": 1.0})


def test_a_policy_without_mistakes_cannot_show_any() -> None:
    policy = start_policy(rng=0)
    blocks = list(policy.blocks)
    blocks[0] = np.full(3, 200.0)
    with pytest.raises(DSTheoryError, match=r"^no wrong attempt at 4x4:1234x5678 in 10000 draws: the policy makes no mistakes"):
        demonstrate(policy.with_blocks(blocks), Problems.of([(1234, 5678)]), coverage=1.0, cap=3, rng=0)
