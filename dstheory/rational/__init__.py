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
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import sympy as sp

from dstheory.errors import ClaimError, UndefinedError
from dstheory.rational.polynomials import (
    FractionField,
    Generators,
    NotRationalFunctionError,
    PolynomialFraction,
    factors_of,
    irreducible_factors,
    signs,
    terms_of,
)

__all__ = [
    "NotRationalFunctionError",
    "Ratio",
    "RationalForm",
    "as_ratio",
    "combine_logs",
    "factored",
    "factors_of",
    "is_zero",
    "normal_form",
    "rational_form",
    "terms_of",
]


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
            content, factors = irreducible_factors(polynomial)
            constant *= sp.Integer(content) ** power
            for factor, exponent in factors:
                expr = self._back(factor.as_expr())
                if signs(expr) == {-1}:  # turn each factor the way that is not negative throughout
                    expr, sign = -expr, sign * (-1) ** (exponent * power)
                numerator[expr] = numerator.get(expr, 0) + power * exponent
        if constant < 0:
            constant, sign = -constant, -sign
        if sign < 0:
            # a factor that changes its sign over the domain absorbs the minus: w (a_E - a), not -w (a - a_E)
            absorbs = [f for f, e in numerator.items() if e > 0 and e % 2 and f.is_Add and len(signs(f)) > 1]
            if absorbs:
                numerator[-absorbs[-1]] = numerator.pop(absorbs[-1])
            else:
                constant = -constant
        top = sp.Mul(constant.p, *[f**e for f, e in numerator.items() if e > 0])
        return top, sp.Mul(constant.q, *[f**-e for f, e in numerator.items() if e < 0])

    def _back(self, expr: sp.Expr) -> sp.Expr:
        return expr.xreplace(self._meaning)


def rational_form(expr: sp.Expr) -> RationalForm:
    """Map an expression into the field of fractions over its generators, in lowest terms.

    Args:
        expr: sums, products and powers of symbols, rationals, logarithms and exponentials.

    Raises:
        NotRationalFunctionError: for anything else (floats, roots of sums, Piecewise, ...).
        ZeroDivisionError: if a denominator is identically zero.

    >>> import sympy as sp
    >>> p = sp.Symbol("p", positive=True)
    >>> rational_form((1 - p**2) / (1 - p)).fraction()
    (p + 1, 1)
    """
    generators = Generators()
    rewritten = generators.rewrite(sp.sympify(expr))
    names = sorted(rewritten.free_symbols, key=lambda symbol: symbol.name)
    for one, other in pairwise(names):
        if one.name == other.name:
            raise NotRationalFunctionError(
                f"two different symbols are both named {one.name}: they carry different assumptions, so no "
                "cancellation between them is possible; take symbols from dstheory.rational.symbols"
            )
    field = FractionField(names or [sp.Symbol("_")])
    return RationalForm(field.evaluate(rewritten), field, generators.meaning)


def is_zero(expr: sp.Expr) -> bool:
    """Decide exactly whether an expression vanishes identically.

    The decision is made in the field of fractions over the expression's generators (see the module's page for why that
    is sound with logarithms); it never depends on what a simplifier happens to find.

    Raises:
        NotRationalFunctionError: if the expression is outside the class that the test decides.

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


def combine_logs(expr: sp.Expr) -> sp.Expr:
    """Join c log x - c log y into c log(x/y), everywhere in an expression, for equal cofactors c.

    >>> p, r = sp.symbols("p r", positive=True)
    >>> combine_logs(2 * p * (sp.log(p) - sp.log(r)) + p)
    2*p*log(p/r) + p
    """
    if not expr.has(sp.log) or expr.is_Atom or isinstance(expr, sp.log):
        return expr
    expr = expr.func(*[combine_logs(arg) for arg in expr.args])
    if not expr.is_Add:
        return expr
    arguments: dict[sp.Expr, sp.Expr] = {}
    rest: list[sp.Expr] = []
    for term in expr.args:
        cofactor, log = _split(term)
        if log is None:
            rest.append(term)
            continue
        sign = -1 if cofactor.could_extract_minus_sign() else 1
        arguments[sign * cofactor] = arguments.get(sign * cofactor, sp.S.One) * log.args[0] ** sign
    return sp.Add(*rest, *[_one_log(cofactor, argument) for cofactor, argument in arguments.items()])


def _one_log(cofactor: sp.Expr, argument: sp.Expr) -> sp.Expr:
    """Write cofactor x log(argument), the argument turned so that the learner's symbol, the shorter name, stands on top."""
    top, bottom = sp.fraction(argument)
    if top == 1 or (bottom != 1 and _leading_name(bottom) < _leading_name(top)):
        return -cofactor * sp.log(bottom / top)
    return cofactor * sp.log(argument)


def _leading_name(expr: sp.Expr) -> tuple[int, str]:
    return min(((len(x.name), x.name) for x in expr.free_symbols), default=(0, ""))


def _split(term: sp.Expr) -> tuple[sp.Expr, sp.Expr | None]:
    """Split c log x into (c, log x); (term, None) if the term is not of that form."""
    if isinstance(term, sp.log):
        return sp.S.One, term
    if term.is_Mul:
        logs = [arg for arg in term.args if isinstance(arg, sp.log)]
        if len(logs) == 1:
            return term / logs[0], logs[0]
    return term, None


class Ratio(NamedTuple):
    """A rational function numerator / denominator: coprime elements of one ring of polynomials over the rationals.

    Numbers stand in the numerator: the denominator has coprime integers as coefficients.
    """

    numerator: Any
    denominator: Any


def as_ratio(expression: sp.Expr) -> Ratio:
    """Write an expression that is rational in its symbols as a ratio of coprime polynomials.

    Unlike :func:`rational_form` it knows no generators but symbols, so it needs nothing of their domains.

    Raises:
        UndefinedError: a denominator is identically zero.
        ClaimError: the expression is not a rational function of its symbols.

    >>> x, y = sp.symbols("x y")
    >>> as_ratio(1 / (1 - x) - x * y).denominator
    x - 1
    """
    return _ratio(expression)  # a file of claims is watched by its calls, and those of what is cached in C cannot be seen


@lru_cache(maxsize=4096)
def _ratio(expression: sp.Expr) -> Ratio:
    field = FractionField(sorted(expression.free_symbols, key=lambda symbol: symbol.name) or [sp.Symbol("x")])
    try:
        numerator, denominator = field.lowest_terms(field.evaluate(expression))
    except ZeroDivisionError as error:
        raise UndefinedError(str(error)) from None
    except NotRationalFunctionError as error:
        raise ClaimError(str(error)) from None
    number = denominator.content()
    return Ratio(numerator.quo_ground(number), denominator.quo_ground(number))
