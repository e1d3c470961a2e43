"""Group E, the optimum of reward + KL (E1): a temperature per stage, and what the formula is, and is not, the optimum of."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import And, Eq, Implies, Ne, Or, diff, log

from dstheory.claims import (
    CLOSED_UNIT,
    DISCOUNT,
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

p, a, b, gamma, beta = map(symbol, ["p", "a", "b", "gamma", "beta"])
p_ref, a_ref, b_ref = map(symbol, ["p_ref", "a_ref", "b_ref"])
T_s, T_d, V, N, q = sp.symbols("T_s T_d V N q")
CUBES = {"p a b p_ref a_ref b_ref": UNIT}
PENALTY = {"T_s T_d": POSITIVE}


def odds(x: sp.Expr) -> sp.Expr:
    """The logarithm of x/(1 - x)."""
    return log(x / (1 - x))


def divergence(x: sp.Expr, ref: sp.Expr) -> sp.Expr:
    """KL of two coins."""
    return x * log(x / ref) + (1 - x) * log((1 - x) / (1 - ref))


# --- E1 ---------------------------------------------------------------------------------------------------------------


def each_state() -> Iterator[Step]:
    """Gibbs: the penalised mean of Q is T log Z minus T KL to the softmax."""
    pi, ref, best, e, Z, Q, T = sp.symbols("pi_i ref_i o_i e_i Z Q_i T")
    where = {"pi_i ref_i e_i Z T": POSITIVE}
    yield identity(
        "One state, any number of actions. Write `e_i = exp(Q_i/T)` and `o_i = ref_i e_i/Z`. Then every action has `Q_i - T "
        "log(pi_i/ref_i) = T log Z - T log(pi_i/o_i)`. Averaged over `pi`, the penalised mean of `Q` is `T log Z - T KL(pi || "
        "o)`.",
        Q - T * log(pi / ref),
        T * log(Z) - T * log(pi / best),
        where=where,
        using={Q: T * log(e), best: ref * e / Z},
    )
    yield decide(
        "`KL(pi || o) >= 0` if `o` sums to 1 (`Z = sum ref_i e_i`), because `pi_i log(pi_i/o_i) >= pi_i - o_i` for every action, "
        "with equality only for `pi_i = o_i`: `o` is the only maximiser and `T log Z` the maximum.",
        And(pi * log(pi / best) >= pi - best, Implies(Eq(pi * log(pi / best), pi - best), Eq(pi, best))),
        where={"pi_i o_i": POSITIVE},
    )


def any_policy() -> Iterator[Step]:
    """Verification: what a turn loses against the soft values, and that the losses add up."""
    loss, gap, later, bound, keep = sp.symbols("loss D D_next M q_k")
    yield decide(
        "Any policy, whatever it remembers: let `D` be `V` minus what it earns from here on. Both states lose `T KL >= 0` "
        "against the soft values, so `D = loss + Gamma q_k D_next`. If `D_next >= -M` then `D >= -Gamma M`: over `n` turns `D >= "
        "-Gamma^n M`, and `D >= 0` in the limit, since `M` is bounded. The softmax loses nothing.",
        gap >= -gamma * bound,
        given=[Eq(gap, loss + gamma * keep * later), later >= -bound],
        where={"loss M": NONNEGATIVE, "q_k": CLOSED_UNIT, "D D_next": REAL},
    )
    c_1, m_1, c_2, m_2, step = sp.symbols("c_1 m_1 c_2 m_2 delta")
    yield decide(
        "`V` exists and is unique. `F(V)`, the best value of a turn with `V` after it, is a maximum over policies of `c + m V` "
        "with `0 <= m <= Gamma` (`m` is `Gamma` times the chance of another turn). From `V`, with maximiser 1, to `V + delta`, "
        "with maximiser 2, `F` rises by at least 0 and at most `Gamma delta`: monotone, and a contraction for `Gamma < 1`.",
        And(
            c_2 + m_2 * (V + step) - (c_1 + m_1 * V) >= 0,
            c_2 + m_2 * (V + step) - (c_1 + m_1 * V) <= gamma * step,
        ),
        given=[
            c_1 + m_1 * V >= c_2 + m_2 * V,
            c_2 + m_2 * (V + step) >= c_1 + m_1 * (V + step),
            m_1 <= gamma,
            m_2 <= gamma,
        ],
        where={"c_1 c_2 V": REAL, "m_1 m_2": CLOSED_UNIT, "delta": NONNEGATIVE},
    )


def regularised_chain() -> Iterator[Step]:
    """The minimal chain: stationary points of the scalar are exactly the three softmax equations."""
    R_SC, R_RC, R_SW, R_RW = (symbol(f"R_{name}") for name in ("SC", "RC", "SW", "RW"))
    U_C, U_W = sp.symbols("U_C U_W")
    on_correct = a * R_SC + (1 - a) * R_RC - T_d * divergence(a, a_ref)
    on_wrong = (1 - b) * R_SW + b * R_RW - T_d * divergence(b, b_ref)
    using = {
        q: p * (1 - a) + (1 - p) * b,
        N: 1 / (1 - gamma * q),
        V: (p * on_correct + (1 - p) * on_wrong - T_s * divergence(p, p_ref)) / (1 - gamma * q),
        U_C: on_correct + (1 - a) * gamma * V,
        U_W: on_wrong + b * gamma * V,
    }
    where = {**CUBES, **PENALTY, "R_SC R_RC R_SW R_RW": REAL}
    yield identity(
        "The minimal chain with any rewards, by differentiating the penalised value `V` of a stationary policy: its derivatives "
        "by `p`, `a` and `b` are `N` times the weight of the state times (difference of soft action values - `T` times the shift "
        "of the log-odds from the reference). All three vanish exactly at the softmax equations.",
        [derivative(V, p), derivative(V, a), derivative(V, b)],
        [
            N * (U_C - U_W - T_s * (odds(p) - odds(p_ref))),
            N * p * (R_SC - R_RC - gamma * V - T_d * (odds(a) - odds(a_ref))),
            N * (1 - p) * (R_RW + gamma * V - R_SW - T_d * (odds(b) - odds(b_ref))),
        ],
        where=where,
        using=using,
    )
    e_1, e_V = sp.symbols("e_1 e_V")
    yield identity(
        "And the slope of the soft Bellman equation is `Gamma q`: with `e_V = exp(gamma V/T_d)`, `d(T_d log Z_W)/dV = gamma e_V "
        "d log Z_W/d e_V = gamma b*`, `d(T_d log Z_C)/dV = gamma (1 - a*)`.",
        [e_V * diff(log(1 - b_ref + b_ref * e_V), e_V), e_V * diff(log(a_ref * e_1 + (1 - a_ref) * e_V), e_V)],
        [b, 1 - a],
        where={"a_ref b_ref": UNIT, "e_1 e_V": POSITIVE},
        using={b: b_ref * e_V / (1 - b_ref + b_ref * e_V), a: a_ref * e_1 / (a_ref * e_1 + (1 - a_ref) * e_V)},
    )


def closed_form() -> Iterator[Step]:
    """E1 in full."""
    yield from each_state()
    yield from any_policy()
    yield from regularised_chain()


E1 = Claim(
    id="E1",
    group="E",
    title="The optimum of reward + stage-weighted KL: a temperature per stage, and one scalar equation",
    statement="""Among all policies, `E[sum_k Gamma^k (R_k - beta w_s log(pi_s/ref_s) - beta w_d log(pi_d/ref_d))]` is
        maximal exactly at `pi_s* = ref_s exp(Q_s/(beta w_s))/Z_s`, `pi_d* = ref_d exp(Q_d/(beta w_d))/Z_d`, with soft
        action values `Q` and `V = beta w_s log Z_s`, the unique fixed point of a monotone contraction (`Gamma < 1`;
        weights of a prompt's answers equal; the penalty discounted as the reward is). That is so at `Gamma = 0` in the first turn
        alone: later ones do not count, and any policy is as good there.""",
    latex=r"\pi_s^*\propto ref_s\,e^{Q_s/(\beta w_s)},\quad \pi_d^*\propto ref_d\,e^{Q_d/(\beta w_d)},\quad"
    r" V=\beta w_s\log\sum_y ref_s\,e^{Q_s/(\beta w_s)}",
    level="optimum",
    scope="any number of answers, any rewards, all history-dependent policies, Gamma in [0, 1); T_s = beta w_s, T_d = beta w_d",
    domain={"gamma": DISCOUNT},
    proof=closed_form,
    related=["E1-lengths", "E1-endless", "E1-discount", "E1-direct", "E1-tokens", "E2"],
)


# --- which objective it is not the optimum of -------------------------------------------------------------------------

V_R, t, shift_a, shift_b, N_1 = sp.symbols("V_R t s_C s_W N_1")
AT_OPTIMUM = {
    q: p * (1 - a) + (1 - p) * b,
    N: 1 / (1 - gamma * q),
    N_1: 1 / (1 - q),
    V_R: p * a * N,
    V: V_R - N * t,
    shift_a: 1 - gamma * V,
    shift_b: gamma * V,
}
WORDS = """`t` is the penalty of one turn (`beta` included), `V_R` the discounted reward of the policy, `V = V_R - N t`
    the penalised value; by E1 the optimum has `T_d` times the shift of the log-odds = `1 - gamma V` on correct and `gamma
    V` on wrong answers."""


def undiscounted_penalty() -> Iterator[Step]:
    """E1-discount: the derivatives of V_R - N_1 t by a and b, at the optimum of V_R - N t."""
    K_s = sp.Symbol("K_s")
    turn = K_s + p * T_d * divergence(a, a_ref) + (1 - p) * T_d * divergence(b, b_ref)
    again = p * (1 - a) + (1 - p) * b
    objective = p * a / (1 - gamma * again) - turn / (1 - again)
    using = {q: again, N: 1 / (1 - gamma * q), N_1: 1 / (1 - q), V_R: p * a * N, t: turn}
    slope_a = N * (1 - gamma * V_R) - N_1 * (T_d * (odds(a) - odds(a_ref)) - N_1 * t)
    slope_b = N * gamma * V_R - N_1 * (T_d * (odds(b) - odds(b_ref)) + N_1 * t)
    yield identity(
        "Discounted reward minus the undiscounted penalty `N_1 t`: its derivatives by `a` and `b`, by differentiation; `K_s` is "
        "the sampling stage's share of `t`.",
        [diff(objective, a), diff(objective, b)],
        [p * slope_a, (1 - p) * slope_b],
        where={**CUBES, "T_d": POSITIVE, "K_s": NONNEGATIVE},
        using=using,
    )
    at_optimum_a = N * (1 - gamma * V_R) - N_1 * (shift_a - N_1 * t)
    at_optimum_b = N * gamma * V_R - N_1 * (shift_b + N_1 * t)
    yield identity(
        "At E1's optimum the two slopes, per visit, add up to `N - N_1`.",
        at_optimum_a + at_optimum_b,
        N - N_1,
        where={"p a b": UNIT, "t": NONNEGATIVE},
        using=AT_OPTIMUM,
    )
    yield decide(
        "That is negative for `gamma < 1`: they cannot both vanish.",
        N < N_1,
        where={"p a b": UNIT},
        using={k: AT_OPTIMUM[k] for k in (q, N, N_1)},
    )


E1_DISCOUNT = Claim(
    id="E1-discount",
    group="E",
    title="With a discount on the reward alone, E1's optimum is not even stationary",
    statement="""In the minimal chain with terminal accuracy reward and `gamma < 1`, the optimum of E1 is never a stationary point
        of discounted reward minus the undiscounted KL penalty: the penalty has to be discounted as the reward is.""",
    latex=r"\partial_aJ/p+\partial_bJ/(1-p)=N-N_1<0\quad(\gamma<1)",
    level="optimum",
    scope="all real parameters of the minimal chain, gamma in [0, 1)",
    domain={"gamma": DISCOUNT},
    proof=undiscounted_penalty,
    related=["E1", "E1-direct"],
    notes=WORDS,
)


def direct_term() -> Iterator[Step]:
    """E1-direct: visits of the penalty frozen, those of the reward not."""
    visits, on_correct, on_wrong = sp.symbols("M M_C M_W")
    reward = p * a / (1 - gamma * (p * (1 - a) + (1 - p) * b))
    frozen = visits * T_s * divergence(p, p_ref)
    frozen += on_correct * T_d * divergence(a, a_ref) + on_wrong * T_d * divergence(b, b_ref)
    using = {k: AT_OPTIMUM[k] for k in (q, N, V_R)}
    yield identity(
        "Reward plus direct term, with `M`, `M_C`, `M_W` the frozen visits to the sampling state, to correct and to wrong "
        "answers.",
        [diff(reward - frozen, a), diff(reward - frozen, b)],
        [
            N * p * (1 - gamma * V_R) - on_correct * T_d * (odds(a) - odds(a_ref)),
            N * (1 - p) * gamma * V_R - on_wrong * T_d * (odds(b) - odds(b_ref)),
        ],
        where={**CUBES, **PENALTY, "M M_C M_W": POSITIVE},
        using=using,
    )
    slope_a, slope_b = N * (1 - gamma * V_R) - N_1 * shift_a, N * gamma * V_R - N_1 * shift_b
    positive = {"p a b": UNIT, "t": POSITIVE}
    yield identity(
        "The frozen visits are `N_1`, `p N_1` and `(1-p) N_1`. At E1's optimum the slopes per visit add up to `N - N_1`.",
        slope_a + slope_b,
        N - N_1,
        where=positive,
        using=AT_OPTIMUM,
    )
    yield decide(
        "They never vanish together: for `gamma < 1` because `N < N_1`, for `gamma = 1` because the second is `N_1^2 t > 0`.",
        Or(Ne(slope_a, 0), Ne(slope_b, 0)),
        where=positive,
        using=AT_OPTIMUM,
    )
    yield decide(
        "`t > 0`: `1 - gamma V` and `gamma V` add up to 1, so the decisions differ from the reference's somewhere, and a coin "
        "that differs has a positive divergence.",
        b * log(b / b_ref) + (1 - b) * log((1 - b) / (1 - b_ref)) > 0,
        given=[Ne(b, b_ref)],
        where={"b b_ref": UNIT},
    )


E1_DIRECT = Claim(
    id="E1-direct",
    group="E",
    title="Reward + the direct KL term never stops at E1's optimum",
    statement="""In the minimal chain with terminal accuracy reward, for any `gamma` in [0, 1], the optimum of E1 is not a
        stationary point of the reward's gradient plus the direct term of the KL penalty (visits frozen). Where that one
        is stationary, the same form holds with the reward's own action values, scaled by `N/N_1`: `T_d` times the shift
        of the log-odds = `(N/N_1)(1 - gamma V_R)` on correct and `(N/N_1) gamma V_R` on wrong answers.""",
    latex=r"\tau_d\,\Delta\theta_W=\tfrac{N}{N_1}\gamma V_R\ \ne\ \gamma V",
    level="optimum",
    scope="all real parameters of the minimal chain, gamma in [0, 1]",
    domain={"gamma": CLOSED_UNIT},
    proof=direct_term,
    related=["E1", "E1-discount", "D2"],
    notes=WORDS + " The direct term does not charge a resample for the penalties of the turns that follow (O11).",
)
