"""Configurations of six libraries with settings drawn at random, against the losses written out on tokens.

What differs must be said; settings one at a time are compared in :mod:`test_written_losses`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from trainers import written
from trainers.test_written_losses import ACTOR, AGAIN, AGGREGATIONS, GROUP, ON, SAMPLER, WEIGHTS, shown

from dstheory.errors import DSTheoryError
from dstheory.trainers import configuration_of

Case = tuple[str, list[str], Callable, bool, float, str]
"""Trainer, settings, loss, whether dead groups are drawn again, the entropy bonus and what divides it."""


def _yes(value: bool) -> str:
    return str(value).lower()


def trl(draw: random.Random) -> Case:
    more = {"loss": draw.choice(["dapo", "grpo", "bnpo", "dr_grpo", "luspo", "cispo", "sapo"])}
    more |= {"std": draw.choice(["group", "batch", "none"]), "beta": draw.choice([0.0, 0.04, 0.3])}
    more |= {name: draw.random() < chance for name, chance in (("bias", 0.6), ("masked", 0.35), ("of_response", 0.3))}
    more["of_response"] = more["of_response"] and more["loss"] not in ("cispo", "sapo")
    high = draw.choice([0.2, 0.28]) if more["loss"] != "cispo" else draw.choice([5.0, 1.05, 0.9])
    settings = [
        f"loss_type={more['loss']}", f"scale_rewards={more['std']}", f"beta={more['beta']}", f"epsilon_high={high}",
        f"use_bias_correction_kl={_yes(bool(more['bias']))}", f"mask_truncated_completions={_yes(bool(more['masked']))}",
        f"importance_sampling_level={'sequence' if more['of_response'] else 'token'}",
    ]  # fmt: skip
    return "trl:grpo", settings, partial(written.trl, high=high, **more), False, 0.0, ""


def verl(draw: random.Random) -> Case:
    mode = draw.choice(list(AGGREGATIONS))
    more = {"credit": draw.choice(["grpo", "grpo", "rloo"]), "std": draw.random() < 0.6, "how": AGGREGATIONS[mode]}
    more |= {"loss": draw.choice(["vanilla", "vanilla", "gspo", "cispo", "sapo"]), "kl": draw.choice([0, 0.05])}
    name, more["kind"] = draw.choice([("low_var_kl", "k3"), ("kl", "k1"), ("mse", "k2"), ("low_var_kl+", "k2"), ("k1+", "k2")])
    more["paid"], entropy, again = draw.choice([0, 0, 0.05]), draw.choice([0.0, 0.0, 0.01]), draw.random() < 0.3
    settings = [
        f"algorithm.adv_estimator={more['credit']}", f"algorithm.norm_adv_by_std_in_grpo={_yes(more['std'])}",
        f"{ACTOR}loss_agg_mode={mode}", f"{ACTOR}policy_loss.loss_mode={more['loss']}", f"{ACTOR}entropy_coeff={entropy}",
    ]  # fmt: skip
    if more["kl"]:
        settings += [f"{ACTOR}use_kl_loss=true", f"{ACTOR}kl_loss_coef={more['kl']}", f"{ACTOR}kl_loss_type={name}"]
    if more["paid"]:
        settings += ["algorithm.use_kl_in_reward=true", f"algorithm.kl_ctrl.kl_coef={more['paid']}"]
    return "verl:ppo", settings, partial(written.verl, **more), again, entropy, str(more["how"])


def openrlhf(draw: random.Random) -> Case:
    more = {"how": draw.choice(["token-mean", "seq-mean-token-mean"]), "std": draw.random() < 0.5, "gspo": draw.random() < 0.25}
    more |= {"kl": draw.choice([0, 0.05]), "kind": draw.choice(["k1", "k2", "k3"])}
    entropy, again = draw.choice([0.0, 0.01]), draw.random() < 0.4
    settings = [
        f"algo.advantage.estimator={'group_norm' if more['std'] else 'dr_grpo'}", f"actor.loss_agg_mode={more['how']}",
        f"algo.kl.init_coef={more['kl']}", f"algo.kl.use_loss={_yes(bool(more['kl']))}", f"algo.kl.estimator={more['kind']}",
        f"actor.entropy_coef={entropy}", *["actor.policy_loss_type=gspo"] * bool(more["gspo"]),
    ]  # fmt: skip
    return "openrlhf:ppo", settings, partial(written.openrlhf, **more), again, entropy, "token-mean"


def nemo(draw: random.Random) -> Case:
    more = {name: draw.random() < chance for name, chance in (("others", 0.5), ("scaled", 0.5), ("tokens", 0.6), ("masked", 0.3))}
    more |= {"of_response": not more["tokens"] and draw.random() < 0.3, "cispo": more["tokens"] and draw.random() < 0.2}
    beta = draw.choice([0.0, 0.01, 0.2])
    settings = [
        f"grpo.use_leave_one_out_baseline={_yes(more['others'])}", f"grpo.normalize_rewards={_yes(more['scaled'])}",
        f"loss_fn.token_level_loss={_yes(more['tokens'])}", f"grpo.overlong_filtering={_yes(more['masked'])}",
        f"loss_fn.sequence_level_importance_ratios={_yes(more['of_response'])}", f"loss_fn.use_cispo={_yes(more['cispo'])}",
        f"loss_fn.reference_policy_kl_penalty={beta}",
    ]  # fmt: skip
    return "nemo-rl:grpo", settings, partial(written.nemo, beta=beta, **more), False, 0.0, ""


def slime(draw: random.Random) -> Case:
    more = {"std": draw.random() < 0.5, "tokens": draw.random() < 0.5, "unbiased": draw.random() < 0.4}
    more |= {
        "kl": draw.choice([0, 0.05]),
        "kind": draw.choice(["k1", "k2", "k3"]),
        "loss": draw.choice(["grpo", "gspo", "cispo"]),
    }
    entropy, again = draw.choice([0.0, 0.01]), draw.random() < 0.3
    settings = [
        f"calculate_per_token_loss={_yes(bool(more['tokens']))}", f"advantage_estimator={more['loss']}",
        f"disable_grpo_std_normalization={_yes(not more['std'])}", f"entropy_coef={entropy}",
    ]  # fmt: skip
    if more["kl"]:
        settings += [
            "use_kl_loss=true", "ref_load=here", f"kl_loss_coef={more['kl']}", f"kl_loss_type={more['kind']}",
            f"use_unbiased_kl={_yes(bool(more['unbiased']))}",
        ]  # fmt: skip
    how = "token-mean" if more["tokens"] else "seq-mean-token-mean"
    return "slime:grpo", settings, partial(written.slime, **more), again, entropy, how


def open_instruct(draw: random.Random) -> Case:
    more = {
        "std": draw.random() < 0.5,
        "dropped": draw.random() < 0.5,
        "cispo": draw.random() < 0.3,
        "beta": draw.choice([0, 0.05]),
    }
    number = draw.choice([0, 1, 2])
    settings = [
        f"filter_zero_std_samples={_yes(bool(more['dropped']))}", f"beta={more['beta']}", f"kl_estimator={number}",
        *["advantage_normalization_type=standard"] * bool(more["std"]), *["loss_fn=cispo"] * bool(more["cispo"]),
    ]  # fmt: skip
    return "open-instruct:grpo", settings, partial(written.open_instruct, kind=f"k{number + 1}", **more), False, 0.0, ""


def mixed(prompts: int, size: int) -> float:
    """Return the chance that no group of a batch has equal rewards."""
    found = 0.0
    for x, weight in enumerate(WEIGHTS):
        chance, right = np.exp(ON._log(SAMPLER, x).sum(axis=-1)), ON._tables(x)[4]
        accuracy = float(chance @ right)
        found += weight * (1 - accuracy**size - (1 - accuracy) ** size)
    return found**prompts


WHO_GENERATES = {"async_steps", "use_rho_correction"}
"""What open-instruct's defaults differ by: here the policy itself generates."""
LIBRARIES = [trl, verl, openrlhf, nemo, slime, open_instruct]


