"""docs/long_texts.md: what it shows is what the commands print, and its numbers are counted by another way than the readers'."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "long_texts.md").read_text(encoding="utf-8")
RECORDS = [json.loads(line) for line in (ROOT / "examples" / "long_texts.jsonl").read_text(encoding="utf-8").splitlines()]
NEW_ATTEMPT = re.compile(r"\b(wait|hmm)\b", re.IGNORECASE)  # of the markers these texts have no others


def once(candidates: list[str]) -> list[str]:
    return [said for i, said in enumerate(candidates) if i == 0 or said != candidates[i - 1]]


def last_of_each_part(text: str) -> list[str]:
    parts = (re.findall(r"\d+", part) for part in NEW_ATTEMPT.sub("|", text).split("|"))
    return [numbers[-1] for numbers in parts if numbers]


WAYS: dict[str, Callable[[str], list[str]]] = {
    r"--pattern 'Answer: (\S+)'": lambda text: once(re.findall(r"Answer: (\d+)", text)),
    "--segment markers": last_of_each_part,
    r"--pattern '(\d+)'": lambda text: once(re.findall(r"\d+", text)),
}


def counted(find: Callable[[str], list[str]]) -> list[str]:
    """p, a and b of the file, as fractions of counts, with three decimals."""
    rates = {"p": [0, 0], "a": [0, 0], "b": [0, 0]}
    for record in RECORDS:
        candidates = find(record["transcript"])
        for i, said in enumerate(candidates):
            right, stops = said == record["gold"], i + 1 == len(candidates)
            for name, success in (("p", right), ("a", stops) if right else ("b", not stops)):
                rates[name][0] += success
                rates[name][1] += 1
    return [f"{successes / trials:.3f}" for successes, trials in rates.values()]


def test_what_is_shown_is_what_the_commands_print(dstheory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_from_file_location("fill_tables", ROOT / "docs" / "fill_tables.py")
    assert spec
    assert spec.loader
    fill = module_from_spec(spec)
    spec.loader.exec_module(fill)
    monkeypatch.setenv("COLUMNS", fill.WIDTH)
    (tmp_path / "examples").symlink_to(ROOT / "examples")

    def run(command: str) -> str:
        ran = dstheory(*shlex.split(command))
        assert ran.code == 0, f"{command}: {ran.err}"
        return ran.out

    assert fill.page(PAGE, run) == PAGE, "`python docs/fill_tables.py` renews what commands print"


@pytest.mark.parametrize("option", WAYS)
def test_the_table_is_counted_by_hand_and_by_the_command(dstheory, option: str) -> None:
    rates = counted(WAYS[option])
    assert f"| `{option}` | {' | '.join(rates)} |" in PAGE
    ran = dstheory("anatomy", ROOT / "examples" / "long_texts.jsonl", *shlex.split(option), "--brief")
    assert ran.code == 0, ran.err
    for name, rate in zip("pab", rates, strict=True):
        assert re.search(rf"^  {name} \(.*\): {rate} \[", ran.out, flags=re.MULTILINE), name
    assert ran.out.startswith("Does resampling help? Yes.")


def test_the_code_of_the_page_gives_its_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    found: dict[str, float] = {}
    exec(compile(code, "long_texts.md", "exec"), found)
    assert f"That gives p, a, b = {', '.join(f'{found[name]:.3f}' for name in 'pab')}." in PAGE
    each = counted(lambda text: re.findall(r"Answer: (\d+)", text))
    assert f"with each `Answer:` counted, p, a, b are {', '.join(each)}." in PAGE
    assert not any(re.findall(r"\d+", record["transcript"])[0] == record["gold"] for record in RECORDS)


def test_the_record_that_is_shown_is_one_of_the_file() -> None:
    shown = next(record for record in RECORDS if record["problem"] == "sum-003")
    assert f'{{"problem": "sum-003", "gold": "{shown["gold"]}", "transcript":' in PAGE
    assert "\n".join(f"  {line}" for line in shown["transcript"].splitlines()) in PAGE
