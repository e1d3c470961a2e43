"""verl's, OpenRLHF's and TRL's own functions on one lopsided batch, off the policy, against this package's parts.

Compared is what a function returns, or minus the gradient of its loss at each token's log-probability.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
from peers import loading

from dstheory import Policy, TwoStageMDP, solve
from dstheory.objectives import Distillation
from dstheory.objectives.parts import (
    BatchTokens,
    ConstantLength,
    Credit,
    GroupMean,
    LeaveOneOut,
    Normaliser,
    PerResponse,
    PerToken,
)
from dstheory.objectives.preference import LOSSES, pair_loss
from dstheory.objectives.token_parts import clip_weight, importance_weight, penalty_weight, truncate_weight
from dstheory.symbolic.losses import SURROGATES, batch, coefficients

Pairs = list[tuple[np.ndarray, np.ndarray]]
SINGLE = 1e-6
"""Single precision rounds to 6e-8; a coefficient takes a few operations."""


@dataclass(frozen=True)
class Call:
    """One comparison.

    Attributes:
        library: ``verl``, ``openrlhf`` or ``trl``.
        name: the function and its settings.
        says: what it computes, in this package's words.
        run: returns (theirs, ours), arrays of one shape each: coefficients or gradients first, then logged values.
        tolerance: what is allowed; the libraries add 1e-8 to what they divide by, variances among it, and some functions compute
            in single precision.
    """

    library: str
    name: str
    says: str
    run: Callable[[], Pairs]
    tolerance: float = 5e-8

    def largest_difference(self) -> tuple[float, int, int]:
        """Return the largest difference over the largest of their numbers, how many were compared, and how many logged values."""
        pairs = self.run()
        scale = max(float(np.abs(theirs).max()) for theirs, _ in pairs)
        for theirs, ours in pairs:
            assert theirs.shape == ours.shape, (theirs.shape, ours.shape)
        gap = max(float(np.abs(theirs - ours).max()) for theirs, ours in pairs)
        return gap / scale, pairs[0][0].size, len(pairs) - 1


# ---------------------------------------------------------------------- one batch off the policy

GROUPS, SIZE, LONGEST = 3, 4, 9


class Batch:
    """Three groups of four responses of one to nine tokens; the rewards of the last are all equal; ratios from 0.3 to 3."""

    def __init__(self) -> None:
        import torch

        rng = np.random.default_rng(7)
        self.rewards = np.array([[1.0, 0.0, 0.5, 0.0], [0.25, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
        self.lengths = rng.integers(1, LONGEST + 1, size=(GROUPS, SIZE)).astype(float)
        self.lengths[0, 0], self.lengths[1, 1] = LONGEST, 1.0
        self.mask = (np.arange(LONGEST) < self.lengths.reshape(-1, 1)).astype(float)
        shape = self.mask.shape
        self.new = np.log(rng.uniform(0.05, 0.95, size=shape))
        self.old = self.new - rng.normal(0.0, 0.5, size=shape)
        self.ref = self.new - rng.normal(0.0, 0.7, size=shape)
        self.engine = self.old - rng.normal(0.0, 0.6, size=shape)
        self.credit = rng.normal(0.0, 1.0, size=(GROUPS * SIZE, 1)) * self.mask
        self.index = np.repeat(np.arange(GROUPS), SIZE)
        self.torch = torch

    def tensor(self, values: np.ndarray) -> Any:
        return self.torch.tensor(values, dtype=self.torch.float64)

    @property
    def scores(self) -> Any:
        """The reward of each response, at its last token."""
        last = np.arange(LONGEST) == self.lengths.reshape(-1, 1) - 1
        return self.tensor(np.where(last, self.rewards.reshape(-1, 1), 0.0))

    def over(self, normaliser: Normaliser) -> np.ndarray:
        """What each token's credit is divided by, as a factor."""
        return normaliser.of_groups(self.lengths).reshape(-1, 1) * self.mask

    def coefficient(self, loss: Callable[[Any], Any]) -> np.ndarray:
        """Minus the gradient of a loss at each token's log-probability."""
        at = self.tensor(self.new).requires_grad_()
        loss(at).backward()
        return np.asarray(-at.grad.numpy() * self.mask)


