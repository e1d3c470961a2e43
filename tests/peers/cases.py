"""What is compared with TRL: settings of its trainers, and the same rule from this package's parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp
from peers import trl_models
from peers.trl_models import Step, Watched

from dstheory.objectives.parts import (
    BatchTokens,
    ConstantLength,
    Credit,
    GroupMean,
    LeaveOneOut,
    Normaliser,
    PerResponse,
    PerToken,
    response_coefficients,
)
from dstheory.objectives.token_parts import clip_weight, truncate_weight
from dstheory.symbolic.losses import SURROGATES, batch, coefficients

GROUP, LONGEST = 4, 9
TRL_EPSILON = 1e-4
"""What TRL adds to a standard deviation."""
SCALED, CENTRED = GroupMean(std=True, ddof=1, epsilon=TRL_EPSILON), GroupMean(std=False)


@dataclass(frozen=True)
class Case:
    """One comparison.

    Attributes:
        name: what is asked of TRL, as its users write it.
        objective: the name of the objective in this package.
        expected: the coefficients of every token of every step, by this package.
        run: trains with TRL under watch.
        says: what the settings compute, in the words of the table of objectives.
    """

    name: str
    objective: str
    says: str
    run: Callable[[Path], Watched]
    expected: Callable[[Watched], list[np.ndarray]]


@dataclass(frozen=True)
class Rule:
    """A group objective in parts: credit, normaliser, token weight, penalty.

    Attributes:
        weight: "token" (PPO's surrogate), "truncate" (CISPO), "soft" (SAPO's gate); "sequence" and "response" clip the geometric
            mean of the response's ratios, or their product.
        high: how far a ratio may rise above 1.
        dual: the ratio above which negative credits have no gradient.
        beta: strength of k3 in the loss.
        weighted: whether k3 is multiplied by the ratio, which is differentiated too.
        k1: strength of k1 in the reward.
    """

    credit: Credit
    normaliser: Normaliser
    weight: str = "token"
    low: float = 0.2
    high: float = 0.2
    dual: float = np.inf
    beta: float = 0.0
    weighted: bool = False
    k1: float = 0.0

    def of(self, step: Step) -> np.ndarray:
        """Return the coefficient of every token of one step."""
        order, old, ref = step.order, step.given("old_per_token_logps"), step.given("ref_per_token_logps")
        rewards = step.rewards
        if self.k1:  # in units of the response: RLOO keeps the sampling policy's sums
            sums = step.given("old_logps")
            assert sums is not None
            assert ref is not None
            rewards = rewards - self.k1 * (sums - (ref * step.mask).sum(axis=1))
        by_group = (rewards[order].reshape(-1, GROUP), step.lengths[order].reshape(-1, GROUP))
        credit, factor = np.empty(len(order)), np.empty(len(order))
        credit[order] = response_coefficients(*by_group, credit=self.credit, normaliser=self.normaliser).ravel()
        factor[order] = self.normaliser.of_groups(by_group[1]).ravel()
        log_rho = step.mask * (step.log_pi - (step.log_pi if old is None else old))
        c = credit[:, None] * self._weights(log_rho, step, credit[:, None])
        if self.beta:
            assert ref is not None
            ell = step.log_pi - ref
            c = c - factor[:, None] * self.beta * (np.exp(log_rho) * ell if self.weighted else 1.0 - np.exp(-ell))
        return np.asarray(np.where(step.mask > 0, c, 0.0))

    def _weights(self, log_rho: np.ndarray, step: Step, credit: np.ndarray) -> np.ndarray:
        if self.weight == "truncate":
            rho = np.exp(log_rho)  # a bound below 1, TRL's default, is none that this package allows
            return truncate_weight(rho, high=self.high) if self.high >= 0 else np.minimum(rho, 1 + self.high)
        if self.weight == "soft":  # the derivative of 4/tau sigma(tau (rho - 1)) by log pi: rho on the policy's edge, less beyond
            rho = np.exp(log_rho)
            gate = 1.0 / (1.0 + np.exp(-np.where(credit > 0, 1.0, 1.05) * (rho - 1.0)))
            return np.asarray(4.0 * gate * (1.0 - gate) * rho)
        if self.weight == "token":
            return clip_weight(np.exp(log_rho), credit, low=self.low, high=self.high, dual=self.dual)
        total = log_rho.sum(axis=1, keepdims=True) / step.lengths[:, None]
        if self.weight == "response":
            sums = step.given("old_logps")
            assert sums is not None
            total = ((step.log_pi * step.mask).sum(axis=1) - sums)[:, None]
        return clip_weight(np.exp(total), credit, low=self.low, high=self.high)


TWO_STEPS = {"num_iterations": 2, "max_steps": 2, "learning_rate": 3e-3}
"""The second step uses the first one's responses, so that its ratios are not 1."""


