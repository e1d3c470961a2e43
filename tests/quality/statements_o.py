"""Plausible false statements about the objectives people train with, each with the smallest point that refutes it.

Expected updates are enumerated group by group or trajectory by trajectory, coefficients differentiated from surrogates; what is
claimed of them was written down wrong on purpose.
"""

from __future__ import annotations

from itertools import product

import sympy as sp
from quality.statements_ab import FalseStatement
from sympy import And, Eq, Equivalent, Implies, Max, Min

from dstheory.claims import NONNEGATIVE, POSITIVE, REAL, UNIT, at_least, between
from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import Payoff, SymbolicChain, payoff_at, reward
from dstheory.symbolic.objectives import lookup
from dstheory.symbolic.policy import differentiate, minimal_policy
from dstheory.symbolic.setting import setting
from dstheory.symbolic.updates import expected_update, score, trajectories

p, a, b, alpha = map(symbol, ["p", "a", "b", "alpha"])
x, u, G, L, eps, r, A, rho, J, m = sp.symbols("x u G L epsilon r A rho J m")
v = -x * u / (1 - x)
HALF = sp.Rational(1, 2)
GROUP = {"x": UNIT, "u": REAL}
CUBE = {"p a b": UNIT}


def group(size: int, credit: object) -> sp.Expr:
    """The expected update of a group: mean over responses of credit x score, by all outcomes."""
    total = []
    for outcome in product((0, 1), repeat=size):
        chance = sp.Mul(*[x if right else 1 - x for right in outcome])
        total += [chance * credit(outcome, i) * (u if outcome[i] else v) / size for i in range(size)]  # type: ignore[operator]
    return sp.Add(*total)


def std_weight(size: int, ddof: int = 1) -> sp.Expr:
    """The weight of a prompt by the standard deviation of its groups."""
    terms = [
        sp.binomial(size, k) * x**k * (1 - x) ** (size - k) * sp.sqrt(k * (size - k)) for k in range(size + 1)
    ]
    return sp.sqrt(sp.Rational(size - ddof, size)) * sp.Add(*terms) / (size * x * (1 - x))


M0 = minimal_policy()
CAPPED = SymbolicChain(M0, 2)
OUTCOMES = [
    (t.probability, payoff_at(reward((1, 0), (0, 0)), 0).decision(*t.steps[-1]), t.steps) for t in trajectories(CAPPED)
]


def tokens(steps: tuple, right: int, wrong: int) -> int:
    """The tokens of a trajectory with answers of these lengths and decisions of one token."""
    return sum((right, wrong)[y] + (d is not None) for y, d in steps)


def scored(logit: str, value: object) -> sp.Expr:
    """E[value x score] of a logit over the six trajectories of two turns."""
    which = M0.logit(logit)
    return sp.Add(
        *[
            chance * value(gain, steps) * sp.Add(*[sum(score(M0, which, k, *step)) for k, step in enumerate(steps)])  # type: ignore[operator]
            for chance, gain, steps in OUTCOMES
        ]
    )


accuracy = CAPPED.accuracy((True, False))
over_length = scored("theta_W", lambda gain, steps: sp.Rational(1, tokens(steps, 1, 1)))
mean_length = sp.Add(*[chance * tokens(steps, 1, 2) for chance, _, steps in OUTCOMES])
centred_over_length = scored("theta_s", lambda gain, steps: (gain - accuracy) / tokens(steps, 1, 2))
reward_length = sp.Add(*[chance * gain * tokens(steps, 1, 2) for chance, gain, steps in OUTCOMES])
GRADIENT = differentiate(accuracy, M0.logit("theta_s"))
clipped = Min(rho * A, Min(Max(rho, 1 - eps), 1 + eps) * A)
first = minimal_policy(turns=2)
zero = (sp.S.Zero, sp.S.Zero)
SHAPED = SymbolicChain(first, 2).value((Payoff(zero, (2, 0), (1 - alpha, 0)), Payoff(zero, (1 + alpha, 0), zero)))
first_attempt = differentiate(SHAPED, first.logit("theta_s_t0"))
TWO_TURNS = {"p_t0 a_t0 b_t0 p_t1": UNIT, "alpha": NONNEGATIVE}
plain = setting()
dft = {
    name.name: g.subs({symbol("l_s"): 1, symbol("l_d"): 1, symbol("Lbar_E"): 1})
    for name, g in expected_update(plain, lookup("dft")).items()
}
EXPERT = {"p_E a_E b_E": UNIT}
k2, k3 = sp.log(x / r), 1 - r / x
LENGTHS = {"L": at_least(1), "J": UNIT}

