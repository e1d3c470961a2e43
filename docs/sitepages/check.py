"""See that the built site leads nowhere it does not go: every link, anchor, picture, script and style is a file of the site.

python -m sitepages.check build/site
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_CSS_URL = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")
_LOADED = {
    "img": ("src", "srcset"), "source": ("src", "srcset"), "script": ("src",), "iframe": ("src",), "video": ("src",),
    "audio": ("src",), "embed": ("src",), "object": ("data",),
}  # fmt: skip
_NOT_LOADED = {"canonical", "prev", "next", "search", "index", "genindex", "author", "license", "help", "up"}


class _Page(HTMLParser):
    """Anchors of a page, what it links to, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = {"", "top"}
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors.update(given[name] for name in ("id", "name") if name in given)
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "link" and "href" in given:
            fetched = not set(given.get("rel", "").split()) & _NOT_LOADED
            (self.loaded if fetched else self.links).append(given["href"])
        self.loaded += [given[name].split()[0] for name in _LOADED.get(tag, ()) if given.get(name)]
        self.loaded += [found for match in _CSS_URL.findall(given.get("style", "")) for found in match if found]


def faults(site: Path) -> list[str]:
    """Return a sentence for every link or file that leads nowhere, or that is fetched from elsewhere."""
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        here = path.relative_to(site)
        for target in page.loaded:
            parts = urlsplit(target)
            if parts.scheme == "data":
                continue
            if parts.scheme or parts.netloc:
                found.append(f"{here} loads {target}, which is not of the site")
            elif not _file(path, parts.path).is_file():
                found.append(f"{here} loads {target}, which does not exist")
        for target in page.links:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            other = _file(path, parts.path) if parts.path else path
            if site.resolve() not in [other, *other.parents]:
                found.append(f"{here} links to {target}, which is outside the site")
            elif not other.is_file():
                found.append(f"{here} links to {target}, which does not exist")
            elif other in pages and unquote(parts.fragment) not in pages[other].anchors:
                found.append(f"{here} links to {target}, but that page has no such place")
    for path in sorted(site.rglob("*.css")):
        for target in (part for match in _CSS_URL.findall(path.read_text(encoding="utf-8")) for part in match if part):
            parts = urlsplit(target)
            if parts.scheme == "data" or target.startswith("#"):
                continue
            if parts.scheme or parts.netloc or not _file(path, parts.path).is_file():
                found.append(f"{path.relative_to(site)} loads {target}, which is not a file of the site")
    return found


def _file(page: Path, target: str) -> Path:
    return (page.parent / unquote(target)).resolve()


def main() -> None:
    """Print the faults and end with 1 if there are any."""
    site = Path(sys.argv[1]).resolve()
    if not (site / "index.html").is_file():
        sys.exit(f"{site} is no built site: it has no index.html")
    wrong = faults(site)
    print("\n".join([*wrong, f"{len(list(site.rglob('*.html')))} pages, {len(wrong)} faults"]))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
