"""Check one claim in this process: is it well posed, what does each of its steps come to, and what do they cover together?"""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sympy
from sympy.logic.boolalg import And, Not, Or

from dstheory.claims.claim import Claim
from dstheory.claims.domains import expand_domain, name_of
from dstheory.claims.formulas import TOO_DEEP, domain_latex, domain_text, explained, latex, latex_named, names_in, text
from dstheory.claims.premises import Premises
from dstheory.claims.solver import OUT_OF_TIME
from dstheory.claims.steps.base import ClaimContext, Step, StepContext
from dstheory.claims.steps.enclosure import Enclosure
from dstheory.claims.steps.formula import PointStep
from dstheory.claims.verdicts import (
    BY_DEFINITION,
    EXAMPLES,
    SEED,
    TIME_LIMIT,
    Finding,
    Reach,
    Status,
    StepReport,
    Verdict,
    combine,
)
from dstheory.claims.witnesses import FIRST, find_witness
from dstheory.errors import ClaimError, NotSettledError
from dstheory.typeset import unmarked, words_latex

_LONG = "a formula has a number with more digits than Python writes (4,300 unless it is told otherwise); write a shorter one"


def check(claim: Claim, *, seed: int = SEED, examples: int = EXAMPLES, time_limit: float = TIME_LIMIT) -> Verdict:
    """Check a claim and return its verdict; whatever goes wrong in it becomes part of the verdict.

    Args:
        claim: The claim.
        seed: Seed of the solver and of searches.
        examples: Number of examples of each search.
        time_limit: Seconds of processor time after which the solver is stopped. Work in Python is not interrupted here;
            `dstheory.claims.runner.verify` runs claims in processes of their own and stops them.

    Example:
        >>> import sympy
        >>> from dstheory.claims import UNIT, Claim, decide
        >>> a, b = sympy.symbols("a b")
        >>> wrong = Claim(id="x", statement="a + b exceeds 1.", domain={"a b": UNIT}, proof=[decide("Always?", a + b > 1)])
        >>> check(wrong).witness
        {'a': '1/2', 'b': '1/2'}
    """
    start = time.monotonic()
    assumed: tuple[str, ...] = ()
    try:
        assumed = tuple(text(item) for item in claim.assumptions)
        context = ClaimContext(
            domain=claim.domain_by_name,
            definitions=claim.plain_definitions,
            assumptions=claim.plain_assumptions,
            deadline=time.process_time() + time_limit,
            seed=seed,
            examples=examples,
            file=claim._file or "",
            recorded_witness=claim.recorded_witness,
        )
        steps = claim.steps()
        _require_well_posed(claim, context)
        _require_mentioned(claim, steps)
        reports = [_report(n, step, context) for n, step in enumerate(steps, 1)]
        verdict = _combined(claim, reports)
        try:
            verdict = _reached(claim, context, verdict, steps)
        except NotSettledError as error:
            verdict = replace(verdict, status=Status.UNDECIDED, method="coverage", message=str(error))
        verdict = _conditional(claim, verdict, steps)
    except NotSettledError as error:
        verdict = Verdict(claim.id, Status.UNDECIDED, "well-posedness", message=str(error))
    except Exception as error:
        verdict = failure(claim.id, error)
    return replace(
        verdict,
        scope=claim.reaches + (f"; {verdict.scope}" if verdict.scope else ""),
        assumptions=assumed,
        seed=seed,
        time=time.monotonic() - start,
    )


def failure(claim: str, error: BaseException) -> Verdict:
    """The verdict of a claim that could not be checked: what was wrong with it, or where it crashed."""
    found = _wrong(error)
    return Verdict(claim, found.status, found.method, message=found.detail)


def _require_well_posed(claim: Claim, context: ClaimContext) -> None:
    """Check that definitions and assumptions have a value on the whole domain, and that the assumptions have a point."""
    bare = replace(context, definitions={}, assumptions=())
    try:
        _Frame(words="", given=claim.assumptions, using=claim.definitions).run(bare)
    except ClaimError as error:
        raise type(error)(f"claim {claim.id}, its definitions and assumptions: {error}") from error


