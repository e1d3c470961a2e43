"""Texts of others - labels, names of files, messages of libraries - shown as they are, in messages short: one escape per place.

Whatever a label holds, it is text: it starts no markup, no formula and no command of a terminal. Characters that would act
instead of being seen (control characters, those that turn the direction of writing, halves of surrogate pairs) are shown by
their code.

Source: derived here; formulas in cells are neutralised as OWASP's page on CSV injection advises.
"""

from __future__ import annotations

import html
import re
import reprlib
import shutil
from collections.abc import Iterable, Sequence
from typing import Any

# Control characters, invisible ones and those that change the direction; halves of surrogate pairs; what Unicode keeps for no
# character. Joiners (U+200C, U+200D) and wide spaces belong to ordinary writing. Every text without these is valid in XML.
_NEVER = "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000)) + "\ufdd0-\ufdef"
_ACTS = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    f"\U000e0000-\U000e007f{_NEVER}]"
)
_TEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"}, **{mark: f"${mark}$" for mark in "|<>"},
}  # fmt: skip
_FORMULA = "^'*[=+\\-@\t\r\n＝＋－＠]"  # how a cell begins that a spreadsheet may take for a formula, after any apostrophes
_NUMBER = r"^'*[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$"  # which is no formula


def printable(text: object, *, lines: bool = False) -> str:
    r"""Return a text for a terminal or a sentence: characters that would act are shown by their code.

    Args:
        text: any text; a byte of a file's name that is not UTF-8 is shown as that byte.
        lines: whether line ends and tabs stay what they are.

    Example:
        >>> print(printable("red \x1b[31m, caf\u00e9, " + "\u202e" + "turned, \udcff"))
        red \x1b[31m, café, \u202eturned, \xff
    """
    return _ACTS.sub(_code_or_line if lines else _code, str(text))


def columns_of_terminal() -> int:
    """Return how many characters fit on a line: those of COLUMNS, else of the terminal, else 80."""
    return max(20, shutil.get_terminal_size((80, 24)).columns)


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number and what it counts, in the singular where the number is 1.

    Args:
        number: a whole number; thousands get commas.
        one: the noun, perhaps with what follows it, in the singular.
        many: the same in the plural; default ``one`` with an s.

    >>> counted(1, "record"), counted(1200, "record"), counted(0, "entry", "entries")
    ('1 record', '1,200 records', '0 entries')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _code(found: re.Match[str]) -> str:
    char = found[0]
    if "\udc80" <= char <= "\udcff":  # how Python holds a byte that is not UTF-8
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")


def _code_or_line(found: re.Match[str]) -> str:
    return found[0] if found[0] in "\n\t" else _code(found)


def shortened(text: str, longest: int = 1500) -> str:
    """Return a text, or its first half and its last quarter if it is longer than so many characters.

    Example:
        >>> shortened("a" * 9 + "b" * 9, longest=8)
        'aaaa [...] bb'
    """
    return text if len(text) <= longest else f"{text[: longest // 2]} [...] {text[-longest // 4 :]}"


def html_text(text: object) -> str:
    """Return a text for HTML, SVG and XML, in elements and attributes.

    Example:
        >>> html_text("a < b & \\x07")
        'a &lt; b &amp; \\\\x07'
    """
    return html.escape(printable(text))


def latex_text(text: object) -> str:
    r"""Return a text for LaTeX.

    Example:
        >>> print(latex_text('p_E & 5%, q >= 1, "mean", --json'))
        p\_E \& 5\%, q $\ge$ 1, ``mean'', -{}-json
    """
    shown = "".join(_TEX.get(char, char) for char in printable(text, lines=True))
    shown = re.sub("-(?=-)", "-{}", shown)  # TeX would set two hyphens as one dash, and both quotes as closing ones
    shown = re.sub(r'"([^"]*)"', r"``\1''", shown)
    return shown.replace("$>$=", r"$\ge$").replace("$<$=", r"$\le$")


