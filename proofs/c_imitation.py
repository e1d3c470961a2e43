"""Group C, weights: SFT's coefficients are the stage weights (C1), they dilute decisions (C2), also when filtered (C6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import sympy as sp
from sympy import Eq, Equivalent, Implies, Or, Symbol

from dstheory.claims import CLOSED_UNIT, POSITIVE, UNIT, Claim, Step, at_least, counterexample, decide, identity
from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import reward
from dstheory.symbolic.objectives import Rule, lookup
from dstheory.symbolic.policy import differentiate
from dstheory.symbolic.setting import SymbolicSetting, setting
from dstheory.symbolic.updates import expected_update, generic_turns

PAPER = "arXiv 2601.01580"

p, a, b, lam, l_s, l_d = map(symbol, ["p", "a", "b", "lambda", "l_s", "l_d"])
r, u, more, longer, eps = sp.symbols("r u lambda_more l_more epsilon")
LENGTHS = {"l_s l_d": at_least(1), "lambda": CLOSED_UNIT}
CUBE = {"p a b": UNIT}


def named(s: SymbolicSetting, objective: Rule) -> tuple[list[sp.Symbol], list[sp.Symbol], dict[sp.Symbol, sp.Expr]]:
    """The coefficients on every (answer, decision) of a turn as names c_s1, c_d1, ... with their definitions."""
    pairs = [objective.coefficients(s, turn) for turn in generic_turns(s, objective)]
    left = [Symbol(f"c_s{i}") for i, _ in enumerate(pairs, 1)]
    right = [Symbol(f"c_d{i}") for i, _ in enumerate(pairs, 1)]
    meaning = dict(s.weights.meaning)
    for i, pair in enumerate(pairs):
        meaning |= {left[i]: pair[0], right[i]: pair[1]}
    return left, right, meaning


# --- C1 ---------------------------------------------------------------------------------------------------------------


def weights_are_the_coefficients() -> Iterator[Step]:
    """C1: the ratio, when it is one, and its growth."""
    for reduction in ("sum", "mean"):
        left, right, meaning = named(setting(reduction=reduction), lookup("sft"))
        yield identity(
            f'Reduction "{reduction}": on every answer and decision of every demonstration (`C` stop, `C` resample, `W` stop, '
            "`W` resample) `c_s/c_d = (l_s/l_d)^lambda`.",
            [c_s / c_d for c_s, c_d in zip(left, right, strict=True)],
            [(l_s / l_d) ** lam] * len(left),
            using=meaning,
        )
    left, right, meaning = named(setting(reduction="mean", per_answer_lengths=True), lookup("sft"))
    lengths = [symbol("l_C")] * 2 + [symbol("l_W")] * 2
    yield identity(
        "With a length per answer it is `(l_y/l_d)^lambda` on the turns that draw `y`.",
        [c_s / c_d for c_s, c_d in zip(left, right, strict=True)],
        [(length / l_d) ** lam for length in lengths],
        where={"l_C l_W": at_least(1)},
        using=meaning,
    )
    yield decide(
        "A power is 1 exactly if its base is 1 or its exponent 0: balanced iff `lambda = 0` or `l_s = l_d`.",
        Equivalent(Eq((l_s / l_d) ** lam, 1), Or(Eq(lam, 0), Eq(l_s, l_d))),
    )
    yield from ratio_increases()


def ratio_increases() -> Iterator[Step]:
    """Two steps: the ratio strictly increases in lambda if l_s > l_d."""
    yield identity(
        "Raising `lambda` multiplies the ratio by a power of `l_s/l_d`,",
        (l_s / l_d) ** more,
        (l_s / l_d) ** lam * (l_s / l_d) ** (more - lam),
        where={more: CLOSED_UNIT},
    )
    yield decide(
        "which exceeds 1 if answers are longer than decisions: the ratio is strictly increasing in `lambda`.",
        Implies(u > 1, u**eps > 1),
        where={u: POSITIVE, eps: POSITIVE},
    )


C1 = Claim(
    id="C1",
    group="C",
    title="SFT's coefficients have the ratio `(l_s/l_d)^lambda`",
    statement="""On every turn of every demonstration `c_s/c_d = (l_s/l_d)^lambda` exactly, under both reductions. SFT is
        balanced at coefficient level iff `lambda = 0` or `l_s = l_d`; the ratio is strictly increasing in `lambda` when `l_s >
        l_d`.""",
    latex=r"\frac{c_s}{c_d}=\Bigl(\frac{l_s}{l_d}\Bigr)^{\lambda}",
    level="coefficient",
    scope="all demonstrations of all chains, any real lengths >= 1, lambda in [0, 1]",
    source=PAPER,
    domain=LENGTHS,
    proof=weights_are_the_coefficients,
    related=["C1-balanced", "C2", "B3-every"],
    notes="""The ratio is that of coefficients of log-probabilities of whole answers, as losses are written. The same expected
        gradient has a form with one coefficient for both stages wherever demonstrations both stop and resample (C1-balanced).""",
)


# --- C2 ---------------------------------------------------------------------------------------------------------------


def dilution() -> Iterator[Step]:
    """C2: the decision's share as a function of the ratio r, then r in lambda and in l_s."""
    _, right, meaning = named(setting(reduction="mean"), lookup("sft"))
    decisions = {name: meaning[name] for name in (symbol("w_d"), *right)}
    yield identity(
        "The decision's coefficient is `1/(1 + r)`, `r = (l_s/l_d)^lambda`, on every turn,",
        [*right, right[0]],
        [*[l_d**lam / (l_s**lam + l_d**lam)] * len(right), 1 / (1 + (l_s / l_d) ** lam)],
        using=decisions,
    )
    yield decide(
        "strictly decreasing in `r`.",
        Implies(r < Symbol("r_more"), 1 / (1 + r) > 1 / (1 + Symbol("r_more"))),
        where={"r r_more": POSITIVE},
    )
    yield from ratio_increases()
    yield decide(
        "The limit: below any `epsilon` as soon as `r >= 1/epsilon`.",
        Implies(r * eps >= 1, 1 / (1 + r) < eps),
        where={r: POSITIVE, eps: POSITIVE},
    )
    yield identity(
        "If `lambda > 0`, `r` grows beyond all bounds: it doubles whenever the answer's length is multiplied by `2^(1/lambda)`,",
        (l_s * Symbol("m") / l_d) ** u,
        2 * (l_s / l_d) ** u,
        given=[Eq(Symbol("m") ** u, 2)],
        where={u: POSITIVE, "m": POSITIVE},
    )
    yield identity(
        "and it increases in between: for a longer answer `r` is multiplied by a power of `l_more/l_s`,",
        (longer / l_d) ** lam,
        (l_s / l_d) ** lam * (longer / l_s) ** lam,
        where={longer: at_least(1)},
    )
    yield decide(
        "which exceeds 1 if `l_more > l_s` and `lambda > 0`.",
        Implies(longer > l_s, (longer / l_s) ** u > 1),
        where={longer: at_least(1), u: POSITIVE},
    )
    yield counterexample(
        "Without length weight nothing is diluted: at `lambda = 0` the share stays `1/2`.",
        right[0] < sp.Rational(1, 2),
        at={lam: 0, l_s: 100, l_d: 1},
        using={name: meaning[name] for name in (symbol("w_d"), right[0])},
    )


