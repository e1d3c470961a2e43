"""Fractions of integer polynomials: their arithmetic, their lowest terms, their irreducible factors.

SymPy's own field of fractions takes a greatest common divisor after every addition, which dominates the time of a zero test and
is not needed for it: a fraction is zero when its numerator is. Here a denominator is a product of powers of the polynomials that
occurred as denominators, so that equal ones meet without a division, and common divisors are removed once, at the end, on demand.

Factoring is FLINT's where python-flint is installed and SymPy's where it is not; a polynomial has one factorisation, and its
factors are listed in one order, so that nothing that is computed or printed depends on which of them did it.

The generators of an expression are the symbols, logarithms, powers and exponentials over which it is a rational function. Why
fresh generators may stand for the transcendental parts is argued in :mod:`dstheory.rational`; here the parts are found and told
apart: arguments of logarithms are split into irreducible factors, exponents into monomials.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import sympy as sp
from sympy import QQ, ZZ
from sympy.polys.orderings import lex
from sympy.polys.rings import PolyRing

from dstheory.errors import DSTheoryError
from dstheory.rational.symbols import domain_of


class Generators:
    """Names the generators of an expression and rewrites it so that only generators, rationals, +, x and ** int remain."""

    def __init__(self) -> None:
        self.meaning: dict[sp.Symbol, sp.Expr] = {}  # generator -> what it stands for
        self._of: dict[tuple[str, sp.Expr], sp.Symbol] = {}
        self._done: dict[sp.Expr, sp.Expr] = {}
        self._degree: dict[sp.Expr, int] = {}  # base -> least common denominator of its rational exponents
        self._taken: set[str] = set()  # names of the expression's own symbols, whatever users call theirs

    def rewrite(self, expr: sp.Expr) -> sp.Expr:
        """Return the expression in generators only.

        Raises:
            NotRationalFunctionError: a part of it has no generator.
        """
        self._taken = {symbol.name for symbol in expr.free_symbols}
        for power in expr.atoms(sp.Pow):
            if power.exp.is_Rational and not power.exp.is_Integer:
                if not (power.base.is_Symbol and power.base.is_positive):
                    raise NotRationalFunctionError(
                        f"the zero test has no generator for {power}: a root of something else than "
                        "a positive symbol; name the root by a symbol of its own"
                    )
                self._degree[power.base] = sp.ilcm(self._degree.get(power.base, 1), power.exp.q)
        return self._walk(expr)

    def _generator(self, kind: str, of: sp.Expr, meaning: sp.Expr) -> sp.Symbol:
        key = (kind, of)
        if key not in self._of:
            name = f"{kind}[{of}]"
            while name in self._taken:
                name += "'"
            self._of[key] = generator = of if kind == "symbol" else sp.Symbol(name)
            self.meaning[generator] = meaning
        return self._of[key]

    def _walk(self, expr: sp.Expr) -> sp.Expr:
        if expr not in self._done:
            self._done[expr] = self._rewrite_node(expr)
        return self._done[expr]

    def _rewrite_node(self, expr: sp.Expr) -> sp.Expr:
        if expr.is_Rational:
            return expr
        if expr.is_Symbol:
            return self._symbol(expr)
        if expr.is_Add or expr.is_Mul:
            args = [self._walk(arg) for arg in expr.args]
            return expr.func(*args) if any(new is not old for new, old in zip(args, expr.args, strict=True)) else expr
        if isinstance(expr, sp.log):
            return self._log(expr.args[0])
        if isinstance(expr, sp.exp):
            return self._power(sp.E, expr.args[0])
        if expr.is_Pow:
            if expr.exp.is_Integer:
                return sp.Pow(self._walk(expr.base), expr.exp)
            return self._power(expr.base, expr.exp)
        raise NotRationalFunctionError(
            f"the zero test has no generator for {expr} ({type(expr).__name__}); it accepts rational "
            "functions of symbols, logarithms and powers"
        )

    def _symbol(self, symbol: sp.Symbol) -> sp.Expr:
        degree = self._degree.get(symbol, 1)
        if degree == 1:
            return self._generator("symbol", symbol, symbol)
        return self._generator("root", symbol, sp.root(symbol, degree)) ** degree

    def _log(self, argument: sp.Expr) -> sp.Expr:
        # An argument of a logarithm is positive on the domain, so log f = sum of e log|f_i| over its irreducible factors,
        # and the sign of a factor does not matter: both signs share one generator.
        if _negative_throughout(argument):
            raise NotRationalFunctionError(f"log({argument}) is not real: its argument is negative on the domain of its symbols")
        total: sp.Expr = sp.S.Zero
        for factor, exponent in _irreducible_factors(argument):
            if factor == sp.E:
                total += self._walk(sp.sympify(exponent))
                continue
            if factor.is_Add and factor.free_symbols & self._degree.keys():
                raise NotRationalFunctionError(
                    f"log({factor}) beside a root of one of its symbols: name the root by a symbol of its own"
                )
            positive = factor if factor.is_Rational else _positive_version(factor, argument)
            total += self._walk(exponent) * self._generator("log", _unsigned(factor), sp.log(positive))
        return total

    def _power(self, base: sp.Expr, exponent: sp.Expr) -> sp.Expr:
        result: sp.Expr = sp.S.One
        for factor, multiplicity in [(sp.E, sp.S.One)] if base == sp.E else _irreducible_factors(base):
            for term in sp.Add.make_args(sp.expand(multiplicity * exponent)):
                number, monomial = term.as_coeff_Mul()
                if monomial == 1 and factor != sp.E and number.is_Integer:
                    result *= self._walk(factor) ** number
                elif monomial == 1 and factor.is_Symbol and factor in self._degree:
                    result *= self._walk(factor).as_base_exp()[0] ** (number * self._degree[factor])
                elif number.is_Integer:
                    result *= self._generator(f"power {monomial} of", factor, factor**monomial) ** number
                else:
                    raise NotRationalFunctionError(
                        f"the zero test has no generator for {base}**({exponent}): a fractional multiple of a symbolic exponent"
                    )
        return result


def _is_unit_linear(expr: sp.Expr) -> bool:
    """Whether an expression is a sum of symbols and numbers with a symbol of coefficient +-1: irreducible, and primitive."""
    return bool(expr.is_Add and all(t.is_Integer or t.is_Symbol or (-t).is_Symbol for t in expr.args))


def _unsigned(factor: sp.Expr) -> sp.Expr:
    return -factor if factor.could_extract_minus_sign() else factor


def _positive_version(factor: sp.Expr, argument: sp.Expr) -> sp.Expr:
    """Return the sign of a factor that a logarithm's argument implies, or the usual one, for writing the logarithm back."""
    if sp.expand(argument - factor) == 0 or sp.expand(argument + factor) == 0:
        return argument
    return -factor if signs(factor) == {-1} else factor


