r"""Final answers: what a text says last, and whether it is the right one.

What can be settled exactly is settled here: the same text without its typography, whole numbers and fractions, the letter of a
choice. Everything else, decimals, formulas, sets, intervals, is compared by math-verify (:mod:`dstheory.readers.grading`); what
is plain words is not, since a computer algebra system takes a word for a product of its letters.

Source: the rules for boxes, numbers and letters are this package's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise
from typing import Any

from dstheory.readers.answers import Checker
from dstheory.readers.grading import same_mathematics
from dstheory.readers.quantities import CHANGES_A_NUMBER, number, one_base, one_unit, unit_of, with_slashes, without_unit
from dstheory.readers.records import Fault, FieldNames

_LONGEST_ANSWER = 4000  # characters
_LONGEST_BOX = 1000
_ROUNDING = Fraction(1, 10**6)  # to which math-verify rounds decimals
_UNCLEAR = (
    "the answer holds the right one, but not it alone, and is not judged: end answers with \\boxed{...} or #### and a number, or "
    "name what says which are correct with --field correct=KEY"
)
_MOST_GOLD = 20  # right answers of one record

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
_NOT_BETWEEN_DIGITS = re.compile(r"(?<!\d) | (?!\d)")
_PROSE = re.compile(r"\\(?:text|textbf|mathrm|mathbf|mbox)\s?\{([^{}]*)\}")
_SAYS = re.compile(r"\banswer\s*(?:\*\*)?\s*(?:is|:|=)\s*:?\s*(?:\*\*)?", re.IGNORECASE)
_CHOICE = re.compile(r"\(?([A-Z])\)?\.?|\(([a-z])\)")  # a right answer that is one: a small letter alone is a variable
_CHOSEN = re.compile(r"\b(?i:answer|option|choice)\s*(?i:is|:)?\s*:?\s*\**\s*(?:\(([A-Za-z])\)|([A-Z])\b(?!'))")
_BRACKETED = re.compile(r"\(([A-Za-z])\)")
_ALONE = re.compile(r"\(?([A-Za-z])(?:[).:]|\Z)")
_REJECTED = re.compile(r"\**\s+(?:is\s+(?:not|wrong|incorrect|false)|fails|cannot|can't|does\s+not|doesn't)\b")
_OR_ANOTHER = re.compile(r"\**(?:\s+(?:or|and|&)\s+|,\s+|/)\**(?:[A-Z]\b|\([A-Za-z]\))")
_ONE_OR = re.compile(r"(?:\b[A-Z]|\([A-Za-z]\))\**(?:\s+(?:or|and|&)\s+|,\s+(?:(?:or|and)\s+)?|/)\**\Z")
_TAKEN_BACK = re.compile(
    r"\b(?:wait|hmm+|actually|oops|correction|mistake|on second thought)\b|\bno[,.!]|\b(?:that|this|it) is (?:wrong|incorrect)\b",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"[,.;:]")
_WORD = re.compile(r"[A-Za-z]{3,}")
_TAGGED = re.compile(
    r"<answer>(?P<tag>(?:(?!<answer>).){0,4000}?)</answer>"
    r"|####[ \t]*(?P<line>[-+$]{0,2}\d[\d.,/]{0,40}%?)[ \t]*(?:\n|\Z)",
    re.DOTALL,
)  # fmt: skip
_COMMAND = re.compile(r"\\[A-Za-z]+")
_PROSE_WORD = re.compile(r"(?<![A-Za-z])[A-Za-z]{2,}(?![A-Za-z(])")  # of a formula none is left when its commands are gone
_JOIN = re.compile(r"[\s$\\()\[\]*]*(?:,|;|\b(?:and|or|to)\b)[\s$\\()\[\]*]*")  # between boxes that are answers together
_TWO = re.compile(r"(?P<one>[^;:\n]{1,60}?)\s+(?:and|or)\s+(?P<other>[^;:\n]{1,60}?)[.\s]*")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_BREAK = re.compile(r":\s|(?:[,;]\s+(?!(?:and|or|to)\b)|\s(?=(?:because|since|so)\b))(?=[A-Za-z])")  # a new thought
_ASIDE = re.compile(r"\s\((?=[^()$\\]{0,80}[a-z]{3})[^()$\\]{0,80}\)")
_CONDITION = r"because|since|if|when|where|unless"
_ON_CONDITION = re.compile(rf"\b(?:for|{_CONDITION})\b", re.IGNORECASE)
_EQUALS = re.compile(r"(?!.*\b(?:and|or)\b).*(?:=|\b(?:is|are|equals?)\b)", re.DOTALL)
_NEGATION = r"\b(?:(?:can)?not|never|nor|neither)\b|n't\b"
_DENIED = re.compile(  # beside a number that is not the answer, or need not be
    rf"{_NEGATION}|\b(?:no|{_CONDITION}|else|except|without|but|wrong|incorrect|false|impossible|unlikely|unknown"
    r"|maybe|perhaps|fail(?:s|ed)?|exceeds?|exclud\w+|reject\w*|rul\w+\s+out|avoid\w*|discard\w*|tr(?:y|ies|ied)|gave\s+up)\b",
    re.IGNORECASE,
)
_LEADS = re.compile(  # up to a number that it makes another, or one of several
    rf"(?:(?:{CHANGES_A_NUMBER}|\b(?:than|least|most|under|above|below|negative|by|twice|double|(?<!total )of|sqrt|log"
    r"|or\s+equal\s+to|step|section|equation|problem|question|example|case|line|page)|[<>!\u2264\u2265\u2260]=?|\w\s+[-\u2013\u2014])\s*|\d:)[$(\\\[*]*\Z"
    r"|[A-Za-z]\Z",
    re.IGNORECASE,
)
_FOLLOWS = re.compile(
    rf"[$)\\\]*]*\s*(?!ways\s+to\b)(?:[A-Za-z]+\s+)?(?!percent\b)(?:{CHANGES_A_NUMBER})"
    r"|[x\xb2\xb3\xb9\xbc-\xbe\u2070-\u2079^!](?![A-Za-z])|\s*(?:\(mod\b|:)",
    re.IGNORECASE,
)
_BEGINS_WITH_IT = re.compile(  # between "the answer is" and its number
    r"(?:\A|=|\b(?:is|are|be|equals?|equal to|total of|exactly|about|approximately|around|roughly|only|just|simply|therefore|thus"
    r"|indeed))[^A-Za-z=]*+\Z",
    re.IGNORECASE,
)
_LIST_NUMBER = re.compile(r"\d{1,2}[.)]")
_NOT = re.compile(rf"(?:{_NEGATION})(?:\s+be)?\s*[$(*]*\Z|\b(?:than|of)\s*[$(*]*\Z", re.IGNORECASE)  # this letter
_MOST_NAMED = 8  # numbers of one sentence that are compared with the right answer
_NEGATIVE = re.compile(r"(?<!-)\b(?:negative|(?<=\bis )minus)\s+(?=\d)|(?<![\w)$-])[-\u2013\u2014]\\?\$?(?=\d)", re.IGNORECASE)
_BEGINS = re.compile(r"\A(?:[A-Za-z]\s*:|=)\s*")  # before an answer alone, as in A: 12
_SIGNS_IN_A_ROW = re.compile(r"[-+]\s*[-+]")
_THOUSANDS = re.compile(r"-?\d{1,3}(?:,\d{3})+")
_UNICODE = str.maketrans({"\u2212": "-", "\u221e": "\\infty ", "\u03c0": "\\pi ", "\u00d7": "\\times ", "\u00b1": "\\pm ",
                          "\u2248": "\\approx ", "\u00a0": " ", "\u202f": " "})  # fmt: skip


def compare_final(names: FieldNames | None = None) -> Checker:
    """Return a checker that compares an answer with the record's right one, or its right ones, by :func:`same_answer`."""
    key = (names or FieldNames()).gold

    def check(answer: str, record: Mapping[str, Any]) -> bool:
        gold = record.get(key)
        several = gold if isinstance(gold, list) else [gold]
        if not several or len(several) > _MOST_GOLD or not all(map(_is_answer, several)):
            raise Fault("problem-data", key, "is missing or no text: must hold the right answer")
        verdicts = [same_answer(answer, str(one)) for one in several]
        if None in verdicts and True not in verdicts:
            raise Fault("unclear", "", _UNCLEAR)
        return True in verdicts

    return check


