"""Pages that stand elsewhere in the repository, with their links turned towards the site."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    "CONTRIBUTING.md": "contributing", "CODE_OF_CONDUCT.md": "code_of_conduct", "CHANGELOG.md": "changelog",
    "SECURITY.md": "reporting", "examples/README.md": "examples", "sims/README.md": "experiments",
}  # fmt: skip
"""File of the repository -> page of the site."""
_LINK = re.compile(r"\[([^\]]+)\]\((?!\w+:|#)([^)\s#]+)(#[^)\s]*)?\)")


def pages() -> dict[str, str]:
    """Return ``{path: text}``: a page per file, and the list of them."""
    out = {
        f"project/{page}.md": turned((ROOT / file).read_text(encoding="utf-8"), file, f"docs/catalogue/project/{page}.md")
        for file, page in FILES.items()
    }
    index = ["# The project", "", "```{toctree}", ":maxdepth: 1", "", *FILES.values(), "```", ""]
    return {"project/index.md": "\n".join(index), **out}


def turned(text: str, here: str, there: str) -> str:
    """Return a page whose links, written for the place ``here`` in the repository, lead to the same from ``there``.

    What links to a folder links to nothing.

    >>> turned("[a](docs/x.md#y) [b](CONTRIBUTING.md) [c](docs)", "README.md", "docs/z.md")
    '[a](x.md#y) [b](catalogue/project/contributing.md) c'
    """

    def link(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(here), found[2]))
        if (ROOT / target).is_dir():  # shown by a forge; the site has no page for it
            return found[1]
        if target in FILES:
            target = f"docs/catalogue/project/{FILES[target]}.md"
        return f"[{found[1]}]({posixpath.relpath(target, posixpath.dirname(there))}{found[3] or ''})"

    return _LINK.sub(link, text)
