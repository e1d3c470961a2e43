"""The claims of the package, loaded once per process, each with the steps of its proof built."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from dstheory.claims import Claim, early
from dstheory.claims.sources import bundled_files, load_claims


@cache
def all_claims() -> dict[str, Claim]:
    found = {name: claim for path in bundled_files() for name, claim in load_claims(path).items()}
    with early.watched(""):
        return {name: replace(claim, proof=claim.steps()) for name, claim in found.items()}
