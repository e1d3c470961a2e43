"""Group E, conditions of the optimum (E1): answers of different weights, no discount, tokens instead of whole answers."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import And, Eq, Equivalent, Implies, Or, diff, exp, log

from dstheory.claims import POSITIVE, REAL, UNIT, Claim, Step, at_least, between, counterexample, decide, example, identity
from dstheory.rational.symbols import symbol

p_ref, a_ref, b_ref = map(symbol, ["p_ref", "a_ref", "b_ref"])


# --- answers of different weights -------------------------------------------------------------------------------------


def different_weights() -> Iterator[Step]:
    """E1-lengths: one multiplier per prompt instead of a softmax."""
    pi, ref, best, Q, T, mu = sp.symbols("pi_y ref_y o_y Q_y T_y mu")
    where = {"pi_y ref_y o_y T_y": POSITIVE, "mu": REAL}
    using = {Q: mu + T * (log(best / ref) + 1)}
    yield identity(
        "Let `o_y = ref_y exp((Q_y - mu)/T_y - 1)`, that is `Q_y = mu + T_y (log(o_y/ref_y) + 1)`. For any `pi` an answer's "
        "share of the penalised mean differs from `pi_y mu + T_y o_y` by `T_y (pi_y log(o_y/pi_y) + pi_y - o_y)`.",
        pi * (Q - T * log(pi / ref)),
        pi * mu + T * best + T * (pi * log(best / pi) + pi - best),
        where=where,
        using=using,
    )
    yield decide(
        "That difference is at most 0, and 0 only for `pi_y = o_y`. So if `mu` is such that `o` sums to 1, `o` is the only "
        "maximiser and `mu + sum T_y o_y` the maximum.",
        And(
            T * (pi * log(best / pi) + pi - best) <= 0,
            Implies(Eq(pi * log(best / pi) + pi - best, 0), Eq(pi, best)),
        ),
        where={"pi_y o_y T_y": POSITIVE},
    )
    d = sp.Symbol("d")
    yield decide(
        "In `mu` each `o_y` falls strictly: by the factor `exp(-d/T_y)` if `mu` grows by `d`. It is at most `ref_y` once `mu >= "
        "Q_y - T_y`, so for large `mu` the sum is at most 1;",
        And(exp(-d / T) < 1, Implies(mu >= Q - T, exp((Q - mu) / T - 1) <= 1)),
        where={"d T_y": POSITIVE, "mu Q_y": REAL},
    )
    yield decide(
        "and `o_y >= 1`, its logarithm `>= 0`, for `mu <= Q_y + T_y (log ref_y - 1)`, where the sum exceeds 1. So one `mu` in "
        "between makes it 1, by continuity.",
        Implies(mu <= Q + T * (log(ref) - 1), log(ref) + (Q - mu) / T - 1 >= 0),
        where={"ref_y T_y": POSITIVE, "mu Q_y": REAL},
    )
    T_1, T_2, x, r, total, e_y = sp.symbols("T_1 T_2 x r Z e_y")
    yield identity(
        "The softmax with each answer's own temperature, `pi_y = ref_y e_y/Z` with `e_y = exp(Q_y/T_y)`, is not it: there the "
        "slope of the penalised mean in `pi_y` is `T_y (log Z - 1)`, for any number of answers.",
        diff(pi * (Q - T * log(pi / ref)), pi).subs(pi, ref * e_y / total),
        T * (log(total) - 1),
        where={"ref_y e_y T_y Z": POSITIVE},
        using={Q: T * log(e_y)},
    )
    level = sp.Symbol("log_Z")
    yield decide(
        "At a stationary point all slopes are equal. Two answers of different temperature have equal ones exactly if `log Z = "
        "1`; without reward `Z = 1`, so that the reference is no stationary point.",
        Equivalent(Eq(T_1 * (level - 1), T_2 * (level - 1)), Or(Eq(T_1, T_2), Eq(level, 1))),
        where={"T_1 T_2": POSITIVE, "log_Z": REAL},
    )
    yield example(
        "With weights 2 and 1 and a fair coin as reference, no reward, the longer answer with probability `1/4` earns more than "
        "the reference's 0 by the 'penalty' alone.",
        -T_1 * x * log(x / r) - T_2 * (1 - x) * log((1 - x) / (1 - r)) > 0,
        at={T_1: 2, T_2: 1, x: "1/4", r: "1/2"},
        where={"T_1 T_2": POSITIVE, "x r": UNIT},
    )


E1_LENGTHS = Claim(
    id="E1-lengths",
    group="E",
    title="Answers of different weights: one multiplier per prompt, not a softmax per temperature",
    statement="""If the weights `w_s(y)` of a prompt's answers differ, the optimum is `pi_s* = ref_s exp((Q_s - mu)/(beta
        w_s) - 1)` with the one `mu` that makes it sum to 1. The softmax `ref_s exp(Q_s/(beta w_s))/Z` is not stationary
        unless `Z = e`; without reward the optimum is not the reference.""",
    latex=r"\pi_s^*(y)=ref_s(y)\,e^{(Q_s(y)-\mu)/(\beta w_s(y))-1}",
    level="optimum",
    scope="any number of answers, any temperatures",
    domain={},
    proof=different_weights,
    related=["E1", "D5"],
    notes="""So D5 (KL alone has the reference as fixed point) needs equal weights of a prompt's answers when the penalty is
        differentiated in full: `sum pi w log(pi/ref)` with unequal `w` is no divergence and can be negative.""",
)


# --- no discount ------------------------------------------------------------------------------------------------------


def endless() -> Iterator[Step]:
    """E1-endless: a convex function that falls towards what never stopping earns."""
    A, C, x, s, u, e, g = sp.symbols("A C x s_y u_y e_y g_y")
    yield decide(
        "Any temperatures. Let `x = exp(-V/T_d)` and `e_y`, `g_y` the exponentials of the two rewards. Against never stopping, "
        "an answer gains `T_d` log of this ratio by its choice to stop: more than 0, so `F(V) - V > c`, what never stopping "
        "earns per turn at best, and there is no fixed point if `c >= 0`; at most `T_d s e x/(u g)`, which tends to 0 as `V` "
        "grows: if `c < 0`, `F(V) - V` is negative for large `V`. It is positive below the value of always stopping, and falls "
        "strictly: one root.",
        And(log((s * e * x + u * g) / (u * g)) > 0, log((s * e * x + u * g) / (u * g)) <= s * e * x / (u * g)),
        where={"s_y u_y e_y g_y x": POSITIVE},
    )
    yield decide(
        "One temperature `T` for both stages. With A the reference's mean of `exp(R_stop/T)` over stops and `C` that of "
        "`exp(R_res/T)` over resamples, the soft Bellman equation divided by `exp(V/T)` is linear in `x = exp(-V/T)`: `1 = A x + "
        "C`. Its one solution is `x = (1 - C)/A`, which is positive, as `exp(-V/T)` must be, iff `C < 1`.",
        And(Equivalent(Eq(A * x + C, 1), Eq(x, (1 - C) / A)), Equivalent((1 - C) / A > 0, C < 1)),
        where={"A C": POSITIVE, "x": REAL},
    )
    yield decide(
        "Terminal accuracy with a price `kappa >= 0`, and a reference that sometimes stops: `C = q_ref exp(-kappa/T) < 1`.",
        (p_ref * (1 - a_ref) + (1 - p_ref) * b_ref) * g < 1,
        where={"p_ref a_ref b_ref": UNIT, "g_y": between(0, 1, "(]")},
    )
    f_a, f_b = sp.symbols("f_a f_b")
    yield decide(
        "With other temperatures in the two stages never stopping earns `T_s log(p_ref f_a + (1 - p_ref) f_b)`, where `f_a = ((1 "
        "- a_ref) exp(-kappa/T_d))^k` and `f_b` likewise, `k = T_d/T_s`, lie in (0, 1): negative again.",
        p_ref * f_a + (1 - p_ref) * f_b < 1,
        where={"p_ref f_a f_b": UNIT},
    )
    r = sp.Symbol("R_RW")
    yield example(
        "A bonus for resampling decides it: `beta = 1`, unit weights, all reference probabilities `1/2`. With a bonus of 1 for "
        "resampling a wrong answer `C = (1 + e)/4 < 1`,",
        (1 + exp(r)) / 4 < 1,
        at={r: 1},
        where={"R_RW": REAL},
    )
    yield counterexample(
        "with a bonus of `11/10` (above `log` 3) `C > 1` and there is no optimum.",
        (1 + exp(r)) / 4 < 1,
        at={r: "11/10"},
        where={"R_RW": REAL},
    )
    T_1, T_2 = sp.symbols("T_1 T_2")
    yield example(
        "So can weights that differ within a prompt, without any bonus: with weights 100 and 1, `beta = 1` and fair coins as "
        "reference, the policy that never stops and gives the long answer with probability `1/4` earns more than 16 in every "
        "turn.",
        -T_1 * x * log(2 * x) - T_2 * (1 - x) * log(2 * (1 - x)) - log(2) > 16,
        at={x: "1/4", T_1: 100, T_2: 1},
        where={"x": UNIT, "T_1 T_2": POSITIVE},
    )


