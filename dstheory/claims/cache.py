"""Verdicts kept between runs: `dstheory verify --cache DIR`.

A verdict is used again only if nothing that it rests on has changed: the claim's file, every module that was loaded when it was
found, every file that was opened (by checksum, all of this package among them), every variable of the environment that was read,
how hard the check tries, the versions of Python and of all installed packages, and which names could be imported from where.
Packages of site-packages and of Python itself count by version. A verdict for which that cannot be said is not kept: its process
ran another program, opened a connection or a database, loaded a library that opens files by itself (Arrow, HDF5), listed a
directory for the claim, or read a file that has gone or was written meanwhile. Nor is one that says "undecided" or "error". What
nobody hears of: whether a file exists, asked without opening it, its date, and what other compiled code opens.

An entry that is damaged, or is none, is passed over and said; whoever may write to DIR may forge one.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import Any

from dstheory.claims.verdicts import Status, Verdict

FORMAT = "dstheory-verdict/4"
_PACKAGE = Path(__file__).resolve().parent.parent
_KEPT = (Status.PROVED, Status.DECIDED, Status.ENCLOSED, Status.SEARCHED, Status.REFUTED)
_UNKNOWABLE = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "os.forkpty",
    "socket.connect",
    "sqlite3.connect",
)
_COMPILED = {"pyarrow", "fastparquet", "h5py", "tables", "netCDF4", "polars", "duckdb", "_dbm", "_gdbm"}
"""What opens files by itself, so that Python says nothing of it."""
_ENVIRONMENT = re.compile(r"(DSTHEORY|SYMPY|PYTHON|MPMATH)\w*")
_NAME_AND_VERSION = re.compile(r"^(?:Name|Version): *(.*?)\s*$", re.MULTILINE)
_ENTRY = re.compile(r"[0-9a-f]{64}\.json")


class Watch:
    """In a worker: which files are opened and which names imported, from now on, and whether anything else is asked."""

    def __init__(self) -> None:
        self._opened: set[str] = set()
        self._names = {name.partition(".")[0] for name in sys.modules}
        self._unknowable = False
        self._environment: set[str] = set()
        sys.addaudithook(self._hear)
        kind, known = type(os.environ), type(os.environ).__getitem__

        def heard(environment: Any, name: Any) -> Any:
            self._environment.add(os.fsdecode(name))
            return known(environment, name)

        kind.__getitem__ = heard  # type: ignore[method-assign]  # reading the environment raises no audit event

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str | bytes) and not arguments[2] & os.O_WRONLY:
            self._opened.add(os.path.abspath(os.fsdecode(arguments[0])))
        elif event == "import":
            self._names.add(str(arguments[0]).partition(".")[0])
        elif event in _UNKNOWABLE or (event in ("os.listdir", "os.scandir") and _by_user()):
            self._unknowable = True

    def rests_on(self, claim: Path) -> dict[str, Any] | None:
        """What a verdict found in this process rests on; None if that cannot be said."""
        if self._unknowable or self._names & _COMPILED:
            return None
        modules = [(name, getattr(module, "__file__", None)) for name, module in list(sys.modules.items())]
        # Files of other claims have names that nobody can import; a neighbour that is imported has a second one, its own.
        files = {file for name, file in modules if file and not name.startswith("_dstheory_claims_")}
        files |= {file for file in self._opened if not file.endswith(".pyc")} | {str(claim)}
        try:
            sums = {_label(Path(file), claim): _checksum(Path(file)) for file in sorted(files) if _own(file)}
        except OSError:
            return None
        names, own = sorted(self._names), {Path(entry) for entry in sys.path if _own(os.path.join(entry, "any"))}
        path = sorted(_label(entry, claim) for entry in own - {_PACKAGE.parent} if entry.is_dir())
        places = _places(names, path, claim)
        return {"files": sums, "names": names, "path": path, "places": places, "environment": sorted(self._environment)}


def _by_user() -> bool:
    """Whether code of the user asks, and not the search for modules or a package by itself."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith("<frozen importlib"):
            return False
        if not file.startswith("<") and not os.path.realpath(file).startswith((f"{_PACKAGE}{os.sep}", *_installed())):
            return True
        frame = frame.f_back
    return False


def _own(file: str) -> bool:
    """Whether a file counts by its content, and not by the version of Python or of the package it belongs to."""
    path = os.path.realpath(file)
    if path.startswith(f"{_PACKAGE}{os.sep}"):
        return True
    return not path.startswith(_installed()) and not path.startswith(("/proc/", "/sys/", "/dev/"))


@cache
def _installed() -> tuple[str, ...]:
    kinds = ("stdlib", "platstdlib", "purelib", "platlib")
    return tuple(os.path.realpath(path) + os.sep for kind in kinds if (path := sysconfig.get_paths().get(kind)))


