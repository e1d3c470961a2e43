"""Group B, several prompts: what per-response normalisers and per-prompt scales do to the mixture (B7-prompts, B8-loose)."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import And, Eq, Symbol

from dstheory.claims import POSITIVE, REAL, UNIT, Claim, Step, counterexample, decide, identity

rho = Symbol("rho")
H_1, H_2, G_1, G_2 = sp.symbols("H_1 H_2 grad_1 grad_2")
U = Symbol("U")


def prompts_by_their_turns() -> Iterator[Step]:
    """B7-prompts: B7 on each prompt, then the mixture."""
    stay = Symbol("s")  # 1 - q
    inverse = -stay * sp.log(stay) / (1 - stay)
    slope = Symbol("slope")
    yield identity(
        "On each prompt B7 applies, with its own H = E[1/K] = -(1-q) log(1-q)/q: the update is sum rho_x H_x grad Acc_x.",
        [U],
        [rho * H_1 * G_1 + (1 - rho) * H_2 * G_2],
        where={"rho": UNIT, "grad_1 grad_2": REAL, "H_1 H_2": POSITIVE},
        using={U: rho * (H_1 * G_1) + (1 - rho) * (H_2 * G_2)},
    )
    yield identity(
        "In s = 1 - q the slope of H is (s - 1 - log s)/(1-s)^2,",
        sp.diff(inverse, stay),
        (stay - 1 - sp.log(stay)) / (1 - stay) ** 2,
        where={"s": UNIT},
    )
    yield decide(
        "which is positive: a prompt on which the policy resamples more counts less.",
        slope > 0,
        where={"s": UNIT},
        using={slope: (stay - 1 - sp.log(stay)) / (1 - stay) ** 2},
    )
    yield decide(
        "And H lies between (1-q) and 1: the weights of two prompts differ by less than the factor 1/(1-q).",
        And(inverse < 1, inverse > stay),
        where={"s": UNIT},
    )
    yield counterexample(
        "So the direction changes unless all prompts resample alike: q = 1/2 and q = 1/4 at equal frequency, gradients (1, 0) "
        "and (0, 1).",
        Eq(Symbol("U_1"), Symbol("U_2")),
        at={},
        using={
            "U_1": inverse.subs(stay, sp.Rational(1, 2)) / 2,
            "U_2": inverse.subs(stay, sp.Rational(3, 4)) / 2,
        },
    )


B7_PROMPTS = Claim(
    id="B7-prompts",
    group="B",
    title="Over several prompts 1/|o| weighs each by E[1/K], less where the policy resamples more",
    statement="""Without a cap and with equal turn lengths the normaliser 1/|o| weighs the gradient of prompt x by E[1/K | x]
        = -(1-q) log(1-q)/q, which strictly decreases in the prompt's resample probability q. It leaves the direction alone
        exactly if all prompts resample alike.""",
    latex=r"\sum_x\rho_x\,\mathrm{E}[1/K\mid x]\,\nabla\mathrm{Acc}_x",
    level="gradient",
    scope="any number of prompts, stationary chains without a cap; the counterexample has two",
    source="arXiv 2402.03300 (the normaliser); derived here",
    domain={},
    proof=prompts_by_their_turns,
    recorded="holds under condition",
    related=["B7", "O6", "O7-groups"],
)

B8_LOOSE = Claim(
    id="B8-loose",
    group="B",
    title="Objectives with the same split between the stages are the same objective",
    statement="""Accuracy and log-success split every prompt's gradient alike (B8), so over two prompts their expected updates
        have one direction.""",
    level="gradient",
    scope="two prompts with success probabilities x and y, gradients of their own",
    domain={"x y": UNIT},
    proof=[
        decide(
            "The weights h' of the two prompts, 1 : 1 and 1/x : 1/y, stand alike.",
            Eq(1 / Symbol("x"), 1 / Symbol("y")),
        )
    ],
    recorded="fails",
    witness={"x": "1/2", "y": "1/3"},
    related=["B8", "O5"],
)
