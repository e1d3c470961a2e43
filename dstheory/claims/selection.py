"""Which claims a list of names selects: ids, groups, arXiv numbers. Unknown names are answered with the nearest known ones."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from dstheory.claims.errors import UnknownClaimError

__all__ = ["select"]

_ARXIV = re.compile(r"(?:arxiv:)?(\d{4}\.\d{4,5})(?:v\d+)?", re.IGNORECASE)

Info = Mapping[str, Any]


def select(claims: Sequence[Info], names: Sequence[str], groups: Sequence[str] = ()) -> list[Info]:
    """The claims that any of the names selects (all if there are none), restricted to the groups if any are given.

    A name is a claim's id, a group, or an arXiv number that the claim's source mentions; case does not matter. The order is
    that of ``claims``, so that a report does not depend on the order of the names.

    Raises
    ------
    UnknownClaimError
        For a name or group that selects nothing.

    Example
    -------
    >>> claims = [{"id": "A1", "group": "A", "source": "arXiv 2601.01580"}, {"id": "B1", "group": "B", "source": ""}]
    >>> [c["id"] for c in select(claims, ["2601.01580"])], [c["id"] for c in select(claims, ["b"])]
    (['A1'], ['B1'])
    """
    chosen = {id(claim) for name in names for claim in _named(claims, name)} if names else {id(claim) for claim in claims}
    for group in groups:
        if not any(_same(claim["group"], group) for claim in claims):
            raise _unknown("group", group, sorted({claim["group"] for claim in claims if claim["group"]}))
    return [
        claim
        for claim in claims
        if id(claim) in chosen and (not groups or any(_same(claim["group"], group) for group in groups))
    ]


def _named(claims: Sequence[Info], name: str) -> list[Info]:
    arxiv = _ARXIV.fullmatch(name)
    if arxiv:
        found = [claim for claim in claims if arxiv[1] in claim["source"]]
    else:
        found = [claim for claim in claims if _same(claim["id"], name)]
        found = found or [claim for claim in claims if _same(claim["group"], name)]
    if not found:
        known = [claim["id"] for claim in claims] + sorted({claim["group"] for claim in claims if claim["group"]})
        raise _unknown("claim", name, known)
    return found


def _same(left: str, right: str) -> bool:
    return left.casefold() == right.casefold()


def _unknown(what: str, name: str, known: Sequence[str]) -> UnknownClaimError:
    folded = {item.casefold(): item for item in known}
    near = [folded[item] for item in get_close_matches(name.casefold(), list(folded), n=3, cutoff=0.4)]
    if near:
        return UnknownClaimError(f"there is no {what} {name!r}. Did you mean {', '.join(near)}?")
    return UnknownClaimError(f"there is no {what} {name!r}. `dstheory verify --list` shows all of them.")
