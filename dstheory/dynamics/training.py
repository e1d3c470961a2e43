r"""Training with exact gradients: many runs side by side, everything of interest logged.

One step: :math:`\theta \leftarrow \theta + \eta\, s(t)\, \mathrm{opt}(\mathrm{clip}(\nabla_\theta))`, the gradient exact, the
reference optionally renewed every m steps.

History
-------
Dimensions: ``step`` (logged steps), run axes (``run``, or ``run_0, run_1, ...``), ``component`` (the terms of the objective, and
``total``), ``stage`` (``sample``, ``decide``).

Variables: ``p, a, b`` (shares over all answers and decisions that occur), ``accuracy``, ``turns``, ``value`` (the chain's own
reward), ``objective`` (the scalar ascended, where all terms have one), ``gradient_norm`` and ``energy`` per component and stage
(attribution levels ii and iii), ``cosine`` per component (linear policies), and for level (i) ``coefficient_balanced``,
``coefficient_ratio_low``, ``coefficient_ratio_high`` per component (single runs).

Source: arXiv 2601.01580, section 5 (simulation); batching over runs is a convention of this package.
"""

from __future__ import annotations

import contextlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from dstheory.attribution import StageSplit, attribute, coefficient_levels, norm, of_runs
from dstheory.chain.exact import Solution, solve
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.checks import Bools, Floats, whole_number
from dstheory.dynamics.minimal import Ascent, minimal_ascent
from dstheory.dynamics.optimizers import SCHEDULES, SGD, Blocks, Optimizer, Schedule
from dstheory.errors import ChainError, DivergedError
from dstheory.objectives.base import Objective, WeightedSum
from dstheory.objectives.mass import over_runs
from dstheory.readers.arrays import LabelledArrays
from dstheory.tables import RATES, Drawn, Table, short
from dstheory.texts import shown

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, eq=False, repr=False)
class TrainResult(Drawn):
    """The result of training: the final policy, and what was logged on the way.

    Attributes:
        log: what was logged, as labelled arrays (see above).
        policy: the final policy.

    >>> from dstheory import Policy, TwoStageMDP
    >>> from dstheory.objectives import Reinforce
    >>> result = train(TwoStageMDP.minimal(), Policy.minimal(p=0.55, a=0.8, b=0.3), Reinforce(), steps=10)
    >>> round(float(result.policy.p), 3) > 0.55, int(result.history.step[-1])
    (True, 10)
    """

    log: LabelledArrays
    policy: Policy

    @cached_property
    def history(self) -> xr.Dataset:
        """What was logged, as a Dataset of xarray."""
        return self.log.dataset()

    def table(self) -> Table:
        """Return the first and the last logged step."""
        names = ("accuracy", "turns", "p", "a", "b", "value")
        rows = [(str(int(self.log["step"][i])), *(short(self.log[name][i]) for name in names)) for i in (0, -1)]
        return Table("Training", ("step", *names), rows, RATES)

    def columns(self) -> dict[str, Any]:
        """Return each logged step of each run in a row."""
        names = ("p", "a", "b", "accuracy", "turns", "value")
        runs = np.broadcast_shapes(*(self.log[name].shape for name in names))
        flat = {name: np.broadcast_to(self.log[name], runs).reshape(runs[0], -1) for name in names}
        step = np.broadcast_to(np.asarray(self.log["step"])[:, None], flat["p"].shape)
        run = np.broadcast_to(np.arange(flat["p"].shape[1]), flat["p"].shape)
        return {"step": step.ravel(), "run": run.ravel(), **{name: values.ravel() for name, values in flat.items()}}


