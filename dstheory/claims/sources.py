"""Where claims come from: the package's own proofs, and files that a user names. Nothing is imported here."""

from __future__ import annotations

from pathlib import Path

from dstheory.claims.errors import ClaimFileError

__all__ = ["bundled_files", "claim_files", "looks_like_path"]

_PACKAGE = Path(__file__).resolve().parent.parent


def bundled_files() -> list[Path]:
    """The proof files of the package: inside it when installed from a wheel, beside it in a source checkout.

    Raises ``ClaimFileError`` if there are none, which means that the installation is damaged.
    """
    for directory in (_PACKAGE / "proofs", _PACKAGE.parent / "proofs"):
        files = _python_files(directory)
        if files:
            return files
    raise ClaimFileError(f"the package's proofs are missing from {_PACKAGE / 'proofs'}; reinstall dstheory")


def looks_like_path(name: str) -> bool:
    """Whether a command-line argument names a file or a directory rather than a claim.

    >>> looks_like_path("my_claim.py"), looks_like_path("claims/"), looks_like_path("A3")
    (True, True, False)
    """
    return name.endswith(".py") or "/" in name or "\\" in name or Path(name).is_file()


def claim_files(name: str) -> list[Path]:
    """The claim files at a path: the file itself, or the Python files of a directory in alphabetical order.

    Raises ``ClaimFileError`` if there is nothing there.
    """
    path = Path(name)
    if path.is_dir():
        files = _python_files(path)
        if not files:
            raise ClaimFileError(f"the directory {name} holds no Python file with claims")
        return files
    if not path.is_file():
        raise ClaimFileError(f"there is no file {name}")
    return [path.resolve()]


def _python_files(directory: Path) -> list[Path]:
    return sorted(path.resolve() for path in directory.glob("*.py") if not path.name.startswith("_"))
