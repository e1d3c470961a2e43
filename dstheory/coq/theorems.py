"""A step of a proof as a theorem of Coq, with a script that proves it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy
from sympy.logic.boolalg import Not

from dstheory.claims.formulas import derivative
from dstheory.claims.steps.base import ClaimContext, Step, StepContext
from dstheory.claims.steps.enclosure import Enclosure, Search
from dstheory.claims.steps.formula import Counterexample, PointStep
from dstheory.coq.certificates import Certificate, certificate, ends, handelman
from dstheory.coq.terms import NotExportedError, identifier, number, proposition, require_distinct, term
from dstheory.rational import as_ratio

_LEMMA = {">": "gt_iff", "<": "lt_iff", ">=": "ge_iff", "<=": "le_iff", "==": "eq_iff", "!=": "ne_iff"}
_FLIP = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "==", "!=": "!="}


@dataclass(frozen=True)
class Theorem:
    """A statement in Coq and a script that proves it."""

    name: str
    words: str
    statement: str
    proof: str

    def text(self) -> str:
        """Return the theorem as it stands in a file."""
        return f"Theorem {self.name} :\n{self.statement}.\nProof.\n{self.proof}\nQed.\n"


def theorem(step: Step, context: ClaimContext, name: str) -> Theorem:
    """Return a step as a theorem.

    Raises:
        NotExportedError: The step has no counterpart; the message says why.
    """
    if isinstance(step, Search):
        raise NotExportedError("a search over examples proves nothing")
    here = StepContext(context, step)
    if isinstance(step, PointStep):
        return _at_a_point(step, here, name)
    if isinstance(step, Enclosure):
        return _enclosed(step, here, name)
    return _Script(step, here, name).theorem()


class _Script:
    """What is said before and while a formula is proved: ranges, signs of factors, denominators that are not zero."""

    def __init__(self, step: Step, here: StepContext, name: str) -> None:
        self.step, self.here, self.name = step, here, name
        self.shown, self.definitions = _as_written(step, here)
        plain = [*map(here.formula, self.shown), *here.assumptions, *(value for _, value in self.definitions)]
        used = {s.name for item in (*plain, *self.shown) for s in item.free_symbols}
        self.names = [symbol for symbol in here.domain if symbol in used]
        require_distinct([*self.names, *(symbol for symbol, _ in self.definitions)])
        self.lines: list[str] = []
        self._signs: dict[Any, tuple[int, str]] = {}
        self._nonzero: set[Any] = set()
        self.known: dict[Any, str] = {}
        self._equations = 0
        self._told: list[str] = []
        self.roots: list[tuple[str, int, str]] = []
        self._laws = 0

    def theorem(self) -> Theorem:
        heads, intros = _hypotheses(self.names, self.here, self.definitions)
        goal = "\n  /\\ ".join(map(proposition, self.shown))
        statement = "\n".join([*heads, f"  {goal}"])
        self.lines = [f"intros {' '.join(intros)}."] if intros else []
        self._ranges()
        for formula in (*self.here.assumptions, *self.shown):
            self._logarithms(formula)
        for _, value in self.definitions:
            self._denominators(value)
        scripts = [self._branch(formula) for formula in self.shown]
        for script in scripts[:-1]:
            self.lines.append("split. { " + " ".join(script) + " }")
        self.lines += scripts[-1]
        return Theorem(self.name, " ".join(self.step.words.split()), statement, "\n".join(self.lines))

    def _branch(self, formula: Any) -> list[str]:
        """The script of one formula, as written; what it needs to know is put before."""
        if isinstance(formula, sympy.Eq):
            plain = self.here.formula(formula)
            if not self.here.premises.residual(plain.lhs - plain.rhs):
                self._denominators(formula.lhs)
                self._denominators(formula.rhs)
                laws = self._root_laws()
                return [f"subst; first [ equal | field [{laws}]; repeat split; nonzero ]." if laws else "subst; equal."]
        items = [*self.here.assumptions, formula]
        rewrites = [self._rewriting(relation) for relation in dict.fromkeys(part for item in items for part in _relations(item))]
        told, self._told = self._told, []
        return [*rewrites, "subst.", *told, "settle."]

    def _root_laws(self) -> str:
        """Say of every root that its power is what it is the root of; the names of these laws."""
        names = [f"R{place}" for place in range(len(self.roots))]
        for name, (root, degree, inside) in list(zip(names, self.roots, strict=True))[self._laws :]:
            law = f"pose proof (root_power ({inside}) {degree} ltac:(positive) ltac:(repeat constructor)) as law"
            proof = f"{law}; replace (INR {degree}) with {degree} in law by (simpl; ring); exact law"
            self.lines.append(f"assert ({name} : {root} ^ {degree} = {inside}) by ({proof}).")
        self._laws = len(names)
        return " ".join(names)

    def _logarithms(self, node: Any) -> None:
        """Write logarithms, exponentials and powers, inner ones first, by those of irreducible arguments; say their laws."""
        for arg in node.args:
            self._logarithms(arg)
        power = node.is_Pow and not node.exp.is_Integer if isinstance(node, sympy.Expr) else False
        if not (power or isinstance(node, sympy.log | sympy.exp)) or node in self.known:
            return
        abstraction = self.here.premises.abstraction
        if power and node.base is not sympy.E:
            self._logarithms(sympy.log(node.base, evaluate=False))
        written = term(node, self.known)
        result = abstraction.rational(node)
        self._unknowns()
        if isinstance(node, sympy.log):
            argument = abstraction.rational(node.args[0])
            product = self._as_product(as_ratio(argument), primes=True)
            shown = term(node.args[0], self.known)
            positive = f"replace ({shown}) with ({product}) by equal; positive" if product else "lra"
            self.lines.append(f"assert (0 < {shown}) by ({positive}).")
            self.lines.append(f"pose proof (ln_facts ({shown}) ltac:(assumption)).")
            if product and " / " in product:
                above, below = product.split(" / ", 1)
                self._told.append(
                    f"pose proof (ln_ratio ({above}) ({below}) ltac:(positive) ltac:(positive)) as F{len(self._told)};"
                    f" repeat rewrite ?ln_mult, ?ln_power in F{len(self._told)} by positive; simpl INR in F{len(self._told)}."
                )
            script = f"replace ({shown}) with ({product}) by equal; logs" if product else "reflexivity"
        else:
            if isinstance(node, sympy.exp):
                self.lines.append(f"pose proof (exp_facts ({term(node.args[0], self.known)})).")
            script = "apply ln_inv; [ positive | positive | logs ]"
        text = term(result, self.known)
        if text != written:
            self._equations += 1
            name = f"W{self._equations}"
            self.lines.append(f"assert ({name} : {written} = {text}) by ({script}).")
            self.lines.append(f"try rewrite {name} in *.")
        self.known[node] = f"({text})"

    def _unknowns(self) -> None:
        """Name the symbols that stand for logarithms, exponentials and roots by what they stand for."""
        for name, meaning in self.here.premises.abstraction.meaning.items():
            symbol = sympy.Symbol(name)
            if symbol not in self.known:
                inner = self.known
                if isinstance(meaning, sympy.log):
                    inside = term(meaning.args[0], inner)
                    self.known[symbol] = f"(ln ({inside}))"
                    self.lines.append(f"try pose proof (ln_facts ({inside}) ltac:(positive)).")
                elif isinstance(meaning, sympy.exp):
                    inside = term(meaning.args[0], inner)
                    self.known[symbol] = f"(exp ({inside}))"
                    self.lines.append(f"pose proof (exp_facts ({inside})).")
                elif meaning.is_Pow:
                    inside = term(meaning.base, inner)
                    self.known[symbol] = f"(Rpower ({inside}) ({term(meaning.exp, inner)}))"
                    degree = int(1 / meaning.exp)
                    self.roots.append((f"Rpower ({inside}) ({term(meaning.exp, inner)})", degree, inside))
                else:
                    raise NotExportedError(f"the function {type(meaning).__name__}")

    def _ranges(self) -> None:
        for name in self.names:
            for side in ends(name, self.here.domain[name]):
                if side is not None:
                    text, strict = side
                    self.lines.append(f"assert (0 {'<' if strict else '<='} {text}) by lra.")

    def _rational(self, expression: Any) -> Any:
        found = self.here.premises.abstraction.rational(expression)
        self._unknowns()
        return found

    def _sign(self, factor: Any) -> tuple[int, str] | None:
        """The sign of a polynomial that is known, and the positive one of it and its negative as a term."""
        expression = factor.as_expr() if hasattr(factor, "as_expr") else factor
        if expression not in self._signs:
            meaning = self.here.premises.abstraction.meaning.get(expression.name) if expression.is_Symbol else None
            if meaning is not None and not isinstance(meaning, sympy.log):
                self.lines.append(f"assert (0 < {self.known[expression]}) by positive.")
                self._signs[expression] = (1, self.known[expression])
                return self._signs[expression]
            sign = self.here.premises.sign_of(expression)
            if sign is None:
                return None
            positive = sympy.expand(sign * expression)
            text = term(positive, self.known)
            self._signs[expression] = (sign, f"({text})" if positive.is_Add else text)
            self._prove_positive(positive, text)
        return self._signs[expression]

    def _prove_positive(self, positive: Any, text: str) -> None:
        script = "first [ lra | nra ]"
        if not positive.is_Symbol:
            found = certificate(positive, self.here.domain)
            if found is not None and (shown := self._summed(text, found, self._closed(positive), [])):
                script = shown
            elif shown := handelman(positive, self._atoms()):
                script = f"replace ({text}) with ({shown}) by field; sum_positive"
        self.lines.append(f"assert (0 < {text}) by ({script}).")

    def _atoms(self) -> list[tuple[str, Any, bool]]:
        """What is known to be positive or nonnegative: distances from ends, and assumptions that are linear."""
        found = []
        for name in self.names:
            x, own = sympy.Symbol(name), self.here.domain[name]
            values = (
                None if own.lower is None else x - sympy.Rational(own.lower),
                None if own.upper is None else sympy.Rational(own.upper) - x,
            )
            for side, value in zip(ends(name, own), values, strict=True):
                if side is not None:
                    found.append((side[0], value, side[1]))
        for item in self.here.assumptions:
            if item.is_Relational and item.rel_op in (">", ">=", "<", "<="):
                value = item.lhs - item.rhs if item.rel_op[0] == ">" else item.rhs - item.lhs
                if value.is_polynomial(*value.free_symbols):
                    text = f"({term(sympy.expand(value))})"
                    strict = "=" not in item.rel_op
                    line = f"assert (0 {'<' if strict else '<='} {text}) by lra."
                    if line not in self.lines:
                        self.lines.append(line)
                    found.append((text, sympy.expand(value), strict))
        return found

    def _closed(self, positive: Any) -> list[str]:
        """The symbols of a polynomial whose two ends belong to the domain: in each half of the range one end is not reached."""
        names = sorted(symbol.name for symbol in positive.free_symbols)
        domains = ((name, self.here.domain[name]) for name in names)
        return [name for name, own in domains if not own.lower_open and own.upper is not None and not own.upper_open]

    def _summed(self, text: str, found: Certificate, closed: Sequence[str], strict: list[str]) -> str | None:
        if shown := found.text(strict):
            return f"replace ({text}) with ({shown}) by field; sum_positive"
        if not closed:
            return None
        name, *others = closed
        own = self.here.domain[name]
        middle = number((sympy.Rational(own.lower) + sympy.Rational(own.upper)) / 2)
        cases = []
        for side in reversed(ends(name, own)):
            assert side is not None
            script = self._summed(text, found, others, [*strict, side[0]])
            if script is None:
                return None
            cases.append(f"assert (0 < {side[0]}) by lra; {script}")
        return f"destruct (Rle_lt_dec {identifier(name)} ({middle})); [ {' | '.join(cases)} ]"

    def _denominators(self, written: Any) -> None:
        """Say of every denominator, inner ones first, that it is not zero."""
        for arg in written.args:
            self._denominators(arg)
        if written.is_Pow and written.exp.is_Integer and written.exp.is_negative:
            base = self.here.expression(written.base)
            if base in self._nonzero or base.is_Rational:
                return
            text, product = term(base, self.known), self._as_product(as_ratio(self._rational(base)))
            script = "nonzero" if product is None else f"replace ({text}) with ({product}) by equal; nonzero"
            self.lines.append(f"assert ({text} <> 0) by ({script}).")
            self._nonzero.add(base)

    def _as_product(self, ratio: Any, primes: bool = False) -> str | None:
        parts: list[list[str]] = [[], []]
        total = sympy.Integer(1)
        for place, polynomial in enumerate(ratio):
            constant, factors = _factored(polynomial)
            total = total * constant if place == 0 else total / constant
            for factor, power in factors:
                known = self._sign(factor)
                if known is None:
                    return None
                sign, text = known
                total *= sympy.Integer(sign) ** power
                parts[place].append(text if power == 1 else f"{text} ^ {power}")
        if primes:
            if total < 0:
                return None
            for place, value in enumerate((total.p, total.q)):
                parts[place][:0] = [f"{prime} ^ {power}" for prime, power in sympy.factorint(value).items()]
            above = " * ".join(parts[0]) or "1"
        else:
            above = " * ".join([f"({number(total)})", *parts[0]])
        return f"{above} / ({' * '.join(parts[1])})" if parts[1] else above

    def _rewriting(self, relation: Any) -> str:
        """Rewrite a relation as the sign of what is not known of its difference."""
        self._denominators(relation.lhs)
        self._denominators(relation.rhs)
        plain = self.here.formula(relation)
        ratio = as_ratio(self._rational(plain.lhs) - self._rational(plain.rhs))
        known: list[list[str]] = [[], []]
        unknown: list[str] = []
        total = sympy.Integer(1)
        for place, polynomial in enumerate(ratio):
            constant, factors = _factored(polynomial)
            if constant == 0:
                total = sympy.Integer(0)
                break
            total = total * constant if place == 0 else total / constant
            for factor, power in factors:
                found = self._sign(factor)
                if found is not None:
                    sign, text = found
                    total *= sympy.Integer(sign) ** power
                    known[place].append(text if power == 1 else f"{text} ^ {power}")
                elif place:
                    raise NotExportedError("a denominator of unknown sign")
                else:
                    text = f"({term(factor.as_expr(), self.known)})"
                    if power % 2 == 0:
                        self.lines.append(f"pose proof (pow2_ge_0 {text}).")
                    unknown.append(text if power == 1 else f"{text} ^ {power}")
        left, right = term(relation.lhs, self.known), term(relation.rhs, self.known)
        if total == 0:
            factor_text, rest = "1", "0"
        else:
            above = " * ".join([f"({number(abs(total))})", *known[0]])
            factor_text = f"{above} / ({' * '.join(known[1])})" if known[1] else above
            rest = " * ".join(unknown) or "1"
            if total < 0:
                rest = f"- ({rest})"
        lemma = _LEMMA[relation.rel_op]
        return f"try rewrite ({lemma} ({left}) ({right}) ({factor_text}) ({rest}) ltac:(subst; equal) ltac:(positive)) in *."


def _factored(polynomial: Any) -> tuple[Any, list[tuple[Any, int]]]:
    """Constant and irreducible factors, the product being the polynomial."""
    expression = polynomial.as_expr()
    constant, factors = sympy.factor_list(expression) if expression.free_symbols else (expression, [])
    return constant, [(factor, power) for factor, power in factors]


def _relations(formula: Any) -> Iterator[Any]:
    if getattr(formula, "is_Relational", False):
        yield formula
    else:
        for arg in formula.args:
            yield from _relations(arg)


def _irrational(formula: Any) -> bool:
    nodes = sympy.preorder_traversal(formula)
    return any(
        isinstance(node, sympy.log | sympy.exp) or (node.is_Pow and not node.exp.is_Integer)
        for node in nodes
        if hasattr(node, "is_Pow")
    )


def _as_written(step: Step, here: StepContext) -> tuple[list[Any], list[tuple[str, Any]]]:
    """The formulas with the author's names, and what the names stand for; without names where derivatives were taken."""
    written = [sympy.sympify(formula) for formula in step.formulas]
    values = [here.definitions[s.name] for item in written for s in item.free_symbols if s.name in here.definitions]
    if any(_irrational(item) for item in (*written, *values)) or any(
        item.has(derivative, sympy.Derivative, sympy.Sum, sympy.Product) for item in written
    ):
        return [here.formula(item) for item in written], []
    used = {s.name for item in written for s in item.free_symbols}
    return written, [(name, value) for name, value in here.definitions.items() if name in used]


