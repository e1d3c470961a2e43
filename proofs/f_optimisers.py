"""Group F, optimisers: what clipping (F1), Adam (F2), natural gradients (F3) and a shared trunk (F4) make of stage weights.

A stage gradient is its weight times a vector without weights: w_s u for sampling and w_d v for decisions, with inner products
S = |u|^2, D = |v|^2 and, where parameters are shared, X = u.v. So it is for SFT, for the forward KL and for the direct KL term;
not for the full KL gradient, where the decision's part contains the weighted cost to go of both stages (D5).
"""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import And, Eq, Equivalent, Implies, Min, Symbol

from dstheory.claims import NONNEGATIVE, POSITIVE, REAL, UNIT, Claim, Step, at_least, counterexample, decide, identity
from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import SymbolicChain
from dstheory.symbolic.objectives import lookup
from dstheory.symbolic.policy import minimal_policy
from dstheory.symbolic.setting import setting
from dstheory.symbolic.updates import differentiated, score, trajectories

p, a, b, w_s, w_d = map(symbol, ["p", "a", "b", "w_s", "w_d"])
h_s, h_d, c, t, w_more, eps = sp.symbols("h_s h_d c t w_more epsilon")
size, size_t, step, step_t = sp.symbols("G G_t step step_t")
WEIGHTS = {"w_s w_d": POSITIVE}
NORMS = {"h_s h_d c": POSITIVE}


# --- F1 ---------------------------------------------------------------------------------------------------------------


def clipping() -> Iterator[Step]:
    """F1: the clipped decision step as a function of the sampling weight."""
    norm = sp.sqrt(w_s**2 * h_s**2 + w_d**2 * h_d**2)
    clipped = {size: norm, step: c * w_d * h_d / size}
    yield decide(
        "Clipping multiplies the gradient by `min(1, c/G)`, `G` its norm: above the threshold the decision's step has the norm "
        "`c w_d h_d/G`, below it `w_d h_d`.",
        And(
            Implies(size >= c, Eq(Min(1, c / size) * w_d * h_d, c * w_d * h_d / size)),
            Implies(size <= c, Eq(Min(1, c / size) * w_d * h_d, w_d * h_d)),
        ),
        where={size: POSITIVE},
    )
    yield decide(
        "It is strictly decreasing in the sampling weight,",
        Implies(w_s < w_more, step > step_t),
        where={w_more: POSITIVE},
        using={step: c * w_d * h_d / norm, step_t: c * w_d * h_d / norm.subs(w_s, w_more)},
    )
    yield decide("below `c w_d h_d/(w_s h_s)`, hence with limit 0,", step < c * w_d * h_d / (w_s * h_s), using=clipped)
    yield identity(
        "and close to that bound once sampling dominates.",
        (step / (c * w_d * h_d / (w_s * h_s))) ** 2,
        1 / (1 + (w_d * h_d / (w_s * h_s)) ** 2),
        using=clipped,
    )
    yield decide(
        "If the sampling block grows `t`-fold the step shrinks, by less than `t`.",
        And(step_t < step, step_t > step / t),
        given=[t > 1],
        where={t: POSITIVE},
        using={
            step: c * w_d * h_d / norm,
            step_t: c * w_d * h_d / norm.subs(w_s, t * w_s),
        },
    )


F1 = Claim(
    id="F1",
    group="F",
    title="Global-norm clipping slows the decision as the sampling weight grows, to zero",
    statement="""Above the threshold `c` the decision's clipped step has the norm `c w_d h_d/sqrt(w_s^2 h_s^2 + w_d^2 h_d^2)`.
        As long as neither stage rests (`h_s` and `h_d` are not 0), it is strictly decreasing in `w_s` with limit 0,
        asymptotically as `1/w_s`, and when the sampling block grows `t`-fold it shrinks by a factor between 1 and `t`, both
        excluded. Below the threshold nothing changes.""",
    latex=r"\|\Delta_d\|=\frac{c\,w_d h_d}{\sqrt{w_s^2h_s^2+w_d^2h_d^2}}",
    level="gradient",
    scope="any objective whose stage gradients are proportional to the stage weights, disjoint parameters",
    domain={**WEIGHTS, **NORMS},
    proof=clipping,
    related=["F1-loose", "F1-delay", "F2", "C5-moves"],
)

