"""Bad files: each gives one clear sentence with the file, the place, the value, the rule and the remedy."""

from __future__ import annotations

import gzip
import io
import tomllib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dstheory.anatomy import read_log
from dstheory.errors import DSTheoryError, FileFormatError
from dstheory.readers import read_chain
from dstheory.readers.chain_table import COLUMNS, check_columns
from dstheory.texts import shown

POLICY = "prompt,answer,correct,sample_probability,stop_probability\n"
BARE = "prompt,answer,correct"
CASES = tomllib.loads(Path(__file__).with_name("bad_files.toml").read_text(encoding="utf-8"))["case"]
TOP = '{"format": "dstheory-chain/1", '
TOO_MUCH = " has a number of thousands of digits or brackets nested by the thousand: it is not a chain; give another file"

# The same for files too long to be written out: name, content, sentence.
LONG_CASES = [
    (
        "thousand.csv",
        POLICY + "".join(f"p{i},1,1,-0.2,0.5\n" for i in range(1000)),
        ": sample_probability is -0.2 at line 2, -0.2 at line 3, -0.2 at line 4 (and 997 more): "
        "must lie in [0, 1]; correct that value",
    ),
    (
        "thousand-words.csv",
        POLICY + "".join(f"p{i},1,1,abc,0.5\n" for i in range(1000)),
        ": sample_probability is 'abc' at line 2, 'abc' at line 3, 'abc' at line 4 (and 997 more): "
        "must be a number, with a point before the decimals; correct it",
    ),
    (
        "thousand-sums.csv",
        POLICY + "".join(f"p{i},1,1,0.9,0.5\n" for i in range(1000)),
        ": the sum of sample_probability over prompt 'p0' (from line 2) is 0.9, "
        "the sum of sample_probability over prompt 'p1' (from line 3) is 0.9, "
        "the sum of sample_probability over prompt 'p2' (from line 4) is 0.9 (and 997 more): "
        "must be 1 to within 1e-09; divide by the sum, or give sample_logit, which is normalised",
    ),
    (
        "thousand-holes.csv",
        f"{BARE},cost\n" + "".join(f"p{i},1,1,\n" for i in range(1000)),
        ": cost is missing at line 2, line 3, line 4 (and 997 more): "
        "must be given in every row; fill it in, or leave the column out",
    ),
    (
        "thousand.jsonl",
        '{"prompt":"a","answer":"1","correct":"x"}\n' * 1000,
        ": correct is 'x' at line 1, 'x' at line 2, 'x' at line 3 (and 997 more): "
        "must be true or false, or 1 or 0, without quotes",
    ),
    (
        "wide.csv",
        f"{BARE}\n" + "".join(f"p{i},0,1\n" for i in range(4000)) + "".join(f"p0,{i},1\n" for i in range(1, 4000)),
        ": prompt 'p0' has 4,000 answers but the 4,000 prompts have 2.0 on average: a rectangle of 16,000,000 entries would be "
        "needed; put prompts of such different size into separate files",
    ),
    (
        "huge.json",
        f'{TOP}"gamma": 1{"0" * 400}, "prompts": [{{"correct": [1]}}]}}',
        ": gamma is a whole number of 401 digits: must fit a double; correct that value",
    ),
    ("deep.json", "[" * 100_000, TOO_MUCH),
    ("digits.json", f'{TOP}"gamma": {"1" * 5000}}}', TOO_MUCH),
    ("digits.jsonl", f'{{"prompt": {"1" * 5000}}}', f": line 1{TOO_MUCH}"),
    (
        "digits.toml",
        f"gamma = {'1' * 5000}",
        ": not valid TOML: a number has thousands of digits; correct that place",
    ),
]


def message(path: Path | str) -> str:
    """Return the sentence, checked to be one line that names the file and nothing of the machinery."""
    with pytest.raises(FileFormatError) as caught:
        read_chain(path)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    assert len(text) < 700
    for word in ("Traceback", "arrow", "Arrow", "ndarray", "Errno"):
        assert word not in text
    return text.removeprefix(str(path))


@pytest.mark.parametrize("case", CASES, ids=[case["file"] for case in CASES])
def test_the_catalogue(tmp_path: Path, case: dict[str, str]) -> None:
    path = tmp_path / case["file"]
    path.write_bytes(case["content"].encode())
    if case["says"].endswith("..."):
        assert message(path).startswith(case["says"].removesuffix("..."))
    else:
        assert message(path) == case["says"]


def test_the_catalogue_is_whole() -> None:
    assert len(CASES) == len({case["file"] for case in CASES}) > 100


@pytest.mark.parametrize(("name", "content", "says"), LONG_CASES, ids=[name for name, _, _ in LONG_CASES])
def test_long_files(tmp_path: Path, name: str, content: str, says: str) -> None:
    (tmp_path / name).write_bytes(content.encode())
    assert message(tmp_path / name) == says


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl", "x.json", "x.toml"])
def test_not_utf8(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"prompt,answer,correct\nCaf\xe9,1,1\n")
    assert message(tmp_path / name) == ": line 2 is not UTF-8 (byte 0xe9 in column 4): save the file as UTF-8"
    (tmp_path / name).write_bytes("prompt,answer,correct\na,1,1\n".encode("utf-16"))
    assert message(tmp_path / name).startswith(": line 1 is not UTF-8 (byte 0xff in column 1)")


def test_not_utf8_late_in_a_large_file(tmp_path: Path) -> None:
    """Where the reader has long begun."""
    (tmp_path / "x.csv").write_bytes(b"prompt,answer,correct\n" + b"".join(b"p%d,1,1\n" % i for i in range(5000)) + b"\xff,1,1\n")
    assert message(tmp_path / "x.csv").startswith(": line 5002 is not UTF-8 (byte 0xff in column 1)")


