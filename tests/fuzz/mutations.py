"""Changes of an input: of bytes, of texts, of JSON values. All randomness comes from one generator: runs can be repeated."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from typing import Any

LONGEST = 1 << 17  # bytes of an input: what is quadratic shows itself well below that

NUMBERS = (
    "0", "-0", "0.0", "-0.0", "1", "-1", "2", "0.5", "1.5", "1e-9", "1e-300", "5e-324", "1e308", "-1e308", "1e309", "1e400",
    "-1e400", "1e99999999", "nan", "NaN", "inf", "-inf", "Infinity", "-Infinity", "2147483648", "4294967296",
    "9007199254740993", "9223372036854775807", "9223372036854775808", "18446744073709551616", "1" + "0" * 40, "9" * 400,
    "1" * 5000, "0x10", "1_000", "1,5", "٣", "²", "½", "1e", ".5", "5.", "+1", "--1", "1e-5", "0.9999999999999999",
    "1.0000000000000002", "007", "1/3", "true",
)  # fmt: skip
TEXTS = (
    "", " ", "\t", "\x00", "\x07", "\x1b[31m", "\x7f", "\x85", "\r", "\r\n", "\n", "\u2028", "\u202e", "\ufeff", "\uffff",
    "\U0001f600", "é", "e\u0301", "ﬀ", "ß", "İ", "\ud800", "\udcff", "'", '"', '""', "\\", "\\u0022", "\\ud800", "{", "}",
    "[", "]", "[/b]", "[red]x", "$x^{$", "<b>", "&amp;", "%s", "{0}", "=1+1", "NA", "null", "None", "a" * 300, "a," * 50,
    "(" * 100, "[" * 2000, '{"a":' * 500, "\\boxed{4}", "<answer>", "</answer>", "wait", "8/(3 - 8/3)", "1/0", "stop",
    "resample", "submit", "(not given)", "\N{MINUS SIGN}1",
)  # fmt: skip
_TOKEN = re.compile(rb"[-+]?\d[\d.eE+-]*|\"[^\"\n]{0,60}\"|[A-Za-z_]+|[^\sA-Za-z_0-9]")
_NUMBER = re.compile(rb"[-+]?\d[\d.]*(?:[eE][-+]?\d+)?")


def encoded(text: str) -> bytes:
    """Return a text as bytes; half a surrogate pair becomes three bytes that are not UTF-8."""
    return text.encode("utf-8", "surrogatepass")


def mutated(rng: random.Random, data: bytes, others: Sequence[bytes], words: Sequence[str] = ()) -> bytes:
    """Return an input with one or a few changes.

    Args:
        rng: the generator.
        data: an input.
        others: more inputs, of which pieces may be taken.
        words: texts that mean something to what reads the input.
    """
    for _ in range(min(6, 1 + int(rng.expovariate(0.9)))):
        change = rng.choice(_CHANGES)
        data = change(rng, data, others, words)
    return data[:LONGEST]


def token(rng: random.Random, words: Sequence[str] = ()) -> bytes:
    """Return a piece of text that often makes trouble."""
    return encoded(rng.choice(rng.choice((NUMBERS, TEXTS, tuple(words) or TEXTS))))


def _span(rng: random.Random, data: bytes) -> tuple[int, int]:
    start = rng.randrange(len(data) + 1)
    return start, min(len(data), start + 1 + int(rng.expovariate(0.05)))


def _flip(rng: random.Random, data: bytes, others: Sequence[bytes], words: Sequence[str]) -> bytes:
    if not data:
        return data
    changed = bytearray(data)
    changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _set(rng: random.Random, data: bytes, others: Sequence[bytes], words: Sequence[str]) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + bytes([rng.choice((0, 9, 10, 13, 32, 34, 44, 92, 127, 128, 255, rng.randrange(256)))]) + data[at + 1 :]


def _delete(rng: random.Random, data: bytes, others: Sequence[bytes], words: Sequence[str]) -> bytes:
    start, end = _span(rng, data)
    return data[:start] + data[end:]


def _double(rng: random.Random, data: bytes, others: Sequence[bytes], words: Sequence[str]) -> bytes:
    start, end = _span(rng, data)
    at = rng.choice((end, rng.randrange(len(data) + 1)))
    return data[:at] + data[start:end] + data[at:]


def _repeat(rng: random.Random, data: bytes, others: Sequence[bytes], words: Sequence[str]) -> bytes:
    """A piece many times over: what takes more than its share of time or memory shows itself."""
    if rng.random() < 0.8:
        return _double(rng, data, others, words)
    start, end = _span(rng, data)
    return data[:end] + data[start:end] * int(10 ** rng.uniform(1, 4)) + data[end:]


def _cut(rng: random.Random, data: bytes, others: Sequence[bytes], words: Sequence[str]) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _insert(rng: random.Random, data: bytes, others: Sequence[bytes], words: Sequence[str]) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + token(rng, words) + data[at:]


def _replace(rng: random.Random, data: bytes, others: Sequence[bytes], words: Sequence[str]) -> bytes:
    found = list(_TOKEN.finditer(data[:20_000]))
    if not found:
        return _insert(rng, data, others, words)
    spot = rng.choice(found)
    return data[: spot.start()] + token(rng, words) + data[spot.end() :]


def _renumber(rng: random.Random, data: bytes, others: Sequence[bytes], words: Sequence[str]) -> bytes:
    found = list(_NUMBER.finditer(data[:20_000]))
    if not found:
        return _replace(rng, data, others, words)
    spot = rng.choice(found)
    return data[: spot.start()] + encoded(rng.choice(NUMBERS)) + data[spot.end() :]


def _lines(rng: random.Random, data: bytes, others: Sequence[bytes], words: Sequence[str]) -> bytes:
    lines = data.split(b"\n")
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    what = rng.randrange(5)
    if what == 0:
        del lines[i]
    elif what == 1:
        lines.insert(j, lines[i])
    elif what == 2:
        lines[i], lines[j] = lines[j], lines[i]
    elif what == 3:
        lines.insert(i, b"")
    else:
        rng.shuffle(lines)
    return b"\n".join(lines)


def _splice(rng: random.Random, data: bytes, others: Sequence[bytes], words: Sequence[str]) -> bytes:
    other = rng.choice(others) if others else data
    if rng.random() < 0.5:  # whole lines
        mine, theirs = data.split(b"\n"), other.split(b"\n")
        mine.insert(rng.randrange(len(mine) + 1), rng.choice(theirs))
        return b"\n".join(mine)
    start, end = _span(rng, other)
    at = rng.randrange(len(data) + 1)
    return data[:at] + other[start:end] + data[at:]


_CHANGES: tuple[Callable[..., bytes], ...] = (
    _flip,
    _set,
    _delete,
    _double,
    _repeat,
    _cut,
    _insert,
    _insert,
    _replace,
    _replace,
    _replace,
    _renumber,
    _renumber,
    _renumber,
    _lines,
    _lines,
    _splice,
)


# ---------------------------------------------------------------------- JSON


def json_mutated(rng: random.Random, text: bytes, words: Sequence[str] = ()) -> bytes:
    """Return a JSON text with one value changed, or the text itself if it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    places = list(_places(value))
    if not places:
        return encoded(rng.choice(NUMBERS))
    holder, key = rng.choice(places)
    what = rng.randrange(8)
    if what == 0:
        del holder[key]
    elif what == 1 and isinstance(holder, dict):
        holder[str(rng.choice(list(words) or list(TEXTS)))] = holder.pop(key)
    elif what == 2 and isinstance(holder, list):
        holder.insert(rng.randrange(len(holder) + 1), holder[key])
    elif what == 3:
        holder[key] = rng.choice(([holder[key]], {"a": holder[key]}, [], {}, None, True, False, str(holder[key])))
    elif what == 4:
        other, place = rng.choice(places)
        holder[key] = json.loads(json.dumps(other[place])) if _smaller(other[place]) else None
    else:
        holder[key] = json_value(rng, words)
    made = json.dumps(value, ensure_ascii=rng.random() < 0.5)
    return encoded(_bare(made))[:LONGEST]


