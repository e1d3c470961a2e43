r"""Policies in SymPy: probabilities of answers and decisions, and how they move with the logits.

The chain is written in probability coordinates, where everything is a rational function. A derivative with respect to a
logit theta is then the derivation

    d f / d theta = sum over probabilities x of (d x / d theta) (d f / d x),

with d x / d theta itself a polynomial in the probabilities: p (1 - p) for a logistic logit, and pi_j (1{i = j} - pi_i) for a
softmax logit z_i. Neither is typed in: :func:`logistic_rate` and :func:`softmax_rates` differentiate the logistic function
and the softmax and re-express the result in probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import sympy as sp

from dstheory.errors import ChainError
from dstheory.rational import factored, is_zero, normal_form
from dstheory.rational.symbols import symbol


@dataclass(frozen=True)
class Logit:
    """One parameter of a policy.

    Attributes:
        symbol: the logit, for example theta_s.
        stage: "sample" or "decide".
        turn: the turn that it governs; None for all turns (a stationary policy).
        answer: the answer whose decision it governs (decide), or whose probability it raises (sample).
        rates: pairs (probability x, d x / d logit): the derivation that this logit stands for.
        value: the probabilities as functions of the logits, pairs (probability, expression in logits).
    """

    symbol: sp.Symbol
    stage: str
    turn: int | None
    answer: int
    rates: tuple[tuple[sp.Symbol, sp.Expr], ...]
    value: tuple[tuple[sp.Symbol, sp.Expr], ...]


@dataclass(frozen=True)
class SymbolicPolicy:
    """A policy: for each turn, the probabilities of the answers and of stopping on each.

    Attributes:
        answers: the answers' names, for example ("C", "W").
        sample: rows of P(answer), one per turn; a single row means the same at every turn.
        stop: rows of P(stop | answer), likewise.
        logits: its parameters; empty for a policy that is given and does not learn.
    """

    answers: tuple[str, ...]
    sample: tuple[tuple[sp.Expr, ...], ...]
    stop: tuple[tuple[sp.Expr, ...], ...]
    logits: tuple[Logit, ...] = ()

    def __post_init__(self) -> None:
        if len(self.sample) != len(self.stop) or not self.sample:
            raise ChainError(f"a policy needs as many rows of answers as of decisions: {len(self.sample)} and {len(self.stop)}")
        for turn, (row, stop) in enumerate(zip(self.sample, self.stop, strict=True)):
            if len(row) != len(self.answers) or len(stop) != len(self.answers):
                raise ChainError(
                    f"turn {turn}: {len(row)} answer and {len(stop)} stop probabilities for {len(self.answers)} answers"
                )
            if not is_zero(sp.Add(*row) - 1):
                raise ChainError(
                    f"turn {turn}: the probabilities of the answers sum to {normal_form(sp.Add(*row))}; they must sum to 1"
                )

    @property
    def stationary(self) -> bool:
        """Whether one row serves all turns."""
        return len(self.sample) == 1

    def sample_at(self, turn: int) -> tuple[sp.Expr, ...]:
        """Return P(answer) at a turn."""
        return self.sample[0 if self.stationary else turn]

    def stop_at(self, turn: int) -> tuple[sp.Expr, ...]:
        """Return P(stop | answer) at a turn."""
        return self.stop[0 if self.stationary else turn]

    @cache  # noqa: B019 - policies are few, small and immutable
    def resample_probability(self, turn: int = 0) -> sp.Expr:
        """Return q, the probability that a turn is followed by another."""
        return sp.Add(*[p * (1 - s) for p, s in zip(self.sample_at(turn), self.stop_at(turn), strict=True)])

    def logit(self, name: str) -> Logit:
        """Return the parameter of that name.

        Raises:
            ChainError: if there is none.
        """
        for logit in self.logits:
            if logit.symbol.name == name:
                return logit
        known = ", ".join(logit.symbol.name for logit in self.logits) or "none"
        raise ChainError(f"this policy has no logit {name!r}; it has: {known}")


def differentiate(expr: sp.Expr, logit: Logit) -> sp.Expr:
    """Differentiate an expression in the probabilities with respect to a logit, by the chain rule.

    >>> p, policy = symbol("p"), minimal_policy()
    >>> differentiate(sp.log(p), policy.logit("theta_s"))
    1 - p
    """
    return sp.Add(*[_derivative(expr, x) * rate for x, rate in logit.rates])


def _derivative(expr: sp.Expr, x: sp.Symbol) -> sp.Expr:
    """Return what ``sp.diff`` does; by the usual rules alone, where it asks itself on the way what is finite and what is zero."""
    if not expr.has(x):
        return sp.S.Zero
    if expr == x:
        return sp.S.One
    if expr.is_Add:
        return sp.Add(*[_derivative(arg, x) for arg in expr.args])
    if expr.is_Mul:
        args = list(enumerate(expr.args))
        return sp.Add(*[sp.Mul(*expr.args[:i], _derivative(arg, x), *expr.args[i + 1 :]) for i, arg in args if arg.has(x)])
    if expr.is_Pow and not expr.exp.has(x):
        return expr * (_derivative(expr.base, x) * expr.exp / expr.base)
    if isinstance(expr, sp.exp):
        return expr * _derivative(expr.args[0], x)
    if isinstance(expr, sp.log):
        return _derivative(expr.args[0], x) / expr.args[0]
    return sp.diff(expr, x)


@cache
def logistic_rate() -> sp.Expr:
    """Return d x / d theta for x = 1/(1 + exp(-theta)), as a polynomial in the symbol x.

    >>> logistic_rate()
    x*(1 - x)
    """
    theta, x, odds = sp.Symbol("theta", real=True), sp.Symbol("x", positive=True), sp.Symbol("odds", positive=True)
    rate = sp.diff(1 / (1 + sp.exp(-theta)), theta).subs(sp.exp(-theta), 1 / odds)
    result = x * (1 - x)
    # exp(theta) = x/(1 - x) inverts the logistic function; the check is exact
    if not is_zero(rate.subs(odds, x / (1 - x)) - result):
        raise ArithmeticError(f"the logistic derivative {rate} is not {result}")
    return result


@cache
def softmax_rates(n: int) -> tuple[tuple[sp.Expr, ...], ...]:
    """Return the matrix d pi_j / d z_i of the softmax over n logits, as polynomials in symbols x_1 ... x_n.

    The softmax pi_j = exp(z_j) / sum exp(z) is differentiated in the generators E_i = exp(z_i), where d/dz_i = E_i d/dE_i. The
    result is homogeneous of degree 0 in E, so it may be evaluated at sum E = 1, where E_i = pi_i.

    >>> softmax_rates(2)[0][1].subs({sp.Symbol("x_1", positive=True): sp.Rational(1, 3),
    ...                              sp.Symbol("x_2", positive=True): sp.Rational(2, 3)})
    -2/9
    """
    generators = [sp.Symbol(f"E_{i + 1}", positive=True) for i in range(n)]
    total = sp.Add(*generators)
    at_one = {e: sp.Symbol(f"x_{i + 1}", positive=True) for i, e in enumerate(generators)}
    probabilities = {at_one[e]: e / total for e in generators}
    rows = []
    for e in generators:
        derivatives = [e * sp.diff(f / total, e) for f in generators]
        row = tuple(factored(d * total**2).subs(at_one) for d in derivatives)  # times total^2 = 1 at the point of evaluation
        if not all(is_zero(x.subs(probabilities) - d) for x, d in zip(row, derivatives, strict=True)):
            raise ArithmeticError(f"the softmax derivatives {derivatives} are not {row} in probabilities")
        rows.append(row)
    return tuple(rows)


def minimal_policy(*, turns: int | None = None, suffix: str = "", learns: bool = True) -> SymbolicPolicy:
    """Return the policy of the minimal chain: answers C and W, p = P(C), a = P(stop | C), b = P(resample | W).

    Args:
        turns: a number of turns makes the policy turn-indexed (p_t0, p_t1, ...); None is stationary.
        suffix: distinguishes given policies: "ref" for the reference, "E" for the expert of the demonstrations.
        learns: whether it carries the logits theta_s, theta_C, theta_W.

    >>> minimal_policy().resample_probability()
    b*(1 - p) + p*(1 - a)
    """
    tail = f"_{suffix}" if suffix else ""
    sample, stop, logits = [], [], []
    for turn in [None] if turns is None else range(turns):
        at = "" if turn is None else f"_t{turn}"
        p, a, b = (symbol(f"{x}{tail}{at}") for x in "pab")
        sample.append((p, 1 - p))
        stop.append((a, 1 - b))
        if learns:
            logits += [
                _logistic(f"theta_{x}{at}", stage, turn, answer, prob)
                for x, stage, answer, prob in (("s", "sample", 0, p), ("C", "decide", 0, a), ("W", "decide", 1, b))
            ]
    return SymbolicPolicy(("C", "W"), tuple(sample), tuple(stop), tuple(logits))


def _logistic(name: str, stage: str, turn: int | None, answer: int, probability: sp.Symbol) -> Logit:
    theta = symbol(name)
    rate = logistic_rate().subs(sp.Symbol("x", positive=True), probability)
    return Logit(theta, stage, turn, answer, ((probability, rate),), ((probability, 1 / (1 + sp.exp(-theta))),))


def general_policy(answers: int, *, turns: int | None = None, suffix: str = "", learns: bool = True) -> SymbolicPolicy:
    """Return a policy over n answers named "1" ... "n": pi_i = P(answer i), sigma_i = P(stop | answer i).

    The last answer's probability is written 1 - pi_1 - ... so that the rows sum to 1 identically and the remaining symbols
    are independent, as the zero test needs.

    Args:
        answers: how many, at least 2.
        turns: a number of turns makes the policy turn-indexed; None is stationary.
        suffix: distinguishes given policies, as in :func:`minimal_policy`.
        learns: whether it carries the softmax logits z_i and the stop logits t_i.

    >>> general_policy(3).sample[0]
    (pi_1, pi_2, -pi_1 - pi_2 + 1)
    """
    if answers < 2:
        raise ChainError(f"a chain needs at least 2 answers, got {answers}")
    tail = f"_{suffix}" if suffix else ""
    sample, stop, logits = [], [], []
    for turn in [None] if turns is None else range(turns):
        at = "" if turn is None else f"_t{turn}"
        free = [symbol(f"pi_{i + 1}{tail}{at}") for i in range(answers - 1)]
        row = (*free, 1 - sp.Add(*free))
        stops = tuple(symbol(f"sigma_{i + 1}{tail}{at}") for i in range(answers))
        sample.append(row)
        stop.append(stops)
        if learns:
            logits += _softmax_logits(row, at, turn)
            logits += [_logistic(f"t_{i + 1}{at}", "decide", turn, i, s) for i, s in enumerate(stops)]
    return SymbolicPolicy(tuple(str(i + 1) for i in range(answers)), tuple(sample), tuple(stop), tuple(logits))


def _softmax_logits(row: tuple[sp.Expr, ...], at: str, turn: int | None) -> list[Logit]:
    n = len(row)
    z = [symbol(f"z_{i + 1}{at}") for i in range(n)]
    total = sp.Add(*[sp.exp(zi) for zi in z])
    probabilities = {sp.Symbol(f"x_{i + 1}", positive=True): x for i, x in enumerate(row)}
    rates = softmax_rates(n)
    return [
        Logit(
            z[i],
            "sample",
            turn,
            i,
            tuple((row[j], rates[i][j].subs(probabilities, simultaneous=True)) for j in range(n - 1)),
            tuple((row[j], sp.exp(z[j]) / total) for j in range(n - 1)),
        )
        for i in range(n)
    ]
