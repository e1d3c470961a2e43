r"""The number that a trainer logs as its loss at the first update on a batch, and why it is not the objective.

Credits are constants of the batch. On the policy every ratio is 1, so that the surrogate's value is minus the sum of
:math:`A_i L_i` over the normaliser: 0 where responses are averaged over their own tokens, since credits of a group sum to 0, and
otherwise minus the covariance of credit and length, over E[L] or over the constant. With 0/1 rewards

.. math:: E[A L] = \sum_x \rho(x) \left( m_1(x) E[L R | x] + m_0(x) E[L (1 - R) | x] \right),

:math:`m_R(x)` the mean credit of a response with reward R among its G - 1 binomial others.

Source: derived here.
"""

from __future__ import annotations

from math import inf

import numpy as np

from dstheory.chain.exact import Solution
from dstheory.errors import ChainError
from dstheory.objectives import GroupObjective
from dstheory.objectives.expectation.denominators import mean_of_lengths_and_rewards
from dstheory.objectives.expectation.rewards import reward_of
from dstheory.objectives.parts import PerResponse
from dstheory.objectives.preference import pair_loss
from dstheory.trainers.training import Training
from dstheory.trainers.translation import reward_row

_LARGEST = 100_000  # members of a group whose rewards are counted one by one


def logged_loss(training: Training, solution: Solution) -> float | None:
    """Return the loss expected at the first update, at the reference and in large batches; None where it is not known here.

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0, sample_length=[[16, 48]]), Policy.minimal(p=0.5, a=0.8, b=0.3))
    >>> logged_loss(Training(normaliser="response-tokens"), s), logged_loss(Training(normaliser="batch-tokens"), s) > 0
    (0.0, True)
    """
    t = training
    if t.credit == "other" or t.whitening == "again" or t.rewards or t.combine != "before":
        return None
    if t.method == "dpo":
        loss, at = pair_loss(t.loss, beta=t.beta, smoothing=t.smoothing, tau=t.tau), np.zeros(())
        return float(sum(curve.value(at) for curve in (loss.margin, loss.chosen, loss.rejected) if curve))
    if t.method != "policy-gradient" or t.clip != "ppo" or t.dead_groups != "kept" or t.masked != "none" or t.entropy:
        return None
    if t.credit in ("whitened", "critic") or not 2 <= t.group_size <= _LARGEST:
        return None
    if t.normaliser == "response-tokens" or t.ratio == "response":
        return 0.0 if _sums_to_zero(t) else None
    if t.reward_beta:
        return None
    if t.credit == "length-baseline":
        return 0.0 if t.normaliser == "batch-tokens" else None
    if t.credit not in ("group-mean", "leave-one-out") or (t.normaliser in ("batch-tokens", "group-tokens") and t.prompts != inf):
        return None
    mdp = solution.mdp
    try:
        success, failure = _mean_credits(t, solution)
    except ChainError:  # this package has no such credit
        return None
    with_reward = mean_of_lengths_and_rewards(solution, reward_of(solution, "correct").reward)
    tokens = solution.expected_tokens
    covered = success * with_reward + failure * (tokens - with_reward)
    total = float((covered * mdp.prompt_weight).sum())
    mean = float((tokens * mdp.prompt_weight).sum())
    below = {"responses": 1.0, "constant": t.max_tokens, "batch-tokens": mean}.get(t.normaliser)
    if below is None:
        return None
    # Where lengths do not go with rewards the two summands cancel: what rounding leaves of them is no loss.
    size = float((np.abs(success) * with_reward * mdp.prompt_weight).sum())
    return 0.0 if abs(total) <= 1e-12 * size else -total / below


def _sums_to_zero(t: Training) -> bool:
    """Return whether the credits of a group do, whatever the rewards: not where each is divided by a deviation of its own."""
    return t.credit in ("group-mean", "leave-one-out") and t.std != "others"


def _mean_credits(t: Training, solution: Solution) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean credit of a success and of a failure among their others, per prompt."""
    reward, factor = reward_row(t, solution, solution.policy, "none")
    assert isinstance(reward, GroupObjective)
    (term,) = reward.credited(solution, reward.outcome_of(solution), normaliser=PerResponse())
    every, one = np.arange(len(solution.mdp.prompt_weight)), np.ones(len(solution.mdp.prompt_weight))
    return factor * term.credit.at(every, one, one), factor * term.credit.at(every, 0.0 * one, one)


def why_not(training: Training, *, off_policy: bool = False) -> str:
    """Return in short sentences what the logged loss is, and why it does not say whether training works.

    Args:
        training: the configuration.
        off_policy: whether the responses are another policy's. Of later updates on a batch, if there are any, it speaks anyway.
    """
    said = _why_not(training)
    ratios = training.method == "policy-gradient" and training.credit != "other" and training.clip in ("ppo", "soft")
    if not ratios or not (off_policy or training.updates > 1):
        return said
    later = "On responses of an earlier policy" if off_policy else "From the second update on a batch on"
    return (
        f"{said} {later} ratios multiply the credits: the value then falls as the policy follows the credits of this batch, "
        "whatever its rewards are."
    )


def _why_not(training: Training) -> str:
    if training.credit == "other":
        return "It is not known here."
    match training.method:
        case "sft":
            return "Minus the mean log-likelihood of a demonstration's token. This is the objective."
        case "dft":
            return "Minus the mean of probability times log-probability, the probability detached. What is descended is not this."
        case "dpo":
            if training.loss == "sigmoid" and not training.smoothing:
                return "Minus the mean of log sigma(beta Delta), log 2 where the policy is the reference. This is the objective."
            return f"The mean of the loss {training.loss} over pairs. This is the objective."
        case "distill":
            return "The mean divergence to the teacher at the states visited. Its gradient leaves out how these states change."
    if training.clip in ("truncate", "none"):
        return "A sum of log-probabilities times credits, which are constant. Only its gradient counts: its value is no reward."
    if training.clip == "soft":
        return (
            "Minus the mean of a smooth gate of the ratio times the credit. On the policy the gate is one number for positive "
            "credits and may be another for negative ones. Only its gradient counts."
        )
    kl = ", plus beta times the KL, which is 0 at the reference" if training.beta else ""
    if training.normaliser == "response-tokens" or training.ratio == "response":
        zero = _sums_to_zero(training) and training.masked == "none" and training.whitening == "none"
        why = "The credits of a group sum to 0, whatever the rewards." if zero else "It is a mean of credits, not of rewards."
        return f"Minus the mean of the credits{kl}. {why} Only its gradient counts."
    return (
        f"Minus the mean of credit times length over the normaliser{kl}. It shows how credits vary with lengths, not how "
        "large rewards are. Only its gradient counts."
    )
