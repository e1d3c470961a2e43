"""The columns of a chain file, in one place: what each one means, which values it may hold, what to do about the others.

The same names are the columns of a table (one row per prompt and answer) and the keys of a prompt in a JSON or TOML file.
Reader, writer, messages and ``examples/README.md`` all follow this list.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dstheory.checks import Bools, Floats
from dstheory.errors import FileFormatError

FORMAT = "dstheory-chain/1"  # the marker of a nested file; the number changes when an old reader would misunderstand a file
TRUE_WORDS = ["1", "true", "True", "TRUE", "1.0"]  # of a flag in a CSV cell
FALSE_WORDS = ["0", "false", "False", "FALSE", "0.0"]
NUMBER = re.compile(r"\s*[+-]?((\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|nan|inf(inity)?)\s*", re.IGNORECASE)  # of a number
FOUR_REWARDS = ("stop_correct", "resample_correct", "stop_wrong", "resample_wrong")


@dataclass(frozen=True)
class ValueRule:
    """Which numbers are allowed, in a form that can be applied and in a form that can be read."""

    allows: Callable[[Floats], Bools]
    text: str


_FINITE = ValueRule(np.isfinite, "must be finite")
_NOT_NEGATIVE = ValueRule(lambda v: np.isfinite(v) & (v >= 0), "must be finite and >= 0")
_LENGTH = ValueRule(lambda v: np.isfinite(v) & (v >= 1), "must be finite and >= 1")
_UNIT = ValueRule(lambda v: (v >= 0) & (v <= 1), "must lie in [0, 1]")
_FLAG = ValueRule(lambda v: (v == 0) | (v == 1), "must be 0 or 1")
_BELOW_INF = ValueRule(lambda v: v < np.inf, "must be a number below +inf")  # false for NaN too
_NOT_NAN = ValueRule(lambda v: ~np.isnan(v), "must be a number")
_WHOLE = ValueRule(lambda v: np.isfinite(v) & (v >= 1) & (v == np.floor(v)), "must be a whole number >= 1")
_ANY = ValueRule(lambda v: np.ones(v.shape, dtype=bool), "must be text")


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: its name in every format.
        per: ``"answer"``, or ``"prompt"`` / ``"chain"`` when all rows of a prompt / of the file must hold the same value.
        rule: the values allowed.
        meaning: one line for the reader of the documentation.
        remedy: what to do about a value that is not allowed.
        kind: ``"text"``, ``"flag"`` (0 or 1, true or false) or ``"number"``.
        required: whether a file without it is refused.
    """

    name: str
    per: Literal["answer", "prompt", "chain"]
    rule: ValueRule
    meaning: str
    remedy: str = "correct that value"
    kind: Literal["text", "flag", "number"] = "number"
    required: bool = False


def _policy_columns(prefix: str, whose: str) -> tuple[Column, ...]:
    return (
        Column(f"{prefix}sample_probability", "answer", _UNIT, f"{whose} P(answer given prompt); sums to 1 over a prompt"),
        Column(f"{prefix}sample_logit", "answer", _BELOW_INF, f"{whose} sampling logit instead; normalised when it is read"),
        Column(f"{prefix}stop_probability", "answer", _UNIT, f"{whose} P(stop given prompt and answer)"),
        Column(f"{prefix}stop_logit", "answer", _NOT_NAN, f"{whose} logit of stop instead"),
    )


COLUMNS: tuple[Column, ...] = (
    Column("prompt", "prompt", _ANY, "name of the prompt", kind="text", required=True),
    Column("answer", "answer", _ANY, "name of the answer, unique within its prompt", kind="text", required=True),
    Column("correct", "answer", _FLAG, "whether the answer is correct", "mark each answer right (1) or wrong (0)", "flag", True),
    Column("prompt_weight", "prompt", _NOT_NEGATIVE, "how often the prompt occurs, in any unit; default equal",
           "give prompts that never occur the weight 0"),
    Column("sample_length", "answer", _LENGTH, "tokens of the answer; default 1"),
    Column("decision_length", "answer", _LENGTH, "tokens of the decision; default 1"),
    Column("reward_stop", "answer", _FINITE, "mean reward of stopping there; default 1 if correct, else 0"),
    Column("reward_resample", "answer", _FINITE, "mean reward of resampling there; default 0"),
    Column("cost", "answer", _NOT_NEGATIVE, "price of resampling there, -reward_resample",
           "a bonus for resampling is written as reward_resample"),
    Column("reward_stop_variance", "answer", _NOT_NEGATIVE, "variance of the reward of stopping; default 0"),
    Column("reward_resample_variance", "answer", _NOT_NEGATIVE, "variance of the reward of resampling; default 0"),
    *_policy_columns("", "initial policy:"),
    *_policy_columns("reference_", "reference policy:"),
    Column("gamma", "chain", _UNIT, "discount; default 0.95", "1 means no discount"),
    Column("discount_per", "chain", _ANY, "whether gamma applies once per turn or once per stage; default turn", kind="text"),
    Column("max_turns", "chain", _WHOLE, "cap on the number of turns; default no cap", "leave it out for no cap"),
)  # fmt: skip

BY_NAME = {column.name: column for column in COLUMNS}
POLICIES = {"initial": "", "reference": "reference_"}  # whose policy -> prefix of its columns
EXCLUSIVE = (
    ("cost", "reward_resample"),
    *((f"{prefix}{stage}_probability", f"{prefix}{stage}_logit") for prefix in POLICIES.values() for stage in ("sample", "stop")),
)


def check_columns(names: Collection[str], source: str) -> None:
    """Refuse a set of known column names that makes no chain.

    Args:
        names: the columns that are given.
        source: how messages call the file.

    Raises:
        FileFormatError: a required one is missing, two say the same, or a policy is incomplete.
    """
    missing = [column.name for column in COLUMNS if column.required and column.name not in names]
    if missing:
        raise FileFormatError(
            f"{source}: there is no column {' and no column '.join(missing)}: every row needs prompt, answer and correct; add it"
        )
    for one, other in EXCLUSIVE:
        if one in names and other in names:
            raise FileFormatError(f"{source}: {one} and {other} are both given: they say the same; keep one of them")
    for whose, prefix in POLICIES.items():
        given = {
            stage: next((name for kind in ("probability", "logit") if (name := f"{prefix}{stage}_{kind}") in names), None)
            for stage in ("sample", "stop")
        }
        for stage, other in (("sample", "stop"), ("stop", "sample")):
            if given[stage] and not given[other]:
                raise FileFormatError(
                    f"{source}: {given[stage]} is given without {prefix}{other}_probability: the {whose} policy needs both; "
                    f"add it (or {prefix}{other}_logit), or leave both out"
                )
