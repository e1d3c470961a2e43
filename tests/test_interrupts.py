"""A process that is told to end does so, whatever is on the stack, and cleans up if it can."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from dstheory import interrupts
from dstheory.dynamics.sweeps.state import _locked
from dstheory.interrupts import SIGNALS, Interrupted, deferred_interrupts, handled, owe, settle
from dstheory.readers.atomic import atomic_path, results_directory

START = """
import os, signal, sys, time, weakref
from dstheory import interrupts
from dstheory.interrupts import handled
signal.alarm(120)  # so that none outlives a test that fails
def work():
    try:
        {body}
    finally:
        print("cleaned", flush=True)
with handled() as told:
    try:
        work()
    except KeyboardInterrupt:
        pass
os._exit(told.exit_code)
"""
CALLBACK = """
        class Thing: pass
        def told_to_end(_):
            os.kill(os.getpid(), signal.{name})
            for _ in range(1000): pass
        thing = Thing()
        reference = weakref.ref(thing, told_to_end)
        del thing
        while True: time.sleep(0.001)
"""
FINALISER = """
        class Thing:
            def __del__(self):
                os.kill(os.getpid(), signal.{name})
                for _ in range(1000): pass
        Thing()
        while True: time.sleep(0.001)
"""
CAUGHT = """
        while True:
            try:
                os.kill(os.getpid(), signal.{name})
                while True: time.sleep(0.001)
            except BaseException:
                time.sleep(0.3)
                signal.pthread_sigmask(signal.SIG_BLOCK, interrupts.SIGNALS)  # so that the next ones do not arrive
"""
COMPILED = """
        import ctypes
        signal.pthread_sigmask(signal.SIG_BLOCK, interrupts.SIGNALS)  # the signal goes to the other thread
        print("ready", flush=True)
        ctypes.CDLL(None).sleep(600)
"""


def started(body: str, name: str) -> subprocess.Popen[str]:
    code = START.format(body=body.format(name=name).strip())
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("body", [CALLBACK, FINALISER], ids=["weakref callback", "finaliser"])
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_an_exception_that_python_forgets_is_raised_again(body: str, number: signal.Signals) -> None:
    process = started(body, number.name)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (128 + number, "cleaned\n", "")


def test_code_that_catches_everything_is_ended() -> None:
    process = started(CAUGHT, "SIGTERM")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (143, "")
    assert err == "interrupted: unfinished files are removed when the same command is given again\n"


def test_compiled_code_is_ended() -> None:
    process = started(COMPILED, "SIGINT")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130


def test_an_exception_that_python_forgot_is_not_raised_after_the_block() -> None:
    body = """
        class Thing:
            def __del__(self):
                os.kill(os.getpid(), signal.SIGTERM)
                for _ in range(1000): pass
        Thing()
    """
    code = START.format(body=body.strip()).replace("os._exit", "time.sleep(0.1); os._exit")
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (process.returncode, process.stdout, process.stderr) == (143, "cleaned\n", "")


def test_a_second_signal_ends_at_once() -> None:
    body = """
        interrupts.GRACE = 1e6
        try:
            print("ready", flush=True)
            while True: time.sleep(0.001)
        except KeyboardInterrupt:
            print("cleaning", flush=True)
            while True: time.sleep(1)  # which may take long
    """
    process = started(body, "SIGINT")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "cleaning\n"
    time.sleep(0.3)  # no second signal is the first one once more
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130


def test_ignored_signals_stay_ignored_and_handlers_come_back() -> None:
    before = {number: signal.getsignal(number) for number in (*SIGNALS, signal.SIGALRM)}
    hook = sys.unraisablehook
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with handled() as told:
            os.kill(os.getpid(), signal.SIGHUP)
            assert told.number is None
        with pytest.raises(Interrupted), handled() as told:
            os.kill(os.getpid(), signal.SIGTERM)
            pytest.fail("the block goes on")
        assert (told.number, told.exit_code) == (signal.SIGTERM, 143)
    finally:
        signal.signal(signal.SIGHUP, previous)
    assert {number: signal.getsignal(number) for number in before} == before
    assert sys.unraisablehook is hook


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_steps_that_must_happen_together_are_not_divided(number: signal.Signals) -> None:
    done = []
    with pytest.raises(Interrupted), handled() as told:
        with deferred_interrupts(), deferred_interrupts():
            os.kill(os.getpid(), number)
            done.append("all of it")
        pytest.fail("the block goes on")
    assert done == ["all of it"]
    assert told.number == number


def test_steps_that_are_not_waited_for_are_cut_short() -> None:
    body = """
        with interrupts.deferred_interrupts(patient=False):
            os.kill(os.getpid(), signal.SIGTERM)
            while True: time.sleep(0.001)
    """
    process = started(body.strip(), "SIGTERM")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (143, "")
    assert err == "interrupted: unfinished files are removed when the same command is given again\n"


def test_an_error_in_such_steps_does_not_forget_the_signal() -> None:
    with pytest.raises(Interrupted), handled(), deferred_interrupts():
        os.kill(os.getpid(), signal.SIGTERM)
        raise OSError


def test_a_child_does_not_outlive_its_parent(tmp_path: Path) -> None:
    child = "import os, sys, time; from dstheory.interrupts import end_with_parent; end_with_parent(int(sys.argv[1])); "
    child += "open('ready', 'w').close(); time.sleep(600)"
    code = f"import os, subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}, str(os.getpid())]).wait()"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE)
    end = time.monotonic() + 60
    while not (tmp_path / "ready").exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    process.kill()
    process.communicate(timeout=60)  # standard output closes when the child, which has inherited it, is gone


SLOW_START = """import os, sys, time  # what Python imports first: processes that others started wait here until they are let go
if {"--process-name", "--multiprocessing-fork"} & set(sys.orig_argv):
    open(f"started-{os.getpid()}", "w").close()
    while not os.path.exists("go"): time.sleep(0.01)
