"""Whole configurations of verl and OpenRLHF: gradients of their functions, and what `dstheory explain` finds for the settings.

A batch holds every group of responses of a small chain as often as it occurs, so that its means are expectations. The library's
functions run in the order in which its trainer calls them, differentiated down to the logits of p, a and b.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
from peers import loading
from peers.functions import SINGLE, Call, Pairs, actor
from trainers import brute

from dstheory import Policy, TwoStageMDP, solve
from dstheory.trainers import Training, configuration_of, objective_of
from dstheory.trainers.explanation import clipped
from dstheory.trainers.logged import logged_loss

POLICY, REFERENCE = (0.5, 0.75, 0.5), (0.4, 0.6, 0.7)
TURNS, LENGTHS, DECISION = 2, (3.0, 1.0), 1.0
PARTS = 16  # every probability of a response is a multiple of 1/16


@dataclass(frozen=True)
class Responses:
    """Rows of a batch; log-probabilities that depend on the three logits."""

    listed: tuple[brute.Episode, ...]
    rows: np.ndarray
    size: int
    torch: Any

    @property
    def index(self) -> np.ndarray:
        """The group of each row."""
        return np.repeat(np.arange(len(self.rows) // self.size), self.size)

    def tokens(self) -> list[list[tuple[int, bool]]]:
        """Of every response its tokens: (logit, whether the likelier word of the two), or (-1, True) for one that is certain."""
        found = []
        for episode in self.listed:
            row = []
            for which, derivative, _ in episode.steps:
                taken = derivative > 0
                length = DECISION if which else LENGTHS[0 if taken else 1]
                row += [(which, taken), *[(-1, True)] * (int(length) - 1)]
            found.append(row)
        return found

    def spread(self, values: Callable[[int, bool], Any], fill: Any) -> Any:
        """Return a tensor (rows, tokens) of a value of each token."""
        tokens = self.tokens()
        longest = max(map(len, tokens))
        table = self.torch.stack([self.torch.stack([values(*t) for t in row] + [fill] * (longest - len(row))) for row in tokens])
        return table[self.torch.tensor(self.rows)]

    def even(self, logits: Any) -> Any:
        """The log-probability of every token where an answer's tokens share it alike."""
        sign = self.torch.nn.functional.logsigmoid
        rows = [[(which, d > 0) for which, d, _ in e.steps for _ in range(int(self._length(which, d > 0)))] for e in self.listed]
        longest = max(map(len, rows))
        zero = self.torch.zeros((), dtype=self.torch.float64)

        def log(which: int, taken: bool) -> Any:
            return sign(logits[which] if taken else -logits[which]) / self._length(which, taken)

        table = self.torch.stack([self.torch.stack([log(*t) for t in row] + [zero] * (longest - len(row))) for row in rows])
        return table[self.torch.tensor(self.rows)]

    @staticmethod
    def _length(which: int, taken: bool) -> float:
        return DECISION if which else LENGTHS[0 if taken else 1]

    def logs(self, logits: Any) -> Any:
        """The log-probability of every token where an answer's first token has all of it."""
        zero = self.torch.zeros((), dtype=self.torch.float64)
        sign = self.torch.nn.functional.logsigmoid
        return self.spread(lambda which, taken: zero if which < 0 else sign(logits[which] if taken else -logits[which]), zero)

    @property
    def mask(self) -> Any:
        one = self.torch.ones((), dtype=self.torch.float64)
        return self.spread(lambda *_: one, 0 * one)

    @property
    def rewards(self) -> Any:
        found = self.torch.tensor([e.reward for e in self.listed], dtype=self.torch.float64)
        return found[self.torch.tensor(self.rows)]

    def logits(self, of: Sequence[float], *, train: bool = False) -> Any:
        return self.torch.tensor([np.log(x / (1 - x)) for x in of], dtype=self.torch.float64, requires_grad=train)


@cache
def responses(size: int) -> Responses:
    """Every group of so many responses, as often as it occurs."""
    import torch

    listed = tuple(brute.episodes(POLICY, TURNS, LENGTHS, DECISION))
    counts = [round(e.probability * PARTS) for e in listed]
    assert sum(counts) == PARTS
    assert all(abs(n / PARTS - e.probability) < 1e-15 for n, e in zip(counts, listed, strict=True))
    each = [i for i, n in enumerate(counts) for _ in range(n)]
    return Responses(listed, np.array(list(itertools.product(each, repeat=size))).ravel(), size, torch)


