"""Tables of experiments: what a machine reads has every digit, what people read has few, and neither hides a hole."""

from __future__ import annotations

import csv
import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dstheory.experiments import cells, columns, csv_text, markdown_text, write_table

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=12)
numbers = st.floats(allow_nan=False) | st.integers(-(10**12), 10**12)
tables = st.lists(st.fixed_dictionaries({"a": texts, "b, |": numbers, "c": st.none() | numbers}), min_size=1, max_size=5)


@given(tables)
def test_csv_gives_back_every_digit(rows) -> None:
    back = list(csv.DictReader(io.StringIO(csv_text(rows))))
    assert len(back) == len(rows)
    for row, read in zip(rows, back, strict=True):
        assert read["a"] == row["a"]
        assert type(row["b, |"])(read["b, |"]) == row["b, |"]
        assert (None if read["c"] == "" else type(row["c"])(read["c"])) == row["c"]


def test_numbers_of_numpy_are_numbers() -> None:
    rows = [{"n": np.int64(3), "x": np.float64(0.1), "y": np.float32(0.5), "z": np.float64("nan"), "w": np.array(2.0)}]
    assert csv_text(rows) == "n,x,y,z,w\n3,0.1,0.5,,2.0\n"
    assert cells(rows) == [["3", "0.1", "0.5", "-", "2"]]


def test_infinity_is_not_a_hole() -> None:
    assert csv_text([{"x": math.inf}]) == "x\ninf\n"
    assert cells([{"x": -math.inf}]) == [["-inf"]]


def test_markdown_aligns_numbers_right_and_breaks_no_cell() -> None:
    text = markdown_text([{"a|b": "x|\ny", "n": None}, {"a|b": "z", "n": 1.23456}])
    assert text == "| a\\|b | n |\n| --- | ---: |\n| x\\| y | - |\n| z | 1.235 |\n"


def test_a_text_is_written_as_it_is(tmp_path) -> None:
    (path,) = write_table("two\nlines", tmp_path / "a.b")
    assert (path.name, path.read_text()) == ("a.b.txt", "two\nlines\n")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "a table has no rows: give at least one"),
        ([{"p": 1}, {"q": 1}], "row 1 of a table has the columns ['q']: must be those of row 0, ['p']"),
    ],
)
def test_tables_that_are_none(rows, words: str) -> None:
    with pytest.raises(ValueError) as caught:
        columns(rows)
    assert str(caught.value) == words
