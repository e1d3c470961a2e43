"""Group O, settings of trainers: what one option of a configuration does to the expected update (O1, O4, O5, O7, O9, O12).

R is the reward of a response, S a component of its score, E[S] = 0. On one prompt of success probability x, u is the mean score
of a right response; that of a wrong one is -x u/(1 - x), and the gradient of x is x u.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import sympy as sp
from sympy import And, Eq, Equivalent, Implies, Symbol

from dstheory.claims import NONNEGATIVE, POSITIVE, REAL, UNIT, Claim, Step, at_least, counterexample, decide, identity
from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import SymbolicChain
from dstheory.symbolic.policy import differentiate, minimal_policy
from dstheory.symbolic.updates import score, trajectories

x, u, r, G, beta, eps = sp.symbols("x u r G beta epsilon")
WRONG = -x * u / (1 - x)
HALF = sp.Rational(1, 2)
PROMPT = {"x": UNIT, "u": REAL}
TURNS = minimal_policy(turns=2)
CHAIN = SymbolicChain(TURNS, 2)
LOGITS = ("theta_s_t0", "theta_C_t0", "theta_W_t0", "theta_s_t1")
FIRST = {"p_t0 a_t0 b_t0 p_t1": UNIT}


def rewards(size: int) -> Iterator[tuple[sp.Expr, tuple[int, ...]]]:
    """Every list of 0/1 rewards of a group with its chance."""
    for outcome in product((0, 1), repeat=size):
        yield sp.Mul(*[x if right else 1 - x for right in outcome]), outcome


def responses() -> list[tuple[sp.Expr, int, int, dict[str, list[sp.Expr]]]]:
    """The trajectories of two turns: chance, reward, attempts, and per logit the score at each attempt."""
    found = []
    for t in trajectories(CHAIN):
        each = {name: [sp.Add(*score(TURNS, TURNS.logit(name), k, *step)) for k, step in enumerate(t.steps)] for name in LOGITS}
        found.append((t.probability, int(t.steps[-1][0] == 0), len(t.steps), each))
    return found


# --- O5-dead ----------------------------------------------------------------------------------------------------------


def dead() -> Iterator[Step]:
    """O5-dead: how many groups are dead, least of all, and what one response more does."""
    names = sp.symbols("dead_2 dead_3 dead_4")
    yield identity(
        "List by list: all `G` rewards agree with probability `x^G + (1 - x)^G`.",
        names,
        [x**n + (1 - x) ** n for n in (2, 3, 4)],
        where={"x": UNIT},
        using={
            name: sp.Add(*[chance for chance, outcome in rewards(size) if len(set(outcome)) == 1])
            for name, size in zip(names, (2, 3, 4), strict=True)
        },
    )
    yield decide(
        "That is at least `2^(1 - G)`, and only at `x = 1/2` as little: half of the groups at `G = 2`, one in 128 at `G = 8`.",
        And(
            *[x**n + (1 - x) ** n >= sp.Rational(1, 2 ** (n - 1)) for n in (2, 3, 4, 8)],
            Equivalent(Eq(x**2 + (1 - x) ** 2, sp.Rational(1, 2)), Eq(x, sp.Rational(1, 2))),
        ),
        where={"x": UNIT},
    )
    right, wrong = sp.symbols("x_G w_G")
    yield decide(
        "One response more makes it smaller: with `x^G` and `(1 - x)^G` written `x_G` and `w_G`, any positive numbers, `x x_G + "
        "(1 - x) w_G < x_G + w_G`.",
        x * right + (1 - x) * wrong < right + wrong,
        where={"x": UNIT, "x_G w_G": POSITIVE},
    )


O5_DEAD = Claim(
    id="O5-dead",
    group="O",
    title="With `0/1` rewards and two responses per prompt at least half of the groups are dead",
    statement="""With `0/1` rewards all responses of a group agree, and teach nothing, with probability `x^G + (1 - x)^G`,
        `x` the prompt's success probability. It falls with every further response; at `G = 2` it is `1/2` at `x = 1/2`
        and more everywhere else, at `G = 8` at least `1/128`.""",
    latex=r"x^G+(1-x)^G\ge 2^{1-G}",
    level="gradient",
    scope="any chain with 0/1 rewards, one prompt, all x in (0, 1); the bound for G of 2, 3, 4 and 8",
    source="derived here",
    domain={},
    proof=dead,
    related=["O5-dead-loose", "O5-options", "O5-dynamic"],
)

O5_DEAD_LOOSE = Claim(
    id="O5-dead-loose",
    group="O",
    title="With two responses per prompt half of the groups carry a signal",
    statement="At `G = 2` at least half of the groups are mixed.",
    level="gradient",
    scope="0/1 rewards, one prompt, all x in (0, 1)",
    domain={"x": UNIT},
    proof=[decide("A group of two is mixed with probability `1/2` or more.", 2 * x * (1 - x) >= sp.Rational(1, 2))],
    recorded="fails",
    witness={"x": "1/3"},
    related=["O5-dead"],
)


# --- O5-others --------------------------------------------------------------------------------------------------------


def against_others(size: int, deviations: dict[int, sp.Expr]) -> sp.Expr:
    """The expected update of a response against the mean and the deviation of its others, by how many of these are right."""
    total = []
    for chance, others in rewards(size - 1):
        mean, below = sp.Rational(sum(others), size - 1), deviations.get(sum(others), sp.S.Zero) + eps
        total.append(chance * (x * u * (1 - mean) + (1 - x) * WRONG * (0 - mean)) / below)
    return sp.Add(*total)


def deviation_of_others() -> Iterator[Step]:
    """O5-others: the credit of a response alone, how often, and what the expected update is made of."""
    n, m, s = sp.symbols("n m s")
    yield decide(
        "`m` of the `n = G - 1` others are right. Where they are mixed, the square of their deviation, `m(n - m)/(n(n - 1))`, is "
        "at least `1/n`, so that a credit is at most `sqrt(n)` in size; where they agree it is 0.",
        And(
            Implies(And(m >= 1, m <= n - 1), m * (n - m) / (n * (n - 1)) >= 1 / n),
            Implies(Eq(m, 0), Eq(m * (n - m) / (n * (n - 1)), 0)),
            Implies(Eq(m, n), Eq(m * (n - m) / (n * (n - 1)), 0)),
        ),
        where={"n": at_least(2), "m": NONNEGATIVE},
    )
    apart, root = sp.symbols("d root_n")
    yield decide(
        "With a deviation `s` of at least `1/sqrt(n)`, a response that is `d <= 1` from the others' mean has at most `sqrt(n)`:",
        Implies(s * root >= 1, apart / (s + eps) <= root),
        where={"d": UNIT, "s root_n epsilon": POSITIVE},
    )
    names = sp.symbols("alone_3 alone_4")
    yield identity(
        "A response that differs from others who agree has `(1 - 0)/(0 + epsilon) = 1/epsilon` as credit, or minus that. List by "
        "list, a group holds one with probability `G x (1 - x)^(G - 1) + G (1 - x) x^(G - 1)`.",
        names,
        [size * x * (1 - x) ** (size - 1) + size * (1 - x) * x ** (size - 1) for size in (3, 4)],
        where={"x": UNIT},
        using={
            name: sp.Add(*[chance for chance, outcome in rewards(size) if sum(outcome) in (1, size - 1)])
            for name, size in zip(names, (3, 4), strict=True)
        },
    )
    three, four = sp.symbols("U_3 U_4")
    yield identity(
        "List by list of the others, the expected update is `((1 - x)^n + x^n)/epsilon` times the gradient of `x`, plus what is "
        "bounded: here of groups of three and four, `s` the deviation of mixed others.",
        [three, four],
        [
            x * u * (((1 - x) ** 2 + x**2) / eps + 2 * x * (1 - x) / (s + eps)),
            x * u * (((1 - x) ** 3 + x**3) / eps + 3 * x * (1 - x) / (s + eps)),
        ],
        where={**PROMPT, "epsilon s": POSITIVE},
        using={three: against_others(3, {1: s}), four: against_others(4, {1: s, 2: s})},
    )
    yield decide(
        "So in the limit of a small `epsilon` prompts weigh by `(1 - x)^n + x^n`, least at `x = 1/2` and most where nearly all "
        "responses are alike.",
        And(*[(1 - x) ** n + x**n >= sp.Rational(1, 2 ** (n - 1)) for n in (2, 3, 7)]),
        where={"x": UNIT},
    )


O5_OTHERS = Claim(
    id="O5-others",
    group="O",
    title="A leave-one-out standard deviation pays `1/epsilon` wherever one response differs from all others",
    statement="""Divided by the standard deviation of the other responses plus `epsilon`, a response that differs from
        others who all agree has a credit of size `1/epsilon`; every other credit is at most `sqrt(G - 1)`. A group holds
        such a response with probability `G x (1 - x)^(G - 1) + G (1 - x) x^(G - 1)`, and the expected update is `((1 -
        x)^(G - 1) + x^(G - 1))/epsilon` times the gradient of `x`, plus a bounded multiple of it: prompts that are nearly
        solved, or nearly never, weigh most.""",
    latex=r"\mathrm{E}[U]=\Bigl(\tfrac{(1-x)^{G-1}+x^{G-1}}{\epsilon}+O(1)\Bigr)\nabla x",
    level="gradient",
    scope="any chain with 0/1 rewards, one prompt, G >= 3, sample standard deviation; enumerated for groups of three and four",
    source="derived here; the rule is that of NVIDIA-NeMo/RL issue 4161",
    domain={},
    proof=deviation_of_others,
    related=["O5-others-loose", "O5", "O5-options"],
)

O5_OTHERS_LOOSE = Claim(
    id="O5-others-loose",
    group="O",
    title="Leaving a response out of its standard deviation keeps its credit below `sqrt(G)`",
    statement="The credit of a single success in a group of four is below 2, as it is over the group's own standard deviation.",
    level="gradient",
    scope="groups of four, 0/1 rewards, all epsilon in (0, 1)",
    domain={"epsilon": UNIT},
    proof=[decide("One over the deviation of the others, which is 0, plus `epsilon`, is below 2.", 1 / (0 + eps) < 2)],
    recorded="fails",
    witness={"epsilon": "1/2"},
    related=["O5-others", "O5-options"],
)


# --- O12-baseline -----------------------------------------------------------------------------------------------------

RS, KS, MEAN_R, MEAN_K, S0 = sp.symbols("E_RS E_KS E_R E_K E_S")


def of_pairs(own: object) -> sp.Expr:
    """The update of groups of two: a right response has reward 1 and log-ratio k, a wrong one 0 and h."""
    k, h = sp.symbols("k h")
    kinds = ((x, sp.S.One, k, u), (1 - x, sp.S.Zero, h, WRONG))
    return sp.Add(*[a[0] * b[0] * own(a, b) * a[3] for a, b in product(kinds, repeat=2)])  # type: ignore[operator]


def before_and_after() -> Iterator[Step]:
    """O12-baseline: by moments for any group, then pair by pair."""
    where = {"G": at_least(2), "E_RS E_KS E_R E_K": REAL, "beta": NONNEGATIVE}
    yield identity(
        "Responses are independent, and scores have mean zero. Against the mean of the `G - 1` others, `R - beta K` before the "
        "baseline and `beta K` after it give `E[R S] - beta E[K S]`, `K` the log-ratio of the response:",
        [RS - beta * KS - (MEAN_R - beta * MEAN_K) * S0, RS - MEAN_R * S0 - beta * KS],
        [RS - beta * KS] * 2,
        where=where,
        using={S0: 0},
    )
    yield identity(
        "Against the mean of the whole group a response is compared with itself, too: before it, reward and penalty are both "
        "multiplied by `(G - 1)/G`; after it the reward alone is, as if `beta` were `G/(G - 1)` times as large.",
        [
            RS - beta * KS - (RS - beta * KS + (G - 1) * (MEAN_R - beta * MEAN_K) * S0) / G,
            RS - (RS + (G - 1) * MEAN_R * S0) / G - beta * KS,
        ],
        [(G - 1) / G * (RS - beta * KS), (G - 1) / G * (RS - G / (G - 1) * beta * KS)],
        where=where,
        using={S0: 0},
    )
    names = sp.symbols("others_before others_after group_before group_after")
    k, h = sp.symbols("k h")
    reward, penalty = x * u, x * k * u + (1 - x) * h * WRONG
    yield identity(
        "Pair by pair of responses, right ones with log-ratio `k`, wrong ones with `h`:",
        names,
        [reward - beta * penalty, reward - beta * penalty, (reward - beta * penalty) / 2, reward / 2 - beta * penalty],
        where={**PROMPT, "k h": REAL, "beta": NONNEGATIVE},
        using={
            names[0]: of_pairs(lambda a, b: a[1] - beta * a[2] - (b[1] - beta * b[2])),
            names[1]: of_pairs(lambda a, b: a[1] - b[1] - beta * a[2]),
            names[2]: of_pairs(lambda a, b: (a[1] - beta * a[2] - (b[1] - beta * b[2])) / 2),
            names[3]: of_pairs(lambda a, b: (a[1] - b[1]) / 2 - beta * a[2]),
        },
    )


O12_BASELINE = Claim(
    id="O12-baseline",
    group="O",
    title="RLOO may subtract the KL before or after its baseline: one expected update",
    statement="""With the mean of the other responses as baseline, a KL in the reward that is subtracted before it and one that
        is subtracted after it have one expected update. With the mean of the whole group they have not: after it the penalty
        keeps its whole size where the reward keeps `(G - 1)/G`, as if `beta` were `G/(G - 1)` times as large.""",
    latex=r"(R-\beta K)-\overline{(R-\beta K)}_{-i}\ \text{and}\ (R-\bar R_{-i})-\beta K:"
    r"\quad \mathrm{E}[RS]-\beta\,\mathrm{E}[KS]",
    level="gradient",
    scope="any chain, any policy class, any G >= 2, sums over tokens divided by one number",
    source="derived here; asked at OpenRLHF issue 515",
    domain={},
    proof=before_and_after,
    related=["O12-baseline-loose", "O12", "O4"],
)

O12_BASELINE_LOOSE = Claim(
    id="O12-baseline-loose",
    group="O",
    title="It never matters whether the KL is subtracted before or after the baseline",
    statement="With the mean of a group of two, own response included, both have one expected update.",
    level="gradient",
    scope="groups of two, right responses with log-ratio k, wrong ones with 0, a score of 1 on right ones",
    domain={"x": UNIT, "beta": POSITIVE, "k": REAL},
    proof=lambda: [
        decide(
            "Pair by pair, the expected updates with the penalty before and after the mean of both agree.",
            Eq(Symbol("before"), Symbol("after")),
            using={
                "before": of_pairs(lambda a, b: (a[1] - beta * a[2] - (b[1] - beta * b[2])) / 2).subs({"h": 0, u: 1}),
                "after": of_pairs(lambda a, b: (a[1] - b[1]) / 2 - beta * a[2]).subs({"h": 0, u: 1}),
            },
        )
    ],
    recorded="fails",
    witness={"x": "1/2", "beta": 1, "k": 1},
    related=["O12-baseline"],
)


# --- O4-turns ---------------------------------------------------------------------------------------------------------


def share_of_others(size: int) -> sp.Expr:
    """E[1 - 1/n]: n the responses that reach a turn, this one among them, each other one with probability r."""
    return sp.Add(*[sp.binomial(size - 1, m) * r**m * (1 - r) ** (size - 1 - m) * sp.Rational(m, m + 1) for m in range(size)])


def weight_of_turn(size: int) -> sp.Expr:
    """1 - (1 - (1 - r)^G)/(G r)."""
    return 1 - (1 - (1 - r) ** size) / (size * r)


def per_turn_update(name: str) -> sp.Expr:
    """The update of groups of two: at each attempt the reward less the mean reward of those that make that attempt."""
    total, known = [], responses()
    for one, other in product(known, repeat=2):
        for k, part in enumerate(one[3][name]):
            mean = (one[1] + other[1]) / sp.Integer(2) if other[2] > k else sp.Integer(one[1])
            total.append(one[0] * other[0] * (one[1] - mean) * part)
    return sp.Add(*total)


def baseline_of_turns() -> Iterator[Step]:
    """O4-turns: the weight of a turn, what it depends on, and two turns written out."""
    for size in (2, 3, 4):
        yield identity(
            f"At a turn that a response reaches with probability `r`, the mean is over it and those of the other {size - 1} that "
            "reach it. Its own share drops out of the expected update, as in O4: `1 - E[1/n]` is left, `n` their number.",
            Symbol("w"),
            weight_of_turn(size),
            where={"r": UNIT},
            using={"w": share_of_others(size)},
        )
    yield decide(
        "It is above 0, grows with `r`, and is `(G - 1)/G` where all responses reach the turn: turns that fewer reach "
        "count less.",
        And(
            *[And(weight_of_turn(n) > 0, weight_of_turn(n) < sp.Rational(n - 1, n)) for n in (2, 3, 4)],
            *[sp.diff(weight_of_turn(n), r) > 0 for n in (2, 3, 4)],
        ),
        where={"r": UNIT},
    )
    q = Symbol("q_G")
    yield decide(
        "In large groups nothing is lost: with `(1 - r)^G` written `q_G`, `1 - w` is at most `1/(G r)`.",
        And((1 - q) / (G * r) <= 1 / (G * r), (1 - q) / (G * r) >= 0),
        where={"r q_G": UNIT, "G": at_least(2)},
    )
    names = sp.symbols("U_s1 U_C1 U_W1 U_s2")
    accuracy = CHAIN.accuracy((True, False))
    again = symbol("p_t0") * (1 - symbol("a_t0")) + (1 - symbol("p_t0")) * symbol("b_t0")
    slopes = [differentiate(accuracy, TURNS.logit(name)) for name in LOGITS]
    yield identity(
        "Two turns and groups of two, written out: the first attempt and its decision, which all responses reach, get half of "
        "the accuracy's gradient, the second attempt `r/2` of it, `r = p(1 - a) + (1 - p) b`.",
        names,
        [slopes[0] / 2, slopes[1] / 2, slopes[2] / 2, again / 2 * slopes[3]],
        where=FIRST,
        using={name: per_turn_update(logit) for name, logit in zip(names, LOGITS, strict=True)},
    )


O4_TURNS = Claim(
    id="O4-turns",
    group="O",
    title="A baseline per turn makes late turns count less in small groups, and is unbiased in large ones",
    statement="""With the mean reward of those responses of the group that reach the turn as baseline, a turn that a
        response reaches with probability `r` has its part of the accuracy's gradient times `1 - (1 - (1 - r)^G)/(G r)`:
        `(G - 1)/G` where all reach it, less elsewhere, growing with `r`. In large groups every weight tends to 1, by
        `1/(G r)` at most.""",
    latex=r"w(r)=1-\frac{1-(1-r)^G}{G\,r}",
    level="gradient",
    scope="any chain; groups of two, three and four, the bound for any G >= 2; two turns and groups of two written out",
    source="derived here; the baseline is that of verl pull request 7244",
    domain={},
    proof=baseline_of_turns,
    related=["O4-turns-loose", "O4"],
)

O4_TURNS_LOOSE = Claim(
    id="O4-turns-loose",
    group="O",
    title="A baseline that depends on the turn alone leaves the direction of the gradient as it is",
    statement="In groups of two all turns have one weight, whatever share of the responses reaches them.",
    level="gradient",
    scope="groups of two, a turn that is reached with probability r in (0, 1), beside the first one",
    domain={"r": UNIT},
    proof=[decide("It is that of the first turn.", Eq(Symbol("w"), sp.Rational(1, 2)), using={"w": weight_of_turn(2)})],
    recorded="fails",
    witness={"r": "1/2"},
    related=["O4-turns"],
)


# --- O7-masked and O7-parts -------------------------------------------------------------------------------------------


def masked() -> Iterator[Step]:
    """O7-masked: what is left of the credit, the two normalisers, and that the direction is another."""
    kept, scored, average, whole, cut = sp.symbols("E_MRS E_MS E_R L_whole L_cut")
    yield identity(
        "`M` is 0 for a truncated response and 1 for any other. Masked after it is compared with its group, a response has the "
        "expected update `E[M (R - mean) S] = (G - 1)/G E[M (R - E[R]) S]`, as the others are independent of it.",
        kept - (kept + (G - 1) * average * scored) / G,
        (G - 1) / G * (kept - average * scored),
        where={"G": at_least(2), "E_MRS E_R E_MS": REAL},
    )
    yield identity(
        "In large batches (O7) it is divided by `E[L]` where the tokens of truncated responses are counted, by `E[M L]` where "
        "they are not: the second is `1 + L_cut/L_whole` times as long, one number for all logits, `L_cut = E[(1 - M) L]`, "
        "`L_whole = E[M L]`.",
        kept / whole,
        (1 + cut / whole) * kept / (whole + cut),
        where={"E_MRS": REAL, "L_whole": POSITIVE, "L_cut": NONNEGATIVE},
    )
    yield decide(
        "So it is longer as soon as any are truncated.",
        1 + cut / whole > 1,
        where={"L_whole L_cut": POSITIVE},
    )
    names = sp.symbols("U_s1 U_C1 U_W1 U_s2")
    j = Symbol("J")
    yield counterexample(
        "The direction is another than that of the accuracy: on two turns the second attempt, which the cap always cuts off, "
        "gets nothing, and it has a gradient.",
        Implies(Eq(names[3], 0), Eq(Symbol("slope"), 0)),
        at={"p_t0": "1/2", "a_t0": "1/2", "b_t0": "1/2", "p_t1": "1/2", "J": "1/2"},
        where={**FIRST, "J": REAL},
        using={
            names[3]: sp.Add(*[c * (gain - j) * sum(s["theta_s_t1"]) for c, gain, attempts, s in responses() if attempts < 2]),
            "slope": differentiate(CHAIN.accuracy((True, False)), TURNS.logit("theta_s_t1")),
        },
    )


O7_MASKED = Claim(
    id="O7-masked",
    group="O",
    title="Counting the tokens of masked, truncated responses in the normaliser shortens the step and does not turn it",
    statement="""In large batches the update with truncated responses masked in the loss, but counted among the tokens
        that divide, and that with their tokens left out as well, have one direction; the second is `1 + L_cut/L_whole`
        times as long, `L_cut = E[(1 - M) L]` and `L_whole = E[M L]` the tokens in truncated and in whole responses per
        response of the batch (`M` is 0 for truncated ones, else 1). Neither has the
        direction of `grad J` in general: what only truncated responses do gets nothing.""",
    latex=r"\frac{\mathrm{E}[M(R-J)S]}{\mathrm{E}[L]}\ \text{and}\ \frac{\mathrm{E}[M(R-J)S]}{\mathrm{E}[ML]}",
    level="gradient",
    scope="any chain with a cap, any G >= 2, the limit of large batches",
    source="derived here; asked at TRL issue 6369",
    domain={},
    proof=masked,
    related=["O7", "O7-parts"],
)


def parts() -> Iterator[Step]:
    """O7-parts: parts that are added, and means of means."""
    n, one, two, long, short = sp.symbols("M g_1 g_2 L_1 L_2")
    yield identity(
        "Parts that are normalised by themselves, with expected update `g` each: added they give `M g`, averaged `g`.",
        [Symbol("added"), Symbol("averaged")],
        [n * one, one],
        where={"M": at_least(1), "g_1": REAL},
        using={"added": n * one, "averaged": n * one / n},
    )
    yield identity(
        "A mean of the token means of two parts, with sums `g_1` and `g_2` over `L_1` and `L_2` tokens, is not the mean over all "
        "tokens: it differs by",
        (one / long + two / short) / 2 - (one + two) / (long + short),
        (short - long) * (one / long - two / short) / (2 * (long + short)),
        where={"g_1 g_2": REAL, "L_1 L_2": POSITIVE},
    )
    yield decide(
        "so that for all sums it is the same only where the parts are equally long: a token of the shorter part counts more.",
        And(
            Implies(Eq(long, short), Eq((one / long + two / short) / 2, (one + two) / (long + short))),
            Implies(long > short, 1 / (2 * short) > 1 / (long + short)),
            Implies(long > short, 1 / (2 * long) < 1 / (long + short)),
        ),
        where={"g_1 g_2": REAL, "L_1 L_2": POSITIVE},
    )


O7_PARTS = Claim(
    id="O7-parts",
    group="O",
    title="Micro-batches that are added make the step `M` times as long; a mean of token means is another mean",
    statement="""`M` micro-batches, each normalised by itself, give `M` times the update where their gradients are added instead
        of averaged, in the same direction. A mean of token means is the mean over all tokens, whatever the tokens' gradients,
        only if all parts hold as many tokens: otherwise a token of a part with fewer of them counts more.""",
    latex=r"\tfrac12\Bigl(\tfrac{g_1}{L_1}+\tfrac{g_2}{L_2}\Bigr)-\tfrac{g_1+g_2}{L_1+L_2}"
    r"=\tfrac{(L_2-L_1)(g_1/L_1-g_2/L_2)}{2(L_1+L_2)}",
    level="gradient",
    scope="any M; the mean of means for two parts",
    source="derived here; asked at verl issues 3741 and 5625",
    domain={},
    proof=parts,
    related=["O7", "O7-loose"],
)


# --- O1-weights -------------------------------------------------------------------------------------------------------


def weighted() -> Iterator[Step]:
    """O1-weights: the policy's own responses, and one choice that demonstrations make."""
    right, wrong, pi, own, other = sp.symbols("w_1 w_0 pi W_own W_other")
    yield identity(
        "The policy's own responses as demonstrations, right ones with weight `w_1`, wrong ones with `w_0`: the expected update "
        "is (`w_1 - w_0`) times the gradient of the accuracy, `x u`.",
        Symbol("U"),
        (right - wrong) * x * u,
        where={**PROMPT, "w_1 w_0": REAL},
        using={"U": x * right * u + (1 - x) * wrong * WRONG},
    )
    yield decide(
        "Demonstrations of weights that add up to `W_own` at one action of a choice, to `W_other` at the other, push its logit "
        "by `W_own (1 - pi) - W_other pi`. Two positive weights rest at `pi = W_own/(W_own + W_other)`;",
        Implies(
            And(own > 0, other > 0),
            Equivalent(Eq(own * (1 - pi) - other * pi, 0), Eq(pi * (own + other), own)),
        ),
        where={"pi": UNIT, "W_own W_other": REAL},
    )
    yield decide(
        "a negative weight beside none or a positive one has no rest: it pushes everywhere, and the harder the rarer the action "
        "already is.",
        And(
            Implies(And(own < 0, other >= 0), own * (1 - pi) - other * pi < 0),
            Implies(And(own < 0, Eq(other, 0), pi < sp.Rational(1, 2)), own * (1 - pi) - other * pi < own / 2),
        ),
        where={"pi": UNIT, "W_own W_other": REAL},
    )


