"""Large tables are read at the speed of arrays, and reading needs none of the heavy imports until there is something to read."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dstheory import Policy, TwoStageMDP
from dstheory.errors import FileFormatError
from dstheory.readers import read_chain, write_chain
from dstheory.readers.flat import _codes_of_dictionary

PROMPTS, ANSWERS = 15_625, 64  # a million rows


@contextmanager
def counted_calls() -> Iterator[list[int]]:
    """Count the calls of Python functions: what works on arrays makes few of them, however many rows there are."""
    count = [0]

    def profile(frame: Any, event: str, argument: Any) -> None:
        count[0] += event == "call"

    sys.setprofile(profile)
    try:
        yield count
    finally:
        sys.setprofile(None)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_a_million_rows(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(0)
    shape = (PROMPTS, ANSWERS)
    mdp = TwoStageMDP(
        correct=rng.integers(0, 2, size=shape),
        sample_length=rng.integers(1, 300, size=shape),
        prompt_weight=rng.random(PROMPTS),
        prompts=[f"task {i}" for i in range(PROMPTS)],
    )
    policy = Policy.tabular(rng.normal(size=shape), rng.normal(size=shape))
    path = tmp_path / f"large{suffix}"
    write_chain(path, mdp, policy)
    with counted_calls() as calls:
        chain = read_chain(path)
    assert calls[0] < PROMPTS * ANSWERS / 10  # no Python per row; a few calls per block of lines
    assert chain.policy is not None
    np.testing.assert_array_equal(chain.mdp.sample_length, mdp.sample_length)
    np.testing.assert_allclose(chain.policy.sample_prob, policy.sample_prob, rtol=1e-13)


def test_rows_in_any_order_are_not_slow(tmp_path: Path) -> None:
    """A hundred thousand shuffled rows, unequal numbers of answers; one of them repeated at the very end."""
    rng = np.random.default_rng(1)
    counts = rng.integers(1, 60, size=3_400)
    prompt = np.repeat(np.arange(len(counts)), counts)
    answer = np.concatenate([np.arange(n) for n in counts])
    order = rng.permutation(len(prompt))
    lines = [f"p{prompt[i]},a{answer[i]},{answer[i] % 2},{answer[i] + 1}" for i in order]
    path = tmp_path / "shuffled.csv"
    path.write_text("\n".join(["prompt,answer,correct,sample_length", *lines]) + "\n")
    with counted_calls() as calls:
        chain = read_chain(path)
    assert calls[0] < len(lines) / 10
    assert chain.mdp.prompts is not None
    first = list(dict.fromkeys(f"p{prompt[i]}" for i in order))
    assert list(chain.mdp.prompts) == first
    assert chain.mdp.n_answers.tolist() == [counts[int(name[1:])] for name in first]
    for x in (0, 1, 1000):
        lengths = [int(name[1:]) + 1 for name in chain.answers[x]]
        assert chain.mdp.sample_length[x, : len(lengths)].tolist() == lengths

    path.write_text("\n".join(["prompt,answer,correct,sample_length", *lines, lines[7]]) + "\n")
    with pytest.raises(FileFormatError, match=rf"at line {len(lines) + 2} was given at line 9 before: "):
        read_chain(path)


def test_imports_are_lazy() -> None:
    program = """
import sys, dstheory.readers
print([name for name in ("pyarrow", "xarray", "h5netcdf", "h5py", "pandas", "tomli_w", "matplotlib") if name in sys.modules])
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_codes_of_texts_are_in_order_of_first_appearance_however_a_dictionary_has_them() -> None:
    rng = np.random.default_rng(3)
    for _ in range(400):
        names = [f"n{i}" for i in rng.integers(0, 6, rng.integers(1, 6))]  # one twice perhaps
        codes = rng.integers(0, len(names), rng.integers(1, 9))
        if rng.random() < 0.5:
            codes = np.sort(codes)
        whole = pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(names, pa.large_string()))
        cut = int(rng.integers(0, len(codes)))
        found, known = _codes_of_dictionary(pa.chunked_array([whole[:cut], whole[cut:]] if cut else [whole]))
        texts = [names[code] for code in codes]
        assert known.to_pylist() == list(dict.fromkeys(texts))
        assert [known[int(code)].as_py() for code in found] == texts
