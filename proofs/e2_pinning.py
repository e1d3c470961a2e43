"""Group E, pinning (E2) and the share of decisions (E3): what the optimum of reward + KL does as answers get longer."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import And, Eq, Max, Min, diff, exp, log

from dstheory.claims import CLOSED_UNIT, DISCOUNT, NONNEGATIVE, POSITIVE, REAL, UNIT, Claim, Step, at_least, decide, identity
from dstheory.rational.symbols import symbol

p, a, b, gamma = map(symbol, ["p", "a", "b", "gamma"])
p_ref, a_ref, b_ref = map(symbol, ["p_ref", "a_ref", "b_ref"])
e_1, e_V = sp.symbols("e_1 e_V")
REFERENCE = {"p_ref a_ref b_ref": UNIT}
A_STAR = a_ref * e_1 / (a_ref * e_1 + (1 - a_ref) * e_V)
B_STAR = b_ref * e_V / (1 - b_ref + b_ref * e_V)

MODEL = "T_s = beta w_s and T_d = beta w_d; e_1 = exp(1/T_d), e_V = exp(gamma V/T_d)"


# --- E2 ---------------------------------------------------------------------------------------------------------------


def pinned_sampling() -> Iterator[Step]:
    """E2: the exponential near 0, bounded action values, and decisions that do not wait."""
    x = sp.Symbol("x")
    yield decide(
        "By E1 `pi_s* = ref_s exp(x)` with `x = (Q_s - V)/T_s`. For `x < 1` the exponential differs from `1 + x` by at least 0 "
        "and at most `x^2/(1-x)`: `pi_s* - ref_s - ref_s (Q_s - V)/T_s` lies in [0, `2 ref_s (Q_s - V)^2/T_s^2`] once `T_s >= 2 "
        "|Q_s - V|`.",
        And(exp(x) - 1 - x >= 0, exp(x) - 1 - x <= x**2 / (1 - x)),
        given=[x < 1],
        where={"x": REAL},
    )
    s, e_2 = sp.symbols("s e_2")
    yield decide(
        "`Q_s - V` stays bounded as `w_s` grows: a soft value `T log(s e_1 + (1-s) e_2)` lies between the values that it mixes, "
        "any number of them, one after the other. With "
        "`R_stop` in [0, 1] and `R_res = 0` all of them lie in [0, 1], and `|Q_s - V| <= 1`.",
        And(Min(e_1, e_2) <= s * e_1 + (1 - s) * e_2, s * e_1 + (1 - s) * e_2 <= Max(e_1, e_2)),
        where={"s": CLOSED_UNIT, "e_1 e_2": POSITIVE},
    )
    f_ref = sp.Symbol("f_ref")
    shifted = b_ref * f_ref / (1 - b_ref + b_ref * f_ref)
    yield decide(
        "Decisions are not pinned. On wrong answers of the minimal chain their log-odds shift by `gamma V/T_d`, and `V` is at "
        "least the reference's own value `V_ref > 0`, which pays no penalty. So whatever `w_s`, `b*` exceeds `b_ref` by a fixed "
        "amount: `f_ref = exp(gamma V_ref/T_d) > 1` for `gamma > 0`.",
        And(p_ref * a_ref / (1 - gamma * (p_ref * (1 - a_ref) + (1 - p_ref) * b_ref)) > 0, B_STAR >= shifted, shifted > b_ref),
        given=[e_V >= f_ref, f_ref > 1],
        where={**REFERENCE, "e_V f_ref": POSITIVE},
    )
    yield decide(
        "On correct answers the shift is `(1 - gamma V)/T_d > 0`, hence `e_1 > e_V`: `V < 1` even without discount, since a "
        "softmax of a reference in the open cube is not always right.",
        A_STAR > a_ref,
        given=[e_1 > e_V],
        where={"a_ref": UNIT, "e_1 e_V": POSITIVE},
    )


def limit_of_decisions() -> Iterator[Step]:
    """E2-limit: with sampling frozen at the reference the fixed point moves by O(1/T_s)."""
    z, gap, extra, slope = sp.symbols("z D eta m")
    yield decide(
        "Let `F_inf(V) = sum ref_s Q_s(V)` be the turn with sampling frozen. By Jensen `F(V) >= F_inf(V)`; and `T_s log(1 + z) "
        "<= T_s z` with `z = sum ref_s (exp(x) - 1 - x)`, `x = (Q_s - F_inf)/T_s`, at most `2 max (Q_s - F_inf)^2/T_s^2` by E2. "
        "So `eta = F(V) - F_inf(V)` lies in [0, `2/T_s`] for `R_stop` in [0, 1], `R_res = 0` and `T_s >= 2`.",
        log(1 + z) <= z,
        where={"z": NONNEGATIVE},
    )
    yield decide(
        "The fixed points then differ by `D = eta + m D`, `m` in [0, `gamma`] the mean slope of `F_inf` between them: `D` lies "
        "in [0, `2/(T_s (1 - gamma))`]. `V`, and with it `pi_d*`, tends to the frozen one at rate `1/T_s`.",
        And(gap >= 0, gap <= extra / (1 - gamma)),
        given=[Eq(gap, extra + slope * gap), slope <= gamma],
        where={"D": REAL, "eta": NONNEGATIVE, "m": CLOSED_UNIT},
    )


E2 = Claim(
    id="E2",
    group="E",
    title="Pinning: sampling returns to the reference like `1/(beta w_s)`, decisions do not",
    statement="""At the optimum of reward + stage-weighted KL with a terminal reward in [0, 1], `pi_s* - ref_s = ref_s
        (Q_s - V)/(beta w_s) + r` with `0 <= r <= 2 ref_s/(beta w_s)^2` for `beta w_s >= 2`; while in the minimal chain
        with terminal accuracy reward and `gamma > 0`, `b*` exceeds `b_ref` by at least an amount that does not depend on
        `w_s`, and `a*` exceeds `a_ref`.""",
    latex=r"\pi_s^*-ref_s=ref_s\,\frac{Q_s-V}{\beta w_s}+O\Big(\frac1{(\beta w_s)^2}\Big)",
    level="optimum",
    scope="sampling: any number of answers of equal weight; decisions: the minimal chain; gamma in [0, 1] (at 1: E1-endless); "
    + MODEL,
    domain={"gamma": CLOSED_UNIT},
    proof=pinned_sampling,
    related=["E1", "E1-endless", "E2-limit", "E3"],
)

E2_LIMIT = Claim(
    id="E2-limit",
    group="E",
    title="Decisions converge to the optimum under frozen sampling, at rate `1/(beta w_s)`",
    statement="""With a terminal reward in [0, 1] and `beta w_s >= 2`, the optimal `V` exceeds the one of sampling frozen at the
        reference by at most `2/(beta w_s (1 - gamma))`; `pi_d*` converges to that problem's decisions.""",
    latex=r"0\le V-V_\infty\le\frac{2}{\beta w_s(1-\gamma)}",
    level="optimum",
    scope="any number of answers of equal weight, gamma in [0, 1)",
    domain={"gamma": DISCOUNT},
    proof=limit_of_decisions,
    related=["E2"],
)


