r"""What a rule is: coefficients under a measure, and how they are written for a reader.

The (pseudo-)gradient of an objective is

    g = E_{tau ~ mu} [ sum_k c_s(k, tau) grad log pi(y_k) + c_d(k, tau) grad log pi_d(d_k | y_k) ],

with mu the learner's own policy or a given one, and coefficients that are not differentiated: the way training code writes
it, loss = - sum of coefficient x log-probability. Some rules are the gradient of a scalar J(theta); some are only once the
distribution of visited states is frozen; some are not at all. Every rule is written for ascent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import sympy as sp

from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import RESAMPLE, STOP, UNDISCOUNTED, Discount, Payoff, Payoffs
from dstheory.symbolic.policy import SymbolicPolicy
from dstheory.symbolic.setting import SymbolicSetting, Weights

Coefficients = tuple[sp.Expr, sp.Expr]
Steps = tuple[tuple[int, str | None], ...]
"""A trajectory: pairs (answer, decision), the decision None where the cap on turns submits the answer."""


@dataclass(frozen=True)
class Verbatim:
    """A piece of notation that SymPy has no object for, as text and as LaTeX."""

    text: str
    latex: str

    @classmethod
    def words(cls, text: str) -> Verbatim:
        """Return words that stand in place of a formula."""
        return cls(text, rf"\text{{{text}}}")


Inline: TypeAlias = str | sp.Basic | Verbatim
Equation: TypeAlias = tuple[Inline, Inline]


@dataclass(frozen=True)
class Statistic:
    """A number that a rule takes from its batch and does not differentiate, such as a mean reward or a mean length.

    In derivations it is a symbol, so that no derivative sees into it.

    Attributes:
        symbol: its name.
        value: what it is in the limit of large batches, in the model's symbols and those of earlier statistics.
        words: what it is, in words; backticks mark formulas in them.
        neutral: whether it is a baseline: added to a coefficient whatever the action is, so that it drops out of the expectation.
    """

    symbol: sp.Symbol
    value: sp.Expr
    words: str
    neutral: bool = False


@dataclass(frozen=True)
class Turn:
    """One turn of a trajectory, as a coefficient rule sees it.

    Attributes:
        index: the turn, for a chain with a cap; 0 stands for any turn of a stationary chain without one.
        answer: the answer drawn.
        decision: "stop", "resample", or None when the cap submits the answer.
        scale: the discount up to the start of this turn, rate.per_turn**k.
        past: discounted payoff collected before this turn.
        here: payoffs of this turn's answer and of its decision.
        future: discounted payoff from the next turn on, in units of the next turn's start; 0 unless resampling.
        rate: the discount in force.
    """

    index: int
    answer: int
    decision: str | None
    scale: sp.Expr
    past: sp.Expr
    here: tuple[sp.Expr, sp.Expr]
    future: sp.Expr
    rate: Discount

    @property
    def to_go_decision(self) -> sp.Expr:
        """The return from this turn's decision on, in units of the decision's time."""
        return self.here[1] + self.rate.between * self.future

    @property
    def to_go(self) -> sp.Expr:
        """The return from this turn's answer on, in units of the turn's start."""
        return self.here[0] + self.rate.within * self.to_go_decision

    @property
    def total(self) -> sp.Expr:
        """The return of the whole trajectory."""
        return self.past + self.scale * self.to_go


def no_payoff(s: SymbolicSetting) -> Payoff:
    """Return the payoff that is always zero."""
    zero = (sp.S.Zero,) * len(s.chain.answers)
    return Payoff(zero, zero, zero)


def tokens_of_response(s: SymbolicSetting, steps: Steps, turn: int) -> dict[sp.Symbol, sp.Expr]:
    """Return what ``L`` means in a trajectory: the tokens of the response."""
    answers, decision = s.lengths
    return {symbol("L"): sp.Add(*[answers[i] + (decision if d else 0) for i, d in steps])}


VISITED_STATES = "the visited states"


@dataclass(frozen=True)
class Rule:
    """An objective as a coefficient rule under a measure.

    Every part but the first two has a default, so a rule is a few lines. A rule that differs from another in some parts is
    ``dataclasses.replace(rule, ...)``.

    Attributes:
        name: its name in the registry.
        coefficients: (c_s, c_d) at one turn of one trajectory; c_d is ignored when no decision is drawn.
        title: the name in words.
        case: for which case of the objective the rule is stated, as in "on the policy"; "" for all.
        source: where the objective comes from.
        claims: the ids of the claims about it.
        measure: the policy that generates the trajectories; by default the learner.
        payoff: the additive quantity behind ``turn.past``, ``turn.here`` and ``turn.future``; by default nothing.
        rate: the discount of the payoff; by default none.
        scalar: J, whose gradient the expected update is, or None if there is none. Its second argument is the policy that
            generates the visited states: equal to the learner's in value, but not differentiated. Only rules that are
            ``frozen`` use it.
        frozen: whether the scalar freezes the distribution of visited states, or statistics of the batch.
        held: what it freezes, in words.
        scalar_words: what the scalar is.
        scalar_formula: the scalar as an equation, where there is a short one.
        shown: c_s and c_d as equations for a reader; by default none.
        where: equations of what else these mention.
        statistics: what the rule takes from its batch without differentiating it; by default nothing.
        scale: a common factor of the coefficients that formulas keep in front; None to look for beta or alpha.
        outcome: whether its payoff is 1 for submitting a correct answer, whatever the chain pays.
        update: the expected update where coefficients depend on the whole length of a trajectory; by default None, and then the
            expectation is found from the rule, as long as coefficients are affine in past and future. An update that is stated
            here is compared with the rule on capped chains, trajectory by trajectory.
        of_trajectory: what the symbols that stand for parts of the trajectory mean at one turn of one trajectory; by default
            ``L``, the tokens of the response. An update that is stated is enumerated with them.
        names: further quantities to give a name to, in terms of q and of the model's symbols.
        same_update: a rule with the same expected update and affine coefficients, whose form is simpler; by default None.
        normaliser: by what a loss with this reward divides its tokens: 1, L, Lbar or L_max; None for what is no reward.
        inherits: whether, in a sum, it is divided as the reward beside it is.
        terms: the rules of a sum, each with its factor in it; the other parts of such a rule are those of its terms.

    Example:
        >>> from dstheory.symbolic import lookup
        >>> rule = lookup("reinforce")
        >>> rule.name, rule.claims
        ('reinforce', ('B1', 'B3', 'B6', 'B8', 'O1'))
    """

    name: str
    coefficients: Callable[[SymbolicSetting, Turn], Coefficients]
    title: str = ""
    case: str = ""
    source: str = ""
    claims: tuple[str, ...] = ()
    measure: Callable[[SymbolicSetting], SymbolicPolicy] = lambda s: s.policy
    payoff: Callable[[SymbolicSetting], Payoffs] = no_payoff
    rate: Callable[[SymbolicSetting], Discount] = lambda s: UNDISCOUNTED
    scalar: Callable[[SymbolicSetting, SymbolicPolicy], sp.Expr | None] = lambda s, frozen: None
    frozen: bool = False
    held: str = VISITED_STATES
    scalar_words: tuple[Inline, ...] = ()
    scalar_formula: Equation | None = None
    shown: Callable[[SymbolicSetting], tuple[Inline, ...]] = lambda s: ()
    where: Callable[[SymbolicSetting], tuple[Equation, ...]] = lambda s: ()
    statistics: Callable[[SymbolicSetting], tuple[Statistic, ...]] = lambda s: ()
    scale: Callable[[SymbolicSetting], sp.Expr | None] = lambda s: None
    outcome: bool = False
    update: Callable[[SymbolicSetting], dict[sp.Symbol, sp.Expr] | None] = lambda s: None
    of_trajectory: Callable[[SymbolicSetting, Steps, int], dict[sp.Symbol, sp.Expr]] = tokens_of_response
    names: Callable[[SymbolicSetting], dict[sp.Symbol, sp.Expr]] = lambda s: {}
    same_update: Callable[[SymbolicSetting], Rule | None] = lambda s: None
    normaliser: sp.Expr | None = None
    inherits: bool = False
    terms: tuple[Rule, ...] = ()

    @property
    def parts(self) -> tuple[Rule, ...]:
        """The terms of a sum; a rule that is none is its own."""
        return self.terms or (self,)

    def by_measure(self, s: SymbolicSetting) -> dict[SymbolicPolicy, list[Rule]]:
        """Return the parts by the policy that generates their trajectories."""
        apart: dict[SymbolicPolicy, list[Rule]] = {}
        for term in self.parts:
            apart.setdefault(term.measure(s), []).append(term)
        return apart


def without_weights(rule: Rule, name: str, **parts: Any) -> Rule:
    """Return a rule in which every answer and every decision counts once, whatever its length.

    Args:
        rule: the weighted one.
        name: the name of the new one.
        parts: further parts in which it differs.
    """
    return replace(
        rule,
        name=name,
        coefficients=lambda s, turn: rule.coefficients(unweighted(s), turn),
        payoff=lambda s: rule.payoff(unweighted(s)),
        scalar=lambda s, frozen: rule.scalar(unweighted(s), frozen),
        shown=lambda s: rule.shown(unweighted(s)),
        where=lambda s: rule.where(unweighted(s)),
        **parts,
    )


def unweighted(s: SymbolicSetting) -> SymbolicSetting:
    """Return the setting with every answer and every decision counted once, whatever its length.

    >>> from dstheory.symbolic.setting import setting
    >>> unweighted(setting(per_answer_lengths=True)).weights.sample
    (1, 1)
    """
    ones = (sp.S.One,) * len(s.chain.answers)
    return replace(s, weights=Weights(ones, ones, (), "sum"))


def decision_probability(policy: SymbolicPolicy, turn: int, answer: int, decision: str) -> sp.Expr:
    """Return P(decision | answer) at a turn.

    >>> from dstheory.symbolic.policy import minimal_policy
    >>> decision_probability(minimal_policy(), 0, 1, "resample")
    b
    """
    stop = policy.stop_at(turn)[answer]
    return {STOP: stop, RESAMPLE: 1 - stop}[decision]


def log_ratio(over: sp.Expr, under: sp.Expr) -> sp.Expr:
    """Return log(over / under) as a difference of logarithms, the form that differentiates term by term."""
    return sp.log(over) - sp.log(under)


OfProbabilities = Callable[[sp.Expr, sp.Expr], sp.Expr]
"""A function of a probability under the learner and the same under the reference."""


def log_probability_payoff(s: SymbolicSetting, f: OfProbabilities) -> Payoffs:
    """Return the payoff w_s f(pi_s, ref_s) at each answer and w_d f(pi_d, ref_d) at each decision.

    A forced submission is no decision of the policy and contributes nothing.

    >>> from dstheory.symbolic.setting import setting
    >>> log_probability_payoff(setting(), lambda x, ref: sp.log(x))[0].stop
    (w_d*log(a), w_d*log(1 - b))
    """
    w_s, w_d = s.weights.sample, s.weights.decide
    rows = []
    for turn in range(len(s.policy.sample)):
        answers = zip(w_s, s.policy.sample_at(turn), s.reference.sample_at(turn), strict=True)
        decisions = list(zip(w_d, s.policy.stop_at(turn), s.reference.stop_at(turn), strict=True))
        rows.append(
            Payoff(
                tuple(w * f(x, ref) for w, x, ref in answers),
                tuple(w * f(x, ref) for w, x, ref in decisions),
                tuple(w * f(1 - x, 1 - ref) for w, x, ref in decisions),
                (sp.S.Zero,) * len(w_s),
            )
        )
    return tuple(rows)


def rule_on_probabilities(s: SymbolicSetting, turn: Turn, f: OfProbabilities) -> Coefficients:
    """Return the coefficients w_s f(pi_s, ref_s), w_d f(pi_d, ref_d) at the answer and the decision of a turn."""
    i = turn.answer
    c_s = s.weights.sample[i] * f(s.policy.sample_at(turn.index)[i], s.reference.sample_at(turn.index)[i])
    if turn.decision is None:
        return c_s, sp.S.Zero
    x, ref = (decision_probability(policy, turn.index, i, turn.decision) for policy in (s.policy, s.reference))
    return c_s, s.weights.decide[i] * f(x, ref)


def of(name: str, *arguments: str) -> sp.Expr:
    """Return name(arguments), with y and d standing for the answer and the decision of turn k.

    >>> of("pi_d", "d", "y"), of("V")
    (pi_d(d_k, y_k), V)
    """
    if not arguments:
        return symbol(name)
    return sp.Function(name)(*[sp.Symbol({"y": "y_k", "d": "d_k"}.get(a, a)) for a in arguments])


def rule_discount(s: SymbolicSetting) -> sp.Expr:
    """Return the discount up to the start of turn k.

    >>> from dstheory.symbolic.setting import setting
    >>> rule_discount(setting(discount_per="stage"))
    gamma**(2*k)
    """
    return symbol("gamma") ** (sp.degree(s.rate.per_turn, symbol("gamma")) * sp.Symbol("k"))


def rule_weights(s: SymbolicSetting) -> tuple[sp.Expr, sp.Expr]:
    """Return the weights of turn k's answer and decision, as they enter a rule.

    >>> from dstheory.symbolic.setting import setting
    >>> rule_weights(setting()), rule_weights(setting(per_answer_lengths=True))
    ((w_s, w_d), (w_s(y_k), w_d))
    """
    if not s.weights.per_answer:
        return s.weights.sample[0], s.weights.decide[0]
    return of("w_s", "y"), of("w_d", "y") if len(set(s.weights.decide)) > 1 else s.weights.decide[0]
