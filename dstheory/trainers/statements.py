"""Which claims speak about a training: each with one sentence that says no more than the claim proves (``statements.toml``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from dstheory.readers.json_values import decode_toml
from dstheory.trainers.libraries import holds
from dstheory.trainers.training import Training


@dataclass(frozen=True)
class Statement:
    """A sentence that a claim proves.

    Attributes:
        claim: id, as of ``dstheory verify --claim``.
        text: the sentence; fields of a training stand in braces.
        when: conditions on fields, of which one has to hold.
        off_policy: whether it holds on the responses of another policy, too.
    """

    claim: str
    text: str
    when: tuple[Mapping[str, Any], ...]
    off_policy: bool = False

    def speaks_of(self, training: Training) -> bool:
        """Return whether the sentence says something about a training."""
        return any(all(holds(condition, getattr(training, name)) for name, condition in one.items()) for one in self.when)

    def sentence(self, training: Training) -> str:
        """Return the sentence for a training."""
        named = {"k3-ratio": "k3 times the ratio", "k3-self": "k3 times a ratio that is 1"}.get(
            training.estimator, training.estimator
        )
        return self.text.format(bound=1.0 + training.clip_high, named=named, **asdict(training))


@cache
def all_statements() -> tuple[Statement, ...]:
    """Return all statements, in the order in which they are shown."""
    table = decode_toml(files("dstheory.trainers").joinpath("statements.toml").read_text(encoding="utf-8"))
    found = []
    for one in table["statements"]:
        shared = {name: condition for used in one.get("uses", ()) for name, condition in table["conditions"][used].items()}
        own = one.get("when", {})
        when = tuple(shared | each for each in (own if isinstance(own, list) else [own]))
        found.append(Statement(one["claim"], one["text"], when, one.get("off_policy", False)))
    return tuple(found)


def statements(training: Training, *, off_policy: bool = False) -> list[tuple[str, str]]:
    """Return (claim, sentence) of every statement about a training; of those alone that hold off the policy where that is asked.

    >>> [claim for claim, _ in statements(Training(method="dpo", beta=0.1))]
    ['O2', 'O2-start']
    """
    if training.credit == "other" or training.rewards or training.combine != "before":  # claims are of right and wrong alone
        return []
    found = (one for one in all_statements() if one.off_policy or not off_policy)
    return [(one.claim, one.sentence(training)) for one in found if one.speaks_of(training)]
