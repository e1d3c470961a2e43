r"""Chains whose table does not fit into memory: value, gradient, attribution and optimum, block by block.

A block is one Parquet file of a directory (the columns of any chain table, every row of a prompt in one file), or what a
function makes. Prompts count equally, so that each total is :math:`\sum_b X_b m_b / X`,
where block b has :math:`X_b` prompts with mean :math:`m_b`. The blocks' sums are added exactly (Shewchuk's algorithm,
``math.fsum``): the result does not depend on the number of workers, nor on who was done first. A gradient has a block of logits
per block of the table; its norm is summed up here, and the gradient itself is written as a data set of its own where that is
asked for.

That no prompt stands in two files is checked with 64 bits of each name, in temporary files by their first bits, so that memory
does not grow with the number of prompts; where they agree, the names themselves are read again.

This is for objectives in which no prompt meets another: sums of rewards and direct reverse KL.
"""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from dstheory.about import parse
from dstheory.attribution import StageSplit, norm, stage_energy
from dstheory.chain.exact import Solution, solve
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.checks import whole_number
from dstheory.dynamics.parameters import FIELDS, value_at
from dstheory.dynamics.problem import objective_at
from dstheory.dynamics.soft_optimum import optimum
from dstheory.errors import DSTheoryError, FileFormatError, WorkerDiedError
from dstheory.objectives.base import Objective
from dstheory.objectives.fused import FusedTerms, applies, fused_gradient
from dstheory.objectives.mass import StageGradient
from dstheory.objectives.registry import lookup, unused
from dstheory.readers.atomic import results_directory
from dstheory.readers.chains import ChainFile, read_chain
from dstheory.readers.results import write_manifest
from dstheory.readers.tables import open_parquet
from dstheory.tables import Table, Tabulated, short
from dstheory.workers import check_workers, computed

_SMALLEST_SQUARE, _LARGEST_SQUARE = 1e-280, 1e280  # between them a sum of squares has its digits

Block = tuple[TwoStageMDP, Policy, Policy]
"""A chain, its policy and the reference."""


@dataclass(frozen=True, eq=False, repr=False)
class DatasetSolution(Tabulated):
    """The sums over a chain in many blocks, as :func:`solve_dataset` returns them; all means are over prompts.

    Attributes:
        blocks, prompts, pairs: how many, pairs of a prompt and an answer.
        value, accuracy, turns: mean discounted return, final accuracy, and number of turns.
        gradient: norm of each stage's block of the gradient with respect to the logits.
        energy: Fisher energy of each stage.
        optimum: the optimal penalised value, or None if it was not asked for.

    >>> from dstheory import Policy
    >>> start = Policy.minimal(p=0.55, a=0.8, b=0.3)
    >>> total = solve_dataset(lambda number: (TwoStageMDP.minimal(max_turns=1 + number), start, start), blocks=2)
    >>> total.blocks, total.prompts, round(total.accuracy, 4), round(total.turns, 4)  # at most one turn, and at most two
    (2, 2, 0.5624, 1.1225)
    """

    blocks: int
    prompts: int
    pairs: int
    value: float
    accuracy: float
    turns: float
    gradient: StageSplit
    energy: StageSplit
    optimum: float | None

    def table(self) -> Table:
        """Return the totals."""
        rows = [(name, str(getattr(self, name))) for name in ("blocks", "prompts", "pairs")]
        rows += [(name, short(getattr(self, name))) for name in ("value", "accuracy", "turns")]
        for name in ("gradient", "energy"):
            split = getattr(self, name)
            rows += [(f"{name}, {stage}", short(getattr(split, stage))) for stage in ("sample", "decide")]
        rows += [] if self.optimum is None else [("optimum", short(self.optimum))]
        return Table("A chain in blocks", ("total", "value"), rows)


@dataclass(frozen=True)
class _File:
    """A block on disk, as it was when the run began."""

    path: str
    size: int
    changed: int
    target: str


