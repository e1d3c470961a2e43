"""H7, information-bottleneck reward penalty (arXiv 2510.13694): a Mahalanobis penalty is a worst case over an ellipsoid.

The reward of an answer with features phi is w.phi, with w known up to a covariance: coordinates are chosen so that it is the unit
matrix, and the Mahalanobis norm of phi is then its length. delta = w - w_hat ranges over the ball |delta| <= eps.
"""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import And, Eq, Equivalent, Implies

from dstheory.claims import NONNEGATIVE, POSITIVE, REAL, UNIT, Claim, Step, decide, identity

SOURCE = "arXiv 2510.13694 (information bottleneck, Mahalanobis penalty)"
eps, norm = sp.symbols("eps norm")


def worst_case() -> Iterator[Step]:
    """H7: the inequality of Cauchy and Schwarz by induction, the bound, and where it is attained."""
    A, B, C, f, d = sp.symbols("A B C f d")
    yield decide(
        "Let `A = |phi|^2`, `B = |delta|^2`, `C = phi.delta` over some features, and `C^2 <= A B` (Cauchy and Schwarz). It stays "
        "so with one feature more, in which `phi` has `f` and `delta d`; with no feature all three are 0. So it holds for any "
        "number.",
        Implies(C**2 <= A * B, (C + f * d) ** 2 <= (A + f**2) * (B + d**2)),
        where={"A B": NONNEGATIVE, "C f d": REAL},
    )
    yield decide(
        "So `phi.delta >= -eps |phi|` on the ball `|delta| <= eps`,",
        Implies(And(C**2 <= norm**2 * B, B <= eps**2), C >= -eps * norm),
        where={"C": REAL, "norm eps B": NONNEGATIVE},
    )
    yield decide(
        "and `delta = -eps phi/|phi|` has length `eps` and attains it (`phi.delta` is `-eps/|phi|` times `A`, `|delta|^2 "
        "eps^2/|phi|^2` times `A`): the worst case of `w.phi` is `w_hat.phi - eps |phi|`. Where `phi = 0` there is nothing to "
        "lose, and `eps |phi| = 0`.",
        Implies(Eq(norm**2, A), And(Eq(-eps / norm * A, -eps * norm), Eq((eps / norm) ** 2 * A, eps**2))),
        where={"A norm eps": POSITIVE},
    )


H7 = Claim(
    id="H7",
    group="neighbours",
    title="Penalising the Mahalanobis norm is the worst case of a linear reward over an ellipsoid",
    statement="""If the reward is `w.phi` and `w` lies in the ellipsoid of radius `eps` around its estimate, in the metric of its
        covariance, the least reward of an answer is `w_hat.phi - eps |phi|`, `|phi|` the Mahalanobis norm of its features.""",
    latex=r"\min_{(w-\hat w)^\top\Sigma^{-1}(w-\hat w)\le\varepsilon^2}w^\top\phi"
    r"=\hat w^\top\phi-\varepsilon\sqrt{\phi^\top\Sigma\phi}",
    level="chain",
    scope="any number of features, any invertible covariance, in coordinates in which it is the unit matrix",
    source=SOURCE,
    domain={},
    proof=worst_case,
    related=["H7-stages"],
)


def penalty_on_each_stage() -> Iterator[Step]:
    """H7-stages: the penalty is part of the reward of an answer, so it moves sampling, and stopping, and in which direction."""
    p, a, b, n_C, n_W, V, slope_s, slope_C, slope_W = sp.symbols("p a b n_C n_W V g_s g_C g_W")
    stop_right, stop_wrong = 1 - eps * n_C, -eps * n_W
    paid = p * a * stop_right + (1 - p) * (1 - b) * stop_wrong
    stay = 1 - p * (1 - a) - (1 - p) * b
    value = paid / stay
    where = {"p a b": UNIT, "n_C n_W eps": NONNEGATIVE}
    slopes = {slope_s: sp.diff(value, p), slope_C: sp.diff(value, a), slope_W: sp.diff(value, b)}
    yield identity(
        "Minimal chain, no discount, the answer stopped at pays `1 - eps n_C` or `-eps n_W`, `n` its norm. The slopes of `V` in "
        "`p`, `a` and `b`:",
        [slope_s * stay, slope_C * stay, slope_W * stay],
        [
            a * stop_right + (1 - a) * V - (1 - b) * stop_wrong - b * V,
            p * (stop_right - V),
            (1 - p) * (V - stop_wrong),
        ],
        where=where,
        using={**slopes, V: value},
    )
    kept = 1 - eps * (n_C - n_W)
    yield identity(
        "Written out each is `1 - eps (n_C - n_W)` times its value without the penalty; with `s = 1 - q` these are `a(1-b)/s^2`, "
        "`p(1-p)(1-b)/s^2` and `p(1-p)a/s^2`.",
        [slope_s * stay**2, slope_C * stay**2, slope_W * stay**2],
        [kept * a * (1 - b), kept * p * (1 - p) * (1 - b), kept * p * (1 - p) * a],
        where=where,
        using=slopes,
    )
    yield decide(
        "The factor is 1 for answers of equal norm, and negative if right ones lie further out by more than `1/eps`.",
        And(Implies(Eq(n_C, n_W), Eq(kept, 1)), Equivalent(kept < 0, eps * (n_C - n_W) > 1)),
        where={"n_C n_W eps": NONNEGATIVE},
    )


H7_STAGES = Claim(
    id="H7-stages",
    group="neighbours",
    title="Without discount the penalty scales sampling and decisions alike, by `1 - eps (n_C - n_W)`",
    statement="""Paid at the end, a penalty `eps n` on the norm `n` of the answer's features changes the slopes of `V` in
        `p`, `a` and `b` by one factor, `1 - eps (n_C - n_W)`: nothing if right and wrong answers have equal norms, and a
        reversal at both stages where `eps (n_C - n_W) > 1`.""",
    latex=r"\nabla V_\varepsilon=\bigl(1-\varepsilon(n_C-n_W)\bigr)\nabla\mathrm{Acc}",
    level="gradient",
    scope="all real parameters of the minimal chain without discount or price",
    source=f"{SOURCE}; derived here",
    domain={},
    proof=penalty_on_each_stage,
    related=["H7", "A4"],
)