def _is_answer(value: Any) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool) and bool(str(value).strip())


def same_answer(answer: str, gold: str) -> bool | None:
    r"""Return whether an answer, or what a text says last, is the right one; None where that cannot be told.

    What counts is, in this order: what stands between tags of an answer or behind ####, the last box, what follows "the answer
    is" where that is not taken back, an answer alone, and the one number of the last thought that holds any. Where the last names
    several, or a word makes its number another or denies it, and one of them is the right one, nothing is said.

    Args:
        answer: of the model.
        gold: the right one.

    Example:
        >>> same_answer("\\boxed{1,024.50}", "2049/2"), same_answer("The answer is 7.", "7"), same_answer("7.0001", "7")
        (True, True, False)
        >>> same_answer("The answer is (B)", "B"), same_answer("\\boxed{\\frac{\\sqrt{2}}{3}}", "3")
        (True, False)
        >>> same_answer("It is 5 to 6", "6"), same_answer("It is 5 to 6", "8")
        (None, False)
    """
    if answer.strip() == gold.strip():
        return True
    answer = _NEGATIVE.sub("-", _marked(answer.translate(_UNICODE).strip()[-_LONGEST_ANSWER:]))
    gold = _unwrapped(_NEGATIVE.sub("-", gold.translate(_UNICODE)[:_LONGEST_ANSWER]))
    wanted = _plain(gold)
    if wanted and _plain(_unwrapped(answer)) == wanted:
        return _same(answer, gold, wanted)
    choice = _CHOICE.fullmatch(_PROSE.sub(r"\1", gold))
    said, behind = _said(answer)
    taken_back = _TAKEN_BACK.search(behind) is not None
    if choice:
        right = _letter(answer) == (choice[1] or choice[2]).casefold()
        return None if right and taken_back and not _boxes(answer) else right
    said = "" if taken_back else said
    ends = _is_formula(said) and answer.rstrip(" .*").endswith(said)
    boxed = _last_boxes(answer) or _listed(answer) or _listed(said) or (said if ends else "")
    if boxed or _is_formula(answer):
        return _same(boxed or _BEGINS.sub("", answer).rstrip(" .?"), _listed(gold) or gold, wanted, whole=True)
    if _is_words(gold):
        return bool(wanted) and _plain(_CLAUSE.split(_unwrapped(said), maxsplit=1)[0]) == wanted
    first = _PIECE.search(said) is not None
    named, clear = _named(said if first else answer, first=first, unit=unit_of(gold))
    verdicts = [_same(name, gold, wanted) for name in named[-_MOST_NAMED:]]
    return None if None in verdicts or (any(verdicts) and not clear) else any(verdicts)