@dataclass(frozen=True)
class _Asked:
    """What all blocks need."""

    make: Callable[[int], Block] | None
    objective: str
    chain: Mapping[str, Any]
    settings: Mapping[str, Any]
    optimum: bool


def solve_dataset(
    source: str | os.PathLike[str] | Callable[[int], Block],
    *,
    objective: str = "reinforce",
    blocks: int | None = None,
    optimal: bool = False,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    workers: int = 1,
    scheduler: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    chain: Mapping[str, Any] | None = None,
    **settings: Any,
) -> DatasetSolution:
    """Return value, gradient and attribution of a chain in blocks, in memory for as many blocks as are worked on at once.

    Args:
        source: a directory of Parquet files, each a chain table with its policy (and reference), taken in the order of their
            names; or a function number -> (chain, policy, reference).
        objective: whose gradient: a sum of rewards and direct reverse KL, such as ``"reinforce + kl-direct"``.
        blocks: how many blocks the function makes.
        optimal: whether the optimum of reward + KL is computed, too: by beta, length_weight and reduction of the settings, or
            their defaults.
        out: directory for the gradient, one Parquet file per block with the columns prompt, answer, sample_gradient and
            decide_gradient: of each prompt's own objective, whose mean over all prompts is the whole. Complete, or not there.
        overwrite: replace an earlier result in ``out``.
        workers: processes; the result does not depend on it.
        scheduler: address of a Dask scheduler that computes instead; its workers must see the files.
        progress: called with the number of blocks done, and of all.
        chain: ``gamma, discount_per, max_turns`` in place of what the files say.
        settings: parameters of the objective: beta, length_weight, ...

    Raises:
        DSTheoryError: files of different schemas, a file that changes while it is read, a prompt in two files, unequal weights
            of prompts, several runs, an objective in which prompts meet, a setting that it does not have, the optimum of one
            with factors, a block whose workers die (others are computed again).

    >>> def make(number):
    ...     mdp = TwoStageMDP.minimal(gamma=0.9 + 0.01 * number)
    ...     policy = Policy.minimal(p=0.55, a=0.8, b=0.3)
    ...     return mdp, policy, policy
    >>> total = solve_dataset(make, blocks=3)
    >>> total.prompts, round(total.value, 4), round(float(total.energy.decision_share), 4)
    (3, 0.5662, 0.2482)
    """
    began = time.monotonic()
    check_workers(workers, scheduler)
    made = callable(source)
    if made != (blocks is not None):
        raise DSTheoryError("blocks says how many blocks a function makes: give it with a function, and only then")
    if optimal:
        _refuse_factors(objective)
    if made and chain:
        raise DSTheoryError("chain stands in place of what files say: a function makes its own chains, leave it out")
    _refuse_unused(objective, settings, optimal)
    if made and out is not None:
        raise DSTheoryError("out has the gradient of files, named as they are: a function has none, leave it out")
    folder = None if out is None else results_directory(out, overwrite=overwrite)
    with folder or nullcontext() as directory, ExitStack() as stack:
        each = range(whole_number(blocks, "blocks", low=1)) if callable(source) else _files(Path(source), directory)
        parts: dict[int, Any] = dict(enumerate(each))
        asked = _Asked(source if callable(source) else None, objective, chain or {}, settings, optimal)
        found: dict[int, dict[str, Any]] = {}
        names = stack.enter_context(_NamesOnDisk())
        for number, sums in _solutions(asked, parts, workers, scheduler):
            names.add(number, sums.pop("names"))
            found[number] = sums
            if progress is not None:
                progress(len(found), len(parts))
        if not callable(source):
            for one, other in names.repeated():
                _refuse_split(parts[one], parts[other], asked.chain)
            if [part.path for part in parts.values()] != _names(Path(source)):
                raise DSTheoryError(f"{source} has other files than when it was begun: nothing was written; start again")
        total = _total([found[number] for number in range(len(parts))])
        if directory is not None:
            how = {"optimal": optimal, "workers": workers, "scheduler": scheduler, "chain": dict(asked.chain)}
            asked_for = {"source": str(source), "objective": objective, **how, **settings}
            seconds = round(time.monotonic() - began, 3)
            write_manifest(directory, {"command": "solve_dataset", "parameters": asked_for, "seed": 0, "wall_seconds": seconds})
    return total


