"""Python files that a user names (claims, objectives, checkers), each imported as a module of its own; and where ours lie."""

from __future__ import annotations

import importlib.util
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType


def shipped(name: str) -> Path:
    """Return a file or folder that comes with the package: inside it where it is installed, beside it in a source checkout."""
    inside = Path(__file__).resolve().parent / name
    return inside if inside.exists() else inside.parents[1] / name


def module_name(kind: str, path: Path) -> str:
    """Return the name in ``sys.modules`` of a file that defines things of a kind: no other file of that name is taken for it."""
    path = path.resolve()
    return f"_dstheory_{kind}_{path.stem}_{abs(hash(str(path))):x}"


def import_file(kind: str, path: Path) -> ModuleType:
    """Run a Python file and return the module that it makes. It may import its neighbours, as a script may.

    Args:
        kind: what it defines, such as "claims".
        path: an existing file whose name ends in ``.py``.

    Raises:
        BaseException: whatever the file raises; then it counts as never imported.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name, text in (("neighbour", "RATE = 0.3"), ("mine", "from neighbour import RATE")):
        ...         _ = Path(folder, f"{name}.py").write_text(text)
        ...     import_file("objectives", Path(folder, "mine.py")).RATE
        0.3
    """
    path = path.resolve()
    spec = importlib.util.spec_from_file_location(module_name(kind, path), path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there for what their annotations mean
    folder = str(path.parent)
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(spec.name, None)
        raise
    finally:
        with suppress(ValueError):  # the file removed it itself
            sys.path.remove(folder)
    return module
