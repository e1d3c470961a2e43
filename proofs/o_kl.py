"""Group O, KL penalties: what frozen states leave out (O11), and k1 in the reward (O12).

L is the weighted log-ratio log(pi/ref) summed over a response. The full gradient of the penalty -beta E[L] credits each action
with all of L, or with what of it is still to come; losses such as k2 credit it with its own log-ratio.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import sympy as sp
from sympy import And, Eq, Implies, Symbol

from dstheory.claims import NONNEGATIVE, POSITIVE, REAL, UNIT, Claim, Step, decide, identity
from dstheory.rational.symbols import symbol
from dstheory.symbolic.objectives import Rule, lookup
from dstheory.symbolic.policy import Logit, differentiate
from dstheory.symbolic.setting import setting
from dstheory.symbolic.updates import differentiated, expected_update

p, a, b, p_ref, a_ref, b_ref, beta, w_s, w_d = map(symbol, ["p", "a", "b", "p_ref", "a_ref", "b_ref", "beta", "w_s", "w_d"])
POLICIES = {"p a b p_ref a_ref b_ref": UNIT}
WEIGHTS = {"w_s w_d": POSITIVE}
cost, N, U_C, U_W = sp.symbols("C N U_C U_W")
D_s, D_C, D_W = sp.symbols("KL_s KL_C KL_W")
GAPS = sp.symbols("gap_s gap_C gap_W")
S = setting()


def divergence(x: sp.Expr, ref: sp.Expr) -> sp.Expr:
    """KL of two distributions on two outcomes."""
    return x * sp.log(x / ref) + (1 - x) * sp.log((1 - x) / (1 - ref))


KLS = {D_s: divergence(p, p_ref), D_C: divergence(a, a_ref), D_W: divergence(b, b_ref)}
COST = {N: S.chain.visits(), cost: N * (w_s * D_s + w_d * (p * D_C + (1 - p) * D_W))}
AFTER = {U_C: w_d * D_C + (1 - a) * cost, U_W: w_d * D_W + b * cost}


def slopes(objective: Rule) -> list[sp.Expr]:
    """The derivative of a penalty's scalar, in the order of the policy's logits."""
    found = differentiated(S, objective)
    assert found is not None
    return list(found.values())


# --- O11 --------------------------------------------------------------------------------------------------------------


def what_frozen_states_leave_out() -> Iterator[Step]:
    """O11: full minus direct, both differentiated from their scalars."""
    full, direct = slopes(lookup("kl")), slopes(lookup("kl-direct"))
    yield identity(
        "`C` is the expected penalty of an episode over `beta`: each of the `N` turns costs the divergence of the answers and, "
        "by the answer, that of the decisions.",
        cost,
        Symbol("per_episode"),
        where=WEIGHTS,
        using={**KLS, **COST, "per_episode": S.chain.value(lookup("kl").payoff(S))},
    )
    yield identity(
        "Full gradient minus direct term, `U_y` what is still to be paid once answer `y` is drawn: visits times slope of the "
        "probability times difference of what is still to come.",
        GAPS,
        [
            -beta * N * p * (1 - p) * (U_C - U_W),
            beta * N * p * a * (1 - a) * cost,
            -beta * N * (1 - p) * b * (1 - b) * cost,
        ],
        where={**WEIGHTS, "beta": POSITIVE},
        using={
            **KLS,
            **COST,
            **AFTER,
            **{name: one - other for name, one, other in zip(GAPS, full, direct, strict=True)},
        },
    )
    yield decide(
        "Each divergence is positive unless the two distributions agree, so `C > 0` away from the reference:",
        And(Implies(p > p_ref, D_s > 0), Implies(p < p_ref, D_s > 0)),
        using={D_s: KLS[D_s]},
    )
    yield decide(
        "beyond its direct term the full penalty pushes towards stopping, on right and on wrong answers, by `beta C` for each "
        "resample; losses with frozen states never see that.",
        And(beta * N * p * a * (1 - a) * cost > 0, -beta * N * (1 - p) * b * (1 - b) * cost < 0),
        where={"C N beta": POSITIVE},
    )


O11 = Claim(
    id="O11",
    group="O",
    title="Losses with frozen states leave out that a resample costs the penalty of all that follows",
    statement="""With `C` the expected penalty of an episode over `beta`, `N` the expected number of turns and `U_y` what
        is still to be paid once answer `y` is drawn, the full gradient of the reverse KL exceeds its direct term (`k2` in
        the loss) by `-beta N p(1-p)(U_C - U_W)` on `theta_s`, +`beta N p a(1-a) C` on `theta_C` and `-beta N (1-p) b(1-b)
        C` on `theta_W`. `C > 0` away from the reference: the full penalty favours stopping on every answer more than its direct
        term does.""",
    latex=r"\Delta_s=-\beta Np(1-p)(U_C-U_W),\ \Delta_C=\beta Npa(1-a)\,C,\ \Delta_W=-\beta N(1-p)b(1-b)\,C",
    level="gradient",
    scope="all real parameters of the minimal chain without a cap, all stage weights",
    domain=POLICIES,
    proof=what_frozen_states_leave_out,
    related=["O11-loose", "O11-forward", "O11-weighted", "O12", "D2", "D4"],
)

O11_LOOSE = Claim(
    id="O11-loose",
    group="O",
    title="A decision that agrees with the reference feels no KL penalty",
    statement="Where `P(resample | wrong)` is the reference's, the gradient of the reverse KL penalty on `theta_W` is zero.",
    level="gradient",
    scope="the minimal chain without a cap, unit weights",
    source="true of k2 in the loss; read as a statement about the penalty",
    domain={"p a b p_ref a_ref": UNIT},
    proof=lambda: [
        decide(
            "At `b = b_ref`.",
            Eq(Symbol("g_W"), 0),
            using={"g_W": slopes(lookup("kl"))[2].subs({b_ref: b, w_s: 1, w_d: 1, beta: 1}, simultaneous=True)},
        )
    ],
    recorded="fails",
    witness={"p": "1/2", "a": "1/2", "b": "1/2", "p_ref": "1/2", "a_ref": "1/3"},
    related=["O11", "D5"],
)


def two_losses_at_one_decision() -> Iterator[Step]:
    """O11-forward: k2 and k3 against each other, first order and beyond."""
    x, ref = sp.symbols("x ref")
    k2, k3 = sp.symbols("c_k2 c_k3")
    odds = Symbol("t")
    yield decide(
        "Per action: `k2` has the coefficient `-beta log(pi/ref)`, `k3` has `-beta (1 - ref/pi)`. With `t = pi/ref` they differ "
        "by at most `beta (t - 1)^2/t`: to first order at the reference they agree.",
        And(sp.log(odds) - (1 - 1 / odds) >= 0, sp.log(odds) - (1 - 1 / odds) <= (odds - 1) ** 2 / odds),
        where={"t": POSITIVE},
    )
    yield decide(
        "`k3`'s never exceeds `k2`'s: `1 - ref/pi <= log(pi/ref)`: it holds an action that the policy has come to prefer less "
        "firmly, and one that it has dropped more firmly.",
        And(Implies(x > ref, And(k3 < k2, k3 > 0)), Implies(x < ref, And(k3 < k2, k2 < 0))),
        where={"x ref": UNIT},
        using={k2: sp.log(x / ref), k3: 1 - ref / x},
    )


O11_FORWARD = Claim(
    id="O11-forward",
    group="O",
    title="`k3` in the loss holds preferred actions less, dropped actions more than `k2`",
    statement="""`1 - ref/pi <= log(pi/ref)`, with equality only at the reference: as a loss `k3` pulls back an action whose
        probability has risen less than `k2` does, and one whose probability has fallen more.""",
    latex=r"1-\tfrac{\mathrm{ref}}{\pi}\le\log\tfrac{\pi}{\mathrm{ref}}",
    level="coefficient",
    scope="all probabilities in (0, 1)",
    domain={},
    proof=two_losses_at_one_decision,
    related=["O11", "D4"],
)


def weighted_by_the_ratio() -> Iterator[Step]:
    """O11-weighted: the product rule on ratio x k3, then what it means for one action."""
    x, old, ref = sp.symbols("lp old ref")
    rho = sp.exp(x - old)
    k3 = sp.exp(ref - x) - 1 - (ref - x)
    slope, at_one = sp.symbols("c c_on_policy")
    yield identity(
        "Differentiating the ratio as well as `k3`: `d(rho k3)/d log pi = rho (k3 + 1 - ref/pi) = rho log(pi/ref)`. On the "
        "policy, `rho = 1`, that is the coefficient of `k2`: the reverse KL at the visited states, no longer the forward one.",
        [slope, at_one],
        [rho * (x - ref), x - ref],
        where={"lp old ref": REAL},
        using={slope: sp.diff(rho * k3, x), at_one: sp.diff(rho * k3, x).subs(old, x)},
    )


O11_WEIGHTED = Claim(
    id="O11-weighted", group="O", title="`k3` times the importance ratio, both differentiated, is the reverse KL again",
    statement="""If `k3` in the loss is multiplied by the ratio `pi/pi_old` and the ratio is differentiated too, the
        coefficient is `-beta rho log(pi/ref)`: on the policy that of `k2`, also where the ratio's value is 1.""",
    latex=r"\partial_{\log\pi}(\rho\,k_3)=\rho\log\tfrac{\pi}{\mathrm{ref}}",
    level="coefficient",
    scope="one action, any log-probabilities",
    source="arXiv 2512.02556 (the weighting), default of TRL's GRPO trainer since its version 1.16 at the latest; derived here",
    domain={},
    proof=weighted_by_the_ratio,
    related=["O11", "O11-forward", "D4"],
)


