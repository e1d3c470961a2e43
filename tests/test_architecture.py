"""The page on the architecture is true: its rooms are those of the import contract, and every file that it names exists."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def layers() -> list[str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = next(c for c in settings["tool"]["importlinter"]["contracts"] if c["type"] == "layers")
    rooms = [room.strip(" ()") for layer in contract["layers"] for room in layer.split(":")]
    return [room for room in rooms if not room.startswith("_")]


def test_the_table_of_rooms_is_the_contract() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, flags=re.MULTILINE) == layers()


def test_every_room_of_the_package_has_its_line() -> None:
    there = {p.stem for p in (ROOT / "dstheory").iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()}
    assert there - {"__init__", "_version"} == set(layers())


def test_every_file_named_exists() -> None:
    named = re.findall(r"`((?:\w+/)+(?:\w+\.\w+)?|\w+\.py)`", PAGE)
    missing = [name for name in named if not any((base / name).exists() for base in (ROOT, ROOT / "dstheory"))]
    assert missing == []
