"""Files of claims that change what they are checked by, or act where nobody sees it: none gets a false "holds"."""

from __future__ import annotations

import _thread
import re
import threading

import pytest
import sympy as sp
from claims.claim_files import warm_workers

from dstheory.claims import UNIT, Claim, check
from dstheory.claims.domains import Domain
from dstheory.claims.intact import Intact
from dstheory.claims.runner import verify
from dstheory.claims.sources import load_claims
from dstheory.claims.steps.base import Step
from dstheory.errors import ClaimError, DomainError

HEAD = """import functools, os, sys, threading, time, _thread
import sympy as sp
from dstheory.claims import *
from dstheory.rational import as_ratio
p, a, x, V = sp.symbols("p a x V")
def claim(*proof, id="c", domain=None, **fields):
    proof = proof[0] if callable(proof[0]) else list(proof)
    return Claim(id=id, statement="S.", domain=domain or {"p a": UNIT}, proof=proof, **fields)
"""
PLACE = "puts something else in the place of"
FILES = {
    "a rule of SymPy's": (
        "sp.log.eval = classmethod(lambda cls, arg, base=None: arg)\nc = claim(decide('', sp.log(p) > 0))", f"{PLACE} log.eval"
    ),
    "the search for witnesses, in a proof": (
        "import dstheory.claims.steps.formula as m\ndef proof():\n    m.find_witness = lambda *a, **k: None\n"
        "    return [decide('', p > a)]\nc = claim(proof)",
        f"{PLACE} dstheory.claims.steps.formula.find_witness",
    ),
    "what the engine has computed before": (
        "b = claim(decide('', V * p < 1), domain={'p a V': UNIT}, id='b')\ndef proof():\n"
        "    return [decide('', int(as_ratio(V * p - 1).numerator[(1, 1)]) + a > 1), decide('', V + a > 0)]\n"
        "c = claim(proof, definitions={V: p**2})",
        "applies as_ratio to it",
    ),
    "what a predicate has kept": (
        "from hypothesis import strategies as st\nslope = functools.cache(sp.diff)\n"
        "b = claim(search('', lambda n: slope(V, p) == 0, n=st.integers()), id='b')\n"
        "c = claim(lambda: [decide('', slope(V, p) < p), decide('', V + a > 0)], definitions={V: p**2})",
        "applies diff to it",
    ),
}  # fmt: skip
"""File -> what is said of its last claim."""


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """Outcome and message of the last claim of each file, the files in one run: what one has done must not reach the next."""
    folder = tmp_path_factory.mktemp("hostile")
    texts = [text for text, _ in FILES.values()] + ["c = claim(decide('', sp.log(p) < 0), decide('', p + a > 0))"]
    for number, text in enumerate(texts):
        whole = (HEAD + text).replace('id="c"', f'id="c{number}"').replace("id='b'", f"id='b{number}'")
        (folder / f"f{number}.py").write_text(f"{whole}\n")
    with warm_workers():
        entries = verify(str(folder), workers=1).entries
    said = {str(entry.info["path"]): (str(entry.verdict.outcome), entry.verdict.message) for entry in entries}
    return [said[path] for path in sorted(said)]


@pytest.mark.parametrize("what", FILES)
def test_a_file_that_changes_what_it_is_checked_by_is_refused(said, what):
    outcome, message = said[list(FILES).index(what)]
    assert outcome == "error"
    assert FILES[what][1] in message


def test_the_next_file_is_checked_by_an_engine_that_nobody_has_changed(said):
    assert said[-1][0] == "holds"


CHANGES = {
    "fractions.Fraction.__gt__": "Fraction.__gt__", "sympy.log": "sympy.log", "sympy.Symbol.__eq__": "Symbol.__eq__",
    "math.prod": "math.prod", "operator.gt": "operator.gt", "functools.reduce": "functools.reduce",
    "itertools.permutations": "itertools.permutations", "builtins.any": "builtins.any",
    "sympy.sqrt.__code__": "sqrt", "sympy.diff.__defaults__": "diff",
    "dstheory.claims.premises.ask": "dstheory.claims.premises.ask",
    "dstheory.claims.verdicts.Verdict.as_dict": "Verdict.as_dict",
    "dstheory.claims.domains.Domain._contains_fraction": "Domain._contains_fraction",
    "sympy.core.parameters.global_parameters.evaluate": "global_parameters.evaluate", "mpmath.iv.prec": "mpmath.iv.prec",
}  # fmt: skip


