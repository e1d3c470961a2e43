"""Group C, balance: SFT too can be written with one coefficient for both stages, unless demonstrations never vary
        (C1-balanced)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import sympy as sp
from sympy import And, Eq, Implies

from dstheory.claims import POSITIVE, REAL, UNIT, Claim, Step, decide, identity
from dstheory.symbolic.chain import STOP
from dstheory.symbolic.objectives import Coefficients, Rule, Turn, lookup
from dstheory.symbolic.setting import SymbolicSetting, setting
from dstheory.symbolic.updates import expected_update

f, f_stop, f_res, D, s, w_s, w_d = sp.symbols("f f_stop f_res D s w_s w_d")


def balanced(shown: sp.Expr, own: sp.Expr, sampling: sp.Expr, decision: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """The coefficients of stop and of resample, from the demonstrator's and the policy's P(stop given the answer)."""
    tilt = decision * (shown - own)
    return (tilt + sampling * own) / shown, (sampling * (1 - own) - tilt) / (1 - shown)


def balanced_sft() -> Rule:
    """SFT with one coefficient for both stages, which depends on the answer and on the decision."""
    plain = lookup("sft")

    def coefficients(s: SymbolicSetting, turn: Turn) -> Coefficients:
        shown, own = (policy.stop_at(turn.index)[turn.answer] for policy in (s.expert, s.policy))
        stop, resample = balanced(shown, own, *plain.coefficients(s, turn))
        both = stop if turn.decision == STOP else resample
        return both, both

    return replace(plain, name="sft-balanced", coefficients=coefficients)


def one_coefficient_for_both() -> Iterator[Step]:
    """C1-balanced: two equations in two unknowns, solved; then the chain; then where they have no solution."""
    stop, resample = balanced(D, s, w_s, w_d)
    form = {f_stop: stop, f_res: resample}
    yield identity(
        "At an answer where demonstrations stop with probability `D` and the policy with `s`, SFT's expected coefficient of the "
        "sampling score is `w_s`, and `w_d` times the decision's score (`1-s` on stop, `-s` on resample) has the mean `w_d (D - "
        "s)`. The coefficients `f_stop`, `f_res`, given to both stages, have both:",
        [D * f_stop + (1 - D) * f_res, D * f_stop * (1 - s) - (1 - D) * f_res * s],
        [w_s, w_d * (D * (1 - s) - (1 - D) * s)],
        using=form,
    )
    for reduction in ("sum", "mean"):
        chain = setting(reduction=reduction, per_answer_lengths=True)
        plain, other = expected_update(chain, lookup("sft")), expected_update(chain, balanced_sft())
        yield identity(
            f'On the minimal chain with a length per answer, reduction "{reduction}", summed over all demonstrations: both '
            "rules have one expected gradient on every logit.",
            list(other.values()),
            [plain[logit] for logit in other],
            where={"p a b p_E a_E b_E": UNIT, **dict.fromkeys(_weights(chain), POSITIVE)},
            lemma=True,
        )
    yield decide(
        "If demonstrations always stop at an answer (`D = 1`) there is one unknown: `f = w_s` and `f (1-s) = w_d (1-s)`, "
        "which needs `w_s = w_d`; if they always resample, `f = w_s` and `-f s = -w_d s` needs the same.",
        And(
            Implies(And(Eq(f, w_s), Eq(f * (1 - s), w_d * (1 - s))), Eq(w_s, w_d)),
            Implies(And(Eq(f, w_s), Eq(-f * s, -w_d * s)), Eq(w_s, w_d)),
        ),
        where={"f": REAL},
    )


def _weights(chain: SymbolicSetting) -> list[str]:
    return sorted({symbol.name for weight, _ in chain.weights.meaning for symbol in weight.free_symbols})


C1_BALANCED = Claim(
    id="C1-balanced",
    group="C",
    title="Answer by answer SFT has a balanced form exactly if demonstrations both stop and resample, or the weights agree",
    statement="""Let demonstrations stop at an answer with probability `D` and the policy with `s`. If `0 < D < 1`, the
        coefficients `f_stop = [w_d (D - s) + w_s s]/D` and `f_res = [w_s (1 - s) - w_d (D - s)]/(1 - D)`, given to both
        stages, have the expected gradient of SFT with weights `w_s`, `w_d`, answer by answer. If `D` is 0 or 1, no
        coefficient of the decision has these two means at that answer unless `w_s = w_d`.""",
    latex=r"f_{\text{stop}}=\frac{w_d(D-s)+w_ss}{D},\qquad f_{\text{res}}=\frac{w_s(1-s)-w_d(D-s)}{1-D}",
    level="coefficient",
    scope="every answer of every chain on its own; summed over demonstrations for the minimal chain",
    domain={"D s": UNIT, "w_s w_d": POSITIVE},
    proof=one_coefficient_for_both,
    related=["C1", "B3-every"],
    notes="""The second half is about the means at one answer; a gradient that is summed over answers asks for less. So the
        ratio of coefficients (C1) can tell SFT from a reward only for deterministic demonstrations: elsewhere both have a
        balanced form. What depends on no way of writing is the gradient, and its Fisher energy (C4).""",
)
