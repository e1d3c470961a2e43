"""Many simulated logs at once: one table with a field "log", so that a thousand logs take as long as one large one."""

from __future__ import annotations

import numpy as np

from dstheory.anatomy import Episodes, Labels
from dstheory.anatomy.generate import simulate_log


def many_logs(logs: int, problems: int, *, seed: int, name: str = "problem", **chain: float) -> Episodes:
    """`logs` logs of `problems` problems each, with the label of the log in the field "log"."""
    table = simulate_log(logs * problems, rng=seed, name=name, **chain)
    size = problems * int(chain.get("episodes_per_problem", 1))
    return table.with_field("log", Labels((np.arange(len(table)) // size).astype(np.int32), tuple(map(str, range(logs)))))


def attempt_weighted_p(p: float, a: float, b: float, cap: int, concentration: float | None) -> float:
    """What the pooled p estimates: the mean of p_x over attempts, E[p n]/E[n], n = (1 - q^T)/(1 - q), by a fine midpoint sum."""
    if concentration is None:
        return p
    from scipy.stats import beta

    x = beta(p * concentration, (1 - p) * concentration).ppf((np.arange(200_000) + 0.5) / 200_000)
    q = x * (1 - a) + (1 - x) * b
    n = (1 - q**cap) / (1 - q)
    return float((x * n).mean() / n.mean())
