"""``run.json``: what was run, which files it wrote, and checksums by which one changed byte in any of them is found out.

``sha256`` has the checksum of every other file of the directory, ``checksum`` that of ``run.json`` itself, taken with 64 zeros in
its place. A result without them is not read: HDF5 takes what a damaged file says of its sizes at its word.

Source: derived here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dstheory.readers.messages import is_unicode

RUN_FILE = "run.json"
RUN_FORMAT = "dstheory-run/1"  # written into run.json; only directories with it are ever replaced
_FILES, _OWN = "sha256", "checksum"
_ZEROS = "0" * 64


def json_dumped(data: Any) -> str:
    """Return data as indented JSON, readable where it can be: halves of surrogate pairs (in names of files) need its escapes."""
    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
    return text if is_unicode(text) else json.dumps(data, indent=2, allow_nan=False)


def digest(path: Path) -> str:
    """Return the checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def manifest_bytes(content: Mapping[str, Any], files: Mapping[str, str]) -> bytes:
    """Return the bytes of ``run.json``.

    Args:
        content: everything but the checksums; those of an earlier form are replaced.
        files: name -> checksum of the other files.

    Example:
        >>> parse_manifest(manifest_bytes({"seed": 0}, {}))["seed"]
        0
    """
    plain = {key: value for key, value in content.items() if key not in (_FILES, _OWN)}
    text = json_dumped({**plain, _FILES: dict(files), _OWN: _ZEROS}) + "\n"
    own = hashlib.sha256(text.encode()).hexdigest()
    return text.replace(_own_entry(_ZEROS), _own_entry(own)).encode()


def parse_manifest(data: bytes) -> Any:
    """Return what ``run.json`` says.

    Raises:
        ValueError: it is not JSON, or is not what was written.
    """
    found = json.loads(data)
    if isinstance(found, dict) and found.get("format") == RUN_FORMAT:
        own = found.get(_OWN)
        whole = data.decode().replace(_own_entry(own), _own_entry(_ZEROS)) if isinstance(own, str) else ""
        if not isinstance(found.get(_FILES), dict) or hashlib.sha256(whole.encode()).hexdigest() != own:
            raise ValueError("its checksum is not that of its content")
    return found


def is_unchanged(manifest: Mapping[str, Any], path: Path) -> bool:
    """Return whether a file beside ``run.json`` is what was written, or absent as it was."""
    known = manifest[_FILES]
    return path.exists() == (path.name in known) and (not path.exists() or known[path.name] == digest(path))


def _own_entry(own: str) -> str:
    return f'  "{_OWN}": "{own}"\n}}\n'  # the end of the file
