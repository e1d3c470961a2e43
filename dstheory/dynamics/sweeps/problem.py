"""From the numbers of a tile of settings to a chain, a start, a reference and an objective, all with one run per setting.

Source: derived here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.checks import Floats
from dstheory.dynamics.conditions import expert_policy, four_conditions
from dstheory.dynamics.optimizers import SGD, Adam, Momentum, NaturalGradient, Optimizer
from dstheory.dynamics.sweeps.parameters import PARAMETERS
from dstheory.objectives import ExpertChain, build
from dstheory.objectives.base import Objective
from dstheory.objectives.mass import over_runs

__all__ = ["CONDITIONS", "Chain", "objective_at", "optimizer_at", "problem_at"]

CONDITIONS = ("reward", "reward + KL", "SFT, covers mistakes", "SFT, right first time")
"""What `simulate` compares, by the names it shows."""
_REWARDS = {f"reward_{key}": key for key in ("stop_correct", "resample_correct", "stop_wrong", "resample_wrong")}
_ACCURACY = {"reward_stop_correct": 1.0, "reward_resample_correct": 0.0, "reward_stop_wrong": 0.0, "reward_resample_wrong": 0.0}


@dataclass(frozen=True, eq=False)
class Chain:
    """A chain from elsewhere, with its start and its reference; without ``mdp`` the minimal chain M0 is made of numbers."""

    mdp: TwoStageMDP | None = None
    start: Policy | None = None
    reference: Policy | None = None
    name: str = field(default="M0")

    @property
    def pairs(self) -> int:
        """The number of (prompt, answer) pairs times the cap on turns, padding included: what one setting costs."""
        return 2 if self.mdp is None else self.mdp.correct.size * (self.mdp.max_turns or 1)


def problem_at(chain: Chain, settings: Mapping[str, Any]) -> tuple[TwoStageMDP, Policy, Policy]:
    """Return the chain, the start and the reference of a tile; what its settings do not name has its default.

    Raises:
        ChainError: a value breaks a rule of the model.
    """
    changes: dict[str, Any] = {
        name: settings[name] for name in ("gamma", "discount_per", "max_turns", "resample_cost") if name in settings
    }
    if "decision_length" in settings:
        changes["decision_length"] = over_runs(settings["decision_length"], 2)
    if any(name in settings for name in _REWARDS):
        changes["reward"] = {key: settings.get(name, _ACCURACY[name]) for name, key in _REWARDS.items()}
        if not np.any(changes.get("resample_cost", 0.0)):
            changes.pop("resample_cost", None)
    if chain.mdp is not None:
        assert chain.start is not None
        assert chain.reference is not None
        if "answer_length" in settings:
            changes["sample_length"] = over_runs(settings["answer_length"], 2)
        return (chain.mdp.replace(**changes) if changes else chain.mdp), chain.start, chain.reference

    both = settings.get("answer_length", PARAMETERS["answer_length"].default)
    lengths = [settings.get(f"answer_length_{kind}", both) for kind in ("correct", "wrong")]
    changes["sample_length"] = np.stack(np.broadcast_arrays(*map(np.asarray, lengths)), axis=-1)[..., None, :]
    start = {name: settings.get(name, PARAMETERS[name].default) for name in "pab"}
    reference = {name: settings.get(f"reference_{name}", start[name]) for name in "pab"}
    policy = Policy.minimal(**start)
    same = all(reference[name] is start[name] for name in "pab")
    return TwoStageMDP.minimal(**changes), policy, policy if same else Policy.minimal(**reference)


def objective_at(
    expression: str, problem: tuple[TwoStageMDP, Policy, Policy], settings: Mapping[str, Any], runs: tuple[int, ...]
) -> Objective:
    """Return the objective of a tile: one of `simulate`'s four conditions by name, or an expression.

    Args:
        expression: the name, or the expression.
        problem: chain, start and reference of the tile.
        settings: its parameters.
        runs: (number of settings,), or () for one setting whose parameters are numbers.

    Raises:
        DSTheoryError: unknown names, or values out of range.
    """
    mdp, start, reference = problem
    at = {name: PARAMETERS[name].default for name in ("beta", "alpha", "length_weight", "reduction", "outer_discount", "states")}
    at |= {name: settings[name] for name in at if name in settings}
    p, a, b = (settings.get(f"expert_{name}", PARAMETERS[f"expert_{name}"].default) for name in "pab")
    if expression in CONDITIONS:
        kl = {"beta": at["beta"], "length_weight": at["length_weight"], "reduction": at["reduction"], "reference": reference}
        made = four_conditions(mdp, start, expert=(_tables(p, runs), _tables(a, runs), _tables(b, runs)), **kl)
        return made[expression]
    expert = expert_policy(mdp, start, p=_tables(p, runs), a=_tables(a, runs), b=_tables(b, runs))
    own = {name for name in ("beta", "alpha") if name not in settings}  # left to the objective
    chosen = {name: value for name, value in at.items() if name not in own}
    return build(expression, {**chosen, "reference": reference, "demonstrations": ExpertChain(expert)})


def _tables(value: Any, runs: tuple[int, ...]) -> Any:
    """Return a probability of the demonstrator as it multiplies tables: a number, or (runs, 1, 1, 1)."""
    return over_runs(np.broadcast_to(value, runs), 3) if np.ndim(value) else value


def optimizer_at(settings: Mapping[str, Any]) -> Optimizer:
    """Return the optimiser of a tile."""

    def at(name: str) -> Any:
        return settings.get(name, PARAMETERS[name].default)

    lr: float | Floats = at("lr")
    match at("optimizer"):
        case "momentum":
            return Momentum(lr=lr, momentum=at("momentum"))
        case "adam":
            return Adam(lr=lr, beta1=at("adam_beta1"), beta2=at("adam_beta2"), eps=at("adam_eps"))
        case "natural":
            return NaturalGradient(lr=lr, damping=at("damping"))
        case _:
            return SGD(lr=lr)
