"""A theorem whose hypotheses nothing meets says nothing: examples of the library meet them."""

import re
from collections.abc import Iterator
from pathlib import Path

from dstheory.coq.general import FOLDER, theorems

EXAMPLE = re.compile(r"^Example (\w+).*?\bProof\.(.*?)\bQed\.", re.MULTILINE | re.DOTALL)
ITEM = re.compile(r"^(Section|End|Hypothesis|Theorem|Corollary) (\w+)(.*?)\.\s*$", re.MULTILINE | re.DOTALL)

PROOFS = {(path.stem, name): proof for path in FOLDER.glob("*.v") for name, proof in EXAMPLE.findall(path.read_text())}

UNKNOWN = re.compile(r"\b([Pp]hi|frozen|ascends|natural|shared|tilt_each)\b|\bd\s+-> is_derive|\(forall t, is_derive|\bflow\b")
"""Words of hypotheses about what solves an equation: an optimum, a curve that follows a gradient, a natural direction."""

SAID = {"terminal_solution", "multiplier_unique", "soft_bellman_unique", "terminal_unique", "frozen_unique"}
SAID |= {"imitation_flow", "bias_flow"}
"""They say themselves that a solution exists."""
UNUSED = {"rate_parts"}
"""It stands among theorems about the flow, and assumes none."""


def assumed(path: Path) -> Iterator[tuple[str, str]]:
    """Each theorem of a file, with what is before its conclusion and what its sections assume."""
    sections: list[str] = [""]
    for kind, name, text in ITEM.findall(re.sub(r"\(\*.*?\*\)", "", path.read_text(), flags=re.DOTALL)):
        if kind == "Section":
            sections.append("")
        elif kind == "End":
            sections.pop()
        elif kind == "Hypothesis":
            sections[-1] += f"{name} {text}\n"
        else:
            yield name, "".join(sections) + text.replace("<->", "=").rpartition("->")[0]


def test_the_table_names_every_example_that_meets_hypotheses_once() -> None:
    named = [(item.example_file, item.example_name) for item in theorems() if item.example]
    assert sorted(named) == sorted(found for found in PROOFS if found[1].endswith("_met"))
    assert sum(path.read_text().count("\nExample ") for path in FOLDER.glob("*.v")) == len(PROOFS)


def test_an_example_applies_its_theorem() -> None:
    for item in theorems():
        if item.example:
            assert item.met_by
            assert re.search(rf"\b{item.name}\b", PROOFS[item.example_file, item.example_name]), item.name


def test_theorems_about_what_solves_an_equation_have_an_example() -> None:
    met = {item.name for item in theorems() if item.example}
    about = {name for path in FOLDER.glob("*.v") for name, text in assumed(path) if UNKNOWN.search(text)}
    assert about - met == SAID | UNUSED
    assert {"share_tends_to_half", "conserved", "decision_time", "not_pinned", "stationary_rows"} <= about
