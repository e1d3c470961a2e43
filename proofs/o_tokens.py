"""Group O, tokens: which objectives give a whole response one coefficient, and which do not (O1)."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import Eq, Equivalent, Implies, Ne, Symbol

from dstheory.claims import POSITIVE, REAL, UNIT, Claim, Step, at_least, counterexample, decide, derivative, identity
from dstheory.symbolic.losses import (
    ALPHA,
    BASELINE,
    BETA,
    LONGEST,
    STD,
    SURROGATES,
    batch,
    coefficients,
    detached,
    on_policy,
)

SMALL = batch(1, 2)
"""Two responses to one prompt, of one and of two tokens."""
LOG_PROBABILITIES = "lp_1_1 lp_2_1 lp_2_2 old_1_1 old_2_1 old_2_2 ref_1_1 ref_2_1 ref_2_2"
STRENGTHS = {"std L_max beta omega": POSITIVE, "r": UNIT, "baseline": REAL}
WHERE = {LOG_PROBABILITIES: REAL, **STRENGTHS}
first, second = SMALL.responses
A_1, A_2 = ((r.reward - SMALL.mean) for r in SMALL.responses)
LOSS = Symbol("J")
c_11, c_21, c_22 = NAMES = sp.symbols("c_1_1 c_2_1 c_2_2")


def by_name(surrogate: str, *, ratio_one: bool = False) -> dict[sp.Symbol, sp.Expr]:
    """The three tokens' coefficients, differentiated from the surrogate, as definitions of c_1_1, c_2_1 and c_2_2."""
    rows = coefficients(SURROGATES[surrogate](SMALL), SMALL)
    found = [c for row in rows for c in row]
    return dict(zip(NAMES, [on_policy(c, SMALL) for c in found] if ratio_one else found, strict=True))


def one_fraction(expr: sp.Expr) -> sp.Expr:
    """An expression as one fraction; ``simplify`` finds the same, and loads SymPy's physics for it."""
    return sp.together(sp.expand(expr))


# --- O1 ---------------------------------------------------------------------------------------------------------------

N = SMALL.size
ALL_TOKENS = SMALL.tokens
COLUMNS: list[tuple[str, str, bool, sp.Expr, sp.Expr]] = [
    ("reinforce", "REINFORCE: `R/N`.", False, first.reward / N, second.reward / N),
    ("reinforce with baseline", "REINFORCE with a baseline: `(R - b)/N`.", False, (first.reward - BASELINE) / N,
     (second.reward - BASELINE) / N),
    ("rloo", "RLOO: the reward minus the mean of the others, over `N`.", False, (first.reward - second.reward) / N,
     (second.reward - first.reward) / N),
    ("grpo", "GRPO without KL, ratio 1: `A/(G L_i)` with `A = (R - mean)/std`.", True, A_1 / STD / N, A_2 / STD / (2 * N)),
    ("grpo without std", "GRPO without std, ratio 1: `A/(G L_i)`.", True, A_1 / N, A_2 / (2 * N)),
    ("constant length", "A constant `L_max` for the length, ratio 1: `A/(N L_max)`.", True, A_1 / (N * LONGEST),
     A_2 / (N * LONGEST)),
    ("token mean", "Token mean, ratio 1: `A` over the number of all tokens.", True, A_1 / STD / ALL_TOKENS,
     A_2 / STD / ALL_TOKENS),
    ("cispo", "CISPO, ratio 1: the same.", True, A_1 / STD / ALL_TOKENS, A_2 / STD / ALL_TOKENS),
    ("sft, token mean", "SFT, mean over tokens.", False, sp.Rational(1, ALL_TOKENS), sp.Rational(1, ALL_TOKENS)),
    ("sft, sequence sum", "SFT, sum over tokens, mean over responses.", False, sp.Rational(1, N), sp.Rational(1, N)),
    ("sft, sequence mean", "SFT, mean over the tokens of each response.", False, sp.Rational(1, N), sp.Rational(1, 2 * N)),
    ("filtered sft", "SFT on own responses of reward 1 (RFT, STaR, filtered EM): `R` times SFT's.", False,
     first.reward / ALL_TOKENS, second.reward / ALL_TOKENS),
    ("k1 in the reward", "`k1` in the reward, return form: `-beta` times the response's log-ratio, over `N`.", False,
     -BETA * first.log_ratio / N, -BETA * second.log_ratio / N),
]  # fmt: skip


