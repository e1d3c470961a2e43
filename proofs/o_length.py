"""Group O, length: what the normaliser 1/L does to the expected update (O6).

R is the reward of a response, L its number of tokens, S a component of its score (the sum over its tokens), E[S] = 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import product

import sympy as sp
from sympy import And, Eq, Implies, Symbol

from dstheory.claims import POSITIVE, REAL, UNIT, Claim, Step, at_least, decide, derivative, identity
from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import SymbolicChain, payoff_at, reward
from dstheory.symbolic.losses import BETA, SURROGATES, batch
from dstheory.symbolic.policy import Logit, differentiate, minimal_policy
from dstheory.symbolic.updates import score, trajectories

p, a, b, l_C, l_W, l_d = map(symbol, ["p", "a", "b", "l_C", "l_W", "l_d"])
M0 = minimal_policy()
CAPPED = SymbolicChain(M0, 2)
TERMINAL = reward((1, 0), (0, 0))
CUBE = {"p a b": UNIT}
LENGTHS = {"l_C l_W l_d": at_least(1)}
G, L, R, J = sp.symbols("G L R J")
U_s, U_C, U_W = UPDATE = sp.symbols("U_s U_C U_W")


@cache
def responses() -> list[tuple[sp.Expr, sp.Expr, sp.Expr, dict[str, sp.Expr]]]:
    """Every trajectory of the minimal chain capped at two turns: probability, reward, tokens, score of each logit."""
    found = []
    for t in trajectories(CAPPED):
        gain = payoff_at(TERMINAL, 0).decision(*t.steps[-1])
        tokens = sp.Add(*[((l_C, l_W)[answer]) + (l_d if decision else 0) for answer, decision in t.steps])
        scores = {
            logit.symbol.name: sp.Add(*[sum(score(M0, logit, k, *step)) for k, step in enumerate(t.steps)]) for logit in M0.logits
        }
        found.append((t.probability, gain, tokens, scores))
    return found


def mean_of(value: Callable[[sp.Expr, sp.Expr], sp.Expr]) -> sp.Expr:
    """E[value(R, L)] over the trajectories."""
    return sp.Add(*[chance * value(gain, tokens) for chance, gain, tokens, _ in responses()])


def pairs_update(coefficient: Callable[..., sp.Expr], logit: Logit) -> sp.Expr:
    """The expected update by enumeration of pairs of responses: mean over the pair of coefficient x score."""
    total = []
    for one, two in product(responses(), repeat=2):
        for mine, other in ((one, two), (two, one)):
            c = coefficient(mine[1], mine[2], other[1], other[2])
            total.append(one[0] * two[0] * c * mine[3][logit.symbol.name] / 2)
    return sp.Add(*total)


# --- O6 ---------------------------------------------------------------------------------------------------------------


def one_over_length() -> Iterator[Step]:
    """O6: by moments, then pair by pair on a chain."""
    rl, sl, average = sp.symbols("E_RSL E_SL E_R")
    yield identity(
        "A response's own credit `(R - mean)/L` against its own score: the `G - 1` other rewards are independent of `L` and `S`, "
        "so `E[(R - mean) S/L] = (1 - 1/G)(E[R S/L] - E[R] E[S/L])`.",
        rl - (rl + (G - 1) * average * sl) / G,
        (G - 1) / G * (rl - average * sl),
        where={"G": at_least(2), "E_RSL E_SL E_R": REAL},
    )
    logit = M0.logit("theta_s")
    values = {
        U_s: pairs_update(lambda r, n, other, _: (r - (r + other) / 2) / n, logit),
        **dict(
            zip(
                sp.symbols("D_RL D_L E_R"),
                (
                    differentiate(mean_of(lambda r, n: r / n), logit),
                    differentiate(mean_of(lambda _, n: 1 / n), logit),
                    mean_of(lambda r, _: r),
                ),
                strict=True,
            )
        ),
    }
    yield identity(
        "`E[R S/L]` is `grad E[R/L]` and `E[S/L]` is `grad E[1/L]`, as `R` and `L` are given by the trajectory. Checked pair by "
        "pair (36 of them) on the chain capped at two turns, any lengths, `G = 2`: `theta_s`.",
        U_s,
        (Symbol("D_RL") - average * Symbol("D_L")) / 2,
        where={**CUBE, **LENGTHS},
        using=values,
    )


O6 = Claim(
    id="O6",
    group="O",
    title="With `1/L` the expected update is `(G-1)/G (grad E[R/L] - E[R] grad E[1/L])`",
    statement="""Centred by the group's mean and divided by the response's own length, the expected update is `(G-1)/G
        (grad E[R/L] - E[R] grad E[1/L])`: not a multiple of `grad J` in general.""",
    latex=r"\mathrm{E}[\tfrac{R-\bar R}{L}S]=\tfrac{G-1}{G}\bigl(\nabla\mathrm{E}[R/L]-\mathrm{E}[R]\nabla\mathrm{E}[1/L]\bigr)",
    level="gradient",
    scope="any chain, any rewards, any G >= 2",
    source="arXiv 2402.03300 (the normaliser); derived here",
    domain={},
    proof=one_over_length,
    related=["O6-loose", "O6-constant", "O6-k1", "O6-favours", "B7", "B7-cap"],
)


def direction(update: list[sp.Expr], accuracy: sp.Expr) -> tuple[sp.Expr, dict[sp.Symbol, sp.Expr]]:
    """The equation that makes two components of an update proportional to those of grad Acc, with its definitions."""
    slopes = [differentiate(accuracy, logit) for logit in M0.logits[:2]]
    g_s, g_C = sp.symbols("g_s g_C")
    return Eq(U_s * g_C, U_C * g_s), {U_s: update[0], U_C: update[1], g_s: slopes[0], g_C: slopes[1]}


def tilted_by_length() -> Iterator[Step]:
    """O6-loose: lengths 1 and 2, cap of two turns."""
    at = {l_C: 1, l_W: 2, l_d: 1}
    accuracy = mean_of(lambda r, _: r)
    with_length = mean_of(lambda r, n: r / n).subs(at), mean_of(lambda _, n: 1 / n).subs(at)
    update = [differentiate(with_length[0], logit) - accuracy * differentiate(with_length[1], logit) for logit in M0.logits]
    formula, using = direction(update, accuracy)
    yield decide("The update of O6 has the direction of `grad J`.", formula, using=using)


O6_LOOSE = Claim(
    id="O6-loose",
    group="O",
    title="The normaliser `1/L` only rescales the gradient",
    statement="Dividing each response's coefficients by its own length leaves the direction of the expected update unchanged.",
    level="gradient",
    scope="the minimal chain capped at two turns; correct answers of one token, wrong ones of two, decisions of one",
    domain=CUBE,
    proof=tilted_by_length,
    recorded="fails",
    witness={"p": "1/2", "a": "1/2", "b": "1/2"},
    related=["O6", "B7", "B7-loose"],
)

q = Symbol("q")


def constants_matter() -> Iterator[Step]:
    """O6-constant: the update of a constant reward, and where it points."""
    h, back, slope = sp.symbols("h_W h_C h_slope")
    baseline = Symbol("b_0")
    logit = M0.logit("theta_W")
    update = [chance * (gain - baseline) * scores["theta_W"] / tokens for chance, gain, tokens, scores in responses()]
    yield identity(
        "A baseline `b_0` in `(R - b_0)/L` takes `b_0 grad E[1/L]` off the expected update: `E[S] = 0` does not help, as `S/L` "
        "has the mean `grad E[1/L]`. By enumeration of two turns, any lengths: `theta_W`.",
        U_W,
        Symbol("D_RL") - baseline * Symbol("D_L"),
        where={**CUBE, **LENGTHS, "b_0": REAL},
        using={
            U_W: sp.Add(*update),
            "D_RL": differentiate(mean_of(lambda r, n: r / n), logit),
            "D_L": differentiate(mean_of(lambda _, n: 1 / n), logit),
        },
    )
    yield identity(
        "Without a cap and with turns of one length `l`, `E[1/L] = H/l` with `H = -(1-q) log(1-q)/q`; in `x = 1 - q` its slope "
        "is that of `-x log x/(1 - x)`,",
        sp.diff(-Symbol("x") * sp.log(Symbol("x")) / (1 - Symbol("x")), Symbol("x")),
        (Symbol("x") - 1 - sp.log(Symbol("x"))) / (1 - Symbol("x")) ** 2,
        where={"x": UNIT},
    )
    yield decide(
        "which is positive: `E[1/L]` falls as resampling becomes likelier, so its gradient is zero nowhere in the open cube.",
        slope > 0,
        where={"x": UNIT},
        using={slope: (Symbol("x") - 1 - sp.log(Symbol("x"))) / (1 - Symbol("x")) ** 2},
    )
    pushed = {h: baseline * Symbol("slope") * (1 - p) * b * (1 - b), back: -baseline * Symbol("slope") * p * a * (1 - a)}
    yield decide(
        "Hence a positive baseline pushes `theta_W`, the logit of resampling a wrong answer, up and `theta_C`, that of stopping "
        "at a right one, down (`q` rises with `b` and falls with `a`), and a negative one does the opposite.",
        And(Implies(baseline > 0, And(h > 0, back < 0)), Implies(baseline < 0, And(h < 0, back > 0))),
        where={"b_0": REAL, "slope": POSITIVE, **CUBE},
        using=pushed,
    )


O6_CONSTANT = Claim(
    id="O6-constant",
    group="O",
    title="With `1/L` a constant baseline is not neutral: a positive one pays for length",
    statement="""In `(R - b_0)/L` a constant baseline `b_0` adds `-b_0 grad E[1/L]` to the expected update. In the uncapped chain
        with equal turn lengths that vanishes nowhere unless `b_0 = 0`, and a positive `b_0` raises the probability of
        resampling.""",
    latex=r"\mathrm{E}\Bigl[\tfrac{R-b_0}{L}S\Bigr]=\nabla\mathrm{E}[R/L]-b_0\nabla\mathrm{E}[1/L]",
    level="gradient",
    scope="the formula: any chain; the sign: all parameters of the minimal chain without a cap, equal turn lengths",
    domain={},
    proof=constants_matter,
    related=["O6", "O6-baseline-loose", "O6-k1"],
)


def neutral_baseline() -> Iterator[Step]:
    """O6-baseline-loose: the constant's part of the update."""
    inverse = mean_of(lambda _, n: 1 / n).subs({l_C: 1, l_W: 1, l_d: 1})
    yield decide(
        "The part of a baseline `b_0` on `theta_s` vanishes.",
        Eq(U_s, 0),
        using={U_s: -differentiate(inverse, M0.logit("theta_s")) * Symbol("b_0")},
    )


