"""Every class name of the package means one thing."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import dstheory

PACKAGE = Path(dstheory.__file__).parent
# These say what commands print, one form for each result, and are called after what the result is.
FORMS = PACKAGE / "cli" / "results.py"


def test_every_class_name_is_defined_in_one_file() -> None:
    found: dict[str, set[str]] = defaultdict(set)
    for path in PACKAGE.rglob("*.py"):
        if path != FORMS:
            for name in re.findall(r"^ *class ([^\W_]\w*)", path.read_text(encoding="utf-8"), flags=re.MULTILINE):
                found[name].add(str(path.relative_to(PACKAGE)))
    assert len(found) > 200
    assert {name: sorted(files) for name, files in found.items() if len(files) > 1} == {}
