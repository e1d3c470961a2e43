"""The page on the architecture is true: its rooms are those of the import contract, and every file that it names exists."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from dstheory import DPO, GRPO, Policy, ReverseKLDirect
from dstheory.anatomy.building import EpisodesBuilder
from dstheory.anatomy.episodes import Episodes
from dstheory.anatomy.logs import read_log
from dstheory.anatomy.rates import measure
from dstheory.anatomy.surveys import survey
from dstheory.cli.anatomy.document import document
from dstheory.cli.anatomy.report import command
from dstheory.readers.batches import RecordBatch
from dstheory.readers.log_files import Opened

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


def test_two_files_say_what_multiplies_the_score() -> None:
    """Whatever an objective's coefficients are made of is defined in the files that the page names, and these are two at most."""
    rows = re.findall(r"^\* `([\w-]+)`: (.*objectives/.*)$", PAGE, re.MULTILINE)
    said = {name: re.findall(r"`(objectives/\w+\.py)`", row) for name, row in rows}
    start = Policy.minimal(p=0.5, a=0.5, b=0.5)
    grpo, kl = GRPO(), ReverseKLDirect(start)
    made_of = {
        "grpo": [GRPO, type(grpo.credit), type(grpo.normaliser)],
        "kl-direct": [ReverseKLDirect, ReverseKLDirect.per_token, ReverseKLDirect.weighted, type(kl.stage_weight)],
        "dpo": [DPO, DPO.coefficients, type(DPO(start).of_pairs)],
    }
    for name, parts in made_of.items():
        files = {part.__module__.removeprefix("dstheory.").replace(".", "/") + ".py" for part in parts}
        assert files == set(said[name])
        assert len(files) <= 2


def test_nine_files_take_a_record_to_a_printed_interval() -> None:
    """Whatever a record of the package's own form becomes is made in the files that the walk names, and these are nine."""
    start = PAGE.index("**A record of a log, to a printed interval**")
    walk = re.findall(r"`([\w/]+\.py)`", PAGE[start : PAGE.index("These nine files", start)])
    in_python = [read_log, Opened, RecordBatch, EpisodesBuilder, Episodes, measure]
    made_by = [command.callback, *in_python, survey, document]
    assert walk == [part.__module__.removeprefix("dstheory.").replace(".", "/") + ".py" for part in made_by]
    assert (len(set(walk)), len(in_python)) == (9, 6)


def test_every_file_named_exists() -> None:
    named = re.findall(r"`((?:\w+/)+(?:\w+\.\w+)?|\w+\.py)`", PAGE)
    missing = [name for name in named if not any((base / name).exists() for base in (ROOT, ROOT / "dstheory"))]
    assert missing == []