def _hypotheses(names: Sequence[str], here: StepContext, definitions: Sequence[tuple[str, Any]]) -> tuple[list[str], list[str]]:
    """The lines before the goal, and the names under which they are introduced."""
    heads: list[str] = []
    intros: list[str] = []
    if names:
        heads.append(f"  forall {' '.join(map(identifier, names))} : R,")
        intros += map(identifier, names)
    count = 0
    for name in names:
        text = _range(name, here.domain[name])
        if text:
            heads.append(f"  {text} ->")
            count += 1
            intros.append(f"H{count}")
    for item in here.assumptions:
        count += 1
        heads.append(f"  ({proposition(item)}) ->")
        intros.append(f"H{count}")
    for name, value in definitions:
        count += 1
        heads.append(f"  forall {identifier(name)} : R, {identifier(name)} = {term(value)} ->")
        intros += [identifier(name), f"H{count}"]
    return heads, intros


def _range(name: str, domain: Any) -> str:
    x = identifier(name)
    low = None if domain.lower is None else number(sympy.Rational(domain.lower))
    high = None if domain.upper is None else number(sympy.Rational(domain.upper))
    left, right = "<" if domain.lower_open else "<=", "<" if domain.upper_open else "<="
    if low is not None and high is not None:
        return f"{low} {left} {x} {right} {high}"
    if low is not None:
        return f"{low} {left} {x}"
    return f"{x} {right} {high}" if high is not None else ""


