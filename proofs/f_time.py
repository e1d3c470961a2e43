"""Groups C and F, time: how many steps the length weight costs an imitated decision (C5-time), and clipping at most (F1-delay).

Both are about gradient flow, the limit of small learning rates: theta' = g, or theta' = min(1, c/|g|) g when clipped. Divide a
time by the learning rate to get steps.
"""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import And, Eq, Implies, Max, Min, Symbol

from dstheory.claims import CLOSED_UNIT, POSITIVE, UNIT, Claim, Step, at_least, decide, identity
from dstheory.rational.symbols import symbol
from dstheory.symbolic.objectives import lookup
from dstheory.symbolic.setting import setting
from dstheory.symbolic.updates import differentiated

p, a, b, p_E, a_E, b_E, w_s, w_d = map(symbol, ["p", "a", "b", "p_E", "a_E", "b_E", "w_s", "w_d"])
g_s, g_C, g_W, n_E, w_more, x, x_E = sp.symbols("g_s g_C g_W n_E w_more x x_E")
s = setting()
slopes = differentiated(s, lookup("sft"))
assert slopes is not None
GRADIENT = dict(zip((g_s, g_C, g_W), slopes.values(), strict=True))
VISITS = s.following(s.expert).visits()
CUBE = {"p a b": UNIT}
COVERAGE = {"p_E a_E b_E": UNIT}
WEIGHTS = {"w_s w_d": POSITIVE}


# --- C5-time ----------------------------------------------------------------------------------------------------------


def clock(value: sp.Symbol, best: sp.Symbol) -> sp.Expr:
    """The time of a logistic state with unit rate, as a function of its probability (below the demonstrated one)."""
    return (sp.log(value) - sp.log(1 - value) - (sp.log(best - value) - sp.log(1 - value)) / (1 - best)) / best


def closed_form_time() -> Iterator[Step]:
    """C5-time: the flow of each state separates, and its time is a closed form times one over its coefficient."""
    yield identity(
        "The time function `H` has the derivative `1/(x (1-x) (x_E - x))`,",
        sp.diff(clock(x, x_E), x),
        1 / (x * (1 - x) * (x_E - x)),
        given=[x < x_E],
        where={"x x_E": UNIT},
    )
    for value, best, gradient, coefficient in (
        (b, b_E, g_W, w_d * n_E * (1 - p_E)),
        (a, a_E, g_C, w_d * n_E * p_E),
        (p, p_E, g_s, w_s * n_E),
    ):
        yield identity(
            f"and along the flow `{value}' = {value} (1 - {value})` times the gradient of its logit: `H({value})` grows at a "
            "constant rate, the state's coefficient, so that the time from `x_0` to `x_1` is (`H(x_1) - H(x_0)`) divided by it.",
            sp.diff(clock(value, best), value) * value * (1 - value) * gradient,
            coefficient,
            given=[value < best],
            using={n_E: VISITS},
        )
    under_mean = setting(reduction="mean")
    diluted = differentiated(under_mean, lookup("sft"))
    assert diluted is not None
    slope = diluted[symbol("theta_W")].subs(dict(under_mean.weights.meaning))
    lam, l_s, l_d = map(symbol, ["lambda", "l_s", "l_d"])
    yield identity(
        "With summed weights the decision's time does not contain `w_s`. Under the stage mean, with `w_s = l_s^lambda` and `w_d "
        "= l_d^lambda`, the gradient at equal lengths (equal weights) is `(w_s + w_d)/(2 w_d)` times the gradient: as many times "
        "as long the decision takes,",
        slope.subs(l_s, l_d) / slope,
        (l_s**lam + l_d**lam) / (2 * l_d**lam),
        given=[b < b_E],
        where={"l_s l_d": at_least(1), "lambda": CLOSED_UNIT},
    )
    yield decide(
        "which strictly increases in `w_s`,",
        Implies(w_s < w_more, (w_s + w_d) / (2 * w_d) < (w_more + w_d) / (2 * w_d)),
        where={w_more: POSITIVE},
    )
    yield decide(
        "without bound: any multiple `k` of the time at equal weights is exceeded from `w_s = 2 k w_d` on.",
        Implies(w_s >= 2 * Symbol("k") * w_d, (w_s + w_d) / (2 * w_d) > Symbol("k")),
        where={"k": POSITIVE},
    )


