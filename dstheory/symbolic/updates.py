r"""The expected update of a coefficient rule, computed from the rule alone: three routes that do not share a formula.

``expected_update``      sums coefficient x score over the turns of the chain. Coefficients are polynomials in the discount so
                         far, affine in the past and in the future payoff; the past and the future are independent given the
                         present, so each monomial's expectation is a linear recursion along the chain.
``enumerated_update``    the definition, literally: every trajectory of a small capped chain, its probability, its sum.
``differentiated``       the derivative of the objective's scalar, where there is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sympy as sp

from dstheory.errors import ChainError
from dstheory.symbolic.chain import RESAMPLE, STOP, Payoffs, SymbolicChain, payoff_at
from dstheory.symbolic.policy import Logit, SymbolicPolicy, differentiate
from dstheory.symbolic.rule import Rule, Turn, decision_probability
from dstheory.symbolic.setting import SymbolicSetting

Update = dict[sp.Symbol, sp.Expr]

SCALE, PAST, FUTURE = (sp.Symbol(name, real=True) for name in ("scale_k", "past_k", "future_k"))


@dataclass(frozen=True)
class Trajectory:
    """One trajectory: pairs (answer, decision), the decision None where the cap submits, and its probability."""

    steps: tuple[tuple[int, str | None], ...]
    probability: sp.Expr


def trajectories(chain: SymbolicChain, begun: Trajectory = Trajectory((), sp.S.One)) -> Iterator[Trajectory]:
    """Enumerate all trajectories of a capped chain, n^T paths of answers at the most resampled.

    >>> from dstheory.symbolic.policy import minimal_policy
    >>> from dstheory.rational import is_zero
    >>> chain = SymbolicChain(minimal_policy(), turns=2)
    >>> len(list(trajectories(chain))), is_zero(sum(t.probability for t in trajectories(chain)) - 1)
    (6, True)

    Raises:
        ChainError: without a cap there are infinitely many.
    """
    if chain.turns is None:
        raise ChainError("a chain without a cap has infinitely many trajectories; give a number of turns")
    steps, probability, turn = begun.steps, begun.probability, len(begun.steps)
    for i, x in enumerate(chain.policy.sample_at(turn)):
        if chain.last(turn):
            yield Trajectory((*steps, (i, None)), probability * x)
            continue
        stop = chain.policy.stop_at(turn)[i]
        yield Trajectory((*steps, (i, STOP)), probability * x * stop)
        yield from trajectories(chain, Trajectory((*steps, (i, RESAMPLE)), probability * x * (1 - stop)))


def turns_of(s: SymbolicSetting, objective: Rule, steps: tuple[tuple[int, str | None], ...]) -> list[Turn]:
    """Return a trajectory's turns as the objective's rule sees them, past and future payoffs added up."""
    payoff, rate = objective.payoff(s), objective.rate(s)
    here = [(payoff_at(payoff, k).sample[i], payoff_at(payoff, k).decision(i, d)) for k, (i, d) in enumerate(steps)]
    future = [sp.S.Zero] * len(steps)
    for k in reversed(range(len(steps) - 1)):
        future[k] = here[k + 1][0] + rate.within * (here[k + 1][1] + rate.between * future[k + 1])
    turns, past = [], sp.S.Zero
    for k, (i, d) in enumerate(steps):
        turns.append(Turn(k, i, d, rate.per_turn**k, past, here[k], future[k], rate))
        past = past + rate.per_turn**k * (here[k][0] + rate.within * here[k][1])
    return turns


def score(policy: SymbolicPolicy, logit: Logit, turn: int, answer: int, decision: str | None) -> tuple[sp.Expr, sp.Expr]:
    """Return d log pi_s(answer) and d log pi_d(decision | answer) with respect to a logit, at a turn."""
    if logit.turn is not None and logit.turn != turn:
        return sp.S.Zero, sp.S.Zero
    sampling = differentiate(sp.log(policy.sample_at(turn)[answer]), logit)
    if decision is None:
        return sampling, sp.S.Zero
    return sampling, differentiate(sp.log(decision_probability(policy, turn, answer, decision)), logit)


def enumerated_update(s: SymbolicSetting, objective: Rule) -> Update:
    """Return E[sum of coefficient x score] by enumerating the trajectories of a capped chain."""
    if objective.terms:
        return added([enumerated_update(s, term) for term in objective.terms])
    update: dict[sp.Symbol, list[sp.Expr]] = {logit.symbol: [] for logit in s.policy.logits}
    for trajectory in trajectories(s.following(objective.measure(s))):
        for turn in turns_of(s, objective, trajectory.steps):
            meaning = objective.of_trajectory(s, trajectory.steps, turn.index)
            c_s, c_d = (sp.sympify(c).xreplace(meaning) for c in objective.coefficients(s, turn))
            for logit in s.policy.logits:
                on_sample, on_decision = score(s.policy, logit, turn.index, turn.answer, turn.decision)
                update[logit.symbol].append(trajectory.probability * (c_s * on_sample + c_d * on_decision))
    return {name: sp.Add(*terms) for name, terms in update.items()}


def generic_turns(s: SymbolicSetting, objective: Rule, index: int = 0) -> list[Turn]:
    """Return every (answer, decision) of a turn, with symbols for the discount so far, the past and the future payoff.

    What a rule says about these turns it says about every turn of every trajectory: the symbols stand for any value.
    """
    here, rate = payoff_at(objective.payoff(s), index), objective.rate(s)
    turns = []
    for i in range(len(s.chain.answers)):
        for d in [None] if s.chain.last(index) else [STOP, RESAMPLE]:
            future = FUTURE if d == RESAMPLE else sp.S.Zero
            turns.append(Turn(index, i, d, SCALE, PAST, (here.sample[i], here.decision(i, d)), future, rate))
    return turns


def added(updates: list[Update]) -> Update:
    """Return the sum of updates, logit by logit."""
    return {name: sp.Add(*[update[name] for update in updates]) for name in updates[0]}


def generic_coefficients(s: SymbolicSetting, objective: Rule, index: int = 0) -> list[tuple[int, str | None, sp.Expr, sp.Expr]]:
    """Return (answer, decision, c_s, c_d) for every action of a turn; each term of a sum has past, future and scale of its own.

    >>> from dstheory.symbolic.objectives import lookup
    >>> from dstheory.symbolic.setting import setting
    >>> generic_coefficients(setting(), lookup("sft"))[0]
    (0, 'stop', w_s, w_d)
    """
    columns = []
    for number, term in enumerate(objective.parts):
        own = {x: sp.Symbol(f"{x.name}_{number}", real=True) for x in (SCALE, PAST, FUTURE)} if number else {}
        turns = generic_turns(s, term, index)
        columns.append([[sp.sympify(c).xreplace(own) for c in term.coefficients(s, turn)] for turn in turns])
    return [
        (turn.answer, turn.decision, sp.Add(*[c_s for c_s, _ in row]), sp.Add(*[c_d for _, c_d in row]))
        for turn, row in zip(generic_turns(s, objective.parts[0], index), zip(*columns, strict=True), strict=True)
    ]


def depends_on_trajectory(expr: sp.Expr) -> bool:
    """Whether a coefficient depends on the discount so far, the past or the future payoff."""
    return any(x.name.startswith(("scale_k", "past_k", "future_k")) for x in expr.free_symbols)


def expected_update(s: SymbolicSetting, objective: Rule) -> Update:
    """Return E[sum of coefficient x score] from the rule, by linear recursions along the chain; any horizon.

    >>> from dstheory.symbolic.objectives import lookup
    >>> from dstheory.rational import factored
    >>> from dstheory.symbolic.setting import setting
    >>> from dstheory.rational.symbols import symbol
    >>> factored(expected_update(setting(), lookup("sft"))[symbol("theta_C")])
    p_E*w_d*(-a + a_E)/(a_E*p_E + b_E*p_E - b_E - p_E + 1)
    """
    if objective.terms:
        return added([expected_update(s, term) for term in objective.terms])
    own = objective.update(s)
    if own is not None:
        return own
    chain = s.following(objective.measure(s))
    payoff, rate = objective.payoff(s), objective.rate(s)
    future_value = chain.solve(payoff, rate).value
    update: dict[sp.Symbol, list[sp.Expr]] = {logit.symbol: [] for logit in s.policy.logits}
    for index in range(chain.turns or 1):
        following = future_value[min(index + 1, len(future_value) - 1)]
        for turn in generic_turns(s, objective, index):
            chance = chain.policy.sample_at(index)[turn.answer]
            if turn.decision is not None:
                chance *= decision_probability(chain.policy, index, turn.answer, turn.decision)
            expected = [
                _expectation(c, chain, payoff, rate.per_turn, rate.within, index, following)
                for c in objective.coefficients(s, turn)
            ]
            for logit in s.policy.logits:
                on_sample, on_decision = score(s.policy, logit, index, turn.answer, turn.decision)
                update[logit.symbol].append(chance * (expected[0] * on_sample + expected[1] * on_decision))
    return {name: sp.Add(*terms) for name, terms in update.items()}


def _expectation(
    c: sp.Expr, chain: SymbolicChain, payoff: Payoffs, ratio: sp.Expr, within: sp.Expr, index: int, following: sp.Expr
) -> sp.Expr:
    """Return E[coefficient; the turn is reached], given the turn's answer and decision, summed over turns if there is no cap."""
    terms = []
    for m, by_scale in powers(c, SCALE):
        for e, by_past in powers(by_scale, PAST):
            for f, coefficient in powers(by_past, FUTURE):
                if e > 1 or f > 1:
                    raise ChainError(f"a coefficient must be affine in the past and in the future payoff; this one is not: {c}")
                terms.append(coefficient * _past_moment(chain, payoff, ratio, within, index, m, e) * following**f)
    return sp.Add(*terms)