F1_LOOSE = Claim(
    id="F1-loose",
    group="F",
    title="Clipping slows the decision by the factor by which the sampling block grows",
    statement="If the sampling block of a clipped gradient grows `t`-fold, the decision's step shrinks `t`-fold.",
    latex=r"\|\Delta_d(t\,w_s)\|=\tfrac1t\|\Delta_d(w_s)\|",
    level="gradient",
    scope="gradients above the threshold before and after; h_s, h_d the norms of the stage gradients, weights included",
    domain={"h_s h_d": POSITIVE, "t": at_least(1)},
    definitions={size: sp.sqrt(h_s**2 + h_d**2), size_t: sp.sqrt(t**2 * h_s**2 + h_d**2)},
    proof=[decide("In units of the threshold.", Eq(h_d / size_t, h_d / size / t))],
    recorded="fails",
    witness={"h_s": "1", "h_d": "1", "t": "2"},
    related=["F1"],
)


# --- F2 ---------------------------------------------------------------------------------------------------------------


def adam() -> Iterator[Step]:
    """F2: homogeneity of the two moving averages, then of the step."""
    m, v, g, old_m, old_v = sp.symbols("m v g m_old v_old")
    keep_m, keep_v = sp.symbols("beta_1 beta_2")
    new_m, new_v = sp.symbols("m_new v_new")
    yield identity(
        "A factor `t` on a coordinate's gradients multiplies its first moving average by `t` and its second by `t^2`, if it did "
        "so one step before; both start at 0, and bias corrections do not contain gradients. So it does at every step.",
        [new_m, new_v],
        [t * (keep_m * m + (1 - keep_m) * g), t**2 * (keep_v * v + (1 - keep_v) * g**2)],
        where={"m g": REAL, "v": NONNEGATIVE, "t": POSITIVE, "beta_1 beta_2": UNIT},
        using={
            old_m: t * m,
            old_v: t**2 * v,
            new_m: keep_m * old_m + (1 - keep_m) * (t * g),
            new_v: keep_v * old_v + (1 - keep_v) * (t * g) ** 2,
        },
    )
    exact = {"m": REAL, "v": POSITIVE, "t": POSITIVE}
    yield identity(
        "With `epsilon = 0` the step `m/sqrt(v)` does not contain the factor. Other coordinates do not occur in it at all.",
        t * m / sp.sqrt(t**2 * v),
        m / sp.sqrt(v),
        where=exact,
    )
    root = Symbol("r")
    yield identity(
        "With `epsilon > 0` (`r = sqrt(v)`) the loss is explicit,",
        m / root - t * m / (t * root + eps),
        m / root * eps / (t * root + eps),
        where={"m": REAL, "r": POSITIVE, "t": POSITIVE, eps: POSITIVE},
    )
    yield decide(
        "a fraction `eps/(t r + eps)` of the step: it vanishes with `epsilon`, but nears 1 for a weight `t` far below `eps/r`, "
        "as the decision's is under the mean reduction (C2).",
        And(
            Implies(t * root >= eps / c, eps / (t * root + eps) <= c),
            Implies(t * root <= c * eps, eps / (t * root + eps) >= 1 / (1 + c)),
        ),
        where={"r": POSITIVE, "t": POSITIVE, eps: POSITIVE, c: POSITIVE},
    )


F2 = Claim(
    id="F2",
    group="F",
    title="Adam removes the stage weights when parameters are disjoint, as `epsilon` tends to 0",
    statement="""With `epsilon = 0` Adam's step on a coordinate, from its first gradient other than 0 on, does not change if all
        its gradients are multiplied by a positive constant: with disjoint parameters neither stage's step depends on `w_s` or
        `w_d`. With `epsilon > 0` the fraction `epsilon/(t sqrt(v) + epsilon)` of the step is lost at weight `t`.""",
    latex=r"\frac{t\,m}{\sqrt{t^2 v}}=\frac{m}{\sqrt v}",
    level="gradient",
    scope="stage gradients proportional to the stage weights, all steps, any gradient sequence, parameters that only one stage "
    "uses, weights constant in time",
    domain={},
    proof=adam,
    related=["F2-loose", "F1", "F3"],
    notes="The gradient sequence is the same with and without the factor as long as the iterates are, which they then are by "
    "induction. Clipping before Adam mixes the stages again: it multiplies by a factor that changes from step to step (F1).",
)

