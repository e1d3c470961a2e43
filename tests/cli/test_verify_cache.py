"""Kept verdicts: used again only if nothing that they rest on has changed; damaged and foreign entries are not trusted."""

from __future__ import annotations

import os
import subprocess

import pytest

from dstheory.claims import cache
from dstheory.claims.cache import Cache
from dstheory.claims.runner import Report, verify

HEAD = """
from sympy import symbols
from dstheory.claims import UNIT, Claim, decide
p, a = symbols("p a")
"""
CLAIM = """
proof = [decide("D.", {formula} > 0)]
claim = Claim(id="{id}", statement="S.", domain={{"p a": UNIT}}, proof=proof, recorded="{recorded}")
"""


def text(name, formula="p * a", extra="", recorded="holds"):
    return HEAD + extra + CLAIM.format(id=name, formula=formula, recorded=recorded)


FILES = {
    "plain.py": text("plain"),
    "helped.py": text("helped", "f(p, a)", "from formulas_of_ours.deep import f\n"),
    "maybe.py": text("maybe", "p + a + g", "try:\n    from not_yet_there import g\nexcept ImportError:\n    g = 0\n"),
    "data.py": text("data", "p + a + n", "from pathlib import Path\nn = int(Path(__file__).with_name('n.txt').read_text())\n"),
    "runs.py": text("runs", "p + a", "import subprocess, sys\nsubprocess.run([sys.executable, '-c', ''])\n"),
    "lists.py": text("lists", "p + a + n", "from pathlib import Path\nn = len(list(Path(__file__).parent.glob('*.none')))\n"),
    "false.py": text("false", "p - a", recorded="fails"),
    "undecided.py": text("undecided", "p - a + (sum(symbols('x_1:7')) * 0)", "", "fails").replace("decide(", "1 / 0 or decide("),
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A directory of claims, and the verdicts of one run with a cache."""
    root = tmp_path_factory.mktemp("kept")
    claims = root / "claims"
    (claims / "formulas_of_ours").mkdir(parents=True)
    (claims / "formulas_of_ours" / "__init__.py").write_text("")
    (claims / "formulas_of_ours" / "deep.py").write_text("def f(p, a):\n    return p * a\n")
    (claims / "n.txt").write_text("0")
    for name, content in FILES.items():
        (claims / name).write_text(content)
    alone = ["plain.py", "false.py"]  # what a worker has read for other claims counts for all that follow
    others = [name for name in FILES if name not in [*alone, "runs.py", "lists.py"]]
    runs = [alone, others, ["lists.py"]]
    reports = [verify(*[str(claims / n) for n in names], workers=1, cache=root / "cache") for names in runs]
    return root, Report(reports[0].entries + reports[1].entries)  # of what is kept


def requests(root):
    options = {"op": "check", "seed": 0, "examples": 100, "time_limit": 15.0}
    return {name[:-3]: {**options, "path": str(root / "claims" / name), "id": name[:-3]} for name in FILES}


def test_a_first_run_keeps_what_was_settled_and_uses_nothing(kept):
    root, report = kept
    assert not any(entry.cached for entry in report.entries)
    found = {name for name, request in requests(root).items() if Cache(root / "cache").find(request)}
    assert found == {"plain", "helped", "maybe", "data", "false"}  # neither an error, nor what was not checked


def test_what_is_found_is_what_was_kept(kept):
    root, report = kept
    verdicts = {entry.info["id"]: entry.verdict for entry in report.entries}
    assert Cache(root / "cache").find(requests(root)["false"]) == verdicts["false"]


@pytest.mark.parametrize("option", [{"seed": 1}, {"examples": 99}, {"time_limit": 14.0}])
def test_another_question_is_another_verdict(kept, option):
    root, _ = kept
    assert Cache(root / "cache").find({**requests(root)["plain"], **option}) is None


@pytest.mark.parametrize("module", ["claims/solver.py", "claims/verdicts.py", "rational/polynomials.py", "claims/cache.py"])
def test_a_change_in_the_package_counts(kept, monkeypatch, module):
    root, _ = kept
    known = cache._checksum
    monkeypatch.setattr(cache, "_checksum", lambda file: "other" if str(file).endswith(f"dstheory/{module}") else known(file))
    assert Cache(root / "cache").find(requests(root)["plain"]) is None


def test_another_version_counts(kept, monkeypatch):
    root, _ = kept
    setting = [line.replace("sympy ", "sympy 9.") for line in cache._setting()]
    assert setting != cache._setting()
    monkeypatch.setattr(cache, "_setting", lambda: setting)
    assert Cache(root / "cache").find(requests(root)["plain"]) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace('"status": "refuted"', '"status": "proved"'),
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: text.replace('"checksum": "', '"checksum": "0'),
        lambda text: "",
    ],
)
def test_a_damaged_entry_is_not_trusted(kept, damage):
    root, _ = kept
    own = Cache(root / "cache")
    path = own._path(requests(root)["false"])
    whole = path.read_text()
    path.write_text(damage(whole))
    try:
        assert path.read_text() != whole
        assert own.find(requests(root)["false"]) is None
        assert own.damaged == 1
    finally:
        path.write_text(whole)
    assert own.find(requests(root)["false"]) is not None


def test_an_entry_of_another_claim_is_not_trusted(kept):
    root, _ = kept
    own = Cache(root / "cache")
    one, other = (own._path(requests(root)[name]) for name in ("false", "plain"))
    whole = one.read_text()
    one.write_text(other.read_text())
    try:
        assert own.find(requests(root)["false"]) is None
        assert own.damaged == 1
    finally:
        one.write_text(whole)


def test_changes_are_seen_and_the_rest_is_cached(kept, dstheory):
    root, _ = kept
    claims = root / "claims"
    (claims / "formulas_of_ours" / "deep.py").write_text("def f(p, a):\n    return p * a - 1\n")
    (claims / "not_yet_there.py").write_text("g = -1\n")
    (claims / "n.txt").write_text("-1")
    (root / "cache" / "notes.txt").write_text("no verdict")
    chosen = [claims / name for name in FILES if name != "undecided.py"]
    result = dstheory("verify", *chosen, "--workers", "1", "--json", "--cache", root / "cache")
    found = {claim["id"]: (claim.get("cached", False), claim["verdict"]["outcome"]) for claim in result.result["claims"]}
    assert found == {
        "plain": (True, "holds"),
        "helped": (False, "fails"),
        "maybe": (False, "fails"),
        "data": (False, "fails"),
        "runs": (False, "holds"),
        "lists": (False, "holds"),  # what a directory holds next time is not known
        "false": (True, "fails"),
    }
    assert "1 file not used: damaged, or not a kept verdict" in result.err
    assert Cache(root / "cache").find(requests(root)["runs"]) is None  # what another program says is not known to be the same
    table = dstheory("verify", claims / "plain.py", "--cache", root / "cache").out
    assert "holds, cached" in " ".join(table.split())


def test_what_the_environment_says_to_python_counts_within_one_process(kept, monkeypatch):
    root, _ = kept
    assert Cache(root / "cache").find(requests(root)["plain"])
    monkeypatch.setenv("PYTHONPATH", str(root / "another"))
    assert Cache(root / "cache").find(requests(root)["plain"]) is None


@pytest.mark.parametrize("by", ["the environment", "the file"])
def test_a_module_that_comes_before_another_in_the_path_counts(by, tmp_path, monkeypatch):
    first, other, claims = (tmp_path / name for name in ("first", "other", "claims"))
    for directory in (first, other, claims):
        directory.mkdir()
    (other / "number_of_ours.py").write_text("n = 0\n")
    path = [str(first), str(other)]
    before = f"import sys\nsys.path[:0] = {path}\n" if by == "the file" else ""
    (claims / "rests.py").write_text(text("rests", "p + a + n", f"{before}from number_of_ours import n\n"))
    if by == "the environment":
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
        monkeypatch.setattr("dstheory.claims.workers.subprocess", subprocess)  # a worker that is forked has the path of the tests

    def outcome():
        (entry,) = verify(str(claims / "rests.py"), workers=1, cache=tmp_path / "cache").entries
        return entry.verdict.outcome, entry.cached

    assert [outcome(), outcome()] == [("holds", False), ("holds", True)]
    (first / "number_of_ours.py").write_text("n = -1\n")
    assert outcome() == ("fails", False)


COMPILED = {
    "sqlite3": "(n,), = sqlite3.connect(':memory:').execute('select 0')\n",
    "pyarrow": "n = len(pyarrow.array([]))\n",
    "h5py": "n = 0\n",
    "os": "n = len(os.listdir('/')) - len(os.listdir('/'))\n",
    "os.path": "n = len(list(os.scandir('/'))) - len(list(os.scandir('/')))\n",
}


@pytest.mark.parametrize("library", COMPILED)
def test_what_a_library_opens_by_itself_and_a_directory_are_not_known_to_be_the_same(library, tmp_path):
    (tmp_path / "h5py.py").write_text("")
    (tmp_path / "rests.py").write_text(text("rests", "p + a + n", f"import {library}\n{COMPILED[library]}"))
    for _ in range(2):
        (entry,) = verify(str(tmp_path / "rests.py"), workers=1, cache=tmp_path / "cache").entries
        assert (entry.verdict.outcome, entry.cached) == ("holds", False)


@pytest.mark.parametrize("dated", ["", "os.utime(path, (0, 0))\n"])
def test_what_was_written_meanwhile_is_not_what_a_verdict_rests_on(dated, tmp_path):
    """The second run finds the number that the first has left."""
    (tmp_path / "n.txt").write_text("0")
    lines = "import os\nfrom pathlib import Path\npath = Path(__file__).with_name('n.txt')\n"
    lines += f"n = int(path.read_text())\npath.write_text('-1')\n{dated}"
    (tmp_path / "rests.py").write_text(text("rests", "p + a + n", lines))
    runs = [verify(str(tmp_path / "rests.py"), workers=1, cache=tmp_path / "cache").entries[0] for _ in range(2)]
    assert [entry.verdict.outcome for entry in runs] == ["holds", "fails"]


LINKED = {
    "data": "n = int(Path(__file__).with_name('link.txt').read_text())\n",
    "updated": "n = int(open(Path(__file__).with_name('link.txt'), 'r+').read())\n",
    "module": "from linked import n\n",
    "environment": "import os\nn = int(os.environ.get('N_OF_OURS', '0'))\n",
    "environment in bytes": "import os\ngiven = os.environb if os.supports_bytes_environ else os.environ\n"
    "n = int(given.get(os.fsencode('N_OF_OURS') if os.supports_bytes_environ else 'N_OF_OURS', 0))\n",
}


@pytest.mark.parametrize("kind", LINKED)
def test_what_links_and_the_environment_lead_to_counts(kind, tmp_path, monkeypatch):
    claims = tmp_path / "claims"
    claims.mkdir()
    for name, number in (("old", 0), ("new", -1)):
        (tmp_path / f"{name}.txt").write_text(str(number))
        (tmp_path / f"{name}.py").write_text(f"n = {number}\n")
    links = {"link.txt": ".txt", "linked.py": ".py"}
    for link, end in links.items():
        (claims / link).symlink_to(tmp_path / f"old{end}")
    (claims / "rests.py").write_text(text("rests", "p + a + n", "from pathlib import Path\n" + LINKED[kind]))

    def outcome():
        (entry,) = verify(str(claims / "rests.py"), workers=1, cache=tmp_path / "cache").entries
        return entry.verdict.outcome, entry.cached

    assert outcome() == ("holds", False)
    assert outcome() == ("holds", True)
    for link, end in links.items():
        (claims / link).unlink()
        (claims / link).symlink_to(tmp_path / f"new{end}")
    monkeypatch.setenv("N_OF_OURS", "-1")
    assert outcome() == ("fails", False)
