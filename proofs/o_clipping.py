"""Group O, answers of many tokens and decisions of one: clipping (O9) and DFT (O10)."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import And, Eq, Equivalent, Implies, Max, Min, Symbol

from dstheory.claims import POSITIVE, REAL, UNIT, Claim, Step, counterexample, decide, example, identity
from dstheory.symbolic.chain import Chain
from dstheory.symbolic.policy import differentiate, minimal_policy
from dstheory.symbolic.setting import setting
from dstheory.symbolic.symbols import symbol

eps, A, rho = sp.symbols("epsilon A rho")
b, b_E, p_E, a_E = map(symbol, ["b", "b_E", "p_E", "a_E"])
RATIOS = {"rho_1 rho_2 rho_3": POSITIVE, "epsilon": POSITIVE}
RHOS = sp.symbols("rho_1 rho_2 rho_3")


# --- O9 ---------------------------------------------------------------------------------------------------------------


def clipped(ratio: sp.Expr, low: sp.Expr = eps, high: sp.Expr = eps) -> sp.Expr:
    """PPO's surrogate of one token: min(rho A, clip(rho, 1 - low, 1 + high) A)."""
    return Min(ratio * A, Min(Max(ratio, 1 - low), 1 + high) * A)


def bounds_multiply() -> Iterator[Step]:
    """O9: one token's bound, several tokens', and what remains outside of it."""
    one, two, three = RHOS
    yield decide(
        "Beyond 1 + epsilon the surrogate of a token with positive advantage is flat, the sampled token is pushed no further; "
        "below it is rho A.",
        And(
            Implies(And(A > 0, rho >= 1 + eps), Eq(clipped(rho), (1 + eps) * A)),
            Implies(And(A > 0, rho <= 1 + eps, rho >= 1 - eps), Eq(clipped(rho), rho * A)),
        ),
        where={"A": REAL, "rho": POSITIVE, "epsilon": UNIT},
    )
    yield decide(
        "So the tokens of an answer are pushed until each ratio reaches 1 + epsilon. Two of them multiply to at most (1 + "
        "epsilon)^2,",
        Implies(And(one <= 1 + eps, two <= 1 + eps), one * two <= (1 + eps) ** 2),
        where=RATIOS,
    )
    yield decide(
        "and one more token multiplies any bound M by 1 + epsilon: L tokens are bounded by (1 + epsilon)^L, by induction,",
        Implies(And(one <= Symbol("M"), three <= 1 + eps), one * three <= Symbol("M") * (1 + eps)),
        where={**RATIOS, "M": POSITIVE},
    )
    yield example(
        "and the bound is reached: epsilon = 1/5, three tokens at 6/5 each give 216/125.",
        Eq(one * two * three, (1 + eps) ** 3),
        at={one: "6/5", two: "6/5", three: "6/5", eps: "1/5"},
        where=RATIOS,
    )
    yield decide(
        "A decision of one token stays within M = 1 + epsilon, less than M^L = M M^n for L = 1 + n > 1: in log-probability an "
        "answer may move L times as far.",
        Implies(Symbol("M") > 1, Symbol("M") ** Symbol("n") > 1),
        where={"M n": POSITIVE},
    )
    yield decide(
        "Downwards the same, with 1 - epsilon: an answer may fall to (1 - epsilon)^L.",
        Implies(And(one >= 1 - eps, two >= 1 - eps), one * two >= (1 - eps) ** 2),
        where={"rho_1 rho_2": POSITIVE, "epsilon": UNIT},
    )


O9 = Claim(
    id="O9",
    group="O",
    title="Token clipping lets an answer of L tokens move by (1 + epsilon)^L, a decision by 1 + epsilon",
    statement="""With clipping per token the ratio of an answer of L tokens is pushed up to (1 + epsilon)^L before its
        gradient vanishes, that of a one-token decision up to 1 + epsilon only: between two sampling rounds an answer may move
        L times as far in log-probability.""",
    latex=r"\frac{\pi_s(y)}{\pi_{s,old}(y)}\le(1+\epsilon)^{L},\qquad\frac{\pi_d(d)}{\pi_{d,old}(d)}\le 1+\epsilon",
    level="coefficient",
    scope="all ratios, advantages, lengths; bounds what the surrogate pushes: a ratio may still move with other tokens' updates",
    source="arXiv 1707.06347 (the surrogate); derived here",
    domain={},
    proof=bounds_multiply,
    related=["O9-loose", "O9-sequence", "O1-ratio"],
)

