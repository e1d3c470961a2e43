"""What SymPy evaluates on a defined name while the claim's file runs: refused, with its place, however it is written."""

from __future__ import annotations

import cProfile
import gc
import re
import shutil
import subprocess
import sys
import threading
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import sympy as sp
from all_claims import all_claims
from claims.claim_files import warm_workers
from sympy.utilities.iterables import uniq

from dstheory.claims import early
from dstheory.claims.checking import check
from dstheory.claims.runner import verify
from dstheory.claims.sources import bundled_files, load_claims
from dstheory.errors import ClaimError, ClaimFileError

HEAD = """import functools, operator
from concurrent.futures import ThreadPoolExecutor as Threads
import sympy as sp
from dstheory.claims import *
p, a, V, W, k = sp.symbols("p a V W k")
def claim(*proof, **fields):
    fields = {"definitions": {V: p**2, W: V * p}, **fields}
    return Claim(id="c", statement="S.", domain={"p a": UNIT}, proof=proof[0] if callable(proof[0]) else list(proof), **fields)
also = decide("Both are mentioned.", V + W + a > 0)
"""

CALL = 'operator.methodcaller("diff", p)'

EARLY = {
    "a derivative": ("diff", 'claim(decide("", V.diff(p) < p), also)'),
    "a derivative by a function": ("diff", 'claim(decide("", sp.diff(V, p) < p), also)'),
    "a derivative of a sum": ("diff", 'claim(identity("", (V + p).diff(p), 1), also)'),
    "a derivative by a class": ("Derivative", 'claim(decide("", sp.Derivative(V, p).doit() < p), also)'),
    "a derivative under another name": ("diff", 'claim(decide("", (lambda f: f(V, p))(getattr(sp, "di" + "ff")) < p), also)'),
    "a derivative called by the library": ("diff", 'claim(decide("", operator.methodcaller("diff", p)(V) < p), also)'),
    "a derivative in a fold": ("diff", 'claim(decide("", functools.reduce(lambda f, x: sp.diff(f, x), [V, p]) < p), also)'),
    "a derivative in a thread": ("diff", 'claim(decide("", next(Threads().map(lambda f: f.diff(p), [V])) < p), also)'),
    "a derivative in a text": ("diff", 'claim(decide("", sp.sympify("diff(V, p)") < p), also)'),
    "a derivative of texts": ("diff", 'claim(decide("", sp.diff("V", "p") < p), also)'),
    "a derivative in a definition": ("diff", 'claim(also, decide("", sp.Symbol("S") < p, using={"S": V.diff(p)}))'),
    "a derivative of a step's own name": ("diff", 'claim(decide("", (a * k).diff(a) < p, using={k: a}), also)'),
    "a derivative in a matrix": ("jacobian", 'claim(identity("", sp.Matrix([V, p]).jacobian([p])[0] * a, 0), also)'),
    "a derivative that SymPy calls": ("applyfunc", f'claim(identity("", sp.Matrix([a * V]).applyfunc({CALL})[0] * a, 0), also)'),
    "a derivative that a matrix is given": (
        "ImmutableDenseMatrix",
        'claim(identity("", sp.ImmutableMatrix(1, 1, (V / p).subs)[0] * a, V * a), also)',
    ),
    "a derivative that a function of the file takes": (
        "diff",
        'claim(decide("", sp.Matrix(1, 1, lambda i, j: V.diff(p))[0] < p), also)',
    ),
    "a derivative that a matrix calls": (
        "ImmutableDenseMatrix",
        'claim(identity("", sp.ImmutableMatrix(1, 1, functools.partial(max, sp.S.Zero))[0] * a, 0), also)',
    ),
    "a derivative by this package": ("differentiate", 'claim(decide("", f(V, minimal_policy().logits[0]) < p), also)'),
    "an integral": ("integrate", 'claim(identity("", sp.integrate(V, p), p * V), also)'),
    "a limit": ("limit", 'claim(identity("", sp.limit(V + p, p, 0), V), also)'),
    "a derivative in its only symbol": ("diff", 'claim(decide("", V.diff() < 2 + p), also)'),
    "a derivative by what is defined": ("diff", 'claim(decide("", (a * p).diff(V) < p), also)'),
    "a derivative behind two definitions": ("diff", 'claim(decide("", sp.diff(k, p) < 3 - k, using={k: V + 1}), also)'),
    "a value behind another": ("subs", 'claim(decide("", (k + p).subs([(k, V), (p, 1)]) < 3), also)'),
    "a value of a part": ("subs", 'claim(decide("", (V * k).subs(p * k, 1) < 3, where={k: UNIT}), also)'),
    "a value of a number": ("subs", 'claim(decide("", (V + 2).subs(2, 1) < 3), also)'),
    "a value of the name": ("subs", 'claim(decide("", (V + p).subs(V, 0) < 3), also)'),
    "a series": ("series", 'claim(identity("", sp.series(V + p, p, 0, 1).removeO() * a, V * a), also)'),
    "a value": ("subs", 'claim(identity("", (V * a).subs(p, 1), V * a), also)'),
    "a value by name": ("xreplace", 'claim(identity("", (V * a).xreplace({p: sp.S.Half}), V * a), also)'),
    "a value by evaluation": ("evalf", 'claim(decide("", (V + p).evalf(subs={p: 1}) < p + 1), also)'),
    "a function": ("Lambda", 'claim(identity("", sp.Lambda(p, V)(1) * a, V * a), also)'),
    "a function in Python": ("lambdify", 'claim(decide("", sp.lambdify(p, V)(1) < 5 * p + V), also)'),
    "a solution": ("solve", 'claim(identity("", sp.solve(p - V, p)[0] * a, V * a), also)'),
    "a polynomial": ("Poly", 'claim(identity("", sp.Poly(V * p, p).coeff_monomial(p) * a, V * a), also)'),
    "a polynomial of a ring": (
        "ring",
        'claim(decide("", (lambda r, x, y: x.diff(y).as_expr())(*sp.ring("V p", sp.QQ)) < p), also)',
    ),
    "a polynomial over a field": ("diff", 'claim(decide("", (lambda v, x: v.diff(x).as_expr())(*sp.QQ[V, p].gens) < p), also)'),
    "a derivative of what a generator yields": (
        "wronskian",
        'claim(identity("", sp.wronskian((f for f in (V, p)), p) * a, V * a), also)',
    ),
    "a value of what a zip yields": ("subs", 'claim(identity("", (a * p).subs(zip([a], [V])).subs(p, 1) * a, V * a), also)'),
    "a derivative of the values of a table": (
        "wronskian",
        'claim(identity("", sp.wronskian({1: V, 2: p}.values(), p) * a, V * a), also)',
    ),
    "a coefficient": ("coeff", 'claim(identity("", (V * p).coeff(p) * a, V * a), also)'),
    "a sum over the symbol": ("summation", 'claim(identity("", sp.summation(V, (p, 0, 1)) * a, 2 * V * a), also)'),
    "a held sum, not held": ("doit", 'claim(identity("", sp.Sum(V, (p, 0, 1)).doit() * a, 2 * V * a), also)'),
    "whether it is constant": ("is_constant", 'claim(decide("", a + (0 if V.is_constant(p) else 1) < 1), also)'),
    "what it contains": ("has", 'claim(decide("", a + (1 if V.has(p) else 0) < 1), also)'),
    "its symbols": ("free_symbols", 'claim(decide("", a + (1 if p in V.free_symbols else 0) < 1), also)'),
    "its parts": ("args", 'claim(decide("", a + len(V.args) < 1), also)'),
    "its sign": ("is_negative", 'claim(decide("", a + (0 if V.is_negative is None else 1) < 1), also)'),
    "its numerator": ("fraction", 'claim(decide("", sp.fraction(V / p)[0] < 3), also)'),
    "an inverse": ("inv", 'claim(identity("", sp.Matrix([[V, p], [0, p]]).inv()[0, 0] * V, 1), also)'),
    "an inverse that is given a test of zero": (
        "inv",
        'claim(identity("", sp.Matrix([[p, a], [0, p]]).inv(iszerofunc=V.equals)[0, 0] * p, 1), also)',
    ),
    "in a proof that is a function": ("diff", 'claim(lambda: [decide("", V.diff(p) < p), also])'),
}

