"""What related works add to the two-stage chain, in small parts that return chains, policies and objectives.

Example:
    >>> from dstheory import TwoStageMDP
    >>> from dstheory.extensions import noisy_verifier
    >>> noisy_verifier(TwoStageMDP.minimal(), false_reject=0.25, false_accept=0.125).reward_stop.tolist()
    [[0.75, 0.125]]

Their claims are H1 to H9 (``dstheory verify --group neighbours``).
"""

from __future__ import annotations

from dstheory.extensions.budget import FirstSuccess, budget_factor
from dstheory.extensions.confidence import CONFIDENCE_RUNS, confidence_chain, confidence_gradient
from dstheory.extensions.duels import Duels, answer_duels, decision_duels, duel_win, majority_error
from dstheory.extensions.evidence import evidence_chain, evidence_gradient, evidence_policy
from dstheory.extensions.features import pessimistic
from dstheory.extensions.posterior import posterior_policy
from dstheory.extensions.rejection import Rejection, early_rejection, rejection_policy
from dstheory.extensions.self_correction import SelfCorrection
from dstheory.extensions.verifier import VerifierEffect, majority_rates, noisy_verifier, verifier_effect

__all__ = [
    "CONFIDENCE_RUNS",
    "Duels",
    "FirstSuccess",
    "Rejection",
    "SelfCorrection",
    "VerifierEffect",
    "answer_duels",
    "budget_factor",
    "confidence_chain",
    "confidence_gradient",
    "decision_duels",
    "duel_win",
    "early_rejection",
    "evidence_chain",
    "evidence_gradient",
    "evidence_policy",
    "majority_error",
    "majority_rates",
    "noisy_verifier",
    "pessimistic",
    "posterior_policy",
    "rejection_policy",
    "verifier_effect",
]
