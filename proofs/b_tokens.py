"""Group B, tokens: the energy law with a reward for every token, and what padding and independence do to an answer's energy."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import Eq, symbols

from dstheory.claims import NONNEGATIVE, POSITIVE, REAL, UNIT, Claim, Step, at_least, decide, identity

x, y, z = symbols("x y z")


def logit_slope(value: sp.Expr, probability: sp.Symbol) -> sp.Expr:
    """Derivative with respect to the logit of a binary token's probability."""
    return probability * (1 - probability) * sp.diff(value, probability)


def binary_energy(value: sp.Expr, probability: sp.Symbol, reach: sp.Expr) -> sp.Expr:
    """Squared derivative over Fisher information of the logit of a binary token whose row is reached with this probability."""
    return logit_slope(value, probability) ** 2 / (reach * probability * (1 - probability))


# --- B4-tokens --------------------------------------------------------------------------------------------------------


def energy_with_token_rewards() -> Iterator[Step]:
    """B4-tokens: one token state, the induction over the states of a turn, the sum over turns, and a case in full."""
    rho, adv, reach, solution, mean = symbols("rho_j A_j d x_j S")
    yield identity(
        "A prefix reached `d` times in expectation, with next-token probabilities `rho_j`, has Fisher matrix `d(diag rho - rho "
        "rho^T)` and gradient `d rho_j A_j`, whose advantages have mean `S = sum rho_j A_j = 0`. The vector A solves `F x = g`,",
        reach * rho * (solution - mean),
        reach * rho * adv,
        where={"rho_j": UNIT, "d": POSITIVE, "A_j": REAL},
        using={solution: adv, mean: 0},
    )
    yield identity(
        "so that the row's energy `g.x` is `d sum rho_j A_j^2`.",
        reach * rho * adv * solution,
        reach * rho * adv**2,
        where={"rho_j": UNIT, "d": POSITIVE, "A_j": REAL},
        using={solution: adv},
    )
    value, second, spread, total, first = symbols("V M_2 Sum_rho_Var Sum_rho Sum_rho_U")
    yield identity(
        "Variance from the prefix on. Token `j` pays `r_j` and leads to mean `V_j` and variance `Var_j`; with `U_j = r_j + V_j`, "
        "`sum rho_j U_j = V` and `sum rho_j U_j^2 = M_2`, the second moment less `V^2` is the energy of the row, `sum rho_j (U_j "
        "- V)^2`, plus the mean of what is left, `sum rho_j Var_j`. A decision is such a row with two symbols.",
        second + spread - value**2,
        (second - 2 * value * first + value**2 * total) + spread,
        where={"V M_2": REAL, "Sum_rho_Var": NONNEGATIVE},
        using={total: 1, first: value},
    )
    chance, here, child, rest = symbols("d_h e_h rho_v Var_v")
    yield identity(
        "Reached with probability `d_h`, a prefix hands `d_h rho_v` to its child `v`: the recursion for variances, times `d_h`, "
        "is the recursion for energies. A turn-indexed chain with a cap is one such tree, from the first token to the last "
        "decision.",
        chance * (here + child * rest),
        chance * here + (chance * child) * rest,
        where={"d_h rho_v": UNIT, "e_h Var_v": NONNEGATIVE},
    )
    turn, again, visits, variance = symbols("w_turn q n Var_G")
    yield identity(
        "Between turns of a stationary chain without discount: `Var(G) = w_turn + q Var(G)`, the rows of one turn having "
        "`w_turn` per visit and all of them `n = 1/(1-q)` visits. Hence `e_s + e_d = n w_turn = Var(G)`.",
        [variance, visits * turn],
        [turn + again * variance, variance],
        where={"q": UNIT, "w_turn": NONNEGATIVE},
        using={variance: turn / (1 - again), visits: 1 / (1 - again)},
    )
    r = symbols("r_1 r_0 r_11 r_10 r_01 r_00")
    chances = [x * y, x * (1 - y), (1 - x) * z, (1 - x) * (1 - z)]
    returns = [r[0] + r[2], r[0] + r[3], r[1] + r[4], r[1] + r[5]]
    expected = sp.Add(*[c * g for c, g in zip(chances, returns, strict=True)])
    yield identity(
        "Two binary tokens in full, every token with a reward of its own: energies of the logits of `P(1)`, `P(1|1)`, `P(1|0)`, "
        "differentiated, against the variance over the four answers.",
        sp.Add(*[binary_energy(expected, t, d) for t, d in ((x, sp.S.One), (y, x), (z, 1 - x))]),
        sp.Add(*[c * (g - value) ** 2 for c, g in zip(chances, returns, strict=True)]),
        where={"x y z": UNIT, "r_1 r_0 r_11 r_10 r_01 r_00": REAL},
        using={value: expected},
    )


