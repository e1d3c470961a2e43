"""Group B, direction: when a reward pushes sampling down (B6): two answers, any number of them, and rewards on decisions."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import Equivalent, Implies, Symbol

from dstheory.claims import (
    CLOSED_UNIT,
    NONNEGATIVE,
    POSITIVE,
    REAL,
    UNIT,
    Claim,
    Step,
    between,
    counterexample,
    decide,
    derivative,
    identity,
)
from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import SymbolicChain, discount, reward
from dstheory.symbolic.policy import differentiate, minimal_policy

p, a, b, gamma, kappa = map(symbol, ["p", "a", "b", "gamma", "kappa"])
M0 = minimal_policy()
chain = SymbolicChain(M0)
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
    title="With two answers a terminal accuracy reward never pushes sampling down",
    statement="""With one right and one wrong answer, and reward 1 for submitting the right one and nothing else,
        `dV/dtheta_s = N^2 p(1-p) a (1 - gamma b) > 0` on the whole open cube.""",
    latex=r"\partial_{\theta_s}V=N^2\,p(1-p)\,a\,(1-\gamma b)>0",
    level="gradient",
    scope="all real parameters of the minimal chain, gamma in [0, 1]",
    domain={**CUBE, "gamma": CLOSED_UNIT},
    definitions={**VISITS, g_s: sampling_gradient(TERMINAL)},
    proof=accuracy_reward_lifts_sampling,
    related=["B6-loose", "B6-answers", "B6-undiscounted", "B6-natural", "B6-region", "B6-price"],
    notes="""With more answers it can (B6-answers): gradient ascent on logits moves an answer in proportion to the square of its
        probability, so that a frequent right answer worth less than the average takes others of its kind along.""",
)

# --- any number of answers --------------------------------------------------------------------------------------------

pi_1, pi_2, pi_3, s_1, s_2, s_3, z_1 = sp.symbols("pi_1 pi_2 pi_3 s_1 s_2 s_3 z_1")
right, wrong, P, Acc, value, visits = sp.symbols("S_right S_wrong P Acc V n")


def three_answers() -> dict[sp.Symbol, sp.Expr]:
    """A chain of two right answers and a wrong one: value, and the slope of P along the gradient flow of the logits."""
    pi, stop, correct = (pi_1, pi_2, 1 - pi_1 - pi_2), (s_1, s_2, s_3), (1, 1, 0)
    again = sum(x * (1 - s) for x, s in zip(pi, stop, strict=True))
    turns = 1 / (1 - gamma * again)
    worth = turns * sum(x * s * c for x, s, c in zip(pi, stop, correct, strict=True))
    slopes = [turns * x * (s * c + (1 - s) * gamma * worth - worth) for x, s, c in zip(pi, stop, correct, strict=True)]
    total = pi[0] + pi[1]
    flow = sum(x * (c - total) * slope for x, c, slope in zip(pi, correct, slopes, strict=True))
    return {value: worth, g_s: slopes[0], Symbol("dP/dt"): flow}


def softmax_slope() -> Step:
    """The derivative of the value in one logit of three, taken by SymPy, against visits times advantage."""
    others = sp.symbols("y_2 y_3")
    x = [sp.exp(z_1), *others]
    pi = [item / sum(x) for item in x]
    again = sum(share * (1 - s) for share, s in zip(pi, (s_1, s_2, s_3), strict=True))
    worth = (pi[0] * s_1 + pi[1] * s_2) / (1 - gamma * again)
    return identity(
        "The derivative of the value in the logit of an answer is `N pi (Q - V)`: three answers, two of them right, `y_2` and "
        "`y_3` the exponentials of the other logits.",
        derivative(value, z_1),
        pi[0] / (1 - gamma * again) * (s_1 + (1 - s_1) * gamma * value - value),
        where={"z_1": REAL, "y_2 y_3": POSITIVE, "s_1 s_2 s_3 gamma": UNIT},
        using={value: worth},
        lemma=True,
    )


def undiscounted() -> Iterator[Step]:
    """B6-undiscounted: advantages of right answers are positive, of wrong ones negative, and so is what squares weigh."""
    stop, slope, total = Symbol("s"), Symbol("dP/dt"), Symbol("P_3")
    sums = sp.symbols("S_right_3 S_wrong_3")
    yield softmax_slope()
    yield identity(
        "Without discount an answer that stops with probability `s` has the advantage `s (1 - Acc)` if it is right and `-s Acc` "
        "if it is wrong, since the value is the accuracy.",
        [stop + (1 - stop) * Acc - Acc, (1 - stop) * Acc - Acc],
        [stop * (1 - Acc), -stop * Acc],
        where={"s": UNIT},
    )
    table = three_answers()
    yield identity(
        "Three answers, two of them right: `P` moves with `N` times `(1-P) (1-Acc) S_right + P Acc S_wrong`, `S` the sums of "
        "`pi^2 s`.",
        slope * (1 - pi_1 * (1 - s_1) - pi_2 * (1 - s_2) - (1 - pi_1 - pi_2) * (1 - s_3)),
        (1 - total) * (1 - value) * sums[0] + total * value * sums[1],
        where={"pi_1 pi_2": UNIT, "s_1 s_2 s_3": UNIT},
        given=[pi_1 + pi_2 < 1],
        using={
            total: pi_1 + pi_2,
            value: table[value].subs(gamma, 1),
            sums[0]: pi_1**2 * s_1 + pi_2**2 * s_2,
            sums[1]: (1 - pi_1 - pi_2) ** 2 * s_3,
            slope: table[slope].subs(gamma, 1),
        },
        lemma=True,
    )
    yield decide(
        "With any number of answers `dP/dt` is the sum over right answers of `pi (1-P) dtheta/dt` less the sum over wrong ones "
        "of `pi P dtheta/dt`, with `dtheta/dt = N pi A`: `N` times the same expression, with sums `S_right`, `S_wrong > 0`. It "
        "is positive.",
        (1 - P) * (1 - Acc) * right - P * (-Acc) * wrong > 0,
    )


B6_UNDISCOUNTED = Claim(
    id="B6-undiscounted",
    group="B",
    title="Without discount and cap a terminal accuracy reward never lowers `P(correct)`, however many answers there are",
    statement="""At `gamma = 1`, without a cap, for any number of right and of wrong answers: along the gradient flow of the
        sampling logits `dP(correct)/dt = N [(1-P)(1-Acc) sum_right pi^2 s + P Acc sum_wrong pi^2 s] > 0`, `s` the stop
        probabilities.""",
    latex=r"\dot P=N\Bigl[(1-P)(1-\mathrm{Acc})\sum_{\text{right}}\pi^2s+P\,\mathrm{Acc}\sum_{\text{wrong}}\pi^2s\Bigr]>0",
    level="gradient",
    scope=(
        "one prompt, tabular softmax, any number of answers, gamma = 1, no cap; the derivative itself by SymPy "
        "for three answers"
    ),
    domain={"P Acc": UNIT, "S_right S_wrong": POSITIVE},
    proof=undiscounted,
    related=["B6", "B6-answers", "B6-natural"],
)


def natural() -> Iterator[Step]:
    """B6-natural: the natural gradient moves an answer by pi times its advantage, and right answers are worth more."""
    share, advantage, speed = sp.symbols("pi_i A_i c")
    m_right, m_wrong, worth = sp.symbols("Q_right Q_wrong v")
    stop = Symbol("s")
    yield identity(
        "The Fisher information of the sampling logits is `n (diag(pi) - pi pi^T)`, `n` the undiscounted visits. It takes `c A`, "
        "with `c = N/n` and `sum pi A = 0`, to the gradient `N pi A`: so the natural gradient moves the logits by `c A`,",
        visits * (share * speed * advantage - share * 0),
        N * share * advantage,
        where={"pi_i": UNIT, "A_i": REAL, "n N": POSITIVE},
        using={speed: N / visits},
        lemma=True,
    )
    yield identity(
        "and `P(correct)` by `c` times the sum of `pi` A over right answers, `c P (1-P) (Q_right - Q_wrong)`: `Q_right` and "
        "`Q_wrong` the mean values of right and of wrong answers, `V = P Q_right + (1-P) Q_wrong`.",
        P * (m_right - value),
        P * (1 - P) * (m_right - m_wrong),
        where={"Q_right Q_wrong": REAL},
        using={value: P * m_right + (1 - P) * m_wrong},
    )
    yield decide(
        "Every right answer is worth more than starting over, `gamma V = v < 1`, and no wrong one is: `s + (1-s) v > v` "
        "and `(1-s) v <= v`, at any stop probability `s`.",
        (stop + (1 - stop) * worth > worth) & ((1 - stop) * worth <= worth),
        where={"s": UNIT, "v": between(0, 1, "[)")},
        lemma=True,
    )
    yield decide(
        "Hence so are the means, and `P` rises.",
        Implies((m_right > worth) & (m_wrong <= worth), P * (1 - P) * (m_right - m_wrong) > 0),
        where={"Q_right Q_wrong": REAL, "v": between(0, 1, "[)")},
    )


B6_NATURAL = Claim(
    id="B6-natural",
    group="B",
    title="The natural gradient of a terminal accuracy reward never lowers `P(correct)`, however many answers there are",
    statement="""For any number of right and of wrong answers and any discount, without a cap, the natural gradient moves
        `P(correct)` by `(N/n) P (1-P) (Q_right - Q_wrong) > 0`, `Q_right` and `Q_wrong` the mean action values of right
        and of wrong answers, `N` and `n` the discounted and undiscounted visits.""",
    latex=r"\dot P=\tfrac Nn\,P(1-P)\,(\bar Q_{\text{right}}-\bar Q_{\text{wrong}})>0",
    level="fisher",
    scope="one prompt, tabular softmax, any number of answers, gamma in [0, 1], no cap",
    domain={"P": UNIT},
    proof=natural,
    related=["B6", "B6-answers", "B6-undiscounted"],
)

share = Symbol("x")
SPLIT = {pi_1: P * share, pi_2: P * (1 - share)}

B6_ANSWERS = Claim(
    id="B6-answers",
    group="B",
    title="With more than two answers a terminal accuracy reward never lowers `P(correct)`",
    statement="""With two right answers and a wrong one and reward 1 for submitting a right one, `P(correct)` never falls
        along the gradient flow of the sampling logits.""",
    level="gradient",
    scope="three answers, gamma = 1/2; the first right answer has the share x of P(correct) and stops with s_1, others with s",
    domain={"P x s_1 s": UNIT},
    definitions={
        Symbol("dP/dt"): three_answers()[Symbol("dP/dt")]
        .subs({gamma: sp.Rational(1, 2), s_2: Symbol("s"), s_3: Symbol("s")})
        .subs(SPLIT)
    },
    proof=[decide("`P` does not fall.", Symbol("dP/dt") >= 0)],
    recorded="fails",
    witness={"P": "7/8", "x": "1/5", "s_1": "3/4", "s": "1/8"},
    related=["B6", "B6-undiscounted", "B6-natural"],
    notes="""The right answer that is mostly resampled is worth less than the average and is the more frequent one: its logit
        falls, and softmax gives what it loses to all others. At `gamma = 1/5`, `pi = (1/5, 3/4, 1/20)` and stop probabilities
        (`1/2`, `1/5`, `1/5`) it falls too; the natural gradient (B6-natural) never does this.""",
)

DECISIONS = reward((1, 0), (0, 1))

B6_LOOSE = Claim(
    id="B6-loose",
    group="B",
    title="A reward for good behaviour never pushes sampling down",
    statement="""A reward of 1 for every right decision (stop on a correct answer, resample on a wrong one) never
        lowers the probability of a correct answer: `dV/dtheta_s >= 0`.""",
    level="gradient",
    scope="the minimal chain, reward 1 for each right decision",
    domain={**CUBE, "gamma": UNIT},
    definitions={g_s: sampling_gradient(DECISIONS)},
    proof=[decide("Sampling is not pushed down.", g_s >= 0)],
    recorded="fails",
    witness={"p": "1/2", "a": "1/2", "b": "2/3", "gamma": "1/2"},
    related=["B6", "B6-region"],
    notes="""The figure of the source's simulation shows this effect, `P(correct)` falling from 0.55 to 0.50, which a
        terminal accuracy reward cannot produce with two answers (B6).""",
)


def sabotage_region() -> Iterator[Step]:
    """B6-region: two always-right and always-wrong chains compared."""
    R = [symbol(f"R_{name}") for name in ("SC", "SW", "RC", "RW")]
    table = reward((R[0], R[1]), (R[2], R[3]))
    mean = {u_C: a * R[0] + (1 - a) * R[2], u_W: (1 - b) * R[1] + b * R[3]}
    where = {"R_SC R_SW R_RC R_RW": REAL}
    yield identity(
        "With any rewards; `u_C`, `u_W` are the mean rewards of the decision on a correct and on a wrong answer.",
        g_s,
        N**2 * p * (1 - p) * (u_C * (1 - gamma * b) - u_W * (1 - gamma * (1 - a))),
        where=where,
        using={g_s: sampling_gradient(table), **mean},
    )
    yield decide(
        "So sampling is pushed down exactly where a chain that is always wrong, worth `u_W/(1 - gamma b)`, is worth "
        "more than one that is always correct, `u_C/(1 - gamma(1-a))`. This does not depend on `p`.",
        Equivalent(g_s < 0, u_W / (1 - gamma * b) > u_C / (1 - gamma * (1 - a))),
        where={"u_C u_W": REAL},
        using={g_s: N**2 * p * (1 - p) * (u_C * (1 - gamma * b) - u_W * (1 - gamma * (1 - a)))},
    )
    yield decide(
        "Reward 1 for each right decision (`u_C = a`, `u_W = b`): the sabotage region is `b(1 - gamma) + 2 gamma a b > a`.",
        Equivalent(g_s < 0, b * (1 - gamma) + 2 * gamma * a * b > a),
        using={g_s: sampling_gradient(DECISIONS)},
    )
    eta = symbol("eta")
    yield decide(
        "Terminal accuracy plus a bonus `eta` for resampling a wrong answer: `eta > a(1 - gamma b)/(b(1 - gamma(1-a)))`.",
        Equivalent(g_s < 0, eta * b * (1 - gamma * (1 - a)) > a * (1 - gamma * b)),
        where={"eta": NONNEGATIVE},
        using={g_s: sampling_gradient(reward((1, 0), (0, eta)))},
    )


B6_REGION = Claim(
    id="B6-region",
    group="B",
    title="Sabotage region: a reward on decisions pushes sampling down exactly where being wrong is worth more",
    statement="""With any rewards `dV/dtheta_s < 0` exactly where `u_W/(1 - gamma b) > u_C/(1 - gamma(1-a))`, `u_C` and `u_W`
        the mean decision rewards on a correct and on a wrong answer; it does not depend on `p`. For reward 1 per right
        decision this is `b(1 - gamma) + 2 gamma a b > a`.""",
    latex=r"\partial_{\theta_s}V<0\iff\frac{u_W}{1-\gamma b}>\frac{u_C}{1-\gamma(1-a)}",
    level="gradient",
    scope="all real parameters of the minimal chain, any rewards, gamma in [0, 1]",
    domain={**CUBE, "gamma": CLOSED_UNIT},
    definitions=VISITS,
    proof=sabotage_region,
    related=["B6", "B6-loose", "B6-price"],
    notes="""Without discount the region of reward 1 per right decision is 2ab > `a`, that is `b > 1/2`: it pays to be
        wrong and notice it as soon as wrong answers are more often noticed than not.""",
)


def price_of_a_resample() -> Iterator[Step]:
    """B6-price: the price changes sides only through a + b."""
    priced = {g_s: sampling_gradient(reward((1, 0), (-kappa, -kappa)))}
    yield identity(
        "With a price `kappa` per resample the sampling gradient is that of B6 minus a term in `1 - a - b`.",
        g_s,
        N**2 * p * (1 - p) * (a * (1 - gamma * b) - kappa * (1 - a - b)),
        using=priced,
    )
    yield decide("Hence the exact condition.", Equivalent(g_s < 0, kappa * (1 - a - b) > a * (1 - gamma * b)), using=priced)
    yield decide(
        "If decisions are informative, `a + b >= 1`, no price pushes sampling down.", g_s > 0, given=[a + b >= 1], using=priced
    )
    yield counterexample(
        "The condition is needed: at `p = 1/2`, `a = b = 1/4` and `kappa = 1`, being correct only costs another resample.",
        g_s > 0,
        at={p: "1/2", a: "1/4", b: "1/4", kappa: 1, gamma: 1},
        using=priced,
    )


B6_PRICE = Claim(
    id="B6-price",
    group="B",
    title="With a price per resample, accuracy still lifts sampling if `a + b >= 1`",
    statement="""With terminal accuracy reward and a price `kappa` per resample, `dV/dtheta_s < 0` exactly where `kappa(1 -
        a - b) > a(1 - gamma b)`; if `a + b >= 1` it is positive at any price.""",
    latex=r"\partial_{\theta_s}V<0\iff\kappa(1-a-b)>a(1-\gamma b)",
    level="gradient",
    scope="all real parameters of the minimal chain, kappa >= 0, gamma in [0, 1]",
    domain={**CUBE, "gamma": CLOSED_UNIT, "kappa": NONNEGATIVE},
    definitions=VISITS,
    proof=price_of_a_resample,
    recorded="holds under condition",
    related=["B6", "B6-region"],
)
