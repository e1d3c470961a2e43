"""Objectives as people write them: sums of names with factors, and settings that are given as numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import NoReturn

import sympy as sp

from dstheory.about import ABOUT, parse
from dstheory.errors import ChainError
from dstheory.rational.symbols import decimal, symbol
from dstheory.symbolic.compact import common_scale
from dstheory.symbolic.objectives import lookup
from dstheory.symbolic.objectives.group import TOKENS
from dstheory.symbolic.policy import Logit, SymbolicPolicy
from dstheory.symbolic.responses import mean_length, mean_over_length, over_length
from dstheory.symbolic.rule import Equation, Inline, Rule, Statistic, Verbatim, no_payoff
from dstheory.symbolic.setting import SymbolicSetting
from dstheory.symbolic.updates import Update, enumerated_update, generic_turns, score

SETTINGS = ("G", "beta", "alpha", "L_max")
"""Symbols of rules that a number may be put in place of."""

_Change = Callable[[sp.Expr], sp.Expr]


def rule_of(expression: str, **options: Mapping[str, object]) -> Rule:
    """Return the rule of a name, or of a sum such as ``"grpo-no-std + 0.04*k3-loss"``; parsed, never evaluated.

    Args:
        expression: names joined by ``+``, each with an optional factor, which multiplies the whole term: beta stays in it.
        options: by name, options of that term, see :func:`dstheory.symbolic.objectives.lookup`.

    Raises:
        DSTheoryError: an unknown name, or a factor that is not a number.

    >>> rule_of("2*reinforce + 0.5*entropy").name
    '2*reinforce + 0.5*entropy'
    """
    terms = []
    for factor, name in parse(expression):
        rule = lookup(name)
        rule = lookup(name, **options[rule.name]) if rule.name in options else rule
        terms.append(rule if factor == 1 else _times(rule, factor))
    if len(terms) == 1:
        return terms[0]
    name = " + ".join(term.name for term in terms)
    return Rule(name, _of_sum, title=name, terms=_divided_alike(terms))


def _divided_alike(terms: list[Rule]) -> tuple[Rule, ...]:
    """Return the terms, those that leave their normaliser open with that of the reward in the sum, as training code adds them.

    Raises:
        ChainError: such a term stands beside two rewards that are divided differently.
    """
    shared = {term.name: term.normaliser for term in terms if term.normaliser is not None}
    open_ones = [term.name for term in terms if term.inherits]
    if open_ones and len(set(shared.values())) > 1:
        raise ChainError(
            f"{' and '.join(shared)} divide their tokens differently: {open_ones[0]} cannot be divided as both; add it to one "
            "of them"
        )
    by = next(iter(shared.values()), sp.S.One)
    return tuple(_divided(term, by) if term.inherits and by != 1 else term for term in terms)


def _divided(rule: Rule, by: sp.Expr) -> Rule:
    """Return a penalty over a number of tokens: a constant, their mean in the batch, or those of each response."""
    divided = _changed(rule, lambda x: x / by, lambda x: x)
    if by == symbol("L"):
        return _over_response(rule, divided)
    if by == symbol("L_max"):
        return replace(divided, scalar_words=(*rule.scalar_words, ", over ", by))
    held = "the statistics of the batch"
    return replace(
        divided,
        statistics=lambda s: (*rule.statistics(s), mean_length(s)),
        scalar_words=(*rule.scalar_words, ", over the mean length"),
        held=f"{rule.held} and {held}" if rule.frozen else held,
        frozen=True,
    )


def _over_response(rule: Rule, divided: Rule) -> Rule:
    """Return a penalty divided by each response's own tokens, which its expectation then counts with."""

    def update(s: SymbolicSetting) -> Update:
        if s.chain.turns is not None:
            return enumerated_update(s, divided)
        if rule.payoff(s) != no_payoff(s):
            raise ChainError(
                f"{rule.name} beside a reward over each response's own tokens, without a cap: its expectation is that of a sum "
                "over the response, divided by the response's length, and the two depend on each other through every turn, so it "
                "is no expectation turn by turn; cap the turns, or take a reward with another normaliser"
            )
        found = {(turn.answer, turn.decision): rule.coefficients(s, turn) for turn in generic_turns(s, rule)}

        def term(logit: Logit, turn: int, answer: int, decision: str | None) -> sp.Expr:
            c_s, c_d = found[answer, decision]
            on_sample, on_decision = score(s.policy, logit, turn, answer, decision)
            return sp.Add(c_s * on_sample, c_d * on_decision)

        return {x.symbol: over_length(s, s.policy, lambda _: sp.S.One, partial(term, x)) for x in s.policy.logits}

    constant = rule.name.endswith("k1-loss")  # the score of the response times 1/L: the slope of the mean of 1/L
    words: tuple[Inline, ...] = ("minus ", symbol("beta"), " times the mean of 1/L") if constant else ()

    def scalar(s: SymbolicSetting, frozen: SymbolicPolicy) -> sp.Expr | None:
        c = rule.shown(s)[0]
        return c * mean_over_length(s, s.policy, lambda _: sp.S.One) if constant and isinstance(c, sp.Expr) else None

    return replace(
        divided,
        update=update,
        where=lambda s: (*rule.where(s), TOKENS),
        scalar=scalar,
        frozen=False,
        scalar_words=words,
        same_update=lambda s: None,
    )