F2_LOOSE = Claim(
    id="F2-loose",
    group="F",
    title="Adam removes the stage weights",
    statement="""Adam's first step does not depend on the stage weights, also on a parameter that both stages share: the
        sign of `w_s h_s + w_d h_d` is the same for all `w_s`.""",
    level="gradient",
    scope="one shared parameter, epsilon = 0",
    domain={"h_s h_d": REAL, "w_s w_d w_more": POSITIVE},
    assumptions=[w_s < w_more],
    proof=[decide("Same sign at both weights.", (w_s * h_s + w_d * h_d) * (w_more * h_s + w_d * h_d) >= 0)],
    recorded="fails",
    witness={"h_s": "1", "h_d": "-1", "w_s": "1/2", "w_d": "1", "w_more": "2"},
    related=["F2", "F4"],
)


# --- F3 ---------------------------------------------------------------------------------------------------------------


def natural_gradient() -> Iterator[Step]:
    """F3: the Fisher matrix is diagonal in the minimal chain; what the natural step keeps, and what a trust region does."""
    sigma, on_answer, stop, resample = sp.symbols("sigma s score_S score_R")
    yield identity(
        "Given the answer, the decision's score (`1 - sigma` on stop, `-sigma` on resample) has mean zero, so its product with "
        "any function of the past, such as the answer's score `s`, has mean zero: blocks of different stages and turns are "
        "orthogonal.",
        sigma * stop * on_answer + (1 - sigma) * resample * on_answer,
        0,
        where={"sigma": UNIT, "s": REAL},
        using={stop: 1 - sigma, resample: -sigma},
    )
    policy = minimal_policy()
    chain = SymbolicChain(policy, 3)
    fisher: dict[sp.Symbol, sp.Expr] = {}
    for trajectory in trajectories(chain):
        total = []
        for logit in policy.logits:
            parts = [score(policy, logit, k, i, d) for k, (i, d) in enumerate(trajectory.steps)]
            total.append(sp.Add(*[x for part in parts for x in part]))
        for i, one in enumerate("sCW"):
            for j, other in enumerate("sCW"):
                name = Symbol(f"F_{one}{other}")
                fisher[name] = fisher.get(name, sp.S.Zero) + trajectory.probability * total[i] * total[j]
    turns, decisions = chain.visits(), chain.decisions()
    yield identity(
        "By enumeration of all trajectories of three turns, a stationary policy: the Fisher matrix of (`theta_s`, `theta_C`, "
        "`theta_W`) is diagonal, visits times the variance of the score.",
        list(fisher),
        [turns * p * (1 - p), 0, 0, 0, decisions * p * a * (1 - a), 0, 0, 0, decisions * (1 - p) * b * (1 - b)],
        using=fisher,
    )
    slopes = differentiated(setting(), lookup("sft"))
    assert slopes is not None
    visits = SymbolicChain(policy).visits()
    natural = {
        Symbol("n_s"): slopes[symbol("theta_s")] / (visits * p * (1 - p)),
        Symbol("n_C"): slopes[symbol("theta_C")] / (visits * p * a * (1 - a)),
    }
    weightless = {
        Symbol("n_s1"): natural[Symbol("n_s")].subs(w_s, 1),
        Symbol("n_C1"): natural[Symbol("n_C")].subs(w_d, 1),
    }
    yield identity(
        "So the natural step of SFT (no cap) on a decision contains `w_d` and not `w_s`, and the two stages' natural steps are "
        "their own weights times steps without weights: their ratio still is proportional to `w_s/w_d`.",
        list(natural),
        [w_s * Symbol("n_s1"), w_d * Symbol("n_C1")],
        where={"p_E a_E b_E": UNIT},
        using={**natural, **weightless},
    )
    e_s, e_d, radius = sp.symbols("e_s e_d delta")
    scale = sp.sqrt(radius / (w_s**2 * e_s + w_d**2 * e_d))
    yield decide(
        "With a trust region (KL radius `delta/2`) all steps are scaled by `sqrt(delta/(w_s^2 e_s + w_d^2 e_d))`, the energies "
        "`e` at weight 1: the decision's step strictly decreases in `w_s` again, as under clipping.",
        Implies(w_s < w_more, Symbol("step") > Symbol("step_more")),
        where={"e_s e_d delta w_more": POSITIVE},
        using={"step": w_d * scale, "step_more": w_d * scale.subs(w_s, w_more)},
    )


