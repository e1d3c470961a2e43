"""KL estimators where training code puts them: k1, k2, k3 in a loss, k1 in the reward; on-policy distillation. Unit weights."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import sympy as sp

from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import Payoffs
from dstheory.symbolic.notation import Inline, of
from dstheory.symbolic.objectives.base import Coefficients, Objective, Statistic, Turn, log_ratio
from dstheory.symbolic.objectives.forward_kl import ForwardKL
from dstheory.symbolic.objectives.kl import KL
from dstheory.symbolic.objectives.kl_direct import KLDirect
from dstheory.symbolic.objectives.payoffs import log_probability_payoff, rule_on_probabilities
from dstheory.symbolic.objectives.statistics import mean_length
from dstheory.symbolic.policy import Policy
from dstheory.symbolic.setting import Setting, Weights

__all__ = ["Distillation", "K1Loss", "K1Reward", "K2Loss", "K3Loss", "unweighted"]


def unweighted(s: Setting) -> Setting:
    """Return the setting with every answer and every decision counted once, whatever its length.

    >>> from dstheory.symbolic.setting import setting
    >>> unweighted(setting(per_answer_lengths=True)).weights.sample
    (1, 1)
    """
    ones = (sp.S.One,) * len(s.chain.answers)
    return replace(s, weights=Weights(ones, ones, (), "sum"))


class K1Loss(Objective):
    """c = -beta for every action: the expected gradient of a constant, zero (claim D4; with 1/L it is not, claim O6-k1)."""

    name = "k1-loss"
    title = "k1 estimator in the loss"
    source = "k1 after Schulman 2020; claim D4"
    scalar_words: ClassVar[tuple[Inline, ...]] = ("a constant",)

    def definition(self, s: Setting) -> tuple[tuple[Inline, Inline], ...]:
        """Return the rule: a constant."""
        return ("c_s(k)", -symbol("beta")), ("c_d(k)", -symbol("beta"))

    def coefficients(self, s: Setting, turn: Turn) -> Coefficients:
        """Return -beta, twice."""
        return -symbol("beta"), -symbol("beta")

    def scalar(self, s: Setting, frozen: Policy) -> sp.Expr | None:
        """Return a constant."""
        return sp.S.Zero


class K1Reward(KL):
    """c_s = c_d = -beta times the response's log-ratio: k1, detached, as a reward of every action (claim O12)."""

    name = "k1-reward"
    title = "k1 estimator in the reward"
    source = "placement as in arXiv 2501.03262; claim O12"
    scalar_words: ClassVar[tuple[Inline, ...]] = ("minus beta times the reverse KL of whole trajectories",)

    def definition(self, s: Setting) -> tuple[tuple[Inline, Inline], ...]:
        """Return the rule of the unweighted penalty."""
        return super().definition(unweighted(s))

    def payoff(self, s: Setting) -> Payoffs:
        """Return the log-ratios."""
        return super().payoff(unweighted(s))

    def coefficients(self, s: Setting, turn: Turn) -> Coefficients:
        """Return -beta L, twice."""
        return super().coefficients(unweighted(s), turn)

    def scalar(self, s: Setting, frozen: Policy) -> sp.Expr | None:
        """Return -beta times the expected total log-ratio."""
        return super().scalar(unweighted(s), frozen)


class K2Loss(KLDirect):
    """c = -beta log(pi/ref) of each action: the gradient of k2 = log(pi/ref)^2/2 (claim D4)."""

    name = "k2-loss"
    title = "k2 estimator in the loss"
    source = "k2 after Schulman 2020; claim D4"
    scalar_words: ClassVar[tuple[Inline, ...]] = ("minus beta times the reverse KL at the visited states",)

    def definition(self, s: Setting) -> tuple[tuple[Inline, Inline], ...]:
        """Return the rule, unweighted."""
        return super().definition(unweighted(s))

    def coefficients(self, s: Setting, turn: Turn) -> Coefficients:
        """Return -beta times the log-ratios."""
        return super().coefficients(unweighted(s), turn)

    def scalar(self, s: Setting, frozen: Policy) -> sp.Expr | None:
        """Return -beta times the reverse KL over frozen visits."""
        return super().scalar(unweighted(s), frozen)


class K3Loss(ForwardKL):
    """c = -beta (1 - ref/pi) of each action: the gradient of k3 = ref/pi - 1 - log(ref/pi) (claim D4)."""

    name = "k3-loss"
    title = "k3 estimator in the loss"
    source = "k3 after Schulman 2020; claim D4"
    scalar_words: ClassVar[tuple[Inline, ...]] = ("minus beta times the forward KL at the visited states",)

    def definition(self, s: Setting) -> tuple[tuple[Inline, Inline], ...]:
        """Return the rule, unweighted."""
        return super().definition(unweighted(s))

    def coefficients(self, s: Setting, turn: Turn) -> Coefficients:
        """Return the slope of k3."""
        return super().coefficients(unweighted(s), turn)

    def scalar(self, s: Setting, frozen: Policy) -> sp.Expr | None:
        """Return -beta times the forward KL over frozen visits."""
        return super().scalar(unweighted(s), frozen)


class Distillation(Objective):
    """c = -log(pi/teacher)/E[L] on the policy's own tokens; the teacher is the reference here (arXiv 2306.13649)."""

    name = "distill"
    title = "on-policy distillation from a teacher, the reference, over the batch's tokens"
    frozen = True
    held = "the visited states and the mean length"
    source = "arXiv 2306.13649"
    scalar_words: ClassVar[tuple[Inline, ...]] = ("minus the reverse KL at the visited states, over the mean length",)

    def statistics(self, s: Setting) -> tuple[Statistic, ...]:
        """Return the mean length."""
        return (mean_length(s),)

    def scale(self, s: Setting) -> sp.Expr | None:
        """Return -1/E[L]."""
        return -1 / symbol("Lbar")

    def definition(self, s: Setting) -> tuple[tuple[Inline, Inline], ...]:
        """Return the rule: minus the log-ratio of each action."""
        return (
            ("c_s(k)", -log_ratio(of("pi_s", "y"), of("ref_s", "y")) / symbol("Lbar")),
            ("c_d(k)", -log_ratio(of("pi_d", "d", "y"), of("ref_d", "d", "y")) / symbol("Lbar")),
        )

    def coefficients(self, s: Setting, turn: Turn) -> Coefficients:
        """Return minus the log-ratios over the mean length."""
        return rule_on_probabilities(unweighted(s), turn, lambda x, ref: -log_ratio(x, ref) / symbol("Lbar"))

    def scalar(self, s: Setting, frozen: Policy) -> sp.Expr | None:
        """Return minus the reverse KL over frozen visits, over the mean length."""
        return -s.frozen_value(frozen, log_probability_payoff(unweighted(s), log_ratio)) / symbol("Lbar")
