"""docs/anatomy.md says what is true: its code runs, its options exist, its numbers are those that the experiments give."""

from __future__ import annotations

import json
import os
import re
from fractions import Fraction
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from dstheory.anatomy import generate_log, read_log, record_schema, survey
from dstheory.anatomy.generate import BUNDLED
from dstheory.cli.anatomy import command
from dstheory.readers.formats import READERS
from dstheory.readers.transcripts import CHECKERS, SEGMENTERS

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "anatomy.md").read_text(encoding="utf-8")
# Rollouts that nobody here wrote, kept beside the repository and not in it.
ROLLOUTS = Path(os.environ.get("DSTHEORY_ROLLOUTS", ROOT.parent / "shared" / "data"))


def test_code_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    exec(compile(block, "anatomy.md", "exec"), {})
    assert capsys.readouterr().out.startswith("2 records read, 2 used\n('easy',) 0.333")


def test_the_split_shown_is_the_one_of_the_synthetic_log() -> None:
    (found,) = re.findall(r"```\nfrom base to tuned\n(.*?)```", PAGE, flags=re.DOTALL)
    shown = [re.split(r"  +", line.strip()) for line in found.strip().splitlines()[1:]]
    log = survey(generate_log(), compared=("base", "tuned"))
    assert log.comparison is not None
    assert log.comparison_mean is not None
    want = [
        [task, *(f"{x.value:.3f}" for x in (part.before, part.after)), *(x.text() for x in (part.gain, part.sample, part.decide)),
         part.decision_share.text(2)]
        for task, part in log.comparison_parts.items()
    ]  # fmt: skip
    mean = log.comparison_mean
    want.append(["mean over task", *(x.text() for x in (mean.gain, mean.sample, mean.decide)), mean.decision_share.text(2)])
    assert shown == want
    assert log.comparison.rates_after.p.value < log.comparison.rates_before.p.value
    chance = {(cell.model, cell.task): cell.p for cell in BUNDLED}
    assert all(chance["tuned", task] > chance["base", task] for task in log.comparison_parts)


def test_options_and_choices_exist() -> None:
    options: set[str] = set()
    for name in ("report", "generate", "export-chain", "schema", "inspect"):
        options |= {flag for parameter in command.get_command(None, name).params for flag in parameter.opts}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE)) - {"--data", "--mdp"}
    assert len(named) > 10
    assert named <= options, named - options
    for words in (CHECKERS, SEGMENTERS):
        assert all(f"`{word}`" in PAGE for word in words)
    assert {"conversation", "transcript", "table"} <= set(READERS)
    keys = set(record_schema()["properties"])
    table = PAGE.split("| key | needed | meaning |")[1].split("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", "\n".join(row.split("|")[1] for row in table.splitlines() if "|" in row))) == keys