O1_WEIGHTS = Claim(
    id="O1-weights",
    group="O",
    title="SFT with weights: on the policy's own responses the difference counts; a negative one beside a positive never rests",
    statement="""SFT on the policy's own responses, right ones with weight `w_1` and wrong ones with `w_0`, has the
        expected update (`w_1 - w_0`) times the gradient of the accuracy: only the difference counts. On demonstrations
        that are given, weights of a choice push its logit by `W_own (1 - pi) - W_other pi`: positive ones rest at their
        ratio; a negative one, beside none or a positive one, pushes its action away at every `pi`.""",
    latex=r"\mathrm{E}[wS]=(w_1-w_0)\,\nabla J,\qquad W_{\mathrm{own}}(1-\pi)-W_{\mathrm{other}}\,\pi",
    level="gradient",
    scope="any chain with 0/1 rewards, one prompt; choices of two actions with a logit of their own",
    source="derived here; asked at TRL issue 5761",
    domain={},
    proof=weighted,
    related=["O1-weights-loose", "O1-sft", "C3"],
)

O1_WEIGHTS_LOOSE = Claim(
    id="O1-weights-loose",
    group="O",
    title="Only the difference of the weights counts, on any demonstrations",
    statement="A number added to the weights of all demonstrations leaves SFT's expected update as it is.",
    level="gradient",
    scope="one choice of two actions, made with probability q by who demonstrates and pi by the policy; 1 added to all weights",
    domain={"q pi": UNIT},
    proof=[
        decide(
            "The update of weights that are all 1 is zero.",
            Eq(Symbol("q") * (1 - Symbol("pi")) - (1 - Symbol("q")) * Symbol("pi"), 0),
        )
    ],
    recorded="fails",
    witness={"q": "1/2", "pi": "1/3"},
    related=["O1-weights"],
)