@cache
def _irreducible_factors(argument: sp.Expr) -> tuple[tuple[sp.Expr, sp.Expr], ...]:
    """Split a positive expression into (irreducible factor, exponent); numbers into primes, exp(x) into (e, x)."""
    if argument.is_Symbol or _is_unit_linear(argument):
        return ((argument, sp.S.One),)
    if argument.is_Rational:
        return tuple((sp.Integer(prime), sp.Integer(e)) for prime, e in sp.factorrat(abs(argument)).items() if prime != 1)
    if isinstance(argument, sp.exp):
        return ((sp.E, argument.args[0]),)
    if argument.is_Pow:
        return tuple((factor, e * argument.exp) for factor, e in _irreducible_factors(argument.base))
    if argument.is_Mul:
        return tuple(pair for part in argument.args for pair in _irreducible_factors(part))
    if not argument.is_Add:
        raise NotRationalFunctionError(f"the zero test cannot split {argument}, the argument of a logarithm or a power")
    fraction = sp.together(argument)
    if not fraction.is_Add:
        return _irreducible_factors(fraction)
    constant, factors = sp.factor_list(fraction)
    if len(factors) == 1 and factors[0][1] == 1 and abs(constant) == 1:
        return ((factors[0][0], sp.S.One),)
    return _irreducible_factors(constant) + tuple((f, e * m) for factor, m in factors for f, e in _irreducible_factors(factor))


