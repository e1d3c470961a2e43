r"""What an objective is: a coefficient rule under a measure.

.. math::
    g = E_{\tau \sim \mu} \Big[ \sum_k c_s(k, \tau) \nabla \log \pi_s(y_k \mid x)
        + c_d(k, \tau) \nabla \log \pi_d(d_k \mid x, y_k) \Big],

with :math:`\mu = \pi` (on-policy), the reference, or demonstrations, and coefficients that are not differentiated: this is how
training code is written (loss = minus the sum of coefficient x log-probability). Every objective is written for **ascent**.

Only the expected coefficient of each state and action matters for g. Collecting it gives a signed measure, the *coefficient mass*
:math:`m_s(k, x, y) = E_\mu[c_s(k, \tau) 1\{x, y_k = y\}]` and likewise :math:`m_d`; for softmax and logistic policies

.. math:: g_s(k, x, y) = m_s(y) - \pi_s(y) \sum_{y'} m_s(y'), \qquad g_d(k, x, y) = m_d(stop)\,\pi_d(res) - m_d(res)\,\pi_d(stop).

An objective therefore states two things that are checked against each other: its rule on trajectories (``coefficients``) and
its mass in closed form (``mass``).

Source: derived here; the coefficient view is that of arXiv 2601.01580, section 4.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.exact import Solution
from dstheory.chain.policy import Policy
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Floats, float_array, reject
from dstheory.errors import ChainError
from dstheory.objectives.digits import refuse_lost_digits, refuse_not_finite
from dstheory.objectives.expectation.grouping import Grouping
from dstheory.objectives.fused import LEFT, FusedTerms, applies, few_prompts, few_rows, fused_gradient
from dstheory.objectives.mass import CoefficientMass, StageGradient, check_runs, one_number, over_runs
from dstheory.objectives.parts import BatchTokens, GroupTokens, Normaliser, nearest

if TYPE_CHECKING:
    from dstheory.kernels.gradient import RewardKLGradient

Measure = Literal["policy", "sampler", "reference", "demonstrations", "mixed"]


class Objective(ABC):
    """One objective: its rule on trajectories, its coefficient mass in closed form, and what it declares about itself.

    A subclass is a frozen dataclass in a file of its own, decorated with ``@register``. What it declares is tested.

    >>> from dstheory import TwoStageMDP, solve
    >>> from dstheory.objectives import Reinforce
    >>> objective, s = Reinforce(), solve(TwoStageMDP.minimal(), Policy.minimal(p=0.55, a=0.8, b=0.3))
    >>> objective.name, objective.family, objective.gradient(s).sample.round(4).tolist()
    ('reinforce', 'reward', [[[0.2405, -0.2405]]])
    """

    # What these say is explained at dstheory.about.About; those of this package's objectives come from its table.
    name: ClassVar[str]
    family: ClassVar[str]
    title: ClassVar[str]
    formula: ClassVar[str]
    balance: ClassVar[str]
    balanced_when: ClassVar[str]
    ascends: ClassVar[str]
    source: ClassVar[str] = ""
    claims: ClassVar[tuple[str, ...]] = ()
    measured_on: ClassVar[str] = "policy"
    normalised_by: ClassVar[str] = "responses"
    credits: ClassVar[str | None] = None
    token_model: ClassVar[str] = "any"
    expectation: ClassVar[str] = "closed form"

    honoured: ClassVar[frozenset[str]] = frozenset()
    """What a subclass outside this package may override and a compiled loop still asks for, beside fields and words."""

    def __init_subclass__(cls, **rest: Any) -> None:
        """Take away what stands beside a mass, or beside a rule, that a class overrides: it would be that of another one.

        A child of that class may then change both through ``super()``, each once.

        Raises:
            ChainError: a class overrides what is computed from the mass, which sums and others compute for themselves.
        """
        super().__init_subclass__(**rest)
        for name in ("ascent", "gradient", "value_and_gradient", "ascent_and_magnitude"):
            if getattr(cls, name) is not getattr(Objective, name):
                raise ChainError(
                    f"{cls.__name__} overrides {name}, which is computed from the mass, in sums from those of all terms: "
                    "override mass instead, and coefficients with it"
                )
        if nearest(cls, "centred", "mass") == "mass":
            cls.centred = _as_mass(cls)  # type: ignore[assignment, method-assign]
        if nearest(cls, "coefficients_of_runs", "coefficients") == "coefficients":
            cls.coefficients_of_runs = _run_by_run  # type: ignore[method-assign]

    def __eq__(self, other: object) -> bool:
        """Return whether the other is of the same kind with equal settings; arrays and policies are compared by value."""
        return _equal(self, other)

    def __hash__(self) -> int:
        return hash(type(self))

    @property
    def measure(self) -> Measure:
        """Whose trajectories the expectation is over."""
        return "policy"

    @abstractmethod
    def coefficients(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats]:
        """Return c_s and c_d of every step, (m,) each; c_d is 0 where no decision was drawn."""

    def coefficients_of_runs(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats] | None:
        """Return the same for every run of a policy at once, (*runs, m) or (m,) each, or None where each run has to be asked.

        A class that overrides ``coefficients`` alone is asked run by run.
        """
        return None

    def known_coefficients(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats]:
        """Return ``coefficients``, of which the exact gradient is the expectation.

        Raises:
            ChainError: a class outside this package changes the mass, and leaves the rule as it was.
        """
        if self.without_rule:
            raise ChainError(self.without_rule)
        return self.coefficients(solution, trajectories)

    @property
    def without_rule(self) -> str:
        """Why ``coefficients`` say nothing of the exact gradient, where a class outside this package changes the mass alone."""
        alone = _alone(type(self), _MASS, _RULE)
        return alone and (
            f"{alone}, what trajectories are expected to be given, but not coefficients, what they are given: give it its own "
            "coefficients, or ask for the gradient alone"
        )

    def together(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats] | None:
        """Return ``coefficients_of_runs``, or None where ``coefficients`` was put into the class after it was made."""
        later = nearest(type(self), "coefficients_of_runs", "coefficients") == "coefficients"
        return None if later else self.coefficients_of_runs(solution, trajectories)

    @abstractmethod
    def mass(self, solution: Solution) -> CoefficientMass:
        """Return the expected coefficient of every action, in closed form."""

    def centred(self, solution: Solution) -> CoefficientMass:
        """Return a mass of the same gradient, up to a number that the actions of a state share, with digits where they are alike.

        A class that overrides the mass alone is taken at its word: this is the mass then.
        """
        return self.mass(solution)

    def _closest(self, solution: Solution) -> CoefficientMass:
        """Return the mass that the gradient is computed from.

        Raises:
            ChainError: a class outside this package changes the rule, and leaves the mass as it was.
        """
        if alone := _alone(type(self), _RULE, _MASS):
            raise ChainError(
                f"{alone}, what trajectories are given, but not mass, what they are expected to be given: "
                "give it its own mass, which the exact gradient is computed from"
            )
        later = nearest(type(self), "centred", "mass") == "mass"  # put into the class after it was made
        return self.mass(solution) if later else self.centred(solution)

    def fused_terms(self, solution: Solution) -> FusedTerms | None:
        """Return the objective as terms of the compiled loop, or None if it is made of anything else."""
        return None

    def known_terms(self, solution: Solution) -> FusedTerms | None:
        """Return the same, or None where a subclass changes what they stand for."""
        return self.fused_terms(solution) if self.as_compiled else None

    @property
    def as_compiled(self) -> bool:
        """Whether shortcuts stand for it: no class outside this package overrides anything, unless a compiled loop with it."""
        return _as_compiled(type(self))

    def gradient(self, solution: Solution) -> StageGradient:
        """Return the exact (pseudo-)gradient with respect to the logits, every row to nine digits.

        Large tables take a compiled path where there is one.

        Raises:
            ChainError: it is not finite, or terms that cancel leave fewer digits (see :mod:`dstheory.objectives.digits`); each
                term of a sum is asked for its own, since a sum may vanish.
        """
        found = self.ascent(solution)
        refuse_not_finite(self, solution, found)
        refuse_lost_digits(self, solution, found)
        return found

    def ascent(self, solution: Solution) -> StageGradient:
        """Return the gradient unchecked, as far as rounding leaves it: for following it to where nothing is left of it."""
        fast = self._in_one_pass(solution) if applies(solution) and self.as_compiled else None
        if fast is not None:
            return fast
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused by those who use it
            return self._closest(solution).gradient(solution.policy)

    def _in_one_pass(self, solution: Solution) -> StageGradient | None:
        """Return the gradient of a large table from a compiled loop; None where there is none, or not with enough digits."""
        fast = self._fused(solution)
        return None if fast is None else StageGradient(fast.sample, fast.decide)

    @property
    def summands(self) -> tuple[Objective, ...]:
        """The objectives that it is a sum of; itself alone, unless it is a sum."""
        return (self,)

    def value_and_gradient(self, solution: Solution) -> tuple[Floats, StageGradient]:
        """Return V(x) of the chain's own reward, (*runs, X), and the gradient, in one pass where there is a compiled path."""
        fast = self._fused(solution)
        if fast is None:
            return solution.value, self.gradient(solution)
        return fast.value, StageGradient(fast.sample, fast.decide)

    def _fused(self, solution: Solution) -> RewardKLGradient | None:
        terms = self.known_terms(solution) if applies(solution) else None
        found = None if terms is None else fused_gradient(terms, solution)
        if found is None or terms is None or found.left is None or not (rows := np.flatnonzero(found.left < LEFT)).size:
            return found
        few, weight = few_prompts(solution, rows)
        own = self if terms.reference is None else self.with_reference(few_rows(terms.reference, rows))
        again = own._closest(few).gradient(few.policy)
        found.sample[:, rows], found.decide[:, rows] = again.sample * weight, again.decide * weight
        return found

    def value(self, solution: Solution) -> Floats | None:
        """Return the scalar J, (*runs,), whose gradient this is, or None if there is no simple one."""
        return None

    def behaviour(self, solution: Solution) -> Policy | Trajectories:
        """Return whose trajectories the rule is averaged over: a policy, or recorded trajectories."""
        return solution.policy

    def with_reference(self, reference: Policy) -> Self:
        """Return the same objective with another reference policy; objectives without one return themselves."""
        held = isinstance(getattr(self, "reference", None), Policy)
        return dataclasses.replace(self, reference=reference) if held else self  # type: ignore[type-var]

    def with_sampler(self, sampler: Policy) -> Self:
        """Return the same objective on responses of another policy; objectives of the policy's own return themselves."""
        return self

    def shared_normaliser(self) -> tuple[Normaliser, Grouping] | None:
        """Return by what a loss that adds this reward divides its tokens, for penalties in the same sum; None for no reward."""
        return None

    def inheriting(self, normaliser: tuple[Normaliser, Grouping] | None) -> Self:
        """Return the same objective divided as the reward in its sum is; only penalties that leave it open change."""
        return self

    def magnitude(self, solution: Solution) -> tuple[Floats, Floats]:
        """Return the size of the terms that the gradient of each stage is a difference of, (*runs,) each.

        What is smaller than this times a few units of rounding is what cancellation left, not a gradient.
        """
        return _sizes(self._closest(solution), solution)

    def ascent_and_magnitude(self, solution: Solution) -> tuple[StageGradient, tuple[Floats, Floats]]:
        """Return both, of one mass where both come from it: it is what takes the time."""
        kind = type(self)
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused by those who use it
            if applies(solution) or kind.ascent is not Objective.ascent or kind.magnitude is not Objective.magnitude:
                return self.ascent(solution), self.magnitude(solution)
            mass = self._closest(solution)
            return mass.gradient(solution.policy), _sizes(mass, solution)

    def rescaled(self, factor: ArrayLike) -> Objective:
        """Return the objective times a number (or one number per run)."""
        return WeightedSum((self,), (factor,))

    __array_ufunc__ = None  # an array times an objective is the objective times the array, not an array of objectives

    def __add__(self, other: Objective) -> Objective:
        if not isinstance(other, Objective):
            return NotImplemented

        return WeightedSum.of(self, other)

    def __mul__(self, factor: ArrayLike) -> Objective:
        return self.rescaled(factor)

    __rmul__ = __mul__


