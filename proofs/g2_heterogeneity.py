"""Group G, heterogeneity (G4): what the pooled chain gets wrong where problems differ, with the sign of its errors.

Problems have their own p_x, and in part of the statements their own a_x and b_x. S_k = E[q_x^k] is the share of episodes that are
followed by attempt k + 1. The pooled chain has the rates of all attempts taken together, as a fit of one p, a, b has in the limit
of many problems. Its chance of going on is called z, its error in the share that goes on k times D_k = S_k - z^k.
"""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import And, Eq, Equivalent, Implies, Or, Symbol

from dstheory.claims import CLOSED_UNIT, NONNEGATIVE, POSITIVE, REAL, UNIT, Claim, Step, counterexample, decide, identity
from dstheory.rational.symbols import symbol

a, b, p = map(symbol, ["a", "b", "p"])
z, G, S_T, Z_T, p_x, p_y, w = sp.symbols("z G S_T Z_T p_x p_y w")
ABOVE = a + b - 1  # resampling helps where this is positive
TWO = {"p_x p_y w a b": UNIT}


def resampling(p: sp.Expr) -> sp.Expr:
    """The chance that an attempt is followed by another, for a problem with this p."""
    return p * (1 - a) + (1 - p) * b


def mean(value_at: sp.Expr) -> sp.Expr:
    """Mean over two kinds of problems, shares w and 1 - w, of an expression in p_x."""
    return w * value_at + (1 - w) * value_at.subs(p_x, p_y)


# --- G4: stops --------------------------------------------------------------------------------------------------------


def too_many_stops() -> Iterator[Step]:
    """G4: log-convexity of moments, one equation, and a sum of numbers of one sign that would have to be zero."""
    x, y, X, Y, excess = sp.symbols("x y X Y excess")
    yield identity(
        "`S_k` is log-convex: `S_(k-1) S_(k+1) - S_k^2` is the mean over two independent problems, with `q = x` and `q = y`, of "
        "half of `(xy)^(k-1) (x-y)^2`. Here `X = x^(k-1)`, `Y = y^(k-1)`. So the ratios `S_(k+1)/S_k` do not fall.",
        excess,
        X * Y * (x - y) ** 2 / 2,
        where={"x y": UNIT, "X Y": POSITIVE},
        using={excess: (X * y**2 * Y + Y * x**2 * X) / 2 - X * x * Y * y},
        lemma=True,
    )
    yield identity(
        "The pooled `z` is resamples over decisions, `(S_1 + ... + S_T)/(1 + S_1 + ... + S_(T-1))`. With `G = S_1 + ... + "
        "S_(T-1)` this says `S_T + (1 - z) G = z`.",
        S_T + (1 - z) * G,
        z,
        where={"S_T": UNIT, "G": NONNEGATIVE},
        using={z: (G + S_T) / (1 + G)},
    )
    yield identity(
        "The powers of `z` obey the same equation, `Z_T = z^T` and `z + ... + z^(T-1) = (z - Z_T)/(1 - z)`: by induction, as the "
        "next power adds `Z_T`.",
        (z - Z_T) / (1 - z) + Z_T,
        (z - z * Z_T) / (1 - z),
        where={"z Z_T": UNIT},
        lemma=True,
    )
    rest, last, S_k, Z_k, step, Z_step = sp.symbols("rest last S_k Z_k step Z_step")
    yield decide(
        "If `S_k > z^k` for some `k`, some ratio before `k` exceeds `z`, hence so do all from `k` on: `S_T/S_k >= z^(T-k)`, and "
        "`S_T > z^T`. (`Z_k = z^k`, `step = S_T/S_k`, `Z_step = z^(T-k)`.)",
        Implies(And(S_k > Z_k, step >= Z_step), S_k * step > Z_k * Z_step),
        where={"S_k Z_k step Z_step": POSITIVE},
        lemma=True,
    )
    yield decide(
        "So if `S_T < z^T`, all `D_k` were at most 0 and the last one negative. But the two equations say that `D_T + (1 - "
        "z)(D_1 + ... + D_(T-1)) = 0`. Contradiction: `z^T <= S_T`, and the pooled chain stops at least as often, `1 - z^T`, as "
        "it should, `1 - S_T`.",
        Implies(And(last < 0, rest <= 0), last + (1 - z) * rest < 0),
        where={"z": UNIT, "last rest": REAL},
    )
    yield decide(
        "For the same reason its number of attempts, `(1 - z^T)/(1 - z)`, is at least the true one, `1 + G = (1 - S_T)/(1 - z)`.",
        Implies(Z_T <= S_T, (1 - Z_T) / (1 - z) >= 1 + G),
        where={"S_T Z_T": UNIT, "G": NONNEGATIVE},
        using={z: (G + S_T) / (1 + G)},
    )
    S_1, S_2 = sp.symbols("S_1 S_2")
    yield identity(
        "Two decisions, exactly: `S_2 - z^2 = (1 - S_2) Var(q)/(1 + E q)^2`.",
        S_2 - z**2,
        (1 - S_2) * (S_2 - S_1**2) / (1 + S_1) ** 2,
        where={"S_1 S_2": UNIT},
        using={z: (S_1 + S_2) / (1 + S_1)},
    )


