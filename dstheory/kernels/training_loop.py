"""The compiled loop of `dstheory.kernels.training.train_minimal`: settings in lanes, so that one instruction advances several."""

from __future__ import annotations

from dstheory.kernels.jit import exp_nonpositive, inlined, kernel, larger, log1p_ratio
from dstheory.kernels.step import LANES, minimal_step

_step = minimal_step(exp_nonpositive, larger, log1p_ratio, inlined())


@kernel
def ascend(start, stop, theta, settings, rates):  # type: ignore[no-untyped-def]
    """Advance the blocks start..stop by len(rates) steps.

    Rows are flat, so that one address serves all fields of a block: theta has shape (blocks, 3 lanes), settings (blocks, 22
    lanes).
    """
    for block in range(start, stop):
        state, s = theta[block], settings[block]
        for step in range(rates.size):
            rate = rates[step]
            for i in range(LANES):
                state[i], state[LANES + i], state[2 * LANES + i] = _step(
                    state[i], state[LANES + i], state[2 * LANES + i], rate,
                    s[i], s[LANES + i], s[2 * LANES + i], s[3 * LANES + i], s[4 * LANES + i], s[5 * LANES + i],
                    s[6 * LANES + i], s[7 * LANES + i], s[8 * LANES + i], s[9 * LANES + i], s[10 * LANES + i], s[11 * LANES + i],
                    s[12 * LANES + i], s[13 * LANES + i], s[14 * LANES + i], s[15 * LANES + i], s[16 * LANES + i],
                    s[17 * LANES + i], s[18 * LANES + i], s[19 * LANES + i], s[20 * LANES + i], s[21 * LANES + i],
                )  # fmt: skip
