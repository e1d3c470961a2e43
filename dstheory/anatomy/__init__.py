"""Anatomy of reflection: from logs of a real model to p, a, b, predictions, and whose gain it is."""

from __future__ import annotations

from dstheory.anatomy.counts import Counts
from dstheory.anatomy.episodes import NOT_GIVEN, Episodes, Labels

__all__ = ["NOT_GIVEN", "Counts", "Episodes", "Labels"]