def _sizes(mass: CoefficientMass, solution: Solution) -> tuple[Floats, Floats]:
    """Return the size of the terms that the gradient of a mass is a difference of, stage by stage, (*runs,) each."""
    pol, axes = solution.unrolled, (-3, -2, -1)
    decide = np.abs(mass.stop) * pol.resample + np.abs(mass.resample) * pol.stop
    return np.asarray(mass.terms.sum(axis=axes)), np.asarray(decide.sum(axis=axes))


_RULE = frozenset({"coefficients", "of_term"})
"""What a rule on trajectories asks for, and its mass does not."""
_MASS = frozenset({"mass", "centred"})
"""What the exact gradient asks for, and a rule does not."""
OF_THE_EXPECTATION = _RULE | _MASS


def overridden(kind: type[Objective], stop: Set[str] = frozenset()) -> Iterator[tuple[str, set[str]]]:
    """Yield the classes outside this package that a class is made of, and what each overrides, down to one that has ``stop``.

    A mixin, which is no objective, belongs to the class that joins it to one: their order does not matter.
    """
    order = kind.__mro__
    objectives = [i for i, each in enumerate(order) if issubclass(each, Objective)]
    for i, end in zip(objectives, [*objectives[1:], len(order)], strict=True):
        own = {
            name for each in order[i:end] for name, said in vars(each).items()
            if not name.startswith(("__", "_abc_")) and not hasattr(said, "follows")
        }  # fmt: skip
        if own & stop:
            return
        if not _ours(order[i]):
            yield order[i].__name__, own & {name for base in order[i + 1 :] for name in vars(base)}


