"""The files of figures."""

from __future__ import annotations

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from PIL import Image

from dstheory.plots.style import save_figure


def test_no_setting_of_the_user_cuts_a_figure(tmp_path: Path) -> None:
    figure = Figure(figsize=(2, 1))
    figure.text(0.5, 0.5, "a")
    with matplotlib.rc_context({"savefig.bbox": "tight", "savefig.transparent": True}):
        png, svg = save_figure(figure, tmp_path / "figure")
    with Image.open(png) as image:
        assert image.size == (400, 200)
    assert 'width="144pt"' in svg.read_text()
