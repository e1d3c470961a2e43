"""The recorded verdicts, reproduced; and what every claim of the package must have."""

from __future__ import annotations

import fcntl
import operator
import os
import pickle
import re
import shutil
import subprocess
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from sitepages import claims as catalogue

from dstheory.claims import Outcome, Report, verify
from dstheory.claims.reports import (
    claim_text,
    junit_report,
    latex_claims,
    latex_document,
    latex_report,
    markdown_claims,
    markdown_report,
    report_data,
)
from dstheory.claims.sources import bundled_files, load_claims
from dstheory.claims.verdicts import BY_DEFINITION
from dstheory.coq.record import recorded
from dstheory.texts import latex_text

EXPECTED = {
    # A: the chain
    "a1_chain": "A1 A1-loose A2 A2-n A2-cap",
    "a2_reflection": "A3 A3-loose A3-cap A4 A5 A6",
    # B: surrogate reward
    "b1_credit": "B1 B1-dropped B1-loose B2 B3-loose B3 B3-every",
    "b2_energy": "B4 B4-stationary B4-bound B5 B5-restricted",
    "b3_direction": "B6 B6-undiscounted B6-natural B6-answers B6-loose B6-region B6-price",
    "b4_estimators": "B7 B7-cap B7-loose B7-lengths B8 B9",
    "b5_prompts": "B7-prompts B8-loose B8-prompts",
    "b6_flow": "B6-conserved B6-conserved-loose B6-conserved-discount B6-share B6-rate",
    "b_tokens": "B4-tokens B5-loose B5-unread B5-independent",
    # C: imitation
    "c_balanced": "C1-balanced",
    "c_imitation": "C1 C2 C6 C6-loose",
    "c_optimum": "C3 C3-loose C3-shared C5-loose C5 C5-lengths C5-moves",
    "c_tokens": "C4 C4-tree C4-loose",
    # D: KL penalty
    "d_kl": "D1 D2 D2-loose D2-lengths",
    "d_minimum": "D4 D4-loose D5 D5-loose",
    "d_tokens": "D3 D3-resample D3-loose",
    # E: reward plus KL
    "e1_conditions": "E1-lengths E1-endless E1-tokens E1-tokens-loose",
    "e1_optimum": "E1 E1-discount E1-direct",
    "e2_pinning": "E2 E2-limit E3 E3-frozen",
    "e3_numbers": "E3-numbers E3-monotone",
    # F: optimisers
    "f_optimisers": "F1 F1-loose F2 F2-loose F3 F3-loose F4 F4-loose",
    "f_time": "C5-time F1-delay",
    # G: anatomy
    "g1_prediction": "G1 G1-loose G1-cap G2 G2-loose G3",
    "g2_heterogeneity": "G4 G4-loose G1-cap-loose G4-wrong G4-sign G4-sign-loose G4-mean G4-fit G4-fit-loose",
    "g2_pooled": "G2-pooled G2-pooled-loose G2-pooled-more",
    # H: one statement of each related work
    "neighbours_h1_em": "H1 H1-stages",
    "neighbours_h2_energy": "H2 H2-flow H2-flow-loose",
    "neighbours_h3_calibration": "H3 H3-unscaled H3-loose",
    "neighbours_h4_rejection": "H4 H4-loose H4-stages",
    "neighbours_h5_optimism": "H5 H5-loose H5-value H5-correction",
    "neighbours_h6_duels": "H6 H6-loose H6-error",
    "neighbours_h7_robust": "H7 H7-stages",
    "neighbours_h8_evidence": "H8 H8-reward H8-loose",
    "neighbours_h9_verifier": "H9 H9-answers H9-answers-loose H9-std H9-loose H9-decision H9-majority H9-majority-loose",
    # O: the objectives that people train with
    "o_batches": "O7 O7-loose O7-groups O8 O8-loose",
    "o_clipping": "O9 O9-loose O9-sequence O10 O10-loose O10-extreme",
    "o_dynamic": "O5-dynamic",
    "o_groups": "O4 O5 O5-loose O5-small O5-options",
    "o_kl": "O11 O11-loose O11-forward O11-weighted O12 O12-loose",
    "o_length": "O6 O6-loose O6-constant O6-baseline-loose O6-baseline O6-k1 O6-k1-loose O6-favours",
    "o_pairs": "O2 O2-start O2-loose O3",
    "o_practice": "O5-dead O5-dead-loose O5-others O5-others-loose O12-baseline O12-baseline-loose O4-turns O4-turns-loose "
    "O7-masked O7-parts O1-weights O1-weights-loose O9-importance O9-importance-loose",
    "o_score": "O13 O13-loose O13-attempt",
    "o_tokens": "O1 O1-loose O1-tokens O1-ratio O1-sft",
}
"""Proof file -> the ids of its claims, in order."""


