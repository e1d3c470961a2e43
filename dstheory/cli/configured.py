"""What commands share that read a trainer's configuration: where it is looked at, and how it is named and shown."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dstheory.cli.options import given_options, of_one_model, settings_from
from dstheory.texts import printable

if TYPE_CHECKING:
    import numpy as np

    from dstheory.anatomy.rates import Row
    from dstheory.chain.policy import Policy
    from dstheory.dynamics.problem import Chain
    from dstheory.trainers.configuration import Configuration
    from dstheory.trainers.explanation import StartingPoint

trainer_option = click.option(
    "--trainer", default=None, metavar="NAME", help="Whose configuration it is (trl:grpo, ...); default: recognised."
)


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
    """

    place: StartingPoint
    name: str
    reference: str
    whose: str = ""
    measured: tuple[float, float, float] | None = None
    typed: bool = False
    prompts: tuple[str, ...] = ()

    @property
    def rates(self) -> tuple[float, float, float]:
        """p, a and b of the policy: those measured, else those that it has on its chain."""
        if self.measured is not None:
            return self.measured
        from dstheory.chain.exact import solve

        found = solve(self.place.mdp, self.place.policy)
        return float(found.p), float(found.a), float(found.b)


def place_from(ctx: click.Context, options: dict[str, Any]) -> Where:
    """Return the chain, its policy, the reference and the expert that the options describe."""
    from dstheory.cli.notes import reference_words
    from dstheory.cli.problem import Problem, chain_from
    from dstheory.dynamics.conditions import expert_policy
    from dstheory.dynamics.problem import problem_at
    from dstheory.trainers.explanation import StartingPoint

    given, log = given_options(ctx), options["log_file"]
    measured, theirs = None, None
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
        reference = expert_policy(mdp, start, **dict(zip("pab", options["reference"], strict=True)))
    p, a, b = options["expert"]
    problem = Problem(mdp, start, reference, chain.name, given)
    words = reference_words(problem, {**options, "mdp_file": options["mdp_file"] or (None if typed else log)})
    if measured is not None and (options["reference_log"] is not None or options["reference_model"] is not None):
        reference, words, theirs = _reference(measured, options)
    sampler = None
    if options["sampler"] is not None:
        sampler = expert_policy(mdp, start, **dict(zip("pab", options["sampler"], strict=True)))
    place = StartingPoint(mdp, start, reference, expert_policy(mdp, start, p=p, a=a, b=b), sampler)
    rates = None if measured is None else measured.rates
    typed = typed and len(mdp.prompt_weight) > 1
    prompts = () if measured is None else _prompts(measured, theirs)
    return Where(place, chain.name, words, _whose(chain, measured, given, options), rates, typed, prompts)


@dataclass(frozen=True)
class _Measured:
    """A chain that a log shows, with the p, a, b of all its prompts together and of each, and the field whose labels they are."""

    chain: Chain
    rates: tuple[float, float, float]
    by: str
    each: Mapping[str, tuple[float, float, float]]


def _measured(file: Path, model: str | None, options: dict[str, Any]) -> _Measured:
    """Return the chain that a log shows, with the lengths that the options say: logs hold none."""
    from dstheory.anatomy.export import measured_chain
    from dstheory.anatomy.logs import read_log
    from dstheory.anatomy.rates import measure
    from dstheory.dynamics.problem import Chain

    by = options["by"]
    episodes = of_one_model(read_log(file, labels=() if by == "problem" else (by,)).episodes, model)
    made = measured_chain(episodes, by=by, cap=options["max_turns"])
    mdp = made.mdp.replace(sample_length=[list(options["answer_length"])] * len(made.mdp.prompt_weight))
    chain = Chain.of(mdp, made.policy, None, file.name if model is None else f"{model} of {file.name}")
    (row,) = measure(episodes)
    p, a, b = _rates(row)
    each = {} if by == "problem" else {row.labels[0]: _rates(row) for row in measure(episodes, by)}
    return _Measured(chain, (p, a, b), by, each)


def _rates(row: Row) -> tuple[float, float, float]:
    """Return p, a and b, NaN where there were no such attempts."""
    p, a, b = (float("nan") if estimate.value is None else estimate.value for estimate in (row.p, row.a, row.b))
    return p, a, b


def _prompts(ours: _Measured, theirs: _Measured | None) -> tuple[str, ...]:
    """Say p, a and b of each of a few prompts, beside the reference's, which a KL pulls each of them towards."""
    if not 1 < len(ours.each) <= _MOST_SHOWN:
        return ()

    def said(rates: tuple[float, ...] | None) -> str:
        return "not in its log" if rates is None else ", ".join(f"{rate:.3f}" for rate in rates)

    lines = {name: f"{name}: p, a, b = {said(rates)}" for name, rates in ours.each.items()}
    if theirs is not None:
        lines = {name: f"{line}; the reference's {said(theirs.each.get(name))}" for name, line in lines.items()}
    return tuple(lines.values())


def _reference(measured: _Measured, options: dict[str, Any]) -> tuple[Policy, str, _Measured]:
    """Return the reference that a log shows, prompt by prompt where both logs have it, and what it is in words.

    A prompt that the reference's log does not have gets the mean p, a, b of those that it has.
    """
    import numpy as np

    from dstheory.chain.policy import Policy
    from dstheory.errors import RecordError

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

    p, a, b = found.rates
    words = f"{found.chain.name}, {measured.by} by {measured.by} (over all attempts p, a, b = {p:.3f}, {a:.3f}, {b:.3f})"
    if len(shared) < len(ours):
        words += f"; {len(ours) - len(shared):,} of {len(ours):,} are not in it and have its mean"
    return Policy.from_probabilities(rates(found.chain.start.sample_prob), rates(found.chain.start.stop_prob)), words, found


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
    yours = "give your model's as --p, --a, --b, or measure them by --log FILE --model NAME"
    return f"as given, and those of the example {chain.name} where none is" if set("pab") & set(given) else (
        f"those of the example {chain.name}; {yours}")  # fmt: skip


def heading(configuration: Configuration) -> str:
    """Return whose configuration it is, and how that was found."""
    trainer = configuration.trainer
    return f"{configuration.name}: {trainer.name} of {trainer.library} {trainer.version} ({configuration.recognised_by})"


def lacking(configuration: Configuration) -> list[str]:
    """Return one line for each setting that is not modelled."""
    return [f"{lack.key} = {shown_value(lack.value)}: {lack.what}" for lack in configuration.lacks]


def said_of(key: str, value: Any, line: int | None) -> str:
    """Return a key, its value, and where it was set."""
    return f"{key} = {shown_value(value)} ({'command line' if line is None else f'line {line}'})"


def shown_value(value: Any) -> str:
    """Return a value as a configuration has it, on one line."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ", ".join(map(shown_value, value))[:60]
    return f"{value:g}" if isinstance(value, float) else printable(value)[:60]
