"""A name for the present state of the package, the claims and the experiments: what was computed before is kept by it."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def state() -> str:
    """Return a checksum of everything that verdicts, figures and outputs of notebooks depend on."""
    seen = hashlib.sha256(sys.version.encode())
    for folder in ("dstheory", "proofs", "sims"):
        for path in sorted((ROOT / folder).rglob("*.*")):
            if path.is_file() and path.suffix != ".pyc":
                seen.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    return seen.hexdigest()[:16]
