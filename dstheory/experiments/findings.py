"""What an experiment returns: data, figures, tables, and the text that goes under the figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from dstheory.experiments.tables import Table

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

__all__ = ["Findings"]


class Findings(NamedTuple):
    """What ``run`` of an experiment returns; a plain tuple (data, figures) with the rest left out will do.

    Attributes:
        data: everything measured; ``data.attrs["seed"]`` where chance was involved.
        figures: matplotlib figures by file stem; written as PNG and SVG.
        tables: by file stem, rows (mappings with the same keys; written as CSV and Markdown) or a text (written as it is).
        caption: the text under the figures, with the numbers measured; default the docstring of the experiment's file.
    """

    data: xr.Dataset
    figures: Mapping[str, Figure]
    tables: Mapping[str, Table] = {}
    caption: str = ""
