"""Group D, coefficients: what the KL penalty's direct term (D1) and its full gradient (D2) say about balance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import sympy as sp
from sympy import Eq, Equivalent, Ne, Or, Symbol

from dstheory.claims import (
    CLOSED_UNIT,
    POSITIVE,
    REAL,
    UNIT,
    Claim,
    Domain,
    Step,
    at_least,
    counterexample,
    decide,
    identity,
)
from dstheory.rational.symbols import symbol
from dstheory.symbolic.objectives import Rule, Turn, lookup
from dstheory.symbolic.policy import differentiate
from dstheory.symbolic.rule import decision_probability
from dstheory.symbolic.setting import SymbolicSetting, setting
from dstheory.symbolic.updates import differentiated, expected_update, generic_turns

PAPER = "arXiv 2601.01580"

p, a, b, beta, lam, l_s, l_d, w_s, w_d = map(symbol, ["p", "a", "b", "beta", "lambda", "l_s", "l_d", "w_s", "w_d"])
POLICIES = {"p a b p_ref a_ref b_ref": UNIT}
LENGTHS = {"l_s l_d": at_least(1), "lambda": CLOSED_UNIT}
WEIGHTS = {"w_s w_d": POSITIVE}
TURN = {"scale_k": CLOSED_UNIT, "past_k future_k": REAL}


def coefficients(s: SymbolicSetting, objective: Rule) -> list[tuple[sp.Expr, sp.Expr]]:
    """(c_s, c_d) on every answer and decision of a turn with any past and any future."""
    return [objective.coefficients(s, turn) for turn in generic_turns(s, objective)]


def at_first_turn(expression: sp.Expr) -> sp.Expr:
    """An expression in a generic turn's symbols at the first turn: nothing collected, nothing discounted."""
    return expression.subs({Symbol("scale_k", real=True): 1, Symbol("past_k", real=True): 0})


# --- D1 ---------------------------------------------------------------------------------------------------------------


def log_ratios(s: SymbolicSetting, turn: Turn) -> tuple[sp.Expr, sp.Expr]:
    """log(pi/ref) of a turn's answer and of its decision."""
    assert turn.decision is not None
    mine, theirs = (decision_probability(policy, 0, turn.answer, turn.decision) for policy in (s.policy, s.reference))
    return sp.log(s.policy.sample_at(0)[turn.answer] / s.reference.sample_at(0)[turn.answer]), sp.log(mine / theirs)


def direct_term() -> Iterator[Step]:
    """D1: the coefficients per unit of log-ratio."""
    s = setting()
    pairs = coefficients(s, lookup("kl-direct"))
    ratios = [log_ratios(s, turn) for turn in generic_turns(s, lookup("kl-direct"))]
    left = sp.symbols("c_s1:5 c_d1:5")
    yield identity(
        "On every answer and decision (`C` stop, `C` resample, `W` stop, `W` resample) a log-ratio is charged its own stage's "
        "weight.",
        left,
        [-beta * l_s**lam * on_answer for on_answer, _ in ratios] + [-beta * l_d**lam * on_decision for _, on_decision in ratios],
        using=dict(s.weights.meaning) | dict(zip(left, [c for c, _ in pairs] + [c for _, c in pairs], strict=True)),
    )
    rho = Symbol("rho")
    price = {"c_s": -beta * l_s**lam * rho, "c_d": -beta * l_d**lam * rho}
    yield identity(
        "At one and the same log-ratio `rho` the coefficients therefore have SFT's ratio (C1),",
        Symbol("c_s"),
        (l_s / l_d) ** lam * Symbol("c_d"),
        where={rho: REAL},
        using=price,
    )
    yield decide(
        "which is 1 iff `lambda = 0` or `l_s = l_d`.",
        Equivalent(Eq((l_s / l_d) ** lam, 1), Or(Eq(lam, 0), Eq(l_s, l_d))),
    )


