r"""Policies of the two-stage chain: how likely each answer is, and how likely each decision.

Both stages are given by logits: :math:`\pi_s(y \mid x) = \mathrm{softmax}(z(x, \cdot))_y` for sampling and
:math:`\pi_d(stop \mid x, y) = \sigma(u(x, y))` for the decision. All logits are an affine function of one parameter vector,
:math:`(z, u) = offset + A \phi`; a tabular policy is the case :math:`A = I`, a *shared trunk* is a coordinate of :math:`\phi`
that enters both stages.

Logits are indexed ``[*runs, turn, prompt, answer]``; a stationary policy has a turn axis of length 1. Sampling logits of minus
infinity mean probability zero (padding among them); decision logits may be infinite (a decision that is certain).

Source: arXiv 2601.01580, section 3; the affine form is a convention of this package.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.mdp import TwoStageMDP, rows_or_array
from dstheory.checks import Bools, Floats, Immutable, float_array, frozen, probability, readonly, reject
from dstheory.errors import ChainError
from dstheory.tables import Table, Tabulated
from dstheory.texts import counted

_TURN_AXES = ("turn", "prompt", "answer")
_NEAR = 0.5  # logits that differ by less: probabilities that share a digit
_LITTLE = 1e-2  # of two numbers: what is left of them lacks more than two digits
_CERTAIN = 1.0 + 1e-4  # the sum of weights over the largest, where the others' keep few digits in it
_ROW_TOLERANCE = 1e-9  # rows of probabilities read from decimal files sum to 1 only up to rounding


def sigmoid(u: Floats) -> Floats:
    """Return 1/(1 + exp(-u)) without overflow for any real or infinite u.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    e = np.asarray(np.abs(u), dtype=np.float64)
    np.exp(np.negative(e, out=e), out=e)  # in place: on large tables new memory takes most of the time
    found = np.where(u >= 0, 1.0, e)
    e += 1.0
    found /= e
    return found[()]


def log_sigmoid(u: Floats) -> Floats:
    """Return log(1/(1 + exp(-u))), exact to rounding also where the probability underflows.

    >>> log_sigmoid(np.array([-1000.0, 0.0])).round(6).tolist()
    [-1000.0, -0.693147]
    """
    return np.minimum(u, 0.0) - np.log1p(np.exp(-np.abs(u)))


def log_softmax(below_top: Floats) -> Floats:
    """Return the logarithms of the probabilities of each row, from its logits less the largest of them.

    Adding the largest back would round away what is left of logits near 1000.

    >>> bool(log_softmax(np.array([0.0, -40.0]))[0] == -np.exp(-40.0))
    True
    """
    e = np.exp(below_top)
    total = e.sum(axis=-1, keepdims=True)
    log_total = np.log(total)
    if total.min(initial=np.inf) < _CERTAIN:  # nearly all is the likeliest's: the logarithm is that of 1 and what the others add
        first = np.arange(e.shape[-1]) == np.argmax(below_top, axis=-1)[..., None]
        others = np.where(first, 0.0, e).sum(axis=-1, keepdims=True)
        log_total = np.where(total < _CERTAIN, np.log1p(others), log_total)
    return np.asarray(below_top - log_total)


