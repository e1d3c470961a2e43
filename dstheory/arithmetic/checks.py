r"""What the decision stage sees: checks that can be computed from the factors and the answer, each with errors of its own.

=============  ===========================================================  ==========================================
check          an answer z fails it when                                    what it misses
=============  ===========================================================  ==========================================
nines          z and x y differ modulo 9 (sums of digits)                   errors divisible by 9
elevens        they differ modulo 11 (alternating sums of digits)           errors divisible by 11
last-digit     they differ modulo 10                                        errors divisible by 10, as beyond column 0
magnitude      z is off by more than a tenth of x y (leading digits)        errors of low columns
disagreement   z differs from the attempt before (never on the first)       the same error twice
=============  ===========================================================  ==========================================

The checker computes residues digit by digit and errs: with probability :math:`1 - (1 - e)^{n_{op}}` a computation of
:math:`n_{op}` digit operations goes wrong, and then the difference of residues that is seen is off by something uniform that is
not zero. An answer that should pass then seems to fail; one that should fail passes with probability 1/(M - 1). Operations of
nines and elevens grow with the digits, so these get worse on larger problems too. A misjudged magnitude says the opposite of the
truth.

What is seen is a *pattern*, one bit per check, bit set = failed. For the three residue checks the law of the pattern given the
error is a product and known exactly; magnitude and disagreement depend on more than residues, so with them p, a, b are measured
on rollouts only.

Source: casting out nines and elevens, al-Khwarizmi and Avicenna; their reading errors are derived here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dstheory.arithmetic.task import LARGEST, SMALLEST
from dstheory.checks import Bools, Floats, Ints
from dstheory.errors import ArithmeticTaskError

RESIDUE_CHECKS: dict[str, int] = {"nines": 9, "elevens": 11, "last-digit": 10}
CHECKS = (*RESIDUE_CHECKS, "magnitude", "disagreement")
LENGTHS = 2 * (LARGEST - SMALLEST) + 1  # n + m runs from 8 to 18

# Probability that one digit operation of a check goes wrong; alternating sums are harder than sums. Comparing two written numbers
# does not go wrong.
_SLIP = {"nines": 0.004, "elevens": 0.008, "last-digit": 0.004, "magnitude": 0.01, "disagreement": 0.0}
_TOLERANCE = 0.1


def check_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names, in the order of :data:`CHECKS`.

    Raises:
        ArithmeticTaskError: an unknown or repeated check.

    Example:
        >>> check_names(["last-digit", "nines"])
        ('nines', 'last-digit')
    """
    for name in names:
        if name not in CHECKS:
            raise ArithmeticTaskError(f"there is no check {name!r}: known are {', '.join(CHECKS)}")
    if len(set(names)) != len(names):
        raise ArithmeticTaskError(f"checks {', '.join(names)}: each may be named once")
    return tuple(name for name in CHECKS if name in names)


def miscount(name: str, digits: Ints | int) -> Floats:
    """Return the probability that a check's computation goes wrong; ``digits`` is n + m.

    Example:
        >>> float(miscount("nines", 8).round(4))  # 8 digits of the factors, 8 of the answer
        0.0621
    """
    operations = {"last-digit": 3, "magnitude": 4, "disagreement": 0}.get(name, 2 * np.asarray(digits))
    return np.asarray(1.0 - (1.0 - _SLIP[name]) ** np.asarray(operations, dtype=np.float64)) + np.zeros(np.shape(digits))


def pattern_law(names: Sequence[str], digits: int) -> Floats:
    """Return P(seen pattern | true pattern) of residue checks, (2^F, 2^F); bit f of a pattern is check f, set if it failed.

    Raises:
        ArithmeticTaskError: a check that is no residue check.

    Example:
        >>> pattern_law(["nines"], 8).round(4)  # a right answer seems wrong more often than a wrong one passes
        array([[0.9379, 0.0621],
               [0.0078, 0.9922]])
    """
    law = np.ones((1, 1))
    for name in names:
        if name not in RESIDUE_CHECKS:
            raise ArithmeticTaskError(
                f"p, a and b are not known exactly with the check {name!r}: its law needs more than residues; "
                "leave it out, or measure them on rollouts"
            )
        wrong = float(miscount(name, digits))
        lucky = wrong / (RESIDUE_CHECKS[name] - 1)
        # The last check is the highest bit, so it varies slowest.
        law = np.kron(np.array([[1 - wrong, wrong], [lucky, 1 - lucky]]), law)
    return law


def observe(
    names: Sequence[str],
    *,
    error: Ints,
    product: Ints,
    digits: Ints,
    before: Ints | None,
    rng: np.random.Generator,
) -> Ints:
    """Draw the pattern that the checker sees for each answer.

    Args:
        names: checks, in order; bit f of a pattern belongs to ``names[f]``.
        error: (A,) answer minus right answer.
        product: (A,) right answers.
        digits: (A,) n + m of each problem.
        before: (A,) error of the attempt before, or None on the first.
        rng: source of all randomness; two uniform numbers per residue check and one for the magnitude are used, whatever is seen.
    """
    pattern = np.zeros(len(error), dtype=np.int64)
    for bit, name in enumerate(names):
        if name == "disagreement":
            failed: Bools = np.zeros(len(error), dtype=bool) if before is None else error != before
        else:
            wrong = rng.random(len(error)) < miscount(name, digits)
            if name == "magnitude":
                failed = (np.abs(error) > _TOLERANCE * product) ^ wrong
            else:
                modulus = RESIDUE_CHECKS[name]
                offset = 1 + (rng.random(len(error)) * (modulus - 1)).astype(np.int64)
                failed = (error + np.where(wrong, offset, 0)) % modulus != 0
        pattern |= failed.astype(np.int64) << bit
    return pattern
