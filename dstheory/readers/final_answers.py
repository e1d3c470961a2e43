r"""Final answers: what a text says last, and whether it is the right one.

What a text says is found by its form: a box, a mark, or a last sentence that is an answer but for words of a fixed list, which
change no number. A sentence with any other word is not judged: so no word that nobody thought of can make its number another.

What can be settled exactly is settled here: the same text without its typography, whole numbers and fractions, the letter of a
choice. Everything else, decimals, formulas, sets, intervals, is compared by math-verify (:mod:`dstheory.readers.grading`); what
is plain words is not, since a computer algebra system takes a word for a product of its letters.

Answers are made of numbers with units (1 1/2, \frac{3}{4}, 2.5e3, 50 %, $1,200, 18 dollars), formulas and boxes.

Source: the rules for boxes, numbers and letters are this package's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any
from unicodedata import normalize

from dstheory.readers.answers import Checker, answer_text
from dstheory.readers.grading import same_mathematics
from dstheory.readers.records import Fault, FieldNames

_LONGEST_ANSWER = 4000  # characters
_LONGEST_FORMULA = 1000
_ROUNDING = Fraction(1, 10**6)  # to which math-verify rounds decimals
_SMALL = Fraction(1, 10**3)  # and by which part of the right answer they may differ at most: four digits of it are compared
_UNCLEAR = (
    "what the answer says last is not certain, and not judged: end answers with \\boxed{...} or #### and a number, or name what "
    "says which are correct with --field correct=KEY"
)
_MOST_GOLD = 20  # right answers of one record

_NOT_BETWEEN_DIGITS = re.compile(r"(?<!\d) | (?!\d)")
_PROSE = re.compile(r"\\(?:text|textbf|mathrm|mathbf|mbox)\s?\{([^{}]*)\}")
_TAGGED = re.compile(
    r"<answer>(?P<tag>(?:(?!<answer>).){0,4000}?)</answer>"
    r"|####[ \t]*(?P<line>[-+$]{0,2}\d[\d.,/]{0,40}%?)[ \t]*(?:\n|\Z)",
    re.DOTALL,
)  # fmt: skip
_CLOSING = re.compile(r"(?:\s|</?\w{1,20}>|<\|\w{1,20}\|>|I hope (?:it|this) is correct\.?)++\Z")
_SENTENCE = re.compile(  # a line that begins with a small letter or a number goes on with a sentence that has not ended
    r"(?<=[.!?])(?<!\b[A-Za-z]\.)(?:\s+(?=[*$(\\]*[A-Z])|\s*\n\s*)|\n\s*(?=[^\w\n]*[A-Z])"
    r"|[,;]\s+(?=(?:so|thus|hence|therefore)\b)|;\s+(?=the answer\b)"
)
_WORDS = (  # that change no number, whatever their order: a sentence of these and a number says that number
    r"(?:it['\u2019]s|(?:(?:total|sum|product|quotient|remainder|value|number|amount|cost|price|profit|area|perimeter|volume"
    r"|length|width|height|distance|speed|time|age|probability|average)(?: of(?: [\w$',.-]+){1,6}?(?= (?:is|are|equals)\b))?"
    r"|total of|so|thus|therefore|hence|then|finally|now|this|that|it|which|we|i think|i(?= )|she|he|they|there|the|my|our|his"
    r"|her|their|its|in (?:total|all)|altogether|overall|final|correct|answer|ans|result|solution|set|option|choice|output|is|are"
    r"|be|equal to|equals?|gives?|makes?|gets?|find|obtain|conclude|has|have|must|will|means?|exactly|about|approximately|around"
    r"|roughly|only|just|simply|indeed|left|\$?(?-i:[a-z])\$?(?= (?:is|equals)\b))\b)"
)
_HEAD = re.compile(rf"(?:{_WORDS}|#+\s|A:\s|[-*]\s+(?=[A-Za-z])|=>|[\s*:,=\u2192\u21d2\u2234])*+", re.IGNORECASE)
_TAIL = re.compile(
    rf"(?:,?\s+(?:because|since)\b.*|,\s+as\b.*|(?:\s+{_WORDS}){{1,8}}|)[\s*]*\.?[\s*]*\Z", re.IGNORECASE | re.DOTALL
)
_SAYS = re.compile(r"\bans(?:wer)?\b", re.IGNORECASE)
_CHOICE = re.compile(r"\(?([A-Z])\)?\.?|\(([a-z])\)")  # a right answer that is one: a small letter alone is a variable
_LETTER = re.compile(  # alone, before its reason, or before its text, in which no other letter stands
    r"\(?([A-Z]|[a-z](?=[).:*]|\Z))(?![\w'])[).:*]*"
    r"(?:\Z|,?\s+(?:because|since|as)\b.*|(?<=[).:*])\s+(?!.*(?<![\w'])[A-Z](?![\w']))"
    r"(?!(?:is|are|was|were|ca|can|could|would|wo|will|do|did|does|has|have|had|may|might|must|should|looks?|seems?|sounds?|fails?"
    r"|contradicts?|violates?)(?:n't|n\u2019t|not)?\b).*)",  # what is said of a choice is not its text: (B) is false
    re.DOTALL,
)
_COMMAND = re.compile(r"\\(?:begin|end)\s?\{[a-z*]+\}|\\[A-Za-z]+|\b(?:sin|cos|tan|log|ln|exp|sqrt|pi)(?![A-Za-z])")
_PROSE_WORD = re.compile(r"(?<![A-Za-z])[A-Za-z]{2,}(?![A-Za-z(])|[^\x00-\x7f°€£¥₹]")
_WORD = re.compile(r"[A-Za-z]{3,}|\b(?i:no)\b|[^\x00-\x7f°€£¥₹]")  # two other letters may be variables
_RELATION = re.compile(r"[<>\u2260\u2264\u2265]|!=|\\(?:neq?|leq?|geq?|lt|gt)(?![A-Za-z])")
_TWO_READINGS = re.compile(
    r"[-+]\s*[-+]|\A\d+\s*-\s*\d+\Z|\A\(\\?\$"  # two signs, from 5 to 6 or a difference, ($5) for -5
    r"|\.\.|\u2026|\\[lc]?dots|[\d\s][!?]\Z|:\W*\Z"  # 0.33..., an exclamation or a factorial
    r"|\d[bx]\d|\d[kKMB]\Z|\A\d+ (?!\d{3}\b)\d+\Z"  # 7x8, 5k, 4 2
)
_EQUAL = re.compile(r"=|\\approx(?![A-Za-z])")
_ARGUMENT = re.compile(r"(?<=\w)\([^()]*\)|_\{[^{}]*\}|_\w")
_TERM = r"(?!\\?(?:sin|cos|tan|log|ln|exp|sqrt))\\?[A-Za-z]+'*"
_NAMES = re.compile(rf"\(?{_TERM}(?:\s*[-+,]\s*{_TERM})*\)?")  # x, f(3), a + b, (x, y)
_OPERATION = re.compile(r"\\(?:times|cdot|div|[dt]?frac)(?![A-Za-z])")
_LETTERS = re.compile(r"[A-Za-z]")
_THOUSANDS = re.compile(r"-?\d{1,3}(?:,\d{3})+")
_OTHER_COMMA = str.maketrans(",.", ".,")
_UNICODE = str.maketrans({"\u2212": "-", "\u221e": "\\infty ", "\u03c0": "\\pi ", "\u00d7": "\\times ", "\u00f7": "/",
                          "\u00b1": "\\pm ", "\u2248": "\\approx ", "\u00a0": " ", "\u202f": " "})  # fmt: skip
_REWRITTEN: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"(?<!\\)\\[()\[\]]"), "$"),  # what is around a formula within a formula: -\(3\) is not 3
    (re.compile("[\u00bc-\u00be\u2150-\u215e]"), lambda found: f" {normalize('NFKC', found[0])}".replace("\u2044", "/")),
    (re.compile("[\u00b9\u00b2\u00b3\u2070\u2074-\u2079\u207b]+"), lambda found: f"^{{{normalize('NFKC', found[0])}}}"),
    (re.compile(r"\s*(?:\\text\s?\{\s*(?:and|or)\s*\}|\b(?:and|or)\b)\s*"), ", "),
    (re.compile(r"(?<=[\d)])\s+x\s+(?=[\d(])"), r" \\times "),
    (re.compile(r"(?<=\d)\s*per\s?cent\b", re.IGNORECASE), "%"),
    (re.compile(r"(?<![\w.})])\.(?=\d)"), "0."),
    (re.compile(r"\b(?:negative|minus)\s+(?=[\d$\\])|(?<![\w)$-])[-\u2013\u2014]\\?\$?(?=\d)", re.IGNORECASE), "-"),
)


def compare_final(names: FieldNames | None = None) -> Checker:
    """Return a checker that compares an answer with the record's right one, or its right ones, by :func:`same_answer`."""
    key = (names or FieldNames()).gold

    def check(answer: str, record: Mapping[str, Any]) -> bool:
        gold = record.get(key)
        several = [answer_text(one) for one in (gold if isinstance(gold, list) else [gold])]
        if not several or len(several) > _MOST_GOLD or not all(map(str.strip, several)):
            raise Fault("problem-data", key, "is missing or not text: must hold the right answer")
        verdicts = [same_answer(answer, one) for one in several]
        if None in verdicts and True not in verdicts:
            raise Fault("unclear", "", _UNCLEAR)
        return True in verdicts

    return check