def _same(found: str, gold: str, wanted: str, *, whole: bool = False) -> bool | None:
    """Return whether what was found is the right answer; ``whole`` where nothing but an answer can stand in it.

    None for what can be read in two ways: two signs in a row, 5! where 5 is right, and 1,200 where the list 1, 200 is.
    """
    found = _unwrapped(found)
    if wanted and _plain(found) == wanted:
        return None if _THOUSANDS.fullmatch(wanted) and (", " in found) != (", " in gold) else True
    if _SIGNS_IN_A_ROW.search(found) or (found.endswith("!") and (excited := number(found[:-1])) and excited == number(gold)):
        return None
    if _brackets(found) != _brackets(gold) and "" not in (_brackets(found), _brackets(gold)):
        return False  # an open interval is no closed one, a pair no set
    if not one_unit(unit_of(found), unit_of(gold)) or not one_base(found, gold):
        return False
    left, right = number(found), number(gold)
    if left is not None and right is not None:
        if left == right and (("%" in found) == ("%" in gold) or left.denominator == 1):
            return True  # 50 % may be written as 50, but 0.5 % is not 1/2
        scales = (1, 100) if "%" in found + gold else (1,)  # a percentage may be a fraction
        apart = min(abs(left / scale - right / other) for scale in scales for other in scales)
        if apart > _ROUNDING or not ("." in found + gold or "%" in found + gold):
            return False
    if _is_words(found) or _is_words(gold):
        return bool(wanted) and not whole and _plain(_CLAUSE.split(found, maxsplit=1)[0]) == wanted
    return same_mathematics(found, gold)


