"""Group G, the gain split with one p per log (G2-pooled): what it gives to sampling that is the same for both models.

Problems have their own p_x, the same for both models; a model with decisions a, b makes K_x attempts at a problem on average, at
most T. The pooled p of its log is that of all attempts, E[p_x K_x]/E[K_x], in the limit of many problems.
"""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import And, Eq, Equivalent, Implies

from dstheory.claims import CLOSED_UNIT, POSITIVE, REAL, UNIT, Claim, Step, at_least, decide, example, identity
from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import SymbolicChain
from dstheory.symbolic.policy import minimal_policy

a, b, p = map(symbol, ["a", "b", "p"])
p_x, p_y, w, a_new, b_new = sp.symbols("p_x p_y w a_new b_new")
ABOVE = a + b - 1  # decisions tell right from wrong, and resampling helps, where this is positive
OLD, NEW = (a, b), (a_new, b_new)
HALF = sp.Rational(1, 2)


def resampling(p: sp.Expr, decisions: tuple[sp.Expr, sp.Expr] = OLD) -> sp.Expr:
    """The chance that an attempt is followed by another, for a problem with this p."""
    a, b = decisions
    return p * (1 - a) + (1 - p) * b


def two_attempts(p: sp.Expr, decisions: tuple[sp.Expr, sp.Expr]) -> sp.Expr:
    """Accuracy with at most two attempts, the last one submitted."""
    return p * decisions[0] + resampling(p, decisions) * p


def pooled(decisions: tuple[sp.Expr, sp.Expr]) -> sp.Expr:
    """The pooled p of two kinds of problems, half of each, with at most two attempts."""
    attempts = [1 + resampling(x, decisions) for x in (p_x, p_y)]
    return (p_x * attempts[0] + p_y * attempts[1]) / (attempts[0] + attempts[1])


def sampling_part() -> sp.Expr:
    """Sampling's part of the gain of the pooled chains of both decisions, with at most two attempts."""
    return sum(two_attempts(pooled(NEW), d) - two_attempts(pooled(OLD), d) for d in (OLD, NEW)) / 2


