"""Weighted sums of objectives: reward + KL, and whatever else is trained together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dstheory.checks import Floats, float_array, reject
from dstheory.errors import ChainError
from dstheory.exact import Solution
from dstheory.objectives.base import CoefficientMass, Measure, Objective, check_runs, one_number, over_runs
from dstheory.objectives.fused import FusedTerms
from dstheory.policy import Policy
from dstheory.trajectories import Trajectories

__all__ = ["WeightedSum"]


def _factor_text(factor: ArrayLike) -> str:
    value = np.asarray(factor)
    if value.ndim:
        return "(per run) x "
    return "" if value == 1 else f"{float(value):g} x "


@dataclass(frozen=True, eq=False)
class WeightedSum(Objective):
    """A sum of objectives, each times a factor (a number, or one number per run).

    Raises:
        ChainError: no terms, as many factors as terms are not given, or a factor is not finite.

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
