"""Digits where terms nearly cancel, against 60 digits: answers that hardly ever stop, and policies that nearly agree."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from dstheory.tokens import Factored, TokenChain, TokenPolicy, token_kl, token_reward, token_sft
from dstheory.tokens.rows import Categorical, imitation

KINDS = {"factored": lambda rows: rows, "markov": Factored.as_markov, "tree": Factored.as_tree}
LOGITS = np.array([[0.3, -1.1, 0.8], [1.7, 0.0, -0.6]])
APART = 1e-9 * np.array([[0.7, -0.4, 0.1], [-0.9, 0.2, 0.5]])


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest):
    return KINDS[request.param]


@pytest.fixture(params=["numpy", "compiled"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("dstheory.tokens.rows.COMPILED_FROM", 0 if request.param == "compiled" else 1 << 60)
    return request.param


@pytest.fixture(autouse=True)
def _digits():
    with mp.workdps(60):
        yield


def first(tokens: tuple[np.ndarray, ...]) -> np.ndarray:
    """Return the gradient of the first token's row."""
    return tokens[0].reshape(-1, tokens[0].shape[-1])[0]


def softmax(logits: np.ndarray) -> list[mp.mpf]:
    weights = [mp.exp(mp.mpf(float(z))) for z in logits]
    return [w / mp.fsum(weights) for w in weights]


@pytest.mark.parametrize("stops", [(0.8, 0.7), (1e-6, 1e-7), (1e-10, 1e-11), (1e-13, 1e-14)])
def test_rewards_of_answers_that_hardly_ever_stop(kind, engine: str, stops: tuple[float, float]) -> None:
    """M0 without discount: dV/dtheta_s = N p (1-p) (Q_C - Q_W), of a first token that decides; a second one does not."""
    chain = TokenChain(lengths=2, symbols=2, required={0: 0}, gamma=1.0)
    result = token_reward(chain, TokenPolicy(kind(Factored.from_logits([[[0.0, 0.4], [0.0, 1.0]]])), stop=stops))
    p, a, wrong = softmax(np.array([0.0, 0.4]))[0], mp.mpf(stops[0]), mp.mpf(stops[1])
    n = 1 / (p * a + (1 - p) * wrong)
    v = n * p * a
    sampling = n * p * (1 - p) * (a + (1 - a) * v - (1 - wrong) * v)
    np.testing.assert_allclose(first(result.tokens), [float(sampling), float(-sampling)], rtol=1e-12)
    decisions = n * p * a * (1 - a) * (1 - v), -n * (1 - p) * wrong * (1 - wrong) * v
    np.testing.assert_allclose(result.decide[0], [float(g) for g in decisions], rtol=1e-12)


@pytest.mark.parametrize("term", ["full", "direct"])
def test_a_penalty_near_the_reference(kind, engine: str, term: str) -> None:
    """One answer, so that a token's gradient is -beta p (log(p/q) - KL), and its energy beta^2 times the variance."""
    chain = TokenChain(lengths=2, symbols=3, required={0: 0}, max_turns=1)
    policy, reference = (TokenPolicy(kind(Factored.from_logits(z[None])), stop=0.5) for z in (LOGITS, LOGITS + APART))
    result = token_kl(chain, policy, reference, beta=0.25, term=term)
    for i in range(2):
        p = softmax(LOGITS[i])
        # The difference that the floats of both have.
        ratio = [mp.mpf(float(z)) - mp.mpf(float(r)) for z, r in zip(LOGITS[i], (LOGITS + APART)[i], strict=True)]
        mean = mp.fsum(x * r for x, r in zip(p, ratio, strict=True))
        if i == 0:
            expected = [float(-x * (r - mean) / 4) for x, r in zip(p, ratio, strict=True)]
            np.testing.assert_allclose(first(result.tokens), expected, rtol=1e-12)
        energy = float(mp.fsum(x * (r - mean) ** 2 for x, r in zip(p, ratio, strict=True)) / 16)
        assert result.energy.by_position[i] == pytest.approx(energy, rel=1e-12, abs=0.0)


