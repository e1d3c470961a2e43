"""Rules that compare each action's probability with a reference's: KL in its directions, estimators and placements; entropy."""

from __future__ import annotations

from typing import Any

import sympy as sp

from dstheory.errors import ChainError
from dstheory.rational.symbols import symbol
from dstheory.symbolic.policy import SymbolicPolicy
from dstheory.symbolic.responses import mean_length
from dstheory.symbolic.rule import (
    Coefficients,
    Equation,
    Inline,
    OfProbabilities,
    Rule,
    Turn,
    Verbatim,
    decision_probability,
    log_probability_payoff,
    log_ratio,
    of,
    rule_on_probabilities,
    rule_weights,
    without_weights,
)
from dstheory.symbolic.setting import SymbolicSetting

ALPHA, BETA, LBAR = (symbol(name) for name in ("alpha", "beta", "Lbar"))


def per_action(
    name: str, slope: OfProbabilities, divergence: OfProbabilities, strength: sp.Expr, words: tuple[Inline, ...], **parts: Any
) -> Rule:
    """Return c_s = w_s slope(pi_s, ref_s), c_d = w_d slope(pi_d, ref_d): the slope at each visited state, the states as given.

    With a weight that varies from answer to answer, grad sum_y pi w log(pi/ref) has the further term sum_y w grad pi, which such
    a rule leaves out: it is then no gradient of the weighted divergence, frozen or not.

    Args:
        name: its name in the registry.
        slope: the coefficient of an action of probability x, but for its stage's weight.
        divergence: what an action contributes to the divergence of its state, over the action's probability.
        strength: what the divergence over the frozen visits is multiplied by.
        words: the scalar in words.
        parts: further parts of the rule.
    """

    def scalar(s: SymbolicSetting, frozen: SymbolicPolicy) -> sp.Expr | None:
        if s.weights.per_answer:
            return None
        return strength * s.frozen_value(frozen, log_probability_payoff(s, divergence))

    def shown(s: SymbolicSetting) -> tuple[Inline, ...]:
        w_s, w_d = rule_weights(s)
        return (
            w_s * slope(of("pi_s", "y"), of("ref_s", "y")),
            w_d * slope(of("pi_d", "d", "y"), of("ref_d", "d", "y")),
        )

    return Rule(
        name,
        lambda s, turn: rule_on_probabilities(s, turn, slope),
        **{"scalar": scalar, "frozen": True, "scalar_words": words, "shown": shown, **parts},
    )


# c = -beta w log(pi/ref): the k2 estimator used as a loss
KL_DIRECT = per_action(
    "kl-direct",
    lambda x, ref: -BETA * log_ratio(x, ref),
    log_ratio,
    -BETA,
    ("minus ", BETA, " times the weighted reverse KL at the visited states"),
)


def forward_kl(*, states: str = "policy") -> Rule:
    """Return c = -beta w (1 - ref/pi) on the policy's own trajectories, or c = beta w on the reference's.

    Args:
        states: "policy" is the k3 loss: per-state forward KL, visited states frozen. "reference" is the forward KL of whole
            trajectories drawn from the reference, a scalar of the policy.

    Raises:
        ChainError: for other states.
    """
    if states not in ("policy", "reference"):
        raise ChainError(f"forward-kl visits the states of the 'policy' or of the 'reference', got {states!r}")
    words = ("minus ", BETA, " times the weighted forward KL at the visited states")
    if states == "policy":
        return per_action(
            "forward-kl", lambda x, ref: -BETA * (1 - ref / x), lambda x, ref: ref / x * log_ratio(ref, x), -BETA, words
        )

    def scalar(s: SymbolicSetting, frozen: SymbolicPolicy) -> sp.Expr:
        return -BETA * s.following(s.reference).value(log_probability_payoff(s, lambda x, ref: log_ratio(ref, x)))

    return per_action(
        "forward-kl", lambda x, ref: BETA, log_ratio, BETA, words, scalar=scalar, measure=lambda s: s.reference
    )


def _total_log_ratio(s: SymbolicSetting, turn: Turn) -> Coefficients:
    weights = s.weights.sample
    own = weights[turn.answer] - sp.Add(*[x * w for x, w in zip(s.policy.sample_at(turn.index), weights, strict=True)])
    centred = own if s.weights.per_answer else sp.S.Zero
    return -BETA * (turn.total + centred), -BETA * turn.total


def _total_shown(s: SymbolicSetting) -> tuple[Inline, ...]:
    total = of("L", "tau")
    centred = rule_weights(s)[0] - symbol("wbar") if s.weights.per_answer else sp.S.Zero
    return -BETA * (total + centred), -BETA * total


