"""A configuration on a chain: what its terms push, at three levels; what stale responses, or another configuration, change.

Source: derived here.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import Any

import numpy as np

from dstheory.attribution import without_rounding
from dstheory.chain.exact import Solution, solve
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.checks import whole_number
from dstheory.comparison import Make, ObjectiveRow, Tilt, compare_objectives, lengths, tilt
from dstheory.errors import ChainError, DSTheoryError
from dstheory.objectives import Objective
from dstheory.objectives.token_parts import clip_weight
from dstheory.objectives.weights import token_ratios
from dstheory.trainers.configuration import Configuration
from dstheory.trainers.logged import logged_loss, why_not
from dstheory.trainers.moves import Moves, moves
from dstheory.trainers.training import Training
from dstheory.trainers.translation import Part, objective_of, parts
from dstheory.trainers.words import formula, latex, rows, statements

_MOST_UPDATES = 10_000  # steps, of some milliseconds each


@dataclass(frozen=True, eq=False)
class StartingPoint:
    """Where a configuration is looked at.

    Attributes:
        mdp, policy: the chain, and the policy that generates and is trained.
        reference: what KL terms refer to.
        expert: who demonstrates, or teaches.
        sampler: who generated the responses, where that is not the policy.
        first: whether p is that of first answers, as a log measures it, instead of all attempts.

    >>> start, reference, expert = (Policy.minimal(p=p, a=0.8, b=0.3) for p in (0.55, 0.5, 0.8))
    >>> StartingPoint(TwoStageMDP.minimal(), start, reference, expert).sampler is None  # the policy's own responses
    True
    """

    mdp: TwoStageMDP
    policy: Policy
    reference: Policy
    expert: Policy
    sampler: Policy | None = None
    first: bool = False


@dataclass(frozen=True)
class Clipped:
    """Shares of tokens without gradient: of all tokens of answers, of all tokens of decisions, of all tokens."""

    sample: float
    decide: float
    both: float


@dataclass(frozen=True)
class Stale:
    """An update on another policy's responses, beside the same on the policy's own.

    Attributes:
        clipped: shares of tokens that clipping leaves out; None where that is not known.
        factor: by what the gradient is longer, of the sampling stage, of the decision stage, of both.
        turned: angles between the two, in degrees.
    """

    clipped: Clipped | None
    factor: Tilt
    turned: Tilt


@dataclass(frozen=True)
class Explanation:
    """What a configuration optimises.

    Attributes:
        configuration: what was read.
        formula, latex: the coefficient of one token.
        parts: the objective by its parts, in words.
        attribution: one row for the whole and, where there are several terms, one for each.
        loss: what is logged as the loss at the first update, at the reference; None where it is not known here.
        logged: what the logged loss is, and why it is not the objective.
        notes: (claim, sentence).
        why_not: why nothing is attributed, "" if it is.
        stale: what another policy's responses change; None on the policy.
        moves: which way a step moves p, a and b, one row for each of ``attribution``.

    >>> from dstheory.trainers import configuration_of
    >>> start, reference, expert = (Policy.minimal(p=p, a=0.8, b=0.3) for p in (0.55, 0.5, 0.8))
    >>> place = StartingPoint(TwoStageMDP.minimal(), start, reference, expert)
    >>> explain(configuration_of("trl:grpo"), place).formula
    'c = rho (R - mean(R))/(std of group + 0.0001)/(sum of batch L)'
    """

    configuration: Configuration
    formula: str
    latex: str
    parts: tuple[tuple[str, str], ...]
    attribution: tuple[ObjectiveRow, ...]
    loss: float | None
    logged: str
    notes: tuple[tuple[str, str], ...]
    why_not: str = ""
    stale: Stale | None = None
    moves: tuple[Moves, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        found = self.configuration
        trainer = found.trainer
        return {
            "file": found.name,
            "trainer": {"id": trainer.id, "name": trainer.name, "library": trainer.library, "version": trainer.version,
                        "source": trainer.source, "found": found.recognised_by},
            "objective": {"formula": self.formula, "latex": self.latex, "parts": dict(self.parts)},
            "training": asdict(found.training),
            "settings": [asdict(setting) for setting in found.settings],
            "attribution": [asdict(row) for row in self.attribution],
            "moves": [asdict(row) for row in self.moves],
            "not_attributed": self.why_not,
            "stale": None if self.stale is None else asdict(self.stale),
            "logged": {"loss": self.loss, "what": self.logged},
            "notes": [{"claim": claim, "says": text} for claim, text in self.notes],
            "warnings": list(found.warnings),
            "not_modelled": [asdict(lack) for lack in found.lacks],
            "unknown": [asdict(entry) for entry in found.unknown],
            "not_read": [asdict(entry) for entry in found.unread],
            "keys_beside": found.beside,
        }  # fmt: skip


def explain(configuration: Configuration, place: StartingPoint, *, longer: float = 8.0, rng: int = 0) -> Explanation:
    """Return what a configuration optimises, at a place.

    Args:
        configuration: what was read.
        place: chain, policy, reference, expert.
        longer: factor on the length of answers, for the column on length.
        rng: seed, where level (i) has to sample trajectories.

    >>> from dstheory.trainers import configuration_of
    >>> start = Policy.minimal(p=0.55, a=0.8, b=0.3)
    >>> place = StartingPoint(TwoStageMDP.minimal(gamma=1.0), start, start, Policy.minimal(p=0.9, a=0.95, b=0.9))
    >>> [row.name for row in explain(configuration_of("trl:grpo", settings=("beta=0.04",)), place).attribution]
    ['whole', 'reward', 'KL in the loss']
    """
    t, solution = configuration.training, solve(place.mdp, place.policy)
    if place.sampler is None:
        configuration = replace(configuration, warnings=(*configuration.warnings, *idle_clips(configuration)))
    if beyond := beyond_bound(t, place):
        configuration = replace(configuration, warnings=(*configuration.warnings, beyond))
    found: tuple[ObjectiveRow, ...] = ()
    moved: tuple[Moves, ...] = ()
    why, stale = "", None
    try:
        makes = _makes(t, place)
        found = _paid_to_go(tuple(compare_objectives(place.mdp, place.policy, makes, longer=longer, rng=rng)), t, place)
        moved = tuple(moves(place.mdp, place.policy, makes, first=place.first))
        if place.sampler is not None:
            lost = clipped(t, place.mdp, place.policy, place.sampler)
            stale = Stale(
                lost, *_against(_whole(t, replace(place, sampler=None), place.mdp), _whole(t, place, place.mdp), solution)
            )
    except DSTheoryError as error:
        why = str(error)
    logged = logged_loss(t, solution), why_not(t, off_policy=place.sampler is not None)
    told = tuple(statements(t, off_policy=place.sampler is not None))
    unseen = any("KL in the" in lack.key + lack.what for lack in configuration.lacks)  # then "none" would be wrong
    parts = tuple(row for row in rows(t) if row[0] != "KL" or not unseen)
    return Explanation(configuration, formula(t), latex(t), parts, found, *logged, told, why, stale, moved)


def _paid_to_go(found: tuple[ObjectiveRow, ...], t: Training, place: StartingPoint) -> tuple[ObjectiveRow, ...]:
    """Say that a KL in the reward is not balanced where an answer pays for its own log-ratio and its decision does not.

    Such a KL is computed with one coefficient for the whole response, which has the same mean (O12).
    """
    charged = [row.name for row in found if row.name == "KL in the reward"]
    own, drawn = place.policy.log_ratios(place.reference)[0], place.policy.log_sample > -np.inf
    if not charged or not t.paid_to_go or not (np.abs(np.where(drawn, own, 0.0)) > 1e-12).any():
        return found
    return tuple(replace(row, balanced=False) if row.name in ("whole", *charged) else row for row in found)


def moves_at(training: Training, place: StartingPoint) -> list[Moves]:
    """Return which way a step moves p, a and b at a place: one row for the whole and, of several terms, one for each.

    >>> from dstheory.trainers import configuration_of
    >>> start, reference, expert = (Policy.minimal(p=p, a=0.8, b=0.3) for p in (0.55, 0.5, 0.8))
    >>> place = StartingPoint(TwoStageMDP.minimal(), start, reference, expert)
    >>> [row.name for row in moves_at(configuration_of("trl:grpo", settings=["beta=0.04"]).training, place)]
    ['whole', 'reward', 'KL in the loss']
    """
    return moves(place.mdp, place.policy, _makes(training, place), first=place.first)


def idle_clips(configuration: Configuration) -> list[str]:
    """Return a warning for every bound of a ratio that was set and never acts, since all ratios are 1."""
    t, keys = configuration.training, configuration.trainer.keys
    clips = t.method == "policy-gradient" and t.clip in ("ppo", "truncate") and not 0 < t.truncate_at < 1
    unknown = any(words in lack.what for lack in configuration.lacks for words in ("how many updates", "ratios are taken"))
    if not clips or unknown or t.updates > 1:
        return []
    return [
        f"{setting.key} = {setting.value} never acts: with one update on each batch of responses all ratios are 1 "
        "(--sampler P,A,B shows an update on those of an earlier policy)"
        for setting in configuration.settings
        if setting.given and setting.value is not None and keys[setting.key].sets in ("clip_low", "clip_high", "dual_clip")
    ]


def beyond_bound(t: Training, place: StartingPoint) -> str:
    """Return a warning where an estimate of the KL in the loss is beyond what the library bounds it to, "" where none is."""
    if not t.beta or t.method != "policy-gradient" or t.kl_bound == np.inf:
        return ""
    policy, largest = place.policy, 0.0
    drawn = policy.log_sample > -np.inf
    for log, ratio in zip(
        (policy.log_sample, policy.log_stop, policy.log_resample), policy.log_ratios(place.reference), strict=True
    ):
        d = np.where(drawn & (log > -np.inf), ratio, 0.0)
        with np.errstate(over="ignore"):
            value = {"k1": np.abs(d), "k2": d * d / 2.0}.get(t.estimator, np.expm1(-d) + d)
        largest = max(largest, float(value.max()))
    if largest <= t.kl_bound:
        return ""
    return (
        f"the library bounds its estimate of the KL to {t.kl_bound:g}, beyond which a token has no gradient from it; here it is "
        f"up to {largest:.3g}, and the KL is shown without that bound"
    )


def _makes(t: Training, place: StartingPoint) -> dict[str, Make]:
    """Return how to make the whole for a chain and, where it has several, each of its terms."""
    terms = _parts(t, place, place.mdp)
    makes: dict[str, Make] = {"whole": partial(_whole, t, place)}
    return makes | {part.name: partial(_term, t, place, i) for i, part in enumerate(terms) if len(terms) > 1}


def _parts(t: Training, place: StartingPoint, mdp: TwoStageMDP) -> list[Part]:
    return parts(t, solve(mdp, place.policy), reference=place.reference, expert=place.expert, sampler=place.sampler)


def _whole(t: Training, place: StartingPoint, mdp: TwoStageMDP) -> Objective:
    return objective_of(t, solve(mdp, place.policy), reference=place.reference, expert=place.expert, sampler=place.sampler)


def _term(t: Training, place: StartingPoint, index: int, mdp: TwoStageMDP) -> Objective:
    part = _parts(t, place, mdp)[index]
    return part.objective if part.factor == 1.0 else part.factor * part.objective


@dataclass(frozen=True)
class TrainingDifference:
    """One configuration against another.

    Attributes:
        fields: (field, its value here, its value there) of what differs and is used.
        parts: (part of the objective, in words here, in words there) of what differs.
        factor: by what the other's gradient is longer, of the sampling stage, of the decision stage, of both.
        turned: angles between the two, in degrees.
        divided: the part of that factor which comes from what sums over tokens are divided by; NaN where that does not differ.
        why_not: why they are not compared, "" if they are.
        moves: what each as a whole does to p, a and b, the one here first; none where they are not compared.

    >>> from dstheory.trainers import configuration_of
    >>> start, reference, expert = (Policy.minimal(p=p, a=0.8, b=0.3) for p in (0.55, 0.5, 0.8))
    >>> place = StartingPoint(TwoStageMDP.minimal(), start, reference, expert)
    >>> here, there = configuration_of("trl:grpo", settings=["beta=0.04"]).training, configuration_of("trl:grpo").training
    >>> difference(here, there, place).fields
    (('beta', 0.04, 0.0),)
    """

    fields: tuple[tuple[str, Any, Any], ...]
    parts: tuple[tuple[str, str, str], ...]
    factor: Tilt
    turned: Tilt
    divided: float = float("nan")
    why_not: str = ""
    moves: tuple[Moves, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "fields": [{"field": name, "here": here, "there": there} for name, here, there in self.fields],
            "parts": [{"part": name, "here": here, "there": there} for name, here, there in self.parts],
            "factor": asdict(self.factor),
            "divided": self.divided,
            "degrees": asdict(self.turned),
            "moves": [asdict(row) for row in self.moves],
            "not_compared": self.why_not,
        }


def difference(one: Training, other: Training, place: StartingPoint) -> TrainingDifference:
    """Return what differs in two objectives, and by what factor and angle the update of each stage does.

    >>> start = Policy.minimal(p=0.55, a=0.8, b=0.3)
    >>> place = StartingPoint(TwoStageMDP.minimal(gamma=1.0), start, start, start)
    >>> found = difference(Training(), Training(normaliser="constant", max_tokens=100.0), place)
    >>> [name for name, _, _ in found.fields], round(found.factor.both, 12), found.turned.both
    (['normaliser', 'max_tokens'], 0.01, 0.0)
    """
    solution = solve(place.mdp, place.policy)
    changed = tuple(
        (field.name, getattr(one, field.name), getattr(other, field.name))
        for field in fields(Training)
        if getattr(one, field.name) != getattr(other, field.name) and _matters(field.name, one, other)
    )
    here, there = _said(one), _said(other)
    said = [(name, *(two.get(name, _ABSENT.get(name, "none")) for two in (here, there))) for name in {**here, **there}]
    parts = tuple((name, ours, theirs) for name, ours, theirs in said if ours != theirs and name != "KL")

    def against(two: Training) -> tuple[Tilt, Tilt]:
        return _against(_whole(one, place, place.mdp), _whole(two, place, place.mdp), solution)

    try:
        factor, turned = against(other)
    except DSTheoryError as error:
        return TrainingDifference(changed, parts, Tilt(), Tilt(), why_not=str(error))
    divided = float("nan")
    if one.method == other.method == "policy-gradient" and {"normaliser", "max_tokens"} & {name for name, *_ in changed}:
        with suppress(DSTheoryError):
            same = replace(one, normaliser=other.normaliser, max_tokens=other.max_tokens, prompts=other.prompts)
            divided = against(same)[0].both
    each = [moves_at(t, place)[0] for t in (one, other)]
    both = replace(each[0], name="here"), replace(each[1], name="there")
    return TrainingDifference(changed, parts, factor, turned, divided, moves=both)


_ABSENT = {"updates": "one on each batch", "groups": "all are kept", "truncated responses": "as others", "rewards": "correct"}
"""Parts of an objective that are not said where they are as usual."""


def _said(training: Training) -> dict[str, str]:
    """Return an objective in words."""
    return {"coefficient": formula(training), **dict(rows(training))}


def _against(one: Objective, other: Objective, solution: Solution) -> tuple[Tilt, Tilt]:
    """Return by what factor the other's gradient is longer, and the angles between the two."""
    here, there = (without_rounding(objective, solution) for objective in (one, other))
    pairs = zip(lengths(here), lengths(there), strict=True)
    return Tilt(*(b / a if a else float("nan") for a, b in pairs)), tilt(there, here)


