"""From settings (values of parameters by name) to a chain, a start, a reference, an objective, and how it is trained.

A setting is a number, or an array with one number per run: the commands have the first, the batches of a sweep the second.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dstheory.about import parse
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.dynamics.conditions import CONDITIONS, expert_policy, four_conditions
from dstheory.dynamics.optimizers import SGD, Adam, Momentum, NaturalGradient, Optimizer, schedule
from dstheory.dynamics.parameters import FIELDS, PAIRS, PARAMETERS, POLICIES, TOGETHER, read_baseline, value_at
from dstheory.errors import DSTheoryError, RewardNotReadError
from dstheory.objectives import Distillation, ExpertChain, WeightedSum, build, lookup
from dstheory.objectives.base import Objective
from dstheory.objectives.expectation.rewards import reward_terms
from dstheory.objectives.mass import over_runs

_REWARDS = dict(zip(TOGETHER["reward"].parts, TOGETHER["reward"].words, strict=True))


@dataclass(frozen=True, eq=False)
class Chain:
    """A chain from elsewhere, with its start and its reference; without ``mdp`` the minimal chain M0 is made of numbers."""

    mdp: TwoStageMDP | None = None
    start: Policy | None = None
    reference: Policy | None = None
    name: str = "M0"

    @classmethod
    def of(cls, mdp: TwoStageMDP, start: Policy | None, reference: Policy | None, name: str = "given") -> Chain:
        """Return a chain; the start defaults to uniform, the reference to the start."""
        begin = Policy.uniform(mdp) if start is None else start
        return cls(mdp, begin, begin if reference is None else reference, name)

    @property
    def pairs(self) -> int:
        """The number of (prompt, answer) pairs times the cap on turns, padding included: what one setting costs."""
        return 2 if self.mdp is None else self.mdp.correct.size * (self.mdp.max_turns or 1)


def problem_at(chain: Chain, settings: Mapping[str, Any]) -> tuple[TwoStageMDP, Policy, Policy]:
    """Return the chain, the start and the reference; what the settings do not name has its default.

    Raises:
        ChainError: a value breaks a rule of the model.
    """
    changes: dict[str, Any] = {
        name: settings[name] for name in ("gamma", "discount_per", "max_turns", "resample_cost") if name in settings
    }
    if "decision_length" in settings:
        changes["decision_length"] = over_runs(settings["decision_length"], 2)
    if any(name in settings for name in _REWARDS):
        changes["reward"] = {key: settings.get(name, float(key == "stop_correct")) for name, key in _REWARDS.items()}
        if not np.any(changes.get("resample_cost", 0.0)):
            changes.pop("resample_cost", None)
    if chain.mdp is not None:
        assert chain.start is not None
        assert chain.reference is not None
        if "answer_length" in settings:
            changes["sample_length"] = over_runs(settings["answer_length"], 2)
        return (chain.mdp.replace(**changes) if changes else chain.mdp), chain.start, chain.reference

    both = value_at(settings, "answer_length")
    lengths = [settings.get(f"answer_length_{kind}", both) for kind in ("correct", "wrong")]
    changes["sample_length"] = np.stack(np.broadcast_arrays(*map(np.asarray, lengths)), axis=-1)[..., None, :]
    start = {name: value_at(settings, name) for name in "pab"}
    reference = {name: settings.get(f"reference_{name}", start[name]) for name in "pab"}
    policy = Policy.minimal(**start)
    same = all(reference[name] is start[name] for name in "pab")
    return TwoStageMDP.minimal(**changes), policy, policy if same else Policy.minimal(**reference)


def objective_at(
    expression: str,
    problem: tuple[TwoStageMDP, Policy, Policy],
    settings: Mapping[str, Any],
    *,
    runs: tuple[int, ...] = (),
    rewards: str = "",
    only: Collection[str] | None = None,
) -> Objective:
    """Return an objective: one of `simulate`'s four conditions by name, or what an expression says.

    Args:
        expression: the name, or the expression.
        problem: chain, start and reference.
        settings: values of parameters; what they do not name has its default, an objective's own where it has one.
        runs: (number of settings,), or () where settings are numbers.
        rewards: name of the parameter that changes what the chain pays, if one was given: every objective that can then reads
            the chain's returns (group objectives compare them, unless an outcome is set).
        only: settings that count beside reference and demonstrations; default all. A table of all objectives shows each at its
            own defaults.

    Raises:
        DSTheoryError: unknown names, values out of range, or rewards given to an objective that cannot read them.
    """
    mdp, start, reference = problem
    p, a, b = (_tables(value_at(settings, f"expert_{name}"), runs) for name in "pab")
    fields = {name: value_at(settings, name) for name in FIELDS if name in settings or not PARAMETERS[name].own}
    if expression in CONDITIONS:
        kl = {name: value_at(settings, name) for name in ("beta", "length_weight", "reduction")}
        return four_conditions(mdp, start, expert=(p, a, b), reference=reference, **kl)[expression]
    names = [name for _, name in parse(expression)]
    for name in names if rewards else ():
        if lookup(name).credits == "correct":
            raise RewardNotReadError(
                f"{name} pays 1 for a correct answer and cannot read --{rewards.replace('_', '-')}: leave one of them out"
            )
    fields = {FIELDS[name]: value for name, value in fields.items() if only is None or name in only}
    fields |= {field: value for name, field, value in _together(settings) if only is None or name in only}
    if isinstance(baseline := fields.get("baseline"), str):
        fields["baseline"] = read_baseline(baseline)
    if isinstance(text := fields.get("reward_functions"), str):
        if "reward_weights" in fields:
            raise DSTheoryError("reward_functions has weights in it: leave reward_weights out")
        fields["reward_functions"], fields["reward_weights"] = reward_terms(text)
    given = ({"outcome": "return"} if rewards else {}) | fields | {"reference": reference}
    kinds = [lookup(name) for name in names]
    if not any(kind is Distillation or "demonstrations" in getattr(kind, "__dataclass_fields__", {}) for kind in kinds):
        return build(expression, given)
    expert = expert_policy(mdp, start, p=p, a=a, b=b)
    made = build(expression, given | {"demonstrations": ExpertChain(expert)})
    return _taught(made, expert) if Distillation in kinds else made


def _together(settings: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield the option, the field and the value of what several parameters set."""
    for option, field in PAIRS.items():
        parts = TOGETHER[option].parts
        if any(settings.get(part) is not None for part in parts):
            yield option, field, tuple(1.0 if settings.get(part) is None else float(settings[part]) for part in parts)
    for option in POLICIES:
        own = {name: settings.get(part) for name, part in zip("pab", TOGETHER[option].parts, strict=True)}
        if any(value is not None for value in own.values()):
            yield option, option, Policy.minimal(**{n: value_at(settings, n) if v is None else v for n, v in own.items()})


