"""Types of options that are numbers: finite ones."""

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


class WholeOrEndless(click.ParamType[Any]):
    """A whole number, or ``inf`` for the limit."""

    name = "INTEGER|inf"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | int:
        """Parse; anything else is a usage error."""
        if str(value).strip().lower() == "inf":
            return math.inf
        try:
            return int(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a whole number, nor inf", param, ctx)
