"""Files and directories that are complete or absent, and never overwritten unasked.

A file is written beside its target under a hidden name and renamed when it is complete; a results directory likewise. Ctrl-C, an
error or a full disk therefore leave what was there before. (Only the rename itself is one step for the file system: a machine
that loses power while an old results directory is being exchanged may leave both, the old one under a hidden name.)
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dstheory.errors import DSTheoryError

__all__ = [
    "RUN_FILE",
    "RUN_FORMAT",
    "atomic_path",
    "deferred_interrupts",
    "refuse_directory",
    "refuse_overwrite",
    "results_directory",
    "shared_directory",
]

RUN_FILE = "run.json"
RUN_FORMAT = "dstheory-run/1"  # written into run.json; only directories with it are ever replaced
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG)
_LEFT_BY_DESKTOPS = {".DS_Store", "Thumbs.db", "desktop.ini"}  # may be deleted with a results directory


def refuse_overwrite(path: str | os.PathLike[str], overwrite: bool, *, inputs: Iterable[str | os.PathLike[str]] = ()) -> None:
    """Raise DSTheoryError where :func:`atomic_path` would, and where the result would replace what it is computed from.

    That is: something is at ``path`` already and ``overwrite`` is false; it is a directory; its own directory does not exist;
    or it is one of ``inputs``, which are never replaced.

    >>> refuse_overwrite("no-such-file.csv", overwrite=False)
    """
    target = Path(path)
    if target.is_dir():
        raise DSTheoryError(f"{path} is a directory: give the name of a file, for example {target / 'result'}{target.suffix}")
    real = Path(os.path.realpath(target))
    if any(real == Path(os.path.realpath(each)) for each in inputs):
        raise DSTheoryError(f"{path} is what the result is computed from: it is never replaced; give another name")
    if not overwrite and os.path.lexists(target):
        raise DSTheoryError(f"{path} exists already: nothing was written; give another name, or replace it with --overwrite")
    if not real.parent.is_dir():
        raise DSTheoryError(f"cannot write {path}: there is no directory {real.parent}; make it, or choose another place")


@contextmanager
def atomic_path(target: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside ``target``; what is written there becomes ``target`` when the block ends without an error.

    Args:
        target: the file to write; a symbolic link is followed. Its directory must exist.
        overwrite: whether an existing file may be replaced.

    Raises:
        DSTheoryError: the target exists and may not be replaced, or the file cannot be written (no permission, disk full).

    Source: derived here.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_path(Path(folder, "a.txt")) as path:
    ...         _ = path.write_text("complete")
    ...     [p.name for p in Path(folder).iterdir()]
    ['a.txt']
    """
    refuse_overwrite(target, overwrite)
    real = Path(os.path.realpath(target))
    temporary = real.with_name(_hidden_name("partial") + real.suffix)
    try:
        yield temporary
        _sync(temporary)
        _publish(temporary, real, target, overwrite)
        _sync_names(real.parent)
    except OSError as error:
        if error.filename in (None, str(temporary), str(real)):
            raise _cannot_write(target, error) from error
        raise  # about some other file
    finally:
        # After a rename there is nothing left to remove; after anything else, Ctrl-C included, nothing may stay.
        with deferred_interrupts():
            temporary.unlink(missing_ok=True)


def refuse_directory(out: str | os.PathLike[str], overwrite: bool) -> None:
    """Raise DSTheoryError where :func:`results_directory` would: what takes hours asks before it begins.

    >>> refuse_directory("no-such-directory", overwrite=False)
    """
    _refuse_directory(out, Path(os.path.realpath(out)), overwrite)