@dataclass(frozen=True, eq=False)
class Features:
    """The affine map from parameters to logits: ``logits = offset + A phi``.

    Args:
        sample: (K, X, Y, P) coefficients of the sampling logits.
        decide: (K, X, Y, P) coefficients of the logit of stop.
        sample_offset, decide_offset: broadcast to (K, X, Y); a sampling offset of -inf rules an answer out (padding).
        names: one name per parameter, for tables and figures.

    Raises:
        ChainError: the two arrays differ in shape, hold NaN or infinity, or do not go with the offsets or the names.

    Source: derived here.

    One parameter, which makes the right answer and stopping at it more likely, and stopping at the wrong one less likely:

    >>> shared = Features(np.array([[[[1.0], [0.0]]]]), np.array([[[[1.0], [-1.0]]]]), names=("skill",))
    >>> policy = Policy.linear(shared, [1.0])
    >>> policy.sample_prob.round(3).tolist(), policy.stop_prob.round(3).tolist()
    ([[[0.731, 0.269]]], [[[0.731, 0.269]]])
    """

    sample: Floats
    decide: Floats
    sample_offset: Floats = field(default_factory=lambda: np.zeros((1, 1, 1)))
    decide_offset: Floats = field(default_factory=lambda: np.zeros((1, 1, 1)))
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for field_name in ("sample", "decide", "sample_offset", "decide_offset"):
            object.__setattr__(self, field_name, frozen(float_array(getattr(self, field_name), f"features' {field_name}")))
        if self.sample.ndim != 4 or self.sample.shape != self.decide.shape:
            raise ChainError(
                f"features have shapes {self.sample.shape} (sample) and {self.decide.shape} (decide): "
                "both must be (turns, prompts, answers, parameters)"
            )
        for what, table in (("sample features", self.sample), ("decision features", self.decide)):
            reject(~np.isfinite(table), table, what, "must be finite", "rule answers out by an offset of -inf",
                   axes=(*_TURN_AXES, "parameter"))  # fmt: skip
        shape = self.sample.shape[:-1]
        for what, offset in (("sample_offset", self.sample_offset), ("decide_offset", self.decide_offset)):
            if offset.ndim > 3 or any(n not in (1, m) for n, m in zip(offset.shape[::-1], shape[::-1], strict=False)):
                raise ChainError(f"{what} has shape {offset.shape}: must broadcast to (turns, prompts, answers) = {shape}")
        if self.names and len(self.names) != self.sample.shape[-1]:
            parameters = counted(self.sample.shape[-1], "parameter")
            raise ChainError(f"{counted(len(self.names), 'name')} for {parameters}: give one per parameter")
        if not self.names:
            object.__setattr__(self, "names", tuple(f"phi[{i}]" for i in range(self.sample.shape[-1])))

    @classmethod
    def minimal(cls) -> Features:
        """Return M0's: theta_s is the logit of the correct answer, theta_C of stop there, theta_W of resample at the wrong one.

        >>> Features.minimal().decide[0, 0].tolist()
        [[0.0, 1.0, 0.0], [0.0, 0.0, -1.0]]
        """
        sample, decide = np.zeros((1, 1, 2, 3)), np.zeros((1, 1, 2, 3))
        sample[0, 0, 0, 0] = 1.0
        decide[0, 0, 0, 1] = 1.0
        decide[0, 0, 1, 2] = -1.0
        return cls(sample, decide, names=("theta_s", "theta_C", "theta_W"))

    def logits(self, parameters: Floats) -> tuple[Floats, Floats]:
        """Return (sampling, stop) logits, each (*runs, K, X, Y), of parameters (*runs, P)."""
        z = np.einsum("kxyp,...p->...kxy", self.sample, parameters) + self.sample_offset
        u = np.einsum("kxyp,...p->...kxy", self.decide, parameters) + self.decide_offset
        return readonly(z), readonly(u)

    def pull_back(self, sample: Floats, decide: Floats) -> tuple[Floats, Floats]:
        """Return A^T g of each stage, (*runs, P): the gradient contributions of two blocks of logit gradients."""
        return (
            np.einsum("kxyp,...kxy->...p", self.sample, sample),
            np.einsum("kxyp,...kxy->...p", self.decide, decide),
        )


