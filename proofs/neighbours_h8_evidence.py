"""H8, evidence rewards (EAPO, arXiv 2601.10306): what an outcome reward says about using evidence.

Before answering, the policy looks for evidence with probability e, or guesses. Answers are right with chance p_e or p_g; after
either the same decisions follow, a = P(stop | right), b = P(resample | wrong). eta is a reward for evidence itself.
"""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import And, Eq, Equivalent

from dstheory.claims import POSITIVE, UNIT, Claim, Step, decide, identity

SOURCE = "arXiv 2601.10306 (evidence-augmented policy optimisation)"
e, p_e, p_g, a, b, eta = sp.symbols("e p_e p_g a b eta")
slope = sp.symbols("slope")
CHANCES = {"e p_e p_g a b": UNIT}


def outcome_alone() -> Iterator[Step]:
    """H8: the accuracy of the mixture, and its slope in the logit of e."""
    p = sp.Symbol("p")
    mixed = e * p_e + (1 - e) * p_g
    right = mixed * a / (mixed * a + (1 - mixed) * (1 - b))
    yield identity(
        "`P(correct)` is `p = e p_e + (1-e) p_g`. The accuracy after resampling has, in the logit of `e`, the slope",
        slope,
        e * (1 - e) * a * (1 - b) * (p_e - p_g) / (p * a + (1 - p) * (1 - b)) ** 2,
        where=CHANCES,
        using={slope: e * (1 - e) * sp.diff(right, e), p: mixed},
    )
    yield decide(
        "of the sign of `p_e - p_g`, whatever the decisions are: none at all if a guess is as accurate.",
        And(Equivalent(slope > 0, p_e > p_g), Equivalent(Eq(slope, 0), Eq(p_e, p_g))),
        where={**CHANCES, "p": UNIT},
        using={slope: e * (1 - e) * a * (1 - b) * (p_e - p_g) / (p * a + (1 - p) * (1 - b)) ** 2},
    )


H8 = Claim(
    id="H8",
    group="neighbours",
    title="An outcome reward gives evidence no advantage where guessing is as accurate",
    statement="""The gradient of accuracy on the choice to look for evidence is proportional to `p_e - p_g`, the difference in
        accuracy between answers with and without it. It is zero where a guess is as accurate, however good the decisions are.""",
    latex=r"\frac{\partial\mathrm{Acc}}{\partial\operatorname{logit}e}=\frac{e(1-e)\,a(1-b)(p_e-p_g)}{(pa+(1-p)(1-b))^2}",
    level="gradient",
    scope="all real parameters; evidence is chosen before each answer, decisions do not see whether it was",
    source=f"{SOURCE}; the form with decisions is derived here",
    domain={},
    proof=outcome_alone,
    related=["H8-loose", "H8-reward", "A4"],
)


def evidence_paid() -> Iterator[Step]:
    """H8-reward: one turn, a reward eta for evidence on top of the outcome."""
    value = e * (p_e + eta) + (1 - e) * p_g
    yield decide(
        "With `eta` for evidence, paid once per answer, the value of one turn is `P(correct) + e eta`, with the slope `e(1 - "
        "e)(p_e - p_g + eta)` in the logit of `e`. It is positive where guessing is as accurate; and evidence is taken up even "
        "where it makes answers worse, by less than `eta`.",
        And(Eq(slope, e * (1 - e) * (p_e - p_g + eta)), Equivalent(slope > 0, p_g - p_e < eta)),
        where={**CHANCES, "eta": POSITIVE},
        using={slope: e * (1 - e) * sp.diff(value, e)},
    )


H8_REWARD = Claim(
    id="H8-reward",
    group="neighbours",
    title="In one turn a reward for evidence teaches it exactly where it costs less accuracy than it pays",
    statement="""With a reward `eta` for evidence beside the outcome of one turn, the choice of evidence is pushed up exactly if
        `p_g - p_e < eta`: also where guessing is as accurate, and also where evidence makes answers slightly worse.""",
    latex=r"\frac{\partial V}{\partial\operatorname{logit}e}=e(1-e)(p_e-p_g+\eta)",
    level="gradient",
    scope="one turn; all real parameters",
    source=f"{SOURCE}; derived here",
    domain={},
    proof=evidence_paid,
    related=["H8"],
)

H8_LOOSE = Claim(
    id="H8-loose",
    group="neighbours",
    title="Rewarding correct answers teaches to use evidence",
    statement="Where evidence is at least as accurate as guessing, an outcome reward raises the use of evidence.",
    level="gradient",
    scope="one choice of evidence before each answer; formula of H8",
    source=f"{SOURCE}; a loose reading",
    domain=CHANCES,
    assumptions=[p_e >= p_g],
    proof=[decide("The slope would be positive.", e * (1 - e) * a * (1 - b) * (p_e - p_g) > 0)],
    recorded="fails",
    witness={"e": "1/2", "p_e": "1/2", "p_g": "1/2", "a": "1/2", "b": "1/2"},
    related=["H8"],
)
