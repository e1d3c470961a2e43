"""Small rows of large tables: every row of a gradient is what the same prompt gets in a small table, be it ever so small.

Tables count as large here from their first entry on, so that compiled loops meet every objective on chains whose answers and
decisions are rare, nearly alike, or all worth the same. What is right is what the readable path says, which
:mod:`objectives.test_extremes` holds against hundreds of digits.
"""

from __future__ import annotations

import numpy as np
import pytest
from objectives.test_extremes import LABELS, OVER_RESPONSES, row_errors
from strategies import Case

from dstheory import Policy, TwoStageMDP, solve
from dstheory.errors import ChainError
from dstheory.objectives import Objective, Reinforce, ReverseKLDirect, base, fused, reinforce_pp
from dstheory.objectives.expectation import exponential
from dstheory.objectives.expectation.exponential import _far
from dstheory.objectives.mass import StageGradient


def lopsided(seed: int, *, prompts: int = 60, width: int = 6) -> Case:
    """Return a chain whose prompts take turns: ordinary, a likely answer, rare decisions, answers that are nearly alike."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, width + 1, size=prompts)
    counts[0] = width
    shape, kind, column = (prompts, width), np.arange(prompts) % 6, (prompts, 1)
    inside = np.arange(width) < counts[:, None]
    z, u = (rng.normal(size=shape) * rng.choice([0.1, 1.0, 3.0], size=column) for _ in range(2))
    z[kind == 1, 0] += 28.0  # the others are as rare as 1e-12
    u[kind == 2] += 27.6  # to resample is
    u[kind == 3] = 1.0 + 1e-9 * rng.normal(size=(int((kind == 3).sum()), width))
    z[kind == 4, 0], u[kind == 4] = 28.0, 30.0
    u[kind == 5] -= 3.0
    correct = rng.integers(0, 2, size=shape)
    correct[::7], correct[3::7] = 0, 1
    length = rng.choice([1.0, 3.0, 300.0], size=shape)
    length[::5] = 5.0
    mdp = TwoStageMDP(
        correct=np.where(inside, correct, 0),
        n_answers=counts,
        sample_length=length,
        decision_length=2.0,
        prompt_weight=rng.choice([1.0, 1e-3, 1e-9], size=prompts),
        gamma=1.0,
    )

    def policy(z: np.ndarray, u: np.ndarray) -> Policy:
        return Policy.tabular(np.where(inside, z, -np.inf)[None], u[None])

    def beside() -> Policy:
        near, away = rng.random(column) < 0.5, rng.choice([1e-9, 1e-4, 0.1], size=column)
        return policy(*(np.where(near, v + away * rng.normal(size=shape), 2.0 * rng.normal(size=shape)) for v in (z, u)))

    return Case(mdp, policy(z, u), beside(), beside(), seed)


def as_if(large: bool, monkeypatch: pytest.MonkeyPatch, objective: Objective, case: Case) -> StageGradient:
    monkeypatch.setattr(fused, "SMALLEST", 1 if large else 1 << 60)
    return objective.ascent(solve(case.mdp, case.policy))


def worst(found: StageGradient, true: StageGradient) -> float:
    pairs = (("sample", found.sample, true.sample), ("decide", found.decide, true.decide))
    return max(error for what, one, two in pairs for error, _ in row_errors(what, one, two))


@pytest.mark.parametrize("label", sorted(LABELS.keys() - OVER_RESPONSES))
def test_every_row_is_that_of_a_small_table(label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(2):
        case = lopsided(seed)
        try:
            true = as_if(False, monkeypatch, LABELS[label](case), case)
        except ChainError:  # the table is refused, whatever its size
            with pytest.raises(ChainError):
                as_if(True, monkeypatch, LABELS[label](case), case)
            continue
        assert worst(as_if(True, monkeypatch, LABELS[label](case), case), true) < 1e-10


@pytest.mark.parametrize("label", ["reinforce-0", "reward-to-go-0", "advantage-0", "reinforce-pp-0", "reinforce-pp-1"])
def test_rows_of_rewards_keep_their_digits_and_few_are_computed_again(label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 700 prompts, every one that takes the loop and every one that does not."""
    case = lopsided(1, prompts=700)
    objective, asked = LABELS[label](case), []
    for module in (base, reinforce_pp):
        monkeypatch.setattr(module, "few_prompts", lambda s, rows: asked.append(rows) or fused.few_prompts(s, rows))
    found = as_if(True, monkeypatch, objective, case)
    true = as_if(False, monkeypatch, objective, case)
    assert worst(found, true) < 1e-10
    (rows,) = asked
    assert 0 < rows.size < 500
    as_before = np.setdiff1d(np.arange(700), rows)
    assert (found.decide[:, as_before] != true.decide[:, as_before]).any()  # it is the loop that is taken there


@pytest.mark.parametrize("length_weight", [0.0, 0.5])
def test_rows_of_penalties_keep_their_digits_beside_a_reference_nearly_alike(
    length_weight: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where nothing is rewarded: of 700 prompts a reference is 1e-9 away at every sixth."""
    case = lopsided(1, prompts=700)
    objective = Reinforce() + 0.5 * ReverseKLDirect(case.reference, beta=0.3, length_weight=length_weight)
    found = as_if(True, monkeypatch, objective, case)
    true = as_if(False, monkeypatch, objective, case)
    assert (found.decide != true.decide).any()  # it is the loop that is taken
    assert worst(found, true) < 1e-10


@pytest.mark.parametrize("label", ["reinforce-0", "reinforce-pp-0"])
def test_ordinary_prompts_are_not_computed_again(label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One answer is likely, at most prompts, and stopping is rare: nothing cancels but for a part in a thousand."""
    rng = np.random.default_rng(0)
    z, u = rng.normal(size=(1, 700, 6)), rng.normal(size=(1, 700, 6)) - 2.0
    z[..., 0] += 5.0
    case = Case(TwoStageMDP(correct=np.arange(6) % 2 + np.zeros((700, 1))), *(Policy.tabular(z, u),) * 3, 0)
    for module in (base, reinforce_pp):
        monkeypatch.setattr(module, "few_prompts", lambda *rest: pytest.fail("computed again"))
    as_if(True, monkeypatch, LABELS[label](case), case)


@pytest.mark.parametrize("label", ["k1-loss-0", "reinforce-baseline, per group", "reinforce-baseline-1"])
def test_rows_of_which_little_is_left_are_found_by_differences(label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case, asked = lopsided(1), []
    by_differences = exponential._by_differences
    monkeypatch.setattr(exponential, "_by_differences", lambda s, *rest: asked.append(s.mdp.shape[0]) or by_differences(s, *rest))
    as_if(True, monkeypatch, LABELS[label](case), case)
    assert asked
    assert max(asked) < case.mdp.shape[0]  # only these
    true = as_if(False, monkeypatch, LABELS[label](case), case)
    monkeypatch.setattr(exponential, "_with_digits", lambda solution, reward, nodes, mass: mass)
    assert worst(as_if(True, monkeypatch, LABELS[label](case), case), true) > 1e-9


def test_whether_policies_differ_is_asked_of_every_answer_of_every_prompt() -> None:
    here, there = np.full((1, 5, 12), 0.05), np.full((1, 5, 12), 0.05)
    there[0, :, 3] += 0.01
    assert _far(here, there)
    there[0, 2] = here[0, 2]
    assert not _far(here, there)
    there[0, 2, 11] += 0.01
    assert _far(here, there)
    assert not _far(here, here)
    assert _far(here, np.stack([there, there]))  # of two runs
    assert not _far(here, np.stack([there, here]))