G4 = Claim(
    id="G4",
    group="G",
    title="Where every attempt is decided on, the pooled chain never predicts too few stops",
    statement="""Let problems have chances `q_x` of going on and at most `T` decisions per episode, all of them counted,
        and `z` the share of resamples among them. The share of episodes that the pooled chain lets stop, `1 - z^T`, is at
        least the true one, `1 - E[q_x^T]`, and its number of attempts at least the true one. For `T = 2` the excess is
        `(1 - S_2) Var(q)/(1 + E q)^2`.""",
    latex=r"z^T\le\mathrm{E}[q_x^T],\qquad z=\frac{\sum_{k=1}^T\mathrm{E}[q_x^k]}{\sum_{k=0}^{T-1}\mathrm{E}[q_x^k]}",
    scope="any distribution of p_x, a_x, b_x over problems, any number of decisions T, in the limit of many problems",
    domain={},
    proof=too_many_stops,
    related=["G4-loose", "G4-wrong", "G4-sign", "G4-mean", "G4-fit"],
)

_q = mean(resampling(p_x))
_p2 = (mean(p_x) + mean(resampling(p_x) * p_x)) / (1 + _q)  # both attempts count for p

G4_LOOSE = Claim(
    id="G4-loose",
    group="G",
    title="The pooled chain predicts too many stops, also if no decision is drawn at the cap",
    statement="""With at most two attempts, the last of which is submitted without a decision but counts for `p`, the pooled
        chain predicts at least as many stops as there are.""",
    scope="two kinds of problems with the same a, b",
    domain=TWO,
    proof=[decide("Not fewer stops than there are.", 1 - resampling(_p2) >= 1 - _q)],
    recorded="fails",
    witness={"p_x": "1/2", "p_y": "1/3", "w": "1/2", "a": "1/2", "b": "1/3"},
    related=["G4"],
    notes="""The second attempts are those of problems that go on, so they move the pooled `p` towards going on. With more
        attempts this effect and that of G4 work against each other, and either can be the larger.""",
)


def gain_per_attempt(turn: int) -> sp.Expr:
    """The accuracy gained per attempt added by allowing one attempt more than this, over both kinds of problems."""
    again = resampling(p_x)
    return mean(again ** (turn - 1) * p_x * (1 - p_x) * ABOVE) / mean(again**turn)


G1_CAP_LOOSE = Claim(
    id="G1-cap-loose",
    group="G",
    title="If problems differ, each further attempt is worth less than the one before",
    statement="""Where resampling helps, the accuracy gained per attempt added falls with the cap, because the problems that are
        left are the hard ones.""",
    scope="two kinds of problems with the same a, b; from one attempt to two against from two to three",
    domain=TWO,
    assumptions=[a + b > 1],
    proof=[decide("The second further attempt is worth no more than the first.", gain_per_attempt(2) <= gain_per_attempt(1))],
    recorded="fails",
    witness={"p_x": "1/2", "p_y": "2/3", "w": "1/2", "a": "1/2", "b": "2/3"},
    related=["G1-cap"],
    notes="An easy problem is soon right and then gains little: it is those in the middle that are left and gain most.",
)


# --- G4: accuracy -----------------------------------------------------------------------------------------------------


