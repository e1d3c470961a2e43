"""Group B, credit: what reward forms say about balance at coefficient level (B1), in norm (B2), and up to gauge (B3)."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import And, Eq, Implies, Symbol

from dstheory.claims import CLOSED_UNIT, POSITIVE, REAL, UNIT, Claim, Step, counterexample, decide, derivative, example, identity
from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import SymbolicChain, discount, reward
from dstheory.symbolic.objectives import lookup
from dstheory.symbolic.policy import differentiate, minimal_policy
from dstheory.symbolic.setting import setting
from dstheory.symbolic.updates import differentiated, expected_update, generic_turns, trajectories

PAPER = "arXiv 2601.01580"

p, a, b, gamma = map(symbol, ["p", "a", "b", "gamma"])
CUBE = {"p a b": UNIT}


# --- B1 ---------------------------------------------------------------------------------------------------------------


lp_s, lp_d, L = sp.symbols("lp_s lp_d L")


def forms_are_balanced() -> Iterator[Step]:
    """B1: the coefficients of both forms are derivatives of what training code writes, and add up to the gradient of the
        value."""
    for name, words in (("reinforce", "Return form"), ("reward-to-go", "Reward-to-go form")):
        for per in ("turn", "stage"):
            s = setting(rewards="general", discount_per=per)
            rule = lookup(name)
            turns = generic_turns(s, rule)
            credits = [turn.total if name == "reinforce" else turn.scale * turn.to_go for turn in turns]
            losses = {Symbol(f"L_{i}"): credit * (lp_s + lp_d) for i, credit in enumerate(credits, 1)}
            for stage, lp in enumerate((lp_s, lp_d)):
                yield identity(
                    f"{words}, discount once per {per}: on every answer and decision (`C` stop, `C` resample, `W` stop, `W` "
                    f"resample) the rule's coefficient of the {('sampling', 'decision')[stage]} term is the derivative "
                    f"of credit times log-probability of the turn, one credit for both stages, whatever the discount so far "
                    f"(`scale_k`), the reward collected (`past_k`) and to come (`future_k`).",
                    [rule.coefficients(s, turn)[stage] for turn in turns],
                    [derivative(loss, lp) for loss in losses],
                    where={"lp_s lp_d": REAL},
                    using=losses,
                )
            update, slope = expected_update(s, rule), differentiated(s, rule)
            assert slope is not None
            yield identity(
                "And they are coefficients of that objective: the expectation of coefficient times score is the gradient "
                "of the value, on each logit of the minimal chain.",
                list(update.values()),
                [slope[logit] for logit in update],
                where=CUBE,
                lemma=True,
            )


TURNS = {"gamma": CLOSED_UNIT, "R_SC R_RC R_SW R_RW": REAL, "scale_k past_k future_k": REAL}

B1 = Claim(
    id="B1",
    group="B",
    title="REINFORCE is balanced at coefficient level, as return or as reward-to-go with its outer discount",
    statement="""On every turn of every trajectory the sampling and the decision term of the surrogate reward gradient
        carry the same coefficient: `G` in return form, `gamma^t G_t` in reward-to-go form, with the discount once per
        turn or per stage.""",
    latex=r"c_s(k,\tau)=c_d(k,\tau)",
    level="coefficient",
    scope="all trajectories of all chains with rewards paid at decisions",
    source=PAPER,
    domain=TURNS,
    proof=forms_are_balanced,
    related=["B1-dropped", "B1-loose", "B2", "B3-loose"],
    notes="""Coefficients are compared with the outer discount `gamma^t` kept; B1-dropped says what happens without it.
        A reward paid when the answer is drawn, before its decision, would enter `c_s` but not the reward-to-go of the
        decision.""",
)


def two_turns_by_stage() -> tuple[list[sp.Expr], list[sp.Expr]]:
    """Returns to go of both stages at every turn of every trajectory of two turns, summed over the stages that follow."""
    table = reward(sp.symbols("R_SC R_SW"), sp.symbols("R_RC R_RW"))
    sampling, decision = [], []
    for trajectory in trajectories(SymbolicChain(minimal_policy(), 2)):
        paid: list[sp.Expr] = []  # an answer is paid nothing, its decision is; one step of time each
        for answer, choice in trajectory.steps:
            paid += [sp.S.Zero, table.decision(answer, choice) if choice else sp.S.Zero]
        if trajectory.steps[-1][1] is None:  # the cap submits the last answer: no decision to compare
            paid[-2:] = [table.stop[trajectory.steps[-1][0]]]
        for k, (_, choice) in enumerate(trajectory.steps):
            if choice is not None:
                sampling.append(sp.Add(*[gamma**j * x for j, x in enumerate(paid[2 * k :])]))
                decision.append(sp.Add(*[gamma**j * x for j, x in enumerate(paid[2 * k + 1 :])]))
    return sampling, decision


def ratio_is_gamma() -> Iterator[Step]:
    """B1-dropped: all trajectories of two turns one by one, then any turn."""
    sampling, decision = two_turns_by_stage()
    yield identity(
        "By enumeration: every decision of every trajectory of two turns, returns to go summed stage by stage with one "
        "factor `gamma` per stage.",
        sampling,
        [gamma * c_d for c_d in decision],
    )
    now, later = sp.symbols("R_now G_next")
    c_s, c_d = sp.symbols("c_s c_d")
    yield identity(
        "At any turn it is the definition: an answer is paid nothing itself, so that its return to go is `gamma` times that of "
        "its decision, which is paid `R_now` and then, one stage later, what follows.",
        c_s,
        gamma * c_d,
        where={"R_now G_next": REAL},
        using={c_d: now + gamma * later, c_s: 0 + gamma * (now + gamma * later)},
        lemma=True,
    )


def per_stage_without_outer_factor() -> list[tuple[sp.Expr, sp.Expr]]:
    """Reward-to-go as training code writes it: each stage's return to go in units of its own time, no factor gamma^t."""
    s = setting(rewards="general", discount_per="stage")
    return [(turn.to_go, turn.to_go_decision) for turn in generic_turns(s, lookup("reward-to-go"))]


