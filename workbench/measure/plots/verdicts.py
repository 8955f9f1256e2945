"""A comparison as a picture: what changed by how much, and what would have counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.ticker import NullLocator

from workbench.faults import WorkbenchError
from workbench.measure.changes import SURE
from workbench.measure.plots.canvas import COLOURS, blank, plain_axis
from workbench.measure.stats import reached

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from workbench.measure.comparison import Comparison
    from workbench.measure.results import Run

__all__ = ["comparison_figure"]

LINE_INCHES = 0.22
MARKS = {"better": ("^", COLOURS[2]), "worse": ("v", COLOURS[1]), "same": ("o", COLOURS[0])}
# Ticks by how far the ratios reach.
TICKS = {
    1.15: (0.9, 0.95, 1, 1.05, 1.1),
    1.5: (0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.4),
    3.0: (0.5, 0.7, 1, 1.4, 2),
    30.0: (0.1, 0.2, 0.5, 1, 2, 5, 10),
    float("inf"): (0.001, 0.01, 0.1, 1, 10, 100, 1000),
}
TITLES = {"throughput": "throughput", "p50": "p50", "cpu": "CPU"}


def comparison_figure(comparison: Comparison, run: Run | None = None) -> Figure:
    """The ratio of every quantity to the baseline (log scale), with its interval, over what would not count.

    The shaded bar is the threshold: a change counts when its interval leaves 1 out and its mark is beyond the bar.
    ``run``: whose foot is drawn. Errors: ``WorkbenchError`` where nothing can be compared.
    """
    rows = [(line, change) for line in comparison.lines for change in line.changes if change.ratio.known]
    if not rows:
        raise WorkbenchError("no line of this comparison has rounds enough, so there is nothing to draw")
    figure = blank(run, comparison.sentence, 9.5, 1.2 + LINE_INCHES * (len(rows) + 1))
    axes = figure.add_subplot()
    plain_axis(axes)
    labels = []
    several = [what for what in ("token", "driver") if len({getattr(line, what) for line, _ in rows}) > 1]
    level = reached(SURE, min(line.rounds for line, _ in rows))
    for place, (line, change) in enumerate(rows):
        marker, colour = MARKS[change.verdict]
        ratio, threshold = change.ratio, change.threshold
        axes.barh(place, 2 * threshold, left=1 - threshold, height=0.8, color="#8a8f98", alpha=0.25)
        axes.plot([ratio.low, ratio.high], [place, place], color=colour, linewidth=2, solid_capstyle="butt")
        axes.plot(ratio.value, place, marker, color=colour, markersize=6)
        axes.annotate(
            f"{_deviation(ratio.value)} {'' if change.verdict == 'same' else change.verdict}",
            (max(ratio.high, 1 + threshold), place), xytext=(6, 0), textcoords="offset points", va="center", fontsize=7.5,
        )  # fmt: skip
        threads = f"{line.threads} thread{'s' if line.threads > 1 else ''}"
        place_of = ", ".join([line.case, threads, *(getattr(line, what) for what in several)])
        labels.append(f"{place_of}: {TITLES[change.quantity]}")
    axes.set_yticks(range(len(rows)), labels, fontsize=7.5)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.axvline(1, color="#8a8f98", linewidth=1)
    _scale(axes, [value for _, change in rows for value in (change.ratio.low, change.ratio.high)])
    axes.set_xlabel(
        f"against {comparison.baseline} (log scale; bar: {100 * level:.3g} % interval; shaded: does not count)",
        fontsize=8.5,
    )
    return figure


def _scale(axes: Axes, ratios: Sequence[float]) -> None:
    """As wide to either side, with room for the words on the right."""
    reach = max(1.1, *ratios, *(1 / ratio for ratio in ratios if ratio > 0))
    axes.set_xscale("log")
    axes.set_xlim(1 / reach**1.1, reach**1.6)
    chosen = next(ticks for limit, ticks in TICKS.items() if reach <= limit)
    ticks = [tick for tick in chosen if 1 / reach**1.1 <= tick <= reach**1.4]
    axes.set_xticks(ticks, [_deviation(tick) for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())


def _deviation(ratio: float) -> str:
    """In percent near 1, as a multiple far from it."""
    if 0.5 < ratio < 2:
        return "equal" if ratio == 1 else f"{100 * (ratio - 1):+z.{1 if abs(ratio - 1) < 0.1 else 0}f} %"
    return f"× {ratio:.3g}"
