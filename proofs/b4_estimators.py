"""Group B, estimators: what length normalisers and group statistics change about the gradient (B7 to B9)."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import And, Eq, Symbol

from dstheory.claims import (
    NONNEGATIVE,
    POSITIVE,
    REAL,
    UNIT,
    Claim,
    Step,
    decide,
    example,
    identity,
)
from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import SymbolicChain, payoff_at, reward
from dstheory.symbolic.policy import differentiate, minimal_policy
from dstheory.symbolic.updates import score, trajectories

p, a, b = map(symbol, ["p", "a", "b"])
M0 = minimal_policy()
chain = SymbolicChain(M0)
TERMINAL = reward((1, 0), (0, 0))
CUBE = {"p a b": UNIT}
q, Acc, H, A, C = sp.symbols("q Acc H A Cov")


# --- B7 ---------------------------------------------------------------------------------------------------------------

def turns_ignore_the_outcome() -> Iterator[Step]:
    """B7: conditional independence of the number of turns, then the product rule."""
    x, gap, stop_right, stop = sp.symbols("x L P_right P_stop")
    accuracy, resample = chain.accuracy((True, False)), M0.resample_probability()
    yield identity(
        "The chance to stop correctly at turn `k` is `x p a`, to stop at all `x(1-q)`, with `x = q^(k-1)`: given the turn, "
        "the outcome is correct with probability `Acc`, at every turn. So outcome `R` and number of turns `K` are "
        "independent.",
        stop_right / stop,
        accuracy,
        where={"x": UNIT},
        using={stop_right: x * p * a, stop: x * p * a + x * (1 - p) * (1 - b)},
    )
    yield identity(
        "`H = E[1/K] = (1-q) sum_k q^(k-1)/k = (1-q) L/q` with `L = -log(1-q)`: the sum's derivative in `q` is the "
        "geometric series.",
        sp.diff(-sp.log(1 - Symbol("r")), Symbol("r")),
        1 / gap,
        where={"r": UNIT},
        using={gap: 1 - Symbol("r")},
    )
    inverse = -(1 - resample) * sp.log(1 - resample) / resample
    yield identity(
        "The factor `1/|o|` with equal turn lengths updates along `grad E[R/K] - E[R] grad E[1/K]`. With `E[R/K] = Acc H` "
        "this is `H grad Acc`: one common factor for all logits.",
        [differentiate(accuracy * inverse, logit) - accuracy * differentiate(inverse, logit) for logit in M0.logits],
        [H * differentiate(accuracy, logit) for logit in M0.logits],
        using={H: inverse},
    )


B7 = Claim(
    id="B7",
    group="B",
    title="On one prompt without a cap, GRPO's `1/|o|` with equal turn lengths does not tilt the gradient",
    statement="""For a stationary chain without a cap the number of turns is independent of the outcome, so that the
        length normaliser `1/|o|` with equal turn lengths and rewards centred by their mean rescales the whole gradient by `E[1/K]
        = -(1-q) log(1-q)/q`.""",
    latex=r"\nabla\mathrm{E}[R/K]-\mathrm{E}[R]\nabla\mathrm{E}[1/K]=\mathrm{E}[1/K]\,\nabla\mathrm{Acc}",
    level="gradient",
    scope="all real parameters of the minimal chain, one prompt, no cap",
    source="arXiv 2402.03300 (the normaliser); derived here",
    domain=CUBE,
    proof=turns_ignore_the_outcome,
    related=["B7-loose", "B7-cap", "B7-lengths", "B7-prompts", "O6"],
)


def capped_at_two() -> tuple[dict[sp.Symbol, sp.Expr], list[sp.Expr]]:
    """Accuracy, E[1/K] and their covariance for a cap of two turns, and the expected update, all by enumeration."""
    outcomes = []
    for trajectory in trajectories(SymbolicChain(M0, 2)):
        gain = payoff_at(TERMINAL, 0).decision(*trajectory.steps[-1])
        outcomes.append((trajectory, gain, sp.Rational(1, len(trajectory.steps))))
    accuracy = sp.Add(*[t.probability * gain for t, gain, _ in outcomes])
    inverse = sp.Add(*[t.probability * share for t, _, share in outcomes])
    covariance = sp.Add(*[t.probability * (gain - accuracy) * (share - inverse) for t, gain, share in outcomes])
    update = [
        sp.Add(
            *[
                t.probability * (gain - A) * share * sp.Add(*[sum(score(M0, logit, k, *step)) for k, step in enumerate(t.steps)])
                for t, gain, share in outcomes
            ]
        )
        for logit in M0.logits
    ]
    return {A: accuracy, H: inverse, C: covariance}, update


def tilt_of_a_cap() -> Iterator[Step]:
    """B7-cap: the covariance that the cap creates, and the gradient that it adds."""
    values, update = capped_at_two()
    yield identity(
        "At the cap the answer is submitted unseen and is correct with probability `p` instead of `Acc`, so that `R` and "
        "`1/K` covary:",
        C,
        q * p * (1 - p) * (a + b - 1) / 2,
        using={C: values[C]},
    )
    yield identity(
        "The expected update, summed over all trajectories with `(R - E[R])/K` as coefficient, is `H grad Acc + grad Cov`.",
        update,
        [H * differentiate(values[A], logit) + differentiate(values[C], logit) for logit in M0.logits],
        using={A: values[A], H: values[H]},
    )


B7_CAP = Claim(
    id="B7-cap",
    group="B",
    title="With a cap of two turns the normaliser adds the gradient of a covariance",
    statement="""Capped at two turns of equal length, the update with `1/|o|` and centred rewards is `E[1/K] grad Acc + grad
        Cov(R, 1/K)` with `Cov(R, 1/K) = q p(1-p)(a + b - 1)/2`.""",
    latex=r"\mathrm{E}[1/K]\,\nabla\mathrm{Acc}_2+\nabla\tfrac12qp(1-p)(a+b-1)",
    level="gradient",
    scope="all real parameters of the minimal chain, cap of two turns",
    domain=CUBE,
    definitions={q: p * (1 - a) + (1 - p) * b},
    proof=tilt_of_a_cap,
    related=["B7", "B7-loose"],
)


def proportional() -> Iterator[Step]:
    """B7-loose: cross products of the update with the gradient of the capped accuracy."""
    values, update = capped_at_two()
    names = sp.symbols("U_s U_C")
    slopes = [differentiate(values[A], logit) for logit in M0.logits]
    yield decide(
        "If the direction were unchanged, `U_s` : `U_C` would be `dAcc/dtheta_s` : `dAcc/dtheta_C`.",
        Eq(names[0] * slopes[1], names[1] * slopes[0]),
        using={A: values[A], names[0]: update[0], names[1]: update[1]},
    )


B7_LOOSE = Claim(
    id="B7-loose",
    group="B",
    title="GRPO's `1/|o|` never tilts the gradient between the stages",
    statement="""With equal turn lengths the normaliser `1/|o|` leaves the direction of the gradient unchanged, cap or
        no cap.""",
    level="gradient",
    scope="the minimal chain capped at two turns",
    domain=CUBE,
    proof=proportional,
    recorded="fails",
    witness={"p": "1/2", "a": "1/2", "b": "1/2"},
    related=["B7", "B7-cap", "B7-lengths"],
)


def unequal_lengths() -> Iterator[Step]:
    """B7-lengths: one exact point, with integrals of rational functions that are logarithms of rationals."""
    x = Symbol("x")
    at = {p: sp.Rational(1, 2), a: sp.Rational(1, 2), b: sp.Rational(1, 4)}
    right, wrong = x, x**2
    again = p * (1 - a) * right + (1 - p) * b * wrong
    correct, stopped = p * a * right / (1 - again), (p * a * right + (1 - p) * (1 - b) * wrong) / (1 - again)
    accuracy = chain.accuracy((True, False))
    yield identity(
        "Correct answers have one token, wrong ones two. `E[x^|o|]` and its correct part are geometric series in `x`, "
        "with these values at `x = 1`; `E[1/|o|]` is the integral of `E[x^|o|]/x` over (0, 1).",
        [correct.subs(x, Symbol("one")), stopped.subs(x, Symbol("one"))],
        [accuracy, 1],
        using={Symbol("one"): 1},
        where=CUBE,
    )
    integrands = [
        (differentiate(correct, logit) - accuracy * differentiate(stopped, logit)).subs(at) / x for logit in M0.logits[:2]
    ]
    swing = sp.log((4 + x) / (2 - x))
    primitives = [
        4 * swing / 15 + 2 / (4 + x),
        swing / 45 + (16 - 11 * x) / (15 * x**2 + 30 * x - 120),
    ]
    yield identity(
        "At `p = 1/2`, `a = 1/2`, `b = 1/4` the integrands of the update's `theta_s` and `theta_C` components have these "
        "primitives.",
        [sp.diff(primitive, x) for primitive in primitives],
        integrands,
        where={"x": UNIT},
    )
    names = sp.symbols("U_s U_C G_s G_C")
    integrals = [primitive.subs(x, 1) - primitive.subs(x, 0) for primitive in primitives]
    slopes = [differentiate(accuracy, logit).subs(at) for logit in M0.logits[:2]]
    yield example(
        "So the update is not along the gradient of the accuracy: `U_s` : `U_C` is less than `17/10`, `G_s` : `G_C` is 2.",
        And(names[0] < sp.Rational(17, 10) * names[1], Eq(names[2], 2 * names[3])),
        at={},
        using=dict(zip(names, [*integrals, *slopes], strict=True)),
    )


B7_LENGTHS = Claim(
    id="B7-lengths",
    group="B",
    title="Unequal turn lengths can tilt the gradient under GRPO's `1/|o|`, also without a cap",
    statement="""If correct answers have one token and wrong ones two, the normaliser `1/|o|` changes the direction of
        the gradient also without a cap: at `p = a = 1/2`, `b = 1/4` the ratio of its `theta_s` to its `theta_C` component
        falls from 2 to less than `17/10`.""",
    level="gradient",
    scope="one exact point of the minimal chain without a cap",
    domain={},
    proof=unequal_lengths,
    related=["B7", "B7-cap"],
)


# --- B8, B9 -----------------------------------------------------------------------------------------------------------

u, v, grad = sp.symbols("u v grad_Acc")
SCORES = {v: -Acc * u / (1 - Acc), grad: Acc * u}
OUTCOME = {"Acc": UNIT, "u": REAL}


def one_split_for_all() -> Iterator[Step]:
    """B8: every group-relative update of a 0/1 reward is a scalar times grad Acc."""
    K, G, f, mean = sp.symbols("K G f_K E_KGK")
    yield identity(
        "A group of `G` responses, `K` of them correct, each with coefficient `f_K (R - K/G)` for any function `f_K` of `K` "
        "(1: no std; 1/std: GRPO; `G/(G-1)`: RLOO). Given `K` the expected sum of coefficient times score is `f_K K(G-K)/G (u "
        "- v)`, which by B9 is a number times `grad Acc`, the same number for all logits of both stages.",
        K * f * (1 - K / G) * u + (G - K) * f * (-K / G) * v,
        f * K * (G - K) / G * grad / (Acc * (1 - Acc)),
        where={**OUTCOME, "K": NONNEGATIVE, "G": POSITIVE, "f_K": REAL},
        using=SCORES,
    )
    yield identity(
        "Averaged over `K` for `f = 1`: `K(G-K)` is the sum over the `G(G-1)` ordered pairs of responses of right times wrong, "
        "each with the mean `Acc(1-Acc)`. So the factor of `grad Acc` is `(G-1)/G` for every `G`.",
        mean / (G**2 * Acc * (1 - Acc)),
        (G - 1) / G,
        where={"Acc": UNIT, "G": POSITIVE},
        using={mean: G * (G - 1) * Acc * (1 - Acc)},
    )
    for size in (2, 3, 8):
        terms = [sp.binomial(size, k) * Acc**k * (1 - Acc) ** (size - k) * k * (size - k) for k in range(size + 1)]
        yield identity(
            f"Checked from the binomial law for `G = {size}`.",
            mean / (size**2 * Acc * (1 - Acc)),
            sp.Rational(size - 1, size),
            where={"Acc": UNIT},
            using={mean: sp.Add(*terms)},
        )
    weights = []
    for accuracy in (sp.Rational(1, 2), sp.Rational(1, 20)):
        terms = [
            sp.binomial(8, k) * accuracy**k * (1 - accuracy) ** (8 - k) * sp.sqrt(k * (8 - k)) for k in range(9)
        ]
        weights.append(sp.sqrt(sp.Rational(7, 8)) * sp.Add(*terms) / (8 * accuracy * (1 - accuracy)))
    half, rare = sp.symbols("w_half w_rare")
    yield example(
        "With the sample standard deviation and `G = 8` the factor is 1.74 at `Acc = 1/2` and 2.31 at `Acc = 1/20`: "
        "prompts are reweighted, stages are not.",
        And(*[sp.Abs(x - y) < sp.Rational(1, 200) for x, y in ((half, sp.Rational(174, 100)), (rare, sp.Rational(231, 100)))]),
        at={},
        using={half: weights[0], rare: weights[1]},
    )
    accuracy = chain.accuracy((True, False))
    for words, value, slope in (
        ("`h = log`: filtered imitation of correct responses, log-success", sp.log(accuracy), 1 / A),
        ("`h` = log-odds", sp.log(accuracy / (1 - accuracy)), 1 / (A * (1 - A))),
    ):
        yield identity(
            f"{words}: `grad h(Acc) = h'(Acc) grad Acc` on each of the three logits of the minimal chain.",
            [differentiate(value, logit) for logit in M0.logits],
            [slope * differentiate(accuracy, logit) for logit in M0.logits],
            where=CUBE,
            using={A: accuracy},
        )
    x = Symbol("Acc")
    yield identity(
        "`h = 2 arcsin sqrt(Acc)`, the limit of std scaling: `h' = 1/sqrt(Acc(1 - Acc))`.",
        sp.diff(2 * sp.asin(sp.sqrt(x)), x) * sp.sqrt(x * (1 - x)),
        1,
        where={"Acc": UNIT},
    )


B8 = Claim(
    id="B8",
    group="B",
    title="Surrogate invariance: on each prompt group-relative objectives split the stages alike, if no length divides",
    statement="""REINFORCE, RLOO, GRPO with or without standard deviation (no length normaliser), filtered EM and
        log-success have, on a prompt with success probability `Acc`, an expected update `h'(Acc) grad Acc`: a number
        times the same vector, so that on that prompt the split between sampling and decision is the same for all of
        them. Over several prompts they weigh the prompts differently, and with them the split (B8-prompts).""",
    latex=r"\mathrm{E}[\text{update}]=\frac{\mathrm{E}[f_K K(G-K)]}{G^2\,\mathrm{Acc}(1-\mathrm{Acc})}\,\nabla\mathrm{Acc}",
    level="gradient",
    scope="one prompt: any chain, any policy class, any group size G and any scale f_K",
    source="arXiv 2510.13651 (p, log p, 2 arcsin sqrt p); stage form derived here",
    domain={},
    proof=one_split_for_all,
    related=["B8-loose", "B8-prompts", "B9", "B7", "O5"],
)


def gradient_gap() -> Iterator[Step]:
    """B9: two lines for any chain, then the sum over all trajectories of a small one."""
    yield identity(
        "Let `u` and `v` be a component of `E[score | correct]` and `E[score | wrong]`. Scores have mean zero, `Acc u + (1 - "
        "Acc) v = 0`,",
        Acc * u + (1 - Acc) * v,
        0,
        where=OUTCOME,
        using={v: SCORES[v]},
    )
    yield identity(
        "and `grad Acc = E[1{correct} score] = Acc u`. Hence `grad Acc = Acc (1 - Acc)(u - v)`, for each stage and each "
        "logit.",
        grad,
        Acc * (1 - Acc) * (u - v),
        where=OUTCOME,
        using=SCORES,
    )
    capped = SymbolicChain(M0, 3)
    right, all_scores, gap = [], [], []
    accuracy = capped.accuracy((True, False))
    for logit in M0.logits:
        parts: dict[int, list[sp.Expr]] = {0: [], 1: []}
        for t in trajectories(capped):
            total = sp.Add(*[sum(score(M0, logit, k, *step)) for k, step in enumerate(t.steps)])
            parts[t.steps[-1][0]].append(t.probability * total)
        correct, wrong = sp.Add(*parts[0]), sp.Add(*parts[1])
        right.append(differentiate(accuracy, logit))
        all_scores.append(correct + wrong)
        gap.append(A * (1 - A) * (correct / A - wrong / (1 - A)))
    yield identity(
        "By enumeration of the fourteen trajectories of three turns: the mean score is zero, and the gap gives the "
        "derivative.",
        [*all_scores, *gap],
        [0, 0, 0, *right],
        where=CUBE,
        using={A: accuracy},
    )


B9 = Claim(
    id="B9",
    group="B",
    title="The gradient of accuracy is `Acc(1-Acc)` times the gradient gap, stage by stage",
    statement="""`grad Acc = Acc (1 - Acc) (E[score | correct] - E[score | wrong])`, for the sampling and for the
        decision scores separately.""",
    latex=r"\nabla\mathrm{Acc}=\mathrm{Acc}(1-\mathrm{Acc})\bigl(\mathrm{E}[S\mid C]-\mathrm{E}[S\mid W]\bigr)",
    level="gradient",
    scope="any chain, any policy class",
    source="arXiv 2510.08539 (the gradient gap)",
    domain={},
    proof=gradient_gap,
    related=["B8"],
)