@cache
def signs(factor: sp.Expr) -> frozenset[int]:
    """Return the signs that a factor takes at a few fixed points. Only the way a formula is written depends on it.

    Positive symbols take small values there, so that 1 - x - y counts as positive.
    """
    names = sorted(factor.free_symbols, key=lambda s: s.name)
    signs = set()
    for j in range(5):
        point = {
            s: sp.Rational((7 * i + 5 * i * j + 3 * j) % 11 + 1, 50)
            if s.is_nonnegative
            else sp.Rational((4 * i + 3 * i * j + 2 * j) % 9 - 4, 3)
            for i, s in enumerate(names)
        }
        value = factor.xreplace(point)
        if value.is_Rational or value.is_number:
            signs.add(int(sp.sign(value if value.is_Rational else value.evalf(15))))
        if {-1, 1} <= signs:
            break
    return frozenset(signs - {0})


@cache
def _negative_throughout(argument: sp.Expr) -> bool:
    """Whether an expression is negative at points all over the domain of its symbols: small, middling, large, mixed."""
    names = sorted(argument.free_symbols, key=lambda s: s.name)
    levels = [_levels(s) for s in names]
    for pattern in ((0, 0), (1, 1), (2, 2), (0, 2), (2, 0)):
        value = argument.xreplace({s: levels[i][pattern[i % 2]] for i, s in enumerate(names)})
        if not value.is_number or not value.evalf(15).is_negative:
            return False
    return True


def _levels(s: sp.Symbol) -> tuple[sp.Rational, sp.Rational, sp.Rational]:
    """Return a small, a middling and a large value of a symbol."""
    if not s.is_nonnegative:
        return sp.Rational(-7, 3), sp.Rational(1, 2), sp.Rational(10, 3)
    domain = domain_of(s.name)
    if domain.high == 1:
        return sp.Rational(1, 10), sp.Rational(1, 2), sp.Rational(9, 10)
    low = domain.low or 0
    return low + sp.Rational(1, 10), low + sp.S.One, low + sp.Integer(10)


try:
    import flint
except ImportError:  # python-flint is optional
    flint = None

# Beyond this many terms, factoring into irreducibles is not worth its price: square-free parts are taken instead.
_FACTOR_LIMIT = 400


class NotRationalFunctionError(DSTheoryError):
    """An expression is no rational function of symbols, logarithms and powers, so the exact zero test does not apply."""


@dataclass(frozen=True)
class PolynomialFraction:
    """numerator / (scale x product of base**exponent): integer polynomials, scale a positive integer."""

    numerator: Any
    scale: int
    bases: dict[Any, int]

    def __bool__(self) -> bool:
        return bool(self.numerator)


