"""Group C, optimum: what demonstrations teach at all (C3) and whether the length weight moves what SFT converges to (C5)."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import And, Eq, Equivalent, Implies, Not, Or, Symbol, log

from dstheory.claims import POSITIVE, UNIT, Claim, Step, between, counterexample, decide, derivative, identity
from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import discount, reward
from dstheory.symbolic.objectives import lookup
from dstheory.symbolic.policy import differentiate
from dstheory.symbolic.setting import SymbolicSetting, setting
from dstheory.symbolic.updates import differentiated, expected_update

PAPER = "arXiv 2601.01580"

p, a, b, p_E, a_E, b_E, w_s, w_d, gamma = map(symbol, ["p", "a", "b", "p_E", "a_E", "b_E", "w_s", "w_d", "gamma"])
g_s, g_C, g_W, n_E, w_more = sp.symbols("g_s g_C g_W n_E w_more")
s = setting()


def likelihood_gradient(s: SymbolicSetting) -> dict[sp.Symbol, sp.Expr]:
    """The derivative of the demonstrations' weighted log-likelihood, by logit."""
    slopes = differentiated(s, lookup("sft"))
    assert slopes is not None
    return slopes


GRADIENT = dict(zip((g_s, g_C, g_W), likelihood_gradient(s).values(), strict=True))
CUBE = {"p a b": UNIT}
WEIGHTS = {"w_s w_d": POSITIVE}
DEMONSTRATIONS = {"p_E a_E": between(0, 1, "(]"), "b_E": between(0, 1, "[]")}
COVERAGE = {"p_E a_E b_E": UNIT}
VISITS = s.following(s.expert).visits()
CLOSED_FORM = {
    g_s: w_s * n_E * (p_E - p),
    g_C: w_d * n_E * p_E * (a_E - a),
    g_W: w_d * n_E * (1 - p_E) * (b_E - b),
}


def closed_form() -> Step:
    """The SFT gradient of the minimal chain, differentiated and compared with its closed form."""
    return identity(
        "The gradient, differentiated from the likelihood of the demonstrations; `n_E` is the expert's expected number of turns.",
        list(CLOSED_FORM),
        list(CLOSED_FORM.values()),
        using={n_E: VISITS},
    )


# --- C3 ---------------------------------------------------------------------------------------------------------------


def coverage() -> Iterator[Step]:
    """C3: a state's gradient carries the factor of how often the demonstrations visit it."""
    yield closed_form()
    general = setting(answers=3)
    names = [symbol(f"t_{i}") for i in (1, 2, 3)]
    turns, expert = Symbol("n_E"), general.expert
    slopes = likelihood_gradient(general)
    left = sp.symbols("g_1 g_2 g_3")
    mass = expert.sample_at(0)
    yield identity(
        "With more answers (three here) each answer's decision has the same form: its share of the demonstrated turns times "
        "the difference of stop probabilities.",
        left,
        [w_d * turns * x * (e - symbol(f"sigma_{i}")) for i, x, e in zip((1, 2, 3), mass, expert.stop_at(0), strict=True)],
        where={f"sigma_{i}": UNIT for i in (1, 2, 3)} | {f"sigma_{i}_E": UNIT for i in (1, 2, 3)} | {"pi_1_E pi_2_E": UNIT},
        given=[symbol("pi_1_E") + symbol("pi_2_E") < 1],
        using={turns: general.following(expert).visits()} | {g: slopes[t] for g, t in zip(left, names, strict=True)},
    )
    yield decide(
        "Demonstrations that are right first time (`p_E = 1`) carry exactly no signal for resampling a wrong answer, at any "
        "length weight, and they are the only ones, apart from those that resample exactly as the policy already does.",
        Equivalent(Eq(g_W, 0), Or(Eq(p_E, 1), Eq(b_E, b))),
    )
    value = s.chain.value(reward((1, 0), (0, 0)), discount())
    reward_slope = differentiate(value, s.policy.logit("theta_W"))
    yield identity(
        "On-policy reward visits wrong answers with probability `1 - p` at every turn (`N` discounted turns),",
        Symbol("dV/dtheta_W"),
        Symbol("N") * (1 - p) * b * (1 - b) * gamma * Symbol("V"),
        where={"gamma": between(0, 1, "(]")},
        using={"N": s.chain.visits(gamma), "V": value, "dV/dtheta_W": reward_slope},
    )
    yield decide(
        "so that its signal on `theta_W` is positive on the whole open cube.",
        Symbol("dV/dtheta_W") > 0,
        where={"gamma": between(0, 1, "(]")},
        using={"dV/dtheta_W": reward_slope},
    )