F3 = Claim(
    id="F3",
    group="F",
    title="With disjoint parameters the Fisher matrix is block diagonal: a decision's natural step has its `w_d` and no `w_s`",
    statement="""The Fisher blocks of the two stages are orthogonal, so the natural step of the decision does not depend
        on `w_s`. It is proportional to `w_d`, as the plain gradient's is: natural gradients keep the ratio `w_s` : `w_d` of the
        stages' steps, and with a trust region the decision's step strictly decreases in `w_s` as long as neither stage rests.""",
    latex=r"F=\mathrm{diag}(F_s,F_d),\qquad F_d^{-1}(w_d\,v)=w_d\,F_d^{-1}v",
    level="fisher",
    scope="orthogonality for any chain; the matrix for the minimal chain with three turns; steps for SFT without cap",
    domain={"p a b": UNIT, **WEIGHTS},
    proof=natural_gradient,
    related=["F3-loose", "F1", "F2", "A1"],
)

F3_LOOSE = Claim(
    id="F3-loose",
    group="F",
    title="A natural gradient removes the imbalance of the stages, as Adam does",
    statement="""The ratio of the stages' natural steps does not depend on the length weight: it is the same at weights
        `w_s` and `w_more` of the sampling stage.""",
    level="fisher",
    scope="one parameter per stage, with Fisher information f_s, f_d and gradients w_s h_s, w_d h_d",
    domain={"w_s w_d w_more h_s h_d f_s f_d": POSITIVE},
    assumptions=[w_s < w_more],
    proof=[
        decide(
            "The same ratio.",
            Eq(
                w_s * h_s / Symbol("f_s") / (w_d * h_d / Symbol("f_d")),
                w_more * h_s / Symbol("f_s") / (w_d * h_d / Symbol("f_d")),
            ),
        )
    ],
    recorded="fails",
    witness={"w_s": "1", "w_d": "1", "w_more": "2", "h_s": "1", "h_d": "1", "f_s": "1", "f_d": "1"},
    related=["F3", "F2"],
)


# --- F4 ---------------------------------------------------------------------------------------------------------------

S, D, X = sp.symbols("S D X")
GRAM = {"S D": POSITIVE, "X": REAL}
SQUARE = w_s**2 * S + 2 * w_s * w_d * X + w_d**2 * D
ALONG = w_s * X + w_d * D
INDEPENDENT = X**2 < S * D


