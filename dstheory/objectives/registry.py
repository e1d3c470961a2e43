"""The one registry of objectives: it drives the command line, the gradient checks, the documentation and the tests."""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from dstheory.about import ABOUT, FAMILIES, parse
from dstheory.errors import DSTheoryError, UnknownNameError
from dstheory.objectives.aliases import ALIASES, LACKING
from dstheory.objectives.base import Objective, WeightedSum
from dstheory.user_files import import_file, module_name

REGISTRY: dict[str, type[Objective]] = {}
_T = TypeVar("_T", bound=type[Objective])


_DECLARED = ("name", "family", "title", "formula", "balance", "balanced_when", "ascends")


def register(cls: _T) -> _T:
    """Enter an objective's class under its name; what :data:`~dstheory.about.ABOUT` says of it becomes its class attributes.

    Raises:
        TypeError: a declaration is missing, or the name is taken.

    >>> register(type("Nameless", (), {}))
    Traceback (most recent call last):
        ...
    TypeError: objective Nameless does not declare name, family, title, formula, balance, balanced_when, ascends
    """
    if cls.__dict__.get("name") in ABOUT:
        for key, value in dataclasses.asdict(ABOUT[cls.name]).items():
            setattr(cls, key, value)
    missing = [field for field in _DECLARED if not isinstance(getattr(cls, field, None), str)]
    if missing:
        raise TypeError(f"objective {cls.__name__} does not declare {', '.join(missing)}")
    if cls.name in REGISTRY:
        raise TypeError(f"objective {cls.name!r} is registered twice, by {REGISTRY[cls.name].__name__} and {cls.__name__}")
    if cls.family not in FAMILIES:
        raise TypeError(f"objective {cls.name!r} declares the family {cls.family!r}: must be one of {', '.join(FAMILIES)}")
    REGISTRY[cls.name] = cls
    return cls


def listed() -> list[type[Objective]]:
    """Return the registered classes by family, in the order of :data:`~dstheory.about.ABOUT`, those of users after them.

    >>> [cls.name for cls in listed()][:3]
    ['reinforce', 'reward-to-go', 'advantage']
    """
    order = {name: i for i, name in enumerate(ABOUT)}
    return sorted(REGISTRY.values(), key=lambda cls: (FAMILIES.index(cls.family), order.get(cls.name, len(order))))


def lookup(name: str) -> type[Objective]:
    """Return the class registered under a name, or under an alias (case and ``_``/``-`` do not matter).

    Raises:
        DSTheoryError: no such objective; the nearest names are given.

    >>> lookup("KL_direct").__name__
    'ReverseKLDirect'
    >>> lookup("trl:grpo").__name__  # named by what is computed
    'DAPOBatch'
    """
    key = _key(name)
    if key in LACKING:
        raise UnknownNameError(f"{key} is not an objective of this package: {LACKING[key]}; see dstheory objectives")
    if key in ALIASES:
        key = ALIASES[key].objective
    if key not in REGISTRY:
        load_installed()
    if key not in REGISTRY:
        near = get_close_matches(key, [*REGISTRY, *ALIASES], n=3)
        hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(sorted(REGISTRY))}"
        raise UnknownNameError(f"there is no objective {name!r}: {hint}")
    return REGISTRY[key]


def _key(name: str) -> str:
    return name.strip().lower().replace("_", "-")


def build(expression: str, settings: Mapping[str, Any], require: Callable[[str, str], Any] | None = None) -> Objective:
    """Build an objective, or a sum of objectives, from names and a common set of settings.

    Args:
        expression: names joined by ``+``, each with an optional factor: ``"reinforce + 0.1*entropy"``. Parsed, never evaluated.
        settings: values by field name (``reference``, ``demonstrations``, ``beta``, ``length_weight``, ...); each objective takes
            those that it has a field for, unless its name fixes them (:func:`unused` tells which it does not take). In a sum with
            a KL penalty ``beta`` is the penalty's, and the other terms keep theirs.
        require: called as ``require(objective, field)`` to make a setting that is missing.

    Raises:
        DSTheoryError: an unknown name, a factor that is no number, a setting that the objective needs and that is missing, or one
            that means something else under a library's name.

    >>> build("2*reinforce", {}).title
    '2 x REINFORCE, return form'
    """
    terms: list[Objective] = []
    factors: list[float] = []
    for factor, name in parse(expression):
        factors.append(factor)
        taken = {key: value for key, value in settings.items() if value is not None and key not in _left_out(expression, name)}
        if lookup(name).family == "penalty":  # its normaliser is not that of a reward beside it
            names = ("kl_normaliser", "normaliser", *(("normalise_by",) if _alone(expression) else ()))
            taken["normaliser"] = next((taken[key] for key in names if key in taken), None)
        alias = ALIASES.get(_key(name))
        for key, instead in ({} if alias is None else alias.refused).items():
            if key in taken and np.any(taken[key]):
                raise DSTheoryError(f"{_key(name)} takes no {key}: {instead}")
        terms.append(_make(lookup(name), taken if alias is None else {**taken, **alias.settings}, require))
    if len(terms) == 1 and factors[0] == 1.0:
        return terms[0]
    return WeightedSum(tuple(terms), tuple(factors))


