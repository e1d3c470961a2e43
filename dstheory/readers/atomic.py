"""Files and directories that are complete or absent, and never overwritten unasked.

A file is written into a hidden directory beside its target and renamed when it is complete; a results directory likewise. Ctrl-C,
an error or a full disk therefore leave what was there before. A process that is killed leaves its hidden directory too. Whoever
writes to the same target next removes it, and puts back results that were being exchanged at that moment. That the owner is dead
is told by a lock, which the operating system releases with the process, also in another container or on another machine.

``run.json``: what was run, which files it wrote, and checksums by which one changed byte in any of them is found out.

``sha256`` has the checksum of every other file of the directory, ``checksum`` that of ``run.json`` itself, taken with 64 zeros in
its place. A result without them is not read: HDF5 takes what a damaged file says of its sizes at its word.

Source: derived here.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

from dstheory.errors import DSTheoryError, remedy_for
from dstheory.interrupts import Interrupted, deferred_interrupts, owe, settle
from dstheory.readers.streams import read_whole
from dstheory.texts import is_unicode

RUN_FILE = "run.json"
RUN_FORMAT = "dstheory-run/1"  # written into run.json; only directories with it are ever replaced
_FILES, _OWN = "sha256", "checksum"
_ZEROS = "0" * 64


def json_dumped(data: Any) -> str:
    """Return data as indented JSON, readable where it can be: halves of surrogate pairs (in names of files) need its escapes."""
    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
    return text if is_unicode(text) else json.dumps(data, indent=2, allow_nan=False)


def digest(path: Path) -> str:
    """Return the checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def manifest_bytes(content: Mapping[str, Any], files: Mapping[str, str]) -> bytes:
    """Return the bytes of ``run.json``.

    Args:
        content: everything but the checksums; those of an earlier form are replaced.
        files: name -> checksum of the other files.

    Example:
        >>> parse_manifest(manifest_bytes({"seed": 0}, {}))["seed"]
        0
    """
    plain = {key: value for key, value in content.items() if key not in (_FILES, _OWN)}
    text = json_dumped({**plain, _FILES: dict(files), _OWN: _ZEROS}) + "\n"
    own = hashlib.sha256(text.encode()).hexdigest()
    return text.replace(_own_entry(_ZEROS), _own_entry(own)).encode()


def parse_manifest(data: bytes) -> Any:
    """Return what ``run.json`` says.

    Raises:
        ValueError: it is not JSON, or is not what was written.
    """
    found = json.loads(data)
    if isinstance(found, dict) and found.get("format") == RUN_FORMAT:
        own = found.get(_OWN)
        whole = data.decode().replace(_own_entry(own), _own_entry(_ZEROS)) if isinstance(own, str) else ""
        if not isinstance(found.get(_FILES), dict) or hashlib.sha256(whole.encode()).hexdigest() != own:
            raise ValueError("its checksum is not that of its content")
    return found


def is_unchanged(manifest: Mapping[str, Any], path: Path) -> bool:
    """Return whether a file beside ``run.json`` is what was written, or absent as it was."""
    known = manifest[_FILES]
    return path.exists() == (path.name in known) and (not path.exists() or known[path.name] == digest(path))


def _own_entry(own: str) -> str:
    return f'  "{_OWN}": "{own}"\n}}\n'  # the end of the file


_SLOTS = 8  # processes that may write to one target at the same time; the last one to be complete wins
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG)
_LEFT_BY_DESKTOPS = {".DS_Store", "Thumbs.db", "desktop.ini"}  # may be deleted with a results directory
_MOVE = "move it elsewhere, or give another directory"
_LEFT_BY_COQ = ("{}.vo", "{}.vok", "{}.vos", "{}.glob", ".{}.aux")  # beside a file {}.v of ours: may be deleted with it


