"""A place for every line of a run: throughput with intervals, and latency from the median to the largest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import NullLocator

from workbench.faults import WorkbenchError
from workbench.measure.comparison import compare_tokens
from workbench.measure.plots.canvas import blank, log_ticks, look, measured, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from workbench.measure.plots.canvas import Look
    from workbench.measure.results import Line, Run

__all__ = ["finding", "latency_figure", "latency_finding", "phases_finding", "throughput_figure"]

LINE_INCHES = 0.21


def throughput_figure(run: Run) -> Figure:
    """Calls per second (log scale) of every line with a figure, with 95 % intervals over the rounds."""
    lines = measured(run)
    figure, axes, places = _places(run, lines, finding(run))
    for place, line in zip(places, lines, strict=True):
        ink = _look(run, line)
        low, high = line.rate.low, line.rate.high
        if np.isfinite(low):
            axes.plot([low, high], [place, place], color=ink.colour, linewidth=2, solid_capstyle="butt")
        hollow = "none" if line.local else ink.colour
        axes.plot(line.rate.value, place, ink.marker, color=ink.colour, markersize=5, markerfacecolor=hollow)
        right = high if np.isfinite(high) else line.rate.value
        _label(axes, right, place, f"{number(line.rate.value)}/s  {_name(run, line)}")
    axes.set_xlabel(
        "successful calls per second, all threads together (log scale; bar: 95 % interval of the median)",
        fontsize=8.5,
    )
    reached = [(line.rate.low, line.rate.value, line.rate.high) for line in lines]
    _finish(axes, [value for values in reached for value in values if np.isfinite(value)])
    return figure


def latency_figure(run: Run, title: str | None = None) -> Figure:
    """Latency of a call (log scale, µs): median, p90, p99 and largest of every line with a figure.

    p99 is left out where a line has too few calls for it.
    """
    lines = measured(run)
    figure, axes, places = _places(run, lines, title or latency_finding(run))
    for place, line in zip(places, lines, strict=True):
        ink = _look(run, line)
        p50, p90, p99, largest = (v / 1e3 for v in (line.p50.value, line.p90_ns, line.p99_ns, line.max_ns))
        axes.plot([p50, largest], [place, place], color=ink.colour, linewidth=0.8)
        axes.plot([p50, p90], [place, place], color=ink.colour, linewidth=3, solid_capstyle="butt")
        axes.plot(p50, place, ink.marker, color=ink.colour, markersize=5)
        tail = ""
        if line.says(99):
            axes.plot(p99, place, "|", color=ink.colour, markersize=8, markeredgewidth=1.6)
            tail = f", p99 {number(p99)}"
        axes.plot(largest, place, "x", color=ink.colour, markersize=4)
        _label(axes, largest, place, f"{number(p50)} µs{tail}  {_name(run, line)}")
    what = "service time" if run.loop == "closed" else "response time"
    axes.set_xlabel(
        f"{what} of a call in µs (log scale; mark: median, thick: to p90, tick: p99 of 1,000 calls or more, cross: largest)",
        fontsize=8.5,
    )
    _finish(axes, [line.p50.value / 1e3 for line in lines] + [line.max_ns / 1e3 for line in lines])
    return figure


def finding(run: Run) -> str:
    """What the throughput says, in one line. What the client library answered by itself is left out."""
    ranked = run.ranked
    if not ranked:
        return "no operation was measured"
    threads = min(line.threads for line in ranked)
    name = f"{threads} thread{'s' if threads > 1 else ''}"
    verdicts = []
    if len(run.tokens) == 2:
        compared = compare_tokens(run).lines
        verdicts = [line.verdict for line in compared if line.threads == threads and line.judged]
    if verdicts:
        faster, slower = verdicts.count("faster"), verdicts.count("slower")
        first, second = run.tokens
        return (
            f"{second} is faster than {first} in {faster} and slower in {slower} "
            f"of {len(verdicts)} operations ({name})"
        )
    lines = sorted((line for line in ranked if line.threads == threads), key=lambda line: line.rate.value)
    least, most = lines[0], lines[-1]
    ends = [f"{number(line.rate.value)} ({line.case})" for line in (least, most)]
    span = " to ".join(dict.fromkeys(ends))
    prefix = f"{run.tokens[0]}: " if len(run.tokens) == 1 else ""
    return f"{prefix}{span} calls a second ({name})"


def latency_finding(run: Run) -> str:
    """What the latencies say, in one line: of the tail where there are calls enough for one, else of the medians."""
    lines = measured(run)
    if not lines:
        return "no operation was measured"
    tails = sorted(line.p99_ns / line.p50.value for line in lines if line.says(99))
    if tails:
        span = f"{tails[0]:.1f}" if len(tails) == 1 else f"{tails[0]:.1f} to {tails[-1]:.1f}"
        where = (
            ""
            if len(tails) == len(lines)
            else f" (lines with calls enough for it: {len(tails)} of {len(lines)})"
        )
        return f"One call in a hundred takes {span} times the median or longer{where}"
    lines.sort(key=lambda line: line.p50.value)
    medians = [f"{number(line.p50.value / 1e3)} µs ({line.case})" for line in (lines[0], lines[-1])]
    return f"Half of the calls take {' to '.join(dict.fromkeys(medians))} or longer; too few calls for a tail"


def phases_finding(run: Run) -> str:
    """Which step takes longest, and how many of the shortest would fit into it."""
    lines = sorted(measured(run), key=lambda line: line.p50.value)
    if len(lines) < 2:
        return latency_finding(run)
    short, long = lines[0], lines[-1]
    return (
        f"{long.token}: “{long.case}” takes {number(long.p50.value / 1e3)} µs, "
        f"as long as {number(long.p50.value / short.p50.value)} times “{short.case}”"
    )


def _places(run: Run, lines: Sequence[Line], title: str) -> tuple[Figure, Axes, list[float]]:
    """An empty figure with a place for every line, those of one case together."""
    if not lines:
        raise WorkbenchError("nothing was measured in this run, so there is nothing to draw")
    places: list[float] = []
    middles: dict[str, list[float]] = {}
    at = 0.0
    for index, line in enumerate(lines):
        at += 1.0 if index == 0 or lines[index - 1].case == line.case else 1.9
        places.append(at)
        middles.setdefault(line.case, []).append(at)
    figure = blank(run, title, 9.5, 1.4 + LINE_INCHES * at)
    axes = figure.add_subplot()
    axes.set_xscale("log")
    axes.set_yticks([sum(group) / len(group) for group in middles.values()], list(middles))
    axes.set_ylim(at + 1, 0)
    return figure, axes, places


def _look(run: Run, line: Line) -> Look:
    """By token; where there is one, by driver."""
    one = len(run.tokens) == 1
    return look(run.drivers.index(line.driver) if one else run.tokens.index(line.token))


def _name(run: Run, line: Line) -> str:
    parts = [line.token] if len(run.tokens) > 1 else []
    parts.append(f"{line.threads} thread{'s' if line.threads > 1 else ''}")
    parts += [line.driver] if len(run.drivers) > 1 else []
    parts += ["answered by the client library"] if line.local else []
    return ", ".join(parts)


def _label(axes: Axes, x: float, y: float, text: str) -> None:
    axes.annotate(text, (x, y), xytext=(6, 0), textcoords="offset points", va="center", fontsize=7.5)


def _finish(axes: Axes, values: Sequence[float]) -> None:
    # Room on the right for the labels: they are as long as about two decades.
    low, high = min(values), max(values)
    decades = np.log10(high / low) if high > low else 1.0
    axes.set_xlim(low / 1.6, high * 10 ** (0.35 * max(decades, 1.0) + 0.3))
    axes.set_xticks(log_ticks(low, high))
    axes.xaxis.set_major_formatter(lambda value, _: number(value))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(axis="x", which="major", alpha=0.4, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
