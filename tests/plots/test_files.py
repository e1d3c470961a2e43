"""The files of figures."""

from __future__ import annotations

import subprocess
import sys
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


SILENT = """
import sys
from dstheory.cli import main
from matplotlib.artist import kwdoc
sys.argv = ["dstheory", "signal", "--objective", "grpo", "--out", "here"]
try:
    main.main()
except SystemExit as end:
    assert not end.code
from matplotlib import artist, text
assert artist.kwdoc is kwdoc, "matplotlib's own is not back"
print("fontsize" in text.Text.set.__doc__, "fontsize" in kwdoc(text.Text))
"""


def test_a_command_imports_matplotlib_without_its_lists_of_properties(tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", SILENT], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "False True"
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == ["run.json", "signal.png", "signal.svg"]