O6_BASELINE_LOOSE = Claim(
    id="O6-baseline-loose",
    group="O",
    title="A constant baseline never changes the expected gradient",
    statement="A constant subtracted from the reward leaves the expected update unchanged, also with the normaliser `1/L`.",
    level="gradient",
    scope="the minimal chain capped at two turns, one token per answer and decision",
    domain={**CUBE, "b_0": REAL},
    proof=neutral_baseline,
    recorded="fails",
    witness={"p": "1/2", "a": "1/2", "b": "1/3", "b_0": "1"},
    related=["O6-constant", "O6-baseline"],
)

O6_BASELINE = Claim(
    id="O6-baseline",
    group="O",
    title="A baseline that is known before the response is neutral under a normaliser that is, too",
    statement="""Subtracting a baseline leaves the expected update unchanged if baseline and normaliser do not depend on the
        response: with `1/N`, a constant `L_max`, or nothing.""",
    latex=r"\mathrm{E}\bigl[\tfrac{b}{Z}S\bigr]=\tfrac{b}{Z}\,\mathrm{E}[S]=0",
    level="gradient",
    scope="any chain; checked on the minimal chain capped at two turns",
    domain=CUBE,
    proof=lambda: [
        identity(
            "The scores of the trajectories have mean zero, logit by logit.",
            UPDATE,
            [0, 0, 0],
            using={
                name: sp.Add(*[chance * scores[logit.symbol.name] for chance, _, _, scores in responses()])
                for name, logit in zip(UPDATE, M0.logits, strict=True)
            },
        )
    ],
    related=["O6-baseline-loose", "O6-constant"],
)


