"""What never happens counts nothing: symbols that are ruled out, rows that are never reached, tokens of weight zero."""

from __future__ import annotations

import numpy as np
import pytest

from dstheory.errors import InfiniteDivergenceError
from dstheory.tokens import Factored, Markov, TokenChain, TokenPolicy, flatten, token_kl, token_sft
from dstheory.tokens.rows import Categorical, log_ratio

CHAIN = TokenChain(lengths=2, symbols=2, required={1: 0}, max_turns=1)


def markov(first: list[float], after_0: list[float], after_1: list[float]) -> TokenPolicy:
    return TokenPolicy(Markov.from_probabilities([first], [[[after_0, after_1]]]), stop=0.5)


@pytest.fixture(params=["numpy", "compiled"], autouse=True)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "compiled":
        monkeypatch.setattr("dstheory.tokens.rows.COMPILED_FROM", 0)


def test_symbols_that_are_never_drawn_have_no_log_ratio() -> None:
    """Neither where the policy alone rules them out nor where the reference does so too."""
    rows = Categorical.from_probabilities([[0.5, 0.5, 0.0, 0.0]], axes=("position",))
    reference = Categorical.from_probabilities([[0.25, 0.5, 0.25, 0.0]], axes=("position",))
    excess, divergence = log_ratio(rows, reference)
    np.testing.assert_allclose(divergence, [0.5 * np.log(2)], rtol=1e-15)
    np.testing.assert_allclose(excess, [[0.5 * np.log(2), -0.5 * np.log(2), 0.0, 0.0]], rtol=1e-15)


