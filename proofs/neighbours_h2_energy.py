"""H2, the energy-based lens (arXiv 2512.18730): the optimum of reward minus beta KL, the distance to it, and the flow to it.

One choice among answers y with reward r(y), policy pi, reference ref; E* = ref exp(r/beta)/Z. Logarithms of probabilities are the
symbols of the proof, so that every identity is one between rational functions.
"""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import And, Eq, Implies, Symbol, exp, log

from dstheory.claims import POSITIVE, REAL, UNIT, Claim, Step, decide, identity

SOURCE = "arXiv 2512.18730 (KL-regularised RL as an energy-based model)"
beta, t = sp.symbols("beta t")
r, l_pi, l_ref, l_star, l_Z = sp.symbols("r l_pi l_ref l_star l_Z")
p, p_ref, x, drift = sp.symbols("p p_ref x drift")
theta, theta_0, theta_ref = sp.symbols("theta theta_0 theta_ref")


def distance_to_the_optimum() -> Iterator[Step]:
    """H2: answer by answer, then two answers in full."""
    logs = {"r l_pi l_ref l_Z": REAL, "beta": POSITIVE}
    yield identity(
        "With `log E* = log ref + r/beta - log Z`, each answer's `r - beta log(pi/ref)` is `beta log Z - beta log(pi/E*)`.",
        r - beta * (l_pi - l_ref),
        beta * l_Z - beta * (l_pi - l_star),
        where=logs,
        using={l_star: l_ref + r / beta - l_Z},
    )
    pi, best = sp.symbols("pi_y o_y")
    yield decide(
        "Averaged over `pi`: `J(pi) = beta log Z - beta KL(pi || E*)`. The KL is at least 0, and 0 only at `E*`, because `pi_y "
        "log(pi_y/o_y) >= pi_y - o_y` for every answer and both sum to 1. So `J(E*) = beta log Z` is the largest value.",
        And(pi * log(pi / best) >= pi - best, Implies(Eq(pi * log(pi / best), pi - best), Eq(pi, best))),
        where={"pi_y o_y": POSITIVE},
    )
    gap, odds, lift = sp.symbols("J_gap o e_r")
    raised, Z = odds * lift, (1 + odds * lift) / (1 + odds)
    yield identity(
        "Two answers in full, rewards `beta log e_r` and 0, reference odds `o`: the optimum has the odds `o e_r`.",
        gap,
        beta * (p * log(p * (1 + raised) / raised) + (1 - p) * log((1 - p) * (1 + raised))),
        where={"p": UNIT, "o e_r beta": POSITIVE},
        using={
            gap: beta * log(Z)
            - (p * beta * log(lift) - beta * (p * log(p * (1 + odds) / odds) + (1 - p) * log((1 - p) * (1 + odds)))),
        },
    )


H2 = Claim(
    id="H2",
    group="neighbours",
    title="How much of the regularised objective a policy misses is `beta` times its KL to the optimum",
    statement="""`J(pi) = E_pi[r] - beta KL(pi || ref)` is largest at `E* = ref exp(r/beta)/Z`, and `J(E*) - J(pi) = beta KL(pi ||
        E*)` for every policy.""",
    latex=r"J(\pi^*)-J(\pi)=\beta\,\mathrm{KL}(\pi\,\|\,\pi^*),\qquad \pi^*\propto\mathrm{ref}\,e^{r/\beta}",
    level="optimum",
    scope="any number of answers, or of whole trajectories if both stages have weight 1 and nothing is discounted",
    source=SOURCE,
    domain={},
    proof=distance_to_the_optimum,
    related=["H2-flow", "E1"],
    notes="""The chain of two stages with stage weights of its own is E1: there each stage has a temperature `beta w`, and this is
        its case `w_s = w_d = 1`.""",
)


def natural_flow() -> Iterator[Step]:
    """H2-flow: the flow in the logit, and its solution."""
    penalty = p * log(p / p_ref) + (1 - p) * log((1 - p) / (1 - p_ref))
    force = Symbol("J_theta")
    yield identity(
        "Reward 1 for correct, success probability `p = sigma(theta)`. The slope of `p - beta` KL in `theta`,",
        force,
        p * (1 - p) * (1 - beta * (log(p / (1 - p)) - log(p_ref / (1 - p_ref)))),
        where={"p p_ref": UNIT, "beta": POSITIVE},
        using={force: p * (1 - p) * sp.diff(p - beta * penalty, p)},
    )
    path = theta_ref + 1 / beta + (theta_0 - theta_ref - 1 / beta) * exp(-beta * t)
    yield identity(
        "divided by the Fisher information `p(1-p)`, is `1 - beta(theta - theta_ref)`: linear. Its solution is `theta_ref + "
        "1/beta + (theta_0 - theta_ref - 1/beta) exp(-beta t)`, `theta_0` at `t = 0`:",
        drift,
        1 - beta * (path - theta_ref),
        where={"theta_0 theta_ref": REAL, "beta t": POSITIVE},
        using={drift: sp.diff(path, t)},
    )
    yield identity(
        "Started at the reference it is `theta_0 + (1 - exp(-beta t))/beta`.",
        path,
        theta_0 + (1 - exp(-beta * t)) / beta,
        where={"theta_0": REAL, "beta t": POSITIVE},
        using={theta_ref: theta_0},
    )
    far = sp.Symbol("d")
    yield decide(
        "Its distance `d exp(-beta t)` from `theta_ref + 1/beta`, the logit of the optimum (odds times `exp(1/beta)`, H2), tends "
        "to 0: it is at most `d/(1 + beta t)`.",
        far * exp(-beta * t) <= far / (1 + beta * t),
        where={"d beta t": POSITIVE},
    )


H2_FLOW = Claim(
    id="H2-flow",
    group="neighbours",
    title="From the reference the natural-gradient flow moves the logit of success by `(1 - exp(-beta t))/beta`",
    statement="""Along the natural-gradient flow of success probability minus `beta` KL to the reference, `logit p_t = logit ref +
        1/beta + (logit p_0 - logit ref - 1/beta) exp(-beta t)`. From the reference that is `logit p_0 + (1 - exp(-beta t))/beta`,
        whose limit is the optimum of H2.""",
    latex=r"\operatorname{logit}p_t=\operatorname{logit}p_0+\frac{1-e^{-\beta t}}{\beta}\quad(p_0=\mathrm{ref})",
    level="gradient",
    scope="one binary choice; a stage with weight w has beta w for beta and its own action values for the reward",
    source=f"{SOURCE}; the start away from the reference is derived here",
    domain={},
    proof=natural_flow,
    related=["H2", "H2-flow-loose", "F3"],
)

H2_FLOW_LOOSE = Claim(
    id="H2-flow-loose",
    group="neighbours",
    title="`logit p_t = logit p_0 + (1 - exp(-beta t))/beta` wherever the flow starts",
    statement="From any policy, not only the reference, the natural-gradient flow moves the logit by `(1 - exp(-beta t))/beta`.",
    level="gradient",
    scope="one binary choice; x = exp(-beta t), logits theta_0 and theta_ref",
    source=f"{SOURCE}; a loose reading",
    domain={"theta_0 theta_ref": REAL, "x": UNIT, "beta": POSITIVE},
    proof=[
        decide(
            "The solution of H2-flow would not contain the reference.",
            Eq(theta_ref + 1 / beta + (theta_0 - theta_ref - 1 / beta) * x, theta_0 + (1 - x) / beta),
        )
    ],
    recorded="fails",
    witness={"theta_0": "0", "theta_ref": "1", "x": "1/2", "beta": "1"},
    related=["H2-flow"],
)