def _refuse_factors(objective: str) -> None:
    """Refuse the optimum of a sum in which the reward, or the penalty, counts more than once, or less."""
    total: dict[str, float] = {}
    for factor, name in parse(objective):
        family = lookup(name).family
        total[family] = total.get(family, 0.0) + factor
    for family, times in total.items():
        if times != 1.0:
            raise DSTheoryError(
                f"{objective} has {times:g} times the {family}, and the optimum is of the reward minus beta times the KL: "
                "write each once, and give beta instead"
            )


def _refuse_unused(objective: str, settings: Mapping[str, Any], optimal: bool) -> None:
    """Refuse settings that change nothing: misspelled ones, those of other objectives, and those of the chain."""
    terms = parse(objective)
    used = {name for name, field in FIELDS.items() if len(unused(objective, field)) < len(terms)}
    used |= {"beta", "length_weight", "reduction"} if optimal else set()
    for name in settings:
        if name not in used:
            raise DSTheoryError(
                f"{objective} has no {name}: its settings are {', '.join(sorted(used)) or 'none'}; what a chain pays is in "
                "its files, and gamma, discount_per and max_turns may be given by chain"
            )


def _solutions(
    asked: _Asked, parts: Mapping[int, Any], workers: int, scheduler: str | None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield what each block comes to; where a worker died, those that are left are computed again, until none gets done."""
    left = dict(parts)
    while left:
        before = len(left)
        try:
            for number, sums in computed(_solved, asked, dict(left), workers=workers, scheduler=scheduler):
                del left[number]
                yield number, sums
        except WorkerDiedError:
            if len(left) == before:
                raise


def _bits(names: Sequence[str]) -> NDArray[np.uint64]:
    """Return 64 bits of each name, in every process the same.

    >>> len(set(_bits(["a", "b", "ab", "ba", ""]).tolist()))
    5
    """
    return np.frombuffer(b"".join(blake2b(name.encode(), digest_size=8).digest() for name in names), dtype=np.uint64)


class _NamesOnDisk(ExitStack):
    """Which blocks have prompts of one name, for all that 64 bits can tell; they lie on disk, in piles by their first bits."""

    _ROW = np.dtype([("bits", "<u8"), ("block", "<u4")])

    def __init__(self) -> None:
        super().__init__()
        self._piles: dict[int, IO[bytes]] = {}

    def add(self, block: int, bits: NDArray[np.uint64]) -> None:
        """Take the names of a block."""
        rows = np.empty(len(bits), dtype=self._ROW)
        rows["bits"], rows["block"] = np.sort(bits), block
        for part in np.split(rows, np.flatnonzero(np.diff(rows["bits"] >> np.uint64(58))) + 1) if len(rows) else ():
            pile = int(part["bits"][0] >> np.uint64(58))
            if pile not in self._piles:
                self._piles[pile] = self.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  (closed with self)
            self._piles[pile].write(part.tobytes())

    def repeated(self) -> Iterator[tuple[int, int]]:
        """Yield pairs of blocks, the smaller number first, in which the bits of some name are the same."""
        seen = set()
        for pile in self._piles.values():
            pile.seek(0)
            rows = np.frombuffer(pile.read(), dtype=self._ROW)
            bits = np.sort(rows["bits"])
            if len(twice := bits[1:][bits[1:] == bits[:-1]]):
                rows = np.sort(rows[np.isin(rows["bits"], twice)])
                same = np.flatnonzero((np.diff(rows["bits"]) == 0) & (np.diff(rows["block"]) != 0))
                seen |= {(int(rows["block"][i]), int(rows["block"][i + 1])) for i in same}
        yield from sorted(seen)


def _names(directory: Path) -> list[str]:
    return sorted(str(path) for path in directory.glob("*.parquet"))


def _files(directory: Path, target: Path | None) -> list[_File]:
    """The files of a data set, all of one schema."""
    if not directory.is_dir():
        raise DSTheoryError(f"{directory} is not a directory: give that of the Parquet files, or read one file by read_chain")
    names = _names(directory)
    if not names:
        raise DSTheoryError(f"{directory} has no files whose names end in .parquet: write the table there, in parts")
    files, first = [], None
    for name in names:
        status = os.stat(name)
        with open_parquet(Path(name), ()) as (file, _):
            schema = {field.name: str(field.type) for field in file.schema_arrow}
        first = schema if first is None else first
        for column in {**first, **schema}:
            if first.get(column) != schema.get(column):
                here, there = (known.get(column, "not there") for known in (schema, first))
                raise FileFormatError(
                    f"{name}: the column {column} is {here}, but {there} in {Path(names[0]).name}: use one type in all files"
                )
        files.append(_File(name, status.st_size, status.st_mtime_ns, "" if target is None else str(target / Path(name).name)))
    if "prompt_weight" in (first or {}):
        raise FileFormatError(f"{names[0]} has the column prompt_weight: in a data set all prompts count equally; leave it out")
    return files


def _solved(asked: _Asked, part: Any) -> dict[str, Any]:
    """Return the means of one block, and how many prompts they are of."""
    names = np.empty(0, dtype=np.uint64)
    if asked.make is not None:
        block = asked.make(part)
    else:
        _refuse_change(part)
        file = read_chain(part.path, **asked.chain)
        _refuse_change(part)
        start = Policy.uniform(file.mdp) if file.policy is None else file.policy
        block = file.mdp, start, start if file.reference is None else file.reference
        names = _bits(file.mdp.prompts) if file.mdp.prompts else names
    mdp, policy, reference = block
    if np.ptp(mdp.prompt_weight) > 1e-12:  # equal weights that were normalised differ by rounding
        raise DSTheoryError(f"block {part} has prompts of unequal prompt_weight: in a data set all count equally; leave it out")
    if mdp.runs or policy.runs or reference.runs:
        raise DSTheoryError(f"block {part} has several runs of its chain or policies: make one run of it, and call once for each")
    solution = solve(mdp, policy)
    objective = objective_at(asked.objective, block, asked.settings)
    terms = objective.known_terms(solution)
    if terms is None:
        raise DSTheoryError(
            f"{asked.objective} has terms in which prompts may meet: a data set takes sums of reinforce and kl-direct"
        )
    means, norms, gradient = _fused_sums(terms, solution) or _sums(objective, solution)
    if asked.make is None and part.target:
        _write(file, gradient.sample[0], gradient.decide[0], part.target)
    if asked.optimum:
        weights = {name: value_at(asked.settings, name) for name in ("beta", "length_weight", "reduction")}
        means["optimum"] = float(optimum(mdp, reference, **weights).mean_value)
    return {"prompts": mdp.shape[-2], "pairs": mdp.n_pairs, "means": means, "norms": norms, "names": names}


def _sums(objective: Objective, solution: Solution) -> tuple[dict[str, float], dict[str, float], StageGradient]:
    """Return means over prompts, norms of the gradient's two blocks, and the gradient."""
    value, gradient = objective.value_and_gradient(solution)
    energy = stage_energy(gradient, solution)
    means = {
        "value": float(np.mean(value)),
        "accuracy": float(solution.mean_accuracy),
        "turns": float(solution.mean_turns),
        "energy_sample": float(energy.sample),
        "energy_decide": float(energy.decide),
    }
    return means, {stage: float(norm(getattr(gradient, stage), 3)) for stage in ("sample", "decide")}, gradient


def _fused_sums(terms: FusedTerms, solution: Solution) -> tuple[dict[str, float], dict[str, float], StageGradient] | None:
    """Return the same from the compiled loop, which reads the table once; None where it has nothing to say."""
    mdp = solution.mdp
    found = fused_gradient(terms, solution, sums=True) if applies(solution) else None
    if found is None:
        return None
    assert found.sums is not None
    *energies, squares_sample, squares_decide = found.sums.sum(axis=-1).tolist()
    if not all(_SMALLEST_SQUARE < total < _LARGEST_SQUARE for total in (squares_sample, squares_decide)):
        return None
    pays_what_is_right = np.shares_memory(mdp.reward_stop, mdp.correct)
    means = {
        "value": float(np.mean(found.value)),
        "accuracy": float(np.mean(found.stop_reward) if pays_what_is_right else solution.mean_accuracy),
        "turns": float(np.mean(found.turns)),
        **dict(zip(("energy_sample", "energy_decide"), energies, strict=True)),
    }
    norms = {"sample": math.sqrt(squares_sample), "decide": math.sqrt(squares_decide)}
    return means, norms, StageGradient(found.sample, found.decide)


def _refuse_change(part: _File) -> None:
    status = os.stat(part.path)
    if (status.st_size, status.st_mtime_ns) != (part.size, part.changed):
        raise DSTheoryError(f"{part.path} was changed while the data set was read: nothing was written; start again")


def _refuse_split(one: _File, other: _File, chain: Mapping[str, Any]) -> None:
    here, there = (read_chain(file.path, **chain).mdp.prompts or () for file in (other, one))
    if both := set(here).intersection(there):
        name = next(name for name in here if name in both)
        raise FileFormatError(
            f"{other.path} has rows of the prompt {name!r}, as {Path(one.path).name} has: all rows of a prompt must be in "
            "one file; put them together, or give different prompts different names"
        )


def _write(file: ChainFile, sample: Any, decide: Any, target: str) -> None:
    """Write the gradient of each prompt's own objective, rows as they are in the file."""
    import pyarrow as pa
    from pyarrow import parquet

    rows, prompts = file._rows, file.mdp.shape[-2]
    columns: dict[str, Any] = {
        "prompt": pa.array(rows.prompts, pa.large_string()).take(pa.array(rows.prompt)),
        "answer": pa.array(rows.answer_names, pa.large_string()).take(pa.array(rows.answer)),
    }
    for name, table in (("sample_gradient", sample), ("decide_gradient", decide)):
        values = np.empty(len(rows.prompt))
        values[slice(None) if rows.order is None else rows.order] = prompts * table[rows.inside]
        columns[name] = pa.array(values)
    with Path(target).open("wb") as stream:
        parquet.write_table(pa.table(columns), stream, write_page_checksum=True)


def _total(found: list[dict[str, Any]]) -> DatasetSolution:
    prompts = sum(sums["prompts"] for sums in found)

    def mean(name: str) -> float:
        return float(math.fsum(sums["means"][name] * sums["prompts"] for sums in found) / prompts)

    def whole(stage: str) -> float:  # a block's gradient counts X_b / X
        return math.hypot(*(sums["norms"][stage] * (sums["prompts"] / prompts) for sums in found))

    return DatasetSolution(
        blocks=len(found),
        prompts=prompts,
        pairs=sum(sums["pairs"] for sums in found),
        value=mean("value"),
        accuracy=mean("accuracy"),
        turns=mean("turns"),
        gradient=StageSplit(np.asarray(whole("sample")), np.asarray(whole("decide"))),
        energy=StageSplit(np.asarray(mean("energy_sample")), np.asarray(mean("energy_decide"))),
        optimum=mean("optimum") if "optimum" in found[0]["means"] else None,
    )
