"""Imported by the process that workers are forked from: what each of them would do first."""

import z3  # noqa: F401

from dstheory.claims import cache, checking, workers  # noqa: F401
from dstheory.claims.sources import bundled_files, load_claims

for _file in bundled_files():
    load_claims(_file)
