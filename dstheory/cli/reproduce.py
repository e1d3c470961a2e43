"""`dstheory reproduce`: run the experiments of sims/, from a checkout or from an installed wheel."""

from __future__ import annotations

import importlib.util
import sys
import time
from pathlib import Path
from types import ModuleType

import click

from dstheory.cli.options import json_option

__all__ = ["command"]

EPILOG = """\b
Examples:
  dstheory reproduce --list
  dstheory reproduce source-figure
  dstheory reproduce --all --out results/figures
"""


@click.command(
    name="reproduce", epilog=EPILOG, short_help="Run the experiments.", context_settings={"help_option_names": ["-h", "--help"]}
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "everything", is_flag=True, help="Run every experiment.")
@click.option("--list", "listing", is_flag=True, help="Say what there is and run nothing.")
@click.option("--quick", is_flag=True, help="Small versions, to see that everything runs.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("results/reproduce"), show_default=True, metavar="DIR",
    help="Each experiment gets its own directory below this one.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace earlier results.")
@json_option
def command(
    names: tuple[str, ...], everything: bool, listing: bool, quick: bool, out: Path, overwrite: bool, as_json: bool
) -> None:
    """Run experiments and write figure, data and manifest of each."""
    from dstheory.cli.show import print_json, print_table, progress_bar
    from dstheory.errors import DSTheoryError
    from dstheory.files import results_directory, write_run
    from dstheory.plots import save_figure

    sims = {module.NAME: module for module in map(_load, sorted(_folder().glob("*.py")))}
    if listing:
        rows = [[name, ", ".join(m.CLAIMS), (m.__doc__ or "").splitlines()[0]] for name, m in sims.items()]
        if as_json:
            print_json({"experiments": [dict(zip(("name", "claims", "shows"), row, strict=True)) for row in rows]})
        else:
            print_table("Experiments", ["name", "claims", "what it shows"], rows, words=3)
        return
    if not names and not everything:
        raise click.UsageError("name an experiment, or give --all; `dstheory reproduce --list` says what there is")
    unknown = [name for name in names if name not in sims]
    if unknown:
        raise DSTheoryError(f"there is no experiment {unknown[0]!r}: known are {', '.join(sims)}")
    done = []
    for name in sims if everything else names:
        began = time.monotonic()
        with (
            results_directory(out / name, overwrite=overwrite) as directory,
            progress_bar(name, 1, quiet=as_json) as update,
        ):
            data, figures = sims[name].run(quick=quick, progress=lambda step, total, update=update: update(step / total))
            for stem, figure in figures.items():
                save_figure(figure, directory / stem)
            parameters = {"quick": quick, "claims": list(sims[name].CLAIMS)}
            seconds = round(time.monotonic() - began, 3)
            manifest = {"command": ["dstheory", *sys.argv[1:]], "parameters": parameters, "seed": data.attrs.get("seed", 0)}
            write_run(directory, data, {**manifest, "wall_seconds": seconds})
        done.append({"name": name, "claims": list(sims[name].CLAIMS), "out": str(out / name), "seconds": seconds})
        if not as_json:
            click.echo(f"{name}: {out / name} ({seconds:.1f} s)")
            click.echo("\n".join(f"    {line}".rstrip() for line in (sims[name].__doc__ or "").strip().splitlines()))
    if as_json:
        print_json({"experiments": done})


def _folder() -> Path:
    """Return where the experiments lie: inside the installed package, or beside it in a checkout."""
    import dstheory

    package = Path(dstheory.__file__).parent
    inside = package / "sims"
    return inside if inside.is_dir() else package.parent / "sims"


def _load(path: Path) -> ModuleType:
    """Import one experiment by its path; nothing named "sims" has to be importable."""
    spec = importlib.util.spec_from_file_location(f"dstheory_sims_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
