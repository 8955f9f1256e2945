"""How many nodes a rate needs, beside the measured curve of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from workbench.faults import WorkbenchError
from workbench.measure.capacity import sizing
from workbench.measure.plots.canvas import log_axis, look, number, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from workbench.measure.capacity import Sizing
    from workbench.measure.results import Run

__all__ = ["capacity_figure"]


def capacity_figure(run: Run, token: str, case: str, wanted: Sizing) -> Figure:
    """Left: what one node was measured to do, and how much of it is used. Right: nodes over the rate that is wanted.

    Errors: ``WorkbenchError`` where the case was not measured on the token.
    """
    lines = [
        x for x in run.lines if (x.token, x.case, x.driver) == (token, case, run.drivers[0]) and x.rounds
    ]
    if not lines:
        raise WorkbenchError(f"{case} was not measured on {token} in this run")
    title = (
        f"{number(wanted.rate)} × {case} a second take {wanted.nodes} × {token}: "
        f"{wanted.load:.0%} busy, {wanted.load_after_failure:.0%} after a failure"
    )
    figure, (left, right) = panels(
        run, title, [f"one node: {case}", f"nodes, {wanted.spare} of which may fail"]
    )
    threads, rates = [x.threads for x in lines], [x.rate.value for x in lines]
    ink, other = look(0), look(1)
    left.plot(threads, rates, marker=ink.marker, color=ink.colour, linewidth=1.3)
    usable = wanted.node_rate * (1 - wanted.headroom)
    for level, name, style in (
        (wanted.node_rate, f"highest: {number(wanted.node_rate)}/s", "-"),
        (usable, f"used, {wanted.headroom:.0%} headroom: {number(usable)}/s", "--"),
    ):
        left.axhline(level, color=other.colour, linestyle=style, linewidth=1)
        left.annotate(
            name, (1, level), xycoords=("axes fraction", "data"), xytext=(0, 2), textcoords="offset points",
            fontsize=7.5, ha="right", va="bottom",
        )  # fmt: skip
    left.set_ylim(0, wanted.node_rate * 1.25)
    left.set_xscale("log", base=2)
    left.set_xticks(threads, [str(n) for n in threads])
    left.minorticks_off()
    left.set_xlabel("threads", fontsize=8.5)
    left.set_ylabel("successful calls per second", fontsize=8.5)
    left.yaxis.set_major_formatter(lambda value, _: number(value))

    demand = np.geomspace(wanted.rate / 8, wanted.rate * 3, 400)
    nodes = [sizing(d, wanted.node_rate, wanted.headroom, wanted.spare).nodes for d in demand]
    name = f"{wanted.headroom:.0%} headroom, {wanted.spare} may fail"
    right.step(demand, nodes, where="post", color=ink.colour, linewidth=1.4, label=name)
    bare = [sizing(d, wanted.node_rate, 0, 0).nodes for d in demand]
    right.step(
        demand,
        bare,
        where="post",
        color=other.colour,
        linestyle="--",
        linewidth=1.1,
        label="at the limit, none may fail",
    )
    right.legend(fontsize=8, frameon=False, loc="upper left")
    right.plot(wanted.rate, wanted.nodes, "D", color=ink.colour, markersize=8, markerfacecolor="none")
    right.annotate(
        f"{number(wanted.rate)}/s: {wanted.nodes} nodes", (wanted.rate, wanted.nodes), xytext=(-8, 8),
        textcoords="offset points", fontsize=8.5, ha="right",
    )  # fmt: skip
    log_axis(right, "x", demand)
    right.set_ylim(0, max(nodes) * 1.1)
    right.yaxis.set_major_locator(MaxNLocator(integer=True))
    right.set_xlabel("calls per second that are wanted", fontsize=8.5)
    right.set_ylabel("nodes", fontsize=8.5)
    return figure
