"""Rules that credit a whole response with its outcome: R minus a baseline, times a weight, over a number of tokens.

R = 1 if the submitted answer is correct: rewards are not discounted and the chain's own reward table plays no part, as it is on
verifiable answers. Averaged over the rest of its group, a centred credit is w_G (R - Rbar) with one number w_G (claim O5), and
over a large batch a token mean divides by E[L] (claim O7). Both are statistics: symbols here, numbers where the gradient is
evaluated. 1/L, the response's own tokens, makes a coefficient depend on all of the response, so its expectation is not found
turn by turn: see :mod:`dstheory.symbolic.responses`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sympy as sp

from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import UNDISCOUNTED
from dstheory.symbolic.objectives.reward import OUTCOME
from dstheory.symbolic.policy import SymbolicPolicy
from dstheory.symbolic.responses import (
    centred_weight,
    correct_payoff,
    mean_length,
    mean_over_length,
    mean_reward,
    success_length,
    success_rate,
    token_spread,
    update_over_length,
)
from dstheory.symbolic.rule import Rule, Statistic, Verbatim, of
from dstheory.symbolic.setting import SymbolicSetting
from dstheory.symbolic.updates import Update

SUCCESS = ("the probability that the submitted answer is correct",)
TOKENS = (symbol("L"), Verbatim.words("the tokens of the response"))


def outcome_rule(name: str, weight: sp.Expr, *, baseline: str = "Rbar", **parts: Any) -> Rule:
    """Return c_s = c_d = weight x (R - baseline), whose scalar is weight x P(correct).

    Args:
        name: its name in the registry.
        weight: w/Z, in numbers, symbols of the model and statistics.
        baseline: the name of a statistic; "" for none.
        parts: further parts of the rule.
    """
    subtracted = symbol(baseline) if baseline else sp.S.Zero
    standard: dict[str, Any] = {
        "payoff": correct_payoff,
        "scalar": lambda s, frozen: weight * success_rate(s),
        "held": "the statistics of the batch",
        "scalar_words": (f"{SUCCESS[0]}, times a constant",),
        "shown": lambda s: (weight * (of("R", "tau") - subtracted),) * 2,
        "where": lambda s: ((of("R", "tau"), OUTCOME),),
        "statistics": lambda s: (mean_reward(s),),
        "scale": lambda s: weight,
        "outcome": True,
        "normaliser": sp.S.One,
    }
    return Rule(name, lambda s, turn: (weight * (turn.total - subtracted),) * 2, **{**standard, **parts})


def _token_mean(name: str, *, ddof: int | None = 1, case: str = "") -> Rule:
    """Return c = w_G (R - Rbar)/E[L]: the group's standard deviation and a token mean over a large batch."""

    def statistics(s: SymbolicSetting) -> tuple[Statistic, ...]:
        return mean_reward(s), centred_weight(std=True, ddof=ddof), mean_length(s)

    mean = symbol("Lbar")
    return outcome_rule(name, symbol("w_G") / mean, statistics=statistics, frozen=True, case=case, normaliser=mean)


def _rescaled(s: SymbolicSetting) -> Rule | None:
    """Return w_G H (R - Rbar)/(tokens of a turn), H = E[1/K]: the update of 1/L if there is no cap, and answers of one length."""
    answers, decision = s.lengths
    if s.chain.turns is not None or len(set(answers)) > 1:
        return None
    q = symbol("q")
    weight = symbol("w_G") * symbol("H") / (answers[0] + decision)
    return outcome_rule("rescaled", weight, names=lambda s: {symbol("H"): -(1 - q) * sp.log(1 - q) / q})


def _credit_over_length(s: SymbolicSetting) -> Update:
    mean = success_rate(s)
    return update_over_length(s, s.policy, lambda y: symbol("w_G") * (sp.Integer(y == 0) - mean))


def _response_mean(name: str, *, std: bool = True, case: str = "") -> Rule:
    """Return c = w_G (R - Rbar)/L, the mean over each response's tokens; w_G and Rbar are held fixed in its scalar."""

    def scalar(s: SymbolicSetting, frozen: SymbolicPolicy) -> sp.Expr:
        mean = s.following(frozen).value(correct_payoff(s), UNDISCOUNTED)
        return mean_over_length(s, s.policy, lambda y: symbol("w_G") * (sp.Integer(y == 0) - mean))

    return outcome_rule(
        name,
        symbol("w_G") / symbol("L"),
        case=case,
        scalar=scalar,
        frozen=True,
        scalar_words=(Verbatim("w_G (E[R/L] - Rbar E[1/L])", r"w_G\,(\mathrm{E}[R/L]-\bar{R}\,\mathrm{E}[1/L])"),),
        where=lambda s: ((of("R", "tau"), OUTCOME), TOKENS),
        statistics=lambda s: (mean_reward(s), centred_weight(std=std)),
        update=_credit_over_length,
        same_update=_rescaled,
        normaliser=symbol("L"),
    )


def _whitening(s: SymbolicSetting) -> tuple[Statistic, ...]:
    """Return mean length, tokens of successes, and the mean and spread of R over tokens."""
    mean = Statistic(symbol("m_tok"), symbol("RLbar") / symbol("Lbar"), "mean of `R` over the tokens of the batch", True)
    return mean_length(s), success_length(s), mean, token_spread(s)


_PLAIN = outcome_rule("reinforce-baseline", sp.S.One, scalar_words=SUCCESS)

RULES = (
    _PLAIN,
    replace(_PLAIN, name="rloo"),  # the mean of the others is a baseline with the same expectation at any group size
    outcome_rule("dr-grpo", (symbol("G") - 1) / symbol("G") / symbol("L_max"), normaliser=symbol("L_max")),
    _response_mean("grpo", case="without KL"),
    _response_mean("grpo-no-std", std=False),
    _response_mean("gspo", case="on the policy"),  # where the ratio of a response is 1
    # DAPO as published divides by the tokens of the group: in large groups by E[L]; small ones have no closed form. Its dynamic
    # sampling divides by the probability of a mixed group, which is 1 in that limit.
    _token_mean("dapo", ddof=None, case="in the limit of large groups, all of them mixed"),
    _token_mean("dapo-batch"),
    # on the policy all ratios are 1, and CISPO divides by the tokens of the group, as DAPO does
    _token_mean("cispo", ddof=None, case="on the policy, in the limit of large groups"),
    # on the policy NFT's weights of hits and misses are the population-std form
    _token_mean("nft", ddof=0, case="on the policy"),
    # imitation of one's own correct responses, token mean over what is kept
    outcome_rule(
        "rft",
        1 / symbol("RLbar"),
        baseline="",
        case="with the mean over the tokens of what is kept",
        statistics=lambda s: (success_length(s),),
        frozen=True,
        normaliser=None,
    ),
    # whitened over the tokens of a large batch, without KL in the reward
    outcome_rule(
        "reinforce-pp",
        1 / (symbol("s_tok") * symbol("Lbar")),
        baseline="m_tok",
        case="without KL in the reward",
        statistics=_whitening,
        frozen=True,
        normaliser=symbol("Lbar"),
    ),
)
