"""Put what commands print between their markers, `<!-- dstheory ... -->` to `<!-- end -->`, in the README and the pages.

    python docs/fill_tables.py

What stands between other markers is left alone; tests compare every block with the command's output.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(<!-- dstheory (?P<command>.+?) -->\n).*?(?=<!-- end -->)", flags=re.DOTALL)


@cache
def printed(command: str) -> str:
    """Return what a command prints."""
    run = [sys.executable, "-m", "dstheory.cli.main", *shlex.split(command)]
    return subprocess.run(run, check=True, capture_output=True, text=True).stdout.strip() + "\n"


def main() -> None:
    """Renew every block, and only files in which one changed."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text(encoding="utf-8")
        renewed = BLOCK.sub(lambda block: block[1] + printed(block["command"]), text)
        if renewed != text:
            page.write_text(renewed, encoding="utf-8")


if __name__ == "__main__":
    main()
