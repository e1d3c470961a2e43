"""The same records are the same log in JSON lines, JSON, CSV and Parquet, whatever types their writers gave the columns."""

from __future__ import annotations

import csv
import datetime
import io
import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dstheory.anatomy import from_frame, read_log
from dstheory.anatomy.episodes import Episodes
from dstheory.errors import RecordError
from dstheory.readers.final_answers import same_answer
from dstheory.readers.records import Verdicts, decision_word, parse_decisions

Rows = Sequence[dict[str, Any]]


def _cell(value: Any) -> str:
    return "" if value is None else json.dumps(value) if isinstance(value, bool) else str(value)


def _csv(rows: Rows) -> bytes:
    held = io.StringIO(newline="")
    writer = csv.writer(held)
    writer.writerow(rows[0])
    writer.writerows([[_cell(cell) for cell in row.values()] for row in rows])
    return held.getvalue().encode()


def _parquet(rows: Rows) -> bytes:
    held = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), held)
    return held.getvalue()


WRITERS: dict[str, Callable[[Rows], bytes]] = {
    "jsonl": lambda rows: b"".join(json.dumps(row).encode() + b"\n" for row in rows),
    "json": lambda rows: json.dumps(rows, indent=1).encode(),
    "csv": _csv,
    "parquet": _parquet,
}
everywhere = pytest.mark.parametrize("kind", WRITERS)


def _read(folder: Path, kind: str, rows: Rows, **options: Any) -> Episodes:
    path = folder / f"log.{kind}"
    path.write_bytes(WRITERS[kind](rows))
    return read_log(path, **options).episodes


def _of_columns(folder: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), folder / "log.parquet")
    return folder / "log.parquet"


def _single(*values: float) -> pa.Array:
    return pa.array(values, pa.float32())


# ---------------------------------------------------------------------- numbers of single precision, decimals, dates, bytes


def test_answers_in_a_column_of_single_precision_are_their_shortest_digits(tmp_path: Path) -> None:
    """1234.567 was 1234.5670166015625, and wrong; as the right answer, too."""
    texts = ["1234.567", "0.1", "3", "685.4451"]
    for answer, gold in ((_single(1234.567, 0.1, 3, 685.445), texts), (texts, _single(1234.567, 0.1, 3, 685.445))):
        found = read_log(_of_columns(tmp_path, problem=list("abcd"), answer=answer, gold=gold)).episodes
        assert found.correct.tolist() == [True, True, True, False]


def test_names_rules_and_joins_know_numbers_of_single_precision_as_they_were_written(tmp_path: Path) -> None:
    """A score of 0.7 was below 0.7, and no record had the temperature 0.7 or the id 0.1."""
    sample = {"prompt": ["a", "b"], "completion": ["x", "y"], "score": _single(0.7, 0.6), "t": _single(0.7, 0.6)}
    path = _of_columns(tmp_path, **sample)
    assert read_log(path, correct="score>=0.7").episodes.correct.tolist() == [True, False]
    assert read_log(path, correct="score>=0.6", where={"t": "0.7"}).episodes.problem_ids == ("a",)
    path = _of_columns(tmp_path, problem=_single(0.1, 0.2).dictionary_encode(), task=_single(0.1, 0.2), correct=[True, False])
    found = read_log(path).episodes
    assert found.problem_ids == found.fields["task"].names == ("0.1", "0.2")
    (tmp_path / "gold.jsonl").write_text('{"id": 0.1, "gold": 1}\n{"id": 0.2, "gold": 3}\n')
    path = _of_columns(tmp_path, id=_single(0.1, 0.2), text=[r"\boxed{1}", r"\boxed{2}"])
    assert read_log(path, gold=tmp_path / "gold.jsonl").episodes.correct.tolist() == [True, False]


def test_rows_that_are_attempts_have_names_of_single_precision_too(tmp_path: Path) -> None:
    rows = {"id": _single(0.1, 0.2, 0.1), "round": [0, 0, 1], "decision": ["resample", "stop", "stop"],
            "correct": [False, False, True], "task": _single(0.3, 0.4, 0.3)}  # fmt: skip
    frame = pd.DataFrame({name: np.array(cells) for name, cells in rows.items()})
    assert frame["task"].dtype == np.float32
    named = frame.astype({"task": "category"})
    for found in (read_log(_of_columns(tmp_path, **rows)).episodes, from_frame(frame).episodes, from_frame(named).episodes):
        assert found.problem_ids == ("0.1", "0.2")
        assert found.fields["task"].names == ("0.3", "0.4")


def test_every_decimal_is_the_double_nearest_to_it(tmp_path: Path) -> None:
    """More than one of ten was off by its last bit as Arrow converts them: 17.82 was the task 17.820000000000004."""
    rng = np.random.default_rng(5)
    cells = [Decimal(int(whole)).scaleb(-6) for whole in rng.integers(1, 10**12, 500)]
    column = pa.array(cells, pa.decimal128(18, 6))
    found = read_log(_of_columns(tmp_path, problem=column, correct=[True, False] * 250)).episodes
    wanted = [str(float(cell)).removesuffix(".0") for cell in cells]
    assert [found.problem_ids[i] for i in found.problem.tolist()] == wanted