def _of_sum(s: SymbolicSetting, turn: object) -> NoReturn:
    raise TypeError("a sum has no coefficients of one payoff: ask its terms")


def _times(rule: Rule, factor: float) -> Rule:
    c = decimal(factor)
    scaled = _changed(rule, lambda x: c * x, lambda x: x)
    about = ABOUT.get(rule.name)
    what = f"the {about.title}" if about is not None and about.family == "penalty" else rule.title
    return replace(scaled, name=f"{factor:g}*{rule.name}", title=f"{factor:g} times {what}")


def with_numbers(rule: Rule, numbers: Mapping[str, sp.Rational]) -> Rule:
    """Return a rule with numbers in place of the group size, the strengths of its terms or the constant length.

    >>> from dstheory.symbolic.setting import setting
    >>> with_numbers(rule_of("dr-grpo"), {"G": sp.Integer(8)}).shown(setting())[0]
    7*(-Rbar + R(tau))/(8*L_max)
    """
    at = {symbol(name): value for name, value in numbers.items() if name in SETTINGS}
    if not at:
        return rule
    if rule.terms:
        return replace(rule, terms=tuple(with_numbers(term, numbers) for term in rule.terms))
    return _changed(rule, lambda x: x.xreplace(at), lambda x: x.xreplace(at))


def _changed(rule: Rule, of_value: _Change, of_meaning: _Change) -> Rule:
    """Return a rule whose coefficients, scalar and update are changed in one way, and what its symbols mean in another."""

    def expr(x: object) -> sp.Expr:
        return of_value(sp.sympify(x))

    def written(x: Inline, change: _Change) -> Inline:
        if isinstance(x, Verbatim) and change is of_value:
            factor = change(sp.S.One)
            return x if factor == 1 else Verbatim(f"{factor} ({x.text})", rf"{factor}\,({x.latex})")
        return change(x) if isinstance(x, sp.Expr) else x

    def scalar(s: SymbolicSetting, frozen: SymbolicPolicy) -> sp.Expr | None:
        found = rule.scalar(s, frozen)
        return None if found is None else expr(found)

    def update(s: SymbolicSetting) -> Update | None:
        found = rule.update(s)
        return None if found is None else {name: expr(x) for name, x in found.items()}

    def where(s: SymbolicSetting) -> tuple[Equation, ...]:
        return tuple((written(left, of_meaning), written(right, of_meaning)) for left, right in rule.where(s))

    def statistics(s: SymbolicSetting) -> tuple[Statistic, ...]:
        return tuple(replace(x, value=of_meaning(x.value)) for x in rule.statistics(s))

    def same_update(s: SymbolicSetting) -> Rule | None:
        found = rule.same_update(s)
        return None if found is None else _changed(found, of_value, of_meaning)

    return replace(
        rule,
        coefficients=lambda s, turn: tuple(map(expr, rule.coefficients(s, turn))),
        scalar=scalar,
        shown=lambda s: tuple(written(x, of_value) for x in rule.shown(s)),
        where=where,
        statistics=statistics,
        scale=lambda s: expr(rule.scale(s) or common_scale(rule, s)),
        update=update,
        same_update=same_update,
    )
