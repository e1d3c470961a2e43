"""Group D, tokens: the energy of the KL penalty (D3), and what resampling adds to that of its full gradient."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import Eq, Equivalent, Symbol, symbols

from dstheory.claims import COUNT, NONNEGATIVE, POSITIVE, REAL, UNIT, Claim, Step, decide, identity
from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import SymbolicChain
from dstheory.symbolic.policy import differentiate, minimal_policy

p, a, b, beta = map(symbol, ["p", "a", "b", "beta"])
K, S, n, q = symbols("K S n q")

M0 = minimal_policy()
chain = SymbolicChain(M0)
CUBE = {"p a b": UNIT}


# --- D3 ---------------------------------------------------------------------------------------------------------------


def energy_of_the_penalty() -> Iterator[Step]:
    """D3: one row under each of the two gradients, additivity, and two tokens in full."""
    pi, ratio, mean, reach, w = symbols("pi_v l_v KL d w")
    where = {"pi_v": UNIT, "d w beta": POSITIVE, "l_v KL": REAL}
    yield identity(
        "Direct term. A row met `d` times has coefficients `-beta w l_v`, `l_v` the log-ratio of symbol `v`; its gradient is `d "
        "pi_v A_v` with `A_v = -beta w` (`l_v` - KL), of mean zero, so that A solves `d(diag pi - pi pi^T) x = g` and the energy "
        "has `d pi_v A_v^2` per symbol: `beta^2 w^2 d Var(l)` in all.",
        [reach * pi * (-beta * w * ratio) - reach * pi * (-beta * w * mean), reach * pi * Symbol("A_v") ** 2],
        [reach * pi * Symbol("A_v"), beta**2 * w**2 * (reach * pi * (ratio - mean) ** 2)],
        where=where,
        using={Symbol("A_v"): -beta * w * (ratio - mean)},
    )
    ahead = symbols("V_v")
    yield identity(
        "Full gradient. The penalty is a return with reward `-beta w l_v` on every action. Differentiating `l` itself adds "
        "`-beta w` times the mean score, `sum d pi_v/d theta = 0`. So B4-tokens applies: `e_s + e_d = beta^2 Var(L)`, and a "
        "row's advantage is its own part plus the difference in what follows, `V_v`.",
        -beta * w * ratio + ahead - (-beta * w * mean + Symbol("V_mean")),
        -beta * w * (ratio - mean) + (ahead - Symbol("V_mean")),
        where={**where, "V_v V_mean": REAL},
    )
    yield identity(
        "Independent tokens of one answer: what follows does not depend on `v`, `V_v = V_mean`, and both gradients have the same "
        "row energy, `beta^2 w^2 d Var(l)`. Positions have orthogonal rows, so the sum over positions is the energy: additive, "
        "and linear in `L` for tokens alike.",
        pi * (-beta * w * (ratio - mean) + (ahead - Symbol("V_mean"))) ** 2,
        beta**2 * w**2 * pi * (ratio - mean) ** 2,
        where={**where, "V_mean": REAL},
        using={ahead: Symbol("V_mean")},
    )
    yield two_tokens_in_full()


def two_tokens_in_full() -> Step:
    """J = -beta E[L] of two dependent binary tokens, differentiated with its logarithms, against Var(L)."""
    x, y, z, x_ref, y_ref, z_ref, w_1, w_2 = symbols("x y z x_ref y_ref z_ref w_1 w_2")
    ups = {t: (sp.log(t / r), sp.log((1 - t) / (1 - r))) for t, r in ((x, x_ref), (y, y_ref), (z, z_ref))}
    chances = [x * y, x * (1 - y), (1 - x) * z, (1 - x) * (1 - z)]
    logs = [(ups[x][i], ups[t][j]) for i, t in ((0, y), (1, z)) for j in (0, 1)]
    returns = [-beta * (w_1 * first + w_2 * second) for first, second in logs]
    value = sp.Add(*[c * g for c, g in zip(chances, returns, strict=True)])
    energy = sp.Add(*[t * (1 - t) * sp.diff(value, t) ** 2 / d for t, d in ((x, sp.S.One), (y, x), (z, 1 - x))])
    V = Symbol("V")
    return identity(
        "Two dependent binary tokens with weights `w_1`, `w_2` in full: `J = -beta E[L]` differentiated, logarithms and all; the "
        "energies of the three logits add up to the variance of `-beta L` over the four answers.",
        energy,
        sp.Add(*[c * (g - V) ** 2 for c, g in zip(chances, returns, strict=True)]),
        where={"x y z x_ref y_ref z_ref": UNIT, "w_1 w_2 beta": POSITIVE},
        using={V: value},
    )


D3 = Claim(
    id="D3",
    group="D",
    title="Energy of the KL penalty: the variance of the log-ratio, additive over independent tokens if none is resampled",
    statement="""The direct term has the occupancy-weighted sum of per-state variances as its energy, `beta^2 n sum_h P(h) w^2
        Var_h(log pi/ref)`. The full gradient has the variance of the total weighted log-ratio, `beta^2 Var(L)` (tabular,
        turn-indexed or stationary without a cap). For one answer of independent tokens the two sampling energies are equal,
        `beta^2 sum_i w_i^2 Var_i`: additive over tokens, hence linear in their number.""",
    latex=r"e^{\mathrm{direct}}=\beta^2n\sum_hP(h)w_h^2\mathrm{Var}_h\log\tfrac{\pi}{\mathrm{ref}},"
    r"\quad e^{\mathrm{full}}=\beta^2\mathrm{Var}(L)",
    level="fisher",
    scope="any number of tokens, symbols and turns; additivity of the full gradient for answers that are not resampled",
    domain={},
    proof=energy_of_the_penalty,
    related=["D3-resample", "D3-loose", "B4-tokens", "C4", "D2", "B5"],
    notes="""Rewards are intensive (B5), log-likelihoods extensive. Weights are those of positions, known before the token is
        drawn. The direct term stays linear in `L` in every chain; for the full gradient see D3-resample.""",
)


# --- D3-resample ------------------------------------------------------------------------------------------------------


def resampling() -> Iterator[Step]:
    """D3-resample: M0 whose answers carry independent tokens; all derivatives of -beta n K from the chain itself."""
    value = -beta * chain.visits() * K
    visits = chain.visits()
    energies = []
    for state, logit in zip((visits, visits * p, visits * (1 - p)), M0.logits, strict=True):
        ((_, rate),) = logit.rates
        energies.append(differentiate(value, logit) ** 2 / (state * rate))
    e_s, e_C, e_W, tokens = symbols("e_s e_C e_W e_tokens")
    own = dict(zip((e_s, e_C, e_W), energies, strict=True))
    yield identity(
        "`J = -beta n K`. The logits of the penalised tokens have energy `beta^2 n S` (D3); the chain's own three logits have "
        "these, by differentiating `n`.",
        [e_s, e_C, e_W],
        [
            beta**2 * n**3 * K**2 * p * (1 - p) * (1 - a - b) ** 2,
            beta**2 * n**3 * K**2 * p * a * (1 - a),
            beta**2 * n**3 * K**2 * (1 - p) * b * (1 - b),
        ],
        using=own,
    )
    yield identity(
        "In all `beta^2 (n S + q n^2 K^2)`: tokens of `n` answers vary independently, and the number of answers, of variance `q "
        "n^2`, multiplies the mean `K` of each.",
        tokens + e_s + e_C + e_W,
        beta**2 * (n * S + q * n**2 * K**2),
        using={**own, tokens: beta**2 * n * S},
    )
    length, k, s = symbols("L k s")
    share = symbols("share")
    limit = (p * a * (1 - a) + (1 - p) * b * (1 - b)) / (q * (1 - q))
    yield identity(
        "With `L` tokens alike, `K = L k` and `S = L s`, the decision's share of the energy is its limit, `(p a(1-a) + (1-p) "
        "b(1-b))/(q (1-q))`, times `1/(1 + s/(q n k^2 L))`, which tends to 1.",
        share,
        limit / (1 + s / (q * n * k**2 * length)),
        where={"L": COUNT, "k s": POSITIVE},
        using={
            **{name: e.subs(K, length * k) for name, e in zip((e_s, e_C, e_W), energies, strict=True)},
            share: (e_C + e_W) / (beta**2 * n * s * length + e_s + e_C + e_W),
        },
    )
    yield decide(
        "The limit is positive; it is 1, with nothing left to the sampling of correctness, exactly if `a + b = 1`, where correct "
        "and wrong answers are resampled alike.",
        sp.And(limit > 0, limit <= 1, Equivalent(Eq(limit, 1), Eq(a + b, 1))),
    )


D3_RESAMPLE = Claim(
    id="D3-resample",
    group="D",
    title="With resampling, the full KL gradient has energy quadratic in length, and decisions keep their share of it",
    statement="""Let every answer of the minimal chain carry independent penalised tokens with mean `K` and variance `S` of their
        weighted log-ratio. The full gradient of the penalty has `e_s + e_d = beta^2 (n S + q n^2 K^2)`, `n = 1/(1-q)`. For `L`
        tokens alike that differ from the reference (`K` not 0) the second term grows like `L^2`, and the decision's share of the
        energy tends to `(p a(1-a) + (1-p) b(1-b))/(q(1-q))`, which is not zero. The direct term has sampling energy `beta^2 n S`,
        linear in `L`, and no decision energy here.""",
    latex=r"e_s+e_d=\beta^2\bigl(nS+q\,n^2K^2\bigr),\qquad \frac{e_d}{e_s+e_d}\to\frac{pa(1-a)+(1-p)b(1-b)}{q(1-q)}",
    level="fisher",
    scope="all real parameters of the minimal chain with any number of penalised tokens; p, a, b themselves at the reference",
    domain={**CUBE, "beta": POSITIVE, "K": REAL, "S": NONNEGATIVE},
    definitions={q: p * (1 - a) + (1 - p) * b, n: 1 / (1 - q)},
    proof=resampling,
    related=["D3", "D3-loose", "D2"],
    notes="""A resample costs a whole further answer, so the full gradient of a token-summed penalty pushes the decision
        towards stopping, harder the longer the answers are. Only the direct term leaves the decision alone: the length
        asymmetry of the source's fourth claim is one of the direct term.""",
)


def additive() -> Iterator[Step]:
    """D3-loose: twice the tokens, twice the energy."""
    total = n * S + q * n**2 * K**2
    yield decide(
        "Additivity would mean that twice as many tokens, `2K` and `2S`, have twice the energy.",
        Eq(total.subs({K: 2 * K, S: 2 * S}, simultaneous=True), 2 * total),
    )


D3_LOOSE = Claim(
    id="D3-loose",
    group="D",
    title="The energy of the full KL gradient is additive over independent tokens in every chain",
    statement="""The energy of the full KL gradient is additive over independent tokens, hence linear in length, whatever the
        chain.""",
    level="fisher",
    scope="the minimal chain with penalised tokens that differ from the reference, formula of D3-resample at beta = 1",
    domain={**CUBE, "K S": POSITIVE},
    definitions={q: p * (1 - a) + (1 - p) * b, n: 1 / (1 - q)},
    proof=additive,
    recorded="fails",
    witness={"p": "1/2", "a": "1/2", "b": "1/2", "K": "1", "S": "1"},
    related=["D3", "D3-resample"],
    notes="At the witness one unit of tokens has energy 4 and two units have 12.",
)