def train(
    mdp: TwoStageMDP,
    policy: Policy,
    objective: Objective,
    *,
    steps: int,
    optimizer: Optimizer | None = None,
    clip_norm: float | None = None,
    schedule: Schedule = SCHEDULES["constant"],
    reference_every: int | None = None,
    updates_per_batch: int = 1,
    log_every: int | None = None,
    log_at: Iterable[int] | None = None,
    objective_at: Callable[[int], Objective] | None = None,
    progress: Callable[[int], None] | None = None,
    compiled: bool | None = None,
) -> TrainResult:
    """Ascend an objective from a policy by exact gradients.

    Steps follow the gradient as far as rounding leaves it (``objective.ascent``): near an optimum that is not far, and where
    ``objective.gradient`` would refuse a row of too few digits, training goes on.

    Args:
        mdp, policy, objective: run axes of all three (and of the learning rate) broadcast; every run is trained, one after the
            other where an objective's rule is that of one run (DPO's pairs, GSPO's ratios to a stale policy).
        steps: number of steps >= 0.
        optimizer: default ``SGD(lr=0.1)``.
        clip_norm: bound > 0 on the norm of the whole gradient of a run (all blocks together), or None.
        schedule: (step, steps) -> factor on the learning rate.
        reference_every: replace the references of all KL terms by the current policy every so many steps.
        updates_per_batch: steps on one batch of responses, in expectation: from the second one on the policy that generated is
            stale, and importance ratios differ from 1. Objectives without a sampler stay on the policy.
        log_every: log every so many steps (and the first and last); default about 100 logged steps.
        log_at: log at these steps instead (and the first and last).
        objective_at: step -> the objective whose gradient that step follows, SFT on the step's minibatch for example; the history
            describes ``objective`` all the same.
        progress: called with the number of steps done, now and then.
        compiled: whether plain gradient steps on M0 are compiled; default where there are many. The result differs by rounding.

    Raises:
        ChainError: an argument outside its range, or a run that left the finite numbers (step, run and remedy are named).

    >>> from dstheory import Policy, TwoStageMDP
    >>> from dstheory.objectives import Reinforce
    >>> result = train(TwoStageMDP.minimal(), Policy.minimal(p=0.55, a=0.8, b=0.3), Reinforce(), steps=200)
    >>> result.history.accuracy.values[[0, -1]].round(3).tolist()
    [0.583, 0.952]
    """
    if not isinstance(objective, Objective):
        raise ChainError(f"objective is {shown(objective)}: give an Objective, such as Reinforce()")
    optimizer = optimizer or SGD()
    steps = whole_number(steps, "steps", low=0)
    logged = _logged_steps(steps, log_every, log_at)
    reference_every = None if reference_every is None else whole_number(reference_every, "reference_every", low=1)
    updates_per_batch = whole_number(updates_per_batch, "updates_per_batch", low=1)
    if updates_per_batch > 1 and objective_at is not None:
        raise ChainError("updates_per_batch and objective_at both say which objective a step follows: give one")
    if clip_norm is not None and not (clip_norm > 0 and np.isfinite(clip_norm)):
        raise ChainError(f"clip_norm is {clip_norm}: must be finite and > 0, or None for no clipping")
    how: dict[str, Any] = {
        "steps": steps, "logged": logged, "clip_norm": clip_norm, "schedule": schedule, "reference_every": reference_every,
        "updates_per_batch": updates_per_batch, "objective_at": objective_at, "compiled": compiled,
    }  # fmt: skip

    def first_gradient(solution: Solution) -> Blocks:
        first = objective.with_sampler(solution.policy) if updates_per_batch > 1 else objective
        return first.ascent(solution).parameters(solution.policy)

    # What a run is refused for is said before another is trained.
    gradient = of_runs(first_gradient, solve(mdp, policy))
    spread = _spread_over_runs(mdp, policy, gradient[0] if isinstance(gradient, list) else gradient, optimizer)
    if spread is not policy:
        policy, gradient = spread, of_runs(first_gradient, solve(mdp, spread))
    if isinstance(gradient, list):
        return _one_by_one(mdp, policy, objective, optimizer, gradient, progress, **how)
    return _ascend(mdp, policy, objective, optimizer, gradient, progress, **how)


