"""Group B, direction: when a reward pushes sampling down (B6)."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import Equivalent

from dstheory.claims import (
    CLOSED_UNIT,
    NONNEGATIVE,
    REAL,
    UNIT,
    Claim,
    Step,
    counterexample,
    decide,
    identity,
)
from dstheory.symbolic.chain import Chain, discount, reward
from dstheory.symbolic.policy import differentiate, minimal_policy
from dstheory.symbolic.symbols import symbol

p, a, b, gamma, kappa = map(symbol, ["p", "a", "b", "gamma", "kappa"])
M0 = minimal_policy()
chain = Chain(M0)
TERMINAL = reward((1, 0), (0, 0))
CUBE = {"p a b": UNIT}
g_s, q, N, u_C, u_W = sp.symbols("dV/dtheta_s q N u_C u_W")
VISITS = {q: p * (1 - a) + (1 - p) * b, N: 1 / (1 - gamma * q)}


def sampling_gradient(table: object) -> sp.Expr:
    """dV/dtheta_s for a reward table, differentiated by SymPy."""
    return differentiate(chain.value(table, discount()), M0.logit("theta_s"))


def accuracy_reward_lifts_sampling() -> Iterator[Step]:
    """B6: a factorisation in which every factor is positive."""
    yield identity("The sampling gradient factors.", g_s, N**2 * p * (1 - p) * a * (1 - gamma * b))
    yield decide("Every factor is positive.", g_s > 0)


B6 = Claim(
    id="B6",
    group="B",
    title="A terminal accuracy reward never pushes sampling down",
    statement="""With reward 1 for submitting a correct answer and nothing else, dV/dtheta_s = N^2 p(1-p) a (1 - gamma
        b) > 0 on the whole open cube.""",
    latex=r"\partial_{\theta_s}V=N^2\,p(1-p)\,a\,(1-\gamma b)>0",
    level="gradient",
    scope="all real parameters of the minimal chain, gamma in [0, 1]",
    domain={**CUBE, "gamma": CLOSED_UNIT},
    definitions={**VISITS, g_s: sampling_gradient(TERMINAL)},
    proof=accuracy_reward_lifts_sampling,
    related=["B6-loose", "B6-region", "B6-price"],
)

DECISIONS = reward((1, 0), (0, 1))

B6_LOOSE = Claim(
    id="B6-loose",
    group="B",
    title="A reward for good behaviour never pushes sampling down",
    statement="""A reward of 1 for every right decision (stop on a correct answer, resample on a wrong one) never
        lowers the probability of a correct answer: dV/dtheta_s >= 0.""",
    level="gradient",
    scope="the minimal chain, reward 1 for each right decision",
    domain={**CUBE, "gamma": UNIT},
    definitions={g_s: sampling_gradient(DECISIONS)},
    proof=[decide("Sampling is not pushed down.", g_s >= 0)],
    recorded="fails",
    witness={"p": "1/2", "a": "1/2", "b": "2/3", "gamma": "1/2"},
    related=["B6", "B6-region"],
    notes="""The figure of the source's simulation shows this effect, P(correct) falling from 0.55 to 0.50, which a
        terminal accuracy reward cannot produce (B6).""",
)


def sabotage_region() -> Iterator[Step]:
    """B6-region: two always-right and always-wrong chains compared."""
    R = [symbol(f"R_{name}") for name in ("SC", "SW", "RC", "RW")]
    table = reward((R[0], R[1]), (R[2], R[3]))
    mean = {u_C: a * R[0] + (1 - a) * R[2], u_W: (1 - b) * R[1] + b * R[3]}
    where = {"R_SC R_SW R_RC R_RW": REAL}
    yield identity(
        "With any rewards; u_C, u_W are the mean rewards of the decision on a correct and on a wrong answer.",
        g_s,
        N**2 * p * (1 - p) * (u_C * (1 - gamma * b) - u_W * (1 - gamma * (1 - a))),
        where=where,
        using={g_s: sampling_gradient(table), **mean},
    )
    yield decide(
        "So sampling is pushed down exactly where a chain that is always wrong, worth u_W/(1 - gamma b), is worth "
        "more than one that is always correct, u_C/(1 - gamma(1-a)). This does not depend on p.",
        Equivalent(g_s < 0, u_W / (1 - gamma * b) > u_C / (1 - gamma * (1 - a))),
        where={"u_C u_W": REAL},
        using={g_s: N**2 * p * (1 - p) * (u_C * (1 - gamma * b) - u_W * (1 - gamma * (1 - a)))},
    )
    yield decide(
        "Reward 1 for each right decision (u_C = a, u_W = b): the sabotage region is b(1 - gamma) + 2 gamma a b > a.",
        Equivalent(g_s < 0, b * (1 - gamma) + 2 * gamma * a * b > a),
        using={g_s: sampling_gradient(DECISIONS)},
    )
    eta = symbol("eta")
    yield decide(
        "Terminal accuracy plus a bonus eta for resampling a wrong answer: eta > a(1 - gamma b)/(b(1 - gamma(1-a))).",
        Equivalent(g_s < 0, eta * b * (1 - gamma * (1 - a)) > a * (1 - gamma * b)),
        where={"eta": NONNEGATIVE},
        using={g_s: sampling_gradient(reward((1, 0), (0, eta)))},
    )


B6_REGION = Claim(
    id="B6-region",
    group="B",
    title="Sabotage region: a reward on decisions pushes sampling down exactly where being wrong is worth more",
    statement="""With any rewards dV/dtheta_s < 0 exactly where u_W/(1 - gamma b) > u_C/(1 - gamma(1-a)), u_C and u_W
        the mean decision rewards on a correct and on a wrong answer; it does not depend on p. For reward 1 per right
        decision this is b(1 - gamma) + 2 gamma a b > a.""",
    latex=r"\partial_{\theta_s}V<0\iff\frac{u_W}{1-\gamma b}>\frac{u_C}{1-\gamma(1-a)}",
    level="gradient",
    scope="all real parameters of the minimal chain, any rewards, gamma in [0, 1]",
    domain={**CUBE, "gamma": CLOSED_UNIT},
    definitions=VISITS,
    proof=sabotage_region,
    related=["B6", "B6-loose", "B6-price"],
    notes="""Without discount the region of reward 1 per right decision is 2ab > a, that is b > 1/2: it pays to be
        wrong and notice it as soon as wrong answers are more often noticed than not.""",
)


def price_of_a_resample() -> Iterator[Step]:
    """B6-price: the price changes sides only through a + b."""
    priced = {g_s: sampling_gradient(reward((1, 0), (-kappa, -kappa)))}
    yield identity(
        "With a price kappa per resample the sampling gradient is that of B6 minus a term in 1 - a - b.",
        g_s,
        N**2 * p * (1 - p) * (a * (1 - gamma * b) - kappa * (1 - a - b)),
        using=priced,
    )
    yield decide("Hence the exact condition.", Equivalent(g_s < 0, kappa * (1 - a - b) > a * (1 - gamma * b)), using=priced)
    yield decide(
        "If decisions are informative, a + b >= 1, no price pushes sampling down.", g_s > 0, given=[a + b >= 1], using=priced
    )
    yield counterexample(
        "The condition is needed: at p = 1/2, a = b = 1/4 and kappa = 1, being correct only costs another resample.",
        g_s > 0,
        at={p: "1/2", a: "1/4", b: "1/4", kappa: 1, gamma: 1},
        using=priced,
    )


B6_PRICE = Claim(
    id="B6-price",
    group="B",
    title="With a price per resample, accuracy still lifts sampling if a + b >= 1",
    statement="""With terminal accuracy reward and a price kappa per resample, dV/dtheta_s < 0 exactly where kappa(1 -
        a - b) > a(1 - gamma b); if a + b >= 1 it is positive at any price.""",
    latex=r"\partial_{\theta_s}V<0\iff\kappa(1-a-b)>a(1-\gamma b)",
    level="gradient",
    scope="all real parameters of the minimal chain, kappa >= 0, gamma in [0, 1]",
    domain={**CUBE, "gamma": CLOSED_UNIT, "kappa": NONNEGATIVE},
    definitions=VISITS,
    proof=price_of_a_resample,
    recorded="holds under condition",
    related=["B6", "B6-region"],
)
