r"""Formulas within the words of claims, as in: Resampling helps iff `a + b > 1`.

Backticks mark a formula, as in AsciiMath. A terminal shows it as it is written, without the marks; Markdown, LaTeX and the site
show it as LaTeX between dollars. Each sign is set as it is written, so that a product or a quotient stays what it was; what is
proved is not touched. Words without marks are plain text.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from dstheory.rational.symbols import GREEK
from dstheory.texts import latex_text

_TOKEN = re.compile(
    r"(?P<name>[A-Za-z]+[0-9]*(?:_[A-Za-z0-9]+|_\{[^{}]*\})*'*(?:\*(?![\w(]))?)"
    r"|(?P<number>\d+(?:,\d{3})*(?:\.\d+)?)"
    r"|(?P<whole>\^[+*](?!\w))|(?P<raised>_|\^-?)"
    r"|(?P<sign> ?(?:<=|>=|!=|->|\|\||\.{3}|[-+*/=<>.]) ?|, | \| )|\s+|."
)
_NAME = re.compile(r"(?P<base>[A-Za-z]+[0-9]*)(?P<index>(?:_[A-Za-z0-9]+|_\{[^{}]*\})*)(?P<rest>'*\*?)")
_WORD_BEFORE = re.compile(r"\\text\{[^{}]*(\}\\,)$")
_SIGNS = {
    "*": r"\cdot ", ".": r"\cdot ", "...": r"\dots", "<=": r"\le ", ">=": r"\ge ", "!=": r"\ne ", "->": r"\to ", "||": r"\,\|\,",
    " | ": r"\mid ", ", ": r",\ ",
}  # fmt: skip
_BRACKETS = {"(": ("(", ")"), "[": ("[", "]"), "{": (r"\{", r"\}")}
_FUNCTIONS = {
    **{x: rf"\{x}" for x in ("log", "exp", "ln", "min", "max", "sup", "cos", "arcsin", "tanh", "cosh", "sum", "prod", "sqrt")},
    "sign": r"\operatorname{sign}", "logit": r"\operatorname{logit}", "grad": r"\nabla", "diag": r"\operatorname{diag}",
    "Var": r"\mathrm{Var}", "Cov": r"\mathrm{Cov}", "KL": r"\mathrm{KL}", "chi2": r"\chi^2",
}  # fmt: skip


def unmarked(words: str) -> str:
    """Return words for a terminal: on one line, without the marks.

    >>> unmarked("helps iff `a + b > 1`")
    'helps iff a + b > 1'
    """
    return "".join(_parts(words))


def words_latex(words: str) -> str:
    r"""Return words with their formulas as LaTeX between dollars; a dollar or backslash of the text has a backslash before it.

    Example:
        >>> print(words_latex("A gain of `p(1-p) a/(1 - gamma q)` is positive iff `a + b >= 1`: a bound."))
        A gain of $p(1-p)\,a/(1-\gamma\,q)$ is positive iff $a+b\ge 1$: a bound.
    """
    parts = enumerate(_parts(words))
    return "".join(f"${_formula(part)}$" if number % 2 else re.sub(r"([\\$])", r"\\\1", part) for number, part in parts if part)


def between(words: str, text: Callable[[str], str]) -> str:
    r"""Return what :func:`words_latex` gave, with the text between the formulas by ``text``.

    Example:
        >>> print(between(r"$a+b\ge 1$ & \$5", str.upper), between("$a$ & $b$", latex_text))
        $a+b\ge 1$ & $5 $a$ \& $b$
    """
    parts = enumerate(re.findall(r"((?:\\.|[^\\$])*)(?:\$|$)", words))
    return "".join(f"${part}$" if number % 2 else text(re.sub(r"\\(.)", r"\1", part)) for number, part in parts if part)


def _parts(words: str) -> list[str]:
    """Text and formulas in turn; all of it is text where a mark has no partner."""
    words = " ".join(words.split())
    parts = words.split("`")
    return parts if len(parts) % 2 else [words]


def _formula(written: str) -> str:
    """A formula that is written on one line, as LaTeX."""
    shown, raised = "", ""  # raised: the mark of an exponent or index that the next name, number or bracket is
    still_open: list[tuple[str, str]] = []  # what ends each bracket that is open, as it is written and as it is shown
    for token in _TOKEN.finditer(written.strip()):
        kind, sign = token.lastgroup, token[0]
        if kind in ("name", "number"):
            latex = _name(sign) if kind == "name" else sign.replace(",", "{,}")
            if not raised and latex.startswith(r"\text{") and (word := _WORD_BEFORE.search(shown)):
                shown, latex = shown[: word.start(1)], " " + latex.removeprefix(r"\text{")
            shown, raised = shown + (f"{raised[0]}{{{raised[1:]}{latex}}}" if raised else latex), ""
        elif kind == "raised":
            raised = sign
        elif still_open and sign == still_open[-1][0]:
            shown += still_open.pop()[1]
        elif sign in _BRACKETS or (raised and sign == "|"):
            opening, closing = _BRACKETS.get(sign, ("|", "|"))
            still_open.append((closing.strip("\\"), closing))
            if raised or shown.endswith(r"\sqrt"):  # braces take the place of round brackets
                inner = ("", "") if sign in "({" else (opening, closing)
                opening, still_open[-1] = f"{raised[:1]}{{{raised[1:]}{inner[0]}", (closing.strip("\\"), inner[1] + "}")
            shown, raised = shown + opening, ""
        elif kind == "sign":
            shown += _SIGNS.get(sign, _SIGNS.get(sign.strip(), sign.strip()))
        elif sign.isspace():
            shown += " " if shown.endswith(tuple(_FUNCTIONS.values())) else r"\,"
        else:
            shown += sign if kind == "whole" or sign == "|" else latex_text(sign)
    return shown + latex_text(raised) + "".join(closing for _, closing in reversed(still_open) if closing.endswith("}"))


def _name(written: str) -> str:
    """A name in LaTeX; a word is set upright."""
    found = _NAME.fullmatch(written)
    assert found is not None  # a token is one
    base, indices = found["base"], [part.strip("{}") for part in found["index"].split("_")[1:]]
    accent = next((mark for mark in ("bar", "hat") if mark in indices), "")
    letter = _letter(base) or (rf"\mathrm{{{base}}}" if indices or found["rest"] else rf"\text{{{base}}}")
    shown = [_letter(part) or (rf"\mathrm{{{part}}}" if part.isalnum() else part) for part in indices if part != accent]
    return (
        (rf"\{accent}{{{letter}}}" if accent else letter)
        + (f"_{{{','.join(shown)}}}" if shown else "")
        + found["rest"].replace("*", "^{*}")
    )


def _letter(base: str) -> str | None:
    """What is one sign in mathematics; None for a word."""
    if base in _FUNCTIONS:
        return _FUNCTIONS[base]
    if base in GREEK or base in ("Gamma", "Delta", "omega"):
        return rf"\{base}"
    if len(base) == 1 or base.isdigit():
        return base
    if re.fullmatch(r"[A-Za-z]\d+", base):
        return f"{base[0]}_{{{base[1:]}}}"
    if base == "eps":
        return r"\varepsilon"
    if base in ("Acc", "ref"):
        return rf"\mathrm{{{base}}}"
    if base[0] == "d" and base != "do" and base[1:] not in _FUNCTIONS and (inner := _letter(base[1:])) is not None:
        return rf"\mathrm{{d}}{inner}"
    return base if re.fullmatch(r"[a-z][A-Z]", base) else None  # pK is a product