def _require_mentioned(claim: Claim, steps: Sequence[Step]) -> None:
    """Refuse definitions that nothing mentions: SymPy may have lost them on the way, and would have checked something else."""
    items = [item for step in steps for item in (*step.formulas, *step.given, *step.using.values())]
    left = {name_of(key) for key in claim.definitions} - names_in(claim.definitions, [*items, *claim.assumptions])
    if left and items:
        name = min(left)
        raise ClaimError(
            f"claim {claim.id} defines {name}, but no step mentions it; leave the definition out, or write derivative({name}, x) "
            f"for the derivative: SymPy makes {name}.diff(x) and Derivative({name}, x) zero before a step is checked"
        )


def _report(number: int, step: Step, context: ClaimContext) -> StepReport:
    start = time.monotonic()
    shown: dict[str, Any] = {"formula": (), "latex": (), "context": "", "context_latex": ""}
    try:
        shown = _shown(step)
        finding = step.check(context)
    except Exception as error:
        finding = _wrong(error)
    if step.lemma and finding.status is Status.REFUTED:
        why = f"this lemma is false ({finding.detail}), so the proof is broken; the statement is open"
        finding = replace(finding, status=Status.UNDECIDED, detail=why)
    shown |= {"words": unmarked(step.words), "words_latex": words_latex(step.words), "time": time.monotonic() - start}
    return StepReport(number=number, kind=step.kind, lemma=step.lemma, **shown, **vars(finding))


def _shown(step: Step) -> dict[str, Any]:
    """A step's formulas, and what holds for this step alone, as text and as LaTeX."""
    domain = expand_domain(step.where)
    context = [f"{text(key)} = {text(value)}" for key, value in step.using.items()]
    context += domain_text(domain) + [text(item) for item in step.given]
    context_latex = [f"{latex(key)} = {latex(value)}" for key, value in step.using.items()]
    context_latex += domain_latex(domain) + [latex(item) for item in step.given]
    return {
        "formula": tuple(map(text, step.formulas)),
        "latex": tuple(map(latex_named, step.formulas)),
        "context": "; ".join(context),
        "context_latex": ", ".join(f"${item}$" for item in context_latex),
    }


def _combined(claim: Claim, reports: list[StepReport]) -> Verdict:
    weakest = combine(reports)
    alike = len({report.status for report in reports}) == 1
    place = f"claim {claim.id}, step {weakest.number}" if weakest.status is Status.ERROR else f"step {weakest.number}"
    message = ": ".join(filter(None, ["" if alike and weakest.status is not Status.ERROR else place, weakest.detail]))
    return Verdict(
        claim=claim.id,
        status=weakest.status,
        method=weakest.method,
        witness=weakest.witness if weakest.status is Status.REFUTED else None,
        residual=weakest.residual if weakest.status is Status.REFUTED else None,
        message=message,
        steps=tuple(reports),
    )


