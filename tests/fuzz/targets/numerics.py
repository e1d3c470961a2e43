"""Objectives, attribution, solutions and optima at extreme chains: finite numbers, or one sentence that says why not."""

from __future__ import annotations

import json
import random
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from fuzz.engine import Input, Target, Wrong, outcome, plain, said
from fuzz.mutations import json_mutated
from objectives.instances import ALL
from strategies import Case

from dstheory import Policy, TwoStageMDP, attribute, optimum, solve
from dstheory.attribution import InfiniteEnergyWarning
from dstheory.errors import DSTheoryError

MAKERS = dict(ALL)
LOGITS = (
    0.0, 0.5, -0.5, 1.0, -1.0, 3.0, -3.0, 20.0, -20.0, 36.0, 37.5, -37.5, 100.0, -100.0, 355.0, 700.0, -700.0, 709.5, 710.0,
    -710.0, 745.0, 746.0, -746.0, 1e3, -1e3, 1e5, -1e5, 1e17, -1e17, 1e300, -1e300, 5e-324, 1e-16,
)  # fmt: skip
REWARDS = (0.0, 1.0, -1.0, 0.5, -0.1, 1e-9, 1e9, -1e9, 1e-300, 1e100, -1e100, 1e200, 1e308, -1e308)
LENGTHS = (1.0, 2.0, 7.0, 40.0, 1e4, 1e9, 1e100, 1e308)


def check(path: Path) -> str:
    try:
        data = json.loads(path.read_bytes())
        with np.errstate(all="ignore"):
            described = described_by(data)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, RecursionError):
        return "no case"
    found = outcome(lambda: case_of(*described))
    if isinstance(found, DSTheoryError):
        return said(found)
    case, label = found
    words = [label]
    solution = outcome(lambda: solve(case.mdp, case.policy))
    if isinstance(solution, DSTheoryError):
        return said(solution)
    for name in ("value", "mean_value", "accuracy", "mean_accuracy", "expected_turns", "expected_tokens", "p", "a", "b"):
        words.append(_finite(f"solution.{name}", outcome(lambda name=name: getattr(solution, name)), name in "pab"))  # type: ignore[misc]
    objective = outcome(lambda: MAKERS[label](case))
    if isinstance(objective, DSTheoryError):
        return f"{label} {said(objective)}"
    gradient = outcome(lambda: objective.gradient(solution))
    if isinstance(gradient, DSTheoryError):
        words.append(said(gradient))
    else:
        words += [_finite(f"{label} gradient", gradient.sample), _finite(f"{label} gradient", gradient.decide)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InfiniteEnergyWarning)  # an energy may be infinite, and says so
        split = outcome(lambda: attribute(objective, solution))
    if isinstance(split, DSTheoryError):
        words.append(said(split))
    else:
        words += [_finite(f"{label} norm", split.gradient.sample), _finite(f"{label} norm", split.gradient.decide)]
        for energy in (split.energy.sample, split.energy.decide):
            if np.isnan(energy).any() or (energy < 0).any():
                raise Wrong(f"{label} energy is no number >= 0", str(energy))
    best = outcome(lambda: optimum(case.mdp, case.reference, beta=0.1))
    if isinstance(best, DSTheoryError):
        words.append(said(best))
    else:
        words.append(_finite("optimum", best.policy.sample_prob))
    return plain(" ".join(word for word in words if word))


def _finite(what: str, value: Any, nan: bool = False) -> str:
    """Require finite numbers; NaN is allowed where it says that there is nothing to measure."""
    if isinstance(value, DSTheoryError):
        return said(value)
    array = np.asarray(value)
    if not (np.isfinite(array) | (nan & np.isnan(array))).all():
        raise Wrong(f"{what} is not finite", str(array))
    return ""