"""
WORKERS = "from dstheory.workers import computed; print(sorted(computed(pow, 2, {0: 3, 1: 5}, workers=2)))"
EXPERIMENTS = """
from pathlib import Path
from dstheory.experiments import find_experiments
from dstheory.experiments import run_experiments
if __name__ == "__main__":
    print([result.reason for result in run_experiments(find_experiments(("one.py", "two.py")), Path("out"), jobs=2)])
"""


@pytest.mark.parametrize(
    ("code", "says"),
    [(WORKERS, "[(0, 8), (1, 32)]\n"), (EXPERIMENTS, "['its process ended with code 130', 'its process ended with code 130']\n")],
    ids=["workers", "experiments"],
)
def test_an_interrupt_while_processes_start_leaves_no_traceback(tmp_path: Path, code: str, says: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(SLOW_START)
    (tmp_path / "script.py").write_text(code)
    for name in ("one", "two"):
        text = f'"""Does nothing."""\nNAME = "{name}"\nCLAIMS = ("A1",)\ndef run(*, quick, progress): ...\n'
        (tmp_path / f"{name}.py").write_text(text)
    path = os.pathsep.join([str(tmp_path), *sys.path])
    process = subprocess.Popen(
        [sys.executable, "script.py"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    end = time.monotonic() + 60
    while len(found := list(tmp_path.glob("started-*"))) < 2:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)
    for each in found:  # as the terminal does, but not to the parent, which is to say what became of them
        os.kill(int(each.name.removeprefix("started-")), signal.SIGINT)
    (tmp_path / "go").touch()
    assert process.communicate(timeout=60) == (says, "")


@pytest.mark.parametrize(
    ("writes", "target"),
    [
        (atomic_path, "file.npz"),
        (results_directory, "new/folders/out"),
        (_locked, "out.unfinished"),
    ],
)
def test_a_signal_as_the_clean_up_begins_leaves_nothing(
    writes: Callable[[Path], AbstractContextManager[object]], target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``finally`` is entered, and the signal comes before its first line."""
    with pytest.raises(Interrupted), handled() as told, writes(tmp_path / target):
        assert list(tmp_path.iterdir())
        sent = []

        @contextmanager
        def too_late() -> Iterator[None]:
            if not sent:
                sent.append(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
            with deferred_interrupts():
                yield

        monkeypatch.setattr(interrupts, "deferred_interrupts", too_late)
        raise OSError("disk")
    assert told.number == signal.SIGINT
    assert not list(tmp_path.iterdir())


def test_what_is_owed_is_done_once_and_not_by_a_forked_process() -> None:
    done: list[int] = []
    owe("key", lambda: done.append(os.getpid()))
    child = os.fork()
    if not child:
        settle("key")
        os._exit(len(done))
    assert os.waitpid(child, 0)[1] == 0
    settle("key")
    settle("key")
    assert done == [os.getpid()]