def powers(c: sp.Expr, x: sp.Symbol) -> list[tuple[int, sp.Expr]]:
    """Return (degree, coefficient) of a polynomial in x, its coefficients left in their own form.

    >>> powers(2 + 3 * SCALE**2, SCALE)
    [(0, 2), (2, 3)]

    Raises:
        ChainError: not a polynomial in x.
    """
    found: list[tuple[int, sp.Expr]] = []
    degree = 0
    while c != 0:
        if degree > 8:
            raise ChainError(f"a coefficient must be a polynomial in {x}, of degree 8 at the most")
        if x not in c.free_symbols:  # nothing is left to put in or to differentiate
            return [*found, (degree, c)]
        constant = c.xreplace({x: sp.S.Zero})
        if constant != 0:
            found.append((degree, constant))
        c, degree = sp.diff(c, x) / (degree + 1), degree + 1
    return found


def _past_moment(chain: SymbolicChain, payoff: Payoffs, ratio: sp.Expr, within: sp.Expr, index: int, m: int, e: int) -> sp.Expr:
    """Return E[scale_k^m past_k^e; turn k is reached], e = 0 or 1: at one turn of a capped chain, else summed over k."""
    if chain.turns is None:
        if e == 0:
            return chain.visits(ratio**m)
        # H = sum_k r^k E[past_k; reach k], r = ratio^m, obeys H = r q H + r U N(r ratio), U the payoff of a resampled turn
        resampled = _resampled_payoff(chain, payoff, within, 0)
        q = chain.policy.resample_probability()
        return ratio**m * resampled * chain.visits(ratio ** (m + 1)) / (1 - ratio**m * q)
    if e == 0:
        return ratio ** (m * index) * chain.reach(index)
    past: sp.Expr = sp.S.Zero
    for k in range(index):
        paid = _resampled_payoff(chain, payoff, within, k)
        past = past * chain.policy.resample_probability(k) + ratio**k * chain.reach(k) * paid
    return ratio ** (m * index) * past