def refuse_overridden(objective: Objective, names: Set[str], who: str) -> None:
    """Raise ChainError where a class outside this package overrides what somebody does not ask an objective for."""
    for kind, own in overridden(type(objective)):
        if found := sorted(own & names):
            raise ChainError(f"{kind} overrides {found[0]}, which {who} does not ask for: use gradient, or estimate_gradient")


def _ours(kind: type) -> bool:
    return kind.__module__.partition(".")[0] in ("dstheory", "abc", "builtins")


def _alone(kind: type[Objective], one: frozenset[str], other: frozenset[str]) -> str:
    """Return which class outside this package overrides what of one, and nothing of the other: "" if none does.

    It is looked for each time: something may have been put into a class since.
    """
    if _ours(kind):
        return ""
    return next((f"{name} overrides {min(own & one)}" for name, own in overridden(kind, other) if own & one), "")


def _as_mass(kind: type[Objective]) -> Callable[[Any, Solution], CoefficientMass]:
    """Return the method ``centred`` of a class that overrides the mass alone; ``mass`` is that of the class when it is asked."""

    def centred(self: Objective, solution: Solution) -> CoefficientMass:
        """Return the mass."""
        return kind.mass(self, solution)

    centred.follows = "mass"  # type: ignore[attr-defined]
    return centred