B1_DROPPED = Claim(
    id="B1-dropped",
    group="B",
    title="With a discount per stage, dropping the outer discount makes `c_s` exactly `gamma c_d`",
    statement="""With a discount per stage, reward-to-go without its outer factor `gamma^t`, as training code writes it,
        gives `c_s = gamma c_d` on every turn of every trajectory.""",
    latex=r"c_s(k,\tau)=\gamma\,c_d(k,\tau)",
    level="coefficient",
    scope=(
        "rewards paid at decisions; all trajectories of two turns by enumeration, any turn by the definition of "
        "the return to go"
    ),
    domain={"gamma": CLOSED_UNIT, "R_SC R_RC R_SW R_RW": REAL},
    proof=ratio_is_gamma,
    related=["B1", "B1-loose"],
)

B1_LOOSE = Claim(
    id="B1-loose",
    group="B",
    title="Every discounted form of REINFORCE is balanced",
    statement="Reward-to-go coefficients are equal at the two stages also when the outer factor `gamma^t` is dropped.",
    level="coefficient",
    scope="a stop on a correct answer, discount per stage",
    domain={"gamma": UNIT, "R_SC": REAL},
    proof=lambda: [decide("Stopping on a correct answer.", Eq(*per_stage_without_outer_factor()[0]))],
    recorded="fails",
    witness={"gamma": "1/2", "R_SC": "1"},
    related=["B1", "B1-dropped"],
)


# --- B2 ---------------------------------------------------------------------------------------------------------------

V, N, g_s, g_C, g_W = sp.symbols("V N dV/dtheta_s dV/dtheta_C dV/dtheta_W")
u, v, w = sp.symbols("u v w")
chain = SymbolicChain(minimal_policy())
value = chain.value(reward((1, 0), (0, 0)), discount())
GRADIENT = dict(
    zip((g_s, g_C, g_W), (differentiate(value, logit) for logit in chain.policy.logits), strict=True),
)
SIDES = {
    u: (1 - p) * (1 - gamma * b),
    v: (1 - a) * (1 - gamma * (p + (1 - p) * b)),
    w: gamma * (1 - p) * b * (1 - b),
}

