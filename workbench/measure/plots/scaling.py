"""How throughput grows with the threads: the measured points, the ideal line, two fitted laws, and the knee."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import NullLocator

from workbench.faults import WorkbenchError
from workbench.measure.plots.canvas import log_axis, look, measured, number, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from workbench.measure.plots.canvas import Look
    from workbench.measure.results import Line, Run
    from workbench.measure.saturation import Saturation

__all__ = ["scaling_figure", "scaling_finding"]

KEY = (
    "marks: medians with 95 % intervals; dashed: ideal; solid: universal scalability law; dotted: Amdahl's law; "
    "triangle: the knee, where the ideal line meets the plateau"
)


def scaling_figure(run: Run) -> Figure:
    """A panel for each case: throughput over threads (both log), with 95 % intervals.

    Dashed: every thread as fast as the first. Solid: the universal scalability law, dotted: Amdahl's law, both
    fitted. The knee is where the ideal line meets the plateau. Errors: ``WorkbenchError`` without a figure.
    """
    lines = measured(run)
    cases = list(dict.fromkeys(line.case for line in lines))
    if not cases:
        raise WorkbenchError("nothing was measured in this run, so there is nothing to draw")
    figure, axes = panels(run, scaling_finding(run), cases, KEY)
    for one, case in zip(axes, cases, strict=True):
        _panel(one, run, case, [line for line in lines if line.case == case])
    return figure


def scaling_finding(run: Run) -> str:
    """Where the threads stop helping, in one line."""
    found = [
        (knee.peak / knee.rates[0], token, case, knee)
        for token in run.tokens
        for case in dict.fromkeys(line.case for line in measured(run))
        if (knee := run.saturation(token, case)) is not None
    ]
    if not found:
        return "too few numbers of threads for a knee: name three or more"
    if len(found) == 1:
        gain, token, case, knee = found[0]
        return f"{case} on {token}: {_reach(gain, knee)}"
    least, most = min(found, key=lambda item: item[0]), max(found, key=lambda item: item[0])
    return (
        f"At their best, threads bring {least[0]:.1f} ({least[2]} on {least[1]}) "
        f"to {most[0]:.1f} times ({most[2]} on {most[1]}) the rate of one"
    )


def _reach(gain: float, knee: Saturation) -> str:
    if not knee.closed:
        return f"{gain:.1f} times the rate of one thread at {knee.peak_threads}, and still growing"
    return f"at most {gain:.1f} times the rate of one thread; the knee is at {knee.knee.value:.1f} threads"


def _panel(axes: Axes, run: Run, case: str, lines: list[Line]) -> None:
    counts = sorted({line.threads for line in lines})
    for index, token in enumerate(run.tokens):
        own = [line for line in lines if line.token == token and line.driver == run.drivers[0]]
        if own:
            _curve(axes, own, run.saturation(token, case), look(index), token)
    log_axis(axes, "y", [line.rate.value for line in lines])
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(counts[0] / 1.15, counts[-1] * 2.2)
    axes.set_xlabel("threads, each with a session of its own", fontsize=8.5)
    axes.set_ylabel("successful calls per second", fontsize=8.5)
    rates = [line.rate.value for line in lines]
    axes.set_ylim(min(rates) / 1.6, max(rates) * 2.2)


def _curve(axes: Axes, lines: list[Line], knee: Saturation | None, ink: Look, token: str) -> None:
    threads = [line.threads for line in lines]
    rates = np.array([line.rate.value for line in lines])
    low = rates - np.array([np.nan_to_num(line.rate.low, nan=line.rate.value) for line in lines])
    high = np.array([np.nan_to_num(line.rate.high, nan=line.rate.value) for line in lines]) - rates
    axes.errorbar(
        threads, rates, yerr=np.maximum([low, high], 0), fmt=ink.marker, color=ink.colour, markersize=5, capsize=2,
        linewidth=1.2,
    )  # fmt: skip
    axes.annotate(
        token, (threads[-1], rates[-1]), xytext=(7, 0), textcoords="offset points", va="center", fontsize=8
    )
    if knee is None:
        return
    fine = np.geomspace(threads[0], threads[-1], 60)
    axes.plot(fine, [knee.ideal(n) for n in fine], linestyle=(0, (5, 3)), color=ink.colour, linewidth=0.9)
    axes.plot(fine, [knee.usl.at(n) for n in fine], linestyle="-", color=ink.colour, linewidth=1.2)
    axes.plot(fine, [knee.amdahl.at(n) for n in fine], linestyle=":", color=ink.colour, linewidth=1.4)
    if not knee.closed:
        axes.annotate(
            "still growing",
            (threads[-1], rates[-1]),
            xytext=(7, -9),
            textcoords="offset points",
            fontsize=7,
            va="center",
        )
        return
    at = max(knee.knee.value, threads[0])
    axes.plot(at, knee.ideal(at), "v", color=ink.colour, markersize=7, markerfacecolor="none")
    axes.annotate(
        f"knee {knee.knee.value:.1f}, at most {number(knee.peak)}/s", (at, knee.ideal(at)), xytext=(3, 7),
        textcoords="offset points", fontsize=7.5, va="bottom",
    )  # fmt: skip
