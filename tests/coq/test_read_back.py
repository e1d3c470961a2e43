"""What a theorem says is what was claimed: a reader of its own takes statements of Coq apart, and every part is compared.

Of relations the values of both sides are compared at points of the domain: a theorem that says less than was claimed is true too,
and Coq would confirm it. Nothing is computed by the exporter here, nor by the engine.
"""

from __future__ import annotations

import contextlib
import math
import random
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import pytest
import sympy as sp
from all_claims import all_claims
from sympy import Abs, And, Eq, Equivalent, Implies, Max, Min, Ne, Not, Or, exp, log, sqrt, symbols

from dstheory.claims import CLOSED_UNIT, POSITIVE, REAL, UNIT, Claim, at_least, between, decide, derivative, early, example
from dstheory.claims.domains import Domain, expand_domain, name_of
from dstheory.claims.steps.base import ClaimContext, Step, StepContext
from dstheory.claims.steps.enclosure import Enclosure, Search
from dstheory.claims.steps.formula import Counterexample, PointStep
from dstheory.coq.terms import NotExportedError, identifier
from dstheory.coq.theorems import _Script, at_a_point, enclosed

At = Mapping[str, float]
TOKEN = re.compile(r"\d+|[A-Za-z_]\w*|<->|->|/\\|\\/|<>|<=|>=|[-+*/^()<>=~]")
RELATIONS = {"=": "==", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
OF_COQ: dict[str, tuple[int, Callable[..., float]]] = {
    "exp": (1, math.exp), "ln": (1, math.log), "sqrt": (1, math.sqrt), "Rabs": (1, abs),
    "Rmax": (2, max), "Rmin": (2, min), "Rpower": (2, math.pow),
}  # fmt: skip
OF_SYMPY: dict[Any, Callable[..., float]] = {
    sp.Add: lambda *values: math.fsum(values), sp.Mul: lambda *values: math.prod(values), sp.Pow: pow,
    exp: math.exp, log: math.log, Abs: abs, Max: max, Min: min,
}  # fmt: skip
CONNECTIVES = {And: "and", Or: "or", Implies: "implies", Equivalent: "iff", Not: "not"}


def joined(word: str, parts: list[Any]) -> Any:
    """Parts under a connective, in one order unless it matters; digits that floating point settles."""
    return (word, *(parts if word == "implies" else sorted(parts, key=repr)))


def relation(operator: str, *sides: float) -> Any:
    return operator, *(f"{round(side, 9) + 0.0:.6g}" for side in sides)


class Reader:
    """A proposition at a point, by Coq's grammar: -> binds least, then <->, \\/ and /\\; ^ most, but for functions."""

    def __init__(self, text: str, at: At) -> None:
        self.tokens, self.at, self.place = TOKEN.findall(text), at, 0
        assert "".join(self.tokens) == re.sub(r"\s", "", text)

    def next(self, *wanted: str) -> str:
        token = self.tokens[self.place] if self.place < len(self.tokens) else ""
        self.place += token in wanted
        return token if token in wanted else ""

    def whole(self) -> Any:
        found = self.proposition()
        assert self.place == len(self.tokens), self.tokens[self.place :]
        return found

    def proposition(self, level: int = 0) -> Any:
        sign, word = [("->", "implies"), ("<->", "iff"), ("\\/", "or"), ("/\\", "and"), ("", "")][level]
        if not word:
            return self.relation()
        parts = [self.proposition(level + 1)]
        while self.next(sign):
            parts.append(self.proposition(level + 1))
        assert word not in ("implies", "iff") or len(parts) <= 2
        return joined(word, parts) if len(parts) > 1 else parts[0]

    def relation(self) -> Any:
        if self.next("~"):
            return joined("not", [self.relation()])
        before = self.place
        if self.next("("):
            try:
                found = self.proposition()
                if self.next(")") and (
                    self.place == len(self.tokens) or self.tokens[self.place] in ("->", "<->", "/\\", "\\/", ")")
                ):
                    return found
            except AssertionError:
                pass
            self.place = before  # it is a term that begins with a parenthesis
        sides, operators = [self.sum()], []
        while operator := self.next(*RELATIONS):
            operators.append(RELATIONS[operator])
            sides.append(self.sum())
        assert operators
        found = [relation(operator, *sides[k : k + 2]) for k, operator in enumerate(operators)]
        return joined("and", found) if len(found) > 1 else found[0]

    def sum(self) -> float:
        value = -self.product() if self.next("-") else self.product()
        while sign := self.next("+", "-"):
            value += self.product() if sign == "+" else -self.product()
        return value

    def product(self) -> float:
        value = self.power()
        while sign := self.next("*", "/"):
            value = value * self.power() if sign == "*" else value / self.power()
        return value

    def power(self) -> float:
        if self.next("/"):
            return 1 / self.power()
        name = self.next(*OF_COQ)
        count, function = OF_COQ.get(name, (1, float))
        base = function(*[self.atom() for _ in range(count)])
        return base ** int(self.atom()) if self.next("^") else base

    def atom(self) -> float:
        if self.next("("):
            value = self.sum()
            assert self.next(")")
            return value
        token = self.tokens[self.place]
        assert token.isdigit() or token in self.at, token
        self.place += 1
        return float(token) if token.isdigit() else self.at[token]


def read(statement: str, at: dict[str, float]) -> tuple[str, list[str], list[Any], list[Any]]:
    """Quantifier and names of a statement, what it assumes, and what it says."""
    head, _, rest = (
        statement.strip().partition(" : R,\n") if statement.strip()[:6] in ("forall", "exists") else ("", "", statement)
    )
    kind, *names = head.split() or [""]
    *heads, goal = rest.split(" ->\n")
    assumed = []
    for text in heads:
        if defined := re.fullmatch(r"\s*forall (\w+) : R, \1 = (.*)", text, re.DOTALL):
            at[defined[1]] = Reader(defined[2], at).sum()
        else:
            assumed.append(Reader(text, at).whole())
    return kind, names, assumed, [Reader(part, at).whole() for part in goal.split("\n  /\\ ")]


def number(expression: Any, at: At) -> float:
    if expression.is_Symbol:
        return at[expression.name]
    if expression.is_number and not expression.args:
        return float(expression)
    return OF_SYMPY[expression.func](*[number(arg, at) for arg in expression.args])


class Said:
    """What a step says at a point, from what its author wrote."""

    def __init__(self, claim: Claim, step: Step, at: At) -> None:
        self.at, self.meaning = at, dict[str, Any]()
        for definitions in (claim.definitions, step.using):
            for key, value in definitions.items():
                self.meaning[name_of(key)] = self.plain(value)

    def plain(self, expression: Any) -> Any:
        named = {s: self.meaning.get(s.name, sp.Symbol(s.name)) for s in sp.sympify(expression).free_symbols}
        whole = sp.sympify(expression).xreplace(named)
        while held := next((node for node in sp.postorder_traversal(whole) if isinstance(node, derivative)), None):
            whole = whole.xreplace({held: sp.diff(*held.args)})
        return whole.doit() if whole.has(sp.Sum, sp.Product, sp.Derivative) else whole

    def formula(self, item: Any) -> Any:
        if item.is_Relational:
            return relation(item.rel_op, *[number(self.plain(side), self.at) for side in item.args])
        return joined(CONNECTIVES[item.func], [self.formula(arg) for arg in item.args])


def parts(items: Any) -> list[Any]:
    """Assumptions, each conjunction taken apart."""
    return [part for item in items for part in (parts(item.args) if isinstance(item, And) else [item])]


def ranged(name: str, own: Domain, at: At) -> list[Any]:
    x, ends = at[name], []
    if own.lower is not None:
        ends.append(relation("<" if own.lower_open else "<=", float(own.lower), x))
    if own.upper is not None:
        ends.append(relation("<" if own.upper_open else "<=", x, float(own.upper)))
    return [joined("and", ends)] if len(ends) > 1 else ends


def inside(own: Domain, chance: random.Random) -> float:
    low = -2.0 if own.lower is None else float(own.lower)  # -2 lies below all upper ends here
    high = low + 3 if own.upper is None else float(own.upper)
    return low + (high - low) * chance.uniform(0.1, 0.9) if high > low else low


def compare(claim: Claim, step: Step) -> None:
    """Take the theorem of a step apart, at two points."""
    context = ClaimContext(claim.domain_by_name, claim.plain_definitions, claim.plain_assumptions)
    here, chance = StepContext(context, step), random.Random(len(claim.id + step.words))
    if isinstance(step, Search):
        raise NotExportedError
    if isinstance(step, PointStep):
        statement = at_a_point(step, here, "t").statement
    elif isinstance(step, Enclosure):
        statement = enclosed(step, here, "t").statement
    else:
        statement = _Script(step, here, "t").statement
    domain = claim.domain_by_name | expand_domain(step.where)
    if isinstance(step, Enclosure):
        domain |= {name: Domain(step.lower[name], step.upper[name], False, False) for name in step.lower}
    for _ in range(2):
        at = {name: inside(own, chance) for name, own in domain.items()}
        kind, names, assumed, goals = read(statement, {identifier(name): value for name, value in at.items()})
        said = Said(claim, step, at)
        bound = [name for name in domain if identifier(name) in names]
        premises = [said.formula(item) for item in parts([*claim.assumptions, *step.given])]
        premises += [end for name in bound for end in ranged(name, domain[name], at)]
        wanted = [said.formula(item) for item in step.formulas]
        if isinstance(step, Counterexample):
            wanted = [joined("not", wanted)]
        assert (kind, len(names)) in ((("exists" if isinstance(step, PointStep) else "forall"), len(bound)), ("", 0))
        if isinstance(step, PointStep):
            assert goals[-1:] == wanted
            assert sorted(goals[:-1], key=repr) == sorted(premises, key=repr)
        else:
            assert goals == wanted
            assert sorted(assumed, key=repr) == sorted(premises, key=repr)


k, t, u, v, w, x, y, z, V = symbols("k t u v w x y z V")
ENDS = {
    t: Domain(None, Fraction(1)),
    u: UNIT,
    v: between(-1, 2, "(]"),
    w: CLOSED_UNIT,
    x: at_least(2),
    y: POSITIVE,
    z: REAL,
}
WITHIN: dict[Any, Any] = {u: ("1/4", "1/2"), y: (1, 2)}
KINDS = {
    "or and": decide("S.", Or(And(u < x, Ne(y, z)), v >= w)),
    "not": decide("S.", Not(Or(u > x, And(u > y, v > z)), evaluate=False)),
    "bounded above": decide("S.", t + u < z),
    "implies": decide("S.", Implies(Or(u > z, v < z), Implies(y > 1, x > y))),
    "if and only if": decide("S.", Equivalent(And(u > z, v < z), y > 1)),
    "powers": decide("S.", -(u**2) / (1 - x) ** 3 + y**-2 * (u - v) ** 2 > -(x**4) / 3 - z * (y - (u - w))),
    "exp and log": decide("S.", exp(-u * y) * log(x / y) - log(1 + u) ** 2 >= sqrt(y) ** 3 - y**u + exp(2)),
    "extremes": decide("S.", Max(u, v * y, 1) - Min(x, y, z) > Max(Min(u, y), z)),
    "absolute": decide("S.", Abs(u - v) <= Abs(z) ** 3 + Abs(-2 * u - y)),
    "definitions": decide("S.", Eq(V * u, V + u, evaluate=False), using={V: (u - x) / (1 - y * x)}, given=[Ne(x * y, 1)]),
    "derivatives": decide("S.", derivative(V, u) >= sp.Sum(u**k, (k, 1, 3)), using={V: u**3 / y}),
    "premises": decide("S.", u > v, given=[And(u < x, v <= y), Or(z > u, z < v)]),
    "a point": example("S.", And(u < x, v < y), at={u: "1/3", v: "-1/2", w: 1, x: 2, y: 1, z: 0}, given=[u < z + 1]),
    "no point": Counterexample("S.", Implies(u < x, v > y), at={u: "1/3", v: "-1/2", w: 1, x: 2, y: 1, z: 0}),
    "a box": Enclosure("S.", And(exp(u) < y * 7, u > -1), WITHIN),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_theorem_of_a_step_is_read_back_as_what_was_claimed(kind: str) -> None:
    premise = [] if isinstance(KINDS[kind], Enclosure) else [u + x > y / 2]
    with early.watched(""):
        claim = Claim(id="c", statement="S.", domain=ENDS, assumptions=premise, proof=[KINDS[kind]])
    compare(claim, KINDS[kind])


def test_steps_of_the_claims_are_read_back_as_what_was_claimed() -> None:
    compared = 0
    for claim in list(all_claims().values())[::8]:
        for step in claim.steps()[:2]:
            with contextlib.suppress(NotExportedError):
                compare(claim, step)
                compared += 1
    assert compared > 30
