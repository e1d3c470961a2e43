"""The gallery: what each experiment draws, with the command that draws it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from dstheory.experiments import Experiment, experiment_names, run_experiments
from sitepages.text import plain

DOCS = Path(__file__).resolve().parents[1]
KEPT = {"arithmetic": DOCS / "arithmetic"}
"""Experiments that take minutes: their figures are kept in the repository."""
COMMANDS = {
    "simulate.png": (
        "dstheory simulate --length-weight 0.5",
        "p, a, b and accuracy over training, stage energies, and the split of each gain.",
    ),
    "objectives.png": (
        "dstheory attribute --all --reference 0.5,0.5,0.5",
        "Every objective: the decision's share of the energy, and angles to the accuracy's gradient.",
    ),
    "anatomy.png": (
        "dstheory anatomy rollouts.jsonl --compare base tuned",
        "p, a, b over tasks with intervals; realised and predicted accuracy; the gain split by stage.",
    ),
}


def drawn(out: Path) -> None:
    """Run every experiment that needs no data and no minutes, into folders of their names below ``out``, where there are none."""
    missing = [item for item in experiment_names().values() if not item.needs and item.name not in KEPT]
    missing = [item for item in missing if not (out / item.name).exists()]
    for result in run_experiments(missing, out, jobs=1) if missing else ():
        if result.status != "done":
            raise RuntimeError(f"{result.name}: {result.reason}")


def pages(folder: Callable[[str], Path | None], images: Path | None = None) -> dict[str, str]:
    """Return ``{path: text}``: one page with all figures.

    Args:
        folder: where the figures of an experiment lie, by its name; None for those that were not drawn.
        images: where the figures are copied, beside the page; None copies nothing.
    """
    out = ["# Every figure", "", "Each experiment writes its figures (PNG, SVG), data (netCDF), tables and a manifest.", ""]
    for item in experiment_names().values():
        source = None if item.needs else folder(item.name)
        out += _experiment(item, _copied(item.name, source, images), _caption(source))
    out += ["## Figures of commands", ""]
    for name, (command, words) in COMMANDS.items():
        out += [f"![{words}](../{name})", "", words, "", "```console", f"$ {command}", "```", ""]
    return {"figures.md": "\n".join(out)}


def _experiment(item: Experiment, images: Iterable[str], caption: str) -> list[str]:
    data = " --data DIR" if item.needs else ""
    out = [f"## {item.name}", ""]
    out += [] if caption.startswith(item.shows) else [plain(item.shows), ""]
    for image in images:
        out += [f"![{item.name}: {Path(image).stem}]({image})", ""]
    for paragraph in filter(None, caption.split("\n\n")):
        out += [plain(paragraph), ""]
    if item.needs:
        out += [f"Its data are not part of the package: it needs {plain(item.needs)}.", ""]
    out += ["```console", f"$ dstheory reproduce {item.name}{data}", "```", ""]
    return [*out, f"Claims: {', '.join(item.claims)}.", ""] if item.claims else out


def _caption(folder: Path | None) -> str:
    file = folder / "caption.txt" if folder else None
    return file.read_text(encoding="utf-8") if file and file.is_file() else ""


def _copied(name: str, source: Path | None, images: Path | None) -> list[str]:
    if source is None or images is None:
        return []
    images.mkdir(parents=True, exist_ok=True)
    found = sorted(source.glob("*.png"))
    for path in found:
        shutil.copy(path, images / f"{name}-{path.name}")
    return [f"{images.name}/{name}-{path.name}" for path in found]
