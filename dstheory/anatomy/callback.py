"""Writing a log while training: records of this package, appended as rollouts are made, which `dstheory anatomy` reads as it is.

:class:`RolloutLog` appends records to one file of JSON lines for each rank, whole lines at a time: a record is there or it is
not, whenever the process is killed. :func:`recorded` wraps a reward function of TRL, so that every rollout it judges is written.
Nothing is imported from TRL, transformers or PyTorch, and a full disk ends the log with a warning, not the training.

**Resuming.** Whoever resumes from the checkpoint of step s makes the rollouts from s on anew. Those that the log has of these
steps already are of a run that was given up: they are moved out of the log, into a file beside it that ends in ``.abandoned``,
when the first record is written.

    log = RolloutLog("logs", model="qwen-0.5b")
    trainer = GRPOTrainer(..., reward_funcs=recorded(accuracy_reward, log, problem="question_id"))

Then ``dstheory anatomy logs/ --follow`` shows p and pass@k as the training goes on.

Source: derived here.
"""

from __future__ import annotations

import functools
import inspect
import json
import math
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dstheory.errors import RecordError
from dstheory.readers.records import problem_name
from dstheory.texts import counted

Attempts = Sequence[tuple[bool, str | None]]
Judge = Callable[[float], bool | None]

_DECISIONS = ("stop", "resample", "submit", None)
_NAME = "rollouts-{rank:05}.jsonl"


