"""What related works add to the two-stage chain, in small parts that return chains, policies and objectives.

Example:
    >>> from dstheory import TwoStageMDP
    >>> from dstheory.extensions import noisy_verifier
    >>> noisy_verifier(TwoStageMDP.minimal(), false_reject=0.25, false_accept=0.125).reward_stop.tolist()
    [[0.75, 0.125]]

Their claims are H1 to H9 (``dstheory verify --group neighbours``).
"""

from __future__ import annotations

from dstheory.extensions.chains import (
    confidence_chain,
    confidence_gradient,
    evidence_chain,
    evidence_gradient,
    evidence_policy,
    pessimistic,
)
from dstheory.extensions.success import FirstSuccess, SelfCorrection, budget_factor, posterior_policy
from dstheory.extensions.verdicts import (
    Duels,
    Rejection,
    VerifierEffect,
    answer_duels,
    decision_duels,
    duel_win,
    early_rejection,
    majority_error,
    noisy_verifier,
    rejection_policy,
    verifier_effect,
)

__all__ = [
    "Duels", "FirstSuccess", "Rejection", "SelfCorrection", "VerifierEffect", "answer_duels", "budget_factor", "confidence_chain",
    "confidence_gradient", "decision_duels", "duel_win", "early_rejection", "evidence_chain", "evidence_gradient",
    "evidence_policy", "majority_error", "noisy_verifier", "pessimistic", "posterior_policy", "rejection_policy",
    "verifier_effect",
]  # fmt: skip
