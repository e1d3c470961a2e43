"""Rules for rewards: the return, what follows an action, its advantage, PPO on the policy; SCoRe's two attempts."""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import RESAMPLE, STOP, UNDISCOUNTED, Payoff
from dstheory.symbolic.policy import SymbolicPolicy
from dstheory.symbolic.responses import correct_payoff, mean_length, success_rate
from dstheory.symbolic.rule import (
    Coefficients,
    Equation,
    Inline,
    Rule,
    Steps,
    Turn,
    Verbatim,
    decision_probability,
    of,
    rule_discount,
)
from dstheory.symbolic.setting import SymbolicSetting
from dstheory.symbolic.updates import PAST, Update, expected_update, score


def _return_in_words(s: SymbolicSetting) -> tuple[Equation, ...]:
    power = {True: ("k", "k"), False: ("(2*k+1)", "2k+1")}[s.rate.within == 1]
    total = Verbatim(
        f"sum over k of gamma^{power[0]} r_k, r_k the reward of turn k's decision",
        rf"\sum_k \gamma^{{{power[1]}}} r_k,\quad r_k\text{{ the reward of turn $k$'s decision}}",
    )
    return ((of("G", "tau"), total),)


# c_s = c_d = G(tau), the discounted return of the whole trajectory; ascends J = V
REINFORCE = Rule(
    "reinforce",
    lambda s, turn: (turn.total, turn.total),
    payoff=lambda s: s.reward,
    rate=lambda s: s.rate,
    scalar=lambda s, frozen: s.chain.value(s.reward, s.rate),
    scalar_words=("the expected discounted return",),
    scalar_formula=(Verbatim("J", "J"), Verbatim("V", "V")),
    shown=lambda s: (of("G", "tau"), of("G", "tau")),
    where=_return_in_words,
    normaliser=sp.S.One,
)


def reward_to_go(*, outer_discount: bool = True) -> Rule:
    """Return c_s = gamma^t G_t at the answer, c_d = gamma^t' G_t' at the decision: each discounted to its own time.

    Args:
        outer_discount: keep the factors gamma^t. Training code often drops them (False); then the update is no gradient of the
            discounted value, and with a discount per stage c_s/c_d = gamma.
    """
    reward_of_turn = Verbatim(
        "r_k + gamma G_s(k+1), r_k the reward of turn k's decision",
        r"r_k + \gamma\, G_s(k+1),\quad r_k\text{ the reward of turn $k$'s decision}",
    )

    def coefficients(s: SymbolicSetting, turn: Turn) -> Coefficients:
        scale, within = (turn.scale, turn.rate.within) if outer_discount else (1, 1)
        return scale * turn.to_go, scale * within * turn.to_go_decision

    def shown(s: SymbolicSetting) -> tuple[Inline, ...]:
        scale, within = (rule_discount(s), s.rate.within) if outer_discount else (1, 1)
        return scale * of("G_s", "k"), scale * within * of("G_d", "k")

    def scalar(s: SymbolicSetting, frozen: SymbolicPolicy) -> sp.Expr | None:
        nothing_to_drop = s.rate.per_turn == 1
        return REINFORCE.scalar(s, frozen) if outer_discount or nothing_to_drop else None

    return replace(
        REINFORCE,
        name="reward-to-go",
        coefficients=coefficients,
        scalar=scalar,
        shown=shown,
        where=lambda s: ((of("G_s", "k"), s.rate.within * of("G_d", "k")), (of("G_d", "k"), reward_of_turn)),
    )


def _advantages(s: SymbolicSetting, turn: Turn) -> Coefficients:
    values = s.values()
    a_s = values.answer[turn.index][turn.answer] - values.value[turn.index]
    on_stop, on_resample = values.decision[turn.index][turn.answer]
    taken = on_resample if turn.decision == RESAMPLE else on_stop
    resampling = decision_probability(s.policy, turn.index, turn.answer, RESAMPLE)
    a_d = taken - ((1 - resampling) * on_stop + resampling * on_resample)
    return turn.scale * a_s, turn.scale * turn.rate.within * a_d