HELD = {
    "arithmetic": 'claim(decide("", (V + 1) * W / p - 1 < sp.sqrt(V) * 5 + sp.exp(V) + abs(W) + sp.Max(V, p) + 2**V), also)',
    "the engine's derivative": 'claim(identity("", derivative(V, p), 2 * p), also)',
    "before it has the name": 'claim(identity("", (p**2).diff(p), derivative(V, p)), also)',
    "on other symbols": 'claim(identity("", (p * a).subs(a, 1) * V, W), also)',
    "a derivative in a symbol that it does not have": 'claim(identity("", (V * a**2 + a).diff(a), 2 * V * a + 1), also)',
    "a value of a symbol that it does not have": 'claim(decide("", (V * a).subs(a, p) < p), also)',
    "as a value": 'claim(decide("", (a * p).subs(a, V) < p), also)',
    "a sum": 'claim(identity("", sp.Sum(V * k, (k, 1, 3)), 6 * V), also)',
    "a sum of Python": 'claim(identity("", sum([V, W, p]), p * (1 + p) + W), also)',
    "a matrix": 'claim(identity("", list(sp.Matrix([V, p]).T * sp.Matrix([1, 2])), [V + 2 * p]), also)',
    "the same in another form": 'claim(identity("", sp.expand((V + p) ** 2), sp.factor(V**2 + 2 * V * p + p**2)), also)',
    "formulas": 'claim(decide("", sp.And(sp.Implies(V < p / 2, W < V), sp.Or(V < p, W > 1))), also)',
    "an inverse on other symbols": 'claim(identity("", sp.Matrix([[p, a], [0, p]]).inv()[0, 0] * V, p), also)',
    "a product of what a generator yields": 'claim(identity("", sp.prod(x for x in (V, p)), W), also)',
    "an order of what a generator yields": (
        'claim(identity("", list(sp.ordered(x for x in (p, a)))[1] * (a + 1), p * a + p), definitions={})'
    ),
    "an arcsine": 'claim(identity("", sp.diff(sp.asin(a * V), a) ** 2 * (1 - (a * V) ** 2), V**2), also)',
    "a matrix of a function": 'claim(identity("", sp.Matrix(2, 1, lambda i, j: (i + 1) * V)[1], 2 * V), also)',
    "a function that has no formula": 'claim(identity("", V + (sp.Function("f")(p) - a).diff(a) + 1, p**2), also)',
    "a number of NumPy's": 'claim(decide("", V * (a * p).subs(a, __import__("numpy").int64(2)) < 2), also)',
    "numbers": 'claim(decide("", V * sp.S.Half + sp.S(1) / 3 < 3 + sp.E + sp.Rational(1, 3) + sp.S.One), also)',
    "words and a table": 'claim(decide(f"{V} is positive", {V: V, W: W}[V] > 0), also)',
}


