"""Reading and writing a chain with its policies, in the format that the file's name says.

=================  ===============================================================================
.json .toml        small chains, nested: one object per prompt; policies may be indexed by turns
.csv .jsonl        tables, one row per (prompt, answer); also with .gz
.parquet           the same table
=================  ===============================================================================

All of them have the same columns (:mod:`dstheory.readers.chain_table`). What holds for the whole chain (gamma,
discount_per, max_turns) is a key at the top level of a nested file, and a column with the same value in every row of a table, so
that one file holds everything.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.checks import Bools, Floats
from dstheory.errors import ChainError, DSTheoryError, FileFormatError
from dstheory.readers.atomic import atomic_path, refuse_overwrite
from dstheory.readers.chain_table import POLICIES, ChainTable, build
from dstheory.readers.nested import read_nested, write_nested
from dstheory.texts import shown

_NESTED = {".json": "json", ".toml": "toml"}
_TABLES = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet", ".csv.gz": "csv", ".jsonl.gz": "jsonl"}


class ChainSettings(TypedDict, total=False):
    """What :func:`read_chain` takes instead of what the file says; see :class:`dstheory.TwoStageMDP`."""

    gamma: ArrayLike
    discount_per: Literal["turn", "stage"]
    max_turns: int | None
    reward: dict[str, ArrayLike]
    resample_cost: ArrayLike


@dataclass(frozen=True, eq=False)
class ChainFile:
    """The contents of a chain file.

    Attributes:
        mdp: the chain; ``mdp.prompts`` are the names in the file, in order of first appearance.
        policy: the initial policy, or None if the file gives none.
        reference: the reference policy, or None.
        path: where it was read.
    """

    mdp: TwoStageMDP
    policy: Policy | None
    reference: Policy | None
    path: Path
    _rows: ChainTable = field(repr=False)

    @cached_property
    def answers(self) -> tuple[tuple[str, ...], ...]:
        """The names of the answers, one tuple per prompt; made when first asked for (a large table has millions)."""
        rows = self._rows
        names = rows.answer_names if isinstance(rows.answer_names, list) else rows.answer_names.to_pylist()
        codes = rows.answer if rows.order is None else rows.answer[rows.order]
        flat = [names[code] for code in codes.tolist()]
        ends = rows.counts.cumsum().tolist()
        return tuple(tuple(flat[end - n : end]) for end, n in zip(ends, rows.counts.tolist(), strict=True))


def read_chain(path: str | os.PathLike[str], **settings: Unpack[ChainSettings]) -> ChainFile:
    """Read a chain and, where given, its initial and reference policies.

    Args:
        path: the file; its suffix says the format: .json, .toml, .csv, .jsonl, .parquet, .csv.gz or .jsonl.gz.
        settings: ``gamma, discount_per, max_turns, reward, resample_cost`` replace what the file says; ``reward`` and
            ``resample_cost`` replace its reward columns as a whole.

    Returns:
        The chain (``mdp``), its policies and the names of its answers.

    Raises:
        FileFormatError: the file breaks a rule of the format: the file, the place, the value, the rule and the remedy.
        ChainError: one of ``settings`` breaks a rule of the model, or a turn-indexed policy does not fit ``max_turns``.

    Source: derived here; the model is that of arXiv 2601.01580, section 3.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "chain.csv")
        ...     _ = file.write_text("prompt,answer,correct,sample_length\\n2+2,4,1,1\\n2+2,5,0,3\\n3*7,21,1,2\\n")
        ...     chain = read_chain(file, gamma=0.9)
        >>> chain.mdp
        TwoStageMDP(2 prompts x up to 2 answers, gamma 0.9 per turn, no cap)
        >>> chain.answers
        (('4', '5'), ('21',))
    """
    target, source = Path(path), str(path)
    kind = _format_of(target)
    rows = _read_rows(target, kind, source)
    mdp, policies = build(rows)
    if settings:
        mdp = mdp.replace(**settings)
    for whose, policy in policies.items():
        if policy is not None:
            try:
                policy.check_fits(mdp, f"{whose} policy")
            except ChainError as error:
                if settings:
                    raise  # perhaps only these do not fit
                rows.refuse(f"{error}; set max_turns to the number of turns")
    rows.numbers.clear()  # the chain has its own tables
    return ChainFile(mdp, policies["initial"], policies["reference"], target, rows)


def write_chain(
    path: str | os.PathLike[str],
    mdp: TwoStageMDP,
    policy: Policy | None = None,
    reference: Policy | None = None,
    *,
    answers: Sequence[Sequence[str]] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a chain and its policies; :func:`read_chain` gives the same chain and the same probabilities back.

    Columns that repeat the defaults are left out. Policies are written as probabilities, or as logits where a probability would
    lose accuracy (one so near to 1 that its complement matters). A linear policy is written as the tabular policy that it amounts
    to. Prompts and answers without names are called "0", "1", ...

    Args:
        path: the file; its suffix says the format. Complete or absent: it appears when all of it is written.
        mdp: one chain (no run axes).
        policy: the initial policy; indexed by turns only in .json and .toml.
        reference: the reference policy.
        answers: names of the answers, one sequence per prompt.
        overwrite: whether a file of that name may be replaced.

    Raises:
        DSTheoryError: the file exists, cannot be written, or its format cannot hold the chain.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "m0.toml")
        ...     write_chain(file, TwoStageMDP.minimal(), Policy.minimal(p=0.55, a=0.8, b=0.3), answers=[["right", "wrong"]])
        ...     read_chain(file).policy.stop_prob.round(12).tolist()
        [[[0.8, 0.7]]]
    """
    target = Path(path)
    kind = _format_of(target)
    refuse_overwrite(path, overwrite)
    rows = _table_of(str(path), mdp, {"initial": policy, "reference": reference}, answers)
    with atomic_path(path, overwrite=overwrite) as temporary:
        if kind in _NESTED.values():
            write_nested(rows, kind, temporary)
        else:
            from dstheory.readers.flat import write_flat  # nested files do without Arrow

            write_flat(rows, kind, temporary, compressed=target.suffix == ".gz")


