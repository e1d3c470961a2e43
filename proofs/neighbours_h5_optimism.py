"""H5, supervised optimism (arXiv 2504.07527): what SFT leaves open, and what a search by log-probability makes of it.

Logits are read as action values Q, and V = log sum exp Q as the value of a state, at temperature 1. Demonstrations that are right
first time never visit a wrong answer (C3): there b stays what it was before training.
"""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import And, Eq, Equivalent, Implies, log

from dstheory.claims import POSITIVE, UNIT, Claim, Step, at_least, decide, identity

SOURCE = "arXiv 2504.07527 (supervised optimism correction)"
a, b, n, eta, a_E = sp.symbols("a b n eta a_E")
right, wrong, accuracy = sp.symbols("right wrong Acc")
EQUAL_ANSWERS = {right: a / (n + 1), wrong: (1 - b) / (n + 1), accuracy: n * a / (n * a + 1 - b)}


def search_and_accuracy() -> Iterator[Step]:
    """H5: n right answers and one wrong answer, all equally likely."""
    yield decide(
        "A right answer and stop has probability `a/(n+1)`, the wrong one and stop `(1-b)/(n+1)`; a resample can only make a "
        "trajectory less likely. So the most likely trajectory stops at the wrong answer exactly if `1 - b > a`,",
        Equivalent(wrong > right, 1 - b > a),
        where={"a b": UNIT, "n": at_least(1)},
        using={right: EQUAL_ANSWERS[right], wrong: EQUAL_ANSWERS[wrong]},
    )
    yield decide(
        "while the policy is right more often than not exactly if `1 - b < n a`.",
        Equivalent(accuracy > sp.Rational(1, 2), 1 - b < n * a),
        where={"a b": UNIT, "n": at_least(1)},
        using={accuracy: EQUAL_ANSWERS[accuracy]},
    )
    yield decide(
        "For `n >= 2` both can be: there are `b` between `1 - n a` and `1 - a`.",
        Implies(And(1 - b > a, 1 - b < 2 * a), And(accuracy > sp.Rational(1, 2), wrong > right)),
        where={"a b": UNIT, "n": at_least(2)},
        using=EQUAL_ANSWERS,
    )


H5 = Claim(
    id="H5",
    group="neighbours",
    title="Among equally likely answers the likeliest trajectory ends at a wrong stop where supervision left `1 - b` above `a`",
    statement="""With `n` equally likely right answers and one wrong answer, the most likely trajectory stops at the wrong one
        exactly if `P(stop | wrong) = 1 - b` exceeds `P(stop | right) = a`. SFT of a table on demonstrations that are right first
        time never changes `b` (C3), so it cannot rule that out; the policy is right more often than not as long as `1 - b < n
        a`.""",
    latex=r"a<1-b<n\,a:\quad \mathrm{Acc}>\tfrac12,\ \text{the most likely trajectory is wrong}",
    level="chain",
    scope="n >= 1 right answers and one wrong answer of equal probability, stationary, no cap",
    source=f"{SOURCE}; the example is derived here",
    domain={},
    proof=search_and_accuracy,
    related=["H5-loose", "H5-value", "H5-correction", "C3"],
)

H5_LOOSE = Claim(
    id="H5-loose",
    group="neighbours",
    title="If a policy is right more often than not, so is its most likely trajectory",
    statement="Searching for the most likely trajectory of a policy whose accuracy exceeds `1/2` finds a right answer.",
    level="chain",
    scope="two right answers and one wrong answer, equally likely",
    source=f"{SOURCE}; a loose reading",
    domain={"a b": UNIT},
    assumptions=[2 * a > 1 - b],
    proof=[decide("Stopping at a right answer would be at least as likely as at the wrong one.", a >= 1 - b)],
    recorded="fails",
    witness={"a": "1/2", "b": "1/3"},
    related=["H5"],
)


def value_is_free() -> Iterator[Step]:
    """H5-value: the likelihood does not see a constant on all logits of a state."""
    e_1, e_2, e_k = sp.symbols("e_1 e_2 e_k")
    yield identity(
        "`e_1` is the exponential of one logit, `e_2` the sum of those of all others. Adding `k` to every logit of a state (`e_k "
        "= exp k`) leaves the probabilities, hence the loss, as they are,",
        e_1 * e_k / (e_1 * e_k + e_2 * e_k),
        e_1 / (e_1 + e_2),
        where={"e_1 e_2 e_k": POSITIVE},
    )
    yield identity(
        "and moves `V` by `k`.",
        log(e_1 * e_k + e_2 * e_k) - log(e_1 + e_2),
        log(e_k),
        where={"e_1 e_2 e_k": POSITIVE},
    )


