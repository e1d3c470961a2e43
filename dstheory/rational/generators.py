"""The generators of an expression: the symbols, logarithms, powers and exponentials over which it is a rational function.

Why fresh generators may stand for the transcendental parts is argued in :mod:`dstheory.rational`; here the parts are
found and told apart: arguments of logarithms are split into irreducible factors, exponents into monomials.
"""

from __future__ import annotations

from functools import cache

import sympy as sp

from dstheory.rational.polynomials import NotRationalFunctionError
from dstheory.rational.symbols import domain_of


class Generators:
    """Names the generators of an expression and rewrites it so that only generators, rationals, +, x and ** int remain."""

    def __init__(self) -> None:
        self.meaning: dict[sp.Symbol, sp.Expr] = {}  # generator -> what it stands for
        self._of: dict[tuple[str, sp.Expr], sp.Symbol] = {}
        self._done: dict[sp.Expr, sp.Expr] = {}
        self._degree: dict[sp.Expr, int] = {}  # base -> least common denominator of its rational exponents

    def rewrite(self, expr: sp.Expr) -> sp.Expr:
        """Return the expression in generators only.

        Raises:
            NotRationalFunctionError: a part of it has no generator.
        """
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


def signs(factor: sp.Expr) -> set[int]:
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