O9_LOOSE = Claim(
    id="O9-loose",
    group="O",
    title="Clipping at epsilon keeps the ratio of every action within 1 + epsilon",
    statement="If no token's ratio exceeds 1 + epsilon, no answer's ratio does.",
    level="coefficient",
    scope="an answer of two tokens",
    domain={"rho_1 rho_2 epsilon": POSITIVE},
    assumptions=[RHOS[0] <= 1 + eps, RHOS[1] <= 1 + eps],
    proof=[decide("The product of the two ratios.", RHOS[0] * RHOS[1] <= 1 + eps)],
    recorded="fails",
    witness={"rho_1": "2", "rho_2": "2", "epsilon": "1"},
    related=["O9", "O9-sequence"],
)


def one_ratio_for_all() -> Iterator[Step]:
    """O9-sequence: GSPO's and CISPO's bounds."""
    s, whole = sp.symbols("s rho_y")
    yield decide(
        "GSPO clips s = rho_y^(1/L), the geometric mean of the response's ratios: s <= 1 + epsilon is rho_y <= (1 + "
        "epsilon)^L. The whole response, decisions included, shares one bound.",
        Equivalent(s <= 1 + eps, s**3 <= (1 + eps) ** 3),
        where={"s epsilon": POSITIVE},
    )
    yield identity(
        "For two tokens s^2 is the ratio of the response.",
        s**2,
        whole,
        where={"rho_1 rho_2": POSITIVE},
        using={s: sp.sqrt(RHOS[0] * RHOS[1]), whole: RHOS[0] * RHOS[1]},
    )
    cut = Min(rho, 1 + eps) * A
    yield decide(
        "CISPO truncates the ratio as a weight: min(rho, 1 + epsilon) A never vanishes with the ratio, no token is dropped.",
        Implies(A > 0, cut > 0),
        where={"A": REAL, "rho epsilon": POSITIVE},
    )
    yield decide(
        "An unlikely decision that turned out well is where it matters: from probability 1/100, clipping stops at (1 + "
        "epsilon)/100.",
        Implies(Symbol("x") / sp.Rational(1, 100) <= 1 + eps, Symbol("x") <= (1 + eps) / 100),
        where={"x": UNIT, "epsilon": POSITIVE},
    )


O9_SEQUENCE = Claim(
    id="O9-sequence",
    group="O",
    title="GSPO bounds the response, CISPO bounds the weight and drops no token",
    statement="""GSPO's clipped ratio is that of the whole response to the power 1/L, one bound (1 + epsilon)^L for all its tokens
        together; CISPO's truncated ratio never makes a token's coefficient vanish.""",
    latex=r"s\le 1+\epsilon\iff\rho_y\le(1+\epsilon)^{L}",
    level="coefficient",
    scope="all ratios; three tokens stand for any number in the first step",
    source="arXiv 2507.18071, 2506.13585",
    domain={},
    proof=one_ratio_for_all,
    related=["O9", "O9-loose"],
)


# --- O10 --------------------------------------------------------------------------------------------------------------


def by_token_probability() -> Iterator[Step]:
    """O10: an answer's coefficient under DFT, its length, and a decision's."""
    r, more, score_y = sp.symbols("r n score_y")
    yield identity(
        "Let an answer's tokens have one probability r each, so that its own is r^L, and scores s_t. DFT gives each token r: "
        "together r times the score of the answer.",
        r * Symbol("s_1") + r * Symbol("s_2"),
        r * score_y,
        where={"r": UNIT, "s_1 s_2": REAL},
        using={score_y: Symbol("s_1") + Symbol("s_2")},
    )
    yield decide(
        "For an answer of probability x = r^L this is x^(1/L) = r, above x as soon as L > 1 (n = L - 1): a one-token decision "
        "of the same probability gets x.",
        r * r**more < r,
        where={"r": UNIT, "n": POSITIVE},
    )
    yield decide(
        "It grows with the number of tokens (r^L = x; in n > L tokens of probability t, t^n = x, each has more),",
        Implies(Eq(r**2, Symbol("t") ** 3), Symbol("t") > r),
        where={"r t": UNIT},
    )
    yield decide(
        "and tends to 1: above 1 - epsilon as soon as (1 - epsilon)^L <= x, for a ratio t = r/(1 - epsilon) below 1 has t^L < 1.",
        Symbol("t") ** more < 1,
        where={"t": UNIT, "n": POSITIVE},
    )
    yield example(
        "Probability 1/64: coefficient 1/64 in one token, 1/2 in six.",
        And(Eq(r**6, Symbol("x")), Symbol("x") < r),
        at={r: "1/2", "x": "1/64"},
        where={"r x": UNIT},
    )