B4_TOKENS = Claim(
    id="B4-tokens",
    group="B",
    title="Energy law token by token: without discount a row's energy is its share of the variance of the return",
    statement="""Let answers be sequences of tokens with a row of their own for every prefix, and let tokens as well as
        decisions be rewarded, a token by what it and its prefix determine, a decision by what it and its answer do. Without
        discount the energies of all token rows and decision rows add up to `Var(G)`: each row
        has the occupancy-weighted variance of its advantages.""",
    latex=r"e_s+e_d=n\sum_{h}P(h)\,\mathrm{Var}_h\bigl(r+V\bigr)=\mathrm{Var}(G)",
    level="fisher",
    scope="any number of tokens, symbols and turns; no discount, stationary without a cap, or turn-indexed",
    domain={},
    proof=energy_with_token_rewards,
    related=["B4", "B4-stationary", "B5", "D3"],
    notes="""With log-ratios to a reference as rewards this is the energy of the full KL gradient (D3). Token scores are
        martingale differences, so rows of different prefixes are orthogonal, like the two stages (A1).""",
)


# --- B5: what padding is, and is not ----------------------------------------------------------------------------------


def energy_grows() -> Iterator[Step]:
    """B5-loose: the correct symbol first, then a token of padding."""
    one = binary_energy(x, x, sp.S.One)
    both = x * y + x * (1 - y)
    two = sp.Add(*[binary_energy(both, t, d) for t, d in ((x, sp.S.One), (y, x), (z, 1 - x))])
    e_1, e_2 = symbols("e_1 e_2")
    yield decide(
        "Correct iff the first token is 1, `P(1) = x`; a second token follows, `P(1|1) = y`, `P(1|0) = z`. If energy grew with "
        "length, two tokens would have more than one.",
        e_2 > e_1,
        using={e_1: one, e_2: two},
    )


B5_LOOSE = Claim(
    id="B5-loose",
    group="B",
    title="Longer answers get more reward energy",
    statement="The stage energy of a reward grows with the length of the answers.",
    level="fisher",
    scope="one relevant token and one token of padding",
    source="a loose reading of arXiv 2601.01580: sampling is many tokens, hence most of the gradient",
    domain={"x y z": UNIT},
    proof=energy_grows,
    recorded="fails",
    witness={"x": "1/2"},
    related=["B5", "B4-bound", "C4", "D3"],
    notes="Both energies are `x(1-x)`. What grows with length is the energy of log-likelihoods (C4, D3).",
)


def unread_tokens() -> Iterator[Step]:
    """B5-unread: a token that is not read, but that the next one depends on."""
    slope = symbols("g_x")
    yield decide(
        "Correct iff the second token is 1, `P(1|1) = y`, `P(1|0) = z`. The first token, `P(1) = x`, is never looked at; its "
        "gradient would be zero.",
        Eq(slope, 0),
        using={slope: logit_slope(x * y + (1 - x) * z, x)},
    )