def _format_of(path: Path) -> str:
    suffixes: dict[str, Any] = _NESTED | _TABLES
    name = path.name.lower()
    for suffix, kind in suffixes.items():
        if name.endswith(suffix):
            return str(kind)
    raise FileFormatError(
        f"{path} has the suffix {path.suffix!r}, which is not a format of a chain: use one of {', '.join(suffixes)}"
        if path.suffix
        else f"{path} has no suffix that says its format: use one of {', '.join(suffixes)}"
    )


def _read_rows(path: Path, kind: str, source: str) -> ChainTable:
    try:
        if path.is_dir():
            raise FileFormatError(f"{source} is a directory: give the file in it")
        if not path.exists():
            raise FileFormatError(f"{source} does not exist: check the name; relative names start from {Path.cwd()}")
        if kind in _NESTED.values():
            return read_nested(path, kind, source)
        from dstheory.readers.flat import read_flat

        return read_flat(path, kind, source)
    except OSError as error:
        raise FileFormatError(
            f"{source} cannot be read: {error.strerror or error}; check that you may, and that it is whole"
        ) from error
    except MemoryError as error:
        raise FileFormatError(f"{source} does not fit into the memory that is free: give it in parts") from error


def _table_of(
    source: str,
    mdp: TwoStageMDP,
    policies: dict[str, Policy | None],
    answers: Sequence[Sequence[str]] | None,
) -> ChainTable:
    """Return the rows of a chain and its policies; columns that only repeat the defaults are left out.

    Args:
        source: the file, for messages.
        mdp: one chain (no run axes).
        policies: ``"initial"`` and ``"reference"`` -> policy or None.
        answers: one sequence of names per prompt; default "0", "1", ...
    """
    if mdp.runs:
        raise ChainError(f"a file holds one chain, but this one has runs {mdp.runs}: pick one run")
    prompts = mdp.prompts if mdp.prompts is not None else tuple(str(i) for i in range(mdp.shape[0]))
    if answers is None:
        widest = [str(i) for i in range(mdp.shape[1])]
        answers = [widest[:n] for n in mdp.n_answers]
    _check_names(prompts, answers, mdp)
    inside = mdp.inside
    numbers: dict[str, Floats] = {"correct": mdp.correct[inside]}
    if (mdp.prompt_weight != mdp.prompt_weight[0]).any():
        numbers["prompt_weight"] = np.repeat(mdp.prompt_weight, mdp.n_answers)
    for name, default in (
        ("sample_length", 1.0), ("decision_length", 1.0), ("reward_stop", numbers["correct"]), ("reward_resample", 0.0),
        ("reward_stop_variance", 0.0), ("reward_resample_variance", 0.0),
    ):  # fmt: skip
        values = getattr(mdp, name)[inside]
        if (values != default).any():
            numbers[name] = values
    for whose, policy in policies.items():
        if policy is None:
            continue
        if policy.runs:
            raise ChainError(f"a file holds one {whose} policy, but this one has runs {policy.runs}: pick one run")
        policy.check_fits(mdp, f"{whose} policy")
        for name, table in _policy_columns(policy, inside):
            numbers[POLICIES[whose] + name] = table[0] if len(table) == 1 else table
    settings: dict[str, Any] = {"gamma": float(mdp.gamma)}
    if mdp.discount_per != "turn":
        settings["discount_per"] = mdp.discount_per
    if mdp.max_turns is not None:
        settings["max_turns"] = mdp.max_turns
    names = [str(name) for row in answers for name in row]
    return ChainTable(
        source,
        prompts,
        np.repeat(np.arange(len(prompts)), mdp.n_answers),
        np.arange(len(names)),
        names,
        numbers,
        settings,
    )


