"""The verdict at the coefficient level, in words: what is equal, in which ratio, or where it fails."""

from __future__ import annotations

import sympy as sp

from dstheory.rational.symbols import symbol
from dstheory.symbolic.attribution import BALANCED, NO_DECISION, UP_TO_DISCOUNT, CoefficientVerdict
from dstheory.symbolic.derivation import Display, Item, Step, Words
from dstheory.symbolic.logarithms import combine_logs
from dstheory.symbolic.notation import Inline, Verbatim
from dstheory.symbolic.setting import Setting

__all__ = ["attribution_step"]


def attribution_step(s: Setting, verdict: CoefficientVerdict) -> Step:
    """Return the step that states the verdict at the coefficient level, the ratios, and the smallest case found."""
    items: list[Item] = []
    c_s, c_d = Verbatim("c_s", "c_s"), Verbatim("c_d", "c_d")
    if verdict.verdict in (BALANCED, NO_DECISION):
        ending = ": " if verdict.verdict == BALANCED else "."
        items.append(
            Words(
                (
                    f"Verdict: {verdict.verdict}{ending}",
                    *((c_s, " = ", c_d, " on every turn of every trajectory.") if verdict.verdict == BALANCED else ()),
                )
            )
        )
        return Step("Attribution at the coefficient level", tuple(items))
    items.append(Words((f"Verdict: {verdict.verdict}.",)))
    if verdict.ratios:
        items.append(Words(("On every turn of every trajectory:",)))
        for answer, ratio in _by_answer(s, verdict.ratios):
            items.append(Display(Verbatim(f"c_s/c_d{answer}", rf"\frac{{c_s}}{{c_d}}{_tex(answer)}"), (ratio,)))
    elif verdict.weight_ratios:
        items.append(
            Words(
                (
                    "The coefficients are the stages' weights times factors that differ from action to action, so no weights "
                    "make them equal; the weights alone stand as",
                )
            )
        )
        for answer, ratio in _by_answer(s, verdict.weight_ratios):
            items.append(Display(Verbatim(f"w_s/w_d{answer}", rf"\frac{{w_s}}{{w_d}}{_tex(answer)}"), (ratio,)))
    ratios = [ratio for ratio in (verdict.ratios or verdict.weight_ratios) if not ratio.is_number]
    if ratios and verdict.verdict != UP_TO_DISCOUNT:
        which = "That ratio is" if len(set(ratios)) == 1 else "Such a ratio is"
        zero: tuple[Inline, ...] = (symbol("lambda"), " = 0 or ") if ratios[0].has(symbol("lambda")) else ()
        items.append(Words((f"{which} 1 if and only if ", *zero, "the two lengths are equal.")))
    if verdict.witness is not None:
        items += _witness(verdict)
    return Step("Attribution at the coefficient level", tuple(items))


def _by_answer(s: Setting, ratios: tuple[sp.Expr, ...]) -> list[tuple[str, sp.Expr]]:
    if len(set(ratios)) == 1:
        return [("", ratios[0])]
    return [(f" on {answer}", ratio) for answer, ratio in zip(s.chain.answers, ratios, strict=True)]


def _tex(words: str) -> str:
    return rf"\text{{{words}}}" if words else ""


def _witness(verdict: CoefficientVerdict) -> list[Item]:
    w = verdict.witness
    assert w is not None
    path = ", ".join(f"{answer} {decision}" for answer, decision in w.steps)
    at: list[Inline] = []
    for i, (x, value) in enumerate(w.numbers):
        at += [", " if i else "", x, " = ", value]
    one, other = w.at_numbers()
    where: list[Inline] = ["At ", *at, ": "] if at else ["There "]
    return [
        Words((f"Smallest case found, the trajectory ({path}), turn {w.turn}:",)),
        Display(Verbatim("c_s", "c_s"), (combine_logs(w.c_s),)),
        Display(Verbatim("c_d", "c_d"), (combine_logs(w.c_d),)),
        Words(
            (
                *where,
                Verbatim("c_s", "c_s"),
                " = ",
                combine_logs(one),
                ", ",
                Verbatim("c_d", "c_d"),
                " = ",
                combine_logs(other),
                ".",
            )
        ),
    ]
