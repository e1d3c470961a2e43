"""Renderings: well-formed, stable from run to run, and, with a real pdflatex, pages on which nothing runs off the margin."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import sympy as sp
from profiles import EXHAUSTIVE
from symbolic.families import SHOWN, accepted, derived

from dstheory.rational.symbols import symbol
from dstheory.symbolic import render
from dstheory.symbolic.derivation import DerivedGradient, Display
from dstheory.symbolic.objectives import lookup
from dstheory.symbolic.render.latex import PREAMBLE
from dstheory.symbolic.render.mathml import formula_mathml as mathml
from dstheory.symbolic.render.printers import formula_latex as latex
from dstheory.symbolic.render.printers import formula_text as text
from dstheory.texts import latex_text

OPTIONS = [{}, {"rewards": "general", "discount_per": "stage", "reduction": "mean", "per_answer_lengths": True}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", SHOWN)
def test_text_fits_its_width_and_says_everything(name: str, options: dict) -> None:
    derivation = derived(name, **accepted(name, options))
    shown = render(derivation, "text")
    assert max(map(len, shown.splitlines())) <= 100
    assert shown.endswith("\n")
    assert not shown.endswith("\n\n")
    assert "Dummy" not in shown
    assert "_k]" not in shown
    for title in ("The chain", "The objective", "Coefficients", "The gradient", "Attribution at the", "Assumptions"):
        assert title in shown
    for logit in derivation.gradient:
        assert logit.name in shown
    assert derivation.verdict.verdict in shown


@pytest.mark.parametrize("name", SHOWN)
def test_mathml_is_well_formed(name: str) -> None:
    root = ElementTree.fromstring(render(derived(name, **accepted(name, OPTIONS[1])), "mathml"))
    space = "{http://www.w3.org/1998/Math/MathML}"
    tables = root.findall(f".//{space}math[@display='block']")
    assert len(tables) > 5
    for row in root.iter(f"{space}mtr"):
        assert len(row.findall(f"{space}mtd")) >= 3


@pytest.mark.parametrize("name", SHOWN)
def test_latex_is_balanced(name: str) -> None:
    for standalone in (False, True):
        source = render(derived(name), "latex", standalone=standalone)
        assert source.isascii()
        assert ("\\documentclass" in source) is standalone
        begins, ends = re.findall(r"\\begin\{(.+?)\}", source), re.findall(r"\\end\{(.+?)\}", source)
        assert sorted(begins) == sorted(ends)
        unescaped = re.sub(r"\\[{}]", "", source)
        assert unescaped.count("{") == unescaped.count("}")
        assert source.count("\\Bigl") == source.count("\\Bigr")


def test_the_notebook_shows_the_gradient() -> None:
    shown = derived("reinforce")._repr_latex_()
    assert shown.startswith("$$\\begin{aligned}")
    assert r"N \, p \, \left(1 - p\right) \, \left(Q_{C} - Q_{W}\right)" in shown


@pytest.mark.parametrize(("name", "options"), [("score-summed", {}), ("grpo", {"per_answer_lengths": True})], ids=str)
def test_the_chance_of_another_turn_is_written_q_where_a_rule_states_its_update(name: str, options: dict) -> None:
    derivation = derived(name, **options)
    p, a, b = (symbol(x) for x in "pab")
    stops = sp.expand(1 - p * (1 - a) - b * (1 - p))
    shown = [value for item in _displays(derivation) for value in item.right if isinstance(value, sp.Expr)]
    assert any(value.has(1 - symbol("q")) for value in shown)
    assert not [value for value in shown for part in value.atoms(sp.Add) if sp.expand(part - stops) == 0]


def _displays(derivation: DerivedGradient) -> list[Display]:
    return [item for step in derivation.steps for item in step.items if isinstance(item, Display)]


def test_small_pieces_of_notation() -> None:
    p, g = symbol("p"), symbol("gamma")
    assert text(1 - g * p) == "1 - gamma*p"
    assert text(-p + symbol("p_E")) == "p_E - p"
    assert latex(symbol("p_ref_t0")) == r"p^{(0)}_{\mathrm{ref}}"
    assert latex(symbol("lambda")) == r"\lambda"
    assert mathml(symbol("p_ref_t0")) == "<msubsup><mi>p</mi><mi>ref</mi><mi>(0)</mi></msubsup>"
    assert latex_text("50% of {x} < y_1") == r"50\% of \{x\} $<$ y\_1"


def digests(every: bool) -> dict[str, str]:
    """A digest of derivations in all formats, computed where it is called."""
    found = {}
    capped = {"turns": 2, "rewards": "general", "reduction": "mean"}
    few = ("forward-kl", "entropy", "grpo", "score-summed")
    plain = SHOWN if every else few
    for name, options in (*((name, {}) for name in plain), *((name, capped) for name in ("kl", "sft", "grpo", "reinforce-pp"))):
        styles = ("text", "latex", "mathml", "python", "json")
        shown = "".join(render(derived(name, **options), style, standalone=style == "latex") for style in styles)
        found[f"{name} {options}"] = hashlib.sha256(shown.encode()).hexdigest()
    return found


def test_output_is_the_same_in_every_process() -> None:
    """Of this process, whose hashes are seeded at random, and of another with a seed of its own."""
    code = f"import json; from symbolic.test_render import digests; print(json.dumps(digests({EXHAUSTIVE})))"
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    other = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "4242"},
    )
    here = digests(EXHAUSTIVE)
    assert json.loads(other.communicate(timeout=300)[0]) == here
    assert len(set(here.values())) == len(here)


PAGES = [
    *[(name, {}) for name in SHOWN],
    ("grpo", {"turns": 2, "per_answer_lengths": True}),
    *[(name, OPTIONS[1]) for name in ("reinforce", "advantage", "kl", "kl-direct", "sft")],
    ("kl", {"answers": 4}),
    ("kl-direct", {"answers": 3}),
    ("entropy", {"answers": 3, "turns": 2}),
    ("advantage", {"turns": 2, "rewards": "general"}),
    ("advantage", {"turns": 3, "rewards": "general"}),
    ("kl", {"turns": 3}),
    ("reinforce", {"turns": 2, "turn_indexed": True, "rewards": "general"}),
]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed, so nothing can be compiled")
def test_standalone_latex_compiles_and_nothing_runs_off_the_page(tmp_path: Path) -> None:
    pages = [(derived(name, **options), f"{name} {options}") for name, options in PAGES]
    at = {"p": "1/3", "a": "1/5", "b": "1/7", "gamma": "9/10"}
    pages.append((derived(lookup("reward-to-go", outer_discount=False), discount_per="stage").at(at), "numbers"))
    end = "\\end{document}\n"
    bodies = []  # compiled as one document, since all are alike up to what they begin and end with
    for derivation, said in pages:
        source = render(derivation, "latex", standalone=True)
        assert (source[: len(PREAMBLE)], source[-len(end) :]) == (PREAMBLE, end)
        bodies.append(rf"\clearpage\typeout{{BEGIN {said}}}" + "\n" + source.removeprefix(PREAMBLE).removesuffix(end))
    (tmp_path / "all.tex").write_text(PREAMBLE + "".join(bodies) + end, encoding="utf-8")
    run = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "all.tex"],
        cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=120, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-2000:]
    assert run.stdout.count("BEGIN ") == len(pages)
    assert (tmp_path / "all.pdf").stat().st_size > 100_000
    wide = [part.splitlines()[0] for part in run.stdout.split("BEGIN ")[1:] if re.search(r"Overfull \\hbox", part)]
    assert not wide


def test_formulas_in_the_notes_beside_quantities_are_set() -> None:
    source = render(derived("grpo"), "latex")
    assert r"\text{($E[1/K]$, $K$ the number of turns)}" in source
    assert "(E[" not in source
