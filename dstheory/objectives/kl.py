r"""KL penalties to a reference. Direction, placement and what is differentiated make four different objectives; three are here.

* :class:`ReverseKLDirect`: KL(pi || ref) of every visited state, states frozen (the k2 loss; on-policy distillation).
* :class:`ReverseKL`: the same penalty summed along the trajectory and differentiated in full: how an action changes which
  states are visited later is credited.
* :class:`ForwardKL`: KL(ref || pi), on the reference's states, or frozen at the policy's (the k3 estimator used as a loss).

Penalties enter with -beta: all are written for ascent. Weights w are the stage weights.

Source: arXiv 2601.01580, section 4.3 (KL penalties); estimators after Schulman (2020); the rest derived here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.exact import Solution, Values, evaluate, solve
from dstheory.chain.policy import Policy
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Bools, Floats, float_array, reject
from dstheory.errors import ChainError, InfiniteDivergenceError
from dstheory.objectives.base import (
    CoefficientMass,
    Measure,
    Objective,
    Reduction,
    check_runs,
    on_policy_mass,
    one_number,
    over_runs,
    stage_weights,
)
from dstheory.objectives.fused import FusedTerms
from dstheory.objectives.registry import register
from dstheory.objectives.sft import log_likelihood, step_weights

__all__ = ["ForwardKL", "ReverseKL", "ReverseKLDirect", "log_ratios", "reference_excess"]


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
    for what, log_p, log_q in _pairs(policy, reference):
        taken = possible & (log_p > -np.inf)
        ruled_out = log_q == -np.inf
        _refuse_infinite(taken & ruled_out, what, called, "policy", solution)
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

    >>> from dstheory import TwoStageMDP
    >>> here = Policy.minimal(p=0.5, a=0.5, b=0.5)
    >>> reference_excess(here, Policy.minimal(p=0.25, a=0.5, b=0.5), solve(TwoStageMDP.minimal(), here))[0].round(12).tolist()
    [[[-0.5, 0.5]]]
    """
    out = []
    for what, log_p, log_q in _pairs(policy, reference):
        ruled_out = log_p == -np.inf
        _refuse_infinite(ruled_out & (log_q > -np.inf), what, "policy", "reference", solution)
        with np.errstate(invalid="ignore"):
            out.append(np.where(ruled_out, 0.0, np.expm1(np.where(ruled_out, 0.0, log_q - log_p))))
    return out[0], out[1], out[2]


def _pairs(policy: Policy, reference: Policy) -> tuple[tuple[str, Floats, Floats], ...]:
    """Return the log-probabilities of every kind of action under both policies, and what messages call it."""
    return (
        ("answer", policy.log_sample, reference.log_sample),
        ("stop decision at the answer", policy.log_stop, reference.log_stop),
        ("resample decision at the answer", policy.log_resample, reference.log_resample),
    )


def _refuse_infinite(bad: Bools, what: str, without: str, with_: str, solution: Solution | None = None) -> None:
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


@dataclass(frozen=True, eq=False)
class _Penalty(Objective):
    """What the penalties share: a reference, a strength, stage weights.

    Args:
        reference: the policy that is stayed close to.
        beta: strength >= 0, a number or an array over runs.
        length_weight: lambda in [0, 1].
        reduction: ``"sum"`` or ``"mean"``.
    """

    reference: Policy
    beta: ArrayLike = 0.1
    length_weight: ArrayLike = 0.0
    reduction: Reduction = "sum"


    def __post_init__(self) -> None:
        beta = float_array(self.beta, "beta")
        reject(
            ~((beta >= 0) & np.isfinite(beta)),
            beta,
            "beta",
            "must be finite and >= 0",
            "a penalty has no negative strength",
            axes=(),
        )

    def with_reference(self, reference: Policy) -> Self:
        """Return the penalty to another reference."""
        return replace(self, reference=reference)

    def _weights(self, solution: Solution) -> tuple[Floats, Floats]:
        self.reference.check_fits(solution.mdp, "reference")
        check_runs(
            solution, reference=self.reference.runs, beta=np.shape(self.beta), length_weight=np.shape(self.length_weight)
        )
        return stage_weights(solution.mdp, self.length_weight, self.reduction)

    def _step_log_ratios(self, solution: Solution, t: Trajectories) -> tuple[Floats, Floats]:
        log_s, log_d = t.log_prob(solution.policy)
        ref_s, ref_d = t.log_prob(self.reference)
        return log_s - ref_s, log_d - ref_d

    def _finite_step_log_ratios(self, solution: Solution, t: Trajectories) -> tuple[Floats, Floats]:
        up_s, up_d = self._step_log_ratios(solution, t)
        bad = np.flatnonzero(~(np.isfinite(up_s) & np.isfinite(up_d)))
        if len(bad):
            episode, turn, x, y = (int(v[bad[0]]) for v in (t.episode, t.turn, t.step_prompt, t.answer))
            raise InfiniteDivergenceError(
                f"trajectory {episode}, turn {turn} ({solution.mdp.prompt_name(x)}, answer {y}) "
                "has probability 0 under the reference or the policy: the divergence is infinite; give it some mass there"
            )
        return up_s, up_d

    def _step_weights(self, solution: Solution, t: Trajectories) -> tuple[Floats, Floats]:
        return step_weights(solution, t, self.length_weight, self.reduction)


