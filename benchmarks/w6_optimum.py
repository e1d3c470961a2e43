"""W6: the optimum of reward + KL: a step of it against one W1 gradient, and a million settings of the minimal chain."""

from __future__ import annotations

from statistics import median

import mpmath
import numpy as np

from benchmarks.measure import interleaved, median_ratio, rows
from benchmarks.report import Report, Row, Target
from benchmarks.w1_gradient import ours as w1_gradient
from benchmarks.w1_peers import BETA, GAMMA, make_problem
from dstheory import Policy, TwoStageMDP, split_gain
from dstheory.dynamics.soft_optimum import Optimum, optimum
from dstheory.kernels.parallel import available_threads

__all__ = ["run"]

SETTINGS = 1_000_000


def large_table(report: Report, repeats: int, prompts: int, answers: int) -> None:
    """Solve W1's chain with answers of one weight and of many, and divide by the Newton steps that it took."""
    problem = make_problem(prompts, answers)
    chain = {
        "correct": problem.r_stop, "reward_stop": problem.r_stop, "reward_resample": problem.r_resample,
        "prompt_weight": problem.rho, "gamma": GAMMA,
    }  # fmt: skip
    reference = Policy.tabular(problem.z_ref, problem.l_ref)
    chains = {
        "answers of one weight": TwoStageMDP(sample_length=64.0, **chain),
        "answers of 1 to 400 tokens": TwoStageMDP(sample_length=problem.w_s**2, **chain),
    }
    steps: dict[str, float] = {}

    def solver(name: str, mdp: TwoStageMDP) -> Optimum:
        best = optimum(mdp, reference, beta=BETA, length_weight=0.5)
        steps[f"optimum, {name}"] = float(best.iterations.mean())
        return best

    gradient = "one W1 gradient"
    contenders = {gradient: w1_gradient(problem)}
    contenders |= {f"optimum, {name}": lambda name=name, mdp=mdp: solver(name, mdp) for name, mdp in chains.items()}
    times = interleaved(contenders, repeats)
    report.rows += rows(times, gradient)
    for name, count in steps.items():
        ratio = median_ratio(times[name], times[gradient]) / count
        report.targets.append(Target(f"{name}: a Newton step over {gradient}", ratio, 3.0, False, "x"))
        report.notes.append(f"{name}: {count:.1f} Newton steps on average, to a bracket of 1e-12.")


def many_settings(report: Report, repeats: int, settings: int) -> None:
    """Solve the minimal chain at random references, discounts, strengths and lengths, and split every gain."""
    rng = np.random.default_rng(0)
    mdp = TwoStageMDP.minimal(sample_length=1024.0, gamma=rng.random(settings))
    reference = Policy.minimal(p=rng.random(settings), a=rng.random(settings), b=rng.random(settings))
    beta, length_weight = 10.0 ** rng.uniform(-4, 4, settings), rng.random(settings)

    def solve() -> Optimum:
        return optimum(mdp, reference, beta=beta, length_weight=length_weight)

    def share() -> None:
        split_gain(mdp, reference, solve().policy)

    times = interleaved({"optima": solve, "optima and decision shares": share}, min(repeats, 3))
    for name, seconds in times.items():
        report.rows.append(Row(f"{settings:,} {name} of M0", median(seconds), min(seconds)))
        report.targets.append(Target(f"{settings:,} {name} of M0", median(seconds), 10.0, False, "s"))
    best = solve()
    report.agreement["V by mpmath's root finder"] = max(
        abs(float(best.value[i, 0]) - _value(mdp, reference, beta, length_weight, i)) for i in range(0, settings, settings // 20)
    )


def _value(mdp: TwoStageMDP, reference: Policy, beta: np.ndarray, length_weight: np.ndarray, i: int) -> float:
    """Solve one setting's soft Bellman equation with 40 digits."""
    mp = mpmath.mp.clone()
    mp.dps = 40
    p, a = mp.mpf(float(reference.sample_prob[i, 0, 0, 0])), mp.mpf(float(reference.stop_prob[i, 0, 0, 0]))
    b, gamma, t = (mp.mpf(float(v)) for v in (reference.resample_prob[i, 0, 0, 1], mdp.gamma[i], beta[i]))
    tau = t * mp.mpf(1024) ** mp.mpf(float(length_weight[i]))

    def gap(v: mpmath.mpf) -> mpmath.mpf:
        again = mp.exp(gamma * v / t)
        correct, wrong = t * mp.log(a * mp.exp(1 / t) + (1 - a) * again), t * mp.log(1 - b + b * again)
        return tau * mp.log(p * mp.exp(correct / tau) + (1 - p) * mp.exp(wrong / tau)) - v

    return float(mp.findroot(gap, (mp.mpf(0), mp.mpf(1)), solver="anderson", tol=1e-60, verify=False))


def run(repeats: int = 7, prompts: int = 100_000, answers: int = 64, settings: int = SETTINGS) -> Report:
    """Time a large table and many small chains."""
    title = f"optimum of reward + KL, {prompts:,} prompts x {answers} answers, and {settings:,} settings of M0"
    report = Report("W6", f"{title}, {available_threads()} threads")
    large_table(report, repeats, prompts, answers)
    many_settings(report, repeats, settings)
    report.targets += [Target(f"difference from {name}", value, 1e-9, False) for name, value in report.agreement.items()]
    return report
