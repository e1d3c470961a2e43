"""The premises of a proof step: which symbols range where, what is assumed, and what follows at once.

Relations between rational functions become sign conditions on the few polynomial factors whose sign does not already follow:
N/D > 0 becomes "the product of the undecided factors is positive". That is both what keeps the solver fast and what a reader
does by hand.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

import sympy
from sympy.logic.boolalg import BooleanAtom, Not

from dstheory.claims.abstraction import Abstraction
from dstheory.claims.definedness import Condition, Need
from dstheory.claims.domains import REAL, Domain
from dstheory.claims.size import parts_of, ratio
from dstheory.claims.solver import OUT_OF_TIME, Answer, Operator, PolynomialRelation, ask
from dstheory.claims.witnesses import FIRST, QUICK, THOROUGH, find_witness, is_witness, simplify_witness
from dstheory.errors import NotSettledError, UndefinedError

_SIGN_SECONDS = 1.5
_KNOWN_SIGNS: dict[Any, int | None] = {}
"""Signs that the solver settled: the same question gets the same answer, so it is asked once in a process."""
_FLIP: dict[str, Operator] = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


class Premises:
    """A domain with assumptions, in which signs of polynomials and formulas are decided.

    Args:
        domain: Symbol name -> `Domain`.
        assumptions: Formulas in plain symbols, all taken to hold.
        deadline: Value of ``time.process_time()`` after which questions to the solver are answered "unknown".
        seed: Seed of the solver.

    Example:
        >>> from dstheory.claims.domains import UNIT
        >>> p, a = sympy.symbols("p a")
        >>> premises = Premises({"p": UNIT, "a": UNIT}, [], deadline=time.process_time() + 5)
        >>> premises.sign_of(1 - p * a), premises.sign_of(p - a)
        (1, None)
    """

    def __init__(
        self,
        domain: Mapping[str, Domain],
        assumptions: Sequence[Any] = (),
        *,
        deadline: float,
        seed: int = 0,
    ) -> None:
        self.domain = dict(domain)
        self.assumptions = list(assumptions)
        self.deadline = deadline
        self.seed = seed
        self.abstraction = Abstraction(self.sign_of, self.domain, never_negative=self.never_negative)
        self._signs: dict[Any, int | None] = {}

    def assuming(self, assumptions: Sequence[Any], box: Mapping[str, Domain] | None = None) -> Premises:
        """The same domain, but for the ranges in ``box``, with other assumptions."""
        return Premises({**self.domain, **(box or {})}, assumptions, deadline=self.deadline, seed=self.seed)

    def sign_of(self, expression: Any) -> int | None:
        """+1 or -1 if a rational expression has that sign wherever the premises hold, otherwise None."""
        total = 1
        for polynomial in ratio(expression):
            sign, factors = parts_of(polynomial)
            total *= sign
            for factor, power in factors:
                part = self._factor_sign(factor, power)
                if part is None:
                    return None
                total *= part
        return total or None

    def never_negative(self, expression: Any) -> bool:
        """Whether a rational expression is at least 0 wherever domain and rational premises hold, as far as can be told."""
        opposite = _raw_condition(sympy.Lt(expression, 0, evaluate=False))
        names = {symbol.name for symbol in expression.free_symbols}
        return self._ask([opposite], names, with_facts=False).status == "unsat"

    def ask(self, formulas: Sequence[Any], *, located: bool = True) -> Answer:
        """Ask the solver for a point at which the premises and all (plain) formulas hold; ``located`` if it is wanted itself."""
        rational = [self.abstraction.formula(formula) for formula in formulas]
        trees = [_tree(formula, self._sign_condition) for formula in rational]
        return self._ask(trees, self._names(rational), with_facts=True, located=located)

    def point(self, formula: Any = sympy.true) -> dict[str, Any] | None:
        """A point at which the premises and a (plain) formula hold, confirmed by exact arithmetic; None if there is none.

        Raises:
            NotSettledError: If neither could be shown.
        """
        refuted = Not(formula, evaluate=False) if formula is not sympy.true else sympy.false
        sought = (refuted, self.assumptions, self.domain)
        if (witness := find_witness(*sought, seed=self.seed, points=QUICK)) is not None:
            return witness.point
        answer = self.ask([formula] if formula is not sympy.true else [])
        if answer.status == "unsat":
            return None
        names = self._names([formula, *self.assumptions])
        found = {name: value for name, value in answer.point.items() if name in names}
        if answer.status == "sat" and set(found) == names:
            for trial in (found, simplify_witness(found, *sought).point):
                if is_witness(trial, *sought):
                    return trial
            if self.abstraction.compare():
                return self.point(formula)
        if (witness := find_witness(*sought, seed=self.seed, points=THOROUGH)) is not None:
            return witness.point
        why = answer.reason or "the solver's point could not be confirmed by exact arithmetic"
        raise NotSettledError(why)

    def residual(self, expression: Any) -> Any:
        """The numerator of an expression as a polynomial, roots reduced by their equations: zero only if it vanishes."""
        rational = self.abstraction.rational(expression)
        roots = {name: root for name, root in self.abstraction.roots.items() if sympy.Symbol(name) in rational.free_symbols}
        numerator = ratio(rational).numerator
        for name, (degree, base) in roots.items():
            symbol = sympy.Symbol(name)
            polynomial = sympy.Poly(numerator.as_expr(), symbol)
            reduced = [c * base ** (k // degree) * symbol ** (k % degree) for (k,), c in polynomial.terms()]
            numerator = ratio(sympy.Add(*reduced)).numerator
        return numerator

    def require(self, condition: Condition) -> None:
        """Check that a condition for an expression to have a value holds wherever the premises hold.

        Raises:
            UndefinedError: With a point at which it does not hold.
            NotSettledError: If it could neither be shown nor refuted.
        """
        rational = self.abstraction.rational(condition.expression)
        sign = self.sign_of(rational)
        if sign == 1 or (sign == -1 and condition.need is Need.NONZERO):
            return
        constant, factors = parts_of(ratio(rational).numerator)
        if condition.need is Need.NONZERO and constant and all(self._never_zero(factor) for factor, _ in factors):
            return
        try:
            point = self.point(condition.negation)
        except NotSettledError as error:
            raise NotSettledError(f"{condition.broken}, and that could not be ruled out: {error}") from error
        if point is None:
            return
        where = ", ".join(f"{name} = {value}" for name, value in sorted(point.items())) or "every point"
        raise UndefinedError(f"{condition.broken}, for instance at {where}; narrow the domain or the assumptions")

    def _never_zero(self, factor: Any) -> bool:
        if self._factor_sign(factor, 1) is not None:
            return True
        zero = PolynomialRelation(((factor, 1),), "==")
        return self._ask([zero], {s.name for s in factor.as_expr().free_symbols}, with_facts=True).status == "unsat"

    def _sign_condition(self, relation: Any) -> Any:
        """A rational relation as a sign condition on polynomials of undecided sign; its truth, if none is undecided."""
        top, bottom = ratio(relation.lhs - relation.rhs)
        written = relation.rel_op
        sign, factors = parts_of(top)
        below_sign, below = parts_of(bottom)
        if sign == 0:
            return written in ("==", "<=", ">=")
        undecided = []
        # A denominator's factor has the sign of its reciprocal; that it does not vanish is checked by require.
        for factor, power in factors + below:
            known = self._factor_sign(factor, power)
            if known is None:
                undecided.append((factor, power))
            else:
                sign *= known
        sign *= below_sign
        operator: Operator = written if sign > 0 else _FLIP[written]
        if not undecided:
            return operator in (">", ">=", "!=")
        return PolynomialRelation(tuple(undecided), operator)

    def _factor_sign(self, factor: Any, power: int) -> int | None:
        key = factor.as_expr()
        if key not in self._signs:
            self._signs[key] = None  # while it is being decided, nothing is known of it
            self._signs[key] = self._decide_sign(factor)
        sign = self._signs[key]
        if sign is None:
            return None
        return sign if power % 2 else 1

    def _decide_sign(self, factor: Any) -> int | None:
        expression = factor.as_expr()
        names = {symbol.name for symbol in expression.free_symbols}
        domain = self.domain | self.abstraction.ranges
        if sign := _sign_of_line(expression, domain):
            return sign
        rational = [item for item in self.assumptions if _is_rational(item)]
        ranges = [(name, domain[name]) for name in sorted(names | self._names(rational)) if name in domain]
        key = (expression, tuple(rational), tuple(ranges), self.seed)
        if key not in _KNOWN_SIGNS:
            box = {name: domain.get(name, REAL) for name in names} | dict(ranges)
            opposites: tuple[tuple[int, Operator, Any], ...] = ((1, "<=", sympy.Gt), (-1, ">=", sympy.Lt))
            for sign, opposite, kind in opposites:
                # One point at which it has another sign says as much as the solver, sooner.
                if find_witness(kind(expression, 0, evaluate=False), rational, box, points=FIRST) is not None:
                    continue
                answer = self._ask([PolynomialRelation(((factor, 1),), opposite)], names, with_facts=False)
                if answer.status == "unknown":
                    self.abstraction.hurried |= answer.reason == OUT_OF_TIME
                    return None  # for want of time: not to be remembered
                if answer.status == "unsat":
                    _KNOWN_SIGNS[key] = sign
                    return sign
            _KNOWN_SIGNS[key] = None
        return _KNOWN_SIGNS[key]

    def _ask(self, trees: list[Any], names: set[str], *, with_facts: bool, located: bool = False) -> Answer:
        """Ask the solver; ``located`` if the point is wanted and not only whether there is one."""
        seconds = self.deadline - time.process_time()
        if seconds <= 0:
            return Answer("unknown", reason=OUT_OF_TIME)
        if not with_facts:  # one factor's sign: a by-product must not use up the time of the question itself
            seconds = min(seconds / 4, _SIGN_SECONDS)
        integers = {name for name, domain in self.domain.items() if domain.integer}
        formulas = [*self._premises(names, with_facts), *trees]
        return ask(formulas, seconds=seconds, seed=self.seed, integers=integers, located=located)

    def _premises(self, names: set[str], with_facts: bool) -> list[Any]:
        """Domain and assumptions, not themselves simplified by signs that follow.

        The sign of a factor is decided from the rational assumptions alone: the others are made rational with the help of
        signs, so that using them here would be circular.
        """
        formulas = [item for item in self.assumptions if _is_rational(item)]
        if with_facts:
            formulas += [self.abstraction.formula(item) for item in self.assumptions if not _is_rational(item)]
            formulas += self.abstraction.facts
        names = names | self._names(formulas)
        domain = self.domain | ({} if with_facts else self.abstraction.ranges)
        for name in sorted(names & set(domain)):
            formulas += _range(name, domain[name])
        return [_raw_tree(formula) for formula in formulas]

    def _names(self, formulas: Sequence[Any]) -> set[str]:
        return {str(symbol) for formula in formulas for symbol in formula.free_symbols}


def _sign_of_line(expression: Any, domain: Mapping[str, Domain]) -> int | None:
    """The sign of c x + d on the range of x, by comparing its root with the ends; None for anything else, or if it changes."""
    symbols = expression.free_symbols
    if len(symbols) != 1:
        return None
    (symbol,) = symbols
    if symbol.name not in domain:
        return None
    ground = expression.as_poly(symbol)
    if ground is None or ground.degree() != 1:
        return None
    slope, shift = ground.all_coeffs()
    root = -Fraction(int(shift.p), int(shift.q)) / Fraction(int(slope.p), int(slope.q))
    span = domain[symbol.name]
    if span.lower is not None and (root < span.lower or (root == span.lower and span.lower_open)):
        return 1 if slope > 0 else -1
    if span.upper is not None and (root > span.upper or (root == span.upper and span.upper_open)):
        return -1 if slope > 0 else 1
    return None


def _tree(formula: Any, condition: Callable[[Any], Any]) -> Any:
    """A formula as connectives over conditions, each that of a relation."""
    if isinstance(formula, BooleanAtom):
        return bool(formula)
    if formula.is_Relational:
        return condition(formula)
    return formula.func, [_tree(arg, condition) for arg in formula.args]


@lru_cache(maxsize=4096)
def _raw_tree(formula: Any) -> Any:
    return _tree(formula, _raw_condition)


def _raw_condition(relation: Any) -> Any:
    top, bottom = ratio(relation.lhs - relation.rhs)
    product = top * bottom
    if product == 0:
        return relation.rel_op in ("==", "<=", ">=")
    return PolynomialRelation(((product, 1),), relation.rel_op)


@lru_cache(maxsize=1024)
def _range(name: str, domain: Domain) -> list[Any]:
    return domain.relations(sympy.Symbol(name))


@lru_cache(maxsize=4096)
def _is_rational(formula: Any) -> bool:
    return not any(
        (node.is_Pow and not node.exp.is_Integer)
        or isinstance(node, sympy.Function | sympy.Max | sympy.Min)
        or node in (sympy.E, sympy.pi)
        for node in sympy.preorder_traversal(formula)
        if isinstance(node, sympy.Expr)
    )