# --- O12 --------------------------------------------------------------------------------------------------------------


# The full reverse KL with each action credited by the log-ratios from it on: c = -beta sum_(s >= t) w_s ell_s.
PENALTY_TO_GO = replace(
    lookup("kl"),
    name="kl-to-go",
    title="Reverse KL to a reference, full gradient, log-ratio to go",
    coefficients=lambda s, turn: (-beta * turn.to_go, -beta * turn.to_go_decision),
)

# c = w for every action: what k1 has inside a sum loss, and what the log-ratio's own derivative contributes.
CONSTANT_CREDIT = replace(
    lookup("kl"),
    name="constant-credit",
    coefficients=lambda s, turn: (s.weights.sample[turn.answer], s.weights.decide[turn.answer]),
    scalar=lambda s, frozen: None,
)


def penalty_as_reward() -> Iterator[Step]:
    """O12: three rules, one expected update."""
    names = sp.symbols("g_s g_C g_W")

    def update(rule: Rule) -> dict[sp.Symbol, sp.Expr]:
        return dict(zip(names, expected_update(S, rule).values(), strict=True))

    where = {**WEIGHTS, "beta": POSITIVE}
    yield identity(
        "`k1` in the reward: `-beta log(pi/ref)`, detached, is one more reward of every action. Credited with the whole "
        "response's, each action has `-beta L`: its expected update is the derivative of `-beta E[L]`,",
        names,
        slopes(lookup("kl")),
        where=where,
        using=update(lookup("kl")),
    )
    yield identity(
        "and so is that of the log-ratio to go, `-beta sum_(s >= t) ell_s`, whose coefficients differ from action to action.",
        names,
        slopes(lookup("kl")),
        where=where,
        using=update(PENALTY_TO_GO),
    )
    yield identity(
        "That nothing is lost by detaching: the log-ratio's own derivative is the score, of mean zero under the policy.",
        names,
        [0, 0, 0],
        where=where,
        using=update(CONSTANT_CREDIT),
    )
    reward, ell = sp.symbols("R L")
    yield identity(
        "A reward and its penalty add: (`R - beta L`) as credit gives `grad (E[R] - beta E[L])`, under the same baseline and "
        "normaliser.",
        (reward - beta * ell) * Symbol("s"),
        reward * Symbol("s") - beta * ell * Symbol("s"),
        where={"R L s": REAL, "beta": NONNEGATIVE},
    )