def _taught(objective: Objective, teacher: Policy) -> Objective:
    """Return the objective with the expert as the teacher of its distillation; penalties keep their reference."""
    if isinstance(objective, WeightedSum):
        return WeightedSum(tuple(_taught(term, teacher) for term in objective.terms), objective.factors)
    return objective.with_reference(teacher) if isinstance(objective, Distillation) else objective


def _tables(value: Any, runs: tuple[int, ...]) -> Any:
    """Return a probability of the demonstrator as it multiplies tables: a number, or (runs, 1, 1, 1)."""
    return over_runs(np.broadcast_to(value, runs), 3) if np.ndim(value) else value


def optimizer_at(settings: Mapping[str, Any]) -> Optimizer:
    """Return the optimiser."""
    lr = value_at(settings, "lr")
    match value_at(settings, "optimizer"):
        case "momentum":
            return Momentum(lr=lr, momentum=value_at(settings, "momentum"))
        case "adam":
            beta1, beta2, eps = (value_at(settings, f"adam_{name}") for name in ("beta1", "beta2", "eps"))
            return Adam(lr=lr, beta1=beta1, beta2=beta2, eps=eps)
        case "natural":
            return NaturalGradient(lr=lr, damping=value_at(settings, "damping"))
        case _:
            return SGD(lr=lr)


def training_at(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of :func:`dstheory.dynamics.train` that settings are."""
    numbers = {name: value_at(settings, name) for name in ("steps", "clip_norm", "reference_every", "updates_per_batch")}
    factors = schedule(value_at(settings, "schedule"), warmup=value_at(settings, "warmup"))
    return {**numbers, "optimizer": optimizer_at(settings), "schedule": factors}
