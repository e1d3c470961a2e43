"""Derive an objective's gradient: from its rule and the chain to the simplest form found, every equality checked exactly."""

from __future__ import annotations

from typing import Any

import sympy as sp

from dstheory.errors import ChainError
from dstheory.rational import combine_logs, is_zero, rational_form
from dstheory.rational.symbols import Number, check_numbers
from dstheory.symbolic.attribution import coefficient_verdict
from dstheory.symbolic.compact import CompactGradient, compact_gradient, needed
from dstheory.symbolic.derivation import DerivedGradient
from dstheory.symbolic.narrative import assumptions_of, steps_of, subtitle_of
from dstheory.symbolic.objectives import lookup
from dstheory.symbolic.render import render
from dstheory.symbolic.rule import Rule
from dstheory.symbolic.setting import SymbolicSetting, setting
from dstheory.symbolic.updates import differentiated, enumerated_update, expected_update

MAX_TERMS = 40
"""A numerator with more monomials than this is not written out."""

MAX_ANSWERS, MAX_PAIRS, MAX_INDEXED_PAIRS = 8, 16, 9
"""Largest chains: answers; answers x turns of a capped chain; the same with parameters of its own at each turn."""

ENUMERATED_TURNS = 2
"""Caps up to this are enumerated to compare a stated update with its rule."""

MAX_OPERATIONS = 2000
"""A formula with more operations than this, its names replaced by their definitions, is not even tried."""


class Derivation(DerivedGradient):
    """A derivation that shows itself: as text where it is printed, as mathematics in a notebook.

    Other formats are those of :func:`dstheory.symbolic.render.render`.
    """

    def __str__(self) -> str:
        return render(self, "text")

    def _repr_latex_(self) -> str:
        return render(self, "notebook")


def derive(
    objective: str | Rule,
    *,
    answers: int = 2,
    turns: int | None = None,
    turn_indexed: bool = False,
    rewards: str = "accuracy",
    discount_per: str = "turn",
    reduction: str = "sum",
    per_answer_lengths: bool = False,
    numbers: dict[str, Number] | None = None,
) -> Derivation:
    """Derive the gradient of an objective.

    Args:
        objective: a registered name, or a rule, registered or not.
        answers: 2 is the minimal chain; more is a general chain.
        turns: the cap on turns; None is no cap.
        turn_indexed: own parameters at each turn; needs a cap.
        rewards: "accuracy", "priced" or "general".
        discount_per: "turn" or "stage".
        reduction: "sum" or "mean".
        per_answer_lengths: give each answer its own length.
        numbers: values for lambda and the lengths that are fixed from the start.

    Returns:
        The derivation. Its gradient was computed from the coefficient rule, compared with the derivative of the objective's
        scalar where there is one, and brought into the form shown; each comparison is exact. A rule that states its update
        itself is compared with its coefficients on capped chains, and the derivation says so.

    Raises:
        UnknownObjectiveError: no objective of that name.
        DSTheoryError: an option outside its range.

    >>> derivation = derive("sft")
    >>> derivation.gradient[sp.Symbol("theta_s", real=True)]
    n_E*w_s*(-p + p_E)
    >>> derivation.verdict.verdict, derivation.verdict.ratios[0]
    ('unbalanced', (l_s/l_d)**lambda)
    """
    rule = lookup(objective) if isinstance(objective, str) else objective
    _refuse_large(answers, turns, turn_indexed)
    lengths = {"lambda", "l_s", "l_d", *(f"l_{y}" for y in _answer_names(answers))}
    fixed = check_numbers(numbers or {}, lengths)
    options: dict[str, Any] = {
        "answers": answers,
        "turn_indexed": turn_indexed,
        "rewards": rewards,
        "discount_per": discount_per,
        "reduction": reduction,
        "per_answer_lengths": per_answer_lengths,
        "numbers": fixed,
    }
    s = setting(turns=turns, **options)
    update = expected_update(s, rule)
    enumerated = _require_own_update(rule, s, options)
    compact = compact_gradient(s, rule)
    slope = differentiated(s, rule)
    _require_equal(
        rule,
        "the simplest form",
        "the expectation of coefficient x score",
        {name: compact.written_out(expr) - update[name] for name, expr in compact.gradient.items()},
    )
    if slope is not None:
        _require_equal(
            rule,
            "the derivative of J",
            "the expectation of coefficient x score",
            {name: slope[name] - update[name] for name in update},
        )
    expanded = {name: _short_fraction(expr, compact) for name, expr in compact.gradient.items()}
    scalar = "no" if slope is None else "frozen" if rule.frozen and rule.measure(s) == s.policy else "yes"
    verdict = coefficient_verdict(s, rule)
    statistics = {x.symbol: x.value for x in rule.statistics(s)}
    kept = needed(statistics, (*compact.gradient.values(), *compact.definitions.values()))
    source = "the update that the rule states" if enumerated else "the expectation of coefficient x score"
    checks = (
        f"the simplest form equals {source}" + ("" if enumerated else ", the past included"),
        *((f"the derivative of J equals {source}",) if slope is not None else ()),
        *((f"that update equals the expectation of coefficient x score {enumerated}",) if enumerated else ()),
    )
    return Derivation(
        rule.name,
        rule.title,
        subtitle_of(s),
        s,
        fixed,
        {**kept, **compact.definitions},
        compact.gradient,
        expanded,
        verdict,
        scalar,
        checks,
        assumptions_of(s, rule, scalar),
        steps_of(s, rule, compact, expanded, verdict, scalar, enumerated),
    )