H5_VALUE = Claim(
    id="H5-value",
    group="neighbours",
    title="SFT does not determine the implicit value of any state",
    statement="""Adding a constant to all logits of a state changes no probability and no SFT loss, and changes `V = log
        sum exp Q` by that constant: values of states that were not supervised, or of any state, are what initialisation
        left.""",
    latex=r"V(s)=\log\sum_a e^{Q(s,a)},\qquad Q\mapsto Q+k:\ V\mapsto V+k,\ \pi\mapsto\pi",
    level="gradient",
    scope="any number of actions",
    source=f"{SOURCE}; derived here",
    domain={},
    proof=value_is_free,
    related=["H5", "B3"],
)


def value_loss() -> Iterator[Step]:
    """H5-correction: the value of supervised states as an auxiliary objective, both logits of a decision being parameters."""
    e_1, e_2, push, level, best = sp.symbols("e_1 e_2 push level a_best")
    total = e_1 + e_2
    objective = a_E * log(e_1 / total) + (1 - a_E) * log(e_2 / total) + eta * log(total)
    slopes = [e_1 * sp.diff(objective, e_1), e_2 * sp.diff(objective, e_2)]
    yield identity(
        "A decision at demonstrated right answers, `e_1` and `e_2` the exponentials of its logits, `a = e_1/(e_1 + e_2)`: SFT is "
        "`a_E log a + (1 - a_E) log(1 - a)`, and `V = log(e_1 + e_2)`. The logit of stop is the difference of the two: SFT plus "
        "`eta V` pushes it by `2 (a_E - a) + eta (2a - 1)`, and the sum of the two, which no probability sees (H5-value), by "
        "`eta`.",
        [push, level],
        [2 * (a_E - a) + eta * (2 * a - 1), eta],
        where={"e_1 e_2 eta": POSITIVE, "a_E": UNIT},
        using={push: slopes[0] - slopes[1], level: slopes[0] + slopes[1], a: e_1 / total},
    )
    half = sp.Rational(1, 2)
    yield decide(
        "With `eta < 2 a_E` and `eta < 2 (1 - a_E)` the push is zero at `a = (2 a_E - eta)/(2 - 2 eta)`, which lies in (0, 1): "
        "further from `1/2` than the expert, towards certainty, and stable.",
        And(
            Eq(2 * (a_E - best) + eta * (2 * best - 1), 0),
            best > 0,
            best < 1,
            Implies(a_E > half, best > a_E),
            Implies(a_E < half, best < a_E),
            -2 + 2 * eta < 0,
        ),
        where={"a_E": UNIT, "eta": POSITIVE},
        given=[eta < 2 * a_E, eta < 2 * (1 - a_E)],
        using={best: (2 * a_E - eta) / (2 - 2 * eta)},
    )
    yield decide(
        "With `eta` between `2 a_E` and 1 the push is negative for every `a`: a falls to 0, and there is no such rest point.",
        Implies(And(2 * a_E <= eta, eta < 1), 2 * (a_E - a) + eta * (2 * a - 1) < 0),
        where={"a_E a": UNIT, "eta": POSITIVE},
    )


H5_CORRECTION = Claim(
    id="H5-correction",
    group="neighbours",
    title="An auxiliary value loss makes supervised decisions more certain than the expert's, unless those are even",
    statement="""If `eta` is below both `2 a_E` and `2 (1 - a_E)`, SFT plus `eta` times the value of the states that
        demonstrations visit has, at a right answer, the rest point `a = (2 a_E - eta)/(2 - 2 eta)`, beyond `a_E` if `a_E
        > 1/2`. A search then prefers the right stop once this exceeds `1 - b`, which training still does not touch.""",
    latex=r"a^*=\frac{2a_E-\eta}{2-2\eta}",
    level="optimum",
    scope="a decision with one logit per action, both free, at a right answer; 0 < eta < 2 min(a_E, 1 - a_E)",
    source=f"{SOURCE}; derived here",
    domain={},
    proof=value_loss,
    related=["H5"],
)
