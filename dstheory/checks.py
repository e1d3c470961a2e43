"""Checks that name the place: which prompt, which answer, which value, which rule, what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dstheory.errors import ChainError

__all__ = ["Bools", "Floats", "Ints", "float_array", "readonly", "reject"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_AXES = ("prompt", "answer")
_SHOWN = 3  # the first few offenders are named, the rest counted


def readonly(array: NDArray[Any]) -> NDArray[Any]:
    """Return a view that refuses writes; the caller's own array stays as it was."""
    view = array.view()
    view.flags.writeable = False
    return view


def float_array(value: ArrayLike, what: str) -> Floats:
    """Convert to float64; raise ChainError if the entries are not numbers."""
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ChainError(f"{what}: {value!r} is not an array of numbers; give a number or a rectangular array") from error


def reject(
    bad: NDArray[np.bool_] | np.bool_,
    values: ArrayLike,
    what: str,
    rule: str,
    remedy: str,
    *,
    axes: Sequence[str] = _AXES,
    prompts: Sequence[str] | None = None,
) -> None:
    """Raise ChainError naming the first offending entries of ``values`` where ``bad`` is true; do nothing if none is.

    The last ``len(axes)`` axes of ``bad`` carry those names; axes before them are runs. A prompt is named by
    ``prompts`` when given.

    >>> reject(np.array([[False, True]]), [[0.2, -0.5]], "reward", "must be >= 0", "use a cost", axes=("prompt", "answer"))
    Traceback (most recent call last):
        ...
    dstheory.errors.ChainError: reward at prompt 0, answer 1 is -0.5: must be >= 0; use a cost
    """
    bad = np.asarray(bad)
    if not bad.any():
        return
    values = np.broadcast_to(np.asarray(values), bad.shape)
    total = int(np.count_nonzero(bad))
    # argwhere would list every offender of a table of millions; the first few suffice.
    first = np.flatnonzero(bad.ravel())[:_SHOWN] if total > _SHOWN else np.flatnonzero(bad.ravel())
    places = []
    for flat in first:
        index = np.unravel_index(flat, bad.shape)
        extra = len(index) - len(axes)
        names = [f"run {tuple(int(i) for i in index[:extra])}"] if extra > 0 else []
        for axis, i in zip(axes[max(0, -extra) :], index[max(0, extra) :], strict=True):
            label = prompts[int(i)] if axis == "prompt" and prompts is not None else int(i)
            names.append(f"{axis} {label!r}" if isinstance(label, str) else f"{axis} {label}")
        places.append((", ".join(names), np.asarray(values[index]).item()))
    where = "; ".join(f"{place} is {value!r}" if place else f"is {value!r}" for place, value in places)
    more = f" (and {total - len(places)} more)" if total > len(places) else ""
    joint = " at " if places[0][0] else " "
    raise ChainError(f"{what}{joint}{where}{more}: {rule}; {remedy}")
