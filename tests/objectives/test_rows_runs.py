"""Run axes of the rows made of parts: many policies, discounts and strengths side by side give what a loop over them gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from objectives.instances import ALL, INSTANCES
from strategies import Case, make_case

from dstheory import Policy, TwoStageMDP, solve, train
from dstheory.errors import ChainError
from dstheory.objectives import DAPOBatch, DrGRPO, K1Loss, K2Loss, StageGradient

# Expectations over multisets of answers, and counts of recorded demonstrations, are those of one run.
ONE_RUN = {"dpo-0", "dpo-1", "gspo-1", "gspo-2", "sft-token-mean-2", "sft-sequence-sum-1", "sft-sequence-mean-1", "dft-2"}
OLDEST = ("reinforce", "reward-to-go", "advantage", "sft", "kl-direct", "kl", "forward-kl", "entropy")
ROWS = [(f"{n}-{i}", m) for n, makes in INSTANCES.items() if n not in OLDEST for i, m in enumerate(makes)]
MANY = [row for row in ROWS if row[0] not in ONE_RUN]


@pytest.mark.parametrize(("label", "make"), MANY, ids=[label for label, _ in MANY])
@pytest.mark.parametrize("cap", [None, 2])
def test_policies_side_by_side(label: str, make, cap: int | None) -> None:
    case = make_case(5, cap=cap, kind="turn-indexed" if cap else "tabular", per="turn", gamma=0.9)
    rng = np.random.default_rng(2)
    many = tuple(np.stack([b + 0.1 * rng.normal(size=b.shape) for _ in range(3)]) for b in case.policy.parameters)
    gammas = np.array([0.3, 0.8, 1.0])
    together = make(case).gradient(solve(case.mdp.replace(gamma=gammas), case.policy.with_parameters(many)))
    for i in range(3):
        mdp = case.mdp.replace(gamma=gammas[i])
        one = Case(mdp, case.policy.with_parameters(tuple(b[i] for b in many)), case.reference, case.expert, case.seed)
        alone = make(one).gradient(solve(mdp, one.policy))
        shape = (3, *alone.sample.shape)
        for found, expected in ((together.sample, alone.sample), (together.decide, alone.decide)):
            scale = max(1.0, np.abs(expected).max())
            np.testing.assert_allclose(np.broadcast_to(found, shape)[i], expected, rtol=0, atol=1e-12 * scale)


@pytest.mark.parametrize("name", ["reward_stop", "reward_resample", "sample_length", "decision_length", "gamma"])
@pytest.mark.parametrize("cap", [None, 2])
def test_one_table_of_the_chain_alone_has_runs(name: str, cap: int | None) -> None:
    case = make_case(5, cap=cap, kind="tabular", per="turn", gamma=0.9)
    more = np.random.default_rng(2).integers(1, 4, size=(2, *case.mdp.shape))
    table = np.array([0.4, 1.0]) if name == "gamma" else getattr(case.mdp, name) + more
    mdp, second = (case.mdp.replace(**{name: of}) for of in (table, table[1]))
    compared = 0
    for label, make in ALL:
        try:
            together = make(replace(case, mdp=mdp)).gradient(solve(mdp, case.policy))
        except ChainError:  # it is of one run
            continue
        alone = make(replace(case, mdp=second)).gradient(solve(second, case.policy))
        for found, expected in ((together.sample, alone.sample), (together.decide, alone.decide)):
            of_second = np.broadcast_to(found, (2, *expected.shape))[1]
            np.testing.assert_allclose(of_second, expected, rtol=1e-10, atol=1e-12 * np.abs(expected).max(), err_msg=label)
        compared += 1
    assert compared > 0.85 * len(ALL)


def test_strengths_side_by_side() -> None:
    case = make_case(3, cap=None, kind="tabular", per="turn", gamma=0.9)
    s, betas = solve(case.mdp, case.policy), np.array([0.0, 0.1, 2.0])
    for make in (
        lambda beta: DAPOBatch(reference=case.reference, beta=beta),
        lambda beta: K2Loss(case.reference, beta=beta, normaliser="response-tokens"),
        lambda beta: K1Loss(case.reference, beta=beta, normaliser="response-tokens"),
    ):
        together = make(betas).gradient(s)
        for i, beta in enumerate(betas):
            alone: StageGradient = make(beta).gradient(s)
            np.testing.assert_allclose(together.sample[i], alone.sample, rtol=1e-11, atol=1e-14)


def test_expectations_of_one_run_say_so() -> None:
    two = Policy.minimal(p=np.array([0.3, 0.6]), a=0.5, b=0.5)
    from dstheory.objectives import DPO

    with pytest.raises(ChainError, match=r"runs \(2,\)"):
        DPO(Policy.minimal(p=0.5, a=0.5, b=0.5)).gradient(solve(TwoStageMDP.minimal(), two))


def test_rows_train() -> None:
    mdp, start = TwoStageMDP.minimal(gamma=1.0, sample_length=[[4, 20]]), Policy.minimal(p=np.array([0.3, 0.6]), a=0.6, b=0.4)
    history = train(mdp, start, DrGRPO(std=True, max_tokens=1), steps=150).history
    assert (history.accuracy.isel(step=-1) > history.accuracy.isel(step=0) + 0.1).all()
