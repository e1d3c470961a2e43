"""Group O, token means: of a batch and of a group (O7), and statistics that count tokens instead of responses (O8).

R is the reward of a response, L its number of tokens, S a component of its score, E[S] = 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import sympy as sp
from sympy import And, Eq, Equivalent, Implies, Symbol

from dstheory.claims import NONNEGATIVE, POSITIVE, REAL, UNIT, Claim, Step, at_least, between, counterexample, decide, identity
from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import SymbolicChain, payoff_at, reward
from dstheory.symbolic.policy import differentiate, minimal_policy
from dstheory.symbolic.updates import score, trajectories

p, a, b = map(symbol, "pab")
M0 = minimal_policy()
CAPPED = SymbolicChain(M0, 2)
TERMINAL = reward((1, 0), (0, 0))
CUBE = {"p a b": UNIT}
U_s, U_C = sp.symbols("U_s U_C")
J = Symbol("J")


def responses(correct: int, wrong: int) -> list[tuple[sp.Expr, sp.Expr, int, dict[str, sp.Expr]]]:
    """The six trajectories of the minimal chain capped at two turns, answers of these lengths: chance, reward, tokens, scores."""
    found = []
    for t in trajectories(CAPPED):
        tokens = sum((correct, wrong)[answer] + (decision is not None) for answer, decision in t.steps)
        scores = {
            logit.symbol.name: sp.Add(*[sum(score(M0, logit, k, *step)) for k, step in enumerate(t.steps)]) for logit in M0.logits
        }
        found.append((t.probability, payoff_at(TERMINAL, 0).decision(*t.steps[-1]), tokens, scores))
    return found


def token_mean_of_two(known: list[tuple[sp.Expr, sp.Expr, int, dict[str, sp.Expr]]], logit: str) -> sp.Expr:
    """The exact expected update of a group of two: sum of (R - mean) S over the group's tokens."""
    total = []
    for one, two in product(known, repeat=2):
        centred = (one[1] - two[1]) / 2
        total.append(one[0] * two[0] * centred * (one[3][logit] - two[3][logit]) / (one[2] + two[2]))
    return sp.Add(*total)


# --- O7 ---------------------------------------------------------------------------------------------------------------


def enumerated_means() -> tuple[list[sp.Expr], list[sp.Expr]]:
    """On two turns: E[(R - J) S] for each logit by the six trajectories, and the derivatives of the accuracy."""
    known = responses(1, 2)
    means = [
        sp.Add(*[chance * (gain - J) * scores[logit.symbol.name] for chance, gain, _, scores in known]) for logit in M0.logits
    ]
    return means, [differentiate(CAPPED.accuracy((True, False)), logit) for logit in M0.logits]


def large_batches() -> Iterator[Step]:
    """O7: the two means, how far averages are from them, and how far their ratio is from its limit."""
    grad, weight, length = sp.symbols("grad_x w_x E_L")
    means, slopes = enumerated_means()
    names = sp.symbols("U_s U_C U_W")
    yield identity(
        "The update `sum (R_i - J) S_i / sum L_i` is the ratio of two averages over responses. The upper one has the mean `E[(R "
        "- J) S] = grad J` with any constant `J`, as scores have mean zero: here by enumeration of two turns, all three logits.",
        names,
        slopes,
        where={**CUBE, "J": REAL},
        using=dict(zip(names, means, strict=True)),
    )
    yield identity(
        "With several prompts both averages are over prompts too: `sum rho_x w_x grad J_x` over `E[L]`, one factor `1/E[L]` for "
        "all of them; `w_x` is `(G-1)/G` with the group's mean as baseline (O4) and no std, the same for all prompts.",
        sp.Symbol("rho_1") * weight * grad / length + sp.Symbol("rho_2") * weight * Symbol("grad_2") / length,
        weight / length * (sp.Symbol("rho_1") * grad + sp.Symbol("rho_2") * Symbol("grad_2")),
        where={"rho_1 rho_2": UNIT, "grad_x grad_2": REAL, "w_x": POSITIVE, "E_L": at_least(1)},
    )
    yield from averages_converge()
    yield from ratio_converges()


def averages_converge() -> Iterator[Step]:
    """The law of large numbers with a rate, for independent terms: variance by induction, then Chebyshev."""
    var, so_far, n, cross, t, delta = sp.symbols("v S2 n cross t delta")
    yield identity(
        "Averages of `n` independent terms (responses, or groups) of variance `v`: the sum of deviations has mean square `n v`. "
        "One term more adds `v`, and twice a product of mean zero; so the average has `v/n`.",
        (so_far + 2 * cross + var) / (n + 1) ** 2,
        var / (n + 1),
        where={"v": NONNEGATIVE, "n": at_least(1)},
        using={so_far: n * var, cross: 0},
    )
    yield decide(
        "Chebyshev: where a deviation `t` is `delta` or more, `(t/delta)^2` is at least 1, elsewhere at least 0. So that has "
        "probability at most `v/(n delta^2)`, which tends to 0.",
        And(Implies(sp.Abs(t) >= delta, (t / delta) ** 2 >= 1), (t / delta) ** 2 >= 0),
        where={"t": REAL, "delta": POSITIVE},
    )


