"""What is known before a formula is proved: ranges, signs of factors, denominators that are not zero, laws of logarithms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sympy

from dstheory.claims.steps.base import StepContext
from dstheory.coq.certificates import Certificate, certificate, ends
from dstheory.coq.handelman import Atom, combination
from dstheory.coq.terms import asserted, first_of, identifier, number, posed, replaced, term
from dstheory.coq.unknowns import Unknowns, has_transcendents, is_transcendent
from dstheory.rational import as_ratio


def positive(text: str, *, strict: bool = True) -> str:
    """Return the statement that a term is positive, or nonnegative."""
    return f"0 {'<' if strict else '<='} {text}"


class Signs:
    """Polynomials whose sign is known, each with its proof in the script.

    Args:
        here: The step.
        names: Its symbols.
        unknowns: Terms for what is not rational in it, and the script.
    """

    def __init__(self, here: StepContext, names: Sequence[str], unknowns: Unknowns) -> None:
        self.here, self.unknowns, self.lines = here, unknowns, unknowns.lines
        self._signs: dict[Any, tuple[int, str]] = {}
        self._nonzero: set[Any] = set()
        self._assumed: list[Atom] | None = None
        self._ends = [side for name in names for side in ends(name, here.domain[name]) if side is not None]
        self.lines += [asserted(positive(side.text, strict=side.strict), "lra") for side in self._ends]

    def of(self, factor: Any) -> tuple[int, str] | None:
        """Return the sign of a polynomial, and the positive one of it and its negative as a term; None if it is not known."""
        expression = factor.as_expr()
        if expression not in self._signs:
            if expression.is_Symbol and self.unknowns.is_positive(expression):
                text = self.unknowns.known[expression]
                self.lines.append(asserted(positive(text), "positive"))
                self._signs[expression] = (1, text)
                return self._signs[expression]
            sign = self.here.premises.sign_of(expression)
            if sign is None:
                return None
            above = sympy.expand(sign * expression)
            text = self.unknowns.term(above)
            self._signs[expression] = (sign, f"({text})" if above.is_Add else text)
            self.lines.append(asserted(positive(text), self._why_positive(above, text)))
        return self._signs[expression]

    def square(self, factor: Any) -> str | None:
        """Return the square of a polynomial that an assumption says is not zero, as a term; None if none does."""
        expression = factor.as_expr()
        for item in self.here.assumptions:
            if isinstance(item, sympy.Ne) and sympy.expand((item.lhs - item.rhs) ** 2 - expression**2) == 0:
                text = f"({self.unknowns.term(expression)})"
                self.lines.append(asserted(positive(f"{text} ^ 2"), "apply square_positive; lra"))
                return f"{text} ^ 2"
        return None

    def atoms(self) -> list[Atom]:
        """Return what is known to be positive or nonnegative."""
        found = self._distances()
        found += [Atom(text, sympy.expand(sign * value), strict=True) for value, (sign, text) in self._signs.items()]
        return found

    def _distances(self) -> list[Atom]:
        """Distances from ends, and assumptions."""
        if self._assumed is None:
            self._assumed = []
            for item in self.here.assumptions:
                if item.is_Relational and item.rel_op in (">", ">=", "<", "<=") and (atom := self._assumption(item)):
                    self._assumed.append(atom)
        return self._ends + self._assumed

    def _assumption(self, item: Any) -> Atom | None:
        """What an inequality says is positive or nonnegative, without denominators; None if it is not rational."""
        left, right = (item.lhs, item.rhs) if item.rel_op[0] == ">" else (item.rhs, item.lhs)
        if has_transcendents(item):
            return None
        above, below = sympy.fraction(sympy.cancel(left - right))
        split = self.split(1 / below)
        if split.unknown:
            return None
        value = sympy.expand(above if split.total > 0 else -above)
        atom = Atom(f"({self.unknowns.term(value)})", value, strict="=" not in item.rel_op)
        proof = "lra"
        if below.free_symbols:
            sides = [f"({self.unknowns.term(side)})" for side in (left, right)]
            lemma = " ".join(["gt_iff" if atom.strict else "ge_iff", *sides, f"({split.known(number(abs(split.total))).text})"])
            proof = f"apply ({lemma} {atom.text} ltac:(equal) ltac:(positive)); lra"
        self.lines.append(asserted(positive(atom.text, strict=atom.strict), proof))
        return atom

    def _why_positive(self, above: Any, text: str) -> str:
        if above.is_Symbol:
            return first_of("lra", "nra")
        found = certificate(above, self.here.domain)
        if found is not None and (script := self._summed(text, found, self._closed(above), [])):
            return script
        if made := combination(above, self._distances(), known=self.unknowns.known):
            return f"{replaced(text, made.positive, 'field')}; sum_positive"
        return first_of("lra", "nra")

    def _closed(self, above: Any) -> list[str]:
        """The symbols of a polynomial whose two ends belong to the domain: in each half of the range one end is not reached."""
        names = sorted(symbol.name for symbol in above.free_symbols)
        domains = ((name, self.here.domain[name]) for name in names)
        return [name for name, own in domains if not own.lower_open and own.upper is not None and not own.upper_open]

    def _summed(self, text: str, found: Certificate, closed: Sequence[str], strict: list[str]) -> str | None:
        if shown := found.text(strict):
            return f"{replaced(text, shown, 'field')}; sum_positive"
        if not closed:
            return None
        name, *others = closed
        own = self.here.domain[name]
        middle = number((sympy.Rational(own.lower) + sympy.Rational(own.upper)) / 2)
        cases = []
        for side in reversed(ends(name, own)):
            assert side is not None
            script = self._summed(text, found, others, [*strict, side.text])
            if script is None:
                return None
            cases.append(f"{asserted(positive(side.text), 'lra')[:-1]}; {script}")
        return f"destruct (Rle_lt_dec {identifier(name)} ({middle})); [ {' | '.join(cases)} ]"

    def denominators(self, written: Any) -> None:
        """Say of every denominator, inner ones first, that it is not zero."""
        for arg in written.args:
            self.denominators(arg)
        if written.is_Pow and written.exp.is_Integer and written.exp.is_negative:
            base = self.here.expression(written.base)
            if base in self._nonzero or base.is_Rational:
                return
            text, shown = self.unknowns.term(base), self.product(self.unknowns.rational(base))
            script = "nonzero" if shown is None else f"{replaced(text, shown.text)}; nonzero"
            self.lines.append(asserted(f"{text} <> 0", script))
            self._nonzero.add(base)

    def product(self, rational: Any, *, primes: bool = False) -> Product | None:
        """Return a rational function as a number times factors of known sign; None if one is not known.

        Args:
            rational: It, with unknowns.
            primes: Whether the number is written as powers of primes; None if it is negative then.
        """
        split = self.split(rational)
        if split.unknown or (primes and split.total < 0):
            return None
        if not primes:
            return split.known(number(split.total))
        above, below = (_powers(value) for value in (split.total.p, split.total.q))
        return Product(" * ".join([*above, *split.above]) or "1", " * ".join([*below, *split.below]))

    def split(self, rational: Any) -> Split:
        """Return a rational function as a number times factors, those of known sign apart."""
        known: tuple[list[str], list[str]] = ([], [])
        unknown: list[tuple[Any, int]] = []
        total = sympy.Integer(1)
        for place, polynomial in enumerate(as_ratio(rational)):
            expression = polynomial.as_expr()
            constant, factors = sympy.factor_list(expression) if expression.free_symbols else (expression, [])
            if constant == 0:
                return Split(sympy.Integer(0), [], [], [])
            total = total * constant if place == 0 else total / constant
            for factor, power in factors:
                found = self.of(factor)
                if found is not None:
                    total *= sympy.Integer(found[0]) ** power
                    known[place].append(found[1] if power == 1 else f"{found[1]} ^ {power}")
                elif power == 2 and (text := self.square(factor)):
                    known[place].append(text)
                else:
                    if power % 2 == 0:
                        self.lines.append(posed("pow2_ge_0", f"({self.unknowns.term(factor.as_expr())})"))
                    unknown.append((factor.as_expr(), power if place == 0 else -power))
        return Split(total, *known, unknown)


@dataclass(frozen=True)
class Product:
    """A quotient of products, as terms; nothing below if it is none."""

    above: str
    below: str

    @property
    def text(self) -> str:
        """The quotient as a term."""
        return f"{self.above} / ({self.below})" if self.below else self.above


@dataclass(frozen=True)
class Split:
    """A number times positive factors, above and below the line, times others with their powers."""

    total: Any
    above: list[str]
    below: list[str]
    unknown: list[tuple[Any, int]]

    def known(self, first: str) -> Product:
        """Return a number times the positive factors."""
        return Product(" * ".join([f"({first})", *self.above]), " * ".join(self.below))


def _powers(value: Any) -> list[str]:
    return [f"{prime} ^ {power}" for prime, power in sympy.factorint(value).items()]


class Laws:
    """Says what logarithms, exponentials and powers of formulas are in terms of the checker's unknowns.

    Args:
        signs: What is known to be positive.
    """

    def __init__(self, signs: Signs) -> None:
        self.signs, self.unknowns, self.lines = signs, signs.unknowns, signs.lines
        self.told: list[str] = []
        """What is said after definitions are put in."""
        self._equations = 0

    def say(self, node: Any) -> None:
        """Say the laws of what a formula holds, inner parts first."""
        for arg in node.args:
            self.say(arg)
        if not is_transcendent(node) or node in self.unknowns.known:
            return
        if isinstance(node, sympy.Pow) and node.base is not sympy.E:
            self.say(sympy.log(node.base, evaluate=False))
        written = self.unknowns.term(node)
        result = self.unknowns.rational(node)
        if isinstance(node, sympy.log):
            script = self._logarithm(node)
        else:
            if isinstance(node, sympy.exp):
                self.lines.append(posed("exp_facts", f"({self.unknowns.term(node.args[0])})"))
            script = "apply ln_inv; [ positive | positive | logs ]"
        shown = term(result, self.unknowns.known)
        if shown != written:
            self._equations += 1
            name = f"W{self._equations}"
            self.lines += [asserted(f"{written} = {shown}", script, name), f"try rewrite {name} in *."]
        self.unknowns.known[node] = f"({shown})"

    def _logarithm(self, node: Any) -> str:
        argument = self.unknowns.term(node.args[0])
        product = self.signs.product(self.unknowns.rational(node.args[0]), primes=True)
        self.lines.append(asserted(positive(argument), f"{replaced(argument, product.text)}; positive" if product else "lra"))
        self.lines.append(posed("ln_facts", f"({argument})", "ltac:(assumption)"))
        if product is None:
            return "reflexivity"
        if product.below:
            self._ratio(product)
        return f"{replaced(argument, product.text)}; logs"

    def _ratio(self, product: Product) -> None:
        name = f"F{len(self.told)}"
        fact = posed("ln_ratio", f"({product.above})", f"({product.below})", *["ltac:(positive)"] * 2, name=name)
        self.told.append(f"{fact[:-1]}; repeat rewrite ?ln_mult, ?ln_power in {name} by positive; simpl INR in {name}.")