def same_answer(answer: str, gold: str) -> bool | None:
    r"""Return whether an answer, or what a text says last, is the right one; None where that cannot be told.

    What counts is, in this order: what stands between tags of an answer or behind ####, the last box, and the last sentence, if
    it is an answer alone but for words that change no number. Nothing is said where an "answer is" says another than that.

    Args:
        answer: of the model.
        gold: the right one.

    Example:
        >>> same_answer("\\boxed{1,024.50}", "2049/2"), same_answer("The answer is 7.", "7"), same_answer("7.0001", "7")
        (True, True, False)
        >>> same_answer("The answer is (B)", "B"), same_answer("\\boxed{\\frac{\\sqrt{2}}{3}}", "3")
        (True, False)
        >>> same_answer("It is at least 6", "6"), same_answer("It is 5 to 6", "8"), same_answer("12 cents", "$12")
        (None, None, None)
    """
    if answer.strip() == gold.strip():
        return True
    answer, gold = (_marked(_rewritten(text.strip()[-_LONGEST_ANSWER:])) for text in (answer, gold))
    gold = unwrapped(last_boxes(gold)[0] or gold)
    wanted = _plain(gold)
    if not answer or (wanted and _plain(unwrapped(answer)) == wanted):
        return bool(answer) and _same(answer, gold, wanted)
    choice = _CHOICE.fullmatch(_PROSE.sub(r"\1", gold))
    read = _letter if choice else _rest if _is_words(gold) else _formula
    boxed, behind = last_boxes(answer)
    sentences = _SENTENCE.split(_CLOSING.sub("", behind))
    says = [one for sentence in sentences if (at := _SAYS.search(sentence)) and (one := read(sentence[at.start() :]))]
    if boxed:
        found = _letter(boxed) if choice else boxed
    else:
        found = read(sentences[-1]) if read is not _rest or len(sentences) == 1 or _SAYS.search(sentences[-1]) else ""
    if not found or any(_value(one) != _value(found) for one in says):
        return None
    if choice:
        return found == _letter(gold)
    if not boxed and read is _formula and _plain(found) != wanted:
        side = without_unit(_right_side(found) or "x")
        unknown = number(gold) is not None and number(side) is None and _LETTERS.search(_COMMAND.sub("", side))
        if unknown or _RELATION.search(found) or _is_list(found) != _is_list(gold):
            return None
    return _same(found, gold, wanted)