def checked(tmp_path, text, name="mine.py", module=""):
    (tmp_path / name).write_text(f"{HEAD}{module}x = {text}\n")
    (claim,) = load_claims(tmp_path / name).values()
    return check(claim)


@pytest.mark.parametrize("what", EARLY)
def test_what_sympy_would_evaluate_too_early_is_refused_with_its_place(tmp_path, what):
    operation, text = EARLY[what]
    module = "from dstheory.symbolic.policy import differentiate as f, minimal_policy\n" if operation == "differentiate" else ""
    verdict = checked(tmp_path, text, module=module)
    name = {"a derivative of a step's own name": "k", "a derivative behind two definitions": "k"}.get(what, "V")
    line = HEAD.count("\n") + 1 + bool(module)
    assert verdict.method == "not well posed"
    text = rf"claim c defines {name}, but mine\.py, line {line}, applies {operation} to (it, as if|what may hold it and is not)"
    assert re.search(text, verdict.message)


@pytest.mark.parametrize("what", HELD)
def test_what_means_the_same_for_the_expression_is_checked(tmp_path, what):
    assert checked(tmp_path, HELD[what]).outcome in ("holds", "holds under condition")


@pytest.mark.parametrize("begun", [True, False])
def test_a_generator_of_sympy_s_that_python_collects_is_no_call_of_the_file_s(tmp_path, begun):
    """What an earlier file left is closed by Python under whatever code runs when it is found."""
    gc.disable()
    try:
        left = [uniq(iter([1, 2]))]
        if begun:
            next(left[0])
        left.append(left)
        del left
        assert checked(tmp_path, "claim(also)", module="import gc\ngc.collect()\n").outcome == "holds"
    finally:
        gc.enable()


@pytest.mark.parametrize("path", bundled_files(), ids=lambda path: path.stem)
def test_a_copy_of_the_package_s_own_file_is_not_refused(tmp_path, path):
    """Where they are, its files are not watched, which would take nearly twice as long; copies are, as any file of a user."""
    all_claims()  # SymPy remembers what it did for them; asked again by a copy, it is heard, and has nothing more to do
    for claim in load_claims(Path(shutil.copy(path, tmp_path))).values():
        assert claim.steps()


OBJECTS = {
    "SymPy reads it as another": ("", "def _sympy_(self): return V", "seen.append(sp.diff(Odd(), p))"),
    "its symbols are asked for": (
        "",
        "free_symbols = property(lambda self: seen.append(V.diff(p)) or {a})\n    def _sympy_(self): return a",
        "sp.limit(Odd(), a, 0)",
    ),
    "its parts are asked for": (
        "(sp.Symbol)",
        "def atoms(self, *kinds):\n        seen.append(V.diff(p))\n        return {a}",
        "sp.degree(Odd('o'), a)",
    ),
    "its parts are asked for, a function's": (
        "(sp.core.function.AppliedUndef)",
        "def atoms(self, *kinds):\n        seen.append(V.diff(p))\n        return {a}",
        "sp.limit(Odd(a), a, 0)",
    ),
}


@pytest.mark.parametrize("what", OBJECTS)
def test_an_object_of_a_class_of_the_user_may_hold_any_symbol_and_is_not_looked_at(tmp_path, what):
    """Looking would run the user's code, in which nothing is heard."""
    bases, body, use = OBJECTS[what]
    lines = f"seen = []\nclass Odd{bases}:\n    {body}\n{use}\n"
    verdict = checked(tmp_path, 'claim(decide("", (seen or [p / 2])[0] < p), also)', module=lines)
    text = r"claim c defines V, but mine.py, line \d+, applies (diff|limit|degree|atoms) to what may hold it"
    assert re.search(text, verdict.message)


