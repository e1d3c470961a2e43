r"""Formulas within the words of claims, such as ``q = p(1-a) + (1-p) b``: found by their form and set as mathematics.

Statements and steps are plain text, which a terminal shows as it is; LaTeX and Markdown get formulas between dollars. One grammar
says what a formula is: operands (numbers, letters, Greek letters, names with an index, calls such as ``P(stop | correct)``,
brackets) that operators join, or that stand beside each other as a product. An English word ends it. Each sign is set as it is
written, so that a product or a quotient stays what it was; what is proved is not touched.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from dstheory.rational.symbols import GREEK
from dstheory.texts import latex_text

_LEXEME = re.compile(
    r"[A-Za-z]+'[a-z]+"  # stage's
    r"|[A-Za-z]+[0-9]*(?:_[A-Za-z0-9]+|_\{[^{}]*\})*(?:'+(?![a-z]))?(?:\*(?![\w(]))?"
    r"|\d+(?:,\d{3})*(?:\.\d+)?|<=|>=|!=|->|\|\||\s+|."
)
_NAME = re.compile(r"(?P<base>[A-Za-z]+[0-9]*)(?P<index>(?:_[A-Za-z0-9]+|_\{[^{}]*\})*)(?P<prime>'*)(?P<star>\*?)")
_JOINING = {
    "+": "+", "-": "-", "/": "/", "*": r"\cdot ", "=": "=", "<": "<", ">": ">", "<=": r"\le ", ">=": r"\ge ", "!=": r"\ne ",
    "->": r"\to ", "||": r"\,\|\,",
}  # fmt: skip
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_FUNCTIONS = {
    **{name: rf"\{name}" for name in ("log", "exp", "ln", "min", "max", "sup", "tanh", "cosh", "sum", "prod")},
    "sqrt": r"\sqrt", "sign": r"\operatorname{sign}", "logit": r"\operatorname{logit}", "grad": r"\nabla",
    "diag": r"\operatorname{diag}", "Var": r"\mathrm{Var}", "Cov": r"\mathrm{Cov}", "KL": r"\mathrm{KL}", "chi2": r"\chi^2",
}  # fmt: skip
_RELATION = re.compile(r"[=<>]|\\[lgn]e ")
_ARTICLES = ("a", "A", "I")
_AFTER_LETTER = re.compile(r"$|[,.;:)\]]| (?:and|or|is|are|does|alone)\b")


def latex_words(words: str, text: Callable[[str], str]) -> str:
    r"""Return words for LaTeX or Markdown: formulas between dollars, and what is between them by ``text``.

    Example:
        >>> print(latex_words("A gain of p(1-p) a/(1 - gamma q) is positive iff a + b >= 1: a bound.", str))
        A gain of $p(1-p)\,a/(1-\gamma\,q)$ is positive iff $a+b\ge 1$: a bound.
        >>> print(latex_words("P(stop | correct) = a, and dV/dtheta_s > 0", str))
        $P(\text{stop}\mid \text{correct})=a$, and $\mathrm{d}V/\mathrm{d}\theta_{s}>0$
    """
    out, plain, at = [], "", 0
    lexemes = _LEXEME.findall(" ".join(words.split()))
    while at < len(lexemes):
        starts = at == 0 or not re.fullmatch(r"[\w'-]+", lexemes[at - 1])  # not within a word, such as self-p
        try:
            found = _Reader(lexemes, at).formula() if starts else None
        except RecursionError:  # brackets in brackets, deeper than a formula has them
            found = None
        if found is None:
            plain += lexemes[at]
            at += 1
            continue
        out += [text(plain)] if plain else []
        plain = ""
        out.append(found.shown())
        at = found.end
    return "".join([*out, text(plain)] if plain else out)


@dataclass(frozen=True)
class _Part:
    """A part of a formula: where it ends, its LaTeX, whether only a formula has it, and whether brackets are all there is."""

    end: int
    latex: str
    sure: bool = True
    bracket: bool = False

    def shown(self) -> str:
        latex = self.latex.strip()
        return f"({latex[1:-1]})".replace("(", "($", 1)[:-1] + "$)" if self.bracket and latex[0] == "(" else f"${latex}$"


class _Reader:
    """Reads one formula at a place of a list of lexemes."""

    def __init__(self, lexemes: list[str], start: int) -> None:
        self._lexemes = lexemes
        self._start = start
        self._factors: dict[int, _Part | None] = {}

    def formula(self) -> _Part | None:
        """The longest formula that begins here; None where nothing but numbers, names of functions or an article does."""
        found = self._sum(self._start)
        return found if found is not None and found.sure else None

    def _sum(self, at: int) -> _Part | None:
        """Products that operators join."""
        whole = self._signed(at) or self._word(at)
        if whole is not None and re.match(r"\\text\{[a-z]", whole.latex) and not self._relation(whole.end):
            return None
        while whole is not None and (joined := self._operator(whole.end)) is not None:
            symbol, after = joined
            following = self._signed(after)
            if following is None and not whole.latex.startswith(r"\text"):
                following = self._word(after)
            if following is None:
                break
            whole = _Part(following.end, whole.latex + symbol + following.latex)
        return whole

    def _signed(self, at: int) -> _Part | None:
        if self._at(at) != "-":
            return self._product(at)
        found = self._product(at + 1)
        return None if found is None else _Part(found.end, f"-{found.latex}", found.sure)

    def _relation(self, at: int) -> bool:
        joined = self._operator(at)
        return joined is not None and _RELATION.search(joined[0]) is not None

    def _operator(self, at: int) -> tuple[str, int] | None:
        """An operator and where the next operand begins: with spaces on both sides, or on none."""
        spaced = self._at(at) == " "
        symbol = self._at(at + spaced)
        after = at + spaced + 1
        if symbol == "." and not spaced and _name(self._at(at - 1)) and _name(self._at(after)):
            return r"\cdot ", after  # of vectors
        if symbol not in _JOINING or (self._at(after) == " ") != spaced:
            return None
        return _JOINING[symbol], after + spaced

    def _word(self, at: int) -> _Part | None:
        """A word as an operand, as in ``gain = a + b - 1``: operators with spaces are all that stands beside it."""
        word, before, after = self._at(at), self._at(at - 1), self._at(at + 1)
        if not re.fullmatch(r"[a-z]{3,}|[A-Z]{2}", word) or word in _FUNCTIONS or (at > self._start and before not in (" ", "(")):
            return None
        if after not in ("", ",", ".", ";", ":", ")", "]") and (after != " " or self._operator(at + 1) is None):
            return None
        return _Part(at + 1, rf"\text{{{word}}}", sure=False)

    def _product(self, at: int) -> _Part | None:
        """Factors beside each other."""
        whole = self._factor(at)
        while whole is not None:
            spaced, applied = self._at(whole.end) == " ", whole.latex.endswith(tuple(_FUNCTIONS.values()))
            following = self._factor(whole.end + spaced)
            if following is None or (spaced and self._at(whole.end + 1)[0].isdigit()):
                break
            if any(part.bracket and _RELATION.search(part.latex) for part in (whole, following)):
                break  # an aside such as (p = 1)
            between = " " if applied else r"\," if spaced else ""
            whole = _Part(following.end, whole.latex + between + following.latex, whole.sure or following.sure)
        return whole

    def _factor(self, at: int) -> _Part | None:
        """A number, a name or something in brackets, with what is raised or indexed."""
        if at not in self._factors:
            self._factors[at] = self._raised(at)
        return self._factors[at]

    def _raised(self, at: int) -> _Part | None:
        part = self._atom(at)
        while part is not None and self._at(part.end) in ("^", "_"):
            mark = self._at(part.end)
            if self._at(part.end + 1) in ("+", "*"):
                part = _Part(part.end + 2, f"{part.latex}^{self._at(part.end + 1)}")
                continue
            sign = "-" if self._at(part.end + 1) == "-" else ""
            at = part.end + 1 + bool(sign)
            raised = self._atom(at)
            if raised is None and self._at(at).isalpha():
                raised = _Part(at + 1, rf"\mathrm{{{self._at(at)}}}")
            if raised is None:
                break
            inner = raised.latex[1:-1] if raised.bracket else raised.latex.removeprefix(r"\{").removesuffix(r"\}")
            part = _Part(raised.end, f"{part.latex}{mark}{{{sign}{inner}}}")
        return part

    def _atom(self, at: int) -> _Part | None:
        lexeme = self._at(at)
        if lexeme[:1].isdigit():
            if self._at(at + 1) == "{" and (indicator := self._call(at + 1)) is not None:  # 1{correct}
                return _Part(indicator.end, f"{lexeme}{indicator.latex}")
            return _Part(at + 1, lexeme.replace(",", "{,}"), sure=False)
        if lexeme in _CLOSING:
            inner = self._sum(at + 1)
            if inner is None or self._at(inner.end) != _CLOSING[lexeme]:
                return None
            opening, closing = (rf"\{lexeme}", r"\}") if lexeme == "{" else (lexeme, _CLOSING[lexeme])
            return _Part(inner.end + 1, f"{opening}{inner.latex}{closing}", inner.sure, bracket=lexeme == "(")
        if lexeme == "|":
            inner = self._sum(at + 1)
            return _Part(inner.end + 1, f"|{inner.latex}|") if inner is not None and self._at(inner.end) == "|" else None
        return self._named(at)

    def _named(self, at: int) -> _Part | None:
        lexeme = self._at(at)
        if lexeme in _ARTICLES and not self._is_letter(at):
            return None
        latex = _name(lexeme)
        argument = self._at(at + 1) in ("(", "[", "_", "^") or (
            self._at(at + 1) == " " and not lexeme[:1].isupper() and self._factor(at + 2) is not None
        )
        if latex is None or (lexeme in _FUNCTIONS and not argument):
            return None  # an English word, as "log" and "sum" without an argument are
        return self._called(at, latex)

    def _is_letter(self, at: int) -> bool:
        """Whether an a is a letter and no article: a formula goes on behind it, or a sentence that has no noun there."""
        if self._at(at + 1) in ("(", "^") or _AFTER_LETTER.match("".join(self._lexemes[at + 1 : at + 3])):
            return True
        joined = self._operator(at + 1)
        if joined is not None and (self._signed(joined[1]) or self._word(joined[1])) is not None:
            return True
        return at > self._start and self._at(at + 1) == " " and self._factor(at + 2) is not None

    def _called(self, at: int, latex: str) -> _Part:
        called = self._call(at + 1) if self._at(at + 1) in ("(", "[") else None
        if called is not None and latex == r"\sqrt":
            return _Part(called.end, rf"\sqrt{{{called.latex[1:-1]}}}")
        return _Part(at + 1, latex) if called is None else _Part(called.end, latex + called.latex)

    def _call(self, at: int) -> _Part | None:
        """What stands in brackets after a name: formulas, or words such as ``stop | correct``."""
        if (whole := self._atom(at)) is not None:
            return whole
        opening, depth, end = self._at(at), 0, at
        while end < len(self._lexemes):
            depth += (self._at(end) == opening) - (self._at(end) == _CLOSING[opening])
            end += 1
            if depth == 0:
                break
        else:
            return None
        inside = "".join(self._lexemes[at + 1 : end - 1])
        if not re.fullmatch(r"[\w\s,.|'+*/=()\[\]-]*", inside):
            return None
        parts = [
            latex_words(part, _text).replace("$", "")
            for part in re.split(r" \| (?![|])|(?<=[\w)]), ", inside)
        ]
        marks = [r"\mid " if "|" in mark else r",\ " for mark in re.findall(r" \| (?![|])|(?<=[\w)]), ", inside)]
        latex = parts[0] + "".join(mark + part for mark, part in zip(marks, parts[1:], strict=True))
        return _Part(end, (rf"\{opening}{latex}\}}" if opening == "{" else f"{opening}{latex}{_CLOSING[opening]}"))

    def _at(self, at: int) -> str:
        return self._lexemes[at] if 0 <= at < len(self._lexemes) else ""


def _text(plain: str) -> str:
    return plain if re.fullmatch(r"[\d.,|]*", plain) else r"\ " if plain.isspace() else rf"\text{{{latex_text(plain)}}}"


def _name(lexeme: str) -> str | None:
    """A name in LaTeX; None for an English word, or an id such as B6."""
    found = _NAME.fullmatch(lexeme)
    if found is None:
        return None
    base, indices = found["base"], [part.strip("{}") for part in found["index"].split("_")[1:]]
    accent = next((mark for mark in ("bar", "hat") if mark in indices), "")
    letter = _letter(base, indexed=bool(indices) or bool(found["star"]))
    if letter is None:
        return None
    shown = rf"\{accent}{{{letter}}}" if accent else letter
    index = ",".join(_letter(part, indexed=True) or part for part in indices if part != accent)
    return shown + (f"_{{{index}}}" if index else "") + found["prime"] + ("^{*}" if found["star"] else "")


def _letter(base: str, *, indexed: bool) -> str | None:
    if base in _FUNCTIONS:
        return _FUNCTIONS[base]
    if base in GREEK:
        return rf"\{base}"
    if len(base) == 1 or base.isdigit():
        return base
    if re.fullmatch(r"[a-z]\d+", base):
        return f"{base[0]}_{{{base[1:]}}}"
    if base in ("Acc", "ref", "eps"):
        return rf"\mathrm{{{base}}}"
    if base in ("Gamma", "Delta", "omega"):
        return rf"\{base}"
    if base[0] == "d" and base != "do" and (inner := _letter(base[1:], indexed=False)) is not None and base[1:] not in _FUNCTIONS:
        return rf"\mathrm{{d}}{inner}"
    if re.fullmatch(r"[a-z][A-Z]", base) or (indexed and not base.isalnum()):
        return base  # a product, as in pK; an index such as T+1
    return rf"\mathrm{{{base}}}" if indexed else None
