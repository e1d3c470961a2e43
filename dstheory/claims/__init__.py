"""Claims: what a statement, a piece of evidence and a verdict are, and how they are checked.

A claim file imports what it needs from here::

    from dstheory.claims import UNIT, Claim, decide, identity

The strongest evidence first: `identity` (exact rational-function arithmetic), `decide` (nonlinear real arithmetic with exactly
checked witnesses), `enclose` (rigorous intervals), `search` (no counterexample found; not a proof). `example` and
`counterexample` evaluate a formula exactly at one point.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dstheory.claims.checking import check
    from dstheory.claims.claim import LEVELS, Claim
    from dstheory.claims.domains import CLOSED_UNIT, COUNT, DISCOUNT, NONNEGATIVE, POSITIVE, REAL, UNIT, Domain, at_least, between
    from dstheory.claims.formulas import derivative
    from dstheory.claims.runner import Report, verify
    from dstheory.claims.steps.base import Step
    from dstheory.claims.steps.enclosure import enclose
    from dstheory.claims.steps.formula import counterexample, decide, example, identity
    from dstheory.claims.steps.search import search
    from dstheory.claims.verdicts import Outcome, Status, StepReport, Verdict
    from dstheory.errors import ClaimError

_NAMES = {
    "claims.checking": "check",
    "claims.claim": "LEVELS Claim",
    "claims.domains": "CLOSED_UNIT COUNT DISCOUNT NONNEGATIVE POSITIVE REAL UNIT Domain at_least between",
    "claims.formulas": "derivative",
    "claims.runner": "Report verify",
    "claims.steps.base": "Step",
    "claims.steps.enclosure": "enclose",
    "claims.steps.formula": "counterexample decide example identity",
    "claims.steps.search": "search",
    "claims.verdicts": "Outcome Status StepReport Verdict",
    "errors": "ClaimError",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = [
    "CLOSED_UNIT",
    "COUNT",
    "DISCOUNT",
    "LEVELS",
    "NONNEGATIVE",
    "POSITIVE",
    "REAL",
    "UNIT",
    "Claim",
    "ClaimError",
    "Domain",
    "Outcome",
    "Report",
    "Status",
    "Step",
    "StepReport",
    "Verdict",
    "at_least",
    "between",
    "check",
    "counterexample",
    "decide",
    "derivative",
    "enclose",
    "example",
    "identity",
    "search",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"dstheory.{_HOME[name]}"), name)
    raise AttributeError(f"module 'dstheory.claims' has no attribute {name!r}")