def _reached(claim: Claim, context: ClaimContext, verdict: Verdict, steps: Sequence[Step]) -> Verdict:
    """The verdict with what its proof covers; unchanged if the claim did not come out true.

    An example proves "there is", not "for all"; a definition compared with itself proves nothing; a step under an assumption of
    its own proves the statement only there; a box proves it on the box; what no step mentions was not tried at any value.
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
    seen = {name for step in substantive for name in names_in({**claim.definitions, **step.using}, [*step.formulas, *step.given])}
    missing = [name for name in claim.domain_by_name if name not in seen]
    if missing and len(missing) == len(claim.domain_by_name):
        return replace(verdict, reach=Reach.EXAMPLE, message=f"no step that quantifies mentions {', '.join(missing)}")
    limits = [f"no step says anything about {', '.join(missing)}"] if missing else []
    regions = [_region(context, step) for step in own]
    partial = []
    for step, region in zip(own, regions, strict=True):
        alike = [case if _same(other, step) else [sympy.false] for other, case in zip(own, regions, strict=True)]
        if region and not _covered(context, own, alike):
            partial.append((step, region))
    if len(partial) == len(own):
        if all(_same(step, own[0]) for step in own):
            limits.append("only where " + " or ".join(dict.fromkeys(text(And(*region)) for _, region in partial)))
        else:  # where one formula was checked another was not: their conditions are no cases of one statement
            limits += [f"step {steps.index(step) + 1} only where {text(And(*region))}" for step, region in partial]
        return replace(verdict, reach=Reach.PART, scope="; ".join(limits))
    limits += [f"step {steps.index(step) + 1} where {text(And(*region))}" for step, region in partial]
    if not claim.scope:
        limits += [f"{name} in {item}" for step in own for name, item in expand_domain(step.where).items()]
    return replace(verdict, reach=Reach.PART if missing else Reach.ALL, scope="; ".join(dict.fromkeys(limits)))


def _same(one: Step, other: Step) -> bool:
    """Whether two steps state the same formulas, so that their assumptions are cases of one statement."""
    return one.formulas == other.formulas and dict(one.using) == dict(other.using)


def _region(context: ClaimContext, step: Step) -> list[Any]:
    """What a step assumes beyond the claim: its own premises, and the box of an enclosure. Empty if it assumes nothing."""
    here = StepContext(context, step)
    region = [here.formula(item) for item in step.given]
    if isinstance(step, Enclosure):
        ends = [(item.lower, item.upper) for item in map(here.domain.get, step.lower) if item is not None]
        if ends != list(zip(step.lower.values(), step.upper.values(), strict=True)):
            region += step.region
    return region


def _covered(context: ClaimContext, own: Sequence[Step], regions: Sequence[Sequence[Any]]) -> bool:
    """Whether every point of the domain lies in one of the regions, for all that the solver can tell."""
    domain = dict(context.domain)
    for step in own:
        for name, item in expand_domain(step.where).items():
            if domain.setdefault(name, item) != item:
                return False  # the cases are about symbols of different ranges
    premises = Premises(domain, list(context.assumptions), deadline=context.deadline, seed=context.seed)
    cases = [And(*region, evaluate=False) for region in regions]
    if find_witness(Or(*cases, evaluate=False), premises.assumptions, domain, points=FIRST) is not None:
        return False  # here is a point outside
    answer = premises.ask([Not(Or(*cases, evaluate=False), evaluate=False)], located=False)
    if answer.reason == OUT_OF_TIME:
        raise NotSettledError(f"every step came out, but whether their assumptions cover the domain was not found: {OUT_OF_TIME}")
    return answer.status == "unsat"


def _conditional(claim: Claim, verdict: Verdict, steps: list[Step]) -> Verdict:
    """A claim may say "holds under condition" only if its proof shows a point without the condition where it fails."""
    if not claim.conditional or verdict.status.strength > Status.SEARCHED.strength:
        return verdict
    if not any(isinstance(step, PointStep) and not step.expected for step in steps):
        raise ClaimError(
            f"claim {claim.id} is recorded as holding under a condition, but no counterexample step shows that the "
            "condition is needed"
        )
    return replace(verdict, conditional=True)


def _wrong(error: BaseException) -> Finding:
    """What was wrong with a claim or a step, or where it crashed."""
    error = explained(error)
    if isinstance(error, ClaimError):
        return Finding(Status.ERROR, "not well posed", str(error))
    if isinstance(error, RecursionError):
        return Finding(Status.ERROR, "not well posed", TOO_DEEP)
    if "integer string conversion" in str(error):
        return Finding(Status.ERROR, "not well posed", _LONG)
    frames = traceback.extract_tb(error.__traceback__)
    place = next((f for f in reversed(frames) if "dstheory/claims" not in f.filename.replace("\\", "/")), None)
    where = f" ({place.filename.replace(chr(92), '/').rsplit('/', 1)[-1]}, line {place.lineno})" if place else ""
    return Finding(Status.ERROR, "crash", f"{type(error).__name__}: {error}{where}")


class _Frame(Step):
    """A step without content, to look at the claim's own definitions and assumptions."""

    def run(self, context: ClaimContext) -> Finding:
        """Check that they have values, and the assumptions a point."""
        StepContext(context, self).require_well_posed()
        return Finding(Status.PROVED, "well-posedness")
