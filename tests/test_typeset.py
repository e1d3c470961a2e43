"""Formulas within words: what is set as mathematics is what was written, and English stays English."""

from __future__ import annotations

import re

import pytest

from dstheory.claims.sources import bundled_files, load_claims
from dstheory.texts import latex_text
from dstheory.typeset import latex_words


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("helps iff a + b > 1: A3", "helps iff $a+b>1$: A3"),
        ("Acc - p = p(1-p)(a + b - 1)/(1 - q).", r"$\mathrm{Acc}-p=p(1-p)(a+b-1)/(1-q)$."),
        ("with x = (gamma q)^(T-1)", r"with $x=(\gamma\,q)^{T-1}$"),
        ("E[1/K] = -(1-q) log(1-q)/q", r"$E[1/K]=-(1-q)\,\log(1-q)/q$"),
        ("P(stop | correct) is a, and b too", r"$P(\text{stop}\mid \text{correct})$ is $a$, and $b$ too"),
        ("the ratio (l_s/l_d)^lambda of c_s", r"the ratio $(l_{s}/l_{d})^{\lambda}$ of $c_{s}$"),
        ("dV/dtheta_s >= 0 at pi_s*", r"$\mathrm{d}V/\mathrm{d}\theta_{s}\ge 0$ at $\pi_{s}^{*}$"),
        ("w_bar, g.v/|g| and KL(pi || ref)", r"$\bar{w}$, $g\cdot v/|g|$ and $\mathrm{KL}(\pi\,\|\,\mathrm{ref})$"),
        ("G x (1-x)^(G-1), where x is p", r"$G\,x\,(1-x)^{G-1}$, where $x$ is $p$"),
        ("gain = P(right) - b, 1{correct} w_s", r"$\text{gain}=P(\text{right})-b$, $1\{\text{correct}\}\,w_{s}$"),
        ("without coverage (p_E = 1) theta_W rests", r"without coverage ($p_{E}=1$) $\theta_{W}$ rests"),
        ("2 sqrt(x(1-x)) of grad Acc", r"$2\,\sqrt{x(1-x)}$ of $\nabla \mathrm{Acc}$"),
    ],
)  # fmt: skip
def test_formulas_are_set(words: str, shown: str) -> None:
    assert latex_words(words, str) == shown


@pytest.mark.parametrize(
    "words",
    [
        "A model that may reject its answer draws again: a decision, and a sample.",
        "Between 2 and 64 tokens a turn is a log of the sum, and GRPO's KL does not matter.",
        "The reward-to-go form (B6, B8-prompts) is an on-policy, self-correction chain; see arXiv 2601.01580.",
        "Reward + KL; the stages' scores, and/or both.",
    ],
)
def test_english_stays_english(words: str) -> None:
    assert latex_words(words, str) == words


def signs(text: str) -> str:
    """Letters, digits and operators in their order, without spaces and the marks that LaTeX needs."""
    text = re.sub(r"\\(?:mathrm|text|bar|hat|operatorname)\{([^{}]*)\}", r"\1", text)
    for latex, plain in ((r"\le ", "<="), (r"\ge ", ">="), (r"\ne ", "!="), (r"\to ", "->"), (r"\cdot ", ""), (r"\nabla", "grad"),
                         (r"\mid ", "|"), (r"\|", "||"), (r"\chi^2", "chi2")):  # fmt: skip
        text = text.replace(latex, plain)
    text = re.sub(r"_(?:bar|hat)\b", "", text)
    return re.sub(r"[\s\\{}()$^_,.*]", "", text)


def test_every_sign_of_every_claim_is_kept_and_braces_close() -> None:
    formulas = 0
    for path in bundled_files():
        for claim in load_claims(path).values():
            for words in (claim.title, claim.statement, *(step.words for step in claim.steps())):
                shown = latex_words(words, str)
                assert signs(shown.replace(r"\,", " ").replace(r"\ ", " ")) == signs(words), (claim.id, shown)
                for formula in shown.split("$")[1::2]:
                    formulas += 1
                    plain = formula.replace(r"\{", "").replace(r"\}", "")
                    assert plain.count("{") == plain.count("}"), (claim.id, formula)
                assert shown.count("$") % 2 == 0, (claim.id, shown)
    assert formulas > 2000


@pytest.mark.parametrize("words", ["(" * 400, "p" + "(a" * 300, "log " * 400, "a " * 400, "P(^_&%", "x^", "|", "", "$ 5 \\ {"])
def test_whatever_is_written_is_shown(words: str) -> None:
    assert latex_words(words, latex_text) is not None