@pytest.fixture(scope="session")
def report(tmp_path_factory) -> Report:
    """All claims, checked once, however many processes run the tests, by workers that start as users' do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dstheory.claims.workers.subprocess", subprocess)
        if "PYTEST_XDIST_WORKER" not in os.environ:
            return verify()
        shared = tmp_path_factory.getbasetemp().parent
        kept = shared / "report.pickle"
        with (shared / "report.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not kept.exists():
                kept.write_bytes(pickle.dumps(verify()))
        return pickle.loads(kept.read_bytes())


def test_every_claim_gets_its_recorded_verdict(report):
    different = {entry.info["id"]: entry.verdict.message for entry in report.entries if not entry.as_recorded}
    assert different == {}
    assert report.exit_code == 0


def test_the_claims_are_all_there(report):
    assert [path.stem for path in bundled_files()] == list(EXPECTED)
    for path in bundled_files():
        assert list(load_claims(path)) == EXPECTED[path.stem].split(), path.stem
    assert [entry.info["id"] for entry in report.entries] == " ".join(EXPECTED.values()).split()


def test_no_bundled_claim_rests_on_a_search_where_its_record_says_that_it_holds(report):
    for entry in report.entries:
        if entry.info["recorded"] in ("holds", "holds under condition"):
            assert entry.verdict.status.strength <= 2, entry.info["id"]


def test_every_claim_says_what_a_reader_needs(report):
    for entry in report.entries:
        info = entry.info
        missing = [key for key in ("title", "statement", "scope", "source", "level", "group") if not info[key]]
        assert not missing, (info["id"], missing)
        assert all(step.words for step in entry.verdict.steps), info["id"]
        if info["recorded"] == "holds":
            assert info["latex"] or info["level"] == "gradient", info["id"]


def test_no_bundled_claim_rests_on_definitions_or_on_points_where_its_record_says_that_it_holds(report):
    for entry in report.entries:
        if entry.info["recorded"] not in ("holds", "holds under condition"):
            continue
        own = [step for step in entry.verdict.steps if not step.lemma and step.kind != "example"]
        assert any(step.method != BY_DEFINITION for step in own), entry.info["id"]


def test_the_proof_of_a_bundled_claim_says_something_about_every_symbol_and_everywhere(report):
    for entry in report.entries:
        assert "no step says anything" not in entry.scope, (entry.info["id"], entry.scope)
        assert "only where" not in entry.scope or entry.info["recorded"] != "holds", entry.info["id"]


def test_what_fails_has_a_recorded_witness_and_a_sharper_claim(report):
    recorded = {entry.info["id"]: entry.info["recorded"] for entry in report.entries}
    failing = [entry for entry in report.entries if entry.verdict.outcome is Outcome.FAILS]
    assert failing
    for entry in failing:
        assert entry.info["witness"] == dict(entry.verdict.witness), entry.info["id"]
        assert any(recorded[other] != "fails" for other in entry.info["related"]), entry.info["id"]


def test_the_recorded_witnesses_are_the_smallest_there_are(report):
    for entry in report.entries:
        if entry.verdict.outcome is Outcome.FAILS:
            # An enclosure checks its recorded witness on a box around irrational numbers; there is no grid to search.
            smallest = "smallest witness" in entry.verdict.method or entry.verdict.method.startswith("enclosure")
            assert smallest, entry.info["id"]
            assert "a search found" not in entry.verdict.message, entry.info["id"]


def test_what_a_relation_says_at_its_witness_is_false(report):
    """The two numbers are read back from the message, and compared as fractions."""
    holds = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "=": operator.eq, "!=": operator.ne}
    said = [re.search(r"at the witness: (\S+) (\S+) (\S+) is false", entry.verdict.message) for entry in report.entries]
    found = [match.groups() for match in said if match]
    assert len(found) > 30
    for left, relation, right in found:
        assert not holds[relation](Fraction(left), Fraction(right)), (left, relation, right)


def test_related_claims_exist_and_loose_readings_point_to_their_sharp_form_and_back(report):
    related = {entry.info["id"]: set(entry.info["related"]) for entry in report.entries}
    for name, others in related.items():
        assert others <= set(related), name
        assert name not in others
        if name.endswith("-loose"):
            sharp = name.removesuffix("-loose")
            assert sharp in others, name
            assert name in related[sharp], sharp


def test_ids_differ_and_belong_to_their_group(report):
    ids = [entry.info["id"] for entry in report.entries]
    assert max(Counter(ids).values()) == 1
    letter = {"neighbours": "H"}
    assert all(entry.info["id"].startswith(letter.get(entry.info["group"], entry.info["group"])) for entry in report.entries)


def test_reports_mention_every_claim(report):
    for render in (report_data, junit_report, markdown_report, latex_report):
        text = str(render(report))
        assert all(entry.info["id"] in text for entry in report.entries)
    for entry in report.entries:
        assert claim_text(entry).startswith(entry.info["id"])
        assert entry.info["id"] in markdown_claims([entry])


def test_every_claim_has_a_page_in_the_catalogue(report, monkeypatch):
    """That the record is about the claims as they stand, for which each proof is built anew, is tested with the record."""
    methods = {name: entry["method"] for name, entry in recorded()["claims"].items()}
    monkeypatch.setattr(catalogue, "_claims", lambda path: {id: id for id in EXPECTED[Path(path).stem].split()})
    monkeypatch.setattr(catalogue, "confirmed", methods.get)
    pages = catalogue.pages(report.entries)
    assert set(pages) == {"claims/index.md", *(f"claims/{entry.info['id']}.md" for entry in report.entries)}
    for entry in report.entries:
        page, info = pages[f"claims/{entry.info['id']}.md"], entry.info
        assert f"**Verdict: [{info['recorded']}](../../explanation/verdicts.md#" in page
        assert f"\n# {info['id']}: " in page
        assert all(f"**{step.number}.**" in page for step in entry.verdict.steps)
        assert all(f"({other}.md)" in page for other in info["related"])
        assert ("**Witness**" in page) == (info["recorded"] == "fails")
        assert (f"accepts it as a theorem ([{methods.get(info['id'])}]" in page) == (info["id"] in methods)
        assert f"[{info['id']}]({info['id']}.md)" in pages["claims/index.md"]


def test_all_claims_are_written_whole_as_latex(report):
    """Also where no LaTeX is installed: environments and braces close, and every step and formula stands in it."""
    for entry in report.entries:
        text, steps = latex_claims([entry]), entry.verdict.steps
        assert text.startswith(rf"\paragraph{{{latex_text(entry.info['id'])}. ")
        opened = re.findall(r"\\begin\{(\w+\*?)\}", text)
        assert Counter(opened) == Counter(re.findall(r"\\end\{(\w+\*?)\}", text))
        assert len(re.findall(r"(?<!\\)\{", text)) == len(re.findall(r"(?<!\\)\}", text))
        assert text.count(r"\item ") == len(steps)
        assert opened.count("equation*") + opened.count("align*") >= bool(entry.info["latex"]) + sum(bool(s.latex) for s in steps)
        assert (" Witness: " in text) == bool(entry.verdict.witness)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_all_claims_compile_as_latex_and_nothing_runs_off_the_page(report, tmp_path):
    (tmp_path / "report.tex").write_text(latex_document(latex_report(report) + latex_claims(report.entries)))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "report.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, text=True, errors="replace")
    assert run.returncode == 0, run.stdout[-2000:]
    overfull = [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt", run.stdout)]
    assert [points for points in overfull if points > 5] == []


def test_conditions_of_steps_are_written_as_other_formulas_are(report):
    assert any(" where " in entry.scope for entry in report.entries)
    for entry in report.entries:
        assert not re.search(r"\b(Ne|Eq|And|Or|Not)\(| [&|] ", entry.scope), entry.info["id"]
