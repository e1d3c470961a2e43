"""What a sweep is, as data: its settings, what is fixed, the chain; and the variables of its result.

An axis is written as a range or a list. ``0:1:21`` is 21 equally spaced numbers from 0 to 1, both ends included;
``log:1e-3:1:13`` is 13 numbers equally spaced in their logarithm; ``0,0.5,1`` and ``sgd,adam`` are lists. Texts are parsed, never
evaluated.

Settings are worked through in *batches* of consecutive settings, whose size depends on the problem alone: the last bit of a
result depends neither on the number of processes nor on how many batches are saved together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from dstheory.checks import Floats, Ints, readonly
from dstheory.dynamics.parameters import PARAMETERS, TOGETHER, Of, Parameter, lookup_parameter
from dstheory.dynamics.problem import Chain
from dstheory.errors import DSTheoryError
from dstheory.texts import counted

_MOST = 10_000_000  # values of one parameter: a table of this many results is close to a gigabyte
_FORM = "write START:STOP:COUNT, log:START:STOP:COUNT, or values separated by commas"
_ULPS = 8  # by which a number of a range may differ from the round one that it stands for


@dataclass(frozen=True)
class Axis:
    """One swept parameter and its values, in the order given.

    >>> parse_axis("length_weight", "0:1:5", "optimum").values
    (0.0, 0.25, 0.5, 0.75, 1.0)
    """

    parameter: Parameter
    values: tuple[Any, ...]

    @property
    def name(self) -> str:
        """The parameter's name."""
        return self.parameter.name

    @cached_property
    def numbers(self) -> Floats:
        """The values of an axis that varies along a batch."""
        return readonly(np.asarray(self.values, dtype=np.float64))

    def labels(self) -> Any:
        """Return the values as a coordinate: numbers, or texts; ``none`` of a number is inf (no cap, no bound, never)."""
        kind = self.parameter.kind
        if kind == "number" or (kind == "whole" and (None in self.values or math.inf in self.values)):
            return np.array([math.inf if value is None else float(value) for value in self.values])
        if kind == "whole":
            return np.array(self.values, dtype=np.int64)
        return np.array([str(value).lower() if kind == "flag" else str(value) for value in self.values])


@dataclass(frozen=True)
class SettingsBatch:
    """Settings start to stop of the batched axes, at one combination of the values of the others, which are looped over."""

    loop: int
    start: int
    stop: int


