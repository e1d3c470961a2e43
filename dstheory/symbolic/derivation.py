"""A derivation as data: sentences, displayed formulas and tables in steps that a reader can follow, and values at numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from string import Formatter
from typing import Self

import mpmath
import sympy as sp

from dstheory.rational.symbols import InvalidNumberError, Number, at_numbers, check_numbers, latex_number, symbol
from dstheory.symbolic.attribution import CoefficientVerdict
from dstheory.symbolic.rule import Inline, Verbatim
from dstheory.symbolic.setting import SymbolicSetting, X

INTEGRAL_DIGITS = 30
"""Digits to which an integral is computed, twice those of double precision."""


@dataclass(frozen=True)
class Words:
    """A sentence: strings, with formulas between them; an aside says how a result was found or checked, not what it is."""

    parts: tuple[Inline, ...]
    aside: bool = False


def words(template: str, *extra: Inline, **formulas: Inline) -> Words:
    """Return a sentence from a template with formulas in braces, and further parts after it.

    >>> import sympy as sp
    >>> words("{k} turns", ", at most", k=sp.Symbol("k")).parts
    (k, ' turns', ', at most')
    """
    parts: list[Inline] = []
    for text, name, _, _ in Formatter().parse(template):
        parts += [text] if text else []
        parts += [formulas[name]] if name else []
    return Words((*parts, *extra))


def listed(parts: list[Inline]) -> list[Inline]:
    """Return formulas with commas between them."""
    return [x for i, part in enumerate(parts) for x in ((", ", part) if i else (part,))]


@dataclass(frozen=True)
class Display:
    """A displayed formula: left side = each of the right sides in turn.

    Attributes:
        left: what is defined or computed.
        right: one expression, or several that are equal.
        note: a remark beside the formula; backticks mark formulas in it.
    """

    left: Inline
    right: tuple[Inline, ...]
    note: str = ""


@dataclass(frozen=True)
class FormulaTable:
    """Rows of formulas under column headings."""

    head: tuple[Inline, ...]
    rows: tuple[tuple[Inline, ...], ...]


Item = Words | Display | FormulaTable


@dataclass(frozen=True)
class DerivationStep:
    """One step of a derivation: a heading and what it says."""

    title: str
    items: tuple[Item, ...]

    def shown(self, asides: bool) -> tuple[Item, ...]:
        """Return what it says, with or without its asides."""
        return tuple(item for item in self.items if asides or not (isinstance(item, Words) and item.aside))


C_S, C_D = Verbatim("c_s", "c_s"), Verbatim("c_d", "c_d")


@dataclass(frozen=True)
class Evaluation:
    """A gradient at numbers.

    Attributes:
        at: the numbers.
        exact: pairs of a logit and its value, an exact SymPy number; with integrals in it, one of 30 digits.

    Example:
        >>> from dstheory.symbolic import derive
        >>> found = derive("reinforce").evaluate({"p": "1/2", "a": "1/2", "b": "1/2", "gamma": 1})
        >>> dict(found.at)["p"], dict(found.exact)["theta_s"]
        (1/2, 1/4)
    """

    at: tuple[tuple[str, sp.Rational], ...]
    exact: tuple[tuple[str, sp.Expr], ...]

    def floats(self) -> dict[str, float]:
        """Return logit -> value, correctly rounded to double precision."""
        return {name: _to_float(value) for name, value in self.exact}

    def fractions(self) -> dict[str, Fraction | None]:
        """Return logit -> exact fraction; None where logarithms or roots make the value irrational."""
        return {name: Fraction(int(v.p), int(v.q)) if v.is_Rational else None for name, v in self.exact}


def _to_float(value: sp.Expr) -> float:
    if value.is_Rational:
        return float(Fraction(int(value.p), int(value.q)))
    # SymPy raises its working precision until this many digits are right, cancellation included
    return float(value.evalf(25, maxn=2000))


@dataclass(frozen=True)
class DerivedGradient:
    """An objective's gradient, derived: what :func:`dstheory.symbolic.derive` found, without the ways to show it.

    Attributes:
        name: the objective's name in the registry.
        title: the objective in words.
        subtitle: the setting in words.
        setting: the setting.
        fixed: numbers that lambda and the lengths were given from the start.
        definitions: named quantities in order, each in terms of the model's symbols and of earlier names.
        gradient: logit -> the simplest form found, in those names.
        expanded: logit -> one fraction of factored polynomials for each term, in the model's symbols and q, the chance that a
            turn is followed by another; None where that is too long to print.
        verdict: attribution at the coefficient level.
        scalar: whether the objective is the gradient of a scalar: "yes", "frozen" (with the visited states held), "no".
        checks: the exact identities that were verified, in words.
        assumptions: in words.
        steps: the derivation itself.
        evaluation: the gradient at numbers, if :meth:`at` was asked for them.
    """

    name: str
    title: str
    subtitle: str
    setting: SymbolicSetting
    fixed: Mapping[str, sp.Rational]
    definitions: dict[sp.Symbol, sp.Expr]
    gradient: dict[sp.Symbol, sp.Expr]
    expanded: dict[sp.Symbol, sp.Expr | None]
    verdict: CoefficientVerdict
    scalar: str
    checks: tuple[str, ...]
    assumptions: tuple[tuple[Inline, ...], ...]
    steps: tuple[DerivationStep, ...]
    evaluation: Evaluation | None = None

    @property
    def heading(self) -> str:
        """The setting as a sentence."""
        return f"{self.subtitle[0].upper()}{self.subtitle[1:]}."

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """The names that numbers can be given for: those that the gradient depends on, weights by lambda and the lengths."""
        own = {x for expr in (*self.gradient.values(), *self.definitions.values()) for x in expr.free_symbols}
        own -= {*self.definitions, X}
        for w, meaning in self.setting.weights.meaning:
            if w in own:
                own = own - {w} | meaning.free_symbols
        return tuple(sorted(x.name for x in own if not x.name[0].isdigit()))

    def evaluate(self, values: Mapping[str, Number]) -> Evaluation:
        """Evaluate the gradient, exactly.

        Args:
            values: a number for each of :attr:`symbols`; text such as "3/11" or "0.55" is read exactly. Instead of a probability
                its logit may be given (theta_s for p). Numbers for symbols of the theory that this gradient does not contain
                are checked and otherwise ignored.

        Raises:
            InvalidNumberError: an unknown name, a value outside its domain, a missing value, a value given twice, probabilities
                that leave nothing for the last answer, or demonstrations that never stop.

        >>> from dstheory.symbolic import derive
        >>> derive("reinforce").evaluate({"p": "1/2", "a": "1/2", "b": "1/2", "gamma": 1}).fractions()["theta_s"]
        Fraction(1, 4)
        """
        logits = _logistic_logits(self.setting)
        numbers = check_numbers(values, {*self.symbols, *_vocabulary(self.setting), *logits})
        for name, value in self.fixed.items():
            if numbers.get(name, value) != value:
                raise InvalidNumberError(
                    f"{name} = {values[name]}: this derivation already has {name} = {value}; give one of them"
                )
        at: dict[sp.Symbol, sp.Expr] = {symbol(name): value for name, value in numbers.items()}
        for name, probability in logits.items():
            if name in numbers and probability.name in numbers:
                raise InvalidNumberError(
                    f"{name} and {probability} are both given, and one determines the other: give one of them"
                )
            if name in numbers:
                at[probability] = 1 / (1 + sp.exp(-numbers[name]))
        missing = [name for name in self.symbols if symbol(name) not in at]
        if missing:
            raise InvalidNumberError(
                f"no value for {', '.join(missing)}: the gradient depends on {', '.join(self.symbols)}; give a number for each"
            )
        _check_rows(self.setting, at)
        for w, meaning in self.setting.weights.meaning:
            at[w] = meaning.xreplace(at)
        for name, expr in self.definitions.items():
            at[name] = at_numbers(expr.xreplace(at))
            if at[name].has(sp.Integral) and at[name].free_symbols <= {X}:
                at[name] = at[name].replace(sp.Integral, lambda integrand, _: _integral(integrand)).evalf(INTEGRAL_DIGITS)
            elif at[name].has(sp.Sum):
                at[name] = at[name].doit()
            if at[name].has(sp.zoo, sp.nan, sp.oo):
                raise InvalidNumberError(
                    f"{name} = {expr} does not exist at these numbers: the chain that generates the "
                    "trajectories never stops; make its resample probability less than 1"
                )
        exact = tuple((logit.name, at_numbers(expr.xreplace(at))) for logit, expr in self.gradient.items())
        given = {logits[name].name: name for name in logits if name in numbers}
        shown = [given.get(name, name) for name in self.symbols]
        return Evaluation(tuple((name, numbers[name]) for name in shown), exact)

    def at(self, values: Mapping[str, Number]) -> Self:
        """Return the derivation with a further step that evaluates the gradient at numbers; see :meth:`evaluate`."""
        found = self.evaluate(values)
        where: list[Inline] = []
        for i, (name, value) in enumerate(found.at):
            where += [", " if i else "At ", symbol(name), " = ", value]
        items: list[Item] = [Words((*where, ":"))]
        if idle := [name for name in values if name not in dict(found.at) and name not in self.fixed]:
            items.insert(0, Words((f"The gradient does not depend on {' or '.join(idle)}.",)))
        floats, lefts = found.floats(), self._lefts()
        for (name, value), left in zip(found.exact, lefts, strict=True):
            shown = f"{floats[name]:.15g}"
            exact = (value,) if value.is_Rational and len(str(value)) < 30 else ()
            items.append(Display(left, (*exact, Verbatim(shown, latex_number(shown)))))
        return replace(self, steps=(*self.steps, DerivationStep("At these numbers", tuple(items))), evaluation=found)

    def _lefts(self) -> list[Inline]:
        """Return the left sides under which the components of the gradient are displayed."""
        shown = next(step.items for step in self.steps if step.title == "The gradient")
        return [item.left for item in shown if isinstance(item, Display)]


def _integral(integrand: sp.Expr) -> sp.Expr:
    """Return the integral over X from 0 to 1 of a product of powers of sums of powers of X; zoo where it does not converge.

    SymPy's own ``evalf`` takes many times as long: it evaluates the tree of the integrand anew at each point.
    """
    vanishing = [power for base, power in integrand.as_powers_dict().items() if base.subs(X, 1) == 0]
    if vanishing and all(power <= -1 for power in vanishing):  # a pole at 1, which quadrature is long in suspecting
        return sp.zoo
    factors = [
        ([term.as_coeff_exponent(X) for term in sp.Add.make_args(sp.expand(base))], power)
        for base, power in integrand.as_powers_dict().items()
    ]
    for digits in (INTEGRAL_DIGITS + 10, 2 * INTEGRAL_DIGITS, 4 * INTEGRAL_DIGITS, 16 * INTEGRAL_DIGITS):

        def number(exact: sp.Expr, digits: int = digits) -> mpmath.mpf | int:
            return int(exact) if exact.is_Integer else mpmath.mpmathify(exact.evalf(digits))

        with mpmath.workdps(digits):
            f = [([(number(c), number(e)) for c, e in terms], number(power)) for terms, power in factors]
            value, error = mpmath.quad(
                lambda x, f=f: mpmath.fprod(mpmath.fsum(c * x**e for c, e in terms) ** n for terms, n in f), [0, 1], error=True
            )
            if error <= abs(value) * mpmath.mpf(10) ** -INTEGRAL_DIGITS:
                return sp.Float(value, INTEGRAL_DIGITS)
    return sp.zoo


def _vocabulary(s: SymbolicSetting) -> set[str]:
    """Return the names of all symbols of a setting, so that one set of numbers can serve several objectives."""
    names = {"alpha", "beta", "gamma", "lambda", "l_d", "kappa", "G"}
    names |= {
        x.name
        for policy in (s.policy, s.reference, s.expert)
        for row in (*policy.sample, *policy.stop)
        for expr in row
        for x in expr.free_symbols
    }
    names |= {x.name for table in (s.reward.stop, s.reward.resample) for expr in table for x in expr.free_symbols}
    return names | {"l_s", *(f"l_{answer}" for answer in s.chain.answers)}


def _logistic_logits(s: SymbolicSetting) -> dict[str, sp.Symbol]:
    """Return the logits of single probabilities, with those probabilities."""
    return {
        logit.symbol.name: logit.value[0][0]
        for logit in s.policy.logits
        if len(logit.value) == 1 and logit.value[0][1].free_symbols == {logit.symbol}
    }


def _check_rows(s: SymbolicSetting, at: Mapping[sp.Symbol, sp.Expr]) -> None:
    for policy, closed in ((s.policy, False), (s.reference, False), (s.expert, True)):
        for row in policy.sample:
            last = row[-1].xreplace(at)
            if last.is_number and (last < 0 or (last == 0 and not closed)):
                names = ", ".join(x.name for x in row[:-1])
                raise InvalidNumberError(f"{names}: leave {last} for the last answer; they must sum to less than 1")