C3 = Claim(
    id="C3",
    group="C",
    title="Coverage: demonstrations that are right first time tell a tabular policy nothing about wrong answers",
    statement="""In a tabular policy, SFT's gradient on `theta_W` is `w_d n_E (1-p_E)(b_E - b)`, proportional to how often
        demonstrations visit wrong answers. Demonstrations that are right first time (`p_E = 1`) give exactly zero, at any length
        weight. A reward for accuracy on the policy, with a discount above 0, visits wrong answers with probability `1 - p > 0`
        and has a positive gradient there.""",
    latex=r"\partial_{\theta_W}J_{\mathrm{SFT}}=w_d\,n_E(1-p_E)(b_E-b)",
    level="gradient",
    scope="tabular policies: all real parameters of the minimal chain, all experts that stop; the factor also for three answers",
    source=f"{PAPER} for SFT; derived here",
    domain={**CUBE, **DEMONSTRATIONS, **WEIGHTS},
    definitions=GRADIENT,
    proof=coverage,
    related=["C3-loose", "C3-shared", "C5", "B6"],
)

C3_LOOSE = Claim(
    id="C3-loose",
    group="C",
    title="SFT on solutions that end correct teaches when to resample",
    statement="""If every demonstration ends in a correct answer, wrong answers being always resampled (`b_E = 1`), SFT raises the
        policy's probability of resampling a wrong answer.""",
    latex=r"b_E=1\implies\partial_{\theta_W}J_{\mathrm{SFT}}>0",
    level="gradient",
    scope="the minimal chain",
    domain={"b": UNIT, "p_E a_E": between(0, 1, "(]"), "w_d": POSITIVE},
    definitions={g_W: GRADIENT[g_W].subs(b_E, 1)},
    proof=[decide("The gradient on `theta_W` is positive.", g_W > 0)],
    recorded="fails",
    witness={"b": "1/2", "p_E": "1", "a_E": "1", "w_d": "1"},
    related=["C3"],
)


def shared_stop_bias() -> Iterator[Step]:
    """C3-shared: the bias learns from correct answers what it then does on wrong ones."""
    likelihood, moves = sp.symbols("J db/dt")
    seen = p_E * (a_E * log(a) + (1 - a_E) * log(1 - a)) + (1 - p_E) * ((1 - b_E) * log(1 - b) + b_E * log(b))
    yield identity(
        "A bias that is added to the stop logits of both answers raises `a` and lowers `b`: the derivative of the likelihood of "
        "the demonstrated decisions in it is that of `theta_C` minus that of `theta_W`.",
        a * (1 - a) * derivative(likelihood, a) - b * (1 - b) * derivative(likelihood, b),
        g_C - g_W,
        where={**DEMONSTRATIONS, "b": UNIT},
        using={likelihood: w_d * VISITS * seen, g_C: GRADIENT[g_C], g_W: GRADIENT[g_W]},
    )
    bias = (GRADIENT[g_C] - GRADIENT[g_W]).subs(p_E, 1)
    only = {moves: b * (1 - b) * (GRADIENT[g_W].subs(p_E, 1) - bias)}
    yield identity(
        "If all demonstrated answers are right (`p_E = 1`), `theta_W`'s own part is zero (C3) and the bias's is `w_d (a_E - "
        "a)/a_E`. Along the gradient flow `b` falls at this speed,",
        moves,
        -b * (1 - b) * w_d * (a_E - a) / a_E,
        using=only,
    )
    yield decide(
        "that is, exactly as long as `a` is below `a_E`: always, if the demonstrations stop at once (`a_E = 1`).",
        And(Equivalent(moves < 0, a < a_E), Implies(Eq(a_E, 1), moves < 0)),
        using=only,
    )