B5_UNREAD = Claim(
    id="B5-unread",
    group="B",
    title="Tokens that correctness does not read get no gradient",
    statement="""If correctness is a function of some of the tokens, the gradient of the reward on all other tokens is
        zero.""",
    level="gradient",
    scope="two binary tokens, the second read",
    source="a loose reading of the length-free property",
    domain={"x y z": UNIT},
    proof=unread_tokens,
    recorded="fails",
    witness={"x": "1/2", "y": "1/2", "z": "1/3"},
    related=["B5"],
    notes="""Padding must not be read by the policy either: it has to come after the relevant tokens, or be independent of
        them. A token that later tokens depend on is reasoning, not padding, and B5 needs "does not change the value".""",
)


# --- B5-independent ---------------------------------------------------------------------------------------------------


def independent_tokens() -> Iterator[Step]:
    """B5-independent: the energy of a conjunction of independent tokens, and how much of the tabular one is lost."""
    hit, others, tail, added = symbols("h P_others Pi s")
    value = hit * others
    missed = symbols("Sum_m")
    yield identity(
        "`P` = product of the hit probabilities `h_i`. In the row of a relevant token a hit is worth `P_others`, the product of "
        "the other ones, and each miss, of probability `m_j`, nothing: advantages `P_others - P` and `-P`, and the energy of the "
        "row, `h (P_others - P)^2 + sum m_j P^2`, is `P^2 (1-h)/h` however the misses are spread over symbols.",
        hit * (others - value) ** 2 + missed * value**2,
        value**2 * (1 - hit) / hit,
        where={"h P_others": UNIT},
        using={missed: 1 - hit},
    )
    yield decide(
        "Put `u_i = (1-h_i)/h_i`, so that `1/P = Pi` = product of (`1 + u_i`). By induction on relevant tokens `Pi >= 1 + s` "
        "with `s = sum u_i`: one more token multiplies by `1 + u`,",
        tail * (1 + symbols("u")) >= 1 + added + symbols("u"),
        given=[tail >= 1 + added],
        where={"u s": NONNEGATIVE, "Pi": at_least(1)},
    )
    yield identity(
        "and the energy `P^2 s` of independent tokens falls short of the tabular `P(1-P)` by `P^2 (Pi - 1 - s) >= 0`.",
        symbols("P") * (1 - symbols("P")) - symbols("P") ** 2 * added,
        symbols("P") ** 2 * (tail - 1 - added),
        where={"P": UNIT, "s": NONNEGATIVE},
        using={tail: 1 / symbols("P")},
    )
    joint = x * y
    yield identity(
        "Two relevant tokens: independent rows have `x(1-x)y^2 + x^2 y(1-y)`; the row of the second, told that the first hit, "
        "would have `x y(1-y)`. The loss is `x(1-x)y(1-y)`,",
        joint * (1 - joint) - binary_energy(joint, x, sp.S.One) - binary_energy(joint, y, sp.S.One),
        x * (1 - x) * y * (1 - y),
        where={"x y": UNIT},
    )
    yield decide("which is positive.", x * (1 - x) * y * (1 - y) > 0, where={"x y": UNIT})


B5_INDEPENDENT = Claim(
    id="B5-independent",
    group="B",
    title="One turn of independent tokens that must all be right has the energy `P^2 sum (1-h_i)/h_i <= P(1-P)`",
    statement="""One turn, reward 1 iff `R` independent tokens all hit, with probabilities `h_i` and `P` their product.
        The energy is `P^2 sum (1-h_i)/h_i`, at most that of prefix-conditional tokens, `P(1-P)`, and less than that if `R
        >= 2`.""",
    latex=r"P^2\sum_i\frac{1-h_i}{h_i}\le P(1-P),\qquad P=\prod_i h_i",
    level="fisher",
    scope="any number of relevant tokens, any alphabet",
    domain={},
    proof=independent_tokens,
    related=["B5-restricted", "B5"],
    notes="""A Markov policy lies between the two, and padding between relevant tokens moves it towards the lower one: the row
        of the next relevant token no longer sees whether the last one hit.""",
)
