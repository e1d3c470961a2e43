"""Ask Coq for all claims, record what it says, and put the figures into docs/trust.md.

    python docs/fill_kernel.py

Takes about four minutes of processor time, and needs Coq (Debian: coq libcoq-interval). Tests compare the page with the record.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from dstheory.claims.sources import bundled_files, load_claims
from dstheory.coq.check import check, find_coqc
from dstheory.coq.export import export
from dstheory.coq.record import PATH, coverage, record

PAGE = Path(__file__).resolve().parent / "trust.md"
BLOCK = re.compile(r"(?<=<!-- kernel -->\n).*?(?=<!-- end -->)", flags=re.DOTALL)


def filled(page: str, text: str) -> str:
    """Return a page with a text in its block."""
    return BLOCK.sub(lambda _: text + "\n", page)


def main() -> None:
    """Write the record and the page; say which claims Coq does not confirm."""
    claims = [claim for path in bundled_files() for claim in load_claims(path).values()]
    coqc = find_coqc()
    version = subprocess.run([coqc, "--print-version"], check=True, capture_output=True, text=True).stdout.split()[0]
    with tempfile.TemporaryDirectory() as folder:
        parts = export(claims, Path(folder))
        answers = check(parts, Path(folder), coqc, workers=1)
    found = record(version, parts, answers)
    PATH.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), coverage(found, claims)), encoding="utf-8")
    sys.stdout.writelines(f"{answer.claim}: {answer.message}\n" for answer in answers if not answer.confirmed)


if __name__ == "__main__":
    main()
