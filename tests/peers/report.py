"""Run every comparison with TRL, verl and OpenRLHF and write docs/checked_against_trl.md. Run by `make peers-check`."""

from __future__ import annotations

import os
import tempfile
from importlib.metadata import version
from pathlib import Path

from peers.cases import CASES, largest_difference
from peers.functions import FUNCTIONS, Call
from peers.trainings import TRAININGS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "checked_against_trl.md"

OPENING = """# Checked against TRL, verl and OpenRLHF

Written by `make peers-check`, which runs TRL's own trainers on a one-layer GPT-2 with random weights, generates responses with
it, takes two optimiser steps on them (so that the second is off the policy, with ratios on both sides of the clip range), and
reads off the gradient that arrives at each token's log-probability. Minus that gradient is the token's coefficient. It is
compared with the coefficient that this package's parts give to the same rewards, lengths, ratios and log-probabilities; for SFT,
DFT and DPO, with the derivative that SymPy takes of the surrogate. No code of TRL is used.

"""
NAMES = """
What the names compute, in the version above:

- `GRPOTrainer` at its defaults is `dapo-batch` with group std (sample, plus 1e-4) and no KL, not GRPO as published.
- `loss_type="dr_grpo"` keeps the group std unless `scale_rewards="none"`.
- `beta > 0` multiplies k3 by the importance ratio and differentiates the ratio too (`use_bias_correction_kl`, on by default): the
  coefficient is -beta rho log(pi/ref), that of k2 on the policy (claim O11-weighted), not the -beta (1 - ref/pi) of k3. The names
  `trl:grpo`, `trl:dapo`, `trl:bnpo`, `trl:grpo-loss`, `trl:dr-grpo` and `trl:cispo` do the same (`corrected_kl`). With the ratio
  of whole responses (`trl:gspo`) every token gets the others' k3 as well, which is not computed here: refused by name.
- `loss_type="cispo"` truncates the ratio at `epsilon_high` itself, not at 1 + `epsilon_high`. At the default (0.2) every
  coefficient is multiplied by 0.2 on the policy, and by min(rho, 0.2) off it.
- CISPO's tokens are those of the batch, as `cispo` with `over="batch"`; its paper (and `cispo`) divides by those of the group.
- No row of TRL draws groups without variance again, as DAPO's paper (and `dapo`) does.
- `importance_sampling_level="sequence"` with `loss_type="grpo"` is GSPO: the response's ratio to the power 1/L.
- `RLOOTrainer` clips the ratio of the whole response, without the power 1/L: 1 + epsilon bounds the response, not each token. Its
  KL is k1 in the reward: `trl:rloo + k1-reward`, and `trl:rloo` alone takes no beta.
- `SFTTrainer` averages over the tokens of the batch; `loss_type="dft"` is DFT.

Not compared: `ppo-clip` (its trainer is not in this version), `nft`, `reinforce-pp`, `score-*` (TRL has none), the SFT
reductions that TRL does not offer; of distillation the divergence is compared below, not a run of its trainer.
"""


OTHERS = """
## Functions of verl, OpenRLHF and TRL

Their own functions, called on small tensors: `verl.trainer.ppo.core_algos`, `openrlhf.models.loss`, `openrlhf.models.utils` and
`RemoteExperienceMaker.compute_advantages_and_returns`, and the losses of TRL's `DPOTrainer` and `GKDTrainer`, without a model.
verl is imported as it is. OpenRLHF's packages are entered without their `__init__`, and DeepSpeed and the launcher of Ray actors
are empty modules: the functions called use neither. All is in double precision but OpenRLHF's KL estimators, `*_vectorized` and
label smoothing in TRL; verl and OpenRLHF add 1e-8 to what they divide by.

### Functions

One batch of three groups of four responses of one to nine tokens, off the policy, with rewards in [0, 1] and one group of equal
rewards. Compared are advantages, or minus the gradient of a loss at each token's log-probability; where the value of the loss is
compared as well, on the policy, *logged* says so.

"""
WHOLE = """
### Configurations

A batch that holds every group of n responses of a chain (two turns; answers of three tokens and of one) as often as it occurs, so
that means over it are expectations. The library's functions run in the order in which its trainer calls them and are
differentiated down to the logits of p, a and b; the other side is the expected gradient, and the logged loss, that `dstheory
explain` finds for the same settings. verl's REINFORCE++ divides by the deviation of a sample, here of the law: that
factor is taken out. Where the responses are another policy's (_off the policy_), an answer's tokens share its log-probability
alike, and what is logged is the share of clipped tokens.

"""
NOT_COMPARED = """
Not compared, since this package has no such objective or says that it shows another: verl's estimators `gae`, `gdpo`, `gpg`,
`grpo_passk`, `opo`, `remax`, `reinforce_plus_plus_baseline` and the two `optimal_token_baseline`; its losses `bypass_mode`,
`clip_cov`, `kl_cov`, `dppo_kl`, `dppo_tv`, `dro` and `geo_mean`, and `sapo` off the policy; the KL `abs`; OpenRLHF's `gae`,
`reinforce_baseline`, `flash_reinforce`, gates by divergence and the losses of critics and of reward models; TRL's `aot`,
`aot_unpaired` and `sft` for pairs.
"""


def others(found: dict[Call, tuple[float, int, int]], versions: dict[str, str]) -> str:
    """The part about verl and OpenRLHF: one row per comparison."""

    def table(calls: tuple[Call, ...]) -> str:
        head = "| library | called | computes | numbers | largest difference |\n|---|---|---|---|---|\n"
        rows = []
        for call in calls:
            gap, numbers, logged = found[call]
            what = f"{numbers}{', logged' if logged else ''}"
            rows.append(f"| {call.library} | `{call.name}` | {call.says} | {what} | {gap:.0e} |\n")
        return head + "".join(rows)

    of = ", ".join(f"{name} {number}" for name, number in versions.items())
    return f"{OTHERS}Versions: {of}.\n\n{table(FUNCTIONS)}{WHOLE}{table(TRAININGS)}{NOT_COMPARED}"


def page(rows: list[tuple[str, str, str, str, str]], versions: dict[str, str]) -> str:
    """The part about TRL: one row per comparison."""
    head = "| TRL | computes | objective here | tokens | largest difference |\n|---|---|---|---|---|\n"
    body = "".join(f"| `{name}` | {says} | `{objective}` | {tokens} | {gap} |\n" for name, says, objective, tokens, gap in rows)
    of = ", ".join(f"{name} {number}" for name, number in versions.items())
    precision = "Differences are relative to the largest coefficient; TRL computes in single precision."
    return f"{OPENING}Versions: {of}. {precision}\n\n{head}{body}{NAMES}"


def main() -> None:
    """Compare, and write the page."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    rows = []
    for case in CASES:
        with tempfile.TemporaryDirectory() as where:
            gap, tokens, _ = largest_difference(case, Path(where))
        rows.append((case.name, case.says, case.objective, str(tokens), f"{gap:.0e}"))
    found = {call: call.largest_difference() for call in (*FUNCTIONS, *TRAININGS)}
    text = page(rows, {name: version(name) for name in ("trl", "transformers", "torch")})
    of = {name: version(name) for name in ("verl", "openrlhf", "trl", "torch")}
    PAGE.write_text(text + others(found, of), encoding="utf-8")


if __name__ == "__main__":
    main()
