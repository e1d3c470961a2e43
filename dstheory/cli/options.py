"""Options that several commands share, and what they build: a chain, a start, a reference, an expert."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dstheory.errors import DSTheoryError

if TYPE_CHECKING:
    from dstheory.chain.mdp import TwoStageMDP
    from dstheory.chain.policy import Policy

__all__ = [
    "Numbers",
    "Problem",
    "RewardNotReadError",
    "config_option",
    "json_option",
    "model_options",
    "objective_options",
    "problem_from",
    "seed_option",
    "training_options",
]

_F = TypeVar("_F", bound=Callable[..., Any])


class Numbers(click.ParamType[Any]):
    """Comma-separated numbers, a fixed count of them (or one that stands for all)."""

    def __init__(self, *names: str, one_for_all: bool = False) -> None:
        self.names = names
        self.one_for_all = one_for_all
        self.name = ",".join(names).upper()

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """Parse; a wrong count or a word is a usage error that shows the expected form."""
        if isinstance(value, tuple):
            return value
        parts = value if isinstance(value, list) else [value] if isinstance(value, (int, float)) else str(value).split(",")
        try:
            numbers = tuple(float(part) for part in parts)
        except (TypeError, ValueError):
            self.fail(f"{value!r} is not {self.name}: write numbers separated by commas", param, ctx)
        if len(numbers) == 1 and self.one_for_all:
            return numbers * len(self.names)
        if len(numbers) != len(self.names):
            self.fail(f"{value!r} has {len(numbers)} numbers: needs {len(self.names)}, {self.name}", param, ctx)
        return numbers


def _apply(options: list[Callable[[_F], _F]]) -> Callable[[_F], _F]:
    def decorate(function: _F) -> _F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


json_option = click.option("--json", "as_json", is_flag=True, help="Print machine-readable results, and nothing else, on stdout.")


def seed_option(text: str) -> Callable[[_F], _F]:
    """Return the option ``--seed``: the same name, default and range in every command; ``text`` says of what."""
    return click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help=text)




def _import_module(ctx: click.Context, param: click.Parameter, value: tuple[Path, ...]) -> None:
    if value:
        from dstheory.objectives.plugins import load_module

        for path in value:
            load_module(path)


module_option = click.option(
    "--module", type=click.Path(path_type=Path), multiple=True, metavar="FILE", is_eager=True, expose_value=False,
    callback=_import_module, help="A Python file that registers objectives of your own (repeatable).",
)  # fmt: skip

model_options = _apply(
    [
        click.option("--mdp", "mdp_file", type=click.Path(path_type=Path), metavar="FILE",
                     help="A chain from a file (.json .toml .csv .parquet .jsonl); default the minimal chain M0."),
        click.option("--p", type=float, default=0.55, show_default=True, help="P(correct) at the start (M0)."),
        click.option("--a", type=float, default=0.8, show_default=True, help="P(stop | correct) at the start (M0)."),
        click.option("--b", type=float, default=0.3, show_default=True, help="P(resample | wrong) at the start (M0)."),
        click.option("--gamma", type=float, default=0.95, show_default=True, help="Discount in [0, 1]."),
        click.option("--discount-per", type=click.Choice(["turn", "stage"]), default="turn", show_default=True,
                     help="Apply the discount once per turn, or also between an answer and its decision."),
        click.option("--max-turns", type=int, default=None, help="Cap on the number of turns; default none."),
        click.option("--reward", type=Numbers("stop_correct", "resample_correct", "stop_wrong", "resample_wrong"), default=None,
                     help="Four rewards; default terminal accuracy 1,0,0,0. Objectives that cannot read them are refused."),
        click.option("--resample-cost", type=float, default=0.0, show_default=True, help="Price of a resample, >= 0."),
        click.option("--answer-length", type=Numbers("correct", "wrong", one_for_all=True), default="64", show_default=True,
                     help="Tokens of an answer: one number, or CORRECT,WRONG (M0)."),
        click.option("--decision-length", type=float, default=1.0, show_default=True, help="Tokens of a decision."),
    ]
)  # fmt: skip

objective_options = _apply(
    [
        click.option("--length-weight", type=float, default=0.5, show_default=True,
                     help="lambda in [0, 1]: stages weigh length^lambda; 0 counts stages, 1 counts tokens."),
        click.option("--reduction", type=click.Choice(["sum", "mean"]), default="sum", show_default=True,
                     help="mean divides both weights by their sum (stage mean; no library's token mean)."),
        click.option("--beta", type=float, default=None,
                     help="Strength of the KL, >= 0; default 0.1 in KL penalties, none in rewards."),
        click.option("--alpha", type=float, default=None,
                     help="Strength of the entropy bonus (default 0.01) and of SCoRe's bonus (default 10), >= 0."),
        click.option("--outer-discount/--no-outer-discount", default=True, show_default=True,
                     help="Keep the factor gamma^t in reward-to-go; training code drops it."),
        click.option("--states", type=click.Choice(["policy", "reference"]), default="policy", show_default=True,
                     help="Whose states the forward KL is taken at."),
        click.option("--expert", type=Numbers("p", "a", "b"), default="0.9,0.95,0.9", show_default=True,
                     help="The demonstrator of SFT and teacher of distill: P(correct), P(stop | correct), P(resample | wrong)."),
        click.option("--reference", type=Numbers("p", "a", "b"), default=None,
                     help="The KL's reference on M0; default the start (or the file's reference)."),
    ]
)  # fmt: skip

training_options = _apply(
    [
        click.option("--objective", "objectives", multiple=True, metavar="EXPR",
                     help="Compare these instead, e.g. 'reinforce + 0.01*entropy' (repeatable; see `dstheory objectives`)."),
        click.option("--steps", type=int, default=2000, show_default=True, help="Training steps."),
        click.option("--lr", type=float, default=0.05, show_default=True, help="Learning rate."),
        click.option("--optimizer", type=click.Choice(["sgd", "momentum", "adam", "natural"]), default="sgd", show_default=True),
        click.option("--momentum", type=float, default=0.9, show_default=True, help="Of the optimizer momentum, in [0, 1)."),
        click.option("--adam-beta1", type=float, default=0.9, show_default=True, help="Of adam, in [0, 1)."),
        click.option("--adam-beta2", type=float, default=0.999, show_default=True, help="Of adam, in [0, 1)."),
        click.option("--adam-eps", type=float, default=1e-8, show_default=True, help="Of adam, > 0."),
        click.option("--damping", type=float, default=1e-8, show_default=True, help="Of the natural gradient, >= 0."),
        click.option("--schedule", type=click.Choice(["constant", "linear", "cosine"]), default="constant", show_default=True,
                     help="Learning-rate schedule."),
        click.option("--warmup", type=int, default=0, show_default=True, help="Warm-up steps."),
        click.option("--clip-norm", type=float, default=None, help="Clip the gradient's global norm; default no clipping."),
        click.option("--reference-every", type=int, default=None, help="Renew the KL's reference every so many steps."),
        click.option("--runs", type=int, default=1, show_default=True, help="Starts: the given one and random ones around it."),
        click.option("--spread", type=float, default=0.5, show_default=True,
                     help="Standard deviation of the random starts' logits."),
        seed_option("Seed of the random starts."),
    ]
)  # fmt: skip


def _read_config(ctx: click.Context, param: click.Parameter, value: Path | None) -> None:
    """Make a TOML file's entries the defaults of this command's options; what the command line says wins."""
    if value is None:
        return
    try:
        entries = tomllib.loads(value.read_text(encoding="utf-8"))
    except OSError as error:
        raise DSTheoryError(f"cannot read the configuration {value}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DSTheoryError(f"{value} is not a TOML file: {error}") from error
    known = {p.name: p for p in ctx.command.params if p.name and p.name != "config"}
    names = {flag.lstrip("-").replace("-", "_"): name for name, p in known.items() for flag in p.opts}
    defaults: dict[str, Any] = {}
    for key, entry in entries.items():
        plain = key.replace("-", "_")
        if plain not in names:
            near = get_close_matches(plain, names, n=2)
            hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(sorted(names))}"
            raise DSTheoryError(f"{value} sets {key!r}, which is no option of `{ctx.command.name}`: {hint}")
        if isinstance(entry, dict):
            raise DSTheoryError(
                f"{value} sets {key!r} to a table: must be one value, like the option --{plain.replace('_', '-')}"
            )
        defaults[names[plain]] = entry
    ctx.default_map = {**(ctx.default_map or {}), **defaults}


config_option = click.option(
    "--config", type=click.Path(path_type=Path), metavar="FILE", is_eager=True, expose_value=False, callback=_read_config,
    help="A TOML file with values for any of these options (e.g. length-weight = 0.5); the command line wins.",
)  # fmt: skip


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
        """The options given that change what the chain pays."""
        return [name for name in ("reward", "resample_cost") if name in self.given]


def problem_from(ctx: click.Context, options: dict[str, Any]) -> Problem:
    """Build the problem that the model options describe.

    Raises:
        click.UsageError: options of the minimal chain together with ``--mdp``.
        DSTheoryError: a value or a file is wrong.
    """
    from dstheory.chain.mdp import TwoStageMDP
    from dstheory.chain.policy import Policy

    def given(name: str) -> bool:
        return ctx.get_parameter_source(name) not in (click.core.ParameterSource.DEFAULT, None)

    everything = frozenset(name for name in options if given(name))
    four = options["reward"]
    keys = ("stop_correct", "resample_correct", "stop_wrong", "resample_wrong")
    reward = None if four is None else dict(zip(keys, four, strict=True))
    if options["mdp_file"] is None:
        mdp = TwoStageMDP.minimal(
            gamma=options["gamma"],
            discount_per=options["discount_per"],
            max_turns=options["max_turns"],
            reward=reward,
            resample_cost=options["resample_cost"],
            sample_length=[list(options["answer_length"])],
            decision_length=options["decision_length"],
        )
        start = Policy.minimal(p=options["p"], a=options["a"], b=options["b"])
        ref = options["reference"]
        reference = start if ref is None else Policy.minimal(p=ref[0], a=ref[1], b=ref[2])
        return Problem(mdp, start, reference, "M0", everything)

    for name in ("p", "a", "b", "reference"):
        if given(name):
            raise click.UsageError(f"--{name} describes the minimal chain; a chain from --mdp has its policy in the file", ctx)
    from dstheory.readers import read_chain

    chain = read_chain(options["mdp_file"])
    changes: dict[str, Any] = {n: options[n] for n in ("gamma", "discount_per", "max_turns", "decision_length") if given(n)}
    if given("answer_length"):
        length = options["answer_length"]
        if length[0] != length[1]:
            raise click.UsageError("--answer-length CORRECT,WRONG describes the minimal chain; with --mdp give one number", ctx)
        changes["sample_length"] = length[0]
    if reward is not None:
        changes["reward"] = reward
    elif given("resample_cost"):
        changes["resample_cost"] = options["resample_cost"]
    mdp = chain.mdp.replace(**changes) if changes else chain.mdp
    start = chain.policy if chain.policy is not None else Policy.uniform(mdp)
    return Problem(mdp, start, chain.reference or start, Path(options["mdp_file"]).name, everything)


class RewardNotReadError(DSTheoryError):
    """Rewards were given to an objective that pays for correctness alone."""


def objective_from(expression: str, problem: Problem, options: dict[str, Any], *, only: Collection[str] | None = None) -> Any:
    """Build an objective from an expression and the objective options; with ``only``, from those and its own defaults.

    Rewards that were given are read by every objective that can: group objectives then compare the chain's returns.

    Raises:
        DSTheoryError: unknown names, values out of range, or rewards given to an objective that cannot read them.
    """
    from dstheory.dynamics import expert_policy
    from dstheory.objectives import ExpertChain, build, lookup
    from dstheory.objectives.registry import parse

    p, a, b = options["expert"]
    settings: dict[str, Any] = {
        "reference": problem.reference,
        "demonstrations": ExpertChain(expert_policy(problem.mdp, problem.start, p=p, a=a, b=b)),
        "beta": options["beta"],
        "alpha": options["alpha"],
        "length_weight": options["length_weight"],
        "reduction": options["reduction"],
        "outer_discount": options["outer_discount"],
        "states": options["states"],
    }
    for _, name in parse(expression):
        if problem.own_rewards and lookup(name).credits == "correct":
            option = problem.own_rewards[0].replace("_", "-")
            raise RewardNotReadError(f"{name} pays 1 for a correct answer and cannot read --{option}: leave one of them out")
    if only is not None:  # the options' defaults are one for all objectives; a table of all shows each at its own
        settings = {k: v for k, v in settings.items() if k in ("reference", "demonstrations", *only)}
    if problem.own_rewards:
        settings["outcome"] = "return"
    made = build(expression, settings)
    if "distill" in [lookup(name).name for _, name in parse(expression)]:
        return _taught(made, settings["demonstrations"].policy)
    return made


def _taught(objective: Any, teacher: Policy) -> Any:
    """Return the objective with the expert as the teacher of its distillation; penalties keep their reference."""
    from dstheory.objectives import Distillation, WeightedSum

    if isinstance(objective, WeightedSum):
        return WeightedSum(tuple(_taught(term, teacher) for term in objective.terms), objective.factors)
    return objective.with_reference(teacher) if isinstance(objective, Distillation) else objective


def fresh_directory(base: Path) -> Path:
    """Return the first of base, base-2, base-3, ... that does not exist: results are never overwritten unasked."""
    path, n = base, 1
    while path.exists():
        n += 1
        path = base.with_name(f"{base.name}-{n}")
    return path