# --- E3 ---------------------------------------------------------------------------------------------------------------

z, D, S = sp.symbols("z D S")
"""Odds of the reference's accuracy; factors by which decisions and sampling multiply them."""


def accuracy(odds: sp.Expr) -> sp.Expr:
    """A probability from its odds."""
    return odds / (1 + odds)


BY_DECISIONS = (accuracy(z * D) - accuracy(z) + accuracy(z * D * S) - accuracy(z * S)) / 2
BY_SAMPLING = (accuracy(z * S) - accuracy(z) + accuracy(z * D * S) - accuracy(z * D)) / 2
FACTORS = {"z": POSITIVE, "D S": at_least(1)}


def share_tends_to_one() -> Iterator[Step]:
    """E3: in odds both players multiply, and sampling's factor tends to 1."""
    q = p * (1 - a) + (1 - p) * b
    yield identity(
        "Odds law (A5): the odds of the accuracy are those of `p` times `a/(1-b)`. From reference to optimum sampling multiplies "
        "them by `S` and decisions by `D`. The Shapley parts, each player's gain averaged over both orders, add up to the gain.",
        [p * a / (1 - q), BY_SAMPLING + BY_DECISIONS],
        [accuracy(p / (1 - p) * a / (1 - b)), accuracy(z * D * S) - accuracy(z)],
        where={"p a b": UNIT, **FACTORS},
    )
    yield decide(
        "`log S = (Q_C - Q_W)/T_s`. It is positive, for `Q_C > gamma V >= Q_W` (in exponentials, `e_1 > e_V >= 1`), and at most "
        "`1/T_s`.",
        And(a_ref * e_1 + (1 - a_ref) * e_V > e_V, e_V >= 1 - b_ref + b_ref * e_V),
        given=[e_1 > e_V, e_V >= 1],
        where={"a_ref b_ref": UNIT, "e_1 e_V": POSITIVE},
    )
    yield decide(
        "Whatever the odds, multiplying them by `S >= 1` raises the accuracy by at most `log S`: sampling's part is <= `1/T_s`.",
        And(accuracy(z * S) - accuracy(z) <= log(S), accuracy(z * D * S) - accuracy(z * D) <= log(S)),
        where=FACTORS,
    )
    least = sp.Symbol("D_ref")
    yield decide(
        "Without a future (`gamma = 0`) `b* = b_ref` and `a*` does not depend on `w_s`: `a*/a_ref` is one number above 1.",
        And(Eq(B_STAR.subs(e_V, 1), b_ref), A_STAR.subs(e_V, 1) / a_ref > 1),
        given=[e_1 > 1],
        where={"a_ref b_ref": UNIT, "e_1": POSITIVE},
    )
    yield decide(
        "Decisions' factor `D = (a*/a_ref)(1-b_ref)/(1-b*)` is at least some `D_ref > 1` that does not depend on `w_s`: by E2 if "
        "`gamma > 0`, and if `gamma = 0` it is `D_ref` itself. So their part is at least half of `g = Acc(z D_ref) - Acc(z) "
        "> 0`.",
        And(BY_DECISIONS >= (accuracy(z * least) - accuracy(z)) / 2, accuracy(z * least) > accuracy(z)),
        given=[least > 1, D >= least],
        where={**FACTORS, "D_ref": POSITIVE},
    )
    part_s, part_d, T, g = sp.symbols("phi_s phi_d T_s g")
    yield decide(
        "Hence `1 - share <= 2/(g T_s)`, which tends to 0.",
        part_s / (part_s + part_d) <= 2 / (g * T),
        given=[part_s <= 1 / T, part_d >= g / 2],
        where={"phi_s": NONNEGATIVE, "phi_d T_s g": POSITIVE},
    )


