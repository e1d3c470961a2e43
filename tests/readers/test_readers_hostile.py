"""Hostile files, each once the cause of a wrong answer or a crash: one reader, one answer, whatever stands before or after."""

from __future__ import annotations

import contextlib
import datetime
import gzip
import json
import os
import warnings
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import CHARACTERS

from dstheory import TwoStageMDP
from dstheory.anatomy import Episodes, read_log
from dstheory.errors import DSTheoryError, FileFormatError, RecordError
from dstheory.readers import read_chain, streams, tables, write_chain
from dstheory.readers.batches import parse_record
from dstheory.readers.documents import zipped
from dstheory.readers.json_values import LineDecoder, NotJSON, decode
from dstheory.readers.records import FieldNames

STEPS = [{"correct": False, "decision": "resample"}, {"correct": True, "decision": "stop"}]
DEEP = "[" * 20_000 + "]" * 20_000


def record(**head: Any) -> str:
    return json.dumps({**head, "attempts": STEPS})


def log(path: Path, *lines: str) -> Any:
    path.write_text("\n".join(lines) + "\n")
    return read_log(path)


def labels(episodes: Episodes, name: str) -> list[str]:
    column = episodes.column(name)
    return [column.names[code] for code in column.codes]


# ---------------------------------------------------------------------- fields and labels


@pytest.mark.parametrize("first", [0, 7, 19])
def test_fields_are_the_union_over_all_records_in_any_order(tmp_path: Path, first: int) -> None:
    """A record without task, problem and model, wherever it stands, takes none of them from the others."""
    lines = [record(id=i, task=f"t{i % 2}", problem=f"p{i % 5}", model="m") for i in range(19)]
    lines.insert(first, record(id="bare"))
    found = log(tmp_path / "a.jsonl", *lines).episodes
    assert found.n_problems == 6
    tasks = [f"t{i % 2}" for i in range(19)]
    assert labels(found, "task") == [*tasks[:first], "(not given)", *tasks[first:]]
    assert set(labels(found, "model")) == {"m", "(not given)"}


def test_labels_are_the_same_however_many_records_are_read_at_once(tmp_path: Path) -> None:
    """Numbers of several types, lists with nulls, large numbers: as the reader of single records has it."""
    heads = [
        {"difficulty": 0.5, "problem": [1, None, 2]},
        {"difficulty": 100_000_000_000_000_001, "problem": "p"},
        {"difficulty": 1, "problem": True},
        {"difficulty": 1.0, "problem": 1},
        {"difficulty": True, "problem": None},
        {"difficulty": "1", "problem": [True, 1, 1.0]},
    ]
    found = log(tmp_path / "a.jsonl", *(record(id=i, **head) for i, head in enumerate(heads))).episodes
    single = [parse_record({"id": i, **head, "attempts": STEPS}, FieldNames()) for i, head in enumerate(heads)]
    assert labels(found, "difficulty") == [each.labels[1] for each in single]
    assert [found.problem_ids[code] for code in found.problem] == [each.problem for each in single]


def test_repeated_keys_and_nan_are_refused_wherever_they_stand(tmp_path: Path) -> None:
    good, end = record(id=1), record(id=9)
    odd = [
        record(id=2)[:-1] + ', "note": NaN}',
        record(id=3)[:-1] + ', "note": {"a": 1, "a": 2}}',
        record(id=4)[:-1] + ', "\\u0069d": 5}',  # "id" once more, in other letters
        record(id=6)[:-1] + ', "a": "\\u0022", "b": 1, "b": 2}',
    ]
    found = log(tmp_path / "a.jsonl", good, "", *odd, "", '{"id": 7}', end)
    assert found.reading.faults == {"not-json": 4, "no-attempts": 1}
    assert [text.split(": ", 1)[1][:7] for text in found.reading.examples["not-json"]] == ["line 3:", "line 4:", "line 5:"]
    assert "line 8: attempts is missing" in found.reading.examples["no-attempts"][0]
    assert found.episodes.problem_ids == ("1", "9")


