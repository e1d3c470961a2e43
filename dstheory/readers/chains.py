"""Reading and writing a chain with its policies, in the format that the file's name says.

=================  ===============================================================================
.json .toml        small chains, nested: one object per prompt; policies may be indexed by turns
.csv .jsonl        tables, one row per (prompt, answer); also with .gz
.parquet           the same table
=================  ===============================================================================

All of them have the same columns (:mod:`dstheory.readers.schema`). What holds for the whole chain (gamma,
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

from numpy.typing import ArrayLike

from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.errors import ChainError, FileFormatError
from dstheory.readers.atomic import atomic_path, refuse_overwrite
from dstheory.readers.build import build
from dstheory.readers.nested import read_nested, write_nested
from dstheory.readers.rows import Rows, rows_of
from dstheory.readers.tables import read_table, write_table

__all__ = ["ChainFile", "ChainSettings", "read_chain", "write_chain"]

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
    """What a chain file holds.

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
    _rows: Rows = field(repr=False)

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

    Raises:
        FileFormatError: the file breaks a rule of the format: the file, the place, the value, the rule and the remedy.
        ChainError: one of ``settings`` breaks a rule of the model, or a turn-indexed policy does not fit ``max_turns``.

    Source: derived here; the model is that of arXiv 2601.01580, section 3.

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

    Source: derived here.

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
    rows = rows_of(str(path), mdp, {"initial": policy, "reference": reference}, answers)
    with atomic_path(path, overwrite=overwrite) as temporary:
        if kind in _NESTED.values():
            write_nested(rows, kind, temporary)
        else:
            write_table(rows, kind, temporary, compressed=target.suffix == ".gz")


def _format_of(path: Path) -> str:
    suffixes: dict[str, Any] = _NESTED | _TABLES
    name = path.name.lower()
    for suffix, kind in suffixes.items():
        if name.endswith(suffix):
            return str(kind)
    raise FileFormatError(
        f"{path} has the suffix {path.suffix!r}, which is no format of a chain: use one of {', '.join(suffixes)}"
        if path.suffix
        else f"{path} has no suffix that says its format: use one of {', '.join(suffixes)}"
    )


def _read_rows(path: Path, kind: str, source: str) -> Rows:
    try:
        if path.is_dir():
            raise FileFormatError(f"{source} is a directory: give the file in it")
        if not path.exists():
            raise FileFormatError(f"{source} does not exist: check the name; relative names start from {Path.cwd()}")
        if kind in _NESTED.values():
            return read_nested(path, kind, source)
        return read_table(path, kind, source)
    except OSError as error:
        raise FileFormatError(
            f"{source} cannot be read: {error.strerror or error}; check that you may, and that it is whole"
        ) from error
