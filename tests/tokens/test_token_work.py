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
    assert work == {"top_rows": 2 * prompts * length}  # to validate them; exponentials wait for the pass that needs them
    work.clear()
    token_reward(chain, policy, gradient=False)
    relevant = 2 * prompts
    assert work == {"hit_rows": relevant, "required_rows": relevant}
    work.clear()
    token_kl(chain, policy, reference, term="direct", gradient=False)
    token_sft(chain, policy, reference, gradient=False)
    token_kl(chain, policy, reference, term="direct")
    # Of the policy's own table nothing but the passes; the reference's totals once, for good.
    found = {name: work[name] for name in ("penalty_rows", "imitation_rows", "total_rows", "top_rows")}
    each = prompts * length
    assert found == {"penalty_rows": 2 * each, "imitation_rows": each, "total_rows": each, "top_rows": 0}
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
    assert work == {"top_rows": 2 * transitions}
    work.clear()
    token_reward(chain, policy)
    assert work == {"total_rows": transitions, "forward_sweep": prompts, "backward_sweep": prompts}
    work.clear()
    token_kl(chain, policy, reference)
    assert work["total_rows"] == work["mean_rows"] == transitions  # the reference's
    assert (work["forward_sweep"], work["backward_sweep"]) == (2 * prompts, prompts)


def test_a_policy_is_at_no_distance_from_itself() -> None:
    rng = np.random.default_rng(2)
    for symbols in (3, 7, 64, 100):
        shape = (COMPILED_FROM // (32 * symbols) + 1, 32, symbols)
        z = rng.normal(scale=3.0, size=shape)
        one, other = (Factored.from_logits(z).blocks[0] for _ in range(2))
        # One total comes out of the pass, the other one was computed before: the same bits.
        divergence, variance, _ = rows.penalty(one, other, np.ones(shape[:2]), np.ones(shape[0]), keep=False)
        assert not divergence.any()
        assert not variance.any()
