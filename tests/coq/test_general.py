"""Theorems for any number of answers: the table of them is true; in the slow profile and with Coq, so are they."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from all_claims import all_claims

from dstheory.claims import Claim
from dstheory.claims.domains import expand_domain
from dstheory.claims.steps.enclosure import Search
from dstheory.claims.steps.formula import PointStep
from dstheory.coq.export import AXIOMS
from dstheory.coq.general import FOLDER, numbers_only, own_theorems, theorems, write_library
from dstheory.coq.record import confirmed

needs_coq = pytest.mark.skipif(shutil.which("coqc") is None, reason="no coqc: install the Debian packages coq libcoq-coquelicot")
STATED = re.compile(r"^(?:Theorem|Corollary) (\w+)", re.MULTILINE)

COUNTEREXAMPLES = {"B5-unread", "B8-prompts", "E3-monotone"}

WRONG = {
    "sign": ("Accuracy", "rate_a n pi s right + rate_b n pi s right - 1", "rate_a n pi s right + rate_b n pi s right + 1"),
    "relation": ("Accuracy", "(accuracy n pi s right > p <-> d > 1)", "(accuracy n pi s right < p <-> d > 1)"),
    "strictness": ("Accuracy", "(accuracy n pi s right > p <-> d > 1)", "(accuracy n pi s right > p <-> d >= 1)"),
    "exponent": ("Chain", "let x := (g * again n pi s) ^ k in", "let x := (g * again n pi s) ^ S k in"),
    "domain": ("Accuracy", "open_chain n pi s right -> (0 < k)%nat ->", "open_chain n pi s right -> (0 <= k)%nat ->"),
    "quantifier": ("Gauge", "exists b, forall i, (i < n)%nat -> c i", "forall b, forall i, (i < n)%nat -> c i"),
    "discount": ("Gradient", "(Rs j - Rr j - g * V)", "(Rs j - Rr j - V)"),
    "factor": ("Gradient", "(N ^ 2 * (p * (1 - p)) * a * (1 - g * b))", "(N * (p * (1 - p)) * a * (1 - g * b))"),
    "term": ("Trajectories", "one one T k h l + F' (whole h l)))", "one one T k h l)))"),
    "weight": ("Energy", "= variance_of_return T k", "= g * variance_of_return T k"),
    "without a cap": ("Energy", "(A + B) = Var * ((1 - q)", "(A + B) = Var * ((1 - g * q)"),
    "energy": ("Fisher", "/\\ e_s + e_d = Sum X", "/\\ e_s = Sum X"),
    "solved": ("Fisher", "sampling_natural a -> decision_natural d ->", "sampling_natural a -> decision_natural a ->"),
    "rows": ("Trees", "x x + information_of m (rows m z) t x' x' = Variance", "x x = Variance"),
    "padding": ("Trees", "S i = true -> forall j, (j < m i)%nat ->", "S i = false -> forall j, (j < m i)%nat ->"),
    "split": ("Splitting", "answer_s 1 (sampling_variance n", "answer_s 1 (decision_variance n"),
    "two tokens": ("Splitting", "((2 <= L)%nat -> e < P * (1 - P))", "((1 <= L)%nat -> e < P * (1 - P))"),
    "twice": ("Trees", "has (next l) i = true -> j = l)", "has (next l) i = true -> True)"),
    "again": ("Turns", "(row_variance m rho) / (1 - back t)).", "(row_variance m rho))."),
    "stage": ("ToGo", "(j < T)%nat -> to_go T l (2 * j) = g *", "(j <= T)%nat -> to_go T l (2 * j) = g *"),
    "no discount": ("ToGo", "(j < T)%nat -> g <> 1 ->", "(j < T)%nat -> g <> 0 ->"),
    "covariance": ("Normaliser", "E t W * dA + dC.", "E t W * dA."),
    "cap": ("Normaliser", "* q ^ T * (E (fun l => / K l) - / INR (S T))", "* q ^ S T * (E (fun l => / K l) - / INR (S T))"),
    "prompt": ("Normaliser", "0 < rho x) -> (forall x, (x < X)%nat -> 0 < q", "0 <= rho x) -> (forall x, (x < X)%nat -> 0 < q"),
    "larger norm": ("Minimal", "side_w g p b ^ 2 <-> x < a)", "side_w g p b ^ 2 <-> a < x)"),
    "law": ("Ascent", "(2 - g) * x - exp (- x) + (1 - g) * exp x.", "2 * x - exp (- x) + (1 - g) * exp x."),
    "undiscounted": ("Ascent", "right y = false) -> 0 <= g < 1 ->", "right y = false) -> 0 <= g <= 1 ->"),
    "other law": ("Ascent", "right w = false -> 0 < g < 1 ->", "right w = false -> 0 < g <= 1 ->"),
    "equal shares": ("Halves", "p_infty (1 / 2).", "p_infty (1 / 3)."),
    "slower": ("Halves", "(1 - acc t) * (2 * t)) p_infty 1.", "(1 - acc t) * t) p_infty 1."),
    "worth later": ("Halves", "Hypothesis discount : 0 < g <= 1.", "Hypothesis discount : 0 <= g <= 1."),
    "strictly": ("Halves", "minimal_increases u v : g < 1 ->", "minimal_increases u v : g <= 1 ->"),
    "premise": ("Gauge", "<-> 0 < D < 1 \\/ ws = wd)", "<-> 0 < D \\/ ws = wd)"),
    "case": ("Imitation", "<-> lambda = 0 \\/ ls = ld)", "<-> lambda = 0)"),
    "order": ("Optimum", "0 <= r <= 2 * ref i / T ^ 2.", "0 <= r <= 2 * ref i / T ^ 3."),
    "all right": ("Optimum", "(g < 1 \\/ (exists w, (w < n)%nat", "(g <= 1 \\/ (exists w, (w < n)%nat"),
    "frozen, undiscounted": ("Optimum", "/\\ (g < 1 -> V - V0 <= 2", "/\\ (g <= 1 -> V - V0 <= 2"),
    "side": ("Penalty", "(fun i => 1 - ref i / pi i) j = 0) <->", "(fun i => 1 - ref i / pi i) j = 1) <->"),
    "distance": ("Training", "(v * (aE - a) / aE)", "(v * (1 - a) / aE)"),
    "visited": ("Training", "(j < n)%nat -> piE j = 0 ->", "(j < n)%nat -> 0 <= piE j ->"),
    "half": ("Training", "= (w + v) / (2 * v) * imitation_time", "= (w + v) / v * imitation_time"),
    "clipped": ("Training", "c <= sqrt (norm2 n m g h w v) ->", "0 <= sqrt (norm2 n m g h w v) ->"),
    "towards": ("Training", "(aE < pE -> best < more < pE)", "(aE < pE -> best > more)"),
    "memory": ("Endless", "earned 0 T h <= V + eps)\n  /\\", "earned 0 T h <= V - eps)\n  /\\"),
    "existence": ("Endless", "(exists V, phi V = V) <-> never < 0.", "(exists V, phi V = V) <-> never <= 0."),
    "price": ("Endless", "-> 0 <= kappa -> never < 0.", "-> -1 <= kappa -> never < 0."),
    "bonus": ("Endless", "Theorem endless_bonus bonus : 2 <= bonus ->", "Theorem endless_bonus bonus : 0 <= bonus ->"),
    "square": ("Tokens", "X) = nE ^ 2 / n * Sum L (fun i => w i ^ 2", "X) = nE ^ 2 / n * Sum L (fun i => w i"),
    "answers": ("Tokens", "(Tok pi L nil (fun l => ratio l ^ 2) - 1).", "(Tok pi L nil (fun l => ratio l) - 1)."),
    "tilted": ("Tokens", "chance p l = chance ref l * exp (Q l / beta)", "chance p l = chance ref l * exp (Q l)"),
    "limit": ("Tokens", "is_lim_seq share (D / (q * (1 - q)))", "is_lim_seq share 1"),
    "mean": ("Tokens", "0 < beta -> k <> 0 -> 0 <= v ->", "0 < beta -> 0 <= k -> 0 <= v ->"),
    "penalty": ("Slopes", "discount_not_stationary : g < 1 ->", "discount_not_stationary : g <= 1 ->"),
    "scale": ("Slopes", "= N / N1 * (Rs j - Rr j - g * V_R).", "= N1 / N * (Rs j - Rr j - g * V_R)."),
    "multiplier": ("Lengths", "ref i * exp ((Q i - mu) / T i - 1).", "ref i * exp ((Q i - mu) / T i)."),
    "normaliser": ("Lengths", "\\/ Z0 = exp 1).", "\\/ Z0 = 1)."),
    "frozen": ("Frozen", "stops V c + (1 - stops V v) <= 1) ->", "stops V c + (1 - stops V v) <= 2) ->"),
    "factors": ("Frozen", "share_odds z S' D < share_odds z S D.", "share_odds z S D < share_odds z S' D."),
    "own mean": (
        "Groups",
        "(INR G - 1) / INR G * (mean (fun i => r i * f i) - mean r * mean f).",
        "mean (fun i => r i * f i) - mean r * mean f.",
    ),
    "samples": ("Groups", "kept x M = (1 - (1 - x) ^ M) / x.", "kept x M = (1 - (1 - x) ^ S M) / x."),
    "pooled": ("Attempts", "pooled T ^ T <= on T\n", "pooled T ^ T < on T\n"),
    "reflection": ("Attempts", "0 <= (a + b - 1) * (Acc pooled_p", "0 <= (1 - a - b) * (Acc pooled_p"),
    "in time": ("Attempts", "stopped n pi s k = 1 - q ^ T /", "stopped n pi s k = 1 - q ^ k /"),
    "odd": ("Leads", "sqrt (4 * (p * (1 - p))) ^ n.", "sqrt (2 * (p * (1 - p))) ^ n."),
    "negative": ("Adam", "t k : 0 < t -> 0 <= b1", "t k : t <> 0 -> 0 <= b1"),
    "ratio": ("Surrogates", "by_ratio (fun lp i t => A lp i * rho lp i t).\nProof", "by_ratio (fun lp i _ => A lp i).\nProof"),
    "geometric mean": ("Surrogates", "(k = gspo -> forall lp", "(k = grpo -> forall lp"),
    "token by token": ("Surrogates", "=> Sum (v - t) (fun w => ell lp i (t + w)) = 0 end.", "=> ell lp i t = 0 end."),
    "lengths": ("Surrogates", "lambda = 1 <-> lambda = 0)", "lambda = 1 <-> lambda = 1)"),
    "preferred": ("Surrogates", "(fun lp i _ => sign i * gate lp)", "(fun lp i _ => gate lp)"),
    "reached": ("Others", "1 - (1 - (1 - r) ^ G) / (INR G * r)", "1 - (1 - (1 - r) ^ G) / INR G"),
    "alone": ("Others", "INR (S N) * (x * (1 - x) ^ N + (1 - x) * x ^ N)", "INR (S N) * (x * (1 - x) ^ N + x * x ^ N)"),
    "others agree": ("Others", "(((1 - x) ^ N + x ^ N) / eps + rest)", "((1 - x) ^ N / eps + rest)"),
    "one of two": ("Others", "Theorem credit_sizes eps N m own : (2 <= N)", "Theorem credit_sizes eps N m own : (0 <= N)"),
    "drawn again": ("Others", "(kept_weight x * slope x)) / P_mixed).", "(kept_weight x * slope x)))."),
    "votes": ("Majority", "wrong_majority r n <-> r < 1 / 2)", "wrong_majority r n <-> r < 1 / 3)"),
    "majority": ("Majority", "(factor > 0 <-> 1 - r0 - r1 > 0)", "(factor > 0 <-> 1 - r0 - r1 < 0)"),
    "odd votes": ("Majority", "wrong_majority (1 - r) n = 1 - wrong", "wrong_majority (1 - r) n = wrong"),
    "rate for each": ("Verifier", "f j = if right j then u else v.", "f j = if right j then v else v + 0 * u."),
    "undone": ("Importance", "Ex n mu m T k (fun l => ratio T k l * F l)", "Ex n mu m T k F"),
    "cut": ("Importance", "- Ex n mu m T k (fun l => if Rle_dec", "+ Ex n mu m T k (fun l => if Rle_dec"),
    "per token": ("Averages", "/ sum_of t l) (slope / E t).", "/ sum_of t l) slope."),
    "of the group": ("Averages", "((INR G - 1) / INR G * (gradient / length_mean))", "(gradient / length_mean)"),
    "one length": ("Averages", "(y < X)%nat -> length x = length y)", "(y < X)%nat -> rho x = rho y)"),
    "covariances": ("Pooled", "(part > 0 <-> d > 0) /\\", "(part > 0 <-> d < 0) /\\"),
    "not all equal": ("Pooled", "(covariance a b > 0 <-> a + b < 1)", "(covariance a b > 0 <-> a + b > 1)"),
    "one kind": ("Pooled", "0 < spread A E p ->\n  a + b", "0 <= spread A E p ->\n  a + b"),
    "no mean": (
        "Expectation",
        "(forall i, Rabs (f i) <= Rabs (g i)) -> summable f",
        "(forall i, f i <= Rabs (g i)) -> summable f",
    ),
    "bounds": ("Deviation", "0 < std_weight G x < (1 - 1 / INR G) / sqrt y", "0 < std_weight G x < (1 - 2 / INR G) / sqrt y"),
    "four": ("Deviation", "larger_groups G : (4 <= G)", "larger_groups G : (3 <= G)"),
    "softened": ("Deviation", "(softened G eps) < weight_of", "(softened G (- eps)) < weight_of"),
    "own weight": ("Natural", "/\\ d y = v * decision_step y)", "/\\ d y = w * decision_step y)"),
    "pushed": ("Ratios", "answer_ratio lp < (1 + eps) ^ L ->", "answer_ratio lp <= (1 + eps) ^ L ->"),
    "delay": ("Clipping", "Rabs (y s i - x0 i)) / c).", "Rabs (y s i - x0 i)) / c / 2)."),
    "point": ("Gradient", "/\\ d < 0.", "/\\ d > 0."),
    # Hypotheses that nothing meets: the theorems are true, and their examples fail.
    "met by no number": ("Flow", "j : (0 < n)%nat -> (j < n)%nat ->", "j : (n < 0)%nat -> (j < n)%nat ->"),
    "met by no discount": ("Slopes", "Theorem discount_not_stationary : g < 1 ->", "Theorem discount_not_stationary : g < 0 ->"),
    "met by no flow": ("Halves", "minimal_increases u v : g < 1 ->", "minimal_increases u v : g < 0 ->"),
}


def without_comments(text: str) -> str:
    return re.sub(r"\(\*.*?\*\)", "", text, flags=re.DOTALL)


def test_the_table_lists_every_theorem_of_every_file_once() -> None:
    stated = {path.stem: STATED.findall(path.read_text()) for path in FOLDER.glob("*.v")}
    listed: dict[str, list[str]] = {file: [] for file in stated}
    for item in theorems():
        listed[item.file].append(item.name)
    assert listed == stated


@pytest.fixture(scope="module")
def claims() -> dict[str, Claim]:
    return all_claims()


def test_every_claim_that_holds_says_once_what_is_proved_in_general(claims: dict[str, Claim]) -> None:
    proved = {claim for item in theorems() for claim in item.claims}
    said = Counter([*proved, *numbers_only(), *own_theorems()])
    assert set(said) <= set(claims)
    assert {name for name, claim in claims.items() if claim.recorded != "fails"} - COUNTEREXAMPLES <= set(said)
    assert max(said.values()) == 1
    assert all(item.general and item.assumes for item in theorems())


def test_symbols_of_general_claims_range_over_what_is_assumed(claims: dict[str, Claim]) -> None:
    for name, symbols in own_theorems().items():
        general = [step for step in claims[name].steps() if not isinstance(step, PointStep | Search)]
        ranging = {str(symbol) for step in general for symbol in expand_domain(step.where)} | set(claims[name].domain_by_name)
        assert set(symbols) <= ranging, name
        assert confirmed(claims[name]) is not None, name


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.v")), ids=lambda path: path.stem)
def test_nothing_is_assumed(path: Path) -> None:
    text = without_comments(path.read_text())
    assert not re.search(r"\b(Admitted|admit|Axioms?|Parameters?|Conjecture|bypass_check|Unset)\b", text)
    assert text.count("\nSection ") == text.count("\nEnd ")
    outside = re.sub(r"^Section (\w+)\..*?^End \1\.", "", text, flags=re.DOTALL | re.MULTILINE)
    assert not re.search(r"^(Variables?|Hypothes[ie]s|Context)\b", outside, re.MULTILINE)


def stand_after_those_that_they_need(files: list[str], folder: Path) -> None:
    assert {path.stem for path in folder.glob("*.v")} == set(files)
    for number, file in enumerate(files):
        needed = re.findall(r"From Kernel Require Import ([\w ]+)\.", (folder / f"{file}.v").read_text())
        assert set(" ".join(needed).split()) <= set(files[:number])


def test_files_stand_after_those_that_they_need(tmp_path: Path) -> None:
    stand_after_those_that_they_need([Path(name).stem for name in write_library(tmp_path)], tmp_path / "kernel")


@needs_coq
def test_make_takes_files_after_those_that_they_need(tmp_path: Path) -> None:
    write_library(tmp_path)
    for folder in (tmp_path / "kernel", FOLDER):
        command = ["make", "-s", "-C", str(folder), "COQC=echo", "COQDEP=coqdep"]
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
        stand_after_those_that_they_need(re.findall(r"(\w+)\.v$", said, re.MULTILINE), folder)


@needs_coq
def test_make_fails_without_an_order(tmp_path: Path) -> None:
    write_library(tmp_path)
    ran = subprocess.run(
        ["make", "-C", str(tmp_path / "kernel"), "COQC=echo", "COQDEP=false"], capture_output=True, check=False, timeout=60
    )
    assert ran.returncode != 0


def test_theorems_are_named_with_their_files(tmp_path: Path) -> None:
    write_library(tmp_path)
    asked = (tmp_path / "kernel" / "Assumptions.v").read_text()
    assert all(f"@{item.file}.{item.name}" in asked for item in theorems())


def run(folder: Path, file: str) -> subprocess.CompletedProcess[str]:
    command = ["coqc", "-q", "-w", "none", "-R", ".", "Kernel", f"{file}.v"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=600)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    for name in write_library(folder)[:-1]:
        ran = run(folder / "kernel", Path(name).stem)
        assert ran.returncode == 0, f"{name}: {ran.stderr}"
    return folder / "kernel"


@needs_coq
@pytest.mark.slow
class TestWithCoq:
    def test_the_theorems_rest_on_the_real_numbers_alone(self, compiled: Path) -> None:
        said = run(compiled, "Assumptions")
        assert said.returncode == 0, said.stderr
        answers = said.stdout.count("Axioms:") + said.stdout.count("Closed under")
        assert answers == len({file for item in theorems() for file in (item.file, item.example_file)})
        assert set(re.findall(r"^([\w.]+)(?=$| :)", said.stdout, re.MULTILINE)) <= set(AXIOMS)

    @pytest.mark.parametrize(("file", "right", "wrong"), list(WRONG.values()), ids=list(WRONG))
    def test_a_false_statement_is_refused(self, compiled: Path, file: str, right: str, wrong: str) -> None:
        text = (compiled / f"{file}.v").read_text()
        assert right in text
        (compiled / "Wrong.v").write_text(text.replace(right, wrong, 1))
        ran = run(compiled, "Wrong")
        assert ran.returncode != 0
        assert "Error" in ran.stderr