def _resampled_payoff(chain: SymbolicChain, payoff: Payoffs, within: sp.Expr, turn: int) -> sp.Expr:
    """Return E[payoff of a turn; it ends in a resample]."""
    here, policy = payoff_at(payoff, turn), chain.policy
    rows = zip(policy.sample_at(turn), policy.stop_at(turn), here.sample, here.resample, strict=True)
    return sp.Add(*[x * (1 - s) * (u + within * r) for x, s, u, r in rows])


def differentiated(s: SymbolicSetting, objective: Rule) -> Update | None:
    """Return the derivative of the objective's scalar with respect to each logit; None if it has no scalar.

    A scalar that freezes the visited states is differentiated with the visiting policy's probabilities as separate symbols,
    which are put equal to the learner's afterwards.
    """
    if objective.terms:
        slopes = [differentiated(s, term) for term in objective.terms]
        return None if None in slopes else added([slope for slope in slopes if slope is not None])
    frozen, thaw = _frozen_copy(s.policy)
    scalar = objective.scalar(s, frozen)
    if scalar is None:
        return None
    return {logit.symbol: differentiate(scalar, logit).xreplace(thaw) for logit in s.policy.logits}


def _frozen_copy(policy: SymbolicPolicy) -> tuple[SymbolicPolicy, dict[sp.Symbol, sp.Symbol]]:
    names = sorted({x for logit in policy.logits for x, _ in logit.value}, key=lambda x: x.name)
    bars = {x: sp.Symbol(f"{x.name}_bar", positive=True) for x in names}
    copy = SymbolicPolicy(
        policy.answers,
        tuple(tuple(x.xreplace(bars) for x in row) for row in policy.sample),
        tuple(tuple(x.xreplace(bars) for x in row) for row in policy.stop),
    )
    return copy, {bar: x for x, bar in bars.items()}
