"""Searches: no counterexample among the examples that Hypothesis tries. The weakest evidence, and named so."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from sympy.logic.boolalg import BooleanAtom

from dstheory.claims.steps.base import ClaimContext, Step
from dstheory.claims.verdicts import Finding, Status
from dstheory.errors import ClaimError


class _Falsified(Exception):
    """The predicate was false for an example; raised so that Hypothesis shrinks towards the smallest one."""


@dataclass(frozen=True)
class Search(Step):
    """A Python predicate holds for every example drawn from its strategies; there is no formula to show."""

    predicate: Callable[..., Any]
    strategies: dict[str, Any] = field(default_factory=dict)
    kind: ClassVar[str] = "search"

    def run(self, context: ClaimContext) -> Finding:
        """Draw examples; report the shrunk one for which the predicate is false."""
        import hypothesis
        from hypothesis import HealthCheck, Phase, Verbosity, settings

        last: dict[str, str] = {}
        count = 0

        def body(**drawn: Any) -> None:
            nonlocal count
            count += 1
            if not self._agrees(drawn):
                last.clear()
                last.update({name: repr(value) for name, value in drawn.items()})
                raise _Falsified

        profile = settings(
            max_examples=context.examples,
            deadline=None,
            database=None,
            report_multiple_bugs=False,
            print_blob=False,
            verbosity=Verbosity.quiet,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        test = hypothesis.seed(context.seed)(profile(hypothesis.given(**self.strategies)(body)))
        with contextlib.suppress(_Falsified):
            test()
            if count == 0:
                raise ClaimError("the search tried no example; widen its strategies")
            return Finding(Status.SEARCHED, "search", f"no counterexample in {count} examples, seed {context.seed}")
        return Finding(Status.REFUTED, "search", f"found and shrunk by a search, seed {context.seed}", dict(last))

    def _agrees(self, drawn: dict[str, Any]) -> bool:
        try:
            answer = self.predicate(**drawn)
        except AssertionError:
            return False
        if answer is None:
            return False
        if not isinstance(answer, bool | np.bool_ | BooleanAtom):
            raise ClaimError(f"the predicate of a search answers True or False; for {drawn} it returned {answer!r}")
        return bool(answer)


def search(words: str, predicate: Callable[..., Any], *, lemma: bool = False, **strategies: Any) -> Step:
    """A step that says that a Python predicate holds for every example: "not refuted", never "proved".

    Args:
        words: What the step says, with the tolerance if the predicate has one.
        predicate: Called with one keyword argument per strategy. It returns whether the example agrees with the statement; an
            ``AssertionError`` counts as "no", any other exception is a crash of the claim.
        strategies: Hypothesis strategies, by argument name.

    Example:
        >>> from hypothesis import strategies as st
        >>> from dstheory.claims import Claim, check
        >>> step = search("Squares exceed their root.", lambda n: n * n > n, n=st.integers(0, 10**6))
        >>> check(Claim(id="x", statement="...", proof=[step])).witness
        {'n': '0'}
    """
    if not strategies:
        raise ClaimError("a search needs at least one Hypothesis strategy by argument name, for instance n=integers()")
    return Search(words, predicate, strategies, lemma=lemma)
