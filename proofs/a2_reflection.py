"""Group A, reflection: when it helps and by how much, and how it differs from re-examining every round."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import And, Eq, Equivalent, Implies, Symbol, diff

from dstheory.claims import (
    CLOSED_UNIT,
    UNIT,
    Claim,
    Step,
    counterexample,
    decide,
    example,
    identity,
)
from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import SymbolicChain, reward
from dstheory.symbolic.policy import minimal_policy

p, a, b = map(symbol, ["p", "a", "b"])
q, Acc = sp.symbols("q Acc")

M0 = minimal_policy()
chain = SymbolicChain(M0)
resample = M0.resample_probability()
accuracy = p * a / (1 - resample)
CUBE = {"p a b": UNIT}


# --- A3, A4, A5 -------------------------------------------------------------------------------------------------------

ACCURACY = {q: p * (1 - a) + (1 - p) * b, Acc: p * a / (1 - q)}


def reflection_helps() -> Iterator[Step]:
    """A3: one factorisation decides the sign."""
    yield identity("`Acc` is the probability that the submitted answer is correct.", Acc, chain.accuracy((True, False)))
    yield identity("The gain over a single sample factors.", Acc - p, p * (1 - p) * (a + b - 1) / (1 - q))
    yield decide("All factors but `a + b - 1` are positive, so it decides: more.", Equivalent(Acc > p, a + b > 1))
    yield decide("Less.", Equivalent(Acc < p, a + b < 1))
    always, never = sp.symbols("a_all b_none")
    yield identity(
        "An echo chamber: a model that accepts everything (`a = 1`, `b = 0`) gets exactly `p`.",
        accuracy.subs({a: always, b: never}),
        p,
        using={always: 1, never: 0},
    )


A3 = Claim(
    id="A3",
    group="A",
    title="Resampling helps exactly when `a + b > 1`",
    statement="""The chain is more accurate than a single sample if and only if `a + b > 1`, as accurate iff `a + b = 1`,
        less accurate iff `a + b < 1`: `Acc - p = p(1-p)(a + b - 1)/(1 - q)`.""",
    latex=r"\mathrm{Acc}-p=\frac{p(1-p)(a+b-1)}{1-q}",
    domain=CUBE,
    definitions=ACCURACY,
    proof=reflection_helps,
    related=["A3-loose", "A3-cap", "A5"],
)

A3_LOOSE = Claim(
    id="A3-loose",
    group="A",
    title="Resampling never harms: accuracy is at least p",
    statement="""A model that may reject its answer and draw again is at least as accurate as one that submits its first
        answer.""",
    scope="all p, a, b in (0, 1)",
    domain=CUBE,
    definitions=ACCURACY,
    proof=[decide("Resampling never harms.", Acc >= p)],
    recorded="fails",
    witness={"p": "1/2", "a": "1/2", "b": "1/3"},
    related=["A3"],
    notes="""At `a = b = 1/2` the decisions are coin flips and nothing is gained or lost; at `p = a = 1/2` and
        `b = 1/3` accuracy falls from `1/2` to `3/7`.""",
)


def reflection_with_a_cap() -> Iterator[Step]:
    """A3-cap: the gain of T turns is the gain of all turns times 1 - q^(T-1)."""
    x = Symbol("x")
    capped = p * a * (1 - x) / (1 - q) + x * p
    yield identity(
        "With `x = q^(T-1)` (A2-cap at `gamma = 1`), the gain of `T` turns is the gain without a cap times `1 - x`.",
        capped - p,
        (1 - x) * (Acc - p),
        where={"x": UNIT},
    )
    yield decide("Since `0 < x < 1` for `T > 1`, it has the same sign.", Equivalent(capped > p, a + b > 1), where={"x": UNIT})


A3_CAP = Claim(
    id="A3-cap",
    group="A",
    title="The condition `a + b > 1` is the same for any cap of two turns or more",
    statement="""Capped at any number of turns `T > 1`, with the last answer submitted whatever it is, the chain beats a single
        sample if and only if `a + b > 1`.""",
    latex=r"\mathrm{Acc}_T-p=(1-q^{T-1})(\mathrm{Acc}-p)",
    scope="any number of turns T > 1, all p, a, b in (0, 1)",
    domain=CUBE,
    definitions=ACCURACY,
    proof=reflection_with_a_cap,
    related=["A3", "A2-cap"],
)


def accuracy_increases() -> Iterator[Step]:
    """A4: by differences, which needs no calculus."""
    D = 1 - resample
    yield identity(
        "The derivatives, over the square of `1 - q`.",
        [diff(accuracy, x) * D**2 for x in (p, a, b)],
        [a * (1 - b), p * (1 - p) * (1 - b), p * (1 - p) * a],
    )
    for x in (p, a, b):
        more = Symbol(f"{x.name}_more")
        yield decide(
            f"`Acc` grows strictly with `{x.name}`, the other two held fixed.",
            Implies(Symbol(x.name) < more, accuracy < accuracy.subs(x, more)),
            where={more: UNIT},
        )


A4 = Claim(
    id="A4",
    group="A",
    title="Accuracy strictly increases in `p`, in `a` and in `b`",
    statement="On the open cube the final accuracy is strictly increasing in each of `p`, `a` and `b`.",
    latex=r"\partial_p\mathrm{Acc}=\frac{a(1-b)}{(1-q)^2},\ \partial_a\mathrm{Acc}=\frac{p(1-p)(1-b)}{(1-q)^2},\ "
    r"\partial_b\mathrm{Acc}=\frac{p(1-p)a}{(1-q)^2}",
    domain=CUBE,
    proof=accuracy_increases,
    related=["A3"],
)

def odds_law() -> Iterator[Step]:
    """A5: accuracy as the share of correct stops."""
    yield identity("Posterior odds are prior odds times a likelihood ratio.", Acc / (1 - Acc), p / (1 - p) * a / (1 - b))
    yield decide("The ratio exceeds 1 exactly when `a + b > 1`, which is A3.", Equivalent(a / (1 - b) > 1, a + b > 1))
    good, bad = sp.symbols("S_C S_W")
    yield identity(
        "Any number of answers: let `S_C` and `S_W` be the probabilities per turn of stopping on a correct and on a "
        "wrong answer. Then `1 - q = S_C + S_W` and `Acc` solves `Acc = S_C + q Acc`, so the odds are `S_C/S_W`; in terms of "
        "`p = P(correct)`, `a = S_C/p` and `b = 1 - S_W/(1 - p)` this is the same law.",
        [good / (good + bad) - good - (1 - good - bad) * good / (good + bad), good / bad],
        [0, p / (1 - p) * (good / p) / (1 - (1 - bad / (1 - p)))],
        where={"S_C S_W": UNIT},
    )


A5 = Claim(
    id="A5",
    group="A",
    title="Odds law: without a cap resampling multiplies the odds of being correct by `a/(1-b)`",
    statement="""`Acc/(1 - Acc) = p/(1-p) * a/(1-b)`: the decision acts as a diagnostic test whose likelihood ratio
        multiplies the odds, and A3 says when this ratio exceeds 1.""",
    latex=r"\frac{\mathrm{Acc}}{1-\mathrm{Acc}}=\frac{p}{1-p}\cdot\frac{a}{1-b}",
    scope="all p, a, b in (0, 1); any number of answers with a, b the averages over correct and wrong answers",
    domain=CUBE,
    definitions=ACCURACY,
    proof=odds_law,
    related=["A3"],
)


# --- A6 ---------------------------------------------------------------------------------------------------------------


def against_re_examination() -> Iterator[Step]:
    """A6: the chain of the literature re-examines every answer each round; here a stop is final."""
    CL, CS, U, alpha, acc = sp.symbols("CL CS U alpha Acc_t")
    x, start = sp.symbols("x Acc_0")
    yield identity(
        "The literature's recursion `Acc_{t+1} = CL Acc_t + CS (1 - Acc_t)` is solved by `U - alpha^t (U - Acc_0)`: one "
        "round turns `x = alpha^t` into `alpha x`.",
        CL * (U - x * (U - start)) + CS * (1 - (U - x * (U - start))),
        U - alpha * x * (U - start),
        where={"CL CS": UNIT, "x Acc_0": CLOSED_UNIT},
        using={U: CS / (1 - CL + CS), alpha: CL - CS},
    )
    induced = {CL: a + (1 - a) * p, CS: b * p}
    first = p * CL + (1 - p) * CS
    yield identity(
        "A round of the chain keeps a correct answer with probability `CL = a + (1-a) p` and corrects a wrong one with "
        "`CS = b p`. After one round both chains agree: `p a + q p`.",
        first,
        SymbolicChain(M0, 2).value(reward((1, 0), (0, 0))),
        using=induced,
    )
    yield identity(
        "After two rounds they differ, because the literature's chain re-examines answers on which this one has "
        "stopped.",
        acc * CL + (1 - acc) * CS - SymbolicChain(M0, 3).value(reward((1, 0), (0, 0))),
        p * (1 - p) * (b * (1 - b) - a * (1 - a)),
        using={**induced, acc: first},
    )
    limit = {**induced, U: CS / (1 - CL + CS)}
    yield identity(
        "In the limit the odds are multiplied by `b/(1-a)` there, by `a/(1-b)` here.",
        U / (1 - U),
        p / (1 - p) * b / (1 - a),
        using=limit,
    )
    yield decide(
        "Re-examination ends higher exactly when `b(1-b) > a(1-a)`: when decisions on wrong answers are the less "
        "settled ones.",
        Equivalent(Acc < U, b * (1 - b) > a * (1 - a)),
        using=limit,
    )
    yield decide(
        "The limits agree exactly when `a = b` or `a + b = 1`.",
        Equivalent(Eq(U, Acc), sp.Or(Eq(a, b), Eq(a + b, 1))),
        using=limit,
    )
    yield decide("Both predict that resampling helps exactly when `a + b > 1`.", Equivalent(p < U, a + b > 1), using=limit)
    yield example(
        "The difference is not small: at `p = 1/2`, `a = 4/5`, `b = 1/2` the limits are `5/7` and `8/13`.",
        And(Eq(U, sp.Rational(5, 7)), Eq(Acc, sp.Rational(8, 13))),
        at={p: "1/2", a: "4/5", b: "1/2"},
        using=limit,
    )
    yield counterexample(
        "The sign can be either: at `p = 1/2`, `a = 1/2`, `b = 2/3` re-examination ends lower.",
        Acc <= U,
        at={p: "1/2", a: "1/2", b: "2/3"},
        using=limit,
    )


A6 = Claim(
    id="A6",
    group="A",
    title="Against the self-correction chain (CL, CS): equal after one round, then different unless `a = b` or `a + b = 1`",
    statement="""A round of the chain has `CL = a + (1-a) p` and `CS = b p`. The self-correction chain with these rates
        agrees with it after one round and differs by `p(1-p)(b(1-b) - a(1-a))` after two, because it re-examines
        answers on which the decision-sampling chain has stopped. Its limit has odds `p/(1-p) * b/(1-a)` instead of
        `p/(1-p) * a/(1-b)`; the two are equal iff `a = b` or `a + b = 1`.""",
    latex=r"CL=a+(1-a)p,\quad CS=bp,\quad \frac{U}{1-U}=\frac{p}{1-p}\cdot\frac{b}{1-a}",
    source="arXiv 2412.19513, 2508.16456 (the chain and its formula); comparison derived here",
    domain=CUBE,
    definitions=ACCURACY,
    proof=against_re_examination,
    related=["A5"],
)