def k1_pays_for_length() -> Iterator[Step]:
    """O6-k1: the estimator's slope is 1 at every token, so the loss's update is E[S/L]."""
    inverse = Symbol("D_L")
    logit = M0.logit("theta_W")
    update = sp.Add(*[chance * scores["theta_W"] / tokens for chance, _, tokens, scores in responses()])
    small = batch(1, 2)
    per_token = [(t.log_pi, r.length) for r in small.responses for t in r.tokens]
    yield identity(
        "`k1 = log(pi/ref)` has the slope 1 in `log pi`. In a loss, averaged over a response's own `L` tokens and over `N` "
        "responses, it gives each token the coefficient `-beta/(N L)`, whatever the reference: here `N = 2`, `L = 1` and 2.",
        [derivative(SURROGATES["k1 in the loss"](small), log_pi) for log_pi, _ in per_token],
        [-BETA / (small.size * length) for _, length in per_token],
        where={"lp_1_1 lp_2_1 lp_2_2 ref_1_1 ref_2_1 ref_2_2": REAL, "beta": POSITIVE},
    )
    yield identity(
        "So the expected update is `-beta E[S/L]`. On the chain capped at two turns with any lengths `E[S/L]` on "
        "`theta_W` is the slope of `E[1/L]`,",
        U_W,
        inverse,
        where={**CUBE, **LENGTHS},
        using={U_W: update, inverse: differentiate(mean_of(lambda _, n: 1 / n), logit)},
    )
    yield decide(
        "and it is negative: more resampling is more tokens. So the loss raises `P(resample | wrong)`, and the reference does "
        "not enter at all.",
        U_W < 0,
        where={**CUBE, **LENGTHS},
        using={U_W: differentiate(mean_of(lambda _, n: 1 / n), logit)},
    )


