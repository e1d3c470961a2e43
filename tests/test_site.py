"""The pages of the site that are written: every objective, experiment, command and public name has its place."""

from __future__ import annotations

import re
from pathlib import Path

import fill_tables
import pytest
from sitepages import browser, check, commands, figures, names, objectives, project
from sitepages.text import docstring

import dstheory
from dstheory.cli.main import COMMANDS
from dstheory.experiments import experiment_names
from dstheory.objectives import ALIASES, listed

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"<!-- dstheory (.+?) -->\n(.*?)<!-- end -->", flags=re.DOTALL)


def test_every_objective_has_a_page_with_its_formula_and_its_names() -> None:
    pages = objectives.pages(lambda name: [f"derivation of {name}"])
    for item in listed():
        page = pages[f"objectives/{item.name}.md"]
        assert f"`{item.formula}`" in page
        assert f"derivation of {item.name}" in page
        assert all(f"[{claim}](../claims/{claim}.md)" in page for claim in item.claims)
    for name, alias in ALIASES.items():
        assert f"`{name}`" in pages[f"objectives/{alias.objective}.md"]
        assert f"`{name}`" in pages["objectives/index.md"]


def test_what_an_example_prints_is_shown_as_it_is() -> None:
    r"""The page of figures had P(stop \| correct) in an example, whose output was escaped as prose is."""
    prose = ["The norm |n|.", "", "    >>> name", "    'P(stop | correct)'", "    >>> [*runs]", "", "Again |n|."]
    assert docstring(prose) == [r"The norm \|n\|.", *prose[1:6], r"Again \|n\|."]


@pytest.mark.parametrize("name", ["kl-direct", "rloo", "dpo"])
def test_no_latex_of_a_derivation_is_left_outside_its_formulas(name: str) -> None:
    words = re.sub(r"\$\$.*?\$\$|\$[^$]*\$", "", "\n".join(objectives.derived(name)), flags=re.DOTALL)
    assert ("### 5. The gradient" in words) != (name == "dpo")
    assert not re.search(r"\\[a-zA-Z]", words)


def test_every_experiment_is_in_the_gallery() -> None:
    (page,) = figures.pages(lambda name: None).values()
    for name in experiment_names():
        assert f"$ dstheory reproduce {name}" in page
    assert all((DOCS / image).is_file() for image in figures.COMMANDS)
    assert all(list(folder.glob("*.png")) for folder in figures.KEPT.values())


def test_every_public_name_is_in_the_reference_once() -> None:
    listed_names = [path for room in names.rooms().values() for path in room.values()]
    assert len(listed_names) == len(set(listed_names))
    rooms = {"anatomy", "chain", "claims", "dynamics", "kernels", "objectives", "plots", "readers", "symbolic", "tokens"}
    flat = {path.split(".")[1] for path in listed_names if path.count(".") == 1}
    assert set(dstheory.__all__) - rooms - {"__version__"} == flat
    pages = names.pages()
    assert not re.search(r":(mod|func|class|meth|attr):|\\`", pages["api/index.md"]), "marks of docstrings are left"
    for room, own in names.rooms().items():
        assert all(re.search(rf":: {re.escape(path)}$", pages[f"api/{room}.md"], re.MULTILINE) for path in own.values())


def test_every_command_is_there_with_its_help() -> None:
    (page,) = commands.pages().values()
    assert all(f"\n## dstheory {name}\n" in page for name in COMMANDS)


def test_pages_of_the_repository_lead_to_files_that_exist() -> None:
    pages = {f"docs/catalogue/{path}": text for path, text in project.pages().items()}
    written = {*pages, *(f"docs/{path.relative_to(DOCS)}" for path in DOCS.rglob("*.md"))}
    for place, text in pages.items():
        for target in re.findall(r"\]\((?!\w+:)([^)#\s]+)", text):
            path = (ROOT / place).parent / target
            assert path.resolve().relative_to(ROOT).as_posix() in written or path.resolve().exists(), (place, target)


def test_tables_of_the_explanations_are_what_commands_print() -> None:
    shown = [
        found for page in sorted((DOCS / "explanation").glob("*.md")) for found in BLOCK.findall(page.read_text(encoding="utf-8"))
    ]
    assert shown
    for command, table in shown:
        assert table == fill_tables.printed(command), f"`python docs/fill_tables.py` renews {command}"


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(
        '<p id="x"><a href="#x">1</a><a href="other.html#y">2</a><a href="https://a.b/c">3</a></p>'
    )
    (tmp_path / "other.html").write_text('<a href="index.html#x">1</a><img src="data:image/png;base64,AA">')
    assert check.faults(tmp_path) == ["index.html links to other.html#y, but that page has no such place"]
    (tmp_path / "other.html").write_text(
        '<i id="y"></i><script src="https://cdn.example/a.js"></script><img src="no.png"><a href="no.html">1</a>'
        '<a href="../out">2</a>'
        '<link rel="stylesheet" href="a.css">'
    )
    (tmp_path / "a.css").write_text('@import "//fonts.example/b.css"; p { background: url(no.svg) }')
    assert len(check.faults(tmp_path)) == 6


@pytest.mark.skipif(browser.chromium() is None, reason="there is no Chromium here (Debian: chromium)")
def test_what_is_wrong_with_a_page_is_seen_in_a_browser(tmp_path: Path) -> None:
    wide = '<div style="width: 600px">wide</div>'
    pages = {
        "good": rf'<article><math><mi>p</mi></math><code>\(p\)</code><div style="overflow-x: auto">{wide}</div></article>',
        "wide": f"<article>{wide}</article>",
        "cut": f'<article><div style="overflow: hidden">{wide}</div></article>',
        "latex": r"<article>The share is \(p\). <merror>\frac</merror></article>",
        "figure": "<article><pre>&lt;Figure size 360x294 with 1 Axes&gt;</pre></article>",
        "script": "<article>A</article><script>console.error('one'); missing()</script>",
        "requests": '<article>A <img src="no.png"> <img src="http://cdn.example/a.png"></article>',
    }
    for name, body in pages.items():
        (tmp_path / f"{name}.html").write_text(f'<!doctype html><link rel="icon" href="data:,">{body}', encoding="utf-8")
    path = browser.chromium()
    assert path
    with browser.served(tmp_path) as address, browser.Browser(path) as opened:
        seen = {name: "\n".join(browser.faults(opened, address, f"{name}.html", 420)) for name in pages}
        assert not browser.faults(opened, address, "wide.html", 1200)
    assert seen.pop("good") == ""
    expected = {
        "wide": ("scrolls sideways", "sticks out: <div> wide"),
        "cut": ("sticks out: <div> wide",),
        "latex": (r"LaTeX left: The share is \(p\).", r"mathematics not set: \frac"),
        "figure": ("a picture is shown as text",),
        "script": ("console: one", "script: ReferenceError: missing is not defined"),
        "requests": ("status 404", "asks another host: http://cdn.example/a.png"),
    }
    assert all(words in seen[name] for name, several in expected.items() for words in several), seen


def test_every_page_stands_in_the_navigation() -> None:
    trees = re.findall(r"```\{toctree\}\n(.*?)```", (DOCS / "index.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    shown = {line for tree in trees for line in tree.split() if not line.startswith(":")}
    pages = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md") if "catalogue" not in path.parts}
    assert pages - {"index"} <= shown, "add the page to docs/index.md"
