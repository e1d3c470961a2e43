"""How far a proof reaches: whether its steps say something about every point that the statement is about.

An example proves "there is", not "for all"; a definition compared with itself proves nothing; a step under an assumption of its
own proves the statement only there; a box proves it on the box.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sympy
from sympy.logic.boolalg import And, Not, Or

from dstheory.claims.claim import Claim
from dstheory.claims.domains import expand_domain
from dstheory.claims.setting import Setting
from dstheory.claims.steps.base import Bench, Desk, Step
from dstheory.claims.steps.enclosure import Enclosure
from dstheory.claims.steps.points import PointStep
from dstheory.claims.verdicts import BY_DEFINITION, Reach, Status, Verdict

__all__ = ["reached"]


def reached(claim: Claim, bench: Bench, verdict: Verdict, steps: Sequence[Step]) -> Verdict:
    """The verdict with what its proof covers; unchanged if the claim did not come out true.
    """
    if verdict.status not in (Status.PROVED, Status.DECIDED, Status.ENCLOSED):
        return verdict
    substantive = [
        step
        for step, report in zip(steps, verdict.steps, strict=True)
        if not isinstance(step, PointStep) and report.method != BY_DEFINITION
    ]
    own = [step for step in substantive if not step.lemma]
    if not own:
        if any(isinstance(step, PointStep) and not step.lemma for step in steps):
            return replace(verdict, reach=Reach.EXAMPLE)
        return replace(verdict, reach=Reach.DEFINITION)
    seen = {name for step in substantive for name in _names(claim, step)}
    missing = [name for name in claim.domain_by_name if name not in seen]
    if missing and len(missing) == len(claim.domain_by_name):
        return replace(verdict, reach=Reach.EXAMPLE, message=f"no step that quantifies mentions {', '.join(missing)}")
    limits = [f"no step says anything about {', '.join(missing)}"] if missing else []
    regions = [_region(bench, step) for step in own]
    partial = []
    for step, region in zip(own, regions, strict=True):
        alike = [case if _same(other, step) else [sympy.false] for other, case in zip(own, regions, strict=True)]
        if region and not _covered(bench, own, alike):
            partial.append((step, region))
    if len(partial) == len(own):
        shown = " or ".join(dict.fromkeys(str(And(*region)) for _, region in partial))
        return replace(verdict, reach=Reach.PART, scope="; ".join([*limits, f"only where {shown}"]))
    limits += [f"step {steps.index(step) + 1} where {And(*region)}" for step, region in partial]
    if not claim.domain and not claim.scope:
        limits += [f"{name} in {item}" for step in own for name, item in expand_domain(step.where).items()]
    return replace(verdict, scope="; ".join(dict.fromkeys(limits)))


def _same(one: Step, other: Step) -> bool:
    """Whether two steps state the same formulas, so that their assumptions are cases of one statement."""
    return one.formulas == other.formulas and dict(one.using) == dict(other.using)


def _names(claim: Claim, step: Step) -> set[str]:
    """Names of the symbols of a step, those behind its definitions included."""
    definitions = {_name(key): value for key, value in (*claim.definitions.items(), *step.using.items())}
    names = {symbol.name for item in (*step.formulas, *step.given) for symbol in item.free_symbols}
    new = set(names)
    while new:
        new = {symbol.name for name in new if name in definitions for symbol in sympy.sympify(definitions[name]).free_symbols}
        new -= names
        names |= new
    return names


def _name(key: Any) -> str:
    return key.name if isinstance(key, sympy.Symbol) else str(key)


def _region(bench: Bench, step: Step) -> list[Any]:
    """What a step assumes beyond the claim: its own premises, and the box of an enclosure. Empty if it assumes nothing."""
    desk = Desk(bench, step)
    region = [desk.formula(item) for item in step.given]
    if isinstance(step, Enclosure):
        ends = [(item.lower, item.upper) for item in map(desk.domain.get, step.lower) if item is not None]
        if ends != list(zip(step.lower.values(), step.upper.values(), strict=True)):
            region += step.region
    return region


def _covered(bench: Bench, own: Sequence[Step], regions: Sequence[Sequence[Any]]) -> bool:
    """Whether every point of the domain lies in one of the regions, for all that the solver can tell."""
    domain = dict(bench.domain)
    for step in own:
        for name, item in expand_domain(step.where).items():
            if domain.setdefault(name, item) != item:
                return False  # the cases are about symbols of different ranges
    setting = Setting(domain, list(bench.assumptions), deadline=bench.deadline, seed=bench.seed)
    cases = [And(*region, evaluate=False) for region in regions]
    return setting.ask([Not(Or(*cases, evaluate=False), evaluate=False)]).status == "unsat"
