r"""PPO's clipped surrogate with a critic.

The critic is exact for the policy that generated the data, and advantages are those of GAE with lambda = 0 under it,
:math:`A_s = Q_s - V` and :math:`A_d = Q_d - V_d`; every token of a stage carries its stage's advantage. On policy every lambda,
and every critic, gives the same expectation: the gradient of E[R] over E[L].

Source: arXiv 1707.06347 (PPO); 1506.02438 (GAE).
"""

from __future__ import annotations

from dataclasses import dataclass

from dstheory.chain.exact import Solution
from dstheory.objectives.group import GroupObjective
from dstheory.objectives.parts.batch import clip_weight
from dstheory.objectives.parts.credit import Raw
from dstheory.objectives.parts.groups import effective_credit
from dstheory.objectives.parts.normaliser import BatchTokens
from dstheory.objectives.parts.outcome import Outcome
from dstheory.objectives.registry import register
from dstheory.objectives.responses import Term
from dstheory.objectives.weights import TokenWeight, token_ratios

__all__ = ["PPOClip"]


@register
@dataclass(frozen=True, eq=False)
class PPOClip(GroupObjective):
    """PPO-clip with an exact critic, over the tokens of the batch (``prompts`` responses; inf for the limit).

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> from dstheory.objectives import Reinforce
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.5, b=0.5))
    >>> ratio = Reinforce().gradient(s).decide / PPOClip().gradient(s).decide
    >>> ratio.round(12).tolist()  # E[L]: two turns of two tokens
    [[[4.0, 4.0]]]
    """

    group_size: float = 1

    credit = Raw()
    normaliser = BatchTokens()
    plain_on_policy = True
    name = "ppo-clip"

    def reward_terms(self, solution: Solution, under: Solution, outcome: Outcome) -> tuple[Term, ...]:
        """Return the advantages times the clipped ratio, over the tokens of the batch."""
        low, high = outcome.values or (0.0, 1.0)
        v = outcome.reward.values(under)
        scale = high - low
        advantage = TokenWeight(
            scale * (v.q_sample - v.value[..., None]), scale * (v.q_stop - v.v_decide), scale * (v.q_resample - v.v_decide)
        )
        weight = advantage
        if self.sampler is not None:
            ratio = token_ratios(solution.policy, self.sampler, solution)
            bounds = {"low": self.clip_low, "high": self.clip_high}
            weight = TokenWeight(
                advantage.sample * clip_weight(ratio.sample, advantage.sample, **bounds),
                advantage.stop * clip_weight(ratio.stop, advantage.stop, **bounds),
                advantage.resample * clip_weight(ratio.resample, advantage.resample, **bounds),
            )
        return (Term(effective_credit(None, self.normaliser, self.grouping, under, outcome), weight),)
