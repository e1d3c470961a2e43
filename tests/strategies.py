"""Lopsided chains and policies: unequal numbers of answers, unequal lengths, skewed rewards, uneven prompts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from secrets import randbits

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from dstheory import Features, Policy, Solution, Trajectories, TwoStageMDP, enumerate_trajectories, solve

# Everything that UTF-8 can write. Hypothesis's own default says it by the codec, and tries all 1.1 million characters for that.
CHARACTERS = st.characters(exclude_categories=["Cs"])


@dataclass
class Case:
    mdp: TwoStageMDP
    policy: Policy
    reference: Policy
    expert: Policy
    seed: int

    @cached_property
    def solution(self) -> Solution:
        return solve(self.mdp, self.policy)

    @cached_property
    def trajectories(self) -> Trajectories:
        """All that the policy may do, where the chain has a cap."""
        return enumerate_trajectories(self.mdp, self.policy)


def _policy(mdp: TwoStageMDP, rng: np.random.Generator, kind: str, stop_bias: float = 0.3) -> Policy:
    turns = mdp.max_turns if kind == "turn-indexed" and mdp.max_turns else 1
    shape = (turns, *mdp.shape)
    if kind == "linear":
        # A shared trunk: every parameter enters both stages.
        width = 3
        features = Features(
            rng.normal(size=(1, *mdp.shape, width)),
            rng.normal(size=(1, *mdp.shape, width)),
            sample_offset=np.where(mdp.inside, 0.0, -np.inf)[None],
            decide_offset=np.full((1, 1, 1), stop_bias),
        )
        return Policy.linear(features, rng.normal(scale=0.7, size=width))
    z = np.where(mdp.inside, rng.normal(scale=1.2, size=shape), -np.inf)
    return Policy.tabular(z, stop_bias + rng.normal(scale=1.0, size=shape))


def make_case(seed: int, *, cap: int | None, kind: str, per: str, gamma: float, equal_lengths: bool = False) -> Case:
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 4, size=rng.integers(1, 4))
    width = int(counts.max())
    shape = (len(counts), width)
    mdp = TwoStageMDP(
        correct=rng.integers(0, 2, size=shape),
        n_answers=counts,
        reward_stop=rng.normal(size=shape) + np.array([2.0, -1.0, 0.5])[: shape[0], None],
        reward_resample=rng.normal(scale=0.5, size=shape),
        sample_length=7.0 if equal_lengths else rng.choice([1.0, 3.0, 40.0], size=shape),
        decision_length=rng.choice([1.0, 2.0]),
        prompt_weight=rng.dirichlet(np.ones(len(counts))) + 0.05,
        gamma=gamma,
        discount_per=per,
        max_turns=cap,
    )
    other = "tabular" if kind == "linear" else kind
    return Case(mdp, _policy(mdp, rng, kind), _policy(mdp, rng, other, 0.8), _policy(mdp, rng, "tabular", 1.0), seed)


CAPS = {True: [1, 2, 3], False: [None], None: [None, 1, 2, 3]}
DISCOUNTS = [0.0, 0.4, 0.9, 1.0]


def kinds(cap: int | None) -> list[str]:
    return ["tabular", "linear"] + (["turn-indexed"] if cap else [])


@st.composite
def cases(draw: st.DrawFn, *, capped: bool | None = None, equal_lengths: bool = False) -> Case:
    cap = draw(st.sampled_from(CAPS[capped]))
    kind = draw(st.sampled_from(kinds(cap)))
    return make_case(
        draw(st.integers(0, 2**32 - 1)),
        cap=cap,
        kind=kind,
        per=draw(st.sampled_from(["turn", "stage"])),
        gamma=draw(st.sampled_from(DISCOUNTS)),
        equal_lengths=equal_lengths,
    )


FIRST_SEED = 0 if settings().derandomize else randbits(32)


@lru_cache(maxsize=256)
def drawn_case(number: int, *, capped: bool | None = None) -> Case:
    """The case of this number, drawn and solved once for all objectives that are tried on it: the same in every quick run."""
    rng = np.random.default_rng([FIRST_SEED + number, 0])
    cap = rng.choice(np.array(CAPS[capped], dtype=object))
    kind, per, gamma = rng.choice(kinds(cap)), rng.choice(["turn", "stage"]), rng.choice(DISCOUNTS)
    return make_case(FIRST_SEED + number, cap=cap, kind=str(kind), per=str(per), gamma=float(gamma))
