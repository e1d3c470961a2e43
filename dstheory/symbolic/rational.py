"""Exact arithmetic for the identities: is this expression zero, and what is its normal form?

Every gradient in this package is a rational function of finitely many *generators*: the probabilities, the rewards and the
discount, together with logarithms (``log p``), powers with a symbolic exponent (``l_s**lambda``) and exponentials of logits.
An expression is mapped into the field of fractions of the polynomial ring over the rationals in those generators, and is
zero exactly when its image is. No heuristic simplifier takes part in the decision.

Why treating the transcendental parts as fresh generators is sound. If the image is zero, so is the expression: the map only
forgets relations. The converse needs that the generators are algebraically independent as functions. They are: after each
logarithm's argument has been split into irreducible factors, the arguments are multiplicatively independent modulo constants,
and then the logarithms, the symbols and the exponentials of independent exponents are algebraically independent over the
constants (Ostrowski and Kolchin for logarithms; Ax's theorem, the function-field case of Schanuel's conjecture, with
exponentials). So an identity with logarithms holds if and only if each coefficient, a rational function, vanishes. The one
place where independence is only conjectured is a polynomial relation among logarithms of different prime *numbers*; there
"not zero" would rest on Schanuel's conjecture, and "zero" never does.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import pairwise

import sympy as sp

from dstheory.errors import DSTheoryError
from dstheory.symbolic.fraction_field import FractionField, PolynomialFraction

__all__ = ["NotRationalError", "RationalForm", "factored", "is_zero", "normal_form", "rational_form"]


class NotRationalError(DSTheoryError):
    """An expression is no rational function of symbols, logarithms and powers, so the exact zero test does not apply."""


class _Generators:
    """Names the generators of an expression and rewrites it so that only generators, rationals, +, x and ** int remain."""

    def __init__(self) -> None:
        self.meaning: dict[sp.Symbol, sp.Expr] = {}  # generator -> what it stands for
        self._of: dict[tuple[str, sp.Expr], sp.Symbol] = {}
        self._done: dict[sp.Expr, sp.Expr] = {}
        self._degree: dict[sp.Expr, int] = {}  # base -> least common denominator of its rational exponents

    def rewrite(self, expr: sp.Expr) -> sp.Expr:
        for power in expr.atoms(sp.Pow):
            if power.exp.is_Rational and not power.exp.is_Integer:
                if not (power.base.is_Symbol and power.base.is_positive):
                    raise NotRationalError(
                        f"the zero test has no generator for {power}: a root of something else than "
                        "a positive symbol; name the root by a symbol of its own"
                    )
                self._degree[power.base] = sp.ilcm(self._degree.get(power.base, 1), power.exp.q)
        return self._walk(expr)

    def _generator(self, kind: str, of: sp.Expr, meaning: sp.Expr) -> sp.Symbol:
        key = (kind, of)
        if key not in self._of:
            name = sp.Symbol(f"{kind}[{of}]") if kind != "symbol" else of
            self._of[key] = name
            self.meaning[name] = meaning
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
            return expr.func(*[self._walk(arg) for arg in expr.args])
        if isinstance(expr, sp.log):
            return self._log(expr.args[0])
        if isinstance(expr, sp.exp):
            return self._power(sp.E, expr.args[0])
        if expr.is_Pow:
            if expr.exp.is_Integer:
                return sp.Pow(self._walk(expr.base), expr.exp)
            return self._power(expr.base, expr.exp)
        raise NotRationalError(
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
        if argument.could_extract_minus_sign() and _signs(argument) == {-1}:
            raise NotRationalError(f"log({argument}) is not real: its argument is negative on the domain of its symbols")
        total: sp.Expr = sp.S.Zero
        for factor, exponent in _irreducible_factors(argument):
            if factor == sp.E:
                total += self._walk(sp.sympify(exponent))
                continue
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
                    raise NotRationalError(
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
    return -factor if _signs(factor) == {-1} else factor


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
        raise NotRationalError(f"the zero test cannot split {argument}, the argument of a logarithm or a power")
    fraction = sp.together(argument)
    if not fraction.is_Add:
        return _irreducible_factors(fraction)
    constant, factors = sp.factor_list(fraction)
    if len(factors) == 1 and factors[0][1] == 1 and abs(constant) == 1:
        return ((factors[0][0], sp.S.One),)
    return _irreducible_factors(constant) + tuple((f, e * m) for factor, m in factors for f, e in _irreducible_factors(factor))


class RationalForm:
    """An expression as a fraction of polynomials in its generators."""

    def __init__(self, fraction: PolynomialFraction, field: FractionField, meaning: Mapping[sp.Symbol, sp.Expr]) -> None:
        self._fraction = fraction
        self._field = field
        self._meaning = dict(meaning)

    @property
    def is_zero(self) -> bool:
        """Whether the numerator is the zero polynomial."""
        return not self._fraction

    @property
    def terms(self) -> int:
        """The number of monomials of the numerator, the denominator's factors divided out."""
        self._fraction = self._field.reduced(self._fraction)
        return len(self._fraction.numerator)

    def fraction(self) -> tuple[sp.Expr, sp.Expr]:
        """Return numerator and denominator as expressions, coprime, expanded."""
        numerator, denominator = self._field.lowest_terms(self._fraction)
        return self._back(numerator.as_expr()), self._back(denominator.as_expr())

    def factors(self) -> tuple[sp.Expr, sp.Expr]:
        """Return numerator and denominator, each as a product of irreducible factors with their usual signs."""
        sign, numerator = 1, dict[sp.Expr, int]()
        constant = sp.Rational(1, self._fraction.scale)
        reduced = self._field.reduced(self._fraction)
        for polynomial, power in ((reduced.numerator, 1), *((base, -e) for base, e in reduced.bases.items())):
            content, factors = polynomial.factor_list()
            constant *= sp.Integer(int(content)) ** power
            for factor, exponent in factors:
                expr = self._back(factor.as_expr())
                if _signs(expr) == {-1}:  # turn each factor the way that is not negative throughout
                    expr, sign = -expr, sign * (-1) ** exponent
                numerator[expr] = numerator.get(expr, 0) + power * exponent
        if constant < 0:
            constant, sign = -constant, -sign
        if sign < 0:
            # a factor that changes its sign over the domain absorbs the minus: w (a_E - a), not -w (a - a_E)
            absorbs = [f for f, e in numerator.items() if e > 0 and e % 2 and f.is_Add and len(_signs(f)) > 1]
            if absorbs:
                numerator[-absorbs[-1]] = numerator.pop(absorbs[-1])
            else:
                constant = -constant
        top = sp.Mul(constant.p, *[f**e for f, e in numerator.items() if e > 0])
        return top, sp.Mul(constant.q, *[f**-e for f, e in numerator.items() if e < 0])

    def _back(self, expr: sp.Expr) -> sp.Expr:
        return expr.xreplace(self._meaning)


