r"""What answers are made of: numbers with units (1 1/2, \frac{3}{4}, 2.5e3, 50 %, $1,200, 18 dollars), formulas and boxes."""

from __future__ import annotations

import re
from fractions import Fraction

_FRACTION = re.compile(r"\\[dt]?frac\s?\{(-?\d{1,12})\}\s?\{(\d{1,12})\}")
_MIXED = re.compile(r"([-+]?)(\d{1,12})(?:\s|\\[,;! ])+(\d{1,12})/(\d{1,12})")  # 1 1/2
_AFTER_A_NUMBER = re.compile(r"(?<=\d)\s*(?=\\[dt]?frac)")
_MONEY = {"$": "dollar", "€": "euro", "£": "pound", "¥": "yen", "₹": "rupee"}
_MONEY_FIRST = re.compile(r"[-+(\s]*\\?([$€£¥₹])")
_SIGNS = re.compile(r"[%°~$€£¥₹]|\\[%$]|\\approx|\^\{?\\circ\}?")
_SPACING = re.compile(r"(?<!\d)\s+|\s+(?!\d)|(?<=\d)(?:,|\{,\}|\s|\\[,;! ])(?=\d{3})")
# as in 6 \times 10^{23}
_POWER_OF_TEN = re.compile(r"(?<=\d)\s*(?:\\(?:times|cdot)|[x*])\s*10\^\s*(?:\{\s*(-?\d{1,3})\s*\}|(-?\d{1,3}))")
_QUOTIENT = re.compile(r"[-+]?\d{1,30}(?:\.\d{1,30})?(?:[eE][-+]?\d{1,3})?(?:/\d{1,12})?")
_SPACE = r"(?:\s|~|\\[,;:! ])"
_SHORT = "[ackm]m|[pP]m|AM|PM|kg|mg|m[lL]|lb|oz|ft|in|mi|yd|hr"  # other words of two letters may be variables, as in 3 xy
_UNIT = re.compile(
    rf"(?<=[\d.%}}])(?:{_SPACE}+(?P<words>(?:[A-Za-z]{{3,}}|{_SHORT})\b(?:\s[A-Za-z]+)*|[gmlshL]\b)"
    rf"|(?P<short>[ckm]m|kg|mg|m[lL]|lbs?|oz|min|kph|mph)\b"
    rf"|{_SPACE}*\\(?:text|mathrm)\s?\{{{_SPACE}*(?P<text>[A-Za-z ]+)\}})(?:\^(?:\{{(?P<braced>\d)\}}|(?P<power>\d)))?\.?\s*\Z"
)
_BASE = re.compile(r"\w+_(?:\{(?:\\text\{)?(\w{1,10})\}{1,2}|(\d))")
_NAMES = {
    "mm": "millimeter", "cm": "centimeter", "m": "meter", "km": "kilometer", "in": "inch", "inche": "inch", "ft": "foot",
    "feet": "foot", "yd": "yard", "mi": "mile", "mg": "milligram", "g": "gram", "kg": "kilogram", "lb": "pound", "oz": "ounce",
    "ml": "milliliter", "l": "liter", "sec": "second", "min": "minute", "h": "hour", "hr": "hour", "mph": "mile per hour",
    "kph": "kilometer per hour",
}  # fmt: skip
"""The whole names of units, in the singular."""
_KNOWN = frozenset(" ".join(_NAMES.values()).split()) | frozenset(_MONEY.values()) | frozenset(
    ("cent", "degree", "day", "week", "month", "year", "cup", "gallon", "unit", "square", "cubic", "celsius", "fahrenheit")
)  # fmt: skip
"""Words that leave a number what it is, wherever they stand behind it."""


def number(text: str) -> Fraction | None:
    r"""Return the number that a text is, whatever its unit; None where it is something else.

    Example:
        >>> number("$1,200.50"), number("-1\\frac{1}{2}"), number("2.5\\times10^{-3}"), number("18 dollars"), number("3 to 4")
        (Fraction(2401, 2), Fraction(-3, 2), Fraction(1, 400), Fraction(18, 1), None)
    """
    if ", " in text:
        return None
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


def without_unit(text: str) -> str:
    """Return a text without the words behind its last number, which may be a unit.

    >>> without_unit("10 cm"), without_unit("10 apples left"), without_unit("7 to 8")
    ('10', '10', '7 to 8')
    """
    found = _UNIT.search(text)
    return text[: found.start()] if found else text


def unit_of(text: str) -> list[str]:
    r"""Return the words behind the number of a text, each by its whole name in the singular, and a power; its money.

    >>> unit_of("10 cm"), unit_of("10\\,\\text{ feet}^2"), unit_of("$10"), unit_of("10")
    (['centimeter'], ['foot', '^2'], ['dollar'], [])
    """
    found, money = _UNIT.search(text), _MONEY_FIRST.match(text)
    if found is None:
        return [_MONEY[money[1]]] if money else []
    said = (found["words"] or found["short"] or found["text"]).casefold()
    words = re.sub(r"(met|lit)re", r"\1er", said).split()
    names = ["second" if word == "s" else _NAMES.get(word.removesuffix("s"), word.removesuffix("s")) for word in words]
    power = found["power"] or found["braced"]
    return " ".join(names).split() + ([f"^{power}"] if power else [])


def unit_fits(unit: list[str], right: list[str]) -> bool:
    """Return whether a number with this unit can be compared with a right answer that has the other one.

    It can where one is the beginning of the other, and what only one of them has is known to leave a number what it is.

    >>> unit_fits([], ["hour"]), unit_fits(["dollar", "per", "day"], ["dollar"]), unit_fits(["hour"], ["minute"])
    (True, True, False)
    >>> unit_fits(["apple"], ["apple"]), unit_fits(["apple"], []), unit_fits([], ["million"]), unit_fits(["foot", "^2"], ["foot"])
    (True, False, False, False)
    """
    short, long = sorted((unit, right), key=len)
    rest = long[len(short) :]
    more_power = bool(right) and long is unit and rest[:1] == ["^2"]
    return long[: len(short)] == short and all(word in _KNOWN or word[0] == "^" for word in rest) and not more_power


