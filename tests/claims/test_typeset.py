"""Formulas within words: what is marked is set as mathematics, sign by sign, and all else stays as it is."""

from __future__ import annotations

import re

import pytest
from all_claims import all_claims

from dstheory.texts import latex_text
from dstheory.typeset import between, unmarked, words_latex


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("helps iff `a + b > 1`: A3", "helps iff $a+b>1$: A3"),
        ("`Acc - p = p(1-p)(a + b - 1)/(1 - q)`.", r"$\mathrm{Acc}-p=p(1-p)(a+b-1)/(1-q)$."),
        ("with `x = (gamma q)^(T-1)`", r"with $x=(\gamma\,q)^{T-1}$"),
        ("`E[1/K] = -(1-q) log(1-q)/q`", r"$E[1/K]=-(1-q)\,\log(1-q)/q$"),
        ("`P(stop | correct)` is `a`, and b too", r"$P(\text{stop}\mid \text{correct})$ is $a$, and b too"),
        ("the ratio `(l_s/l_d)^lambda` of `c_s`", r"the ratio $(l_{s}/l_{d})^{\lambda}$ of $c_{s}$"),
        ("`dV/dtheta_s >= 0` at `pi_s*`", r"$\mathrm{d}V/\mathrm{d}\theta_{s}\ge 0$ at $\pi_{s}^{*}$"),
        ("`w_bar`, `g.v/|g|` and `KL(pi || ref)`", r"$\bar{w}$, $g\cdot v/|g|$ and $\mathrm{KL}(\pi\,\|\,\mathrm{ref})$"),
        ("`G x (1-x)^(G-1)`, where `x` is `p`", r"$G\,x\,(1-x)^{G-1}$, where $x$ is $p$"),
        ("`gain = P(right) - b`, `1{correct} w_s`", r"$\text{gain}=P(\text{right})-b$, $1\{\text{correct}\}\,w_{s}$"),
        ("`2 sqrt(x(1-x))` of `grad Acc`", r"$2\,\sqrt{x(1-x)}$ of $\nabla \mathrm{Acc}$"),
        ("`E[x^|o|]`, `F^+ g`, `x^-1`, `gamma^{2k}`", r"$E[x^{|o|}]$, $F^+\,g$, $x^{-1}$, $\gamma^{2k}$"),
        ("`S_1 + ... + S_(T-1)`, `1,000 r1`", r"$S_{1}+\dots+S_{T-1}$, $1{,}000\,r_{1}$"),
        ("`P(right submission | wrong first, x_t0)`", r"$P(\text{right submission}\mid \text{wrong first},\ x_{t_{0}})$"),
    ],
)  # fmt: skip
def test_marked_formulas_are_set(words: str, shown: str) -> None:
    assert words_latex(words) == shown


@pytest.mark.parametrize(
    "words",
    [
        "Acc - p = p(1-p)(a + b - 1)/(1 - q), without marks",
        "a mark ` without a partner, and three: ` `",
        r"costs $5 or \$6, 100 % & more_or_less {x}",
        "",
    ],
)
def test_words_without_marks_are_shown_as_they_are(words: str) -> None:
    assert unmarked(words) == words
    assert between(words_latex(words), str) == words
    assert between(words_latex(words), latex_text) == latex_text(words)


def signs(text: str) -> str:
    """Letters, digits and operators in their order, without spaces and the marks that LaTeX needs."""
    text = re.sub(r"\\(?:mathrm|text|bar|hat|operatorname)\{([^{}]*)\}", r"\1", text)
    for latex, plain in ((r"\le ", "<="), (r"\ge ", ">="), (r"\ne ", "!="), (r"\to ", "->"), (r"\cdot ", ""), (r"\nabla", "grad"),
                         (r"\mid ", "|"), (r"\|", "||"), (r"\chi^2", "chi2"), (r"\dots", ""),
                         (r"\varepsilon", "eps")):  # fmt: skip
        text = text.replace(latex, plain)
    text = re.sub(r"_(?:bar|hat)\b", "", text)
    return re.sub(r"[\s\\{}()$^_,.*]", "", text)


OUTSIDE = re.compile(r"[\^_]|[\w)] ?(?:[<>]=?|=) ?[\w(]|(?<![\w-])(?:alpha|beta|gamma|theta|lambda|Acc)(?!\w)")
"""What is mathematics wherever it stands, and so belongs between marks."""


def test_every_sign_of_every_claim_is_kept_and_no_formula_is_left_unmarked() -> None:
    formulas, left = 0, []
    for claim in all_claims().values():
        for words in (claim.title, claim.statement, claim.notes, *(step.words for step in claim.steps())):
            shown = words_latex(words)
            assert words.count("`") % 2 == 0, (claim.id, words)
            assert signs(shown.replace(r"\,", " ").replace(r"\ ", " ")) == signs(unmarked(words)), (claim.id, shown)
            for formula in shown.split("$")[1::2]:
                formulas += 1
                plain = formula.replace(r"\{", "").replace(r"\}", "")
                assert plain.count("{") == plain.count("}"), (claim.id, formula)
            assert shown.count("$") % 2 == 0, (claim.id, shown)
            left += [(claim.id, text) for text in words.split("`")[::2] if OUTSIDE.search(text)]
    assert formulas > 3000
    assert not left


@pytest.mark.parametrize(
    "formula",
    ["(" * 4000, "p" + "(a" * 3000, "log " * 400, "P(^_&%", "x^", "x_", "|", "", "$ 5 \\ {", "x^(", "(a]", "x^|", "sqrt(", "^^"],
)
def test_whatever_is_marked_is_shown(formula: str) -> None:
    shown = words_latex(f"so `{formula}` it is")
    assert shown.startswith("so ")
    assert shown.endswith(" it is")
    plain = re.sub(r"\\[{}]", "", shown)
    assert plain.count("{") == plain.count("}")
    assert signs(shown.replace("hat", "").replace("textbackslash", "").replace("textasciicircum", "")).startswith("so")
