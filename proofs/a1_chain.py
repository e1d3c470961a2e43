"""Group A, the chain: how its probability splits, what its value is, for any number of answers and turns."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import Eq, Implies, Symbol, diff, log

from dstheory.claims import (
    CLOSED_UNIT,
    NONNEGATIVE,
    POSITIVE,
    REAL,
    UNIT,
    Claim,
    Step,
    decide,
    derivative,
    identity,
)
from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import RESAMPLE, STOP, SymbolicChain, discount, reward
from dstheory.symbolic.policy import differentiate, general_policy, minimal_policy
from dstheory.symbolic.rule import decision_probability
from dstheory.symbolic.updates import score, trajectories

PAPER = "arXiv 2601.01580"

p, a, b, gamma = map(symbol, ["p", "a", "b", "gamma"])
V, N, q = sp.symbols("V N q")
Q_C, Q_W = sp.symbols("Q_C Q_W")
R_SC, R_RC, R_SW, R_RW = (symbol(f"R_{name}") for name in ("SC", "RC", "SW", "RW"))

M0 = minimal_policy()
chain = SymbolicChain(M0)
CUBE = {"p a b": UNIT}


# --- A1 ---------------------------------------------------------------------------------------------------------------


def scores_are_uncorrelated() -> Iterator[Step]:
    """A1: the product structure, the zero conditional means, and an induction on the number of turns."""
    turns = minimal_policy(turns=2)
    capped = SymbolicChain(turns, 2)
    left, right, covariances = [], [], []
    for trajectory in trajectories(capped):
        for logit in turns.logits:
            total = sum(sum(score(turns, logit, k, y, d)) for k, (y, d) in enumerate(trajectory.steps))
            left.append(differentiate(trajectory.probability, logit))
            right.append(trajectory.probability * total)
    yield identity(
        "Every trajectory's probability is a product of sampling and decision probabilities, so its logarithm is a "
        "sum over the two stages: the derivative of `P(tau)` is `P(tau)` times the sum of the stages' scores. Checked "
        "for all six trajectories of two turns with own parameters at each turn.",
        left,
        right,
        where={"p_t0 a_t0 b_t0 p_t1 a_t1 b_t1": UNIT},
        lemma=True,
    )
    weight, other, rest, x = sp.symbols("e_i e_j R x")
    mine, theirs = weight / (weight + rest), other / (weight + rest)
    scores = [weight * derivative(log(chance), weight) for chance in (mine, theirs)]
    yield identity(
        "A sampling score has mean zero given the past. With `e_i = exp(z_i)`, and `R` the sum over all other answers, whatever "
        "their number, its coordinate `i` is `R/(e_i + R)` on answer `i` and `-e_i/(e_i + R)` on every other answer `j`.",
        [*scores, mine * scores[0] + (1 - mine) * scores[1]],
        [1 - mine, -mine, 0],
        where={"e_i e_j R": POSITIVE},
    )
    stop, again = x / (1 + x), 1 / (1 + x)
    yield identity(
        "A decision score has mean zero given the answer; `x` is the exponential of the stop logit.",
        stop * x * derivative(log(stop), x) + again * x * derivative(log(again), x),
        0,
        where={"x": POSITIVE},
    )
    m_s, m_d, cross = sp.symbols("m_s m_d M")
    yield identity(
        "Induction on the turns that remain. Let `m_s` and `m_d` be the mean scores and `M` the mean product from the next "
        "turn on. The mean product from this turn on sums, over answers and decisions, this turn's product and, on "
        "resampling, the cross terms with the future and `M`. If `m_s = m_d = M = 0`, as they are after the last turn, "
        "it is zero again.",
        mean_products(m_s, m_d, cross),
        [0, 0],
        where=CUBE,
        using={m_s: 0, m_d: 0, cross: 0},
    )
    yield from without_a_last_turn(m_s, m_d, cross)
    for first in turns.logits:
        for second in turns.logits:
            if (first.stage, second.stage) == ("sample", "decide"):
                terms = [
                    trajectory.probability
                    * sum(score(turns, first, k, y, d)[0] for k, (y, d) in enumerate(trajectory.steps))
                    * sum(score(turns, second, k, y, d)[1] for k, (y, d) in enumerate(trajectory.steps))
                    for trajectory in trajectories(capped)
                ]
                covariances.append(sp.Add(*terms))
    yield identity(
        "The same by brute force: over all trajectories of two turns, every product of a sampling and a decision "
        "score has mean zero.",
        covariances,
        [0] * len(covariances),
        where={"p_t0 a_t0 b_t0 p_t1 a_t1 b_t1": UNIT},
    )


def mean_products(m_s: sp.Expr, m_d: sp.Expr, cross: sp.Expr) -> list[sp.Expr]:
    """The mean product of the scores of both stages from this turn on, for either decision logit, given what is ahead."""
    sampling, products = M0.logit("theta_s"), []
    for decision in (M0.logit("theta_C"), M0.logit("theta_W")):
        total = []
        for y in (0, 1):
            for d in (STOP, RESAMPLE):
                chance = M0.sample_at(0)[y] * decision_probability(M0, 0, y, d)
                now_s, now_d = score(M0, sampling, 0, y, d)[0], score(M0, decision, 0, y, d)[1]
                later = now_s * m_d + now_d * m_s + cross if d == RESAMPLE else 0
                total.append(chance * (now_s * now_d + later))
        products.append(sp.Add(*total))
    return products


def without_a_last_turn(m_s: sp.Symbol, m_d: sp.Symbol, cross: sp.Symbol) -> Iterator[Step]:
    """Two steps: an uncapped stationary chain meets the same sums on both sides, and they have one solution."""
    again = p * (1 - a) + (1 - p) * b
    means = []
    for logit, ahead in zip(M0.logits, (m_s, m_d, m_d), strict=True):
        stage = 0 if logit.stage == "sample" else 1
        terms = [
            M0.sample_at(0)[y]
            * decision_probability(M0, 0, y, d)
            * (score(M0, logit, 0, y, d)[stage] + (ahead if d == RESAMPLE else 0))
            for y in (0, 1)
            for d in (STOP, RESAMPLE)
        ]
        means.append(sp.Add(*terms))
    yield identity(
        "Without a cap there is no last turn to begin from, but in a stationary chain `m_s`, `m_d` and `M` are the same before "
        "and after a turn (and finite, as the number of turns is geometric). The mean scores meet `m = q m`, and then the mean "
        "products `M = q M`, `q` the probability of resampling,",
        [*means, *mean_products(sp.S.Zero, sp.S.Zero, cross)],
        [again * m_s, again * m_d, again * m_d, again * cross, again * cross],
        where={**CUBE, "m_s m_d M": REAL},
    )
    yield decide(
        "which only 0 does, since `q < 1`.",
        Implies(Eq(cross, again * cross), Eq(cross, 0)),
        where={**CUBE, "M": REAL},
    )


A1 = Claim(
    id="A1",
    group="A",
    title="`log pi(tau)` splits into sampling and decision; the stages' scores are uncorrelated",
    statement="""The log-probability of a trajectory is the sum of a sampling part and a decision part, and the two
        stages' scores (gradients of these parts) are uncorrelated, so that the Fisher information is block diagonal.""",
    latex=r"\log\pi(\tau)=\sum_k\log\pi_s(y_k)+\log\pi_d(d_k\mid y_k),\qquad \mathrm{E}[S_s S_d^\top]=0",
    scope="any number of answers; any cap, stationary or turn-indexed; without a cap, stationary",
    source=f"{PAPER} (decomposition); orthogonality derived here",
    domain={},
    proof=scores_are_uncorrelated,
    related=["A1-loose", "B4"],
)