C3_SHARED = Claim(
    id="C3-shared",
    group="C",
    title="With one stop bias for all answers, demonstrations right first time unlearn resampling while `a < a_E`",
    statement="""If the stop logits of right and wrong answers share a bias, with or without parameters of their own
        besides, SFT on demonstrations that are right first time lowers `P(resample | wrong)` as long as `a < a_E`: `db/dt
        = -b(1-b) w_d (a_E - a)/a_E`, at every length weight.""",
    latex=r"\dot b=-b(1-b)\,w_d\,\frac{a_E-a}{a_E}",
    level="gradient",
    scope="gradient flow; the minimal chain with stop logits bias + own part, sampling tabular; all real parameters",
    domain={"a b": UNIT, "a_E": between(0, 1, "(]"), "w_d": POSITIVE},
    proof=shared_stop_bias,
    related=["C3"],
    notes="""A network shares more than a bias. What C3 says of a table, that nothing happens to `b`, is no prediction for it.""",
)


# --- C5 ---------------------------------------------------------------------------------------------------------------

C5_LOOSE = Claim(
    id="C5-loose",
    group="C",
    title="The length weight moves the optimum of tabular SFT",
    statement="""A policy at which SFT's gradient vanishes for one weight of the sampling stage is no longer stationary
        when that weight is raised.""",
    latex=r"g(w_s)=0,\ w_{\mathrm{more}}>w_s\implies g(w_{\mathrm{more}})\ne0",
    level="optimum",
    scope="the minimal chain, demonstrations that cover wrong answers",
    source=f"{PAPER}, claim 4 read as one about optima",
    domain={**CUBE, **COVERAGE, **WEIGHTS, w_more: POSITIVE},
    definitions=GRADIENT,
    assumptions=[w_s < w_more],
    proof=lambda: [
        decide(
            "Not stationary at both weights.",
            Not(And(Eq(g_s, 0), Eq(g_C, 0), Eq(g_W, 0), Eq(Symbol("g_s_more"), 0))),
            using={"g_s_more": GRADIENT[g_s].subs(w_s, w_more)},
        )
    ],
    recorded="fails",
    witness=dict.fromkeys(("p", "a", "b", "p_E", "a_E", "b_E"), "1/2") | {"w_s": "1", "w_d": "1", "w_more": "2"},
    related=["C5", "C5-moves"],
)


def optimum_is_the_expert() -> Iterator[Step]:
    """C5: signs on either side of the expert, and the counterexample for answers of different weight."""
    yield closed_form()
    for x, x_E, g in ((p, p_E, g_s), (a, a_E, g_C), (b, b_E, g_W)):
        yield decide(
            f"In `{x}` the objective rises below `{x_E}` and falls above it, for all weights: with coverage `{x} = {x_E}` is the "
            "only stationary point and the maximum.",
            And(Equivalent(g > 0, x < x_E), Equivalent(g < 0, x > x_E)),
        )
    per_answer = likelihood_gradient(setting(per_answer_lengths=True))
    uneven = {"g_uneven": per_answer[symbol("theta_s")].subs(p, p_E)}
    yield counterexample(
        "The condition is needed: where correct answers weigh 1 and wrong ones 2, the expert is not stationary.",
        Eq(Symbol("g_uneven"), 0),
        at={"p_E": "1/2", "a_E": "1/2", "b_E": "1/2", "w_C": 1, "w_W": 2},
        where={"w_C w_W": POSITIVE},
        using=uneven,
    )


C5 = Claim(
    id="C5",
    group="C",
    title="With coverage and answers of one length, the length weight does not move the optimum of tabular SFT",
    statement="""If demonstrations visit both answers, both stop and resample at each, and all answers of a prompt weigh the same,
        the expert (`p_E`, `a_E`, `b_E`) is the only stationary point of tabular SFT, and its maximum, for every pair of stage
        weights, whatever the length weight and the reduction.""",
    latex=r"\arg\max J_{\mathrm{SFT}}=(p_E,a_E,b_E)\quad\text{for all }w_s,w_d>0",
    level="optimum",
    scope="all real parameters of the minimal chain; each state is a softmax or logistic state of its own",
    domain={**CUBE, **COVERAGE, **WEIGHTS},
    definitions=GRADIENT,
    proof=optimum_is_the_expert,
    recorded="holds under condition",
    related=["C5-loose", "C5-lengths", "C5-moves", "C3"],
)