# --- O9-importance ----------------------------------------------------------------------------------------------------

ENGINE = {symbol(name): symbol(f"{name}_mu") for name in ("p_t0", "a_t0", "b_t0", "p_t1")}
BOTH = {**FIRST, "p_t0_mu a_t0_mu b_t0_mu p_t1_mu": UNIT}


def chance_of(k: int, answer: int, decision: str | None) -> tuple[sp.Expr, sp.Expr]:
    """The chance of an answer and of a decision at an attempt, under the policy that is trained."""
    p = symbol(f"p_t{k}")
    right = answer == 0
    if decision is None:
        return (p if right else 1 - p), sp.S.One
    again = 1 - symbol("a_t0") if right else symbol("b_t0")
    return (p if right else 1 - p), (again if decision == "resample" else 1 - again)


def corrected(name: str, by_token: bool, baseline: sp.Expr) -> sp.Expr:
    """The update of one logit on the other policy's responses, weighed by ratios of whole responses or of each action."""
    total, logit = [], TURNS.logit(name)
    for t in trajectories(CHAIN):
        generated = t.probability.xreplace(ENGINE)
        credit = int(t.steps[-1][0] == 0) - baseline
        for k, step in enumerate(t.steps):
            for chance, part in zip(chance_of(k, *step), score(TURNS, logit, k, *step), strict=True):
                of = chance if by_token else t.probability
                total.append(generated * of / of.xreplace(ENGINE) * credit * part)
    return sp.Add(*total)


