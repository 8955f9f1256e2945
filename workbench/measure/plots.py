"""Figures of a run: throughput with intervals, and latency from the median to the largest.

They are readable in print and without colour: every mark has its number and its name beside it. The finding
stands in the title, what was measured on what in the foot. Ink and paper are matplotlib's own settings, so
that ``rc_context`` draws them for a dark page.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from workbench.faults import WorkbenchError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from workbench.measure.results import Line, Run

__all__ = ["finding", "foot", "latency_figure", "latency_finding", "throughput_figure"]

# Okabe and Ito's colours without the yellow, which print swallows.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINE_INCHES = 0.21


def throughput_figure(run: Run) -> Figure:
    """Calls per second (log scale) of every line with a figure, with 95 % intervals over the rounds."""
    lines = _measured(run)
    figure, axes, places = _canvas(run, lines, finding(run))
    for place, line in zip(places, lines, strict=True):
        colour, marker = _look(run, line)
        low, high = line.rate.low, line.rate.high
        if np.isfinite(low):
            axes.plot([low, high], [place, place], color=colour, linewidth=2, solid_capstyle="butt")
        axes.plot(line.rate.value, place, marker, color=colour, markersize=5)
        right = high if np.isfinite(high) else line.rate.value
        _label(axes, right, place, f"{_number(line.rate.value)}/s  {_name(run, line)}")
    axes.set_xlabel(
        "successful calls per second, all threads together (log scale; bar: 95 % interval of the median)"
    )
    _finish(axes, [line.rate.value for line in lines])
    return figure


def latency_figure(run: Run) -> Figure:
    """Service time of a call (log scale, µs): median, p90, p99 and largest of every line with a figure."""
    lines = _measured(run)
    figure, axes, places = _canvas(run, lines, latency_finding(run))
    for place, line in zip(places, lines, strict=True):
        colour, marker = _look(run, line)
        p50, p90, p99, largest = (v / 1e3 for v in (line.p50.value, line.p90_ns, line.p99_ns, line.max_ns))
        axes.plot([p50, largest], [place, place], color=colour, linewidth=0.8)
        axes.plot([p50, p90], [place, place], color=colour, linewidth=3, solid_capstyle="butt")
        axes.plot(p50, place, marker, color=colour, markersize=5)
        axes.plot(p99, place, "|", color=colour, markersize=8, markeredgewidth=1.6)
        axes.plot(largest, place, "x", color=colour, markersize=4)
        _label(axes, largest, place, f"{_number(p50)} µs, p99 {_number(p99)}  {_name(run, line)}")
    axes.set_xlabel(
        "service time of a call in µs (log scale; mark: median, thick: to p90, tick: p99, cross: largest)"
    )
    _finish(axes, [line.p50.value / 1e3 for line in lines] + [line.max_ns / 1e3 for line in lines])
    return figure


def finding(run: Run) -> str:
    """What the throughput says, in one line."""
    threads = min(run.meta["plan"]["threads"])
    name = f"{threads} thread{'s' if threads > 1 else ''}"
    if len(run.tokens) == 2:
        verdicts = [ratio.verdict for ratio in run.ratios() if ratio.threads == threads]
        faster, slower = verdicts.count("faster"), verdicts.count("slower")
        first, second = run.tokens
        return (
            f"{second} is faster than {first} in {faster} and slower in {slower} "
            f"of {len(verdicts)} operations ({name})"
        )
    lines = sorted(
        (line for line in _measured(run) if line.threads == threads), key=lambda line: line.rate.value
    )
    if not lines:
        return "no operation was measured"
    least, most = lines[0], lines[-1]
    span = f"{_number(least.rate.value)} ({least.case}) to {_number(most.rate.value)} ({most.case})"
    prefix = f"{run.tokens[0]}: " if len(run.tokens) == 1 else ""
    return f"{prefix}{span} calls a second ({name})"


def latency_finding(run: Run) -> str:
    """What the latencies say, in one line."""
    tails = sorted(line.p99_ns / line.p50.value for line in _measured(run))
    if not tails:
        return "no operation was measured"
    return f"One call in a hundred takes {tails[0]:.1f} to {tails[-1]:.1f} times the median or longer"


def foot(run: Run) -> str:
    """Machine, module and method, for under a figure."""
    machine, found = run.meta["machine"], run.meta["provenance"]
    modules = "; ".join(
        f"{label}: {facts['library']} ({facts['module']})"
        for label, facts in found.items()
        if "library" in facts
    )
    plan = run.meta["plan"]
    return (
        f"{modules}\n{machine['cpu']}, {machine['cores']} cores, load {machine['load_average'][0]:g}; "
        f"driver {run.driver}, closed loop, session keys, {plan['rounds']} rounds in random order; "
        f"{run.meta['created'][:10]}"
    )


def _measured(run: Run) -> list[Line]:
    return [line for line in run.lines if line.rounds]


def _canvas(run: Run, lines: Sequence[Line], title: str) -> tuple[Figure, Axes, list[float]]:
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
    figure = Figure(figsize=(9.5, 1.7 + LINE_INCHES * at), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_xscale("log")
    axes.set_yticks([sum(group) / len(group) for group in middles.values()], list(middles))
    axes.set_ylim(at + 1, 0)
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    figure.supxlabel(foot(run), x=0.01, ha="left", fontsize=7, alpha=0.75)
    return figure, axes, places


def _look(run: Run, line: Line) -> tuple[str, str]:
    token = run.tokens.index(line.token)
    return COLOURS[token % len(COLOURS)], MARKERS[token % len(MARKERS)]


def _name(run: Run, line: Line) -> str:
    threads = f"{line.threads} thread{'s' if line.threads > 1 else ''}"
    return threads if len(run.tokens) == 1 else f"{line.token}, {threads}"


def _label(axes: Axes, x: float, y: float, text: str) -> None:
    axes.annotate(text, (x, y), xytext=(6, 0), textcoords="offset points", va="center", fontsize=7.5)


def _number(value: float) -> str:
    """Three significant digits, thousands apart."""
    if value >= 100:
        digits = max(0, len(str(int(value))) - 3)
        return f"{round(value, -digits):,.0f}"
    return f"{value:.3g}"


def _finish(axes: Axes, values: Sequence[float]) -> None:
    # Room on the right for the labels: they are as long as about two decades.
    low, high = min(values), max(values)
    decades = np.log10(high / low) if high > low else 1.0
    axes.set_xlim(low / 1.6, high * 10 ** (0.35 * max(decades, 1.0) + 0.3))
    axes.set_xticks([tick for tick in 10.0 ** np.arange(-3, 10) if low / 1.6 <= tick <= high * 3])
    axes.xaxis.set_major_formatter(
        lambda value, _: f"{value:,g}" if value < 1e6 else f"{value / 1e6:g} million"
    )
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(axis="x", which="major", alpha=0.4, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
