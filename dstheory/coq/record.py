"""What Coq said of the claims of the package when it was last asked: for pages that cannot ask it themselves."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from dstheory.claims.claim import Claim
from dstheory.coq.check import KernelAnswer
from dstheory.coq.export import ExportedClaim, statement_hash

PATH = Path(__file__).resolve().parent / "confirmed.json"


@cache
def recorded() -> dict[str, Any]:
    """Return the record: Coq's version, and an entry for each claim that it confirmed."""
    return dict(json.loads(PATH.read_text(encoding="utf-8")))


def confirmed(claim: Claim) -> str | None:
    """Return how Coq confirmed a claim, as it stands; None if it did not, or if the claim has changed since."""
    entry = recorded()["claims"].get(claim.id)
    if entry is None or entry["statement_sha256"] != statement_hash(claim):
        return None
    return str(entry["method"])


def record(coq: str, parts: Iterable[ExportedClaim], answers: Iterable[KernelAnswer]) -> dict[str, Any]:
    """Return a record of what Coq said.

    Args:
        coq: Its version.
        parts: What was exported.
        answers: What it said of each.
    """
    claims = {
        part.claim.id: {
            "statement_sha256": statement_hash(part.claim),
            "method": ", ".join(filter(None, ["kernel", answer.message])),
            "holds": part.claim.recorded != "fails",
            "steps": len(part.claim.steps()) - len(part.missing),
            "by_hand": sum(item.by_hand for item in part.theorems),
        }
        for part, answer in zip(parts, answers, strict=True)
        if answer.confirmed
    }
    return {"coq": coq, "claims": claims}


def coverage(record_: Mapping[str, Any], claims: Iterable[Claim]) -> str:
    """Return how much of the claims Coq confirms, in words."""
    claims, entries = list(claims), record_["claims"]
    holding = [claim for claim in claims if claim.recorded != "fails"]
    refuted = [claim for claim in claims if claim.recorded == "fails"]
    held = [entries[claim.id] for claim in holding if claim.id in entries]
    wrong = sum(claim.id in entries for claim in refuted)
    done, steps = sum(entry["steps"] for entry in held), sum(len(claim.steps()) for claim in holding)
    integers = sum("machine integers" in entry["method"] for entry in entries.values())
    by_hand = sum(entry["by_hand"] for entry in held)
    words = (
        f"Of the {len(claims)} claims Coq {record_['coq']} confirms {len(held) + wrong}: {len(held)} of the {len(holding)} that",
        f"do not fail, with {done} of their {steps} steps,",
        f"and the witnesses of {wrong} of the {len(refuted)} that are refuted; {integers} of all these with machine integers.",
        f"For {by_hand} of the steps a person wrote the script.",
    )
    return "\n".join(words)