class Policy(Immutable, Tabulated):
    """A policy of both stages: logits, probabilities and the parameters they come from. Immutable.

    Make one with :meth:`tabular`, :meth:`from_probabilities`, :meth:`linear`, :meth:`minimal` or :meth:`uniform`.

    Attributes:
        sample_logits, stop_logits: (*runs, K, X, Y); K = 1 stationary, K = T turn-indexed.
        features: the affine map, or None when the logits are the parameters (tabular).
        parameters: the blocks that an optimiser moves: ``(sample_logits, stop_logits)`` or ``(phi,)``.

    >>> policy = Policy.minimal(p=0.55, a=0.8, b=0.3)
    >>> policy.sample_prob.round(3).tolist(), policy.stop_prob.round(3).tolist()
    ([[[0.55, 0.45]]], [[[0.8, 0.7]]])
    >>> round(policy.p, 3), round(policy.a, 3), round(policy.b, 3)
    (0.55, 0.8, 0.3)
    """

    def __init__(self, sample_logits: Floats, stop_logits: Floats, features: Features | None = None,
                 phi: Floats | None = None) -> None:  # fmt: skip
        if sample_logits.ndim < 3 or sample_logits.shape != stop_logits.shape:
            raise ChainError(
                f"sampling and stops have the shapes {sample_logits.shape} and {stop_logits.shape}: "
                "both must be (prompts, answers), or (*runs, turns, prompts, answers)"
            )
        # max and min see a NaN or a +inf in one pass each, without a mask of the table's size; most states have a first answer.
        if not (sample_logits.max() < np.inf and np.isfinite(sample_logits[..., 0]).all()):
            top = sample_logits.max(axis=-1)
            bad = np.isnan(sample_logits) | (sample_logits == np.inf)
            reject(bad, sample_logits, "sampling logit", "must be below +inf", "give a number, or -inf to rule it out",
                   axes=_TURN_AXES)  # fmt: skip
            reject(top == -np.inf, top, "largest sampling logit", "must be finite", "leave at least one answer possible",
                   axes=_TURN_AXES[:2])  # fmt: skip
        if np.isnan(stop_logits.min()):
            reject(np.isnan(stop_logits), stop_logits, "stop logit", "must not be NaN", "give a number", axes=_TURN_AXES)
        z, u = frozen(sample_logits), frozen(stop_logits)
        moved = (z, u) if features is None or phi is None else (frozen(phi),)
        self._set(sample_logits=z, stop_logits=u, features=features, parameters=moved)

    _instead = "{name} cannot be set; use policy.with_parameters(...)"
    sample_logits: Floats
    stop_logits: Floats
    features: Features | None
    parameters: tuple[Floats, ...]

    # ------------------------------------------------------------------ making one

    @classmethod
    def tabular(cls, sample_logits: ArrayLike, stop_logits: ArrayLike) -> Policy:
        """Return the policy whose parameters are its logits; (X, Y) arrays are stationary, others (*runs, K, X, Y).

        Raises:
            ChainError: shapes differ, a logit is NaN, or a prompt has no possible answer.
        """
        z, u = float_array(sample_logits, "sample_logits"), float_array(stop_logits, "stop_logits")
        if z.ndim == 2 and u.ndim == 2:
            z, u = z[None], u[None]
        return cls(z, u)

    @classmethod
    def from_probabilities(cls, sample: Any, stop: Any) -> Policy:
        """Return the tabular policy with these probabilities; rows may be ragged, zeros and ones are allowed.

        Args:
            sample: P(y | x), (X, Y) or (*runs, K, X, Y) or one row per prompt; each row sums to 1.
            stop: P(stop | x, y), same shape.

        Raises:
            ChainError: a probability is negative, above 1 or NaN, or a row does not sum to 1 (to 1e-9, or to the rounding of an
                array of lower precision); within that, rows are normalised.

        >>> Policy.from_probabilities([[0.2, 0.8], [0.5, 0.25, 0.25]], [[1, 0.5], [0, 0.5, 1]]).shape
        (1, 2, 3)
        """
        tolerance = max(_ROW_TOLERANCE, _rounding(sample))
        prob, counts = rows_or_array(sample, "sample")
        stop_prob, stop_counts = rows_or_array(stop, "stop")
        alike = counts is stop_counts if counts is None or stop_counts is None else np.array_equal(counts, stop_counts)
        if not alike:
            raise ChainError("sample and stop have rows of different lengths: give one stop probability per answer")
        for what, table in (("sampling probability", prob), ("stop probability", stop_prob)):
            reject(~((table >= 0) & (table <= 1)), table, what, "must lie in [0, 1]", "correct that entry",
                   axes=_TURN_AXES[3 - min(table.ndim, 3):])  # fmt: skip
        total = prob.sum(axis=-1)
        reject(np.abs(total - 1.0) > tolerance, total, "sum of sampling probabilities", "must be 1",
               "normalise the row", axes=_TURN_AXES[3 - min(prob.ndim, 3):-1])  # fmt: skip
        with np.errstate(divide="ignore"):
            return cls.tabular(readonly(np.log(prob)), readonly(np.log(stop_prob) - np.log1p(-stop_prob)))

    @classmethod
    def linear(cls, features: Features, parameters: ArrayLike) -> Policy:
        """Return the policy ``logits = offset + A phi``.

        Args:
            features: the affine map.
            parameters: phi, (*runs, P).

        Raises:
            ChainError: phi has another length than the features, or is not finite.
        """
        phi = float_array(parameters, "parameters")
        if phi.ndim < 1 or phi.shape[-1] != features.sample.shape[-1]:
            raise ChainError(f"parameters have shape {phi.shape}: the features have {features.sample.shape[-1]} parameters")
        reject(~np.isfinite(phi), phi, "parameter", "must be finite", "give a finite number", axes=("index",))
        return cls(*features.logits(phi), features=features, phi=phi)

    @classmethod
    def minimal(
        cls,
        *,
        p: ArrayLike | None = None,
        a: ArrayLike | None = None,
        b: ArrayLike | None = None,
        theta: ArrayLike | None = None,
    ) -> Policy:
        r"""Return a policy of M0 by p = P(correct), a = P(stop | correct), b = P(resample | wrong), or by its three logits.

        Args:
            p: strictly between 0 and 1, a number or an array over runs.
            a: likewise.
            b: likewise.
            theta: (*runs, 3) logits (theta_s, theta_C, theta_W) instead.

        Raises:
            ChainError: a probability outside (0, 1) (its logit would be infinite), or both p, a, b and theta.

        >>> Policy.minimal(theta=[0.0, 1000.0, -1000.0]).stop_prob.tolist()
        [[[1.0, 1.0]]]
        """
        if (theta is None) == (p is None and a is None and b is None):
            raise ChainError("Policy.minimal needs p, a and b, or theta")
        if theta is None:
            if p is None or a is None or b is None:
                missing = [name for name, value in (("p", p), ("a", a), ("b", b)) if value is None]
                raise ChainError(f"Policy.minimal needs all of p, a and b: give {' and '.join(missing)} too")
            given = [float_array(v, name) for name, v in (("p", p), ("a", a), ("b", b))]
            for name, value in zip("pab", given, strict=True):
                reject(~((value > 0) & (value < 1)), value, name, "must lie strictly between 0 and 1",
                       "use Policy.from_probabilities for a certain choice", axes=())  # fmt: skip
            probs = np.stack(np.broadcast_arrays(*given), axis=-1)
            theta = np.log(probs) - np.log1p(-probs)
        return cls.linear(Features.minimal(), theta)

    @classmethod
    def uniform(cls, mdp: TwoStageMDP, *, stop: float = 0.5, turn_indexed: bool = False) -> Policy:
        """Return the tabular policy with equal probabilities for the answers of a prompt, stopping with probability ``stop``.

        Raises:
            ChainError: ``stop`` outside [0, 1], or turns to index by on a chain without a cap.

        >>> Policy.uniform(TwoStageMDP(correct=[[1, 0, 0], [1]])).sample_prob.round(3).tolist()
        [[[0.333, 0.333, 0.333], [1.0, 0.0, 0.0]]]
        """
        likely = probability(stop, "stop", "it is a probability")
        if turn_indexed and mdp.max_turns is None:
            raise ChainError("a turn-indexed policy needs a chain with a cap: give it max_turns")
        turns = mdp.max_turns or 1 if turn_indexed else 1
        z = np.where(mdp.inside, 0.0, -np.inf)
        with np.errstate(divide="ignore"):
            u = np.full(mdp.shape, np.log(likely) - np.log1p(-likely))
        return cls.tabular(readonly(np.tile(z, (turns, 1, 1))), readonly(np.tile(u, (turns, 1, 1))))

    def with_parameters(self, parameters: tuple[Floats, ...]) -> Policy:
        """Return the policy of the same form at other parameters."""
        if self.features is None:
            return Policy(parameters[0], parameters[1])
        return Policy(*self.features.logits(parameters[0]), features=self.features, phi=parameters[0])

    def each_run(self) -> list[Policy]:
        """Return the policy of every run, in the order of the run axes.

        >>> [round(float(one.p), 9) for one in Policy.minimal(p=[0.2, 0.7], a=0.5, b=0.5).each_run()]
        [0.2, 0.7]
        """
        blocks = [block.reshape(-1, *block.shape[len(self.runs) :]) for block in self.parameters]
        return [self.with_parameters(one) for one in zip(*blocks, strict=True)]

    # ------------------------------------------------------------------ reading it

    @property
    def shape(self) -> tuple[int, int, int]:
        """(K, X, Y): turns (1 if stationary), prompts, largest number of answers."""
        k, x, y = self.sample_logits.shape[-3:]
        return k, x, y

    @property
    def runs(self) -> tuple[int, ...]:
        """Shape of the leading run axes."""
        return self.sample_logits.shape[:-3]

    @property
    def below_top(self) -> Floats:
        """(*runs, K, X, Y) sampling logits less the largest of their state: 0 at every answer that ties for it."""
        with np.errstate(over="ignore"):  # further below than the largest float: probability 0
            return np.asarray(self.sample_logits - self.sample_logits.max(axis=-1, keepdims=True))

    @cached_property
    def log_sample(self) -> Floats:
        """(*runs, K, X, Y) log P(y | x); -inf where ruled out."""
        return readonly(log_softmax(self.below_top))

    @cached_property
    def sample_prob(self) -> Floats:
        """(*runs, K, X, Y) P(y | x)."""
        # Dividing by the sum keeps rows summing to 1 to rounding; exponentiating log-probabilities would not.
        e = np.exp(self.below_top)
        return readonly(e / e.sum(axis=-1, keepdims=True))

    @cached_property
    def likeliest(self) -> Bools:
        """(*runs, K, X, Y) true at the likeliest answer of each state, the first of several."""
        return np.asarray(np.arange(self.shape[-1]) == np.argmax(self.sample_logits, axis=-1)[..., None])

    def at_likeliest(self, table: Floats) -> Floats:
        """Return what a table has at the likeliest answer of each state, (*runs, K, X, 1)."""
        return np.asarray(np.where(self.likeliest, table, 0.0).sum(axis=-1, keepdims=True))

    @cached_property
    def stop_prob(self) -> Floats:
        """(*runs, K, X, Y) P(stop | x, y)."""
        return readonly(sigmoid(self.stop_logits))

    @cached_property
    def resample_prob(self) -> Floats:
        """(*runs, K, X, Y) P(resample | x, y), accurate also where it is tiny."""
        return readonly(sigmoid(-self.stop_logits))

    @cached_property
    def log_stop(self) -> Floats:
        """(*runs, K, X, Y) log P(stop | x, y)."""
        return readonly(log_sigmoid(self.stop_logits))

    @cached_property
    def log_resample(self) -> Floats:
        """(*runs, K, X, Y) log P(resample | x, y)."""
        return readonly(log_sigmoid(-self.stop_logits))

    def log_ratios(self, other: Policy) -> tuple[Floats, Floats, Floats]:
        r"""Return log(pi/other) of every answer, of stop and of resample; NaN where both rule an action out.

        Where the two are near, the difference of two logarithms would have no digits left. With d the difference of their logits,
        for sampling less that of the likeliest answer, the ratio of the likeliest is :math:`\log(1 + \sum \pi (e^{-d} - 1))`, to
        which others add their d, and that of stopping is :math:`\log(1 + \pi(res) (e^d - 1))`. A number that is added to all
        sampling logits of a policy costs no digits. Derived here.

        >>> here, near = Policy.minimal(p=0.5, a=0.5, b=0.5), Policy.minimal(theta=[1e-12, 0.0, 0.0])
        >>> (1e12 * here.log_ratios(near)[0]).round(9).tolist()
        [[[-0.5, 0.5]]]
        """
        pairs = ((self.log_sample, other.log_sample), (self.log_stop, other.log_stop), (self.log_resample, other.log_resample))
        with np.errstate(invalid="ignore", over="ignore"):
            answer, stop, resample = (log_p - log_q for log_p, log_q in pairs)
            up = _difference_of_gaps(self.sample_logits, other.sample_logits, self.likeliest)
            first = self.at_likeliest(answer)
            (log_p, log_q), p = pairs[0], self.sample_prob
            near = np.abs(up) < _NEAR
            others = p * np.expm1(-up) if near.any() else np.zeros(())  # p exp(-up), less p
            others = others if near.all() else np.where(near, others, np.exp(log_q + first) - p)
            size, total = (table.sum(axis=-1, keepdims=True) for table in (np.abs(others), others))
            first = np.where(size < _NEAR, np.log1p(total), first)
            smaller = np.maximum(np.abs(up), np.abs(first)) < np.maximum(np.abs(log_p), np.abs(log_q))
            answer = np.where(self.likeliest, first, np.where(smaller, up + first, answer))
            by = self.stop_logits - other.stop_logits
            near = np.abs(by) < _NEAR
            if near.any():
                small = np.where(near, by, 0.0)
                stop = np.where(near, np.log1p(self.resample_prob * np.expm1(small)), stop)
                resample = np.where(near, np.log1p(self.stop_prob * np.expm1(-small)), resample)
        return answer, stop, resample

    def gaps(self, other: Policy) -> tuple[Floats, Floats, Floats]:
        """Return the probability of every answer, of stop and of resample under another policy, less one's own, however near.

        >>> here, near = Policy.minimal(p=0.5, a=0.5, b=0.5), Policy.minimal(theta=[0.0, 1e-12, 0.0])
        >>> (1e12 * here.gaps(near)[1]).round(9).tolist()
        [[[0.25, -0.0]]]
        """
        pairs = (
            (self.sample_prob, other.sample_prob), (self.stop_prob, other.stop_prob), (self.resample_prob, other.resample_prob),
        )  # fmt: skip
        found = []
        for ratio, (own, others) in zip(self.log_ratios(other), pairs, strict=True):
            near = np.abs(ratio) < _NEAR
            found.append(np.where(near, own * np.expm1(-np.where(near, ratio, 0.0)), others - own))
        return found[0], found[1], found[2]

    @property
    def p(self) -> float | Floats:
        """P(correct) of a policy of M0, whose answer 0 is the correct one: a number, or (*runs, K) with runs or turns.

        Raises:
            ChainError: a policy of another chain. It does not know which answers are correct; ``solve(mdp, policy).p`` does.
        """
        return self._of_minimal("p", self.sample_prob, 0)

    @property
    def a(self) -> float | Floats:
        """P(stop | correct), likewise."""
        return self._of_minimal("a", self.stop_prob, 0)

    @property
    def b(self) -> float | Floats:
        """P(resample | wrong), likewise."""
        return self._of_minimal("b", self.resample_prob, 1)

    def _of_minimal(self, name: str, table: Floats, answer: int) -> float | Floats:
        if self.shape[1:] != (1, 2):
            raise ChainError(
                f"policy.{name} is defined for one prompt with two answers, and this policy has "
                f"{counted(self.shape[1], 'prompt')} x {counted(self.shape[2], 'answer')}: solve(mdp, policy).{name} "
                "averages over what the chain calls correct"
            )
        found = table[..., 0, answer]
        return float(found.item()) if found.size == 1 else found

    def check_fits(self, mdp: TwoStageMDP, what: str = "policy") -> None:
        """Raise ChainError unless this is a policy of that chain: same prompts and answers, turns 1 or T, no mass on padding."""
        turns, *table = self.shape
        if tuple(table) != mdp.shape:
            raise ChainError(
                f"the {what} has {counted(table[0], 'prompt')} x {counted(table[1], 'answer')} "
                f"but the chain has {mdp.shape[0]} x {mdp.shape[1]}"
            )
        if turns != 1 and turns != mdp.max_turns:
            cap = "no cap" if mdp.max_turns is None else counted(mdp.max_turns, "turn")
            raise ChainError(
                f"the {what} is indexed by {counted(turns, 'turn')} but the chain has {cap}: needs 1 (stationary) or exactly "
                "the cap"
            )
        try:
            np.broadcast_shapes(self.runs, mdp.runs)
        except ValueError as error:
            raise ChainError(f"the {what} has runs {self.runs}, the chain {mdp.runs}: they do not fit together") from error
        if not mdp.inside.all():
            stray = ~mdp.inside & (self.sample_logits != -np.inf)
            reject(stray, self.sample_logits, f"sampling logit of the {what}", "must be -inf in the padding",
                   "that prompt has fewer answers", axes=_TURN_AXES, prompts=mdp.prompts)  # fmt: skip

    def __reduce__(self) -> tuple[Any, ...]:
        # Rebuilt by the constructor, so that what comes out of a pickle refuses writes as well.
        phi = None if self.features is None else self.parameters[0]
        return Policy, (self.sample_logits, self.stop_logits, self.features, phi)

    def table(self) -> Table:
        """Return what the policy does in each state."""
        formula = r"\pi_s(y\mid x) = \mathrm{softmax}_y(z),\quad \pi_d(\text{stop}\mid x,y) = \frac{1}{1+e^{-t}}"
        return Table.of(repr(self) + (": of the first run" if self.runs else ""), self.columns(), (formula,))

    def columns(self) -> dict[str, Any]:
        """Return each turn, prompt and answer in a row; with run axes the first run."""
        last = (-3, -2, -1)
        sample, stop = (table.reshape(-1, *(table.shape[i] for i in last))[0] for table in (self.sample_prob, self.stop_prob))
        logits = self.sample_logits.reshape(-1, *sample.shape)[0]
        turn, prompt, answer = np.nonzero(logits > -np.inf)
        return {
            "turn": turn.tolist(), "prompt": prompt.tolist(), "answer": answer.tolist(),
            "P(answer)": sample[turn, prompt, answer].tolist(), "P(stop)": stop[turn, prompt, answer].tolist(),
        }  # fmt: skip

    def __repr__(self) -> str:
        k, x, y = self.shape
        kind = "tabular" if self.features is None else f"linear in {counted(self.parameters[0].shape[-1], 'parameter')}"
        turns = "stationary" if k == 1 else f"indexed by {counted(k, 'turn')}"
        runs = f", runs {self.runs}" if self.runs else ""
        return f"Policy({kind}, {turns}, {counted(x, 'prompt')} x {counted(y, 'answer')}{runs})"