def explained(
    trainer: str, settings: Sequence[str], now: tuple[float, float, float] | None = None
) -> tuple[Training, np.ndarray, float | None]:
    """What this package makes of a configuration: its gradient by the logits of p, a and b, and the loss that is logged.

    With ``now`` the policy that is trained is another than the one that generates; then the share of clipped tokens is returned
    instead of the loss.
    """
    found = configuration_of(trainer, settings=settings, prompts=float("inf"))
    assert not found.lacks, found.lacks
    mdp = TwoStageMDP.minimal(gamma=1.0, max_turns=TURNS, sample_length=[list(LENGTHS)], decision_length=[[DECISION] * 2])
    generates = Policy.minimal(**dict(zip("pab", POLICY, strict=True)))
    start = generates if now is None else Policy.minimal(**dict(zip("pab", now, strict=True)))
    solution = solve(mdp, start)
    reference = Policy.minimal(p=REFERENCE[0], a=REFERENCE[1], b=REFERENCE[2])
    sampler = None if now is None else generates
    objective = objective_of(found.training, solution, reference=reference, expert=start, sampler=sampler)
    gradient = objective.gradient(solution)
    decide = gradient.decide.reshape(-1, 2).sum(axis=0)
    here = np.array([gradient.sample.reshape(-1, 2)[:, 0].sum(), decide[0], -decide[1]])
    if sampler is not None:
        lost = clipped(found.training, mdp, start, sampler)
        return found.training, here, None if lost is None else lost.both
    return found.training, here, logged_loss(found.training, solution)


def verl_training(says: str, *settings: str, size: int = 2) -> Call:
    """verl's functions in the order in which its trainer calls them."""
    named = {"adv": "algorithm.adv_estimator", "std": "algorithm.norm_adv_by_std_in_grpo",
             "kl_reward": "algorithm.use_kl_in_reward", "agg": "actor_rollout_ref.actor.loss_agg_mode",
             "kl_loss": "actor_rollout_ref.actor.use_kl_loss",
             "kind": "actor_rollout_ref.actor.kl_loss_type", "mode": "actor_rollout_ref.actor.policy_loss.loss_mode",
             "scale": "actor_rollout_ref.actor.loss_scale_factor", "beta": "actor_rollout_ref.actor.kl_loss_coef",
             "reward_beta": "algorithm.kl_ctrl.kl_coef"}  # fmt: skip
    given = dict(setting.split("=") for setting in settings)
    keys = [f"{named[name]}={value}" for name, value in given.items()] + [f"actor_rollout_ref.rollout.n={size}"]

    def run() -> Pairs:
        core, rows = loading.verl(), responses(size)
        training, gradient, logged = explained("verl:ppo", keys)
        logits = rows.logits(POLICY, train=True)
        new, ref, mask = rows.logs(logits), rows.logs(rows.logits(REFERENCE)), rows.mask
        old = new.detach()
        last = mask.cumsum(dim=1) == mask.sum(dim=1, keepdim=True)
        scores = rows.rewards[:, None] * last * mask
        if given.get("kl_reward") == "true":
            scores = scores - float(given["reward_beta"]) * core.kl_penalty(old, ref, "kl") * mask
        estimator = core.get_adv_estimator_fn(given["adv"])
        options = {"norm_adv_by_std_in_grpo": given["std"] == "true"} if "std" in given else {}
        credit, _ = estimator(scores, mask, index=rows.index, config=SimpleNamespace(gamma=1.0), **options)
        scale = {"loss_scale_factor": float(given["scale"])} if "scale" in given else {}
        mode, agg = given.get("mode", "vanilla"), given.get("agg", "token-mean")
        loss, _ = core.get_policy_loss_fn(mode)(old, new, credit, mask, agg, actor(**scale))
        if given.get("kl_loss") == "true":
            penalty = core.kl_penalty(new, ref, given["kind"])
            loss = loss + float(given["beta"]) * core.agg_loss(penalty, mask, agg, **scale)
        loss.backward()
        if given["adv"] == "reinforce_plus_plus":  # the variance of a sample of n tokens, here that of the law
            gradient = gradient * np.sqrt(1.0 - 1.0 / mask.sum().item())
        pairs = [(-logits.grad.numpy(), gradient)]
        if logged is not None and not training.beta:
            pairs.append((np.asarray([loss.item()]), np.asarray([logged])))
        return pairs

    return Call("verl", " ".join([*settings, f"n={size}"]), says, run)


