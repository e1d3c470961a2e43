"""Derive an objective's gradient: from its rule and the chain to the simplest form found, every equality checked exactly."""

from __future__ import annotations

from typing import Any

import sympy as sp

from dstheory.errors import ChainError
from dstheory.rational import combine_logs, factored, is_zero, rational_form
from dstheory.rational.symbols import Number, check_numbers
from dstheory.symbolic.attribution import coefficient_verdict
from dstheory.symbolic.compact import CompactGradient, compact_gradient, folded, needed
from dstheory.symbolic.derivation import DerivedGradient
from dstheory.symbolic.narrative import assumptions_of, steps_of, subtitle_of
from dstheory.symbolic.render import render
from dstheory.symbolic.rule import Rule, Statistic
from dstheory.symbolic.setting import SymbolicSetting, setting
from dstheory.symbolic.sums import SETTINGS, rule_of, with_numbers
from dstheory.symbolic.updates import differentiated, enumerated_update, expected_update

MAX_TERMS = 40
"""A numerator with more monomials than this is not written out."""

MAX_WRITTEN = 60
"""Nor is a fraction with more operations than this."""

MAX_ANSWERS, MAX_PAIRS, MAX_INDEXED_PAIRS = 8, 16, 9
"""Largest chains: answers; answers x turns of a capped chain; the same with parameters of its own at each turn."""

ENUMERATED_TURNS = 2
"""Caps up to this are enumerated to compare a stated update with its rule."""

MAX_OPERATIONS = 2000
"""A formula with more operations than this, its names replaced by their definitions, is not even tried."""