def ratio_converges() -> Iterator[Step]:
    """How far a ratio of averages is from the ratio of their means."""
    x, y, off, delta, limit, grad, length = sp.symbols("x y off delta h grad_x E_L")
    yield identity(
        "The distance of the update from its limit is that of the numerator over the batch's mean length, and that of the mean "
        "length times the limit,",
        x / y - grad / length,
        (x - grad) / y - (y - length) / y * grad / length,
        where={"x grad_x": REAL, "y E_L": at_least(1)},
    )
    yield decide(
        "so at most `delta (1 + |h|)`, `h` the limit, where both averages are within `delta` of their means. Unless that fails, "
        "with probability at most `(v_x + v_L)/(n delta^2)`, the update is as near to `grad J/E[L]` as one likes: it converges "
        "in probability.",
        Implies(And(sp.Abs(x) <= delta, sp.Abs(off) <= delta), sp.Abs(x / y - off / y * limit) <= delta * (1 + sp.Abs(limit))),
        where={"x off h": REAL, "y": at_least(1), "delta": POSITIVE},
    )


O7 = Claim(
    id="O7",
    group="O",
    title="Token mean over a large batch, no std: `grad J / E[L]`, no tilt",
    statement="""The sum of (`R - baseline`) times score over the batch, divided by the number of all its tokens, tends to
        `grad J/E[L]` in probability as the batch grows, times `(G-1)/G` if the baseline is a group's mean: one factor for
        all logits and all prompts, if the credit has no std. A constant baseline does not matter in the limit.""",
    latex=r"\frac{\sum_i(R_i-J)S_i}{\sum_i L_i}\longrightarrow\frac{\nabla J}{\mathrm{E}[L]}",
    level="gradient",
    scope="any chain with responses of finite variance; the limit of many independent responses, or groups of one size",
    source="arXiv 2503.14476 (token mean); derived here",
    domain={},
    proof=large_batches,
    related=["O7-loose", "O7-groups", "O6"],
)


def small_batches() -> Iterator[Step]:
    """O7-loose: two responses."""
    known = responses(1, 2)
    accuracy = CAPPED.accuracy((True, False))
    g_s, g_C = sp.symbols("g_s g_C")
    yield decide(
        "The exact expected update of two responses has the direction of `grad J`.",
        Eq(U_s * g_C, U_C * g_s),
        using={
            U_s: token_mean_of_two(known, "theta_s"),
            U_C: token_mean_of_two(known, "theta_C"),
            g_s: differentiate(accuracy, M0.logit("theta_s")),
            g_C: differentiate(accuracy, M0.logit("theta_C")),
        },
    )


O7_LOOSE = Claim(
    id="O7-loose",
    group="O",
    title="A token mean never tilts the gradient",
    statement="The token mean leaves the direction of the expected update that of `grad J` at any batch size.",
    level="gradient",
    scope="two responses of the minimal chain capped at two turns; right answers of one token, wrong ones of two",
    domain=CUBE,
    proof=small_batches,
    recorded="fails",
    witness={"p": "1/2", "a": "1/2", "b": "1/2"},
    related=["O7", "O7-groups"],
    notes="A batch of one response is the normaliser `1/L` of O6; the limit of many is O7.",
)


def per_group() -> Iterator[Step]:
    """O7-groups: each prompt has its own denominator."""
    g_1, g_2, long, short = sp.symbols("grad_1 grad_2 E_L1 E_L2")
    rho, total = sp.symbols("rho grad")
    where = {"rho": UNIT, "E_L1 E_L2": at_least(1)}
    yield identity(
        "A token mean in each group: by O7 prompt `x` contributes `grad J_x/E[L | x]` in the limit of large groups. With prompts "
        "of frequency `rho` and `1 - rho` that is `grad J/E[L | 1]` and a part along the second prompt's gradient alone.",
        rho / long * g_1 + (1 - rho) / short * g_2,
        total / long + (1 - rho) * (1 / short - 1 / long) * g_2,
        where={**where, "grad_1 grad_2": REAL},
        using={total: rho * g_1 + (1 - rho) * g_2},
    )
    yield decide(
        "Prompts with gradients (`g_1`, 0) and (0, `g_2`), in parameters of their own: it is parallel to `grad J` exactly if "
        "they are equally long,",
        Equivalent(Eq(rho / long * g_1 * (1 - rho) * g_2, rho * g_1 * (1 - rho) / short * g_2), Eq(long, short)),
        where={**where, "grad_1 grad_2": POSITIVE},
    )
    yield counterexample(
        "as for mean lengths 1 and 2 it is not.",
        Eq(rho * 1 / long, (1 - rho) * 1 / short),
        at={"rho": "1/2", "E_L1": 1, "E_L2": 2},
        where=where,
    )


