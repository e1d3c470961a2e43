r"""The two-stage decision-sampling chain in SymPy: transition structure, Bellman equations, occupancies.

One prompt. At turn k an answer y_k is drawn with probability pi(y), then a decision: stop with probability sigma(y), else
resample and go to turn k + 1 (Zhao, Zha, Zhang and Xu, arXiv 2601.01580). Only this transition structure is stated here;
values, accuracy, turns and occupancies are solutions of the linear equations that it implies:

    V   = sum_y pi(y) [ u_s(y) + g_w ( sigma(y) u(y, stop) + (1 - sigma(y)) ( u(y, resample) + g_b V ) ) ]
    N_r = 1 + r q N_r,        q = sum_y pi(y) (1 - sigma(y)),

with additive payoffs u, a discount g_w between an answer and its decision and g_b between turns. A chain capped at T turns
takes no decision at the last turn: the answer is submitted and earns u(y, submit) at the time its decision would have had;
there the equations are a backward and a forward recursion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import sympy as sp

from dstheory.errors import ChainError
from dstheory.rational import is_zero
from dstheory.rational.symbols import symbol
from dstheory.symbolic.policy import SymbolicPolicy

STOP, RESAMPLE = "stop", "resample"


@dataclass(frozen=True)
class Discount:
    """The discount between an answer and its decision (within) and between a decision and the next answer (between)."""

    within: sp.Expr
    between: sp.Expr

    @property
    def per_turn(self) -> sp.Expr:
        """The factor from one turn to the next."""
        return self.within * self.between


UNDISCOUNTED = Discount(sp.S.One, sp.S.One)


def discount(per: str = "turn") -> Discount:
    """Return the discount by the symbol gamma, once per turn or once per stage.

    >>> discount("stage").per_turn
    gamma**2

    Raises:
        ChainError: for anything but "turn" and "stage".
    """
    gamma = symbol("gamma")
    if per == "turn":
        return Discount(sp.S.One, gamma)
    if per == "stage":
        return Discount(gamma, gamma)
    raise ChainError(f"the discount is applied per 'turn' or per 'stage', got {per!r}")


@dataclass(frozen=True)
class Payoff:
    """An additive quantity along a trajectory: what each answer, each decision and a forced submission contribute.

    Attributes:
        sample: per answer, paid when it is drawn.
        stop: per answer, paid when the decision is to stop.
        resample: per answer, paid when the decision is to resample.
        submit: per answer, paid when the cap on turns submits it; defaults to ``stop``.
    """

    sample: tuple[sp.Expr, ...]
    stop: tuple[sp.Expr, ...]
    resample: tuple[sp.Expr, ...]
    submit: tuple[sp.Expr, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.submit:
            object.__setattr__(self, "submit", self.stop)
        sizes = {len(self.sample), len(self.stop), len(self.resample), len(self.submit)}
        if len(sizes) != 1:
            raise ChainError(f"a payoff needs one entry per answer in each table; the sizes are {sorted(sizes)}")

    def decision(self, answer: int, decision: str | None) -> sp.Expr:
        """Return what a decision on an answer pays; None is the forced submission."""
        table = self.submit if decision is None else self.stop if decision == STOP else self.resample
        return table[answer]


Payoffs = Payoff | tuple[Payoff, ...]
"""One payoff for all turns, or one per turn."""


def payoff_at(payoffs: Payoffs, turn: int) -> Payoff:
    """Return the payoff of a turn.

    >>> payoff_at(reward((1, 0), (0, 0)), 5).stop
    (1, 0)
    """
    if isinstance(payoffs, Payoff):
        return payoffs
    return payoffs[turn if len(payoffs) > 1 else 0]


def reward(stop: tuple[sp.Expr, ...], resample: tuple[sp.Expr, ...]) -> Payoff:
    """Return the payoff of a reward table: nothing for drawing an answer, R_stop and R_res for the decisions.

    >>> reward((sp.S.One, sp.S.Zero), (sp.S.Zero, sp.S.Zero)).submit
    (1, 0)
    """
    stop, resample = tuple(map(sp.sympify, stop)), tuple(map(sp.sympify, resample))
    return Payoff((sp.S.Zero,) * len(stop), stop, resample)


@dataclass(frozen=True)
class SymbolicValues:
    """The solution of the Bellman equations, per turn (one entry for a stationary chain without a cap).

    Attributes:
        value: V at the start of each turn.
        answer: Q of each answer at each turn, in units of that turn's start.
        decision: Q of (stop, resample) on each answer at each turn, in units of the decision's time; at a capped chain's
            last turn the pair is (submit, submit), as no decision is drawn.
    """

    value: tuple[sp.Expr, ...]
    answer: tuple[tuple[sp.Expr, ...], ...]
    decision: tuple[tuple[tuple[sp.Expr, sp.Expr], ...], ...]

    def renamed(self, names: Mapping[sp.Symbol, sp.Symbol]) -> SymbolicValues:
        """Return the values with other names in them."""
        return SymbolicValues(
            tuple(v.xreplace(names) for v in self.value),
            tuple(tuple(x.xreplace(names) for x in row) for row in self.answer),
            tuple(tuple((x.xreplace(names), y.xreplace(names)) for x, y in row) for row in self.decision),
        )


@dataclass(frozen=True)
class SymbolicChain:
    """A chain: a policy and a horizon.

    Attributes:
        policy: who acts.
        turns: the cap T; None is no cap, and then the policy must be stationary.

    >>> from dstheory.symbolic.policy import minimal_policy
    >>> from dstheory.rational import factored
    >>> chain, p = SymbolicChain(minimal_policy()), symbol("p")
    >>> factored(chain.accuracy((True, False)) / (1 - chain.accuracy((True, False))) / (p / (1 - p)))
    a/(1 - b)
    """

    policy: SymbolicPolicy
    turns: int | None = None

    def __post_init__(self) -> None:
        if self.turns is not None and self.turns < 1:
            raise ChainError(f"a cap on turns must be at least 1, got {self.turns}")
        if not self.policy.stationary and self.turns != len(self.policy.sample):
            raise ChainError(
                f"a turn-indexed policy with {len(self.policy.sample)} rows needs a cap of as many turns, got {self.turns}"
            )

    @property
    def answers(self) -> tuple[str, ...]:
        """The answers' names."""
        return self.policy.answers

    def last(self, turn: int) -> bool:
        """Whether the cap submits the answer of this turn without a decision."""
        return self.turns is not None and turn == self.turns - 1

    def bellman(self, payoff: Payoffs, rate: Discount, next_value: sp.Expr, turn: int = 0) -> sp.Expr:
        """Return the right-hand side of the Bellman equation of a turn, given the value of the next turn.

        >>> from dstheory.symbolic.policy import minimal_policy
        >>> SymbolicChain(minimal_policy()).bellman(reward((1, 0), (0, 0)), discount(), symbol("V"))
        V*b*gamma*(1 - p) + p*(V*gamma*(1 - a) + a)
        """
        sample = self.policy.sample_at(turn)
        return sp.Add(*[x * q for x, q in zip(sample, self.answer_values(payoff, rate, next_value, turn), strict=True)])

    def decision_values(
        self, payoff: Payoffs, rate: Discount, next_value: sp.Expr, turn: int
    ) -> tuple[tuple[sp.Expr, sp.Expr], ...]:
        """Return Q of (stop, resample) on each answer, given the value of the next turn."""
        here = payoff_at(payoff, turn)
        if self.last(turn):
            return tuple((u, u) for u in here.submit)
        return tuple((s, r + rate.between * next_value) for s, r in zip(here.stop, here.resample, strict=True))

    def answer_values(self, payoff: Payoffs, rate: Discount, next_value: sp.Expr, turn: int) -> tuple[sp.Expr, ...]:
        """Return Q of each answer, given the value of the next turn."""
        decisions = self.decision_values(payoff, rate, next_value, turn)
        drawn = payoff_at(payoff, turn).sample
        if self.last(turn):
            return tuple(u + rate.within * submit for u, (submit, _) in zip(drawn, decisions, strict=True))
        stop = self.policy.stop_at(turn)
        return tuple(
            u + rate.within * (s * on_stop + (1 - s) * on_resample)
            for u, s, (on_stop, on_resample) in zip(drawn, stop, decisions, strict=True)
        )

    @cache  # noqa: B019 - chains are few, small and immutable
    def solve(self, payoff: Payoffs, rate: Discount) -> SymbolicValues:
        """Solve the Bellman equations: one linear equation without a cap, backward recursion with one.

        Args:
            payoff: the additive quantity whose expected discounted total is wanted.
            rate: the discount.

        Returns:
            SymbolicValues at every turn. Expected total: ``value[0]``.
        """
        if self.turns is None:
            unknown = sp.Dummy("V")
            v = _solve_linear(self.bellman(payoff, rate, unknown), unknown)
            return SymbolicValues((v,), (self.answer_values(payoff, rate, v, 0),), (self.decision_values(payoff, rate, v, 0),))
        rows: list[Any] = [(sp.S.Zero, (), ())]
        for turn in reversed(range(self.turns)):
            here = payoff, rate, rows[-1][0], turn
            rows.append((self.bellman(*here), self.answer_values(*here), self.decision_values(*here)))
        return SymbolicValues(*zip(*rows[:0:-1], strict=True))

    def value(self, payoff: Payoffs, rate: Discount = UNDISCOUNTED) -> sp.Expr:
        """Return the expected discounted total of a payoff."""
        return self.solve(payoff, rate).value[0]

    def accuracy(self, correct: tuple[bool, ...]) -> sp.Expr:
        """Return the probability that the submitted answer is correct."""
        zero = (sp.S.Zero,) * len(correct)
        return self.value(reward(tuple(sp.Integer(c) for c in correct), zero))

    def reach(self, turn: int) -> sp.Expr:
        """Return the probability that a turn is reached; without a cap the turns expected in all, as one stands for each."""
        if self.turns is None:
            return self.visits()
        return sp.Mul(*[self.policy.resample_probability(k) for k in range(turn)])

    @cache  # noqa: B019 - as above
    def visits(self, ratio: sp.Expr = sp.S.One) -> sp.Expr:
        """Return the expected number of turns, turn k counted ratio**k.

        >>> from dstheory.symbolic.policy import minimal_policy
        >>> from dstheory.rational import is_zero
        >>> chain = SymbolicChain(minimal_policy())
        >>> is_zero(1 / chain.visits() - (1 - chain.policy.resample_probability()))
        True
        """
        if self.turns is None:
            unknown = sp.Dummy("N")
            return _solve_linear(1 + ratio * self.policy.resample_probability() * unknown, unknown)
        return sp.Add(*[ratio**k * self.reach(k) for k in range(self.turns)])

    def decisions(self) -> sp.Expr:
        """Return the expected number of decisions drawn: the visits without a capped chain's last turn."""
        return self.visits() if self.turns is None else sp.Add(*[self.reach(k) for k in range(self.turns - 1)])


def _solve_linear(right_hand_side: sp.Expr, unknown: sp.Symbol) -> sp.Expr:
    """Solve x = f(x) for a linear f: x = f(0)/(1 - f'), the denominator as it is; the solution is checked in the equation."""
    slope = sp.diff(right_hand_side, unknown)
    if slope.has(unknown):
        raise ChainError(f"the equation {unknown} = {right_hand_side} is not linear in {unknown}")
    solution = right_hand_side.subs(unknown, 0) / (1 - slope)
    if not is_zero(right_hand_side.subs(unknown, solution) - solution):
        raise ArithmeticError(f"{solution} does not solve {unknown} = {right_hand_side}")
    return solution