@cache
def small() -> Batch:
    """The batch, made once."""
    return Batch()


def advantage(name: str, credit: Credit, says: str, function: str, **options: Any) -> Call:
    """An estimator of advantages of verl against a credit of this package."""

    def run() -> Pairs:
        b = small()
        found, _ = getattr(loading.verl(), function)(b.scores, b.tensor(b.mask), index=b.index, **options)
        return [(found.numpy(), credit.of_groups(b.rewards).reshape(-1, 1) * b.mask)]

    return Call("verl", name, says, run, SINGLE if "vectorized" in name else 5e-8)


def actor(**settings: Any) -> Any:
    """The configuration that verl's policy losses read."""
    from verl.workers.config import ActorConfig

    made = ActorConfig(strategy="fsdp", rollout_n=SIZE, ppo_micro_batch_size_per_gpu=1, **settings)
    made.global_batch_info["loss_scale_factor"] = settings.get("loss_scale_factor")
    return made


MODES: dict[str, Normaliser] = {
    "token-mean": BatchTokens(),
    "seq-mean-token-sum": PerResponse(),
    "seq-mean-token-mean": PerToken(),
    "seq-mean-token-sum-norm": ConstantLength(LONGEST),
}
Weight = Callable[[Batch], np.ndarray]


def verl_loss(mode: str, weight: Weight, says: str, *, agg: str, **settings: Any) -> Call:
    """A policy loss of verl against a token weight of this package; on the policy, the value that is logged as well."""

    def run() -> Pairs:
        b = small()
        function = loading.verl().get_policy_loss_fn(mode)
        args = (b.tensor(b.credit), b.tensor(b.mask), agg, actor(**settings))
        found = b.coefficient(lambda at: function(b.tensor(b.old), at, *args)[0])
        ours = b.credit * weight(b) * b.over(MODES[agg])
        pairs = [(found, ours)]
        if mode in ("vanilla", "gspo"):
            logged = function(b.tensor(b.new), b.tensor(b.new), *args)[0].numpy()
            pairs.append((np.asarray([logged]), np.asarray([-(b.credit * b.over(MODES[agg])).sum()])))
        return pairs

    extra = "".join(f", {name}={value}" for name, value in settings.items())
    return Call("verl", f"{mode}, {agg}{extra}", says, run)


def token_clip(low: float = 0.2, high: float = 0.2, dual: float = 3.0) -> Weight:
    return lambda b: clip_weight(np.exp(b.new - b.old), b.credit, low=low, high=high, dual=dual)


def response_ratio(b: Batch) -> np.ndarray:
    """The response's ratio to the power 1/L."""
    return np.asarray(np.exp(((b.new - b.old) * b.mask).sum(axis=1) / b.lengths.ravel())[:, None])


def response_clip(low: float = 0.2, high: float = 0.2) -> Weight:
    return lambda b: clip_weight(response_ratio(b), b.credit, low=low, high=high)


def verl_kl(name: str, weight: Callable[[np.ndarray], np.ndarray], says: str) -> Call:
    """A KL in the loss of verl: minus its derivative."""

    def run() -> Pairs:
        b = small()
        found = b.coefficient(lambda at: loading.verl().kl_penalty(at, b.tensor(b.ref), name).sum())
        return [(found, weight(b.new - b.ref) * b.mask)]

    return Call("verl", f"kl_penalty, {name}", says, run)


