r"""The package's main experiment: one start, several objectives, what each does to sampling and to decisions.

Four conditions from one common start: reward alone; reward with a length-weighted KL penalty to the start; SFT on demonstrations
that cover wrong answers; SFT on demonstrations that are right first time and so never show what to do when wrong.

Source: claims 2 to 5 of arXiv 2601.01580, side by side; the coverage contrast is derived here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from dstheory.attribution import Attribution, attribute
from dstheory.chain.exact import GainSplit, solve, split_gain
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.checks import Bools, Floats, probability
from dstheory.dynamics.training import TrainResult, train
from dstheory.objectives.base import Objective
from dstheory.objectives.imitation import SFT, ExpertChain
from dstheory.objectives.penalties import ReverseKLDirect
from dstheory.objectives.reward import Reinforce
from dstheory.objectives.weights import Reduction
from dstheory.readers.arrays import LabelledArrays, concatenated
from dstheory.tables import RATES, Drawn, Table, short

if TYPE_CHECKING:
    import xarray as xr

CONDITIONS = ("reward", "reward + KL", "SFT, covers mistakes", "SFT, right first time")
"""What `simulate` compares, by the names it shows."""


def expert_policy(mdp: TwoStageMDP, start: Policy, *, p: float, a: float, b: float) -> Policy:
    r"""Return an expert with P(correct) = p, P(stop | correct) = a, P(resample | wrong) = b on every prompt.

    Among the correct (and among the wrong) answers of a prompt it keeps the start's proportions. Where a prompt has only wrong,
    or only correct answers, nothing about sampling can be demonstrated: the expert keeps the start's sampling there. With no
    correct answer it keeps the start's decisions too, so that SFT leaves such a prompt as it was (with a length weight, if its
    answers have one length).

    Args:
        mdp, start: the chain, and a policy of it.
        p, a, b: in [0, 1]; p = 1 is an expert that is right first time.

    Raises:
        ChainError: a probability outside [0, 1].

    >>> e = expert_policy(TwoStageMDP.minimal(), Policy.minimal(p=0.55, a=0.8, b=0.3), p=0.9, a=1.0, b=0.75)
    >>> e.sample_prob.round(9).tolist(), e.resample_prob.round(9).tolist()
    ([[[0.9, 0.1]]], [[[0.0, 0.75]]])
    """
    for name, value in (("p", p), ("a", a), ("b", b)):
        probability(value, f"expert {name}", "it is a probability")
    start.check_fits(mdp, "start")
    right = mdp.correct == 1.0
    wrong = mdp.inside & ~right
    both = (right.any(axis=-1) & wrong.any(axis=-1))[:, None]
    pi = start.sample_prob

    def within(kind: Bools) -> Floats:
        """Return the start's proportions among the answers of a kind; equal ones where it gives none of them."""
        mass = np.where(kind, pi, 0.0)
        total, even = mass.sum(axis=-1, keepdims=True), kind / np.maximum(kind.sum(axis=-1, keepdims=True), 1)
        return np.asarray(np.divide(mass, total, out=np.broadcast_to(even, mass.shape).copy(), where=total > 0.0))

    sample = np.where(both, p * within(right) + (1.0 - p) * within(wrong), pi)
    solvable = right.any(axis=-1)[:, None]
    stop = np.where(solvable, np.where(right, a, 1.0 - b), start.stop_prob)
    return Policy.from_probabilities(*np.broadcast_arrays(sample, stop))


