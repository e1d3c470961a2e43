"""Group C, tokens: the energy of imitation is extensive for independent tokens (C4), and what "longer" must not mean."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import symbols

from dstheory.claims import COUNT, NONNEGATIVE, POSITIVE, REAL, UNIT, Claim, Step, decide, identity

n, n_E, w = symbols("n n_E w")
VISITS = {"n n_E": POSITIVE, "w": POSITIVE}


# --- C4 ---------------------------------------------------------------------------------------------------------------


def energy_of_factored_imitation() -> Iterator[Step]:
    """C4: one token, orthogonality of tokens, the sum, and two tokens with their Fisher matrix in full."""
    pi, expert, solution, mean = symbols("pi_v E_v x_v S_x")
    yield identity(
        "One token position, any alphabet. Every turn visits it once: `n` visits under the policy, `n_E` under the expert. With "
        "Fisher matrix `n(diag pi - pi pi^T)` and gradient `g_v = n_E w (E_v - pi_v)`, the vector `x_v = (n_E w/n) E_v/pi_v`, "
        "whose mean under `pi` is `S_x = n_E w/n`, solves `F x = g`,",
        n * pi * (solution - mean),
        n_E * w * (expert - pi),
        where={**VISITS, "pi_v E_v": UNIT},
        using={solution: n_E * w / n * expert / pi, mean: n_E * w / n},
    )
    total, second, chi2 = symbols("Sum_E Sum_E2_pi chi2")
    yield identity(
        "so that the energy `g.x`, summed over `v` with `sum E_v = 1` and `sum E_v^2/pi_v = 1 + chi2(E || pi)`, is `(n_E w)^2/n` "
        "chi2.",
        n_E * w * n_E * w / n * (second - total),
        (n_E * w) ** 2 / n * chi2,
        where={**VISITS, "chi2": NONNEGATIVE},
        using={total: 1, second: 1 + chi2},
    )
    earlier, on, off = symbols("s_i s_on s_off")
    yield identity(
        "Rows of different positions are orthogonal: given all earlier tokens (score `s_i`), the score of a token has mean zero, "
        "`1 - pi_v` with probability `pi_v` and `-pi_v` otherwise.",
        earlier * (pi * on + (1 - pi) * off),
        0,
        where={"pi_v": UNIT, "s_i": REAL},
        using={on: 1 - pi, off: -pi},
    )
    length, so_far = symbols("L e_L")
    yield identity(
        "So `F` is block diagonal and energies add: with `w_i chi2_i` equal at all positions, `e_{L+1} = e_L + (n_E w)^2/n` chi2 "
        "gives `e_L = L (n_E w)^2/n` chi2.",
        so_far + (n_E * w) ** 2 / n * chi2,
        (length + 1) * (n_E * w) ** 2 / n * chi2,
        where={**VISITS, "chi2": NONNEGATIVE, "L": COUNT},
        using={so_far: length * (n_E * w) ** 2 / n * chi2},
    )
    yield two_tokens_by_brute_force()


def two_tokens_by_brute_force() -> Step:
    """The joint Fisher matrix of two independent binary tokens from all four answers, inverted, against the sum."""
    x, y, shown_x, shown_y, w_1, w_2 = symbols("x y x_E y_E w_1 w_2")
    fisher, update = sp.zeros(2, 2), sp.zeros(2, 1)
    for first in (0, 1):
        for second in (0, 1):
            chance = (x if first else 1 - x) * (y if second else 1 - y)
            demonstrated = (shown_x if first else 1 - shown_x) * (shown_y if second else 1 - shown_y)
            score = sp.Matrix([first - x, second - y])
            fisher += n * chance * score * score.T
            update += n_E * demonstrated * sp.Matrix([w_1 * score[0], w_2 * score[1]])
    energy = (update.T * fisher.applyfunc(sp.factor).inv() * update)[0, 0]
    chi_x, chi_y = ((s - t) ** 2 / (t * (1 - t)) for s, t in ((shown_x, x), (shown_y, y)))
    return identity(
        "Two binary tokens with weights `w_1`, `w_2` by brute force: `g^T F^-1 g` with `F` and `g` summed over all four answers.",
        energy,
        n_E**2 / n * (w_1**2 * chi_x + w_2**2 * chi_y),
        where={"x y x_E y_E": UNIT, "w_1 w_2 n n_E": POSITIVE},
    )


C4 = Claim(
    id="C4",
    group="C",
    title="SFT on independent tokens: the sampling energy adds up over tokens, linear in their number if they are alike",
    statement="""If the answer's tokens are independent, with a row each, the sampling stage's energy of SFT is `(n_E^2/n)
        sum_i w_i^2 chi2(E_i || pi_i)`: it is the sum over tokens, and proportional to `L` if they are alike. The
        decision stage's energy has no such sum: tokens enter it only through how often its answers are visited.""",
    latex=r"e_s=\frac{n_E^2}{n}\sum_{i=1}^{L}w_i^2\,\chi^2(E_i\,\|\,\pi_i)",
    level="fisher",
    scope="any number of tokens, any alphabet and weights, any number of turns of a stationary chain",
    domain={},
    proof=energy_of_factored_imitation,
    related=["C4-tree", "C4-loose", "D3", "B5", "C1"],
    notes="""Here the weight of an answer is not put in by hand: every token counts once (`w_i = 1`), and the imbalance of C1 at
        length weight 1 comes out as the number of tokens on which expert and policy differ. Tokens on which they agree add
        nothing.""",
)


