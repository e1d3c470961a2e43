"""Training: one batch of episodes per update, coefficients from :mod:`dstheory.objectives.parts`, one step of the optimiser.

*Reward*: each problem gets a group of G episodes; the reward is 1 if the answer submitted is right. Every token of an episode,
decisions included, gets the coefficient credit x normaliser of its episode; a KL penalty in the loss adds its own to every
token. *SFT*: G demonstrations per problem, every token gets its stage's weight x normaliser.

The coefficients of all actions are collected into the mass of each entry of the policies' tables, from which the gradient
follows as for every softmax (:meth:`~dstheory.arithmetic.policy.ArithmeticPolicy.pull_back`). The random numbers of update u
come from (seed, u) alone, so a run that was interrupted continues to the same result.

A *checkpoint* is a run in one file, complete or absent: parameters, moments and counters are all there is to keep. It knows its
settings; a run with others refuses it and says in what they differ.

The settings are everything that the result depends on, checked as a whole. The seed fixes the initial policy and the problems;
neither depends on the method. Two runs that differ in the method only start from the same parameters and see the same problems
in the same order.

Source: objectives of this package, see :mod:`dstheory.objectives.parts`; SFT as in :mod:`dstheory.objectives.imitation`.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dstheory.arithmetic.checks import check_names
from dstheory.arithmetic.policy import BLOCKS, ArithmeticPolicy, length_index, start_policy
from dstheory.arithmetic.rollouts import Attempts, Rollouts, checked_cap, demonstrate, roll_out, table_mass
from dstheory.arithmetic.task import TRAINED_SIZES, Size, draw_problems, parse_size
from dstheory.checks import Floats, whole_number
from dstheory.dynamics.optimizers import SGD, Adam, Blocks, Optimizer
from dstheory.dynamics.training import clipped
from dstheory.errors import ArithmeticTaskError, DamagedCheckpointError
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
    response_coefficients,
)
from dstheory.objectives.token_parts import penalty_weight, token_weights
from dstheory.readers.arrays import DamagedError, read_arrays, write_arrays
from dstheory.readers.atomic import atomic_path
from dstheory.readers.streams import opened

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

    Example:
        >>> Settings(method="sft", updates=20).as_dict()["optimizer"]
        'adam'
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
        whole_number(self.problems, "problems", low=1, otherwise=": an empty training set teaches nothing")
        for name, low in (("group", 1), ("updates", 0), ("seed", 0)):
            whole_number(getattr(self, name), name, low=low)
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


LOGGED = ("accuracy", "attempts", "tokens", "gradient_sample", "gradient_decide")
_START, _PROBLEMS, _EPISODES = range(3)  # streams of random numbers


@dataclass(eq=False)
class TrainingRun:
    """A training run, finished or on its way.

    Attributes:
        settings: what it is.
        policy: the current policy.
        done: updates made.
        moments: the optimiser's state.
        tokens, episodes: sampled (reward) or shown (SFT) so far.
        log: per update, one list per name in :data:`LOGGED`: accuracy and attempts of the batch, its tokens, and the norms of the
            gradient's two parts.

    Example:
        >>> run = train(Settings(updates=1, problems=2, group=2))
        >>> run.done, run.episodes, len(run.log["accuracy"])
        (1, 4, 1)
    """

    settings: Settings
    policy: ArithmeticPolicy
    done: int = 0
    moments: Any = None
    tokens: int = 0
    episodes: int = 0
    log: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in LOGGED})


def initial_policy(settings: Settings) -> ArithmeticPolicy:
    """Return the policy that every method of this seed starts from.

    Example:
        >>> initial_policy(Settings(checks=("nines",))).checks
        ('nines',)
    """
    return start_policy(rng=_stream(settings, _START), checks=settings.checks, trunk=settings.trunk)


def train(
    settings: Settings,
    *,
    run: TrainingRun | None = None,
    updated: Callable[[TrainingRun], None] | None = None,
) -> TrainingRun:
    """Train from the initial policy, or go on with a run.

    Args:
        settings: what to train.
        run: one that was begun with the same settings; it is continued in place.
        updated: called with the run after every update.

    Raises:
        ArithmeticTaskError: the run has other settings, or training left the finite numbers.

    Example:
        >>> run = train(Settings(method="sft", updates=2, problems=4, lr=10.0))
        >>> run.done, run.episodes
        (2, 64)
    """
    reference = initial_policy(settings)
    if run is None:
        run = TrainingRun(settings, reference)
    optimizer: Optimizer = Adam(lr=settings.lr) if settings.optimizer == "adam" else SGD(lr=settings.lr)
    if run.moments is None:
        run.moments = optimizer.start(run.policy.blocks)
    while run.done < settings.updates:
        _update(run, reference, optimizer)
        if updated is not None:
            updated(run)
    return run


def _update(run: TrainingRun, reference: ArithmeticPolicy, optimizer: Optimizer) -> None:
    s = run.settings
    problems = draw_problems(s.sizes, s.problems, part="train", rng=_stream(s, _PROBLEMS, run.done))
    repeated = problems[np.repeat(np.arange(len(problems)), s.group)]
    rng = _stream(s, _EPISODES, run.done)
    rewarding = s.method == "reward" or (s.method == "sft-then-reward" and run.done >= s.updates // 2)
    if rewarding:
        episodes = roll_out(run.policy, repeated, cap=s.cap, rng=rng)
        mass = reward_mass(run.policy, episodes, reference, s)
    else:
        episodes = demonstrate(reference, repeated, coverage=s.coverage, cap=s.cap, rng=rng)
        mass = sft_mass(run.policy, episodes, s)
    gradient: Blocks = run.policy.pull_back(*mass)
    gradient = clipped(gradient, s.clip_norm or None, 0, run.done)
    # Only the natural gradient looks at the chain; here there is none.
    blocks, run.moments = optimizer.step(run.policy.blocks, gradient, run.moments, None, 1.0)  # type: ignore[arg-type]
    run.policy = run.policy.with_blocks(blocks)
    run.done += 1
    run.tokens += int(episodes.tokens.sum())
    run.episodes += len(episodes)
    norms = [float(np.sqrt(sum(float((g * g).sum()) for g in part))) for part in (gradient[:5], gradient[5:])]
    figures = (float(episodes.correct.mean()), float(episodes.turns.mean()), float(episodes.tokens.sum()), *norms)
    for name, value in zip(LOGGED, figures, strict=True):
        run.log[name].append(value)


def reward_mass(
    policy: ArithmeticPolicy, episodes: Rollouts, reference: ArithmeticPolicy, settings: Settings
) -> tuple[Floats, Floats, Floats]:
    """Return the coefficient mass of a batch of rollouts in groups: credit x normaliser, and the KL penalty."""
    shape = (-1, settings.group)
    rewards, lengths = episodes.correct.astype(np.float64), episodes.tokens.astype(np.float64)
    token_ratio = log_ratio(policy, reference)
    stop_ratio, resample_ratio = policy.log_stop - reference.log_stop, policy.log_resample - reference.log_resample
    digits = length_index(episodes.problems.size.sum(axis=1))

    def ratios(part: Attempts) -> tuple[Floats, Floats]:
        at = part.pattern, digits[part.episode]
        return token_ratio[part.rows, part.outcomes], np.where(part.stopped, stop_ratio[at], resample_ratio[at])

    if settings.beta and settings.penalty == "k1-reward":
        for part in episodes.parts:
            of_tokens, of_decisions = ratios(part)
            rewards[part.episode] -= settings.beta * (of_tokens.sum(axis=1) + of_decisions * part.decided)
    normaliser = NORMALISERS[settings.normaliser]
    c, unit = (
        response_coefficients(r.reshape(shape), lengths.reshape(shape), credit=credit, normaliser=normaliser).ravel()
        for r, credit in ((rewards, CREDITS[settings.credit]), (np.ones(len(rewards)), Raw()))
    )
    in_loss = settings.beta > 0 and settings.penalty != "k1-reward"

    def coefficients(part: Attempts) -> tuple[Floats, Floats]:
        tokens, decisions = c[part.episode, None], c[part.episode]
        if in_loss:
            w_s, w_d = token_weights(part.rows.shape[1], length_weight=settings.length_weight)
            of_tokens, of_decisions = (penalty_weight(r, settings.penalty) for r in ratios(part))  # type: ignore[arg-type]
            beta = settings.beta * unit[part.episode]
            tokens = tokens + w_s * beta[:, None] * of_tokens
            decisions = decisions + w_d * beta * of_decisions
        return tokens, decisions

    return table_mass(policy, episodes, coefficients)


def log_ratio(policy: ArithmeticPolicy, reference: ArithmeticPolicy) -> Floats:
    """Return log pi - log ref of every outcome of every row, 0 for the outcomes that totals do not have."""
    there = policy.token_log_prob > -np.inf
    return np.subtract(policy.token_log_prob, reference.token_log_prob, out=np.zeros(there.shape), where=there)


def sft_mass(policy: ArithmeticPolicy, episodes: Rollouts, settings: Settings) -> tuple[Floats, Floats, Floats]:
    """Return the coefficient mass of a batch of demonstrations: stage weight x normaliser, nothing for masked tokens."""
    lengths = episodes.tokens.astype(np.float64).reshape(-1, settings.group)
    normaliser = NORMALISERS[settings.normaliser]
    c = response_coefficients(np.ones(lengths.shape), lengths, credit=Raw(), normaliser=normaliser).ravel()

    def coefficients(part: Attempts) -> tuple[Floats, Floats]:
        w_s, w_d = token_weights(part.rows.shape[1], length_weight=settings.length_weight, reduction=settings.reduction)
        shown = (part.error == 0) | (not settings.mask)
        return (w_s * c[part.episode] * shown)[:, None], w_d * c[part.episode]

    return table_mass(policy, episodes, coefficients)


def _stream(settings: Settings, *purpose: int) -> np.random.Generator:
    return np.random.default_rng([settings.seed, *purpose])


FORMAT = "dstheory-arithmetic/1"


def write_checkpoint(path: str | os.PathLike[str], run: TrainingRun) -> None:
    """Write a run; an earlier checkpoint of that name is replaced in one step.

    Raises:
        DSTheoryError: it cannot be written.

    Example:
        >>> import tempfile
        >>> from dstheory.arithmetic.training import train
        >>> settings = Settings(updates=1, problems=2, group=2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_checkpoint(Path(folder, "run.npz"), train(settings))
        ...     read_checkpoint(Path(folder, "run.npz"), settings).done
        1
    """
    about = {
        "format": FORMAT, "settings": run.settings.as_dict(), "done": run.done, "tokens": run.tokens, "episodes": run.episodes,
    }  # fmt: skip
    arrays = {f"block_{name}": block for name, block in zip(BLOCKS, run.policy.blocks, strict=True)}
    arrays |= {f"log_{name}": np.array(run.log[name]) for name in LOGGED}
    if run.moments is not None:  # Adam: the step, first and second moments; SGD keeps nothing
        about["step"] = run.moments[0]
        for order, moments in zip(("first", "second"), run.moments[1:], strict=True):
            arrays |= {f"{order}_{name}": moment for name, moment in zip(BLOCKS, moments, strict=True)}
    text = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    with atomic_path(path, overwrite=True) as temporary:
        write_arrays(temporary, {"about": text, **arrays})


def read_checkpoint(path: str | os.PathLike[str], settings: Settings | None = None) -> TrainingRun:
    """Read a run back.

    Args:
        path: the file.
        settings: refuse a checkpoint of other settings.

    Raises:
        DamagedCheckpointError: it was cut off or changed.
        ArithmeticTaskError: there is no such file, it is not a checkpoint, or its settings differ.

    Example:
        >>> read_checkpoint("nowhere.npz")
        Traceback (most recent call last):
            ...
        dstheory.errors.ArithmeticTaskError: cannot read the checkpoint nowhere.npz: No such file or directory; train first, or
        name another file
    """
    try:
        arrays = read_arrays(Path(path))
    except OSError as error:
        remedy = "train first, or name another file"
        raise ArithmeticTaskError(f"cannot read the checkpoint {path}: {error.strerror}; {remedy}") from error
    except DamagedError as error:
        raise _damaged(path) from error
    try:
        about = json.loads(arrays["about"].tobytes())
        if about["format"] != FORMAT:
            raise ArithmeticTaskError(f"{path} has the format {about['format']!r}, not {FORMAT!r}: it is from another version")
        own = Settings.from_dict(about["settings"])
        blocks = tuple(arrays[f"block_{name}"] for name in BLOCKS)
        moments = None
        if "step" in about:
            moments = about["step"], *(tuple(arrays[f"{order}_{name}"] for name in BLOCKS) for order in ("first", "second"))
        log = {name: arrays[f"log_{name}"].tolist() for name in LOGGED}
        counters = int(about["done"]), int(about["tokens"]), int(about["episodes"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, ArithmeticTaskError):
            raise
        raise _damaged(path) from error
    if settings is not None and (difference := settings.difference(own)):
        raise ArithmeticTaskError(
            f"the checkpoint {path} is of another run: {difference}; give its settings, or another file name"
        )
    start = initial_policy(own)
    policy = ArithmeticPolicy(blocks, start.checks, start.trunk, start.origin)
    return TrainingRun(own, policy, counters[0], moments, counters[1], counters[2], log)


def _damaged(path: str | os.PathLike[str]) -> ArithmeticTaskError:
    with opened(Path(path)) as file:
        content = file.read(1 << 20)
    ours = FORMAT.encode() in content or b"block_" in content  # one changed byte does not hide both
    kind = DamagedCheckpointError if ours else ArithmeticTaskError
    return kind(f"{path} is not a complete checkpoint: it was cut off or changed; train again")
