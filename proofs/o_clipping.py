"""Group O, answers of many tokens and decisions of one: clipping (O9) and DFT (O10)."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import And, Eq, Equivalent, Implies, Max, Min, Symbol

from dstheory.claims import POSITIVE, REAL, UNIT, Claim, Step, at_least, counterexample, decide, example, identity
from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import SymbolicChain
from dstheory.symbolic.policy import differentiate, minimal_policy
from dstheory.symbolic.setting import setting

eps, A, rho, x = sp.symbols("epsilon A rho x")
b, b_E, p_E, a_E = map(symbol, ["b", "b_E", "p_E", "a_E"])
RATIOS = {"rho_1 rho_2 rho_3": POSITIVE, "epsilon": POSITIVE}
RHOS = sp.symbols("rho_1 rho_2 rho_3")


# --- O9 ---------------------------------------------------------------------------------------------------------------


def clipped(ratio: sp.Expr, low: sp.Expr = eps, high: sp.Expr = eps) -> sp.Expr:
    """PPO's surrogate of one token: min(rho A, clip(rho, 1 - low, 1 + high) A)."""
    return Min(ratio * A, Min(Max(ratio, 1 - low), 1 + high) * A)


def bounds_multiply() -> Iterator[Step]:
    """O9: one token's bound, several tokens', and what remains outside of it."""
    rest, token, _ = RHOS
    bound = Symbol("M")
    yield decide(
        "Beyond `1 + epsilon` the surrogate of a token with positive advantage is flat, the sampled token is pushed no further; "
        "below it is `rho A`.",
        And(
            Implies(And(A > 0, rho >= 1 + eps), Eq(clipped(rho), (1 + eps) * A)),
            Implies(And(A > 0, rho <= 1 + eps, rho >= 1 - eps), Eq(clipped(rho), rho * A)),
        ),
        where={"A": REAL, "rho": POSITIVE, "epsilon": UNIT},
    )
    yield decide(
        "So the tokens of an answer are pushed until each ratio reaches `1 + epsilon`. By induction their product is at most `(1 "
        "+ epsilon)^L`: no token has the product 1, and if the product of some is at most `M`, one token more makes it at most "
        "`(1 + epsilon) M`.",
        Implies(And(rest <= bound, token <= 1 + eps), rest * token <= bound * (1 + eps)),
        where={**RATIOS, "M": POSITIVE},
    )
    yield decide(
        "Downwards the same, with `1 - epsilon`: an answer may fall to `(1 - epsilon)^L`.",
        Implies(And(rest >= bound, token >= 1 - eps), rest * token >= bound * (1 - eps)),
        where={"rho_1 rho_2 M": POSITIVE, "epsilon": UNIT},
    )
    yield decide(
        "Both bounds are reached, with every token at its own. An answer of `L = 1 + n` tokens may move further up than a "
        "decision of one token, in log-probability `L log(1 + epsilon)` against `log(1 + epsilon)`.",
        (1 + eps) ** (1 + Symbol("n")) > 1 + eps,
        where={"n epsilon": POSITIVE},
    )