O10 = Claim(
    id="O10",
    group="O",
    title="DFT damps an unlikely one-token decision by its probability, an equally unlikely long answer hardly at all",
    statement="""DFT's coefficient is the probability of the token. An answer of probability x whose L tokens are equally
        likely enters with x^(1/L), which increases with L and tends to 1; a one-token decision of the same probability enters
        with x.""",
    latex=r"c_s=\pi_s(y)^{1/L},\qquad c_d=\pi_d(d)",
    level="coefficient",
    scope="answers of equally likely tokens, any length; steps on growth for two and three tokens",
    source="arXiv 2508.05629 (the rule); derived here",
    domain={},
    proof=by_token_probability,
    related=["O10-loose", "O10-extreme", "O1-tokens"],
)

O10_LOOSE = Claim(
    id="O10-loose",
    group="O",
    title="DFT treats answers and decisions of equal probability alike",
    statement="An answer of two equally likely tokens and a decision of the same probability get one coefficient from DFT.",
    level="coefficient",
    scope="an answer of two tokens of probability r, a decision of probability r^2",
    domain={"r": UNIT},
    proof=[decide("The two coefficients agree.", Eq(Symbol("r"), Symbol("r") ** 2))],
    recorded="fails",
    witness={"r": "1/2"},
    related=["O10", "O1-tokens"],
)


def runs_to_the_edge() -> Iterator[Step]:
    """O10-extreme: DFT on demonstrated decisions, differentiated on the chain."""
    s = setting()
    M0 = minimal_policy()
    logit = M0.logit("theta_W")
    visits, drift = s.following(s.expert).visits() * (1 - p_E), Symbol("g_W")
    held = {True: b, False: 1 - b}
    taken = {True: b_E, False: 1 - b_E}
    update = visits * sp.Add(
        *[taken[again] * held[again] * differentiate(sp.log(held[again]), logit) for again in (True, False)]
    )
    n_E = Symbol("n_E")
    yield identity(
        "Demonstrations resample a wrong answer with probability b_E. DFT credits a decision with its own probability: the "
        "expected update of theta_W is n_E (1 - p_E) b(1 - b)(2 b_E - 1), n_E the expert's number of turns.",
        drift,
        n_E * (1 - p_E) * b * (1 - b) * (2 * b_E - 1),
        where={"b": UNIT, "p_E a_E b_E": UNIT},
        using={drift: update, n_E: Chain(s.expert).visits()},
    )
    yield decide(
        "Its sign does not depend on b: it drives b to 1 if b_E > 1/2, to 0 if b_E < 1/2, past the demonstrations' own "
        "frequency.",
        And(Equivalent(drift > 0, b_E > sp.Rational(1, 2)), Equivalent(drift < 0, b_E < sp.Rational(1, 2))),
        where={"b": UNIT, "p_E a_E b_E": UNIT},
        using={drift: update},
    )
    yield counterexample(
        "SFT comes to rest at b = b_E; there DFT still moves: b = b_E = 3/4.",
        Eq(drift, 0),
        at={"b": "3/4", "b_E": "3/4", "p_E": "1/2", "a_E": "1/2"},
        where={"b": UNIT, "p_E a_E b_E": UNIT},
        using={drift: update},
    )


O10_EXTREME = Claim(
    id="O10-extreme",
    group="O",
    title="DFT has no interior fixed point for a decision: it follows the majority to the edge",
    statement="""On demonstrations that resample wrong answers with probability b_E, DFT's expected update of theta_W has the
        sign of b_E - 1/2 for every b: the decision becomes certain, in the direction of the majority. SFT stops at b = b_E.""",
    latex=r"g_W=n_E(1-p_E)\,b(1-b)(2b_E-1)",
    level="gradient",
    scope="all parameters of the minimal chain, 0 < b_E < 1",
    source="derived here; arXiv 2508.05629 (the rule)",
    domain={},
    proof=runs_to_the_edge,
    recorded="holds under condition",
    related=["O10", "C3"],
)
