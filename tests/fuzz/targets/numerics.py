"""Objectives, attribution, solutions and optima at extreme chains: finite numbers, or one sentence that says why not."""

from __future__ import annotations

import json
import random
import warnings
from collections.abc import Iterator, Sequence
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
LOGITS = (0.0, 0.5, -0.5, 1.0, -1.0, 3.0, -3.0, 20.0, -20.0, 36.0, 37.5, -37.5, 100.0, -100.0, 355.0, 700.0, -700.0, 709.5,
          710.0, -710.0, 745.0, 746.0, -746.0, 1e3, -1e3, 1e5, -1e5, 1e17, -1e17, 1e300, -1e300, 5e-324, 1e-16)  # fmt: skip
OVER_RESPONSES = {"gspo-1", "gspo-2", "dpo-0", "dpo-1"}  # sums over responses: up to a million of them without a cap
POLICIES = ("policy", "reference", "expert")
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
    for name in ("value", "mean_value", "accuracy", "mean_accuracy", "expected_tokens", "p", "a", "b"):
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
                raise Wrong(f"{label} energy is not a number >= 0", str(energy))
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
    policies = [np.array(data[name], dtype=float) for name in POLICIES]
    label, cap = data["objective"], data["cap"]
    if (
        len(shape) != 2
        or np.prod(shape) > 12
        or any(p.ndim != 4 or p.shape[0] != 2 or p.shape[1] > 4 or p.shape[2:] != shape for p in policies)
    ):
        raise ValueError("no case")
    if label not in MAKERS or (cap is not None and not (isinstance(cap, int) and 1 <= cap <= 4)):
        raise ValueError("no case")
    if label in OVER_RESPONSES and cap is None:
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


def simpler(one: Input) -> Iterator[Input]:
    """Yield forms of a case with fewer prompts or answers, then with ordinary numbers in place of odd ones."""
    case = json.loads(one.data)
    tables = ("correct", "reward_stop", "reward_resample", "sample_length")
    sizes = {np.shape(case[name]) for name in tables} | {np.shape(case[name])[-2:] for name in POLICIES}
    if len(sizes) > 1:  # refused as it is, or with an axis of runs
        return
    prompts, answers = len(case["correct"]), len(case["correct"][0])

    def without(axis: int, index: int) -> dict[str, Any]:
        new: dict[str, Any] = {name: np.delete(np.array(case[name], dtype=float), index, axis).tolist() for name in tables}
        new |= {who: np.delete(np.array(case[who], dtype=float), index, axis + 2).tolist() for who in POLICIES}
        return {**case, **new, "weight": [1] * (prompts - (axis == 0))}

    found = [without(0, i) for i in range(prompts) if prompts > 1] + [without(1, i) for i in range(answers) if answers > 1]
    found += [{**case, who: [table[:1] for table in case[who]]} for who in POLICIES if len(case[who][0]) > 1]
    ordinary = {"weight": [1] * prompts, "gamma": 0.95, "per": "turn", "cap": None, "decision_length": 1.0}
    found += [{**case, key: value} for key, value in ordinary.items() if case[key] != value]
    shape = (prompts, answers)
    plain: dict[str, Any] = {"reward_stop": np.ones(shape), "reward_resample": np.zeros(shape), "sample_length": np.ones(shape)}
    plain |= {who: np.zeros((2, 1, *shape)) for who in POLICIES}
    for name, table in plain.items():
        if np.array(case[name], dtype=float).shape == table.shape and case[name] != table.tolist():
            found.append({**case, name: table.tolist()})
            for index in np.ndindex(table.shape):
                changed = np.array(case[name], dtype=float)
                for value in (table[index], 1.0, 10.0, 1000.0):
                    if abs(changed[index]) > abs(value) or changed[index] not in (table[index], 1.0, 10.0, 1000.0):
                        changed[index] = value
                        found.append({**case, name: changed.tolist()})
    for new in found:
        yield Input(one.suffix, json.dumps(new).encode())


def made(corpus: Sequence[Input]) -> list[Input]:
    """Return a case of every objective."""
    rng = random.Random(0)
    return [Input(".json", json.dumps({**drawn(rng, tame=True), "objective": label}).encode()) for label in MAKERS]


NUMERICS = Target("numerics", check, mutate, made, simpler, seconds=3.0, weight=2.0)