D1 = Claim(
    id="D1",
    group="D",
    title="Direct KL term: the same log-ratio is charged `(l_s/l_d)^lambda` times as much at the sampling stage",
    statement="""The direct term's coefficients are `-beta l_s^lambda log(pi_s/ref_s)` and `-beta l_d^lambda log(pi_d/ref_d)`. At
        equal log-ratios other than 0 their ratio is `(l_s/l_d)^lambda`: the two are equal iff `lambda = 0` or `l_s = l_d`.""",
    latex=r"c_s=-\beta\,l_s^{\lambda}\log(\pi_s/\mathrm{ref}_s),\;c_d=-\beta\,l_d^{\lambda}\log(\pi_d/\mathrm{ref}_d)",
    level="coefficient",
    scope="all turns of all chains: the rule looks at one answer and one decision; any real lengths >= 1",
    source=PAPER,
    domain={**POLICIES, **LENGTHS, "beta": POSITIVE},
    proof=direct_term,
    related=["D2", "C1", "B3-every"],
)


# --- D2 ---------------------------------------------------------------------------------------------------------------


def full_gradient() -> Iterator[Step]:
    """D2: equal coefficients, that they give the exact gradient, and the counterexample with answers of unequal weight."""
    s = setting()
    pairs = coefficients(s, lookup("kl"))
    left, right = sp.symbols("c_s1:5"), sp.symbols("c_d1:5")
    yield identity(
        "In return form both stages carry `-beta L`, `L` the weighted log-ratios of the whole trajectory: `c_s = c_d` on every "
        "answer and decision, whatever was collected before (`past_k`) and comes after (`future_k`), at any stage weights.",
        left,
        right,
        where=TURN,
        using=dict(zip((*left, *right), [c for c, _ in pairs] + [c for _, c in pairs], strict=True)),
    )
    yield same_gradient(s, "This rule is the exact gradient of `J = -beta E[L]`: expected update and derivative agree.")
    uneven = setting(per_answer_lengths=True)
    c_s, c_d = (at_first_turn(c) for c in coefficients(uneven, lookup("kl"))[0])
    yield counterexample(
        "The condition is needed: with `p = 1/2`, weights 2 and 1 of the two answers, and the policy at its reference, the exact "
        "gradient has `c_s = -beta/2` and `c_d = 0` on a correct answer.",
        Eq(Symbol("c_s"), Symbol("c_d")),
        at={p: "1/2", "p_ref": "1/2", a: "1/2", "a_ref": "1/2", "w_C": 2, "w_W": 1, w_d: 1, beta: 1},
        where={"w_C w_W": POSITIVE},
        using={"c_s": c_s, "c_d": c_d},
    )


def same_gradient(s: SymbolicSetting, words: str, where: Mapping[str, Domain] | None = None) -> Step:
    """The step that says that the full gradient's rule is the derivative of its scalar."""
    names = [Symbol(f"g_{x}") for x in "sCW"]
    slopes = differentiated(s, lookup("kl"))
    assert slopes is not None
    return identity(
        words,
        names,
        list(slopes.values()),
        where=where or {},
        using=dict(zip(names, expected_update(s, lookup("kl")).values(), strict=True)),
    )


D2 = Claim(
    id="D2",
    group="D",
    title="In return form the full gradient of the KL penalty is balanced, if all answers of a prompt weigh the same",
    statement="""If all answers of a prompt have the same weight, the exact gradient of `-beta E[L]`, `L` the sum of
        weighted log-ratios along the trajectory, has in return form the one coefficient `-beta L` at both stages, at any
        stage weights: balanced at coefficient level, exactly like a reward.""",
    latex=r"c_s(k,\tau)=c_d(k,\tau)=-\beta L(\tau)",
    level="coefficient",
    scope="coefficients: all trajectories of all chains; exactness: all real parameters of the minimal chain",
    domain={**POLICIES, **WEIGHTS, "beta": POSITIVE},
    proof=full_gradient,
    recorded="holds under condition",
    related=["D2-loose", "D2-lengths", "D1", "B3-every"],
    notes="""So "KL is unbalanced" is a statement about the direct term (D1), or about energies. By B3-every some
        balanced rule with the same expected gradient exists for any on-policy rule, this one or the direct term.""",
)


def unbalanced_penalty() -> Iterator[Step]:
    """D2-loose: the full gradient refutes it."""
    c_s, c_d = (at_first_turn(c) for c in coefficients(setting(), lookup("kl"))[0])
    yield decide(
        "The first turn, a stop on a correct answer.",
        Ne(Symbol("c_s"), Symbol("c_d")),
        using={"c_s": c_s, "c_d": c_d},
    )


