"""Whole distributions of latency: how many calls took longer than this."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import NullLocator

from workbench.faults import WorkbenchError
from workbench.measure.plots.canvas import blank, log_axis, look, number, plain_axis
from workbench.measure.stats import percentiles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from workbench.measure.results import Run
    from workbench.measure.stats import Packed

__all__ = ["tail_figure"]

MARKED = (50.0, 90.0, 99.0, 99.9)


def tail_figure(
    series: Mapping[str, Packed], title: str, *, run: Run | None = None, note: str = "", what: str = "latency"
) -> Figure:
    """The share of calls that took longer (log) over the latency in µs (log), a line for each series.

    Marks: p50, p90, p99 and p99.9, as far as a series has the calls for them (ten beyond each). ``run``: whose
    foot is drawn; ``note``: a line for it, where there is no run. Errors: ``WorkbenchError`` where no series has a call.
    """
    known = {name: packed for name, packed in series.items() if packed.size}
    if not known:
        raise WorkbenchError("there are no latencies to draw")
    figure = blank(run, title, 9.5, 4.2, note)
    axes = figure.add_subplot()
    plain_axis(axes)
    everything: list[float] = []
    smallest = 1.0
    for index, (name, packed) in enumerate(known.items()):
        ink = look(index)
        values, counts = packed[:, 0] / 1e3, np.cumsum(packed[:, 1].astype(float))
        total = counts[-1]
        beyond = np.append(1.0, 1 - counts[:-1] / total)  # of all calls, those not below the value
        axes.step(values, beyond, where="pre", color=ink.colour, linestyle=ink.style, linewidth=1.5)
        shown = [p for p in MARKED if total * (1 - p / 100) >= 10]
        at = [value / 1e3 for value in percentiles(packed, shown)]
        axes.plot(at, [1 - p / 100 for p in shown], ink.marker, color=ink.colour, markersize=5)
        text = f"{name}:\np50 {number(at[0])} µs, p{shown[-1]:g} {number(at[-1])} µs" if shown else name
        axes.plot([], [], color=ink.colour, linestyle=ink.style, marker=ink.marker, markersize=5, label=text)
        everything += [float(values[0]), float(values[-1])]
        smallest = min(smallest, float(beyond[-1]))
    log_axis(axes, "x", everything)
    axes.set_yscale("log")
    ticks = [10.0**-k for k in range(7) if 10.0**-k >= smallest / 2]
    axes.set_yticks(ticks, [_share(tick) for tick in ticks])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlim(min(everything) / 1.3, max(everything) * 1.3)
    axes.set_ylim(smallest / 1.8, 1.3)
    axes.set_xlabel(f"{what} in µs (log scale; marks: p50, p90, p99, p99.9)", fontsize=8.5)
    axes.set_ylabel("share of calls that took so long or longer", fontsize=8.5)
    # beside the axes: at the end of its own curve a name would lie across the others
    axes.legend(
        loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0, fontsize=8, frameon=False, handlelength=3.5,
        labelspacing=1.0,
    )  # fmt: skip
    return figure


def _share(part: float) -> str:
    return "all" if part == 1 else f"1 in {1 / part:,.0f}"
