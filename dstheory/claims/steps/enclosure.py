"""Steps for what the solver does not settle: `enclose`, on a box by interval arithmetic, and `search`, by examples alone.

An enclosure divides its box until intervals settle the formula on every piece. A search says that there is no counterexample
among the examples that Hypothesis tries: the weakest evidence, and named so.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache, cached_property
from typing import Any, ClassVar

import numpy as np
import sympy
from sympy.logic.boolalg import And, BooleanAtom

from dstheory.claims import early
from dstheory.claims.evaluation import connected, enclose_value, to_interval
from dstheory.claims.premises import Premises
from dstheory.claims.solver import OUT_OF_TIME
from dstheory.claims.steps.base import ClaimContext, FormulaStep, Step, StepContext, parse_point
from dstheory.claims.verdicts import Finding, Status
from dstheory.claims.witnesses import Witness, is_witness
from dstheory.errors import ClaimError, DomainError, NotSettledError, UndefinedError

Box = tuple[tuple[Fraction, Fraction], ...]
_MOST_CORNERS = 1024


@dataclass(frozen=True)
class Enclosure(FormulaStep):
    """A step that says that a formula holds on a closed box, by rigorous interval arithmetic.

    Args:
        words: What the step says, for the reader.
        formula: Inequalities (joined by And, Or, Not) between expressions with +, *, powers, exp, log, Abs, Max, Min.
        box: Symbol or name -> (lower, upper), as exact numbers or strings such as "1/100"; it must lie in the domain.
        boxes: How many pieces to look at before giving up with "undecided".
        given, where, using, lemma: See `Step`.

    Example:
        >>> from dstheory.claims import UNIT, Claim, check
        >>> p = sympy.Symbol("p")
        >>> step = enclose("log is below its tangent.", sympy.log(p) < p, {p: ("1/10", "9/10")})
        >>> check(Claim(id="x", statement="...", domain={p: UNIT}, proof=[step])).status.value
        'enclosed'
    """

    box: Mapping[Any, tuple[Any, Any]]
    boxes: int = field(default=5000, kw_only=True)
    kind: ClassVar[str] = "enclosure"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.box:
            raise ClaimError("an enclosure needs a box: at least one symbol with its two ends")
        for name, low in self.lower.items():
            if low > self.upper[name]:
                raise ClaimError(f"the box has {name} from {low} to {self.upper[name]}; the lower end must come first")

    @cached_property
    def lower(self) -> dict[str, Fraction]:
        """The lower ends of the box."""
        return parse_point({key: bounds[0] for key, bounds in self.box.items()})

    @cached_property
    def upper(self) -> dict[str, Fraction]:
        """The upper ends of the box."""
        return parse_point({key: bounds[1] for key, bounds in self.box.items()})

    def run(self, context: ClaimContext) -> Finding:
        """Bisect the box until interval arithmetic settles the formula on every piece."""
        here = StepContext(context, self)
        formula = here.formula(self.formula)
        names = list(self.lower)
        for name in names:
            if name not in here.domain:
                raise DomainError(f"the box bounds {name}, which has no domain")
            for end in (self.lower[name], self.upper[name]):
                if not here.domain[name].contains(end):
                    raise DomainError(f"the box reaches {name} = {end}, outside its domain {here.domain[name]}")
        if missing := sorted({s.name for item in (formula, *here.assumptions) for s in item.free_symbols} - set(names)):
            raise DomainError(f"the box does not bound {', '.join(missing)}")
        box = {
            name: replace(here.domain[name], lower=self.lower[name], upper=self.upper[name], lower_open=False, upper_open=False)
            for name in names
        }
        here.require_well_posed(box=box)
        formula = self._with_conditions(here, formula, here.within(box))
        start: Box = tuple((self.lower[name], self.upper[name]) for name in names)
        # Largest pieces first, so that a failure is found before the easy parts are refined.
        tie = itertools.count()
        queue: list[tuple[Fraction, int, Box]] = [(Fraction(0), next(tie), start)]
        done = 0
        while queue:
            if done >= self.boxes or time.process_time() > context.deadline:
                why = OUT_OF_TIME if done < self.boxes else f"{self.boxes} boxes were not enough"
                return Finding(Status.UNDECIDED, "enclosure", f"interval arithmetic did not settle the formula: {why}")
            _, _, piece = heapq.heappop(queue)
            done += 1
            sides = {name: to_interval(*bounds) for name, bounds in zip(names, piece, strict=True)}
            if any(_holds(premise, sides) is False for premise in here.assumptions) or _holds(formula, sides) is True:
                continue
            points = itertools.chain([[(low + high) / 2 for low, high in piece]], _corners(start) if done == 1 else ())
            for point in (dict(zip(names, point, strict=True)) for point in points):
                if is_witness(point, formula, here.assumptions, here.domain):
                    return here.refuted(formula, Witness(point, smallest=False), "enclosure")
            for half in _halves(piece):
                heapq.heappush(queue, (-max(high - low for low, high in half), next(tie), half))
        return Finding(Status.ENCLOSED, "enclosure", f"{done} boxes")

    def _with_conditions(self, here: StepContext, formula: Any, premises: Premises) -> Any:
        """The formula, joined with those conditions for its having a value that intervals must settle with it."""
        left_open = []
        whole = {name: to_interval(low, self.upper[name]) for name, low in self.lower.items()}
        for condition in here.conditions(self.formula):
            if _holds(condition.formula, whole) is True:
                continue
            try:
                premises.require(condition)
            except NotSettledError:
                left_open.append(condition.formula)
        return And(*left_open, formula, evaluate=False) if left_open else formula

    @property
    def region(self) -> list[Any]:
        """The box as inequalities."""
        out: list[Any] = []
        for name, low in self.lower.items():
            symbol, high = sympy.Symbol(name), self.upper[name]
            out += [sympy.Ge(symbol, sympy.Rational(low)), sympy.Le(symbol, sympy.Rational(high))]
        return out


enclose = Enclosure


def _corners(box: Box) -> Iterable[tuple[Fraction, ...]]:
    """Where a strict inequality fails that holds inside, which no middle of a piece is; not all of a box of many symbols."""
    return itertools.islice(itertools.product(*box), _MOST_CORNERS)


def _halves(box: Box) -> list[Box]:
    widest = max(range(len(box)), key=lambda k: box[k][1] - box[k][0])
    low, high = box[widest]
    middle = (low + high) / 2
    return [(*box[:widest], part, *box[widest + 1 :]) for part in ((low, middle), (middle, high))]


def _holds(formula: Any, sides: Mapping[str, Any]) -> bool | None:
    """Truth on the whole box: True, False, or None if it may vary or cannot be told."""

    def relation_holds(relation: Any) -> bool | None:
        difference = relation.lhs - relation.rhs
        try:
            truth = _relation_holds(relation.rel_op, enclose_value(difference, sides))
            return _relation_holds(relation.rel_op, _mean_value_form(difference, sides)) if truth is None else truth
        except UndefinedError:
            return None

    return connected(formula, relation_holds)


def _mean_value_form(expression: Any, sides: Mapping[str, Any]) -> Any:
    """f(m) + sum f'(box)(box - m): encloses f on the box, with an error quadratic in its size where f itself is linear."""
    if expression.has(sympy.Abs, sympy.Max, sympy.Min):
        return enclose_value(expression, sides)
    middle = {name: type(side)(side.mid) for name, side in sides.items()}
    total = enclose_value(expression, middle)
    for name, slope in _slopes(expression):
        total += enclose_value(slope, sides) * (sides[name] - middle[name])
    return total


