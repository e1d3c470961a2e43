"""The objectives of the symbolic engine, and their registry."""

from __future__ import annotations

from difflib import get_close_matches

from dstheory.errors import DSTheoryError
from dstheory.symbolic.objectives.advantage import Advantage
from dstheory.symbolic.objectives.base import Coefficients, Objective, Turn
from dstheory.symbolic.objectives.entropy import Entropy
from dstheory.symbolic.objectives.forward_kl import ForwardKL
from dstheory.symbolic.objectives.kl import KL
from dstheory.symbolic.objectives.kl_direct import KLDirect
from dstheory.symbolic.objectives.reinforce import Reinforce
from dstheory.symbolic.objectives.reward_to_go import RewardToGo
from dstheory.symbolic.objectives.sft import SFT

__all__ = [
    "KL",
    "REGISTRY",
    "SFT",
    "Advantage",
    "Coefficients",
    "Entropy",
    "ForwardKL",
    "KLDirect",
    "Objective",
    "Reinforce",
    "RewardToGo",
    "Turn",
    "UnknownObjectiveError",
    "lookup",
]

REGISTRY: dict[str, Objective] = {
    objective.name: objective
    for objective in (Reinforce(), RewardToGo(), Advantage(), SFT(), KLDirect(), KL(), ForwardKL(), Entropy())
}
"""Name -> objective with its default options, in the order in which they are taught."""


class UnknownObjectiveError(DSTheoryError):
    """A name that no registered objective has."""


def lookup(name: str) -> Objective:
    """Return the objective of that name; case does not matter and ``_`` counts as ``-``.

    Raises:
        UnknownObjectiveError: no such objective; the nearest names are given.

    >>> lookup("KL_direct").title
    'Reverse KL to a reference, direct term'
    """
    key = name.strip().lower().replace("_", "-")
    if key not in REGISTRY:
        near = get_close_matches(key, REGISTRY, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(REGISTRY)}."
        raise UnknownObjectiveError(f"there is no objective {name!r}: {hint}")
    return REGISTRY[key]