TOLD = {
    "an integer": 'n = sp.Symbol("p", integer=True)\nf = p * a + sp.sin(sp.pi * n) < p',
    "one of several": 'n, m = sp.symbols("p m", integer=True)\nf = p * a + sp.sin(sp.pi * n) < p',
    "a size": 'f = sp.sqrt(sp.Symbol("a", negative=True) ** 2) / sp.Symbol("a", negative=True) < p',
    "in a text": "f = p * a + sp.sympify(\"sin(pi*Symbol('p', integer=True))\") < p",
    "by a helper of Python's": 'n = functools.partial(sp.Symbol, integer=True)("p")\nf = p * a + sp.sin(sp.pi * n) < p',
}


SIGNS = {
    "a minimum": "W**2 + sp.Min(v, 0) >= 0",
    "an inequality": "sp.And(W**2 >= 0, v > 0)",
    "a condition": "sp.And(W**2 >= 0, sp.Implies(v < 0, V > 5))",
}


@pytest.mark.parametrize("key", ["V", "'V'"])
@pytest.mark.parametrize("what", SIGNS)
def test_another_symbol_with_the_name_of_a_definition_is_told_nothing(tmp_path, what, key):
    """V is p - a, which is negative at p = 1/3, a = 1/2: each of these is false there, and SymPy left no trace of the sign."""
    text = f'claim(decide("", {SIGNS[what]}), definitions={{{key}: p - a, W: V}})'
    verdict = checked(tmp_path, text, module='v = sp.Symbol("V", positive=True)\n')
    assert re.search(r"mine.py, line \d+, makes a symbol V, and SymPy was told that it is .*another symbol V", verdict.message)


@pytest.mark.parametrize("made", ['next(sp.numbered_symbols("l_", start=1, positive=True))', 'symbols.symbol("l_1")'])
def test_symbols_that_functions_make_for_a_file_are_noted_as_well(tmp_path, made):
    """Each is positive, so that the minimum is 0; l_1 is p - a."""
    lines = f"from dstheory.rational import symbols\nv = {made}\n"
    text = 'claim(decide("", sp.Symbol("l_1") ** 2 + sp.Min(v, 0) >= 0), definitions={"l_1": p - a})'
    for _ in range(2):  # what was made before is heard of as well
        assert "makes a symbol l_1, and SymPy was told that it is" in checked(tmp_path, text, module=lines).message


def test_another_symbol_with_the_name_of_an_index_is_told_no_more_than_that_it_is_an_integer(tmp_path):
    """Of -1, 0 and 1 one is negative, so that the sum is 2 p - 1, and not 2 p."""
    lines = 'k_ = sp.Symbol("k", positive=True)\nm, m_ = sp.Symbol("m"), sp.Symbol("m", integer=True)\n'
    text = 'claim(identity("", sp.Sum(sp.Min({0}_, 0) + p * {0}**2, ({0}, -1, 1)) * a, 2 * p * a), definitions={{}})'
    assert "makes a symbol k, and SymPy was told that k is " in checked(tmp_path, text.format("k"), module=lines).message
    held = 'claim(identity("", sp.Sum(sp.cos(2 * sp.pi * m_) * p * m**2, (m, -1, 1)) * a, 2 * p * a), definitions={})'
    assert checked(tmp_path, held, module=lines).outcome == "holds"


def test_what_sympy_was_told_of_the_symbol_that_is_defined_is_let_through_where_it_is_so(tmp_path):
    lines = 'V = sp.Symbol("V", positive=True)\ny = sp.Symbol("W", real=True)\n'
    text = 'claim(decide("", sp.sqrt(V**2) + W > 0), also)'
    assert checked(tmp_path, text, module=lines).outcome == "holds"


@pytest.mark.parametrize("what", TOLD)
def test_another_symbol_with_the_name_of_a_variable_is_told_no_more_than_its_domain_promises(tmp_path, what):
    """SymPy simplifies at once by what it was told, and the symbol is gone before the formula is seen."""
    verdict = checked(tmp_path, 'claim(decide("", f), decide("", p + a < 2), definitions={})', module=TOLD[what] + "\n")
    assert re.search(r"claim c: mine.py, line \d+, makes a symbol [pa], and SymPy was told .*, or another name", verdict.message)


def test_a_symbol_that_is_told_what_its_domain_promises_or_is_of_no_variable_is_let_through(tmp_path):
    lines = "p, n = sp.Symbol('p', positive=True), sp.Symbol('n', integer=True)\ny = sp.Symbol('p', real=True)\n"
    text = 'claim(decide("", sp.sqrt(p**2) * a < 1 + sp.sin(sp.pi * n)), definitions={})'
    assert checked(tmp_path, text, module=lines).outcome == "holds"