@register
@dataclass(frozen=True, eq=False)
class ReverseKLDirect(_Penalty):
    """Reverse KL at every visited state, visits frozen: the gradient that training code gets from a per-token KL in the loss.

    With answers of unequal weight the coefficient -beta w log(pi/ref) is not the gradient of -beta w KL at that state: the term
    -beta w_s(y) grad log pi is missing, which averages to zero only when all answers of a prompt weigh the same.

    >>> from dstheory import TwoStageMDP, solve
    >>> here, there = Policy.minimal(p=0.5, a=0.5, b=0.5), Policy.minimal(p=0.25, a=0.5, b=0.5)
    >>> g = ReverseKLDirect(there, beta=1.0).gradient(solve(TwoStageMDP.minimal(), here))
    >>> bool(g.sample[0, 0, 0] < 0), g.decide.tolist()  # pulled back towards the reference
    (True, [[[0.0, 0.0]]])
    """

    name = "kl-direct"

    def coefficients(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats]:
        """Return minus beta times the weighted log-ratio of each action."""
        w_s, w_d = self._step_weights(solution, trajectories)
        up_s, up_d = self._finite_step_log_ratios(solution, trajectories)
        beta = one_number(self.beta, "beta")
        return -beta * w_s * up_s, -beta * w_d * up_d

    def fused_terms(self, solution: Solution) -> FusedTerms | None:
        """Return the penalty alone, for one strength and one length weight."""
        if np.ndim(self.beta) or np.ndim(self.length_weight):
            return None
        return FusedTerms(0.0, float(np.asarray(self.beta)), self.reference, *self._weights(solution))

    def mass(self, solution: Solution) -> CoefficientMass:
        """Return the mass of the weighted log-ratios, met on undiscounted visits."""
        w_s, w_d = self._weights(solution)
        up, up_stop, up_res = log_ratios(solution.policy, self.reference, solution)
        beta = over_runs(self.beta, 3)
        return on_policy_mass(
            solution,
            solution.finite_visits,
            sample=-beta * w_s * up,
            stop=-beta * w_d * up_stop,
            resample=-beta * w_d * up_res,
        )


@register
@dataclass(frozen=True, eq=False)
class ReverseKL(_Penalty):
    r"""The full gradient of the weighted reverse KL of whole trajectories, :math:`J = -\beta E_\pi[L(\tau)]`.

    :math:`L(\tau) = \sum_k w_s(y_k) \log \frac{\pi_s}{ref_s} + w_d \log \frac{\pi_d}{ref_d}`. Its gradient is that of a reward
    -beta L, plus the derivative of L itself, :math:`-\beta E[w_s(y) \nabla \log \pi_s(y)]`, which vanishes when all answers of a
    prompt have one weight (the decision's own term always does: w_d is known before the decision). Balanced at level (i) exactly
    then.

    >>> from dstheory import TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(), Policy.minimal(p=0.5, a=0.5, b=0.5))
    >>> kl = ReverseKL(Policy.minimal(p=0.25, a=0.5, b=0.5), beta=1.0)
    >>> float(kl.value(s).round(6))  # minus two expected turns x KL(1/2 || 1/4)
    -0.287682
    """

    name = "kl"

    def coefficients(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats]:
        """Return minus beta times the total weighted log-ratio, and at the sampling stage the derivative of L itself."""
        t = trajectories
        w_s, w_d = self._step_weights(solution, t)
        up_s, up_d = self._finite_step_log_ratios(solution, t)
        total = t.sum(w_s * up_s + w_d * up_d)[t.episode]
        table, _ = self._weights(solution)
        # Beyond the first answer's: equal weights then leave 0, and not what rounding leaves of 1 - sum of pi.
        beyond = table - table[..., :1]
        mean = (solution.policy.sample_prob * beyond).sum(axis=-1)  # (K, X)
        k, x, y = t.policy_index(solution.policy)
        beta = one_number(self.beta, "beta")
        own = np.broadcast_to(beyond, solution.policy.sample_prob.shape)[k, x, y] - mean[k, x]
        return -beta * (total + own), np.where(t.decided, -beta * total, 0.0)

    def _penalty_values(self, solution: Solution) -> tuple[Values, Floats]:
        """Return the values of the chain that pays -beta w log(pi/ref), and the stage weight term -beta w_s."""
        w_s, w_d = self._weights(solution)
        up, up_stop, up_res = log_ratios(solution.policy, self.reference, solution)
        beta = over_runs(self.beta, 3)
        decided = solution.unrolled.decided
        answer = -beta * w_s * up
        solution.finite_visits  # an endless chain has an infinite penalty: refuse it here, by name  # noqa: B018
        values = evaluate(
            solution.unrolled,
            answer - beta * w_d * up_stop * decided,
            answer - beta * w_d * up_res * decided,
            gamma_within=np.ones(()),
            gamma_between=np.ones(()),
            capped=solution.capped,
            name_prompt=solution.mdp.prompt_name,
        )
        return values, -beta * w_s

    def mass(self, solution: Solution) -> CoefficientMass:
        """Return the mass with the penalty's action values as coefficients, plus the derivative of L itself."""
        v, own = self._penalty_values(solution)
        return on_policy_mass(solution, solution.finite_visits, sample=v.q_sample + own, stop=v.q_stop, resample=v.q_resample)

    def value(self, solution: Solution) -> Floats:
        """Return -beta E[L(tau)], (*runs,)."""
        v, _ = self._penalty_values(solution)
        return np.asarray((v.value[..., 0, :] * solution.mdp.prompt_weight).sum(axis=-1))


