"""What is written is read back the same: every format, lopsided chains, awkward names, extreme policies."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import CHARACTERS, Case, cases

from dstheory import Policy, TwoStageMDP
from dstheory.errors import ChainError, DSTheoryError, FileFormatError
from dstheory.readers import ChainFile, read_chain, write_chain

NESTED = [".json", ".toml"]
TABLES = [".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet"]
EXACT = ["correct", "inside", "reward_stop", "reward_resample", "reward_stop_variance", "reward_resample_variance",
         "sample_length", "decision_length", "n_answers", "gamma"]  # fmt: skip


def assert_same_chain(read: TwoStageMDP, written: TwoStageMDP) -> None:
    for name in EXACT:
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name), err_msg=name)
    # Weights are normalised again when they are read, which may round once more.
    np.testing.assert_allclose(read.prompt_weight, written.prompt_weight, rtol=1e-15)
    assert (read.discount_per, read.max_turns) == (written.discount_per, written.max_turns)


def assert_same_policy(read: Policy | None, written: Policy | None, inside: np.ndarray) -> None:
    assert read is not None
    assert written is not None
    assert read.shape == written.shape
    np.testing.assert_allclose(read.sample_prob, written.sample_prob, rtol=1e-13)
    for name in ("log_stop", "log_resample", "log_sample"):
        one, other = (getattr(policy, name)[..., inside] for policy in (read, written))
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-13, err_msg=name)


formulas = st.lists(st.text("'=+-@\t\r\n1.ea", min_size=1, max_size=5), min_size=1, max_size=5, unique=True)


@given(formulas, st.sampled_from([".csv", ".csv.gz"]))
def test_no_name_is_a_formula_to_a_spreadsheet(tmp_path_factory: pytest.TempPathFactory, names: list[str], suffix: str) -> None:
    """No cell begins like a formula, unless it is a number; and the names are read back."""
    path = tmp_path_factory.mktemp("chain") / f"chain{suffix}"
    mdp = TwoStageMDP(correct=np.ones((len(names), len(names))), prompts=names)
    write_chain(path, mdp, answers=[names] * len(names))
    chain = read_chain(path)
    assert chain.mdp.prompts == tuple(names)
    assert chain.answers == (tuple(names),) * len(names)
    data = path.read_bytes()
    text = (gzip.decompress(data) if suffix.endswith(".gz") else data).decode()
    for row in list(csv.reader(io.StringIO(text, newline="")))[1:]:
        for cell in row[:2]:
            assert cell[0] not in "=+-@\t\r\n" or re.fullmatch(r"[-+](\d+\.?\d*|\.\d+)(e\d+)?", cell)


def test_cells_written_by_hand_are_names_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("prompt,answer,correct\n=1,'tis,1\n=1,-5,0\n=1,'=2,0\n")
    assert read_chain(tmp_path / "a.csv").answers == (("'tis", "-5", "=2"),)
    (tmp_path / "a.csv").write_text("prompt,answer,correct\n=1,=2,1\n=1,'=2,0\n")
    with pytest.raises(FileFormatError, match="answer '=2' at line 3 was given at line 2 before"):
        read_chain(tmp_path / "a.csv")


# A name may be anything but empty (and, in one file, given twice).
names = st.lists(st.text(CHARACTERS, min_size=1, max_size=8), min_size=3, max_size=3, unique=True)


@given(case=cases(), names=names, suffix=st.sampled_from(NESTED + TABLES))
def test_every_format(tmp_path_factory: pytest.TempPathFactory, case: Case, names: list[str], suffix: str) -> None:
    path = tmp_path_factory.mktemp("chain") / f"chain{suffix}"
    mdp = case.mdp.replace(prompts=names[: case.mdp.shape[0]])
    answers = [names[:n] for n in mdp.n_answers]
    if case.policy.shape[0] > 1 and suffix in TABLES:
        with pytest.raises(DSTheoryError, match=r"indexed by \d turns, but a table.*\.json or \.toml"):
            write_chain(path, mdp, case.policy, answers=answers)
        assert not path.exists()
        return
    write_chain(path, mdp, case.policy, case.reference, answers=answers)
    read = read_chain(path)
    assert_same_chain(read.mdp, mdp)
    assert_same_policy(read.policy, case.policy, mdp.inside)
    assert_same_policy(read.reference, case.reference, mdp.inside)
    assert read.mdp.prompts == mdp.prompts
    assert read.answers == tuple(map(tuple, answers))
    assert read.path == path


@given(data=st.data(), suffix=st.sampled_from(NESTED + TABLES))
def test_extreme_policies(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, suffix: str) -> None:
    """Certain, impossible and nearly certain choices keep their probabilities, and those of the opposite choice."""
    path = tmp_path_factory.mktemp("chain") / f"chain{suffix}"
    logit = st.sampled_from([0.0, 0.3, -3.0, 25.0, 40.0, -40.0, 1000.0, -1000.0, 1e-300])
    z = data.draw(st.lists(st.one_of(logit, st.just(-np.inf)), min_size=3, max_size=3).filter(lambda row: max(row) > -np.inf))
    u = data.draw(st.lists(st.one_of(logit, st.sampled_from([np.inf, -np.inf])), min_size=3, max_size=3))
    mdp, policy = TwoStageMDP(correct=[[1, 0, 0]]), Policy.tabular([z], [u])
    certain = not np.isfinite(z).all() or not np.isfinite(u).all()
    if "jsonl" in suffix and certain and _needs_logits(tmp_path_factory, mdp, policy):
        with pytest.raises(
            DSTheoryError, match=r"holds infinite values, which JSON lines cannot: write \.csv, \.parquet or \.toml"
        ):
            write_chain(path, mdp, policy)
        return
    write_chain(path, mdp, policy)
    assert_same_policy(read_chain(path).policy, policy, mdp.inside)


def _needs_logits(factory: pytest.TempPathFactory, mdp: TwoStageMDP, policy: Policy) -> bool:
    """Whether a column with infinite logits is written as logits, as the CSV file shows."""
    path = factory.mktemp("chain") / "chain.csv"
    write_chain(path, mdp, policy)
    return "inf" in path.read_text()


@pytest.mark.parametrize("suffix", NESTED + TABLES)
def test_without_policies_and_names(tmp_path: Path, suffix: str) -> None:
    mdp = TwoStageMDP(correct=[[1, 0], [0, 1, 1]], discount_per="stage", max_turns=7, gamma=0.0)
    write_chain(tmp_path / f"x{suffix}", mdp)
    read = read_chain(tmp_path / f"x{suffix}")
    assert_same_chain(read.mdp, mdp)
    assert (read.policy, read.reference) == (None, None)
    assert read.mdp.prompts == ("0", "1")
    assert read.answers == (("0", "1"), ("0", "1", "2"))


def test_defaults_are_left_out(tmp_path: Path) -> None:
    write_chain(tmp_path / "x.csv", TwoStageMDP(correct=[[1, 0]]))
    assert (tmp_path / "x.csv").read_text() == '"prompt","answer","correct","gamma"\n"0","0",1,0.95\n"0","1",0,0.95\n'


def test_rows_of_a_prompt_need_not_be_adjacent(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(
        "answer,prompt,sample_length,correct,sample_probability,stop_probability,prompt_weight\n"
        "x,b,1,1,0.25,0.1,3\nu,a,2,0,1,0.2,1\ny,b,3,0,0.25,0.3,3\nv,c,4,true,1,0.4,4\nz,b,5,false,0.5,0.5,3\n"
    )
    read = read_chain(path)
    assert read.mdp.prompts == ("b", "a", "c")
    assert read.answers == (("x", "y", "z"), ("u",), ("v",))
    assert read.mdp.sample_length.tolist() == [[1, 3, 5], [2, 1, 1], [4, 1, 1]]
    assert read.mdp.correct.tolist() == [[1, 0, 0], [0, 0, 0], [1, 0, 0]]
    assert read.mdp.prompt_weight.tolist() == [0.375, 0.125, 0.5]
    assert read.policy is not None
    assert read.policy.sample_prob[0].tolist() == [[0.25, 0.25, 0.5], [1, 0, 0], [1, 0, 0]]
    np.testing.assert_allclose(read.policy.stop_prob[0][read.mdp.inside], [0.1, 0.3, 0.5, 0.2, 0.4])


def test_costs_are_negative_rewards_of_resampling(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("prompt,answer,correct,cost\na,1,1,0.25\na,2,0,0\n")
    assert read_chain(path).mdp.reward_resample.tolist() == [[-0.25, 0.0]]
    assert read_chain(path).mdp.reward_stop.tolist() == [[1.0, 0.0]]


def test_logits_are_normalised(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("prompt,answer,correct,sample_logit,stop_logit\na,1,1,1000,-1000\na,2,0,1000,inf\na,3,0,-inf,0\n")
    policy = read_chain(path).policy
    assert policy is not None
    assert policy.sample_prob.tolist() == [[[0.5, 0.5, 0.0]]]
    assert policy.stop_prob.tolist() == [[[0.0, 1.0, 0.5]]]
    assert policy.log_stop[0, 0, 0] == -1000.0


def test_byte_order_mark_blank_lines_and_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"\xef\xbb\xbfprompt,answer,correct\r\na,1,1\r\n\r\nNA,1,0\r\n")
    assert read_chain(path).mdp.prompts == ("a", "NA")
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"prompt": "2020-01-01", "answer": "1", "correct": true}\r\n\n')
    assert read_chain(path).mdp.prompts == ("2020-01-01",)


@pytest.mark.parametrize("cell", ["false", "False", "FALSE", "0", "0.0"])
def test_words_for_wrong(tmp_path: Path, cell: str) -> None:
    (tmp_path / "x.csv").write_text(f"prompt,answer,correct\na,1,{cell}\n")
    assert read_chain(tmp_path / "x.csv").mdp.correct.tolist() == [[0.0]]


def test_parquet_of_other_types(tmp_path: Path) -> None:
    """Whole numbers as names, categories, 32-bit numbers, booleans."""
    table = pa.table(
        {
            "prompt": pa.array([7, 7, 8]),
            "answer": pa.array(["x", "y", "x"]).dictionary_encode(),
            "correct": pa.array([True, False, True]),
            "sample_length": pa.array([1.5, 2.5, 3.5], pa.float32()),
            "max_turns": pa.array([3, 3, 3], pa.int16()),
        }
    )
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=1)
    read = read_chain(tmp_path / "x.parquet")
    assert read.mdp.prompts == ("7", "8")
    assert read.answers == (("x", "y"), ("x",))
    assert read.mdp.sample_length.tolist() == [[1.5, 2.5], [3.5, 1.0]]
    assert read.mdp.max_turns == 3


def test_parquet_of_single_precision(tmp_path: Path) -> None:
    """Probabilities rounded to 32 bits sum to 1 only to their own rounding; that is enough, and more is not."""
    sample = np.array([0.1, 0.2, 0.7], np.float32)
    assert abs(float(sample.astype(float).sum()) - 1.0) > 1e-9

    def write(values: np.ndarray) -> None:
        table = {"prompt": ["a"] * 3, "answer": ["x", "y", "z"], "correct": [1, 0, 0], "stop_probability": [0.5] * 3}
        pq.write_table(pa.table({**table, "sample_probability": values}), tmp_path / "x.parquet")

    write(sample)
    policy = read_chain(tmp_path / "x.parquet").policy
    assert policy is not None
    np.testing.assert_allclose(policy.sample_prob.sum(axis=-1), 1.0, rtol=1e-15)
    write(sample.astype(float))
    with pytest.raises(FileFormatError, match="must be 1 to within 1e-09"):
        read_chain(tmp_path / "x.parquet")
    write(np.array([0.1, 0.2, 0.69999], np.float32))
    with pytest.raises(FileFormatError, match=r"must be 1 to within 9\.53674e-07"):
        read_chain(tmp_path / "x.parquet")


def test_nested_shorthands(tmp_path: Path) -> None:
    """One number for all answers, the four-number reward, names left out."""
    data = {
        "format": "dstheory-chain/1",
        "reward": {"stop_correct": 1, "resample_correct": -2, "stop_wrong": -3, "resample_wrong": 4},
        "prompts": [
            {"correct": [True, False], "sample_length": 9, "sample_logit": [0, "-inf"], "stop_logit": "inf"},
            {"correct": [0], "sample_length": [2], "sample_logit": 0, "stop_logit": [3]},
        ],
    }
    (tmp_path / "x.json").write_text(json.dumps(data))
    read = read_chain(tmp_path / "x.json")
    assert read.mdp.reward_resample.tolist() == [[-2, 4], [4, 0]]
    assert read.mdp.reward_stop.tolist() == [[1, -3], [-3, 0]]
    assert read.mdp.sample_length.tolist() == [[9, 9], [2, 1]]
    assert read.policy is not None
    assert read.policy.sample_prob.tolist() == [[[1, 0], [1, 0]]]
    assert read.policy.stop_prob[0, 0].tolist() == [1, 1]


def test_one_stage_by_turn_the_other_stationary(tmp_path: Path) -> None:
    data = {
        "format": "dstheory-chain/1",
        "max_turns": 2,
        "prompts": [{"correct": [1, 0], "sample_probability": [[0.5, 0.5], [0.25, 0.75]], "stop_probability": [0.5, 0.25]}],
    }
    (tmp_path / "x.json").write_text(json.dumps(data))
    policy = read_chain(tmp_path / "x.json").policy
    assert policy is not None
    np.testing.assert_allclose(policy.sample_prob, [[[0.5, 0.5]], [[0.25, 0.75]]], rtol=1e-15)
    np.testing.assert_allclose(policy.stop_prob, [[[0.5, 0.25]], [[0.5, 0.25]]], rtol=1e-15)


class TestSettings:
    """What the caller gives replaces what the file says."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        mdp = TwoStageMDP(correct=[[1, 0]], gamma=0.5, max_turns=3, reward_stop=[[2, 1]], discount_per="stage")
        write_chain(tmp_path / "x.csv", mdp)
        return tmp_path / "x.csv"

    def test_replace(self, path: Path) -> None:
        read: ChainFile = read_chain(path, gamma=1.0, max_turns=None, discount_per="turn", resample_cost=0.5)
        assert (float(read.mdp.gamma), read.mdp.max_turns, read.mdp.discount_per) == (1.0, None, "turn")
        assert read.mdp.reward_stop.tolist() == [[1, 0]]
        assert read.mdp.reward_resample.tolist() == [[-0.5, -0.5]]

    def test_absent_means_the_file(self, path: Path) -> None:
        mdp = read_chain(path).mdp
        assert (float(mdp.gamma), mdp.max_turns, mdp.discount_per, mdp.reward_stop.tolist()) == (0.5, 3, "stage", [[2, 1]])

    def test_their_errors_do_not_blame_the_file(self, path: Path) -> None:
        with pytest.raises(ChainError, match=r"^gamma is 1\.5: must lie in \[0, 1\]"):
            read_chain(path, gamma=1.5)