ASSUMED = {
    "refine": "f = sp.refine(sp.sqrt(x**2), sp.Q.positive(x)) < y",
    "refine, its method": "f = sp.sqrt(x**2).refine(sp.Q.real(y) & sp.Q.positive(x)) < y",
    "assuming": "with sp.assuming(sp.Q.positive(x)):\n    f = sp.refine(sp.sqrt(x**2)) < y",
    "posify": "g, back = sp.posify(sp.sqrt(x**2))\nf = g.subs(back) < y",
    "powdenest": "f = sp.powdenest(sp.sqrt(x**2), True) < y",
    "powsimp": "f = sp.sqrt(x**2).powsimp(force=True) < y",
    "expand_log": "f = sp.expand_log(sp.log(x**2 * y**2), force=True) < y",
    "logcombine": "f = sp.logcombine(2 * sp.log(x), force=True) < y",
    "separatevars": "f = sp.separatevars(sp.sqrt(x**2 * y**2), force=True) < y",
    "expand": "f = sp.expand(sp.sqrt(x**2 * y**2), force=True) < y",
    "powdenest, polar": "f = sp.powdenest(sp.sqrt(x**2), polar=True) < y",
    "polarify": "g, back = sp.polarify(sp.sqrt(x**2))\nf = g.subs(back) < y",
    "expand, its method": "f = (sp.log(x**2 * y**2)).expand(force=True) < y",
}


def check_assumed(tmp_path, lines, domain):
    tmp_path.mkdir(exist_ok=True)
    text = f'Claim(id="c", statement="S.", domain={{x: {domain}, y: {domain}}}, proof=[decide("", f)])'
    return checked(tmp_path, text, module=f'x, y = sp.symbols("x y")\n{lines}\n')


@pytest.mark.parametrize("what", ASSUMED)
def test_what_sympy_is_let_assume_of_a_variable_is_refused_unless_its_domain_promises_it(tmp_path, what):
    """The root of x^2 is x where x is positive: the claim would be another one, of which the verdict shows no trace."""
    verdict = check_assumed(tmp_path, ASSUMED[what], "REAL")
    operation = what.partition(",")[0]
    text = rf"claim c: mine.py, line \d+, applies {operation} with an assumption on [xy], and SymPy was told that [xy] is "
    assert re.search(text, verdict.message)
    assert "SymPy was told" not in check_assumed(tmp_path / "sub", ASSUMED[what], "POSITIVE").message


def test_what_no_domain_promises_is_not_assumed(tmp_path):
    with pytest.raises(ClaimFileError, match=r"refine by Q.positive\(x - y\) assumes what no domain promises.*line 11"):
        check_assumed(tmp_path, "f = sp.refine(sp.sqrt((x - y)**2), sp.Q.positive(x - y)) < y", "REAL")


def test_force_takes_only_what_is_under_roots_and_logarithms_for_positive(tmp_path):
    lines = "f = sp.powsimp(y * sp.sqrt(x) * sp.sqrt(x + 1), force=True) < 1 + y**2 * (x**2 + x)"
    text = 'Claim(id="c", statement="S.", domain={x: POSITIVE, y: REAL}, proof=[decide("", f)])'
    assert checked(tmp_path, text, module=f'x, y = sp.symbols("x y")\n{lines}\n').outcome == "holds"


UNCONDITIONAL = {
    "integrate": 'sp.integrate(sp.exp(-x * t), (t, 0, sp.oo), conds="none")',
    "integrate, its method": 'sp.exp(-x * t).integrate((t, 0, sp.oo), conds="none")',
    "doit": 'sp.Integral(sp.exp(-x * t), (t, 0, sp.oo)).doit(conds="none")',
    "doit, of a transform": "sp.LaplaceTransform(sp.exp(-x * t), t, y).doit(noconds=True)",
    "laplace_transform": "sp.laplace_transform(sp.exp(-x * t), t, y, noconds=True)",
    "inverse_laplace_transform": "sp.inverse_laplace_transform(1 / (y + x), y, t).subs(t, 1)",
    "fourier_transform": "sp.fourier_transform(sp.exp(-x * t**2), t, y)",
}


@pytest.mark.parametrize("what", UNCONDITIONAL)
def test_an_integral_comes_with_the_conditions_under_which_it_holds(tmp_path, what):
    """The integral of exp(-x t) over all t > 0 is 1/x where x is positive, and not where it is not."""
    with pytest.raises(ClaimFileError, match=rf"{what.partition(',')[0]} leaves out under which conditions.*line 12"):
        check_assumed(tmp_path, f't = sp.Symbol("t")\nf = {UNCONDITIONAL[what]} < y', "REAL")


INVERSES = {
    "simplify": "sp.simplify(sp.acos(sp.cos(x)), inverse=True)",
    "simplify, its method": "sp.acos(sp.cos(x)).simplify(inverse=True)",
    "inversecombine": '__import__("sympy.simplify.simplify", fromlist=["f"]).inversecombine(sp.acos(sp.cos(x)))',
}


@pytest.mark.parametrize("what", INVERSES)
def test_an_inverse_is_not_taken_off_where_it_is_none(tmp_path, what):
    """The arc cosine of cos x is |x| near 0: above x + x^2 at x = -1/2, while x is not."""
    with pytest.raises(ClaimFileError, match=rf"{what.partition(',')[0]} takes asin\(sin\(x\)\) for x here.*line 11"):
        check_assumed(tmp_path, f"f = {INVERSES[what]} <= x + x**2", "REAL")


