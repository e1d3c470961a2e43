"""Stage energy against the length of answers, from 1 to 1,024 tokens: rewards are intensive, log-likelihoods extensive.

Answers are L independent tokens of 16 symbols, of which the first decides whether the answer is correct; policy, expert and
reference differ on every token by the same kind of random amount. All energies are exact, averaged over 32 prompts.

What it shows, and why. (a) Sampling stage: the reward's energy does not depend on L (claim B5; B5-loose says that it grows),
that of SFT and of the KL penalty's direct term is a sum over tokens (C4, D3), so it grows linearly: the imbalance that the
source puts in by length weights comes out by itself, for imitation and penalty. (b) Decision stage: nothing depends on L, with
one exception. The KL penalty's full gradient charges a resample with the tokens of a whole further answer, so its pull on the
decision grows like L^2, and that on sampling too once the price of resampling dominates (D3-resample; D3-loose is the statement
that it does not).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter
from numpy.typing import ArrayLike

from dstheory.plots.style import DASHES, MARKERS, PALETTE, RC, in_column, row_figure, tidy
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


_STAGES = {"sample": "sampling stage", "decide": "decision stage"}


def fitted_slope(length: ArrayLike, energy: ArrayLike) -> float:
    r"""Return the least-squares slope of log energy against log length: k where the energy grows like :math:`L^k`.

    Raises:
        ValueError: fewer than two lengths, or a number that has no logarithm.

    Example:
        >>> round(fitted_slope([1, 2, 4, 8], [3.0, 12.0, 48.0, 192.0]), 12)
        2.0
    """
    x, y = np.asarray(length, dtype=np.float64), np.asarray(energy, dtype=np.float64)
    if x.size < 2 or not (x > 0).all() or not ((y > 0) & np.isfinite(y)).all():
        raise ValueError(f"a slope needs two or more lengths and positive, finite energies; got {x.size} lengths, energies {y}")
    x, y = np.log(x), np.log(y)
    return float(((x - x.mean()) * (y - y.mean())).sum() / np.square(x - x.mean()).sum())


def energy_figure(data: xr.Dataset, *, fit_from: float = 1.0) -> Figure:
    """Draw both stages' energies against the number of tokens of an answer, with fitted slopes in the legends.

    Args:
        data: ``energy`` with dims objective, stage (``sample``, ``decide``), length.
        fit_from: slopes are fitted over lengths of at least this.

    Raises:
        ValueError: an energy that is zero, negative or infinite: it has no place on a logarithmic axis.
    """
    with matplotlib.rc_context(RC):
        figure, panels = row_figure(2, 3.0, column=2.4)
        low, high = float(data.energy.min()), float(data.energy.max())
        # Curves start together at the left and fan out to the right: the legend has the room above their start.
        panels[0].set_ylim(low / 1.5, high * (high / low) ** 0.45)
        for axes, stage, letter in zip(panels, _STAGES, "ab", strict=True):
            _curves(axes, data.energy.sel(stage=stage), fit_from)
            axes.set_title(f"({letter}) {_STAGES[stage]}", loc="left")
            axes.set_ylabel(rf"Fisher energy $e_{stage[0]}$" if in_column() else "Fisher energy")
            axes.set_xlabel("tokens per answer $L$")
            axes.label_outer()
    return figure


def _curves(axes: Axes, energy: xr.DataArray, fit_from: float) -> None:
    length = energy.length.values
    fitted = length >= fit_from
    for i, name in enumerate(energy.objective.values):
        values = energy.sel(objective=name).values
        slope = fitted_slope(length[fitted], values[fitted])
        axes.plot(
            length, values, color=PALETTE[i], linestyle=DASHES[i], marker=MARKERS[i], markersize=3.6, markeredgewidth=0.9,
            markerfacecolor="white" if i % 2 else PALETTE[i], label=f"{name}: {abs(slope) if abs(slope) < 5e-3 else slope:.2f}",
        )  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(length[:: max(1, len(length) // 5)])
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_minor_locator(LogLocator(subs=[]))
    over = f", fitted over $L \\geq {fit_from:g}$" if fit_from > length.min() else ""
    legend = axes.legend(
        loc="upper left", frameon=False, title=f"slope{over}", handlelength=2.6, borderaxespad=0.2, labelspacing=0.3
    )
    legend.get_title().set_fontsize(8)
    legend._legend_box.align = "left"  # type: ignore[attr-defined]
    tidy(axes)
