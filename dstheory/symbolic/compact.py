r"""The gradient in the simplest form found, in named quantities: ``N p (1 - p) (Q_C - Q_W)`` instead of a page of monomials.

How the form is found. The score of an action has zero mean given its state, so what was collected before the action drops out of
the expected update, and what follows it enters by its conditional mean. The expected update of one logit is therefore

    sum over turns of (discounted chance to be there) x sum over actions of (chance) x (mean coefficient) x (score),

in which the mean coefficients are given names (Q_C, Q_W, V, ...) and the inner sum is factored. Nothing is believed on the
strength of this argument: the form, with its names written out, is compared by exact arithmetic with the expected update, which
keeps the past, and with the derivative of the scalar; see :mod:`dstheory.symbolic.deriving`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import sympy as sp

from dstheory.rational import combine_logs, factored, is_zero
from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import SymbolicChain, SymbolicValues
from dstheory.symbolic.policy import Logit
from dstheory.symbolic.rule import Rule, decision_probability
from dstheory.symbolic.setting import SymbolicSetting
from dstheory.symbolic.updates import FUTURE, PAST, SCALE, expected_update, generic_turns, powers, score

MAX_SIZE = 2500
"""A sum over trajectories whose operations times symbols are more than this is not brought over one denominator."""


@dataclass
class CompactGradient:
    """A gradient in named quantities.

    Attributes:
        definitions: names in the order in which they are introduced, each in terms of earlier ones.
        gradient: logit -> formula in those names.
        named: the names of the values of the reward.
        terms: the same of each term of a sum, in the names of the whole.
    """

    definitions: dict[sp.Symbol, sp.Expr] = field(default_factory=dict)
    gradient: dict[sp.Symbol, sp.Expr] = field(default_factory=dict)
    named: SymbolicValues | None = None
    terms: list[CompactGradient] = field(default_factory=list)

    @property
    def parts(self) -> list[CompactGradient]:
        """Those of the terms of a sum, or the one that there is."""
        return self.terms or [self]

    def written_out(self, expr: sp.Expr) -> sp.Expr:
        """Return an expression with every name replaced by its definition, down to the model's own symbols."""
        full: dict[sp.Symbol, sp.Expr] = {}
        for name, definition in self.definitions.items():
            full[name] = definition.xreplace(full)
        return expr.xreplace(full)


def needed(definitions: dict[sp.Symbol, sp.Expr], formulas: Iterable[sp.Expr]) -> dict[sp.Symbol, sp.Expr]:
    """Return the definitions that formulas need, directly or through later definitions, in order."""
    wanted = {x for formula in formulas for x in formula.free_symbols}
    for name in reversed(definitions):
        if name in wanted:
            wanted |= definitions[name].free_symbols
    return {name: expr for name, expr in definitions.items() if name in wanted}


def compact_gradient(s: SymbolicSetting, objective: Rule) -> CompactGradient:
    """Return the expected update of an objective in named quantities.

    >>> from dstheory.symbolic.objectives import lookup
    >>> from dstheory.symbolic.setting import setting
    >>> found = compact_gradient(setting(), lookup("reinforce"))
    >>> found.gradient[symbol("theta_s")]
    N*p*(1 - p)*(Q_C - Q_W)
    >>> found.gradient[symbol("theta_W")]
    N*V*b*gamma*(1 - b)*(1 - p)
    """
    if objective.terms:
        return _merged([compact_gradient(s, term) for term in objective.terms])
    simpler = objective.same_update(s)
    if simpler is None and objective.update(s) is not None:
        return _of_responses(s, objective)
    builder = _Builder(s, simpler or objective)
    if not builder.on_policy and builder.remembers():
        # off the learner's own trajectories the scores' means are not zero, and the past does not drop out
        update = expected_update(s, objective)
        return CompactGradient(gradient={name: combine_logs(factored(g)) for name, g in update.items()})
    return builder.build()


def _of_responses(s: SymbolicSetting, objective: Rule) -> CompactGradient:
    """Return an update that a rule states itself, in the names that its sums over whole responses take."""
    acting = objective.measure(s)
    q = symbol(f"q{s.suffix(acting)}")
    noted = {q: acting.resample_probability()} if s.chain.turns is None else {}
    update = expected_update(replace(s, noted=noted), objective)
    found = CompactGradient(noted)
    found.gradient = {name: folded(_shortened(g), found) for name, g in update.items()}
    named = {name: value if name == q else folded(value, found) for name, value in noted.items()}
    found.definitions = needed(named, found.gradient.values())
    return found