def test_an_integral_with_its_conditions_is_let_through(tmp_path):
    lines = 't, X = sp.Symbol("t"), sp.Symbol("x", positive=True)\nf = sp.integrate(sp.exp(-X * t), (t, 0, sp.oo)) < 1 + 1 / X**2'
    assert check_assumed(tmp_path, lines, "POSITIVE").outcome == "holds under condition"


@pytest.mark.parametrize("limit", ["(k, [1, 2, 5])", "(k, (1, 2, 5))", "(k, 1, 3, 2)", "k", "[k, 1, 3]"])
@pytest.mark.parametrize("kind", ["Sum", "Product", "summation"])
def test_a_sum_that_sympy_takes_for_another_is_refused(tmp_path, kind, limit):
    """The sum of x k over (k, [1, 2, 5]) is 8 x; SymPy makes it that of 5 x for k from 1 to 2."""
    text = f'Claim(id="c", statement="S.", domain={{p: UNIT}}, proof=[identity("", sp.{kind}(p * k, {limit}) * (p + 1), p)])'
    with pytest.raises(ClaimFileError, match=rf"{kind} over .* is another one to SymPy; write \(index, first, last\).*line 10"):
        checked(tmp_path, text)


def test_an_equivalence_of_three_two_of_which_are_alike_is_not_that_of_the_third_alone(tmp_path):
    """SymPy makes Equivalent(x > y, y < x, z) the formula z, as it is read and again once V is replaced by what it is."""
    text = 'claim(decide("", sp.Equivalent(V > a, a < p**2, W + a > 0)))'
    assert checked(tmp_path, text).outcome == "fails"
    text = 'claim(decide("", V + W > a), assumptions=[sp.Equivalent(V > a, a < p**2, W > a)])'
    assert checked(tmp_path, text).outcome == "fails"
    text = 'claim(decide("", sp.Equivalent(V > a, a < p**2, W > a * p)))'
    assert checked(tmp_path, text).outcome == "holds"
    with pytest.raises(ClaimFileError, match=r"Equivalent\(.*\) is another formula to SymPy, as two of its parts are alike"):
        checked(tmp_path, 'claim(decide("", sp.Equivalent(p > a, a < p, p + a > 0)), definitions={})')


def test_a_text_is_no_expression(tmp_path):
    verdict = checked(tmp_path, 'claim(decide("", W < V, using={"S": "diff(V, p)"}), also)')
    assert "'diff(V, p)' is a text" in verdict.message


def test_a_helper_of_the_file_is_watched_and_what_it_keeps_is_not_shared_with_the_next_file(tmp_path):
    """The first file takes V for a free symbol; the helper remembers the derivative, and would hand it to the second unseen."""
    (tmp_path / "_kept.py").write_text("import functools, sympy\nslope = functools.cache(lambda f, x: sympy.diff(f, x))\n")
    helper = "from _kept import slope\n"
    free = 'Claim(id="a", statement="S.", domain={"p V": UNIT}, proof=[decide("", slope(V, p) < p), decide("", V > 0)])'
    (tmp_path / "a.py").write_text(f"{HEAD}{helper}x = {free}\n")
    (tmp_path / "b.py").write_text(f'{HEAD}{helper}x = claim(decide("", slope(V, p) < p), also)\n')
    with warm_workers():
        entries = verify(str(tmp_path), workers=1).entries
    assert [str(entry.verdict.outcome) for entry in entries] == ["holds", "error"]
    assert "defines V, but _kept.py, line 2, applies diff" in entries[1].verdict.message


def test_a_helper_that_is_named_as_a_module_of_python_s_is_watched(tmp_path):
    """Python's library acts for whoever calls it, here the engine that asks for the proof: but this file is the user's."""
    proof = 'def proof():\n    return [decide("", V.diff(p) < p), decide("", V + a > 0)]\n'
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "this.py").write_text(f"{HEAD}{proof}")
    text = 'from this import proof\nx = Claim(id="c", statement="S.", domain={"p a": UNIT}, definitions={V: p**2}, proof=proof)\n'
    (tmp_path / "files" / "mine.py").write_text(f"{HEAD}{text}")
    with warm_workers():
        (entry,) = verify(str(tmp_path / "files" / "mine.py"), workers=1).entries
    assert "defines V, but this.py, line " in entry.verdict.message


def test_what_a_lazy_proof_calls_as_its_steps_are_drawn_is_watched(tmp_path):
    steps = 'map(decide, ["", ""], map(operator.gt, [p, V + W + a], map(sp.diff, [V, W], [p, p])))'
    assert "claim c defines V, but claim.py" in checked(tmp_path, f"claim(lambda: {steps})").message


def test_a_thread_that_is_given_a_function_of_sympy_is_watched(tmp_path):
    verdict = checked(tmp_path, 'claim(decide("", next(Threads().map(V.diff, [p])) < p), also)')
    assert re.search(r"claim c defines V, but threading\.py, line \d+, applies diff to it", verdict.message)


def test_names_of_one_file_are_no_concern_of_another(tmp_path):
    checked(tmp_path, 'Claim(id="c", statement="S.", domain={"p V": UNIT}, proof=[decide("", V.diff(p) < p)])', "first.py")
    assert checked(tmp_path, "claim(also)", "second.py").outcome == "holds"


