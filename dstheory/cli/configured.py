"""What commands share that read a trainer's configuration: where it is looked at, and how it is named and shown."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import dstheory
from dstheory import anatomy, dynamics, trainers
from dstheory.cli.notes import reference_words
from dstheory.cli.options import Problem, chain_from, given_options, of_one_model, settings_from
from dstheory.errors import RecordError
from dstheory.texts import counted, printable

if TYPE_CHECKING:
    import numpy as np

    from dstheory.anatomy.rates import ProblemCounts
    from dstheory.dynamics.problem import Chain
    from dstheory.trainers.entries import KeyValue

trainer_option = click.option(
    "--trainer", default=None, metavar="NAME", help="Which trainer it configures (trl:grpo, ...); default: recognised."
)

PLACE = (
    "p", "a", "b", "max_turns", "answer_length", "decision_length", "expert", "reference", "sampler", "reward_functions",
)  # fmt: skip
"""Parameters that say where a configuration is looked at; all others, but for the number of prompts, are its own."""
_MOST_SHOWN = 6  # prompts of a log whose p, a and b are said one by one


@dataclass(frozen=True)
class Where:
    """Where a configuration is looked at.

    Attributes:
        place: chain and policies.
        name: of the chain.
        reference: what the reference is, in words.
        whose: whose p, a and b they are, in words.
        measured: p, a and b as they were measured on a log; None where they are the chain's.
        typed: whether one p, a, b was typed for the reference of a chain of several prompts.
        prompts: p, a and b of each of a few prompts of a log, in words.
        attempts: the same place with p over all attempts of the log, where it has several prompts of which each is a mean.
    """

    place: trainers.StartingPoint
    name: str
    reference: str
    whose: str = ""
    measured: tuple[float, float, float] | None = None
    typed: bool = False
    prompts: tuple[str, ...] = ()
    attempts: trainers.StartingPoint | None = None

    @property
    def rates(self) -> tuple[float, float, float]:
        """p, a and b of the policy: those measured, else those that it has on its chain."""
        if self.measured is not None:
            return self.measured
        place = self.place
        found, first = dstheory.solve(place.mdp, place.policy), (place.policy.sample_prob[0] * place.mdp.correct).sum(axis=-1)
        p = float(first @ place.mdp.prompt_weight) if place.first else float(found.p)
        return p, float(found.a), float(found.b)


def place_from(ctx: click.Context, options: dict[str, Any]) -> Where:
    """Return the chain, its policy, the reference and the expert that the options describe."""
    from dstheory.dynamics.problem import problem_at

    given, log = given_options(ctx), options["log_file"]
    measured, theirs, pooled = None, None, None
    if log is not None:
        for name in ("p", "a", "b"):
            if name in given:
                raise click.UsageError(f"--{name} is measured on the log: leave it or --log out", ctx)
        measured = _measured(log, options["model"], options)
        chain = measured.chain
        settings = settings_from({k: v for k, v in options.items() if k != "answer_length"}, given)
    else:
        chain = chain_from(ctx, options)
        settings = settings_from(options, given if chain.mdp is not None else options)
    mdp, start, reference = problem_at(chain, {**settings, "gamma": 1.0})
    typed = log is not None and options["reference"] is not None
    if typed:
        reference = dynamics.expert_policy(mdp, start, **dict(zip("pab", options["reference"], strict=True)))
    p, a, b = options["expert"]
    problem = Problem(mdp, start, reference, chain.name, given)
    words = reference_words(problem, {**options, "mdp_file": options["mdp_file"] or (None if typed else log)})
    if measured is not None and (options["reference_log"] is not None or options["reference_model"] is not None):
        reference, pooled, words, theirs = _reference(measured, options)
    sampler = None
    if options["sampler"] is not None:
        sampler = dynamics.expert_policy(mdp, start, **dict(zip("pab", options["sampler"], strict=True)))
    expert = dynamics.expert_policy(mdp, start, p=p, a=a, b=b)
    place = trainers.StartingPoint(mdp, start, reference, expert, sampler, first=measured is not None)
    attempts = None
    if measured is not None and measured.each:
        theirs_pooled = measured.pooled if reference is start else pooled or reference
        attempts = replace(place, policy=measured.pooled, reference=theirs_pooled, first=False)
    rates = None if measured is None else measured.rates
    typed = typed and len(mdp.prompt_weight) > 1
    prompts = () if measured is None else _prompts(measured, theirs)
    return Where(place, chain.name, words, _whose(chain, measured, given, options), rates, typed, prompts, attempts)


@dataclass(frozen=True)
class _Measured:
    """A chain that a log shows, whose p are those of first answers.

    Attributes:
        chain: one prompt for each label of the field.
        rates: p, a, b of all prompts together.
        by: the field.
        each: p, a, b of each prompt; none where prompts are problems.
        pooled: the policy with p over all attempts, in which problems that are tried again more often count more.
    """

    chain: Chain
    rates: tuple[float, float, float]
    by: str
    each: Mapping[str, tuple[float, float, float]]
    pooled: dstheory.Policy


def _measured(file: Path, model: str | None, options: dict[str, Any]) -> _Measured:
    """Return the chain that a log shows, with the lengths that the options say: logs hold none."""
    from dstheory.anatomy.rates import ProblemCounts
    from dstheory.dynamics.problem import Chain

    by = options["by"]
    episodes = of_one_model(anatomy.read_log(file, labels=() if by == "problem" else (by,)).episodes, model)
    made = anatomy.measured_chain(episodes, by=by, cap=options["max_turns"])
    mdp = made.mdp.replace(sample_length=[list(options["answer_length"])] * len(made.mdp.prompt_weight))
    tables = {} if by == "problem" else {label: ProblemCounts.of(part) for label, part in episodes.by(by).items()}
    policy = _of_first_answers(made.policy, list(tables.values())) if tables else made.policy
    chain = Chain.of(mdp, policy, None, file.name if model is None else f"{model} of {file.name}")
    each = {label: _rates(table) for label, table in tables.items()}
    return _Measured(chain, _rates(ProblemCounts.of(episodes)), by, each, made.policy)


def _of_first_answers(policy: dstheory.Policy, tables: Sequence[ProblemCounts]) -> dstheory.Policy:
    """Return a policy with p counted on first answers, and half an observation more on each side."""
    import numpy as np

    p = np.array([(table.total("first_correct") + 0.5) / (table.total("episodes") + 1.0) for table in tables])
    return dstheory.Policy.from_probabilities(np.stack([p, 1.0 - p], axis=-1), policy.stop_prob[0])


def _rates(table: ProblemCounts) -> tuple[float, float, float]:
    """Return p of first answers, a and b, NaN where there was nothing to count."""
    from dstheory.anatomy.rates import RATES, rate

    counted = rate(table, "first_correct", "episodes"), *(rate(table, *RATES[name]) for name in "ab")
    p, a, b = (float("nan") if estimate.value is None else estimate.value for estimate in counted)
    return p, a, b


def _shown(rates: Iterable[float]) -> str:
    return ", ".join("unknown" if rate != rate else f"{rate:.3f}" for rate in rates)


def _prompts(ours: _Measured, theirs: _Measured | None) -> tuple[str, ...]:
    """Say p, a and b of each of a few prompts, beside the reference's, which a KL pulls each of them towards."""
    if not 1 < len(ours.each) <= _MOST_SHOWN:
        return ()

    def said(rates: tuple[float, ...] | None) -> str:
        return "not in its log" if rates is None else _shown(rates)

    lines = {name: f"{name}: p, a, b = {said(rates)}" for name, rates in ours.each.items()}
    if theirs is not None:
        lines = {name: f"{line}; the reference's {said(theirs.each.get(name))}" for name, line in lines.items()}
    return tuple(lines.values())