class RolloutLog:
    """A log that is written while it grows, one file for each rank.

    Args:
        folder: where the files go; made if it is not there.
        model: label of all records.
        rank: which process this is; default: what the environment says (``RANK``), 0 if it says nothing.
        sync: whether every write is also forced to the disk, so that a power failure loses nothing either.

    Raises:
        RecordError: the rank is not a whole number >= 0.

    >>> import tempfile
    >>> from dstheory.anatomy import read_log
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with RolloutLog(folder, model="m", rank=0) as log:
    ...         log.add("2 + 2", [(False, "resample"), (True, "stop")], cap=4, step=1)
    ...         log.add("3 + 3", [(True, "stop")], cap=4, step=1)
    ...     read_log(folder).episodes
    Episodes(2 episodes, 3 attempts, 2 problems, 0 capped)
    """

    def __init__(
        self, folder: str | os.PathLike[str], *, model: str | None = None, rank: int | None = None, sync: bool = False
    ) -> None:
        text = str(rank) if rank is not None else os.environ.get("RANK", "0")
        if not (text.isascii() and text.isdigit()):
            raise RecordError(f"rank is {text!r}: must be a whole number, 0 for the first process")
        self.rank, self.model, self.sync = int(text), model, sync
        self.path = Path(folder) / _NAME.format(rank=self.rank)
        self._file: int | None = None
        self._records = 0
        self._ended = self._resumed = False

    def __enter__(self) -> RolloutLog:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def add(
        self, problem: str, attempts: Attempts, *, cap: int | None = None, step: int | None = None, **labels: str | float
    ) -> None:
        """Append one record.

        Args:
            problem: its name; long ones are shortened.
            attempts: (right, decision) of each in order; decisions are "stop", "resample", "submit" or None.
            cap: the largest number of attempts; 1 where nobody can resample.
            step: of training.
            labels: more, such as task="easy" or decided_by="verifier".
        """
        self.add_all([{"problem": problem, "attempts": attempts, "cap": cap, "step": step, **labels}])

    def add_all(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Append records, all of them or none: what :meth:`add` takes, as dictionaries.

        Raises:
            RecordError: a record breaks a rule; nothing is written then.
        """
        made = [self._record(record) for record in records]
        if not made or self._ended:
            return
        steps = [record["step"] for record in made if record.get("step") is not None]
        try:
            if self._file is None:
                self._open(min(steps) if steps else None)
            numbered = ({"id": f"{self.rank}-{i}", **record} for i, record in enumerate(made, start=self._records))
            self._append("".join(json.dumps(record, allow_nan=False) + "\n" for record in numbered).encode("utf-8"))
            self._records += len(made)
        except OSError as error:
            self._ended = True
            self.close()
            warnings.warn(f"{self.path}: {error.strerror or error}: no more rollouts are written to this log", stacklevel=3)

    def close(self) -> None:
        """Close the file; the next record opens it again."""
        if self._file is not None:
            file, self._file = self._file, None
            os.close(file)

    def _record(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return a record in the words of the schema."""
        known = dict(record)
        attempts, problem = list(known.pop("attempts")), problem_name(known.pop("problem"))
        if not attempts:
            raise RecordError(f"the record of {problem} has no attempts: give (right, decision) of at least one")
        steps = []
        for k, (right, decision) in enumerate(attempts):
            if right not in (True, False) or decision not in _DECISIONS:
                rule = "must be true or false, and 'stop', 'resample', 'submit' or None"
                raise RecordError(f"attempt {k} of {problem} is {right!r}, {decision!r}: {rule}")
            if k + 1 < len(attempts) and decision not in ("resample", None):
                raise RecordError(f"attempt {k} of {problem} is followed by another after {decision!r}: only the last may end it")
            steps.append({"correct": bool(right), "decision": decision})
        cap = known.get("cap")
        if cap is not None and (not isinstance(cap, int) or cap < len(attempts)):
            raise RecordError(f"the record of {problem} has {len(attempts)} attempts and the cap {cap!r}: give at least as many")
        head = {"problem": problem, "model": self.model, **known}
        return {**{name: value for name, value in head.items() if value is not None}, "attempts": steps}

    def _open(self, step: int | None) -> None:
        """Open the file, without half a line at its end, and without records of steps that are made anew."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            _lock(file, self.path)
            self._records = _cut(self.path, None if self._resumed else step)
            if self.rank == 0 and step is not None and not self._resumed:
                for other in _of_more_ranks(self.path.parent):
                    _cut(other, step)
            self._resumed = True
        except BaseException:
            os.close(file)
            raise
        self._file = file

    def _append(self, data: bytes) -> None:
        assert self._file is not None
        before = os.fstat(self._file).st_size
        try:
            done = 0
            while done < len(data):
                done += os.write(self._file, data[done:])
            if self.sync:
                os.fsync(self._file)
        except BaseException:
            os.ftruncate(self._file, before)
            raise


def _cut(path: Path, step: int | None) -> int:
    """Cut half a line off the end of a log, and all from the first record of this step or a later one on; return what is left.

    Steps never fall within a file, so the records of a run that was given up are the last ones.
    """
    kept = end = 0
    with open(path, "r+b") as file:
        for line in file:
            if not line.endswith(b"\n") or (step is not None and _step(line) >= step):
                break
            kept, end = kept + 1, end + len(line)
        file.seek(end)
        given_up = [line for line in file if line.endswith(b"\n")]
        if given_up:
            aside = path.with_name(path.name + ".abandoned")
            with open(aside, "ab") as beside:
                beside.writelines(given_up)
                beside.flush()
                os.fsync(beside.fileno())
            what = f"{counted(len(given_up), 'record')} from step {step} on, of a run that was given up, moved to {aside}"
            warnings.warn(f"{path}: {what}", stacklevel=6)
        file.truncate(end)
    return kept


def _of_more_ranks(folder: Path) -> list[Path]:
    """Return the files of ranks that there were before, and are no longer."""
    ranks = os.environ.get("WORLD_SIZE", "")
    if not ranks.isdigit():
        return []
    numbered = [(path.stem.rpartition("-")[2], path) for path in sorted(folder.glob("rollouts-*.jsonl"))]
    return [path for number, path in numbered if number.isdigit() and int(number) >= int(ranks)]


def _step(line: bytes) -> float:
    """Return the step of a record; -1 where it has none."""
    try:
        found = json.loads(line)
    except ValueError:
        return -1
    step = found.get("step") if isinstance(found, dict) else None
    return step if isinstance(step, (int, float)) and not isinstance(step, bool) else -1


def _lock(file: int, path: Path) -> None:
    """Refuse a file that another process is writing to; the lock ends with the process."""
    try:
        import fcntl
    except ImportError:  # not there on Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OSError(error.errno, "another process is writing to it (ranks must differ)") from error


# ---------------------------------------------------------------------- reward functions


def recorded(
    function: Callable[..., Any],
    log: RolloutLog,
    *,
    correct: float | Judge = 1.0,
    problem: str | None = None,
    labels: Sequence[str] = (),
    attempts: Callable[[str, Mapping[str, Any]], Attempts] | None = None,
    cap: int | None = None,
    evaluation: bool = False,
) -> Callable[..., Any]:
    """Return a reward function of TRL that does as this one does, and writes every rollout that it judges.

    Args:
        function: what says which rollouts are right; of several reward functions the one that checks the answer. It may be
            async.
        log: where they are written.
        correct: the reward from which a rollout is right, or a function that says it of a reward (None: leave it out). A reward
            that is None or no number is left out.
        problem: column of the dataset that names the problem; default: the prompt.
        labels: columns that are kept as labels, such as "task" and "difficulty".
        attempts: (text, columns of the row) -> the attempts within a response, for models that resample within it. By default a
            response is one answer, and nobody can resample.
        cap: the largest number of attempts within a response.
        evaluation: whether rollouts of evaluations are written too; they get the label ``split``: "eval".

    >>> import tempfile
    >>> def accuracy(prompts, completions, gold, **kwargs):
    ...     return [float(said == right) for said, right in zip(completions, gold)]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     reward = recorded(accuracy, RolloutLog(folder, rank=0))
    ...     print(reward.__name__, reward(prompts=["2+2", "3+3"], completions=["4", "7"], gold=["4", "6"]))
    ...     print(Path(folder, "rollouts-00000.jsonl").read_text().splitlines()[1])
    accuracy [1.0, 0.0]
    {"id": "0-1", "problem": "3+3", "cap": 1, "reward": 0.0, "attempts": [{"correct": false, "decision": null}]}
    """
    judge: Judge = correct if callable(correct) else (lambda reward: reward >= correct)
    labels = tuple(labels)

    def records(rewards: Sequence[Any], given: Mapping[str, Any], split: str) -> list[dict[str, Any]]:
        """Return the records of one call of the function."""
        step = getattr(given.get("trainer_state"), "global_step", None)
        for name in (*labels, *([problem] if problem is not None else [])):
            if name not in given:
                columns = [key for key, column in given.items() if isinstance(column, list)]
                raise RecordError(f"the dataset has no column {name!r}: it has {', '.join(columns)}")
        made = []
        for i, reward in enumerate(rewards):
            number = None if reward is None else float(reward)
            right = None if number is None or math.isnan(number) else judge(number)
            if number is None or right is None:
                continue
            row = {key: column[i] for key, column in given.items() if isinstance(column, list) and len(column) == len(rewards)}
            steps: Attempts = [(bool(right), None)] if attempts is None else attempts(_text(row["completions"]), row)
            made.append({
                "problem": row["prompts"] if problem is None else row[problem],
                "attempts": steps,
                "cap": 1 if attempts is None else cap,
                "step": step,
                **({"reward": number} if math.isfinite(number) else {}),
                **({"split": split} if split == "eval" else {}),
                **{name: row[name] for name in labels},
            })  # fmt: skip
        return made

    def write(rewards: Sequence[Any], given: Mapping[str, Any]) -> None:
        split = _split(given.get("log_metric"))
        if split == "eval" and not evaluation:
            return
        try:
            log.add_all(records(rewards, given, split))
        except Exception as error:  # a log must not end a training
            what = str(error) if isinstance(error, RecordError) else f"{type(error).__name__}: {error}"
            warnings.warn(f"rollouts were not written to {log.path}: {what}", stacklevel=3)

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def judged_later(**given: Any) -> Any:
            rewards = await function(**given)
            write(rewards, given)
            return rewards

        return judged_later

    @functools.wraps(function)
    def judged(**given: Any) -> Any:
        rewards = function(**given)
        write(rewards, given)
        return rewards

    if not hasattr(function, "__name__"):
        judged.__name__ = type(function).__name__
    return judged


def _split(log_metric: Any) -> str:
    """Return whether TRL is training or evaluating: its trainer, whose method it hands over, has a model that knows."""
    model = getattr(getattr(log_metric, "__self__", None), "model", None)
    return "train" if getattr(model, "training", True) else "eval"


def _text(completion: Any) -> str:
    """Return a response as text; of a conversation, what was said in its messages."""
    if isinstance(completion, str):
        return completion
    return "\n".join(str(message.get("content", "")) for message in completion if isinstance(message, Mapping))
