"""Weighted sums of objectives: reward + KL, and whatever else is trained together.

A penalty in the loss that leaves its normaliser open is divided as the reward in the sum is: training code adds both token by
token and divides once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.exact import Solution
from dstheory.chain.policy import Policy
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Floats, float_array, reject
from dstheory.errors import ChainError
from dstheory.objectives.base import CoefficientMass, Measure, Objective, check_runs, one_number, over_runs
from dstheory.objectives.fused import FusedTerms
from dstheory.objectives.parts.groups import Grouping
from dstheory.objectives.parts.normaliser import BatchTokens, GroupTokens, Normaliser

__all__ = ["WeightedSum"]


def _what_counts(found: tuple[Normaliser, Grouping] | None) -> tuple[object, ...]:
    """Return what of a normaliser and its sizes enters an expectation."""
    if found is None:
        return ()
    normaliser, grouping = found
    spans = grouping.mixed or isinstance(normaliser, GroupTokens | BatchTokens)
    return (normaliser, grouping) if spans else (normaliser,)


def _factor_text(factor: ArrayLike) -> str:
    value = np.asarray(factor)
    if value.ndim:
        return "(per run) x "
    return "" if value == 1 else f"{float(value):g} x "


@dataclass(frozen=True, eq=False)
class WeightedSum(Objective):
    """A sum of objectives, each times a factor (a number, or one number per run).

    Raises:
        ChainError: no terms, as many factors as terms are not given, a factor is not finite, or a penalty could inherit the
            normaliser of two rewards that are divided differently.

    >>> from dstheory.objectives import EntropyBonus, Reinforce
    >>> (Reinforce() + 0.5 * EntropyBonus()).title
    'REINFORCE, return form + 0.5 x entropy bonus'
    """

    terms: tuple[Objective, ...]
    factors: tuple[ArrayLike, ...]

    def __post_init__(self) -> None:
        if not self.terms or len(self.terms) != len(self.factors):
            raise ChainError(
                f"a weighted sum needs one factor per term: got {len(self.terms)} terms, {len(self.factors)} factors"
            )
        for term, factor in zip(self.terms, self.factors, strict=True):
            value = float_array(factor, "factor")
            reject(~np.isfinite(value), value, f"factor of {term.name}", "must be finite", "give a number", axes=())
        object.__setattr__(self, "terms", self._divided_alike())

    def _divided_alike(self) -> tuple[Objective, ...]:
        """Return the terms, those that leave their normaliser open with that of the reward in the sum."""
        shared = {term.name: found for term in self.terms if (found := term.shared_normaliser()) is not None}
        first = next(iter(shared.values()), None)
        terms = tuple(term.inheriting(first) for term in self.terms)
        open_ones = [term.name for term, given in zip(terms, self.terms, strict=True) if term is not given]
        if open_ones and any(_what_counts(other) != _what_counts(first) for other in shared.values()):
            raise ChainError(
                f"{' and '.join(shared)} divide their tokens differently: {open_ones[0]} cannot inherit both; "
                "give it normaliser=, or add it to one of them"
            )
        return terms

    @classmethod
    def of(cls, *objectives: Objective) -> WeightedSum:
        """Return the sum of objectives; sums among them are opened up."""
        terms: list[Objective] = []
        factors: list[ArrayLike] = []
        for objective in objectives:
            if isinstance(objective, WeightedSum):
                terms += objective.terms
                factors += objective.factors
            else:
                terms.append(objective)
                factors.append(1.0)
        return cls(tuple(terms), tuple(factors))

    def rescaled(self, factor: ArrayLike) -> WeightedSum:
        """Return the sum with every factor multiplied."""
        return WeightedSum(self.terms, tuple(np.asarray(f) * np.asarray(factor) for f in self.factors))

    family = "sum"

    # A sum is not in the registry: what the classes there declare, it composes.
    @property
    def name(self) -> str:  # type: ignore[override]
        """Names of the terms joined by +."""
        return "+".join(term.name for term in self.terms)

    @property
    def title(self) -> str:  # type: ignore[override]
        """Titles of the terms with their factors."""
        return " + ".join(_factor_text(f) + t.title for f, t in zip(self.factors, self.terms, strict=True))

    @property
    def formula(self) -> str:  # type: ignore[override]
        """Formulas of the terms with their factors."""
        return " + ".join(f"{_factor_text(f)}[{t.formula}]" for f, t in zip(self.factors, self.terms, strict=True))

    @property
    def balance(self) -> str:  # type: ignore[override]
        """Balanced if every term is."""
        verdicts = {term.balance for term in self.terms}
        return verdicts.pop() if len(verdicts) == 1 else "unbalanced"

    @property
    def balanced_when(self) -> str:  # type: ignore[override]
        """Conditions of the terms."""
        return "; and ".join(f"{term.name}: {term.balanced_when}" for term in self.terms)

    @property
    def ascends(self) -> str:  # type: ignore[override]
        """Scalars of the terms."""
        return "; plus ".join(f"{term.name}: {term.ascends}" for term in self.terms)

    @property
    def measure(self) -> Measure:
        """``"policy"`` if that is every term's measure, ``"mixed"`` for other sums: demonstrations and references may differ."""
        measures = {term.measure for term in self.terms}
        return measures.pop() if measures == {"policy"} or len(self.terms) == 1 else "mixed"

    def behaviour(self, solution: Solution) -> Policy | Trajectories:
        """Return the terms' common behaviour.

        Raises:
            ChainError: the terms are averaged over different trajectories.
        """
        if self.measure != "policy" and len(self.terms) > 1:
            raise ChainError(f"{self.name} averages over different trajectories: look at its terms one by one")
        return self.terms[0].behaviour(solution)

    def coefficients(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats]:
        """Return the sums of the terms' coefficients; they must share one measure."""
        self.behaviour(solution)
        c_s, c_d = np.zeros(len(trajectories.answer)), np.zeros(len(trajectories.answer))
        for factor, term in zip(self.factors, self.terms, strict=True):
            s, d = term.coefficients(solution, trajectories)
            f = one_number(factor, f"factor of {term.name}")
            c_s, c_d = c_s + f * s, c_d + f * d
        return c_s, c_d

    def shared_normaliser(self) -> tuple[Normaliser, Grouping] | None:
        """Return that of the first reward in the sum."""
        return next((found for term in self.terms if (found := term.shared_normaliser()) is not None), None)

    def magnitude(self, solution: Solution) -> tuple[Floats, Floats]:
        """Return the sum of the terms' own: terms that cancel leave rounding as well."""
        each = [(np.abs(np.asarray(f)), t.magnitude(solution)) for f, t in zip(self.factors, self.terms, strict=True)]
        return sum((f * s for f, (s, _) in each), np.zeros(())), sum((f * d for f, (_, d) in each), np.zeros(()))

    def mass(self, solution: Solution) -> CoefficientMass:
        """Return the sum of the terms' masses: masses add whatever the measures."""
        for factor, term in zip(self.factors, self.terms, strict=True):
            check_runs(solution, **{f"factor of {term.name}": np.shape(factor)})
        masses = [t.mass(solution).scaled(f) for f, t in zip(self.factors, self.terms, strict=True)]
        check_runs(solution, **{f"{term.name}": m.sample.shape[:-3] for term, m in zip(self.terms, masses, strict=True)})
        total = masses[0]
        for mass in masses[1:]:
            total = total + mass
        return total

    def fused_terms(self, solution: Solution) -> FusedTerms | None:
        """Return the sum of the terms' own, or None if one has none, a factor has run axes, or they do not add up."""
        total: FusedTerms | None = FusedTerms()
        for factor, term in zip(self.factors, self.terms, strict=True):
            own = None if np.ndim(factor) else term.fused_terms(solution)
            total = None if own is None or total is None else total.plus(own.scaled(float(np.asarray(factor))))
        return total

    def value(self, solution: Solution) -> Floats | None:
        """Return the sum of the terms' scalars, or None if a term has none."""
        total: Floats = np.zeros(())
        for factor, term in zip(self.factors, self.terms, strict=True):
            value = term.value(solution)
            if value is None:
                return None
            f = over_runs(factor, 0)
            with np.errstate(invalid="ignore"):  # a term that is left out counts 0, be its scalar infinite
                total = total + np.where(f == 0.0, 0.0, f * value)
        return total

    def with_reference(self, reference: Policy) -> WeightedSum:
        """Return the sum with every term's reference replaced."""
        return WeightedSum(tuple(t.with_reference(reference) for t in self.terms), self.factors)