def surface_of_equal_norms() -> Iterator[Step]:
    """B2: the norms differ somewhere; a common factor cancels, and what is left is linear in the square of 1 - a."""
    yield counterexample(
        "The norms are not equal everywhere, for instance not at `p = a = b = gamma = 1/2`.",
        Eq(g_s**2, g_C**2 + g_W**2),
        at={p: "1/2", a: "1/2", b: "1/2", gamma: "1/2"},
    )
    u_1, v_1, w_1 = sp.symbols("u_1 v_1 w_1")
    at_one = {name: value.subs(gamma, 1) for name, value in zip((u_1, v_1, w_1), SIDES.values(), strict=True)}
    slope = 1 - gamma * (p + (1 - p) * b)
    yield identity(
        "The derivatives share the factor `N^2 p a > 0`; what remains are three polynomials `u`, `v`, `w`.",
        [g_s, g_C, g_W],
        [N**2 * p * a * side for side in (u, v, w)],
    )
    yield identity(
        "So the difference of the squared norms has the sign of `v^2 + w^2 - u^2`.",
        g_C**2 + g_W**2 - g_s**2,
        (N**2 * p * a) ** 2 * (v**2 + w**2 - u**2),
    )
    yield decide(
        "The surface is a graph. Only `v` depends on `a`, through the factor `1 - a`: at `a = 1` the decision norm is the "
        "smaller one,",
        w**2 < u**2,
    )
    yield decide("at `a = 0` it is the larger one,", slope**2 + w**2 > u**2)
    yield decide(
        "and `v^2` strictly decreases in `a`: for all `p`, `b`, `gamma` there is exactly one a of equal norms, and decisions "
        "have the larger gradient exactly below it.",
        Implies(a < Symbol("a_more"), v > (1 - Symbol("a_more")) * slope),
        where={"a_more": UNIT},
    )
    yield identity(
        "Without discount the surface does not depend on `p`: it is the cylinder `(1 - a)^2 + b^2 = 1`.",
        v_1**2 + w_1**2 - u_1**2,
        ((1 - p) * (1 - b)) ** 2 * ((1 - a) ** 2 + b**2 - 1),
        using=at_one,
    )
    yield example(
        "A point on it: `p = 1/2`, `a = 2/5`, `b = 4/5`.",
        Eq(v_1**2 + w_1**2, u_1**2),
        at={p: "1/2", a: "2/5", b: "4/5"},
        using=at_one,
    )
    yield example(
        "Decisions with the larger gradient: `p = 1/2`, `a = 1/4`, `b = 3/4`.",
        v_1**2 + w_1**2 > u_1**2,
        at={p: "1/2", a: "1/4", b: "3/4"},
        using=at_one,
    )


B2 = Claim(
    id="B2",
    group="B",
    title="Where the norms are equal: one surface, `(1-a)^2 + b^2 = 1` without discount and cap",
    statement="""With terminal accuracy reward the gradient norms of the two stages agree exactly where `u^2 = v^2 +
        w^2`, with `u = (1-p)(1 - gamma b)`, `v = (1-a)(1 - gamma(p + (1-p) b))` and `w = gamma (1-p) b (1-b)`. For all `p`, `b`,
        `gamma` this is exactly one value of `a`; decisions have the larger gradient below it, sampling above it. At `gamma
        = 1` the surface is `(1-a)^2 + b^2 = 1`, whatever `p`.""",
    latex=r"\|g_s\|=\|g_d\|\iff u^2=v^2+w^2;\qquad \gamma=1:\ (1-a)^2+b^2=1",
    level="gradient",
    scope="all real parameters of the minimal chain with terminal accuracy reward, gamma in [0, 1]",
    domain={**CUBE, "gamma": CLOSED_UNIT},
    definitions={N: chain.visits(gamma), **GRADIENT, **SIDES},
    proof=surface_of_equal_norms,
    related=["B1", "B4"],
)


# --- B3 ---------------------------------------------------------------------------------------------------------------


