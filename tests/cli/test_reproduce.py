"""`dstheory reproduce`: the experiments run, from a checkout or an installed wheel, and show what they say."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr


def test_every_experiment_is_listed_with_its_claims(dstheory) -> None:
    listed = json.loads(dstheory("reproduce", "--list", "--json").out)["experiments"]
    assert any(e["name"] == "source-figure" for e in listed)
    for experiment in listed:
        assert experiment["claims"]
        assert experiment["shows"]


def test_all_quick_versions_write_figure_data_and_manifest(dstheory, tmp_path) -> None:
    ran = dstheory("reproduce", "--all", "--quick", "--out", "out")
    assert ran.code == 0, ran.err
    names = [e["name"] for e in json.loads(dstheory("reproduce", "--list", "--json").out)["experiments"]]
    for name in names:
        files = {p.suffix for p in (tmp_path / "out" / name).iterdir()}
        assert {".nc", ".json", ".png", ".svg"} <= files


def test_the_sources_figure_has_the_signs_that_claim_b6_says(dstheory, tmp_path) -> None:
    dstheory("reproduce", "source-figure", "--quick", "--out", "out")
    with xr.open_dataset(tmp_path / "out/source-figure/history.nc") as data:
        on_sampling = data.reward_gradient.sel(logit="theta_s")
        assert (on_sampling.sel(reward="final answer rewarded") > 0).all()
        assert np.isfinite(data.p).all()
        assert float(data.p.isel(step=0).max()) == pytest.approx(1 / (1 + np.exp(-0.2)), abs=1e-12)


@pytest.mark.slow
def test_the_full_run_ends_where_the_sources_figure_does(dstheory, tmp_path) -> None:
    dstheory("reproduce", "source-figure", "--out", "out")
    with xr.open_dataset(tmp_path / "out/source-figure/history.nc") as data:
        end = data.sel(reward="right decisions rewarded").isel(step=-1)
        assert float(end.p) == pytest.approx(0.50, abs=0.01)
        assert float(end.a) == pytest.approx(0.98, abs=0.01)
        assert float(end.b) == pytest.approx(0.98, abs=0.01)
        assert float(end.reward_gradient.sel(logit="theta_s")) < 0
        assert float(data.p.sel(reward="final answer rewarded").isel(step=-1)) > 0.9


def test_bad_input(dstheory) -> None:
    assert dstheory("reproduce").code == 2
    unknown = dstheory("reproduce", "figure-nine")
    assert unknown.code == 1
    assert "source-figure" in unknown.err
