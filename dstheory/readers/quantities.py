r"""Numbers with their units, as answers give them: 1 1/2, \\frac{3}{4}, 2.5e3, 50 %, $1,200, 18 dollars."""

from __future__ import annotations

import re
from fractions import Fraction

_FRACTION = re.compile(r"\\[dt]?frac\s?\{(-?\d{1,12})\}\s?\{(\d{1,12})\}")
_MIXED = re.compile(r"([-+]?)(\d{1,12})(?:\s|\\[,;! ])+(\d{1,12})/(\d{1,12})")  # 1 1/2
_AFTER_A_NUMBER = re.compile(r"(?<=\d)\s*(?=\\[dt]?frac)")
_SIGNS = re.compile(r"[$%°~]|\\[%$]|\\approx")
_SPACING = re.compile(r"(?<!\d)\s+|\s+(?!\d)|(?<=\d)(?:,|\{,\}|\s|\\[,;! ])(?=\d{3})")
# as in 6 \times 10^{23}
_POWER_OF_TEN = re.compile(r"(?<=\d)\s*(?:\\(?:times|cdot)|[x*])\s*10\^\s*(?:\{\s*(-?\d{1,3})\s*\}|(-?\d{1,3}))")
_QUOTIENT = re.compile(r"[-+]?\d{1,30}(?:\.\d{1,30})?(?:[eE][-+]?\d{1,3})?(?:/\d{1,12})?")
_SPACE = r"(?:\s|~|\\[,;:! ])"
_SHORT = "[ackm]m|[pP]m|AM|PM|kg|mg|m[lL]|lb|oz|ft|in|mi|yd|hr"  # other words of two letters may be variables, as in 3 xy
_UNIT = re.compile(
    rf"(?<=[\d.])(?:{_SPACE}+(?P<words>(?:[A-Za-z]{{3,}}|{_SHORT})\b(?:\s[A-Za-z]+)*|[gmlshL]\b)|(?P<short>[ckm]m|kg|mg|m[lL]|lbs?|oz|min)\b"
    rf"|{_SPACE}*\\(?:text|mathrm)\s?\{{{_SPACE}*(?P<text>[A-Za-z ]+)\}}(?:\^(?:\{{(?P<braced>\d)\}}|(?P<power>\d)))?)\.?\s*"
)
CHANGES_A_NUMBER = (
    r"\b(?:ten|hundred|thousand|lakh|crore|[mb]n|[mb]illion|trillion|dozen|repeating|recurring|percent|half|halves|third|quarter|squared|cubed|factorial|mod|pi|or|and|"
    r"(?<!equal )to|plus|minus|times|over)s?\b"
)
"""Words that make a number beside them another, or one of several."""
_NO_UNIT = re.compile(CHANGES_A_NUMBER, re.IGNORECASE)
_BASE = re.compile(r"\w+_(?:\{(?:\\text\{)?(\w{1,10})\}{1,2}|(\d))")
_NAMES = {
    "mm": "millimeter", "cm": "centimeter", "m": "meter", "km": "kilometer", "in": "inch", "inche": "inch", "ft": "foot",
    "feet": "foot", "yd": "yard", "mi": "mile", "mg": "milligram", "g": "gram", "kg": "kilogram", "lb": "pound", "oz": "ounce",
    "ml": "milliliter", "l": "liter", "sec": "second", "min": "minute", "h": "hour", "hr": "hour",
}  # fmt: skip
"""The whole names of units, in the singular."""


def number(text: str) -> Fraction | None:
    r"""Return the number that a text is, whatever its unit; None where it is something else.

    Example:
        >>> number("$1,200.50"), number("-1\\frac{1}{2}"), number("2.5\\times10^{-3}"), number("18 dollars"), number("3 million")
        (Fraction(2401, 2), Fraction(-3, 2), Fraction(1, 400), Fraction(18, 1), None)
    """
    text = without_unit(_POWER_OF_TEN.sub(lambda found: f"e{found[1] or found[2]}", text))
    plain = _SIGNS.sub("", with_slashes(text)).strip().rstrip(".")
    mixed = _MIXED.fullmatch(plain)
    if mixed and 0 < int(mixed[3]) < int(mixed[4]):
        size = int(mixed[2]) + Fraction(int(mixed[3]), int(mixed[4]))
        return -size if mixed[1] == "-" else size
    plain = _SPACING.sub("", plain).replace("\\", "")
    if not _QUOTIENT.fullmatch(plain):
        return None
    top, _, bottom = plain.partition("/")
    if bottom and int(bottom) == 0:
        return None
    return Fraction(top) / int(bottom or 1)


def with_slashes(text: str) -> str:
    """Return a text with LaTeX's fractions of whole numbers as 1/2, and after a number as in 1 1/2."""
    return _FRACTION.sub(r"\1/\2", _AFTER_A_NUMBER.sub(" ", text)) if "frac" in text else text


def unit_of(text: str) -> str:
    r"""Return the first unit that stands behind a number; "" where there is none.

    >>> unit_of("10 cm"), unit_of("10\\,\\text{ cm}^2"), unit_of("10")
    ('cm', 'cm^2', '')
    """
    found = _UNIT.search(text)
    if found is None:
        return ""
    power = found["power"] or found["braced"]
    return (found["words"] or found["short"] or found["text"]).strip() + (f"^{power}" if power else "")


def without_unit(text: str) -> str:
    """Return a text without the unit at its end, if it is one that does not change the number: 3 million are not 3.

    >>> without_unit("10 cm"), without_unit("3 million"), without_unit("7 or more")
    ('10', '3 million', '7 or more')
    """
    found = _UNIT.search(text)
    ends = found is not None and found.end() == len(text) and not _NO_UNIT.search(found[0])
    return text[: found.start()] if found is not None and ends else text


def one_unit(one: str, other: str) -> bool:
    """Return whether two units may be the same: one is not given, or begins the other, word by word; so with their powers.

    >>> one_unit("cm", ""), one_unit("min", "minutes"), one_unit("dollars per day", "Dollar"), one_unit("m", "mm")
    (True, True, True, False)
    >>> one_unit("cm^2", "cm^3"), one_unit("cm^2", "cm"), one_unit("ft", "feet"), one_unit("mi", "minutes")
    (False, True, True, False)
    """
    (first, _, power), (second, _, its) = one.partition("^"), other.partition("^")
    short, long = sorted((_words_of(first), _words_of(second)), key=len)
    return long[: len(short)] == short and (not power or not its or power == its)


def _words_of(unit: str) -> list[str]:
    """Return the words of a unit, each by its whole name, in the singular."""
    words = [re.sub("(met|lit)re", r"\1er", word) for word in unit.casefold().split()]
    return ["second" if word == "s" else _NAMES.get(word.removesuffix("s"), word.removesuffix("s")) for word in words]


def one_base(one: str, other: str) -> bool:
    r"""Return whether two numbers may be of the same base, as in 101_2: one of them does not say it.

    >>> one_base("101_2", "101_{2}"), one_base("101_2", "101_3"), one_base("101_2", "101")
    (True, False, True)
    """
    bases = [found[1] or found[2] for text in (one, other) if (found := _BASE.fullmatch(text.strip(" $.")))]
    return len(set(bases)) < 2
