r"""Long formulas of LaTeX as several lines, each as wide as there is room.

LaTeX does not break displayed formulas. A formula is broken where it binds least: between statements, then before a relation,
then between the terms of a sum, then between factors. What is still too wide is opened: ``\left(`` and ``\right)`` become
``\Bigl(`` and ``\Bigr)``, which may stand on different lines, and a long numerator is written as (1/denominator) x (numerator).
Packages that do such things (breqn) are no choice: they open no fraction, and do not suit the classes of many journals.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

_TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|[{}_^]|[^\s\\{}_^]")
_STATEMENTS = frozenset((
    r"\wedge", r"\vee", r"\Rightarrow", r"\Leftrightarrow", r"\implies", r"\iff", r"\Longleftrightarrow", r"\Longrightarrow",
    r"\quad", r"\qquad",
))  # fmt: skip
_RELATIONS = frozenset(
    ("=", "<", ">", r"\leq", r"\geq", r"\neq", r"\le", r"\ge", r"\ne", r"\in", r"\approx", r"\sim", r"\propto", r"\to", ":=")
)
_SIGNS = frozenset(("+", "-", r"\pm"))
_ORDER = (_STATEMENTS, _RELATIONS, _SIGNS)
_ENDS_A_LINE = (",", ";")
_OF_ONE = frozenset((
    r"\mathrm", r"\operatorname", r"\text", r"\sqrt", r"\mathbb", r"\mathbf", r"\mathcal", r"\hat", r"\bar", r"\tilde",
    r"\overline",
))  # fmt: skip
_GOES_BEFORE = re.compile(r"(\\(log|exp|max|min|sum|prod|int|nabla|partial)|\\operatorname\{\w+\}|\\mathrm\{E\})([_^]\S*)*|\\,")
_PLAIN = {"(": ")", "[": "]"}
_FOLLOWS = frozenset(("_", "^", "'", ",", ";"))
_GAPS = frozenset((r"\quad", r"\qquad"))
_OPERATORS = frozenset().union(*_ORDER)
_BEFORE_A_NUMBER = _OPERATORS | {""}
_OPEN = {r"\left": r"\right", r"\Bigl": r"\Bigr", r"\bigl": r"\bigr"}
_LEAST = 24.0  # room that a nested line keeps
_DIGITS = frozenset("0123456789.")
_STEP = 2.0  # what an indentation takes

_WIDTHS = {
    **dict.fromkeys((*"{}", r"\left", r"\right", r"\Bigl", r"\Bigr", r"\bigl", r"\bigr", r"\biggl", r"\biggr"), 0.0),
    **dict.fromkeys((r"\mathrm", r"\operatorname", r"\text"), 0.0),
    **dict.fromkeys((r"\,", r"\;", r"\!"), 0.35),
    **dict.fromkeys("()[]|.,;:!'", 0.85),
    **dict.fromkeys(_OPERATORS - _GAPS, 2.5),
    r"\quad": 2.0, r"\qquad": 4.0, r"\Rightarrow": 3.5, r"\Leftrightarrow": 3.5, r"\log": 3.0, r"\exp": 3.0, r"\sqrt": 1.9,
    r"\Big": 0.5,
}  # fmt: skip


@dataclass(frozen=True)
class _Piece:
    """What is not broken, unless it is opened.

    Attributes:
        source: LaTeX.
        before, inside, after: of what stands between delimiters, which may stand on different lines.
        below: the denominator of a fraction, whose numerator is ``inside``.
    """

    source: str
    inside: str = ""
    before: str = ""
    after: str = ""
    below: str = ""


def broken(source: str, width: float) -> list[str]:
    r"""Return a formula as lines of LaTeX, each about as wide as allowed or indivisible.

    Args:
        source: LaTeX of a formula, without delimiters.
        width: in digits; what stands before the lines does not count.

    >>> broken("a + b", 80)
    ['a + b']
    >>> broken("a + b", 2)
    ['a', '+ b']
    >>> broken(r"x = c \left(a + b\right)", 6)
    ['x = c', '\\quad \\quad \\times \\left(a + b\\right)']
    """
    return [source] if visual_width(source) <= width else _laid(_parsed(source), width, width)


def visual_width(source: str) -> float:
    r"""Estimate the printed width of LaTeX, in digits: a fraction is as wide as its wider part, subscripts are small.

    >>> visual_width(r"\frac{1 - q}{1 - q}") < visual_width("1 - q 1 - q")
    True
    >>> visual_width("p_{ref}") < visual_width("p ref")
    True
    """
    return _width(_TOKEN.findall(source))


def _width(tokens: list[str]) -> float:
    total, i = 0.0, 0
    while i < len(tokens):
        token = tokens[i]
        if token == "\\frac":
            top, i = _group(tokens, i + 1)
            bottom, i = _group(tokens, i)
            total += max(_width(top), _width(bottom)) + 0.5
            continue
        if token in "_^":
            script, i = _group(tokens, i + 1)
            total += 0.7 * _width(script)
            continue
        total += _WIDTHS.get(token, 1.5 if token.isupper() else 1.05)
        i += 1
    return total


def _group(tokens: list[str], i: int) -> tuple[list[str], int]:
    """Return the braced group, or the single token, that starts at i, and the position after it."""
    j = _after(tokens, i)
    return (tokens[i + 1 : j - 1] if tokens[i : i + 1] == ["{"] else tokens[i:j]), j


def _after(tokens: Sequence[str], i: int) -> int:
    """Return the position after the braced group, or the single token, that starts at i."""
    depth, j = 0, i
    while j < len(tokens):
        depth += {"{": 1, "}": -1}.get(tokens[j], 0)
        j += 1
        if depth == 0:
            break
    return j


# ---------------------------------------------------------------------- pieces


def _parsed(source: str) -> list[_Piece]:
    """Return what stands side by side; braces around the whole are left out."""
    while inner := _braced(source):
        source = inner
    return _glued(_pieces(source))


def _braced(source: str) -> str:
    """Return what stands between the braces, if they are around the whole; else nothing."""
    tokens = _TOKEN.findall(source)
    return source.strip()[1:-1].strip() if tokens[:1] == ["{"] and _after(tokens, 0) == len(tokens) else ""


def _pieces(source: str) -> Iterator[_Piece]:
    """Yield what stands side by side, scripts with what carries them."""
    spans = list(_TOKEN.finditer(source))
    tokens = [span[0] for span in spans]

    def text(i: int, j: int) -> str:
        return source[spans[i].start() : spans[j - 1].end()] if i < j else ""

    def group(i: int, j: int) -> str:
        return text(i + 1, j - 1) if tokens[i] == "{" else text(i, j)

    i = 0
    while i < len(tokens):
        j, token = i + 1, tokens[i]
        before = inside = after = below = ""
        if token in _OPEN:
            j = _closed(tokens, i, token, _OPEN[token])
            inside = text(i + 2, j - 2)
            size = token.removesuffix("l") if token != r"\left" else _size(inside)
            before, after = f"{size}l{tokens[i + 1]}", f"{size}r{tokens[j - 1]}"
        elif token in _PLAIN and (end := _matched(tokens, i)) > j:
            j, inside, before, after = end, text(i + 1, end - 1), token, tokens[end - 1]
        elif token == r"\frac":
            middle = _after(tokens, i + 1)
            j = _after(tokens, middle)
            inside, below = group(i + 1, middle), group(middle, j)
        elif token == r"\begin":
            ends = [k for k in range(i, len(tokens)) if tokens[k] == r"\end"]
            j = _after(tokens, ends[-1] + 1) if ends else len(tokens)
        elif token == "{":
            j = _after(tokens, i)
        elif token in _DIGITS:
            while j < len(tokens) and tokens[j] in _DIGITS and spans[j - 1].end() == spans[j].start():
                j += 1
        elif token in _OF_ONE:
            while j < len(tokens) and tokens[j] == "[":
                j = _matched(tokens, j)
            j = _after(tokens, j)
        scripts = j
        while j < len(tokens) and tokens[j] in _FOLLOWS:
            j = _after(tokens, j + 1) if tokens[j] in "_^" else j + 1
        yield _Piece(text(i, j), inside, before, after + text(scripts, j), below)
        i = j


def _closed(tokens: Sequence[str], i: int, opening: str, closing: str) -> int:
    """Return the position after what closes the delimiter at i, its mark included."""
    depth = 0
    for j in range(i, len(tokens)):
        depth += {opening: 1, closing: -1}.get(tokens[j], 0)
        if depth == 0:
            return j + 2
    return len(tokens)


def _matched(tokens: Sequence[str], i: int) -> int:
    """Return the position after what closes the bracket at i; the next position if it is an interval's, as in [0, 1)."""
    wanted: list[str] = []
    for j in range(i, len(tokens)):
        if tokens[j] in _PLAIN:
            wanted.append(_PLAIN[tokens[j]])
        elif tokens[j] in _PLAIN.values():
            if tokens[j] != wanted.pop():
                break
            if not wanted:
                return j + 1
    return i + 1


