"""Attribution at the coefficient level: are the answer's and the decision's coefficient equal on every turn of every trajectory?

The rule is evaluated on every (answer, decision) of a turn with symbols for the discount so far, the past and the future payoff.
What holds identically in those symbols holds on every turn of every trajectory, for any number of turns. Where it fails, the
shortest trajectory on which it fails is given, with numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import sympy as sp

from dstheory.rational import factored, is_zero
from dstheory.rational.symbols import at_numbers, domain_of
from dstheory.symbolic.chain import RESAMPLE, STOP
from dstheory.symbolic.rule import Rule, Steps
from dstheory.symbolic.setting import SymbolicSetting, Weights
from dstheory.symbolic.updates import depends_on_trajectory, generic_coefficients, turns_of

BALANCED = "balanced"
UP_TO_DISCOUNT = "balanced up to the discount between the stages"
UNBALANCED = "unbalanced"
NO_DECISION = "nothing to compare: no decision is drawn"


@dataclass(frozen=True)
class Imbalance:
    """A turn of a trajectory on which the coefficients differ, and numbers at which they do.

    Attributes:
        steps: the trajectory, pairs (answer's name, decision).
        turn: the turn in question.
        c_s: the answer's coefficient there.
        c_d: the decision's coefficient there.
        numbers: values of the free symbols; at them the two coefficients differ.
    """

    steps: tuple[tuple[str, str], ...]
    turn: int
    c_s: sp.Expr
    c_d: sp.Expr
    numbers: tuple[tuple[sp.Symbol, sp.Expr], ...]

    def at_numbers(self) -> tuple[sp.Expr, sp.Expr]:
        """Return the two coefficients at the witness's numbers."""
        return self.c_s.subs(dict(self.numbers)), self.c_d.subs(dict(self.numbers))


@dataclass(frozen=True)
class CoefficientVerdict:
    """The verdict at level (i).

    Attributes:
        verdict: one of the constants BALANCED, UP_TO_DISCOUNT, UNBALANCED, NO_DECISION.
        ratios: c_s/c_d for each answer, where it is the same number on every turn of every trajectory with that answer; else ().
        weight_ratios: w_s/w_d for each answer, in lengths and lambda, if the coefficients carry the stage weights; else ().
        witness: where the coefficients differ; None if balanced.
        of: the terms of a sum that it is about, if they act on other trajectories than the rest; "" for all.
    """

    verdict: str
    ratios: tuple[sp.Expr, ...]
    weight_ratios: tuple[sp.Expr, ...]
    witness: Imbalance | None
    of: str = ""


def coefficient_verdict(s: SymbolicSetting, objective: Rule) -> CoefficientVerdict:
    """Decide level (i) for an objective, by exact arithmetic on its rule.

    >>> from dstheory.symbolic.objectives import lookup
    >>> from dstheory.symbolic.setting import setting
    >>> coefficient_verdict(setting(), lookup("reinforce")).verdict
    'balanced'
    >>> coefficient_verdict(setting(), lookup("sft")).ratios[0]
    (l_s/l_d)**lambda
    """
    apart = objective.by_measure(s).values()
    if len(apart) > 1:  # on the trajectories of each policy only that policy's terms have coefficients
        found = [
            replace(coefficient_verdict(s, replace(objective, terms=tuple(terms))), of=" + ".join(term.name for term in terms))
            for terms in apart
        ]
        return next((one for one in found if one.verdict != BALANCED), found[0])
    turns = range(s.chain.turns or 1)
    drawn = [row for index in turns for row in generic_coefficients(s, objective, index) if row[1] is not None]
    if not drawn:
        return CoefficientVerdict(NO_DECISION, (), (), None)
    meaning = _meaning(s)
    pairs = [(answer, *(at_numbers(c).xreplace(meaning) for c in (c_s, c_d))) for answer, _, c_s, c_d in drawn]
    if all(is_zero(c_s - c_d) for _, c_s, c_d in pairs):
        return CoefficientVerdict(BALANCED, (sp.S.One,) * len(s.chain.answers), (), None)
    ratios = _common_ratios(pairs, len(s.chain.answers))
    within = objective.parts[0].rate(s).within
    if ratios and within != 1 and all(is_zero(r - within) for r in ratios):
        return CoefficientVerdict(UP_TO_DISCOUNT, ratios, (), _witness(s, objective))
    return CoefficientVerdict(
        UNBALANCED, tuple(length_ratio(s, r) for r in ratios), _weight_ratios(s, objective), _witness(s, objective)
    )


def _meaning(s: SymbolicSetting) -> dict[sp.Symbol, sp.Expr]:
    """Return what the weights stand for; an irrational number keeps a symbol, one for each value."""
    meaning: dict[sp.Symbol, sp.Expr] = {}
    by_value: dict[sp.Expr, sp.Symbol] = {}
    for w, value in s.weights.meaning:
        irrational = value.is_number and not value.is_Rational
        meaning[w] = by_value.setdefault(value, w) if irrational else value
    return meaning


def _common_ratios(pairs: list[tuple[int, sp.Expr, sp.Expr]], answers: int) -> tuple[sp.Expr, ...]:
    """Return c_s/c_d per answer if it does not depend on the rest of the trajectory, else ()."""
    ratios = []
    for answer in range(answers):
        own = [(c_s, c_d) for i, c_s, c_d in pairs if i == answer]
        first = next(((c_s, c_d) for c_s, c_d in own if not is_zero(c_d)), None)
        if first is None:
            return ()
        if not all(is_zero(c_s * first[1] - first[0] * c_d) for c_s, c_d in own):
            return ()
        ratio = factored(first[0] / first[1])
        if depends_on_trajectory(ratio):
            return ()
        ratios.append(ratio)
    return tuple(ratios)


def _weight_ratios(s: SymbolicSetting, objective: Rule) -> tuple[sp.Expr, ...]:
    """Return w_s/w_d per answer if every coefficient is its stage's weight times something free of weights, else ()."""
    distinct = dict.fromkeys((*s.weights.sample, *s.weights.decide))
    fresh = {w: sp.Symbol(f"weight{i}", positive=True) for i, w in enumerate(distinct)}
    free = replace(
        s, weights=Weights(tuple(fresh[w] for w in s.weights.sample), tuple(fresh[w] for w in s.weights.decide), (), "sum")
    )
    if len(fresh) < 2:
        return ()
    for answer, decision, c_s, c_d in generic_coefficients(free, objective):
        if decision is None:
            continue
        if not c_s.has(*fresh.values()):
            return ()
        rest = c_s / free.weights.sample[answer], c_d / free.weights.decide[answer]
        if not all(is_zero(sp.diff(part, w)) for part in rest for w in fresh.values()):
            return ()
    return tuple(length_ratio(s, w_s / w_d) for w_s, w_d in zip(s.weights.sample, s.weights.decide, strict=True))


def length_ratio(s: SymbolicSetting, ratio: sp.Expr) -> sp.Expr:
    """Write a ratio of weights in lengths and lambda, as a power of the ratio of lengths where it is one.

    >>> from dstheory.symbolic.setting import setting
    >>> s = setting(reduction="mean")
    >>> length_ratio(s, s.weights.sample[0] / s.weights.decide[0])
    (l_s/l_d)**lambda
    """
    return sp.powsimp(ratio.subs(dict(s.weights.meaning)), combine="base")


def _witness(s: SymbolicSetting, objective: Rule) -> Imbalance | None:
    """Return the shortest trajectory and turn on which the coefficients differ, with the simplest numbers tried first."""
    answers = range(len(s.chain.answers))
    for length in (1, 2):
        for path in product(answers, repeat=length):
            steps: Steps = (*[(i, RESAMPLE) for i in path[:-1]], (path[-1], STOP))
            if s.chain.turns is not None and length >= s.chain.turns:
                steps = (*steps[:-1], (path[-1], None))  # the cap submits the last answer
            for turn in range(length):
                found = _differs(s, objective, steps, turn)
                if found is not None:
                    names = tuple((s.chain.answers[i], d or "submit") for i, d in steps)
                    return Imbalance(names, turn, *found)
    return None


def _defined(s: SymbolicSetting, objective: Rule, steps: Steps, index: int) -> dict[sp.Symbol, sp.Expr]:
    """Return what is no free number on a trajectory: weights, statistics of the batch, tokens; each in terms of earlier ones."""
    found = dict(s.weights.meaning)
    for term in objective.parts:
        found |= {x.symbol: x.value for x in term.statistics(s)}
        found |= {x: sp.sympify(value) for x, value in term.of_trajectory(s, steps, index).items()}
    return found


Numbers = tuple[tuple[sp.Symbol, sp.Expr], ...]


def _differs(s: SymbolicSetting, objective: Rule, steps: Steps, index: int) -> tuple[sp.Expr, sp.Expr, Numbers] | None:
    if steps[index][1] is None:
        return None
    c_s, c_d = sp.S.Zero, sp.S.Zero
    for term in objective.parts:
        turn = turns_of(s, term, steps)[index]
        if s.chain.turns is None:
            turn = replace(turn, index=0)  # which stands for every turn of an uncapped chain
        more = term.coefficients(s, turn)
        c_s, c_d = c_s + at_numbers(more[0]), c_d + at_numbers(more[1])
    meaning = _meaning(s)
    if is_zero((c_s - c_d).xreplace(meaning)):
        return None
    if not c_s.has(sp.log) and not c_d.has(sp.log) and sp.count_ops((c_s, c_d)) < 300:
        c_s, c_d = factored(c_s), factored(c_d)
    used = (c_s - c_d).free_symbols
    defined = _defined(s, objective, steps, index)
    for x in reversed(defined):
        used |= defined[x].free_symbols if x in used else set()
    for attempt in range(8):
        numbers = _numbers(sorted(used - set(defined), key=lambda x: x.name), attempt)
        for x in defined:
            numbers = (*numbers, *([(x, defined[x].subs(dict(numbers)).doit())] if x in used else []))
        values = [c.subs(dict(numbers)) for c in (c_s, c_d)]
        if all(v.is_finite for v in values) and abs((values[0] - values[1]).evalf(30)) > sp.Rational(1, 10**9):
            return c_s, c_d, numbers
    return None


def _numbers(symbols: list[sp.Symbol], attempt: int) -> Numbers:
    """Return small numbers inside the symbols' domains; each attempt tries others."""
    chosen, lengths, probabilities, reals = [], 0, 0, 0
    for x in symbols:
        domain = domain_of(x.name)
        if x.name in ("lambda", "l_d"):
            value = sp.S.One
        elif domain.whole:
            value = sp.Integer(domain.low or 0)
        elif domain.low == 1:
            value, lengths = sp.Integer((4, 2, 3, 5, 7, 9)[lengths % 6]), lengths + 1
        elif domain.low == 0 and domain.high == 1:
            value, probabilities = sp.Rational(1, 2 + probabilities + attempt), probabilities + 1
        else:
            value, reals = sp.Integer(1 + reals * attempt % 3), reals + 1
        chosen.append((x, value))
    return tuple(chosen)
