"""The rules of the symbolic engine in one table by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches

from dstheory.about import ABOUT
from dstheory.errors import UnknownNameError
from dstheory.symbolic.objectives import group, imitation, penalties, reward
from dstheory.symbolic.rule import Coefficients, Rule, Turn

__all__ = [
    "REGISTRY",
    "WITHOUT_DERIVATION",
    "Coefficients",
    "Rule",
    "Turn",
    "UnknownObjectiveError",
    "lookup",
]

_RULES = {rule.name: rule for family in (reward, group, imitation, penalties) for rule in family.RULES}

_WITH_OPTIONS: dict[str, Callable[..., Rule]] = {"reward-to-go": reward.reward_to_go, "forward-kl": penalties.forward_kl}


def _described(rule: Rule) -> Rule:
    """Return a rule with the title, the source and the claims that both engines give."""
    about = ABOUT[rule.name]
    first, rest = about.title[0], about.title[1:]
    title = (first if rest[0].isdigit() else first.upper()) + rest  # k1 is a name
    return replace(rule, title=title, source=about.source, claims=tuple(about.claims))


REGISTRY: dict[str, Rule] = {name: _described(_RULES[name]) for name in ABOUT if name in _RULES}
"""Name -> rule with its default options, in the order of :data:`dstheory.about.ABOUT`."""

WITHOUT_DERIVATION = {
    "dpo": "a pair counts with the sigmoid of beta times the difference of two whole responses' log-ratios, so its mean over "
    "pairs is an infinite sum of sigmoids, which neither splits over turns nor is rational in the probabilities; where the "
    "policy is the reference the sigmoid is 1/2 and the update that of claim O2-start; `dstheory attribute` has numbers",
}
"""Objectives of the numeric engine that have no derivation here, and why."""


class UnknownObjectiveError(UnknownNameError):
    """A name that no registered objective has."""


def lookup(name: str, **options: object) -> Rule:
    """Return the rule of that name; case does not matter and ``_`` counts as ``-``.

    Args:
        name: the objective's name.
        options: ``outer_discount`` (True or False) for reward-to-go, ``states`` ("policy" or "reference") for forward-kl.

    Raises:
        UnknownObjectiveError: no such objective; the nearest names are given.
        KeyError: options for an objective that has none.

    >>> lookup("KL_direct").title
    'Reverse KL to a reference, direct term'
    >>> lookup("forward-kl", states="reference").coefficients is lookup("forward-kl").coefficients
    False
    """
    key = name.strip().lower().replace("_", "-")
    if key in WITHOUT_DERIVATION:
        raise UnknownObjectiveError(f"{key!r} has no symbolic derivation: {WITHOUT_DERIVATION[key]}")
    if key not in REGISTRY:
        near = get_close_matches(key, REGISTRY, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(REGISTRY)}."
        raise UnknownObjectiveError(f"there is no objective {name!r}: {hint}")
    return _described(_WITH_OPTIONS[key](**options)) if options else REGISTRY[key]