def _check_names(prompts: Sequence[str], answers: Sequence[Sequence[str]], mdp: TwoStageMDP) -> None:
    if len(set(prompts)) < len(prompts) or "" in prompts:
        raise ChainError("in a file the names of the prompts tell them apart: they must differ and not be empty")
    lengths = [len(row) for row in answers]
    if lengths != mdp.n_answers.tolist():
        raise ChainError(
            f"answers names {sum(lengths)} answers of {len(lengths)} prompts: needs one name per answer of the chain"
        )
    for name, row in zip(prompts, answers, strict=True):
        if len(set(map(str, row))) < len(row):
            raise ChainError(f"the answers of prompt {shown(name)} have the same name twice: they must differ")
    try:
        for name in (*prompts, *(str(answer) for row in answers for answer in row)):
            name.encode()
    except UnicodeEncodeError as error:
        raise DSTheoryError(f"the name {name!r} is not valid Unicode and cannot be written: rename it") from error


def _policy_columns(policy: Policy, inside: Bools) -> list[tuple[str, Floats]]:
    """Return its two columns, each as probabilities if these carry it to rounding, otherwise as logits.

    A probability keeps its relative accuracy down to the smallest float, but one close to 1 loses the accuracy of its complement.
    """
    z, p = policy.sample_logits[..., inside], policy.sample_prob[..., inside]
    as_probability = bool(((p > np.finfo(float).tiny) | (z == -np.inf)).all())
    sample = ("sample_probability", p) if as_probability else ("sample_logit", z)
    u, stop = policy.stop_logits[..., inside], policy.stop_prob[..., inside]
    with np.errstate(divide="ignore", invalid="ignore"):
        back = np.log(stop) - np.log1p(-stop)
        as_probability = bool(((back == u) | (np.abs(back - u) <= 1e-12 * np.maximum(1.0, np.abs(u)))).all())
    return [sample, ("stop_probability", stop) if as_probability else ("stop_logit", u)]