def too_accurate_if_unstopped_is_wrong() -> Iterator[Step]:
    """G4-wrong: the prediction is the realised accuracy times predicted over realised stops."""
    M, n_C, s_C, stops = sp.symbols("M n_C s_C stops")
    p_hat, a_hat, go_on, predicted = sp.symbols("p_hat a_hat go_on predicted")
    where = {"M n_C s_C": POSITIVE, "stops": POSITIVE, "Z_T": UNIT}
    yield decide(
        "Per episode let there be `M` attempts, `n_C` of them correct, `s_C` stops on correct ones, and stops in all, `1 - S_T`. "
        "The pooled rates are `p = n_C/M`, `a = s_C/n_C`, `z = 1` - stops/`M`. Then `p a (1 - z^T)/(1 - z)` is `s_C (1 - "
        "z^T)`/stops, whatever problems are like. The realised accuracy is `s_C`: the prediction is too high as the predicted "
        "share of stops is (G4).",
        And(Eq(predicted, s_C * (1 - Z_T) / stops), Implies(stops <= 1 - Z_T, predicted >= s_C)),
        where=where,
        using={p_hat: n_C / M, a_hat: s_C / n_C, go_on: 1 - stops / M, predicted: p_hat * a_hat * (1 - Z_T) / (1 - go_on)},
    )


G4_WRONG = Claim(
    id="G4-wrong",
    group="G",
    title="If episodes without a stop count as wrong, the pooled chain is never too pessimistic",
    statement="""With episodes that do not stop within `T` decisions counted as wrong, the accuracy of the pooled chain is the
        realised one times `(1 - z^T)/(1 - E[q_x^T])`, which is at least 1: too high by the factor by which stops are.""",
    latex=(
        r"\frac{\mathrm{Acc}^{\mathrm{pooled}}_T}{\mathrm{E}[\mathrm{Acc}_T(p_x,a_x,b_x)]}=\frac{1-z^T}{1-\mathrm{E}[q_x^T]}\ge1"
    ),
    scope="any distribution of p_x, a_x, b_x over problems, any number of decisions T, in the limit of many problems",
    domain={},
    proof=too_accurate_if_unstopped_is_wrong,
    related=["G4", "G4-sign"],
)


def sign_of_the_bias() -> Iterator[Step]:
    """G4-sign: both accuracies in powers of q, then two cases."""
    r, R, Z, S, D_T, D_L, h, P = sp.symbols("r R Z S D_T D_L h P")
    n_r, n_z, n_E = sp.symbols("n_r n_z n_E")
    yield identity(
        "Since `p = (b - q)/(a + b - 1)` (`P` here), the accuracy of a problem with chance `r` of going on, `R = r^(T-1)`, is a "
        "combination of `r^T`, `r^(T-1)` and the number of attempts `n = (1 - r^T)/(1 - r)`.",
        ABOVE * h,
        a - a * (1 - b) * n_r - r * R + (1 - a) * b * R,
        where={"r R": UNIT, "a b": UNIT},
        given=[sp.Ne(ABOVE, 0)],
        using={P: (b - r) / ABOVE, h: P * a * (1 - R) / (1 - r) + R * P, n_r: (1 - r * R) / (1 - r)},
    )
    bias = -a * (1 - b) * (n_z - n_E) + D_T - (1 - a) * b * D_L
    yield identity(
        "It is the same combination for the pooled chain, whose `z` is a pooled chance of going on over `T` attempts because `q` "
        "is linear in `p`, so G4 holds for it. With `D_T = S_T - z^T`, `D_L = S_(T-1) - z^(T-1)`: the numbers of attempts differ "
        "by `D_T/(1 - z)`, and (`a + b - 1`) times the bias is `D_T (1 - z - a(1-b))/(1 - z) - (1-a) b D_L`.",
        bias,
        D_T * (1 - z - a * (1 - b)) / (1 - z) - (1 - a) * b * D_L,
        where={"z S Z a b": UNIT, "D_L": REAL},
        using={n_z: (1 - Z) / (1 - z), n_E: (1 - S) / (1 - z), D_T: S - Z},
    )
    between = {z: p * (1 - a) + (1 - p) * b}
    yield decide(
        "The first factor is positive, for any `p` of the pooled chain: so if `D_L <= 0` nothing is negative.",
        1 - z - a * (1 - b) > 0,
        where={"p a b": UNIT},
        using=between,
    )
    yield identity(
        "If `D_L > 0`, the ratio `S_T/S_(T-1)` is at least `z` (G4's argument), hence `D_T >= z D_L`, and what multiplies `D_L` "
        "is at least `p (1-p) (a+b-1)^2/(1 - z)`.",
        z * (1 - z - a * (1 - b)) - (1 - a) * b * (1 - z),
        p * (1 - p) * ABOVE**2,
        where={"p a b": UNIT},
        using=between,
    )
    yield decide(
        "Either way (`a + b - 1`) times the bias is at least 0.",
        Implies(
            Or(D_L <= 0, D_T >= z * D_L),
            D_T * (1 - z - a * (1 - b)) - (1 - a) * b * (1 - z) * D_L >= 0,
        ),
        given=[1 - z - a * (1 - b) > 0, z * (1 - z - a * (1 - b)) >= (1 - a) * b * (1 - z)],
        where={"z a b": UNIT, "D_T": NONNEGATIVE, "D_L": REAL},
    )
    m, v, pooled, realised = sp.symbols("m v pooled realised")
    go_on = resampling(m)
    square = v + m**2
    yield identity(
        "Two attempts, exactly, with mean `m` and variance `v` of `p_x`: the bias is `(a+b-1) v [(1-a)(1-p) + b p]/(1 + E q)`, "
        "`p` being the pooled one.",
        pooled * a + resampling(pooled) * pooled - realised,
        ABOVE * v * ((1 - a) * (1 - pooled) + b * pooled) / (1 + go_on),
        where={"m a b": UNIT, "v": CLOSED_UNIT},
        using={pooled: (m + m * b - ABOVE * square) / (1 + go_on), realised: a * m + b * m - ABOVE * square},
    )


