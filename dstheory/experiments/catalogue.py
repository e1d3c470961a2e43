"""Which experiments there are. Their files are read, not run: listing costs no numerics, and a broken file hides no other."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from dstheory.errors import DSTheoryError, UnknownNameError


@dataclass(frozen=True)
class Experiment:
    """One experiment, as its file describes it.

    Attributes:
        name: ``NAME``; the file's stem where there is none.
        claims: ``CLAIMS``, ids of claims that it bears on.
        text: the docstring of the file.
        needs: ``NEEDS``, what has to be given with ``--data``; empty for most.
        path: the file.
        fault: why it cannot run; empty for all that are as they should be.
    """

    name: str
    claims: tuple[str, ...]
    text: str
    needs: str
    path: Path
    fault: str = ""

    @property
    def shows(self) -> str:
        """The first line of the docstring."""
        return self.text.splitlines()[0] if self.text else ""


def read_experiment(path: Path) -> Experiment:
    """Read what a file says about itself, without running it.

    Raises:
        DSTheoryError: there is no such file.
    """
    from dstheory.readers.streams import read_whole

    try:
        source = read_whole(path).decode("utf-8")
        tree = ast.parse(source, path.name)
    except OSError as error:
        raise DSTheoryError(f"cannot read {path}: {error.strerror}; give the path of an experiment's file") from error
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        return Experiment(path.stem, (), "", "", path, f"is not Python: {getattr(error, 'msg', error)} ({path.name}{line})")
    known: dict[str, object] = {}
    defined = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            defined.add(node.name)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in _CONSTANTS:
            try:
                known[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                known[node.targets[0].id] = None
    text = ast.get_docstring(tree) or ""
    name, claims, needs = known.get("NAME"), known.get("CLAIMS"), known.get("NEEDS", "")
    faults = []
    if not text:
        faults.append("a docstring that says what it shows")
    if not isinstance(name, str):
        faults.append('NAME = "..."')
    if not isinstance(claims, tuple) or not claims:
        faults.append('CLAIMS = ("...", ) with ids of claims')
    if not isinstance(needs, str):
        faults.append("NEEDS as a text in quotes")
    if "run" not in defined:
        faults.append("a function run(*, quick, progress)")
    return Experiment(
        name if isinstance(name, str) else path.stem,
        tuple(map(str, claims)) if isinstance(claims, tuple) else (),
        text,
        needs if isinstance(needs, str) else "",
        path,
        f"{path.name} lacks {', '.join(faults)}" if faults else "",
    )


_CONSTANTS = ("NAME", "CLAIMS", "NEEDS")


def experiment_names() -> dict[str, Experiment]:
    """Return all experiments of this package by name; files whose names start with ``_`` are parts of others."""
    found = [read_experiment(path) for path in sorted(_folder().glob("[!_]*.py"))]
    return {experiment.name: experiment for experiment in found}


def find_experiments(names: tuple[str, ...]) -> list[Experiment]:
    """Return the experiments with these names; a name that ends in ``.py`` is the path of a file.

    Raises:
        DSTheoryError: an unknown name; the nearest known ones are given.
    """
    known = experiment_names()
    found: dict[str, Experiment] = {}
    for name in names:
        if name not in known and not name.endswith(".py"):
            near = get_close_matches(name, known, n=2, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else "nothing is called like that."
            raise UnknownNameError(f"there is no experiment {name!r}: {hint} Known are {', '.join(known)}")
        experiment = known[name] if name in known else read_experiment(Path(name))
        found[experiment.name] = experiment
    return list(found.values())


def _folder() -> Path:
    """Return where the experiments lie: inside the installed package, or beside it in a checkout."""
    import dstheory

    package = Path(dstheory.__file__).parent
    inside = package / "sims"
    return inside if inside.is_dir() else package.parent / "sims"
