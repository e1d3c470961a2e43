"""Figures of commands: the options that say how they are drawn, and the directories that they are written into."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dstheory import plots, readers
from dstheory.cli.options import applied
from dstheory.cli.show import progress_bar

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_F = TypeVar("_F", bound=Callable[..., Any])
_FIGURES = "dstheory.figures"  # where the context keeps how figures are asked for


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    ctx.meta.setdefault(_FIGURES, {})[param.name] = value


def drawing_options(text: str = "Format of the figure (repeatable); default png and svg.") -> Callable[[_F], _F]:
    """Return the options that say how a figure is drawn; ``text`` says what a format does."""
    return applied(
        [
            click.option("--figure-format", type=click.Choice(["png", "svg", "pdf"]), multiple=True, expose_value=False,
                         callback=_keep, help=text),
            click.option("--width", type=click.Choice(["text", "column"]), default="text", show_default=True, expose_value=False,
                         callback=_keep, help="Draw for the width of a paper's text, or for one column."),
        ]
    )  # fmt: skip


def formats_asked() -> tuple[str, ...]:
    """Return the formats that the command line asks for."""
    return tuple(click.get_current_context().meta.get(_FIGURES, {}).get("figure_format", ()))


def width_asked() -> str:
    """Return the width that the command line asks to draw for, "text" or "column"."""
    return str(click.get_current_context().meta.get(_FIGURES, {}).get("width", "text"))


@contextmanager
def figures_as_asked() -> Iterator[None]:
    """Draw and write figures as the options of the running command say; what draws is imported within, as it takes a while."""
    ctx = click.get_current_context()
    with progress_bar("drawing", quiet=bool(ctx.params.get("as_json"))):
        _import_what_draws()
        with plots.drawn_for(width_asked(), formats_asked()):
            yield


def _import_what_draws() -> None:
    """Import the room of figures without the lists of properties that matplotlib writes into the docstrings of its classes.

    No one reads them in a command, and they take a fifth of the time that matplotlib is imported in.
    """
    from matplotlib import artist

    lists = artist.kwdoc
    artist.kwdoc = lambda artist: ""
    try:
        import dstheory.plots.style  # noqa: F401
    finally:
        artist.kwdoc = lists


def manifest_of(options: Mapping[str, Any], results: Any, began: float | None = None) -> dict[str, Any]:
    """Return the manifest of what the running command found; ``began`` is when, on the monotonic clock."""
    parameters = {k: str(v) if isinstance(v, Path) else v for k, v in options.items() if k not in ("as_json", "overwrite")}
    seconds = None if began is None else round(time.monotonic() - began, 3)
    said = {"command": ["dstheory", *sys.argv[1:]], "parameters": parameters, "seed": options.get("seed")}
    return {**said, "wall_seconds": seconds, "results": results}


def write_figure(
    options: Mapping[str, Any], name: str, figure: Callable[[], Figure], results: Any, began: float | None = None
) -> Path:
    """Draw one figure as asked into the directory of ``--out``, with its manifest; complete or absent.

    Without ``--out`` it is a new directory under results/, named after the running command.
    """
    out: Path = options["out"] or fresh_directory(Path("results") / str(click.get_current_context().command.name))
    with readers.results_directory(out, overwrite=options["overwrite"]) as directory:
        with figures_as_asked():
            plots.save_figure(figure(), Path(directory) / name)
        readers.write_manifest(directory, manifest_of(options, results, began))
    return out


def figure_options(text: str) -> Callable[[_F], _F]:
    """Add ``--out``, ``--no-figure`` and ``--overwrite``; ``text`` says what DIR is for."""
    return applied(
        [
            click.option("--out", type=click.Path(path_type=Path), default=None, metavar="DIR", help=text),
            click.option("--no-figure", is_flag=True, help="Draw nothing."),
            drawing_options(),
            click.option("--overwrite", is_flag=True, help="Replace an earlier result in DIR."),
        ]
    )


def fresh_directory(base: Path, taken: Callable[[Path], bool] = Path.exists) -> Path:
    """Return the first of base, base-2, base-3, ... that is not taken: results are never overwritten unasked."""
    path, n = base, 1
    while taken(path):
        n += 1
        path = base.with_name(f"{base.name}-{n}")
    return path
