"""Records of a real model become a chain that can be solved."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from readers.game24 import MISSING, RECORDS, write_game24_table

import dstheory
from dstheory.readers import read_chain


@pytest.mark.skipif(not RECORDS.exists(), reason=MISSING)
def test_recorded_episodes(tmp_path: Path) -> None:
    write_game24_table(RECORDS, tmp_path / "game24.csv")
    chain = read_chain(tmp_path / "game24.csv")
    mdp, policy = chain.mdp, chain.policy
    assert policy is not None
    episodes = [json.loads(line) for line in RECORDS.read_text(encoding="utf-8").splitlines()]
    assert mdp.shape[0] == len({tuple(episode["numbers"]) for episode in episodes})
    assert mdp.max_turns == 10
    assert len(set(mdp.n_answers.tolist())) > 5  # ragged indeed

    # The pooled frequencies of the table are those of the records, puzzle by puzzle.
    for x, name in enumerate(mdp.prompts or ()):
        attempts = [a for episode in episodes if " ".join(map(str, episode["numbers"])) == name for a in episode["attempts"]]
        share = sum(bool(a["correct"]) for a in attempts) / len(attempts)
        np.testing.assert_allclose((policy.sample_prob[0, x] * mdp.correct[x]).sum(), share, atol=1e-12)

    solution = dstheory.solve(mdp, policy)
    for quantity in (solution.value, solution.accuracy, solution.expected_turns, solution.expected_tokens):
        assert np.isfinite(quantity).all()
    assert 0.0 < float(solution.mean_accuracy) < 1.0
    assert 1.0 < float(solution.mean_turns) < 10.0


def test_the_rules_of_the_table(tmp_path: Path) -> None:
    """On two episodes written by hand."""

    def attempt(answer: str, correct: bool, decision: str) -> dict[str, object]:
        return {"answer": answer, "verification": "v" * 40, "correct": correct, "decision": decision}

    episodes = [
        {"numbers": [1, 2, 3, 4], "max_attempts": 2, "attempts": [attempt("Answer: 1  + 2.\n[ANSWER END]", False, "resample"),
                                                                  attempt("2 * 3 * 4 [ANSWER END]", True, "stop")]},
        {"numbers": [1, 2, 3, 4], "max_attempts": 2, "attempts": [attempt("1 + 2", False, "stop")]},
    ]  # fmt: skip
    records = tmp_path / "records.jsonl"
    records.write_text("".join(json.dumps(episode) + "\n" for episode in episodes))
    write_game24_table(records, tmp_path / "x.csv")
    chain = read_chain(tmp_path / "x.csv")
    assert chain.policy is not None
    assert chain.mdp.prompts == ("1 2 3 4",)
    assert chain.answers == (("1 + 2", "2 * 3 * 4"),)
    assert chain.mdp.correct.tolist() == [[0, 1]]
    np.testing.assert_allclose(chain.policy.sample_prob[0], [[2 / 3, 1 / 3]])
    np.testing.assert_allclose(chain.policy.stop_prob[0], [[(1 + 1) / (2 + 2), 1 / 2]])  # the second was never decided upon
    np.testing.assert_allclose(chain.mdp.decision_length, [[10, 10]])
    np.testing.assert_allclose(chain.mdp.sample_length, [[(28 + 5) / 2 / 4, 22 / 4]])