O9 = Claim(
    id="O9",
    group="O",
    title="Token clipping lets an answer of `L` tokens move by `(1 + epsilon)^L`, a decision by `1 + epsilon`",
    statement="""With clipping per token the ratio of an answer of `L` tokens is pushed up to `(1 + epsilon)^L` before its
        gradient vanishes, that of a one-token decision up to `1 + epsilon` only: between two sampling rounds an answer may move
        `L` times as far in log-probability.""",
    latex=r"\frac{\pi_s(y)}{\pi_{s,\mathrm{old}}(y)}\le(1+\epsilon)^{L},"
    r"\qquad\frac{\pi_d(d)}{\pi_{d,\mathrm{old}}(d)}\le 1+\epsilon",
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
    title="Clipping at `epsilon` keeps the ratio of every action within `1 + epsilon`",
    statement="If no token's ratio exceeds `1 + epsilon`, no answer's ratio does.",
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
    t, L = sp.symbols("t L")
    yield decide(
        "GSPO clips `s = rho_y^(1/L)`, the geometric mean of the response's ratios. With `t = s/(1 + epsilon)`: `t <= 1` exactly "
        "if `t^L <= 1`, so `s <= 1 + epsilon` is `rho_y <= (1 + epsilon)^L`. The whole response, decisions included, shares one "
        "bound.",
        Equivalent(t <= 1, t**L <= 1),
        where={"t": POSITIVE, "L": at_least(1)},
    )
    cut = Min(rho, 1 + eps) * A
    yield decide(
        "CISPO truncates the ratio as a weight: `min(rho, 1 + epsilon)` A never vanishes with the ratio and keeps the sign of "
        "`A`: no token is dropped.",
        And(Implies(A > 0, cut > 0), Implies(A < 0, cut < 0)),
        where={"A": REAL, "rho epsilon": POSITIVE},
    )


O9_SEQUENCE = Claim(
    id="O9-sequence",
    group="O",
    title="GSPO bounds the response, CISPO bounds the weight and drops no token",
    statement="""GSPO's clipped ratio is that of the whole response to the power `1/L`, one bound `(1 + epsilon)^L` for
        all its tokens together; CISPO's truncated ratio never makes a token's coefficient vanish, unless its advantage is 0.""",
    latex=r"s\le 1+\epsilon\iff\rho_y\le(1+\epsilon)^{L}",
    level="coefficient",
    scope="all ratios, any number of tokens",
    source="arXiv 2507.18071, 2506.13585",
    domain={},
    proof=one_ratio_for_all,
    related=["O9", "O9-loose"],
)


# --- O10 --------------------------------------------------------------------------------------------------------------


def by_token_probability() -> Iterator[Step]:
    """O10: an answer's coefficient under DFT, its length, and a decision's."""
    L, n, later, last, so_far = sp.symbols("L n d s_L S")
    yield identity(
        "Let an answer of probability `x` have `L` tokens of one probability, `x^(1/L)`, and scores `s_t`. DFT gives each token "
        "its probability as coefficient: together `x^(1/L)` times the score of the answer, token after token.",
        x ** (1 / L) * so_far + x ** (1 / L) * last,
        x ** (1 / L) * (so_far + last),
        where={"x": UNIT, "L": at_least(1), "S s_L": REAL},
    )
    yield identity(
        "With `n > L` tokens instead, and `d = 1/L - 1/n > 0`, the coefficient `x^(1/L)` is `x^(1/n)` times `x^d`,",
        x ** (1 / L),
        x ** (1 / n) * x**later,
        where={"x": UNIT, "L n": at_least(1)},
        using={later: (n - L) / (n * L)},
    )
    yield decide(
        "and `x^d < 1`: it grows with the number of tokens. A decision of one token of the same probability is the case `L = 1`.",
        And(x**later < 1, Implies(And(n > L, L >= 1), (n - L) / (n * L) > 0)),
        where={"x": UNIT, "d": POSITIVE, "L n": at_least(1)},
    )
    yield decide(
        "It tends to 1: above `1 - epsilon` as soon as `L >= log(1/x)/epsilon`.",
        Implies(L * eps >= -sp.log(x), x ** (1 / L) >= 1 - eps),
        where={"x": UNIT, "L": at_least(1), "epsilon": POSITIVE},
    )
    yield example(
        "Probability `1/64`: coefficient `1/64` in one token, `1/2` in six.",
        And(Eq(Symbol("r") ** 6, x), x < Symbol("r")),
        at={"r": "1/2", "x": "1/64"},
        where={"r x": UNIT},
    )


O10 = Claim(
    id="O10",
    group="O",
    title="DFT damps an unlikely one-token decision by its probability, an equally unlikely long answer hardly at all",
    statement="""DFT's coefficient is the probability of the token. An answer of probability `x` whose `L` tokens are equally
        likely enters with `x^(1/L)`, which increases with `L` and tends to 1; a one-token decision of the same probability enters
        with `x`.""",
    latex=r"c_s=\pi_s(y)^{1/L},\qquad c_d=\pi_d(d)",
    level="coefficient",
    scope="answers of equally likely tokens, any length",
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
        "Demonstrations resample a wrong answer with probability `b_E`. DFT credits a decision with its own probability: the "
        "expected update of `theta_W` is `n_E (1 - p_E) b(1 - b)(2 b_E - 1)`, `n_E` the expert's number of turns.",
        drift,
        n_E * (1 - p_E) * b * (1 - b) * (2 * b_E - 1),
        where={"b": UNIT, "p_E a_E b_E": UNIT},
        using={drift: update, n_E: SymbolicChain(s.expert).visits()},
    )
    yield decide(
        "Its sign does not depend on `b`: it drives `b` to 1 if `b_E > 1/2`, to 0 if `b_E < 1/2`, past the demonstrations' own "
        "frequency.",
        And(Equivalent(drift > 0, b_E > sp.Rational(1, 2)), Equivalent(drift < 0, b_E < sp.Rational(1, 2))),
        where={"b": UNIT, "p_E a_E b_E": UNIT},
        using={drift: update},
    )
    yield counterexample(
        "SFT comes to rest at `b = b_E`; there DFT still moves: `b = b_E = 3/4`.",
        Eq(drift, 0),
        at={"b": "3/4", "b_E": "3/4", "p_E": "1/2", "a_E": "1/2"},
        where={"b": UNIT, "p_E a_E b_E": UNIT},
        using={drift: update},
    )


O10_EXTREME = Claim(
    id="O10-extreme",
    group="O",
    title="DFT follows the majority to the edge: unless `b_E = 1/2` a decision has no interior fixed point",
    statement="""On demonstrations that resample wrong answers with probability `b_E`, DFT's expected update of `theta_W`
        has the sign of `b_E - 1/2` for every `b`: unless `b_E = 1/2`, where it is 0 for every `b`, the decision becomes
        certain, in the direction of the majority. SFT stops at `b = b_E`.""",
    latex=r"g_W=n_E(1-p_E)\,b(1-b)(2b_E-1)",
    level="gradient",
    scope="all parameters of the minimal chain, 0 < b_E < 1",
    source="derived here; arXiv 2508.05629 (the rule)",
    domain={},
    proof=runs_to_the_edge,
    recorded="holds under condition",
    related=["O10", "C3"],
)