def test_decimals_and_dates_within_lists_and_objects_are_read(tmp_path: Path) -> None:
    """A decimal there was no answer at all, and wrong."""
    steps = [{"draft": Decimal("1.5")}, {"draft": Decimal("2.5")}]
    extra = pa.array([{"gold": "1.5", "intermediate_steps": steps}])
    path = _of_columns(tmp_path, id=["a"], score=[1.0], extra=extra)
    assert read_log(path).episodes.correct.tolist() == [True, True]
    days = pa.array([[datetime.date(2020, 1, day)] for day in (1, 2)])
    found = read_log(_of_columns(tmp_path, problem=days, correct=[True, False])).episodes
    assert found.problem_ids == ('["2020-01-01"]', '["2020-01-02"]')


def test_dates_in_a_frame_are_labels(tmp_path: Path) -> None:
    """One was an empty name, and the others were not given."""
    days = pd.to_datetime(["2020-01-01", "2020-01-02"])
    frame = pd.DataFrame({"id": [1, 2], "correct": [True, False], "decision": ["stop", "stop"], "task": days})
    assert [name[:10] for name in from_frame(frame).episodes.fields["task"].names] == ["2020-01-01", "2020-01-02"]


def test_bytes_are_names_where_they_are_text_and_refused_where_they_are_none(tmp_path: Path) -> None:
    """Every row was a problem of its own, without a word."""
    path = _of_columns(tmp_path, problem=pa.array([b"a", b"b", b"a"]), correct=[True, False, True])
    assert read_log(path).episodes.problem_ids == ("a", "b")
    path = _of_columns(tmp_path, problem=pa.array([b"a\xff", b"b", b"a\xff"]), correct=[True, False, True])
    with pytest.raises(RecordError, match=r"problem holds bytes, and names problems: must be text, a number or a list"):
        read_log(path)


# ---------------------------------------------------------------------- answers


@everywhere
@pytest.mark.parametrize(("answer", "gold", "right"), [
    ("12345678901234567891", 12345678901234567891, True), ("12345678901234567891", 12345678901234567890, False),
    (True, True, True), ("true", True, True), (True, "false", False), ("2020-01-01", "2020-01-01", True),
    ("12:30", "12:31", False), (1e16, "10000000000000000", True), (-0.0, 0, True), ("007", 7, True), ("50%", 0.5, True),
    (0.00001, "0.00001", True), (1.0, "1", True), ("é", "e\u0301", True), ("1,000", 1000, True),
])  # fmt: skip
def test_answers_are_compared_alike_in_every_format(tmp_path: Path, kind: str, answer: Any, gold: Any, right: bool) -> None:
    """In CSV a right answer of 20 digits had 16, a date or a truth was none; in JSON true was no answer."""
    if kind == "parquet" and isinstance(gold, int) and gold >= 2**63:
        gold = Decimal(gold)
    rows = [{"problem": i, "answer": answer, "gold": gold} for i in range(2)]
    assert _read(tmp_path, kind, rows).correct.tolist() == [right, right]


@everywhere
def test_answers_in_turn_are_compared_as_written(tmp_path: Path, kind: str) -> None:
    """In CSV the first two of these were one number, 12345678901234567000."""
    whole = 12345678901234567891
    values = [str(whole - 1), str(whole), str(whole)] if kind == "parquet" else [whole - 1, whole, whole]
    rows = [dict(zip(("first", "second", "gold"), values, strict=True))] * 2
    made = tmp_path / "mine.toml"
    head = 'name = "mine"\ntitle = "mine"\nreader = "records"\nkeys = ["first"]\nchecker = "final-answer"\n'
    made.write_text(f'{head}turns = ["first", "second"]\n[fields]\ngold = ["gold"]\n')
    assert _read(tmp_path, kind, rows, format=str(made)).correct.tolist() == [False, True] * 2


@everywhere
def test_answers_of_another_file_are_compared_as_written(tmp_path: Path, kind: str) -> None:
    whole = 12345678901234567891
    log = [{"id": i, "pred": str(whole)} for i in range(2)]
    (tmp_path / "gold").mkdir()
    gold = tmp_path / "gold" / f"gold.{kind}"
    gold.write_bytes(WRITERS[kind]([{"id": i, "gold": str(whole - i)} for i in range(2)]))
    assert _read(tmp_path, "jsonl", log, gold=gold).correct.tolist() == [True, False]


