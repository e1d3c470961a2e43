"""Objectives of other people: from a Python file that is named, or from installed packages that announce them.

A module registers its objectives with ``@register`` when it is imported; nothing is evaluated from text. Installed packages
announce such modules in the entry point group ``dstheory.objectives``; they are imported when a name is asked for that is not
known here.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import sys
from pathlib import Path

from dstheory.errors import DSTheoryError

__all__ = ["GROUP", "load_installed", "load_module"]

GROUP = "dstheory.objectives"


def load_module(path: str | Path) -> None:
    """Import a Python file that registers objectives; importing the same file again does nothing.

    Raises:
        DSTheoryError: there is no such file, or it does not import.
    """
    file = Path(path).resolve()
    if file.suffix != ".py" or not file.is_file():
        raise DSTheoryError(f"{path} is not a Python file: give the file in which your objective is registered")
    name = f"_dstheory_objectives_{file.stem}_{abs(hash(str(file))):x}"
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise DSTheoryError(f"{path} does not import: {type(error).__name__}: {error}") from error


@functools.cache
def load_installed() -> tuple[str, ...]:
    """Import the modules that installed packages announce; return their names.

    Raises:
        DSTheoryError: one of them does not import.
    """
    found = []
    for point in importlib.metadata.entry_points(group=GROUP):
        try:
            point.load()
        except Exception as error:
            raise DSTheoryError(f"the objectives of the package entry {point.name!r} do not import: {error}") from error
        found.append(point.name)
    return tuple(found)