def independence_of_scores() -> Iterator[Step]:
    """A1-loose: the scores of one turn, S_s and the decision's score on a correct answer."""
    mean_product = p * (1 - p) ** 2 * (a * (1 - a) ** 2 + (1 - a) * a**2)
    variance_s = p * (1 - p) ** 2 + (1 - p) * p**2
    variance_d = p * (a * (1 - a) ** 2 + (1 - a) * a**2)
    yield decide(
        "Independent scores would have `E[S_s^2 S_C^2] = E[S_s^2] E[S_C^2]`; over one turn the two sides are these.",
        Eq(mean_product, variance_s * variance_d),
    )


A1_LOOSE = Claim(
    id="A1-loose",
    group="A",
    title="The stages' scores are independent",
    statement="The sampling score and the decision score of a trajectory are independent random variables.",
    scope="one turn of the minimal chain",
    domain={"p a": UNIT},
    proof=independence_of_scores,
    recorded="fails",
    witness={"p": "1/3", "a": "1/2"},
    related=["A1"],
    notes="""They are uncorrelated but not independent: which decision logit has a score at all depends on the answer
        drawn.""",
)


# --- A2 ---------------------------------------------------------------------------------------------------------------


def closed_forms() -> Iterator[Step]:
    """A2: the Bellman equation of the minimal chain with general rewards, its solution and its gradient."""
    table = reward((R_SC, R_SW), (R_RC, R_RW))
    after = Symbol("V_after")
    turn = chain.bellman(table, discount(), after)
    yield identity(
        "`V` solves the Bellman equation (right-hand side built from the transition structure).",
        V,
        turn.subs(after, V),
    )
    yield identity(
        "It is the only solution: two solutions differ by `D` with `D = gamma q D`, and `gamma q` is not 1.",
        turn.subs(after, V + Symbol("D")) - turn.subs(after, V),
        gamma * q * Symbol("D"),
        where={"D": REAL},
    )
    yield decide("`gamma q < 1`, also at `gamma = 1`.", gamma * q < 1)
    yield identity("`V` is what SymPy's linear solver returns.", V, chain.value(table, discount()))
    yield identity("`N` counts turns: `N = 1 + gamma q N`.", N, 1 + gamma * q * N)
    value = chain.value(table, discount())
    gap_c, gap_w = R_SC - R_RC - gamma * V, R_RW + gamma * V - R_SW
    yield identity(
        "The gradient, differentiated through the logits: `N` times visit probability times logistic derivative times "
        "difference of action values.",
        [differentiate(value, logit) for logit in M0.logits],
        [N * p * (1 - p) * (Q_C - Q_W), N * p * a * (1 - a) * gap_c, N * (1 - p) * b * (1 - b) * gap_w],
    )


