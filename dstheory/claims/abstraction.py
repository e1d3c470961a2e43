"""exp, log, powers and absolute values made rational: each becomes a new unknown with what is known about it.

A formula with log(p) is read as one about an unknown L, together with facts that L = log(p) satisfies: f - 1 >= L and
f L >= f - 1 for L = log f (strictly unless f = 1), E > 0 and E >= 1 + t for E = exp t; a number such as log 2 or pi lies between
two rationals. On demand two of a kind are compared: g (log f - log g) <= f - g, and exp s >= (1 + s - t) exp t. What follows from
these facts for *every* such unknown follows for the logarithm. The converse does not hold, so a solver's counterexample is only
believed after it has been re-checked with the true functions.

Products inside logarithms and sums inside exponentials are split, and u^v becomes exp(v log u), so that equal terms become equal
unknowns; log u is split only where each factor has one sign on the whole domain.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection
from fractions import Fraction
from typing import Any

import mpmath
import sympy

from dstheory.claims.domains import NONNEGATIVE, POSITIVE, Domain
from dstheory.claims.evaluation import enclose_value, precision
from dstheory.claims.formulas import short, with_sides
from dstheory.claims.size import MOST_DEGREE, parts_of, ratio, require_small
from dstheory.claims.solver import OUT_OF_TIME
from dstheory.errors import ClaimError, NotSettledError, UndefinedError

SignOf = Callable[[Any], int | None]
_GREATEST_PRIME = 10**5
"""That is taken out of a number in a logarithm: larger factors, which nobody may find, stay together."""
_MOST_COMPARED = 6  # logarithms, or exponentials, of which each two are compared


class Abstraction:
    """The unknowns that stand for non-rational terms, and the facts known about them.

    Args:
        sign_of: Returns the sign (+1, -1) that a polynomial expression has on the whole domain, or None.
        taken: Names of the claim's own symbols: no unknown gets one of them, whatever users call theirs.
        never_negative: Whether a rational expression is at least 0 on the whole domain, as far as can be told.
    """

    def __init__(
        self, sign_of: SignOf, taken: Collection[str] = (), *, never_negative: Callable[[Any], bool] = lambda expression: False
    ) -> None:
        self._sign_of = sign_of
        self._never_negative = never_negative
        self._taken = set(taken)
        self._unknowns: dict[Any, Any] = {}
        self.meaning: dict[str, Any] = {}
        self.facts: list[Any] = []
        self.roots: dict[str, tuple[int, Any]] = {}
        self.ranges: dict[str, Domain] = {}
        """Where unknowns lie whatever else is known: exponentials, roots and absolute values have their sign by nature."""
        self.complete = True
        self.hurried = False
        """Whether a sign was not found for want of time."""
        self._logs: dict[Any, Any] = {}
        self._exps: dict[Any, Any] = {}
        self._done: dict[Any, Any] = {}

    def rational(self, expression: Any) -> Any:
        """The expression with every non-rational term replaced by unknowns (rational functions of them)."""
        if expression.is_Symbol or expression.is_Rational:
            return expression
        if expression in self._done:
            return self._done[expression]
        self._done[expression] = result = self._rewrite(expression)
        return result

    def formula(self, formula: Any) -> Any:
        """The formula with every relation made rational."""
        return with_sides(formula, self.rational)

    def _rewrite(self, expression: Any) -> Any:
        args = expression.args
        if expression.is_Add or expression.is_Mul:
            return expression.func(*[self.rational(arg) for arg in args])
        if expression.is_Pow and args[1].is_Integer:
            return self.rational(args[0]) ** _followed(args[1])
        if isinstance(expression, sympy.log):
            return self._log(self.rational(args[0]), f"{args[0]} in {expression}")
        if isinstance(expression, sympy.exp):
            return self._exp(self.rational(args[0]))
        if expression is sympy.E:
            return self._exp(sympy.Integer(1))
        if expression is sympy.pi:
            return self._number(sympy.pi)
        if expression.is_Pow:
            base, exponent = self.rational(args[0]), self.rational(args[1])
            if exponent.is_Rational and exponent > 0 and self._sign_of(base) != 1 and self._never_negative(base):
                return self._root(base, _followed(exponent.p), _followed(exponent.q), positive=False)
            return self._exp(exponent * self._log(base, f"{args[0]} in {expression}"))
        if isinstance(expression, sympy.Abs):
            inner = self.rational(args[0])
            unknown = self._unknown(sympy.Abs(inner, evaluate=False), NONNEGATIVE)
            self._know(unknown >= 0, sympy.Or(sympy.Eq(unknown, inner), sympy.Eq(unknown, -inner)))
            return unknown
        if isinstance(expression, sympy.Max | sympy.Min):
            return self._extreme(expression, [self.rational(arg) for arg in args])
        raise ClaimError(
            f"{expression.func.__name__}(...) is not understood in a formula; use +, -, *, /, powers, exp, log, Abs, Max, Min"
        )

    def _extreme(self, expression: Any, values: list[Any]) -> Any:
        unknown = self._unknown(expression.func(*values))
        for value in values:
            self._know(unknown >= value if isinstance(expression, sympy.Max) else unknown <= value)
        self._know(sympy.Or(*[sympy.Eq(unknown, value) for value in values]))
        return unknown

    def _log(self, argument: Any, called: str) -> Any:
        """log u as a sum of logs of the irreducible factors of u, each of one sign on the domain; ``called`` is u in errors."""
        top, bottom = ratio(argument)
        total: Any = sympy.Integer(0)
        constant = Fraction(1)
        for polynomial, direction in ((top, 1), (bottom, -1)):
            outer, factors = parts_of(polynomial)
            if outer == 0:
                raise UndefinedError(f"{called} is zero")
            leading = Fraction(int(polynomial.LC.numerator), int(polynomial.LC.denominator))
            for factor, power in factors:
                leading /= Fraction(int(factor.LC.numerator), int(factor.LC.denominator)) ** power
                expression = factor.as_expr()
                factor_sign = self._sign_of(expression)
                if factor_sign is None:
                    if self._sign_of(argument) != 1:
                        late = f" ({OUT_OF_TIME})" if self.hurried else ""
                        raise NotSettledError(f"{called} could not be shown to be positive on the whole domain{late}")
                    return self._prime(sympy.log, argument)
                constant *= Fraction(factor_sign) ** (power * direction)
                total += direction * power * self._prime(sympy.log, factor_sign * expression)
            constant *= leading**direction
        if constant < 0:
            raise UndefinedError(f"{called} is negative on the whole domain")
        for number, direction in ((constant.numerator, 1), (constant.denominator, -1)):
            parts = sympy.factorint(number, limit=_GREATEST_PRIME, use_rho=False, use_pm1=False, use_ecm=False)
            for prime, power in sorted(parts.items()):
                total += direction * power * self._prime(sympy.log, sympy.Integer(prime))
        self._log_facts(argument, total)
        return total

    def _prime(self, function: Any, argument: Any) -> Any:
        """The unknown that stands for the log or exp of an argument that is not split further; a new one with its facts."""
        meaning = function(argument, evaluate=False)
        known = meaning in self._unknowns
        unknown = self._unknown(meaning, POSITIVE if function is sympy.exp else None)
        if not known:
            (self._log_facts if function is sympy.log else self._exp_facts)(argument, unknown)
        return self._number(meaning) if argument.is_Rational else unknown

    def _number(self, meaning: Any) -> Any:
        """The unknown that stands for an irrational number: it lies between two neighbouring multiples of 1e-12."""
        self.complete = False
        unknown = self._unknown(meaning)
        with precision(128):
            value = enclose_value(meaning, {}) * 10**12
            below, above = int(mpmath.floor(value.a, prec=0)), int(mpmath.ceil(value.b, prec=0))
        self._know(unknown > sympy.Rational(below, 10**12), unknown < sympy.Rational(above, 10**12))
        return unknown

    def compare(self) -> bool:
        """Add what is known of each two logarithms and each two exponentials; whether that is more than was known."""
        before = len(self.facts)
        logs = self._logs | {1 / u: -value for u, value in self._logs.items() if u.is_Rational}
        logs |= {value: exponent for exponent, value in self._exps.items() if value.is_Symbol and self._logs}
        bases = {value: u for u, value in self._logs.items() if value.is_Symbol}
        exps = self._exps | {log: u for log, u in bases.items() if any(exponent.has(log) for exponent in self._exps)}
        if max(len(logs), len(exps)) <= _MOST_COMPARED:
            for (u, log_u), (v, log_v) in itertools.permutations(logs.items(), 2):
                self._know(*_strict_unless_equal(v * (log_u - log_v), u - v, u, v))
            for (s, exp_s), (t, exp_t) in itertools.permutations(exps.items(), 2):
                self._know(*_strict_unless_equal((1 + s - t) * exp_t, exp_s, s, t))
        return len(self.facts) > before

    def _log_facts(self, argument: Any, value: Any) -> None:
        self.complete = False
        self._logs[argument] = value
        less, times = argument - 1, argument * value
        self._know(
            _related(sympy.Ge, less, value),
            _related(sympy.Ge, times, less),
            sympy.Or(
                _related(sympy.Eq, argument, sympy.Integer(1)),
                sympy.And(_related(sympy.Gt, less, value), _related(sympy.Gt, times, less)),
            ),
        )

    def _exp(self, exponent: Any) -> Any:
        """exp t as a product over the terms of t: integer multiples of logs become powers, the rest positive unknowns."""
        product: Any = sympy.Integer(1)
        require_small(exponent)
        for term in sympy.Add.make_args(sympy.expand(exponent)):
            coefficient, rest = term.as_coeff_Mul()
            meaning = self.meaning.get(rest.name) if rest.is_Symbol else None
            if isinstance(meaning, sympy.log) and coefficient.is_Rational:
                product *= self._root(meaning.args[0], _followed(coefficient.p), _followed(coefficient.q))
            elif coefficient.is_Rational:
                unknown = self._prime(sympy.exp, rest / int(coefficient.q))
                product *= unknown ** _followed(coefficient.p)
            else:
                product *= self._prime(sympy.exp, term)
        self._exp_facts(exponent, product)
        return product

    def _exp_facts(self, exponent: Any, value: Any) -> None:
        if exponent == 0:
            return
        self.complete = False
        self._exps[exponent] = value
        zero, one = sympy.Integer(0), sympy.Integer(1)
        more, times = one + exponent, value * (one - exponent)
        self._know(
            _related(sympy.Gt, value, zero),
            _related(sympy.Ge, value, more),
            _related(sympy.Le, times, one),
            sympy.Or(
                _related(sympy.Eq, exponent, zero),
                sympy.And(_related(sympy.Gt, value, more), _related(sympy.Lt, times, one)),
            ),
        )

    def _root(self, base: Any, numerator: int, denominator: int, *, positive: bool = True) -> Any:
        """base^(numerator/denominator) for a base of at least 0: the root is an unknown with its defining equation."""
        if denominator == 1:
            return base**numerator
        root = sympy.Pow(base, sympy.Rational(1, denominator), evaluate=False)
        unknown = self._unknown(root, POSITIVE if positive else NONNEGATIVE)
        if unknown.name not in self.roots:
            self.roots[unknown.name] = (denominator, base)
            self._know(unknown > 0 if positive else unknown >= 0, sympy.Eq(unknown**denominator, base))
        whole, part = divmod(numerator, denominator)
        return base**whole * unknown**part

    def _unknown(self, meaning: Any, lies_in: Domain | None = None) -> Any:
        """The unknown that stands for a term: one symbol per term, told apart by the term and not by how it prints."""
        if meaning not in self._unknowns:
            name = str(meaning)
            name = f"({name})" if meaning.is_Pow and "**" in name else name  # it may be printed with a power of its own
            while name in self._taken:
                name += "'"
            self._taken.add(name)
            self._unknowns[meaning] = sympy.Symbol(name)
            self.meaning[name] = meaning
            if lies_in is not None:
                self.ranges[name] = lies_in
        return self._unknowns[meaning]

    def _know(self, *facts: Any) -> None:
        for fact in facts:
            if fact not in (sympy.true, sympy.false) and fact not in self.facts:
                self.facts.append(fact)


def _followed(power: Any) -> int:
    """A power, or the degree of a root, that polynomials can have."""
    if abs(power) > MOST_DEGREE:
        raise NotSettledError(f"the power {short(power)} is too large; use powers up to {MOST_DEGREE}")
    return int(power)


def _strict_unless_equal(low: Any, high: Any, one: Any, other: Any) -> tuple[Any, Any]:
    """That low <= high, and that equality needs two expressions to be equal."""
    return _related(sympy.Le, low, high), sympy.Or(_related(sympy.Eq, one, other), _related(sympy.Lt, low, high))


def _related(kind: Any, left: Any, right: Any) -> Any:
    """A relation, settled where both sides differ by a number: symbols are plain, so SymPy would look for other signs in vain."""
    return kind(left, right, evaluate=(left - right).is_number)