def same_update(rewards: str) -> Step:
    """The step that says that the return form and the advantage form have one expected gradient."""
    s = setting(rewards=rewards)
    returns, advantages = (expected_update(s, lookup(name)) for name in ("reinforce", "advantage"))
    return identity(
        "The advantage form has the same expected gradient as the return form (both computed from their coefficient "
        "rules).",
        list(advantages.values()),
        [returns[name] for name in advantages],
        lemma=True,
    )


def advantage_coefficients() -> list[tuple[sp.Expr, sp.Expr]]:
    """Coefficients of the advantage form at the first turn, accuracy reward."""
    s = setting(rewards="accuracy")
    pairs = [lookup("advantage").coefficients(s, turn) for turn in generic_turns(s, lookup("advantage"))]
    return [(c_s.subs(Symbol("scale_k", real=True), 1), c_d.subs(Symbol("scale_k", real=True), 1)) for c_s, c_d in pairs]


def balance_of_the_objective() -> Iterator[Step]:
    """B3-loose: one expected gradient, two forms, of which only one is balanced."""
    yield same_update("accuracy")
    pairs = advantage_coefficients()
    names = [(Symbol(f"c_s{i}"), Symbol(f"c_d{i}")) for i, _ in enumerate(pairs, 1)]
    yield decide(
        "If balance belonged to the objective, the advantage form would be balanced as the return form is (B1): `c_s = c_d` "
        "for `C` stop, `C` resample, `W` stop and `W` resample.",
        And(*[Eq(*name) for name in names]),
        using={name: value for both, pair in zip(names, pairs, strict=True) for name, value in zip(both, pair, strict=True)},
    )


B3_LOOSE = Claim(
    id="B3-loose",
    group="B",
    title="Balance at coefficient level is a property of the objective",
    statement="""Two coefficient rules with the same expected gradient are both balanced or both unbalanced; in
        particular the advantage form of the reward gradient is balanced because the return form is.""",
    level="coefficient",
    scope="the minimal chain, terminal accuracy reward, first turn",
    source=f"{PAPER}, read as a statement about objectives",
    domain={**CUBE, "gamma": UNIT},
    proof=balance_of_the_objective,
    recorded="fails",
    witness={"p": "1/2", "a": "1/2", "b": "1/2", "gamma": "1/2"},
    related=["B1", "B3", "B3-every"],
)


def baselines_leave_the_gradient() -> Iterator[Step]:
    """B3: what may be added to a coefficient without a trace in the expected gradient."""
    z, rest, other, shift, noise = sp.symbols("z y x_j beta_y Z")
    on, off, up, down = sp.symbols("log_on log_off s_stop s_res")
    answer = {on: sp.log(sp.exp(z) / (sp.exp(z) + rest)), off: sp.log(other / (sp.exp(z) + rest))}
    yield identity(
        "Any function of the prompt may be added to the sampling coefficient. The `logit z` of an answer has probability "
        "`e^z/(e^z + y)`, `y` the sum over all others, of which answer `j` has the part `x_j`: the scores of the answer and of "
        "the others, derivatives of their log-probabilities, have mean zero, for any number of answers.",
        shift * (sp.exp(z) * derivative(on, z) + rest * derivative(off, z)) / (sp.exp(z) + rest),
        0,
        where={"z beta_y": REAL, "y x_j": POSITIVE},
        using=answer,
    )
    decision = {on: sp.log(sp.exp(z) / (1 + sp.exp(z))), off: sp.log(1 / (1 + sp.exp(z)))}
    yield identity(
        "Any function of prompt and answer may be added to the decision coefficient: stop has probability `e^z/(1 + e^z)`.",
        shift * (sp.exp(z) * derivative(on, z) + derivative(off, z)) / (1 + sp.exp(z)),
        0,
        where={"z beta_y": REAL},
        using=decision,
    )
    yield identity(
        "And anything of mean zero given the answer, such as a multiple `Z` of the decision's score, may be added to "
        "the sampling coefficient: the sampling score `s` on that answer does not see it.",
        (sp.exp(z) * (noise * up) * Symbol("s") + (noise * down) * Symbol("s")) / (1 + sp.exp(z)),
        0,
        where={"z Z s": REAL},
        using={**decision, up: derivative(on, z), down: derivative(off, z)},
    )
    yield same_update("general")
    yield counterexample(
        "Subtracting the baselines `V` and `Q_s` from the returns-to-go gives the advantages, which are not equal: a "
        "resample on a correct answer, at `p = a = b = 1/2` without future (`gamma = 0`), has `A_s = 1/4` and `A_d = -1/2`.",
        And(*[Eq(c_s, c_d) for c_s, c_d in advantage_coefficients()]),
        at={p: "1/2", a: "1/2", b: "1/2", gamma: 0, **dict.fromkeys(("R_SC", "R_RC", "R_SW", "R_RW"), 0)},
    )


