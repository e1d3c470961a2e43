"""Rules for demonstrations of an expert: their likelihood, weighted by stage or divided as training code divides it; DFT."""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import RESAMPLE, STOP, Payoff
from dstheory.symbolic.objectives.group import TOKENS
from dstheory.symbolic.policy import SymbolicPolicy
from dstheory.symbolic.responses import expert_length, likelihood_over_length, update_over_length
from dstheory.symbolic.rule import (
    Coefficients,
    Inline,
    Rule,
    Turn,
    Verbatim,
    decision_probability,
    log_probability_payoff,
    of,
    rule_weights,
    unweighted,
)
from dstheory.symbolic.setting import SymbolicSetting


def _log_likelihood(s: SymbolicSetting) -> sp.Expr:
    return s.following(s.expert).value(log_probability_payoff(s, lambda x, _: sp.log(x)))


# c_s = w_s, c_d = w_d on demonstrations; ascends their weighted log-likelihood
SFT = Rule(
    "sft",
    lambda s, turn: (s.weights.sample[turn.answer], s.weights.decide[turn.answer]),
    measure=lambda s: s.expert,
    scalar=lambda s, frozen: _log_likelihood(s),
    scalar_words=("the weighted log-likelihood of the demonstrations",),
    scalar_formula=(
        Verbatim("J", "J"),
        Verbatim(
            "E_mu[ sum_k w_s log pi_s(y_k) + w_d log pi_d(d_k | y_k) ]",
            r"\mathrm{E}_{\mu}\Bigl[\,\sum_k w_s\log\pi_s(y_k) + w_d\log\pi_d(d_k\mid y_k)\Bigr]",
        ),
    ),
    shown=rule_weights,
)


def _divided(name: str, words: str, normaliser: sp.Expr) -> Rule:
    """Return c_s = c_d = 1/normaliser on demonstrations: an answer's log-likelihood is the sum of its tokens'."""
    return Rule(
        name,
        lambda s, turn: (1 / normaliser, 1 / normaliser),
        measure=lambda s: s.expert,
        scalar=lambda s, frozen: _log_likelihood(unweighted(s)) / normaliser,
        scalar_words=(words,),
        shown=lambda s: (1 / normaliser, 1 / normaliser),
        scale=lambda s: 1 / normaliser,
    )


SEQUENCE_SUM = _divided("sft-sequence-sum", "the log-likelihood of a demonstration", sp.S.One)
TOKEN_MEAN = replace(
    _divided("sft-token-mean", "the log-likelihood of a demonstration, over the mean length", symbol("Lbar_E")),
    statistics=lambda s: (expert_length(s),),
)

# c_s = c_d = 1/L on demonstrations: each demonstration's mean over its tokens, averaged over demonstrations
SEQUENCE_MEAN = replace(
    _divided("sft-sequence-mean", "the log-likelihood of a demonstration over its tokens, on average", symbol("L")),
    scalar=lambda s, frozen: likelihood_over_length(s, s.expert),
    where=lambda s: (TOKENS,),
    update=lambda s: update_over_length(s, s.expert, lambda _: sp.S.One),
)


def _token_probabilities(s: SymbolicSetting, turn: Turn) -> Coefficients:
    (answers, l_d), i = s.lengths, turn.answer
    c_s = s.policy.sample_at(turn.index)[i] ** (1 / answers[i]) / symbol("Lbar_E")
    if turn.decision is None:
        return c_s, sp.S.Zero
    return c_s, decision_probability(s.policy, turn.index, i, turn.decision) ** (1 / l_d) / symbol("Lbar_E")


def _shown_probabilities(s: SymbolicSetting) -> tuple[Inline, ...]:
    length = of("l_s", "y") if s.weights.per_answer else s.lengths[0][0]
    return (
        of("pi_s", "y") ** (1 / length) / symbol("Lbar_E"),
        of("pi_d", "d", "y") ** (1 / s.lengths[1]) / symbol("Lbar_E"),
    )


def _sum_of_probabilities(s: SymbolicSetting, frozen: SymbolicPolicy) -> sp.Expr:
    """Return E_D[sum over tokens of their probability]/E_D[L]: its slope is what the rule adds up."""
    (answers, l_d), rows = s.lengths, []
    for turn in range(len(s.policy.sample)):
        stopping, resampling = (
            tuple(l_d * decision_probability(s.policy, turn, i, d) ** (1 / l_d) for i in range(len(answers)))
            for d in (STOP, RESAMPLE)
        )
        sampled = tuple(n * x ** (1 / n) for n, x in zip(answers, s.policy.sample_at(turn), strict=True))
        rows.append(Payoff(sampled, stopping, resampling, (sp.S.Zero,) * len(answers)))
    return s.following(s.expert).value(tuple(rows)) / symbol("Lbar_E")


# c_s = pi_s^(1/l_s)/E_D[L], c_d = pi_d^(1/l_d)/E_D[L]: each token times its probability, an answer's tokens alike
DFT = replace(
    TOKEN_MEAN,
    name="dft",
    coefficients=_token_probabilities,
    scalar=_sum_of_probabilities,
    scalar_words=("the sum of the probabilities of a demonstration's tokens, over the mean length",),
    shown=_shown_probabilities,
)

RULES = (SFT, SEQUENCE_SUM, TOKEN_MEAN, SEQUENCE_MEAN, DFT)