def openrlhf_loss(name: str, weight: Weight, normaliser: Normaliser, says: str, **settings: Any) -> Call:
    """OpenRLHF's PolicyLoss against a token weight; on the policy, the value that is logged as well."""

    def run() -> Pairs:
        b = small()
        loss = loading.openrlhf()[0].PolicyLoss(**settings)
        old, credit, mask, engine = map(b.tensor, (b.old, b.credit, b.mask, b.engine))
        found = b.coefficient(lambda at: loss(at, old, credit, mask, rollout_log_probs=engine)[0])
        pairs = [(found, b.credit * weight(b) * b.over(normaliser))]
        if settings.get("is_correction_level") is None:
            new = b.tensor(b.new)
            logged = loss(new, new, credit, mask)[0].numpy()
            pairs.append((np.asarray([logged]), np.asarray([-(b.credit * b.over(normaliser)).sum()])))
        return pairs

    return Call("openrlhf", f"PolicyLoss, {name}", says, run)


def engine_ratio(b: Batch) -> np.ndarray:
    return np.asarray(np.exp(b.old - b.engine))


def within(ratio: np.ndarray, low: float, high: float) -> np.ndarray:
    """Importance weights that are dropped outside a band: this package's rule above it, and the same below."""
    return np.where(ratio < low, 0.0, importance_weight(ratio, rule="mask", cap=high))


def openrlhf_kl(estimator: str, weight: Callable[[np.ndarray], np.ndarray], says: str, *, corrected: bool = False) -> Call:
    """A KL in the loss of OpenRLHF, which computes in single precision: minus its derivative."""

    def run() -> Pairs:
        b = small()

        def penalty(at: Any) -> Any:
            found = loading.openrlhf()[1].compute_approx_kl
            return found(at, b.tensor(b.ref), b.tensor(b.old), estimator, unbiased_gradient=corrected).sum()

        factor = np.exp(b.new - b.old) if corrected else 1.0
        return [(b.coefficient(penalty), factor * weight(b.new - b.ref) * b.mask)]

    return Call("openrlhf", f"compute_approx_kl, {estimator}{', unbiased_gradient' if corrected else ''}", says, run, SINGLE)


def openrlhf_dpo(beta: float) -> Call:
    """OpenRLHF's DPOLoss on sums of log-probabilities against the derivative that SymPy takes."""

    def run() -> Pairs:
        torch = small().torch
        logs = {"lp": [[-0.4, -0.9], [-1.3]], "ref": [[-0.7, -0.5], [-0.8]]}
        at = [torch.tensor(row, dtype=torch.float64, requires_grad=True) for row in logs["lp"]]
        ref = [torch.tensor(sum(row), dtype=torch.float64) for row in logs["ref"]]
        loading.openrlhf()[0].DPOLoss(beta)(at[0].sum(), at[1].sum(), *ref)[0].backward()
        b = batch(2, 1)
        numbers = {"beta": beta} | {
            f"{kind}_{i}_{t}": value
            for kind, rows in logs.items() for i, row in enumerate(rows, 1) for t, value in enumerate(row, 1)
        }  # fmt: skip
        ours = [float(c.subs({s: numbers[s.name] for s in c.free_symbols}))
                for row in coefficients(SURROGATES["dpo"](b), b) for c in row]  # fmt: skip
        return [(-np.concatenate([row.grad.numpy() for row in at]), np.array(ours))]

    return Call("openrlhf", f"DPOLoss, beta={beta}", "+- beta sigma(-beta Delta) on every token of a pair", run)


def openrlhf_pairs(loss: str, says: str, *, beta: float = 0.3, smoothing: float = 0.0) -> Call:
    """OpenRLHF's DPOLoss with smoothing, or as IPO: the first six responses chosen, the last six rejected."""

    def run() -> Pairs:
        b = small()
        new, ref = ((x * b.mask).sum(axis=1) for x in (b.new, b.ref))
        n, at = len(new) // 2, b.tensor(new).requires_grad_()
        theirs = loading.openrlhf()[0].DPOLoss(beta, smoothing, loss == "ipo_sum")
        found = theirs(at[:n], at[n:], b.tensor(ref[:n]), b.tensor(ref[n:]))[0]
        found.backward()
        curve = pair_loss(loss, beta=beta, smoothing=smoothing).margin
        assert curve is not None
        h = beta * ((new - ref)[:n] - (new - ref)[n:])
        fall = beta * curve.fall(h) / n
        value = np.array([curve.value(h).mean()])
        return [(-at.grad.numpy(), np.concatenate([fall, -fall])), (np.array([found.item()]), value)]

    settings = "ipo=True" if loss == "ipo_sum" else f"label_smoothing={smoothing:g}"
    return Call("openrlhf", f"DPOLoss, beta={beta:g}, {settings}", says, run)


