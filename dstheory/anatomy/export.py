r"""What leaves a log: records as JSON lines, in the form that the readers read; and a chain that training starts from.

**A chain.** Every label of a field (a task, say) becomes a prompt with two answers, one right and one wrong, whose policy is the
measured p, a and b. With ``by="problem"`` every problem becomes a prompt of its own: its p is the posterior mean

.. math:: p_x = \frac{n_{C,x} + c \bar p}{n_x + c}

under the Beta distribution with mean :math:`\bar p` and concentration c = (1 - rho)/rho fitted to all problems, and a, b are
those of the whole log. Rates are smoothed by half a success and half a failure, so that no probability is 0 or 1 and every logit
can be trained.

Source: derived here; the posterior mean of a binomial rate under a Beta prior is textbook.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, cast

import numpy as np

from dstheory.anatomy.episodes import NOT_GIVEN, Episodes, HoldsEpisodes, episodes_of
from dstheory.anatomy.rollout_chain import fit_chain
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.checks import Floats
from dstheory.errors import RecordError
from dstheory.readers.atomic import atomic_path

_MOST_PROMPTS = 200_000
_AT_A_TIME = 10_000
_PACKING = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
_STEPS = [
    f'{{"correct": {right}, "decision": "{decision}"}}'
    for right in ("false", "true")
    for decision in ("resample", "stop", "submit")
]


@dataclass(frozen=True, eq=False)
class MeasuredChain:
    """A chain whose policy is what a log shows.

    Attributes:
        mdp: one prompt per label, answers "right" and "wrong".
        policy: the measured p, a, b of each.
        answers: names of the answers, for files.
    """

    mdp: TwoStageMDP
    policy: Policy
    answers: list[list[str]]


def measured_chain(
    episodes: Episodes | HoldsEpisodes, *, by: str = "task", cap: int | None = None, gamma: float = 1.0
) -> MeasuredChain:
    """Return the chain that a log shows.

    Args:
        episodes: the log.
        by: the field whose labels become prompts, or "problem".
        cap: largest number of turns, 0 for none; default the log's, if all its episodes have the same one.
        gamma: discount of the chain.

    Raises:
        RecordError: the field does not exist, caps differ and none was chosen, or there are too many prompts.

    >>> from dstheory import solve
    >>> from dstheory.anatomy import simulate_log
    >>> made = measured_chain(simulate_log(1000, p=0.4, a=0.9, b=0.8, cap=6))
    >>> solution = solve(made.mdp, made.policy)
    >>> round(float(solution.p), 2), round(float(solution.mean_accuracy), 2)
    (0.39, 0.72)
    """
    episodes = episodes_of(episodes, some=True)
    caps = np.unique(episodes.cap)
    if cap is None and len(caps) > 1:
        shown = ", ".join("none" if c == 0 else str(c) for c in caps[:6])
        raise RecordError(f"the episodes have different caps ({shown}): choose the chain's with --cap, 0 for none")
    turns = int(caps[0]) if cap is None else cap
    names, weight, rates = _by_problem(episodes) if by == "problem" else _by_field(episodes, by)
    if len(names) > _MOST_PROMPTS:
        raise RecordError(f"{len(names):,} prompts are too many for a chain file: at most {_MOST_PROMPTS:,}; choose another --by")
    p, a, b = rates
    mdp = TwoStageMDP(
        correct=np.tile([1.0, 0.0], (len(names), 1)),
        prompt_weight=weight,
        gamma=gamma,
        max_turns=turns or None,
        prompts=names,
    )
    policy = Policy.from_probabilities(np.stack([p, 1 - p], axis=1), np.stack([a, 1 - b], axis=1))
    return MeasuredChain(mdp, policy, [["right", "wrong"]] * len(names))


def _by_field(episodes: Episodes, by: str) -> tuple[list[str], Floats, Floats]:
    parts = episodes.by(by)
    chains = [fit_chain(part, "pooled") for part in parts.values()]
    weight = np.array([len(part) for part in parts.values()], dtype=np.float64)
    return list(parts), weight, np.array([[chain.p.mean, chain.a.mean, chain.b.mean] for chain in chains]).T


def _by_problem(episodes: Episodes) -> tuple[list[str], Floats, Floats]:
    chain = fit_chain(episodes, "heterogeneous")
    counts = episodes.counts("problem")
    occurs = counts.attempts > 0
    rho = chain.p.rho  # times which numerator and denominator of the posterior mean are taken, so that it may be 0
    p = (rho * counts.correct[occurs] + (1 - rho) * chain.p.mean) / (rho * counts.attempts[occurs] + 1 - rho)
    weight = np.bincount(episodes.problem, minlength=len(occurs))[occurs].astype(np.float64)
    names = [name for name, there in zip(episodes.problem_ids, occurs.tolist(), strict=True) if there]
    return names, weight, np.stack([p, np.full(len(p), chain.a.mean), np.full(len(p), chain.b.mean)])


# ---------------------------------------------------------------------- JSON lines


def write_log(
    path: str | os.PathLike[str],
    episodes: Episodes | HoldsEpisodes,
    *,
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write episodes as JSON lines; :func:`~dstheory.anatomy.read_log` gives the same episodes back.

    Records get the ids "0", "1", ...; an episode that ended without a stop ends with "submit".

    Args:
        path: the file; ``.gz``, ``.zst`` and ``.bz2`` are packed. It appears when all of it is written.
        episodes: what to write.
        overwrite: whether a file of that name may be replaced.
        progress: called with the number of records written so far.

    Raises:
        DSTheoryError: the file exists, or cannot be written.

    >>> import tempfile
    >>> from dstheory.anatomy import read_log
    >>> log = Episodes.record([("x", [(False, "resample"), (True, "stop")]), ("y", [(False, None)])], cap=3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "log.jsonl.gz")
    ...     write_log(file, log)
    ...     read_log(file).episodes
    Episodes(2 episodes, 3 attempts, 2 problems, 1 capped)
    """
    suffix, episodes = Path(path).suffix.lower(), episodes_of(episodes)
    with atomic_path(path, overwrite=overwrite) as temporary, temporary.open("wb") as file, _packed(file, suffix) as out:
        for start in range(0, len(episodes), _AT_A_TIME):
            lines = _lines(episodes, start, min(start + _AT_A_TIME, len(episodes)))
            out.write("".join(lines).encode("utf-8"))
            if progress is not None:
                progress(min(start + _AT_A_TIME, len(episodes)))


