r"""Whether rounding leaves the rows of a gradient their digits; a gradient that it does not leave them is refused.

A row may be what is left of terms that cancel: off policy, after 1e11 turns, of chances by whose difference it is divided. It is
therefore computed twice more, every operation rounded down and every operation rounded up. What the three have in common is
known. Where they differ by more than 1e-10 of a row's largest entry, too little is.

This is asked where a decision is rarer than one in a thousand, or an answer than one in a thousand times the number of answers,
under the policy or under any other that the objective holds. It costs twice the gradient there; elsewhere too little cancels.
Large tables of compiled loops, which state their own error (:mod:`dstheory.objectives.fused`), are not asked, nor is anything
where the directions of rounding cannot be set.

Source: W. Kahan, "How futile are mindless assessments of roundoff in floating-point computation?" (2006), which finds no such
scheme without gaps, and this one the most useful: rounding that goes wrong alike in all directions stays unseen. Of thousands of
chains at the edges of floating point, it did in a few rows, most of them smaller than 1e-150.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from dstheory.chain.exact import Solution, solve
from dstheory.chain.policy import Policy
from dstheory.checks import Floats
from dstheory.errors import ChainError
from dstheory.objectives.fused import applies
from dstheory.objectives.mass import StageGradient
from dstheory.objectives.rounding import directions, rounded

T = TypeVar("T")
STAGES = ("sample", "decide")

_APART = 1e-10  # of a row's largest entry, by which directions may differ: now and then that is a tenth of the error
_NOTHING = 1e-290  # rows below have lost digits to underflow; they move nothing
_UNDERFLOW = 1e-145  # about the smallest number over a chance of 1e-179
_LOG_SMALLEST = np.log(np.finfo(float).smallest_subnormal)
_RARE, _FAR = 1e-3, 7.0  # a chance, and a logit of it


def refuse_not_finite(objective: Any, solution: Solution, found: StageGradient) -> None:
    """Raise ChainError where a gradient is infinite or no number."""
    for stage, block in (("sample", found.sample), ("decide", found.decide)):
        if not np.isfinite(block).all():
            at = np.unravel_index(int(np.argmin(np.isfinite(block))), block.shape)
            raise ChainError(
                f"gradient of {objective.name} at {_place(stage, at[:-1], solution)} is {block[at]}: must be finite; "
                "rewards, lengths and logits are too large together"
            )


def refuse_lost_digits(objective: Any, solution: Solution, found: StageGradient, stages: Sequence[str] = STAGES) -> None:
    """Raise ChainError where the directions of rounding leave less than nine digits of a row of a gradient.

    Args:
        objective: whose gradient it is. Each term of a sum is asked for its own digits: at an optimum nothing is left of the sum.
        solution: the chain under the policy.
        found: the gradient.
        stages: which rows are asked.
    """
    if not stages or applies(solution) or not (_far_apart(solution.policy) or _far_apart(objective)):
        return
    ways = directions()
    for each in objective.summands if ways else ():
        own = found if each is objective else each.ascent(solution)
        _compare(each, solution, [own, *(_directed(each, solution, own, way) for way in ways)], stages)


def _directed(objective: Any, solution: Solution, found: StageGradient, direction: int) -> StageGradient:
    """Return the gradient, computed with every operation rounded in one direction."""
    known: dict[int, Policy] = {}
    one, policy = _afresh(objective, known), _afresh(solution.policy, known)
    try:
        with rounded(direction), np.errstate(all="ignore"):
            again: StageGradient = one.ascent(solve(solution.mdp, policy))
    except ChainError:  # what is refused after other roundings has no digits
        return StageGradient(found.sample + np.inf, found.decide + np.inf)
    return again


def _compare(objective: Any, solution: Solution, gradients: list[StageGradient], stages: Sequence[str]) -> None:
    for stage in stages:
        blocks = np.stack([getattr(g, stage) for g in gradients])
        with np.errstate(over="ignore", invalid="ignore"):
            top, apart = np.abs(blocks[0]).max(axis=-1), np.abs(blocks - blocks[0]).max(axis=-1)
        off = apart.max(axis=0)
        # Of what underflows, rounding up leaves the smallest number, which a rare chance may divide, and down leaves nothing.
        underflows = (top < _NOTHING) & (off >= _NOTHING) & (apart[1] == 0.0) & (off < _UNDERFLOW)
        if underflows.any():
            log = np.log(off, out=np.zeros_like(off), where=underflows) - _LOG_SMALLEST + _log_chance(objective, solution, stage)
            underflows &= log < np.log(_NOTHING)
        nothing = ((top < _NOTHING) & (off < _NOTHING)) | underflows
        with np.errstate(over="ignore"):  # of a row that is nothing beside what rounding makes of it
            lost = np.divide(off, top, out=np.full(top.shape, np.inf), where=top > 0)
        bad = ~nothing & ~(lost <= _APART)
        if bad.any():
            at = np.unravel_index(int(np.argmax(bad)), bad.shape)
            if top[at] > 0:
                moved = f"by {float(lost[at]):.1g} of its size: must be at most {_APART:g} for nine digits"
                how = f"{moved}; terms that cancel leave too few digits"
            else:
                how = f"from 0: its terms underflow or cancel; a chance that counts must be at least {_NOTHING:g}"
            raise ChainError(
                f"rounding of {objective.name} at {_place(stage, at, solution)} moves it {how}: use a less extreme policy, "
                "a sampler nearer to it, or fewer turns"
            )


def _log_chance(objective: Any, solution: Solution, stage: str) -> Floats:
    """Return a bound on the logarithm of the chance that a row of a gradient is a multiple of, (*runs, K, X) as the row itself.

    It is that of the second likeliest answer, or of the likeliest one times both of its decisions, each under whichever of the
    policies makes it most likely. A row of a policy that is the same at every turn is a sum over the turns of the others.
    """
    all_of = [(p.log_sample, p.log_stop, p.log_resample) for p in (solution.policy, *_policies(objective))]
    answer, stop, resample = (functools.reduce(np.maximum, logs) for logs in zip(*all_of, strict=True))
    first = np.arange(answer.shape[-1]) == answer.argmax(axis=-1)[..., None]
    each = answer + stop + resample if stage == "decide" else np.where(first, -np.inf, answer)
    chance = np.asarray(each.max(axis=-1))
    return chance if chance.shape[-2] == solution.policy.shape[0] else np.logaddexp.reduce(chance, axis=-2, keepdims=True)


def _policies(part: Any) -> list[Policy]:
    """Return the policies that an objective holds."""
    if isinstance(part, Policy):
        return [part]
    held = part if isinstance(part, tuple) else vars(part).values() if dataclasses.is_dataclass(part) else ()
    return [policy for each in held for policy in _policies(each)]


def _place(stage: str, at: tuple[Any, ...], solution: Solution) -> str:
    """Return which row of logits is meant."""
    rows = "sampling logits" if stage == "sample" else "stop logits"
    *_, turn, prompt = (int(i) for i in at)
    return f"the {rows} (turn {turn}, {solution.mdp.prompt_name(prompt)})"


def _afresh(part: T, known: dict[int, Policy]) -> T:
    """Return an objective, or a part of one, whose policies have computed nothing yet."""
    if isinstance(part, Policy):
        return known.setdefault(id(part), Policy(*part.__reduce__()[1]))  # type: ignore[return-value]
    if isinstance(part, tuple):
        return tuple(_afresh(item, known) for item in part)  # type: ignore[return-value]
    if not dataclasses.is_dataclass(part):
        return part
    new = copy.copy(part)
    for field in dataclasses.fields(part):
        object.__setattr__(new, field.name, _afresh(getattr(part, field.name), known))
    return new


def _far_apart(part: Any) -> bool:
    """Return whether an action is rarer than one in a thousand, or so, under a policy or under one of an objective's."""
    if isinstance(part, Policy):
        p, u = part.sample_prob, part.stop_logits
        rare = _RARE / p.shape[-1]
        if u.max() > _FAR or u.min() < -_FAR:
            return True
        return bool(p.min() < rare) and bool(((p < rare) & (part.sample_logits > -np.inf)).any())
    known = vars(part)  # neither an objective nor a policy of its changes
    if "_far_apart" not in known:
        known["_far_apart"] = any(map(_far_apart, _policies(part)))
    return bool(known["_far_apart"])