@pytest.fixture(scope="module")
def intact():
    return Intact()


@pytest.mark.parametrize("place", CHANGES)
def test_what_a_program_changes_in_the_engine_is_named_and_no_longer_once_it_is_put_back(intact, place):
    name = {"__code__": (lambda arg, evaluate=None: arg).__code__, "__defaults__": (1,), "evaluate": False, "prec": 4}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, name.get(place.rpartition(".")[2], lambda *values: values), raising=False)
        found = intact.changed()
    assert found == CHANGES[place]
    assert intact.changed() is None


def test_an_assumption_for_all_is_a_change(intact):
    with sp.assuming(sp.Q.positive(sp.Symbol("x"))):
        assert intact.changed() == "global_assumptions"


# Python's own threads begin by another function from 3.13 on.
BEGINS = "start_joinable_thread" if hasattr(_thread, "start_joinable_thread") else "start_new_thread"
UNSEEN = {
    "another process": ("os.fork", "os.fork() or os._exit(0)\nd = 0"),
    "another process with a terminal": ("os.forkpty", "os.forkpty()[0] or os._exit(0)\nd = 0"),
    "a profiler for a moment": (
        "sys.setprofile", "mine = sys.getprofile()\nsys.setprofile(None)\nd = V.diff(p)\nsys.setprofile(mine)"
    ),
    "a thread of Python's ground": ("_thread.start_new_thread", "_thread.start_new_thread(lambda: V.diff(p), ())\nd = 0"),
    "a thread that is no longer watched": (
        f"_thread.{BEGINS}", "threading.setprofile(None)\nt = threading.Thread(target=lambda: V.diff(p))\nt.start()\nd = 0"
    ),
}  # fmt: skip
if hasattr(threading, "setprofile_all_threads"):  # from 3.12 on
    UNSEEN["profilers of all threads for a moment"] = (
        "sys._setprofileallthreads",
        "mine = sys.getprofile()\nthreading.setprofile_all_threads(None)\nd = V.diff(p)\nthreading.setprofile_all_threads(mine)",
    )


@pytest.mark.parametrize("what", UNSEEN)
def test_what_nobody_sees_is_as_what_may_be_about_any_name(tmp_path, what):
    call, text = UNSEEN[what]
    path = tmp_path / "mine.py"
    path.write_text(f"{HEAD}{text}\nc = claim(decide('', d < p), decide('', V + a > 0), definitions={{V: p**2}})\n")
    verdict = check(load_claims(path)["c"])
    assert f"calls {call}, and what SymPy does with V from there on is not seen" in verdict.message
    assert re.search(r"defines V, but (mine|threading)\.py, line \d+", verdict.message)
    path.write_text(f"{HEAD}{text}\nc = claim(decide('', p + a < 2))\n")
    assert check(load_claims(path)["c"]).outcome != "error"  # where no name is defined there is nothing to see


def test_domains_and_steps_are_those_of_this_package():
    """A subclass may contain other points than it says, or check nothing."""

    class Odd(Domain):
        def contains(self, value: object) -> bool:
            return False

    class Sure(Step):
        def run(self, context: object) -> object:
            raise AssertionError

    with pytest.raises(DomainError, match="it must be a Domain"):
        Claim(id="c", statement="S.", domain={"p": Odd()}, proof=list)
    with pytest.raises(ClaimError, match="step 1 of the proof is"):
        Claim(id="c", statement="S.", domain={"p": UNIT}, proof=[Sure("")])


def test_a_helper_from_anywhere_is_imported_anew_by_each_file(tmp_path, monkeypatch):
    """It may remember what the first file did, which nobody would see when the second asks; it need not lie beside them."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "files").mkdir()
    (tmp_path / "lib" / "far_helper.py").write_text("import sympy\np, V = sympy.symbols('p V')\nslope = V.diff(p)\n")
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "lib"), prepend=":")
    for name in "ab":
        text = HEAD.replace('id="c"', f'id="{name}"') + "from far_helper import slope\n"
        text += "c = claim(decide('', slope < p), decide('', V + a > 0), definitions={V: p**2})\n"
        (tmp_path / "files" / f"{name}.py").write_text(text)
    with warm_workers():
        entries = verify(str(tmp_path / "files"), workers=1).entries
    assert [("far_helper.py, line 3, applies diff" in entry.verdict.message) for entry in entries] == [True, True]