def verl_stale(says: str, *settings: str, mode: str = "vanilla", agg: str = "token-mean", **clip: float) -> Call:
    """verl's losses on another policy's responses; the share of tokens that it logs as clipped."""
    now = (0.7, 0.5, 0.8)
    prefix = "actor_rollout_ref.actor."
    keys = ["algorithm.adv_estimator=grpo", "actor_rollout_ref.rollout.n=2", f"{prefix}policy_loss.loss_mode={mode}",
            f"{prefix}loss_agg_mode={agg}", *(f"{prefix}{name}={value}" for name, value in clip.items())]  # fmt: skip

    def run() -> Pairs:
        core, rows = loading.verl(), responses(2)
        _, gradient, lost = explained("verl:ppo", keys, now)
        logits, mask = rows.logits(now, train=True), rows.mask
        last = mask.cumsum(dim=1) == mask.sum(dim=1, keepdim=True)
        credit, _ = core.get_adv_estimator_fn("grpo")(rows.rewards[:, None] * last * mask, mask, index=rows.index)
        old = rows.even(rows.logits(POLICY))
        loss, logged = core.get_policy_loss_fn(mode)(old, rows.even(logits), credit, mask, agg, actor(**clip))
        loss.backward()
        pairs = [(-logits.grad.numpy(), gradient)]
        if lost is not None:
            share = logged["actor/pg_clipfrac"] + logged["actor/pg_clipfrac_lower"]
            pairs.append((np.asarray([share]), np.asarray([lost])))
        return pairs

    extra = "".join(f" {name}={value}" for name, value in clip.items())
    return Call("verl", f"off the policy: adv=grpo mode={mode} agg={agg}{extra} n=2", says, run, SINGLE)


def openrlhf_training(says: str, *settings: str, size: int = 2) -> Call:
    """OpenRLHF's functions in the order in which its trainer calls them."""
    named = {"adv": "algo.advantage.estimator", "agg": "actor.loss_agg_mode", "kl_loss": "algo.kl.use_loss",
             "beta": "algo.kl.init_coef", "kind": "algo.kl.estimator"}  # fmt: skip
    given = {"beta": "0", "kl_loss": "false", "kind": "k1", "agg": "token-mean"} | dict(
        setting.split("=") for setting in settings
    )
    keys = [f"{named[name]}={value}" for name, value in given.items()] + [f"rollout.n_samples_per_prompt={size}"]

    def run() -> Pairs:
        losses, estimators, maker = loading.openrlhf()
        rows = responses(size)
        training, gradient, logged = explained("openrlhf:ppo", keys)
        logits = rows.logits(POLICY, train=True)
        new, ref, mask = rows.logs(logits), rows.logs(rows.logits(REFERENCE)), rows.mask
        beta, in_loss = float(given["beta"]), given["kl_loss"] == "true"
        kl = estimators.compute_approx_kl(new.detach(), ref, kl_estimator=given["kind"]).double()
        # The trainer leaves the KL out of the reward where it is in the loss.
        batch_of_all = SimpleNamespace(index=list(range(len(rows.rows))), rewards=rows.rewards, kl=0 * kl if in_loss else kl,
                                       action_mask=mask, info={}, values=None)  # fmt: skip
        advantage_args = SimpleNamespace(estimator=given["adv"], gamma=1.0, lambd=1.0, no_std_norm=False)
        args = SimpleNamespace(
            algo=SimpleNamespace(advantage=advantage_args),
            rollout=SimpleNamespace(n_samples_per_prompt=size, max_new_tokens=None),
            reward=SimpleNamespace(clip_range=None, overlong_buffer_len=None, stop_properly_penalty_coef=None),
        )  # fmt: skip
        own = SimpleNamespace(
            strategy=SimpleNamespace(args=args), kl_ctl=SimpleNamespace(value=beta), advantage_estimator=given["adv"]
        )
        cls = maker.RemoteExperienceMaker
        own.get_cumulative_returns = lambda *a: cls.get_cumulative_returns(own, *a)
        (made,) = cls.compute_advantages_and_returns(own, [batch_of_all])
        by_tokens = given["agg"] == "token-mean"
        loss = losses.PolicyLoss(token_level_loss=by_tokens)(new, new.detach(), made.advantages, mask)[0]
        if in_loss:
            penalty = estimators.compute_approx_kl(new, ref, kl_estimator=given["kind"])
            loss = loss + beta * losses.aggregate_loss(penalty, mask)
        loss.backward()
        pairs = [(-logits.grad.numpy(), gradient)]
        if logged is not None and not training.beta:
            pairs.append((np.asarray([loss.item()]), np.asarray([logged])))
        return pairs

    return Call("openrlhf", " ".join([*settings, f"n={size}"]), says, run, SINGLE)