C2 = Claim(
    id="C2",
    group="C",
    title="Under the stage mean the decision is diluted: its coefficient tends to 0 with the answer's length if `lambda > 0`",
    statement="""Under the stage mean (reduction "mean") the decision's coefficient is `l_d^lambda/(l_s^lambda + l_d^lambda)`:
        strictly decreasing in `lambda` when `l_s > l_d`, strictly decreasing in `l_s` with limit 0 when `lambda > 0`.""",
    latex=r"c_d=\frac{l_d^{\lambda}}{l_s^{\lambda}+l_d^{\lambda}}\xrightarrow{l_s\to\infty}0\quad(\lambda>0)",
    level="coefficient",
    scope="all demonstrations of all chains, any real lengths >= 1",
    domain=LENGTHS,
    proof=dilution,
    recorded="holds under condition",
    related=["C1", "C5"],
)


# --- C6 ---------------------------------------------------------------------------------------------------------------


# SFT on the policy's own trajectories that end in a correct answer: c = 1{correct} w. The payoff is the 0/1 reward of a correct
# submission, so that a trajectory's total is 1{correct}. With unequal weights the stages climb different multiples of one scalar.
FILTERED_SFT = Rule(
    "filtered-sft",
    lambda s, turn: (s.weights.sample[turn.answer] * turn.total, s.weights.decide[turn.answer] * turn.total),
    title="SFT on own correct trajectories",
    payoff=lambda s: reward((1, 0), (0, 0)),
)