# c_s = gamma^t A_s, c_d = gamma^t' A_d with A_s = Q_s - V and A_d = Q_d - E[Q_d | answer]
ADVANTAGE = replace(
    REINFORCE,
    name="advantage",
    coefficients=_advantages,
    shown=lambda s: (
        rule_discount(s) * (of("Q_s", "y") - of("V")),
        rule_discount(s) * s.rate.within * (of("Q_d", "d", "y") - of("V_d", "y")),
    ),
    where=lambda s: (
        (of("V_d", "y"), Verbatim("E[Q_d(d, y_k)], the mean over decisions d at y_k", r"\mathrm{E}_{d}\,Q_d(d,y_k)")),
    ),
)

OUTCOME = Verbatim("1 if the submitted answer is correct, else 0", r"1\text{ if the submitted answer is correct, else }0")


def _outcome_advantages(s: SymbolicSetting, turn: Turn) -> Coefficients:
    c_s, c_d = _advantages(replace(s, reward=correct_payoff(s), rate=UNDISCOUNTED), turn)
    return c_s / symbol("Lbar"), c_d / symbol("Lbar")


# c_s = A_s/E[L], c_d = A_d/E[L] with an exact critic of the outcome; on the policy no ratio is clipped
PPO_CLIP = Rule(
    "ppo-clip",
    _outcome_advantages,
    case="on the policy",
    payoff=correct_payoff,
    scalar=lambda s, frozen: success_rate(s) / symbol("Lbar"),
    frozen=True,
    held="the mean length",
    scalar_words=("the probability that the submitted answer is correct, over the mean length",),
    shown=lambda s: (
        (of("Q_s", "y") - of("V")) / symbol("Lbar"),
        (of("Q_d", "d", "y") - of("V_d", "y")) / symbol("Lbar"),
    ),
    where=lambda s: (
        (
            Verbatim.words("values"),
            Verbatim("those of R, 1 if the submitted answer is correct", r"\text{those of }R:\ " + OUTCOME.latex),
        ),
    ),
    statistics=lambda s: (mean_length(s),),
    scale=lambda s: 1 / symbol("Lbar"),
    outcome=True,
    normaliser=symbol("Lbar"),
)

# SCoRe's shaped reward for two attempts, the first answer and the submitted one, in two readings: summed, or per attempt. A
# policy that stops at its first answer keeps it: its second attempt is the first one again.
FIRST, IS_FIRST, SEEN = (sp.Symbol(name, real=True) for name in ("r_first", "i_first", "seen"))
ATTEMPTS = (
    (
        Verbatim("r1", "r_1"),
        Verbatim("1 if the first answer is correct, else 0", r"1\text{ if the first answer is correct, else }0"),
    ),
    (Verbatim("r2", "r_2"), OUTCOME),
)


def _right(answer: int) -> sp.Expr:
    """Return r of an answer: 1 for the first one, which is the correct one."""
    return sp.Integer(answer == 0)


def _first_right(s: SymbolicSetting, steps: Steps, turn: int) -> dict[sp.Symbol, sp.Expr]:
    return {FIRST: _right(steps[0][0])}


def _first_attempt(s: SymbolicSetting) -> Update:
    """Return the update of r1 at the first answer's tokens."""
    row = s.policy.sample_at(0)
    return {
        logit.symbol: sp.Add(*[x * _right(i) * score(s.policy, logit, 0, i, None)[0] for i, x in enumerate(row)])
        for logit in s.policy.logits
    }


def _summed_update(s: SymbolicSetting) -> Update:
    """Return the update of what the second attempt pays, and of r1: a baseline everywhere but at the first answer."""

    def second(s: SymbolicSetting, turn: Turn) -> Coefficients:
        return (1 + symbol("alpha")) * turn.total, (1 + symbol("alpha")) * turn.total

    found, first = expected_update(s, Rule("second-attempt", second, payoff=correct_payoff)), _first_attempt(s)
    return {name: value + (1 - symbol("alpha")) * first[name] for name, value in found.items()}


