"""docs/anatomy.md says how many episodes it takes: its tables are those of simulated logs, its example is what is printed."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from dstheory.anatomy import Episodes, generate_log, measure, survey
from dstheory.anatomy.answers import youden
from dstheory.anatomy.difference import Compared
from dstheory.anatomy.generate import Cell
from dstheory.anatomy.model_checks import check_problems, over_rounds
from dstheory.anatomy.rates import ProblemCounts
from dstheory.cli.anatomy.conclusions import conclusions

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "anatomy.md").read_text(encoding="utf-8")
CAP = 8


def log_of(p: np.ndarray, a: float, b: np.ndarray, trials: int, fall: float, rng: np.random.Generator) -> Episodes:
    """Episodes of problems with p and b of their own; b falls by a share of itself at each attempt."""
    problem = np.repeat(np.arange(len(p)), trials)
    n = len(problem)
    right = rng.random((n, CAP)) < p[problem, None]
    chance = np.where(right, 1 - a, b[problem, None] * (1 - fall) ** np.arange(CAP))
    on = rng.random((n, CAP)) < chance
    on[:, -1] = False
    length = np.argmin(on, axis=1) + 1
    there = np.arange(CAP) < length[:, None]
    stopped = there & (np.arange(CAP) == length[:, None] - 1) & (length < CAP)[:, None]
    return Episodes(np.concatenate([[0], np.cumsum(length)]), right[there], stopped[there], length == CAP, problem,
                    [str(i) for i in range(len(p))], np.full(n, CAP))  # fmt: skip


def rows(name: str) -> dict[tuple[int, int], list[str]]:
    """(episodes, problems) -> the other cells of a row of a table."""
    lines = PAGE.split(f"<!-- {name} -->")[1].split("<!-- end")[0].strip().splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines]
    return {(int(trials), int(problems.replace(",", ""))): rest for trials, problems, *rest in cells}


@pytest.mark.parametrize(("trials", "problems"), [(1, 200), (4, 50)])
def test_the_chance_to_see_a_departure(trials: int, problems: int) -> None:
    """A hundred and fifty logs: within four standard errors."""
    logs, rng = 150, np.random.default_rng([trials, problems])
    said = rows("power")[trials, problems]
    for cell, (spread, fall) in zip(said, ((0.25, 0), (0.15, 0), (0, 0.2), (0, 0.1), (0.25, 0.2)), strict=True):
        seen = 0
        for _ in range(logs):
            b = 0.5 + spread * rng.choice([-1, 1], problems)
            log = log_of(rng.beta(1.6, 2.4, problems), 0.85, b, trials, fall, rng)
            asked = (check_problems(log, "b", resamples=0) if spread else []) + ([over_rounds(log, "b")] if fall else [])
            seen += any(test.rejected() for test in asked)
        chance = float(cell.removeprefix("> ")) / 100
        assert seen / logs == pytest.approx(chance, abs=4 * np.sqrt(max(chance * (1 - chance), 0.02) / logs)), (spread, fall)


@pytest.mark.parametrize(("trials", "problems"), [(1, 400), (4, 100)])
def test_the_width_of_intervals(trials: int, problems: int) -> None:
    rng, widths = np.random.default_rng([trials, problems]), []
    for _ in range(25):
        p = rng.beta(1.6, 2.4, problems)
        logs = [log_of(p, a, np.full(problems, b), trials, 0.0, rng) for a, b in ((0.85, 0.5), (0.9, 0.8))]
        (rates,), split = measure(logs[0]), Compared.of(*logs).difference()
        index = youden(ProblemCounts.of(logs[0]), rates)
        found = (rates.p, rates.a, rates.b, index, split.gain, split.decide, split.decision_share)
        widths.append([one.high - one.low for one in found])
    said = [float(cell) for cell in rows("width")[trials, problems]]
    np.testing.assert_allclose(np.median(widths, axis=0)[:6], said[:6], rtol=0.08, atol=0.006)
    assert np.median(widths, axis=0)[6] == pytest.approx(said[6], rel=0.3)


def test_the_example_that_stands_in_part() -> None:
    """And the truth of it, by a fine sum over problems."""
    from scipy.stats import beta

    example = PAGE.split("### An answer that stands in part")[1].split("## How many episodes")[0]
    cells = [Cell("base", "t", 0.4, 1.0, 0.4), Cell("tuned", "t", 0.5, 1.0, 0.8)]
    assert all(f"--cell {cell.model},{cell.task},{cell.p:g},{cell.a:g},{cell.b:g}" in example for cell in cells)
    (one, *_) = conclusions(survey(generate_log(cells=cells), compared=("base", "tuned")))
    shown = " ".join(example.split("--brief | head")[1].split("```")[0].split()[2:])
    assert " ".join([one.question, f"{one.short[:1].upper()}{one.short[1:]}.", *one.sentences]).startswith(shown)
    assert "In part" in shown
    longer = [generate_log(1600, cells=cells), generate_log(cells=cells, episodes_per_problem=4)]
    for log, moves in zip(longer, re.findall(r"by at most (0\.\d+) or (0\.\d+)\.", example)[0], strict=True):
        (one, *_) = conclusions(survey(log, compared=("base", "tuned")))
        yes = (f"stand? Yes. Tests reject at 5 % that p is the same in all rounds, which the split assumes; the same logs split "
               f"without it move decisions' share by at most {moves} with 95 % confidence")  # fmt: skip
        assert any(yes in said for said in one.sentences)

    at = (np.arange(20_000) + 0.5) / 20_000
    chances = [beta(cell.p * 4, (1 - cell.p) * 4).ppf(at) for cell in cells]

    def accuracy(sampling: int, decisions: int) -> float:
        p, b = chances[sampling], cells[decisions].b
        going, right = np.ones(len(p)), np.zeros(len(p))
        for k in range(CAP):
            right += going * p
            going *= (1 - p) * b if k < CAP - 1 else 0
        return float(right.mean())

    gain = accuracy(1, 1) - accuracy(0, 0)
    decide = 0.5 * (accuracy(0, 1) - accuracy(0, 0) + accuracy(1, 1) - accuracy(1, 0))
    share = f"a share of {decide / gain:.2f}, and sampling {gain - decide:.3f}."
    assert f"decisions give {decide:.3f} of a gain of {gain:.3f}, {share}" in " ".join(example.split())