class FractionField:
    """Arithmetic of fractions over the given generators, which are told apart by their names.

    >>> import sympy as sp
    >>> x, y = sp.symbols("x y")
    >>> bool(FractionField([x, y]).evaluate(1 / x + 1 / y - (x + y) / (x * y)))
    False
    """

    def __init__(self, generators: list[Any]) -> None:
        self.ring = PolyRing(generators, ZZ, lex)
        self._index = {symbol.name: generator for symbol, generator in zip(generators, self.ring.gens, strict=True)}
        self._powers: dict[tuple[Any, int], Any] = {}
        self._seen: dict[Any, PolynomialFraction] = {}

    def evaluate(self, expr: Any) -> PolynomialFraction:
        """Return the fraction that an expression in the generators is.

        Args:
            expr: sums, products and integer powers of generators and rational numbers.

        Raises:
            NotRationalFunctionError: the expression holds something else.
            ZeroDivisionError: a denominator is identically zero.
        """
        if expr not in self._seen:
            self._seen[expr] = self._evaluate(expr)
        return self._seen[expr]

    def _evaluate(self, expr: Any) -> PolynomialFraction:
        if expr.is_Symbol:
            return PolynomialFraction(self._index[expr.name], 1, {})
        if expr.is_Rational:
            return PolynomialFraction(self.ring(int(expr.p)), int(expr.q), {})
        if expr.is_Add:
            return self._add([self.evaluate(arg) for arg in expr.args])
        if expr.is_Mul:
            return self._multiply([self.evaluate(arg) for arg in expr.args])
        if expr.is_Pow and expr.exp.is_Integer:
            base = self.evaluate(expr.base)
            if expr.exp < 0 and not base:
                raise ZeroDivisionError(f"the denominator {expr.base} is identically zero")
            return self._power(base, int(expr.exp))
        raise NotRationalFunctionError(f"{expr} is not a rational function")

    def _add(self, terms: list[PolynomialFraction]) -> PolynomialFraction:
        """Return the sum, over the least common multiple of the factored denominators."""
        scale, bases = 1, dict[Any, int]()
        for term in terms:
            scale = math.lcm(scale, int(term.scale))
            for base, exponent in term.bases.items():
                bases[base] = max(bases.get(base, 0), exponent)
        # terms that need the same factors are added before they are multiplied
        by_missing: dict[tuple[tuple[Any, int], ...], Any] = {}
        for term in terms:
            missing = tuple(
                (base, bases[base] - term.bases.get(base, 0)) for base in bases if bases[base] > term.bases.get(base, 0)
            )
            by_missing[missing] = by_missing.get(missing, self.ring.zero) + term.numerator * (scale // term.scale)
        total = self.ring.zero
        for missing, numerator in by_missing.items():
            total += self._times(numerator, missing)
        return PolynomialFraction(total, scale, bases) if total else PolynomialFraction(total, 1, {})

    def _multiply(self, factors: list[PolynomialFraction]) -> PolynomialFraction:
        numerator, scale, bases = self.ring.one, 1, dict[Any, int]()
        for factor in factors:
            scale *= factor.scale
            for base, exponent in factor.bases.items():
                bases[base] = bases.get(base, 0) + exponent
        for factor in factors:
            if bases.get(factor.numerator, 0):  # a numerator that is one of the denominators cancels without a division
                bases[factor.numerator] -= 1
            else:
                numerator *= factor.numerator
        return PolynomialFraction(numerator, scale, {base: e for base, e in bases.items() if e})

    def _power(self, base: PolynomialFraction, exponent: int) -> PolynomialFraction:
        if exponent == 0:
            return PolynomialFraction(self.ring.one, 1, {})
        if exponent > 0:
            return PolynomialFraction(
                base.numerator**exponent, base.scale**exponent, {b: e * exponent for b, e in base.bases.items()}
            )
        n = -exponent
        content, primitive = base.numerator.primitive()
        if primitive.LC < 0:
            content, primitive = -content, -primitive
        numerator = self._times(self.ring(base.scale**n), tuple((b, e * n) for b, e in base.bases.items()))
        sign = -1 if content < 0 and n % 2 else 1
        return PolynomialFraction(numerator * sign, int(abs(content)) ** n, self._split(primitive, n))

    def _split(self, polynomial: Any, exponent: int) -> dict[Any, int]:
        if len(polynomial) == 1 and polynomial.LC == 1:  # a monomial: its generators one by one
            ((monomial, _),) = polynomial.terms()
            return {gen: e * exponent for gen, e in zip(self.ring.gens, monomial, strict=True) if e}
        return {polynomial: exponent} if polynomial != 1 else {}

    def _times(self, numerator: Any, factors: tuple[tuple[Any, int], ...]) -> Any:
        for base, exponent in factors:
            if (base, exponent) not in self._powers:
                self._powers[base, exponent] = base**exponent
            numerator = numerator * self._powers[base, exponent]
        return numerator

    def reduced(self, fraction: PolynomialFraction) -> PolynomialFraction:
        """Divide the numerator by the denominator's factors as often as they divide it."""
        numerator, bases = fraction.numerator, dict[Any, int]()
        for base, exponent in fraction.bases.items():
            left = exponent
            while left:
                quotient, remainder = numerator.div(base)
                if remainder:
                    break
                numerator, left = quotient, left - 1
            if left:
                bases[base] = left
        return PolynomialFraction(numerator, fraction.scale, bases)

    def lowest_terms(self, fraction: PolynomialFraction) -> tuple[Any, Any]:
        """Return numerator and denominator as coprime polynomials over the rationals."""
        reduced = self.reduced(fraction)
        numerator, denominator = reduced.numerator.cancel(self._times(self.ring(reduced.scale), tuple(reduced.bases.items())))
        rationals = self.ring.clone(domain=QQ)
        return numerator.set_ring(rationals), denominator.set_ring(rationals)


def irreducible_factors(polynomial: Any) -> tuple[int, list[tuple[Any, int]]]:
    """Return the content of a polynomial with integer coefficients, and its irreducible factors with their multiplicities.

    The leading coefficient of a factor is positive; the factors stand in the order in which SymPy lists them.

    >>> import sympy as sp
    >>> ring = FractionField(list(sp.symbols("x y"))).ring
    >>> x, y = ring.gens
    >>> irreducible_factors(2 * x * y**2 - 2 * x**3)
    (-2, [(x, 1), (x - y, 1), (x + y, 1)])
    """
    content, factors = (flint and _factors_by_flint(polynomial)) or polynomial.factor_list()
    return int(content), factors


def _factors_by_flint(polynomial: Any) -> tuple[Any, list[tuple[Any, int]]] | None:
    ring = polynomial.ring
    context = flint.fmpz_mpoly_ctx.get([f"x{i}" for i in range(ring.ngens)], "lex")
    given = context.from_dict({monomial: int(c) for monomial, c in polynomial.items()})
    try:
        content, found = given.factor()
        if math.prod((factor ** int(power) for factor, power in found), start=context.constant(content)) != given:
            return None
    except OverflowError:  # python-flint 0.9 cannot say the multiplicities in some products with large coefficients
        return None
    factors = []
    for factor, power in found:
        ours = ring.from_dict({tuple(map(int, exponents)): ring.domain(int(c)) for exponents, c in factor.to_dict().items()})
        factors.append((ours, int(power)))
    return content, sorted(factors, key=_in_the_order_of_sympy)


def _in_the_order_of_sympy(item: tuple[Any, int]) -> tuple[int, int, Any]:
    dense = item[0].to_dense()
    return len(dense), item[1], dense


def factors_of(polynomial: Any) -> tuple[int, list[tuple[Any, int]]]:
    """Return the sign of the constant factor, and the non-constant factors with their multiplicities, in a stable order.

    Irreducible factors for polynomials of moderate size, square-free ones beyond that. The zero polynomial has sign 0.

    >>> import sympy as sp
    >>> from dstheory.rational import as_ratio
    >>> x, y = sp.symbols("x y")
    >>> factors_of(as_ratio(x**2 * y - x**2).numerator)
    (1, [(x, 2), (y - 1, 1)])
    """
    if polynomial == 0:
        return 0, []
    monomial = polynomial.ring.one
    rest = polynomial
    out: list[tuple[Any, int]] = []
    for index, generator in enumerate(polynomial.ring.gens):
        power = min(exponents[index] for exponents in polynomial)
        if power:
            out.append((generator, power))
            monomial *= generator**power
    if out:
        rest = rest.exquo(monomial)
    if len(rest) > _FACTOR_LIMIT:
        constant, parts = rest.sqf_list()
    else:
        constant, found = irreducible_factors(rest.clear_denoms()[1].set_ring(rest.ring.clone(domain=ZZ)))
        parts = [(part.set_ring(rest.ring), power) for part, power in found]
    out += [(part, int(power)) for part, power in parts]
    return (1 if constant > 0 else -1), sorted(out, key=lambda item: (len(item[0]), str(item[0])))


def terms_of(polynomial: Any) -> Iterator[tuple[Fraction, list[tuple[str, int]]]]:
    """Yield the terms of a polynomial over the rationals as (coefficient, [(symbol name, exponent), ...])."""
    names = [str(symbol) for symbol in polynomial.ring.symbols]
    for exponents, coefficient in polynomial.terms():
        powers = [(name, int(power)) for name, power in zip(names, exponents, strict=True) if power]
        yield Fraction(int(coefficient.numerator), int(coefficient.denominator)), powers