def group(trainer: str, name: str, objective: str, says: str, rule: Rule, *, seed: int = 3, **options: Any) -> Case:
    """A comparison of a trainer that generates."""

    def run(where: Path) -> Watched:
        import trl

        chosen = getattr(trl, f"{trainer}Trainer"), getattr(trl, f"{trainer}Config")
        return trl_models.train_on_prompts(*chosen, where, seed, **TWO_STEPS, **options)

    return Case(f"{trainer}Trainer, {name}", objective, says, run, lambda seen: [rule.of(step) for step in seen.steps()])


EXAMPLES = {"prompt": ["a", "b", "c"], "completion": [" a", " b c d f", " e e"]}
PAIRS = {"prompt": ["a", "b", "c"], "chosen": [" a", " b c d", " e e"], "rejected": [" a b b", " d", " f a"]}


def by_surrogate(surrogate: str, at: Callable[[Step, Watched], dict[str, float]]) -> Callable[[Watched], list[np.ndarray]]:
    """The coefficients that SymPy finds by differentiating a surrogate on a batch of the same lengths."""

    def expected(seen: Watched) -> list[np.ndarray]:
        found = []
        for step in seen.steps():
            lengths = [int(n) for n in step.lengths]
            b, numbers = batch(*lengths), at(step, seen)
            out = np.zeros_like(step.mask)
            for row, mask, cs in zip(out, step.mask, coefficients(SURROGATES[surrogate](b), b), strict=True):
                row[mask > 0] = [float(c.subs({s: numbers[s.name] for s in sp.sympify(c).free_symbols})) for c in cs]
            found.append(out)
        return found

    return expected


def own_log_probabilities(step: Step, _: Watched) -> dict[str, float]:
    """lp_i_t of every token."""
    return {
        f"lp_{i}_{t}": x
        for i, (row, mask) in enumerate(zip(step.log_pi, step.mask, strict=True), 1)
        for t, x in enumerate(row[mask > 0], 1)
    }


def preferences(beta: float) -> Callable[[Watched], list[np.ndarray]]:
    """DPO's coefficients, pair by pair, each over the number of pairs."""

    def expected(seen: Watched) -> list[np.ndarray]:
        (step,) = seen.steps()
        pairs = len(step.mask) // 2
        out = np.zeros_like(step.mask)
        for i in range(pairs):
            rows = [i, i + pairs]
            b = batch(*(int(step.lengths[r]) for r in rows))
            numbers: dict[str, float] = {"beta": beta}
            for k, r in enumerate(rows, 1):
                kept = step.mask[r] > 0
                for t, (x, y) in enumerate(zip(step.log_pi[r][kept], seen.fixed[0][r][kept], strict=True), 1):
                    numbers |= {f"lp_{k}_{t}": x, f"ref_{k}_{t}": y}
            for r, cs in zip(rows, coefficients(SURROGATES["dpo"](b), b), strict=True):
                out[r][step.mask[r] > 0] = [float(c.subs({s: numbers[s.name] for s in c.free_symbols})) / pairs for c in cs]
        return [out]

    return expected


def examples(
    trainer: str, name: str, objective: str, says: str, expected: Any, rows: dict[str, list[str]], **options: Any
) -> Case:
    """A comparison of a trainer that is given its responses."""

    def run(where: Path) -> Watched:
        import trl

        chosen = getattr(trl, f"{trainer}Trainer"), getattr(trl, f"{trainer}Config")
        return trl_models.train_on_examples(*chosen, where, 3, rows, **options)

    return Case(f"{trainer}Trainer, {name}", objective, says, run, expected)


