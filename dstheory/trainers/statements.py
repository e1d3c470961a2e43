"""Which claims speak about a training: each with one sentence that says no more than the claim proves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dstheory.trainers.training import Training

__all__ = ["STATEMENTS", "Statement", "statements"]


@dataclass(frozen=True)
class Statement:
    """A sentence that a claim proves.

    Attributes:
        claim: id, as of ``dstheory verify --claim``.
        text: the sentence, or how it is made.
        when: for which trainings it says something.
    """

    claim: str
    text: str | Callable[[Training], str]
    when: Callable[[Training], bool]

    def sentence(self, training: Training) -> str:
        """Return the sentence for a training."""
        return self.text if isinstance(self.text, str) else self.text(training)


def _compared(t: Training) -> bool:
    return t.method == "policy-gradient" and t.credit in ("group-mean", "leave-one-out")


def _in_loss(t: Training, *estimators: str) -> bool:
    return t.method == "policy-gradient" and t.beta > 0 and t.estimator in estimators


def _all_responses(t: Training) -> bool:
    """Every response of every group counts: none is masked, no group is left out or drawn again."""
    return t.masked == "none" and t.dead_groups == "kept"


def _no_length(t: Training) -> bool:
    return t.normaliser in ("responses", "constant")


STATEMENTS: tuple[Statement, ...] = (
    Statement(
        "O1",
        "On the policy the reward term gives all tokens of a response one coefficient: an answer of many tokens is one action, "
        "and stop and resample carry the same coefficient as it.",
        lambda t: (_compared(t) and t.std in ("none", "group")) or t.credit in ("reward", "length-baseline"),
    ),
    Statement(
        "O4",
        lambda t: "The expected update of the reward term is "
        + ("grad J for every group size." if t.credit == "leave-one-out" else
           f"(G - 1)/G grad J{' / Lmax' if t.normaliser == 'constant' else ''}: "
           "neither its direction nor the split between the stages is changed."),
        lambda t: _compared(t) and _all_responses(t) and t.std == "none" and (
            t.normaliser == "responses" or (t.normaliser == "constant" and t.credit == "group-mean")),
    ),
    Statement(
        "O5",
        lambda t: "With 0/1 rewards and a normaliser that no length enters, the group's standard deviation weighs a prompt of "
        "success "
        f"probability x by w_G (here G = {t.group_size:g}), which tends to 1/sqrt(x(1 - x)) in large groups.",
        lambda t: _compared(t) and _all_responses(t) and t.std == "group" and t.group_size > 3,
    ),
    Statement(
        "O5-small",
        lambda t: f"In groups of {t.group_size:g} the standard deviation weighs all prompts alike (0/1 rewards).",
        lambda t: _compared(t) and _all_responses(t) and t.std == "group" and t.group_size in (2, 3),
    ),
    Statement(
        "O5-options",
        lambda t: f"Groups whose rewards all agree contribute nothing; epsilon = {t.epsilon:g} lowers every prompt's weight.",
        lambda t: _compared(t) and t.std == "group" and t.epsilon > 0 and t.dead_groups == "kept",
    ),
    Statement(
        "O5-dynamic",
        "Drawing groups without variance again divides the expected update by the probability that a group is mixed, where the "
        "normaliser is the same for all groups: one number for all prompts and both stages.",
        lambda t: _compared(t) and t.masked == "none" and t.std == "group" and t.dead_groups == "drawn again",
    ),
    Statement(
        "B8",
        "On one prompt the expected update is a number times the gradient of its accuracy, as for REINFORCE and RLOO: the split "
        "between the stages is the same for all of them there.",
        lambda t: _compared(t) and t.masked == "none" and _no_length(t) and t.std != "batch" and not (t.beta or t.reward_beta
                                                                                               or t.entropy),
    ),
    Statement(
        "O6",
        "Divided by the response's own length and centred by the group's mean, the expected update is (G - 1)/G (grad E[R/L] - "
        "E[R] grad E[1/L]): not a multiple of grad J in general.",
        lambda t: _compared(t) and _all_responses(t) and t.normaliser == "response-tokens" and t.std == "none"
        and t.credit == "group-mean" and t.whitening == "none",
    ),
    Statement(
        "O6-favours",
        "Under (R - J)/L, J between 0 and 1, a right response is credited the more the shorter it is, a wrong one punished the "
        "less the longer it is; a resample lengthens the response and divides the credit of all of its tokens.",
        lambda t: _compared(t) and t.normaliser == "response-tokens",
    ),
    Statement(
        "O7",
        lambda t: ("Without the standard deviation the" if t.std != "none" else "The") + " token mean over a large batch tends "
        "to grad J/E[L], times (G - 1)/G for a baseline that is the group's mean: one factor for all logits and prompts, no "
        "tilt.",
        lambda t: _compared(t) and _all_responses(t) and t.normaliser == "batch-tokens" and t.prompts != 1,
    ),
    Statement(
        "O7-groups",
        "Averaged over the tokens of each group, prompts with long responses count less: by 1/E[L | prompt] in large groups.",
        lambda t: _compared(t) and _all_responses(t) and (t.normaliser == "group-tokens" or (t.normaliser == "batch-tokens"
                                                                                             and t.prompts == 1)),
    ),
    Statement(
        "O8",
        "Whitened over tokens, rewards are centred at E[R] + Cov(R, L)/E[L]; in large batches the update is grad J/(std E[L]) "
        "all the same, one standard deviation for all prompts.",
        lambda t: t.credit == "whitened" and not t.reward_beta and _all_responses(t),
    ),
    Statement(
        "O9",
        lambda t: "From the second update on a batch on, clipping per token lets the ratio of an answer of L tokens be pushed "
        "up to "
        f"{1 + t.clip_high:g}^L before its gradient vanishes, that of a one-token decision up to {1 + t.clip_high:g} only.",
        lambda t: t.method == "policy-gradient" and t.ratio == "token" and t.clip == "ppo",
    ),
    Statement(
        "O9-sequence",
        "The clipped ratio is that of the whole response to the power 1/L: one bound for all its tokens.",
        lambda t: t.method == "policy-gradient" and t.ratio == "response-mean" and t.clip == "ppo",
    ),
    Statement(
        "O9-sequence",
        "The truncated ratio never makes a token's coefficient vanish.",
        lambda t: t.method == "policy-gradient" and t.clip == "truncate",
    ),
    Statement(
        "O1-tokens",
        "Two tokens of one response get different coefficients wherever their advantages differ (PPO with a critic).",
        lambda t: t.credit == "critic",
    ),
    Statement(
        "O11-weighted",
        lambda t: f"k3 times the importance ratio, both differentiated, has the coefficient -{t.beta:g} rho log(pi/ref): on "
        f"the policy "
        "that of k2, also where the ratio's value is 1.",
        lambda t: _in_loss(t, "k3-ratio"),
    ),
    Statement(
        "D4",
        "As a loss on the policy k2's expected gradient is that of the reverse KL(pi || ref) at the visited states, if all "
        "answers of a prompt weigh the same.",
        lambda t: _in_loss(t, "k2", "k3-ratio") and _no_length(t) and _all_responses(t),
    ),
    Statement(
        "D4",
        "As a loss on the policy k3's expected gradient is that of the forward KL(ref || pi) at the visited states, if all "
        "answers of a prompt weigh the same.",
        lambda t: _in_loss(t, "k3") and _no_length(t) and _all_responses(t),
    ),
    Statement(
        "O11",
        "k2 in the loss leaves out that a resample costs the penalty of all that follows: away from the reference the full "
        "gradient of the reverse KL favours stopping on every answer more than it does (minimal chain without a cap).",
        lambda t: _in_loss(t, "k2", "k3-ratio"),
    ),
    Statement(
        "O11-forward",
        "k3 pulls back an action whose probability has risen less than k2 would, and one whose probability has fallen more.",
        lambda t: _in_loss(t, "k3"),
    ),
    Statement(
        "O1-tokens",
        "The KL in the loss gives two tokens of a response different coefficients wherever their log-ratios to the reference "
        "differ.",
        lambda t: _in_loss(t, "k2", "k3", "k3-ratio"),
    ),
    Statement(
        "D4",
        "k1 used as a loss on the policy has expected gradient zero, if all answers of a prompt weigh the same.",
        lambda t: _in_loss(t, "k1") and _no_length(t) and _all_responses(t),
    ),
    Statement(
        "O6-k1",
        "Averaged over a response's own tokens, k1 in the loss has the update -beta grad E[1/L], whatever the reference: it "
        "rewards length.",
        lambda t: _in_loss(t, "k1") and t.normaliser == "response-tokens" and t.kl_normaliser == "as the reward"
        and _all_responses(t),
    ),
    Statement(
        "O12",
        "k1 in the reward is unbiased for the full gradient of the reverse KL, where sums over tokens are divided by responses.",
        lambda t: t.reward_beta > 0 and t.reward_estimator == "k1" and t.normaliser == "responses" and t.credit != "whitened"
        and _all_responses(t),
    ),
    Statement(
        "O1-tokens",
        "The entropy bonus gives two tokens of a response different coefficients wherever their probabilities differ.",
        lambda t: t.method == "policy-gradient" and t.entropy > 0,
    ),
    Statement(
        "O1-sft",
        "SFT gives an answer's tokens and the decision's one coefficient; what grows with length is the energy, not the "
        "coefficient.",
        lambda t: t.method == "sft",
    ),
    Statement(
        "C3",
        "Demonstrations that are right first time tell a tabular policy nothing about decisions on wrong answers: the gradient "
        "there is exactly zero.",
        lambda t: t.method == "sft",
    ),
    Statement(
        "O10",
        "DFT's coefficient is the probability of the token: an answer of L equally likely tokens enters with x^(1/L), a "
        "one-token decision of the same probability with x.",
        lambda t: t.method == "dft",
    ),
    Statement(
        "O2",
        "DPO gives every token of the preferred response one coefficient and every token of the other its negative; on pairs "
        "that share their first attempt that attempt gets zero.",
        lambda t: t.method == "dpo",
    ),
    Statement(
        "O2-start",
        "Where the policy is the reference and generates the responses, the first expected update on a right and a wrong "
        "response is beta/2 grad log(Acc/(1 - Acc)) per pair.",
        lambda t: t.method == "dpo",
    ),
    Statement(
        "O1-tokens",
        "On-policy distillation gives two tokens of a response different coefficients wherever their log-ratios to the teacher "
        "differ.",
        lambda t: t.method == "distill" and t.divergence == "reverse",
    ),
)  # fmt: skip
"""All statements, in the order in which they are shown."""


def statements(training: Training) -> list[tuple[str, str]]:
    """Return (claim, sentence) of every statement about a training.

    >>> [claim for claim, _ in statements(Training(method="dpo", beta=0.1))]
    ['O2', 'O2-start']
    """
    if training.credit == "other":
        return []
    return [(one.claim, one.sentence(training)) for one in STATEMENTS if one.when(training)]