def _same(found: str, gold: str, wanted: str) -> bool | None:
    """Return whether what was found is the right answer; None for what can be read in two ways.

    That is also: a unit that may change the number, words where a number is right, 1,200 where the list 1, 200 is, 3,5 for 3.5.
    """
    found = unwrapped(found)
    if wanted and _plain(found) == wanted:
        return None if _THOUSANDS.fullmatch(wanted) and (", " in found) != (", " in gold) else True
    if _is_words(gold) and not re.search(r"[\d\\]", _PROSE.sub(r"\1", found)):
        return None if wanted in _plain(found) or len(found.split()) > len(gold.split()) else False
    formulas = _is_formula(found, _WORD) and _is_formula(gold, _WORD)
    if not formulas or _TWO_READINGS.search(found) or not unit_fits(unit_of(found), unit_of(gold)):
        return None
    side = found if "=" in gold else _right_side(found)
    if side is None:
        return None
    if _brackets(side) != _brackets(gold) and "" not in (_brackets(side), _brackets(gold)):
        return False  # an open interval is no closed one, a pair no set
    if not one_base(side, gold):
        return False
    left, right = number(side), number(gold)
    if right is not None and left != right == number(side.translate(_OTHER_COMMA)):
        return None
    if left is not None and right is not None:
        if left == right and (("%" in found) == ("%" in gold) or left.denominator == 1):
            return True  # 50 % may be written as 50, but 0.5 % is not 1/2
        scales = (1, 100) if "%" in found + gold else (1,)  # a percentage may be a fraction
        pairs = [(left / scale, right / other) for scale in scales for other in scales]
        near = any(abs(one - two) <= min(_ROUNDING, abs(two) * _SMALL) for one, two in pairs)
        if not near or not ("." in found + gold or "%" in found + gold):
            return False
    return same_mathematics(side, gold)