def _at_a_point(step: PointStep, here: StepContext, name: str) -> Theorem:
    formula = here.formula(step.formulas[0])
    if isinstance(step, Counterexample):
        formula = Not(formula, evaluate=False)
    return point_theorem(formula, step.at, here, name, step.words)


def point_theorem(formula: Any, at: Mapping[str, Fraction], here: StepContext, name: str, words: str) -> Theorem:
    """Say that a formula holds at a point of the domain at which the assumptions hold: "there are"."""
    items = (formula, *here.assumptions)
    needed = {s.name for item in items for s in item.free_symbols}
    used = [symbol for symbol in here.domain if symbol in needed]
    require_distinct(used)
    parts = [text for symbol in used if (text := _range(symbol, here.domain[symbol]))]
    parts += [f"({proposition(item)})" for item in (*here.assumptions, formula)]
    goal = "\n  /\\ ".join(parts)
    point = {sympy.Symbol(symbol): sympy.Rational(value) for symbol, value in at.items()}
    lines = []
    for relation in dict.fromkeys(part for item in items for part in _relations(item)):
        for side in (relation.lhs, relation.rhs):
            value = side.xreplace(point)
            if side.free_symbols and not side.is_Symbol and value.is_Rational:
                lines.append(f"try replace ({term(side)}) with ({number(value)}) by (subst; equal).")
    lines.append("subst; by_numbers." if any(map(_irrational, items)) else "subst; repeat split; first [ lra | intuition lra ].")
    if not used:
        return Theorem(name, " ".join(words.split()), f"  {goal}", "\n".join(lines))
    names = [identifier(symbol) for symbol in used]
    values = [number(sympy.Rational(at[symbol])) for symbol in used]
    equations = " -> ".join(f"{x} = {v}" for x, v in zip(names, values, strict=True))
    intros = " ".join([*names, *(f"E{k}" for k in range(len(names)))])
    proof = [
        f"assert (goal : forall {' '.join(names)} : R, {equations} ->\n  {goal}).",
        "{ " + "\n  ".join([f"intros {intros}.", *lines]) + " }",
        f"exists {', '.join(f'({value})' for value in values)}; apply goal; reflexivity.",
    ]
    return Theorem(name, " ".join(words.split()), f"  exists {' '.join(names)} : R,\n  {goal}", "\n".join(proof))


def _enclosed(step: Enclosure, here: StepContext, name: str) -> Theorem:
    """A formula on a box, by interval arithmetic inside Coq."""
    formula = here.formula(step.formulas[0])
    if here.assumptions:
        raise NotExportedError("an enclosure with assumptions")
    names = list(step.lower)
    heads = [f"  forall {' '.join(map(identifier, names))} : R,"]
    for symbol in names:
        low, high = (number(sympy.Rational(end[symbol])) for end in (step.lower, step.upper))
        heads.append(f"  {low} <= {identifier(symbol)} <= {high} ->")
    statement = "\n".join([*heads, f"  {proposition(formula)}"])
    bisected = ", ".join(f"i_bisect {identifier(symbol)}" for symbol in names)
    intros = " ".join([*map(identifier, names), *(f"H{k}" for k in range(len(names)))])
    proof = f"intros {intros}.\nrepeat split; interval with ({bisected}, i_depth 40, i_prec 60)."
    return Theorem(name, " ".join(step.words.split()), statement, proof)
