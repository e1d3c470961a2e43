"""Load a file of claims. Runs in a worker process, so that a file that crashes or hangs takes nothing else with it."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from pathlib import Path
from typing import Any

from dstheory.claims.claim import Claim
from dstheory.claims.errors import ClaimError, ClaimFileError

__all__ = ["load_claims"]


def load_claims(path: Path) -> dict[str, Claim]:
    """Import a file and collect the claims it defines, in the order in which it names them.

    A claim counts if a module-level name, or a list or tuple with a module-level name, holds it.

    Raises
    ------
    ClaimFileError
        If the file does not import, defines no claim, or gives one id to two claims.
    """
    module_name = f"_dstheory_claims_{path.stem}_{abs(hash(str(path))):x}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise ClaimFileError(f"{path.name} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    sys.path.insert(0, str(path.parent))  # the file may import its neighbours, as a script may
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ClaimFileError(f"{path.name} does not import: {_describe(error, path)}") from error
    finally:
        sys.path.remove(str(path.parent))
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
    if isinstance(value, Claim):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [item for item in value if isinstance(item, Claim)]
    return []


def _describe(error: BaseException, path: Path) -> str:
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg} (line {error.lineno})"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    where = f" (line {lines[-1]})" if lines else ""
    return f"{error}{where}" if isinstance(error, ClaimError) else f"{type(error).__name__}: {error}{where}"