@cache
def _slopes(expression: Any) -> tuple[tuple[str, Any], ...]:
    symbols = sorted(expression.free_symbols, key=lambda symbol: symbol.name)
    return tuple((symbol.name, sympy.diff(expression, symbol)) for symbol in symbols)


def _relation_holds(operator: str, value: Any) -> bool | None:
    """Truth of ``value OP 0`` for all numbers of an interval: True, False, or None if it may vary."""
    low, high = value.a, value.b
    zero, apart = low == 0 and high == 0, low > 0 or high < 0
    true, false = {
        "<": (high < 0, low >= 0),
        "<=": (high <= 0, low > 0),
        ">": (low > 0, high <= 0),
        ">=": (low >= 0, high < 0),
        "==": (zero, apart),
        "!=": (apart, zero),
    }[operator]
    return True if true else False if false else None


@contextlib.contextmanager
def _by_seed_alone() -> Iterator[None]:
    """Let examples depend on the seed: Hypothesis also tries numbers that stand in the text of whatever modules are loaded."""
    try:
        from hypothesis.internal.conjecture import providers
        from hypothesis.internal.constants_ast import Constants

        found = providers._get_local_constants
    except (ImportError, AttributeError):  # a version that looks at no text
        yield
        return
    providers.CONSTANTS_CACHE.cache.clear()
    providers._get_local_constants = Constants
    try:
        yield
    finally:
        providers._get_local_constants = found
        providers.CONSTANTS_CACHE.cache.clear()


