"""Figures: one per function, each returning a matplotlib Figure; nothing here touches pyplot's global state."""

from dstheory.plots.simulation import simulation_figure
from dstheory.plots.style import save_figure

__all__ = ["save_figure", "simulation_figure"]
