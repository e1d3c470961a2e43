"""From arguments to a plan: every name, value and size of a sweep is checked before anything is computed.

Source: derived here.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.checks import whole_number
from dstheory.dynamics.sweeps.evaluate import Plan
from dstheory.dynamics.sweeps.grid import RUN, Axis, Grid, parse_grid
from dstheory.dynamics.sweeps.parameters import PARAMETERS, Of, lookup_parameter
from dstheory.dynamics.sweeps.problem import CONDITIONS, Chain
from dstheory.errors import DSTheoryError

__all__ = ["plan_sweep", "size_text"]


def plan_sweep(
    grid: Mapping[str, Any] | Iterable[str],
    *,
    of: Of,
    fixed: Mapping[str, Any],
    mdp: TwoStageMDP | None = None,
    start: Policy | None = None,
    reference: Policy | None = None,
    objectives: Sequence[str] = (),
    runs: int = 1,
    log_every: int = 0,
    max_size: float | None = None,
    name: str = "",
) -> Plan:
    """Return a sweep that is ready to run: every name, value and size checked. Arguments as of :func:`sweep`.

    Args:
        name: how messages call the chain.
    """
    if of not in ("optimum", "simulate"):
        raise DSTheoryError(f"of is {of!r}: must be 'optimum' or 'simulate'")
    minimal = mdp is None
    axes = list(parse_grid(grid, of, minimal=minimal).axes)
    swept = {axis.name for axis in axes}
    values = _fixed(fixed, swept, of, minimal)
    if of == "simulate":
        if "objective" not in swept:
            chosen = tuple(objectives) or ((values.pop("objective"),) if "objective" in values else CONDITIONS)
            if len(set(chosen)) < len(chosen):
                raise DSTheoryError("an objective was given twice: every objective needs its own place")
            axes.append(Axis(PARAMETERS["objective"], tuple(chosen)))
        elif objectives:
            raise DSTheoryError("objectives are both given and swept: do one of the two")
        compared = next(axis.values for axis in axes if axis.name == "objective")
        if not set(compared) & set(CONDITIONS):  # each objective has its own strengths; a reward has no KL unless asked
            values = {key: value for key, value in values.items() if key not in ("beta", "alpha") or key in fixed}
        if whole_number(runs, "runs", low=1) > 1:
            axes.append(Axis(RUN, tuple(range(runs))))
        if whole_number(log_every, "log_every", low=0) and "steps" in swept:
            raise DSTheoryError("log_every needs one number of steps, and steps is swept: leave one of them out")
    elif objectives or runs != 1 or log_every:
        raise DSTheoryError("objectives, runs and log_every belong to training: an optimum has none; use of='simulate'")
    plan = Plan(of, Grid(tuple(axes)), values, _chain(mdp, start, reference, name), runs, log_every)
    _refuse_large(plan, max_size)
    plan.check()
    return plan


def _fixed(fixed: Mapping[str, Any], swept: set[str], of: Of, minimal: bool) -> dict[str, Any]:
    """Return the parameters that have one value, with the defaults of those that are not mentioned."""
    given: dict[str, Any] = {}
    for key, value in fixed.items():
        parameter = lookup_parameter(key, of, minimal=minimal)
        if parameter.name in swept:
            raise DSTheoryError(f"{parameter.name} is both fixed and swept: do one of the two")
        given[parameter.name] = parameter.value(value, of)
    parts = [name for name in ("answer_length_correct", "answer_length_wrong") if name in given]
    if "answer_length" in swept and parts:
        raise DSTheoryError(f"answer_length is swept and {parts[0]} is fixed: sweep the lengths of both kinds of answers, or one")
    training = {name for name, parameter in PARAMETERS.items() if parameter.of == ("simulate",)} | {
        "beta", "length_weight", "reduction",
    }  # fmt: skip
    for name, parameter in PARAMETERS.items():
        wanted = of in parameter.of and (minimal or name in training) and (parameter.default is not None or parameter.optional)
        if wanted and name not in swept and name not in given:
            given[name] = parameter.default
    return given


def _chain(mdp: TwoStageMDP | None, start: Policy | None, reference: Policy | None, name: str) -> Chain:
    if mdp is None:
        if start is not None or reference is not None:
            raise DSTheoryError("a start or a reference needs its chain: give mdp too, or describe M0 by p, a, b")
        return Chain()
    begin = Policy.uniform(mdp) if start is None else start
    return Chain(mdp, begin, begin if reference is None else reference, name or "given")


def _refuse_large(plan: Plan, max_size: float | None) -> None:
    limit = _half_of_memory() if max_size is None else float(max_size)
    if plan.bytes > limit:
        product = " x ".join(f"{len(axis.values):,} {axis.name}" for axis in plan.grid.axes)
        what = "half of the memory that is free" if max_size is None else "the largest size allowed"
        raise DSTheoryError(
            f"the sweep has {plan.grid.size:,} settings ({product}): its result would take {size_text(plan.bytes)}, more than "
            f"{size_text(limit)}, {what}; use fewer values, or allow more with max_size (--max-size)"
        )


def _half_of_memory() -> float:
    with contextlib.suppress(OSError, ValueError, IndexError), open("/proc/meminfo", encoding="ascii") as lines:
        for line in lines:
            if line.startswith("MemAvailable:"):
                return 512.0 * float(line.split()[1])
    return 0.5 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def size_text(size: float) -> str:
    """Return a number of bytes for people.

    >>> size_text(97_000_000)
    '97 MB'
    """
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}" if size / factor < 1000 else f"{size / factor:,.0f} {unit}"
    return f"{size:.0f} bytes"
