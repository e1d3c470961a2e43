"""Group B, the reward flow: what it conserves (B6-conserved), where it ends (B6-share) and how fast (B6-rate)."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import And, Eq, Implies, Symbol, log

from dstheory.claims import POSITIVE, REAL, UNIT, Claim, Step, between, decide, derivative, identity
from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import SymbolicChain, discount, reward
from dstheory.symbolic.policy import differentiate, minimal_policy

p, a, b, gamma = map(symbol, ["p", "a", "b", "gamma"])
M0 = minimal_policy()
CHAIN = SymbolicChain(M0)
TERMINAL = reward((1, 0), (0, 0))
CUBE = {"p a b": UNIT}
DISCOUNTED = {"gamma": between(0, 1, "(]")}
RATES = sp.symbols("dtheta_s/dt dtheta_C/dt dtheta_W/dt")
rate_s, rate_C, rate_W = RATES
law_C, law_W = sp.symbols("dL_C/dt dL_W/dt")


def flow(at: object) -> dict[sp.Symbol, sp.Expr]:
    """The rates of the three logits under exact gradient ascent on the value, for a discount."""
    value = CHAIN.value(TERMINAL, discount()).subs(gamma, at)
    return {rate: differentiate(value, logit) for rate, logit in zip(RATES, M0.logits, strict=True)}


def along(quantity: sp.Expr, rates: dict[sp.Symbol, sp.Expr]) -> sp.Expr:
    """The time derivative of a quantity along a flow."""
    return sp.Add(*[differentiate(quantity, logit) * rate for logit, rate in zip(M0.logits, rates.values(), strict=True)])


def odds(x: sp.Expr) -> sp.Expr:
    """The exponential of a logit, in terms of its probability."""
    return x / (1 - x)


UNDISCOUNTED, ANY = flow(1), flow(gamma)
L_C = log(odds(a)) + odds(a) - log(odds(p))
L_W = log(odds(b)) - 1 / odds(b) - log(odds(p))
L_GAMMA = (2 - gamma) * log(odds(b)) - 1 / odds(b) + (1 - gamma) * odds(b) - gamma * log(odds(p))
FLOW = "gradient flow: exact gradients, infinitesimal steps"


def conservation() -> Iterator[Step]:
    """B6-conserved: the slopes of the path, both laws, and the same for one answer against any others."""
    yield identity(
        "Along the flow `theta_C` moves at `1 - a` and `theta_W` at `b` times the speed of `theta_s`.",
        [rate_C, rate_W],
        [(1 - a) * rate_s, b * rate_s],
        where=CUBE,
        using=UNDISCOUNTED,
    )
    yield identity(
        "So both laws have no derivative in time; `exp(theta_C) = a/(1-a)` and `exp(-theta_W) = (1-b)/b`.",
        [law_C, law_W],
        [0, 0],
        where=CUBE,
        using={law_C: along(L_C, UNDISCOUNTED), law_W: along(L_W, UNDISCOUNTED)},
    )
    x, s, r, good, stop, J = sp.symbols("x s r A B J")
    slope_z, slope_stop = x * (1 - x) * derivative(J, x), s * (1 - s) * derivative(J, s)
    any_reward = {J: (x * s * r + (1 - x) * good) / (x * s + (1 - x) * stop)}
    answers = {"x s B": UNIT, "r A": REAL}
    yield identity(
        "Any number of answers, any rewards of submitted answers: answer `y` has probability `x`, stop probability `s` and "
        "reward `r`; the others, in proportions that the `logit z` of `y` does not change, stop with probability `B` and earn A "
        "by stopping. Its stop logit moves at `1 - s` times the speed of `z`,",
        slope_stop,
        (1 - s) * slope_z,
        where=answers,
        using=any_reward,
    )
    yield identity(
        "so stop logit + `exp(stop logit) - z` has no derivative in time, for every answer.",
        (1 + odds(s)) * slope_stop - slope_z,
        0,
        where=answers,
        using=any_reward,
    )


CONSERVED = Claim(
    id="B6-conserved",
    group="B",
    title="Without discount and cap the reward flow ties every decision to its answer by a conservation law",
    statement="""Along the gradient flow of the accuracy at `gamma = 1`, `theta_C + exp(theta_C) - theta_s` and `theta_W -
        exp(-theta_W) - theta_s` do not change. With any number of answers and any rewards of submitted answers, stop logit +
        `exp(stop logit)` - sampling logit does not change, for every answer.""",
    latex=r"\frac{d}{dt}\bigl(\theta_C+e^{\theta_C}-\theta_s\bigr)=\frac{d}{dt}\bigl(\theta_W-e^{-\theta_W}-\theta_s\bigr)=0",
    level="gradient",
    scope=f"{FLOW}; stationary tabular policies, no cap, gamma = 1",
    domain={},
    proof=conservation,
    related=["B6-conserved-loose", "B6-conserved-discount", "B6-share", "B6"],
    notes="""So the path of training is a curve that start and chain fix, whatever `p` is on the way: a run of reward alone cannot
        improve one stage without the other.""",
)

CONSERVED_LOOSE = Claim(
    id="B6-conserved-loose",
    group="B",
    title="The laws of the reward flow hold at any discount",
    statement="Along the gradient flow of the value at any discount, `theta_C + exp(theta_C) - theta_s` does not change.",
    level="gradient",
    scope="the minimal chain, terminal accuracy reward",
    domain={**CUBE, **DISCOUNTED},
    definitions={law_C: along(L_C, ANY)},
    proof=[decide("The derivative in time is zero.", Eq(law_C, 0))],
    recorded="fails",
    witness={"p": "1/2", "a": "1/2", "b": "1/2", "gamma": "1/2"},
    related=["B6-conserved", "B6-conserved-discount"],
)


def with_a_discount() -> Iterator[Step]:
    """B6-conserved-discount: the slopes, the law that survives, and why the other does not."""
    yield identity(
        "The slopes of the path.",
        [rate_W / rate_s, rate_C / rate_s],
        [gamma * b * (1 - b) / (1 - gamma * b), (1 - a) * (1 - gamma * (p + (1 - p) * b)) / ((1 - p) * (1 - gamma * b))],
        using=ANY,
    )
    yield identity("The first depends on `b` alone, so it integrates to a law.", law_W, 0, using={law_W: along(L_GAMMA, ANY)})
    yield identity(
        "The law of `theta_C` at `gamma = 1` grows, relative to `theta_s`, at `p (1 - gamma)/((1 - p)(1 - gamma b))`,",
        law_C / rate_s,
        p * (1 - gamma) / ((1 - p) * (1 - gamma * b)),
        using={law_C: along(L_C, ANY), rate_s: ANY[rate_s]},
    )
    slope = Symbol("slope")
    yield decide(
        "and no other law of `theta_C` and `theta_s` alone takes its place: below `gamma = 1` the slope at a given `p` and a "
        "strictly increases in `b`, and a function of two variables that is constant along two slopes has gradient zero.",
        Implies(gamma < 1, derivative(slope, b) > 0),
        using={slope: (1 - a) * (1 - gamma * (p + (1 - p) * b)) / ((1 - p) * (1 - gamma * b))},
    )


DISCOUNT_LAW = Claim(
    id="B6-conserved-discount",
    group="B",
    title="With a discount, no cap, one law of the reward flow survives in a changed form, the other does not",
    statement="""Along the gradient flow of the value, `(2 - gamma) theta_W - exp(-theta_W) + (1 - gamma) exp(theta_W) - gamma
        theta_s` does not change, since `d theta_W/d theta_s = gamma b(1-b)/(1 - gamma b)`. `theta_C + exp(theta_C) - theta_s`
        strictly increases if `gamma < 1`, and then no differentiable function of `theta_C` and `theta_s` alone is conserved but a
        constant.""",
    latex=r"\frac{d\theta_W}{d\theta_s}=\frac{\gamma b(1-b)}{1-\gamma b}",
    level="gradient",
    scope=f"{FLOW}; all real parameters of the minimal chain, terminal accuracy reward, gamma in (0, 1]",
    domain={**CUBE, **DISCOUNTED},
    proof=with_a_discount,
    related=["B6-conserved", "B6-conserved-loose", "B6-share"],
)


def tends_to_one_half() -> Iterator[Step]:
    """B6-share: sampling and resampling both become certain, and then the share has no choice."""
    q = p * (1 - a) + (1 - p) * b
    yield identity(
        "All three logits rise for ever,",
        [rate * (1 - gamma * q) ** 2 for rate in RATES],
        [
            p * (1 - p) * a * (1 - gamma * b),
            p * a * (1 - a) * (1 - gamma * (p + (1 - p) * b)),
            gamma * p * (1 - p) * a * b * (1 - b),
        ],
        using=ANY,
    )
    low_p, high_p, low_a, high_b = sp.symbols("p_0 P a_0 B")
    yield decide(
        "and `theta_s` without bound: as long as `p <= P` and `b <= B` it rises at a speed of at least `p_0 (1-P) a_0 (1 - gamma "
        "B)`, `p_0` and `a_0` the start's; if `theta_s` stayed below a bound, so would `theta_W` (next step), and such `P`, `B < "
        "1` would exist.",
        p * (1 - p) * a * (1 - gamma * b) >= low_p * (1 - high_p) * low_a * (1 - gamma * high_b),
        given=[low_p <= p, p <= high_p, low_a <= a, b <= high_b],
        where={"p_0 P a_0 B": UNIT},
    )
    yield identity(
        "The law of B6-conserved-discount ties `theta_W` to `gamma theta_s` by a function of `theta_W` with this derivative, at "
        "least 1: `theta_s` is bounded exactly if `theta_W` is. So `p` and `b` both tend to 1, and `a` does not fall.",
        Symbol("dL"),
        2 - gamma + 1 / odds(b) + (1 - gamma) * odds(b),
        using={"dL": differentiate(L_GAMMA, M0.logit("theta_W"))},
    )
    yield decide("(It is at least 1, for every discount.)", 2 - gamma + 1 / odds(b) + (1 - gamma) * odds(b) >= 1)
    start, sampled, decided, end, eps = sp.symbols("F_00 F_10 F_01 F_11 epsilon")
    part_s = ((sampled - start) + (end - decided)) / 2
    part_d = ((decided - start) + (end - sampled)) / 2
    corners = {"F_00 F_10 F_01 F_11": UNIT}
    p_0, a_0, b_0 = sp.symbols("p_0 a_0 b_0")
    corner = {"p_0 a_0 b_0": UNIT}
    accuracy = CHAIN.accuracy((True, False))
    yield identity(
        "The accuracy `F_10` with the new sampling and the old decisions has the odds odds(`p`) `a_0/(1-b_0)`, and `F_01` with "
        "the old sampling and the new decisions odds(`p_0`) `a/(1-b)`: both corners tend to 1, each stage alone being able to do "
        "it all.",
        [odds(sampled), odds(decided)],
        [odds(p) * a_0 / (1 - b_0), odds(p_0) * a / (1 - b)],
        where=corner,
        using={sampled: accuracy.subs({a: a_0, b: b_0}), decided: accuracy.subs(p, p_0)},
    )
    yield identity(
        "The Shapley share of decisions differs from `1/2` by half the difference of the two corners over the gain,",
        part_d / (part_s + part_d) - sp.Rational(1, 2),
        (decided - sampled) / (2 * (end - start)),
        given=[start < end],
        where=corners,
    )
    yield decide(
        "which is below `epsilon/(2 (1 - epsilon - F_00))` as soon as the three accuracies are above `1 - epsilon`.",
        And(
            (decided - sampled) / (end - start) < eps / (1 - eps - start),
            (sampled - decided) / (end - start) < eps / (1 - eps - start),
        ),
        given=[end > 1 - eps, sampled > 1 - eps, decided > 1 - eps, start < 1 - eps],
        where={**corners, eps: UNIT},
    )


SHARE = Claim(
    id="B6-share",
    group="B",
    title="Trained by reward alone, `gamma > 0` and no cap, each stage ends with half of the gain, from every start",
    statement="""Along the gradient flow of the value, with any discount above 0, `p` and `b` tend to 1 and `a` does not
        fall; so either stage alone tends to accuracy 1, and the Shapley share of decisions in the gain of accuracy tends
        to `1/2` from every start.""",
    latex=r"\frac{\phi_d}{\phi_s+\phi_d}-\frac12=\frac{F_{01}-F_{10}}{2(F_{11}-F_{00})}\longrightarrow0",
    level="optimum",
    scope=f"{FLOW}; all real parameters of the minimal chain, terminal accuracy reward, gamma in (0, 1]",
    domain={**CUBE, **DISCOUNTED},
    proof=tends_to_one_half,
    related=["B6-conserved-discount", "B6-rate", "E3"],
    notes="""A share of the gain of reward alone is therefore a statement about how long one trains. From a start whose decisions
        learn more slowly than its sampling it begins below `1/2`. With a discount below 1 the limit is far away, as `1 - b` falls
        like `(1 - gamma)/(gamma log t)` in the time `t` of the flow: from `p`, `a`, `b` = 0.55, 0.8, 0.3 the share at `gamma =
        1/2` is 0.22 at `t = 10^4`, 0.39 at `10^9` and 0.47 at `10^20`; at `gamma = 1` it is 0.463 at `10^4` and 0.4999 at `10^9`.
        The passages to the limit are in the words.""",
)


def speed_of_accuracy() -> Iterator[Step]:
    """B6-rate: an exact rate, and bounds that close in on 2."""
    acc, rate, eps = sp.symbols("Acc dy/dt epsilon")
    accuracy = CHAIN.accuracy((True, False))
    stages = [along_one(1 / (1 - accuracy), i) for i in range(3)]
    yield identity(
        "With `y = 1/(1 - Acc)` sampling alone has the rate `Acc^2`, decisions alone `Acc^2 ((1-a)^2 + b^2)`; together they add "
        "up.",
        [Symbol("y_s"), Symbol("y_d"), rate],
        [acc**2, acc**2 * ((1 - a) ** 2 + b**2), acc**2 * (1 + (1 - a) ** 2 + b**2)],
        using={acc: accuracy, "y_s": stages[0], "y_d": stages[1] + stages[2], rate: along(1 / (1 - accuracy), UNDISCOUNTED)},
    )
    tends = acc**2 * (1 + (1 - a) ** 2 + b**2)
    near = {"Acc epsilon": UNIT}
    yield decide(
        "The rate is between `Acc^2` and 3, so `y` grows without bound, at most linearly,",
        And(tends > acc**2, tends < 3),
        where={"Acc": UNIT},
    )
    yield decide(
        "and within `6 epsilon` of 2 as soon as `a`, `b` and `Acc` are above `1 - epsilon`, which B6-share and the next step say "
        "they are.",
        And(tends > 2 - 6 * eps, tends < 2 + 6 * eps),
        given=[acc > 1 - eps, a > 1 - eps, b > 1 - eps],
        where=near,
    )
    E = Symbol("E")
    yield decide(
        "By B6-conserved `log E + E`, `E = exp(theta_C) = a/(1-a)`, is `theta_s` up to a constant, and it increases in `E`. As "
        "`theta_s` grows without bound, so does `E`: a tends to 1.",
        derivative(log(E) + E, E) > 0,
        where={E: POSITIVE},
    )


def along_one(quantity: sp.Expr, stage: int) -> sp.Expr:
    """The part of the time derivative that is due to one logit."""
    return differentiate(quantity, M0.logits[stage]) * UNDISCOUNTED[RATES[stage]]


RATE = Claim(
    id="B6-rate",
    group="B",
    title="Without discount and cap the reward flow makes `1/(1 - Acc)` grow at a rate that tends to 2, one for each stage",
    statement="""Along the gradient flow of the accuracy at `gamma = 1`, `1/(1 - Acc)` grows at the rate `Acc^2 (1 +
        (1-a)^2 + b^2)`, of which `Acc^2` is due to sampling. The rate tends to 2, so `1 - Acc` behaves like `1/(2t)`.""",
    latex=r"\frac{d}{dt}\frac1{1-\mathrm{Acc}}=\mathrm{Acc}^2\bigl(1+(1-a)^2+b^2\bigr)\longrightarrow2",
    level="gradient",
    scope=f"{FLOW}; all real parameters of the minimal chain, terminal accuracy reward, gamma = 1",
    domain=CUBE,
    proof=speed_of_accuracy,
    related=["B6-share", "B6-conserved"],
    notes="""If one stage is frozen, only the other's part of the rate is left. That a quantity whose rate tends to 2 behaves like
        `2t` is in the words; so is that the path reaches the limits named.""",
)
