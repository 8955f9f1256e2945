"""A line over many runs, and where it changed to stay so."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from workbench.faults import WorkbenchError
from workbench.measure.plots.canvas import blank, look, number, plain_axis

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from workbench.measure.history import Series
    from workbench.measure.results import Run

__all__ = ["history_figure", "history_finding"]

UNITS = {
    "throughput": ("successful calls per second", 1.0),
    "p50": ("median latency in µs", 1e-3),
    "cpu": ("CPU time of a call in µs", 1e-3),
}


def history_figure(series: Series, run: Run | None = None) -> Figure:
    """The medians of one line in order of time, a level for each stretch between steps, each step with its change.

    ``run``: whose foot is drawn. Errors: ``WorkbenchError`` for a series without values.
    """
    if not series.values:
        raise WorkbenchError("this series has no values, so there is nothing to draw")
    figure = blank(run, history_finding(series), 9.5, 3.4)
    axes = figure.add_subplot()
    plain_axis(axes)
    label, scale = UNITS[series.quantity]
    values = np.array(series.values) * scale
    ink, level_ink = look(0), look(1)
    axes.plot(range(1, len(values) + 1), values, ink.marker, color=ink.colour, markersize=5)
    bounds = [0, *(step.at for step in series.steps), len(values)]
    for begin, end in pairwise(bounds):
        level = float(np.median(values[begin:end]))
        axes.plot([begin + 0.6, end + 0.4], [level, level], color=level_ink.colour, linewidth=1.6)
    for step in series.steps:
        word = "worse" if series.worse(step) else "better"
        axes.axvline(step.at + 0.5, color=level_ink.colour, linestyle="--", linewidth=1)
        axes.annotate(
            f"{100 * (step.ratio - 1):+.1f} %, {word}", (step.at + 0.5, 1), xycoords=("data", "axes fraction"),
            xytext=(4, -4), textcoords="offset points", fontsize=8, va="top",
        )  # fmt: skip
    axes.set_ylim(0, max(values) * 1.15)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(lambda value, _: number(value))
    axes.set_xlabel("run, in order of time (line: median between steps)", fontsize=8.5)
    axes.set_ylabel(label, fontsize=8.5)
    return figure


def history_finding(series: Series) -> str:
    """How often the line changed, and the last time."""
    what = f"{series.case} on {series.token}"
    if not series.steps:
        return f"{what}: no step in {len(series.values)} runs"
    last = series.steps[-1]
    word = "worse" if series.worse(last) else "better"
    return f"{what}: {series.quantity} {100 * (last.ratio - 1):+.0f} % ({word}) from run {last.at + 1} of {len(series.values)} on"