def described_by(data: Any) -> tuple[str, dict[str, Any], list[Any]]:
    """Return what a JSON object says: an objective, a chain's arguments, and three policies; raises anything if it says none."""
    shape = np.shape(data["correct"])
    tables = {name: np.array(data[name], dtype=float) for name in ("correct", "reward_stop", "reward_resample", "sample_length")}
    policies = [np.array(data[name], dtype=float) for name in ("policy", "reference", "expert")]
    label, cap = data["objective"], data["cap"]
    if (
        len(shape) != 2
        or np.prod(shape) > 12
        or any(p.ndim != 4 or p.shape[0] != 2 or p.shape[1] > 4 or p.shape[2:] != shape for p in policies)
    ):
        raise ValueError("no case")
    if label not in MAKERS or (cap is not None and not (isinstance(cap, int) and 1 <= cap <= 4)):
        raise ValueError("no case")
    rest = {
        "prompt_weight": np.array(data["weight"], dtype=float),
        "gamma": float(data["gamma"]),
        "max_turns": cap,
        "discount_per": str(data["per"]),
        "decision_length": float(data["decision_length"]),
    }
    return label, tables | rest, [np.where(np.abs(p) >= 1e301, np.sign(p) * np.inf, p) for p in policies]


def case_of(label: str, chain: dict[str, Any], policies: list[Any]) -> tuple[Case, str]:
    """Return the case, made by the package, which may refuse it."""
    return Case(TwoStageMDP(**chain), *(Policy.tabular(*policy) for policy in policies), 0), label


def mutate(rng: random.Random, one: Input, pool: Sequence[Input]) -> Input:
    if rng.random() < 0.4:
        return Input(one.suffix, json_mutated(rng, one.data, tuple(MAKERS)))
    return Input(one.suffix, json.dumps(drawn(rng)).encode())


def drawn(rng: random.Random, *, tame: bool = False) -> dict[str, Any]:
    """Return a case, with extreme numbers here and there unless ``tame``."""
    prompts, answers = rng.choice(((1, 2), (1, 2), (1, 1), (2, 2), (2, 3), (1, 3)))
    cap = rng.choice((None, None, 1, 2, 3))
    wild = 0.0 if tame else rng.choice((0.1, 0.5, 1.0))

    def table(values: Sequence[float], turns: int | None = None) -> Any:
        one = [
            [rng.choice(values) if rng.random() < wild else values[rng.randrange(min(3, len(values)))] for _ in range(answers)]
            for _ in range(prompts)
        ]
        return one if turns is None else [one] if turns == 1 else [one, *(table(values) for _ in range(turns - 1))]

    def policy() -> list[Any]:
        turns = cap if cap and rng.random() < 0.2 else 1
        z, u = table(LOGITS, turns), table(LOGITS, turns)
        if rng.random() < 0.15 and answers > 1 and not tame:
            z[0][0][0] = -1e301  # ruled out
        if rng.random() < 0.15 and not tame:
            u[0][0][0] = rng.choice((1e301, -1e301))
        return [z, u]

    return {
        "objective": rng.choice(tuple(MAKERS)),
        "correct": [[rng.randrange(2) for _ in range(answers)] for _ in range(prompts)],
        "reward_stop": table(REWARDS),
        "reward_resample": table(REWARDS),
        "sample_length": table(LENGTHS),
        "decision_length": rng.choice(LENGTHS[: 2 if tame else rng.choice((2, 8))]),
        "weight": [1 if tame else rng.choice((1, 1, 2, 0, 1e-300, 1e300)) for _ in range(prompts)],
        "gamma": 0.95 if tame else rng.choice((0.95, 0.95, 1.0, 0.0, 0.5, 1 - 1e-12, 1e-300)),
        "per": rng.choice(("turn", "stage")),
        "cap": cap,
        "policy": policy(),
        "reference": policy(),
        "expert": policy(),
    }


def made(corpus: Sequence[Input]) -> list[Input]:
    """Return a case of every objective."""
    rng = random.Random(0)
    return [Input(".json", json.dumps({**drawn(rng, tame=True), "objective": label}).encode()) for label in MAKERS]


NUMERICS = Target("numerics", check, mutate, made, seconds=3.0, weight=2.0)
