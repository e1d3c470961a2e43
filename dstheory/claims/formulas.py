"""What a claim's author writes, turned into what the engines read: named definitions substituted, symbols checked, plain.

SymPy treats two symbols of one name but different assumptions as different, and simplifies silently by the assumptions it is
given. Here a symbol is its name; its range is the one the claim declares; and any SymPy assumption it carries must follow
from that range.

Derivatives, sums and products that SymPy was asked to hold (`derivative`, ``Sum``, ``Product``) are evaluated here, after the
definitions have been substituted, so that a step can state them and the engine compute them.

How formulas are shown: as one line of text, and as LaTeX. What is shown is what was checked.
"""

from __future__ import annotations

import itertools
import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import sympy
from sympy.logic.boolalg import And, BooleanAtom, Equivalent
from sympy.logic.boolalg import BooleanFunction as Connective
from sympy.printing.latex import LatexPrinter
from sympy.printing.printer import Printer
from sympy.printing.str import StrPrinter

from dstheory.claims.domains import Domain, check_assumptions, excess_assumptions, grouped, name_of, require_short
from dstheory.claims.replacing import replaced
from dstheory.errors import ClaimError, DomainError, UndefinedError
from dstheory.rational.symbols import latex_name

_NO_NUMBERS = (sympy.nan, sympy.zoo, sympy.oo, -sympy.oo, sympy.I)
_MOST_TERMS = 1000
_MOST_PARTS = 50_000
_MOST_ORDER = 50
_MOST_PRINTED = 20_000
TOO_DEEP = (
    "a formula is nested deeper than Python follows (about 150 operations, one inside the other); write it flatter, or a symbol "
    "with its own domain for an inner part"
)
_EXTREMES = "sympy/functions/elementary/miscellaneous.py"
_INSIDE = re.compile("/(sympy|mpmath|dstheory/claims)/|^<")


class derivative(sympy.Function):  # type: ignore[misc]  # a function of SymPy, which carries no types
    """The derivative of an expression with respect to a symbol, taken by the engine once definitions are substituted.

    Unlike ``sympy.Derivative`` it does not vanish when the expression is a defined name that does not show the symbol.

    >>> V, p = sympy.symbols("V p")
    >>> plain(derivative(V, p), {"p": Domain()}, {"V": sympy.Symbol("p") ** 3})
    3*p**2
    """

    nargs = 2

    @classmethod
    def eval(cls, expression: Any, symbol: Any) -> None:
        """Never evaluated by SymPy itself; refuses to differentiate with respect to anything but a symbol."""
        if not symbol.is_Symbol:
            raise ClaimError(f"derivative({expression}, {symbol}): the second argument must be a symbol")

    def fdiff(self, argindex: int = 1) -> Any:
        """Refused: a derivative of a derivative is written ``derivative(derivative(f, x), y)``."""
        raise ClaimError(f"{self} cannot be differentiated by SymPy; write derivative(derivative(f, x), y)")


_UNDERSTOOD = (
    *(sympy.Symbol, sympy.Number, type(sympy.E), type(sympy.pi), sympy.Add, sympy.Mul, sympy.Pow, sympy.exp, sympy.log),
    *(sympy.Abs, sympy.Max, sympy.Min, derivative, sympy.Derivative, sympy.Sum, sympy.Product),
)
"""Nothing else: the derivative of an integral or a limit, say, may have a value where the integral itself has none."""


