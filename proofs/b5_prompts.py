"""Group B, several prompts: what per-response normalisers and per-prompt scales do to the mixture (B7-prompts, B8-loose)."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import And, Eq, Equivalent, Symbol

from dstheory.claims import POSITIVE, REAL, UNIT, Claim, Step, counterexample, decide, derivative, identity
from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import SymbolicChain
from dstheory.symbolic.policy import differentiate, minimal_policy

rho = Symbol("rho")
H_1, H_2, G_1, G_2 = sp.symbols("H_1 H_2 grad_1 grad_2")
t = Symbol("t")


def prompts_by_their_turns() -> Iterator[Step]:
    """B7-prompts: B7 on each prompt, then the mixture."""
    stay = Symbol("s")  # 1 - q
    inverse = -stay * sp.log(stay) / (1 - stay)
    slope = Symbol("slope")
    yield identity(
        "On each prompt B7 applies, with its own `H = E[1/K] = -(1-q) log(1-q)/q`: the update is `sum rho_x H_x grad "
        "Acc_x`. In `s = 1 - q` the slope of `H` is `(s - 1 - log s)/(1-s)^2`,",
        derivative(inverse, stay),
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
        "And `H` lies between (`1-q`) and 1: the weights of two prompts differ by less than the factor `1/(1-q)`.",
        And(inverse < 1, inverse > stay),
        where={"s": UNIT},
    )
    yield decide(
        "Two prompts whose gradients point along different axes keep the direction of the sum exactly if `H_1 = H_2`,",
        Equivalent(Eq(rho * H_1 * (1 - rho), (1 - rho) * H_2 * rho), Eq(H_1, H_2)),
        where={"rho": UNIT, "H_1 H_2": POSITIVE},
    )
    yield identity(
        "while parallel gradients `g` and `t g`, `t > 0`, keep it whatever `H` is: the sums (`g_1`, `g_2`) with and without `H` "
        "lie on one line.",
        (rho * H_1 * G_1 + (1 - rho) * H_2 * (t * G_1)) * (rho * G_2 + (1 - rho) * (t * G_2)),
        (rho * H_1 * G_2 + (1 - rho) * H_2 * (t * G_2)) * (rho * G_1 + (1 - rho) * (t * G_1)),
        where={"rho": UNIT, "H_1 H_2 t": POSITIVE, "grad_1 grad_2": REAL},
    )
    yield counterexample(
        "So it is not kept for all gradients unless all prompts resample alike: `q = 1/2` and `q = 1/4` at equal "
        "frequency, gradients (1, 0) and (0, 1).",
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
    title="With equal turn lengths and no cap `1/|o|` weighs prompts by `E[1/K]`, less where the policy resamples more",
    statement="""Without a cap, with equal turn lengths and rewards centred by the mean of their prompt, the normaliser `1/|o|`
        weighs the gradient of prompt `x` by `E[1/K | x] = -(1-q) log(1-q)/q`, which strictly decreases in the prompt's resample
        probability `q`. It leaves the direction alone for all gradients of the prompts exactly if all prompts resample alike.""",
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
            "The weights `h'` of the two prompts, 1 : 1 and `1/x` : `1/y`, stand alike.",
            Eq(1 / Symbol("x"), 1 / Symbol("y")),
        )
    ],
    recorded="fails",
    witness={"x": "1/2", "y": "1/3"},
    related=["B8", "O5"],
)

M0 = minimal_policy()
ACCURACY = SymbolicChain(M0).accuracy((True, False))


def two_prompts() -> tuple[dict[Symbol, sp.Expr], dict[Symbol, sp.Expr]]:
    """Per prompt x, y = P(correct): accuracies and squared gradient norms of the stages, decisions (1/2, 1/2) and (4/5, 4/5)."""
    names, squares = {}, {}
    for i, (name, decisions) in enumerate((("x", sp.Rational(1, 2)), ("y", sp.Rational(4, 5))), 1):
        at = {symbol("p"): Symbol(name), symbol("a"): decisions, symbol("b"): decisions}
        slopes = [differentiate(ACCURACY, logit).subs(at) for logit in M0.logits]
        names[Symbol(f"Acc_{i}")] = ACCURACY.subs(at)
        squares |= {Symbol(f"S_{i}"): slopes[0] ** 2, Symbol(f"D_{i}"): slopes[1] ** 2 + slopes[2] ** 2}
    return names, squares


def same_split_over_prompts() -> Iterator[Step]:
    """B8-prompts: decision share of the norms for accuracy (h' = 1) and for log-success (h' = 1/Acc)."""
    accuracies, squares = two_prompts()
    (one, two), (s_1, d_1, s_2, d_2) = accuracies, squares
    yield decide(
        "The decisions' squared norm over the sampling's, with the prompts weighed 1 : 1 and `1/Acc_1` : `1/Acc_2`.",
        Eq((d_1 + d_2) * (s_1 / one**2 + s_2 / two**2), (s_1 + s_2) * (d_1 / one**2 + d_2 / two**2)),
        using={**accuracies, **squares},
    )


B8_PROMPTS = Claim(
    id="B8-prompts",
    group="B",
    title="Group-relative objectives never differ in the split of stages, however many prompts there are",
    statement="""Over two prompts with parameters of their own, accuracy and log-success give decisions the same share of the
        gradient's norm.""",
    level="gradient",
    scope="two minimal chains at equal weight, P(correct) = x and y, decisions a = b = 1/2 and 4/5, gamma = 1",
    domain={"x y": UNIT},
    proof=same_split_over_prompts,
    recorded="fails",
    witness={"x": "1/2", "y": "1/2"},
    related=["B8", "B8-loose", "H1-stages"],
    notes="""On each prompt the split is the same (B8). What differs is the weight of a prompt, and prompts may split
        differently.""",
)
