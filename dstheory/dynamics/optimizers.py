r"""Optimisers, written for ascent on exact gradients (SGD, heavy-ball momentum, Adam, natural gradient), and schedules.

Each turns the gradient of every parameter block into an update of it. All work on many runs at once: blocks carry run axes in
front, and the learning rate may be one number per run.

Source: Polyak (1964); Kingma and Ba (2015); Amari (1998).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dstheory.attribution import fisher_information
from dstheory.chain.exact import Solution
from dstheory.checks import Floats, float_array, readonly, reject
from dstheory.errors import ChainError
from dstheory.objectives.mass import over_runs

Blocks = tuple[Floats, ...]


@dataclass(frozen=True, eq=False)
class Optimizer(ABC):
    """What optimisers share.

    Args:
        lr: learning rate > 0, a number or one per run.
    """

    lr: ArrayLike = 0.1

    def __post_init__(self) -> None:
        lr = float_array(self.lr, "lr")
        reject(~((lr > 0) & np.isfinite(lr)), lr, "lr", "must be finite and > 0", "a step of 0 learns nothing", axes=())

    def start(self, blocks: Blocks) -> Any:
        """Return the state before the first step."""
        return None

    @abstractmethod
    def direction(self, gradient: Blocks, state: Any, solution: Solution) -> tuple[Blocks, Any]:
        """Return the direction of the update, and the next state."""

    def step(self, blocks: Blocks, gradient: Blocks, state: Any, solution: Solution, factor: float) -> tuple[Blocks, Any]:
        """Return the blocks after one step, and the next state; ``factor`` is the schedule's."""
        direction, state = self.direction(gradient, state, solution)
        # Rates are one per run: they line up with the last run axes, before the axes of the block itself.
        own = blocks[0].ndim - len(solution.policy.runs) if np.ndim(self.lr) else 0
        rate = factor * over_runs(self.lr, own)
        return tuple(readonly(np.asarray(b + rate * d)) for b, d in zip(blocks, direction, strict=True)), state


@dataclass(frozen=True, eq=False)
class SGD(Optimizer):
    """Plain gradient ascent: theta += lr g.

    >>> SGD(lr=0.5).step((np.array([1.0]),), (np.array([2.0]),), None, None, 1.0)[0]
    (array([2.]),)
    """

    def direction(self, gradient: Blocks, state: Any, solution: Solution) -> tuple[Blocks, Any]:
        """Return the gradient itself."""
        return gradient, state


@dataclass(frozen=True, eq=False)
class Momentum(Optimizer):
    """Heavy ball: v = momentum v + g, theta += lr v.

    Args:
        momentum: in [0, 1).
    """

    momentum: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        _in_unit("momentum", self.momentum)

    def start(self, blocks: Blocks) -> Blocks:
        """Return zero velocity."""
        return tuple(np.zeros_like(b) for b in blocks)

    def direction(self, gradient: Blocks, state: Blocks, solution: Solution) -> tuple[Blocks, Blocks]:
        """Return the velocity."""
        velocity = tuple(self.momentum * v + g for v, g in zip(state, gradient, strict=True))
        return velocity, velocity


@dataclass(frozen=True, eq=False)
class Adam(Optimizer):
    """Adam with bias correction: theta += lr m / (sqrt(v) + eps), per coordinate.

    Args:
        beta1, beta2: decay of the first and second moment, in [0, 1).
        eps: > 0.

    >>> (block,), _ = Adam(lr=0.1).step((np.zeros(2),), (np.array([1e-3, 50.0]),), Adam().start((np.zeros(2),)), None, 1.0)
    >>> block.round(4).tolist()  # the first step does not depend on the gradient's size
    [0.1, 0.1]
    """

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        _in_unit("beta1", self.beta1)
        _in_unit("beta2", self.beta2)
        if not self.eps > 0:
            raise ChainError(f"eps is {self.eps}: must be > 0")

    def start(self, blocks: Blocks) -> tuple[int, Blocks, Blocks]:
        """Return step 0 and zero moments."""
        zeros = tuple(np.zeros_like(b) for b in blocks)
        return 0, zeros, zeros

    def direction(self, gradient: Blocks, state: tuple[int, Blocks, Blocks], solution: Solution) -> tuple[Blocks, Any]:
        """Return the bias-corrected ratio of moments."""
        t, first, second = state
        t += 1
        first = tuple(self.beta1 * m + (1 - self.beta1) * g for m, g in zip(first, gradient, strict=True))
        second = tuple(self.beta2 * v + (1 - self.beta2) * g * g for v, g in zip(second, gradient, strict=True))
        c1, c2 = 1 - self.beta1**t, 1 - self.beta2**t
        return tuple(m / c1 / (np.sqrt(v / c2) + self.eps) for m, v in zip(first, second, strict=True)), (t, first, second)