O12 = Claim(
    id="O12",
    group="O",
    title="`k1` in the reward is unbiased for the full gradient of the reverse KL",
    statement="""With `k1 = log(pi/ref)`, detached, subtracted from the reward, the expected update of the penalty is the
        gradient of `-beta E[L]`, credited in return form (one coefficient for all actions of a response) or as log-ratio to go.
        As a loss it gives nothing (D4), `k2` and `k3` give per-state gradients (O11).""",
    latex=r"\mathrm{E}\Bigl[-\beta L\,S\Bigr]=-\beta\,\nabla\mathrm{E}[L]",
    level="gradient",
    scope="all real parameters of the minimal chain without a cap, one weight for all answers",
    source="derived here; the placement is that of arXiv 2501.03262 and of PPO-based RLHF",
    domain=POLICIES,
    proof=penalty_as_reward,
    related=["O12-loose", "O11", "D2", "D4"],
)


def placed_in_the_loss(logit: Logit) -> sp.Expr:
    """The derivative of the full penalty with respect to a logit, unit weights."""
    scalar = lookup("kl").scalar(S, S.policy)
    assert scalar is not None
    return differentiate(scalar, logit).subs({w_s: 1, w_d: 1, beta: 1})


O12_LOOSE = Claim(
    id="O12-loose",
    group="O",
    title="It does not matter whether the KL penalty is in the reward or in the loss",
    statement="`k2` in the loss and `k1` in the reward have one expected update.",
    level="gradient",
    scope="theta_W of the minimal chain, unit weights",
    domain=POLICIES,
    proof=lambda: [
        decide(
            "The two expected gradients on `theta_W` agree.",
            Eq(Symbol("g_loss"), Symbol("g_reward")),
            using={
                "g_loss": slopes(lookup("kl-direct"))[2].subs({w_s: 1, w_d: 1, beta: 1}),
                "g_reward": placed_in_the_loss(S.policy.logit("theta_W")),
            },
        )
    ],
    recorded="fails",
    witness={"p": "1/2", "a": "1/2", "b": "1/2", "p_ref": "1/2", "a_ref": "1/2", "b_ref": "1/3"},
    related=["O12", "O11"],
)