def trl_pairs(loss: str, says: str, *, beta: float = 0.3, **settings: float) -> Call:
    """The loss of TRL's DPOTrainer on the first six responses as chosen and the last six as rejected, in double precision.

    The method is the trainer's; what it asks the trainer and the model for are these tensors, and what it logs goes nowhere.
    """
    smoothing, tau = settings.get("label_smoothing", 0.0), settings.get("discopop_tau", 0.05)

    def run() -> Pairs:
        import trl

        b, torch = small(), small().torch
        first = torch.ones(len(b.mask), 1, dtype=torch.float64)  # a token before, since the trainer drops the first
        mask, pairs = torch.cat([0 * first, b.tensor(b.mask)], dim=1), len(b.mask) // 2
        ref = b.tensor((b.ref * b.mask).sum(axis=1))
        shown = {name: torch.ones(mask[:, 1:].shape) for name in ("entropy", "mean_logits")}
        trainer = SimpleNamespace(
            model=SimpleNamespace(training=True), aux_loss_enabled=False, ld_alpha=None, precompute_ref_logps=True,
            f_divergence_type="reverse_kl", loss_types=[loss], loss_weights=[1.0], beta=beta, label_smoothing=smoothing,
            args=SimpleNamespace(discopop_tau=tau), use_weighting=False, _metrics={"train": defaultdict(list)},
            _total_train_tokens=0, _tp_size=1,
            accelerator=SimpleNamespace(device="cpu", gather=lambda x: x, gather_for_metrics=lambda x: x),
        )  # fmt: skip
        inputs = {"input_ids": torch.zeros(mask.shape, dtype=torch.long), "attention_mask": mask, "completion_mask": mask,
                  "ref_chosen_logps": ref[:pairs], "ref_rejected_logps": ref[pairs:]}  # fmt: skip
        logged = []

        def of(at: Any) -> Any:
            out = SimpleNamespace(log_probs=at * b.tensor(b.mask), is_top1=mask[:, 1:] > 0, **shown)
            found = trl.DPOTrainer._compute_loss(trainer, lambda **_: out, inputs, False)
            logged.append(found.item())
            return found

        found = b.coefficient(of)
        curves = pair_loss(loss, beta=beta, smoothing=smoothing, tau=tau)
        up = ((b.new - b.ref) * b.mask).sum(axis=1)
        length = b.lengths.ravel() if curves.per_token else np.ones(2 * pairs)
        h = beta * ((up / length)[:pairs] - (up / length)[pairs:])
        each = [(curves.margin, h), (curves.chosen, beta * up[:pairs]), (curves.rejected, beta * up[pairs:])]
        falls = curves.falls(beta * (up / length)[:pairs], beta * (up / length)[pairs:])
        ours = np.concatenate(falls) * beta / pairs / length
        value = sum(curve.value(at).mean() for curve, at in each if curve)
        return [(found, ours[:, None] * b.mask), (np.array(logged), np.array([value]))]

    extra = "".join(f", {name}={value:g}" for name, value in settings.items())
    return Call("trl", f"DPOTrainer, loss_type='{loss}', beta={beta:g}{extra}", says, run, SINGLE if settings else 5e-8)