def one_base(one: str, other: str) -> bool:
    r"""Return whether two numbers may be of the same base, as in 101_2: one of them does not say it.

    >>> one_base("101_2", "101_{2}"), one_base("101_2", "101_3"), one_base("101_2", "101")
    (True, False, True)
    """
    bases = [found[1] or found[2] for text in (one, other) if (found := _BASE.fullmatch(text.strip(" $.")))]
    return len(set(bases)) < 2


_LONGEST_BOX = 1000  # characters
_OPEN_BOX = re.compile(r"\\f?boxed\s*\{")
_GROUP = r"\{(?:[^{}]++|\{(?:[^{}]++|\{[^{}]*+\})*+\})*+\}"  # braces within braces, three deep; possessive, so the time is linear
_NUMBER = r"-?\d{1,12}[ ]\d{1,12}/\d{1,12}|-?\d(?:[\d,]|\{,\}){0,30}(?:\.\d{1,30})?(?:\s?/\s?\d{1,12})?"
_PIECE = re.compile(
    r"\$\$(?P<display>[^$]{1,1000})\$\$"
    r"|\$(?=\S)(?P<dollars>[^$\n]{1,300}?)(?<=\S)\$(?!\d)"  # "$5, then $6" is money
    r"|\\\((?P<round>[^\n]{1,300}?)\\\)"
    r"|\\\[(?P<square>.{1,1000}?)\\\]"
    rf"|(?P<command>-?\d{{0,12}}\\[A-Za-z]{{2,20}}(?:\[[^\[\]{{}}]{{0,20}}\])?(?:{_GROUP})+)"
    rf"|(?P<power>-?[0-9A-Za-z]{{1,12}}[\^_](?:{_GROUP}|-?[0-9A-Za-z]{{1,12}}))"
    rf"|(?P<number>(?:{_NUMBER})(?:\s?\\?%)?)",
    re.DOTALL,
)
_TOKEN = re.compile(r"<\|\w{1,20}\|>")  # of a model's own, as <|im_end|>
_WRAPPED = re.compile(
    r"\$\$([^$]+)\$\$|\$([^$]+)\$|\\\(((?:(?!\\\().)+)\\\)|\\\[((?:(?!\\\[).)+)\\\]|\*\*([^*]+)\*\*|`([^`]+)`"
    rf"|\\f?boxed\s*\{{((?:[^{{}}]|{_GROUP})+)\}}",
    re.DOTALL,
)
_JOIN = re.compile(r"[\s$\\()\[\]*]*,[\s$\\()\[\]*]*")  # between boxes that are answers together


def final_answers(text: str) -> list[str]:
    r"""Return what could be a final answer, in order: what is boxed if anything is, else all formulas and numbers.

    Example:
        >>> final_answers("so 3 or \\boxed{4}"), final_answers("3 apples, then 1,200/7"), final_answers("$x = 3$, and \\sqrt{2}")
        (['4'], ['3', '1,200/7'], ['x = 3', '\\sqrt{2}'])
    """
    pieces = (found[str(found.lastgroup)].strip().rstrip(",") for found in _PIECE.finditer(with_slashes(_TOKEN.sub(" ", text))))
    return [content for _, _, content in _boxes(text)] or list(filter(None, pieces))


def last_boxes(text: str) -> tuple[str, str]:
    r"""Return what stands in the last box, or the last ones if only commas are between them, and what follows; the text if none.

    Example:
        >>> last_boxes("\\boxed{3}, so \\boxed{4}."), last_boxes("\\boxed{1}, $\\boxed{2}$"), last_boxes("3")
        (('4', '.'), ('1, 2', '$'), ('', '3'))
    """
    boxes = _boxes(text)
    first = len(boxes) - 1
    while first > 0 and _JOIN.fullmatch(text[boxes[first - 1][1] + 1 : boxes[first][0]]):
        first -= 1
    content = ", ".join(dict.fromkeys(content for _, _, content in boxes[max(first, 0) :]))
    return content, text[boxes[-1][1] + 1 :] if boxes else text


def _boxes(text: str) -> list[tuple[int, int, str]]:
    """Return where each box begins and ends, and what stands in it; of boxes within boxes the outer one."""
    out: list[tuple[int, int, str]] = []
    end = 0
    for found in _OPEN_BOX.finditer(text):
        if found.start() < end:
            continue
        content = _braced(text, found.end())
        if content is not None:
            end = found.end() + len(content)
            out.append((found.start(), end, content))
    return out


def _braced(text: str, start: int) -> str | None:
    """Return what stands up to the brace that closes; None where none does within reason."""
    depth = 1
    for i in range(start, min(len(text), start + _LONGEST_BOX)):
        if text[i] in "{}" and text[i - 1] != "\\":
            depth += 1 if text[i] == "{" else -1
            if depth == 0:
                return text[start:i]
    return None


def unwrapped(text: str) -> str:
    r"""Return a text without what encloses it as a whole: dollars, stars, a box.

    >>> unwrapped("$\\boxed{\\boxed{3}}$"), unwrapped("**\\(x\\)**"), unwrapped("$1$, $2$")
    ('3', 'x', '$1$, $2$')
    """
    text = text.strip()
    while found := _WRAPPED.fullmatch(text):
        text = found[found.lastindex or 0].strip()
    return text