E3 = Claim(
    id="E3",
    group="E",
    title="The share of the accuracy gain that is due to decisions tends to 1 as the weighted length grows",
    statement="""In the minimal chain with terminal accuracy reward and `gamma` in [0, 1], between reference and optimum
        of reward + stage-weighted KL, the Shapley share of the gain in (undiscounted) accuracy that is due to decisions
        tends to 1 as `w_s` grows: `1 - share <= 2/(g beta w_s)`, with a `g > 0` that depends on reference, `gamma` and
        `beta w_d` only.""",
    latex=r"1-\frac{\phi_d}{\phi_s+\phi_d}\le\frac{2}{g\,\beta w_s}",
    level="optimum",
    scope="the minimal chain, all references in the open cube, all beta, w_d > 0, gamma in [0, 1]; " + MODEL,
    domain={},
    proof=share_tends_to_one,
    related=["E2", "E3-numbers", "E3-monotone", "E3-frozen"],
)


def frozen_decisions() -> Iterator[Step]:
    """E3-frozen: what w_s does to the two factors, and what they do to the share."""
    c_1, d_1, c_2, d_2, w_1, w_2 = sp.symbols("c_1 d_1 c_2 d_2 w_1 w_2")
    yield decide(
        "`V` falls as `w_s` grows: it is a maximum over policies of `c - w_s d`, `d >= 0` the sampling penalty.",
        c_2 - w_2 * d_2 <= c_1 - w_1 * d_1,
        given=[c_1 - w_1 * d_1 >= c_2 - w_1 * d_2, w_2 > w_1],
        where={"c_1 c_2": REAL, "d_1 d_2": NONNEGATIVE, "w_1 w_2": POSITIVE},
    )
    factor = A_STAR / a_ref * (1 - b_ref) / (1 - B_STAR)
    yield identity(
        "Decisions' factor `D` changes with `V` by `d log D/d(gamma V/T_d) = a* + b* - 1`, and the gap `Q_C - Q_W = T_d` log of "
        "the second ratio by `1 - a* - b*`: where `a* + b* > 1`, pinning sampling makes decisions worse and the gap wider.",
        [
            e_V * diff(factor, e_V) / factor,
            e_V * diff(log((a_ref * e_1 + (1 - a_ref) * e_V) / (1 - b_ref + b_ref * e_V)), e_V),
        ],
        [a + b - 1, 1 - a - b],
        where={"a_ref b_ref": UNIT, "e_1 e_V": POSITIVE},
        using={a: A_STAR, b: B_STAR},
    )
    x, y = sp.symbols("x y")
    share = (BY_DECISIONS / (BY_DECISIONS + BY_SAMPLING)).subs({D: 1 + x, S: 1 + y})
    yield decide(
        "The share rises when sampling's factor `S = 1 + y` falls and decisions' factor `D = 1 + x` does not,",
        diff(share, y) < 0,
        where={"z x y": POSITIVE},
    )
    yield decide(
        "and when `D` rises while `S` stays.",
        diff(share, x) > 0,
        where={"z x y": POSITIVE},
    )


E3_FROZEN = Claim(
    id="E3-frozen",
    group="E",
    title="Where pinning sampling does not make decisions worse, their share rises with the length",
    statement="""In the minimal chain the decision share strictly increases in `w_s` for `gamma = 0`, and wherever `a* +
        b* <= 1` at the optimum: `V` falls with `w_s`, decisions' odds factor `D` moves with `V` in the direction of `a* +
        b* - 1`, sampling's `log S = (Q_C - Q_W)/(beta w_s)` falls, and the share increases in `D` and decreases in `S`.""",
    latex=r"\frac{d\log D}{d(\gamma V/\tau_d)}=a^*+b^*-1",
    level="optimum",
    scope="the minimal chain, all references in the open cube, gamma in [0, 1], all beta, w_s, w_d > 0; " + MODEL,
    domain={},
    proof=frozen_decisions,
    related=["E3", "E3-monotone"],
    notes="""For `a* + b* > 1` the two effects compete: decisions' factor falls as well, and E3-monotone shows that their
        share can fall.""",
)
