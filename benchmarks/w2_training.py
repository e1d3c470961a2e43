"""W2: 10,000 exact-gradient steps of the minimal chain for 1,024 settings at once, reward + direct KL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import interleaved, relative_difference, rows
from benchmarks.peers import HOW_TO_INSTALL, load_jax
from benchmarks.reference import train_minimal as reference_training
from benchmarks.report import Report, Target
from dstheory import Policy, TwoStageMDP, train
from dstheory.dynamics import SGD
from dstheory.kernels import train_minimal
from dstheory.kernels.parallel import available_threads
from dstheory.objectives import Reinforce, ReverseKLDirect

__all__ = ["Settings", "make_settings", "ours", "run"]

FloatArray = NDArray[np.float64]

GAMMA, LEARNING_RATE = 0.95, 0.1


@dataclass(frozen=True)
class Settings:
    """Starts, references, penalties and answer weights of B settings."""

    theta: FloatArray  # (B, 3)
    reference: FloatArray  # (B, 3)
    beta: FloatArray  # (B,)
    weight: FloatArray  # (B,) stage weight of the answers; the decision's is 1


def make_settings(runs: int, seed: int = 0) -> Settings:
    """Draw starts near those of the source's simulation, penalties of 0.01 to 0.1, answers of 1 to 64 weighted tokens."""
    rng = np.random.default_rng(seed)
    theta = np.array([0.2, 1.5, 1.0]) + rng.normal(size=(runs, 3))
    return Settings(theta, theta + 0.3 * rng.normal(size=(runs, 3)), 0.01 + 0.09 * rng.random(runs), 64.0 ** rng.random(runs))


def ours(settings: Settings, steps: int) -> Callable[[], FloatArray]:
    """Return this package's computation."""
    return lambda: train_minimal(settings.theta, steps, **_arguments(settings))


def through_the_library(settings: Settings, steps: int) -> Callable[[], FloatArray]:
    """Return the same computation as a user writes it: `train` on the minimal chain, logged at the first and last step."""
    mdp = TwoStageMDP.minimal(gamma=GAMMA, sample_length=settings.weight[:, None, None])
    policy = Policy.minimal(theta=settings.theta)
    reference = Policy.minimal(theta=settings.reference)
    objective = Reinforce() + ReverseKLDirect(reference, beta=settings.beta, length_weight=1.0)
    optimizer = SGD(lr=LEARNING_RATE)
    return lambda: train(mdp, policy, objective, steps=steps, optimizer=optimizer, log_every=steps).policy.parameters[0]


def plain_numpy(settings: Settings, steps: int) -> Callable[[], FloatArray]:
    """Return the NumPy reference, vectorised over settings."""
    return lambda: reference_training(settings.theta, steps, **_arguments(settings))


def _arguments(settings: Settings) -> dict[str, Any]:
    return {
        "learning_rate": LEARNING_RATE,
        "gamma_between": GAMMA,
        "beta": settings.beta,
        "reference": settings.reference,
        "sample_weight": settings.weight[:, None],
    }


def jax_autodiff(jax: Any, settings: Settings, steps: int) -> Callable[[], FloatArray]:
    """Return jitted JAX: grad of one setting's objective, vmapped over settings, inside fori_loop."""
    sigmoid, softplus, frozen = jax.nn.sigmoid, jax.nn.softplus, jax.lax.stop_gradient

    def bernoulli_kl(x: Any, y: Any) -> Any:
        return sigmoid(x) * (x - y) - softplus(x) + softplus(y)

    def objective(theta: Any, reference: Any, beta: Any, weight: Any) -> Any:
        p, a, b = sigmoid(theta)
        p_stop = p * a + (1.0 - p) * (1.0 - b)
        value = p * a / ((1.0 - GAMMA) + GAMMA * p_stop)
        kl_s, kl_c, kl_w = bernoulli_kl(theta, reference)
        penalty = weight * kl_s + frozen(p) * kl_c + frozen(1.0 - p) * kl_w
        return value - beta * frozen(1.0 / p_stop) * penalty

    gradient = jax.vmap(jax.grad(objective))
    return _jax_call(jax, settings, steps, gradient)


def jax_by_hand(jax: Any, settings: Settings, steps: int) -> Callable[[], FloatArray]:
    """Return jitted JAX with the gradient written out, one array per logit over all settings."""
    jnp, sigmoid = jax.numpy, jax.nn.sigmoid

    def gradient(theta: Any, reference: Any, beta: Any, weight: Any) -> Any:
        right, wrong = sigmoid(theta), sigmoid(-theta)
        p, a, b = right.T
        p_, a_, b_ = wrong.T
        p_stop = p * a + p_ * b_
        n, m = 1.0 / ((1.0 - GAMMA) + GAMMA * p_stop), beta / p_stop
        continued = GAMMA * p * a * n
        drift_s, drift_c, drift_w = (theta - reference).T
        by_s = p * p_ * (n * (a + (a_ - b) * continued) - m * weight * drift_s)
        by_c = p * a * a_ * (n * (1.0 - continued) - m * drift_c)
        by_w = p_ * b * b_ * (n * continued - m * drift_w)
        return jnp.stack([by_s, by_c, by_w], axis=1)

    return _jax_call(jax, settings, steps, gradient)


def _jax_call(jax: Any, settings: Settings, steps: int, gradient: Any) -> Callable[[], FloatArray]:
    arrays = [jax.numpy.asarray(a) for a in (settings.reference, settings.beta, settings.weight)]
    theta = jax.numpy.asarray(settings.theta)

    @jax.jit
    def train(start: Any, *fixed: Any) -> Any:
        return jax.lax.fori_loop(0, steps, lambda _, current: current + LEARNING_RATE * gradient(current, *fixed), start)

    return lambda: jax.block_until_ready(train(theta, *arrays))


def run(repeats: int = 7, runs: int = 1_024, steps: int = 10_000) -> Report:
    """Time all contenders and compare the logits at the end."""
    threads = available_threads()
    settings = make_settings(runs)
    report = Report("W2", f"{steps:,} exact-gradient steps of the minimal chain, {runs:,} settings at once, {threads} threads")
    package, autodiff, by_hand = "this package", "JAX, jitted vmap(grad) in fori_loop", "JAX, jitted, gradient derived by hand"
    contenders: dict[str, Callable[[], Any]] = {package: ours(settings, steps)}
    peers: dict[str, Callable[[], Any]] = {"plain NumPy": plain_numpy(settings, steps)}
    peers["this package, through train()"] = through_the_library(settings, steps)
    jax = load_jax()
    if jax is None:
        report.notes.append(f"JAX is not installed: {HOW_TO_INSTALL}.")
    else:
        peers[autodiff] = jax_autodiff(jax, settings, steps)
        peers[by_hand] = jax_by_hand(jax, settings, steps)
    end = ours(settings, steps)()
    report.agreement = {name: relative_difference(end, np.asarray(peer())) for name, peer in peers.items()}
    report.rows = rows(interleaved(contenders | peers, repeats), package)
    ratio = {row.name: row.times_ours for row in report.rows}
    report.targets = [
        Target("speed over jitted, vmapped JAX", ratio.get(autodiff), 8.0, at_least=True, unit="x"),
        Target("speed over JAX with the gradient derived by hand", ratio.get(by_hand), 4.0, at_least=True, unit="x"),
        *(Target(f"difference from {name}", value, 1e-9, at_least=False) for name, value in report.agreement.items()),
    ]
    report.notes.append("JAX takes these steps on one core.")
    return report
