"""Put what commands print into the README and the pages.

    python docs/fill_tables.py

Two kinds of blocks are renewed: tables between ``<!-- dstheory ... -->`` and ``<!-- end -->``, and what a terminal of 140
columns (in the README, 80) shows after ``<!-- console -->``, command by command, in one directory per page. Tests compare both
with the output.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WIDTH, README_WIDTH = "140", "80"  # columns of the terminal
BLOCK = re.compile(r"(<!-- dstheory (?P<command>.+?) -->\n).*?(?=<!-- end -->)", flags=re.DOTALL)
CONSOLE = re.compile(r"(?<=<!-- console -->\n```console\n).*?(?=```\n)", flags=re.DOTALL)


@cache
def printed(command: str) -> str:
    """Return what a command prints."""
    return run(command, ROOT).strip() + "\n"


def run(command: str, folder: Path, width: str = WIDTH) -> str:
    """Run a command of the package in a folder, in a terminal of so many columns."""
    words = [sys.executable, "-m", "dstheory.cli.main", *shlex.split(command)]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    env = {**os.environ, "COLUMNS": width, "PYTHONPATH": path}
    return subprocess.run(words, check=True, capture_output=True, text=True, cwd=folder, env=env).stdout


def session(block: str, run: Callable[[str], str]) -> str:
    """Return a console block with the output of its commands renewed.

    ``| head -n N``, ``| tail -n N`` and ``| grep -A N WORD`` cut the output as these programs do.
    """
    lines = []
    for line in re.findall(r"^\$ dstheory (.+)$", block, flags=re.MULTILINE):
        command, _, cut = line.partition(" | ")
        output = [text.rstrip() for text in run(command).strip("\n").splitlines()]
        if cut:
            end, _, number, *word = shlex.split(cut)
            if end == "grep":
                hits = [i for i, text in enumerate(output) if word[0] in text]
                kept = sorted({j for i in hits for j in range(i, min(i + 1 + int(number), len(output)))})
                output = [f"--\n{output[j]}" if i + 1 < j else output[j] for i, j in pairwise([kept[0] - 1, *kept])]
            else:
                output = output[: int(number)] if end == "head" else output[-int(number) :]
        lines += [f"$ dstheory {line}", *output]
    return "\n".join(lines) + "\n"


def page(text: str, run: Callable[[str], str]) -> str:
    """Return a page with all its console blocks renewed, one after the other."""
    return CONSOLE.sub(lambda block: session(block[0], run), text)


def main() -> None:
    """Renew every block, and only files in which one changed."""
    pages = [page for folder in ("docs", "docs/explanation") for page in sorted((ROOT / folder).glob("*.md"))]
    for path in (ROOT / "README.md", *pages):
        text, width = path.read_text(encoding="utf-8"), README_WIDTH if path.name == "README.md" else WIDTH
        renewed = BLOCK.sub(lambda block: block[1] + printed(block["command"]), text)
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "examples").symlink_to(ROOT / "examples")
            renewed = page(renewed, lambda command, folder=Path(folder), width=width: run(command, folder, width))
        if renewed != text:
            path.write_text(renewed, encoding="utf-8")


if __name__ == "__main__":
    main()
