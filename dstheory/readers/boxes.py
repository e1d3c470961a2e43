r"""Boxes, formulas and numbers within a text, and formulas without what encloses them."""

from __future__ import annotations

import re

from dstheory.readers.quantities import with_slashes

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