def tilted_optimum() -> Iterator[Step]:
    """C5-lengths: the stationary p with a weight per answer."""
    w_C, w_W, best = symbol("w_C"), symbol("w_W"), Symbol("p_best")
    slope = {g_s: expected_update(setting(per_answer_lengths=True), lookup("sft"))[symbol("theta_s")]}
    yield decide(
        "The gradient on `theta_s` is positive below `p_best` and negative above it.",
        And(Equivalent(g_s > 0, p < best), Equivalent(g_s < 0, p > best)),
        using=slope,
    )
    yield identity(
        "`p_best` has the expert's odds times the ratio of the weights: the policy answers wrong more often than the expert if "
        "wrong answers are the longer ones.",
        best / (1 - best),
        p_E / (1 - p_E) * w_C / w_W,
    )
    moves = expected_update(setting(per_answer_lengths=True), lookup("sft"))
    yield identity(
        "Decisions have the gradients of C5, whatever the answers weigh, which vanish at the expert's probabilities.",
        [g_C, g_W],
        [CLOSED_FORM[g_C], CLOSED_FORM[g_W]],
        where={"a b": UNIT, "w_d": POSITIVE},
        using={n_E: VISITS, g_C: moves[symbol("theta_C")], g_W: moves[symbol("theta_W")]},
    )
    yield three_answers()
    pi, mean, grad = sp.symbols("pi_y w_bar g_y")
    weight, demo = sp.symbols("w_y pi_y_E")
    yield identity(
        "Any number of answers: the scores `1{z = y} - pi_y` of the demonstrated answers `z` add up to `n_E (w_y pi_y_E - pi_y "
        "w_bar)`, the gradient on the logit of `y`, `w_bar = sum_z w_z pi_z_E`, which vanishes at `pi_y = w_y pi_y_E / w_bar`.",
        grad,
        0,
        where={"n_E w_y w_bar": POSITIVE, "pi_y_E": UNIT},
        using={pi: weight * demo / mean, grad: n_E * (weight * demo - pi * mean)},
    )


def three_answers() -> Step:
    """The step that checks the tilted optimum with the engine's own gradient of three answers."""
    three = setting(answers=3, per_answer_lengths=True)
    update, demos = expected_update(three, lookup("sft")), three.expert.sample_at(0)
    mean = sp.Add(*[w * x for w, x in zip(three.weights.sample, demos, strict=True)])
    best = {symbol(f"pi_{i}"): three.weights.sample[i - 1] * demos[i - 1] / Symbol("w_bar") for i in (1, 2)}
    names = sp.symbols("g_1 g_2 g_3")
    return identity(
        "Three answers, from SFT's rule: all three sampling gradients vanish at `pi_y = w_y pi_y_E / w_bar`.",
        names,
        [0, 0, 0],
        where={"pi_1_E pi_2_E sigma_1_E sigma_2_E sigma_3_E": UNIT, "w_1 w_2 w_3": POSITIVE},
        given=[symbol("pi_1_E") + symbol("pi_2_E") < 1],
        using={"w_bar": mean, **{g: update[symbol(f"z_{i}")].subs(best) for i, g in enumerate(names, 1)}},
    )


C5_LENGTHS = Claim(
    id="C5-lengths",
    group="C",
    title="Where longer answers weigh more the optimum of tabular SFT is tilted towards them",
    statement="""If the answers of a prompt have different weights `w_y = l_y^lambda`, the optimum of tabular SFT is not
        the expert but `pi_y` proportional to `w_y pi_y^E`; in the minimal chain the odds of a correct answer are the
        expert's times `(l_C/l_W)^lambda`. Decisions keep the expert's probabilities.""",
    latex=r"\pi^*_y\propto l_y^{\lambda}\,\pi^E_y",
    level="optimum",
    scope="all real parameters of the minimal chain; stationarity for any number of answers",
    domain={"p p_E a_E b_E": UNIT, "w_C w_W": POSITIVE},
    definitions={"p_best": p_E * symbol("w_C") / (p_E * symbol("w_C") + (1 - p_E) * symbol("w_W"))},
    proof=tilted_optimum,
    related=["C5"],
    notes="""The weight multiplies the log-probability of a whole answer. With weight 1 the objective is the likelihood of the
        demonstrations, and its optimum is the expert whatever the lengths.""",
)


