"""Libraries of trainers: one TOML file per library and version, here, that says what each key of a configuration means.

A file names the keys that enter the objective, with their defaults, and what each sets in a
:class:`~dstheory.trainers.training.Training`; the settings that this package cannot express, with a sentence; and the names of
keys that have no part in the objective. Only names and default values stand in it, with the version that they are of;
``docs/explain.md`` describes its form.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from math import isclose
from typing import Any, TypeVar

from dstheory.errors import FileFormatError
from dstheory.readers.json_values import NotTOML, decode_toml
from dstheory.texts import nearest
from dstheory.trainers.training import FIELDS

NONE = "none"
"""How a file writes the value None."""

_T = TypeVar("_T")
_FIELDS = FIELDS | {"lacks"}
_DEEPEST = 20  # parts of a key that are looked at: no library has keys below a deeper one


@dataclass(frozen=True)
class Key:
    """What one key means.

    Attributes:
        name: with dots between parts.
        default: the library's, None for none.
        sets: the field of a training that takes its value, or several with commas between them; "" for none.
        otherwise: the key whose value is taken where this one is none; "" for none.
        words: value -> fields and their values. A value that is not listed is an error.
        lacks: what a value other than the default does, where this package cannot express it.
        least, most: the smallest and largest value that the library takes.
    """

    name: str
    default: Any = None
    sets: str = ""
    otherwise: str = ""
    words: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    lacks: str = ""
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class KeyRule:
    """What several keys mean together.

    Attributes:
        when: key -> value, list of values, or ``{above, below, is_not, given}``, with ``@key`` for a bound; all must hold.
        then: fields and their values; ``@key`` stands for the value of a key, also in products and quotients.
        warn: what the user is told.
        lacks: what this package cannot express.
        refuse: why the trainer refuses to start.
        version: what was otherwise in other versions of the library.
    """

    when: Mapping[str, Any]
    then: Mapping[str, Any] = field(default_factory=dict)
    warn: str = ""
    lacks: str = ""
    refuse: str = ""
    version: str = ""


@dataclass(frozen=True)
class Patch:
    """What another package changes in a trainer when a Python file imports it.

    Attributes:
        imports: the package.
        version: of it.
        defaults: key -> its default then.
        warn: what else it changes.
    """

    imports: str
    version: str
    defaults: Mapping[str, Any]
    warn: str = ""


@dataclass(frozen=True)
class Trainer:
    """One trainer of a library.

    Attributes:
        id: such as ``trl:grpo``.
        name: as the library calls it.
        library, version, source: of the library, and where its defaults were read.
        programs: texts of a script, or class names, by which it is recognised.
        start: fields of a training that no key sets.
        keys: what keys mean, by name.
        beside: names of keys that have no part in the objective; with ``.*`` all keys below one.
        rules: what several keys mean together, in order.
        further: names of keys that name a file with further settings.
        shipped: such files that come with the library and hold its defaults, without their ends.
        patches: what other packages change.
        strange: first parts of keys that only other trainers of the library have.
        flat: the version before which keys had no sections, "" where there is none.
        stale: those of the programs that train on responses of the policy before the last update.

    >>> from dstheory.trainers import all_trainers
    >>> trainer = all_trainers()["trl:grpo"]
    >>> trainer.name, trainer.library, "beta" in trainer.keys
    ('GRPOTrainer', 'TRL', True)
    """

    id: str
    name: str
    library: str
    version: str
    source: str
    programs: tuple[str, ...]
    start: Mapping[str, Any]
    keys: Mapping[str, Key]
    beside: frozenset[str]
    rules: tuple[KeyRule, ...]
    further: tuple[str, ...] = ()
    shipped: tuple[str, ...] = ()
    patches: tuple[Patch, ...] = ()
    strange: tuple[str, ...] = ()
    flat: str = ""
    stale: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes by whose arguments a Python file sets the keys."""
        return tuple(program for program in self.programs if program.endswith("Config"))

    def is_beside(self, name: str) -> bool:
        """Return whether a key is known to have no part in the objective."""
        if name in self.beside:
            return True
        parts = name.split(".", _DEEPEST)
        return any(".".join(parts[:n]) + ".*" in self.beside for n in range(1, len(parts)))