def trl_divergence(b: float) -> Call:
    """TRL's generalised Jensen-Shannon loss on the logits of four states, down to the logits; the mean over them as a chain."""

    def run() -> Pairs:
        from trl.experimental.gkd import GKDTrainer

        torch, rng = small().torch, np.random.default_rng(3)
        student, teacher = rng.normal(0, 1.5, (2, 4, 6))
        at = torch.tensor(student[None], dtype=torch.float64, requires_grad=True)
        loss = GKDTrainer.generalized_jsd_loss(at, torch.tensor(teacher[None], dtype=torch.float64), beta=b, num_items_in_batch=4)
        loss.backward()
        stops = np.zeros((1, 4, 6))
        here, there = (Policy.tabular(logits[None], stops) for logits in (student, teacher))
        mdp = TwoStageMDP(correct=np.eye(6)[:4], max_turns=1, sample_length=1.0)  # one token per state
        found = Distillation(there, interpolation=b).gradient(solve(mdp, here)).sample[0]
        p, q = here.sample_prob[0], there.sample_prob[0]
        m = b * q + (1 - b) * p
        ends = {0.0: q * np.log(q / p), 1.0: p * np.log(p / q)}
        value = ends.get(b, b * q * np.log(q / m) + (1 - b) * p * np.log(p / m)).sum() / 4
        return [(-at.grad.numpy()[0], found), (np.array([loss.item()]), np.array([value]))]

    return Call("trl", f"GKDTrainer.generalized_jsd_loss, beta={b:g}", f"`distill` with interpolation {b:g}", run)


def openrlhf_sft(token_level: bool, normaliser: Normaliser, says: str) -> Call:
    """OpenRLHF's SFTLoss: every token of a demonstration gets 1 over the normaliser."""

    def run() -> Pairs:
        b = small()
        loss = loading.openrlhf()[0].SFTLoss(token_level_loss=token_level)
        return [(b.coefficient(lambda at: loss(at, b.tensor(b.mask))), b.over(normaliser))]

    return Call("openrlhf", f"SFTLoss, token_level_loss={token_level}", says, run)


