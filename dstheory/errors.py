"""What can go wrong, by name. Every message gives the place, the value, the rule and the remedy."""

from __future__ import annotations

import errno
import os
from typing import Any

from dstheory.texts import printable, shortened

_REMEDIES = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EFBIG: "let files become larger (ulimit -f)",
    errno.EMFILE: "let the process open more files (ulimit -n)",
    errno.ENFILE: "close other programs: the system has no more files to open",
    errno.ENOMEM: "free some memory",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.ENOENT: "check the name",
    errno.EISDIR: "give the name of a file",
    errno.ENOTDIR: "give the name of a directory before the last /",
    errno.ELOOP: "its symbolic links lead in a circle: give the file itself",
    errno.EBUSY: "wait for what uses it",
}


def remedy_for(error: OSError) -> str:
    """Return what a user can do about an error of the operating system.

    >>> remedy_for(OSError(errno.ENOSPC, "No space left on device"))
    'free some space'
    """
    return _REMEDIES.get(error.errno or 0, "choose a place where you may read and write")


def system_sentence(error: OSError) -> str:
    """Return file, reason and remedy of an error of the operating system.

    >>> system_sentence(PermissionError(errno.EACCES, "Permission denied", "results/out"))
    'results/out: Permission denied; choose a place where you may read and write'
    """
    reason = error.strerror or str(error) or type(error).__name__
    files = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, (str, bytes, os.PathLike))]
    return f"{' and '.join(files) or 'the operating system refused something'}: {reason}; {remedy_for(error)}"


class DSTheoryError(ValueError):
    """Base of all errors that the input causes; the command line prints them as one sentence and ends with 1 or 2.

    Messages quote names and labels safely: control characters are shown by their codes, and long texts lose their middle.

    >>> from dstheory import Policy
    >>> try:
    ...     Policy.minimal(p=2, a=0.8, b=0.3)
    ... except DSTheoryError as error:
    ...     print(type(error).__name__)
    ChainError
    """

    def __str__(self) -> str:
        return shortened(printable(super().__str__()))


class ArithmeticTaskError(DSTheoryError):
    """A size, a setting or a checkpoint of the multiplication task breaks one of its rules."""


class DamagedCheckpointError(ArithmeticTaskError):
    """A checkpoint was cut off or changed: the run must begin again."""


class ClaimError(DSTheoryError):
    """A claim breaks one of the rules that make it checkable; the message names the claim's part and the remedy."""


class UndefinedError(ClaimError):
    """A formula has no value at a point: a denominator is zero, or a logarithm's argument is not positive."""


class DomainError(ClaimError):
    """A formula uses a symbol that has no domain, or assumes more of it than its domain promises."""


class ClaimFileError(ClaimError):
    """A file of claims does not load, defines no claim, or gives one id to two claims."""


class UnknownNameError(DSTheoryError):
    """A name of nothing that the package knows; the message gives the nearest names. The commands end with 2, as for usage."""


class UnknownClaimError(ClaimError, UnknownNameError):
    """A name selects no claim; the message gives the nearest names."""


class NotSettledError(Exception):
    """A question on which a verdict depends got no answer, for instance in time: the step is undecided, not ill-posed."""


class ChainError(DSTheoryError):
    """A chain, a policy or a parameter breaks one of the model's rules."""


class OneRunError(ChainError):
    """A rule that is that of one run was asked of several side by side: each of them can be asked by itself."""


class ImproperChainError(ChainError):
    """An undiscounted, uncapped chain that resamples for ever: its value and occupancy do not exist."""


class InfiniteDivergenceError(ChainError):
    """A divergence is infinite because one policy has mass where the other has none."""


class DivergedError(ChainError):
    """Training left the finite numbers.

    Attributes:
        runs: booleans of the shape of the run axes: which of them did, at the step where the first one did or, where steps were
            taken many at once, among these.
    """

    def __init__(self, message: str, runs: Any) -> None:
        super().__init__(message)
        self.runs = runs

    def __reduce__(self) -> tuple[Any, ...]:
        return DivergedError, (str(self), self.runs)


class WorkerDiedError(DSTheoryError):
    """A process that computed a part of the work ended before it was done."""


class FileFormatError(DSTheoryError):
    """A file is not what its name or its columns promise."""


class RecordError(DSTheoryError):
    """A rollout record, or a table of them, breaks a rule of the format or cannot answer the question."""


class UnknownReadingError(RecordError, UnknownNameError):
    """A name of no format, reader, checker, segmentation or part of a record."""


class SkippedExperiment(DSTheoryError):
    """An experiment needs something that is not there; the message says what, and how to give it."""


class RewardNotReadError(DSTheoryError):
    """Rewards were given to an objective that pays for correctness alone."""
