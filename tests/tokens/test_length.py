"""What length does to stage energies: nothing to a reward's, everything to a log-likelihood's. Each on lopsided numbers."""

from __future__ import annotations

import numpy as np
import pytest

from dstheory import attribute, solve
from dstheory.objectives import SFT, ExpertChain, Reinforce, ReverseKL
from dstheory.tokens import Factored, FullTree, Markov, TokenChain, TokenPolicy, flatten, token_kl, token_reward, token_sft
from dstheory.tokens.rows import Categorical, chi_square, log_ratio

STOP, STOP_REF, STOP_EXPERT = [0.8, 0.7], [0.6, 0.75], [0.9, 0.4]


def logits(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(scale=0.9, size=shape)


def pair_tokens(tree: FullTree) -> FullTree:
    """The same answers written with half as many tokens over the alphabet of pairs."""
    levels = []
    for i in range(0, len(tree.blocks), 2):
        first, second = tree.blocks[i].prob, tree.blocks[i + 1].prob
        x, prefixes, s = first.shape
        levels.append((first[..., None] * second.reshape(x, prefixes, s, s)).reshape(x, prefixes, s * s))
    return FullTree.from_probabilities(levels)


@pytest.mark.parametrize("cap", [None, 3])
def test_splitting_answers_into_more_tokens_changes_no_energy(cap: int | None) -> None:
    """Four tokens of two symbols against two tokens of four: also for SFT and for the full KL, whose scores are of log pi(y)."""
    rng = np.random.default_rng(0)
    settings = {"gamma": 0.9, "max_turns": cap, "prompt_weight": [2, 1], "resample_cost": 0.05}
    long = TokenChain(lengths=[4, 4], symbols=2, required=[{0: 1, 1: 0}, {2: 1, 3: 1}], **settings)
    short = TokenChain(lengths=[2, 2], symbols=4, required=[{0: 2}, {1: 3}], **settings)
    trees = [FullTree.from_logits([logits(rng, 2, 2**i, 2) for i in range(4)]) for _ in range(3)]
    stops = (STOP, STOP_REF, STOP_EXPERT)
    pi, ref, expert = (TokenPolicy(tree, stop=stop) for tree, stop in zip(trees, stops, strict=True))
    pi2, ref2, expert2 = (TokenPolicy(pair_tokens(tree), stop=stop) for tree, stop in zip(trees, stops, strict=True))
    for one, two in (
        (token_reward(long, pi), token_reward(short, pi2)),
        (token_sft(long, pi, expert), token_sft(short, pi2, expert2)),
        (token_kl(long, pi, ref), token_kl(short, pi2, ref2)),
    ):
        np.testing.assert_allclose(one.value, two.value, rtol=1e-12)
        np.testing.assert_allclose(one.energy.sample, two.energy.sample, rtol=1e-12)
        np.testing.assert_allclose(one.energy.by_class, two.energy.by_class, rtol=1e-12)
    # The direct term is not invariant: it splits the log-ratio of the answer among its tokens, and drops what later ones add.
    one, two = token_kl(long, pi, ref, term="direct"), token_kl(short, pi2, ref2, term="direct")
    assert abs(one.energy.sample / two.energy.sample - 1) > 0.01


PADDED = {"symbols": 3, "gamma": 0.95, "prompt_weight": [1, 3]}
PADDED["reward"] = {"stop_correct": 1.0, "resample_correct": -0.2, "stop_wrong": 0.1, "resample_wrong": 0.3}


def padded(kind: str, where: list[int]):
    """Reward on two relevant tokens, bare and among five independent tokens of padding; ``where`` the relevant ones end up."""
    rng = np.random.default_rng(1)
    bare, padding = logits(rng, 2, 2, 3), logits(rng, 2, 5, 3)
    full = np.empty((2, 7, 3))
    full[:, where] = bare
    full[:, [i for i in range(7) if i not in where]] = padding
    short = TokenChain(lengths=2, required=[{0: 1, 1: 2}, {1: 0}], **PADDED)
    long = TokenChain(lengths=7, required=[{where[0]: 1, where[1]: 2}, {where[1]: 0}], **PADDED)

    def policy(table: np.ndarray) -> TokenPolicy:
        answers = Factored.from_logits(table)
        return TokenPolicy({"factored": answers, "markov": answers.as_markov(), "tree": answers.as_tree()}[kind], stop=STOP)

    return token_reward(short, policy(bare)), token_reward(long, policy(full))


@pytest.mark.parametrize(("kind", "where"), [("factored", [1, 4]), ("tree", [1, 4]), ("markov", [1, 2])])
def test_padding_changes_no_energy_and_gets_no_gradient(kind: str, where: list[int]) -> None:
    one, two = padded(kind, where)
    np.testing.assert_allclose(two.energy.sample, one.energy.sample, rtol=1e-12)
    np.testing.assert_allclose(two.energy.by_position[where], one.energy.by_position, rtol=1e-12)
    np.testing.assert_allclose(two.energy.by_class, one.energy.by_class, rtol=1e-12)
    np.testing.assert_allclose(two.decide, one.decide, rtol=1e-12)
    # Exactly zero where nothing follows; for rows that see the past, zero to rounding before relevant tokens too.
    if kind == "factored":
        assert not two.tokens[0][:, [0, 2, 3, 5, 6]].any()
        assert not two.energy.by_position[[0, 2, 3, 5, 6]].any()
    elif kind == "markov":
        assert not two.tokens[1][:, 2:].any()
        np.testing.assert_allclose(two.tokens[0], 0.0, atol=1e-16)
    else:
        assert not any(level.any() for level in two.tokens[5:])
        np.testing.assert_allclose(two.energy.by_position[[0, 2, 3]], 0.0, atol=1e-30)


def test_padding_between_relevant_tokens_costs_a_markov_policy_its_memory() -> None:
    """The row of the second relevant token no longer sees the first: another restriction, hence less energy."""
    one, two = padded("markov", [1, 4])
    assert two.energy.sample < 0.95 * one.energy.sample


def test_a_token_that_later_ones_depend_on_is_no_padding() -> None:
    """Correctness reads the second token only; the first gets a gradient because the second depends on it."""
    chain = TokenChain(lengths=2, symbols=2, required={1: 0}, max_turns=1)
    tree = FullTree.from_probabilities([[[[0.5, 0.5]]], [[[1.0, 0.0], [0.0, 1.0]]]])
    result = token_reward(chain, TokenPolicy(tree, stop=1.0))
    np.testing.assert_allclose(result.tokens[0], [[[0.25, -0.25]]])
    np.testing.assert_allclose(result.energy.by_position, [0.25, 0.0])


@pytest.mark.parametrize("seed", range(4))
def test_restricting_the_policy_only_lowers_the_energy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 2, size=(2, 3, 3))
    chain = TokenChain(
        lengths=[4, 3], symbols=3, positions=[[0, 3], [1, 2]], table=table, gamma=0.9, max_turns=[None, 2][seed % 2]
    )
    factored, other, expert = (Factored.from_logits(logits(rng, 2, 4, 3)) for _ in range(3))
    chained = Markov.from_logits(logits(rng, 2, 3), logits(rng, 2, 3, 3, 3))
    energies = []
    for convert in (lambda p: p.as_tree(), lambda p: p.as_markov(), lambda p: p):
        pi, ref, demo = (
            TokenPolicy(convert(p), stop=s) for p, s in zip((factored, other, expert), (STOP, STOP_REF, STOP_EXPERT), strict=True)
        )
        results = token_reward(chain, pi), token_sft(chain, pi, demo, token_weight=0.7), token_kl(chain, pi, ref)
        energies.append([r.energy.sample for r in results])
    tree, markov, single = np.array(energies)
    assert (single <= markov * (1 + 1e-12)).all()
    assert (markov <= tree * (1 + 1e-12)).all()
    assert single[1] < 0.999 * tree[1]
    whole = token_reward(chain, TokenPolicy(chained.as_tree(), stop=STOP)).energy.sample
    assert token_reward(chain, TokenPolicy(chained, stop=STOP)).energy.sample <= whole * (1 + 1e-12)


