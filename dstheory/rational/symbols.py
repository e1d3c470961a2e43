"""The symbols of the theory: one name, one set of assumptions, one LaTeX spelling, one domain each.

SymPy treats two symbols of the same name but different assumptions as different, so every symbol in this package comes
from :func:`symbol`. The domain of a symbol decides its assumptions; it is also what numeric values are checked against.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import sympy as sp

__all__ = ["DOMAINS", "Domain", "domain_of", "latex_name", "symbol"]


@dataclass(frozen=True)
class Domain:
    """An interval of the reals: what a symbol may stand for.

    >>> Domain("(0, 1)", low=0, high=1, open_low=True, open_high=True).contains(Fraction(1))
    False
    """

    text: str
    low: int | None = None
    high: int | None = None
    open_low: bool = False
    open_high: bool = False

    def contains(self, value: Fraction) -> bool:
        """Whether a number lies in the interval."""
        above = self.low is None or value > self.low or (value == self.low and not self.open_low)
        below = self.high is None or value < self.high or (value == self.high and not self.open_high)
        return above and below


PROBABILITY = Domain("strictly between 0 and 1", 0, 1, open_low=True, open_high=True)
CLOSED_PROBABILITY = Domain("between 0 and 1", 0, 1)
UNIT = Domain("between 0 and 1", 0, 1)
LENGTH = Domain("at least 1", 1)
WEIGHT = Domain("greater than 0", 0, open_low=True)
SCALE = Domain("at least 0", 0)
LOGIT = Domain("between -1000 and 1000", -1000, 1000)
REAL = Domain("a real number")

# Pattern of the name -> domain. The first match counts.
DOMAINS: tuple[tuple[str, Domain], ...] = (
    (r"(p|a|b|pi_\d+|sigma_\d+)_E(_t\d+)?", CLOSED_PROBABILITY),  # demonstrations may be flawless, or never stop too early
    (r"(p|a|b|pi_\d+|sigma_\d+)(_ref|_bar)?(_t\d+)?", PROBABILITY),
    (r"gamma|lambda", UNIT),
    (r"l_\w+|L_max", LENGTH),
    (r"Lbar(_E)?|RLbar|s_tok", WEIGHT),
    (r"w_\w+", WEIGHT),
    (r"alpha|beta|kappa", SCALE),
    (r"E_\d+", WEIGHT),
    (r"theta_\w+|[zt]_\d+(_t\d+)?", LOGIT),
)

GREEK = {
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "eta",
    "kappa",
    "lambda",
    "mu",
    "nu",
    "phi",
    "pi",
    "rho",
    "sigma",
    "tau",
    "theta",
}


def domain_of(name: str) -> Domain:
    """Return the domain of the symbol of that name; the whole real line if no rule restricts it.

    >>> domain_of("p").text, domain_of("R_SC").text
    ('strictly between 0 and 1', 'a real number')
    """
    for pattern, domain in DOMAINS:
        if re.fullmatch(pattern, name):
            return domain
    return REAL


@cache
def symbol(name: str) -> sp.Symbol:
    """Return the symbol of that name, with the assumptions that its domain implies.

    >>> symbol("p").is_positive, symbol("R_SC").is_real, symbol("p") is symbol("p")
    (True, True, True)
    """
    domain = domain_of(name)
    if domain.low is not None and (domain.open_low or domain.low > 0):
        return sp.Symbol(name, positive=True)
    if domain.low == 0:
        return sp.Symbol(name, nonnegative=True)
    return sp.Symbol(name, real=True)


def latex_name(name: str) -> str:
    r"""Return the LaTeX spelling of a symbol's name: ``base_sub_sub``, with ``_t3`` for the turn.

    >>> latex_name("p_ref"), latex_name("R_SC"), latex_name("theta_s"), latex_name("pi_2_t0")
    ('p_{\\mathrm{ref}}', 'R_{SC}', '\\theta_{s}', '\\pi^{(0)}_{2}')
    """
    base, *subscripts = name.split("_")
    match = re.fullmatch(r"([A-Za-z]+?)(bar|hat)", base)
    accent = ""
    if match:
        base, accent = match.groups()
    spelled = f"\\{base}" if base in GREEK else base if len(base) == 1 else f"\\mathrm{{{base}}}"
    if accent:
        spelled = f"\\{accent}{{{spelled}}}"
    turns = [part[1:] for part in subscripts if re.fullmatch(r"t\d+", part)]
    lower = [part if len(part) <= 2 else f"\\mathrm{{{part}}}" for part in subscripts if not re.fullmatch(r"t\d+", part)]
    return spelled + (f"^{{({turns[0]})}}" if turns else "") + (f"_{{{','.join(lower)}}}" if lower else "")