def what_the_weight_moves() -> Iterator[Step]:
    """C5-moves: speed, coverage, clipping, shared trunk."""
    rate_s, rate_C = sp.symbols("rate_s rate_C")
    speeds = {
        rate_s: -differentiate(GRADIENT[g_s], s.policy.logit("theta_s")).subs(p, p_E),
        rate_C: -differentiate(GRADIENT[g_C], s.policy.logit("theta_C")).subs(a, a_E),
    }
    yield identity(
        "Speed, hence finite training: near the optimum errors decay at rates proportional to the stages' weights,",
        [rate_s, rate_C],
        [w_s * n_E * p_E * (1 - p_E), w_d * n_E * p_E * a_E * (1 - a_E)],
        using={n_E: VISITS, **speeds},
    )
    yield identity(
        "so the ratio of decision and sampling rates is exactly proportional to `w_d/w_s` (under the stage mean the decision's "
        "own rate tends to 0 with the length, by C2).",
        rate_C / rate_s,
        w_d / w_s * a_E * (1 - a_E) / (1 - p_E),
        using=speeds,
    )
    h_s, h_d, c, shown = sp.symbols("h_s h_d c P")
    clipped = c * w_d * h_d / sp.sqrt(w_s**2 * h_s**2 + w_d**2 * h_d**2)
    yield decide(
        "Global-norm clipping at `c`: the decision's clipped step shrinks as the sampling weight grows (F1).",
        Implies(w_s < w_more, clipped > clipped.subs(w_s, w_more)),
        where={"h_s h_d c w_more": POSITIVE},
    )
    yield decide(
        "Missing coverage (`P = 1`, `P` the demonstrations' `P(correct)`): a `theta_W` of its own does not move, so `b` stays "
        "where it started at any weight, and only then, apart from demonstrations that resample as the policy does.",
        Equivalent(Eq(g_W, 0), Or(Eq(shown, 1), Eq(b_E, b))),
        where={shown: between(0, 1, "(]"), "b": UNIT},
        using={g_W: GRADIENT[g_W].subs(p_E, shown)},
    )
    x, best, trunk = sp.symbols("x x_best g_trunk")
    shared = {
        trunk: (GRADIENT[g_s] + GRADIENT[g_C]).subs({p: x, a: x}),
        best: (w_s * p_E + w_d * p_E * a_E) / (w_s + w_d * p_E),
    }
    yield decide(
        "Shared trunk: one parameter for both, `theta_s = theta_C`, so `p = a = x`. Its only stationary point is a weighted mean "
        "of `p_E` and `a_E`,",
        And(Equivalent(trunk > 0, x < best), Equivalent(trunk < 0, x > best)),
        where={x: UNIT},
        using=shared,
    )
    yield decide(
        "which a larger sampling weight moves strictly towards `p_E`, from either side.",
        And(
            Implies(And(w_s < w_more, p_E < a_E), And(best > Symbol("x_more"), Symbol("x_more") > p_E)),
            Implies(And(w_s < w_more, p_E > a_E), And(best < Symbol("x_more"), Symbol("x_more") < p_E)),
        ),
        where={w_more: POSITIVE},
        using={best: shared[best], "x_more": shared[best].subs(w_s, w_more)},
    )


C5_MOVES = Claim(
    id="C5-moves",
    group="C",
    title="What the length weight does move in SFT: speed, clipped steps and shared trunks",
    statement="""Where C5 does not apply. Finite training: near the optimum the error of decisions decays at a rate proportional
        to `w_d`, that of sampling to `w_s`. Global-norm clipping: while it clips and both stages still move, the decision's step
        strictly decreases in `w_s`. A shared trunk: with `theta_s = theta_C` the optimum is `(w_s p_E + w_d p_E a_E)/(w_s + w_d
        p_E)`, which moves with `w_s` unless `p_E = a_E`. In a table without coverage (`p_E = 1`) `theta_W` never moves, at any
        weight.""",
    latex=r"\theta_s=\theta_C:\quad x^*=\frac{w_s\,p_E+w_d\,p_E\,a_E}{w_s+w_d\,p_E}",
    level="optimum",
    scope="the minimal chain, all experts with coverage; the shared trunk is the one of a single parameter",
    domain={**COVERAGE, **WEIGHTS},
    proof=what_the_weight_moves,
    related=["C5", "C5-loose", "C5-time", "C2", "C3"],
)