def importance() -> Iterator[Step]:
    """O9-importance: ratios of whole responses, a cap on them, ratios of actions."""
    names, accuracy = sp.symbols("U_s1 U_C1 U_W1 U_s2"), CHAIN.accuracy((True, False))
    j, w, cap, f = sp.symbols("J w C f")
    yield identity(
        "Responses of another policy, each weighed by its whole ratio policy/other: on two turns, trajectory by trajectory, the "
        "update is the derivative of the policy's own accuracy, with any constant `J` as baseline.",
        names,
        [differentiate(accuracy, TURNS.logit(name)) for name in LOGITS],
        where={**BOTH, "J": REAL},
        using={name: corrected(logit, False, j) for name, logit in zip(names, LOGITS, strict=True)},
    )
    yield identity(
        "A ratio `w` above the cap `C` counts as `C`, any other as it is: what is lost is `(w - C) f`, `f` the credit times the "
        "score of the response.",
        cap * f,
        w * f - (w - cap) * f,
        where={"w C": POSITIVE, "f": REAL},
    )
    yield counterexample(
        "With the ratio of each action instead of the response's, the first attempt is not weighed for what follows: policies "
        "that differ in `a` alone are enough.",
        Eq(Symbol("U"), Symbol("slope")),
        at={"p_t0": "1/2", "a_t0": "1/2", "b_t0": "1/2", "p_t1": "1/2", "p_t0_mu": "1/2", "a_t0_mu": "3/4", "b_t0_mu": "1/2",
            "p_t1_mu": "1/2"},
        where=BOTH,
        using={
            "U": corrected("theta_s_t0", True, sp.S.Zero),
            "slope": differentiate(accuracy, TURNS.logit("theta_s_t0")),
        },
    )  # fmt: skip


