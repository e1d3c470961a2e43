"""The reference of the library: every public name, on the page of its room."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import types
from collections.abc import Mapping
from typing import Any

import dstheory
from sitepages.text import plain, table

_MARKED = re.compile(r":math:`(.+?)`|:[\w:]+:`~?(?:[\w.]+\.)?(\w+)`|``(.+?)``|`(.+?)`")
"""What a docstring marks: a formula, a role (of which the last name is shown), code between double or single marks."""

_APART = {"cli", "about"}
"""The command line is not a library, and what `about` holds is the catalogue of objectives."""


def rooms() -> dict[str, dict[str, str]]:
    """Return for every room its public names, each with the name by which it is imported.

    >>> rooms()["chain"]["solve"]
    'dstheory.solve'
    """
    flat = {name: getattr(dstheory, name) for name in dstheory.__all__}
    flat = {name: thing for name, thing in flat.items() if not inspect.ismodule(thing) and name != "__version__"}
    found: dict[str, dict[str, str]] = {}
    for module in pkgutil.iter_modules(dstheory.__path__):
        if module.name in _APART:
            continue
        room = importlib.import_module(f"dstheory.{module.name}")
        own = {name: f"{room.__name__}.{name}" for name in getattr(room, "__all__", ())}
        home = f"{room.__name__}."
        own |= {name: f"dstheory.{name}" for name, thing in flat.items() if f"{thing.__module__}.".startswith(home)}
        if own:
            found[module.name] = own
    return found


_ARRAYS = "In signatures, `Floats`, `Ints` and `Bools` are NumPy arrays of float64, of integers and of truth values."


def pages() -> dict[str, str]:
    """Return ``{path: text}``: a page per room, and the list of all names."""
    found = rooms()
    index = ["# Every public name", "", "By room; what is imported from `dstheory` itself is the flat library. "
             "[The library](../../library.md) shows how the parts fit together.", ""]  # fmt: skip
    out = {}
    for room, names in found.items():
        module = importlib.import_module(f"dstheory.{room}")
        first = _words((module.__doc__ or "").strip().split("\n\n")[0])
        rows = [(f"{{py:obj}}`{path}`", _words(_first_line(_thing(path)))) for path in names.values()]
        index += [f"## [{room}]({room}.md)", "", first, "", *table(["name", "what it is"], rows)]
        body = "\n".join(directive for path in names.values() for directive in _directive(path))
        out[f"api/{room}.md"] = f"# dstheory.{room}\n\n{first}\n\n{_ARRAYS}\n\n```{{eval-rst}}\n{body}\n```\n"
    index += ["```{toctree}", ":hidden:", "", *found, "```", ""]
    return {"api/index.md": "\n".join(index), **out}


def _words(docstring: str) -> str:
    """Return the words of a docstring as Markdown.

    >>> print(_words("The ``p_C`` that :func:`~dstheory.chain.solve` gives"))
    The `p_C` that `solve` gives
    """
    out, end = [], 0
    docstring = " ".join(docstring.split())
    for found in _MARKED.finditer(docstring):
        shown = f"${found[1]}$" if found[1] else f"`{found[2] or found[3] or found[4]}`"
        out += [plain(docstring[end : found.start()]), shown]
        end = found.end()
    return "".join([*out, plain(docstring[end:])])


def _thing(path: str) -> Any:
    module, name = path.rsplit(".", 1)
    return getattr(importlib.import_module(module), name)


def _first_line(thing: Any) -> str:
    described = inspect.isclass(thing) or inspect.isroutine(thing) or isinstance(thing, types.FunctionType)
    return (inspect.getdoc(thing) or "").split("\n\n")[0] if described or hasattr(thing, "py_func") else ""


def _directive(path: str) -> list[str]:
    thing = _thing(path)
    if inspect.isclass(thing):
        kind = "autoexception" if issubclass(thing, BaseException) else "autoclass"
        bases = ["   :show-inheritance:"] if thing.__bases__ != (object,) else []
        return [f".. {kind}:: {path}", "   :members:", *bases, ""]
    if callable(thing):
        return [f".. autofunction:: {path}", ""]
    keys = f"A mapping with the keys {', '.join(f'``{key}``' for key in thing)}." if isinstance(thing, Mapping) else ""
    return [f".. py:data:: {path}", "", f"   {keys}", ""]