CASES: tuple[Case, ...] = (
    group("GRPO", "defaults", "dapo-batch", "group std, tokens of the batch, clip 0.2/0.2, no KL",
          Rule(SCALED, BatchTokens())),
    group("GRPO", "epsilon_high=0.28", "dapo-batch", "the same, clip 0.2/0.28", Rule(SCALED, BatchTokens(), high=0.28),
          epsilon_high=0.28),
    group("GRPO", "scale_rewards='none'", "dapo-batch", "the same without std", Rule(CENTRED, BatchTokens()),
          scale_rewards="none"),
    group("GRPO", "scale_rewards='batch'", "dapo-batch", "std of the whole batch",
          Rule(GroupMean(std="batch", ddof=1, epsilon=TRL_EPSILON), BatchTokens()), scale_rewards="batch"),
    group("GRPO", "delta=1.25", "dapo-batch", "negative credits have no gradient above 1.25 (`dual_clip`)",
          Rule(SCALED, BatchTokens(), dual=1.25), delta=1.25),
    group("GRPO", "loss_type='luspo', importance_sampling_level='sequence'", "dr-grpo",
          "group std, sums over tokens, the response's ratio to the power 1/L", Rule(SCALED, PerResponse(), weight="sequence"),
          loss_type="luspo", importance_sampling_level="sequence"),
    group("GRPO", "loss_type='sapo'", "grpo", "group std, 1/L_i; a smooth gate of the ratio, on the policy 1",
          Rule(SCALED, PerToken(), weight="soft"), loss_type="sapo"),
    group("GRPO", "loss_type='bnpo'", "dapo-batch", "tokens of the local batch", Rule(SCALED, BatchTokens()), loss_type="bnpo"),
    group("GRPO", "loss_type='grpo', beta=0.04, use_bias_correction_kl=False", "grpo", "group std, 1/L_i, k3 in the loss",
          Rule(SCALED, PerToken(), beta=0.04), loss_type="grpo", beta=0.04, use_bias_correction_kl=False),
    group("GRPO", "loss_type='grpo', beta=0.04", "grpo", "`corrected_kl`: k3 times the ratio, -beta rho log(pi/ref)",
          Rule(SCALED, PerToken(), beta=0.04, weighted=True), loss_type="grpo", beta=0.04),
    group("GRPO", "loss_type='grpo', scale_rewards='none'", "grpo-no-std", "1/L_i without std", Rule(CENTRED, PerToken()),
          loss_type="grpo", scale_rewards="none"),
    group("GRPO", "loss_type='dr_grpo'", "dr-grpo", "a constant length, but with group std",
          Rule(SCALED, ConstantLength(LONGEST)), loss_type="dr_grpo"),
    group("GRPO", "loss_type='dr_grpo', scale_rewards='none'", "dr-grpo", "a constant length without std, as published",
          Rule(CENTRED, ConstantLength(LONGEST)), loss_type="dr_grpo", scale_rewards="none"),
    group("GRPO", "loss_type='grpo', importance_sampling_level='sequence'", "gspo", "the response's ratio to the power 1/L",
          Rule(SCALED, PerToken(), weight="sequence"), loss_type="grpo", importance_sampling_level="sequence"),
    group("GRPO", "loss_type='cispo', epsilon_high=5", "cispo", "ratio truncated at 5 (not 1 + 5), detached",
          Rule(SCALED, BatchTokens(), weight="truncate", high=4.0), loss_type="cispo", epsilon_high=5.0),
    group("GRPO", "loss_type='cispo'", "cispo", "at the default epsilon the ratio is truncated at 0.2, below 1",
          Rule(SCALED, BatchTokens(), weight="truncate", high=-0.8), loss_type="cispo"),
    group("RLOO", "beta=0", "rloo", "mean of the others, sums over tokens; the ratio of the whole response is clipped",
          Rule(LeaveOneOut(), PerResponse(), weight="response"), beta=0.0),
    group("RLOO", "defaults", "rloo", "the same with k1 in the reward, beta 0.05",
          Rule(LeaveOneOut(), PerResponse(), weight="response", k1=0.05)),
    examples("SFT", "defaults", "sft-token-mean", "mean over the tokens of the batch",
             by_surrogate("sft, token mean", own_log_probabilities), EXAMPLES),
    examples("SFT", "loss_type='dft'", "dft", "the token's probability, detached, over the tokens of the batch",
             by_surrogate("dft", own_log_probabilities), EXAMPLES, loss_type="dft"),
    examples("DPO", "beta=0.3", "dpo", "+- beta sigma(-beta Delta) on every token, over the pairs", preferences(0.3),
             PAIRS, beta=0.3),
)  # fmt: skip
"""Each is run once; all tokens of all its steps are compared."""


def largest_difference(case: Case, where: Path) -> tuple[float, int, Any]:
    """Run a case: the largest difference over the largest coefficient, the number of tokens, and the steps."""
    seen = case.run(where)
    steps, expected = seen.steps(), case.expected(seen)
    if not steps or len(steps) != len(expected):
        raise AssertionError(f"{case.name}: {len(steps)} steps were watched, {len(expected)} expected")
    scale = max(float(np.abs(step.coefficient * step.mask).max()) for step in steps)
    gap = max(float(np.abs((step.coefficient - own) * step.mask).max()) for step, own in zip(steps, expected, strict=True))
    return gap / scale, int(sum(step.mask.sum() for step in steps)), steps