def _ascend(
    mdp: TwoStageMDP,
    policy: Policy,
    objective: Objective,
    optimizer: Optimizer,
    first: Blocks,
    progress: Callable[[int], None] | None,
    *,
    steps: int,
    logged: list[int],
    clip_norm: float | None,
    schedule: Schedule,
    reference_every: int | None,
    updates_per_batch: int,
    objective_at: Callable[[int], Objective] | None,
    compiled: bool | None,
) -> TrainResult:
    """Take all steps of runs side by side; ``first`` is the gradient at their start."""
    due, runs = set(logged), policy.runs
    state = optimizer.start(policy.parameters)
    log, step, ascent = TrainingLog(mdp, objective, policy), 0, None
    minimal = clip_norm is None and objective_at is None and updates_per_batch == 1
    while True:
        renewed = bool(reference_every) and step > 0 and step % (reference_every or 1) == 0
        if renewed:
            objective = objective.with_reference(policy)
        if updates_per_batch > 1 and step % updates_per_batch == 0:
            objective = objective.with_sampler(policy)
        if step in due:
            log.record(step, policy, objective)
            if progress is not None:
                progress(step)
        if step == steps:
            break
        if minimal and (renewed or step == 0):
            ascent = minimal_ascent(mdp, policy, objective, optimizer, steps=steps, compiled=compiled)
        if ascent is not None:  # straight to the next step that is logged or renews the reference
            ahead = [logged[bisect_right(logged, step)]]
            ahead += [step + reference_every - step % reference_every] if reference_every else []
            factors = np.array([schedule(k, steps) for k in range(step, min(ahead))])
            theta = ascent(policy.parameters[0], factors)
            lost = np.asarray(~np.isfinite(theta).all(axis=-1))
            if lost.any():
                # One run goes on step by step from its last numbers: there it is said whether its episodes no longer end.
                last, theta = _last_finite(ascent, policy.parameters[0], factors)
                if runs:
                    refuse_infinite(ascent(theta, factors[last : last + 1]), step + last, len(runs), lost)
                ascent, minimal = None, False
                ahead = [step + last]
            policy, step = policy.with_parameters((theta,)), min(ahead)
            continue
        solution = solve(mdp, policy)
        if step > 0 or objective_at is not None:
            followed = objective if objective_at is None else objective_at(step)
            first = followed.ascent(solution).parameters(policy)
        gradient = clipped(first, clip_norm, len(runs), step)
        with np.errstate(over="ignore", invalid="ignore"):  # checked by name in the next line
            blocks, state = optimizer.step(policy.parameters, gradient, state, solution, schedule(step, steps))
        for old, new in zip(policy.parameters, blocks, strict=True):
            refuse_infinite(np.where(np.isinf(old), 0.0, new), step, len(runs))  # a certain choice stays certain
        policy = policy.with_parameters(blocks)
        step += 1
    return TrainResult(log.arrays(), policy)


def _last_finite(ascent: Ascent, theta: Floats, factors: Floats) -> tuple[int, Floats]:
    """Return after how many of these steps the logits of all runs are finite for the last time, and those logits."""
    last = bisect_left(range(1, len(factors)), True, key=lambda n: not np.isfinite(ascent(theta, factors[:n])).all())
    return last, ascent(theta, factors[:last])