O7_GROUPS = Claim(
    id="O7-groups",
    group="O",
    title="A token mean in each group weighs prompts by `1/E[L | prompt]`, in the limit of large groups",
    statement="""Averaged over the tokens of each group and then over groups, the update tends to the sum of `rho_x grad
        J_x/E[L | x]` as groups grow: prompts with long responses count less. It is along `grad J` for all gradients only if all
        prompts have one mean length.""",
    latex=r"\sum_x\rho_x\frac{\nabla J_x}{\mathrm{E}[L\mid x]}",
    level="gradient",
    scope="any chains; two prompts; the limit of large groups",
    source="arXiv 2503.14476 (the paper's token mean is over a group); derived here",
    domain={},
    proof=per_group,
    recorded="holds under condition",
    related=["O7", "O7-loose"],
)


# --- O8 ---------------------------------------------------------------------------------------------------------------


def counted_by_tokens() -> Iterator[Step]:
    """O8: the token-weighted mean and variance, and what they do to the update."""
    rl, r, length, mean, covariance = sp.symbols("E_RL E_R E_L m_tok Cov")
    yield identity(
        "Every token carries its response's reward (no discount, no KL), so the mean over tokens is `E[R L]/E[L] = E[R] + "
        "Cov(R, L)/E[L]`:",
        mean,
        r + covariance / length,
        where={"E_RL E_R": REAL, "E_L": at_least(1)},
        using={mean: rl / length, covariance: rl - r * length},
    )
    yield decide(
        "above the success rate exactly if right responses are the longer ones.",
        Equivalent(mean > r, covariance > 0),
        where={"E_RL E_R": REAL, "E_L": at_least(1)},
        using={mean: rl / length, covariance: rl - r * length},
    )
    yield identity(
        "The variance over tokens of a `0/1` reward is `m_tok (1 - m_tok)`: tokens of right responses are a share `m_tok` "
        "of all.",
        Symbol("right") * (1 - mean) ** 2 + (1 - Symbol("right")) * (0 - mean) ** 2,
        mean * (1 - mean),
        where={"m": UNIT},
        using={mean: Symbol("m"), "right": Symbol("m")},
    )
    means, slopes = enumerated_means()
    std, names = Symbol("std_tok"), sp.symbols("U_s U_C U_W")
    yield identity(
        "Where mean, std and mean length are at their limits, constants, the update is `grad J/(std_tok E[L])`, as for any "
        "baseline (`J` here): by enumeration of two turns, all three logits.",
        [name / (std * length) for name in names],
        [one / (std * length) for one in slopes],
        where={**CUBE, "J": REAL, "std_tok": POSITIVE, "E_L": at_least(1)},
        using=dict(zip(names, means, strict=True)),
    )
    yield counterexample(
        "But with the reference's `k1` inside the reward, or a discount, tokens of one response differ (O1-tokens) and returns "
        "to go replace `R`: `ell_1 = 1` at the first of two tokens, 0 at the second.",
        Eq(Symbol("R") - (Symbol("ell_1") + Symbol("ell_2")), Symbol("R") - Symbol("ell_2")),
        at={"R": 1, "ell_1": 1, "ell_2": 0},
        where={"R ell_1 ell_2": REAL},
    )


O8 = Claim(
    id="O8",
    group="O",
    title="REINFORCE++ without KL whitens by tokens: its mean tends to `E[R] + Cov(R, L)/E[L]`",
    statement="""Without KL in the reward, REINFORCE++'s statistics over all tokens have mean `E[R] + Cov(R, L)/E[L]` and,
        for `0/1` rewards, variance `m(1 - m)` with that mean `m`. In the limit of large batches the update is `grad
        J`/(std `E[L]`) all the same, one std for all prompts; with `k1` in the reward its credits differ from token to
        token.""",
    latex=r"m_{\mathrm{tok}}=\mathrm{E}[R]+\frac{\mathrm{Cov}(R,L)}{\mathrm{E}[L]}",
    level="gradient",
    scope="any chain; mean, std and mean length of the batch at their limits (O7 says how far off a batch is)",
    source="arXiv 2501.03262; derived here",
    domain={},
    proof=counted_by_tokens,
    recorded="holds under condition",
    related=["O8-loose", "O7", "O1-tokens"],
)

O8_LOOSE = Claim(
    id="O8-loose",
    group="O",
    title="Whitening over tokens centres the rewards of responses",
    statement="After whitening over all tokens of a batch the credits of its responses have mean zero.",
    level="coefficient",
    scope="a batch of two responses of L_1 and L_2 tokens",
    domain={"R_1 R_2": between(0, 1, "[]"), "L_1 L_2": at_least(1, integer=True)},
    proof=lambda: [
        decide(
            "The credits minus the token-weighted mean add up to zero.",
            Eq(Symbol("R_1") + Symbol("R_2") - 2 * Symbol("m_tok"), 0),
            using={
                "m_tok": (Symbol("L_1") * Symbol("R_1") + Symbol("L_2") * Symbol("R_2")) / (Symbol("L_1") + Symbol("L_2"))
            },
        )
    ],
    recorded="fails",
    witness={"R_1": "0", "R_2": "1", "L_1": "1", "L_2": "2"},
    related=["O8"],
)
