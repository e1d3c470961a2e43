r"""What an objective is: a coefficient rule under a measure.

Its (pseudo-)gradient is

    g = E_{tau ~ mu} [ sum_k c_s(k, tau) grad log pi(y_k) + c_d(k, tau) grad log pi_d(d_k | y_k) ],

with mu the learner's own policy or a given one, and coefficients that are not differentiated: the way training code writes
it, loss = - sum of coefficient x log-probability. Some rules are the gradient of a scalar J(theta); some are only once the
distribution of visited states is frozen; some are not at all. Every objective is written for ascent.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import sympy as sp

from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import RESAMPLE, STOP, UNDISCOUNTED, Discount, Payoff, Payoffs
from dstheory.symbolic.notation import Inline
from dstheory.symbolic.policy import Policy
from dstheory.symbolic.setting import Setting

__all__ = ["Coefficients", "Objective", "Statistic", "Turn", "decision_probability", "log_ratio", "zero_payoff"]

Coefficients = tuple[sp.Expr, sp.Expr]


@dataclass(frozen=True)
class Statistic:
    """A number that a rule takes from its batch and does not differentiate, such as a mean reward or a mean length.

    In derivations it is a symbol, so that no derivative sees into it.

    Attributes:
        symbol: its name.
        value: what it is in the limit of large batches, in the model's symbols and those of earlier statistics.
        words: what it is, in words.
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


class Objective(ABC):
    """An objective as a coefficient rule under a measure.

    A new objective is one subclass in one file: its names, its rule, and, where they exist, its payoff and its scalar.

    Attributes:
        name: its name in the registry.
        title: the name in words.
        frozen: whether its scalar freezes the distribution of visited states, or statistics of the batch.
        held: what it freezes, in words.
        outcome: whether its payoff is 1 for submitting a correct answer, whatever the chain pays.
        scalar_words: what the scalar is.
        scalar_formula: the scalar as an equation, where there is a short one.
        source: where the objective comes from.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    frozen: ClassVar[bool] = False
    held: ClassVar[str] = "the visited states"
    outcome: ClassVar[bool] = False
    scalar_words: ClassVar[tuple[Inline, ...]]
    scalar_formula: ClassVar[tuple[Inline, Inline] | None] = None
    source: ClassVar[str] = ""

    def measure(self, s: Setting) -> Policy:
        """Return the policy that generates the trajectories; by default the learner."""
        return s.policy

    def payoff(self, s: Setting) -> Payoffs:
        """Return the additive quantity behind ``turn.past``, ``turn.here`` and ``turn.future``; by default nothing."""
        return zero_payoff(len(s.chain.answers))

    def rate(self, s: Setting) -> Discount:
        """Return the discount of the payoff; by default none."""
        return UNDISCOUNTED

    def definition(self, s: Setting) -> tuple[tuple[Inline, Inline], ...]:
        """Return the rule as equations for a reader: c_s, c_d, and what else they mention; by default none."""
        return ()

    def statistics(self, s: Setting) -> tuple[Statistic, ...]:
        """Return what the rule takes from its batch without differentiating it; by default nothing."""
        return ()

    def scale(self, s: Setting) -> sp.Expr | None:
        """Return a common factor of the coefficients that formulas keep in front; None to look for beta or alpha."""
        return None

    def update(self, s: Setting) -> dict[sp.Symbol, sp.Expr] | None:
        """Return the expected update where coefficients depend on the whole length of a trajectory; by default None.

        Coefficients that are affine in past and future need nothing here: their expectation is found from the rule. What is
        returned here is compared with the rule on capped chains, trajectory by trajectory.
        """
        return None

    def of_trajectory(self, s: Setting, steps: tuple[tuple[int, str | None], ...], turn: int) -> dict[sp.Symbol, sp.Expr]:
        """Return what the symbols that stand for parts of the trajectory mean at one turn of one trajectory.

        By default ``L``, the tokens of the response. A rule with an ``update`` of its own is enumerated with them, to check that
        the update is the expectation of its coefficients.
        """
        answers, decision = s.lengths
        return {symbol("L"): sp.Add(*[answers[i] + (decision if d else 0) for i, d in steps])}

    def names(self, s: Setting) -> dict[sp.Symbol, sp.Expr]:
        """Return further quantities to give a name to, in terms of q and of the model's symbols; by default none."""
        return {}

    def same_update(self, s: Setting) -> Objective | None:
        """Return a rule with the same expected update and affine coefficients, whose form is simpler; by default None."""
        return None

    @abstractmethod
    def coefficients(self, s: Setting, turn: Turn) -> Coefficients:
        """Return (c_s, c_d) at one turn of one trajectory; c_d is ignored when no decision is drawn."""

    @abstractmethod
    def scalar(self, s: Setting, frozen: Policy) -> sp.Expr | None:
        """Return J, whose gradient the expected update is; None if there is none.

        Args:
            s: the setting.
            frozen: the policy that generates the visited states, equal to the learner's in value but not differentiated.
                Only objectives with ``frozen = True`` use it.
        """


def zero_payoff(n: int) -> Payoff:
    """Return the payoff that is always zero."""
    zero = (sp.S.Zero,) * n
    return Payoff(zero, zero, zero)


def decision_probability(policy: Policy, turn: int, answer: int, decision: str) -> sp.Expr:
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