TRAININGS: tuple[Call, ...] = (
    verl_training("GRPO over the tokens of the batch", "adv=grpo", size=3),
    verl_training("the same with 1/L_i", "adv=grpo", "agg=seq-mean-token-mean", size=3),
    verl_training("Dr. GRPO", "adv=grpo", "std=false", "agg=seq-mean-token-sum-norm", "scale=7", size=3),
    verl_training("without std, sums over tokens", "adv=grpo", "std=false", "agg=seq-mean-token-sum"),
    verl_training("GSPO", "adv=grpo", "mode=gspo", "agg=seq-mean-token-mean"),
    verl_training("SAPO, on the policy", "adv=grpo", "mode=sapo", "agg=seq-mean-token-mean"),
    verl_training("CISPO, on the policy", "adv=grpo", "mode=cispo"),
    verl_training("GPG's loss: no ratio", "adv=grpo", "mode=gpg"),
    verl_training("RLOO over the tokens of the batch", "adv=rloo", size=3),
    verl_training("RLOO, sums over tokens", "adv=rloo", "agg=seq-mean-token-sum", size=3),
    verl_training("REINFORCE++", "adv=reinforce_plus_plus"),
    verl_training("GRPO with k3 in the loss", "adv=grpo", "kl_loss=true", "kind=low_var_kl", "beta=0.5"),
    verl_training(
        "GRPO with k2 in the loss, 1/L_i", "adv=grpo", "agg=seq-mean-token-mean", "kl_loss=true", "kind=k2", "beta=0.5"
    ),
    verl_training("GRPO with k1 in the loss", "adv=grpo", "kl_loss=true", "kind=kl", "beta=0.5"),
    verl_training("GRPO with k3+ in the loss", "adv=grpo", "kl_loss=true", "kind=k3+", "beta=0.5"),
    verl_training("RLOO with k1 in the reward", "adv=rloo", "agg=seq-mean-token-sum", "kl_reward=true", "reward_beta=0.5"),
    verl_stale("GRPO's clip on another policy's responses; the share that is clipped"),
    verl_stale("the same with 1/L_i, clip 0.1/0.4", agg="seq-mean-token-mean", clip_ratio_low=0.1, clip_ratio_high=0.4),
    verl_stale("dual clip at 1.1", clip_ratio_c=1.1),
    verl_stale("GSPO on another policy's responses", mode="gspo", agg="seq-mean-token-mean"),
    verl_stale("CISPO on another policy's responses", mode="cispo"),
    openrlhf_training("RLOO", "adv=rloo", size=3),
    openrlhf_training("GRPO", "adv=group_norm", size=3),
    openrlhf_training("GRPO with 1/L_i", "adv=group_norm", "agg=seq-mean-token-mean", size=3),
    openrlhf_training("group mean without std", "adv=dr_grpo", size=3),
    openrlhf_training("GRPO with k2 in the loss", "adv=group_norm", "kl_loss=true", "kind=k2", "beta=0.5"),
    openrlhf_training("GRPO with k3 in the loss", "adv=group_norm", "kl_loss=true", "kind=k3", "beta=0.5"),
    openrlhf_training(
        "the same with 1/L_i for the reward, tokens of the batch for the KL",
        "adv=group_norm",
        "agg=seq-mean-token-mean",
        "kl_loss=true",
        "kind=k3",
        "beta=0.5",
    ),
    openrlhf_training("RLOO with k1 in the reward, after the baseline", "adv=rloo", "kind=k1", "beta=0.5"),
    openrlhf_training("REINFORCE++ (reinforce)", "adv=reinforce", "beta=0"),
)
"""Whole configurations."""