VERL_EPSILON = 1e-6
FUNCTIONS: tuple[Call, ...] = (
    advantage("grpo", GroupMean("group", 1, VERL_EPSILON), "group mean, group std + 1e-6", "compute_grpo_outcome_advantage"),
    advantage("grpo_vectorized", GroupMean("group", 1, VERL_EPSILON), "the same", "compute_grpo_vectorized_outcome_advantage"),
    advantage("grpo, norm_adv_by_std_in_grpo=false", GroupMean("none"), "group mean (Dr. GRPO's credit)",
              "compute_grpo_outcome_advantage", norm_adv_by_std_in_grpo=False),
    advantage("rloo", LeaveOneOut(), "mean of the others", "compute_rloo_outcome_advantage"),
    advantage("rloo_vectorized", LeaveOneOut(), "the same", "compute_rloo_vectorized_outcome_advantage"),
    *(verl_loss("vanilla", token_clip(), "each token's ratio, clipped; dual clip at 3", agg=mode,
                **({"loss_scale_factor": LONGEST} if mode.endswith("norm") else {})) for mode in MODES),
    verl_loss("vanilla", token_clip(low=0.1, high=0.28), "clip 0.1/0.28", agg="token-mean",
              clip_ratio_low=0.1, clip_ratio_high=0.28),
    verl_loss("vanilla", token_clip(dual=1.5), "negative credits have no gradient above 1.5", agg="token-mean", clip_ratio_c=1.5),
    verl_loss("gspo", response_clip(), "the response's ratio to the power 1/L, clipped", agg="seq-mean-token-mean"),
    verl_loss("gspo", response_clip(0.05, 0.1), "the same, over the tokens of the batch", agg="token-mean",
              clip_ratio_low=0.05, clip_ratio_high=0.1),
    verl_loss("cispo", lambda b: truncate_weight(np.exp(b.new - b.old), low=0.2, high=0.2),
              "ratio truncated on both sides, detached", agg="token-mean"),
    verl_loss("gpg", lambda _: np.ones(1), "no ratio", agg="token-mean"),
    verl_kl("k1", lambda x: penalty_weight(x, "k1"), "constant -beta"),
    verl_kl("k2", lambda x: penalty_weight(x, "k2"), "-beta log(pi/ref)"),
    verl_kl("low_var_kl", lambda x: penalty_weight(x, "k3"), "-beta (1 - ref/pi)"),
    verl_kl("k3+", lambda x: penalty_weight(x, "k2"), "the value of k3 with the gradient of k2"),
    verl_kl("k1+", lambda x: penalty_weight(x, "k2"), "the value of k1 with the gradient of k2"),
    openrlhf_loss("defaults", token_clip(dual=np.inf), BatchTokens(), "each token's ratio, clipped; tokens of the batch"),
    openrlhf_loss("token_level_loss=False", token_clip(dual=np.inf), PerToken(), "the same over 1/L_i", token_level_loss=False),
    openrlhf_loss("clip_eps_low=0.1, clip_eps_high=0.28", token_clip(0.1, 0.28, np.inf), BatchTokens(), "clip 0.1/0.28",
                  clip_eps_low=0.1, clip_eps_high=0.28),
    openrlhf_loss("dual_clip=1.5", token_clip(dual=1.5), BatchTokens(), "negative credits have no gradient above 1.5",
                  dual_clip=1.5),
    openrlhf_loss("policy_loss_type='gspo'", response_clip(), PerToken(), "the response's ratio to the power 1/L",
                  policy_loss_type="gspo"),
    openrlhf_loss("is_correction_level='token', is_correction_mode='clip', is_correction_threshold=(0, 2)",
                  lambda b: token_clip(dual=np.inf)(b) * importance_weight(engine_ratio(b), rule="truncate", cap=2.0),
                  BatchTokens(), "the engine's ratio, truncated at 2", is_correction_level="token", is_correction_mode="clip",
                  is_correction_threshold=(0.0, 2.0)),
    openrlhf_loss("is_correction_level='token'",
                  lambda b: token_clip(dual=np.inf)(b) * within(engine_ratio(b), 0.5, 5.0), BatchTokens(),
                  "the engine's ratio, 0 outside 0.5 to 5", is_correction_level="token"),
    openrlhf_kl("k1", lambda x: penalty_weight(x, "k1"), "constant -beta"),
    openrlhf_kl("k2", lambda x: penalty_weight(x, "k2"), "-beta log(pi/ref)"),
    openrlhf_kl("k3", lambda x: penalty_weight(x, "k3"), "-beta (1 - ref/pi)"),
    openrlhf_kl("k3", lambda x: penalty_weight(x, "k2"), "-beta rho log(pi/ref), as `corrected_kl`", corrected=True),
    openrlhf_dpo(0.3),
    openrlhf_pairs("sigmoid", "`dpo` with loss 'sigmoid' and its smoothing", smoothing=0.1),
    openrlhf_pairs("ipo_sum", "`dpo` with loss 'ipo_sum'"),
    openrlhf_sft(True, BatchTokens(), "mean over the tokens of the batch"),
    openrlhf_sft(False, PerToken(), "mean over each demonstration's tokens, then over demonstrations"),
    *(trl_pairs(name, f"`dpo` with loss '{name}'") for name in LOSSES
      if name not in ("ipo_sum", "robust", "exo_pair", "discopop")),
    trl_pairs("robust", "`dpo` with loss 'robust'", label_smoothing=0.1),
    trl_pairs("exo_pair", "`dpo` with loss 'exo_pair'", label_smoothing=0.001),
    *(trl_divergence(b) for b in (0.0, 0.1, 0.5, 0.9, 1.0)),
    trl_pairs("discopop", "`dpo` with loss 'discopop'", discopop_tau=0.05),
)  # fmt: skip
"""Functions that are called directly."""