def one_coefficient() -> Iterator[Step]:
    """O1: the tokens' coefficients by differentiation, then what an answer made of tokens gets."""
    for name, words, with_ratio, one, two in COLUMNS:
        hold = detached if name in ("cispo", "k1 in the reward") else sp.sympify
        tokens = [first.tokens[0], *second.tokens]
        yield identity(
            f"{words} By differentiation of the surrogate (`lp_i_t_held`: log-probabilities under a stop-gradient)"
            + (", times the token's ratio, which is 1 on the policy." if with_ratio else "."),
            [derivative(LOSS, t.log_pi) for t in tokens],
            [hold(c * (t.ratio if with_ratio else 1)) for c, t in zip((one, two, two), tokens, strict=True)],
            where={**WHERE, " ".join(f"{t.log_pi.name}_held" for t in tokens): REAL},
            using={LOSS: SURROGATES[name](SMALL)},
        )
    yield identity(
        "GSPO at any ratio: `s_i A/(G L_i)` with `s_i` the response's ratio to the power `1/L_i`, so also off the policy.",
        [derivative(LOSS, t.log_pi) for t in (first.tokens[0], *second.tokens)],
        [
            A_1 / STD / N * sp.exp(first.tokens[0].log_pi - first.tokens[0].log_old),
            *[A_2 / STD / (2 * N) * sp.exp(sum(t.log_pi - t.log_old for t in second.tokens) / 2)] * 2,
        ],
        where=WHERE,
        using={LOSS: SURROGATES["gspo"](SMALL)},
    )
    c, s_1, s_2, s_d = sp.symbols("c s_1 s_2 s_d")
    yield identity(
        "The log-probability of an answer is the sum of its tokens', so one coefficient `c` for its tokens (scores `s_1`, `s_2`) "
        "and for the decision's (`s_d`) is `c` times the score of the answer plus `c` times that of the decision: "
        "`c_s = c_d = c`.",
        c * s_1 + c * s_2 + c * s_d,
        c * Symbol("score_y") + c * s_d,
        where={"c s_1 s_2 s_d": REAL},
        using={Symbol("score_y"): s_1 + s_2},
    )


O1 = Claim(
    id="O1",
    group="O",
    title="Outcome rewards (on policy, no critic) and SFT give all tokens of a response one coefficient: an answer is one action",
    statement="""REINFORCE with or without baseline, RLOO, GRPO without KL, with and without std, a constant normaliser, token
        mean, CISPO, SFT under its three reductions, filtered SFT and `k1` in the reward (return form) give all tokens of a
        response one coefficient where policy and sampling policy agree; GSPO does at any ratio. So an answer of many tokens is
        one action, stop and resample carry the same coefficient, and the rule is balanced at coefficient level. Length
        normalisers reweigh whole responses.""",
    latex=r"c(i,t)=c(i)\ \forall t\quad\Longrightarrow\quad c_s=c_d=c(i)",
    level="coefficient",
    scope="differentiated for a batch of two responses of one and two tokens; the formulas do not refer to the token",
    source="arXiv 2402.14740, 2402.03300, 2503.20783, 2503.14476, 2507.18071, 2506.13585; derived here",
    domain={"R_1 R_2": REAL},
    proof=one_coefficient,
    related=["O1-loose", "O1-tokens", "O1-ratio", "O1-sft", "B1"],
)

ratios = {"x_1 x_2": POSITIVE}
x_1, x_2 = sp.symbols("x_1 x_2")


def k3_makes_a_difference() -> Iterator[Step]:
    """O1-loose: GRPO as published, with k3 in the loss."""
    found = by_name("grpo with k3", ratio_one=True)
    replace = {t.log_ref: t.log_pi + sp.log(x) for t, x in zip(second.tokens, (x_1, x_2), strict=True)}
    at = {second.tokens[0].log_pi: 0, second.tokens[1].log_pi: 0, first.reward: 0, second.reward: 0, STD: 1}
    yield decide(
        "On policy, `x_t = ref/pi` of the second response's tokens, no advantage: both tokens get one coefficient.",
        Eq(c_21, c_22),
        using={name: one_fraction(found[name].xreplace(replace).xreplace(at)) for name in (c_21, c_22)},
    )


O1_LOOSE = Claim(
    id="O1-loose",
    group="O",
    title="GRPO gives every token of a response the same coefficient",
    statement="""GRPO as published, with its KL penalty `k3` inside the loss, gives all tokens of a response one coefficient on
        the policy.""",
    level="coefficient",
    scope="a response of two tokens, on policy",
    source="arXiv 2402.03300, read without its KL term",
    domain={"x_1 x_2 beta": POSITIVE},
    proof=k3_makes_a_difference,
    recorded="fails",
    witness={"x_1": "1", "x_2": "1/2", "beta": "1"},
    related=["O1", "O1-tokens", "D4"],
)