@register
@dataclass(frozen=True, eq=False)
class ForwardKL(_Penalty):
    """Forward KL(ref || pi): on the reference's own trajectories, or frozen at the states that the policy visits.

    Args:
        states: ``"policy"``: c = -beta w (1 - ref/pi) on the policy's trajectories, the expected gradient of the k3 estimator
            as a loss; ``"reference"``: c = beta w on trajectories of the reference (distillation on its samples, an SFT in all
            but name).

    >>> from dstheory import TwoStageMDP, solve
    >>> pi, ref = Policy.minimal(p=0.5, a=0.5, b=0.5), Policy.minimal(p=0.25, a=0.5, b=0.5)
    >>> g = ForwardKL(ref, beta=1.0).gradient(solve(TwoStageMDP.minimal(gamma=1.0), pi))
    >>> g.sample.round(12).tolist()  # two turns x (ref - pi)
    [[[-0.5, 0.5]]]
    """

    states: Literal["policy", "reference"] = "policy"

    name = "forward-kl"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.states not in ("reference", "policy"):
            raise ChainError(f"states is {self.states!r}: must be 'reference' or 'policy'")

    @property
    def measure(self) -> Measure:
        """The reference, or the policy."""
        return self.states

    def behaviour(self, solution: Solution) -> Policy | Trajectories:
        """Return the reference or the policy."""
        return self.reference if self.states == "reference" else solution.policy

    def coefficients(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats]:
        """Return beta w, or -beta w (1 - ref/pi)."""
        w_s, w_d = self._step_weights(solution, trajectories)
        beta = one_number(self.beta, "beta")
        if self.states == "reference":
            return beta * w_s, beta * w_d
        up_s, up_d = self._step_log_ratios(solution, trajectories)
        return beta * w_s * np.expm1(-up_s), beta * w_d * np.expm1(-up_d)

    def mass(self, solution: Solution) -> CoefficientMass:
        """Return the mass; at the policy's states it is visits x beta w (ref - pi), which needs no division by pi.

        Raises:
            InfiniteDivergenceError: at a state that it visits the policy rules out what the reference does.
        """
        w_s, w_d = self._weights(solution)
        beta, ref = over_runs(self.beta, 3), self.reference
        if self.states == "reference":
            v = self._reference_visits(solution)
            return CoefficientMass(beta * w_s * v.sample, beta * w_d * v.stop, beta * w_d * v.resample)
        pol, policy = solution.unrolled, solution.policy
        for what, log_p, log_q in _pairs(policy, ref):
            _refuse_infinite((log_p == -np.inf) & (log_q > -np.inf), what, "policy", "reference", solution)
        visits = (solution.finite_visits * solution.mdp.prompt_weight)[..., None]
        answers = visits * pol.sample * pol.decided * beta * w_d
        return CoefficientMass(
            visits * beta * w_s * (ref.sample_prob - pol.sample),
            answers * (ref.stop_prob - policy.stop_prob),
            answers * (ref.resample_prob - policy.resample_prob),
        )

    def value(self, solution: Solution) -> Floats | None:
        """Return -beta times the weighted log-ratio expected under the reference, (*runs,); None with frozen policy states.

        Raises:
            InfiniteDivergenceError: the policy rules out what the reference does.
        """
        if self.states == "policy":
            return None
        visits, weights = self._reference_visits(solution), self._weights(solution)
        masses = (visits.sample, visits.stop, visits.resample)
        for mass, (what, log_p, _) in zip(masses, _pairs(solution.policy, self.reference), strict=True):
            _refuse_infinite((mass > 0) & (log_p == -np.inf), what, "policy", "reference")
        own = log_likelihood(visits, weights, self.reference)
        other = log_likelihood(visits, weights, solution.policy)
        return np.asarray(self.beta, dtype=np.float64) * (other - own)

    def _reference_visits(self, solution: Solution) -> CoefficientMass:
        rho = solution.mdp.prompt_weight[:, None]
        s = solve(solution.mdp, self.reference)
        return CoefficientMass(rho * s.answer_visits, rho * s.stop_visits, rho * s.resample_visits)