A2 = Claim(
    id="A2",
    group="A",
    title="The closed forms of the minimal chain solve its Bellman equations",
    statement="""In the minimal chain with any rewards, `V = [p(a R_SC + (1-a) R_RC) + (1-p)((1-b) R_SW + b R_RW)]/(1 -
        gamma q)` is the unique solution of the Bellman equation, `N = 1/(1 - gamma q)` is the discounted number of
        turns, and the gradient is `N` times visit probability times logistic derivative times difference of values.""",
    latex=r"V=\frac{p(aR_{SC}+(1-a)R_{RC})+(1-p)((1-b)R_{SW}+bR_{RW})}{1-\gamma q},\quad \partial_{\theta_s}V=Np(1-p)(Q_C-Q_W)",
    scope="all real parameters of the minimal chain, gamma in [0, 1]",
    domain={**CUBE, "gamma": CLOSED_UNIT, "R_SC R_RC R_SW R_RW": REAL},
    definitions={
        q: p * (1 - a) + (1 - p) * b,
        N: 1 / (1 - gamma * q),
        V: (p * (a * R_SC + (1 - a) * R_RC) + (1 - p) * ((1 - b) * R_SW + b * R_RW)) * N,
        Q_C: a * R_SC + (1 - a) * (R_RC + gamma * V),
        Q_W: (1 - b) * R_SW + b * (R_RW + gamma * V),
    },
    proof=closed_forms,
    related=["A2-n", "A2-cap"],
)