@contextmanager
def results_directory(out: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary directory that becomes ``out`` when the block ends without an error: complete or absent.

    The block must write ``run.json`` there (:func:`dstheory.readers.write_run` or :func:`dstheory.readers.write_manifest`). The
    names of all files are added to it, so that a later run knows what it may replace: a directory that this package did not make,
    or that holds a file this package did not write, is never replaced, not even with ``overwrite``.

    Args:
        out: the directory to make; parents are made too. An existing empty directory is fine.
        overwrite: whether the directory of an earlier run may be replaced, once the new one is complete.

    Raises:
        DSTheoryError: ``out`` exists and may not be replaced, or it cannot be written.
        RuntimeError: the block did not write ``run.json``.

    Source: derived here.

    >>> import tempfile
    >>> from dstheory.readers.results import write_manifest
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with results_directory(Path(folder, "out")) as directory:
    ...         _ = (directory / "table.txt").write_text("p 0.55")
    ...         write_manifest(directory, {"command": "demo", "parameters": {}, "seed": 0, "wall_seconds": 0.1})
    ...     sorted(p.name for p in Path(folder, "out").iterdir())
    ['run.json', 'table.txt']
    """
    target = Path(os.path.realpath(out))
    _refuse_directory(out, target, overwrite)
    missing = _missing(target.parent)
    building = target.with_name(_hidden_name("partial"))
    try:
        try:
            building.mkdir(parents=True)
        except OSError as error:
            raise _cannot_write(out, error) from error
        yield building
        _seal(building)
        with deferred_interrupts():
            _exchange(building, target, out, overwrite)
    except BaseException as error:
        with deferred_interrupts():
            shutil.rmtree(building, ignore_errors=True)
            _remove_unused(missing)
        if isinstance(error, OSError) and error.errno in _DISK:
            raise _cannot_write(out, error) from error
        raise


@contextmanager
def shared_directory(directory: str | os.PathLike[str]) -> Iterator[None]:
    """Make a directory below which several processes will each put a result; remove it at the end if none of them did.

    Each of them alone would leave it behind for the others.

    Raises:
        DSTheoryError: it cannot be made.
    """
    missing = _missing(Path(os.path.realpath(directory)))
    try:
        Path(directory).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(directory, error) from error
    try:
        yield
    finally:
        with deferred_interrupts():
            _remove_unused(missing)


def _missing(directory: Path) -> list[Path]:
    return [parent for parent in (directory, *directory.parents) if not parent.exists()]


def _remove_unused(directories: list[Path]) -> None:
    """Remove directories made for results that did not come about, innermost first; one that is in use by now stays."""
    for directory in directories:
        if directory.is_dir() and not any(directory.iterdir()):
            directory.rmdir()


@contextmanager
def deferred_interrupts() -> Iterator[None]:
    """Let Ctrl-C inside the block take effect at its end: for the few steps that must happen together."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is ever interrupted
        return
    pending: list[tuple[int, Any]] = []
    previous = signal.signal(signal.SIGINT, lambda number, frame: pending.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if previous is None else previous)
        if pending and callable(previous):
            previous(*pending[0])


def _hidden_name(purpose: str) -> str:
    return f".{purpose}-{secrets.token_hex(6)}"


def _cannot_write(path: str | os.PathLike[str], error: OSError) -> DSTheoryError:
    remedy = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "choose a place where you may write"
    return DSTheoryError(f"cannot write {path}: {error.strerror or error}; {remedy}")


def _sync(path: Path) -> None:
    """Have the operating system put a file on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_names(directory: Path) -> None:
    """Likewise a directory's list of names, where the file system can; the files themselves are safe either way."""
    with suppress(OSError):
        _sync(directory)


def _publish(temporary: Path, real: Path, shown: str | os.PathLike[str], overwrite: bool) -> None:
    """Give a complete file its name; unless ``overwrite``, never in place of a file that has appeared in the meantime."""
    if not overwrite:
        try:
            os.link(temporary, real)  # unlike a rename, refuses in the same step when the name is taken
            return
        except FileExistsError:
            refuse_overwrite(shown, overwrite)
            raise
        except OSError:
            refuse_overwrite(shown, overwrite)  # a file system without hard links: look, then rename
    os.replace(temporary, real)


def _refuse_directory(out: str | os.PathLike[str], target: Path, overwrite: bool) -> None:
    if os.path.lexists(target) and not target.is_dir():
        raise DSTheoryError(f"{out} is a file: results go into a directory; give another --out")
    if not target.is_dir():
        return
    if target == Path.cwd():
        raise DSTheoryError(f"{out} is the current directory: give --out the name of a folder inside it, for example results")
    try:
        if not any(target.iterdir()):
            return
        written = _listed(target)
    except OSError as error:
        raise _cannot_write(out, error) from error
    if written is None:
        raise DSTheoryError(
            f"{out} exists and was not made by dstheory (it has no {RUN_FILE} of this package): it is never replaced; "
            "give another --out"
        )
    if not overwrite:
        raise DSTheoryError(
            f"{out} holds results already: nothing was written; give another --out, or replace it with --overwrite"
        )
    foreign = sorted(name for name in _files_below(target) - written if name.rsplit("/", 1)[-1] not in _LEFT_BY_DESKTOPS)
    if foreign:
        more = f" (and {len(foreign) - 1} more)" if len(foreign) > 1 else ""
        raise DSTheoryError(f"{out} holds {foreign[0]}{more}, not written by dstheory: move it elsewhere, or give another --out")


def _listed(directory: Path) -> set[str] | None:
    """Return the files that ``run.json`` says this package wrote; None if the directory is not one of ours."""
    try:
        manifest = json.loads((directory / RUN_FILE).read_bytes())
    except (FileNotFoundError, IsADirectoryError, ValueError, RecursionError):
        return None
    if not isinstance(manifest, dict) or manifest.get("format") != RUN_FORMAT:
        return None
    names = manifest.get("files")
    return {RUN_FILE, *(map(str, names) if isinstance(names, list) else ())}


def _files_below(directory: Path) -> set[str]:
    """Return all files, as paths relative to the directory; links are not followed."""
    found = set()
    for folder, folders, files in os.walk(directory):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        found |= {Path(folder, name).relative_to(directory).as_posix() for name in (*files, *links)}
    return found


def _seal(building: Path) -> None:
    """Add the list of files to ``run.json`` and put everything on the disk."""
    path = building / RUN_FILE
    if _listed(building) is None:
        raise RuntimeError(f"a results directory needs {RUN_FILE}: call write_run or write_manifest inside the block")
    manifest = json.loads(path.read_bytes())
    manifest["files"] = sorted(_files_below(building))
    path.write_text(json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    for name in manifest["files"]:
        _sync(building / name)
    _sync_names(building)


def _exchange(building: Path, target: Path, out: str | os.PathLike[str], overwrite: bool) -> None:
    """Put the complete directory in its place; what it replaces is deleted only after that."""
    _refuse_directory(out, target, overwrite)  # again: the block may have taken hours
    old = target.with_name(_hidden_name("old"))
    try:
        replaces = target.is_dir() and any(target.iterdir())
        if replaces:
            target.rename(old)
        try:
            building.rename(target)  # in one step also onto an empty directory
        except OSError:
            if replaces:
                old.rename(target)
            raise
        _sync_names(target.parent)
    except OSError as error:
        raise _cannot_write(out, error) from error
    if replaces:
        try:
            shutil.rmtree(old)
        except OSError as error:
            raise DSTheoryError(f"{out} holds the new results, but the old ones could not be deleted: remove {old}") from error