@pytest.mark.parametrize("kappa", [0.0, 1e-9])
def test_the_divergence_from_a_reference_that_is_near(kind, kappa: float) -> None:
    """Its value is a sum of squares of 1e-9, far below the rounding of a logarithm; that of the decisions is added."""
    chain = TokenChain(lengths=2, symbols=3, required={0: 0}, max_turns=2)
    logits = np.array([0.2, -0.3])
    policy = TokenPolicy(kind(Factored.from_logits(LOGITS[None])), stop_logits=logits)
    reference = TokenPolicy(kind(Factored.from_logits((LOGITS + APART)[None])), stop_logits=logits + kappa)

    def divergence(p: list[mp.mpf], q: list[mp.mpf]) -> mp.mpf:
        return mp.fsum(x * mp.log(x / y) for x, y in zip(p, q, strict=True))

    answer = mp.fsum(divergence(softmax(LOGITS[i]), softmax((LOGITS + APART)[i])) for i in range(2))
    right = softmax(LOGITS[0])[0]
    stop, other = ([softmax(np.array([u, 0.0])) for u in table] for table in (logits, logits + kappa))
    again = right * stop[0][1] + (1 - right) * stop[1][1]
    decisions = right * divergence(stop[0], other[0]) + (1 - right) * divergence(stop[1], other[1])
    found = token_kl(chain, policy, reference).value
    assert found == pytest.approx(float(-((1 + again) * answer + decisions)), rel=1e-6, abs=0.0)


def test_demonstrations_of_an_expert_who_is_near(kind) -> None:
    """One answer: the gradient is E - p, whose entries are 1e-9 of the probabilities, and the energy is chi2."""
    chain = TokenChain(lengths=2, symbols=3, required={0: 0}, max_turns=1)
    policy, expert = (TokenPolicy(kind(Factored.from_logits(z[None])), stop=0.5) for z in (LOGITS, LOGITS + APART))
    result = token_sft(chain, policy, expert)
    p, e = softmax(LOGITS[0]), softmax((LOGITS + APART)[0])
    gap = [y - x for x, y in zip(p, e, strict=True)]
    np.testing.assert_allclose(first(result.tokens), [float(g) for g in gap], rtol=1e-12)
    energy = float(mp.fsum(g**2 / x for x, g in zip(p, gap, strict=True)))
    assert result.energy.by_position[0] == pytest.approx(energy, rel=1e-12, abs=0.0)


def test_demonstrated_decisions_that_are_nearly_ones_own(kind) -> None:
    """One decision: its gradient is the chance of the class times the difference of two probabilities that differ by 1e-10."""
    chain = TokenChain(lengths=1, symbols=2, required={0: 0}, max_turns=2)
    answers, logits = kind(Factored.from_logits([[[0.4, 0.0]]])), np.array([0.2, -0.3])
    others = logits + np.array([1e-9, -3e-10])
    result = token_sft(chain, TokenPolicy(answers, stop_logits=logits), TokenPolicy(answers, stop_logits=others))
    stop, shown = ([softmax(np.array([u, 0.0]))[0] for u in table] for table in (logits, others))
    expected = [float(x * (e - p)) for x, p, e in zip(softmax(np.array([0.4, 0.0])), stop, shown, strict=True)]
    np.testing.assert_allclose(result.decide[0], expected, rtol=1e-12)


def test_demonstrations_where_both_are_nearly_certain(kind) -> None:
    """Of the likeliest symbol E and p both round to 1, and differ by what the others do."""
    chain = TokenChain(lengths=1, symbols=3, required={0: 0}, max_turns=1)
    logits, others = np.array([60.0, 3.0, 0.0]), np.array([60.0, 5.0, 1.0])
    policy, expert = (TokenPolicy(kind(Factored.from_logits(z[None, None])), stop=0.5) for z in (logits, others))
    expected = [float(y - x) for x, y in zip(softmax(logits), softmax(others), strict=True)]
    np.testing.assert_allclose(first(token_sft(chain, policy, expert).tokens), expected, rtol=1e-12)


def test_the_divergence_of_a_row_that_is_nearly_certain(kind) -> None:
    """The likeliest symbol's logarithm is that of 1 and what the others add."""
    chain = TokenChain(lengths=1, symbols=3, required={0: 0}, max_turns=1)
    logits, others = np.array([30.0, 3.0, 2.5]), np.array([30.0, 4.0, 1.0])
    policy, reference = (TokenPolicy(kind(Factored.from_logits(z[None, None])), stop=0.5) for z in (logits, others))
    expected = -mp.fsum(x * mp.log(x / y) for x, y in zip(softmax(logits), softmax(others), strict=True))
    assert token_kl(chain, policy, reference).value == pytest.approx(float(expected), rel=1e-9, abs=0.0)


def test_an_expert_who_hardly_ever_shows_what_the_policy_rules_out(engine: str) -> None:
    """chi2 is infinite, however small the square of what is shown."""
    rows, expert = (Categorical(logits=np.array([[0.0, z]])) for z in (-np.inf, -441.0))
    assert imitation(rows, expert, np.ones(1), np.ones(1), keep=False)[1].tolist() == [np.inf]