O9_IMPORTANCE = Claim(
    id="O9-importance",
    group="O",
    title="Ratios of whole responses undo another policy's sampling; ratios of tokens do not, and a cap leaves what is above it",
    statement="""On responses that another policy generated, the credit times the ratio of the whole response has the
        expected update of the policy's own responses. Cut at `C` it has minus the mean of (`w - C`) times credit and
        score over the responses whose ratio `w` is above `C` as bias. With the ratio of each token it may be biased
        without any cap: an attempt is not weighed for how the policies differ in what follows.""",
    latex=r"\mathrm{E}_\mu\Bigl[\tfrac{\pi}{\mu}(\tau)\,(R-J)\,S\Bigr]=\nabla J",
    level="gradient",
    scope="two turns of the minimal chain, all policies and all others; the cap for any chain",
    source="derived here; asked at TRL issues 4493 and 6945",
    domain={},
    proof=importance,
    related=["O9-importance-loose", "O9", "O9-sequence"],
)

O9_IMPORTANCE_LOOSE = Claim(
    id="O9-importance-loose",
    group="O",
    title="Ratios of tokens undo another policy's sampling as ratios of responses do",
    statement="On responses of another policy, weighed action by action, the first attempt has the derivative of the accuracy.",
    level="gradient",
    scope="two turns of the minimal chain; the policies differ in a, all other probabilities 1/2",
    domain={"a_t0 a_t0_mu": UNIT},
    proof=lambda: [
        decide(
            "Trajectory by trajectory, the update of `theta_s` at the first attempt is the derivative of the accuracy.",
            Eq(Symbol("U"), Symbol("slope")),
            using={
                name: formula.subs({symbol(x): HALF for x in ("p_t0", "b_t0", "p_t1", "p_t0_mu", "b_t0_mu", "p_t1_mu")})
                for name, formula in (
                    ("U", corrected("theta_s_t0", True, sp.S.Zero)),
                    ("slope", differentiate(CHAIN.accuracy((True, False)), TURNS.logit("theta_s_t0"))),
                )
            },
        )
    ],
    recorded="fails",
    witness={"a_t0": "1/2", "a_t0_mu": "1/3"},
    related=["O9-importance"],
)