def _difference_of_gaps(one: Floats, other: Floats, at: Bools) -> Floats:
    """Return one - one[at] - (other - other[at]) along the last axis, to all digits; NaN where both are minus infinity.

    The differences within a row are the large ones: where little is left of two of them, what rounding took from each is added
    again (D. Knuth, TAOCP 2, 4.2.2).
    """
    found = [(table, np.where(at, table, 0.0).sum(axis=-1, keepdims=True)) for table in (one, other)]
    gaps = [table - top for table, top in found]
    left = gaps[0] - gaps[1]
    little = np.abs(left) < _LITTLE * np.abs(gaps[0])
    if not little.any():
        return np.asarray(left)
    back = [gap - table for gap, (table, _) in zip(gaps, found, strict=True)]
    lost = [(table - (gap - b)) - (top + b) for gap, b, (table, top) in zip(gaps, back, found, strict=True)]
    return np.asarray(np.where(little, left + (lost[0] - lost[1]), left))  # no entry depends on what its neighbours need


def _rounding(value: Any) -> float:
    """Return by how much a row of numbers of this precision may miss its sum."""
    kind = getattr(value, "dtype", None)
    return 8.0 * float(np.finfo(kind).eps) if isinstance(kind, np.dtype) and kind.kind == "f" else 0.0
