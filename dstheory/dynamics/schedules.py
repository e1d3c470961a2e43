"""Learning-rate schedules: a factor in [0, 1] for every step."""

from __future__ import annotations

import math
from collections.abc import Callable

from dstheory.errors import ChainError

__all__ = ["SCHEDULES", "Schedule", "schedule"]

Schedule = Callable[[int, int], float]
"""(step, steps) -> factor on the learning rate; steps count from 0."""


def _constant(step: int, steps: int) -> float:
    return 1.0


def _linear(step: int, steps: int) -> float:
    return 1.0 - step / steps


def _cosine(step: int, steps: int) -> float:
    return 0.5 * (1.0 + math.cos(math.pi * step / steps))


SCHEDULES: dict[str, Schedule] = {"constant": _constant, "linear": _linear, "cosine": _cosine}
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