def test_the_tree_has_the_energies_of_its_answers() -> None:
    """Against the numeric core, on the chain written out with one answer per sequence: 0/1 reward and full KL."""
    rng = np.random.default_rng(3)
    chain = TokenChain(lengths=[3, 2], symbols=2, required=[{0: 1, 2: 0}, {1: 1}], gamma=0.8, prompt_weight=[1, 2])
    pi, ref, expert = (
        TokenPolicy(FullTree.from_logits([logits(rng, 2, 2**i, 2) for i in range(3)]), stop=stop)
        for stop in (STOP, STOP_REF, STOP_EXPERT)
    )
    mdp, flat = flatten(chain, pi)
    _, flat_ref = flatten(chain, ref)
    _, flat_expert = flatten(chain, expert)
    solution = solve(mdp, flat)
    for result, objective, same_decisions in (
        (token_reward(chain, pi), Reinforce(), True),
        (token_kl(chain, pi, ref, beta=0.2), ReverseKL(flat_ref, beta=0.2), True),
        (token_sft(chain, pi, expert), SFT(ExpertChain(flat_expert)), False),
    ):
        split = attribute(objective, solution, coefficients=False).energy
        np.testing.assert_allclose(result.energy.sample, split.sample, rtol=1e-12)
        if same_decisions:
            np.testing.assert_allclose(result.energy.decide, split.decide, rtol=1e-12)
        else:  # tying the decisions of a class is a restriction, and demonstrations do differ within a class
            assert result.energy.decide < float(split.decide)