@pytest.mark.parametrize(("answer", "gold", "right"), [
    (r"6.6 \times 10^{-34}", r"1.2 \times 10^{-34}", False), ("0.0000002", "0.0000001", False), ("0.0000001", "0.0", False),
    (r"6.62607 \times 10^{-34}", r"6.6261 \times 10^{-34}", True), ("0.016667", "1/60", True), ("0.166667", "1/6", True),
    ("0.0000002%", "0.0000001%", False), ("0.000123456", "0.0001234561", True), ("(0.0000001, 2)", "(0.0000002, 2)", False),
    ("0.0000001", "10^{-8}", False), ("0.00000001", "10^{-8}", True), ("(0.333333, 10^{-3})", "(1/3, 0.001)", True),
    ("(0.333333, 0.00001)", "(1/3, 10^{-5})", True), (r"\{0.00001, 1/3\}", r"\{0.333333, 0.00001\}", True),
    (r"(6.6 \times 10^{-34}, 2)", r"(1.2 \times 10^{-34}, 2)", False), ("(2, 0)", "(2, 0.0000001)", False),
    (r"(\sqrt{2} \cdot 10^{-34}, 2)", r"(\sqrt{3} \cdot 10^{-34}, 2)", False), ("0.001667", "1/600", True),
    ("0.0001667", "1/6000", True), ("0.000167", "1/6000", False), ("(0.000167, 2)", "(1/6000, 2)", False),
    ("0.00012345", "0.000123450001", True), ("0.00099996", "0.001", True),
    (r"3.1416 \times 10^{-5}", r"\pi \times 10^{-5}", True), ("e^{-80}", "e^{-81}", False), (r"e^{-80}", r"1/e^{80}", True),
    (r"x = \frac{1.2}{10^{34}}", r"x = \frac{6.6}{10^{34}}", False),
    (r"x = 1.2 \times 10^{-34}", r"x = 1.2000 \cdot 10^{-34}", True),
    ("x = 0.0000001", "x = 0.0000002", False), (r"x = e^{-80}", r"x = e^{-81}", False),
    (r"y = 2x + 10^{-20}", "y = 2x", False),
    (r"\frac{\sqrt{2}}{10^{30}}", r"\frac{2}{\sqrt{2} \cdot 10^{30}}", True),
    (r"\frac{1}{10^{30}+1}", "10^{-30}", False), (r"\frac{1.2}{10^{34}}", "6.6e-34", False),
])  # fmt: skip
def test_small_numbers_differ_by_their_digits(answer: str, gold: str, right: bool) -> None:
    """All that are equal to six decimals were the same, so all small ones."""
    assert same_answer(answer, gold) is right


# ---------------------------------------------------------------------- words of rules


@everywhere
@pytest.mark.parametrize(("values", "rule", "right"), [
    ([0.1234567, 0.1234571], "0.1234567=true,0.1234571=false", [True, False]),
    ([1, 0], "1.0=false,0.0=true", [False, True]), (["1.0", "0.0"], "1=false,0=true", [False, True]),
    (["True", "False"], "true=false,false=true", [False, True]), (["Yes", "No"], "yes=false,no=true", [False, True]),
    ([-1.0, 1.0], "-1=true,1=false", [True, False]), ([1e-7, 1.0], "0.0000001=true,1=false", [True, False]),
    ([2**53 + 1, 2**53], "9007199254740993=true,9007199254740992=false", [True, False]),
])  # fmt: skip
def test_rules_know_numbers_and_truths_however_they_are_written(
    tmp_path: Path, kind: str, values: list[Any], rule: str, right: list[bool]
) -> None:
    """What a rule called wrong was right where the log wrote it in another way: True for true, 1.0 for 1."""
    found = _read(tmp_path, kind, [{"problem": i, "correct": value} for i, value in enumerate(values)], correct=rule)
    assert found.correct.tolist() == right


def test_words_of_formats_are_those_of_rules() -> None:
    assert parse_decisions(["1.0=resample,False=stop"]) == {"1": "resample", "false": "stop"}
    assert decision_word(0.1234571, parse_decisions(["0.1234567=stop"])) == 0.1234571
    assert Verdicts.parse(["01=true,1=false"])("01") is True
    with pytest.raises(RecordError, match=r"says two things of '1\.0', false and true"):
        Verdicts.parse(["1=false,1.0=true"])


# ---------------------------------------------------------------------- names


@everywhere
@pytest.mark.parametrize(("values", "names"), [
    (["1", "1.0"], ["1", "1.0"]), (["01", "1"], ["01", "1"]), (["true", "True"], ["true", "True"]),
    ([True, False], ["true", "false"]),
    (["0.1", "0.10"], ["0.1", "0.10"]), (["1e5", "100000"], ["1e5", "100000"]), (["-0", "0"], ["-0", "0"]),
    (["a", "a "], ["a", "a "]), (["é", "e\u0301"], ["é", "e\u0301"]), (["1,000", "1000"], ["1,000", "1000"]),
    ([2**53, 2**53 + 1], ["9007199254740992", "9007199254740993"]), ([0.1, 0.2], ["0.1", "0.2"]),
    (["2020-01-01", "2020-01-02"], ["2020-01-01", "2020-01-02"]), (["inf", "-inf"], ["inf", "-inf"]),
])  # fmt: skip
def test_names_are_texts_as_written(tmp_path: Path, kind: str, values: list[Any], names: list[str]) -> None:
    found = _read(tmp_path, kind, [{"problem": value, "task": value, "correct": True} for value in values])
    assert [found.problem_ids[i] for i in found.problem.tolist()] == names
    assert [found.fields["task"].names[code] for code in found.fields["task"].codes.tolist()] == names
