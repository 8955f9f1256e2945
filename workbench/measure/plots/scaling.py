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

WIDTH, NAME, NOTE = 255.0, 4.9, 3.9  # points: of a panel, and of a character of each size beside a curve
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
    if f"{least[0]:.1f}" == f"{most[0]:.1f}":
        return f"At their best, threads bring {most[0]:.1f} times the rate of one"
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
    own = {
        token: [line for line in lines if line.token == token and line.driver == run.drivers[0]]
        for token in run.tokens
    }
    knees = {token: run.saturation(token, case) for token in run.tokens}
    drawn = [value for line in lines for value in _reached(line)]
    drawn += [knee.ideal(_place(knee)) for knee in knees.values() if knee is not None and knee.closed]
    low, high = min(drawn), max(drawn)
    room = (high / low) ** 0.06 * 1.12
    bottom, top = low / room, high * room
    for index, token in enumerate(run.tokens):
        if own[token]:
            _curve(axes, own[token], knees[token], look(index), top)
    log_axis(axes, "y", [bottom, top])
    axes.set_ylim(bottom, top)
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.xaxis.set_minor_locator(NullLocator())
    words = [(own[token][-1], token, _note(knees[token])) for token in run.tokens if own[token]]
    # they stand on the right of the last threads, and have their part of the width
    longest = max(max(NAME * len(token), NOTE * len(note)) for _, token, note in words)
    part = min(0.6, (12 + longest) / WIDTH)
    left = counts[0] / 1.15
    axes.set_xlim(left, counts[-1] * (counts[-1] / left) ** (part / (1 - part)))
    _name(axes, words, (top / bottom) ** 0.1)
    axes.set_xlabel("threads, each with a session of its own", fontsize=8.5)
    axes.set_ylabel("successful calls per second", fontsize=8.5)


def _reached(line: Line) -> tuple[float, float, float]:
    """The ends of the interval, where there is one, and the median."""
    rate = line.rate
    return (rate.low, rate.value, rate.high) if rate.known else (rate.value,) * 3


def _place(knee: Saturation) -> float:
    """Where the knee is drawn; with one thread as fast as all, at that one."""
    return max(knee.knee.value, float(knee.threads[0]))


def _note(knee: Saturation | None) -> str:
    if knee is None:
        return ""
    return f"knee {knee.knee.value:.1f}, at most {number(knee.peak)}/s" if knee.closed else "still growing"


def _name(axes: Axes, words: list[tuple[Line, str, str]], gap: float) -> None:
    """Each token beside its last mark, names one below the other where they would meet."""
    above = np.inf
    for line, token, note in sorted(words, key=lambda item: -item[0].rate.value):
        above = min(line.rate.value, above / gap)
        for text, down, size in ((token, 0, 8), (note, -9, 7)):
            axes.annotate(
                text, (line.threads, above), xytext=(7, down), textcoords="offset points", fontsize=size, va="center"
            )  # fmt: skip


def _curve(axes: Axes, lines: list[Line], knee: Saturation | None, ink: Look, top: float) -> None:
    threads = [line.threads for line in lines]
    low, rates, high = np.array([_reached(line) for line in lines]).T
    axes.errorbar(
        threads, rates, yerr=np.maximum([rates - low, high - rates], 0), fmt=ink.marker, color=ink.colour,
        markersize=5, capsize=2, linewidth=1.2,
    )  # fmt: skip
    if knee is None:
        return
    fine = np.geomspace(threads[0], threads[-1], 60)
    ends = min(threads[-1], max(threads[0], top / knee.ideal(1)))  # at the top of the panel at the latest
    ideal = np.geomspace(threads[0], ends, 2)
    axes.plot(ideal, [knee.ideal(n) for n in ideal], linestyle=(0, (5, 3)), color=ink.colour, linewidth=0.9)
    axes.plot(fine, [knee.usl.at(n) for n in fine], linestyle="-", color=ink.colour, linewidth=1.2)
    axes.plot(fine, [knee.amdahl.at(n) for n in fine], linestyle=":", color=ink.colour, linewidth=1.4)
    if knee.closed:
        at = _place(knee)
        axes.plot(at, knee.ideal(at), "v", color=ink.colour, markersize=7, markerfacecolor="none")