class _Falsified(Exception):
    """The predicate was false for an example; raised so that Hypothesis shrinks towards the smallest one."""


@dataclass(frozen=True)
class Search(Step):
    """A Python predicate holds for every example drawn from its strategies; there is no formula to show."""

    predicate: Callable[..., Any]
    strategies: dict[str, Any] = field(default_factory=dict)
    kind: ClassVar[str] = "search"

    def run(self, context: ClaimContext) -> Finding:
        """Draw examples; report the shrunk one for which the predicate is false."""
        import hypothesis
        from hypothesis import HealthCheck, Phase, Verbosity, settings

        last: dict[str, str] = {}
        count = 0

        def body(**drawn: Any) -> None:
            nonlocal count
            count += 1
            if not self._agrees(drawn):
                last.clear()
                last.update({name: repr(value) for name, value in drawn.items()})
                raise _Falsified

        profile = settings(
            max_examples=context.examples,
            deadline=None,
            database=None,
            report_multiple_bugs=False,
            print_blob=False,
            verbosity=Verbosity.quiet,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        test = hypothesis.seed(context.seed)(profile(hypothesis.given(**self.strategies)(body)))
        with contextlib.suppress(_Falsified):
            with early.watched(context.file), _by_seed_alone():  # a proof may find what the predicate has kept
                test()
            if count == 0:
                raise ClaimError("the search tried no example; widen its strategies")
            return Finding(Status.SEARCHED, "search", f"no counterexample in {count} examples, seed {context.seed}")
        return Finding(Status.REFUTED, "search", f"found and shrunk by a search, seed {context.seed}", dict(last))

    def _agrees(self, drawn: dict[str, Any]) -> bool:
        try:
            answer = self.predicate(**drawn)
        except AssertionError:
            return False
        if answer is None:
            return False
        if not isinstance(answer, bool | np.bool_ | BooleanAtom):
            raise ClaimError(f"the predicate of a search answers True or False; for {drawn} it returned {answer!r}")
        return bool(answer)


def search(words: str, predicate: Callable[..., Any], *, lemma: bool = False, **strategies: Any) -> Step:
    """A step that says that a Python predicate holds for every example: "not refuted", never "proved".

    Args:
        words: What the step says, with the tolerance if the predicate has one.
        predicate: Called with one keyword argument per strategy. It returns whether the example agrees with the statement; an
            ``AssertionError`` counts as "no", any other exception is a crash of the claim.
        lemma: Whether the step is an auxiliary one.
        strategies: Hypothesis strategies, by argument name.

    Example:
        >>> from hypothesis import strategies as st
        >>> from dstheory.claims import Claim, check
        >>> step = search("Squares exceed their root.", lambda n: n * n > n, n=st.integers(0, 10**6))
        >>> check(Claim(id="x", statement="...", proof=[step])).witness
        {'n': '0'}
    """
    if not strategies:
        raise ClaimError("a search needs at least one Hypothesis strategy by argument name, for instance n=integers()")
    return Search(words, predicate, strategies, lemma=lemma)
