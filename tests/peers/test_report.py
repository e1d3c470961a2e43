"""The page about TRL, verl and OpenRLHF says what is compared: as many rows as comparisons, in their order."""

from __future__ import annotations

import re

from peers.cases import CASES
from peers.functions import FUNCTIONS
from peers.report import NAMES, NOT_COMPARED, OPENING, OTHERS, PAGE, WHOLE
from peers.trainings import TRAININGS


def test_the_page_lists_every_comparison() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(.+?)` \| (.+?) \| `(.+?)` \| \d+ \| \de-\d+ \|$", text, flags=re.MULTILINE)
    assert rows == [(case.name, case.says, case.objective) for case in CASES]
    assert text.startswith(OPENING)
    assert f"{NAMES}{OTHERS}" in text
    assert text.endswith(NOT_COMPARED)
    assert re.search(r"Versions: trl [\d.]+, transformers [\d.]+, torch [\d.]+", text)


def test_the_page_lists_every_function_that_is_called() -> None:
    text = PAGE.read_text(encoding="utf-8")
    parts = text.partition(OTHERS)[2].partition(WHOLE)
    for part, calls in ((parts[0], FUNCTIONS), (parts[2], TRAININGS)):
        rows = re.findall(r"^\| (\w+) \| `(.+?)` \| (.+?) \| \d+(?:, logged)? \| \de[+-]\d+ \|$", part, flags=re.MULTILINE)
        assert rows == [(call.library, call.name, call.says) for call in calls]
    assert re.search(r"Versions: verl [\d.]+, openrlhf [\d.]+, trl [\d.]+, torch [\d.]+", parts[0])
