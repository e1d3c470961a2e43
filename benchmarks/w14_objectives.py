"""W14: the gradient of every objective on a large table, over that of reward + direct KL (W1, through the library)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.measure import interleaved, median_ratio, rows
from benchmarks.report import Report, Target
from benchmarks.w1_gradient import through_the_library
from benchmarks.w1_peers import BETA, GAMMA, make_problem
from dstheory import Policy, TwoStageMDP, solve
from dstheory.errors import ChainError
from dstheory.kernels.parallel import available_threads
from dstheory.objectives.imitation import ExpertChain
from dstheory.objectives.registry import build, listed

__all__ = ["run"]

_BOUND = {"reinforce-pp": 5.0}  # all others: 10


def run(repeats: int = 7, prompts: int = 20_000, answers: int = 64) -> Report:
    """Time every objective at its defaults, with a reference, a strength and demonstrations for those that take one."""
    report = Report(
        "W14", f"the gradient of every objective, {prompts:,} prompts x {answers} answers, {available_threads()} threads"
    )
    problem = make_problem(prompts, answers)
    mdp = TwoStageMDP(correct=problem.r_stop, reward_stop=problem.r_stop, reward_resample=problem.r_resample,
                      sample_length=problem.w_s**2, prompt_weight=problem.rho, gamma=GAMMA)  # fmt: skip
    policy, reference = Policy.tabular(problem.z, problem.l), Policy.tabular(problem.z_ref, problem.l_ref)
    settings = {"reference": reference, "beta": BETA, "demonstrations": ExpertChain(reference)}

    def gradient(name: str) -> Callable[[], Any]:
        objective = build(name, settings, lambda _, field: ExpertChain(reference) if field == "demonstrations" else reference)
        return lambda: objective.gradient(solve(mdp, policy))

    yardstick = "reward + direct KL"
    contenders: dict[str, Callable[[], Any]] = {yardstick: through_the_library(problem)}
    for name in (cls.name for cls in listed()):
        try:
            contenders[name] = gradient(name)
            contenders[name]()
        except ChainError as error:
            contenders.pop(name, None)
            report.notes.append(f"{name} has no gradient here: {error}.")
    times = interleaved(contenders, min(repeats, 3))
    report.rows = rows(times, yardstick)
    report.targets = [
        Target(f"{name}, over {yardstick}", median_ratio(spent, times[yardstick]), _BOUND.get(name, 10.0), False, "x")
        for name, spent in times.items()
        if name != yardstick
    ]
    return report
