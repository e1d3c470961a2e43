"""A derivation as plain data, for other programs."""

from __future__ import annotations

from typing import Any

import sympy as sp

from dstheory.symbolic.attribution import Witness
from dstheory.symbolic.derivation import Derivation, Display, Evaluation, Item, Table, Words
from dstheory.symbolic.notation import Inline
from dstheory.symbolic.render import latex as latex_render
from dstheory.symbolic.render import text as text_render
from dstheory.symbolic.render.printers import latex, text

__all__ = ["evaluation", "to_dict"]


def formula(expr: sp.Expr) -> dict[str, str]:
    """Return a formula as text and as LaTeX.

    >>> formula(sp.Symbol("p") ** 2)
    {'text': 'p**2', 'latex': 'p^{2}'}
    """
    return {"text": text(expr), "latex": latex(expr)}


def to_dict(derivation: Derivation) -> dict[str, Any]:
    """Return everything that the derivation says; keys and order are stable."""
    verdict = derivation.verdict
    return {
        "objective": derivation.name,
        "title": derivation.title,
        "setting": derivation.subtitle,
        "symbols": list(derivation.symbols),
        "scalar": derivation.scalar,
        "definitions": {name.name: formula(expr) for name, expr in derivation.definitions.items()},
        "weights": {w.name: formula(expr) for w, expr in derivation.setting.weights.meaning},
        "gradient": {logit.name: formula(expr) for logit, expr in derivation.gradient.items()},
        "expanded": {logit.name: None if expr is None else formula(expr) for logit, expr in derivation.expanded.items()},
        "attribution": {
            "level": "coefficients",
            "verdict": verdict.verdict,
            "ratios": [formula(r) for r in verdict.ratios],
            "weight_ratios": [formula(r) for r in verdict.weight_ratios],
            "witness": None if verdict.witness is None else _witness(verdict.witness),
        },
        "checks": list(derivation.checks),
        "assumptions": ["".join(_words(part) for part in assumption) for assumption in derivation.assumptions],
        **({"evaluation": evaluation(derivation.evaluation)} if derivation.evaluation else {}),
        "steps": [{"title": step.title, "items": [_item(item) for item in step.items]} for step in derivation.steps],
    }


def evaluation(result: Evaluation) -> dict[str, Any]:
    """Return a gradient at numbers: values in double precision, and exactly where they are fractions.

    >>> from dstheory.symbolic import derive
    >>> at = {"p": "1/2", "a": "1/2", "b": "1/2", "gamma": 1}
    >>> evaluation(derive("reinforce").evaluate(at))["gradient"]["theta_s"]
    {'value': 0.25, 'exact': '1/4'}
    """
    floats, fractions = result.floats(), result.fractions()
    return {
        "at": {name: str(value) for name, value in result.at},
        "gradient": {
            name: {"value": floats[name], "exact": None if fractions[name] is None else str(fractions[name])}
            for name, _ in result.exact
        },
    }


def _witness(witness: Witness) -> dict[str, Any]:
    return {
        "trajectory": [list(step) for step in witness.steps],
        "turn": witness.turn,
        "c_s": formula(witness.c_s),
        "c_d": formula(witness.c_d),
        "at": {x.name: str(value) for x, value in witness.numbers},
        "values": [text(value) for value in witness.at_numbers()],
    }


def _words(part: Inline) -> str:
    return text_render.inline(part)


def _item(item: Item) -> dict[str, Any]:
    if isinstance(item, Words):
        return {
            "words": "".join(_words(part) for part in item.parts),
            "latex": "".join(latex_render.inline(part) for part in item.parts),
        }
    if isinstance(item, Table):
        return {"head": [_words(cell) for cell in item.head], "rows": [[_words(cell) for cell in row] for row in item.rows]}
    assert isinstance(item, Display)
    return {"left": _words(item.left), "right": [_words(part) for part in item.right], "note": item.note}