def four_conditions(
    mdp: TwoStageMDP,
    start: Policy,
    *,
    beta: ArrayLike = 0.1,
    length_weight: ArrayLike = 0.5,
    reduction: Reduction = "sum",
    expert: tuple[float, float, float] = (0.9, 0.95, 0.9),
    reference: Policy | None = None,
) -> dict[str, Objective]:
    """Return the four objectives that ``dstheory simulate`` compares.

    Args:
        mdp, start: the chain and the common start.
        beta: strength of the KL penalty.
        length_weight, reduction: stage weights of KL and SFT.
        expert: (p, a, b) of the demonstrator that covers wrong answers.
        reference: the KL's reference; default the start.
    """
    reference = start if reference is None else reference
    weights: dict[str, Any] = {"length_weight": length_weight, "reduction": reduction}
    p, a, b = expert
    covering = ExpertChain(expert_policy(mdp, start, p=p, a=a, b=b))
    flawless = ExpertChain(expert_policy(mdp, start, p=1.0, a=1.0, b=b))
    penalised = Reinforce() + ReverseKLDirect(reference, beta=beta, **weights)
    return dict(zip(CONDITIONS, (Reinforce(), penalised, SFT(covering, **weights), SFT(flawless, **weights)), strict=True))


def scattered(start: Policy, runs: int, *, spread: float, rng: np.random.Generator | int) -> Policy:
    """Return ``runs`` starts around one: the first is the start itself, the others have normal noise on every parameter.

    >>> scattered(Policy.minimal(p=0.5, a=0.5, b=0.5), 3, spread=0.1, rng=0).runs
    (3,)
    """
    if runs == 1:
        return start
    rng = np.random.default_rng(rng)
    blocks = []
    for block in start.parameters:
        noise = rng.normal(scale=spread, size=(runs, *block.shape))
        noise[0] = 0.0
        blocks.append(block + noise)
    return start.with_parameters(tuple(blocks))


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Drawn):
    """What :func:`compare` returns, by condition.

    Attributes:
        results: training results.
        gains: the gain in accuracy, and its split.
        at_start: attributions at the start.
    """

    results: dict[str, TrainResult]
    gains: dict[str, GainSplit]
    at_start: dict[str, Attribution]

    def table(self) -> Table:
        """Return what each condition ends at, and the parts of its gain; of several runs the range."""
        rows = []
        for name, result in self.results.items():
            last, gain = {rate: result.log[rate][-1] for rate in ("p", "a", "b", "accuracy")}, self.gains[name]
            rows.append([name, *map(short, (*last.values(), gain.sample, gain.decide))])
        return Table("Comparison", ("condition", "p", "a", "b", "accuracy", "gain by sampling", "by decisions"), rows, RATES)

    @cached_property
    def log(self) -> LabelledArrays:
        """What was logged, along an axis ``condition``; numbers of a component that a condition does not have are NaN."""
        return concatenated({name: result.log for name, result in self.results.items()}, "condition")

    @cached_property
    def history(self) -> xr.Dataset:
        """The same as a Dataset of xarray."""
        return self.log.dataset()


def compare(
    mdp: TwoStageMDP,
    start: Policy,
    conditions: Mapping[str, Objective],
    *,
    progress: Callable[[int], None] | None = None,
    **training: Any,
) -> Comparison:
    """Train every condition from one start and split each accuracy gain between sampling and decision.

    Args:
        mdp, start: the chain and the common start (run axes allowed).
        conditions: objectives by the name shown.
        progress: called with the total number of steps done over all conditions.
        training: arguments of :func:`dstheory.dynamics.train`.

    Returns:
        By condition: the training result, the gain in accuracy and its split, and the attribution at the start.

    >>> mdp, start = TwoStageMDP.minimal(sample_length=64), Policy.minimal(p=0.55, a=0.8, b=0.3)
    >>> out = compare(mdp, start, four_conditions(mdp, start), steps=50)
    >>> float(out.gains["SFT, right first time"].decision_share) < float(out.gains["reward + KL"].decision_share)
    True
    """
    results: dict[str, TrainResult] = {}
    gains: dict[str, GainSplit] = {}
    at_start: dict[str, Attribution] = {}
    steps = int(training["steps"])
    for i, (name, objective) in enumerate(conditions.items()):
        report = None if progress is None else (lambda done, i=i: progress(i * steps + done))
        at_start[name] = attribute(objective, solve(mdp, start))
        results[name] = train(mdp, start, objective, progress=report, **training)
        gains[name] = split_gain(mdp, start, results[name].policy)
    return Comparison(results, gains, at_start)
