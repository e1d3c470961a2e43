"""Complete or absent: errors, Ctrl-C, full disks and existing files."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from dstheory.errors import DSTheoryError
from dstheory.interrupts import deferred_interrupts
from dstheory.readers import atomic_path, refuse_overwrite, results_directory, write_manifest
from dstheory.readers.atomic import shared_directory

MANIFEST = {"command": "test", "parameters": {}, "seed": 0, "wall_seconds": 0.0}


def below(directory: Path) -> dict[str, str]:
    """Every file below a directory and what is in it, run.json excepted."""
    return {
        path.relative_to(directory).as_posix(): "" if path.name == "run.json" else path.read_text()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


class TestAtomicPath:
    def test_appears_when_complete(self, tmp_path: Path) -> None:
        target = tmp_path / "a.csv"
        with atomic_path(target) as path:
            path.write_text("new")
            assert path.parent.parent == tmp_path
            assert path.suffix == ".csv"
            assert not target.exists()
        assert below(tmp_path) == {"a.csv": "new"}

    @pytest.mark.parametrize("exception", [RuntimeError, KeyboardInterrupt, SystemExit])
    @pytest.mark.parametrize("before", [{}, {"a.csv": "old"}])
    def test_nothing_changes_after_an_error(self, tmp_path: Path, exception: type[BaseException], before: dict[str, str]) -> None:
        for name, text in before.items():
            (tmp_path / name).write_text(text)
        with pytest.raises(exception), atomic_path(tmp_path / "a.csv", overwrite=True) as path:
            path.write_text("half")
            raise exception
        assert below(tmp_path) == before

    def test_replaces_only_when_asked(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_text("old")
        with (
            pytest.raises(DSTheoryError, match=r"a exists already: nothing was written; .* --overwrite"),
            atomic_path(tmp_path / "a"),
        ):
            pytest.fail("the block must not run")
        with atomic_path(tmp_path / "a", overwrite=True) as path:
            path.write_text("new")
        assert below(tmp_path) == {"a": "new"}

    @pytest.mark.parametrize("links", [True, False], ids=["hard links", "no hard links"])
    def test_file_that_appears_meanwhile_is_kept(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
        if not links:

            def link(*_: object) -> None:
                raise PermissionError(errno.EPERM, "no hard links here")

            monkeypatch.setattr(os, "link", link)
        with pytest.raises(DSTheoryError, match="exists already"), atomic_path(tmp_path / "a") as path:
            path.write_text("mine")
            (tmp_path / "a").write_text("somebody else's")
        assert below(tmp_path) == {"a": "somebody else's"}
        with atomic_path(tmp_path / "b") as path:
            path.write_text("mine")
        assert below(tmp_path) == {"a": "somebody else's", "b": "mine"}

    def test_permissions_are_those_of_any_new_file(self, tmp_path: Path) -> None:
        (tmp_path / "plain").write_text("")
        with atomic_path(tmp_path / "atomic") as path:
            path.write_text("")
        assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode

    def test_symbolic_link_is_followed(self, tmp_path: Path) -> None:
        (tmp_path / "real").write_text("old")
        (tmp_path / "link").symlink_to("real")
        with atomic_path(tmp_path / "link", overwrite=True) as path:
            path.write_text("new")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "real").read_text() == "new"

    def test_directory_and_no_directory(self, tmp_path: Path) -> None:
        with pytest.raises(DSTheoryError, match="is a directory: give the name of a file"), atomic_path(tmp_path):
            pytest.fail("the block must not run")
        with pytest.raises(DSTheoryError, match="there is no directory"), atomic_path(tmp_path / "no" / "a"):
            pytest.fail("the block must not run")
        with pytest.raises(DSTheoryError, match=r"there is no directory .*no; make it"):
            refuse_overwrite(tmp_path / "no" / "a", overwrite=True)
        refuse_overwrite(tmp_path / "a", overwrite=False)

    def test_what_a_result_is_computed_from_is_never_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "log").write_text("years of work")
        (tmp_path / "link").symlink_to("log")
        with pytest.raises(DSTheoryError, match="link is what the result is computed from: it is never replaced; give another"):
            refuse_overwrite(tmp_path / "link", overwrite=True, inputs=[tmp_path / "other", tmp_path / "log"])
        refuse_overwrite(tmp_path / "log", overwrite=True, inputs=[tmp_path / "other"])

    def test_full_disk(self, tmp_path: Path) -> None:
        with pytest.raises(DSTheoryError, match=r"cannot write .*a: No space left on device; free some space"):  # noqa: SIM117
            with atomic_path(tmp_path / "a") as path:
                path.write_text("half")
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        assert below(tmp_path) == {}

    def test_errors_about_other_files_pass(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="elsewhere"), atomic_path(tmp_path / "a"):
            (tmp_path / "elsewhere").read_text()
        assert below(tmp_path) == {}


class TestResultsDirectory:
    def make(self, out: Path, text: str, *, overwrite: bool = False) -> None:
        before = below(out) if out.is_dir() else None
        with results_directory(out, overwrite=overwrite) as directory:
            (directory / "figures").mkdir()
            (directory / "figures" / "a.svg").write_text(text)
            write_manifest(directory, MANIFEST)
            assert (below(out) if out.is_dir() else None) == before

    def test_appears_when_complete_with_its_parents(self, tmp_path: Path) -> None:
        self.make(tmp_path / "deep" / "out", "new")
        assert below(tmp_path) == {"deep/out/figures/a.svg": "new", "deep/out/run.json": ""}
        assert json.loads((tmp_path / "deep" / "out" / "run.json").read_text())["files"] == ["figures/a.svg", "run.json"]

    def test_existing_empty_directory(self, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        self.make(tmp_path / "out", "new")
        assert below(tmp_path / "out") == {"figures/a.svg": "new", "run.json": ""}

    def test_replaces_only_when_asked(self, tmp_path: Path) -> None:
        out = tmp_path / "out"
        self.make(out, "old")
        with pytest.raises(DSTheoryError, match=r"out holds results already: nothing was written; .* --overwrite"):
            self.make(out, "new")
        assert below(tmp_path) == {"out/figures/a.svg": "old", "out/run.json": ""}
        self.make(out, "new", overwrite=True)
        assert below(tmp_path) == {"out/figures/a.svg": "new", "out/run.json": ""}
        assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]

    @pytest.mark.parametrize("run_json", [None, "{}", '{"format": "another"}', "[]", "not JSON"])
    def test_a_directory_of_somebody_else_is_never_replaced(self, tmp_path: Path, run_json: str | None) -> None:
        out = tmp_path / "out"
        out.mkdir()
        (out / "thesis.tex").write_text("years of work")
        if run_json is not None:
            (out / "run.json").write_text(run_json)
        before = below(tmp_path)
        for overwrite in (False, True):
            with pytest.raises(DSTheoryError, match="was not made by dstheory"):
                self.make(out, "new", overwrite=overwrite)
        assert below(tmp_path) == before
        assert (out / "thesis.tex").read_text() == "years of work"

    def test_a_note_among_the_results_is_never_deleted(self, tmp_path: Path) -> None:
        out = tmp_path / "out"
        self.make(out, "old")
        (out / "figures" / "notes.txt").write_text("mine")
        (out / ".DS_Store").write_text("left by a desktop")
        with pytest.raises(DSTheoryError, match=r"out holds figures/notes\.txt, not written by dstheory: move it elsewhere"):
            self.make(out, "new", overwrite=True)
        (out / "figures" / "notes.txt").rename(tmp_path / "notes.txt")
        self.make(out, "new", overwrite=True)
        assert below(tmp_path) == {"notes.txt": "mine", "out/figures/a.svg": "new", "out/run.json": ""}

    def test_a_note_written_during_the_run_is_never_deleted(self, tmp_path: Path) -> None:
        out = tmp_path / "out"
        self.make(out, "old")
        with pytest.raises(DSTheoryError, match=r"out holds notes\.txt"), results_directory(out, overwrite=True) as directory:
            write_manifest(directory, MANIFEST)
            (out / "notes.txt").write_text("mine")
        assert below(tmp_path) == {"out/figures/a.svg": "old", "out/notes.txt": "mine", "out/run.json": ""}

    def test_linked_directories_count_as_foreign_and_are_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "big").write_text("")
        self.make(tmp_path / "out", "old")
        (tmp_path / "out" / "data").symlink_to(tmp_path / "data")
        with pytest.raises(DSTheoryError, match="out holds data, not written by dstheory"):
            self.make(tmp_path / "out", "new", overwrite=True)

    def test_files_and_the_current_directory_are_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(DSTheoryError, match="is a file: results go into a directory"):
            self.make(tmp_path / "file", "new", overwrite=True)
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        with pytest.raises(DSTheoryError, match="is the current directory"):
            self.make(Path("."), "new")

    @pytest.mark.parametrize("exception", [RuntimeError, KeyboardInterrupt])
    def test_nothing_changes_after_an_error(self, tmp_path: Path, exception: type[BaseException]) -> None:
        self.make(tmp_path / "old", "old")
        for out in (tmp_path / "old", tmp_path / "new" / "deeper"):
            with pytest.raises(exception), results_directory(out, overwrite=True) as directory:
                (directory / "half").write_text("half")
                raise exception
        assert below(tmp_path) == {"old/figures/a.svg": "old", "old/run.json": ""}
        assert sorted(p.name for p in tmp_path.iterdir()) == ["old"]

    def test_run_json_is_demanded(self, tmp_path: Path) -> None:
        with pytest.raises(RuntimeError, match=r"needs run\.json"), results_directory(tmp_path / "out") as directory:
            (directory / "a").write_text("")
        assert list(tmp_path.iterdir()) == []

    def test_full_disk(self, tmp_path: Path) -> None:
        with pytest.raises(DSTheoryError, match=r"cannot write .*out: No space left on device; free some space"):  # noqa: SIM117
            with results_directory(tmp_path / "out"):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        assert list(tmp_path.iterdir()) == []

    def test_parent_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(DSTheoryError, match=r"cannot write .*file/out: "):
            self.make(tmp_path / "file" / "out", "new")

    def test_failed_exchange_restores_the_old(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        out = tmp_path / "out"
        self.make(out, "old")
        rename = Path.rename

        def failing(self: Path, target: Path) -> Path:
            if self.name == "new":
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return rename(self, target)

        monkeypatch.setattr(Path, "rename", failing)
        with pytest.raises(DSTheoryError, match=r"cannot write .*out: Permission denied"):
            self.make(out, "new", overwrite=True)
        assert below(tmp_path) == {"out/figures/a.svg": "old", "out/run.json": ""}

    def test_interrupt_between_the_two_renames(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        out = tmp_path / "out"
        self.make(out, "old")
        rename = Path.rename

        def interrupted(self: Path, target: Path) -> Path:
            moved = rename(self, target)
            os.kill(os.getpid(), signal.SIGINT)
            return moved

        monkeypatch.setattr(Path, "rename", interrupted)
        with pytest.raises(KeyboardInterrupt):
            self.make(out, "new", overwrite=True)
        assert below(tmp_path) == {"out/figures/a.svg": "new", "out/run.json": ""}
        assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


class TestDeferredInterrupts:
    def test_takes_effect_at_the_end(self) -> None:
        done = []
        with pytest.raises(KeyboardInterrupt), deferred_interrupts():
            os.kill(os.getpid(), signal.SIGINT)
            done.append("all of it")
        assert done == ["all of it"]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def test_in_another_thread(self) -> None:
        done = []

        def work() -> None:
            with deferred_interrupts():
                done.append(True)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert done == [True]


WRITER = """
import sys, time
from dstheory.readers import atomic_path, results_directory, write_manifest
with {opened} as path:
    target = path if path.suffix else path / "half"
    target.write_text("half of it")
    print("ready", flush=True)
    time.sleep(60)