def any_number_of_answers() -> Iterator[Step]:
    """A2-n: one answer against the lump of all others, whose composition its logit does not change."""
    e_y, e_z, rest = sp.symbols("e_y e_z E_rest")
    total = e_y + e_z + rest
    yield identity(
        "Lumping. With weights `e = exp(logit)`, the composition of the answers other than `y`, `pi_z/(1 - pi_y)`, does "
        "not contain `e_y`: raising the logit of `y` moves mass from a fixed mixture of all others to `y`.",
        (e_z / total) / (1 - e_y / total),
        e_z / (e_z + rest),
        where={"e_y e_z": POSITIVE, "E_rest": NONNEGATIVE},
        lemma=True,
    )
    yield identity(
        "And `pi_y` moves like a logistic probability: `d pi_y / d logit = e_y d pi_y / d e_y = pi_y (1 - pi_y)`.",
        e_y * diff(e_y / (e_y + rest), e_y),
        e_y / (e_y + rest) * (1 - e_y / (e_y + rest)),
        where={"e_y E_rest": POSITIVE},
        lemma=True,
    )
    pi, r_y, r_o, q_y, q_o = sp.symbols("pi_y r_y r_o q_y q_o")
    value = (pi * r_y + (1 - pi) * r_o) / (1 - gamma * (pi * q_y + (1 - pi) * q_o))
    where = {"pi_y q_y q_o": UNIT, "r_y r_o": REAL}
    yield identity(
        "So a chain of `n` answers is, for the logit of `y`, one of two: answer `y` with mean decision reward `r_y` and "
        "resample probability `q_y`, and the rest with `r_o`, `q_o`. Its value solves the Bellman equation.",
        V,
        pi * (r_y + q_y * gamma * V) + (1 - pi) * (r_o + q_o * gamma * V),
        where=where,
        using={V: value},
    )
    yield identity(
        "`dV/dz_y = N pi_y (Q_y - V)`.",
        pi * (1 - pi) * diff(value, pi),
        N * pi * (r_y + q_y * gamma * V - V),
        where=where,
        using={V: value, N: 1 / (1 - gamma * (pi * q_y + (1 - pi) * q_o))},
    )
    stop, r_s, r_r = sp.symbols("sigma_y R_S R_R")
    inside = {r_y: stop * r_s + (1 - stop) * r_r, q_y: 1 - stop}
    by_stop = value.subs(inside)
    yield identity(
        "`dV/dt_y = N pi_y sigma_y (1 - sigma_y) (R_S - R_R - gamma V)`, `sigma_y = P(stop | y)` with `logit t_y`.",
        stop * (1 - stop) * diff(by_stop, stop),
        N * pi * stop * (1 - stop) * (r_s - r_r - gamma * V),
        where={"pi_y sigma_y q_o": UNIT, "r_o R_S R_R": REAL},
        using={V: by_stop, N: 1 / (1 - gamma * (pi * (1 - stop) + (1 - pi) * q_o))},
    )
    three = general_policy(3)
    big = SymbolicChain(three)
    names = [f"R_{kind}{i}" for kind in "SR" for i in (1, 2, 3)]
    table = reward(tuple(map(symbol, names[:3])), tuple(map(symbol, names[3:])))
    solved = big.solve(table, discount())
    visits = big.visits(gamma)
    yield identity(
        "The same without lumping, for three answers, from the chain that SymPy solves.",
        [differentiate(solved.value[0], logit) for logit in three.logits if logit.stage == "sample"],
        [visits * three.sample[0][i] * (solved.answer[0][i] - solved.value[0]) for i in range(3)],
        where={"pi_1 pi_2 sigma_1 sigma_2 sigma_3": UNIT, " ".join(names): REAL},
        given=[three.sample[0][2] > 0],
    )


A2_N = Claim(
    id="A2-n",
    group="A",
    title="Gradients without a cap: visits times probability times advantage, for any number of answers",
    statement="""For any number of answers with any rewards, `dV/dz_y = N pi_y (Q_y - V)` for the sampling logit of
        answer `y` and `dV/dt_y = N pi_y sigma_y (1 - sigma_y)(R_stop - R_res - gamma V)` for its stop logit.""",
    latex=r"\partial_{z_y}V=N\pi_y(Q_y-V),\qquad \partial_{t_y}V=N\pi_y\sigma_y(1-\sigma_y)(R_{S}-R_{R}-\gamma V)",
    scope="any number of answers, stationary without a cap, gamma in [0, 1]",
    domain={"gamma": CLOSED_UNIT},
    proof=any_number_of_answers,
    related=["A2", "A2-cap"],
)


def capped_values() -> Iterator[Step]:
    """A2-cap: induction on the cap."""
    x = Symbol("x")

    def closed(power: sp.Expr) -> sp.Expr:
        return p * a * (1 - power) / (1 - gamma * q) + power * p

    yield identity(
        "One turn: the answer is submitted, `V_1 = p`; that is the formula at `x = (gamma q)^0 = 1`.", closed(x), p, using={x: 1}
    )
    yield identity(
        "One turn more: `V_{T+1} = p a + gamma q V_T` turns `x = (gamma q)^(T-1)` into `gamma q x`.",
        p * a + gamma * q * closed(x),
        closed(gamma * q * x),
        where={"x": CLOSED_UNIT},
    )
    for cap in (2, 3):
        yield identity(
            f"The chain capped at {cap} turns, solved by SymPy.",
            SymbolicChain(M0, cap).value(reward((1, 0), (0, 0)), discount()),
            closed((gamma * q) ** (cap - 1)),
        )


A2_CAP = Claim(
    id="A2-cap",
    group="A",
    title="The value of the chain capped at `T` turns",
    statement="""With terminal accuracy reward and a cap at `T` turns (the last answer is submitted), `V_T = p a (1 -
        x)/(1 - gamma q) + x p` with `x = (gamma q)^(T-1)`.""",
    latex=r"V_T=\frac{pa\,(1-x)}{1-\gamma q}+xp,\qquad x=(\gamma q)^{T-1}",
    scope="any number of turns T, gamma in [0, 1], all p, a, b in (0, 1)",
    domain={**CUBE, "gamma": CLOSED_UNIT},
    definitions={q: p * (1 - a) + (1 - p) * b},
    proof=capped_values,
    related=["A2", "A3-cap"],
)
