"""TOML of others: what the standard library's parser cannot do in time is refused before, and all it refuses by one exception."""

from __future__ import annotations

import re
import tomllib
from typing import Any, Literal

_DEEPEST = 100  # parts of a dotted key; the parser's time grows with the square of them
_TEXTS_AND_COMMENTS = re.compile(
    r'"""(?:\\.|[^\\])*?"""|' + r"'''.*?'''|" + r'"(?:\\.|[^"\\\n])*+"|' + r"'[^'\n]*+'|#[^\n]*+", re.DOTALL
)
_KEYS = re.compile(r"[^\n,=\[\]{}]+")


class NotTOML(Exception):
    """Why a text is not TOML.

    Attributes:
        reason: ``"syntax"``, ``"digits"`` (of a number) or ``"depth"`` (of brackets, or of a key).
    """

    def __init__(self, reason: Literal["syntax", "digits", "depth"], what: str) -> None:
        super().__init__(what)
        self.reason = reason


def decode_toml(text: str) -> dict[str, Any]:
    """Return the table that a TOML text describes.

    Raises:
        NotTOML: it is not TOML, or nested more deeply than anything that is read here.

    Example:
        >>> decode_toml("a.b = 1")
        {'a': {'b': 1}}
    """
    plain = _TEXTS_AND_COMMENTS.sub("", text)
    if any(keys.count(".") > _DEEPEST for keys in _KEYS.findall(plain)):
        raise NotTOML("depth", f"a key has more than {_DEEPEST} parts")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise NotTOML("syntax", str(error)) from error
    except RecursionError as error:
        raise NotTOML("depth", "brackets are nested by the thousand") from error
    except ValueError as error:
        raise NotTOML("digits", "a number has thousands of digits") from error
