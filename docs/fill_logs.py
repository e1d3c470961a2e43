"""Put how real and made logs are read into docs/anatomy.md, with numbers counted without this package beside it.

    python docs/fill_logs.py ../shared

Also the list of formats into docs/log_formats.md. The tables stand between markers in the pages; what is between them is
replaced, and nothing else. The logs are not part of this project. They are those of ``data/real`` (their origin is in its README)
and of ``cases`` (made to be awkward).
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from sitepages.text import fill as replaced

from dstheory.anatomy import Episodes, measure, read_log
from dstheory.errors import DSTheoryError
from dstheory.readers.formats import formats

PAGE = Path(__file__).parent / "anatomy.md"
FORMATS = PAGE.with_name("log_formats.md")


def lines(path: Path) -> list[Any]:
    """Return the values of JSON lines, of an array, or of the members of a zip file."""
    if path.suffix == ".eval":
        with zipfile.ZipFile(path) as archive:
            return [json.loads(archive.read(name)) for name in archive.namelist() if name.startswith("samples/")]
    if path.suffix == ".json":
        return json.loads(path.read_text(encoding="utf-8"))
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def each(field: str) -> Callable[[list[Any]], list[bool]]:
    """Return what counts a field that is true or false, 1 or 0."""
    return lambda rows: [bool(row[field]) for row in rows]


def _turns(steps: str, right: str, decision: str, again: str) -> Callable[[list[Any]], tuple[list[bool], list[bool], list[bool]]]:
    def count(rows: list[Any]) -> tuple[list[bool], list[bool], list[bool]]:
        seen = [(step[right], step.get(decision)) for row in rows for step in row[steps]]
        accepted = [choice != again for good, choice in seen if good and choice]
        rejected = [choice == again for good, choice in seen if not good and choice]
        return [bool(good) for good, _ in seen], accepted, rejected

    return count


COUNTED: dict[str, Callable[[Any], Any]] = {
    "answers.jsonl": each("right"),
    "all_wrong_cap1.jsonl": lambda rows: [step["correct"] for row in rows for step in row["attempts"]],
    "draft_final.jsonl": lambda rows: [
        good for row in rows for good in (row["extra"]["intermediate_steps"][0]["draft"] == row["extra"]["gold"], row["score"])
    ],
    "infinite_odds.jsonl": _turns("attempts", "correct", "decision", "resample"),
    "lm_eval_like.jsonl": each("exact_match"),
    "nested_turns.jsonl": _turns("turns", "is_correct", "evaluator_signal", "continue"),
    "one_shot_rows.jsonl": each("acc"),
    "other_words.jsonl": _turns("attempts", "correct", "decision", "continue"),
    "pretty_array.json": lambda rows: [step["correct"] for row in rows for step in row["attempts"]],
    "repeated_ids.jsonl": each("reward"),
    "sample_lists.jsonl": lambda rows: [good for row in rows for good in row["score"]],
    "shrinking_rounds.jsonl": _turns("attempts", "correct", "decision", "resample"),
    "countdown_forms.jsonl": lambda rows: ([True] * 4 + [False], [True] * 4, [True]),  # read by people, as is the next
    "wait_boxed.jsonl": lambda rows: ([True] * 6 + [False] * 3, [True] * 5 + [False], [True] * 2 + [False]),
    "countdown_base.jsonl": each("correct"),
    "countdown_grpo.jsonl": each("correct"),
    "humaneval_results.jsonl": each("passed"),
    "inspect_log.eval": lambda rows: [
        row["output"]["choices"][0]["message"]["content"].strip() == row["target"].strip() for row in rows
    ],
    "inspect_log.json": lambda log: [one["value"] == "C" for row in log["samples"] for one in row["scores"].values()],
    "tot_samples.json": lambda rows: [info["r"] == 1 for row in rows for info in row["infos"]],
    "verifiers_math.jsonl": each("reward"),
    "verifiers_wordle.jsonl": lambda rows: [row["check_answer_reward_func"] == 1 for row in rows],
}


def shares(counted: list[bool] | tuple[list[bool], ...]) -> str:
    """Return right answers (and decisions) out of all, as counted without this package."""
    parts = counted if isinstance(counted, tuple) else (counted,)
    return ", ".join(f"{sum(part)} of {len(part)}" for part in parts)


def measured(episodes: Episodes) -> list[str]:
    """Return p, a and b with their intervals."""
    (row,) = measure(episodes)
    return [estimate.text() if estimate.value is not None else "-" for estimate in (row.p, row.a, row.b)]


def rows(shared: Path) -> Iterable[list[str]]:
    """Yield the rows of the table."""
    for folder in ("data/real", "cases"):
        for path in sorted((shared / folder).iterdir()):
            if path.suffix not in (".jsonl", ".json", ".eval"):
                continue
            counted = shares(COUNTED[path.name](lines(path))) if path.name in COUNTED else "-"
            try:
                log = read_log(path)
            except DSTheoryError as error:
                yield [path.name, f"refused: {str(error).replace(str(path), path.name)}", "-", "-", "-", counted]
                continue
            how = ", ".join(log.reading.read_as) or "records with marked attempts"
            numbers = measured(log.episodes)
            if log.reading.depends_on_outcome:
                how += f"; no numbers: {log.reading.depends_on_outcome} of {log.reading.records} left out for what is in them"
                numbers = ["-"] * 3
            yield [path.name, how, *numbers, counted]


def table(shared: Path) -> str:
    """Return the table in Markdown."""
    return markdown(["file", "read as", "p", "a", "b", "counted without this package"], rows(shared))


def formats_table() -> str:
    """Return the list of formats in Markdown."""
    known = sorted(formats(), key=lambda one: one.name)
    body = ([f"`{one.name}`", one.title, f"`{', '.join(one.keys)}`"] for one in known)
    return markdown(["name", "what", "recognised by"], body)


def markdown(head: list[str], body: Iterable[list[str]]) -> str:
    """Return a table."""
    body = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in body)


def fill(page: str, text: str, name: str = "logs") -> str:
    """Return the page with everything between the markers of that name replaced."""
    return replaced(page, {name: f"\n{text}\n"})


if __name__ == "__main__":
    FORMATS.write_text(fill(FORMATS.read_text(encoding="utf-8"), formats_table(), "formats"), encoding="utf-8")
    PAGE.write_text(fill(PAGE.read_text(encoding="utf-8"), table(Path(sys.argv[1]))), encoding="utf-8")