def _total_in_words(s: SymbolicSetting) -> tuple[Equation, ...]:
    w_s, w_d = rule_weights(s)
    log_s, log_d = sp.log(of("pi_s", "y") / of("ref_s", "y")), sp.log(of("pi_d", "d", "y") / of("ref_d", "d", "y"))
    along = (of("L", "tau"), sp.Function("sum_k")(w_s * log_s + w_d * log_d))
    mean = (symbol("wbar"), Verbatim.words("the mean of that weight over the answers"))
    return (along, mean) if s.weights.per_answer else (along,)


# c_s = c_d = -beta L(tau), L the sum of all weighted log-ratios of the trajectory; ascends J = -beta E[L]. Differentiating J also
# moves L itself, by sum_k w_s grad log pi_s + w_d grad log pi_d. The mean of that term is zero for the decisions, whose weight is
# known before they are drawn, and for the answers exactly when they all weigh the same. Otherwise the sampling coefficient is
# -beta (L + w_s(y_k) - E w_s), and the full gradient is not balanced.
KL = Rule(
    "kl",
    _total_log_ratio,
    payoff=lambda s: log_probability_payoff(s, log_ratio),
    scalar=lambda s, frozen: -BETA * s.chain.value(log_probability_payoff(s, log_ratio)),
    scalar_words=("minus ", BETA, " times the weighted reverse KL of whole trajectories"),
    scalar_formula=(Verbatim("J", "J"), Verbatim("-beta E_mu[L]", r"-\beta\,\mathrm{E}_{\mu}[L]")),
    shown=_total_shown,
    where=_total_in_words,
)


def _entropy(row: tuple[sp.Expr, ...]) -> sp.Expr:
    return -sp.Add(*[x * sp.log(x) for x in row])


def _centred_log(s: SymbolicSetting, turn: Turn) -> Coefficients:
    i = turn.answer
    row, stop = s.policy.sample_at(turn.index), s.policy.stop_at(turn.index)[i]
    c_s = -ALPHA * s.weights.sample[i] * (sp.log(row[i]) + _entropy(row))
    if turn.decision is None:
        return c_s, sp.S.Zero
    taken = decision_probability(s.policy, turn.index, i, turn.decision)
    return c_s, -ALPHA * s.weights.decide[i] * (sp.log(taken) + _entropy((stop, 1 - stop)))


def _entropy_scalar(s: SymbolicSetting, frozen: SymbolicPolicy) -> sp.Expr | None:
    if s.weights.per_answer:
        return None
    return ALPHA * s.frozen_value(frozen, log_probability_payoff(s, lambda x, ref: -sp.log(x)))


# c = -alpha w (log pi + H), H the entropy of the state's distribution: the states are frozen
ENTROPY = Rule(
    "entropy",
    _centred_log,
    scalar=_entropy_scalar,
    frozen=True,
    scalar_words=(ALPHA, " times the weighted entropy at the visited states"),
    shown=lambda s: (
        -ALPHA * rule_weights(s)[0] * (sp.log(of("pi_s", "y")) + of("H_s")),
        -ALPHA * rule_weights(s)[1] * (sp.log(of("pi_d", "d", "y")) + of("H_d", "y")),
    ),
    inherits=True,
    where=lambda s: (
        (of("H_s"), Verbatim.words("the entropy of the answers")),
        (of("H_d", "y"), Verbatim("the entropy of the decision at y_k", r"\text{the entropy of the decision at $y_k$}")),
    ),
)

# c = -beta for every action: the expected gradient of a constant, zero (claim D4; with 1/L it is not, claim O6-k1)
K1_LOSS = Rule(
    "k1-loss",
    lambda s, turn: (-BETA, -BETA),
    scalar=lambda s, frozen: sp.S.Zero,
    scalar_words=("a constant",),
    shown=lambda s: (-BETA, -BETA),
    inherits=True,
)

# c = -log(pi/teacher)/E[L] on the policy's own tokens; the teacher is the reference here
DISTILLATION = per_action(
    "distill",
    lambda x, ref: -log_ratio(x, ref) / LBAR,
    log_ratio,
    -1 / LBAR,
    ("minus the reverse KL at the visited states, over the mean length",),
    case="with the reference as teacher, over the tokens of the batch",
    held="the visited states and the mean length",
    statistics=lambda s: (mean_length(s),),
    scale=lambda s: -1 / LBAR,
)

RULES = (
    KL_DIRECT,
    KL,
    forward_kl(),
    ENTROPY,
    K1_LOSS,
    # k1, detached, as a reward of every action (claim O12)
    without_weights(
        KL, "k1-reward", scalar_words=("minus ", BETA, " times the reverse KL of whole trajectories"), inherits=True
    ),
    # k2 = log(pi/ref)^2/2 and k3 = ref/pi - 1 - log(ref/pi), differentiated (claim D4)
    *(
        without_weights(rule, name, scalar_words=("minus ", BETA, f" times the {kind} KL at the visited states"), inherits=True)
        for rule, name, kind in ((KL_DIRECT, "k2-loss", "reverse"), (forward_kl(), "k3-loss", "forward"))
    ),
    without_weights(DISTILLATION, "distill"),
)