G4_SIGN = Claim(
    id="G4-sign",
    group="G",
    title="Same `a`, `b`, last answer submitted: the pooled chain is optimistic if resampling helps, pessimistic if it hurts",
    statement="""With at most `T` attempts, the last answer submitted, and the same `a`, `b` for all problems, the accuracy of the
        pooled chain (its `p` being that of all attempts) less the accuracy of the problems has the sign of `a + b - 1`, or is 0.
        For `T = 2` it is `(a + b - 1) Var(p_x) [(1-a)(1-p) + b p]/(1 + E q)`.""",
    latex=r"(a+b-1)\,\bigl(\mathrm{Acc}_T(\bar p)-\mathrm{E}[\mathrm{Acc}_T(p_x)]\bigr)\ge0,\qquad "
    r"\bar p=\frac{\mathrm{E}[p_xK_x]}{\mathrm{E}[K_x]}",
    scope="any distribution of p_x over problems, any number of attempts T, in the limit of many problems",
    domain={},
    proof=sign_of_the_bias,
    related=["G4-sign-loose", "G4", "G4-mean", "G4-fit"],
    notes="Without a cap the bias is 0: see G4-fit.",
)

_two = p_x * a + resampling(p_x) * p_x

G4_SIGN_LOOSE = Claim(
    id="G4-sign-loose",
    group="G",
    title="Pooling makes predictions optimistic",
    statement="The pooled chain's accuracy with two attempts, the last one submitted, is never below that of the problems.",
    scope="two kinds of problems with the same a, b",
    domain=TWO,
    proof=[decide("Never too low.", _two.subs(p_x, _p2) >= mean(_two))],
    recorded="fails",
    witness={"p_x": "1/2", "p_y": "1/3", "w": "1/2", "a": "1/2", "b": "1/3"},
    related=["G4-sign"],
)


def accuracy_at_the_mean() -> Iterator[Step]:
    """G4-mean: the second difference of Acc(p), exactly."""
    value = p * a / (1 - resampling(p))
    stop = 1 - resampling(p)
    x, y, both = (value.subs(p, at) for at in (p_x, p_y, mean(p_x)))
    gap = Symbol("gap")
    yield identity(
        "With `D(p) = p a + (1-p)(1-b)`, the chance of a stop, the accuracy at the mean exceeds the mean accuracy of two kinds "
        "of problems by `w(1-w)(p_x-p_y)^2 a(1-b)(a+b-1)/(D D D)`.",
        gap,
        w * (1 - w) * (p_x - p_y) ** 2 * a * (1 - b) * ABOVE / sp.Mul(*(stop.subs(p, at) for at in (p_x, p_y, mean(p_x)))),
        using={gap: both - w * x - (1 - w) * y},
        where=TWO,
    )
    yield decide(
        "So `Acc` is strictly concave in `p` where `a + b > 1` and strictly convex where `a + b < 1`, and by Jensen the same "
        "holds for any distribution of `p_x`. (`D_x`, `D_y`, `D_m` are the three chances; positive.)",
        Equivalent(
            w * (1 - w) * (p_x - p_y) ** 2 * a * (1 - b) * ABOVE / (Symbol("D_x") * Symbol("D_y") * Symbol("D_m")) > 0, ABOVE > 0
        ),
        given=[sp.Ne(p_x, p_y)],
        where={**TWO, "D_x D_y D_m": UNIT},
    )


