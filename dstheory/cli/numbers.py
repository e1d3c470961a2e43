"""Types of options that are numbers: finite ones, and whole ones within bounds."""

from __future__ import annotations

import math
from typing import Any

import click


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