def _packed(file: IO[bytes], suffix: str) -> IO[bytes]:
    if suffix not in _PACKING:
        return file
    import pyarrow as pa

    return cast("IO[bytes]", pa.CompressedOutputStream(file, _PACKING[suffix]))


def _lines(episodes: Episodes, start: int, end: int) -> Iterator[str]:
    offsets, attempts = episodes.offsets[start : end + 1], slice(episodes.offsets[start], episodes.offsets[end])
    decision, last = episodes.stopped[attempts].astype(np.int8), offsets[1:] - 1 - offsets[0]
    decision[last] = 2 - decision[last]  # an episode that did not stop is submitted
    steps = [_STEPS[k] for k in (3 * episodes.correct[attempts] + decision).tolist()]
    columns = []
    for name, column in episodes.fields.items():
        if name != "log":
            texts = ["" if label == NOT_GIVEN else f"{json.dumps(name)}: {json.dumps(label)}, " for label in column.names]
            columns.append((texts, column.codes[start:end].tolist()))
    problems, caps = episodes.problem[start:end].tolist(), episodes.cap[start:end].tolist()
    for i, (first, after) in enumerate(pairwise((offsets - offsets[0]).tolist())):
        head = "".join(texts[codes[i]] for texts, codes in columns)
        cap = f'"cap": {caps[i]}, ' if caps[i] else ""
        problem = json.dumps(episodes.problem_ids[problems[i]])
        yield f'{{"id": "{start + i}", "problem": {problem}, {head}{cap}"attempts": [{", ".join(steps[first:after])}]}}\n'
