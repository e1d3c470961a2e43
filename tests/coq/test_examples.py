"""A theorem whose hypotheses nothing meets says nothing: examples of the library meet them."""

import re

from dstheory.coq.general import FOLDER, theorems

EXAMPLE = re.compile(r"^Example (\w+).*?\bProof\.(.*?)\bQed\.", re.MULTILINE | re.DOTALL)

PROOFS = {(path.stem, name): proof for path in FOLDER.glob("*.v") for name, proof in EXAMPLE.findall(path.read_text())}


def test_the_table_names_every_example_that_meets_hypotheses_once() -> None:
    named = [(item.example_file, item.example_name) for item in theorems() if item.example]
    assert sorted(named) == sorted(found for found in PROOFS if found[1].endswith("_met"))
    assert sum(path.read_text().count("\nExample ") for path in FOLDER.glob("*.v")) == len(PROOFS)


def test_an_example_applies_its_theorem() -> None:
    for item in theorems():
        if item.example:
            assert item.met_by
            assert re.search(rf"\b{item.name}\b", PROOFS[item.example_file, item.example_name]), item.name