def refuse_overwrite(path: str | os.PathLike[str], overwrite: bool, *, inputs: Iterable[str | os.PathLike[str]] = ()) -> None:
    """Refuse what :func:`atomic_path` would refuse, and a result that would replace what it is computed from.

    Args:
        path: the file to be written.
        overwrite: whether an existing file may be replaced.
        inputs: files that are never replaced.

    Raises:
        DSTheoryError: something is at ``path`` already and ``overwrite`` is false; it is not a regular file (a directory, a
            device), or one of ``inputs``; or its own directory does not exist.

    Example:
        >>> refuse_overwrite("no-such-file.csv", overwrite=False)
    """
    target = Path(path)
    if target.is_dir():
        raise DSTheoryError(f"{path} is a directory: give the name of a file, for example {target / 'result'}{target.suffix}")
    real = os.path.realpath(target)
    if any(real == os.path.realpath(each) for each in inputs):
        raise DSTheoryError(f"{path} is what the result is computed from: it is never replaced; give another name")
    if target.exists() and not target.is_file():
        raise DSTheoryError(f"{path} is a pipe, a socket or a device: it is never replaced; give the name of a file")
    if not overwrite and os.path.lexists(target):
        raise DSTheoryError(f"{path} exists already: nothing was written; give another name, or replace it with --overwrite")
    parent = os.path.dirname(real)
    if not os.path.isdir(parent):
        raise DSTheoryError(f"cannot write {path}: there is no directory {parent}; make it, or choose another place")