def _merged(parts: list[CompactGradient]) -> CompactGradient:
    """Return the sum of gradients; a name that already means something else gets a number."""
    whole = CompactGradient()
    for part in parts:
        names: dict[sp.Symbol, sp.Symbol] = {}
        for name, expr in part.definitions.items():
            own, number = expr.xreplace(names), 1
            names[name] = name
            while whole.definitions.get(names[name], own) != own:
                number += 1
                names[name] = symbol(f"{name.name}_{number}")
            whole.definitions[names[name]] = own
        renamed = CompactGradient(
            {names[name]: whole.definitions[names[name]] for name in part.definitions},
            {logit: expr.xreplace(names) for logit, expr in part.gradient.items()},
            None if part.named is None else part.named.renamed(names),
        )
        whole.terms.append(renamed)
        for logit, expr in renamed.gradient.items():
            whole.gradient[logit] = whole.gradient.get(logit, sp.S.Zero) + expr
    return whole


def folded(expr: sp.Expr, compact: CompactGradient) -> sp.Expr:
    """Write the chance q that a turn is followed by another, and 1 - q, for the polynomials that they are.

    >>> p, a, b, q = map(symbol, ("p", "a", "b", "q"))
    >>> folded(1 / (1 - p * (1 - a) - b * (1 - p)), CompactGradient({q: p * (1 - a) + b * (1 - p)}))
    1/(1 - q)
    """
    known: dict[sp.Expr, sp.Expr] = {}
    for name in compact.definitions:
        if name.name.split("_")[0] != "q":
            continue
        whole = compact.written_out(name)
        counts = [x for base, x in ((y.name.split("_")[0], e) for y, e in compact.definitions.items()) if base in ("N", "n")]
        for ratio in [sp.S.One, *(-sp.diff(1 / count, name) for count in counts)]:
            rest = sp.expand(1 - ratio * whole)
            known |= {rest: 1 - ratio * name, -rest: ratio * name - 1}
        known |= {sp.expand(whole): name, sp.expand(-whole): -name}
    known = {polynomial: short for polynomial, short in known.items() if polynomial.is_Add}
    return expr.replace(lambda e: e.is_Add, lambda e: known.get(sp.expand(e), e)) if known else expr


def _shortened(expr: sp.Expr) -> sp.Expr:
    """Return an expression as one factored fraction, or, where that would be a page of monomials, as the sum that it is."""
    whole = factored(expr) if len(expr.atoms(sp.Symbol)) * sp.count_ops(expr) < MAX_SIZE else expr
    each = sp.Add(*[factored(term) for term in sp.Add.make_args(expr)])
    return min((combine_logs(form) for form in (whole, each, expr)), key=lambda e: int(sp.count_ops(e)))