def test_rows_of_infinite_divergence_are_left_to_the_caller() -> None:
    """Their centred log-ratios mean nothing and are 0, so that a row that is never met spoils no sum."""
    rows, reference = (Categorical.from_probabilities([row, [0.5, 0.5]], axes=("position",)) for row in ([0.5, 0.5], [1.0, 0.0]))
    excess, divergence = log_ratio(rows, reference)
    assert divergence.tolist() == [np.inf, 0.0]
    assert excess.tolist() == [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("term", ["full", "direct"])
def test_rows_that_are_never_reached_may_differ_from_the_reference_without_bound(term) -> None:
    """Symbol 1 never comes first, so that the row after it, ruled out by the reference, is never met."""
    pi, ref = markov([1.0, 0.0], [0.5, 0.5], [0.5, 0.5]), markov([0.5, 0.5], [0.25, 0.75], [1.0, 0.0])
    result = token_kl(CHAIN, pi, ref, term=term)
    divergence = np.log(2) + 0.5 * np.log(2) + 0.5 * np.log(2 / 3)
    if term == "full":
        np.testing.assert_allclose(result.value, -divergence, rtol=1e-14)
    variance = 0.25 * np.log(3) ** 2  # of log(1/2 / 1/4) and log(1/2 / 3/4), a fair coin apart by log 3
    np.testing.assert_allclose(result.energy.by_position, [0.0, variance], rtol=1e-14)
    np.testing.assert_allclose(result.tokens[1], 0.25 * np.log(3) * np.array([[[[-1.0, 1.0], [0.0, 0.0]]]]), rtol=1e-14)


def test_a_first_token_of_weight_zero_may_be_ruled_out() -> None:
    pi, ref = markov([0.5, 0.5], [0.5, 0.5], [0.5, 0.5]), markov([1.0, 0.0], [0.5, 0.5], [0.25, 0.75])
    with pytest.raises(InfiniteDivergenceError, match=r"prompt 0, position 0"):
        token_kl(CHAIN, pi, ref)
    with pytest.raises(InfiniteDivergenceError, match=r"prompt 0, position 1"):
        token_kl(CHAIN, pi, markov([0.25, 0.75], [0.5, 0.5], [1.0, 0.0]))
    result = token_kl(CHAIN, pi, ref, token_weight=[0.0, 1.0])
    np.testing.assert_allclose(result.value, -0.5 * (0.5 * np.log(2) + 0.5 * np.log(2 / 3)), rtol=1e-14)
    # The first token has no log-ratio of its own, but leads to rows of different divergence.
    assert 0 < result.energy.by_position[0] < np.inf


def test_a_token_of_weight_zero_may_be_ruled_out_where_tokens_are_independent() -> None:
    def factored(*rows: list[float]) -> TokenPolicy:
        return TokenPolicy(Factored.from_logits(np.log(np.array([rows]))), stop=0.5)

    with np.errstate(divide="ignore"):
        pi, ref = factored([0.5, 0.5], [0.5, 0.5]), factored([1.0, 0.0], [0.25, 0.75])
    with pytest.raises(InfiniteDivergenceError, match=r"prompt 0, position 0"):
        token_kl(CHAIN, pi, ref, beta=1.0)
    result = token_kl(CHAIN, pi, ref, token_weight=[0.0, 1.0])
    np.testing.assert_allclose(result.value, -0.5 * np.log(4 / 3), rtol=1e-14)
    np.testing.assert_allclose(result.energy.by_position, [0.0, 0.25 * np.log(3) ** 2], rtol=1e-14)
    np.testing.assert_allclose(result.tokens[0], [[[0.0, 0.0], 0.25 * np.log(3) * np.array([-1.0, 1.0])]], rtol=1e-14)


def test_demonstrations_from_rows_that_the_policy_never_reaches() -> None:
    """They pull the first token without bound; where the row after it is already the expert's, that row is not pulled at all."""
    pi, expert = markov([1.0, 0.0], [0.5, 0.5], [0.3, 0.7]), markov([0.5, 0.5], [0.25, 0.75], [0.3, 0.7])
    energy = token_sft(CHAIN, pi, expert).energy.by_position
    # After symbol 0: met by half of the demonstrations and by all answers, chi2 of (1/4, 3/4) against a fair coin 1/4.
    np.testing.assert_allclose(energy, [np.inf, 0.5**2 * 0.25], rtol=1e-14)
    # A chi-square of exactly 1 is as good as any.
    energy = token_sft(CHAIN, pi, markov([0.5, 0.5], [1.0, 0.0], [0.3, 0.7])).energy.by_position
    np.testing.assert_allclose(energy, [np.inf, 0.5**2], rtol=1e-14)


def test_ten_tokens_can_be_written_out() -> None:
    chain = TokenChain(lengths=10, symbols=2, required={9: 1})
    mdp, policy = flatten(chain, TokenPolicy(Factored.from_logits(np.zeros((1, 10, 2))), stop=0.5))
    assert mdp.shape == (1, 1024)
    assert float(mdp.correct.sum()) == 512
    np.testing.assert_allclose(policy.sample_prob, 1 / 1024, rtol=1e-12)


@pytest.mark.parametrize("kind", ["markov", "tree", "factored"])
def test_what_the_expert_never_meets_may_be_ruled_out_by_the_policy(kind) -> None:
    """The value of SFT stays finite: rows the expert never reaches, and positions beyond an answer's end, count nothing."""
    if kind == "factored":
        chain = TokenChain(lengths=[1, 2], symbols=2, required=[{0: 0}, {1: 0}], max_turns=1)
        pi, expert = (
            TokenPolicy(Factored.from_probabilities(rows), stop=[0.5, 0.5])
            for rows in ([[[0.5, 0.5], [1.0, 0.0]], [[0.5, 0.5], [0.25, 0.75]]], [[[0.5, 0.5]] * 2] * 2)
        )
        want = 0.5 * np.log(0.5) + 0.5 * (np.log(0.5) + 0.5 * np.log(0.25) + 0.5 * np.log(0.75))
    else:
        chain = CHAIN
        pi, expert = markov([0.5, 0.5], [0.25, 0.75], [1.0, 0.0]), markov([1.0, 0.0], [0.5, 0.5], [0.5, 0.5])
        want = np.log(0.5) + 0.5 * np.log(0.25) + 0.5 * np.log(0.75)
        if kind == "tree":
            pi, expert = (TokenPolicy(policy.answers.as_tree(), stop=0.5) for policy in (pi, expert))
    np.testing.assert_allclose(token_sft(chain, pi, expert).value, want, rtol=1e-14)
