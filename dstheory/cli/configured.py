"""What commands share that read a trainer's configuration: where it is looked at, and how it is named and shown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dstheory.cli.options import given_options, of_one_model, settings_from
from dstheory.texts import printable

if TYPE_CHECKING:
    from dstheory.dynamics.problem import Chain
    from dstheory.trainers.configuration import Configuration
    from dstheory.trainers.explanation import StartingPoint

trainer_option = click.option(
    "--trainer", default=None, metavar="NAME", help="Whose configuration it is (trl:grpo, ...); default: recognised."
)


@dataclass(frozen=True)
class Where:
    """A place, the name of its chain, and what the reference is, in words."""

    place: StartingPoint
    name: str
    reference: str

    @property
    def rates(self) -> tuple[float, float, float]:
        """p, a and b of the policy on its chain."""
        from dstheory.chain.exact import solve

        found = solve(self.place.mdp, self.place.policy)
        return float(found.p), float(found.a), float(found.b)


def place_from(ctx: click.Context, options: dict[str, Any]) -> Where:
    """Return the chain, its policy, the reference and the expert that the options describe."""
    from dstheory.cli.notes import reference_words
    from dstheory.cli.options import Problem, chain_from
    from dstheory.dynamics.conditions import expert_policy
    from dstheory.dynamics.problem import problem_at
    from dstheory.trainers.explanation import StartingPoint

    given = given_options(ctx)
    if options["log_file"] is not None:
        for name in ("p", "a", "b"):
            if name in given:
                raise click.UsageError(f"--{name} is measured on the log: leave it or --log out", ctx)
        chain = _measured(options)
        settings = settings_from({k: v for k, v in options.items() if k != "answer_length"}, given)
    else:
        chain = chain_from(ctx, options)
        settings = settings_from(options, given if chain.mdp is not None else options)
    mdp, start, reference = problem_at(chain, {**settings, "gamma": 1.0})
    if options["log_file"] is not None and options["reference"] is not None:
        reference = expert_policy(mdp, start, **dict(zip("pab", options["reference"], strict=True)))
    p, a, b = options["expert"]
    problem = Problem(mdp, start, reference, chain.name, given)
    words = reference_words(problem, {**options, "mdp_file": options["mdp_file"] or options["log_file"]})
    if options["log_file"] is not None and options["reference"] is not None:
        words = "p, a, b = " + ", ".join(f"{x:g}" for x in options["reference"])
    sampler = None
    if options["sampler"] is not None:
        sampler = expert_policy(mdp, start, **dict(zip("pab", options["sampler"], strict=True)))
    place = StartingPoint(mdp, start, reference, expert_policy(mdp, start, p=p, a=a, b=b), sampler)
    return Where(place, chain.name, words)


def _measured(options: dict[str, Any]) -> Chain:
    """Return the chain that a log shows, with the lengths that the options say: logs hold none."""
    from dstheory.anatomy.export import measured_chain
    from dstheory.anatomy.logs import read_log
    from dstheory.dynamics.problem import Chain

    log = read_log(options["log_file"])
    made = measured_chain(of_one_model(log.episodes, options["model"]), cap=options["max_turns"])
    mdp = made.mdp.replace(sample_length=[list(options["answer_length"])] * len(made.mdp.prompt_weight))
    name, model = Path(options["log_file"]).name, options["model"]
    return Chain.of(mdp, made.policy, None, name if model is None else f"{model} of {name}")


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
