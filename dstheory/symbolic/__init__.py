"""The chain in SymPy: transition structure, Bellman equations, objectives, derivations. Shares no code with the numeric rooms."""

from __future__ import annotations

from dstheory.rational import factored, is_zero, normal_form
from dstheory.rational.symbols import symbol
from dstheory.symbolic.derivation import Derivation, Evaluation
from dstheory.symbolic.deriving import derive
from dstheory.symbolic.setting import Setting, setting

__all__ = ["Derivation", "Evaluation", "Setting", "derive", "factored", "is_zero", "normal_form", "setting", "symbol"]
