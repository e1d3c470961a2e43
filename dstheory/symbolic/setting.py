"""The setting of a derivation: the chain that learns, the policies it is compared with, rewards, discount, stage weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sympy as sp

from dstheory.errors import ChainError
from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import Discount, Payoff, Payoffs, SymbolicChain, SymbolicValues, discount, payoff_at, reward
from dstheory.symbolic.policy import SymbolicPolicy, general_policy, minimal_policy

X = sp.Symbol("x", positive=True)
"""What is integrated over, from 0 to 1, where 1/L is the integral of x^(L-1)."""


@dataclass(frozen=True)
class Weights:
    """How much a log-probability counts: w_s = l_s**lambda for an answer, w_d = l_d**lambda for a decision, or their shares.

    Attributes:
        sample: the weight of each answer's sampling term.
        decide: the weight of the decision on each answer.
        meaning: what the weight symbols stand for, pairs (symbol, expression in lengths and lambda).
        reduction: "sum", or "mean" when both are divided by their sum.
    """

    sample: tuple[sp.Expr, ...]
    decide: tuple[sp.Expr, ...]
    meaning: tuple[tuple[sp.Symbol, sp.Expr], ...]
    reduction: str

    @property
    def per_answer(self) -> bool:
        """Whether the answers carry different weights."""
        return len(set(self.sample)) > 1


@dataclass(frozen=True)
class SymbolicSetting:
    """Everything that an objective's definition refers to.

    Attributes:
        chain: the learner's policy and the horizon.
        reference: the policy that a KL penalty compares with.
        expert: the policy that generates the demonstrations.
        reward: the reward table.
        rate: the discount of rewards; log-probability terms are never discounted.
        weights: the stage weights.
        lengths: tokens of each answer, and of a decision.
        named: names to use in place of the solved values, for formulas that say "Q_C" instead of writing it out.
        noted: where sums over whole responses note the names that they give, instead of being written out; None for no names.

    Example:
        >>> s = setting(rewards="general")
        >>> s.policy.sample, s.reward.stop
        (((p, 1 - p),), (R_SC, R_SW))
    """

    chain: SymbolicChain
    reference: SymbolicPolicy
    expert: SymbolicPolicy
    reward: Payoff
    rate: Discount
    weights: Weights
    lengths: tuple[tuple[sp.Expr, ...], sp.Expr]
    named: SymbolicValues | None = None
    noted: dict[sp.Symbol, sp.Expr] | None = None

    @property
    def policy(self) -> SymbolicPolicy:
        """The learner's policy."""
        return self.chain.policy

    def values(self) -> SymbolicValues:
        """Return the values of the reward: solved from the Bellman equations, or their names."""
        return self.named if self.named is not None else self.chain.solve(self.reward, self.rate)

    def following(self, policy: SymbolicPolicy) -> SymbolicChain:
        """Return the chain with the same horizon in which another policy acts."""
        return SymbolicChain(policy, self.chain.turns)

    def suffix(self, policy: SymbolicPolicy) -> str:
        """Return what ends the names of quantities of the chain in which another policy acts; nothing for the learner's."""
        return {self.policy: "", self.expert: "_E", self.reference: "_ref"}.get(policy, "_mu")

    def frozen_value(self, frozen: SymbolicPolicy, payoff: Payoffs) -> sp.Expr:
        """Return the total of a payoff over the states that another policy visits, the learner acting in each.

        The states of turn k are visited with the frozen policy's probabilities: its chance to reach turn k, and, for the
        decision, its chance to have drawn the answer. Differentiating the result does not move the visits.

        Args:
            frozen: the policy that visits.
            payoff: what is summed.
        """
        chain, total = self.following(frozen), []
        for turn in range(self.chain.turns or 1):
            here = payoff_at(payoff, turn)
            visits = chain.reach(turn)
            total += [visits * x * u for x, u in zip(self.policy.sample_at(turn), here.sample, strict=True)]
            if chain.last(turn):
                continue
            for x, s, on_stop, on_resample in zip(
                frozen.sample_at(turn), self.policy.stop_at(turn), here.stop, here.resample, strict=True
            ):
                total.append(visits * x * (s * on_stop + (1 - s) * on_resample))
        return sp.Add(*total)