def _parsed(text: str, source: str) -> list[Trainer]:
    try:
        table = decode_toml(text)
    except NotTOML as error:
        raise FileFormatError(f"{source} is not TOML ({error}): correct it") from error
    return [_trainer(f"{table['prefix']}:{short}", one, table, f"{source}: {short}") for short, one in table["trainers"].items()]


def _trainer(name: str, one: Mapping[str, Any], table: Mapping[str, Any], where: str) -> Trainer:
    _check(one, ("name", "programs", "start", "keys", "beside", "rules", "uses", "patches", "stale"), where)
    specs = {key: spec for group in one.get("uses", []) for key, spec in table["keys"][group].items()} | one.get("keys", {})
    keys = {key: _key(key, spec, where) for key, spec in specs.items()}
    rules = [_made(KeyRule, spec, f"{where}: a rule") for spec in one.get("rules", [])]
    for then in (one.get("start", {}), *(rule.then for rule in rules)):
        _check(then, _FIELDS, f"{where}: a training")
    return Trainer(
        name, one["name"], table["library"], str(table["version"]), table["source"], tuple(one.get("programs", [])),
        one.get("start", {}), keys, frozenset([*table.get("beside", []), *one.get("beside", [])]) - keys.keys(), tuple(rules),
        tuple(table.get("further", [])), tuple(table.get("shipped", [])),
        tuple(_made(Patch, spec, f"{where}: a patch") for spec in one.get("patches", [])), tuple(table.get("strange", [])),
        table.get("flat", ""), tuple(one.get("stale", [])),
    )  # fmt: skip


def _key(name: str, spec: Mapping[str, Any], where: str) -> Key:
    default = spec.get("default")
    key = _made(Key, {**spec, "name": name, "default": None if default == NONE else default}, f"{where}: key {name}")
    for then in (*key.words.values(), dict.fromkeys(filter(None, key.sets.split(",")))):
        _check(then, _FIELDS, f"{where}: {name}: a training")
    return key


def _made(kind: type[_T], spec: Mapping[str, Any], where: str) -> _T:
    """Return a record of what a table says."""
    _check(spec, kind.__annotations__, where)
    return kind(**spec)


def _check(table: Mapping[str, Any], known: Collection[str], where: str) -> None:
    """Refuse keys of a table that nothing reads."""
    for key in table.keys() - set(known):
        raise FileFormatError(f"{where} has no {key!r}: {nearest(key, known)}")


def text_of(value: Any) -> str:
    """Return a value as the words of a library's file are written."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list) and len(value) == 1:
        return text_of(value[0])
    return str(value).strip()


def holds(condition: Any, value: Any, given: bool = False) -> bool:
    """Return whether a value meets a condition as the TOML files here write them: a value, a list of values, or a table.

    >>> holds({"above": 3}, 8.0), holds(["none", "group"], "batch"), holds({"is_not": 1}, 1.0)
    (True, False, False)
    """
    if isinstance(condition, dict):
        return all(given is bound if how == "given" else _compares(how, bound, value) for how, bound in condition.items())
    choices = condition if isinstance(condition, list) else [condition]
    return any(text_of(value) == text_of(choice) or close(value, choice) for choice in choices)


def close(value: Any, other: Any) -> bool:
    """Return whether two values are one number."""
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in (value, other))
    return numbers and isclose(value, other)


def _compares(how: str, bound: Any, value: Any) -> bool:
    if how == "is_not":
        return not holds(bound, value)
    numbers = all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in (value, bound))
    return numbers and (value > bound if how == "above" else value < bound)


@cache
def all_trainers() -> Mapping[str, Trainer]:
    """Return all trainers by id, libraries in the order of their names.

    >>> all_trainers()["trl:grpo"].version
    '1.16.0'
    """
    here = sorted(files(__name__).iterdir(), key=lambda file: file.name)
    found = (_parsed(file.read_text(encoding="utf-8"), file.name) for file in here if file.name.endswith(".toml"))
    return {trainer.id: trainer for trainers in found for trainer in trainers}