class TestWhatCannotBeWritten:
    def test_runs(self, tmp_path: Path) -> None:
        with pytest.raises(ChainError, match=r"runs \(2,\): pick one run"):
            write_chain(tmp_path / "x.csv", TwoStageMDP.minimal(gamma=[0.5, 0.9]))
        with pytest.raises(ChainError, match=r"initial policy.*runs \(2,\): pick one run"):
            write_chain(tmp_path / "x.csv", TwoStageMDP.minimal(), Policy.minimal(p=[0.5, 0.6], a=0.5, b=0.5))

    @pytest.mark.parametrize("prompts", [["a", "a"], ["", "a"]])
    def test_names_that_do_not_tell_apart(self, tmp_path: Path, prompts: list[str]) -> None:
        with pytest.raises(ChainError, match="must differ and not be empty"):
            write_chain(tmp_path / "x.csv", TwoStageMDP(correct=[[1], [1]], prompts=prompts))

    def test_answers(self, tmp_path: Path) -> None:
        with pytest.raises(ChainError, match="same name twice"):
            write_chain(tmp_path / "x.csv", TwoStageMDP.minimal(), answers=[["x", "x"]])
        with pytest.raises(ChainError, match="names 1 answers of 1 prompts: needs one name per answer"):
            write_chain(tmp_path / "x.csv", TwoStageMDP.minimal(), answers=[["x"]])
        with pytest.raises(DSTheoryError, match="not valid Unicode"):
            write_chain(tmp_path / "x.csv", TwoStageMDP.minimal(), answers=[["x", "\ud800"]])

    def test_existing_file(self, tmp_path: Path) -> None:
        path = tmp_path / "x.csv"
        path.write_text("mine")
        with pytest.raises(DSTheoryError, match=r"x\.csv exists already: nothing was written; .*--overwrite"):
            write_chain(path, TwoStageMDP.minimal())
        assert path.read_text() == "mine"
        write_chain(path, TwoStageMDP.minimal(), overwrite=True)
        assert read_chain(path).mdp.shape == (1, 2)
        assert [p.name for p in tmp_path.iterdir()] == ["x.csv"]

    def test_policy_of_another_chain(self, tmp_path: Path) -> None:
        with pytest.raises(ChainError, match="reference policy has 1 prompt x 1 answer but the chain has 1 x 2"):
            write_chain(tmp_path / "x.csv", TwoStageMDP.minimal(), None, Policy.tabular([[0.0]], [[0.0]]))
        assert list(tmp_path.iterdir()) == []
