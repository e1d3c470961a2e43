"""From rows to a chain: every rule of the format checked, all rows at once, and then TwoStageMDP and Policy made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import _ROW_TOLERANCE, Policy, _rounding
from dstheory.checks import Bools, Floats, Ints
from dstheory.errors import ChainError
from dstheory.readers.rows import NAMED, Rows, first_of, shown
from dstheory.readers.schema import BY_NAME, COLUMNS, EXCLUSIVE, POLICIES

__all__ = ["build", "check_columns"]

# A rectangle may hold this many times more padding than rows, and this many entries in any case.
_MOST_PADDING = 64
_ALWAYS_FITS = 10_000_000


def check_columns(names: set[str]) -> str | None:
    """Return what is wrong with a set of known column names, as the rest of a sentence, or None."""
    missing = [column.name for column in COLUMNS if column.required and column.name not in names]
    if missing:
        return f"there is no column {' and no column '.join(missing)}: every row needs prompt, answer and correct; add it"
    for one, other in EXCLUSIVE:
        if one in names and other in names:
            return f"{one} and {other} are both given: they say the same; keep one of them"
    for whose, prefix in POLICIES.items():
        given = {
            stage: next((name for kind in ("probability", "logit") if (name := f"{prefix}{stage}_{kind}") in names), None)
            for stage in ("sample", "stop")
        }
        for stage, other in (("sample", "stop"), ("stop", "sample")):
            if given[stage] and not given[other]:
                return (
                    f"{given[stage]} is given without {prefix}{other}_probability: the {whose} policy needs both; add it (or "
                    f"{prefix}{other}_logit), or leave both out"
                )
    return None


def build(rows: Rows) -> tuple[TwoStageMDP, dict[str, Policy | None]]:
    """Check the rows and make the chain and its policies.

    Raises:
        FileFormatError: the first rule that is broken: the place, the value, the rule, the remedy.
    """
    _check_values(rows)
    _check_repetitions(rows)
    _check_padding(rows)
    weight = _prompt_weight(rows)
    for prefix in POLICIES.values():
        _check_sums(rows, prefix)
    tables: dict[str, Any] = {
        name: rows.table(rows.numbers[name], fill)
        for name, fill in (
            ("correct", 0.0), ("reward_stop", 0.0), ("reward_resample", 0.0), ("reward_stop_variance", 0.0),
            ("reward_resample_variance", 0.0), ("sample_length", 1.0), ("decision_length", 1.0),
        )
        if name in rows.numbers
    }  # fmt: skip
    if "cost" in rows.numbers:
        tables["reward_resample"] = rows.table(-rows.numbers["cost"])
    try:
        mdp = TwoStageMDP(**tables, n_answers=rows.counts, prompt_weight=weight, prompts=rows.prompts, **rows.settings)
        policies = {whose: _policy(rows, prefix) for whose, prefix in POLICIES.items()}
    except ChainError as error:
        rows.refuse(str(error))
    return mdp, policies


def _check_values(rows: Rows) -> None:
    for name, values in rows.numbers.items():
        column = BY_NAME[name]
        rows.complain(name, ~column.rule.allows(values), values, column.rule.text, column.remedy)
    for name in ("gamma", "max_turns"):
        if name in rows.settings and not BY_NAME[name].rule.allows(np.array([float(rows.settings[name])]))[0]:
            column = BY_NAME[name]
            rows.refuse(f"{name} is {shown(float(rows.settings[name]))}: {column.rule.text}; {column.remedy}")


def _check_repetitions(rows: Rows) -> None:
    """Refuse a second row of the same prompt and answer."""
    if len(rows) < 2:
        return
    key = rows.prompt * (int(rows.answer.max()) + 1) + rows.answer
    ascending = np.sort(key)
    if bool((ascending[1:] != ascending[:-1]).all()):
        return
    order = np.argsort(key, kind="stable")
    again = np.zeros(len(rows), dtype=bool)
    again[order[1:]] = key[order[1:]] == key[order[:-1]]
    first = int(np.flatnonzero(again)[0])
    original = int(np.flatnonzero(key == key[first])[0])
    here, there = rows.where([first, original])
    more = f" (and {int(again.sum()) - 1} more rows like it)" if again.sum() > 1 else ""
    prompt, answer = rows.prompts[int(rows.prompt[first])], rows.answer_name(first)
    rows.refuse(
        f"prompt {shown(prompt)}, answer {shown(answer)} at {here} was given at {there} before{more}: "
        "an answer may occur once per prompt; merge the rows or rename one"
    )


def _check_padding(rows: Rows) -> None:
    """Refuse a table whose padded form would be out of all proportion to it."""
    prompts, widest = len(rows.prompts), int(rows.counts.max())
    if prompts * widest > max(_ALWAYS_FITS, _MOST_PADDING * len(rows)):
        name = rows.prompts[int(rows.counts.argmax())]
        rows.refuse(
            f"prompt {shown(name)} has {widest:,} answers but the {prompts:,} prompts have {len(rows) / prompts:.1f} on average: "
            f"a rectangle of {prompts * widest:,} entries would be needed; put prompts of such different size into separate files"
        )


def _per_prompt(rows: Rows, name: str) -> Floats:
    """Return (X,) values of a column that must be the same in all rows of a prompt."""
    values = rows.numbers[name]
    own = values[rows.first]
    differs = values != own[rows.prompt]
    if bool(differs.any()):
        at = int(np.flatnonzero(differs)[0])
        x = int(rows.prompt[at])
        here, there = rows.where([at, int(rows.first[x])])
        one, other = shown(float(values[at])), shown(float(own[x]))
        rows.refuse(
            f"{name} of prompt {shown(rows.prompts[x])} is {one} at {here} but {other} at {there}: "
            "must be the same in all rows of a prompt; correct one of them"
        )
    return own


def _prompt_weight(rows: Rows) -> Floats | None:
    if "prompt_weight" not in rows.numbers:
        return None
    weight = _per_prompt(rows, "prompt_weight")
    if not weight.any():
        rows.refuse("prompt_weight is 0 for every prompt: at least one must be positive; leave the column out for equal weights")
    return weight


def _row_sums(values: Floats, prompt: Ints, prompts: int) -> Floats:
    return np.stack([np.bincount(prompt, weights=row, minlength=prompts) for row in np.atleast_2d(values)])


def _refuse_prompts(rows: Rows, bad: Bools, sentence: str, values: Floats, rule: str) -> None:
    """Name the first prompts where ``bad`` (turns, X) is true and count the rest."""
    if not bad.any():
        return
    turns, prompts = np.nonzero(bad)
    found = []
    for turn, x in list(zip(turns.tolist(), prompts.tolist(), strict=True))[:NAMED]:
        place = rows.where([int(rows.first[x])])[0]
        at_turn = f" at turn {turn}" if len(bad) > 1 else ""
        found.append(f"{sentence} prompt {shown(rows.prompts[x])} (from {place}){at_turn} is {shown(float(values[turn, x]))}")
    rows.refuse(f"{first_of(found, len(turns))}: {rule}")


def _check_sums(rows: Rows, prefix: str) -> None:
    """The sampling probabilities of a prompt must sum to 1; of sampling logits at least one must be finite."""
    name = f"{prefix}sample_probability"
    if name in rows.numbers:
        total = _row_sums(rows.numbers[name], rows.prompt, len(rows.prompts))
        # The same rule as Policy.from_probabilities: numbers of lower precision miss their sum by their own rounding.
        tolerance = max(_ROW_TOLERANCE, _rounding(np.empty(0, rows.precision.get(name, np.float64))))
        bad = np.abs(total - 1.0) > tolerance
        _refuse_prompts(
            rows, bad, f"the sum of {name} over", total,
            f"must be 1 to within {tolerance:g}; divide by the sum, or give {prefix}sample_logit, which is normalised",
        )  # fmt: skip
    name = f"{prefix}sample_logit"
    if name in rows.numbers:
        possible = _row_sums(np.isfinite(rows.numbers[name]).astype(float), rows.prompt, len(rows.prompts))
        _refuse_prompts(
            rows, possible == 0, f"the number of finite {name} of", possible, "must be at least 1; rule out fewer answers"
        )


def _policy(rows: Rows, prefix: str) -> Policy | None:
    """Return the tabular policy of the columns with this prefix."""
    numbers = rows.numbers
    if not any(f"{prefix}sample_{kind}" in numbers for kind in ("probability", "logit")):
        return None
    with np.errstate(divide="ignore"):
        if f"{prefix}sample_logit" in numbers:
            sample = numbers[f"{prefix}sample_logit"]
        else:
            sample = np.log(numbers[f"{prefix}sample_probability"])
        if f"{prefix}stop_logit" in numbers:
            stop = numbers[f"{prefix}stop_logit"]
        else:
            p = numbers[f"{prefix}stop_probability"]
            stop = np.log(p) - np.log1p(-p)
    turns = max(len(values) if values.ndim == 2 else 1 for values in (sample, stop))
    z, u = rows.table(sample, -np.inf), rows.table(stop)
    shape = (turns, *rows.inside.shape)
    return Policy.tabular(np.broadcast_to(z, shape), np.broadcast_to(u, shape))