@dataclass(frozen=True, eq=False)
class NaturalGradient(Optimizer):
    r"""Natural gradient: theta += lr :math:`(F + damping)^{+} g`, F the Fisher information under the undiscounted occupancy.

    In tabular form the sampling block of one state solves :math:`\delta_y = g_y/(d \pi_y)` up to a constant, which changes no
    probability; the solution that sums to zero is taken. Where there is no Fisher information and no damping nothing moves; of
    a policy with features, that is where an eigenvalue is below 1e-13 of the largest.

    Args:
        damping: >= 0, added to the Fisher information's diagonal; keeps steps bounded where a probability vanishes.

    >>> from dstheory import Policy, Reinforce, TwoStageMDP, train
    >>> start = Policy.minimal(p=0.55, a=0.8, b=0.3)
    >>> result = train(TwoStageMDP.minimal(), start, Reinforce(), steps=5, optimizer=NaturalGradient(lr=0.1))
    >>> bool(result.policy.p > start.p)
    True
    """

    damping: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.damping >= 0 and np.isfinite(self.damping)):
            raise ChainError(f"damping is {self.damping}: must be finite and >= 0")

    def direction(self, gradient: Blocks, state: Any, solution: Solution) -> tuple[Blocks, Any]:
        """Return the damped natural gradient."""
        solution.finite_visits  # a chain that never ends has no Fisher information: an error says so  # noqa: B018
        info = fisher_information(solution)
        policy = solution.policy
        if policy.features is not None:
            matrix = info.sample + info.decide
            eye = np.eye(matrix.shape[-1])
            inverse = np.linalg.pinv(matrix + self.damping * eye, rcond=1e-13, hermitian=True)
            return (np.einsum("...pq,...q->...p", inverse, gradient[0]),), state
        g_s, g_d = gradient
        # With D = diag(w) + damping, w = d pi, the block is D - w w^T / sum(w). Sherman and Morrison's correction, simplified by
        # sum(g) = 0: the multiple of w/D (of 1, without damping) that makes the step sum to zero.
        curvature = info.sample + self.damping
        possible = (policy.sample_logits > -np.inf) & (curvature > 0)
        step = np.divide(g_s, curvature, out=np.zeros_like(g_s), where=possible)
        shape = np.divide(info.sample, curvature, out=np.zeros_like(g_s), where=possible)
        total = shape.sum(axis=-1, keepdims=True)
        excess = np.divide(step.sum(axis=-1, keepdims=True), total, out=np.zeros_like(total), where=total > 0)
        step = step - shape * excess
        curvature = info.decide + self.damping
        return (step, np.divide(g_d, curvature, out=np.zeros_like(g_d), where=(g_d != 0) & (curvature > 0))), state


def _in_unit(name: str, value: float) -> None:
    if not 0.0 <= value < 1.0:
        raise ChainError(f"{name} is {value}: must lie in [0, 1)")


Schedule = Callable[[int, int], float]
"""(step, steps) -> factor on the learning rate; steps count from 0."""


SCHEDULES: dict[str, Schedule] = {
    "constant": lambda step, steps: 1.0,
    "linear": lambda step, steps: 1.0 - step / steps,
    "cosine": lambda step, steps: 0.5 * (1.0 + math.cos(math.pi * step / steps)),
}
"""constant; linear to 0; half a cosine to 0."""


def schedule(name: str, *, warmup: int = 0) -> Schedule:
    """Return a schedule by name, with a linear warm-up over the first ``warmup`` steps.

    Args:
        name: a key of :data:`SCHEDULES`.
        warmup: steps >= 0 over which the factor rises linearly from 1/warmup of its value.

    Raises:
        ChainError: an unknown name, or a negative warm-up.

    >>> s = schedule("linear", warmup=2)
    >>> [s(k, 4) for k in range(4)]
    [0.5, 0.75, 0.5, 0.25]
    """
    if name not in SCHEDULES:
        raise ChainError(f"there is no schedule {name!r}: known are {', '.join(sorted(SCHEDULES))}")
    if warmup < 0:
        raise ChainError(f"warmup is {warmup}: must be >= 0")
    base = SCHEDULES[name]
    if warmup == 0:
        return base
    return lambda step, steps: min(1.0, (step + 1) / warmup) * base(step, steps)
