"""The engine on ill-posed, empty, clashing and unrelated claims: each gets the outcome that it must get, and says why."""

from __future__ import annotations

import pytest
from quality.engine_cases import CASES, Case

from dstheory.claims import ClaimError, check


def test_there_are_at_least_sixty_that_must_not_hold_and_names_differ():
    assert sum(case.outcome != "holds" for case in CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_the_engine_gives_the_outcome_and_says_why(case: Case):
    try:
        verdict = check(case.build())
    except ClaimError as error:
        outcome, said = "error", str(error)
    else:
        outcome, said = str(verdict.outcome), f"{verdict.method} {verdict.message} {verdict.scope}"
        assert outcome != "error" or verdict.method == "not well posed", verdict.message
    assert (outcome, case.words in said) == (case.outcome, True), said
