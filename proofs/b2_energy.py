"""Group B, energy: Fisher energies of a reward add up to the variance of the return (B4) and ignore length (B5)."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import Eq, Equivalent, Implies, Symbol

from dstheory.claims import CLOSED_UNIT, NONNEGATIVE, POSITIVE, REAL, UNIT, Claim, Step, decide, example, identity
from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import SymbolicChain, discount, payoff_at, reward
from dstheory.symbolic.policy import differentiate, minimal_policy
from dstheory.symbolic.updates import trajectories

p, a, b, gamma = map(symbol, ["p", "a", "b", "gamma"])
R_SC, R_RC, R_SW, R_RW = (symbol(f"R_{name}") for name in ("SC", "RC", "SW", "RW"))
TABLE = reward((R_SC, R_SW), (R_RC, R_RW))
REWARDS = {"R_SC R_RC R_SW R_RW": REAL}
CUBE = {"p a b": UNIT}


# --- B4 ---------------------------------------------------------------------------------------------------------------


def energy_is_variance() -> Iterator[Step]:
    """B4: energies of one state, the variance of one turn, an induction over turns, and a brute-force check."""
    pi, adv, visits, weight, x, mean = sp.symbols("pi_i A_i d m x_i S")
    yield identity(
        "Energy of a sampling state, any number of answers. With visits `d`, Fisher matrix `d(diag pi - pi pi^T)` and "
        "gradient `g_i = m pi_i A_i`, where the mean advantage `S = sum pi_j A_j` is 0, the vector `x_i = (m/d) A_i` "
        "solves `F x = g`,",
        visits * (pi * x - pi * weight / visits * mean),
        weight * pi * adv,
        where={"pi_i": UNIT, "d": POSITIVE, "m A_i": REAL},
        using={x: weight / visits * adv, mean: 0},
    )
    yield identity(
        "so that `g^T F^+ g = g.x` adds `(m^2/d) pi_i A_i^2` per answer: `(m^2/d) E[A^2]` in all.",
        weight * pi * adv * x,
        weight**2 / visits * pi * adv**2,
        where={"pi_i": UNIT, "d": POSITIVE, "m A_i": REAL},
        using={x: weight / visits * adv},
    )
    sigma, gap, on, off = sp.symbols("sigma Delta A_stop A_res")
    yield identity(
        "A decision state is a logistic one, `F = d sigma(1-sigma)`, `g = m sigma(1-sigma) Delta`, `Delta = Q_stop - "
        "Q_res`: again `(m^2/d) E[A^2]`.",
        (weight * sigma * (1 - sigma) * gap) ** 2 / (visits * sigma * (1 - sigma)),
        weight**2 / visits * (sigma * on**2 + (1 - sigma) * off**2),
        where={"sigma": UNIT, "d": POSITIVE, "m Delta": REAL},
        using={on: (1 - sigma) * gap, off: -sigma * gap},
    )
    stop, resample, ahead, spread, quality = sp.symbols("R_S R_R V_next Var_next Q_y")
    yield identity(
        "Variance of the return from an answer on: rewards `R_S`, `R_R`, then the rest of the episode with mean `V_next` "
        "and variance `Var_next`. The second moment is `Q_y^2`, plus the decision's `E[A_d^2]`, plus the future variance.",
        sigma * stop**2 + (1 - sigma) * (resample**2 + 2 * gamma * resample * ahead + gamma**2 * (spread + ahead**2)),
        quality**2
        + sigma * (1 - sigma) * (stop - resample - gamma * ahead) ** 2
        + (1 - sigma) * gamma**2 * spread,
        where={"sigma": UNIT, "R_S R_R V_next": REAL, "Var_next": NONNEGATIVE},
        using={quality: sigma * stop + (1 - sigma) * (resample + gamma * ahead)},
    )
    second, value = sp.symbols("M_2 V")
    total, part = sp.symbols("Sum_pi Sum_pi_Q")
    yield identity(
        "Averaged over answers, with `sum pi = 1`, `sum pi Q = V`, `sum pi Q^2 = M_2`: the variance of `Q` is `sum pi (Q - "
        "V)^2 = E[A_s^2]`. So `Var_k = E[A_s^2] + E[A_d^2] + gamma^2 q_k Var_{k+1}`.",
        second - 2 * value * part + value**2 * total,
        second - value**2,
        where={"M_2 V": REAL},
        using={total: 1, part: value},
    )
    here, later, reach, factor = sp.symbols("w_k E_next q_k c_k")
    yield identity(
        "Energies obey the same recursion: with `m = gamma^k d` and `d` the chance to reach turn `k`, a later turn carries "
        "`d q_k` and `gamma^{2(k+1)}`, so `E_k = d gamma^{2k} (w_k + gamma^2 q_k E_next)`; both start from the variance of "
        "the last answer's reward, hence `e_s + e_d = Var(G)`.",
        factor**2 / visits * here + (gamma * factor * reach) ** 2 / (visits * reach) * later,
        factor**2 / visits * (here + gamma**2 * reach * later),
        where={"d q_k": UNIT, "c_k": POSITIVE, "w_k E_next": NONNEGATIVE},
    )
    yield two_turns_by_brute_force()


def two_turns_by_brute_force() -> Step:
    """Var(G) over all six trajectories of two turns against the energies of the four blocks, all rewards symbolic."""
    policy = minimal_policy(turns=2)
    chain = SymbolicChain(policy, 2)
    returns = []
    for trajectory in trajectories(chain):
        earned = [payoff_at(TABLE, k).decision(y, d) * gamma**k for k, (y, d) in enumerate(trajectory.steps)]
        returns.append((trajectory.probability, sp.Add(*earned)))
    mean = sp.Add(*[chance * gain for chance, gain in returns])
    value = chain.value(TABLE, discount())
    energy = []
    for logit in policy.logits:
        ((_, rate),) = logit.rates
        slope = differentiate(value, logit)
        if slope == 0:  # the last turn draws no decision
            continue
        state = chain.reach(logit.turn)
        if logit.stage == "decide":
            state *= policy.sample_at(logit.turn)[logit.answer]
        energy.append(slope**2 / (state * rate))
    V_0 = Symbol("V_0")
    return identity(
        "All of it at once, by enumeration: two turns with own parameters, any rewards.",
        sp.Add(*energy),
        sp.Add(*[chance * (gain - V_0) ** 2 for chance, gain in returns]),
        where={"p_t0 a_t0 b_t0 p_t1": UNIT, **REWARDS},
        using={V_0: mean},
    )


B4 = Claim(
    id="B4",
    group="B",
    title="Energy law: on each prompt the energies of a reward add up to Var(return), in a table with an entry per turn",
    statement="""For a turn-indexed tabular policy and rewards that turn, answer and decision determine, `e_s + e_d
        = E_x Var(G | x)`, and each stage's energy is the occupancy-weighted variance of its advantages, `gamma^{2k}`
        times `reach_k` times `E[A^2]` summed over turns `k`.""",
    latex=r"e_s+e_d=\mathrm{E}_x\mathrm{Var}(G\mid x)",
    level="fisher",
    scope="any number of answers and turns, any rewards, gamma in [0, 1]",
    domain={"gamma": CLOSED_UNIT},
    proof=energy_is_variance,
    related=["B4-stationary", "B4-bound", "B5"],
    notes="""Prompts have separate blocks: with weight `rho(x)` both `g` and `F` carry `rho(x)`, and energies average. Rewards
        with noise of their own add `E Var(R | tau)` to the variance and nothing to the energies: then `e_s + e_d < E_x
        Var(G)`. So can rewards that depend on earlier answers, which turn-indexed tables do not see.""",
)

chain = SymbolicChain(minimal_policy())
q, N, Acc, Var, M_2, V = sp.symbols("q N Acc Var_G M_2 V")
e_s, e_C, e_W = sp.symbols("e_s e_C e_W")


def energies(value: sp.Expr, visits: sp.Expr) -> dict[sp.Symbol, sp.Expr]:
    """The energies of the three blocks of the minimal chain: squared derivative over Fisher information."""
    states = [visits, visits * p, visits * (1 - p)]
    out = {}
    for name, state, logit in zip((e_s, e_C, e_W), states, chain.policy.logits, strict=True):
        ((_, rate),) = logit.rates
        out[name] = differentiate(value, logit) ** 2 / (state * rate)
    return out


def stationary_energy() -> Iterator[Step]:
    """B4-stationary: sharing parameters between turns costs a factor that only the discount controls."""
    yield identity(
        "`M_2 = E[G^2]` solves its own Bellman equation.",
        M_2,
        p * (a * R_SC**2 + (1 - a) * (R_RC**2 + 2 * gamma * R_RC * V + gamma**2 * M_2))
        + (1 - p) * ((1 - b) * R_SW**2 + b * (R_RW**2 + 2 * gamma * R_RW * V + gamma**2 * M_2)),
    )
    ratio = (1 - q) * (1 - gamma**2 * q) / (1 - gamma * q) ** 2
    yield identity(
        "The energies, derivatives squared over Fisher information with undiscounted visits `1/(1-q)`, sum to `Var(G)` "
        "times a factor.",
        e_s + e_C + e_W,
        Var * ratio,
    )
    yield identity("One minus the factor:", 1 - ratio, q * (1 - gamma) ** 2 / (1 - gamma * q) ** 2)
    only = Equivalent(Eq(ratio, 1), Eq(gamma, 1))
    yield decide("So the factor is at most 1, and 1 only without discount:", sp.And(ratio <= 1, only))
    spread = Symbol("v")
    yield decide(
        "the energies add up to the variance `v` exactly at `gamma = 1`, or if the return does not vary at all.",
        Equivalent(Eq(spread * ratio, spread), sp.Or(Eq(gamma, 1), Eq(spread, 0))),
        where={"v": NONNEGATIVE},
    )
    yield example(
        "The second case occurs with a discount: a stop pays 1, a resample `1/2`, `gamma = 1/2`, so that every return is 1.",
        sp.And(Eq(Var, 0), Eq(e_s + e_C + e_W, Var)),
        at={p: "1/3", a: "1/4", b: "1/5", gamma: "1/2", R_SC: 1, R_SW: 1, R_RC: "1/2", R_RW: "1/2"},
    )


SECOND = (
    p * (a * R_SC**2 + (1 - a) * (R_RC**2 + 2 * gamma * R_RC * V))
    + (1 - p) * ((1 - b) * R_SW**2 + b * (R_RW**2 + 2 * gamma * R_RW * V))
) / (1 - gamma**2 * q)

B4_STATIONARY = Claim(
    id="B4-stationary",
    group="B",
    title="Without a cap a stationary policy loses a factor of the energy to discounting, and nothing else",
    statement="""In the minimal chain without a cap, with any rewards, `e_s + e_d = Var(G) (1-q)(1 - gamma^2 q)/(1 -
        gamma q)^2`, which is at most `Var(G)`, with equality exactly at `gamma = 1` or if the return does not vary.""",
    latex=r"e_s+e_d=\mathrm{Var}(G)\,\frac{(1-q)(1-\gamma^2q)}{(1-\gamma q)^2}\le\mathrm{Var}(G)",
    level="fisher",
    scope="all real parameters of the minimal chain, any rewards, gamma in [0, 1]",
    domain={**CUBE, "gamma": CLOSED_UNIT, **REWARDS},
    definitions={
        q: p * (1 - a) + (1 - p) * b,
        V: chain.value(TABLE, discount()),
        M_2: SECOND,
        Var: M_2 - V**2,
        **energies(chain.value(TABLE, discount()), chain.visits()),
    },
    proof=stationary_energy,
    related=["B4", "B4-bound"],
)


def restricted_energy() -> Iterator[Step]:
    """Cauchy-Schwarz by induction on coordinates: what any restriction of the parameters does to an energy."""
    g, f, along, dot, info, energy = sp.symbols("g_1 F_1 h_1 R P E")
    yield decide(
        "A restriction to parameters `phi`, with Jacobian A of the logits, has energy `sup_phi (A phi.g)^2/((A phi)^T "
        "F (A phi))`, which is at most `g^T F^+ g`, the same supremum over all directions `h`. One direction `h`, by "
        "induction on coordinates: if the others satisfy `R^2 <= P E`, with `R`, `P`, `E` their share of `h.g`, `h^T F h` and "
        "`g^T F^+ g`, so do all.",
        (along * g + dot) ** 2 <= (along**2 * f + info) * (g**2 / f + energy),
        given=[dot**2 <= info * energy],
        where={"g_1 h_1 R": REAL, "F_1": POSITIVE, "P E": NONNEGATIVE},
        lemma=True,
    )


def bounded_energy() -> Iterator[Step]:
    """B4-bound: a 0/1 reward has a bounded return, hence a bounded variance."""
    mean, second, gain = sp.symbols("V_x M_x G_x")
    yield decide(
        "A discounted `0/1` reward has `0 <= G <= 1`, so `G^2 <= G` for every trajectory, and `E[G^2] <= V`.",
        gain**2 <= gain,
        where={"G_x": CLOSED_UNIT},
    )
    yield decide(
        "Then `Var(G) = E[G^2] - V^2 <= V - V^2 <= 1/4`, and by B4 so are the energies of a tabular, turn-indexed "
        "policy.",
        second - mean**2 <= sp.Rational(1, 4),
        given=[second <= mean],
        where={"V_x": CLOSED_UNIT, "M_x": NONNEGATIVE},
    )
    yield from restricted_energy()
    accuracy = chain.accuracy((True, False))
    at_one = energies(accuracy, chain.visits())
    yield identity(
        "In the minimal chain without discount it is `Acc(1 - Acc)` exactly,",
        e_s + e_C + e_W,
        Acc * (1 - Acc),
        using={Acc: accuracy, **at_one},
    )
    yield identity(
        "of which sampling has the share `a(1-b)/(1-q)`,",
        e_s / (e_s + e_C + e_W),
        a * (1 - b) / (1 - q),
        using=at_one,
    )
    yield example(
        "and the bound is attained where `Acc = 1/2`, for instance at `p = a = b = 1/2`.",
        Eq(e_s + e_C + e_W, sp.Rational(1, 4)),
        at={p: "1/2", a: "1/2", b: "1/2"},
        using=at_one,
    )


B4_BOUND = Claim(
    id="B4-bound",
    group="B",
    title="The energy of a terminal `0/1` reward never exceeds `1/4`, however long the answers are",
    statement="""For a terminal `0/1` reward `e_s + e_d <= 1/4` for every policy class whose logits are differentiable in its
        parameters, whatever the number of answers, turns and tokens. Without discount the minimal chain has `e_s + e_d = Acc(1 -
        Acc)`, and sampling has the share `a(1-b)/(1-q)` of it.""",
    latex=r"e_s+e_d\le\tfrac14,\qquad \gamma=1:\ e_s+e_d=\mathrm{Acc}(1-\mathrm{Acc}),\ \frac{e_s}{e_s+e_d}=\frac{a(1-b)}{1-q}",
    level="fisher",
    scope="any number of answers and turns, any differentiable parametrisation; equalities in the minimal chain",
    domain=CUBE,
    definitions={q: p * (1 - a) + (1 - p) * b},
    proof=bounded_energy,
    related=["B4", "B5"],
)


# --- B5 ---------------------------------------------------------------------------------------------------------------


def splitting_into_tokens() -> Iterator[Step]:
    """B5: one leaf of the tree of prefixes is replaced by its continuations; induction over leaves gives any tree."""
    reach, value, leaf, second = sp.symbols("pi V Q_bar M_2")
    total, mean = sp.symbols("Sum_rho Sum_rho_Q")
    where = {"pi": UNIT, "V Q_bar M_2": REAL}
    yield identity(
        "Let a prefix of probability `pi` have the mean value `Q_bar`, and split it by one more token with probabilities "
        "`rho_j` and values `Q_j`: `sum rho_j = 1`, `sum rho_j Q_j = Q_bar`, `sum rho_j Q_j^2 = M_2`. The energy of its "
        "children as answers, `pi sum rho_j (Q_j - V)^2`, is its own, `pi (Q_bar - V)^2`, plus that of the new token "
        "state, `pi sum rho_j (Q_j - Q_bar)^2` (reached with probability `pi`, advantages `Q_j - Q_bar`).",
        reach * (second - 2 * value * mean + value**2 * total),
        reach * (leaf - value) ** 2 + reach * (second - 2 * leaf * mean + leaf**2 * total),
        where=where,
        using={total: 1, mean: leaf},
    )
    child, rho, gap = sp.symbols("Q_j rho_j A_j")
    yield identity(
        "Padding: if a token does not change the value, `Q_j = Q_bar` for every `j`, its gradient coordinate `pi rho_j "
        "(Q_j - Q_bar)` is zero, and so is its energy.",
        [reach * rho * gap, reach * rho * gap**2],
        [0, 0],
        where={"pi rho_j": UNIT, "Q_bar": REAL},
        using={child: leaf, gap: child - leaf},
    )
    x, y, z = sp.symbols("x y z")
    Q = sp.symbols("Q_11 Q_10 Q_01 Q_00")
    chances = [x * y, x * (1 - y), (1 - x) * z, (1 - x) * (1 - z)]
    v1 = sp.Add(*[c * k for c, k in zip(chances, Q, strict=True)])
    tokens = sp.Add(
        *[(t * (1 - t) * sp.diff(v1, t)) ** 2 / (d * t * (1 - t)) for t, d in ((x, 1), (y, x), (z, 1 - x))]
    )
    yield identity(
        "Two binary tokens in full: energies of the logits of `P(1)`, `P(1|1)`, `P(1|0)` against those of the four answers.",
        tokens,
        sp.Add(*[c * (k - V) ** 2 for c, k in zip(chances, Q, strict=True)]),
        where={"x y z": UNIT, "Q_11 Q_10 Q_01 Q_00": REAL},
        using={V: v1},
    )


B5 = Claim(
    id="B5",
    group="B",
    title="Length-free: splitting or padding the answers of a table changes no stage energy of a reward",
    statement="""Splitting an answer into tokens with prefix-conditional tabular policies, or padding it with tokens
        that change no value (neither correctness nor later tokens nor the decision depend on them), changes no stage energy of
        the reward; the gradient on padding tokens is exactly zero.""",
    latex=r"\pi\sum_j\rho_j(Q_j-V)^2=\pi(\bar Q-V)^2+\pi\sum_j\rho_j(Q_j-\bar Q)^2",
    level="fisher",
    scope="any number of tokens, any alphabet",
    domain={},
    proof=splitting_into_tokens,
    related=["B4", "B4-bound", "B4-tokens", "B5-loose", "B5-unread", "B5-restricted", "B5-independent"],
)


def restricted_tokens() -> Iterator[Step]:
    """B5-restricted: a shared parameter sees only one direction of the tabular gradient."""
    yield from restricted_energy()
    x, mean = sp.symbols("x V")
    Q = sp.symbols("Q_11 Q_10 Q_01")
    chances = [x**2, x * (1 - x), x * (1 - x), (1 - x) ** 2]
    values = [*Q, sp.S.Zero]
    shared = sp.Add(*[c * k for c, k in zip(chances, values, strict=True)])
    energy = (x * (1 - x) * sp.diff(shared, x)) ** 2 / (2 * x * (1 - x))
    tabular = sp.Add(*[c * (k - mean) ** 2 for c, k in zip(chances, values, strict=True)])
    where = {"x": UNIT, "Q_11 Q_10 Q_01": REAL}
    yield identity(
        "Two independent binary tokens with one shared logit, values relative to that of 00. What is lost is explicit.",
        tabular - energy,
        x * (1 - x) * (Q[1] - Q[2]) ** 2 / 2 + x**2 * (1 - x) ** 2 * (Q[0] - Q[1] - Q[2]) ** 2,
        where=where,
        using={mean: shared},
    )
    yield decide("So the energy is at most the tabular one,", energy <= tabular, where=where, using={mean: shared})
    yield decide(
        "and strictly lower unless the value only counts the ones: `Q_10 = Q_01` and `Q_11 = Q_10 + Q_01`.",
        Implies(Eq(energy, tabular), sp.And(Eq(Q[1], Q[2]), Eq(Q[0], 2 * Q[1]))),
        where=where,
        using={mean: shared},
    )


B5_RESTRICTED = Claim(
    id="B5-restricted",
    group="B",
    title="A restricted token policy has at most the energy of the table, for any reward",
    statement="""A token policy with independent tokens or shared parameters has at most the energy of the tabular
        policy it restricts. For two binary tokens with one shared logit the loss is `x(1-x)(Q_10 - Q_01)^2/2 +
        x^2(1-x)^2 (Q_11 - Q_10 - Q_01)^2` (values relative to that of 00).""",
    latex=r"\sup_\phi\frac{(A\phi\cdot g)^2}{(A\phi)^\top F(A\phi)}\le g^\top F^+g",
    level="fisher",
    scope="any differentiable restriction; the explicit loss for two binary tokens",
    domain={},
    proof=restricted_tokens,
    related=["B5", "B5-independent", "B4-bound"],
)
