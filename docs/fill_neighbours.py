"""Put what `dstheory reproduce` measured about the related works into docs/neighbours.md.

    dstheory reproduce neighbours self-correction --data DIR --out results/reproduce
    python docs/fill_neighbours.py results/reproduce

Tables and captions stand between markers in the page; what is between them is replaced, and nothing else.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sitepages.text import fill

PAGE = Path(__file__).parent / "neighbours.md"


def blocks(folder: Path) -> dict[str, str]:
    """Return what stands between each pair of markers, from the folders of both experiments."""
    files = {
        "works": "neighbours/works.md",
        "claims": "neighbours/claims.md",
        "simulated": "neighbours/caption.txt",
        "recorded": "self-correction/caption.txt",
    }
    found = {name: (folder / file).read_text(encoding="utf-8").strip() for name, file in files.items()}
    return {name: text if name in ("works", "claims") else f"```\n{text}\n```" for name, text in found.items()}


if __name__ == "__main__":
    PAGE.write_text(fill(PAGE.read_text(encoding="utf-8"), blocks(Path(sys.argv[1]))), encoding="utf-8")
