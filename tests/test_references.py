"""REFERENCES.bib: complete, cited where it should be, and printed so that pdflatex alone resolves every citation."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from symbolic.families import derived

from dstheory import __version__
from dstheory.about import ABOUT
from dstheory.claims import verify
from dstheory.claims.reports import latex_claims, latex_report
from dstheory.claims.runner import list_claims
from dstheory.claims.sources import select
from dstheory.references import RELEASED, bibliography, bibtex, cited, load_references
from dstheory.symbolic import render

ROOT = Path(__file__).resolve().parents[1]
NUMBER = re.compile(r"(?<!\d)\d{4}\.\d{4,5}(?!\d)")
needs_pdflatex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")


def numbers_in(*folders: str) -> set[str]:
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    assert paths
    # decimals such as 0.55123 are no arXiv numbers: those start with a year and a month
    found = {n for path in paths for n in NUMBER.findall(path.read_text(encoding="utf-8"))}
    return {n for n in found if 7 <= int(n[:2]) <= 39 and 1 <= int(n[2:4]) <= 12}


def test_every_work_cited_in_proofs_and_derivations_is_there() -> None:
    known = {reference.eprint for reference in load_references().values()}
    assert numbers_in("proofs", "dstheory/symbolic", "dstheory/extensions") <= known


def test_every_entry_is_whole_and_comes_once() -> None:
    text = (ROOT / "REFERENCES.bib").read_text(encoding="utf-8")
    references = load_references()
    assert len(references) == text.count("\n@") == len(re.findall(r"eprint = |journal = |booktitle = |howpublished = ", text))
    assert len({r.eprint or r.called for r in references.values()}) == len(references)
    assert text.count("{") == text.count("}")
    assert list(references.values()) == sorted(references.values(), key=lambda r: (r.eprint, r.year if not r.eprint else ""))


def test_entries_read_well() -> None:
    references = load_references()
    printed = {key: r.latex() for key, r in references.items()}
    assert printed["tan2025argos"].startswith(r"\bibitem{tan2025argos} Tan et al. \emph{Multimodal")
    assert printed["yang2024critique"].startswith(r"\bibitem{yang2024critique} \emph{Confidence")
    assert r"Bereket and Leskovec. \emph{" in printed["bereket2025uncalibrated"]
    assert printed["zhang2025soc"].endswith("Findings of ACL 2025. arXiv:2504.07527, 2025.")
    assert printed["davis2025objective"].count("?.") == 0
    assert printed["williams1992reinforce"].endswith("Reinforcement Learning}. Machine Learning, 8, 229--256, 1992.")
    assert [references[key].called for key in ("williams1991function", "sutton2000policy")] == [
        "Williams and Peng 1991", "Sutton et al. 2000"
    ]  # fmt: skip


def test_every_work_that_an_objective_names_is_in_the_list() -> None:
    """By its number, or by authors and year."""
    work = re.compile(r"[A-Z]\w+(?: and \w+| et al\.)? \d{4}\b(?!\.)")
    named = [(about.name, found) for about in ABOUT.values() for found in work.findall(about.source)]
    assert len(named) > 5
    assert [pair for pair in named if not cited(pair[1])] == []


def test_the_package_is_cited_as_citation_cff_says() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    entry = bibtex([])
    assert citation["version"] == __version__
    assert str(citation["date-released"]) == RELEASED
    assert all(f"{{{value}}}" in entry for value in (__version__, RELEASED, citation["title"]))
    assert citation["authors"][0]["name"] in entry


def test_numbers_that_are_not_there_are_left_out() -> None:
    assert cited("arXiv 9912.99999, 0.55123") == []
    assert bibliography([]) == ""


def compiled(source: str, folder: Path) -> str:
    (folder / "page.tex").write_text(source)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    for _ in range(2):  # the second run knows the labels
        run = subprocess.run(command, cwd=folder, capture_output=True, check=False)
        assert run.returncode == 0, run.stdout[-2000:].decode(errors="replace")
    return run.stdout.decode(errors="replace")


@needs_pdflatex
def test_a_standalone_derivation_prints_its_references(tmp_path: Path) -> None:
    source = render(derived("kl-direct"), "latex", standalone=True)
    assert r"\cite{zhao2026twostage}" in source
    assert r"\bibitem{zhao2026twostage}" in source
    assert "undefined" not in compiled(source, tmp_path)
    fragment = render(derived("kl-direct"), "latex")
    assert r"\cite{zhao2026twostage}" in fragment
    assert "bibitem" not in fragment
    assert render(derived("kl-direct"), "bibtex").startswith("@misc{zhao2026twostage,")


@needs_pdflatex
def test_reports_print_their_references(tmp_path: Path) -> None:
    report = verify("H3-loose", "A6", "O2-loose", workers=1)
    head = "\\documentclass{article}\\usepackage{amsmath,amssymb,array,longtable}\\begin{document}\n"
    for source in (latex_report(report), latex_claims(report.entries)):
        assert r"\cite{bereket2025uncalibrated}" in source
        assert r"\cite{yang2024critique,yang2025selfcorrection}" in source
        assert "undefined" not in compiled(head + source + "\\end{document}\n", tmp_path)


@pytest.fixture(scope="module")
def claims() -> list[dict]:
    return list_claims("neighbours")


def test_every_neighbour_carries_its_key(claims) -> None:
    assert len(claims) >= 31
    for claim in claims:
        assert claim["references"], claim["id"]
        assert claim["references"][0] == cited(claim["source"])[0]


def test_a_work_is_found_by_its_arxiv_number(claims) -> None:
    assert [claim["id"] for claim in select(claims, ["2508.11800"])] == ["H3", "H3-unscaled", "H3-loose"]
    assert {claim["id"].partition("-")[0] for claim in select(claims, ["arXiv:2512.03438"])} == {"H9"}