def _require_own_update(rule: Rule, s: SymbolicSetting, options: dict[str, Any]) -> str:
    """Compare an update that a rule states itself with its coefficients, over all trajectories; return where that was done.

    Returns:
        "" for a rule that states none, whose update was computed from its coefficients.

    Raises:
        ArithmeticError: they differ.
    """
    if rule.update(s) is None:
        return ""
    most = s.chain.turns or ENUMERATED_TURNS
    caps = range(1, min(most, ENUMERATED_TURNS) + 1)
    for turns in caps:
        capped = setting(turns=turns, **options)
        values: dict[sp.Symbol, sp.Expr] = {}
        for statistic in rule.statistics(capped):
            if statistic.neutral:  # a baseline, which an update may have in place already; the others are numbers on both sides
                values[statistic.symbol] = statistic.value.xreplace(values)
        stated, counted = rule.update(capped), enumerated_update(capped, rule)
        assert stated is not None
        _require_equal(
            rule,
            f"the update that the rule states, with a cap of {turns}",
            "the expectation of coefficient x score",
            {name: (stated[name] - counted[name]).xreplace(values) for name in stated},
        )
    if s.chain.turns in caps:
        return "over all trajectories"
    return f"over all trajectories of the chains capped at {' and '.join(map(str, caps))} turns, not of this one"


def _refuse_large(answers: int, turns: int | None, turn_indexed: bool) -> None:
    """Raise ChainError for a chain whose formulas would fill books; nothing is lost, as the numeric engine takes any size."""
    remedy = "give a smaller chain; numbers for large chains come from `dstheory attribute`"
    if answers > MAX_ANSWERS:
        raise ChainError(f"answers = {answers}: a symbolic derivation takes at most {MAX_ANSWERS}; {remedy}")
    largest = MAX_INDEXED_PAIRS if turn_indexed else MAX_PAIRS
    if turns is not None and answers * turns > largest:
        kind = "turn-indexed " if turn_indexed else ""
        raise ChainError(
            f"answers x turns = {answers * turns}: a symbolic derivation of a {kind}chain takes at most {largest}; {remedy}"
        )


def _answer_names(answers: int) -> tuple[str, ...]:
    return ("C", "W") if answers == 2 else tuple(str(i + 1) for i in range(answers))


def _require_equal(rule: Rule, one: str, other: str, differences: dict[sp.Symbol, sp.Expr]) -> None:
    """Stop if two routes to the gradient disagree: a derivation that is not an identity is never shown."""
    for name, difference in differences.items():
        if not is_zero(difference):
            raise ArithmeticError(
                f"{rule.name}: for {name}, {one} differs from {other}; the rule and its scalar, or its measure, "
                "do not belong together"
            )


def _short_fraction(formula: sp.Expr, compact: CompactGradient) -> sp.Expr | None:
    """Return the gradient as one factored fraction, if that is short and says more than the formula itself."""
    written = compact.written_out(formula)
    if sp.count_ops(written) > MAX_OPERATIONS:
        return None
    form = rational_form(written)
    if form.terms > MAX_TERMS:
        return None
    top, bottom = form.factors()
    for name, expr in compact.definitions.items():
        if name.name.split("_")[0] in ("N", "n"):  # write 1 - gamma q as the chain has it, not multiplied out
            whole = compact.written_out(1 / expr)
            bottom = bottom.subs(sp.expand(whole), whole)
    return combine_logs(top / bottom)