B3 = Claim(
    id="B3",
    group="B",
    title="Coefficient balance is a choice of gauge",
    statement="""Subtracting admissible baselines (a function of `x` at the sampling stage, of (`x`, `y`) at the decision
        stage) leaves the expected gradient unchanged and may destroy the equality of coefficients: the return form is
        balanced, the advantage form with the same expected gradient in general is not.""",
    latex=r"\mathrm{E}[b(x)\nabla\log\pi_s]=0,\quad \mathrm{E}[b(x,y)\nabla\log\pi_d\mid y]=0",
    level="coefficient",
    scope="any number of answers; equality of the two forms in the minimal chain with any rewards",
    domain={**CUBE, "gamma": CLOSED_UNIT, "R_SC R_RC R_SW R_RW": REAL},
    proof=baselines_leave_the_gradient,
    related=["B3-loose", "B3-every", "B1"],
    notes="So level (`i`) alone describes how an estimator is written, not the objective that it estimates.",
)


def every_rule_has_a_balanced_form() -> Iterator[Step]:
    """B3-every: the construction f(y, d) = c_s(y) + c_d(y, d) - E[c_d | y]."""
    sigma, sampling, stop, resample, mean, f_stop, f_resample, score = sp.symbols("sigma c_s c_stop c_res m f_stop f_res s")
    form = {
        mean: sigma * stop + (1 - sigma) * resample,
        f_stop: sampling + stop - mean,
        f_resample: sampling + resample - mean,
    }
    where = {"sigma": UNIT, "c_s c_stop c_res s": REAL}
    yield identity(
        "Let a rule give an answer `y` the coefficient `c_s` and its decisions `c_stop`, `c_res` (their expectations given "
        "what the policy has seen, if they depend on the future). Give both stages `f(d) = c_s + c_d - E[c_d | y]`. On "
        "the sampling score `s` of the answer nothing changes in expectation:",
        sigma * f_stop * score + (1 - sigma) * f_resample * score,
        sampling * score,
        where=where,
        using=form,
    )
    yield identity(
        "nor on the score of the decision, `1 - sigma` on stop and `-sigma` on resample.",
        sigma * f_stop * (1 - sigma) + (1 - sigma) * f_resample * (-sigma),
        sigma * stop * (1 - sigma) + (1 - sigma) * resample * (-sigma),
        where=where,
        using=form,
    )


B3_EVERY = Claim(
    id="B3-every",
    group="B",
    title="Every on-policy coefficient rule has a balanced form with the same expected gradient",
    statement="""For any on-policy rule with coefficients `c_s(y)`, `c_d(y, d)` the rule that gives both stages of a turn
        the one coefficient `f(y, d) = c_s(y) + c_d(y, d) - E[c_d | y]` has the same expected gradient and is balanced.
        No on-policy objective is unbalanced at coefficient level in a sense that survives the choice of gauge.""",
    latex=r"f(y,d)=c_s(y)+c_d(y,d)-\mathrm{E}[c_d\mid y]",
    level="coefficient",
    scope="any number of answers and turns, any on-policy rule",
    domain={},
    proof=every_rule_has_a_balanced_form,
    related=["B3", "B3-loose", "B4"],
    notes="""What differs between rewards and log-likelihoods in every gauge is their energy: intensive for a `0/1`
        reward (B4-bound), for a log-likelihood growing with independent tokens that tell two policies apart (C4, D3).""",
)
