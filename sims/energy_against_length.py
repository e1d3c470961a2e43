"""Stage energy against the length of answers, from 1 to 1,024 tokens: rewards are intensive, log-likelihoods extensive.

Answers are L independent tokens of 16 symbols, of which the first decides whether the answer is correct; policy, expert and
reference differ on every token by the same kind of random amount. All energies are exact, averaged over 32 prompts.

What it shows, and why. (a) Sampling stage: the reward's energy does not depend on L (claim B5; B5-loose says that it grows),
that of SFT and of the KL penalty's direct term is a sum over tokens (C4, D3), so it grows linearly: the imbalance that the
source puts in by length weights comes out by itself, for imitation and penalty. (b) Decision stage: nothing depends on L, with
one exception. The KL penalty's *full* gradient charges a resample with the tokens of a whole further answer, so its pull on the
decision grows like L^2, and that on sampling too once the price of resampling dominates (D3-resample; D3-loose is the statement
that it does not).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from dstheory.tokens import Factored, TokenChain, TokenPolicy, token_kl, token_reward, token_sft

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

NAME = "energy-against-length"
CLAIMS = ("B5", "B5-loose", "C4", "D3", "D3-resample", "D3-loose")

SEED, PROMPTS, SYMBOLS, LONGEST = 0, 32, 16, 1024
P_CORRECT, GAMMA, BETA, SPREAD = 0.55, 0.95, 0.2, 0.3
STOP = {"policy": (0.8, 0.7), "reference": (0.7, 0.75), "expert": (0.9, 0.5)}  # P(stop | correct), P(stop | wrong)
FIT_FROM = 64


def policies(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw logits (prompts, LONGEST, symbols) of the policy, then of reference and expert at a random distance from it."""
    own = rng.normal(size=(PROMPTS, LONGEST, SYMBOLS))
    # Symbol 0 of the first token is the correct one, with the same probability for every prompt.
    rest = np.log(np.exp(own[:, 0, 1:]).sum(axis=-1))
    own[:, 0, 0] = np.log(P_CORRECT / (1 - P_CORRECT)) + rest
    return {"policy": own} | {who: own + SPREAD * rng.normal(size=own.shape) for who in ("reference", "expert")}


def run(*, quick: bool, progress: Callable[[int, int], None] | None = None) -> tuple[xr.Dataset, dict[str, Figure]]:
    """Compute the energies of every objective at every length and draw them."""
    import xarray as xr

    from dstheory.plots.tokens import energy_figure

    lengths = 4 ** np.arange(6) if quick else 2 ** np.arange(11)
    tables = policies(np.random.default_rng(SEED))
    energies: dict[str, list[tuple[float, float]]] = {}
    for done, length in enumerate(lengths):
        chain = TokenChain(lengths=[length] * PROMPTS, symbols=SYMBOLS, required={0: 0}, gamma=GAMMA)
        own, reference, expert = (
            TokenPolicy(Factored.from_logits(table[:, :length]), stop=STOP[who]) for who, table in tables.items()
        )
        for name, result in {
            "reward": token_reward(chain, own, gradient=False),
            "SFT": token_sft(chain, own, expert, gradient=False),
            "KL, direct term": token_kl(chain, own, reference, beta=BETA, term="direct", gradient=False),
            "KL, full gradient": token_kl(chain, own, reference, beta=BETA, gradient=False),
        }.items():
            energies.setdefault(name, []).append((result.energy.sample, result.energy.decide))
        if progress is not None:
            progress(done + 1, len(lengths))
    data = xr.Dataset(
        {"energy": (("objective", "length", "stage"), np.array(list(energies.values())))},
        coords={"objective": list(energies), "length": lengths, "stage": ["sample", "decide"]},
        attrs={"seed": SEED, "prompts": PROMPTS, "symbols": SYMBOLS, "gamma": GAMMA, "beta": BETA, "spread": SPREAD},
    )
    return data, {NAME: energy_figure(data, fit_from=FIT_FROM)}
