"""W1: exact value and gradient of reward + direct KL on a table of 100,000 prompts x 64 answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import interleaved, median_ratio, parallel_copy, peak_extra_bytes, relative_difference, rows
from benchmarks.peers import HOW_TO_INSTALL, load_jax, load_torch
from benchmarks.reference import reward_kl_gradient as reference_gradient
from benchmarks.report import Report, Target
from dstheory import Policy, TwoStageMDP, solve
from dstheory.kernels import reward_kl_gradient
from dstheory.kernels.parallel import available_threads
from dstheory.objectives import Reinforce, ReverseKLDirect

__all__ = ["Problem", "make_problem", "ours", "run"]

FloatArray = NDArray[np.float64]
Outcome = tuple[float, FloatArray, FloatArray]  # objective, gradient of the sampling logits, of the stop logits

BETA, GAMMA, DECISION_WEIGHT = 0.05, 0.95, 1.0


@dataclass(frozen=True)
class Problem:
    """The arrays that every contender gets: logits, reference, rewards, stage weights, prompt weights."""

    z: FloatArray
    l: FloatArray
    z_ref: FloatArray
    l_ref: FloatArray
    r_stop: FloatArray
    r_resample: FloatArray
    w_s: FloatArray
    rho: FloatArray

    def arrays(self) -> tuple[FloatArray, ...]:
        """Return all inputs."""
        return self.z, self.l, self.z_ref, self.l_ref, self.r_stop, self.r_resample, self.w_s, self.rho


def make_problem(prompts: int, answers: int, seed: int = 0) -> Problem:
    """Draw a lopsided chain: one answer in five correct, answers of 1 to 400 tokens weighted by their square root."""
    rng = np.random.default_rng(seed)
    shape = (prompts, answers)
    rho = rng.random(prompts) + 0.1
    return Problem(
        z=rng.normal(size=shape),
        l=rng.normal(size=shape),
        z_ref=rng.normal(size=shape),
        l_ref=rng.normal(size=shape),
        r_stop=(rng.random(shape) < 0.2).astype(np.float64),
        r_resample=-0.1 * rng.random(shape),
        w_s=np.sqrt(rng.integers(1, 400, size=shape).astype(np.float64)),
        rho=rho / rho.sum(),
    )


def ours(problem: Problem, *, fresh: bool = False) -> Callable[[], Outcome]:
    """Return this package's computation; if `fresh`, its results go to memory that the process has not touched before."""

    def call() -> Outcome:
        out = (np.empty_like(problem.z), np.empty_like(problem.l)) if fresh else None
        result = reward_kl_gradient(
            problem.z,
            problem.l,
            problem.r_stop,
            problem.r_resample,
            ref_sample_logits=problem.z_ref,
            ref_stop_logits=problem.l_ref,
            beta=BETA,
            sample_weight=problem.w_s,
            decision_weight=DECISION_WEIGHT,
            prompt_weight=problem.rho,
            gamma_between=GAMMA,
            out=out,
        )
        return float(problem.rho @ (result.value - BETA * result.divergence)), result.sample, result.decide

    return call


def through_the_library(problem: Problem) -> Callable[[], Outcome]:
    """Return the same computation as a user writes it: chain, policy and objective, built once."""
    mdp = TwoStageMDP(
        correct=problem.r_stop,
        reward_stop=problem.r_stop,
        reward_resample=problem.r_resample,
        sample_length=problem.w_s**2,
        prompt_weight=problem.rho,
        gamma=GAMMA,
    )
    policy, reference = Policy.tabular(problem.z, problem.l), Policy.tabular(problem.z_ref, problem.l_ref)
    objective = Reinforce() + ReverseKLDirect(reference, beta=BETA, length_weight=0.5)

    def call() -> Outcome:
        value, gradient = objective.value_and_gradient(solve(mdp, policy))
        return float(problem.rho @ value), gradient.sample[0], gradient.decide[0]

    return call