def _matters(field: str, one: Training, other: Training) -> bool:
    """Return whether one of two trainings would be another objective with the other's value of a field."""
    if one.method != other.method and field not in ("method", "normaliser", "max_tokens"):
        return False
    swapped = (one, getattr(other, field)), (other, getattr(one, field))
    try:
        return any(_said(replace(training, **{field: value})) != _said(training) for training, value in swapped)
    except DSTheoryError:  # a value that goes with others of its own side
        return True


def clipped(training: Training, mdp: TwoStageMDP, policy: Policy, sampler: Policy) -> Clipped | None:
    r"""Return the shares of the sampler's tokens that are clipped; None where no tokens are, or credits are of another kind.

    A token loses its gradient where its ratio has gone too far in the direction that its credit asks for. With 0/1 rewards a
    credit against the group's mean is positive for a success and negative for a failure, and 0 where all rewards of the group
    are equal: among G - 1 others with accuracy x a success meets a failure with probability :math:`1 - x^{G-1}`, a failure a
    success with :math:`1 - (1 - x)^{G-1}`. The share is that of the expected tokens, as libraries log it for a large batch.

    >>> mdp, here = TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.7, a=0.8, b=0.3)
    >>> stale = Policy.minimal(p=0.5, a=0.8, b=0.3)
    >>> found = clipped(Training(group_size=2), mdp, here, stale)  # 1.4 for right answers, 0.6 for wrong ones
    >>> round(found.sample, 3), found.decide
    (0.436, 0.0)
    """
    t = training
    known = t.credit in ("group-mean", "leave-one-out") and t.masked == "none" and t.dead_groups == "kept"
    known = known and not t.rewards and t.combine == "before"
    if t.method != "policy-gradient" or t.clip != "ppo" or t.ratio != "token" or not known:
        return None
    under, rho = solve(mdp, sampler), token_ratios(policy, sampler, solve(mdp, policy))
    right, x = np.asarray(mdp.correct, dtype=np.float64), np.asarray(under.accuracy, dtype=np.float64)
    value = under.values_of(right, np.zeros_like(right))
    mixed = (1.0 - x ** (t.group_size - 1.0))[:, None], (1.0 - (1.0 - x) ** (t.group_size - 1.0))[:, None]
    chain = under.unrolled
    met = (under.finite_visits * mdp.prompt_weight)[..., None] * chain.sample
    lengths = mdp.sample_length, mdp.decision_length

    def count(times: np.ndarray, length: np.ndarray, ratio: np.ndarray, success: np.ndarray) -> tuple[float, float]:
        tokens, lost = times * length, np.zeros_like(times)
        for sign, chance in ((1.0, success * mixed[0]), (-1.0, (1.0 - success) * mixed[1])):
            weight = clip_weight(ratio, sign, low=t.clip_low, high=t.clip_high, dual=t.dual_clip)
            lost = lost + chance * ((weight == 0.0) & (ratio > 0.0))
        return float((tokens * lost).sum()), float(tokens.sum())

    answers = count(met, lengths[0], rho.sample, value.q_sample)
    decided = met * chain.decided
    stops = count(decided * chain.stop, lengths[1], rho.stop, np.broadcast_to(value.q_stop, met.shape))
    resamples = count(decided * chain.resample, lengths[1], rho.resample, np.broadcast_to(value.q_resample, met.shape))
    lost, total = answers[0] + stops[0] + resamples[0], answers[1] + stops[1] + resamples[1]
    decisions = stops[1] + resamples[1]
    return Clipped(answers[0] / answers[1], (stops[0] + resamples[0]) / decisions if decisions else 0.0, lost / total)


