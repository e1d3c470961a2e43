"""`dstheory derive`: an objective's gradient, or that of a sum, as text, LaTeX, BibTeX, MathML, Python or JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dstheory.cli import completion
from dstheory.cli.ending import as_usage
from dstheory.cli.show import answer, echo, is_plain, json_option, progress_bar
from dstheory.errors import UnknownNameError
from dstheory.texts import columns_of_terminal

if TYPE_CHECKING:
    from dstheory.symbolic.objectives import Rule

_NUMBERS = {
    "length_weight": "lambda", "answer_length": "l_s", "decision_length": "l_d", "group_size": "G", "beta": "beta",
    "alpha": "alpha",
}  # fmt: skip
"""Options that put a number for a symbol from the start."""
FORMATS = ["text", "latex", "bibtex", "mathml", "python", "json"]

EPILOG = """\b
Symbols of the minimal chain (numbers for them go into --numeric):
  p, a, b                   P(correct), P(stop | correct), P(resample | wrong)
  p_ref, a_ref, b_ref       the same of the reference; p_E, a_E, b_E of the expert
  gamma, alpha, beta, kappa discount, strengths, price of a resample
  lambda, l_s, l_d          length weight, length of an answer, of a decision
  L_max, G                  the constant length of dr-grpo, the group size

\b
A sum is written with plus signs and factors. A factor multiplies the whole
term: beta stays in 0.04*k3-loss until --beta gives it a number. In a sum
the estimators of KL are divided as the reward beside them is.

\b
Examples:
  dstheory derive reinforce
  dstheory derive kl-direct --format latex --standalone --output kl.tex
  dstheory derive sft --length-weight 1/2 --answer-length 64 --decision-length 1
  dstheory derive reinforce --numeric p=0.55,a=0.8,b=0.3,gamma=0.95
  dstheory derive reward-to-go --discount-per stage --no-outer-discount
  dstheory derive advantage --turns 2 --rewards general --format python
  dstheory derive entropy --answers 3 --json
  dstheory derive grpo --per-answer-lengths
  dstheory derive "grpo-no-std + 0.04*k3-loss" --beta 1 --group-size 8
  dstheory derive "grpo-no-std + k3-loss" --format bibtex