"""
OPENED = ["atomic_path('a.csv', overwrite=True)", "results_directory('out', overwrite=True)", "results_directory('new/out')"]


def writer(tmp_path: Path, opened: str) -> subprocess.Popen[str]:
    """Return a process that is in the middle of writing."""
    command = [sys.executable, "-c", WRITER.format(opened=opened)]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n", process.communicate()
    return process


def earlier(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "a.csv").write_text("old")
    with results_directory(tmp_path / "out") as directory:
        (directory / "a").write_text("old")
        write_manifest(directory, MANIFEST)
    return below(tmp_path)


@pytest.mark.parametrize("opened", OPENED)
def test_interrupted_writer(tmp_path: Path, opened: str) -> None:
    """A process stopped by Ctrl-C in the middle leaves what was there before, and nothing else."""
    before = earlier(tmp_path)
    process = writer(tmp_path, opened)
    assert len(below(tmp_path)) == len(before) + 1  # half of it is there, under a hidden name
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert "KeyboardInterrupt" in errors
    assert process.returncode == -signal.SIGINT
    assert below(tmp_path) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.csv", "out"]


@pytest.mark.parametrize("opened", OPENED)
def test_what_a_killed_writer_left_is_removed_by_the_next_one(tmp_path: Path, opened: str) -> None:
    earlier(tmp_path)
    killed, alive = writer(tmp_path, opened), writer(tmp_path, opened)
    try:
        killed.kill()
        killed.communicate(timeout=30)
        hidden = sorted(tmp_path.glob("**/.partial-*"))
        assert len(hidden) == 2, "both are there"
        third = writer(tmp_path, opened)
        assert sorted(tmp_path.glob("**/.partial-*")) == hidden, "the third has taken the place of the first"
        third.kill()
        third.communicate(timeout=30)
        third = writer(tmp_path, opened)
        third.send_signal(signal.SIGINT)
        third.communicate(timeout=30)
        (left,) = tmp_path.glob("**/.partial-*")
        assert [p.read_text() for p in left.rglob("*") if p.is_file()] == ["half of it"], "that of the living is untouched"
    finally:
        alive.kill()
        alive.communicate(timeout=30)


def test_results_that_were_being_exchanged_when_the_process_was_killed_come_back(tmp_path: Path) -> None:
    before = earlier(tmp_path)
    code = """
