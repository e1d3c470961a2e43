"""Where claims come from: the package's own proofs and files that a user names; and which of them a list of names selects."""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dstheory.errors import ClaimError, ClaimFileError, UnknownClaimError
from dstheory.user_files import import_file, module_name, shipped

if TYPE_CHECKING:
    from dstheory.claims.claim import Claim

_PACKAGE = Path(__file__).resolve().parent.parent
_ARXIV = re.compile(r"(?:arxiv:)?(\d{4}\.\d{4,5})(?:v\d+)?", re.IGNORECASE)

Info = Mapping[str, Any]


def bundled_files() -> list[Path]:
    """The proof files of the package: inside it when installed from a wheel, beside it in a source checkout.

    Raises:
        ClaimFileError: If there are none, which means that the installation is damaged.
    """
    files = _python_files(shipped("proofs"))
    if not files:
        raise ClaimFileError(f"the package's proofs are missing from {_PACKAGE / 'proofs'}; reinstall dstheory")
    return files


def is_bundled(path: Path) -> bool:
    """Whether a file is one of the package's own proofs; this reads no directory."""
    return path.parent == shipped("proofs").resolve() and not path.name.startswith("_")


def looks_like_path(name: str) -> bool:
    """Whether a command-line argument names a file or a directory rather than a claim.

    A directory named without a slash counts if it holds Python files.

    >>> looks_like_path("my_claim.py"), looks_like_path("claims/"), looks_like_path("A3")
    (True, True, False)
    """
    return name.endswith(".py") or "/" in name or "\\" in name or Path(name).is_file() or bool(_python_files(Path(name)))


def claim_files(name: str) -> list[Path]:
    """The claim files at a path: the file itself, or the Python files of a directory in alphabetical order.

    Raises:
        ClaimFileError: If there is nothing there.
    """
    path = Path(name)
    if path.is_dir():
        next(path.iterdir(), None)  # an error if it cannot be read, which a pattern of names passes over
        files = _python_files(path)
        if not files:
            raise ClaimFileError(f"the directory {name} holds no Python file with claims")
        return files
    if not path.is_file():
        raise ClaimFileError(f"there is no file {name}: check the name")
    return [path.resolve()]


def _python_files(directory: Path) -> list[Path]:
    return sorted(path.resolve() for path in directory.glob("*.py") if not path.name.startswith("_"))


_LONGEST = 1000  # characters of what Python or SymPy says, which may quote the file at any length


def load_claims(path: Path) -> dict[str, Claim]:
    """Import a file and collect the claims it defines, in the order in which it names them.

    Done in a worker process, so that a file that crashes or hangs takes nothing else with it. A claim counts if a module-level
    name, or a list or tuple with a module-level name, holds it.

    Raises:
        ClaimFileError: If the file does not import, defines no claim, or gives one id to two claims.
    """
    from dstheory.claims import early

    if path.suffix != ".py":
        raise ClaimFileError(f"{path.name} is not a Python file")
    try:
        # The package's own would take nearly twice as long: a test watches copies of them.
        with early.watched("" if is_bundled(path) else module_name("claims", path)):
            module = import_file("claims", path)
    except (Exception, SystemExit) as error:
        from dstheory.claims.formulas import explained

        raise ClaimFileError(f"{path.name} does not import: {_describe(explained(error), path)}") from error
    claims: dict[str, Claim] = {}
    for name, value in vars(module).items():
        for claim in _claims_in(value):
            if claims.get(claim.id, claim) is not claim:
                raise ClaimFileError(f"{path.name} defines two claims with the id {claim.id}; ids must differ")
            if not name.startswith("__"):
                claims[claim.id] = claim
    if not claims:
        raise ClaimFileError(f"{path.name} defines no claim; assign a Claim(...) to a name at the top level of the file")
    return claims


def _claims_in(value: Any) -> list[Claim]:
    from dstheory.claims.claim import Claim

    if isinstance(value, dict):
        value = list(value.values())
    return [item for item in (value if isinstance(value, list | tuple) else [value]) if isinstance(item, Claim)]


def _describe(error: BaseException, path: Path) -> str:
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg} (line {error.lineno})"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    where = f" (line {lines[-1]})" if lines else ""
    said = str(error)
    said = said if len(said) <= _LONGEST else f"{said[:_LONGEST]}..."
    return f"{said}{where}" if isinstance(error, ClaimError) else f"{type(error).__name__}: {said}{where}"


def select(claims: Sequence[Info], names: Sequence[str], groups: Sequence[str] = ()) -> list[Info]:
    """The claims that any of the names selects (all if there are none), restricted to the groups if any are given.

    A name is a claim's id, a group, or an arXiv number that the claim's source mentions; case does not matter. The order is
    that of ``claims``, so that a report does not depend on the order of the names.

    Raises:
        UnknownClaimError: For a name or group that selects nothing.

    Example:
        >>> claims = [{"id": "A1", "group": "A", "source": "arXiv 2601.01580"}, {"id": "B1", "group": "B", "source": ""}]
        >>> [c["id"] for c in select(claims, ["2601.01580"])], [c["id"] for c in select(claims, ["b"])]
        (['A1'], ['B1'])
    """
    chosen = {id(claim) for name in names for claim in _named(claims, name)} if names else {id(claim) for claim in claims}
    for group in groups:
        if not any(_same(claim["group"], group) for claim in claims):
            raise _unknown("group", group, sorted({claim["group"] for claim in claims if claim["group"]}))
    return [
        claim for claim in claims if id(claim) in chosen and (not groups or any(_same(claim["group"], group) for group in groups))
    ]


def _named(claims: Sequence[Info], name: str) -> list[Info]:
    arxiv = _ARXIV.fullmatch(name)
    if arxiv:
        found = [claim for claim in claims if arxiv[1] in claim["source"]]
    else:
        found = [claim for claim in claims if _same(claim["id"], name)]
        found = found or [claim for claim in claims if _same(claim["group"], name)]
    if not found:
        known = [claim["id"] for claim in claims] + sorted({claim["group"] for claim in claims if claim["group"]})
        raise _unknown("claim", name, known)
    return found


def _same(left: str, right: str) -> bool:
    return left.casefold() == right.casefold()


def _unknown(what: str, name: str, known: Sequence[str]) -> UnknownClaimError:
    folded = {item.casefold(): item for item in known}
    like = [item for item in folded if item[:1] == name[:1].casefold()] or list(folded)  # the letter is the group
    near = [folded[item] for item in get_close_matches(name.casefold(), like, n=3, cutoff=0.4)]
    if near:
        return UnknownClaimError(f"there is no {what} {name!r}. Did you mean {', '.join(near)}?")
    return UnknownClaimError(f"there is no {what} {name!r}. `dstheory verify --list` shows all of them.")