def _summed(s: SymbolicSetting, turn: Turn) -> Coefficients:
    c = (1 + symbol("alpha")) * turn.total + (1 - symbol("alpha")) * FIRST
    return c, c


SHAPED = Verbatim("(1 - alpha) r1 + (1 + alpha) r2", r"(1-\alpha)\,r_1+(1+\alpha)\,r_2")

# c_s = c_d = (1 - alpha) r1 + (1 + alpha) r2
SCORE_SUMMED = Rule(
    "score-summed",
    _summed,
    payoff=correct_payoff,
    scalar=lambda s, frozen: (
        (1 + symbol("alpha")) * success_rate(s) + (1 - symbol("alpha")) * s.policy.sample_at(0)[0]
    ),
    scalar_words=("the expected shaped return ", SHAPED),
    shown=lambda s: (SHAPED,) * 2,
    where=lambda s: ATTEMPTS,
    outcome=True,
    normaliser=sp.S.One,
    update=_summed_update,
    of_trajectory=_first_right,
)


def _marked_payoff(s: SymbolicSetting) -> Payoff:
    """Return 1 for submitting a correct answer, and a mark for each answer, by which the first turn is known."""
    paid = correct_payoff(s)
    return replace(paid, sample=(SEEN,) * len(paid.sample))


def _per_attempt(s: SymbolicSetting, turn: Turn) -> Coefficients:
    """Return what the answer's attempt pays, and what the second does; i_first is 1 at a generic turn that is the first."""
    alpha, at_first = symbol("alpha"), turn.past == 0
    r1, r2 = _right(turn.answer) if at_first else FIRST, (turn.here[1] + turn.future).subs(SEEN, 0)
    later = r2 + alpha * (r2 - r1)
    if turn.past == PAST:
        return IS_FIRST * r1 + (1 - IS_FIRST) * later, later
    return (r1 if at_first else later), later


def _per_attempt_update(s: SymbolicSetting) -> Update:
    """Return the update: r1 at the first answer, (1 + alpha) r2 after it, where r1 is a baseline."""
    chain, update = s.chain, {name: [value] for name, value in _first_attempt(s).items()}
    values = chain.solve(correct_payoff(s), UNDISCOUNTED)
    for turn in range(chain.turns or 1):
        visits = chain.reach(turn)
        later = visits - sp.Integer(turn == 0)
        for i, x in enumerate(s.policy.sample_at(turn)):
            stop, (stopped, resampled) = s.policy.stop_at(turn)[i], values.decision[turn][i]
            for logit in s.policy.logits:
                on_answer, on_stop = score(s.policy, logit, turn, i, STOP)
                _, on_resample = score(s.policy, logit, turn, i, RESAMPLE)
                terms = [x * later * values.answer[turn][i] * on_answer]
                if not chain.last(turn):
                    terms.append(visits * x * (stop * stopped * on_stop + (1 - stop) * resampled * on_resample))
                update[logit.symbol] += [(1 + symbol("alpha")) * term for term in terms]
    return {name: sp.Add(*terms) for name, terms in update.items()}


# the first answer gets r1, every token after it r2 + alpha (r2 - r1); what the first answer does to the second is not credited
SCORE_PER_ATTEMPT = Rule(
    "score-per-attempt",
    _per_attempt,
    payoff=_marked_payoff,
    shown=lambda s: (
        Verbatim("r1 at the first turn, later c_d(k)", r"r_1\text{ at the first turn, later }c_d(k)"),
        Verbatim("r2 + alpha (r2 - r1)", r"r_2+\alpha\,(r_2-r_1)"),
    ),
    where=lambda s: ATTEMPTS,
    outcome=True,
    normaliser=sp.S.One,
    update=_per_attempt_update,
    of_trajectory=_first_right,
)

RULES = (REINFORCE, reward_to_go(), ADVANTAGE, PPO_CLIP, SCORE_SUMMED, SCORE_PER_ATTEMPT)
