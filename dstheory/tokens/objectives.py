r"""Reward, imitation and KL penalty of a token chain: value, exact gradient and stage energies.

The objectives are those of :mod:`dstheory.objectives`, with every token of an answer an action of its own:

* :func:`token_reward`: :math:`J = E_x V(x)`.
* :func:`token_sft`: :math:`J = E_D\big[\sum_k \sum_i w_i \log \pi(v_i \mid h_i) + w_d \log \pi_d(d_k \mid m_k)\big]`.
* :func:`token_kl`: :math:`J = -\beta E_\pi[L]`, L the same sum with log(pi/ref), differentiated in full; or its **direct term**,
  in which each token gets -beta w_i times its own log-ratio only.

Token weights w_i are known before the token is drawn, so the derivative of L itself has mean zero. The stage energy is
:math:`g^\top F^+ g` with the Fisher information of undiscounted visits; sampling's is a sum over token positions. In a chain of M
classes, with n visits, n_d decisions, T(m) the visits-weighted value of an answer in class m:

.. math::
    \text{reward:}\ e_s = \tfrac1n E[A^2],\quad
    \text{SFT:}\ e_s = \tfrac{n_E^2}{n} \sum_h \tfrac{P_E(h)^2}{P(h)} w_i^2 \chi^2_h,\quad
    \text{direct KL:}\ e_s = \beta^2 n \sum_h P(h)\, w_i^2\, Var_h(\log \pi/ref).

The exact solution of a token chain under a policy of both stages: seen from the decision stage a token chain is a chain of
classes: the forward pass over the tokens gives the class probabilities, and everything else (values, turns, occupancies) is
that of :func:`dstheory.chain.exact.solve` on the classes. Short answers can also be written out, one answer per sequence, for
all of the package to work on: :func:`flatten`.

Source: arXiv 2601.01580, section 4, for the objectives; token level, gradients and energies derived here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.exact import Solution, solve
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy, log_sigmoid, sigmoid
from dstheory.checks import Floats, float_array, frozen, reject
from dstheory.errors import ChainError, InfiniteDivergenceError
from dstheory.objectives.mass import check_strength
from dstheory.tokens.model import TokenChain
from dstheory.tokens.samplers import TokenGradient, TokenPass, TokenSampler, same_kind

_MOST_ANSWERS = 1_000_000  # of a prompt, written out


class TokenPolicy:
    """A stationary policy of a token chain: a sampler of answers, and a logit of stop for every class of answers.

    Args:
        answers: :class:`FullTree`, :class:`Markov` or :class:`Factored`.
        stop: P(stop | class), broadcast to (X, M); zeros and ones are allowed.
        stop_logits: the logits instead.

    Raises:
        ChainError: no sampler, a probability outside [0, 1], a NaN, or a shape that does not fit.

    Example:
        >>> from dstheory.tokens import Factored
        >>> policy = TokenPolicy(Factored.from_probabilities([[[0.5, 0.5]]]), stop=[0.8, 0.7])
        >>> policy.stop_logits.round(3).tolist()
        [1.386, 0.847]
    """

    def __init__(self, answers: TokenSampler, *, stop: ArrayLike | None = None, stop_logits: ArrayLike | None = None) -> None:
        if not isinstance(answers, TokenSampler):
            raise ChainError(f"answers is of type {type(answers).__name__}: give a Factored, a Markov or a FullTree")
        if (stop is None) == (stop_logits is None):
            raise ChainError("give either stop= (probabilities) or stop_logits=")
        if stop is not None:
            prob = float_array(stop, "stop")
            reject(~((prob >= 0) & (prob <= 1)), prob, "stop probability", "must lie in [0, 1]", "correct that entry",
                   axes=("prompt", "class")[2 - min(prob.ndim, 2) :])  # fmt: skip
            with np.errstate(divide="ignore"):
                logits = np.log(prob) - np.log1p(-prob)
        else:
            assert stop_logits is not None
            logits = float_array(stop_logits, "stop_logits")
            reject(np.isnan(logits), logits, "stop logit", "must not be NaN", "give a number",
                   axes=("prompt", "class")[2 - min(logits.ndim, 2) :])  # fmt: skip
        self.answers = answers
        self.stop_logits = frozen(np.asarray(logits))

    def __repr__(self) -> str:
        return f"TokenPolicy({self.answers!r})"


class TokenSolution:
    """Everything exact about a token chain under a policy. Made by :func:`solve_tokens`.

    Attributes:
        chain, policy: what was solved.
        forward: the forward pass over the tokens.
        stop_logits: (X, M).

    Example:
        >>> from dstheory.tokens import Factored
        >>> chain = TokenChain(lengths=2, symbols=2, required={0: 1}, gamma=1.0)
        >>> s = solve_tokens(chain, TokenPolicy(Factored.from_probabilities([[[0.5, 0.5], [0.9, 0.1]]]), stop=[0.5, 0.25]))
        >>> round(s.accuracy, 12), s.class_probability.tolist()
        (0.666666666667, [[0.5, 0.5]])
    """

    def __init__(self, chain: TokenChain, policy: TokenPolicy, what: str = "policy") -> None:
        policy.answers.check_fits(chain, what)
        shape = (chain.n_prompts, chain.verdict.classes)
        try:
            stop_logits = np.broadcast_to(policy.stop_logits, shape)
        except ValueError as error:
            raise ChainError(
                f"the {what}'s stop probabilities have shape {policy.stop_logits.shape}: must broadcast to "
                f"(prompts, classes) = {shape}"
            ) from error
        self.chain, self.policy, self.stop_logits = chain, policy, stop_logits
        self.forward: TokenPass = policy.answers.start(chain)

    @cached_property
    def classes(self) -> Solution:
        """The solution of the chain of classes: values, occupancies, accuracy, turns; its answers are the classes."""
        with np.errstate(divide="ignore"):
            logits = np.log(self.forward.classes)
        return solve(self.chain.classes, Policy.tabular(logits, self.stop_logits))

    @property
    def class_probability(self) -> Floats:
        """(X, M) probability that an answer falls into each class."""
        return self.forward.classes

    @property
    def value(self) -> float:
        """E_x[V(x)], the expected discounted return."""
        return float(self.classes.mean_value)

    @property
    def accuracy(self) -> float:
        """Probability that the submitted answer is correct, averaged over prompts."""
        return float(self.classes.mean_accuracy)

    @property
    def visits(self) -> Floats:
        """(X,) undiscounted expected number of answers of an episode (inf if endless): the occupancy of the empty prefix."""
        return self.classes.expected_turns

    @property
    def decisions(self) -> Floats:
        """(X,) undiscounted expected number of decisions: a capped chain draws none at its last turn."""
        s = self.classes
        return np.asarray((s.visits * s.unrolled.decided[..., 0]).sum(axis=-2))


def solve_tokens(chain: TokenChain, policy: TokenPolicy) -> TokenSolution:
    """Return the exact solution of a token chain.

    Raises:
        ChainError: the policy does not fit the chain.

    Example:
        >>> from dstheory.tokens import Factored
        >>> chain = TokenChain(lengths=2, symbols=2, required={0: 1}, gamma=1.0)
        >>> policy = TokenPolicy(Factored.from_probabilities([[[0.5, 0.5], [0.9, 0.1]]]), stop=[0.5, 0.25])
        >>> s = solve_tokens(chain, policy)
        >>> s.class_probability.tolist(), round(s.accuracy, 12)  # odds = 1 x 0.5/0.25
        ([[0.5, 0.5]], 0.666666666667)
    """
    return TokenSolution(chain, policy)


def flatten(chain: TokenChain, policy: TokenPolicy) -> tuple[TwoStageMDP, Policy]:
    """Return the chain with one answer per sequence of tokens, and the policy on it.

    Answers are numbered in base S, first token most significant. Decisions of the flat policy are tabular per answer, no longer
    tied within a class; for rewards that changes nothing, since advantages of answers in one class are equal.

    Args:
        chain: a chain with at most a million sequences per prompt.
        policy: a policy of the chain.

    Raises:
        ChainError: too many sequences, or the policy does not fit.

    Example:
        >>> from dstheory.tokens import Factored
        >>> chain = TokenChain(lengths=2, symbols=2, required={0: 1})
        >>> mdp, flat = flatten(chain, TokenPolicy(Factored.from_probabilities([[[0.5, 0.5], [0.9, 0.1]]]), stop=[0.5, 0.25]))
        >>> mdp.correct.tolist(), flat.sample_prob.round(3).tolist()
        ([[0.0, 0.0, 1.0, 1.0]], [[[0.45, 0.05, 0.45, 0.05]]])
    """
    symbols, width = chain.symbols, chain.max_length
    if width * np.log(symbols) > np.log(_MOST_ANSWERS):
        raise ChainError(f"{symbols}^{width} answers per prompt are too many to write out: at most {_MOST_ANSWERS:,}")
    tree = policy.answers.as_tree()
    forward = tree.start(chain)
    stop_logits = np.broadcast_to(policy.stop_logits, (chain.n_prompts, chain.verdict.classes))
    counts = symbols**chain.lengths
    shape = (chain.n_prompts, int(counts.max()))
    log_prob, group = np.full(shape, -np.inf), np.zeros(shape, dtype=np.int64)
    total: Floats = np.zeros((chain.n_prompts, 1))
    for i, rows in enumerate(tree.blocks):
        total = (total[..., None] + rows.log_prob).reshape(chain.n_prompts, -1)
        ends = chain.lengths == i + 1
        log_prob[ends, : total.shape[1]] = total[ends]
        group[ends, : total.shape[1]] = np.take_along_axis(chain.verdict.final, forward.states[i + 1], axis=1)[ends]
    seen = chain.classes
    tables: dict[str, Any] = {
        name: np.take_along_axis(getattr(seen, name), group, axis=1)
        for name in ("correct", "reward_stop", "reward_resample", "sample_length", "decision_length",
                     "reward_stop_variance", "reward_resample_variance")
    }  # fmt: skip
    mdp = TwoStageMDP(
        n_answers=counts, prompt_weight=seen.prompt_weight, gamma=seen.gamma, discount_per=seen.discount_per,
        max_turns=seen.max_turns, prompts=seen.prompts, **tables,
    )  # fmt: skip
    return mdp, Policy.tabular(log_prob, np.take_along_axis(stop_logits, group, axis=1))


@dataclass(frozen=True, eq=False)
class TokenEnergy:
    """Fisher energies g^T F^+ g of both stages; inf where a gradient pushes what the policy never does.

    Attributes:
        by_position: (L,) energy of each token position; they add up to ``sample``.
        by_class: (M,) energy of the decisions at each class of answers; they add up to ``decide``.

    Example:
        >>> from dstheory.tokens import Factored
        >>> chain = TokenChain(lengths=2, symbols=2, required={0: 1}, gamma=1.0)
        >>> policy = TokenPolicy(Factored.from_probabilities([[[0.5, 0.5], [0.9, 0.1]]]), stop=[0.5, 0.25])
        >>> energy = token_reward(chain, policy).energy
        >>> energy.by_position.round(6).tolist(), energy.by_class.round(6).tolist(), round(energy.sample, 6)
        ([0.074074, 0.0], [0.037037, 0.111111], 0.074074)
    """

    by_position: Floats
    by_class: Floats

    @property
    def sample(self) -> float:
        """Energy of the sampling stage."""
        return float(self.by_position.sum())

    @property
    def decide(self) -> float:
        """Energy of the decision stage."""
        return float(self.by_class.sum())


@dataclass(frozen=True, eq=False)
class TokenResult:
    """An objective at a policy.

    Attributes:
        value: the scalar J, or None for the direct term of a penalty, which is not the gradient of one.
        tokens: gradient with respect to the token logits, one array per block of the sampler; None if it was not asked for.
        decide: (X, M) gradient with respect to the logits of stop.
        energy: stage energies.

    Example:
        >>> from dstheory.tokens import Factored
        >>> chain = TokenChain(lengths=3, symbols=2, required={0: 1}, max_turns=1)
        >>> pi, expert = (TokenPolicy(Factored.from_probabilities([[[p, 1 - p]] * 3]), stop=0.5) for p in (0.5, 0.75))
        >>> result = token_sft(chain, pi, expert)
        >>> result.tokens[0].tolist(), round(result.value, 6)  # one turn: no decisions
        ([[[0.25, -0.25], [0.25, -0.25], [0.25, -0.25]]], -2.079442)
    """

    value: float | None
    tokens: tuple[Floats, ...] | None
    decide: Floats
    energy: TokenEnergy


def token_reward(chain: TokenChain, policy: TokenPolicy, *, gradient: bool = True) -> TokenResult:
    """Return the expected discounted return, its gradient and its energies.

    Args:
        chain: the chain.
        policy: a policy of the chain.
        gradient: False leaves the token gradient out; energies need no table of its size.

    Raises:
        ChainError: the policy does not fit the chain.
        ImproperChainError: an undiscounted chain that never stops.

    Example:
        >>> from dstheory.tokens import Factored
        >>> chain = TokenChain(lengths=2, symbols=2, required={0: 1}, gamma=1.0)
        >>> policy = TokenPolicy(Factored.from_probabilities([[[0.5, 0.5], [0.9, 0.1]]]), stop=[0.5, 0.25])
        >>> result = token_reward(chain, policy)
        >>> result.tokens[0].round(6).tolist()  # the second token is padding
        [[[-0.222222, 0.222222], [0.0, 0.0]]]
        >>> round(result.energy.sample + result.energy.decide, 12), round(2 / 3 * 1 / 3, 12)  # Acc(1 - Acc)
        (0.222222222222, 0.222222222222)
    """
    s = solve_tokens(chain, policy)
    c, visits = s.classes.contrast, s.classes.discounted_visits[..., None]
    credit = s.forward.credit((visits * c.sample).sum(axis=-3), keep=gradient)
    drawn = s.classes.unrolled.decided * visits * s.classes.mdp.gamma_within
    margin = (drawn * (c.stop - c.resample)).sum(axis=-3)
    return _result(s, float(s.classes.mean_value), credit, margin)


def token_sft(
    chain: TokenChain,
    policy: TokenPolicy,
    expert: TokenPolicy,
    *,
    token_weight: ArrayLike = 1.0,
    decision_weight: ArrayLike = 1.0,
    gradient: bool = True,
) -> TokenResult:
    """Return the weighted log-likelihood of an expert's episodes, its gradient and its energies.

    Args:
        chain: the chain; the expert runs on it too.
        policy: a policy of the chain.
        expert: the demonstrator, with the same kind of sampler.
        token_weight: w_i, a number or broadcastable to (X, L).
        decision_weight: w_d, a number or (X, 1).
        gradient: False leaves the token gradient out.

    Raises:
        ChainError: a policy that does not fit the chain, or a negative weight.
        ImproperChainError: the expert never stops.

    Example:
        >>> from dstheory.tokens import Factored
        >>> chain = TokenChain(lengths=3, symbols=2, required={0: 1}, max_turns=1)
        >>> pi, expert = (Factored.from_probabilities([[[p, 1 - p]] * 3]) for p in (0.5, 0.75))
        >>> result = token_sft(chain, TokenPolicy(pi, stop=0.5), TokenPolicy(expert, stop=0.5))
        >>> result.energy.by_position.tolist()  # chi2 of every token
        [0.25, 0.25, 0.25]
    """
    weight, w_d = chain.token_weight(token_weight), _decision_weight(chain, decision_weight)
    s, shown = solve_tokens(chain, policy), TokenSolution(chain, expert, "expert")
    same_kind(policy.answers, expert.answers, "expert")
    turns = np.asarray(shown.classes.finite_visits.sum(axis=-2))
    credit, tokens = s.forward.imitate(shown.forward, turns[:, None] * weight, keep=gradient)
    stop, resample = (w_d * m.sum(axis=-3) for m in (shown.classes.stop_visits, shown.classes.resample_visits))
    u, rho = s.stop_logits, chain.prompt_weight[:, None]
    with np.errstate(invalid="ignore"):
        chosen = np.where(stop > 0, stop * log_sigmoid(u), 0.0) + np.where(resample > 0, resample * log_sigmoid(-u), 0.0)
    push = (stop + resample) * s.classes.policy.gaps(shown.classes.policy)[1][0]
    information = _product(s.class_probability, s.decisions[:, None]) * sigmoid(u) * sigmoid(-u)
    with np.errstate(divide="ignore", invalid="ignore"):
        energy = np.where(push == 0.0, 0.0, push**2 / information)
    value = float(_product(chain.prompt_weight, tokens + chosen.sum(axis=1)).sum())
    return TokenResult(value, credit.gradient, rho * push, TokenEnergy(_sampling(s, credit), _mean(rho, energy)))


def token_kl(
    chain: TokenChain,
    policy: TokenPolicy,
    reference: TokenPolicy,
    *,
    beta: float = 1.0,
    term: Literal["full", "direct"] = "full",
    token_weight: ArrayLike = 1.0,
    decision_weight: ArrayLike = 1.0,
    gradient: bool = True,
) -> TokenResult:
    """Return the reverse KL penalty -beta E[L], undiscounted: its full gradient or its direct term, and the energies.

    Args:
        chain: the chain.
        policy: a policy of the chain.
        reference: what is stayed close to, with the same kind of sampler.
        beta: strength >= 0.
        term: ``"full"``, the gradient of -beta E[L]; ``"direct"``, every action's own log-ratio, states frozen.
        token_weight: w_i, a number or broadcastable to (X, L).
        decision_weight: w_d, a number or (X, 1).
        gradient: False leaves the token gradient out.

    Raises:
        ChainError: a policy that does not fit the chain, or a negative weight.
        ImproperChainError: the policy never stops.
        InfiniteDivergenceError: the reference rules out what the policy does.

    Example:
        >>> from dstheory.tokens import Factored
        >>> chain = TokenChain(lengths=3, symbols=2, required={0: 1}, max_turns=1)
        >>> pi, ref = (Factored.from_probabilities([[[p, 1 - p]] * 3]) for p in (0.5, 0.75))
        >>> full, direct = (
        ...     token_kl(chain, TokenPolicy(pi, stop=0.5), TokenPolicy(ref, stop=0.5), term=term) for term in ("full", "direct")
        ... )
        >>> full.energy.by_position.round(9).tolist() == direct.energy.by_position.round(9).tolist()  # one answer
        True
    """
    if term not in ("full", "direct"):
        raise ChainError(f"term is {term!r}: must be 'full' or 'direct'")
    check_strength(beta, "beta", "a penalty has no negative strength")
    if np.ndim(beta):
        raise ChainError(f"beta has shape {np.shape(beta)}: must be one number")
    weight, w_d = chain.token_weight(token_weight), -float(beta) * _decision_weight(chain, decision_weight)
    s, ref = solve_tokens(chain, policy), TokenSolution(chain, reference, "reference")
    turns = s.classes.finite_visits
    n = turns.sum(axis=-2)
    penalty = s.forward.penalty(ref.policy.answers, -float(beta) * n[:, None] * weight, keep=gradient)
    up_stop, up_resample = _decision_log_ratios(s, ref)
    if term == "direct":
        credit = s.forward.credit(None, penalty, keep=gradient)
        margin = s.decisions[:, None] * w_d * (up_stop - up_resample)
        return _result(s, None, credit, margin)
    # Every answer costs its tokens whatever its class, so for the chain of classes that is a constant of each turn.
    per_answer = (penalty.expected / n)[:, None]
    pol = s.classes.unrolled
    paid = [w_d * up * pol.decided for up in (up_stop, up_resample)]
    value = s.classes.values_of(*(each + per_answer for each in paid)).value[0]
    c = s.classes.contrast_of(*paid, answer=per_answer)
    credit = s.forward.credit((turns[..., None] * c.sample).sum(axis=-3), penalty, keep=gradient)
    margin = (turns[..., None] * pol.decided * (c.stop - c.resample)).sum(axis=-3)
    return _result(s, float((value * chain.prompt_weight).sum()), credit, margin)


def _result(s: TokenSolution, value: float | None, credit: TokenGradient, margin: Floats) -> TokenResult:
    """Finish an on-policy objective whose decision at class m gains ``margin`` (X, M) per unit of P(m) by stopping."""
    rho, mass = s.chain.prompt_weight[:, None], s.class_probability
    # A margin may be infinite where a decision is certain: nothing moves it.
    spread = mass * sigmoid(s.stop_logits) * sigmoid(-s.stop_logits)
    margin = np.where(spread == 0.0, 0.0, margin)
    with np.errstate(divide="ignore", invalid="ignore"):
        energy = np.where(margin == 0.0, 0.0, spread * margin**2 / s.decisions[:, None])
    return TokenResult(value, credit.gradient, rho * spread * margin, TokenEnergy(_sampling(s, credit), _mean(rho, energy)))


def _sampling(s: TokenSolution, credit: TokenGradient) -> Floats:
    return _mean(s.chain.prompt_weight[:, None], credit.energy / s.visits[:, None])


def _mean(rho: Floats, per_prompt: Floats) -> Floats:
    """Average over prompts; one that never occurs counts nothing, even if its energy is infinite."""
    return np.asarray(_product(rho, per_prompt).sum(axis=0))


def _product(weight: Floats, value: Floats) -> Floats:
    """Return weight times value, 0 where the weight is, even if the value is infinite."""
    return weight * np.where(weight == 0.0, 0.0, value)


def _decision_weight(chain: TokenChain, weight: ArrayLike) -> Floats:
    table = float_array(weight, "decision_weight")
    if table.ndim and table.shape != (chain.n_prompts, 1):
        raise ChainError(f"decision_weight has shape {table.shape}: needs a number, or (prompts, 1) = ({chain.n_prompts}, 1)")
    reject(~((table >= 0) & np.isfinite(table)), table, "decision_weight", "must be finite and >= 0", "1 counts a decision once",
           axes=("prompt", "column")[: table.ndim])  # fmt: skip
    return table


def _decision_log_ratios(s: TokenSolution, ref: TokenSolution) -> tuple[Floats, Floats]:
    """Return log(pi/ref) of stop and of resample, (X, M); 0 for decisions that are never taken or never asked for."""
    out = []
    asked = (s.class_probability > 0.0) & (s.decisions[:, None] > 0.0)
    _, *ratios = s.classes.policy.log_ratios(ref.classes.policy)
    for what, sign, ratio in zip(("stop", "resample"), (1.0, -1.0), ratios, strict=True):
        taken = asked & (sign * s.stop_logits > -np.inf)
        if (taken & (ratio[0] == np.inf)).any():
            x, m = (int(i) for i in np.argwhere(taken & (ratio[0] == np.inf))[0])
            raise InfiniteDivergenceError(
                f"the reference gives probability 0 to {what} (prompt {x}, class {m}) where the policy does not: the divergence "
                "is infinite; give the reference some mass there"
            )
        out.append(np.where(taken, ratio[0], 0.0))
    return out[0], out[1]
