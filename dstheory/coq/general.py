"""Theorems written by hand, for any number of answers, turns and prompts: which there are, and which claims they generalise."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "kernel"


@dataclass(frozen=True)
class General:
    """A theorem of the library.

    Attributes:
        name: Its name in Coq.
        file: The file it is proved in, without ``.v``.
        general: What it is general in.
        assumes: What it assumes.
        claims: Ids of the claims that it is the general form of.
        example: The ``Example`` that meets its hypotheses and applies it, where it is not plain that they can be met; with its
            file in front, ``File.name``, if that is another one.
        met_by: What meets them there.
    """

    name: str
    file: str
    general: str
    assumes: str
    claims: tuple[str, ...] = ()
    example: str = ""
    met_by: str = ""

    @property
    def example_file(self) -> str:
        """The file of the example, without ``.v``."""
        return self.example.rpartition(".")[0] or self.file

    @property
    def example_name(self) -> str:
        """The name of the example in Coq."""
        return self.example.rpartition(".")[2]


@cache
def _table() -> dict[str, dict[str, Any]]:
    return tomllib.loads((FOLDER / "theorems.toml").read_text(encoding="utf-8"))


def numbers_only() -> Mapping[str, str]:
    """Return the claims that are about given numbers, so that nothing general is in them, with what they are about.

    >>> numbers_only()["E3-numbers"]
    'one reference and three weights'
    """
    return dict(_table()["numbers_only"])


def own_theorems() -> Mapping[str, tuple[str, ...]]:
    """Return the claims whose own theorems are general, with the symbols that range over what the claim is about.

    >>> own_theorems()["H5"]
    ('a', 'b', 'n')
    """
    return {claim: tuple(names) for claim, names in _table()["own"].items()}


@cache
def theorems() -> tuple[General, ...]:
    """Return the theorems of the library, file by file.

    >>> [item.name for item in theorems() if "C2" in item.claims]
    ['dilution', 'dilution_length', 'dilution_limit']
    """
    return tuple(
        General(name, file, said["general"], said["assumes"], tuple(said.get("claims", ())), *said.get("met", ()))
        for file, members in _table().items()
        if file not in ("numbers_only", "own")
        for name, said in members.items()
    )


def _names(file: str) -> list[str]:
    """The theorems of a file and the examples in it."""
    own = [item.name for item in theorems() if item.file == file]
    return [*own, *(item.example_name for item in theorems() if item.example and item.example_file == file)]


def write_library(directory: Path) -> list[str]:
    """Write the library into the folder ``kernel`` of a directory, with a file that prints what its theorems assume.

    Returns:
        The names of the files of Coq, each after those that it needs.
    """
    target = directory / "kernel"
    target.mkdir(exist_ok=True)
    for path in sorted(FOLDER.iterdir()):
        if path.suffix == ".v" or path.name in ("Makefile", "theorems.toml"):
            (target / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    files = list(dict.fromkeys([*(item.file for item in theorems()), *(item.example_file for item in theorems())]))
    lines = [f"From Kernel Require Import {' '.join(files)}."]
    for file in files:
        own = ",\n  ".join(f"@{file}.{name}" for name in _names(file))
        lines += [f"(* What all theorems of {file}.v together assume. *)", f"Definition {file}_theorems := (\n  {own})."]
        lines += [f"Print Assumptions {file}_theorems."]
    (target / "Assumptions.v").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [f"kernel/{name}.v" for name in ["Sums", *files, "Assumptions"]]