def _rewritten(text: str) -> str:
    r"""Return a text with signs of one kind; of the two ways that Unicode has for an accent, one.

    Example:
        >>> _rewritten("5\u00bd x 3"), _rewritten("minus 3 m\u00b2"), _rewritten("-$.50")
        ('5 1/2 \\times 3', '-3 m^{2}', '-0.50')
    """
    text = normalize("NFC", text)
    for pattern, by in _REWRITTEN:
        text = pattern.sub(by, text)
    return text.translate(_UNICODE)


def _marked(text: str) -> str:
    """Return what stands between the last tags of an answer, or the number behind the last ####; the text, if a box follows.

    What was thought before is left out, if anything follows it.
    """
    text = text.rpartition("</think>")[2].strip() or text
    marks = list(_TAGGED.finditer(text))
    return text if not marks or last_boxes(text[marks[-1].end() :])[0] else marks[-1][str(marks[-1].lastgroup)].strip()


def _rest(sentence: str) -> str:
    """Return a sentence without the words at its ends that change no number, and without its reason."""
    rest = _HEAD.sub("", sentence, count=1)
    head = sentence[: len(sentence) - len(rest)]
    if re.match(r"[-\u2013\u2014]\s", rest) or (head[-1:].isalnum() and rest[:1] == "-"):
        return ""  # a dash, a sign of a list, or a minus
    return unwrapped(_TAIL.sub("", rest, count=1))


def _formula(sentence: str) -> str:
    r"""Return the number or formula that a sentence says; "" where it has words that may mean more.

    Example:
        >>> _formula("So the total is 12 cm, since 3 x 4 = 12."), _formula("It is $x = 3$"), _formula("It is at least 3")
        ('12 cm', 'x = 3', '')
    """
    rest = _rest(sentence)
    rest = rest if rest.count("$") % 2 else rest.replace("$", "")
    return rest if _is_formula(rest) else ""


def _letter(sentence: str) -> str:
    r"""Return the letter of the choice that a sentence makes, in lower case; "" if it makes none, or none for certain.

    Example:
        >>> _letter("The answer is (B) 5 cm"), _letter("b"), _letter("B or C"), _letter("It is not B"), _letter("A bit odd")
        ('b', 'b', '', '', '')
    """
    found = _LETTER.fullmatch(_rest(_PROSE.sub(r"\1", sentence)))
    return found[1].casefold() if found else ""


def _value(text: str) -> Fraction | str:
    """Return what tells two answers of one text apart."""
    side = _right_side(text) or text
    value = number(side)
    return _plain(side) if value is None else value


