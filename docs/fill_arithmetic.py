"""Put the results of `dstheory reproduce arithmetic` into docs/arithmetic.md and docs/arithmetic/.

    dstheory reproduce arithmetic --out results/reproduce
    python docs/fill_arithmetic.py results/reproduce/arithmetic

Tables and the answer stand between markers in the page; what is between them is replaced, and nothing else. The numbers are
kept beside the page as CSV, where tests compare them with the page and with runs made afresh.
"""

from __future__ import annotations

import csv
import shutil
import sys
from pathlib import Path

import xarray as xr
from sitepages.text import fill

from dstheory.experiments import markdown_text

DOCS = Path(__file__).parent
TABLES = ("gains", "conditions", "hypotheses", "sizes")
FIGURES = ("anatomy-reward.png", "anatomy-sft-mistakes.png", "anatomy-sft-first.png", "gains.png")


def rows_of(path: Path) -> list[dict[str, object]]:
    """Return a CSV's rows, numbers as numbers."""

    def value(text: str) -> object:
        if text == "":
            return None
        try:
            return int(text) if text.lstrip("-").isdecimal() else float(text)
        except ValueError:
            return text

    with path.open(encoding="utf-8", newline="") as file:
        return [{name: value(text) for name, text in row.items()} for row in csv.DictReader(file)]


def blocks(folder: Path) -> dict[str, str]:
    """Return what stands between each pair of markers, from the files of a folder."""
    filled = {name: markdown_text(rows_of(folder / f"{name}.csv")).strip() for name in TABLES}
    return {**filled, "answer": (folder / "caption.txt").read_text(encoding="utf-8").strip()}


def main(source: Path) -> None:
    """Copy tables and figures, write the figures of every run, fill the page."""
    kept = DOCS / "arithmetic"
    kept.mkdir(exist_ok=True)
    for name in (*(f"{table}.csv" for table in TABLES), "caption.txt", *FIGURES):
        shutil.copyfile(source / name, kept / name)
    with xr.open_dataset(source / "history.nc") as data:
        names = [f"part_{name}" for name in ("p", "a", "b", "first", "accuracy")]
        frame = data[names].to_dataframe().reset_index()
    frame.rename(columns=lambda name: name.removeprefix("part_")).to_csv(kept / "runs.csv", index=False, float_format="%.12g")
    page = DOCS / "arithmetic.md"
    page.write_text(fill(page.read_text(encoding="utf-8"), blocks(kept)), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
