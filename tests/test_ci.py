"""What others put into their CI works: the plugin of pytest, the action's script, the hook; the recipe has our dependencies."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from dstheory import __version__

ROOT = Path(__file__).resolve().parents[1]
WRONG = """
from sympy import symbols
from dstheory.claims import UNIT, Claim, decide
p, a = symbols("p a")
wrong = Claim(id="wrong", statement="p is larger than a.", domain={"p a": UNIT}, proof=[decide("So it is.", p > a)])
"""
DIRECTORY = Path(sys.executable).parent


@pytest.mark.parametrize("address", ["https://github.com/OWNER/dstheory", "https://example.org/someone/dstheory"])
def test_one_line_gives_pypi_its_links_and_pictures(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook of the build, without the build: with the placeholder nothing is invented, with an address all links are whole."""
    interface = ModuleType("hatchling.metadata.plugin.interface")
    interface.MetadataHookInterface = object  # type: ignore[attr-defined]
    for name in ("hatchling", "hatchling.metadata", "hatchling.metadata.plugin"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, interface.__name__, interface)
    hook = runpy.run_path(str(ROOT / ".ci/metadata.py"))["RepositoryHook"]()
    (tmp_path / "dstheory").mkdir()
    for name in ("CITATION.cff", "README.md", "dstheory/_version.py"):
        text = (ROOT / name).read_text(encoding="utf-8")
        text = re.sub('repository-code: ".*"', f'repository-code: "{address}"', text)
        (tmp_path / name).write_text(text, encoding="utf-8")
    hook.root, metadata = str(tmp_path), {}
    hook.update(metadata)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    if "OWNER" in address:
        assert list(metadata["urls"]) == ["Paper"]
        assert metadata["readme"]["text"] == readme
        return
    assert metadata["urls"]["Repository"] == address
    targets = re.findall(r"(!?)\[[^]]*\]\(([^)]+)\)", metadata["readme"]["text"])
    assert len(targets) > 15
    assert all(target.startswith("https://") for _, target in targets)
    assert f"({address}/raw/{__version__}/docs/one_prompt.png)" in metadata["readme"]["text"]
    for target in [target.removeprefix(f"{address}/blob/{__version__}/") for picture, target in targets if not picture]:
        assert target.startswith("https://") or (ROOT / target.partition("#")[0]).exists(), target


@pytest.fixture
def claims(tmp_path: Path) -> Path:
    folder = tmp_path / "claims"
    folder.mkdir()
    shutil.copy(ROOT / "examples" / "my_claim.py", folder)
    (tmp_path / "test_own.py").write_text("def test_own(): pass\n", encoding="utf-8")
    return folder


def run(*words: object, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PATH": f"{DIRECTORY}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT), **more}
    return subprocess.run(list(map(str, words)), cwd=folder, capture_output=True, text=True, check=False, env=env)


def pytest_of_others(*words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    plugin = ("-p", "dstheory.claims.pytest_plugin")
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin)
    return run(*command, *words, folder=folder, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTEST_ADDOPTS="")


Pytest = Callable[..., tuple[int, str]]


@pytest.fixture
def pytest_here(claims: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Pytest:
    """Run pytest with the plugin in this process, where it is loaded and workers start fast: exit code and output."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "")
    monkeypatch.chdir(claims.parent)
    usual = ("-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-p", "dstheory.claims.pytest_plugin", "--dstheory")
    return lambda *words: (int(pytest.main([*usual, *map(str, words)])), capsys.readouterr().out)


def test_claims_are_tests_and_nothing_else_is_run(claims: Path, pytest_here: Pytest) -> None:
    (claims / "wrong.py").write_text(WRONG, encoding="utf-8")
    (claims / "broken.py").write_text("raise RuntimeError('boom')\n", encoding="utf-8")
    code, out = pytest_here(claims)
    assert code == 1
    assert "2 failed, 1 passed" in out
    said = "claim wrong: fails (recorded: holds)\np is larger than a.\nfails at the witness: 1/2 > 1/2 is false\n"
    said += "witness: p = 1/2, a = 1/2\n"
    assert said in out
    assert said in (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    assert "broken.py does not import: RuntimeError: boom (line 1)" in out


def test_claims_beside_other_tests_and_chosen_by_name(claims: Path, pytest_here: Pytest) -> None:
    code, out = pytest_here(claims / "my_claim.py", "test_own.py")
    assert (code, out.splitlines()[-1][:8]) == (0, "2 passed")
    _, out = pytest_here(claims, "test_own.py", "-k", "perfect")
    assert "1 passed, 1 deselected" in out


def test_it_loads_by_itself_without_the_option_nothing_changes_and_a_wrong_path_is_usage(claims: Path) -> None:
    assert pytest_of_others("--dstheory", claims, folder=claims.parent).stdout.splitlines()[-1].startswith("1 passed")
    assert pytest_of_others(folder=claims.parent).stdout.splitlines()[-1].startswith("1 passed")
    wrong = pytest_of_others("--dstheory", "nosuch.py", folder=claims.parent)
    assert wrong.returncode == 4
    assert "ERROR: --dstheory: there is no file nosuch.py" in wrong.stderr
    light = "import sys, dstheory.claims.pytest_plugin; print('sympy' in sys.modules, 'numpy' in sys.modules)"
    assert run(sys.executable, "-c", light, folder=claims.parent).stdout == "False False\n"


def test_the_plugin_is_announced() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"dstheory": "dstheory.claims.pytest_plugin"}


def test_the_script_of_the_action_checks_claims(claims: Path) -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    (script,) = [step["run"] for step in action["runs"]["steps"] if step.get("name") == "Check"]
    fine = run("bash", "-e", "-c", script, folder=claims.parent, CLAIMS="claims/ ", TIME_LIMIT="60")
    assert (fine.returncode, "1 verdict as recorded: 1 holds." in fine.stdout) == (0, True), fine.stderr
    (claims / "wrong.py").write_text(WRONG, encoding="utf-8")
    assert run("bash", "-e", "-c", script, folder=claims.parent, CLAIMS="claims/", TIME_LIMIT="60").returncode == 3
    used = set(re.findall(r"inputs\.([\w-]+)", (ROOT / "action.yml").read_text(encoding="utf-8")))
    assert used == set(action["inputs"])


def test_the_hook_checks_the_files_that_it_is_given(claims: Path) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert re.match(hook["files"], "claims/my_claim.py")
    assert run(*hook["entry"].split(), "claims/my_claim.py", folder=claims.parent).returncode == 0
    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    assert f"id: {hook['id']} " in page


def test_issue_forms_are_complete() -> None:
    forms = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
    assert [form.stem for form in forms] == ["bug", "claim", "log_format"]
    for form in forms:
        data = yaml.safe_load(form.read_text(encoding="utf-8"))
        assert {"name", "description", "body"} <= set(data)
        assert all({"type", "id", "attributes"} <= set(part) for part in data["body"])


def test_the_conda_recipe_has_our_version_and_dependencies() -> None:
    recipe = (ROOT / "conda" / "meta.yaml").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    called = {"lazy-loader": "lazy_loader", "matplotlib": "matplotlib-base"}  # where conda-forge has another name
    ours = {re.sub(r"^[\w-]+", lambda name: called.get(name[0], name[0]), item) for item in project["dependencies"]}
    listed = re.findall(r"^    - (\S+) (>=\S+)$", recipe.split("  run:")[1].split("\ntest:")[0], flags=re.MULTILINE)
    assert {name + bound for name, bound in listed if name != "python"} == ours
    assert f'version = "{__version__}"' in recipe
