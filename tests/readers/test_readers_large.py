"""Large tables are read at the speed of arrays, and reading needs none of the heavy imports until there is something to read."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dstheory import Policy, TwoStageMDP
from dstheory.errors import FileFormatError
from dstheory.readers import read_chain, write_chain

PROMPTS, ANSWERS = 15_625, 64  # a million rows


@pytest.fixture(scope="module")
def large() -> tuple[TwoStageMDP, Policy]:
    rng = np.random.default_rng(0)
    shape = (PROMPTS, ANSWERS)
    mdp = TwoStageMDP(
        correct=rng.integers(0, 2, size=shape),
        sample_length=rng.integers(1, 300, size=shape),
        prompt_weight=rng.random(PROMPTS),
        prompts=[f"task {i}" for i in range(PROMPTS)],
    )
    return mdp, Policy.tabular(rng.normal(size=shape), rng.normal(size=shape))


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_a_million_rows(tmp_path: Path, large: tuple[TwoStageMDP, Policy], suffix: str) -> None:
    mdp, policy = large
    path = tmp_path / f"large{suffix}"
    write_chain(path, mdp, policy)
    # Time on the processors: what else the machine does is none of this test's business. A loop of Python over
    # the cells of the table would need more than ten times as long.
    begin = time.process_time()
    chain = read_chain(path)
    seconds = time.process_time() - begin
    assert chain.policy is not None
    np.testing.assert_array_equal(chain.mdp.sample_length, mdp.sample_length)
    np.testing.assert_allclose(chain.policy.sample_prob, policy.sample_prob, rtol=1e-13)
    assert seconds < (8.0 if suffix == ".jsonl" else 4.0)


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
    begin = time.process_time()
    chain = read_chain(path)
    assert time.process_time() - begin < 2.0
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