E1_ENDLESS = Claim(
    id="E1-endless",
    group="E",
    title="Without discount and cap the optimum exists iff never stopping loses something in every turn",
    statement="""With `gamma = 1` and no cap there is an optimum iff the best penalised payoff of a turn among policies
        that never stop is negative. With one temperature `T = beta w` everywhere `V = T log(A/(1 - C))`, `A` and `C` the
        reference's mean of `exp(R/T)` over stops and over resamples, and the condition is `C < 1`. It holds for terminal
        accuracy with `kappa >= 0` and equal weights; a bonus for resampling, or answers of different weights, can break
        it.""",
    latex=r"V=T\log\frac{\sum\mathrm{ref}_s\,\mathrm{ref}_d(\mathrm{stop})\,e^{R_{\mathrm{stop}}/T}}"
    r"{1-\sum\mathrm{ref}_s\,\mathrm{ref}_d(\mathrm{res})\,e^{R_{\mathrm{res}}/T}}",
    level="optimum",
    scope="any number of answers, any rewards, gamma = 1",
    domain={},
    proof=endless,
    related=["E1", "B6"],
)


# --- tokens -----------------------------------------------------------------------------------------------------------


def token_by_token() -> Iterator[Step]:
    """E1-tokens: soft values telescope along the tree of prefixes, by induction over branches and over depth."""
    e, rest, part, share, ref = sp.symbols("e rest A R ref_t")
    where = {"e rest A R ref_t": POSITIVE}
    yield identity(
        "For a prefix let `Z` be `exp(soft value/beta)`: by E1 (temperature `beta`) `Z` = sum over next tokens of `ref` times "
        "their `Z`, and at a whole answer `Z = exp(Q/beta)`. Let a prefix of reference probability `R` be expanded, and A be the "
        "sum over the tokens seen so far: one token more adds `R ref_t e`, its own reference probability times its `Z`. So, "
        "branch by branch and prefix by prefix, the root's `Z` is the sum over answers of `ref(y) exp(Q(y)/beta)`.",
        rest + share * (part + ref * e),
        (rest + share * part) + (share * ref) * e,
        where=where,
    )
    prefix, here, root = sp.symbols("P Z_here Z_root")
    yield decide(
        "A prefix has the optimal probability `P = R Z_here/Z_root`: 1 for the empty one; and if it is so for a prefix, it is so "
        "with one token more, chosen with probability `ref_t e/Z_here`. At a whole answer it is `ref(y) exp(Q(y)/beta)/Z_root`.",
        Implies(Eq(prefix, share * here / root), Eq(prefix * (ref * e / here), (share * ref) * e / root)),
        where={**where, "P Z_here Z_root": POSITIVE},
    )
    pi, policy = sp.symbols("pi_t P")
    yield identity(
        "And the penalties agree, for any policy: the log-ratios of an answer's tokens add up to that of the answer, token by "
        "token (`P` the policy's probability of the prefix).",
        log(policy / share) + log(pi / ref),
        log(policy * pi / (share * ref)),
        where={"pi_t P R ref_t": POSITIVE},
    )


