"""The chain in SymPy: transition structure, Bellman equations, rules, derivations. Shares no formula with the numeric rooms."""

from __future__ import annotations

from dstheory.rational import factored, is_zero, normal_form
from dstheory.rational.symbols import symbol
from dstheory.symbolic.derivation import Evaluation
from dstheory.symbolic.deriving import Derivation, derive
from dstheory.symbolic.objectives import lookup
from dstheory.symbolic.render import render
from dstheory.symbolic.rule import Rule
from dstheory.symbolic.setting import SymbolicSetting, setting

__all__ = [
    "Derivation",
    "Evaluation",
    "Rule",
    "SymbolicSetting",
    "derive",
    "factored",
    "is_zero",
    "lookup",
    "normal_form",
    "render",
    "setting",
    "symbol",
]