def later_update(training: Training, place: StartingPoint, number: int, lr: float) -> StartingPoint:
    r"""Return where the update of that number on one batch is made: the policy after the steps before it, the start as sampler.

    The steps before it are the expected ones, of plain gradient ascent. The k-th update's own expectation is then exact for
    responses that the earlier steps have not seen, another mini-batch of the same rollouts: what is left out, since the
    policy really stands a little beside, is of second order in the step. On the very same responses it is of first order,
    :math:`\eta\, \mathrm{Cov}(\nabla \hat g, \hat g)` of one batch, since the policy has learnt from what it is now graded
    on. Both vanish as batches grow.

    Args:
        training: whose updates they are.
        place: where the first one is made.
        number: 1 for the first update, at most 10,000.
        lr: size > 0 of each step, which is this times the expected gradient.

    Raises:
        ChainError: a training without responses of its own, one that is not modelled off the policy, or a step that is too large.

    >>> from dstheory import Policy, TwoStageMDP
    >>> start = Policy.minimal(p=0.55, a=0.8, b=0.3)
    >>> place = later_update(Training(), StartingPoint(TwoStageMDP.minimal(gamma=1.0), start, start, start), 2, lr=1.0)
    >>> bool(solve(place.mdp, place.policy).accuracy[0] > solve(place.mdp, start).accuracy[0]), place.sampler is start
    (True, True)
    """
    if whole_number(number, "update", low=1) > _MOST_UPDATES:
        raise ChainError(f"update is {number:,}: must be at most {_MOST_UPDATES:,}, steps that are taken one by one")
    if not (np.isfinite(lr) and lr > 0):
        raise ChainError(f"lr is {lr}: must be finite and > 0, the size of a step")
    if training.method != "policy-gradient":
        raise ChainError(f"{training.method} has no batch of the policy's own responses that later updates could reuse")
    start = place.policy
    for made in range(1, number):
        step = _whole(training, place, place.mdp).gradient(solve(place.mdp, place.policy)).parameters(place.policy)
        moved = tuple(old + lr * new for old, new in zip(place.policy.parameters, step, strict=True))
        if not all(np.isfinite(block).all() for block in moved):
            raise ChainError(f"lr is {lr:g}: step {made} leaves the finite numbers; use smaller steps")
        place = replace(place, policy=place.policy.with_parameters(moved), sampler=start)
    return place