def shared_trunk() -> Iterator[Step]:
    """F4: the update w_s u + w_d v seen from v."""
    along, square, lost, cosine = sp.symbols("g.v |g|^2 lost cos^2")
    u_1, u_2, v_1, v_2 = sp.symbols("u_1 u_2 v_1 v_2")
    gram = {S: u_1**2 + u_2**2, D: v_1**2 + v_2**2, X: u_1 * v_1 + u_2 * v_2}
    g_1, g_2 = w_s * u_1 + w_d * v_1, w_s * u_2 + w_d * v_2
    yield identity(
        "The update `g = w_s u + w_d v` lies in the plane of `u` and `v`: `|g|^2` and `g.v` through `S = u.u`, `D = v.v` and `X "
        "= u.v`.",
        [square, along],
        [g_1**2 + g_2**2, g_1 * v_1 + g_2 * v_2],
        where={"u_1 u_2 v_1 v_2": REAL},
        using={square: SQUARE.subs(gram), along: ALONG.subs(gram)},
    )
    yield identity(
        "Limit direction: `1 - cos^2` of the angle between `g` and `u` is exactly `(w_d^2/|g|^2)(SD - X^2)/S`,",
        1 - cosine,
        w_d**2 / square * (S * D - X**2) / S,
        given=[INDEPENDENT],
        where=GRAM,
        using={square: SQUARE, cosine: (w_s * S + w_d * X) ** 2 / (SQUARE * S)},
    )
    yield decide(
        "which is at most `(SD - X^2)/K^2` from `w_s = w_d (K - X)/S` on, for any `K > 0`: `g` turns towards `u`.",
        Implies(w_s >= w_d * (Symbol("K") - X) / S, 1 - cosine <= (S * D - X**2) / Symbol("K") ** 2),
        given=[INDEPENDENT],
        where={**GRAM, "K": POSITIVE},
        using={cosine: (w_s * S + w_d * X) ** 2 / (SQUARE * S)},
    )
    yield identity(
        "Per unit of step length the decision's objective improves by `g.v/|g|`; what is lost of the square of the best, `|v|`, "
        "is",
        lost,
        w_s**2 * (S * D - X**2) / square,
        given=[INDEPENDENT],
        where=GRAM,
        using={square: SQUARE, lost: D - ALONG**2 / SQUARE},
    )
    yield decide(
        "strictly increasing in `w_s` as long as the step still improves the decision (`g.v > 0`),",
        Implies(And(w_s < w_more, along > 0, Symbol("along_more") > 0), lost < Symbol("lost_more")),
        given=[INDEPENDENT],
        where={**GRAM, w_more: POSITIVE},
        using={
            along: ALONG,
            "along_more": ALONG.subs(w_s, w_more),
            lost: w_s**2 / SQUARE,
            "lost_more": (w_s**2 / SQUARE).subs(w_s, w_more),
        },
    )
    yield decide(
        "which, if the stages conflict (`X < 0`), it does exactly for `w_s < w_d D/|X|`: beyond, each step makes "
        "decisions worse.",
        Equivalent(along > 0, w_s < w_d * D / -X),
        given=[X < 0],
        where=GRAM,
        using={along: ALONG},
    )
    yield counterexample(
        "The condition is needed: if `u` and `v` are parallel, nothing is lost at any weight.",
        S * D > X**2,
        at={S: 4, D: 1, X: 2},
        where=GRAM,
    )


F4 = Claim(
    id="F4",
    group="F",
    title="Shared trunk: the update turns towards sampling as `w_s` grows; the loss in decision improvement is explicit",
    statement="""If both stages share parameters and their gradients `u`, `v` are not parallel, the direction of `w_s u +
        w_d v` tends to `u/|u|`. Per unit of step length the decision improves by `g.v/|g|`, and `|v|^2 - (g.v/|g|)^2 =
        w_s^2 (SD - X^2)/|g|^2` with `S = u.u`, `D = v.v`, `X = u.v`: strictly increasing in `w_s` while `g.v > 0`. If `X
        < 0`, decisions get worse as soon as `w_s > w_d D/|X|`.""",
    latex=r"\|v\|^2-\Bigl(\frac{g\cdot v}{\|g\|}\Bigr)^2=\frac{w_s^2\,(SD-X^2)}{\|g\|^2},\qquad g=w_su+w_dv",
    level="gradient",
    scope="any number of shared parameters: everything happens in the plane of u and v",
    domain=WEIGHTS,
    proof=shared_trunk,
    recorded="holds under condition",
    related=["F4-loose", "F1", "F2-loose", "C5-moves"],
)

F4_LOOSE = Claim(
    id="F4-loose",
    group="F",
    title="With a shared trunk, a larger sampling weight never helps decisions",
    statement="Raising `w_s` does not raise the improvement (`w_s u + w_d v`).`v` of the decision per unit of learning rate.",
    level="gradient",
    scope="a shared trunk, steps not normalised",
    domain={"S D": POSITIVE, "X": REAL, "w_s w_d w_more": POSITIVE},
    assumptions=[INDEPENDENT],
    proof=[decide("No more improvement.", Implies(w_s < w_more, w_more * X + w_d * D <= ALONG))],
    recorded="fails",
    witness={"S": "1", "D": "1", "X": "1/2", "w_s": "1", "w_d": "1", "w_more": "2"},
    related=["F4"],
)
