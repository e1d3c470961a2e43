"""The reduced version of the experiment on multiplication runs, and finds what does not need its full size."""

from __future__ import annotations

import numpy as np
from quick_experiments import quick


def test_the_reduced_experiment() -> None:
    parts: list[float] = []
    findings = quick("arithmetic", parts)
    assert parts == [done / 6 for done in range(1, 7)]
    assert set(findings.figures) == {"anatomy-reward", "anatomy-sft-mistakes", "anatomy-sft-first", "gains"}
    assert set(findings.tables) == {"conditions", "gains", "hypotheses", "sizes"}
    data = findings.data
    at = data.part_b.sel(part="trained sizes").mean("seed")
    assert float(at.sel(condition="sft-first")) < float(at.sel(condition="start")) < float(at.sel(condition="reward"))
    # Rollouts realise what is exact: 84 problems, 2 episodes, 2 seeds; 4.5 standard errors of the mean over all sizes.
    for model in data.model.values:
        exact = float(data.accuracy.sel(condition=model).mean())
        found = float(data.realised.sel(model=model).mean())
        assert abs(found - exact) < 4.5 * np.sqrt(exact * (1 - exact) / (84 * 2 * 2))
