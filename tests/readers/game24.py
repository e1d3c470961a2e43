"""A chain table from recorded episodes of the 24 game: a language model answers, checks its own answer, stops or tries again."""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from pathlib import Path

# Rollouts that nobody here wrote, kept beside the repository and not in it.
RECORDS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "game24_selfverify.jsonl"
MISSING = f"the recorded episodes are not there: {RECORDS.name} belongs into shared/data beside the repository"

HEADER = [
    "prompt",
    "answer",
    "correct",
    "sample_length",
    "decision_length",
    "sample_probability",
    "stop_probability",
    "max_turns",
]
CHARACTERS_PER_TOKEN = 4  # a usual proxy for English text and arithmetic


def expression(answer: str) -> str:
    """Return what an answer says, without the marks that vary from attempt to attempt."""
    line = answer.split("\n", 1)[0].replace("[ANSWER END]", "")
    line = re.sub(r"^\s*answer:", "", line, flags=re.IGNORECASE)
    return " ".join(line.split()).rstrip(".")


def write_game24_table(records: Path, path: Path) -> None:
    """Write a CSV chain: one prompt per puzzle, one answer per distinct expression that was tried.

    * sampling probability: how often the expression was tried, among all attempts at the puzzle (of all rounds);
    * stop probability: (stops + 1) / (decisions + 2), Laplace's rule; the last attempt that the cap allows is left out, since
      what followed there was not a decision;
    * lengths: mean number of characters / 4, of the answer and of the text with which it was checked, at least 1.
    """
    tried: dict[str, dict[str, list[tuple[dict[str, str], bool]]]] = defaultdict(lambda: defaultdict(list))
    caps = set()
    for line in records.read_text(encoding="utf-8").splitlines():
        episode = json.loads(line)
        caps.add(episode["max_attempts"])
        for number, attempt in enumerate(episode["attempts"], start=1):
            puzzle = " ".join(map(str, episode["numbers"]))
            tried[puzzle][expression(attempt["answer"])].append((attempt, number < episode["max_attempts"]))
    (cap,) = caps
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for puzzle, answers in tried.items():
            attempts = sum(map(len, answers.values()))
            for answer, uses in answers.items():
                (correct,) = {attempt["correct"] for attempt, _ in uses}
                decisions = [attempt["decision"] == "stop" for attempt, decided in uses if decided]
                lengths = [
                    max(1.0, sum(len(attempt[part]) for attempt, _ in uses) / len(uses) / CHARACTERS_PER_TOKEN)
                    for part in ("answer", "verification")
                ]
                stop = (sum(decisions) + 1) / (len(decisions) + 2)
                writer.writerow([puzzle, answer, int(bool(correct)), *lengths, len(uses) / attempts, stop, cap])
