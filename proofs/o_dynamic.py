"""Group O, dynamic sampling: what drawing groups without variance again does to the expected update (O5-dynamic).

Two prompts, met with probability w and 1 - w, with success probabilities x and y. As in O5, u is a component of
E[score | correct] at a prompt, and that of E[score | wrong] is -x u/(1 - x), because scores have mean zero; the gradient of x is
x u.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import sympy as sp
from sympy import And, Eq, Symbol

from dstheory.claims import REAL, UNIT, Claim, Step, counterexample, decide, identity

w, x, y, u_x, u_y = sp.symbols("w x y u_x u_y")
update, chance = sp.symbols("U P")
SIZES = (2, 3, 4)
WHERE = {"w x y": UNIT, "u_x u_y": REAL}


def kept(size: int, success: sp.Expr, score: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """The probability that a group is mixed, and the update of the mixed ones times that, by all 2^G outcomes."""
    total, probability = [], []
    for outcome in product((0, 1), repeat=size):
        right = sum(outcome)
        if right in (0, size):
            continue  # drawn again, prompt included
        each = sp.Mul(*[success if r else 1 - success for r in outcome])
        probability.append(each)
        deviation = sp.sqrt(sp.Rational(right * (size - right), size * (size - 1)))
        for r in outcome:
            own = score if r else -success * score / (1 - success)
            total.append(each * (r - sp.Rational(right, size)) / deviation * own / size)
    return sp.Add(*probability), sp.Add(*total)


def mixed(size: int, success: sp.Expr) -> sp.Expr:
    """1 - x^G - (1 - x)^G."""
    return 1 - success**size - (1 - success) ** size


def plain(size: int, success: sp.Expr, score: sp.Expr) -> sp.Expr:
    """w_G times the gradient of x (O5): the expected update when all groups are kept."""
    ways = [sp.binomial(size, k) * success**k * (1 - success) ** (size - k) * sp.sqrt(k * (size - k)) for k in range(size + 1)]
    weight = sp.sqrt(sp.Rational(size - 1, size)) * sp.Add(*ways) / (size * success * (1 - success))
    return weight * success * score


def dynamic() -> Iterator[Step]:
    """O5-dynamic: outcome by outcome, then what the scale is, and what it is not."""
    for size in SIZES:
        (p_x, g_x), (p_y, g_y) = kept(size, x, u_x), kept(size, y, u_y)
        yield identity(
            f"Groups of {size}, outcome by outcome of the mixed ones, over the probability that a group is mixed: the update of "
            "O5 over `P` = sum of `rho (1 - x^G - (1 - x)^G)`, one number for all prompts and both stages.",
            [update, chance],
            [
                (w * plain(size, x, u_x) + (1 - w) * plain(size, y, u_y)) / (w * mixed(size, x) + (1 - w) * mixed(size, y)),
                w * mixed(size, x) + (1 - w) * mixed(size, y),
            ],
            where=WHERE,
            using={update: (w * g_x + (1 - w) * g_y) / (w * p_x + (1 - w) * p_y), chance: w * p_x + (1 - w) * p_y},
        )
    yield decide(
        "`0 < P < 1`, so the step is longer; `P` falls to 0 where every prompt is nearly always right, or wrong.",
        And(*[And(mixed(size, x) > 0, mixed(size, x) < 1) for size in SIZES]),
        where={"x": UNIT},
    )
    yield counterexample(
        "It is not prompt by prompt: over its own chance, a prompt of `x = 1/10` would weigh more beside one of `x = 1/2`.",
        Eq(Symbol("own"), Symbol("shared")),
        at={"x": "1/2", "y": "1/10"},
        using={"own": mixed(2, x) / mixed(2, y), "shared": 1},
    )


O5_DYNAMIC = Claim(
    id="O5-dynamic",
    group="O",
    title="Drawing groups without variance again divides the expected update by `P(mixed)`: same direction, longer step",
    statement="""With `0/1` rewards, group std and a normaliser that is the same for all groups, dynamic sampling (groups whose
        rewards are all equal are drawn again, prompt included) divides the expected update by `P` = sum over prompts of `rho (1 -
        x^G - (1 - x)^G)`, the probability that a group is mixed. `P` is one number for all prompts and both stages: the direction
        and the weights between prompts stay those of O5.""",
    latex=r"\mathrm{E}[U\mid\text{mixed}]=\frac{\sum_x\rho\,w_G\nabla x}{\sum_x\rho\,(1-x^G-(1-x)^G)}",
    level="gradient",
    scope="any chain, any policy class, two prompts, groups of 2, 3 and 4, sample standard deviation",
    source="arXiv 2503.14476 (the rule); derived here",
    domain=WHERE,
    proof=dynamic,
    related=["O5", "O7-groups"],
)