C5_TIME = Claim(
    id="C5-time",
    group="C",
    title="How long an imitated decision takes: a closed form, divided by its weight and its coverage",
    statement="""Along the gradient flow of tabular SFT with coverage, `b` moves from `b_0` to `b_1` (below `b_E`) in the
        time `(H(b_1) - H(b_0))/(w_d n_E (1-p_E))` with `H(b) = [ln(b/(1-b)) - ln((b_E-b)/(1-b))/(1-b_E)]/b_E`. With
        summed weights it does not depend on `w_s`. Under the stage mean it is `(w_s + w_d)/(2 w_d)` times that of equal
        weights: finite training loses, the limit does not.""",
    latex=r"T_{b_0\to b_1}=\frac{H(b_1)-H(b_0)}{w_d\,n_E(1-p_E)},\qquad "
    r"H(b)=\frac1{b_E}\Bigl[\ln\frac b{1-b}-\frac1{1-b_E}\ln\frac{b_E-b}{1-b}\Bigr]",
    level="gradient",
    scope="gradient flow; all real parameters of the minimal chain below the demonstrated ones, likewise for a and p",
    domain={**CUBE, **COVERAGE, **WEIGHTS},
    definitions=GRADIENT,
    proof=closed_form_time,
    related=["C5", "C5-moves", "C2", "C3"],
    notes="""Above the demonstrated probability the same holds with `ln(b - b_E)` in place of `ln(b_E - b)`.""",
)


# --- F1-delay ---------------------------------------------------------------------------------------------------------

c, size, h_s, h_C, h_W = sp.symbols("c G h_s h_C h_W")
NORM = {"c G h_s h_C h_W": POSITIVE}
EUCLID = Eq(size**2, h_s**2 + h_C**2 + h_W**2)


def bounded_delay() -> Iterator[Step]:
    """F1-delay: clipping changes the clock of the flow and not its path; the clock's delay is an integral without weights."""
    factor, inverse = Min(1, c / size), Max(1, size / c)
    yield decide(
        "The clipped flow moves along the same curve with the speed `min(1, c/G)`: a stretch that takes the unclipped flow the "
        "time `dt` takes it `max(1, G/c) dt`. So no point of the path changes, and the limit does not.",
        Eq(factor * inverse, 1),
        where={"c G": POSITIVE},
    )
    yield decide(
        "The delay per unit of unclipped time, `max(1, G/c) - 1`, is below the sum of the sizes of the three gradients, "
        "over `c`,",
        inverse - 1 < (h_s + h_C + h_W) / c,
        given=[EUCLID],
        where=NORM,
    )
    yield decide(
        "and above what the sampling gradient alone makes of it, if that exceeds the threshold at all.",
        inverse - 1 >= h_s / c - 1,
        given=[EUCLID],
        where=NORM,
    )
    yield decide(
        "Each gradient keeps its sign along the flow of tabular SFT, that of the distance to the demonstrator: the integral of "
        "its size over the time is the distance that its logit travels, at most the distance to the demonstrator's.",
        And(
            Implies(p < p_E, g_s > 0),
            Implies(p > p_E, g_s < 0),
            Implies(a < a_E, g_C > 0),
            Implies(a > a_E, g_C < 0),
            Implies(b < b_E, g_W > 0),
            Implies(b > b_E, g_W < 0),
        ),
        where={**CUBE, **COVERAGE, **WEIGHTS},
        using=GRADIENT,
    )


F1_DELAY = Claim(
    id="F1-delay",
    group="F",
    title="With exact gradients clipping delays a tabular SFT run by a bounded time, however large the weights",
    statement="""Clipping the gradient flow of tabular SFT at norm `c` leaves its path and its limit as they are. Up to any point
        of the path but its start it delays by less than (|travel of `theta_s`| + |travel of `theta_C`| + |travel of
        `theta_W`|)/`c`, a bound without the weights `w_s` and `w_d`, and by at least |travel of `theta_s`|/`c` less the
        unclipped time.""",
    latex=r"\frac{|\Delta\theta_s|}{c}-t\;\le\;\mathrm{delay}(t)\;<\;\frac{|\Delta\theta_s|+|\Delta\theta_C|+|\Delta\theta_W|}{c}",
    level="gradient",
    scope="gradient flow with exact gradients; all real parameters of the minimal chain, demonstrations with coverage",
    domain={},
    proof=bounded_delay,
    related=["F1", "C5-time", "C5-moves"],
    notes="""So the slow steps of F1 are few: as many as sampling needs to arrive. With sampled gradients the norm does not tend
        to zero, the clip stays busy, and there is no such bound; a learning rate too large for the sampling weight does the
        same.""",
)
