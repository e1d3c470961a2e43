"""H4, early rejection (arXiv 2508.01969): how surely a partial score after tau tokens rejects the worse of two answers.

Each token of the better answer scores with chance p_1, of the worse with p_2 < p_1, independently. Per token the lead of the
better one changes by +1 with v = p_1 (1 - p_2), by -1 with u = (1 - p_1) p_2, else by 0.
"""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import exp

from dstheory.claims import UNIT, Claim, Step, decide, identity

SOURCE = "arXiv 2508.01969 (early rejection by partial rewards)"
p_1, p_2, s, u, v = sp.symbols("p_1 p_2 s u v")
CHANCES = {u: (1 - p_1) * p_2, v: p_1 * (1 - p_2)}
PAIR = {"p_1 p_2": UNIT}
BETTER = [p_2 < p_1]


def exponential_bound() -> Iterator[Step]:
    """H4: Markov's inequality on s^lead, the best s, and the rate in the gap."""
    w, y = sp.symbols("w y")
    yield identity(
        "The mean lead per token is `v - u = p_1 - p_2`, and `u + v < 1`.",
        v - u,
        p_1 - p_2,
        where=PAIR,
        using=CHANCES,
    )
    yield decide("`u + v` stays below 1,", u + v < 1, where=PAIR, using=CHANCES)
    yield decide(
        "and `u < v`. For `0 < s < 1`, `s^lead >= 1` wherever the better answer does not lead, so `P(lead <= 0) <= E[s^lead] = "
        "(1 - u - v + v s + u/s)^tau`, tokens being independent.",
        u < v,
        where=PAIR,
        given=BETTER,
        using=CHANCES,
    )
    r, t = sp.symbols("sqrt_u sqrt_v")
    yield identity(
        "At `s = sqrt(u/v)` the base is `M = 1 - (sqrt v - sqrt u)^2`,",
        1 - r**2 - t**2 + t**2 * w + r**2 / w,
        1 - (t - r) ** 2,
        where={"sqrt_u sqrt_v": UNIT},
        using={w: r / t},
    )
    yield decide(
        "and no `s` gives less.",
        t**2 * s + r**2 / s >= 2 * r * t,
        where={"sqrt_u sqrt_v s": UNIT},
    )
    yield decide(
        "`M` falls with the gap: `(sqrt v - sqrt u)^2 = (v - u)^2/(sqrt v + sqrt u)^2 >= (p_1 - p_2)^2/2`, as `(sqrt v + sqrt "
        "u)^2 <= 2(u + v) < 2`.",
        (t - r) ** 2 >= (t**2 - r**2) ** 2 / 2,
        where={"sqrt_u sqrt_v": UNIT},
        given=[r**2 + t**2 < 1],
    )
    yield decide("So `M^tau <= exp(-tau (p_1 - p_2)^2/2)`, as `1 - y <= exp(-y)`.", 1 - y <= exp(-y), where={"y": UNIT})


H4 = Claim(
    id="H4",
    group="neighbours",
    title="The chance to reject the better of two answers has a bound that falls exponentially in the tokens seen",
    statement="""With independent tokens that score with chances `p_1 > p_2` the better answer fails to lead after `tau`
        tokens with probability at most `M^tau`, `M = 1 - (sqrt(p_1(1-p_2)) - sqrt((1-p_1)p_2))^2`, the best bound of its
        kind, and that is at most `exp(-tau (p_1 - p_2)^2/2)`.""",
    latex=r"\Pr(S_1\le S_2)\le\Bigl(1-\bigl(\sqrt{p_1(1-p_2)}-\sqrt{(1-p_1)p_2}\bigr)^2\Bigr)^{\tau}\le e^{-\tau(p_1-p_2)^2/2}",
    level="chain",
    scope="any tau, any 0 < p_2 < p_1 < 1; tokens independent",
    source=f"{SOURCE}; the rate M is derived here",
    domain={},
    proof=exponential_bound,
    related=["H4-loose", "H4-stages"],
)

H4_LOOSE = Claim(
    id="H4-loose",
    group="neighbours",
    title="Each further token lowers the chance to reject the better answer",
    statement="The probability that the worse answer strictly leads is lower after two tokens than after one.",
    level="chain",
    scope="two answers with independent tokens; ties reject neither",
    source=f"{SOURCE}; a loose reading",
    domain=PAIR,
    assumptions=BETTER,
    definitions=CHANCES,
    proof=[
        decide("After two tokens: both against, or one against and one tie.", u**2 + 2 * u * (1 - u - v) < u),
    ],
    recorded="fails",
    witness={"p_1": "1/2", "p_2": "1/3"},
    related=["H4"],
    notes="""Ties hide errors at first: with one token the answers often tie. Counting ties as rejections, or half, the exact
        probability falls from the first token on at this witness.""",
)


def rejection_as_a_decision() -> Iterator[Step]:
    """H4-stages: a threshold on the partial score is a decision, and both its error rates are bounded alike."""
    tilt, miss, a, b = sp.symbols("s miss a b")
    yield identity(
        "Tokens of right answers score with chance `p_1`, of wrong ones with `1 - p_1`; an answer is resampled if at most half "
        "of its `tau` tokens scored. That befalls a right one with probability at most `(E[s^(X - 1/2)])^tau`, `X = 1` for a "
        "token that scores. At `s = (1-p_1)/p_1` the square of the base is",
        (1 - p_1 + p_1 * tilt) ** 2 / tilt,
        4 * p_1 * (1 - p_1),
        where={"p_1": UNIT},
        using={tilt: (1 - p_1) / p_1},
    )
    yield decide(
        "which is below 1 unless `p_1 = 1/2`; a wrong one is kept with at most the same probability, by symmetry.",
        4 * p_1 * (1 - p_1) < 1,
        where={"p_1": UNIT},
        given=[p_1 > sp.Rational(1, 2)],
    )
    yield decide(
        "So `1 - a` and `1 - b` are at most `(4 p_1 (1-p_1))^(tau/2)`, and resampling helps (A3) once that is below `1/2`.",
        a + b > 1,
        where={"a b miss": UNIT},
        given=[1 - a <= miss, 1 - b <= miss, miss < sp.Rational(1, 2)],
    )


H4_STAGES = Claim(
    id="H4-stages",
    group="neighbours",
    title="A partial score is a decision: it helps accuracy once `tau` is large enough, and leaves sampling alone",
    statement="""Resampling answers of which at most half of `tau` tokens scored (chances `p_1 > 1/2` for right, `1 - p_1`
        for wrong answers) has `1 - a` and `1 - b` at most `(4 p_1 (1-p_1))^(tau/2)`. Where that is below `1/2` resampling
        helps, for every `p`.""",
    latex=r"1-a,\;1-b\le\bigl(4p_1(1-p_1)\bigr)^{\tau/2}",
    level="chain",
    scope="any tau and p_1 in (1/2, 1); tokens independent, scores symmetric",
    source=f"{SOURCE}; derived here",
    domain={},
    proof=rejection_as_a_decision,
    related=["H4", "A3"],
)