def _label(file: Path, claim: Path) -> str:
    """A file's name by which it is found again where package and claims lie elsewhere."""
    # Links are not resolved: one may lead elsewhere next time.
    for name, root in (("package", _PACKAGE), ("claims", claim.parent)):
        if file.is_relative_to(root):
            return f"{name}:{file.relative_to(root).as_posix()}"
    return os.path.abspath(file)


def _found(label: str, claim: Path) -> Path:
    root, colon, rest = label.partition(":")
    return {"package": _PACKAGE, "claims": claim.parent}[root] / rest if colon and root in ("package", "claims") else Path(label)


def _checksum(file: Path) -> str:
    """The checksum of a file, of the names in a directory, or a word for what is not there: it must not be there next time."""
    if not file.exists():
        return "absent"
    if file.is_dir():
        return _digest(sorted(os.listdir(file)))
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _places(names: Iterable[str], path: Iterable[str], claim: Path) -> list[str]:
    """Which of the names a module beside the claim, beside the package, or in the path would answer to, before all others."""
    wanted = set(names)
    roots = [("claims", claim.parent), ("package", _PACKAGE.parent), *((label, _found(label, claim)) for label in path)]
    return [f"{side}:{name}" for side, root in roots for name in sorted(_listing(root)) if name.partition(".")[0] in wanted]


@cache
def _listing(directory: Path) -> list[str]:
    return os.listdir(directory) if directory.is_dir() else []


def _setting() -> list[str]:
    """Versions of Python, the system and all installed packages, and what the environment says to them."""
    # To parse the descriptions below the heads as well takes four times as long.
    whole = (item.read_text("METADATA") or item.read_text("PKG-INFO") or "" for item in metadata.distributions())
    packages = sorted(" ".join(_NAME_AND_VERSION.findall(text.partition("\n\n")[0])) for text in whole)
    environment = sorted(f"{name}={value}" for name, value in os.environ.items() if _ENVIRONMENT.fullmatch(name))
    return [sys.version, platform.platform(), *packages, *environment, *sys.path[1:]]


class Cache:
    """Verdicts in a directory, one file each."""

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        """Make the directory if it is not there.

        Raises:
            OSError: It cannot be made.
        """
        self._directory = Path(directory)
        self._directory.mkdir(parents=True, exist_ok=True)
        self.damaged = sum(not _ENTRY.fullmatch(name) and name[0] != "." for name in os.listdir(self._directory))
        """Entries that were passed over, since they are damaged or are none."""
        self._sums: dict[Path, str] = {}
        self._setting = _digest(_setting())
        _listing.cache_clear()

    def find(self, request: Mapping[str, Any]) -> Verdict | None:
        """The verdict of an earlier check, if all that it rests on is as it was."""
        path = self._path(request)
        if not path.exists():
            return None
        try:
            entry = json.loads(path.read_bytes())
            whole = entry.pop("checksum") == _digest(entry) and entry["key"] == self._key(request)
            verdict = Verdict.from_dict(entry["verdict"]) if whole else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            verdict = None
        if verdict is None or verdict.claim != request["id"] or verdict.status not in _KEPT:
            self.damaged += 1
            return None
        claim, rests = Path(request["path"]), entry["rests"]
        same = rests["places"] == _places(rests["names"], rests["path"], claim)
        same = same and all(os.environ.get(name) == value for name, value in rests["environment"].items())
        try:
            same = same and all(self._sum(_found(label, claim)) == known for label, known in rests["files"].items())
        except OSError:
            return None
        return verdict if same else None

    def keep(self, request: Mapping[str, Any], verdict: Verdict, rests: Mapping[str, Any] | None, since: float) -> None:
        """Keep a verdict, if what it rests on is known and nothing of it was written after the run began.

        Args:
            request: What was asked.
            verdict: The answer.
            rests: What the worker says that it rests on.
            since: When the run began, as ``time.time()``.
        """
        if rests is None or verdict.status not in _KEPT:
            return
        from dstheory.readers.atomic import atomic_path

        claim = Path(request["path"])
        try:
            found = [_found(label, claim) for label in rests["files"]]
            if any(max(file.stat().st_mtime, file.stat().st_ctime) >= since for file in found if file.exists()):
                return
        except OSError:
            return
        rests = {**rests, "environment": {name: os.environ.get(name) for name in rests["environment"]}}
        entry = {"format": FORMAT, "key": self._key(request), "rests": rests, "verdict": verdict.as_dict()}
        with atomic_path(self._path(request), overwrite=True) as file:
            file.write_text(json.dumps({**entry, "checksum": _digest(entry)}), encoding="utf-8")

    def _sum(self, file: Path) -> str:
        if file not in self._sums:
            self._sums[file] = _checksum(file)
        return self._sums[file]

    def _key(self, request: Mapping[str, Any]) -> dict[str, Any]:
        asked = {name: request[name] for name in ("id", "seed", "examples", "time_limit")}
        return {**asked, "source": self._sum(Path(request["path"])), "setting": self._setting}

    def _path(self, request: Mapping[str, Any]) -> Path:
        return self._directory / f"{_digest([FORMAT, self._key(request)])}.json"


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
