"""H6, preferences without reward inference (BSAD, arXiv 2406.07455): what a duel of two trajectories says about a decision.

Two trajectories with rewards R, R' are shown; the first is preferred with probability link(R - R'), link(-z) = 1 - link(z). For
0/1 rewards only k = link(1) - 1/2 in (0, 1/2] matters.
"""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import And, Eq, exp

from dstheory.claims import UNIT, Claim, Step, at_least, between, decide, identity

SOURCE = "arXiv 2406.07455 (BSAD: preferences without reward inference)"
P_1, P_2, k, g = sp.symbols("P_1 P_2 k g")
p, a, b, x, r = sp.symbols("p a b x r")
LINK = {"k": between(0, sp.Rational(1, 2), "(]")}


def the_better_wins() -> Iterator[Step]:
    """H6: the probability that a duel is won, and what it is at each stage of the chain."""
    yield identity(
        "Success probabilities `P_1`, `P_2`. Ties are decided by a coin, so the first wins with probability",
        P_1 * (1 - P_2) * (sp.Rational(1, 2) + k)
        + (1 - P_1) * P_2 * (sp.Rational(1, 2) - k)
        + (P_1 * P_2 + (1 - P_1) * (1 - P_2)) / 2,
        sp.Rational(1, 2) + k * (P_1 - P_2),
        where={"P_1 P_2": UNIT, **LINK},
    )
    yield decide(
        "which exceeds `1/2` exactly if it succeeds more often: the better action is the Condorcet winner, whatever the link.",
        sp.Equivalent(sp.Rational(1, 2) + k * (P_1 - P_2) > sp.Rational(1, 2), P_1 > P_2),
        where={"P_1 P_2": UNIT, **LINK},
    )
    V, stay = sp.symbols("V stay")
    value = {V: p * a / (1 - p * (1 - a) - (1 - p) * b)}
    yield decide(
        "Backward, decisions first. Stop succeeds with 1 at a right answer and with 0 at a wrong one, resample with `V`, "
        "strictly between: duels find stop when right and resample when wrong.",
        And(V < 1, V > 0),
        where={"p a b": UNIT},
        using=value,
    )
    yield decide(
        "Then answers: with any decisions `a`, `b` a right answer succeeds more often than a wrong one, by `a(1-b)/(1-q)`.",
        And(Eq(a + (1 - a) * V - b * V, a * (1 - b) / stay), a * (1 - b) / stay > 0),
        where={"p a b": UNIT},
        using={**value, stay: 1 - p * (1 - a) - (1 - p) * b},
    )
    yield identity(
        "But once every wrong answer is resampled, `b = 1`, both end right in the end: duels see no difference any more.",
        [a + (1 - a) * V, V],
        [1, 1],
        where={"p a": UNIT},
        using={V: p * a / (1 - p * (1 - a) - (1 - p))},
    )


H6 = Claim(
    id="H6",
    group="neighbours",
    title="For `0/1` outcomes the better action wins most duels of trajectories, at both stages",
    statement="""If whole trajectories with `0/1` rewards are compared, the trajectory that starts with action 1 is preferred with
        probability `1/2 + k (P_1 - P_2)`, `P_i` the success probabilities: above `1/2` exactly if action 1 is better. Backward
        identification by duels therefore finds stop at right and resample at wrong answers, then right answers, unless wrong ones
        are already always resampled (`b = 1`) and there is no cap: then answers are equally good.""",
    latex=r"\Pr(1\succ2)=\tfrac12+k\,(P_1-P_2),\qquad k=\mathrm{link}(1)-\tfrac12",
    level="chain",
    scope="any symmetric link with link(1) > 1/2, any chain; the stages in the minimal chain with terminal accuracy reward",
    source=f"{SOURCE}; the stage form is derived here",
    domain={},
    proof=the_better_wins,
    related=["H6-loose", "H6-error", "B6"],
)

H6_LOOSE = Claim(
    id="H6-loose",
    group="neighbours",
    title="Duels of trajectories find the action with the larger expected reward",
    statement="An action whose trajectories win most duels has the larger expected reward, for rewards of any size.",
    level="chain",
    scope="action 1 pays r with probability x and else 0, action 2 pays 1; the larger reward always wins the duel",
    source=f"{SOURCE}; a loose reading",
    domain={"x": UNIT, "r": at_least(1)},
    assumptions=[r > 1, x < sp.Rational(1, 2)],
    proof=[decide("Action 1 wins with probability `x < 1/2`, so it would have the smaller mean.", x * r <= 1)],
    recorded="fails",
    witness={"x": "1/3", "r": "4"},
    related=["H6"],
    notes="This is why BSAD compares batches of trajectories when rewards are not `0/1`.",
)


def error_of_a_majority() -> Iterator[Step]:
    """H6-error: the majority of n duels."""
    s, y = sp.symbols("s y")
    yield identity(
        "A duel is won with probability `1/2 + g`, `g = k (P_1 - P_2) > 0`. Losing at least half of `n` duels has probability at "
        "most `(E[s^(X - 1/2)])^n`, `X = 1` for a win; at `s = (1/2 - g)/(1/2 + g)` the square of the base is `1 - 4 g^2`.",
        (sp.Rational(1, 2) - g + (sp.Rational(1, 2) + g) * s) ** 2 / s,
        1 - 4 * g**2,
        where={"g": between(0, sp.Rational(1, 2))},
        using={s: (sp.Rational(1, 2) - g) / (sp.Rational(1, 2) + g)},
    )
    yield decide("And `1 - y <= exp(-y)`: the error is at most `exp(-2 n g^2)`.", 1 - y <= exp(-y), where={"y": UNIT})


H6_ERROR = Claim(
    id="H6-error",
    group="neighbours",
    title="The majority of `n` duels errs with probability at most `(1 - 4g^2)^(n/2)`, at most `exp(-2n g^2)`",
    statement="""With `g = k (P_1 - P_2) > 0` the better of two actions loses at least half of `n` independent duels with
        probability at most `(1 - 4g^2)^(n/2) <= exp(-2 n g^2)`.""",
    latex=r"\Pr(\text{error})\le(1-4g^2)^{n/2}\le e^{-2ng^2},\qquad g=k\,(P_1-P_2)",
    level="chain",
    scope="any n, any two actions",
    source=f"{SOURCE}; the constants are derived here",
    domain={},
    proof=error_of_a_majority,
    related=["H6", "H4"],
)