def stage_weights(
    answers: tuple[str, ...],
    *,
    reduction: str = "sum",
    per_answer: bool = False,
    numbers: Mapping[str, sp.Rational] | None = None,
) -> Weights:
    """Return the weights as symbols w_s (or w_<answer>) and w_d, with their meaning.

    Args:
        answers: the answers' names.
        reduction: "sum", or "mean": both weights divided by l_s**lambda + l_d**lambda; with a length per answer the decision's
            weight then depends on the answer too, and is written w_d_<answer>.
        per_answer: give each answer its own length.
        numbers: values for lambda and the lengths l_...; a weight that they make 1 or a bare length is written so.

    >>> dict(stage_weights(("C", "W"), reduction="mean").meaning)[symbol("w_d")]
    l_d**lambda/(l_d**lambda + l_s**lambda)
    >>> weights = stage_weights(("C", "W"), numbers={"lambda": sp.Integer(1), "l_d": sp.Integer(1)})
    >>> weights.sample, weights.decide
    ((l_s, l_s), (1, 1))

    Raises:
        ChainError: for another reduction.
    """
    if reduction not in ("sum", "mean"):
        raise ChainError(f"reduction is 'sum' or 'mean', got {reduction!r}")
    given = {symbol(name): value for name, value in (numbers or {}).items()}
    meaning: dict[sp.Symbol, sp.Expr] = {}

    def power(name: str) -> sp.Expr:
        return (symbol(f"l_{name}") ** symbol("lambda")).subs(given)

    def weight(name: str, own: sp.Expr, total: sp.Expr) -> sp.Expr:
        value = own / total
        if value == 1 or value.is_Symbol:
            return value
        meaning[symbol(name)] = value
        return symbol(name)

    mean = reduction == "mean"
    sample, decide = [], []
    for answer in answers:
        name = answer if per_answer else "s"
        total = power(name) + power("d") if mean else sp.S.One
        sample.append(weight(f"w_{name}", power(name), total))
        decide.append(weight(f"w_d_{name}" if mean and per_answer else "w_d", power("d"), total))
    return Weights(tuple(sample), tuple(decide), tuple(meaning.items()), reduction)


def setting(
    *,
    answers: int = 2,
    turns: int | None = None,
    turn_indexed: bool = False,
    rewards: str = "accuracy",
    discount_per: str = "turn",
    reduction: str = "sum",
    per_answer_lengths: bool = False,
    numbers: Mapping[str, sp.Rational] | None = None,
) -> SymbolicSetting:
    """Return the setting of a derivation, all in symbols.

    Args:
        answers: 2 is the minimal chain (C, W; p, a, b); more is a general chain (pi_i, sigma_i), answer 1 correct.
        turns: the cap on turns; None is no cap.
        turn_indexed: own parameters at each turn; needs a cap.
        rewards: "accuracy" (1 for submitting a correct answer), "priced" (the same, and a resample costs kappa) or "general"
            (a symbol for each of R(stop | y) and R(resample | y)).
        discount_per: "turn" or "stage".
        reduction: "sum" or "mean".
        per_answer_lengths: give each answer its own length and so its own weight.
        numbers: values for lambda and the lengths, where they are fixed from the start.

    >>> s = setting(rewards="general")
    >>> s.reward.stop
    (R_SC, R_SW)

    Raises:
        ChainError: for an option outside its range.
    """
    if turn_indexed and turns is None:
        raise ChainError("a turn-indexed policy needs a cap on turns; give the number of turns")
    rows = turns if turn_indexed else None

    def make(suffix: str = "", learns: bool = True) -> SymbolicPolicy:
        if answers == 2:
            return minimal_policy(turns=rows, suffix=suffix, learns=learns)
        return general_policy(answers, turns=rows, suffix=suffix, learns=learns)

    policy = make()
    return SymbolicSetting(
        SymbolicChain(policy, turns),
        make("ref", learns=False),
        make("E", learns=False),
        _reward_table(policy.answers, rewards),
        discount(discount_per),
        stage_weights(policy.answers, reduction=reduction, per_answer=per_answer_lengths, numbers=numbers),
        _lengths(policy.answers, per_answer_lengths, numbers or {}),
    )


def _lengths(
    answers: tuple[str, ...], per_answer: bool, numbers: Mapping[str, sp.Rational]
) -> tuple[tuple[sp.Expr, ...], sp.Expr]:
    of_answers = tuple(f"l_{answer}" if per_answer else "l_s" for answer in answers)
    return tuple(numbers.get(name, symbol(name)) for name in of_answers), numbers.get("l_d", symbol("l_d"))


def _reward_table(answers: tuple[str, ...], rewards: str) -> Payoff:
    if rewards == "general":
        return reward(tuple(symbol(f"R_S{y}") for y in answers), tuple(symbol(f"R_R{y}") for y in answers))
    if rewards not in ("accuracy", "priced"):
        raise ChainError(f"rewards are 'accuracy', 'priced' or 'general', got {rewards!r}")
    price = -symbol("kappa") if rewards == "priced" else sp.S.Zero
    correct = tuple(sp.Integer(i == 0) for i in range(len(answers)))
    return reward(correct, (price,) * len(answers))
