"""What all figures share: ink that survives print and colour blindness, axes, numbers, and the foot.

Colour never stands alone: every series has a marker, a line style and its name beside it. Ink and paper are
matplotlib's own settings, so that ``rc_context`` draws the same figure for a dark page.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from workbench.measure import disclosure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from workbench.measure.results import Line, Run

__all__ = [
    "Look",
    "blank",
    "foot",
    "log_axis",
    "log_ticks",
    "look",
    "measured",
    "number",
    "panels",
    "plain_axis",
]

# Okabe and Ito's colours without the yellow, which print swallows.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
STYLES = (
    "-",
    (0, (5, 2)),
    (0, (1, 1.5)),
    (0, (5, 1.5, 1, 1.5)),
    (0, (9, 2)),
    (0, (2, 3)),
    (0, (3, 1, 1, 1, 1, 1)),
)
FOOT_WIDTH = 18.5  # characters on an inch, at the size of the foot
FEW_DECADES = 30.0  # times: below it, ticks stand between the powers of ten too
TICKS = ((1.0,), (1.0, 2.0, 5.0), (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0))
PANEL_WIDTH, PANEL_HEIGHT = 4.75, 3.6


@attrs.frozen
class Look:
    """How a series is drawn: the third one of two figures looks the same in both."""

    colour: str
    marker: str
    style: str | tuple[int, tuple[float, ...]]


def look(index: int) -> Look:
    """The look of the series with this number, from 0."""
    return Look(COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)], STYLES[index % len(STYLES)])


def blank(run: Run | None, title: str, width: float, height: float, key: str = "") -> Figure:
    """An empty figure with its title; at its foot the key to its marks, and what it was measured on. Inches."""
    parts = ([key] if key else []) + ([] if run is None else [*foot(run)])
    lines = [text for part in parts for text in _wrapped(part, width)]
    figure = Figure(figsize=(width, height + 0.11 * len(lines)), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(
        "\n".join(textwrap.wrap(title, int(width * 10.2))), x=0.01, ha="left", fontsize=11, fontweight="bold"
    )
    if lines:
        figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=6.5, alpha=0.75)
    return figure


def panels(run: Run | None, title: str, names: Sequence[str], key: str = "") -> tuple[Figure, list[Axes]]:
    """A figure with a panel for each name, two in a row."""
    columns = min(2, len(names))
    rows = -(-len(names) // columns)
    figure = blank(
        run, title, PANEL_WIDTH * columns + (0 if columns > 1 else 2), 0.6 + PANEL_HEIGHT * rows, key
    )
    axes = [figure.add_subplot(rows, columns, place) for place in range(1, len(names) + 1)]
    for one, name in zip(axes, names, strict=True):
        one.set_title(name, loc="left", fontsize=9.5)
        plain_axis(one)
    return figure, axes


def plain_axis(axes: Axes) -> None:
    """Nothing but a light grid, and the spines that carry numbers."""
    axes.grid(which="major", alpha=0.4, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def log_axis(axes: Axes, which: str, values: Iterable[float]) -> None:
    """A logarithmic axis, ``x`` or ``y``, with two ticks or more that are written out."""
    found = [value for value in values if value > 0]
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    if not found:
        return
    axis.set_ticks(log_ticks(min(found), max(found)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: number(value))


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers between these two: powers of ten where there are enough of them, else some between them too."""
    decades = 10.0 ** np.arange(np.floor(np.log10(low)) - 1, np.ceil(np.log10(high)) + 1)
    ticks: list[float] = []
    for digits in TICKS if high / low >= FEW_DECADES else TICKS[1:]:
        every = sorted(float(tick) for tick in np.outer(decades, digits).ravel())
        ticks = [
            tick for tick in every if low / 1.05 <= tick <= high * 1.05
        ]  # within the axis, or hardly beyond
        if len(ticks) > 1:
            break
    return ticks


def number(value: float) -> str:
    """Three significant digits, thousands apart, millions by name."""
    if value >= 999_500:
        return f"{value / 1e6:.3g} million"
    if value >= 100:
        digits = max(0, len(str(int(value))) - 3)
        return f"{round(value, -digits):,.0f}"
    return f"{value:.3g}"


def measured(run: Run) -> list[Line]:
    """The lines that have a figure."""
    return [line for line in run.lines if line.rounds]


def foot(run: Run) -> tuple[str, ...]:
    """Machine, method and the disclosure of each token, for under a figure; a paragraph each."""
    machine, plan = run.meta["machine"], run.meta["plan"]
    loop = "closed loop" if run.loop == "closed" else f"open loop, {plan['rate']:g} calls a second due"
    known = {token: run.meta["provenance"].get(token, {}) for token in run.tokens}
    method = (
        f"{machine['cpu']}, {machine['cores']} cores, load {machine['load_average'][0]:g}; driver {run.driver}, {loop}, "
        f"keys: {disclosure.keys_of_run(plan['cases'], known)}; {plan['rounds']} rounds in random order; "
        f"{run.meta['created'][:10]}"
    )
    return (method, *disclosure.foot(run).split("\n"))


def _wrapped(text: str, width: float) -> list[str]:
    return textwrap.wrap(text, int(width * FOOT_WIDTH), subsequent_indent="   ") or [""]
