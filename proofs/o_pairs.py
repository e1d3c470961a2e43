"""Group O, rules on right and wrong responses: preference pairs (O2) and negative-aware fine-tuning (O3)."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import Eq, Symbol

from dstheory.claims import POSITIVE, REAL, UNIT, Claim, Step, at_least, decide, derivative, identity
from dstheory.symbolic.losses import BETA, SUCCESS, SURROGATES, WEIGHT, batch

SMALL = batch(1, 2)
"""Two responses to one prompt, of one and of two tokens."""
LOG_PROBABILITIES = "lp_1_1 lp_2_1 lp_2_2 ref_1_1 ref_2_1 ref_2_2"
first, second = SMALL.responses


TOKENS = [t for response in SMALL.responses for t in response.tokens]


# --- O2 ---------------------------------------------------------------------------------------------------------------


def preference_pairs() -> Iterator[Step]:
    """O2: DPO's coefficients, and what a shared beginning gets."""
    gate = Symbol("g")
    whole = SURROGATES["dpo"](SMALL)
    where = {LOG_PROBABILITIES: REAL, "beta": POSITIVE}
    yield identity(
        "`log sigma(beta Delta)`, differentiated, `Delta` the difference of the log-ratios: `beta sigma(-beta Delta)` on every "
        "token of the preferred response, the same with a minus on every token of the other, at any distance from the "
        "reference.",
        [derivative(whole, t.log_pi) for t in TOKENS],
        [gate, -gate, -gate],
        where=where,
        using={gate: BETA / (1 + sp.exp(BETA * (first.log_ratio - second.log_ratio)))},
    )
    shared, other = TOKENS[0], TOKENS[1]
    yield identity(
        "Two responses that begin with the same token: its log-probability drops out of `Delta`. A shared first attempt gets "
        "nothing, the whole credit is on the decision and on what follows it.",
        derivative(whole.xreplace({other.log_pi: shared.log_pi, other.log_ref: shared.log_ref}), shared.log_pi),
        0,
        where=where,
    )


O2 = Claim(
    id="O2",
    group="O",
    title="DPO gives all tokens of a response one coefficient, and a shared first attempt none",
    statement="""DPO's coefficient is `beta sigma(-beta Delta)` on every token of the preferred response and its negative on every
        token of the other: balanced at coefficient level, on and off the policy. On pairs that share their first attempt, that
        attempt gets coefficient zero.""",
    latex=r"c=\pm\beta\,\sigma(-\beta\Delta)",
    level="coefficient",
    scope="a pair of responses of one and two tokens; the formula does not refer to the token",
    source="arXiv 2305.18290; the shared attempt derived here",
    domain={},
    proof=preference_pairs,
    related=["O2-loose", "O2-start", "O1"],
)

def first_step() -> Iterator[Step]:
    """O2-start: two responses of the policy that is the reference, one right and one wrong."""
    x, u, v, slope, step, two = sp.symbols("x u v grad U U_2")
    scores = {v: -x * u / (1 - x), slope: x * u}
    where = {"x": UNIT, "beta": POSITIVE, "u": REAL}
    pair = BETA * sp.Rational(1, 2) * (u - v)
    yield identity(
        "At the reference `Delta = 0` and `sigma = 1/2`: a pair gives `beta/2 (E[S | right] - E[S | wrong])`, by B9 `beta/2` "
        "times the gradient of `log(Acc/(1-Acc))`, which is `grad Acc/(Acc(1-Acc))`; `x` is `Acc`.",
        step,
        BETA / 2 * slope / (x * (1 - x)),
        where=where,
        using={**scores, step: pair},
    )
    yield identity(
        "Two responses are such a pair with probability `2 x(1-x)`: per two responses drawn it is `beta grad Acc`, REINFORCE.",
        two,
        BETA * slope,
        where=where,
        using={**scores, two: 2 * x * (1 - x) * pair},
    )


