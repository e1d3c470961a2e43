"""Sentences of Coq's language of proofs."""

from __future__ import annotations

from collections.abc import Sequence


def asserted(statement: str, by: str, name: str = "") -> str:
    """Return the sentence that says and proves something in between.

    >>> asserted("0 < p", "lra")
    'assert (0 < p) by (lra).'
    """
    return f"assert ({name} : {statement}) by ({by})." if name else f"assert ({statement}) by ({by})."


def posed(lemma: str, *args: str, name: str = "") -> str:
    """Return the sentence that adds an instance of a lemma to what is known."""
    return f"pose proof ({' '.join([lemma, *args])}){f' as {name}' if name else ''}."


def replaced(old: str, new: str, by: str = "equal") -> str:
    """Return the tactic that writes a term differently."""
    return f"replace ({old}) with ({new}) by {by}"


def first_of(*scripts: str) -> str:
    """Return the tactic that tries others in turn."""
    return f"first [ {' | '.join(scripts)} ]"


def introduced(names: Sequence[str]) -> str:
    """Return the tactic that introduces what stands before a goal."""
    return f"intros {' '.join(names)}" if names else "idtac"
