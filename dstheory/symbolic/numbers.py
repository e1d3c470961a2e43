"""Numbers given by a user: parsed as numbers and as nothing else, checked against the domain of the symbol they are for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from fractions import Fraction
from typing import Any

import sympy as sp

from dstheory.errors import DSTheoryError
from dstheory.rational.symbols import domain_of

__all__ = ["InvalidNumberError", "check_numbers", "parse_assignments", "parse_number"]

Number = int | float | str | Fraction | Any
"""What a user may give as a number; Any stands for SymPy's rationals, which carry no static type."""


class InvalidNumberError(DSTheoryError):
    """A numeric value that is no number, is for no known symbol, or lies outside the symbol's domain."""


def parse_number(name: str, value: Number) -> sp.Rational:
    """Return a number as an exact rational: "0.55" is 11/20, "3/11" is itself, a float is its exact binary value.

    Raises:
        InvalidNumberError: not a finite number.

    >>> parse_number("p", "0.55"), parse_number("a", "5/7"), parse_number("b", 0.5)
    (11/20, 5/7, 1/2)
    """
    if isinstance(value, sp.Rational):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidNumberError(f"{name} = {value}: must be a finite number")
    try:
        fraction = Fraction(value.strip()) if isinstance(value, str) else Fraction(value)
    except (ValueError, TypeError, ZeroDivisionError):
        raise InvalidNumberError(
            f"{name} = {value!r}: is not a number; write a decimal such as 0.55 or a fraction such as 3/11"
        ) from None
    return sp.Rational(fraction.numerator, fraction.denominator)


def parse_assignments(text: str) -> dict[str, str]:
    """Split "p=0.55,a=0.8" into names and values, both still text.

    Raises:
        InvalidNumberError: a part without "=", an empty name, or a name given twice.

    >>> parse_assignments("p=0.55, a=4/5")
    {'p': '0.55', 'a': '4/5'}
    """
    found: dict[str, str] = {}
    for part in text.split(","):
        if not part.strip():
            continue
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not name:
            raise InvalidNumberError(f"{part.strip()!r} is not of the form name=number; write for example p=0.55,a=0.8")
        if name in found:
            raise InvalidNumberError(f"{name} is given twice, as {found[name]} and as {value}; give it once")
        found[name] = value
    return found


def check_numbers(values: Mapping[str, Number], known: Iterable[str]) -> dict[str, sp.Rational]:
    """Parse values and check each name against the known symbols and each value against its symbol's domain.

    Raises:
        InvalidNumberError: the place, the value, the rule and the remedy.

    >>> check_numbers({"p": "1.2"}, ["p", "a"])
    Traceback (most recent call last):
    dstheory.symbolic.numbers.InvalidNumberError: p = 1.2: must be strictly between 0 and 1; give a value in that range
    """
    names = sorted(known)
    checked = {}
    for name, value in values.items():
        if name not in names:
            plain = {known_name.lower(): known_name for known_name in names}
            near = [plain[match] for match in get_close_matches(name.lower(), plain, n=3)]
            hint = f"did you mean {' or '.join(near)}?" if near else f"the symbols are {', '.join(names)}"
            raise InvalidNumberError(f"there is no symbol {name!r} in this derivation: {hint}")
        number = parse_number(name, value)
        domain = domain_of(name)
        if not domain.contains(Fraction(int(number.p), int(number.q))):
            raise InvalidNumberError(f"{name} = {value}: must be {domain.text}; give a value in that range")
        checked[name] = number
    return checked