def unused(expression: str, setting: str) -> dict[str, str]:
    """Return the terms of an expression that do not take a setting, and why, in words that follow their names.

    >>> unused("paper:grpo + entropy", "beta")
    {'paper:grpo': 'fixes beta 0.04', 'entropy': 'has no beta'}
    >>> unused("dapo-batch + k3-loss", "beta")
    {'dapo-batch': 'leaves it to the penalty beside it'}
    """
    found = {}
    for _, name in parse(expression):
        alias = ALIASES.get(_key(name))
        if alias is not None and setting in alias.settings:
            found[name] = f"fixes {setting.replace('_', '-')} {alias.settings[setting]}"
        elif setting == "normalise_by" and "inherited" in _fields(lookup(name)):
            if not _alone(expression):
                found[name] = "is divided as the reward beside it is, or by --kl-normaliser"
        elif (setting if setting != "kl_normaliser" else "inherited") not in _fields(lookup(name)):
            found[name] = f"has no {'normaliser' if setting == 'normalise_by' else setting.replace('_', '-')}"
        elif setting in _left_out(expression, name):
            found[name] = "leaves it to the penalty beside it"
    return found


def _alone(expression: str) -> bool:
    """Return whether an expression is of penalties alone, so that there is no reward whose normaliser they could share."""
    return all(lookup(name).family == "penalty" for _, name in parse(expression))


def _left_out(expression: str, name: str) -> tuple[str, ...]:
    """Return the settings that a term leaves to others: beta, where the sum has a KL penalty and the term is none."""
    if lookup(name).family == "penalty":
        return ()
    penalties = [cls for _, other in parse(expression) if (cls := lookup(other)).family == "penalty" and "beta" in _fields(cls)]
    return ("beta",) if penalties else ()


def _fields(cls: type[Objective]) -> set[str]:
    return {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]


def _make(cls: type[Objective], settings: Mapping[str, Any], require: Callable[[str, str], Any] | None) -> Objective:
    given: dict[str, Any] = {}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        if field.name in settings and settings[field.name] is not None:
            given[field.name] = settings[field.name]
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            if require is None:
                raise DSTheoryError(f"objective {cls.name!r} needs the setting {field.name!r}")
            given[field.name] = require(cls.name, field.name)
    return cls(**given)


GROUP = "dstheory.objectives"


_FILES: dict[str, Path] = {}
"""Users' files, by the names of the objectives that they register."""


def load_module(path: str | Path) -> None:
    """Import a Python file that registers objectives; importing the same file again does nothing.

    Raises:
        DSTheoryError: there is no such file, or it does not import.

    >>> load_module("objective.txt")
    Traceback (most recent call last):
        ...
    dstheory.errors.DSTheoryError: objective.txt is not a Python file: give the file in which your objective is registered
    """
    file = Path(path).resolve()
    if file.suffix != ".py" or not file.is_file():
        raise DSTheoryError(f"{path} is not a Python file: give the file in which your objective is registered")
    if module_name("objectives", file) in sys.modules:
        return
    before = set(REGISTRY)
    try:
        import_file("objectives", file)
    except Exception as error:
        raise DSTheoryError(f"{path} does not import: {type(error).__name__}: {error}") from error
    _FILES.update(dict.fromkeys(REGISTRY.keys() - before, file))


def files_of(expression: str) -> list[Path]:
    """Return the files that :func:`load_module` read and that register objectives of an expression."""
    return [_FILES[key] for _, name in parse(expression) if (key := _key(name)) in _FILES]


@functools.cache
def load_installed() -> tuple[str, ...]:
    """Import the modules that installed packages announce; return their names.

    Raises:
        DSTheoryError: one of them does not import.
    """
    import importlib.metadata  # takes longer than all else of finding an objective of this package

    found = []
    for point in importlib.metadata.entry_points(group=GROUP):
        try:
            point.load()
        except Exception as error:
            raise DSTheoryError(f"the objectives of the package entry {point.name!r} do not import: {error}") from error
        found.append(point.name)
    return tuple(found)