def test_files_named_exist() -> None:
    for target in re.findall(r"\]\(((?!https?:)[^)]+)\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target


@pytest.mark.parametrize("name", ["self-verification", "countdown-transcripts"])
def test_numbers_on_real_logs_are_those_of_the_experiments(name: str, tmp_path: Path) -> None:
    from dstheory.experiments import find_experiments, run_experiments

    block = PAGE.split(f"<!-- caption: {name} -->\n```\n")[1].split("\n```")[0]
    file = {"self-verification": "game24_selfverify.jsonl", "countdown-transcripts": "countdown_transcripts.jsonl"}[name]
    if not (ROLLOUTS / file).is_file():
        pytest.skip(f"the recorded episodes are not there: {file} belongs into shared/data beside the repository")
    (outcome,) = run_experiments(find_experiments([name]), tmp_path / "out", jobs=1, data=ROLLOUTS)
    assert outcome.status == "done", outcome.reason
    assert [line for line in outcome.caption.splitlines() if not line.startswith("Note: ")] == block.splitlines()


def _fill_logs() -> ModuleType:
    spec = spec_from_file_location("fill_logs", ROOT / "docs" / "fill_logs.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_of_logs_is_what_is_read() -> None:
    shared = ROLLOUTS.parent
    if not (shared / "cases").is_dir() or not (shared / "data" / "real").is_dir():
        pytest.skip("the logs are not there: they belong into shared/ beside the repository")
    module = _fill_logs()
    assert module.fill(PAGE, module.table(shared)) == PAGE


def test_the_list_of_formats_is_what_is_recognised() -> None:
    module = _fill_logs()
    page = module.FORMATS.read_text(encoding="utf-8")
    assert module.fill(page, module.formats_table(), "formats") == page


def test_the_table_of_logs_agrees_with_what_was_counted_without_the_package() -> None:
    lines = PAGE.split("<!-- logs -->")[1].split("<!-- end of logs -->")[0].strip().splitlines()
    rows = [line.split(" | ") for line in lines[2:]]
    assert len(rows) > 20
    for *_, p, a, b, counted in rows:
        shares = re.findall(r"(\d+) of (\d+)", counted)
        for said, (right, of) in zip((p, a, b), shares, strict=False):
            assert said == "-" if of == "0" else float(said.split()[0]) == pytest.approx(int(right) / int(of), abs=5e-4)
        assert all(said == "-" for said in (p, a, b)[len(shares) :])


def by_hand() -> dict[str, list[str]]:
    """Return the cells of the example that is worked out on the page, row by row."""
    text = PAGE.split("<!-- by hand -->")[1].split("<!-- end of by hand -->")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.strip().splitlines()[2:]]
    return {name: cells for name, *cells in rows}


def courses(p: Fraction, a: Fraction, b: Fraction) -> dict[tuple[tuple[bool, str], ...], Fraction]:
    """Return every episode of at most two attempts, each (right, decision), with its probability."""
    found = {}
    for first, chance in ((True, p), (False, 1 - p)):
        stop = a if first else 1 - b
        found[(first, "stop"),] = chance * stop
        for second, then in ((True, p), (False, 1 - p)):
            found[(first, "resample"), (second, "submit")] = chance * (1 - stop) * then
    return found


def test_the_parts_worked_out_by_hand_are_those_of_all_episodes_and_of_a_log_that_has_them(tmp_path: Path) -> None:
    """By adding up the probabilities of all episodes, in exact fractions, both orders of the two changes."""
    rows, old, new = by_hand(), Fraction(1, 2), Fraction(9, 10)
    means, records = [Fraction(0)] * 6, []
    for problem in "xy":
        p = [Fraction(cell) for cell in rows[problem][:2]]
        accuracy = {
            (q, d): sum(chance for course, chance in courses(p[q], rate, rate).items() if course[-1][0])
            for q in (0, 1)
            for d, rate in ((0, old), (1, new))
        }
        four = [accuracy[0, 0], accuracy[0, 1], accuracy[1, 0], accuracy[1, 1]]
        decide = [accuracy[q, 1] - accuracy[q, 0] for q in (0, 1)]
        sample = [accuracy[1, d] - accuracy[0, d] for d in (0, 1)]
        parts = [sum(effects) / 2 for effects in (decide, sample)]
        written = [f"({float(x):.3f} + {float(y):.3f})/2 = {(float(x) + float(y)) / 2:.3f}" for x, y in (decide, sample)]
        assert rows[problem][2:] == [*(f"{float(x):.3f}" for x in four), *written]
        means = [total + one / 2 for total, one in zip(means, [*four, *parts], strict=True)]
        for model, q, rate in (("base", 0, old), ("tuned", 1, new)):
            for course, chance in courses(p[q], rate, rate).items():
                times = 1000 * chance
                assert times == int(times)
                attempts = [{"correct": right, "decision": decision} for right, decision in course]
                records += [{"problem": problem, "model": model, "cap": 2, "attempts": attempts}] * int(times)
    assert rows["mean"][2:] == [f"{float(x):.3f}" for x in means]
    assert f"{float(means[4] / (means[3] - means[0])):.3f}, not the mean" in PAGE
    (tmp_path / "exact.jsonl").write_text("\n".join(map(json.dumps, records)))
    found = survey(read_log(tmp_path / "exact.jsonl"), compared=("base", "tuned")).comparison
    assert found is not None
    for part, value in ((found.gain, means[3] - means[0]), (found.decide, means[4]), (found.sample, means[5])):
        assert f"{part.value:.3f}" == f"{float(value):.3f}"