def token_by_token() -> Iterator[Step]:
    """O1-tokens: for each rule, when exactly two tokens of a response agree."""
    one, two = second.tokens
    u, v = PAIR = sp.symbols("u_1 u_2")
    by_ratio = {one.log_pi: one.log_old + sp.log(u), two.log_pi: two.log_old + sp.log(v)}
    by_chance = {one.log_pi: sp.log(u), two.log_pi: sp.log(v)}
    by_log_ratio = {one.log_pi: one.log_ref + u, two.log_pi: two.log_ref + v}
    by_reference = {one.log_pi: one.log_ref - sp.log(u), two.log_pi: two.log_ref - sp.log(v)}
    positive, real = {"u_1 u_2": POSITIVE}, {"u_1 u_2": REAL}
    for name, words, inside, where in (
        ("grpo", "Token ratios `u` off the policy, GRPO without clipping: `c = u_t A/(G L_i std)`.", by_ratio, positive),
        ("cispo", "CISPO off the policy, no truncation: `c = u_t A/(std sum L)`.", by_ratio, positive),
        ("dft", "DFT: `c` is the probability `u_t` of the token.", by_chance, positive),
        ("k2 in the loss", "`k2` in the loss: `c = -beta u_t`, the log-ratio to the reference.", by_log_ratio, real),
        ("k3 in the loss", "`k3` in the loss: `c = -beta (1 - u_t)`, `u = ref/pi`.", by_reference, positive),
        ("on-policy distillation", "On-policy distillation: `c = -u_t`, the log-ratio to the teacher.", by_log_ratio, real),
    ):
        found, alike = by_name(name), Equivalent(Eq(c_21, c_22), Eq(*PAIR))
        rewarded = name in ("grpo", "cispo")
        yield decide(
            f"{words} {'If the rewards differ, two' if rewarded else 'Two'} tokens of a response agree exactly if their `u` do.",
            Implies(Ne(first.reward, second.reward), alike) if rewarded else alike,
            where={**STRENGTHS, **where},
            using={c: one_fraction(sp.powsimp(sp.expand_power_exp(found[c].xreplace(inside)), force=True)) for c in (c_21, c_22)},
        )
    entropy, lp, other = sp.symbols("H lp lp_other")
    yield decide(
        "Entropy bonus, `c = -alpha (log pi + H)`: tokens of one distribution agree exactly if they are equally likely.",
        Equivalent(Eq(-ALPHA * (lp + entropy), -ALPHA * (other + entropy)), Eq(lp, other)),
        where={"alpha": POSITIVE, "H lp lp_other": REAL},
    )
    adv_1, adv_2, tokens = sp.symbols("A_1 A_2 L")
    yield decide(
        "PPO with an advantage per token (GAE, a critic): `c = A_t` over all tokens.",
        Equivalent(Eq(adv_1 / tokens, adv_2 / tokens), Eq(adv_1, adv_2)),
        where={"A_1 A_2": REAL, "L": at_least(1)},
    )
    to_go = sp.symbols("ell_1 ell_2")
    yield decide(
        "The log-ratio to go of the full reverse KL, and of `k1` inside a reward-to-go (REINFORCE++): `c = -beta (ell_1 + ell_2)`"
        " and `-beta ell_2`, equal exactly if the first token's log-ratio is 0.",
        Equivalent(Eq(-BETA * (to_go[0] + to_go[1]), -BETA * to_go[1]), Eq(to_go[0], 0)),
        where={"ell_1 ell_2": REAL, "beta": POSITIVE},
    )


O1_TOKENS = Claim(
    id="O1-tokens",
    group="O",
    title="What looks at single tokens does not collapse: critics, token ratios, DFT, `k2`, `k3`, entropy, distillation",
    statement="""Two tokens of one response get different coefficients wherever their advantages (PPO with a critic), their
        ratios (GRPO and CISPO off the policy), their probabilities (DFT, and the entropy bonus for tokens of one distribution) or
        their log-ratios to the reference (`k2` and `k3` in the loss, on-policy distillation) differ, and under a log-ratio to go
        wherever those from the first token up to the second do not add up to 0.""",
    latex=r"c(i,1)=c(i,2)\iff u_1=u_2",
    level="coefficient",
    scope="a response of two tokens, no clipping; GRPO and CISPO where the two rewards of the group differ",
    source="arXiv 1707.06347, 2506.13585, 2508.05629, 2501.03262; derived here",
    domain={"R_1 R_2": REAL},
    proof=token_by_token,
    related=["O1", "O1-loose", "O1-ratio"],
)


