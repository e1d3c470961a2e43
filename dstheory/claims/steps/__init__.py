"""The steps of a proof: each says something in words and as a formula, and can be checked by machine."""

from __future__ import annotations

from dstheory.claims.steps.base import Bench, Step
from dstheory.claims.steps.decision import decide
from dstheory.claims.steps.enclosure import enclose
from dstheory.claims.steps.identity import identity
from dstheory.claims.steps.points import counterexample, example
from dstheory.claims.steps.search import search

__all__ = ["Bench", "Step", "counterexample", "decide", "enclose", "example", "identity", "search"]
