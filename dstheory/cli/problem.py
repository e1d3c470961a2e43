"""What the options of a command describe: a chain, where training starts, a reference, objectives."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dstheory.cli.options import given_options, settings_from, was_given

if TYPE_CHECKING:
    from dstheory.chain.mdp import TwoStageMDP
    from dstheory.chain.policy import Policy
    from dstheory.dynamics.problem import Chain
    from dstheory.objectives import Objective


@dataclass(frozen=True)
class Problem:
    """A chain, where training starts, and what KL penalties refer to."""

    mdp: TwoStageMDP
    start: Policy
    reference: Policy
    name: str
    given: frozenset[str] = frozenset()
    """Options that the command line or its configuration file gave."""

    @property
    def own_rewards(self) -> list[str]:
        """The options given that say what the chain pays."""
        return [name for name in ("reward", "resample_cost") if name in self.given]


def chain_from(ctx: click.Context, options: Mapping[str, Any]) -> Chain:
    """Return the chain in the file of ``--mdp``, or M0."""
    from dstheory.dynamics.problem import Chain

    if options["mdp_file"] is None:
        return Chain()
    for name in ("p", "a", "b", "reference", "sampler", "engine"):
        if name in options and was_given(ctx, name):
            raise click.UsageError(f"--{name} describes the minimal chain; a chain from --mdp has its policy in the file", ctx)
    if was_given(ctx, "answer_length") and len(set(options["answer_length"])) > 1:
        raise click.UsageError("--answer-length CORRECT,WRONG describes the minimal chain; with --mdp give one number", ctx)
    from dstheory.readers import read_chain

    chain = read_chain(options["mdp_file"])
    return Chain.of(chain.mdp, chain.policy, chain.reference, Path(options["mdp_file"]).name)


def problem_from(ctx: click.Context, options: Mapping[str, Any]) -> Problem:
    """Return the problem that the options describe; a chain from a file is changed by options that were given only."""
    from dstheory.dynamics.problem import problem_at

    chain, given = chain_from(ctx, options), given_options(ctx)
    parts = problem_at(chain, settings_from(options, given if chain.mdp is not None else options))
    return Problem(*parts, chain.name, given)


def objective_from(
    expression: str, problem: Problem, options: Mapping[str, Any], *, only: Collection[str] | None = None
) -> Objective:
    """Build an objective from an expression and the objective options; with ``only``, from those and its own defaults.

    Rewards that were given are read by every objective that can: group objectives then compare the chain's returns.
    """
    from dstheory.dynamics.problem import objective_at

    rewards = problem.own_rewards[0] if problem.own_rewards else ""
    three = problem.mdp, problem.start, problem.reference
    return objective_at(expression, three, settings_from(options, options), rewards=rewards, only=only)