def _marked(text: str) -> str:
    """Return what stands between the last tags of an answer, or the number behind the last ####; the text, if a box follows.

    What was thought before is left out, if anything follows it.
    """
    text = text.rpartition("</think>")[2].strip() or text
    marks = list(_TAGGED.finditer(text))
    return text if not marks or _OPEN_BOX.search(text, marks[-1].end()) else marks[-1][str(marks[-1].lastgroup)].strip()


def _is_formula(text: str) -> bool:
    r"""Return whether a text is an answer and nothing else: no word is left when its commands are gone.

    Example:
        >>> _is_formula("\\frac{1}{2} + x"), _is_formula("7x"), _is_formula("7 cm"), _is_formula("x = 1 or 2")
        (True, True, True, False)
    """
    text = _unwrapped(text)
    if len(text) > _LONGEST_BOX or "\n" in text or "$" in text[1:]:
        return False
    return _PROSE_WORD.search(_COMMAND.sub(" ", without_unit(text))) is None


def _listed(text: str) -> str:
    r"""Return two formulas with "and" or "or" between them as a list; "" where a text is something else, or they are one number.

    Example:
        >>> _listed("$2$ and $3$."), _listed("x = 1 or x = 2"), _listed("1/2 or 0.5"), _listed("2 and a half")
        ('2, 3', 'x = 1, x = 2', '', '')
    """
    two = _TWO.fullmatch(_PROSE.sub(r"\1", text))
    if two is None or not all(_is_formula(part) and not unit_of(part) for part in (two["one"], two["other"])):
        return ""
    one, other = _unwrapped(two["one"]), _unwrapped(two["other"])
    return "" if number(one) is not None and number(one) == number(other) else f"{one}, {other}"


def _named(text: str, *, first: bool, unit: str = "") -> tuple[list[str], bool]:
    r"""Return the numbers and formulas of the first or last thought of a text that holds any, and whether they are one answer.

    They are not where they differ, where they have another unit, or where a word beside them makes them something else: at least
    7, 3 million, half of 5.

    Example:
        >>> _named("It can't be 7, so it is 8", first=False), _named("12, not 13", first=True), _named("at least 7", first=False)
        ((['8'], True), (['12'], True), (['7'], False))
        >>> _named("5 to 6", first=True), _named("2 + 3 = 5", first=False), _named("5, 6 and 7", first=False)
        ((['5', '6'], False), (['5'], True), (['5', '6', '7'], False))
        >>> _named("Twice 6", first=True), _named("5 does not work", first=False), _named("x = 6 if y = 5", first=False)
        ((['6'], False), (['5'], False), (['6', '5'], False))
    """
    sentences = _SENTENCE.split(_ASIDE.sub("", with_slashes(text)))
    for after, sentence in enumerate(sentences if first else reversed(sentences)):
        found = [(one.start(), one.start() + len(one[0].rstrip(", ")), _content(one)) for one in _PIECE.finditer(sentence)]
        if not found:
            continue
        gaps = [sentence[end:start] for (_, end, _), (start, _, _) in pairwise(found)]
        may_break = [gap if first or not _ON_CONDITION.search(gap) else "" for gap in gaps]
        breaks = [i for i, gap in enumerate(may_break, start=1) if _BREAK.search(gap) or (not first and _EQUALS.match(gap))]
        i, j = (0, min(breaks, default=len(found))) if first else (max(breaks, default=0), len(found))
        before = sentence[found[i - 1][1] if i else 0 : found[i][0]]
        before = before if first else _BREAK.split(before)[-1]
        behind = _BREAK.split(sentence[found[j - 1][1] :], maxsplit=1)[0]
        named = [content for _, _, content in found[i:j]]
        alone = len({number(name) or name for name in named}) == 1
        is_it = _BEGINS_WITH_IT.search(before) if first else not (after and _LIST_NUMBER.fullmatch(sentence))
        another = _DENIED.search(before + behind) or _LEADS.search(before) or _FOLLOWS.match(behind)
        is_it = is_it and (not unit or one_unit(unit_of(named[-1] + behind), unit))
        return named, bool(alone and is_it and not another)
    return [], False


def _content(found: re.Match[str]) -> str:
    """Return a number or formula without what encloses it."""
    return str(found[str(found.lastgroup)]).strip().rstrip(",")


