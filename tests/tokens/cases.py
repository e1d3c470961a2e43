"""Lopsided token chains: prompts of different lengths, skewed rewards and weights; each as the package's and as a listed one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from tokens.enumeration import Listed

from dstheory.tokens import Factored, FullTree, Markov, TokenChain, TokenPolicy

KINDS = {"tree": FullTree, "markov": Markov, "factored": Factored}


@dataclass
class Case:
    chain: TokenChain
    listed: Listed
    theta: np.ndarray
    reference: np.ndarray
    expert: np.ndarray
    settings: dict

    def policy(self, theta: np.ndarray) -> TokenPolicy:
        blocks, stop = self.listed.split(theta)
        kind = KINDS[self.listed.kind]
        answers = kind.from_logits(blocks) if self.listed.kind == "tree" else kind.from_logits(*blocks)
        return TokenPolicy(answers, stop_logits=stop)

    def flat(self, result) -> np.ndarray:
        return np.concatenate([*(block.ravel() for block in result.tokens), result.decide.ravel()])


def make_case(kind: str, verdict: str, *, cap: int | None = None, seed: int = 0, per: str = "turn", gamma: float = 0.9,
              symbols: int = 2, lengths: tuple[int, ...] = (3, 1, 4), weights: bool = True) -> Case:  # fmt: skip
    rng = np.random.default_rng(seed)
    n = len(lengths)
    if verdict == "conjunction":
        # Unequal numbers of relevant tokens, one prompt may have none.
        required = [
            {int(i): int(rng.integers(symbols)) for i in rng.choice(length, size=min(length, 1 + x % 3), replace=False)}
            for x, length in enumerate(lengths)
        ]
        classes, definition = 2, {"required": required}

        def group(x: int, y: tuple[int, ...]) -> int:
            return 0 if all(y[i] == v for i, v in required[x].items()) else 1
    else:
        relevant = min(2, *lengths)
        positions = np.sort(np.array([rng.choice(length, size=relevant, replace=False) for length in lengths]), axis=1)
        table = rng.integers(0, 2, size=(n, *(symbols,) * relevant))
        table.reshape(n, -1)[:, 0], table.reshape(n, -1)[:, -1] = 1, 0
        pattern = verdict == "pattern"
        classes = symbols**relevant if pattern else 2
        definition = {"positions": positions, "table": table, "by_pattern": pattern}

        def group(x: int, y: tuple[int, ...]) -> int:
            seen = tuple(y[i] for i in positions[x])
            if not pattern:
                return 0 if table[(x, *seen)] else 1
            number = 0
            for v in seen:
                number = number * symbols + v
            return number

    stop_reward = rng.normal(size=(n, classes)) + np.linspace(2, -1, classes)
    resample_reward = rng.normal(scale=0.4, size=(n, classes))
    rho = rng.dirichlet(np.ones(n)) * 0.8 + 0.2 / n
    weight = rng.uniform(0.3, 2.0, size=(n, max(lengths))) if weights else np.ones((n, max(lengths)))
    decision_weight = 1.7 if weights else 1.0
    settings = {"token_weight": weight, "decision_weight": decision_weight}
    chain = TokenChain(
        lengths=lengths, symbols=symbols, reward_stop=stop_reward, reward_resample=resample_reward, prompt_weight=rho,
        gamma=gamma, discount_per=per, max_turns=cap, **definition,
    )  # fmt: skip
    listed = Listed(
        kind, list(lengths), symbols, classes, group, stop_reward, resample_reward, rho, gamma if per == "stage" else 1.0,
        gamma, cap, weight, decision_weight,
    )  # fmt: skip

    def draw(bias: float) -> np.ndarray:
        theta = rng.normal(scale=1.1, size=listed.n_parameters)
        theta[listed.n_tokens :] += bias
        return theta

    return Case(chain, listed, draw(0.3), draw(0.6), draw(1.0), settings)
