"""The actor-critic form: each action is credited with its advantage."""

from __future__ import annotations

from typing import ClassVar

from dstheory.symbolic.chain import RESAMPLE
from dstheory.symbolic.notation import Inline, Verbatim, of, rule_discount
from dstheory.symbolic.objectives.base import Coefficients, Turn, decision_probability
from dstheory.symbolic.objectives.reinforce import Reinforce
from dstheory.symbolic.setting import Setting

__all__ = ["Advantage"]


class Advantage(Reinforce):
    """c_s = gamma^t A_s, c_d = gamma^t' A_d with A_s = Q_s - V and A_d = Q_d - E[Q_d | answer] (Sutton et al. 2000)."""

    name = "advantage"
    title = "Actor-critic, advantage form"
    source = "Sutton et al. 2000"
    scalar_words: ClassVar[tuple[Inline, ...]] = ("the expected discounted return",)
    scalar_formula: ClassVar[tuple[Inline, Inline] | None] = (Verbatim("J", "J"), Verbatim("V", "V"))

    def definition(self, s: Setting) -> tuple[tuple[Inline, Inline], ...]:
        """Return the rule: action values minus their means at the state where the action was taken."""
        scale = rule_discount(s)
        mean = Verbatim("E[Q_d(d, y_k)], the mean over decisions d at y_k", r"\mathrm{E}_{d}\,Q_d(d,y_k)")
        return (
            ("c_s(k)", scale * (of("Q_s", "y") - of("V"))),
            ("c_d(k)", scale * s.rate.within * (of("Q_d", "d", "y") - of("V_d", "y"))),
            (of("V_d", "y"), mean),
        )

    def coefficients(self, s: Setting, turn: Turn) -> Coefficients:
        """Return the advantages of the answer and of the decision, discounted to the start."""
        values = s.values()
        a_s = values.answer[turn.index][turn.answer] - values.value[turn.index]
        on_stop, on_resample = values.decision[turn.index][turn.answer]
        taken = on_resample if turn.decision == RESAMPLE else on_stop
        resampling = decision_probability(s.policy, turn.index, turn.answer, RESAMPLE)
        a_d = taken - ((1 - resampling) * on_stop + resampling * on_resample)
        return turn.scale * a_s, turn.scale * turn.rate.within * a_d