def _signs(factor: sp.Expr) -> set[int]:
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
            signs.add(int(sp.sign(value.evalf(15))))
    return signs - {0}


def rational_form(expr: sp.Expr) -> RationalForm:
    """Map an expression into the field of fractions over its generators, in lowest terms.

    Args:
        expr: sums, products and powers of symbols, rationals, logarithms and exponentials.

    Raises:
        NotRationalError: for anything else (floats, roots of sums, Piecewise, ...).
        ZeroDivisionError: if a denominator is identically zero.

    >>> import sympy as sp
    >>> p = sp.Symbol("p", positive=True)
    >>> rational_form((1 - p**2) / (1 - p)).fraction()
    (p + 1, 1)
    """
    generators = _Generators()
    rewritten = generators.rewrite(sp.sympify(expr))
    names = sorted(rewritten.free_symbols, key=lambda symbol: symbol.name)
    for one, other in pairwise(names):
        if one.name == other.name:
            raise NotRationalError(
                f"two different symbols are both named {one.name}: they carry different assumptions, so no "
                "cancellation between them is possible; take symbols from dstheory.symbolic.symbols"
            )
    field = FractionField(names or [sp.Symbol("_")])
    return RationalForm(_evaluate(rewritten, field, {}), field, generators.meaning)


def _evaluate(expr: sp.Expr, field: FractionField, seen: dict[sp.Expr, PolynomialFraction]) -> PolynomialFraction:
    if expr in seen:
        return seen[expr]
    if expr.is_Rational:
        result = field.number(int(expr.p), int(expr.q))
    elif expr.is_Symbol:
        result = field.generator(expr)
    elif expr.is_Add:
        result = field.add([_evaluate(arg, field, seen) for arg in expr.args])
    elif expr.is_Mul:
        result = field.multiply([_evaluate(arg, field, seen) for arg in expr.args])
    else:
        result = field.power(_evaluate(expr.base, field, seen), int(expr.exp))
    seen[expr] = result
    return result


def is_zero(expr: sp.Expr) -> bool:
    """Decide exactly whether an expression vanishes identically.

    The decision is made in the field of fractions over the expression's generators (see the module's page for why that
    is sound with logarithms); it never depends on what a simplifier happens to find.

    Raises:
        NotRationalError: if the expression is outside the class that the test decides.

    >>> import sympy as sp
    >>> p, r = sp.symbols("p r", positive=True)
    >>> is_zero(p / (1 - p) - 1 / (1 - p) + 1)
    True
    >>> is_zero(sp.log(p * r / (1 - p)) - sp.log(p) - sp.log(r) + sp.log(1 - p))
    True
    >>> is_zero(sp.log(p) - p + 1)
    False
    """
    return rational_form(expr).is_zero


def normal_form(expr: sp.Expr) -> sp.Expr:
    """Return the expression as one fraction in lowest terms, numerator and denominator expanded.

    >>> import sympy as sp
    >>> p = sp.Symbol("p", positive=True)
    >>> normal_form(1 / (1 - p) + 1 / p)
    -1/(p**2 - p)
    """
    numerator, denominator = rational_form(expr).fraction()
    return numerator / denominator


def factored(expr: sp.Expr) -> sp.Expr:
    """Return the expression as one fraction in lowest terms, numerator and denominator as irreducible factors.

    >>> import sympy as sp
    >>> p = sp.Symbol("p", positive=True)
    >>> factored(p - p**2)
    p*(1 - p)
    """
    numerator, denominator = rational_form(expr).factors()
    return numerator / denominator