def _reference(measured: _Measured, options: dict[str, Any]) -> tuple[dstheory.Policy, dstheory.Policy, str, _Measured]:
    """Return the reference that a log shows, prompt by prompt where both have it, also with p over all attempts, and in words.

    A prompt that the reference's log does not have gets the mean p, a, b of those that it has.
    """
    import numpy as np

    file = options["reference_log"] or options["log_file"]
    found = _measured(file, options["reference_model"], options)
    assert found.chain.mdp is not None
    assert found.chain.start is not None
    assert measured.chain.mdp is not None
    ours, theirs = measured.chain.mdp.prompts or (), found.chain.mdp.prompts or ()
    place = {name: i for i, name in enumerate(theirs)}
    shared = [name for name in ours if name in place]
    if not shared:
        raise RecordError(f"{found.chain.name} has no {measured.by} that {measured.chain.name} has: choose another --by")
    rows = np.array([place.get(name, -1) for name in ours])
    weight = found.chain.mdp.prompt_weight / found.chain.mdp.prompt_weight.sum()

    def rates(table: np.ndarray) -> np.ndarray:
        (each,) = table
        return np.asarray(np.where((rows >= 0)[:, None], each[rows], weight @ each))

    words = f"{found.chain.name}, {measured.by} by {measured.by} (together p, a, b = {_shown(found.rates)})"
    if len(shared) < len(ours):
        without, of = len(ours) - len(shared), f"of {len(ours):,}"
        words += f"; {counted(without, f'{of} is not in it and has', f'{of} are not in it and have')} its mean"
    parts = ((rates(policy.sample_prob), rates(policy.stop_prob)) for policy in (found.chain.start, found.pooled))
    first, pooled = (dstheory.Policy.from_probabilities(*two) for two in parts)
    return first, pooled, words, found


def _whose(chain: Chain, measured: _Measured | None, given: Collection[str], options: dict[str, Any]) -> str:
    """Say whose p, a and b are looked at."""
    if measured is not None:
        assert measured.chain.mdp is not None
        prompts = len(measured.chain.mdp.prompt_weight)
        return f"measured on {chain.name}" + (f", with a chain for each of {prompts:,} {measured.by}s" if prompts > 1 else "")
    if options["mdp_file"] is not None:
        return f"those of {chain.name}"
    if set("pab") <= set(given):
        return "as given"
    yours = f"the example {chain.name} (yours: --p, --a, --b, --log)"
    return f"as given, where none is {yours}" if set("pab") & set(given) else yours


def heading(configuration: trainers.Configuration) -> str:
    """Return whose configuration it is, and how that was found."""
    trainer = configuration.trainer
    return f"{configuration.name}: {trainer.name} of {trainer.library} {trainer.version} ({configuration.recognised_by})"


def lacking(configuration: trainers.Configuration) -> list[str]:
    """Return one line for each setting that is not modelled."""
    return [f"{lack.key} = {shown_value(lack.value)}: {lack.what}" for lack in configuration.lacks]


def said_of(entry: KeyValue) -> str:
    """Return a key, its value, and where it was set."""
    return f"{entry.key} = {shown_value(entry.value)} ({entry.place})"


def shown_value(value: Any) -> str:
    """Return a value as a configuration has it, on one line."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ", ".join(map(shown_value, value))[:60]
    return f"{value:g}" if isinstance(value, float) else printable(value)[:60]
