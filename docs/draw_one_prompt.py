"""Draw one prompt of the two-stage chain with its numbers: docs/one_prompt.png, the picture of the README.

Run ``python docs/draw_one_prompt.py``.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch

from dstheory import Policy, TwoStageMDP, solve

P, A, B = 0.55, 0.80, 0.30
RIGHT, WRONG, PLAIN = "#0072B2", "#D55E00", "#333333"
OUT = Path(__file__).resolve().parent / "one_prompt.png"


def box(axes: Axes, x: float, y: float, text: str, colour: str) -> None:
    """Write a state as a framed word."""
    frame = {"boxstyle": "round,pad=0.45", "facecolor": "white", "edgecolor": colour, "linewidth": 1.4}
    axes.text(x, y, text, ha="center", va="center", fontsize=10, color=colour, bbox=frame, zorder=3)


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str, bend: float = 0.0) -> None:
    """Draw an arrow between two points; one that bends is another attempt, and dashed."""
    line = {"linestyle": "--" if bend else "-", "linewidth": 1.4, "zorder": 2}
    shape = {"arrowstyle": "-|>", "mutation_scale": 13, "connectionstyle": f"arc3,rad={bend}"}
    axes.add_patch(FancyArrowPatch(start, end, color=colour, **shape, **line))


def main() -> None:
    """Draw the picture; every number in it is computed from p, a and b."""
    accuracy = solve(TwoStageMDP.minimal(gamma=1), Policy.minimal(p=P, a=A, b=B)).accuracy.item()
    figure, axes = plt.subplots(figsize=(9.6, 3.1), dpi=160)
    axes.set(xlim=(-0.4, 13.4), ylim=(-0.4, 4.4))
    axes.axis("off")
    box(axes, 1.0, 2.0, "What is 17 × 23?", PLAIN)
    box(axes, 6.0, 3.1, "391 (right)", RIGHT)
    box(axes, 6.0, 0.9, "381 (wrong)", WRONG)
    box(axes, 11.8, 3.1, f"submits right: {accuracy:.3f}", RIGHT)
    box(axes, 11.8, 0.9, f"submits wrong: {1 - accuracy:.3f}", WRONG)
    arrow(axes, (2.2, 2.3), (4.95, 3.05), PLAIN)
    arrow(axes, (2.2, 1.7), (4.95, 0.95), PLAIN)
    arrow(axes, (7.1, 3.1), (10.1, 3.1), RIGHT)
    arrow(axes, (7.1, 0.9), (10.1, 0.9), WRONG)
    arrow(axes, (6.0, 3.55), (1.0, 2.5), PLAIN, bend=0.35)
    arrow(axes, (6.0, 0.45), (1.0, 1.5), PLAIN, bend=-0.35)
    for x, y, text, colour in (
        (3.9, 2.45, f"p = {P:.2f}", PLAIN),
        (3.9, 1.55, f"{1 - P:.2f}", PLAIN),
        (8.6, 3.4, f"stops: a = {A:.2f}", RIGHT),
        (8.6, 0.6, f"stops: {1 - B:.2f}", WRONG),
        (1.0, 3.9, f"resamples: {1 - A:.2f}", PLAIN),
        (1.0, 0.1, f"resamples: b = {B:.2f}", PLAIN),
    ):
        axes.text(x, y, text, ha="center", va="center", fontsize=10, color=colour)
    axes.text(3.9, 2.0, "sampling", ha="center", va="center", fontsize=10, style="italic", color=PLAIN)
    axes.text(8.6, 2.0, "decision", ha="center", va="center", fontsize=10, style="italic", color=PLAIN)
    figure.savefig(OUT, bbox_inches="tight")


if __name__ == "__main__":
    main()