def _glued(pieces: Iterable[_Piece]) -> list[_Piece]:
    """Join what is no product: functions and their arguments, sums and their first factor, spaces and what follows them."""
    found: list[_Piece] = []
    for piece in pieces:
        inner = _parsed(piece.source) if _braced(piece.source) else []
        argument = len(inner) == 1 and bool(inner[0].before)
        piece = inner[0] if argument else piece
        called = argument or (bool(piece.before) and not piece.source.startswith(r"\left"))
        last = found[-1].source if found else ""
        if last not in _BEFORE_A_NUMBER and (called or _GOES_BEFORE.fullmatch(last)):
            found.pop()
            before = f"{last} {piece.before}" if piece.before else ""  # a function of a fraction is not one times its numerator
            piece = replace(piece, source=f"{last} {piece.source}", before=before, below=piece.below if last == r"\," else "")
        found.append(piece)
    return found


# ---------------------------------------------------------------------- lines


def _joined(pieces: Sequence[_Piece]) -> str:
    return " ".join(piece.source for piece in pieces)


def _laid(pieces: Sequence[_Piece], first: float, room: float) -> list[str]:
    """Return lines, of which the first has its own width."""
    whole = _joined(pieces)
    if visual_width(whole) <= first:
        return [whole]
    for level in _ORDER:
        parts = _split(pieces, level)
        if len(parts) > 1:
            return _stacked(parts, level, first, max(room, _LEAST))
    return _factors(pieces, first, max(room, _LEAST))


