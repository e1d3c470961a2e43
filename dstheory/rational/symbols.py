"""The symbols of the theory: one name, one set of assumptions, one LaTeX spelling, one domain each; numbers given for them.

SymPy treats two symbols of the same name but different assumptions as different, so every symbol in this package comes
from :func:`symbol`. The domain of a symbol decides its assumptions; it is also what numeric values are checked against.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from functools import cache
from typing import Any

import sympy as sp

from dstheory.errors import DSTheoryError


@dataclass(frozen=True)
class Interval:
    """An interval of the reals: what a symbol may stand for.

    >>> Interval("(0, 1)", low=0, high=1, open_low=True, open_high=True).contains(Fraction(1))
    False
    """

    text: str
    low: int | None = None
    high: int | None = None
    open_low: bool = False
    open_high: bool = False
    whole: bool = False

    def contains(self, value: Fraction) -> bool:
        """Whether a number lies in the interval."""
        above = self.low is None or value > self.low or (value == self.low and not self.open_low)
        below = self.high is None or value < self.high or (value == self.high and not self.open_high)
        return above and below and (value.denominator == 1 or not self.whole)


PROBABILITY = Interval("strictly between 0 and 1", 0, 1, open_low=True, open_high=True)
UNIT = Interval("between 0 and 1", 0, 1)
LENGTH = Interval("at least 1", 1)
WEIGHT = Interval("greater than 0", 0, open_low=True)
SCALE = Interval("at least 0", 0)
LOGIT = Interval("between -1000 and 1000", -1000, 1000)
SIZE = Interval("a whole number from 2 to 1000", 2, 1000, whole=True)
REAL = Interval("a real number")

# Pattern of the name -> domain. The first match counts.
DOMAINS: tuple[tuple[str, Interval], ...] = (
    (r"(p|a|b|pi_\d+|sigma_\d+)_E(_t\d+)?", UNIT),  # demonstrations may be flawless, or never stop too early
    (r"(p|a|b|pi_\d+|sigma_\d+)(_ref|_bar)?(_t\d+)?", PROBABILITY),
    (r"gamma|lambda", UNIT),
    (r"l_\w+|L_max", LENGTH),
    (r"Lbar(_E)?|RLbar|s_tok", WEIGHT),
    (r"w_\w+|[0-9].*", WEIGHT),
    (r"G", SIZE),
    (r"alpha|beta|kappa", SCALE),
    (r"E_\d+", WEIGHT),
    (r"theta_\w+|[zt]_\d+(_t\d+)?", LOGIT),
)

_GREEK = "alpha|beta|gamma|delta|epsilon|eta|kappa|lambda|mu|nu|phi|pi|rho|sigma|tau|theta"
GREEK = frozenset(_GREEK.split("|"))
_SPELLED = {"eps": r"\varepsilon"}


def domain_of(name: str) -> Interval:
    """Return the domain of the symbol of that name; the whole real line if no rule restricts it.

    >>> domain_of("p").text, domain_of("R_SC").text
    ('strictly between 0 and 1', 'a real number')
    """
    for pattern, domain in DOMAINS:
        if re.fullmatch(pattern, name):
            return domain
    return REAL


def symbol(name: str) -> sp.Symbol:
    """Return the symbol of that name, with the assumptions that its domain implies.

    >>> symbol("p").is_positive, symbol("R_SC").is_real, symbol("p") is symbol("p")
    (True, True, True)
    """
    return sp.Symbol(name, **{_implied(name): True})  # not kept: whoever watches a file of claims hears of each


@cache
def _implied(name: str) -> str:
    domain = domain_of(name)
    if domain.low is not None and (domain.open_low or domain.low > 0):
        return "positive"
    return "nonnegative" if domain.low == 0 else "real"


def decimal(value: float) -> sp.Expr:
    """Return a factor that formulas print as it was given, 0.04 and not 1/25: a symbol that stands for this one number.

    What holds identically in it holds at the number; :func:`at_numbers` puts the number in its place.

    >>> decimal(0.04) * symbol("p"), decimal(-2.0), at_numbers(decimal(-0.5))
    (0.04*p, -2, -1/2)
    """
    if value == int(value):
        return sp.Integer(int(value))
    return sp.Integer(1 if value > 0 else -1) * symbol(repr(abs(value)))


def at_numbers(expr: sp.Expr) -> sp.Expr:
    """Return an expression with the numbers of its decimal factors as exact fractions."""
    found = {x: sp.Rational(x.name) for x in expr.free_symbols if x.name[0].isdigit()}
    return expr.xreplace(found) if found else expr


def latex_number(shown: str) -> str:
    r"""Return a decimal number as LaTeX.

    >>> latex_number("-1.5e-07")
    '-1.5\\times 10^{-7}'
    """
    mantissa, _, exponent = shown.partition("e")
    return rf"{mantissa}\times 10^{{{int(exponent)}}}" if exponent else mantissa


def latex_name(name: str) -> str:
    r"""Return the LaTeX spelling of a symbol's name: ``base_sub_sub``, with ``_t3`` for the turn.

    >>> latex_name("p_ref"), latex_name("R_SC"), latex_name("theta_s"), latex_name("pi_2_t0")
    ('p_{\\mathrm{ref}}', 'R_{SC}', '\\theta_{s}', '\\pi^{(0)}_{2}')
    """
    if name[0].isdigit():
        return latex_number(name)
    base, *subscripts = name.split("_")
    match = re.fullmatch(r"([A-Za-z]+?)(bar|hat)", base)
    accent = ""
    if match:
        base, accent = match.groups()
    spelled = _SPELLED.get(base) or (f"\\{base}" if base in GREEK else base if len(base) == 1 else f"\\mathrm{{{base}}}")
    if accent:
        spelled = f"\\overline{{{base}}}" if accent == "bar" and len(base) > 1 and base.isupper() else f"\\{accent}{{{spelled}}}"
    turns = [part[1:] for part in subscripts if re.fullmatch(r"t\d+", part)]
    lower = [part if len(part) <= 2 else f"\\mathrm{{{part}}}" for part in subscripts if not re.fullmatch(r"t\d+", part)]
    return spelled + (f"^{{({turns[0]})}}" if turns else "") + (f"_{{{','.join(lower)}}}" if lower else "")


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
    dstheory.rational.symbols.InvalidNumberError: p = 1.2: must be strictly between 0 and 1; give a value in that range
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
