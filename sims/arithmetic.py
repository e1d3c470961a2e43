"""Claim 5 on learned multiplication: reward and SFT from one start, p, a, b over the sizes, whose gain it is, ablations.

Written multiplication token by token, from 4x4 to 9x9 digits, trained on the six smallest sizes; two policies that really
learn; p, a, b and accuracy known exactly. What was expected, and what would contradict it, was written down in
docs/arithmetic.md before this was run; the table "hypotheses" is a function of what is measured here.

Figures as in the source (arXiv 2601.01580, section 6): the anatomy over the sizes of the reward-trained policy and of the
SFT-trained one, for two kinds of demonstrations. Another shows each gain split into sampling and decisions (Shapley). It
bears on C3 (no coverage, no b), C2 and C5 (length weight), B7 and B8 (surrogates of one reward), E3 (KL and the share of
decisions), F2 and F4 (Adam, shared trunk) and G4 (prediction), of which it is an illustration at the level of learned
policies, not a proof.
"""

from __future__ import annotations

from collections.abc import Callable

from dstheory.arithmetic.task import TRAINED_SIZES
from dstheory.experiments import Findings

from ._arithmetic_figures import anatomy_figure, split_figure
from ._arithmetic_hypotheses import answer_in_words, condition_rows, decide, gain_rows, hypothesis_rows, size_rows
from ._arithmetic_runs import ROLLED_OUT, Plan, collect, realised, run_conditions

NAME = "arithmetic"
CLAIMS = ("B7", "B8", "C2", "C3", "C5", "E3")

FULL = Plan()
QUICK = Plan(
    seeds=(0, 1), conditions=("reward", "sft-mistakes", "sft-first"), per_size=4,
    shrink=(("updates", 12), ("problems", 8), ("lr", 0.05)),
)  # fmt: skip
SPLITS = (
    "reward over start", "sft-mistakes over start", "sft-first over start", "reward over sft-mistakes",
    "reward over sft-masked-0.5", "reward over sft-first", "sft-first-then-reward over sft-first",
)  # fmt: skip
TITLES = {"reward": "reward-trained", "sft-mistakes": "SFT-trained, half of the demonstrations with a mistake",
          "sft-first": "SFT-trained, demonstrations right first time"}  # fmt: skip


def run(*, quick: bool, progress: Callable[[int, int], None] | None = None) -> Findings:
    """Train all conditions from all seeds, and tabulate and draw what they ended with."""
    plan = QUICK if quick else FULL
    found = run_conditions(plan, jobs=1 if quick else None, progress=progress)
    data = collect(plan, found).merge(realised(plan, found, episodes=2 if quick else 5), combine_attrs="override")
    figures = {
        f"anatomy-{condition}": anatomy_figure(data, condition, trained=len(TRAINED_SIZES), title=TITLES[condition])
        for condition in ROLLED_OUT
    }
    shown = [comparison for comparison in SPLITS if comparison in data.comparison.values]
    figures["gains"] = split_figure(data, shown)
    tables = {
        "hypotheses": hypothesis_rows(decide(data)),
        "gains": gain_rows(data),
        "conditions": condition_rows(data),
        "sizes": size_rows(data),
    }
    return Findings(data, figures, tables, answer_in_words(data))