SCRIPT = """import sympy as sp
from dstheory.claims import *
p, a, V = sp.symbols("p a V")
V = {value}
def claim(*proof, **fields):
    return Claim(id="c", statement="S.", domain={{"p a": UNIT}}, proof=list(proof), **fields)
also = decide("It is positive.", V + a > 0)
def said(build):
    try:
        verdict = check(build())
        print(verdict.outcome, verdict.message)
    except ClaimError as error:
        print("error", error)
"""
BEFORE = {
    "a derivative": ("V.diff(p) < p", "V.diff(p) > p"),
    "a value": ("(V * a).subs(p, 1) < p**2", "(V * a).subs(p, 1) < 1"),
    "a limit": ("sp.limit(V + p, p, 0) > 0", "sp.limit(V + p, p, 0) < p"),
    "a solution": ("sp.solve(sp.Eq(p * a, V), p)[0] < 1 + p", "sp.solve(sp.Eq(p * a, V), p)[1] < 1"),
    "a series": ("sp.series(V + p, p, 0, 1).removeO() > 0", "sp.series(V + p, p, 0, 1).removeO() < p"),
}


NAMED = {
    "of the claim": 'claim(decide("", f), also, definitions={V: p**2})',
    "of a step": 'claim(decide("", f, using={V: p**2}), decide("", V > 0, using={V: p**2}))',
    "in an assumption": 'claim(decide("", p + a < 2), also, assumptions=[f], definitions={V: p**2})',
}


@pytest.fixture(scope="module")
def said_by_scripts():
    """What a process of its own says of claims with a defined name, and of one with the expression, for each formula."""
    found = {}
    for which, value, builds in ((0, "V", NAMED.values()), (1, "p**2", ['claim(decide("", f), also)'])):
        lines = [SCRIPT.format(value=value)]
        for formulas in BEFORE.values():
            lines += [f"f = {formulas[which]}", *(f"said(lambda: {build})" for build in builds)]
        ran = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
        found[value] = ran.stdout.splitlines()
    return found


def test_a_claim_in_a_script_defines_no_names_since_nobody_saw_what_was_done_with_them(said_by_scripts):
    said = said_by_scripts["V"]
    assert len(said) == len(NAMED) * len(BEFORE)
    for line in said:
        assert line.startswith("error claim c defines V, which only a file of claims may do")
        assert "Write V = ... in Python in place of the definition, or check the file: dstheory verify FILE" in line


def test_in_a_script_an_expression_with_a_name_in_python_is_checked(said_by_scripts):
    assert said_by_scripts["p**2"] == ["holds "] * len(BEFORE)


def test_a_claim_of_a_file_that_is_loaded_in_a_script_is_checked(tmp_path):
    """Its proof may be a function, which runs only when the claim is checked; what was changed in the script is refused."""
    (tmp_path / "mine.py").write_text(f"{HEAD}x = claim(lambda: [decide('', derivative(V, p) > p), also])\n")
    (claim,) = load_claims(tmp_path / "mine.py").values()
    assert check(claim).outcome == "holds"
    assert "which only a file of claims may do" in check(replace(claim, statement="Another.")).message


def test_what_a_trusted_block_of_a_file_does_is_not_noted(tmp_path):
    block = "from dstheory.claims import early\nwith early.watched(''):\n    slope = V.diff(p)\n"
    assert checked(tmp_path, "claim(also)", module=block).outcome == "holds"


@pytest.mark.parametrize("where", ["while it runs", "in a proof"])
def test_a_file_that_sets_a_profiler_is_refused(tmp_path, where):
    lines = "import sys\ndef proof():\n    sys.setprofile(None)\n    return [decide('', V.diff(p) < p), also]\n"
    with pytest.raises(ClaimError, match="profiler was set") if where == "while it runs" else nullcontext():
        verdict = checked(tmp_path, f"claim({'*proof()' if where == 'while it runs' else 'proof'})", module=lines)
        assert "profiler was set" in verdict.message


def test_the_profiler_of_the_user_is_put_back(tmp_path):
    def mine(*_: object) -> None: ...

    sys.setprofile(mine)
    threading.setprofile(mine)
    try:
        checked(tmp_path, "claim(also)")
        assert sys.getprofile() is threading.getprofile() is mine
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