# --- C4-tree ----------------------------------------------------------------------------------------------------------


def energy_of_a_tree() -> Iterator[Step]:
    """C4-tree: splitting one leaf, and the product over independent tokens."""
    reach, shown, chi2, second = symbols("pi delta chi2 Sum_eps2_rho")
    yield identity(
        "Split a prefix that policy and expert reach with probabilities `pi` and `delta` by one more token, `rho_j` against "
        "`eps_j`, `sum eps_j^2/rho_j = 1` + `chi2`. As answers, the children have `sum (delta eps_j)^2/(pi rho_j)`: what the "
        "prefix had, `delta^2/pi`, plus the energy of the new row, `(delta/pi)^2 pi` chi2. Induction over prefixes: with `w = 1` "
        "a tree of token rows has exactly the energy of its answers, `(n_E^2/n) chi2(E || pi)`.",
        shown**2 / reach * second,
        shown**2 / reach + (shown / reach) ** 2 * reach * chi2,
        where={"pi delta": UNIT, "chi2": NONNEGATIVE},
        using={second: 1 + chi2},
    )
    so_far, added, linear = symbols("X chi_L Sum_chi")
    yield identity(
        "If the tokens are independent, `sum delta^2/pi` over prefixes is a product: 1 + chi2 of `L` tokens is the product of `1 "
        "+ chi2_i`, growing exponentially in `L`.",
        (1 + so_far) * (1 + added) - 1,
        so_far + (1 + so_far) * added,
        where={"X chi_L": NONNEGATIVE},
    )
    yield decide(
        "It is never less than the sum of C4 (independent rows restrict the tree), by induction on tokens.",
        (1 + so_far) * (1 + added) - 1 >= linear + added,
        given=[so_far >= linear],
        where={"X chi_L Sum_chi": NONNEGATIVE},
    )


C4_TREE = Claim(
    id="C4-tree",
    group="C",
    title="SFT with a row for every prefix: the energy of the answers, however many tokens they are written in",
    statement="""With prefix-conditional tabular tokens and `w_i = 1` the sampling stage's energy of SFT is `(n_E^2/n) chi2(E ||
        pi)` of whole answers, which does not depend on how they are split into tokens. For independent tokens it is `(n_E^2/n)
        (prod_i (1 + chi2_i) - 1)`, exponential in `L` if they are alike and not the policy's, and never less than the sum of
        C4.""",
    latex=r"e_s=\frac{n_E^2}{n}\Bigl(\prod_{i}(1+\chi^2_i)-1\Bigr)\ge\frac{n_E^2}{n}\sum_i\chi^2_i",
    level="fisher",
    scope="any number of tokens, any alphabet",
    domain={},
    proof=energy_of_a_tree,
    related=["C4", "C4-loose", "B5"],
    notes="""So "extensive" in C4 means tokens added, not tokens split, and "linear" needs rows that are shared by all prefixes,
        as a factored policy's are.""",
)


def more_tokens_more_energy() -> Iterator[Step]:
    """C4-loose: four answers, once as they are and once as two binary tokens."""
    x, y, z, shown_x, shown_y, shown_z = symbols("x y z x_E y_E z_E")
    chances = [x * y, x * (1 - y), (1 - x) * z, (1 - x) * (1 - z)]
    demonstrated = [e.xreplace({x: shown_x, y: shown_y, z: shown_z}) for e in chances]
    whole = sp.Add(*[d**2 / c for d, c in zip(demonstrated, chances, strict=True)]) - 1
    rows = ((sp.S.One, sp.S.One, x, shown_x), (x, shown_x, y, shown_y), (1 - x, 1 - shown_x, z, shown_z))
    split = sp.Add(*[(met * (s - t)) ** 2 / (reach * t * (1 - t)) for reach, met, t, s in rows])
    e_1, e_2 = symbols("e_1 e_2")
    yield decide(
        "Four answers as two binary tokens, policy `P(1) = x`, `P(1|1) = y`, `P(1|0) = z`, expert likewise and not the same. Two "
        "tokens would have more energy than one.",
        e_2 > e_1,
        given=[sp.Or(sp.Ne(x, shown_x), sp.Ne(y, shown_y), sp.Ne(z, shown_z))],
        using={e_1: whole, e_2: split},
    )


C4_LOOSE = Claim(
    id="C4-loose",
    group="C",
    title="Writing the same answers in more tokens raises the energy of SFT",
    statement="""Writing the same answers, with the same demonstrations, in more tokens raises the sampling energy of SFT, if the
        demonstrations differ from the policy at all.""",
    level="fisher",
    scope="four answers as one token or as two, one turn",
    source="a loose reading of arXiv 2601.01580: long answers dominate the SFT loss",
    domain={"x y z x_E y_E z_E": UNIT},
    proof=more_tokens_more_energy,
    recorded="fails",
    witness={"x": "1/2", "y": "1/2", "z": "1/2", "x_E": "1/2", "y_E": "1/2", "z_E": "1/3"},
    related=["C4", "C4-tree"],
    notes="At the witness both energies are `1/18`.",
)
