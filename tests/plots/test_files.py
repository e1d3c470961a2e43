"""The files of figures: what is drawn, whatever writes it."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from dstheory.plots.style import RC, save_figure


@pytest.mark.parametrize("alpha", [1.0, 0.5, 0.0])
def test_a_png_holds_the_pixels_that_matplotlib_writes(alpha: float, tmp_path: Path) -> None:
    figure = Figure(figsize=(3.37, 2.11), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1, 2], [0.3, 0.1, 0.7], label="some")
    axes.imshow(np.arange(12.0).reshape(3, 4))
    figure.patch.set_alpha(alpha)
    file = next(path for path in save_figure(figure, tmp_path / "own") if path.suffix == ".png")
    with matplotlib.rc_context(RC):
        figure.savefig(tmp_path / "theirs.png", dpi=200)
    with Image.open(file) as own, Image.open(tmp_path / "theirs.png") as theirs:
        own.load()
        assert own.mode == ("RGB" if alpha == 1.0 else "RGBA")
        assert own.info["dpi"] == theirs.info["dpi"]
        np.testing.assert_array_equal(np.array(own.convert("RGBA")), np.array(theirs))
    assert figure.dpi == 100


def test_no_setting_of_the_user_cuts_a_figure(tmp_path: Path) -> None:
    figure = Figure(figsize=(2, 1))
    figure.text(0.5, 0.5, "a")
    with matplotlib.rc_context({"savefig.bbox": "tight", "savefig.transparent": True}):
        png, svg = save_figure(figure, tmp_path / "figure")
    with Image.open(png) as image:
        assert image.size == (400, 200)
    assert 'width="144pt"' in svg.read_text()
