"""`dstheory optimum`: the closed-form optimum of reward plus stage-weighted KL, on one chain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import dstheory
from dstheory import plots
from dstheory.cli.figures import figure_options, write_figure
from dstheory.cli.notes import chain_words
from dstheory.cli.options import config_option, model_options, parameter_options, problem_from
from dstheory.cli.show import json_option, number, print_json, print_table, say
from dstheory.dynamics.parameters import PARAMETERS

if TYPE_CHECKING:
    from dstheory.chain.exact import Solution
    from dstheory.chain.policy import Policy
    from dstheory.dynamics.soft_optimum import Optimum

EPILOG = """\b
Examples:
  dstheory optimum
  dstheory optimum --p 0.55 --a 0.8 --b 0.3 --beta 0.1 --answer-length 1024 --length-weight 1
  dstheory optimum --max-turns 3 --beta 0.05 --policy
  dstheory optimum --mdp examples/three_prompts.json --beta 0.2 --json
"""

_SHOWN = 40  # answers that --policy lists in a table; --json has them all


@click.command(name="optimum", epilog=EPILOG)
@config_option
@model_options
@parameter_options(
    "beta", "length_weight", "reduction", of="optimum",
    beta={"default": PARAMETERS["beta"].default, "help": "Strength of the KL penalty, > 0."},
)  # fmt: skip
@click.option("--policy", "show_policy", is_flag=True, help="Also print the optimal policy, answer by answer.")
@figure_options("Directory for a figure of reference and optimum; without it nothing is drawn.")
@json_option
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Find the policy that maximises reward minus beta times the KL to a reference, each stage weighted by its length.

    The reference is --p, --a, --b on the minimal chain M0, or the one in the file of --mdp. The penalty is discounted as the
    reward is. Every stage has its own temperature beta w: with a length weight above 0, the longer the answers, the closer
    sampling stays to the reference.
    """
    problem = problem_from(ctx, options)
    best = dstheory.optimum(
        problem.mdp,
        problem.reference,
        beta=options["beta"],
        length_weight=options["length_weight"],
        reduction=options["reduction"],
    )
    before, after = dstheory.solve(problem.mdp, problem.reference), dstheory.solve(problem.mdp, best.policy)
    gain = dstheory.split_gain(problem.mdp, problem.reference, best.policy)
    found = {
        "chain": problem.name,
        "reference": _summary(before),
        "optimum": {**_summary(after), "penalised_value": best.mean_value, "penalty": after.mean_value - best.mean_value},
        "gain": gain.gain,
        "gain_sample": gain.sample,
        "gain_decide": gain.decide,
        "decision_share_of_gain": gain.decision_share,
        "temperature": {"sample": _span(best, best.temperature_sample), "decide": _span(best, best.temperature_decide)},
        "iterations": int(best.iterations.max()),
        "error": float(best.error.max()),
    }
    drawn = options["out"] is not None and not options["no_figure"]
    out = _draw(found, options) if drawn else None
    found["figure"] = out
    if options["as_json"]:
        if options["show_policy"]:
            counts = problem.mdp.n_answers.tolist()  # without padding
            tables = {"sample": best.policy.sample_prob, "stop": best.policy.stop_prob}
            found["policy"] = {
                name: [[row[:n].tolist() for row, n in zip(turn, counts, strict=True)] for turn in table]
                for name, table in tables.items()
            }
        print_json(found)
        return
    _print(found, options)
    if options["show_policy"]:
        _print_policy(best, problem.reference)
    if out is not None:
        say(f"figure in {out}")


def _draw(found: dict[str, Any], options: dict[str, Any]) -> Path:
    rates = {who: {rate: found[who][rate] for rate in ("p", "a", "b", "accuracy")} for who in ("reference", "optimum")}
    return write_figure(options, "optimum", lambda: plots.rates_figure(rates, title=found["chain"]), rates)


def _summary(solution: Solution) -> dict[str, float]:
    return {name: float(value) for name, value in {**solution.rates(), "value": solution.mean_value}.items()}


def _span(best: Optimum, temperatures: Any) -> list[float]:
    """Return the lowest and highest temperature of a stage, over the answers that exist."""
    import numpy as np

    inside = best.mdp.inside
    table = np.broadcast_to(temperatures, (1, *inside.shape))[0][inside]
    return [float(table.min()), float(table.max())]


def _print(found: dict[str, Any], options: dict[str, Any]) -> None:
    def temperature(span: list[float]) -> str:
        return number(span[0]) if span[0] == span[1] else f"{number(span[0])} to {number(span[1])}"

    keys = ("p", "a", "b", "accuracy", "turns", "value")
    rows = [[name, *(number(found[name][key]) for key in keys)] for name in ("reference", "optimum")]
    tau = found["temperature"]
    print_table(
        f"{found['chain']}: optimum of reward + KL, beta {options['beta']:g}, length weight {options['length_weight']:g}",
        ["policy", "p", "a", "b", "accuracy", "turns", "value"],
        rows,
        caption=chain_words(found["chain"]) + "p = P(correct), a = P(stop | correct), b = P(resample | wrong), over the answers "
        "and decisions that occur. Value: discounted reward, without the penalty.",
    )
    say(f"temperatures beta w: sampling {temperature(tau['sample'])}, decision {temperature(tau['decide'])}")
    say(
        f"penalised value {number(found['optimum']['penalised_value'])} "
        f"(discounted penalty {number(found['optimum']['penalty'])}), Newton steps {found['iterations']}"
    )
    say(
        f"accuracy gain {number(found['gain'])}: {number(found['gain_sample'])} by sampling, "
        f"{number(found['gain_decide'])} by decisions (Shapley values: parts that add up); "
        f"decision share {number(found['decision_share_of_gain'])}"
    )


def _print_policy(best: Optimum, reference: Policy) -> None:
    import numpy as np

    mdp, policy = best.mdp, best.policy
    turns = policy.shape[0]
    at = np.argwhere(np.broadcast_to(mdp.inside, (turns, *mdp.shape)))
    rows = []
    for k, x, y in at[:_SHOWN]:
        k_ref = min(int(k), reference.shape[0] - 1)
        rows.append(
            [
                *([str(k)] if turns > 1 else []),
                mdp.prompts[x] if mdp.prompts is not None else str(x),
                f"{y} ({'correct' if mdp.correct[x, y] else 'wrong'})",
                number(reference.sample_prob[k_ref, x, y]),
                number(policy.sample_prob[k, x, y]),
                number(reference.stop_prob[k_ref, x, y]),
                # At a capped chain's last turn every answer is submitted.
                "-" if mdp.max_turns is not None and k == turns - 1 else number(policy.stop_prob[k, x, y]),
            ]
        )
    left = len(at) - len(rows)
    say()
    print_table(
        "the optimal policy, answer by answer",
        [*(["turn"] if turns > 1 else []), "prompt", "answer", "P(answer) before", "after", "P(stop) before", "after"],
        rows,
        words=3 if turns > 1 else 2,
        caption=f"{left} more with --json --policy" if left else "",
    )