def plain_numpy(problem: Problem, block: int = 512) -> Callable[[], Outcome]:
    """Return the NumPy reference, in blocks that stay in the second-level cache."""

    def call() -> Outcome:
        objective, grad_z, grad_l = 0.0, np.empty_like(problem.z), np.empty_like(problem.l)
        for start in range(0, problem.rho.size, block):
            part = Problem(*(array[start : start + block] for array in problem.arrays()))
            result = reference_gradient(
                part.z,
                part.l,
                part.r_stop,
                part.r_resample,
                ref_sample_logits=part.z_ref,
                ref_stop_logits=part.l_ref,
                beta=BETA,
                sample_weight=part.w_s,
                decision_weight=DECISION_WEIGHT,
                prompt_weight=part.rho,
                gamma_between=GAMMA,
            )
            objective += float(part.rho @ (result.value - BETA * result.divergence))
            grad_z[start : start + block], grad_l[start : start + block] = result.sample, result.decide
        return objective, grad_z, grad_l

    return call


def jax_autodiff(jax: Any, problem: Problem) -> Callable[[], Outcome]:
    """Return jitted JAX: value_and_grad of the objective, its penalty's visits and coefficients behind stop_gradient."""
    jnp, nn, frozen = jax.numpy, jax.nn, jax.lax.stop_gradient

    def objective(logits: Any, z_ref: Any, l_ref: Any, r_stop: Any, r_resample: Any, w_s: Any, rho: Any) -> Any:
        z, l = logits
        log_pi = nn.log_softmax(z)
        pi, s = jnp.exp(log_pi), nn.sigmoid(l)
        p_stop = jnp.sum(pi * s, axis=1)
        value = jnp.sum(pi * (s * r_stop + (1.0 - s) * r_resample), axis=1) / ((1.0 - GAMMA) + GAMMA * p_stop)
        kl_decision = s * (l - l_ref) - nn.softplus(l) + nn.softplus(l_ref)
        sampling = jnp.sum(pi * frozen(w_s * (log_pi - nn.log_softmax(z_ref))), axis=1)
        decision = jnp.sum(frozen(pi) * kl_decision, axis=1) * DECISION_WEIGHT
        return jnp.sum(rho * (value - BETA * frozen(1.0 / p_stop) * (sampling + decision)))

    return _jax_call(jax, problem, jax.jit(jax.value_and_grad(objective)))


def jax_by_hand(jax: Any, problem: Problem) -> Callable[[], Outcome]:
    """Return jitted JAX with the gradient written out, so that the compiler has no tape to fuse around."""
    jnp, nn = jax.numpy, jax.nn

    def value_and_gradient(logits: Any, z_ref: Any, l_ref: Any, r_stop: Any, r_resample: Any, w_s: Any, rho: Any) -> Any:
        z, l = logits
        log_pi = nn.log_softmax(z)
        pi, s = jnp.exp(log_pi), nn.sigmoid(l)
        payoff = s * r_stop + (1.0 - s) * r_resample
        p_stop = jnp.sum(pi * s, axis=1, keepdims=True)
        visits = 1.0 / p_stop
        discounted = 1.0 / ((1.0 - GAMMA) + GAMMA * p_stop)
        value = discounted * jnp.sum(pi * payoff, axis=1, keepdims=True)
        ratio = w_s * (log_pi - nn.log_softmax(z_ref))
        mean_ratio = jnp.sum(pi * ratio, axis=1, keepdims=True)
        drift = l - l_ref
        kl_decision = s * drift - nn.softplus(l) + nn.softplus(l_ref)
        penalty = visits * (mean_ratio + DECISION_WEIGHT * jnp.sum(pi * kl_decision, axis=1, keepdims=True))
        weight = rho[:, None]
        advantage = payoff + (1.0 - s) * GAMMA * value - value
        grad_z = weight * pi * (discounted * advantage - BETA * visits * (ratio - mean_ratio))
        margin = r_stop - r_resample - GAMMA * value
        grad_l = weight * pi * s * (1.0 - s) * (discounted * margin - BETA * DECISION_WEIGHT * visits * drift)
        return jnp.sum(weight * (value - BETA * penalty)), (grad_z, grad_l)

    return _jax_call(jax, problem, jax.jit(value_and_gradient))


def _jax_call(jax: Any, problem: Problem, function: Any) -> Callable[[], Outcome]:
    z, l, *fixed = (jax.numpy.asarray(array) for array in problem.arrays())

    def call() -> Outcome:
        objective, (grad_z, grad_l) = jax.block_until_ready(function((z, l), *fixed))
        return float(objective), grad_z, grad_l

    return call