def _right_side(text: str) -> str | None:
    r"""Return what the last sign of equality gives a name or a number; the text where it is something else; None if unclear.

    Example:
        >>> _right_side("2 + 3 = 5"), _right_side("(x, y) = (3, 4)"), _right_side("x = 1, y = 2"), _right_side("5 = x")
        ('5', '(3, 4)', 'x = 1, y = 2', '5')
        >>> _right_side("1/3 = 0.33"), _right_side("5 = 5")
        (None, None)
    """
    *left, last = (part.strip(" $") for part in _EQUAL.split(text))
    if not left or ("," in text and len(left) > 1):
        return text
    numbers = [value for one in (*left, last) if (value := number(one)) is not None]
    formulas = [_ARGUMENT.sub("", one) for one in left if _LETTERS.search(_OPERATION.sub("", one))]
    if len(numbers) > 1 or not all(map(_NAMES.fullmatch, formulas)):
        return None
    return left[0] if len(left) == 1 and number(left[0]) is not None else last


def _is_formula(text: str, word: re.Pattern[str] = _PROSE_WORD) -> bool:
    r"""Return whether a text is an answer and nothing else: no word is left when its commands are gone.

    Example:
        >>> _is_formula("\\frac{1}{2} + x"), _is_formula("7x"), _is_formula("7 cm"), _is_formula("x = 1 to 2")
        (True, True, True, False)
    """
    plain = _COMMAND.sub(" ", without_unit(unwrapped(text)))
    return len(text) <= _LONGEST_FORMULA and "\n" not in text and not word.search(plain) and any(map(str.isalnum, text))


def _is_list(text: str) -> bool:
    return ("," in text or "\\pm" in text) and number(text) is None


def _brackets(text: str) -> str:
    r"""Return what encloses a pair; "" where nothing does, or it is no pair.

    Example:
        >>> _brackets("\\left( 0, 1 \\right]"), _brackets("(1, 2, 3)"), _brackets("(a,b) \\cup (c,d)"), _brackets("1, 2")
        ('(]', '', '', '')
    """
    plain = re.sub(r"\\(?:left|right|[,;! ])|\s", "", text).replace("\\{", "{").replace("\\}", "}")
    return plain[0] + plain[-1] if re.fullmatch(r"[(\[{][^()\[\]{},]+,[^()\[\]{},]+[)\]}]", plain) else ""


def _plain(text: str) -> str:
    """Return a text without typography: for comparing words."""
    words = _PROSE.sub(r"\1", text).split()
    words = words[1:] if len(words) > 1 and words[0].casefold() == "the" else words
    plain = words[0] if len(words) == 1 else _NOT_BETWEEN_DIGITS.sub("", " ".join(words))  # 1 1/2 is not 11/2
    return plain.strip("$.").replace("{,}", ",").casefold()


def _is_words(text: str) -> bool:
    r"""Return whether a text is words, of which there is nothing to compute.

    Example:
        >>> _is_words("\\text{Rome}"), _is_words("not enough data"), _is_words("2x + 1"), _is_words("\\pi"), _is_words("xy")
        (True, True, False, False, False)
    """
    plain = _PROSE.sub(r"\1", text)
    return not any(sign.isdigit() or sign in "\\^_=<>+" for sign in plain) and _WORD.search(plain) is not None


# ---------------------------------------------------------------------- numbers, units and boxes


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
_UNIT_NAMES = {
    "mm": "millimeter", "cm": "centimeter", "m": "meter", "km": "kilometer", "in": "inch", "inche": "inch", "ft": "foot",
    "feet": "foot", "yd": "yard", "mi": "mile", "mg": "milligram", "g": "gram", "kg": "kilogram", "lb": "pound", "oz": "ounce",
    "ml": "milliliter", "l": "liter", "sec": "second", "min": "minute", "h": "hour", "hr": "hour", "mph": "mile per hour",
    "kph": "kilometer per hour",
}  # fmt: skip
"""The whole names of units, in the singular."""
_KNOWN = frozenset(" ".join(_UNIT_NAMES.values()).split()) | frozenset(_MONEY.values()) | frozenset(
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
    names = ["second" if word == "s" else _UNIT_NAMES.get(word.removesuffix("s"), word.removesuffix("s")) for word in words]
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