class Derivation(DerivedGradient):
    """A derivation: it prints as text, and a notebook shows it as mathematics.

    :func:`dstheory.symbolic.render.render` gives the other formats.

    >>> str(derive("reinforce")).splitlines()[0]
    'REINFORCE, return form'
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
        objective: a registered name, a sum such as ``"grpo-no-std + 0.04*k3-loss"``, or a rule, registered or not.
        answers: 2 is the minimal chain; more is a general chain.
        turns: the cap on turns; None is no cap.
        turn_indexed: own parameters at each turn; needs a cap.
        rewards: "accuracy", "priced" or "general".
        discount_per: "turn" or "stage".
        reduction: "sum" or "mean".
        per_answer_lengths: give each answer its own length.
        numbers: values that are fixed from the start, for lambda, the lengths, the group size G, beta, alpha and L_max.

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
    rule = rule_of(objective) if isinstance(objective, str) else objective
    _refuse_large(answers, turns, turn_indexed)
    lengths = {"lambda", "l_s", "l_d", *(f"l_{y}" for y in _answer_names(answers))}
    fixed = check_numbers(numbers or {}, {*lengths, *SETTINGS})
    rule = with_numbers(rule, fixed)
    options: dict[str, Any] = {
        "answers": answers,
        "turn_indexed": turn_indexed,
        "rewards": rewards,
        "discount_per": discount_per,
        "reduction": reduction,
        "per_answer_lengths": per_answer_lengths,
        "numbers": {name: value for name, value in fixed.items() if name in lengths},
    }
    s = setting(turns=turns, **options)
    update = expected_update(s, rule)
    enumerated = _require_own_update(rule, s, options)
    compact = compact_gradient(s, rule)
    slope = differentiated(s, rule)
    forms = {name: compact.written_out(expr) - update[name] for name, expr in compact.gradient.items()}
    _require_zero(rule, "the simplest form", forms)
    if slope is not None:
        _require_zero(rule, "the derivative of J", {name: slope[name] - update[name] for name in update})
    expanded = {name: _expanded(name, compact) for name in compact.gradient}
    scalar = _scalar(s, rule, slope is not None)
    verdict = coefficient_verdict(s, rule)
    definitions = _definitions(s, rule, compact)
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
        definitions,
        compact.gradient,
        expanded,
        verdict,
        scalar,
        checks,
        assumptions_of(s, rule, scalar),
        steps_of(s, rule, compact, definitions, expanded, verdict, scalar, enumerated),
    )


def _scalar(s: SymbolicSetting, rule: Rule, found: bool) -> str:
    if not found:
        return "no"
    return "frozen" if any(term.frozen and term.measure(s) == s.policy for term in rule.parts) else "yes"


def _definitions(s: SymbolicSetting, rule: Rule, compact: CompactGradient) -> dict[sp.Symbol, sp.Expr]:
    """Return what the names in the gradient mean, in order: probabilities first, then the batch's numbers, then the values.

    Raises:
        ChainError: two terms of a sum give one name to different numbers of the batch.
    """
    found: dict[sp.Symbol, Statistic] = {}
    for x in (x for term in rule.parts for x in term.statistics(s)):
        if found.setdefault(x.symbol, x).value != x.value:
            raise ChainError(
                f"{rule.name}: two terms have numbers of the batch that differ, and both are written {x.symbol}: derive them one "
                "by one"
            )
    basic = {x: e for x, e in compact.definitions.items() if x.name.split("_")[0] in ("q", "pi")}
    statistics = {x.symbol: _shorter(x.value, compact) for x in found.values()}
    whole = {**basic, **statistics, **compact.definitions}
    return needed(whole, (*compact.gradient.values(), *compact.definitions.values()))


def _require_own_update(rule: Rule, s: SymbolicSetting, options: dict[str, Any]) -> str:
    """Compare an update that a rule states itself with its coefficients, over all trajectories; return where that was done.

    Returns:
        "" for a rule that states none, whose update was computed from its coefficients.

    Raises:
        ArithmeticError: they differ.
    """
    if rule.terms:
        return next((said for term in rule.terms if (said := _require_own_update(term, s, options))), "")
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
        differences = {name: (stated[name] - counted[name]).xreplace(values) for name in stated}
        _require_zero(rule, f"the update that the rule states, with a cap of {turns}", differences)
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


def _require_zero(rule: Rule, route: str, differences: dict[sp.Symbol, sp.Expr]) -> None:
    """Stop if a route to the gradient disagrees with its definition: a derivation that is not an identity is never shown."""
    for name, difference in differences.items():
        if not is_zero(_under_integral(difference)):
            raise ArithmeticError(
                f"{rule.name}: for {name}, {route} differs from the expectation of coefficient x score; the rule and its scalar, "
                "or its measure, do not belong together"
            )


def _under_integral(expr: sp.Expr) -> sp.Expr:
    """Return what stands under the integrals of an expression, all over the same interval: zero there is zero after them."""
    return expr.replace(sp.Integral, lambda f, _: f) if expr.has(sp.Integral) else expr


def _expanded(logit: sp.Symbol, compact: CompactGradient) -> sp.Expr | None:
    """Return a component as one factored fraction for each term, q kept where it has a name; None where one would be long."""
    fractions = [_short_fraction(part.gradient[logit], compact) for part in compact.parts]
    return None if None in fractions else sp.Add(*fractions)


def _short_fraction(formula: sp.Expr, compact: CompactGradient) -> sp.Expr | None:
    written = compact.written_out(formula)
    if sp.count_ops(written) > MAX_OPERATIONS or written.has(sp.Integral):
        return None
    form = rational_form(written)
    if form.terms > MAX_TERMS:
        return None
    top, bottom = form.factors()
    found = folded(combine_logs(top / bottom), compact)
    return found if sp.count_ops(found) <= MAX_WRITTEN else None


def _shorter(value: sp.Expr, compact: CompactGradient) -> sp.Expr:
    """Return a number of the batch as it is stated or factored, whichever is shorter, with q kept where it has a name."""
    rational = not value.has(sp.Sum) and not any(not power.exp.is_Integer for power in value.atoms(sp.Pow))
    forms = [value, factored(value)] if rational else [value]
    return min((folded(form, compact) for form in forms), key=lambda e: int(sp.count_ops(e)))
