"""Settings of one training run: everything that its result depends on, checked as a whole, comparable with a checkpoint's.

The seed fixes the initial policy and the problems; neither depends on the method. Two runs that differ in the method only start
from the same parameters and see the same problems in the same order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from dstheory.arithmetic.checks import check_names
from dstheory.arithmetic.rollouts import checked_cap
from dstheory.arithmetic.task import TRAINED_SIZES, Size, parse_size
from dstheory.checks import whole_number
from dstheory.errors import ArithmeticTaskError
from dstheory.objectives.parts import (
    BatchTokens,
    ConstantLength,
    Credit,
    GroupMean,
    GroupTokens,
    LeaveOneOut,
    Normaliser,
    PerResponse,
    PerToken,
    Positive,
    Raw,
)

METHODS = ("reward", "sft", "sft-then-reward")
CREDITS: Mapping[str, Credit] = {
    "leave-one-out": LeaveOneOut(),
    "group-mean": GroupMean(std=False),
    "group-std": GroupMean(std=True, epsilon=1e-4),
    "raw": Raw(),
    "filtered": Positive(),
}
_LONGEST = 1000.0  # a constant for Dr. GRPO's normaliser, above the tokens of any episode of the trained sizes with T = 4
NORMALISERS: Mapping[str, Normaliser] = {
    "responses": PerResponse(),
    "own-tokens": PerToken(),
    "constant": ConstantLength(_LONGEST),
    "group-tokens": GroupTokens(),
    "batch-tokens": BatchTokens(),
}
PENALTIES = ("k1-reward", "k1", "k2", "k3")
OPTIMIZERS = ("sgd", "adam")


@dataclass(frozen=True)
class Settings:
    """What a training run is.

    Attributes:
        method: ``reward``, ``sft``, or ``sft-then-reward`` (half of the updates each).
        seed: of the initial policy, of the problems and of all draws.
        sizes: trained on.
        updates, problems, group: number of updates, problems in each, episodes (or demonstrations) on each problem.
        cap: T, the largest number of attempts.
        checks, trunk: what the decision sees, and how strongly it shares the skills.
        credit, normaliser: of the reward's objective, by name (:data:`CREDITS`, :data:`NORMALISERS`).
        penalty, beta: KL to the initial policy, k1 in the reward or k1, k2, k3 in the loss; beta = 0 for none.
        coverage: share of demonstrations with a wrong first attempt.
        mask: whether the tokens of wrong attempts are left out of SFT (their decisions are not).
        length_weight, reduction: lambda of SFT and of the penalty in the loss; sum or mean, of SFT.
        optimizer, lr, clip_norm: steps; clip_norm 0 for none.
    """

    method: str = "reward"
    seed: int = 0
    sizes: tuple[Size, ...] = TRAINED_SIZES
    updates: int = 100
    problems: int = 32
    group: int = 8
    cap: int = 4
    checks: tuple[str, ...] = ("nines", "elevens", "last-digit")
    trunk: float = 0.0
    credit: str = "leave-one-out"
    normaliser: str = "responses"
    penalty: str = "k3"
    beta: float = 0.0
    coverage: float = 0.5
    mask: bool = False
    length_weight: float = 1.0
    reduction: Literal["sum", "mean"] = "mean"
    optimizer: str = "adam"
    lr: float = 0.01
    clip_norm: float = 0.0

    def __post_init__(self) -> None:
        for name, known in (
            ("method", METHODS), ("credit", CREDITS), ("normaliser", NORMALISERS), ("penalty", PENALTIES),
            ("optimizer", OPTIMIZERS), ("reduction", ("sum", "mean")),
        ):  # fmt: skip
            if getattr(self, name) not in known:
                raise ArithmeticTaskError(f"{name} is {getattr(self, name)!r}: must be one of {', '.join(known)}")
        if not self.sizes:
            raise ArithmeticTaskError("the set of sizes to train on is empty: name at least one, for example 4x4")
        object.__setattr__(self, "sizes", tuple(parse_size(f"{n}x{m}") for n, m in self.sizes))
        object.__setattr__(self, "checks", check_names(self.checks))
        checked_cap(self.cap)
        why = {"problems": ": an empty training set teaches nothing", "group": "", "updates": "", "seed": ""}
        for name, low in (("problems", 1), ("group", 1), ("updates", 0), ("seed", 0)):
            whole_number(getattr(self, name), name, low=low, otherwise=why[name])
        if self.method != "sft":
            CREDITS[self.credit].check_group(self.group)
        if not (np.isfinite(self.lr) and self.lr > 0):
            raise ArithmeticTaskError(f"lr is {self.lr}: must be finite and > 0; a step of 0 learns nothing")
        for name in ("trunk", "beta", "clip_norm"):
            if not (np.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise ArithmeticTaskError(f"{name} is {getattr(self, name)}: must be finite and >= 0; 0 is none")
        for name in ("coverage", "length_weight"):
            if not 0 <= getattr(self, name) <= 1:
                raise ArithmeticTaskError(f"{name} is {getattr(self, name)}: must lie in [0, 1]")
        if self.method != "reward" and self.coverage > 0 and self.cap == 1:
            raise ArithmeticTaskError("cap T is 1, so no demonstration can revise a mistake: set coverage to 0, or a cap >= 2")

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as JSON holds them."""
        out = dataclasses.asdict(self)
        return {**out, "sizes": [f"{n}x{m}" for n, m in self.sizes], "checks": list(self.checks)}

    @classmethod
    def from_dict(cls, entries: Mapping[str, Any]) -> Settings:
        """Return the settings that :meth:`as_dict` wrote.

        Raises:
            ArithmeticTaskError: an entry missing, unknown or out of range.
        """
        known = {f.name for f in dataclasses.fields(cls)}
        wrong = sorted(known.symmetric_difference(entries))
        if wrong:
            raise ArithmeticTaskError(f"settings {', '.join(wrong)}: missing or unknown; they are from another version")
        sizes = tuple(parse_size(text) for text in entries["sizes"])
        return cls(**{**entries, "sizes": sizes, "checks": tuple(entries["checks"])})

    def difference(self, other: Settings) -> str:
        """Return in words how another run's settings differ from these, empty if they do not.

        Example:
            >>> Settings(seed=1, lr=2.0).difference(Settings(seed=1, lr=3.0))
            'lr is 3.0 there, 2.0 here'
        """
        here, there = self.as_dict(), other.as_dict()
        return "; ".join(f"{name} is {there[name]} there, {here[name]} here" for name in here if here[name] != there[name])
