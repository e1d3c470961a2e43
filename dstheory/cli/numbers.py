"""Types of options that are numbers: finite ones, whole ones within bounds, those of the table of parameters, and several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import click

from dstheory.dynamics.parameters import PARAMETERS, Of, Parameter
from dstheory.errors import DSTheoryError
from dstheory.texts import counted


class _Finite(click.ParamType[Any]):
    """NaN and infinity are numbers to ``float``, and to every comparison with NaN; to an option they are not."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse; what is not finite is a usage error."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


class Number(_Finite, click.types.FloatParamType):
    """A finite number."""


class NumberRange(_Finite, click.FloatRange):
    """A finite number in a range; the arguments are those of ``click.FloatRange``."""


class Whole(click.IntRange):
    """A whole number that is not larger than can be paid for.

    Attributes:
        most: the largest.
        cost: what more would cost, and what to do instead.
    """

    def __init__(self, low: int, most: int, cost: str) -> None:
        super().__init__(min=low)
        self.most, self.cost = most, cost

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse; a number that is too large is a usage error that says why."""
        number = super().convert(value, param, ctx)
        if number > self.most:
            self.fail(f"{number:,} is more than {self.most:,}: {self.cost}", param, ctx)
        return number


class Ruled(click.ParamType[Any]):
    """A number or an expression that the table of parameters has a rule for."""

    def __init__(self, row: Parameter, of: Of) -> None:
        self.row, self.of = row, of
        names = {"number": "float", "whole": "integer", "expression": "text"}
        self.name = names[row.kind] + ("|inf" if row.endless else "")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse; what cannot be read, or is out of range, is a usage error that says the rule."""
        try:
            return self.row.value(value, self.of)
        except DSTheoryError as error:
            self.fail(str(error), param, ctx)


class Numbers(click.ParamType[Any]):
    """Comma-separated numbers, a fixed count of them (or one that stands for all)."""

    def __init__(self, *names: str, parts: Sequence[str] = (), one_for_all: bool = False) -> None:
        self.names = names
        self.parts = parts  # parameters, whose ranges the numbers must lie in
        self.one_for_all = one_for_all
        self.name = ",".join(names).upper()

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """Parse; a wrong count or a word is a usage error that shows the expected form."""
        if isinstance(value, tuple):
            return value
        parts = value if isinstance(value, list) else [value] if isinstance(value, (int, float)) else str(value).split(",")
        try:
            numbers = tuple(float(part) for part in parts)
        except (TypeError, ValueError):
            self.fail(f"{value!r} is not {self.name}: write numbers separated by commas", param, ctx)
        if not all(map(math.isfinite, numbers)):
            self.fail(f"{value!r} holds what is not a finite number", param, ctx)
        if len(numbers) == 1 and self.one_for_all:
            numbers *= len(self.names)
        if len(numbers) != len(self.names):
            self.fail(f"{value!r} has {counted(len(numbers), 'number')}: needs {len(self.names)}, {self.name}", param, ctx)
        for place, (name, part) in enumerate(zip(self.names, self.parts, strict=False)):
            try:
                PARAMETERS[part].value(numbers[place], "simulate")
            except DSTheoryError as error:
                rule = str(error).removeprefix(f"{part} ")
                self.fail(f"number {place + 1} of {self.name}, {name}, {rule}", param, ctx)
        return numbers