O6_K1 = Claim(
    id="O6-k1",
    group="O",
    title="`k1` in a loss with `1/L` has the update `-beta grad E[1/L]`: it rewards length",
    statement="""Averaged over a response's own tokens, `k1 = log(pi/ref)` as a loss no longer has expected gradient zero
        (D4): its update is `-beta grad E[1/L]`, whatever the reference. It raises the probability of resampling a wrong
        answer.""",
    latex=r"-\beta\,\mathrm{E}[S/L]=-\beta\,\nabla\mathrm{E}[1/L]",
    level="gradient",
    scope="the formula: any chain; the sign: the minimal chain capped at two turns, any lengths",
    domain={},
    proof=k1_pays_for_length,
    related=["O6-k1-loose", "O6", "D4"],
)

O6_K1_LOOSE = Claim(
    id="O6-k1-loose",
    group="O",
    title="`k1` in the loss has expected gradient zero",
    statement="`k1 = log(pi/ref)` used as a loss has expected gradient zero, under any normaliser.",
    level="gradient",
    scope="the minimal chain capped at two turns, one token per answer and decision, normaliser 1/L",
    source="D4, read without its normaliser",
    domain=CUBE,
    proof=lambda: [
        decide(
            "`E[S/L]` on `theta_W` is zero.",
            Eq(U_W, 0),
            using={
                U_W: sp.Add(
                    *[
                        chance * scores["theta_W"] / tokens.subs({l_C: 1, l_W: 1, l_d: 1})
                        for chance, _, tokens, scores in responses()
                    ]
                )
            },
        )
    ],
    recorded="fails",
    witness={"p": "1/2", "a": "1/2", "b": "1/2"},
    related=["O6-k1", "D4"],
)

O6_FAVOURS = Claim(
    id="O6-favours",
    group="O",
    title="With `1/L` short right answers and long wrong answers are favoured",
    statement="""Under `(R - J)/L`, `J` between 0 and 1, a right response is credited the more the shorter it is, a wrong one
        punished the less the longer it is: at equal success two policies are told apart by their lengths. A resample
        lengthens the response, and divides the credit of every one of its tokens.""",
    latex=r"\partial_L\tfrac{1-J}{L}<0,\qquad \partial_L\tfrac{-J}{L}>0",
    level="coefficient",
    scope="0/1 rewards, any lengths",
    source="arXiv 2503.20783",
    domain={"J": UNIT, "L more": at_least(1)},
    proof=[
        decide("A longer right response gets less,", Implies(Symbol("more") > L, (1 - J) / Symbol("more") < (1 - J) / L)),
        decide("a longer wrong one gets more.", Implies(Symbol("more") > L, (0 - J) / Symbol("more") > (0 - J) / L)),
    ],
    related=["O6"],
)