def sign_of_sampling_part() -> Iterator[Step]:
    """G2-pooled: the pooled p, the accuracy rises with it, and where attempts go."""
    m, v, gap, rest, r, u = sp.symbols("m v gap rest r u")
    moments = {"K_0 K_1": at_least(1), "m pK_0 pK_1": POSITIVE}
    K, pK = sp.symbols("K_0 K_1"), sp.symbols("pK_0 pK_1")
    covariance = sp.symbols("cov_0 cov_1")
    yield identity(
        "Let `K_s = E[K]`, `pK_s = E[p_x K]` of both models and `m = E[p_x]`, for any distribution. The pooled `p` of a model is "
        "`pK/K`; with `Cov(p_x, K) = E[(p_x - m)(K - E K)] = pK - m K - K m + m K`, the two differ by `Cov_1/K_1 - Cov_0/K_0`.",
        pK[1] / K[1] - pK[0] / K[0],
        covariance[1] / K[1] - covariance[0] / K[0],
        where=moments,
        using={cov: one - m * k - k * m + m * k for cov, one, k in zip(covariance, pK, K, strict=True)},
    )
    shares = sp.symbols("w_1 w_2 w_3")
    each = list(zip(shares, sp.symbols("p_1 p_2 p_3"), sp.symbols("k_1 k_2 k_3"), strict=True))
    mean_p, mean_k = sum(s * x for s, x, _ in each), sum(s * k for s, _, k in each)
    yield identity(
        "Written out for three kinds of problems: the share of correct attempts is the mean `p` plus the covariance over `E K`.",
        sum(s * x * k for s, x, k in each) / mean_k,
        mean_p + sum(s * (x - mean_p) * (k - mean_k) for s, x, k in each) / mean_k,
        where={"w_1 w_2": POSITIVE, "p_1 p_2 p_3": UNIT, "k_1 k_2 k_3": at_least(1)},
        using={shares[2]: 1 - shares[0] - shares[1]},
        given=[shares[0] + shares[1] < 1],
        lemma=True,
    )
    V_x, V_y, K_x, K_y = sp.symbols("V_x V_y K_x K_y")
    where = {"p_x p_y a b": UNIT, "V_x V_y": CLOSED_UNIT}
    yield identity(
        "One attempt more in front turns the accuracy `V` into `p a + q V`. So the difference between two `p` goes over into "
        "`(p_x - p_y)(a (1 - V_y) + (1 - b) V_y) + q_x (V_x - V_y)`.",
        p_x * a + resampling(p_x) * V_x - p_y * a - resampling(p_y) * V_y,
        (p_x - p_y) * (a * (1 - V_y) + (1 - b) * V_y) + resampling(p_x) * (V_x - V_y),
        where=where,
    )
    yield decide(
        "It begins with `V = p`, one attempt. So by induction the accuracy with at most `T` attempts rises strictly with `p`. "
        "(`gap = p_x - p_y`, `rest = V_x - V_y`, `r = q_x`.)",
        Implies(And(gap > 0, rest >= 0), gap * (a * (1 - V_y) + (1 - b) * V_y) + r * rest > 0),
        where={"a b r": UNIT, "V_y": CLOSED_UNIT, "gap rest": REAL},
    )
    accuracy = SymbolicChain(minimal_policy()).accuracy((True, False))
    stop = [1 - resampling(x) for x in (p_x, p_y)]
    yield identity(
        "Without a cap, of the chain itself: the difference is `(p_x - p_y) a (1-b)/(D_x D_y)`, `D` being the chances of a stop.",
        accuracy.subs(p, p_x) - accuracy.subs(p, p_y),
        (p_x - p_y) * a * (1 - b) / (stop[0] * stop[1]),
        where={"p_x p_y a b": UNIT},
    )
    yield decide(
        "Sampling's part is half the sum of the accuracy's differences between the two pooled `p` under either decisions, both "
        "gap times something positive (`u`, `v`): it has the sign of their gap.",
        And(Equivalent(gap * (u + v) / 2 > 0, gap > 0), Equivalent(gap * (u + v) / 2 < 0, gap < 0)),
        where={"gap": REAL, "u v": POSITIVE},
    )
    yield identity(
        "Attempts follow `K = 1 + q K`, so between two `p` they differ by `q_x (K_x - K_y)` less `(a + b - 1)(p_x - p_y) K_y`.",
        (1 + resampling(p_x) * K_x) - (1 + resampling(p_y) * K_y),
        resampling(p_x) * (K_x - K_y) - ABOVE * (p_x - p_y) * K_y,
        where={"p_x p_y a b": UNIT, "K_x K_y": at_least(1)},
    )
    yield identity(
        "Without a cap, `K = 1/(1 - q)`, the same equation holds with the same `K` on both sides.",
        stop[0] * (1 / stop[0] - 1 / stop[1]),
        -ABOVE * (p_x - p_y) / stop[1],
        where={"p_x p_y a b": UNIT},
    )
    yield decide(
        "They begin equal, one attempt. So by induction (`gap = p_x - p_y`, `rest = K_x - K_y`) with `T > 1` the larger `p` "
        "makes fewer attempts if `a + b > 1`, more if `a + b < 1`, as many if `a + b = 1`.",
        And(
            Implies(And(ABOVE > 0, gap > 0, rest <= 0), r * rest - ABOVE * gap * K_y < 0),
            Implies(And(ABOVE < 0, gap > 0, rest >= 0), r * rest - ABOVE * gap * K_y > 0),
            Implies(And(Eq(ABOVE, 0), Eq(rest, 0)), Eq(r * rest - ABOVE * gap * K_y, 0)),
        ),
        where={"a b r": UNIT, "K_y": at_least(1), "gap rest": REAL},
    )
    yield identity(
        "`Cov(p_x, K)` is half the mean of `(p - p')(K - K')` over two problems drawn independently, so it has the sign of `1 - "
        "a - b` unless all `p_x` are equal. Here for two kinds with shares `w` and `1 - w`.",
        w * p_x * K_x + (1 - w) * p_y * K_y - (w * p_x + (1 - w) * p_y) * (w * K_x + (1 - w) * K_y),
        (2 * w * (1 - w) * (p_x - p_y) * (K_x - K_y)) / 2,
        where={"p_x p_y w": UNIT, "K_x K_y": at_least(1)},
    )
    yield identity(
        "Two attempts, exactly, with mean `m` and variance `v` of `p_x`: `K = 1 + q_x`, and Cov/`E K = -(a + b - 1) v/(1 + "
        "E q)`.",
        (m * (1 + b) - ABOVE * (v + m**2)) / (1 + resampling(m)) - m,
        -ABOVE * v / (1 + resampling(m)),
        where={"m a b": UNIT, "v": CLOSED_UNIT},
    )
    true_gain = sum(two_attempts(x, NEW) - two_attempts(x, OLD) for x in (p_x, p_y)) / 2
    gain = two_attempts(pooled(NEW), NEW) - two_attempts(pooled(OLD), OLD)
    parts = {"-0.0489216": sampling_part(), "0.1990784": gain - sampling_part(), "0.128": true_gain}
    yield example(
        "For instance half of the problems have `p` `4/5`, half `1/5`, and `a`, `b` go from `1/2` to `9/10`: sampling gets "
        "-0.0489216 and decisions 0.1990784, where 0 and 0.128 are true.",
        And(*(Eq(value, sp.Rational(number)) for number, value in parts.items())),
        at={p_x: "4/5", p_y: "1/5", a: "1/2", b: "1/2", a_new: "9/10", b_new: "9/10"},
        where={"p_x p_y a b a_new b_new": UNIT},
    )


