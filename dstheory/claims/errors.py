"""What can be wrong with a claim, by name."""

from __future__ import annotations

from dstheory.errors import ClaimError, UndefinedError

__all__ = ["ClaimError", "ClaimFileError", "DomainError", "NotSettledError", "UndefinedError", "UnknownClaimError"]


class DomainError(ClaimError):
    """A formula uses a symbol that has no domain, or assumes more of it than its domain promises."""


class NotSettledError(Exception):
    """A question on which a verdict depends got no answer, for instance in time: the step is undecided, not ill-posed."""


class ClaimFileError(ClaimError):
    """A file of claims does not load, defines no claim, or gives one id to two claims."""


class UnknownClaimError(ClaimError):
    """A name on the command line selects no claim; the message gives the nearest names."""