D2_LOOSE = Claim(
    id="D2-loose",
    group="D",
    title="KL penalties have unbalanced gradient attribution",
    statement="""If sampling weighs more than the decision, the gradient of the KL penalty gives the two stages different
        coefficients where policy and reference differ at both.""",
    latex=r"w_s>w_d\implies c_s\ne c_d",
    level="coefficient",
    scope="a stop on a correct answer in the first turn of the minimal chain, full gradient in return form; both likelier than "
    "under the reference, so that the penalty is at work",
    source=f"{PAPER}, claim 3 read as one about the penalty and not about its direct term",
    domain={"p a p_ref a_ref": UNIT, "beta": POSITIVE, **WEIGHTS},
    assumptions=[w_d < w_s, symbol("p_ref") < p, symbol("a_ref") < a],
    proof=unbalanced_penalty,
    recorded="fails",
    witness={"p": "1/2", "a": "1/2", "p_ref": "1/3", "a_ref": "1/3", "beta": "1", "w_s": "1", "w_d": "1/2"},
    related=["D2", "D1"],
)


def lengths_per_answer() -> Iterator[Step]:
    """D2-lengths: the extra term, and what is lost without it."""
    uneven = setting(per_answer_lengths=True)
    weights = {"w_C w_W": POSITIVE}
    pairs = coefficients(uneven, lookup("kl"))
    gap, left = symbol("w_C") - symbol("w_W"), sp.symbols("c_s1:5 c_d1:5")
    mean = Symbol("w_bar")
    yield identity(
        "`c_s - c_d = -beta (w_y - w_bar)` on every turn, `w_bar` the mean weight of the answers under the policy.",
        [c_s - c_d for c_s, c_d in zip(left[:4], left[4:], strict=True)],
        [-beta * (symbol(f"w_{y}") - mean) for y in "CCWW"],
        where={**weights, **TURN},
        using=dict(zip(left, [c for c, _ in pairs] + [c for _, c in pairs], strict=True))
        | {mean: p * symbol("w_C") + (1 - p) * symbol("w_W")},
    )
    yield same_gradient(uneven, "With this term the rule is the exact gradient of `-beta E[L]`.", weights)
    visits, missing = uneven.chain.visits(), Symbol("g_missing")
    average = p * symbol("w_C") + (1 - p) * symbol("w_W")
    terms = [
        visits * x * beta * (w - average) * differentiate(sp.log(x), uneven.policy.logit("theta_s"))
        for x, w in zip(uneven.policy.sample_at(0), uneven.weights.sample, strict=True)
    ]
    yield identity(
        "It does not average out: leaving it out changes the sampling gradient by `beta N p(1-p)(w_C - w_W)`, `N` the expected "
        "number of turns,",
        missing,
        beta * Symbol("N") * p * (1 - p) * gap,
        where=weights,
        using={"N": visits, missing: sp.Add(*terms)},
    )
    yield decide(
        "which is zero only if the answers weigh the same.",
        Equivalent(Eq(missing, 0), Eq(symbol("w_C"), symbol("w_W"))),
        where=weights,
        using={missing: sp.Add(*terms)},
    )


D2_LENGTHS = Claim(
    id="D2-lengths",
    group="D",
    title="Where longer answers weigh more the full KL gradient has a term towards short ones, and is not balanced",
    statement="""If answers weigh `w_y`, the exact gradient of `-beta E[L]` has `c_s - c_d = -beta (w_y - w_bar)`. The extra
        term does not average out: its expected gradient on `theta_s` is `-beta N p(1-p)(w_C - w_W)`, a length penalty that
        is present even at the reference.""",
    latex=r"c_s-c_d=-\beta\,(w_y-\bar w),\qquad \bar w=\sum_y\pi_s(y)\,w_y",
    level="coefficient",
    scope="all real parameters of the minimal chain",
    domain={**POLICIES, "w_d beta": POSITIVE},
    proof=lengths_per_answer,
    related=["D2", "D5"],
)
