"""Notation for rules that hold at any turn of any trajectory, and pieces of notation that SymPy has no object for."""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from dstheory.rational.symbols import symbol
from dstheory.symbolic.setting import Setting

__all__ = ["Inline", "Verbatim", "of", "rule_discount", "rule_weights", "sum_over_turns"]


@dataclass(frozen=True)
class Verbatim:
    """A piece of notation that SymPy has no object for, as text and as LaTeX."""

    text: str
    latex: str


Inline = str | sp.Basic | Verbatim

_ARGUMENTS = {"y": "y_k", "d": "d_k", "k": "k", "tau": "tau"}


def of(name: str, *arguments: str) -> sp.Expr:
    """Return name(arguments), with y and d standing for the answer and the decision of turn k; a bare name without arguments.

    >>> of("pi_d", "d", "y")
    pi_d(d_k, y_k)
    """
    if not arguments:
        return symbol(name)
    return sp.Function(name)(*[sp.Symbol(_ARGUMENTS[a]) for a in arguments])


def sum_over_turns(expr: sp.Expr) -> sp.Expr:
    """Return the sum of a turn's quantity over the turns k of a trajectory.

    >>> sum_over_turns(sp.Symbol("w"))
    sum_k(w)
    """
    return sp.Function("sum_k")(expr)


def rule_discount(s: Setting) -> sp.Expr:
    """Return the discount up to the start of turn k.

    >>> from dstheory.symbolic.setting import setting
    >>> rule_discount(setting(discount_per="stage"))
    gamma**(2*k)
    """
    exponent = sp.degree(s.rate.per_turn, symbol("gamma")) * sp.Symbol("k")
    return symbol("gamma") ** exponent


def rule_weights(s: Setting) -> tuple[sp.Expr, sp.Expr]:
    """Return the weights of turn k's answer and decision, as they enter a rule.

    >>> from dstheory.symbolic.setting import setting
    >>> rule_weights(setting())
    (w_s, w_d)
    >>> rule_weights(setting(per_answer_lengths=True))
    (w_s(y_k), w_d)
    """
    if not s.weights.per_answer:
        return s.weights.sample[0], s.weights.decide[0]
    return of("w_s", "y"), of("w_d", "y") if len(set(s.weights.decide)) > 1 else s.weights.decide[0]
