"""Group D, estimators and fixed points: k1, k2, k3 as losses (D4), and where the penalty alone comes to rest (D5)."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import And, Eq, Equivalent, Implies, Not, Symbol

from dstheory.claims import POSITIVE, REAL, UNIT, Claim, Step, counterexample, decide, identity
from dstheory.rational.symbols import symbol
from dstheory.symbolic.objectives import Rule, lookup
from dstheory.symbolic.rule import rule_on_probabilities
from dstheory.symbolic.setting import SymbolicSetting, setting
from dstheory.symbolic.updates import differentiated, expected_update

p, a, b, p_ref, a_ref, b_ref = map(symbol, ["p", "a", "b", "p_ref", "a_ref", "b_ref"])
beta, w_s, w_d = map(symbol, ["beta", "w_s", "w_d"])
POLICIES = {"p a b p_ref a_ref b_ref": UNIT}
WEIGHTS = {"w_s w_d": POSITIVE}
g_s, g_C, g_W = GRADIENT = sp.symbols("g_s g_C g_W")
rho = Symbol("rho")


# --- D4 ---------------------------------------------------------------------------------------------------------------

ESTIMATORS = {"k1": rho, "k2": rho**2 / 2, "k3": sp.exp(-rho) - 1 + rho}
"""The estimators as functions of the log-ratio rho = log(pi/ref) of a sampled action."""


def estimator_loss(estimator: str) -> Rule:
    """A KL estimator averaged over sampled actions and differentiated as training code does: the sample does not move.

    What these losses are gradients of is what the claim says, so the rule states no scalar.
    """
    slope = sp.diff(ESTIMATORS[estimator], rho)

    def at(x: sp.Expr, ref: sp.Expr) -> sp.Expr:
        return -beta * slope.subs(sp.exp(-rho), ref / x).subs(rho, sp.log(x) - sp.log(ref))

    return Rule("kl-estimator", lambda s, turn: rule_on_probabilities(s, turn, at), title="KL estimator as a loss")


def update(s: SymbolicSetting, objective: Rule) -> dict[sp.Symbol, sp.Expr]:
    """The expected update of the minimal chain by the names g_s, g_C, g_W."""
    return dict(zip(GRADIENT, expected_update(s, objective).values(), strict=True))


def slopes(s: SymbolicSetting, objective: Rule) -> list[sp.Expr]:
    """The derivative of an objective's scalar, in the order of the policy's logits."""
    found = differentiated(s, objective)
    assert found is not None
    return list(found.values())


def estimators_as_losses() -> Iterator[Step]:
    """D4: one sampling state with any number of answers, then the chain, then unequal weights."""
    pi, ref = sp.symbols("pi_i ref_i")
    one, three, mean_one, mean_three = sp.symbols("c_k1 c_k3 cbar_k1 cbar_k3")
    yield identity(
        "One softmax state, any number of answers: the score `1{i = j} - pi_i` turns coefficients `c` into the gradient `pi_i "
        "(c_i - cbar)`, `cbar = sum pi_j c_j`. `k1` has `c_i = cbar = 1`: nothing is left. `k3` has `c_i = 1 - ref_i/pi_i` and "
        "`cbar = 1 - 1 = 0`: `pi_i - ref_i`, the gradient of `KL(ref || pi)`.",
        [pi * (one - mean_one), pi * (three - mean_three)],
        [0, pi - ref],
        where={"pi_i ref_i": UNIT},
        using={one: 1, mean_one: 1, three: 1 - ref / pi, mean_three: 0},
    )
    ratio, divergence = Symbol("rho_i"), Symbol("KL")
    moved = sp.diff(pi * (sp.log(pi) - sp.log(ref)), pi)
    yield identity(
        "`k2` has `c_i = rho_i` and `cbar = KL(pi || ref)`: `pi_i` (`rho_i` - KL), the gradient of `KL(pi || ref)`, since `d` "
        "KL/`d pi_j = rho_j + 1` and `d pi_j/d z_i = pi_j` (`1{i = j} - pi_i`).",
        pi * moved - pi * (divergence + 1),
        pi * (ratio - divergence),
        where={"pi_i ref_i": UNIT, divergence: REAL},
        using={ratio: sp.log(pi / ref)},
    )
    s = setting()
    yield identity(
        "In the chain, no cap on turns, each estimator a loss on every sampled answer and decision. `k1`: no gradient at all.",
        GRADIENT,
        [0, 0, 0],
        using=update(s, estimator_loss("k1")),
    )
    yield identity(
        "`k2`: the gradient of the reverse `KL(pi || ref)` at the visited states, the direct term.",
        GRADIENT,
        slopes(s, lookup("kl-direct")),
        using=update(s, estimator_loss("k2")),
    )
    yield identity(
        "`k3`: the gradient of the forward `KL(ref || pi)` at the visited states.",
        GRADIENT,
        slopes(s, lookup("forward-kl")),
        using=update(s, estimator_loss("k3")),
    )
    yield counterexample(
        "The condition is needed: if the two answers weigh 2 and 1, `k1` pushes towards the shorter one.",
        Eq(g_s, 0),
        at={"p": "1/2", "a": "1/2", "b": "1/2", "w_C": 2, "w_W": 1, "beta": 1},
        where={"w_C w_W": POSITIVE},
        using={g_s: update(setting(per_answer_lengths=True), estimator_loss("k1"))[g_s]},
    )


D4 = Claim(
    id="D4",
    group="D",
    title="KL estimators as losses, all answers weighing the same: `k1` gives nothing, `k2` reverse KL, `k3` forward KL",
    statement="""If all answers of a prompt weigh the same, the expected gradient of `k1 = log(pi/ref)` used as an
        on-policy loss is zero, that of `k2 = log(pi/ref)^2/2` is the gradient of the reverse `KL(pi || ref)` at the visited
        states, and that of `k3 = ref/pi - 1 - log(ref/pi)` is the gradient of the forward `KL(ref || pi)` there.""",
    latex=r"k_1\mapsto0,\ k_2\mapsto\nabla\mathrm{KL}(\pi\|\mathrm{ref}),\ k_3\mapsto\nabla\mathrm{KL}(\mathrm{ref}\|\pi)",
    level="gradient",
    scope="one state: any number of answers; the chain: all real parameters of the minimal chain",
    source="k1, k2, k3 after Schulman 2020; derived here",
    domain={**POLICIES, **WEIGHTS, "beta": POSITIVE},
    proof=estimators_as_losses,
    recorded="holds under condition",
    related=["D4-loose", "D1", "D2-lengths", "O6-k1", "O11"],
    notes="A normaliser that depends on the response, such as `1/L`, is such an unequal weight too: O6-k1.",
)

D4_LOOSE = Claim(
    id="D4-loose",
    group="D",
    title="The gradient of an unbiased KL estimator is the gradient of the KL",
    statement="""`k3` estimates the reverse `KL(pi || ref)` without bias, so its gradient as a loss is the gradient of the
        reverse KL at the visited states.""",
    level="gradient",
    scope="the sampling logit of the minimal chain",
    source="how k3 is used in GRPO, arXiv 2402.03300",
    domain={"p a b p_ref": UNIT, "w_s beta": POSITIVE},
    proof=lambda: [
        decide(
            "The two expected gradients on `theta_s` agree.",
            Eq(g_s, Symbol("g_reverse")),
            using={
                g_s: update(setting(), estimator_loss("k3"))[g_s],
                "g_reverse": expected_update(setting(), lookup("kl-direct"))[symbol("theta_s")],
            },
        )
    ],
    recorded="fails",
    witness={"p": "1/2", "a": "1/2", "b": "1/2", "p_ref": "1/3", "w_s": "1", "beta": "1"},
    related=["D4"],
)


# --- D5 ---------------------------------------------------------------------------------------------------------------

AT_REFERENCE = {p: p_ref, a: a_ref, b: b_ref}
cost, N, U_C, U_W = sp.symbols("C N U_C U_W")
on_C, off_C, on_W, off_W, C, W = sp.symbols("rho_CS rho_CR rho_WS rho_WR rho_C rho_W")
RATIOS = {
    C: sp.log(p / p_ref),
    W: sp.log((1 - p) / (1 - p_ref)),
    on_C: sp.log(a / a_ref),
    off_C: sp.log((1 - a) / (1 - a_ref)),
    on_W: sp.log((1 - b) / (1 - b_ref)),
    off_W: sp.log(b / b_ref),
}
VISITS = setting().chain.visits()
COST = N * (p * (w_s * C + w_d * (a * on_C + (1 - a) * off_C)) + (1 - p) * (w_s * W + w_d * ((1 - b) * on_W + b * off_W)))
AFTER = {
    U_C: w_d * (a * on_C + (1 - a) * off_C) + (1 - a) * cost,
    U_W: w_d * ((1 - b) * on_W + b * off_W) + b * cost,
}
FULL = [
    -beta * N * p * (1 - p) * (w_s * (C - W) + U_C - U_W),
    -beta * N * p * a * (1 - a) * (w_d * (on_C - off_C) - cost),
    -beta * N * (1 - p) * b * (1 - b) * (w_d * (off_W - on_W) + cost),
]


def at_rest() -> Iterator[Step]:
    """D5: the direct term and the forward KL, the full gradient, and the condition."""
    s = setting()
    yield identity(
        "Direct term, `N` the expected number of turns, `rho` the log-ratios `log(pi/ref)` (answers `C`, `W`; `S` stop, `R` "
        "resample):",
        GRADIENT,
        [
            -beta * N * p * (1 - p) * w_s * (C - W),
            -beta * N * p * a * (1 - a) * w_d * (on_C - off_C),
            -beta * N * (1 - p) * b * (1 - b) * w_d * (off_W - on_W),
        ],
        using={N: VISITS, **RATIOS, **update(s, lookup("kl-direct"))},
    )
    yield decide(
        "A log-ratio has the sign of its probability's excess over the reference, and so the ratios of an event and of its "
        "opposite have opposite signs: each component vanishes exactly where its probability is the reference's.",
        And(Implies(p > p_ref, C > 0), Implies(p < p_ref, C < 0)),
        using={C: RATIOS[C]},
    )
    yield identity(
        "Forward KL: the same, visibly.",
        GRADIENT,
        [beta * N * w_s * (p_ref - p), beta * N * p * w_d * (a_ref - a), beta * N * (1 - p) * w_d * (b_ref - b)],
        using={N: VISITS, **update(s, lookup("forward-kl"))},
    )
    yield identity(
        "Full gradient, `C` the expected penalty of an episode over `beta`, `U_y` what of it is still to come once `y` is drawn:",
        GRADIENT,
        FULL,
        using={
            N: VISITS,
            **RATIOS,
            cost: COST,
            **AFTER,
            **dict(zip(GRADIENT, slopes(s, lookup("kl")), strict=True)),
        },
    )
    yield identity(
        "At the reference all log-ratios are 0, so `C = 0`, and the full gradient vanishes.",
        FULL,
        [0, 0, 0],
        where={N: POSITIVE},
        using={**dict.fromkeys(RATIOS, 0), cost: COST, **AFTER},
    )
    yield from only_there()
    uneven = setting(per_answer_lengths=True)
    here = update(uneven, lookup("kl"))[g_s].xreplace(AT_REFERENCE)
    yield counterexample(
        "The condition is needed: if the two answers weigh 2 and 1, the full gradient at the reference is not zero.",
        Eq(g_s, 0),
        at={"p_ref": "1/2", "a_ref": "1/2", "b_ref": "1/2", "w_C": 2, "w_W": 1, "w_d": 1, "beta": 1},
        where={"w_C w_W": POSITIVE},
        using={g_s: here},
    )


def only_there() -> Iterator[Step]:
    """The full gradient vanishes nowhere else: with cost to go C, every answer would become likelier, or every one less so."""
    free = {"rho_C rho_W rho_CS rho_CR rho_WS rho_WR C": REAL}
    sums = Eq(cost, p * (w_s * C + U_C) + (1 - p) * (w_s * W + U_W))
    still = [
        Eq(w_s * (C - W) + U_C - U_W, 0),
        Eq(w_d * (on_C - off_C), cost),
        Eq(w_d * (on_W - off_W), cost),
    ]
    yield decide(
        "And nowhere else. Where it vanishes, the decisions' equations make `U_y = w_d rho_yS`; and as `C` is the mean of `w_s "
        "rho_y + U_y` (Bellman), which the first equation makes equal for both `y`, it is `C = w_s rho_y + U_y` for each.",
        And(Eq(U_C, w_d * on_C), Eq(U_W, w_d * on_W), Eq(w_s * C + w_d * on_C, cost), Eq(w_s * W + w_d * on_W, cost)),
        given=[*still, sums],
        where=free,
        using=AFTER,
    )
    x, y, up, down = sp.symbols("x x_ref rho_x rho_not_x")
    signs = [
        Equivalent(up > 0, x > y),
        Equivalent(up < 0, x < y),
        Equivalent(down > 0, x < y),
        Equivalent(down < 0, x > y),
    ]
    where = {"x x_ref": UNIT, "rho_x rho_not_x": REAL, "C": REAL}
    yield decide(
        "If `C > 0`, stopping is more likely than under the reference (`w_d(rho_S - rho_R) = C`), so `rho_R < 0` and `w_d rho_S "
        "< C`: every answer `y` has `w_s rho_y = C - w_d rho_yS > 0`; if `C < 0`, every one has `w_s rho_y < 0`.",
        And(Implies(cost > 0, cost - w_d * up > 0), Implies(cost < 0, cost - w_d * up < 0)),
        given=[*signs, Eq(w_d * (up - down), cost)],
        where=where,
    )
    yield decide(
        "But not all answers can be more likely than under the reference, nor all less likely, as both sum to 1. So `C = 0`,",
        Not(And(p > p_ref, 1 - p > 1 - p_ref)) & Not(And(p < p_ref, 1 - p < 1 - p_ref)),
    )
    yield decide(
        "and with `C = 0` the decisions are the reference's, hence `rho_S = 0`, hence `rho_y = 0`: the policy is the reference.",
        And(Eq(x, y), Eq(up, 0)),
        given=[*signs, Eq(w_d * (up - down), 0)],
        where=where,
    )


D5 = Claim(
    id="D5",
    group="D",
    title="The KL penalty alone rests exactly at the reference, if all answers of a prompt weigh the same",
    statement="""If all answers of a prompt weigh the same, the reference is a stationary point of the direct term, of the full
        gradient and of the forward KL, and for each of them the only one with all probabilities in (0, 1), at all stage
        weights.""",
    latex=r"\nabla\,\mathrm{E}[L]=0\iff\pi=\mathrm{ref}",
    level="optimum",
    scope="all real parameters of the minimal chain; the argument uses each answer by itself, whatever their number",
    domain={**POLICIES, **WEIGHTS, "beta": POSITIVE},
    proof=at_rest,
    recorded="holds under condition",
    related=["D5-loose", "D2", "D2-lengths"],
)

D5_LOOSE = Claim(
    id="D5-loose",
    group="D",
    title="A KL penalty leaves the reference alone, whatever the lengths",
    statement="At the reference the full gradient of the length-weighted KL penalty vanishes, whatever the answers' lengths.",
    latex=r"\pi=\mathrm{ref}\implies\nabla\,\mathrm{E}[L]=0",
    level="optimum",
    scope="the minimal chain, a weight per answer",
    domain={"p_ref a_ref b_ref": UNIT, "w_C w_W beta": POSITIVE},
    proof=lambda: [
        decide(
            "The sampling gradient is zero at the reference.",
            Eq(g_s, 0),
            using={
                g_s: update(setting(per_answer_lengths=True), lookup("kl"))[g_s].xreplace({**AT_REFERENCE, w_d: sp.S.One})
            },
        )
    ],
    recorded="fails",
    witness={"p_ref": "1/2", "a_ref": "1/2", "b_ref": "1/2", "w_C": "1", "w_W": "1/2", "beta": "1"},
    related=["D5", "D2-lengths"],
)
