"""The page about TRL says what is compared: as many rows as comparisons, in their order."""

from __future__ import annotations

import re

from peers.cases import CASES
from peers.report import NAMES, OPENING, PAGE


def test_the_page_lists_every_comparison() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(.+?)` \| (.+?) \| `(.+?)` \| \d+ \| \de-\d+ \|$", text, flags=re.MULTILINE)
    assert rows == [(case.name, case.says, case.objective) for case in CASES]
    assert text.startswith(OPENING)
    assert text.endswith(NAMES)
    assert re.search(r"Versions: trl [\d.]+, transformers [\d.]+, torch [\d.]+", text)
