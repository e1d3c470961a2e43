"""Searches: no counterexample among the examples that Hypothesis tries. The weakest evidence, and named so."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from sympy.logic.boolalg import BooleanAtom

from dstheory.claims.errors import ClaimError
from dstheory.claims.steps.base import Bench, Step
from dstheory.claims.verdicts import Finding, Status

__all__ = ["Search", "search"]


class _Falsified(Exception):
    """The predicate was false for an example; raised so that Hypothesis shrinks towards the smallest one."""


@dataclass(frozen=True, kw_only=True)
class Search(Step):
    """A predicate holds for every example drawn from its strategies."""

    predicate: Callable[..., Any]
    strategies: dict[str, Any] = field(default_factory=dict)
    kind: ClassVar[str] = "search"

    @cached_property
    def formulas(self) -> tuple[Any, ...]:
        """A search checks a Python predicate: there is no formula to show."""
        return ()

    def run(self, bench: Bench) -> Finding:
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
            max_examples=bench.examples,
            deadline=None,
            database=None,
            report_multiple_bugs=False,
            print_blob=False,
            verbosity=Verbosity.quiet,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        test = hypothesis.seed(bench.seed)(profile(hypothesis.given(**self.strategies)(body)))
        with contextlib.suppress(_Falsified):
            test()
            if count == 0:
                raise ClaimError("the search tried no example; widen its strategies")
            return Finding(Status.SEARCHED, "search", f"no counterexample in {count} examples, seed {bench.seed}")
        return Finding(Status.REFUTED, "search", f"found and shrunk by a search, seed {bench.seed}", dict(last))

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

    Parameters
    ----------
    words
        What the step says, with the tolerance if the predicate has one.
    predicate
        Called with one keyword argument per strategy. It returns whether the example agrees with the statement; an
        ``AssertionError`` counts as "no", any other exception is a crash of the claim.
    strategies
        Hypothesis strategies, by argument name.

    Example
    -------
    >>> from hypothesis import strategies as st
    >>> from dstheory.claims import Claim, check
    >>> step = search("Squares exceed their root.", lambda n: n * n > n, n=st.integers(0, 10**6))
    >>> check(Claim(id="x", statement="...", proof=[step])).witness
    {'n': '0'}
    """
    if not strategies:
        raise ClaimError("a search needs at least one Hypothesis strategy by argument name, for instance n=integers()")
    return Search(words=words, predicate=predicate, strategies=strategies, lemma=lemma)
