r"""Imitation: supervised fine-tuning by stage weights or by the normalisers of training code; DFT; filtered tuning.

.. math:: J = E_{\tau \sim D} \Big[ \sum_k w_s(y_k) \log \pi_s(y_k \mid x) + w_d \log \pi_d(d_k \mid x, y_k) \Big]

is the source's (``sft``). In training code all tokens of a demonstration get one coefficient: 1 over the tokens of the batch
(token mean, the default everywhere), over the number N of demonstrations (sequence sum), or over :math:`N L_i` (sequence mean),
given here per demonstration (N times those of the batch). DFT multiplies each token by its own detached probability; with the
even model an answer's tokens have :math:`\pi^{1/l}`, which tends to 1 as answers of one probability grow, while a decision of
one token keeps its probability.

Filtered fine-tuning imitates one's own correct responses (RFT, STaR, RAFT, ReST-EM): in large batches a kept response gets
:math:`1/E[R L]` per token (token mean), :math:`1/E[R]` (sequence sum) or :math:`1/(E[R] L_i)` (sequence mean); at the sampling
policy the first two are :math:`\nabla E[R]` times a constant.

Source: arXiv 2601.01580, section 4.2; TRL 1.10 and verl for the normalisers; DFT arXiv 2508.05629; STaR 2203.14465; RFT
2308.01825; RAFT 2304.06767; ReST-EM 2312.06585; closed forms and limits are derived here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from math import inf
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.exact import Solution, solve
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Floats, numbers_only, reject, whole_number
from dstheory.errors import ChainError
from dstheory.objectives.base import Measure
from dstheory.objectives.expectation.denominators import mean_of_lengths_and_rewards, range_of_lengths
from dstheory.objectives.expectation.exponential import LEAST_CHANCE, EffectiveCredit, moments, reciprocal
from dstheory.objectives.expectation.grouping import Grouping
from dstheory.objectives.expectation.groups import effective_credit
from dstheory.objectives.expectation.rewards import ResponseReward
from dstheory.objectives.large_groups import gradient_of_accuracy
from dstheory.objectives.mass import CoefficientMass, StageGradient, check_runs, log_likelihood, mass_of_steps
from dstheory.objectives.parts import BatchTokens, ByOutcome, Normaliser, PerResponse, PerToken
from dstheory.objectives.registry import register
from dstheory.objectives.responses import ResponseObjective, Term, response_lengths
from dstheory.objectives.weights import Reduction, StageWeight, TokenWeight, token_probabilities


class Demonstrations(ABC):
    """Where demonstrations come from.

    >>> issubclass(ExpertChain, Demonstrations), issubclass(Recorded, Demonstrations)
    (True, True)
    """

    @abstractmethod
    def visits(self, mdp: TwoStageMDP) -> CoefficientMass:
        """Return the expected number of times per episode that each answer and each decision occurs, (*runs, T', X, Y)."""

    @abstractmethod
    def trajectories(self, solution: Solution) -> Policy | Trajectories:
        """Return the policy that generates them, or the recorded ones."""


@dataclass(frozen=True, eq=False)
class ExpertChain(Demonstrations):
    """Demonstrations drawn from an expert policy on the same chain; probabilities of 0 and 1 are allowed.

    >>> from dstheory import TwoStageMDP
    >>> expert = ExpertChain(Policy.from_probabilities([[0.5, 0.5]], [[1.0, 0.0]]))
    >>> expert.visits(TwoStageMDP.minimal()).sample.tolist()  # two answers per episode, one of them wrong
    [[[1.0, 1.0]]]
    """

    policy: Policy

    def visits(self, mdp: TwoStageMDP) -> CoefficientMass:
        """Return the expert's expected visits, exactly.

        Raises:
            ImproperChainError: the expert never stops.
        """
        self.policy.check_fits(mdp, "expert")
        s = solve(mdp, self.policy)
        rho = mdp.prompt_weight[:, None]
        return CoefficientMass(rho * s.answer_visits, rho * s.stop_visits, rho * s.resample_visits)

    def trajectories(self, solution: Solution) -> Policy | Trajectories:
        """Return the expert's policy."""
        return self.policy


@dataclass(frozen=True, eq=False)
class Recorded(Demonstrations):
    """Demonstrations that were written down; their prompts are distributed as recorded, not by the chain's prompt weights.

    >>> from dstheory import TwoStageMDP
    >>> right_first_time = Recorded(Trajectories.record([(0, [(0, "stop")])]))
    >>> right_first_time.visits(TwoStageMDP.minimal()).sample.tolist()  # the wrong answer is never visited
    [[[1.0, 0.0]]]
    """

    episodes: Trajectories

    def visits(self, mdp: TwoStageMDP) -> CoefficientMass:
        """Return the weighted counts.

        Raises:
            ChainError: a recorded prompt, answer or length does not exist in the chain.
        """
        self.episodes.check_fits(mdp)
        once = np.ones(len(self.episodes.stop))
        return mass_of_steps(mdp, self.episodes, once, once)

    def trajectories(self, solution: Solution) -> Policy | Trajectories:
        """Return the recorded trajectories."""
        return self.episodes


@dataclass(frozen=True, eq=False)
class _Imitation(ResponseObjective):
    """What the rows share.

    Args:
        demonstrations: an expert chain, or recorded trajectories (which are one batch).
    """

    demonstrations: Demonstrations

    normaliser: ClassVar[Normaliser] = PerResponse()
    batch: ClassVar[float] = inf

    @property
    def credit(self) -> ByOutcome | None:
        """The weights of right and of wrong demonstrations; None for 1."""
        return None

    @property
    def scale(self) -> float:
        """What the whole is multiplied by."""
        return 1.0

    @property
    def measure(self) -> Measure:
        return "demonstrations"

    def behaviour(self, solution: Solution) -> Policy | Trajectories:
        if not isinstance(self.demonstrations, Demonstrations):
            raise ChainError(
                f"{self.name}: demonstrations is a {type(self.demonstrations).__name__}: give ExpertChain(policy), or "
                "Recorded(trajectories)"
            )
        return self.demonstrations.trajectories(solution)

    def generated(self, solution: Solution) -> Solution:
        """Return the chain under the expert; recorded demonstrations have none, and stand beside the chain under the policy."""
        source = self.behaviour(solution)
        if not isinstance(source, Policy):
            return solution
        source.check_fits(solution.mdp, "expert")
        check_runs(solution, demonstrations=source.runs)
        return solve(solution.mdp, source)

    def token_weight(self, solution: Solution) -> TokenWeight | None:
        """Return the weight of each token; None for 1."""
        return None

    def terms(self, solution: Solution, under: Solution, outcome: ResponseReward) -> tuple[Term, ...]:
        source = self.behaviour(solution)
        if isinstance(source, Policy):
            grouping = Grouping(1, self.batch, scale=self.scale)
            credit = effective_credit(self.credit, self.normaliser, grouping, under, outcome)
        else:
            credit = self._of_recorded(solution, source)
            if self.credit is not None:
                one = credit.constant
                credit = EffectiveCredit.of_two(credit.t, self.credit.wrong * one, self.credit.right * one)
        return (Term(credit, self.token_weight(solution)),)

    def _known_mass(self, solution: Solution) -> CoefficientMass | None:
        """Return the weighted count of recorded demonstrations."""
        source = self.behaviour(solution)
        if isinstance(source, Policy):
            return None
        source.check_fits(solution.mdp)
        outcome = self.outcome_of(solution)
        reward, length = outcome.reward.total(solution, source), response_lengths(solution, source)
        (term,) = self.terms(solution, solution, outcome)
        # The token weight may differ between runs, unlike coefficients on trajectories: it multiplies the mass.
        mass = mass_of_steps(solution.mdp, source, *self.of_term(Term(term.credit, None), solution, source, reward, length))
        return mass if (w := term.weight) is None else mass.weighted(w.sample, w.stop, w.resample)  # at most 1: nothing beyond

    def _of_recorded(self, solution: Solution, source: Trajectories) -> EffectiveCredit:
        """Return the credit of one batch, all that was recorded: nothing is left to average over."""
        parts = getattr(self, "micro_batches", 1)
        if self.batch != inf or parts != 1:
            what = f"responses is {self.batch * parts:g}" if self.batch != inf else f"micro_batches is {parts}"
            raise ChainError(f"{what}, but recorded demonstrations are one batch: leave it out")
        one = np.ones((1, solution.mdp.shape[0]))
        if isinstance(self.normaliser, BatchTokens):
            total = float((source.weight * response_lengths(solution, source)).sum())
            return EffectiveCredit(np.zeros(1), one / total, 0.0 * one)
        if isinstance(self.normaliser, PerResponse):
            return EffectiveCredit(np.zeros(1), one, 0.0 * one)
        return effective_credit(None, self.normaliser, Grouping(1), solution, self.outcome_of(solution))


class _LogLikelihood(_Imitation):
    """Rows whose mass does not depend on the policy, so that the weighted log-likelihood is their scalar."""

    def value(self, solution: Solution) -> Floats:
        """Return the log-likelihood weighted by the coefficients, (*runs,); -inf where a demonstrated action is ruled out."""
        return log_likelihood(self.mass(solution), solution.policy)


@register
@dataclass(frozen=True, eq=False)
class SFT(_LogLikelihood):
    """Maximum likelihood on demonstrations with stage weights.

    Args:
        demonstrations: an expert chain or recorded trajectories.
        length_weight: lambda in [0, 1].
        reduction: ``"sum"`` or ``"mean"``.

    >>> from dstheory import TwoStageMDP, solve
    >>> from dstheory.objectives import ExpertChain
    >>> sft = SFT(ExpertChain(Policy.minimal(p=0.75, a=0.75, b=0.75)))
    >>> g = sft.gradient(solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.5, b=0.5)))
    >>> round(float(g.sample[0, 0, 0]), 12)  # n_E (p_E - p) with n_E = 1.6 expected turns
    0.4
    """

    length_weight: ArrayLike = 0.0
    reduction: Reduction = "sum"

    name = "sft"

    def __post_init__(self) -> None:
        numbers_only(self)

    def token_weight(self, solution: Solution) -> TokenWeight:
        """Return the stage weights."""
        check_runs(solution, length_weight=np.shape(self.length_weight))
        return StageWeight(self.length_weight, self.reduction).of(solution.mdp)


@dataclass(frozen=True, eq=False)
class _OfBatches(_Imitation):
    """Rows with a normaliser of training code.

    Args:
        responses: demonstrations per batch, where the tokens of the batch are divided by; inf for the limit.
        weights: (a, b); demonstrations that end right count a times, those that end wrong b times, also negative; tokens are
            counted once each: c = w_i / normaliser.
        micro_batches: equal parts of the batch, each normalised by itself (gradient accumulation, ranks).
        accumulate: gradients of the parts are averaged (``"mean"``) or added (``"sum"``).
    """

    responses: float = inf
    weights: tuple[float, float] = field(default=(1.0, 1.0), kw_only=True)
    micro_batches: int = field(default=1, kw_only=True)
    accumulate: Literal["mean", "sum"] = field(default="mean", kw_only=True)

    def __post_init__(self) -> None:
        numbers_only(self)
        whole_number(self.micro_batches, "micro_batches", low=1)
        if self.accumulate not in ("mean", "sum"):
            raise ChainError(f"accumulate is {self.accumulate!r}: must be 'mean' or 'sum'")
        if self.responses != inf and self.responses % self.micro_batches:
            raise ChainError(f"micro_batches is {self.micro_batches}: must divide responses, {self.responses:g}")
        if len(self.weights) != 2:
            raise ChainError(f"weights is {self.weights}: must be two numbers, of right and of wrong demonstrations")
        ByOutcome(*self.weights)
        Grouping(1, self.batch)

    @property
    def credit(self) -> ByOutcome | None:
        return None if tuple(self.weights) == (1.0, 1.0) else ByOutcome(*self.weights)

    @property
    def scale(self) -> float:
        return float(self.micro_batches) if self.accumulate == "sum" else 1.0

    @property
    def batch(self) -> float:  # type: ignore[override]
        """Demonstrations that are normalised together."""
        return self.responses if self.micro_batches == 1 else self.responses / self.micro_batches


@register
@dataclass(frozen=True, eq=False)
class SFTTokenMean(_OfBatches, _LogLikelihood):
    """Supervised fine-tuning, token mean: the loss of a batch is its mean over tokens.

    >>> from dstheory import TwoStageMDP, solve
    >>> from dstheory.objectives import ExpertChain
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.5, b=0.5))
    >>> sft = SFTTokenMean(ExpertChain(Policy.minimal(p=0.75, a=0.75, b=0.75)))
    >>> round(float(sft.gradient(s).sample[0, 0, 0]), 12)  # n_E (p_E - p) over E_D[L] = 2 n_E tokens
    0.125
    """

    normaliser = BatchTokens()
    name = "sft-token-mean"


@register
@dataclass(frozen=True, eq=False)
class SFTSequenceSum(_OfBatches, _LogLikelihood):
    """Supervised fine-tuning, sequence sum: the log-likelihood of whole demonstrations, averaged over them.

    >>> from dstheory import TwoStageMDP, solve
    >>> from dstheory.objectives import ExpertChain
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.5, b=0.5))
    >>> sft = SFTSequenceSum(ExpertChain(Policy.minimal(p=0.75, a=0.75, b=0.75)))
    >>> round(float(sft.gradient(s).sample[0, 0, 0]), 12)  # n_E (p_E - p), n_E = 1.6 expected turns
    0.4
    """

    normaliser = PerResponse()
    name = "sft-sequence-sum"


@register
@dataclass(frozen=True, eq=False)
class SFTSequenceMean(_OfBatches, _LogLikelihood):
    """Supervised fine-tuning, sequence mean: each demonstration's mean over its tokens, averaged over demonstrations.

    >>> from dstheory import TwoStageMDP, solve
    >>> from dstheory.objectives import ExpertChain
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.5, b=0.5))
    >>> sft = SFTSequenceMean(ExpertChain(Policy.minimal(p=0.75, a=0.75, b=0.75)))
    >>> round(float(sft.gradient(s).sample[0, 0, 0]), 6)  # above (p_E - p)/2: last answers, the better ones, count more
    0.156668
    """

    normaliser = PerToken()
    name = "sft-sequence-mean"


@register
@dataclass(frozen=True, eq=False)
class DFT(_OfBatches):
    """Dynamic fine-tuning: SFT's token mean with every token times its own detached probability.

    >>> from dstheory import TwoStageMDP, solve
    >>> from dstheory.objectives import ExpertChain
    >>> s = solve(TwoStageMDP.minimal(sample_length=[[2, 100]]), Policy.minimal(p=0.25, a=0.25, b=0.5))
    >>> dft = DFT(ExpertChain(Policy.minimal(p=0.5, a=0.5, b=0.5)))
    >>> c_s, c_d = dft.coefficients(s, Trajectories.record([(0, [(0, "stop")])]))
    >>> round(float(c_s[0] / c_d[0]), 12)  # two tokens of probability 1/2 against one of 1/4
    2.0
    """

    normaliser = BatchTokens()
    name = "dft"

    def token_weight(self, solution: Solution) -> TokenWeight:
        """Return the probability of each token."""
        return token_probabilities(solution)


_NORMALISERS = ("token-mean", "sequence-sum", "sequence-mean")


@register
@dataclass(frozen=True, eq=False)
class RFT(ResponseObjective):
    """Filtered fine-tuning on the correct responses of a sampling policy, in large batches.

    Args:
        sampler: whose responses are filtered; None for the policy itself.
        normaliser: ``"token-mean"``, ``"sequence-sum"`` or ``"sequence-mean"`` over what is kept.

    >>> from dstheory import TwoStageMDP, solve
    >>> from dstheory.objectives import Reinforce
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.75, b=0.5))
    >>> g = RFT(normaliser="sequence-sum").gradient(s)
    >>> (g.decide / Reinforce().gradient(s).decide * s.accuracy).round(12).tolist()  # grad log E[R]
    [[[1.0, 1.0]]]
    """

    sampler: Policy | None = None
    normaliser: Literal["token-mean", "sequence-sum", "sequence-mean"] = "token-mean"

    name = "rft"

    def __post_init__(self) -> None:
        if self.normaliser not in _NORMALISERS:
            raise ChainError(f"normaliser is {self.normaliser!r}: must be one of {', '.join(_NORMALISERS)}")

    def with_sampler(self, sampler: Policy) -> Self:
        """Return the same objective on the responses of another policy."""
        return replace(self, sampler=sampler)

    @property
    def measure(self) -> Measure:
        """The policy, or the sampler."""
        return "policy" if self.sampler is None else "sampler"

    def generated(self, solution: Solution) -> Solution:
        """Return the chain under the sampler, or under the policy."""
        return solution if self.sampler is None else solve(solution.mdp, self.sampler)

    def terms(self, solution: Solution, under: Solution, outcome: ResponseReward) -> tuple[Term, ...]:
        """Return 1[R = 1] over the mean of what is kept; where nothing is ever kept, nothing is learned."""
        _, paid = moments(under, outcome.reward, np.zeros(1))
        rho = under.mdp.prompt_weight
        kept = (paid * rho).sum(axis=-1, keepdims=True)
        lost = (kept < LEAST_CHANCE) & (under.may_end & (under.mdp.correct > 0)).any()
        reject(lost, kept, "share of responses that are kept", f"must be 0 or at least {LEAST_CHANCE:g}", "it is divided by",
               axes=("prompt",))  # fmt: skip
        if self.normaliser == "token-mean":
            kept = (mean_of_lengths_and_rewards(under, outcome.reward) * rho).sum(axis=-1, keepdims=True)
        slope = np.divide(1.0, kept, out=np.zeros_like(kept), where=kept > 0)
        slope = np.broadcast_to(slope, np.broadcast_shapes(slope.shape, paid.shape))
        t = np.zeros(1)
        if self.normaliser == "sequence-mean":
            t, w = reciprocal(*range_of_lengths(under))
            slope = w.reshape(len(w), *(1,) * (slope.ndim - 1)) * slope
        return (Term(EffectiveCredit(t, np.zeros_like(slope), slope)),)

    def _in_one_pass(self, solution: Solution) -> StageGradient | None:
        """Return the gradient where it is that of E[R] times a constant."""
        if self.sampler is not None or self.normaliser == "sequence-mean":
            return None
        found = gradient_of_accuracy(solution)
        if found is None:
            return None
        from dstheory.kernels.parallel import scale_rows

        (term,), gradient = self.terms(solution, solution, self.outcome_of(solution)), found[1]
        scale_rows((gradient.sample[0], gradient.decide[0]), float(term.credit.slope[0, 0]))
        return gradient
