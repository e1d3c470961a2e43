"""Log-ratios of two policies, action by action, and where a divergence is infinite.

Source: derived here.
"""

from __future__ import annotations

import numpy as np

from dstheory.chain.exact import Solution
from dstheory.chain.policy import Policy
from dstheory.checks import Bools, Floats
from dstheory.errors import InfiniteDivergenceError


def log_ratios(
    policy: Policy, reference: Policy, solution: Solution | None = None, *, called: str = "reference"
) -> tuple[Floats, Floats, Floats]:
    """Return log(pi/ref) of every answer, of stop and of resample; 0 for actions that the policy never takes.

    Args:
        policy, reference: the two policies.
        solution: the chain under the policy, if states that are never met, and decisions that are never drawn, are to be let
            pass.
        called: how an error calls the second policy.

    Raises:
        InfiniteDivergenceError: the reference rules out an action that the policy can take.

    >>> up, _, _ = log_ratios(Policy.minimal(p=0.5, a=0.5, b=0.5), Policy.minimal(p=0.25, a=0.5, b=0.5))
    >>> up.round(6).tolist()
    [[[0.693147, -0.405465]]]
    """
    possible = policy.log_sample > -np.inf
    out = []
    for what, log_p, log_q in log_pairs(policy, reference):
        taken = possible & (log_p > -np.inf)
        ruled_out = log_q == -np.inf
        refuse_infinite(taken & ruled_out, what, called, "policy", solution)
        with np.errstate(invalid="ignore"):
            out.append(np.where(taken & ~ruled_out, log_p - log_q, 0.0))
    return out[0], out[1], out[2]


def reference_excess(policy: Policy, reference: Policy, solution: Solution) -> tuple[Floats, Floats, Floats]:
    """Return ref/pi - 1 of every answer, of stop and of resample: minus the coefficient of the k3 estimator per unit of beta.

    Args:
        policy, reference: the two policies.
        solution: the chain under the policy that generates the actions; what it never meets may be anything (0 is returned).

    Raises:
        InfiniteDivergenceError: the policy rules out what the reference does, at a state that is met.

    >>> from dstheory import TwoStageMDP, solve
    >>> here = Policy.minimal(p=0.5, a=0.5, b=0.5)
    >>> reference_excess(here, Policy.minimal(p=0.25, a=0.5, b=0.5), solve(TwoStageMDP.minimal(), here))[0].round(12).tolist()
    [[[-0.5, 0.5]]]
    """
    out = []
    for what, log_p, log_q in log_pairs(policy, reference):
        ruled_out = log_p == -np.inf
        refuse_infinite(ruled_out & (log_q > -np.inf), what, "policy", "reference", solution)
        with np.errstate(invalid="ignore"):
            out.append(np.where(ruled_out, 0.0, np.expm1(np.where(ruled_out, 0.0, log_q - log_p))))
    return out[0], out[1], out[2]


def log_pairs(policy: Policy, reference: Policy) -> tuple[tuple[str, Floats, Floats], ...]:
    """Return the log-probabilities of every kind of action under both policies, and what messages call it."""
    return (
        ("answer", policy.log_sample, reference.log_sample),
        ("stop decision at the answer", policy.log_stop, reference.log_stop),
        ("resample decision at the answer", policy.log_resample, reference.log_resample),
    )


def refuse_infinite(bad: Bools, what: str, without: str, with_: str, solution: Solution | None = None) -> None:
    """Raise InfiniteDivergenceError where ``bad`` marks an action that one policy rules out and the other takes.

    Args:
        bad: (*runs, K, X, Y) marks.
        what: the kind of action.
        without, with_: how messages call the policy that rules it out, and the one that takes it.
        solution: if given, only what is met under its policy counts.
    """
    if bad.any() and solution is not None:  # of these, only what is met under the solution's policy counts
        bad = bad & (solution.occupancy > 0)[..., None]
        if "decision" in what:
            bad = bad & (solution.unrolled.decided > 0) & (solution.policy.log_sample > -np.inf)
    if bad.any():
        *_, k, x, y = (int(i) for i in np.argwhere(bad)[0])
        prompt = f"prompt {x}" if solution is None else solution.mdp.prompt_name(x)
        raise InfiniteDivergenceError(
            f"the {without} gives probability 0 to the {what} (turn {k}, {prompt}, answer {y}) where the {with_} does not: "
            "the divergence is infinite; give the " + without + " some mass there"
        )