@pytest.mark.parametrize("seed", [pytest.param(i, marks=[] if i < 150 else pytest.mark.slow) for i in range(400)])
def test_any_combination_of_settings_is_what_the_loss_gives_or_is_said_to_differ(seed: int) -> None:
    draw = random.Random(seed)
    trainer, settings, loss, again, entropy, how = LIBRARIES[seed % len(LIBRARIES)](draw)
    prompts, size = draw.choice([(1, 3), (2, 2), (1, 2)])
    settings = [f"{GROUP[trainer]}={size}", *settings, *([AGAIN[trainer]] if again else [])]
    try:
        found = configuration_of(trainer, settings=tuple(settings), prompts=prompts)
        here = shown(found.training, ON)
    except DSTheoryError:
        return  # refused in one sentence
    kept = mixed(prompts, size) if again else 1.0

    def whole(b: written.Batches) -> np.ndarray:
        value = loss(b) - (entropy * written.reduced(b.entropy, b.mask, how) if entropy else 0.0)
        alive = (b.reward.max(axis=-1) > b.reward.min(axis=-1)).all(axis=-1)
        return np.where(alive, value, 0.0) / kept if again else value

    there = ON.gradient(whole, prompts, size)
    said = [lack for lack in found.lacks if lack.key not in WHO_GENERATES]
    assert said or here == pytest.approx(there, rel=1e-6, abs=1e-7 * np.abs(there).max()), settings
