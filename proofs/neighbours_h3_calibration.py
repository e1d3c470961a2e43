"""H3, stochastic outcomes (arXiv 2508.11800): a stated confidence is rewarded by its log score, once scaled by the group's std.

A question comes out "yes" with chance q. The policy states one of two confidences c < d, d with probability pi; the reward is log
c or log d if yes, log(1-c) or log(1-d) if no. All members of a group see the same outcome. Updates are those of the logit of pi.
"""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import And, Eq, Equivalent, Implies, Symbol, log

from dstheory.claims import POSITIVE, UNIT, Claim, Step, decide, identity

SOURCE = "arXiv 2508.11800 (GRPO's overconfidence on stochastic outcomes)"
q, c, d, pi = sp.symbols("q c d pi")
gap, update = sp.symbols("Delta U")


def no_interior_rest() -> Iterator[Step]:
    """H3: the standardised update does not see how much better a confidence scored."""
    mean, std = sp.symbols("m s")
    high, low = sp.symbols("A_d A_c")
    yield decide(
        "The larger confidence `d` scores better by `Delta_yes = log(d/c) > 0` if yes, worse by `Delta_no = log((1-c)/(1-d)) > "
        "0` if no.",
        Implies(c < d, And(log(d / c) > 0, log((1 - c) / (1 - d)) > 0)),
        where={"c d": UNIT},
    )
    for who, sign in (("yes", 1), ("no", -1)):
        # Rewards 0 for c and +-Delta for d: a constant on all rewards of a group drops out.
        lead = sign * gap
        centre = pi * lead
        yield identity(
            f"Given {who}, in a large group: the rewards of `d` and `c` have the variance `s^2 = pi(1-pi) Delta^2`, so that the "
            "advantages are `A = (reward - mean)/s`. The logit's score is `1 - pi` for `d` and `-pi` for `c`. The mean update is "
            "`sqrt(pi(1-pi))` with the sign of the lead of `d`: nothing else is left of it.",
            [pi * lead**2 - centre**2, pi * high * (1 - pi) - (1 - pi) * low * pi],
            [std**2, sign * sp.sqrt(pi * (1 - pi))],
            where={"pi": UNIT, "Delta": POSITIVE},
            using={std: sp.sqrt(pi * (1 - pi)) * gap, high: (lead - centre) / std, low: (0 - centre) / std},
        )
    yield identity(
        "In the mean over outcomes it is `(2q - 1) sqrt(pi(1-pi))`, whatever `c` and `d` are.",
        update,
        (2 * q - 1) * mean,
        where={"q": UNIT, "m": POSITIVE},
        using={update: q * mean - (1 - q) * mean},
    )
    yield decide(
        "For `q > 1/2` it always raises the confidence, for `q < 1/2` it always lowers it: no two interior confidences are at "
        "rest.",
        And(Implies(q > sp.Rational(1, 2), (2 * q - 1) * mean > 0), Implies(q < sp.Rational(1, 2), (2 * q - 1) * mean < 0)),
        where={"q": UNIT, "m": POSITIVE},
    )


H3 = Claim(
    id="H3",
    group="neighbours",
    title="Group-std scaling of a log score drives confidence to an extreme, unless the chance is `1/2`",
    statement="""With the log score of a stated confidence as reward and division by the group's standard deviation, the
        update between any two confidences `c < d` is `(2q - 1) sqrt(pi(1-pi))`, independent of `c` and `d`: for an
        outcome of chance `q > 1/2` the larger one always wins. No interior confidence is at rest, at `q = 0.7` as at any
        `q` other than `1/2`.""",
    latex=r"\mathrm{E}[\Delta\operatorname{logit}\pi]=(2q-1)\sqrt{\pi(1-\pi)}",
    level="gradient",
    scope="any two confidences; one outcome per group; groups large enough that the standard deviation is its limit",
    source=SOURCE,
    domain={},
    proof=no_interior_rest,
    related=["H3-loose", "H3-unscaled", "O5"],
)


def proper_score() -> Iterator[Step]:
    """H3-unscaled: the expected score has one maximum, at q."""
    mean_score = q * log(c) + (1 - q) * log(1 - c)
    slope = Symbol("slope")
    yield identity(
        "Without scaling the update is `pi(1-pi)` times the difference of expected scores. `q log c + (1-q) log(1-c)` has the "
        "slope `(q - c)/(c(1-c))`,",
        sp.diff(mean_score, c),
        (q - c) / (c * (1 - c)),
        where={"q c": UNIT},
    )
    yield decide(
        "positive below `q` and negative above: of two confidences on one side of `q` the nearer wins, and `q` itself is "
        "at rest.",
        And(Equivalent(slope > 0, c < q), Equivalent(Eq(slope, 0), Eq(c, q))),
        where={"q c": UNIT},
        using={slope: (q - c) / (c * (1 - c))},
    )


H3_UNSCALED = Claim(
    id="H3-unscaled",
    group="neighbours",
    title="Without the scaling the update stops at the true chance",
    statement="""The unscaled update follows the expected log score, which strictly increases in the confidence below `q` and
        strictly decreases above: it stops at `c = q`, 0.7 for an outcome of chance 0.7.""",
    latex=r"\frac{d}{dc}\bigl(q\log c+(1-q)\log(1-c)\bigr)=\frac{q-c}{c(1-c)}",
    level="optimum",
    scope="any outcome probability, any confidence",
    source=SOURCE,
    domain={},
    proof=proper_score,
    related=["H3"],
)

H3_LOOSE = Claim(
    id="H3-loose",
    group="neighbours",
    title="Standardising rewards changes the step, not where training ends",
    statement="""Dividing by the group's standard deviation leaves the sign of every expected update as it is, so a calibrated
        confidence stays the rest point.""",
    level="gradient",
    scope="confidences c < d, neither below the chance q > 1/2, where the smaller one scores better in the mean",
    source=f"{SOURCE}; a loose reading",
    domain={"q c d": UNIT},
    assumptions=[c < d, q <= c, q > sp.Rational(1, 2)],
    proof=[decide("The scaled update has the sign of `2q - 1`, the unscaled one is negative here.", 2 * q - 1 < 0)],
    recorded="fails",
    witness={"q": "2/3", "c": "2/3", "d": "3/4"},
    related=["H3", "H3-unscaled"],
)
