"""Group G, prediction: what p, a, b predict with a cap (G1), whose gain it is (G2), what stopping does to intervals (G3)."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import And, Eq, Equivalent, Implies, Symbol

from dstheory.claims import CLOSED_UNIT, COUNT, POSITIVE, REAL, UNIT, Claim, Step, at_least, decide, identity
from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import SymbolicChain, reward
from dstheory.symbolic.policy import minimal_policy
from dstheory.symbolic.updates import trajectories

p, a, b = map(symbol, ["p", "a", "b"])
q, Acc, x, y = sp.symbols("q Acc x y")

M0 = minimal_policy()
CUBE = {"p a b": UNIT}
RESAMPLE = p * (1 - a) + (1 - p) * b
CORRECT = reward((1, 0), (0, 0))
SUBMIT = p * a * (1 - x) / (1 - q) + x * p  # x = q^(T-1)
WRONG = p * a * (1 - y) / (1 - q)  # y = q^T
ATTEMPTS = (1 - y) / (1 - q)


# --- G1 ---------------------------------------------------------------------------------------------------------------


def capped_predictions() -> Iterator[Step]:
    """G1: induction on the cap, and the chain itself for caps of two and three attempts."""
    where = {"x y": CLOSED_UNIT}
    yield identity(
        "One attempt is submitted as it is (`x = 1`). Submitting at the cap: with one attempt more in front, `V = p a + q V` "
        "turns `x = q^(T-1)` into `q x`.",
        [SUBMIT.subs(x, 1), p * a + q * SUBMIT],
        [p, SUBMIT.subs(x, q * x)],
        where=where,
    )
    yield identity(
        "Unstopped counted as wrong: `W = p a + q W` turns `y = q^T` into `q y`, and without any attempt (`y = 1`) nothing is "
        "gained.",
        [p * a + q * WRONG, WRONG.subs(y, 1)],
        [WRONG.subs(y, q * y), 0],
        where=where,
    )
    yield identity(
        "Attempts: `K = 1 + q K`, and none at `y = 1`.",
        [1 + q * ATTEMPTS, ATTEMPTS.subs(y, 1)],
        [ATTEMPTS.subs(y, q * y), 0],
        where=where,
    )
    for cap in (2, 3):
        chain, longer = SymbolicChain(M0, cap), SymbolicChain(M0, cap + 1)
        right_stop = [t for t in trajectories(longer) if len(t.steps) <= cap and t.steps[-1][0] == 0]
        yield identity(
            f"The chain itself, at most {cap} attempts: SymPy's solution; its trajectories; a longer chain's that stop in time.",
            [
                chain.value(CORRECT),
                sp.Add(*(t.probability * len(t.steps) for t in trajectories(chain))),
                sp.Add(*(t.probability for t in right_stop)),
            ],
            [SUBMIT.subs(x, q ** (cap - 1)), ATTEMPTS.subs(y, q**cap), WRONG.subs(y, q**cap)],
        )
    yield identity(
        "Among episodes that stopped the share of correct ones is the accuracy without a cap, at any cap.",
        [WRONG / (1 - y), SymbolicChain(M0).accuracy((True, False))],
        [p * a / (p * a + (1 - p) * (1 - b))] * 2,
        where={"y": UNIT},
    )


G1 = Claim(
    id="G1",
    group="G",
    title="Accuracy and number of attempts with at most `T` attempts, in both conventions",
    statement="""With at most `T` attempts the chain has `(1 - q^T)/(1 - q)` attempts on average. If the last answer is submitted
        at the cap, its accuracy is `p a (1 - q^(T-1))/(1 - q) + q^(T-1) p`; if episodes without a stop count as wrong (the
        decision being drawn at the cap too), it is `p a (1 - q^T)/(1 - q)`. Those that stopped are correct with the
        accuracy of the chain without a cap.""",
    latex=r"\mathrm{Acc}^{\mathrm{submit}}_T=\frac{pa(1-q^{T-1})}{1-q}+q^{T-1}p,\quad "
    r"\mathrm{Acc}^{\mathrm{wrong}}_T=\frac{pa(1-q^T)}{1-q},\quad \mathrm{E}[K]=\frac{1-q^T}{1-q}",
    scope="any number of attempts T, all p, a, b in (0, 1)",
    domain=CUBE,
    definitions={q: RESAMPLE},
    proof=capped_predictions,
    related=["G1-loose", "G1-cap", "A2-cap", "G4"],
)

G1_LOOSE = Claim(
    id="G1-loose",
    group="G",
    title="More attempts never hurt",
    statement="Raising the cap from two to three attempts does not lower the accuracy, the last answer being submitted.",
    scope="all p, a, b in (0, 1)",
    domain=CUBE,
    definitions={q: RESAMPLE},
    proof=[decide("A third attempt does not hurt.", SUBMIT.subs(x, q**2) >= SUBMIT.subs(x, q))],
    recorded="fails",
    witness={"p": "1/2", "a": "1/2", "b": "1/3"},
    related=["G1", "A3-cap"],
    notes="With `a + b < 1` every attempt more makes the answer worse.",
)


def value_of_an_attempt() -> Iterator[Step]:
    """G1-cap: the ratio of two differences."""
    ratio = p * (1 - p) * (a + b - 1) / q
    gained = SUBMIT.subs(x, q * x) - SUBMIT
    used = ATTEMPTS.subs(y, q * q * x) - ATTEMPTS.subs(y, q * x)
    yield identity(
        "Let `x = q^(T-1)`. From `T` to `T + 1` attempts, accuracy grows by `x p(1-p)(a+b-1)` and the number of attempts by `q "
        "x`.",
        [gained, used],
        [x * p * (1 - p) * (a + b - 1), q * x],
        where={"x": POSITIVE},
    )
    yield identity("Their ratio does not contain `x`, that is, `T`.", gained / used, ratio, where={"x": POSITIVE})
    cost = Symbol("cost")
    yield decide(
        "So at a price per attempt every further attempt pays, or none does: the sign is that of one number.",
        Equivalent(gained > cost * used, ratio > cost),
        where={"x": UNIT, "cost": POSITIVE},
    )


G1_CAP = Claim(
    id="G1-cap",
    group="G",
    title="Where problems are alike, every further attempt is worth the same",
    statement="""The accuracy gained per attempt added by raising the cap from `T` to `T + 1` is `p(1-p)(a+b-1)/q` for every `T`.
        At any price of an attempt, the best cap is therefore one attempt or none at all.""",
    latex=r"\frac{\mathrm{Acc}_{T+1}-\mathrm{Acc}_T}{\mathrm{E}[K_{T+1}]-\mathrm{E}[K_T]}=\frac{p(1-p)(a+b-1)}{q}",
    scope="any number of attempts T, all p, a, b in (0, 1), last answer submitted",
    domain=CUBE,
    definitions={q: RESAMPLE},
    proof=value_of_an_attempt,
    related=["G1", "G1-cap-loose", "A3-cap"],
    notes="If problems differ, those left change with `T`, and so does the gain per attempt: a cap in between can be best.",
)


# --- G2 ---------------------------------------------------------------------------------------------------------------

CORNERS = sp.symbols("A_00 A_01 A_10 A_11")
NAMES = {"A_00 A_01 A_10 A_11": REAL}


def corners() -> tuple[sp.Expr, ...]:
    """Accuracies of M0, without a cap, with the sampling and the decisions of two models."""
    accuracy = SymbolicChain(M0).accuracy((True, False))
    new = {"p": sp.Symbol("p_new"), "a": sp.Symbol("a_new"), "b": sp.Symbol("b_new")}
    decided = {a: new["a"], b: new["b"]}
    return accuracy, accuracy.subs(decided), accuracy.subs(p, new["p"]), accuracy.subs({**decided, p: new["p"]})


def shapley_split() -> Iterator[Step]:
    """G2: four accuracies, whatever they are."""
    a00, a01, a10, a11 = CORNERS
    sample = ((a10 - a00) + (a11 - a01)) / 2
    s00, s01, s10, s11 = sp.symbols("s_00 s_01 s_10 s_11")
    d00, d01, d10, d11 = -1 - s00, -s01, -s10, 1 - s11
    half = sp.Rational(1, 2)
    yield decide(
        "Let sampling's part be `s_00 A_00 + s_01 A_01 + s_10 A_10 + s_11 A_11`, and decisions' part the rest of the gain, so "
        "that they sum to it. A stage that makes no difference gets nothing (sampling: `A_10 = A_00` and `A_11 = A_01`; "
        "decisions: `A_01 = A_00` and `A_11 = A_10`), and exchanging before and after changes the sign, for all accuracies, "
        "exactly if the `s` are `-1/2`, `-1/2`, `1/2` and `1/2`: the split given has these properties, and no other linear one "
        "does.",
        Equivalent(
            And(
                Eq(s00 + s10, 0), Eq(s01 + s11, 0), Eq(d00 + d01, 0), Eq(d10 + d11, 0), Eq(s11, -s00), Eq(s10, -s01)
            ),
            And(Eq(s00, -half), Eq(s01, -half), Eq(s10, half), Eq(s11, half)),
        ),
        where={"s_00 s_01 s_10 s_11": REAL},
    )
    yield decide(
        "A stage whose change raises the accuracy under both models' other stage gets a positive part; by A4 it does if `p` "
        "rises (sampling), or if `a` and `b` do (decisions).",
        Implies(And(a10 > a00, a11 > a01), sample > 0),
        where=NAMES,
    )
    more = {"p_new a_new b_new": UNIT}
    s0d0, s0d1, s1d0, s1d1 = corners()
    p_new, a_new, b_new = (Symbol(f"{name}_new") for name in "pab")

    def stop(p: sp.Expr, a: sp.Expr, b: sp.Expr) -> sp.Expr:
        return p * a + (1 - p) * (1 - b)

    by_sampling = sp.Add(
        *[(p_new - p) / 2 * u * (1 - v) / (stop(p, u, v) * stop(p_new, u, v)) for u, v in ((a, b), (a_new, b_new))]
    )
    by_decisions = sp.Add(
        *[x * (1 - x) / 2 * (a_new * (1 - b) - a * (1 - b_new)) / (stop(x, a, b) * stop(x, a_new, b_new)) for x in (p, p_new)]
    )
    yield identity(
        "In the chain: sampling's part is (`p' - p`) times the mean of `a(1-b)/(D D')` over both models' decisions, `D` and `D'` "
        "the chances of a stop under the two `p`; decisions' part is `a'(1-b) - a(1-b')` times the mean of `p(1-p)/(D D')` over "
        "both `p`, `D` and `D'` the chances of a stop under the two decisions. These two sum to the gain.",
        [((s1d0 - s0d0) + (s1d1 - s0d1)) / 2, ((s0d1 - s0d0) + (s1d1 - s1d0)) / 2, by_sampling + by_decisions],
        [by_sampling, by_decisions, s1d1 - s0d0],
        where={**CUBE, **more},
    )


G2 = Claim(
    id="G2",
    group="G",
    title="The gain between two models splits exactly into sampling and decision",
    statement="""With `Acc(s, d)` the accuracy of one model's sampling under another's decisions, half the sum of the two
        orders of exchange gives parts that sum to the gain, change sign when the models are exchanged, and are zero for a
        stage that makes no difference to these accuracies. Whose accuracies they are the split does not ask: with those of a
        chain of one `p` per log, a stage that is the same for both models may get a part (G2-pooled).""",
    latex=r"\phi_s=\tfrac12[A_{10}-A_{00}]+\tfrac12[A_{11}-A_{01}],\quad \phi_s+\phi_d=A_{11}-A_{00}",
    scope="any four accuracies; the last step: the chain without a cap, with the same p for all problems",
    source="Shapley (1953); use derived here",
    domain={},
    proof=shapley_split,
    related=["G2-loose", "G2-pooled", "A4"],
)

_00, _01, _10, _11 = corners()

G2_LOOSE = Claim(
    id="G2-loose",
    group="G",
    title="What better sampling gains does not depend on the decisions",
    statement="Exchanging the sampling gains the same whichever model's decisions are in place, so the order does not matter.",
    scope="all p, a, b of two models in (0, 1)",
    domain={**CUBE, "p_new a_new b_new": UNIT},
    proof=[decide("No interaction.", Eq(_10 - _00, _11 - _01))],
    recorded="fails",
    witness={"p": "1/2", "a": "1/2", "b": "1/2", "p_new": "1/3", "a_new": "1/2", "b_new": "1/3"},
    related=["G2"],
)


# --- G3 ---------------------------------------------------------------------------------------------------------------


def stopping_keeps_the_variance() -> Iterator[Step]:
    """G3: Wald's two identities for the chain, by enumeration and by recursion over attempts, and what heterogeneity adds."""
    M1, M2, n, v = sp.symbols("M_1 M_2 n v")
    for cap in (2, 3):
        episodes = list(trajectories(SymbolicChain(M0, cap)))
        off = [sp.Add(*[(1 - answer) - p for answer, _ in t.steps]) for t in episodes]
        yield identity(
            "Let `C` be the correct ones of the `K` attempts of an episode and `M = C - p K`. Its mean is 0, stopping on what "
            f"one sees does not bias the count, and its mean square `p(1-p) E[K]`: all episodes of at most {cap} attempts.",
            [sp.Add(*[t.probability * m**k for t, m in zip(episodes, off, strict=True)]) for k in (1, 2)],
            [0, p * (1 - p) * sp.Add(*[t.probability * len(t.steps) for t in episodes])],
        )
    yield identity(
        "Without a cap the mean `M_1` solves `M_1 = E[c - p] + q M_1`, so it is 0, and the mean square `M_2 = E[(c - p)^2] + 2 "
        "E`[(`c - p`) `1{resample}`] `M_1 + q M_2`. So it is `p(1-p)` times the mean number of attempts `1/(1-q)`: as if `K` "
        "were fixed.",
        M2,
        p * (1 - p) ** 2 + (1 - p) * p**2 + 2 * (p * (1 - p) * (1 - a) - (1 - p) * p * b) * M1 + q * M2,
        using={M1: 0, M2: p * (1 - p) / (1 - q)},
    )
    yield identity(
        "Where `p` differs between problems with variance `v` about its mean `p`, `n` attempts of one problem have the variance "
        "`n p(1-p) + n(n-1) v`: `n` times the variance of one, and the covariance `v` of each of the `n(n-1)` pairs.",
        n * (p - (v + p**2)) + n**2 * v,
        n * p * (1 - p) + n * (n - 1) * v,
        where={n: COUNT, v: REAL},
    )
    yield decide(
        "So `n` attempts of one problem count for fewer than `n` as soon as `v > 0` and `n > 1`: the design effect `1 + (n-1) "
        "v/(p(1-p))` exceeds 1.",
        Implies(And(v > 0, n > 1), (n * p * (1 - p) + n * (n - 1) * v) / (n * p * (1 - p)) > 1),
        where={n: at_least(1), v: CLOSED_UNIT},
    )


G3 = Claim(
    id="G3",
    group="G",
    title="Stopping leaves the binomial variance of a count alone; problems that differ do not",
    statement="""For an episode of the chain, `C` correct answers among `K` attempts have `E[C - pK] = 0` and `E[(C -
        pK)^2] = p(1-p) E[K]`, although `K` depends on the answers: binomial intervals are right if problems are alike. If
        `p` differs between problems with variance `v`, `n` attempts of a problem have the design effect `1 + (n-1)
        v/(p(1-p))`.""",
    latex=r"\mathrm{E}[(C-pK)^2]=p(1-p)\,\mathrm{E}[K],\qquad \mathrm{deff}=1+\frac{(n-1)v}{p(1-p)}",
    scope="uncapped chain, all p, a, b in (0, 1), and caps of 2 and 3; the design effect for any distribution of p, any fixed n",
    source="Wald (1944) for sums with a random number of terms; derived here for the chain",
    domain=CUBE,
    definitions={q: RESAMPLE},
    proof=stopping_keeps_the_variance,
    related=["G4"],
    notes="""That the intervals of the package cover as often as they promise is measured on a thousand simulated logs in its
        tests; this is the reason why problems are their units.""",
)