def test_energy_law_over_tokens() -> None:
    """gamma = 1: token and decision energies of a 0/1 reward add up to Acc (1 - Acc); of the full KL to the variance of L."""
    rng = np.random.default_rng(4)
    chain = TokenChain(lengths=3, symbols=3, required={0: 1, 2: 2}, gamma=1.0)
    levels = [[logits(rng, 1, 3**i, 3) for i in range(3)] for _ in range(2)]
    pi, ref = (TokenPolicy(FullTree.from_logits(t), stop=s) for t, s in zip(levels, (STOP, STOP_REF), strict=True))
    accuracy = solve(*flatten(chain, pi)).accuracy[0]
    reward = token_reward(chain, pi).energy
    np.testing.assert_allclose(reward.sample + reward.decide, accuracy * (1 - accuracy), rtol=1e-12)
    # The log-ratio of an episode as a return: second moments by a geometric series over turns.
    _, flat = flatten(chain, pi)
    _, flat_ref = flatten(chain, ref)
    p, s, r = flat.sample_prob[0, 0], flat.stop_prob[0, 0], flat.resample_prob[0, 0]
    up = (flat.log_sample - flat_ref.log_sample)[0, 0]
    stop, again = up + (flat.log_stop - flat_ref.log_stop)[0, 0], up + (flat.log_resample - flat_ref.log_resample)[0, 0]
    q = (p * r).sum()
    mean = (p * (s * stop + r * again)).sum() / (1 - q)
    second = ((p * (s * stop**2 + r * again**2)).sum() + 2 * mean * (p * r * again).sum()) / (1 - q)
    full = token_kl(chain, pi, ref).energy
    np.testing.assert_allclose(full.sample + full.decide, second - mean**2, rtol=1e-12)


def test_sft_and_direct_kl_add_up_over_independent_tokens() -> None:
    rng = np.random.default_rng(5)
    length = 9
    chain = TokenChain(lengths=length, symbols=4, required={2: 1}, gamma=0.9)
    tables = [logits(rng, 1, length, 4) for _ in range(3)]
    pi, ref, expert = (
        TokenPolicy(Factored.from_logits(t), stop=s) for t, s in zip(tables, (STOP, STOP_REF, STOP_EXPERT), strict=True)
    )
    rows, other, shown = (Categorical(logits=t[0]) for t in tables)
    weight = rng.uniform(0.5, 2.0, size=(1, length))
    turns = [1 / (1 - float(solve_again(p, s))) for p, s in ((tables[0], STOP), (tables[2], STOP_EXPERT))]
    chi2 = chi_square(rows, shown)
    variance = (rows.prob * log_ratio(rows, other)[0] ** 2).sum(axis=1)
    sft = token_sft(chain, pi, expert, token_weight=weight)
    np.testing.assert_allclose(sft.energy.by_position, turns[1] ** 2 / turns[0] * weight[0] ** 2 * chi2, rtol=1e-12)
    direct = token_kl(chain, pi, ref, beta=0.3, term="direct", token_weight=weight)
    np.testing.assert_allclose(direct.energy.by_position, 0.09 * turns[0] * weight[0] ** 2 * variance, rtol=1e-12)
    # As a tree, imitation multiplies instead: the chi-square of the whole answer.
    as_trees = [TokenPolicy(FullTree.from_logits(tree_logits(table[:, :4])), stop=s)
                for table, s in ((tables[0], STOP), (tables[2], STOP_EXPERT))]  # fmt: skip
    short = TokenChain(lengths=4, symbols=4, required={2: 1}, gamma=0.9)
    tree = token_sft(short, *as_trees)
    np.testing.assert_allclose(tree.energy.sample, turns[1] ** 2 / turns[0] * (np.prod(1 + chi2[:4]) - 1), rtol=1e-11)