def _split(pieces: Sequence[_Piece], level: frozenset[str]) -> list[list[_Piece]]:
    """Return the parts that operators of a level stand between, each with the operator before it; a comma ends its part."""
    parts: list[list[_Piece]] = [[]]
    for previous, piece in pairwise([_Piece(""), *pieces]):
        starts = piece.source in level or (level is _STATEMENTS and previous.source.endswith(_ENDS_A_LINE))
        of_its_own = piece.source in _SIGNS and previous.source in _BEFORE_A_NUMBER
        if parts[-1] and starts and not of_its_own:
            parts.append([])
        parts[-1].append(piece)
    return parts


def _stacked(parts: Sequence[Sequence[_Piece]], level: frozenset[str], first: float, room: float) -> list[str]:
    """Return parts below each other, or side by side where they fit."""
    lines = _laid(parts[0], first, room)
    for part in parts[1:]:
        whole, end = room if len(lines) > 1 else first, visual_width(lines[-1])
        if end + 0.5 + visual_width(_joined(part)) <= whole and (level is not _RELATIONS or len(lines) == 1):
            lines[-1] += f" {_joined(part)}"
        elif level is _RELATIONS and len(lines) == 1 and end < 0.3 * whole:
            begun, *rest = _laid(part, whole - end, room - _STEP)
            lines = [f"{lines[0]} {begun}", *_indented(rest)]
        else:
            shown = part[1:] if part[0].source in _GAPS else part
            begun, *rest = _laid(shown, room, room - _STEP)
            lines += [begun, *_indented(rest)]
    return lines


def _factors(pieces: Sequence[_Piece], first: float, room: float) -> list[str]:
    """Return a product on several lines: broken between factors, and inside those that are too wide."""
    lines, factors = [""], 0
    for piece in pieces:
        width, left = visual_width(piece.source), (room if len(lines) > 1 else first) - visual_width(lines[-1])
        better_below = left < 0.4 * room or (left < 0.75 * room and width <= room - _STEP) or not (piece.before or piece.below)
        if width > left and factors and better_below:
            lines.append(r"\quad \times")
            left = room - 2 * _STEP
        begun, *rest = [piece.source] if width <= left else _opened(piece, left, room - _STEP)
        lines[-1] = f"{lines[-1]} {begun}".replace(r"\times \,", r"\times").strip()
        lines += rest if len(lines) == 1 else _indented(rest)
        factors += piece.source not in _OPERATORS
    return lines


def _opened(piece: _Piece, first: float, room: float) -> list[str]:
    """Return a piece between delimiters, or a fraction, on several lines."""
    if piece.below:
        return _fraction(piece, first, room)
    if not piece.before:
        return [piece.source]
    lines = _laid(_parsed(piece.inside), first - 2.0 - visual_width(piece.before), room - _STEP)
    lines[0] = f"{piece.before} {lines[0]}"
    lines[-1] += f" {piece.after}"
    return [lines[0], *_indented(lines[1:])]


def _fraction(piece: _Piece, first: float, room: float) -> list[str]:
    """Return a fraction as one of what is short, times what is long, or, where the denominator is long, with a slash."""
    above = _parsed(piece.inside)
    if any(len(_split(above, level)) > 1 for level in _ORDER):
        above = [_between(piece.inside)]
    long = max((part for part in above if part.before or part.below), key=lambda part: visual_width(part.source), default=None)
    short = _joined([part for part in above if part is not long])
    front = _Piece(rf"\frac{{{short or 1}}}{{{piece.below}}}")
    if long and visual_width(front.source) <= 0.6 * first:
        lines = _factors([front, long], first, room)
    else:
        lines = _laid(above, first, room)
        begun, *rest = _opened(_between(piece.below), room - 1.0, room)
        lines += [rf"\Big/ {begun}", *_indented(rest)]
    lines[-1] += f" {piece.after}" if piece.after else ""
    return lines


def _between(source: str) -> _Piece:
    """Return a formula between delimiters, if it is more than one piece."""
    pieces = _parsed(source)
    if len(pieces) == 1:
        return pieces[0]
    size = _size(source)
    return _Piece(rf"\left({source}\right)", source, f"{size}l(", f"{size}r)")


def _size(inside: str) -> str:
    """Return the delimiters' size: what is on different lines must not grow with one of them."""
    return r"\bigg" if r"\frac" in inside else r"\Big"


def _indented(lines: Iterable[str]) -> list[str]:
    return [rf"\quad {line}" for line in lines]