def torch_autograd(torch: Any, problem: Problem) -> Callable[[], Outcome]:
    """Return PyTorch: forward pass and autograd, the penalty's visits and coefficients detached."""
    z, l, z_ref, l_ref, r_stop, r_resample, w_s, rho = (torch.from_numpy(array) for array in problem.arrays())
    z.requires_grad_()
    l.requires_grad_()
    softplus = torch.nn.functional.softplus

    def call() -> Outcome:
        log_pi = torch.log_softmax(z, dim=1)
        pi, s = log_pi.exp(), torch.sigmoid(l)
        p_stop = (pi * s).sum(dim=1)
        value = (pi * (s * r_stop + (1.0 - s) * r_resample)).sum(dim=1) / ((1.0 - GAMMA) + GAMMA * p_stop)
        kl_decision = s * (l - l_ref) - softplus(l) + softplus(l_ref)
        sampling = (pi * (w_s * (log_pi.detach() - torch.log_softmax(z_ref, dim=1)))).sum(dim=1)
        decision = (pi.detach() * kl_decision).sum(dim=1) * DECISION_WEIGHT
        objective = (rho * (value - BETA * (1.0 / p_stop).detach() * (sampling + decision))).sum()
        grad_z, grad_l = torch.autograd.grad(objective, (z, l))
        return float(objective.detach()), grad_z, grad_l

    return call


def run(repeats: int = 7, prompts: int = 100_000, answers: int = 64) -> Report:
    """Time all contenders, compare their numbers, measure extra memory."""
    threads = available_threads()
    problem = make_problem(prompts, answers)
    report = Report("W1", f"value and gradient of reward + direct KL, {prompts:,} prompts x {answers} answers, {threads} threads")

    package, fresh = "this package", "this package, results in fresh memory"
    copy = f"copy of inputs and outputs, {threads} threads"
    autodiff, by_hand, autograd = "JAX, jitted value_and_grad", "JAX, jitted, gradient derived by hand", "PyTorch autograd"
    contenders: dict[str, Callable[[], Any]] = {package: ours(problem), fresh: ours(problem, fresh=True)}
    contenders[copy] = parallel_copy([*problem.arrays(), np.zeros_like(problem.z), np.zeros_like(problem.l)], threads)
    library = "this package, through chain, policy and objective"
    contenders[library] = through_the_library(problem)
    peers: dict[str, Callable[[], Outcome]] = {"plain NumPy, in blocks": plain_numpy(problem)}
    jax, torch = load_jax(), load_torch(threads)
    if jax is None:
        report.notes.append(f"JAX is not installed: {HOW_TO_INSTALL}.")
    else:
        peers |= {autodiff: jax_autodiff(jax, problem), by_hand: jax_by_hand(jax, problem)}
    if torch is None:
        report.notes.append(f"PyTorch is not installed: {HOW_TO_INSTALL}.")
    else:
        peers[autograd] = torch_autograd(torch, problem)

    objective, grad_z, grad_l = ours(problem)()
    for name, peer in peers.items():
        theirs = peer()
        report.agreement[name] = max(
            abs(objective - theirs[0]) / abs(theirs[0]),
            relative_difference(grad_z, np.asarray(theirs[1])),
            relative_difference(grad_l, np.asarray(theirs[2])),
        )
    _, library_z, library_l = contenders[library]()
    report.agreement[library] = max(relative_difference(grad_z, library_z), relative_difference(grad_l, library_l))
    del grad_z, grad_l, theirs, library_z, library_l  # their memory serves the timed calls

    times = interleaved(contenders | peers, repeats)
    report.rows = rows(times, package)
    ratio = {row.name: row.times_ours for row in report.rows}
    peak = peak_extra_bytes(ours(problem, fresh=True))
    extra = None if peak is None else max(0.0, (peak - 2 * problem.z.nbytes) / 1e6)
    report.targets = [
        Target("speed over jitted JAX (value_and_grad)", ratio.get(autodiff), 8.0, at_least=True, unit="x"),
        Target("speed over PyTorch autograd", ratio.get(autograd), 25.0, at_least=True, unit="x"),
        Target("time over one copy of inputs and outputs", median_ratio(times[package], times[copy]), 3.0, False, "x"),
        Target("extra memory beyond inputs and outputs", extra, 200.0, False, "MB"),
        *(Target(f"difference from {name}", value, 1e-9, at_least=False) for name, value in report.agreement.items()),
    ]
    report.notes.append(
        "The package's results lie in memory that it keeps from earlier results which nobody holds any more (at most 128 MB); "
        "the second row is without that. The copy's destinations are in memory already. JAX with a gradient derived by hand is "
        "what a user gets who does on paper what this package does."
    )
    return report
