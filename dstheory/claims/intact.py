"""Whether the process that checks a file of claims is what it was before the file ran in it.

A file of claims is a program. One that gives SymPy another rule for logarithms, be it to try something out, would have its claims
checked by that rule, and those of the next file too. So a worker knows the functions, classes and methods of SymPy, of this
package and of what they compute with, by identity, and the settings of SymPy and mpmath; where one differs, no claim of the file
counts. This is against mistakes: a program that wants to deceive can, so read a stranger's file before you believe it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from types import FunctionType
from typing import Any

import mpmath
from sympy.assumptions import global_assumptions
from sympy.core.parameters import global_parameters

_ENGINE = ("sympy", "mpmath", "dstheory", "z3", "builtins", "fractions", "functools", "operator", "math", "itertools")
_METHODS = (FunctionType, classmethod, staticmethod, property)
_LIBRARY = os.path.dirname(os.__file__) + os.sep


class Intact:
    """What is loaded when it is made."""

    def __init__(self) -> None:
        self._modules = {name.partition(".")[0] for name in sys.modules}
        modules = [module for name, module in sys.modules.items() if name.partition(".")[0] in _ENGINE]
        kinds = {kind: None for module in modules for kind in vars(module).values() if isinstance(kind, type)}
        spaces: list[Any] = [*modules, *kinds]
        self._known = [(space, {k: v for k, v in vars(space).items() if _is_code(v)}) for space in spaces]
        functions = [getattr(value, "__func__", value) for _, known in self._known for value in known.values()]
        self._code = {function: _inside(function) for function in functions if isinstance(function, FunctionType)}
        self._settings = _settings()

    def changed(self) -> str | None:
        """The name of something that is not what it was; None if there is nothing."""
        for space, known in self._known:
            now = vars(space)
            names = [name for name, value in known.items() if now.get(name) is not value]
            if isinstance(space, type):  # a new method takes the place of one that was inherited
                new = [name for name in now.keys() - known.keys() if isinstance(now[name], _METHODS)]
                names += [name for name in new if any(name in vars(base) for base in space.__mro__[1:])]
            if names:
                return f"{space.__name__}.{min(names)}"
        for function, before in self._code.items():
            if _inside(function) != before:
                return function.__qualname__
        settings = _settings()
        return next((name for name, value in self._settings.items() if settings[name] != value), None)

    def guests(self) -> bool:
        """Whether modules were loaded since, but for Python's own: they may remember what one file did when the next asks."""
        new = [name for name in sys.modules if name.partition(".")[0] not in self._modules and name[:9] != "_dstheory"]
        return not all(is_python_s(name, getattr(sys.modules[name], "__file__", None)) for name in new)


def _is_code(value: Any) -> bool:
    return callable(value) or isinstance(value, _METHODS)


def is_python_s(name: str, file: str | None) -> bool:
    """Whether a module of this name, read from this file, is of Python's library: anybody may name a file ``profile.py``."""
    return name.partition(".")[0] in sys.stdlib_module_names and (file or _LIBRARY).startswith(_LIBRARY)


def _inside(function: FunctionType) -> tuple[Any, ...]:
    return function.__code__, function.__defaults__, function.__kwdefaults__


def _settings() -> Mapping[str, Any]:
    own = {f"global_parameters.{name}": value for name, value in vars(global_parameters).items()}
    return own | {"global_assumptions": set(global_assumptions), "mpmath.iv.prec": mpmath.iv.prec}
