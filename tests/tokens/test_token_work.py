"""Large passes read each row once, in compiled loops, and a reward does not look at the padding: counted, not timed.

What the full sizes cost is measured by ``python -m benchmarks --only W5``.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from dstheory.tokens import Factored, Markov, TokenChain, TokenPolicy, factored, markov, rows, token_kl, token_reward, token_sft
from dstheory.tokens.rows import COMPILED_FROM


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Counter:
    """How many rows each compiled loop is given."""
    counted: Counter = Counter()
    over_blocks = rows.over_blocks

    def counting(loop, shared, tables, width):
        counted[loop.py_func.__name__] += len(tables[0])
        over_blocks(loop, shared, tables, width)

    for module in (rows, factored, markov):
        monkeypatch.setattr(module, "over_blocks", counting)
    return counted


def test_independent_tokens(work: Counter) -> None:
    rng = np.random.default_rng(0)
    prompts, length, symbols = 40, 128, 64
    tables = [rng.normal(size=(prompts, length, symbols)) for _ in range(2)]
    assert tables[0].size > COMPILED_FROM
    chain = TokenChain(lengths=[length] * prompts, symbols=symbols, required={0: 1, 17: 3}, gamma=0.9)
    policy, reference = (TokenPolicy(Factored.from_logits(z), stop=[0.8, 0.7]) for z in tables)
    assert work == {"normaliser_rows": 2 * prompts * length}  # one look at each table, for good
    work.clear()
    token_reward(chain, policy, gradient=False)
    relevant = 2 * prompts
    assert work == {"hit_rows": relevant, "required_rows": relevant}
    work.clear()
    token_kl(chain, policy, reference, term="direct", gradient=False)
    token_sft(chain, policy, reference, gradient=False)
    assert work["penalty_rows"] == work["imitation_rows"] == prompts * length
    # No table of probabilities was made: the loops read the logits.
    assert not {"prob", "log_prob"} & set(vars(policy.answers.blocks[0]))


def test_markov_tokens(work: Counter) -> None:
    rng = np.random.default_rng(1)
    prompts, length, symbols = 12, 16, 48
    tables = [rng.normal(size=(prompts, length - 1, symbols, symbols)) for _ in range(2)]
    assert tables[0].size > COMPILED_FROM
    chain = TokenChain(lengths=[length] * prompts, symbols=symbols, required={0: 1, 7: 3}, gamma=0.9)
    policy, reference = (TokenPolicy(Markov.from_logits(z[:, 0, 0], z), stop=[0.8, 0.7]) for z in tables)
    transitions = prompts * (length - 1) * symbols
    assert work == {"normaliser_rows": 2 * transitions}
    work.clear()
    token_reward(chain, policy)
    assert work == {"forward_sweep": prompts, "backward_sweep": prompts}
    work.clear()
    token_kl(chain, policy, reference)
    assert work == {"forward_sweep": 2 * prompts, "backward_sweep": prompts, "table_rows": transitions}
