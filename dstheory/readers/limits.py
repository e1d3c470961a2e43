"""How much is read of a file: what would take memory without bound is refused before it is allocated.

Every limit is a constant here. The environment variable ``DSTHEORY_LIMITS`` multiplies all of them: ``DSTHEORY_LIMITS=4 dstheory
simulate --mdp large.csv`` reads files four times as large. Logs of JSON lines may be of any length; they are read in blocks.
"""

from __future__ import annotations

import math
import os

from dstheory.errors import DSTheoryError

VARIABLE = "DSTHEORY_LIMITS"
_MB = 2**20
LONGEST_LINE = 64 * _MB  # of a text file
LARGEST_WHOLE = 64 * _MB  # of a file that is read as a whole: a chain in JSON or TOML, a configuration, a manifest
LARGEST_DOCUMENT = 1024 * _MB  # of a log that is one JSON array
LARGEST_BROKEN = 256 * _MB  # of a log that is one JSON object, or may as well be lines the first of which is broken
LARGEST_TABLE = 4096 * _MB  # of a table, unpacked: its columns are in memory all at once
MOST_CELLS = 2**28  # rows times columns of a Parquet table, which may need few bytes on disk however many rows it has
MOST_PACKED = 200  # times that a table may be larger than it is packed; what is small enough may be packed however well
PACKED_WELL = 64 * _MB

RAISE = f"or, if it is meant to be so large, raise the limits of reading: {VARIABLE}=2 in the environment doubles them"


def limit(constant: int) -> int:
    """Return a limit as the user's environment sets it.

    Raises:
        DSTheoryError: the variable is no number >= 1.

    Example:
        >>> limit(LONGEST_LINE) == LONGEST_LINE
        True
    """
    given = os.environ.get(VARIABLE, "1")
    try:
        times = float(given)
    except ValueError:
        times = math.nan
    if not 1 <= times < math.inf:
        raise DSTheoryError(f"the environment variable {VARIABLE} is {given[:40]!r}: must be a finite number >= 1, such as 4")
    return int(constant * times)


def size_text(size: int) -> str:
    """Return a number of bytes for people.

    Example:
        >>> size_text(LONGEST_LINE)
        '64 MB'
    """
    return f"{size // _MB:,} MB" if size >= _MB else f"{size:,} bytes"