_MARK = "\ue123"


def json_value(rng: random.Random, words: Sequence[str] = ()) -> Any:
    """Return a JSON value that often makes trouble; a number keeps its spelling when it is written by :func:`json_mutated`."""
    if rng.random() < 0.5:
        return _MARK + rng.choice(NUMBERS) + _MARK
    return rng.choice((True, False, None, [], {}, rng.choice(TEXTS), rng.choice(list(words) or list(TEXTS))))


def _bare(text: str) -> str:
    """Numbers that were written as marked texts, without their quotes."""
    return re.sub(rf'"(?:\\ue123|{_MARK})(.*?)(?:\\ue123|{_MARK})"', r"\1", text)


def _places(value: Any) -> Any:
    """Yield (container, key) of every value inside a value, not too deep."""
    stack, n = [value], 0
    while stack and n < 3000:
        item = stack.pop()
        pairs = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
        for key, inner in list(pairs):
            n += 1
            yield item, key
            if isinstance(inner, (dict, list)):
                stack.append(inner)


def _smaller(value: Any) -> bool:
    try:
        return len(json.dumps(value)) < 2000
    except (ValueError, RecursionError):
        return False


def lines_mutated(rng: random.Random, data: bytes, words: Sequence[str] = ()) -> bytes:
    """Return JSON lines with one value of one line changed."""
    lines = data.split(b"\n")
    i = rng.randrange(len(lines))
    lines[i] = json_mutated(rng, lines[i], words)
    return b"\n".join(lines)[:LONGEST]