def markdown_cell(text: object) -> str:
    r"""Return a text for a cell of a Markdown table: on one line, without a cell's end in it, and no HTML.

    Example:
        >>> print(markdown_cell("P(a | b)\n<b>"))
        P(a \| b) &lt;b>
    """
    plain = printable(" ".join(str(text).split()))
    return plain.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def markdown_table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    r"""Return a table in Markdown.

    Example:
        >>> print(markdown_table(["id", "statement"], [["A1", "a | b"]]))
        | id | statement |
        |---|---|
        | A1 | a \| b |
    """
    lines = ["| " + " | ".join(map(markdown_cell, cells)) + " |" for cells in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


def figure_text(text: object, *, longest: int = 80) -> str:
    r"""Return a text for a figure of matplotlib: dollars are dollars, and a legend shows it whatever it begins with.

    Long ones keep both ends: names of checkpoints often differ in the last letters only.

    Example:
        >>> print(figure_text("$x^{$"), figure_text("_tuned"), figure_text("tuned-step-1000", longest=12))
        \$x^{\$  _tuned tuned...1000
    """
    plain = printable(text)
    if len(plain) > longest:
        ending = (longest - 3) // 2
        plain = f"{plain[: longest - 3 - ending]}...{plain[-ending:]}"
    plain = plain.replace("$", r"\$")
    return f" {plain}" if plain.startswith("_") else plain  # a label that begins with "_" is left out of legends


def csv_text(texts: Any) -> Any:
    """Return an Arrow array of texts for cells of CSV: one that a spreadsheet may take for a formula begins with an apostrophe.

    Numbers are not changed. A text that would be read as such a cell gets one more apostrophe: :func:`text_of_csv` takes away
    exactly what was added here.

    Example:
        >>> import pyarrow as pa
        >>> csv_text(pa.array(["=1+1", "-5", "'=1+1"])).to_pylist()
        ["'=1+1", '-5', "''=1+1"]
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    apostrophe, between = (pa.scalar(text, texts.type) for text in ("'", ""))
    return pc.if_else(_like_a_formula(texts), pc.binary_join_element_wise(apostrophe, texts, between), texts)


def text_of_csv(texts: Any) -> Any:
    """Return the texts that :func:`csv_text` was given.

    Example:
        >>> import pyarrow as pa
        >>> text_of_csv(pa.array(["'=1+1", "-5", "''=1+1", "'tis"])).to_pylist()
        ['=1+1', '-5', "'=1+1", "'tis"]
    """
    import pyarrow.compute as pc

    quoted = pc.and_(_like_a_formula(texts), pc.starts_with(texts, "'"))
    return pc.if_else(quoted, pc.utf8_slice_codeunits(texts, 1), texts)


def _like_a_formula(texts: Any) -> Any:
    import pyarrow.compute as pc

    return pc.and_not(pc.match_substring_regex(texts, _FORMULA), pc.match_substring_regex(texts, _NUMBER))


# ---------------------------------------------------------------------- values and names in messages

NAMED = 3  # the first few offenders are named, the rest counted


def first_of(found: Sequence[str], total: int | None = None) -> str:
    """Return the first few of what was found, and how many more there are.

    Example:
        >>> first_of(["a", "b", "c", "d", "e"])
        'a, b, c (and 2 more)'
    """
    more = (len(found) if total is None else total) - min(len(found), NAMED)
    return ", ".join(found[:NAMED]) + (f" (and {more} more)" if more else "")


_LONGEST_NAME = 43  # letters of a name or a value in a message


def cut(text: str) -> str:
    """Return the beginning of a long text, and a short one as it is."""
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 3] + "..."


def shown(value: Any) -> str:
    """Return a value as a message shows it: long ones are cut, and a number that is whole has no decimals.

    Example:
        >>> shown(-0.2), shown(1.0), shown("x" * 100)
        ('-0.2', '1', "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...'")
    """
    if getattr(value, "ndim", None) == 0:  # a number of numpy
        value = value.item()
    if isinstance(value, str):
        return repr(cut(value))
    if isinstance(value, int) and abs(value) >= 10**40:  # Python writes no number of thousands of digits
        return "a whole number of more than 40 digits"
    if isinstance(value, (list, tuple, dict)):  # perhaps nested more deeply than Python can write
        return reprlib.repr(value)
    text = f"{value:.12g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= 63 else text[:60] + "..."


def brief(value: Any) -> str:
    """Return a value of a record as a message shows it, in the words of JSON; of a nested one only its kind.

    Example:
        >>> brief("a"), brief(True), brief(None), brief([1, 2]), brief({})
        ("'a'", 'true', 'null', 'a list', 'an object')
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return shown(value)
    return {"dict": "an object", "list": "a list"}.get(type(value).__name__, f"a {type(value).__name__}")


def is_unicode(text: str) -> bool:
    """Return whether a text can be written at all: JSON escapes may hold half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the part of a message that helps with an unknown name: the nearest known ones, or all of them.

    Example:
        >>> nearest("Sample_Prob", ["sample_probability", "answer"])
        'did you mean sample_probability?'
        >>> nearest("lenght", ["sample_length", "decision_length", "answer"])
        'did you mean sample_length or decision_length?'
        >>> nearest("notes", ["prompt", "answer"])
        'known are prompt, answer; rename or remove it'
    """
    from difflib import get_close_matches  # commands show texts, and few of them this one

    known = list(map(cut, known))
    wanted = name.strip().lower()
    close = get_close_matches(wanted, known, n=2, cutoff=0.6)
    if not close:
        parts = {one: re.split("[_:]", one) for one in known}
        words = get_close_matches(wanted, {word for words in parts.values() for word in words}, n=1, cutoff=0.75)
        close = [one for one in known if words and words[0] in parts[one]][:3]
    return f"did you mean {' or '.join(close)}?" if close else f"known are {', '.join(known)}; rename or remove it"