def _logged_steps(steps: int, every: int | None, at: Iterable[int] | None) -> list[int]:
    """Return the steps to log, in order: the first, the last, and those asked for."""
    if at is None:
        every = max(1, steps // 100) if every is None else whole_number(every, "log_every", low=1)
        return sorted({*range(0, steps, every), steps})
    if every is not None:
        raise ChainError("log_every and log_at say which steps to log, both of them: give one")
    chosen = {whole_number(step, "a step of log_at", low=0) for step in at}
    late = [step for step in chosen if step > steps]
    if late:
        raise ChainError(f"log_at has step {late[0]}: must be at most steps = {steps}")
    return sorted({0, *chosen, steps})


def _spread_over_runs(mdp: TwoStageMDP, policy: Policy, gradient: Blocks, optimizer: Optimizer) -> Policy:
    """Give the policy the run axes that its chain, an objective's gradient and the learning rate have."""
    own = policy.parameters[0].ndim - len(policy.runs)
    shapes = [policy.runs, mdp.runs, gradient[0].shape[: gradient[0].ndim - own], np.shape(optimizer.lr)]
    try:
        runs = np.broadcast_shapes(*shapes)
    except ValueError as error:
        raise ChainError(
            f"the run axes do not fit together: policy {shapes[0]}, chain {shapes[1]}, objective {shapes[2]}, lr {shapes[3]}"
        ) from error
    return over(policy, runs)


def over(policy: Policy, runs: tuple[int, ...]) -> Policy:
    """Return a policy with these run axes."""
    if runs == policy.runs:
        return policy
    return policy.with_parameters(tuple(np.broadcast_to(b, (*runs, *b.shape[len(policy.runs) :])) for b in policy.parameters))


def _one_by_one(
    mdp: TwoStageMDP,
    policy: Policy,
    objective: Objective,
    optimizer: Optimizer,
    first: list[Blocks],
    progress: Callable[[int], None] | None,
    **how: Any,
) -> TrainResult:
    """Train one run after the other, where an objective's rule is that of one run."""
    starts, rates = policy.each_run(), np.broadcast_to(optimizer.lr, policy.runs).reshape(-1)
    results: list[TrainResult] = []
    for i, (start, rate, gradient) in enumerate(zip(starts, rates, first, strict=True)):
        before = i * how["steps"]
        report = None if progress is None else (lambda done, before=before: progress((before + done) // len(starts)))
        try:
            results.append(_ascend(mdp, start, objective, replace(optimizer, lr=rate), gradient, report, **how))
        except DivergedError as error:
            bad = (np.arange(len(starts)) == i).reshape(policy.runs)
            raise DivergedError(f"run {tuple(int(k) for k in np.argwhere(bad)[0])}: {error}", bad) from error
    variables: dict[str, Any] = {}
    for name, (dims, values, attributes) in results[0].log.variables.items():
        if not name.startswith("coefficient"):
            table = np.stack([result.log[name] for result in results], axis=1)
            shape = (len(values), *policy.runs, *values.shape[1:])
            variables[name] = (dims[0], *_run_axes(policy.runs), *dims[1:]), table.reshape(shape), attributes
    ends = zip(*(result.policy.parameters for result in results), strict=True)
    blocks = tuple(np.stack(block).reshape(*policy.runs, *block[0].shape) for block in ends)
    return TrainResult(LabelledArrays(variables, results[0].log.coords), policy.with_parameters(blocks))


def _run_axes(runs: tuple[int, ...]) -> list[str]:
    return ["run"] if len(runs) == 1 else [f"run_{i}" for i in range(len(runs))]


def clipped(gradient: Blocks, clip_norm: float | None, run_axes: int, step: int) -> Blocks:
    """Clip each run's gradient by its global norm; refuse gradients that are not finite."""
    for g in gradient:
        refuse_infinite(g, step, run_axes)
    if clip_norm is None:
        return gradient
    whole = norm(np.stack([norm(g, g.ndim - run_axes) for g in gradient], axis=-1), 1)
    factor = np.minimum(1.0, np.divide(clip_norm, whole, out=np.ones_like(whole), where=whole > 0))
    return tuple(g * over_runs(factor, g.ndim - run_axes) for g in gradient)


def refuse_infinite(values: Floats, step: int, run_axes: int, later: Bools | None = None) -> None:
    """Raise DivergedError if a run's numbers are no longer finite; the error is that of all runs of ``later``, if given."""
    bad = ~np.isfinite(values).all(axis=tuple(range(run_axes, values.ndim)))
    if bad.any():
        run = tuple(int(i) for i in np.argwhere(bad)[0]) if run_axes else ()
        where = f" in run {run}" if run else ""
        remedy = "use a smaller learning rate, or clip its norm"
        words = f"training left the finite numbers from step {step} on{where}: {remedy}"
        raise DivergedError(words, bad if later is None else later)


_TRAJECTORIES = 400
"""Level (i) is looked at on this many trajectories at each logged step: enough to refute, cheap enough to repeat."""
_TOGETHER = 1 << 16
"""(run, prompt, answer) triples that are attributed in one call: logged steps are collected until there are so many."""


class TrainingLog:
    """Collects policies at logged steps, and measures many of them at once."""

    def __init__(self, mdp: TwoStageMDP, objective: Objective, start: Policy) -> None:
        self.mdp = mdp
        self.runs = start.runs
        self.steps: list[int] = []
        self.components = [name for name, _ in _components(objective)]
        self._parts: list[dict[str, np.ndarray]] = []
        self._waiting: list[Policy] = []
        self._objective = objective
        one = start.shape[0] * mdp.correct.size * int(np.prod(self.runs))
        self._most = max(1, _TOGETHER // max(1, one))

    def record(self, step: int, policy: Policy, objective: Objective) -> None:
        """Log one step."""
        if objective is not self._objective or len(self._waiting) == self._most:
            self._measure()
        self._objective = objective
        self._waiting.append(policy)
        self.steps.append(step)

    def arrays(self) -> LabelledArrays:
        """Return everything logged so far."""
        self._measure()
        own = {"gradient_norm": ["component", "stage"], "energy": ["component", "stage"], "cosine": ["component"]}
        variables = {}
        for name in self._parts[0]:
            axes = ("step", *_run_axes(self.runs), *own.get(name, ["component"] if name.startswith("coefficient") else []))
            variables[name] = axes, np.concatenate([part[name] for part in self._parts]), _ATTRIBUTES.get(name, {})
        labels = {"step": self.steps, "component": self.components, "stage": ["sample", "decide"]}
        return LabelledArrays(variables, {name: ((name,), np.array(values), {}) for name, values in labels.items()})

    def _measure(self) -> None:
        """Measure the policies that wait: along one more run axis, or one by one where the objective has to have it so."""
        policies, self._waiting = self._waiting, []
        if not policies:
            return
        part = None
        if len(policies) > 1:
            with contextlib.suppress(ValueError):
                blocks = zip(*(policy.parameters for policy in policies), strict=True)
                part = self._measured(policies[0].with_parameters(tuple(np.stack(block) for block in blocks)))
        if part is None:
            singles = [self._measured(policy) for policy in policies]
            part = {name: np.stack([single[name] for single in singles]) for name in singles[0]}
        if not self.runs:
            terms = [term for _, term in _components(self._objective)]
            levels = np.stack([self._levels(term, policies) for term in terms], axis=-1)
            part.update(zip(("coefficient_balanced", "coefficient_ratio_low", "coefficient_ratio_high"), levels, strict=True))
        self._parts.append(part)

    def _measured(self, policy: Policy) -> dict[str, np.ndarray]:
        """Return everything but level (i), with the run axes of the policy."""
        solution, objective = solve(self.mdp, policy), self._objective
        splits = [attribute(term, solution, coefficients=False, digits=False) for _, term in _components(objective)]

        def whole(values: Any) -> np.ndarray:
            return np.broadcast_to(np.asarray(values, dtype=np.float64), policy.runs)

        def by_stage(pairs: list[StageSplit]) -> np.ndarray:
            return np.stack([np.stack([whole(pair.sample), whole(pair.decide)], axis=-1) for pair in pairs], axis=-2)

        value = objective.value(solution)
        found = {
            **{name: whole(values) for name, values in solution.rates().items()},
            "value": whole(solution.mean_value),
            "objective": whole(np.nan if value is None else value),
            "gradient_norm": by_stage([split.gradient for split in splits]),
            "energy": by_stage([split.energy for split in splits]),
        }
        if splits[0].cosine is not None:
            found["cosine"] = np.stack([whole(split.cosine) for split in splits], axis=-1)
        return found

    def _levels(self, term: Objective, policies: Sequence[Policy]) -> Floats:
        if term.measure == "mixed":
            return np.full((3, len(policies)), np.nan)
        return coefficient_levels(term, self.mdp, policies, limit=_TRAJECTORIES)


_ATTRIBUTES = {
    "p": {"long_name": "share of correct answers"},
    "a": {"long_name": "P(stop | correct)"},
    "b": {"long_name": "P(resample | wrong)"},
    "accuracy": {"long_name": "final accuracy"},
    "turns": {"long_name": "expected number of turns"},
    "value": {"long_name": "expected discounted return"},
    "objective": {"long_name": "scalar objective (NaN where a term has none)"},
    "gradient_norm": {"long_name": "norm of the stage's part of the parameter gradient"},
    "energy": {"long_name": "Fisher energy of the stage"},
    "cosine": {"long_name": "cosine between the stages' contributions (NaN where one is zero)"},
}


def _components(objective: Objective) -> list[tuple[str, Objective]]:
    """Return the terms of a sum, scaled, and the total; names made unique."""
    if not isinstance(objective, WeightedSum) or len(objective.terms) == 1:
        return [("total", objective)]
    names: list[str] = []
    for term in objective.terms:
        same = sum(n == term.name or n.startswith(term.name + "#") for n in names)
        names.append(term.name if not same else f"{term.name}#{same + 1}")
    terms = [t.rescaled(f) for t, f in zip(objective.terms, objective.factors, strict=True)]
    return [*zip(names, terms, strict=True), ("total", objective)]