def ratio_of_whole_or_part() -> Iterator[Step]:
    """O1-ratio: GSPO against token ratios."""
    u, v = second.tokens
    r_1, r_2, s = sp.symbols("rho_1 rho_2 s")
    ratio = {u.log_pi: u.log_old + sp.log(r_1), v.log_pi: v.log_old + sp.log(r_2)}

    def at_ratios(name: str) -> list[sp.Expr]:
        found = by_name(name)
        return [one_fraction(sp.powsimp(sp.expand_power_exp(found[c].xreplace(ratio)), force=True)) for c in (c_21, c_22)]

    where = {"rho_1 rho_2": POSITIVE, "std": POSITIVE}
    grpo = dict(zip((c_21, c_22), at_ratios("grpo"), strict=True))
    gspo = dict(zip((c_21, c_22), at_ratios("gspo"), strict=True))
    yield identity(
        "Token ratios: each token's coefficient is proportional to its own ratio,",
        [c_21 * r_2, c_21],
        [c_22 * r_1, r_1 * A_2 / STD / (2 * N)],
        where=where,
        using=grpo,
    )
    yield identity(
        "the sequence ratio `s = (rho_1 rho_2)^(1/2)` gives both the same.",
        [c_21, c_22],
        [s * A_2 / STD / (2 * N)] * 2,
        where=where,
        using={**gspo, s: sp.sqrt(r_1 * r_2)},
    )


O1_RATIO = Claim(
    id="O1-ratio",
    group="O",
    title="Off the policy a ratio per token splits the answer's tokens, a ratio per response does not",
    statement="""With importance ratios per token the coefficients of two tokens of a response stand as their ratios; with GSPO's
        geometric mean of the response they are equal. On the policy the two rules are one.""",
    latex=r"\frac{c(i,1)}{c(i,2)}=\frac{\rho_{1}}{\rho_{2}}\ \text{(token)},\qquad 1\ \text{(sequence)}",
    level="coefficient",
    scope="a response of two tokens, any ratios, no clipping",
    source="arXiv 2507.18071",
    domain={"R_1 R_2": REAL},
    proof=ratio_of_whole_or_part,
    related=["O1", "O1-tokens", "O9"],
)


def sft_on_tokens() -> Iterator[Step]:
    """O1-sft: where the length weight of C1 is, and where it is not."""
    lam, l_s, l_d = sp.symbols("lambda l_s l_d")
    answer, decision = second.tokens
    for name in ("sft, sequence sum", "sft, token mean", "sft, sequence mean"):
        yield identity(
            f"{name}: an answer token and a decision token of one response get one coefficient.",
            derivative(LOSS, answer.log_pi),
            derivative(LOSS, decision.log_pi),
            where={LOG_PROBABILITIES: REAL},
            using={LOSS: SURROGATES[name](SMALL)},
        )
    yield decide(
        "So `log pi(answer)`, the sum over its tokens, enters with the decision's own coefficient: ratio 1. C1's ratio "
        "`(l_s/l_d)^lambda` for longer answers, which counts an answer's log-probability `l_s^lambda` times, is 1 only at "
        "`lambda = 0`.",
        Implies(l_s > l_d, Equivalent(Eq((l_s / l_d) ** lam, 1), Eq(lam, 0))),
        where={"lambda": REAL, "l_s l_d": at_least(1)},
    )
    yield counterexample(
        "At `lambda = 1` the two models differ: ratio `l_s/l_d`.",
        Eq((l_s / l_d) ** lam, 1),
        at={"lambda": 1, "l_s": 2, "l_d": 1},
        where={"lambda": REAL, "l_s l_d": at_least(1)},
    )


O1_SFT = Claim(
    id="O1-sft",
    group="O",
    title="If an answer's tokens carry their own log-probabilities, SFT is balanced at coefficient level",
    statement="""Under each of its three reductions SFT gives an answer's tokens and the decision's one coefficient, so that the
        log-probability of the answer enters with the coefficient of the decision. The ratio `(l_s/l_d)^lambda` of C1 belongs to a
        model in which the log-probability of an answer is counted `l_s^lambda` times; token sums are its case `lambda = 0`. What
        grows with length is the energy (C4), not the coefficient.""",
    latex=r"\sum_t c\,\nabla\log\pi(t)=c\,\nabla\log\pi_s(y)",
    level="coefficient",
    scope="a batch of two responses, one of one token, one of an answer's and a decision's; three reductions",
    domain={},
    proof=sft_on_tokens,
    recorded="holds under condition",
    related=["O1", "C1"],
)