def test_lines_of_a_table_count_blank_lines_and_line_ends_in_cells(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,correct,note\na,1,"x\ny"\n\nb,maybe,z\n')
    (example,) = read_log(path).reading.examples["correct"]
    assert example.startswith(f"{path}: line 5: correct is 'maybe': must be true or false (or 1 or 0)")


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(CHARACTERS, max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(CHARACTERS, max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(VALUES)
def test_strict_json_gives_what_was_written(value: Any) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
        found = decode(text)
        assert found == value
        assert json.dumps(found) == json.dumps(value)
    line = json.dumps(value).encode()
    assert LineDecoder().decode(line + b"\n\n" + line) == [value, value]


@given(st.lists(st.tuples(st.sampled_from("abé"), VALUES), min_size=1, max_size=4), st.booleans())
def test_a_repeated_key_is_never_dropped(pairs: list[tuple[str, Any]], ascii_only: bool) -> None:
    text = "{" + ", ".join(f"{json.dumps(key, ensure_ascii=ascii_only)}: {json.dumps(value)}" for key, value in pairs) + "}"
    if len({key for key, _ in pairs}) == len(pairs):
        assert decode(text.encode()) == dict(pairs)
    else:
        assert LineDecoder().decode(text.encode()) is None
        with pytest.raises(NotJSON, match="is given twice in one object"):
            decode(text.encode())


# ---------------------------------------------------------------------- what crashed


@pytest.mark.parametrize("lines", [("null", record(id=1)), (record(id=1), "null"), ("null", record(id=1), "null")])
def test_null_on_a_line_of_its_own(tmp_path: Path, lines: tuple[str, ...]) -> None:
    found = log(tmp_path / "a.jsonl", *lines)
    assert (len(found.episodes), found.reading.faults) == (1, {"not-a-record": len(lines) - 1})


@pytest.mark.parametrize("options", [{"path": "a\0"}, {"path": "a\0*"}, {"gold": "a\0"}, {"format": "a\0.toml"}])
def test_a_path_with_a_null_character(tmp_path: Path, options: dict[str, Any]) -> None:
    options = dict(options)
    log = tmp_path / "a.jsonl"
    log.write_text('{"id": 1, "answer": "4", "gold": "4"}\n')
    with pytest.raises(FileFormatError, match=r"'a\\x00\S*' holds the character with code 0, which no name of a file may"):
        read_log(options.pop("path", log), **options)


def test_a_file_that_is_null(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"null")
    with pytest.raises(RecordError, match="line 1: holds null: must be an object"):
        read_log(path)
    with pytest.raises(FileFormatError, match="line 1 holds null: must be an object"):
        read_chain(path)


def test_brackets_nested_by_the_thousand(tmp_path: Path) -> None:
    found = log(tmp_path / "a.jsonl", record(id=1), f'{{"id": 2, "note": {DEEP}}}', record(id=3))
    assert (len(found.episodes), found.reading.faults) == (2, {"not-json": 1})
    path = tmp_path / "chain.jsonl"
    path.write_text(f'{{"prompt": "a", "answer": "1", "correct": 1}}\n{DEEP}\n')
    with pytest.raises(FileFormatError, match="line 2 has a number of thousands of digits or brackets nested by the thousand"):
        read_chain(path)


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("id,correct,task\na,1,café\nb,0,x\n".encode("latin-1"))
    with pytest.raises(FileFormatError, match=r"line 2 is not UTF-8 \(byte 0xe9 in column 8\): save the file as UTF-8"):
        read_log(path)
    path = tmp_path / "chain.jsonl"
    path.write_bytes(b'{"prompt": "caf\xe9", "answer": "1", "correct": 1}\n')
    with pytest.raises(FileFormatError, match="line 1 is not UTF-8"):
        read_chain(path)


@pytest.mark.parametrize("rows", [1, 30_000])
def test_bytes_that_are_not_utf8_in_a_column_that_nobody_reads(tmp_path: Path, rows: int) -> None:
    """Wherever they stand: a file is text, or it is not."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"id,correct,note\n" + b"a,1,x\n" * rows + b"b,0,caf\xe9\n")
    with pytest.raises(FileFormatError, match=rf"line {rows + 2} is not UTF-8 \(byte 0xe9 in column 8\)"):
        read_log(path)


def test_carriage_returns_in_a_header(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"id\r,correct\na,1\n")
    with pytest.raises(FileFormatError, match="cannot be read as a table"):
        read_log(path)
    path.write_bytes(b"id,correct\ra,1\rb,0\r")
    assert read_log(path).episodes.correct.tolist() == [True, False]


@pytest.mark.parametrize("column", ["id", "correct", "decision", "task", "cap"])
@pytest.mark.parametrize("cells", [[[1], [2]], [{"a": 1}, {"a": 2}]])
def test_nested_columns_of_a_parquet_log(tmp_path: Path, column: str, cells: list[Any]) -> None:
    plain = {"id": ["a", "b"], "correct": [1, 0], "decision": ["stop", "stop"], "task": ["t", "t"], "cap": [2, 2]}
    pq.write_table(pa.table({**plain, column: cells}), tmp_path / "a.parquet")
    with pytest.raises(RecordError, match=f"column '{column}' has the type .*: must hold text, numbers, or true and false"):
        read_log(tmp_path / "a.parquet")


def test_parquet_with_a_changed_byte_is_refused_or_the_same(tmp_path: Path) -> None:
    """What was written here has checksums; of another's table it is at least an error, and the process goes on."""
    mdp = TwoStageMDP(correct=[[1, 0, 1], [0, 1, 1]], sample_length=[[1, 2, 3], [4, 5, 6]])
    write_chain(tmp_path / "ours.parquet", mdp)
    plain = {"id": ["a", "a", "b"], "correct": [0, 1, 1], "decision": ["resample", "stop", "stop"], "task": ["t", "t", "u"]}
    pq.write_table(pa.table(plain), tmp_path / "theirs.parquet")
    for name in ("ours", "theirs"):
        whole = (tmp_path / f"{name}.parquet").read_bytes()
        for place in range(0, len(whole), 15):
            changed = bytearray(whole)
            changed[place] ^= 1 << (place // 15) % 8
            (tmp_path / "a.parquet").write_bytes(changed)
            with contextlib.suppress(FileFormatError, RecordError):
                if name == "theirs":
                    read_log(tmp_path / "a.parquet")
                    continue
                found = read_chain(tmp_path / "a.parquet")
                assert found.answers == (("0", "1", "2"), ("0", "1", "2"))
                np.testing.assert_array_equal(found.mdp.correct, mdp.correct)
                np.testing.assert_array_equal(found.mdp.sample_length, mdp.sample_length)


def test_a_number_of_rows_that_was_changed(tmp_path: Path) -> None:
    """Arrow reads as many rows as the parts of a file are said to have."""
    path = tmp_path / "a.parquet"
    write_chain(path, TwoStageMDP(correct=[[1, 0, 1], [0, 1, 1]], sample_length=[[1, 2, 3], [4, 5, 6]]))
    data = bytearray(path.read_bytes())
    place = data.index(b"\x19\x1c\x18\x0cARROW:schema") - 7  # of the only part: 6, written as twice that
    assert data[place] == 12
    data[place] = 8
    path.write_bytes(data)
    with pytest.raises(FileFormatError, match="its parts do not have as many rows as the whole"):
        read_chain(path)


def test_quoted_cells_that_look_like_rows(tmp_path: Path) -> None:
    """More than the parser takes at a time."""
    path = tmp_path / "a.csv"
    path.write_text("id,correct,decision,text\n" + "".join(f'{i},1,stop,"x\nz{i},0,stop,y"\n' for i in range(60_000)))
    found = read_log(path)
    assert (len(found.episodes), bool(found.episodes.correct.all()), found.reading.faults) == (60_000, True, {})


# ---------------------------------------------------------------------- what would need all memory, or never end


CHAINS = [".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".json", ".toml", ".parquet"]
LOGS = [".jsonl", ".csv", ".tsv", ".parquet", ".jsonl.gz", ".csv.zst"]


DEVICE = next(path for path in map(Path, ("/dev/zero", "/dev/full", "/dev/null")) if path.is_char_device())


@pytest.mark.parametrize("suffix", [*CHAINS, *LOGS])
@pytest.mark.parametrize("kind", ["pipe", "device", "directory"])
def test_only_regular_files_are_read(tmp_path: Path, kind: str, suffix: str) -> None:
    """A pipe that nobody writes into is not waited for; what comes out of a device has no end."""
    path = tmp_path / f"a{suffix}"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to(DEVICE)
    else:
        path.mkdir()
    for read in [read_chain] * (suffix in CHAINS) + [read_log] * (suffix in LOGS):
        with pytest.raises(FileFormatError, match=f"is a {kind}(: | in which no file ends in)"):
            read(path)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".json", ".toml"])
def test_a_file_of_zeros_is_refused_after_a_while(tmp_path: Path, suffix: str) -> None:
    """As large as a disk may be, but with nothing on it."""
    path = tmp_path / f"a{suffix}"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(FileFormatError, match=r"longer than 64 MB|longer than 1 MB|larger than 64 MB") as caught:
        read_chain(path)
    assert suffix == ".csv" or "DSTHEORY_LIMITS=2 in the environment doubles them" in str(caught.value)
    if suffix in (".csv", ".jsonl"):
        with pytest.raises(FileFormatError, match=r"longer than (64|1) MB"):
            read_log(path)


ROWS = {".csv": "prompt,answer,correct\n", ".jsonl": ""}


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_table_that_is_packed_too_well(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused long before all of it is unpacked; read where the user raises the limits."""
    monkeypatch.setattr(streams, "PACKED_WELL", 1 << 18)
    row = {".csv": "a,%d,1\n", ".jsonl": '{"prompt":"a","answer":"%d","correct":1}\n'}[suffix]
    blank = " " * 200 + "\n" if suffix == ".jsonl" else "\n" * 200
    data = (ROWS[suffix] + "".join(row % i for i in range(10)) + blank * 10_000).encode()
    path = tmp_path / f"a{suffix}.gz"
    path.write_bytes(gzip.compress(data))
    with pytest.raises(FileFormatError, match=r"is more than 200 times as large unpacked: .* DSTHEORY_LIMITS=2"):
        read_chain(path)
    if suffix == ".csv":
        with pytest.raises(FileFormatError, match="is more than 200 times as large unpacked"):
            read_log(path)
    monkeypatch.setenv("DSTHEORY_LIMITS", "100")
    assert read_chain(path).mdp.n_answers.tolist() == [10]


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".jsonl"])
def test_a_table_that_is_too_large(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"a{suffix}"
    write_chain(path, TwoStageMDP(correct=np.ones((50, 20))))
    monkeypatch.setattr(streams, "LARGEST_TABLE", 10_000)
    with pytest.raises(FileFormatError, match=r"is larger than 10,000 bytes: give it in parts, .* DSTHEORY_LIMITS=2"):
        read_chain(path)
    monkeypatch.setenv("DSTHEORY_LIMITS", "10")
    assert read_chain(path).mdp.shape == (50, 20)
    for wrong in ("0.5", "many", "nan", "inf"):
        monkeypatch.setenv("DSTHEORY_LIMITS", wrong)
        with pytest.raises(DSTheoryError, match=f"DSTHEORY_LIMITS is '{wrong}': must be a finite number >= 1"):
            read_chain(path)


def test_a_parquet_table_of_many_rows_in_few_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    n = 300_000
    chain = {"prompt": np.repeat("a", n), "answer": np.repeat("b", n), "correct": np.ones(n, np.int8)}
    pq.write_table(pa.table(chain), tmp_path / "a.parquet", use_dictionary=True)
    assert (tmp_path / "a.parquet").stat().st_size < 10_000
    monkeypatch.setattr(tables, "MOST_CELLS", 10**5)
    with pytest.raises(FileFormatError, match="has 300,000 rows of 3 columns: a table may have 100,000 cells"):
        read_chain(tmp_path / "a.parquet")
    pq.write_table(pa.table({"id": chain["prompt"], "correct": chain["correct"]}), tmp_path / "log.parquet")
    with pytest.raises(FileFormatError, match="has 300,000 rows of 2 columns"):
        read_log(tmp_path / "log.parquet")


def test_a_long_text_that_many_rows_share_is_there_once(tmp_path: Path) -> None:
    """A hundred thousand rows with the same 100 kB would be 10 GB."""
    n = 100_000
    long = pa.DictionaryArray.from_arrays(np.zeros(n, np.int32), ["x" * 100_000])
    chain = {"prompt": long, "answer": [str(i) for i in range(n)], "correct": np.ones(n, np.int8)}
    pq.write_table(pa.table(chain), tmp_path / "a.parquet")
    assert read_chain(tmp_path / "a.parquet").mdp.shape == (1, n)
    log = {"id": chain["answer"], "correct": chain["correct"], "task": long, "decision": np.repeat("stop", n)}
    pq.write_table(pa.table(log), tmp_path / "log.parquet")
    assert len(read_log(tmp_path / "log.parquet").episodes) == n
    rollouts = {"input": long, "output": np.repeat("4", n), "score": np.ones(n)}
    pq.write_table(pa.table(rollouts).slice(0, 3_000), tmp_path / "rollouts.parquet")
    with counted_texts() as most:
        assert len(read_log(tmp_path / "rollouts.parquet").episodes) == 3_000
    assert most[0] <= 64 * 2**20


@contextlib.contextmanager
def counted_texts() -> Iterator[list[int]]:
    """The most characters of prompts that are there in one part of a file."""
    most, original = [0], tables.open_parquet

    class Counting:
        def __init__(self, file: Any) -> None:
            self.file = file

        def iter_batches(self, **how: Any) -> Iterator[Any]:
            for batch in self.file.iter_batches(**how):
                yield Batch(batch)

    class Batch:
        def __init__(self, batch: Any) -> None:
            self.batch = batch
            self.num_rows, self.columns, self.schema = batch.num_rows, batch.columns, batch.schema

        def slice(self, *place: int) -> Any:
            return Batch(self.batch.slice(*place))

        def validate(self, full: bool) -> None:
            self.batch.validate(full=full)

        def to_pylist(self) -> list[Any]:
            rows: list[Any] = self.batch.to_pylist()
            most[0] = max(most[0], sum(len(row.get("input", "")) for row in rows))
            return rows

    @contextlib.contextmanager
    def counting(*arguments: Any) -> Iterator[Any]:
        with original(*arguments) as (file, asked):
            yield Counting(file), asked

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "open_parquet", counting)
        yield most


def test_codes_of_dictionaries_that_are_in_no_order(tmp_path: Path) -> None:
    """Names that no row has, names given twice, another dictionary in each part of the file."""
    names = pa.chunked_array([
        pa.DictionaryArray.from_arrays(pa.array([2, 0, 3], pa.int32()), ["b", "unused", "c", "b"]),
        pa.DictionaryArray.from_arrays(pa.array([1, 0], pa.int32()), ["a", "c"]),
    ])  # fmt: skip
    table = pa.table({"prompt": names, "answer": ["1", "2", "3", "4", "5"], "correct": [1, 0, 1, 0, 1]})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=3)
    found = read_chain(tmp_path / "a.parquet")
    assert (found.mdp.prompts, found.answers) == (("c", "b", "a"), (("1", "4"), ("2", "3"), ("5",)))


# ---------------------------------------------------------------------- tables of other hands


def test_a_column_of_a_parquet_file_is_there_once(tmp_path: Path) -> None:
    """The second of two columns was taken without a word; one that nobody asks for may be there twice."""
    path = tmp_path / "a.parquet"
    columns = [pa.array([1, 0, 0]), pa.array([0, 1, 1]), pa.array(["a", "b", "b"])]
    pq.write_table(pa.Table.from_arrays(columns, names=["correct", "correct", "question"]), path)
    with pytest.raises(FileFormatError, match="has the column 'correct' twice: remove one of them"):
        read_log(path)
    pq.write_table(pa.Table.from_arrays([*columns, columns[0]], names=["other", "other", "question", "correct"]), path)
    assert read_log(path).episodes.correct.tolist() == [True, False, False]


def test_decimals_are_numbers_and_times_are_names(tmp_path: Path) -> None:
    """Rollouts of one day were each a problem of its own, and a decimal 1.0 neither right nor wrong."""
    day = datetime.datetime(2020, 1, 1)
    right = pa.array([Decimal("1.0"), Decimal("0.0"), Decimal("1.0")], pa.decimal128(3, 1))
    for problems in (pa.array([day, day, None]), pa.array([Decimal(10**20), Decimal(10**20), None], pa.decimal128(25, 0)),
                     pa.array([Decimal(7), Decimal(7), None], pa.decimal128(5, 0))):  # fmt: skip
        path = tmp_path / "a.parquet"
        pq.write_table(pa.table({"question": problems, "correct": right}), path)
        episodes = read_log(path).episodes
        assert (episodes.correct.tolist(), episodes.problem.tolist()) == ([True, False, True], [0, 0, 1])
    ids = pa.array([Decimal(10**20), Decimal(10**20 + 1), Decimal(5)], pa.decimal128(25, 0))
    pq.write_table(pa.table({"id": ids, "correct": right, "decision": ["stop"] * 3}), path)
    assert read_log(path).episodes.problem_ids == ("100000000000000000000", "100000000000000000001", "5")


def test_of_members_of_one_name_the_last_holds(tmp_path: Path) -> None:
    path = tmp_path / "a.eval"
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, right in (("a", 1), ("b", 1), ("a", 0)):
            archive.writestr(f"samples/{name}.json", json.dumps({"question": name, "correct": right}))
    episodes = read_log(path).episodes
    assert (episodes.problem_ids, episodes.correct.tolist()) == (("a", "b"), [False, True])


@pytest.mark.parametrize("sign", [";", "\t"])
def test_cells_may_be_separated_otherwise(tmp_path: Path, sign: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text("question,correct\na,1\nb,0\na,0\n".replace(",", sign))
    episodes = read_log(path).episodes
    assert (episodes.correct.tolist(), episodes.n_problems) == ([True, False, False], 2)
    path.write_text("id,correct,decision\na,0,resample\na,1,stop\n".replace(",", sign))
    assert read_log(path).episodes.attempts.tolist() == [2]
    path.write_text('"a;b",question,correct\n1,x,1\n')
    assert read_log(path).episodes.correct.tolist() == [True]


@pytest.mark.parametrize("change", [os.unlink, lambda path: os.truncate(path, 0), lambda path: path.write_bytes(b"no zip")])
def test_a_zip_file_that_changes_meanwhile_is_refused(tmp_path: Path, change: Any) -> None:
    path = tmp_path / "a.eval"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("samples/a.json", json.dumps({"question": "a", "correct": 1}))
    documents = zipped(path)
    change(path)
    with pytest.raises(FileFormatError, match=r"cannot be unpacked .*: write or copy it again"):
        list(documents.parts([], ()))
