r"""A chain fitted to a log: p, a, b, each one number for all problems or Beta-distributed over problems.

The *pooled* chain has one p, a, b. The *heterogeneous* chain has a problem-specific p, and the third kind problem-specific a and
b as well (independent of p and of each other: a log with one episode per problem holds little about more). Since a sequence of
attempts and decisions is a sequence of independent trials given the problem, the likelihood is a product of three factors of
:mod:`dstheory.anatomy.beta_rate`, one per rate, and each is maximised alone.

Predictions are means over problems of the formulas of :mod:`dstheory.anatomy.chain_formulas`,

.. math:: E_x[Acc_T(p_x, a_x, b_x)], \qquad E_x[q_x^k], \qquad \ldots

and differ from the formulas at the means: q^k is convex, so problems that go on are more than q(mean)^k (claim G4).

Source: derived here from arXiv 2601.01580, section 3 (the chain).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dstheory.anatomy import chain_formulas
from dstheory.anatomy.beta_fit import BetaFit, fit_beta_rate, with_pseudo
from dstheory.anatomy.beta_rate import NODES, BetaRate, Tails
from dstheory.anatomy.chain_formulas import Unstopped
from dstheory.anatomy.episodes import Episodes
from dstheory.anatomy.ledger import Ledger
from dstheory.anatomy.rates import RATES
from dstheory.checks import Floats
from dstheory.errors import RecordError

__all__ = ["KINDS", "RolloutChain", "fit_chain", "fit_rate"]

KINDS = {"pooled": "", "heterogeneous": "p", "heterogeneous decisions": "pab"}
"""Kinds of chains, and which of their rates differ between problems."""

_DECISION_NODES = 16  # of a and b, where they differ between problems; accuracies to some 1e-8 unless rates are near 0 or 1


@dataclass(frozen=True)
class RolloutChain:
    """A chain whose rates may differ between problems.

    >>> hard_and_easy = RolloutChain(BetaRate(0.4, 0.5), BetaRate(0.9), BetaRate(0.9))
    >>> alike = RolloutChain(BetaRate(0.4), BetaRate(0.9), BetaRate(0.9))
    >>> [round(chain.stopped(10), 3) for chain in (alike, hard_and_easy)]
    [0.993, 0.888]
    """

    p: BetaRate
    a: BetaRate
    b: BetaRate

    @classmethod
    def of(cls, p: float, a: float, b: float) -> RolloutChain:
        """Return the pooled chain with these rates."""
        return cls(BetaRate(float(p)), BetaRate(float(a)), BetaRate(float(b)))

    @property
    def homogeneous(self) -> bool:
        """Whether all problems are alike."""
        return self.p.homogeneous and self.a.homogeneous and self.b.homogeneous

    def expect(self, function: Callable[[Floats, Floats, Floats], Floats]) -> Floats:
        """Return the mean over problems of a function of p, a, b, which the last axis of its result runs over."""
        (p, w), (a, v), (b, u) = self.p.nodes(NODES), self.a.nodes(_DECISION_NODES), self.b.nodes(_DECISION_NODES)
        grid = np.meshgrid(p, a, b, indexing="ij")
        weights = w[:, None, None] * v[:, None] * u
        return np.asarray(np.asarray(function(*(x.ravel() for x in grid))) @ weights.ravel())

    def accuracy(self, cap: int = 0, *, unstopped: Unstopped = "submit") -> float:
        """Expected accuracy with at most ``cap`` attempts (0: no cap)."""
        return float(self.expect(lambda p, a, b: chain_formulas.accuracy(p, a, b, cap, unstopped=unstopped)))

    def stopped(self, cap: int = 0, *, unstopped: Unstopped = "submit") -> float:
        """Expected share of episodes that end by a stop of the model's own."""
        return float(self.expect(lambda p, a, b: chain_formulas.stopping(p, a, b, cap, unstopped=unstopped)))

    def attempts(self, cap: int = 0) -> float:
        """Expected number of attempts; infinite if some problems never stop and there is no cap."""
        return float(self.expect(lambda p, a, b: chain_formulas.attempts(p, a, b, cap)))

    def reaching(self, rounds: int) -> Floats:
        """(rounds,) expected share of episodes that reach round k = 0, 1, ..."""
        return self.expect(lambda p, a, b: chain_formulas.reaching(p, a, b, rounds))

    def correct_at(self, rounds: int) -> Floats:
        """(rounds,) chance that the attempt of round k is correct, among the episodes that reach it; NaN where none does."""
        reach, right = self.reaching(rounds), self.expect(lambda p, a, b: chain_formulas.reaching(p, a, b, rounds) * p)
        return np.asarray(np.divide(right, reach, out=np.full(rounds, np.nan), where=reach > 0))

    def log_likelihood(self, table: Ledger) -> Floats:
        """(G,) log-probability of the attempts and decisions of the problems of each row of a ledger."""
        total: Floats = np.zeros(len(table.times))
        for name, (successes, trials) in RATES.items():
            which: BetaRate = getattr(self, name)
            total = total + which.sequences(table.column(successes), table.column(trials))
        return total


def fit_chain(log: Episodes | Ledger, kind: str = "pooled", *, pseudo: float = 0.5) -> RolloutChain:
    """Fit a chain by maximum likelihood.

    Args:
        log: episodes, or their ledger.
        kind: one of `KINDS`.
        pseudo: weight of the pseudo-observation (:func:`~dstheory.anatomy.beta_fit.with_pseudo`) of each rate; with 0 the pooled
            chain is exactly the one of :func:`~dstheory.anatomy.rates.measure`.

    Raises:
        RecordError: an unknown kind; or, with ``pseudo=0``, a rate that cannot be estimated.

    >>> from dstheory.anatomy.simulate import simulate_log
    >>> chain = fit_chain(simulate_log(4000, p=0.4, a=0.9, b=0.8, cap=8, concentration=2.0), "heterogeneous")
    >>> [round(x, 2) for x in (chain.p.mean, chain.p.rho, chain.a.mean, chain.b.mean)]
    [0.39, 0.32, 0.91, 0.79]
    """
    return RolloutChain(*(_rate(log, name, kind, pseudo) for name in "pab"))


def fit_rate(log: Episodes | Ledger, name: str) -> BetaFit:
    """Fit one rate, "p", "a" or "b", as differing between problems: with errors, limits and the test of homogeneity."""
    return fit_beta_rate(_tails(log, name))


def _rate(log: Episodes | Ledger, name: str, kind: str, pseudo: float) -> BetaRate:
    if kind not in KINDS:
        raise RecordError(f"there is no kind of chain {kind!r}: there are {', '.join(KINDS)}")
    tails = _tails(log, name)
    if pseudo:
        tails = with_pseudo(tails, pseudo)
    if not tails.trials.sum():
        raise RecordError(f"{name} cannot be estimated: the log holds no trial of it; use pseudo > 0 or more episodes")
    if name not in KINDS[kind]:
        return BetaRate(tails.mean)
    fitted = fit_beta_rate(tails).rate
    assert fitted is not None  # there are trials
    return fitted


def _tails(log: Episodes | Ledger, name: str) -> Tails:
    table = log if isinstance(log, Ledger) else Ledger.of(log)
    successes, trials = RATES[name]
    return Tails.of(table.column(successes), table.column(trials), table.times)