G2_POOLED = Claim(
    id="G2-pooled",
    group="G",
    title="With one `p` per log, the split gives sampling that is the same a part, with the sign of a difference of covariances",
    statement="""Let two models have the same `p_x` on the same problems and decisions (`a`, `b`) each the same for all
        problems. Split with the pooled `p` of each log, the difference in accuracy gives sampling a part with the sign of
        `Cov(p_x, K_after)/E K_after - Cov(p_x, K_before)/E K_before`, and none if that is 0. `Cov(p_x, K)` has the sign
        of `1 - a - b` unless all `p_x` are equal, so the part is negative where `a + b <= 1` before and `a + b > 1`
        after.""",
    latex=r"\operatorname{sgn}\phi_s^{\mathrm{pooled}}=\operatorname{sgn}\Bigl(\frac{\mathrm{Cov}(p_x,K_{\mathrm{after}})}"
    r"{\mathrm{E}K_{\mathrm{after}}}-\frac{\mathrm{Cov}(p_x,K_{\mathrm{before}})}{\mathrm{E}K_{\mathrm{before}}}\Bigr)",
    scope="any distribution of p_x in (0, 1) over problems, all a, b in (0, 1), at most T > 1 attempts with the last one "
    "submitted, or no cap; in the limit of many problems",
    domain={},
    proof=sign_of_sampling_part,
    related=["G2", "G2-pooled-loose", "G2-pooled-more", "G4"],
    notes="""Measured gains are split by means over problems instead (dstheory.anatomy.difference), which gives such sampling 0 up
        to error.""",
)

G2_POOLED_LOOSE = Claim(
    id="G2-pooled-loose",
    group="G",
    title="Split by the `p`, `a`, `b` of two logs, sampling that is the same gets nothing",
    statement="""If two models have the same `p_x` on the same problems, the split of their pooled chains' gain gives sampling the
        part 0.""",
    scope="two kinds of problems, half of each; at most two attempts",
    domain={"p_x p_y a b a_new b_new": UNIT},
    proof=[
        decide("No part for sampling that is the same.", Eq(sampling_part(), 0))
    ],
    recorded="fails",
    witness={"p_x": "1/2", "p_y": "1/3", "a": "1/2", "b": "1/2", "a_new": "1/2", "b_new": "1/3"},
    related=["G2-pooled"],
    notes="""Where half of the problems have `p` `4/5` and half `1/5` and `a`, `b` go from `1/2` to `9/10`, the pooled `p`
        falls from 0.5 to 0.452 though no problem's does: the split says -0.049 for sampling and 0.199 for decisions,
        where 0 and 0.128 are true.""",
)

G2_POOLED_MORE = Claim(
    id="G2-pooled-more",
    group="G",
    title="Whoever resamples more often has the lower pooled `p`",
    statement="""If two models have the same `p_x` on the same problems, the one that makes more attempts on average has the lower
        pooled `p`, as it makes more attempts at hard problems.""",
    scope="two kinds of problems, half of each; at most two attempts",
    domain={"p_x p_y a b a_new b_new": UNIT},
    proof=[
        decide(
            "More attempts, a lower pooled `p`.",
            Implies(resampling(HALF * (p_x + p_y), NEW) > resampling(HALF * (p_x + p_y)), pooled(NEW) <= pooled(OLD)),
        )
    ],
    recorded="fails",
    witness={"p_x": "1/2", "p_y": "1/3", "a": "1/2", "b": "1/2", "a_new": "1/3", "b_new": "1/2"},
    related=["G2-pooled"],
    notes="A model that also drops its right answers resamples more often, and everywhere.",
)