def solve_again(table: np.ndarray, stop: list[float]) -> float:
    """Resample probability of a turn when token 2 must be symbol 1."""
    e = np.exp(table[0, 2])
    p = e[1] / e.sum()
    return p * (1 - stop[0]) + (1 - p) * (1 - stop[1])


def tree_logits(table: np.ndarray) -> list[np.ndarray]:
    return [np.repeat(table[:, i : i + 1], table.shape[2] ** i, axis=1) for i in range(table.shape[1])]


def test_full_kl_is_quadratic_once_answers_can_be_resampled() -> None:
    """A resample costs another answer's tokens: the decision's energy grows like L^2, and in one turn there is none."""
    energies = {}
    for cap in (1, None):
        for length in (256, 1024):
            chain = TokenChain(lengths=length, symbols=2, required={0: 0}, max_turns=cap)
            pi = TokenPolicy(Factored.from_probabilities([[[0.6, 0.4]] * length]), stop=STOP)
            ref = TokenPolicy(Factored.from_probabilities([[[0.4, 0.6]] * length]), stop=STOP)
            energies[cap, length] = token_kl(chain, pi, ref, gradient=False).energy
    assert energies[1, 256].decide == 0.0
    np.testing.assert_allclose(energies[1, 1024].sample / energies[1, 256].sample, 4.0, rtol=1e-12)
    np.testing.assert_allclose(energies[None, 1024].decide / energies[None, 256].decide, 16.0, rtol=1e-9)


@pytest.mark.parametrize("length", [2, 9])
def test_full_kl_with_resampling_in_closed_form(length: int) -> None:
    """Claim D3-resample: only padding tokens differ from the reference, and beta^2 (n S + q n^2 K^2) is all the energy."""
    rng = np.random.default_rng(6)
    own, other = logits(rng, 1, length, 3), logits(rng, 1, length, 3)
    other[:, 0] = own[:, 0]
    chain = TokenChain(lengths=length, symbols=3, required={0: 2}, gamma=0.9)
    result = token_kl(chain, *(TokenPolicy(Factored.from_logits(t), stop=STOP) for t in (own, other)), beta=0.4).energy
    rows, ref = Categorical(logits=own[0]), Categorical(logits=other[0])
    excess, kl = log_ratio(rows, ref)
    mean, variance = kl.sum(), (rows.prob * excess**2).sum()
    p, (a, not_b) = rows.prob[0, 2], STOP
    b = 1 - not_b
    q = p * (1 - a) + (1 - p) * b
    n = 1 / (1 - q)
    np.testing.assert_allclose(result.sample + result.decide, 0.16 * (n * variance + q * n**2 * mean**2), rtol=1e-12)
    np.testing.assert_allclose(
        result.by_class, 0.16 * n**3 * mean**2 * np.array([p * a * (1 - a), (1 - p) * b * (1 - b)]), rtol=1e-12
    )


def test_independent_tokens_that_must_all_be_right() -> None:
    """Claim B5-independent: P^2 sum (1-h)/h, and P(1-P) as a tree."""
    rng = np.random.default_rng(7)
    answers = Factored.from_logits(logits(rng, 1, 4, 3))
    chain = TokenChain(lengths=4, symbols=3, required={0: 1, 2: 0, 3: 2}, max_turns=1)
    hits = answers.blocks[0].prob[0, [0, 2, 3], [1, 0, 2]]
    joint = np.prod(hits)
    np.testing.assert_allclose(
        [token_reward(chain, TokenPolicy(t, stop=1.0)).energy.sample for t in (answers, answers.as_tree())],
        [joint**2 * ((1 - hits) / hits).sum(), joint * (1 - joint)],
        rtol=1e-12,
    )