def filtered() -> Iterator[Step]:
    """C6: coefficients, expected update, and what is different from SFT on given demonstrations."""
    s = setting()
    left, right, meaning = named(s, FILTERED_SFT)
    yield identity(
        "The two coefficients carry the same indicator, so their ratio is SFT's: `l_d^lambda c_s = l_s^lambda c_d` on every "
        "answer and decision.",
        [l_d**lam * c_s for c_s in left],
        [l_s**lam * c_d for c_d in right],
        where={"scale_k past_k future_k": CLOSED_UNIT, **LENGTHS},
        using=meaning,
    )
    names = [Symbol(f"g_{x}") for x in "sCW"]
    update = dict(zip(names, expected_update(s, FILTERED_SFT).values(), strict=True))
    accuracy = s.chain.accuracy((True, False))
    slopes = [differentiate(accuracy, logit) for logit in s.policy.logits]
    w_s, w_d = symbol("w_s"), symbol("w_d")
    weights = {"w_s w_d": POSITIVE}
    yield identity(
        "Its expected update, summed from the rule, is the gradient of the accuracy with each stage scaled by its weight: a "
        "reward gradient made unbalanced.",
        names,
        [weight * slope for weight, slope in zip((w_s, w_d, w_d), slopes, strict=True)],
        where=weights,
        using=update,
    )
    yield decide(
        "Unlike demonstrations that are right first time (C3), it always has signal for resampling a wrong answer.",
        names[2] > 0,
        where=weights,
        using={names[2]: update[names[2]]},
    )
    reinforce = expected_update(setting(), lookup("reinforce"))
    equal = replace(FILTERED_SFT, coefficients=lambda _, turn: (w_s * turn.total, w_s * turn.total))
    yield identity(
        "With equal weights it is REINFORCE on the accuracy reward without discount, times the weight.",
        names,
        [w_s * gradient.subs(symbol("gamma"), 1) for gradient in reinforce.values()],
        where=weights,
        using=dict(zip(names, expected_update(s, equal).values(), strict=True)),
    )


C6 = Claim(
    id="C6",
    group="C",
    title="Filtered SFT has coefficients `1{correct} w_s` and `1{correct} w_d`",
    statement="""SFT on the policy's own correct trajectories (RFT, STaR, EM on correct answers) has coefficients
        `1{correct} w_s`, `1{correct} w_d`: the ratio `(l_s/l_d)^lambda` of SFT, on-policy coverage. Its expected update is
        (`w_s grad_s Acc`, `w_d grad_d Acc`); it has a positive component on `theta_W` on the whole open cube.""",
    latex=r"c_s=1\{\mathrm{correct}\}\,w_s,\quad c_d=1\{\mathrm{correct}\}\,w_d",
    level="coefficient",
    scope="coefficients: all chains; expected update: all real parameters of the minimal chain",
    domain=CUBE,
    proof=filtered,
    related=["C6-loose", "C1", "C3", "B8"],
    notes=(
        "Dividing by the number of accepted trajectories divides both stages by `Acc`: `grad log Acc` instead of `grad Acc` (B8)."
    ),
)


def same_direction() -> Iterator[Step]:
    """C6-loose: cross products of the update with the gradient of the accuracy."""
    s = setting()
    update = expected_update(s, FILTERED_SFT)
    accuracy = s.chain.accuracy((True, False))
    g_s, g_C = (update[s.policy.logit(name).symbol] for name in ("theta_s", "theta_C"))
    names = [Symbol(name) for name in ("g_s", "g_C", "G_s", "G_C")]
    slopes = [differentiate(accuracy, s.policy.logit(name)) for name in ("theta_s", "theta_C")]
    yield decide(
        "The update has the direction of `grad Acc`: `g_s` : `g_C` as `G_s` : `G_C`.",
        Eq(names[0] * names[3], names[1] * names[2]),
        using=dict(zip(names, [g_s, g_C, *slopes], strict=True)),
    )


C6_LOOSE = Claim(
    id="C6-loose",
    group="C",
    title="Filtered SFT is a policy gradient",
    statement="""SFT on the policy's own correct trajectories has an expected update in the direction of `grad Acc`, whatever
        the stage weights.""",
    level="gradient",
    scope="the minimal chain, any stage weights",
    source="true of equal weights, and of log-probabilities of tokens (O1-sft)",
    domain={**CUBE, "w_s w_d": POSITIVE},
    proof=same_direction,
    recorded="fails",
    witness={"p": "1/2", "a": "1/2", "b": "1/2", "w_s": "1", "w_d": "1/2"},
    related=["C6", "O1-sft"],
)