@contextmanager
def atomic_path(target: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside ``target``; what is written there becomes ``target`` when the block ends without an error.

    Args:
        target: the file to write; a symbolic link is followed. Its directory must exist.
        overwrite: whether an existing file may be replaced.

    Raises:
        DSTheoryError: the target exists and may not be replaced, or the file cannot be written (no permission, disk full).

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with atomic_path(Path(folder, "a.txt")) as path:
        ...         _ = path.write_text("complete")
        ...     [p.name for p in Path(folder).iterdir()]
        ['a.txt']
    """
    refuse_overwrite(target, overwrite)
    real = Path(os.path.realpath(target))
    with _hidden_directory(real, target) as hidden:
        temporary = hidden / f"new{real.suffix}"
        try:
            yield temporary
            _sync(temporary)
            linked = False
            if not overwrite:
                with suppress(OSError):  # also a file system without hard links
                    os.link(temporary, real)  # unlike a rename, refuses in the same step when the name has been taken meanwhile
                    linked = True
            if not linked:
                refuse_overwrite(target, overwrite)
                os.replace(temporary, real)
            _sync(real.parent)
        except OSError as error:
            if error.filename in (None, str(temporary), str(real)):
                raise _cannot_write(target, error) from error
            raise  # about some other file


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

    Example:
        >>> import tempfile
        >>> from dstheory.readers.results import write_manifest
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with results_directory(Path(folder, "out")) as directory:
        ...         _ = (directory / "table.txt").write_text("p 0.55")
        ...         write_manifest(directory, {"command": "demo", "parameters": {}, "seed": 0, "wall_seconds": 0.1})
        ...     sorted(p.name for p in Path(folder, "out").iterdir())
        ['run.json', 'table.txt']
    """
    refuse_directory(out, overwrite)
    target = Path(os.path.realpath(out))
    with shared_directory(target.parent, out), _hidden_directory(target, out) as hidden:
        refuse_directory(out, overwrite)  # again: earlier results may just have been put back
        building = hidden / "new"
        try:
            building.mkdir()
            yield building
            _seal(building)
            with deferred_interrupts():
                _exchange(building, target, out, overwrite)
        except OSError as error:
            if error.errno in _DISK:
                raise _cannot_write(out, error) from error
            raise


@contextmanager
def shared_directory(directory: str | os.PathLike[str], shown: str | os.PathLike[str] | None = None) -> Iterator[None]:
    """Make a directory, with its parents, below which results will be put; at the end those of them that are empty are removed.

    Args:
        directory: the directory; several processes may work below it, each of which alone would leave it behind for the others.
        shown: what messages call it; default its own name.

    Raises:
        DSTheoryError: it cannot be made.
    """
    real = Path(os.path.realpath(directory))
    missing = [each for each in (real, *real.parents) if not each.exists()]

    def remove_empty() -> None:
        for each in missing:
            if each.is_dir() and not any(each.iterdir()):
                each.rmdir()

    key = object()
    try:
        owe(key, remove_empty)
        try:
            real.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot_write(shown or directory, error) from error
        yield
    except Interrupted:
        raise  # what is inside may not be removed yet; at the end of the command it is
    except BaseException:
        settle(key)
        raise
    else:
        settle(key)


@contextmanager
def added_files(out: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a directory whose files are added to complete results, and to what their ``run.json`` lists.

    Args:
        out: the directory of the results.

    Raises:
        DSTheoryError: a file of one of the names is there that is none of these results, or they cannot be written.
    """
    target = Path(os.path.realpath(out))
    with _hidden_directory(target, out) as building:
        yield building
        names = sorted(each.name for each in building.iterdir())
        written = _listed(target) or set()
        for name in names:
            if name not in written and os.path.lexists(target / name):
                raise DSTheoryError(f"{out} holds {name}, not written by dstheory: {_MOVE}")
        manifest = parse_manifest(read_whole(target / RUN_FILE))
        manifest["files"] = sorted(written.union(names))
        sums = manifest[_FILES] | {name: digest(building / name) for name in names}
        with atomic_path(target / RUN_FILE, overwrite=True) as path, deferred_interrupts():
            for name in names:
                (building / name).replace(target / name)
            path.write_bytes(manifest_bytes(manifest, sums))


def refuse_directory(out: str | os.PathLike[str], overwrite: bool) -> None:
    """Refuse what :func:`results_directory` would refuse: what takes hours asks before it begins.

    Args:
        out: the directory to be made.
        overwrite: whether the directory of an earlier run may be replaced.

    Raises:
        DSTheoryError: there is a file, the current directory, results that may not be replaced, or something of somebody else.

    Example:
        >>> refuse_directory("no-such-directory", overwrite=False)
    """
    target = Path(os.path.realpath(out))
    if os.path.lexists(target) and not target.is_dir():
        raise DSTheoryError(f"{out} is a file: results go into a directory; give another directory")
    if not target.is_dir():
        return
    if target == Path.cwd():
        raise DSTheoryError(f"{out} is the current directory: give the name of a folder inside it, for example results")
    try:
        if not any(target.iterdir()):
            return
        written = _listed(target)
    except OSError as error:
        raise _cannot_write(out, error) from error
    if written is None:
        raise DSTheoryError(
            f"{out} exists and was not made by dstheory (it has no {RUN_FILE} of this package): it is never replaced; "
            "give another directory"
        )
    if not overwrite:
        raise DSTheoryError(
            f"{out} holds results already: nothing was written; give another directory, or replace it with --overwrite"
        )
    compiled = (PurePosixPath(name) for name in written if name.endswith(".v"))
    left = {path.with_name(each.format(path.stem)).as_posix() for path in compiled for each in _LEFT_BY_COQ}
    foreign = sorted(name for name in _files_below(target) - written - left if name.rsplit("/", 1)[-1] not in _LEFT_BY_DESKTOPS)
    if foreign:
        more = f" (and {len(foreign) - 1} more)" if len(foreign) > 1 else ""
        raise DSTheoryError(f"{out} holds {foreign[0]}{more}, not written by dstheory: {_MOVE}")


@contextmanager
def _hidden_directory(target: Path, shown: str | os.PathLike[str]) -> Iterator[Path]:
    """Make a directory beside ``target`` for what becomes it, first removing those of dead processes; removed at the end."""
    key = object()
    try:
        try:
            with deferred_interrupts():
                hidden, lock = _made_beside(target)
                owe(key, lambda: _remove_locked(hidden, lock))
        except OSError as error:
            raise _cannot_write(shown, error) from error
        yield hidden
    finally:
        settle(key)


def _remove_locked(directory: Path, lock: int) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    os.close(lock)


def _hidden_names(target: Path) -> list[Path]:
    # Of the name a digest, since with anything before it the name itself may become too long.
    digest = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:8]
    return [target.with_name(f".partial-{digest}-{slot}") for slot in range(_SLOTS)]


def _made_beside(target: Path) -> tuple[Path, int]:
    """Return a new hidden directory beside ``target`` and the descriptor of its lock; those of dead processes are removed."""
    remove_left_behind(target)
    for hidden in _hidden_names(target):
        with suppress(FileExistsError):
            hidden.mkdir()
            lock = _lock(hidden)
            if lock is not None:  # else another process has just taken it for a dead one's, and removes it
                return hidden, lock
    raise OSError(errno.EBUSY, f"{_SLOTS} other processes are writing it")


def _lock(directory: Path, *, certain: bool = False) -> int | None:
    """Return an open descriptor that holds the lock of a directory; None if another process has it, or it is gone.

    Args:
        directory: which.
        certain: whether None is also what a file system without locks gives.
    """
    try:
        import fcntl
    except ImportError:  # a system without such locks, where nothing is ever certain
        return None if certain else os.open(os.devnull, os.O_RDONLY)
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held = True
    except OSError as error:
        held = not certain and not isinstance(error, BlockingIOError)
    if held:
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), os.lstat(directory)):
                return descriptor
    os.close(descriptor)
    return None


def remove_left_behind(target: str | os.PathLike[str]) -> None:
    """Remove what processes that are dead were writing for a target; results that one was about to replace go back.

    Args:
        target: the file or directory that they would have written.
    """
    real = Path(os.path.realpath(target))
    for hidden in _hidden_names(real):
        lock = _lock(hidden, certain=True) if os.path.lexists(hidden) else None
        if lock is None:
            continue
        try:
            if (hidden / "old").is_dir() and not os.path.lexists(real):
                (hidden / "old").rename(real)
            shutil.rmtree(hidden, ignore_errors=True)
        finally:
            os.close(lock)


def _cannot_write(path: str | os.PathLike[str], error: OSError) -> DSTheoryError:
    return DSTheoryError(f"cannot write {os.fspath(path)}: {error.strerror or error}; {remedy_for(error)}")


def _sync(path: Path) -> None:
    """Have the operating system put a file, or the names in a directory, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        if not path.is_dir():  # not every file system can do it for names; the files themselves are safe either way
            raise
    finally:
        os.close(descriptor)


def _listed(directory: Path) -> set[str] | None:
    """Return the files that ``run.json`` says this package wrote; None if the directory is not one of ours."""
    try:
        manifest = json.loads(read_whole(directory / RUN_FILE))
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    if not isinstance(manifest, dict) or manifest.get("format") != RUN_FORMAT:
        return None
    names = manifest.get("files")
    return {RUN_FILE, *(map(str, names) if isinstance(names, list) else ())}


def _files_below(directory: Path) -> set[str]:
    """Return all files, as paths relative to the directory; links are not followed."""
    return {
        each.relative_to(directory).as_posix()
        for folder, folders, files in os.walk(directory)
        for each in map(Path(folder).joinpath, (*files, *folders))
        if each.is_symlink() or not each.is_dir()
    }


def _seal(building: Path) -> None:
    """Add the files and their checksums to ``run.json`` and put everything on the disk."""
    if _listed(building) is None:
        raise RuntimeError(f"a results directory needs {RUN_FILE}: call write_run or write_manifest inside the block")
    path = building / RUN_FILE
    manifest = json.loads(path.read_bytes())
    manifest["files"] = sorted(_files_below(building))
    others = [name for name in manifest["files"] if name != RUN_FILE and (building / name).is_file()]
    path.write_bytes(manifest_bytes(manifest, {name: digest(building / name) for name in others}))
    for name in manifest["files"]:
        _sync(building / name)
    _sync(building)


def _exchange(building: Path, target: Path, out: str | os.PathLike[str], overwrite: bool) -> None:
    """Put the complete directory in its place; what it replaces is deleted only after that."""
    refuse_directory(out, overwrite)  # again: the block may have taken hours
    old = building.with_name("old")
    replaces = target.is_dir() and any(target.iterdir())
    try:
        if replaces:
            target.rename(old)
        try:
            building.rename(target)  # in one step also onto an empty directory
        except OSError:
            if replaces:
                old.rename(target)
            raise
        _sync(target.parent)
    except OSError as error:
        raise _cannot_write(out, error) from error
    if replaces:
        try:
            shutil.rmtree(old)
        except OSError as error:
            raise DSTheoryError(
                f"{out} holds the new results, but the old ones could not be deleted: remove {old.parent}"
            ) from error