def test_lines_count_newlines_in_cells_and_blank_lines(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(f'{BARE},sample_length\n"a\nb",1,1,2\n\n"c\nd",1,1,0\nc,2,1,0\n')
    assert message(tmp_path / "x.csv").startswith(": sample_length is 0 at line 5, 0 at line 7: ")


def test_long_names_are_cut(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(POLICY + "q" * 5000 + ",1,1,0.5,0.5\n")
    assert "over prompt 'qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq...' (from line 2) is 0.5" in message(tmp_path / "x.csv")


def test_two_objects_on_a_line(tmp_path: Path) -> None:
    """Read like two lines; the place that is named is the right one."""
    good = '{"prompt":"a","answer":"%d","correct":1,"cost":%d}'
    (tmp_path / "x.jsonl").write_text(f"{good % (1, 0)} {good % (2, 0)}\n{good % (3, -1)}\n")
    assert message(tmp_path / "x.jsonl").startswith(": cost is -1 at line 2: ")


def test_object_over_several_lines(tmp_path: Path) -> None:
    """No line to name: the number of the row is given instead."""
    (tmp_path / "x.jsonl").write_text('{"prompt":"a","answer":"1","correct":1,\n"cost":-1}\n')
    assert message(tmp_path / "x.jsonl").startswith(": cost is -1 at row 0 (counted from 0): ")


def test_truncated_gzip(tmp_path: Path) -> None:
    data = gzip.compress((f"{BARE}\n" + "".join(f"p{i * 7919 % 10007},1,1\n" for i in range(9000))).encode())
    for cut in (12, len(data) // 2, len(data) - 4):
        (tmp_path / "x.csv.gz").write_bytes(data[:cut])
        assert "complete" in message(tmp_path / "x.csv.gz") or "cut off" in message(tmp_path / "x.csv.gz")


class TestParquet:
    def table(self, **columns: pa.Array) -> pa.Table:
        return pa.table({"prompt": ["a", "a"], "answer": ["1", "2"], "correct": [1, 0], **columns})

    @pytest.mark.parametrize(
        ("columns", "expected"),
        [
            ({"cost": [1.0, -1.0]}, ": cost is -1 at row 1 (counted from 0): must be finite and >= 0"),
            ({"cost": [None, 1.0]}, ": cost is missing at row 0 (counted from 0): must be given in every row"),
            ({"cost": ["x", "y"]}, ": column cost has the type string: must hold numbers; convert it"),
            ({"cost": [True, False]}, ": column cost has the type bool: must hold numbers"),
            ({"answer": [0.5, 1.5]}, ": column answer has the type double: must be text"),
            ({"correct": ["1", "0"]}, ": column correct has the type string: must hold numbers"),
            ({"costs": [1.0, 1.0]}, " has the unknown column 'costs': did you mean cost?"),
            ({"sample_logit": [1.0, 1.0]}, ": sample_logit is given without stop_probability"),
        ],
    )
    def test_columns(self, tmp_path: Path, columns: dict[str, pa.Array], expected: str) -> None:
        pq.write_table(self.table(**columns), tmp_path / "x.parquet")
        assert message(tmp_path / "x.parquet").startswith(expected)

    def test_no_rows(self, tmp_path: Path) -> None:
        pq.write_table(self.table().slice(0, 0), tmp_path / "x.parquet")
        assert message(tmp_path / "x.parquet").startswith(" has columns but no rows")

    def test_truncated(self, tmp_path: Path) -> None:
        sink = io.BytesIO()
        pq.write_table(self.table(), sink)
        data = sink.getvalue()
        for cut in (1, 4, len(data) // 2, len(data) - 1):
            (tmp_path / "x.parquet").write_bytes(data[:cut])
            assert message(tmp_path / "x.parquet").startswith(" is not a complete Parquet file")

    def test_damaged_inside(self, tmp_path: Path) -> None:
        sink = io.BytesIO()
        pq.write_table(self.table(), sink)
        data = bytearray(sink.getvalue())
        data[4:60] = b"\xff" * 56  # the first pages, behind the magic bytes
        (tmp_path / "x.parquet").write_bytes(data)
        assert message(tmp_path / "x.parquet").startswith(" is not a complete Parquet file")


def test_no_such_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert message("nowhere.csv") == f" does not exist: check the name; relative names start from {tmp_path}"


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".json"])
def test_directory(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"x{suffix}").mkdir()
    assert message(tmp_path / f"x{suffix}") == " is a directory: give the file in it"


def test_every_column_is_required_or_has_a_rule() -> None:
    """The three required columns suffice; each of them is missed."""
    required = {column.name for column in COLUMNS if column.required}
    check_columns(required, "x.csv")
    for name in required:
        with pytest.raises(FileFormatError, match=f"^x.csv: there is no column {name}"):
            check_columns(required - {name}, "x.csv")
    assert issubclass(FileFormatError, DSTheoryError)


def test_a_message_is_one_line_of_visible_characters_whatever_it_quotes(tmp_path: Path) -> None:
    """Also where a library's own words quote the file: Arrow's and Thrift's do."""
    assert str(DSTheoryError("a\x1b[31m\nb\udcff")) == "a\\x1b[31m\\nb\\xff"
    (tmp_path / "x.json").write_text('{"format": [' + "1" * 3000 + "]}")
    assert len(message(tmp_path / "x.json")) < 300
    assert len(shown(int("1" * 3000))) < 100
    (tmp_path / "y\x07.tsv").write_text("id\tcorrect\n1\t1\t1\n")
    with pytest.raises(DSTheoryError, match=r"y\\x07\.tsv cannot be read as a table .*1\\t1"):
        read_log(tmp_path / "y\x07.tsv")
