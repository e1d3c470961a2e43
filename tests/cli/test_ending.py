"""How commands end: documented exit codes, one sentence, whatever standard output, the directory and the environment are."""

from __future__ import annotations

import ast
import errno
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from cli.conftest import Outcome

from dstheory import kernels
from dstheory.cli.ending import EXIT_CODES
from dstheory.cli.main import EPILOG
from dstheory.cli.show import announce_compilation
from dstheory.interrupts import SIGNALS, Interrupted, handled

ROOT = Path(__file__).parents[2]


def ran(command: str, cwd: Path, **environment: str) -> tuple[int, str]:
    """Run a line of the shell in which `dstheory` is this package; return the exit code of its first part, and its errors."""
    line = f'dstheory() {{ "{sys.executable}" -m dstheory.cli.main "$@"; }}; {command}; exit ${{PIPESTATUS[0]}}'
    found = subprocess.run(
        ["bash", "-c", line], cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip
    return found.returncode, found.stderr


def test_the_documented_codes_are_those_of_the_code() -> None:
    page = (ROOT / "docs/exit_codes.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (\d+) \| (.+) \|$", page, flags=re.MULTILINE) == [(str(k), v) for k, v in EXIT_CODES.items()]
    assert {int(code) for code in re.findall(r"^  (\d+) ", EPILOG, flags=re.MULTILINE)} == set(EXIT_CODES)


def test_no_other_code_is_written_down_anywhere() -> None:
    known = {*EXIT_CODES, *(128 + number for number in SIGNALS)}
    for path in [*(ROOT / "dstheory/cli").rglob("*.py"), ROOT / "dstheory/claims/runner.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if name in ("sys.exit", "exit", "SystemExit", "os._exit", "ctx.exit") and isinstance(node, ast.Call):
                values = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
                assert set(values) <= known, f"{path}: {ast.unparse(node)}"
    report = ast.parse((ROOT / "dstheory/claims/runner.py").read_text(encoding="utf-8"))
    (verdicts,) = (node for node in ast.walk(report) if isinstance(node, ast.FunctionDef) and node.name == "exit_code")
    assert {c.value for c in ast.walk(verdicts) if isinstance(c, ast.Constant) and isinstance(c.value, int)} == {0, 1, 3, 4}
    assert {cls.exit_code for cls in (click.ClickException, click.UsageError)} <= known


@pytest.mark.parametrize("command", ["objectives", "--help"])
def test_a_reader_that_stops_reading(tmp_path: Path, command: str) -> None:
    # `read` takes one line and closes the pipe; the number of lines does not matter, since everything is read or refused.
    code, err = ran(f"(sleep 0.5; PYTHONUNBUFFERED=1 dstheory {command}) | true", tmp_path)
    assert (code, err) == (141, "")


@pytest.mark.parametrize("command", ["objectives", "--help"])
def test_a_full_disk_behind_standard_output(tmp_path: Path, command: str) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    code, err = ran(f"dstheory {command} > /dev/full", tmp_path)
    assert (code, err) == (
        1, "error: cannot write standard output: No space left on device; free some space, or redirect it elsewhere\n",
    )  # fmt: skip


def test_a_closed_standard_output(tmp_path: Path) -> None:
    code, err = ran("dstheory objectives >&-", tmp_path)
    assert (code, err) == (1, "error: standard output is closed: redirect it to /dev/null if it is not needed\n")
    assert ran("dstheory objectives 2>&- <&-", tmp_path) == (0, "")
    assert ran("dstheory objectives nothing-like-this >&- 2>&-", tmp_path) == (1, "")


@pytest.mark.parametrize("command", ["sweep --grid beta=0.1,0.2", "simulate --steps 1", "derive grpo --output a.md"])
def test_a_deleted_directory(
    dstheory: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    found = dstheory(*command.split())
    assert found.code == 1
    assert found.err.splitlines()[-1] == "error: the current directory was deleted: change to another one"


def test_a_backend_of_matplotlib_that_does_not_exist() -> None:
    code = "import sys; from dstheory.cli.main import main; sys.argv = ['dstheory', '--version']\n"
    code += "try: main()\nfinally: import matplotlib; assert matplotlib.get_backend() == 'agg'"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "MPLBACKEND": "no-such-backend"})


def test_names_that_are_no_text_are_printed(tmp_path: Path) -> None:
    code, err = ran("dstheory objectives $'caf\\xe9'", tmp_path)
    assert code == 2
    assert "caf\\udce9" in err


@pytest.mark.parametrize("command", ["derive grpo --output no/a.md", "verify no/a.py", "verify no/"])
def test_a_directory_without_permission(tmp_path: Path, command: str) -> None:
    (tmp_path / "no").mkdir()
    (tmp_path / "no").chmod(0)
    root = os.geteuid() == 0
    if root and not shutil.which("setpriv"):
        pytest.skip("root may read everything, and there is no setpriv to give that up")
    give_up = "setpriv --bounding-set=-dac_override,-dac_read_search" if root else "env"
    line = f'{give_up} "{sys.executable}" -m dstheory.cli.main {command}'
    code, err = ran(line, tmp_path)
    assert code == 1
    assert re.fullmatch(r"error: no\S*: Permission denied; choose a place where you may read and write\n", err)
    (tmp_path / "no").chmod(0o700)


@pytest.mark.parametrize(
    ("raised", "says"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "dir/a"),
         "error: dir/a: Permission denied; choose a place where you may read and write"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", b"a\xff"),
         "error: a\\xff: No such file or directory; check the name"),
        (OSError(errno.EMFILE, "Too many open files"),
         "error: the operating system refused something: Too many open files; let the process open more files (ulimit -n)"),
        (MemoryError(), "error: there is not enough memory (no more is free): make the problem smaller, or free some"),
        (SystemExit(7), "error: a module of yours ended the command by sys.exit(7): remove that line"),
        (click.UsageError("no \x1b[31m"), "Error: no \\x1b[31m"),
    ],
)  # fmt: skip
def test_every_error_of_the_system_is_one_sentence(
    dstheory: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch, raised: BaseException, says: str
) -> None:
    from dstheory.cli.main import cli

    def fails(*_: object) -> None:
        raise raised

    monkeypatch.setattr(cli, "invoke", fails)
    found = dstheory("objectives")
    assert (found.code, found.err) == (2 if isinstance(raised, click.UsageError) else 1, says + "\n")


