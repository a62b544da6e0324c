"""How a measure grows with the number of services: its exponent, a table, and a plot."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["SIZES", "Growth", "plot", "table"]

SIZES = (10, 100, 300, 1000)
"""Numbers of services."""
FITTED = SIZES[1:]
"""Those that the exponent is fitted to: below them, what is done once outweighs what is done for each service."""
SECONDS, MEGABYTES, RATIO = "s", "MB", "ratio"


@dataclass(frozen=True)
class Growth:
    """A measure in seconds, megabytes, or as a ratio, at the sizes where it is taken.

    ``floor`` tells what others are held against.
    """

    what: str
    figures: Mapping[int, float]
    unit: str = SECONDS
    goal: str = ""
    floor: bool = False

    def over(self, floor: Growth, what: str, goal: str = "") -> Growth:
        """The ratio of this to its floor."""
        ratios = {size: figure / floor.figures[size] for size, figure in self.figures.items()}
        return Growth(what, ratios, RATIO, goal)

    @property
    def exponent(self) -> float:
        """How many times as long twice as many services take, as a power of two: least squares of the logarithms."""
        points = [(math.log(size), math.log(self.figures[size])) for size in FITTED if size in self.figures]
        return statistics.linear_regression(*zip(*points, strict=True)).slope


def table(growths: Iterable[Growth]) -> list[str]:
    """Lines of Markdown."""
    head = ["services", *(f"{size:,}" for size in SIZES), "exponent", "goal"]
    rows = (
        [
            growth.what,
            *(_words(growth.figures[size], growth.unit) if size in growth.figures else "" for size in SIZES),
            "" if growth.unit == RATIO else f"{growth.exponent:.2f}",
            growth.goal,
        ]
        for growth in growths
    )
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def plot(growths: Iterable[Growth], file: Path) -> None:
    """Draw all that takes seconds, both axes logarithmic, as an image that depends on the figures alone."""
    mpl.rcParams |= {"font.size": 9}
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    for number, growth in enumerate(each for each in growths if each.unit == SECONDS):
        label = f"{growth.what}: n^{growth.exponent:.2f}"
        style = "--" if growth.floor else "-"
        sizes, seconds = zip(*growth.figures.items(), strict=True)
        axes.loglog(sizes, seconds, style, color=f"C{number}", marker="o", markersize=3, label=label)
    axes.set_xticks(SIZES, [f"{size:,}" for size in SIZES])
    axes.minorticks_off()
    axes.set_xlabel("services")
    axes.set_ylabel("seconds")
    axes.grid(visible=True, alpha=0.3)
    figure.legend(loc="outside right upper", frameon=False, title="with its exponent, 100 to 1,000")
    figure.savefig(file, dpi=120, metadata={"Software": None})


def _words(figure: float, unit: str) -> str:
    if unit == RATIO:
        return f"{figure:.2f}"
    if unit == MEGABYTES:
        return f"{figure:.0f} MB"
    return f"{figure * 1000:.1f} ms" if figure < 0.1 else f"{figure:.2f} s"
