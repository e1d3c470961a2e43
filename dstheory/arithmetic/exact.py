r"""What an attempt and a pair of policies achieve, exactly, for every problem and every group of problems; no rollouts.

*The law of an attempt*: P(correct), and P(the answer passes these checks). An answer is off by :math:`E = \sum_s 10^{k_s}
\varepsilon_s` over the steps s of written multiplication, and the :math:`\varepsilon_s` are independent given the problem. With
:math:`\varphi_s(\omega) = E[e^{i \omega \varepsilon_s}]`:

**P(E = 0)**, cancelling errors included, by dynamic programming over the columns. The state is the error that is carried into a
column, the rest r of what the columns before are off by, divided by :math:`10^k`. Column k adds an error c to it; the answer's
digit k is right iff r + c is divisible by 10, and (r + c)/10 is carried on. At the end nothing may be left. The law of c is the
inverse Fourier transform of the product of its steps' :math:`\varphi`; |r + c| stays below 1,152, so a transform of length
2,304 is exact.

**P(E = 0 modulo M)** for M = 9, 11, 99 is the average of :math:`E[e^{i \omega E}] = \prod_s \varphi_s(10^{k_s} \omega)` over
the multiples :math:`\omega` of :math:`2 \pi / M` (Fourier inversion on the integers modulo M). Modulo 10 only column 0 counts,
which is a single step, so combinations with the last digit split that step's law in two.

From both follow the probabilities of the eight true patterns (nines, elevens and last digit fail or not) for right and wrong
answers; what the checker sees is this times its own errors, and what is done is that times the decision policy.

*What a pair of policies achieves*: given the problem, attempts are independent and the decision sees nothing but the current
one, so each problem is a minimal chain M0 with :math:`q = p(1 - a) + (1 - p) b`; with at most T attempts, the last of which is
submitted whatever it is,

.. math::
    Acc_T = p a \frac{1 - q^{T-1}}{1 - q} + q^{T-1} p, \qquad E[K] = \frac{1 - q^T}{1 - q}.

A group of problems has pooled p, a, b as one measures them on its rollouts: ratios of expected counts, in which a problem
weighs as often as it is attempted. Sampling of one policy and decisions of another combine freely, which is what the Shapley
split needs.

Source: Fourier inversion on finite cyclic groups, its use here is derived here; the two-stage chain of arXiv 2601.01580,
section 3, the capped sums are derived here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dstheory.anatomy import chain_formulas
from dstheory.arithmetic.checks import RESIDUE_CHECKS, pattern_law
from dstheory.arithmetic.policy import ArithmeticPolicy, length_index
from dstheory.arithmetic.rollouts import checked_cap
from dstheory.arithmetic.task import ADDENDS, COLUMNS, FACTS, SLIPS, Problems, Size, schedule, token_errors, token_rows
from dstheory.chain.exact import GainSplit
from dstheory.checks import Floats, Ints

Complexes = NDArray[np.complex128]

_N = 2304  # 2^8 3^2 > 2 x 1152
_CARRY = 115  # |carried error| <= (9 (90 + 9 + 10) + 115)/10 < 115
_CHUNK = 64  # problems at once: the work array of a chunk stays in the processor's cache


@dataclass(frozen=True, eq=False)
class AnswerLaw:
    """What an attempt at each of N problems is like.

    Attributes:
        problems: the problems.
        right: (N,) P(correct), p of each problem.
        wrong: (N, 8) P(wrong, and this true pattern): bit 0 set if nines fail, bit 1 elevens, bit 2 the last digit.
    """

    problems: Problems
    right: Floats
    wrong: Floats


def answer_law(policy: ArithmeticPolicy, problems: Problems) -> AnswerLaw:
    """Compute the law of an attempt at each problem, to about 1e-14.

    Example:
        >>> from dstheory.arithmetic import Problems, start_policy
        >>> law = answer_law(start_policy(rng=0), Problems.of([(1234, 5678), (987654321, 123456789)]))
        >>> law.right.round(4).tolist()
        [0.7636, 0.0566]
        >>> bool(abs(law.right + law.wrong.sum(axis=1) - 1).max() < 1e-12)
        True
    """
    right, wrong = np.zeros(len(problems)), np.zeros((len(problems), 8))
    every, residues = _characteristic(policy, np.arange(_N // 2 + 1) / _N), _residue_transforms(policy)
    for size, index in problems.by_size():
        for at in range(0, len(index), _CHUNK):
            some = index[at : at + _CHUNK]
            rows = token_rows(problems[some], size)
            right[some] = _all_right(every, rows, size)
            wrong[some] = _patterns(policy, residues, rows, size)
    # The pattern without a failed check contains the right answers and the errors divisible by 990.
    wrong[:, 0] -= right
    return AnswerLaw(problems, right, np.clip(wrong, 0.0, 1.0))


def seen_law(law: AnswerLaw, checks: tuple[str, ...]) -> tuple[Floats, Floats]:
    """Return P(correct, seen pattern) and P(wrong, seen pattern), (N, 2^F) each, for a checker with these checks.

    Raises:
        ArithmeticTaskError: a check that is no residue check.
    """
    pattern_law(checks, 0)  # refuses those that are no residue checks
    # Keep the bits of the checks there are; add up over the others.
    pattern, order = np.arange(8), list(RESIDUE_CHECKS)
    kept = sum(((pattern >> order.index(name) & 1) << position for position, name in enumerate(checks)), np.zeros(8, int))
    fold = np.zeros((8, 2 ** len(checks)))
    fold[pattern, kept] = 1.0
    right, wrong = (np.zeros((len(law.right), 2 ** len(checks))) for _ in range(2))
    for (n, m), index in law.problems.by_size():
        seen = pattern_law(checks, n + m)
        right[index] = law.right[index, None] * seen[0]
        wrong[index] = law.wrong[index] @ fold @ seen
    return right, wrong


# ---------------------------------------------------------------------- all digits right


def _characteristic(policy: ArithmeticPolicy, turns: Floats) -> tuple[Complexes, Complexes]:
    """Return E[exp(2 pi i turns error)] of products as written, by (column, fact), and of slips, by (column, addend)."""
    prob, errors = policy.token_prob, token_errors()
    digits, frequency = COLUMNS * FACTS, 2j * np.pi * turns

    def of(rows: slice, facts: int, ten: int) -> Complexes:
        # Outcome v of a digit is off by ten (v - v*): one wave per outcome, one phase per fact.
        waves = np.exp(ten * np.outer(np.arange(10), frequency))
        phase = np.exp(np.outer(errors[rows][:facts, 0], frequency))
        return np.asarray((prob[rows].astype(np.complex128) @ waves).reshape(COLUMNS, facts, -1) * phase)

    product = of(slice(0, digits), FACTS, 10) * of(slice(digits, 2 * digits), FACTS, 1)
    slips = prob[2 * digits :, : len(SLIPS)].astype(np.complex128) @ np.exp(np.outer(np.array(SLIPS), frequency))
    return product, slips.reshape(COLUMNS, ADDENDS, -1)


def _all_right(transforms: tuple[Complexes, Complexes], rows: Ints, size: Size) -> Floats:
    products, slips = transforms
    steps = schedule(size)
    facts = rows[:, ::3] % FACTS
    law = np.zeros((len(rows), _N))
    law[:, 0] = 1.0
    multiples = np.arange(-_CARRY, _CARRY + 1)
    for k in range(int(steps.column[-1]) + 1):
        carried = np.zeros_like(law)
        carried[:, multiples % _N] = law[:, (10 * multiples) % _N]
        sums = np.fft.rfft(carried, axis=1)
        # numpy's rfft has the opposite sign in the exponent; a law is real, so its transform is the conjugate.
        np.conjugate(sums, out=sums)
        for s in np.flatnonzero(steps.column == k):
            sums *= products[k, facts[:, s]]
            sums *= slips[k, steps.addend[s]]
        law = np.fft.irfft(np.conjugate(sums), n=_N, axis=1)
    return np.clip(law[:, 0], 0.0, 1.0)


# ---------------------------------------------------------------------- residues


def _residue_transforms(policy: ArithmeticPolicy) -> tuple[Complexes, Complexes]:
    """Return the same at the multiples of 2 pi/99 that suffice (the rest are conjugates), turned by 10^k in column k."""
    j = np.arange(50)
    products, slips = (
        np.stack([table[k][:, j * pow(10, k, 99) % 99] for k in range(COLUMNS)])
        for table in _characteristic(policy, np.arange(99) / 99)
    )
    return products, slips


def _patterns(policy: ArithmeticPolicy, transforms: tuple[Complexes, Complexes], rows: Ints, size: Size) -> Floats:
    """Return P(true pattern), (N, 8), right answers included in pattern 0."""
    products, slips = transforms
    steps = schedule(size)
    facts = rows[:, ::3] % FACTS
    rest: Any = np.ones((len(rows), 50), dtype=np.complex128)
    for s in range(1, len(steps)):
        k = steps.column[s]
        rest *= products[k, facts[:, s]] * slips[k, steps.addend[s]]
    first = products[0, facts[:, 0]] * slips[0, 0]
    # Column 0 is one step: of its law the part that leaves the last digit right, and all of it.
    fine = rest * _last_digit_right(policy, rows)
    zero = np.empty((len(rows), 2, 2, 2))  # P(divisible by 9 | any) x (by 11 | any) x (by 10 | any): index 1 asks for it
    for tens, values in enumerate((rest * first, fine)):
        for nine, eleven, modulus in ((0, 0, 1), (1, 0, 9), (0, 1, 11), (1, 1, 99)):
            zero[:, nine, eleven, tens] = _average(values, modulus)
    # Inclusion and exclusion, one check at a time: failed = any - divisible.
    for axis in (1, 2, 3):
        any_, divisible = np.take(zero, 0, axis), np.take(zero, 1, axis)
        zero = np.stack([divisible, any_ - divisible], axis=axis)
    return np.clip(zero.transpose(0, 3, 2, 1).reshape(len(rows), 8), 0.0, 1.0)


def _average(values: Complexes, modulus: int) -> Floats:
    """Return the average of a real law's transform over the multiples of 2 pi/modulus, from the half that is stored."""
    j = np.arange(modulus) * (99 // modulus)
    stored = np.where(j < 50, j, 99 - j)
    return np.asarray(values[:, stored].real.mean(axis=1))


def _last_digit_right(policy: ArithmeticPolicy, rows: Ints) -> Complexes:
    """Return E[1{error of column 0 divisible by 10} exp(i omega error)] at the stored multiples of 2 pi/99."""
    prob, errors = policy.token_prob, token_errors()
    tens, units, total = rows[:, 0], rows[:, 1], rows[:, 2]
    wave = np.exp(2j * np.pi / 99 * np.outer(np.arange(99), np.arange(50)))
    unit_error, unit_prob = errors[units], prob[units]
    fine = np.zeros((len(rows), 50), dtype=np.complex128)
    for e, slip in enumerate(SLIPS):
        error = unit_error + slip
        weight = np.where(error % 10 == 0, unit_prob * prob[total, e][:, None], 0.0)
        fine += np.einsum("nv,nvj->nj", weight, wave[error % 99])
    return np.asarray(fine * np.einsum("nv,nvj->nj", prob[tens], wave[errors[tens] % 99]))


@dataclass(frozen=True)
class PooledRates:
    """One group of problems: what its rollouts estimate, and what its episodes achieve. All exact expectations."""

    p: float
    a: float
    b: float
    first: float
    """P(correct) averaged over problems: the accuracy of first answers; p is averaged over attempts."""
    accuracy: float
    attempts: float
    predicted: float
    """Accuracy that the minimal chain with these p, a, b has under the same cap: exact if all problems are alike, or at cap 1."""


@dataclass(frozen=True, eq=False)
class Achieved:
    """N problems under one pair of policies, (N,) each.

    Attributes:
        p, a, b: P(correct), P(stop | correct), P(resample | wrong) of an attempt.
        cap: T.
    """

    p: Floats
    a: Floats
    b: Floats
    cap: int

    @property
    def accuracy(self) -> Floats:
        """P(the answer submitted is correct)."""
        return chain_formulas.accuracy(self.p, self.a, self.b, self.cap)

    @property
    def attempts(self) -> Floats:
        """Expected number of attempts."""
        return chain_formulas.attempts(self.p, self.a, self.b, self.cap)

    def pooled(self, which: Ints | slice = slice(None)) -> PooledRates:
        """Return the pooled figures of some of the problems, each met equally often."""
        p, a, b = self.p[which], self.a[which], self.b[which]
        stop = chain_formulas.ending(p, a, b)
        visits, decided = (chain_formulas.geometric_sum(stop, turns) for turns in (self.cap, self.cap - 1))
        pooled_p = float((visits * p).sum() / visits.sum())
        # With T = 1 nothing is ever decided; the rates are then those of the decisions that would have been.
        weight = decided if decided.sum() > 0 else visits
        pooled_a = float((weight * p * a).sum() / (weight * p).sum())
        pooled_b = float((weight * (1 - p) * b).sum() / (weight * (1 - p)).sum())
        return PooledRates(
            pooled_p, pooled_a, pooled_b,
            first=float(p.mean()),
            accuracy=float(self.accuracy[which].mean()),
            attempts=float(visits.mean()),
            predicted=float(chain_formulas.accuracy(pooled_p, pooled_a, pooled_b, self.cap)),
        )  # fmt: skip


def achieved(sampling: AnswerLaw, decision: ArithmeticPolicy, *, cap: int) -> Achieved:
    """Return what the sampling of one policy (its answer law) and the decisions of another achieve together.

    Raises:
        ArithmeticTaskError: a cap below 1, or a check whose law is not known exactly.

    Example:
        >>> from dstheory.arithmetic import Problems, start_policy
        >>> from dstheory.arithmetic.exact import answer_law
        >>> policy = start_policy(rng=0)
        >>> o = achieved(answer_law(policy, Problems.of([(1234, 5678)])), policy, cap=6)
        >>> [float(v[0].round(3)) for v in (o.p, o.a, o.b, o.accuracy)]
        [0.764, 0.781, 0.303, 0.783]
    """
    cap = checked_cap(cap)
    right, wrong = seen_law(sampling, decision.checks)
    stop = decision.stop_prob[:, length_index(sampling.problems.size.sum(axis=1))].T
    p, mass = sampling.right, wrong.sum(axis=1)
    a = (right * stop).sum(axis=1) / p
    b = np.divide((wrong * (1.0 - stop)).sum(axis=1), mass, out=np.ones_like(mass), where=mass > 0)
    return Achieved(p, a, b, cap)


def shapley_split(
    before: tuple[AnswerLaw, ArithmeticPolicy],
    after: tuple[AnswerLaw, ArithmeticPolicy],
    *,
    cap: int,
    which: Ints | slice = slice(None),
) -> GainSplit:
    """Split the accuracy gain between two pairs of policies on the same problems (the rule of :mod:`dstheory.chain.exact`).

    Args:
        before: answer law and policy; the decisions are the policy's.
        after: likewise.
        cap: T.
        which: of the problems.
    """

    def accuracy(sampling: AnswerLaw, decision: ArithmeticPolicy) -> Floats:
        return np.asarray(achieved(sampling, decision, cap=cap).accuracy[which].mean())

    return GainSplit.of_corners(
        s0d0=accuracy(before[0], before[1]),
        s0d1=accuracy(before[0], after[1]),
        s1d0=accuracy(after[0], before[1]),
        s1d1=accuracy(after[0], after[1]),
    )
