"""A verdict is the same whatever ran before, whatever else is loaded, and however slow the machine is."""

from __future__ import annotations

import sys
from fractions import Fraction
from types import ModuleType

import sympy as sp
from hypothesis import strategies as st

from dstheory.claims import UNIT, Claim, between, check, decide, search
from dstheory.claims.premises import Premises
from dstheory.claims.solver import OUT_OF_TIME, Answer

x, y = sp.symbols("x y")


def examples():
    """The examples of a search."""
    seen: list[int] = []
    step = search("", lambda n: seen.append(n) or True, n=st.integers(0, 10**9))
    check(Claim(id="c", statement="S.", proof=[step]), examples=400)
    return seen


def test_the_examples_of_a_search_depend_on_its_seed_and_not_on_what_is_loaded(tmp_path, monkeypatch):
    before = examples()
    path = tmp_path / "somebody_s.py"
    path.write_text(f"NUMBERS = {list(range(10**6, 10**7, 77_777))}\n")
    module = ModuleType("somebody_s")
    module.__file__ = str(path)
    monkeypatch.setattr("hypothesis.internal.constants_ast.is_local_module_file", lambda file: file == str(path))
    monkeypatch.setattr("hypothesis.internal.conjecture.providers.is_local_module_file", lambda file: file == str(path))
    monkeypatch.setitem(sys.modules, "somebody_s", module)
    assert examples() == before


def late(self, *args, **kwargs):
    return Answer("unknown", reason=OUT_OF_TIME)


def test_whether_cases_cover_the_domain_is_undecided_when_time_runs_out_and_no_condition(monkeypatch):
    """On a slow machine the claim held "under condition"; nothing said that time had run out."""
    cases = [decide("", x * y < 1, given=[x <= y]), decide("", x * y < 1, given=[x > y])]
    claim = Claim(id="c", statement="S.", domain={"x y": UNIT}, proof=cases)
    assert check(claim).outcome == "holds"
    ask = Premises.ask
    monkeypatch.setattr(Premises, "ask", lambda self, *a, located=True: ask(self, *a) if located else late(self))
    verdict = check(claim)
    assert (verdict.outcome, verdict.method) == ("undecided", "coverage")
    assert verdict.message.endswith("cover the domain was not found: time limit")
    assert len(verdict.steps) == 2


def test_cases_that_the_solver_does_not_know_to_cover_the_domain_are_a_condition(monkeypatch):
    cases = [decide("", x * y < 1, given=[x <= y]), decide("", x * y < 1, given=[x > y])]
    claim = Claim(id="c", statement="S.", domain={"x y": UNIT}, proof=cases)
    ask, unknown = Premises.ask, Answer("unknown", reason="incomplete")
    monkeypatch.setattr(Premises, "ask", lambda self, *a, located=True: ask(self, *a) if located else unknown)
    assert check(claim).outcome == "holds under condition"


def test_a_sign_that_was_not_found_in_time_is_said_to_be_so(monkeypatch):
    step = decide("", sp.log(2 + x**3 - y) > 0)
    claim = Claim(id="c", statement="S.", domain={"x y": between(0, Fraction(1, 2))}, proof=[step])
    assert check(claim).outcome == "holds"
    ask = Premises._ask

    def hurried(self, *args, with_facts, **options):
        return ask(self, *args, with_facts=True, **options) if with_facts else late(self)

    monkeypatch.setattr(Premises, "_ask", hurried)
    monkeypatch.setattr("dstheory.claims.premises._KNOWN_SIGNS", {})
    verdict = check(claim)
    assert verdict.outcome == "undecided"
    assert verdict.message.endswith("could not be shown to be positive on the whole domain (time limit)")
