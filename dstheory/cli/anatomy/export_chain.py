"""`dstheory anatomy export-chain`: a log becomes a chain file that `dstheory simulate --mdp` trains further."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dstheory.cli.anatomy.options import log_options, read_with, refuse_with, too_many_unusable

__all__ = ["command"]

EPILOG = """\b
Examples:
  dstheory anatomy export-chain rollouts.jsonl --model tuned --out chain.json
  dstheory simulate --mdp chain.json --length-weight 0.5
  dstheory anatomy export-chain rollouts.jsonl --by problem --out problems.json
"""


@click.command(name="export-chain", epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@log_options
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE",
              help="The chain file: .json or .toml (also .csv, .parquet, .jsonl where there is no cap).")  # fmt: skip
@click.option("--by", default="task", show_default=True, metavar="FIELD",
              help="Its labels become prompts; `problem` gives every problem its own p.")  # fmt: skip
@click.option("--model", default=None, metavar="NAME", help="Use the records of this model only.")
@click.option("--max-turns", type=click.IntRange(min=0), default=None,
              help="Cap of the chain, 0 for none; default the log's, if it has one.")  # fmt: skip
@click.option("--gamma", type=click.FloatRange(0, 1), default=1.0, show_default=True, help="Discount of the chain.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
def command(out: Path, by: str, model: str | None, max_turns: int | None, gamma: float, overwrite: bool, **options: Any) -> None:
    """Turn the p, a, b that a log shows into the initial policy of a chain."""
    from dstheory.anatomy.export import measured_chain
    from dstheory.chain.exact import solve
    from dstheory.readers import refuse_overwrite, write_chain

    refuse_overwrite(out, overwrite, inputs=options["logs"])
    log = read_with(options, labels=[by], quiet=False)
    episodes = log.episodes
    if model is not None:
        column = episodes.column("model")
        episodes = episodes.select(column.codes == column.code(model, "model"))
    elif len(episodes.by("model")) > 1:
        names = ", ".join(episodes.by("model"))
        raise click.UsageError(f"the log has several models ({names}): choose one with --model; a mixture is no chain")
    made = measured_chain(episodes, by=by, cap=max_turns, gamma=gamma)
    write_chain(out, made.mdp, made.policy, answers=made.answers, overwrite=overwrite)
    solution = solve(made.mdp, made.policy)
    for line in log.reading.lines():
        click.echo(line)
    click.echo(
        f"{out}: {made.mdp!r}; p {float(solution.p):.3f}, a {float(solution.a):.3f}, b {float(solution.b):.3f}, "
        f"accuracy {float(solution.mean_accuracy):.3f}"
    )
    click.echo(f"next: dstheory simulate --mdp {out}")
    refuse_with(too_many_unusable(log, options["max_unusable"]))