def _run_by_run(self: Objective, solution: Solution, trajectories: Trajectories) -> None:
    """Return None: a class that overrides ``coefficients`` alone is asked run by run."""


_run_by_run.follows = "coefficients"  # type: ignore[attr-defined]


def _as_compiled(kind: type[Objective]) -> bool:
    """Return whether no class outside this package overrides what one before it defines, but words, fields and what is honoured.

    A class that states its own terms, or its own pass, answers for all that it inherits. It is looked for each time.
    """
    if _ours(kind):
        return True
    fields = {field.name for field in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else set[str]()
    harmless = fields | Objective.__annotations__.keys() | kind.honoured
    for i, each in enumerate(kind.__mro__):
        if _ours(each):
            continue
        own = {name for name in vars(each) if not name.startswith(("__", "_abc_"))}
        if own & {"fused_terms", "_in_one_pass"}:
            return True
        if any(vars(base).keys() & own - harmless for base in kind.__mro__[i + 1 :]):
            return False
    return True


def _equal(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    if type(one) is not type(other):
        return False
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, Policy):
        return _equal(one.features, other.features) and _equal(one.parameters, other.parameters)
    if dataclasses.is_dataclass(one):
        names = [field.name for field in dataclasses.fields(one)]
        return all(_equal(getattr(one, name), getattr(other, name)) for name in names)
    return bool(one == other)


def _what_counts(found: tuple[Normaliser, Grouping] | None) -> tuple[object, ...]:
    """Return what of a normaliser and its sizes enters an expectation."""
    if found is None:
        return ()
    normaliser, grouping = found
    spans = grouping.mixed or isinstance(normaliser, GroupTokens | BatchTokens)
    return (normaliser, grouping) if spans else (normaliser, grouping.scale)


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
        shared = [(term.name, found) for term in self.terms if (found := term.shared_normaliser()) is not None]
        first = next((found for _, found in shared), None)
        terms = tuple(term.inheriting(first) for term in self.terms)
        open_ones = [term.name for term, given in zip(terms, self.terms, strict=True) if term is not given]
        if open_ones and any(_what_counts(other) != _what_counts(first) for _, other in shared):
            names = " and ".join(name for name, _ in shared)
            raise ChainError(
                f"{names} divide their tokens differently: {open_ones[0]} cannot inherit both; "
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

    @property
    def summands(self) -> tuple[Objective, ...]:
        """The objectives that it is a sum of, sums among them opened up."""
        return tuple(each for term in self.terms for each in term.summands)

    @property
    def without_rule(self) -> str:
        """What the first such term says."""
        return next((found for term in self.terms if (found := term.without_rule)), "")

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
        return self._added(term.coefficients(solution, trajectories) for term in self.terms)

    def coefficients_of_runs(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats] | None:
        """Return the sums of the terms' own."""
        self.behaviour(solution)
        each = []
        for factor, term in zip(self.factors, self.terms, strict=True):
            own = None if np.ndim(factor) else term.together(solution, trajectories)
            if own is None:
                return None
            each.append(own)
        return self._added(each)

    def _added(self, each: Iterable[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
        c_s, c_d = np.zeros(()), np.zeros(())
        for factor, term, (s, d) in zip(self.factors, self.terms, each, strict=True):
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
        return self._summed(solution, [term.mass(solution) for term in self.terms])

    def centred(self, solution: Solution) -> CoefficientMass:
        """Return the sum of the terms' own."""
        return self._summed(solution, [term._closest(solution) for term in self.terms])

    def _summed(self, solution: Solution, each: Sequence[CoefficientMass]) -> CoefficientMass:
        for factor, term in zip(self.factors, self.terms, strict=True):
            check_runs(solution, **{f"factor of {term.name}": np.shape(factor)})
        masses = [mass.scaled(f) for f, mass in zip(self.factors, each, strict=True)]
        shapes: dict[str, tuple[int, ...]] = {}
        for term, mass in zip(self.terms, masses, strict=True):
            label = term.name
            while label in shapes:  # one term may stand there twice
                label += " again"
            shapes[label] = mass.sample.shape[:-3]
        check_runs(solution, **shapes)
        return sum(masses[1:], start=masses[0])

    def fused_terms(self, solution: Solution) -> FusedTerms | None:
        """Return the sum of the terms' own, or None if one has none, a factor has run axes, or they do not add up."""
        total: FusedTerms | None = FusedTerms()
        for factor, term in zip(self.factors, self.terms, strict=True):
            own = None if np.ndim(factor) else term.known_terms(solution)
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

    def with_sampler(self, sampler: Policy) -> WeightedSum:
        """Return the sum with every term on responses of another policy, as far as it takes them."""
        return WeightedSum(tuple(term.with_sampler(sampler) for term in self.terms), self.factors)

    def with_reference(self, reference: Policy) -> WeightedSum:
        """Return the sum with every term's reference replaced."""
        return WeightedSum(tuple(t.with_reference(reference) for t in self.terms), self.factors)
