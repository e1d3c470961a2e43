"""Imitation with the normalisers of training code: sequence sum, token mean, and DFT."""

from __future__ import annotations

from typing import ClassVar

import sympy as sp

from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import RESAMPLE, STOP, Payoff
from dstheory.symbolic.notation import Inline, of
from dstheory.symbolic.objectives.base import Coefficients, Objective, Statistic, Turn, decision_probability
from dstheory.symbolic.objectives.estimators import unweighted
from dstheory.symbolic.objectives.payoffs import log_probability_payoff
from dstheory.symbolic.objectives.statistics import expert_length
from dstheory.symbolic.policy import Policy
from dstheory.symbolic.setting import Setting

__all__ = ["DFT", "SFTSequenceSum", "SFTTokenMean"]


class SFTSequenceSum(Objective):
    """c_s = c_d = 1 on demonstrations: the log-likelihood of whole demonstrations, an answer's being the sum of its tokens'."""

    name = "sft-sequence-sum"
    title = "SFT, sum over tokens, mean over demonstrations"
    source = "claim O1-sft"
    scalar_words: ClassVar[tuple[Inline, ...]] = ("the log-likelihood of a demonstration",)

    def normaliser(self) -> sp.Expr:
        """Return what a demonstration is divided by."""
        return sp.S.One

    def definition(self, s: Setting) -> tuple[tuple[Inline, Inline], ...]:
        """Return the rule: a constant."""
        return ("c_s(k)", 1 / self.normaliser()), ("c_d(k)", 1 / self.normaliser())

    def measure(self, s: Setting) -> Policy:
        """Return the expert."""
        return s.expert

    def scale(self, s: Setting) -> sp.Expr | None:
        """Return the constant."""
        return 1 / self.normaliser()

    def coefficients(self, s: Setting, turn: Turn) -> Coefficients:
        """Return the constant, twice."""
        return 1 / self.normaliser(), 1 / self.normaliser()

    def scalar(self, s: Setting, frozen: Policy) -> sp.Expr | None:
        """Return the expected log-likelihood over the normaliser."""
        total = s.following(s.expert).value(log_probability_payoff(unweighted(s), lambda x, _: sp.log(x)))
        return total / self.normaliser()


class SFTTokenMean(SFTSequenceSum):
    """c_s = c_d = 1/E_D[L] on demonstrations: the mean over the tokens of a large batch."""

    name = "sft-token-mean"
    title = "SFT, mean over the batch's tokens"
    source = "the default of training libraries; claim O1-sft"
    scalar_words: ClassVar[tuple[Inline, ...]] = ("the log-likelihood of a demonstration, over the mean length",)

    def statistics(self, s: Setting) -> tuple[Statistic, ...]:
        """Return the mean length of demonstrations."""
        return (expert_length(s),)

    def normaliser(self) -> sp.Expr:
        """Return E_D[L]."""
        return symbol("Lbar_E")


class DFT(SFTTokenMean):
    """c_s = pi_s^(1/l_s)/E_D[L], c_d = pi_d^(1/l_d)/E_D[L]: each token times its probability, an answer's tokens alike."""

    name = "dft"
    title = "DFT: SFT with each token times its probability, mean over the batch's tokens"
    source = "arXiv 2508.05629; claim O10"
    scalar_words: ClassVar[tuple[Inline, ...]] = (
        "the sum of the probabilities of a demonstration's tokens, over the mean length",
    )

    def definition(self, s: Setting) -> tuple[tuple[Inline, Inline], ...]:
        """Return the rule: the probability of a token."""
        length = of("l_s", "y") if s.weights.per_answer else s.lengths[0][0]
        return (
            ("c_s(k)", of("pi_s", "y") ** (1 / length) / self.normaliser()),
            ("c_d(k)", of("pi_d", "d", "y") ** (1 / s.lengths[1]) / self.normaliser()),
        )

    def coefficients(self, s: Setting, turn: Turn) -> Coefficients:
        """Return the probabilities of an answer's token and of a decision's."""
        (answers, l_d), i = s.lengths, turn.answer
        c_s = s.policy.sample_at(turn.index)[i] ** (1 / answers[i]) / self.normaliser()
        if turn.decision is None:
            return c_s, sp.S.Zero
        return c_s, decision_probability(s.policy, turn.index, i, turn.decision) ** (1 / l_d) / self.normaliser()

    def scalar(self, s: Setting, frozen: Policy) -> sp.Expr | None:
        """Return E_D[sum over tokens of their probability]/E_D[L]: its slope is what the rule adds up."""
        (answers, l_d), rows = s.lengths, []
        for turn in range(len(s.policy.sample)):
            stopping, resampling = (
                tuple(l_d * decision_probability(s.policy, turn, i, d) ** (1 / l_d) for i in range(len(answers)))
                for d in (STOP, RESAMPLE)
            )
            sampled = tuple(n * x ** (1 / n) for n, x in zip(answers, s.policy.sample_at(turn), strict=True))
            rows.append(Payoff(sampled, stopping, resampling, (sp.S.Zero,) * len(answers)))
        return s.following(s.expert).value(tuple(rows)) / self.normaliser()
