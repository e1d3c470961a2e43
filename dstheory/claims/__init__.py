"""Claims: what a statement, a piece of evidence and a verdict are, and how they are checked.

A claim file imports what it needs from here::

    from dstheory.claims import UNIT, Claim, decide, identity

The strongest evidence first: `identity` (exact rational-function arithmetic), `decide` (nonlinear real arithmetic with exactly
checked witnesses), `enclose` (rigorous intervals), `search` (no counterexample found; not a proof). `example` and
`counterexample` evaluate a formula exactly at one point.
"""

import lazy_loader

from dstheory.errors import ClaimError as ClaimError

__getattr__, _, _names = lazy_loader.attach_stub(__name__, __file__)
__all__ = sorted([*_names, "ClaimError"])


def __dir__() -> list[str]:
    return __all__