class _Builder:
    """Names the quantities of one objective in one setting and assembles the gradient from them."""

    def __init__(self, s: SymbolicSetting, objective: Rule) -> None:
        self.objective = objective
        self.chain: SymbolicChain = s.following(objective.measure(s))
        self.sign = objective.scale(s) or common_scale(objective, s)
        self.neutral = dict.fromkeys((x.symbol for x in objective.statistics(s) if x.neutral), sp.S.Zero)
        self.on_policy = self.chain.policy == s.policy
        self.result = CompactGradient()
        self.turns = s.chain.turns or 1
        self.payoff, self.rate = objective.payoff(s), objective.rate(s)
        self.earns_reward = self.payoff == s.reward or objective.outcome
        self.suffix = s.suffix(self.chain.policy)
        self._name_last_probability(s)
        self._name_resampling(s)
        for name, expr in objective.names(s).items():
            self.define(name.name, expr)
        self.future: list[sp.Expr] = []
        named = self._name_values(s)
        if objective.outcome or (self.earns_reward and self.rate == s.rate):  # only then these are the values a rule asks for
            self.result.named = named
        self.s = replace(s, named=self.result.named)

    def remembers(self) -> bool:
        """Whether a coefficient depends on what was collected before its turn."""
        return any(c.has(PAST) for t in generic_turns(self.s, self.objective) for c in self.objective.coefficients(self.s, t))

    def define(self, name: str, expr: sp.Expr) -> sp.Symbol:
        """Enter a definition and return its name."""
        x = symbol(name)
        self.result.definitions.setdefault(x, expr)
        return x

    def at(self, turn: int) -> str:
        """Return the part of a name that tells the turn; nothing where one name serves all turns."""
        return "" if self.chain.turns is None else f"_t{turn}"

    def _name_last_probability(self, s: SymbolicSetting) -> None:
        """Give 1 - pi_1 - ... a name where there are more than two answers."""
        self.last: dict[sp.Expr, sp.Symbol] = {}
        if len(s.chain.answers) > 2:
            for policy, suffix in ((s.policy, ""), (self.chain.policy, self.suffix)):
                for turn, row in enumerate(policy.sample):
                    name = f"pi_{len(row)}{suffix}" + ("" if policy.stationary else f"_t{turn}")
                    self.last[row[-1]] = self.define(name, row[-1])

    def _name_resampling(self, s: SymbolicSetting) -> None:
        for turn in range(len(self.chain.policy.sample)):
            if not self.chain.last(turn):
                self.define(self.q(turn).name, self.chain.policy.resample_probability(turn).xreplace(self.last))

    def q(self, turn: int) -> sp.Symbol:
        """Return the name of the resample probability at a turn."""
        return symbol(f"q{self.suffix}" + ("" if self.chain.policy.stationary else f"_t{turn}"))

    def visits(self, turn: int, m: int) -> sp.Expr:
        """Return the chance to reach a turn times scale^m: a power of q with a cap, a named expected count without one."""
        ratio = self.rate.per_turn**m
        if self.chain.turns is not None:
            return ratio**turn * sp.Mul(*[self.q(k) for k in range(turn)])
        return self.define(("n" if ratio == 1 else "N") + self.suffix, 1 / (1 - ratio * self.q(0)))

    def _name_values(self, s: SymbolicSetting) -> SymbolicValues:
        """Define V (or K, for another payoff) and the action values; return them as names."""
        letter = "V" if self.earns_reward else "K"
        self.future = [sp.S.Zero] * (self.turns + 1)
        named: list[Any] = []
        for turn in reversed(range(self.turns)):
            infinite = self.chain.turns is None
            v = symbol(f"{letter}{self.at(turn)}")
            following = v if infinite else self.future[turn + 1]
            right = combine_logs(self.chain.bellman(self.payoff, self.rate, sp.S.Zero if infinite else following, turn))
            if infinite:
                right = right / (1 - self.rate.per_turn * self.q(turn))
            self.define(v.name, right.xreplace(self.last))
            self.future[turn] = v
            values = self.chain.answer_values(self.payoff, self.rate, following, turn) if self.earns_reward else ()
            answers = zip(self.chain.answers, values, strict=False)
            names = tuple(self.define(f"Q_{answer}{self.at(turn)}", value) for answer, value in answers)
            named.append((v, names, self.chain.decision_values(self.payoff, self.rate, following, turn)))
        if self.chain.turns is None:
            self.future[1] = self.future[0]
        return SymbolicValues(*zip(*named[::-1], strict=True))

    def build(self) -> CompactGradient:
        """Assemble the gradient, turn by turn, and drop the definitions that it does not need."""
        parts: dict[sp.Symbol, list[sp.Expr]] = {logit.symbol: [] for logit in self.s.policy.logits}
        for turn in range(self.turns):
            means = self._mean_coefficients(turn)
            for logit in self.s.policy.logits:
                if logit.turn is None or logit.turn == turn:
                    parts[logit.symbol] += [
                        self.visits(turn, m) * self._stage(logit, turn, c_s, c_d) for m, (c_s, c_d) in means.items()
                    ]
        for name, terms in parts.items():
            self.result.gradient[name] = self._tidy(terms)
        self.result.definitions = needed(self.result.definitions, self.result.gradient.values())
        return self.result

    def _tidy(self, terms: list[sp.Expr]) -> sp.Expr:
        terms = [combine_logs(term) for term in terms if term != 0]
        if len(terms) < 2:
            return sp.Add(*terms)
        whole = combine_logs(factored(sp.Add(*terms)))
        return min((sp.Add(*terms), whole), key=lambda e: int(sp.count_ops(e)))

    def _mean_coefficients(self, turn: int) -> dict[int, tuple[dict[int, sp.Expr], dict[tuple[int, str], sp.Expr]]]:
        """Return the mean coefficient of each answer and each decision, the past left out, per power of the discount so far."""
        turns = generic_turns(self.s, self.objective, turn)
        split = [[self._without_past(c, turn) for c in self.objective.coefficients(self.s, t)] for t in turns]
        found: dict[int, tuple[dict[int, sp.Expr], dict[tuple[int, str], sp.Expr]]] = {}
        for m in sorted({m for pair in split for c in pair for m in c}):
            answers: dict[int, list[tuple[sp.Expr, sp.Expr]]] = {}
            decide = {}
            for t, (c_s, c_d) in zip(turns, split, strict=True):
                chance = sp.S.One
                if t.decision is not None:
                    chance = decision_probability(self.chain.policy, turn, t.answer, t.decision)
                    decide[t.answer, t.decision] = c_d.get(m, sp.S.Zero)
                answers.setdefault(t.answer, []).append((chance, c_s.get(m, sp.S.Zero)))
            found[m] = ({i: self._name_mean(i, turn, weighted) for i, weighted in answers.items()}, decide)
        return found

    def _without_past(self, c: sp.Expr, turn: int) -> dict[int, sp.Expr]:
        """Split a coefficient by powers of the discount so far, past and baselines set to zero and the future to its mean."""
        baselines = self.neutral if self.on_policy else {}
        return dict(powers(c.xreplace({PAST: sp.S.Zero, FUTURE: self.future[turn + 1], **baselines}), SCALE))

    def _name_mean(self, answer: int, turn: int, weighted: list[tuple[sp.Expr, sp.Expr]]) -> sp.Expr:
        """Return the mean coefficient of an answer: as the action value that it equals, as a new name if long, else as it is."""
        mean = _mean(weighted)
        if mean.is_number:
            return mean
        name = f"{self.chain.answers[answer]}{self.at(turn)}"
        if self.earns_reward:
            q = symbol(f"Q_{name}")
            if mean == q or is_zero(mean / self.sign - self.result.definitions[q]):
                return q if mean == q else self.sign * q
        if sp.count_ops(mean) < 7 or not mean.has(*[v for v in self.future if v.is_Symbol]):
            return mean
        inner = _mean([(chance, c / self.sign) for chance, c in weighted])
        return self.sign * self.define(f"{'X' if self.earns_reward else 'L'}_{name}", combine_logs(inner).xreplace(self.last))

    def _stage(self, logit: Logit, turn: int, c_s: dict[int, sp.Expr], c_d: dict[tuple[int, str], sp.Expr]) -> sp.Expr:
        """Return the sum over one turn's actions of chance x mean coefficient x score, factored."""
        row = self.chain.policy.sample_at(turn)
        if logit.stage == "sample":
            if self.on_policy and len(row) > 2:
                return self._softmax_form(logit, turn, c_s)
            return self._factored([row[i] * c * score(self.s.policy, logit, turn, i, None)[0] for i, c in c_s.items()])
        terms = []
        for (i, d), c in c_d.items():
            if i == logit.answer:
                terms.append(decision_probability(self.chain.policy, turn, i, d) * c * score(self.s.policy, logit, turn, i, d)[1])
        return row[logit.answer].xreplace(self.last) * self._factored(terms)

    def _softmax_form(self, logit: Logit, turn: int, c_s: dict[int, sp.Expr]) -> sp.Expr:
        """Return pi_j (c_j - sum pi c), the form that a softmax gives to the sum for more than two answers."""
        row = [x.xreplace(self.last) for x in self.chain.policy.sample_at(turn)]
        mean = sp.Add(*[x * c_s[i] for i, x in enumerate(row)])
        whole = self.result.written_out(mean)
        if is_zero(whole):
            mean = sp.S.Zero
        elif is_zero(whole - self.result.written_out(self.sign * self.future[turn])):
            mean = self.sign * self.future[turn]
        elif sp.count_ops(mean) > 8:
            mean = self.sign * self.define(
                f"m{self.at(turn)}", combine_logs(sp.Add(*[x * c_s[i] / self.sign for i, x in enumerate(row)]))
            )
        return row[logit.answer] * self._factored([c_s[logit.answer], -mean])

    def _factored(self, terms: list[sp.Expr]) -> sp.Expr:
        """Factor a sum, the objective's own sign and strength taken out first."""
        return self.sign * factored(sp.Add(*terms) / self.sign)


def common_scale(objective: Rule, s: SymbolicSetting) -> sp.Expr:
    """Return -beta or alpha if every coefficient is a multiple of it, else 1."""
    coefficients = [c for t in generic_turns(s, objective) for c in objective.coefficients(s, t)]
    for strength in (-symbol("beta"), symbol("alpha")):
        _, bare = strength.as_coeff_Mul()
        if any(coefficients) and all(c.subs(bare, 0) == 0 for c in coefficients):
            return strength
    return sp.S.One


def _mean(weighted: list[tuple[sp.Expr, sp.Expr]]) -> sp.Expr:
    """Return the mean of coefficients, what they share written once: u + a v + (1 - a) w."""
    shared = set.intersection(*[set(sp.Add.make_args(sp.expand_mul(c, deep=False))) for _, c in weighted])
    common = sp.Add(*sorted(shared, key=sp.default_sort_key))
    if len({c for _, c in weighted}) == 1:
        return weighted[0][1]
    return common + sp.Add(*[chance * (sp.expand_mul(c, deep=False) - common) for chance, c in weighted])