import os, signal
from pathlib import Path
from dstheory.readers import results_directory, write_manifest
rename = Path.rename
def killed(self, target):
    if self.name == "new":
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)
Path.rename = killed
with results_directory("out", overwrite=True) as directory:
    write_manifest(directory, {"command": "new", "parameters": {}, "seed": 0, "wall_seconds": 0.0})
"""
    killed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    with pytest.raises(DSTheoryError, match="out holds results already"), results_directory(tmp_path / "out"):
        pytest.fail("the block must not run")
    assert below(tmp_path) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.csv", "out"]


def test_a_file_of_somebody_else_with_such_a_name_is_not_touched(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a") as path:
        path.write_text("")
        name = path.parent.name
    (tmp_path / name).write_text("mine")
    with atomic_path(tmp_path / "a", overwrite=True) as path:
        path.write_text("new")
    assert below(tmp_path) == {"a": "new", name: "mine"}


def test_more_writers_than_one_target_can_have(tmp_path: Path) -> None:
    with ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(atomic_path(tmp_path / "a", overwrite=True)).write_text("")
        with pytest.raises(DSTheoryError, match=r"cannot write .*a: 8 other processes are writing it; wait for"):
            stack.enter_context(atomic_path(tmp_path / "a", overwrite=True))
    assert below(tmp_path) == {"a": ""}


def test_a_shared_directory_stays_only_if_a_result_came_about(tmp_path) -> None:
    with shared_directory(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b").is_dir()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyboardInterrupt), shared_directory(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "result").mkdir()
        raise KeyboardInterrupt
    assert (tmp_path / "a" / "b" / "result").is_dir()
    taken = tmp_path / "file"
    taken.touch()
    with pytest.raises(DSTheoryError, match=r"cannot write .*file: File exists; choose a place"), shared_directory(taken):
        pass


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("linked", [False, True])
def test_only_a_regular_file_is_replaced(tmp_path: Path, overwrite: bool, linked: bool) -> None:
    """A rename would put a file in the place of a device, for every program of the machine where the user is root."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    target = tmp_path / ("link" if linked else "pipe")
    with (
        pytest.raises(DSTheoryError, match="is a pipe, a socket or a device: it is never replaced"),
        atomic_path(target, overwrite=overwrite),
    ):
        pytest.fail("the block begins")
    assert (tmp_path / "pipe").is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe"]