V, p = sp.symbols("V p")
HARMLESS = {
    "symbols": lambda v: sp.symbols("z") + v,
    "sympify": sp.sympify,
    "sqrt": lambda v: sp.sqrt(v * p),
    "cbrt": lambda v: sp.cbrt(v * p),
    "root": lambda v: sp.root(v, 3),
    "prod": lambda v: sp.prod(x for x in (v, p, v + 1)),
    "expand": lambda v: sp.expand((v + p) ** 3 - 1 / (v + 1)),
    "factor": lambda v: sp.factor(v**2 - p**2),
    "together": lambda v: sp.together(1 / v + p / (v - 2)),
    "simplify": lambda v: sp.simplify((v**2 - p**2) / (v - p) + sp.log(v)),
    "T": lambda v: sp.Matrix([[v, p]]).T[0],
    "add": lambda v: v + p, "radd": lambda v: 1 + v,
    "sub": lambda v: v - p, "rsub": lambda v: 1 - v,
    "mul": lambda v: v * p, "rmul": lambda v: 2 * v,
    "matmul": lambda v: (sp.Matrix([[v, 1]]) @ sp.Matrix([p, 2]))[0],
    "rmatmul": lambda v: sp.Matrix([[v]]).__rmatmul__(sp.Matrix([p]))[0],
    "truediv": lambda v: v / (p + 1), "rtruediv": lambda v: 1 / v,
    "pow": lambda v: v**p, "rpow": lambda v: 2**v,
    "neg": lambda v: -v, "pos": lambda v: +v, "abs": lambda v: abs(v - p),
    "and": lambda v: (v > p) & (v > 0), "rand": lambda v: True & (v > p),
    "or": lambda v: (v > p) | (v > 0), "ror": lambda v: False | (v > p),
    "xor": lambda v: (v > p) ^ (v > 0), "rxor": lambda v: True ^ (v > p),
    "rshift": lambda v: (v > p) >> (v > 1), "rrshift": lambda v: True >> (v > p),
    "lshift": lambda v: (v > p) << (v > 0), "rlshift": lambda v: False << (v > p),
    "invert": lambda v: ~(v > p),
    "lt": lambda v: v < p, "le": lambda v: v <= p, "gt": lambda v: v > p, "ge": lambda v: v >= p,
    "getitem": lambda v: sp.Matrix([v, p])[0],
    "iter": lambda v: sp.Add(*sp.Matrix([v, p])),
    "Symbol": lambda v: sp.Symbol("z") * v,
    "Add": lambda v: sp.Add(v, p, p), "Mul": lambda v: sp.Mul(v, p, p), "Pow": lambda v: sp.Pow(v, p),
    "exp": lambda v: sp.exp(v + p), "log": lambda v: sp.log(v * p), "Abs": lambda v: sp.Abs(v - p),
    "asin": lambda v: sp.asin(v - p) + sp.asin(-2 * v),
    "Max": lambda v: sp.Max(v, p, v + 1), "Min": lambda v: sp.Min(v, p, v + 1),
    "Equality": lambda v: sp.Eq(v, p), "Unequality": lambda v: sp.Ne(v, p),
    "StrictLessThan": lambda v: sp.Lt(v, p), "LessThan": lambda v: sp.Le(v, p),
    "StrictGreaterThan": lambda v: sp.Gt(v, p), "GreaterThan": lambda v: sp.Ge(v, p),
    "And": lambda v: sp.And(v > p, v > 0), "Or": lambda v: sp.Or(v > p, v > 0), "Not": lambda v: sp.Not(v > p),
    "Implies": lambda v: sp.Implies(v > p, v > 0), "Equivalent": lambda v: sp.Equivalent(v > p, v > 0),
    "Xor": lambda v: sp.Xor(v > p, v > 0),
    "Sum": lambda v: sp.Sum(v * sp.Symbol("j"), (sp.Symbol("j"), 1, 3)),
    "Product": lambda v: sp.Product(v + sp.Symbol("j"), (sp.Symbol("j"), 1, 3)),
    "Tuple": lambda v: sp.Tuple(v, p)[0],
    "MutableDenseMatrix": lambda v: sp.Matrix([v, p])[0], "ImmutableDenseMatrix": lambda v: sp.ImmutableMatrix([v, p])[0],
}  # fmt: skip
SAID = {"eq", "ne", "hash", "bool", "len", "str", "repr", "format", "latex"}
"""These give no expression: a text, a number or a truth value of Python's."""


def test_each_call_that_is_let_through_commutes_with_putting_an_expression_in_the_place_of_a_name():
    listed = {name.strip("_") for name in early._FUNCTIONS} | {kind.__name__ for kind in early._CLASSES}
    assert listed == set(HARMLESS) | SAID | {"derivative"}  # what is held for the engine is tested with the engine
    for name, operation in HARMLESS.items():
        for value in (sp.Rational(1, 3), sp.Rational(5, 2)):
            late = operation(V).subs(V, p**2 / 3).subs(p, value).doit()
            soon = operation(p**2 / 3).subs(p, value).doit()
            assert late == soon or abs(sp.N((late - soon).subs("z", 1), 30)) < 1e-25, name


def test_a_file_is_read_while_a_profiler_runs_which_then_goes_on(tmp_path):
    """Python's own is no function: putting it back as one ended in "'Profile' object is not callable"."""
    path = Path(shutil.copy(bundled_files()[0], tmp_path))
    with cProfile.Profile() as profile:
        assert load_claims(path)
        sp.Symbol("seen_after")
    assert any(getattr(entry.code, "co_name", "") == "load_claims" for entry in profile.getstats())
    assert any(getattr(entry.code, "co_qualname", "") == "Symbol.__new__" for entry in profile.getstats())