STATEMENTS = [
    # --- groups
    FalseStatement(
        "centring by the group keeps G/(G-1) of the gradient",
        Eq(group(3, lambda o, i: o[i] - sp.Rational(sum(o), 3)), sp.Rational(3, 2) * x * u),
        GROUP,
        "x=1/2 u=1",
    ),
    FalseStatement(
        "RLOO too keeps only (G-1)/G",
        Eq(group(3, lambda o, i: o[i] - sp.Rational(sum(o) - o[i], 2)), sp.Rational(2, 3) * x * u),
        GROUP,
        "x=1/2 u=1",
    ),
    FalseStatement("the std weight is largest at x = 1/2", std_weight(4) <= std_weight(4).subs(x, HALF), {"x": UNIT}, "x=1/3"),
    FalseStatement("the std weight exceeds 1/sqrt(x(1-x))", std_weight(4) ** 2 * x * (1 - x) > 1, {"x": UNIT}, "x=1/2"),
    FalseStatement(
        "the std weight reaches (1 - 1/G)/sqrt(x(1-x))",
        std_weight(2) ** 2 * x * (1 - x) >= sp.Rational(1, 4),
        {"x": UNIT},
        "x=1/2",
    ),
    FalseStatement(
        "the std weight is within the fraction 1/G of its limit",
        std_weight(4) ** 2 * x * (1 - x) >= sp.Rational(9, 16),
        {"x": UNIT},
        "x=1/2",
    ),
    FalseStatement(
        "sample and population std weigh alike", Eq(std_weight(3), std_weight(3, ddof=0)), {"x": UNIT}, "x=1/2"
    ),
    FalseStatement(
        "sample variance of a group: K(G-K)/G^2",
        Eq((x * G * (1 - x) ** 2 + (G - x * G) * x**2) / (G - 1), x * (1 - x)),
        {"x": UNIT, "G": at_least(2, integer=True)},
        "x=1/2 G=2",
    ),
    # --- lengths
    FalseStatement("1/L: a longer success is credited more", Implies(L > 2, (1 - J) / L > (1 - J) / 2), LENGTHS, "L=3 J=1/2"),
    FalseStatement("1/L: a longer wrong response is punished more", Implies(L > 2, -J / L < -J / 2), LENGTHS, "L=3 J=1/2"),
    FalseStatement("1/L: the mean of score/L is zero", Eq(over_length, 0), {"p b": UNIT}, "p=1/2 b=1/2"),
    FalseStatement("1/L: k1 in the loss shortens responses", over_length > 0, {"p b": UNIT}, "p=1/2 b=1/2"),
    FalseStatement(
        "1/L divides the gradient by the mean length",
        Eq(centred_over_length, GRADIENT / mean_length),
        CUBE,
        "p=1/2 a=1/2 b=1/2",
    ),
    FalseStatement("E[1/L] is 1/E[L]", Eq(sp.Add(*[c * sp.Rational(1, tokens(t, 1, 1)) for c, _, t in OUTCOMES]) * sp.Add(
        *[c * tokens(t, 1, 1) for c, _, t in OUTCOMES]), 1), CUBE, "p=1/2 a=1/2 b=1/2"),
    FalseStatement(
        "whitening by tokens subtracts the success rate",
        Eq(reward_length / mean_length, accuracy),
        CUBE,
        "p=1/2 a=1/2 b=1/2",
    ),
    FalseStatement("token mean per group: longer prompts count more", Implies(L > 2, 1 / L > HALF), {"L": at_least(1)}, "L=3"),
    # --- ratios and clipping
    FalseStatement(
        "clipping stops at 1 + epsilon whatever the advantage",
        Implies(rho > 1 + eps, Eq(clipped, (1 + eps) * A)),
        {"rho": POSITIVE, "A": REAL, "epsilon": UNIT},
        "rho=2 A=-1 epsilon=1/2",
    ),
    FalseStatement(
        "the clipped surrogate of a success is at least (1 - epsilon) A",
        Implies(A > 0, clipped >= (1 - eps) * A),
        {"rho": POSITIVE, "A": REAL, "epsilon": UNIT},
        "rho=1/2 A=1 epsilon=1/3",
    ),
    FalseStatement(
        "two clipped tokens stay within 1 + 2 epsilon",
        Implies(And(rho <= 1 + eps, r <= 1 + eps), rho * r <= 1 + 2 * eps),
        {"rho r epsilon": POSITIVE},
        "rho=2 r=2 epsilon=1",
    ),
    FalseStatement(
        "two tokens clipped from below stay above 1 - epsilon",
        Implies(And(rho >= 1 - eps, r >= 1 - eps), rho * r >= 1 - eps),
        {"rho r": POSITIVE, "epsilon": UNIT},
        "rho=1/2 r=1/2 epsilon=1/2",
    ),
    FalseStatement(
        "token mean: a ratio of means is the mean of the ratios",
        Eq((x / L + r / m) / 2, (x + r) / (L + m)),
        {"x r": UNIT, "L m": at_least(1)},
        "x=1/2 r=1/2 L=1 m=2",
    ),
    FalseStatement(
        "the geometric mean of ratios bounds each of them",
        Implies(rho * r <= (1 + eps) ** 2, rho <= 1 + eps),
        {"rho r epsilon": POSITIVE},
        "rho=2 r=1 epsilon=1/2",
    ),
    FalseStatement(
        "a truncated ratio never changes the update",
        Eq(Min(rho, 1 + eps) * A, rho * A),
        {"rho epsilon": POSITIVE, "A": REAL},
        "rho=2 epsilon=1/2 A=1",
    ),
    # --- token probabilities
    FalseStatement("DFT stops at the demonstrations' frequency", Implies(Eq(b, symbol("b_E")), Eq(dft["theta_W"], 0)),
                   {"b": UNIT, **EXPERT}, "b=1/3 p_E=1/2 a_E=1/2 b_E=1/3"),
    FalseStatement("DFT moves every decision towards the demonstrations'", Implies(b < symbol("b_E"), dft["theta_W"] > 0),
                   {"b": UNIT, **EXPERT}, "b=1/3 p_E=1/2 a_E=1/2 b_E=1/2"),
    FalseStatement("DFT is SFT times the probability of the demonstrated answer",
                   Eq(dft["theta_s"], p * expected_update(plain, lookup("sft-sequence-sum"))[symbol("theta_s")]),
                   {"p": UNIT, **EXPERT}, "p=1/3 p_E=1/2 a_E=1/2 b_E=1/2"),
    FalseStatement("DFT: an answer in three tokens counts less than one in two", r**2 < r**3, {"r": UNIT}, "r=1/2"),
    FalseStatement("two tokens of probability r: an answer of probability r", Eq(r**2, r), {"r": UNIT}, "r=1/2"),
    # --- penalties
    FalseStatement("k3's coefficient is k2's", Eq(k3, k2), {"x r": UNIT}, "x=1/2 r=1/3"),
    FalseStatement("k3 holds a dropped action less than k2", Implies(x < r, k3 > k2), {"x r": UNIT}, "x=1/2 r=2/3"),
    FalseStatement(
        "k3 times the ratio is still the forward KL",
        Eq(rho * (k2.subs({x: rho, r: 1})), rho * k3.subs({x: rho, r: 1})),
        {"rho": POSITIVE},
        "rho=1/2",
    ),
    FalseStatement(
        "the full KL leaves a decision at its reference alone",
        Eq(
            expected_update(plain, lookup("k1-reward"))[symbol("theta_C")].subs(
                {a: HALF, symbol("a_ref"): HALF, symbol("beta"): 1}
            ),
            0,
        ),
        {"p b p_ref b_ref": UNIT},
        "p=1/2 b=1/2 p_ref=1/2 b_ref=1/3",
    ),
    # --- preferences, failures, attempts
    FalseStatement(
        "DPO: the step grows with the margin",
        Implies(m > 0, 1 / (1 + sp.exp(m)) > HALF),
        {"m": REAL},
        "m=1",
    ),
    FalseStatement("NFT: a failure weighs as much as a success", Eq(r / (1 - r), 1), {"r": UNIT}, "r=1/3"),
    FalseStatement(
        "NFT: rare successes weigh less than their failures",
        Implies(r < HALF, sp.sqrt((1 - r) / r) < sp.sqrt(r / (1 - r))),
        {"r": UNIT},
        "r=1/3",
    ),
    FalseStatement(
        "SCoRe summed: the first attempt gets (1+alpha) r1 + (1-alpha) r2",
        Eq(x + r + alpha * (r - x), (1 + alpha) * x + (1 - alpha) * r),
        {"x r": between(0, 1, "[]"), "alpha": NONNEGATIVE},
        "x=0 r=1 alpha=1",
    ),
    FalseStatement("SCoRe summed: no sabotage up to alpha = 10", Implies(alpha <= 10, first_attempt > 0), TWO_TURNS,
                   "p_t0=1/2 a_t0=1/2 b_t0=1/2 p_t1=1/2 alpha=3"),
    FalseStatement("SCoRe summed: sabotage as soon as alpha > 1", Implies(alpha > 1, first_attempt < 0), TWO_TURNS,
                   "p_t0=1/2 a_t0=1/2 b_t0=1/2 p_t1=1/2 alpha=2"),
    FalseStatement(
        "SCoRe summed: sabotage does not depend on what follows",
        Equivalent(first_attempt < 0, alpha > 2),
        TWO_TURNS,
        "p_t0=1/2 a_t0=1/2 b_t0=1/2 p_t1=1/2 alpha=3",
    ),
]  # fmt: skip
