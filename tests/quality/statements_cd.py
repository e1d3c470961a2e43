"""Plausible false statements about imitation and KL penalties, each with the smallest point that refutes it.

Gradients and coefficients come from the symbolic engine; what is claimed of them was written down wrong on purpose.
"""

from __future__ import annotations

import sympy as sp
from quality.statements_ab import FalseStatement
from sympy import Eq, Implies, Ne

from dstheory.claims import CLOSED_UNIT, POSITIVE, UNIT, at_least, between
from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import SymbolicChain
from dstheory.symbolic.objectives import Rule, lookup
from dstheory.symbolic.policy import minimal_policy
from dstheory.symbolic.setting import SymbolicSetting, setting
from dstheory.symbolic.updates import expected_update, generic_turns

p, a, b, p_ref, a_ref, p_E, a_E, b_E = map(symbol, ["p", "a", "b", "p_ref", "a_ref", "p_E", "a_E", "b_E"])
beta, lam, l_s, l_d, w_s, w_d, w_C, w_W = map(symbol, ["beta", "lambda", "l_s", "l_d", "w_s", "w_d", "w_C", "w_W"])
w_more = sp.Symbol("w_more")
HALF = sp.Rational(1, 2)
ONES = {beta: 1, w_s: 1, w_d: 1}


def gradient(s: SymbolicSetting, objective: Rule) -> list[sp.Expr]:
    """The expected update on theta_s, theta_C, theta_W."""
    return list(expected_update(s, objective).values())


def at_first_turn(s: SymbolicSetting, objective: Rule) -> tuple[sp.Expr, sp.Expr]:
    """(c_s, c_d) of a stop on a correct answer in the first turn."""
    c_s, c_d = objective.coefficients(s, generic_turns(s, objective)[0])
    start = {sp.Symbol("scale_k", real=True): 1, sp.Symbol("past_k", real=True): 0}
    return c_s.subs(start), c_d.subs(start)


plain, uneven = setting(), setting(per_answer_lengths=True)
n_E = plain.following(plain.expert).visits()
N = SymbolicChain(minimal_policy()).visits()
s_s, s_C, s_W = gradient(plain, lookup("sft"))
d_s, d_C, _ = (g.subs(ONES) for g in gradient(plain, lookup("kl-direct")))
f_s, f_C, _ = (g.subs(ONES) for g in gradient(plain, lookup("kl")))
forward_s = gradient(plain, lookup("forward-kl"))[0].subs(ONES)
c_s, c_d = at_first_turn(plain, lookup("kl-direct"))
ratio = l_s**lam / l_d**lam
share = l_d**lam / (l_s**lam + l_d**lam)

LENGTHS = {"l_s l_d": at_least(1), "lambda": CLOSED_UNIT}
EXPERT = {"p_E a_E b_E": UNIT}
CUBE = {"p a b": UNIT}
PAIR = {"p a b p_ref a_ref b_ref": UNIT}