O2_START = Claim(
    id="O2-start",
    group="O",
    title="DPO's first step on one's own right and wrong responses is REINFORCE, weighed by pairs",
    statement="""Where the policy is the reference and generates the responses, the expected update of DPO on a right and a wrong
        response is `beta/2 grad log(Acc/(1-Acc))` per pair, and `beta grad Acc` per two responses drawn: functions `h` of B8.""",
    latex=r"\tfrac{\beta}{2}\nabla\log\tfrac{\mathrm{Acc}}{1-\mathrm{Acc}}\ \text{per pair}",
    level="gradient",
    scope="any chain, any policy class, at the reference",
    domain={},
    proof=first_step,
    related=["O2", "B8", "B9"],
)

O2_LOOSE = Claim(
    id="O2-loose",
    group="O",
    title="A DPO pair pushes as hard on long responses as on short ones",
    statement="""The preferred and the other response of a DPO pair get opposite coefficients, so their tokens together get the
        same total.""",
    level="coefficient",
    scope="a pair with L_1 and L_2 tokens, at the reference",
    domain={"L_1 L_2": at_least(1, integer=True), "beta": POSITIVE},
    proof=[
        decide(
            "At the reference the coefficient is `beta/2`: the totals `beta L/2` agree.",
            Eq(Symbol("L_1") * BETA / 2, Symbol("L_2") * BETA / 2),
        )
    ],
    recorded="fails",
    witness={"L_1": "1", "L_2": "2", "beta": "1"},
    related=["O2"],
)


# --- O3 ---------------------------------------------------------------------------------------------------------------


def negative_aware() -> Iterator[Step]:
    """O3: NFT's coefficients on the policy, its weights, and off the policy."""
    r, omega, inside = SUCCESS, WEIGHT, sp.symbols("x_1:4")
    whole = SURROGATES["nft"](SMALL).xreplace(
        {
            first.reward: sp.S.One,
            second.reward: sp.S.Zero,
            **{t.log_pi: t.log_old + sp.log(x / r) for t, x in zip(TOKENS, inside, strict=True)},
        }
    )
    yield identity(
        "First response right, second wrong, success rate `r` of the prompt, `x = r rho`: a success has the coefficient `omega` "
        "whatever its ratio, a failure `-omega x/(1 - x)`, token by token; on the policy `x = r`. (With respect to `log pi`, "
        "that is `log x`.)",
        [SMALL.tokens * x * derivative(whole, x) for x in inside],
        [omega, *[-omega * x / (1 - x) for x in inside[1:]]],
        where={"omega": POSITIVE, "r x_1 x_2 x_3": UNIT, "old_1_1 old_2_1 old_2_2": REAL},
    )
    G, std, centring, scaling = sp.symbols("G s omega_1 omega_2")
    yield identity(
        "With `omega = 1 - r` this is `R - r`, centred rewards; with `omega = sqrt((1 - r)/r)` it is `(R - r)/s`, GRPO's with "
        "the population std `s`: a group of `G` with `r G` successes.",
        [centring, -centring * r / (1 - r), scaling, -scaling * r / (1 - r)],
        [1 - r, 0 - r, (1 - r) / std, (0 - r) / std],
        where={"r": UNIT, "G": at_least(2)},
        using={
            centring: 1 - r,
            scaling: sp.sqrt((1 - r) / r),
            std: sp.sqrt((r * G * (1 - r) ** 2 + (1 - r) * G * (0 - r) ** 2) / G),
        },
    )


O3 = Claim(
    id="O3",
    group="O",
    title="NFT is GRPO on the policy, up to the weight of a prompt",
    statement="""On the policy NFT gives every token of a success the coefficient `omega` and every token of a failure
        `-omega r/(1 - r)`, `r` the prompt's success rate. `omega = 1 - r` gives centred rewards, `omega = sqrt((1 -
        r)/r)` those of GRPO with the population standard deviation. Off the policy the two differ, token by token.""",
    latex=r"\omega\ \text{and}\ -\omega\tfrac{r}{1-r};\qquad \omega=\sqrt{\tfrac{1-r}{r}}:\ \tfrac{R-r}{\sqrt{r(1-r)}}",
    level="coefficient",
    scope="on the policy: all tokens; off it: one token, r rho < 1",
    source="arXiv 2505.18116",
    domain={},
    proof=negative_aware,
    related=["O1", "B8"],
)