def plain_definitions(
    definitions: Mapping[Any, Any], domain: Mapping[str, Domain], known: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Resolve definitions, which may use one another, in any order, and those ``known``, to expressions in the domain's symbols.

    >>> from dstheory.claims.domains import UNIT
    >>> p, q, r = sympy.symbols("p q r")
    >>> plain_definitions({r: p / q, q: 1 - p}, {"p": UNIT})
    {'q': 1 - p, 'r': p/(1 - p)}
    """
    waiting: dict[str, Any] = {}
    for key, value in definitions.items():
        name = name_of(key)
        if name in domain:
            raise DomainError(f"{name} has both a domain and a definition; a symbol is either free or defined")
        if name in waiting or name in (known or {}):
            raise DomainError(f"{name} is defined twice")
        waiting[name] = as_expression(value)
    resolved = dict(known or {})
    while waiting:
        ready = next((name for name, value in waiting.items() if not any(s.name in waiting for s in value.free_symbols)), None)
        if ready is None:
            raise DomainError(f"{', '.join(waiting)} cannot be resolved: their definitions use one another in a circle")
        resolved[ready] = plain(waiting.pop(ready), domain, resolved)
    return {name: value for name, value in resolved.items() if name not in (known or {})}


def plain(expression: Any, domain: Mapping[str, Domain], definitions: Mapping[str, Any]) -> Any:
    """Substitute definitions, replace every symbol by the plain one of its name, and evaluate what was held.

    Raises:
        DomainError: For a symbol that is neither declared nor defined, or whose SymPy assumptions say more than its domain.
        UndefinedError: If the substitution divides by zero.
    """
    return _evaluated(substituted(expression, domain, definitions))


def substituted(expression: Any, domain: Mapping[str, Domain], definitions: Mapping[str, Any]) -> Any:
    """As `plain`, with derivatives, sums and products still held."""
    expression = as_expression(expression)
    if not isinstance(expression, sympy.Expr):
        raise ClaimError(f"{short(expression)} is not a number-valued expression")
    nodes = _nodes(expression)
    if floats := sorted(node for node in nodes if isinstance(node, sympy.Float)):
        raise ClaimError(f"{short(expression)} contains the float {floats[0]}, which is not exact; write Rational(1, 2) for 0.5")
    _refuse_no_number(expression, expression)
    _refuse_long_numbers(expression)
    for node in nodes:
        if isinstance(node, sympy.Expr) and not isinstance(node, _UNDERSTOOD):
            raise ClaimError(
                f"{short(node)} is not understood in a formula; use +, -, *, /, powers, exp, log, Abs, Max, Min, derivative, "
                "Sum, Product"
            )
    replace: dict[Any, Any] = {}
    bound = {symbol for node in nodes if isinstance(node, sympy.Sum | sympy.Product) for symbol in node.bound_symbols}
    if taken := sorted({symbol.name for symbol in bound} & {*domain, *definitions}):
        raise DomainError(f"{taken[0]} is both a symbol of the claim and an index in {short(expression)}; rename the index")
    for symbol in bound:
        if excess_assumptions(symbol, {"integer": True}):
            raise DomainError(f"the index {symbol} in {short(expression)} carries assumptions of SymPy's; use a plain symbol")
    for symbol in sorted(expression.free_symbols, key=lambda item: item.name):
        name = symbol.name
        if isinstance(symbol, sympy.Dummy):
            raise DomainError(f"{short(expression)} contains the dummy {symbol}; symbols are told apart by name: use Symbol")
        if not symbol.is_commutative:
            raise DomainError(f"the symbol {name} does not commute; a claim is about numbers")
        if name in definitions:
            replace[symbol] = definitions[name]
        elif name in domain:
            check_assumptions(symbol, domain[name])
            replace[symbol] = sympy.Symbol(name)
        else:
            known = ", ".join(domain) or "none"
            raise DomainError(
                f"the symbol {name} in {short(expression)} has no domain; declare it, for instance "
                f'domain={{"{name}": UNIT}} (declared: {known})'
            )
    for node in nodes:
        if isinstance(node, derivative | sympy.Derivative):
            _require_differentiable(node, domain)
    result = replaced(expression, replace)
    _refuse_no_number(result, expression)
    _refuse_long_numbers(result)
    return result


def as_expression(item: Any) -> Any:
    """What an author writes, as SymPy's; a text is refused, which SymPy would evaluate before definitions are substituted."""
    if isinstance(item, str):
        raise ClaimError(f"{short(repr(item))} is a text; write the expression itself, without quotation marks")
    return sympy.sympify(item)


def names_in(definitions: Mapping[Any, Any], items: Sequence[Any]) -> set[str]:
    """Names of the symbols in formulas or expressions, those behind definitions included."""
    meanings = {name_of(key): value for key, value in definitions.items()}
    names: set[str] = set()
    new = {symbol.name for item in items for symbol in sympy.sympify(item).free_symbols}
    while new:
        names |= new
        new = {symbol.name for name in new if name in meanings for symbol in sympy.sympify(meanings[name]).free_symbols} - names
    return names


@lru_cache(maxsize=256)
def _nodes(expression: Any) -> dict[Any, None]:
    """The parts of an expression, each once, in the order in which they first occur."""
    found: dict[Any, None] = {}
    waiting = [expression]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found[node] = None
            waiting.extend(reversed(node.args))
    return found


def _require_differentiable(node: Any, domain: Mapping[str, Domain]) -> None:
    """A derivative is of a whole order, with respect to a symbol that ranges over an interval."""
    orders = node.variable_count if isinstance(node, sympy.Derivative) else [(node.args[1], 1)]
    for symbol, count in orders:
        if not getattr(count, "is_Integer", isinstance(count, int)):
            raise ClaimError(f"{short(node)}: the order {count} of a derivative must be a whole number")
        if count > _MOST_ORDER:
            raise ClaimError(f"{short(node)}: the order {short(count)} is too large; at most {_MOST_ORDER} derivatives are taken")
        own = domain.get(getattr(symbol, "name", ""))
        if own is None:
            raise ClaimError(f"{short(node)}: {symbol} is defined; differentiate with respect to a symbol with a domain")
        if own.integer or (own.lower is not None and own.lower == own.upper):
            raise ClaimError(f"{short(node)}: {symbol} ranges over {own}, in which there is no derivative")


def _evaluated(expression: Any) -> Any:
    """The expression with derivatives taken and finite sums and products written out."""
    if not expression.has(derivative, sympy.Derivative, sympy.Sum, sympy.Product):
        return expression
    args = [_evaluated(arg) if isinstance(arg, sympy.Expr) else arg for arg in expression.args]
    if isinstance(expression, derivative):
        return _differentiated(args[0], args[1], 1)
    if isinstance(expression, sympy.Derivative):
        result = args[0]
        for symbol, count in expression.variable_count:
            result = _differentiated(result, symbol, count)
        return result
    if isinstance(expression, sympy.Sum | sympy.Product):
        return _written_out(expression.func, args[0], expression.limits, expression)
    return expression.func(*args)


def _differentiated(expression: Any, symbol: Any, times: Any) -> Any:
    if expression.has(sympy.Abs, sympy.Max, sympy.Min):
        raise UndefinedError(f"{short(expression)} has no derivative where Abs, Max or Min has a kink; split the cases")
    for _ in range(int(times)):
        expression = sympy.diff(expression, symbol)
        if len(_nodes(expression)) > _MOST_PARTS:
            raise ClaimError(f"{short(expression)} is too large: a derivative has more than {_MOST_PARTS} parts")
    return expression


def _written_out(kind: Any, term: Any, limits: Any, whole: Any) -> Any:
    for limit in limits:
        parts = written_out(term, limit, whole)
        term = sympy.Add(*parts) if kind is sympy.Sum else sympy.Mul(*parts)
    _refuse_no_number(term, whole)
    return term


def written_out(term: Any, limit: Any, whole: Any) -> list[Any]:
    """The terms of a sum or product over an index, whose limit is (index, first, last).

    Raises:
        ClaimError: It does not run between two integers, or over too many terms.
    """
    index, low, high = (*limit, None, None)[:3]
    if not (getattr(low, "is_Integer", False) and getattr(high, "is_Integer", False)):
        raise ClaimError(f"{short(whole)} must run over {index} between two integers, so that it can be written out")
    if not 0 <= high - low < _MOST_TERMS:
        raise ClaimError(f"{short(whole)} runs over {high - low + 1} terms; between 1 and {_MOST_TERMS} are written out")
    if (count := int(high - low + 1) * len(_nodes(term))) > _MOST_PARTS:
        raise ClaimError(f"{short(whole)} has {count:,} parts once it is written out, of {_MOST_PARTS:,} at most; end it sooner")
    return [replaced(term, {index: sympy.Integer(k)}) for k in range(int(low), int(high) + 1)]


def _refuse_long_numbers(expression: Any) -> None:
    for node in _nodes(expression):
        if node.is_Rational:
            require_short(node, "a formula")


def _refuse_no_number(expression: Any, shown: Any) -> None:
    nodes = _nodes(expression)
    for node in _NO_NUMBERS:
        if node in nodes:
            raise UndefinedError(
                f"{short(shown)} contains {node} once definitions are substituted: it divides by zero, or is not a real number"
            )


def plain_formula(formula: Any, domain: Mapping[str, Domain], definitions: Mapping[str, Any]) -> Any:
    """As `plain`, for formulas: relations joined by And, Or, Not, Implies, Equivalent.

    Raises:
        ClaimError: For what was already decided when Python read it: ``p == q`` is a Python truth value, not a statement, and
            nothing would be checked.
    """
    if isinstance(formula, bool | BooleanAtom):
        raise ClaimError(
            f"the formula had already become {bool(formula)} before the engine saw it, so nothing would be checked; "
            "write equalities as Eq(left, right), or use identity(left, right)"
        )
    if not (getattr(formula, "is_Relational", False) or isinstance(formula, Connective)):
        raise ClaimError(f"{formula!r} is not a formula; write Eq(left, right), a < b, And(...), Implies(...) and so on")
    return with_sides(sympy.sympify(formula), lambda side: plain(side, domain, definitions))


def with_sides(formula: Any, change: Callable[[Any], Any]) -> Any:
    """The formula with both sides of its relations changed, none evaluated: SymPy would settle some by floating point."""
    if isinstance(formula, BooleanAtom):
        return formula
    if not (formula.is_Relational or isinstance(formula, Connective)):
        raise ClaimError(f"{formula!r} is not a formula; write Eq(left, right), a < b, And(...), Implies(...) and so on")
    inner = change if formula.is_Relational else lambda part: with_sides(part, change)
    parts = map(inner, formula.args)
    if isinstance(formula, Equivalent):  # of three, two of which have become alike, SymPy keeps the third alone
        pairs = [Equivalent(*pair) for pair in itertools.pairwise(parts)]
        return And(*pairs, evaluate=False) if len(pairs) > 1 else pairs[0]
    return formula.func(*parts, evaluate=False)


def explained(error: BaseException) -> BaseException:
    """An error that SymPy ended with as it compared what Max or Min has, as one that says what to write; others as they are."""
    files = [(frame.filename.replace("\\", "/"), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, ClaimError) or not any(file.endswith(_EXTREMES) for file, _ in files):
        return error
    place = [f" ({Path(file).name}, line {line})" for file, line in files if not _INSIDE.search(file)]
    what = re.search("The argument '(.*)' is not comparable", str(error))
    return ClaimError(
        f"SymPy cannot compare {what[1] if what else 'what it is given'} with the other arguments of Max or Min"
        f"{''.join(place[-1:])}; each must be a real number where its symbols have values, and a Sum or Product of numbers "
        "written out: Sum(...).doit()"
    )


def conjuncts(formula: Any) -> list[Any]:
    """The parts of a conjunction; a list with the formula itself if it is none."""
    if isinstance(formula, sympy.And):
        return [part for arg in formula.args for part in conjuncts(arg)]
    return [formula]


def short(expression: Any, limit: int = 80) -> str:
    """The expression as text, cut where it would fill an error message."""
    text = str(expression)
    return text if len(text) <= limit else text[: limit - 1] + "…"


_DERIVATIVE = re.compile(r"d(\w+)/d(\w+)")
_PLAIN = re.compile(r"[A-Za-z]\w*")


def _ordered(expr: Any) -> list[Any]:
    """The terms of a sum as a reader writes them: what is added before what is subtracted, numbers taken off last."""
    return sorted(expr.args, key=lambda term: (term.could_extract_minus_sign(), bool(term.is_Number and term.is_negative)))


class _Printer(Printer):  # type: ignore[misc]
    """A printer of SymPy's that prints a part once: steps of a proof repeat them."""

    def __init__(self) -> None:
        super().__init__({"order": "none"})
        self._printed: dict[Any, str] = {}

    def _print(self, expr: Any, **settings: Any) -> str:
        if settings or not isinstance(expr, sympy.Basic):
            return str(super()._print(expr, **settings))
        if expr not in self._printed:
            if len(self._printed) >= _MOST_PRINTED:
                self._printed.clear()
            self._printed[expr] = str(super()._print(expr))
        return self._printed[expr]

    def _print_Add(self, expr: Any, order: Any = None) -> str:
        return str(super()._print_Add(sympy.Add(*_ordered(expr), evaluate=False), order="none"))


class _Text(_Printer, StrPrinter):  # type: ignore[misc]
    """SymPy's one-line notation, with relations and connectives as a reader writes them."""

    def _print_Relational(self, expr: Any) -> str:
        operator = {"==": "="}.get(expr.rel_op, expr.rel_op)
        return f"{self._print(expr.lhs)} {operator} {self._print(expr.rhs)}"

    def _join(self, expr: Any, word: str) -> str:
        return word.join(self._grouped(arg) for arg in sorted(expr.args, key=sympy.default_sort_key))

    def _grouped(self, arg: Any) -> str:
        shown = self._print(arg)
        return shown if arg.is_Relational or arg.is_Symbol else f"({shown})"

    def _print_And(self, expr: Any) -> str:
        return self._join(expr, " and ")

    def _print_Or(self, expr: Any) -> str:
        return self._join(expr, " or ")

    def _print_Not(self, expr: Any) -> str:
        return f"not {self._grouped(expr.args[0])}"

    def _print_Implies(self, expr: Any) -> str:
        return f"{self._grouped(expr.args[0])}  implies  {self._grouped(expr.args[1])}"

    def _print_Equivalent(self, expr: Any) -> str:
        return self._join(expr, "  if and only if  ")


class _Latex(_Printer, LatexPrinter):  # type: ignore[misc]
    """LaTeX with the package's spelling of symbols, and d_X/d_Y as a partial derivative."""

    def _print_Symbol(self, expr: Any, style: str = "plain") -> str:
        return _symbol(expr.name)

    def _print_Pow(self, expr: Any) -> str:
        # What is 1 below the line once it is evaluated, as in (-1)^(-2), SymPy would print as a fraction of itself without end.
        if expr.exp.is_Rational and expr.exp.is_negative and sympy.fraction(expr, exact=True)[1] == 1:
            return str(self._helper_print_standard_power(expr, "%s^{%s}"))
        return str(super()._print_Pow(expr))

    def _print_derivative(self, expr: Any, exp: str | None = None) -> str:
        what, symbol = map(self._print, expr.args)
        shown = rf"\frac{{\partial}}{{\partial {symbol}}} \left({what}\right)"
        if expr.args[0].is_Symbol:
            shown = rf"\frac{{\partial {what}}}{{\partial {symbol}}}"
        return shown if exp is None else rf"\left({shown}\right)^{{{exp}}}"


_TEXT, _LATEX = _Text(), _Latex()
_LONG_LATEX, _SHORT_PART = 1500, 2


def text(expression: Any) -> str:
    """One line of text.

    >>> p, q = sympy.symbols("p q")
    >>> text(sympy.Implies(p < q, sympy.Ne(q, 0)))
    'p < q  implies  q != 0'
    """
    return str(_TEXT.doprint(expression))


def latex(expression: Any) -> str:
    r"""LaTeX without delimiters; a text is the name of a symbol.

    >>> latex(derivative(sympy.Symbol("V"), sympy.Symbol("p")))
    '\\frac{\\partial V}{\\partial p}'
    >>> latex(sympy.Symbol("dV/dtheta_s")), latex(sympy.Symbol("p_ref")), latex("c_s")
    ('\\frac{\\partial V}{\\partial \\theta_{s}}', 'p_{\\mathrm{ref}}', 'c_{s}')
    """
    if isinstance(expression, str):
        return _symbol(expression)
    return str(_LATEX.doprint(expression))


def latex_named(formula: Any) -> str:
    r"""LaTeX of a formula; what recurs in a long one has names, which are said behind it.

    >>> p, q = sympy.symbols("p q")
    >>> latex_named(sympy.Gt(sympy.Add(*[sympy.log(1 - p * q) ** k / k for k in range(1, 60)]), q))[-41:]
    '\\quad u_{1} = \\log{\\left(1 - p q \\right)}'
    """
    shown = latex(formula)
    if len(shown) <= _LONG_LATEX:
        return shown
    short, parts = with_names(formula)
    named = [latex(short), *(f"{latex(name)} = {latex(part)}" for name, part in parts)]
    return min(shown, ",\\quad ".join(named), key=len)


def with_names(formula: Any) -> tuple[Any, list[tuple[Any, Any]]]:
    """A formula in which recurring parts of its relations are symbols u_1, u_2, ..., and what each stands for, in order.

    Parts of at most two operations keep their own form.

    >>> p, q = sympy.symbols("p q")
    >>> with_names(sympy.Gt(sympy.log(p * q - q + 1) ** 2 + sympy.log(p * q - q + 1), p * q))
    (u_1**2 + u_1 > p*q, [(u_1, log(p*q - q + 1))])
    """
    relations = sorted(formula.atoms(sympy.core.relational.Relational), key=sympy.default_sort_key)
    taken = {symbol.name for symbol in formula.free_symbols}
    parts, sides = sympy.cse([side for relation in relations for side in relation.args], order="none")
    free = (name for name in sympy.numbered_symbols("u_", start=1) if name.name not in taken)
    shown: dict[Any, Any] = {}
    named = []
    for name, part in parts:
        part = part.xreplace(shown)
        shown[name] = part if part.count_ops() <= _SHORT_PART else next(free)
        named += [(shown[name], part)] if part.count_ops() > _SHORT_PART else []
    sides = [side.xreplace(shown) for side in sides]
    # Unevaluated: two sides that are alike would make a truth value.
    changed = {relation: relation.func(*sides[2 * k : 2 * k + 2], evaluate=False) for k, relation in enumerate(relations)}
    return formula.xreplace(changed), named


def domain_text(domain: Mapping[str, Domain]) -> list[str]:
    """Phrases such as ``p, a, b in (0, 1)``."""
    return [f"{', '.join(names)} in {item}" for names, item in grouped(domain)]


def domain_latex(domain: Mapping[str, Domain]) -> list[str]:
    """The same in LaTeX."""
    return [rf"{', '.join(map(_symbol, names))} \in {item.latex()}" for names, item in grouped(domain)]


def _symbol(name: str) -> str:
    if match := _DERIVATIVE.fullmatch(name):
        return rf"\frac{{\partial {latex_name(match[1])}}}{{\partial {latex_name(match[2])}}}"
    return latex_name(name) if _PLAIN.fullmatch(name) else name
