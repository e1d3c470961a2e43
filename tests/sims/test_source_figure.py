"""The source's figure under both kinds of reward: the signs that claim B6 gives, and where the full run ends."""

from __future__ import annotations

import numpy as np
import pytest

from dstheory.experiments import find_experiments
from dstheory.experiments.running import load


def findings(quick: bool):
    (experiment,) = find_experiments(("source-figure",))
    return load(experiment.path).run(quick=quick, progress=None)


def test_the_figure_has_the_signs_that_claim_b6_says() -> None:
    data = findings(quick=True)[0]
    on_sampling = data.reward_gradient.sel(logit="theta_s")
    assert (on_sampling.sel(reward="final answer rewarded") > 0).all()
    assert np.isfinite(data.p).all()
    assert float(data.p.isel(step=0).max()) == pytest.approx(1 / (1 + np.exp(-0.2)), abs=1e-12)


@pytest.mark.slow
def test_the_full_run_ends_where_the_sources_figure_does() -> None:
    data = findings(quick=False)[0]
    end = data.sel(reward="right decisions rewarded").isel(step=-1)
    assert float(end.p) == pytest.approx(0.50, abs=0.01)
    assert float(end.a) == pytest.approx(0.98, abs=0.01)
    assert float(end.b) == pytest.approx(0.98, abs=0.01)
    assert float(end.reward_gradient.sel(logit="theta_s")) < 0
    assert float(data.p.sel(reward="final answer rewarded").isel(step=-1)) > 0.9
