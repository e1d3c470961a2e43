"""Check one claim in this process: is it well posed, and what does each of its steps come to?"""

from __future__ import annotations

import time
import traceback
from dataclasses import replace
from typing import Any, NamedTuple

from dstheory.claims.claim import Claim
from dstheory.claims.defaults import EXAMPLES, SEED, TIME_LIMIT
from dstheory.claims.domains import expand_domain
from dstheory.claims.errors import ClaimError, NotSettledError
from dstheory.claims.notation import domain_latex, domain_text, latex, text
from dstheory.claims.reach import reached
from dstheory.claims.steps.base import Bench, Desk, Step
from dstheory.claims.steps.points import PointStep
from dstheory.claims.verdicts import Finding, Status, StepReport, Verdict, combine

__all__ = ["check", "failure"]


def check(
    claim: Claim, *, seed: int = SEED, examples: int = EXAMPLES, time_limit: float = TIME_LIMIT
) -> Verdict:
    """Check a claim and return its verdict; whatever goes wrong in it becomes part of the verdict.

    Parameters
    ----------
    claim
        The claim.
    seed
        Seed of the solver and of searches.
    examples
        Number of examples of each search.
    time_limit
        Seconds of processor time after which the solver is stopped. Work in Python is not interrupted here;
        `dstheory.claims.runner.verify` runs claims in processes of their own and stops them.

    Example
    -------
    >>> import sympy
    >>> from dstheory.claims import UNIT, Claim, decide
    >>> a, b = sympy.symbols("a b")
    >>> wrong = Claim(id="x", statement="a + b exceeds 1.", domain={"a b": UNIT}, proof=[decide("Always?", a + b > 1)])
    >>> check(wrong).witness
    {'a': '1/2', 'b': '1/2'}
    """
    start = time.monotonic()
    try:
        bench = Bench(
            domain=claim.domain_by_name,
            definitions=claim.plain_definitions,
            assumptions=claim.plain_assumptions,
            deadline=time.process_time() + time_limit,
            seed=seed,
            examples=examples,
            recorded_witness=claim.recorded_witness,
        )
        steps = claim.steps()
        _require_well_posed(claim, bench)
        reports = [_report(n, step, bench) for n, step in enumerate(steps, 1)]
        verdict = reached(claim, bench, _combined(claim, reports), steps)
        verdict = _conditional(claim, verdict, steps)
    except NotSettledError as error:
        verdict = Verdict(claim.id, Status.UNDECIDED, "well-posedness", message=str(error))
    except Exception as error:
        verdict = failure(claim.id, error)
    return replace(
        verdict,
        scope=claim.describe()["scope"] + (f"; {verdict.scope}" if verdict.scope else ""),
        assumptions=tuple(text(item) for item in claim.assumptions),
        seed=seed,
        time=time.monotonic() - start,
    )


def failure(claim: str, error: BaseException) -> Verdict:
    """The verdict of a claim that could not be checked: what was wrong with it, or where it crashed."""
    return Verdict(claim, Status.ERROR, "not well posed" if isinstance(error, ClaimError) else "crash", message=_why(error))


def _require_well_posed(claim: Claim, bench: Bench) -> None:
    """Check that definitions and assumptions have a value on the whole domain, and that the assumptions have a point."""
    bare = replace(bench, definitions={}, assumptions=())
    try:
        _Frame(words="", given=claim.assumptions, using=claim.definitions).run(bare)
    except ClaimError as error:
        raise type(error)(f"claim {claim.id}, its definitions and assumptions: {error}") from error


def _report(number: int, step: Step, bench: Bench) -> StepReport:
    start = time.monotonic()
    shown = _Shown()
    try:
        shown = _shown(step)
        finding = step.check(bench)
    except Exception as error:
        finding = Finding(Status.ERROR, "not well posed" if isinstance(error, ClaimError) else "crash", _why(error))
    status, detail = finding.status, finding.detail
    if step.lemma and status is Status.REFUTED:
        status, detail = Status.UNDECIDED, f"this lemma is false ({detail}), so the proof is broken; the statement is open"
    return StepReport(
        number=number,
        words=" ".join(step.words.split()),
        kind=step.kind,
        formula=shown.formula,
        latex=shown.latex,
        context=shown.context,
        context_latex=shown.context_latex,
        lemma=step.lemma,
        status=status,
        method=finding.method,
        detail=detail,
        witness=finding.witness,
        residual=finding.residual,
        time=time.monotonic() - start,
    )


class _Shown(NamedTuple):
    """A step's formulas, and what holds for this step alone, as text and as LaTeX."""

    formula: tuple[str, ...] = ()
    latex: tuple[str, ...] = ()
    context: str = ""
    context_latex: str = ""


def _shown(step: Step) -> _Shown:
    domain = expand_domain(step.where)
    context = [f"{text(key)} = {text(value)}" for key, value in step.using.items()]
    context += domain_text(domain) + [text(item) for item in step.given]
    context_latex = [f"{latex(key)} = {latex(value)}" for key, value in step.using.items()]
    context_latex += domain_latex(domain) + [latex(item) for item in step.given]
    return _Shown(
        formula=tuple(text(item) for item in step.formulas),
        latex=tuple(latex(item) for item in step.formulas),
        context="; ".join(context),
        context_latex=", ".join(f"${item}$" for item in context_latex),
    )


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


def _why(error: BaseException) -> str:
    if isinstance(error, ClaimError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = next((f for f in reversed(frames) if "dstheory/claims" not in f.filename.replace("\\", "/")), None)
    where = f" ({place.filename.replace(chr(92), '/').rsplit('/', 1)[-1]}, line {place.lineno})" if place else ""
    return f"{type(error).__name__}: {error}{where}"


class _Frame(Step):
    """A step without content, to look at the claim's own definitions and assumptions."""

    def run(self, bench: Bench) -> Finding:
        """Check that they have values, and the assumptions a point."""
        Desk(bench, self).require_well_posed()
        return Finding(Status.PROVED, "well-posedness")

    @property
    def formulas(self) -> tuple[Any, ...]:
        """There is nothing to show."""
        return ()
