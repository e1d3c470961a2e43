"""Distillation from a teacher: a penalty at single states with the teacher as its reference.

On policy it is the k2 penalty with beta = 1, over tokens; between the two KLs stand others. What it shares with penalties is in
:mod:`dstheory.objectives.penalties`.

Source: arXiv 2306.13649.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.exact import Solution
from dstheory.chain.policy import Policy
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Floats
from dstheory.errors import ChainError
from dstheory.objectives.fused import applies
from dstheory.objectives.parts import Normaliser
from dstheory.objectives.penalties import K2Loss, _AtStates
from dstheory.objectives.registry import register
from dstheory.objectives.responses import ResponseObjective
from dstheory.objectives.token_parts import Estimator
from dstheory.objectives.weights import TokenWeight, log_pairs, log_ratios, reference_excess

_ONE = np.ones((1, 1, 1))


@register
@dataclass(frozen=True, eq=False)
class Distillation(_AtStates, K2Loss):
    r"""Distillation from a teacher q: a generalised Jensen-Shannon divergence of every visited state, over the batch's tokens.

    With :math:`m = b q + (1 - b) \pi` it is :math:`b KL(q || m) + (1 - b) KL(\pi || m)`, of which the coefficient of an action
    that the policy draws is :math:`(1 - b) \log(m/\pi)`: that of the reverse KL to the mixture, the mixture held fixed. At the
    ends it is the reverse KL itself, :math:`\log(q/\pi)`, or the forward KL, :math:`q/\pi - 1`. At the states of the teacher's
    own responses the coefficient is that times :math:`\pi/q`; of the forward KL, 1.

    No reward to go: how a decision changes which states come later is not credited. A stage is one token's choice, so that of an
    answer all other tokens are determined by it.

    Args:
        interpolation: b in [0, 1], the ``beta`` of TRL's trainers; 1 is the reverse KL.
        states: whose responses are looked at: the ``"policy"``'s, or those of the ``"reference"``, the teacher.

    Raises:
        ChainError: interpolation outside [0, 1], or unknown states.

    Source: arXiv 2306.13649; the coefficient is derived here.

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(), Policy.minimal(p=0.5, a=0.5, b=0.5))
    >>> g = Distillation(Policy.minimal(p=0.9, a=0.9, b=0.9)).gradient(s)
    >>> bool(g.sample[0, 0, 0] > 0), bool(g.decide[0, 0, 1] < 0)  # towards the teacher
    (True, True)
    """

    beta: ArrayLike = 1.0
    normaliser: str | Normaliser | None = "batch-tokens"
    interpolation: float = field(default=1.0, kw_only=True)
    states: Literal["policy", "reference"] = field(default="policy", kw_only=True)

    name = "distill"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.interpolation <= 1.0:
            raise ChainError(f"interpolation is {self.interpolation}: must lie in [0, 1]; 1 is the reverse KL, 0 the forward KL")

    @property
    def estimator(self) -> Estimator | None:
        """k2 of the reverse KL, k3 of the forward KL; what lies between has coefficients of its own."""
        at_ends: dict[float, Estimator] = {1.0: "k2", 0.0: "k3"}
        return at_ends.get(self.interpolation) if self.states == "policy" else None

    def per_token(self, solution: Solution) -> TokenWeight:
        """Return minus the derivative of the divergence by the probability of each action, as it is drawn.

        Raises:
            InfiniteDivergenceError: it is infinite, or the teacher's responses never show what the policy does.
        """
        taught = self.states == "reference"
        if self.interpolation == 0.0:
            return TokenWeight(_ONE, _ONE, _ONE) if taught else reference_excess(solution.policy, self.reference, solution)
        if self.interpolation == 1.0 and not taught:
            return super().per_token(solution)
        if taught:
            ratios = log_ratios(solution.policy, self.reference, self.generated(solution), called="teacher")
        else:
            pairs = zip(log_pairs(solution.policy, self.reference), solution.policy.log_ratios(self.reference), strict=True)
            answer, stop, resample = (
                np.where(p == -np.inf, 0.0, np.where(q == -np.inf, np.inf, up)) for (_, p, q), up in pairs
            )
            ratios = answer, stop, resample
        answer, stop, resample = map(self._fall, ratios)
        falls = TokenWeight(answer, stop, resample)
        found = TokenWeight.exponential(ratios, self.reference).times(falls) if taught else falls
        return found if applies(solution) else replace(found, own=(falls.each, self._apart(solution.policy, ratios, falls)))

    def _apart(self, policy: Policy, ratios: Sequence[Floats], falls: TokenWeight) -> tuple[Floats, ...]:
        """Return the falls less their limit (1 - b) log(1 - b) at states where the likeliest action is nearer to that than to 0.

        What actions are beyond it is then known to all digits: those that the teacher all but rules out fall nearly alike.
        """
        b = self.interpolation
        if b == 1.0:
            return falls.each
        beyond = tuple(np.asarray((1.0 - b) * np.logaddexp(0.0, np.log(b) - np.log1p(-b) - up)) for up in ratios)

        def at_likeliest(each: Sequence[Floats]) -> tuple[Floats, Floats]:
            answer, stop, resample = each
            return policy.at_likeliest(answer), np.where(policy.stop_logits > 0, stop, resample)

        answers, decisions = (
            over < np.abs(fall) for over, fall in zip(at_likeliest(beyond), at_likeliest(falls.each), strict=True)
        )
        each = zip((answers, decisions, decisions), beyond, falls.each, strict=True)
        return tuple(np.where(near, over, fall) for near, over, fall in each)

    def _fall(self, up: Floats) -> Floats:
        """Return (1 - b) log(m/pi), or log(q/pi), of log(pi/q), infinite where the teacher rules an action out."""
        b = self.interpolation
        if b == 1.0:
            return -up
        with np.errstate(over="ignore"):
            near = np.log1p(b * np.expm1(-np.maximum(up, -1.0)))
        return np.asarray((1.0 - b) * np.where(up < -1.0, np.logaddexp(np.log1p(-b), np.log(b) - up), near))

    def coefficients(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats]:
        """Return the coefficients of every step, times strength.

        Raises:
            InfiniteDivergenceError: a trajectory has probability 0 under the policy or the teacher, where that is infinite.
        """
        if self.interpolation == 1.0 and self.states == "policy":
            return super().coefficients(solution, trajectories)
        return ResponseObjective.coefficients(self, solution, trajectories)