def test_an_error_that_a_library_makes_of_an_interrupt_is_an_interrupt() -> None:
    code = """
import os, signal, sys
from dstheory.cli.ending import run_to_exit
def command():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        while True: pass
    except KeyboardInterrupt:
        raise RuntimeError("half-way") from None
run_to_exit(command)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (143, "")
    assert found.stderr == "interrupted: complete files were kept, unfinished ones removed\n"


def test_no_exception_is_raised_inside_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    done = []

    def warm_up() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        done.append("compiled")

    monkeypatch.setattr(kernels, "is_compiled", lambda: False)
    monkeypatch.setattr(kernels, "warm_up", warm_up)
    with pytest.raises(Interrupted), handled():
        announce_compilation(10**9, 10**9)
    assert done == ["compiled"]


def test_no_cycles_are_searched_for_when_the_process_ends() -> None:
    code = "import atexit, gc, sys; from dstheory.cli.main import main; sys.argv = ['dstheory', '--version']\n"
    code += "atexit.register(lambda: print(gc.get_freeze_count() > 1000, len(gc.get_objects()) < 1000))\n"
    code += "main()"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "True True"


@pytest.mark.parametrize(
    ("words", "near"),
    [
        ("simulate --lenght-weight 1", "--length-weight, --reward-weights or --demonstration-weights"),
        ("sweep --stepz 3", "--steps, --std or --states"),
        ("attribute --refernce 1", "--reference"),
        ("arithmetic trian", "train"),
    ],
)
def test_the_nearest_name_is_suggested_first(dstheory: Callable[..., Outcome], words: str, near: str) -> None:
    ran = dstheory(*words.split())
    assert ran.code == 2
    assert ran.err.endswith(f". Did you mean {near}?\n")


def test_a_file_without_its_option_is_told_which_options_take_files(dstheory: Callable[..., Outcome]) -> None:
    ran = dstheory("simulate", "chain.json")
    assert ran.code == 2
    assert ran.err.endswith("(chain.json). Files are given by --mdp FILE, --config FILE, --module FILE.\n")
    assert dstheory("derive", "grpo", "dpo").err.endswith("Got unexpected extra argument (dpo)\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("explain gpro", "did you mean nemo-rl:grpo or open-instruct:grpo or slime:grpo?"),
        ("explain grpo", "did you mean trl:grpo?"),
        ("explain trl:grop", "did you mean trl:grpo or trl:rloo?"),
        ("verify A99", "Did you mean A, A6, A5?"),
        ("verify nope", "`dstheory verify --list` shows all of them."),
    ],
)
def test_a_name_that_does_not_exist_is_answered_with_names_of_its_kind(
    dstheory: Callable[..., Outcome], words: str, said: str
) -> None:
    ran = dstheory(*words.split())
    assert (ran.code, ran.err.endswith(f"{said}\n")) == (2, True)