E1_TOKENS = Claim(
    id="E1-tokens",
    group="E",
    title="Penalising an answer of free tokens token by token gives sampling the temperature `beta`, whatever its length",
    statement="""For free (prefix-conditional) token policies, the optimum of reward - `beta` sum over tokens of
        `log(pi/ref)` is `ref(y) exp(Q(y)/beta)/Z` over whole answers: an answer's number of tokens does not enter. The
        weight `w_s = l_s^lambda` of E1 to E3 multiplies the whole answer's log-ratio and is an assumption beyond the
        token sum.""",
    latex=r"\sum_t\log\frac{\pi(y_t\mid y_{<t})}{ref(y_t\mid y_{<t})}=\log\frac{\pi(y)}{ref(y)}",
    level="optimum",
    scope="any number of tokens, any alphabet, answers of different lengths",
    domain={},
    proof=token_by_token,
    related=["E1", "E1-tokens-loose", "B5", "D3"],
)


def token_temperature() -> Iterator[Step]:
    """E1-tokens-loose: two tokens, one of which decides; f = exp(Q/(2 beta))."""
    r, f = sp.symbols("ref f")
    yield decide(
        "An answer of two tokens, worth `Q >= 0` more than the rest. Its optimal probability with the token sum, temperature "
        "`beta`, against the one that a temperature `2 beta` would give; `f = exp(Q/(2 beta))`.",
        Eq(r * f**2 / (r * f**2 + 1 - r), r * f / (r * f + 1 - r)),
    )


E1_TOKENS_LOOSE = Claim(
    id="E1-tokens-loose",
    group="E",
    title="Penalising an answer's `L` tokens one by one gives sampling the temperature `beta L`",
    statement="""The optimum of reward minus `beta` times the sum of token-level KLs over an answer of `L` tokens has the
        temperature `beta L`.""",
    level="optimum",
    scope="L = 2",
    domain={"ref": UNIT, "f": at_least(1)},
    proof=token_temperature,
    recorded="fails",
    witness={"ref": "1/2", "f": "2"},
    related=["E1-tokens"],
    notes="""Pinning by length (E2, E3) therefore does not follow from a token-level KL alone: it needs tokens that cannot move
        independently (shared parameters), or a penalty that weighs the whole answer's log-ratio by its length.""",
)
