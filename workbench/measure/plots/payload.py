"""Latency and data rate over the size of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import NullLocator

from workbench.faults import WorkbenchError
from workbench.measure.payload import byte_costs
from workbench.measure.plots.canvas import log_axis, look, number, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from workbench.measure.payload import ByteCost
    from workbench.measure.results import Run

__all__ = ["payload_figure", "payload_finding"]


def payload_figure(run: Run) -> Figure:
    """Median latency (left) and data rate (right) over the payload, with the line fixed + per byte.

    Errors: ``WorkbenchError`` where no operation was measured with three payloads or more.
    """
    costs = byte_costs(run)
    if not costs:
        raise WorkbenchError("no operation was measured with three payloads or more: use --payload 64,1k,16k")
    figure, (left, right) = panels(run, payload_finding(run), ["latency of a call", "data rate"])
    for index, cost in enumerate(costs):
        _draw(left, right, cost, index, _name(run, cost))
    sizes = sorted({size for cost in costs for size in cost.payloads})
    for axes in (left, right):
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, [size_name(size) for size in sizes])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("data given to a call", fontsize=8.5)
        axes.set_xlim(sizes[0] / 2, sizes[-1] * 2)
    log_axis(left, "y", [value / 1e3 for cost in costs for value in cost.latencies_ns])
    left.set_ylabel("median service time in µs (line: fixed + per byte)", fontsize=8.5)
    log_axis(
        right, "y", [n / v * 1e3 for c in costs for n, v in zip(c.payloads, c.latencies_ns, strict=True) if n]
    )
    right.set_ylabel("MB per second in one thread", fontsize=8.5)
    left.legend(fontsize=8, frameon=False, loc="upper left")
    return figure


def payload_finding(run: Run) -> str:
    """From which size on the bytes cost more than the call."""
    costs = [cost for cost in byte_costs(run) if np.isfinite(cost.half)]
    if not costs:
        return "A byte more costs nothing: the call is all that is paid for"
    last = max(costs, key=lambda cost: cost.half)
    return (
        f"{last.name} on {last.token}: up to {size_name(round(last.half))} the call itself costs more than its data; "
        f"the limit is {number(last.limit / 1e6)}\N{NO-BREAK SPACE}MB/s"
    )


def size_name(size: int) -> str:
    """Bytes as people say them."""
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size} B"


def _draw(left: Axes, right: Axes, cost: ByteCost, index: int, name: str) -> None:
    ink = look(index)
    n, y = np.array(cost.payloads, dtype=float), np.array(cost.latencies_ns)
    fine = np.geomspace(max(n[0], 1), n[-1], 80)
    line = np.array([cost.at(size) for size in fine])
    left.plot(fine, line / 1e3, color=ink.colour, linestyle=ink.style, linewidth=1.1)
    left.plot(n, y / 1e3, ink.marker, color=ink.colour, markersize=5, label=name)
    right.plot(fine, fine / line * 1e3, color=ink.colour, linestyle=ink.style, linewidth=1.1)
    right.plot(n, n / y * 1e3, ink.marker, color=ink.colour, markersize=5)
    if n[0] < cost.half < n[-1]:
        right.plot(cost.half, cost.half / cost.at(cost.half) * 1e3, "|", color=ink.colour, markersize=16)


def _name(run: Run, cost: ByteCost) -> str:
    return cost.name if len(run.tokens) == 1 else f"{cost.name}, {cost.token}"