def _last_boxes(text: str) -> str:
    r"""Return what stands in the last box; in the last ones with commas, if only a comma, an "and" or an "or" is between them.

    Example:
        >>> _last_boxes("\\boxed{3}, so \\boxed{4}"), _last_boxes("\\boxed{1} or $\\boxed{2}$")
        ('4', '1, 2')
    """
    boxes = _boxes(text)
    first = len(boxes) - 1
    while first > 0 and _JOIN.fullmatch(text[boxes[first - 1][1] + 1 : boxes[first][0]]):
        first -= 1
    return ", ".join(dict.fromkeys(content for _, _, content in boxes[max(first, 0) :]))


def _brackets(text: str) -> str:
    r"""Return what encloses a pair; "" where nothing does, or it is no pair.

    Example:
        >>> _brackets("\\left( 0, 1 \\right]"), _brackets("(1, 2, 3)"), _brackets("(a,b) \\cup (c,d)"), _brackets("1, 2")
        ('(]', '', '', '')
    """
    plain = re.sub(r"\\(?:left|right|[,;! ])|\s", "", text).replace("\\{", "{").replace("\\}", "}")
    return plain[0] + plain[-1] if re.fullmatch(r"[(\[{][^()\[\]{},]+,[^()\[\]{},]+[)\]}]", plain) else ""


def final_answers(text: str) -> list[str]:
    r"""Return what could be a final answer, in order: what is boxed if anything is, else all formulas and numbers.

    Example:
        >>> final_answers("so 3 or \\boxed{4}"), final_answers("3 apples, then 1,200/7"), final_answers("$x = 3$, and \\sqrt{2}")
        (['4'], ['3', '1,200/7'], ['x = 3', '\\sqrt{2}'])
    """
    boxes = [content for _, _, content in _boxes(text)]
    return boxes or list(filter(None, map(_content, _PIECE.finditer(with_slashes(text)))))


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


def _said(text: str) -> tuple[str, str]:
    """Return what follows the last "the answer is", up to the end of its line, and all that follows it."""
    says = [found.end() for found in _SAYS.finditer(text)]
    behind = text[says[-1] :].strip() if says else ""
    return behind.split("\n", 1)[0].strip(" .*"), behind


def _unwrapped(text: str) -> str:
    """Return a text without what encloses it as a whole: dollars, a box."""
    text = text.strip()
    for _ in range(4):
        before = text
        for left, right in (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), ("**", "**"), ("`", "`")):
            inner = text[len(left) : -len(right)]
            if text.startswith(left) and text.endswith(right) and len(text) > len(left + right) and left not in inner:
                text = inner.strip()
                break
        box = _OPEN_BOX.match(text)
        if box and _braced(text, box.end()) == text[box.end() : -1]:
            text = text[box.end() : -1].strip()
        if text == before:
            break
    return text


def _plain(text: str) -> str:
    """Return a text without typography: for comparing words."""
    words = _PROSE.sub(r"\1", text).split()
    plain = words[0] if len(words) == 1 else _NOT_BETWEEN_DIGITS.sub("", " ".join(words))  # 1 1/2 is not 11/2
    return plain.strip("$.").replace("{,}", ",").casefold()


def _letter(text: str) -> str:
    """Return the letter of the choice that a text makes, in lower case; "" if it makes none."""
    boxes = _boxes(text)
    plain = _PROSE.sub(r"\1", _unwrapped(boxes[-1][2] if boxes else text)).strip().strip("*")
    for pattern in (_CHOSEN, _BRACKETED):
        chosen = [found for found in pattern.finditer(plain) if not _REJECTED.match(plain, found.end())
                  and not _NOT.search(plain[: found.start()])]  # fmt: skip
        if chosen:
            among = _OR_ANOTHER.match(plain, chosen[-1].end()) or _ONE_OR.search(plain[: chosen[-1].start()])
            return "" if among else "".join(filter(None, chosen[-1].groups())).casefold()
    alone = _ALONE.match(plain[:2])
    return alone[1].casefold() if alone else ""


def _is_words(text: str) -> bool:
    r"""Return whether a text is words, of which there is nothing to compute.

    Example:
        >>> _is_words("\\text{Rome}"), _is_words("not enough data"), _is_words("2x + 1"), _is_words("\\pi"), _is_words("xy")
        (True, True, False, False, False)
    """
    plain = _PROSE.sub(r"\1", text)
    return not any(sign.isdigit() or sign in "\\^_=<>+" for sign in plain) and _WORD.search(plain) is not None
