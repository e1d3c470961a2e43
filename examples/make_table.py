"""Make ``several_hundred_prompts.csv``, a table such as one gets by sampling a language model many times on many tasks.

The tasks differ in difficulty (the chance of a right answer is Beta distributed; some tasks are never solved), each has two to
nine distinct answers with unequal frequencies out of 1000 samples, lengths are log-normal and wrong answers tend to be longer.
The model stops more readily at right answers than at wrong ones, less so on hard tasks.

Run ``python examples/make_table.py``: the same seed gives the same bytes. Only the standard library is used, and every number is
rounded to a few decimals, so that this stays true from one version and machine to the next.
"""

import csv
import io
import math
import random
from pathlib import Path

SEED = 20260101
TASKS = 400
SAMPLES = 1000
HEADER = [
    "prompt",
    "answer",
    "correct",
    "prompt_weight",
    "sample_length",
    "decision_length",
    "sample_probability",
    "stop_probability",
]


def frequencies(weights: list[float], samples: int) -> list[int]:
    """Return whole numbers >= 1 that sum to ``samples``, as near to proportional as rounding by largest remainders gets."""
    free = samples - len(weights)
    exact = [free * weight / sum(weights) for weight in weights]
    counts = [1 + math.floor(value) for value in exact]
    by_remainder = sorted(range(len(weights)), key=lambda i: math.floor(exact[i]) - exact[i])
    for i in by_remainder[: samples - sum(counts)]:
        counts[i] += 1
    return counts


def task_rows(rng: random.Random, number: int) -> list[list[object]]:
    """Return the rows of one task."""
    answers = rng.choice([2, 2, 3, 3, 4, 4, 5, 5, 6, 7, 8, 9])
    solvable = rng.random() > 0.06
    right = 0 if not solvable else 2 if answers > 4 and rng.random() < 0.25 else 1
    mass = rng.betavariate(1.2, 1.5) if right else 0.0
    # The mass of right and of wrong answers is spread unevenly: exponential variates give a uniform point of the simplex.
    spread = [rng.expovariate(1.0) + 0.05 for _ in range(answers)]
    weights = [
        w * (mass / sum(spread[:right]) if i < right else (1.0 - mass) / sum(spread[right:])) for i, w in enumerate(spread)
    ]
    counts = frequencies(weights, SAMPLES)
    typical = rng.lognormvariate(math.log(90), 0.6)
    weight = max(1, round(rng.lognormvariate(math.log(20), 0.9)))
    rows: list[list[object]] = []
    for i in range(answers):
        is_right = i < right
        length = max(1, round(typical * (1.0 if is_right else 1.25) * rng.lognormvariate(0.0, 0.35)))
        decision = max(1, round(rng.lognormvariate(math.log(8), 0.5)))
        inclination = (0.4 + 1.6 * mass) * (1.0 if is_right else -0.7) + 0.4 + rng.gauss(0.0, 0.7)
        stop = min(0.99, max(0.01, 1.0 / (1.0 + math.exp(-inclination))))
        rows.append([f"task-{number:03d}", "", int(is_right), weight, length, decision, counts[i] / SAMPLES, f"{stop:.3f}"])
    rows.sort(key=lambda row: -float(str(row[6])))
    for rank, row in enumerate(rows):
        row[1] = f"answer-{rank + 1}"  # the most frequent first, as a tally of samples lists them
    return rows


def table() -> str:
    """Return the whole file."""
    rng = random.Random(SEED)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for number in range(1, TASKS + 1):
        writer.writerows(task_rows(rng, number))
    return text.getvalue()


if __name__ == "__main__":
    Path(__file__).with_name("several_hundred_prompts.csv").write_text(table(), encoding="utf-8", newline="")