G4_MEAN = Claim(
    id="G4-mean",
    group="G",
    title="The chain at the mean `p`, the accuracy of first answers, errs in the same direction",
    statement="""Without a cap and with the same `a`, `b` for all problems, the accuracy of the chain at the mean of `p_x`
        (estimated by first answers) less the accuracy of the problems is positive if `a + b > 1` and negative if `a + b <
        1`, unless all `p_x` are equal.""",
    latex=r"\mathrm{Acc}(\mathrm{E}p_x)-\mathrm{E}\,\mathrm{Acc}(p_x)\gtrless0\iff a+b\gtrless1",
    scope="any distribution of p_x in (0, 1) over problems",
    domain={},
    proof=accuracy_at_the_mean,
    related=["G4", "G4-sign", "G4-fit"],
)


# --- G4: accounting ---------------------------------------------------------------------------------------------------


def accounting() -> Iterator[Step]:
    """G4-fit: counts of a log in which every episode stopped."""
    n_C, n_W, s_C, s_W = sp.symbols("n_C n_W s_C s_W")
    p_hat, a_hat, b_hat, go_on, predicted, attempts = sp.symbols("p_hat a_hat b_hat go_on predicted attempts")
    yield identity(
        "Let a log have `n_C` correct and `n_W` wrong attempts, `s_C` and `s_W` of which end an episode; every episode stopped, "
        "so there are `s_C + s_W` episodes. The fitted chain predicts the realised accuracy `s_C/(s_C + s_W)` and the realised "
        "number of attempts, whatever the four numbers are.",
        [predicted, attempts],
        [s_C / (s_C + s_W), (n_C + n_W) / (s_C + s_W)],
        where={"n_C n_W s_C s_W": POSITIVE},
        using={
            p_hat: n_C / (n_C + n_W),
            a_hat: s_C / n_C,
            b_hat: 1 - s_W / n_W,
            go_on: p_hat * (1 - a_hat) + (1 - p_hat) * b_hat,
            predicted: p_hat * a_hat / (1 - go_on),
            attempts: 1 / (1 - go_on),
        },
    )
    yield counterexample(
        "It needs that every episode stops: one capped episode, whose last attempt is wrong and counts for `p`, and `p a/(1 - "
        "q)` is no longer the share of correct final answers.",
        Eq(s_C / (s_C + (n_W + 1) * s_W / n_W), s_C / (s_C + s_W + 1)),
        at={n_C: 2, n_W: 2, s_C: 1, s_W: 1},
        where={"n_C n_W s_C s_W": POSITIVE},
    )


G4_FIT = Claim(
    id="G4-fit",
    group="G",
    title="Predicting the finished episodes that one has fitted is an accounting identity",
    statement="""If every episode stopped, the accuracy and the number of attempts of the chain fitted to a log equal the realised
        ones, for any log: they cannot disagree, and agreement proves nothing.""",
    latex=r"\frac{\hat p\hat a}{1-\hat q}=\frac{s_C}{s_C+s_W},\qquad \frac1{1-\hat q}=\frac{n_C+n_W}{s_C+s_W}",
    scope="any log of finished episodes with correct and wrong attempts, homogeneous or not",
    domain={},
    proof=accounting,
    recorded="holds under condition",
    related=["G4-fit-loose", "G4", "G4-sign"],
)

_D = 1 - resampling(p_x)
_visits = mean(1 / _D)
_fitted = mean(p_x / _D) / _visits

G4_FIT_LOOSE = Claim(
    id="G4-fit-loose",
    group="G",
    title="If a fitted chain reproduces the accuracy, problems are alike",
    statement="""If the chain fitted to finished episodes of two kinds of problems has their realised accuracy, the two kinds have
        the same `p`.""",
    scope="two kinds of problems with the same a, b; no cap",
    domain=TWO,
    proof=[
        decide(
            "Agreement means homogeneity.",
            Implies(Eq(_fitted * a / (1 - resampling(_fitted)), mean(p_x * a / _D)), Eq(p_x, p_y)),
        )
    ],
    recorded="fails",
    witness={"p_x": "1/2", "p_y": "1/3", "w": "1/2", "a": "1/2", "b": "1/2"},
    related=["G4-fit"],
)