@dataclass(frozen=True)
class Grid:
    """All settings: every combination of the looped parameters with all settings of the batched ones.

    Attributes:
        axes: in the order in which they were given.
    """

    axes: tuple[Axis, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of values of each axis."""
        return tuple(len(axis.values) for axis in self.axes)

    @property
    def size(self) -> int:
        """The number of settings."""
        return math.prod(self.shape)

    @property
    def looped(self) -> tuple[Axis, ...]:
        """The axes that are looped over."""
        return tuple(axis for axis in self.axes if not axis.parameter.batched)

    @property
    def batched(self) -> tuple[Axis, ...]:
        """The axes that vary along the batch."""
        return tuple(axis for axis in self.axes if axis.parameter.batched)

    def batches(self, length: int) -> list[SettingsBatch]:
        """Return all settings cut into batches of this many, in the order in which they are worked through."""
        combinations = math.prod(len(axis.values) for axis in self.looped)
        inner = self.size // combinations
        cuts = [(start, min(start + length, inner)) for start in range(0, inner, length)]
        return [SettingsBatch(loop, start, stop) for loop in range(combinations) for start, stop in cuts]

    def settings(self, batch: SettingsBatch) -> dict[str, Any]:
        """Return the values of every axis in a batch: one each of the looped, an array each of the batched."""
        found: dict[str, Any] = {}
        for axis, place in zip(self.looped, _unravel(batch.loop, self.looped), strict=True):
            found[axis.name] = axis.values[int(place)]
        for axis, places in zip(self.batched, _unravel(np.arange(batch.start, batch.stop), self.batched), strict=True):
            found[axis.name] = axis.numbers[places]
        return found

    def unfold(self, flat: Any) -> Any:
        """Return an array over all settings, in the order worked through, as an array over the axes as given; others follow."""
        ordered = (*self.looped, *self.batched)
        table = flat.reshape(*(len(axis.values) for axis in ordered), *flat.shape[1:])
        own = range(len(ordered), table.ndim)
        return np.ascontiguousarray(table.transpose([*(ordered.index(axis) for axis in self.axes), *own]))


def _unravel(index: Any, axes: Sequence[Axis]) -> tuple[Ints, ...]:
    return np.unravel_index(index, tuple(len(axis.values) for axis in axes)) if axes else ()


def parse_grid(given: Mapping[str, Any] | Iterable[str], of: Of, *, minimal: bool = True) -> Grid:
    """Return the grid that texts ``NAME=VALUES``, or a mapping of names to values, describe.

    Raises:
        DSTheoryError: nothing to sweep, an unknown parameter or one given twice, or values that make no axis.

    >>> parse_grid(["length_weight=0:1:3", "beta=log:1e-2:1:3"], "optimum").shape
    (3, 3)
    """
    pairs = list(given.items()) if isinstance(given, Mapping) else [_split(text) for text in given]
    if not pairs:
        raise DSTheoryError("there is nothing to sweep: give at least one grid, for example length_weight=0:1:21")
    axes: dict[str, Axis] = {}
    for name, values in pairs:
        axis = parse_axis(name, values, of, minimal=minimal)
        if axis.name in axes:
            raise DSTheoryError(f"{axis.name} is swept twice: put all its values into one grid")
        axes[axis.name] = axis
    parts = [name for name in ("answer_length_correct", "answer_length_wrong") if name in axes]
    if "answer_length" in axes and parts:
        raise DSTheoryError(f"answer_length sets both lengths, and {parts[0]} one of them again: sweep one or the other")
    return Grid(tuple(axes.values()))


def _split(text: str) -> tuple[str, str]:
    name, equals, values = text.partition("=")
    if not equals or not name.strip():
        raise DSTheoryError(f"the grid {text!r} has no parameter: write NAME=VALUES, for example length_weight=0:1:21")
    return name, values


def parse_axis(name: str, values: Any, of: Of, *, minimal: bool = True) -> Axis:
    """Return one axis: ``values`` is a text, or a sequence of values.

    Raises:
        DSTheoryError: as in :func:`parse_grid`.

    >>> parse_axis("optimizer", "sgd, adam", "simulate").values
    ('sgd', 'adam')
    """
    parameter = lookup_parameter(name, of, minimal=minimal)
    if isinstance(values, str):
        raw = _from_text(parameter, values.strip())
    else:
        raw = list(np.atleast_1d(values)) if isinstance(values, (np.ndarray, int, float)) else list(values)
        _refuse_long(parameter, len(raw))
    if not raw:
        raise DSTheoryError(f"the grid of {parameter.name} is empty: {_FORM}")
    try:
        made = tuple(parameter.value(value.item() if isinstance(value, np.generic) else value, of) for value in raw)
    except DSTheoryError as error:
        raise DSTheoryError(f"the grid of {parameter.name} does not work: {error}") from None
    seen: set[Any] = set()
    for value in made:
        if value in seen:
            raise DSTheoryError(f"the grid of {parameter.name} has {value} twice: every value needs its own place")
        seen.add(value)
    return Axis(parameter, made)


def _from_text(parameter: Parameter, text: str) -> list[Any]:
    if not text:
        raise DSTheoryError(f"the grid of {parameter.name} is empty: {_FORM}")
    if parameter.kind in ("choice", "flag", "expression") or ":" not in text:
        parts = [part.strip() for part in text.split(",")]
        if not all(parts):
            raise DSTheoryError(f"the grid {parameter.name}={text} has an empty place between its commas: remove it")
        return list(parts)
    scale, _, rest = text.partition(":")
    log = scale.strip().lower() == "log"
    return _range(parameter, text, rest if log else text, log=log)


def _range(parameter: Parameter, text: str, numbers: str, *, log: bool) -> list[float]:
    shown = f"the grid {parameter.name}={text}"
    parts = numbers.split(":")
    try:
        start, stop, count = float(parts[0]), float(parts[1]), int(parts[2])
        if len(parts) != 3:
            raise ValueError
    except (IndexError, ValueError):
        raise DSTheoryError(f"{shown} is not a range: {_FORM}") from None
    form = f"{parameter.name}={'log:' if log else ''}"
    if not (math.isfinite(start) and math.isfinite(stop)):
        raise DSTheoryError(f"{shown} has an end that is not finite: give two numbers")
    if count < 1:
        raise DSTheoryError(f"{shown} has {counted(count, 'value')}: needs at least 1")
    if start > stop:
        raise DSTheoryError(f"{shown} runs downwards: write {form}{stop:g}:{start:g}:{count}, or list the values in your order")
    if log and start <= 0:
        raise DSTheoryError(f"{shown} starts at {start:g}: a logarithmic grid needs both ends > 0")
    if (count == 1) != (start == stop):
        rule = "one value has one end, written twice" if count == 1 else "different values need different ends"
        raise DSTheoryError(f"{shown} has {counted(count, 'value')} from {start:g} to {stop:g}: {rule}")
    _refuse_long(parameter, count)
    values = np.geomspace(start, stop, count) if log else np.linspace(start, stop, count)
    return [_rounded(float(value)) for value in values]


def _rounded(value: float) -> float:
    """Return the short decimal that a number of a range stands for, where rounding is all that keeps the two apart."""
    short = float(f"{value:.12g}")
    return short if abs(short - value) <= _ULPS * math.ulp(value) else value


def _refuse_long(parameter: Parameter, count: int) -> None:
    if count > _MOST:
        raise DSTheoryError(f"the grid of {parameter.name} has {count:,} values: at most {_MOST:,} of one parameter can be swept")


RUN = Parameter("run", "random start", "whole", batched=True, of=("simulate",))
"""The axis of random starts; ``runs`` makes it."""
assert "run" not in PARAMETERS

STATUS = (
    "found",
    "no_optimum_never_stopping_pays",
    "no_optimum_reference_never_stops",
    "optimum_not_enclosed",
    "training_left_finite_numbers",
    "episodes_never_end",
    "infinite_divergence",
)
"""What the numbers of ``status`` mean, from 0 on."""


@dataclass(frozen=True)
class Variable:
    """A variable of the result: what it is, its unit, and when it is NaN though the setting has a result."""

    long_name: str
    units: str = "1"
    missing: str = ""


_PUSHED = "the gradient pushes an action of probability 0, or all but 0 (the energy is infinite, or no number)"
_COMMON = {
    "p_after": Variable("share of correct answers", missing="no answer is drawn"),
    "a_after": Variable("P(stop | correct)", missing="no decision at a correct answer is drawn"),
    "b_after": Variable("P(resample | wrong)", missing="no decision at a wrong answer is drawn"),
    "accuracy": Variable("final accuracy"),
    "turns": Variable("expected number of turns", "turns"),
    "value": Variable("expected discounted reward"),
    "accuracy_before": Variable("final accuracy of the start"),
    "gain": Variable("accuracy gain"),
    "gain_sample": Variable("accuracy gain due to sampling"),
    "gain_decide": Variable("accuracy gain due to decisions"),
    "decision_share": Variable("share of the accuracy gain due to decisions", missing="there is no gain to share"),
}
HISTORY = {
    "p_history": Variable("share of correct answers in training"),
    "a_history": Variable("P(stop | correct) in training", missing="no decision at a correct answer is drawn"),
    "b_history": Variable("P(resample | wrong) in training", missing="no decision at a wrong answer is drawn"),
    "accuracy_history": Variable("final accuracy in training"),
}
"""Variables that also have the dimension ``step``."""
VARIABLES: dict[Of, dict[str, Variable]] = {
    "optimum": {
        **_COMMON,
        "accuracy_before": Variable("final accuracy of the reference"),
        "penalised_value": Variable("expected discounted reward minus penalty"),
    },
    "simulate": {
        **_COMMON,
        "energy_sample_before": Variable("Fisher energy of sampling at the start", missing=_PUSHED),
        "energy_decide_before": Variable("Fisher energy of the decision at the start", missing=_PUSHED),
        "energy_sample": Variable("Fisher energy of sampling at the end", missing=_PUSHED),
        "energy_decide": Variable("Fisher energy of the decision at the end", missing=_PUSHED),
    },
}


def status_counts(status: Any) -> dict[str, int]:
    """Return how many settings have each status other than ``found``."""
    counts = np.bincount(np.asarray(status, dtype=np.int64).ravel(), minlength=len(STATUS))
    return {name: int(count) for name, count in zip(STATUS, counts, strict=True) if name != STATUS[0] and count}


_BATCH = {"optimum": 1 << 17, "simulate": 1 << 13}  # (prompt, answer) pairs of one batch: what stays in the caches


@dataclass(frozen=True, eq=False)
class SweepPlan:
    """Everything that determines the result of a sweep.

    Attributes:
        of: ``"optimum"`` or ``"simulate"``.
        grid: the settings.
        fixed: parameters that have one value, by name.
        chain: where settings are tried.
        runs: number of random starts (the first is the start itself).
        log_every: in training, keep p, a, b and accuracy of every so many steps too; 0 for the end only.
        modules: files of the user that register objectives, which every process imports.
    """

    of: Of
    grid: Grid
    fixed: Mapping[str, Any]
    chain: Chain = field(default_factory=Chain)
    runs: int = 1
    log_every: int = 0
    modules: tuple[str, ...] = ()

    @property
    def variables(self) -> dict[str, Variable]:
        """The variables of the result."""
        return {**VARIABLES[self.of], **(HISTORY if self.log_every else {})}

    @property
    def steps(self) -> Ints:
        """The steps that are kept, the last one included; none without ``log_every``."""
        if not self.log_every:
            return np.arange(0)
        last = int(self.fixed["steps"])
        return np.union1d(np.arange(0, last, self.log_every), [last])

    @property
    def most_steps(self) -> int:
        """The largest number of training steps of a setting."""
        swept = [max(axis.values) for axis in self.grid.axes if axis.name == "steps"]
        return int(swept[0] if swept else self.fixed.get("steps", 0))

    @property
    def own_rewards(self) -> str:
        """The option that says what the chain pays, if one was given: all settings then compare returns, of whatever value."""
        given = {*self.fixed, *(axis.name for axis in self.grid.axes)}
        if given & {*TOGETHER["reward"].parts}:
            return "reward"
        return "resample_cost" if "resample_cost" in given else ""

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the axes that a variable has beside those of the settings."""
        return (len(self.steps),) if name in HISTORY else ()

    @property
    def bytes(self) -> int:
        """The size of the result."""
        numbers = len(VARIABLES[self.of]) + (len(HISTORY) * len(self.steps) if self.log_every else 0)
        return self.grid.size * (8 * numbers + 1)

    def batches(self) -> list[SettingsBatch]:
        """Return the batches; their length depends on what is swept over and on the chain, on nothing else."""
        return self.grid.batches(max(1, _BATCH[self.of] // self.chain.pairs))

    def settings(self, batch: SettingsBatch) -> dict[str, Any]:
        """Return all parameters of a batch."""
        return {**self.fixed, **self.grid.settings(batch)}

    def place(self, batch: SettingsBatch) -> str:
        """Return how a message calls the settings of a batch."""
        settings = self.grid.settings(batch)
        if batch.stop - batch.start == 1:
            return "in the setting with " + ", ".join(f"{axis.name} {_item(settings[axis.name])}" for axis in self.grid.axes)
        looped = [f"{axis.name} {settings[axis.name]}" for axis in self.grid.looped]
        ranges = [f"{a.name} {settings[a.name].min():g} to {settings[a.name].max():g}" for a in self.grid.batched]
        return f"among the settings with {', '.join([*looped, *ranges])}"


def _item(value: Any) -> Any:
    """Return a value as it is written: that of an axis that varies along a batch stands alone in its array."""
    return f"{value.item():g}" if isinstance(value, np.ndarray) else value