"""


@click.command(name="derive", epilog=EPILOG)
@click.argument("objective", type=completion.ObjectiveSum())
@click.option("--format", "style", type=click.Choice(FORMATS), default=None, help="Output format.  [default: text]")
@json_option
@click.option("--explain", is_flag=True, help="Also say how the result was checked, and which claims are about it.")
@click.option("--standalone", is_flag=True, help="With --format latex: a complete document.")
@click.option("--numeric", metavar="NAME=NUMBER,...", help="Also evaluate at these numbers; decimals and fractions are read "
                                                           "exactly.")
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Write to a file instead of stdout.")
@click.option("--overwrite", is_flag=True, help="Let --output replace a file.")
@click.option("--answers", type=click.IntRange(min=2), default=2, show_default=True, help="2 is the minimal chain.")
@click.option("--turns", "--max-turns", type=click.IntRange(min=1), help="Cap on the number of turns; default none.")
@click.option("--turn-indexed", is_flag=True, help="Separate parameters for each turn; needs --turns.")
@click.option("--rewards", type=click.Choice(["accuracy", "priced", "general"]), default="accuracy", show_default=True,
              help="1 for a correct answer; the same minus kappa per resample; or a symbol for every entry.")
@click.option("--discount-per", type=click.Choice(["turn", "stage"]), default="turn", show_default=True,
              help="Apply the discount once per turn, or also between an answer and its decision.")
@click.option("--outer-discount/--no-outer-discount", default=True, show_default=True,
              help="Keep the factor gamma^t in reward-to-go; training code drops it.")
@click.option("--states", type=click.Choice(["policy", "reference"]), default="policy", show_default=True,
              help="Whose states the forward KL is taken at.")
@click.option("--reduction", type=click.Choice(["sum", "mean"]), default="sum", show_default=True,
              help="mean divides both weights by their sum (stage mean, not the token mean of libraries).")  # fmt: skip
@click.option("--per-answer-lengths", is_flag=True, help="Give each answer its own length, l_C and l_W instead of l_s.")
@click.option("--group-size", metavar="NUMBER", default=None, help="Use this number for the group size G.")
@click.option("--beta", metavar="NUMBER", default=None, help="Use this number for beta, the strength of KL terms.")
@click.option("--alpha", metavar="NUMBER", default=None, help="Use this number for alpha, the strength of an entropy bonus "
                                                              "and of score-*.")
@click.option("--length-weight", metavar="NUMBER", default=None, help="Use this number for lambda, the length weight.")
@click.option("--answer-length", metavar="NUMBER", default=None, help="Use this number for l_s, the tokens of an answer.")
@click.option("--decision-length", metavar="NUMBER", default=None, help="Use this number for l_d, the tokens of a decision.")
def command(
    objective: str,
    style: str | None,
    as_json: bool,
    explain: bool,
    standalone: bool,
    numeric: str | None,
    output: Path | None,
    overwrite: bool,
    outer_discount: bool,
    states: str,
    **setting: Any,
) -> int:
    """Derive the gradient of OBJECTIVE, or of a sum of objectives, symbolically, step by step.

    The result is computed from the objective's rule. If the objective is the gradient of a scalar, it is checked against the
    derivative of that scalar by exact arithmetic.
    """
    if as_json and style not in (None, "json"):
        raise click.UsageError(f"--json and --format {style} contradict each other: give one of them")
    style = "json" if as_json else style or "text"
    if standalone and style != "latex":
        raise click.UsageError(f"--standalone is for --format latex, not for --format {style}")
    if numeric is not None and style == "python":
        raise click.UsageError("--numeric does nothing for --format python: pass the numbers to the function that it prints")
    if overwrite and output is None:
        raise click.UsageError("--overwrite is for --output FILE: name the file")
    if output is not None:
        from dstheory.readers import refuse_overwrite

        refuse_overwrite(output, overwrite)  # before the work, not after it
    from dstheory.rational.symbols import InvalidNumberError, parse_assignments

    given = {symbol: setting.pop(option) for option, symbol in _NUMBERS.items()}
    fixed = {name: value for name, value in given.items() if value is not None}
    if setting["per_answer_lengths"] and "l_s" in fixed:
        raise click.UsageError("--answer-length is one length for all answers: leave out --per-answer-lengths")
    with progress_bar("deriving", quiet=as_json), as_usage(InvalidNumberError):
        from dstheory.symbolic import derive, render

        derivation = derive(_rule(objective, outer_discount=outer_discount, states=states), numbers=dict(fixed), **setting)
        if numeric is not None:
            derivation = derivation.at(dict(parse_assignments(numeric)))
        if style == "json":
            from dstheory.symbolic.render import as_data

            shown = answer(as_data(derivation)) + "\n"
        else:
            width = 100 if output is not None or is_plain() else max(40, min(100, columns_of_terminal()))
            shown = render(derivation, style, standalone=standalone, explain=explain, width=width)
    if output is None:
        echo(shown, nl=False)
        return 0
    from dstheory.readers import atomic_path

    with atomic_path(output, overwrite=overwrite) as path:
        path.write_text(shown, encoding="utf-8")
    echo(f"wrote {output}", err=True)
    return 0


def _rule(expression: str, *, outer_discount: bool, states: str) -> Rule:
    """Find the objective, or the sum, and give its terms their own options; one that no term has is a usage error."""
    from dstheory.symbolic.sums import rule_of

    options: dict[str, dict[str, object]] = {}
    if not outer_discount:
        options["reward-to-go"] = {"outer_discount": False}
    if states != "policy":
        options["forward-kl"] = {"states": states}
    try:
        rule = rule_of(expression, **options)
    except UnknownNameError as error:
        raise click.BadParameter(str(error), param_hint="OBJECTIVE") from error
    names = {term.name.rpartition("*")[2] for term in rule.parts}
    if not outer_discount and "reward-to-go" not in names:
        raise click.UsageError(f"--no-outer-discount is for reward-to-go, not for {rule.name}")
    if states != "policy" and "forward-kl" not in names:
        raise click.UsageError(f"--states is for forward-kl, not for {rule.name}")
    return rule