STATEMENTS = [
    # --- imitation: C
    FalseStatement("SFT: the ratio is linear in lambda", Eq(ratio, lam * l_s / l_d), LENGTHS, "l_s=1 l_d=1 lambda=0"),
    FalseStatement("SFT: the ratio upside down", Eq(ratio, (l_d / l_s) ** lam), LENGTHS, "l_s=1 l_d=2 lambda=1"),
    FalseStatement(
        "SFT: the ratio is interpolated linearly in lambda",
        Eq(ratio, 1 + lam * (l_s / l_d - 1)),
        LENGTHS,
        "l_s=1 l_d=2 lambda=1/2",
    ),
    FalseStatement(
        "SFT: balanced only at lambda = 0", Implies(Eq(l_s**lam, l_d**lam), Eq(lam, 0)), LENGTHS, "l_s=1 l_d=1 lambda=1"
    ),
    FalseStatement(
        "SFT: unbalanced as soon as lengths differ",
        Implies(Ne(l_s, l_d), Ne(l_s**lam, l_d**lam)),
        LENGTHS,
        "l_s=1 l_d=2 lambda=0",
    ),
    FalseStatement("mean: the decision's share is at most one half", share <= HALF, LENGTHS, "l_s=1 l_d=2 lambda=1"),
    FalseStatement(
        "mean: diluted at any length weight, lambda = 0 included",
        Implies(l_s > l_d, share < HALF),
        LENGTHS,
        "l_s=2 l_d=1 lambda=0",
    ),
    FalseStatement(
        "mean: the share is l_d/(l_s + l_d) at any lambda", Eq(share, l_d / (l_s + l_d)), LENGTHS, "l_s=1 l_d=2 lambda=0"
    ),
    FalseStatement(
        "SFT on theta_W: factor 1 - p_E missing",
        Eq(s_W, w_d * n_E * (b_E - b)).subs(w_d, 1),
        {"b": UNIT, **EXPERT},
        "b=1/2 p_E=1/2 a_E=1/2 b_E=1/3",
    ),
    FalseStatement(
        "SFT on theta_C: the learner's p for the expert's",
        Eq(s_C, w_d * n_E * p * (a_E - a)).subs(w_d, 1),
        {"p a": UNIT, **EXPERT},
        "p=1/2 a=1/2 p_E=1/3 a_E=1/3 b_E=1/2",
    ),
    FalseStatement(
        "SFT on theta_s: the learner's turns for the expert's",
        Eq(s_s, w_s * N * (p_E - p)).subs(w_s, 1),
        {**CUBE, **EXPERT},
        "p=1/2 a=1/2 b=1/2 p_E=1/3 a_E=1/2 b_E=1/3",
    ),
    FalseStatement(
        "SFT on theta_s: sign",
        Eq(s_s, w_s * n_E * (p - p_E)).subs(w_s, 1),
        {"p": UNIT, **EXPERT},
        "p=1/2 p_E=1/3 a_E=1/2 b_E=1/2",
    ),
    FalseStatement(
        "SFT on theta_s: logistic derivative p(1-p) too many",
        Eq(s_s, w_s * n_E * p * (1 - p) * (p_E - p)).subs(w_s, 1),
        {"p": UNIT, **EXPERT},
        "p=1/2 p_E=1/3 a_E=1/2 b_E=1/2",
    ),
    FalseStatement(
        "SFT's optimum moves with lambda",
        Implies(Eq(s_s, 0), Ne(s_s.subs(w_s, w_s + 1), 0)),
        {"p": UNIT, **EXPERT, "w_s": POSITIVE},
        "p=1/2 p_E=1/2 a_E=1/2 b_E=1/2 w_s=1",
    ),
    FalseStatement(
        "SFT's optimum is the expert, whatever the answers' lengths",
        Eq(gradient(uneven, lookup("sft"))[0].subs(p, p_E), 0),
        {**EXPERT, "w_C w_W": POSITIVE},
        "p_E=1/2 a_E=1/2 b_E=1/2 w_C=1 w_W=1/2",
    ),
    FalseStatement(
        "a better expert always raises theta_W, p_E = 1 included",
        Implies(b_E > b, s_W.subs(w_d, 1) > 0),
        {"b": UNIT, "p_E": between(0, 1, "(]"), "a_E b_E": UNIT},
        "b=1/2 p_E=1 a_E=1/2 b_E=2/3",
    ),
    FalseStatement(
        "a longer answer never slows the decision under the stage mean",
        Implies(w_more > w_s, w_d / (w_more + w_d) >= w_d / (w_s + w_d)),
        {"w_s w_d w_more": POSITIVE},
        "w_s=1 w_d=1 w_more=2",
    ),
    FalseStatement(
        "the stage mean slows a decision by the ratio of the weights, against equal ones",
        Eq((w_s + w_d) / (2 * w_d), w_s / w_d),
        {"w_s w_d": POSITIVE},
        "w_s=1 w_d=1/2",
    ),
    # --- KL penalties: D
    FalseStatement(
        "direct KL: balanced where the weights are",
        Eq(c_s, c_d).subs(ONES),
        {"p a p_ref a_ref": UNIT},
        "p=1/2 a=1/2 p_ref=1/2 a_ref=1/3",
    ),
    FalseStatement(
        "direct KL: pushes away from the reference",
        Implies(p > p_ref, d_s > 0),
        {"p a b p_ref": UNIT},
        "p=1/2 a=1/2 b=1/2 p_ref=1/3",
    ),
    FalseStatement(
        "direct KL is the full gradient, sampling", Eq(d_s, f_s), PAIR, "p=1/2 a=1/2 b=1/2 p_ref=1/2 a_ref=1/2 b_ref=1/3"
    ),
    FalseStatement(
        "direct KL is the full gradient, decision", Eq(d_C, f_C), PAIR, "p=1/2 a=1/2 b=1/2 p_ref=1/2 a_ref=1/2 b_ref=1/3"
    ),
    FalseStatement(
        "direct KL on theta_s has no factor p(1-p)",
        Eq(d_s, d_s / (p * (1 - p))),
        {"p a b p_ref": UNIT},
        "p=1/2 a=1/2 b=1/2 p_ref=1/3",
    ),
    FalseStatement("k2 gives the forward KL", Eq(d_s, N * (p_ref - p)), {"p a b p_ref": UNIT}, "p=1/2 a=1/2 b=1/2 p_ref=1/3"),
    FalseStatement("k3 gives the reverse KL", Eq(forward_s, d_s), {"p a b p_ref": UNIT}, "p=1/2 a=1/2 b=1/2 p_ref=1/3"),
    FalseStatement(
        "k3: logistic derivative p(1-p) too many",
        Eq(forward_s, N * p * (1 - p) * (p_ref - p)),
        PAIR,
        "p=1/2 a=1/2 b=1/2 p_ref=1/3",
    ),
    FalseStatement(
        "full KL: balanced with answers of different weight",
        Eq(*(c.subs(ONES) for c in at_first_turn(uneven, lookup("kl")))),
        {"p a p_ref a_ref w_C w_W": UNIT},
        "p=1/2 a=1/2 p_ref=1/2 a_ref=1/2 w_C=1/2 w_W=1/3",
    ),
    FalseStatement(
        "full KL: a decision at its reference stays there",
        Eq(f_C.subs(a, a_ref), 0),
        PAIR,
        "p=1/2 b=1/2 p_ref=1/2 a_ref=1/2 b_ref=1/3",
    ),
    FalseStatement(
        "full KL: every decision moves towards the reference",
        Implies(a > a_ref, f_C < 0),
        PAIR,
        "p=1/3 a=1/2 b=2/3 p_ref=2/3 a_ref=1/3 b_ref=1/2",
    ),
    FalseStatement(
        "full KL: sampling moves towards the reference if stops on correct answers are there already",
        Implies(p > p_ref, f_s.subs({a: HALF, a_ref: HALF}) < 0),
        {"p b p_ref b_ref": UNIT},
        "p=1/2 b=3/4 p_ref=1/3 b_ref=1/4",
    ),
]
